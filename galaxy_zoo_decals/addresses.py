"""Every address on the network that this project reads from: what lies there, how large, with which checksum.

Nothing else in the package spells an address. ``galaxy-zoo-decals doctor`` asks each of ``ADDRESSES`` whether it
answers.
"""

from __future__ import annotations

from dataclasses import dataclass

ZENODO = "https://zenodo.org/api/records/4573248"
"""The API's description of the record of Walmsley et al. 2022, data release of Galaxy Zoo DECaLS."""

GALAXY_ZOO_2 = "https://zenodo.org/api/records/3565489"
"""The API's description of the record that holds the pictures of Galaxy Zoo 2 and the table of whose they are."""

GALAXY_ZOO_2_VOTES = "https://gz2hart.s3.amazonaws.com/gz2_hart16.csv.gz"
"""The votes of Galaxy Zoo 2 (Hart et al. 2016), where data.galaxyzoo.org links to; no checksum of it is published."""

GALAXY_ZOO_2_HUB = "mwalmsley/gz2"
"""Dataset of the Hugging Face Hub: galaxies of Galaxy Zoo 2 with their pictures and votes."""

HUB_IMAGES = "mwalmsley/gz_desi"
"""Dataset of the Hugging Face Hub: the galaxies of GZ DESI with images made anew from a later data release."""

HUB_LICENCE = "cc-by-nc-sa-4.0"
"""The licence that its card states, as the Hub spells it."""

HUB_MIRROR = "BigBang/galaxyzoo-decals"
"""Dataset of the Hugging Face Hub: a mirror of the Zenodo record."""

HUB_MIRROR_VOTES = "annotations/gz_decals_volunteers_5.parquet"
"""Where the votes lie in the mirror."""


HUB_WEIGHTS = "timm"
"""Owner of the models of the Hugging Face Hub whose first weights a backbone without a package has."""


@dataclass(frozen=True)
class Published:
    """A file whose checksum was published: its size in bytes, its md5, and its number of rows."""

    name: str
    size: int
    md5: str
    rows: int


VOTES = (
    Published("gz_decals_volunteers_5.parquet", 40_528_939, "364d0b598b7d2958553350c5ce0ffc14", 253_286),
    Published("gz_decals_volunteers_5.csv", 145_771_258, "b12e3767b3968f9767d4f4115cc69d4d", 253_286),
)
"""The votes of GZD-5 as Zenodo publishes them, in the order of preference."""


@dataclass(frozen=True)
class Config:
    """A config of a dataset of the Hub as public pages had it by ``stated`` (year and month); bytes are about."""

    name: str
    folder: str
    files: int
    rows: int
    size: int
    stated: str


HUB_CONFIGS = {
    "tiny": Config("tiny", "tiny", 2, 3_195 + 798, 175_000_000, "2026-11"),
    "default": Config("default", "data", 28 + 8, 319_530 + 79_883, 17_500_000_000, "2026-11"),
}
"""What the Hub had by public accounts of that month; it is asked again at run time, and what differs is said."""


GALAXY_ZOO_2_CONFIGS = {
    "tiny": Config("tiny", "tiny", 2, 1_910, 26_000_000, "2026-11"),
    "default": Config("default", "data", 6, 191_000, 2_640_000_000, "2026-11"),
}
"""The same of ``GALAXY_ZOO_2_HUB``; its rows are known about."""


@dataclass(frozen=True)
class Address:
    """One place that data come from.

    ``url`` is below the record's API ({record}), that of all records ({zenodo}) or the Hub ({hub}), as they may be on
    another server, or is ``GALAXY_ZOO_2_VOTES`` ({votes_2}). ``size`` is bytes as public pages had it by ``stated``
    (year and month), and ``checksum`` what was published then ("" where the server's own is asked for at run time):
    ``exact`` sizes must be met to the byte, the others about; 0 is that of a description, which may be of any size, and
    of a file whose size is published nowhere.
    """

    name: str
    what: str
    url: str
    size: int
    checksum: str
    exact: bool
    licence: str
    stated: str


ADDRESSES = (
    Address("record", "which files there are", "{record}", 0, "", False, "CC-BY-4.0", "2026-11"),
    Address(
        "votes", "votes of 253,286 galaxies", f"{{record}}/files/{VOTES[0].name}/content", VOTES[0].size,
        f"md5:{VOTES[0].md5}", True, "CC-BY-4.0", "2026-11",
    ),
    Address(
        "votes, CSV", "the same", f"{{record}}/files/{VOTES[1].name}/content", VOTES[1].size,
        f"md5:{VOTES[1].md5}", True, "CC-BY-4.0", "2026-11",
    ),
    *(
        Address(
            f"archive {number}", f"PNGs, part {number} of 4",
            f"{{record}}/files/gz_decals_dr5_png_part{number}.zip/content",
            26_000_000_000, "", False, "CC-BY-4.0", "2026-11",
        )
        for number in (1, 2, 3, 4)
    ),
    Address(
        "gz_desi, tiny", "JPEGs of 3,993 rows", f"{{hub}}/api/datasets/{HUB_IMAGES}", HUB_CONFIGS["tiny"].size,
        "", False, "CC-BY-NC-SA-4.0", "2026-11",
    ),
    Address(
        "gz_desi", "JPEGs of 399,413 rows", f"{{hub}}/api/datasets/{HUB_IMAGES}", HUB_CONFIGS["default"].size,
        "", False, "CC-BY-NC-SA-4.0", "2026-11",
    ),
    Address(
        "votes, mirror", "the same as on Zenodo",
        f"{{hub}}/datasets/{HUB_MIRROR}/resolve/main/{HUB_MIRROR_VOTES}",
        VOTES[0].size, f"md5:{VOTES[0].md5}", True, "CC-BY-4.0", "2026-11",
    ),
    Address(
        "GZ 2 record", "which files there are", "{zenodo}/3565489", 0, "", False, "as it states", "2026-11",
    ),
    Address("GZ 2 votes", "votes of 239,695 galaxies", "{votes_2}", 0, "", False, "not stated", "2026-11"),
    Address(
        "GZ 2 mapping", "which picture is whose", "{zenodo}/3565489/files/gz2_filename_mapping.csv/content",
        13_000_000, "md5:7e28465e6dfbf96c0d828c595a5bbd80", False, "as the record states", "2026-11",
    ),
    Address(
        "GZ 2 archive", "JPEGs of Galaxy Zoo 2", "{zenodo}/3565489/files/images_gz2.zip/content", 3_400_000_000,
        "md5:bc647032d31e50c798770cf4430525c7", False, "as the record states", "2026-11",
    ),
    Address(
        "GZ 2, tiny", "JPEGs of some 1,900 rows", f"{{hub}}/api/datasets/{GALAXY_ZOO_2_HUB}",
        GALAXY_ZOO_2_CONFIGS["tiny"].size, "", False, "CC-BY-NC-SA-4.0", "2026-11",
    ),
    Address(
        "GZ 2", "JPEGs of 191,000 rows", f"{{hub}}/api/datasets/{GALAXY_ZOO_2_HUB}",
        GALAXY_ZOO_2_CONFIGS["default"].size, "", False, "CC-BY-NC-SA-4.0", "2026-11",
    ),
)  # fmt: skip
"""All of them. Datasets of the Hub are asked through its API, which says what files they have today."""

DATASETS = {HUB_IMAGES: HUB_CONFIGS, GALAXY_ZOO_2_HUB: GALAXY_ZOO_2_CONFIGS}
"""The configs of the datasets among them."""

RECORDS = {"record": tuple(table.name for table in VOTES), "GZ 2 record": ("images_gz2.zip",)}
"""A file of which each record among them has one: by that it is known."""

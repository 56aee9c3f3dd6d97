"""Every address on the network that this project reads from: what lies there, how large, with which checksum.

Nothing else in the package spells an address. ``galaxy-zoo-decals doctor`` asks each whether it answers.
"""

from __future__ import annotations

from dataclasses import dataclass

ZENODO = "https://zenodo.org/api/records/4573248"
"""The API's description of the record of Walmsley et al. 2022, data release of Galaxy Zoo DECaLS."""

HUB_IMAGES = "mwalmsley/gz_desi"
"""Dataset of the Hugging Face Hub: the galaxies of GZ DESI with images made anew from a later data release."""

HUB_LICENCE = "cc-by-nc-sa-4.0"
"""The licence that its card states, as the Hub spells it."""

HUB_MIRROR = "BigBang/galaxyzoo-decals"
"""Dataset of the Hugging Face Hub: a mirror of the Zenodo record."""

HUB_MIRROR_VOTES = "annotations/gz_decals_volunteers_5.parquet"
"""Where the votes lie in the mirror."""


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
    """A config of ``HUB_IMAGES`` as it stood on ``stated`` (ISO date): its Parquet files, rows, and bytes (about)."""

    name: str
    files: int
    rows: int
    size: int
    stated: str


HUB_CONFIGS = {
    "tiny": Config("tiny", 2, 3_195 + 798, 175_000_000, "2026-11-20"),
    "default": Config("default", 28 + 8, 319_530 + 79_883, 17_500_000_000, "2026-11-20"),
}
"""What the Hub had when it was last looked at; it is asked again at run time, and what differs is said."""


@dataclass(frozen=True)
class Address:
    """One place that data come from.

    ``size`` is bytes as stated on ``stated`` (ISO date), when the address was last looked at by a person; servers are
    asked again at run time. ``way`` is the command that reads it.
    """

    name: str
    what: str
    url: str
    size: int
    licence: str
    stated: str
    way: str


ADDRESSES = (
    Address(
        "votes", "the votes of GZD-5, 253,286 galaxies", f"{ZENODO}/files/{VOTES[0].name}/content", VOTES[0].size,
        "CC-BY-4.0", "2026-11-20", "prepare gzd5 --catalogue-only",
    ),
    *(
        Address(
            f"archive {number}", f"PNGs that volunteers saw, part {number} of 4",
            f"{ZENODO}/files/gz_decals_dr5_png_part{number}.zip/content", 26_000_000_000,
            "CC-BY-4.0", "2026-11-20", "prepare gzd5",
        )
        for number in (1, 2, 3, 4)
    ),
)  # fmt: skip
"""The files of Zenodo; datasets of the Hub are asked through its own API, which says what files they have."""

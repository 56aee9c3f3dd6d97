"""What an astronomer tries in Python: the catalogue, the published cuts, a match by position, a galaxy by name."""

from __future__ import annotations

import os
import socket
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd

import galaxy_zoo_decals
from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.schema import GZ2
from galaxy_zoo_decals.sources import download, zenodo
from tests.campaigns.first_contact.case import Case, Outcome
from tests.toys import write_catalogue

PLACE = pd.DataFrame({"ra": [150.0], "dec": [2.0]})


def python(lines: Callable[[Path], object]) -> Callable[[Path], Outcome]:
    """Return a case of a few lines of Python: what they return, and what is warned; of a UserError its one line."""

    def run(folder: Path) -> Outcome:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                status, said = 0, str(lines(folder))
            except UserError as error:
                status, said = 1, "\n".join(error._render_traceback_())
            except Exception:
                status, said = 1, traceback.format_exc()
        return Outcome(status, "\n".join([said, *(str(w.message) for w in warned)]))

    return run


def _offline(folder: Path) -> object:
    with (
        socket.socket() as nobody,
        mock.patch.dict(os.environ, {"GALAXY_ZOO_DECALS_HOME": str(folder)}),
        mock.patch.object(download, "FIRST_TRIES", 1),
    ):
        nobody.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}/api/records/4573248"
        with mock.patch.object(zenodo, "RECORD", address):
            return galaxy_zoo_decals.catalogue("gzd5")


def _of_file(folder: Path) -> object:
    votes, _ = write_catalogue(folder, 6)
    table = galaxy_zoo_decals.catalogue(votes)
    return f"{len(table)} galaxies, smooth_fraction {table['smooth-or-featured_smooth_fraction'].between(0, 1).all()}"


def _of_unpacked_downloads(folder: Path) -> object:
    """The CSV of Zenodo put by hand where a download would put it."""
    place = folder / "downloads" / "zenodo-4573248"
    votes, _ = write_catalogue(folder / "made", 6)
    place.mkdir(parents=True)
    (place / zenodo.TABLES[1]).write_bytes(votes.read_bytes())
    with mock.patch.dict(os.environ, {"GALAXY_ZOO_DECALS_HOME": str(folder)}):
        return f"{len(galaxy_zoo_decals.catalogue('gzd5'))} galaxies"


def _cut_off(folder: Path) -> object:
    votes, _ = write_catalogue(folder, 6)
    data = pd.read_csv(votes)
    data.to_parquet(folder / "votes.parquet")
    whole = (folder / "votes.parquet").read_bytes()
    (folder / "votes.parquet").write_bytes(whole[: len(whole) // 2])
    return galaxy_zoo_decals.catalogue(folder / "votes.parquet")


def _sample() -> pd.DataFrame:
    return galaxy_zoo_decals.catalogue("sample")


def _published_columns() -> pd.DataFrame:
    """A table as pandas reads it from the published file: votes only, other columns and another index."""
    table = _sample().set_index("iauname")
    return table[[c for c in table if not c.endswith("_fraction")]]


def _at(ra: float) -> pd.DataFrame:
    return pd.DataFrame({"ra": [ra], "dec": [0.0]})


def _big_endian() -> np.ndarray:
    return np.array([(150.0, 2.0)], dtype=[("RA", ">f8"), ("DEC", ">f8")])


CASES = [
    Case(
        "journey", 'catalogue("sample"): votes, fractions and metadata without images',
        python(lambda _: (len(_sample()), "bar_strong_fraction" in _sample(), "image" in _sample())), 0,
        ("(1887, True, False)",),
    ),
    Case(
        "journey", 'catalogue("gzd5") without a network', python(_offline), 1,
        ("no connection to", "gz_decals_volunteers_5.parquet", "galaxy-zoo-decals doctor"),
    ),
    Case(
        "journey", 'catalogue("gzd5") where the CSV of Zenodo was put by hand', python(_of_unpacked_downloads), 0,
        ("6 galaxies",),
    ),
    Case("journey", "catalogue of a file of votes", python(_of_file), 0, ("6 galaxies, smooth_fraction True",)),
    Case(
        "journey", "catalogue of a folder that is no edition",
        python(lambda folder: galaxy_zoo_decals.catalogue(folder)), 1, ("is a folder but no edition", '"gzd5"'),
    ),
    Case(
        "journey", "catalogue with a misspelled name", python(lambda _: galaxy_zoo_decals.catalogue("gz5d")), 1,
        ("Did you mean 'gzd5'",),
    ),
    Case(
        "journey", "catalogue of a file that is not there",
        python(lambda folder: galaxy_zoo_decals.catalogue(folder / "my-votes.csv")), 1,
        ("my-votes.csv: there is no such file",),
    ),
    Case("journey", "catalogue of half a Parquet file", python(_cut_off), 1, ("votes.parquet",)),
    Case(
        "journey", "a cut by half its name",
        python(lambda _: galaxy_zoo_decals.select(_sample(), "spiral")), 1, ("no cut 'spiral'", "'spiral-arms'"),
    ),
    Case(
        "journey", "cuts on a table that pandas read from the published file",
        python(lambda _: len(galaxy_zoo_decals.select(_published_columns(), "strong-bar", "spiral-arms"))), 0, ("0",),
    ),
    Case(
        "journey", "cuts on a table with fractions and no votes",
        python(lambda _: galaxy_zoo_decals.select(_sample().filter(regex="_fraction$"), "any-bar")), 1,
        ("'smooth-or-featured_total-votes'", "Votes are needed"),
    ),
    Case(
        "journey", "cuts of Galaxy Zoo DECaLS on votes of Galaxy Zoo 2",
        python(lambda _: galaxy_zoo_decals.select(pd.DataFrame({c: [9] for c in GZ2.vote_columns}), "spiral-arms")), 1,
        ("the questions of Galaxy Zoo 2",),
    ),
    Case(
        "journey", "a match of RA and DEC as FITS has them (big-endian)",
        python(lambda _: galaxy_zoo_decals.match(_big_endian(), PLACE)["separation"].tolist()), 0, ("[0.0]",),
    ),
    Case(
        "journey", "a match across 0 h: 359.9999 and 0.0001 degrees",
        python(lambda _: galaxy_zoo_decals.match(_at(359.9999), _at(0.0001), radius=1)["separation"].round(6).tolist()),
        0, ("[0.72]",),
    ),
    Case(
        "journey", "a match with right ascension in hours",
        python(lambda _: len(galaxy_zoo_decals.match(PLACE / [15, 1], PLACE))), 0,
        ("0", "nothing matched within 1 arcsec", "in hours", "multiply it by 15"),
    ),
    Case(
        "journey", "a match with sexagesimal positions",
        python(lambda _: galaxy_zoo_decals.match(pd.DataFrame({"ra": ["10:00:00"], "dec": ["+2"]}), PLACE)), 1,
        ("row 1, column 'ra' holds '10:00:00'", "SkyCoord"),
    ),
    Case(
        "journey", "a match of a table without positions",
        python(lambda _: galaxy_zoo_decals.match(pd.DataFrame({"name": ["M 51"], "l": [104.9]}), PLACE)), 1,
        ("the first table has no column 'ra'", "It has name, l"),
    ),
    Case(
        "journey", "a galaxy by its name",
        python(lambda _: galaxy_zoo_decals.galaxy(_sample()["iauname"][3], "sample")), 0,
        ("Is the galaxy smooth, or featured or a disc? (39 votes)", "> featured-or-disk   24   62%"),
    ),
    Case(
        "journey", "a galaxy by a name with a typing error",
        python(lambda _: galaxy_zoo_decals.galaxy("J000647.11-043917.1", "sample")), 1,
        ("no galaxy 'J000647.11-043917.1'", "J000647.11-043917.0"),
    ),
    Case(
        "journey", "a galaxy of the survey before any is prepared",
        python(lambda _: galaxy_zoo_decals.galaxy("J112953.88-000427.4", "gzd5-nowhere")), 1,
        ("there is no edition 'gzd5-nowhere'",),
    ),
]  # fmt: skip

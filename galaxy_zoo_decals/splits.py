"""Which galaxies train, validate and test: by a hash of the sky cell, so that neighbours stay together."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd

CELL = 0.5
"""Side of a sky cell in degrees."""

MIN_SCORED_VOTES = 34
"""First-question votes a galaxy needs to be scored (Walmsley et al. 2022, section 5 and table 1)."""


MIN_SCORED_GALAXY_ZOO_2 = 30
"""The same in Galaxy Zoo 2, where nobody chose which galaxies get more votes: nine in ten have more than 30."""

TOGETHER = 5.0
"""Arcsec within which two entries of a catalogue may be one galaxy, observed twice: they stay in one split."""


MIN_CLASSIFIED = 500
"""Scored test galaxies with a class below which no board of four classes is frozen; the rule of who is scored is not
widened for it (docs/data.md)."""


def sky_cell(ra: np.ndarray, dec: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the cell (i, j) of each position, ra and dec in degrees: i by declination, j along the band.

    i = floor((dec + 90) / 0.5); j = floor(ra cos(dec of the band's centre) / 0.5), so cells have equal area.
    """
    i = np.floor((np.asarray(dec, float) + 90) / CELL).astype(int)
    centre = np.radians((i + 0.5) * CELL - 90)
    j = np.floor(np.asarray(ra, float) % 360 * np.cos(centre) / CELL).astype(int)
    return i, j


def bucket(text: str) -> int:
    """Return sha256 of the text modulo 100."""
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % 100


def by_sky_cell(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Return the split of each position: bucket of "i:j" under 70 is train, under 80 validation, else test."""
    i, j = sky_cell(ra, dec)
    cells, inverse = np.unique(np.column_stack([i, j]), axis=0, return_inverse=True)
    buckets = np.array([bucket(f"{a}:{b}") for a, b in cells])
    return _of_buckets(buckets)[inverse.reshape(-1)]


def by_name(names: Sequence[str]) -> np.ndarray:
    """Return the split of each galaxy by its name alone: bucket under 70 is train, under 80 validation, else test."""
    return _of_buckets(np.array([bucket(str(name)) for name in names], dtype=int))


def _of_buckets(buckets: np.ndarray) -> np.ndarray:
    return np.select([buckets < 70, buckets < 80], ["train", "validation"], "test")


def by_sky_cell_together(ra: np.ndarray, dec: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """Return the split of each position by its sky cell, but one split for entries within ``TOGETHER`` of each other.

    Where the border of a cell runs between them, all take the split of the one of the lowest ``rank``, of the lowest
    position where several have it: the order of the rows changes nothing. ra and dec in degrees.
    """
    names, groups = by_sky_cell(ra, dec), neighbours(ra, dec)
    order = np.lexsort((dec, ra, rank))
    _, first = np.unique(groups[order], return_index=True)
    return np.asarray(names[order[first]][groups])


def neighbours(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Return a number for each position, int (n,): the same within ``TOGETHER``, also by way of others between."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    # Each place once: pairs of thousands of rows at one place, as 0, 0 for an unknown one, would fill the memory.
    places, which = np.unique(directions(ra, dec), axis=0, return_inverse=True)
    pairs = cKDTree(places).query_pairs(chord(TOGETHER), output_type="ndarray")
    links = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(len(places), len(places)))
    _, groups = connected_components(links, directed=False)
    return np.asarray(groups[which.reshape(-1)])


def in_two_splits(catalogue: pd.DataFrame) -> list[list[str]]:
    """Return the names of galaxies within ``TOGETHER`` of each other that are in more than one split, by place."""
    if catalogue.empty:
        return []
    groups = neighbours(catalogue["ra"].to_numpy(), catalogue["dec"].to_numpy())
    found = catalogue.groupby(groups)[["iauname", "split"]]
    return [group["iauname"].tolist() for _, group in found if len(group) > 1 and group["split"].nunique() > 1]


def at_border(ra: np.ndarray, dec: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Return where a position has a split that a cell within a few times ``TOGETHER`` of it has, bool (n,)."""
    ra, dec = np.asarray(ra, float), np.asarray(dec, float)
    reach = 3 * TOGETHER / 3600
    found = by_sky_cell(ra, dec) == names
    for east, north in ((e, n) for e in (-1, 0, 1) for n in (-1, 0, 1)):
        there = np.clip(dec + north * reach, -90, 90)
        found |= by_sky_cell(ra + east * reach / np.maximum(np.cos(np.radians(there)), 1e-9), there) == names
    return found


def directions(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Return unit vectors (n, 3) of positions in degrees: near 0 h and near the poles distances are right too."""
    a, d = np.radians(np.asarray(ra, float)), np.radians(np.asarray(dec, float))
    return np.column_stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)])


def chord(arcsec: float) -> float:
    """Return how far two unit vectors are apart at an angle, a hair longer: 1 arcsec itself is within 1 arcsec."""
    return float(2 * np.sin(np.radians(arcsec / 3600) / 2) * (1 + 1e-9))


def by_galaxy_id(ids: np.ndarray, tests: int = 1000) -> np.ndarray:
    """Return the split of each GalaxyID: the lowest ``tests`` are test, else bucket under 10 is validation."""
    ids = np.asarray(ids).astype(np.int64)
    order = np.argsort(ids, kind="stable")
    names = np.array(["validation" if bucket(str(i)) < 10 else "train" for i in ids], dtype=object)
    names[order[:tests]] = "test"
    return names.astype(str)


def scored_galaxy_zoo_2(catalogue: pd.DataFrame) -> np.ndarray:
    """Return which galaxies of Galaxy Zoo 2 metrics may use, whatever their split: the original sample, many votes.

    At least 30 votes for the first question. ``upload_group`` is the sample: extra and stripe82 were chosen otherwise,
    and galaxies of stripe82 may be those of the original sample, observed again.
    """
    votes = catalogue["smooth-or-featured_total-votes"].to_numpy() >= MIN_SCORED_GALAXY_ZOO_2
    return votes & (catalogue["upload_group"] == "original").fillna(False).to_numpy(dtype=bool)


def scored(catalogue: pd.DataFrame) -> np.ndarray:
    """Return which galaxies metrics may use, whatever their split: unselected ones with many votes.

    At least 34 votes for the first question, no size warning, and ``random_selection`` where the catalogue has
    it, else ``upload_group`` pre_active: who got many votes later was not chosen at random.
    """
    votes = catalogue["smooth-or-featured_total-votes"].to_numpy() >= MIN_SCORED_VOTES
    if catalogue["random_selection"].notna().any():
        unselected = catalogue["random_selection"].fillna(False).to_numpy(dtype=bool)
    else:
        unselected = (catalogue["upload_group"] == "pre_active").fillna(False).to_numpy(dtype=bool)
    return votes & unselected & ~catalogue["wrong_size_warning"].to_numpy(dtype=bool)


def scored_by_votes(catalogue: pd.DataFrame) -> np.ndarray:
    """Return which galaxies of somebody's own test split metrics may use: with 34 votes and no size warning.

    Nothing says how they were chosen, but who names the test galaxies does so.
    """
    votes = catalogue["smooth-or-featured_total-votes"].to_numpy() >= MIN_SCORED_VOTES
    return votes & ~catalogue["wrong_size_warning"].to_numpy(dtype=bool)


def scored_all(catalogue: pd.DataFrame) -> np.ndarray:
    """Return which galaxies of an edition for tests alone metrics may use: all without a size warning."""
    return ~catalogue["wrong_size_warning"].to_numpy(dtype=bool)


def says_selection(catalogue: pd.DataFrame) -> bool:
    """Return whether a catalogue says of any galaxy how it was chosen."""
    return bool(catalogue["random_selection"].notna().any() or catalogue["upload_group"].notna().any())

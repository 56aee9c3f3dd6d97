"""Which galaxies train, validate and test: by a hash of the sky cell, so that neighbours stay together."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

CELL = 0.5
"""Side of a sky cell in degrees."""

MIN_SCORED_VOTES = 34
"""First-question votes a galaxy needs to be scored (Walmsley et al. 2022, section 5 and table 1)."""


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
    names = np.select([buckets < 70, buckets < 80], ["train", "validation"], "test")
    return names[inverse.reshape(-1)]


def by_galaxy_id(ids: np.ndarray, tests: int = 1000) -> np.ndarray:
    """Return the split of each GalaxyID: the lowest ``tests`` are test, else bucket under 10 is validation."""
    ids = np.asarray(ids).astype(np.int64)
    order = np.argsort(ids, kind="stable")
    names = np.array(["validation" if bucket(str(i)) < 10 else "train" for i in ids], dtype=object)
    names[order[:tests]] = "test"
    return names.astype(str)


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

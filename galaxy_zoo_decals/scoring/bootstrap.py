"""The shared paired bootstrap: one weight matrix for all entries of a board."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csc_array

DRAWS = 2000
SEED = 20220101
"""Fixed, so that every entry of a board meets the same resampled galaxies and differences are paired."""

CONFIDENCE = 0.95

BLOCK = 1024
"""Galaxies whose weights are floats at once: few enough for the processor's cache."""


@dataclass(frozen=True, eq=False)
class Patterns:
    """What galaxies add to counts, bool or small whole numbers from 0 up: many galaxies are alike in all of it.

    Of every galaxy there is its ``kind`` (galaxies,), and of every kind its ``rows`` (kinds, columns), float32; the
    named columns lie side by side in ``places``, an int for one of (galaxies,), a slice for one of (galaxies, k).
    """

    kind: np.ndarray
    rows: np.ndarray
    places: dict[str, int | slice]

    @classmethod
    def of(cls, **columns: np.ndarray) -> Patterns:
        """Return the patterns of columns (galaxies,) or (galaxies, k)."""
        places, wide = _side_by_side(columns, np.int16)
        order, bounds = _alike(wide)
        kinds = len(bounds) - 1
        kind = np.empty(len(wide), small(kinds))
        kind[order] = np.repeat(np.arange(kinds), np.diff(bounds))
        return cls(kind, wide[order[bounds[:-1]]].astype(np.float32), places)

    def take(self, galaxies: np.ndarray) -> Patterns:
        """Return the patterns of some galaxies, by position or mask."""
        return Patterns(self.kind[galaxies], self.rows, self.places)


@dataclass(frozen=True)
class Weights:
    """How often each galaxy counts: once in draw 0, the plain score; in the others as ``drawn`` says.

    ``drawn`` (galaxies, draws) is uint16, or float32 of more galaxies than that can count. Sums of draw 0 are float64,
    those of the others are of float32.
    """

    drawn: np.ndarray

    @property
    def draws(self) -> int:
        """How many draws there are, the plain one included."""
        return 1 + self.drawn.shape[1]

    @cached_property
    def total(self) -> np.ndarray:
        """How many galaxies count in each draw, (draws,)."""
        return np.concatenate([[float(len(self.drawn))], self.drawn.sum(axis=0, dtype=float)])

    def take(self, rows: np.ndarray, draws: int) -> Weights:
        """Return the weights of some galaxies, by position or mask, in the plain draw and the next ``draws - 1``."""
        return Weights(self.drawn[:, : draws - 1][rows])

    def sums(self, **columns: np.ndarray) -> dict[str, np.ndarray]:
        """Return the weighted sums over galaxies: (draws,) of each column (galaxies,), (draws, k) of (galaxies, k).

        One matrix product for all columns: the weights, hundreds of MB for 50,000 galaxies, are read once.
        """
        places, wide = _side_by_side(columns, float)
        out = np.zeros((self.draws, wide.shape[1]))
        out[0] = wide.sum(axis=0, dtype=float)
        if self.draws > 1:
            # About their means: float32 then rounds the small deviations, not the large sums.
            centre = out[0] / max(len(wide), 1)
            rest = (wide - centre).astype(np.float32).T
            for start in range(0, len(wide), BLOCK):
                part = slice(start, start + BLOCK)
                out[1:] += (rest[:, part] @ self.drawn[part].astype(np.float32, copy=False)).T
            out[1:] += self.total[1:, None] * centre
        return {name: out[:, place] for name, place in places.items()}

    def counts(self, patterns: Patterns) -> dict[str, np.ndarray]:
        """Return what ``sums`` does of patterns' columns, exactly: the few kinds there are get multiplied."""
        members = np.bincount(patterns.kind, minlength=len(patterns.rows))
        out = np.zeros((self.draws, patterns.rows.shape[1]))
        out[0] = members @ patterns.rows.astype(float)
        if self.draws > 1:
            # Galaxies of zeros alone add nothing to any sum; they sort first.
            if len(members) and not patterns.rows[0].any():
                members[0] = 0
            there = np.flatnonzero(members)
            group = np.full(len(members), -1)
            group[there] = np.arange(len(there))
            grouped = self.grouped(group[patterns.kind], len(there)).astype(np.float32, copy=False)
            out[1:] = (patterns.rows[there].T @ grouped).T
        return {name: out[:, place] for name, place in patterns.places.items()}

    def grouped(self, group: np.ndarray, groups: int) -> np.ndarray:
        """Return how often the galaxies of each group are drawn, (groups, draws - 1).

        ``group`` (galaxies,) is from 0 to below ``groups``, or -1 for galaxies that count nowhere. The weights are
        read in their order, which takes half as long as group by group.
        """
        on = group >= 0
        members, starts = group[on], np.concatenate([[0], np.cumsum(on)])
        ones = np.ones(len(members), self.drawn.dtype)
        return np.asarray(csc_array((ones, members, starts), shape=(groups, len(group))) @ self.drawn)


def _side_by_side(
    columns: dict[str, np.ndarray], kind: type[np.generic] | type[float]
) -> tuple[dict[str, int | slice], np.ndarray]:
    """Return where every column lies among all of them, and all of them, (galaxies, columns)."""
    places: dict[str, int | slice] = {}
    at = 0
    for name, column in columns.items():
        width = 1 if np.ndim(column) == 1 else np.shape(column)[1]
        places[name] = at if np.ndim(column) == 1 else slice(at, at + width)
        at += width
    out = np.empty((len(next(iter(columns.values()))), at), kind, order="F")
    for name, place in places.items():
        out[:, place] = columns[name]
    return places, out


def _alike(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return an order of rows (n, k) of small whole numbers that brings equal ones together, and its groups' bounds.

    Rows of zeros come first. A row is read as the digits of a number, or of several where float64 holds no more.
    """
    keys, room = [np.zeros(len(rows))], 2.0**53
    for digit, size in zip(rows.T, rows.max(axis=0, initial=0) + 1.0):
        if room < size:
            keys, room = [*keys, np.zeros(len(rows))], 2.0**53
        if size > 1:
            keys[-1] *= size
            keys[-1] += digit
            room /= size
    order = np.argsort(keys[0], kind="stable") if len(keys) == 1 else np.lexsort(keys)
    changes = np.zeros(max(len(rows) - 1, 0), bool)
    for key in keys:
        changes |= np.diff(key[order]) != 0
    first = np.flatnonzero(changes) + 1
    return order, np.concatenate([[0], first, [len(rows)]]) if len(rows) else np.zeros(1, int)


def small(most: int) -> type[np.unsignedinteger[Any]]:
    """Return the type of whole numbers up to ``most``: of 16 bits, numpy sorts many times as fast."""
    return np.uint16 if most <= np.iinfo(np.uint16).max else np.uint64


def by_size(numbers: np.ndarray) -> np.ndarray:
    """Return a stable order of whole numbers from 0 up."""
    return np.argsort(numbers.astype(small(int(numbers.max(initial=0))), copy=False), kind="stable")


def ratio(numerator: ArrayLike, denominator: ArrayLike, empty: float = np.nan) -> np.ndarray:
    """Return numerator / denominator, ``empty`` where the denominator is 0."""
    top, bottom = np.broadcast_arrays(np.asarray(numerator, float), np.asarray(denominator, float))
    return np.divide(top, bottom, out=np.full(top.shape, empty), where=bottom != 0)


def plain(galaxies: int) -> Weights:
    """Return weights of the plain draw alone."""
    return Weights(np.empty((galaxies, 0), np.uint16))


@lru_cache(maxsize=2)
def shared(galaxies: int) -> Weights:
    """Return the weights that all entries of a board share: the plain draw and DRAWS resamples of the galaxies."""
    rng = np.random.default_rng(SEED)
    drawn = np.empty((galaxies, DRAWS), dtype=np.uint16 if galaxies <= np.iinfo(np.uint16).max else np.float32)
    part = np.empty((100, galaxies), drawn.dtype)
    for start in range(0, DRAWS, len(part)):
        picks = rng.integers(0, galaxies, size=part.shape, dtype=np.int32) if galaxies else np.empty(part.shape, int)
        for row, picked in zip(part, picks):
            row[:] = np.bincount(picked, minlength=galaxies)
        drawn[:, start : start + len(part)] = part.T
    drawn.setflags(write=False)
    return Weights(drawn)


def interval(draws: np.ndarray) -> tuple[float, float]:
    """Return the percentile interval of some draws at 95 %; NaN draws (a metric undefined there) are left out."""
    known = draws[~np.isnan(draws)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)

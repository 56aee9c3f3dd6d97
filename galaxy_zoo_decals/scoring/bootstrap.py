"""The shared paired bootstrap: one weight matrix for all entries of a board."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy.sparse import csr_array

DRAWS = 2000
SEED = 20220101
"""Fixed, so that every entry of a board meets the same resampled galaxies and differences are paired."""

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Weights:
    """How often each galaxy counts: once in draw 0, the plain score; in the others as ``drawn`` says.

    ``drawn`` is float32 (galaxies, draws). Sums of draw 0 are float64, those of the others float32. ``times`` is
    the same as uint16, made where it is not given: galaxies are counted in half the time with half the memory.
    """

    drawn: np.ndarray
    times: np.ndarray | None = None

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
        part = slice(None, draws - 1)
        return Weights(self.drawn[:, part][rows], self.times[:, part][rows] if self.times is not None else None)

    def sums(self, **columns: np.ndarray) -> dict[str, np.ndarray]:
        """Return the weighted sums over galaxies: (draws,) of each column (galaxies,), (draws, k) of (galaxies, k).

        One matrix product for all columns: the weights, hundreds of MB for 50,000 galaxies, are read once.
        """
        wide = _wide(columns)
        stacked = np.column_stack(wide)
        out = np.empty((self.draws, stacked.shape[1]))
        out[0] = stacked.sum(axis=0, dtype=float)
        if self.draws > 1:
            # About their means: float32 then rounds the small deviations, not the large sums.
            centre = out[0] / max(len(stacked), 1)
            out[1:] = ((stacked - centre).astype(np.float32).T @ self.drawn).T
            out[1:] += self.total[1:, None] * centre
        return _narrow(columns, wide, out)

    def counts(self, **columns: np.ndarray) -> dict[str, np.ndarray]:
        """Return what ``sums`` does, of columns that are bool or small whole numbers from 0 up, exactly.

        Galaxies that are alike in all columns are counted together, and the few patterns there are multiplied.
        """
        wide = _wide(columns)
        stacked = np.column_stack([c.astype(np.float32) for c in wide])
        out = np.zeros((self.draws, stacked.shape[1]))
        out[0] = stacked.sum(axis=0, dtype=float)
        if self.draws > 1 and stacked.any():
            order, bounds = _alike(stacked)
            patterns = stacked[order[bounds[:-1]]]
            # Galaxies of zeros alone, which sort first, add nothing to any sum.
            some = int(not patterns[0].any())
            out[1:] = (patterns[some:].T @ self.grouped(order, bounds[some:])).T
        return _narrow(columns, wide, out)

    def grouped(self, order: np.ndarray, bounds: np.ndarray) -> np.ndarray:
        """Return how often the galaxies ``order[bounds[i]:bounds[i + 1]]`` are drawn, float32 (groups, draws - 1)."""
        shape = (len(bounds) - 1, len(self.drawn))
        members = order[bounds[0] : bounds[-1]]
        times = self._times
        groups = csr_array((np.ones(len(members), times.dtype), members, bounds - bounds[0]), shape=shape)
        return np.asarray(groups @ times).astype(np.float32, copy=False)

    @cached_property
    def _times(self) -> np.ndarray:
        """How often each galaxy is drawn, uint16 where all of a draw's galaxies can be counted with it."""
        if self.total.max() > np.iinfo(np.uint16).max:
            return self.drawn
        return self.drawn.astype(np.uint16) if self.times is None else self.times


def _wide(columns: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Return every column as (galaxies, k)."""
    return [np.asarray(c)[:, None] if np.ndim(c) == 1 else np.asarray(c) for c in columns.values()]


def _narrow(columns: dict[str, np.ndarray], wide: list[np.ndarray], out: np.ndarray) -> dict[str, np.ndarray]:
    """Return sums (draws, all columns) by name, (draws,) where the column was (galaxies,)."""
    parts = np.split(out, np.cumsum([c.shape[1] for c in wide])[:-1], axis=1)
    return {n: part[:, 0] if np.ndim(given) == 1 else part for (n, given), part in zip(columns.items(), parts)}


def _alike(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return an order of rows (n, k) of small whole numbers that brings equal ones together, and its groups' bounds.

    Rows of zeros come first. A row is read as the digits of a number, or of several where float64 holds no more.
    """
    keys, room = [np.zeros(len(rows))], 2.0**53
    for digit, size in zip(rows.T, rows.max(axis=0) + 1.0):
        if room < size:
            keys, room = [*keys, np.zeros(len(rows))], 2.0**53
        if size > 1:
            keys[-1] *= size
            keys[-1] += digit
            room /= size
    order = np.argsort(keys[0], kind="stable") if len(keys) == 1 else np.lexsort(keys)
    changes = np.zeros(len(rows) - 1, bool)
    for key in keys:
        changes |= np.diff(key[order]) != 0
    return order, np.concatenate([[0], np.flatnonzero(changes) + 1, [len(rows)]])


def plain(galaxies: int) -> Weights:
    """Return weights of the plain draw alone."""
    return Weights(np.empty((galaxies, 0), np.float32))


@lru_cache(maxsize=2)
def shared(galaxies: int) -> Weights:
    """Return the weights that all entries of a board share: the plain draw and DRAWS resamples of the galaxies."""
    rng = np.random.default_rng(SEED)
    drawn = np.zeros((galaxies, DRAWS), dtype=np.float32)
    for start in range(0, DRAWS, 100):
        picks = rng.integers(0, galaxies, size=(100, galaxies), dtype=np.int32) if galaxies else np.empty((100, 0), int)
        drawn[:, start : start + 100] = np.column_stack([np.bincount(row, minlength=galaxies) for row in picks])
    drawn.setflags(write=False)
    return Weights(drawn, drawn.astype(np.uint16))


def interval(draws: np.ndarray) -> tuple[float, float]:
    """Return the percentile interval of some draws at 95 %; NaN draws (a metric undefined there) are left out."""
    known = draws[~np.isnan(draws)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)

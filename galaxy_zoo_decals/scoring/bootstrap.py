"""The shared paired bootstrap: one weight matrix for all entries of a board."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

DRAWS = 2000
SEED = 20220101
"""Fixed, so that every entry of a board meets the same resampled galaxies and differences are paired."""

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Weights:
    """How often each galaxy counts: once in draw 0, the plain score; in the others as ``drawn`` says.

    ``drawn`` is float32 (galaxies, draws). Sums of draw 0 are float64, those of the others float32.
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
        wide = [np.asarray(c)[:, None] if np.ndim(c) == 1 else np.asarray(c) for c in columns.values()]
        stacked = np.column_stack([c.astype(np.float32) if c.dtype == bool else c for c in wide])
        out = np.empty((self.draws, stacked.shape[1]))
        out[0] = [x for c in wide for x in c.sum(axis=0, dtype=float)]
        if self.draws > 1:
            # About their means: float32 then rounds the small deviations, not the large sums.
            centre = out[0] / max(len(stacked), 1)
            centre[[x for c in wide for x in [c.dtype == bool] * c.shape[1]]] = 0  # counts are exact as they are
            out[1:] = ((stacked - centre).astype(np.float32).T @ self.drawn).T
            out[1:] += self.total[1:, None] * centre
        cuts = np.cumsum([c.shape[1] for c in wide])[:-1]
        return {
            name: part[:, 0] if np.ndim(given) == 1 else part
            for (name, given), part in zip(columns.items(), np.split(out, cuts, axis=1))
        }


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
    return Weights(drawn)


def interval(draws: np.ndarray) -> tuple[float, float]:
    """Return the percentile interval of some draws at 95 %; NaN draws (a metric undefined there) are left out."""
    known = draws[~np.isnan(draws)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)

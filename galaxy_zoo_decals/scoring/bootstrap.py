"""The shared paired bootstrap: one weight matrix for all entries of a board."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

DRAWS = 2000
SEED = 20220101
"""Fixed, so that every entry of a board meets the same resampled galaxies and differences are paired."""

CONFIDENCE = 0.95


@lru_cache(maxsize=4)
def weights(galaxies: int) -> np.ndarray:
    """Return how often each galaxy is drawn in each resample, float32 (DRAWS, galaxies); rows sum to galaxies."""
    rng = np.random.default_rng(SEED)
    drawn = rng.integers(0, galaxies, size=(DRAWS, galaxies), dtype=np.int32)
    out = np.zeros((DRAWS, galaxies), dtype=np.float32)
    for row, picks in zip(out, drawn):
        row += np.bincount(picks, minlength=galaxies)
    out.setflags(write=False)
    return out


def interval(draws: np.ndarray) -> tuple[float, float]:
    """Return the percentile interval of some draws at 95 %; NaN draws (a metric undefined there) are left out."""
    known = draws[~np.isnan(draws)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)

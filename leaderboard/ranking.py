"""Who is ahead of whom: rank intervals and tie letters from paired bootstrap draws and the seeds' spread.

An entry's score is the mean of its seeds. The variance of a difference is the paired bootstrap variance plus
s^2/n of either entry, s the training spread: each entry's own, drawn towards the pooled one because seeds are few.
A pair counts as different if |difference| exceeds c standard deviations, where c is the 95 % quantile over draws of
the largest standardised deviation among all pairs (max-t), so that all pairs of a board hold together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from string import ascii_lowercase

import numpy as np

ALPHA = 0.05
PRIOR_SEEDS = 3
"""Weight, in degrees of freedom, of the pooled training variance in each entry's own."""


@dataclass(frozen=True)
class Place:
    """An entry's place: its rank is somewhere in first..last; entries that share a letter are not separable."""

    first: int
    last: int
    letter: str


@dataclass(frozen=True)
class Ranking:
    """Places in the order of the entries given; ``smallest`` is the board's median smallest detectable difference."""

    places: list[Place]
    smallest: float


def training_variance(seeds: list[list[float]]) -> np.ndarray:
    """Return the variance over seeds of each entry, shrunk towards the pooled one; 0 where no entry has two seeds."""
    freedom = np.array([len(s) - 1 for s in seeds], float)
    own = np.array([np.var(s, ddof=1) if len(s) > 1 else 0.0 for s in seeds])
    pooled = (freedom * own).sum() / freedom.sum() if freedom.sum() else 0.0
    return (freedom * own + PRIOR_SEEDS * pooled) / (freedom + PRIOR_SEEDS)


def rank(values: list[list[float]], draws: list[np.ndarray], higher_is_better: bool) -> Ranking:
    """Rank entries by the mean of their seeds' values.

    ``values`` holds each entry's seeds, ``draws`` (entries, draws) the paired bootstrap draws of the seeds' mean.
    Entries whose score is not a number come last, in a place of their own.
    """
    score = np.array([np.mean(v) for v in values])
    known = np.flatnonzero(np.isfinite(score))
    order = sorted(known, key=lambda i: -score[i] if higher_is_better else score[i])
    n = len(score)
    places = [Place(len(known) + 1, n, "") for _ in range(n)]
    if len(order) < 2:
        return Ranking([Place(1, 1, "a") if i in order else places[i] for i in range(n)], math.nan)
    d = np.array([np.asarray(draws[i], float) for i in order])
    d = d[:, np.isfinite(d).all(axis=0)]
    seeds = training_variance([values[i] for i in order]) / np.array([len(values[i]) for i in order])
    sampled = np.zeros((len(order), len(order)))
    largest = np.zeros(d.shape[1])
    for i in range(len(order)):
        gap = d[i] - d
        sampled[i] = gap.std(axis=1)
        # Two equal prediction files have no spread at all; they are equal, not infinitely different.
        usable = sampled[i] > 0
        if usable.any():
            deviation = np.abs(gap - gap.mean(axis=1, keepdims=True))[usable] / sampled[i][usable, None]
            largest = np.maximum(largest, deviation.max(axis=0))
    critical = float(np.quantile(largest, 1 - ALPHA))
    needed = critical * np.sqrt(sampled**2 + seeds[:, None] + seeds[None])
    s = score[order]
    ahead = (s[:, None] - s[None]) * (1 if higher_is_better else -1)
    better = (ahead > needed) & (ahead > 0)
    letters = _letters(better)
    for i, entry in enumerate(order):
        places[entry] = Place(1 + int(better[:, i].sum()), len(order) - int(better[i].sum()), letters[i])
    return Ranking(places, float(np.median(needed[np.triu_indices(len(order), 1)])))


def _letters(better: np.ndarray) -> list[str]:
    """Give one letter to the best entry without one and to all that are not separable from it, until all have one."""
    letters = [""] * len(better)
    group = 0
    for i in range(len(better)):
        if not letters[i]:
            word = ascii_lowercase[group % 26] * (1 + group // 26)
            for j in range(i, len(better)):
                if not letters[j] and not better[i, j]:
                    letters[j] = word
            group += 1
    return letters

"""Who is ahead of whom: rank intervals and tie letters from paired bootstrap draws and the seeds' spread.

An entry's score is the mean of its seeds. The variance of a difference is the paired bootstrap variance plus
s^2/n of either entry, s the training spread: each entry's own, drawn towards the pooled one because seeds are few.
A pair counts as different if |difference| exceeds c standard deviations, where c is the 95 % quantile over draws of
the largest standardised deviation among all pairs (max-t), so that all pairs of a board hold together. The draws
resample galaxies and trainings, and with the trainings the estimate of s: where training spreads more than sampling, c
is as large as for the few degrees of freedom of a handful of seeds (with c from the galaxies alone, boards of equal
entries showed a difference in 15 % of cases; docs/evidence/coverage.md has what is left of it).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from string import ascii_letters

import numpy as np

ALPHA = 0.05
SEED = 20220102
"""Of the resampled trainings: the same entries always get the same places."""

LETTER = re.compile(r"[a-zA-Z]\d*")
"""One of an entry's letters."""

PRIOR_SEEDS = 3
"""Weight, in degrees of freedom, of the pooled training variance in each entry's own."""


@dataclass(frozen=True)
class Place:
    """An entry's place: its rank is somewhere in first..last; entries share a letter if they are not separable."""

    first: int
    last: int
    letters: str


@dataclass(frozen=True)
class Ranking:
    """Places in the order of the entries given; ``smallest`` is the board's median smallest detectable difference."""

    places: list[Place]
    smallest: float


def training_variance(seeds: list[list[float]]) -> np.ndarray:
    """Return the variance over seeds of each entry, shrunk towards the pooled one; 0 where no entry has two seeds."""
    freedom = np.array([len(s) - 1 for s in seeds], float)
    return _shrunk(freedom, np.array([np.var(s, ddof=1) if len(s) > 1 else 0.0 for s in seeds])[:, None])[:, 0]


def _shrunk(freedom: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return variances (entries, draws) drawn towards the one pooled over the entries, by degrees of freedom."""
    f = freedom[:, None]
    pooled = (f * own).sum(axis=0) / max(freedom.sum(), 1)
    return (f * own + PRIOR_SEEDS * pooled) / (f + PRIOR_SEEDS)


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
    trainings = np.array([len(values[i]) for i in order])
    variance = training_variance([values[i] for i in order])
    seeds = variance / trainings
    rng = np.random.default_rng(SEED)
    trained = rng.standard_normal(d.shape) * np.sqrt(seeds)[:, None]
    freedom = (trainings - 1).astype(float)
    again = (
        variance[:, None] * rng.chisquare(np.maximum(freedom, 1)[:, None], d.shape) / np.maximum(freedom, 1)[:, None]
    )
    seeds_again = _shrunk(freedom, again) / trainings[:, None]
    sampled = np.zeros((len(order), len(order)))
    largest = np.zeros(d.shape[1])
    for i in range(len(order)):
        gap = d[i] - d
        sampled[i] = gap.std(axis=1)
        moved = np.abs(gap - gap.mean(axis=1, keepdims=True) + trained[i] - trained)
        error = np.sqrt(sampled[i][:, None] ** 2 + seeds_again[i] + seeds_again)
        # Two equal prediction files have no spread at all; they are equal, not infinitely different.
        usable = (error > 0) & (np.arange(len(order)) != i)[:, None]
        largest = np.maximum(largest, np.divide(moved, error, out=np.zeros_like(error), where=usable).max(axis=0))
    critical = float(np.quantile(largest, 1 - ALPHA))
    needed = critical * np.sqrt(sampled**2 + seeds[:, None] + seeds[None])
    s = score[order]
    ahead = (s[:, None] - s[None]) * (1 if higher_is_better else -1)
    better = (ahead > needed) & (ahead > 0)
    letters = _letters(better)
    for i, entry in enumerate(order):
        places[entry] = Place(1 + int(better[:, i].sum()), len(order) - int(better[i].sum()), letters[i])
    return Ranking(places, float(np.median(needed[np.triu_indices(len(order), 1)])))


def share(first: str, second: str) -> bool:
    """Return whether two entries' letters have one in common."""
    return bool(set(LETTER.findall(first)) & set(LETTER.findall(second)))


def brief(letters: str) -> str:
    """Return an entry's letters in little room: three or more that follow each other as in b–f, many by their ends."""
    found = LETTER.findall(letters)
    numbers = [_number(one) for one in found]
    starts = [k for k in range(len(found)) if k == 0 or numbers[k] != numbers[k - 1] + 1]
    runs = [found[a:b] for a, b in zip(starts, [*starts[1:], len(found)])]
    shown = [f"{run[0]}–{run[-1]}" if len(run) > 2 else "".join(run) for run in runs]
    return " ".join(shown) if len(shown) < 3 else f"{found[0]} … {found[-1]}"


def _letters(better: np.ndarray) -> list[str]:
    """Return the letters of entries from best to worst, ``better[i, j]`` where i is: a compact letter display.

    Two entries share a letter if and only if neither is better (Piepho 2004, J. Comput. Graph. Stat. 13, 456). A
    letter stands for entries of which no two are separable. From the best entry down, each pair that is not separable
    and shares none yet starts one, which takes in whoever of the others has the most pairs to gain by it; so there are
    never more letters than pairs, where the number of all such groups could grow without bound.
    """
    n = len(better)
    alike = ~(better | better.T)
    shared = np.zeros_like(alike)
    letters = [""] * n
    count = 0
    for i in range(n):
        for j in range(i, n):
            alone = j == i and (alike[i].sum() > 1)
            if shared[i, j] or not alike[i, j] or alone:
                continue
            group = list(dict.fromkeys([i, j]))
            while True:
                joins = alike[:, group].all(axis=1)
                joins[group] = False
                gain = np.where(joins, (~shared[:, group]).sum(axis=1), 0)
                if not gain.any():
                    break
                group.append(int(gain.argmax()))
            shared[np.ix_(group, group)] = True
            for k in group:
                letters[k] += _letter(count)
            count += 1
    return letters


def _number(letter: str) -> int:
    return ascii_letters.index(letter[0]) + len(ascii_letters) * (int(letter[1:] or 1) - 1)


def _letter(number: int) -> str:
    """Return a to z, A to Z, then a2 and so on."""
    again, place = divmod(number, len(ascii_letters))
    return ascii_letters[place] + (str(again + 1) if again else "")

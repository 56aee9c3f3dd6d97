"""Who is ahead of whom: rank intervals and tie letters, each pair judged by its own draws and its own seeds.

An entry's score is the mean of its seeds. The variance of a difference is the paired bootstrap variance plus s^2/n of
either entry, s^2 the variance of its own n trainings, raised towards a constant that is frozen with the version where
it is smaller. A pair counts as different if |difference| exceeds c standard deviations. What the other entries of the
board score, and how far their seeds differ, is not in it: of them only the number counts, since with more pairs one
is sooner far apart by chance.

c lies between two known values. For galaxies alone it is that of Tukey's test, from the studentised range. For
trainings alone it is Student's, by Sidak for all pairs, with Welch and Satterthwaite's degrees of freedom: three seeds
may lie close together by chance, and of many entries some do. docs/evidence/ranks.md has the false separations and the
power that come of it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from string import ascii_letters

import numpy as np
from scipy.stats import studentized_range
from scipy.stats import t as student

ALPHA = 0.05
"""How often a board of equal entries may show any difference."""

WEIGHT = 1.5
"""Power of the trainings' share of the variance by which c goes from the one value to the other. This and the level of
``trained`` were chosen by simulation: what they lose and hold is in docs/evidence/ranks.md."""

LETTER = re.compile(r"[a-zA-Z]\d*")
"""One of an entry's letters."""

PRIOR = 2
"""Weight, in degrees of freedom, of the frozen constant; and what a single run is taken to have."""


@dataclass(frozen=True)
class Place:
    """An entry's place: its rank is somewhere in first..last; entries share a letter if they are not separable.

    Not ``known`` where the score is not a number.
    """

    first: int
    last: int
    letters: str
    known: bool = True


@dataclass(frozen=True)
class Ranking:
    """Places in the order of the entries given; ``smallest`` is the board's median smallest detectable difference."""

    places: list[Place]
    smallest: float


@dataclass(frozen=True)
class Scored:
    """An entry as it is ranked: its seeds' scores, the bootstrap draws of their mean, and the frozen constant.

    ``typical`` is the standard deviation of trainings that is taken for usual, as a share of that of the draws.
    """

    seeds: list[float]
    draws: np.ndarray
    typical: float

    @property
    def value(self) -> float:
        """Mean of the seeds."""
        return float(np.mean(self.seeds))

    @property
    def training(self) -> float:
        """Variance of its trainings as it is ranked by."""
        own = float(np.var(self.seeds, ddof=1)) if len(self.seeds) > 1 else math.nan
        drawn = np.asarray(self.draws, float)
        drawn = drawn[np.isfinite(drawn)]
        usual = float(np.var(drawn)) if len(drawn) else 0.0
        return float(training_variance(own, len(self.seeds), self.typical**2 * usual))


def training_variance(own: np.ndarray | float, seeds: np.ndarray | int, usual: np.ndarray | float) -> np.ndarray:
    """Return the variance of trainings: ``own``, raised towards the ``usual`` one if it is smaller, never lowered.

    A single run (``own`` is NaN) has the usual one. Arrays broadcast.
    """
    freedom = np.asarray(seeds, float) - 1
    known = np.where(freedom > 0, own, 0.0)
    return np.maximum(known, (freedom * known + PRIOR * np.asarray(usual)) / (freedom + PRIOR))


@cache
def tukey(entries: int) -> float:
    """Return how many standard deviations apart the pairs of so many entries are if only galaxies vary."""
    return float(studentized_range.ppf(1 - ALPHA, entries, np.inf)) / math.sqrt(2)


def trained(entries: int, freedom: np.ndarray) -> np.ndarray:
    """Return the same if only trainings vary, of which the variance is known to so many degrees of freedom.

    The level is lower the more entries there are: degrees of freedom that are estimated come out too large by chance,
    and among many pairs they do for some.
    """
    level, pairs = 2 * ALPHA / entries, entries * (entries - 1) / 2
    return np.asarray(student.isf((1 - (1 - level) ** (1 / pairs)) / 2, freedom))


def needed(
    galaxies: np.ndarray,
    first: tuple[np.ndarray, np.ndarray],
    second: tuple[np.ndarray, np.ndarray],
    entries: int,
) -> np.ndarray:
    """Return the difference from which pairs count as different, among so many ``entries``.

    ``galaxies`` is the paired bootstrap variance of the pair's difference, ``first`` and ``second`` the variance of
    trainings and the number of seeds of either. Arrays broadcast. A single run is taken to vary as much as the other
    of its pair, if that is more than it is taken to vary by itself.
    """
    (one, m), (two, n) = first, second
    alone = np.where(m == 1, np.maximum(one, np.where(n > 1, two, 0)), one) / m
    other = np.where(n == 1, np.maximum(two, np.where(m > 1, one, 0)), two) / n
    trainings = alone + other
    total = galaxies + trainings
    # A single run brings no degrees of freedom: where it takes over the other's spread, both have the same estimate.
    freedom = np.where(m == 1, np.where(n == 1, PRIOR, n - 1), np.where(n == 1, m - 1, 1.0))
    both = (m > 1) & (n > 1) & (trainings > 0)
    parts = alone**2 / np.maximum(m - 1, 1) + other**2 / np.maximum(n - 1, 1)
    freedom = np.where(both, np.divide(trainings**2, parts, out=np.ones_like(total), where=parts > 0), freedom)
    share = np.divide(trainings, total, out=np.zeros_like(total), where=total > 0)
    low = tukey(entries)
    return (low + np.maximum(trained(entries, freedom) - low, 0) * share**WEIGHT) * np.sqrt(total)


def between(first: Scored, second: Scored, entries: int) -> float:
    """Return the difference from which two entries count as different, among so many; NaN if no draw tells."""
    return float(_least([first, second], max(entries, 2))[0, 1])


def _least(of: Sequence[Scored], entries: int) -> np.ndarray:
    """Return the difference from which each pair of some entries counts as different, among so many."""
    draws = np.array([entry.draws for entry in of], float)
    galaxies = np.array([_variance(one - draws) for one in draws])
    trainings = np.array([entry.training for entry in of])
    seeds = np.array([float(len(entry.seeds)) for entry in of])
    return needed(galaxies, (trainings[:, None], seeds[:, None]), (trainings[None], seeds[None]), entries)


def _variance(draws: np.ndarray) -> np.ndarray:
    """Return the variance of each row over its finite draws, NaN where there are none."""
    finite = np.isfinite(draws)
    if finite.all():
        return np.asarray(draws.var(axis=1))
    return np.array([row[here].var() if here.any() else np.nan for row, here in zip(draws, finite)])


def better(first: Scored, second: Scored, entries: int, higher_is_better: bool) -> bool:
    """Return whether the first of two entries counts as better, among so many."""
    ahead = (first.value - second.value) * (1 if higher_is_better else -1)
    return bool(ahead > 0 and ahead > between(first, second, entries))


def rank(entries: Sequence[Scored], higher_is_better: bool) -> Ranking:
    """Rank the entries of a board; those whose score is not a number come last, in a place of their own."""
    score = np.array([entry.value for entry in entries])
    known = np.flatnonzero(np.isfinite(score))
    order = sorted(known.tolist(), key=lambda i: -score[i] if higher_is_better else score[i])
    places = [Place(len(known) + 1, len(score), "", known=False) for _ in entries]
    if len(order) < 2:
        return Ranking([Place(1, 1, "a") if i in order else places[i] for i in range(len(score))], math.nan)
    least = _least([entries[i] for i in order], len(order))
    s = score[order]
    ahead = (s[:, None] - s[None]) * (1 if higher_is_better else -1)
    above = (ahead > least) & (ahead > 0)
    letters = _letters(above)
    for i, entry in enumerate(order):
        places[entry] = Place(1 + int(above[:, i].sum()), len(order) - int(above[i].sum()), letters[i])
    told = least[np.triu_indices(len(order), 1)]
    told = told[np.isfinite(told)]
    return Ranking(places, float(np.median(told)) if len(told) else math.nan)


def beside(entries: Sequence[Scored], places: Sequence[Place], new: Scored, higher_is_better: bool) -> Place:
    """Return the place of one more entry beside those of a board, whose places do not move.

    It bears the letters of which no entry is significantly different from it, possibly none.
    """
    known = [k for k, entry in enumerate(entries) if math.isfinite(entry.value)]
    count = len(known) + 1
    if not math.isfinite(new.value):
        return Place(count, count, "", known=False)
    above = {k for k in known if better(entries[k], new, count, higher_is_better)}
    below = {k for k in known if better(new, entries[k], count, higher_is_better)}
    bears = {k: set(LETTER.findall(places[k].letters)) for k in known}
    apart = set().union(*(bears[k] for k in above | below))
    letters = sorted(set().union(*bears.values()) - apart, key=_number)
    return Place(1 + len(above), count - len(below), "".join(letters))


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

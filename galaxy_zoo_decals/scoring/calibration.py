"""Does a model know what it does not know: reliability, risk against coverage, and coverage of vote intervals."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from galaxy_zoo_decals import views
from galaxy_zoo_decals.schema import Tree

BINS = 15
"""Bins of equal mass of the expected calibration error and of the reliability diagram."""

CHUNK = 8192
"""Galaxies whose predictive distributions are held at once."""

TINY = 1e-300
"""Smallest probability that is divided by."""

HUGE = 2.0**300
"""Relative probabilities above it are scaled down: one step of float32 concentrations is below 1e90, and two steps lie
between one look and the next."""

THRESHOLDS = (0.0, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""Confidences below which a model abstains; 0.6 is the student work's rule."""


def reliability(confidence: np.ndarray, right: np.ndarray) -> list[dict[str, Any]]:
    """Return a reliability diagram in BINS bins of equal mass: n, mean confidence, accuracy and its standard error.

    ``confidence`` float and ``right`` bool, (galaxies,).
    """
    rows = []
    for part in np.array_split(np.argsort(confidence, kind="stable"), BINS):
        if len(part):
            accuracy = float(right[part].mean())
            rows.append(
                {
                    "n": len(part),
                    "confidence": float(confidence[part].mean()),
                    "accuracy": accuracy,
                    "error": float(np.sqrt(accuracy * (1 - accuracy) / len(part))),
                }
            )
    return rows


def risk_coverage(confidence: np.ndarray, right: np.ndarray) -> list[dict[str, Any]]:
    """Return, for each of THRESHOLDS, the share of galaxies kept and the accuracy on them (NaN where none is kept)."""
    rows = []
    for threshold in THRESHOLDS:
        kept = confidence > threshold
        accuracy = float(right[kept].mean()) if kept.any() else float("nan")
        rows.append({"threshold": threshold, "coverage": float(kept.mean()), "accuracy": accuracy})
    return rows


@dataclass(frozen=True)
class Counted:
    """How many of a question's ``n`` volunteers gave an answer, ``k``: one of each galaxy and answer, (counts,).

    Of two answers, which mirror each other, only the first is there. ``galaxy``, ``question`` and ``answer`` say
    where it lies. Sorted by ``n``, then by ``k``.
    """

    galaxy: np.ndarray
    question: np.ndarray
    answer: np.ndarray
    k: np.ndarray
    n: np.ndarray

    @classmethod
    def of(cls, tree: Tree, votes: np.ndarray) -> Counted:
        """Return the counts of votes (galaxies, answers) of all questions that were answered."""
        parts = []
        for i, (q, total) in enumerate(zip(tree.questions, views.totals(tree, votes).T)):
            on = np.flatnonzero(total)
            for j in range(len(q.answers) if len(q.answers) > 2 else 1):
                answer = tree.slices[q.name].start + j
                place = np.full((2, len(on)), [[i], [answer]])
                parts.append(np.stack([on, *place, votes[on, answer], total[on]]))
        every = np.concatenate(parts, axis=1)
        *_, k, n = every
        return cls(*every[:, np.lexsort((k, n))])


def beta_binomial_cdf(k: np.ndarray, n: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (P(K < k), P(K = k)) of the beta-binomial, arrays of one shape (m,), sorted by ``n``, then by ``k``.

    Probabilities of all counts are built up from each other, relative to that of 0, by
    p(j + 1) / p(j) = (n - j) (a + j) / ((j + 1) (b + n - j - 1)); n is a number of volunteers, at most some tens.
    """
    below, mass = np.empty(len(k)), np.empty(len(k))
    changes = np.flatnonzero(np.diff(n)) + 1
    cuts = np.arange(0, len(n), CHUNK)
    if len(n) > CHUNK // 8 * len(changes):  # enough of each number of volunteers to be counted alone
        cuts = np.union1d(cuts, changes)
    for start, stop in pairwise([*cuts, len(n)]):
        part = slice(start, stop)
        below[part], mass[part] = _cdf_of_part(k[part], n[part], a[part].astype(float), b[part].astype(float))
    return below, mass


def _cdf_of_part(k: np.ndarray, n: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    p, summed, below, mass = (np.full(len(n), value) for value in (1.0, 0.0, 0.0, 0.0))
    most, alike = int(n[-1]), n[0] == n[-1]
    counts = np.arange(most + 2)
    places = np.searchsorted(k, counts) if alike else np.searchsorted(k, counts, sorter=(by := np.argsort(k)))
    more = np.zeros(most + 1, int) if alike else np.searchsorted(n, counts[:-1], side="right")
    for j in range(most + 1):
        on = slice(more[j - 1] if j else 0, None)  # n >= j
        at: Any = slice(places[j], places[j + 1])  # k = j
        at = at if alike else by[at]
        below[at], mass[at] = summed[at], p[at]
        summed[on] += p[on]
        on = slice(more[j], None)  # n > j
        left = float(most - j) if alike else (n[on] - j).astype(float)
        # Whole numbers first: of a concentration of 1e-6 a sum would leave few digits.
        step = a[on] + j
        step *= left / (j + 1)
        step /= b[on] + (left - 1)
        p[on] *= step
        if j % 2 and p.max() > HUGE:
            scale = np.where(p > HUGE, 1 / HUGE, 1.0)
            for x in (p, summed, below, mass):
                x *= scale
    return below / summed, mass / summed


def interval_coverage(
    tree: Tree, counted: Counted, concentrations: np.ndarray, levels: tuple[float, ...]
) -> np.ndarray:
    """Return how much of each galaxy's votes falls into the central predictive intervals, (galaxies, levels).

    Counts are coarse: of a count whose step in the predictive distribution lies partly inside the interval, that
    part counts (the non-randomised probability integral transform, Czado et al. 2009). The predictive distribution
    of an answer's votes is beta-binomial, so finite votes are corrected for. A calibrated model covers each level;
    NaN where nobody answered anything.
    """
    galaxies = len(concentrations)
    others = np.empty(concentrations.shape)
    for q in tree.questions:
        part = concentrations[:, tree.slices[q.name]]
        # Never all less this one: beside a large one the others are lost in the sum.
        for j in range(len(q.answers)):
            rest_of = [i for i in range(len(q.answers)) if i != j]
            others[:, tree.slices[q.name].start + j] = views.row_sums(part[:, rest_of])
    a, rest = (part[counted.galaxy, counted.answer] for part in (concentrations, others))
    below, mass = beta_binomial_cdf(counted.k, counted.n, a, rest)
    counts, step = np.bincount(counted.galaxy, minlength=galaxies), np.maximum(mass, TINY)
    out = np.full((galaxies, len(levels)), np.nan)
    for i, level in enumerate(levels):
        # What part of each count's step lies below either end; a step too small to be seen lies on one side of it.
        low, high = (np.clip((end - below) / step, 0, 1) for end in ((1 - level) / 2, (1 + level) / 2))
        summed = np.bincount(counted.galaxy, high - low, minlength=galaxies)
        np.divide(summed, counts, out=out[:, i], where=counts > 0)
    return out

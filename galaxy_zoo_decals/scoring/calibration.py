"""Does a model know what it does not know: reliability, risk against coverage, and coverage of vote intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import gammaln

from galaxy_zoo_decals.schema import Tree

BINS = 15
"""Bins of equal mass of the expected calibration error and of the reliability diagram."""

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


def beta_binomial_cdf(k: np.ndarray, n: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (P(K < k), P(K <= k)) of the beta-binomial, arrays of one shape (m,).

    Summed over all counts at once: n is a number of volunteers, at most some tens.
    """
    j = np.arange(int(n.max(initial=0)) + 1)
    inside = j <= n[:, None]
    rest = np.where(inside, n[:, None] - j, 0)
    log_p = (
        gammaln(n + 1)[:, None] - gammaln(j + 1) - gammaln(rest + 1)
        + gammaln(a[:, None] + j) + gammaln(b[:, None] + rest) - gammaln(a + b + n)[:, None]
        + gammaln(a + b)[:, None] - gammaln(a)[:, None] - gammaln(b)[:, None]
    )  # fmt: skip
    p = np.exp(np.where(inside, log_p, -np.inf))
    below = (p * (j < k[:, None])).sum(axis=1)
    return below, below + p[np.arange(len(k)), k]


def interval_coverage(tree: Tree, votes: np.ndarray, concentrations: np.ndarray, level: float) -> np.ndarray:
    """Return how much of each galaxy's votes falls into the central predictive intervals, (galaxies,); NaN unasked.

    Counts are coarse: of a count whose step in the predictive distribution lies partly inside the interval, that
    part counts (the non-randomised probability integral transform, Czado et al. 2009). The predictive distribution
    of an answer's votes is beta-binomial, so finite votes are corrected for. A calibrated model covers ``level``.
    """
    low, high = (1 - level) / 2, (1 + level) / 2
    summed, counted = np.zeros(len(votes)), np.zeros(len(votes))
    for q in tree.questions:
        columns = tree.slices[q.name]
        k, alpha = votes[:, columns], concentrations[:, columns]
        n = k.sum(axis=1)
        on = n > 0
        for j in range(len(q.answers) if len(q.answers) > 2 else 1):  # two answers mirror each other
            below, through = beta_binomial_cdf(k[on, j], n[on], alpha[on, j], alpha[on].sum(axis=1) - alpha[on, j])
            inside = np.minimum(through, high) - np.maximum(below, low)
            step = np.maximum(through - below, 1e-300)
            summed[on] += np.clip(inside / step, 0, 1)
            counted[on] += 1
    return np.divide(summed, counted, out=np.full(len(votes), np.nan), where=counted > 0)

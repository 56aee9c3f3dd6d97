"""Does a model know what it does not know: reliability, risk against coverage, and coverage of vote intervals."""

from __future__ import annotations

from typing import Any

import numpy as np

from galaxy_zoo_decals.schema import Tree

BINS = 15
"""Bins of equal mass of the expected calibration error and of the reliability diagram."""

CHUNK = 4096
"""Galaxies whose predictive distributions are held at once."""

TINY = 1e-300

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

    Probabilities of all counts are built up from each other in logarithms, by
    p(j + 1) / p(j) = (n - j) (a + j) / ((j + 1) (b + n - j - 1)); n is a number of volunteers, at most some tens.
    """
    below, through = np.empty(len(k)), np.empty(len(k))
    order = np.argsort(n, kind="stable")
    for start in range(0, len(order), CHUNK):
        rows = order[start : start + CHUNK]
        j, total = np.arange(int(n[rows].max(initial=0))), n[rows, None]
        step = np.maximum(total - j, 0) * (a[rows, None] + j)
        with np.errstate(divide="ignore"):  # log 0 = -inf: there is no count above n
            step = np.log(step / ((j + 1) * np.maximum(b[rows, None] + total - j - 1, TINY)))
        log_p = np.concatenate([np.zeros((len(rows), 1)), np.cumsum(step, axis=1)], axis=1)
        p = np.exp(log_p - log_p.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        below[rows] = (p * (np.arange(p.shape[1]) < k[rows, None])).sum(axis=1)
        through[rows] = below[rows] + p[np.arange(len(rows)), k[rows]]
    return below, through


def interval_coverage(
    tree: Tree, votes: np.ndarray, concentrations: np.ndarray, levels: tuple[float, ...]
) -> np.ndarray:
    """Return how much of each galaxy's votes falls into the central predictive intervals, (galaxies, levels).

    Counts are coarse: of a count whose step in the predictive distribution lies partly inside the interval, that
    part counts (the non-randomised probability integral transform, Czado et al. 2009). The predictive distribution
    of an answer's votes is beta-binomial, so finite votes are corrected for. A calibrated model covers each level;
    NaN where nobody answered anything.
    """
    if not levels:
        return np.empty((len(votes), 0))
    parts = []
    for q in tree.questions:
        columns = tree.slices[q.name]
        on = np.flatnonzero(votes[:, columns].sum(axis=1))
        k, alpha = votes[on, columns], concentrations[on, columns]
        for j in range(len(q.answers) if len(q.answers) > 2 else 1):  # two answers mirror each other
            parts.append((on, k[:, j], k.sum(axis=1), alpha[:, j], alpha.sum(axis=1) - alpha[:, j]))
    galaxy, *numbers = (np.concatenate(column) for column in zip(*parts))
    below, through = beta_binomial_cdf(*numbers)
    step = np.maximum(through - below, TINY)
    counted = np.bincount(galaxy, minlength=len(votes))
    out = np.full((len(votes), len(levels)), np.nan)
    for i, level in enumerate(levels):
        inside = np.minimum(through, (1 + level) / 2) - np.maximum(below, (1 - level) / 2)
        summed = np.bincount(galaxy, np.clip(inside / step, 0, 1), minlength=len(votes))
        np.divide(summed, counted, out=out[:, i], where=counted > 0)
    return out

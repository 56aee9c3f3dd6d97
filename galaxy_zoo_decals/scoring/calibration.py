"""Does a model know what it does not know: reliability, risk against coverage, and coverage of vote intervals."""

from __future__ import annotations

from typing import Any

import numpy as np

from galaxy_zoo_decals.schema import Tree

BINS = 15
"""Bins of equal mass of the expected calibration error and of the reliability diagram."""

CHUNK = 8192
"""Galaxies whose predictive distributions are held at once."""

TINY, HUGE = 1e-300, 2.0**600

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

    Probabilities of all counts are built up from each other, relative to that of 0, by
    p(j + 1) / p(j) = (n - j) (a + j) / ((j + 1) (b + n - j - 1)); n is a number of volunteers, at most some tens.
    """
    below, through = np.empty(len(k)), np.empty(len(k))
    order = np.argsort(n, kind="stable")
    for start in range(0, len(order), CHUNK):
        rows = order[start : start + CHUNK]
        count, total, first, second = (x[rows].astype(float) for x in (k, n, a, b))
        p, summed, under, at = (np.full(len(rows), value) for value in (1.0, 0.0, 0.0, 0.0))
        for j in range(int(total.max(initial=0)) + 1):
            under += p * (count > j)
            at += p * (count == j)
            summed += p
            # Whole numbers first: of a concentration of 1e-30 a sum would leave nothing.
            p *= np.maximum(total - j, 0) * (first + j) / ((j + 1) * (second + np.maximum(total - j - 1, 0)))
            if p.max() > HUGE:  # one step of float32 concentrations is below 1e90
                scale = np.where(p > HUGE, 1 / HUGE, 1.0)
                for x in (p, summed, under, at):
                    x *= scale
        below[rows], through[rows] = under / summed, (under + at) / summed
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

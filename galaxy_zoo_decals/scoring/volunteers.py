"""How many volunteers predictions are worth: the errors of their fractions against those of volunteers."""

from __future__ import annotations

import numpy as np

from galaxy_zoo_decals.scoring.bootstrap import ratio


def volunteer_errors(votes: np.ndarray, fractions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (V, E) of each galaxy on one question, (galaxies,), 0 for those with fewer than two votes.

    V = sum k (N - k) / (N (N - 1)), the variance of one volunteer; E = sum (f - k/N)^2 minus the votes' own noise,
    sum k (N - k) / (N^2 (N - 1)). ``votes`` and ``fractions`` are (galaxies, answers) of the question. Summed over
    galaxies, V / E is how many volunteers have the model's mean squared error.
    """
    n = votes.sum(axis=1, keepdims=True).astype(float)
    use = n[:, 0] >= 2
    variance = ratio(votes * (n - votes), n * (n - 1), 0.0).sum(axis=1)
    error = ((fractions - ratio(votes, n, 0.0)) ** 2).sum(axis=1) - ratio(variance, n[:, 0], 0.0)
    return np.where(use, variance, 0.0), np.where(use, error, 0.0)


def equivalent_volunteers(variance: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return V / E of summed volunteer errors, (draws,); NaN, not measurable, where E <= 0."""
    return np.where(error > 0, ratio(variance, error), np.nan)

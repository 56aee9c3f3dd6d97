"""Images that show the same pixels, though encoded anew: fingerprints of images, and which of them correlate."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.ndimage import uniform_filter

GRID = 56
"""Pixels a side at which fingerprints are taken: a quarter of an edition's 224."""

PROJECTIONS = 256

SAME = 0.6
"""Correlation of two fingerprints from which two images show the same pixels. Measured: of the 41 million pairs of
9,064 real SDSS cutouts none is above 0.38; the same cutout encoded anew at quality 50, moved by a pixel of 224, made
brighter or resampled stays above 0.76."""


def fingerprints(grey: np.ndarray) -> np.ndarray:
    """Return the fingerprints of images (n, GRID, GRID) of grey levels: float32 (n, PROJECTIONS), each of length 1.

    The image without what is smooth, divided by its own local strength, in a fixed random projection: noise and
    fine structure count the same everywhere, so that two galaxies of one kind are not taken for one. An image
    without any structure has the fingerprint 0, which is like no other.
    """
    values = grey.astype(np.float32)
    fine = values - uniform_filter(values, (0, 5, 5))
    strength = np.sqrt(uniform_filter(fine**2, (0, 9, 9)))
    whitened = np.where(strength > 0.25, fine / np.maximum(strength, 0.25), 0)
    projected = whitened.reshape(len(grey), -1) @ _projection()
    lengths = np.linalg.norm(projected, axis=1, keepdims=True)
    return np.divide(projected, lengths, out=np.zeros_like(projected), where=lengths > 0).astype(np.float32)


@cache
def _projection() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(GRID * GRID, PROJECTIONS)).astype(np.float32)


def alike(
    one: np.ndarray, other: np.ndarray, threshold: float = SAME, block: int = 2048
) -> list[tuple[int, int, float]]:
    """Return the pairs of fingerprints, of (n, PROJECTIONS) and (m, PROJECTIONS), that correlate above a threshold."""
    found = []
    for i in range(0, len(one), block):
        for j in range(0, len(other), 8 * block):
            values = one[i : i + block] @ other[j : j + 8 * block].T
            for a, b in np.argwhere(values > threshold):
                found.append((i + int(a), j + int(b), float(values[a, b])))
    return found

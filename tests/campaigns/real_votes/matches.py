"""Galaxies that are in two folders of pictures, found by the pictures alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

SIDE = 64
"""Pixels a side to which pictures are averaged before they are compared."""

BLUR = 3
"""Pixels (of SIDE) below which detail counts: without the smooth light, which is alike in many galaxies."""

SAME = 0.95
"""Least correlation of the detail in two pictures of one galaxy: the pairs of the sample have 0.985 and more, the
next ones 0.89."""


@dataclass(frozen=True)
class Match:
    """A picture of the first folder and the one of the second that shows the same galaxy."""

    first: int
    second: int
    correlation: float


def detail(paths: Sequence[Path]) -> np.ndarray:
    """Return the detail of pictures, float32 (pictures, SIDE^2), of mean 0 and length 1."""
    out = np.zeros((len(paths), SIDE * SIDE), np.float32)
    for i, path in enumerate(paths):
        with Image.open(path) as image:
            small = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
        fine = np.asarray(small, np.float32) - np.asarray(small.filter(ImageFilter.GaussianBlur(BLUR)), np.float32)
        fine = fine.ravel() - fine.mean()
        out[i] = fine / max(float(np.linalg.norm(fine)), 1e-9)
    return out


def find(first: Sequence[Path], second: Sequence[Path]) -> tuple[list[Match], float]:
    """Return the pairs of one galaxy, and the highest correlation of a picture that has no pair."""
    correlation = detail(first) @ detail(second).T
    best = correlation.argmax(axis=1)
    value = correlation[np.arange(len(first)), best]
    matches = [Match(int(i), int(best[i]), float(value[i])) for i in np.flatnonzero(value >= SAME)]
    below = value[value < SAME]
    return matches, float(below.max()) if len(below) else 0.0

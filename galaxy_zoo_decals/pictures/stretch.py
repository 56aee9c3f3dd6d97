"""From fluxes in g, r and z to the picture that volunteers saw (Walmsley et al. 2022, MNRAS 509, 3966, section 2.3).

The paper describes how faint pixels are drawn towards grey but gives no units; the weight used here is the one
of the program that made the published pictures (zooniverse/decals, the DR2 style), on which real images agree.
"""

from __future__ import annotations

import numpy as np

SCALES = (125.0, 71.43, 52.63)
"""Factors of g, r, z in nanomaggies a native pixel, shown as blue, green and red."""
LOW, HIGH = -0.5, 300.0
"""Scaled fluxes shown as black and white."""
SPAN = float(np.arcsinh(HIGH) - np.arcsinh(LOW))


def displayed(scaled: np.ndarray) -> np.ndarray:
    """Return the brightness of scaled fluxes, 0 for ``LOW`` and 1 for ``HIGH``, unclipped."""
    brightness: np.ndarray = (np.arcsinh(scaled) - np.arcsinh(LOW)) / SPAN
    return brightness


def to_rgb(grz: np.ndarray) -> np.ndarray:
    """Return the picture of three bands in nanomaggies a pixel, shape (3, h, w), as uint8 of shape (h, w, 3)."""
    return coloured(np.stack([grz[band] * SCALES[band] for band in range(3)]))


def coloured(scaled: np.ndarray) -> np.ndarray:
    """Return the picture of scaled fluxes in g, r, z, shape (3, h, w), as uint8 of shape (h, w, 3).

    Brightness is compressed by arcsinh; then pixels dominated by one colour, as noise is, are drawn to grey.
    """
    shown = displayed(np.stack([scaled[band] for band in (2, 1, 0)], axis=-1).astype(np.float32))
    mean = shown.mean(axis=-1, keepdims=True)
    dominance = np.clip(shown.max(axis=-1, keepdims=True) / np.maximum(mean, 1e-3) / 2.5, 0, 1)
    weight = np.sin((1 - dominance) * (np.pi / 2))
    grey = 1 - weight
    shown = shown * (weight + mean * grey * grey) + mean * grey
    return levels(shown)


def levels(shown: np.ndarray) -> np.ndarray:
    """Return brightness as 8 bits, clipped to 0 and 1."""
    return (np.clip(shown, 0, 1) * 255).astype(np.uint8)

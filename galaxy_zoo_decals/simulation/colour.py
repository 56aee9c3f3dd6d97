"""From fluxes in g, r and z to the picture that volunteers saw (Walmsley et al. 2022, section 2.3)."""

from __future__ import annotations

import numpy as np
from PIL import Image

from galaxy_zoo_decals.simulation.telescope import CUTOUT_PIXELS

SCALES = (125.0, 71.43, 52.63)
"""Factors of g, r, z, shown as blue, green and red."""
LOW, HIGH = -0.5, 300.0
"""Scaled fluxes shown as black and white."""
COLOUR_ONSET = 1.0
"""Scaled mean flux from which a pixel keeps its full colour. The paper gives it as 0.01 sqrt(mean T / lambda)
without units; 1 reproduces the colour of the noise in published images."""


def resize(band: np.ndarray, pixels: int = CUTOUT_PIXELS) -> np.ndarray:
    """Return a square band resampled by Lanczos interpolation, float32; surface brightness is kept."""
    image = Image.fromarray(np.ascontiguousarray(band, dtype=np.float32), mode="F")
    return np.asarray(image.resize((pixels, pixels), Image.Resampling.LANCZOS))


def to_rgb(grz: np.ndarray) -> np.ndarray:
    """Return the picture of three bands in nanomaggies a pixel, shape (3, h, w), as uint8 of shape (h, w, 3).

    Faint pixels are drawn towards grey so that noise has no colour, then brightness is compressed by arcsinh.
    """
    scaled = np.stack([grz[band] * SCALES[band] for band in (2, 1, 0)], axis=-1).astype(np.float32)
    mean = scaled.mean(axis=-1, keepdims=True)
    colour = np.minimum(np.sqrt(np.maximum(mean, 0) / COLOUR_ONSET), 1)
    shown = np.arcsinh(mean + colour * (scaled - mean))
    low, high = np.arcsinh(LOW), np.arcsinh(HIGH)
    levels = (shown - low) * (255 / (high - low))
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)

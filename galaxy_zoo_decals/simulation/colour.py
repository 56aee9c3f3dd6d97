"""From fluxes in g, r and z to the cutout that volunteers saw: the stretch of Galaxy Zoo DECaLS, at its size."""

from __future__ import annotations

import numpy as np
from PIL import Image

from galaxy_zoo_decals.pictures.stretch import HIGH as HIGH
from galaxy_zoo_decals.pictures.stretch import LOW as LOW
from galaxy_zoo_decals.pictures.stretch import SCALES as SCALES
from galaxy_zoo_decals.pictures.stretch import SPAN as SPAN
from galaxy_zoo_decals.pictures.stretch import displayed as displayed
from galaxy_zoo_decals.pictures.stretch import to_rgb as to_rgb

CUTOUT_PIXELS = 424


def to_cutout(picture: np.ndarray) -> np.ndarray:
    """Return the picture resampled by Lanczos interpolation to the 424 pixels of a cutout."""
    image = Image.fromarray(picture)
    return np.asarray(image.resize((CUTOUT_PIXELS, CUTOUT_PIXELS), Image.Resampling.LANCZOS))

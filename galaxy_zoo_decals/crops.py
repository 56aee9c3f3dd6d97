"""What a network is shown of an image: the image scaled, and its centre cut out."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image


def cut(image: Image.Image, resolution: int, crop: float = 1.0, margin: float = 1.0) -> np.ndarray:
    """Return the centre of a square image as uint8 (side, side, 3); ``stored_side`` is its side.

    The whole image is scaled to resolution / crop (Lanczos with antialias), and its centre is cut out.
    """
    whole, side = round(resolution / crop), stored_side(resolution, crop, margin)
    if image.size != (whole, whole):
        image = image.resize((whole, whole), Image.Resampling.LANCZOS)
    start = (whole - side) // 2
    return np.asarray(image)[start : start + side, start : start + side]


def stored_side(resolution: int, crop: float, margin: float = 1.0) -> int:
    """Return the side in pixels of a stored image: the crop's times the margin, at most the whole image's.

    If it is more than the crop's it is odd or even as the whole image's is, so that both have one centre.
    """
    whole = round(resolution / crop)
    side = min(whole, math.ceil(resolution * margin))
    return side if side == resolution else side + (whole - side) % 2

"""Pictures of any format and pixel mode to 8-bit RGB: converted without loss of range, or named for what they are."""

from __future__ import annotations

MAX_PIXELS = 4096 * 4096
"""Larger images are refused before they are decoded: no galaxy cutout is that large, a decompression bomb is."""

MAX_BYTES = 64 * 2**20
"""Larger files are refused before they are read: the PNG of a cutout of 424 pixels has at most half a megabyte."""


class ImageError(ValueError):
    """An image that cannot be used; the message says why. The galaxy is left out, counted and named."""

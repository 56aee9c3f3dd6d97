"""Image files in, JPEG of one size out: checked, resized with antialias, encoded the same way for every source."""

from __future__ import annotations

import functools
import io
import math
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import Image, JpegImagePlugin, UnidentifiedImageError

from galaxy_zoo_decals.value_kinds import or_none, whole

SIZE = 224
QUALITY = 90
SAMPLING = 2
"""Pillow's number of 4:2:0: colours have half the resolution."""

MAX_PIXELS = 4096 * 4096
"""Larger images are refused before they are decoded: no galaxy cutout is that large, a decompression bomb is."""


MAX_BYTES = 64 * 2**20
"""Larger files are refused before they are read: the PNG of a cutout of 424 pixels has at most half a megabyte."""


LARGEST = math.isqrt(MAX_PIXELS)
"""Pixels a side that an image may be scaled to."""

SIDE = whole(1, LARGEST)
"""Pixels a side, as files say them."""

JPEG_QUALITY = or_none(whole(1, 100))
"""Quality of an edition's JPEG, as files say it; null where the files are kept as they came."""


class ImageError(ValueError):
    """An image that cannot be used; the message says why. The galaxy is left out, counted and named."""


@dataclass(frozen=True)
class Form:
    """How an edition keeps its images: JPEG of ``size`` pixels a side, or the files as they came (``original``)."""

    size: int = SIZE
    quality: int = QUALITY
    original: bool = False

    def make(self, data: bytes, side: int | None = None) -> bytes:
        """Return the image file in this form; ``side`` is how many pixels a side the source's images have.

        Raises ImageError if the file is damaged, not square, or of another size than ``side``.
        """
        image = decode(data)
        if side is not None and image.size != (side, side):
            raise ImageError(f"{image.width} x {image.height} pixels where this source has {side} x {side}")
        if not self.original:
            return encode(image, self.size, self.quality)
        if image.size != (self.size, self.size):
            raise ImageError(f"{image.width} x {image.height} pixels: originals are kept where all have {self.size}")
        return data

    @classmethod
    def of(cls, size: int, quality: int | None) -> Form:
        """Return the form of images of ``size`` pixels, with the quality of their JPEG or None as they came."""
        return cls(size, original=True) if quality is None else cls(size, quality)

    def keep(self, image: Image.Image) -> Image.Image:
        """Return an RGB image as an edition keeps its pixels; one of the edition's size is taken as it is.

        Raises ImageError if it is not square.
        """
        if image.width != image.height:
            raise ImageError(f"{image.width} x {image.height} pixels: a cutout is square")
        if image.width == self.size:
            return image
        if self.original:
            return image.resize((self.size, self.size), Image.Resampling.LANCZOS)
        return decode(encode(image, self.size, self.quality))


def suffix(data: bytes) -> str:
    """Return what a file with these bytes is called by: jpg if it begins as a JPEG does, else png."""
    return "jpg" if data[:3] == b"\xff\xd8\xff" else "png"


def decode(data: bytes) -> Image.Image:
    """Return the RGB image held in the bytes of a JPEG or PNG file.

    Raises ImageError for anything else, for truncated files and for images of more than ``MAX_PIXELS``.
    """
    if not data:
        raise ImageError("the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=("JPEG", "PNG"))
            if image.width * image.height > MAX_PIXELS:
                raise ImageError(f"{image.width} x {image.height} pixels are more than a cutout has")
            image.load()
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageError("it claims more pixels than a cutout has, as a decompression bomb does") from None
    except UnidentifiedImageError:  # its words name a place in memory, another one each time
        raise ImageError("not a readable JPEG or PNG image") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise ImageError(f"not a readable JPEG or PNG image ({error})") from None
    return image.convert("RGB")


def encode(image: Image.Image | np.ndarray, size: int = SIZE, quality: int = QUALITY) -> bytes:
    """Return the image as JPEG of ``size`` x ``size`` pixels (Lanczos with antialias, 4:2:0).

    ``image`` is a PIL image or a uint8 array of shape (height, width, 3); raises ImageError if it is not square.
    """
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    if image.width != image.height:
        raise ImageError(f"{image.width} x {image.height} pixels: a cutout is square")
    if image.width != size:
        image = image.resize((size, size), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling=SAMPLING, optimize=True)
    return buffer.getvalue()


def is_encoded(data: bytes, size: int, quality: int) -> bool:
    """Return whether an image file is what ``encode`` makes: a JPEG of this size and quality, by its head alone."""
    if suffix(data) != "jpg":
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # Decoding says it.
            image = Image.open(io.BytesIO(data), formats=("JPEG",))
        form = (image.size, image.mode, JpegImagePlugin.get_sampling(image), getattr(image, "quantization", None))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False
    return form == ((size, size), "RGB", SAMPLING, _tables(quality))


@functools.cache
def _tables(quality: int) -> dict[int, list[int]]:
    """Return the quantisation tables of a JPEG of this quality."""
    with Image.open(io.BytesIO(encode(Image.new("RGB", (16, 16)), 16, quality))) as image:
        return dict(getattr(image, "quantization"))  # noqa: B009

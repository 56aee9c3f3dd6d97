"""Image files in, JPEG of one size out: checked, resized with antialias, encoded the same way for every source."""

from __future__ import annotations

import contextlib
import functools
import gzip
import io
import math
import struct
import warnings
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image, JpegImagePlugin

from galaxy_zoo_decals.pictures import MAX_BYTES as MAX_BYTES
from galaxy_zoo_decals.pictures import MAX_PIXELS as MAX_PIXELS
from galaxy_zoo_decals.pictures import ImageError as ImageError
from galaxy_zoo_decals.pictures import fits, jpeg, kinds, modes, tiff
from galaxy_zoo_decals.value_kinds import or_none, whole

SIZE = 224
QUALITY = 90
SAMPLING = 2
"""Pillow's number of 4:2:0: colours have half the resolution."""

LARGEST = math.isqrt(MAX_PIXELS)
"""Pixels a side that an image may be scaled to."""

SIDE = whole(1, LARGEST)
"""Pixels a side, as files say them."""

JPEG_QUALITY = or_none(whole(1, 100))
"""Quality of an edition's JPEG, as files say it; null where the files are kept as they came."""


@dataclass(frozen=True)
class Form:
    """How an edition keeps its images: JPEG of ``size`` pixels a side, or the files as they came (``original``)."""

    size: int = SIZE
    quality: int = QUALITY
    original: bool = False

    def make(self, data: bytes, side: int | None = None, blank: bool = True) -> bytes:
        """Return the image file in this form; ``side`` is how many pixels a side the source's images have.

        Raises ImageError if the file is damaged, not square, or of another size than ``side``, and unless ``blank`` if
        all its pixels are alike.
        """
        image = decode(data)
        if not blank and all(low == high for low, high in image.getextrema()):  # type: ignore[misc]
            raise ImageError("all its pixels are alike, as where a server has no picture of a field")
        if side is not None and image.size != (side, side):
            raise ImageError(f"{image.width} x {image.height} pixels where this source has {side} x {side}")
        if not self.original:
            return encode(image, self.size, self.quality)
        if image.size != (self.size, self.size):
            raise ImageError(f"{image.width} x {image.height} pixels: originals are kept where all have {self.size}")
        if not _is_plain(data, image):
            raise ImageError("files are kept as they came if they are JPEG or PNG of 8 bits, upright and opaque")
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


TURNED = (b"Exif\0\0", b"tiff:Orientation")
"""What a JPEG holds that may say how it is to be turned."""


def suffix(data: bytes) -> str:
    """Return what a file with these bytes is called by: jpg if it begins as a JPEG does, else png."""
    return "jpg" if data[:3] == b"\xff\xd8\xff" else "png"


def decode(data: bytes) -> Image.Image:
    """Return the picture held in the bytes of a JPEG, PNG, WebP, TIFF or FITS file as 8-bit RGB, upright.

    The bytes say which it is. Raises ImageError for anything else, naming it, for truncated files, for pixels whose
    range nobody knows, for several pictures in one file and for images of more than ``MAX_PIXELS``.
    """
    found = kinds.kind(data)
    if found in (kinds.FITS, kinds.GZIP):
        return Image.fromarray(fits.read(data if found == kinds.FITS else _unpacked(data)))
    return modes.upright_rgb(_opened(data, found))


_FORMATS = {kinds.JPEG: "JPEG", kinds.PNG: "PNG", kinds.WEBP: "WEBP", kinds.TIFF: "TIFF"}
"""Pillow's names of the formats that it reads here."""


def _opened(data: bytes, found: kinds.Kind) -> Image.Image:
    """Return a picture as Pillow decodes it; raises ImageError as ``decode`` does."""
    if found not in _FORMATS:
        raise ImageError(str(found))
    if found == kinds.TIFF:
        tiff.check(data)
    if found == kinds.JPEG:
        jpeg.check(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=(_FORMATS[found],))
            if image.width * image.height > MAX_PIXELS:
                raise ImageError(f"{image.width} x {image.height} pixels are more than a cutout has")
            # A camera's JPEG may hold a preview as well, which is no other picture; pages of TIFF are counted before.
            frames = int(getattr(image, "n_frames", 1)) if found in (kinds.PNG, kinds.WEBP) else 1
            if frames > 1:
                raise ImageError(tiff.several(frames, "frames"))
            with tiff.silent() if found == kinds.TIFF else contextlib.nullcontext():
                image.load()
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageError("it claims more pixels than a cutout has, as a decompression bomb does") from None
    except (
        OSError,
        SyntaxError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        OverflowError,
        MemoryError,
        struct.error,
    ):
        # Pillow's own words may name a place in memory, another one each time.
        if found == kinds.JPEG and (form := jpeg.rare(data)):
            raise ImageError(f"a JPEG image of {form}, which is not read: save it as PNG") from None
        form = ", or of a form that is not read: save it as PNG" if found == kinds.TIFF else ""
        raise ImageError(f"not {found.name.replace('a ', 'a readable ')} (cut short or damaged{form})") from None
    return image


def _unpacked(data: bytes) -> bytes:
    """Return the FITS file in a file compressed by gzip; ImageError if it is none, or larger than a cutout."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
            head = packed.read(kinds.HEAD)
            if kinds.kind(head) != kinds.FITS:
                raise ImageError(str(kinds.GZIP))
            inside = head + packed.read(MAX_BYTES + 1 - len(head))
    except (OSError, EOFError, zlib.error):
        raise ImageError("a file compressed by gzip that is cut short or damaged") from None
    if len(inside) > MAX_BYTES:
        raise ImageError(f"it unpacks to more than {MAX_BYTES >> 20} MiB; no cutout is that large")
    return inside


def _is_plain(data: bytes, decoded: Image.Image) -> bool:
    """Return whether anybody sees of a file what ``decode`` returned of it: 8-bit JPEG or PNG, upright and opaque."""
    form = _FORMATS.get(kinds.kind(data))
    if form not in ("JPEG", "PNG"):
        return False
    with Image.open(io.BytesIO(data), formats=(form,)) as image:
        return image.mode[0] not in "IF" and np.array_equal(np.asarray(image.convert("RGB")), np.asarray(decoded))


GRID = 28
"""Pixels a side at which two pictures are compared: what a format does to single pixels averages out."""

ALIKE = 3.0
"""Grey levels (root mean square) by which two files of one picture may differ at ``GRID`` pixels.

Real galaxies saved as JPEG of quality 30, also at half the size, differ by up to 1.4, two of them by 5.7 and more.
"""


def same_picture(one: bytes, other: bytes) -> bool:
    """Return whether two files show one picture, whatever their formats; ImageError if one of them shows none."""
    small = [
        np.asarray(decode(data).convert("L").resize((GRID, GRID), Image.Resampling.BOX), float) for data in (one, other)
    ]
    return float(np.sqrt(np.mean((small[0] - small[1]) ** 2))) <= ALIKE


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
    if suffix(data) != "jpg" or any(sign in data for sign in TURNED):
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

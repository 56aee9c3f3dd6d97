"""Pictures of any pixel mode to 8-bit RGB, upright; ImageError for those whose range nobody knows."""

from __future__ import annotations

import contextlib
import warnings

import numpy as np
from PIL import Image

from galaxy_zoo_decals.pictures import ImageError, tiff

_BITS, _PHOTOMETRIC, _ORIENTATION = 258, 262, 274
"""Tags of TIFF and EXIF: bits a sample, the orientation, and whether 0 is white (0) or black (1)."""

_SAVE = "save it with 8 or 16 bits, or as FITS"


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
"""How to turn a picture of each EXIF orientation."""


def upright_rgb(image: Image.Image) -> Image.Image:
    """Return a decoded picture as 8-bit RGB, as its EXIF orientation says that it is to be seen.

    ImageError as of ``rgb``, and for EXIF that claims more than that of a picture.
    """
    tiff.check_exif(image.info.get("exif") or b"")
    shown, orientation = rgb(image), 1
    # EXIF that cannot be read says nothing: Pillow raises many kinds of errors for it, and viewers show the picture.
    with contextlib.suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        orientation = image.getexif().get(_ORIENTATION, 1)
    turn = _TURNS.get(orientation)
    return shown if turn is None else shown.transpose(turn)


def rgb(image: Image.Image) -> Image.Image:
    """Return a decoded picture as 8-bit RGB: nothing is clipped, and what is transparent lies on black sky.

    16 bits are scaled by 255 / 65535. Whole numbers of 32 bits, signed ones and floats have no known black and white:
    ImageError says so. Colour profiles are not applied: the pictures that volunteers saw have none.
    """
    mode = image.mode
    if mode.startswith("I;16") or (mode == "I" and image.format == "PNG"):  # Pillow 11 opens 16-bit PNG as I
        return _of_16_bits(image)
    if mode == "I":
        raise ImageError(
            f"whole numbers with a sign or of 32 bits: nobody knows which is black and which white; {_SAVE}"
        )
    if mode == "F":
        raise ImageError(f"floats: nobody knows which is black and which white; {_SAVE}")
    if transparent(image):
        return _on_black(image)
    if mode in ("LAB", "HSV"):
        raise ImageError(f"its colours are {mode}: save it as RGB")
    try:
        return image.convert("RGB")
    except ValueError:
        raise ImageError(f"its pixels are of the mode {mode}: save it as RGB") from None


def transparent(image: Image.Image) -> bool:
    """Return whether a picture may have transparent pixels."""
    return image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info


def _of_16_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.uint32)
    white = 2 ** (_bits(image) or 16) - 1
    grey = ((np.minimum(values, white) * 255 + white // 2) // white).astype(np.uint8)
    tags = getattr(image, "tag_v2", {})
    if tags.get(_PHOTOMETRIC) == 0:  # Pillow turns this round for 8 bits alone.
        grey = 255 - grey
    hidden = image.info.get("transparency")
    if isinstance(hidden, int):
        grey[values == hidden] = 0
    return Image.fromarray(grey).convert("RGB")


def _bits(image: Image.Image) -> int | None:
    """Return the bits a sample of a TIFF; None of other files."""
    bits = getattr(image, "tag_v2", {}).get(_BITS)
    return int(bits[0]) if isinstance(bits, tuple) and bits else None


def _on_black(image: Image.Image) -> Image.Image:
    if image.mode in ("La", "RGBa"):
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    layer = image.convert("RGBA")
    darkest, brightest = layer.getextrema()[3]  # type: ignore[misc]
    if not brightest:
        raise ImageError("every pixel of it is transparent: save it without transparency")
    if darkest == 255:
        return layer.convert("RGB")
    return Image.alpha_composite(Image.new("RGBA", layer.size, (0, 0, 0, 255)), layer).convert("RGB")

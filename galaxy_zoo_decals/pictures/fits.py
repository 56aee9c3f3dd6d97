"""FITS cutouts to the picture that volunteers would have seen: the stretch of Galaxy Zoo DECaLS (``stretch``)."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from galaxy_zoo_decals.pictures import MAX_PIXELS, ImageError, stretch

BANDS = ("g", "r", "z")
"""Those of Galaxy Zoo DECaLS, in the order of ``stretch.SCALES``."""

MAX_MISSING = 0.2
"""Share of pixels of a band without a number above which the image is left out, as Galaxy Zoo DECaLS did."""

MAX_WHITE = 0.5
"""Share of white pixels above which the values cannot be the nanomaggies that they are taken for."""

NEEDS = "a FITS file, which astropy reads: pip install 'galaxy-zoo-decals[astro]'"

_JANSKY = 1 / 3.631e-6
"""Nanomaggies a jansky: magnitude 22.5 of the AB system is one nanomaggy (Oke and Gunn 1983)."""
_UNITS = {
    "nanomaggy": 1.0, "nanomaggies": 1.0, "nanomaggie": 1.0, "nmgy": 1.0,
    "Jy": _JANSKY, "mJy": _JANSKY * 1e-3, "uJy": _JANSKY * 1e-6, "nJy": _JANSKY * 1e-9,
}  # fmt: skip
_BESIDE = (
    "INVVAR", "IVAR", "WHT", "WEIGHT", "ERR", "SIGMA", "STD", "VAR", "RMS", "UNCERT", "NOISE", "DQ", "MASK", "BPM",
    "FLAG", "CTX", "CON", "EXP", "PSF", "MODEL", "RESID", "CHI", "SKY", "BACK",
)  # fmt: skip
"""How names of extensions begin that stand beside an image and are none of the sky."""
_HEADER = 2**20
"""Bytes in which the first header ends."""

_EXTENSIONS = 64
"""Extensions that are looked at."""


def installed() -> bool:
    """Return whether astropy is there."""
    return find_spec("astropy") is not None


def read(data: bytes) -> np.ndarray:
    """Return the picture of a FITS file, uint8 (height, width, 3), north up where the survey's cutouts have it up.

    Three bands g, r, z in nanomaggies are shown as Galaxy Zoo DECaLS shows them; one band is shown in grey; a unit that
    is not known is replaced by the noise of the sky (docs/data.md). ImageError for anything else.
    """
    try:
        from astropy.io import fits
    except ImportError:
        raise ImageError(NEEDS) from None
    if b"END" + b" " * 77 not in data[:_HEADER]:  # astropy would look for it through the whole file, for seconds
        raise ImageError("not a readable FITS image (its header has no end)")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Headers of surveys break the standard in harmless ways.
            with fits.open(io.BytesIO(data), memmap=False, lazy_load_hdus=True) as held:
                header, planes = _planes(_extensions(held, fits))
            shown = picture(planes, header)
    except ImageError:
        raise
    except Exception:  # astropy raises whatever a damaged header leads to; its words name places in its own files
        raise ImageError("not a readable FITS image (cut short or damaged)") from None
    # The first row of FITS is the lowest one.
    return np.ascontiguousarray(shown[::-1])


def _extensions(held: Any, fits: Any) -> list[Any]:
    """Return the images of a file that show the sky; ImageError if there is none."""
    images: list[Any] = []
    others: list[Any] = []
    table = False
    for number in range(_EXTENSIONS):
        try:
            one = held[number]
        except IndexError:
            break
        if isinstance(one, (fits.BinTableHDU, fits.TableHDU)) and not isinstance(one, fits.CompImageHDU):
            table = True
        elif one.is_image and one.shape:
            (others if _name(one).upper().startswith(_BESIDE) else images).append(one)
    if images or others:
        return images or others
    if table:
        raise ImageError("a FITS table, no image: a table of votes is given as --votes")
    raise ImageError("a FITS file without an image in it")


def _name(one: Any) -> str:
    return str(one.header.get("IMAGETYP") or one.header.get("EXTNAME") or "").strip()


def _planes(images: Sequence[Any]) -> tuple[Any, dict[str, np.ndarray] | np.ndarray]:
    """Return a header and what to show: bands by their name, or ready pixels of one or three planes in uint8."""
    named = {band: one for one in images for band in _bands(one.header, 1) if len(_shape(one)) == 2}
    if len(images) > 1 and not (len(named) == len(images) and set(BANDS) <= set(named)):
        # The Legacy Survey writes the image first, and beside it what belongs to it.
        main = [one for one in images if _name(one).upper() in ("IMAGE", "SCI", "PRIMARY")]
        if len(main) != 1:
            names = ", ".join(_name(one)[:20] or f"number {i}" for i, one in enumerate(images[:5], 1))
            raise ImageError(
                f"a FITS file with {len(images)} images ({names}): save the one that is meant, or g, r and z as three "
                "planes of one image, as a file of its own"
            )
        images = main
    if len(images) > 1:
        return images[0].header, {band: _values(named[band]) for band in BANDS}
    header, values = images[0].header, _values(images[0])
    if values.ndim == 2:
        values = values[None]
    bands = _bands(header, len(values))
    if values.dtype == np.uint8 and not bands and len(values) in (1, 3):
        return header, values
    if len(values) == 1:
        return header, {bands[0] if bands else "": values[0]}
    if not bands and len(values) == len(BANDS):
        bands = list(BANDS)
    if not set(BANDS) <= set(bands):
        what = f" ({', '.join(bands)})" if bands else ""
        more = (
            " Width, height and planes stand in the order of NumPy's (3, height, width)."
            if values.shape[-1] == 3
            else ""
        )
        raise ImageError(f"a FITS image of {len(values)} planes{what} where one, or g, r and z, are shown.{more}")
    return header, {band: values[bands.index(band)] for band in BANDS}


def _shape(one: Any) -> tuple[int, ...]:
    """Return the axes of an image that have more than one pixel, and at least two of them."""
    shape = tuple(int(n) for n in one.shape)
    while len(shape) > 2 and shape[0] == 1:
        shape = shape[1:]
    return shape


def _values(one: Any) -> np.ndarray:
    """Return the numbers of an image, of shape (height, width) or (planes, height, width)."""
    shape = _shape(one)
    if len(shape) not in (2, 3):
        raise ImageError(f"a FITS array of {len(shape)} dimensions where two, or three with the bands, are shown")
    if shape[-1] * shape[-2] > MAX_PIXELS or math.prod(shape) > 4 * MAX_PIXELS:
        raise ImageError(f"{' x '.join(map(str, reversed(shape)))} pixels are more than a cutout has")
    if math.prod(getattr(one, "tile_shape", ())) > 4 * MAX_PIXELS:
        raise ImageError("a compressed FITS image whose tiles are larger than a cutout")
    values = np.asarray(one.data).reshape(shape)
    return values if values.dtype == np.uint8 else values.astype(np.float32)


def _bands(header: Any, count: int) -> list[str]:
    """Return the bands of the planes as the header has them, [] if it has none or another number of them."""
    found = [str(header.get(f"BAND{i}", "")).strip() for i in range(count)]
    if not all(found):
        found = [band.strip() for band in str(header.get("BANDS", "")).strip()]
    if len(found) != count and count == 1:
        text = str(header.get("FILTER") or header.get("BAND") or "").split()
        found = text[:1]
    return found if len(found) == count and all(found) else []


def picture(planes: dict[str, np.ndarray] | np.ndarray, header: Any) -> np.ndarray:
    """Return bands by name, or ready pixels, as uint8 (height, width, 3), rows as they stand; ImageError if unusable.

    ``header`` gives the unit (BUNIT) and says by BANDS or BAND0 that a cutout is of the Legacy Survey.
    """
    if isinstance(planes, np.ndarray):
        return np.repeat(planes[0][..., None], 3, axis=2) if len(planes) == 1 else np.moveaxis(planes, 0, 2)
    unit = str(header.get("BUNIT", "")).strip()
    factor = _UNITS.get(unit, _UNITS.get(unit.lower().rstrip("s").removesuffix("/pixel")))
    if not unit and (len(planes) == len(BANDS) or "BANDS" in header or "BAND0" in header):
        factor = 1.0  # The survey's cutouts state no unit: they are in nanomaggies.
    bands = {band: _filled(band, values) for band, values in planes.items()}
    if known := factor is not None and set(bands) <= set(BANDS):
        scaled = [_scaled(band, values, factor or 1) for band, (values, _) in bands.items()]
    else:
        scaled = [_by_noise(*pair) for pair in bands.values()]
    if len(scaled) == 1:
        pixels = np.repeat(stretch.levels(stretch.displayed(scaled[0]))[..., None], 3, axis=2)
    else:
        pixels = stretch.coloured(np.stack(scaled))
    if known and float((pixels == 255).all(axis=2).mean()) > MAX_WHITE:
        raise ImageError(
            "a FITS image that is white where its values are taken for nanomaggies: give its header a BUNIT "
            "(nanomaggy, Jy, or what it is, such as adu)"
        )
    if pixels.min() == pixels.max():
        raise ImageError(
            "a FITS image that is of one grey where its values are taken for nanomaggies: give its header a BUNIT"
            if known
            else "a FITS image whose pixels are all alike"
        )
    return pixels


def _filled(band: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a band with zeros where it has no number, and where that is."""
    missing = ~np.isfinite(values)
    share = float(missing.mean())
    of = f" of band {band}" if band else ""
    if share == 1:
        raise ImageError(f"a FITS image without a number in any pixel{of}")
    if share > MAX_MISSING:
        raise ImageError(f"a FITS image without a number (NaN) in {100 * share:.0f} % of the pixels{of}")
    if band and not np.any(values[~missing]):
        raise ImageError(f"a FITS image with nothing but zeros{of}: the survey has not seen this field in it")
    return np.where(missing, np.float32(0), values.astype(np.float32)), missing


def _scaled(band: str, values: np.ndarray, factor: float) -> np.ndarray:
    """Return a band in units of the stretch; ``factor`` makes its values nanomaggies."""
    scaled: np.ndarray = values * np.float32(factor * stretch.SCALES[BANDS.index(band)])
    return scaled


def _by_noise(values: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Return a band above its sky in units of the sky's noise: sigma-clipped median, and median absolute deviation."""
    from astropy.stats import sigma_clipped_stats

    step = max(1, math.isqrt(values.size // 2**20))
    some = values[::step, ::step][~missing[::step, ::step]].astype(float)
    _, sky, noise = sigma_clipped_stats(some, sigma=3, maxiters=5, cenfunc="median", stdfunc="mad_std")
    if not noise > 0:  # A sky without noise, as a program draws it: the brightest pixel is white.
        noise = (float(some.max()) - sky) / stretch.HIGH or 1.0
    return np.where(missing, np.float32(0), ((values - sky) / noise).astype(np.float32))

"""The camera: seeing, noise, pixel scale, the light of bright stars, and what goes wrong in an exposure.

Fluxes are nanomaggies (AB magnitude 22.5 is 1); bands are in the order g, r, z.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from galaxy_zoo_decals.simulation.colour import CUTOUT_PIXELS
from galaxy_zoo_decals.simulation.field import BRIGHT_STAR_MAG, Star
from galaxy_zoo_decals.simulation.light import Grid

NATIVE_ARCSEC = 0.262
"""Pixel of the DECam coadds."""
MAX_NATIVE_PIXELS = 512
MEDIAN_SEEING_ARCSEC = (1.29, 1.18, 1.11)
MEDIAN_DEPTH_MAG = (24.65, 23.61, 22.84)
"""Median FWHM and 5-sigma depth (AB) in g, r, z of the survey (Dey et al. 2019, table 4)."""
SEEING_FACTOR = 0.92
NOISE_CORRELATION_PIXELS = 0.40
DEPTH_GAIN_MAG = (0.06, 0.53, 0.61)
SKY_ERROR_UNITS = (-0.040, -0.072, -0.064)
"""Fitted to stars and corners of published images: how much sharper they are than the median, the Gaussian by
which the resampling of exposures has smoothed the noise, how much deeper a point source is detected than the
depths above, which are those of faint galaxies, and the mean sky left after its subtraction in ``DISPLAY_UNIT``."""
MOFFAT_BETA = 3.2
COSMIC_RAY_SHARE = 0.15
FAULTS = ("none", "star", "satellite", "band-shift", "bright-star", "missing-data")
"""What makes volunteers call an image an artifact; ``star`` is a star in the place of the galaxy."""
FAULT_SHARES = (0.966, 0.008, 0.006, 0.006, 0.008, 0.006)
DISPLAY_UNIT = (0.008, 0.014, 0.019)
"""Fluxes in g, r, z that the colour recipe shows as 1 (see colour.py)."""
_PADDING = 40


@dataclass(frozen=True)
class Conditions:
    """The observing conditions of one coadd."""

    seeing_arcsec: tuple[float, float, float]
    noise: tuple[float, float, float]
    """Standard deviation of a native pixel."""
    sky_error: tuple[float, float, float]
    """What is left of the sky after its subtraction, a pixel."""


def pixel_scale_arcsec(petro_th50: float, petro_th90: float) -> float:
    """Return the pixel of a GZ DECaLS cutout for these Petrosian radii (Walmsley et al. 2022, section 2.3)."""
    return max(min(0.04 * petro_th50, 0.02 * petro_th90), 0.1)


def field_grid(scale_arcsec: float) -> tuple[Grid, int]:
    """Return a padded grid for a cutout of 424 pixels of this scale, and how many of its pixels are shown.

    Pixels are native unless more than 512 of them were needed.
    """
    side = CUTOUT_PIXELS * scale_arcsec
    shown = int(np.ceil(side / NATIVE_ARCSEC))
    pixel = NATIVE_ARCSEC
    if shown > MAX_NATIVE_PIXELS:
        shown, pixel = MAX_NATIVE_PIXELS, side / MAX_NATIVE_PIXELS
    padded = shown + _PADDING + shown % 2
    while scipy.fft.next_fast_len(padded, real=True) != padded:
        padded += 2
    shown += (padded - shown) % 2
    return Grid(padded, pixel), shown


def draw_conditions(rng: np.random.Generator) -> Conditions:
    """Return seeing (12 % scatter), depth and sky error of a coadd.

    Depth varies with 1 to 6 exposures of each band, and by 0.2 mag for all bands together and 0.1 mag each alone:
    grain and colour of the noise of published images.
    """
    seeing = [float(np.clip(rng.lognormal(np.log(SEEING_FACTOR * s), 0.12), 0.75, 2.0)) for s in MEDIAN_SEEING_ARCSEC]
    exposures = rng.choice([1, 2, 3, 4, 6], size=3, p=[0.20, 0.32, 0.25, 0.15, 0.08])
    together = rng.normal(0, 0.20)
    noise, errors = [], []
    for band in range(3):
        median = MEDIAN_DEPTH_MAG[band] + DEPTH_GAIN_MAG[band]
        depth = median + 1.25 * np.log10(exposures[band] / 2) + rng.normal(0, 0.10) + together
        # a point source of the limiting magnitude is 5 sigma in its best aperture
        area = effective_pixels(seeing[band])
        sigma = 10 ** (0.4 * (22.5 - depth)) / 5 / np.sqrt(area)
        noise.append(float(sigma))
        errors.append(float(rng.normal(SKY_ERROR_UNITS[band], 0.03) * DISPLAY_UNIT[band]))
    return Conditions(_triple(seeing), _triple(noise), _triple(errors))


def _triple(values: list[float]) -> tuple[float, float, float]:
    return values[0], values[1], values[2]


def effective_pixels(fwhm_arcsec: float) -> float:
    """Return 1 / sum(psf^2) of a Moffat point spread function in native pixels."""
    core = _moffat_core(fwhm_arcsec) / NATIVE_ARCSEC
    return float(np.pi * core**2 * (2 * MOFFAT_BETA - 1) / (MOFFAT_BETA - 1) ** 2)


def _moffat_core(fwhm_arcsec: float) -> float:
    return float(fwhm_arcsec / (2 * np.sqrt(2 ** (1 / MOFFAT_BETA) - 1)))


def moffat(radius2: np.ndarray, fwhm_arcsec: float, pixel_arcsec: float) -> np.ndarray:
    """Return a Moffat profile at squared radii (arcsec^2), its flux over the plane 1 (Moffat 1969)."""
    core2 = _moffat_core(fwhm_arcsec) ** 2
    return (MOFFAT_BETA - 1) / (np.pi * core2) * pixel_arcsec**2 * (1 + radius2 / core2) ** -MOFFAT_BETA


def transfer_function(grid: Grid, fwhm_arcsec: float) -> np.ndarray:
    """Return the transform (rfft2) of the seeing on the grid; its value at zero is 1, so flux is kept."""
    half = np.arange(grid.pixels // 2 + 1)
    offset2 = (half * grid.pixel_arcsec) ** 2
    quarter = moffat(offset2[:, None] + offset2[None, :], fwhm_arcsec, grid.pixel_arcsec)
    mirrored = np.concatenate([half, half[-2:0:-1]])
    psf = quarter[mirrored[:, None], mirrored]
    transform: np.ndarray = scipy.fft.rfft2(psf)
    return transform / transform[0, 0].real


def blur(image: np.ndarray, transfer: np.ndarray) -> np.ndarray:
    """Return the image as the seeing leaves it."""
    blurred: np.ndarray = scipy.fft.irfft2(scipy.fft.rfft2(image) * transfer, s=image.shape)
    return blurred


def crop(image: np.ndarray, shown: int) -> np.ndarray:
    """Return the middle of an image (or a stack of them), ``shown`` pixels a side."""
    start = (image.shape[-1] - shown) // 2
    return image[..., start : start + shown, start : start + shown]


def add_bright_stars(grz: np.ndarray, grid: Grid, stars: list[Star], conditions: Conditions) -> None:
    """Add stars with visible wings to blurred bands: in real space, since a transform would wrap their wings.

    Light scattered far out follows a power law; four spikes come from the camera's supports.
    """
    for star in stars:
        if star.mag_r > BRIGHT_STAR_MAG:
            continue
        dn, de = grid.north - star.north_arcsec, grid.east - star.east_arcsec
        radius2 = dn**2 + de**2
        halo = 1.5e-3 * grid.pixel_arcsec**2 / (radius2 + 4.0)
        spikes = np.zeros_like(radius2)
        for u, v in ((dn + de, dn - de), (dn - de, dn + de)):
            spikes += np.exp(-np.abs(u) / 5 - (v / 0.5) ** 2)
        spikes *= 3e-4 * grid.pixel_arcsec**2
        for band, flux in enumerate(star.fluxes):
            core = moffat(radius2, conditions.seeing_arcsec[band], grid.pixel_arcsec)
            grz[band] += flux * (core + halo + spikes)


def add_noise(rng: np.random.Generator, grz: np.ndarray, conditions: Conditions, pixel_arcsec: float) -> None:
    """Add sky noise, slightly correlated, photon noise of the sources and sky errors."""
    area = (pixel_arcsec / NATIVE_ARCSEC) ** 2
    for band in range(3):
        sigma = conditions.noise[band] * np.sqrt(area)
        sky = gaussian_filter(
            rng.standard_normal(grz.shape[1:], dtype=np.float32), NOISE_CORRELATION_PIXELS, mode="wrap"
        )
        photons = rng.standard_normal(grz.shape[1:], dtype=np.float32)
        # photon noise as a share of the sky's: a source as bright as the sky doubles the variance
        source = np.sqrt(np.maximum(grz[band], 0) / _SKY_FLUX[band]) * conditions.noise[band]
        grz[band] += sigma / _SMOOTHED_RMS * sky + source * photons + conditions.sky_error[band] * area


_SMOOTHED_RMS = float((gaussian_filter1d(np.eye(1, 33, 16)[0], NOISE_CORRELATION_PIXELS) ** 2).sum())
"""Standard deviation of unit white noise after the filter above, in two dimensions."""
_SKY_FLUX = tuple(10 ** (0.4 * (22.5 - mag)) * NATIVE_ARCSEC**2 for mag in (22.0, 21.1, 19.0))
"""Sky of a native pixel for typical brightnesses of 22.0, 21.1 and 19.0 magnitudes an arcsec^2."""


def add_cosmic_rays(rng: np.random.Generator, grz: np.ndarray) -> None:
    """Add what cosmic rays left in coadds of few exposures: short tracks in one band of some cutouts."""
    if rng.random() > COSMIC_RAY_SHARE:
        return
    n = grz.shape[-1]
    rows, columns = np.ogrid[:n, :n]
    for _ in range(1 + rng.poisson(0.5)):
        band, angle = int(rng.integers(3)), rng.uniform(0, np.pi)
        row, column = rng.uniform(0.05, 0.95, 2) * n
        along = (columns - column) * np.cos(angle) + (rows - row) * np.sin(angle)
        across = (rows - row) * np.cos(angle) - (columns - column) * np.sin(angle)
        track = (np.abs(along) < rng.uniform(2, 7)) * np.exp(-((across / 0.6) ** 2))
        grz[band] += rng.uniform(3, 20) * DISPLAY_UNIT[band] * track


def add_fault(rng: np.random.Generator, grz: np.ndarray, fault: str) -> None:
    """Spoil the three bands, shape (3, n, n), in place as the fault does; stars are drawn elsewhere."""
    n = grz.shape[-1]
    rows, columns = np.ogrid[:n, :n]
    angle, band = rng.uniform(0, np.pi), int(rng.integers(3))
    if fault == "satellite":
        across = (columns - n / 2) * np.sin(angle) - (rows - n / 2) * np.cos(angle) - rng.uniform(-0.2, 0.2) * n
        grz[band] += rng.uniform(6, 48) * DISPLAY_UNIT[band] * np.exp(-0.5 * (across / 2.2) ** 2)
    elif fault == "band-shift":
        shift = rng.integers(4, 14, 2) * rng.choice([-1, 1], 2)
        grz[band] = rng.uniform(0.6, 1.6) * np.roll(grz[band], tuple(shift), (0, 1))
    elif fault == "missing-data":
        lost = (columns - n / 2) * np.cos(angle) + (rows - n / 2) * np.sin(angle) > rng.uniform(-0.15, 0.25) * n
        for b in (band,) if rng.random() < 0.7 else range(3):
            grz[b][lost] = 0

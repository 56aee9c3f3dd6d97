"""What breaks the symmetry of a disc: spiral arms, star-forming knots, rings, bars and the clumps of irregulars.

Maps are float64 of the grid's shape, before seeing. Coordinates are those of the disc's plane: ``radius`` in
scale lengths and ``angle`` from the major axis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.special import expit

from galaxy_zoo_decals.simulation.galaxy import Arms, Bar, Galaxy, Ring

_TABLE = 4096
"""Steps of the tabulated light across the arms, enough for 0.1 degree."""


@dataclass(frozen=True)
class Pattern:
    """Where the young stars and the dust lanes of a disc lie; light maps sum to 1."""

    young: np.ndarray
    smooth: np.ndarray
    """The same stars spread evenly in angle: what the disc would look like without the pattern."""
    lanes: np.ndarray | None
    """Optical depth of the dust lanes relative to the disc's, about 1 on a lane."""


def texture(rng: np.random.Generator, size: int, smoothing: float) -> np.ndarray:
    """Return periodic Gaussian noise of unit variance, smoothed over ``smoothing`` cells."""
    noise = gaussian_filter(rng.normal(size=(size, size)), smoothing, mode="wrap")
    return noise / noise.std()


def spiral_pattern(
    rng: np.random.Generator,
    arms: Arms,
    bar: Bar | None,
    scale_rd: float,
    edge_rd: float,
    radius: np.ndarray,
    angle: np.ndarray,
) -> Pattern:
    """Return the arms: von Mises profiles across logarithmic spirals, warped, patchy and tapered at both ends.

    ``scale_rd`` is the scale length of their stars; they do not go on far beyond ``edge_rd``, where the disc bends
    down.
    """
    cotangent = 1 / np.tan(np.radians(arms.pitch_deg))
    log_radius = np.log(np.maximum(radius, 0.08))
    turned = arms.sense * angle
    phase = turned - cotangent * log_radius
    for k in (1, 2, 3):
        wave = k * turned + rng.uniform(0, 2 * np.pi) + rng.normal(0, 1.2) * log_radius
        phase += rng.normal(0, 0.16 / k) * np.cos(wave)
    start = arms.phase
    if bar and arms.number <= 2:  # two arms begin at the ends of the bar
        start = arms.sense * bar.angle - cotangent * np.log(bar.length_rd)
    light, lanes = _across_arms(rng, arms, phase - start)
    lumps = texture(rng, 128, 2.2)
    along = map_coordinates(lumps[::-1], [turned * 128 / np.pi, log_radius * 40], order=1, mode="grid-wrap")
    patches = map_coordinates(
        lumps, [phase * 128 / np.pi, log_radius * 9 + turned * 128 / (2 * np.pi)], order=1, mode="grid-wrap"
    )
    f = arms.flocculence
    light = light * np.exp(0.22 * along - 0.024) * (1 - 0.55 * f) + 0.55 * f * np.exp(0.6 * patches - 0.18)
    inner = 0.95 * bar.length_rd if bar else rng.uniform(0.2, 0.5)
    outer = min(rng.uniform(3.2, 5.2), 1.15 * edge_rd)
    taper = expit((radius - inner) / 0.13) * expit((outer - radius) / 0.6)
    smooth = np.exp(-radius / scale_rd) * taper
    young = smooth * light
    return Pattern(young / young.sum(), smooth / smooth.sum(), lanes * taper * np.exp(-radius / 3))


def _across_arms(rng: np.random.Generator, arms: Arms, phase: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return light and dust lanes as functions of the spiral phase; lanes run along the inner edges."""
    steps = np.arange(_TABLE + 1) * 2 * np.pi / _TABLE
    light, lanes = np.zeros(_TABLE + 1), np.zeros(_TABLE + 1)
    spacing = 2 * np.pi / arms.number
    width = arms.width * spacing
    for j in range(arms.number):
        strength = np.clip(rng.normal(1, 0.14 if arms.number <= 2 else 0.28), 0.35, 1.6)
        offset = steps - spacing * (j + (rng.normal(0, 0.05) if arms.number > 1 else 0.0))
        light += strength * np.exp((np.cos(offset) - 1) / width**2)
        lanes += strength * np.exp(2.2 * (np.cos(offset + 0.75 * width) - 1) / width**2)
    place = np.mod(phase, 2 * np.pi) * (_TABLE / (2 * np.pi))
    cell = np.minimum(place.astype(np.intp), _TABLE - 1)
    part = place - cell
    light, lanes = (table[cell] * (1 - part) + table[cell + 1] * part for table in (light, lanes))
    return light, lanes


def clumpy_pattern(
    rng: np.random.Generator, clumpiness: float, scale_rd: float, x: np.ndarray, y: np.ndarray
) -> Pattern:
    """Return the clumps of an irregular; x and y in scale lengths in the plane of its disc."""
    coarse = map_coordinates(texture(rng, 64, 4.5), [x * 7 + 9, y * 7 + 5], order=1, mode="grid-wrap")
    fine = map_coordinates(texture(rng, 64, 2.5), [x * 6, y * 6 + 20], order=1, mode="grid-wrap")
    smooth = np.exp(-np.hypot(x, y) / scale_rd)
    young = smooth * np.exp(clumpiness * (coarse + 0.5 * fine))
    return Pattern(young / young.sum(), smooth / smooth.sum(), None)


def ring_maps(rng: np.random.Generator, ring: Ring, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return an oval ring, and its light spread so wide that no eye would find a ring in it; both sum to 1.

    Its cross-section is Gaussian, and it is brighter on some sides than on others. x and y are in scale lengths in the
    plane of the disc.
    """
    along = x * np.cos(ring.angle) + y * np.sin(ring.angle)
    across = -x * np.sin(ring.angle) + y * np.cos(ring.angle)
    radius = np.hypot(along * np.sqrt(ring.axis_ratio), across / np.sqrt(ring.axis_ratio))
    around = np.arctan2(across, along)
    spread = np.exp(-0.5 * ((radius - ring.radius_rd) / np.hypot(ring.width_rd, 0.6)) ** 2)
    light = np.exp(-0.5 * ((radius - ring.radius_rd) / ring.width_rd) ** 2)
    waves = sum(np.cos(k * around + rng.uniform(0, 2 * np.pi)) / k for k in (1, 2, 3))
    light *= np.exp(ring.unevenness * waves)
    return light / light.sum(), spread / spread.sum()


def bar_map(bar: Bar, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return a bar, sum 1: a superellipse with a flat top that ends sharply (Athanassoula et al. 1990).

    x and y are in scale lengths in the plane of the disc.
    """
    along = x * np.cos(bar.angle) + y * np.sin(bar.angle)
    across = -x * np.sin(bar.angle) + y * np.cos(bar.angle)
    r = np.abs(along / bar.length_rd) ** 2.6 + np.abs(across / (bar.length_rd * bar.axis_ratio)) ** 2.6
    light = np.exp(-1.3 * r ** (1.7 / 2.6))
    return light / light.sum()


def knot_map(
    rng: np.random.Generator, galaxy: Galaxy, young: np.ndarray, radius: np.ndarray, pixel_rd: float
) -> np.ndarray:
    """Return star-forming knots, sum 1 (0 if there are none), with a power law of luminosities.

    They lie where the young stars are, more of them outside; slope of the luminosity function from
    Kennicutt, Edgar & Hodge 1989 (ApJ 337, 761). ``pixel_rd`` is the pixel in scale lengths.
    """
    chance = np.cumsum((young * np.exp(radius / 2.2) * (radius < 3.6)).ravel())
    places = np.searchsorted(chance, rng.random(galaxy.knots) * chance[-1])
    luminosities = np.minimum(rng.pareto(1.25, galaxy.knots) + 0.25, 9)
    points = np.bincount(np.minimum(places, young.size - 1), luminosities, young.size).reshape(young.shape)
    light = gaussian_filter(points, max(0.45, 0.07 / pixel_rd), mode="constant")
    total = light.sum()
    return light / total if total > 0 else light

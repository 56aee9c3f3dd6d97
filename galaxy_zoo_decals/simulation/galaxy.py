"""One galaxy: its components, its distance, and the radii a survey would measure of it.

Angles are in radians unless a name says otherwise; lengths named ``_rd`` are in disc scale lengths.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy.special import expit, gamma, gammainc

from galaxy_zoo_decals.schema import CLASSES

ELLIPTICAL, SPIRAL, LENTICULAR, IRREGULAR = CLASSES
INTERACTIONS = ("none", "minor-disturbance", "major-disturbance", "merger")
"""Intrinsic counterparts of the answers to the merging question, in their order."""

HUBBLE_DISTANCE_MPC = 299792.458 / 70.0
DECELERATION = -0.55
"""q0 of a flat universe with a matter density of 0.3."""

Length = TypeVar("Length", float, np.ndarray)


@dataclass(frozen=True)
class Bulge:
    """A Sersic component; an elliptical is nothing else, with ``fraction`` 1."""

    fraction: float
    sersic_n: float
    half_light_arcsec: float
    axis_ratio: float
    boxiness: float = 0.0
    """Exponent of the superellipse is 2 - boxiness: positive is discy, negative is boxy."""


@dataclass(frozen=True)
class Disc:
    """An inclined exponential disc of finite thickness with dust and an outer break."""

    scale_arcsec: float
    cos_inclination: float
    thickness_rd: float
    """Scale height of the sech^2 profile."""
    g_r: float
    r_z: float
    optical_depth: float
    """Face-on central optical depth in r."""
    break_rd: float
    """Radius where the profile bends (Pohlen & Trujillo 2006); infinite where it does not."""
    outer_scale: float
    """Scale length beyond the break over that inside: under 1 bends down, over 1 up, 1 is a plain exponential."""
    lopsidedness: float = 0.0
    clumpiness: float = 0.0
    """Strength of the random structure of an irregular; 0 for all others."""

    def bend(self, radius_rd: np.ndarray) -> np.ndarray:
        """Return what an exponential disc is multiplied with at radii in scale lengths: 1 up to the break."""
        beyond: np.ndarray = np.maximum(radius_rd - self.break_rd, 0)
        return np.exp(-beyond * (1 / self.outer_scale - 1))

    @property
    def edge_rd(self) -> float:
        """Radius where the profile bends down; infinite where it does not."""
        return self.break_rd if self.outer_scale < 1 else np.inf


@dataclass(frozen=True)
class Bar:
    """A flat-topped bar in the plane of the disc."""

    strong: bool
    fraction: float
    length_rd: float
    axis_ratio: float
    angle: float
    """From the major axis of the projected disc, in the plane of the disc."""


@dataclass(frozen=True)
class Ring:
    """A ring of young stars in the plane of the disc."""

    fraction: float
    """Share of the disc's light."""
    radius_rd: float
    width_rd: float
    axis_ratio: float
    """In the plane of the disc: inner rings are ovals along the bar (Buta & Combes 1996)."""
    angle: float
    """Of the longest axis, as a bar's."""
    unevenness: float
    """Amplitude of the waves of the logarithm of its light around the disc."""


@dataclass(frozen=True)
class Arms:
    """Logarithmic spiral arms; ``flocculence`` moves their light from arms to short patches."""

    number: int
    pitch_deg: float
    contrast: float
    flocculence: float
    sense: int
    """+1 or -1: which way they wind."""
    phase: float
    width: float
    """Angular half-width as a share of the distance between arms."""


@dataclass(frozen=True)
class Galaxy:
    """The intrinsic properties of one galaxy."""

    type: str
    absolute_mag_r: float
    redshift: float
    half_light_arcsec: float
    """Half-light radius along the major axis."""
    position_angle: float
    """From north through east."""
    old_g_r: float
    old_r_z: float
    """Observed colours of the old stars (bulge, bar)."""
    bulge: Bulge | None
    disc: Disc | None = None
    bar: Bar | None = None
    ring: Ring | None = None
    arms: Arms | None = None
    knots: int = 0
    """Number of star-forming regions."""

    @property
    def mag_r(self) -> float:
        """Apparent r magnitude (AB)."""
        return self.absolute_mag_r + distance_modulus(self.redshift)

    @property
    def flux_r(self) -> float:
        """Flux in r, nanomaggies."""
        return float(10 ** (0.4 * (22.5 - self.mag_r)))

    @property
    def young_share(self) -> float:
        """Share of the disc's light in young stars, which follow arms or clumps."""
        if self.type == IRREGULAR:
            return 0.75
        return 0.10 + 0.75 * self.arms.contrast if self.arms else 0.0

    @property
    def young_scale_rd(self) -> float:
        """Scale length of the young stars over that of the old disc."""
        return 0.95 if self.type == IRREGULAR else 1.25

    @property
    def bulge_to_total(self) -> float:
        """Share of the light in the bulge."""
        return self.bulge.fraction if self.bulge else 0.0


@dataclass(frozen=True)
class Encounter:
    """What another galaxy has done to this one."""

    kind: str
    """One of ``INTERACTIONS``."""
    tidal_fraction: float = 0.0
    """Light in tails, streams and shells relative to the galaxy's."""
    companion: Galaxy | None = None
    separation_arcsec: float = 0.0
    angle: float = 0.0
    """Direction to the companion, from north through east."""


def luminosity_distance_mpc(redshift: Length) -> Length:
    """Return the luminosity distance in Mpc to second order in redshift, good to 1 % below z = 0.15."""
    return HUBBLE_DISTANCE_MPC * redshift * (1 + 0.5 * (1 - DECELERATION) * redshift)


def distance_modulus(redshift: Length) -> Length:
    """Return m - M without K correction (which is in the drawn colours)."""
    modulus: Length = 5 * np.log10(luminosity_distance_mpc(redshift)) + 25
    return modulus


def sersic_b(n: float) -> float:
    """Return b_n, which makes the half-light radius one (Ciotti & Bertin 1999, eq. 18)."""
    return 2 * n - 1 / 3 + 4 / (405 * n) + 46 / (25515 * n * n)


def sersic_total(n: float) -> float:
    """Return the flux of a round profile with half-light radius and half-light surface brightness 1."""
    b = sersic_b(n)
    return float(2 * np.pi * n * np.exp(b) * b ** (-2 * n) * gamma(2 * n))


def light_within(radius_rd: float, galaxy: Galaxy) -> float:
    """Return the share of the light of a face-on disc galaxy within a radius in disc scale lengths.

    Of bulge, old disc with its bend, and young stars spread evenly; without dust, bar and ring.
    """
    disc, bulge = galaxy.disc, galaxy.bulge
    assert disc is not None
    young = galaxy.young_share
    inside = (1 - young) * _exponential_within(radius_rd, disc) / _exponential_within(np.inf, disc)
    x = radius_rd / galaxy.young_scale_rd
    inside += young * (1 - (1 + x) * np.exp(-x))
    if bulge is None:
        return float(inside)
    x = sersic_b(bulge.sersic_n) * (radius_rd * disc.scale_arcsec / bulge.half_light_arcsec) ** (1 / bulge.sersic_n)
    return float((1 - bulge.fraction) * inside + bulge.fraction * gammainc(2 * bulge.sersic_n, x))


def _exponential_within(radius_rd: float, disc: Disc) -> float:
    """Return the integral of r exp(-r), with the disc's bend, from 0 to a radius in scale lengths."""
    b, o = disc.break_rd, disc.outer_scale

    def beyond(r: float) -> float:
        """Return the integral of r exp(-b (1 - 1/o) - r/o) from r on."""
        return float(o * (r + o) * np.exp(-b * (1 - 1 / o) - r / o)) if np.isfinite(r) else 0.0

    inner = min(radius_rd, b)
    total = 1 - (1 + inner) * np.exp(-inner) if np.isfinite(inner) else 1.0
    return float(total + beyond(b) - beyond(radius_rd)) if radius_rd > b else float(total)


SURVEY_SEEING_ARCSEC = 1.4
"""FWHM of the SDSS images on which the Petrosian radii of the catalogue were measured."""


def petrosian(galaxy: Galaxy) -> tuple[float, float, float]:
    """Return petro_th50, petro_th90 and petro_theta in arcsec, in circular apertures (Blanton et al. 2001).

    Measured on bulge, disc and ring, with young stars spread evenly and without dust, on a grid of radius and
    angle; seeing is added in quadrature.
    """
    size = galaxy.half_light_arcsec
    radii = size * np.geomspace(0.02, 14, 120)[:, None]
    angles = (np.arange(12)[None, :] + 0.5) / 12 * np.pi / 2
    x, y = radii * np.cos(angles), radii * np.sin(angles)
    light = np.zeros_like(x)
    if galaxy.bulge:
        b = galaxy.bulge
        r = np.sqrt(x * x * b.axis_ratio + y * y / b.axis_ratio) / b.half_light_arcsec
        amplitude = b.fraction / (sersic_total(b.sersic_n) * b.half_light_arcsec**2)
        light += amplitude * np.exp(-sersic_b(b.sersic_n) * (r ** (1 / b.sersic_n) - 1))
    if galaxy.disc:
        light += (1 - galaxy.bulge_to_total) * _disc_profile(galaxy, galaxy.disc, x, y)
    profile = light.mean(axis=1)
    r = radii[:, 0]
    enclosed = np.concatenate(
        [[np.pi * r[0] ** 2 * profile[0]], 2 * np.pi * r[:-1] * profile[:-1] * np.diff(r)]
    ).cumsum()
    ratio = profile / (enclosed / (np.pi * r * r))
    theta = float(r[np.argmax((ratio < 0.2) & (r > 0.3 * size))])
    total = np.interp(2 * theta, r, enclosed)
    r50, r90 = np.interp([0.5 * total, 0.9 * total], enclosed, r)
    blur = SURVEY_SEEING_ARCSEC / 2
    return float(np.hypot(r50, blur)), float(np.hypot(r90, 1.8 * blur)), float(np.hypot(theta, 2 * blur))


def _disc_profile(galaxy: Galaxy, disc: Disc, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the surface brightness of a disc of unit flux; x and y (arcsec) on a log-polar grid."""
    q = min(max(np.hypot(disc.cos_inclination, 1.1 * disc.thickness_rd), 0.1), 1.0)
    r = np.hypot(x, y / q) / disc.scale_arcsec
    area = np.hypot(x, y) ** 2  # of a cell, but for a constant factor

    def scaled(light: np.ndarray, share: float) -> np.ndarray:
        return share * light / (light * area).sum()

    ring_share = galaxy.ring.fraction if galaxy.ring else 0.0
    light = scaled(np.exp(-r) * disc.bend(r), 1 - galaxy.young_share - ring_share)
    hole = 1.0 if galaxy.arms is None else expit((r - 0.4) / 0.13)  # arms begin outside the middle
    light += scaled(np.exp(-r / galaxy.young_scale_rd) * hole, galaxy.young_share)
    if galaxy.ring:
        light += scaled(np.exp(-0.5 * ((r - galaxy.ring.radius_rd) / galaxy.ring.width_rd) ** 2), ring_share)
    cell = np.log(np.hypot(x[1, 0], y[1, 0]) / np.hypot(x[0, 0], y[0, 0])) * 2 * np.pi / x.shape[1]
    return light / cell

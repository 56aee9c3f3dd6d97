"""Which galaxies there are: luminosities, distances, sizes, types, discs, bulges, bars, arms, rings and encounters.

Everything is drawn from published distributions and cut as GZ DECaLS was: m_r < 17.77, z < 0.15, Petrosian
radius at least 3 arcsec (Walmsley et al. 2022, section 2). Angles are in radians unless a name says otherwise;
lengths named ``_rd`` are in disc scale lengths.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from scipy.special import expit, gamma

from galaxy_zoo_decals.schema import CLASSES

ELLIPTICAL, SPIRAL, LENTICULAR, IRREGULAR = CLASSES
INTERACTIONS = ("none", "minor-disturbance", "major-disturbance", "merger")
"""Intrinsic counterparts of the answers to the merging question, in their order."""

MAG_LIMIT = 17.77
"""r-band magnitude limit of the SDSS main galaxy sample, from which GZ DECaLS was drawn."""
REDSHIFT_LIMIT = 0.15
MIN_PETROSIAN_ARCSEC = 3.0
HUBBLE_DISTANCE_MPC = 299792.458 / 70.0
DECELERATION = -0.55
"""q0 of a flat universe with a matter density of 0.3."""

SCHECHTER_MAG = -21.15
SCHECHTER_SLOPE = -1.05
"""M* (for H0 = 70) and slope of the r-band luminosity function (Blanton et al. 2003, ApJ 592, 819)."""


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
    """Radius where the profile steepens (Pohlen & Trujillo 2006); large for an untruncated disc."""
    lopsidedness: float = 0.0
    clumpiness: float = 0.0
    """Strength of the random structure of an irregular; 0 for all others."""


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


_MAGS = np.linspace(-23.6, -16.0, 401)
_REDSHIFTS = np.linspace(0.003, REDSHIFT_LIMIT, 600)
_MODULI = distance_modulus(_REDSHIFTS)
_REACH = np.interp(MAG_LIMIT - _MAGS, _MODULI, _REDSHIFTS)
_RATIO = 10 ** (-0.4 * (_MAGS - SCHECHTER_MAG))
_COUNTS = np.cumsum(_RATIO ** (SCHECHTER_SLOPE + 1) * np.exp(-_RATIO) * _REACH**3)


def draw_luminosity(rng: np.random.Generator) -> tuple[float, float]:
    """Return absolute r magnitude and redshift of a galaxy of a magnitude-limited sample.

    A Schechter function weighted with the volume in which each luminosity is seen; uniform in that volume.
    """
    magnitude = float(np.interp(rng.random() * _COUNTS[-1], _COUNTS, _MAGS))
    reach = float(np.interp(MAG_LIMIT - magnitude, _MODULI, _REDSHIFTS))
    return magnitude, max(0.006, reach * float(rng.random()) ** (1 / 3))


def draw_type(rng: np.random.Generator, magnitude: float) -> str:
    """Return a type: irregulars among the faint, early types among the luminous.

    Shares follow the type-dependent luminosity functions of Nair & Abraham 2010 (ApJS 186, 427).
    """
    irregular = 0.010 + 0.22 * expit((magnitude + 19.1) / 0.5)
    early = 0.39 + 0.36 * expit((-21.4 - magnitude) / 0.7)
    u = rng.random()
    if u < irregular:
        return IRREGULAR
    if u > irregular + early:
        return SPIRAL
    return ELLIPTICAL if rng.random() < 0.42 + 0.30 * expit((-22 - magnitude) / 0.5) else LENTICULAR


def half_light_kpc(rng: np.random.Generator, kind: str, magnitude: float) -> float:
    """Return a half-light radius along the major axis (Shen et al. 2003, MNRAS 343, 978, eqs 14 and 15).

    Their radii are circular-aperture Petrosian ones: a disc's major axis is 0.1 dex longer, and a total
    radius 5 % longer than a Petrosian one.
    """
    if kind == ELLIPTICAL:
        log_radius = -0.26 * magnitude - 5.06 + rng.normal(0, 0.12)
    else:
        faint = 0.25 * np.log10(1 + 10 ** (-0.4 * (magnitude + 20.91)))
        log_radius = -0.104 * magnitude + faint - 1.71 + 0.10 + rng.normal(0, 0.13)
        if kind == LENTICULAR:
            log_radius -= 0.12
    return float(1.05 * 10**log_radius)


def draw_galaxy(
    rng: np.random.Generator,
    kind: str | None = None,
    magnitude: float | None = None,
    redshift: float | None = None,
) -> Galaxy:
    """Return a galaxy of the sample; type, magnitude and redshift are drawn where they are not given.

    The Petrosian limit applies unless the redshift is given, as it is for companions.
    """
    while True:
        drawn_magnitude, drawn_redshift = draw_luminosity(rng)
        m = drawn_magnitude if magnitude is None else magnitude
        z = drawn_redshift if redshift is None else redshift
        t = draw_type(rng, m) if kind is None else kind
        kpc_per_arcsec = luminosity_distance_mpc(z) / (1 + z) ** 2 * 1e3 / 206265
        size = half_light_kpc(rng, t, m) / kpc_per_arcsec
        galaxy = _structure(rng, t, m, z, float(size))
        if redshift is not None or (galaxy.half_light_arcsec < 20 and petrosian(galaxy)[2] >= MIN_PETROSIAN_ARCSEC):
            return galaxy


def _structure(rng: np.random.Generator, kind: str, magnitude: float, redshift: float, size: float) -> Galaxy:
    reddening = 1.7 * (redshift - 0.05)  # K correction of an old population, magnitudes in g - r
    galaxy = Galaxy(
        type=kind,
        absolute_mag_r=magnitude,
        redshift=redshift,
        half_light_arcsec=size,
        position_angle=rng.uniform(0, np.pi),
        old_g_r=0.80 + reddening + rng.normal(0, 0.035),
        old_r_z=0.63 + 0.5 * reddening + rng.normal(0, 0.04),
        bulge=None,
    )
    draw = {ELLIPTICAL: _elliptical, LENTICULAR: _lenticular, SPIRAL: _spiral, IRREGULAR: _irregular}[kind]
    return draw(rng, galaxy)


def _elliptical(rng: np.random.Generator, galaxy: Galaxy) -> Galaxy:
    n = np.clip(rng.normal(4.2, 1.0) - 0.25 * (galaxy.absolute_mag_r + 21.5), 2, 6.5)
    axis_ratio = np.clip(rng.normal(0.80, 0.15), 0.38, 0.99)
    bulge = Bulge(1.0, float(n), galaxy.half_light_arcsec, float(axis_ratio), float(rng.normal(0, 0.1)))
    return replace(galaxy, bulge=bulge)


def _scale_arcsec(galaxy: Galaxy, bulge_to_total: float) -> float:
    """Return the scale length of a disc whose galaxy, bulge and all, has the drawn half-light radius."""
    return galaxy.half_light_arcsec / 1.678 * (1 + 1.3 * bulge_to_total)


def _disc_bulge(galaxy: Galaxy, fraction: float, n: float, cos_inclination: float, flattening: float) -> Bulge:
    radius = galaxy.half_light_arcsec * float(np.clip(0.09 + 0.30 * fraction, 0.10, 0.45))
    return Bulge(fraction, n, radius, flattening + (0.97 - flattening) * cos_inclination)


def _lenticular(rng: np.random.Generator, galaxy: Galaxy) -> Galaxy:
    bar = _bar(rng, 0.32, 0.13)
    fraction = 0.08 + 0.9 * rng.beta(4, 4.5)
    cos_inclination = rng.uniform(0, 1)
    disc = Disc(
        scale_arcsec=_scale_arcsec(galaxy, fraction),
        cos_inclination=cos_inclination,
        thickness_rd=rng.uniform(0.12, 0.20),
        g_r=galaxy.old_g_r - rng.uniform(0.02, 0.10),
        r_z=galaxy.old_r_z - rng.uniform(0, 0.08),
        optical_depth=rng.uniform(0.3, 1.2) if rng.random() < 0.3 else 0.0,
        break_rd=rng.uniform(3, 6),
    )
    bulge = _disc_bulge(galaxy, fraction, rng.uniform(2, 4), cos_inclination, 0.62)
    return replace(galaxy, bulge=bulge, disc=disc, bar=bar, ring=_ring(rng, bar, 0.30))


def _spiral(rng: np.random.Generator, galaxy: Galaxy) -> Galaxy:
    """Draw a spiral from its Hubble stage, 1 (Sa) to 8 (Sdm); trends with stage from Roberts & Haynes 1994."""
    faintness = galaxy.absolute_mag_r + 20.6
    stage = float(np.clip(rng.normal(3.3 + 0.60 * faintness, 1.6), 1, 8))
    fraction = float(np.clip(10 ** (-0.08 - 0.125 * stage + rng.normal(0, 0.22)), 0.004, 0.65))
    cos_inclination = rng.uniform(0, 1)
    g_r = 0.93 - 0.035 * stage + 1.5 * (galaxy.redshift - 0.05) + rng.normal(0, 0.05)
    disc = Disc(
        scale_arcsec=_scale_arcsec(galaxy, fraction),
        cos_inclination=cos_inclination,
        thickness_rd=rng.uniform(0.11, 0.19),
        g_r=g_r,
        r_z=0.70 * g_r + rng.normal(0, 0.04),
        optical_depth=float(np.clip(rng.normal(1.15 - 0.25 * (faintness - 0.2), 0.45), 0.15, 2.6)),
        break_rd=rng.uniform(2.8, 5.5),
        lopsidedness=abs(rng.normal(0, 0.06)),
    )
    bar = _bar(rng, 0.60, 0.18)
    bulge = _disc_bulge(galaxy, fraction * (0.9 if bar else 1.0), _bulge_n(rng, stage), cos_inclination, 0.75)
    ring = _ring(rng, bar, 0.30 if stage < 3.5 else 0.08)
    arms = _arms(rng, stage)
    if ring:  # the gas that makes a ring is missing in the arms
        arms = replace(arms, contrast=0.45 * arms.contrast)
    return replace(
        galaxy,
        bulge=bulge,
        disc=disc,
        bar=bar,
        ring=ring,
        arms=arms,
        knots=int(rng.poisson(7 * stage)),
    )


def _bulge_n(rng: np.random.Generator, stage: float) -> float:
    return float(np.clip(3.3 - 0.35 * stage + rng.normal(0, 0.4), 0.9, 4))


def _arms(rng: np.random.Generator, stage: float) -> Arms:
    """Draw arms: 62 % grand design or multi-armed (Elmegreen & Elmegreen 1982), pitch by stage (Kennicutt 1981)."""
    grand = rng.random() < 0.62
    if grand:
        number = rng.choice([1, 2, 3, 4, 5], p=[0.04, 0.62, 0.16, 0.11, 0.07])
    else:
        number = rng.choice([2, 3, 4, 6], p=[0.25, 0.30, 0.25, 0.20])
    return Arms(
        number=int(number),
        pitch_deg=float(np.clip(rng.normal(10 + 2.1 * stage, 4.0), 7, 38)),
        contrast=float(np.clip(rng.lognormal(np.log(0.52 if grand else 0.38), 0.42), 0.05, 0.95)),
        flocculence=rng.uniform(0.05, 0.30) if grand else rng.uniform(0.45, 0.85),
        sense=int(rng.choice([-1, 1])),
        phase=rng.uniform(0, 2 * np.pi),
        width=rng.uniform(0.11, 0.20),
    )


def _irregular(rng: np.random.Generator, galaxy: Galaxy) -> Galaxy:
    g_r = rng.normal(0.36, 0.08)
    disc = Disc(
        scale_arcsec=_scale_arcsec(galaxy, 0.0),
        cos_inclination=rng.uniform(0, 1),
        thickness_rd=rng.uniform(0.25, 0.40),
        g_r=g_r,
        r_z=0.6 * g_r + rng.normal(0, 0.05),
        optical_depth=rng.uniform(0, 0.5),
        break_rd=np.inf,
        lopsidedness=rng.uniform(0.10, 0.35),
        clumpiness=rng.uniform(0.5, 1.0),
    )
    old = {"old_g_r": g_r + 0.15, "old_r_z": disc.r_z + 0.10}
    return replace(galaxy, disc=disc, bar=_bar(rng, 0.20, 0.10), knots=int(rng.poisson(14)), **old)  # type: ignore[arg-type]


def _bar(rng: np.random.Generator, any_share: float, strong_share: float) -> Bar | None:
    """Draw a bar; its shares include those too faint or too small to be seen."""
    u = rng.random()
    if u > any_share:
        return None
    strong = u < strong_share
    return Bar(
        strong=strong,
        fraction=rng.uniform(0.10, 0.22) if strong else rng.uniform(0.06, 0.13),
        length_rd=rng.uniform(0.85, 1.5) if strong else rng.uniform(0.55, 1.05),
        axis_ratio=rng.uniform(0.20, 0.34) if strong else rng.uniform(0.28, 0.45),
        angle=rng.uniform(0, np.pi),
    )


def _ring(rng: np.random.Generator, bar: Bar | None, share: float) -> Ring | None:
    """Draw a ring: at the end of the bar or, outer ones, at twice its length (Buta & Combes 1996)."""
    if rng.random() > share:
        return None
    inner = bar.length_rd * rng.uniform(0.95, 1.2) if bar else rng.uniform(1.0, 2.2)
    outer = rng.random() < 0.35
    return Ring(rng.uniform(0.12, 0.36), min(inner * 2.1, 3.5) if outer else inner, rng.uniform(0.15, 0.38))


def draw_encounter(rng: np.random.Generator, galaxy: Galaxy, kind: str | None = None) -> Encounter:
    """Return what has happened to the galaxy: about 4 % mergers and 10 % lesser disturbances (Darg et al. 2010)."""
    if kind is None:
        kind = str(rng.choice(INTERACTIONS, p=[0.865, 0.065, 0.03, 0.04]))
    if kind == "none":
        return Encounter("none")
    low, high = {"minor-disturbance": (0.02, 0.06), "major-disturbance": (0.07, 0.17), "merger": (0.05, 0.18)}[kind]
    tidal_fraction = rng.uniform(low, high)
    if kind == "major-disturbance" or (kind == "minor-disturbance" and rng.random() < 0.5):
        return Encounter(kind, tidal_fraction)
    fainter = rng.uniform(0, 1.6) if kind == "merger" else rng.uniform(2, 3.5)
    companion = draw_galaxy(
        rng,
        str(rng.choice([ELLIPTICAL, SPIRAL, SPIRAL, LENTICULAR])),
        galaxy.absolute_mag_r + fainter,
        galaxy.redshift,
    )
    separation = rng.uniform(0.8, 2.4) * galaxy.half_light_arcsec + 0.4 * companion.half_light_arcsec
    return Encounter(kind, tidal_fraction, companion, separation, rng.uniform(0, 2 * np.pi))


def sersic_b(n: float) -> float:
    """Return b_n, which makes the half-light radius one (Ciotti & Bertin 1999, eq. 18)."""
    return 2 * n - 1 / 3 + 4 / (405 * n) + 46 / (25515 * n * n)


def sersic_total(n: float) -> float:
    """Return the flux of a round profile with half-light radius and half-light surface brightness 1."""
    b = sersic_b(n)
    return float(2 * np.pi * n * np.exp(b) * b ** (-2 * n) * gamma(2 * n))


YOUNG_SCALE_RD = 1.25
"""Scale length of the young stars over that of the old disc."""
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
    light = scaled(np.exp(-r), 1 - galaxy.young_share - ring_share)
    light += scaled(np.exp(-r / YOUNG_SCALE_RD) * expit((r - 0.4) / 0.13), galaxy.young_share)
    if galaxy.ring:
        light += scaled(np.exp(-0.5 * ((r - galaxy.ring.radius_rd) / galaxy.ring.width_rd) ** 2), ring_share)
    cell = np.log(np.hypot(x[1, 0], y[1, 0]) / np.hypot(x[0, 0], y[0, 0])) * 2 * np.pi / x.shape[1]
    return light / cell

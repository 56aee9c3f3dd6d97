"""Which galaxies there are: luminosities, distances, sizes, types, discs, bulges, bars, arms, rings and encounters.

Everything is drawn from published distributions and cut as GZ DECaLS was: m_r < 17.77, z < 0.15, Petrosian
radius at least 3 arcsec (Walmsley et al. 2022, section 2).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from galaxy_zoo_decals.simulation.galaxy import (
    ELLIPTICAL,
    INTERACTIONS,
    IRREGULAR,
    LENTICULAR,
    SPIRAL,
    Arms,
    Bar,
    Bulge,
    Disc,
    Encounter,
    Galaxy,
    Ring,
    distance_modulus,
    light_within,
    luminosity_distance_mpc,
    petrosian,
)

MAG_LIMIT = 17.77
"""r-band magnitude limit of the SDSS main galaxy sample, from which GZ DECaLS was drawn."""
REDSHIFT_LIMIT = 0.15
MIN_PETROSIAN_ARCSEC = 3.0
SCHECHTER_MAG = -21.15
SCHECHTER_SLOPE = -1.05
"""M* (for H0 = 70) and slope of the r-band luminosity function (Blanton et al. 2003, ApJ 592, 819)."""


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

    The trend is that of Nair & Abraham 2010 (ApJS 186, 427); the shares are set so that 60 to 65 % of the galaxies
    look smooth, as in GZD-5.
    """
    irregular = 0.008 + 0.19 * expit((magnitude + 19.1) / 0.5)
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
    radius 5 % longer than a Petrosian one. Lenticulars lie between their late types and their early ones, which are
    0.25 dex smaller at the luminosity M*. The scatter is theirs less what the stage of a spiral adds.
    """
    if kind == ELLIPTICAL:
        log_radius = -0.26 * magnitude - 5.06 + rng.normal(0, 0.12)
    else:
        faint = 0.25 * np.log10(1 + 10 ** (-0.4 * (magnitude + 20.91)))
        log_radius = -0.104 * magnitude + faint - 1.71 + 0.10 + rng.normal(0, 0.11)
        if kind == LENTICULAR:
            log_radius -= 0.20
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
        old_g_r=0.865 + reddening + rng.normal(0, 0.035),
        old_r_z=0.585 + 0.5 * reddening + rng.normal(0, 0.02),
        bulge=None,
    )
    draw = {ELLIPTICAL: _elliptical, LENTICULAR: _lenticular, SPIRAL: _spiral, IRREGULAR: _irregular}[kind]
    return draw(rng, galaxy)


def _elliptical(rng: np.random.Generator, galaxy: Galaxy) -> Galaxy:
    n = np.clip(rng.normal(4.2, 1.0) - 0.25 * (galaxy.absolute_mag_r + 21.5), 2, 6.5)
    axis_ratio = np.clip(rng.normal(0.80, 0.15), 0.38, 0.99)
    bulge = Bulge(1.0, float(n), galaxy.half_light_arcsec, float(axis_ratio), float(rng.normal(0, 0.1)))
    return replace(galaxy, bulge=bulge)


def _disc_bulge(disc: Disc, fraction: float, n: float, flattening: float) -> Bulge:
    """Return a bulge of 0.10 to 0.18 scale lengths, more where it holds more of the light.

    Graham & Worley 2008 find 0.2 with much scatter; the concentration of published images asks for less.
    """
    radius = disc.scale_arcsec * float(np.clip(0.09 + 0.14 * fraction, 0.10, 0.18))
    return Bulge(fraction, n, radius, flattening + (0.97 - flattening) * disc.cos_inclination)


def _at_its_size(galaxy: Galaxy) -> Galaxy:
    """Return a disc galaxy with the lengths of disc and bulge scaled so that it has its half-light radius."""
    assert galaxy.disc is not None
    half = brentq(lambda r: light_within(r, galaxy) - 0.5, 0.01, 20)
    factor = galaxy.half_light_arcsec / (half * galaxy.disc.scale_arcsec)
    disc = replace(galaxy.disc, scale_arcsec=factor * galaxy.disc.scale_arcsec)
    bulge = galaxy.bulge and replace(galaxy.bulge, half_light_arcsec=factor * galaxy.bulge.half_light_arcsec)
    return replace(galaxy, disc=disc, bulge=bulge)


def _lenticular(rng: np.random.Generator, galaxy: Galaxy) -> Galaxy:
    bar = _bar(rng, 0.32, 0.15)
    fraction = 0.08 + 0.9 * rng.beta(4, 4.5)
    bluer = rng.uniform(0.02, 0.10)
    disc = Disc(
        scale_arcsec=1.0,
        cos_inclination=rng.uniform(0, 1),
        thickness_rd=rng.uniform(0.12, 0.20),
        g_r=galaxy.old_g_r - bluer,
        r_z=galaxy.old_r_z - 0.76 * bluer,
        optical_depth=rng.uniform(0.3, 1.2) if rng.random() < 0.3 else 0.0,
        **_break(rng, BREAKS["lenticular"]),
    )
    bulge = _disc_bulge(disc, fraction, rng.uniform(2.5, 4.5), 0.62)
    return _at_its_size(replace(galaxy, bulge=bulge, disc=disc, bar=bar, ring=_ring(rng, bar, 0.40)))


def _spiral(rng: np.random.Generator, galaxy: Galaxy) -> Galaxy:
    """Draw a spiral from its Hubble stage, 1 (Sa) to 8 (Sdm).

    Colours fall with the stage as in Roberts & Haynes 1994 (ARA&A 32, 115); their zero points are fitted to radial
    profiles of published images, half of them ringed, and so is how much younger the bulges of late types are. Bulges
    lose light with the stage as in Graham & Worley 2008 (MNRAS 388, 1708), with more than theirs, which the
    concentration of those images asks for; at a given luminosity early spirals are smaller than late ones, as Shen et
    al. 2003 find for concentrated galaxies.
    """
    faintness = galaxy.absolute_mag_r + 20.6
    stage = float(np.clip(rng.normal(3.3 + 0.60 * faintness, 1.6), 1, 8))
    galaxy = replace(galaxy, half_light_arcsec=galaxy.half_light_arcsec * 10 ** (0.05 * (stage - 4)))
    fraction = float(np.clip(10 ** (-0.08 - 0.125 * stage + rng.normal(0, 0.22)), 0.004, 0.65))
    g_r = 1.00 - 0.038 * stage + 1.5 * (galaxy.redshift - 0.05) + rng.normal(0, 0.05)
    disc = Disc(
        scale_arcsec=1.0,
        cos_inclination=rng.uniform(0, 1),
        thickness_rd=rng.uniform(0.11, 0.19),
        g_r=g_r,
        r_z=0.76 * g_r - 0.07 + rng.normal(0, 0.02),
        optical_depth=float(np.clip(rng.normal(1.15 - 0.25 * (faintness - 0.2), 0.45), 0.15, 2.6)),
        **_break(rng, BREAKS["early spiral" if stage < 3.5 else "late spiral"]),
        lopsidedness=abs(rng.normal(0, 0.06)),
    )
    bar = _bar(rng, 0.60, 0.21)
    bulge = _disc_bulge(disc, fraction * (0.9 if bar else 1.0), _bulge_n(rng, stage), 0.75)
    younger = 0.035 * (stage - 1) + rng.normal(0, 0.05)  # how much bluer the bulges of late types are, g - r
    ring = _ring(rng, bar, 0.32 if stage < 3 else 0.05)
    arms = _arms(rng, stage)
    if ring:  # the gas that makes a ring is missing in the arms
        arms = replace(arms, contrast=0.55 * arms.contrast)
    galaxy = replace(
        galaxy,
        old_g_r=galaxy.old_g_r - younger,
        old_r_z=galaxy.old_r_z - 1.2 * younger,
        bulge=bulge,
        disc=disc,
        bar=bar,
        ring=ring,
        arms=arms,
        knots=int(rng.poisson(5 * stage)),
    )
    return _at_its_size(galaxy)


BREAKS = {"lenticular": (0.27, 0.25, 0.48), "early spiral": (0.27, 0.42, 0.31), "late spiral": (0.10, 0.60, 0.30)}
"""Shares of discs that do not bend, bend down and bend up. Late spirals: Pohlen & Trujillo 2006 (A&A 454, 759). Of the
others Gutierrez et al. 2011 (AJ 142, 145) say that about a third of S0 to Sa do not bend, that a quarter of S0 bend
down and more towards late types; the shares between these are ours."""


def _break(rng: np.random.Generator, shares: tuple[float, float, float]) -> dict[str, float]:
    """Draw where and how the outer disc bends: not at all, down at 1.5 to 4.5 scale lengths, or up at 4 to 6."""
    kind = str(rng.choice(["none", "down", "up"], p=shares))
    down, up = (rng.uniform(1.5, 4.5), rng.uniform(0.45, 0.7)), (rng.uniform(4, 6), rng.uniform(1.4, 2.0))
    radius, outer = {"none": (np.inf, 1.0), "down": down, "up": up}[kind]
    return {"break_rd": float(radius), "outer_scale": float(outer)}


def _bulge_n(rng: np.random.Generator, stage: float) -> float:
    return float(np.clip(3.8 - 0.38 * stage + rng.normal(0, 0.4), 0.9, 4.5))


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
        contrast=float(np.clip(rng.lognormal(np.log(0.62 if grand else 0.50), 0.22), 0.10, 0.85)),
        flocculence=rng.uniform(0.05, 0.30) if grand else rng.uniform(0.45, 0.85),
        sense=int(rng.choice([-1, 1])),
        phase=rng.uniform(0, 2 * np.pi),
        width=rng.uniform(0.11, 0.20),
    )


def _irregular(rng: np.random.Generator, galaxy: Galaxy) -> Galaxy:
    g_r = rng.normal(0.47, 0.08)
    disc = Disc(
        scale_arcsec=1.0,
        cos_inclination=rng.uniform(0, 1),
        thickness_rd=rng.uniform(0.25, 0.40),
        g_r=g_r,
        r_z=0.76 * g_r - 0.08 + rng.normal(0, 0.04),
        optical_depth=rng.uniform(0, 0.5),
        break_rd=np.inf,
        outer_scale=1.0,
        lopsidedness=rng.uniform(0.10, 0.35),
        clumpiness=rng.uniform(0.5, 1.0),
    )
    old = {"old_g_r": g_r + 0.15, "old_r_z": disc.r_z + 0.10}
    galaxy = replace(galaxy, disc=disc, bar=_bar(rng, 0.20, 0.10), knots=int(rng.poisson(14)), **old)  # type: ignore[arg-type]
    return _at_its_size(galaxy)


def _bar(rng: np.random.Generator, any_share: float, strong_share: float) -> Bar | None:
    """Draw a bar; the shares include bars too faint or too small to be seen.

    Those that volunteers see come near Géron et al. 2021 (MNRAS 507, 4389).
    """
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
    along_bar = bar is not None and not outer
    return Ring(
        fraction=rng.uniform(0.10, 0.28),
        radius_rd=min(inner * 2.1, 3.5) if outer else inner,
        width_rd=rng.uniform(0.15, 0.38),
        axis_ratio=float(np.clip(rng.normal(0.81 if along_bar else 0.90, 0.06), 0.6, 1)),
        angle=bar.angle if bar and along_bar else rng.uniform(0, np.pi),
        unevenness=rng.uniform(0.05, 0.35),
    )


def draw_encounter(rng: np.random.Generator, galaxy: Galaxy, kind: str | None = None) -> Encounter:
    """Return what has happened to the galaxy: 4 % mergers, 6.5 % lesser disturbances.

    Darg et al. 2010 (MNRAS 401, 1043) find 1.5 to 4.5 % major mergers.
    """
    if kind is None:
        kind = str(rng.choice(INTERACTIONS, p=[0.895, 0.045, 0.02, 0.04]))
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

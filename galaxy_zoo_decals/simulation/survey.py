"""How a simulated galaxy enters the catalogue: position, name, upload group, panel, and the columns of GZD-5.

Shares of groups and panels are those of Zenodo record 4573248, with one difference: outside the training cells
every galaxy gets a full panel, so that validation and test need no larger simulation than training.
"""

from __future__ import annotations

import numpy as np

from galaxy_zoo_decals.schema import CLASSES, GZD5
from galaxy_zoo_decals.simulation.galaxy import INTERACTIONS, SPIRAL, Galaxy
from galaxy_zoo_decals.simulation.scene import Scene
from galaxy_zoo_decals.simulation.telescope import FAULTS
from galaxy_zoo_decals.splits import by_sky_cell

FOOTPRINT = ((120.0, 250.0, -2.0, 32.0), (318.0, 405.0, -8.0, 18.0))
"""Boxes of right ascension and declination in degrees: about where DECaLS DR5 and SDSS overlap."""
SECOND_UPLOAD_SHARE = 0.06
FULL_SECOND_UPLOAD_SHARE = 0.1
NO_MERGING_SHARE = 0.027
"""Galaxies without votes for the last question."""
FULL_PANEL = ((37, 0.05), (38, 0.05), (39, 0.075), (40, 0.665), (41, 0.13), (42, 0.03))
"""First-question votes of a full panel, before volunteers who call everything an artifact are removed."""

TRUE_COLUMNS = (
    "true_class",
    "true_type",
    "true_interaction",
    "true_artifact",
    "true_half_light_arcsec",
    "true_position_angle_deg",
    "true_inclination_deg",
    "true_axis_ratio",
    "true_bulge_to_total",
    "true_bulge_sersic_n",
    "true_bar",
    "true_ring",
    "true_arms",
    "true_pitch_deg",
)
VISIBLE_COLUMNS = tuple(f"visible_{question}_{answer}" for question, answer in GZD5.answers)


def draw_position(rng: np.random.Generator) -> tuple[float, float]:
    """Return right ascension and declination in degrees, uniform over the footprint."""
    areas = np.array([(r1 - r0) * np.ptp(np.sin(np.radians([d0, d1]))) for r0, r1, d0, d1 in FOOTPRINT])
    ra0, ra1, dec0, dec1 = FOOTPRINT[int(np.searchsorted(np.cumsum(areas / areas.sum()), rng.random()))]
    ra = rng.uniform(ra0, ra1) % 360
    dec = np.degrees(np.arcsin(rng.uniform(*np.sin(np.radians([dec0, dec1])))))
    return float(ra), float(dec)


def iauname(ra: float, dec: float) -> str:
    """Return the name of a position in degrees as in GZD-5, JHHMMSS.ss+DDMMSS.s, truncated as the IAU asks."""
    seconds = int(ra / 15 * 3600 * 100)  # hundredths
    arcseconds = int(abs(dec) * 3600 * 10)  # tenths
    hours = f"{seconds // 360000:02d}{seconds // 6000 % 60:02d}{seconds % 6000 / 100:05.2f}"
    degrees = f"{arcseconds // 36000:02d}{arcseconds // 600 % 60:02d}{arcseconds % 600 / 10:04.1f}"
    return f"J{hours}{'-' if dec < 0 else '+'}{degrees}"


def draw_upload_group(rng: np.random.Generator, ra: float, dec: float, featured: float) -> str:
    """Return the upload group: active learning prefers galaxies whose volunteers (may) disagree or see features.

    ``featured`` is the probability of that answer. In training cells four of five galaxies that nobody chose
    stay in the group with few votes.
    """
    u = rng.random()
    for group, share in (
        ("active_priority", 0.01 + 0.05 * featured),
        ("targeted", 0.0045),
        ("calibration", 0.0026),
    ):
        if u < share:
            return group
        u -= share
    training = by_sky_cell(np.array([ra]), np.array([dec]))[0] == "train"
    return "active_baseline" if training and rng.random() < 0.8 else "pre_active"


def draw_volunteers(rng: np.random.Generator, upload_group: str) -> int:
    """Return how many volunteers answered the first question: about 40 or 5, of two panels after two uploads."""
    second = rng.random() < SECOND_UPLOAD_SHARE
    full = upload_group != "active_baseline"
    volunteers = _panel(rng, full)
    if second:
        volunteers += _panel(rng, full and rng.random() < FULL_SECOND_UPLOAD_SHARE)
    return volunteers


def _panel(rng: np.random.Generator, full: bool) -> int:
    if not full:
        return int(np.clip(rng.poisson(4.2) + 1, 1, 12))
    sizes, shares = zip(*FULL_PANEL)
    removed = rng.binomial(4, 0.3)  # votes of the volunteers who were excluded later
    return int(rng.choice(sizes, p=shares) - removed)


def true_values(scene: Scene) -> dict[str, float]:
    """Return the intrinsic morphology as numbers (NaN where a galaxy has no such thing), by ``TRUE_COLUMNS``.

    true_class and true_type index schema.CLASSES: the type is what was drawn, the class is irregular too
    where an encounter has disturbed the galaxy; true_interaction indexes the answers to the merging question,
    true_artifact the faults of telescope.py; true_bar is 0, 1 weak, 2 strong. Position angles run from north
    through east.
    """
    galaxy, interaction = scene.galaxy, INTERACTIONS.index(scene.encounter.kind)
    kind = CLASSES.index(galaxy.type)
    disc, arms = galaxy.disc, galaxy.arms
    values = (
        CLASSES.index("irregular") if interaction >= 2 else kind,
        kind,
        interaction,
        FAULTS.index(scene.fault),
        galaxy.half_light_arcsec,
        np.degrees(galaxy.position_angle),
        np.degrees(np.arccos(disc.cos_inclination)) if disc else np.nan,
        _axis_ratio(galaxy),
        galaxy.bulge_to_total,
        galaxy.bulge.sersic_n if galaxy.bulge else np.nan,
        0 if galaxy.bar is None else 2 if galaxy.bar.strong else 1,
        galaxy.ring is not None,
        arms.number if arms and galaxy.type == SPIRAL else 0,
        arms.pitch_deg if arms else np.nan,
    )
    return {name: float(value) for name, value in zip(TRUE_COLUMNS, values)}


def _axis_ratio(galaxy: Galaxy) -> float:
    if galaxy.disc is None:
        assert galaxy.bulge is not None
        return galaxy.bulge.axis_ratio
    c = galaxy.disc.cos_inclination
    return float(min(np.sqrt(c**2 + galaxy.disc.thickness_rd**2 * (1 - c**2)), 1))

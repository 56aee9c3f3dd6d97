"""One simulated cutout: drawn from a seed, rendered, and measured for what volunteers can see in it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from galaxy_zoo_decals.simulation import colour, field, telescope
from galaxy_zoo_decals.simulation.galaxy import Encounter, Galaxy, petrosian
from galaxy_zoo_decals.simulation.light import Grid, Light, galaxy_light
from galaxy_zoo_decals.simulation.population import draw_encounter, draw_galaxy
from galaxy_zoo_decals.simulation.telescope import FAULT_SHARES, FAULTS, Conditions
from galaxy_zoo_decals.simulation.tides import tidal_light
from galaxy_zoo_decals.simulation.vote_model import Visibility

VERSION = "2"
"""Of the simulator as a whole: raised by every change that alters an image or a vote of any seed."""
WRONG_SIZE_SHARE = 0.01


class Stream(IntEnum):
    """Independent random streams of one galaxy: a change in one leaves the others as they are."""

    GALAXY = 0
    LIGHT = 1
    FIELD = 2
    CONDITIONS = 3
    NOISE = 4
    QUIRKS = 5
    VOTES = 6
    RECORD = 7


def generator(seed: int, index: int, stream: Stream) -> np.random.Generator:
    """Return the random generator of one stream of galaxy ``index``: the same whatever else is simulated."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, index, int(stream)])))


@dataclass(frozen=True)
class Scene:
    """Everything that was drawn for one cutout, before any light is computed."""

    seed: int
    index: int
    galaxy: Galaxy
    encounter: Encounter
    fault: str
    conditions: Conditions
    petro_th50: float
    """Petrosian radii as the catalogue has them, arcsec: measured with errors, wrong by far where so flagged."""
    petro_th90: float
    petro_theta: float
    wrong_size: bool

    @property
    def pixel_scale_arcsec(self) -> float:
        """Pixel of the published cutout."""
        return telescope.pixel_scale_arcsec(self.petro_th50, self.petro_th90)


def draw_scene(seed: int, index: int) -> Scene:
    """Draw galaxy ``index`` of a seed with its surroundings and the state of the sky."""
    rng = generator(seed, index, Stream.GALAXY)
    galaxy = draw_galaxy(rng)
    encounter = draw_encounter(rng, galaxy)
    rng = generator(seed, index, Stream.CONDITIONS)
    fault = str(rng.choice(FAULTS, p=FAULT_SHARES))
    radii = np.array(petrosian(galaxy)) * rng.lognormal(0, [0.03, 0.05, 0.04])
    if encounter.companion:
        # Part of a near companion's light counts for the galaxy: radii grow with that light and its distance, up to
        # where deblending parts the two. The factor gives disturbed galaxies the sizes in pixels of published ones.
        reach = min(encounter.separation_arcsec / galaxy.half_light_arcsec, 1.5)
        radii *= 1 + 0.3 * reach * encounter.companion.flux_r / galaxy.flux_r
    wrong_size = bool(rng.random() < WRONG_SIZE_SHARE)
    if wrong_size:
        radii *= rng.choice([rng.uniform(0.2, 0.4), rng.uniform(2.5, 4)])
    conditions = telescope.draw_conditions(rng)
    p50, p90, theta = (float(r) for r in radii)
    return Scene(seed, index, galaxy, encounter, fault, conditions, p50, p90, theta, wrong_size)


@dataclass(frozen=True)
class Cutout:
    """A rendered scene."""

    image: np.ndarray
    """RGB, uint8, shape (424, 424, 3)."""
    visibility: Visibility


def render(scene: Scene) -> Cutout:
    """Return the picture of a scene and what can be seen in it."""
    grid, shown = telescope.field_grid(scene.pixel_scale_arcsec)
    rng = generator(scene.seed, scene.index, Stream.FIELD)
    side = grid.pixels * grid.pixel_arcsec
    neighbours = field.draw_neighbours(rng, side)
    stars = field.draw_stars(rng, side)
    if scene.fault == "bright-star":
        north, east = rng.uniform(-0.38, 0.38, 2) * side
        stars.append(field.Star(rng.uniform(8, 11), north, east, *field.star_colours(rng)))
    rng = generator(scene.seed, scene.index, Stream.LIGHT)
    if scene.fault == "star":
        stars.append(field.Star(rng.uniform(11.5, 15), 0.0, 0.0, *field.star_colours(rng)))
        host = Light(np.zeros((3, grid.pixels, grid.pixels)))
        target = host.grz
    else:
        host = galaxy_light(scene.galaxy, grid, rng)
        target = host.grz + _encounter_light(scene, grid, host.grz, rng)
    grz = target.copy()
    field.add_neighbours(grz, grid, neighbours)
    field.add_faint_stars(grz, grid, stars)
    transfers = [telescope.transfer_function(grid, fwhm) for fwhm in scene.conditions.seeing_arcsec]
    visibility = _visibility(scene, grid, shown, host, target[1], transfers[1], neighbours, stars)
    observed = np.stack([telescope.blur(grz[b], transfers[b]) for b in range(3)])
    telescope.add_bright_stars(observed, grid, stars, scene.conditions)
    observed = telescope.crop(observed, shown).astype(np.float32)
    rng = generator(scene.seed, scene.index, Stream.NOISE)
    telescope.add_noise(rng, observed, scene.conditions, grid.pixel_arcsec)
    telescope.add_cosmic_rays(rng, observed)
    telescope.add_fault(rng, observed, scene.fault)
    return Cutout(colour.to_cutout(colour.to_rgb(observed)), visibility)


def _encounter_light(scene: Scene, grid: Grid, host: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return tails, shells and companion in three bands; tails are bluer than the galaxy by 0.08 in g - r."""
    encounter, galaxy = scene.encounter, scene.galaxy
    added = np.zeros_like(host)
    if encounter.tidal_fraction:
        tails = tidal_light(rng, grid, galaxy.half_light_arcsec, encounter.tidal_fraction)
        fluxes = host.sum(axis=(1, 2)) * encounter.tidal_fraction * np.array([1.08, 1.0, 0.96])
        added += fluxes[:, None, None] * tails
    if encounter.companion:
        north = encounter.separation_arcsec * np.cos(encounter.angle)
        east = encounter.separation_arcsec * np.sin(encounter.angle)
        added += galaxy_light(encounter.companion, grid, rng, north, east).grz
    return added


def _displayed(flux_r: np.ndarray) -> np.ndarray:
    """Return the brightness, 0 to 1, that the colour recipe gives an r-band flux."""
    return colour.displayed(np.maximum(flux_r * colour.SCALES[1], colour.LOW))


def _visibility(
    scene: Scene,
    grid: Grid,
    shown: int,
    host: Light,
    target_r: np.ndarray,
    transfer: np.ndarray,
    neighbours: list[field.Neighbour],
    stars: list[field.Star],
) -> Visibility:
    galaxy, conditions = scene.galaxy, scene.conditions
    sigma = conditions.noise[1] * (grid.pixel_arcsec / telescope.NATIVE_ARCSEC) ** 2

    def seen(image: np.ndarray) -> np.ndarray:
        return telescope.crop(telescope.blur(image, transfer), shown)

    clean = seen(target_r)
    bright = clean > sigma
    lit = bright & (clean > 0.02 * clean.max())
    # a volunteer has to tell structure from noise at a glance, so noise counts for more than a careful average would
    noise = 1.2 * sigma / np.hypot(telescope.DISPLAY_UNIT[1], clean) / colour.SPAN
    extra = target_r - host.grz[1]
    brightness = _displayed(clean)

    def contrast(other: np.ndarray | None) -> float:
        if other is None or not lit.any():
            return 0.0
        difference2 = (brightness - _displayed(seen(other + extra)))[lit] ** 2
        return float(np.sqrt(np.mean(difference2 * difference2 / (difference2 + noise[lit] ** 2))))

    tides = 0.0
    if scene.encounter.kind != "none" and bright.any():
        tides = float(np.sqrt(np.mean((brightness - _displayed(seen(host.grz[1])))[bright] ** 2)))
    return Visibility(
        pattern=contrast(host.without_pattern),
        bar=contrast(host.without_bar),
        tides=tides,
        axis_ratio=_seen_axis_ratio(galaxy, conditions.seeing_arcsec[1]),
        resolution=galaxy.half_light_arcsec / conditions.seeing_arcsec[1],
        signal_to_noise=float(clean[bright].sum() / (sigma * np.sqrt(max(int(bright.sum()), 1)))),
        crowding=_crowding(galaxy, neighbours, stars),
    )


def _seen_axis_ratio(galaxy: Galaxy, seeing_arcsec: float) -> float:
    """Return the axis ratio after the seeing has rounded it."""
    if galaxy.disc is None:
        assert galaxy.bulge is not None
        q = galaxy.bulge.axis_ratio
    else:
        d = galaxy.disc
        q = float(np.sqrt(d.cos_inclination**2 + (1.1 * d.thickness_rd) ** 2 * (1 - d.cos_inclination**2)))
        if galaxy.bulge and galaxy.bulge.fraction > 0.3:  # a large bulge fills the minor axis
            q += (galaxy.bulge.fraction - 0.3) * 0.55 * (1 - q)
        q = min(q, 1.0)
    smear = 0.42 * seeing_arcsec
    size = galaxy.half_light_arcsec
    return float(np.sqrt(((q * size) ** 2 + smear**2) / (size**2 + smear**2)))


def _crowding(galaxy: Galaxy, neighbours: list[field.Neighbour], stars: list[field.Star]) -> float:
    """Return the flux of neighbours relative to the galaxy's, fading over its half-light radius.

    Stars count for a fifth: most volunteers know them for what they are.
    """
    weights = [(n.mag_r, n.north_arcsec, n.east_arcsec, 1.0) for n in neighbours]
    weights += [(s.mag_r, s.north_arcsec, s.east_arcsec, 0.2) for s in stars if s.north_arcsec or s.east_arcsec]
    if not weights:
        return 0.0
    mags, north, east, weight = np.array(weights).T
    ratio = np.minimum(10 ** (-0.4 * (mags - galaxy.mag_r)), 2.0)
    nearness = np.exp(-(((np.hypot(north, east)) / (2.2 * galaxy.half_light_arcsec)) ** 2))
    return float((weight * np.sqrt(ratio) * nearness).sum())

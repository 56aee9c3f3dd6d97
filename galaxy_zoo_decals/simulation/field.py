"""What else lies in the field of view: galaxies in the foreground and background, and stars of the Milky Way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from galaxy_zoo_decals.simulation.galaxy import Bulge
from galaxy_zoo_decals.simulation.light import Grid, band_ratios, sersic

GALAXIES_PER_ARCMIN2 = 30.0
"""Galaxies with 17.5 < r < 24.5 (counts of Yasuda et al. 2001 and Kashikawa et al. 2004)."""
SERSIC_INDICES = (1.0, 1.0, 2.5, 4.0)
"""Profiles of neighbours, equally likely: half of them are discs."""
STARS_PER_ARCMIN2 = 2.7
"""Stars with r < 23 at high galactic latitude."""
BRIGHT_STAR_MAG = 17.0
"""Stars brighter than this have visible wings and spikes, and are drawn without the Fourier transform."""


@dataclass(frozen=True)
class Neighbour:
    """A galaxy near the line of sight."""

    mag_r: float
    north_arcsec: float
    east_arcsec: float
    profile: Bulge
    position_angle: float
    g_r: float
    r_z: float


@dataclass(frozen=True)
class Star:
    """A point source."""

    mag_r: float
    north_arcsec: float
    east_arcsec: float
    g_r: float
    r_z: float

    @property
    def fluxes(self) -> np.ndarray:
        """Fluxes in g, r, z, nanomaggies."""
        return 10 ** (0.4 * (22.5 - self.mag_r)) * band_ratios(self.g_r, self.r_z)


def draw_neighbours(rng: np.random.Generator, side_arcsec: float) -> list[Neighbour]:
    """Return the galaxies of a square field, with counts that grow as 10^(0.39 m) and correlated colours."""
    neighbours = []
    for _ in range(rng.poisson(GALAXIES_PER_ARCMIN2 * (side_arcsec / 60) ** 2)):
        magnitude = 24.5 + np.log10(1 - rng.random() * (1 - 10 ** (-0.39 * 7))) / 0.39
        half_light = min(max(10 ** (-0.12 * (magnitude - 20) - 0.20 + rng.normal(0, 0.2)), 0.2), 4.0)
        north, east = rng.uniform(-0.5, 0.5, 2) * side_arcsec
        profile = Bulge(1.0, SERSIC_INDICES[rng.integers(0, 4)], half_light, rng.uniform(0.35, 1))
        g_r = min(max(rng.normal(0.76, 0.43), -0.2), 1.9)
        r_z = 0.72 * g_r + rng.normal(0.1, 0.12)
        neighbours.append(Neighbour(magnitude, north, east, profile, rng.uniform(0, np.pi), g_r, r_z))
    return neighbours


def draw_stars(rng: np.random.Generator, side_arcsec: float) -> list[Star]:
    """Return the stars of a square field: 13.5 < r < 23, counts that grow as 10^(0.17 m), colours of the locus."""
    stars = []
    for _ in range(rng.poisson(STARS_PER_ARCMIN2 * (side_arcsec / 60) ** 2)):
        magnitude = 23 + np.log10(1 - rng.random() * (1 - 10 ** (-0.17 * 9.5))) / 0.17
        north, east = rng.uniform(-0.5, 0.5, 2) * side_arcsec
        stars.append(Star(magnitude, north, east, *star_colours(rng)))
    return stars


def star_colours(rng: np.random.Generator) -> tuple[float, float]:
    """Return g - r and r - z of a field star."""
    g_r = float(np.clip(rng.normal(0.8, 0.45), 0.2, 1.5))
    return g_r, 0.15 + (g_r - 0.2) * rng.uniform(0.5, 1.3)


def add_neighbours(grz: np.ndarray, grid: Grid, neighbours: list[Neighbour]) -> None:
    """Add the galaxies to the three bands, shape (3, n, n); what lies off the grid is left out."""
    for neighbour in neighbours:
        reach = int(np.clip(7 * neighbour.profile.half_light_arcsec / grid.pixel_arcsec, 6, grid.pixels // 3))
        row, column = _pixel(grid, neighbour.north_arcsec, neighbour.east_arcsec)
        rows = slice(max(row - reach, 0), max(row + reach + 1, 0))
        columns = slice(max(column - reach, 0), max(column + reach + 1, 0))
        dn = grid.north[rows] - neighbour.north_arcsec
        de = grid.east[:, columns] - neighbour.east_arcsec
        if not dn.size or not de.size:
            continue
        c, s = np.cos(neighbour.position_angle), np.sin(neighbour.position_angle)
        light = sersic(dn * c + de * s, de * c - dn * s, neighbour.profile, grid.pixel_arcsec)
        fluxes = 10 ** (0.4 * (22.5 - neighbour.mag_r)) * band_ratios(neighbour.g_r, neighbour.r_z)
        grz[:, rows, columns] += fluxes[:, None, None] * light


def add_faint_stars(grz: np.ndarray, grid: Grid, stars: list[Star]) -> None:
    """Add the stars without visible wings as single pixels."""
    for star in stars:
        row, column = _pixel(grid, star.north_arcsec, star.east_arcsec)
        if star.mag_r > BRIGHT_STAR_MAG and 0 <= row < grid.pixels and 0 <= column < grid.pixels:
            grz[:, row, column] += star.fluxes


def _pixel(grid: Grid, north: float, east: float) -> tuple[int, int]:
    centre = (grid.pixels - 1) / 2
    return round(centre - north / grid.pixel_arcsec), round(centre - east / grid.pixel_arcsec)

"""The light of a galaxy above the atmosphere: Sersic bulges and thick, dusty, structured discs in g, r and z.

Maps are float64, shape (n, n), nanomaggies a pixel; north is up (row 0 is the northern edge) and east is left,
as in the published images. Position angles run from north through east.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import scipy.fft
from scipy.special import gamma

from galaxy_zoo_decals.simulation import structure
from galaxy_zoo_decals.simulation.galaxy import IRREGULAR, SPIRAL, Bulge, Disc, Galaxy, sersic_b, sersic_total

EXTINCTION = (1.25, 1.0, 0.6)
"""Optical depth in g, r, z over that in r, for a galaxy's own dust (between Cardelli's law and grey)."""
EDGE_COS_INCLINATION = 0.55
"""More inclined discs get their thickness and their dust in depth; it is invisible in others."""
MIN_COS_INCLINATION = 0.10


@dataclass(frozen=True)
class Grid:
    """A square grid of an even number of pixels whose centre lies between the four middle ones."""

    pixels: int
    pixel_arcsec: float

    @cached_property
    def axis(self) -> np.ndarray:
        """Offsets along a row or a column from the centre, arcsec, growing with the index."""
        return (np.arange(self.pixels) - (self.pixels - 1) / 2) * self.pixel_arcsec

    @cached_property
    def north(self) -> np.ndarray:
        """Offset to the north of each pixel, arcsec, shape (n, 1)."""
        return -self.axis[:, None]

    @cached_property
    def east(self) -> np.ndarray:
        """Offset to the east of each pixel, arcsec, shape (1, n)."""
        return -self.axis[None, :]

    @cached_property
    def wavenumbers(self) -> tuple[np.ndarray, np.ndarray]:
        """Angular wavenumbers of rfft2 along columns (n, 1) and rows (1, n/2 + 1), radians an arcsec."""
        rows = 2 * np.pi * scipy.fft.fftfreq(self.pixels, self.pixel_arcsec)
        columns = 2 * np.pi * scipy.fft.rfftfreq(self.pixels, self.pixel_arcsec)
        return rows[:, None], columns[None, :]

    def along(self, position_angle: float, north: float = 0.0, east: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """Return coordinates along and across a direction, arcsec, from a centre ``north`` and ``east`` of ours."""
        dn, de = self.north - north, self.east - east
        c, s = np.cos(position_angle), np.sin(position_angle)
        return dn * c + de * s, de * c - dn * s


@dataclass(frozen=True)
class Light:
    """A galaxy's light in three bands, and in r what it would be without its pattern or its bar."""

    grz: np.ndarray
    """Shape (3, n, n)."""
    without_pattern: np.ndarray | None = None
    """Arms, clumps and knots spread evenly in angle, rings spread wide; None where there are none."""
    without_bar: np.ndarray | None = None


def band_ratios(g_r: float, r_z: float) -> np.ndarray:
    """Return the fluxes in g, r, z relative to r of these colours (AB magnitudes)."""
    return np.array([10 ** (-0.4 * g_r), 1.0, 10 ** (0.4 * r_z)])


def sersic(x: np.ndarray, y: np.ndarray, bulge: Bulge, pixel_arcsec: float) -> np.ndarray:
    """Return a Sersic profile whose flux over the whole plane is 1, on x along and y across the major axis (arcsec).

    Equation 1 of Graham & Driver 2005 (PASA 22, 118) with the circularised half-light radius; pixels within
    3.6 of the centre are averages over 7 x 7 points, since the cusp is narrower than a pixel.
    """
    n, b, q = bulge.sersic_n, sersic_b(bulge.sersic_n), bulge.axis_ratio
    exponent = 2 - bulge.boxiness
    superelliptic = abs(bulge.boxiness) > 0.01
    area = 4 * gamma(1 + 1 / exponent) ** 2 / gamma(1 + 2 / exponent) / np.pi if superelliptic else 1.0

    def profile(px: np.ndarray, py: np.ndarray) -> np.ndarray:
        if superelliptic:
            r = np.abs(px * np.sqrt(q)) ** exponent + np.abs(py / np.sqrt(q)) ** exponent
            power = 1 / (n * exponent)
        else:
            r = px * px * q + py * py / q
            power = 1 / (2 * n)
        scaled: np.ndarray = (r / bulge.half_light_arcsec ** (1 / (n * power))) ** power
        return np.exp(-b * (scaled - 1))

    light = profile(x, y)
    rows, columns = np.nonzero(x * x + y * y < (3.6 * pixel_arcsec) ** 2)
    if rows.size:
        dx, dy = _points_in_pixel(pixel_arcsec)
        light[rows, columns] = profile(x[rows, columns][:, None] + dx, y[rows, columns][:, None] + dy).mean(axis=1)
    return light * (pixel_arcsec / bulge.half_light_arcsec) ** 2 / (sersic_total(n) * area)


@lru_cache(maxsize=16)
def _points_in_pixel(pixel_arcsec: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the offsets of 7 x 7 points that sample a pixel, arcsec."""
    steps = (np.arange(7) - 3) / 7 * pixel_arcsec
    dx, dy = np.meshgrid(steps, steps)
    return dx.ravel(), dy.ravel()


def _half_layer_transform() -> tuple[np.ndarray, ...]:
    """Return wavenumbers times scale height and the cosine and sine transforms of half a sech^2 layer."""
    t = np.linspace(0, 12, 2400)
    layer = 0.5 / np.cosh(t) ** 2
    k = np.linspace(0, 40, 400)
    phases = k[:, None] * t
    step = t[1]  # the layer is 0.5 at t = 0 and nothing at the far end
    return (k, *(step * ((layer * wave).sum(axis=1) - 0.25 * wave[:, 0]) for wave in (np.cos(phases), np.sin(phases))))


_LAYER = _half_layer_transform()


def galaxy_light(galaxy: Galaxy, grid: Grid, rng: np.random.Generator, north: float = 0.0, east: float = 0.0) -> Light:
    """Return the light of a galaxy whose centre lies ``north`` and ``east`` of the grid's centre, arcsec.

    ``rng`` draws the random structure. The flux in r is the galaxy's: over the plane for an elliptical, whose
    halo a grid cuts off, and on the grid for the others, after dust.
    """
    x, y = grid.along(galaxy.position_angle, north, east)
    old = band_ratios(galaxy.old_g_r, galaxy.old_r_z)
    if galaxy.disc is None:
        assert galaxy.bulge is not None
        unit = sersic(x, y, galaxy.bulge, grid.pixel_arcsec)
        radius = np.log10(np.maximum(np.hypot(x, y) / galaxy.bulge.half_light_arcsec, 0.1))
        # metallicity gradient of ellipticals, magnitudes a dex (La Barbera & de Carvalho 2009)
        gradients = (10 ** (0.4 * 0.07 * radius), 1.0, 10 ** (-0.4 * 0.05 * radius))
        return Light(np.stack([galaxy.flux_r * c * unit * g for c, g in zip(old, gradients)]))
    return _DiscGalaxy(galaxy, galaxy.disc, grid, rng, x, y).light()


class _DiscGalaxy:
    """Renders one disc galaxy: maps of its components once, then each band with its own dust."""

    def __init__(
        self, galaxy: Galaxy, disc: Disc, grid: Grid, rng: np.random.Generator, x: np.ndarray, y: np.ndarray
    ) -> None:
        self.galaxy, self.disc, self.grid = galaxy, disc, grid
        self.x, self.y = x, y
        self.cos_i = max(disc.cos_inclination, MIN_COS_INCLINATION)
        self.sin_i = np.sqrt(1 - min(disc.cos_inclination, 1.0) ** 2)
        self.old_ratios = band_ratios(galaxy.old_g_r, galaxy.old_r_z)
        plane_x, plane_y = x / disc.scale_arcsec, y / (self.cos_i * disc.scale_arcsec)
        if disc.lopsidedness:
            heading = rng.uniform(0, 2 * np.pi)
            push = disc.lopsidedness * np.minimum((plane_x**2 + plane_y**2) / 9, 1.5)
            plane_x, plane_y = plane_x + np.cos(heading) * push, plane_y + np.sin(heading) * push
        self.radius = np.hypot(plane_x, plane_y)
        old = np.exp(-self.radius) * disc.bend(self.radius)
        self.old = old / old.sum()
        # discs grow bluer outwards, magnitudes in g - r (de Jong 1996)
        self.gradient = np.clip(-0.10 * np.log(np.maximum(self.radius, 0.3)), -0.18, 0.12)
        self._draw_structure(rng, plane_x, plane_y)
        if galaxy.bulge:
            self.bulge = sersic(x, y, galaxy.bulge, grid.pixel_arcsec)
            edge = np.hypot(x, y) + 0.3 * galaxy.bulge.half_light_arcsec
            self.behind_disc = 0.5 * (1 - np.tanh(y * self.sin_i / (self.cos_i * edge)))
        self.tau = None
        if disc.optical_depth:
            dust_radius = np.hypot(x, y / max(disc.cos_inclination, 0.15)) / disc.scale_arcsec
            self.tau = disc.optical_depth * np.exp(-dust_radius / 1.6)
        self.edge_on = disc.cos_inclination < EDGE_COS_INCLINATION
        if self.edge_on:
            self.layers = self._layers()

    def _draw_structure(self, rng: np.random.Generator, plane_x: np.ndarray, plane_y: np.ndarray) -> None:
        galaxy, disc = self.galaxy, self.disc
        self.pattern: structure.Pattern | None = None
        self.young_share, self.knot_share = galaxy.young_share, 0.0
        if galaxy.arms:
            angle = np.arctan2(plane_y, plane_x)
            self.pattern = structure.spiral_pattern(
                rng, galaxy.arms, galaxy.bar, galaxy.young_scale_rd, disc.edge_rd, self.radius, angle
            )
        elif galaxy.type == IRREGULAR:
            self.pattern = structure.clumpy_pattern(rng, disc.clumpiness, galaxy.young_scale_rd, plane_x, plane_y)
        if self.pattern and galaxy.knots:
            self.knots = structure.knot_map(
                rng, galaxy, self.pattern.young, self.radius, self.grid.pixel_arcsec / disc.scale_arcsec
            )
            self.knot_share = 0.001 * min(galaxy.knots, 40) if galaxy.type == SPIRAL else 0.14
        if galaxy.bar:
            self.bar = structure.bar_map(galaxy.bar, plane_x, plane_y)
        if galaxy.ring:
            self.ring, self.spread_ring = structure.ring_maps(rng, galaxy.ring, plane_x, plane_y)

    def _layers(self) -> tuple[np.ndarray, np.ndarray]:
        """Return transforms of the halves of the disc in front of and behind its midplane.

        The half in front is displaced along +y. The sine part of a one-sided layer falls off slowly, so it is
        low-passed at the pixel and zeroed at the Nyquist frequencies, else the disc rings.
        """
        rows, columns = self.grid.wavenumbers
        pa = self.galaxy.position_angle
        across = rows * np.sin(pa) - columns * np.cos(pa)
        height = self.disc.thickness_rd * self.disc.scale_arcsec * self.sin_i
        k = np.abs(across) * height
        even = np.where(k > _LAYER[0][-1], 0, np.interp(k, _LAYER[0], _LAYER[1]))
        odd = np.sign(across) * np.interp(k, _LAYER[0], _LAYER[2]) * np.minimum(1, _LAYER[0][-1] / np.maximum(k, 1e-6))
        smooth = np.exp(-0.5 * (rows**2 + columns**2) * (0.75 * self.grid.pixel_arcsec) ** 2)
        odd[self.grid.pixels // 2] = 0
        odd[:, -1] = 0
        even, odd = even * smooth, odd * smooth
        return even - 1j * odd, even + 1j * odd

    def light(self) -> Light:
        """Return the three bands and the two comparisons, scaled to the galaxy's flux in r."""
        grz = np.stack([self._band(b) for b in range(3)])
        scale = self.galaxy.flux_r / grz[1].sum()
        patterned = self.pattern is not None or self.galaxy.ring is not None
        return Light(
            grz * scale,
            self._band(1, pattern=False) * scale if patterned else None,
            self._band(1, bar=False) * scale if self.galaxy.bar else None,
        )

    def _band(self, band: int, pattern: bool = True, bar: bool = True) -> np.ndarray:
        galaxy, depth = self.galaxy, EXTINCTION[band]
        light = self._disc_band(band, pattern, bar)
        if self.edge_on:
            light = self._thicken(light, depth)
        elif self.tau is not None:  # dust in the midplane dims the half behind it
            light = light * (0.5 + 0.5 * np.exp(-0.5 * depth * self.tau))
        if galaxy.bulge:
            bulge = galaxy.bulge.fraction * self.old_ratios[band] * self.bulge
            if self.tau is not None:
                screen = np.exp(-np.minimum(self.tau * depth * 0.7 / self.cos_i**0.8, 6))
                bulge = bulge * (1 - self.behind_disc * (1 - screen))
            light = light + bulge
        return light

    def _disc_band(self, band: int, pattern: bool, bar: bool) -> np.ndarray:
        """Return a thin disc in one band, its flux over that of the galaxy in r without dust."""
        galaxy, disc = self.galaxy, self.disc
        bar_share = galaxy.bar.fraction if galaxy.bar else 0.0
        share = 1 - galaxy.bulge_to_total - bar_share
        ring_share = galaxy.ring.fraction if galaxy.ring else 0.0
        old_share = 1 - self.young_share - self.knot_share - ring_share
        light = self.old * (share * old_share * band_ratios(disc.g_r, disc.r_z)[band])
        if band != 1:
            light *= 10 ** (self.gradient * (-0.4, 0.0, 0.30)[band])
        young = band_ratios(disc.g_r - 0.16, disc.r_z - 0.12)[band]
        if self.pattern:
            light += share * self.young_share * young * (self.pattern.young if pattern else self.pattern.smooth)
        if self.knot_share:
            assert self.pattern is not None
            blue = band_ratios(0.0, -0.15)[band]
            light += share * self.knot_share * blue * (self.knots if pattern else self.pattern.smooth)
        if galaxy.ring:
            blue = band_ratios(disc.g_r - 0.12, disc.r_z - 0.09)[band]
            light += share * ring_share * blue * (self.ring if pattern else self.spread_ring)
        if self.pattern and self.pattern.lanes is not None and galaxy.arms and pattern:
            strength = 0.9 * disc.optical_depth * galaxy.arms.contrast * EXTINCTION[band]
            light *= np.exp(-strength * self.pattern.lanes)
        if bar_share:
            light += bar_share * self.old_ratios[band] * (self.bar if bar else self.old)
        return light

    def _thicken(self, light: np.ndarray, depth: float) -> np.ndarray:
        transform = scipy.fft.rfft2(light)
        front, behind = self.layers
        if self.tau is None:
            return scipy.fft.irfft2(transform * (front + behind), s=light.shape)
        screen = np.exp(-np.minimum(self.tau * depth * 0.75 / self.cos_i**0.8, 6))
        return scipy.fft.irfft2(transform * front, s=light.shape) + screen * scipy.fft.irfft2(
            transform * behind, s=light.shape
        )

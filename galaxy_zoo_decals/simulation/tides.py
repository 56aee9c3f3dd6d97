"""What encounters leave behind: tidal tails, streams and shells."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from galaxy_zoo_decals.simulation.light import Grid


def tidal_light(rng: np.random.Generator, grid: Grid, half_light_arcsec: float, fraction: float) -> np.ndarray:
    """Return a map of tails and shells with sum 1; weak encounters often leave a single tail.

    The tails are open spirals of one sense on opposite sides (Toomre & Toomre 1972): with senses of their own
    two of them would meet in a loop like a handle. A third of the galaxies have a shell, an arc with a sharp
    outer edge (Malin & Carter 1983).
    """
    radius = np.hypot(grid.north, grid.east) / half_light_arcsec + 1e-3
    angle = np.arctan2(grid.east, grid.north)
    log_radius = np.log(radius)
    sense, first = rng.choice([-1.0, 1.0]), rng.uniform(-np.pi, np.pi)
    tails = int(rng.integers(1, 3)) if fraction < 0.12 else 2
    light = np.zeros(radius.shape)
    for k in range(tails):
        cotangent = sense / np.tan(np.radians(rng.uniform(38, 68)))
        heading = first + k * np.pi + (rng.normal(0, 0.45) if k else 0.0)
        inner, outer = rng.uniform(0.9, 1.6), rng.uniform(3.0, 6.0)
        ripple = 1 + 0.5 * np.sin(6.2 * log_radius + rng.uniform(0, 2 * np.pi)) * rng.random()
        off = _wrapped(angle - cotangent * log_radius - heading)
        width = rng.uniform(0.16, 0.30) * np.clip(0.6 + 0.25 * radius, 0.6, 1.8)
        across = (1 + (off / width) ** 2 / 1.5) ** -2.5
        ends = expit((radius - inner) / 0.45) * expit((outer - radius) / 0.8)
        light += rng.uniform(0.4, 1.2) * ripple * across * ends * np.exp(-radius / 2)
    if rng.random() < 0.35:
        edge, heading = rng.uniform(2, 3.6), rng.uniform(-np.pi, np.pi)
        off = _wrapped(angle - heading)
        inside = np.exp(-np.clip((edge - radius) / 0.3, 0, 9)) * expit((edge - radius) / 0.05)
        light += 0.5 * np.exp(-0.5 * (off / 0.45) ** 2) * inside
    return light / light.sum()


def _wrapped(angle: np.ndarray) -> np.ndarray:
    """Return the angle between -pi and pi."""
    return np.mod(angle + np.pi, 2 * np.pi) - np.pi

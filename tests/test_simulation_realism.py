"""What the campaign of realism measures, on pictures whose content is known."""

from __future__ import annotations

import numpy as np
import pytest

from galaxy_zoo_decals.simulation import colour
from galaxy_zoo_decals.simulation.colour import CUTOUT_PIXELS
from tests.campaigns.simulation_realism import FEATURES, PROFILES, RADII, measure, profile, separations, tell_apart

pytestmark = pytest.mark.campaign

SCALE = 14.0
"""Scale length of the disc, pixels."""


def disc(axis_ratio: float = 1.0, lumps: float = 0.0) -> np.ndarray:
    """Return the picture of an exponential disc along the diagonal, g - r = 0.7 and r - z = 0.5, with faint noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:CUTOUT_PIXELS, :CUTOUT_PIXELS] - (CUTOUT_PIXELS - 1) / 2
    along, across = (x + y) / np.sqrt(2), (x - y) / np.sqrt(2) / axis_ratio
    r = 1.2 * np.exp(-np.hypot(along, across) / SCALE) * (1 + lumps * np.cos(4 * np.arctan2(across, along)))
    grz = np.stack([r * 10 ** (-0.4 * 0.7), r, r * 10 ** (0.4 * 0.5)])
    grz += rng.normal(0, 0.002, grz.shape)
    return colour.to_cutout(colour.to_rgb(grz))


@pytest.mark.parametrize("axis_ratio", [1.0, 0.6])
def test_a_disc_has_its_profile_and_its_colours(axis_ratio: float) -> None:
    found = dict(zip(PROFILES, profile(disc(axis_ratio))))
    half = 1.678 * SCALE * np.sqrt(axis_ratio)  # circularised, as the rings are
    edges = np.array(RADII) * half / (SCALE * np.sqrt(axis_ratio))
    enclosed = 1 - (1 + edges) * np.exp(-edges)
    expected = 1.2 * 2 * np.diff(enclosed) / np.diff(edges**2)
    # The recipe draws pixels to grey, which no picture tells; beyond the third ring it is the median.
    brightness = found["brightness in r"][:3] / found["brightness in r"][0]
    assert np.allclose(brightness, expected[:3] / expected[0], rtol=0.05)
    assert np.all(np.diff(found["brightness in r"]) < 0)
    assert np.allclose(found["g - r"][:4], 0.7, atol=0.06) and np.allclose(found["r - z"][:4], 0.5, atol=0.06)


def test_structure_is_what_varies_around_a_ring() -> None:
    plain, lumpy = profile(disc())[3], profile(disc(lumps=0.3))[3]
    assert np.all(lumpy[2:5] > 1.2 * plain[2:5])


def test_features_of_a_disc_are_those_it_has() -> None:
    found = dict(zip(FEATURES, measure(disc(axis_ratio=0.5))))
    assert found["axis ratio"] == pytest.approx(0.5, abs=0.04)
    assert found["g - r of the galaxy"] == pytest.approx(0.7, abs=0.04)
    assert found["r - z of the galaxy"] == pytest.approx(0.5, abs=0.04)
    assert abs(found["g - r gradient"]) < 0.06


def test_what_is_alike_cannot_be_told_apart_and_what_differs_can() -> None:
    rng = np.random.default_rng(1)
    real, alike = rng.normal(size=(2, 60, 3))
    _, low, high = tell_apart(real, alike)
    assert low < 0.55 and high > 0.45
    other = alike + np.array([3.0, 0.0, 0.0])
    value, low, _ = tell_apart(real, other)
    assert value > 0.85 and low > 0.8
    assert np.argmax(separations(real, other)) == 0

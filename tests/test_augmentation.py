"""Augmentation: known symmetries and shifts, and turning held against a slow resampler and against exact ramps."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from benchmark import augmentation, recipes
from benchmark.augmentation import Draws
from benchmark.recipes import Recipe
from galaxy_zoo_decals import crops
from galaxy_zoo_decals.models.model import dihedral


def recipe(*settings: str) -> Recipe:
    return recipes.override(recipes.choose("quick", "multiclass"), ["augmentation=none", *settings])["multiclass"]


def draws(
    settings: Recipe,
    flips: tuple[int, int, int] = (0, 0, 0),
    affine: tuple[float, float, float, float] = (0, 1, 0, 0),
    light: tuple[float, float] = (0, 1),
    erased: tuple[tuple[int, int, int], ...] = (),
) -> Draws:
    """One view, given by hand."""
    squares = torch.tensor(erased, dtype=torch.int64).view(1, -1, 3)
    return Draws(settings, torch.tensor([flips]).bool(), torch.tensor([affine]).float(), torch.tensor([light]), squares)


def picture(side: int) -> torch.Tensor:
    values = np.random.default_rng(0).integers(0, 256, (1, 3, side, side))
    return torch.from_numpy(values.astype(np.uint8))


def test_the_eight_flips_are_the_symmetries_of_the_square() -> None:
    image, settings = picture(8), recipe("augmentation=dihedral", "resolution=8")
    found = {
        augmentation.apply(image, draws(settings, (a, b, c))).numpy().tobytes()
        for a in (0, 1) for b in (0, 1) for c in (0, 1)
    }  # fmt: skip
    expected = {view.contiguous().numpy().tobytes() for view in dihedral(image)}
    assert len(found) == 8 and found == expected


def test_shifts_move_whole_pixels_and_repeat_the_edge() -> None:
    image = picture(8)
    moved = augmentation.apply(image, draws(recipe("shift=2", "resolution=8"), affine=(0, 1, 1, -2)))
    assert moved.dtype == torch.uint8
    assert torch.equal(moved[0, :, 1:, :6], image[0, :, :7, 2:])
    assert torch.equal(moved[0, :, 0, :6], image[0, :, 0, 2:])
    assert torch.equal(moved[0, :, 1:, 7], image[0, :, :7, 7])


def test_without_a_recipe_for_it_nothing_changes() -> None:
    image = picture(12)
    plain = augmentation.apply(image, augmentation.draw(np.random.default_rng(0), 1, recipe("resolution=8")))
    assert torch.equal(plain, image[..., 2:10, 2:10])


@pytest.mark.parametrize("affine", [(0.7, 1, 0, 0), (0, 1.3, 0, 0), (0, 0.8, 2, -1), (4.0, 1.2, -3, 2)])
def test_turning_against_a_slow_resampler(affine: tuple[float, float, float, float]) -> None:
    settings, wide = recipe("rotation=true", "resolution=16"), 41
    image = picture(wide)
    found = augmentation.apply(image, draws(settings, affine=affine))[0].numpy()
    angle, factor, down, right = affine
    # Where each pixel of the result comes from: shifted back, turned, made smaller.
    y, x = np.mgrid[:16, :16] - 7.5
    y, x = (y - down) / factor, (x - right) / factor
    rows = math.sin(angle) * x + math.cos(angle) * y + (wide - 1) / 2
    columns = math.cos(angle) * x - math.sin(angle) * y + (wide - 1) / 2
    for channel in range(3):
        expected = ndimage.map_coordinates(image[0, channel].numpy().astype(float), [rows, columns], order=1)
        np.testing.assert_allclose(found[channel], expected, atol=0.02)


@pytest.mark.parametrize("flips", [(a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)])
def test_a_turned_image_is_flipped_as_one_that_is_not(flips: tuple[int, int, int]) -> None:
    image = picture(8)
    plain = augmentation.apply(image, draws(recipe("augmentation=dihedral", "resolution=8"), flips))
    settings = recipe("augmentation=dihedral", "rotation=true", "resolution=8")
    torch.testing.assert_close(augmentation.apply(image, draws(settings, flips)), plain.float(), atol=1e-3, rtol=0)
    # Turned after it was flipped.
    turned = augmentation.apply(image, draws(settings, flips, affine=(math.pi / 2, 1, 0, 0)))
    expected = augmentation.apply(plain, draws(settings, affine=(math.pi / 2, 1, 0, 0)))
    torch.testing.assert_close(turned, expected, atol=1e-3, rtol=0)


def test_what_is_turned_in_is_sky_and_no_repeated_edge() -> None:
    # A ramp stays one wherever it is sampled within the picture: bilinear sampling of it is exact.
    settings = recipe("rotation=true", "scale=0.2", "shift=3", "resolution=32", "crop=0.4")
    side = crops.stored_side(32, 0.4, augmentation.margin(settings))
    assert side < 80, "the case shows nothing if the whole image is stored"
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    ramp = torch.from_numpy(np.stack([100 + x, 100 + y, 100 + 0 * x])[None]).float()
    drawn = augmentation.draw(np.random.default_rng(1), 200, settings)
    found = augmentation.apply(ramp.expand(200, -1, -1, -1), drawn)
    across = found[:, 0].diff(dim=1).diff(dim=1).abs().max(), found[:, 1].diff(dim=2).diff(dim=2).abs().max()
    assert max(across) < 1e-3
    assert (found[:, 2] - 100).abs().max() < 1e-3
    # The slope of the turned ramp is that of the magnification.
    slope = torch.hypot(found[:, 0].diff(dim=1).mean((1, 2)), found[:, 0].diff(dim=2).mean((1, 2)))
    np.testing.assert_allclose(1 / slope, drawn.affine[:, 1], rtol=1e-3)


def test_brightness_and_contrast_by_hand() -> None:
    image = torch.tensor([[10, 30], [50, 110]], dtype=torch.uint8).expand(1, 3, 2, 2)
    settings = dataclasses.replace(recipe("brightness=0.2", "contrast=0.5", "resolution=8"), resolution=8)
    wide = image.repeat_interleave(4, 2).repeat_interleave(4, 3)
    found = augmentation.apply(wide, draws(settings, light=(-20, 1.5)))[0, 0, ::4, ::4]
    # Mean 50: 50 + 1.5 (x - 50) - 20, not below 0.
    assert found.tolist() == [[0, 0], [30, 120]]


def test_erased_squares_are_black() -> None:
    settings = recipe("erasing=2", "resolution=8")
    white = torch.full((1, 3, 8, 8), 255, dtype=torch.uint8)
    found = augmentation.apply(white, draws(settings, erased=((1, 2, 3), (6, 6, 4))))
    black = (found[0] == 0).all(dim=0)
    assert black.sum() == 9 + 4 and black[1:4, 2:5].all() and black[6:, 6:].all()
    assert (found[0, :, ~black] == 255).all()


def test_draws_follow_the_recipe_and_the_seed() -> None:
    settings = recipe(
        "augmentation=dihedral", "rotation=true", "scale=0.5", "shift=2", "brightness=0.1", "contrast=0.3", "erasing=3"
    )
    one, again, other = (augmentation.draw(np.random.default_rng(seed), 2000, settings) for seed in (0, 0, 1))
    for name in ("flips", "affine", "light", "erased"):
        assert torch.equal(getattr(one, name), getattr(again, name))
        assert not torch.equal(getattr(one, name), getattr(other, name))
    assert one.flips.float().mean(dim=0).tolist() == pytest.approx([0.5] * 3, abs=0.05)
    angle, factor, down, right = one.affine.T.numpy()
    assert 0 <= angle.min() < 0.1 and 6.2 < angle.max() <= 2 * math.pi
    assert factor.min() == pytest.approx(1 / 1.5, abs=0.01) and factor.max() == pytest.approx(1.5, abs=0.01)
    assert np.median(factor) == pytest.approx(1, abs=0.03)
    assert set(down) == set(right) == {-2, -1, 0, 1, 2}
    assert one.light[:, 0].abs().max() <= 25.5 and (one.light[:, 1] - 1).abs().max() <= 0.3
    assert one.erased.shape == (2000, 3, 3) and one.erased[..., 2].max() == settings.resolution // 4
    flips = augmentation.draw(np.random.default_rng(0), 500, recipe("augmentation=flips"))
    assert flips.flips[:, :2].any(dim=0).all() and not flips.flips[:, 2].any()


def test_a_part_of_the_draws_is_those_of_its_images() -> None:
    settings = recipe("augmentation=dihedral", "rotation=true", "erasing=1", "contrast=0.2", "resolution=16")
    images = picture(30).expand(6, -1, -1, -1)
    drawn = augmentation.draw(np.random.default_rng(0), 6, settings)
    whole = augmentation.apply(images, drawn)
    for part in (slice(0, 2), slice(1, 6, 2)):
        assert torch.equal(augmentation.apply(images[part], drawn[part]), whole[part])

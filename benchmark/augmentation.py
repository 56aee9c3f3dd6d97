"""Augmentation: random views of whole batches, drawn once from a seed and made on the device.

What is drawn depends on the seed alone, never on how many processes, workers or GPUs there are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from benchmark.recipes import Recipe


@dataclass(frozen=True)
class Draws:
    """One random view for each of n images, as tensors of one device; slicing selects images.

    ``flips`` bool (n, 3): left to right, up to down, transposed. ``affine`` float32 (n, 4): angle in radians,
    magnification, shift down and to the right in pixels of the result. ``light`` float32 (n, 2): added brightness in
    levels of 255, factor of the contrast. ``erased`` int64 (n, squares, 3): top, left, side in pixels.
    """

    recipe: Recipe
    flips: torch.Tensor
    affine: torch.Tensor
    light: torch.Tensor
    erased: torch.Tensor

    def __getitem__(self, chosen: slice) -> Draws:
        parts = (self.flips, self.affine, self.light, self.erased)
        return Draws(self.recipe, *(part[chosen] for part in parts))

    def __len__(self) -> int:
        return len(self.flips)


def margin(recipe: Recipe) -> float:
    """Return how many times the side of the crop the stored pixels must span, so that what is turned in is sky."""
    if not (recipe.rotation or recipe.scale):
        return 1.0
    # The corners of a turned square lie sqrt(2) farther out.
    turned = math.sqrt(2) if recipe.rotation else 1.0
    return turned * (1 + recipe.scale) + 2 * recipe.shift / recipe.resolution


def draw(rng: np.random.Generator, n: int, recipe: Recipe, device: torch.device | None = None) -> Draws:
    """Return a random view for each of n images, on a device."""
    coins = {"none": 0, "flips": 2, "dihedral": 3}[recipe.augmentation]
    flips = np.zeros((n, 3), dtype=bool)
    flips[:, :coins] = rng.integers(0, 2, (n, coins))
    affine = np.zeros((n, 4))
    affine[:, 0] = rng.uniform(0, 2 * math.pi, n) * recipe.rotation
    affine[:, 1] = (1 + recipe.scale) ** rng.uniform(-1, 1, n)
    affine[:, 2:] = rng.integers(-recipe.shift, recipe.shift + 1, (n, 2))
    light = rng.uniform(-1, 1, (n, 2)) * (255 * recipe.brightness, recipe.contrast) + (0, 1)
    sides = rng.integers(1, max(2, recipe.resolution // 4 + 1), (n, recipe.erasing, 1))
    corners = rng.integers(0, recipe.resolution, (n, recipe.erasing, 2)) - sides // 2
    drawn = (flips, affine.astype(np.float32), light.astype(np.float32), np.concatenate([corners, sides], axis=2))
    return Draws(recipe, *(torch.from_numpy(part).to(device) for part in drawn))


def centre(images: torch.Tensor, side: int) -> torch.Tensor:
    """Return the central side x side pixels of images (..., h, w)."""
    top, left = (images.shape[-2] - side) // 2, (images.shape[-1] - side) // 2
    return images[..., top : top + side, left : left + side]


def apply(images: torch.Tensor, draws: Draws) -> torch.Tensor:
    """Return the drawn views (n, 3, resolution, resolution) of uint8 images (n, 3, side, side) at least as large.

    Flips and shifts move whole pixels, and the result is uint8 where the recipe asks for nothing else; else it is
    float32, from 0 to 255. Images are turned and magnified about their centre (bilinear). What lies outside repeats
    the edge.
    """
    recipe = draws.recipe
    if recipe.rotation or recipe.scale:
        images = _turn(images, draws.flips, draws.affine, recipe.resolution)
    else:
        images = centre(images, recipe.resolution)
        if recipe.augmentation != "none":
            flags = draws.flips[..., None, None, None]
            images = torch.where(flags[:, 0], images.flip(-1), images)
            images = torch.where(flags[:, 1], images.flip(-2), images)
            images = torch.where(flags[:, 2], images.transpose(-1, -2), images)
        if recipe.shift:
            images = _shift(images, draws.affine[:, 2:])
    if recipe.brightness or recipe.contrast:
        light = draws.light[..., None, None, None]
        values = images.float()
        mean = values.mean(dim=(1, 2, 3), keepdim=True)
        images = ((values - mean) * light[:, 1] + mean + light[:, 0]).clamp(0, 255)
    if recipe.erasing:
        images = images.masked_fill(_squares(draws.erased, recipe.resolution), 0)
    return images


def _turn(images: torch.Tensor, flips: torch.Tensor, affine: torch.Tensor, side: int) -> torch.Tensor:
    """Return images flipped, turned, magnified and shifted, sampled where the pixels of the result come from."""
    angle, factor, down, right = affine.unbind(dim=1)
    # grid_sample wants coordinates from -1 to 1 over the input; the result spans side / width of it.
    span = side / images.shape[-1] / factor
    cosine, sine = angle.cos() * span, angle.sin() * span
    x, y = 2 * right / side, 2 * down / side
    matrix = torch.stack(
        [
            torch.stack([cosine, -sine, -cosine * x + sine * y], dim=1),
            torch.stack([sine, cosine, -sine * x - cosine * y], dim=1),
        ],
        dim=1,
    )
    # Read backwards, since the matrix leads from the result to the image: transposed, up to down, left to right.
    matrix = torch.where(flips[:, 2, None, None], matrix.flip(1), matrix)
    matrix = matrix * torch.where(flips[:, :2, None], -1.0, 1.0)
    grid = functional.affine_grid(matrix, [len(images), 3, side, side], align_corners=False)
    return functional.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)


def _shift(images: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
    """Return images moved by whole pixels, (n, 2) down and to the right."""
    side = images.shape[-1]
    places = torch.arange(side, device=images.device)
    y, x = ((places - steps[:, i, None]).long().clamp(0, side - 1) for i in (0, 1))
    rows = torch.arange(len(images), device=images.device)[:, None, None]
    return images.permute(0, 2, 3, 1)[rows, y[:, :, None], x[:, None, :]].permute(0, 3, 1, 2)


def _squares(erased: torch.Tensor, side: int) -> torch.Tensor:
    """Return where squares lie, bool (n, 1, side, side)."""
    places = torch.arange(side, device=erased.device)
    first, length = erased[..., :2, None], erased[..., 2:, None]
    inside = (places >= first) & (places < first + length)
    return (inside[:, :, 0, :, None] & inside[:, :, 1, None, :]).any(dim=1, keepdim=True)

"""Evaluation: the galaxies of a split, and what a model says of all of them, on one device or several processes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator

from benchmark import BenchmarkError
from benchmark.device_batches import Pixels, normalise
from benchmark.image_cache import galaxies, store
from benchmark.recipes import Recipe
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.models.model import GalaxyModel
from galaxy_zoo_decals.scoring import Truth

EVALUATION_BATCH = 256
"""Images a forward pass without gradients."""


@dataclass(frozen=True)
class Data:
    """Images, votes (galaxies, answers) and names of one split, in the edition's order."""

    pixels: Pixels
    truth: Truth

    @classmethod
    def of(cls, edition: Edition, split: str, recipe: Recipe, accelerator: Accelerator, seed: int = 0) -> Data:
        """Read a split; the first process of a machine decodes, the others find it done.

        Of the training galaxies those that the recipe's number and the seed draw, in the edition's order. Raises
        BenchmarkError if there are fewer.
        """
        table = galaxies(edition, split)
        if split == "train" and recipe.galaxies > len(table):
            raise BenchmarkError(
                f"{edition.path} has {len(table):,} training galaxies, not {recipe.galaxies:,}: give a lower --set "
                "galaxies, or none for all."
            )
        with accelerator.local_main_process_first():
            images = store(edition, split, recipe, accelerator.is_local_main_process)
        truth = Truth.of_table(edition, table)
        if split != "train" or not recipe.galaxies:
            return cls(Pixels(images, accelerator.device), truth)
        taken = np.sort(np.random.default_rng(seed).permutation(len(images))[: recipe.galaxies])
        return cls(Pixels(images, accelerator.device, taken), truth.take(taken))


def evaluate(
    accelerator: Accelerator, function: Callable[[torch.Tensor], torch.Tensor], model: GalaxyModel, data: Data
) -> torch.Tensor:
    """Return the function of all images of a split, float32 on the CPU, in the edition's order on every process."""
    n, processes = len(data.truth.names), accelerator.num_processes
    share = math.ceil(n / processes)
    # The last share is filled up with the last galaxy, so that all are equally long, and cut off again.
    mine = np.minimum(np.arange(share) + accelerator.process_index * share, n - 1)
    parts = []
    with torch.inference_mode(), accelerator.autocast():
        for images in data.pixels.batches(np.array_split(mine, math.ceil(share / EVALUATION_BATCH))):
            parts.append(in_parts(lambda part: function(inputs(model, part)).float(), images))
        return accelerator.gather(torch.cat(parts))[:n].cpu()


def in_parts(function: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor) -> torch.Tensor:
    """Return a function of images, taken in halves, quarters ... where memory runs out."""
    try:
        return function(images)
    except torch.OutOfMemoryError:
        if len(images) == 1:
            error = BenchmarkError("there is too little memory for one image. Give a lower --set resolution.")
            error.alone = True
            raise error from None
    torch.cuda.empty_cache()
    return torch.cat([in_parts(function, half) for half in images.chunk(2)])


def predict(accelerator: Accelerator, model: GalaxyModel, data: Data) -> np.ndarray:
    """Return the model's predictions for its task, float64 (galaxies, columns), in the edition's order."""
    model.eval()
    return evaluate(accelerator, model.predict, model, data).double().numpy()


def inputs(model: GalaxyModel, images: torch.Tensor) -> torch.Tensor:
    """Return what a model's networks are shown of images (n, 3, size, size) with values from 0 to 255."""
    values = normalise(images, model.config.image_mean, model.config.image_std)
    return model.see(values).contiguous(memory_format=torch.channels_last)

"""Timing: how long each part of a training takes, and what it computes.

A training is timed in its own loop: one that leaves out the network is its data path, one on ready random inputs is
its step. Nothing here is a second loop that could differ from the one that trains.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from copy import copy
from dataclasses import replace
from multiprocessing import get_all_start_methods, get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import is_cuda_available
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count
from tqdm import tqdm

from benchmark import augmentation, training, weights
from benchmark.device_batches import Pixels
from benchmark.evaluation import Data
from benchmark.image_cache import store
from benchmark.learning_curves import Training
from benchmark.recipes import Recipe
from benchmark.trainer import Fit
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.models import MODELS
from galaxy_zoo_decals.models.model import Examples

DATA_PATHS = ("streamed", "resident")
"""The data path alone: images gathered from the memory map, or from an array on the device."""

PARTS = (*DATA_PATHS, "step", "both")
"""What is timed of a training: each data path, the step alone, and both as they train."""

PLAIN: dict[str, Any] = {
    "augmentation": "none", "rotation": False, "scale": 0.0, "shift": 0, "brightness": 0.0, "contrast": 0.0,
    "erasing": 0,
}  # fmt: skip
"""Settings under which images are taken as they are."""

MOST = 200_000
"""Images of a timed epoch at most: the smallest parts of a fast GPU need no more to be timed."""

MEMORY_STEPS = 3
"""Steps after which a training has taken all its memory: gradients, the optimizer's moments, the batch ahead."""


Shape = Sequence[int]


class RandomInputs:
    """Stands in for pixels: one batch of ready inputs (n, 3, side, side) that lies on the device."""

    def __init__(self, n: int, side: int, device: torch.device) -> None:
        values = torch.randn(n, 3, side, side, device=device)
        self.images = values.contiguous(memory_format=torch.channels_last)

    def batches(self, rows: Iterable[np.ndarray]) -> Iterator[torch.Tensor]:
        """Yield as many inputs as each batch has rows."""
        for chosen in rows:
            yield self.images[: len(chosen)]


class Timed(Fit):
    """A network under training whose epochs have any number of steps and may leave a part out.

    ``once`` are the examples of the split; an epoch that is longer goes through them several times.
    """

    once: Examples
    without_network = False
    ready_inputs = False

    @classmethod
    def of(cls, accelerator: Accelerator, model: str, recipe: Recipe, edition: Edition, data: Data) -> Timed:
        """Return the first network of a model, with random weights: they do not change the speed."""
        whole = MODELS[model].from_recipe(recipe, edition.tree)
        whole.to(accelerator.device)
        whole.to(memory_format=torch.channels_last)
        name, network = next(iter(whole.networks().items()))
        fit = cls(accelerator, whole, name, network, recipe, (0, 0), data, data)
        # However few galaxies there are, the batch is the recipe's: they are gone through several times.
        fit.batch, fit.once = recipe.batch, fit.examples
        fit.micro = recipe.micro_batch or recipe.batch
        return fit

    def parts(self) -> tuple[str, ...]:
        """Return the parts that can be timed here; only a GPU keeps pixels resident."""
        return tuple(part for part in PARTS if part != "resident" or self.train.pixels.resident is not None)

    def steps_in(self, part: str, seconds: float) -> int:
        """Return how many steps of a part take about so long, at least 2; this also warms it up."""
        most, steps = max(2, MOST // self.batch), 2
        self.seconds(part, 1)
        while (taken := self.seconds(part, steps)) < seconds / 4 and steps < most:
            steps *= 4
        return min(most, max(2, round(seconds * steps / taken)))

    def images_per_second(self, part: str, steps: int) -> float:
        """Return the images a second of a part, over so many steps."""
        return steps * self.batch / self.seconds(part, steps)

    def seconds(self, part: str, steps: int) -> float:
        """Return the seconds that a part of an epoch of so many steps takes."""
        self.steps = steps
        times = math.ceil(steps * self.batch / len(self.once.rows))
        strata = None if self.once.strata is None else np.tile(self.once.strata, times)
        self.examples = Examples(np.tile(self.once.rows, times), np.tile(self.once.targets, (times, 1)), strata)
        self.targets = torch.from_numpy(self.examples.targets).to(self.accelerator.device)
        with self._only(part), tqdm(disable=True) as bar:
            synchronize(self.accelerator.device)
            began = time.perf_counter()
            self._learn(1, bar)
            synchronize(self.accelerator.device)
            return time.perf_counter() - began

    @contextlib.contextmanager
    def _only(self, part: str) -> Iterator[None]:
        usual = self.recipe, self.train, self.average
        try:
            if part in DATA_PATHS:
                # There is no network here whose weights could be averaged.
                self.without_network, self.average = True, None
                if part == "streamed":
                    self.train = Data(_streamed(self.train.pixels), self.train.truth)
                yield
            elif part == "step":
                self.recipe = replace(self.recipe, **PLAIN)
                ready = RandomInputs(self.batch, self.recipe.resolution, self.accelerator.device)
                self.train = Data(ready, self.train.truth)  # type: ignore[arg-type]
                self.ready_inputs = True
                yield
            else:
                yield
        finally:
            self.without_network = self.ready_inputs = False
            self.recipe, self.train, self.average = usual

    def _step(
        self, images: torch.Tensor, draws: augmentation.Draws, targets: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        if not self.without_network:
            return super()._step(images, draws, targets, weights)
        for first in range(0, len(images), self.micro):
            part = slice(first, first + self.micro)
            self._inputs(augmentation.apply(images[part], draws[part]))
        return torch.zeros((), device=images.device)

    def _inputs(self, images: torch.Tensor) -> torch.Tensor:
        return images if self.ready_inputs else super()._inputs(images)


def _streamed(pixels: Pixels) -> Pixels:
    """Return the same pixels as if the device had no room to keep them."""
    streamed = copy(pixels)
    streamed.resident = None
    return streamed


def synchronize(device: torch.device) -> None:
    """Wait until a GPU has done what it was given; a CPU works at once."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def flops(work: Callable[[], object]) -> int:
    """Return the floating-point operations of the convolutions and matrix products that something does.

    A multiplication and an addition count as two; what is done element by element does not count.
    """
    with FlopCounterMode(display=False, custom_mapping={torch.ops.aten.convolution_backward: _gradients}) as counter:
        work()
    return int(counter.get_total_flops())


def _gradients(gradient: Shape, images: Shape, weights: Shape, *others: Any, out_shape: Any, **named: Any) -> int:
    """Return the operations of a convolution's gradients: for images and for weights as many as it has itself.

    The counter's own formula takes every channel with every other, which depthwise convolutions do not: it counts
    the backward pass of an EfficientNet more than ten times.
    """
    *_, transposed, _, _, wanted = others
    return conv_flop_count(list(images), list(weights), list(gradient), transposed) * (wanted[0] + wanted[1])


class MatrixProduct:
    """A product of two large square matrices in the precision of training: the peak that a device really reaches."""

    def __init__(self, accelerator: Accelerator) -> None:
        self.device = accelerator.device
        self.side = 8192 if self.device.type == "cuda" else 2048
        self.precision = torch.bfloat16 if accelerator.mixed_precision == "bf16" else torch.float32
        self.factors = torch.randn(2, self.side, self.side, device=self.device, dtype=self.precision)
        self.rate(0)

    def rate(self, seconds: float) -> float:
        """Return the floating-point operations a second, measured for about so long."""
        done, synchronized = 0, 16 if self.device.type == "cuda" else 1
        synchronize(self.device)
        began = time.perf_counter()
        while not done or time.perf_counter() - began < seconds:
            for _ in range(synchronized):
                torch.mm(self.factors[0], self.factors[1])
            synchronize(self.device)
            done += synchronized
        return done * 2 * self.side**3 / (time.perf_counter() - began)


def facts(model: str, recipe: Recipe, edition: Edition) -> dict[str, Any]:
    """Return what a few steps of training take of a fresh process, and the operations of a step on one image.

    ``peak_memory_bytes``, device and precision are as in run.json; ``micro_batch`` is below the batch where memory ran
    out. A process of its own is the only way to the memory of one model: freed memory of another would be used again
    unseen.
    """
    # Decoding takes memory of its own.
    store(edition, "train", recipe)
    # CUDA cannot be used after a fork if any library has looked for it before; without one, the next model's process
    # begins with the libraries loaded, and with nothing else.
    forked = "forkserver" in get_all_start_methods() and not is_cuda_available()
    context = get_context("forkserver" if forked else "spawn")
    if forked:
        context.set_forkserver_preload([__name__])
    with ProcessPoolExecutor(1, mp_context=context) as process:
        return process.submit(_facts, model, recipe, edition.path).result()


def _facts(model: str, recipe: Recipe, folder: Path) -> dict[str, Any]:
    accelerator, edition = training.accelerator(), Edition.open(folder)
    fit = Timed.of(accelerator, model, recipe, edition, Data.of(edition, "train", recipe, accelerator))
    fit.seconds("both", 1)
    seconds = fit.seconds("both", MEMORY_STEPS)
    done = Training(
        images=MEMORY_STEPS * fit.batch, seconds=seconds, step_seconds=seconds,
        peak_memory=training.peak_memory(accelerator),
    )  # fmt: skip
    numbers = training.measured(accelerator, done)
    kept = {key: numbers[key] for key in ("device", "precision", "peak_memory_bytes")}
    kept |= {"batch": fit.batch, "micro_batch": fit.micro, "network": fit.name}
    # Two images are enough to count; what a compiled network computes cannot be seen.
    fit.batch, fit.micro, fit.wrapped = 2, 2, fit.network
    return kept | {
        "title": weights.title(MODELS[model].title(recipe), recipe),
        "networks": len(fit.model.networks()),
        "parameters": sum(p.numel() for p in fit.network.parameters()),
        "flops": flops(lambda: fit.seconds("step", 1)) / fit.batch,
    }

"""Training: batches, loss, validation and the best checkpoint, on one CPU, one GPU or several processes alike.

Every process draws the same batches from the same seed and takes its share of each, so order and augmentation do
not depend on how many processes or data workers there are.
"""

from __future__ import annotations

import math
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import set_seed
from torch import nn
from tqdm import tqdm

from benchmark import BenchmarkError
from benchmark.models.model import Examples, GalaxyModel
from benchmark.pixels import Pixels, draw_moves, galaxies, move, normalise, store
from benchmark.recipes import Recipe
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.scoring import Truth

EVALUATION_BATCH = 256
"""Images a forward pass without gradients."""


@dataclass(frozen=True)
class Data:
    """Images, votes (galaxies, answers) and names of one split, in the edition's order."""

    pixels: Pixels
    truth: Truth

    @classmethod
    def of(cls, edition: Edition, split: str, recipe: Recipe, accelerator: Accelerator) -> Data:
        """Read a split; the first process of a machine decodes, the others find it done."""
        with accelerator.local_main_process_first():
            images = store(edition, split, recipe, accelerator.is_local_main_process)
        table = galaxies(edition, split)
        truth = Truth(
            edition=edition.name,
            title=edition.title,
            tree=edition.tree,
            content_hash=edition.content_hash,
            split_hash=edition.split_hash,
            names=tuple(table["iauname"]),
            votes=table[list(edition.tree.answer_columns)].to_numpy(dtype=np.int64),
        )
        return cls(Pixels(images, accelerator.device), truth)


@dataclass(frozen=True)
class Point:
    """One epoch of a curve."""

    epoch: int
    train_loss: float
    validation_loss: float
    validation_metric: float | None


@dataclass
class Curve:
    """How one network learned; ``best_epoch`` is the one whose weights were kept."""

    name: str
    points: list[Point] = field(default_factory=list)
    best_epoch: int = 0

    def to_json(self) -> dict[str, object]:
        """Return the curve as it stands in run.json."""
        return asdict(self)


@dataclass
class Training:
    """What a training measured of itself: ``seconds`` in all, ``step_seconds`` without validation."""

    curves: list[Curve]
    images: int
    seconds: float
    step_seconds: float
    peak_memory: int


def measured(accelerator: Accelerator, done: Training) -> dict[str, object]:
    """Return what was measured of a training, as it stands in run.json."""
    device = accelerator.device
    cuda = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if cuda else f"CPU, {torch.get_num_threads()} threads a process",
        "precision": "bfloat16" if accelerator.mixed_precision == "bf16" else "float32",
        "processes": accelerator.num_processes,
        "train_seconds": round(done.seconds, 2),
        "gpu_hours": round(done.seconds * accelerator.num_processes / 3600, 4) if cuda else None,
        "images_per_second": round(done.images / done.step_seconds, 1),
        "peak_memory_bytes": done.peak_memory,
    }


def accelerator() -> Accelerator:
    """Return the accelerator for what there is: bfloat16 on CUDA, float32 and all cores elsewhere."""
    # Several processes without a GPU are meant to talk through gloo; accelerate only knows if it is told.
    cpu = not torch.cuda.is_available() and int(os.environ.get("WORLD_SIZE", "1")) > 1
    state = PartialState(cpu=cpu)
    if state.device.type == "cpu":
        # accelerate launch leaves a process one thread unless it is told otherwise.
        processes = int(os.environ.get("LOCAL_WORLD_SIZE", state.num_processes))
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        torch.set_num_threads(max(1, cores // processes))
    return Accelerator(cpu=cpu, mixed_precision="bf16" if state.device.type == "cuda" else "no")


def train(
    accelerator: Accelerator, model: GalaxyModel, recipe: Recipe, seed: int, train: Data, validation: Data
) -> Training:
    """Train every network of a model in place, each to its epoch of lowest validation loss.

    Raises BenchmarkError if there is nothing to learn from or if a loss is no longer a number.
    """
    model.start(train.truth.votes)
    model.to(accelerator.device)
    # The stored pixels are channels-last already, and CPU convolutions are as fast so (at small sizes faster).
    model.to(memory_format=torch.channels_last)
    if accelerator.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    done = Training([], 0, 0.0, 0.0, 0)
    start = time.perf_counter()
    for index, (name, network) in enumerate(model.networks().items()):
        # Weights were drawn alike everywhere; dropout must differ between processes and networks.
        set_seed((seed * 100 + index) * 100 + accelerator.process_index)
        _train_network(accelerator, model, name, network, recipe, (seed, index), train, validation, done)
        accelerator.free_memory()
    done.seconds = time.perf_counter() - start
    done.peak_memory = _peak_memory(accelerator)
    return done


def _train_network(
    accelerator: Accelerator,
    model: GalaxyModel,
    name: str,
    network: nn.Module,
    recipe: Recipe,
    key: tuple[int, int],
    train: Data,
    validation: Data,
    done: Training,
) -> None:
    examples = model.examples(name, train.truth.votes)
    held_out = model.examples(name, validation.truth.votes)
    for word, part in (("training", examples), ("validation", held_out)):
        if not len(part.rows):
            raise BenchmarkError(f"no {word} galaxy has an answer for {name}: the edition is too small to train on.")
    weights = _balance(examples, recipe.balance)
    batch = min(recipe.batch, len(examples.rows))
    steps = len(examples.rows) // batch
    cuda = accelerator.device.type == "cuda"
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=cuda
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _rate(recipe, steps * recipe.epochs))
    wrapped, optimizer = accelerator.prepare(torch.compile(network) if recipe.compile and cuda else network, optimizer)
    curve, best, best_state = Curve(name), math.inf, {}
    with tqdm(
        total=steps * recipe.epochs, desc=name, unit="step", disable=None if accelerator.is_main_process else True
    ) as bar:
        for epoch in range(1, recipe.epochs + 1):
            began = time.perf_counter()
            rng = np.random.default_rng([*key, epoch])
            order = _order(rng, examples, weights)[: steps * batch]
            moves = draw_moves(rng, len(order), recipe)
            total = torch.zeros((), device=accelerator.device)
            network.train()
            for first in range(0, len(order), batch):
                mine = slice(first + accelerator.process_index, first + batch, accelerator.num_processes)
                chosen = order[mine]
                images = move(train.pixels.take(examples.rows[chosen]), moves[mine])
                targets = torch.from_numpy(examples.targets[chosen]).to(accelerator.device, non_blocking=True)
                losses = model.loss(name, wrapped(_inputs(model, images)), targets)
                # Gradients are averaged over processes: this makes their mean that of the whole batch.
                accelerator.backward(losses.sum() * (accelerator.num_processes / batch))
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                schedule.step()
                total += losses.detach().sum()
                bar.update()
            train_loss = float(accelerator.reduce(total, "sum")) / len(order)
            done.step_seconds += time.perf_counter() - began
            done.images += len(order)
            network.eval()
            outputs = evaluate(accelerator, lambda x: wrapped(x), model, validation)
            found = model.loss(name, outputs[held_out.rows], torch.from_numpy(held_out.targets)).numpy()
            validation_loss = float(np.average(found, weights=_weights(held_out, weights)))
            if not math.isfinite(train_loss) or not math.isfinite(validation_loss):
                raise BenchmarkError(
                    f"the loss of {name} is no longer a number (epoch {epoch}): training was stopped and nothing "
                    f"written. Try a lower learning rate, as in --set learning_rate={recipe.learning_rate / 3:.1g}."
                )
            metric = _number(model.metric(name, validation.truth, outputs.numpy()))
            curve.points.append(Point(epoch, train_loss, validation_loss, metric))
            bar.set_postfix(epoch=epoch, train=f"{train_loss:.3f}", validation=f"{validation_loss:.3f}")
            if bar.disable:
                # No terminal: a line an epoch tells the log that work goes on.
                accelerator.print(
                    f"  epoch {epoch}: train {train_loss:.3f}, validation {validation_loss:.3f}", flush=True
                )
            if validation_loss < best:
                best, curve.best_epoch = validation_loss, epoch
                best_state = {k: v.detach().cpu().clone() for k, v in network.state_dict().items()}
            elif recipe.patience and epoch - curve.best_epoch >= recipe.patience:
                break
    network.load_state_dict(best_state)
    if accelerator.num_processes > 1:
        # Gradients are shared, the statistics of batch normalisation are not: those of the main process are kept.
        for buffer in network.buffers():
            torch.distributed.broadcast(buffer, 0)
    accelerator.unwrap_model(wrapped, keep_fp32_wrapper=False)
    kept = curve.points[curve.best_epoch - 1]
    shown = "" if kept.validation_metric is None else f", metric {kept.validation_metric:.3f}"
    accelerator.print(
        f"{name}: {len(examples.rows)} galaxies, best of {len(curve.points)} epochs: {curve.best_epoch} "
        f"(train loss {kept.train_loss:.3f}, validation loss {kept.validation_loss:.3f}{shown})"
    )
    done.curves.append(curve)


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
        for first in range(0, share, EVALUATION_BATCH):
            images = data.pixels.take(mine[first : first + EVALUATION_BATCH])
            parts.append(function(_inputs(model, images)).float())
        return accelerator.gather(torch.cat(parts))[:n].cpu()


def predict(accelerator: Accelerator, model: GalaxyModel, data: Data) -> np.ndarray:
    """Return the model's predictions for its task, float64 (galaxies, columns), in the edition's order."""
    model.eval()
    return evaluate(accelerator, model.predict, model, data).double().numpy()


def _inputs(model: GalaxyModel, images: torch.Tensor) -> torch.Tensor:
    values = normalise(images, model.config.image_mean, model.config.image_std)
    return values.contiguous(memory_format=torch.channels_last)


def _balance(examples: Examples, balance: float) -> np.ndarray:
    """Return the weight of each class, (classes,): its share of the galaxies to the power of -balance."""
    if examples.strata is None or not balance:
        return np.ones(1)
    counts = np.bincount(examples.strata)
    return np.where(counts > 0, (np.maximum(counts, 1) / counts.sum()) ** -balance, 0.0)


def _weights(examples: Examples, weights: np.ndarray) -> np.ndarray:
    """Return the weight of each example; a class that training has not seen weighs nothing."""
    if examples.strata is None or len(weights) == 1:
        return np.ones(len(examples.rows))
    return np.append(weights, np.zeros(max(0, examples.strata.max() + 1 - len(weights))))[examples.strata]


def _order(rng: np.random.Generator, examples: Examples, weights: np.ndarray) -> np.ndarray:
    """Return the examples of an epoch: all once in random order, or drawn by weight where classes are evened out."""
    n = len(examples.rows)
    if len(weights) == 1:
        return rng.permutation(n)
    each = _weights(examples, weights)
    return rng.choice(n, n, p=each / each.sum())


def _rate(recipe: Recipe, steps: int) -> Callable[[int], float]:
    """Return the factor of the learning rate at each step: linear warm-up, then constant or half a cosine."""
    warmup = round(recipe.warmup * steps)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        if recipe.schedule == "constant":
            return 1.0
        return (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup))) / 2

    return factor


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _peak_memory(accelerator: Accelerator) -> int:
    """Return the largest memory any process took, in bytes: allocations on a GPU, else resident memory."""
    if accelerator.device.type == "cuda":
        mine = torch.cuda.max_memory_allocated()
    else:
        # ru_maxrss is in KiB on Linux, in bytes on macOS.
        mine = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return int(accelerator.gather(torch.tensor([mine], device=accelerator.device)).max())

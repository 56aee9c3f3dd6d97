"""Training: batches, loss, validation and the best checkpoint, on one CPU, one GPU or several processes alike.

Every process draws the same batches from the same seed and takes its share of each, so order and augmentation do
not depend on how many processes or data workers there are. What is random in an epoch follows from the seed, the
network and the number of the epoch alone, so that a resumed training goes on as if it had never been interrupted.
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import broadcast_object_list, set_seed
from timm.optim import create_optimizer_v2
from timm.utils import ModelEmaV3
from torch import nn
from tqdm import tqdm

from benchmark import BenchmarkError, augmentation
from benchmark.checkpoint import Checkpoint
from benchmark.models.model import Examples, GalaxyModel
from benchmark.pixels import Pixels, galaxies, normalise, store
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

    @property
    def lowest(self) -> float:
        """The validation loss of the best epoch, infinite before the first."""
        return self.points[self.best_epoch - 1].validation_loss if self.best_epoch else math.inf

    def to_json(self) -> dict[str, Any]:
        """Return the curve as it stands in run.json."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Curve:
        """Return the curve that ``to_json`` wrote."""
        return cls(kept["name"], [Point(**point) for point in kept["points"]], kept["best_epoch"])


@dataclass
class Training:
    """What a training measured of itself: ``seconds`` in all, ``step_seconds`` without validation.

    ``resumed`` tells each time an interrupted training went on: network, epochs done and learning rate.
    """

    curves: list[Curve] = field(default_factory=list)
    images: int = 0
    seconds: float = 0.0
    step_seconds: float = 0.0
    peak_memory: int = 0
    resumed: list[dict[str, Any]] = field(default_factory=list)


def measured(accelerator: Accelerator, done: Training) -> dict[str, object]:
    """Return what was measured of a training, as it stands in run.json."""
    device = accelerator.device
    cuda, threads = device.type == "cuda", torch.get_num_threads()
    cores = f"CPU, {threads} thread{'s' if threads > 1 else ''} a process"
    return {
        "device": torch.cuda.get_device_name(device) if cuda else cores,
        "precision": "bfloat16" if accelerator.mixed_precision == "bf16" else "float32",
        "processes": accelerator.num_processes,
        "train_seconds": round(done.seconds, 2),
        "gpu_hours": round(done.seconds * accelerator.num_processes / 3600, 4) if cuda else None,
        "images_per_second": round(done.images / done.step_seconds, 1),
        "peak_memory_bytes": done.peak_memory,
        "resumed": done.resumed,
    }


def accelerator(deterministic: bool = False) -> Accelerator:
    """Return the accelerator for what there is: bfloat16 on CUDA, float32 and all cores elsewhere.

    Where ``deterministic``, CUDA takes only algorithms that give the same bits every time; a CPU does so anyway.
    """
    if deterministic:
        # cuBLAS reads this when it is first used.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
    # Without CUDA it is the CPU: several processes are then meant to talk through gloo, which accelerate only knows if
    # it is told. Decoding a survey may keep the other processes waiting for hours.
    cpu = not torch.cuda.is_available()
    state = PartialState(cpu=cpu, timeout=timedelta(hours=6))
    if state.device.type == "cpu":
        # accelerate launch leaves a process one thread unless it is told otherwise.
        processes = int(os.environ.get("LOCAL_WORLD_SIZE", state.num_processes))
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        torch.set_num_threads(max(1, cores // processes))
    return Accelerator(cpu=cpu, mixed_precision="bf16" if state.device.type == "cuda" else "no")


def train(
    accelerator: Accelerator,
    model: GalaxyModel,
    recipe: Recipe,
    seed: int,
    train: Data,
    validation: Data,
    checkpoint: Checkpoint | None = None,
    resume: bool = False,
) -> Training:
    """Train every network of a model in place, each to its epoch of lowest validation loss.

    With a ``checkpoint`` every finished epoch is kept there, and with ``resume`` training goes on from it. Raises
    BenchmarkError if there is nothing to learn from, if a loss is no longer a number or if memory does not suffice.
    """
    model.start(train.truth.votes)
    model.to(accelerator.device)
    # The stored pixels are channels-last already, and CPU convolutions are as fast so (at small sizes faster).
    model.to(memory_format=torch.channels_last)
    if accelerator.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    done, finished, begun = Training(), {}, None
    if kept := agree(accelerator, checkpoint.read) if resume and checkpoint else None:
        done.images, done.seconds, done.step_seconds = kept["images"], kept["seconds"], kept["step_seconds"]
        done.resumed, finished, begun = kept["resumed"], kept["finished"], kept["begun"]
    with _log(accelerator, checkpoint) as log:
        for index, (name, network) in enumerate(model.networks().items()):
            if name in finished:
                with _readable(checkpoint):
                    network.load_state_dict(finished[name]["weights"])
                done.curves.append(Curve.from_json(finished[name]["curve"]))
                continue
            fit = Fit(accelerator, model, name, network, recipe, (seed, index), train, validation)
            if begun:
                with _readable(checkpoint):
                    fit.load(begun)
                begun, epochs = None, len(fit.curve.points)
                done.resumed.append({"network": name, "epochs": epochs, "learning_rate": recipe.learning_rate})
                accelerator.print(f"{name}: goes on after epoch {epochs}")
            for _ in fit.epochs(done, log):
                if checkpoint and accelerator.is_main_process:
                    checkpoint.write(asdict(done) | {"finished": finished, "begun": fit.state()})
            fit.end()
            done.curves.append(fit.curve)
            finished[name] = {"weights": _on_cpu(network), "curve": fit.curve.to_json()}
            accelerator.free_memory()
    done.peak_memory = _peak_memory(accelerator)
    return done


def agree(accelerator: Accelerator, decide: Callable[[], Any]) -> Any:
    """Return on every process what the main one decides, or raise its BenchmarkError: others may have another disk."""
    found: list[Any] = [None, None]
    if accelerator.is_main_process:
        try:
            found[0] = decide()
        except BenchmarkError as error:
            found[1] = str(error)
    broadcast_object_list(found)
    if found[1]:
        raise BenchmarkError(found[1])
    return found[0]


@contextlib.contextmanager
def _readable(checkpoint: Checkpoint | None) -> Iterator[None]:
    """Turn what a checkpoint of the wrong shape raises into an error for people."""
    try:
        yield
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        where = checkpoint.path if checkpoint else "the checkpoint"
        raise BenchmarkError(
            f"{where} does not fit this model ({type(error).__name__}). Start with --overwrite."
        ) from None


@contextlib.contextmanager
def _log(accelerator: Accelerator, checkpoint: Checkpoint | None) -> Iterator[Callable[[int, dict[str, float]], None]]:
    """Give a function that writes numbers of an epoch to a TensorBoard log, if tensorboard is installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        checkpoint = None
    if not checkpoint or not accelerator.is_main_process:
        yield lambda epoch, numbers: None
        return
    with SummaryWriter(str(checkpoint.folder / "tensorboard")) as writer:

        def write(epoch: int, numbers: dict[str, float]) -> None:
            for name, value in numbers.items():
                writer.add_scalar(name, value, epoch)

        yield write


class Fit:
    """One network under training, with everything that changes while it learns."""

    def __init__(
        self,
        accelerator: Accelerator,
        model: GalaxyModel,
        name: str,
        network: nn.Module,
        recipe: Recipe,
        key: tuple[int, int],
        train: Data,
        validation: Data,
    ) -> None:
        self.accelerator, self.model, self.name, self.network = accelerator, model, name, network
        self.recipe, self.key, self.train, self.validation = recipe, key, train, validation
        self.examples = model.examples(name, train.truth.votes)
        self.held_out = model.examples(name, validation.truth.votes)
        for word, part in (("training", self.examples), ("validation", self.held_out)):
            if not len(part.rows):
                raise BenchmarkError(
                    f"no {word} galaxy has an answer for {name}: the edition is too small to train on."
                )
        self.weights = _balance(self.examples, recipe.balance)
        self.batch = min(recipe.batch, len(self.examples.rows))
        if self.batch < accelerator.num_processes:
            raise BenchmarkError(
                f"{name}: a step of {self.batch} galaxies cannot be shared by {accelerator.num_processes} processes. "
                "Start fewer of them, or give a larger --set batch."
            )
        self.steps = len(self.examples.rows) // self.batch
        self.micro = recipe.micro_batch or self.batch
        self.targets = torch.from_numpy(self.examples.targets).to(accelerator.device)
        self.rate = _rate(recipe, self.steps * recipe.epochs)
        layer_decay = getattr(recipe, "layer_decay", 1.0)
        optimizer = create_optimizer_v2(
            network,
            opt="adamw",
            lr=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            layer_decay=layer_decay if layer_decay < 1 else None,
            fused=accelerator.device.type == "cuda",
        )
        # Copied before accelerate wraps the network's forward.
        self.average = ModelEmaV3(network, decay=recipe.average, use_warmup=True) if recipe.average else None
        self.wrapped, self.optimizer = accelerator.prepare(_compiled(network, recipe, accelerator.device), optimizer)
        self.curve = Curve(name)
        self.best: dict[str, torch.Tensor] = {}

    def state(self) -> dict[str, Any]:
        """Return what ``load`` needs to go on after the last epoch."""
        return {
            "name": self.name,
            "weights": _on_cpu(self.network),
            "average": _on_cpu(self.average.module) if self.average else None,
            "optimizer": self.optimizer.state_dict(),
            "micro": self.micro,
            "best": self.best,
            "curve": self.curve.to_json(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        self.network.load_state_dict(state["weights"])
        if self.average:
            self.average.module.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.best, self.curve, self.micro = state["best"], Curve.from_json(state["curve"]), int(state["micro"])

    def epochs(self, done: Training, log: Callable[[int, dict[str, float]], None]) -> Iterator[int]:
        """Train epoch by epoch and yield the number of each that ended well, until the recipe says enough."""
        total = self.steps * self.recipe.epochs
        quiet = None if self.accelerator.is_main_process else True
        with tqdm(
            total=total, initial=len(self.curve.points) * self.steps, desc=self.name, unit="step", disable=quiet
        ) as bar:
            while not self._enough():
                epoch, began = len(self.curve.points) + 1, time.perf_counter()
                train_loss = self._learn(epoch, bar)
                spent = time.perf_counter() - began
                validation_loss, metric = self._validate()
                if not math.isfinite(train_loss) or not math.isfinite(validation_loss):
                    raise BenchmarkError(self._no_number(epoch))
                point = Point(epoch, train_loss, validation_loss, metric)
                if validation_loss < self.curve.lowest:
                    self.curve.best_epoch, self.best = epoch, _on_cpu(self._kept_network())
                self.curve.points.append(point)
                done.images += self.steps * self.batch
                done.step_seconds += spent
                done.seconds += time.perf_counter() - began
                shown = {"train": train_loss, "validation": validation_loss}
                bar.set_postfix({"epoch": epoch} | {k: f"{v:.3f}" for k, v in shown.items()})
                numbers = {f"{self.name}/{k}_loss": v for k, v in shown.items()}
                numbers[f"{self.name}/learning_rate"] = self.recipe.learning_rate * self.rate(epoch * self.steps - 1)
                numbers[f"{self.name}/images_per_second"] = self.steps * self.batch / spent
                log(epoch, numbers if metric is None else {**numbers, f"{self.name}/validation_metric": metric})
                if bar.disable:
                    # No terminal: a line an epoch tells the log that work goes on.
                    self.accelerator.print(
                        f"  epoch {epoch}: train {train_loss:.3f}, validation {validation_loss:.3f}", flush=True
                    )
                yield epoch

    def end(self) -> None:
        """Give the network the weights of its best epoch and say which that was."""
        self.network.load_state_dict(self.best)
        # What accelerate hung on the network for mixed precision. Its own unwrap_model spoils the forward of a network
        # that was compiled: it puts back a method that is bound already.
        for name in ("forward", "_original_forward"):
            self.network.__dict__.pop(name, None)
        kept = self.curve.points[self.curve.best_epoch - 1]
        shown = "" if kept.validation_metric is None else f", metric {kept.validation_metric:.3f}"
        self.accelerator.print(
            f"{self.name}: {len(self.examples.rows)} galaxies, best of {len(self.curve.points)} epochs: {kept.epoch} "
            f"(train loss {kept.train_loss:.3f}, validation loss {kept.validation_loss:.3f}{shown})"
        )

    def _enough(self) -> bool:
        epochs, patience = len(self.curve.points), self.recipe.patience
        return epochs >= self.recipe.epochs or bool(patience and epochs - self.curve.best_epoch >= patience)

    def _learn(self, epoch: int, bar: tqdm) -> float:
        """Go through the training galaxies once and return the mean loss."""
        accelerator, recipe = self.accelerator, self.recipe
        rng = np.random.default_rng([*self.key, epoch])
        # Weights were drawn alike everywhere; dropout must differ between processes, networks and epochs.
        set_seed(int(np.random.SeedSequence([*self.key, epoch, accelerator.process_index]).generate_state(1)[0]))
        by_loss = recipe.balance_by == "loss"
        order = _order(rng, self.examples, np.ones(1) if by_loss else self.weights)[: self.steps * self.batch]
        draws = augmentation.draw(rng, len(order), recipe, accelerator.device)
        each = _weights(self.examples, self.weights if by_loss else np.ones(1))
        loss_weights = torch.from_numpy((each / each.mean()).astype(np.float32)).to(accelerator.device)
        total = torch.zeros((), device=accelerator.device)
        mine = [
            slice(first + accelerator.process_index, first + self.batch, accelerator.num_processes)
            for first in range(0, len(order), self.batch)
        ]
        places = torch.from_numpy(order).to(accelerator.device)
        self.network.train()
        images = self.train.pixels.batches(self.examples.rows[order[part]] for part in mine)
        for i, (part, batch) in enumerate(zip(mine, images)):
            factor = self.rate((epoch - 1) * self.steps + i)
            for group in self.optimizer.param_groups:
                group["lr"] = recipe.learning_rate * factor * group.get("lr_scale", 1.0)
            chosen = places[part]
            total += self._step(batch, draws[part], self.targets[chosen], loss_weights[chosen])
            if self.average:
                self.average.update(self.network, step=(epoch - 1) * self.steps + i + 1)
            bar.update()
        # Gradients are shared, the statistics of batch normalisation are not: those of the main process are kept.
        for module in (self.network, *([self.average.module] if self.average else [])):
            for buffer in module.buffers() if accelerator.num_processes > 1 else ():
                torch.distributed.broadcast(buffer, 0)
        return float(accelerator.reduce(total, "sum")) / len(order)

    def _step(
        self, images: torch.Tensor, draws: augmentation.Draws, targets: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        """Take one step of the optimizer and return the sum of the losses; if memory runs out, in smaller parts."""
        while True:
            try:
                total = self._gradients(images, draws, targets, weights)
                break
            except torch.OutOfMemoryError:
                lesser = min(self.micro, len(images)) // 2
            self.optimizer.zero_grad(set_to_none=True)
            if not lesser or self.accelerator.num_processes > 1:
                # Other processes wait in the middle of this step: it cannot be begun again.
                error = BenchmarkError(
                    f"the {self.accelerator.device.type} has too little memory for {min(self.micro, len(images))} "
                    f"images at once. Give a smaller --set micro_batch={max(1, lesser)} (gradients are summed up to "
                    "the same batch), or a lower --set resolution."
                )
                error.alone = self.accelerator.num_processes > 1
                raise error
            torch.cuda.empty_cache()
            self.micro = lesser
            self.accelerator.print(
                f"{self.name}: memory ran out; going on with {lesser} images at once, the batch stays {self.batch}"
            )
        if self.recipe.clip:
            self.accelerator.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return total

    def _gradients(
        self, images: torch.Tensor, draws: augmentation.Draws, targets: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        total = torch.zeros((), device=images.device)
        for first in range(0, len(images), self.micro):
            part = slice(first, first + self.micro)
            last = first + self.micro >= len(images)
            with contextlib.nullcontext() if last else self.accelerator.no_sync(self.wrapped):
                shown = inputs(self.model, augmentation.apply(images[part], draws[part]))
                losses = self.model.loss(self.name, self.wrapped(shown), targets[part]) * weights[part]
                # Gradients are averaged over processes: this makes their mean that of the whole batch.
                self.accelerator.backward(losses.sum() * (self.accelerator.num_processes / self.batch))
            total += losses.detach().sum()
        return total

    def _kept_network(self) -> nn.Module:
        return self.average.module if self.average else self.network

    def _validate(self) -> tuple[float, float | None]:
        """Return loss and metric on the validation galaxies."""
        network = self._kept_network()
        network.eval()
        outputs = evaluate(self.accelerator, network, self.model, self.validation)
        found = self.model.loss(self.name, outputs[self.held_out.rows], torch.from_numpy(self.held_out.targets)).numpy()
        loss = float(np.average(found, weights=_weights(self.held_out, self.weights)))
        if not math.isfinite(loss):
            return loss, None
        return loss, _number(self.model.metric(self.name, self.validation.truth, outputs.numpy()))

    def _no_number(self, epoch: int) -> str:
        lower = f"--set learning_rate={self.recipe.learning_rate / 3:.1g}"
        kept = (
            f"What was learned before is kept: add --resume {lower}."
            if epoch > 1 or self.key[1]
            else f"Try a lower learning rate, as in {lower}."
        )
        return f"the loss of {self.name} is no longer a number (epoch {epoch}): training was stopped. {kept}"


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


def _compiled(network: nn.Module, recipe: Recipe, device: torch.device) -> nn.Module:
    return torch.compile(network) if recipe.compile and device.type == "cuda" else network  # type: ignore[return-value]


def _on_cpu(network: nn.Module) -> dict[str, torch.Tensor]:
    return {key: value.detach().to("cpu", copy=True) for key, value in network.state_dict().items()}


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

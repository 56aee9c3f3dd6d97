"""The fit of one network: its epochs, steps and validations, and the weights of its best epoch.

Every process draws the same batches from the same seed and takes its share of each, so order and augmentation do
not depend on how many processes or data workers there are. What is random in an epoch follows from the seed, the
network and the number of the epoch alone, so that a resumed training goes on as if it had never been interrupted.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from timm.optim import create_optimizer_v2
from timm.utils import ModelEmaV3
from torch import nn
from tqdm import tqdm

from benchmark import BenchmarkError, augmentation, evaluation
from benchmark.evaluation import Data
from benchmark.learning_curves import Curve, Point, Training
from benchmark.recipes import Recipe
from benchmark.trained_parts import hold
from galaxy_zoo_decals.models.model import Examples, GalaxyModel


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
        self.weights = _balance(self.examples, recipe.class_balance)
        self.batch = min(recipe.batch, len(self.examples.rows))
        if self.batch < accelerator.num_processes:
            raise BenchmarkError(
                f"{name}: a step of {self.batch} galaxies cannot be shared by {accelerator.num_processes} processes. "
                "Start fewer of them, or give a larger --set batch."
            )
        self.steps = len(self.examples.rows) // self.batch
        self.micro = recipe.micro_batch or self.batch
        self.targets = torch.from_numpy(self.examples.targets).to(accelerator.device)
        self.held = hold(network, recipe)
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
        self.average = ModelEmaV3(network, decay=recipe.ema_decay, use_warmup=True) if recipe.ema_decay else None
        self.wrapped, self.optimizer = accelerator.prepare(_compiled(network, recipe, accelerator.device), optimizer)
        self.curve = Curve(name)
        self.best: dict[str, torch.Tensor] = {}

    def state(self) -> dict[str, Any]:
        """Return what ``load`` needs to go on after the last epoch."""
        return {
            "name": self.name,
            "weights": on_cpu(self.network),
            "average": on_cpu(self.average.module) if self.average else None,
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
                    self.curve.best_epoch, self.best = epoch, on_cpu(self._kept_network())
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
        by_loss = recipe.class_balance_by == "loss"
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
        for module in self.held:
            module.eval()
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
                shown = self._inputs(augmentation.apply(images[part], draws[part]))
                losses = self.model.loss(self.name, self.wrapped(shown), targets[part]) * weights[part]
                # Gradients are averaged over processes: this makes their mean that of the whole batch.
                self.accelerator.backward(losses.sum() * (self.accelerator.num_processes / self.batch))
            total += losses.detach().sum()
        return total

    def _inputs(self, images: torch.Tensor) -> torch.Tensor:
        return evaluation.inputs(self.model, images)

    def _kept_network(self) -> nn.Module:
        return self.average.module if self.average else self.network

    def _validate(self) -> tuple[float, float | None]:
        """Return loss and metric on the validation galaxies."""
        network = self._kept_network()
        network.eval()
        outputs = evaluation.evaluate(self.accelerator, network, self.model, self.validation)
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


def on_cpu(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return a copy of a network's weights in the memory of the host."""
    return {key: value.detach().to("cpu", copy=True) for key, value in network.state_dict().items()}


def _compiled(network: nn.Module, recipe: Recipe, device: torch.device) -> nn.Module:
    return torch.compile(network) if recipe.compile and device.type == "cuda" else network  # type: ignore[return-value]


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

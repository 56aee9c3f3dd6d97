"""Small trainings for tests of the harness: tiny recipes on the toy edition, in this process."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import ParamSpec, TypeVar
from unittest import mock

import torch
from accelerate import Accelerator

from benchmark import evaluation, learning_curves, recipes, run, trainer, training
from benchmark.checkpoint import Checkpoint
from benchmark.recipes import Recipe
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.models import MODELS, GalaxyModel

TINY = ["--set", "resolution=32", "--set", "epochs=2", "--set", "batch=16"]
TINY_CNN = [*TINY, "--set", "channels=4,8", "--set", "hidden=8"]


def recipe(model: str = "multiclass", *more: str) -> Recipe:
    """Settings of a network that learns in a second, as far as the model has them."""
    chosen = recipes.choose("quick", model)
    tiny = ["resolution=32", "epochs=2", "batch=16", "channels=4,8", "hidden=8", "weights=none"]
    known = [setting for setting in tiny if hasattr(chosen[model], setting.split("=")[0])]
    return recipes.override(chosen, [*known, *more])[model]


Given = ParamSpec("Given")
Result = TypeVar("Result")


def in_a_new_process(function: Callable[Given, Result], *given: Given.args, **named: Given.kwargs) -> Result:
    """Call a function in a process that has loaded the libraries and done nothing yet, from where it may ``fork``."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *given, **named).result()


def fork(words: list[str], said: Path, **environment: str) -> BaseProcess:
    """Start ``benchmark/run.py`` as a fork of this process, which has the libraries; what it says is in a file."""
    started = multiprocessing.get_context("fork").Process(target=_be_a_run, args=(words, said, environment))
    started.start()
    return started


def _be_a_run(words: list[str], said: Path, environment: dict[str, str]) -> None:
    os.environ.update(environment)
    with said.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.exit(run.main(words))


def train(
    accelerator: Accelerator,
    edition: Edition,
    settings: Recipe,
    model: str = "multiclass",
    seed: int = 0,
    checkpoint: Checkpoint | None = None,
    resume: bool = False,
) -> tuple[GalaxyModel, learning_curves.Training, evaluation.Data]:
    """Train a model and return it with its measurements and the validation split."""
    torch.manual_seed(seed)
    network = MODELS[model].from_recipe(settings, edition.tree)
    data, validation = (evaluation.Data.of(edition, s, settings, accelerator) for s in ("train", "validation"))
    done = training.train(accelerator, network, settings, seed, data, validation, checkpoint, resume)
    return network, done, validation


def first_gradients(
    accelerator: Accelerator, edition: Edition, settings: Recipe, process: int = 0, processes: int = 1
) -> dict[str, torch.Tensor]:
    """Return the first step's gradients of one of several processes, by parameter, before torch averages them."""
    torch.manual_seed(0)
    model = MODELS["multiclass"].from_recipe(settings, edition.tree).to(accelerator.device)
    data, validation = (evaluation.Data.of(edition, s, settings, accelerator) for s in ("train", "validation"))
    found = trainer.Fit(accelerator, model, "multiclass", model.network, settings, (0, 0), data, validation)
    found.accelerator = mock.Mock(wraps=accelerator, device=accelerator.device, is_main_process=False)
    found.accelerator.num_processes, found.accelerator.process_index = processes, process
    with mock.patch.object(found.optimizer, "step", side_effect=KeyboardInterrupt):
        try:
            next(found.epochs(learning_curves.Training(), lambda epoch, numbers: None))
        except KeyboardInterrupt:
            return {name: p.grad.clone() for name, p in model.network.named_parameters() if p.grad is not None}
    raise AssertionError("no step was taken")

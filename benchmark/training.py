"""Training: every network of a model in turn, on one CPU, one GPU or several processes alike, with a checkpoint."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import broadcast_object_list

from benchmark import BenchmarkError, environment
from benchmark.checkpoint import Checkpoint
from benchmark.evaluation import Data
from benchmark.learning_curves import Curve, Training
from benchmark.recipes import Recipe
from benchmark.trainer import Fit, on_cpu
from galaxy_zoo_decals.models.model import GalaxyModel

PATIENCE = 30.0
"""Seconds that the processes of a training may take to find each other without a word."""


def accelerator(deterministic: bool = False) -> Accelerator:
    """Return the accelerator for what there is: bfloat16 on CUDA, float32 and all cores elsewhere.

    Where ``deterministic``, CUDA takes only algorithms that give the same bits every time; a CPU does so anyway.
    Raises BenchmarkError where what the environment asks for cannot be had.
    """
    environment.settle()
    if deterministic:
        # cuBLAS reads this when it is first used.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
    processes = environment.one_of()
    # Without CUDA it is the CPU: several processes are then meant to talk through gloo, which accelerate only knows if
    # it is told. Decoding a survey may keep the other processes waiting for hours.
    cpu = environment.wants_cpu() or not torch.cuda.is_available()
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if cpu and hidden not in ("", "-1") and not environment.wants_cpu():
        print(f"note: CUDA_VISIBLE_DEVICES={hidden} is no GPU that works here: it is the CPU.", file=sys.stderr)
    if not cpu and processes > 1:
        _check_gpus(int(os.environ.get("LOCAL_WORLD_SIZE", "1")), torch.cuda.device_count())
    with _waiting(processes):
        try:
            state = PartialState(cpu=cpu, timeout=timedelta(hours=6))
        except (ValueError, RuntimeError, ImportError, NotImplementedError) as error:
            raise BenchmarkError(
                f"accelerate cannot start here ({str(error).strip().splitlines()[0][:200]}). What it was told: "
                "`env | grep -E 'ACCELERATE|RANK|WORLD_SIZE|MASTER|CUDA'`."
            ) from None
    if state.device.type == "cpu":
        # accelerate launch leaves a process one thread unless it is told otherwise.
        here = int(os.environ.get("LOCAL_WORLD_SIZE", state.num_processes))
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        torch.set_num_threads(max(1, cores // here))
    return Accelerator(cpu=cpu, mixed_precision="bf16" if state.device.type == "cuda" else "no")


def _check_gpus(processes: int, gpus: int) -> None:
    if processes > gpus:
        raise BenchmarkError(
            f"{processes} processes were started on this machine, which has {gpus} GPU{'s' if gpus > 1 else ''} for "
            f"them. Start as many as there are: `accelerate launch --num_processes {gpus}`."
        )


@contextlib.contextmanager
def _waiting(processes: int) -> Iterator[None]:
    """Say so where the other processes of a training are waited for: they may never come."""

    def tell() -> None:
        where = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
        print(
            f"note: process {os.environ.get('RANK')} waits at {where} for all {processes} processes of this training. "
            "If it was started alone, interrupt it and `unset RANK WORLD_SIZE LOCAL_RANK`.",
            file=sys.stderr,
            flush=True,
        )

    timer = threading.Timer(PATIENCE, tell)
    timer.daemon = True
    if processes > 1:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


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
            if not len(model.examples(name, train.truth.votes).rows) and len(model.networks()) > 1:
                model.silence(name)
                accelerator.print(f"{name}: no training galaxy has an answer, so it says the same of all galaxies")
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
            finished[name] = {"weights": on_cpu(network), "curve": fit.curve.to_json()}
            accelerator.free_memory()
    done.peak_memory = peak_memory(accelerator)
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


def peak_memory(accelerator: Accelerator) -> int:
    """Return the largest memory any process took, in bytes: allocations on a GPU, else resident memory."""
    if accelerator.device.type == "cuda":
        mine = torch.cuda.max_memory_allocated()
    else:
        # ru_maxrss is in KiB on Linux, in bytes on macOS.
        mine = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return int(accelerator.gather(torch.tensor([mine], device=accelerator.device)).max())

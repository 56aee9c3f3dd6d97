"""What accelerate's config, a launcher or a cluster hands down in variables: kept, overruled with a note, or refused.

A recipe fixes how its networks are trained. Only where and in how many processes is up to those who start it.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass

from benchmark import BenchmarkError

YES = frozenset({"y", "yes", "t", "true", "on", "1"})
NO = frozenset({"n", "no", "f", "false", "off", "0"})
"""What accelerate reads as yes and no; it ends in a traceback on anything else."""

OFF = NO | {"", "none"}
"""Values of a variable by which its config says that something is not wanted."""

FLAGS = ("ACCELERATE_USE_CPU", "ACCELERATE_DEBUG_MODE", "ACCELERATE_CPU_AFFINITY", "FORK_LAUNCHED")
"""Variables of accelerate that are yes or no, and that nothing here overrules."""

LAUNCH = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
"""What `accelerate launch` and torchrun tell every process of a training."""

WHOLE = r"[1-9][0-9]{0,5}"
"""A number of threads or processes."""

MPI = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
"""Where MPI's launchers say how many processes they started; accelerate takes these for processes of one training."""

ALONE = "To train in this process alone, `unset {}`; to train in several, start them with `accelerate launch`."


@dataclass(frozen=True)
class Overruled:
    """A part of accelerate's config that recipes overrule: its variables, and what is said where it is asked for."""

    name: str
    """The variable that asks for it."""
    words: str
    variables: tuple[str, ...]
    """Beginnings of the names of all variables that are taken away."""
    wanted: Callable[[str], bool] = lambda value: value.lower() not in OFF


SHARED = "every process trains the whole network on its share of a batch"

OVERRULED = (
    Overruled(
        "ACCELERATE_DYNAMO_BACKEND",
        "asks for torch.compile; --set compile decides that, on CUDA alone",
        ("ACCELERATE_DYNAMO_",),
    ),
    Overruled("ACCELERATE_USE_DEEPSPEED", f"asks for DeepSpeed; {SHARED}", ("ACCELERATE_USE_DEEPSPEED",)),
    Overruled("ACCELERATE_USE_FSDP", f"asks for FSDP; {SHARED}", ("ACCELERATE_USE_FSDP", "FSDP_")),
    Overruled("ACCELERATE_USE_MEGATRON_LM", f"asks for Megatron-LM; {SHARED}", ("ACCELERATE_USE_MEGATRON_LM",)),
    Overruled(
        "ACCELERATE_USE_PARALLELISM_CONFIG",
        f"asks for parallelism within a network; {SHARED}",
        ("ACCELERATE_USE_PARALLELISM_CONFIG", "PARALLELISM_CONFIG_"),
    ),
    Overruled("ACCELERATE_USE_SAGEMAKER", f"asks for SageMaker's library; {SHARED}", ("ACCELERATE_USE_SAGEMAKER",)),
    Overruled(
        "ACCELERATE_GRADIENT_ACCUMULATION_STEPS",
        "asks for accumulated gradients; --set batch and --set micro_batch decide that",
        ("ACCELERATE_GRADIENT_ACCUMULATION_STEPS",),
        lambda value: value != "1",
    ),
    Overruled(
        "ACCELERATE_TORCH_DEVICE",
        "names a device; the first one that CUDA_VISIBLE_DEVICES leaves is taken, else the CPU",
        ("ACCELERATE_TORCH_DEVICE",),
    ),
    # Its value is told to `accelerate launch` as well, so it stays; what the accelerator is told goes before it.
    Overruled(
        "ACCELERATE_MIXED_PRECISION",
        "asks for another precision; it is bfloat16 on CUDA and float32 elsewhere",
        (),
        lambda value: value.lower() not in {*OFF, "bf16"},
    ),
)


def settle(environ: MutableMapping[str, str] = os.environ) -> list[str]:
    """Take away what recipes overrule and what was left over, and return a note of each that was asked for.

    Raises BenchmarkError where the variables speak of several processes and do not say which one this is. Called
    again it finds nothing more.
    """
    notes = []
    for one in OVERRULED:
        if one.name in environ and one.wanted(environ[one.name]):
            notes.append(f"{one.name}={environ[one.name]} {one.words}")
        for name in [name for name in environ if name.startswith(one.variables)] if one.variables else []:
            del environ[name]
    if one_of(environ) == 1:
        notes += _alone(environ)
    else:
        if not re.fullmatch(WHOLE, environ.get("LOCAL_WORLD_SIZE", "1")):
            del environ["LOCAL_WORLD_SIZE"]
        notes += _unknown_host(environ["MASTER_ADDR"])
    # accelerate takes it for a whole number. It is overruled anyway: a process uses all cores that are its own.
    if not re.fullmatch(WHOLE, environ.get("OMP_NUM_THREADS", "1")):
        notes.append(f"OMP_NUM_THREADS={environ.pop('OMP_NUM_THREADS')} is no whole number and was not used")
    for name in FLAGS:
        if environ.get(name, "no").lower() not in YES | NO:
            value = environ.pop(name)
            notes += [f"{name}={value} is neither yes nor no and was not used"] if value else []
    return notes


def wants_cpu(environ: MutableMapping[str, str] = os.environ) -> bool:
    """Return whether accelerate's config, or `accelerate launch --cpu`, asks for the CPU where there is a GPU."""
    return environ.get("ACCELERATE_USE_CPU", "no").lower() in YES


def one_of(environ: MutableMapping[str, str] = os.environ) -> int:
    """Return of how many processes of one training this is one; BenchmarkError where the variables do not agree."""
    said = {name: environ[name] for name in LAUNCH if environ.get(name, "") != ""}
    numbers = {name: _number(name, said[name]) for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK") if name in said}
    size = numbers.get("WORLD_SIZE", 1)
    if size <= 1:
        if stray := [name for name in ("RANK", "LOCAL_RANK") if numbers.get(name, 0)]:
            raise _stray(
                f"{stray[0]} is {said[stray[0]]}, as in one of several processes, but WORLD_SIZE is "
                f"{said.get('WORLD_SIZE', 'not set')}. {ALONE.format(' '.join(numbers))}"
            )
        return 1
    if lacking := [name for name in LAUNCH if name not in said]:
        raise _stray(
            f"WORLD_SIZE is {size}, as in one of several processes, with {', '.join(lacking)} not set. "
            f"{ALONE.format('WORLD_SIZE')}"
        )
    if numbers["RANK"] >= size:
        raise _stray(f"RANK is {said['RANK']}, but WORLD_SIZE is {size}. {ALONE.format('RANK LOCAL_RANK WORLD_SIZE')}")
    if not 0 < _number("MASTER_PORT", said["MASTER_PORT"]) < 2**16:
        raise _stray(f"MASTER_PORT is {said['MASTER_PORT']}, which is no port.")
    return size


def _alone(environ: MutableMapping[str, str]) -> list[str]:
    """Take away what would let accelerate look for other processes where there is one; notes of what was started."""
    notes = []
    if any(not environ.get(name) for name in LAUNCH):
        for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
            environ.pop(name, None)
    several = [name for name in MPI if environ.get(name, "1") not in ("", "0", "1")]
    if several:
        notes.append(
            f"{several[0]}={environ[several[0]]}: MPI's processes train apart, each by itself; those of one training "
            "are started by `accelerate launch`"
        )
    for name in MPI:
        environ.pop(name, None)
    return notes


def _unknown_host(name: str) -> list[str]:
    """Return a note where nobody knows the first machine: torch asks again for minutes, as it may yet come up."""
    try:
        socket.getaddrinfo(name, None)
    except (OSError, UnicodeError):
        return [f"MASTER_ADDR={name}: no machine of this name is known here. It is waited for; Ctrl-C ends that"]
    return []


def _stray(words: str) -> BenchmarkError:
    error = BenchmarkError(words)
    error.alone = True  # which process this is, is what the variables do not say
    return error


def _number(name: str, value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", value):
        raise _stray(f"{name} is {value!r}, which is no number. {ALONE.format(name)}")
    return int(value)

"""What the commands' arguments may be. Each function reads one, or raises what argparse shows with the usage."""

from __future__ import annotations

import argparse
import platform
import re
from collections.abc import Callable
from pathlib import Path

from galaxy_zoo_decals.version import VERSION


def add_version(parser: argparse.ArgumentParser) -> None:
    """Let a command say with --version of which package it is, and by which Python it runs."""
    version = f"galaxy-zoo-decals {VERSION}, Python {platform.python_version()}"
    parser.add_argument("--version", action="version", version=version)


def edition_name(text: str) -> str:
    """Return the name of an edition, which is also that of its folder."""
    from galaxy_zoo_decals.edition import NAME

    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r}: a name is made of a-z, 0-9, - and _, at most 64 of them")
    return text


def licence(text: str) -> str:
    """Return what has the form of an SPDX name of a licence."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,63}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no SPDX name of a licence, such as CC-BY-4.0")
    return text


def file(text: str) -> Path:
    """Return the path of a file; a device or a pipe, which may never end, is none."""
    path = Path(text)
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise argparse.ArgumentTypeError(f"{text} is a device or a pipe; write it to a file first")
    return path


def whole_number(text: str) -> int:
    """Return a whole number."""
    try:
        return int(text)
    except ValueError:  # digits without end too
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no whole number") from None


def between(low: int, high: int) -> Callable[[str], int]:
    """Return what reads a whole number from ``low`` to ``high``, both included."""

    def number(text: str) -> int:
        value = whole_number(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text[:40]} is not between {low:,} and {high:,}")
        return value

    return number


def seed(text: str) -> int:
    """Return a seed that numpy takes: 32 bits."""
    return between(0, 2**32 - 1)(text)


def archive_numbers(text: str) -> tuple[int, ...]:
    """Return which of the four archives of images are meant, in order."""
    numbers = sorted({whole_number(number) for number in text.split(",")})
    if not set(numbers) <= {1, 2, 3, 4}:
        raise argparse.ArgumentTypeError(f"{text!r}: the archives are numbered 1 to 4, as in 1,2")
    return tuple(numbers)


def positive(text: str) -> int:
    """Return a whole number above 0."""
    number = whole_number(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number

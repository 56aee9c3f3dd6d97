"""Reading and writing files that may be hostile or half-finished: bounded, without links, renamed into place."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from galaxy_zoo_decals.errors import UserError

MEBIBYTE = 2**20
LARGEST_TEXT = 4 * MEBIBYTE
"""Largest text file that is read at all; the checks set tighter bounds for submissions."""


class LeaderboardError(UserError):
    """Something that cannot be submitted, scored or shown; the message says where and what to do."""


def visible(text: str, limit: int = 600) -> str:
    """Return a text from outside as one bounded line without control characters, fit for a terminal or a report."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_text(path: Path, limit: int = LARGEST_TEXT) -> str:
    """Return a small UTF-8 text file; raises LeaderboardError if it is a link, too large or not UTF-8."""
    if path.is_symlink() or not path.is_file():
        raise LeaderboardError(f"{path}: not a regular file.")
    if path.stat().st_size > limit:
        raise LeaderboardError(f"{path}: {path.stat().st_size:,} bytes; at most {limit:,} are read.")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise LeaderboardError(f"{path}: not UTF-8 text (byte {error.start}).") from None


def read_json(path: Path, limit: int = LARGEST_TEXT) -> Any:
    """Return a small JSON file; raises LeaderboardError with the line where it breaks."""
    try:
        return json.loads(read_text(path, limit))
    except json.JSONDecodeError as error:
        raise LeaderboardError(f"{path}: line {error.lineno}: not JSON ({error.msg}).") from None
    except ValueError as error:  # such as a number of thousands of digits
        raise LeaderboardError(f"{path}: not JSON that can be read ({error}).") from None
    except RecursionError:
        raise LeaderboardError(f"{path}: JSON nested too deeply to be read.") from None


def write_json(path: Path, content: object) -> None:
    """Write JSON with a fixed form (sorted keys, one value a line), so that equal content has equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")


@contextlib.contextmanager
def folder_in_place(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``target`` that takes its place when the block ends well, else vanishes.

    Killed at any point, ``target`` is the old one or the new one as soon as anybody asks for it (``recovered``).
    """
    recovered(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    beside, old = _beside(target, "partial"), _beside(target, "old")
    beside.mkdir()
    try:
        yield beside
        if target.exists():
            target.rename(old)
        beside.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def recovered(target: Path) -> Path:
    """Return ``target`` after undoing what a process left that was killed while it put a folder in its place.

    Between the two renames of that process there is no ``target``: the old one goes back.
    """
    for left in sorted(target.parent.glob(f".{glob.escape(target.name)}.*.*")):
        number, _, kind = left.name.removeprefix(f".{target.name}.").partition(".")
        if not number.isdigit() or kind not in ("old", "partial") or _lives(int(number)):
            continue
        if kind == "old" and not target.exists():
            left.rename(target)
        shutil.rmtree(left, ignore_errors=True)
    return target


def _beside(target: Path, kind: str) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}.{kind}")


def _lives(process: int) -> bool:
    """Return whether another process of that number runs; this one's own leftovers are of an earlier one."""
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True

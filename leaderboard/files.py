"""Reading and writing files that may be hostile or half-finished: bounded and without links."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from galaxy_zoo_decals import atomic
from galaxy_zoo_decals.errors import UserError

MEBIBYTE = 2**20
LARGEST_TEXT = 4 * MEBIBYTE
"""Largest text file that is read at all; the checks set tighter bounds for submissions."""


ROOT = Path(__file__).resolve().parents[1]
"""The clone."""

DATA = Path(__file__).resolve().parent
"""Where submissions, scores, versions and the maintainers' lists lie."""


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
    """Write JSON whole or not at all, sorted keys and one value a line, so that equal content has equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    atomic.write_text(path, f"{text}\n")

"""The one base of errors that are for the user: their message says what was wrong, where, and what to do."""

from __future__ import annotations

import errno
import os

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system says of a write for which there is no room: disk, quota, or the largest file that is allowed."""


class UserError(ValueError):
    """What a person gave cannot be used; commands print the message without a traceback."""

    def _render_traceback_(self) -> list[str]:
        """Return the one line that IPython and Jupyter show in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


def letters(name: object) -> str:
    """Return the name of a file in whole letters: bytes of it that are no UTF-8 are written as their codes."""
    return str(name).encode(errors="backslashreplace").decode()


def failure(error: OSError) -> str:
    """Return one sentence on a failure of the system: the file and the reason, or what to look at if none is named."""
    reason = (error.strerror or str(error) or type(error).__name__).rstrip(".")
    if error.filename is not None:
        return f"{error.filename}: {reason}."
    system = os.strerror(error.errno) if error.errno else ""
    why = reason if not system or system in reason else f"{reason} ({system})"
    return (
        f"reading or writing a file failed: {why}. The disk may be full or gone, or the network's disk slow to answer: "
        "look with `df -h`, then run the same command again."
    )

"""Ctrl-C in a command's first second, while libraries are loaded: one line, and no traceback out of one of them."""

from __future__ import annotations

import os
import signal
from types import FrameType


def until_ready(program: str) -> None:
    """Let Ctrl-C end the process with one line and status 130: nothing is begun yet that could be left half-done."""

    def end(number: int, frame: FrameType | None) -> None:
        os.write(2, f"\n{program}: interrupted before anything was begun.\n".encode())
        os._exit(130)

    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # nohup and background jobs stay deaf to it
        signal.signal(signal.SIGINT, end)


def ready() -> None:
    """Let Ctrl-C raise KeyboardInterrupt again, as Python has it: the command can end in order now."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)

"""Processes and threads that do not get in each other's way."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import wait


def start() -> None:
    """Prepare a worker, as the initializer of a pool: it dies with its parent and leaves Ctrl-C to it.

    A pool's workers wait for work on a pipe whose other end they hold themselves, so without this they would
    outlive a parent that was killed, for ever.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def one_thread_of_blas() -> None:
    """Keep matrix products on the thread that asks for them, unless the user chose otherwise; before numpy's import.

    Boards are scored by threads of their own. Those of OpenBLAS wait for each other by spinning and, on cores that
    others use too, made scoring three times as slow.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _follow(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)

"""Folders that several processes write: one at a time, and a new one takes the place of the old one whole."""

from __future__ import annotations

import errno
import glob
import os
import re
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from galaxy_zoo_decals.errors import UserError

WITHOUT_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL})
"""What a file system that has no locks answers when it is asked for one."""

PATIENCE = 60.0
"""Seconds to wait while another process moves a folder into its place: two renames."""


@contextmanager
def alone(lock: Path, busy: Callable[[str], UserError], wait: float = 0.0) -> Iterator[None]:
    """Hold a lock file until the block ends; raises what ``busy`` makes of the holder, as "process 7 on host", if held.

    The lock of a process that died is free. Where the file system has no locks a file that names its holder is one.
    """
    with ExitStack() as held:
        try:
            try:
                taken: BaseFileLock = held.enter_context(FileLock(lock, timeout=wait))
            except (OSError, NotImplementedError) as error:
                if isinstance(error, OSError) and error.errno not in WITHOUT_LOCKS:
                    raise
                lock = lock.with_name(f"{lock.stem}.soft{lock.suffix}")
                taken = held.enter_context(SoftFileLock(lock, timeout=wait))
        except Timeout:
            raise busy(_holder(lock)) from None
        held.callback(lock.unlink, missing_ok=True)  # while it is held: whoever waits on it sees that it is gone
        if not isinstance(taken, SoftFileLock):  # which says so itself, in the same words
            lock.write_text(f"{os.getpid()}\n{socket.gethostname()}\n")
        yield


def _holder(lock: Path) -> str:
    try:
        found = re.match(r"([0-9]{1,10})\n([!-~]{1,255})\n", lock.read_text(errors="replace"))
    except OSError:
        found = None
    return f"process {found[1]} on {found[2]}" if found else "another process"


@contextmanager
def in_place(target: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of ``target`` when the block ends well, and vanishes when it does not.

    Killed at any point, or without power, ``target`` is the old folder or the new one, whole, as soon as ``settle`` is
    asked, as this does. What a process of this machine left that died before is removed.
    """
    settle(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(f".{glob.escape(target.name)}.*.partial"):
        found = re.fullmatch(r"([0-9]+)@(.+)\.partial", left.name.removeprefix(f".{target.name}."))
        if found and found[2] == socket.gethostname() and not _lives(int(found[1])):
            shutil.rmtree(left, ignore_errors=True)
    # The name ends as those of all unfinished things do: git and the leaderboard pass them over.
    work = target.with_name(f".{target.name}.{os.getpid()}@{socket.gethostname()}.partial")
    fresh = work / "new"
    fresh.mkdir(parents=True)
    try:
        yield fresh
        sync_tree(fresh)
        with _moving(target):
            put_in_place(_done(target) / "new", target)  # of one that was killed: older than this one
            work.rename(_done(target))
            put_in_place(_done(target) / "new", target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def settle(target: Path) -> Path:
    """Return ``target`` after finishing what a process had begun that was killed while it put a folder there."""
    if _done(target).is_dir() and not _done(target).is_symlink():
        with _moving(target):
            put_in_place(_done(target) / "new", target)
    return target


def put_in_place(fresh: Path, target: Path) -> None:
    """Let a whole folder take the place of ``target``, and remove the one it lies in; may be killed at any point.

    Called again it goes on: a ``target`` that somebody made between a kill and then is the newest, and stays.
    """
    old = fresh.with_name("old")
    if fresh.exists():
        if target.exists() and old.exists():
            shutil.rmtree(fresh)
        else:
            if target.exists():
                target.rename(old)
            fresh.rename(target)
        sync(target.parent)
    shutil.rmtree(fresh.parent, ignore_errors=True)


def _done(target: Path) -> Path:
    """Return what the work folder is called once a whole folder lies in it, on the disk."""
    return target.with_name(f".{target.name}.done.partial")


@contextmanager
def _moving(target: Path) -> Iterator[None]:
    def busy(who: str) -> UserError:
        return UserError(f"{target}: {who} is putting another folder in its place. Wait for it to end, then try again.")

    with alone(target.with_name(f".{target.name}.lock.partial"), busy, PATIENCE):
        yield


def _lives(process: int) -> bool:
    """Return whether another process of that number runs here; this one's own leftovers are of an earlier one."""
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # another user's
        return True
    return True


def sync_tree(folder: Path) -> None:
    """Bring every file and folder below ``folder`` onto the disk."""
    for path in (*folder.rglob("*"), folder):
        sync(path)


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, onto the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Files and folders that take the place of others whole, whatever happens meanwhile, and locks for who works alone."""

from __future__ import annotations

import errno
import glob
import hashlib
import itertools
import os
import re
import secrets
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from galaxy_zoo_decals.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

WITHOUT_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL})
"""What a file system that has no locks answers when it is asked for one."""

WITHOUT_SYNC = frozenset({errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL})
"""What a file system answers that cannot be told to bring something onto the disk."""

WITHOUT_FOLDER_SYNC = WITHOUT_SYNC | {errno.EACCES, errno.EPERM, errno.EBADF, errno.EISDIR}
"""What it answers of a folder: some network drives open none, or bring only files onto the disk."""

PATIENCE = 60.0
"""Seconds to wait while another process moves a folder into its place: two renames."""

LONGEST = 100
"""Bytes of a name up to which it stands in that of its temporary file; file systems allow about 255 together."""

_THIS = secrets.token_hex(4)
"""Tells this process from an earlier one of its number."""

_numbers = itertools.count()


def _machine() -> str:
    """Return what tells the processes of this machine, or of this container, from those of others."""
    try:
        # Containers may share a folder and a host's name, but not the numbers of processes.
        return f"{socket.gethostname()}.{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:  # no Linux
        return socket.gethostname()


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield where to write a file that takes the place of ``path`` when the block ends well, and goes when it does not.

    Killed at any point, or without power, ``path`` is the old file or the new one, whole; once this has ended it is the
    new one. Of several processes or threads that write it at once the last one stays. What a process of this machine
    left that died before is removed.
    """
    _remove_leftovers(path)
    work = _temporary(path)
    try:
        yield work
        put_file(work, path)
    except OSError as error:
        if str(error.filename) == str(work):  # which nobody asked for, and nobody finds
            error.filename = str(path)
        raise
    finally:
        with suppress(OSError):  # it took its place, or there is something worse to tell
            work.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file as ``atomic_file`` does."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file as ``atomic_file`` does."""
    with atomic_file(path) as work:
        work.write_bytes(data)


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write a Parquet file of images, which do not compress, whole or not at all."""
    import pyarrow.parquet as pq  # Slow to load, and most of what is written here is text.

    with atomic_file(path) as beside, beside.open("wb") as file:
        pq.write_table(table, file, compression="none")


def put_file(file: Path, path: Path) -> None:
    """Let a whole file of the same file system take the place of ``path``: on the disk before it has its name."""
    sync(file)
    file.replace(path)
    sync(path.parent)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of ``target`` when the block ends well, and vanishes when it does not.

    Killed at any point, or without power, ``target`` is the old folder or the new one, whole, as soon as
    ``finish_interrupted`` is asked, as this does. What a process of this machine left that died before is removed.
    """
    finish_interrupted(target)
    check_replaceable(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(target)
    work = _temporary(target)
    fresh = work / "new"
    fresh.mkdir(parents=True)
    try:
        yield fresh
        sync_tree(fresh)
        with _moving(target):
            put_folder(_done(target) / "new", target)  # of one that was killed: older than this one
            work.rename(_done(target))
            put_folder(_done(target) / "new", target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def finish_interrupted(target: Path) -> Path:
    """Return ``target`` after finishing what a process had begun that was killed while it put a folder there."""
    if _done(target).is_dir() and not _done(target).is_symlink():
        with _moving(target):
            put_folder(_done(target) / "new", target)
    return target


def put_folder(fresh: Path, target: Path) -> None:
    """Let a whole folder take the place of ``target``, and remove the one it lies in; may be killed at any point.

    Called again it goes on: a ``target`` that somebody made between a kill and then is the newest, and stays.
    """
    old = fresh.with_name("old")
    if fresh.exists():
        if target.exists() and old.exists():
            shutil.rmtree(fresh)
        else:
            if target.exists():
                _set_aside(target, old)
            fresh.rename(target)
        sync(target.parent)
    shutil.rmtree(fresh.parent, ignore_errors=True)


def _set_aside(target: Path, old: Path) -> None:
    """Rename a folder, or remove it where it cannot be renamed: one of a container's image stands in two layers."""
    try:
        target.rename(old)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.rmtree(target)


def _done(target: Path) -> Path:
    """Return what the work folder is called once a whole folder lies in it, on the disk."""
    return target.with_name(f".{target.name}.done.partial")


@contextmanager
def _moving(target: Path) -> Iterator[None]:
    def busy(who: str) -> UserError:
        return UserError(f"{target}: {who} is putting another folder in its place. Wait for it to end, then try again.")

    with lock(target.with_name(f".{target.name}.lock.partial"), busy, PATIENCE):
        yield


def _temporary(target: Path) -> Path:
    """Return a name beside ``target`` that no other process or thread takes, and that says which one took it."""
    # The name ends as those of all unfinished things do: git and the leaderboard pass them over.
    writer = f"{os.getpid()}-{_THIS}{next(_numbers)}@{_machine()}"
    return target.with_name(f"{_stem(target)}{writer}.partial")


def _stem(target: Path) -> str:
    name = os.fsencode(target.name)
    return f".{target.name if len(name) <= LONGEST else hashlib.sha256(name).hexdigest()}."


def _remove_leftovers(target: Path) -> None:
    """Remove what processes of this machine began to put in the place of ``target`` that died since."""
    stem = _stem(target)
    for left in target.parent.glob(f"{glob.escape(stem)}*.partial"):
        found = re.fullmatch(r"([0-9]+)(?:-([0-9a-f]+))?@(.+)\.partial", left.name.removeprefix(stem))
        if found and found[3] == _machine() and not _lives(int(found[1]), found[2] or ""):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                with suppress(OSError):  # another process was faster, or it is another user's
                    left.unlink()


def _lives(process: int, mark: str) -> bool:
    """Return whether a process of that number runs here; of this one's own only what bears its mark is not older."""
    if process == os.getpid():
        return mark.startswith(_THIS)
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
    """Bring a file, or the names in a folder, onto the disk, as far as the file system can."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        if error.errno in WITHOUT_FOLDER_SYNC and path.is_dir():  # it may be written to all the same
            return
        raise
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (WITHOUT_FOLDER_SYNC if path.is_dir() else WITHOUT_SYNC):
            error.filename = str(path)  # the system names none
            raise
    finally:
        os.close(descriptor)


def check_replaceable(target: Path) -> None:
    """Raise UserError if no folder can take the place of ``target``: a mounted one cannot be renamed, hours later."""
    if target.is_dir() and os.path.ismount(target):
        raise UserError(
            f"{target} is where a disk or a container's volume is mounted, so no finished folder can take its place. "
            f"Choose a folder inside it: {target / 'NAME'}."
        )


@contextmanager
def lock(path: Path, busy: Callable[[str], UserError], wait: float = 0.0) -> Iterator[None]:
    """Hold a lock file until the block ends; raises what ``busy`` makes of the holder, as "process 7 on host", if held.

    The lock of a process that died is free. Where the file system has no locks a file that names its holder is one;
    UserError where it has neither.
    """
    taken, path = _taken(path, busy, wait)
    try:
        if not isinstance(taken, SoftFileLock):  # which says so itself, in the same words
            path.write_text(f"{os.getpid()}\n{socket.gethostname()}\n")
        yield
    finally:
        # While it is held: whoever waits on it sees that it is gone. What was done under it is done, even if the file
        # system fails now.
        with suppress(OSError):
            path.unlink()
        with suppress(OSError):
            taken.release()


def soft_lock(path: Path) -> Path:
    """Return the file that stands in for the lock ``path`` where the file system has no locks."""
    return path.with_name(f"{path.stem}.soft{path.suffix}")


def _taken(path: Path, busy: Callable[[str], UserError], wait: float) -> tuple[BaseFileLock, Path]:
    """Return a lock that is held and its file."""
    try:
        # The fallback of filelock is not taken: its file has the lock's name, and one that was left there blocks it.
        hard = FileLock(path, timeout=wait, fallback_to_soft=False)
        hard.acquire()
        return hard, path
    except Timeout:
        raise busy(_holder(path)) from None
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.filename is not None:  # it could not be opened
            raise
        with suppress(OSError):
            if path.stat().st_size == 0:  # which asking for a lock has just made
                path.unlink()
        reason = getattr(error, "strerror", None) or str(error) or "this system has none"
        if isinstance(error, OSError) and error.errno not in WITHOUT_LOCKS:
            raise UserError(
                f"{path.parent}: no lock can be had there ({reason}). Choose a folder on a local disk."
            ) from None
    path = soft_lock(path)
    soft = SoftFileLock(path, timeout=wait)
    try:
        soft.acquire()
    except Timeout:
        problem = busy(_holder(path))
        problem.args = (f"{problem} If that process has ended, remove {path}: this file system has no locks.",)
        raise problem from None
    _tell_once(path.parent, reason)
    return soft, path


_told: set[Path] = set()


def _tell_once(folder: Path, reason: str) -> None:
    if folder not in _told:
        _told.add(folder)
        print(
            f"note: the file system of {folder} has no locks ({reason}): a file that names this process is the lock. "
            "A folder on a local disk is safer.",
            file=sys.stderr,
        )


def _holder(path: Path) -> str:
    try:
        found = re.match(r"([0-9]{1,10})\n([!-~]{1,255})\n", path.read_text(errors="replace"))
    except OSError:
        found = None
    return f"process {found[1]} on {found[2]}" if found else "another process"

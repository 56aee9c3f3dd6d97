"""Folders that take the place of others, and locks: two processes, kills at any point, file systems without locks."""

from __future__ import annotations

import errno
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from galaxy_zoo_decals import folders
from galaxy_zoo_decals.errors import UserError

ROOT = Path(__file__).parents[1]

KILLED = """
import os, pathlib, shutil, sys
from galaxy_zoo_decals.folders import in_place
left = int(sys.argv[2])
def counted(real):
    def call(*arguments, **named):
        global left
        left -= 1
        if left < 0:
            os._exit(9)
        return real(*arguments, **named)
    return call
pathlib.Path.rename = counted(pathlib.Path.rename)
pathlib.Path.unlink = counted(pathlib.Path.unlink)
shutil.rmtree = counted(shutil.rmtree)
with in_place(pathlib.Path(sys.argv[1])) as fresh:
    (fresh / "new").touch()
"""

HOLDER = """
import pathlib, sys
from galaxy_zoo_decals.folders import alone
with alone(pathlib.Path(sys.argv[1]), ValueError):
    print("held", flush=True)
    sys.stdin.readline()
"""


def named(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "scores"
    for name in ("old", "new"):
        with folders.in_place(target) as fresh:
            (fresh / name).touch()
        assert named(target) == [name]
    with pytest.raises(KeyboardInterrupt), folders.in_place(target) as fresh:
        (fresh / "half").touch()
        raise KeyboardInterrupt
    assert [p.name for p in (tmp_path / "deep").rglob("*")] == ["scores", "new"]


def test_a_kill_at_any_step_leaves_the_old_folder_or_the_new_one(tmp_path: Path) -> None:
    found = []
    for steps in range(9):
        target = tmp_path / str(steps) / "scores"
        target.mkdir(parents=True)
        (target / "old").touch()
        command = [sys.executable, "-c", KILLED, str(target), str(steps)]
        ended = subprocess.run(command, cwd=ROOT, timeout=60).returncode
        there = named(target) if target.exists() else None
        (after,) = named(folders.settle(target))
        assert there in (None, ["old"], [after]), "what is whole stays, or what came after it"
        found.append((ended, there, after))
        with folders.in_place(target) as fresh:
            (fresh / "newer").touch()
        assert named(target) == ["newer"] and named(target.parent) == ["scores"], "and nothing is left beside it"
    assert (9, ["old"], "old") in found and (9, None, "new") in found and (9, ["new"], "new") in found
    assert found[-1] == (0, ["new"], "new"), "every step was one to be killed at"


def test_a_folder_that_was_made_anew_after_a_kill_stays(tmp_path: Path) -> None:
    target, done = tmp_path / "scores", tmp_path / ".scores.done.partial"
    for path in (target / "restored", done / "old" / "old", done / "new" / "new"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert named(folders.settle(target)) == ["restored"] and named(tmp_path) == ["scores"]


def test_what_a_dead_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    host = socket.gethostname()
    others = [f".scores.{os.getppid()}@{host}.partial", f".scores.{ended.pid}@another.partial", ".scores.x.partial"]
    for name in [f".scores.{ended.pid}@{host}.partial", *others, ".scores2.1@x.partial"]:
        (tmp_path / name).mkdir()
    with folders.in_place(tmp_path / "scores"):
        pass
    assert named(tmp_path) == sorted([*others, ".scores2.1@x.partial", "scores"])


def hold(lock: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER, str(lock)]
    other = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None and other.stdout.readline() == "held\n"
    return other


def test_a_lock_names_its_holder_and_dies_with_it(tmp_path: Path) -> None:
    lock = tmp_path / "run.lock"
    other = hold(lock)
    said = re.escape(f"process {other.pid} on {socket.gethostname()}")
    with pytest.raises(UserError, match=f"^{said}$"), folders.alone(lock, UserError):
        pass
    other.kill()
    other.wait()
    with (
        folders.alone(lock, UserError),
        pytest.raises(UserError, match=str(os.getpid())),
        folders.alone(lock, UserError),
    ):
        pass
    assert named(tmp_path) == []


@pytest.mark.parametrize("problem", [OSError(errno.ENOLCK, "No locks available"), NotImplementedError()])
def test_where_the_file_system_has_no_locks_a_file_is_one(
    problem: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*arguments: object, **named: object) -> None:
        raise problem

    monkeypatch.setattr(folders, "FileLock", none)
    lock = tmp_path / "run.lock"
    said = f"^process {os.getpid()} on "
    with folders.alone(lock, UserError), pytest.raises(UserError, match=said), folders.alone(lock, UserError):
        pass
    assert named(tmp_path) == []
    ended = subprocess.Popen(["true"])
    ended.wait()
    (tmp_path / "run.soft.lock").write_text(f"{ended.pid}\n{socket.gethostname()}\n")
    with folders.alone(lock, UserError, wait=5):
        pass
    (tmp_path / "run.soft.lock").write_text("4711\nanother-machine\n")
    with pytest.raises(UserError, match=r"^process 4711 on another-machine$"), folders.alone(lock, UserError):
        pass

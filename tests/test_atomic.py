"""Files and folders that take the place of others, and locks: many writers, kills at any point, poor file systems."""

from __future__ import annotations

import ast
import errno
import fcntl
import os
import re
import socket
import stat
import subprocess
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from galaxy_zoo_decals import atomic
from galaxy_zoo_decals.errors import UserError

ROOT = Path(__file__).parents[1]

KILLED = """
import os, pathlib, shutil, sys
from galaxy_zoo_decals.atomic import atomic_folder
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
with atomic_folder(pathlib.Path(sys.argv[1])) as fresh:
    (fresh / "new").touch()
"""

KILLED_FILE = """
import os, pathlib, signal, sys
from galaxy_zoo_decals.atomic import atomic_file
def step():
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
def around(real):
    def call(*arguments, **named):
        step()
        result = real(*arguments, **named)
        step()
        return result
    return call
status, moment = 1, 0
while status:
    left, path = moment, pathlib.Path(sys.argv[1], str(moment), "scores")
    path.parent.mkdir()
    path.write_bytes(b"old")
    if (child := os.fork()) == 0:
        os.fsync, os.open, os.close = map(around, (os.fsync, os.open, os.close))
        pathlib.Path.replace, pathlib.Path.unlink = map(around, (pathlib.Path.replace, pathlib.Path.unlink))
        with atomic_file(path) as work, work.open("wb", buffering=0) as file:
            step()
            file.write(b"half a ")
            step()
            file.write(b"file")
        os._exit(0)
    status, moment = os.waitpid(child, 0)[1], moment + 1
    print(status)
"""

WRITER = """
import pathlib, sys
from galaxy_zoo_decals import atomic
for _ in range(100):
    atomic.write_text(pathlib.Path(sys.argv[1]), sys.argv[2] * 100_000)
"""

HOLDER = """
import pathlib, sys
from galaxy_zoo_decals.atomic import lock
with lock(pathlib.Path(sys.argv[1]), ValueError):
    print("held", flush=True)
    sys.stdin.readline()
"""


def named(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    for content in ("old", "n\u00e9w"):
        atomic.write_text(path, content)
        assert path.read_bytes() == content.encode() and named(tmp_path) == ["facts.json"]
    with pytest.raises(KeyboardInterrupt), atomic.atomic_file(path) as work:
        work.write_text("half")
        assert work.name.endswith(".partial") and work.parent == tmp_path
        raise KeyboardInterrupt
    assert path.read_text() == "n\u00e9w" and named(tmp_path) == ["facts.json"]
    with pytest.raises(FileNotFoundError), atomic.atomic_file(path):
        pass
    assert path.read_text() == "n\u00e9w", "a block that wrote nothing is a mistake, and nothing else"
    plain = tmp_path / "plain"
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode, "others may read what they could always read"


def test_a_kill_at_any_step_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED_FILE, str(tmp_path)], cwd=ROOT, timeout=60, capture_output=True)
    killed = [int(status) for status in done.stdout.split()]
    assert len(killed) > 12 and set(killed[:-1]) == {9} and killed[-1] == 0, done.stderr
    found = []
    for moment in range(len(killed)):
        path = tmp_path / str(moment) / "scores"
        found.append(path.read_bytes())
        left = [p.read_bytes() for p in path.parent.iterdir() if p != path]
        assert len(left) <= 1 and set(left) <= {b"", b"half a ", b"half a file"}
        atomic.write_bytes(path, b"newer")
        assert path.read_bytes() == b"newer" and named(path.parent) == ["scores"], "and nothing is left beside it"
    turned = found.index(b"half a file")
    assert set(found[:turned]) == {b"old"} and set(found[turned:]) == {b"half a file"}
    assert 4 < turned < len(found) - 4, "there were steps to be killed at on both sides"


def test_a_file_is_on_the_disk_before_its_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        place = Path(f"/proc/self/fd/{descriptor}").readlink()
        done.append("folder" if place == tmp_path else f"{place.suffix} of {place.stat().st_size} bytes")
        fsync(descriptor)

    def replaced(path: Path, target: Path) -> Path:
        done.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    atomic.write_bytes(tmp_path / "weights", b"1234")
    assert done == [".partial of 4 bytes", "rename", "folder"]


def test_of_writers_at_one_time_one_stays_whole(tmp_path: Path) -> None:
    path = tmp_path / "in-use"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), letter], cwd=ROOT) for letter in "ab"]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        if path.is_file():
            seen.add(path.read_text())
    assert [writer.returncode for writer in writers] == [0, 0]
    whole = {letter * 100_000 for letter in "ab"}
    assert seen and seen <= whole and path.read_text() in whole and named(tmp_path) == ["in-use"]
    with ThreadPoolExecutor(8) as threads:
        assert len(list(threads.map(lambda k: atomic.write_text(path, f"{k % 10}" * 1000), range(200)))) == 200
    assert path.read_text() in {f"{k}" * 1000 for k in range(10)} and named(tmp_path) == ["in-use"]


@pytest.mark.parametrize("number", sorted(atomic.WITHOUT_SYNC))
def test_where_nothing_can_be_synced_files_and_folders_are_written(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unable(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", unable)
    atomic.write_text(tmp_path / "file", "new")
    with atomic.atomic_folder(tmp_path / "folder") as fresh:
        (fresh / "new").touch()
    assert (tmp_path / "file").read_text() == "new" and named(tmp_path / "folder") == ["new"]
    assert named(tmp_path) == ["file", "folder"]


def test_a_folder_that_cannot_be_opened_takes_files_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def refused(path: Path, *arguments: int) -> int:
        if Path(path).is_dir():
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path, *arguments)

    monkeypatch.setattr(os, "open", refused)
    atomic.write_text(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "new"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails_leaves_the_old_file_and_nothing_beside_it(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    atomic.write_text(tmp_path / "file", "old")
    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(OSError, match=os.strerror(number)):
        atomic.write_text(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "old" and named(tmp_path) == ["file"]


def test_an_error_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for path in (tmp_path / "gone" / "a.json", tmp_path / "folder", tmp_path / "file" / "a.json"):
        with pytest.raises(OSError, match=re.escape(f"'{path}'")) as raised:
            atomic.write_text(path, "{}")
        assert raised.value.filename == str(path)
    assert named(tmp_path) == ["file", "folder"]


def test_a_name_as_long_as_the_file_system_allows_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("\u00e9" * 125 + ".json")
    atomic.write_text(path, "{}")
    with atomic.atomic_folder(tmp_path / ("x" * 101)) as fresh:
        (fresh / "new").touch()
    assert named(tmp_path) == ["x" * 101, path.name]


RENAMES = {
    "builder.py: work.rename(done(out))": "a folder, of which atomic.put_folder does the rest",
    "upgrade.py: work.rename(done(path))": "a folder, of which atomic.put_folder does the rest",
    "shards.py: part.rename(fresh / 'data' / f'{split}-{i:05d}-of-{len(parts):05d}.parquet')": (
        "within a folder that is not in its place yet, and is synced whole before"
    ),
}
"""Renames outside of atomic.py, and why they may be."""


def renames(source: Path) -> Iterator[str]:
    """Yield the calls in a module by which files take the place of others."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module in ("os", "shutil"):
            if names := {one.name for one in node.names} & {"replace", "rename", "renames", "link", "move", "fsync"}:
                yield f"{source.name}: from {node.module} import {', '.join(sorted(names))}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner, name = ast.unparse(node.func.value), node.func.attr
            # Text is replaced by two arguments, columns are renamed and fields replaced by named ones.
            of_path = name in ("replace", "rename", "hardlink_to") and len(node.args) == 1 and not node.keywords
            of_system = (owner, name) in {("os", n) for n in ("replace", "rename", "renames", "link", "fsync")}
            if of_path or of_system or (owner, name) == ("shutil", "move"):
                yield f"{source.name}: {ast.unparse(node)}"


def test_no_other_module_puts_files_in_place_by_itself() -> None:
    sources = [path for top in ("galaxy_zoo_decals", "benchmark", "leaderboard") for path in (ROOT / top).rglob("*.py")]
    own = Path(atomic.__file__)
    assert len(list(renames(own))) == 5, "the search finds what there is to find"
    assert {found for path in sources if path != own for found in renames(path)} == RENAMES.keys()


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "scores"
    for name in ("old", "new"):
        with atomic.atomic_folder(target) as fresh:
            (fresh / name).touch()
        assert named(target) == [name]
    with pytest.raises(KeyboardInterrupt), atomic.atomic_folder(target) as fresh:
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
        (after,) = named(atomic.finish_interrupted(target))
        assert there in (None, ["old"], [after]), "what is whole stays, or what came after it"
        found.append((ended, there, after))
        with atomic.atomic_folder(target) as fresh:
            (fresh / "newer").touch()
        assert named(target) == ["newer"] and named(target.parent) == ["scores"], "and nothing is left beside it"
    assert (9, ["old"], "old") in found and (9, None, "new") in found and (9, ["new"], "new") in found
    assert found[-1] == (0, ["new"], "new"), "every step was one to be killed at"


def test_a_folder_that_was_made_anew_after_a_kill_stays(tmp_path: Path) -> None:
    target, done = tmp_path / "scores", tmp_path / ".scores.done.partial"
    for path in (target / "restored", done / "old" / "old", done / "new" / "new"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert named(atomic.finish_interrupted(target)) == ["restored"] and named(tmp_path) == ["scores"]


def test_what_a_dead_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    host, mine = atomic._machine(), atomic._temporary(tmp_path / "scores").name  # as another thread has it
    dead = [f".scores.{ended.pid}@{host}.partial", f".scores.{ended.pid}-0a1b2c3d7@{host}.partial"]
    dead.append(f".scores.{os.getpid()}-0a1b2c3d7@{host}.partial")  # of an earlier process of this number
    others = [f".scores.{os.getppid()}@{host}.partial", f".scores.{ended.pid}@another.partial", ".scores.x.partial"]
    others.append(f".scores.{ended.pid}@{socket.gethostname()}.partial")  # of another container of this host's name
    others += [".scores2.1@x.partial", f".scores.json.{ended.pid}@{host}.partial", mine]
    for made in (Path.mkdir, Path.touch):
        for name in [*dead, *others]:
            made(tmp_path / name)
        if made is Path.mkdir:
            with atomic.atomic_folder(tmp_path / "scores"):
                pass
        else:
            atomic.write_text(tmp_path / "scores", "")
        assert named(tmp_path) == sorted([*others, "scores"])
        for path in tmp_path.iterdir():
            path.rmdir() if path.is_dir() else path.unlink()


def hold(lock: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER, str(lock)]
    other = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None and other.stdout.readline() == "held\n"
    return other


def test_a_lock_names_its_holder_and_dies_with_it(tmp_path: Path) -> None:
    lock = tmp_path / "run.lock"
    other = hold(lock)
    said = re.escape(f"process {other.pid} on {socket.gethostname()}")
    with pytest.raises(UserError, match=f"^{said}$"), atomic.lock(lock, UserError):
        pass
    other.kill()
    other.wait()
    with (
        atomic.lock(lock, UserError),
        pytest.raises(UserError, match=str(os.getpid())),
        atomic.lock(lock, UserError),
    ):
        pass
    assert named(tmp_path) == []


NO_LOCKS = [OSError(code, os.strerror(code)) for code in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)]


@pytest.mark.parametrize("problem", [*NO_LOCKS, NotImplementedError()], ids=str)
def test_where_the_file_system_has_no_locks_a_file_is_one(
    problem: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none(*arguments: object, **named: object) -> None:
        raise problem

    monkeypatch.setattr(fcntl, "flock", none)
    lock = tmp_path / "run.lock"
    lock.write_text("")  # as an older version left it
    said = f"^process {os.getpid()} on .* remove {re.escape(str(tmp_path / 'run.soft.lock'))}: "
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with atomic.lock(lock, UserError), pytest.raises(UserError, match=said), atomic.lock(lock, UserError):
            pass
        assert named(tmp_path) == []
        ended = subprocess.Popen(["true"])
        ended.wait()
        (tmp_path / "run.soft.lock").write_text(f"{ended.pid}\n{socket.gethostname()}\n")
        with atomic.lock(lock, UserError, wait=5):
            pass
    assert capsys.readouterr().err.count("has no locks") == 1
    (tmp_path / "run.soft.lock").write_text("4711\nanother-machine\n")
    with pytest.raises(UserError, match=r"^process 4711 on another-machine"), atomic.lock(lock, UserError):
        pass
    assert named(tmp_path) == ["run.soft.lock"]


def test_a_lock_that_fails_is_named_and_one_that_fails_at_the_end_spoils_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, wanted = fcntl.flock, fcntl.LOCK_EX

    def failing(descriptor: int, operation: int) -> None:
        if operation & wanted:
            raise OSError(errno.EIO, "Input/output error")
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", failing)
    problem = rf"^{re.escape(str(tmp_path))}: no lock can be had there \(Input/output error\)\. Choose a folder on a"
    with pytest.raises(UserError, match=problem), atomic.lock(tmp_path / "run.lock", UserError):
        pass
    wanted = fcntl.LOCK_UN
    with atomic.lock(tmp_path / "end.lock", UserError):
        pass
    assert named(tmp_path) == []


@pytest.mark.parametrize("code", [errno.EACCES, errno.EBADF, errno.EISDIR, errno.EINVAL])
def test_a_folder_that_cannot_be_synced_takes_files_all_the_same(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def refused(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", refused)
    atomic.write_text(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "new"


def test_a_file_that_does_not_reach_the_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(OSError) as caught:
        atomic.write_text(tmp_path / "file", "new")
    assert caught.value.filename == str(tmp_path / "file") and named(tmp_path) == []


def test_a_folder_of_a_containers_image_is_replaced_though_it_cannot_be_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, real = tmp_path / "edition", Path.rename

    def rename(path: Path, new: Path) -> Path:
        if path == target:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return real(path, new)

    monkeypatch.setattr(Path, "rename", rename)
    for word in ("old", "new"):
        with atomic.atomic_folder(target) as fresh:
            (fresh / word).touch()
    assert named(target) == ["new"] and named(tmp_path) == ["edition"]


def test_a_mounted_folder_is_refused_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == tmp_path)
    with pytest.raises(UserError, match="Choose a folder inside it"), atomic.atomic_folder(tmp_path):
        raise AssertionError("the work was begun")

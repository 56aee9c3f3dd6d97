"""What accelerate's config, clusters, git, disks and terminals hand down; what is said before the hours are spent."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import os
import shutil
import stat
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

from benchmark import environment, image_cache, recipes, run, run_folder, submittable
from galaxy_zoo_decals import cli, edition
from galaxy_zoo_decals.ending import run_command
from leaderboard.__main__ import main as leaderboard
from leaderboard.check import pull_request
from tests.campaigns.first_contact.case import Case, Outcome, call
from tests.toys import write_catalogue

ROOT = Path(__file__).parents[3]
BEGINS = "The training begins."
LEFT_OVER = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@contextlib.contextmanager
def _variables(**given: str) -> Iterator[None]:
    """Have these variables in the environment, and no others of a launcher, until the block ends."""
    with mock.patch.dict(os.environ, given):
        for name in LEFT_OVER:
            if name not in given:
                os.environ.pop(name, None)
        yield


def _train(folder: Path, *words: object) -> Outcome:
    """Say what `benchmark/run.py` says up to the moment where its first weights are looked for."""

    def begin(recipe: object) -> None:
        print(BEGINS)
        raise SystemExit(0)

    with mock.patch.object(run.weights, "find", begin):
        said = call(run.main, "--model", "multiclass", "--edition", "sample", "--out", folder / "run", *words)
    return _here(said)


def _here(outcome: Outcome) -> Outcome:
    """Return an outcome without where this clone lies."""
    return Outcome(outcome.status, outcome.said.replace(f"{ROOT}/", ""))


def _trains(**given: str) -> Callable[[Path], Outcome]:
    def begun(folder: Path) -> Outcome:
        with _variables(**given), mock.patch.object(submittable, "problems", lambda edition: []):
            return _train(folder)

    return begun


def _first_machine(name: str) -> Callable[[Path], Outcome]:
    """Return a case: one of two processes is told where the first one is."""

    def settled(folder: Path) -> Outcome:
        one = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": name, "MASTER_PORT": "29500"}
        return Outcome(0, "; ".join(environment.settle(one)) or "nothing")

    return settled


def _module(folder: Path) -> Outcome:
    command = [sys.executable, "-m", "galaxy_zoo_decals", "--version"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return Outcome(done.returncode, done.stdout + done.stderr)


def _prepare(folder: Path) -> Outcome:
    votes, images = write_catalogue(folder / "brought")
    words = ("--votes", votes, "--images", images, "--out", folder / "mine", "--processes", 1, "--size", 64)
    outcome = call(cli.main, "prepare", "catalogue", *words)
    left = sorted(path.name for path in folder.iterdir() if path.name not in ("brought", "mine"))
    return Outcome(outcome.status, f"{outcome.said}Left behind: {', '.join(left) or 'nothing'}.")


def _no_flock(code: int) -> Callable[..., None]:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(code, os.strerror(code))

    return flock


def _prepares_without_locks(folder: Path) -> Outcome:
    with mock.patch.object(fcntl, "flock", _no_flock(errno.ENOLCK)):
        return _prepare(folder)


def _trains_beside(name: str, holder: str, code: int) -> Callable[[Path], Outcome]:
    """Begin a training on a file system without locks where a lock file lies already."""

    def begun(folder: Path) -> Outcome:
        (folder / name).write_text(holder)
        with mock.patch.object(fcntl, "flock", _no_flock(code)):
            return _trains()(folder)

    return begun


def _no_sync(code: int, folders_only: bool = False) -> Callable[[Path], Outcome]:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if not folders_only or stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        real(descriptor)

    def used(folder: Path) -> Outcome:
        with mock.patch.object(os, "fsync", fsync), _variables(GALAXY_ZOO_DECALS_HOME=str(folder)):
            return _here(call(cli.main, "use", "sample"))

    return used


def _mounted(folder: Path) -> Outcome:
    (folder / "run").mkdir()
    with mock.patch.object(os.path, "ismount", lambda path: True):
        return _train(folder)


def _read_only(folder: Path) -> Outcome:
    def refused(path: Path, *arguments: object, **named: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    with mock.patch.object(Path, "mkdir", refused):
        return call(cli.main, "prepare", "simulated", "--galaxies", 100, "--out", folder / "disk" / "mine")


def _home_is_a_file(*words: object) -> Callable[[Path], Outcome]:
    def called(folder: Path) -> Outcome:
        (folder / "file").touch()
        with _variables(GALAXY_ZOO_DECALS_HOME=str(folder / "file" / "home")):
            return call(cli.main, *words)

    return called


@contextlib.contextmanager
def _nobody() -> Iterator[None]:
    """Be a user without HOME whom the system does not know, as containers start one."""
    with _variables(), mock.patch.object(Path, "home", side_effect=RuntimeError("Could not determine home directory.")):
        for name in ("GALAXY_ZOO_DECALS_HOME", "XDG_CACHE_HOME", "GALAXY_ZOO_DECALS_EDITION"):
            os.environ.pop(name, None)
        yield


def _no_home(*words: object) -> Callable[[Path], Outcome]:
    def called(folder: Path) -> Outcome:
        with _nobody():
            return call(cli.main, *words)

    return called


def _closed_home(folder: Path) -> Outcome:
    real = Path.is_file

    def closed(path: Path) -> bool:
        if path.is_relative_to(folder):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path)

    with _variables(GALAXY_ZOO_DECALS_HOME=str(folder)), warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        os.environ.pop("GALAXY_ZOO_DECALS_EDITION", None)
        with mock.patch.object(Path, "is_file", closed):
            found = edition.Edition.open().name
    return Outcome(0, "\n".join([f"The edition {found}.", *(str(one.message) for one in told)]))


def _pixels(folder: Path) -> Outcome:
    (folder / "file").touch()

    def decode() -> None:
        recipe = recipes.choose("quick", "multiclass")["multiclass"]
        image_cache.store(edition.Edition.open("sample"), "test", recipe, show=False)

    with _variables(GALAXY_ZOO_DECALS_HOME=str(folder / "file")):
        return call(lambda words: run_command(decode, "benchmark/run.py: error: ", "", mistake=2))


def _datasets_cache(folder: Path) -> Outcome:
    import datasets

    from galaxy_zoo_decals import alias

    (folder / "file").touch()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with mock.patch.object(datasets.config, "HF_DATASETS_CACHE", folder / "file" / "datasets"):
            alias._factory(lambda path: None, None, ("galaxy_zoo_decals",), {})
    return Outcome(0, "\n".join(str(one.message) for one in told))


def _letters(encoding: str) -> Callable[[Path], Outcome]:
    def printed(folder: Path) -> Outcome:
        shown = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        with mock.patch.object(sys, "stdout", shown):
            status = run_command(lambda: print("Müller's galaxies: 2 × 3 σ"), "", "")
        shown.flush()
        return Outcome(status, shown.buffer.getvalue().decode(encoding))  # type: ignore[attr-defined]

    return printed


def _name_with_accents(folder: Path) -> Outcome:
    def written() -> None:
        "runs/M\udcc3\udcbcller".encode()  # as pyarrow does

    with mock.patch.object(sys, "getfilesystemencoding", lambda: "ascii"):
        return call(lambda words: run_command(written, "galaxy-zoo-decals: ", ""))


def _closed(folder: Path) -> Outcome:
    with mock.patch.multiple(sys, stdin=None, stdout=None, stderr=None):
        status = cli.main(["info"])
        asked = sys.stdin is not None and sys.stdin.isatty()
        for stream in (sys.stdin, sys.stdout, sys.stderr):
            stream.close()
    return Outcome(status, f"Nothing is asked: {not asked}.")


def _terminal(folder: Path) -> Outcome:
    with _variables(COLUMNS="1", TERM="dumb", NO_COLOR="1"):
        return call(cli.main, "--help")


def _git(folder: Path, *words: str) -> None:
    name = ("-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    subprocess.run(["git", *name, "-C", str(folder), *words], check=True, capture_output=True, env=environment)


def _clone(folder: Path, commits: int = 1) -> Path:
    """Make a repository with a file in it."""
    clone = folder / "the clone é"
    clone.mkdir()
    _git(clone, "init", "-q", "-b", "main")
    for number in range(commits):
        (clone / "recipes.py").write_text(f"epochs = {number}\n")
        _git(clone, "add", ".")
        _git(clone, "commit", "-q", "-m", "one")
    return clone


def _in_clone(change: Callable[[Path], None] | None = None, **given: str) -> Callable[[Path], Outcome]:
    """Begin a training in a clone of its own, after a change to it."""

    def begun(folder: Path) -> Outcome:
        clone = _clone(folder)
        if change:
            change(clone)
        with mock.patch.object(run_folder, "ROOT", clone), _variables(**given):
            return _train(folder)

    return begun


def _dirty(clone: Path) -> None:
    (clone / "recipes.py").write_text("epochs = 7\n")


def _zip(clone: Path) -> None:
    shutil.rmtree(clone / ".git")


def _within(clone: Path) -> None:
    shutil.rmtree(clone / ".git")
    _git(clone.parent, "init", "-q")


def _no_commit(clone: Path) -> None:
    shutil.rmtree(clone / ".git")
    _git(clone, "init", "-q")


def _another(folder: Path) -> Outcome:
    clone, other = _clone(folder), folder / "other"
    other.mkdir()
    _git(other, "init", "-q")
    (other / "file").touch()
    _git(other, "add", ".")
    _git(other, "commit", "-q", "-m", "another")
    with mock.patch.object(run_folder, "ROOT", clone), _variables(GIT_DIR=str(other / ".git")):
        mine = run_folder.commit()["commit"]
        said = _train(folder)
    _git(clone, "cat-file", "-e", mine)
    return Outcome(said.status, f"{said.said}The commit is the clone's.")


def _base(*words: str) -> Callable[[Path], Outcome]:
    """Compare the branch of a clone with a base that the clone lacks."""

    def compared(folder: Path) -> Outcome:
        origin, clone = _clone(folder, 2), folder / "mine"
        _git(origin, "checkout", "-q", "-b", "entry")
        _git(origin, "commit", "-q", "--allow-empty", "-m", "an entry")
        _git(folder, "clone", "-q", *words, "--branch", "entry", origin.as_uri(), str(clone))
        return call(lambda words: run_command(lambda: pull_request.read(clone, "main") and 0, "error: ", ""))

    return compared


def _no_commit_in_common(folder: Path) -> Outcome:
    clone = _clone(folder)
    _git(clone, "checkout", "-q", "--orphan", "entry")
    _git(clone, "commit", "-q", "-m", "another beginning")
    return call(lambda words: run_command(lambda: pull_request.read(clone, "main") and 0, "error: ", ""))


def _other_edition(folder: Path) -> Outcome:
    other = mock.patch.object(edition.Edition, "content_hash", "f" * 64)
    with other, mock.patch.object(submittable, "without_commit", lambda: ""):
        return _train(folder)


def _no_room(folder: Path) -> Outcome:
    usage = shutil.disk_usage(folder)._replace(free=50_000_000)
    with mock.patch.object(shutil, "disk_usage", lambda path: usage):
        check = lambda: run_folder.check_room(folder / "runs" / "mine", 20_000_000)  # noqa: E731
        return call(lambda words: run_command(check, "benchmark/run.py: error: ", "", mistake=2))


def _into_a_file(folder: Path) -> Outcome:
    (folder / "run").touch()
    return _train(folder)


def _version(main: Callable[[list[str]], int]) -> Callable[[Path], Outcome]:
    return lambda folder: call(main, "--version")


NOT_ALONE = "start them with `accelerate launch`"

CASES = [
    Case("environment", "torch.compile by `accelerate config`, and no C++ compiler",
         _trains(ACCELERATE_DYNAMO_BACKEND="INDUCTOR", ACCELERATE_DYNAMO_MODE="default"), 0,
         (BEGINS, "note: ACCELERATE_DYNAMO_BACKEND=INDUCTOR asks for torch.compile"), "review"),
    Case("environment", "WORLD_SIZE of a cluster's notebook, without RANK and MASTER_ADDR", _trains(WORLD_SIZE="2"), 2,
         ("WORLD_SIZE is 2", "RANK, LOCAL_RANK, MASTER_ADDR, MASTER_PORT not set", "`unset WORLD_SIZE`", NOT_ALONE),
         "review", (BEGINS,)),
    Case("environment", "DeepSpeed by `accelerate config`",
         _trains(ACCELERATE_USE_DEEPSPEED="true", ACCELERATE_DEEPSPEED_ZERO_STAGE="3"), 0, (BEGINS, "DeepSpeed")),
    Case("environment", "FSDP by `accelerate config`",
         _trains(ACCELERATE_USE_FSDP="true", FSDP_VERSION="two"), 0, (BEGINS, "note: ACCELERATE_USE_FSDP=true")),
    Case("environment", "gradients accumulated over no number of steps",
         _trains(ACCELERATE_GRADIENT_ACCUMULATION_STEPS="auto"), 0, (BEGINS, "--set micro_batch")),
    Case("environment", "fp8 by `accelerate config`", _trains(ACCELERATE_MIXED_PRECISION="fp8"), 0,
         (BEGINS, "bfloat16 on CUDA")),
    Case("environment", "a config that asks for nothing", _trains(
        ACCELERATE_DYNAMO_BACKEND="NO", ACCELERATE_MIXED_PRECISION="no", ACCELERATE_GRADIENT_ACCUMULATION_STEPS="1",
        ACCELERATE_USE_CPU="false"), 0, (BEGINS,), lacks=("note",)),
    Case("environment", "a device of another machine (MPS)", _trains(ACCELERATE_TORCH_DEVICE="mps"), 0,
         (BEGINS, "names a device")),
    Case("environment", "a yes-or-no variable that is neither", _trains(ACCELERATE_USE_CPU="perhaps"), 0,
         (BEGINS, "neither yes nor no")),
    Case("environment", "LOCAL_RANK=0 left over", _trains(LOCAL_RANK="0"), 0, (BEGINS,), lacks=("note",)),
    Case("environment", "LOCAL_RANK=3 left over", _trains(LOCAL_RANK="3"), 2, ("`unset LOCAL_RANK`",)),
    Case("environment", "WORLD_SIZE=two", _trains(WORLD_SIZE="two"), 2, ("'two', which is no number. To train",)),
    Case("environment", "RANK=5 of 2 processes", _trains(RANK="5", WORLD_SIZE="2", LOCAL_RANK="0", MASTER_ADDR="a",
         MASTER_PORT="1"), 2, ("RANK is 5, but WORLD_SIZE is 2",)),
    Case("environment", "a port that is none", _trains(RANK="1", WORLD_SIZE="2", LOCAL_RANK="0", MASTER_ADDR="a",
         MASTER_PORT="99999"), 2, ("MASTER_PORT is 99999",)),
    Case("environment", "one of four of mpirun", _trains(OMPI_COMM_WORLD_SIZE="4", OMPI_COMM_WORLD_RANK="0"), 0,
         (BEGINS, "MPI's processes train apart")),
    Case("environment", "a job of Slurm with four tasks, MASTER_ADDR in its profile",
         _trains(SLURM_NTASKS="4", SLURM_PROCID="0", MASTER_ADDR="node7"), 0, (BEGINS,), lacks=("note",)),
    Case("environment", "OMP_NUM_THREADS=all", _trains(OMP_NUM_THREADS="all"), 0, (BEGINS, "no whole number")),
    Case("environment", "a user without a home: what is here", _no_home("info"), 0, ("sample",)),
    Case("environment", "a user without a home: make an edition", _no_home("prepare", "simulated", "--galaxies", 100),
         1, ("no home folder", "GALAXY_ZOO_DECALS_HOME")),
    Case("environment", "a home that cannot be written to: choose an edition", _home_is_a_file("use", "sample"), 1,
         ("cannot be written to (Not a directory)", "GALAXY_ZOO_DECALS_HOME")),
    Case("environment", "a home that may not be read: load galaxies", _closed_home, 0,
         ("The edition sample.", "Permission denied", "GALAXY_ZOO_DECALS_EDITION")),
    Case("environment", "a home that cannot be written to: decoded images", _pixels, 2,
         ("cannot be written to", "GALAXY_ZOO_DECALS_HOME")),
    Case("environment", "a cache of datasets that cannot be written to", _datasets_cache, 0, ("set HF_HOME",)),
    Case("environment", "a name with accents where the locale is C", _letters("ascii"), 0, (r"M\xfcller", r"\xd7")),
    Case("environment", "a name with accents where the terminal is Latin-1", _letters("latin-1"), 0,
         ("Müller", r"\u03c3")),
    Case("environment", "a file's name with accents where the locale is C and not UTF-8", _name_with_accents, 1,
         ("no letters for a name", "PYTHONUTF8=1")),
    Case("environment", "no stdin, stdout and stderr at all", _closed, 0, ("Nothing is asked: True",)),
    Case("environment", "COLUMNS=1 TERM=dumb NO_COLOR=1", _terminal, 0, ("prepare",)),
    Case("environment", "--version of the package", _version(cli.main), 0, ("galaxy-zoo-decals ", "Python ")),
    Case("environment", "--version of the harness", _version(run.main), 0, ("galaxy-zoo-decals ", "Python ")),
    Case("environment", "--version of the leaderboard", _version(leaderboard), 0, ("galaxy-zoo-decals ", "Python ")),
    Case("file system", "an edition on a network drive: No locks available (ENOLCK)", _prepares_without_locks, 0,
         ("has no locks (No locks available)", "Left behind: nothing."), "review", ("UserWarning",)),
    Case("file system", "no flock at all (ENOSYS), and an empty lock file left over",
         _trains_beside("run.lock.partial", "", errno.ENOSYS), 0, (BEGINS, "has no locks"), "review", ("UserWarning",)),
    Case("file system", "no locks, and the lock of a process of another machine",
         _trains_beside("run.lock.soft.partial", "4711\nnode7\n", errno.EOPNOTSUPP), 2,
         ("process 4711 on node7 trains into", "If that process has ended, remove", "run.lock.soft.partial")),
    Case("file system", "a lock that fails (EIO)", _trains_beside("other", "", errno.EIO), 2,
         ("no lock can be had there (Input/output error)", "a folder on a local disk")),
    Case("file system", "a disk that cannot be told to sync (EINVAL)", _no_sync(errno.EINVAL), 0, ("now means",)),
    Case("file system", "a network drive that syncs no folder (EACCES)", _no_sync(errno.EACCES, True), 0,
         ("now means",)),
    Case("file system", "a disk that fails while it syncs (EIO)", _no_sync(errno.EIO), 1,
         ("in-use: Input/output error",)),
    Case("file system", "--out is where a container's volume is mounted", _mounted, 2,
         ("Choose a folder inside it",), lacks=(BEGINS,)),
    Case("file system", "--out on a disk that is read-only", _read_only, 1,
         ("Read-only file system", "Choose another --out")),
    Case("late", "git refuses a folder of another owner", _in_clone(GIT_TEST_ASSUME_DIFFERENT_OWNER="1"), 0,
         ("note: the leaderboard would not take this run: git says: detected dubious ownership",
          "git config --global --add safe.directory '", BEGINS), "review"),
    Case("late", "check --diff main in a clone of one branch", _base("--single-branch"), 1,
         ("Not a valid object name main", "`git fetch origin main`, then --diff FETCH_HEAD"), "review"),
    Case("late", "check --diff main in a shallow clone", _base("--depth", "1"), 1,
         ("`git fetch --unshallow origin main`, then --diff FETCH_HEAD",)),
    Case("late", "check --diff main without a commit in common", _no_commit_in_common, 1,
         ("the two have no common commit here", "git fetch origin main")),
    Case("late", "no git on PATH", _in_clone(PATH="/nowhere"), 0, ("git is not on PATH. Install it", BEGINS)),
    Case("late", "a zip download of the repository", _in_clone(_zip), 0,
         ("is no git repository", "`git clone`", BEGINS)),
    Case("late", "the clone copied into another repository", _in_clone(_within), 0,
         ("lies in another repository", BEGINS)),
    Case("late", "a repository without a commit", _in_clone(_no_commit), 0, ("has no commit", BEGINS)),
    Case("late", "files that differ from the last commit", _in_clone(_dirty), 0,
         ("recipes.py differ from the last commit. Commit before you train.", BEGINS)),
    Case("late", "GIT_DIR of another repository", _another, 0, (BEGINS, "The commit is the clone's."), lacks=("note",)),
    Case("late", "a clean clone in a folder with blanks and accents", _in_clone(), 0, (BEGINS,), lacks=("note",)),
    Case("late", "an edition that is not the benchmark's", _other_edition, 0,
         ("is not the benchmark's edition sample (content ffffffffffff", BEGINS)),
    Case("late", "a disk without room for the checkpoints", _no_room, 2, ("need 0.90 GB", "0.05 GB left")),
    Case("late", "--out is a file", _into_a_file, 2, ("is a file; a run is a folder",), lacks=(BEGINS,)),
    Case("environment", "a first machine whose name nobody knows", _first_machine("nowhere.invalid"), 0,
         ("MASTER_ADDR=nowhere.invalid: no machine of this name", "waited for")),
    Case("environment", "a first machine that is this one", _first_machine("127.0.0.1"), 0, ("nothing",)),
    Case("environment", "python -m galaxy_zoo_decals, where scripts are not on PATH", _module, 0,
         ("galaxy-zoo-decals",)),
]  # fmt: skip

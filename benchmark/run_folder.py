"""The folder a run leaves behind: run.json, the model, its predictions; whole or not at all (docs/runs.md)."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark import BenchmarkError
from benchmark.checkpoint import FREE, Checkpoint
from benchmark.recipes import Recipe
from galaxy_zoo_decals import atomic, git, old_words

if TYPE_CHECKING:
    from galaxy_zoo_decals.edition import Edition

FORMAT = "1"

ROOT = Path(__file__).resolve().parents[1]
"""The clone."""

COPIES = 11
"""Copies of a model's float32 weights on the disk at once: twice five in the last checkpoint and in the next one that
takes its place (weights, their mean, the best epoch's, two of the optimizer), and the model's own."""

SMALL_FILES = 20_000_000
"""Bytes of predictions, log and run.json, generously."""

NO_COMMIT = {"commit": None, "dirty": None}

PACKAGES = ("torch", "transformers", "timm", "accelerate", "datasets")


@dataclasses.dataclass(frozen=True)
class Run:
    """What a run is before anything is trained, and where it will lie."""

    model: str
    recipe_name: str
    recipe: Recipe
    seed: int
    edition: Edition
    out: Path

    def resolved(self) -> dict[str, Any]:
        """Return the recipe's name and every setting, as they stand in run.json."""
        settings = dataclasses.asdict(self.recipe)
        if "weights" in settings:
            settings["weights"] = passed_on(settings["weights"])
        if settings.get("backbone", "").startswith("local-dir:"):
            settings["backbone"] = passed_on(settings["backbone"])
        return {"name": self.recipe_name, **settings}

    def edition_facts(self) -> dict[str, Any]:
        """Return name, title, hashes and pictures of the edition, as they stand in run.json."""
        edition = self.edition
        hashes = {"content_hash": edition.content_hash, "split_hash": edition.split_hash}
        images = {"pictures": edition.terms.pictures, "image_size": edition.facts["image_size"]}
        return {"name": edition.name, "title": edition.title, **hashes, **images}

    def checkpoint(self) -> Checkpoint:
        """Return the checkpoint that an interruption leaves beside the run's place."""
        facts = {"model": self.model, "seed": self.seed, "edition": self.edition_facts()}
        told = facts | {"recipe": self.recipe_name} | dataclasses.asdict(self.recipe)
        return Checkpoint(self.out, told, self._defaults())

    def _defaults(self) -> dict[str, Any]:
        """Return the settings that have a default: older runs and checkpoints do not know the younger ones of them."""
        fields = dataclasses.fields(self.recipe)
        return {one.name: one.default for one in fields if one.default is not dataclasses.MISSING}

    def finished(self) -> bool:
        """Return whether this very run lies in its place already."""
        path = atomic.finish_interrupted(self.out) / "run.json"
        if not path.is_file():
            return False
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            return False
        if not isinstance(found, dict) or not isinstance(found.get("recipe"), dict):
            return False
        mine = {"model": self.model, "seed": self.seed, "edition": self.edition_facts(), "recipe": self.resolved()}
        found["recipe"] = self._defaults() | old_words.recipe(found["recipe"])
        return _fixed(found) == _fixed(json.loads(json.dumps(mine)))


def _fixed(facts: dict[str, Any]) -> list[Any]:
    """Return what tells one run from another: a lower learning rate after a resumption does not."""
    recipe = facts.get("recipe") or {}
    settings = {key: value for key, value in recipe.items() if key not in FREE}
    return [facts.get("model"), facts.get("seed"), facts.get("edition"), settings]


def check_target(out: Path, overwrite: bool) -> None:
    """Raise BenchmarkError unless a run may be written to ``out``: free, empty, or a run to be overwritten."""
    if out.is_file():
        raise BenchmarkError(f"{out} is a file; a run is a folder. Choose another --out.")
    atomic.check_replaceable(out)
    if out.is_dir() and any(out.iterdir()):
        if not (out / "run.json").is_file():
            raise BenchmarkError(
                f"{out} exists and is not a run (it has no run.json); nothing in it was touched. Choose another --out."
            )
        if not overwrite:
            raise BenchmarkError(
                f"{out} holds a finished run already. Choose another --out or --seed, or replace it with --overwrite."
            )
    existing = next(parent for parent in (out, *out.parents) if parent.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise BenchmarkError(f"{existing} is no folder that can be written to. Choose another --out.")


def check_room(out: Path, parameters: int) -> None:
    """Raise BenchmarkError if the disk of ``out`` has no room for the checkpoints and the model of a training."""
    needed = 4 * COPIES * parameters + SMALL_FILES
    folder = next(parent for parent in (out, *out.parents) if parent.is_dir())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise BenchmarkError(
            f"the checkpoints and the model need {needed / 1e9:.2f} GB, but {folder} has {free / 1e9:.2f} GB left. "
            "Make room, or choose another --out."
        )


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Let no other training write to ``out`` until the block ends; BenchmarkError that says who does, if one does."""

    def busy(who: str) -> BenchmarkError:
        return BenchmarkError(f"{who} trains into {out}. Wait for it to end, or choose another --out or --seed.")

    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic.lock(out.with_name(f"{out.name}.lock.partial"), busy):
        yield


def read(run: Path) -> dict[str, Any]:
    """Return the run.json of a run's folder, its recipe in today's words; BenchmarkError if none can be read."""
    path = atomic.finish_interrupted(run) / "run.json"
    try:
        facts = dict(json.loads(path.read_text(encoding="utf-8")))
        if facts["format"] != FORMAT:
            raise BenchmarkError(f"{path}: format {facts['format']!r} is not {FORMAT!r}, the one this version reads.")
        if facts.get("recipe") is not None:
            facts["recipe"] = old_words.recipe(dict(facts["recipe"]))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BenchmarkError(f"{path} is no run.json of a finished run ({type(error).__name__}).") from None
    return facts


def versions() -> dict[str, str]:
    """Return the versions of Python, the libraries that matter and this package."""
    found = {"python": platform.python_version()}
    for package in (*PACKAGES, "galaxy-zoo-decals"):
        try:
            found[package.replace("-", "_")] = metadata.version(package)
        except metadata.PackageNotFoundError:
            # Run from a clone that was never installed.
            found[package.replace("-", "_")] = "not installed"
    return found


def commit() -> dict[str, Any]:
    """Return the commit of the code and whether tracked files differ from it; null outside a repository."""
    try:
        top = git.ask(ROOT, "rev-parse", "--show-toplevel")
        changes = git.ask(ROOT, "status", "--porcelain", "--untracked-files=no")
        return {"commit": git.ask(ROOT, "rev-parse", "HEAD"), "dirty": bool(changes)} if is_clone(top) else NO_COMMIT
    except git.GitError:
        return NO_COMMIT


def is_clone(top: str) -> bool:
    """Return whether the repository that git names is the one that this code lies in."""
    return Path(top).resolve() == ROOT


def command() -> str:
    """Return the command line, as launched; of a path outside the working folder only its last part."""
    launcher = "accelerate launch" if "ACCELERATE_MIXED_PRECISION" in os.environ else "python"
    return f"{launcher} {shlex.join(map(passed_on, sys.argv))}"


def passed_on(word: str) -> str:
    """Return a word of the command line without the folders of this machine: run.json is published."""
    option, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
    prefix, colon, place = value.partition(":")
    if colon and prefix == "local-dir":  # an encoder's folder: encoders.py
        return f"{option}{equals}{prefix}:{passed_on(place)}"
    path = Path(value)
    if not path.is_absolute():
        return word
    near = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else Path(path.name)
    return f"{option}{equals}{near}"


def write(path: Path, facts: dict[str, Any]) -> None:
    """Write run.json."""
    (path / "run.json").write_text(json.dumps({"format": FORMAT, **facts}, indent=1) + "\n")

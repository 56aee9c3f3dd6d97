"""Train, submit and score the maintainers' entries of benchmark/boards.yaml: `make boards`.

Everything happens through the commands that anybody would use. Entries that stand already are left alone and runs that
are finished are kept, so that it can be interrupted at any time and goes on. All seeds of an entry have to be of one
commit: commit what it made between entries, not in the middle of one.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

if not __package__:
    # Run as a script: the clone's root, not benchmark/, is where the packages lie.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmark import BenchmarkError
from benchmark.recipes import MODELS, RECIPES
from benchmark.submittable import LEADERBOARD, frozen, without_commit
from galaxy_zoo_decals import old_words
from galaxy_zoo_decals.edition import Edition, available
from galaxy_zoo_decals.ending import run_script

ROOT = Path(__file__).resolve().parents[1]
PLAN = Path(__file__).with_name("boards.yaml")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry of the plan."""

    edition: str
    runs: str
    """Folder of its runs, below runs/EDITION."""
    name: str
    description: str
    model: str | None = None
    recipe: str | None = None
    together: str | None = None
    """Folder of the runs whose predictions are averaged; then nothing is trained."""
    backbone: str | None = None
    first: str | None = None
    """Run, as EDITION/RUNS/seed<k>, that the first weights come from; without one they are the recipe's."""
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def needs(self) -> tuple[str, str] | None:
        """Edition and runs folder of the entry whose runs have to be there before."""
        if self.first:
            edition, runs, _ = self.first.split("/")
            return edition, runs
        return (self.edition, self.together) if self.together else None

    def folders(self, runs: Path, seeds: list[int]) -> list[Path]:
        """Return the folders of its runs, one a seed; an ensemble of all seeds is one, of the least of them."""
        return [runs / self.edition / self.runs / f"seed{seed}" for seed in ([min(seeds)] if self.together else seeds)]

    def command(self, runs: Path, seeds: list[int], folder: Path) -> list[str]:
        """Return the command that makes one of its runs, or keeps it if it is finished."""
        if self.together:
            members = [_near(runs / self.edition / self.together / f"seed{seed}") for seed in seeds]
            return ["python", "benchmark/ensemble.py", *members, "--out", _near(folder)]
        made = ["accelerate", "launch", "--quiet", "benchmark/run.py", "--model", str(self.model)]
        made += ["--edition", self.edition]
        made += ["--recipe", str(self.recipe), "--seed", folder.name.removeprefix("seed"), "--out", _near(folder)]
        made += ["--backbone", self.backbone] if self.backbone else []
        made += ["--weights", _near(runs / self.first)] if self.first else []
        for key, value in self.settings.items():
            made += ["--set", f"{key}={str(value).lower() if isinstance(value, bool) else value}"]
        return [*made, "--resume"]


@dataclass(frozen=True, kw_only=True)
class Signed:
    """Who answers for the entries of a plan; ``official`` ones are the maintainers'."""

    authors: list[str]
    contact: str
    official: bool

    def wrote(self, submission: dict[str, Any]) -> bool:
        """Return whether a submission is one of theirs; raises KeyError if it is none at all."""
        return submission["official"] is True if self.official else bool(submission["authors"] == self.authors)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What benchmark/boards.yaml holds."""

    signed: Signed
    seeds: list[int]
    editions: dict[str, dict[str, Any]]
    backbones: dict[str, str]
    entries: list[Entry]


def read(path: Path = PLAN) -> Plan:
    """Read a plan; raises BenchmarkError naming the entry and what is wrong with it."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        entries, signed = [Entry(**_today(one)) for one in content["entries"]], Signed(**content["signed"])
        plan = Plan(**{**content, "entries": entries, "signed": signed})
        said = {name: edition["training_data"] for name, edition in plan.editions.items()}
        if odd := next((e for e in entries for word in (e.edition, e.runs, e.name) if not isinstance(word, str)), None):
            raise TypeError(f"edition, runs and name are text, not {odd.edition!r}, {odd.runs!r}, {odd.name!r}")
    except (TypeError, KeyError, AttributeError, yaml.YAMLError) as error:
        raise BenchmarkError(f"{path}: {error}.") from None
    made = {(entry.edition, entry.runs) for entry in plan.entries}
    for entry in plan.entries:
        if entry.edition not in said:
            raise BenchmarkError(f"{path}: {entry.name}: no edition {entry.edition!r} is listed under `editions`.")
        if entry.backbone and entry.backbone not in plan.backbones:
            raise BenchmarkError(f"{path}: {entry.name}: no {entry.backbone!r} is listed under `backbones`.")
        if not entry.together and (entry.model not in MODELS or entry.recipe not in RECIPES):
            raise BenchmarkError(f"{path}: {entry.name}: there is no {entry.model!r} with the recipe {entry.recipe!r}.")
        if entry.needs and entry.needs not in made:
            raise BenchmarkError(f"{path}: {entry.name}: no entry makes the runs {'/'.join(entry.needs)}.")
    names = [(entry.edition, entry.name) for entry in plan.entries]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise BenchmarkError(f"{path}: {', '.join(f'{name} on {edition}' for edition, name in doubled)}: twice.")
    return plan


def _today(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry of a plan with its recipe and its settings in today's words."""
    recipe = {"recipe": old_words.name(entry["recipe"])} if "recipe" in entry else {}
    settings = {"settings": old_words.settings(entry["settings"])} if "settings" in entry else {}
    return entry | recipe | settings


def standing(leaderboard: Path, signed: Signed) -> dict[tuple[str, str], str]:
    """Return whose submissions there are on today's editions: edition and name, and the folder's name."""
    found, today = {}, frozen(leaderboard)
    for path in sorted((leaderboard / "submissions").glob("20*/submission.yaml")):
        try:
            facts = yaml.safe_load(path.read_text(encoding="utf-8"))
            ours = signed.wrote(facts) and facts["status"] == "active"
            runs = (
                [json.loads(run.read_text(encoding="utf-8")) for run in (path.parent / "runs").glob("*/*/*.json")]
                if ours
                else []
            )
            for edition in {run["edition"]["name"] for run in runs}:
                if all(run["edition"]["content_hash"] == today.get(edition, {}).get("content_hash") for run in runs):
                    found[edition, str(facts["name"])] = path.parent.name
        except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError) as error:
            print(f"warning: {path.parent.name} cannot be read ({type(error).__name__})", file=sys.stderr)
    return found


def facts(plan: Plan, entry: Entry) -> dict[str, Any]:
    """Return what `submit` cannot know of an entry."""
    data, note = plan.editions[entry.edition]["training_data"], "Trained from scratch on the training split alone."
    if entry.backbone:
        data = f"{data} {plan.backbones[entry.backbone]}"
        note = "First weights from ImageNet photographs, then the training split alone."
    if entry.first and entry.needs:
        other = entry.needs[0]
        data = f"{data} Before it: {plan.editions[other]['training_data']}"
        note = f"The training splits of {other}, then of {entry.edition}: no galaxy of the test split is in them."
    return {
        "name": entry.name,
        **vars(plan.signed),
        "description": entry.description,
        "code": {"repository": "this repository"},
        "training_data": data,
        "weights": "not published",
        "test_overlap": {"status": "none", "note": note},
        "selection": "validation only",
        "attestation": True,
    }


def train(plan: Plan, entry: Entry, runs: Path, leaderboard: Path) -> None:
    """Make an entry's runs, and before them those it needs; finished ones are kept."""
    for other in plan.entries:
        if (other.edition, other.runs) == entry.needs:
            train(plan, other, runs, leaderboard)
    prepare, known = plan.editions[entry.edition].get("prepare"), frozen(leaderboard).get(entry.edition)
    if known is None:
        raise BenchmarkError(f"the benchmark has no edition {entry.edition}: python -m leaderboard freeze --help.")
    if entry.edition not in available():
        if not prepare:
            raise BenchmarkError(f"the edition {entry.edition} is not here: galaxy-zoo-decals prepare --help.")
        call(prepare)
    # Where votes alone bind a result, pictures may come from several sources: `submit` looks at the votes.
    if known.get("bound_by") != "votes" and Edition.open(entry.edition).content_hash != known["content_hash"]:
        raise BenchmarkError(f"the edition {entry.edition} on this machine is not the benchmark's: prepare it again.")
    for folder in entry.folders(runs, plan.seeds):
        if not (entry.together and (folder / "run.json").is_file()):
            call(entry.command(runs, plan.seeds, folder))


def make(plan: Plan, entry: Entry, runs: Path, leaderboard: Path, truths: list[str]) -> None:
    """Make one entry: train what is missing, send it in, score it."""
    options = ["--root", _near(leaderboard), *(word for truth in truths for word in ("--truth", truth))]
    if (entry.edition, entry.name) not in standing(leaderboard, plan.signed):
        if not plan.signed.authors or not plan.signed.contact:
            raise BenchmarkError("nobody signs the entries: fill in authors and contact under `signed` of the plan.")
        if why := without_commit():
            raise BenchmarkError(f"results have to be found again, and these could not be: {why}")
        train(plan, entry, runs, leaderboard)
        given = runs / entry.edition / entry.runs / "facts.yaml"
        given.write_text(yaml.safe_dump(facts(plan, entry), sort_keys=False, allow_unicode=True), encoding="utf-8")
        folders = [_near(folder) for folder in entry.folders(runs, plan.seeds)]
        call(["python", "-m", "leaderboard", "submit", *options, "--facts", _near(given), *folders])
    slug = standing(leaderboard, plan.signed)[entry.edition, entry.name]
    if plan.signed.official:
        _answer_for(leaderboard / "official.yaml", slug)
    call(["python", "-m", "leaderboard", "score", *options, slug])


def _answer_for(path: Path, slug: str) -> None:
    """Add an entry to the list of those that the maintainers answer for, where it is not on it."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if slug not in (yaml.safe_load(text) or []):
        path.write_text(f"{text}- {slug}\n", encoding="utf-8")


def _near(path: Path) -> str:
    """Return a path as the commands get it, which run in the clone's root and whose words are published."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def call(command: list[str]) -> None:
    """Run a command of the environment's programs in the clone's root; raises BenchmarkError if it fails."""
    program = shutil.which(command[0], path=str(Path(sys.executable).parent)) or command[0]
    print(f"$ {shlex.join(command)}", flush=True)
    if subprocess.run([program, *command[1:]], cwd=ROOT, stdin=subprocess.DEVNULL).returncode:
        raise BenchmarkError("the command above failed; what is finished is kept, and the same command goes on.")


def main(arguments: list[str] | None = None) -> int:
    """Make the entries that do not stand yet; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="benchmark/plan.py", description=(__doc__ or "").split("\n")[0], allow_abbrev=False
    )
    parser.add_argument("--list", action="store_true", help="list what is done and what is not, and do nothing else")
    parser.add_argument("--edition", action="append", help="only entries of this edition; may be given several times")
    parser.add_argument("--truth", action="append", default=[], metavar="NAME=PATH", help="as in leaderboard submit")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs", help="folder of the runs; default: runs")
    parser.add_argument("--plan", type=Path, default=PLAN, help="list of the entries; default: benchmark/boards.yaml")
    parser.add_argument("--leaderboard", type=Path, default=LEADERBOARD, help="folder; default: leaderboard")
    args = parser.parse_args(arguments)
    return run_script(lambda: _run(args), "benchmark/plan.py", "the same command goes on.")


def _run(args: argparse.Namespace) -> None:
    runs, leaderboard = args.runs.resolve(), args.leaderboard.resolve()
    truths = [f"{name}={Path(path).resolve()}" for name, _, path in (truth.partition("=") for truth in args.truth)]
    plan = read(args.plan)
    chosen = [entry for entry in plan.entries if not args.edition or entry.edition in args.edition]
    there, due = standing(leaderboard, plan.signed), []
    for entry in chosen:
        slug = there.get((entry.edition, entry.name))
        state = "to do" if not slug else "stands" if (leaderboard / "scores" / slug).is_dir() else "to score"
        due += [entry] if state != "stands" else []
        print(f"{state:<9}{entry.edition:<11}{entry.name}{f' ({slug})' if slug else ''}")
    for number, entry in enumerate([] if args.list else due, 1):
        print(f"\n{number} of {len(due)}: {entry.name}, on {entry.edition}", flush=True)
        make(plan, entry, runs, leaderboard, truths)


if __name__ == "__main__":
    sys.exit(main())

"""Predictions made without our harness: a table in any order becomes a prediction file and the facts of its run."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from galaxy_zoo_decals import joins, prediction_tables
from galaxy_zoo_decals import predictions as prediction_files
from galaxy_zoo_decals.edition import digest
from galaxy_zoo_decals.prediction_tables import PredictionTable
from galaxy_zoo_decals.predictions import Predictions
from galaxy_zoo_decals.scoring import Truth
from leaderboard.entry.run_json import Git, Run, RunEdition, prediction_path
from leaderboard.entry.submission import Code, Facts, Overlap, RunFacts, Submission
from leaderboard.entry.truths import Key, Truths
from leaderboard.files import LeaderboardError, write_json


def template(truth: Truth, task: str, folder: Path) -> tuple[Path, Path]:
    """Write ``predictions.csv``, to be filled in, and ``facts.yaml`` into a folder; returns both.

    Raises LeaderboardError rather than write over either.
    """
    table, facts = folder / "predictions.csv", folder / "facts.yaml"
    for path in (table, facts):
        if path.exists():
            raise LeaderboardError(f"{path} exists already: name another folder with --out.")
    folder.mkdir(parents=True, exist_ok=True)
    names = prediction_files.columns(task, truth.tree)
    pd.DataFrame({"iauname": truth.names}).reindex(columns=["iauname", *names]).to_csv(table, index=False)
    facts.write_text(_facts_template(), encoding="utf-8")
    return table, facts


def _facts_template() -> str:
    """Return a file of facts with every key still null and what belongs there beside it."""
    hints = {key: field.description for key, field in Submission.model_fields.items()}
    lines = [
        "# What `submit` cannot know. What stays null can be filled in later in submission.yaml; code.commit,",
        "# code.command, code.recipe, parameters and all of run cannot.",
        "name: null  # what the entry is called on the boards",
        *(f"{key}: null  # {hints[key]}" for key in ("authors", "contact", "description")),
        "code:",
        *(f"  {key}: null  # {field.description}" for key, field in Code.model_fields.items()),
        "parameters: null  # number of trained parameters",
        f"training_data: null  # {hints['training_data']}",
        f"weights: null  # {hints['weights']}",
        "test_overlap:",
        *(f"  {key}: null  # {field.description}" for key, field in Overlap.model_fields.items()),
        f"selection: null  # {hints['selection']}",
        f"attestation: null  # {hints['attestation']}",
        "run:",
        *(f"  {key}: null  # {field.description}" for key, field in RunFacts.model_fields.items() if field.description),
    ]
    return "\n".join(lines) + "\n"


def gather(paths: list[Path], facts: Facts, truths: Truths, work: Path) -> list[tuple[Path, Run]]:
    """Turn tables of predictions into run folders below ``work``, as ``submission.gather`` takes them.

    The edition is the one whose scored test galaxies a table holds, the task the one whose columns it has, the seed
    the number in ``seed<k>`` of its name, else its place among the tables of its task. Raises LeaderboardError,
    PredictionError or TableError naming file, row and column.
    """
    _complete(facts)
    found: list[tuple[Path, Run]] = []
    for path in paths:
        table = _read(path)
        truth = _edition(table, truths)
        task = table.task(truth.tree)
        named = re.search(r"seed(\d{1,9})", path.stem)
        same = [r for _, r in found if r.tasks == [task] and r.edition.name == truth.edition]
        seed = int(table.metadata.get("seed") or (named[1] if named else len(same)))
        place = prediction_path(truth.edition, task, seed)
        held = set(table.names)
        names = tuple(name for name in truth.names if name in held)  # all, but where some may be lacking
        predictions = Predictions(
            task, truth.edition, truth.content_hash, truth.split_hash, seed, names,
            table.values(task, truth.tree, names),
        )  # fmt: skip
        folder = work / f"{len(found)}"
        prediction_files.check_values(predictions, truth.tree, str(path))
        prediction_files.write(folder / place, predictions, truth.tree)
        run = _run(facts, truth, task, seed)
        write_json(folder / "run.json", run.model_dump(mode="json"))
        found.append((folder, run))
    return found


def _complete(facts: Facts) -> None:
    missing = [f"code.{key}" for key in ("commit", "command", "recipe") if getattr(facts.code, key) is None]
    missing += ["parameters"] if facts.parameters is None else []
    missing += ["run"] if facts.run is None else []
    if missing:
        raise LeaderboardError(
            f"predictions made elsewhere need {', '.join(missing)} in the file given with --facts: "
            "`python -m leaderboard template` writes one to be filled in."
        )


def _read(path: Path) -> PredictionTable:
    if path.is_symlink() or not path.is_file():
        raise LeaderboardError(f"{path}: there is no such file.")
    return prediction_tables.read(path)


def _edition(table: PredictionTable, truths: Truths) -> Truth:
    names = table.names
    claimed = table.metadata.get("content_hash")
    best: tuple[int, Key] | None = None
    known: list[Truth] = []
    for key in truths.known():
        if (claimed and key[1] != claimed) or (truths.refused(key, new=True) and truths.home(key) is None):
            continue
        truth = truths.truth(key)
        if truth is None:
            continue
        known.append(truth)
        held = set(truth.names)
        inside = sum(name in held for name in names)
        if inside == len(names) and (inside == len(truth.names) or truth.may_lack):
            return truth
        if inside and (best is None or inside > best[0]):
            best = inside, key
    if best is None:
        # A truth that may not be passed on is not here, and its galaxies' names are not either.
        words = " ".join(truths.missing(key) for key in truths.known() if truths.truth(key) is None)
        meant = next((truth for truth in known if joins.cause(names, truth.names)), None)
        if meant is not None:
            raise LeaderboardError(f"{table.path}: {prediction_tables.differs(names, meant)}")
        sides = ""
        if known:
            sides = joins.explain(names, known[0].names, "names of the table", f"test galaxies of {known[0].edition}")
        problem = f"{table.path}: none of its galaxies is a scored test galaxy of a known edition. {sides} {words}"
        raise LeaderboardError(" ".join(problem.split()))
    wanted = truths.truth(best[1])
    assert wanted is not None
    raise LeaderboardError(f"{table.path}: {prediction_tables.differs(names, wanted)}")


def _run(facts: Facts, truth: Truth, task: str, seed: int) -> Run:
    told, code = facts.run, facts.code
    assert told is not None
    slug = re.sub(r"[^a-z0-9]+", "-", told.title.lower()).strip("-")[:64].strip("-") or digest([told.title])[:12]
    return Run.model_validate(
        told.model_dump(exclude={"recipe"})
        | {
            "format": "1",
            "model": slug,
            "tasks": [task],
            "edition": RunEdition(
                name=truth.edition, title=truth.title, content_hash=truth.content_hash, split_hash=truth.split_hash
            ),
            "seed": seed,
            "recipe": {"name": code.recipe, **told.recipe},
            "parameters": facts.parameters,
            "processes": 1,
            "git": Git(commit=code.commit, dirty=False),
            "command": code.command,
        }
    )

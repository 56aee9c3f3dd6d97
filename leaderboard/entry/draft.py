"""An entry made from run folders: gathered, drafted, and written with what its author has still to say."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from galaxy_zoo_decals.atomic import atomic_folder
from leaderboard.entry import prediction_file, run_json, strict_yaml
from leaderboard.entry.run_json import Run, RunEdition, prediction_path
from leaderboard.entry.submission import Facts, Submission, run_path
from leaderboard.entry.truths import Truths
from leaderboard.files import LeaderboardError, write_json

SCHEMA_LINE = "# yaml-language-server: $schema=../../schema/submission.schema.json"
"""Editors that know this line check a submission.yaml while it is written."""


VOTES_SEEN = ("zoobot", "galaxyzoo", "gzevo", "gzdesi", "gzdecals")
"""What is in the names of published weights that were trained on votes of Galaxy Zoo, in letters alone."""


def slug(name: str, day: date) -> str:
    """Return the folder name of a submission: date and the name in plain letters."""
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:48].strip("-")
    if not words:
        raise LeaderboardError(f"--name {name!r}: give a name with some letters or digits a-z, 0-9.")
    return f"{day:%Y%m%d}-{words}"


def write_yaml(path: Path, submission: Submission) -> None:
    """Write a submission.yaml with a remark at every key that its author has still to fill in."""
    text = yaml.safe_dump(submission.model_dump(), sort_keys=False, allow_unicode=True, width=1000)
    written = text.splitlines()
    places, _ = strict_yaml.places(yaml.compose(text, Loader=yaml.SafeLoader))
    for key, hint in submission.remaining().items():
        written[places[tuple(key.split("."))] - 1] += f"  # fill in: {hint}"
    path.write_text("\n".join([SCHEMA_LINE, *written]) + "\n", encoding="utf-8")


def gather(folders: Iterable[Path], truths: Truths) -> list[tuple[Path, Run]]:
    """Read some run folders that are to be one entry, with all predictions checked.

    Raises LeaderboardError if a folder is no run, a prediction file is missing or bad, two runs are of the same
    edition, task and seed, or the runs differ in model, recipe or commit.
    """
    found = [(folder, run_json.read(folder / "run.json")) for folder in folders]
    seen: dict[tuple[str, str, int], Path] = {}
    for folder, run in found:
        refused = truths.refused((run.edition.name, run.edition.content_hash), new=True)
        if refused:
            raise LeaderboardError(f"{folder}: {refused}")
        for task in run.tasks:
            key = (run.edition.name, task, run.seed)
            if key in seen:
                raise LeaderboardError(
                    f"{folder} and {seen[key]} are both seed {run.seed} of {task} on {run.edition.name}: give one."
                )
            seen[key] = folder
            prediction_file.checked(folder / prediction_path(*key), run, task, truths)
    first_folder, first = found[0]
    for folder, run in found[1:]:
        for word, a, b in (
            ("models", first.title, run.title),
            ("recipes", (first.recipe_name, first.settings), (run.recipe_name, run.settings)),
            ("commits", first.git, run.git),
            ("training galaxies", _content(found, run), run.edition.trained_on),
            ("pictures", *(_seen(edition) for edition in (_first_on(found, run), run.edition))),
        ):
            if a != b:
                raise LeaderboardError(f"{first_folder} and {folder} are of different {word}: submit them apart.")
    files = ((folder / prediction_path(r.edition.name, task, r.seed), r) for folder, r in found for task in r.tasks)
    if words := prediction_file.other_galaxies(files, truths):
        raise LeaderboardError(words)
    return found


def _first_on(found: list[tuple[Path, Run]], run: Run) -> RunEdition:
    """Return the edition of the first run on the edition of a run, as that one says of it."""
    return next(r.edition for _, r in found if r.edition.name == run.edition.name)


def _seen(edition: RunEdition) -> tuple[str | None, int | None]:
    return edition.pictures, edition.image_size


def _content(found: list[tuple[Path, Run]], run: Run) -> str | None:
    """Return the content that the first run on the same edition was trained on, None if it is the benchmark's."""
    return next(r.edition.trained_on for _, r in found if r.edition.name == run.edition.name)


def draft(found: list[tuple[Path, Run]], name: str, authors: list[str], facts: Facts | None = None) -> Submission:
    """Return the submission of runs that ``gather`` accepted, as far as the runs and the facts tell.

    Raises LeaderboardError naming the key that holds what it may not.
    """
    run = found[0][1]
    clean = run.git is not None and run.git.dirty is False
    content: dict[str, Any] = {
        "format": "1",
        "name": name,
        "authors": authors,
        "official": False,
        "contact": None,
        "description": None,
        "code": {
            "repository": None,
            "commit": run.git.commit if run.git and clean else None,
            "command": run.command,
            "recipe": run.recipe_name,
        },
        "weights": {"url": None, "sha256": None, "licence": None},
        "training_data": None,
        "test_overlap": _overlap(run.weights),
        "selection": None,
        "parameters": max(r.parameters for _, r in found),
        "status": "active",
        "status_reason": None,
        "attestation": False,
    }
    told = facts.model_dump(exclude_none=True, exclude={"run", "name"}) if facts else {}
    content["code"] |= told.pop("code", {})
    content |= told | ({"authors": authors} if authors else {})
    try:
        return Submission.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise LeaderboardError(f"{key}: {first['msg']} (given: {first['input']!r}).") from None


def _overlap(weights: str) -> dict[str, str | None]:
    """Return what first weights that learned from Galaxy Zoo's votes say of the overlap with the test galaxies."""
    if not any(word in re.sub(r"[^a-z]", "", weights.lower()) for word in VOTES_SEEN):
        return {"status": None, "note": None}
    note = f"The first weights, {weights}, were trained on votes of Galaxy Zoo, which may include the test galaxies."
    return {"status": "declared", "note": note}


def with_answer(submission: Submission, key: str, answer: str) -> Submission:
    """Return the submission with a remaining key set to what a person typed; raises LeaderboardError saying why not."""
    content = submission.model_dump()
    place = content
    *parents, last = key.split(".")
    for parent in parents:
        place = place[parent]
    value: Any = answer
    if last == "authors":
        value = [name.strip() for name in answer.split(",")]
    elif last == "attestation":
        value = answer.lower() in ("true", "yes", "y")
    elif key == "weights.url" and answer == "not published":
        place, last = content, "weights"
    place[last] = value
    try:
        return Submission.model_validate(content)
    except ValidationError as error:
        raise LeaderboardError(error.errors(include_url=False)[0]["msg"]) from None


def create(folder: Path, found: list[tuple[Path, Run]], submission: Submission) -> None:
    """Make a submission folder from runs that ``gather`` accepted; raises LeaderboardError if it exists."""
    if folder.exists():
        raise LeaderboardError(f"{folder} exists already: choose another --name, or remove it if it is a draft.")
    run = found[0][1]
    with atomic_folder(folder) as beside:
        write_yaml(beside / "submission.yaml", submission)
        (beside / "README.md").write_text(
            f"# {submission.name}\n\n{run.title}, recipe {run.recipe_name}.\n", encoding="utf-8"
        )
        for source, run in found:
            for task in run.tasks:
                place = prediction_path(run.edition.name, task, run.seed)
                (beside / place).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / place, beside / place)
                write_json(beside / run_path(place), run.model_dump(mode="json"))

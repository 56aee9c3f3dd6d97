"""Submissions: one folder by pull request, its submission.yaml strictly typed, made from run folders."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Field, StringConstraints, ValidationError

from galaxy_zoo_decals import predictions as prediction_files
from galaxy_zoo_decals.atomic import atomic_folder
from galaxy_zoo_decals.edition import digest
from leaderboard import documents, runs, scores
from leaderboard.files import LeaderboardError, read_text, write_json
from leaderboard.parquet import bounded
from leaderboard.runs import Hash, Line, Paragraph, Run, RunEdition, Setting, prediction_path
from leaderboard.strict import Strict
from leaderboard.truths import Truths, tree_of

SLUG = re.compile(r"^20\d{6}-[a-z0-9]+(-[a-z0-9]+)*$")
LARGEST_FILE = 5 * 2**20
LARGEST_SUBMISSION = 40 * 2**20
LARGEST_YAML = 64 * 2**10
SCHEMA_LINE = "# yaml-language-server: $schema=../../schema/submission.schema.json"
"""Editors that know this line check a submission.yaml while it is written."""


def spdx(text: str) -> str:
    """Return the text if it is an SPDX licence expression, else raise ValueError."""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        return canonicalize_license_expression(text)
    except InvalidLicenseExpression:
        raise ValueError("not an SPDX licence expression, such as Apache-2.0") from None


Url = Annotated[str, StringConstraints(max_length=500, pattern=r"^https://[A-Za-z0-9.-]+(:[0-9]+)?(/[^\s<>\"'\\]*)?$")]
Commit = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
Licence = Annotated[str, StringConstraints(max_length=100), AfterValidator(spdx)]


class Code(Strict):
    """Where the code is and how it was run."""

    repository: Url | Literal["this repository"] | None = Field(
        description="https address of the public repository (or: this repository)"
    )
    commit: Commit | None = Field(description="40-digit commit the runs were made with, without local changes")
    command: Paragraph = Field(description="exact command line of one run")
    recipe: Line = Field(description="name of the recipe")


class Weights(Strict):
    """Where the trained weights can be had."""

    url: Url | None = Field(description="https address of the weights; or the one line `weights: not published`")
    sha256: Hash | None = Field(description="sha256 of the weights file")
    licence: Licence | None = Field(description="SPDX licence of the weights")


class Overlap(Strict):
    """Whether anything the model learned from holds test galaxies."""

    status: Literal["none", "declared", "unknown"] | None = Field(
        description="none, declared or unknown: encoders trained on Galaxy Zoo votes have seen our test galaxies"
    )
    note: Paragraph | None = Field(description="why this holds, in a sentence")


class Submission(Strict):
    """The content of submission.yaml; None stands for what its author has still to fill in."""

    format: Literal["1"]
    name: Line
    authors: list[Line] = Field(max_length=50, description="list of names")
    official: bool
    contact: Line | None = Field(description="e-mail address or handle for questions about the entry")
    description: Paragraph | None = Field(description="what the model is and what is new, in a few sentences")
    code: Code
    weights: Weights | Literal["not published"] = Field(description="url, sha256 and licence; or: not published")
    training_data: Paragraph | None = Field(description="all data the weights have seen, pretraining included")
    test_overlap: Overlap
    selection: Literal["validation only"] | None = Field(
        description="'validation only', if no choice was made by looking at test scores"
    )
    parameters: Annotated[int, Field(ge=0, lt=10**15)]
    status: Literal["active", "superseded", "withdrawn"]
    status_reason: Paragraph | None
    attestation: bool = Field(description="true, if all above is true to the best of the authors' knowledge")

    def remaining(self) -> dict[str, str]:
        """Return what has still to be filled in: {dotted key: what to write}."""
        found = _empty(self, "")
        if not self.authors:
            found["authors"] = str(Submission.model_fields["authors"].description)
        if self.status == "active":
            found.pop("status_reason", None)
        if not self.attestation:
            found["attestation"] = str(Submission.model_fields["attestation"].description)
        return found


def _empty(model: Strict, prefix: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, Strict):
            found |= _empty(value, f"{prefix}{name}.")
        elif value is None:
            found[f"{prefix}{name}"] = field.description or "why"
    return found


class CodeFacts(Strict):
    """What ``Code`` holds, as far as it is known."""

    repository: Url | Literal["this repository"] | None = None
    commit: Commit | None = None
    command: Paragraph | None = None
    recipe: Line | None = None


class RunFacts(Strict):
    """What the harness would have written of a run, for predictions made without it (docs/runs.md)."""

    title: Line = Field(description="what was trained, with backbone and weights by their own names")
    backbone: Line = Field(description="the network, or what stands in its place")
    weights: Line = Field(description="where its first weights came from; none for random ones")
    recipe: Annotated[dict[Line, Setting], Field(max_length=200)] = Field(description="settings, {name: value}")
    resolution: Annotated[int, Field(ge=1, lt=10**6)] | None = Field(
        description="side of the training images in pixels; null if there is none"
    )
    device: Line = Field(description="what it was trained on, such as 1 NVIDIA A100 or 4 CPU cores")
    precision: Line = Field(description="float32, bfloat16, float64")
    train_seconds: Annotated[float, Field(ge=0)] | None = Field(description="wall time of training, null if unknown")
    gpu_hours: Annotated[float, Field(ge=0)] | None = None
    images_per_second: Annotated[float, Field(ge=0)] | None = None
    peak_memory_bytes: Annotated[int, Field(ge=0)] | None = None
    versions: Annotated[dict[Line, Line], Field(max_length=50, default_factory=dict)]


class Facts(Strict):
    """What ``submit`` cannot know: any keys of submission.yaml, and ``run`` for predictions made elsewhere."""

    name: Line | None = None
    authors: list[Line] | None = Field(default=None, max_length=50)
    official: bool | None = None
    contact: Line | None = None
    description: Paragraph | None = None
    code: CodeFacts = CodeFacts()
    weights: Weights | Literal["not published"] | None = None
    training_data: Paragraph | None = None
    test_overlap: Overlap | None = None
    selection: Literal["validation only"] | None = None
    parameters: Annotated[int, Field(ge=0, lt=10**15)] | None = None
    attestation: bool | None = None
    run: RunFacts | None = None


def read(path: Path) -> Submission:
    """Read a submission.yaml strictly; raises YamlError with line and key of every fault."""
    return parse(read_text(path, LARGEST_YAML), path)


def parse(text: str, path: Path) -> Submission:
    """Read the text of a submission.yaml as strictly; ``path`` names it in what is raised."""
    return documents.parse(text, path, Submission)


def read_facts(path: Path) -> Facts:
    """Read a file of facts for ``submit`` as strictly; raises YamlError with line and key of every fault."""
    return documents.parse(read_text(path, LARGEST_YAML), path, Facts)


def lines(path: Path) -> dict[tuple[str, ...], int]:
    """Return the line of each key of a YAML file that ``read`` accepts, by its path of keys."""
    return documents.places(yaml.compose(read_text(path, LARGEST_YAML), Loader=yaml.SafeLoader))[0]


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
    places, _ = documents.places(yaml.compose(text, Loader=yaml.SafeLoader))
    for key, hint in submission.remaining().items():
        written[places[tuple(key.split("."))] - 1] += f"  # fill in: {hint}"
    path.write_text("\n".join([SCHEMA_LINE, *written]) + "\n", encoding="utf-8")


def gather(folders: Iterable[Path], truths: Truths) -> list[tuple[Path, Run]]:
    """Read some run folders that are to be one entry, with all predictions checked.

    Raises LeaderboardError if a folder is no run, a prediction file is missing or bad, two runs are of the same
    edition, task and seed, or the runs differ in model, recipe or commit.
    """
    found = [(folder, runs.read(folder / "run.json")) for folder in folders]
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
            check_predictions(folder / prediction_path(*key), run, task, truths)
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
    if words := other_galaxies(files, truths):
        raise LeaderboardError(words)
    return found


def _first_on(found: list[tuple[Path, Run]], run: Run) -> RunEdition:
    """Return the edition of the first run on the edition of a run, as that one says of it."""
    return next(r.edition for _, r in found if r.edition.name == run.edition.name)


def _seen(edition: RunEdition) -> tuple[str | None, int | None]:
    return edition.pictures, edition.image_size


def other_galaxies(files: Iterable[tuple[Path, Run]], truths: Truths) -> str:
    """Say which two files of one edition lack different galaxies, whose scores have no mean; empty if none do."""
    seen: dict[str, tuple[Path, tuple[int, ...]]] = {}
    for path, run in files:
        truth = truths.truth((run.edition.name, run.edition.content_hash))
        if truth is None or not truth.may_lack:
            continue
        lacking = scores.read_predictions(path, truth).lacking
        first, theirs = seen.setdefault(run.edition.name, (path, lacking))
        if theirs != lacking:
            return (
                f"{path}: lacks other galaxies than {first} ({len(lacking):,} and {len(theirs):,}): predict all of "
                "them on one edition, or submit them apart."
            )
    return ""


def _content(found: list[tuple[Path, Run]], run: Run) -> str | None:
    """Return the content that the first run on the same edition was trained on, None if it is the benchmark's."""
    return next(r.edition.trained_on for _, r in found if r.edition.name == run.edition.name)


def check_predictions(path: Path, run: Run, task: str, truths: Truths) -> None:
    """Raise LeaderboardError or PredictionError unless this prediction file is whole and belongs to the run."""
    if path.is_symlink() or not path.is_file():
        raise LeaderboardError(f"{path}: missing, though run.json says that {task} was predicted: run it again.")
    key = (run.edition.name, run.edition.content_hash)
    if key in truths.frozen and task not in truths.frozen[key][1].boards and task != "votes":
        raise LeaderboardError(
            f"{path}: the benchmark has no {task} board of {run.edition.name}; it has "
            f"{', '.join(truths.frozen[key][1].boards)}."
        )
    truth = truths.truth(key)
    if truth is not None:
        predictions = scores.read_predictions(path, truth)
    else:
        bounded(path, None)
        predictions = prediction_files.read(path, tree_of(run.edition.name, truths))
        if key in truths.frozen and digest(list(predictions.names)) != truths.frozen[key][1].order_hash:
            raise LeaderboardError(
                f"{path}: its galaxies are not the {truths.frozen[key][1].galaxies} scored test galaxies of "
                f"{run.edition.name} in the edition's order: one row each, as the harness or `submit` writes them."
            )
    said = (task, run.edition.name, run.edition.content_hash, run.edition.split_hash, run.seed)
    holds = (
        predictions.task, predictions.edition, predictions.content_hash, predictions.split_hash, predictions.seed,
    )  # fmt: skip
    for word, a, b in zip(("task", "edition", "content hash", "split hash", "seed"), said, holds):
        if a != b:
            raise LeaderboardError(f"{path}: its {word} is {b!r}, but run.json says {a!r}: run it again.")


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
        "test_overlap": {"status": None, "note": None},
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


def run_path(prediction: Path) -> Path:
    """Return where the facts of the run that made a prediction file lie in a submission."""
    return Path("runs", *prediction.parts[1:]).with_suffix(".json")

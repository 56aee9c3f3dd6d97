"""The checks of submissions: every fault with its file, line or row, and what to do about it."""

from __future__ import annotations

import contextlib
import hashlib
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from galaxy_zoo_decals import predictions as prediction_files
from galaxy_zoo_decals.predictions import PredictionError, Predictions
from leaderboard import runs, scores, submission
from leaderboard.files import LeaderboardError, read_text, sha256
from leaderboard.runs import Run
from leaderboard.submission import LARGEST_FILE, LARGEST_SUBMISSION, SLUG, Submission, YamlError
from leaderboard.truths import Truths, tree_of

ALLOWED = re.compile(
    r"submission\.yaml|README\.md|citation\.bib"
    r"|runs/[a-z0-9][a-z0-9_.-]{0,63}/(multiclass|multilabel|hierarchical|votes)/seed\d{1,9}\.json"
    r"|predictions/[a-z0-9][a-z0-9_.-]{0,63}/(multiclass|multilabel|hierarchical|votes)/seed\d{1,9}\.parquet"
)
MOST_FILES = 500
LARGEST_RUN = 2**20
LARGEST_TEXT = {"README.md": 64 * 2**10, "citation.bib": 64 * 2**10, "submission.yaml": submission.LARGEST_YAML}


@dataclass
class Report:
    """What a check found: ``faults`` fail it, ``notes`` say what could not be looked at here."""

    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: int = 0
    rescored: int = 0


def check(folder: Path, scored: Path, truths: Truths, seen: dict[str, str]) -> Report:
    """Check one submission folder against the rules and its stored scores in ``scored``.

    ``seen`` holds the digests of predictions met so far, {digest: file}, and is added to, so that copies are found
    among all submissions of one call.
    """
    report = Report()
    _layout(folder, report)
    if report.faults:
        return report  # nothing below may touch links, giants or strangers
    said = _metadata(folder, report)
    stored = _stored(folder, scored, report)
    for path in sorted(folder.glob("predictions/*/*/*.parquet")):
        report.files += 1
        try:
            _file(folder, path, said, stored, truths, seen, report)
        except ValueError as error:
            report.faults.append(str(error))
    if not report.files:
        report.faults.append(f"{folder}: holds no predictions/<edition>/<task>/seed<k>.parquet: add them.")
    return report


def _layout(folder: Path, report: Report) -> None:
    if folder.is_symlink() or not folder.is_dir():
        report.faults.append(f"{folder}: not a folder.")
        return
    if not SLUG.match(folder.name) or len(folder.name) > 64:
        report.faults.append(f"{folder}: rename the folder to <yyyymmdd>-<name in a-z, 0-9 and hyphens>.")
    total = count = 0
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        status = path.lstat()
        count += 1
        if count > MOST_FILES:
            report.faults.append(f"{folder}: more than {MOST_FILES} files and folders.")
            return
        if stat.S_ISDIR(status.st_mode):
            continue
        if not stat.S_ISREG(status.st_mode):
            report.faults.append(f"{path}: a link or special file; only regular files are allowed.")
            continue
        if not ALLOWED.fullmatch(name):
            report.faults.append(
                f"{path}: no file of a submission (submission.yaml, README.md, citation.bib, "
                "runs/<edition>/<task>/seed<k>.json, predictions/<edition>/<task>/seed<k>.parquet): remove it."
            )
        if status.st_mode & 0o111:
            report.faults.append(f"{path}: is executable; run `chmod -x` on it.")
        limit = LARGEST_TEXT.get(name, LARGEST_RUN if path.suffix == ".json" else LARGEST_FILE)
        if status.st_size > limit:
            report.faults.append(f"{path}: {status.st_size:,} bytes; at most {limit:,} are allowed.")
        total += status.st_size
    if total > LARGEST_SUBMISSION:
        report.faults.append(f"{folder}: {total:,} bytes in all; at most {LARGEST_SUBMISSION:,} are allowed.")
    for needed in ("submission.yaml", "README.md"):
        if not (folder / needed).is_file():
            report.faults.append(f"{folder / needed}: missing; `python -m leaderboard submit` writes one.")


def _metadata(folder: Path, report: Report) -> Submission | None:
    path = folder / "submission.yaml"
    for name in ("README.md", "citation.bib"):
        if (folder / name).exists():
            _text(folder / name, report)
    try:
        said = submission.read(path)
    except YamlError as error:
        report.faults += str(error).splitlines()
        return None
    except LeaderboardError as error:
        report.faults.append(str(error))
        return None
    lines = submission.lines(path)
    for key, hint in said.remaining().items():
        line = lines.get(tuple(key.split(".")), 1)
        report.faults.append(f"{path}: line {line}: {key} is still to be filled in: {hint}.")
    return said


def _text(path: Path, report: Report) -> None:
    try:
        text = read_text(path)
    except LeaderboardError as error:
        report.faults.append(str(error))
        return
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            runs.plain(line.replace("\t", " "))
        except ValueError as error:
            report.faults.append(f"{path}: line {number}: {error}.")
    if path.suffix == ".bib" and (
        not re.search(r"@\w+\s*\{\s*[^\s,{}]+\s*,", text) or text.count("{") != text.count("}")
    ):
        report.faults.append(f"{path}: not BibTeX: it needs @kind{{key, ...}} with as many closing as opening braces.")


def _stored(folder: Path, scored: Path, report: Report) -> list[scores.Stored]:
    try:
        return scores.read(scored)
    except (LeaderboardError, OSError) as error:
        report.faults.append(str(error))
        return []


def _file(
    folder: Path, path: Path, said: Submission | None, stored: list[scores.Stored], truths: Truths,
    seen: dict[str, str], report: Report,
) -> None:  # fmt: skip
    edition, task, seed = path.parts[-3], path.parts[-2], int(path.stem.removeprefix("seed"))
    run_file = folder / submission.run_path(path.relative_to(folder))
    if not run_file.is_file():
        raise LeaderboardError(f"{run_file}: missing: the harness's run.json of these predictions belongs there.")
    run = runs.read(run_file)
    _agree(run_file, run, (edition, task, seed), said, report)
    key = (run.edition.name, run.edition.content_hash)
    truth = truths.truth(key)
    submission.check_predictions(path, run, task, truths)
    predictions = prediction_files.read(path, truth.tree if truth else tree_of(edition, truths))
    _honest(path, predictions, seen)
    mine = [s for s in stored if (s.key, s.task, s.seed) == (key, task, seed)]
    if stored and not mine:
        raise LeaderboardError(f"{path}: has no stored score: run `python -m leaderboard score {folder.name}`.")
    if mine and mine[0].prediction_sha256 != sha256(path):
        raise LeaderboardError(
            f"{path}: not the file that was scored (its sha256 is {sha256(path)[:12]}, the scored one's "
            f"{mine[0].prediction_sha256[:12]}): restore it, or run `python -m leaderboard score {folder.name}`."
        )
    if truth is None:
        report.notes.append(f"{path}: not re-scored: {truths.missing(key)}")
        return
    if not mine:
        return
    fresh = scores.of_predictions(truth, predictions, str(path))
    report.rescored += 1
    if fresh.keys() != mine[0].boards.keys():
        raise LeaderboardError(f"{path}: scored on {', '.join(mine[0].boards)}, must be on {', '.join(fresh)}.")
    for board, score in fresh.items():
        for word in scores.differences(mine[0].boards[board], score)[:3]:
            report.faults.append(
                f"scores/{folder.name}: {edition}/{task}/seed{seed}, board {board}: {word}: stored scores must be "
                f"the scorer's own; run `python -m leaderboard score {folder.name}`."
            )


def _agree(path: Path, run: Run, place: tuple[str, str, int], said: Submission | None, report: Report) -> None:
    edition, task, seed = place
    if (run.edition.name, run.seed) != (edition, seed) or task not in run.tasks:
        raise LeaderboardError(
            f"{path}: is of {run.edition.name}, {', '.join(run.tasks)}, seed {run.seed}: it lies in the wrong place."
        )
    if run.git is None or run.git.dirty is not False or run.git.commit is None:
        report.faults.append(f"{path}: git: the run was not made from a clean commit: commit, then train again.")
    elif said and said.code.commit and run.git.commit != said.code.commit:
        report.faults.append(
            f"{path}: git.commit is {run.git.commit[:12]}, submission.yaml says {said.code.commit[:12]}."
        )


def digests(folders: list[Path], truths: Truths) -> dict[str, str]:
    """Return the digests of the readable predictions of some submissions, {digest: file}, to find copies of them."""
    seen: dict[str, str] = {}
    for folder in folders:
        for path in sorted(folder.glob("predictions/*/*/*.parquet")):
            with contextlib.suppress(ValueError):
                scores.bounded(path, None)
                seen[_digest(prediction_files.read(path, tree_of(path.parts[-3], truths)))] = str(path)
    return seen


def _digest(predictions: Predictions) -> str:
    return hashlib.sha256(predictions.values.tobytes() + predictions.content_hash.encode()).hexdigest()


def _honest(path: Path, predictions: Predictions, seen: dict[str, str]) -> None:
    if len(predictions.values) > 1 and not np.ptp(predictions.values, axis=0).any():
        raise PredictionError(
            f"{path}: says the same of every galaxy: that is the class prior, which stands there already."
        )
    digest = _digest(predictions)
    if digest in seen:
        raise PredictionError(f"{path}: the same predictions as {seen[digest]}: every seed and entry needs its own.")
    seen[digest] = str(path)

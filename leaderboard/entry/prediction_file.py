"""Prediction files of an entry: bounded, whole, and of the run that they are said to be of."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from galaxy_zoo_decals import predictions as prediction_files
from galaxy_zoo_decals.edition import digest
from galaxy_zoo_decals.predictions import Predictions
from galaxy_zoo_decals.scoring import Truth
from galaxy_zoo_decals.scoring.class_prior import complete
from leaderboard.entry.bounded_parquet import bounded
from leaderboard.entry.run_json import Run
from leaderboard.entry.truths import Truths, tree_of
from leaderboard.files import LeaderboardError


def read(path: Path, truth: Truth) -> Predictions:
    """Read a prediction file of an edition whose truth is known; galaxies that it may lack are filled in.

    The footer is looked at first, so that a file which claims far more rows or bytes than the edition can have is
    refused before it is unpacked. Raises PredictionError naming file, row and column.
    """
    bounded(path, len(truth.names), truth.may_lack)
    return complete(truth, prediction_files.read(path, truth.tree), str(path))


def checked(path: Path, run: Run, task: str, truths: Truths) -> Predictions:
    """Return the predictions of a run for a task; LeaderboardError or PredictionError unless whole and of this run."""
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
        predictions = read(path, truth)
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
    return predictions


def other_galaxies(files: Iterable[tuple[Path, Run]], truths: Truths) -> str:
    """Say which two files of one edition lack different galaxies, whose scores have no mean; empty if none do."""
    seen: dict[str, tuple[Path, tuple[int, ...]]] = {}
    for path, run in files:
        truth = truths.truth((run.edition.name, run.edition.content_hash))
        if truth is None or not truth.may_lack:
            continue
        lacking = read(path, truth).lacking
        first, theirs = seen.setdefault(run.edition.name, (path, lacking))
        if theirs != lacking:
            return (
                f"{path}: lacks other galaxies than {first} ({len(lacking):,} and {len(theirs):,}): predict all of "
                "them on one edition, or submit them apart."
            )
    return ""

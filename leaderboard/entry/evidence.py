"""Evidence: what maintainers found when they ran an entry again, bound to the prediction files it was found on.

It lies in ``evidence/<slug>/``, written by ``rerun --store`` and ``reproduce --store`` alone: a pull request may touch
``submissions/`` only. What stands behind an entry follows from these files and from its scores; nobody declares it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError

from leaderboard.entry.run_json import Hash, Line, Name, Seed, Task
from leaderboard.entry.strict import Strict
from leaderboard.entry.versions import Key
from leaderboard.files import LeaderboardError, read_json, write_json

FORMAT = "1"

WORDS = ("reported", "re-scored", "re-run", "re-run on fresh galaxies", "re-trained")
"""What may stand behind a number, from least to most."""

RERUN, RETRAINED = "rerun.json", "retrained.json"

Day = Annotated[str, StringConstraints(pattern=r"^20[0-9]{2}-[0-9]{2}-[0-9]{2}$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class File(Strict):
    """A prediction file of the entry beside what the published weights predict of the same galaxies.

    ``same`` is the share of answers that are the same, ``largest`` the largest difference of two values.
    """

    edition: Name
    content_hash: Hash
    task: Task
    seed: Seed
    prediction_sha256: Hash
    weights_sha256: Hash
    galaxies: Annotated[int, Field(ge=1)]
    same: Annotated[float, Field(ge=0, le=1)]
    largest: Annotated[float, Field(ge=0, allow_inf_nan=False)]

    @property
    def key(self) -> Key:
        """Name and content hash of the edition."""
        return self.edition, self.content_hash


class Board(Strict):
    """The primary score of the same weights on the board's galaxies and on fresh ones; both are means over seeds.

    ``difference`` is by how much they are better on fresh galaxies (below 0: worse), with its interval.
    """

    edition: Name
    content_hash: Hash
    board: Task
    galaxies: Annotated[int, Field(ge=1)]
    on_board: Finite
    on_fresh: Finite
    difference: Finite
    low: Finite
    high: Finite

    @property
    def holds(self) -> bool:
        """Whether fresh galaxies do not say that it is worse."""
        return self.high >= 0


class Fresh(Strict):
    """Galaxies that nobody had seen when the entry was merged: the text their seed comes from, and the scores."""

    randomness: Hash
    round: Annotated[int, Field(ge=1)]
    seed: Annotated[int, Field(ge=0)]
    simulator: Line
    boards: Annotated[list[Board], Field(min_length=1)]


class Rerun(Strict):
    """The content of rerun.json."""

    format: Literal["1"]
    day: Day
    files: Annotated[list[File], Field(min_length=1)]
    fresh: Fresh | None = None


class Training(Strict):
    """A run made anew by the entry's command, on one board: how many standard deviations it lies from the seeds."""

    edition: Name
    content_hash: Hash
    board: Task
    seed: Seed
    commit: Line | None
    prediction_sha256: Hash
    score: Finite
    mean: Finite
    off: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    allowed: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    same: bool


class Retrained(Strict):
    """The content of retrained.json; ``compared_with`` are the sha256 of the entry's prediction files."""

    format: Literal["1"]
    day: Day
    compared_with: Annotated[list[Hash], Field(min_length=1)]
    runs: Annotated[list[Training], Field(min_length=1)]


@dataclasses.dataclass(frozen=True)
class Evidence:
    """One of ``WORDS`` about an entry on some editions: the day it was found, and what was found in a sentence."""

    word: str
    day: str
    editions: frozenset[Key]
    sentence: str


def write(root: Path, slug: str, found: Rerun | Retrained) -> Path:
    """Store evidence of an entry below ``root`` in place of the last of its kind and return the file."""
    path = root / "evidence" / slug / (RERUN if isinstance(found, Rerun) else RETRAINED)
    write_json(path, found.model_dump())
    return path


def of(slug: str, root: Path, predictions: Mapping[str, Key]) -> tuple[list[Evidence], list[str]]:
    """Return what was found of an entry below ``root``, least first, and a warning for each file that is not taken.

    ``predictions`` are the entry's prediction files, {sha256: (edition's name, content hash)}. Evidence that was found
    on another prediction file, or is not in the form of this version, says nothing about the entry.
    """
    found: list[Evidence] = []
    warnings: list[str] = []
    for name in (RERUN, RETRAINED):
        path = root / "evidence" / slug / name
        if not path.is_file() and not path.is_symlink():
            continue
        try:
            content = read_json(path)
            if name == RERUN:
                found += _of_rerun(Rerun.model_validate(content), predictions)
            else:
                found += _of_retrained(Retrained.model_validate(content), predictions)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            warnings.append(f"{path} is not taken: {where}: {first['msg']}; store it again.")
        except LeaderboardError as error:
            warnings.append(f"{path} is not taken: {error}")
    return sorted(found, key=lambda one: WORDS.index(one.word)), warnings


def _of_rerun(stored: Rerun, predictions: Mapping[str, Key]) -> list[Evidence]:
    _check({file.prediction_sha256: file.key for file in stored.files}, predictions)
    editions = frozenset(file.key for file in stored.files)
    whole = {sha for sha, key in predictions.items() if key in editions}
    if whole - {file.prediction_sha256 for file in stored.files}:
        raise LeaderboardError("some of the entry's prediction files of these editions were not run again.")
    least = min(file.same for file in stored.files)
    count = len(stored.files)
    told = f"{count} prediction {'file' if count == 1 else 'files'}: {100 * least:.2f} % of the answers again, or more."
    found = [Evidence("re-run", stored.day, editions, told)]
    if stored.fresh is not None and all(board.holds for board in stored.fresh.boards):
        fresh = frozenset((board.edition, board.content_hash) for board in stored.fresh.boards)
        most = max(board.galaxies for board in stored.fresh.boards)
        said = (
            f"{most:,} galaxies of seed {stored.fresh.seed}, drawn after the merge (drand round {stored.fresh.round})."
        )
        found.append(Evidence("re-run on fresh galaxies", stored.day, fresh, said))
    return found


def _of_retrained(stored: Retrained, predictions: Mapping[str, Key]) -> list[Evidence]:
    _check(dict.fromkeys(stored.compared_with), predictions)
    editions = frozenset((run.edition, run.content_hash) for run in stored.runs)
    farthest = max((0.0 if run.same else run.off) for run in stored.runs)
    count = len({(run.edition, run.seed) for run in stored.runs})
    near = f"at most {farthest:.1f} standard deviations from the seeds"
    if all(run.same for run in stored.runs):
        near = "the very scores of the entry's seeds"
    told = f"{count} {'run' if count == 1 else 'runs'} made anew: {near}."
    return [Evidence("re-trained", stored.day, editions, told)]


def _check(bound: Mapping[str, Key | None], predictions: Mapping[str, Key]) -> None:
    for sha, key in bound.items():
        if sha not in predictions or key not in (None, predictions[sha]):
            raise LeaderboardError(f"it was found on a prediction file ({sha[:12]}) that is none of the entry's now.")

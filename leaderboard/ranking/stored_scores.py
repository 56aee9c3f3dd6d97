"""Scores of prediction files: computed by the package's scorer, stored with all that the site shows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from galaxy_zoo_decals.atomic import atomic_folder, finish_interrupted
from galaxy_zoo_decals.edition import NAME
from galaxy_zoo_decals.scoring import BOARDS, VERSION, Result
from galaxy_zoo_decals.scoring.bootstrap import DRAWS, interval
from leaderboard.entry import versions
from leaderboard.entry.bounded_parquet import read_draws
from leaderboard.entry.run_json import prediction_path
from leaderboard.files import LeaderboardError, read_json, sha256, write_json

FORMAT = "1"

TOLERANCE = 1e-6
"""Largest difference between a stored and a recomputed number, of its size where that is above 1: intervals come from
sums of float32, whose order differs from machine to machine."""


RETIRED = ("assumed",)
"""Tables that stored scores may hold and no scorer makes any more: equivalent volunteers over assumed votes."""


@dataclass(frozen=True)
class Stored:
    """Scores of one prediction file as they lie in ``scores/<slug>/``."""

    edition: dict[str, str]
    task: str
    seed: int
    prediction_sha256: str
    boards: dict[str, Result]
    scored: str
    """The day it was scored, YYYY-MM-DD (UTC)."""

    @property
    def key(self) -> tuple[str, str]:
        """Name and content hash of the edition."""
        return self.edition["name"], self.edition["content_hash"]


def write(folder: Path, stored: list[Stored]) -> None:
    """Write all scores of an entry: summary.json and draws/<edition>/<task>/seed<k>.parquet (float32)."""
    with atomic_folder(folder) as beside:
        files = []
        for item in sorted(stored, key=lambda s: (s.edition["name"], s.task, s.seed)):
            draws = {f"{board}/{name}": d for board, s in item.boards.items() for name, d in s.draws.items()}
            path = (
                beside
                / "draws"
                / prediction_path(item.edition["name"], item.task, item.seed).relative_to("predictions")
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.table({k: pa.array(v, pa.float32()) for k, v in draws.items()}), path, compression="zstd")
            files.append(
                {
                    "edition": item.edition,
                    "task": item.task,
                    "seed": item.seed,
                    "scored": item.scored,
                    "prediction_sha256": item.prediction_sha256,
                    "draws_sha256": sha256(path),
                    "boards": {board: plain_json(s) for board, s in item.boards.items()},
                }
            )
        write_json(beside / "summary.json", {"format": FORMAT, "scorer": VERSION, "files": files})


def read(folder: Path) -> list[Stored]:
    """Read the scores of an entry; raises LeaderboardError if they are absent, of another scorer or damaged.

    Of an edition whose truth is no counts, numbers of volunteers that an older scorer stored are not taken over.
    """
    path = finish_interrupted(folder) / "summary.json"
    if not path.is_file():
        raise LeaderboardError(f"{folder}: no summary.json: run `python -m leaderboard score {folder.name}`.")
    summary = read_json(path)
    try:
        if summary["scorer"] != VERSION:
            raise LeaderboardError(
                f"{path}: made by scorer {summary['scorer']!r}, this is {VERSION!r}: "
                f"run `python -m leaderboard score {folder.name}`."
            )
        return [_read_file(folder, item) for item in summary["files"]]
    except LeaderboardError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError, OSError) as error:
        raise LeaderboardError(
            f"{path}: not in the scorer's form ({error!r}): run `python -m leaderboard score {folder.name}`."
        ) from None


def _read_file(folder: Path, item: dict[str, Any]) -> Stored:
    if not NAME.fullmatch(item["edition"]["name"]) or item["task"] not in BOARDS:
        raise ValueError(f"{item['edition']['name']!r}, {item['task']!r}: no edition and task")
    below = prediction_path(item["edition"]["name"], item["task"], int(item["seed"])).relative_to("predictions")
    draws_path = folder / "draws" / below
    if not draws_path.is_file() or sha256(draws_path) != item["draws_sha256"]:
        raise LeaderboardError(
            f"{draws_path}: not the file summary.json names: run `python -m leaderboard score {folder.name}`."
        )
    table = read_draws(draws_path, DRAWS)
    counted = {board: _counted(item, board) for board in item["boards"]}
    told = {board: BOARDS[board].told(counted[board]) for board in counted}
    wanted = {f"{board}/{name}" for board in told for name in told[board].metrics}
    every = {f"{board}/{name}" for board in told for name in BOARDS[board].metrics}
    found = set(table.column_names)
    if not wanted <= found <= every:
        odd = min((wanted - found) | (found - every))
        raise LeaderboardError(
            f"{draws_path}: draws of {odd} are missing or none of its boards': run `python -m leaderboard score "
            f"{folder.name}`."
        )
    boards: dict[str, Result] = {}
    for board, content in item["boards"].items():
        draws = {name: table[f"{board}/{name}"].to_numpy() for name in told[board].metrics}
        metrics = {name: content["metrics"][name] for name in told[board].metrics}
        curves = {name: rows for name, rows in content["curves"].items() if name not in RETIRED}
        stored = {**content, "metrics": metrics, "curves": curves}
        _check_tables(board, stored)
        boards[board] = Result.from_json(board, item["edition"]["name"], stored, draws, counted[board])
    day = date.fromisoformat(item["scored"]).isoformat()
    return Stored(dict(item["edition"]), item["task"], int(item["seed"]), item["prediction_sha256"], boards, day)


def _check_tables(board: str, stored: dict[str, Any]) -> None:
    """Raise ValueError unless the tables of a stored score have what pages show of them, text and numbers alone."""
    main = BOARDS[board].row_metric
    needed = {"rows": {"name", "n", "counted", main, f"{main}_low", f"{main}_high"}}
    needed["strata"] = {"property", "low", "high", "n", "value", "value_low", "value_high"}
    needed["recovery"] = {"property", "low", "high", "name", "predicted", "difference"}
    for name, rows in {"rows": stored["rows"], **stored["curves"]}.items():
        for row in rows:
            plain = all(value is None or isinstance(value, str | bool | int | float) for value in row.values())
            if not plain or not needed.get(name, set()) <= row.keys():
                raise ValueError(f"{board}: a row of {name} is not the scorer's")
    if not isinstance(stored.get("partial", False), bool):
        raise ValueError(f"{board}: partial is neither true nor false")


def _counted(item: dict[str, Any], board: str) -> bool:
    """Return whether a stored score may speak of volunteers: as a version froze the edition, else as it does."""
    frozen = versions.counted_votes((item["edition"]["name"], item["edition"]["content_hash"]))
    if frozen is not None:
        return frozen
    return all(m.name in item["boards"][board]["metrics"] for m in BOARDS[board].all_metrics if m.of_volunteers)


def torn(stored: Stored) -> list[str]:
    """Say in words where a stored score does not follow from its own draws; empty if nowhere.

    An interval is the percentiles of the draws, and a value lies among them. So a score that cannot be computed here,
    for want of the truth, is at least one that some predictions could have had.
    """
    found = []
    for board, told in stored.boards.items():
        for name, (value, low, high) in told.metrics.items():
            draws = told.draws[name]
            known = draws[np.isfinite(draws)]
            for word, end, expected in zip(("low", "high"), (low, high), interval(draws.astype(float))):
                # Draws are float32: half a step of the largest of them, twice over for the interpolation.
                room = TOLERANCE + 2.0**-23 * float(np.abs(known).max(initial=0))
                if math.isnan(end) != math.isnan(expected) or abs(end - expected) > room:
                    found.append(f"{board}, {name}: its {word} end is {end}, that of its draws {expected}")
            if math.isnan(value) and len(known) == len(draws):
                found.append(f"{board}, {name}: has no value, though every draw has one")
            elif math.isfinite(value) and (
                not len(known) or not known.min() - TOLERANCE <= value <= known.max() + TOLERANCE
            ):
                found.append(f"{board}, {name}: its value {value} lies outside of all its draws")
    return found


def differences(stored: Result, fresh: Result) -> list[str]:
    """Say in words where a stored score departs from a recomputed one by more than 1e-6; empty if nowhere."""
    found: list[str] = []
    _compare("", plain_json(stored), plain_json(fresh), found)
    for name, draws in fresh.draws.items():
        if not np.allclose(stored.draws[name], draws, rtol=0, atol=1e-5, equal_nan=True):
            found.append(f"bootstrap draws of {name} differ")
    return found


def equal(stored: Stored, fresh: Stored) -> bool:
    """Return whether scores of the same predictions on the same edition are the scorer's own still."""
    same = (stored.edition, stored.prediction_sha256) == (fresh.edition, fresh.prediction_sha256)
    return (
        same
        and stored.boards.keys() == fresh.boards.keys()
        and not any(differences(stored.boards[board], score) for board, score in fresh.boards.items())
    )


def _compare(where: str, stored: Any, fresh: Any, found: list[str]) -> None:
    if isinstance(stored, dict) and isinstance(fresh, dict) and stored.keys() == fresh.keys():
        for key in fresh:
            _compare(f"{where}.{key}".lstrip("."), stored[key], fresh[key], found)
    elif isinstance(stored, list) and isinstance(fresh, list) and len(stored) == len(fresh):
        for i, (a, b) in enumerate(zip(stored, fresh)):
            _compare(f"{where}[{i}]", a, b, found)
    elif isinstance(stored, int | float) and isinstance(fresh, int | float):
        if abs(stored - fresh) > TOLERANCE * max(1.0, abs(fresh)):
            found.append(f"{where} is {stored}, recomputed {fresh}")
    elif stored != fresh:
        found.append(f"{where} is {stored!r}, recomputed {fresh!r}")


def plain_json(result: Result) -> dict[str, Any]:
    """Return a result as it is stored below the board and the edition that it is of."""
    return {key: value for key, value in result.to_json().items() if key not in ("board", "edition")}

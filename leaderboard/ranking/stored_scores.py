"""Scores of prediction files: computed by the package's scorer, stored with all that the site shows."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from galaxy_zoo_decals.atomic import atomic_file, atomic_folder, finish_interrupted
from galaxy_zoo_decals.edition import NAME, Edition
from galaxy_zoo_decals.predictions import Predictions
from galaxy_zoo_decals.scoring import BOARDS, VERSION, Result, Truth, ceilings, references, score
from galaxy_zoo_decals.scoring.bootstrap import DRAWS, interval
from leaderboard.entry import versions
from leaderboard.entry.bounded_parquet import read_draws
from leaderboard.entry.run_json import prediction_path
from leaderboard.files import LeaderboardError, read_json, sha256, write_json

FORMAT = "1"

TOLERANCE = 1e-6
"""Largest difference between a stored and a recomputed number, of its size where that is above 1: intervals come from
sums of float32, whose order differs from machine to machine."""

PRIOR = "class prior"

RETIRED = ("assumed",)
"""Tables that stored scores may hold and no scorer makes any more: equivalent volunteers over assumed votes."""

Interval = tuple[float, float, float]
"""Value, low and high end of its 95 % interval; NaN where undefined."""


@dataclass(frozen=True)
class Score:
    """What one prediction file, or the mean of several seeds, scores on one board; draws are float32 (2000,)."""

    galaxies: int
    metrics: dict[str, Interval]
    rows: list[dict[str, Any]]
    confusions: dict[str, tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]]
    curves: dict[str, list[dict[str, Any]]]
    draws: dict[str, np.ndarray] = field(repr=False)
    lacking: int = 0
    """Scored test galaxies that were not predicted."""
    partial: bool = False
    """Whether those are too many for a place: the score is of the others alone."""

    @classmethod
    def of(cls, result: Result) -> Score:
        """Take over a result of the package's scorer."""
        return cls.from_json(result.to_json(), result.draws)

    @classmethod
    def from_json(cls, stored: dict[str, Any], draws: dict[str, np.ndarray]) -> Score:
        """Read the JSON form (null is NaN) with the draws that lie beside it."""
        return cls(
            galaxies=int(stored["galaxies"]),
            metrics={k: (_real(v["value"]), _real(v["low"]), _real(v["high"])) for k, v in stored["metrics"].items()},
            rows=[_known(row) for row in stored["rows"]],
            confusions={
                k: (tuple(c["labels"]), tuple(tuple(int(v) for v in row) for row in c["counts"]))
                for k, c in stored["confusions"].items()
            },
            curves={k: [_known(row) for row in rows] for k, rows in stored["curves"].items()},
            draws=draws,
            lacking=int(stored.get("lacking", 0)),
            partial=bool(stored.get("partial", False)),
        )

    def to_json(self) -> dict[str, Any]:
        """Return everything but the draws as JSON-ready values; undefined numbers are null."""
        return {
            "galaxies": self.galaxies,
            "metrics": {
                k: {"value": _null(v), "low": _null(low), "high": _null(high)}
                for k, (v, low, high) in self.metrics.items()
            },
            "rows": [{k: _null(v) for k, v in row.items()} for row in self.rows],
            "confusions": {
                k: {"labels": list(labels), "counts": [list(row) for row in counts]}
                for k, (labels, counts) in self.confusions.items()
            },
            "curves": {k: [{a: _null(b) for a, b in row.items()} for row in rows] for k, rows in self.curves.items()},
            **({"lacking": self.lacking, "partial": self.partial} if self.lacking else {}),
        }


def _known(row: dict[str, Any]) -> dict[str, Any]:
    return {k: math.nan if v is None else v for k, v in row.items()}


def _real(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _null(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def mean(scores: list[Score]) -> Score:
    """Return the mean over seeds: values, paired draws, rows and curves are averaged, confusion counts added."""
    first = scores[0]
    if len(scores) == 1:
        return first
    draws = {k: np.stack([s.draws[k] for s in scores]).astype(float).mean(axis=0) for k in first.draws}
    metrics = {k: (float(np.mean([s.metrics[k][0] for s in scores])), *interval(draws[k])) for k in first.metrics}
    # A file that lacks many galaxies may be without a table that takes many.
    common = [name for name in first.curves if all(name in s.curves for s in scores)]
    curves = {name: _mean_rows([s.curves[name] for s in scores]) for name in common}
    confusions = {}
    for name, (labels, _) in first.confusions.items():
        total = np.sum([s.confusions[name][1] for s in scores], axis=0)
        confusions[name] = (labels, tuple(tuple(int(v) for v in row) for row in total))
    rows = _mean_rows([s.rows for s in scores])
    lacking, partial = max(s.lacking for s in scores), any(s.partial for s in scores)
    plain = {k: v.astype(np.float32) for k, v in draws.items()}
    return Score(first.galaxies, metrics, rows, confusions, curves, plain, lacking, partial)


def _mean_rows(tables: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [{k: _mean_cell([part[k] for part in parts]) for k in parts[0]} for parts in zip(*tables)]


def _mean_cell(values: list[Any]) -> Any:
    return float(np.mean(values)) if isinstance(values[0], float) else values[0]


def spread(scores: list[Score], metric: str) -> float:
    """Return the standard deviation over seeds of a metric, NaN for a single seed."""
    values = [s.metrics[metric][0] for s in scores]
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def of_predictions(truth: Truth, predictions: Predictions, where: str) -> dict[str, Score]:
    """Score predictions on every board they enter; raises PredictionError (a ValueError) naming ``where``."""
    return {board: Score.of(result) for board, result in score(truth, predictions, where).items()}


def of_references(truth: Truth) -> dict[str, dict[str, Score]]:
    """Return the reference rows of each board, {board: {name: Score}}."""
    return {board: {k: Score.of(r) for k, r in rows.items()} for board, rows in references(truth).items()}


@dataclass(frozen=True)
class Stored:
    """Scores of one prediction file as they lie in ``scores/<slug>/``."""

    edition: dict[str, str]
    task: str
    seed: int
    prediction_sha256: str
    boards: dict[str, Score]
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
                    "boards": {board: s.to_json() for board, s in item.boards.items()},
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
    except (KeyError, TypeError, AttributeError, ValueError, OSError) as error:
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
    told = {board: BOARDS[board].told(_counted(item, board)) for board in item["boards"]}
    wanted = {f"{board}/{name}" for board in told for name in told[board].metrics}
    every = {f"{board}/{name}" for board in told for name in BOARDS[board].metrics}
    found = set(table.column_names)
    if not wanted <= found <= every:
        odd = min((wanted - found) | (found - every))
        raise LeaderboardError(
            f"{draws_path}: draws of {odd} are missing or none of its boards': run `python -m leaderboard score "
            f"{folder.name}`."
        )
    boards: dict[str, Score] = {}
    for board, content in item["boards"].items():
        draws = {name: table[f"{board}/{name}"].to_numpy() for name in told[board].metrics}
        metrics = {name: content["metrics"][name] for name in told[board].metrics}
        curves = {name: rows for name, rows in content["curves"].items() if name not in RETIRED}
        boards[board] = Score.from_json({**content, "metrics": metrics, "curves": curves}, draws)
    day = date.fromisoformat(item["scored"]).isoformat()
    return Stored(dict(item["edition"]), item["task"], int(item["seed"]), item["prediction_sha256"], boards, day)


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


def differences(stored: Score, fresh: Score) -> list[str]:
    """Say in words where a stored score departs from a recomputed one by more than 1e-6; empty if nowhere."""
    found: list[str] = []
    _compare("", stored.to_json(), fresh.to_json(), found)
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


def write_references(root: Path, edition: Edition | Truth, draws: int = ceilings.DRAWS) -> Path:
    """Store the reference rows of an edition, noise ceilings included, in ``root``/references; returns the file.

    Of an edition that was frozen by its catalogue alone its truth is given. Where the truth is no counts of volunteers
    the class prior is the one reference.

    A site shows stored ones: ceilings take a minute, and where the truth is absent there are no others.
    """
    truth = edition if isinstance(edition, Truth) else Truth.of(edition)
    priors = of_references(truth)
    found: dict[str, dict[str, ceilings.Reference]] = {board: {} for board in BOARDS}
    if not truth.votes_assumed:
        given = edition
        found = ceilings.ceilings(given, draws) if isinstance(given, Truth) else ceilings.of_edition(given, draws)
    found = {board: rows for board, rows in found.items() if board in truth.boards}
    rows = {board: {name: s.to_json() for name, s in scored.items()} for board, scored in priors.items()}
    for board, references_of in ceilings.to_json(found).items():
        galaxies = next(iter(rows[board].values()))["galaxies"]
        rows[board] |= {
            t: {"galaxies": galaxies, "confusions": {}, "curves": {}} | references_of[t] for t in references_of
        }
    every: dict[str, dict[str, Score | ceilings.Reference]] = {b: {**priors[b], **found[b]} for b in found}
    drawn = {
        f"{board}/{title}": row.draws[BOARDS[board].primary][: ceilings.RESAMPLES]
        for board, named in every.items()
        for title, row in named.items()
    }
    content = {
        "format": FORMAT,
        "scorer": VERSION,
        "edition": truth.edition,
        "content_hash": truth.content_hash,
        "boards": rows,
    }
    path = root / "references" / f"{truth.edition}-{truth.content_hash[:12]}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path.with_suffix(".parquet")) as beside:
        pq.write_table(pa.table({k: pa.array(v, pa.float32()) for k, v in drawn.items()}), beside, compression="zstd")
        content["draws_sha256"] = sha256(beside)
    write_json(path, content)
    return path


def read_references(root: Path) -> dict[tuple[str, str], dict[str, dict[str, Score]]]:
    """Return the stored reference rows: {(edition, content hash): {board: {name: Score}}}.

    Of their draws only those of the primary metrics are kept, the first ceilings.RESAMPLES of the shared ones. Of an
    edition whose truth is no counts of volunteers nothing but the class prior is read, whatever is stored.
    """
    found = {}
    for path in sorted((root / "references").glob("*.json")):
        content = read_json(path)
        if content.get("scorer") != VERSION:
            continue
        beside = path.with_suffix(".parquet")
        if not beside.is_file() or sha256(beside) != content.get("draws_sha256"):
            raise LeaderboardError(
                f"{beside}: not the draws that {path.name} names: run `python -m leaderboard references`."
            )
        drawn, key = pq.read_table(beside), (content["edition"], content["content_hash"])
        counted = versions.counted_votes(key) is not False
        found[key] = {
            board: {
                name: Score.from_json(s, {BOARDS[board].primary: drawn[f"{board}/{name}"].to_numpy()})
                for name, s in rows.items()
                if counted or name == PRIOR
            }
            for board, rows in content["boards"].items()
        }
    return found


def skill(board: str, score: Score, references: dict[str, Score]) -> Interval:
    """Return where a score stands between class prior (0) and noise ceiling (1); NaN where either is not stored."""
    name, rows = BOARDS[board].primary, [references.get(title) for title in (PRIOR, ceilings.CEILING)]
    if any(row is None or name not in row.draws for row in rows):
        return math.nan, math.nan, math.nan
    e = ceilings.skill(*((row.metrics[name][0], row.draws[name]) for row in (score, *rows) if row is not None))
    return e.value, e.low, e.high

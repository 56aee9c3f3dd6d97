"""Predictions in, results out: every metric with its interval, tables by class and question, confusion matrices."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from galaxy_zoo_decals import views
from galaxy_zoo_decals.schema import Tree
from galaxy_zoo_decals.scoring.boards import BOARDS, VOTES, Answers, Board, Columns, Confusion
from galaxy_zoo_decals.scoring.bootstrap import interval, ratio, shared
from galaxy_zoo_decals.scoring.class_prior import complete, lacks_too_many, prior_values
from galaxy_zoo_decals.scoring.predicted import PredictionError, Predictions
from galaxy_zoo_decals.scoring.truth import MIN_POSITIVES, Quarter, Truth

DISAGREEMENTS = 24
"""Galaxies named for the largest disagreement, to be looked at."""


NOTHING = "nothing is measured: no scored test galaxy has votes that this board asks for"
"""What is said of a board that has no galaxy."""


class Estimate(NamedTuple):
    """A score with its 95 % interval from the bootstrap over test galaxies; NaN where it is undefined."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, value: float, draws: np.ndarray) -> Estimate:
        """Return a value with the percentiles of its draws (draws,)."""
        return cls(float(value), *interval(draws))

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Estimate:
        """Read the JSON form, where null is NaN."""
        return cls(*(float(known(stored[key])) for key in ("value", "low", "high")))

    def text(self, form: str, width: int = 8) -> str:
        """Return the value, right-aligned, and its interval as text in a format; in words where it is undefined."""
        if math.isnan(self.value):
            return f"{'nan':>{width}}   (not defined: too few galaxies or votes)"
        return f"{self.value:>{width}{form}}   [{self.low:{form}}, {self.high:{form}}]"

    def to_json(self) -> dict[str, float | None]:
        """Return value, low and high; null where undefined."""
        return {"value": finite(self.value), "low": finite(self.low), "high": finite(self.high)}


UNDEFINED = Estimate(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Result:
    """All that a prediction file, the mean of several seeds or a reference scores on one board.

    ``rows`` tell of each class, label or question, with ``x_low`` and ``x_high`` beside every score ``x``.
    ``curves`` are further tables by name: "reliability" and "risk_coverage" (multiclass; see calibration.py),
    "strata" (scores in quarters of redshift, size, magnitude and votes), "recovery" (morphology fractions in those
    quarters) and "disagreement" (the galaxies on which truth and predictions differ most). ``draws`` are the bootstrap
    draws of every metric, float32 (2000,), paired among all entries of the board. ``lacking`` scored test galaxies were
    not predicted; where that is ``partial``, over MAY_LACK of them, the result is of the others alone and cannot be
    ranked. ``counted_votes`` says whether the truth is votes of volunteers; of likelihoods no metric counts any.
    """

    board: str
    edition: str
    galaxies: int
    metrics: dict[str, Estimate]
    rows: list[dict[str, Any]]
    confusions: dict[str, Confusion]
    curves: dict[str, list[dict[str, Any]]]
    draws: dict[str, np.ndarray] = field(repr=False)
    lacking: int = 0
    partial: bool = False
    counted_votes: bool = True

    @property
    def told(self) -> Board:
        """The board in the words of its truth, with the metrics that there are."""
        return BOARDS[self.board].told(self.counted_votes)

    @property
    def primary(self) -> Estimate:
        """The score the board is ranked by."""
        return self.metrics[BOARDS[self.board].primary]

    @property
    def primary_title(self) -> str:
        """What the board calls that score."""
        return BOARDS[self.board].metrics[BOARDS[self.board].primary].title

    def to_json(self) -> dict[str, Any]:
        """Return everything but the draws as JSON-ready values; undefined numbers are null."""
        return {
            "board": self.board,
            "edition": self.edition,
            "galaxies": self.galaxies,
            "metrics": {k: e.to_json() for k, e in self.metrics.items()},
            "rows": [{k: finite(v) for k, v in row.items()} for row in self.rows],
            "confusions": {
                k: {"labels": list(c.labels), "counts": [list(r) for r in c.counts]} for k, c in self.confusions.items()
            },
            "curves": {
                k: [{a: finite(b) for a, b in row.items()} for row in curve] for k, curve in self.curves.items()
            },
            **({"lacking": self.lacking, "partial": self.partial} if self.lacking else {}),
        }

    @classmethod
    def from_json(
        cls, board: str, edition: str, stored: dict[str, Any], draws: dict[str, np.ndarray], counted_votes: bool = True
    ) -> Result:
        """Read what ``to_json`` wrote (null is NaN), with the draws that lie beside it."""
        return cls(
            board=board,
            edition=edition,
            galaxies=int(stored["galaxies"]),
            metrics={k: Estimate.from_json(v) for k, v in stored["metrics"].items()},
            rows=[known_row(row) for row in stored["rows"]],
            confusions={
                k: Confusion(tuple(c["labels"]), tuple(tuple(int(v) for v in row) for row in c["counts"]))
                for k, c in stored["confusions"].items()
            },
            curves={k: [known_row(row) for row in rows] for k, rows in stored["curves"].items()},
            draws=draws,
            lacking=int(stored.get("lacking", 0)),
            partial=bool(stored.get("partial", False)),
            counted_votes=counted_votes,
        )

    @classmethod
    def mean(cls, seeds: Sequence[Result]) -> Result:
        """Return the mean over seeds: values, paired draws, rows and curves are averaged, confusion counts added."""
        first = seeds[0]
        if len(seeds) == 1:
            return first
        draws = {k: np.stack([s.draws[k] for s in seeds]).astype(float).mean(axis=0) for k in first.draws}
        # A file that lacks many galaxies may be without a table that takes many.
        common = [name for name in first.curves if all(name in s.curves for s in seeds)]
        confusions = {}
        for name, (labels, _) in first.confusions.items():
            total = np.sum([s.confusions[name].counts for s in seeds], axis=0)
            confusions[name] = Confusion(labels, tuple(tuple(int(v) for v in row) for row in total))
        return replace(
            first,
            metrics={
                k: Estimate.of(float(np.mean([s.metrics[k].value for s in seeds])), draws[k]) for k in first.metrics
            },
            rows=_mean_rows([s.rows for s in seeds]),
            confusions=confusions,
            curves={name: _mean_rows([s.curves[name] for s in seeds]) for name in common},
            draws={k: v.astype(np.float32) for k, v in draws.items()},
            lacking=max(s.lacking for s in seeds),
            partial=any(s.partial for s in seeds),
        )

    def report(self) -> str:
        """Return readable tables with intervals: the metrics, and the main number of each class, label or question."""
        board = self.told
        lines = [f"{board.title} on {self.edition}: {self.galaxies} scored test galaxies"]
        if self.lacking:
            what = "scored on the others alone, no place" if self.partial else "the class prior stands in for them"
            lines.append(f"   {self.lacking:,} galaxies were not predicted: {what}")
        if not self.galaxies:
            return "\n".join([*lines, f"   {NOTHING}"])
        for name, metric in board.metrics.items():
            mark = "*" if name == board.primary else " "
            lines.append(f" {mark} {metric.title:<28} {self.metrics[name].text(metric.format)}")
        main = board.row_metric
        lines.append(f"   {main.replace('_', ' ')}:")
        for row in self.rows:
            if not row["n"]:
                lines.append(f"     {row['name']:<26} not measured: no galaxy has votes for it")
                continue
            few = "" if row["counted"] else "  too few, not in the means"
            count = f"{row['positives']} of {row['n']}" if "positives" in row else str(row["n"])
            shown = Estimate(*(row[key] for key in (main, f"{main}_low", f"{main}_high"))).text(".3f")
            lines.append(f"     {row['name']:<26} {shown}  {count} galaxies{few}")
        return "\n".join(lines)


def seed_spread(seeds: Sequence[Result], metric: str) -> float:
    """Return the standard deviation of a metric over seeds, NaN for a single one."""
    values = [s.metrics[metric].value for s in seeds]
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def _mean_rows(tables: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [{k: _mean_cell([part[k] for part in parts]) for k in parts[0]} for parts in zip(*tables)]


def _mean_cell(values: list[Any]) -> Any:
    return float(np.mean(values)) if isinstance(values[0], float) else values[0]


def score(truth: Truth, predictions: Predictions, where: str = "predictions") -> dict[str, Result]:
    """Score predictions on their board; a votes file enters all four, through views.py.

    Of a truth that may lack galaxies the class prior stands in for them (``complete``). Raises PredictionError if they
    are of another edition, not one row a scored test galaxy in frozen order, or of no board that there is; ``where``
    names them in the message.
    """
    predictions = complete(truth, predictions, where)
    lacking, partial = len(predictions.lacking), lacks_too_many(truth, predictions)
    if partial:
        held = np.setdiff1d(np.arange(len(truth.names)), predictions.lacking)
        truth, predictions = truth.take(held), predictions.take(held)
    values = {k: v for k, v in board_values(truth.tree, predictions).items() if k in truth.boards}
    if not values:
        asked = ", ".join(truth.unanswered)
        why = f": no scored test galaxy has votes for {asked}" if asked else ""
        raise PredictionError(f"{where}: there is no {predictions.task} board of {truth.edition}{why}.")
    shared(len(truth.names))  # before the threads, each of which would make them
    # No more threads than cores: what they work on has to fit the cores' caches.
    with ThreadPoolExecutor(min(len(values), os.cpu_count() or 1)) as pool:
        longest_first = sorted(values, key=lambda board: -BOARDS[board].cost)
        found = dict(zip(longest_first, pool.map(lambda board: _score(truth, board, values[board]), longest_first)))
    return {board: replace(found[board], lacking=lacking, partial=partial) for board in values}


def board_values(tree: Tree, predictions: Predictions) -> dict[str, np.ndarray]:
    """Return what each board scores of the predictions, (galaxies, columns); votes enter all boards, as fractions."""
    values = BOARDS[predictions.task].of_file(tree, predictions.values)
    if predictions.task != VOTES.task:
        return {predictions.task: values}
    return {**fraction_values(tree, views.fractions(tree, predictions.values)), VOTES.task: values}


def fraction_values(tree: Tree, fractions: np.ndarray) -> dict[str, np.ndarray]:
    """Return what boards score of predicted fractions (galaxies, answers), but for the votes board."""
    found = {task: board.of_fractions(tree, fractions) for task, board in BOARDS.items()}
    return {task: values for task, values in found.items() if values is not None}


def references(truth: Truth) -> dict[str, dict[str, Result]]:
    """Return the unranked reference rows of each board: the class prior, which says the same of every galaxy.

    Its frequencies are those of the scored test galaxies themselves: no constant prediction does better on NLL.
    """
    n = len(truth.names)
    return {
        board: {"class prior": _score(truth, board, np.tile(values, (n, 1)))}
        for board, values in prior_values(truth).items()
        if board in truth.boards
    }


def _score(truth: Truth, task: str, values: np.ndarray) -> Result:
    board = BOARDS[task]
    columns = board.columns(truth, values)
    found = board.scored(truth, columns, shared(len(truth.names)))
    drawn = board.unbiased(found.metrics)
    return Result(
        board=task,
        edition=truth.edition,
        galaxies=board.galaxies(truth),
        metrics={name: Estimate.of(draws[0], draws[1:]) for name, draws in drawn.items()},
        rows=[spread_row(row) for row in found.rows],
        confusions=board.confusions(truth, values),
        curves=_curves(truth, board, values, columns),
        draws={name: draws[1:].astype(np.float32) for name, draws in drawn.items()},
        counted_votes=not truth.votes_assumed,
    )


def spread_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with plain values: of every array of draws its first value, and the interval of the others."""
    out: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, np.ndarray):
            low, high = interval(value[1:])
            out |= {name: float(value[0]), f"{name}_low": low, f"{name}_high": high}
        else:
            out[name] = value
    return out


def _curves(truth: Truth, board: Board, values: np.ndarray, columns: Columns) -> dict[str, list[dict[str, Any]]]:
    curves = board.curves(truth, values)
    if truth.quarters:
        curves["strata"] = [_stratum(truth, board, columns, quarter) for quarter in truth.quarters]
        curves["recovery"] = _recovery(truth, board.answers(truth, values))
    order = np.argsort(-board.disagreement(truth, values, columns), kind="stable")
    curves["disagreement"] = [{"iauname": truth.names[i]} for i in order[:DISAGREEMENTS]]
    return curves


def _stratum(truth: Truth, board: Board, columns: Columns, quarter: Quarter) -> dict[str, Any]:
    """Return the board's primary metric ("value") and a few others of some galaxies, with their intervals.

    A quarter cuts few of a rare class: macro means keep the board's classes, so compare quarters of one property.
    """
    found = board.in_quarters(truth, columns.take(quarter.galaxies), quarter.weights)
    return quarter.facts | spread_row({"value": found.pop(board.primary), **found})


def _recovery(truth: Truth, answers: Answers) -> list[dict[str, Any]]:
    """Return, for every quarter and class, label or answer, what share truth and predictions give it.

    Only galaxies count where the true answer is known; the interval of the difference is the normal one of
    a paired mean.
    """
    whose = "truth" if truth.votes_assumed else "volunteers"
    asked = answers.asked & ~np.isnan(answers.predicted)
    true, predicted = (np.where(asked, part, 0.0) for part in (answers.true, answers.predicted))
    gap = predicted - true
    inside = np.zeros((len(truth.quarters), len(gap)))
    for row, quarter in zip(inside, truth.quarters):
        row[quarter.galaxies] = 1
    found = []
    for quarter, *sums in zip(truth.quarters, *(inside @ part for part in (asked, true, predicted, gap**2))):
        count, seen, said, squares = sums
        shares, guessed, square = (ratio(part, count) for part in (seen, said, squares))
        mean = guessed - shares
        error = np.sqrt(np.maximum(ratio(square - mean**2, count - 1), 0.0))
        found += [
            quarter.facts | {
                "name": answers.names[j], "answered": int(count[j]), whose: float(shares[j]),
                "predicted": float(guessed[j]), "difference": float(mean[j]),
                "difference_low": float(mean[j] - 1.96 * error[j]),
                "difference_high": float(mean[j] + 1.96 * error[j]),
            }
            for j in np.flatnonzero(count >= MIN_POSITIVES)
        ]  # fmt: skip
    return found


def finite(value: Any) -> Any:
    """Return a value for JSON, which has no NaN: an undefined number is null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def known(value: Any) -> Any:
    """Return a value read from JSON: null is NaN."""
    return math.nan if value is None else value


def known_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row read from JSON, with NaN for null."""
    return {k: known(v) for k, v in row.items()}

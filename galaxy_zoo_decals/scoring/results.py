"""Predictions in, results out: every metric with its interval, tables by class and question, confusion matrices."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from galaxy_zoo_decals import predictions as files
from galaxy_zoo_decals import views
from galaxy_zoo_decals.predictions import Predictions
from galaxy_zoo_decals.schema import CLASSES, Tree
from galaxy_zoo_decals.scoring import metrics as m
from galaxy_zoo_decals.scoring.boards import BOARDS
from galaxy_zoo_decals.scoring.bootstrap import interval, weights
from galaxy_zoo_decals.scoring.calibration import reliability, risk_coverage
from galaxy_zoo_decals.scoring.priors import fit
from galaxy_zoo_decals.scoring.truth import MIN_POSITIVES, Truth

STRATUM_DRAWS = 400
"""Bootstrap draws of a stratum's interval: a table of sixteen needs no third digit."""


@dataclass(frozen=True)
class Estimate:
    """A score with its 95 % interval from the bootstrap over test galaxies; NaN where it is undefined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Confusion:
    """How often each true answer (row) was given each predicted one (column)."""

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Result:
    """All that a prediction file scores on one board.

    ``rows`` tell of each class, label or question. ``curves`` are further tables by name: "reliability" and
    "risk_coverage" (multiclass; see calibration.py) and "strata" (where the catalogue tells redshift, size or
    magnitude). ``draws`` are the bootstrap draws of every metric, float32 (2000,), paired among all entries of the
    board.
    """

    board: str
    edition: str
    galaxies: int
    metrics: dict[str, Estimate]
    rows: list[dict[str, Any]]
    confusions: dict[str, Confusion]
    curves: dict[str, list[dict[str, Any]]]
    draws: dict[str, np.ndarray] = field(repr=False)

    @property
    def primary(self) -> Estimate:
        """The score the board is ranked by."""
        return self.metrics[BOARDS[self.board].primary]

    def to_json(self) -> dict[str, Any]:
        """Return everything but the draws as JSON-ready values; undefined numbers are null."""
        return {
            "board": self.board,
            "edition": self.edition,
            "galaxies": self.galaxies,
            "metrics": {
                k: {"value": finite(e.value), "low": finite(e.low), "high": finite(e.high)}
                for k, e in self.metrics.items()
            },
            "rows": [{k: finite(v) for k, v in row.items()} for row in self.rows],
            "confusions": {
                k: {"labels": list(c.labels), "counts": [list(r) for r in c.counts]} for k, c in self.confusions.items()
            },
            "curves": {
                k: [{a: finite(b) for a, b in row.items()} for row in curve] for k, curve in self.curves.items()
            },
        }

    def report(self) -> str:
        """Return a readable table of the metrics with their intervals."""
        board = BOARDS[self.board]
        lines = [f"{board.title} on {self.edition}: {self.galaxies} scored test galaxies"]
        for name, metric in board.metrics.items():
            e = self.metrics[name]
            mark = "*" if name == board.primary else " "
            value, low, high = (format(x, metric.format) for x in (e.value, e.low, e.high))
            lines.append(f" {mark} {metric.title:<28} {value:>8}   [{low}, {high}]")
        return "\n".join(lines)


def score(truth: Truth, predictions: Predictions, where: str = "predictions") -> dict[str, Result]:
    """Score predictions on their board; a votes file enters all four, through views.py.

    Raises PredictionError if they are of another edition or not one row a scored test galaxy in frozen order;
    ``where`` names them in the message.
    """
    files.check_against(predictions, (truth.content_hash, truth.split_hash), truth.names, where)
    return {board: _score(truth, board, values) for board, values in board_values(truth.tree, predictions).items()}


def board_values(tree: Tree, predictions: Predictions) -> dict[str, np.ndarray]:
    """Return what each board scores of the predictions, (galaxies, columns).

    multiclass: class probabilities; multilabel: label probabilities; hierarchical: fractions of all answers (NaN
    for questions that are not scored); votes: concentrations, which enter the other boards as fractions.
    """
    values = predictions.values
    if predictions.task == "votes":
        return {**fraction_values(tree, views.fractions(tree, values)), "votes": values}
    if predictions.task == "hierarchical":
        fractions = np.full((len(values), len(tree.answers)), np.nan)
        for name, group in zip(tree.scored_questions, files.groups("hierarchical", tree)):
            fractions[:, tree.slices[name]] = values[:, group]
        return {"hierarchical": fractions}
    return {predictions.task: values}


def fraction_values(tree: Tree, fractions: np.ndarray) -> dict[str, np.ndarray]:
    """Return what the first three boards score of predicted fractions (galaxies, answers), through views.py."""
    return {
        "multiclass": views.predicted_classes(tree, fractions),
        "multilabel": views.label_fractions(tree, fractions),
        "hierarchical": fractions,
    }


def references(truth: Truth) -> dict[str, dict[str, Result]]:
    """Return the unranked reference rows of each board: the class prior, which says the same of every galaxy.

    Its frequencies are those of the scored test galaxies themselves: no constant prediction does better on NLL.
    """
    n = len(truth.names)
    fractions = truth.fractions
    classes = np.array([(truth.classes.label == c).sum() for c in range(len(CLASSES))], float)
    labels, asked = truth.labels, truth.labels_asked
    constants = {
        "multiclass": m.ratio(classes, np.full(len(CLASSES), classes.sum()), 1 / len(CLASSES)),
        "multilabel": m.ratio((labels & asked).sum(axis=0), asked.sum(axis=0), 0.0),
        "hierarchical": np.where(np.isnan(fractions).all(axis=0), 0.0, _column_means(fractions)),
        "votes": prior_concentrations(truth.tree, truth.votes),
    }
    return {
        board: {"class prior": _score(truth, board, np.tile(values, (n, 1)))} for board, values in constants.items()
    }


def prior_concentrations(tree: Tree, votes: np.ndarray) -> np.ndarray:
    """Return the Dirichlet concentrations (answers,) that best explain all votes, one Dirichlet a question."""
    return np.concatenate([fit(votes[:, tree.slices[q.name]], components=1).alphas[0] for q in tree.questions])


METRICS: dict[str, Callable[[Truth, np.ndarray, np.ndarray], m.Values]] = {
    "multiclass": m.multiclass_metrics,
    "multilabel": m.multilabel_metrics,
    "hierarchical": m.hierarchical_metrics,
    "votes": m.votes_metrics,
}
"""What computes the metrics of each board from truth, values and bootstrap weights."""


def _score(truth: Truth, board: str, values: np.ndarray) -> Result:
    n = len(truth.names)
    plain = METRICS[board](truth, values, np.ones((1, n), np.float32))
    drawn = METRICS[board](truth, values, weights(n)) if n else {name: np.full(1, np.nan) for name in plain}
    for metric in BOARDS[board].all_metrics:
        if metric.biased and not np.isnan(plain[metric.name]).any():
            # The plain value is biased by b, the draws by 2 b; b is seen as their distance.
            bias = float(np.nanmean(drawn[metric.name])) - plain[metric.name]
            plain[metric.name] = np.maximum(plain[metric.name] - bias, 0)
            drawn[metric.name] = np.maximum(drawn[metric.name] - 2 * bias, 0)
    names = BOARDS[board].metrics
    rows, confusions = TABLES[board](truth, values)
    return Result(
        board=board,
        edition=truth.edition,
        galaxies=int((truth.classes.label >= 0).sum()) if board == "multiclass" else n,
        metrics={name: Estimate(float(plain[name][0]), *interval(drawn[name])) for name in names},
        rows=rows,
        confusions=confusions,
        curves=_curves(truth, board, values),
        draws={name: drawn[name].astype(np.float32) for name in names},
    )


def _curves(truth: Truth, board: str, values: np.ndarray) -> dict[str, list[dict[str, Any]]]:
    curves: dict[str, list[dict[str, Any]]] = {}
    if board == "multiclass":
        known = truth.classes.label >= 0
        confidence = values[known].max(axis=1)
        right = values[known].argmax(axis=1) == truth.classes.label[known]
        if known.any():
            curves = {"reliability": reliability(confidence, right), "risk_coverage": risk_coverage(confidence, right)}
    strata = _strata(truth, board, values)
    return curves | ({"strata": strata} if strata else {})


def _strata(truth: Truth, board: str, values: np.ndarray) -> list[dict[str, Any]]:
    """Return the board's primary metric in quarters of redshift, size, magnitude and votes, with its interval.

    A quarter cuts few of a rare class: macro means keep the board's classes, so compare quarters of one property.
    """
    primary, rows = BOARDS[board].primary, []
    for name, property_values in truth.properties.items():
        known = ~np.isnan(property_values)
        edges = np.quantile(property_values[known], [0, 0.25, 0.5, 0.75, 1]) if known.sum() >= 4 * MIN_POSITIVES else []
        for i, (low, high) in enumerate(pairwise(edges)):
            inside = (
                known & (property_values >= low) & ((property_values < high) | ((i == 3) & (property_values == high)))
            )
            if inside.sum() < MIN_POSITIVES or low == high:
                continue
            part = truth.take(np.flatnonzero(inside))
            drawn = METRICS[board](part, values[inside], weights(int(inside.sum()))[:STRATUM_DRAWS])[primary]
            plain = METRICS[board](part, values[inside], np.ones((1, int(inside.sum())), np.float32))[primary]
            bounds = interval(drawn)
            rows.append(
                {"property": name, "low": float(low), "high": float(high), "n": int(inside.sum())}
                | {"value": float(plain[0]), "value_low": bounds[0], "value_high": bounds[1]}
            )
    return rows


def _confusion(labels: tuple[str, ...], true: np.ndarray, guess: np.ndarray) -> Confusion:
    table = np.zeros((len(labels), len(labels)), dtype=int)
    np.add.at(table, (true, guess), 1)
    return Confusion(labels, tuple(tuple(int(v) for v in row) for row in table))


def _multiclass_tables(truth: Truth, values: np.ndarray) -> tuple[list[dict[str, Any]], dict[str, Confusion]]:
    known = truth.classes.label >= 0
    label, guess = truth.classes.label[known], values[known].argmax(axis=1)
    rows = []
    for c, name in enumerate(CLASSES):
        rows.append({"name": name, **_binary(label == c, guess == c, truth.counted["classes"][c])})
    return rows, {"class": _confusion(CLASSES, label, guess)}


def _multilabel_tables(truth: Truth, values: np.ndarray) -> tuple[list[dict[str, Any]], dict[str, Confusion]]:
    rows, confusions = [], {}
    for j, name in enumerate(truth.tree.label_names):
        known = truth.labels_asked[:, j]
        label, p = truth.labels[known, j], values[known, j]
        ap = m.average_precision(np.ones((1, len(p))), label, p)[0] if len(p) else math.nan
        rows.append(
            {"name": name, "average_precision": float(ap), **_binary(label, p > 0.5, truth.counted["labels"][j])}
        )
        confusions[name] = _confusion(("no", "yes"), label.astype(int), (p > 0.5).astype(int))
    return rows, confusions


def _hierarchical_tables(truth: Truth, values: np.ndarray) -> tuple[list[dict[str, Any]], dict[str, Confusion]]:
    tree = truth.tree
    true_top, top = views.top_answers(tree, truth.fractions), views.top_answers(tree, values)
    reached, right, arrived = m.question_hits(truth, values)
    rows, confusions = [], {}
    for i, name in enumerate(tree.scored_questions):
        on, q = reached[:, i], tree.question_index[name]
        n = int(on.sum())
        rows.append(
            {
                "name": name,
                "n": n,
                "counted": bool(truth.counted["path"][i]),
                "conditional_accuracy": float(m.ratio((on & right[:, i]).sum(), n)),
                "end_to_end_accuracy": float(m.ratio((on & right[:, i] & arrived[:, i]).sum(), n)),
            }
        )
        confusions[name] = _confusion(tree.question(name).answers, true_top[on, q], top[on, q])
    return rows, confusions


def _votes_tables(truth: Truth, values: np.ndarray) -> tuple[list[dict[str, Any]], dict[str, Confusion]]:
    """Rows by the rules of Walmsley et al. 2022, table 1, beside error and likelihood of each question."""
    tree = truth.tree
    predicted = views.fractions(tree, values)
    nll = m.dirichlet_multinomial_nll(tree, truth.votes, values)
    rows, confusions = [], {}
    for i, q in enumerate(tree.questions):
        columns, on, asked = tree.slices[q.name], truth.paper_mask[:, i], truth.asked[:, i]
        fractions = truth.fractions[on, columns]
        label, guess = fractions.argmax(axis=1), predicted[on, columns].argmax(axis=1)
        clear = truth.clear[on, i]
        one = np.ones((1, len(label)))
        answered = truth.totals[:, i] > 0
        rows.append(
            {
                "name": q.name,
                "n": len(label),
                "counted": bool(truth.counted["paper"][i]),
                "accuracy": float(m.ratio((label == guess).sum(), len(label))),
                "f1": float(m.weighted_f1(one, label, guess, len(q.answers))[0]),
                "n_confident": int(clear.sum()),
                "accuracy_confident": float(m.ratio((clear & (label == guess)).sum(), clear.sum())),
                "mae": _mean(np.abs(predicted[asked, columns] - truth.fractions[asked, columns])),
                "nll": _mean(nll[answered, i]),
            }
        )
        confusions[q.name] = _confusion(q.answers, label, guess)
    return rows, confusions


TABLES: dict[str, Callable[[Truth, np.ndarray], tuple[list[dict[str, Any]], dict[str, Confusion]]]] = {
    "multiclass": _multiclass_tables,
    "multilabel": _multilabel_tables,
    "hierarchical": _hierarchical_tables,
    "votes": _votes_tables,
}
"""What makes the rows by class, label or question and the confusion matrices of each board."""


def _binary(label: np.ndarray, guess: np.ndarray, counted: bool) -> dict[str, Any]:
    tp, fp, fn = (label & guess).sum(), (~label & guess).sum(), (label & ~guess).sum()
    precision, recall, f1 = m.precision_recall_f1(tp, fp, fn)
    return {
        "n": len(label),
        "positives": int(label.sum()),
        "counted": bool(counted),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
    }


def _column_means(values: np.ndarray) -> np.ndarray:
    known = ~np.isnan(values)
    return m.ratio(np.where(known, values, 0).sum(axis=0), known.sum(axis=0), 0.0)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else math.nan


def finite(value: Any) -> Any:
    """Return a value for JSON, which has no NaN: an undefined number is null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value

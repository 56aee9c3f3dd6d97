"""What a board is: its words, its metrics, and what each of them is computed from."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from galaxy_zoo_decals.schema import Tree
from galaxy_zoo_decals.scoring.bootstrap import Patterns, Weights, ratio
from galaxy_zoo_decals.scoring.truth import Truth

CLIP = 1e-6
"""Probabilities are clipped here before a logarithm."""


class Sums(dict[str, np.ndarray]):
    """Sums over galaxies by name, (draws, ...); what follows from them is computed once, when it is asked for."""

    def __init__(self, found: dict[str, np.ndarray], derived: Mapping[str, Callable[[Sums], np.ndarray]]) -> None:
        super().__init__(found)
        self.derived = derived

    def __missing__(self, name: str) -> np.ndarray:
        """Return what follows from other sums."""
        self[name] = value = self.derived[name](self)
        return value


@dataclass(frozen=True)
class Metric:
    """A metric: what it is called, what it means, and how it follows from the board's sums.

    ``of`` returns it of all draws, (draws,); ``low`` and ``high`` bound its values (None: no bound).
    """

    name: str
    title: str
    definition: str
    of: Callable[[Sums], np.ndarray] = field(repr=False)
    low: float | None = 0.0
    high: float | None = 1.0
    higher_is_better: bool = True
    format: str = ".3f"
    biased: bool = False
    """Finite samples push it up, for bootstrap draws twice: value and draws are corrected by the bootstrap's bias."""
    target: float | None = None
    """The value of a calibrated model, where neither higher nor lower is better."""
    of_volunteers: bool = False
    """It is a number of volunteers, and so has a meaning only where votes are counts of volunteers."""
    of_likelihoods: str = ""
    """The definition where counts were made from published likelihoods, if it is another."""
    in_quarters: bool = False
    """It is looked at by redshift, size, magnitude and votes, too, beside the board's primary metric."""


@dataclass(frozen=True)
class Columns:
    """What each galaxy adds to the sums of a board.

    ``counts`` are the whole numbers, as patterns; ``numbers`` all else, (galaxies,) or (galaxies, k) by name;
    ``questions`` (votes) the whole numbers of each question that only the rules of table 1 need.
    """

    counts: Patterns
    numbers: dict[str, np.ndarray]
    questions: tuple[Patterns, ...] = ()

    def take(self, rows: np.ndarray) -> Columns:
        """Return the columns of some galaxies, by position."""
        numbers = {name: column[rows] for name, column in self.numbers.items()}
        return Columns(self.counts.take(rows), numbers, tuple(part.take(rows) for part in self.questions))


@dataclass(frozen=True)
class Scored:
    """What predictions score on one board: metrics (draws,) by name, and rows of each class, label or question.

    In ``rows`` an array is a number of (draws,); "name", "n", "positives" and "counted" are plain values.
    """

    metrics: dict[str, np.ndarray]
    rows: list[dict[str, Any]]


class Confusion(NamedTuple):
    """How often each true answer (row) was given each predicted one (column)."""

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, labels: tuple[str, ...], true: np.ndarray, guess: np.ndarray) -> Confusion:
        """Return the table of true and predicted positions in ``labels``, (galaxies,) each."""
        table = np.zeros((len(labels), len(labels)), dtype=int)
        np.add.at(table, (true, guess), 1)
        return cls(labels, tuple(tuple(int(v) for v in row) for row in table))


@dataclass(frozen=True)
class Answers:
    """What truth and predictions say of each class, label or answer, (galaxies, names); ``asked`` where it is known."""

    names: tuple[str, ...]
    true: np.ndarray
    predicted: np.ndarray
    asked: np.ndarray


@dataclass(frozen=True)
class Board(ABC):
    """One ranking: a task, the metric it is ranked by, the metrics beside it, and how they are computed.

    A board's values are what it scores of predictions, (galaxies, columns); each board says what they are.
    """

    task: str
    title: str
    question: str
    primary: str
    all_metrics: tuple[Metric, ...]
    row_metric: str
    """The number of each class, label or question that short tables show, and that entries are compared by."""
    cost: int
    """How long scoring takes beside the other boards: the longest is begun first, so that threads end together."""
    training_spread: float
    """What a new version of the benchmark freezes as the usual spread of trainings: the standard deviation between
    seeds as a share of that of the bootstrap draws, the median over the committed entries of version 1."""
    validated_by: str = ""
    """The metric that the validation curves of the task's trainings hold too; empty if they hold none of the board."""
    concentrations: bool = False
    """The task's prediction file holds concentrations of Dirichlet distributions, and no probabilities."""
    title_of_likelihoods: str = ""
    question_of_likelihoods: str = ""

    @property
    def metrics(self) -> dict[str, Metric]:
        """The metrics by name, in the order of display."""
        return {metric.name: metric for metric in self.all_metrics}

    def told(self, counted_votes: bool) -> Board:
        """Return the board as an edition shows it, in whose words: of counted votes, or of published likelihoods.

        Of likelihoods it has no metric that is a number of volunteers.
        """
        if counted_votes:
            return self
        return replace(
            self,
            title=self.title_of_likelihoods or self.title,
            question=self.question_of_likelihoods or self.question,
            all_metrics=tuple(
                replace(metric, definition=metric.of_likelihoods or metric.definition)
                for metric in self.all_metrics
                if not metric.of_volunteers
            ),
        )

    # What the task's prediction file holds

    @abstractmethod
    def file_columns(self, tree: Tree) -> tuple[str, ...]:
        """Return the names of the file's value columns, in order."""

    def file_groups(self, tree: Tree) -> tuple[slice, ...]:
        """Return the runs of columns whose probabilities sum to 1; a file of independent probabilities has none."""
        return ()

    def file_answers(self, tree: Tree) -> list[int] | None:
        """Return the answer of the tree that each column predicts, by position; None where columns are no answers."""
        return None

    def probabilities(self, tree: Tree, values: np.ndarray) -> np.ndarray:
        """Return the file's values as probabilities (galaxies, columns)."""
        return values

    def comparable(self, tree: Tree) -> tuple[slice, ...]:
        """Return the runs of columns in which one could be taken for another."""
        return self.file_groups(tree) or (slice(0, len(self.file_columns(tree))),)

    @abstractmethod
    def true_columns(self, truth: Truth) -> np.ndarray:
        """Return what each of the file's columns predicts, (galaxies, columns); NaN where it is unknown."""

    @abstractmethod
    def true_labels(self, truth: Truth) -> tuple[np.ndarray, np.ndarray] | None:
        """Return which labels are known and which are true, bool (galaxies, columns); None for a file without labels.

        A label is a yes or no that is made of the votes: by the largest fraction, or by a threshold.
        """

    @abstractmethod
    def decided(self, tree: Tree, values: np.ndarray) -> np.ndarray:
        """Return what the file's values say of each galaxy in whole numbers, (galaxies, k)."""

    # What the board's values are

    def of_file(self, tree: Tree, values: np.ndarray) -> np.ndarray:
        """Return the board's values of a prediction file of its own task: those of the file, but for some boards."""
        return values

    def to_file(self, tree: Tree, values: np.ndarray) -> np.ndarray:
        """Return the columns of the task's prediction file that hold the board's values (columns,)."""
        return values

    @abstractmethod
    def of_fractions(self, tree: Tree, fractions: np.ndarray) -> np.ndarray | None:
        """Return the board's values of predicted fractions (galaxies, answers); None where they do not follow."""

    @abstractmethod
    def prior(self, truth: Truth) -> np.ndarray:
        """Return the board's values of the class prior, which says the same of every galaxy, (columns,)."""

    # What the scores are computed from

    @abstractmethod
    def columns(self, truth: Truth, values: np.ndarray) -> Columns:
        """Return what each galaxy adds to the board's sums: most of the work, done once."""

    def columns_of_fractions(
        self, truth: Truth, fractions: np.ndarray, concentrations: np.ndarray, calibration: bool
    ) -> Columns:
        """Return the columns of fractions that are known, with concentrations of a certain Dirichlet about them.

        Without ``calibration`` what costs most, the coverage of intervals, is left out.
        """
        values = self.of_fractions(truth.tree, fractions)
        assert values is not None
        return self.columns(truth, values)

    @abstractmethod
    def sums(self, truth: Truth, columns: Columns, weights: Weights) -> Sums:
        """Return the sums of some galaxies' columns; ``truth`` says which classes, labels or questions count."""

    @abstractmethod
    def rows(self, truth: Truth, sums: Sums) -> list[dict[str, Any]]:
        """Return a row of each class, label or question."""

    def measurable(self, truth: Truth, columns: Columns) -> list[Metric]:
        """Return the metrics that truth and columns allow."""
        return [metric for metric in self.all_metrics if not (metric.of_volunteers and truth.votes_assumed)]

    def scored(self, truth: Truth, columns: Columns, weights: Weights, names: Container[str] | None = None) -> Scored:
        """Return metrics and rows of the columns of some galaxies; with ``names`` those metrics alone, without rows."""
        sums = self.sums(truth, columns, weights)
        chosen = [metric for metric in self.measurable(truth, columns) if names is None or metric.name in names]
        return Scored({m.name: m.of(sums) for m in chosen}, [] if names is not None else self.rows(truth, sums))

    def score(self, truth: Truth, values: np.ndarray, weights: Weights) -> Scored:
        """Return metrics and rows of the board's values under bootstrap weights."""
        return self.scored(truth, self.columns(truth, values), weights)

    def in_quarters(self, truth: Truth, columns: Columns, weights: Weights) -> dict[str, np.ndarray]:
        """Return the metrics that are looked at in a part of the galaxies, by name, (draws,)."""
        names = {self.primary, *(metric.name for metric in self.all_metrics if metric.in_quarters)}
        return self.unbiased(self.scored(truth, columns, weights, names).metrics)

    def unbiased(self, metrics: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return metrics (draws,) freed of their finite-sample bias, where they have one.

        The plain value is biased by b, the draws by 2 b; b is seen as their distance.
        """
        out = dict(metrics)
        for name in (metric.name for metric in self.all_metrics if metric.biased and metric.name in metrics):
            values = metrics[name]
            if len(values) > 1 and not math.isnan(values[0]):
                bias = float(np.nanmean(values[1:])) - values[0]
                out[name] = np.maximum(np.concatenate([values[:1] - bias, values[1:] - 2 * bias]), 0)
        return out

    # What is shown beside the scores

    def galaxies(self, truth: Truth) -> int:
        """Return how many galaxies are scored."""
        return len(truth.names)

    @abstractmethod
    def confusions(self, truth: Truth, values: np.ndarray) -> dict[str, Confusion]:
        """Return the confusion matrices by name, where the true answer counts."""

    @abstractmethod
    def disagreement(self, truth: Truth, values: np.ndarray, columns: Columns) -> np.ndarray:
        """Return how much less likely the values make each galaxy's votes than the votes themselves, (galaxies,).

        In nats; 0 where nothing is known.
        """

    @abstractmethod
    def answers(self, truth: Truth, values: np.ndarray) -> Answers:
        """Return what truth and values say of every class, label or answer."""

    def curves(self, truth: Truth, values: np.ndarray) -> dict[str, list[dict[str, Any]]]:
        """Return further tables of all galaxies, by name; most boards have none."""
        return {}


def macro(values: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Return the mean over the counted columns of values (draws, columns); NaN if none is counted."""
    return values[:, counted].mean(axis=1) if counted.any() else np.full(len(values), np.nan)


def precision(sums: Sums, suffix: str = "") -> np.ndarray:
    """Return TP / (TP + FP) of the sums "hits" and "guessed"; 0 where nothing was predicted."""
    return ratio(sums["hits" + suffix], sums["guessed" + suffix], 0.0)


def recall(sums: Sums, suffix: str = "") -> np.ndarray:
    """Return TP / (TP + FN) of the sums "hits" and "true"; 0 where nothing is true."""
    return ratio(sums["hits" + suffix], sums["true" + suffix], 0.0)


def f1(sums: Sums, suffix: str = "") -> np.ndarray:
    """Return 2TP / (2TP + FP + FN) of the sums "hits", "guessed" and "true"; 0 where there is none of either."""
    return ratio(2 * sums["hits" + suffix], sums["guessed" + suffix] + sums["true" + suffix], 0.0)

"""The board of votes: Dirichlet concentrations against the votes at every question."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from galaxy_zoo_decals import views
from galaxy_zoo_decals.schema import Tree
from galaxy_zoo_decals.scoring.boards.board import Answers, Board, Columns, Confusion, Metric, Sums, f1, macro
from galaxy_zoo_decals.scoring.bootstrap import Patterns, Weights, ratio
from galaxy_zoo_decals.scoring.calibration import interval_coverage
from galaxy_zoo_decals.scoring.likelihood import dirichlet_multinomial_nll
from galaxy_zoo_decals.scoring.priors import prior_concentrations
from galaxy_zoo_decals.scoring.truth import Truth
from galaxy_zoo_decals.scoring.volunteers import equivalent_volunteers, volunteer_errors

LEVELS = (50, 90)
"""Predictive intervals of the votes whose coverage is measured, in per cent."""

BY_RULES = ("paper", "right", "clear", "clear_right", "true", "guessed", "hits")
"""Whole numbers of each question, or of each of its answers, by the rules of Walmsley et al. 2022, table 1."""

LEAST = 1e-6
"""Smallest concentration of an oracle that holds an answer for impossible."""


@dataclass(frozen=True)
class Votes(Board):
    """Values are Dirichlet concentrations (galaxies, answers); they enter the other boards as fractions."""

    def file_columns(self, tree: Tree) -> tuple[str, ...]:
        """Return a column of each answer."""
        return tuple(f"a_{column}" for column in tree.answer_columns)

    def file_answers(self, tree: Tree) -> list[int]:
        """Return all answers."""
        return list(range(len(tree.answers)))

    def probabilities(self, tree: Tree, values: np.ndarray) -> np.ndarray:
        """Return the fractions that concentrations expect."""
        return views.fractions(tree, values)

    def comparable(self, tree: Tree) -> tuple[slice, ...]:
        """Return the answers of each question."""
        return tuple(tree.slices.values())

    def true_columns(self, truth: Truth) -> np.ndarray:
        """Return the fractions of the questions that were asked."""
        return truth.asked_fractions

    def true_labels(self, truth: Truth) -> None:
        """Return None: a file of concentrations speaks of votes alone."""

    def decided(self, tree: Tree, values: np.ndarray) -> np.ndarray:
        """Return the most probable answer of each question on the predicted path, -1 off it, (galaxies, questions)."""
        return views.answers_on_path(tree, views.fractions(tree, values))

    def of_fractions(self, tree: Tree, fractions: np.ndarray) -> None:
        """Return None: fractions do not say how sure they are."""

    def prior(self, truth: Truth) -> np.ndarray:
        """Return the concentrations of one Dirichlet a question that best explain all votes."""
        return prior_concentrations(truth.tree, truth.votes)

    def columns(self, truth: Truth, values: np.ndarray) -> Columns:
        """Return the columns of concentrations, whose means are the predicted fractions."""
        return self._columns(truth, values, views.fractions(truth.tree, values), LEVELS)

    def columns_of_fractions(
        self, truth: Truth, fractions: np.ndarray, concentrations: np.ndarray, calibration: bool
    ) -> Columns:
        """Return the columns of fractions that are predicted in place of the concentrations' own means."""
        return self._columns(truth, np.maximum(concentrations, LEAST), fractions, LEVELS if calibration else ())

    def _columns(
        self, truth: Truth, concentrations: np.ndarray, predicted: np.ndarray, levels: tuple[int, ...]
    ) -> Columns:
        tree = truth.tree
        covered = np.empty((len(predicted), 0))
        if levels:
            covered = interval_coverage(tree, truth.counts, concentrations, tuple(level / 100 for level in levels))
        first = tree.slices[tree.questions[0].name]
        variance, error = volunteer_errors(truth.votes[:, first], predicted[:, first])
        gap = np.where(truth.votes_asked, np.nan_to_num(predicted - truth.fractions), 0.0)
        guess = views.top_answers(tree, predicted)
        right, paper = (truth.top == guess) & (truth.top >= 0), truth.paper_mask
        true, guessed = (_one_hot(tree, top) & truth.votes_paper for top in (truth.top, guess))
        absolute, squared = (
            np.column_stack([part[:, tree.slices[q.name]].mean(axis=1) for q in tree.questions])
            for part in (np.abs(gap), gap**2)
        )
        numbers = {
            "by_question": dirichlet_multinomial_nll(tree, truth.votes, concentrations),
            "covered": np.nan_to_num(covered),
            "variance": variance, "error": error, "absolute": absolute, "squared": squared,
        }  # fmt: skip
        answered = truth.totals > 0
        counts = Patterns.of(answered=answered, with_votes=np.any(answered, axis=1), asked=truth.asked)
        # By the rules of table 1 question by question: few galaxies differ, and many count nowhere.
        by_rules = {"paper": paper, "right": paper & right, "clear": paper & truth.clear}
        by_rules["clear_right"] = by_rules["clear"] & right
        by_answer = {"true": true, "guessed": guessed, "hits": true & guessed}
        questions = tuple(
            Patterns.of(
                **{name: column[:, [i]] for name, column in by_rules.items()},
                **{name: column[:, tree.slices[q.name]] for name, column in by_answer.items()},
            )
            for i, q in enumerate(tree.questions)
        )
        return Columns(counts, numbers, questions)

    def sums(self, truth: Truth, columns: Columns, weights: Weights) -> Sums:
        """Return the sums; those that only the rules of table 1 need are made when they are asked for."""
        found = weights.sums(**columns.numbers) | weights.counts(columns.counts)
        found["total"] = np.asarray(weights.total)
        found |= {f"counted_{name}": truth.counted[name] for name in ("asked", "paper", "clear")}

        def by_rules(sums: Sums, name: str) -> np.ndarray:
            parts = [weights.counts(part) for part in columns.questions]
            sums |= {key: np.concatenate([part[key] for part in parts], axis=1) for key in BY_RULES}
            return sums[name]

        def question_f1(sums: Sums) -> np.ndarray:
            of_answers = f1(sums) * sums["true"]
            slices = [truth.tree.slices[q.name] for q in truth.tree.questions]
            return ratio(np.column_stack([of_answers[:, part].sum(axis=1) for part in slices]), sums["paper"])

        derived: dict[str, Callable[[Sums], np.ndarray]] = {
            "mae": lambda s: ratio(s["absolute"], s["asked"]),
            "nll": lambda s: ratio(s["by_question"], s["answered"]),
            "accuracy": lambda s: ratio(s["right"], s["paper"]),
            "f1": question_f1,
            "accuracy_confident": lambda s: ratio(s["clear_right"], s["clear"]),
        }
        return Sums(found, derived | {name: partial(by_rules, name=name) for name in BY_RULES})

    def rows(self, truth: Truth, sums: Sums) -> list[dict[str, Any]]:
        """Return a row of each question, by the rules of Walmsley et al. 2022, table 1, beside error and likelihood."""
        return [
            {"name": q.name, "n": int(sums["paper"][0, i]), "counted": bool(sums["counted_paper"][i])}
            | {key: sums[key][:, i] for key in ("accuracy", "f1")}
            | {"n_confident": int(sums["clear"][0, i]), "accuracy_confident": sums["accuracy_confident"][:, i]}
            | {key: sums[key][:, i] for key in ("mae", "nll")}
            for i, q in enumerate(truth.tree.questions)
        ]

    def measurable(self, truth: Truth, columns: Columns) -> list[Metric]:
        """Return the metrics; without those of coverage where it was not measured."""
        measured = columns.numbers["covered"].shape[1] > 0
        return [m for m in super().measurable(truth, columns) if measured or m.target is None]

    def confusions(self, truth: Truth, values: np.ndarray) -> dict[str, Confusion]:
        """Return a matrix of each question, of the galaxies that count by the rules of table 1."""
        tree = truth.tree
        true, top = truth.top, views.top_answers(tree, values)
        return {
            q.name: Confusion.of(q.answers, true[on, i], top[on, i])
            for i, (q, on) in enumerate(zip(tree.questions, truth.paper_mask.T))
        }

    def disagreement(self, truth: Truth, values: np.ndarray, columns: Columns) -> np.ndarray:
        """Return minus the log likelihood of all votes, against that of their own fractions."""
        found: np.ndarray = columns.numbers["by_question"].sum(axis=1) - truth.least_nll
        return found

    def answers(self, truth: Truth, values: np.ndarray) -> Answers:
        """Return true and predicted fractions where the question was asked."""
        names = tuple(f"{q}: {a}" for q, a in truth.tree.answers)
        return Answers(names, truth.fractions, views.fractions(truth.tree, values), truth.votes_asked)


def _one_hot(tree: Tree, top: np.ndarray) -> np.ndarray:
    """Return which answer of each question is the top one, bool (galaxies, answers), from (galaxies, questions)."""
    return np.column_stack([top[:, [i]] == np.arange(len(q.answers)) for i, q in enumerate(tree.questions)])


VOTES = Votes(
    task="votes",
    title="Votes",
    question="How do the volunteers' votes divide at every question?",
    title_of_likelihoods="Likelihoods",
    question_of_likelihoods="How do the published likelihoods divide at every question?",
    primary="nll",
    row_metric="accuracy",
    cost=4,
    training_spread=0.13,
    validated_by="accuracy",
    concentrations=True,
    all_metrics=(
        Metric("nll", "NLL per galaxy",
               "Mean of minus the log Dirichlet-multinomial likelihood of a galaxy's votes, summed over questions, "
               "coefficient included (Walmsley et al. 2022, eqs 5-7).",
               lambda s: ratio(s["by_question"].sum(axis=1), s["total"]), 0.0, None, False, ".2f", of_likelihoods=
               "Mean of minus the log Dirichlet-multinomial likelihood of the counts that are made of a galaxy's "
               "published likelihoods for an assumed number of votes, summed over questions, coefficient included "
               "(Walmsley et al. 2022, eqs 5-7)."),
        Metric("mae", "MAE of fractions",
               "Mean absolute error of the fractions: over answers, then asked galaxies, then questions.",
               lambda s: macro(s["mae"], s["counted_asked"]), higher_is_better=False, in_quarters=True),
        Metric("rmse", "RMSE of fractions",
               "Root of the mean squared error of the fractions: over answers and asked galaxies; mean over "
               "questions.",
               lambda s: macro(np.sqrt(np.maximum(ratio(s["squared"], s["asked"]), 0)), s["counted_asked"]),
               higher_is_better=False),
        Metric("accuracy", "Accuracy by question",
               "Mean over questions of the accuracy of the most voted answer, where at least half of the galaxy's "
               "volunteers were asked (rules of Walmsley et al. 2022, table 1).",
               lambda s: macro(s["accuracy"], s["counted_paper"]), of_likelihoods=
               "Mean over questions of the accuracy of the likeliest answer, where at least half of a galaxy's "
               "likelihood comes to the question (rules of Walmsley et al. 2022, table 1)."),
        Metric("f1", "F1 by question", "As the accuracy, with F1 weighted by support.",
               lambda s: macro(s["f1"], s["counted_paper"])),
        Metric("confident_accuracy", "Accuracy, clear answers",
               "As the accuracy, only for galaxies where one answer has a fraction over 0.8.",
               lambda s: macro(s["accuracy_confident"], s["counted_paper"] & s["counted_clear"])),
        Metric("coverage_50", "Coverage of 50 %",
               "Share of the votes inside the central 50 % predictive intervals, corrected for finite votes: 0.5 if "
               "calibrated, less if too sure.",
               lambda s: ratio(s["covered"][:, LEVELS.index(50)], s["with_votes"]), target=0.5, of_likelihoods=
               "Share of the counts, made of published likelihoods for an assumed number of votes, inside the central "
               "50 % predictive intervals: a number of the assumption as much as of the model."),
        Metric("coverage_90", "Coverage of 90 %", "As the coverage of 50 %, for 90 % intervals.",
               lambda s: ratio(s["covered"][:, LEVELS.index(90)], s["with_votes"]), target=0.9, in_quarters=True),
        Metric("equivalent_volunteers", "Equivalent volunteers",
               "How many volunteers have the model's mean squared error on smooth-or-featured (unbiased for the finite "
               "number of votes); not a number where the error is not measurable.",
               lambda s: equivalent_volunteers(s["variance"], s["error"]), high=None, format=".1f",
               of_volunteers=True, in_quarters=True),
    ),
)  # fmt: skip

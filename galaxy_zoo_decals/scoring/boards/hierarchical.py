"""The board of the decision tree: the path that predicted answers take against the volunteers' path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from galaxy_zoo_decals import views
from galaxy_zoo_decals.schema import Tree
from galaxy_zoo_decals.scoring.boards.board import CLIP, Answers, Board, Columns, Confusion, Metric, Sums, macro
from galaxy_zoo_decals.scoring.bootstrap import Patterns, Weights, ratio
from galaxy_zoo_decals.scoring.truth import Truth


@dataclass(frozen=True)
class Hierarchical(Board):
    """Values are fractions of all answers (galaxies, answers); NaN for questions that are not scored."""

    def file_columns(self, tree: Tree) -> tuple[str, ...]:
        """Return a column of each answer of the scored questions."""
        return tuple(f"p_{column}" for name in tree.scored_questions for column in tree.question(name).columns)

    def file_groups(self, tree: Tree) -> tuple[slice, ...]:
        """Return a group of each scored question."""
        ends = np.cumsum([len(tree.question(name).answers) for name in tree.scored_questions]).tolist()
        return tuple(slice(start, end) for start, end in zip([0, *ends], ends))

    def file_answers(self, tree: Tree) -> list[int]:
        """Return the answers of the scored questions."""
        return [i for name in tree.scored_questions for i in range(*tree.slices[name].indices(len(tree.answers)))]

    def true_columns(self, truth: Truth) -> np.ndarray:
        """Return the fractions of the questions that were asked."""
        return truth.asked_fractions[:, self.file_answers(truth.tree)]

    def true_labels(self, truth: Truth) -> tuple[np.ndarray, np.ndarray]:
        """Return the most voted answer of each scored question."""
        tree = truth.tree
        top = np.column_stack([truth.top[:, [tree.question_index[q]]] for q in tree.scored_questions])
        sizes = [len(tree.question(q).answers) for q in tree.scored_questions]
        repeated = np.repeat(top, sizes, axis=1)
        return repeated >= 0, repeated == np.concatenate([np.arange(size) for size in sizes])

    def decided(self, tree: Tree, values: np.ndarray) -> np.ndarray:
        """Return the most probable answer of each question on the predicted path, -1 off it, (galaxies, questions)."""
        return views.answers_on_path(tree, self.of_file(tree, values))

    def of_file(self, tree: Tree, values: np.ndarray) -> np.ndarray:
        """Return the fractions of all answers: a file has those of the scored questions alone."""
        out = np.full((len(values), len(tree.answers)), np.nan)
        out[:, self.file_answers(tree)] = values
        return out

    def to_file(self, tree: Tree, values: np.ndarray) -> np.ndarray:
        """Return the fractions of the scored questions."""
        return np.concatenate([values[tree.slices[name]] for name in tree.scored_questions])

    def of_fractions(self, tree: Tree, fractions: np.ndarray) -> np.ndarray:
        """Return the fractions."""
        return fractions

    def prior(self, truth: Truth) -> np.ndarray:
        """Return the mean fraction of each answer where its question has votes; 0 where it never has."""
        known = ~np.isnan(truth.fractions)
        means = ratio(np.where(known, truth.fractions, 0).sum(axis=0), known.sum(axis=0), 0.0)
        return np.where(~known.any(axis=0), 0.0, means)

    def columns(self, truth: Truth, values: np.ndarray) -> Columns:
        """Return the columns of predicted fractions.

        A question that lies on a galaxy's true path but has no votes is unknown: it leaves the predicted path too. One
        that no galaxy has votes for leaves every path.
        """
        tree, top = truth.tree, views.top_answers(truth.tree, values)
        true_sets, sets = path_sets(tree, truth.fractions, truth.top), path_sets(tree, values, top)
        unknown = views.on_path(tree, truth.top) & (truth.top < 0)
        unknown |= [q.name in truth.unanswered for q in tree.questions]
        hidden = np.column_stack([unknown[:, tree.question_index[q]] for q, _ in tree.answers])
        consistent = valid_paths(tree, sets)
        sets = sets & ~hidden
        reached, right, arrived = question_hits(truth, values, top)
        counts = Patterns.of(
            common=(true_sets & sets).sum(axis=1), guessed=sets.sum(axis=1), true=true_sets.sum(axis=1),
            exact=(true_sets == sets).all(axis=1), consistent=consistent,
            reached=reached, right=reached & right, end=reached & right & arrived,
        )  # fmt: skip
        return Columns(counts, {})

    def sums(self, truth: Truth, columns: Columns, weights: Weights) -> Sums:
        """Return the sums, and the accuracies of each scored question."""
        found = weights.counts(columns.counts)
        found |= {"total": np.asarray(weights.total), "counted": truth.counted["path"]}
        derived = {
            "conditional_accuracy": lambda s: ratio(s["right"], s["reached"]),
            "end_to_end_accuracy": lambda s: ratio(s["end"], s["reached"]),
        }
        return Sums(found, derived)

    def rows(self, truth: Truth, sums: Sums) -> list[dict[str, Any]]:
        """Return a row of each scored question."""
        return [
            {"name": name, "n": int(sums["reached"][0, i]), "counted": bool(sums["counted"][i])}
            | {key: sums[key][:, i] for key in ("conditional_accuracy", "end_to_end_accuracy")}
            for i, name in enumerate(truth.tree.scored_questions)
        ]

    def confusions(self, truth: Truth, values: np.ndarray) -> dict[str, Confusion]:
        """Return a matrix of each scored question, of the galaxies whose true path comes to it."""
        tree = truth.tree
        true, top = truth.top, views.top_answers(tree, values)
        reached, found = question_hits(truth, values, top)[0], {}
        for on, name in zip(reached.T, tree.scored_questions):
            q = tree.question_index[name]
            found[name] = Confusion.of(tree.question(name).answers, true[on, q], top[on, q])
        return found

    def disagreement(self, truth: Truth, values: np.ndarray, columns: Columns) -> np.ndarray:
        """Return minus the log probability of the answers along the true path."""
        sets = path_sets(truth.tree, truth.fractions, truth.top)
        return np.where(sets, -np.log(np.clip(np.nan_to_num(values), CLIP, None)), 0.0).sum(axis=1)

    def answers(self, truth: Truth, values: np.ndarray) -> Answers:
        """Return true and predicted fractions where the question was asked."""
        names = tuple(f"{q}: {a}" for q, a in truth.tree.answers)
        return Answers(names, truth.fractions, values, truth.votes_asked)


def path_sets(tree: Tree, fractions: np.ndarray, top: np.ndarray | None = None) -> np.ndarray:
    """Return each galaxy's path through the scored questions as a set, bool (galaxies, answers of the tree).

    From the root follow the most voted (most probable) answer; the last scored question belongs to every
    non-artifact path. A question on the path that nobody answered ends it. ``top`` spares a second look for the
    most voted answers.
    """
    top = views.top_answers(tree, fractions) if top is None else top
    follows = views.on_path(tree, top) & (top >= 0)
    out = np.zeros(fractions.shape, dtype=bool)
    for name in tree.scored_questions:
        q = tree.question_index[name]
        rows = np.flatnonzero(follows[:, q])
        out[rows, tree.slices[name].start + top[rows, q]] = True
    return out


def valid_paths(tree: Tree, sets: np.ndarray) -> np.ndarray:
    """Return which sets of (question, answer) are valid paths, bool (galaxies,).

    The root has one answer; any other scored question has one if one of its parents' answers is in the set, and
    none otherwise. Works on any sets, also on ones that were not made by following a route.
    """
    ok = np.ones(len(sets), dtype=bool)
    for name in tree.scored_questions:
        parents = [tree.answer_index[parent] for parent in tree.question(name).parents]
        reached = sets[:, parents].any(axis=1) if parents else np.ones(len(sets), dtype=bool)
        ok &= sets[:, tree.slices[name]].sum(axis=1) == reached
    return ok


def question_hits(
    truth: Truth, fractions: np.ndarray, top: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (reached, right, arrived), each bool (galaxies, 5), for the scored questions.

    reached: the true path comes to the question; right: the most probable answer is the true one; arrived: the
    predicted path comes to the question too. ``top`` spares a second look for the most probable answers.
    """
    tree = truth.tree
    index = [tree.question_index[name] for name in tree.scored_questions]
    top = views.top_answers(tree, fractions) if top is None else top
    reached = views.on_path(tree, truth.top) & (truth.top >= 0)
    return reached[:, index], (truth.top == top)[:, index], views.on_path(tree, top)[:, index]


HIERARCHICAL = Hierarchical(
    task="hierarchical",
    title="Decision tree",
    question="Which path do the volunteers take through the tree?",
    question_of_likelihoods="Which path through the tree is the likeliest?",
    primary="hierarchical_f1",
    row_metric="conditional_accuracy",
    cost=1,
    training_spread=0.26,
    all_metrics=(
        Metric("hierarchical_f1", "Hierarchical F1",
               "Harmonic mean of hierarchical precision and recall (Kiritchenko et al. 2005).",
               lambda s: ratio(2 * s["common"], s["guessed"] + s["true"], 0.0)),
        Metric("hierarchical_precision", "hP",
               "Share of the (question, answer) pairs on the predicted paths that lie on the true ones.",
               lambda s: ratio(s["common"], s["guessed"])),
        Metric("hierarchical_recall", "hR",
               "Share of the (question, answer) pairs on the true paths that lie on the predicted ones.",
               lambda s: ratio(s["common"], s["true"])),
        Metric("exact_path", "Exact path", "Share of galaxies whose whole predicted path is the true one.",
               lambda s: ratio(s["exact"], s["total"]), in_quarters=True),
        Metric("conditional_accuracy", "Accuracy, conditional",
               "Mean over questions of the accuracy on galaxies whose true path comes to the question.",
               lambda s: macro(s["conditional_accuracy"], s["counted"])),
        Metric("end_to_end_accuracy", "Accuracy, end to end",
               "As the conditional accuracy, but the predicted path has to come to the question too.",
               lambda s: macro(s["end_to_end_accuracy"], s["counted"])),
        Metric("consistency", "Consistency",
               "Share of galaxies whose predicted answers form a valid path; 1 for those that follow a route down "
               "the tree, as those of prediction files do.",
               lambda s: ratio(s["consistent"], s["total"])),
    ),
)  # fmt: skip

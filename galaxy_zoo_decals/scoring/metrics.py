"""The metrics of the four boards, vectorised over bootstrap weights.

A metric is a function of weighted sums over galaxies (``Weights.sums``), the average precision alone of a weighted
order. Every board has a function ``*_columns``, which returns what each galaxy adds to those sums (most of the work,
done once), and one ``*_scored``, which returns what the board prints of some galaxies' columns, as arrays of (draws,):
draw 0 is the plain score. Divisions by zero give NaN where a metric is undefined, but precision and F1 of a label that
is never predicted are 0, as in scikit-learn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from galaxy_zoo_decals import views
from galaxy_zoo_decals.schema import CLASSES, Tree
from galaxy_zoo_decals.scoring.average_precision import ranked_precision, thresholds
from galaxy_zoo_decals.scoring.bootstrap import Patterns, Weights, ratio
from galaxy_zoo_decals.scoring.calibration import BINS, interval_coverage
from galaxy_zoo_decals.scoring.likelihood import dirichlet_multinomial_nll
from galaxy_zoo_decals.scoring.truth import Truth
from galaxy_zoo_decals.scoring.volunteers import equivalent_volunteers, volunteer_errors

CLIP = 1e-6
"""Probabilities are clipped here before a logarithm."""

MASKS = ("", "_unmasked")
"""What ends the names of multi-label numbers: of the labels whose question was asked, and of all."""


LEVELS = (50, 90)
"""Predictive intervals of the votes whose coverage is measured, in per cent."""


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


def macro(values: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Return the mean over the counted columns of values (draws, columns); NaN if none is counted."""
    return values[:, counted].mean(axis=1) if counted.any() else np.full(len(values), np.nan)


def precision_recall_f1(hits: np.ndarray, guessed: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return precision, recall and F1 of weighted counts; 0 where nothing was predicted or nothing is true."""
    return ratio(hits, guessed, 0.0), ratio(hits, true, 0.0), ratio(2 * hits, guessed + true, 0.0)


def bin_gaps(confidence: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return right - confidence in the column of each galaxy's bin, (galaxies, BINS), 0 elsewhere.

    BINS bins of equal mass are cut once, by rank of the confidence, so that all draws share them.
    """
    rank = np.argsort(np.argsort(confidence, kind="stable"), kind="stable")
    member = np.eye(BINS)[rank * BINS // max(len(rank), 1)]
    gaps: np.ndarray = member * (right.astype(float) - confidence)[:, None]
    return gaps


def calibration_error(gaps: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return the expected calibration error (draws,), sum of |right - confidence| n_bin / n, of summed bin gaps."""
    return ratio(np.abs(gaps).sum(axis=1), n)


def multiclass_columns(truth: Truth, probabilities: np.ndarray) -> Columns:
    """Return the columns of class probabilities (galaxies, 4); galaxies without a label count nowhere."""
    label, known = truth.classes.label, truth.classes.label >= 0
    guess, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    right = known & (guess == label)
    true = label[:, None] == np.arange(len(CLASSES))
    guessed = known[:, None] & (guess[:, None] == np.arange(len(CLASSES)))
    clear, sure = known & truth.classes.confident, known & (confidence > views.CONFIDENT)
    given = np.clip(probabilities[np.arange(len(label)), label], CLIP, None)
    counts = Patterns.of(
        n=known, true=true, guessed=guessed, hits=true & guessed, right=right, clear=clear, clear_right=clear & right,
        sure=sure, sure_right=sure & right,
    )  # fmt: skip
    numbers = {
        "nll": np.where(known, -np.log(given), 0.0),
        "brier": np.where(known, ((probabilities - true) ** 2).sum(axis=1), 0.0),
        "confidence": confidence, "known": known, "right": right,
    }  # fmt: skip
    return Columns(counts, numbers)


def multiclass_scored(truth: Truth, columns: Columns, weights: Weights) -> Scored:
    """Return the metrics of the columns of some galaxies of ``truth``, whose classes count."""
    numbers = columns.numbers
    known = numbers["known"]
    gaps = np.zeros((len(known), BINS))
    gaps[known] = bin_gaps(numbers["confidence"][known], numbers["right"][known])
    s = weights.counts(columns.counts)
    s |= weights.sums(gaps=gaps, nll=numbers["nll"], brier=numbers["brier"])
    precision, recall, f1 = precision_recall_f1(s["hits"], s["guessed"], s["true"])
    counted, n = truth.counted["classes"], s["n"]
    metrics = {
        "macro_f1": macro(f1, counted),
        "accuracy": ratio(s["right"], n),
        "balanced_accuracy": macro(recall, counted),
        "clear_accuracy": ratio(s["clear_right"], s["clear"]),
        "clear_share": ratio(s["clear"], n),
        "covered_accuracy": ratio(s["sure_right"], s["sure"]),
        "coverage": ratio(s["sure"], n),
        "nll": ratio(s["nll"], n),
        "brier": ratio(s["brier"], n),
        "ece": calibration_error(s["gaps"], n),
    }
    rows = [
        {"name": name, "n": int(n[0]), "positives": int(s["true"][0, c]), "counted": bool(counted[c])}
        | {"precision": precision[:, c], "recall": recall[:, c], "f1": f1[:, c]}
        for c, name in enumerate(CLASSES)
    ]
    return Scored(metrics, rows)


def multiclass_metrics(truth: Truth, probabilities: np.ndarray, weights: Weights) -> Scored:
    """Return the metrics of class probabilities (galaxies, 4) on the labelled galaxies."""
    return multiclass_scored(truth, multiclass_columns(truth, probabilities), weights)


def multilabel_columns(truth: Truth, probabilities: np.ndarray) -> Columns:
    """Return the columns of label probabilities (galaxies, labels)."""
    labels, asked = truth.labels, truth.labels_asked
    guess = views.label_decisions(probabilities)
    parts: dict[str, np.ndarray] = {}
    for suffix, mask in zip(MASKS, (asked, np.ones_like(asked))):
        judged, wrong = np.any(mask, axis=1), (labels != guess) & mask
        made = {
            "true": labels & mask, "guessed": guess & mask, "hits": labels & guess & mask, "n": mask,
            "wrong": wrong.sum(axis=1), "judged": judged, "all_right": judged & ~wrong.any(axis=1),
        }  # fmt: skip
        parts |= {name + suffix: column for name, column in made.items()}
    threshold = np.column_stack([thresholds(column) for column in probabilities.T])
    return Columns(Patterns.of(**parts), {"threshold": threshold, "labels": labels, "asked": asked})


def multilabel_scored(truth: Truth, columns: Columns, weights: Weights) -> Scored:
    """Return the metrics of the columns of some galaxies of ``truth``, whose labels count.

    With the mask of asked questions and without.
    """
    counted, numbers = truth.counted["labels"], columns.numbers
    by_label = zip(numbers["labels"].T, numbers["threshold"].T, numbers["asked"].T)
    ap = np.column_stack([ranked_precision(weights, *of_label) for of_label in by_label])
    metrics = {"macro_map": macro(ap, counted)}
    rows: list[dict[str, Any]] = []
    together = weights.counts(columns.counts)
    for suffix in MASKS:
        s = {name.removesuffix(suffix): sums for name, sums in together.items() if name.endswith(suffix)}
        scores = precision_recall_f1(s["hits"], s["guessed"], s["true"])
        micro = precision_recall_f1(*(s[name].sum(axis=1) for name in ("hits", "guessed", "true")))
        for name, values, total in zip(("precision", "recall", "f1"), scores, micro):
            metrics[f"macro_{name}{suffix}"] = macro(values, counted)
            metrics[f"micro_{name}{suffix}"] = total
        metrics[f"subset_accuracy{suffix}"] = ratio(s["all_right"], s["judged"])
        metrics[f"hamming{suffix}"] = ratio(s["wrong"], s["n"].sum(axis=1))
        if not suffix:
            precision, recall, f1 = scores
            rows = [
                {"name": name, "n": int(s["n"][0, j]), "positives": int(s["true"][0, j]), "counted": bool(counted[j])}
                | {"average_precision": ap[:, j]}
                | {"precision": precision[:, j], "recall": recall[:, j], "f1": f1[:, j]}
                for j, name in enumerate(truth.tree.label_names)
            ]
    return Scored(metrics, rows)


def multilabel_metrics(truth: Truth, probabilities: np.ndarray, weights: Weights) -> Scored:
    """Return the metrics of label probabilities (galaxies, labels)."""
    return multilabel_scored(truth, multilabel_columns(truth, probabilities), weights)


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


def hierarchical_columns(truth: Truth, fractions: np.ndarray) -> Columns:
    """Return the columns of predicted fractions (galaxies, answers) of the scored questions; others may be NaN.

    A question that lies on a galaxy's true path but has no votes is unknown: it leaves the predicted path too.
    """
    tree, top = truth.tree, views.top_answers(truth.tree, fractions)
    true_sets, sets = path_sets(tree, truth.fractions, truth.top), path_sets(tree, fractions, top)
    unknown = views.on_path(tree, truth.top) & (truth.top < 0)
    hidden = np.column_stack([unknown[:, tree.question_index[q]] for q, _ in tree.answers])
    consistent = valid_paths(tree, sets)
    sets = sets & ~hidden
    reached, right, arrived = question_hits(truth, fractions, top)
    counts = Patterns.of(
        common=(true_sets & sets).sum(axis=1), guessed=sets.sum(axis=1), true=true_sets.sum(axis=1),
        exact=(true_sets == sets).all(axis=1), consistent=consistent,
        reached=reached, right=reached & right, end=reached & right & arrived,
    )  # fmt: skip
    return Columns(counts, {})


def hierarchical_scored(truth: Truth, columns: Columns, weights: Weights) -> Scored:
    """Return the metrics of the columns of some galaxies of ``truth``, whose questions count."""
    tree, s = truth.tree, weights.counts(columns.counts)
    conditional, end_to_end = ratio(s["right"], s["reached"]), ratio(s["end"], s["reached"])
    counted = truth.counted["path"]
    metrics = {
        "hierarchical_f1": ratio(2 * s["common"], s["guessed"] + s["true"], 0.0),
        "hierarchical_precision": ratio(s["common"], s["guessed"]),
        "hierarchical_recall": ratio(s["common"], s["true"]),
        "exact_path": ratio(s["exact"], weights.total),
        "conditional_accuracy": macro(conditional, counted),
        "end_to_end_accuracy": macro(end_to_end, counted),
        "consistency": ratio(s["consistent"], weights.total),
    }
    rows = [
        {"name": name, "n": int(s["reached"][0, i]), "counted": bool(counted[i])}
        | {"conditional_accuracy": conditional[:, i], "end_to_end_accuracy": end_to_end[:, i]}
        for i, name in enumerate(tree.scored_questions)
    ]
    return Scored(metrics, rows)


def votes_columns(
    truth: Truth,
    concentrations: np.ndarray,
    fractions: np.ndarray | None = None,
    levels: tuple[int, ...] = LEVELS,
) -> Columns:
    """Return the columns of Dirichlet concentrations (galaxies, answers).

    ``fractions`` are predicted instead of the concentrations' own means where a prediction is not a Dirichlet.
    Coverage of the predictive intervals, half of the work, is measured for the ``levels`` in per cent.
    """
    tree = truth.tree
    predicted = views.fractions(tree, concentrations) if fractions is None else fractions
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
        "by_question": dirichlet_multinomial_nll(tree, truth.votes, concentrations), "covered": np.nan_to_num(covered),
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


def votes_errors(truth: Truth, columns: Columns, weights: Weights, levels: tuple[int, ...] = LEVELS) -> Scored:
    """Return the likelihood, the errors of the fractions and the coverage of some galaxies of ``truth``.

    Rows hold error and likelihood of each question.
    """
    counted = truth.counted
    s = weights.sums(**columns.numbers) | weights.counts(columns.counts)
    mae, likelihood = ratio(s["absolute"], s["asked"]), ratio(s["by_question"], s["answered"])
    metrics = {
        "nll": ratio(s["by_question"].sum(axis=1), weights.total),
        "mae": macro(mae, counted["asked"]),
        "rmse": macro(np.sqrt(np.maximum(ratio(s["squared"], s["asked"]), 0)), counted["asked"]),
    } | {f"coverage_{level}": ratio(s["covered"][:, i], s["with_votes"]) for i, level in enumerate(levels)}
    if not truth.votes_assumed:
        metrics["equivalent_volunteers"] = equivalent_volunteers(s["variance"], s["error"])
    return Scored(metrics, [{"mae": mae[:, i], "nll": likelihood[:, i]} for i in range(mae.shape[1])])


def votes_scored(truth: Truth, columns: Columns, weights: Weights, levels: tuple[int, ...] = LEVELS) -> Scored:
    """Return the metrics of the columns of some galaxies of ``truth``, whose questions count.

    Rows by the rules of Walmsley et al. 2022, table 1, beside error and likelihood of each question.
    """
    tree, counted = truth.tree, truth.counted
    errors = votes_errors(truth, columns, weights, levels)
    by_question = [weights.counts(part) for part in columns.questions]
    s = {name: np.concatenate([part[name] for part in by_question], axis=1) for name in by_question[0]}
    answer_f1 = precision_recall_f1(s["hits"], s["guessed"], s["true"])[2] * s["true"]
    f1 = np.column_stack([answer_f1[:, tree.slices[q.name]].sum(axis=1) for q in tree.questions])
    f1, accuracy = ratio(f1, s["paper"]), ratio(s["right"], s["paper"])
    clear = ratio(s["clear_right"], s["clear"])
    metrics = errors.metrics | {
        "accuracy": macro(accuracy, counted["paper"]),
        "f1": macro(f1, counted["paper"]),
        "confident_accuracy": macro(clear, counted["paper"] & counted["clear"]),
    }
    rows = [
        {"name": q.name, "n": int(s["paper"][0, i]), "counted": bool(counted["paper"][i])}
        | {"accuracy": accuracy[:, i], "f1": f1[:, i]}
        | {"n_confident": int(s["clear"][0, i]), "accuracy_confident": clear[:, i]}
        | errors.rows[i]
        for i, q in enumerate(tree.questions)
    ]
    return Scored(metrics, rows)


def votes_metrics(
    truth: Truth,
    concentrations: np.ndarray,
    weights: Weights,
    fractions: np.ndarray | None = None,
    levels: tuple[int, ...] = LEVELS,
) -> Scored:
    """Return the metrics of Dirichlet concentrations (galaxies, answers); the options are those of the columns."""
    return votes_scored(truth, votes_columns(truth, concentrations, fractions, levels), weights, levels)


def _one_hot(tree: Tree, top: np.ndarray) -> np.ndarray:
    """Return which answer of each question is the top one, bool (galaxies, answers), from (galaxies, questions)."""
    return np.column_stack([top[:, [i]] == np.arange(len(q.answers)) for i, q in enumerate(tree.questions)])

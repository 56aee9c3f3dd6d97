"""The metrics of the four boards, vectorised over bootstrap weights.

Every ``*_metrics`` function returns {metric: values (draws,)} for ``weights`` of shape (draws, galaxies), which
say how often each galaxy counts; one row of ones gives the plain score. Divisions by zero give NaN where a metric
is undefined, but precision and F1 of a label that is never predicted are 0, as in scikit-learn.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from galaxy_zoo_decals import views
from galaxy_zoo_decals.schema import CLASSES, Tree
from galaxy_zoo_decals.scoring.calibration import BINS, interval_coverage
from galaxy_zoo_decals.scoring.truth import Truth

CLIP = 1e-6
"""Probabilities are clipped here before a logarithm."""

CHUNK = 250
"""Draws handled at once where a metric needs an array of (draws, galaxies): bounds the memory."""

Values = dict[str, np.ndarray]


def ratio(numerator: ArrayLike, denominator: ArrayLike, empty: float = np.nan) -> np.ndarray:
    """Return numerator / denominator, ``empty`` where the denominator is 0."""
    top, bottom = np.broadcast_arrays(np.asarray(numerator, float), np.asarray(denominator, float))
    return np.divide(top, bottom, out=np.full(top.shape, empty), where=bottom != 0)


def mean_known(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the weighted mean (draws,) of values (galaxies,) that are not NaN."""
    known = ~np.isnan(values)
    return ratio(weights[:, known] @ values[known], weights[:, known].sum(axis=1))


def macro(values: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Return the mean over the counted columns of values (draws, columns); NaN if none is counted."""
    return values[:, counted].mean(axis=1) if counted.any() else np.full(len(values), np.nan)


def counts(weights: np.ndarray, truth: np.ndarray, predicted: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return weighted TP, FP, FN, each (draws, labels), of bool arrays (galaxies, labels)."""
    return tuple(
        weights @ (part & mask).astype(np.float32)
        for part in (truth & predicted, ~truth & predicted, truth & ~predicted)
    )


def precision_recall_f1(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return precision, recall and F1 of weighted counts; 0 where nothing was predicted or nothing is true."""
    return ratio(tp, tp + fp, 0.0), ratio(tp, tp + fn, 0.0), ratio(2 * tp, 2 * tp + fp + fn, 0.0)


def average_precision(weights: np.ndarray, truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the weighted average precision (draws,) of one label: sum over thresholds of (R_k - R_k-1) P_k.

    NaN where no galaxy is positive. ``truth`` bool and ``scores`` float, (galaxies,); equal scores share one
    threshold (scikit-learn's definition).
    """
    if not len(truth):
        return np.full(len(weights), np.nan)
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    positive = truth[order].astype(float)
    out = np.empty(len(weights))
    for start in range(0, len(weights), CHUNK):
        w = weights[start : start + CHUNK][:, order].astype(float)
        tp = np.cumsum(w * positive, axis=1)[:, last]
        precision = ratio(tp, np.cumsum(w, axis=1)[:, last], 0.0)
        gained = np.diff(tp, axis=1, prepend=0)
        out[start : start + CHUNK] = ratio((gained * precision).sum(axis=1), tp[:, -1])
    return out


def calibration_error(weights: np.ndarray, confidence: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the expected calibration error (draws,) over BINS bins of equal mass: sum of |right - confidence| n / N.

    The bins are cut once, by rank of the confidence among all galaxies, so that all draws share them.
    """
    rank = np.argsort(np.argsort(confidence, kind="stable"), kind="stable")
    member = np.eye(BINS, dtype=np.float32)[rank * BINS // len(rank)]
    gap = weights @ (member * (right.astype(float) - confidence)[:, None])
    return ratio(np.abs(gap).sum(axis=1), weights.sum(axis=1))


def multiclass_metrics(truth: Truth, probabilities: np.ndarray, weights: np.ndarray) -> Values:
    """Return the metrics of class probabilities (galaxies, 4) on the labelled galaxies."""
    known = truth.classes.label >= 0
    label, p, w = truth.classes.label[known], probabilities[known], weights[:, known]
    classes = np.arange(len(CLASSES))
    predicted, confidence = p.argmax(axis=1), p.max(axis=1)
    right = predicted == label
    one_hot = label[:, None] == classes
    counted = truth.counted["classes"]
    tp, fp, fn = counts(w, one_hot, predicted[:, None] == classes, np.ones_like(one_hot))
    _, recall, f1 = precision_recall_f1(tp, fp, fn)
    clear, sure = truth.classes.confident[known], confidence > views.CONFIDENT
    n = w.sum(axis=1)
    return {
        "macro_f1": macro(f1, counted),
        "accuracy": ratio(w @ right, n),
        "balanced_accuracy": macro(recall, counted),
        "clear_accuracy": ratio(w @ (right & clear), w @ clear),
        "clear_share": ratio(w @ clear, n),
        "covered_accuracy": ratio(w @ (right & sure), w @ sure),
        "coverage": ratio(w @ sure, n),
        "nll": ratio(w @ -np.log(np.clip(p[np.arange(len(p)), label], CLIP, None)), n),
        "brier": ratio(w @ ((p - one_hot) ** 2).sum(axis=1), n),
        "ece": calibration_error(w, confidence, right) if len(label) else np.full(len(w), np.nan),
    }


def multilabel_metrics(truth: Truth, probabilities: np.ndarray, weights: np.ndarray) -> Values:
    """Return the metrics of label probabilities (galaxies, labels), with the mask of asked questions and without."""
    out: Values = {}
    predicted = probabilities > 0.5
    labels, asked = truth.labels, truth.labels_asked
    counted = truth.counted["labels"]
    ap = np.column_stack(
        [average_precision(weights[:, m], labels[m, j], probabilities[m, j]) for j, m in enumerate(asked.T)]
    )
    out["macro_map"] = macro(ap, counted)
    for suffix, mask in (("", asked), ("_unmasked", np.ones_like(asked))):
        tp, fp, fn = counts(weights, labels, predicted, mask)
        precision, recall, f1 = precision_recall_f1(tp, fp, fn)
        micro = precision_recall_f1(tp.sum(axis=1), fp.sum(axis=1), fn.sum(axis=1))
        for name, values in (("precision", precision), ("recall", recall), ("f1", f1)):
            out[f"macro_{name}{suffix}"] = macro(values, counted)
        for name, total in zip(("precision", "recall", "f1"), micro):
            out[f"micro_{name}{suffix}"] = total
        wrong = (labels != predicted) & mask
        judged = mask.any(axis=1)
        out[f"subset_accuracy{suffix}"] = ratio(weights @ (judged & ~wrong.any(axis=1)), weights @ judged)
        out[f"hamming{suffix}"] = ratio(weights @ wrong.sum(axis=1), weights @ mask.sum(axis=1))
    return out


def path_sets(tree: Tree, fractions: np.ndarray) -> np.ndarray:
    """Return each galaxy's path through the scored questions as a set, bool (galaxies, answers of the tree).

    From the root follow the most voted (most probable) answer; the last scored question belongs to every
    non-artifact path. A question on the path that nobody answered ends it.
    """
    top = views.top_answers(tree, fractions)
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


def question_hits(truth: Truth, fractions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (reached, right, arrived), each bool (galaxies, 5), for the scored questions.

    reached: the true path comes to the question; right: the most probable answer is the true one; arrived: the
    predicted path comes to the question too.
    """
    tree = truth.tree
    index = [tree.question_index[name] for name in tree.scored_questions]
    true_top, top = views.top_answers(tree, truth.fractions), views.top_answers(tree, fractions)
    reached = views.on_path(tree, true_top) & (true_top >= 0)
    return reached[:, index], (true_top == top)[:, index], views.on_path(tree, top)[:, index]


def hierarchical_metrics(truth: Truth, fractions: np.ndarray, weights: np.ndarray) -> Values:
    """Return the metrics of predicted fractions (galaxies, answers) of the scored questions; others may be NaN.

    A question that lies on a galaxy's true path but has no votes is unknown: it leaves the predicted path too.
    """
    tree = truth.tree
    true_sets, sets = path_sets(tree, truth.fractions), path_sets(tree, fractions)
    top = views.top_answers(tree, truth.fractions)
    unknown = views.on_path(tree, top) & (top < 0)
    hidden = np.column_stack([unknown[:, tree.question_index[q]] for q, _ in tree.answers])
    consistent = valid_paths(tree, sets)
    sets = sets & ~hidden
    common = weights @ (true_sets & sets).sum(axis=1)
    precision = ratio(common, weights @ sets.sum(axis=1))
    recall = ratio(common, weights @ true_sets.sum(axis=1))
    reached, right, arrived = question_hits(truth, fractions)
    counted = truth.counted["path"]
    asked = weights @ reached.astype(np.float32)
    n = weights.sum(axis=1)
    return {
        "hierarchical_f1": ratio(2 * precision * recall, precision + recall, 0.0),
        "hierarchical_precision": precision,
        "hierarchical_recall": recall,
        "exact_path": ratio(weights @ (true_sets == sets).all(axis=1), n),
        "conditional_accuracy": macro(ratio(weights @ (reached & right).astype(np.float32), asked), counted),
        "end_to_end_accuracy": macro(ratio(weights @ (reached & right & arrived).astype(np.float32), asked), counted),
        "consistency": ratio(weights @ consistent, n),
    }


def dirichlet_multinomial_nll(tree: Tree, votes: np.ndarray, concentrations: np.ndarray) -> np.ndarray:
    """Return minus the log likelihood of each question's votes, (galaxies, questions), coefficient included.

    Walmsley et al. 2022, eqs 5-7; a question without votes has exactly 0.
    """
    out = np.zeros((len(votes), len(tree.questions)))
    for i, q in enumerate(tree.questions):
        k, alpha = votes[:, tree.slices[q.name]].astype(float), concentrations[:, tree.slices[q.name]]
        n, a = k.sum(axis=1), alpha.sum(axis=1)
        out[:, i] = -(
            gammaln(n + 1)
            - gammaln(k + 1).sum(axis=1)
            + gammaln(a)
            - gammaln(a + n)
            + (gammaln(alpha + k) - gammaln(alpha)).sum(axis=1)
        )
    return np.where(views.totals(tree, votes) == 0, 0.0, out)


def equivalent_volunteers(
    weights: np.ndarray, votes: np.ndarray, fractions: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (n, V, E), each (draws,): how many volunteers have the model's mean squared error on one question.

    V = mean over galaxies of sum k (N - k) / (N (N - 1)), the variance of one volunteer; E = mean of
    sum (f - k/N)^2 minus the votes' own noise, mean of sum k (N - k) / (N^2 (N - 1)); n = V / E, NaN where E <= 0.
    ``votes`` and ``fractions`` are (galaxies, answers) of the question; galaxies need at least two votes.
    """
    use = votes.sum(axis=1) >= 2
    k, f, w = votes[use].astype(float), fractions[use], weights[:, use]
    n = k.sum(axis=1, keepdims=True)
    spread = (k * (n - k) / (n * (n - 1))).sum(axis=1)
    error = ((f - k / n) ** 2).sum(axis=1) - spread / n[:, 0]
    variance, excess = ratio(w @ spread, w.sum(axis=1)), ratio(w @ error, w.sum(axis=1))
    return np.where(excess > 0, ratio(variance, excess), np.nan), variance, excess


def votes_metrics(truth: Truth, concentrations: np.ndarray, weights: np.ndarray) -> Values:
    """Return the metrics of Dirichlet concentrations (galaxies, answers)."""
    fractions = views.fractions(truth.tree, concentrations)
    return likelihood_metrics(truth, concentrations, weights) | fraction_metrics(truth, fractions, weights)


def likelihood_metrics(truth: Truth, concentrations: np.ndarray, weights: np.ndarray) -> Values:
    """Return the metrics that take the whole predictive distribution of the votes."""
    tree = truth.tree
    nll = dirichlet_multinomial_nll(tree, truth.votes, concentrations).sum(axis=1)
    return {"nll": mean_known(weights, nll)} | {
        f"coverage_{level}": mean_known(weights, interval_coverage(tree, truth.votes, concentrations, level / 100))
        for level in (50, 90)
    }


def fraction_metrics(truth: Truth, predicted: np.ndarray, weights: np.ndarray) -> Values:
    """Return the metrics of predicted fractions (galaxies, answers) alone."""
    tree, counted = truth.tree, truth.counted
    per_question: dict[str, list[np.ndarray]] = {name: [] for name in ("mae", "rmse", "accuracy", "f1", "clear")}
    for i, q in enumerate(tree.questions):
        columns = tree.slices[q.name]
        if counted["asked"][i]:
            rows = truth.asked[:, i]
            gap, w = predicted[rows, columns] - truth.fractions[rows, columns], weights[:, rows]
            per_question["mae"].append(ratio(w @ np.abs(gap).mean(axis=1), w.sum(axis=1)))
            per_question["rmse"].append(np.sqrt(ratio(w @ (gap**2).mean(axis=1), w.sum(axis=1))))
        if counted["paper"][i]:
            rows = truth.paper_mask[:, i]
            w, clear = weights[:, rows], truth.clear[rows, i]
            label = truth.fractions[rows, columns].argmax(axis=1)
            guess = predicted[rows, columns].argmax(axis=1)
            per_question["accuracy"].append(ratio(w @ (label == guess), w.sum(axis=1)))
            per_question["f1"].append(weighted_f1(w, label, guess, len(q.answers)))
            if counted["clear"][i]:
                per_question["clear"].append(ratio(w @ (clear & (label == guess)), w @ clear))
    first = tree.slices[tree.questions[0].name]
    nothing = np.full(len(weights), np.nan)
    mean = {name: np.mean(values, axis=0) if values else nothing for name, values in per_question.items()}
    return {
        "mae": mean["mae"],
        "rmse": mean["rmse"],
        "accuracy": mean["accuracy"],
        "f1": mean["f1"],
        "confident_accuracy": mean["clear"],
        "equivalent_volunteers": equivalent_volunteers(weights, truth.votes[:, first], predicted[:, first])[0],
    }


def weighted_f1(weights: np.ndarray, label: np.ndarray, guess: np.ndarray, classes: int) -> np.ndarray:
    """Return F1 weighted by support, (draws,), of integer labels and guesses (galaxies,)."""
    one_hot, guessed = label[:, None] == np.arange(classes), guess[:, None] == np.arange(classes)
    tp, fp, fn = counts(weights, one_hot, guessed, np.ones_like(one_hot))
    support = tp + fn
    return ratio((precision_recall_f1(tp, fp, fn)[2] * support).sum(axis=1), support.sum(axis=1))

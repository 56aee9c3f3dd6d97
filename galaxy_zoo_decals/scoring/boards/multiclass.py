"""The board of four classes: class probabilities against the class that the votes give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from galaxy_zoo_decals import views
from galaxy_zoo_decals.schema import CLASSES, Tree
from galaxy_zoo_decals.scoring.boards.board import (
    CLIP,
    Answers,
    Board,
    Columns,
    Confusion,
    Metric,
    Sums,
    f1,
    macro,
    precision,
    recall,
)
from galaxy_zoo_decals.scoring.bootstrap import Patterns, Weights, ratio
from galaxy_zoo_decals.scoring.calibration import BINS, reliability, risk_coverage
from galaxy_zoo_decals.scoring.truth import Truth


@dataclass(frozen=True)
class Multiclass(Board):
    """Values are class probabilities (galaxies, 4); galaxies without a class count nowhere."""

    def file_columns(self, tree: Tree) -> tuple[str, ...]:
        """Return a column of each class."""
        return tuple(f"p_{name}" for name in CLASSES)

    def file_groups(self, tree: Tree) -> tuple[slice, ...]:
        """Return the one group of all classes."""
        return (slice(0, len(CLASSES)),)

    def true_columns(self, truth: Truth) -> np.ndarray:
        """Return the share of each class by the volunteers."""
        shares = truth.classes.shares
        total = shares.sum(axis=1, keepdims=True)
        columns: np.ndarray = shares / np.where(total > 0, total, np.nan)
        return columns

    def true_labels(self, truth: Truth) -> tuple[np.ndarray, np.ndarray]:
        """Return the true class, of the galaxies that have one."""
        label = truth.classes.label[:, None]
        return np.repeat(label >= 0, len(CLASSES), axis=1), label == np.arange(len(CLASSES))

    def decided(self, tree: Tree, values: np.ndarray) -> np.ndarray:
        """Return the most probable class, (galaxies, 1)."""
        best: np.ndarray = values.argmax(axis=1)[:, None]
        return best

    def of_fractions(self, tree: Tree, fractions: np.ndarray) -> np.ndarray:
        """Return the class probabilities of predicted fractions."""
        return views.predicted_classes(tree, fractions)

    def prior(self, truth: Truth) -> np.ndarray:
        """Return the share of each class among the galaxies that have one."""
        counts = np.array([(truth.classes.label == c).sum() for c in range(len(CLASSES))], float)
        return ratio(counts, np.full(len(CLASSES), counts.sum()), 1 / len(CLASSES))

    def columns(self, truth: Truth, values: np.ndarray) -> Columns:
        """Return the columns of class probabilities."""
        label, known = truth.classes.label, truth.classes.label >= 0
        guess, confidence = values.argmax(axis=1), values.max(axis=1)
        right = known & (guess == label)
        true = label[:, None] == np.arange(len(CLASSES))
        guessed = known[:, None] & (guess[:, None] == np.arange(len(CLASSES)))
        clear, sure = known & truth.classes.confident, known & (confidence > views.CONFIDENT)
        given = np.clip(values[np.arange(len(label)), label], CLIP, None)
        counts = Patterns.of(
            n=known, true=true, guessed=guessed, hits=true & guessed, right=right, clear=clear,
            clear_right=clear & right, sure=sure, sure_right=sure & right,
        )  # fmt: skip
        numbers = {
            "nll": np.where(known, -np.log(given), 0.0),
            "brier": np.where(known, ((values - true) ** 2).sum(axis=1), 0.0),
            "confidence": confidence, "known": known, "right": right,
        }  # fmt: skip
        return Columns(counts, numbers)

    def sums(self, truth: Truth, columns: Columns, weights: Weights) -> Sums:
        """Return the sums, with the gaps of the calibration's bins."""
        numbers = columns.numbers
        known = numbers["known"]
        gaps = np.zeros((len(known), BINS))
        gaps[known] = bin_gaps(numbers["confidence"][known], numbers["right"][known])
        found = weights.counts(columns.counts) | weights.sums(gaps=gaps, nll=numbers["nll"], brier=numbers["brier"])
        found["counted"] = truth.counted["classes"]
        return Sums(found, {"precision": precision, "recall": recall, "f1": f1})

    def rows(self, truth: Truth, sums: Sums) -> list[dict[str, Any]]:
        """Return a row of each class."""
        return [
            {"name": name, "n": int(sums["n"][0]), "positives": int(sums["true"][0, c])}
            | {"counted": bool(sums["counted"][c])}
            | {key: sums[key][:, c] for key in ("precision", "recall", "f1")}
            for c, name in enumerate(CLASSES)
        ]

    def galaxies(self, truth: Truth) -> int:
        """Return how many galaxies have a class."""
        return int((truth.classes.label >= 0).sum())

    def confusions(self, truth: Truth, values: np.ndarray) -> dict[str, Confusion]:
        """Return the one matrix of the classes."""
        known = truth.classes.label >= 0
        return {"class": Confusion.of(CLASSES, truth.classes.label[known], values[known].argmax(axis=1))}

    def disagreement(self, truth: Truth, values: np.ndarray, columns: Columns) -> np.ndarray:
        """Return minus the log probability of the true class."""
        label = truth.classes.label
        return np.where(label >= 0, -np.log(np.clip(values[np.arange(len(label)), label], CLIP, None)), 0.0)

    def answers(self, truth: Truth, values: np.ndarray) -> Answers:
        """Return true class and class probabilities."""
        label = truth.classes.label[:, None]
        true = (label == np.arange(len(CLASSES))).astype(float)
        return Answers(CLASSES, true, values, np.broadcast_to(label >= 0, true.shape))

    def curves(self, truth: Truth, values: np.ndarray) -> dict[str, list[dict[str, Any]]]:
        """Return the reliability diagram and the risk-coverage curve of the most probable class."""
        known = truth.classes.label >= 0
        if not known.any():
            return {}
        confidence = values[known].max(axis=1)
        right = values[known].argmax(axis=1) == truth.classes.label[known]
        return {"reliability": reliability(confidence, right), "risk_coverage": risk_coverage(confidence, right)}


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


MULTICLASS = Multiclass(
    task="multiclass",
    title="Four classes",
    question="Elliptical, spiral, lenticular or irregular?",
    primary="macro_f1",
    row_metric="f1",
    cost=2,
    training_spread=0.46,
    validated_by="macro_f1",
    all_metrics=(
        Metric("macro_f1", "Macro F1",
               "Mean over the classes of F1 = 2TP / (2TP + FP + FN), on all labelled galaxies.",
               lambda s: macro(s["f1"], s["counted"])),
        Metric("accuracy", "Accuracy",
               "Share of labelled galaxies whose most probable class is the true class.",
               lambda s: ratio(s["right"], s["n"]), in_quarters=True),
        Metric("balanced_accuracy", "Balanced accuracy", "Mean over the classes of the recall.",
               lambda s: macro(s["recall"], s["counted"])),
        Metric("clear_accuracy", "Accuracy, clear galaxies",
               "Accuracy on the galaxies whose true class share is over 0.6.",
               lambda s: ratio(s["clear_right"], s["clear"])),
        Metric("clear_share", "Clear galaxies", "Share of labelled galaxies whose true class share is over 0.6.",
               lambda s: ratio(s["clear"], s["n"])),
        Metric("covered_accuracy", "Accuracy when confident",
               "Accuracy where the model's largest probability is over 0.6.",
               lambda s: ratio(s["sure_right"], s["sure"])),
        Metric("coverage", "Confident predictions",
               "Share of galaxies where the model's largest probability is over 0.6.",
               lambda s: ratio(s["sure"], s["n"])),
        Metric("nll", "NLL", "Mean of minus the natural logarithm of the probability given to the true class.",
               lambda s: ratio(s["nll"], s["n"]), high=None, higher_is_better=False),
        Metric("brier", "Brier", "Mean over galaxies of the summed squared difference to the one-hot class.",
               lambda s: ratio(s["brier"], s["n"]), high=2.0, higher_is_better=False),
        Metric("ece", "ECE",
               "Expected calibration error of the most probable class, 15 bins of equal mass, corrected for the bias "
               "of finite bins.",
               lambda s: calibration_error(s["gaps"], s["n"]), higher_is_better=False, biased=True, in_quarters=True),
    ),
)  # fmt: skip

"""The board of labels: a probability of each label against the labels that the votes give, where they were asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from galaxy_zoo_decals import views
from galaxy_zoo_decals.schema import Tree
from galaxy_zoo_decals.scoring.average_precision import ranked_precision, thresholds
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
from galaxy_zoo_decals.scoring.truth import Truth

MASKS = ("", "_unmasked")
"""What ends the names of numbers: of the labels whose question was asked, and of all."""

OF_LABELS: dict[str, Callable[..., np.ndarray]] = {"precision": precision, "recall": recall, "f1": f1}


@dataclass(frozen=True)
class Multilabel(Board):
    """Values are label probabilities (galaxies, labels)."""

    def file_columns(self, tree: Tree) -> tuple[str, ...]:
        """Return a column of each label."""
        return tuple(f"p_{name}" for name in tree.label_names)

    def file_answers(self, tree: Tree) -> list[int]:
        """Return the answer that each label is made of."""
        return [tree.answer_index[label.answer] for label in tree.labels]

    def true_columns(self, truth: Truth) -> np.ndarray:
        """Return the labels, where they were asked."""
        return np.where(truth.labels_asked, truth.labels, np.nan)

    def true_labels(self, truth: Truth) -> tuple[np.ndarray, np.ndarray]:
        """Return the labels, where they were asked."""
        return truth.labels_asked, truth.labels

    def decided(self, tree: Tree, values: np.ndarray) -> np.ndarray:
        """Return which labels are true, (galaxies, labels)."""
        return views.label_decisions(values).astype(int)

    def of_fractions(self, tree: Tree, fractions: np.ndarray) -> np.ndarray:
        """Return the label probabilities of predicted fractions."""
        return views.label_fractions(tree, fractions)

    def prior(self, truth: Truth) -> np.ndarray:
        """Return how often each label is true where it was asked."""
        asked = truth.labels_asked
        return ratio((truth.labels & asked).sum(axis=0), asked.sum(axis=0), 0.0)

    def columns(self, truth: Truth, values: np.ndarray) -> Columns:
        """Return the columns of label probabilities."""
        labels, asked = truth.labels, truth.labels_asked
        guess = views.label_decisions(values)
        parts: dict[str, np.ndarray] = {}
        for suffix, mask in zip(MASKS, (asked, np.ones_like(asked))):
            judged, wrong = np.any(mask, axis=1), (labels != guess) & mask
            made = {
                "true": labels & mask, "guessed": guess & mask, "hits": labels & guess & mask, "n": mask,
                "wrong": wrong.sum(axis=1), "judged": judged, "all_right": judged & ~wrong.any(axis=1),
            }  # fmt: skip
            parts |= {name + suffix: column for name, column in made.items()}
        threshold = np.column_stack([thresholds(column) for column in values.T])
        return Columns(Patterns.of(**parts), {"threshold": threshold, "labels": labels, "asked": asked})

    def sums(self, truth: Truth, columns: Columns, weights: Weights) -> Sums:
        """Return the sums of the labels that were asked and of all, and the average precision of each label."""
        numbers, found = columns.numbers, weights.counts(columns.counts)
        found["counted"] = truth.counted["labels"]

        def average_precision(sums: Sums) -> np.ndarray:
            by_label = zip(numbers["labels"].T, numbers["threshold"].T, numbers["asked"].T)
            return np.column_stack([ranked_precision(weights, *of_label) for of_label in by_label])

        derived: dict[str, Callable[[Sums], np.ndarray]] = {"average_precision": average_precision}
        for suffix in MASKS:
            derived |= {name + suffix: partial(of, suffix=suffix) for name, of in OF_LABELS.items()}
        return Sums(found, derived)

    def rows(self, truth: Truth, sums: Sums) -> list[dict[str, Any]]:
        """Return a row of each label, by the mask of asked questions."""
        return [
            {"name": name, "n": int(sums["n"][0, j]), "positives": int(sums["true"][0, j])}
            | {"counted": bool(sums["counted"][j])}
            | {key: sums[key][:, j] for key in ("average_precision", "precision", "recall", "f1")}
            for j, name in enumerate(truth.tree.label_names)
        ]

    def confusions(self, truth: Truth, values: np.ndarray) -> dict[str, Confusion]:
        """Return a matrix of each label, of the galaxies that were asked it."""
        true, guess = truth.labels.astype(int), views.label_decisions(values).astype(int)
        return {
            name: Confusion.of(("no", "yes"), true[on, j], guess[on, j])
            for j, (name, on) in enumerate(zip(truth.tree.label_names, truth.labels_asked.T))
        }

    def disagreement(self, truth: Truth, values: np.ndarray, columns: Columns) -> np.ndarray:
        """Return minus the log probability of the known labels."""
        p = np.clip(np.where(truth.labels, values, 1 - values), CLIP, None)
        return np.where(truth.labels_asked, -np.log(p), 0.0).sum(axis=1)

    def answers(self, truth: Truth, values: np.ndarray) -> Answers:
        """Return true labels and label probabilities."""
        return Answers(truth.tree.label_names, truth.labels.astype(float), values, truth.labels_asked)


def _macro(name: str, suffix: str = "") -> Callable[[Sums], np.ndarray]:
    return lambda s: macro(s[name + suffix], s["counted"])


def _micro(name: str, suffix: str = "") -> Callable[[Sums], np.ndarray]:
    """Return the number of all (galaxy, label) pairs at once."""

    def of(sums: Sums) -> np.ndarray:
        together = {key: sums[key + suffix].sum(axis=1) for key in ("hits", "guessed", "true")}
        return OF_LABELS[name](Sums(together, {}))

    return of


_KNOWN = "Only labels whose question was asked count: an unasked question is unknown, not negative."
_UNMASKED = (
    "As in the student work, every label counts and an unasked one is negative; for comparison, since it rewards "
    "guessing the route through the tree."
)

MULTILABEL = Multilabel(
    task="multilabel",
    title="Labels",
    question="Which of the tree's labels are true?",
    primary="macro_map",
    row_metric="average_precision",
    cost=3,
    training_spread=0.23,
    validated_by="macro_map",
    all_metrics=(
        Metric("macro_map", "Macro mAP", f"Mean over labels of the average precision. {_KNOWN}",
               _macro("average_precision")),
        Metric("macro_f1", "Macro F1", f"Mean over labels of F1 at probability 0.5. {_KNOWN}",
               _macro("f1"), in_quarters=True),
        Metric("micro_f1", "Micro F1", f"F1 at 0.5 over all known (galaxy, label) pairs. {_KNOWN}", _micro("f1")),
        Metric("subset_accuracy", "Subset accuracy", f"Share of galaxies with every known label right. {_KNOWN}",
               lambda s: ratio(s["all_right"], s["judged"])),
        Metric("macro_precision", "Macro precision", f"Mean over labels of TP / (TP + FP). {_KNOWN}",
               _macro("precision")),
        Metric("macro_recall", "Macro recall", f"Mean over labels of TP / (TP + FN). {_KNOWN}", _macro("recall")),
        Metric("micro_precision", "Micro precision", f"TP / (TP + FP) over all known pairs. {_KNOWN}",
               _micro("precision")),
        Metric("micro_recall", "Micro recall", f"TP / (TP + FN) over all known pairs. {_KNOWN}", _micro("recall")),
        Metric("hamming", "Hamming loss", f"Share of known (galaxy, label) pairs that are wrong. {_KNOWN}",
               lambda s: ratio(s["wrong"], s["n"].sum(axis=1)), higher_is_better=False),
        Metric("macro_f1_unmasked", "Macro F1, unmasked", f"Macro F1 without the mask. {_UNMASKED}",
               _macro("f1", "_unmasked")),
        Metric("micro_f1_unmasked", "Micro F1, unmasked", f"Micro F1 without the mask. {_UNMASKED}",
               _micro("f1", "_unmasked")),
        Metric("macro_precision_unmasked", "Macro precision, unmasked",
               f"Macro precision without the mask. {_UNMASKED}", _macro("precision", "_unmasked")),
        Metric("macro_recall_unmasked", "Macro recall, unmasked", f"Macro recall without the mask. {_UNMASKED}",
               _macro("recall", "_unmasked")),
        Metric("subset_accuracy_unmasked", "Subset accuracy, unmasked",
               f"Subset accuracy without the mask. {_UNMASKED}",
               lambda s: ratio(s["all_right_unmasked"], s["judged_unmasked"])),
    ),
)  # fmt: skip

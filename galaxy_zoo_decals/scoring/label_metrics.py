"""The boards' metrics from labels alone, for those who have a view of an edition and not its votes.

    from galaxy_zoo_decals.scoring.label_metrics import compute_metrics

    Trainer(..., compute_metrics=compute_metrics("multiclass"))     # labels: the column label
    Trainer(..., compute_metrics=compute_metrics("multilabel"))     # labels: 1, 0, or -1 where it is not known

Where votes give these labels, every number is the board's own. It needs numpy and scipy, neither torch nor evaluate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, softmax

from galaxy_zoo_decals import views
from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.schema import CLASSES, TREES, Tree
from galaxy_zoo_decals.scoring.boards.board import Board
from galaxy_zoo_decals.scoring.boards.multiclass import MULTICLASS
from galaxy_zoo_decals.scoring.boards.multilabel import MULTILABEL
from galaxy_zoo_decals.scoring.bootstrap import plain, shared
from galaxy_zoo_decals.scoring.truth import MIN_POSITIVES, Truth

OF_VOTES = frozenset({"clear_accuracy", "clear_share"})
"""Metrics of the four classes that need the shares of the classes, which a label does not have."""

OF_DECISIONS = frozenset({"macro_f1", "accuracy", "balanced_accuracy"})
"""Metrics of the four classes that need no probabilities, only the predicted class."""

TASKS = ("multiclass", "multilabel")
"""Boards whose truth is labels; the two others are scored against vote counts."""


@dataclass(frozen=True)
class _Labels(Truth):
    """Truth that is labels: of classes (galaxies,), or of the binary labels and which are known (galaxies, labels)."""

    of_class: np.ndarray = field(default_factory=lambda: np.empty(0, int))
    true: np.ndarray = field(default_factory=lambda: np.empty((0, 0), bool))
    known: np.ndarray = field(default_factory=lambda: np.empty((0, 0), bool))
    min_positives: int = MIN_POSITIVES

    @cached_property
    def classes(self) -> views.Multiclass:
        nothing = np.full(len(self.of_class), np.nan)
        return views.Multiclass(np.full((len(nothing), len(CLASSES)), np.nan), nothing, nothing, self.of_class, nothing)

    @cached_property
    def labels(self) -> np.ndarray:
        return self.true

    @cached_property
    def labels_asked(self) -> np.ndarray:
        return self.known

    @cached_property
    def counted(self) -> dict[str, np.ndarray]:
        numbers = {
            "classes": np.bincount(self.of_class + 1, minlength=len(CLASSES) + 1)[1:],
            "labels": (self.true & self.known).sum(axis=0),
        }
        return {kind: number >= self.min_positives for kind, number in numbers.items()}


def multiclass(predictions: ArrayLike, labels: ArrayLike, *, min_positives: int = MIN_POSITIVES) -> dict[str, float]:
    """Return the metrics of the four classes, by the names of the board.

    ``predictions`` are class probabilities (galaxies, 4) in the order of the column ``label``, or predicted classes
    (galaxies,), which give those of ``OF_DECISIONS`` alone. ``labels`` (galaxies,) are 0 to 3; below 0 is unknown and
    counts nowhere. A class of fewer than ``min_positives`` galaxies is not in the macro means, as on the board: they
    are NaN if no class has so many. Raises UserError for other shapes and values.
    """
    values, true = np.asarray(predictions), _whole(labels, "labels")
    if true.ndim != 1 or len(values) != len(true) or values.shape[1:] not in ((), (len(CLASSES),)):
        raise UserError(
            f"predictions have the shape {values.shape} and labels {true.shape}; wanted are (galaxies, {len(CLASSES)}) "
            "or (galaxies,), and (galaxies,)."
        )
    if true.max(initial=-1) >= len(CLASSES):
        raise UserError(f"labels hold {int(true.max())}; the classes are 0 to {len(CLASSES) - 1}, and -1 is unknown.")
    decided = values.ndim == 1
    if decided:
        chosen = _whole(values, "predictions")
        if not np.isin(chosen, range(len(CLASSES))).all():
            raise UserError(f"predicted classes have to be 0 to {len(CLASSES) - 1}.")
        values = np.eye(len(CLASSES))[chosen]
    _check_probabilities(values)
    truth = _truth("GZD5", len(true), of_class=np.where(true < 0, -1, true), min_positives=min_positives)
    names = {m.name for m in MULTICLASS.all_metrics} - OF_VOTES
    return _metrics(MULTICLASS, truth, values.astype(float), names & OF_DECISIONS if decided else names)


def multilabel(
    predictions: ArrayLike, labels: ArrayLike, *, tree: str = "GZD5", min_positives: int = MIN_POSITIVES
) -> dict[str, float]:
    """Return the metrics of the binary labels, by the names of the board.

    ``predictions`` are label probabilities (galaxies, labels) in the tree's order of labels; ``labels`` are 1, 0, or -1
    where the label is not known: the column multi_hot with -1 where asked_mask is 0. Without any -1 every label counts
    as known. ``min_positives`` is as in ``multiclass``. Raises UserError for other shapes and values.
    """
    names, values, true = _tree(tree).label_names, np.asarray(predictions, float), _whole(labels, "labels")
    if values.ndim != 2 or values.shape != true.shape or values.shape[1] != len(names):
        raise UserError(
            f"predictions have the shape {values.shape} and labels {true.shape}; both have to be (galaxies, "
            f"{len(names)}) on {tree}: {', '.join(names)}."
        )
    if not np.isin(true, (-1, 0, 1)).all():
        raise UserError("labels have to be 1, 0, or -1 where a label is not known.")
    _check_probabilities(values)
    truth = _truth(tree, len(true), true=true == 1, known=true >= 0, min_positives=min_positives)
    # The board's unmasked metrics are of the labels that few votes make, which -1 does not tell.
    known = {m.name for m in MULTILABEL.all_metrics if not m.name.endswith("_unmasked")}
    return _metrics(MULTILABEL, truth, values, known)


def compute_metrics(
    task: str, *, tree: str = "GZD5", min_positives: int = MIN_POSITIVES
) -> Callable[[Any], dict[str, float]]:
    """Return a function for transformers' Trainer: it takes logits and labels and returns the metrics of a view.

    ``task`` is multiclass or multilabel. The function takes an EvalPrediction or a pair of logits and labels; logits
    become probabilities by softmax or sigmoid, and the first of several outputs is taken.
    """
    if task not in TASKS:
        raise UserError(f"{task!r}: metrics of labels are those of {' and '.join(TASKS)}; the other boards need votes.")
    _tree(tree)

    def of_logits(outcome: Any) -> dict[str, float]:
        logits, labels = outcome
        logits = _array(logits[0] if isinstance(logits, tuple | list) else logits).astype(float)
        labels = _array(labels)
        if not np.isfinite(logits).all():
            raise UserError(
                "the logits hold NaN or infinite values: the training has diverged, or float16 was too small for it. "
                "Try a lower learning rate, or bf16 in place of fp16."
            )
        if task == "multiclass":
            return multiclass(softmax(logits, axis=1), labels, min_positives=min_positives)
        return multilabel(expit(logits), labels, tree=tree, min_positives=min_positives)

    return of_logits


def _array(values: Any) -> np.ndarray:
    """Return numbers as an array, tensors too: NumPy has no bfloat16, and no gradients."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().double().numpy()
    return np.asarray(values)


def _tree(name: str) -> Tree:
    if name not in TREES:
        raise UserError(f"there is no tree {name!r}; choose from {', '.join(TREES)}.")
    return TREES[name]


def _truth(tree: str, galaxies: int, **labels: Any) -> Truth:
    names, votes = tuple(map(str, range(galaxies))), np.empty((galaxies, 0), np.int64)
    return _Labels("labels", "labels", _tree(tree), "", "", names, votes, **labels)


def _whole(values: ArrayLike, what: str) -> np.ndarray:
    """Return whole numbers as such: a Trainer hands labels of BCE down as floats."""
    array = np.asarray(values)
    whole = array.astype(np.int64) if array.dtype.kind in "iufb" and np.isfinite(array).all() else None
    if whole is None or (whole != array).any():
        raise UserError(f"{what} have to be whole numbers.")
    return whole


def _check_probabilities(values: np.ndarray) -> None:
    if values.dtype.kind not in "iufb" or not np.isfinite(values).all() or ((values < 0) | (values > 1)).any():
        raise UserError(
            "predictions have to be probabilities, from 0 to 1. Logits become such by softmax (classes) or sigmoid "
            "(labels); `compute_metrics` takes logits."
        )


def _metrics(board: Board, truth: Truth, values: np.ndarray, names: set[str]) -> dict[str, float]:
    """Return metrics by name, in the board's order; only what is biased needs the bootstrap's draws."""
    columns, biased = board.columns(truth, values), {m.name for m in board.all_metrics if m.biased} & names
    found: Mapping[str, np.ndarray] = board.scored(truth, columns, plain(len(values)), names - biased).metrics
    if biased:
        found = {**found, **board.unbiased(board.scored(truth, columns, shared(len(values)), biased).metrics)}
    return {name: float(found[name][0]) for name in board.metrics if name in found}

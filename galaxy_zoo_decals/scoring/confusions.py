"""Confusion matrices of each board, where the true answer counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from galaxy_zoo_decals import views
from galaxy_zoo_decals.schema import CLASSES
from galaxy_zoo_decals.scoring import metrics as m
from galaxy_zoo_decals.scoring.truth import Truth


@dataclass(frozen=True)
class Confusion:
    """How often each true answer (row) was given each predicted one (column)."""

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


def _confusion(labels: tuple[str, ...], true: np.ndarray, guess: np.ndarray) -> Confusion:
    table = np.zeros((len(labels), len(labels)), dtype=int)
    np.add.at(table, (true, guess), 1)
    return Confusion(labels, tuple(tuple(int(v) for v in row) for row in table))


def _multiclass_confusions(truth: Truth, values: np.ndarray) -> dict[str, Confusion]:
    known = truth.classes.label >= 0
    return {"class": _confusion(CLASSES, truth.classes.label[known], values[known].argmax(axis=1))}


def _multilabel_confusions(truth: Truth, values: np.ndarray) -> dict[str, Confusion]:
    true, guess = truth.labels.astype(int), views.label_decisions(values).astype(int)
    return {
        name: _confusion(("no", "yes"), true[on, j], guess[on, j])
        for j, (name, on) in enumerate(zip(truth.tree.label_names, truth.labels_asked.T))
    }


def _hierarchical_confusions(truth: Truth, values: np.ndarray) -> dict[str, Confusion]:
    tree = truth.tree
    true, top = truth.top, views.top_answers(tree, values)
    reached, found = m.question_hits(truth, values, top)[0], {}
    for on, name in zip(reached.T, tree.scored_questions):
        q = tree.question_index[name]
        found[name] = _confusion(tree.question(name).answers, true[on, q], top[on, q])
    return found


def _votes_confusions(truth: Truth, values: np.ndarray) -> dict[str, Confusion]:
    tree = truth.tree
    true, top = truth.top, views.top_answers(tree, values)
    return {
        q.name: _confusion(q.answers, true[on, i], top[on, i])
        for i, (q, on) in enumerate(zip(tree.questions, truth.paper_mask.T))
    }


CONFUSIONS: dict[str, Callable[[Truth, np.ndarray], dict[str, Confusion]]] = {
    "multiclass": _multiclass_confusions,
    "multilabel": _multilabel_confusions,
    "hierarchical": _hierarchical_confusions,
    "votes": _votes_confusions,
}
"""What makes the confusion matrices of each board, where the true answer counts."""

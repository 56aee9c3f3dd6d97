"""What a table of predictions says of each image: class, labels, path, fractions with their intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import beta

from galaxy_zoo_decals import views
from galaxy_zoo_decals.schema import CLASSES, Tree
from galaxy_zoo_decals.scoring import BOARDS

INTERVAL = 0.9
"""Share of the posterior that the interval of a fraction holds."""


def of(task: str, tree: Tree, values: np.ndarray) -> dict[str, Any]:
    """Return the columns that follow from predictions (images, columns of their task), by name."""
    given = dict(zip(BOARDS[task].file_columns(tree), values.T))
    if task == "multiclass":
        return _classes(values)
    if task == "multilabel":
        return {"labels": _labels(tree.label_names, values), **given}
    if task == "hierarchical":
        return {**_path(tree, BOARDS[task].of_file(tree, values)), **given}
    return _votes(tree, values)


def _classes(shares: np.ndarray) -> dict[str, Any]:
    best = shares.max(axis=1)
    return {
        "class": [CLASSES[i] for i in shares.argmax(axis=1)],
        "confident": best > views.CONFIDENT,
        **{f"p_{name}": shares[:, i] for i, name in enumerate(CLASSES)},
    }


def _labels(names: tuple[str, ...], values: np.ndarray) -> list[str]:
    return [";".join(name for name, on in zip(names, row) if on) for row in views.label_decisions(values)]


def _path(tree: Tree, fractions: np.ndarray) -> dict[str, Any]:
    leaves, shares = views.leaves(tree, fractions)
    return {
        "path": [";".join(path) for path in views.paths(tree, fractions)],
        **{f"leaf_{name}": shares[:, i] for i, name in enumerate(leaves)},
    }


def _votes(tree: Tree, alpha: np.ndarray) -> dict[str, Any]:
    """Return classes, labels, path, and each answer's expected fraction with the interval of the Dirichlet's marginal.

    The marginal of one answer is Beta(alpha_a, A - alpha_a).
    """
    fractions = views.fractions(tree, alpha)
    relevance = views.relevance(tree, fractions)
    labels = views.label_fractions(tree, fractions)
    out = {**_classes(views.predicted_classes(tree, fractions)), "labels": _labels(tree.label_names, labels)}
    out |= _path(tree, fractions)
    for i, question in enumerate(tree.questions):
        out[f"{question.name}_relevance"] = relevance[:, i]
        part = alpha[:, tree.slices[question.name]]
        rest = part.sum(axis=1, keepdims=True) - part
        low, high = (beta.ppf(q, part, rest) for q in ((1 - INTERVAL) / 2, (1 + INTERVAL) / 2))
        for j, column in enumerate(question.columns):
            out |= {
                f"{column}_fraction": fractions[:, tree.slices[question.name]][:, j],
                f"{column}_low": low[:, j],
                f"{column}_high": np.maximum(high[:, j], low[:, j]),
            }
    return out

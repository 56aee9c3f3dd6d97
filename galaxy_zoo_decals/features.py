"""The columns of an edition and of each view, as datasets features: the one place that fixes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from galaxy_zoo_decals import views
from galaxy_zoo_decals.schema import CLASSES, VIEWS, Tree

if TYPE_CHECKING:
    import datasets

COMMON = (
    "iauname", "image", "ra", "dec", "redshift", "mag_r", "petro_th50", "petro_th90", "petro_theta",
    "upload_group", "random_selection", "wrong_size_warning", "split", "scored",
)  # fmt: skip
"""Columns that every view carries."""

SHARES = (*CLASSES, "artifact", "undetermined")


def flag(view: str) -> str:
    """Return the boolean column that says whether a galaxy is in a view."""
    return f"in_{view}"


def label_columns(view: str, tree: Tree, extra: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the columns of a view beyond the common ones; ``extra`` are the source's own (in the votes view)."""
    return {
        "multiclass": ("label", *(f"share_{name}" for name in SHARES), "confidence", "confident"),
        "multilabel": ("labels", "asked", "fractions"),
        "hierarchical": ("answers", "answer_fractions", "relevance", "path"),
        "votes": (*tree.vote_columns, *extra),
    }[view]


def edition_features(tree: Tree, extra: tuple[str, ...] = ()) -> datasets.Features:
    """Return the features of all columns of an edition, in the order they stand in its shards."""
    from datasets import ClassLabel, Features, Image, List, Value

    types: dict[str, object] = {"iauname": Value("string"), "image": Image()}
    types |= {name: Value("float64") for name in ("ra", "dec")}
    types |= {name: Value("float32") for name in ("redshift", "mag_r", "petro_th50", "petro_th90", "petro_theta")}
    types |= {"upload_group": Value("string"), "random_selection": Value("bool")}
    types |= {"wrong_size_warning": Value("bool"), "split": Value("string"), "scored": Value("bool")}
    types |= {column: Value("int16") for column in tree.vote_columns}
    types |= {column: Value("float32") for column in extra}
    types |= {"label": ClassLabel(names=list(CLASSES))}
    types |= {f"share_{name}": Value("float32") for name in SHARES}
    types |= {"confidence": Value("float32"), "confident": Value("bool")}
    labels = ClassLabel(names=list(tree.label_names))
    types |= {"labels": List(labels), "asked": List(labels), "fractions": List(Value("float32"))}
    types |= {
        "answers": {q.name: ClassLabel(names=list(q.answers)) for q in tree.questions},
        "answer_fractions": {q.name: Value("float32") for q in tree.questions},
        "relevance": {q.name: Value("float32") for q in tree.questions},
        "path": List(Value("string")),
    }
    types |= {flag(view): Value("bool") for view in VIEWS}
    return Features(types)


def view_features(view: str, tree: Tree, extra: tuple[str, ...] = ()) -> datasets.Features:
    """Return the features of one view."""
    from datasets import Features

    every = edition_features(tree, extra)
    return Features({name: every[name] for name in (*COMMON, *label_columns(view, tree, extra))})


def view_labels(tree: Tree, catalogue: pd.DataFrame) -> pd.DataFrame:
    """Return the label columns of every view and the flags, one row a galaxy, from the catalogue's votes.

    In the hierarchical view ``answers`` holds the most voted answer of each question that was asked, else -1,
    and ``answer_fractions`` its fraction (NaN there); ``path`` follows the most voted answers from the root.
    """
    votes = catalogue[list(tree.answer_columns)].to_numpy(dtype=np.int64)
    fractions = views.fractions(tree, votes)
    asked = views.asked(tree, views.totals(tree, votes))
    classes = views.multiclass(tree, fractions)
    columns: dict[str, object] = {"label": classes.label.astype(np.int64)}
    shares = (*classes.shares.T, classes.artifact, classes.undetermined)
    columns |= {f"share_{name}": share.astype(np.float32) for name, share in zip(SHARES, shares)}
    columns |= {"confidence": classes.confidence.astype(np.float32), "confident": classes.confident}

    label_fractions = views.label_fractions(tree, fractions)
    label_asked = views.label_asked(tree, asked)
    with np.errstate(invalid="ignore"):
        true = label_fractions > 0.5
    columns["labels"] = [np.flatnonzero(row) for row in true]
    columns["asked"] = [np.flatnonzero(row) for row in label_asked]
    columns["fractions"] = list(label_fractions.astype(np.float32))

    top = np.where(asked, views.top_answers(tree, fractions), -1)
    top_fractions = np.full(top.shape, np.nan)
    for i, q in enumerate(tree.questions):
        rows = np.flatnonzero(top[:, i] >= 0)
        top_fractions[rows, i] = fractions[rows, tree.slices[q.name].start + top[rows, i]]
    relevance = views.relevance(tree, fractions)
    names = [q.name for q in tree.questions]
    columns["answers"] = [dict(zip(names, row)) for row in top.tolist()]
    columns["answer_fractions"] = [dict(zip(names, row)) for row in top_fractions.tolist()]
    columns["relevance"] = [dict(zip(names, row)) for row in relevance.tolist()]
    columns["path"] = views.paths(tree, fractions)

    columns[flag("multiclass")] = classes.label >= 0
    columns[flag("multilabel")] = label_asked.any(axis=1)
    columns[flag("hierarchical")] = asked[:, 0]
    columns[flag("votes")] = votes.sum(axis=1) > 0
    return pd.DataFrame(columns, index=catalogue.index)

"""The columns of an edition and of each view, as datasets features: the one place that fixes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from galaxy_zoo_decals import views
from galaxy_zoo_decals.schema import CLASSES, VIEWS, Tree

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

COMMON = (
    "iauname", "image", "ra", "dec", "redshift", "mag_r", "petro_th50", "petro_th90", "petro_theta",
    "upload_group", "random_selection", "wrong_size_warning", "split", "scored",
)  # fmt: skip
"""Columns that every view carries."""

Counts = dict[str, int]

SHARES = (*CLASSES, "artifact", "undetermined")

SELECTION = "random_selection"
"""The one column of metadata that says yes, no or unknown: 1, 0 or -1."""


def flag(view: str) -> str:
    """Return the boolean column that says whether a galaxy is in a view."""
    return f"in_{view}"


def label_columns(view: str, tree: Tree, extra: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the columns of a view beyond the common ones; ``extra`` are the source's own (in the votes view)."""
    return {
        "multiclass": ("label", *(f"share_{name}" for name in SHARES), "confidence", "confident"),
        "multilabel": ("top_label", "multi_hot", "asked_mask", "fractions"),
        "hierarchical": ("answers", "answer_fractions", "relevance", "path_answers"),
        "votes": (*tree.vote_columns, *extra),
    }[view]


def list_columns(view: str) -> tuple[str, ...]:
    """Return the columns of a view whose lists vary in length, which it shows only where they are asked for by name.

    No default collate, of torch or of a Trainer, makes a batch of lists that differ in length.
    """
    return {"multilabel": ("labels", "asked"), "hierarchical": ("path",)}.get(view, ())


def edition_features(tree: Tree, extra: tuple[str, ...] = ()) -> datasets.Features:
    """Return the features of all columns of an edition, in the order they stand in its shards."""
    from datasets import ClassLabel, Features, Image, List, Value

    types: dict[str, object] = {"iauname": Value("string"), "image": Image(mode="RGB")}
    types |= {name: Value("float64") for name in ("ra", "dec")}
    types |= {name: Value("float32") for name in ("redshift", "mag_r", "petro_th50", "petro_th90", "petro_theta")}
    types |= {"upload_group": Value("string"), SELECTION: Value("int8")}
    types |= {"wrong_size_warning": Value("bool"), "split": Value("string"), "scored": Value("bool")}
    types |= {column: Value("int16") for column in tree.vote_columns}
    types |= {column: Value("int16" if column in tree.lost_columns else "float32") for column in extra}
    types |= {"label": ClassLabel(names=list(CLASSES))}
    types |= {f"share_{name}": Value("float32") for name in SHARES}
    types |= {"confidence": Value("float32"), "confident": Value("bool")}
    labels = ClassLabel(names=list(tree.label_names))
    wide = List(Value("float32"), length=len(tree.label_names))
    types |= {"labels": List(labels), "asked": List(labels), "multi_hot": wide, "asked_mask": wide, "fractions": wide}
    types |= {"top_label": labels}
    types |= {
        "answers": {q.name: ClassLabel(names=list(q.answers)) for q in tree.questions},
        "answer_fractions": {q.name: Value("float32") for q in tree.questions},
        "relevance": {q.name: Value("float32") for q in tree.questions},
        "path": List(Value("string")),
        "path_answers": List(Value("int8"), length=len(tree.questions)),
    }
    types |= {flag(view): Value("bool") for view in VIEWS}
    return Features(types)


def label_fractions(tree: Tree, catalogue: pd.DataFrame, debiased: bool = False) -> np.ndarray:
    """Return the fractions that labels are made of, (galaxies, answers): of the votes, or the debiased ones.

    NaN where nobody answered a question, or where it has no debiased fractions.
    """
    if not debiased:
        return views.fractions(tree, catalogue[list(tree.answer_columns)].to_numpy(dtype=np.int64))
    found = catalogue[[f"{column}_debiased" for column in tree.answer_columns]].to_numpy(dtype=float, copy=True)
    for q in tree.questions:
        part = found[:, tree.slices[q.name]]
        # A question that lost its votes is unknown, whatever was published of it.
        part[np.isnan(part).any(axis=1) | (catalogue[q.total] == 0).to_numpy()] = np.nan
    return found


def view_labels(tree: Tree, catalogue: pd.DataFrame, debiased: bool = False) -> pd.DataFrame:
    """Return the label columns of every view and the flags, one row a galaxy, from the catalogue's votes.

    ``debiased`` makes the labels of the catalogue's debiased fractions; what counts as asked stays with the votes.
    In the hierarchical view ``answers`` holds the most voted answer of each question that was asked, else -1,
    and ``answer_fractions`` its fraction (NaN there); ``path`` follows the most voted answers from the root, and
    ``path_answers`` holds the same per question, -1 for those that are not on it. ``multi_hot`` and ``asked_mask`` are
    ``labels`` and ``asked`` as 1 and 0 per label; ``top_label`` is the asked label of the largest fraction, of equal
    ones the first, -1 where none was asked.
    """
    votes = catalogue[list(tree.answer_columns)].to_numpy(dtype=np.int64)
    fractions = label_fractions(tree, catalogue, debiased)
    known = np.column_stack([~np.isnan(fractions[:, tree.slices[q.name].start]) for q in tree.questions])
    asked = views.asked(tree, views.totals(tree, votes)) & known
    classes = views.multiclass(tree, fractions)
    columns: dict[str, object] = {"label": classes.label.astype(np.int64)}
    shares = (*classes.shares.T, classes.artifact, classes.undetermined)
    columns |= {f"share_{name}": share.astype(np.float32) for name, share in zip(SHARES, shares)}
    columns |= {"confidence": classes.confidence.astype(np.float32), "confident": classes.confident}

    of_labels = views.label_fractions(tree, fractions)
    label_asked = views.label_asked(tree, asked)
    true = views.labels(tree, fractions)
    columns["labels"] = [np.flatnonzero(row) for row in true]
    columns["asked"] = [np.flatnonzero(row) for row in label_asked]
    columns["multi_hot"] = list(true.astype(np.float32))
    columns["asked_mask"] = list(label_asked.astype(np.float32))
    columns["fractions"] = list(of_labels.astype(np.float32))
    asked_fractions = np.where(label_asked, of_labels, -1)
    columns["top_label"] = np.where(label_asked.any(axis=1), asked_fractions.argmax(axis=1), -1)

    most_voted = views.top_answers(tree, fractions)
    top = np.where(asked, most_voted, -1)
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
    columns["path_answers"] = list(np.where(views.on_path(tree, most_voted), most_voted, -1).astype(np.int8))

    columns[flag("multiclass")] = classes.label >= 0
    columns[flag("multilabel")] = label_asked.any(axis=1)
    columns[flag("hierarchical")] = asked[:, 0]
    columns[flag("votes")] = votes.sum(axis=1) > 0
    return pd.DataFrame(columns, index=catalogue.index)


def outside(tree: Tree, catalogue: pd.DataFrame, labels: pd.DataFrame, debiased: bool = False) -> dict[str, Counts]:
    """Return how many galaxies are not in each view, by reason; ``labels`` come from ``view_labels``."""
    fractions = label_fractions(tree, catalogue, debiased)
    unknown = np.isnan(fractions[:, tree.slices[tree.roles.disturbance_question]]).any(axis=1)
    without = ~labels[flag("multiclass")].to_numpy()
    best = labels[[f"share_{name}" for name in CLASSES]].to_numpy().max(axis=1)
    artifact = without & ~unknown & (labels["share_artifact"].to_numpy() >= best)
    question = tree.question(tree.roles.disturbance_question)
    lost = (
        unknown & (catalogue[question.lost].to_numpy() > 0)
        if question.lost in catalogue
        else np.zeros(len(unknown), bool)
    )
    return {
        "multiclass": {
            f"nobody answered '{question.name}'": int((without & unknown & ~lost).sum()),
            **({f"too many votes of '{question.name}' are lost": int((without & lost).sum())} if lost.any() else {}),
            "an artifact": int(artifact.sum()),
            "no class ahead of the others": int((without & ~unknown & ~artifact).sum()),
        },
        "multilabel": {"no label's question was asked": int((~labels[flag("multilabel")]).sum())},
        "hierarchical": {"the first question has no answer": int((~labels[flag("hierarchical")]).sum())},
        "votes": {"no votes": int((~labels[flag("votes")]).sum())},
    }


def balance(tree: Tree, labels: pd.DataFrame) -> dict[str, Counts]:
    """Return how many galaxies have each class, each binary label, and each answer as the most voted one."""
    classes = labels["label"][labels[flag("multiclass")]]
    true = np.concatenate([*labels["labels"], np.empty(0, int)]).astype(int)
    answers = {q.name: [row[q.name] for row in labels["answers"]] for q in tree.questions}
    return {
        "multiclass": _count(CLASSES, classes),
        "multilabel": _count(tree.label_names, true),
        "hierarchical": {
            f"{q.name}={name}": k for q in tree.questions for name, k in _count(q.answers, answers[q.name]).items()
        },
    }


def holdings(tree: Tree, catalogue: pd.DataFrame, labels: pd.DataFrame) -> Counts:
    """Return what the boards hold of scored galaxies, by what is counted; ``labels`` come from ``view_labels``.

    Galaxies, those with a class and of each class, those that each binary label is true and known of, and those
    where a question is unknown because it lost too many votes.
    """
    found = {"scored galaxies": len(catalogue), "with a class": int((labels["label"] >= 0).sum())}
    found |= {f"class {name}": k for name, k in _count(CLASSES, labels["label"]).items()}
    positives = np.zeros(len(tree.label_names), int)
    for true, asked in zip(labels["labels"], labels["asked"]):
        positives[np.intersect1d(true, asked)] += 1
    found |= {f"label {name}": k for name, k in zip(tree.label_names, positives.tolist())}
    for q in tree.questions:
        if q.lost_limit and q.lost in catalogue:
            unknown = (catalogue[q.lost].to_numpy() > 0) & (catalogue[q.total].to_numpy() == 0)
            found[f"{q.name} unknown, votes lost"] = int(unknown.sum())
    return found


def _count(names: Sequence[str], positions: object) -> Counts:
    """Return how often each name stands at the positions given; -1 stands for none."""
    found = np.asarray(positions, dtype=int)
    return dict(zip(names, np.bincount(found[found >= 0], minlength=len(names)).tolist()))


def to_arrow(values: pd.Series, kind: pa.DataType) -> pa.Array:
    """Return a column as it stands in a shard, which holds no null, as no batch can be made of nulls.

    Metadata that is missing (pandas NA) becomes NaN, "" or, of yes and no, -1; NaN labels stay NaN.
    """
    import pyarrow as pa

    if pa.types.is_nested(kind):
        return pa.array(values.tolist(), kind)
    if values.name == SELECTION:
        return pa.array(values.astype("boolean").astype("Int8").fillna(-1).to_numpy(dtype=np.int8), kind)
    if pa.types.is_string(kind):
        return pa.array(values.astype("string").fillna("").tolist(), kind)
    if pa.types.is_floating(kind):
        return pa.array(values.to_numpy(dtype=float, na_value=np.nan), pa.float64()).cast(kind)
    return pa.array(values.to_numpy(), kind)

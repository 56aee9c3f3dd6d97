"""What volunteers and models say of one galaxy, question by question, as bars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from galaxy_zoo_decals import views
from galaxy_zoo_decals.predictions import Predictions
from galaxy_zoo_decals.schema import CLASSES, Tree
from galaxy_zoo_decals.scoring import Truth
from galaxy_zoo_decals.scoring.results import board_values


def words(name: str) -> str:
    """Return a name of the tree as a reader would write it."""
    return name.removeprefix("has-").replace("-", " ").replace("disk", "disc").replace("cant tell", "can't tell")


@dataclass(frozen=True)
class Bar:
    """One answer: the predicted and the volunteers' fraction in 0..1 (None where not said or not to be shown)."""

    label: str
    predicted: float | None
    true: float | None
    votes: int | None = None


@dataclass(frozen=True)
class Group:
    """The answers to one question, or the classes, or the labels."""

    title: str
    bars: list[Bar]


def path_words(truth: Truth, row: int) -> str:
    """Return the volunteers' path through the scored questions: "spiral arms: yes (21 of 28)"."""
    tree = truth.tree
    top = views.top_answers(tree, truth.fractions[row : row + 1])
    follows = (views.on_path(tree, top) & (top >= 0))[0]
    parts = []
    for name in tree.scored_questions:
        q = tree.question_index[name]
        if follows[q]:
            answer = tree.questions[q].answers[top[0, q]]
            votes = truth.votes[row, tree.slices[name].start + top[0, q]]
            what = words(answer) if name == tree.questions[0].name else f"{words(name)} {words(answer)}"
            parts.append(f"{what} ({votes} of {truth.totals[row, q]})")
    return ", ".join(parts)


def vote_groups(truth: Truth, row: int) -> list[Group]:
    """Return the volunteers' votes at the scored questions on their most voted path."""
    tree = truth.tree
    top = views.top_answers(tree, truth.fractions[row : row + 1])
    follows = (views.on_path(tree, top) & (top >= 0))[0]
    groups = []
    for name in tree.scored_questions:
        total = int(truth.totals[row, tree.question_index[name]])
        if follows[tree.question_index[name]]:
            columns = tree.slices[name]
            bars = [
                Bar(words(a), None, float(f), int(v))
                for a, f, v in zip(
                    tree.question(name).answers, truth.fractions[row, columns], truth.votes[row, columns]
                )
            ]
            groups.append(Group(f"{words(name)}, {total} {'vote' if total == 1 else 'votes'}", bars))
    return groups


def predicted_groups(truth: Truth, predictions: Predictions, row: int, rest: bool = False) -> list[Group]:
    """Return what a model predicts of a galaxy beside the volunteers' fractions.

    Trees show the scored questions (``rest``: the others, which only a votes file predicts) that lie on the true or
    the predicted path.
    """
    tree, task, values = truth.tree, predictions.task, predictions.values[row : row + 1]
    if rest and task != "votes":
        return []
    open_ = truth.terms.may_publish_votes
    true = truth.fractions[row] if open_ else np.full(len(tree.answers), np.nan)
    if task == "multiclass":
        shares = truth.classes.shares[row]
        given = shares / shares.sum() if open_ and shares.sum() else np.full(len(CLASSES), np.nan)
        return [Group("class", [_bar(*bar) for bar in zip(CLASSES, values[0], given)])]
    if task == "multilabel":
        asked = truth.labels_asked[row]
        known = np.where(asked, views.label_fractions(tree, true[None])[0], np.nan)
        return [Group("labels", [_bar(words(n), p, t) for n, p, t in zip(tree.label_names, values[0], known)])]
    fractions = board_values(tree, predictions.take(np.array([row])))["hierarchical"]
    follows = views.on_path(tree, views.top_answers(tree, fractions))[0]
    if open_:
        top = views.top_answers(tree, true[None])
        follows = follows | (views.on_path(tree, top) & (top >= 0))[0]
    names = [q.name for q in tree.questions if (q.name not in tree.scored_questions) == rest]
    return [_question(tree, name, fractions[0], true) for name in names if follows[tree.question_index[name]]]


def _question(tree: Tree, name: str, predicted: np.ndarray, true: np.ndarray) -> Group:
    """Return the bars of one question; of a yes or no, the yes alone says all."""
    columns, answers = tree.slices[name], tree.question(name).answers
    bars = [_bar(words(a), p, t) for a, p, t in zip(answers, predicted[columns], true[columns])]
    if answers == ("yes", "no"):
        return Group("", [Bar(words(name), bars[0].predicted, bars[0].true)])
    return Group(words(name), bars)


def _bar(label: str, predicted: float, true: float) -> Bar:
    return Bar(label, float(predicted), None if np.isnan(true) else float(true))


def path_in_short(tree: Tree, path: np.ndarray) -> str:
    """Return the answers of a predicted path in short: "smooth → round" or "featured or disc → spiral arms"."""
    names = {
        ("disk-edge-on", "yes"): "edge-on",
        ("disk-edge-on", "no"): "face-on",
        ("has-spiral-arms", "yes"): "spiral arms",
        ("has-spiral-arms", "no"): "no arms",
    }
    parts = []
    for (question, answer), on in zip(tree.answers, path):
        if on and not (question in ("merging", "odd") and answer in ("none", "no")):
            parts.append(names.get((question, answer), "odd" if question == "odd" else words(answer)))
    return " → ".join(parts)

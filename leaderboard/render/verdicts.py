"""Whether a model is right about each galaxy, and which galaxies are worth a look."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from galaxy_zoo_decals import views
from galaxy_zoo_decals.predictions import Predictions
from galaxy_zoo_decals.schema import CLASSES
from galaxy_zoo_decals.scoring import Truth
from galaxy_zoo_decals.scoring.boards.hierarchical import path_sets
from galaxy_zoo_decals.scoring.results import board_values
from leaderboard.render.galaxy_bars import Group, path_in_short, predicted_groups, words

HEADINGS = {
    "right-and-sure": "Confident and correct",
    "wrong-and-sure": "Confident but wrong",
    "unsure": "Least confident",
    "largest-disagreement": "Largest disagreement",
    "surest": "Most confident",
    "least-sure": "Least confident",
}
"""Parts of an entry's gallery: the name in addresses, which stays, and the heading."""


@dataclass(frozen=True)
class Answer:
    """What one model makes of a galaxy; ``right`` is None where that is unknown or may not be told."""

    verdict: str
    right: bool | None
    groups: list[Group]


@dataclass(frozen=True)
class Judged:
    """A model's answers to all galaxies of its task: ``sure`` in 0..1, ``right`` and ``known`` bool, a verdict each.

    ``answers`` are the answers alone, in words.
    """

    sure: np.ndarray
    right: np.ndarray
    known: np.ndarray
    verdicts: list[str]
    answers: list[str]


def judge(truth: Truth, predictions: Predictions, board: str | None = None) -> Judged:
    """Judge predictions as a board asks (their own if None): the class, all asked labels, or the path through the tree.

    A likelihood has no right and wrong: on the votes board the class is judged that follows from the fractions.
    """
    values = board_values(truth.tree, predictions)
    task = board or predictions.task
    if task in ("multiclass", "votes"):
        p = values["multiclass"]
        guess, sure = p.argmax(axis=1), p.max(axis=1)
        label = truth.classes.label
        answers = [CLASSES[g] for g in guess]
        return Judged(sure, np.equal(guess, label), label >= 0, _sure(answers, sure), answers)
    if task == "multilabel":
        # Which labels are known is the volunteers' word too.
        p, asked = values["multilabel"], truth.labels_asked if truth.terms.may_publish_votes else np.True_
        asked = np.broadcast_to(asked, p.shape)
        distance = np.where(asked, 2 * np.abs(p - views.LABEL_THRESHOLD), np.nan)
        sure = np.nanmin(np.where(asked.any(axis=1, keepdims=True), distance, 0.0), axis=1)
        said = views.label_decisions(p)
        right = (said == truth.labels) | ~asked
        wrong = (~right).sum(axis=1)
        verdicts = [f"{int(a) - int(w)} of {int(a)} labels correct" for a, w in zip(asked.sum(axis=1), wrong)]
        if not truth.terms.may_publish_votes:
            verdicts = [f"least confident label: {50 + 50 * s:.0f}\u00a0%" for s in sure]
        names = np.array([words(n) for n in truth.tree.label_names])
        answers = [", ".join(names[row]) or "no label" for row in said]
        return Judged(sure, np.equal(wrong, 0), np.any(asked, axis=1), verdicts, answers)
    fractions = values["hierarchical"]
    sets = path_sets(truth.tree, fractions)
    sure = np.where(sets, fractions, 1.0).prod(axis=1)
    right = (sets == path_sets(truth.tree, truth.fractions)).all(axis=1)
    answers = [path_in_short(truth.tree, row) for row in sets]
    return Judged(sure, right, np.ones(len(sets), bool), _sure(answers, sure), answers)


def _sure(answers: list[str], sure: np.ndarray) -> list[str]:
    return [f"{answer} ({100 * s:.0f}\u00a0% confident)" for answer, s in zip(answers, sure)]


def answer(truth: Truth, predictions: Predictions, judged: Judged, row: int) -> Answer:
    """Return what a model makes of one galaxy."""
    known = truth.terms.may_publish_votes and bool(judged.known[row])
    right = bool(judged.right[row]) if known else None
    return Answer(judged.verdicts[row], right, predicted_groups(truth, predictions, row))


def true_answer(truth: Truth, row: int, task: str) -> str:
    """Return what the volunteers say of a galaxy in the terms of a board; empty where that may not be told."""
    if not truth.terms.may_publish_votes:
        return ""
    if task == "multiclass":
        label = int(truth.classes.label[row])
        return CLASSES[label] if label >= 0 else "no class"
    if task == "multilabel":
        on = truth.labels[row] & truth.labels_asked[row]
        return ", ".join(words(n) for n, o in zip(truth.tree.label_names, on) if o) or "no label"
    if task == "hierarchical":
        return path_in_short(truth.tree, path_sets(truth.tree, truth.fractions[row : row + 1])[0])
    first = truth.tree.questions[0]
    votes = truth.votes[row, truth.tree.slices[first.name]]
    most = int(votes.argmax())
    return f"{words(first.answers[most])}: {votes[most]} of {truth.totals[row, 0]} votes"


def examples(truth: Truth, judged: Judged, furthest: list[str], each: int = 6) -> dict[str, list[int]]:
    """Return rows for an entry's gallery, by the name of their part: those of ``HEADINGS``.

    ``furthest`` are the galaxies of the largest disagreement by name, as the scorer found them.

    Of an edition that may not be passed on, right and wrong would tell the volunteers' answers: surest and least
    sure are given instead.
    """
    order = np.argsort(-judged.sure, kind="stable")
    if not truth.terms.may_publish_votes:
        return {"surest": order[:each].tolist(), "least-sure": order[::-1][:each].tolist()}
    order = order[judged.known[order]]
    right = order[judged.right[order]]
    place = {name: row for row, name in enumerate(truth.names)}
    return {
        "right-and-sure": _varied(truth, right, each),
        "wrong-and-sure": order[~judged.right[order]][:each].tolist(),
        "unsure": order[::-1][:each].tolist(),
        "largest-disagreement": [place[name] for name in furthest if name in place][:each],
    }


def _varied(truth: Truth, rows: np.ndarray, each: int) -> list[int]:
    """Return the first rows of every class in turn: the surest galaxies alone are nearly all of one class."""
    label = truth.classes.label[rows]
    turn = np.zeros(len(rows), int)
    for c in np.unique(label):
        turn[label == c] = np.arange((label == c).sum())
    return rows[np.argsort(turn, kind="stable")][:each].tolist()

"""Label views: vote fractions, true or predicted, become classes, labels, paths and masks by one code.

Every function takes ``fractions`` of shape (galaxies, answers) in the order of ``tree.answers``, conditional on
the question being asked (the answers of a question sum to 1). Truth has NaN where nobody answered a question;
predictions have none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from galaxy_zoo_decals.schema import CLASSES, Answer, Tree

CONFIDENT = 0.6
"""Largest class share above which a galaxy counts as confident; below it, "uncertain" in the student work."""

LABEL_THRESHOLD = 0.5
"""Fraction or probability above which a binary label is true."""

MIN_VOTES = 3
"""Votes for a question below which its fractions say nothing (Walmsley et al. 2022 train from 3 votes upward)."""


def totals(tree: Tree, votes: np.ndarray) -> np.ndarray:
    """Return how many volunteers answered each question, (galaxies, questions), from votes (galaxies, answers)."""
    return np.column_stack([row_sums(votes[:, tree.slices[q.name]]) for q in tree.questions])


def row_sums(rows: np.ndarray) -> np.ndarray:
    """Return the sums of rows (n, few), (n,): column by column, many times as fast as numpy along rows of three."""
    out: np.ndarray = rows[:, 0].copy()
    for column in rows.T[1:]:
        out += column
    return out


def fractions(tree: Tree, votes: np.ndarray) -> np.ndarray:
    """Return votes / total, (galaxies, answers) in [0, 1]; NaN for every answer of a question without votes.

    The same division turns Dirichlet concentrations into predicted fractions.
    """
    votes = np.asarray(votes, dtype=float)
    out = np.empty(votes.shape)
    for q in tree.questions:
        part = votes[:, tree.slices[q.name]]
        total = row_sums(part)
        np.divide(part, np.where(total > 0, total, np.nan)[:, None], out=out[:, tree.slices[q.name]])
    return out


def asked(tree: Tree, question_totals: np.ndarray) -> np.ndarray:
    """Return which questions count as asked, bool (galaxies, questions).

    Those with at least MIN_VOTES and half as many votes as the first question.
    """
    question_totals = np.asarray(question_totals)
    return question_totals >= np.maximum(MIN_VOTES, question_totals[:, :1] / 2)


def relevance(tree: Tree, fractions: np.ndarray) -> np.ndarray:
    """Return the relevance of each question, (galaxies, questions): the product of the fractions on the way to it.

    Several parents add up (merging comes after smooth and after featured). A question behind an answer that
    nobody gave has relevance 0; behind one that nobody was asked about, NaN: it is unknown.
    """
    out = np.ones((len(fractions), len(tree.questions)))
    for i, q in enumerate(tree.questions):
        if q.parents:
            out[:, i] = sum(_reach(tree, fractions, out, parent) for parent in q.parents)
    return out


def _reach(tree: Tree, fractions: np.ndarray, reached: np.ndarray, answer: Answer) -> np.ndarray:
    """Return the share of volunteers who come to give this answer: relevance of its question times its fraction."""
    to_question = reached[:, tree.question_index[answer[0]]]
    return np.where(to_question == 0, 0.0, to_question * fractions[:, tree.answer_index[answer]])


@dataclass(frozen=True)
class Multiclass:
    """The multiclass view of some galaxies.

    ``shares`` (galaxies, 4) in the order of CLASSES, ``artifact`` and ``undetermined`` (galaxies,) sum to 1.
    ``label`` is -1 where no class can be given; ``confidence`` is the largest share, ``confident`` says whether
    it is over 0.6.
    """

    shares: np.ndarray
    artifact: np.ndarray
    undetermined: np.ndarray
    label: np.ndarray
    confidence: np.ndarray

    @property
    def confident(self) -> np.ndarray:
        """Whether the largest class share is over 0.6, bool (galaxies,)."""
        return self.confidence > CONFIDENT


def multiclass(tree: Tree, fractions: np.ndarray) -> Multiclass:
    """Return the class shares, labels and confidence of true vote fractions.

    irregular = (1 - a) d with d the disturbed share, and the rest of 1 - a times (1 - d): elliptical = smooth;
    spiral = featured x not edge-on x spiral; lenticular = featured x (edge-on + not edge-on x no spiral). A
    question nobody answered leaves its parent's share undetermined. A label is given only if the largest share
    beats the artifact share, and the second largest plus all that is undetermined; and only if the disturbance
    question has votes.
    """
    roles = tree.roles

    def f(answer: Answer) -> np.ndarray:
        return fractions[:, tree.answer_index[answer]]

    def split(share: np.ndarray, *answers: Answer) -> tuple[np.ndarray, ...]:
        """Divide a share among answers of one question; the last value is what nobody was asked about."""
        unknown = np.isnan(f(answers[0])) & (share > 0)
        parts = [np.where(share == 0, 0.0, share * np.nan_to_num(f(answer))) for answer in answers]
        return (*parts, np.where(unknown, share, 0.0))

    artifact = f(roles.artifact)
    disturbed, unknown_disturbed = np.ones(len(fractions)), np.zeros(len(fractions))
    for group in roles.disturbed:
        *parts, unknown = split(disturbed, *group)
        disturbed, unknown_disturbed = np.sum(parts, axis=0), unknown_disturbed + unknown
    calm = 1 - disturbed - unknown_disturbed
    smooth, featured = f(roles.smooth) * calm, f(roles.featured) * calm
    edge_on, face_on, unknown_disc = split(featured, roles.edge_on, roles.not_edge_on)
    spiral, no_spiral, unknown_arms = split(face_on, roles.spiral, roles.no_spiral)

    # Rounded before they are compared: shares that are equal as fractions of votes differ in their last bits, and
    # neither a tie nor a share of exactly 0.6 may be decided by those.
    shares = np.round(np.column_stack([smooth, spiral, edge_on + no_spiral, (1 - artifact) * disturbed]), 9)
    artifact = np.round(artifact, 9)
    undetermined = np.round((1 - artifact) * unknown_disturbed + unknown_disc + unknown_arms, 9)
    ordered = np.sort(shares, axis=1)
    best, second = ordered[:, -1], ordered[:, -2]
    disturbance = fractions[:, tree.slices[roles.disturbance_question]]
    given = (best > artifact) & (best > np.round(second + undetermined, 9)) & ~np.isnan(disturbance).any(axis=1)
    label = np.where(given, shares.argmax(axis=1), -1)
    return Multiclass(shares, artifact, undetermined, label, best)


def predicted_classes(tree: Tree, fractions: np.ndarray) -> np.ndarray:
    """Return the class probabilities of predicted fractions, (galaxies, 4): shares renormalised without artifact."""
    shares = multiclass(tree, fractions).shares
    total = shares.sum(axis=1, keepdims=True)
    return np.divide(shares, total, out=np.full_like(shares, 1 / len(CLASSES)), where=total > 0)


def label_fractions(tree: Tree, fractions: np.ndarray) -> np.ndarray:
    """Return the fraction behind each binary label, (galaxies, labels)."""
    return fractions[:, [tree.answer_index[label.answer] for label in tree.labels]]


def labels(tree: Tree, fractions: np.ndarray) -> np.ndarray:
    """Return which binary labels are true, bool (galaxies, labels); an unanswered question makes none true."""
    return label_decisions(label_fractions(tree, fractions))


def label_decisions(probabilities: np.ndarray) -> np.ndarray:
    """Return which label fractions or probabilities, of any shape, mean "true": those above LABEL_THRESHOLD.

    Exactly the threshold is not above it, and NaN is not either.
    """
    with np.errstate(invalid="ignore"):
        return np.greater(probabilities, LABEL_THRESHOLD)


def label_asked(tree: Tree, asked: np.ndarray) -> np.ndarray:
    """Return the mask of each binary label, bool (galaxies, labels), from asked questions (galaxies, questions)."""
    return asked[:, [tree.question_index[label.answer[0]] for label in tree.labels]]


def top_answers(tree: Tree, fractions: np.ndarray) -> np.ndarray:
    """Return the position of the most voted answer of each question, int (galaxies, questions).

    -1 where nobody answered; of equal answers the first in the tree's order.
    """
    columns = np.ascontiguousarray(np.asarray(fractions).T)
    out = np.zeros((len(tree.questions), columns.shape[1]), int)
    for top, q in zip(out, tree.questions):
        # Answer by answer, all galaxies at once: argmax along rows of three is ten times slower.
        first, *others = columns[tree.slices[q.name]]
        best, unknown = first.copy(), np.isnan(first)
        for answer, column in enumerate(others, start=1):
            top[column > best] = answer
            np.fmax(best, column, out=best)
            unknown |= np.isnan(column)
        top[unknown] = -1
    return out.T


def on_path(tree: Tree, top: np.ndarray) -> np.ndarray:
    """Return which questions lie on each galaxy's path, bool (galaxies, questions).

    The path follows the most voted answer from the root: a question is on it if one of its parents' answers is
    the top answer of a question on the path. ``top`` comes from ``top_answers``.
    """
    out = np.zeros(top.shape, dtype=bool)
    for i, q in enumerate(tree.questions):
        out[:, i] = not q.parents
        for question, answer in q.parents:
            j = tree.question_index[question]
            out[:, i] |= out[:, j] & (top[:, j] == tree.questions[j].answers.index(answer))
    return out


def answers_on_path(tree: Tree, fractions: np.ndarray) -> np.ndarray:
    """Return the most probable answer of each question on the path that fractions take, -1 off it."""
    top = top_answers(tree, fractions)
    return np.where(on_path(tree, top), top, -1)


def paths(tree: Tree, fractions: np.ndarray) -> list[list[str]]:
    """Return each galaxy's path as "question=answer" in the tree's order; unanswered questions are left out."""
    top = top_answers(tree, fractions)
    follows = on_path(tree, top) & (top >= 0)
    names = [[f"{q.name}={a}" for a in q.answers] for q in tree.questions]
    return [[names[j][top[i, j]] for j in np.flatnonzero(row)] for i, row in enumerate(follows)]


def leaves(tree: Tree, fractions: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Return names and probabilities (galaxies, 7) of the leaves of the scored tree; they sum to 1.

    Three roundnesses, edge-on, spiral, no spiral, artifact: multiplied down the tree of the hierarchical board.
    """
    roles = tree.roles

    def f(answer: Answer) -> np.ndarray:
        return fractions[:, tree.answer_index[answer]]

    smooth, featured, face_on = f(roles.smooth), f(roles.featured), f(roles.not_edge_on)
    rounded = tree.question("how-rounded")
    columns = {a: smooth * f((rounded.name, a)) for a in rounded.answers}
    columns |= {
        "edge-on": featured * f(roles.edge_on),
        "spiral": featured * face_on * f(roles.spiral),
        "no-spiral": featured * face_on * f(roles.no_spiral),
        "artifact": f(roles.artifact),
    }
    return tuple(columns), np.column_stack(list(columns.values()))

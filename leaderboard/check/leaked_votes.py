"""Leaked votes: do predictions follow the chance of the published votes, which no picture shows.

The votes of a simulated edition were drawn from probabilities that the edition knows (``visible_*``). A model that saw
pictures alone can know these, and never which volunteers happened to be asked: given them its predictions and the
votes are independent. So the votes' departures from their probabilities, weighted by anything that is a function of
predictions and probabilities, sum to zero in the mean with a variance that is known exactly.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from galaxy_zoo_decals import drawn_votes, views
from galaxy_zoo_decals.edition import EditionError, default_path
from galaxy_zoo_decals.predictions import Predictions
from galaxy_zoo_decals.schema import Tree
from galaxy_zoo_decals.scoring import BOARDS, Board, Truth
from leaderboard.entry import prediction_file
from leaderboard.entry.truths import Key, Truths, terms_of
from leaderboard.ranking.entries import Entry, Trained

SUSPECT = 3.5
"""Standard deviations from which on a person is told. Two are looked at a file: a model that saw no votes comes there
once in 2,000 files."""

STEP = 1e-3
"""Step of a vote fraction by which the slope of a class share is measured."""

NEAR = 40
"""Galaxies on either side, by their own probability, from which the size of a model's errors is estimated."""

FLOOR = 1e-4
"""Least variance of a model's errors: where it is nearly always right the weights stay finite."""

PANELS = 300
"""Fresh panels from which the mean and the variance of labels are taken: they move a z-score by 1 / sqrt(PANELS)."""

SEED = 20220103
"""Of those panels: the same file always has the same z-score."""


def flags(entry: Entry, truths: Truths) -> list[str]:
    """Return what a person should know of whether an entry has seen the votes of the test galaxies it is scored on."""
    said = []
    for key, edition in entry.editions.items():
        if not terms_of(key, truths).simulated:
            continue
        if visible(key, truths) is None:
            said.append(
                f"{edition.name}: whether the test votes were seen in training was not tested: {truths.missing(key)}"
            )
            continue
        for trained in (t for t in entry.trained if t.key == key):
            kind, z = _largest(trained, truths)
            if z > SUSPECT:
                said.append(
                    f"{edition.name}, {trained.task}, seed {trained.run.seed}: follows the random part of the "
                    f"published votes, which no image shows, by {z:.1f} standard deviations (by their {kind}). "
                    f"A file made without these votes reaches {SUSPECT} once in 2,000 files. Were the votes of the "
                    "test galaxies used in training?"
                )
    return said


def shown(entry: Entry, truths: Truths) -> dict[str, float]:
    """Return the z-score of each prediction file for its page, by the file's sha256.

    Only of the edition that comes with the package: the same entry has the same page on every machine.
    """
    at_hand = [
        key
        for key in entry.editions
        if (edition := truths.edition(key)) is not None and edition.path.resolve() == default_path("sample").resolve()
    ]
    found = {t.sha256: _largest(t, truths)[1] for t in entry.trained if t.key in at_hand}
    return {digest: z for digest, z in found.items() if math.isfinite(z)}


def _largest(trained: Trained, truths: Truths) -> tuple[str, float]:
    """Return by what a file follows the votes' chance most, and by how much; NaN where that cannot be looked at."""
    truth, known = truths.truth(trained.key), visible(trained.key, truths)
    if truth is None or known is None:
        return "", math.nan
    found = z_scores(truth, known, prediction_file.read(trained.predictions, truth))
    return max(found.items(), key=lambda item: -math.inf if math.isnan(item[1]) else item[1])


def visible(key: Key, truths: Truths) -> np.ndarray | None:
    """Return the probabilities behind the votes of an edition's scored test galaxies, (galaxies, answers).

    None where the edition is not on this machine, or where nobody knows them, as of real galaxies.
    """
    edition, truth = truths.edition(key), truths.truth(key)
    if edition is None or truth is None or not edition.terms.simulated:
        return None
    names = [f"visible_{column}" for column in truth.tree.answer_columns]
    try:
        table = edition.table("test", ["iauname", *names]).set_index("iauname").reindex(list(truth.names))
    except (EditionError, OSError, ValueError):  # an edition that somebody built without them
        return None
    found = table.to_numpy(dtype=float)
    return None if np.isnan(found).any() else found


def z_scores(truth: Truth, visible: np.ndarray, predictions: Predictions) -> dict[str, float]:
    """Return how far predictions follow the chance of the votes, in standard deviations of what pictures allow.

    By the vote "fractions" and, but for a votes file, by the "labels" that the votes make. ``visible`` (galaxies,
    answers) are the probabilities the votes were drawn with; predictions are of all scored test galaxies. Each is
    standard normal for any model that saw no vote of these galaxies; NaN where there is nothing to weigh.
    """
    tree, board = truth.tree, BOARDS[predictions.task]
    own, slopes, guess = _channels(tree, visible, predictions)
    weights = np.zeros_like(visible)
    for pull, answers in zip(_pull(tree, visible, own, guess, own**2).T, slopes):
        for answer, slope in answers.items():
            weights[:, answer] += slope * pull
    found = {"fractions": by_fractions(tree, visible, truth.votes, weights)}
    if (labels := board.true_labels(truth)) is not None:
        mean, covariance = _expected(_Panels(truth, visible), board)
        pull = _pull(tree, visible, own, guess, mean)
        known, true = labels
        total = float((pull * np.where(known, true - mean, 0.0)).sum())
        variance = float(np.einsum("na,nab,nb->", pull, covariance, pull))
        found["labels"] = total / math.sqrt(variance) if variance > 0 else math.nan
    return found


def by_fractions(tree: Tree, visible: np.ndarray, votes: np.ndarray, weights: np.ndarray) -> float:
    """Return the weighted sum of the fractions' departures from their probabilities over its standard deviation.

    All of shape (galaxies, answers). Given how many volunteers come to a question its votes are multinomial, and what
    they depart by has mean zero; so questions are uncorrelated, and the variance is the sum of theirs.
    """
    total = variance = 0.0
    for columns in tree.slices.values():
        p, w, k = visible[:, columns], weights[:, columns], votes[:, columns]
        p = p / p.sum(axis=1, keepdims=True)
        n = k.sum(axis=1)
        some = n > 0
        mean = (p * w).sum(axis=1)
        total += float((((k * w).sum(axis=1) - n * mean)[some] / n[some]).sum())
        variance += float((((p * w**2).sum(axis=1) - mean**2)[some] / n[some]).sum())
    return total / math.sqrt(variance) if variance > 0 else math.nan


def fresh_votes(truth: Truth, visible: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the votes of another panel of as many volunteers, int64 (galaxies, answers).

    Questions whose votes the edition does not know stay unknown.
    """
    votes = drawn_votes.draw(truth.tree, visible, truth.totals[:, 0], rng)
    for question, unknown in zip(truth.tree.questions, _unknown(truth).T):
        votes[unknown, truth.tree.slices[question.name]] = 0
    return votes


def _unknown(truth: Truth) -> np.ndarray:
    """Return which questions have no votes though volunteers came to them, bool (galaxies, questions)."""
    came = [drawn_votes.asked(truth.tree, q, truth.votes, truth.totals[:, 0]) for q in truth.tree.questions]
    return (truth.totals == 0) & (np.column_stack(came) > 0)


def _pull(tree: Tree, visible: np.ndarray, own: np.ndarray, guess: np.ndarray, more: np.ndarray) -> np.ndarray:
    """Return what predictions say beyond the best that the probabilities can say, over their errors' variance.

    Of shape (galaxies, channels), a function of predictions and probabilities alone: the score of "prediction = what
    pictures show + a little of the votes' chance".
    """
    features = np.column_stack([_features(tree, visible), own**2, own**3, more, more**2])
    # Columns that say the same are no harm: the least squares of least norm are taken.
    left = guess - features @ np.linalg.lstsq(features, guess, rcond=None)[0]
    return left / (np.column_stack([_smooth(a, b) for a, b in zip(own.T, left.T**2)]) + FLOOR)


@dataclass(frozen=True)
class _Panels:
    """A truth with the probabilities behind it: equal to another if their probabilities and volunteers are."""

    truth: Truth
    visible: np.ndarray

    @cached_property
    def digest(self) -> bytes:
        parts = (self.visible, _unknown(self.truth), self.truth.totals[:, 0])
        return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).digest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Panels) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


@lru_cache(maxsize=16)
def _expected(of: _Panels, board: Board) -> tuple[np.ndarray, np.ndarray]:
    """Return the probability of each label where it is known, and the covariance of what labels depart from it by.

    Of shapes (galaxies, channels) and (galaxies, channels, channels), over fresh panels; a label that is not known
    departs by nothing.
    """
    rng = np.random.default_rng(SEED)
    panels = (replace(of.truth, votes=fresh_votes(of.truth, of.visible, rng)) for _ in range(PANELS))
    drawn = [labels for panel in panels if (labels := board.true_labels(panel)) is not None]
    known = np.array([k for k, _ in drawn])
    true = np.array([k & y for k, y in drawn])
    mean = true.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    covariance = np.zeros((*mean.shape, mean.shape[1]))
    for k, y in zip(known, true):
        departs = np.where(k, y - mean, 0.0)
        covariance += departs[:, :, None] * departs[:, None, :]
    return mean, covariance / PANELS


def _channels(
    tree: Tree, visible: np.ndarray, predictions: Predictions
) -> tuple[np.ndarray, list[dict[int, np.ndarray]], np.ndarray]:
    """Return what is predicted as its probabilities have it, its slopes by answer, and as it was predicted."""
    board = BOARDS[predictions.task]
    guess, answers = board.probabilities(tree, predictions.values), board.file_answers(tree)
    if answers is not None:
        return visible[:, answers], [{answer: np.ones(len(visible))} for answer in answers], guess
    own = _of_fractions(board, tree, visible)
    slopes: list[dict[int, np.ndarray]] = [{} for _ in range(own.shape[1])]
    for answer in range(visible.shape[1]):
        moved = visible.copy()
        moved[:, answer] += STEP
        change = (_of_fractions(board, tree, moved) - own) / STEP
        for channel in np.flatnonzero(change.any(axis=0)):
            slopes[channel][answer] = change[:, channel]
    return own, slopes, guess


def _of_fractions(board: Board, tree: Tree, fractions: np.ndarray) -> np.ndarray:
    values = board.of_fractions(tree, fractions)
    assert values is not None, f"columns of {board.task} are neither answers nor made of them"
    return values


def _features(tree: Tree, visible: np.ndarray) -> np.ndarray:
    """Return what a prediction is fitted from: a constant, probabilities, and the shares that come to each answer."""
    kept = np.array([a for columns in tree.slices.values() for a in range(columns.start, columns.stop - 1)])
    reached = views.relevance(tree, visible)[:, [tree.question_index[q] for q, _ in tree.answers]]
    return np.column_stack([np.ones(len(visible)), visible[:, kept], (reached * visible)[:, kept]])


def _smooth(order: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the mean of values (n,) over the NEAR galaxies on either side in the given order."""
    rank = np.argsort(order, kind="stable")
    total = np.concatenate([[0.0], np.cumsum(values[rank])])
    place = np.arange(len(values))
    low, high = np.maximum(place - NEAR, 0), np.minimum(place + NEAR + 1, len(values))
    out = np.empty(len(values))
    out[rank] = (total[high] - total[low]) / (high - low)
    return out

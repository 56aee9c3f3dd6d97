"""Plausibility: predictions that are a constant, decisions, a copy of others, or in exchanged columns."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from galaxy_zoo_decals import predictions as prediction_files
from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.predictions import PredictionError, Predictions
from galaxy_zoo_decals.scoring import BOARDS, Truth
from leaderboard.entry.bounded_parquet import bounded
from leaderboard.entry.truths import Truths, tree_of

SAME = 2e-3
"""Largest difference of what two files say of a galaxy that is taken for the same."""

COPIED = 0.9
"""Share of the galaxies that are not plain to both files from which on the same is said of them by a copy alone: some
changed rows hide nothing. What is less certain is for a person (near_copies.py)."""

FEWEST = 20
"""Galaxies that are not plain below which all galaxies must be the same."""

SAMPLE = 5000
"""Galaxies by which copies are looked for."""

DECIDED = 0.99
"""Share of galaxies from which on predictions of 0 and 1 alone are decisions and no probabilities."""

EXCHANGED = 0.5
"""Gain in summed correlation from which on exchanged columns are taken for exchanged, not for a poor model."""

SURE = 6.0
"""Standard deviations by which a column must fit another truth better than its own."""


@dataclass(frozen=True)
class Seen:
    """Predictions met so far, thinned out, to find copies of them."""

    place: str
    content_hash: str
    task: str
    values: np.ndarray


def sightings(folders: list[Path], truths: Truths) -> list[Seen]:
    """Return the predictions of submissions that were merged, and so checked, to find copies of them.

    Drafts that lie beside them and cannot be read are left out.
    """
    found = []
    for path in (path for folder in folders for path in sorted(folder.glob("predictions/*/*/*.parquet"))):
        with contextlib.suppress(UserError):
            bounded(path, None)
            found.append(_seen(str(path), prediction_files.read(path, tree_of(path.parts[-3], truths))))
    return found


def _seen(place: str, predictions: Predictions) -> Seen:
    values = predictions.values[:: max(1, len(predictions.values) // SAMPLE)]
    if BOARDS[predictions.task].concentrations:
        values = np.log(values)
    return Seen(place, predictions.content_hash, predictions.task, values.astype(np.float32))


def check(path: Path, predictions: Predictions, seen: list[Seen]) -> None:
    """Raise PredictionError for a constant, for decisions, for a copy of what was seen; else add it to ``seen``."""
    values = predictions.values
    if len(values) > 1 and np.ptp(values, axis=0).max() < 1e-3:
        raise PredictionError(
            f"{path}: says the same of every galaxy: that is the class prior, which stands there already."
        )
    if not BOARDS[predictions.task].concentrations:
        decided = ((values == 0) | (values == 1)).all(axis=1).mean()
        if decided > DECIDED:
            raise PredictionError(
                f"{path}: {decided:.0%} of its rows hold nothing but 0 and 1: one-hot decisions, not probabilities. "
                "Give the model's probabilities, or how often each decision was right on validation galaxies."
            )
    mine = _seen(str(path), predictions)
    for other in seen:
        same = (other.content_hash, other.task) == (mine.content_hash, mine.task)
        if same and other.values.shape == mine.values.shape and _copied(mine, other):
            raise PredictionError(
                f"{path}: the same predictions as {other.place}: every seed and entry needs its own. A model without "
                "randomness is one seed."
            )
    seen.append(mine)


def _copied(mine: Seen, other: Seen) -> bool:
    """Return whether two files of the same galaxies are certain to be one, whatever was done to some rows."""
    same = (np.abs(other.values - mine.values) <= SAME).all(axis=1)
    if BOARDS[mine.task].concentrations:
        return bool(same.mean() >= COPIED)
    # Sure models say 0 and 1 of plain galaxies, each by itself.
    open_ = [((v > SAME) & (v < 1 - SAME)).any(axis=1) for v in (mine.values, other.values)]
    unclear = open_[0] | open_[1]
    return bool(same[unclear].mean() >= COPIED if unclear.sum() >= FEWEST else same.all())


def check_columns(path: Path, truth: Truth, predictions: Predictions) -> None:
    """Raise PredictionError if the columns fit the truth far better when some are exchanged."""
    from scipy.optimize import linear_sum_assignment

    board = BOARDS[predictions.task]
    names, true = board.file_columns(truth.tree), board.true_columns(truth)
    guess = board.probabilities(truth.tree, predictions.values)
    for group in board.comparable(truth.tree):
        table, deviation = _correlations(guess[:, group], true[:, group])
        rows, best = linear_sum_assignment(-table)
        if table[rows, best].sum() - np.trace(table) <= EXCHANGED:
            continue
        i, j = max(zip(rows, best), key=lambda pair: table[pair] - table[pair[0], pair[0]])
        if table[i, j] - table[i, i] > SURE * deviation[j]:
            mine = names[group]
            raise PredictionError(
                f"{path}: column {mine[i]!r} fits the truth of {mine[j]!r} (correlation {table[i, j]:.2f}, with its "
                f"own {table[i, i]:.2f}): the columns look exchanged."
            )


def _correlations(guess: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the correlation of each column of guess with each of true, and its standard deviation for each of true.

    Correlations are over the galaxies with a truth, 0 where one does not vary.
    """
    table, deviation = np.zeros((guess.shape[1], true.shape[1])), np.ones(true.shape[1])
    for j, column in enumerate(true.T):
        known = ~np.isnan(column)
        if known.sum() < 2:
            continue
        a, b = guess[known] - guess[known].mean(axis=0), column[known] - column[known].mean()
        scale = np.sqrt((a**2).sum(axis=0) * (b**2).sum())
        table[:, j] = np.divide(a.T @ b, scale, out=np.zeros(len(scale)), where=scale > 0)
        deviation[j] = 1 / np.sqrt(known.sum())
    return table, deviation

"""The class prior, which says the same of every galaxy, and how it stands in for galaxies that predictions lack."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from galaxy_zoo_decals.scoring.boards import BOARDS
from galaxy_zoo_decals.scoring.predicted import Predictions, check_against
from galaxy_zoo_decals.scoring.truth import Truth

MAY_LACK = 0.01
"""Largest share of the scored test galaxies that predictions may lack, where the class prior stands in for them;
beyond it they are scored on the galaxies they have, and have no place on the board."""


def complete(truth: Truth, predictions: Predictions, where: str = "predictions") -> Predictions:
    """Return predictions of all scored test galaxies: for those that are lacking the class prior says the same.

    Raises PredictionError as ``check_against`` does, so also where galaxies may not be lacking.
    """
    hashes = truth.content_hash, truth.split_hash
    check_against(predictions, hashes, truth.names, where, truth.may_lack)
    if len(predictions.names) == len(truth.names):
        return predictions
    place = {name: row for row, name in enumerate(truth.names)}
    rows = [place[name] for name in predictions.names]
    board = BOARDS[predictions.task]
    values = np.tile(board.to_file(truth.tree, board.prior(truth)), (len(truth.names), 1))
    values[rows] = predictions.values
    lacking = np.setdiff1d(np.arange(len(truth.names)), rows)
    return replace(predictions, names=truth.names, values=values, lacking=tuple(lacking.tolist()))


def lacks_too_many(truth: Truth, predictions: Predictions) -> bool:
    """Return whether completed predictions lack so many galaxies that they cannot be ranked."""
    return len(predictions.lacking) > MAY_LACK * len(truth.names)


def prior_values(truth: Truth) -> dict[str, np.ndarray]:
    """Return what the class prior says of every galaxy, by board, in the values of that board."""
    return {task: board.prior(truth) for task, board in BOARDS.items()}

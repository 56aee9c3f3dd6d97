"""Predictions in memory: what a model says of galaxies for one task, and whether they are those of an edition."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from galaxy_zoo_decals.errors import UserError


class PredictionError(UserError):
    """A prediction file that cannot be scored; the message names file, row and column and says what to do."""


@dataclass(frozen=True)
class Predictions:
    """Predictions for one task: float64 ``values`` (galaxies, columns) in the order of the board's ``file_columns``.

    multiclass, multilabel and hierarchical hold probabilities (groups normalised), votes concentrations. ``lacking``
    are the positions of galaxies that were not predicted, for which the class prior stands in (scoring/results.py).
    """

    task: str
    edition: str
    content_hash: str
    split_hash: str
    seed: int
    names: tuple[str, ...]
    values: np.ndarray
    lacking: tuple[int, ...] = ()

    def take(self, rows: np.ndarray) -> Predictions:
        """Return the predictions of some galaxies, by position."""
        return replace(self, names=tuple(self.names[i] for i in rows), values=self.values[rows], lacking=())


def check_against(
    predictions: Predictions, truth_hash: tuple[str, str], names: tuple[str, ...], where: str, may_lack: bool = False
) -> None:
    """Raise PredictionError unless the predictions are of this edition (content, split hash) and these galaxies.

    With ``may_lack`` galaxies may be absent, but none may be added and their order holds.
    """
    for word, found, expected in (
        ("content", predictions.content_hash, truth_hash[0]),
        ("split", predictions.split_hash, truth_hash[1]),
    ):
        if found != expected:
            raise PredictionError(
                f"{where}: made on another version of the edition ({word} hash {found[:12]}, expected "
                f"{expected[:12]}). Predict again on this edition."
            )
    if may_lack and predictions.names:
        held = set(predictions.names)
        strangers = held - set(names)
        if strangers:
            raise PredictionError(
                f"{where}: {min(strangers)!r} and {len(strangers) - 1:,} more are no scored test galaxies "
                "of this edition."
            )
        names = tuple(name for name in names if name in held)
    if len(predictions.names) != len(names):
        raise PredictionError(
            f"{where}: {len(predictions.names)} rows, but the edition has {len(names)} scored test galaxies."
        )
    for row, (found, expected) in enumerate(zip(predictions.names, names), start=1):
        if found != expected:
            raise PredictionError(
                f"{where}: row {row} is {found!r}, expected {expected!r}: one row a scored test galaxy, in the "
                "edition's order."
            )

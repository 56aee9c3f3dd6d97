"""Curves: what a training says of itself, epoch by epoch and in all, as run.json and a checkpoint keep it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Point:
    """One epoch of a curve."""

    epoch: int
    train_loss: float
    validation_loss: float
    validation_metric: float | None


@dataclass
class Curve:
    """How one network learned; ``best_epoch`` is the one whose weights were kept."""

    name: str
    points: list[Point] = field(default_factory=list)
    best_epoch: int = 0

    @property
    def lowest(self) -> float:
        """The validation loss of the best epoch, infinite before the first."""
        return self.points[self.best_epoch - 1].validation_loss if self.best_epoch else math.inf

    def to_json(self) -> dict[str, Any]:
        """Return the curve as it stands in run.json."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Curve:
        """Return the curve that ``to_json`` wrote."""
        return cls(kept["name"], [Point(**point) for point in kept["points"]], kept["best_epoch"])


@dataclass
class Training:
    """What a training measured of itself: ``seconds`` in all, ``step_seconds`` without validation.

    ``resumed`` tells each time an interrupted training went on: network, epochs done and learning rate.
    """

    curves: list[Curve] = field(default_factory=list)
    images: int = 0
    seconds: float = 0.0
    step_seconds: float = 0.0
    peak_memory: int = 0
    resumed: list[dict[str, Any]] = field(default_factory=list)

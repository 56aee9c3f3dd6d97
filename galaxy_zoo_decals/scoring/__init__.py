"""Scores from predictions alone: numpy, scipy and pandas only; the same for users, harness, checks and site."""

from galaxy_zoo_decals.scoring.boards import BOARDS, VERSION, Board, Confusion, Metric
from galaxy_zoo_decals.scoring.results import UNDEFINED, Estimate, Result, references, score, seed_spread
from galaxy_zoo_decals.scoring.truth import MIN_POSITIVES, Truth

__all__ = [
    "BOARDS",
    "MIN_POSITIVES",
    "UNDEFINED",
    "VERSION",
    "Board",
    "Confusion",
    "Estimate",
    "Metric",
    "Result",
    "Truth",
    "references",
    "score",
    "seed_spread",
]

"""Differences of two entries' scores on the same galaxies, and whether they are significant among all of a board."""

from __future__ import annotations

from dataclasses import dataclass

from galaxy_zoo_decals.scoring.boards import Metric
from galaxy_zoo_decals.scoring.bootstrap import interval
from leaderboard.ranking import stored_scores, ties
from leaderboard.ranking.stored_scores import Score
from leaderboard.ranking.ties import Scored


@dataclass(frozen=True)
class Difference:
    """A score less another with its paired 95 % interval (of which galaxies were tested).

    ``apart`` says whether the difference is significant where the spread of the trainings counts too and all pairs
    of the one board hold together, as tie letters do (ranking.py). Nothing holds several boards together.
    """

    value: float
    low: float
    high: float
    apart: bool
    better: bool

    @property
    def verdict(self) -> str:
        """What it says of the first of the two: a claim needs both the interval and the letters."""
        if not self.apart or self.low <= 0 <= self.high:
            return "statistically tied"
        return "better" if self.better else "worse"


def between(
    metric: Metric, every: list[list[Score]], first: int, second: int, training: float, members: bool = False
) -> Difference:
    """Return the difference of two entries, by position among ``every`` one of a board (each the scores of its seeds).

    ``training`` is the usual spread of trainings on the board (versions.training). With ``members`` the one is an
    ensemble of the other's very trainings: galaxies alone vary then.
    """
    pair = [stored_scores.mean(every[k]) for k in (first, second)]
    value = pair[0].metrics[metric.name][0] - pair[1].metrics[metric.name][0]
    low, high = interval(pair[0].draws[metric.name].astype(float) - pair[1].draws[metric.name])
    apart = not low <= 0 <= high
    if not members:
        one, two = (
            Scored([score.metrics[metric.name][0] for score in every[k]], mean.draws[metric.name], training)
            for k, mean in zip((first, second), pair)
        )
        apart = abs(value) > ties.between(one, two, len(every))
    return Difference(value, low, high, apart, (value > 0) == metric.higher_is_better)

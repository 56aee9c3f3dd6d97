"""Differences of two entries' scores on the same galaxies, and whether they are significant among all of a board."""

from __future__ import annotations

from dataclasses import dataclass

from galaxy_zoo_decals.scoring.boards import Metric
from galaxy_zoo_decals.scoring.bootstrap import interval
from leaderboard import ranking, scores
from leaderboard.scores import Score


@dataclass(frozen=True)
class Difference:
    """A score less another with its paired 95 % interval (of which galaxies were tested).

    ``apart`` says whether the difference is significant where the spread of the trainings counts too and all pairs
    of the board hold together, as tie letters do (ranking.py).
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


def between(metric: Metric, every: list[list[Score]], first: int, second: int, members: bool = False) -> Difference:
    """Return the difference of two entries, by position among ``every`` one of a board (each the scores of its seeds).

    With ``members`` the one is an ensemble of the other's very trainings: galaxies alone vary then.
    """
    means = [scores.mean(seeds) for seeds in every]
    a, b = means[first], means[second]
    value = a.metrics[metric.name][0] - b.metrics[metric.name][0]
    low, high = interval(a.draws[metric.name].astype(float) - b.draws[metric.name])
    apart = not low <= 0 <= high
    if not members:
        values = [[score.metrics[metric.name][0] for score in seeds] for seeds in every]
        draws = [mean.draws[metric.name] for mean in means]
        places = ranking.rank(values, draws, metric.higher_is_better).places
        apart = not ranking.share(places[first].letters, places[second].letters)
    return Difference(value, low, high, apart, (value > 0) == metric.higher_is_better)

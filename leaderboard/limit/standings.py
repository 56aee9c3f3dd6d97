"""What the report is made of: the maintainers' entries on each edition, their scores, and paired differences."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from galaxy_zoo_decals.scoring import BOARDS
from galaxy_zoo_decals.scoring.bootstrap import interval
from leaderboard import entries, ranking, scores, versions
from leaderboard.entries import Entry
from leaderboard.files import LeaderboardError, read_text
from leaderboard.scores import Score
from leaderboard.truths import Key, Truths

PLAN = Path(__file__).resolve().parents[2] / "benchmark" / "boards.yaml"

EDITIONS = ("gz2", "simulated")
"""Editions the report is about, real galaxies first."""

CEILING = "noise ceiling"


@dataclass(frozen=True)
class Difference:
    """A score less another on the same test galaxies, with its paired 95 % interval.

    ``apart`` says whether the two are told from each other where the spread of the trainings counts too, as on the
    boards (ranking.py).
    """

    value: float
    low: float
    high: float
    apart: bool
    better: bool

    @property
    def verdict(self) -> str:
        """What it says of the first of the two."""
        if not self.apart or self.low <= 0 <= self.high:
            return "not told apart"
        return "better" if self.better else "worse"


@dataclass(frozen=True)
class Edition:
    """The entries of one edition by the folder of their runs in the plan, and its reference rows."""

    key: Key
    title: str
    galaxies: int
    entries: dict[str, Entry]
    references: dict[str, dict[str, Score]]
    missing: list[str] = field(default_factory=list)
    """Names of the plan's entries that do not stand."""

    def score(self, name: str, board: str) -> Score | None:
        """Return an entry's mean score on a board, None where it has none."""
        entry = self.entries.get(name)
        return entry.score(self.key, board) if entry else None

    def on(self, board: str) -> dict[str, Score]:
        """Return the entries of a board, {folder of runs: mean score}, the best first."""
        primary = BOARDS[board].metrics[BOARDS[board].primary]
        found = {name: score for name in self.entries if (score := self.score(name, board)) is not None}
        sign = -1 if primary.higher_is_better else 1
        return dict(sorted(found.items(), key=lambda item: sign * item[1].metrics[primary.name][0]))

    def band(self, board: str, metric: str, title: str = CEILING) -> tuple[float, float]:
        """Return the ends of a reference's score: equal, but for the ceiling where numbers of votes are assumed."""
        found = [s.metrics[metric][0] for name, s in self.references[board].items() if name.startswith(title)]
        return (min(found), max(found)) if found else (math.nan, math.nan)

    def band_of(self, board: str, row: str, column: str, title: str = CEILING) -> tuple[float, float]:
        """Return the ends of a reference's score on one class, label or question."""
        found = [
            float(r[column])
            for name, s in self.references[board].items()
            for r in s.rows
            if name.startswith(title) and r["name"] == row
        ]
        return (min(found), max(found)) if found else (math.nan, math.nan)

    def difference(self, first: str, second: str, board: str, metric: str) -> Difference | None:
        """Return an entry's score less another's, None where one of them is not on the board."""
        if first not in self.entries or second not in self.entries:
            return None
        seeds = [self.entries[name].seeds(self.key, board) for name in (first, second)]
        if not all(seeds):
            return None
        a, b = (scores.mean([t.scores[board] for t in one]) for one in seeds)
        better = BOARDS[board].metrics[metric].higher_is_better
        values = [[t.scores[board].metrics[metric][0] for t in one] for one in seeds]
        one, two = ranking.rank(values, [a.draws[metric], b.draws[metric]], better).places
        value = a.metrics[metric][0] - b.metrics[metric][0]
        low, high = interval(a.draws[metric].astype(float) - b.draws[metric])
        apart = not ranking.share(one.letters, two.letters)
        return Difference(value, low, high, apart, (value > 0) == better)


def read(root: Path, truths: Truths) -> dict[str, Edition]:
    """Return the editions of the report; raises LeaderboardError if what stands cannot be read."""
    plan = yaml.safe_load(read_text(PLAN))["entries"]
    standing, warnings = entries.submitted(root, truths)
    if warnings:
        raise LeaderboardError(warnings[0])
    references = scores.read_references(root / "scores")
    newest = versions.read(root / "benchmark")[-1]
    found = {}
    for name in EDITIONS:
        frozen = newest.editions[name]
        key = name, frozen.content_hash
        titles = {e.title: e for e in standing if e.submission and e.submission.official and key in e.editions}
        mine = [(one["runs"], one["name"]) for one in plan if one["edition"] == name]
        if key not in references or not all(any(e.score(key, board) for e in titles.values()) for board in BOARDS):
            raise LeaderboardError(f"{name} has no references yet, or a board of it is empty: make boards.")
        found[name] = Edition(
            key,
            frozen.title,
            frozen.galaxies,
            {runs: titles[title] for runs, title in mine if title in titles},
            references[key],
            [title for _, title in mine if title not in titles],
        )
    return found

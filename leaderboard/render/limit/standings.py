"""What the report is made of: the maintainers' entries on each edition, their scores, and paired differences."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml

from galaxy_zoo_decals.scoring import BOARDS
from leaderboard.entry import versions
from leaderboard.entry.truths import Key, Truths
from leaderboard.files import ROOT, LeaderboardError, read_text
from leaderboard.ranking import entries, stored_scores
from leaderboard.ranking.differences import Difference, between
from leaderboard.ranking.entries import Entry
from leaderboard.ranking.stored_scores import Score

PLAN = ROOT / "benchmark" / "boards.yaml"

EDITIONS = ("gz2", "simulated")
"""Editions the report is about, real galaxies first."""

CEILING, PRIOR = "noise ceiling", "class prior"
PANELS = ("10 volunteers", "40 volunteers")
"""Reference rows that the report names; the class prior alone where the truth is no counts of volunteers."""


@dataclass(frozen=True)
class Edition:
    """The entries of one edition by the folder of their runs in the plan, and its reference rows."""

    key: Key
    title: str
    galaxies: int
    entries: dict[str, Entry]
    references: dict[str, dict[str, Score]]
    counted_votes: bool
    """Whether its truth is votes of volunteers: else it has no ceiling, no panel and no number of volunteers."""
    members: dict[str, str]
    """Of an ensemble, the folder of the runs that it is made of."""
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

    def reference(self, board: str, metric: str, title: str) -> float:
        """Return a reference's score, NaN where there is no such row."""
        row = self.references[board].get(title)
        return row.metrics[metric][0] if row else math.nan

    def reference_of(self, board: str, row: str, column: str, title: str) -> float:
        """Return a reference's score on one class, label or question, NaN where there is no such row."""
        found = self.references[board].get(title)
        return next((float(r[column]) for r in found.rows if r["name"] == row), math.nan) if found else math.nan

    def flattered(self, board: str) -> float:
        """Return by how much the score of a board's best entry is too good, as it was chosen on the same galaxies.

        In every bootstrap draw the best is chosen again, and what it scores there is held against its own score.
        """
        metric = BOARDS[board].metrics[BOARDS[board].primary]
        sign = 1 if metric.higher_is_better else -1
        on = list(self.on(board).values())
        drawn = np.array([score.draws[metric.name] for score in on], dtype=float)
        best = np.argmax(sign * drawn, axis=0)
        own = np.array([score.metrics[metric.name][0] for score in on])
        return float(np.mean(drawn[best, np.arange(drawn.shape[1])] - own[best]))

    def difference(self, first: str, second: str, board: str, metric: str) -> Difference | None:
        """Return an entry's score less another's, None where one of them is not on the board."""
        names = list(self.on(board))
        if first not in names or second not in names:
            return None
        every = [[t.scores[board] for t in self.entries[name].seeds(self.key, board)] for name in names]
        pair = names.index(first), names.index(second)
        together = self.members.get(first) == second
        usual = versions.training(self.key, board)
        return between(BOARDS[board].metrics[metric], every, *pair, usual, members=together)


def read(root: Path, truths: Truths) -> tuple[dict[str, Edition], list[str]]:
    """Return the editions of the report, and warnings of entries that cannot be read.

    Raises LeaderboardError if a board of an edition has no entry of the plan yet.
    """
    plan = yaml.safe_load(read_text(PLAN))["entries"]
    standing, warnings = entries.submitted(root, truths)
    references = stored_scores.read_references(root / "scores")
    newest = versions.read(root / "benchmark")[-1]
    found = {}
    for name in EDITIONS:
        frozen = newest.editions[name]
        key = name, frozen.content_hash
        ours = [e for e in standing if e.official and e.submission and e.submission.status == "active"]
        titles = {e.submission.name: e for e in ours if e.submission and key in e.editions}
        mine = {one["runs"]: one for one in plan if one["edition"] == name}
        found[name] = Edition(
            key,
            frozen.title,
            frozen.galaxies,
            {runs: titles[one["name"]] for runs, one in mine.items() if one["name"] in titles},
            references.get(key, {}),
            frozen.terms.counted_votes,
            {runs: one["together"] for runs, one in mine.items() if "together" in one},
            [one["name"] for one in mine.values() if one["name"] not in titles],
        )
        if not found[name].references or not all(found[name].on(board) for board in BOARDS):
            raise LeaderboardError(f"{name} has no references yet, or a board of it is empty: make boards.")
    return found, warnings

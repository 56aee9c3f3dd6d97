"""Reproduction: a run made anew by an entry's command, held against the entry's own seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from galaxy_zoo_decals.scoring import BOARDS
from leaderboard import entries, runs
from leaderboard.entries import Entry
from leaderboard.files import LeaderboardError
from leaderboard.truths import Truths

DEVIATIONS = 2.0
"""Standard deviations between the entry's seeds that a run may be off: the rule of the badge "re-trained"."""


@dataclass(frozen=True)
class Again:
    """The primary score of one run on one board, beside the scores of the entry's seeds."""

    run: Path
    seed: int
    board: str
    score: float
    seeds: dict[int, float]

    @property
    def mean(self) -> float:
        """Mean over the entry's seeds."""
        return float(np.mean(list(self.seeds.values())))

    @property
    def spread(self) -> float:
        """Standard deviation over the entry's seeds."""
        return float(np.std(list(self.seeds.values()), ddof=1))

    @property
    def same(self) -> bool:
        """Whether it scores what the entry's own run of that seed scores, to the last stored digit."""
        return self.seed in self.seeds and math.isclose(self.score, self.seeds[self.seed], rel_tol=0, abs_tol=1e-6)

    @property
    def off(self) -> float:
        """How many standard deviations it lies from the entry's mean."""
        gap = abs(self.score - self.mean)
        return gap / self.spread if self.spread > 0 else (0.0 if gap < 1e-6 else math.inf)

    @property
    def good(self) -> bool:
        """Whether that is near enough."""
        return self.same or self.off <= DEVIATIONS


def compare(entry: Entry, folder: Path, truths: Truths) -> list[Again]:
    """Score a run and hold it against an entry on every board they share.

    Raises LeaderboardError if it is a run of something else: another edition, model or setting.
    """
    run, own = runs.read(folder / "run.json"), entry.run
    told = [
        ("edition", own.edition.name, run.edition.name),
        ("model", own.title, run.title),
        ("recipe", own.recipe_name, run.recipe_name),
        *((f"setting {key}", value, run.settings.get(key, value)) for key, value in own.settings.items()),
    ]
    for word, mine, theirs in told:
        if mine != theirs:
            raise LeaderboardError(f"{folder} is no run of {entry.slug}: its {word} is {theirs!r}, not {mine!r}.")
    # A setting that the harness did not have when the entry was made must do nothing, which 0, false and none do.
    for key, value in run.settings.items():
        if key not in own.settings and value:
            raise LeaderboardError(f"{folder} is no run of {entry.slug}, which knows no {key}: here it is {value!r}.")
    trained = entries.scored(folder, truths)
    where = trained[0].key
    if where not in entry.editions:
        raise LeaderboardError(f"{folder} is of another content of {where[0]} than {entry.slug}: prepare it again.")
    found = []
    for one in trained:
        if one.unscored:
            raise LeaderboardError(f"{folder}: not scored: {one.unscored}")
        for board, score in one.scores.items():
            primary = BOARDS[board].primary
            seeds = {t.run.seed: t.scores[board].metrics[primary][0] for t in entry.seeds(where, board)}
            if len(seeds) < 2:
                raise LeaderboardError(f"{entry.slug} has {len(seeds)} seed: nothing tells how far trainings differ.")
            found.append(Again(folder, run.seed, board, score.metrics[primary][0], seeds))
    return found


def words(entry: Entry, found: list[list[Again]]) -> list[str]:
    """Say how the runs compare with the entry, a line a board and run."""
    lines = [f"{entry.title} ({entry.slug}), {len(next(iter(found))[0].seeds)} seeds:"]
    for one in (one for run in found for one in run):
        metric = BOARDS[one.board].metrics[BOARDS[one.board].primary]
        score, mean = (format(value, metric.format) for value in (one.score, one.mean))
        verdict = (
            "the very score of the entry's seed"
            if one.same
            else f"{one.off:.1f} s.d. off{'' if one.good else f', more than {DEVIATIONS:g}'}"
        )
        lines.append(
            f"  {one.run}, seed {one.seed}: {BOARDS[one.board].title}, {metric.title} {score}; the entry {mean} "
            f"(s.d. {one.spread:.2g}): {verdict}"
        )
    good = all(one.good for run in found for one in run)
    lines.append("Reproduced." if good else "Not reproduced.")
    return lines

"""Reproduction: runs made anew by an entry's command, held against the entry's own seeds.

A new training differs from the mean of n seeds by a standard deviation of s sqrt(1 + 1/n), s the spread of trainings.
Three seeds say little of s, so that it is the entry's own, raised towards the usual one where it is smaller, as where
entries are ranked (ranking.py). A run may be as far off as two standard deviations are of one number; where it is
judged by several (boards, runs), as far as leaves the same chance that any of them is farther off.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import norm

from galaxy_zoo_decals.scoring import BOARDS
from leaderboard.entry import evidence, run_json
from leaderboard.entry.truths import Truths
from leaderboard.files import LeaderboardError, sha256
from leaderboard.ranking import entries
from leaderboard.ranking.board_table import scored
from leaderboard.ranking.entries import Entry

DEVIATIONS = 2.0
"""Standard deviations that one number may be off: the rule of the badge "re-trained"."""

OFF = (None, False, 0, "none")
"""Values of a setting that does nothing."""


@dataclass(frozen=True)
class Again:
    """The primary score of one run on one board, beside the scores of the entry's seeds.

    ``spread`` is the standard deviation of trainings, ``judged`` how many such numbers are judged together.
    """

    run: Path
    seed: int
    board: str
    score: float
    seeds: dict[int, float]
    spread: float
    judged: int = 1

    @property
    def mean(self) -> float:
        """Mean over the entry's seeds."""
        return float(np.mean(list(self.seeds.values())))

    @property
    def same(self) -> bool:
        """Whether it scores what the entry's own run of that seed scores, to the last stored digit."""
        return self.seed in self.seeds and math.isclose(self.score, self.seeds[self.seed], rel_tol=0, abs_tol=1e-6)

    @property
    def off(self) -> float:
        """How many standard deviations of a new training it lies from the entry's mean."""
        gap, wide = abs(self.score - self.mean), self.spread * math.sqrt(1 + 1 / len(self.seeds))
        return gap / wide if wide > 0 else (0.0 if gap < 1e-6 else math.inf)

    @property
    def allowed(self) -> float:
        """How many it may be."""
        return float(norm.isf(norm.sf(DEVIATIONS) / self.judged))

    @property
    def good(self) -> bool:
        """Whether that is near enough."""
        return self.same or self.off <= self.allowed


def compare(entry: Entry, folders: list[Path], truths: Truths) -> list[Again]:
    """Score runs and hold them against an entry on every board they share.

    Raises LeaderboardError if one is a run of something else: another edition, model or setting.
    """
    found = [one for folder in folders for one in _compare(entry, folder, truths)]
    if not found:
        raise LeaderboardError(f"{entry.slug} and these runs are on no board together: nothing can be compared.")
    return [Again(**{**vars(one), "judged": len(found)}) for one in found]


def _compare(entry: Entry, folder: Path, truths: Truths) -> list[Again]:
    if not (folder / "run.json").is_file():
        raise LeaderboardError(f"{folder} holds no run.json: give the folder of a finished run.")
    run = run_json.read(folder / "run.json")
    where = run.edition.name, run.edition.content_hash
    own = next((t.run for t in entry.trained if t.key == where), None)
    if own is None:
        there = ", ".join(f"{name} ({content[:12]})" for name, content in entry.editions)
        raise LeaderboardError(
            f"{folder} is of {where[0]} ({where[1][:12]}), and {entry.slug} of {there}: prepare that edition."
        )
    told = [("model", own.title, run.title), ("recipe", own.recipe_name, run.recipe_name)]
    for key in sorted(own.settings | run.settings):
        # A setting that one of the two harnesses did not have did nothing there, as 0, false and none do here.
        mine, theirs = own.settings.get(key), run.settings.get(key)
        if mine not in OFF or theirs not in OFF:
            told.append((f"setting {key}", mine, theirs))  # type: ignore[arg-type]
    for word, mine, theirs in told:
        if mine != theirs:
            raise LeaderboardError(f"{folder} is no run of {entry.slug}: its {word} is {theirs!r}, not {mine!r}.")
    found = []
    for one in entries.scored(folder, truths):
        if one.unscored:
            raise LeaderboardError(f"{folder}: not scored: {one.unscored}")
        for board, score in one.scores.items():
            primary = BOARDS[board].primary
            seeds = {t.run.seed: t.scores[board].metrics[primary][0] for t in entry.seeds(where, board)}
            if not seeds:
                continue
            if len(seeds) < 2:
                raise LeaderboardError(f"{entry.slug} has one seed: nothing tells how far its trainings differ.")
            spread = math.sqrt(scored(where, BOARDS[board], entry).training)
            found.append(Again(folder, run.seed, board, score.metrics[primary][0], seeds, spread))
    return found


def to_store(entry: Entry, found: list[Again]) -> evidence.Retrained:
    """Return what may be stored of a reproduction; raises LeaderboardError if a run is too far off."""
    far = [one for one in found if not one.good]
    if far:
        raise LeaderboardError(f"nothing was stored: {far[0].run} is too far from {entry.slug}.")
    told: list[dict[str, Any]] = []
    compared: dict[str, None] = {}
    for one in found:
        run = run_json.read(one.run / "run.json")
        key = run.edition.name, run.edition.content_hash
        task = one.board if one.board in run.tasks else "votes"  # votes enter every board
        below = run_json.prediction_path(run.edition.name, task, run.seed)
        compared |= dict.fromkeys(t.sha256 for t in entry.seeds(key, one.board))
        told.append(
            {
                "edition": key[0], "content_hash": key[1], "board": one.board, "seed": one.seed,
                "commit": run.git.commit if run.git else None, "prediction_sha256": sha256(one.run / below),
                "score": one.score, "mean": one.mean, "off": one.off if math.isfinite(one.off) else 0.0,
                "allowed": one.allowed, "same": one.same,
            }
        )  # fmt: skip
    day = datetime.now(UTC).date().isoformat()
    return evidence.Retrained.model_validate(
        {"format": evidence.FORMAT, "day": day, "compared_with": list(compared), "runs": told}
    )


def words(entry: Entry, found: list[Again]) -> list[str]:
    """Say how the runs compare with the entry, a line a board and run."""
    lines = [f"{entry.title} ({entry.slug}):"]
    for one in found:
        metric = BOARDS[one.board].metrics[BOARDS[one.board].primary]
        score, mean = (format(value, metric.format) for value in (one.score, one.mean))
        verdict = f"{one.off:.1f} s.d. off, {one.allowed:.1f} allowed{'' if one.good else ': TOO FAR'}"
        if one.same:
            verdict = "the very score of the entry's seed"
        lines.append(
            f"  {one.run}, seed {one.seed}: {BOARDS[one.board].title}, {metric.title} {score}; the entry {mean} of "
            f"{len(one.seeds)} seeds, s.d. of trainings {one.spread:.2g}: {verdict}"
        )
    lines.append("Reproduced." if all(one.good for one in found) else "Not reproduced.")
    return lines

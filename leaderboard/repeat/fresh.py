"""Fresh galaxies: test galaxies of a simulated edition that nobody can have seen before an entry was merged.

They are drawn by the simulator from a seed that a public beacon gives out after the merge: neither the submitter, who
would have to foresee it, nor a maintainer, who would have to choose it, has a hand in it.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from galaxy_zoo_decals import splits
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.prepare.builder import build
from galaxy_zoo_decals.prepare.cleaning import Rules
from galaxy_zoo_decals.scoring import Truth
from galaxy_zoo_decals.simulation import survey
from galaxy_zoo_decals.simulation.scene import VERSION, Stream, generator
from galaxy_zoo_decals.sources.simulated import PIECE, Simulated, simulate
from leaderboard.files import LeaderboardError

CHAIN = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"
"""drand's quicknet: a round every three seconds, signed by a league of which a majority would have to cheat."""

GENESIS, PERIOD = 1692803367, 3
"""Time of the chain's first round (seconds since 1970, UTC) and seconds between two."""

LOOKED_THROUGH = 1000
"""Positions looked at together: a fifth of them lies in cells of the test split."""

LOOKED_AT = 5
"""Galaxies of the frozen edition that are drawn again to see that the simulator is still the one it was drawn by."""


def due(merged: datetime) -> int:
    """Return the round of the beacon that an entry's fresh galaxies come from: the first of the day after its merge."""
    day = merged.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return math.ceil((day.timestamp() - GENESIS) / PERIOD) + 1


def address(beacon: int) -> str:
    """Return where a round of the beacon can be read."""
    return f"https://api.drand.sh/{CHAIN}/public/{beacon}"


def seed(text: str) -> int:
    """Return the simulator's seed that a text gives: the first 12 hex digits of its sha256."""
    return int(hashlib.sha256(text.strip().lower().encode()).hexdigest()[:12], 16)


def is_randomness(text: str) -> bool:
    """Return whether a text has the form of a round's ``randomness``: 64 hex digits."""
    return re.fullmatch(r"[0-9a-f]{64}", text.strip().lower()) is not None


@dataclass(frozen=True)
class Fresh(Simulated):
    """The first ``galaxies`` of a seed that lie in cells of the test split: their volunteers were asked as the board's.

    All are test galaxies, but for one of each other split, without which no edition is.
    """

    def split(self, catalogue: pd.DataFrame) -> pd.Series:
        """Return the split of every row."""
        names = np.full(len(catalogue), "test", dtype=object)
        usable = np.flatnonzero(splits.scored(catalogue))[:2]
        names[usable] = ["train", "validation"][: len(usable)]
        return pd.Series(names.astype(str), index=catalogue.index)

    def _order(self) -> list[int]:
        named: list[tuple[str, int]] = []
        start = 0
        while len(named) < self.galaxies:
            indices = range(start, start := start + LOOKED_THROUGH)
            places = [survey.draw_position(generator(self.seed, index, Stream.RECORD)) for index in indices]
            inside = splits.by_sky_cell(*np.transpose(places)) == "test"
            named += [(survey.iauname(*places[i]), indices[i]) for i in np.flatnonzero(inside)]
        return [index for _, index in sorted(named[: self.galaxies])]


def check(edition: Edition) -> None:
    """Raise LeaderboardError unless the simulator here draws the galaxies that this edition is made of.

    Else fresh galaxies would be of another population, and a difference would say nothing about an entry. Some of the
    edition's own test galaxies are drawn again: their votes must come out.
    """
    source = edition.facts["source"]
    if not edition.terms.simulated or source.get("kind") != "simulated":  # type: ignore[attr-defined]
        raise LeaderboardError(f"{edition.name} is not simulated: no fresh galaxies of it can be drawn.")
    made, number = source["simulator"], int(source["seed"])  # type: ignore[index]
    if made != VERSION:
        raise LeaderboardError(
            f"{edition.name} was drawn by version {made} of the simulator, and this is version {VERSION}: fresh "
            "galaxies would be of another population. Check out a commit with that version."
        )
    indices = {}
    for index in range(int(source["galaxies"])):  # type: ignore[index]
        indices[survey.iauname(*survey.draw_position(generator(number, index, Stream.RECORD)))] = index
    columns = list(edition.tree.answer_columns)
    rows = edition.table("test", ["iauname", *columns]).head(LOOKED_AT)
    for name, votes in zip(rows["iauname"], rows[columns].to_numpy()):
        drawn = simulate(number, 32, 90, indices[name]) if name in indices else {}
        if [drawn.get(column) for column in columns] != votes.tolist():
            raise LeaderboardError(
                f"{edition.path}: {name} is not the galaxy that the simulator draws here, though both say version "
                f"{VERSION}: fresh galaxies would be of another population."
            )


def draw(edition: Edition, text: str, galaxies: int, out: Path) -> Edition:
    """Draw about ``galaxies`` scored test galaxies of the kind of a simulated edition, as an edition in ``out``.

    Size, quality and cleaning are the edition's; the seed is that of ``text``. Raises LeaderboardError if the simulator
    is not the one the edition was drawn by, or the seed is the edition's own.
    """
    check(edition)
    facts = edition.facts
    if seed(text) == int(facts["source"]["seed"]):  # type: ignore[index]
        raise LeaderboardError(f"this seed is that of {edition.name} itself: its galaxies are not fresh.")
    rows, test = facts["cleaning"], facts["counts"]["test"]  # type: ignore[index]
    kept = rows["steps"][-1]["left"] / rows["rows"] * test["scored"] / test["galaxies"]  # type: ignore[index]
    number = math.ceil(galaxies / kept) + 2
    size, quality = int(facts["image_size"]), int(facts["image_quality"])  # type: ignore[call-overload]
    source = Fresh(number, seed(text), size=size, quality=quality, title=f"Fresh galaxies, seed {seed(text)}")
    processes = os.cpu_count() or 1 if number > PIECE else 1
    rules = Rules(**rows["rules"])  # type: ignore[index]
    build(source, out, name="fresh", size=size, quality=quality, rules=rules, processes=processes)
    return Edition.open(str(out))


def truth(fresh: Edition, board: Truth) -> Truth:
    """Return the truth of fresh galaxies; macro means are over the classes, labels and questions that the board's are.

    So both scores are of one definition, even where a rare class falls under the limit on one of them by chance.
    """
    return replace(Truth.of(fresh), counted_as=board)

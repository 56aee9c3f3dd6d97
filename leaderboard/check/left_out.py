"""Galaxies that an entry did not predict: missing in the source of its pictures, or left out.

An entry could leave out the hard galaxies, for which the class prior then stands in. Galaxies that are missing at
random are as hard as the rest. If other entries do badly on the missing ones, they may have been
chosen; a person decides.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.predictions import Predictions
from galaxy_zoo_decals.scoring import BOARDS, Truth
from galaxy_zoo_decals.scoring.results import board_values
from leaderboard.entry import prediction_file
from leaderboard.entry.truths import Key, Truths
from leaderboard.files import read_json, write_json
from leaderboard.ranking.entries import Entry, Trained

SUBSETS = 2000
"""Random subsets that the galaxies are compared with."""

RARE = 0.01
"""Share of random subsets as hard as these, below which a person should look at the choice."""


def flags(entry: Entry, entries: list[Entry], truths: Truths) -> list[str]:
    """Return what a person should know of the galaxies that an entry lacks, edition by edition."""
    found: list[str] = []
    for key, edition in entry.editions.items():
        truth = truths.truth(key)
        if truth is None or not truth.may_lack:
            continue
        mine = {t.predictions: frozenset(_read(t, truth).lacking) for t in entry.trained if t.key == key}
        every = frozenset[int]().union(*mine.values())
        if not every:
            continue
        if any(t.unproven for t in entry.trained if t.key == key):
            found.append(
                f"{edition.name}: the entry has no rank, because the galaxies that it lacks are not those that the "
                f"source of its pictures is known to lack (sources: {', '.join(truths.lacking(key)) or 'none yet'}). "
                "`python -m leaderboard lacking` records them from an edition with these pictures."
            )
        where = f"{edition.name}: {len(every):,} scored test galaxies were not predicted"
        found.append(f"{where}: does the source of its pictures ({edition.pictures or 'not said'}) lack them?")
        if len(set(mine.values())) > 1:
            found.append(
                f"{edition.name}: its prediction files lack different galaxies, though its pictures are one set."
            )
        others = [t for e in entries if e.slug != entry.slug for t in e.trained if t.key == key]
        alike = [t for t in others if t.run.edition.pictures == edition.pictures is not None]
        had = sorted(every - set(_read(alike[0], truth).lacking)) if alike else []
        if had:
            more = f" and {len(had) - 1:,} more" if len(had) > 1 else ""
            found.append(
                f"{edition.name}: it lacks {truth.names[had[0]]}{more}, which an entry with the same pictures has."
            )
        share = harder(truth, sorted(every), [_read(t, truth) for t in _one_each(entries, entry, key)])
        if share is not None and share < RARE:
            found.append(
                f"{edition.name}: the galaxies that it lacks are harder for other entries than {1 - share:.1%} of "
                "random sets of the same size. Were hard galaxies left out?"
            )
    return found


def write(path: Path, truth: Truth, edition: Edition) -> int:
    """Write down which galaxies of a frozen survey the pictures of an edition lack; returns how many."""
    held = set(edition.table("test", ["iauname"])["iauname"])
    known = read_json(path) if path.is_file() else {}
    known[edition.terms.pictures] = [name for name in truth.names if name not in held]
    write_json(path, dict(sorted(known.items())))
    return len(known[edition.terms.pictures])


def harder(truth: Truth, rows: list[int], others: list[Predictions]) -> float | None:
    """Return the share of random subsets that are as hard for other entries as some galaxies; None without others."""
    if not others:
        return None
    ranks = np.zeros(len(truth.names))
    for given in others:
        board = given.task
        values = board_values(truth.tree, given)[board]
        # Ranks: a single galaxy that nobody could guess must not decide.
        ranks += BOARDS[board].disagreement(truth, values, BOARDS[board].columns(truth, values)).argsort().argsort()
    rng = np.random.default_rng(0)
    drawn = [ranks[rng.choice(len(ranks), len(rows), replace=False)].mean() for _ in range(SUBSETS)]
    return float((np.array(drawn) >= ranks[rows].mean()).mean())


def _one_each(entries: list[Entry], entry: Entry, key: Key) -> list[Trained]:
    """Return one prediction file of every other entry on an edition."""
    found = [[t for t in e.trained if t.key == key] for e in entries if e.slug != entry.slug]
    return [trained[0] for trained in found if trained]


def _read(trained: Trained, truth: Truth) -> Predictions:
    return prediction_file.read(trained.predictions, truth)

"""Near copies: predictions that are another file's but for a monotone map, noise or some galaxies.

Predictions are compared by what they say of the same answers and classes, whatever task they were made for, and by the
order in which they put the galaxies, so that powers, scales and temperatures hide little. Three measures: of how many
galaxies two files say the same; how far apart they put the median galaxy; and how well one follows another in what the
other's own further seeds do not explain.
Separate trainings share what pictures show and what their recipe gets wrong, and nothing else.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from galaxy_zoo_decals import predictions as prediction_files
from galaxy_zoo_decals.predictions import Predictions
from galaxy_zoo_decals.schema import CLASSES, Tree
from galaxy_zoo_decals.scoring import BOARDS
from galaxy_zoo_decals.scoring.results import board_values
from leaderboard.check.plausibility import SAME
from leaderboard.entry.truths import Truths, tree_of
from leaderboard.files import visible
from leaderboard.ranking.entries import Entry, Trained

CLOSE = 0.0125
"""Distance in rank, as a share of the galaxies, below which a person is told: separate trainings are further apart
(docs/evidence/cheating.md)."""

SHARED = 0.1
"""Share of the galaxies that are not plain to both files from which on a person is told if the same is said of them."""

FOLLOWS = 0.3
"""Correlation above that of separate trainings of one recipe from which on a person is told."""

MOST = 2000
"""Galaxies that are looked at: the same ones of every file, whichever galaxies it lacks."""

CERTAIN = 1e-3
"""Distance of a probability from 0 or 1 below which it is decided: what is put down as sure has no order."""

FEWEST = 20
"""Galaxies below which a column is left out."""


@dataclass(frozen=True, eq=False)
class Said:
    """What a prediction file says of each answer and class, by column name (galaxies,), with the galaxies' names."""

    names: tuple[str, ...]
    columns: dict[str, np.ndarray]

    @classmethod
    def of(cls, tree: Tree, predictions: Predictions) -> Said:
        """Return what predictions say of the galaxies that are looked at."""
        board, values = BOARDS[predictions.task], predictions.values
        columns: dict[str, np.ndarray] = {}
        if (answers := board.file_answers(tree)) is not None:
            columns |= {tree.answer_columns[i]: v for i, v in zip(answers, board.probabilities(tree, values).T)}
        if (classes := board_values(tree, predictions).get("multiclass")) is not None:
            columns |= dict(zip(CLASSES, classes.T))
        order = sorted(range(len(predictions.names)), key=lambda i: zlib.crc32(predictions.names[i].encode()))[:MOST]
        rows = np.sort(np.array(order, dtype=int))
        return cls(tuple(predictions.names[i] for i in rows), {k: v[rows] for k, v in columns.items()})

    @cached_property
    def ranks(self) -> dict[str, np.ndarray]:
        """The place of each galaxy among all, from 0 to 1, by column; equal values share theirs."""
        return {k: (rankdata(v) - 0.5) / len(v) for k, v in self.columns.items()}

    @cached_property
    def scores(self) -> dict[str, np.ndarray]:
        """The ranks as quantiles of the normal distribution, by column."""
        return {k: ndtri(v) for k, v in self.ranks.items()}

    def take(self, names: Sequence[str]) -> Said:
        """Return what is said of some of its galaxies."""
        if tuple(names) == self.names:
            return self
        place = {name: i for i, name in enumerate(self.names)}
        rows = [place[name] for name in names]
        return Said(tuple(names), {k: v[rows] for k, v in self.columns.items()})


def together(*files: Said) -> list[Said]:
    """Return what files say of the galaxies that all of them have."""
    if all(f.names == files[0].names for f in files):
        return list(files)
    common = set(files[0].names).intersection(*(f.names for f in files[1:]))
    names = [name for name in files[0].names if name in common]
    return [f.take(names) for f in files]


def distance(a: Said, b: Said) -> float:
    """Return by how many places of all (0 to 1) two files put the median galaxy and column apart.

    Probabilities that both have as good as decided are left out; NaN where they share too little to tell.
    """
    a, b = together(a, b)
    apart = []
    for name in a.columns.keys() & b.columns.keys():
        open_ = [(v > CERTAIN) & (v < 1 - CERTAIN) for v in (a.columns[name], b.columns[name])]
        either = open_[0] | open_[1]
        if either.sum() >= FEWEST:
            apart.append(np.abs(a.ranks[name] - b.ranks[name])[either])
    return float(np.median(np.concatenate(apart))) if apart else float("nan")


def same(a: Said, b: Said) -> float:
    """Return of what share of the galaxies two files say the same in all columns that both have.

    Galaxies that are plain to both are left out, since sure models agree on them; NaN where there are too few others.
    """
    a, b = together(a, b)
    names = sorted(a.columns.keys() & b.columns.keys())
    if not names:
        return float("nan")
    one, other = (np.column_stack([f.columns[name] for name in names]) for f in (a, b))
    unclear = (((one > SAME) & (one < 1 - SAME)) | ((other > SAME) & (other < 1 - SAME))).any(axis=1)
    if unclear.sum() < FEWEST:
        return float("nan")
    return float((np.abs(one - other) <= SAME).all(axis=1)[unclear].mean())


def following(a: Said, b: Said, given: Sequence[Said]) -> float:
    """Return how well ``b`` follows ``a`` in what ``given`` do not explain: a rank correlation, the median by column.

    ``given`` are further trainings of the recipe of ``a``. Of k of them, separate trainings of that recipe come to
    1 / (k + 1), other models to less, and a copy to 1. NaN where the files share too little to tell.
    """
    a, b, *given = together(a, b, *given)
    found = []
    common = a.columns.keys() & b.columns.keys()
    for name in (k for k in common if all(k in g.columns for g in given)):
        pair = np.column_stack([a.scores[name], b.scores[name]])
        x = np.column_stack([np.ones(len(pair)), *(g.scores[name] for g in given)])
        if len(pair) < FEWEST + x.shape[1] or (np.ptp(pair, axis=0) == 0).any():
            continue
        left = pair - x @ np.linalg.lstsq(x, pair, rcond=None)[0]
        # Exactly explained, as a mean of all is by all: nothing is left to follow.
        if (left.std(axis=0) < 1e-9).any():
            continue
        found.append(float(np.corrcoef(rankdata(left, axis=0).T)[0, 1]))
    return float(np.median(found)) if found else float("nan")


def expected(given: int) -> float:
    """Return what ``following`` comes to between separate trainings of one recipe, given so many others of it."""
    return 1 / (given + 1)


def read(trained: Trained, truths: Truths) -> Said:
    """Return what a prediction file of an entry says; read once."""
    return _read(trained.predictions, trained.sha256, tree_of(trained.key[0], truths))


@lru_cache(maxsize=512)
def _read(path: Path, sha256: str, tree: Tree) -> Said:
    return Said.of(tree, prediction_files.read(path, tree))


def flags(entry: Entry, entries: Sequence[Entry], truths: Truths) -> list[str]:
    """Return which files of an entry are near copies of each other or of those of other entries, one line a pair."""
    told: list[str] = []
    for i, mine in enumerate(entry.trained):
        for other in entry.trained[:i]:
            if other.key == mine.key and (word := _alike(entry, other, entry, mine, truths)):
                told.append(word)
    for other_entry in entries:
        if other_entry.slug == entry.slug:
            continue
        pairs = [(a, b) for a in other_entry.trained for b in entry.trained if a.key == b.key]
        words = [word for a, b in pairs if (word := _alike(other_entry, a, entry, b, truths))]
        if words:
            more = len(words) - 1
            told.append(words[0] + (f" ({more} more such {'pair' if more == 1 else 'pairs'})" if more else ""))
    return told


def _alike(owner: Entry, a: Trained, entry: Entry, b: Trained, truths: Truths) -> str:
    """Say in words that ``b`` is a near copy of ``a``, which is ``owner``'s; empty if it is not."""
    said_a, said_b = read(a, truths), read(b, truths)
    where = f"{b.run.edition.name}, {b.task}, seed {b.run.seed}"
    whose = "" if owner.slug == entry.slug else f"{visible(owner.slug, 100)}, "
    other = f"{whose}{a.task}, seed {a.run.seed}"
    shared = same(said_a, said_b)
    if shared >= SHARED:
        return (
            f"{where}: predicts the same as {other} for {shared:.0%} of the galaxies. Separate trainings almost never "
            "do. Were rows copied?"
        )
    apart = distance(said_a, said_b)
    if apart <= CLOSE:
        return (
            f"{where}: orders the galaxies almost as {other} does. The median galaxy differs by {apart:.1%} of all "
            "ranks, less than between separate trainings. Is it a copy with noise, or the same training rescaled?"
        )
    siblings = [t for t in owner.trained if (t.key, t.task) == (a.key, a.task) and t not in (a, b)]
    if not siblings:
        return ""
    follows = following(said_a, said_b, [read(t, truths) for t in siblings])
    usual = expected(len(siblings))
    if follows <= usual + FOLLOWS or np.isnan(follows):
        return ""
    return (
        f"{where}: agrees with {other} where that entry's other seeds do not (correlation {follows:.2f}; separate "
        f"trainings of one recipe have {usual:.2f}). A copy with noise does so, or an ensemble that contains it."
    )

"""A table of published Galaxy Zoo 2 fractions, and the counts of votes that follow from them down the tree."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from galaxy_zoo_decals import drawn_votes
from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.schema import GZ2
from galaxy_zoo_decals.scoring import Truth
from galaxy_zoo_decals.sources.hart16 import ANSWERS, STEMS

FOLDS = 5


@dataclass(frozen=True)
class Sample:
    """Galaxies of Galaxy Zoo 2 with published fractions: a folder with ``votes.csv`` and ``images/ASSET_ID.jpg``."""

    folder: Path

    @cached_property
    def table(self) -> pd.DataFrame:
        """The rows of votes.csv that have a picture, one a galaxy; UserError names a column that is missing."""
        path = self.folder / "votes.csv"
        if not path.is_file():
            raise UserError(f"{path}: there is no such file; it should hold published fractions of Galaxy Zoo 2.")
        table = pd.read_csv(path, dtype={"dr7objid": str, "asset_id": str})
        first, *later = ANSWERS
        wanted = ["dr7objid", "asset_id", "sample", "total_classifications", "total_votes"]
        wanted += [f"{first}_{answer}_fraction" for answer in ANSWERS[first][:2]]
        wanted += [f"{q}_{answer}_weighted_fraction" for q in later for answer in ANSWERS[q]]
        wanted += [f"{stem}_debiased" for stem in STEMS]
        for column in wanted:
            if column not in table.columns:
                raise UserError(f"{path}: column {column!r} is missing; it has {', '.join(table.columns[:6])}, ...")
        # Both become names of files: nothing that could leave a folder.
        for column in ("dr7objid", "asset_id"):
            odd = ~table[column].fillna("").str.fullmatch(r"[0-9]{1,20}")
            if odd.any():
                raise UserError(f"{path}: column {column!r} holds {table[column][odd].iloc[0]!r}, which is no number.")
        if table["dr7objid"].duplicated().any():
            raise UserError(f"{path}: a dr7objid stands there twice; keep one row a galaxy.")
        there = [(self.folder / "images" / f"{name}.jpg").is_file() for name in table["asset_id"]]
        return table[there].sort_values("dr7objid").reset_index(drop=True)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The galaxies by dr7objid, in the order of every array here."""
        return tuple(self.table["dr7objid"])

    def picture(self, row: int) -> Path:
        """Return the picture of a row."""
        return self.folder / "images" / f"{self.table['asset_id'].iloc[row]}.jpg"

    @cached_property
    def raw(self) -> np.ndarray:
        """Published fractions (galaxies, 37): raw ones at the first question, weighted ones below, NaN if unknown."""
        first, *later = ANSWERS
        smooth, featured = (self.table[f"{first}_{a}_fraction"].to_numpy(float) for a in ANSWERS[first][:2])
        below = [self.table[f"{q}_{a}_weighted_fraction"].to_numpy(float) for q in later for a in ANSWERS[q]]
        # Of the first question the raw fraction of artifact is not among the columns: it is what is left.
        return np.column_stack([smooth, featured, np.clip(1 - smooth - featured, 0, None), *below])

    @cached_property
    def debiased(self) -> np.ndarray:
        """Debiased likelihoods of Hart et al. 2016, (galaxies, 37), NaN where unknown."""
        return self.table[[f"{stem}_debiased" for stem in STEMS]].to_numpy(float)

    @cached_property
    def classifications(self) -> np.ndarray:
        """Volunteers of each galaxy, int64 (galaxies,)."""
        return self.table["total_classifications"].to_numpy(float).round().astype(np.int64)

    @cached_property
    def counts(self) -> np.ndarray:
        """Votes, int64 (galaxies, 37): volunteers times raw fraction, then down the tree, rounded to whole votes."""
        return drawn_votes.recount(GZ2, self.raw, self.classifications)

    @cached_property
    def off(self) -> np.ndarray:
        """All votes made here minus ``total_votes`` as published, int64 (galaxies,)."""
        published = self.table["total_votes"].to_numpy(float).round().astype(np.int64)
        return np.asarray(self.counts.sum(axis=1) - published)

    @cached_property
    def first_is_whole(self) -> np.ndarray:
        """Whether volunteers times raw fraction is whole at the first question, bool (galaxies,).

        Within what three decimals of the fraction leave open, half of 0.001 of the volunteers, and a thousandth.
        """
        exact = self.raw[:, :2] * self.classifications[:, None]
        return np.asarray((np.abs(exact - exact.round()) <= 0.0005 * self.classifications[:, None] + 1e-3).all(axis=1))

    @cached_property
    def fold(self) -> np.ndarray:
        """The fold of each galaxy, int (galaxies,): a hash of its dr7objid modulo FOLDS."""
        return np.array([_hash(name) % FOLDS for name in self.names])

    def truth(self, rows: np.ndarray) -> Truth:
        """Return the counts of some galaxies, by position, as what predictions are scored against."""
        names = tuple(self.names[i] for i in rows)
        return Truth("galaxyzoo2-sample", "Galaxy Zoo 2, a sample", GZ2, "", "", names, self.counts[rows])


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"fold:{name}".encode()).digest()[:8], "big")

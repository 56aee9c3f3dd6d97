"""Editions of the sample, one a fold: what is predicted, finetuned and chosen is on different galaxies."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.image_files import Form
from galaxy_zoo_decals.prepare import builder
from galaxy_zoo_decals.schema import GZ2, Tree
from galaxy_zoo_decals.sources import Part, catalogue
from galaxy_zoo_decals.sources.folder import folder_part
from tests.campaigns.real_votes.sample import FOLDS, Sample

VALIDATION = 8
"""Every eighth of the galaxies outside the test fold, by hash, chooses the epoch of a finetuning."""


@dataclass(frozen=True)
class Fold:
    """The sample with one fold as its test split; the galaxies ``away`` are in no split but training.

    ``images`` is a folder of the pictures, named by dr7objid.
    """

    sample: Sample
    images: Path
    fold: int
    away: frozenset[str]
    name: str = "galaxyzoo2-sample"
    title: str = "Galaxy Zoo 2, a sample with its votes"
    tree: Tree = GZ2
    licence: str = "other"
    citation: str = "Cite Willett et al. 2013, MNRAS 435, 2835, and Hart et al. 2016, MNRAS 461, 3663."
    credit: str = "SDSS, Galaxy Zoo 2"
    simulated: bool = False
    truth: str = "counts"
    may_publish_images: bool = False
    may_publish_votes: bool = False
    pictures: str = "JPEG, thumbnails of 224 px"
    extra_columns: tuple[str, ...] = ()

    def describe(self) -> dict[str, object]:
        """Return what edition.json says of it."""
        said = hashlib.sha256((self.sample.folder / "votes.csv").read_bytes()).hexdigest()
        words = f"A sample of Galaxy Zoo 2 for a study; fold {self.fold} of {FOLDS} is its test split."
        return {"kind": "galaxyzoo2-sample", "description": words, "table_sha256": said, "fold": self.fold}

    def catalogue(self, work: Path, processes: int) -> pd.DataFrame:
        """Return names and votes, checked."""
        columns: dict[str, object] = {"iauname": list(self.sample.names)}
        for q in GZ2.questions:
            part = self.sample.counts[:, GZ2.slices[q.name]]
            columns |= {q.total: part.sum(axis=1), **dict(zip(q.columns, part.T))}
        return catalogue.check(pd.DataFrame(columns), GZ2, str(self.sample.folder / "votes.csv"))

    def split(self, catalogue: pd.DataFrame) -> pd.Series:
        """Return the split of each row: the fold is test, without ``away``; of the others every eighth validates."""
        names = np.array(self.sample.names)
        digits = np.array([int(hashlib.sha256(f"validation:{n}".encode()).hexdigest()[:8], 16) for n in names])
        others = np.where(digits % VALIDATION == 0, "validation", "train")
        in_test = (self.sample.fold == self.fold) & ~np.isin(names, list(self.away))
        split = dict(zip(names, np.where(in_test, "test", others)))
        return pd.Series([split[name] for name in catalogue["iauname"]], index=catalogue.index)

    def scored(self, catalogue: pd.DataFrame) -> pd.Series:
        """Return that all are scored: this is a study and no board."""
        return pd.Series(True, index=catalogue.index)

    def parts(self, work: Path, form: Form) -> Iterator[Part]:
        """Yield the pictures."""
        yield folder_part(self.images, form)


def prepare(sample: Sample, away: frozenset[str], out: Path) -> list[Edition]:
    """Return an edition of every fold, made below ``out`` where it is not there."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for row, name in enumerate(sample.names):
            shutil.copy(sample.picture(row), Path(folder) / f"{name}.jpg")
        for fold in range(FOLDS):
            name = f"galaxyzoo2-sample-fold{fold}"
            source, place = Fold(sample, Path(folder), fold, away), out / name
            if not (place / "edition.json").is_file():
                builder.build(source, place, name=name)
            found.append(Edition(place))
    return found

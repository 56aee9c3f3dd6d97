"""The Kaggle Galaxy Zoo Challenge as a source: SDSS images and the weighted vote fractions of Galaxy Zoo 2."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from galaxy_zoo_decals import catalogue as catalogues
from galaxy_zoo_decals import panels, pixels, splits
from galaxy_zoo_decals.catalogue import CatalogueError
from galaxy_zoo_decals.schema import GZ2, Tree
from galaxy_zoo_decals.sources import MISSING, ImageError

ROOT_VOTES = 40
"""Volunteers assumed at the first question: the challenge publishes fractions, not counts, and no vote numbers."""

TABLE = "training_solutions_rev1.csv"
FOLDER = "images_training_rev1"


@dataclass(frozen=True)
class GZ2Challenge:
    """The challenge's files as the user has them: ``training_solutions_rev1.csv`` and ``images_training_rev1/``."""

    folder: Path
    tests: int = 1000
    """The test split is the galaxies of the lowest GalaxyIDs."""

    name: str = "gz2"
    title: str = "GZ2 challenge: SDSS images, real volunteers (votes assumed)"
    tree: Tree = GZ2
    licence: str = "other"
    citation: str = (
        "Images and votes are those of the Kaggle Galaxy Zoo Challenge, under its terms, and may not be passed on. "
        "Cite Willett et al. 2013, MNRAS 435, 2835."
    )
    extra_columns: tuple[str, ...] = ()

    def describe(self) -> dict[str, object]:
        """Return what edition.json says of this source."""
        return {
            "kind": "gz2",
            "description": (
                "Real SDSS galaxies from the Kaggle Galaxy Zoo Challenge with the weighted vote fractions of Galaxy "
                f"Zoo 2. The number of votes is not published: counts are made from the fractions for {ROOT_VOTES} "
                "assumed volunteers at the first question, and everything that rests on that number is assumed. "
                "These are not DECaLS galaxies, and the tree is that of Galaxy Zoo 2."
            ),
            "table_sha256": hashlib.sha256(self._table().read_bytes()).hexdigest(),
            "votes_assumed": ROOT_VOTES,
            "tests": self.tests,
        }

    def catalogue(self, work: Path, processes: int) -> pd.DataFrame:
        """Return the challenge's rows with counts made from the published fractions.

        Raises CatalogueError naming file, row and column.
        """
        path = self._table()
        catalogues.check_last_line(path)
        try:
            table = pd.read_csv(path, dtype={"GalaxyID": str})
        except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
            raise CatalogueError(f"{path}: not a readable table ({error}). Download it again.") from None
        wanted = [name for names in class_columns().values() for name in names]
        for column in ("GalaxyID", *wanted):
            if column not in table.columns:
                raise CatalogueError(f"{path}: column {column!r} is missing; this is not the challenge's {TABLE}.")
        values = table[wanted].apply(pd.to_numeric, errors="coerce")
        bad = (values.isna() & table[wanted].notna()) | (values < 0) | (values > 1.001)
        if bad.to_numpy().any():
            row, column = np.argwhere(bad.to_numpy())[0]
            raise CatalogueError(
                f"{path}: row {row + 1}, column {wanted[column]!r} holds {table[wanted[column]].iloc[row]!r}; "
                "the challenge's values are fractions from 0 to 1."
            )
        bad_id = ~table["GalaxyID"].str.fullmatch(r"\d+").fillna(False).astype(bool)
        if bad_id.any():
            row = int(np.flatnonzero(bad_id)[0])
            raise CatalogueError(f"{path}: row {row + 1}: GalaxyID {table['GalaxyID'].iloc[row]!r} is no number.")
        # Cumulative values of a question divide as its fractions do: its sum is the share that came to it.
        counts = panels.recount(GZ2, values.to_numpy(float), np.full(len(values), ROOT_VOTES))
        columns: dict[str, object] = {"iauname": table["GalaxyID"]}
        for q in GZ2.questions:
            part = counts[:, GZ2.slices[q.name]]
            columns |= {q.total: part.sum(axis=1), **dict(zip(q.columns, part.T))}
        checked = catalogues.check(pd.DataFrame(columns), GZ2, str(path))
        checked["complete"] = values.notna().all(axis=1).to_numpy()
        return checked

    def split(self, catalogue: pd.DataFrame) -> pd.Series:
        """Return the split of each row: the lowest GalaxyIDs are test, else by a hash of the GalaxyID."""
        return pd.Series(splits.by_galaxy_id(catalogue["iauname"].to_numpy(), self.tests), index=catalogue.index)

    def scored(self, catalogue: pd.DataFrame) -> pd.Series:
        """Return which rows have all of the challenge's columns."""
        return catalogue["complete"]

    def unlisted_images(self, catalogue: pd.DataFrame) -> int:
        """Return how many images have no row."""
        return len({p.stem for p in (self.folder / FOLDER).glob("*.jpg")} - set(catalogue["iauname"]))

    def encoder(self, work: Path, size: int, quality: int) -> Callable[[Sequence[str]], list[bytes | ImageError]]:
        """Return a function that reads, checks and resizes image files by GalaxyID."""
        images = self.folder / FOLDER
        if not images.is_dir():
            raise CatalogueError(f"{images}: there is no such folder; it should hold the challenge's <GalaxyID>.jpg.")
        return _Encoder(images, size, quality)

    def _table(self) -> Path:
        path = self.folder / TABLE
        if not path.is_file():
            raise CatalogueError(
                f"{path}: there is no such file. --source takes the folder that holds {TABLE} and {FOLDER}/."
            )
        return path


@dataclass(frozen=True)
class _Encoder:
    folder: Path
    size: int
    quality: int

    def __call__(self, names: Sequence[str]) -> list[bytes | ImageError]:
        return [self._one(self.folder / f"{name}.jpg") for name in names]

    def _one(self, path: Path) -> bytes | ImageError:
        try:
            return pixels.encode(pixels.decode(path.read_bytes()), self.size, self.quality)
        except FileNotFoundError:
            return ImageError(MISSING)
        except ImageError as error:
            return error


def class_columns() -> dict[str, tuple[str, ...]]:
    """Return the challenge's columns of each question: Class1 to Class11 are the tree's questions in order."""
    return {
        q.name: tuple(f"Class{i}.{j}" for j in range(1, len(q.answers) + 1))
        for i, q in enumerate(GZ2.questions, start=1)
    }

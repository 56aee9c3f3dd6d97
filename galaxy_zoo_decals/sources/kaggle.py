"""The Kaggle Galaxy Zoo Challenge as a source: SDSS images and the debiased likelihoods of Galaxy Zoo 2.

What the challenge published are no vote fractions. They are the likelihoods of Willett et al. 2013: fractions moved by
a correction that follows from a galaxy's redshift, size and luminosity, which its picture does not say.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from galaxy_zoo_decals import drawn_votes, joins, splits, tables
from galaxy_zoo_decals.edition import digest
from galaxy_zoo_decals.image_files import Form
from galaxy_zoo_decals.schema import GZ2, SPLITS, Tree
from galaxy_zoo_decals.sources import Part, archive
from galaxy_zoo_decals.sources import catalogue as catalogues
from galaxy_zoo_decals.sources.catalogue import CatalogueError
from galaxy_zoo_decals.sources.folder import ONLY_TEST, folder_part

ROOT_VOTES = 40
"""Votes assumed at the first question: the device by which published likelihoods become counts that can be scored."""

TABLE = "training_solutions_rev1.csv"
FOLDER = "images_training_rev1"
OUTER = "galaxy-zoo-the-galaxy-challenge.zip"

LARGEST_TABLE = 256 * 2**20
"""Bytes of a table at most; the published one has 55 million."""


@dataclass(frozen=True)
class GZ2Challenge:
    """The challenge's files as the user has them.

    ``folder`` holds ``training_solutions_rev1.csv`` and ``images_training_rev1/``, or the zips of these names, or
    the one zip that Kaggle makes of everything; or it is that zip, or the table itself (of any kind that ``tables``
    reads), beside which the images lie.
    """

    folder: Path
    tests: int = 1000
    """The test split is the galaxies of the lowest GalaxyIDs."""
    only: tuple[str, ...] = ()
    """GalaxyIDs to take; empty is all of the table."""
    only_test: bool = False
    """All galaxies are test galaxies: to judge models by."""

    name: str = "gz2"
    title: str = "Kaggle Galaxy Challenge: SDSS images, debiased likelihoods"
    tree: Tree = GZ2
    licence: str = "other"
    citation: str = (
        "Images and likelihoods are those of the Kaggle Galaxy Zoo Challenge, under its terms, and may not be passed "
        "on. Cite Willett et al. 2013, MNRAS 435, 2835."
    )
    credit: str = "SDSS, by the Kaggle Galaxy Zoo Challenge"
    simulated: bool = False
    truth: str = "likelihoods"
    may_publish_images: bool = False
    may_publish_votes: bool = False
    pictures: str = "JPEG, Kaggle"
    extra_columns: tuple[str, ...] = ()

    def describe(self) -> dict[str, object]:
        """Return what edition.json says of this source."""
        return {
            "kind": "gz2",
            "description": (
                "Real SDSS galaxies from the Kaggle Galaxy Zoo Challenge with the likelihoods it published: the "
                "fractions of Galaxy Zoo 2, debiased by Willett et al. 2013. They are not what volunteers said of a "
                "picture: a correction for redshift, size and luminosity moves them, and a picture does not say those. "
                f"Counts are made of them for {ROOT_VOTES} assumed votes at the first question; everything that rests "
                "on that number is assumed. These are not DECaLS galaxies, and the tree is that of Galaxy Zoo 2."
            ),
            "table_sha256": self._table_sha256,
            "votes_assumed": ROOT_VOTES,
            "tests": self.tests,
            **({"only": len(self.only), "only_sha256": digest(sorted(self.only))} if self.only else {}),
            **({"split": ONLY_TEST} if self.only_test else {}),
        }

    @property
    def needed_splits(self) -> tuple[str, ...]:
        """The splits that must have galaxies."""
        return ("test",) if self.only_test else SPLITS

    def catalogue(self, work: Path, processes: int) -> pd.DataFrame:
        """Return the challenge's rows with counts made from the published likelihoods.

        Raises CatalogueError naming file, row and column.
        """
        _ = self._images  # it is better to know before
        return self.votes()

    def votes(self) -> pd.DataFrame:
        """Return the same from the table alone: who has the votes needs no images to score with them."""
        path = self._table.path
        wanted = [name for names in class_columns().values() for name in names]
        found = tables.look(path, ("GalaxyID", *wanted), contents=self._table)
        for column in ("GalaxyID", *wanted):
            if column not in found.columns:
                raise CatalogueError(
                    f"{path}: column {column!r} is missing; this is not the challenge's {TABLE}{found.missing(column)}."
                )
        table = found.read(("GalaxyID", *wanted), texts=("GalaxyID",))
        values = table[wanted].apply(pd.to_numeric, errors="coerce")
        bad = (values.isna() & table[wanted].notna()) | (values < 0) | (values > 1.001)
        if bad.to_numpy().any():
            row, column = np.argwhere(bad.to_numpy())[0]
            raise CatalogueError(
                f"{path}: row {row + 1}, column {wanted[column]!r} holds {table[wanted[column]].iloc[row]!r}; "
                "the challenge's values are likelihoods from 0 to 1."
            )
        # Where a table was saved with decimals the number is the same: 100008.0.
        table["GalaxyID"] = table["GalaxyID"].map(_whole, na_action="ignore")
        bad_id = ~table["GalaxyID"].astype(object).str.fullmatch(r"\d+").fillna(False).astype(bool)
        if bad_id.any():
            row = int(np.flatnonzero(bad_id)[0])
            rounded = re.fullmatch(r"\d+(?:[.,]\d+)?[eE]\+?\d+", str(table["GalaxyID"].iloc[row]))
            lost = ": a spreadsheet rounded it; take the table as Kaggle has it" if rounded else ""
            raise CatalogueError(
                f"{path}: row {row + 1}: GalaxyID {table['GalaxyID'].iloc[row]!r} has other signs than digits{lost}."
            )
        if self.only:
            chosen = table["GalaxyID"].isin(self.only)
            if missing := sorted(set(self.only) - set(table["GalaxyID"]), key=int):
                words = joins.explain(self.only, table["GalaxyID"], "GalaxyIDs of the list", "GalaxyIDs of the table")
                raise CatalogueError(
                    f"{path}: {len(missing):,} of the {len(self.only):,} galaxies to be taken are not in it, the first "
                    f"of them {missing[0]}; is it the whole table of the challenge? {words}"
                )
            table, values = (part[chosen].reset_index(drop=True) for part in (table, values))
        # Cumulative values of a question divide as its fractions do: its sum is the share that came to it.
        counts = drawn_votes.recount(GZ2, values.to_numpy(float), np.full(len(values), ROOT_VOTES))
        columns: dict[str, object] = {"iauname": table["GalaxyID"]}
        for q in GZ2.questions:
            part = counts[:, GZ2.slices[q.name]]
            columns |= {q.total: part.sum(axis=1), **dict(zip(q.columns, part.T))}
        checked = catalogues.check(pd.DataFrame(columns), GZ2, str(path))
        checked["complete"] = values.notna().all(axis=1).to_numpy()
        return checked

    def split(self, catalogue: pd.DataFrame) -> pd.Series:
        """Return the split of each row: the lowest GalaxyIDs are test, else by a hash of the GalaxyID."""
        if self.only_test:
            return pd.Series("test", index=catalogue.index)
        return pd.Series(splits.by_galaxy_id(catalogue["iauname"].to_numpy(), self.tests), index=catalogue.index)

    def scored(self, catalogue: pd.DataFrame) -> pd.Series:
        """Return which rows have all of the challenge's columns."""
        return catalogue["complete"]

    def parts(self, work: Path, form: Form) -> Iterator[Part]:
        """Yield the training images as one part, from the folder or out of the zip."""
        place, member = self._images
        if place.is_dir():
            yield folder_part(place, form)
            return
        if member is not None:
            inner = work / f"{FOLDER}-{archive.key_of(place).replace(' ', '-')}.zip"
            if not inner.exists():
                archive.copy_member(place, member, inner)
            place = inner
        yield archive.part(FOLDER, place, archive.contents(place), form)

    @property
    def _place(self) -> Path:
        """The folder of the files; of the table given by itself the folder that it lies in."""
        given = self.folder
        if not given.is_file() or (zipfile.is_zipfile(given) and archive.find_member(given, TABLE) is None):
            return given
        return given.parent

    @property
    def _images(self) -> tuple[Path, str | None]:
        """Where the images are: a folder, a zip, or a zip in the zip of everything."""
        folder, zipped, outer = self._place / FOLDER, self._place / f"{FOLDER}.zip", self._outer
        if folder.is_dir():
            return folder, None
        if zipped.is_file():
            return zipped, None
        if outer is not None and (member := archive.find_member(outer, zipped.name)):
            return outer, member
        if not self._place.exists():
            raise CatalogueError(f"{self._place}: there is no such folder or file.")
        raise CatalogueError(
            f"{folder}: there is no such folder, and no {zipped.name}; one of them should hold the challenge's "
            "<GalaxyID>.jpg."
        )

    @property
    def _outer(self) -> Path | None:
        """The zip that Kaggle makes of all files of the challenge."""
        return next((p for p in (self._place, self._place / OUTER) if p.is_file()), None)

    @cached_property
    def _table(self) -> tables.Contents:
        """Where the table is and what is in it."""
        folder = self._place
        if folder != self.folder:  # the table itself was given
            return tables.contents(self.folder)
        plain, zipped = folder / TABLE, folder / TABLE.replace(".csv", ".zip")
        for path in (plain, zipped, *(folder / f"{TABLE}{suffix}" for suffix in (".gz", ".zip"))):
            if path.is_file():
                return tables.contents(path)
        outer = self._outer
        if outer is not None and (member := archive.find_member(outer, zipped.name)):
            with tempfile.TemporaryDirectory() as work:
                inner = Path(work) / zipped.name
                inner.write_bytes(archive.read_member(outer, member, LARGEST_TABLE))
                if found := archive.find_member(inner, TABLE):
                    return tables.contents_of(archive.read_member(inner, found, LARGEST_TABLE), outer)
        raise CatalogueError(
            f"{plain}: there is no such file. --source takes the folder that holds {TABLE} and {FOLDER}/, or the zips "
            f"of the same names, or {OUTER} as Kaggle gives it."
        )

    @cached_property
    def _table_sha256(self) -> str:
        """The hash of the table as it is unpacked."""
        found = hashlib.sha256()
        with self._table.open() as stream:
            while block := stream.read(2**20):
                found.update(block)
        return found.hexdigest()


def _whole(name: object) -> str:
    return re.sub(r"\.0+$", "", str(name).strip())


def read_list(path: Path) -> tuple[str, ...]:
    """Return the GalaxyIDs of a list, one a line; raises CatalogueError naming the line that is none."""
    contents = tables.contents(path)
    if contents.format.name != "text":
        raise CatalogueError(f"{path}: this is {contents.what}, and no list of GalaxyIDs, one a line.")
    lines = [_whole(line) for line in tables.text_of(contents).splitlines()]
    if lines[0].casefold() == "galaxyid":
        lines[0] = ""
    for row, line in enumerate(lines, 1):
        if line and not line.isdigit():
            raise CatalogueError(f"{path}: line {row} holds {line[:40]!r}, which is no GalaxyID.")
    names = tuple(dict.fromkeys(line for line in lines if line))
    if not names:
        raise CatalogueError(f"{path}: empty; it should hold GalaxyIDs, one a line.")
    return names


def class_columns() -> dict[str, tuple[str, ...]]:
    """Return the challenge's columns of each question: Class1 to Class11 are the tree's questions in order."""
    return {
        q.name: tuple(f"Class{i}.{j}" for j in range(1, len(q.answers) + 1))
        for i, q in enumerate(GZ2.questions, start=1)
    }

"""A user's own catalogue as a source: a table with GZD-5 columns and a folder of images named by iauname."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from galaxy_zoo_decals import catalogue as catalogues
from galaxy_zoo_decals import splits
from galaxy_zoo_decals.catalogue import CatalogueError
from galaxy_zoo_decals.pixels import MAX_BYTES, Form
from galaxy_zoo_decals.schema import GZD5, Tree
from galaxy_zoo_decals.sources import MISSING, ImageError, Part

SUFFIXES = (".png", ".jpg", ".jpeg")
"""Endings of image files; of two files of one galaxy the earlier ending is taken."""


@dataclass(frozen=True)
class Folder:
    """A vote table (CSV or Parquet) and its images: ``<iauname>.png`` or .jpg, in folders as on Zenodo or without."""

    votes: Path
    images: Path
    debiased: bool = False
    """Read the ``_debiased`` columns too, as labels may be made of them."""
    name: str = "catalogue"
    title: str = "A catalogue of its own"
    tree: Tree = GZD5
    licence: str = "other"
    """SPDX name of the licence of table and images; "other" is unknown."""
    citation: str = "The licence is that of the catalogue and its images."
    simulated: bool = False
    truth: str = "counts"
    pictures: str = "own files"

    @property
    def credit(self) -> str:
        """What stands beside a picture that is shown."""
        return f"from a catalogue of its own, licence {self.licence}"

    @property
    def may_publish_images(self) -> bool:
        """Whether a licence was stated: without one nothing is passed on."""
        return self.licence != "other"

    @property
    def may_publish_votes(self) -> bool:
        """Whether a licence was stated: without one nothing is passed on."""
        return self.licence != "other"

    @property
    def extra_columns(self) -> tuple[str, ...]:
        """What became of lost votes, and the debiased fractions if they were asked for."""
        return (*self.tree.lost_columns, *self._debiased_columns)

    @property
    def _debiased_columns(self) -> tuple[str, ...]:
        return catalogues.debiased_columns(self.tree) if self.debiased else ()

    def describe(self) -> dict[str, object]:
        """Return what edition.json says of this source."""
        return {
            "kind": "catalogue",
            "description": f"Galaxies of a catalogue with {self.tree.title} columns, prepared from files.",
            "table_sha256": sha256(self.votes),
        }

    def catalogue(self, work: Path, processes: int) -> pd.DataFrame:
        """Return the checked rows; raises CatalogueError, also where a position is missing (splits need it)."""
        if not self.images.is_dir():
            raise CatalogueError(f"{self.images}: there is no such folder of images.")
        return read_with_positions(self.votes, self.tree, self._debiased_columns)

    def split(self, catalogue: pd.DataFrame) -> pd.Series:
        """Return the split of each row by its sky cell."""
        return pd.Series(
            splits.by_sky_cell(catalogue["ra"].to_numpy(), catalogue["dec"].to_numpy()), index=catalogue.index
        )

    def scored(self, catalogue: pd.DataFrame) -> pd.Series:
        """Return which rows are unselected and have many votes."""
        return pd.Series(splits.scored(catalogue), index=catalogue.index)

    def parts(self, work: Path, form: Form) -> Iterator[Part]:
        """Yield the folder's images as one part."""
        yield folder_part(self.images, form)


def sha256(path: Path) -> str:
    """Return the sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_with_positions(votes: Path, tree: Tree, extra: tuple[str, ...]) -> pd.DataFrame:
    """Return the checked rows of a vote table; CatalogueError where a position is missing: splits go by it."""
    table = catalogues.read(votes, tree, extra)
    for column in ("ra", "dec"):
        if table[column].isna().any():
            row = int(table[column].isna().to_numpy().argmax()) + 1
            raise CatalogueError(f"{votes}: row {row} has no {column!r}; splits go by the position in the sky.")
    return table


def folder_part(folder: Path, form: Form, side: int | None = None) -> Part:
    """Return the image files below a folder, named by iauname, as one part; ``side``: the pixels they must have."""
    found: dict[str, tuple[int, str]] = {}
    for path in folder.rglob("*"):
        suffix = path.suffix.lower()
        if suffix in SUFFIXES and path.is_file():
            stem = path.name.removesuffix(path.suffix)
            found[stem] = min(found.get(stem, (len(SUFFIXES), "")), (SUFFIXES.index(suffix), str(path)))
    paths = {name: path for name, (_, path) in found.items()}
    states = {name: Path(path).stat() for name, path in paths.items()}
    images = {name: f"{state.st_size} {state.st_mtime_ns}" for name, state in states.items()}
    return Part(folder.name, images, lambda names: FileEncoder({n: paths[n] for n in names}, form, side))


@dataclass(frozen=True)
class FileEncoder:
    """Reads, checks and encodes image files by iauname."""

    paths: dict[str, str]
    form: Form
    side: int | None = None
    """Pixels a side that the files must have, if that is known."""

    def __call__(self, names: Sequence[str]) -> list[bytes | ImageError]:
        """Return the images of some galaxies, or what is wrong with them."""
        return [self._one(Path(self.paths[name])) for name in names]

    def _one(self, path: Path) -> bytes | ImageError:
        try:
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
            if len(data) > MAX_BYTES:
                return ImageError(f"the file has more than {MAX_BYTES >> 20} MiB; no cutout is that large")
            return self.form.make(data, self.side)
        except FileNotFoundError:
            return ImageError(MISSING)
        except ImageError as error:
            return error

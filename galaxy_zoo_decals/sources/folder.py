"""A user's own catalogue as a source: a table with GZD-5 columns and a folder of images named by iauname."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from galaxy_zoo_decals import catalogue as catalogues
from galaxy_zoo_decals import pixels, splits
from galaxy_zoo_decals.catalogue import CatalogueError
from galaxy_zoo_decals.schema import GZD5, Tree
from galaxy_zoo_decals.sources import MISSING, ImageError

SUFFIXES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class Folder:
    """A vote table (CSV or Parquet) and its images: ``<iauname>.png`` or .jpg, or in folders as on Zenodo."""

    votes: Path
    images: Path
    name: str = "catalogue"
    title: str = "A catalogue of its own"
    tree: Tree = GZD5
    licence: str = "other"
    citation: str = "The licence is that of the catalogue and its images."
    extra_columns: tuple[str, ...] = ()

    def describe(self) -> dict[str, object]:
        """Return what edition.json says of this source."""
        return {
            "kind": "catalogue",
            "description": f"Galaxies of a catalogue with {self.tree.title} columns, prepared from files.",
            "table_sha256": hashlib.sha256(self.votes.read_bytes()).hexdigest(),
        }

    def catalogue(self, work: Path, processes: int) -> pd.DataFrame:
        """Return the checked rows; raises CatalogueError, also where a position is missing (splits need it)."""
        if not self.images.is_dir():
            raise CatalogueError(f"{self.images}: there is no such folder of images.")
        table = catalogues.read(self.votes, self.tree)
        for column in ("ra", "dec"):
            if table[column].isna().any():
                row = int(table[column].isna().to_numpy().argmax()) + 1
                raise CatalogueError(
                    f"{self.votes}: row {row} has no {column!r}; splits go by the position in the sky."
                )
        return table

    def split(self, catalogue: pd.DataFrame) -> pd.Series:
        """Return the split of each row by its sky cell."""
        return pd.Series(
            splits.by_sky_cell(catalogue["ra"].to_numpy(), catalogue["dec"].to_numpy()), index=catalogue.index
        )

    def scored(self, catalogue: pd.DataFrame) -> pd.Series:
        """Return which rows are unselected and have many votes."""
        return pd.Series(splits.scored(catalogue), index=catalogue.index)

    def unlisted_images(self, catalogue: pd.DataFrame) -> int:
        """Return how many images have no row."""
        found = {p.name.removesuffix(p.suffix) for p in self.images.rglob("*") if p.suffix.lower() in SUFFIXES}
        return len(found - set(catalogue["iauname"]))

    def encoder(self, work: Path, size: int, quality: int) -> Callable[[Sequence[str]], list[bytes | ImageError]]:
        """Return a function that finds, reads, checks and resizes images by iauname."""
        return _Encoder(self.images, size, quality)


@dataclass(frozen=True)
class _Encoder:
    folder: Path
    size: int
    quality: int

    def __call__(self, names: Sequence[str]) -> list[bytes | ImageError]:
        return [self._one(name) for name in names]

    def _one(self, name: str) -> bytes | ImageError:
        for place in (self.folder, self.folder / name[:4]):
            for suffix in SUFFIXES:
                try:
                    return pixels.encode(
                        pixels.decode((place / f"{name}{suffix}").read_bytes()), self.size, self.quality
                    )
                except FileNotFoundError:
                    continue
                except ImageError as error:
                    return error
        return ImageError(MISSING)

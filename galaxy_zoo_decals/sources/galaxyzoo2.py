"""Galaxy Zoo 2 as a source: the raw votes of Hart et al. 2016 and the pictures that volunteers saw."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd
from PIL import Image

from galaxy_zoo_decals import archive, download, splits
from galaxy_zoo_decals.pixels import Form
from galaxy_zoo_decals.schema import GZ2, Tree
from galaxy_zoo_decals.sources import Part, gz2_mapping, hart16
from galaxy_zoo_decals.sources.folder import files_part, image_files
from galaxy_zoo_decals.sources.gz2_mapping import Pictures
from galaxy_zoo_decals.sources.zenodo import SourceError

ARCHIVE = "images_gz2.zip"
FOLDERS = ("images", "images_gz2")
"""Folders of a --source that may hold the pictures; else they lie in it itself."""

SIDE = 424
"""Pixels a side of the published pictures."""

PICTURES = "JPEG, Zenodo"

CITATION = (
    "Cite Willett et al. 2013, MNRAS 435, 2835 (doi:10.1093/mnras/stt1458) and, as the votes are read from its table, "
    "Hart et al. 2016, MNRAS 461, 3663 (doi:10.1093/mnras/stw1588)."
)


@dataclass(frozen=True)
class _Published:
    """Galaxy Zoo 2; where its files come from is left to the classes below."""

    debiased: bool = False
    """Keep the debiased and the weighted fractions beside the votes."""
    name: str = "galaxyzoo2"
    title: str = "Galaxy Zoo 2"
    tree: Tree = GZ2
    simulated: bool = False
    truth: str = "counts"
    say: Callable[[str], object] = field(default=download.say, repr=False)

    @property
    def extra_columns(self) -> tuple[str, ...]:
        """The debiased and weighted fractions, if they were asked for."""
        return hart16.extra_columns() if self.debiased else ()

    @cached_property
    def table(self) -> Path:
        """Return the file of the votes, once it is there."""
        raise NotImplementedError

    @cached_property
    def mapping(self) -> Path:
        """Return the file that says which picture shows which galaxy, once it is there."""
        raise NotImplementedError

    @cached_property
    def _votes(self) -> hart16.Table:
        table = hart16.read(self.table, self.debiased)
        self.say(hart16.summary(table.facts))
        return table

    @cached_property
    def _pictures(self) -> Pictures:
        rows = self._votes.rows
        found = gz2_mapping.read(self.mapping, rows)
        if not found.galaxies:
            raise SourceError(f"{self.mapping}: it names no galaxy of {self.table.name}; are they of one release?")
        if found.without:
            self.say(
                f"{self.mapping.name}: {len(found.without):,} of {len(rows):,} galaxies have no picture in it and are "
                f"left out, as {', '.join(found.without[:5])}."
            )
        return found

    def describe(self) -> dict[str, object]:
        """Return what edition.json says of this source."""
        table = self._votes
        where = (
            "Splits go by the position in the sky."
            if table.positions
            else "The table has no positions, so splits go by a hash of the dr7objid."
        )
        return {
            "kind": "galaxyzoo2",
            "description": (
                "Galaxies of the Sloan Digital Sky Survey with the votes of Galaxy Zoo 2: the counts themselves of "
                "every answer, as volunteers gave them, from the table of Hart et al. 2016. Nothing in them is "
                f"weighted or corrected for redshift. {where}"
            ),
            "table": {key: table.facts[key] for key in ("name", "bytes", "sha256", "rows")},
            "checks": table.facts["checks"],
            "split": "sky cell" if table.positions else "dr7objid",
            "without_picture": {"galaxies": len(self._pictures.without), "first": list(self._pictures.without[:5])},
        }

    def catalogue(self, work: Path, processes: int) -> pd.DataFrame:
        """Return the checked rows of the table."""
        _ = self._pictures  # it is better to know before
        return self._votes.rows.copy()

    def split(self, catalogue: pd.DataFrame) -> pd.Series:
        """Return the split of each row: by its sky cell, or by a hash of its name where no positions are given."""
        if self._votes.positions:
            places = catalogue["ra"].to_numpy(float), catalogue["dec"].to_numpy(float)
            names = splits.by_sky_cell_together(*places, hart16.rank(catalogue["upload_group"]))
        else:
            names = splits.by_name(catalogue["iauname"].tolist())
        return pd.Series(names, index=catalogue.index)

    def scored(self, catalogue: pd.DataFrame) -> pd.Series:
        """Return which rows are of the original sample and have many votes."""
        return pd.Series(splits.scored_galaxy_zoo_2(catalogue), index=catalogue.index)

    def _renamed(self, part: Part) -> Part:
        return gz2_mapping.renamed(part, self._pictures.galaxies)


@dataclass(frozen=True)
class OnDisk(_Published):
    """Galaxy Zoo 2 as the user has it: the table, the mapping, and the zip or a folder of pictures."""

    licence: str = "other"
    citation: str = f"The files were there already; their licence is not known here. {CITATION}"
    credit: str = "SDSS and Galaxy Zoo 2, Willett et al. 2013"
    may_publish_images: bool = False
    may_publish_votes: bool = False
    folder: Path = Path()

    @cached_property
    def table(self) -> Path:
        """Return the file of the votes."""
        return self._file(*hart16.NAMES)

    @cached_property
    def mapping(self) -> Path:
        """Return the file that says which picture shows which galaxy."""
        return self._file(gz2_mapping.NAME)

    def _file(self, *names: str) -> Path:
        if not self.folder.is_dir():
            raise SourceError(f"{self.folder}: there is no such folder.")
        found = [self.folder / name for name in names if (self.folder / name).is_file()]
        if not found:
            raise SourceError(f"{self.folder}: there is no {' or '.join(names)} in it.")
        if len(found) > 1:
            self.say(f"{self.folder}: it holds the votes twice; {found[0].name} is read, {found[1].name} is not.")
        return found[0]

    @cached_property
    def _files(self) -> list[Path]:
        """The picture files, where there is no archive."""
        place = next((self.folder / name for name in FOLDERS if (self.folder / name).is_dir()), self.folder)
        return [path for path in image_files(place) if path.stem.isdigit()]

    @property
    def _zip(self) -> Path:
        return self.folder / ARCHIVE

    @cached_property
    def pictures(self) -> str:
        """What its images are in few words: files of another size than the published ones are others."""
        if self._zip.is_file() or not self._files:
            return PICTURES
        try:
            with Image.open(self._files[0]) as image:
                side = image.width
        except OSError:
            return "files on disk"
        return PICTURES if side == SIDE else f"{side} px, files on disk"

    def parts(self, work: Path, form: Form) -> Iterator[Part]:
        """Yield the pictures as one part, from the archive if it is there, else from the folder."""
        if self._zip.is_file():
            yield self._renamed(archive.part(self._zip.stem, self._zip, archive.contents(self._zip), form, SIDE))
            return
        if not self._files:
            raise SourceError(
                f"{self.folder}: it holds neither {ARCHIVE} nor pictures in a folder, as in {FOLDERS[0]}/16126.jpg."
            )
        yield self._renamed(files_part(FOLDERS[0], self._files, form))

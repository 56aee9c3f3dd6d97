"""Galaxy Zoo DECaLS 5 as a source: the published votes and images, downloaded from Zenodo or already on disk."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from galaxy_zoo_decals import addresses, splits
from galaxy_zoo_decals.image_files import Form
from galaxy_zoo_decals.pictures import kinds
from galaxy_zoo_decals.schema import GZD5, Tree
from galaxy_zoo_decals.sources import Part, archive, download
from galaxy_zoo_decals.sources import catalogue as catalogues
from galaxy_zoo_decals.sources.folder import files_part, find, image_files, read_with_positions, sha256
from galaxy_zoo_decals.sources.record import Record, SourceError
from galaxy_zoo_decals.sources.runs import RUN
from galaxy_zoo_decals.sources.survey_part import SomeGalaxies, SomeOfArchives

RECORD = addresses.ZENODO
"""The record's API: Walmsley et al. 2022, data release of Galaxy Zoo DECaLS."""

TABLES = tuple(table.name for table in addresses.VOTES)
"""The votes, in the order of preference: the Parquet file is a quarter of the CSV."""

ON_DISK = (*TABLES, *(TABLES[1].replace(".csv", ending) for ending in (".csv.gz", ".fits", ".fits.gz")))
"""What the votes may be called where somebody has them."""

ARCHIVE = "gz_decals_dr5_png_part{}.zip"

PARTS = (1, 2, 3, 4)

PICTURES = "PNG, Zenodo"

SIDE = 424
"""Pixels a side of the published images."""

IAUNAME = re.compile(r"J\d{6}")
"""How the name of a galaxy begins: other pictures below a folder are none of the release."""


@dataclass(frozen=True)
class _Published:
    """The data release's votes; where its files come from is left to the classes below."""

    parts_wanted: tuple[int, ...] = PARTS
    """Archives whose images are used; galaxies of the others have no image."""
    debiased: bool = False
    """Read the ``_debiased`` columns too, as labels may be made of them."""
    delete_archives: bool = False
    """Remove each archive once its images are converted."""
    name: str = "gzd5"
    title: str = "Galaxy Zoo DECaLS 5"
    tree: Tree = GZD5
    licence: str = "CC-BY-4.0"
    citation: str = (
        "Cite Walmsley et al. 2022, MNRAS 509, 3966 (doi:10.1093/mnras/stab2093), and the data release, "
        "doi:10.5281/zenodo.4573248."
    )
    credit: str = "Galaxy Zoo DECaLS, Walmsley et al. 2022, CC-BY-4.0"
    simulated: bool = False
    truth: str = "counts"
    may_publish_images: bool = True
    may_publish_votes: bool = True

    @property
    def pictures(self) -> str:
        """What its images are in few words."""
        return PICTURES

    @property
    def extra_columns(self) -> tuple[str, ...]:
        """What became of lost votes, and the debiased fractions if they were asked for."""
        return (*self.tree.lost_columns, *self._debiased_columns)

    @property
    def _debiased_columns(self) -> tuple[str, ...]:
        return catalogues.debiased_columns(self.tree) if self.debiased else ()

    @cached_property
    def table(self) -> Path:
        """Return the file of the votes, once it is there."""
        raise NotImplementedError

    def describe(self) -> dict[str, object]:
        """Return what edition.json says of this source."""
        some = "" if self.parts_wanted == PARTS else (
            f" Only the images of part {', '.join(map(str, self.parts_wanted))} of {len(PARTS)} are in this edition."
        )  # fmt: skip
        return {
            "kind": "gzd5",
            "description": (
                "Galaxies of the DECaLS survey with the votes of Galaxy Zoo volunteers: the campaign GZD-5 of Galaxy "
                f"Zoo DECaLS, prepared from Zenodo record 4573248.{some}"
            ),
            "doi": "10.5281/zenodo.4573248",
            "table_sha256": sha256(self.table),
            "parts": list(self.parts_wanted),
        }

    def catalogue(self, work: Path, processes: int) -> pd.DataFrame:
        """Return the checked rows of the GZD-5 votes."""
        return read_with_positions(self.table, self.tree, self._debiased_columns)

    def split(self, catalogue: pd.DataFrame) -> pd.Series:
        """Return the split of each row by its sky cell."""
        names = splits.by_sky_cell(catalogue["ra"].to_numpy(), catalogue["dec"].to_numpy())
        return pd.Series(names, index=catalogue.index)

    def scored(self, catalogue: pd.DataFrame) -> pd.Series:
        """Return which rows are unselected and have many votes."""
        return pd.Series(splits.scored(catalogue), index=catalogue.index)


@dataclass(frozen=True)
class Downloaded(_Published):
    """The data release as it comes from Zenodo, file by file into a folder."""

    folder: Path = field(default=Path(), repr=False)
    record: str = RECORD
    say: Callable[[str], object] = field(default=download.say, repr=False)

    @cached_property
    def _record(self) -> Record:
        return Record(self.record, self.folder, self.say, "To use the other parts only, name them with --parts.")

    @cached_property
    def table(self) -> Path:
        """Return the file of the votes, downloading it if it is not there."""
        for name in TABLES:
            if (self.folder / name).is_file():  # verified when it took its name
                return self.folder / name
        for name in TABLES:
            if name in self._record.files:
                return self._record.fetch(name)
        raise SourceError(f"{self.record}: the record has no {TABLES[0]}; is this the address of record 4573248?")

    def parts(self, work: Path, form: Form) -> Iterator[Part]:
        """Yield the images archive by archive; each is downloaded when it is its turn, unless its work is done."""
        for number in self.parts_wanted:
            name = ARCHIVE.format(number)
            path = self.folder / name
            yield archive.lasting_part(path, work, form, SIDE, lambda name=name: self._record.fetch(name))  # type: ignore[misc]
            if self.delete_archives:
                path.unlink(missing_ok=True)


@dataclass(frozen=True)
class SurveyPart(SomeGalaxies, Downloaded):
    """A part of the data release: some galaxies of all four archives, read from Zenodo by ranges of bytes."""

    def describe(self) -> dict[str, object]:
        """Return what edition.json says of this source."""
        said = super().describe()
        part = (
            f" It is a part of the survey: up to {self.galaxies:,} galaxies in whole runs of {RUN} neighbouring "
            f"images, spread over the four archives and chosen by seed {self.seed}; the last run is cut where the "
            "number is reached. The CRC-32 of every image was verified; the md5 of the archives cannot be, as "
            "they were not read whole."
        )
        return self._described(said, part)

    def parts(self, work: Path, form: Form) -> Iterator[Part]:
        """Yield the images archive by archive, of which the chosen ones are fetched when it is their turn."""
        yield from self._archives.parts(work, form, SIDE, self.delete_archives)

    @cached_property
    def _archives(self) -> SomeOfArchives:
        names = [ARCHIVE.format(number) for number in self.parts_wanted]
        return SomeOfArchives(names, self._record, self.galaxies, self.seed)


@dataclass(frozen=True)
class OnDisk(_Published):
    """The data release as the user has it: the votes, and archives or image files in folders, or some of each.

    The files may be those unpacked from the archives, with or without the archives' own folders, or the JPEGs of
    galaxy-datasets (``images/J073/J073013.60+242930.0.jpg``); links to other disks are followed.
    """

    folder: Path = Path()
    downloads: Path | None = None
    """Where the votes are too if ``folder`` has none: where a download puts them."""
    say: Callable[[str], object] = field(default=download.say, repr=False)

    @cached_property
    def table(self) -> Path:
        """Return the file of the votes."""
        if (found := find(self.folder, self.downloads, ON_DISK, self.say)) is not None:
            return found
        raise SourceError(
            f"{self.folder}: there is no {TABLES[0]} and no .csv of that name. `galaxy-zoo-decals prepare gzd5 "
            "--catalogue-only` fetches it (41 MB) to where it is then found."
        )

    @property
    def pictures(self) -> str:
        """What its images are in few words; files that are no PNGs are not those of Zenodo."""
        taken = self._files if self.folder.is_dir() and self._missing(None) else []
        formats = kinds.formats(path.name for path in taken)
        return PICTURES if formats in ("", "PNG") else f"{formats}, files on disk"

    def parts(self, work: Path, form: Form) -> Iterator[Part]:
        """Yield the images of each archive, then those of the files if a part has no archive.

        SourceError, ArchiveError or FolderError before the first part if one is missing or cut short.
        """
        missing = self._missing(work)
        archives = [self._archive(number) for number in self.parts_wanted if number not in missing]
        for path in archives:
            if path.is_file():
                archive.check(path)
        files = self._files if missing else []
        if missing:
            self._check_files(missing, bool(archives))
        for path in archives:
            yield archive.lasting_part(path, work, form, SIDE, lambda path=path: _must_be_there(path))  # type: ignore[misc]
            if self.delete_archives:
                path.unlink(missing_ok=True)
        if files:
            yield files_part(self.folder.name, files, form, SIDE)

    def _archive(self, number: int) -> Path:
        return self.folder / ARCHIVE.format(number)

    def _missing(self, work: Path | None) -> list[int]:
        """Return the parts whose archive is neither there nor known from an earlier run in ``work``."""
        paths = {number: self._archive(number) for number in self.parts_wanted}
        known = {n for n, p in paths.items() if work is not None and (work / f"{p.name}.index.parquet").is_file()}
        return [number for number, path in paths.items() if number not in known and not path.is_file()]

    @cached_property
    def _files(self) -> list[Path]:
        """The galaxies' files in folders, but for folders of parts that are not wanted or come from their archive."""
        missing = self._missing(None)
        found = image_files(self.folder, {self._archive(n).stem for n in PARTS if n not in missing})
        return [path for path in found if IAUNAME.match(path.name)]

    def _check_files(self, missing: list[int], archives: bool) -> None:
        """Raise SourceError where parts have neither archive nor files; files outside of part folders may be of any."""
        folders = {number: self._archive(number).with_suffix("") for number in missing}
        named = {number: folder for number, folder in folders.items() if folder.is_dir()}
        if any(not any(path.is_relative_to(folder) for folder in named.values()) for path in self._files):
            return
        if not self._files and not archives:
            raise SourceError(
                f"{self.folder}: it holds neither {ARCHIVE.format(1)} nor image files in folders, as in "
                "J081/J081412.47+220853.0.png."
            )
        filled = {n for n, folder in named.items() if any(path.is_relative_to(folder) for path in self._files)}
        if lacking := [n for n in missing if n not in filled]:
            raise SourceError(
                f"{self.folder}: {', '.join(ARCHIVE.format(n) for n in lacking)} is missing. Download it there, or use "
                f"the other parts only: --parts {','.join(str(n) for n in self.parts_wanted if n not in lacking)}"
            )


@dataclass(frozen=True)
class Catalogue(_Published):
    """The votes of the data release alone, from one file: what a board of the survey is frozen from, without images."""

    file: Path = Path()

    @cached_property
    def table(self) -> Path:
        """Return the file of the votes; SourceError if it is not there."""
        if not self.file.is_file():
            raise SourceError(f"{self.file}: there is no such file.")
        return self.file

    @cached_property
    def md5(self) -> str:
        """The md5 of the file."""
        with self.table.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()

    @property
    def is_published(self) -> bool:
        """Whether it is the file that Zenodo publishes."""
        return self.md5 in {votes.md5 for votes in addresses.VOTES}

    def parts(self, work: Path, form: Form) -> Iterator[Part]:
        """Yield nothing: there are no images."""
        yield from ()


def _must_be_there(path: Path) -> None:
    if not path.is_file():
        raise SourceError(f"{path}: it has been removed, but not all of its images are converted. Put it back.")

"""Galaxy Zoo 2 as a source: the raw votes of Hart et al. 2016 and the pictures that volunteers saw."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import mode
from urllib.parse import urlsplit

import pandas as pd
from PIL import Image

from galaxy_zoo_decals import addresses, splits
from galaxy_zoo_decals.image_files import Form
from galaxy_zoo_decals.pictures import kinds
from galaxy_zoo_decals.schema import GZ2, Tree
from galaxy_zoo_decals.sources import Part, archive, download, galaxyzoo2_mapping, hart16
from galaxy_zoo_decals.sources.folder import PASSED_ON, files_part, find, image_files
from galaxy_zoo_decals.sources.galaxyzoo2_mapping import Pictures
from galaxy_zoo_decals.sources.record import Record, SourceError, kept_answer, stated_licence
from galaxy_zoo_decals.sources.runs import RUN
from galaxy_zoo_decals.sources.survey_part import SomeGalaxies, SomeOfArchives
from galaxy_zoo_decals.tables import TableError

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
class Published:
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
    def _votes(self) -> hart16.Table:
        try:
            table = hart16.read(self.table, self.debiased)
        except TableError as error:
            raise type(error)(f"{error}{self._again}") from None
        self.say(hart16.summary(table.facts))
        return table

    @property
    def _again(self) -> str:
        """What to do where the table is a file that was downloaded."""
        return ""

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
            **({"beside_votes": list(hart16.EXTRA)} if self.debiased else {}),
        }

    def catalogue(self, work: Path, processes: int) -> pd.DataFrame:
        """Return the checked rows of the table."""
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


@dataclass(frozen=True)
class _Mapped(Published):
    """Galaxy Zoo 2 with pictures whose galaxies the mapping of Zenodo names."""

    @cached_property
    def mapping(self) -> Path:
        """Return the file that says which picture shows which galaxy, once it is there."""
        raise NotImplementedError

    @cached_property
    def _pictures(self) -> Pictures:
        rows = self._votes.rows
        found = galaxyzoo2_mapping.read(self.mapping, rows)
        if found.without:
            self.say(
                f"{self.mapping.name}: {len(found.without):,} of {len(rows):,} galaxies have no picture in it and are "
                f"left out, as {', '.join(found.without[:5])}."
            )
        return found

    def describe(self) -> dict[str, object]:
        """Return what edition.json says of this source."""
        without = self._pictures.without
        return {**super().describe(), "without_picture": {"galaxies": len(without), "first": list(without[:5])}}

    def catalogue(self, work: Path, processes: int) -> pd.DataFrame:
        """Return the checked rows of the table."""
        _ = self._pictures  # it is better to know before
        return super().catalogue(work, processes)

    def _renamed(self, part: Part) -> Part:
        return galaxyzoo2_mapping.renamed(part, self._pictures.galaxies)


@dataclass(frozen=True)
class Downloaded(_Mapped):
    """Galaxy Zoo 2 as it comes: the votes from where data.galaxyzoo.org links to, pictures and mapping from Zenodo."""

    folder: Path = field(default=Path(), repr=False)
    record: str = addresses.GALAXY_ZOO_2
    votes: str = addresses.GALAXY_ZOO_2_VOTES
    delete_archives: bool = False
    """Remove the archive once its images are converted."""
    credit: str = "SDSS and Galaxy Zoo 2, Willett et al. 2013, Zenodo 3565489"
    may_publish_votes: bool = False
    pictures: str = PICTURES

    @cached_property
    def _record(self) -> Record:
        return Record(self.record, self.folder, self.say, "Is this the address of record 3565489?")

    @cached_property
    def _stated(self) -> str | None:
        """The licence that the record states, in Zenodo's spelling; known from an earlier run, or asked."""
        if (known := kept_answer(self.folder)) is not None:
            return stated_licence(known)
        self._record.keep()
        return stated_licence(self._record.answer)

    @property
    def licence(self) -> str:
        """The licence of the pictures as the record states it; "other" where it states none that is known."""
        return spdx(self._stated)

    @property
    def may_publish_images(self) -> bool:
        """Whether that licence allows to pass on what was made of the pictures."""
        return self.licence in PASSED_ON

    @property
    def citation(self) -> str:
        """Whose data these are, what the record says of its licence, and how to cite them."""
        said = f"states the licence {self._stated}" if self._stated else "states no licence"
        return (
            f"The pictures are those of Zenodo record 3565489, which {said}. The votes are a table of its own, of "
            f"which no licence is known here: those of single galaxies are not passed on. {CITATION}"
        )

    def describe(self) -> dict[str, object]:
        """Return what edition.json says of this source."""
        return {**super().describe(), "doi": "10.5281/zenodo.3565489"}

    @cached_property
    def table(self) -> Path:
        """Return the file of the votes, downloading it if it is not there."""
        return votes_file(self.votes, self._record)

    @property
    def _again(self) -> str:
        return " It was downloaded: if the server sent another file, move this one away and run the command again."

    @cached_property
    def mapping(self) -> Path:
        """Return the file that says which picture shows which galaxy, downloading it if it is not there."""
        return self._record.fetch(galaxyzoo2_mapping.NAME)

    def parts(self, work: Path, form: Form) -> Iterator[Part]:
        """Yield the pictures as one part; the archive is downloaded unless its work is done."""
        path = self.folder / ARCHIVE
        yield self._renamed(archive.lasting_part(path, work, form, SIDE, lambda: self._record.fetch(ARCHIVE)))
        if self.delete_archives:
            path.unlink(missing_ok=True)


@dataclass(frozen=True)
class SurveyPart(SomeGalaxies, Downloaded):
    """A part of Galaxy Zoo 2: some galaxies, their pictures read from Zenodo by ranges of bytes."""

    def describe(self) -> dict[str, object]:
        """Return what edition.json says of this source."""
        said = super().describe()
        part = (
            f" It is a part of the survey: up to {self.galaxies:,} galaxies in whole runs of {RUN} neighbouring images "
            f"of the archive, chosen by seed {self.seed}; the last run is cut where the number is reached. The CRC-32 "
            "of every image was verified; the md5 of the archive cannot be, as it was not read whole."
        )
        return self._described(said, part)

    def parts(self, work: Path, form: Form) -> Iterator[Part]:
        """Yield the pictures as one part, of which the chosen ones are fetched."""
        for part in self._archives.parts(work, form, SIDE, self.delete_archives):
            yield self._renamed(part)

    @cached_property
    def _archives(self) -> SomeOfArchives:
        galaxies = self._pictures.galaxies
        return SomeOfArchives(
            [ARCHIVE], self._record, self.galaxies, self.seed, lambda image: galaxies.get(image, image)
        )


def votes_file(url: str, record: Record) -> Path:
    """Return the table in a record's folder, downloading it from ``url`` if it is not there.

    No checksum of it is published: what is downloaded is what the server has, and edition.json says what that was.
    """
    found = next((record.folder / name for name in hart16.NAMES if (record.folder / name).is_file()), None)
    if found is not None:
        return found
    name = hart16.NAMES[0 if urlsplit(url).path.endswith(".gz") else 1]
    with record.alone():
        file = download.look(record.client, name, url, record.say)
        path = download.fetch(record.client, file, record.folder, record.say)
        for leftover in record.folder.glob(f"{name}.*.part"):  # of another file of this name
            leftover.unlink()
        return path


def spdx(stated: str | None) -> str:
    """Return a licence as SPDX spells it, of those that allow to pass on data; "other" for any other, and for none."""
    return next((name for name in PASSED_ON if stated is not None and name.lower() == stated.lower()), "other")


@dataclass(frozen=True)
class OnDisk(_Mapped):
    """Galaxy Zoo 2 as the user has it: the table, the mapping, and the zip or a folder of pictures."""

    licence: str = "other"
    citation: str = f"The files were there already, and what licence they have is not known here. {CITATION}"
    credit: str = "SDSS and Galaxy Zoo 2, Willett et al. 2013"
    may_publish_images: bool = False
    may_publish_votes: bool = False
    folder: Path = Path()
    downloads: Path | None = None
    """Where table and mapping are too if ``folder`` has none: where a download puts them."""

    @cached_property
    def table(self) -> Path:
        """Return the file of the votes."""
        return self._file(*hart16.NAMES)

    @cached_property
    def mapping(self) -> Path:
        """Return the file that says which picture shows which galaxy."""
        return self._file(galaxyzoo2_mapping.NAME, f"{galaxyzoo2_mapping.NAME}.gz")

    def _file(self, *names: str) -> Path:
        if (found := find(self.folder, self.downloads, names, self.say)) is not None:
            return found
        raise SourceError(
            f"{self.folder}: there is no {' or '.join(names)} in it. `galaxy-zoo-decals prepare galaxyzoo2 "
            "--catalogue-only` fetches it to where it is then found."
        )

    @cached_property
    def _files(self) -> list[Path]:
        """The picture files, where there is no archive."""
        place = next((self.folder / name for name in FOLDERS if (self.folder / name).is_dir()), self.folder)
        return [path for path in image_files(place) if kinds.stem(path.name).isdigit()]

    @property
    def _zip(self) -> Path:
        return self.folder / ARCHIVE

    @cached_property
    def pictures(self) -> str:
        """What its images are in few words: files of another size than the published ones are others."""
        if self._zip.is_file() or not self._files or self._side == SIDE:
            return PICTURES
        return f"{self._side} px, files on disk" if self._side else "files on disk"

    @cached_property
    def _side(self) -> int | None:
        """Pixels a side that most of the first hundred picture files have; None if none of them can be read."""
        sides = []
        for path in self._files[:100]:
            with contextlib.suppress(OSError, Image.DecompressionBombError), Image.open(path) as image:
                sides.append(image.width)
        return mode(sides) if sides else None

    def parts(self, work: Path, form: Form) -> Iterator[Part]:
        """Yield the pictures as one part, from the archive if it is there, else from the folder."""
        if self._zip.is_file():
            yield self._renamed(archive.part(self._zip.stem, self._zip, archive.contents(self._zip), form, SIDE))
            return
        if not self._files:
            raise SourceError(
                f"{self.folder}: it holds neither {ARCHIVE} nor pictures in a folder, as in {FOLDERS[0]}/16126.jpg."
            )
        # Where they are called those of Zenodo, a file of another size is none of them.
        yield self._renamed(files_part(FOLDERS[0], self._files, form, SIDE if self._side == SIDE else None))

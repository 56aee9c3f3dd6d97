"""A user's own catalogue as a source: a table with GZD-5 columns and a folder of images named by iauname."""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePath

import pandas as pd

from galaxy_zoo_decals import splits
from galaxy_zoo_decals.errors import UserError, letters
from galaxy_zoo_decals.image_files import MAX_BYTES, Form, ImageError, same_picture
from galaxy_zoo_decals.pictures import fits, kinds
from galaxy_zoo_decals.schema import GZD5, SPLITS, Tree
from galaxy_zoo_decals.sources import MISSING, Part, partial_tree
from galaxy_zoo_decals.sources import catalogue as catalogues
from galaxy_zoo_decals.sources.catalogue import CatalogueError


class FolderError(UserError):
    """A folder of images that cannot be gone through; the message names it and says what to do."""


PEEKS = 10_000
"""Files without the ending of an image that are looked into; further ones are taken for what others so called are."""

PASSED_ON = (
    "CC0-1.0", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "ODC-By-1.0", "ODbL-1.0",
    "PDDL-1.0",
)  # fmt: skip
"""Licences (SPDX) of data that allow to pass on what was made of them; pictures of an edition are encoded anew."""


ONLY_TEST, OWN_SPLIT = "only test", "own column"
"""What edition.json says of a split that is not by the sky."""

NO_POSITIONS = " --split-column and --only-test need no positions."
"""What is said where a table lacks positions."""

SCORED = {"selection": splits.scored, "votes": splits.scored_by_votes, "all": splits.scored_all}
"""The rules of who is scored, by what edition.json calls them; it does not say the first, which was the only one."""


@dataclass(frozen=True)
class Folder:
    """A vote table (of any kind) and its images: ``<iauname>`` with any ending, in folders as on Zenodo or without."""

    votes: Path
    images: Path
    debiased: bool = False
    """Read the ``_debiased`` columns too, as labels may be made of them."""
    split_column: str | None = None
    """The table's column that says which galaxies train, validate and test; None splits by the sky."""
    only_test: bool = False
    """All galaxies are test galaxies, and scored: to judge models by."""
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
        """Whether the licence allows to pass on what was made of the images."""
        return self.licence in PASSED_ON

    @property
    def may_publish_votes(self) -> bool:
        """Whether the licence allows to pass on what was made of the votes."""
        return self.licence in PASSED_ON

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
            **self._read[1].describe(),
            **({"split": ONLY_TEST} if self.only_test else {}),
            **({"split": OWN_SPLIT, "split_column": self.split_column} if self.split_column else {}),
            **({} if self._rule == "selection" else {"scored": self._rule}),
        }

    @property
    def needed_splits(self) -> tuple[str, ...]:
        """The splits that must have galaxies: all three, unless the user said which galaxies test."""
        if self.only_test:
            return ("test",)
        return ("train",) if self.split_column else SPLITS

    @cached_property
    def _read(self) -> tuple[pd.DataFrame, partial_tree.Part]:
        """The checked rows, and which part of the tree the table has."""
        needed = () if self.only_test or self.split_column else ("ra", "dec")
        return catalogues.read_part(
            self.votes, self.tree, self._debiased_columns, needed, self.split_column, NO_POSITIONS
        )

    @property
    def _rule(self) -> str:
        """By which rule galaxies are scored (``SCORED``)."""
        if self.only_test:
            return "all"
        return "votes" if self.split_column and not splits.says_selection(self._read[0]) else "selection"

    def catalogue(self, work: Path, processes: int) -> pd.DataFrame:
        """Return the checked rows; raises CatalogueError, also where splits need a position and there is none."""
        if not self.images.is_dir():
            if self.images.is_file():
                with self.images.open("rb") as file:
                    what = kinds.kind(file.read(kinds.HEAD))
                raise CatalogueError(
                    f"{self.images}: this is a file ({what}); give the folder of the images, unpacked."
                )
            raise CatalogueError(f"{self.images}: there is no such folder of images.")
        table = self._read[0]
        if not self.only_test and not self.split_column:
            check_positions(table, self.votes, NO_POSITIONS)
        return table.copy()

    def split(self, catalogue: pd.DataFrame) -> pd.Series:
        """Return the split of each row: as the user says, or by its sky cell."""
        if self.only_test:
            return pd.Series("test", index=catalogue.index)
        if self.split_column:
            return catalogue["own_split"]
        return pd.Series(
            splits.by_sky_cell(catalogue["ra"].to_numpy(), catalogue["dec"].to_numpy()), index=catalogue.index
        )

    def scored(self, catalogue: pd.DataFrame) -> pd.Series:
        """Return which rows are scored, by the rule that fits how the galaxies were split."""
        return pd.Series(SCORED[self._rule](catalogue), index=catalogue.index)

    def parts(self, work: Path, form: Form) -> Iterator[Part]:
        """Yield the folder's images as one part."""
        yield folder_part(self.images, form, blank=False)


def find(folder: Path, downloads: Path | None, names: Sequence[str], say: Callable[[str], object]) -> Path | None:
    """Return the first file of these names in ``folder``, else in ``downloads``; None where neither has one.

    Raises FolderError if there is no ``folder``; where it holds several, ``say`` is told which is read.
    """
    if not folder.is_dir():
        raise FolderError(f"{folder}: there is no such folder.")
    for place in filter(None, (folder, downloads)):
        found = [place / name for name in names if (place / name).is_file()]
        if len(found) > 1:
            say(f"{place}: it holds the votes twice; {found[0].name} is read, {found[1].name} is not.")
        if found:
            return found[0]
    return None


def sha256(path: Path) -> str:
    """Return the sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_with_positions(votes: Path, tree: Tree, extra: tuple[str, ...]) -> pd.DataFrame:
    """Return the checked rows of a vote table; CatalogueError where a position is missing: splits go by it."""
    table = catalogues.read(votes, tree, extra, needed=("ra", "dec"))
    check_positions(table, votes)
    return table


def check_positions(table: pd.DataFrame, votes: Path, instead: str = "") -> None:
    """Raise CatalogueError where a position is missing: splits go by it; ``instead`` says what to do without."""
    for column in ("ra", "dec"):
        if table[column].isna().any():
            row = int(table[column].isna().to_numpy().argmax()) + 1
            raise CatalogueError(
                f"{votes}: row {row} has no {column!r}; splits go by the position in the sky.{instead}"
            )


@dataclass(frozen=True)
class Found:
    """What lies below a folder: image files by path, and by their place in it other files that somebody may miss."""

    images: list[Path]
    skipped: dict[str, str]
    """Why each is not taken: pictures of formats that are not read, archives, links to a file that is gone."""


def image_files(folder: Path, skip: Collection[str] = ()) -> list[Path]:
    """Return the image files below a folder by path, as ``look`` finds them."""
    return look(folder, skip).images


def look(folder: Path, skip: Collection[str] = ()) -> Found:
    """Return the image files below a folder, and what lies beside them, but for its entries named in ``skip``.

    Links are followed, also to other disks; a folder that is met again, as by a link to a parent, is not gone through
    twice. Hidden files and what macOS puts into ``__MACOSX`` are no images, and a link to a file that is gone is none.
    Raises FolderError for a folder that cannot be read, and for a link to one that is not there.
    """
    found: list[Path] = []
    others: dict[str, str] = {}
    peeks, reasons = itertools.count(), dict[str, str]()
    seen: set[tuple[int, int]] = set()
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        try:
            state = place.stat()
            if (state.st_dev, state.st_ino) in seen:
                continue
            seen.add((state.st_dev, state.st_ino))
            with os.scandir(place) as entries:
                inside = [
                    entry
                    for entry in entries
                    if not is_hidden(PurePath(entry.name)) and not (place == folder and entry.name in skip)
                ]
        except OSError as error:
            raise FolderError(
                f"{place}: this folder cannot be read ({error.strerror or error}). Let it be read, or move it out of "
                f"{folder}: galaxies would be missing without a word."
            ) from None
        # The last is gone through first: folders before links to them, in the order of their names on any machine.
        for entry in sorted(inside, key=lambda entry: (entry.is_symlink(), entry.name), reverse=True):
            path, image = Path(entry.path), bool(kinds.ending(entry.name))
            try:
                if entry.is_dir():
                    waiting.append(path)
                elif image and entry.is_file():
                    found.append(path)
                elif entry.is_symlink() and not path.exists():
                    if not path.suffix:
                        raise FolderError(
                            f"{path}: this link leads nowhere ({path.readlink()}). Is its disk there? If it is not "
                            "needed, remove the link."
                        )
                    if image:
                        others[letters(os.path.relpath(path, folder))] = "a link to a file that is not there"
                elif entry.is_file():
                    if next(peeks) < PEEKS:
                        reasons[path.suffix.lower()] = _peek(path)
                    if why := reasons.get(path.suffix.lower()):
                        others[letters(os.path.relpath(path, folder))] = why
            except OSError as error:
                if error.errno != errno.ELOOP:  # a link to itself is none to a file
                    raise FolderError(
                        f"{path}: it cannot be looked at ({error.strerror or error}). Mend it, or move it away."
                    ) from None
    return Found(sorted(found), dict(sorted(others.items())))


def _peek(path: Path) -> str:
    """Return what is said of a file that has not the ending of an image, by its first bytes; "" if it needs no word."""
    try:
        with path.open("rb") as file:
            return kinds.elsewhere(file.read(kinds.HEAD))
    except OSError:  # It is none that was asked for.
        return ""


def check_readable(files: Iterable[Path]) -> None:
    """Raise FolderError if there is a FITS file and not what reads it: better now than for each galaxy."""
    if fits.installed():
        return
    cutouts = [path for path in files if kinds.ending(path.name) in kinds.FITS_SUFFIXES]
    if cutouts:
        raise FolderError(
            f"{cutouts[0]}: {fits.NEEDS}. If FITS files ({len(cutouts):,} here) are not meant, give a folder "
            "without them."
        )


def is_hidden(place: PurePath) -> bool:
    """Return whether a file or folder is none of the user's: hidden, or added by an archiver of macOS."""
    return place.name.startswith(".") or "__MACOSX" in place.parts


def folder_part(folder: Path, form: Form, blank: bool = True) -> Part:
    """Return the image files below a folder, named by iauname, as one part; ``blank``: also those of one colour."""
    found = look(folder)
    return replace(files_part(folder.name, found.images, form, blank=blank), skipped=found.skipped)


def files_part(label: str, files: Iterable[Path], form: Form, side: int | None = None, blank: bool = True) -> Part:
    """Return image files, named by iauname, as one part; ``side``: the pixels they must have.

    All files of a galaxy are kept, those of the earlier ending first: they must show one picture.
    """
    found: dict[str, list[Path]] = {}
    for path in files:
        found.setdefault(kinds.stem(path.name), []).append(path)
    for several in found.values():
        several.sort(key=lambda path: kinds.SUFFIXES.index(kinds.ending(path.name)))
    check_readable(path for several in found.values() for path in several)
    paths = {name: tuple(map(str, several)) for name, several in found.items()}
    states = {name: [path.stat() for path in several] for name, several in found.items()}
    images = {name: " ".join(f"{s.st_size} {s.st_mtime_ns}" for s in several) for name, several in states.items()}
    return Part(label, images, lambda names: FileEncoder({n: paths[n] for n in names}, form, side, blank))


@dataclass(frozen=True)
class FileEncoder:
    """Reads, checks and encodes image files by iauname."""

    paths: dict[str, tuple[str, ...]]
    """Of each galaxy its file; several are taken for one where they show the same picture."""
    form: Form
    side: int | None = None
    """Pixels a side that the files must have, if that is known."""
    blank: bool = True
    """Whether files of one colour are taken; a survey's own archives are taken as they are."""

    def __call__(self, names: Sequence[str]) -> list[bytes | ImageError]:
        """Return the images of some galaxies, or what is wrong with them."""
        return [self._one([Path(path) for path in self.paths[name]]) for name in names]

    def _one(self, paths: list[Path]) -> bytes | ImageError:
        try:
            data = _read(paths[0])
            for other in paths[1:]:
                if not _alike(paths[0], data, other, _read(other)):
                    return ImageError(
                        f"there are two different images of it, {_apart(paths[0], other)}: move one of them away"
                    )
            return self.form.make(data, self.side, self.blank)
        except FileNotFoundError:
            return ImageError(MISSING)
        except OSError as error:
            return ImageError(f"the file cannot be read ({error.strerror or error})")
        except ImageError as error:
            return error


def _alike(path: Path, data: bytes, other: Path, more: bytes) -> bool:
    """Return whether two files of a galaxy are one: the same bytes, or one picture converted to another format."""
    if data == more:
        return True
    if kinds.ending(path.name) == kinds.ending(other.name):
        return False
    try:
        return same_picture(data, more)
    except ImageError as error:
        raise ImageError(f"there are two files of it, {_apart(path, other)}, and one is not used: {error}") from None


def _apart(one: Path, other: Path) -> str:
    """Return two paths from the folder that both are in: an edition that names them says nothing of the machine."""
    folder = os.path.commonpath([one.parent, other.parent])
    return letters(f"{os.path.relpath(one, folder)} and {os.path.relpath(other, folder)}")


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ImageError(f"the file has more than {MAX_BYTES >> 20} MiB; no cutout is that large")
    return data

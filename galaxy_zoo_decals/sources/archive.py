"""Images straight out of zip archives that may be damaged or hostile; nothing is ever unpacked to disk."""

from __future__ import annotations

import contextlib
import functools
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from galaxy_zoo_decals.atomic import atomic_file, write_parquet
from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.image_files import MAX_BYTES, Form, ImageError
from galaxy_zoo_decals.pictures import kinds
from galaxy_zoo_decals.sources import Part
from galaxy_zoo_decals.tables import called

MAX_DIRECTORY = 256 * 2**20
"""Bytes of a zip's table of contents: a million files; that of a quarter of the survey has about 6 MB."""


class ArchiveError(UserError):
    """An archive that cannot be used; the message names it and says what to do."""


DAMAGE = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, KeyError, NotImplementedError, RuntimeError, OverflowError,
    UnicodeDecodeError,
)  # fmt: skip
"""What zipfile raises for archives and entries that cannot be read."""


@dataclass(frozen=True)
class Entry:
    """One image in an archive: its place there, and what decides its pixels."""

    member: str
    crc: int
    size: int
    problem: str | None = None

    @property
    def identity(self) -> str:
        """Checksum and size of the file as the archive states them (they are verified on reading)."""
        return f"{self.crc:08x} {self.size}"


def contents(path: Path) -> dict[str, Entry]:
    """Return the images of an archive by iauname.

    Entries that try to leave the folder, are encrypted or declare more bytes than a cutout has are kept with
    their problem: their galaxy is left out and named. Raises ArchiveError for a file that is no whole zip.
    """
    return entries(_open(path))


def entries(archive: zipfile.ZipFile) -> dict[str, Entry]:
    """Return the images of an opened archive by iauname, as ``contents`` does."""
    found: dict[str, Entry] = {}
    for info in archive.infolist():
        place = info.filename.replace("\\", "/")  # by hand: a path object each takes seconds for an archive
        file = place.rpartition("/")[2]
        name = kinds.stem(file)
        if not name or name == file or file.startswith(".") or "__MACOSX/" in place:
            continue
        entry = Entry(info.filename, info.CRC, info.file_size, _problem(info, place))
        known = found.get(name)
        if known is not None and known.identity != entry.identity:
            entry = Entry(info.filename, info.CRC, info.file_size, "the archive holds two different images of it")
        found[name] = entry
    return found


def check(path: Path) -> None:
    """Raise ArchiveError for a file that cannot be a whole zip, without reading its table of contents."""
    with _clear_errors(path), path.open("rb") as file:
        check_directory(file, path)


def _problem(info: zipfile.ZipInfo, place: str) -> str | None:
    parts = [part for part in place.split("/") if part not in ("", ".")]
    if place.startswith("/") or ".." in parts or ":" in parts[0]:
        return f"its path in the archive, {info.filename[:80]!r}, leads out of the folder"
    if info.flag_bits & 1:
        return "it is encrypted"
    if info.file_size > MAX_BYTES:
        return f"the archive says it has {info.file_size:,} bytes; no cutout is that large"
    return None


def part(label: str, path: Path, entries: dict[str, Entry], form: Form, side: int | None = None) -> Part:
    """Return the images of an archive as a part; ``side``: the pixels they must have."""
    images = {name: entry.identity for name, entry in entries.items()}
    return Part(label, images, lambda names: ArchiveEncoder(path, {n: entries[n] for n in names}, form, side))


def lasting_part(path: Path, work: Path, form: Form, side: int, fetch: Callable[[], object]) -> Part:
    """Return the images of an archive as a part; one that is gone may be known from an earlier run in ``work``.

    ``fetch`` brings the archive to ``path``, where it is not there yet. ``side``: the pixels that images must have.
    """
    index = work / f"{path.name}.index.parquet"
    known = read_index(index, key_of(path) if path.exists() else None)
    if known is None:
        fetch()
        known = contents(path)
        write_index(known, key_of(path), index)
    return replace(part(path.stem, path, known, form, side), fetch=fetch)


def write_index(entries: dict[str, Entry], key: str, path: Path) -> None:
    """Keep the contents of an archive, so that work can go on when it has been deleted; ``key``: which file it was."""
    columns = {
        "iauname": list(entries),
        "member": [e.member for e in entries.values()],
        "crc": [e.crc for e in entries.values()],
        "size": [e.size for e in entries.values()],
        "problem": pa.array([e.problem for e in entries.values()], pa.string()),
    }
    write_parquet(path, pa.table(columns).replace_schema_metadata({"archive": key}))


def read_index(path: Path, key: str | None) -> dict[str, Entry] | None:
    """Return what ``write_index`` kept, or None if there is nothing or it was another archive (None: any)."""
    if not path.exists():
        return None
    table = pq.read_table(path)
    if key is not None and (table.schema.metadata or {}).get(b"archive") != key.encode():
        return None
    rows = table.to_pylist()
    return {r["iauname"]: Entry(r["member"], r["crc"], r["size"], r["problem"]) for r in rows}


@dataclass(frozen=True)
class ArchiveEncoder:
    """Decodes and encodes images of an archive by iauname."""

    path: Path
    entries: dict[str, Entry]
    form: Form
    side: int | None = None
    """Pixels a side that the images must have, if that is known."""

    def __call__(self, names: Sequence[str]) -> list[bytes | ImageError]:
        """Return the images of some galaxies, or what is wrong with them."""
        state = self.path.stat()
        archive = _kept_open(self.path, state.st_size, state.st_mtime_ns)
        return [self._one(archive, self.entries[name]) for name in names]

    def _one(self, archive: zipfile.ZipFile, entry: Entry) -> bytes | ImageError:
        if entry.problem:
            return ImageError(entry.problem)
        try:
            return self.form.make(read_entry(archive, entry), self.side)
        except ImageError as error:
            return error


def read_entry(archive: zipfile.ZipFile, entry: Entry) -> bytes:
    """Return the bytes of an entry; ImageError where they are damaged, or more than the archive declared."""
    try:
        with archive.open(entry.member) as file:
            # One byte more than declared: reading to the end is what makes zipfile verify the checksum, and no
            # more than that is ever inflated.
            data = file.read(entry.size + 1)
    except DAMAGE as error:
        raise ImageError(f"damaged in the archive ({error})") from None
    if len(data) != entry.size:
        raise ImageError(f"damaged in the archive ({len(data):,} bytes where it declares {entry.size:,})")
    return data


def find_member(path: Path, name: str) -> str | None:
    """Return where a file of this name (without folders) stands in an archive, or None."""
    return next((n for n in _open(path).namelist() if PurePosixPath(n).name == name), None)


def read_member(path: Path, member: str, largest: int) -> bytes:
    """Return a file of an archive; ArchiveError if it is damaged or has more than ``largest`` bytes."""
    held = _open(path)
    info = held.getinfo(member)
    if info.file_size > largest:
        raise ArchiveError(f"{path}: {member} has {info.file_size:,} bytes; that cannot be the published file.")
    try:
        return read_entry(held, Entry(member, info.CRC, info.file_size))
    except ImageError as error:
        raise ArchiveError(f"{path}: {member} is {error}. Download the archive again.") from None


def copy_member(path: Path, member: str, target: Path) -> None:
    """Write a file of an archive to ``target``, whole or not at all."""
    info = _open(path).getinfo(member)
    try:
        with atomic_file(target) as beside, _open(path).open(info) as source, beside.open("wb") as out:
            left = info.file_size
            while left and (block := source.read(min(2**20, left))):
                left -= len(block)
                out.write(block)
            if left or source.read(1):
                raise zipfile.BadZipFile("another size than it declares")
    except DAMAGE as error:
        raise ArchiveError(f"{path}: {member} is damaged ({error}). Download the archive again.") from None


def key_of(path: Path) -> str:
    """Return what tells this archive from another one under the same name: its size and time."""
    state = path.stat()
    return f"{state.st_size} {state.st_mtime_ns}"


@functools.lru_cache(maxsize=1)
def _kept_open(path: Path, size: int, modified: int) -> zipfile.ZipFile:
    return _open(path)


def _open(path: Path) -> zipfile.ZipFile:
    with _clear_errors(path):
        with path.open("rb") as file:
            check_directory(file, path)
        return zipfile.ZipFile(path)


@contextlib.contextmanager
def _clear_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise ArchiveError(f"{path}: there is no such file.") from None
    except DAMAGE:
        kind = called(path)
        what = "" if kind == "a zip archive" else f"; this is {kind}"
        raise ArchiveError(
            f"{path}: not a whole zip archive{what}: it may be cut short, damaged, or another file. Compare its size "
            "with that of the published one; if they differ, download it again."
        ) from None


def check_directory(file: BinaryIO, where: object) -> None:
    """Look at what an archive's table of contents claims, before zipfile reads it into memory.

    ArchiveError naming ``where`` if it is larger than that of any archive of galaxies, BadZipFile if there is none.
    """
    size = file.seek(0, os.SEEK_END)
    # A comment of at most 65,535 bytes may follow the last record, and Zip64's two records stand before it.
    start = max(0, size - 76 - 22 - 0xFFFF)
    file.seek(start)
    tail = file.read(size - start)
    end = tail.rfind(b"PK\5\6")
    if end < 0:
        raise zipfile.BadZipFile("its table of contents is missing")
    claimed = int(struct.unpack_from("<L", tail, end + 12)[0])
    # zipfile takes Zip64's record from where it stands, not from where its locator says.
    if end >= 76 and tail[end - 20 : end - 16] == b"PK\6\7" and tail[end - 76 : end - 72] == b"PK\6\6":
        claimed = int(struct.unpack_from("<Q", tail, end - 76 + 40)[0])
    if claimed > MAX_DIRECTORY:
        raise ArchiveError(f"{where}: its table of contents has {claimed:,} bytes; this is no archive of galaxies.")

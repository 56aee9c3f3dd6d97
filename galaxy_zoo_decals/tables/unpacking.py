"""Compressed tables, unpacked as they are read: bounded, so that a small file cannot become a large one."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

from galaxy_zoo_decals.tables.formats import (
    COMPRESSED,
    EXCEL,
    HEAD,
    LARGEST,
    NUMPY,
    SAVE,
    SHEET,
    Format,
    TableError,
    printable,
    recognise,
)

MOST_LAYERS = 3
"""How often a file may be compressed, as a .csv.gz in a zip."""

RATIO, FREE = 200, 64 * 2**20
"""A table becomes at most so many times larger when it is unpacked, beyond the first bytes, which are free."""

LARGEST_IN_MEMORY = 2**30
"""Bytes of a table at most that has to be unpacked whole before it is read (Parquet, FITS)."""

_CUT = "it ends in the middle: it may be cut short. Compare its size with that of the file it came from"


@dataclass(frozen=True)
class Contents:
    """What is in a file once it is unpacked: its format and first bytes, and how to read it from the beginning."""

    path: Path
    format: Format
    head: bytes
    packed: tuple[str, ...]
    """How it is compressed, the outermost first."""
    open: Callable[[], BinaryIO]

    @property
    def what(self) -> str:
        """What the file is, for people."""
        return f"{self.format.what} (in {' in '.join(reversed(self.packed))})" if self.packed else self.format.what

    def whole(self) -> Path | BinaryIO:
        """Return the file for readers that go back and forth in it: its path, or its bytes where it is compressed."""
        if not self.packed:
            return self.path
        with self.open() as stream:
            data = stream.read(LARGEST_IN_MEMORY + 1)
        if len(data) > LARGEST_IN_MEMORY:
            raise TableError(f"{self.path}: unpacked it has more than {LARGEST_IN_MEMORY >> 20} MiB. Unpack it first.")
        return io.BytesIO(data)


def contents(path: Path) -> Contents:
    """Return what is in a file, looking through compression; raises TableError for a file that is not there."""
    if path.is_dir():
        held = sorted(entry.name for entry in path.iterdir() if entry.is_file() and not entry.name.startswith("."))
        inside = f" It holds {', '.join(map(printable, held[:5]))}." if held else ""
        raise TableError(f"{path}: this is a folder; give the file of the table.{inside}")
    if not path.is_file():
        if path.parts and path.parts[0] in ("http:", "https:", "ftp:", "s3:", "file:", "hf:"):
            raise TableError(f"{path}: an address; download the file and give its path.")
        raise TableError(f"{path}: there is no such file.")
    size = path.stat().st_size
    if size > LARGEST:
        raise TableError(f"{path}: {size:,} bytes; of a table at most {LARGEST:,} are read.")
    return _look_through(path, lambda: path.open("rb"), size)


def called(path: Path) -> str:
    """Return what a file is by its first bytes alone, for a message; nothing is unpacked."""
    try:
        with path.open("rb") as stream:
            return recognise(stream.read(HEAD)).what
    except OSError:
        return "a folder" if path.is_dir() else "no file"


def contents_of(data: bytes, path: Path) -> Contents:
    """Return what is in the bytes of a file that was taken out of ``path``, which messages name."""
    found = _look_through(path, lambda: io.BytesIO(data), len(data))
    return replace(found, packed=("a zip archive", *found.packed))


def _look_through(path: Path, opened: Callable[[], BinaryIO], size: int) -> Contents:
    packed: tuple[str, ...] = ()
    limit = min(LARGEST, max(FREE, RATIO * size))
    while True:
        head = _head(opened)
        format = recognise(head)
        if format.name not in COMPRESSED:
            return Contents(path, format, head, packed, opened)
        if len(packed) == MOST_LAYERS:
            raise TableError(f"{path}: it is compressed more than {MOST_LAYERS} times. Unpack it first.")
        if format.name == "zip":
            member = _member(path, opened)
            if isinstance(member, Format):
                return Contents(path, member, head, packed, opened)
            packed, opened = (*packed, "a zip archive"), _unzipped(path, opened, member, limit)
        else:
            packed, opened = (*packed, format.name), _unpacked(path, opened, format.name, limit)


def _head(opened: Callable[[], BinaryIO]) -> bytes:
    with opened() as stream:
        return stream.read(HEAD)


def _unpacked(path: Path, opened: Callable[[], BinaryIO], name: str, limit: int) -> Callable[[], BinaryIO]:
    def unpack() -> BinaryIO:
        packed = opened()
        if name == "gzip":
            inner: object = gzip.GzipFile(fileobj=packed)
        elif name == "bz2":
            inner = bz2.BZ2File(packed)
        elif name == "xz":
            inner = lzma.LZMAFile(packed)  # noqa: SIM115  (closed with what is made of it)
        else:
            inner = pa.CompressedInputStream(pa.PythonFile(packed, mode="r"), "zstd")
        return _bounded(path, name, cast(BinaryIO, inner), limit, packed)

    return unpack


def _unzipped(path: Path, opened: Callable[[], BinaryIO], member: str, limit: int) -> Callable[[], BinaryIO]:
    def unpack() -> BinaryIO:
        packed = opened()
        try:
            inner = _zip(packed).open(member)
        except _DAMAGE as error:
            raise _damaged(path, "zip", error) from None
        return _bounded(path, "zip", cast(BinaryIO, inner), limit, packed)

    return unpack


def _zip(stream: BinaryIO) -> zipfile.ZipFile:
    return zipfile.ZipFile(stream if stream.seekable() else io.BytesIO(stream.read(LARGEST_IN_MEMORY)))


def _member(path: Path, opened: Callable[[], BinaryIO]) -> str | Format:
    """Return the one table in a zip archive, or what the archive is where it is something else."""
    try:
        with opened() as stream, _zip(stream) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
    except _DAMAGE as error:
        raise _damaged(path, "zip", error) from None
    places = [info.filename for info in infos]
    if "xl/workbook.xml" in places or "xl/workbook.bin" in places:
        return EXCEL
    if "content.xml" in places and "mimetype" in places:
        return SHEET
    if any(place.endswith(("/data.pkl", "/data/0")) for place in places):
        return Format("torch", "a file of torch, which is never opened here: it can run any program", f"{SAVE}.")
    shown = [i for i in infos if "__MACOSX" not in i.filename and not i.filename.rpartition("/")[2].startswith(".")]
    if shown and all(info.filename.endswith(".npy") for info in shown):
        return NUMPY
    if len(shown) != 1:
        names = ", ".join(printable(info.filename) for info in shown[:5]) or "none"
        more = f" and {len(shown) - 5:,} more" if len(shown) > 5 else ""
        raise TableError(
            f"{path}: this is a zip archive of {len(shown):,} files ({names}{more}); one table is asked for. Unpack it "
            "and give the table that is meant."
        )
    if shown[0].flag_bits & 1:
        raise TableError(f"{path}: the zip archive is encrypted. Unpack it with its password and give the table in it.")
    return shown[0].filename


_DAMAGE = (
    OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError,
    KeyError, OverflowError,
)  # fmt: skip
"""What is raised of compressed files that cannot be unpacked."""


def _damaged(path: Path, name: str, error: Exception) -> TableError:
    said = str(error).lower()
    cut = isinstance(error, EOFError) or "truncated" in said or "end-of-stream" in said or "not a zip file" in said
    if cut:
        return TableError(f"{path}: {_packed_as(name)}, and {_CUT}.")
    return TableError(
        f"{path}: {_packed_as(name)}, and it does not unpack: a part of it is not as it was written. Compare its size "
        "and checksum with those of the file it came from."
    )


def _packed_as(name: str) -> str:
    return "it is a zip archive" if name == "zip" else f"it is compressed by {name}"


def _bounded(path: Path, name: str, inner: BinaryIO, limit: int, packed: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(_Bounded(path, name, inner, limit, packed), 2**20))


class _Bounded(io.RawIOBase):
    """Bytes as they are unpacked; TableError beyond the limit, and for what does not unpack."""

    def __init__(self, path: Path, name: str, inner: BinaryIO, limit: int, packed: BinaryIO) -> None:
        self._path, self._name, self._inner, self._limit, self._packed = path, name, inner, limit, packed
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        view = memoryview(buffer)
        try:
            data = self._inner.read(len(view))
        except TableError:
            raise
        except _DAMAGE as error:
            raise _damaged(self._path, self._name, error) from None
        self._count += len(data)
        if self._count > self._limit:
            raise TableError(
                f"{self._path}: it unpacks to more than {self._limit:,} bytes, {RATIO} times its size, as no table "
                "does. If it is one, unpack it and give the file."
            )
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._inner.close()
            self._packed.close()
        super().close()

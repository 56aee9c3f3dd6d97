"""A file on a server that is read in ranges of bytes, as zipfile reads a file on disk."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass

import requests

from galaxy_zoo_decals.sources import download
from galaxy_zoo_decals.sources.archive import MAX_DIRECTORY
from galaxy_zoo_decals.sources.download import AnswerError, DownloadError, File, Passing

CHANGED = "What was kept of the old one is no longer used: run the same command again."

GONE = frozenset({401, 403, 404, 410})
"""Answers of an address that a redirect gave and that is no longer good."""


class ChangedError(DownloadError):
    """A file that is no longer the one that was read before."""


def _nothing(arrived: int) -> None:
    """Do nothing with the number of bytes that have arrived."""


@dataclass
class Ranges:
    """A file on a server, from which ranges of bytes are asked for; DownloadError where that cannot be had.

    The file must stay the same: ``etag`` is what the server called it first, and its size is the one published.
    """

    client: requests.Session
    file: File
    say: download.Say = download.say
    etag: str | None = None
    address: str = ""
    """Where a redirect led: asked directly from then on, as every redirect is a request too."""

    def read(self, start: int, stop: int, arrived: Callable[[int], object] = _nothing) -> bytes:
        """Return the bytes from ``start`` up to ``stop``; of a connection that was cut only the rest is asked again.

        ``arrived`` is told how many bytes each block has. The server is never asked for less than one byte.
        """
        data = bytearray()

        def once() -> None:
            have = start + len(data)
            if have >= stop:
                return
            with self._ask(have, stop) as answer:
                for block in download.arriving(answer):
                    if have + len(block) > stop:
                        raise DownloadError(f"{self.file.url}: the server sends more bytes than were asked for.")
                    data.extend(block)
                    have += len(block)
                    arrived(len(block))
            if have < stop:
                raise Passing(f"the connection ended {stop - have:,} bytes early")

        download.persist(once, lambda: len(data), self.say, download.TRIES)
        return bytes(data)

    def _ask(self, start: int, stop: int) -> requests.Response:
        """Return an answer that holds the bytes from ``start``, none of them read yet."""
        try:
            answer = download.get(self.client, self.address or self.file.url, {"Range": f"bytes={start}-{stop - 1}"})
        except AnswerError as error:
            if error.status in GONE and self.address:
                self.address = ""
                return self._ask(start, stop)
            if error.status == 416:
                raise ChangedError(
                    f"{self.file.name} on the server is shorter than the {self.file.size:,} bytes published. {CHANGED}"
                ) from None
            raise
        try:
            self._check(answer, start, stop)
        except BaseException:
            answer.close()  # what else is in it is not read: it may be the whole file
            raise
        if answer.history:
            self.address = answer.url
        return answer

    def _check(self, answer: requests.Response, start: int, stop: int) -> None:
        """Raise DownloadError unless the headers promise bytes from ``start`` to ``stop`` at most, of the same file."""
        etag, length = answer.headers.get("ETag"), answer.headers.get("Content-Length", "")
        given = re.fullmatch(
            r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)", answer.headers.get("Content-Range", "").strip()
        )
        whole = answer.status_code == 200 and length in ("", str(self.file.size))
        all_asked = (start, stop) == (0, self.file.size)
        if given is None and whole and not all_asked:
            raise DownloadError(
                f"{self.file.url}: the server sends whole files only (it ignores Range), so a part of the survey "
                "cannot be had from it. Without --galaxies whole archives are taken, of several those that --parts "
                "names, as in `--parts 1`; `--images hub-tiny` takes some thousand galaxies from the Hugging Face Hub."
            )
        if given is not None:
            first, last, total = int(given[1]), int(given[2]), given[3]
            if total not in ("*", str(self.file.size)):
                raise ChangedError(
                    f"{self.file.name} on the server has {int(total):,} bytes where {self.file.size:,} are published. "
                    f"{CHANGED}"
                )
            if first != start or not first <= last < stop or length not in ("", str(last - first + 1)):
                given = None
        coded = answer.headers.get("Content-Encoding", "identity") != "identity"
        if coded or (given is None and not (whole and all_asked)):
            raise DownloadError(
                f"{self.file.url}: the server answered with other bytes than were asked for (it says "
                f"{answer.headers.get('Content-Range') or answer.headers.get('Content-Type')!r}). Nothing of it was "
                "kept; try again later, or from another network."
            )
        if self.etag is not None and etag is not None and etag != self.etag:
            raise ChangedError(
                f"{self.file.name} changed on the server since it was read first (its ETag "
                f"{download.printable(self.etag)} became {download.printable(etag)}). {CHANGED}"
            )
        self.etag = etag or self.etag


class RemoteFile(io.RawIOBase):
    """A file on a server, read-only and seekable; what was read or brought is kept in memory until it is dropped."""

    def __init__(self, ranges: Ranges, arrived: Callable[[int], object] = _nothing) -> None:
        super().__init__()
        self.ranges, self.arrived = ranges, arrived
        self.size = ranges.file.size
        self.sealed = False
        """Whether only bytes that were brought may be read: whoever reads one image asks the server for nothing."""
        self._kept: dict[int, bytes] = {}
        """Stretches of the file by where they begin."""
        self._place = 0

    def bring(self, start: int, stop: int) -> None:
        """Read a stretch of the file in one request and keep it, but for what is kept at its end already."""
        for begin, data in self._kept.items():
            if start < begin <= stop <= begin + len(data):
                stop = begin
        if stop > start:
            self._kept[start] = self.ranges.read(start, stop, self.arrived)

    def keep(self, start: int, data: bytes) -> None:
        """Keep a stretch of the file that is known."""
        self._kept[start] = data

    def forget(self) -> None:
        """Drop all that is kept."""
        self._kept.clear()

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def seekable(self) -> bool:
        """Return that it can be read from any place."""
        return True

    def tell(self) -> int:
        """Return where the next byte is read."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; OSError where it lies before the file, as of a file on disk."""
        place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self.size}[whence]
        if place < 0:
            raise OSError("a place before the beginning of the file")
        self._place = place
        return place

    def read(self, size: int | None = -1) -> bytes:
        """Return the next bytes, at most ``size``; fewer only at the end of the file."""
        wanted = self.size - self._place if size is None or size < 0 else size
        stop = min(self._place + wanted, self.size)
        found = bytearray()
        while self._place < stop:
            block = self._known(self._place, stop)
            if not block:
                if self.sealed:
                    raise EOFError("its bytes do not lie where its neighbours are")
                if stop - self._place > MAX_DIRECTORY:
                    raise DownloadError(f"{self.ranges.file.name}: {stop - self._place:,} bytes are too many to read.")
                self.bring(self._place, stop)
                continue
            found += block
            self._place += len(block)
        return bytes(found)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read into a buffer and return how many bytes there were."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _known(self, start: int, stop: int) -> bytes:
        for begin, data in self._kept.items():
            if begin <= start < begin + len(data):
                return data[start - begin : stop - begin]
        return b""

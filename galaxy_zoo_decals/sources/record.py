"""A record of Zenodo: which files it has and under which licence, and each of them whole and verified in a folder."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

import requests

from galaxy_zoo_decals import atomic
from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.sources import download
from galaxy_zoo_decals.sources.download import DownloadError, File

LARGEST_FILE = 10**15
"""Bytes of a file of a record at most."""

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")

KEPT = "record.json"
"""File beside the downloads that holds the record's description as its API gave it."""


class SourceError(UserError):
    """Files of a data release that are missing or not what they should be; the message says what to do."""


class Record:
    """A record at its API's address, whose files are downloaded into a folder one after the other.

    ``otherwise`` says what to do where it has no file of a name. Nothing is asked before it is needed.
    """

    def __init__(self, address: str, folder: Path, say: Callable[[str], object], otherwise: str = "") -> None:
        self.address, self.folder, self.say, self.otherwise = address, folder, say, otherwise

    @cached_property
    def client(self) -> requests.Session:
        """The connection that all files come through."""
        return download.session()

    @cached_property
    def answer(self) -> object:
        """The description of the record, as its API gives it today."""
        return download.fetch_json(self.client, self.address, self.say)

    @cached_property
    def files(self) -> dict[str, File]:
        """The files of the record; DownloadError where it is none."""
        return read_record(self.answer, self.address)

    def find(self, name: str) -> File:
        """Return a file of the record; SourceError if it has none of this name."""
        if name not in self.files:
            raise SourceError(f"{self.address}: the record has no {name}. {self.otherwise}".rstrip())
        return self.files[name]

    def fetch(self, name: str) -> Path:
        """Return a file of the record in the folder, downloading it if it is not there."""
        path = self.folder / name
        if path.is_file():  # it took this name when its md5 was right
            return path
        with self.alone():
            return download.fetch(self.client, self.find(name), self.folder, self.say)

    def keep(self) -> None:
        """Keep the description beside the files, so that their licence is known without asking again."""
        _ = self.files  # what is no record is not kept
        self.folder.mkdir(parents=True, exist_ok=True)
        atomic.write_text(self.folder / KEPT, json.dumps(self.answer, indent=1) + "\n")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let nobody else download into the folder; BusyError if somebody does."""
        with download.alone(self.folder):
            yield


def kept_answer(folder: Path) -> object:
    """Return the description of a record that was kept in a folder; None if there is none that can be read."""
    try:
        return json.loads((folder / KEPT).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def stated_licence(answer: object) -> str | None:
    """Return the licence that a record states, as Zenodo spells it ("cc-by-4.0"); None if it states none."""
    try:
        found = answer["metadata"]["license"]  # type: ignore[index]
        found = found["id"] if isinstance(found, dict) else found
    except (KeyError, TypeError, IndexError):
        return None
    return found if isinstance(found, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,63}", found) else None


def read_record(answer: object, url: str) -> dict[str, File]:
    """Return the files of a record as Zenodo's API describes it; DownloadError if it is no such description.

    Every size, checksum, name and link is looked at: they decide what is read from where and written where.
    """
    look = "Look at the address of the record's API; if it is right, the server is not well: try again later."
    try:
        described = [
            (f["key"], f["links"]["self"], f["size"], f["checksum"])
            for f in answer["files"]  # type: ignore[index]
        ]
    except (KeyError, TypeError, IndexError):
        raise DownloadError(f"{download.printable(url)}: the answer does not describe a record. {look}") from None
    files: dict[str, File] = {}
    for name, link, size, checksum in described:
        md5 = str(checksum).removeprefix("md5:").lower()
        if (
            not SAFE_NAME.fullmatch(str(name)) or str(name) in files  # of two with one name, which is it?
            or type(size) is not int or not 0 <= size <= LARGEST_FILE
            or not re.fullmatch(r"[0-9a-f]{32}", md5) or not _is_web(str(link))
        ):  # fmt: skip
            raise DownloadError(
                f"{download.printable(url)}: the description of {str(name)[:80]!r} is not that of a file. {look}"
            )
        files[str(name)] = File(str(name), str(link), size, md5)
    return files


def _is_web(link: str) -> bool:
    """Return whether a link is a URL of a web server."""
    try:
        parts = urlsplit(link)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and link.isprintable() and " " not in link
    except ValueError:
        return False

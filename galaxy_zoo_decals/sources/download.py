"""Files over HTTP that survive what long downloads meet: resumed, retried, verified, whole or not there."""

from __future__ import annotations

import email.utils
import hashlib
import json
import math
import random
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import requests
import urllib3
from tqdm import tqdm

from galaxy_zoo_decals import atomic
from galaxy_zoo_decals.atomic import put_file
from galaxy_zoo_decals.errors import UserError

LOCK = "downloads.lock"
"""File in a folder of downloads that says who fills it."""

BLOCK = 2**20
LARGEST_RECORD = 2**24
"""Bytes of a record's description at most."""

RECORD_TIME = 120.0
"""Seconds that its bytes may take to come: someone waits for it."""

TRIES = 20
"""Attempts in a row without a new byte before a download gives up: more than an hour, for a night without anyone."""

FIRST_TRIES = 6
"""Attempts at the record's description, which someone waits for: about a minute."""

LONGEST_WAIT = 300.0
"""Seconds between two attempts at most, unless the server asks for more (then up to an hour)."""

TIMEOUT = (20.0, 60.0)
"""Seconds to connect, and seconds without a byte after which a connection counts as stalled."""

LEAST_RATE, RATE_TIME = 1000.0, 60.0
"""Bytes a second, in the mean of so many seconds, below which a connection counts as broken."""

AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP answers that pass: the server is busy or down."""

Result = TypeVar("Result")


Say = Callable[[str], object]
"""Where words about the way things go are written to."""


def say(words: str) -> None:
    """Write beside the progress bar, on standard error."""
    tqdm.write(words, file=sys.stderr)


class DownloadError(UserError):
    """A file that cannot be had; the message says what the server said and what to do."""


class BusyError(DownloadError):
    """A folder that another run downloads into."""

    def __init__(self, folder: Path, who: str) -> None:
        super().__init__(f"{folder}: {who} downloads into this folder. Wait for it to end.")


def make_folder(folder: Path) -> None:
    """Make a folder of downloads; DownloadError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DownloadError(
            f"{folder}: what is downloaded cannot be kept there ({error.strerror}): give --downloads another folder."
        ) from None


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let nobody else download into a folder, which is made; BusyError if somebody does."""
    make_folder(folder)
    with atomic.lock(folder / LOCK, lambda who: BusyError(folder, who)):
        yield


class AnswerError(DownloadError):
    """A file that the server does not give; ``status`` is its HTTP answer."""

    def __init__(self, words: str, status: int) -> None:
        super().__init__(words)
        self.status = status


class Passing(Exception):
    """A failure worth another attempt; ``wait`` is what the server asked for, in seconds."""

    def __init__(self, words: str, wait: float | None = None) -> None:
        super().__init__(words)
        self.wait = wait


class Trickle(Passing):
    """A connection that brings less than LEAST_RATE: a few bytes do not make up for the attempt."""


@dataclass(frozen=True)
class File:
    """A file on a server: where it is, how large and with which md5 ("" where none is published).

    ``etag`` is what the server calls it: without an md5 only that tells it from another one of its name.
    """

    name: str
    url: str
    size: int
    md5: str
    etag: str = ""

    @property
    def part(self) -> str:
        """What it is called while it is downloaded: a download without an md5 goes on with the same file only."""
        told = "" if self.md5 else f".{hashlib.sha256(f'{self.size} {self.etag}'.encode()).hexdigest()[:12]}"
        return f"{self.name}{told}.part"


def session() -> requests.Session:
    """Return a session that says who asks; proxies and certificates are those of the environment."""
    try:
        ours = version("galaxy-zoo-decals")
    except PackageNotFoundError:  # a clone that was not installed
        ours = "0"
    made = requests.Session()
    made.headers["User-Agent"] = f"galaxy-zoo-decals/{ours} {requests.utils.default_user_agent()}"
    # A compressed answer could not be resumed by bytes.
    made.headers["Accept-Encoding"] = "identity"
    return made


def fetch_json(client: requests.Session, url: str, say: Say = say) -> object:
    """Return the JSON document at a URL, of at most ``LARGEST_RECORD`` bytes; retried like a download."""

    def once() -> object:
        body, began = bytearray(), time.monotonic()
        with get(client, url, {}) as answer:
            for block in arriving(answer):
                body += block
                if len(body) > LARGEST_RECORD:
                    raise DownloadError(f"{url}: the answer is larger than a record's description can be.")
                if time.monotonic() - began > RECORD_TIME:
                    raise Passing(f"the description did not come within {RECORD_TIME:.0f} s")
            if len(body) < (stated_length(answer) or 0):
                raise Passing("the connection was cut")
        try:
            return json.loads(body)
        except (ValueError, RecursionError):  # the latter of brackets in brackets without end
            raise DownloadError(f"{url}: the answer is no JSON; is this the address of a record's API?") from None

    return persist(once, lambda: 0, say, FIRST_TRIES)


def fetch(client: requests.Session, file: File, folder: Path, say: Say = say) -> Path:
    """Download a file into ``folder`` under its name and return its path; one that is there whole is kept.

    What an interrupted download left in ``NAME.part`` is continued. The file takes its name only when its md5 is
    right, if one is published; a wrong one is downloaded anew once, then DownloadError is raised and nothing is left.
    """
    path, part = folder / file.name, folder / file.part
    if path.is_file():
        if path.stat().st_size == file.size:
            return path
        raise DownloadError(
            f"{path} has {path.stat().st_size:,} bytes where {file.size:,} are published; it was not touched. Remove "
            "it, and it is downloaded."
        )
    folder.mkdir(parents=True, exist_ok=True)
    check_room(folder, file.size - (part.stat().st_size if part.exists() else 0), file.name)
    for last in (False, True):
        with tqdm(
            total=file.size, unit="B", unit_scale=True, unit_divisor=1000, desc=file.name, disable=None, smoothing=0.02
        ) as bar:
            hashed = _download(client, file, part, bar, say)
        if hashed == file.md5 or not file.md5:
            break
        part.unlink()
        if last:
            raise DownloadError(
                f"{file.name}: downloaded twice, and both times its md5 is {hashed} where {file.md5} is published. The "
                "copy on the server or something on the way is damaged; nothing of it was kept. Try again later, or "
                "from another network."
            )
        say(f"{file.name}: the md5 is {hashed}, not {file.md5}; it is downloaded anew.")
    put_file(part, path)  # no atomic_file, which would remove what an interrupted download left
    return path


def look(client: requests.Session, name: str, url: str, say: Say = say) -> File:
    """Return a file of which nothing is published, as its server states it: its size, and what the server calls it."""

    def once() -> File:
        with get(client, url, {"Range": "bytes=0-0"}) as answer:
            of_all = re.fullmatch(r"bytes 0-0/([0-9]{1,18})", answer.headers.get("Content-Range", "").strip())
            size = int(of_all[1]) if of_all else stated_length(answer) if answer.status_code == 200 else None
            etag = answer.headers.get("ETag", "")
            coded = answer.headers.get("Content-Encoding", "identity") != "identity"
        if not size or coded:
            raise DownloadError(f"{printable(url)}: the server does not state how many bytes the file has.")
        # One that is weak, or is none, does not say that bytes are the same.
        return File(name, url, size, "", etag if re.fullmatch(r'"[\x21\x23-\x7e]{1,200}"', etag) else "")

    return persist(once, lambda: 0, say, FIRST_TRIES)


def _download(client: requests.Session, file: File, part: Path, bar: tqdm, say: Say) -> str:
    """Bring ``part`` to its full size and return its md5."""
    md5 = hashlib.md5(usedforsecurity=False)
    with part.open("ab+") as out:
        if out.tell() > file.size:
            out.truncate(0)
        out.seek(0)
        while block := out.read(BLOCK):  # what an earlier run left
            md5.update(block)
            bar.update(len(block))

        def once() -> None:
            nonlocal md5
            have = out.seek(0, 2)
            if have == file.size:
                return
            asked = {"Range": f"bytes={have}-"} | ({"If-Range": file.etag} if file.etag else {}) if have else {}
            with get(client, file.url, asked) as answer:
                if have and answer.status_code != 206:  # the server sends all of it again
                    out.truncate(0)
                    md5, have = hashlib.md5(usedforsecurity=False), 0
                    bar.reset()
                elif have and not _starts_at(answer, have):
                    raise DownloadError(f"{file.url}: the server answered with other bytes than were asked for.")
                for block in arriving(answer):
                    if have + len(block) > file.size:
                        out.truncate(0)
                        raise DownloadError(
                            f"{file.url}: the server sends more than the {file.size:,} bytes published."
                        )
                    out.write(block)
                    md5.update(block)
                    bar.update(len(block))
                    have += len(block)
            if have < file.size:
                raise Passing(f"the connection ended {file.size - have:,} bytes early")

        persist(once, lambda: out.seek(0, 2), say, TRIES)
    return md5.hexdigest()


def arriving(answer: requests.Response) -> Iterator[bytes]:
    """Yield the body as it comes in: of a connection that is cut or trickles, what had come is not lost."""
    came, waited = 0, 0.0  # while nobody asks for bytes none can come: that time is not the server's
    try:
        while True:
            began = time.monotonic()
            if not (block := answer.raw.read1(BLOCK)):
                return
            came, waited = came + len(block), waited + time.monotonic() - began
            yield block
            if waited > RATE_TIME:
                if came < LEAST_RATE * waited:
                    raise Trickle(f"{came:,} bytes came in {waited:.0f} s")
                came, waited = 0, 0.0
    except urllib3.exceptions.ReadTimeoutError:
        raise Passing(f"nothing came for {TIMEOUT[1]:.0f} s") from None
    except urllib3.exceptions.HTTPError:
        raise Passing("the connection was cut") from None


def _starts_at(answer: requests.Response, byte: int) -> bool:
    found = re.match(r"bytes ([0-9]{1,18})-", answer.headers.get("Content-Range", ""))
    return found is not None and int(found[1]) == byte


def stated_length(answer: requests.Response) -> int | None:
    """Return the bytes that an answer's Content-Length states; None where it states no number."""
    return number(answer.headers.get("Content-Length", ""))


def number(text: str) -> int | None:
    """Return a number of bytes from a header; None if it is none."""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def get(client: requests.Session, url: str, headers: dict[str, str]) -> requests.Response:
    """Return an answer with a body still to be read; Passing or DownloadError for anything but that."""
    try:
        answer = client.get(url, headers=headers, stream=True, timeout=TIMEOUT)
    except requests.exceptions.InvalidProxyURL:
        raise DownloadError("the proxy named in the environment (HTTPS_PROXY, HTTP_PROXY) has no usable URL.") from None
    except requests.exceptions.InvalidHeader:
        raise Passing("the server answered with headers that are none") from None
    except ValueError:  # what requests and urllib3 raise of URLs, of the user's own and of those a redirect leads to
        raise DownloadError(
            f"{printable(url)}: this is no URL of a web server, or the server sends on to one that is none, or the "
            "environment names such a proxy. Look at --record, --table and HTTPS_PROXY if you set them; else try again "
            "later. `galaxy-zoo-decals doctor` says what is open."
        ) from None
    except urllib3.exceptions.HTTPError:
        raise Passing("the connection was cut") from None
    if answer.ok:
        return answer
    answer.close()
    said = f"the server answered {answer.status_code} {printable(str(answer.reason))}"
    if answer.status_code in AGAIN:
        raise Passing(said, _asked_wait(answer))
    raise AnswerError(f"{printable(url)}: {said}. Look whether the address opens in a browser.", answer.status_code)


def printable(text: str) -> str:
    """Return what a server or a person wrote as it may be shown: at most 200 characters, none that steers a screen."""
    return "".join(c if c.isprintable() else "?" for c in text[:200])


def _asked_wait(answer: requests.Response) -> float | None:
    """Return the seconds that Retry-After (seconds or a date) or X-RateLimit-Reset (a time) ask for."""
    after, reset = answer.headers.get("Retry-After"), answer.headers.get("X-RateLimit-Reset")
    try:
        if after is not None:
            wait = (
                float(after)
                if after.strip().isdigit()
                else _until(email.utils.parsedate_to_datetime(after).timestamp())
            )
        elif reset is not None and answer.status_code == 429:
            wait = _until(float(reset))
        else:
            return None
    except (ValueError, TypeError, IndexError, OverflowError, OSError):  # dates that are none, or of no year
        return None
    return None if math.isnan(wait) else min(max(wait, 0.0), 3600.0)


def _until(moment: float) -> float:
    return moment - time.time()


def persist(attempt: Callable[[], Result], progress: Callable[[], int], say: Say, tries: int) -> Result:
    """Return what ``attempt`` returns, trying again with growing waits while it fails in ways that pass."""
    failures, before = 0, progress()
    while True:
        try:
            return attempt()
        except requests.exceptions.SSLError as error:
            raise DownloadError(
                f"the server's certificate was not accepted ({error}). If your network has its own, name its file in "
                "REQUESTS_CA_BUNDLE."
            ) from None
        except requests.exceptions.TooManyRedirects as error:
            raise DownloadError(f"the server sends in circles ({error}).") from None
        except (Passing, requests.exceptions.RequestException) as error:
            now = progress()
            enough = LEAST_RATE * RATE_TIME if isinstance(error, Trickle) else 1
            failures = 0 if now - before >= enough else failures + 1
            before = now
            words = str(error) if isinstance(error, Passing) else _plain(error)
            if failures >= tries:
                more = "no more bytes" if enough == 1 else "hardly any more bytes"
                raise DownloadError(
                    f"{more} after {tries} attempts: {words}. What has arrived is kept: the same command goes on from "
                    "there."
                ) from None
            wait = min(2.0**failures, LONGEST_WAIT) * random.uniform(0.75, 1.25)
            asked = error.wait if isinstance(error, Passing) else None
            wait = wait if asked is None else asked + random.uniform(0, 0.5)
            say(f"{words}; trying again in {wait:.0f} s")
            time.sleep(wait)


def _plain(error: requests.exceptions.RequestException) -> str:
    """Return what happened to a connection in few words: the library's own name the whole chain of causes."""
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy named in the environment does not answer"
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return f"{_host(error)} does not answer"
    if isinstance(error, requests.exceptions.Timeout):
        return f"nothing came for {TIMEOUT[1]:.0f} s"
    return f"no connection to {_host(error)}"


def _host(error: requests.exceptions.RequestException) -> str:
    url = error.request.url if error.request is not None else None
    return urlsplit(str(url or "")).hostname or "the server"


def check_room(folder: Path, needed: int, name: str) -> None:
    """Raise DownloadError if the disk of ``folder`` has fewer than ``needed`` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DownloadError(
            f"{folder}: {name} needs {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB are free. Make room, or choose "
            "another disk with --downloads; --delete-archives keeps one part at a time."
        )

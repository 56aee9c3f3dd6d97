"""What can be reached now: every address asked, the rate measured, and which way to real galaxies is open."""

from __future__ import annotations

import json
import re
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import requests
import urllib3

from galaxy_zoo_decals import addresses
from galaxy_zoo_decals.addresses import ADDRESSES, Address
from galaxy_zoo_decals.doctor.findings import Findings, Seen
from galaxy_zoo_decals.doctor.ways import choose, ways_to_data
from galaxy_zoo_decals.sources import download
from galaxy_zoo_decals.sources.download import DownloadError
from galaxy_zoo_decals.sources.record import read_record
from galaxy_zoo_decals.units import amount

TIMEOUT = (5.0, 8.0)
"""Seconds to connect, and seconds without a byte."""

DEADLINE = 20.0
"""Seconds after which an address that has not answered counts as silent."""

SAMPLE = 4 * 2**20
"""Bytes of which the rate is measured, at most."""

SAMPLE_TIME = 4.0
"""Seconds in which it is measured, at most."""

LARGEST_ANSWER = 2**24
"""Bytes of a description at most."""


ABOUT = 0.15
"""Part by which a size that was stated roughly may be another one."""


BLOCK = 2**15
"""Bytes that come at once when the rate is measured; of a file that ends before, there is no rate."""


Question = tuple[Address, str, Callable[[], Seen]]
"""An address, its URL, and what asks it."""


def examine(record: str, hub: str, folder: Path, token: str | None = None, offline: bool = False) -> Findings:
    """Ask every address, measure the rates, and weigh the ways; takes 40 seconds at most.

    ``record`` is the record's API at Zenodo, ``hub`` the Hub's endpoint, ``folder`` where data go. ``offline``: the
    user wants nothing from the Hub (HF_HUB_OFFLINE).
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    places = {"record": record.rstrip("/"), "hub": hub.rstrip("/"), "votes_2": addresses.GALAXY_ZOO_2_VOTES}
    places["zenodo"] = places["record"].rpartition("/")[0]
    shards: dict[str, str] = {}
    listed: dict[str, int] = {}
    questions: list[Question] = []
    for address in ADDRESSES:
        url, of_hub = address.url.format(**places), address.url.startswith("{hub}")
        if of_hub and offline:
            ask = partial(Seen, address, url, False, "HF_HUB_OFFLINE is set; unset it, and it is asked")
        elif address.name in addresses.RECORDS:
            ask = partial(_ask_record, address, url, listed)
        elif "/api/datasets/" in url:
            ask = partial(_ask_dataset, address, url, places["hub"], headers, shards)
        else:
            ask = partial(_ask_file, address, url, headers if of_hub else {})
        questions.append((address, url, ask))
    seen = [_completed(s, listed) for s in _answers(questions)]
    rates: dict[str, float] = {}
    by_name = {s.address.name: s for s in seen}
    for name, url, more in (
        ("Zenodo", by_name["votes"].url if by_name["votes"].fits else "", {}),
        ("Hub", shards.get("default") or shards.get("tiny", ""), headers),
        ("Galaxy Zoo 2", by_name["GZ 2 votes"].url if by_name["GZ 2 votes"].fits else "", {}),
    ):
        if url and (rate := _rate(url, more)):
            rates[name] = rate
    free = shutil.disk_usage(next(parent for parent in (folder, *folder.parents) if parent.exists())).free
    ways = tuple(ways_to_data(by_name, rates, free))
    return Findings(tuple(seen), rates, ways, choose(ways), str(folder), free)


def _answers(questions: Sequence[Question]) -> list[Seen]:
    """Return the answers to all questions, asked at one time; who has not answered at the deadline is silent.

    The threads are daemons: a server that sends a byte now and then cannot keep the program from ending.
    """
    found: dict[int, Seen] = {}

    def ask(number: int) -> None:
        address, url, question = questions[number]
        try:
            found[number] = question()
        except Exception as error:  # whatever a server makes of it is one line, never a thread's traceback
            found[number] = Seen(address, url, False, _plain(error))

    threads = [threading.Thread(target=ask, args=(number,), daemon=True) for number in range(len(questions))]
    for thread in threads:
        thread.start()
    end = time.monotonic() + DEADLINE
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return [
        found.get(number, Seen(address, url, False, f"no answer within {DEADLINE:.0f} s"))
        for number, (address, url, _) in enumerate(questions)
    ]


def _ask_file(address: Address, url: str, headers: Mapping[str, str]) -> Seen:
    """Ask a file's address by HEAD, or by a GET of one byte where HEAD is not allowed."""
    client = download.session()  # one a thread: they are not made to be shared
    answer = client.head(url, headers=dict(headers), allow_redirects=True, timeout=TIMEOUT)
    size = _size(answer)
    if not answer.ok or size is None:
        more = {**headers, "Range": "bytes=0-0"}
        with client.get(url, headers=more, stream=True, timeout=TIMEOUT) as second:
            if not second.ok:
                return Seen(address, url, False, _refusal(second, bool(headers)))
            size = _size(second)
    return Seen(address, url, True, _compared(address, size), size)


def _size(answer: requests.Response) -> int | None:
    """Return the size of a file in bytes by the headers of an answer."""
    linked = next((a.headers["X-Linked-Size"] for a in (*answer.history, answer) if "X-Linked-Size" in a.headers), "")
    whole = answer.headers.get("Content-Range", "").rpartition("/")[2]
    said = linked or whole or ("" if answer.status_code == 206 else answer.headers.get("Content-Length", ""))
    return download.number(said)


def _ask_record(address: Address, url: str, listed: dict[str, int]) -> Seen:
    """Ask Zenodo's API which files the record has; their sizes go into ``listed``."""
    with download.session().get(url, stream=True, timeout=TIMEOUT) as answer:
        if not answer.ok:
            return Seen(address, url, False, _refusal(answer, False))
        body = _body(answer)
    try:
        files = read_record(_described(body), url)
    except DownloadError:
        return Seen(address, url, False, "the answer is no description of a record")
    if not files.keys() & set(addresses.RECORDS[address.name]):
        what = "the votes are" if address.name == "record" else f"{addresses.RECORDS[address.name][0]} is"
        return Seen(address, url, False, f"it is another record: {what} not in it")
    listed.update({name: file.size for name, file in files.items()})
    return Seen(address, url, True, "", len(body))


def _completed(seen: Seen, listed: Mapping[str, int]) -> Seen:
    """Return a file of the record with the size that the record states, where the file's own answer states none."""
    size = listed.get(seen.url.removesuffix("/content").rpartition("/")[2])
    of_record = seen.address.url.startswith(("{record}", "{zenodo}"))
    if not seen.reachable or seen.size is not None or size is None or not of_record:
        return seen
    return replace(seen, size=size, words=_compared(seen.address, size))


def _body(answer: requests.Response) -> bytes:
    """Return the body of a description; "" of one that is too large to be any."""
    body = bytearray()
    for block in answer.iter_content(2**16):
        body += block
        if len(body) > LARGEST_ANSWER:
            return b""
    return bytes(body)


def _described(body: bytes) -> Any:
    """Return the JSON of a description; None if it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):  # the latter of brackets in brackets without end
        return None


def _ask_dataset(address: Address, url: str, hub: str, headers: Mapping[str, str], shards: dict[str, str]) -> Seen:
    """Ask the Hub's API what a dataset has, then one of its shards by HEAD; the shard's URL goes into ``shards``."""
    repository = address.url.partition("/api/datasets/")[2]
    config = next(c for c in addresses.DATASETS[repository].values() if c.size == address.size)
    with download.session().get(
        url, params={"blobs": "true"}, headers=dict(headers), stream=True, timeout=TIMEOUT
    ) as answer:
        if not answer.ok:
            return Seen(address, url, False, _refusal(answer, bool(headers)))
        body = _body(answer)
    try:
        files = {str(f["rfilename"]): f["size"] for f in _described(body)["siblings"]}
    except (KeyError, TypeError, IndexError):
        return Seen(address, url, False, "the answer is no description of a dataset")
    held = sorted(n for n in files if re.fullmatch(rf"{config.folder}/[\w.-]+\.parquet", n, re.ASCII))
    if any(type(files[name]) is not int or not 0 < files[name] < 10**15 for name in held):
        return Seen(address, url, False, "the answer is no description of a dataset")
    if not held:
        return Seen(address, url, False, f"it has no Parquet files in {config.folder}/ any more")
    shard = f"{hub}/datasets/{repository}/resolve/main/{held[0]}"
    size = sum(files[name] for name in held)
    first = _ask_file(address, shard, headers)
    if not first.reachable:
        return Seen(address, url, False, f"listed, but {held[0]}: {first.words}", size)
    if repository == addresses.HUB_IMAGES:
        shards[config.name] = shard
    words = _compared(address, size)
    if len(held) != config.files:
        words = f"{len(held)} files, stated {config.files} in {config.stated}" + (f"; {words}" if words else "")
    return Seen(address, url, True, words, size)


def _compared(address: Address, size: int | None) -> str:
    """Return how the size that a server states differs from what was stated; "" if it does not."""
    if size is None:
        return "the server states no size"
    if not address.size:
        return ""
    if abs(size - address.size) <= (0 if address.exact else ABOUT * address.size):
        return ""
    stated = f"{address.size:,} bytes" if address.exact else f"about {amount(address.size)}"
    return f"{f'{size:,} bytes, ' if address.exact else ''}stated {stated} in {address.stated}"


def _refusal(answer: requests.Response, token: bool) -> str:
    words = {
        401: "the token is not accepted (401)" if token else "not open to everyone, or gone (401)",
        403: "refused (403)",
        404: "not there (404)",
        429: "too many requests (429); ask again in a minute",
    }
    return words.get(answer.status_code, f"the server answered {answer.status_code}")


def _plain(error: Exception) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate was not accepted; a network's own goes into REQUESTS_CA_BUNDLE"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy of the environment does not answer"
    if isinstance(error, requests.exceptions.Timeout):
        return f"no answer within {TIMEOUT[1]:.0f} s"
    if isinstance(error, requests.exceptions.TooManyRedirects):
        return "it sends in circles"
    if isinstance(error, ValueError):  # what requests and urllib3 raise of URLs
        return "it is no URL of a web server, or leads to one that is none"
    if isinstance(error, (OSError, urllib3.exceptions.HTTPError)):
        return "no connection"
    return f"the answer cannot be used ({type(error).__name__})"


def _rate(url: str, headers: Mapping[str, str]) -> float | None:
    """Return the bytes a second at which a file comes, measured on its first megabytes; None if it does not come."""
    come: list[tuple[int, float]] = []

    def measure() -> None:
        more = {**headers, "Range": f"bytes=0-{SAMPLE - 1}"}
        with suppress(Exception):  # whatever goes wrong, the rate is of what had come
            began = time.monotonic()
            with download.session().get(url, headers=more, stream=True, timeout=TIMEOUT) as answer:
                if answer.ok:
                    for block in answer.iter_content(BLOCK):
                        come.append((len(block), time.monotonic() - began))
                        if sum(n for n, _ in come) >= SAMPLE or time.monotonic() - began > SAMPLE_TIME:
                            return

    thread = threading.Thread(target=measure, daemon=True)
    thread.start()
    thread.join(SAMPLE_TIME + TIMEOUT[0])
    blocks = list(come)
    if sum(n for n, _ in blocks) < BLOCK:
        return None
    whole, (first, began) = sum(n for n, _ in blocks), blocks[0]
    if whole - first >= 2**18:  # enough to leave out how long the first byte took, which a large file does not feel
        return (whole - first) / max(blocks[-1][1] - began, 1e-3)
    return whole / max(blocks[-1][1], 1e-3)

"""A small data release in the layout and with the columns of Zenodo 4573248, and a server that behaves like Zenodo."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import re
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
from PIL import Image

from galaxy_zoo_decals import image_files
from galaxy_zoo_decals.schema import GZD5
from galaxy_zoo_decals.simulation import survey
from galaxy_zoo_decals.sources import catalogue
from galaxy_zoo_decals.sources.simulated import simulate
from galaxy_zoo_decals.sources.zenodo import ARCHIVE, PARTS, SIDE
from tests.published import catalogue_table

TABLE = "gz_decals_volunteers_5.parquet"


def png(image: bytes) -> bytes:
    """The pixels of a JPEG as PNG, as the archives hold them."""
    buffer = io.BytesIO()
    image_files.decode(image).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def draw(galaxies: int, seed: int = 3) -> tuple[pd.DataFrame, dict[str, bytes]]:
    """Return simulated galaxies: their rows with the columns of the published table, and their PNGs by name."""
    rows = [simulate(seed, SIDE, 95, i) for i in range(galaxies)]
    images = {str(row["iauname"]): png(row.pop("image")) for row in rows}
    table = catalogue_table(catalogue.check(pd.DataFrame(rows), GZD5, "simulated"))
    table["wrong_size_statistic"] = 20.0
    return table, images


def repeat(table: pd.DataFrame, galaxies: int, seed: int = 4) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return many galaxies made of few: the same votes at other places, and which galaxy each name shows."""
    rng = np.random.default_rng(seed)
    places: dict[str, tuple[float, float]] = {}
    while len(places) < galaxies:
        ra, dec = survey.draw_position(rng)
        places.setdefault(survey.iauname(ra, dec), (ra, dec))
    chosen = rng.integers(0, len(table), galaxies)
    many = table.iloc[chosen].reset_index(drop=True)
    shown = dict(zip(places, many["iauname"]))
    many["iauname"] = list(places)
    many[["ra", "dec"]] = np.array(list(places.values()))
    many["png_loc"] = many["iauname"].str[:4] + "/" + many["iauname"] + ".png"
    return many, shown


def write_table(table: pd.DataFrame, folder: Path) -> None:
    """Write the votes as Parquet and as CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    table.to_parquet(folder / TABLE, index=False)
    table.to_csv(folder / TABLE.replace(".parquet", ".csv"), index=False)


def write_part(path: Path, number: int, shown: Mapping[str, str], images: Mapping[str, bytes]) -> None:
    """Write one of the four archives: a quarter of the names in their order, each with the image it shows."""
    names = sorted(shown)
    share = -(-len(names) // len(PARTS))
    with zipfile.ZipFile(path, "w") as archive:
        for name in names[(number - 1) * share : number * share]:
            archive.writestr(f"{name[:4]}/{name}.png", images[shown[name]])


def write_release(folder: Path, galaxies: int, seed: int = 3) -> list[str]:
    """Write the votes and four archives of simulated galaxies; returns their names in order.

    The last name has a row and no image; two images have no row.
    """
    table, images = draw(galaxies, seed)
    write_table(table, folder)
    names = sorted(images)
    strangers = ("J000000.01+000000.1", "J235959.98+000000.2")
    shown = {name: name for name in names[:-1]} | dict.fromkeys(strangers, names[0])
    for number in PARTS:
        write_part(folder / ARCHIVE.format(number), number, shown, images)
    return names


def small(image: bytes) -> bytes:
    """A PNG of as many pixels that takes a few kilobytes."""
    buffer = io.BytesIO()
    coarse = image_files.decode(image).resize((30, 30))
    coarse.resize((SIDE, SIDE), Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()


@dataclass(frozen=True)
class Survey:
    """A release in the proportions of the survey, of few images shown many times."""

    names: list[str]
    """Galaxies of the catalogue."""
    members: dict[str, dict[str, str]]
    """Of each archive the images in the order in which they lie there: name and place; a fifth is not of the survey."""
    shown: dict[str, str]
    """Which picture each name shows."""
    pictures: dict[str, bytes]

    def image(self, name: str) -> bytes:
        """The PNG of a galaxy."""
        return self.pictures[self.shown[name]]


def plan_survey(folder: Path, galaxies: int, seed: int = 5) -> Survey:
    """Write the votes of a release and return what its archives are to hold.

    One in a hundred galaxies has a wrong field of view. Archives hold whole folders in no order of their names; in
    two of them all members begin with a folder of the archive's name.
    """
    table, images = draw(6, 3)
    many, shown = repeat(table, galaxies, seed)
    rng = np.random.default_rng(seed)
    many["wrong_size_warning"] = rng.random(galaxies) < 0.01
    folder.mkdir(parents=True, exist_ok=True)
    many.to_parquet(folder / TABLE, index=False)
    others = {f"{name[:-1]}x": shown[name] for name in rng.choice(many["iauname"].to_numpy(str), galaxies // 4, False)}
    shown = shown | others
    members: dict[str, dict[str, str]] = {ARCHIVE.format(number): {} for number in PARTS}
    for name in sorted(shown):
        number = PARTS[hashlib.sha256(name[:4].encode()).digest()[0] % len(PARTS)]
        top = f"{Path(ARCHIVE.format(number)).stem}/" if number % 2 else ""
        members[ARCHIVE.format(number)][name] = f"{top}{name[:4]}/{name}.png"
    return Survey(list(many["iauname"]), members, shown, {name: small(image) for name, image in images.items()})


def write_survey(folder: Path, galaxies: int, seed: int = 5) -> Survey:
    """Write such a release with its four archives, in which folders are members too."""
    survey = plan_survey(folder, galaxies, seed)
    for archive, members in survey.members.items():
        with zipfile.ZipFile(folder / archive, "w") as made:
            before = ""
            for name, place in members.items():
                if Path(place).parent.name != before:
                    before = Path(place).parent.name
                    made.writestr(f"{Path(place).parent}/", b"")
                made.writestr(place, survey.image(name))
    return survey


def write_sparse(path: Path, members: Mapping[str, str], images: Mapping[str, bytes], every: int) -> None:
    """Write an archive whose members lie ``every`` so many bytes, with the bytes of those that have an image only.

    The table of contents lists all: a sparse file of many gigabytes that takes little room on disk.
    """
    infos = []
    with zipfile.ZipFile(path, "w") as made:
        assert made.fp is not None
        for i, (name, place) in enumerate(members.items()):
            info = zipfile.ZipInfo(place)
            data = images.get(name, b"")
            info.CRC, info.file_size, info.compress_size = zlib.crc32(data), len(data), len(data)
            if not data:
                info.CRC, info.file_size, info.compress_size = i, every - 100, every - 100
            info.header_offset = i * every
            if data:
                made.fp.seek(info.header_offset)
                made.fp.write(info.FileHeader() + data)
            infos.append(info)
        # What follows is how zipfile itself ends an archive: Zip64 where offsets or the number of members ask for it.
        made.filelist, made.start_dir, made._didModify = infos, len(infos) * every, True  # type: ignore[attr-defined]


@dataclass
class Zenodo:
    """What the server does; ``faults`` are taken from a file's list one a request, then it behaves.

    | fault | what the request gets |
    |---|---|
    | ``503``, ``429 2`` | that status (and Retry-After) |
    | ``cut 1000``, ``stall 1000`` | so many bytes, then the connection is closed, at once or after some seconds |
    | ``trickle 100`` | so many bytes a tenth of a second, without end |
    | ``wrong`` | the bytes asked for, but the last ten are zero |
    | ``no-range`` | 200 and the whole file, whatever was asked for |
    | ``as-200`` | the bytes asked for with a right Content-Range, but 200 where 206 is meant |
    | ``shifted`` | 206 and the bytes after those asked for |
    | ``longer`` | 206 and twice the bytes that Content-Range says |
    | ``multipart`` | 206 and a multipart answer |
    | ``etag`` | another ETag from now on |
    """

    folder: Path
    url: str = ""
    faults: dict[str, list[str]] = field(default_factory=dict)
    requests: list[tuple[str, str | None, int]] = field(default_factory=list)
    """(path, Range, status) of every request."""
    sent: dict[str, int] = field(default_factory=dict)
    """Bytes of content that each file's requests got."""
    agents: set[str] = field(default_factory=set)
    busiest: int = 0
    """Most requests for content that were open at one time."""
    ranges: bool = True
    """Whether Range is understood; else every answer is the whole file."""
    etags: dict[str, str] = field(default_factory=dict)
    """ETags that are not the file's own."""
    checksums: dict[str, str] = field(default_factory=dict)
    """The md5 of files that are too large to read for it."""
    number: int = 4573248
    """Of the record."""
    licence: str | None = None
    """What the record states, in Zenodo's spelling."""
    bucket: Path | None = None
    """A folder whose files lie on the server without a record and without checksums, below /bucket/."""
    limit: int | None = None
    """Requests that are answered in each ``window`` of seconds; the others get 429 (on Zenodo 60 a minute)."""
    window: float = 60.0
    clock: Callable[[], float] = time.time
    open: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    _answered: list[float] = field(default_factory=list)

    def record(self) -> dict[str, object]:
        """The description of the record, as the API gives it."""
        files = [
            {
                "id": hashlib.sha1(path.name.encode()).hexdigest(),
                "key": path.name,
                "size": path.stat().st_size,
                "checksum": f"md5:{self.checksums.get(path.name) or _md5(path)}",
                "links": {"self": f"{self.url}/api/records/{self.number}/files/{path.name}/content"},
            }
            for path in sorted(self.folder.iterdir())
        ]
        return {
            "id": self.number,
            "doi": f"10.5281/zenodo.{self.number}",
            "metadata": {"title": "Galaxy Zoo"} | ({"license": {"id": self.licence}} if self.licence else {}),
            "files": files,
        }

    def refused(self) -> dict[str, str] | None:
        """The headers of a 429 if there were too many requests, else None: one more is counted."""
        if self.limit is None:
            return None
        with self.lock:
            now = self.clock()
            self._answered = [moment for moment in self._answered if moment > now - self.window]
            if len(self._answered) < self.limit:
                self._answered.append(now)
                return None
            reset = self._answered[0] + self.window
        head = {"X-RateLimit-Limit": str(self.limit), "X-RateLimit-Remaining": "0"}
        return {**head, "X-RateLimit-Reset": str(math.ceil(reset)), "Retry-After": str(math.ceil(reset - now))}


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def asked_range(header: str | None, size: int) -> tuple[int, int] | None:
    """The first byte and the one after the last of a Range header; None where it is none that is understood.

    As in RFC 9110: of ``bytes=5-9``, ``bytes=5-`` and ``bytes=-5`` the end is cut to the file's.
    """
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", header or "")
    if not found or found[0] == "bytes=-":
        return None
    if not found[1]:
        return max(0, size - int(found[2])), size
    return int(found[1]), min(size, int(found[2]) + 1) if found[2] else size


@contextmanager
def serve(folder: Path, **more: object) -> Iterator[Zenodo]:
    """Serve a release from a folder: the API, redirects to the content, Range, and the faults asked for."""
    zenodo = Zenodo(folder, **more)  # type: ignore[arg-type]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            zenodo.agents.add(self.headers["User-Agent"])
            name = self.path.removesuffix("/content").rsplit("/", 1)[-1]
            refused = zenodo.refused()
            if refused is not None:
                self.answer(429, b"too many requests", **refused)
            elif self.path == f"/api/records/{zenodo.number}":
                data = json.dumps(zenodo.record()).encode()
                self.content("record", io.BytesIO(data), len(data), '"record"')
            elif self.path.startswith(f"/api/records/{zenodo.number}/files/"):
                self.answer(302, b"", Location=f"{zenodo.url}/storage/{name}")
            elif (held := self.held(name)) is not None:
                with zenodo.lock:
                    zenodo.open += 1
                    zenodo.busiest = max(zenodo.busiest, zenodo.open)
                try:
                    with held.open("rb") as file:
                        state = os.fstat(file.fileno())
                        self.content(name, file, state.st_size, f'"{state.st_size:x}-{state.st_mtime_ns:x}"')
                finally:
                    with zenodo.lock:
                        zenodo.open -= 1
            else:
                self.answer(404, b"not found")

        def held(self, name: str) -> Path | None:
            """The file that a path stands for; None if there is none."""
            for place, folder in (("storage", zenodo.folder), ("bucket", zenodo.bucket)):
                if folder is not None and self.path == f"/{place}/{name}" and (folder / name).is_file():
                    return folder / name
            return None

        def content(self, name: str, file: BinaryIO, size: int, etag: str) -> None:
            faults = zenodo.faults.get(name, [])
            fault, _, value = (faults.pop(0) if faults else "").partition(" ")
            if fault.isdigit():
                self.answer(int(fault), b"busy", **({"Retry-After": value} if value else {}))
                return
            if fault == "etag":
                zenodo.etags[name] = f'"another-{time.time_ns()}"'
            etag = zenodo.etags.get(name, etag)
            if self.headers["If-Match"] not in (None, "*", etag):
                self.answer(412, b"it has changed")
                return
            asked = asked_range(self.headers["Range"], size)
            if not zenodo.ranges or fault == "no-range" or self.headers["If-Range"] not in (None, etag):
                asked = None
            if asked and asked[0] >= size:
                self.answer(416, b"", **{"Content-Range": f"bytes */{size}"})
                return
            start, stop = asked or (0, size)
            if fault == "shifted":
                start, stop = start + 1, stop + 1
            status = 206 if asked and fault != "as-200" else 200
            head = {"Content-Length": str((stop - start) * (2 if fault == "longer" else 1)), "ETag": etag}
            if zenodo.ranges:
                head["Accept-Ranges"] = "bytes"
            if fault == "multipart":
                head["Content-Type"] = "multipart/byteranges; boundary=x"
            elif asked:
                head["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
            zenodo.requests.append((self.path, self.headers["Range"], status))
            self.send_response(status)
            for key, word in head.items():
                self.send_header(key, word)
            self.end_headers()
            length = stop - start
            sent = min(int(value), length) if fault in ("cut", "stall") else length
            try:
                if fault == "trickle":
                    for at in range(start, stop, int(value)):
                        self.send(name, file, at, min(int(value), stop - at), wrong=False)
                        time.sleep(0.1)
                    return
                self.send(name, file, start, sent, wrong=fault == "wrong")
                if fault == "longer":
                    self.send(name, file, start, sent, wrong=True)
                if fault == "stall":
                    time.sleep(3)
            except OSError:
                self.close_connection = True
            if sent < length:
                self.close_connection = True
                self.connection.close()

        def send(self, name: str, file: BinaryIO, start: int, length: int, wrong: bool) -> None:
            """Send bytes of a file without holding all of them."""
            file.seek(start)
            left = 0 if self.command == "HEAD" else length
            while left:
                block = file.read(min(left, 2**18))
                left -= len(block)
                if wrong and not left:
                    block = block[:-10] + bytes(min(10, len(block)))
                self.wfile.write(block)
                with zenodo.lock:
                    zenodo.sent[name] = zenodo.sent.get(name, 0) + len(block)
            self.wfile.flush()

        def answer(self, status: int, body: bytes, kind: str = "text/plain", **headers: str) -> None:
            zenodo.requests.append((self.path, self.headers["Range"], status))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Clients that hang up are no news: cut connections are what is tested."""

    server = Server(("127.0.0.1", 0), Handler)
    zenodo.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield zenodo
    finally:
        server.shutdown()
        server.server_close()

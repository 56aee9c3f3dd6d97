"""A small data release in the layout and with the columns of Zenodo 4573248, and a server that behaves like Zenodo."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd

from galaxy_zoo_decals import catalogue, pixels
from galaxy_zoo_decals.schema import GZD5
from galaxy_zoo_decals.simulation import survey
from galaxy_zoo_decals.sources.simulated import simulate
from galaxy_zoo_decals.sources.zenodo import ARCHIVE, PARTS, SIDE

TABLE = "gz_decals_volunteers_5.parquet"


def png(image: bytes) -> bytes:
    """The pixels of a JPEG as PNG, as the archives hold them."""
    buffer = io.BytesIO()
    pixels.decode(image).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def draw(galaxies: int, seed: int = 3) -> tuple[pd.DataFrame, dict[str, bytes]]:
    """Return simulated galaxies: their rows with the columns of the published table, and their PNGs by name."""
    rows = [simulate(seed, SIDE, 95, i) for i in range(galaxies)]
    images = {str(row["iauname"]): png(row.pop("image")) for row in rows}
    table = survey.catalogue_table(catalogue.check(pd.DataFrame(rows), GZD5, "simulated"))
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


@dataclass
class Zenodo:
    """What the server does; ``faults`` are taken from a file's list one a request, then it behaves."""

    folder: Path
    url: str = ""
    faults: dict[str, list[str]] = field(default_factory=dict)
    requests: list[tuple[str, str | None, int]] = field(default_factory=list)
    """(path, Range, status) of every request."""
    agents: set[str] = field(default_factory=set)
    busiest: int = 0
    """Most requests for content that were open at one time."""
    open: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def record(self) -> dict[str, object]:
        """The description of the record, as the API gives it."""
        files = [
            {
                "id": hashlib.sha1(path.name.encode()).hexdigest(),
                "key": path.name,
                "size": path.stat().st_size,
                "checksum": f"md5:{hashlib.md5(path.read_bytes()).hexdigest()}",
                "links": {"self": f"{self.url}/api/records/4573248/files/{path.name}/content"},
            }
            for path in sorted(self.folder.iterdir())
        ]
        return {
            "id": 4573248,
            "doi": "10.5281/zenodo.4573248",
            "metadata": {"title": "Galaxy Zoo DECaLS"},
            "files": files,
        }


@contextmanager
def serve(folder: Path) -> Iterator[Zenodo]:
    """Serve a release from a folder: the API, redirects to the content, Range, and the faults asked for."""
    zenodo = Zenodo(folder)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            zenodo.agents.add(self.headers["User-Agent"])
            name = self.path.removesuffix("/content").rsplit("/", 1)[-1]
            if self.path == "/api/records/4573248":
                self.content("record", json.dumps(zenodo.record()).encode())
            elif self.path.startswith("/api/records/4573248/files/"):
                self.answer(302, b"", Location=f"{zenodo.url}/storage/{name}")
            elif self.path.startswith("/storage/") and (zenodo.folder / name).is_file():
                with zenodo.lock:
                    zenodo.open += 1
                    zenodo.busiest = max(zenodo.busiest, zenodo.open)
                try:
                    self.content(name, (zenodo.folder / name).read_bytes())
                finally:
                    with zenodo.lock:
                        zenodo.open -= 1
            else:
                self.answer(404, b"not found")

        def content(self, name: str, data: bytes) -> None:
            faults = zenodo.faults.get(name, [])
            fault, _, value = (faults.pop(0) if faults else "").partition(" ")
            if fault.isdigit():
                self.answer(int(fault), b"busy", **({"Retry-After": value} if value else {}))
                return
            start = 0
            asked = self.headers["Range"]
            if asked and fault != "no-range":
                start = int(asked.removeprefix("bytes=").rstrip("-"))
            body = data[start:]
            if fault == "wrong":
                body = body[:-10] + bytes(10)
            self.send_response(206 if start else 200)
            zenodo.requests.append((self.path, asked, 206 if start else 200))
            self.send_header("Content-Length", str(len(body)))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.end_headers()
            sent = int(value) if fault in ("cut", "stall") else len(body)
            try:
                self.wfile.write(body[:sent])
                self.wfile.flush()
                if fault == "stall":
                    time.sleep(3)
            except OSError:
                pass
            if sent < len(body):
                self.close_connection = True
                self.connection.close()

        def answer(self, status: int, body: bytes, kind: str = "text/plain", **headers: str) -> None:
            zenodo.requests.append((self.path, self.headers["Range"], status))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
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

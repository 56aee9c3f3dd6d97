from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import threading
import time
import zipfile
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest.mock import Mock

import pandas as pd
import pytest
from PIL import Image

from galaxy_zoo_decals import cli
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.schema import SPLITS
from galaxy_zoo_decals.sources import archive, download
from galaxy_zoo_decals.sources.download import DownloadError, File
from galaxy_zoo_decals.sources.zenodo import ARCHIVE, PARTS
from tests.releases import TABLE, Zenodo, serve, write_release

GALAXIES = 36


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("zenodo") / "release"
    return folder, write_release(folder, GALAXIES)


@pytest.fixture
def release(published: tuple[Path, list[str]], tmp_path: Path) -> Path:
    """A copy of the release that a test may damage."""
    shutil.copytree(published[0], tmp_path / "release")
    return tmp_path / "release"


@pytest.fixture
def zenodo(release: Path) -> Iterator[Zenodo]:
    with serve(release) as server:
        yield server


@pytest.fixture(scope="module")
def expected(published: tuple[Path, list[str]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The edition of the undamaged release, made from files on disk."""
    out = tmp_path_factory.mktemp("expected") / "gzd5"
    assert prepare(out, "--source", str(published[0])) == 0
    return contents(out)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits short enough for a test; what decides them is tested by itself."""
    monkeypatch.setattr(download, "LONGEST_WAIT", 0.05)
    monkeypatch.setattr(download, "TIMEOUT", (5.0, 1.0))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def prepare(out: Path, *more: str) -> int:
    return cli.main(["prepare", "gzd5", "--out", str(out), "--size", "64", "--processes", "1", *more])


def from_server(zenodo: Zenodo, folder: Path, *more: str) -> int:
    record = f"{zenodo.url}/api/records/4573248"
    return prepare(folder / "gzd5", "--record", record, "--downloads", str(folder / "downloads"), *more)


def test_from_nothing_to_the_edition(zenodo: Zenodo, tmp_path: Path, expected: dict, published: tuple) -> None:
    assert from_server(zenodo, tmp_path) == 0
    assert contents(tmp_path / "gzd5") == expected
    edition = Edition(tmp_path / "gzd5")
    report = edition.facts["cleaning"]
    assert report["rows"] == GALAXIES and report["unlisted_images"] == 2  # type: ignore[index]
    steps = {s["name"]: s["removed"] for s in report["steps"]}  # type: ignore[index]
    assert steps["no image"] == 1
    kept = {n for split in SPLITS for n in edition.table(split, ["iauname"])["iauname"]}
    assert kept <= set(published[1][:-1])
    assert sorted(p.name for p in (tmp_path / "downloads").glob("gz_*")) == sorted(
        [ARCHIVE.format(n) for n in PARTS] + [TABLE]
    )
    assert zenodo.busiest == 1, "one connection at a time"
    assert all("galaxy-zoo-decals" in agent for agent in zenodo.agents)


def test_the_edition_lists_every_galaxy_with_its_own_image(published: tuple, expected: dict, tmp_path: Path) -> None:
    out = tmp_path / "gzd5"
    for name, data in expected.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(data)
    stored = {n: d for split in SPLITS for n, d in Edition(out).images(split).items()}
    for number in PARTS:
        with zipfile.ZipFile(published[0] / ARCHIVE.format(number)) as part:
            for info in part.infolist():
                name = info.filename[5:-4]
                if name in stored:
                    small = Image.open(io.BytesIO(part.read(info))).resize((64, 64), Image.Resampling.LANCZOS)
                    buffer = io.BytesIO()
                    small.save(buffer, "JPEG", quality=90, optimize=True)
                    assert stored.pop(name) == buffer.getvalue()
    assert not stored


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        (["429 0", "429 1"], "429"),
        (["503", "502"], "502"),
        (["cut 100000", "cut 0", "cut 50000"], "the connection"),
        (["cut 100000", "no-range"], ""),
        (["stall 65536"], "nothing came|connection"),
        (["wrong"], "downloaded anew"),
        (["cut 300000", "wrong"], "downloaded anew"),
    ],
)  # fmt: skip
def test_what_a_download_meets_on_the_way(
    zenodo: Zenodo, tmp_path: Path, faults: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = ARCHIVE.format(1)
    zenodo.faults[name] = list(faults)
    said: list[str] = []
    data = (zenodo.folder / name).read_bytes()
    file = File(name, f"{zenodo.url}/storage/{name}", len(data), hashlib.md5(data).hexdigest())
    assert download.fetch(download.session(), file, tmp_path / "to", said.append).read_bytes() == data
    assert not zenodo.faults[name]
    assert not words or re.search(words, "\n".join(said))
    assert sorted(p.name for p in (tmp_path / "to").iterdir()) == [name]


def test_a_server_that_trickles_is_a_broken_one(
    zenodo: Zenodo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "LEAST_RATE", 50_000.0)
    monkeypatch.setattr(download, "RATE_TIME", 0.5)
    monkeypatch.setattr(download, "LONGEST_WAIT", 0.01)
    monkeypatch.setattr(download, "TRIES", 3)
    name = ARCHIVE.format(1)
    data = (zenodo.folder / name).read_bytes()
    file = File(name, f"{zenodo.url}/storage/{name}", len(data), hashlib.md5(data).hexdigest())
    said: list[str] = []
    zenodo.faults[name] = ["trickle 100"]
    assert download.fetch(download.session(), file, tmp_path, said.append).read_bytes() == data
    assert re.search("bytes came in [01] s; trying again", said[0])
    (tmp_path / name).unlink()
    zenodo.faults[name] = ["trickle 100"] * 3
    with pytest.raises(DownloadError, match=r"hardly any more bytes after 3 attempts: .* bytes came in"):
        download.fetch(download.session(), file, tmp_path, said.append)
    assert 0 < (tmp_path / f"{name}.part").stat().st_size < len(data), "what came is kept"


def test_a_slow_disk_is_no_slow_server(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    class Answer:
        """Ten blocks of a kilobyte, each after so many seconds."""

        def __init__(self, seconds: float) -> None:
            self.raw, self.left, self.seconds = self, 10, seconds

        def read1(self, size: int) -> bytes:
            clock[0] += self.seconds
            self.left -= 1
            return b"x" * 1000 if self.left >= 0 else b""

    def taken(seconds: float, disk: float) -> int:
        came = 0
        for block in download.arriving(Answer(seconds)):  # type: ignore[arg-type]
            came, clock[0] = came + len(block), clock[0] + disk
        return came

    assert taken(0.9, 500.0) == 10_000, "writing takes minutes a block, the server more than a kilobyte a second"
    assert taken(5.0, 0.0) == 10_000, "slow, but not for a minute"
    with pytest.raises(download.Trickle, match="7,000 bytes came in 63 s"):
        taken(9.0, 0.0)


def test_a_download_is_continued_where_it_was_cut(zenodo: Zenodo, tmp_path: Path) -> None:
    name = ARCHIVE.format(2)
    data = (zenodo.folder / name).read_bytes()
    file = File(name, f"{zenodo.url}/storage/{name}", len(data), hashlib.md5(data).hexdigest())
    (tmp_path / f"{name}.part").write_bytes(data[:123456])
    download.fetch(download.session(), file, tmp_path)
    assert [r[1] for r in zenodo.requests] == ["bytes=123456-"]
    (tmp_path / name).unlink()
    (tmp_path / f"{name}.part").write_bytes(data + b"more than there is")
    assert download.fetch(download.session(), file, tmp_path).read_bytes() == data
    zenodo.requests.clear()
    download.fetch(download.session(), file, tmp_path)
    assert not zenodo.requests, "a verified file is not asked for again"


def test_a_download_that_gets_nowhere_gives_up_and_keeps_what_it_has(zenodo: Zenodo, tmp_path: Path) -> None:
    name = ARCHIVE.format(1)
    data = (zenodo.folder / name).read_bytes()
    file = File(name, f"{zenodo.url}/storage/{name}", len(data), hashlib.md5(data).hexdigest())
    zenodo.faults[name] = ["cut 70000", *["503"] * 2 * download.TRIES]
    with pytest.raises(DownloadError, match=rf"no more bytes after {download.TRIES} attempts.*goes on from there"):
        download.fetch(download.session(), file, tmp_path)
    assert (tmp_path / f"{name}.part").read_bytes() == data[:70000]
    zenodo.faults[name] = ["wrong", "wrong"]
    with pytest.raises(DownloadError, match=r"twice.*md5.*nothing of it was kept"):
        download.fetch(download.session(), file, tmp_path)
    assert not list(tmp_path.glob(f"{name}*"))
    with pytest.raises(DownloadError, match="404"):
        download.fetch(download.session(), File("a", f"{zenodo.url}/storage/absent", 5, "0" * 32), tmp_path)
    with pytest.raises(DownloadError, match="more than the 100 bytes published"):
        download.fetch(download.session(), File(name, file.url, 100, file.md5), tmp_path)
    zenodo.faults.clear()
    (tmp_path / name).write_bytes(b"of the user")
    with pytest.raises(DownloadError, match="not touched"):
        download.fetch(download.session(), file, tmp_path)
    assert (tmp_path / name).read_bytes() == b"of the user"


def test_a_full_disk_is_seen_before_the_download(zenodo: Zenodo, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"needs 1000000\.0 GB"):
        download.fetch(download.session(), File("big", f"{zenodo.url}/storage/big", 10**15, "0" * 32), tmp_path)
    assert not zenodo.requests


def test_how_long_a_server_may_ask_to_wait() -> None:
    import email.utils
    import time

    import requests

    def wait(status: int = 429, **headers: str) -> float | None:
        answer = requests.Response()
        answer.status_code = status
        answer.headers.update({k.replace("_", "-"): v for k, v in headers.items()})
        return download._asked_wait(answer)

    assert wait(Retry_After="17") == 17
    assert wait(Retry_After="99999") == 3600
    assert wait() is None and wait(Retry_After="soon") is None
    assert 25 < (wait(Retry_After=email.utils.formatdate(time.time() + 30)) or 0) < 31
    assert 25 < (wait(X_RateLimit_Reset=str(time.time() + 30)) or 0) < 31
    assert wait(X_RateLimit_Reset=str(time.time() - 30)) == 0
    assert wait(503, X_RateLimit_Reset=str(time.time() + 30)) is None
    assert wait(X_RateLimit_Reset="nan") is None and wait(X_RateLimit_Reset="inf") == 3600
    for none in ("nan", "-5", "\xb2", "Mon, 99 Foo 99999 99:99:99 +9999", "Mon, 01 Jan 9999 00:00:00 -0000"):
        assert wait(Retry_After=none) in (None, 3600)


FILE = {"key": TABLE, "size": 10, "checksum": f"md5:{32 * '0'}", "links": {"self": "http://127.0.0.1:9/f"}}


def of_files(*changes: dict[str, object]) -> bytes:
    return json.dumps({"files": [FILE | change for change in changes]}).encode()


def to(link: str) -> bytes:
    return of_files({"links": {"self": link}})


@pytest.mark.parametrize(
    ("status", "headers", "body", "words"),
    [
        (200, {}, of_files({"size": float("inf")}), "not that of a file"),
        (200, {}, of_files({"size": 10**30}), "not that of a file"),
        (200, {}, of_files({"size": True}), "not that of a file"),
        (200, {}, of_files({"checksum": ["md5"]}), "not that of a file"),
        (200, {}, of_files({}, {"size": 5}), "not that of a file"),
        (200, {}, b"[" * 100_000, "is no JSON"),
        (200, {}, b'{"files": [{"size": ' + 5000 * b"9" + b"}]}", "is no JSON"),
        (200, {"Content-Length": "abc"}, b"<html>", "is no JSON"),
        (200, {"Content-Length": "-5"}, b"<html>", "is no JSON"),
        (429, {"X-RateLimit-Reset": "nan"}, b"", "after 6 attempts: the server answered 429"),
        (302, {"Location": "http://[::1"}, b"", "sends on to one that is none"),
        (302, {"Location": "file:///etc/passwd"}, b"", "sends on to one that is none"),
        (302, {"Location": "http://"}, b"", "sends in circles"),
        (302, {"Location": f"http://{70 * 'a'}.com/"}, b"", "sends on to one that is none"),
        (200, {}, to(f"http://{70 * 'a'}.com/"), "sends on to one that is none"),
        (200, {}, to("http://.com/"), "sends on to one that is none"),
        (200, {}, to("http://127.0.0.1:99999/"), "sends on to one that is none"),
        (200, {}, to("file:///etc/passwd"), "not that of a file"),
        (200, {}, to("http://[::1"), "not that of a file"),
        (200, {}, to("http://127.0.0.1/\0\r\nX: y"), "not that of a file"),
        (200, {}, to("http://\ud800/"), "not that of a file"),
        (404, {"Content-Length": "0"}, b"", r"answered 404 \?\[31mred"),
    ],
)  # fmt: skip
def test_a_server_that_is_broken_or_hostile_is_one_sentence(
    status: int, headers: dict[str, str], body: bytes, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self.send_response(status, "\x1b[31mred")
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        record = f"http://127.0.0.1:{server.server_port}/api/record"
        try:
            assert (
                prepare(tmp_path / "o", "--catalogue-only", "--record", record, "--downloads", str(tmp_path / "d")) == 1
            )
        finally:
            server.shutdown()
    said = capsys.readouterr().err
    last = said.splitlines()[-1]
    assert re.search(words, last) and last.startswith("galaxy-zoo-decals: ") and last.endswith((".", "?")), said
    assert "\x1b" not in said and not list(tmp_path.glob("d/gz*.parquet"))


def test_a_failure_of_the_disk_says_what_to_look_at(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for error, words in (
        (OSError(errno.EACCES, "Permission denied", "votes.csv"), "votes.csv: Permission denied."),
        (
            OSError(errno.EIO, "Error writing bytes to file."),
            "writing bytes to file (Input/output error). The disk may",
        ),
        (OSError("Error writing bytes to file"), "Error writing bytes to file. The disk may be full"),
        (OSError(errno.EFBIG, "Error writing bytes to file"), "no space is left on the disk"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "no space is left on the disk"),
    ):
        monkeypatch.setattr(cli, "_doctor", Mock(side_effect=error))
        assert cli.main(["doctor"]) == 1
        assert words in capsys.readouterr().err


def test_addresses_that_are_none(tmp_path: Path, release: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for record, words in (
        ("http://127.0.0.1:9/api", "no connection to 127.0.0.1"),
        ("nonsense", "no URL"),
        ("ftp://example.org/x", "no URL"),
    ):
        assert prepare(tmp_path / "gzd5", "--record", record, "--downloads", str(tmp_path / "d")) == 1
        said = capsys.readouterr().err
        assert words in said and "Traceback" not in said
    assert not (tmp_path / "gzd5").exists() and not (tmp_path / "gzd5.partial").exists()


@pytest.mark.parametrize("faults", [["503", "429 0"], ["cut 100", "cut 0"], ["stall 50"]])
def test_a_description_that_does_not_come_at_once(zenodo: Zenodo, faults: list[str]) -> None:
    zenodo.faults["record"] = faults
    answer = download.fetch_json(download.session(), f"{zenodo.url}/api/records/4573248")
    assert answer == zenodo.record() and not faults


def test_records_that_are_none(zenodo: Zenodo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from galaxy_zoo_decals.sources.record import read_record

    whole = zenodo.record()
    assert set(read_record(whole, "url")) == {p.name for p in zenodo.folder.iterdir()}
    for change in ({"key": "../../etc/passwd"}, {"checksum": "sha1:00"}, {"size": -1}, {"size": "many"}, {"links": {}}):
        with pytest.raises(DownloadError, match="url"):
            read_record({"files": [{**whole["files"][0], **change}]}, "url")  # type: ignore[index]
    for nothing in ({}, [], None, {"files": None}, "text"):
        with pytest.raises(DownloadError, match="does not describe a record"):
            read_record(nothing, "url")


def test_archives_go_once_their_images_are_converted(zenodo: Zenodo, tmp_path: Path, expected: dict) -> None:
    most = []
    folder = tmp_path / "downloads"
    real = download.fetch

    def watched(*arguments: object, **named: object) -> Path:
        path = real(*arguments, **named)  # type: ignore[arg-type]
        most.append(len(list(folder.glob("*.zip"))))
        return path

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(download, "fetch", watched)
        assert from_server(zenodo, tmp_path, "--delete-archives") == 0
    assert max(most) == 1, "never two archives at one time"
    assert contents(tmp_path / "gzd5") == expected
    assert not list(folder.glob("*.zip"))


def test_an_archive_goes_when_all_that_replaces_it_is_on_the_disk(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, str]] = []
    fsync, unlink = os.fsync, Path.unlink

    def synced(descriptor: int) -> None:
        done.append(("sync", str(Path(f"/proc/self/fd/{descriptor}").readlink())))
        fsync(descriptor)

    def unlinked(path: Path, missing_ok: bool = False) -> None:
        done.append(("remove", path.name))
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", synced)
        patch.setattr(Path, "unlink", unlinked)
        assert prepare(tmp_path / "gzd5", "--source", str(release), "--delete-archives") == 0
    work = tmp_path / "gzd5.partial"
    begun = 0
    for number in PARTS:
        gone = done.index(("remove", ARCHIVE.format(number)))
        before = done[begun:gone]
        assert {("sync", str(work)), ("sync", str(work / "pieces"))} <= set(before)
        written = [path for what, path in before if what == "sync" and path.endswith(".partial")]
        assert any("index" in path for path in written) and any("/pieces/" in path for path in written)
        begun = gone


def test_a_run_that_stops_at_the_third_part_asks_for_no_earlier_one_again(
    zenodo: Zenodo, tmp_path: Path, expected: dict, capsys: pytest.CaptureFixture[str]
) -> None:
    zenodo.faults[ARCHIVE.format(3)] = ["404"]
    assert from_server(zenodo, tmp_path, "--delete-archives") == 1
    assert "404" in capsys.readouterr().err
    assert not (tmp_path / "gzd5").exists()
    zenodo.requests.clear()
    assert from_server(zenodo, tmp_path, "--delete-archives") == 0
    asked = {path.rsplit("/", 1)[-1] for path, _, _ in zenodo.requests if path.startswith("/storage/")}
    assert asked == {ARCHIVE.format(3), ARCHIVE.format(4)}
    assert contents(tmp_path / "gzd5") == expected


def test_an_edition_that_is_there_is_not_downloaded_again(
    zenodo: Zenodo, tmp_path: Path, expected: dict, capsys: pytest.CaptureFixture[str]
) -> None:
    assert from_server(zenodo, tmp_path, "--delete-archives") == 0
    zenodo.requests.clear()
    (tmp_path / "gzd5.done" / "pieces").mkdir(parents=True)  # as a kill at the very end leaves it
    (tmp_path / "gzd5.lock").touch()
    assert from_server(zenodo, tmp_path, "--delete-archives") == 0
    assert "is there already" in capsys.readouterr().out and not zenodo.requests
    assert sorted(p.name for p in tmp_path.glob("gzd5*")) == ["gzd5"]
    assert from_server(zenodo, tmp_path, "--delete-archives", "--min-votes", "20") == 0
    assert zenodo.requests and contents(tmp_path / "gzd5") != expected
    zenodo.requests.clear()
    assert from_server(zenodo, tmp_path, "--min-votes", "20", "--again") == 0
    assert zenodo.requests


def test_the_votes_alone(zenodo: Zenodo, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert from_server(zenodo, tmp_path, "--catalogue-only") == 0
    said = capsys.readouterr().out
    assert "rows in the catalogue" in said and "in the view multiclass" in said and TABLE in said
    assert sorted(p.name for p in (tmp_path / "downloads").glob("gz_*")) == [TABLE]
    assert not (tmp_path / "gzd5").exists()
    assert prepare(tmp_path / "gzd5", "--source", str(tmp_path / "downloads"), "--catalogue-only") == 0
    assert capsys.readouterr().out.splitlines()[:-1] == said.splitlines()[:-1], "the same report of the same votes"
    assert not (tmp_path / "gzd5").exists()


def test_unpacked_images_and_the_csv_give_the_same_galaxies(release: Path, tmp_path: Path, expected: dict) -> None:
    for number in PARTS:
        with zipfile.ZipFile(release / ARCHIVE.format(number)) as part:
            part.extractall(release / "png")
        (release / ARCHIVE.format(number)).unlink()
    (release / TABLE).unlink()
    assert prepare(tmp_path / "gzd5", "--source", str(release)) == 0
    facts, other = Edition(tmp_path / "gzd5").facts, json.loads(expected["edition.json"])
    for key in ("content_hash", "split_hash", "image_hash", "counts"):
        assert facts[key] == other[key]


def test_a_record_without_one_of_the_archives(
    zenodo: Zenodo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (zenodo.folder / ARCHIVE.format(2)).unlink()
    assert from_server(zenodo, tmp_path) == 1
    assert f"has no {ARCHIVE.format(2)}" in (said := capsys.readouterr().err) and "--parts" in said
    assert not (tmp_path / "gzd5").exists()
    assert from_server(zenodo, tmp_path, "--parts", "1,3,4") == 0


def test_some_parts_only(release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (release / ARCHIVE.format(4)).unlink()
    assert prepare(tmp_path / "gzd5", "--source", str(release)) == 1
    assert f"{ARCHIVE.format(4)} is missing" in (said := capsys.readouterr().err) and "--parts 1,2,3" in said
    assert prepare(tmp_path / "gzd5", "--source", str(release), "--parts", "1,2,3") == 0
    assert "Only the images of part 1, 2, 3 of 4" in (tmp_path / "gzd5" / "README.md").read_text()
    (release / TABLE).unlink(), (release / TABLE.replace("parquet", "csv")).unlink()
    assert prepare(tmp_path / "gzd5", "--source", str(release), "--parts", "1") == 1
    assert "--catalogue-only" in capsys.readouterr().err
    assert prepare(tmp_path / "gzd5", "--source", str(tmp_path / "downloads")) == 1
    assert "no such folder" in capsys.readouterr().err


def rewrite(path: Path, change: dict[str, object]) -> list[str]:
    """Write an archive anew with some of its members changed; returns the member names."""
    with zipfile.ZipFile(path) as old:
        members = {info.filename: old.read(info) for info in old.infolist()}
    names = list(members)
    for position, data in change.items():
        members[names[int(position)]] = data  # type: ignore[assignment]
    with zipfile.ZipFile(path, "w") as new:
        for name, data in members.items():
            new.writestr(name, data, zipfile.ZIP_DEFLATED)
    return names


def image(width: int, height: int, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (20, 30, 40)).save(buffer, kind)
    return buffer.getvalue()


def png_bomb() -> bytes:
    """A PNG of a few kilobytes that claims 30,000 x 30,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b"")


def test_hostile_and_damaged_images_are_left_out_and_named(
    release: Path, tmp_path: Path, published: tuple, capsys: pytest.CaptureFixture[str]
) -> None:
    path = release / ARCHIVE.format(2)
    whole = zipfile.ZipFile(path).read(zipfile.ZipFile(path).namelist()[0])
    names = rewrite(
        path,
        {
            "0": whole[: len(whole) // 2],
            "1": b"<html>not found</html>",
            "2": image(64, 64),
            "3": png_bomb(),
            "4": bytes(100 * 2**20),
            "5": b"",
            "6": image(424, 300),
        },
    )
    with zipfile.ZipFile(path, "a") as part:
        part.writestr("../../J000000.00+999999.9.png", whole)
        part.writestr("/etc/passwd", "root")
        part.writestr("notes/README.txt", "not an image")
    out = tmp_path / "gzd5"
    assert prepare(out, "--source", str(release)) == 0
    said = capsys.readouterr().out
    steps = {s["name"]: s for s in Edition(out).facts["cleaning"]["steps"]}  # type: ignore[index]
    table = pd.read_parquet(release / TABLE).set_index("iauname")
    first = table["smooth-or-featured_total-votes"]
    wrong = table["wrong_size_warning"]
    bad = [n[5:-4] for n in names[:7]]
    named = {n for n in bad if n in first.index and first[n] >= 3 and not wrong[n]}
    found = steps["unusable image"]["examples"]
    assert set(found) == named and len(named) > 5
    for position, words in enumerate(
        ("not a readable PNG", "a web page (HTML)", "64 x 64 pixels where this source has 424", "decompression bomb",
         "104,857,600 bytes", "empty", "424 x 300")
    ):  # fmt: skip
        if bad[position] in found:
            assert words in found[bad[position]]
    assert all(name in said for name in sorted(named)[:5]) and f"and {len(named) - 5} more" in said
    assert not (tmp_path.parent / "J000000.00+999999.9.png").exists()
    assert not list(tmp_path.rglob("passwd"))


def test_entries_that_lead_out_of_the_folder_or_lie(tmp_path: Path) -> None:
    path = tmp_path / "hostile.zip"
    data = image(424, 424)
    with zipfile.ZipFile(path, "w") as made:
        for name in ("../J1.png", "/J2.png", "a/../../J3.png", "C:\\J4.png", "ok/J5.png", "ok/J6.png", "ok/J7.png"):
            made.writestr(name, data)
        made.writestr("other/J6.png", image(424, 425))
        made.writestr("other/J7.png", data)
    entries = archive.contents(path)
    assert set(entries) == {f"J{i}" for i in range(1, 8)}
    for name in ("J1", "J2", "J3", "J4"):
        assert "leads out of the folder" in (entries[name].problem or "")
    assert entries["J5"].problem is None and entries["J7"].problem is None
    assert "two different images" in (entries["J6"].problem or "")
    # A member that inflates to more than the archive says, and one whose bytes were changed.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("J1.png", bytes(5 * 10**6))
        made.writestr("J2.png", data)
    raw = path.read_bytes()
    lying = raw.replace(struct.pack("<L", 5 * 10**6), struct.pack("<L", 1000))
    path.write_bytes(lying.replace(b"IEND", b"IENX"))
    from galaxy_zoo_decals.image_files import Form

    encoder = archive.ArchiveEncoder(path, archive.contents(path), Form())
    assert all("damaged in the archive" in str(answer) for answer in encoder(["J1"]))


@pytest.mark.parametrize("kept", [0.2, 0.999, 0.0])
def test_a_truncated_archive_is_named_before_any_work(
    release: Path, tmp_path: Path, kept: float, capsys: pytest.CaptureFixture[str]
) -> None:
    path = release / ARCHIVE.format(3)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    assert prepare(tmp_path / "gzd5", "--source", str(release)) == 1
    said = capsys.readouterr().err
    assert path.name in said and "download it again" in said and "Traceback" not in said
    assert sorted(p.name for p in tmp_path.iterdir()) == ["release"], "nothing half-written"


def test_an_endless_table_of_contents_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("J1.png", b"x")
    raw = bytearray(path.read_bytes())
    end = raw.rfind(b"PK\5\6")
    raw[end + 12 : end + 16] = struct.pack("<L", 2**30)
    path.write_bytes(raw)
    with pytest.raises(archive.ArchiveError, match="table of contents has 1,073,741,824 bytes"):
        archive.contents(path)


def test_the_older_campaigns_are_refused_with_the_reason(
    release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pd.read_parquet(release / TABLE)
    older = table.rename(
        columns={
            "bar_strong": "bar_yes", "bar_no": "bar_no", "bulge-size_large": "bulge-size_obvious",
            "merging_none": "merging_neither", "how-rounded_round": "how-rounded_completely",
        }
    )  # fmt: skip
    older.to_parquet(release / "gz_decals_volunteers_1_and_2.parquet")
    command = ["prepare", "catalogue", "--votes", str(release / "gz_decals_volunteers_1_and_2.parquet")]
    assert cli.main([*command, "--images", str(release), "--out", str(tmp_path / "x")]) == 1
    said = capsys.readouterr().err
    assert "Galaxy Zoo DECaLS 1 and 2" in said and "another tree" in said and "gz_decals_volunteers_5" in said
    older.to_csv(release / TABLE.replace("parquet", "csv"), index=False)
    (release / TABLE).unlink()
    assert prepare(tmp_path / "gzd5", "--source", str(release)) == 1
    assert "another tree" in capsys.readouterr().err


def test_original_files_are_kept_as_they_are(release: Path, tmp_path: Path, published: tuple) -> None:
    command = ["prepare", "gzd5", "--source", str(release), "--out", str(tmp_path / "o"), "--processes", "1"]
    assert cli.main([*command, "--keep-original"]) == 0
    edition = Edition(tmp_path / "o")
    assert edition.facts["image_size"] == 424 and edition.facts["image_quality"] is None
    stored = {n: d for split in SPLITS for n, d in edition.images(split).items()}
    with zipfile.ZipFile(release / ARCHIVE.format(1)) as part:
        inside = {info.filename[5:-4]: part.read(info) for info in part.infolist()}
    assert any(stored[n] == inside[n] for n in inside if n in stored)
    assert all(stored[n] == inside[n] for n in inside if n in stored)
    from datasets import load_dataset

    assert load_dataset(str(tmp_path / "o"), "votes", split="test")[0]["image"].size == (424, 424)


def test_two_runs_never_work_in_one_folder(release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from filelock import FileLock

    with FileLock(tmp_path / "gzd5.lock"):
        assert prepare(tmp_path / "gzd5", "--source", str(release)) == 1
    assert "another process works on" in capsys.readouterr().err
    assert prepare(tmp_path / "gzd5", "--source", str(release)) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["gzd5", "release"]


def test_two_runs_never_download_into_one_folder(
    zenodo: Zenodo, tmp_path: Path, expected: dict, capsys: pytest.CaptureFixture[str]
) -> None:
    from filelock import FileLock

    (tmp_path / "downloads").mkdir()
    with FileLock(tmp_path / "downloads" / "downloads.lock"):
        assert from_server(zenodo, tmp_path) == 1
    assert "another process downloads into this folder" in capsys.readouterr().err
    assert from_server(zenodo, tmp_path) == 0
    assert contents(tmp_path / "gzd5") == expected


def test_of_two_runs_at_one_time_one_makes_the_edition_and_one_is_refused(
    release: Path, tmp_path: Path, expected: dict
) -> None:
    command = [sys.executable, "-m", "galaxy_zoo_decals.cli", "prepare", "gzd5", "--source", str(release)]
    command += ["--out", str(tmp_path / "gzd5"), "--size", "64", "--processes", "1"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=300) for process in both]
    ended = sorted(process.returncode for process in both)
    assert ended in ([0, 1], [0, 0]), "the slower one may come when the other has ended"
    assert ended == [0, 0] or any(" works on " in err for _, err in said)
    assert contents(tmp_path / "gzd5") == expected
    assert sorted(p.name for p in tmp_path.iterdir()) == ["gzd5", "release"]


def test_workers_end_with_a_parent_that_is_killed(release: Path, tmp_path: Path) -> None:
    import signal
    import time

    command = [sys.executable, "-m", "galaxy_zoo_decals.cli", "prepare", "gzd5", "--source", str(release)]
    command += ["--out", str(tmp_path / "gzd5"), "--size", "424", "--processes", "2"]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    workers: list[int] = []
    for _ in range(600):
        workers = children(running.pid)
        if len(workers) >= 2:
            break
        time.sleep(0.05)
    assert len(workers) >= 2
    running.send_signal(signal.SIGKILL)
    running.wait()
    for _ in range(200):
        if not any(Path(f"/proc/{pid}").exists() and alive(pid) for pid in workers):
            return
        time.sleep(0.05)
    pytest.fail("workers outlived their parent")


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(p) for p in found.read_text().split()] if found.exists() else []


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_the_cleaning_of_the_student_work(release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pd.read_parquet(release / TABLE)
    rng = pd.Series(range(len(table)))
    debiased = [c for c in table.columns if c.endswith("_debiased")]
    table[debiased] = table[[c.replace("_debiased", "_fraction") for c in debiased]].to_numpy()
    table.loc[rng % 5 == 0, debiased] = float("nan")
    # A debiased fraction that contradicts the votes: labels follow it.
    table["smooth-or-featured_smooth_debiased"] = table["smooth-or-featured_smooth_debiased"].where(
        table["smooth-or-featured_smooth_debiased"].isna(), 0.75
    )
    table.to_parquet(release / TABLE)
    assert prepare(tmp_path / "gzd5", "--source", str(release), "--cleaning", "paper") == 0
    assert capsys.readouterr().err.count("note: paper is called student now.") == 1
    assert prepare(tmp_path / "gzd5", "--source", str(release), "--cleaning", "student") == 0
    printed = capsys.readouterr()
    assert "is there already" in printed.out and "note" not in printed.err
    labels = [
        f"{q}_{a}_debiased" for q, answers in (
            ("smooth-or-featured", ("smooth", "featured-or-disk", "artifact")), ("disk-edge-on", ("yes", "no")),
            ("bar", ("strong", "weak", "no")), ("has-spiral-arms", ("yes", "no")),
        ) for a in answers
    ]  # fmt: skip
    enough = table["smooth-or-featured_total-votes"] > 5
    whole = table[labels].notna().all(axis=1)
    steps = {s["name"]: s["removed"] for s in Edition(tmp_path / "gzd5").facts["cleaning"]["steps"]}  # type: ignore[index]
    assert steps["fewer than 6 votes for the first question"] == (~enough).sum()
    assert steps["no debiased fraction for some label"] == (enough & ~whole).sum()
    for split in SPLITS:
        found = Edition(tmp_path / "gzd5").table(split)
        assert all(0 in row for row in found["labels"]), "smooth by the debiased fraction, whatever the votes say"
    assert cli.main(["prepare", "simulated", "--cleaning", "student"]) == 1
    assert "has none" in capsys.readouterr().err

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import constants

from galaxy_zoo_decals import addresses, cli, units
from galaxy_zoo_decals.addresses import HUB_IMAGES, HUB_MIRROR, HUB_MIRROR_VOTES, VOTES
from galaxy_zoo_decals.doctor import examination
from galaxy_zoo_decals.doctor.examination import Findings, examine
from galaxy_zoo_decals.doctor.findings import Way
from galaxy_zoo_decals.doctor.report import report
from galaxy_zoo_decals.doctor.ways import choose
from tests import hub
from tests.hub import Hub

SIZES = {VOTES[0].name: VOTES[0].size, VOTES[1].name: VOTES[1].size} | {
    f"gz_decals_dr5_png_part{n}.zip": 26_100_000_000 for n in (1, 2, 3, 4)
}


GALAXY_ZOO_2 = {"gz2_filename_mapping.csv": 13_000_000, "images_gz2.zip": 3_400_000_000}


@pytest.fixture(autouse=True)
def no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing answers for the votes of Galaxy Zoo 2, unless a test serves them."""
    monkeypatch.setattr(addresses, "GALAXY_ZOO_2_VOTES", "http://127.0.0.1:9/gz2_hart16.csv.gz")


class Zenodo:
    """Files of a size, and how the server answers for them: ok, no-head, a status, silence, drops."""

    def __init__(self) -> None:
        self.url = ""
        self.sizes = dict(SIZES)
        self.how: dict[str, str] = {"3565489": "404"}
        self.sent = 0
        self.end = threading.Event()

    def record(self, sizes: dict[str, int] | None = None) -> bytes:
        """The description of a record: of the survey, unless other files are given."""
        files = [
            {"key": name, "size": size, "checksum": f"md5:{32 * '0'}", "links": {"self": f"{self.url}/files/{name}"}}
            for name, size in (sizes or self.sizes).items()
        ]
        return json.dumps({"files": files}).encode()


@contextmanager
def zenodo_of_sizes() -> Iterator[Zenodo]:
    zenodo = Zenodo()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            self.answer()

        def answer(self) -> None:
            name = self.path.removesuffix("/content").rsplit("/", 1)[-1]
            how, size = zenodo.how.get(name, "ok"), (zenodo.sizes | GALAXY_ZOO_2).get(name, 0)
            if name in GALAXY_ZOO_2:
                how = zenodo.how.get("3565489", "ok")
            if how == "silence":
                zenodo.end.wait(20)
                return
            if how == "drops":  # a byte now and then, for ever
                while not zenodo.end.wait(0.05):
                    self.wfile.write(b"H")
                return
            if how == "no-head" and self.command == "HEAD":
                how = "405"
            if how.isdigit():
                self.send_response(int(how), "\x1b[31mred")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if name in ("4573248", "3565489"):
                data = zenodo.record() if name == "4573248" else zenodo.record(GALAXY_ZOO_2)
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
                return
            if self.path.startswith("/api/"):
                self.send_response(302)
                self.send_header("Location", f"/storage/{name}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
            self.send_response(206 if found else 200)
            first, last = (int(found[1]), min(int(found[2]), size - 1)) if found else (0, size - 1)
            if found:
                self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
            self.send_header("Content-Length", str(last - first + 1))
            self.end_headers()
            left = last - first + 1 if self.command == "GET" else 0
            try:
                while left > 0:
                    self.wfile.write(bytes(min(left, 2**18)))
                    left -= 2**18
                    zenodo.sent += 2**18
            except OSError:
                pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Clients that hang up are no news."""

    server = Server(("127.0.0.1", 0), Handler)
    zenodo.url = f"http://127.0.0.1:{server.server_port}/api/records/4573248"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield zenodo
    finally:
        zenodo.end.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Zenodo, Hub]]:
    """Zenodo and the Hub as they were stated: the Hub's files are small, and said to be large."""
    sizes = {"tiny": [140, 35], "data": [437] * 36}
    files = {
        f"{folder}/train-{i:05d}-of-{len(held):05d}.parquet": b"%d %d" % (i, len(held)) * 50_000
        for folder, held in sizes.items()
        for i in range(len(held))
    }
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(examination, "TIMEOUT", (2.0, 1.0))
    monkeypatch.setattr(examination, "DEADLINE", 2.0)
    real = Hub.entry

    def entry(server: Hub, name: str, data: bytes) -> dict[str, object]:
        held = real(server, name, data)
        folder = name.split("/")[0]
        if name == HUB_MIRROR_VOTES and len(data) == 1000:
            held["lfs"]["size"] = VOTES[0].size  # type: ignore[index]
        if folder in sizes and data[:1] in (b"\0", *(bytes([i]) for i in range(6))):  # of Galaxy Zoo 2
            held["size"] = round(1e6 * {"tiny": 13, "data": 440}[folder])
        elif folder in sizes:
            held["size"] = round(1e6 * {"tiny": 87.5, "data": 486}[folder])
        return held

    monkeypatch.setattr(Hub, "entry", entry)
    with zenodo_of_sizes() as zenodo, hub.serve() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        server.publish(HUB_IMAGES, files | {"README.md": b"---\n---\n"})
        server.publish(HUB_MIRROR, {HUB_MIRROR_VOTES: bytes(1000)})  # said to have the published size
        yield zenodo, server


def ask(servers: tuple[Zenodo, Hub], folder: Path) -> Findings:
    return examine(servers[0].url, servers[1].url, folder)


def test_all_is_well(
    servers: tuple[Zenodo, Hub], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "galaxy_zoo_decals.doctor.examination.shutil.disk_usage", lambda _: SimpleNamespace(free=200 * 10**9)
    )
    servers[0].how.clear()
    held = {"tiny/train-0.parquet": bytes(13), "tiny/test-0.parquet": bytes(13)}
    held |= {f"data/train-{i}.parquet": bytes([i]) for i in range(6)}
    servers[1].publish(addresses.GALAXY_ZOO_2_HUB, held)
    with answering(bytes(2**19)) as url:
        monkeypatch.setattr(addresses, "GALAXY_ZOO_2_VOTES", f"{url}/gz2_hart16.csv.gz")
        assert cli.main(["doctor", "--record", servers[0].url, "--json", str(tmp_path / "found.json")]) == 0
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 100
    found = json.loads((tmp_path / "found.json").read_text())
    by_name = {a["name"]: a for a in found["addresses"]}
    assert [a["name"] for a in found["addresses"]] == [a.name for a in addresses.ADDRESSES]
    assert all(a["reachable"] for a in found["addresses"])
    assert by_name["votes"]["size"] == VOTES[0].size and by_name["archive 3"]["size"] == 26_100_000_000
    assert by_name["gz_desi, tiny"]["size"] == 175_000_000 and by_name["gz_desi"]["size"] == 36 * 486_000_000
    assert not any(a["words"] for a in by_name.values()), [a for a in by_name.values() if a["words"]]
    assert by_name["GZ 2 votes"]["size"] == 2**19 and by_name["GZ 2 archive"]["size"] == 3_400_000_000
    assert set(found["rates"]) == {"Zenodo", "Hub", "Galaxy Zoo 2"} and all(
        rate > 0 for rate in found["rates"].values()
    )
    ways = {way["command"].removeprefix("galaxy-zoo-decals prepare gzd5 "): way for way in found["ways"]}
    of_2 = "galaxy-zoo-decals prepare galaxyzoo2"
    assert list(ways) == [
        "--catalogue-only", "--images hub-tiny", "--galaxies 2000", "--images hub --delete-archives",
        "--delete-archives", f"{of_2} --images hub-tiny", f"{of_2} --images hub --delete-archives",
        f"{of_2} --delete-archives",
    ]  # fmt: skip
    whole_2 = ways[f"{of_2} --delete-archives"]
    assert whole_2["size"] == 2**19 + 13_000_000 + 3_400_000_000
    expected = 2**19 / found["rates"]["Galaxy Zoo 2"] + 3_413_000_000 / found["rates"]["Zenodo"]
    assert whole_2["seconds"] == pytest.approx(expected)
    assert all(way["open"] for way in ways.values())
    whole = ways["--delete-archives"]
    assert whole["size"] == VOTES[0].size + 4 * 26_100_000_000
    assert whole["seconds"] == pytest.approx(whole["size"] / found["rates"]["Zenodo"])
    tiny = ways["--images hub-tiny"]
    expected = VOTES[0].size / found["rates"]["Zenodo"] + 175_000_000 / found["rates"]["Hub"]
    assert tiny["seconds"] == pytest.approx(expected) and tiny["size"] == VOTES[0].size + 175_000_000
    assert found["take"].endswith("--images hub-tiny") and found["take"] in said
    assert servers[0].sent <= examination.SAMPLE + 6 * 2**18, "the sample and single bytes, not the files"


def test_what_closes_the_ways_to_galaxy_zoo_2(servers: tuple[Zenodo, Hub], tmp_path: Path) -> None:
    names = ("GZ 2, a part, Hub", "GZ 2, most, Hub", "GZ 2, all, Zenodo")
    ways = {way.name: way for way in ask(servers, tmp_path).ways}
    assert [ways[name].words for name in names] == ["GZ 2 votes: no connection"] * 3
    with answering(bytes(2**19)) as url, pytest.MonkeyPatch.context() as patch:
        patch.setattr(addresses, "GALAXY_ZOO_2_VOTES", f"{url}/gz2_hart16.csv.gz")
        ways = {way.name: way for way in ask(servers, tmp_path).ways}
        assert ways[names[0]].words == "GZ 2, tiny: not there (404)"
        assert ways[names[2]].words == "GZ 2 record: not there (404)"
        servers[0].how.clear()
        patch.setitem(GALAXY_ZOO_2, "images_gz2.zip", 100_000_000)
        ways = {way.name: way for way in ask(servers, tmp_path).ways}
        assert ways[names[2]].words == "GZ 2 archive: 100 MB, stated about 3.4 GB in 2026-11"
        patch.delitem(GALAXY_ZOO_2, "images_gz2.zip")
        ways = {way.name: way for way in ask(servers, tmp_path).ways}
        assert ways[names[2]].words == "GZ 2 record: it is another record: images_gz2.zip is not in it"


def test_heads_that_are_not_allowed(servers: tuple[Zenodo, Hub], tmp_path: Path) -> None:
    servers[0].how = dict.fromkeys(SIZES, "no-head")
    found = ask(servers, tmp_path)
    assert found.well and {s.size for s in found.seen if s.address.name.startswith("archive")} == {26_100_000_000}


@pytest.mark.parametrize(
    ("how", "words"),
    [("404", "not there (404)"), ("503", "the server answered 503"), ("429", "too many requests"),
     ("silence", "no answer within"), ("drops", "no answer within")],
)  # fmt: skip
def test_what_zenodo_may_answer(servers: tuple[Zenodo, Hub], tmp_path: Path, how: str, words: str) -> None:
    servers[0].how = dict.fromkeys(SIZES, how)
    began = time.monotonic()
    found = ask(servers, tmp_path)
    assert time.monotonic() - began < 30
    zenodo = [s for s in found.seen if "{record}/" in s.address.url]
    assert all(not s.reachable and words in s.words for s in zenodo), zenodo
    ways = {way.name: way for way in found.ways}
    assert not ways["all, Zenodo"].open and not ways["2,000 galaxies, Zenodo"].open
    assert found.well and found.take is not None and "--images hub" in found.take.command, "the mirror has the votes"
    assert ways["the votes alone"].command.endswith("--catalogue-only --images hub")
    assert "\x1b" not in report(found) and words.split(" (")[0] in report(found)


def test_some_archives_are_there(servers: tuple[Zenodo, Hub], tmp_path: Path) -> None:
    servers[0].how = {"gz_decals_dr5_png_part2.zip": "404"}
    ways = {way.name: way for way in ask(servers, tmp_path).ways}
    way = ways["3 of 4 parts, Zenodo"]
    assert way.command.endswith("--delete-archives --parts 1,3,4") and way.size == VOTES[0].size + 3 * 26_100_000_000
    assert ways["2,000 galaxies, Zenodo"].words == "archive 2: not there (404)"


def test_a_mirror_of_another_size_does_not_serve(servers: tuple[Zenodo, Hub], tmp_path: Path) -> None:
    servers[0].how = dict.fromkeys(SIZES, "404")
    servers[1].publish(HUB_MIRROR, {HUB_MIRROR_VOTES: bytes(999)})
    found = ask(servers, tmp_path)
    mirror = next(s for s in found.seen if s.address.name == "votes, mirror")
    assert mirror.reachable and mirror.words == "999 bytes, stated 40,528,939 bytes in 2026-11"
    assert "DIFF votes, mirror" in report(found) and not found.well


def test_the_first_way_within_an_hour_else_the_quickest() -> None:
    def way(name: str, seconds: float | None, galaxies: bool = True, open_: bool = True) -> Way:
        return Way(name, name, open_, "", 1, 1, seconds, galaxies)

    def taken(*ways: Way) -> str | None:
        found = choose(ways)
        return found.name if found else None

    votes = way("votes", 1, galaxies=False)
    assert taken(votes, way("tiny", 3000), way("all", 20)) == "tiny"
    assert taken(votes, way("tiny", 4000), way("all", 3600)) == "all"
    assert taken(votes, way("tiny", 4000), way("all", 5000), way("none", None)) == "tiny"
    assert taken(votes, way("tiny", None), way("closed", 1, open_=False)) == "tiny" and taken(votes) is None


def test_what_the_hub_may_answer(servers: tuple[Zenodo, Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = servers[1]
    tiny = {n: d for n, d in server.files[HUB_IMAGES].items() if not n.startswith("data/")}
    server.publish(HUB_IMAGES, tiny | {"data/\x1b[31m.parquet": b"x", "data/train-00000-of-00001.parquet": b"y"})
    seen = {s.address.name: s for s in ask(servers, tmp_path).seen}
    assert seen["gz_desi"].words == "1 files, stated 36 in 2026-11; stated about 17.5 GB in 2026-11"
    server.publish(HUB_IMAGES, tiny)
    seen = {s.address.name: s for s in ask(servers, tmp_path).seen}
    assert seen["gz_desi, tiny"].reachable and not seen["gz_desi"].reachable
    assert seen["gz_desi"].words == "it has no Parquet files in data/ any more"
    server.private[HUB_IMAGES] = True
    seen = {s.address.name: s for s in ask(servers, tmp_path).seen}
    assert seen["gz_desi"].words == "not open to everyone, or gone (401)"
    seen = {s.address.name: s for s in examine(servers[0].url, server.url, tmp_path, "hf_old").seen}
    assert seen["gz_desi"].words == "the token is not accepted (401)"
    seen = {s.address.name: s for s in examine(servers[0].url, server.url, tmp_path, "hf_test").seen}
    assert seen["gz_desi, tiny"].reachable
    server.private.clear()
    del server.files[HUB_IMAGES]
    found = ask(servers, tmp_path)
    assert next(w for w in found.ways if "hub-tiny" in w.command).words == "gz_desi, tiny: not there (404)"
    server.requests.clear()
    found = examine(servers[0].url, server.url, tmp_path, offline=True)
    assert not server.requests and found.well
    assert {s.words for s in found.seen if "{hub}" in s.address.url} == {
        "HF_HUB_OFFLINE is set; unset it, and it is asked"
    }


def test_nothing_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert cli.main(["doctor", "--record", "http://127.0.0.1:9/api"]) == 1
    said = capsys.readouterr().out
    assert "No way to real galaxies is open" in said and "prepare simulated" in said and "no connection" in said
    assert max(map(len, said.splitlines())) <= 100
    assert cli.main(["doctor", "--record", "nonsense", "--json", str(tmp_path / "no" / "x.json")]) == 1


@contextmanager
def answering(body: bytes, status: int = 200, **headers: str) -> Iterator[str]:
    """A server that gives one answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def siblings(size: float) -> bytes:
    names = ("tiny/train-0.parquet", "data/train-0.parquet")
    return json.dumps({"siblings": [{"rfilename": name, "size": size} for name in names]}).encode()


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (200, {}, b"log in"),  # as a network does that asks for a log-in first
        (200, {}, b"{}"),
        (200, {}, b"[" * 100_000),
        (200, {}, siblings(float("inf"))),
        (200, {}, siblings(float("nan"))),
        (200, {}, siblings(-(10**15))),
        (200, {}, siblings(10**30)),
        (200, {}, siblings(6)),
        (200, {"Content-Length": "\xb2"}, b"log in"),
        (302, {"Location": "http://[::1"}, b""),
        (302, {"Location": f"http://{70 * 'a'}.com/"}, b""),
        (302, {"Location": "file:///etc/passwd"}, b""),
    ],
)
@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_server_that_answers_the_same_to_everything_opens_no_way(
    status: int, headers: dict[str, str], body: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with answering(body, status, **headers) as url:
        found = examine(f"{url}/api/records/4573248", url, tmp_path)
    assert not found.well and found.take is None and not any(way.open for way in found.ways), report(found)
    assert not found.rates and not capfd.readouterr().err
    assert max(map(len, report(found).splitlines())) <= 100
    by_name = {seen.address.name: seen for seen in found.seen}
    assert not by_name["record"].reachable and by_name["record"].words in " ".join(report(found).split())
    assert not by_name["gz_desi"].fits and "no connection" not in by_name["gz_desi"].words


def test_a_file_of_another_size_closes_its_ways(servers: tuple[Zenodo, Hub], tmp_path: Path) -> None:
    servers[0].sizes["gz_decals_dr5_png_part2.zip"] = 6_000_000_000
    servers[0].sizes["gz_decals_dr5_png_part3.zip"] = 14_000_000_000
    ways = {way.name: way for way in ask(servers, tmp_path).ways}
    assert ways["2,000 galaxies, Zenodo"].words == "archive 2: 6.0 GB, stated about 26.0 GB in 2026-11"
    assert ways["3 of 4 parts, Zenodo"].size == VOTES[0].size + (2 * 261 + 140) * 10**8
    servers[0].sizes[VOTES[0].name] -= 1
    found = ask(servers, tmp_path)
    ways = {way.name: way for way in found.ways}
    assert ways["2,000 galaxies, Zenodo"].words == "votes: 40,528,938 bytes, stated 40,528,939 bytes in 2026-11"
    assert ways["the votes alone"].command.endswith("--catalogue-only --images hub") and "Zenodo" not in found.rates


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (b"<html>", "the answer is no description of a record"),
        (b'{"files": [{"key": "a"}]}', "the answer is no description of a record"),
        (b'{"files": []}', "it is another record: the votes are not in it"),
    ],
)
def test_files_whose_record_is_none(
    servers: tuple[Zenodo, Hub], tmp_path: Path, record: bytes, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Zenodo, "record", lambda _: record)
    ways = {way.name: way for way in ask(servers, tmp_path).ways}
    assert ways["all, Zenodo"].words == ways["2,000 galaxies, Zenodo"].words == f"record: {words}"
    assert ways["a small part, Hub"].open, "the mirror has the votes"


def test_where_no_rate_was_measured_it_is_said(
    servers: tuple[Zenodo, Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(b"six by") as url:
        assert examination._rate(url, {}) is None, "six bytes are no sample"
    monkeypatch.setattr(examination, "_rate", lambda url, _: None if "/datasets/" in url else 1e6)
    found = ask(servers, tmp_path)
    assert found.take is not None and "hub" not in found.take.command and "not known" not in report(found)
    monkeypatch.setattr(examination, "_rate", lambda *_: None)
    found = ask(servers, tmp_path)
    assert found.take is not None and "Take this one now (how long it takes is not known" in report(found)


def test_a_full_disk_closes_ways(servers: tuple[Zenodo, Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "galaxy_zoo_decals.doctor.examination.shutil.disk_usage", lambda _: SimpleNamespace(free=10**10)
    )
    ways = {way.name: way for way in ask(servers, tmp_path / "not" / "there").ways}
    assert ways["a small part, Hub"].open and ways["most galaxies, Hub"].open
    assert ways["all, Zenodo"].words == "it needs about 34.1 GB of free disk"


def test_amounts_and_durations() -> None:
    assert [units.amount(n) for n in (0, 999, 40_528_939, 175e6, 17.5e9, 104e9)] == [
        "0 B", "999 B", "40.5 MB", "175 MB", "17.5 GB", "104 GB"
    ]  # fmt: skip
    assert [units.duration(n) for n in (0.1, 80, 95, 3600, 5400, 40_000, 200_000, None)] == [
        "1 s", "80 s", "1.6 min", "60 min", "1.5 h", "11 h", "2.3 days", "?"
    ]  # fmt: skip

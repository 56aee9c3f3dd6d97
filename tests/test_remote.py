from __future__ import annotations

import io
import os
import re
import struct
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from galaxy_zoo_decals import argument_types, cli, splits
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.image_files import Form
from galaxy_zoo_decals.prepare import chosen_source, cleaning
from galaxy_zoo_decals.schema import SPLITS
from galaxy_zoo_decals.sources import archive, download, runs
from galaxy_zoo_decals.sources.download import DownloadError, File
from galaxy_zoo_decals.sources.remote import ChangedError, Ranges, RemoteFile
from galaxy_zoo_decals.sources.zenodo import ARCHIVE, PARTS, SurveyPart
from tests.releases import TABLE, Survey, Zenodo, asked_range, plan_survey, serve, write_sparse, write_survey

GALAXIES = 3200
FIRST = ARCHIVE.format(1)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Survey]:
    folder = tmp_path_factory.mktemp("survey") / "release"
    return folder, write_survey(folder, GALAXIES)


@pytest.fixture
def survey(published: tuple[Path, Survey]) -> Survey:
    return published[1]


@pytest.fixture
def zenodo(published: tuple[Path, Survey], tmp_path: Path) -> Iterator[Zenodo]:
    """A server of a release whose files a test may replace: they are links to the common ones."""
    (tmp_path / "release").mkdir()
    for path in published[0].iterdir():
        os.link(path, tmp_path / "release" / path.name)
    with serve(tmp_path / "release") as server:
        yield server


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits short enough for a test."""
    monkeypatch.setattr(download, "LONGEST_WAIT", 0.02)
    monkeypatch.setattr(download, "TIMEOUT", (5.0, 0.6))


def prepare(zenodo: Zenodo, folder: Path, *more: str) -> int:
    record = f"{zenodo.url}/api/records/4573248"
    command = ["prepare", "gzd5", "--record", record, "--downloads", str(folder / "downloads"), "--processes", "1"]
    return cli.main([*command, "--out", str(folder / "edition"), "--size", "32", *more])


def source(zenodo: Zenodo, folder: Path, galaxies: int, **more: object) -> SurveyPart:
    record = f"{zenodo.url}/api/records/4573248"
    words = {"say": lambda words: None} | more
    return SurveyPart(folder=folder / "downloads", record=record, galaxies=galaxies, **words)  # type: ignore[arg-type]


class AsItCame(Form):
    """Images are kept as they are, and not looked at."""

    def make(self, data: bytes, side: int | None = None) -> bytes:
        return data


def fetch(some: SurveyPart, folder: Path) -> dict[str, bytes | Exception]:
    """Do what the builder does with a source but for the pixels: choose, fetch, and read each image as it came."""
    folder.mkdir(exist_ok=True)
    kept, _ = cleaning.clean(some.catalogue(folder, 1), some.tree)
    wanted = set(kept["iauname"]) - some.left_out(list(kept["iauname"]), folder)
    found: dict[str, bytes | Exception] = {}
    for part in some.parts(folder, AsItCame()):
        names = sorted(wanted & part.images.keys() - found.keys())
        part.fetch()
        found |= zip(names, part.encoder(names)(names))
    return found


def choose(some: SurveyPart, folder: Path) -> None:
    """Read the tables of contents, as the first half of ``fetch`` does."""
    folder.mkdir(exist_ok=True)
    some.left_out(list(cleaning.clean(some.catalogue(folder, 1), some.tree)[0]["iauname"]), folder)


def asked(zenodo: Zenodo, name: str | None = None) -> list[tuple[str, str | None, int]]:
    """Requests for content of archives (of one of them)."""
    return [r for r in zenodo.requests if r[0].startswith("/storage/") and r[0].endswith(name or ".zip")]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def images(edition: Path) -> dict[str, bytes]:
    return {n: d for split in SPLITS for n, d in Edition(edition).images(split).items()}


# Which galaxies


lists = st.lists(st.integers(0, 10**6), unique=True, max_size=120)


@settings(deadline=None)
@given(lists, st.integers(0, 3), st.integers(1, 9), st.data())
def test_a_choice_is_nested_and_the_same_every_time(
    numbers: list[int], seed: int, run: int, data: st.DataObject
) -> None:
    names = [f"J{number}" for number in numbers]
    cut = data.draw(st.integers(0, len(names)))
    archives = {"a.zip": names[:cut], "b.zip": names[cut:] + names[: cut // 3]}
    kept = frozenset(data.draw(st.lists(st.sampled_from(names), unique=True)) if names else [])
    more = data.draw(st.integers(0, len(names) + 2))
    fewer = data.draw(st.integers(0, more))
    large = runs.choose(archives, kept, more, seed, run)
    assert runs.choose(archives, frozenset(sorted(kept)), more, seed, run) == large
    assert large[:fewer] == runs.choose(archives, kept, fewer, seed, run), "fewer galaxies are a part of more"
    assert len(large) == len(set(large)) == min(more, len(kept)), "as many as were asked for"
    assert set(large) <= kept
    # Whole runs: of every run but the last one all or none.
    first = {name: ("a.zip", i // run) for i, name in enumerate(names[:cut])}
    first |= {name: ("b.zip", i // run) for i, name in enumerate(names[cut:])}
    touched = list(dict.fromkeys(first[name] for name in large))
    for place in touched[:-1]:
        assert {n for n in kept if first[n] == place} <= set(large)


def test_another_seed_is_another_choice_and_runs_lie_all_over_the_archives(survey: Survey) -> None:
    archives = {archive: list(members) for archive, members in survey.members.items()}
    kept = frozenset(survey.names)
    chosen = runs.choose(archives, kept, 1000, 0)
    other = runs.choose(archives, kept, 1000, 1)
    assert set(chosen) != set(other)
    assert all(set(chosen) & set(members) for members in survey.members.values())


@settings(deadline=None)
@given(st.binary(max_size=300), st.lists(st.tuples(st.integers(-5, 320), st.integers(-1, 320)), max_size=12))
def test_a_file_on_a_server_is_read_like_one_on_disk(data: bytes, reads: list[tuple[int, int]]) -> None:
    class Held(Ranges):
        def read(self, start: int, stop: int, arrived: object = None) -> bytes:
            assert 0 <= start < stop <= len(data)
            return data[start:stop]

    remote = RemoteFile(Held(None, File("x", "", len(data), "")))  # type: ignore[arg-type]
    local = io.BytesIO(data)
    for place, size in reads:
        if place < 0:
            with pytest.raises(OSError):
                remote.seek(place)
            continue
        assert remote.seek(place) == local.seek(place)
        assert remote.read(size) == local.read(size)
        assert remote.tell() == max(place, local.tell())
    assert remote.seek(0, io.SEEK_END) == len(data)


def test_the_ranges_the_server_of_these_tests_understands() -> None:
    assert asked_range("bytes=5-9", 100) == (5, 10)
    assert asked_range("bytes=5-", 100) == (5, 100)
    assert asked_range("bytes=-30", 100) == (70, 100)
    assert asked_range("bytes=-300", 100) == (0, 100)
    assert asked_range("bytes=5-999", 100) == (5, 100)
    for no in (None, "bytes=-", "bytes=1-2,5-6", "lines=1-2"):
        assert asked_range(no, 100) is None


def test_requests_are_few_and_bounded() -> None:
    def lying(*places: tuple[int, int]) -> list[runs.Member]:
        return [runs.Member(f"J{i}", archive.Entry("", 0, 0), 0, *place) for i, place in enumerate(places)]

    def cut(wanted: list[runs.Member]) -> list[tuple[int, int]]:
        return [(held[0].start, held[-1].stop) for held in runs.stretches(wanted)]

    half = 2**19
    side_by_side = lying(*((i * half, (i + 1) * half) for i in range(100)))
    assert cut(side_by_side) == [(0, 100 * half)], "neighbours are one request"
    assert cut(side_by_side[3:5] + side_by_side[9:12]) == [(3 * half, 12 * half)], "a few strangers between them too"
    assert cut(side_by_side[:2] + side_by_side[60:62]) == [(0, 2 * half), (60 * half, 62 * half)], "many are not"
    large = lying(*((i * 2**26, (i + 1) * 2**26) for i in range(3)))
    assert cut(large) == [(i * 2**26, (i + 1) * 2**26) for i in range(3)], "no more in memory than a request holds"
    assert cut([]) == []


# From nothing to an edition


def test_a_part_of_the_survey_becomes_an_edition(
    zenodo: Zenodo, survey: Survey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare(zenodo, tmp_path, "--galaxies", "150", "--keep-original", "--size", "424") == 0
    said = capsys.readouterr().out
    edition = Edition(tmp_path / "edition")
    assert edition.name == "gzd5-150" and edition.title == "Galaxy Zoo DECaLS 5, up to 150 galaxies"
    found = images(tmp_path / "edition")
    assert len(found) == 150
    assert all(data == survey.image(name) for name, data in found.items()), "the very bytes of the archives"
    report = edition.facts["cleaning"]
    steps = {s["name"]: s["removed"] for s in report["steps"]}  # type: ignore[index]
    wrong = steps["field of view of the wrong size"]
    assert wrong > 0 and steps["not chosen"] == GALAXIES - wrong - 150
    assert steps["no image"] == 0 and report["unlisted_images"] == GALAXIES // 4  # type: ignore[index]
    assert "not chosen" in said
    card = (tmp_path / "edition" / "README.md").read_text()
    assert "up to 150 galaxies in whole runs of 100 neighbouring images" in card and "chosen by seed 0" in card
    assert "CRC-32" in card and "md5 of the archives cannot be" in card
    described = edition.facts["source"]
    assert described["galaxies"] == 150 and described["seed"] == 0 and described["kind"] == "gzd5"  # type: ignore[index]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["downloads", "edition", "release"]
    # What is there is there: without any request, also after all but the downloads has gone.
    zenodo.requests.clear()
    assert prepare(zenodo, tmp_path, "--galaxies", "150", "--keep-original", "--size", "424") == 0
    assert "is there already" in capsys.readouterr().out
    before = contents(tmp_path / "edition")
    assert prepare(zenodo, tmp_path, "--galaxies", "150", "--keep-original", "--size", "424", "--again") == 0
    assert contents(tmp_path / "edition") == before and not zenodo.requests


def test_more_galaxies_of_a_seed_ask_for_the_others_only(zenodo: Zenodo, survey: Survey, tmp_path: Path) -> None:
    few = fetch(source(zenodo, tmp_path, 130), tmp_path / "work")
    table_of_contents = sum(zenodo.sent.values())
    zenodo.requests.clear()
    zenodo.sent.clear()
    many = fetch(source(zenodo, tmp_path, 420), tmp_path / "work")
    assert len(few) == 130 and len(many) == 420 and few.keys() < many.keys()
    assert all(data == survey.image(name) for name, data in many.items())
    new = sum(len(survey.image(name)) for name in many.keys() - few.keys())
    assert sum(zenodo.sent.values()) - zenodo.sent.get("record", 0) < 1.5 * new < table_of_contents + 1.5 * new
    zenodo.requests.clear()
    assert fetch(source(zenodo, tmp_path, 420), tmp_path / "work") == many
    assert fetch(source(zenodo, tmp_path, 130), tmp_path / "work") == few
    assert not zenodo.requests
    other = fetch(source(zenodo, tmp_path, 130, seed=1), tmp_path / "work")
    assert other.keys() != few.keys() and zenodo.requests


def test_two_thousand_galaxies_take_at_most_sixty_requests(zenodo: Zenodo, survey: Survey, tmp_path: Path) -> None:
    """A fifth of the members belongs to no row, one in a hundred rows is left out by cleaning; as on Zenodo."""
    some = source(zenodo, tmp_path, 2000)
    choose(some, tmp_path / "work")
    before = dict(zenodo.sent)  # the record, the votes and the tables of contents
    found = fetch(some, tmp_path / "work")
    assert len(found) == 2000
    assert all(data == survey.image(name) for name, data in found.items())
    members = sum(len(survey.image(name)) for name in found)
    fetched = sum(zenodo.sent.values()) - sum(before.values())
    assert len(zenodo.requests) <= 60, "the record, the votes, redirects, tables of contents and runs"
    assert members < fetched <= 1.3 * members
    assert all(status in (200, 206, 302) for _, _, status in zenodo.requests)


def test_archives_of_many_gigabytes_and_members(tmp_path: Path) -> None:
    """Zip64 both ways: more than 65,535 members, places beyond 4 GiB; a fifth of them belongs to no row."""
    folder = tmp_path / "release"
    survey = plan_survey(folder, 52_500)
    together = {name: place for members in survey.members.values() for name, place in members.items()}
    assert len(together) > 65_535
    archives = {name: together if name == FIRST else {} for name in survey.members}
    table = pd.read_parquet(folder / TABLE, columns=["iauname", "wrong_size_warning"])
    kept = frozenset(table["iauname"][~table["wrong_size_warning"]])
    chosen = runs.choose({name: list(members) for name, members in archives.items()}, kept, 150, 0)
    for name, members in archives.items():
        write_sparse(folder / name, members, {n: survey.image(n) for n in chosen}, 68_000)
    size = (folder / FIRST).stat().st_size
    assert size > 2**32 and (folder / FIRST).stat().st_blocks * 512 < 2**25, "little room on disk"
    assert max(info.header_offset for info in zipfile.ZipFile(folder / FIRST).infolist()) > 2**32
    with serve(folder) as zenodo:
        zenodo.checksums[FIRST] = "0" * 32
        assert prepare(zenodo, tmp_path, "--galaxies", "150") == 0
        assert set(images(tmp_path / "edition")) == set(chosen)
        report = Edition(tmp_path / "edition").facts["cleaning"]
        assert report["unlisted_images"] == len(together) - 52_500  # type: ignore[index]
        assert zenodo.sent[FIRST] < size // 100
        # Of a server that sends whole files only, the file is not read.
        zenodo.ranges = False
        zenodo.sent.clear()
        other = tmp_path / "other"
        other.mkdir()
        os.link(tmp_path / "downloads" / TABLE, other / TABLE)
        some = SurveyPart(folder=other, record=f"{zenodo.url}/api/records/4573248", galaxies=10)
        with pytest.raises(DownloadError, match=r"ignores Range.*--parts 1.*--images hub-tiny"):
            some.left_out(["J1"], tmp_path)
        assert zenodo.sent.get(FIRST, 0) < 2**26


# What happens on the way


@pytest.fixture(scope="module")
def undisturbed(published: tuple[Path, Survey], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("undisturbed")
    with serve(published[0]) as zenodo:
        assert prepare(zenodo, folder, "--galaxies", "150") == 0
    return contents(folder / "edition")


@pytest.mark.parametrize("where", ["contents", "runs"])
@pytest.mark.parametrize(
    ("faults", "words"),
    [
        (["429 0", "503"], "429.*trying again"),
        (["cut 3000", "cut 0", "cut 50"], "the connection"),
        (["stall 2000"], "nothing came|connection"),
        (["as-200"], ""),
    ],
    ids=lambda value: value[0].split()[0] if isinstance(value, list) else "",
)  # fmt: skip
def test_what_passes_on_the_way(
    zenodo: Zenodo, tmp_path: Path, survey: Survey, where: str, faults: list[str], words: str
) -> None:
    said: list[str] = []
    some = source(zenodo, tmp_path, 420, say=said.append)
    if where == "runs":
        choose(some, tmp_path / "work")
    zenodo.faults = dict.fromkeys(survey.members, left := list(faults))
    found = fetch(some, tmp_path / "work")
    assert len(found) == 420 and all(data == survey.image(name) for name, data in found.items())
    assert not left
    assert re.search(words, "\n".join(said), re.DOTALL)


def test_a_range_that_is_cut_is_continued_where_it_was_cut(zenodo: Zenodo, tmp_path: Path) -> None:
    size = (zenodo.folder / FIRST).stat().st_size
    file = File(FIRST, f"{zenodo.url}/api/records/4573248/files/{FIRST}/content", size, "")
    zenodo.faults[FIRST] = ["cut 1000", "cut 500"]
    arrived: list[int] = []
    ranges = Ranges(download.session(), file, lambda words: None)
    data = ranges.read(700, 9700, arrived.append)
    assert data == (zenodo.folder / FIRST).read_bytes()[700:9700] and sum(arrived) == 9000
    assert [r[1] for r in asked(zenodo)] == ["bytes=700-9699", "bytes=1700-9699", "bytes=2200-9699"]
    assert [r[2] for r in zenodo.requests if r[0].startswith("/api")] == [302], "redirects are followed once"
    assert ranges.read(size - 5, size) == data[:0] + (zenodo.folder / FIRST).read_bytes()[-5:]
    ranges.address = f"{zenodo.url}/storage/an-address-that-is-no-longer-good"
    assert ranges.read(0, 4) == b"PK\3\4"
    whole = File(TABLE, f"{zenodo.url}/storage/{TABLE}", (zenodo.folder / TABLE).stat().st_size, "")
    zenodo.ranges = False
    assert Ranges(download.session(), whole).read(0, whole.size) == (zenodo.folder / TABLE).read_bytes()


@pytest.mark.parametrize("where", ["contents", "runs"])
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("no-range", "ignores Range"),
        ("shifted", "other bytes than were asked for"),
        ("longer", "other bytes than were asked for"),
        ("multipart", "multipart/byteranges"),
        ("etag", r"changed on the server.*ETag .* became .*run the same command again\.$"),
        ("403", "answered 403"),
    ],
)  # fmt: skip
def test_what_ends_in_one_sentence_and_can_be_done_again(
    zenodo: Zenodo,
    tmp_path: Path,
    survey: Survey,
    where: str,
    fault: str,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if where == "runs":
        choose(source(zenodo, tmp_path, 150), tmp_path / "work")
    elif fault == "etag":
        zenodo.faults[FIRST] = [""]
    zenodo.faults = {name: [*zenodo.faults.get(name, []), fault, fault] for name in survey.members}
    assert prepare(zenodo, tmp_path, "--galaxies", "150") == 1
    said = capsys.readouterr().err
    assert re.search(words, said) and said.count("\n") == 1 and "Traceback" not in said
    assert not (tmp_path / "edition").exists() and not list((tmp_path / "edition.partial").glob("pieces/*"))
    assert not list((tmp_path / "downloads").rglob("*.partial")), "nothing half-written"
    zenodo.faults.clear()
    found = fetch(source(zenodo, tmp_path, 150), tmp_path / "work")
    assert len(found) == 150 and all(data == survey.image(name) for name, data in found.items())


def test_an_archive_that_changed_since_its_table_of_contents_was_read(
    zenodo: Zenodo, survey: Survey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = fetch(source(zenodo, tmp_path, 30), tmp_path / "work")
    # The server has another file under the same record: its ETag tells.
    for number in PARTS:
        zenodo.etags[ARCHIVE.format(number)] = '"new"'
    with pytest.raises(ChangedError, match=r"ETag.*became \"new\".*run the same command again"):
        fetch(source(zenodo, tmp_path, 420), tmp_path / "work")
    assert not list((tmp_path / "downloads").rglob("contents")), "what is stale has gone"
    assert fetch(source(zenodo, tmp_path, 420), tmp_path / "work").keys() > few.keys()
    # The record has another file: its size tells before anything is asked for.
    for number in PARTS:
        path = zenodo.folder / ARCHIVE.format(number)
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(bytes(1000) + data)  # a zip may have something before it: all places are others now
    with pytest.raises(ChangedError, match="the record has another file of this name now"):
        fetch(source(zenodo, tmp_path, 600), tmp_path / "work")
    found = fetch(source(zenodo, tmp_path, 600), tmp_path / "work")
    assert found.keys() > few.keys() and all(data == survey.image(name) for name, data in found.items())


def test_a_file_that_is_another_one_though_nothing_says_so(zenodo: Zenodo, tmp_path: Path) -> None:
    some = source(zenodo, tmp_path, 420)
    choose(some, tmp_path / "work")
    for number in PARTS:
        path = zenodo.folder / ARCHIVE.format(number)
        state, data = path.stat(), path.read_bytes()
        path.unlink()
        path.write_bytes(bytes(len(data) - 2 * runs.TAIL) + data[-2 * runs.TAIL :])
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    with pytest.raises(ChangedError, match=r"none of \d+ images is what the archive's table of contents says"):
        fetch(some, tmp_path / "work")
    assert not list((tmp_path / "downloads").rglob("*.zip")), "not one wrong image is kept"
    # Shorter than published: the server says 416.
    some = source(zenodo, tmp_path / "again", 420)
    _ = some._archives.record.files
    (zenodo.folder / FIRST).write_bytes(bytes(100))
    with pytest.raises(ChangedError, match="shorter than"):
        some.left_out(["J1"], tmp_path / "work")


def test_an_image_that_arrives_damaged_is_asked_for_again_and_then_left_out(
    zenodo: Zenodo, survey: Survey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    choose(source(zenodo, tmp_path / "once", 150), tmp_path / "work")
    zenodo.faults = dict.fromkeys(survey.members, faults := ["wrong"])
    said: list[str] = []
    found = fetch(source(zenodo, tmp_path / "once", 150, say=said.append), tmp_path / "work")
    assert len(found) == 150 and all(data == survey.image(name) for name, data in found.items())
    assert not faults and "1 images arrived damaged; they are asked for again" in said[0]
    choose(source(zenodo, tmp_path, 150), tmp_path / "work")
    zenodo.faults = dict.fromkeys(survey.members, faults := ["wrong", "wrong"])
    assert prepare(zenodo, tmp_path, "--galaxies", "150") == 0
    edition = Edition(tmp_path / "edition")
    steps = {s["name"]: s for s in edition.facts["cleaning"]["steps"]}  # type: ignore[index]
    left_out = steps["unusable image"]
    assert not faults and left_out["removed"] == 1
    assert all("damaged in the archive (Bad CRC-32" in problem for problem in left_out["examples"].values())
    assert set(left_out["examples"]) < found.keys()
    assert set(images(tmp_path / "edition")) == found.keys() - left_out["examples"].keys()
    assert next(iter(left_out["examples"])) in capsys.readouterr().out


def test_a_server_that_counts_requests_is_waited_for(
    zenodo: Zenodo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept, began = [0.0], time.time()
    zenodo.limit, zenodo.window, zenodo.clock = 8, 60.0, lambda: began + sum(slept)
    monkeypatch.setattr(time, "sleep", slept.append)
    said: list[str] = []
    found = fetch(source(zenodo, tmp_path, 420, say=said.append), tmp_path / "work")
    assert len(found) == 420 and "429" in said[0]
    answers = [status for _, _, status in zenodo.requests]
    assert 8 < len(answers) - answers.count(429) <= 8 * len(slept)
    assert answers.count(429) == len(slept) - 1, "it is waited for as long as it asks, and asked again once"
    assert all(60 <= wait < 62 for wait in slept[1:])


def test_an_interrupted_run_goes_on_without_what_it_has(
    zenodo: Zenodo,
    tmp_path: Path,
    undisturbed: dict,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    choose(source(zenodo, tmp_path, 150), tmp_path / "work")
    real, reads = Ranges.read, []

    def interrupted(self: Ranges, start: int, stop: int, arrived: object) -> bytes:
        reads.append((self.file.name, start, stop))
        if len(reads) == 2:
            real(self, start, start + 100)
            raise KeyboardInterrupt
        return real(self, start, stop, arrived)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Ranges, "read", interrupted)
        assert prepare(zenodo, tmp_path, "--galaxies", "150") == 130
    assert capsys.readouterr().err.endswith("interrupted. The same command goes on where it stopped.\n")
    assert not list((tmp_path / "downloads").rglob("*.partial"))
    there = list((tmp_path / "downloads").rglob("*.zip"))
    for folder in (tmp_path / "downloads").glob("*.runs"):
        (folder / "00007.4711.partial").write_bytes(b"as a kill leaves it")
    assert len(there) == 1 and not (tmp_path / "edition").exists()
    zenodo.requests.clear()
    assert prepare(zenodo, tmp_path, "--galaxies", "150") == 0
    assert contents(tmp_path / "edition") == undisturbed
    again = {(r[0].rsplit("/", 1)[-1], r[1]) for r in asked(zenodo)}
    had = {(name, f"bytes={start}-{stop - 1}") for name, start, stop in reads[:-1]}
    assert again and not again & had, "no range that was had is asked for again"
    assert not list((tmp_path / "downloads" / f"{reads[1][0]}.runs").glob("*.partial"))


def test_runs_go_once_their_images_are_converted(zenodo: Zenodo, tmp_path: Path, undisturbed: dict) -> None:
    assert prepare(zenodo, tmp_path, "--galaxies", "150", "--delete-archives") == 0
    assert contents(tmp_path / "edition") == undisturbed
    assert not list((tmp_path / "downloads").rglob("*.zip"))


def test_what_lies_damaged_on_the_disk_is_fetched_again(zenodo: Zenodo, survey: Survey, tmp_path: Path) -> None:
    fetch(source(zenodo, tmp_path, 150), tmp_path / "work")
    for i, path in enumerate(sorted((tmp_path / "downloads").rglob("*.runs/*"))):
        path.write_bytes([b"", b"{}\n", path.read_bytes()[:-9], b"[1]\nx"][i % 4])
    found = fetch(source(zenodo, tmp_path, 150), tmp_path / "work")
    assert len(found) == 150 and all(data == survey.image(name) for name, data in found.items())


# Archives that are none, and words that do not go together


def end_of(directory: int, offset: int) -> bytes:
    return b"PK\5\6" + struct.pack("<4H2LH", 0, 0, 1, 1, directory, offset, 0)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no whole zip"),
        (bytes(5000), "table of contents is missing"),
        (bytes(5000) + end_of(2**31, 0), "table of contents has 2,147,483,648 bytes"),
        (bytes(5000) + end_of(4000, 9000), "no whole zip"),
        (bytes(5000) + end_of(9000, 0), "no whole zip"),
        (bytes(5000) + end_of(4000, 100), "Bad magic number"),
    ],
)  # fmt: skip
def test_archives_that_are_none(zenodo: Zenodo, tmp_path: Path, data: bytes, words: str) -> None:
    (zenodo.folder / FIRST).unlink()
    (zenodo.folder / FIRST).write_bytes(data)
    with pytest.raises((archive.ArchiveError, DownloadError), match=words) as told:
        source(zenodo, tmp_path, 10).left_out(["J1"], tmp_path)
    assert FIRST in str(told.value)
    assert not list((tmp_path / "downloads").rglob("contents*")), "nothing of it is kept"


def test_members_that_lie_elsewhere_or_lead_out_of_the_folder(zenodo: Zenodo, tmp_path: Path) -> None:
    path, names = zenodo.folder / FIRST, [f"J00000{i}.00+000000.0" for i in range(6)]
    path.unlink()
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as made:
        for i, name in enumerate(names):
            made.writestr(f"{'../' if i == 0 else 'J000/'}{name}.png", rng.bytes(3000))
        for i, offset in ((1, 10**9), (2, made.filelist[3].header_offset)):
            made.filelist[i].header_offset = offset
        made.filelist[3].compress_size = made.filelist[3].file_size = 10**7
        made.filelist[4].compress_size = 10**9
    some = source(zenodo, tmp_path, 10)
    _ = some.table
    assert some.left_out(names, tmp_path) == frozenset()
    zenodo.requests.clear()
    part = next(iter(some.parts(tmp_path, Form(original=True))))
    part.fetch()
    made_of = dict(zip(names, part.encoder(names)(names)))
    assert "leads out of the folder" in str(made_of[names[0]])
    assert "outside the archive" in str(made_of[names[1]])
    assert "damaged in the archive" in str(made_of[names[2]]) and "damaged in the archive" in str(made_of[names[3]])
    assert "1,000,000,000 bytes" in str(made_of[names[4]])
    assert "not a readable" in str(made_of[names[5]]), "it came as it is, and is no image"
    assert len(asked(zenodo)) <= 3, "whatever its table of contents says, an archive is not asked again and again"
    assert not list(tmp_path.rglob("J000000.*"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--galaxies", "50", "--source", "x"], "--source is for files that are there"),
        (["--galaxies", "50", "--parts", "1"], "--parts whole archives"),
        (["--galaxies", "50", "--catalogue-only"], "leave --galaxies away"),
        (["--galaxies", "50", "--name", "gzd5"], "such as gzd5-50"),
        (["--galaxies", "50", "--name", "gzd5-100"], "'gzd5-100' means another edition, gzd5-100"),
        (["--galaxies", "50", "--name", "gzd5-hub"], "means another edition, gzd5-hub;"),
        (["--galaxies", "50", "--seed", "2", "--name", "gzd5-50"], "such as gzd5-50-seed2"),
        (["--source", "x", "--name", "gzd5-tiny"], "such as gzd5."),
        (["--seed", "5"], "--galaxies N"),
    ],
)  # fmt: skip
def test_words_that_do_not_go_together(options: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["prepare", "gzd5", *options]) == 1
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1


def test_a_part_never_takes_the_name_of_the_survey_or_of_another_part(monkeypatch: pytest.MonkeyPatch) -> None:
    names = []
    for words in (
        ["--galaxies", "50"],
        ["--galaxies", "50", "--seed", "3"],
        ["--galaxies", "50", "--name", "mine"],
        [],
    ):
        options = cli.parser().parse_args(["prepare", "gzd5", *words])
        chosen_source.check_part(options)
        options.name = options.name or chosen_source.name_of_survey(options)
        names.append(options.name)
    assert names == ["gzd5-50", "gzd5-50-seed3", "mine", "gzd5"]


def test_numbers_of_galaxies_and_seeds_that_no_edition_can_have(
    zenodo: Zenodo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for options, words in (
        (["--galaxies", "1"], "--galaxies: 1 is not between 30 and 1,000,000"),
        (["--galaxies", "1" + "0" * 60], "is not between 30 and 1,000,000"),
        (["--galaxies", "9" * 5000], "is no whole number"),
        (["--galaxies", "150", "--seed", "-1"], "--seed: -1 is not between 0 and 4,294,967,295"),
        (["--galaxies", "150", "--seed", "1" + "0" * 70], "is not between 0 and 4,294,967,295"),
    ):
        with pytest.raises(SystemExit):
            prepare(zenodo, tmp_path, *options)
        assert words in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["prepare", "simulated", "--seed", "-1"])
    assert not zenodo.requests
    options = cli.parser().parse_args(["prepare", "gzd5", "--galaxies", "1000000", "--seed", str(2**32 - 1)])
    assert argument_types.edition_name(chosen_source.name_of_survey(options)), (
        "the longest name is one that an edition can have"
    )


def test_which_edition_a_name_stands_for() -> None:
    meant = chosen_source.meant
    names = ("gzd5", "gzd5-tiny", "gzd5-hub", "gzd5-hub-4", "gzd5-100", "gzd5-100-seed3")
    assert [meant(name) for name in names] == list(names)
    assert meant("gzd5-hub-4-mine") == "gzd5-hub-4" and meant("gzd5-100-seed3-x") == "gzd5-100-seed3"
    assert not any(map(meant, ("mine", "gzd5-mine", "gzd5-parts1", "gzd5_x", "gzd50", "gzd5-tinyest", "gzd5-9a")))


def test_fewer_galaxies_than_were_asked_for_is_said(zenodo: Zenodo, tmp_path: Path) -> None:
    said: list[str] = []
    some = source(zenodo, tmp_path, 100_000, say=said.append)
    choose(some, tmp_path)
    kept = len(cleaning.clean(some.catalogue(tmp_path, 1), some.tree)[0])
    assert f"100,000 galaxies were asked for; there are {kept:,} that can be used, all taken." in said
    described = str(some.describe()["description"])
    assert "up to 100,000 galaxies" in described and "up to 100,000 galaxies" in some.choice[1]


def test_too_few_galaxies_for_the_splits(zenodo: Zenodo, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Thirty neighbours lie in few cells of the sky, and so perhaps in one split."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(splits, "by_sky_cell", lambda ra, dec: np.full(len(ra), "train"))
        assert prepare(zenodo, tmp_path, "--galaxies", "30") == 1
    assert "too small for an edition. Ask for more galaxies." in capsys.readouterr().err


def test_no_test_galaxy_is_scored(
    zenodo: Zenodo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those of validation are: the words are about the test split."""
    monkeypatch.setattr(splits, "scored", lambda catalogue: (catalogue["split"] == "validation").to_numpy())
    assert prepare(zenodo, tmp_path, "--galaxies", "150") == 0
    assert "no galaxy of the test split has 34 first-question votes" in capsys.readouterr().out

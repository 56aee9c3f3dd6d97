from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import FileLock
from huggingface_hub import constants
from PIL import Image

from galaxy_zoo_decals import addresses, cli, image_files, splits
from galaxy_zoo_decals.addresses import HUB_IMAGES, HUB_MIRROR, HUB_MIRROR_VOTES, Published
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.image_files import Form
from galaxy_zoo_decals.prepare.audit import check
from galaxy_zoo_decals.schema import GZD5, SPLITS
from galaxy_zoo_decals.sources import download, hub_card, hub_repository, hub_shard
from galaxy_zoo_decals.sources.hub import FromHub
from galaxy_zoo_decals.sources.hub_images import Votes, cKDTree, join, spread
from tests import gz_desi, hub, releases
from tests.gz_desi import Dataset
from tests.hub import Hub
from tests.releases import TABLE, Zenodo

ROOT = Path(__file__).parents[1]
TINY = ("tiny/test-00000-of-00001.parquet", "tiny/train-00000-of-00001.parquet")


@dataclass
class World:
    """What a test talks to: Zenodo with the votes alone, and the Hub with the dataset."""

    zenodo: Zenodo
    hub: Hub
    dataset: Dataset
    table: pd.DataFrame
    folder: Path

    def prepare(self, *more: str, out: str = "edition") -> int:
        record = f"{self.zenodo.url}/api/records/4573248"
        return cli.main(
            ["prepare", "gzd5", "--out", str(self.folder / out), "--size", "64", "--processes", "1", "--record", record,
             "--downloads", str(self.folder / "downloads"), *more]
        )  # fmt: skip

    def kept(self) -> set[str]:
        """The galaxies that cleaning leaves, wherever their images are."""
        votes = self.table[GZD5.questions[0].total] >= 3
        return set(self.table["iauname"][votes & ~self.table["wrong_size_warning"].astype(bool)])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, Dataset, Path]:
    table, images = gz_desi.galaxies()
    folder = tmp_path_factory.mktemp("zenodo") / "release"
    releases.write_table(table, folder)
    return table, gz_desi.write(table, images), folder


@pytest.fixture
def world(made: tuple[pd.DataFrame, Dataset, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Both servers, for a process that is otherwise off the network, with waits short enough for a test."""
    monkeypatch.setattr(download, "LONGEST_WAIT", 0.02)
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: sleep(min(seconds, 0.02)))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    table, dataset, release = made
    with releases.serve(release) as zenodo, hub.serve() as server:
        to(server.url, monkeypatch)
        server.publish(HUB_IMAGES, dataset.files)
        yield World(zenodo, server, dataset, table, tmp_path)


def to(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set HF_ENDPOINT for a process that has read it already."""
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def names_of(edition: Edition) -> set[str]:
    return {name for split in SPLITS for name in edition.table(split, ["iauname"])["iauname"]}


def test_from_nothing_to_the_edition(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert world.prepare("--images", "hub-tiny") == 0
    said = capsys.readouterr()
    edition = Edition(world.folder / "edition")
    assert edition.name == "gzd5-tiny" and "gzd5-tiny" in said.out
    right = {name for path in TINY for name in world.dataset.shards[path]}
    assert names_of(edition) == right & world.kept()
    stored = {n: d for split in SPLITS for n, d in edition.images(split).items()}
    for name, data in stored.items():  # each its own image, from the very JPEG of its row
        assert data == image_files.encode(image_files.decode(world.dataset.jpegs[name]), 64, 90)
    # Those that lost merging votes have the Hub's counts too, though the edition does not know their merging.
    lost = set(world.table["iauname"][world.table["merging_total-votes"] > 500]) & set(stored)
    table = pd.concat([edition.table(split, ["iauname", "merging_none", "merging_total-votes"]) for split in SPLITS])
    assert lost and not table.set_index("iauname").loc[sorted(lost)].to_numpy().any()
    steps = {s["name"]: s for s in edition.facts["cleaning"]["steps"]}  # type: ignore[index]
    unreadable = next(step for name, step in steps.items() if step["examples"])
    assert set(unreadable["examples"]) == set(world.dataset.differing) & world.kept()
    for name, words in unreadable["examples"].items():
        theirs = int(world.table.set_index("iauname").loc[name, "bar_weak"])
        assert words == f"the Hub's counts differ: bar_weak {theirs + 1}, Zenodo's {theirs}"
    assert all(finding.holds for finding in check(edition)), [str(f) for f in check(edition)]
    assert sorted(world.hub.downloaded()) == sorted(TINY), "no shard of another config, and each once"
    counted = [int(n) for n in re.findall(r"(\d+) with other votes", said.err)]
    assert sum(counted) == len(world.dataset.differing)
    counted = [int(n) for n in re.findall(r"(\d+) of no galaxy", said.err)]
    assert sum(counted) == len(world.dataset.lost) + 1
    assert "3,993 stood there" in said.err, "the card's number of rows is another one than was stated"
    assert not list(world.folder.rglob("*.images.arrow"))


def test_what_the_edition_says_of_itself(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert world.prepare("--images", "hub-tiny") == 0
    edition = Edition(world.folder / "edition")
    terms = edition.terms
    assert terms.licence == "CC-BY-NC-SA-4.0" and terms.pictures == "JPEG, Hub gz_desi" and not terms.simulated
    assert terms.may_publish_images and terms.may_publish_votes and terms.truth == "counts"
    revision = world.hub.sha(HUB_IMAGES)
    source = edition.facts["source"]
    assert source["images"] == {  # type: ignore[index]
        "repository": HUB_IMAGES, "config": "tiny", "revision": revision, "shards": 2,
        "files": {path: hashlib.sha256(world.dataset.files[path]).hexdigest() for path in TINY},
    }  # fmt: skip
    card = (edition.path / "README.md").read_text()
    for words in (revision, "license: cc-by-nc-sa-4.0", "made anew from a later data release", HUB_IMAGES):
        assert words in card
    capsys.readouterr()
    assert cli.main(["info", str(edition.path)]) == 0
    said = capsys.readouterr().out
    assert "made anew from a later data release" in " ".join(said.split())
    assert f"JPEG, Hub gz_desi at revision {revision}, licence CC-BY-NC-SA-4.0" in said and terms.credit in said


def test_a_part_of_the_shards(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    held: list[int] = []
    real = hub_repository.fetch

    def watched(*arguments: object) -> Path:
        path = real(*arguments)  # type: ignore[arg-type]
        held.append(len(list(world.folder.glob("downloads/gz_desi/*/*.parquet"))))
        return path

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hub_repository, "fetch", watched)
        assert world.prepare("--images", "hub", "--shards", "4", "--delete-archives", out="four") == 0
    assert max(held) == 1, "one shard at a time"
    files = sorted(path for path in world.dataset.files if path.startswith("data/"))
    chosen = [files[i] for i in (0, 2, 1, 3)]
    assert world.hub.downloaded() == chosen and not list(world.folder.glob("downloads/gz_desi/data/*"))
    four = Edition(world.folder / "four")
    assert four.name == "gzd5-hub-4" and "4 shards" in four.title
    assert names_of(four) == {n for path in chosen for n in world.dataset.shards[path]} & world.kept()
    assert world.prepare("--images", "hub", out="all") == 0
    whole = Edition(world.folder / "all")
    assert whole.name == "gzd5-hub" and names_of(four) < names_of(whole) == set(world.dataset.jpegs) & world.kept()
    capsys.readouterr()
    assert world.prepare("--images", "hub", "--shards", "9", out="nine") == 1
    assert "--shards 9: mwalmsley/gz_desi has 5 shards." in capsys.readouterr().err
    assert not (world.folder / "nine.partial").exists()


def test_beginnings_of_the_order_are_spread_and_nested() -> None:
    assert spread(36)[:5] == [0, 18, 9, 27, 4] and spread(5) == [0, 2, 1, 3, 4] and spread(1) == [0]
    for number in range(1, 80):
        assert sorted(spread(number)) == list(range(number))


def test_an_edition_that_is_there_asks_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert world.prepare("--images", "hub-tiny", "--delete-archives") == 0
    world.hub.requests.clear()
    world.zenodo.requests.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    capsys.readouterr()
    assert world.prepare("--images", "hub-tiny", "--delete-archives") == 0
    assert "is there already" in capsys.readouterr().out
    assert not world.hub.requests and not world.zenodo.requests


def test_originals_are_the_files_of_the_hub(world: World) -> None:
    assert world.prepare("--images", "hub-tiny", "--keep-original", "--size", "424") == 0
    edition = Edition(world.folder / "edition")
    assert edition.images("train") and all(
        data == world.dataset.jpegs[name] for name, data in edition.images("train").items()
    )
    paths = pq.read_table(edition.shards("train")[0], columns=["image"])["image"].combine_chunks().field("path")
    assert all(path.endswith(".jpg") for path in paths.to_pylist())


@pytest.mark.parametrize(
    "faults", [["cut 5000", "cut 100"], ["503 ", "429 "], ["408 ", "cut 70000"], ["cut 0", "503 ", "cut 9000"]]
)
def test_what_a_download_meets_on_the_way(world: World, faults: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 100)
    path = TINY[1]
    world.hub.faults[path] = list(faults)
    said: list[str] = []
    snapshot = hub_repository.ask(HUB_IMAGES, "tiny", world.folder, said.append)
    file = next(f for f in snapshot.files if f.path == path)
    found = hub_repository.fetch(snapshot, file, world.folder, said.append)
    assert found.read_bytes() == world.dataset.files[path] and not world.hub.faults[path]
    if faults[0] == "cut 5000":
        ranges = [r for method, asked, r, _ in world.hub.requests if method == "GET" and "/cdn/" in asked]
        assert ranges == [None, "bytes=5000-", "bytes=5100-"], "continued, not begun anew"
    assert not list(world.folder.rglob("*.incomplete"))


def test_a_file_that_is_not_the_one_listed(world: World) -> None:
    path = TINY[0]
    data = world.dataset.files[path]
    sha = hashlib.sha256(data).hexdigest()
    said: list[str] = []
    snapshot = hub_repository.ask(HUB_IMAGES, "tiny", world.folder, said.append)
    file = next(f for f in snapshot.files if f.path == path)
    world.hub.served[sha] = data[:-9] + b"something"
    with pytest.raises(hub_repository.HubError, match=r"downloaded twice.*nothing of it was kept"):
        hub_repository.fetch(snapshot, file, world.folder, said.append)
    assert not (world.folder / path).exists() and len(world.hub.downloaded()) == 2
    world.hub.served.clear()
    assert hub_repository.fetch(snapshot, file, world.folder, said.append).read_bytes() == data
    count = len(world.hub.downloaded())
    hub_repository.fetch(snapshot, file, world.folder, said.append)
    assert len(world.hub.downloaded()) == count, "a verified file is not asked for again"
    (world.folder / path).write_bytes(data[:100])
    leftover = world.folder / ".cache" / "huggingface" / "download" / "tiny" / "x.incomplete"
    leftover.write_bytes(b"of a killed run")
    assert hub_repository.fetch(snapshot, file, world.folder, said.append).read_bytes() == data
    assert not leftover.exists()


def replaced(world: World, path: str, change: object) -> None:
    world.hub.publish(HUB_IMAGES, world.dataset.files | {path: gz_desi.rewritten(world.dataset.files[path], change)})


def another(world: World, what: str, patch: pytest.MonkeyPatch) -> None:
    """Make the Hub another one than was expected."""
    files, first = world.dataset.files, TINY[0]
    if what == "renamed column":
        replaced(
            world, first, lambda t: t.rename_columns([n.replace("bar-dr5_st", "bar-gzd5_st") for n in t.column_names])
        )
    elif what == "no images":
        replaced(world, first, lambda t: t.drop_columns(["image"]))
    elif what == "images by path":
        replaced(world, first, lambda t: t.set_column(0, "image", pa.array(["a.jpg"] * t.num_rows)))
    elif what == "votes as words":
        replaced(
            world, first,
            lambda t: t.set_column(t.column_names.index("bar-dr5_no"), "bar-dr5_no", pa.array(["5"] * t.num_rows)),
        )  # fmt: skip
    elif what == "another release":
        moved = lambda t: t.set_column(  # noqa: E731
            t.column_names.index("dec"), "dec", pa.array(np.array(t["dec"]) + 1.0)
        )
        replaced(world, first, moved)
    elif what == "cut short on the server":
        world.hub.publish(HUB_IMAGES, files | {first: files[first][:-1000]})
    elif what == "damaged on the server":
        data = bytearray(files[first])
        data[4:3000] = os.urandom(2996)
        world.hub.publish(HUB_IMAGES, files | {first: bytes(data)})
    elif what == "no such config":
        world.hub.publish(HUB_IMAGES, files | {"README.md": gz_desi.card({"default": [3, 0]})})
    elif what == "no files":
        world.hub.publish(HUB_IMAGES, {p: d for p, d in files.items() if not p.startswith("tiny/")})
    elif what == "no card":
        world.hub.publish(HUB_IMAGES, {p: d for p, d in files.items() if p != "README.md"})
    elif what == "another licence":
        world.hub.publish(HUB_IMAGES, files | {"README.md": gz_desi.card({"tiny": [3, 0]}, license="mit")})
    elif what == "private":
        world.hub.private[HUB_IMAGES] = True
    elif what == "token":
        world.hub.faults[HUB_IMAGES] = ["401 "]
        patch.setenv("HF_TOKEN", "hf_old")
    elif what == "gated":
        world.hub.faults[HUB_IMAGES] = ["403 GatedRepo"]
    elif what == "forbidden":
        world.hub.faults[HUB_IMAGES] = ["403 "]
    elif what == "gone":
        del world.hub.files[HUB_IMAGES]
    elif what == "down":
        world.hub.faults[HUB_IMAGES] = ["503 "] * 9
    elif what == "file gone":
        world.hub.faults[f"HEAD {first}"] = ["404 EntryNotFound"] * 9
    elif what == "offline":
        patch.setattr(constants, "HF_HUB_OFFLINE", True)
    elif what == "no network":
        to("http://127.0.0.1:9", patch)
    elif what in ("endless brackets", "a redirect to no host"):
        error = RecursionError() if what == "endless brackets" else UnicodeError("label empty or too long")
        patch.setattr(hub_repository.HfApi, "dataset_info", Mock(side_effect=error))
    elif what == "no hub":
        to(world.zenodo.url + "/api/records/4573248?", patch)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("renamed column", r"has no column|it has no column 'bar-dr5_strong' \(the nearest is 'bar-gzd5_strong'\)"),
        ("no images", "it has no column 'image'"),
        ("images by path", "its column 'image' is of the type string"),
        ("votes as words", "its column 'bar-dr5_no' is of the type string"),
        ("another release", "none of its .* rows has the place and the votes of a galaxy of GZD-5"),
        ("cut short on the server", "not a readable Parquet file"),
        ("damaged on the server", "not a readable Parquet file"),
        ("no such config", r"it has no config 'tiny' \(it has default\)"),
        ("no files", "no Parquet file fits the patterns of its config 'tiny'"),
        ("no card", r"it has no card \(README.md\)"),
        ("another licence", "its card states the licence 'mit'"),
        ("private", "renamed, removed or made private"),
        ("token", "does not accept your token"),
        ("gated", "accept its terms first"),
        ("forbidden", r"refuses it \(403\)"),
        ("gone", r"has no dataset mwalmsley/gz_desi that everyone may read \(404\)"),
        ("down", "the Hub answered 503"),
        ("file gone", "has no such file any more"),
        ("offline", "HF_HUB_OFFLINE is set"),
        ("no network", "no connection to http://127.0.0.1:9"),
        ("no hub", r"does not describe a dataset of the Hub, or a file of one \(404\)\. Look at HF_ENDPOINT"),
        ("endless brackets", r"does not describe mwalmsley/gz_desi as the Hub does \(RecursionError\)"),
        ("a redirect to no host", r"does not describe mwalmsley/gz_desi as the Hub does \(UnicodeError\)"),
    ],
)
def test_one_sentence_says_what_differs(
    world: World, what: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    another(world, what, monkeypatch)
    assert world.prepare("--images", "hub-tiny") == 1
    said = capsys.readouterr().err
    last = said.strip().splitlines()[-1]
    assert last.startswith("galaxy-zoo-decals: ") and re.search(words, last), said
    assert "Traceback" not in said and last.endswith((".", "`."))
    assert not (world.folder / "edition").exists() and not list(world.folder.rglob("*.incomplete"))
    assert not list(world.folder.rglob("*.arrow*"))


def test_a_token_opens_what_is_closed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.hub.private[HUB_IMAGES] = True
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    snapshot = hub_repository.ask(HUB_IMAGES, "tiny", world.folder, lambda words: None)
    found = hub_repository.fetch(snapshot, snapshot.files[0], world.folder, lambda words: None)
    assert found.read_bytes() == world.dataset.files[TINY[0]]


def test_a_dataset_that_was_renamed_is_read_and_named(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    del world.hub.files[HUB_IMAGES]
    world.hub.publish("someone/gz_desi_2", world.dataset.files)
    world.hub.renamed[HUB_IMAGES] = "someone/gz_desi_2"
    assert world.prepare("--images", "hub-tiny") == 0
    assert "is called someone/gz_desi_2 on the Hub now" in capsys.readouterr().err
    source = Edition(world.folder / "edition").facts["source"]
    assert source["images"]["repository"] == "someone/gz_desi_2"  # type: ignore[index]


def test_a_revision_that_moves_between_two_runs(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    began = world.hub.sha(HUB_IMAGES)
    world.hub.faults[f"HEAD {TINY[1]}"] = ["404 EntryNotFound"]
    assert world.prepare("--images", "hub-tiny") == 1
    turned = gz_desi.rewritten(world.dataset.files[TINY[0]], lambda t: t.take(list(range(t.num_rows))[::-1]))
    moved = world.hub.publish(HUB_IMAGES, world.dataset.files | {TINY[0]: turned})
    world.hub.requests.clear()
    assert world.prepare("--images", "hub-tiny") == 0
    source = Edition(world.folder / "edition").facts["source"]
    assert source["images"]["revision"] == began != moved  # type: ignore[index]
    assert world.hub.downloaded() == [TINY[1]], "what was there is used"
    assert not [path for _, path, _, _ in world.hub.requests if path.startswith("/api/")]
    assert world.prepare("--images", "hub-tiny", "--again") == 0
    source = Edition(world.folder / "edition").facts["source"]
    assert source["images"]["revision"] == moved  # type: ignore[index]
    assert world.hub.downloaded() == [TINY[1], TINY[0]], "the shard that is another one now, and no other"
    pin = world.folder / "downloads" / "gz_desi" / "tiny.revision.json"
    pin.write_text(pin.read_text().replace(moved, "0" * 40))
    (world.folder / "downloads" / "gz_desi" / TINY[0]).unlink()
    capsys.readouterr()
    assert world.prepare("--images", "hub-tiny", out="other") == 1
    assert "the revision that this run began with is no longer on the Hub. --again" in capsys.readouterr().err


def test_killed_in_the_second_shard_and_gone_on(world: World) -> None:
    """A killed run asks for the first shard no more, and ends with the same bytes as one that nobody disturbed."""
    files = [path for path in sorted(world.dataset.files) if path.startswith("data/")]
    first, second = files[0], files[2]
    options = ("--images", "hub", "--shards", "4", "--delete-archives")
    command = [
        sys.executable, "-m", "galaxy_zoo_decals.cli", "prepare", "gzd5", *options, "--out", "edition", "--size", "64",
        "--processes", "1", "--downloads", "downloads", "--record", f"{world.zenodo.url}/api/records/4573248",
    ]  # fmt: skip
    env = os.environ | {
        "HF_ENDPOINT": world.hub.url, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "PYTHONPATH": str(ROOT),
        "HF_HOME": str(world.folder / "hf"),
    }  # fmt: skip
    world.hub.faults[second] = ["stall 4000"]
    killed = subprocess.Popen(command, cwd=world.folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert world.hub.stalled.wait(60), killed.communicate(timeout=5)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    world.hub.go_on.set()
    assert world.hub.downloaded() == [first, second] and not (world.folder / "edition").exists()
    world.hub.requests.clear()
    assert world.prepare(*options) == 0
    assert world.hub.downloaded() == [files[i] for i in (2, 1, 3)]
    assert not list(world.folder.rglob("*.incomplete"))
    resumed = contents(world.folder / "edition")
    assert world.prepare(*options, out="undisturbed") == 0
    assert contents(world.folder / "undisturbed") == resumed


@pytest.fixture
def mirrored(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Zenodo does not answer; the Hub has a mirror of the votes, whose md5 is the published one."""
    votes = (world.zenodo.folder / TABLE).read_bytes()
    published = Published(TABLE, len(votes), hashlib.md5(votes).hexdigest(), len(world.table))
    monkeypatch.setattr(addresses, "VOTES", (published,))
    world.hub.publish(HUB_MIRROR, {HUB_MIRROR_VOTES: votes})
    world.zenodo.faults["record"] = ["503"] * 99
    return world


def test_the_mirror_of_the_votes_where_zenodo_does_not_answer(
    mirrored: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mirrored.prepare("--images", "hub-tiny", out="mirror") == 0
    assert "taken from their mirror on the Hub, BigBang/galaxyzoo-decals" in capsys.readouterr().err
    mirrored.zenodo.faults.clear()
    (mirrored.folder / "downloads" / TABLE).unlink()
    assert mirrored.prepare("--images", "hub-tiny", out="zenodo") == 0
    assert contents(mirrored.folder / "mirror") == contents(mirrored.folder / "zenodo")


def test_a_mirror_of_other_votes_is_not_believed(mirrored: World, capsys: pytest.CaptureFixture[str]) -> None:
    mirrored.hub.publish(HUB_MIRROR, {HUB_MIRROR_VOTES: mirrored.hub.files[HUB_MIRROR][HUB_MIRROR_VOTES] + b" "})
    assert mirrored.prepare("--images", "hub-tiny") == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert "the votes cannot be had. Zenodo: " in last and "so it was not kept" in last
    assert not (mirrored.folder / "downloads" / TABLE).exists()
    assert mirrored.prepare("--images", "hub-tiny", "--catalogue-only") == 1


def test_a_busy_folder_is_no_dead_zenodo(mirrored: World, capsys: pytest.CaptureFixture[str]) -> None:
    mirrored.zenodo.faults.clear()
    (mirrored.folder / "downloads").mkdir()
    for dead in ([], ["503"] * 99):
        mirrored.zenodo.faults["record"] = dead
        with FileLock(mirrored.folder / "downloads" / "downloads.lock"):
            assert mirrored.prepare("--images", "hub-tiny") == 1
        last = capsys.readouterr().err.strip().splitlines()[-1]
        busy = f"{mirrored.folder / 'downloads'}: another process downloads into this folder. Wait for it to end."
        assert last == f"galaxy-zoo-decals: {busy}"
    assert not [path for _, path, _, _ in mirrored.hub.requests if HUB_MIRROR in path]


def test_options_that_do_not_go_together(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    for options, words in (
        (("--images", "hub", "--source", "x"), "--source is about the archives of Zenodo"),
        (("--images", "hub-tiny", "--parts", "1"), "--parts is about the archives of Zenodo"),
        (("--images", "hub-tiny", "--shards", "2"), "it goes with --images hub"),
        (("--shards", "2"), "it goes with --images hub"),
        (("--images", "hub-tiny", "--name", "gzd5"), "belongs to another source"),
        (("--images", "hub-tiny", "--name", "gzd5-hub"), "means another edition, gzd5-hub; give this one a name"),
        (("--images", "hub", "--shards", "2", "--name", "gzd5-hub-3"), "such as gzd5-hub-2"),
        (("--images", "hub", "--name", "gzd5-100-seed2"), "means another edition, gzd5-100-seed2"),
    ):
        assert world.prepare(*options) == 1
        assert words in capsys.readouterr().err
    assert not world.hub.requests and not world.zenodo.requests


def test_an_edition_of_zenodo_is_not_replaced_unasked(
    world: World, toy_edition: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(toy_edition, world.folder / "edition")
    before = contents(world.folder / "edition")
    assert world.prepare("--images", "hub-tiny") == 1
    assert "holds the edition toy (150 galaxies, own files), which this one would replace" in capsys.readouterr().err
    assert contents(world.folder / "edition") == before and not world.hub.requests


# The join


def rows(places: list[tuple[float, float]], counts: np.ndarray, ids: list[str] | None = None) -> hub_shard.Rows:
    ra, dec = np.array(places, float).T
    return hub_shard.Rows(len(ra), np.arange(len(ra)), ids or [f"id{i}" for i in range(len(ra))], ra, dec, counts)


def votes(places: list[tuple[float, float]], counts: np.ndarray) -> Votes:
    ra, dec = np.array(places, float).T
    tree = cKDTree(splits.directions(ra, dec))
    return Votes(np.array([f"J{i}" for i in range(len(ra))], object), GZD5.answer_columns, counts, tree)


def test_positions_are_compared_on_the_sphere() -> None:
    """0.9 arcsec apart over the line of 0 h, and 50 arcsec of right ascension apart at 89.99 degrees: one galaxy."""
    third = 1 / 3600
    catalogue = [(359.9999, 0.0), (10.0, 89.99), (20.0, 60.0), (30.0, 0.0), (40.0, 0.0)]
    found = [
        (0.00015, 0.0),
        (10.0 + 50 * third, 89.99),
        (20.0 + 1.9 * third, 60.0),
        (30.0, 1.001 * third),
        (40.0, third),
    ]
    counts = np.ones((5, len(GZD5.answers)))
    joined = join(rows(found, counts), votes(catalogue, counts.astype(np.int32)))
    # cos(60) = 1/2: 1.9 arcsec of right ascension are 0.95 of arc; cos(89.99) is 1/5730: 50 are 0.009.
    assert joined["stranger"].tolist() == [False, False, False, True, False]
    assert joined["name"].tolist() == ["J0", "J1", "J2", "id3", "J4"]
    assert joined["problem"][3] == "no galaxy of GZD-5 within 1 arcsec"


def test_the_nearest_row_is_the_galaxy_and_no_position_is_none() -> None:
    tenth = 0.1 / 3600
    catalogue = [(10.0, 0.0), (10.0, 12 * tenth)]
    found = [(10.0, 4 * tenth), (10.0, 1 * tenth), (float("nan"), 0.0), (10.0, 7 * tenth), (10.0, 9 * tenth)]
    counts = np.zeros((5, len(GZD5.answers)))
    joined = join(rows(found, counts, ["a", "b", "c", "d", "d"]), votes(catalogue, np.zeros((2, 34), np.int32)))
    assert joined["name"].tolist() == ["a", "J0", "c", "d", "J1"]
    assert joined["problem"].tolist() == [
        "another row is nearer to J0", None, "it has no position", "another row is nearer to J1", None
    ]  # fmt: skip


def test_every_answer_is_compared_and_strangers_keep_apart() -> None:
    ours = np.arange(34, dtype=np.int32)[None, :].repeat(2, axis=0)
    theirs = ours.astype(float)
    theirs[0, 0], theirs[0, 33] = 12, 13
    theirs[1, 33] = np.nan_to_num(np.nan) + 32
    joined = join(rows([(1.0, 1.0), (2.0, 2.0)], theirs), votes([(1.0, 1.0), (2.0, 2.0)], ours))
    first, last = GZD5.answer_columns[0], GZD5.answer_columns[33]
    assert joined["problem"].tolist() == [
        f"the Hub's counts differ: {first} 12, Zenodo's 0, and 1 more",
        f"the Hub's counts differ: {last} 32, Zenodo's 33",
    ]
    nobody = rows([(50.0, 1.0), (60.0, 1.0)], theirs, ["same", "same"])
    assert join(nobody, votes([(1.0, 1.0)], ours[:1]))["name"].tolist() == ["same", "same (row 1)"]


def test_a_merging_total_decides_nothing(
    made: tuple[pd.DataFrame, Dataset, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Galaxies from before the question was changed have totals above the sum of their answers, here or there."""
    table, dataset, _ = made
    changed = table.copy()
    changed["merging_total-votes"] = changed["merging_total-votes"].fillna(0) + 7
    changed.to_parquet(tmp_path / TABLE)
    (tmp_path / "shard.parquet").write_bytes(dataset.files[TINY[1]])
    read = hub_shard.read_rows(tmp_path / "shard.parquet", "a shard", hub_shard.columns_of(GZD5, "dr5"), 3)
    joined = join(read, Votes.read(tmp_path / TABLE, GZD5.answer_columns))
    assert set(joined["name"][joined["problem"].isna()]) == set(dataset.shards[TINY[1]])
    with monkeypatch.context() as patch, pytest.raises(hub_shard.ShardError, match="of images in one row group"):
        patch.setattr(hub_shard, "LARGEST_GROUP", 1000)
        hub_shard.read_rows(tmp_path / "shard.parquet", "a shard", hub_shard.columns_of(GZD5, "dr5"), 3)
    releases.write_table(table, tmp_path / "csv")
    (tmp_path / "csv" / TABLE).unlink()
    again = join(read, Votes.read(tmp_path / "csv" / TABLE.replace(".parquet", ".csv"), GZD5.answer_columns))
    pd.testing.assert_frame_equal(joined, again)


def test_strangers_and_problems_are_named(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    (folder / TABLE).write_bytes((world.zenodo.folder / TABLE).read_bytes())
    source = FromHub(folder=folder, images_folder=folder / "gz_desi", config="tiny", say=lambda words: None)
    work = tmp_path / "work"
    work.mkdir()
    parts = list(source.parts(work, Form(64)))
    strangers = {name: why for part in parts for name, why in part.strangers.items()}
    assert set(strangers) == {*world.dataset.lost, f"again-{world.dataset.twice}"}
    assert strangers[f"again-{world.dataset.twice}"] == f"another row is nearer to {world.dataset.twice}"
    assert {strangers[name] for name in world.dataset.lost} == {"no galaxy of GZD-5 within 1 arcsec"}
    assert {n for part in parts for n in part.images} == {*world.dataset.jpegs, *world.dataset.differing}
    known = {path.name for path in work.iterdir()}
    assert known == {f"{path.replace('/', '-')}.index.parquet" for path in TINY}
    world.hub.requests.clear()
    again = list(FromHub(folder=folder, images_folder=folder / "gz_desi", config="tiny").parts(work, Form(64)))
    assert [part.images for part in again] == [part.images for part in parts] and not world.hub.requests


def test_two_shards_with_one_galaxy(world: World, tmp_path: Path) -> None:
    first = sorted(path for path in world.dataset.files if path.startswith("data/"))
    world.hub.publish(HUB_IMAGES, world.dataset.files | {first[1]: world.dataset.files[first[0]]})
    folder = tmp_path / "downloads"
    folder.mkdir()
    (folder / TABLE).write_bytes((world.zenodo.folder / TABLE).read_bytes())
    one, other, *_ = FromHub(folder=folder, images_folder=folder / "gz_desi", say=lambda w: None).parts(
        tmp_path, Form(64)
    )
    assert one.images and not other.images
    assert set(other.strangers.values()) > {f"an earlier shard has an image of {name}" for name in one.images}


def test_images_are_bounded_and_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (424, 424)).save(buffer, "JPEG")
    small = io.BytesIO()
    Image.new("RGB", (100, 100)).save(small, "JPEG")
    good = buffer.getvalue()
    images = [good, None, small.getvalue(), b"\xff" * (len(good) + 1), b"no image", good]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({"image": pa.array([{"bytes": b, "path": "../../x"} for b in images], kind)})
    pq.write_table(table, tmp_path / "shard.parquet", row_group_size=2)
    monkeypatch.setattr(hub_shard, "MAX_BYTES", len(good))
    names = {i: f"J{i}" for i in range(5)}
    hub_shard.extract(tmp_path / "shard.parquet", "a shard", names, tmp_path / "set.arrow")
    encoder = hub_shard.ShardEncoder(tmp_path / "set.arrow", {"J9": "its votes differ"}, Form(64), 424)
    made = encoder(["J4", "J0", "J9", "J1", "J2", "J3"])
    assert made[1] == Form(64).make(good)
    words = [str(error) for i, error in enumerate(made) if i != 1]
    assert words[0].startswith("not a readable image") and words[1] == "its votes differ"
    assert words[2] == "the shard has no image of it" and words[3].startswith("100 x 100 pixels")
    assert "no cutout is that large" in words[4]
    assert [p.name for p in tmp_path.glob("*.arrow*")] == ["set.arrow"]


def test_patterns_of_a_card() -> None:
    fits = hub_card.fits
    assert fits("data/train-*", "data/train-00000-of-00028.parquet") and not fits("data/*", "data/a/b.parquet")
    assert (
        fits("**/*.parquet", "a/b/c.parquet") and fits("**/*.parquet", "c.parquet") and fits("a?.parquet", "a1.parquet")
    )
    assert not fits("data/train-*", "xdata/train-1") and not fits("a.parquet", "abparquet")
    for written in ("d/*", ["d/*"], [{"split": "train", "path": "d/*"}], {"train": ["d/*"]}):
        card = {"configs": [{"config_name": "tiny", "data_files": written}]}
        assert hub_card.patterns_of(card, "tiny") == ["d/*"] and hub_card.patterns_of(card, "default") is None
    assert hub_card.patterns_of({}, "tiny") == ["tiny/*"] and hub_card.patterns_of({}, "default") == ["data/*"]
    assert hub_card.rows_of({"dataset_info": {"splits": [{"num_examples": "5"}]}}, "default") == 5
    assert hub_card.rows_of({"dataset_info": [{"config_name": "tiny", "splits": "?"}]}, "tiny") is None


def head(data_files: str, more: str = "") -> str:
    """A card of the config tiny, as written by whom nobody trusts."""
    return f"---\nconfigs:\n- config_name: tiny\n  data_files: {data_files}\n{more}---\n"


@pytest.mark.parametrize(
    ("card", "words"),
    [
        (head("*a1", "a0: &a0 [x, x]\na1: &a1 [*a0, *a0]\n"), "refers to parts of itself"),
        (head("&a [*a]"), "refers to parts of itself"),
        (head("tiny/*", "license: &a mit\n"), "refers to parts of itself"),
        (head("tiny/*", f"b: {'[' * 5000}\n"), "deeper than 20"),
        (head("tiny/*", f"b: [{'x,' * 100_000}]\n"), "more than 100,000 entries"),
        (head("tiny/*", f"b: {'x' * 2**20}\n"), "it has no card"),
        (head(f"'tiny/{'*a' * 30}z'"), "more than 200 characters or 2 stars"),
        (head(f"'tiny/{'*' * 30}z'"), "more than 200 characters or 2 stars"),
        (head(f"tiny/{'z' * 300}"), "more than 200 characters or 2 stars"),
        (head("[" + ",".join(f"tiny/{i}" for i in range(17)) + "]"), "17 patterns of files"),
        (head("tiny/*", "license: [mit, [mit]]\n"), "a licence that is no word"),
    ],
)
def test_cards_that_would_unfold_or_hang(world: World, card: str, words: str) -> None:
    world.hub.publish(HUB_IMAGES, world.dataset.files | {"README.md": card.encode()})
    with pytest.raises(hub_repository.HubError, match=words) as told:
        hub_repository.ask(HUB_IMAGES, "tiny", world.folder, lambda words: None)
    assert "its card (README.md)" in str(told.value) or "it has no card" in str(told.value)


def test_a_card_that_is_larger_than_the_hub_says(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(head("tiny/*", f"b: {'x' * 2**20}\n"))
    with pytest.raises(hub_card.CardError, match="more than 1,048,576 bytes"):
        hub_card.read(tmp_path / "README.md")


@pytest.mark.parametrize("count", [".inf", "9" * 5000, "-3", "1e3", "[7]", "1:1"])
def test_a_number_of_rows_that_is_none_is_not_known(world: World, count: str) -> None:
    more = f"dataset_info:\n  config_name: tiny\n  splits:\n  - num_examples: {count}\n"
    world.hub.publish(HUB_IMAGES, world.dataset.files | {"README.md": head("tiny/*", more).encode()})
    assert hub_repository.ask(HUB_IMAGES, "tiny", world.folder, lambda words: None).rows is None


@pytest.mark.parametrize(
    "path",
    ["tiny/x.parquet/y.parquet", "README.md/y.parquet", "downloads.lock/y.parquet", "downloads.soft.lock/y.parquet"],
)
def test_a_file_that_is_a_folder_too(world: World, path: str) -> None:
    files = world.dataset.files | {"tiny/x.parquet": b"PAR1", path: b"PAR1", "README.md": head("'**'").encode()}
    world.hub.publish(HUB_IMAGES, files)
    with pytest.raises(hub_repository.HubError, match=f"lists '{path}', but .* is a file and no folder"):
        hub_repository.ask(HUB_IMAGES, "tiny", world.folder, lambda words: None)


def shard(path: Path, images: pa.Array, ids: pa.Array) -> Path:
    """A shard with one vote for every answer, as a hostile author writes it: what stands often is stored once."""
    count = len(ids)
    columns = {c: np.ones(count, np.int32) for c in hub_shard.columns_of(GZD5, "dr5")}
    table = pa.table({"image": images, "id_str": ids, "ra": np.zeros(count), "dec": np.zeros(count)} | columns)
    pq.write_table(
        table, path, compression="zstd", store_schema=False, use_dictionary=["image.bytes", "id_str"],
        dictionary_pagesize_limit=2**30,
    )  # fmt: skip
    return path


def shared(value: bytes | str, count: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([value]))


def pictures(values: pa.Array) -> pa.Array:
    return pa.StructArray.from_arrays([values, pa.nulls(len(values), pa.string())], ["bytes", "path"])


def test_many_rows_that_share_one_large_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """640 rows of one 3 MiB image, of one 1.5 MiB image, of one 2 MiB name: a few kilobytes each on the disk."""
    sizes: list[int] = []
    real = hub_shard._batches

    def watched(*arguments: object) -> Iterator[pa.RecordBatch]:
        for batch in real(*arguments):  # type: ignore[arg-type]
            sizes.append(batch.nbytes)
            yield batch

    monkeypatch.setattr(hub_shard, "_batches", watched)
    wanted, out = {i: f"J{i}" for i in range(640)}, tmp_path / "set.arrow"
    few = pa.array(["a"] * 640)
    path = shard(tmp_path / "large.parquet", pictures(shared(bytes(3 * 2**20), 640)), few)
    assert path.stat().st_size < 100_000
    hub_shard.extract(path, "a shard", wanted, out)
    encoder = hub_shard.ShardEncoder(out, {}, Form(64), 424)
    assert "more than 2 MiB" in str(encoder(["J639"])[0]) and out.stat().st_size < 2**20
    path = shard(tmp_path / "many.parquet", pictures(shared(bytes(3 * 2**19), 640)), few)
    with pytest.raises(hub_shard.ShardError, match="unpack to many times the file's size"):
        hub_shard.extract(path, "a shard", wanted, tmp_path / "other.arrow")
    assert sorted(p.name for p in tmp_path.glob("*.arrow*")) == ["set.arrow"]
    path = shard(tmp_path / "name.parquet", pictures(pa.array([b"x"] * 640)), shared("a" * 2**21, 640))
    with pytest.raises(hub_shard.ShardError, match="'id_str' holds a name of 2,097,152 bytes"):
        hub_shard.read_rows(path, "a shard", hub_shard.columns_of(GZD5, "dr5"), 3)
    assert len(sizes) > 3 and max(sizes) < 1.1 * hub_shard.MEMORY


def test_values_and_columns_that_nobody_expects(made: tuple[pd.DataFrame, Dataset, Path], tmp_path: Path) -> None:
    path, data = tmp_path / "shard.parquet", made[1].files[TINY[0]]

    def read(change: object) -> hub_shard.Rows:
        path.write_bytes(gz_desi.rewritten(data, change))
        return hub_shard.read_rows(path, "a shard", hub_shard.columns_of(GZD5, "dr5"), 3)

    def put(name: str, values: pa.Array) -> object:
        return lambda table: table.set_column(table.column_names.index(name), name, values)

    count = pq.read_metadata(io.BytesIO(data)).num_rows
    found = read(put("bar-dr5_weak", pa.array([2**63 + 1] * count, pa.uint64())))
    assert (found.counts[:, GZD5.answer_columns.index("bar_weak")] == 2.0**63).all()
    for column in ("ra", "bar-dr5_weak", "image"):
        with pytest.raises(hub_shard.ShardError, match=f"its column '{column}' stands there twice"):
            read(lambda table: table.append_column(column, table[column]))  # noqa: B023
    with pytest.raises(hub_shard.ShardError, match="its column 'image' stands there twice"):
        read(lambda table: table.append_column("image.bytes", table["id_str"]))
    text = pa.Array.from_buffers(pa.string(), count, pa.array([b"\xff\xfe"] * count).buffers())
    assert set(read(put("id_str", text)).ids) == {"??"}, "no text"


def test_paths_of_the_hub_cannot_leave_the_folder(world: World) -> None:
    files = {k: v for k, v in world.dataset.files.items() if not k.startswith("tiny/")}
    card = gz_desi.card({"tiny": [3, 0]}).replace(b"tiny/train-*", b"'**'")
    for path in ("../out.parquet", "tiny/../../out.parquet", "/out.parquet", "tiny/.x/a.parquet"):
        world.hub.publish(HUB_IMAGES, files | {path: b"PAR1", "README.md": card})
        with pytest.raises(hub_repository.HubError, match="a path that is none"):
            hub_repository.ask(HUB_IMAGES, "tiny", world.folder, lambda words: None)


def test_what_the_client_may_raise() -> None:
    judge = hub_repository._judge
    for error in (RuntimeError("CAS client\nerror"), TimeoutError("t"), ConnectionResetError("reset")):
        passes, words = judge(error, "a/b", "c.parquet")
        assert passes and "c.parquet of a/b: the download broke off" in words and "\n" not in words
    passes, words = judge(OSError("Consistency check failed: file should be of size 5"), "a/b", "c")
    assert passes and "another size" in words
    assert judge(OSError(28, "No space left on device"), "a/b", "c") == (False, ""), "not the Hub's"
    passes, words = judge(KeyError("x"), "a/b", "c")
    assert not passes and "does not describe c of a/b as the Hub does (KeyError)" in words


def test_a_pin_that_is_damaged_is_asked_for_anew(world: World) -> None:
    said: list[str] = []
    pin = world.folder / "tiny.revision.json"
    found = hub_repository.pinned(pin, HUB_IMAGES, "tiny", said.append)
    assert hub_repository.pinned(pin, HUB_IMAGES, "tiny", said.append) == found and not said
    for text in ("{", "[]", json.dumps({"asked": HUB_IMAGES, "config": "tiny", "files": 3})):
        pin.write_text(text)
        assert hub_repository.pinned(pin, HUB_IMAGES, "tiny", said.append) == found
    assert len(said) == 3

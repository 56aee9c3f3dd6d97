from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
import yaml
from huggingface_hub import HfApi

from galaxy_zoo_decals import cli
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.prepare import publish
from galaxy_zoo_decals.prepare.publish import PublishError, plan
from galaxy_zoo_decals.schema import SPLITS, VIEWS
from galaxy_zoo_decals.sources.folder import Folder
from tests.hub import Hub, serve


def run(hub: Hub, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python as a user of this Hub would."""
    env = os.environ | {
        "HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": "hf_test",
        "HF_HOME": str(home), "HF_DATASETS_CACHE": str(home / "datasets"), "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }  # fmt: skip
    return subprocess.run([sys.executable, *arguments], env=env, cwd=home, capture_output=True, text=True, timeout=180)


def test_pushed_and_loaded_as_any_user_would(toy_edition: Path, tmp_path: Path) -> None:
    with serve() as hub:
        command = ("push", str(toy_edition), "user/galaxy_zoo_decals", "--processes", "1")
        done = run(hub, tmp_path, "-m", "galaxy_zoo_decals.cli", *command)
        assert done.returncode == 0, done.stderr
        assert hub.private["user/galaxy_zoo_decals"], "private unless asked otherwise"
        held = hub.files["user/galaxy_zoo_decals"]
        files = {str(path.relative_to(toy_edition)): path for path in toy_edition.rglob("*") if path.is_file()}
        assert set(held) == {*files, "eval.yaml", ".gitattributes"}
        for name, path in files.items():
            assert held[name] == path.read_bytes()
        tasks = yaml.safe_load(held["eval.yaml"])["tasks"]
        assert [task["config"] for task in tasks] == list(VIEWS) and {task["split"] for task in tasks} == {"test"}

        code = (
            "import json\nfrom datasets import load_dataset\n"
            "name = 'user/galaxy_zoo_decals'\n"
            "whole = load_dataset(name, 'hierarchical')\n"
            "row = next(iter(load_dataset(name, 'hierarchical', split='test', streaming=True)))\n"
            "counts = {k: len(v) for k, v in whole.items()}\n"
            "print(json.dumps([counts, row['iauname'], whole['test'][0]['iauname'], row['image'].size]))"
        )
        done = run(hub, tmp_path, "-c", code)
        assert done.returncode == 0, done.stderr
        counts, streamed, loaded, size = json.loads(done.stdout.splitlines()[-1])
        facts = Edition(toy_edition).facts["counts"]
        assert counts == {split: facts[split]["hierarchical"] for split in SPLITS}  # type: ignore[index]
        assert streamed == loaded and size == [224, 224]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub that this process may talk to, which is otherwise off the network."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("huggingface_hub._commit_api.is_xet_available", lambda: False)
    with serve() as server:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.url)
        yield server


def test_nothing_stale_and_nothing_of_others_and_nothing_public(toy_edition: Path, hub: Hub) -> None:
    planned = plan(Edition(toy_edition), "user/galaxies")
    api = HfApi(endpoint=hub.url, token="hf_test")
    address, refused = publish.push(planned, api)
    assert address.endswith("user/galaxies") and refused is None and hub.private["user/galaxies"]
    # A shard of an earlier edition would be loaded with the new ones.
    hub.files["user/galaxies"]["data/train-00001-of-00002.parquet"] = b"old"
    hub.files["user/galaxies"]["notes.md"] = b"someone's"
    del hub.files["user/galaxies"]["eval.yaml"]
    hub.refuse = "eval.yaml"
    _, refused = publish.push(planned, api)
    assert refused is not None and "eval.yaml is not allowed" in refused
    held = hub.files["user/galaxies"]
    assert "data/train-00001-of-00002.parquet" not in held and held["notes.md"] == b"someone's"
    hub.private["user/galaxies"] = False
    commits = len(hub.commits)
    with pytest.raises(PublishError, match=r"public.*--public"):
        publish.push(planned, api)
    with pytest.raises(PublishError, match="user/galaxies"):
        publish.push(planned, HfApi(endpoint=hub.url, token="hf_wrong"))
    with pytest.raises(PublishError, match="no connection"):
        publish.push(planned, HfApi(endpoint="http://127.0.0.1:9", token="hf_test"))
    assert len(hub.commits) == commits


def test_whoever_is_offline_by_choice_is_told_so(toy_edition: Path) -> None:
    with pytest.raises(PublishError, match="HF_HUB_OFFLINE is set"):
        publish.push(plan(Edition(toy_edition), "user/x"), HfApi(endpoint="http://127.0.0.1:9", token="hf_test"))


def test_a_dry_run_shows_everything_and_sends_nothing(
    toy_edition: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "push", lambda *_: pytest.fail("sent"))
    assert cli.main(["push", str(toy_edition), "user/x", "--dry-run"]) == 0
    said = capsys.readouterr().out
    for path in toy_edition.rglob("*"):
        if path.is_file():
            assert str(path.relative_to(toy_edition)) in said
    assert "eval.yaml" in said and "a private dataset" in said and "Nothing was sent" in said
    assert cli.main(["push", str(toy_edition), "user/x", "--public", "--dry-run"]) == 0
    assert "PUBLIC" in capsys.readouterr().out


def test_a_damaged_edition_is_not_sent(
    toy_edition: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "push", lambda *_: pytest.fail("sent"))
    shutil.copytree(toy_edition, tmp_path / "toy")
    facts = json.loads((tmp_path / "toy" / "edition.json").read_text())
    facts["content_hash"] = "0" * 64
    (tmp_path / "toy" / "edition.json").write_text(json.dumps(facts))
    assert cli.main(["push", str(tmp_path / "toy"), "user/x", "--processes", "1"]) == 1
    said = capsys.readouterr()
    assert "FAIL hashes" in said.out and "nothing was sent" in said.err


def test_what_may_not_be_passed_on(toy_edition: Path, tmp_path: Path) -> None:
    shutil.copytree(toy_edition, tmp_path / "toy")
    facts = json.loads((tmp_path / "toy" / "edition.json").read_text())
    facts["may_publish_votes"] = False
    (tmp_path / "toy" / "edition.json").write_text(json.dumps(facts))
    with pytest.raises(PublishError, match=r"may not be passed on.*prepare catalogue --licence"):
        plan(Edition(tmp_path / "toy"), "user/toy")
    facts["source"]["kind"], facts["citation"] = "gz2", "Images are those of the Kaggle challenge, under its terms."
    (tmp_path / "toy" / "edition.json").write_text(json.dumps(facts))
    with pytest.raises(PublishError, match=r"may not be passed on.*under its terms. Others prepare"):
        plan(Edition(tmp_path / "toy"), "user/gz2")
    for licence, may in (("CC-BY-4.0", True), ("unknown", False), ("NOASSERTION", False), ("CC-BY-NC-ND-4.0", False)):
        source = Folder(tmp_path, tmp_path, licence=licence)
        assert source.may_publish_images == source.may_publish_votes == may
    for name in ("../escape", "a/b/c", "", "user/"):
        with pytest.raises(PublishError, match="no name of a repository"):
            plan(Edition(toy_edition), name)


def test_the_card_is_a_data_sheet(toy_edition: Path) -> None:
    card = (toy_edition / "README.md").read_text()
    for heading in (
        "What the labels mean",
        "From the catalogue",
        "Class balance",
        "How it was split",
        "Biases",
        "Licence",
    ):
        assert f"## {heading}" in card
    head = yaml.safe_load(card.split("---\n")[1])
    assert head["size_categories"] == ["n<1K"] and head["license"] == "cc0-1.0"
    facts = Edition(toy_edition).facts
    table = Edition(toy_edition).table("test")
    spirals = int((table["label"] == 1).sum())
    assert facts["balance"]["test"]["multiclass"]["spiral"] == spirals > 0  # type: ignore[index]
    assert f"| {spirals:,} |\n" in card
    artifacts = sum(2 in row for row in table["labels"])
    assert facts["balance"]["test"]["multilabel"]["artifact"] == artifacts  # type: ignore[index]
    for view, reasons in facts["cleaning"]["outside"].items():  # type: ignore[index]
        counts = facts["counts"]
        left = sum(counts[s]["galaxies"] - counts[s][view] for s in SPLITS)  # type: ignore[index]
        assert sum(reasons.values()) == left

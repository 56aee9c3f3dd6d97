from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from galaxy_zoo_decals import cli
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.publish import PublishError, plan
from galaxy_zoo_decals.schema import SPLITS, VIEWS
from tests.hub import Hub, serve

ROOT = Path(__file__).parents[1]


def run(hub: Hub, home: Path, *arguments: str, token: str = "hf_test") -> subprocess.CompletedProcess[str]:
    """Run Python as a user of this Hub would."""
    env = os.environ | {
        "HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": token,
        "HF_HOME": str(home), "HF_DATASETS_CACHE": str(home / "datasets"), "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }  # fmt: skip
    return subprocess.run([sys.executable, *arguments], env=env, cwd=home, capture_output=True, text=True, timeout=180)


def push(hub: Hub, home: Path, edition: Path, *more: str, token: str = "hf_test") -> subprocess.CompletedProcess[str]:
    command = ("-m", "galaxy_zoo_decals.cli", "push", str(edition), "user/galaxy_zoo_decals", "--processes", "1")
    return run(hub, home, *command, *more, token=token)


def test_pushed_loaded_and_pushed_again(toy_edition: Path, tmp_path: Path) -> None:
    with serve() as hub:
        done = push(hub, tmp_path, toy_edition)
        assert done.returncode == 0, done.stderr
        assert hub.private["user/galaxy_zoo_decals"], "private unless asked otherwise"
        held = hub.files["user/galaxy_zoo_decals"]
        for path in toy_edition.rglob("*"):
            if path.is_file():
                assert held[str(path.relative_to(toy_edition))] == path.read_bytes()
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

        # A shard of an earlier edition would be loaded with the new ones.
        held["data/train-00001-of-00002.parquet"] = b"old"
        held["notes.md"] = b"someone's"
        hub.refuse = "eval.yaml"
        del held["eval.yaml"]
        done = push(hub, tmp_path, toy_edition)
        assert done.returncode == 0, done.stderr
        assert "did not take eval.yaml" in done.stdout
        held = hub.files["user/galaxy_zoo_decals"]
        assert "data/train-00001-of-00002.parquet" not in held and held["notes.md"] == b"someone's"

        hub.private["user/galaxy_zoo_decals"] = False
        done = push(hub, tmp_path, toy_edition)
        assert done.returncode == 1 and "public" in done.stderr and "--public" in done.stderr
        commits = len(hub.commits)
        done = push(hub, tmp_path, toy_edition, token="hf_wrong")
        assert done.returncode == 1 and "Traceback" not in done.stderr and len(hub.commits) == commits


def test_a_dry_run_shows_everything_and_sends_nothing(
    toy_edition: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with serve() as hub:
        done = push(hub, tmp_path, toy_edition, "--dry-run")
        assert done.returncode == 0, done.stderr
        assert not hub.files
    for path in toy_edition.rglob("*"):
        if path.is_file():
            assert str(path.relative_to(toy_edition)) in done.stdout
    assert "eval.yaml" in done.stdout and "a private dataset" in done.stdout and "Nothing was sent" in done.stdout
    assert cli.main(["push", str(toy_edition), "user/x", "--public", "--dry-run"]) == 0
    assert "PUBLIC" in capsys.readouterr().out


def test_a_damaged_edition_is_not_sent(toy_edition: Path, tmp_path: Path) -> None:
    shutil.copytree(toy_edition, tmp_path / "toy")
    facts = json.loads((tmp_path / "toy" / "edition.json").read_text())
    facts["content_hash"] = "0" * 64
    (tmp_path / "toy" / "edition.json").write_text(json.dumps(facts))
    with serve() as hub:
        done = push(hub, tmp_path, tmp_path / "toy")
        assert done.returncode == 1 and "FAIL hashes" in done.stdout and "nothing was sent" in done.stderr
        assert not hub.files


def test_what_may_not_be_passed_on(toy_edition: Path, tmp_path: Path) -> None:
    shutil.copytree(toy_edition, tmp_path / "toy")
    facts = json.loads((tmp_path / "toy" / "edition.json").read_text())
    facts["source"]["kind"] = "gz2"
    (tmp_path / "toy" / "edition.json").write_text(json.dumps(facts))
    with pytest.raises(PublishError, match="may not be passed on"):
        plan(Edition(tmp_path / "toy"), "user/gz2")
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
    assert head["size_categories"] == ["n<1K"] and head["license"] == "other"
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


def test_the_citation_file_is_valid() -> None:
    said = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert said["cff-version"] == "1.2.0" and {"title", "message", "authors"} <= set(said)
    dois = {reference["doi"] for reference in said["references"]}
    assert {"10.1093/mnras/stab2093", "10.5281/zenodo.4573248"} <= dois

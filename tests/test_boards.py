"""The maintainers' entries: what the plan says, and one made from nothing through the commands that anybody uses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from benchmark import BenchmarkError
from benchmark import plan as boards

ROOT = Path(__file__).parents[1]


def test_commands_are_those_anybody_would_type() -> None:
    plan = boards.read()
    entry = next(e for e in plan.entries if e.first)
    first, *_ = entry.folders(boards.ROOT / "runs", plan.seeds)
    command = " ".join(entry.command(boards.ROOT / "runs", plan.seeds, first))
    program = "accelerate launch --quiet benchmark/run.py"
    assert command.startswith(f"{program} --model dirichlet --edition gz2 --recipe best --seed 0")
    assert "--weights runs/simulated/dirichlet/seed0" in command and command.endswith("--resume")
    assert "20,000 simulated galaxies" in boards.facts(plan, entry)["training_data"]
    grey = next(e for e in plan.entries if e.settings.get("greyscale"))
    assert "--set greyscale=true" in " ".join(grey.command(boards.ROOT / "runs", plan.seeds, first))
    three = next(e for e in plan.entries if e.together)
    assert [folder.name for folder in three.folders(boards.ROOT / "runs", plan.seeds)] == ["seed0"]


def test_a_plan_in_old_words_is_the_plan_of_today(tmp_path: Path) -> None:
    content = yaml.safe_load(boards.PLAN.read_text())
    assert [e for e in content["entries"] if e.get("recipe") == "student"]
    for entry in content["entries"]:
        if entry.get("recipe") == "student":
            entry["recipe"] = "paper"
        if "class_balance" in entry.get("settings", {}):
            entry["settings"]["balance"] = entry["settings"].pop("class_balance")
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(content))
    assert "balance: 0" in (tmp_path / "plan.yaml").read_text().replace("class_balance", "")
    assert boards.read(tmp_path / "plan.yaml") == boards.read()


def test_a_plan_that_nobody_signs_makes_no_entry(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--plan", str(boards.PLAN.with_name("boards-gzd5.yaml")), "--runs", str(tmp_path)]
    assert boards.main(words) == 2
    assert "fill in authors and contact under `signed`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"edition": "gz9"}, "no edition 'gz9'"),
        ({"edition": ["sample"]}, r"edition, runs and name are text, not \['sample'\]"),
        ({"backbone": "resnet1"}, "no 'resnet1'"),
        ({"recipe": "quickest"}, "no 'multiclass' with the recipe 'quickest'"),
        ({"nmae": "x"}, "nmae"),
        ({"first": "simulated/dirichlet/seed0"}, "no entry makes the runs simulated/dirichlet"),
        ({"together": "nothing"}, "no entry makes the runs gz2/nothing"),
    ],
)
def test_a_plan_with_a_slip_is_refused(change: dict[str, str], problem: str, tmp_path: Path) -> None:
    content = yaml.safe_load(boards.PLAN.read_text())
    content["entries"] = [content["entries"][0] | change]
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(BenchmarkError, match=problem):
        boards.read(tmp_path / "plan.yaml")
    (tmp_path / "plan.yaml").write_text("entries: [")
    assert boards.main(["--plan", str(tmp_path / "plan.yaml")]) == 2
    assert boards.main(["--plan", str(tmp_path / "nowhere.yaml")]) == 1


def test_an_entry_is_made_from_nothing_and_only_once(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", "--depth", "1", ROOT.as_uri(), str(clone)], check=True)
    entry = {"edition": "sample", "runs": "tiny", "model": "multiclass", "recipe": "quick", "name": "Tiny CNN"}
    entry["description"] = "A CNN that is trained in seconds."
    settings = {"resolution": 16, "epochs": 1, "channels": "2,4", "hidden": 4}
    editions = {"sample": {"training_data": "The training split of the embedded sample, nothing else."}}
    signed = {"authors": ["A Student"], "official": False, "contact": "student@example.org"}
    plan = {"signed": signed, "seeds": [4], "editions": editions, "backbones": {}}
    plan["entries"] = [entry | {"settings": settings}]
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    # Where nothing was ever sent in: the folders hold what the benchmark froze.
    leaderboard = tmp_path / "leaderboard"
    shutil.copytree(clone / "leaderboard", leaderboard)
    shutil.rmtree(leaderboard / "submissions")
    (leaderboard / "submissions").mkdir()

    def make(*more: str) -> str:
        command = [sys.executable, "benchmark/plan.py", "--plan", str(tmp_path / "plan.yaml")]
        command += ["--leaderboard", str(leaderboard), *more]
        # The clone's own packages: its commit is clean, whatever is being worked on here.
        environment = os.environ | {"PYTHONPATH": str(clone)}
        done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "to do    sample     Tiny CNN" in make("--list")
    assert "1 of 1: Tiny CNN, on sample" in make()
    (made,) = (leaderboard / "submissions").glob("20*")
    assert (made / "predictions" / "sample" / "multiclass" / "seed4.parquet").is_file()
    facts = json.loads((made / "runs" / "sample" / "multiclass" / "seed4.json").read_text())
    assert facts["processes"] == 1 and facts["command"].startswith(
        "accelerate launch benchmark/run.py --model multiclass"
    )
    said = (made / "submission.yaml").read_text()
    assert "fill in" not in said and "A Student" in said and "official: false" in said
    assert list((leaderboard / "scores" / made.name).iterdir())
    shutil.rmtree(leaderboard / "scores" / made.name)
    assert "to score sample     Tiny CNN" in make("--list")
    (command,) = (line for line in make().splitlines() if line.startswith("$ "))
    assert command.endswith(f"score --root {leaderboard} {made.name}"), "what was sent in is not trained again"
    again = make()
    assert f"stands   sample     Tiny CNN ({made.name})" in again and "$ " not in again

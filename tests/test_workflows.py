"""The workflows: what they may do, and their own scripts run on a pull request in a local git repository."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from leaderboard.__main__ import main
from tests.test_leaderboard import fill_in
from tests.test_leaderboard_runs import change_run, write_run
from tests.test_pull_request import git

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "galaxy_zoo_decals"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SLUG = "20261128-a-new-network"


def read(name: str) -> dict[Any, Any]:
    content: dict[Any, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())
    return content


GH = """#!/bin/sh
# Stands in for the command line of GitHub: writes down what it is asked for, and what it would post.
echo "$*" >> "$ASKED"
for word in "$@"; do case "$word" in body=@*) cp "${word#body=@}" "$ASKED.comment";; esac; done
"""


@dataclass
class Hub:
    """A repository as GitHub serves it, a clone as a workflow has it, and what the workflow asked GitHub for."""

    origin: Path
    clone: Path
    work: Path

    def run(self, workflow: str, job: str, name: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a step's own script as a runner does."""
        (step,) = [s for s in read(workflow)["jobs"][job]["steps"] if s.get("name") == name]
        given = os.environ | {
            "RUNNER_TEMP": str(self.work / "temp"), "GITHUB_OUTPUT": str(self.work / "output"),
            "GITHUB_REPOSITORY": "galaxies/board", "ASKED": str(self.work / "asked"),
            "PATH": f"{self.work / 'bin'}{os.pathsep}{os.environ['PATH']}", "GIT_TERMINAL_PROMPT": "0",
        } | env  # fmt: skip
        command = ["bash", "-e", "-o", "pipefail", "-c", step["run"]]
        return subprocess.run(command, cwd=self.clone, env=given, capture_output=True, text=True)

    def pull_request(self, branch: str) -> tuple[str, str, str]:
        """Run the check's own scripts on a branch; return verdict, the statuses and the comment that were posted."""
        for left in ("temp", "output", "asked", "asked.comment"):
            path = self.work / left
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        (self.work / "temp").mkdir()
        git(self.clone, "fetch", "-q", "origin", "main")
        git(self.clone, "reset", "-q", "--hard", "origin/main")
        head = subprocess.run(
            ["git", "-C", str(self.origin), "rev-parse", branch], capture_output=True, text=True, check=True
        ).stdout.strip()
        assert self.run("check", "read", "The pull request's commit, as objects", HEAD=head).returncode == 0
        done = self.run("check", "read", "Check", HEAD=head)
        assert done.returncode == 0, done.stderr
        verdict = (self.work / "output").read_text().strip().removeprefix("verdict=")
        told = self.run("check", "tell", "Status and comment", VERDICT=verdict, NUMBER="7", HEAD=head, URL="https://x")
        assert told.returncode == 0, told.stderr
        comment = self.work / "asked.comment"
        return verdict, (self.work / "asked").read_text(), comment.read_text() if comment.exists() else ""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Hub:
    """Code and leaderboard of this repository in a git repository of their own, cloned as a workflow clones it."""
    work = tmp_path_factory.mktemp("hub")
    origin, clone = work / "origin", work / "clone"
    leave = shutil.ignore_patterns("__pycache__")
    for name in ("galaxy_zoo_decals", "leaderboard"):
        shutil.copytree(ROOT / name, origin / name, ignore=leave)
    shutil.copytree(ROOT / ".github", origin / ".github")
    shutil.copy(ROOT / ".gitignore", origin)
    git(work, "init", "-q", str(origin))
    git(origin, "add", "-A")
    git(origin, "commit", "-q", "-m", "main")
    git(work, "clone", "-q", str(origin), str(clone))
    (clone / ".venv").symlink_to(sys.prefix)
    (work / "bin").mkdir()
    (work / "bin" / "gh").write_text(GH)
    (work / "bin" / "gh").chmod(0o755)
    return Hub(origin, clone, work)


def branch(hub: Hub, name: str, damage: Any = None) -> Path:
    """Make a branch with an honest entry and what ``damage`` does to the leaderboard's folder; return that folder."""
    root = hub.origin / "leaderboard"
    git(hub.origin, "checkout", "-q", "-b", name, "main")
    runs = [str(write_run(SAMPLE, hub.work / name, "multiclass", seed=k, skill=0.8)) for k in (0, 1, 2)]
    if damage == "renamed":
        for run in runs:
            change_run(Path(run) / "run.json", edition={"title": "Galaxy Zoo DECaLS 5, real galaxies"})
    words = ["--name", "A new network", "--authors", "A. Stranger", "--date", SLUG[:8], "--root", str(root)]
    assert main(["submit", *runs, *words]) == 0
    fill_in(root / "submissions" / SLUG)
    if callable(damage):
        damage(root)
    git(hub.origin, "add", "-A")
    git(hub.origin, "commit", "-q", "-m", name)
    git(hub.origin, "checkout", "-q", "main")
    return root


def forge_scores(root: Path) -> None:
    """Bring scores along that nobody earned."""
    assert main(["score", SLUG, "--root", str(root)]) == 0
    path = root / "scores" / SLUG / "summary.json"
    content = json.loads(path.read_text())
    for item in content["files"]:
        item["boards"]["multiclass"]["metrics"]["macro_f1"] = {"value": 0.999, "low": 0.998, "high": 1.0}
    path.write_text(json.dumps(content))


def forge_report(root: Path) -> None:
    """Change the workflow so that its own run, and anything that trusts it, says what the stranger likes."""
    workflow = root.parent / ".github" / "workflows" / "check.yml"
    forged = "verdict=success; echo rank 1 of 9 > report.md"
    workflow.write_text(workflow.read_text().replace("verdict=failure", forged))


def test_a_pull_request_from_beginning_to_end(hub: Hub, tmp_path: Path) -> None:
    branch(hub, "honest")
    verdict, asked, comment = hub.pull_request("honest")
    assert verdict == "success" and "state=success -f context=leaderboard" in asked
    assert "Check of the submission: passed" in comment and "3 re-scored by the scorer of main" in comment
    assert not (hub.clone / "leaderboard" / "submissions" / SLUG).exists(), "nothing of it is checked out"

    # Merged, it stands as reported: without scores it has no rank.
    git(hub.origin, "merge", "-q", "honest")
    root = hub.origin / "leaderboard"
    assert main(["site", "--root", str(root), "--out", str(tmp_path / "site")]) == 0
    page = (tmp_path / "site" / "boards" / "sample-multiclass.html").read_text()
    assert "Reported, not scored yet" in page and page.index("Reported, not scored") < page.index("A new network")

    # Main scores it with its own code and commits the scores.
    git(hub.clone, "pull", "-q", "origin", "main")
    git(hub.origin, "config", "receive.denyCurrentBranch", "updateInstead")
    scored = hub.run("score", "score", "Score")
    assert scored.returncode == 0, scored.stderr
    committed = hub.run("score", "commit", "Commit what changed below leaderboard/scores")
    assert committed.returncode == 0, committed.stderr
    changed = subprocess.run(
        ["git", "-C", str(hub.origin), "diff", "--name-only", "HEAD^", "HEAD"], capture_output=True, text=True
    ).stdout.split()
    assert changed and all(path.startswith(f"leaderboard/scores/{SLUG}/") for path in changed)
    assert main(["site", "--root", str(root), "--out", str(tmp_path / "site")]) == 0
    page = (tmp_path / "site" / "boards" / "sample-multiclass.html").read_text()
    assert "Reported, not scored yet" not in page and page.index("A new network") < page.index("Pixel features")
    git(hub.origin, "reset", "-q", "--hard", "HEAD^^")


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        ("forged-scores", forge_scores, "scores and evidence are written by main after the merge"),
        ("forged-report", forge_report, "a pull request with a submission may change nothing else"),
    ],
)
def test_what_is_forged_fails_the_check_of_main(hub: Hub, name: str, damage: Any, words: str) -> None:
    branch(hub, name, damage)
    verdict, asked, comment = hub.pull_request(name)
    assert verdict == "failure" and "state=failure -f context=leaderboard" in asked
    assert "not passed yet" in comment and words in comment and "rank 1" not in comment


def test_an_edition_is_called_what_the_benchmark_calls_it(hub: Hub, tmp_path: Path) -> None:
    branch(hub, "renamed", "renamed")
    verdict, _, comment = hub.pull_request("renamed")
    assert verdict == "success" and "edition.title" in comment and "as the benchmark has it" in comment
    # Merged it renames nothing.
    git(hub.origin, "merge", "-q", "renamed")
    assert main(["site", "--root", str(hub.origin / "leaderboard"), "--out", str(tmp_path / "site")]) == 0
    for page in (tmp_path / "site").rglob("*.html"):
        assert "real galaxies" not in page.read_text() or "DECaLS 5, real" not in page.read_text(), page
    git(hub.origin, "reset", "-q", "--hard", "HEAD^")


def test_a_pull_request_of_code_alone_is_no_submission(hub: Hub) -> None:
    git(hub.origin, "checkout", "-q", "-b", "code", "main")
    (hub.origin / "galaxy_zoo_decals" / "__init__.py").write_text("# other code\n")
    git(hub.origin, "commit", "-q", "-a", "-m", "code")
    git(hub.origin, "checkout", "-q", "main")
    verdict, asked, comment = hub.pull_request("code")
    assert verdict == "success" and "state=success" in asked and comment == ""

"""A pull request in a real git repository: branch, submission, check against main, merge, site with the new row."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from leaderboard.__main__ import main
from leaderboard.check import report
from tests.test_leaderboard import fill_in
from tests.test_leaderboard_runs import write_run

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "galaxy_zoo_decals"
DAY = "20261128"
SLUG = f"{DAY}-a-better-network"


def git(repository: Path, *words: str) -> None:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *who, "-C", str(repository), *words], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose main has the committed leaderboard, with .gitignore and all."""
    repository = tmp_path / "repository"
    shutil.copytree(ROOT / "leaderboard", repository / "leaderboard", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".gitignore", repository)
    git(tmp_path, "init", "-q", str(repository))
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "main")
    return repository


def commit(repository: Path, words: str) -> None:
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", words)


def test_from_branch_to_row(repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = ["--root", str(repository / "leaderboard")]
    diff = ["check", "--diff", "main", *root]
    assert main(diff) == 0
    assert "No submission is added" in capsys.readouterr().out

    git(repository, "checkout", "-q", "-b", "entry")
    runs = [str(write_run(SAMPLE, tmp_path / "runs", "multiclass", seed=k, skill=0.8)) for k in (0, 1, 2)]
    assert main(["submit", *runs, "--name", "A better network", "--authors", "A.", "--date", DAY, *root]) == 0
    fill_in(repository / "leaderboard" / "submissions" / SLUG)
    commit(repository, "entry")
    assert main([*diff, "--report", str(tmp_path / "report.md")]) == 0
    said = capsys.readouterr().out
    assert "rank 1 of" in said and "good; 3 prediction files, 3 re-scored" in said
    told = (tmp_path / "report.md").read_text()
    (pixels,) = [line for line in told.splitlines() if "Pixel features, extremely randomised trees" in line]
    ahead, low, high = (float(word) for word in re.findall(r"[+-]\d\.\d+", pixels)[:3])
    assert 0 < low < ahead < high, "a paired difference that tells the two apart"
    assert all(row in told for row in ("noise ceiling", "class prior", "5 volunteers"))
    assert "Its rank would be **1** of" in told

    git(repository, "checkout", "-q", "main")
    git(repository, "merge", "-q", "entry")
    assert main(["score", SLUG, *root]) == 0
    commit(repository, "its scores, by main")
    assert main(["site", "--out", str(tmp_path / "site"), *root]) == 0
    board = (tmp_path / "site" / "boards" / "sample-multiclass.html").read_text()
    assert board.index("A better network") < board.index("Pixel features")
    assert (tmp_path / "site" / "entries" / f"{SLUG}.html").is_file()

    git(repository, "checkout", "-q", "-b", "withdraw")
    path = repository / "leaderboard" / "submissions" / SLUG / "submission.yaml"
    text = path.read_text().replace("status: active", "status: withdrawn")
    path.write_text(text.replace("status_reason: null", "status_reason: A leak was found."))
    commit(repository, "withdraw")
    assert main(diff) == 0, "the status of a merged entry may change"
    path.write_text(path.read_text().replace("official: false", "official: true"))
    commit(repository, "more than that")
    capsys.readouterr()
    assert main(diff) == 1
    assert "official differ from the merged entry" in capsys.readouterr().err


def test_what_is_checked_is_what_is_committed(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = ["--root", str(repository / "leaderboard")]
    git(repository, "checkout", "-q", "-b", "entry")
    run = str(write_run(SAMPLE, tmp_path / "runs", "multiclass"))
    assert main(["submit", run, "--name", "A better network", "--date", DAY, *root]) == 0
    fill_in(repository / "leaderboard" / "submissions" / SLUG, authors=["A."])
    (repository / ".gitignore").write_text("runs/\n")
    git(repository, "add", "leaderboard")
    git(repository, "commit", "-q", "-m", "entry without the files that .gitignore hides")
    capsys.readouterr()
    assert main(["check", "--diff", "main", *root]) == 1
    said = capsys.readouterr().err
    assert f"leaderboard/submissions/{SLUG}/runs/" in said and "not committed: `git add -f`" in said


def test_a_branch_that_would_undo_what_main_did_is_refused(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A branch of two merge bases: against one of them it changes nothing, and merged it would take main's change back.

    Both main and the branch merge the other's commit; the branch keeps its own version of the scorer's file.
    """
    scorer = repository / "scorer.py"
    scorer.write_text("old\n")
    commit(repository, "the scorer")
    git(repository, "checkout", "-q", "-b", "entry")
    (repository / "notes").write_text("x\n")
    commit(repository, "something harmless")
    git(repository, "branch", "harmless")
    git(repository, "checkout", "-q", "main")
    scorer.write_text("new\n")
    commit(repository, "the scorer is mended")
    git(repository, "branch", "mended")
    git(repository, "merge", "-q", "--no-edit", "harmless")
    git(repository, "checkout", "-q", "entry")
    git(repository, "merge", "-q", "-s", "ours", "--no-edit", "mended")
    assert scorer.read_text() == "old\n"
    assert main(["check", "--diff", "main", "--root", str(repository / "leaderboard")]) == 1
    assert "in 2 places: rebase it onto main" in capsys.readouterr().err


@pytest.mark.parametrize("base", ["nowhere", "--output=x", ""])
def test_a_base_that_is_none_is_said(repository: Path, capsys: pytest.CaptureFixture[str], base: str) -> None:
    assert main(["check", f"--diff={base}", "--root", str(repository / "leaderboard")]) == 1
    assert "error: --diff" in capsys.readouterr().err


def test_a_folder_outside_of_git_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "submissions").mkdir()
    assert main(["check", "--diff", "main", "--root", str(tmp_path)]) == 1
    assert "not a git repository" in capsys.readouterr().err


HOSTILE = (
    "@someone <img src=x onerror=alert(1)> [x](javascript:alert(1)) `code` | **bold** \u202e #1 https://evil.example"
)


def test_a_report_of_a_strangers_words_is_bounded_and_nothing_but_text() -> None:
    checked = report.Checked(
        slug=HOSTILE, title=HOSTILE, files=1, rescored=0, faults=[HOSTILE] * 50, notes=[HOSTILE], flags=[HOSTILE],
        standings=[
            report.Standing(
                edition=HOSTILE, board="votes", seeds=1, value=1.0, low=None, high=None, spread=None, first=1, last=1,
                of=1, smallest=None, references=[],
                entries=[report.Difference(name=HOSTILE, value=1.0, difference=0.0)],
            )
        ],
    )  # fmt: skip
    text = report.markdown(report.Report(faults=[HOSTILE], submissions=[checked] * 50))
    assert len(text) < 65_536
    for sign in ("@", "<img", "](", "javascript:", "`", "\u202e", "#1 ", "https:"):
        assert sign not in text.replace("&#", ""), sign
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    inline = [c for t in tokens for c in t.children or []]
    assert {c.content for c in inline if c.type == "html_inline"} == {"<code>", "</code>"}
    assert not any(c.type.startswith(("link", "image")) for c in inline)

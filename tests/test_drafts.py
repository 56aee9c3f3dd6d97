"""A draft stands apart without a number, a damaged submission is left out with a word, and the others are shown."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from leaderboard.__main__ import main
from tests.test_leaderboard_runs import write_run


def test_a_draft_does_not_stop_the_site(toy_edition: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "leaderboard"
    run = write_run(toy_edition, root / "runs", "multiclass", seed=0)
    common = ["--root", str(root), "--edition", str(toy_edition)]
    assert main(["submit", *common, str(run), "--name", "A draft"]) == 0
    site = ["site", *common, "--runs", str(root / "runs"), "--out", str(tmp_path / "site")]
    assert main(site) == 0
    assert "2 entries: " in capsys.readouterr().out
    board = (tmp_path / "site" / "boards" / "toy-multiclass.html").read_text()
    (row,) = [line for line in board.splitlines() if ">A draft</a>" in line]
    assert "Reported, not scored yet" in board and not re.search(r"\d\.\d\d", row), "it has no number"


@pytest.mark.parametrize("text", ["[]", "{}", "null", '{"scorer": "1", "files": [{"edition": {"name": "../up"}}]}'])
def test_damaged_scores_are_named(
    toy_edition: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    root = tmp_path / "leaderboard"
    run = write_run(toy_edition, root / "runs", "multiclass", seed=0)
    common = ["--root", str(root), "--edition", str(toy_edition)]
    assert main(["submit", *common, str(run), "--name", "Damaged"]) == 0
    (slug,) = (p.name for p in (root / "submissions").iterdir())
    assert main(["score", *common, slug]) == 0
    (root / "scores" / slug / "summary.json").write_text(text)
    shutil.rmtree(root / "runs")
    capsys.readouterr()
    assert main(["site", *common, "--out", str(tmp_path / "site")]) == 0
    assert "summary.json" in capsys.readouterr().err
    assert main(["check", *common]) == 1
    assert "summary.json" in capsys.readouterr().err

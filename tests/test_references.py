"""Reference rows: noise ceilings computed once, stored, and shown beside entries."""

from __future__ import annotations

import json
from pathlib import Path

from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.scoring import BOARDS
from leaderboard.__main__ import main
from tests.test_leaderboard_runs import write_run


def test_stored_ceilings_stand_on_the_boards_and_beside_entries(toy_edition: Path, tmp_path: Path) -> None:
    root = tmp_path / "leaderboard"
    write_run(toy_edition, root / "runs", "dirichlet", seed=0)
    assert main(["references", "--root", str(root), "--draws", "2", str(toy_edition)]) == 0
    (stored,) = (root / "scores" / "references").iterdir()
    content = json.loads(stored.read_text())
    assert content["content_hash"] == Edition(toy_edition).content_hash
    for board in BOARDS:
        assert {"noise ceiling", "5 volunteers", "40 volunteers", "class prior"} <= set(content["boards"][board])
    command = ["site", "--root", str(root), "--runs", str(root / "runs"), "--out", str(tmp_path / "site")]
    assert main([*command, "--edition", str(toy_edition)]) == 0
    board = (tmp_path / "site" / "boards" / "toy-votes.html").read_text()
    assert board.index("noise ceiling") < board.index("10 volunteers") < board.index("class prior"), "best first"
    ceiling = content["boards"]["votes"]["noise ceiling"]["metrics"]["nll"]["value"]
    prior = content["boards"]["votes"]["class prior"]["metrics"]["nll"]["value"]
    assert ceiling < prior
    (entry,) = (tmp_path / "site" / "entries").glob("*dirichlet*.html")
    assert f">{prior:.2f}</td>" in entry.read_text() and f">{ceiling:.2f}</td>" in entry.read_text()


def test_ceilings_of_another_version_of_an_edition_are_not_shown(toy_edition: Path, tmp_path: Path) -> None:
    root = tmp_path / "leaderboard"
    write_run(toy_edition, root / "runs", "dirichlet", seed=0)
    assert main(["references", "--root", str(root), "--draws", "2", str(toy_edition)]) == 0
    (stored,) = (root / "scores" / "references").iterdir()
    content = json.loads(stored.read_text())
    stored.write_text(json.dumps(content | {"content_hash": "0" * 64}))
    command = ["site", "--root", str(root), "--runs", str(root / "runs"), "--out", str(tmp_path / "site")]
    assert main([*command, "--edition", str(toy_edition)]) == 0
    assert "10 volunteers" not in (tmp_path / "site" / "boards" / "toy-votes.html").read_text()

"""Reference rows: noise ceilings computed once, stored, and shown beside entries."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.scoring import BOARDS, Truth, ceilings
from leaderboard.__main__ import main
from leaderboard.files import LeaderboardError
from leaderboard.ranking import stored_scores
from tests.test_leaderboard_runs import write_run


def test_stored_ceilings_stand_on_the_boards_and_beside_entries(toy_edition: Path, tmp_path: Path) -> None:
    root = tmp_path / "leaderboard"
    write_run(toy_edition, root / "runs", "dirichlet", seed=0)
    assert main(["references", "--root", str(root), "--draws", "2", str(toy_edition)]) == 0
    (stored,) = (root / "scores" / "references").glob("*.json")
    content = json.loads(stored.read_text())
    assert content["content_hash"] == Edition(toy_edition).content_hash
    for board in BOARDS:
        assert {"noise ceiling", "5 volunteers", "40 volunteers", "class prior"} <= set(content["boards"][board])
    command = ["site", "--root", str(root), "--runs", str(root / "runs"), "--out", str(tmp_path / "site")]
    assert main([*command, "--edition", str(toy_edition)]) == 0
    board = (tmp_path / "site" / "boards" / "toy-votes.html").read_text()
    table = board[board.index("<tbody") :]
    assert table.index("noise ceiling") < table.index("10 volunteers") < table.index("class prior"), "best first"
    ceiling = content["boards"]["votes"]["noise ceiling"]["metrics"]["nll"]["value"]
    prior = content["boards"]["votes"]["class prior"]["metrics"]["nll"]["value"]
    assert ceiling < prior
    (entry,) = (tmp_path / "site" / "entries").glob("*dirichlet*.html")
    assert f">{prior:.2f}</td>" in entry.read_text() and f">{ceiling:.2f}</td>" in entry.read_text()


def test_stored_draws_pair_a_score_with_prior_and_ceiling(toy_edition: Path, tmp_path: Path) -> None:
    assert main(["references", "--root", str(tmp_path), "--draws", "2", str(toy_edition)]) == 0
    edition = Edition(toy_edition)
    ((_, rows),) = stored_scores.read_references(tmp_path / "scores").items()
    prior, ceiling = rows["votes"]["class prior"], rows["votes"]["noise ceiling"]
    assert ceiling.draws["nll"].shape == prior.draws["nll"].shape == (ceilings.RESAMPLES,)
    assert stored_scores.skill("votes", prior, rows["votes"]) == (0, 0, 0)
    assert stored_scores.skill("votes", ceiling, rows["votes"]) == (1, 1, 1)
    five = stored_scores.skill("votes", rows["votes"]["5 volunteers"], rows["votes"])
    assert five[1] < five[0] < five[2] < 1
    fresh = stored_scores.of_references(Truth.of(edition))["votes"]["class prior"]
    np.testing.assert_array_equal(prior.draws["nll"], fresh.draws["nll"][: ceilings.RESAMPLES])
    assert math.isnan(stored_scores.skill("votes", prior, {})[0])
    (drawn,) = (tmp_path / "scores" / "references").glob("*.parquet")
    drawn.write_bytes(b"PAR1")
    with pytest.raises(LeaderboardError, match="python -m leaderboard references"):
        stored_scores.read_references(tmp_path / "scores")


def test_ceilings_of_another_version_of_an_edition_are_not_shown(toy_edition: Path, tmp_path: Path) -> None:
    root = tmp_path / "leaderboard"
    write_run(toy_edition, root / "runs", "dirichlet", seed=0)
    assert main(["references", "--root", str(root), "--draws", "2", str(toy_edition)]) == 0
    (stored,) = (root / "scores" / "references").glob("*.json")
    content = json.loads(stored.read_text())
    stored.write_text(json.dumps(content | {"content_hash": "0" * 64}))
    command = ["site", "--root", str(root), "--runs", str(root / "runs"), "--out", str(tmp_path / "site")]
    assert main([*command, "--edition", str(toy_edition)]) == 0
    assert "10 volunteers" not in (tmp_path / "site" / "boards" / "toy-votes.html").read_text()

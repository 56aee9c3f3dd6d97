from __future__ import annotations

from pathlib import Path

from tests.campaigns.kills import campaign


def test_killed_at_a_random_moment_and_the_same_result(tmp_path: Path) -> None:
    """One kill; `make campaign-kills` does fifty."""
    (row,) = campaign(tmp_path, kills=1, galaxies=48, seed=1)
    assert row.identical and not row.left_behind

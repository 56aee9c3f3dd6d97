from __future__ import annotations

from pathlib import Path

from tests.campaigns.kills import campaign


def test_killed_at_random_moments_and_the_same_result(tmp_path: Path) -> None:
    """Two kills; `make campaign-kills` does fifty."""
    rows, _ = campaign(tmp_path, kills=2, galaxies=60, seed=1)
    assert [row.identical for row in rows] == [True, True]
    assert not any(row.left_behind for row in rows)

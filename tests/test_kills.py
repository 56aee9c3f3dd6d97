from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

import pytest

from tests.campaigns.kills import campaign

pytestmark = pytest.mark.campaign


def test_killed_at_a_random_moment_and_the_same_result(tmp_path: Path) -> None:
    """A kill of each way in that Zenodo serves; `make campaign-kills` does fifty, of the Hub's too."""
    # The campaign changes what its processes inherit; the tests that come after it inherit nothing of that.
    with mock.patch.dict(os.environ):
        rows = campaign(tmp_path, kills=2, galaxies=64, seed=1, ways=("zenodo", "part"))
    assert [row.way for row in rows] == ["zenodo", "part"]
    assert all(row.identical and not row.left_behind for row in rows)

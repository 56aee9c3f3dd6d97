from __future__ import annotations

from pathlib import Path

import pytest

from galaxy_zoo_decals.edition import Edition
from tests.campaigns.scale import loading, page, reading, run, table_page

pytestmark = pytest.mark.campaign


def test_the_whole_path_with_archives_made_and_removed_in_turn(tmp_path: Path) -> None:
    """Some galaxies; `make campaign-scale` takes 100,000. Speeds are no claims of a test, memory is."""
    found = run(tmp_path, galaxies=40, distinct=4, processes=1, every=0.7, seconds=0.2)
    assert 20 < found["kept"] <= 40
    assert 50 < found["peak_memory_mib"] < 1500
    assert found["seconds"] > 0 and min(found["floors"]) > 0
    assert not list((tmp_path / "release").glob("*.zip"))
    loads = loading(tmp_path / "edition", tmp_path, read=5)
    assert [row["cache_bytes"] > 0 for row in loads] == [True, True, False, False], "streaming writes nothing"
    assert len(list((tmp_path / "imagefolder").rglob("*.jpg"))) == sum(
        counts["multiclass"]
        for counts in Edition(tmp_path / "edition").facts["counts"].values()  # type: ignore[attr-defined]
    )
    assert f"converted and in the edition | {found['kept']} |" in page(found, loads)


def test_the_table_of_galaxy_zoo_2_is_read_and_checked(tmp_path: Path) -> None:
    """Some rows; `make campaign-scale` takes 240,000."""
    found = reading(tmp_path, rows=2500)
    assert found["columns"] == 231 and found["bytes"] > found["packed_bytes"]
    for which in ("votes", "extra"):
        assert found[which]["rows"] == found[which]["pictures"] == 2500
        assert found[which]["not_agreeing"] == found["made_wrong"] == 3
        assert 100 < found[which]["scored_test"] < 500
        assert found[which]["peak_mib"] < 1500
    text = table_page(found)
    assert "231 columns: 2,500 rows" in text and text.count("\n| votes") == 2

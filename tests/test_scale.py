from __future__ import annotations

from pathlib import Path

from tests.campaigns.scale import loading, page, run


def test_the_whole_path_with_archives_made_and_removed_in_turn(tmp_path: Path) -> None:
    """Some galaxies; `make campaign-scale` takes 100,000. Speeds are no claims of a test, memory is."""
    found = run(tmp_path, galaxies=40, distinct=4, processes=1, seconds=0.2)
    assert 20 < found["kept"] <= 40
    assert 50 < found["peak_memory_mib"] < 1500
    assert not list((tmp_path / "release").glob("*.zip"))
    loads = loading(tmp_path / "edition", tmp_path, ["multiclass view, whole"])
    assert found["kept"] >= loads[0]["rows"] > 0
    assert f"| galaxies in the edition | {found['kept']} |" in page(found, loads)

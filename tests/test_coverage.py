"""A small case of the coverage campaign."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest

from tests.campaigns import coverage


def test_a_study_finds_what_it_looks_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "LARGE", 2000)
    monkeypatch.setattr(coverage, "OUT", tmp_path)
    table = coverage.study(coverage.Sky(None), "40", 150, draws=2, repeats=2, processes=1)
    for name in ("ceiling multiclass.accuracy", "model votes.nll", "ceiling votes.accuracy.bar"):
        row = table[name]
        assert row["repeats"] == 2 and 0 <= row["coverage"] <= 1
        assert row["mean"] == pytest.approx(row["known"], rel=0.1)
    assert table["ceiling multiclass.accuracy"]["known"] > table["model multiclass.accuracy"]["known"]
    assert table["ceiling votes.accuracy.smooth-or-featured"]["galaxies"] == 150
    assert table["ceiling votes.accuracy.spiral-winding"]["galaxies"] < 50
    ranks = [{"training": 0.0, "board": "votes", "separated": 0.0, "repeats": 2, "seeds": 0.1, "sampling": 0.2}]
    options = argparse.Namespace(repeats=2, galaxies=150, draws=3, closer=2)
    key, row = "family, 40 votes", table["ceiling votes.accuracy.bar"]
    row["coverage"] = 0.5
    surer = {key: {name: r["known"] for name, r in table.items()}}
    coverage.write_report({key: table}, surer, {key: table}, ranks, options)
    report = (tmp_path / "coverage.md").read_text()
    assert "| 40 votes | ceiling votes.accuracy.bar |" in report and "0.500 ± " in report
    assert "| ceiling votes.accuracy.bar |" in (tmp_path / "coverage.md").read_text()
    assert "<svg" in (tmp_path / "coverage.svg").read_text()


def test_equal_entries_differ_by_their_seeds_alone() -> None:
    sky = coverage.Sky(None)
    alike = coverage.board_of_equals(sky, "40", 150, training=0.0, seed=0)
    apart = coverage.board_of_equals(sky, "40", 150, training=1.0, seed=0)
    for board in alike:
        assert alike[board][0] in (0.0, 1.0)
        assert apart[board][1] > 1.2 * alike[board][1], "a spread of trainings is seen between seeds"
        assert np.isfinite(apart[board]).all()

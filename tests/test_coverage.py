"""A small case of the coverage campaign."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest

from tests.campaigns import coverage_study as coverage
from tests.campaigns.coverage_report import Z, write_report

pytestmark = pytest.mark.campaign


def test_a_study_finds_what_it_looks_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "LARGE", 2000)
    monkeypatch.setattr(coverage, "SKIES", 2)
    table = coverage.study(coverage.Sky(None), "40", 150, draws=2, repeats=2, processes=1)
    for name in ("ceiling multiclass.accuracy", "model votes.nll", "ceiling votes.accuracy.bar"):
        row = table[name]
        assert row["repeats"] == 2 and 0 <= row["coverage"] <= 1
        assert row["mean"] == pytest.approx(row["known"], rel=0.1)
    assert table["ceiling multiclass.accuracy"]["known"] > table["model multiclass.accuracy"]["known"]
    assert table["ceiling votes.accuracy.smooth-or-featured"]["galaxies"] == 150
    assert table["ceiling votes.accuracy.spiral-winding"]["galaxies"] < 50
    options = argparse.Namespace(repeats=2, galaxies=150, draws=3)
    row = table["ceiling votes.accuracy.bar"]
    row["coverage"], row["sized coverage"] = 0.5, 0.25
    tables = {"family, 40 votes": table, "family, 40 votes, 600 galaxies": {"ceiling votes.accuracy.bar": row}}
    key = "simulator (toy), 40 votes"
    value = {name.removeprefix("ceiling "): r["known"] for name, r in table.items()}
    ways = {"known": value, "fitted": {name: x + 1 for name, x in value.items()}}
    steady = {"20": {name: r | {"varies": 0.25} for name, r in table.items() if name.startswith("ceiling")}}
    write_report(tables | {key: table}, {key: ways}, steady, options, tmp_path)
    report = (tmp_path / "coverage.md").read_text()
    assert "| 20 | 2 | 0.25 | 0.0" in report
    assert "| 40 votes | ceiling votes.accuracy.bar |" in report and "| 0.250 |" in report
    miss = report.split("## Where ceilings fall short on the simulator")[1]
    distance = 2 * Z / row["width"]
    assert f"| {distance:+.2f} |  |" in miss, "one above the known value, in standard deviations that are claimed"
    assert "<svg" in (tmp_path / "coverage.svg").read_text()


def test_the_population_as_the_prior_gives_the_known_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    # Forty kinds of galaxies: what they say to one question tells of the others, which independent priors leave out.
    monkeypatch.setattr(coverage, "ASKED", 1500)
    monkeypatch.setattr(coverage, "MANY", 60)
    population = coverage.Sky(None).draw(40, np.random.default_rng(3))
    found = coverage.priors(population, "5", 300, draws=3)
    assert list(found) == ["known", "fitted", "many votes", "own shares", "population"]
    far = {
        way: abs(values["hierarchical.hierarchical_f1"] - found["known"]["hierarchical.hierarchical_f1"])
        for way, values in found.items()
    }
    assert far["population"] < 0.012
    assert far["fitted"] > far["population"]

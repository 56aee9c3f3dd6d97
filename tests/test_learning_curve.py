"""The campaign of learning curves: what it trains, and what its page says of hand-made scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark import plan
from galaxy_zoo_decals.scoring import BOARDS, Estimate, Result
from leaderboard.ranking import differences
from tests.campaigns import learning_curve as campaign

pytestmark = pytest.mark.campaign


def test_fewer_galaxies_are_seen_more_often_and_the_whole_is_the_entry_of_the_board() -> None:
    found = campaign.steps(plan.read(), "gz2", 7230)
    dirichlet = {step.galaxies: step for step in found if step.runs == "dirichlet"}
    assert {n: step.epochs for n, step in dirichlet.items()} == {500: 24, 1000: 24, 2000: 22, 4000: 11, 7230: 6}
    assert dirichlet[7230].entry is None
    entry = dirichlet[1000].entry
    assert entry is not None and entry.settings["galaxies"] == 1000 and entry.settings["resolution"] == 96
    command = " ".join(entry.command(Path("runs"), [0], entry.folders(Path("runs"), [0])[0]))
    assert "--set galaxies=1000" in command and "--out runs/gz2/learning-curve/dirichlet-1000/seed0" in command


def scored(value: float, noise: float, seed: int) -> Result:
    draws = value + 0.001 * np.random.default_rng(seed).standard_normal(2000)
    found = {"macro_f1": Estimate(value + noise, value - 0.002, value + 0.002)}
    return Result("multiclass", "toy", 10, found, [], {}, {}, {"macro_f1": draws})


def test_differences_by_hand() -> None:
    metric = BOARDS["multiclass"].metrics["macro_f1"]
    low, high, like = (
        [scored(value, noise, seed) for seed, noise in enumerate((-0.001, 0.0, 0.001))] for value in (0.6, 0.7, 0.7005)
    )
    found = differences.between(metric, [low, high, like], 0, 1, 0.46)
    assert found.value == pytest.approx(-0.1) and found.apart and found.verdict == "worse"
    assert differences.between(metric, [low, high, like], 1, 0, 0.46).verdict == "better"
    near = differences.between(metric, [low, high, like], 2, 1, 0.46)
    assert near.value == pytest.approx(0.0005) and near.verdict == "statistically tied"
    # The same trainings on both sides: with no spread of theirs, the paired interval alone decides.
    assert near.low > 0 and differences.between(metric, [low, high, like], 2, 1, 0.46, members=True).verdict == "better"


def row(galaxies: int, mean: float, less: list[dict[str, Any]]) -> dict[str, Any]:
    facts = {"edition": "gz2", "model": "A model", "galaxies": galaxies, "epochs": 6, "board": "multiclass"}
    return facts | {
        "metric": "macro_f1", "mean": mean, "low": mean - 0.02, "high": mean + 0.02, "spread": 0.01,
        "values": [mean] * 3, "less": less,
    }  # fmt: skip


def test_the_page_marks_what_is_told_apart_and_the_figure_is_drawn(tmp_path: Path) -> None:
    less = {"than": "A model", "value": -0.1, "low": -0.12, "high": -0.08, "apart": True, "better": False}
    rows = [row(500, 0.6, [less]), row(4000, 0.69, [less | {"value": -0.01, "apart": False}]), row(7230, 0.7, [])]
    text = campaign.markdown(rows, ["A model on 1,000 galaxies of gz2: 1 of 3"])
    assert "| A model | 500 | 6 | 3 | 0.600 [0.580, 0.620] | 0.01 | **-0.100 [-0.120, -0.080]** |" in text
    assert "| A model | 4,000 | 6 | 3 | 0.690 [0.670, 0.710] | 0.01 | -0.010 [-0.120, -0.080] |" in text
    assert "| A model | 7,230 | 6 | 3 | 0.700 [0.680, 0.720] | 0.01 |  |" in text
    assert text.endswith("## Not trained yet\n\n- A model on 1,000 galaxies of gz2: 1 of 3 trainings\n")
    campaign.figure(rows, tmp_path / "curve.svg")
    drawn = (tmp_path / "curve.svg").read_bytes()
    campaign.figure(rows, tmp_path / "again.svg")
    assert b"<svg" in drawn and drawn == (tmp_path / "again.svg").read_bytes()

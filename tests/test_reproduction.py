"""Runs made anew, held against the entry whose command they repeat."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from galaxy_zoo_decals import predictions as files
from galaxy_zoo_decals.schema import GZD5
from leaderboard.__main__ import main
from leaderboard.reproduction import Again

ROOT = Path(__file__).parents[1] / "leaderboard"

Made = Callable[..., Path]


@pytest.fixture
def entry() -> Path:
    (found,) = (ROOT / "submissions").glob("20*[0-9]-cnn-16-32-64-quick")
    return found


@pytest.fixture
def again(entry: Path, tmp_path: Path) -> Made:
    """A run folder with what one of the entry's seeds left, as its command would write it again, or changed."""

    def make(seed: int = 1, noise: float = 0.0, **changed: object) -> Path:
        folder = tmp_path / f"seed{seed}"
        below = Path("sample") / "multiclass" / f"seed{seed}.parquet"
        facts = json.loads((entry / "runs" / below).with_suffix(".json").read_text())
        facts["recipe"] |= {key: value for key, value in changed.items() if key not in facts}
        facts |= {key: value for key, value in changed.items() if key in facts}
        (folder / "predictions" / below).parent.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps(facts))
        shutil.copy(entry / "predictions" / below, folder / "predictions" / below)
        if noise:
            given = files.read(folder / "predictions" / below, GZD5)
            mixed = (1 - noise) * given.values + noise * given.values[::-1]
            blurred = files.Predictions(
                given.task, given.edition, given.content_hash, given.split_hash, given.seed, given.names, mixed
            )
            files.write(folder / "predictions" / below, blurred, GZD5)
        return folder

    return make


def test_the_same_predictions_are_the_very_score(entry: Path, again: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", entry.name, str(again()), str(again(2))]) == 0
    said = capsys.readouterr().out
    assert said.count("the very score of the entry's seed") == 2 and said.endswith("Reproduced.\n")


def test_a_run_far_from_the_seeds_is_not(entry: Path, again: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", entry.name, str(again(noise=0.6))]) == 1
    said = capsys.readouterr().out
    assert "more than 2" in said and said.endswith("Not reproduced.\n")


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"learning_rate": 0.5}, "its setting learning_rate is 0.5, not 0.002"),
        ({"galaxies": 500}, "which knows no galaxies: here it is 500"),
        ({"title": "CNN 8-16"}, "its model is 'CNN 8-16', not 'CNN 16-32-64'"),
    ],
)
def test_a_run_of_something_else_is_refused(
    changed: dict[str, object], problem: str, entry: Path, again: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", entry.name, str(again(**changed))]) == 1
    assert problem in capsys.readouterr().err


def test_two_deviations_by_hand() -> None:
    seeds = {0: 0.60, 1: 0.62, 2: 0.64}  # mean 0.62, s.d. 0.02
    near, far = (Again(Path("run"), 7, "multiclass", score, seeds) for score in (0.659, 0.661))
    assert np.isclose(near.off, 1.95) and near.good and not near.same
    assert np.isclose(far.off, 2.05) and not far.good
    assert Again(Path("run"), 2, "multiclass", 0.64, seeds).same
    assert not Again(Path("run"), 1, "multiclass", 0.64, seeds).same

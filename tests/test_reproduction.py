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
from galaxy_zoo_decals.scoring import BOARDS
from leaderboard.__main__ import main
from leaderboard.entry import versions
from leaderboard.entry.truths import Truths
from leaderboard.ranking import board_table, entries
from leaderboard.ranking.ties import Scored
from leaderboard.repeat.reproduction import Again

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
    assert "TOO FAR" in said and said.endswith("Not reproduced.\n")


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"learning_rate": 0.5}, "its setting learning_rate is 0.5, not 0.002"),
        ({"galaxies": 500}, "its setting galaxies is 500, not None"),
        ({"title": "CNN 8-16"}, "its model is 'CNN 8-16', not 'CNN 16-32-64'"),
    ],
)
def test_a_run_of_something_else_is_refused(
    changed: dict[str, object], problem: str, entry: Path, again: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", entry.name, str(again(**changed))]) == 1
    assert problem in capsys.readouterr().err


def test_a_folder_without_a_run_is_named(entry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", entry.name, str(tmp_path)]) == 1
    assert f"{tmp_path} holds no run.json" in capsys.readouterr().err


def test_runs_on_no_board_of_the_entry_are_not_called_reproduced(
    entry: Path, again: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("leaderboard.ranking.entries.scored", lambda folder, truths: [])
    assert main(["reproduce", entry.name, str(again())]) == 1
    told = capsys.readouterr()
    assert "on no board together" in told.err and "Reproduced" not in told.out


def test_deviations_by_hand() -> None:
    seeds = {0: 0.60, 1: 0.62, 2: 0.64}  # mean 0.62; a new training differs from it by 0.03 sqrt(4/3) = 0.0346
    near, far = (Again(Path("run"), 7, "multiclass", score, seeds, 0.03) for score in (0.689, 0.690))
    assert np.isclose(near.off, 1.992, atol=1e-3) and near.good and not near.same
    assert np.isclose(far.off, 2.021, atol=1e-3) and not far.good
    # Of four numbers judged together the farthest may be farther off: isf(sf(2) / 4) = 2.53.
    assert np.isclose(Again(Path("run"), 7, "votes", 0.69, seeds, 0.03, judged=4).allowed, 2.53, atol=5e-3)
    assert Again(Path("run"), 2, "multiclass", 0.64, seeds, 0.03).same
    assert not Again(Path("run"), 1, "multiclass", 0.64, seeds, 0.03).same


@pytest.mark.parametrize(("spread", "most"), [(0.3, 0.01), (1.0, 0.09), (5.0, 0.22)])
def test_an_honest_repetition_is_seldom_refused(spread: float, most: float) -> None:
    """Entries of three seeds and a fourth training of the same, many times; the spread as a share of the usual one.

    4.6 % are promised where the spread is known; of seeds that vary much more than usual, three tell too little.
    """
    rng = np.random.default_rng(5)
    draws = rng.standard_normal(500)
    refused = 0
    for _ in range(2000):
        values = spread * rng.standard_normal(3)
        wide = Scored(values.tolist(), draws, 1 / draws.std()).training ** 0.5
        refused += not Again(
            Path("run"), 9, "multiclass", spread * float(rng.standard_normal()), dict(enumerate(values)), wide
        ).good
    assert refused / 2000 < most
    if spread == 1:
        assert refused / 2000 > 0.02


def test_another_entry_does_not_move_what_is_allowed(
    entry: Path, again: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["reproduce", entry.name, str(again(noise=0.6))])
    said = capsys.readouterr().out
    key = "sample", versions.read(ROOT / "benchmark")[-1].editions["sample"].content_hash
    one = entries.named(entry.name, *entries.submitted(ROOT, Truths.on_this_machine([])))
    own = board_table.scored(key, BOARDS["multiclass"], one)
    usual = 0.46**2 * float(np.var(own.draws))
    by_hand = max(float(np.var(own.seeds, ddof=1)), (2 * float(np.var(own.seeds, ddof=1)) + 2 * usual) / 4) ** 0.5
    assert f"s.d. of trainings {by_hand:.2g}:" in said

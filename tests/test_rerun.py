"""An entry's weights run again, on the board's galaxies and on galaxies that nobody has seen."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from benchmark import predict as prediction
from benchmark import run as training
from benchmark import run_folder
from galaxy_zoo_decals import predictions as files
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.predictions import Predictions
from galaxy_zoo_decals.schema import GZD5
from galaxy_zoo_decals.scoring import BOARDS, Truth
from leaderboard.__main__ import main
from leaderboard.entry import evidence
from leaderboard.files import LeaderboardError, sha256
from leaderboard.repeat import fresh, rerun
from tests.harness import TINY_CNN

ROOT = Path(__file__).parents[1] / "leaderboard"
SLUG = "20261128-mine"
GALAXIES = 60
RANDOMNESS = "3f" * 32

Said = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two trainings of one small network on the sample."""
    out = tmp_path_factory.mktemp("trained")
    settings = [*TINY_CNN, "--set", "epochs=3", "--set", "channels=8,16"]
    with pytest.MonkeyPatch.context() as patch:
        # One commit, whatever somebody does with the working tree meanwhile.
        patch.setattr(run_folder, "commit", lambda: {"commit": "ab" * 20, "dirty": False})
        for seed in (0, 1):
            arguments = ["--model", "multiclass", "--edition", "sample", "--out", str(out / str(seed))]
            assert training.main([*arguments, "--seed", str(seed), *settings]) == 0
    return [out / "0", out / "1"]


in_a_process, draw = rerun.predict, fresh.draw


@pytest.fixture(scope="module")
def predicted() -> dict[tuple[str, str], Predictions]:
    return {}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch, predicted: dict[tuple[str, str], Predictions]) -> None:
    """Let the first model predict in a process, as always, and the others here: a process takes seconds to start."""

    def predict(model: Path, edition: Edition, out: Path) -> Predictions:
        key = str(model), edition.content_hash
        if key not in predicted:
            if not predicted:
                predicted[key] = in_a_process(model, edition, out)
            else:
                files.write(out, prediction.board_predictions(prediction.load(str(model)), edition, 0), edition.tree)
                predicted[key] = files.read(out, edition.tree)
        return predicted[key]

    monkeypatch.setattr(rerun, "predict", predict)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("drawn") / "fresh"


@pytest.fixture(autouse=True)
def drawn_once(monkeypatch: pytest.MonkeyPatch, drawn: Path) -> None:
    """Let one edition of fresh galaxies do."""

    def once(edition: Edition, text: str, galaxies: int, out: Path) -> Edition:
        assert (text, galaxies) == (RANDOMNESS, GALAXIES) and not out.exists()
        return Edition.open(str(drawn)) if drawn.exists() else draw(edition, text, galaxies, drawn)

    monkeypatch.setattr(fresh, "draw", once)


def publish(root: Path, weights: Path) -> None:
    """Let the entry name a file of weights as the published one."""
    path = root / "submissions" / SLUG / "submission.yaml"
    said = f"  url: https://example.org/w\n  sha256: {sha256(weights)}\n  licence: MIT\n"
    text, changed = re.subn(r"(?m)^  url:.*\n  sha256:.*\n  licence:.*\n", said, path.read_text())
    assert changed == 1
    path.write_text(text)


Enter = Callable[..., Path]


@pytest.fixture
def enter(tmp_path: Path, trained: list[Path], capsys: Said) -> Enter:
    """Make an entry of runs, scored, in a leaderboard folder of its own that is committed."""

    def make(runs: list[Path], change: Callable[[Predictions], Predictions] | None = None) -> Path:
        root = tmp_path / "board"
        copies = [tmp_path / "runs" / folder.name for folder in runs]
        for folder, copy in zip(runs, copies):
            shutil.copytree(folder, copy)
            (path,) = (copy / "predictions").rglob("*.parquet")
            if change:
                files.write(path, change(files.read(path, GZD5)), GZD5)
        named = ["--name", "Mine", "--authors", "Me", "--date", "20261128", "--root", str(root)]
        assert main(["submit", *map(str, copies), *named]) == 0
        publish(root, next(runs[0].rglob("model.safetensors")))
        assert main(["score", SLUG, "--root", str(root)]) == 0
        identity = ["-c", "user.name=Me", "-c", "user.email=me@example.org"]
        for words in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "Mine"]):
            subprocess.run(["git", "-C", str(root), *words], check=True)
        capsys.readouterr()
        return root

    return make


def again(root: Path, weights: list[Path], *more: str) -> int:
    given = [word for folder in weights for word in ("--weights", str(folder))]
    return main(["rerun", SLUG, *given, "--root", str(root), *more])


FRESH = ("--fresh", "--seed", RANDOMNESS, "--galaxies", str(GALAXIES))


def hashes(root: Path) -> dict[str, tuple[str, str]]:
    stored = json.loads((root / "scores" / SLUG / "summary.json").read_text())["files"]
    return {f["prediction_sha256"]: (f["edition"]["name"], f["edition"]["content_hash"]) for f in stored}


def test_published_weights_are_run_again_hold_on_fresh_galaxies_and_are_kept(
    enter: Enter, trained: list[Path], capsys: Said
) -> None:
    root = enter(trained[:1])
    assert again(root, trained[:1], *FRESH, "--store") == 0
    said = capsys.readouterr().out
    assert "agrees best with seed 0; 410 of 410 galaxies have the same answer (100.00 %)" in said
    assert "Run again." in said and "holds on fresh galaxies" in said
    kept = evidence.Rerun.model_validate_json((root / "evidence" / SLUG / "rerun.json").read_text())
    assert [file.same for file in kept.files] == [1.0]
    assert kept.fresh is not None and kept.fresh.seed == fresh.seed(RANDOMNESS)
    assert kept.fresh.round == fresh.due(datetime.now(UTC))
    (board,) = kept.fresh.boards
    assert abs(board.galaxies - GALAXIES) < 15 and board.low < 0 < board.high
    found, warnings = evidence.of(SLUG, root, hashes(root))
    assert [one.word for one in found] == ["re-run", "re-run on fresh galaxies"] and warnings == []
    assert {key[0] for one in found for key in one.editions} == {"sample"}
    # Of other prediction files, or of one seed of two, it says nothing.
    (key,) = hashes(root).values()
    found, warnings = evidence.of(SLUG, root, {"0" * 64: key})
    assert found == [] and "none of the entry's now" in warnings[0]
    found, warnings = evidence.of(SLUG, root, hashes(root) | {"0" * 64: key})
    assert found == [] and "not run again" in warnings[0]


def test_other_weights_are_not_the_entry_and_nothing_is_kept(enter: Enter, trained: list[Path], capsys: Said) -> None:
    root = enter(trained[:1])
    assert again(root, trained[1:], "--store") == 1
    told = capsys.readouterr()
    share = re.search(r"galaxies have the same answer \(([0-9.]+) %\)", told.out)
    assert share and float(share[1]) < 99.5 and "NOT THE SAME PREDICTIONS" in told.out
    assert "does not predict what" in told.err and not (root / "evidence").exists()


def test_every_seed_must_be_run_again_before_anything_is_kept(enter: Enter, trained: list[Path], capsys: Said) -> None:
    root = enter(trained)
    assert again(root, trained[:1], "--store") == 1
    told = capsys.readouterr()
    assert "agrees best with seed 0; 410 of 410" in told.out
    assert "no weights were given for sample multiclass seed 1" in told.err and not (root / "evidence").exists()
    assert again(root, trained[::-1], "--store") == 0
    assert len(json.loads((root / "evidence" / SLUG / "rerun.json").read_text())["files"]) == 2


def test_predictions_blended_with_the_truth_are_not_run_again_and_fall_on_fresh_galaxies(
    enter: Enter, trained: list[Path], capsys: Said
) -> None:
    truth = Truth.of(Edition.open("sample"))

    def blend(honest: Predictions) -> Predictions:
        known = np.where(truth.classes.label[:, None] < 0, honest.values, np.eye(4)[truth.classes.label])
        return replace(honest, values=0.4 * honest.values + 0.6 * known)

    root = enter(trained[:1], blend)
    assert again(root, trained[:1], *FRESH) == 1
    said = capsys.readouterr().out
    assert "Not run again" in said and "lower on fresh galaxies by" in said and "a person looks at it" in said


def test_concentrations_raised_where_the_truth_is_known_change_a_score_and_no_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: Said, tmp_path: Path
) -> None:
    (entry,) = (ROOT / "submissions").glob("20*-dirichlet-efficientnet-lite0-quick")
    honest = files.read(next(entry.rglob("seed0.parquet")), GZD5)
    (tmp_path / "config.json").write_text("{}")
    for factor, status in ((1.0, 0), (1.01, 0), (1.1, 1)):
        changed = replace(honest, values=factor * honest.values)
        monkeypatch.setattr(rerun, "predict", lambda *_, changed=changed: changed)
        assert main(["rerun", entry.name, "--weights", str(tmp_path)]) == status
        said = capsys.readouterr().out
        assert "410 of 410 galaxies have the same answer" in said
        assert ("NOT THE SAME" in said) == bool(status)


def test_hostile_weights_end_in_one_sentence(
    enter: Enter, trained: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    monkeypatch.setattr(rerun, "predict", in_a_process)
    root, hostile, marker = enter(trained[:1]), tmp_path / "hostile", tmp_path / "ran"
    hostile.mkdir()
    code = f"open({str(marker)!r}, 'w')\n"
    (hostile / "theirs.py").write_text(code)
    (hostile / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch " + str(marker).encode() + b"'\ntR.")
    told = {
        "model_type": "theirs",
        "auto_map": {"AutoConfig": "theirs.C", "AutoModelForImageClassification": "theirs.M"},
    }
    (hostile / "config.json").write_text(json.dumps(told))
    assert again(root, [hostile]) == 1
    error = capsys.readouterr().err
    assert "no model that can be loaded" in error and error.count("\n") == 1 and not marker.exists()
    assert again(root, [tmp_path]) == 1
    assert "holds no model" in capsys.readouterr().err


def test_the_seed_comes_from_a_round_after_the_merge(enter: Enter, trained: list[Path], capsys: Said) -> None:
    root = enter(trained[:1])
    assert again(root, trained[:1], "--fresh") == 1
    due = fresh.due(datetime.now(UTC))
    error = capsys.readouterr().err
    assert f"drand round {due}" in error and f"/public/{due} " in error and "00:00:0" in error
    # A seed that somebody chose may be tried, and is not kept.
    assert again(root, trained[:1], "--seed", "mine") == 1
    assert "add --fresh" in capsys.readouterr().err


def test_rounds_and_seeds_by_hand() -> None:
    # Published: round 35,107,012 of quicknet comes at 1,798,124,400 s.
    assert fresh.GENESIS + fresh.PERIOD * (35_107_012 - 1) == 1_798_124_400
    for hour in (0, 23):
        merged = datetime(2026, 12, 24, hour, 59, tzinfo=UTC)
        out = fresh.GENESIS + fresh.PERIOD * (fresh.due(merged) - 1)
        midnight = datetime(2026, 12, 25, tzinfo=UTC)
        assert timedelta(0) <= datetime.fromtimestamp(out, UTC) - midnight < timedelta(seconds=fresh.PERIOD)
    # printf abc | sha256sum: ba7816bf8f01...
    assert fresh.seed("abc") == fresh.seed(" ABC\n") == 0xBA7816BF8F01
    assert fresh.is_randomness(RANDOMNESS) and not fresh.is_randomness("abc")


def test_fresh_galaxies_are_of_the_same_kind_and_none_of_the_board(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = Edition.open("sample")
    drawn = fresh.draw(sample, RANDOMNESS, GALAXIES, tmp_path / "fresh")
    truth, board = fresh.truth(drawn, Truth.of(sample)), Truth.of(sample)
    assert abs(len(truth.names) - GALAXIES) < 10 and not set(truth.names) & set(board.names)
    assert drawn.facts["source"]["seed"] == fresh.seed(RANDOMNESS)  # type: ignore[index]
    for key in ("image_size", "image_quality"):
        assert drawn.facts[key] == sample.facts[key]
    # Which classes count is the board's word, though few of them have 20 galaxies here.
    assert (truth.counted["classes"] == board.counted["classes"]).all()
    assert not np.array_equal(Truth.of(drawn).counted["classes"], board.counted["classes"])
    monkeypatch.setattr(fresh, "VERSION", "3")
    with pytest.raises(LeaderboardError, match="drawn by version 2 of the simulator, and this is version 3"):
        fresh.check(sample)
    monkeypatch.undo()
    monkeypatch.setattr(fresh, "simulate", lambda *_: {})
    with pytest.raises(LeaderboardError, match="is not the galaxy that the simulator draws"):
        fresh.check(sample)
    monkeypatch.undo()
    monkeypatch.setattr(fresh, "seed", lambda text: 42)
    with pytest.raises(LeaderboardError, match="its galaxies are not fresh"):
        draw(sample, "42", 30, tmp_path / "stale")


def test_answers_by_hand() -> None:
    classes = np.array([[0.5, 0.3, 0.1, 0.1], [0.1, 0.2, 0.3, 0.4]])
    assert BOARDS["multiclass"].decided(GZD5, classes).tolist() == [[0], [3]]
    labels = np.full((2, len(GZD5.label_names)), 0.5)
    labels[1, 2] = 0.51
    assert BOARDS["multilabel"].decided(GZD5, labels).sum(axis=1).tolist() == [0, 1]
    # Smooth, then round: what would be said of bars does not matter, as nobody is asked.
    votes = np.ones((2, len(GZD5.answers)))
    votes[:, GZD5.answer_index["smooth-or-featured", "smooth"]] = 9
    votes[:, GZD5.answer_index["how-rounded", "round"]] = 9
    votes[1, GZD5.answer_index["bar", "strong"]] = 9
    one, other = BOARDS["votes"].decided(GZD5, votes)
    assert (one == other).all() and one[GZD5.question_index["bar"]] == -1
    votes[1, GZD5.answer_index["how-rounded", "cigar-shaped"]] = 10
    one, other = BOARDS["votes"].decided(GZD5, votes)
    assert (one != other).sum() == 1


def test_the_interval_of_a_difference_by_hand() -> None:
    from galaxy_zoo_decals.scoring import Estimate, Result

    draws = np.array([-1.0, 1.0], np.float32)

    def score(value: float, error: float, metric: str) -> Result:
        around = {metric: (value + error * draws).astype(np.float32)}
        return Result("multiclass", "toy", 50, {metric: Estimate(value, 0.0, 1.0)}, [], {}, {}, around)

    # s.e. 0.03 and 0.04: together 0.05, times 1.96.
    found = rerun._difference(
        ("sample", "0" * 64), "multiclass", score(0.8, 0.03, "macro_f1"), score(0.75, 0.04, "macro_f1"), 1
    )
    assert np.allclose([found.difference, found.low, found.high], [-0.05, -0.148, 0.048], atol=5e-4) and found.holds
    # Less is better for the likelihood of votes; two numbers judged together: 2.24 standard errors.
    worse = rerun._difference(("sample", "0" * 64), "votes", score(18.0, 0.3, "nll"), score(19.0, 0.0, "nll"), 2)
    assert np.allclose([worse.difference, worse.high], [-1.0, -1.0 + 0.6724], atol=1e-3) and not worse.holds


def test_weights_whose_sha256_the_entry_does_not_name_are_not_the_published_ones(
    enter: Enter, trained: list[Path], capsys: Said
) -> None:
    root = enter(trained[:1])
    publish(root, next(trained[1].rglob("model.safetensors")))
    assert again(root, trained[:1], "--store") == 1
    told = capsys.readouterr()
    assert "Run again." in told.out and "no model has the weights whose sha256" in told.err
    assert not (root / "evidence").exists()


def test_evidence_that_is_not_in_form_is_told(tmp_path: Path) -> None:
    path = tmp_path / "evidence" / SLUG / "retrained.json"
    path.parent.mkdir(parents=True)
    for text, word in (('{"format": "1"}', "Field required"), ("{", "not JSON"), ("[]", "")):
        path.write_text(text)
        found, warnings = evidence.of(SLUG, tmp_path, {})
        assert found == [] and len(warnings) == 1 and word in warnings[0]


def test_a_reproduction_is_kept_if_it_is_one(tmp_path: Path, capsys: Said) -> None:
    (entry,) = (ROOT / "submissions").glob("20*[0-9]-cnn-16-32-64-quick")
    for part in ("submissions", "scores"):
        shutil.copytree(ROOT / part / entry.name, tmp_path / part / entry.name)
    runs = []
    for seed in (0, 1):
        below, folder = Path("sample/multiclass") / f"seed{seed}.parquet", tmp_path / f"run{seed}"
        (folder / "predictions" / below).parent.mkdir(parents=True)
        shutil.copy((entry / "runs" / below).with_suffix(".json"), folder / "run.json")
        shutil.copy(entry / "predictions" / below, folder / "predictions" / below)
        runs.append(folder)
    given = files.read(runs[1] / "predictions" / below, GZD5)
    files.write(runs[1] / "predictions" / below, replace(given, values=given.values[::-1]), GZD5)
    reproduce = ["reproduce", entry.name, "--root", str(tmp_path), "--store"]
    assert main([*reproduce, *map(str, runs)]) == 1
    assert "is too far from" in capsys.readouterr().err and not (tmp_path / "evidence").exists()
    assert main([*reproduce, str(runs[0])]) == 0
    stored = json.loads((ROOT / "scores" / entry.name / "summary.json").read_text())["files"]
    hashes = {f["prediction_sha256"]: (f["edition"]["name"], f["edition"]["content_hash"]) for f in stored}
    (found,), warnings = evidence.of(entry.name, tmp_path, hashes)
    assert found.word == "re-trained" and found.sentence.startswith("1 run made anew: the very scores") and not warnings
    # One of the prediction files that it was held against is another now.
    found_now, warnings = evidence.of(entry.name, tmp_path, dict(list(hashes.items())[1:]))
    assert found_now == [] and "none of the entry's now" in warnings[0]

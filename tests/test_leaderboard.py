"""From run folders to a checked, scored submission, and what is said of damaged ones."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from galaxy_zoo_decals import scoring
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.scoring import Result, Truth
from leaderboard.__main__ import main
from leaderboard.check import submission_check
from leaderboard.entry import draft, prediction_file, submission, versions
from leaderboard.entry.truths import Truths
from leaderboard.files import LeaderboardError
from leaderboard.ranking import stored_scores, ties
from leaderboard.ranking.ties import Scored
from tests.test_leaderboard_runs import change_run, write_run

FILLED = {
    "contact": "someone@example.org",
    "description": "A small network, trained from scratch.",
    "training_data": "The training split of the edition, nothing else.",
    "selection": "validation only",
    "attestation": True,
    "weights": "not published",
    "test_overlap": {"status": "none", "note": "Trained from scratch on the training split."},
}
PREDICTIONS = "predictions/toy/multiclass/seed0.parquet"


def fill_in(folder: Path, **changes: Any) -> None:
    """Complete a drafted submission.yaml as its author would."""
    path = folder / "submission.yaml"
    content = yaml.safe_load(path.read_text()) | FILLED | changes
    content["code"]["repository"] = "https://example.org/code"
    path.write_text(yaml.safe_dump(content, sort_keys=False))


@pytest.fixture(scope="session")
def finished(toy_edition: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A leaderboard folder with one complete, scored submission of two seeds."""
    root = tmp_path_factory.mktemp("leaderboard")
    runs = [write_run(toy_edition, root / "runs", "multiclass", seed=seed) for seed in (0, 1)]
    words = ["submit", *map(str, runs), "--name", "Small & bold", "--authors", "A. Nonymous"]
    assert main([*words, "--date", "20260102", "--root", str(root), "--edition", str(toy_edition)]) == 0
    fill_in(root / "submissions" / "20260102-small-bold")
    assert main(["score", "--root", str(root), "--edition", str(toy_edition)]) == 0
    return root


@pytest.fixture
def board(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished leaderboard that a test may damage."""
    return Path(shutil.copytree(finished, tmp_path / "board"))


def only(root: Path) -> Path:
    """Return the one submission below a leaderboard folder."""
    (folder,) = (root / "submissions").iterdir()
    return folder


def faults(root: Path, toy_edition: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Run the check, which must fail without a crash, and return what it says."""
    capsys.readouterr()
    assert main(["check", "--root", str(root), "--edition", str(toy_edition)]) == 1
    return capsys.readouterr().err


def test_a_submission_goes_through(finished: Path, toy_edition: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--root", str(finished), "--edition", str(toy_edition)]) == 0
    assert "good; 2 prediction files, 2 re-scored" in capsys.readouterr().out


def test_a_draft_says_what_remains(toy_edition: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(toy_edition, tmp_path / "runs", "dirichlet")
    words = ["submit", str(run), "--name", "New", "--root", str(tmp_path), "--edition", str(toy_edition)]
    assert main(words) == 0
    said = capsys.readouterr().out
    for key in ("contact", "code.repository", "weights.url", "test_overlap.status", "attestation", "authors"):
        assert key in said
    draft = (only(tmp_path) / "submission.yaml").read_text()
    assert draft.count("# fill in") == len(submission.read(only(tmp_path) / "submission.yaml").remaining())
    assert "status: active\n" in draft and "contact: null  # fill in: e-mail" in draft
    assert main(["score", "--root", str(tmp_path), "--edition", str(toy_edition)]) == 0
    said = faults(tmp_path, toy_edition, capsys)
    assert "submission.yaml: line" in said and "contact is still to be filled in" in said
    stored = stored_scores.read(tmp_path / "scores" / only(tmp_path).name)
    assert set(stored[0].boards) == {"multiclass", "multilabel", "hierarchical", "votes"}


def test_stored_scores_come_back_whole(finished: Path, toy_edition: Path) -> None:
    stored = stored_scores.read(finished / "scores" / only(finished).name)
    truth = Truth.of(Edition(toy_edition))
    fresh = scoring.score(truth, prediction_file.read(only(finished) / PREDICTIONS, truth), "here")
    assert stored_scores.differences(stored[0].boards["multiclass"], fresh["multiclass"]) == []
    assert stored[0].boards["multiclass"].draws["accuracy"].dtype == np.float32


@pytest.mark.parametrize("written", ["1e999", "1" + 400 * "0"])
def test_stored_numbers_beyond_all_bounds_are_refused(written: str, finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / only(finished).name
    shutil.copytree(finished / "scores" / only(finished).name, folder)
    text = (folder / "summary.json").read_text()
    start = text.index('"value": ') + len('"value": ')
    place = text.index('"galaxies": ') + len('"galaxies": ') if written == "1e999" else start
    end = min(text.index(mark, place) for mark in ",}\n" if mark in text[place:])
    (folder / "summary.json").write_text(text[:place] + written + text[end:])
    with pytest.raises(LeaderboardError, match="not in the scorer's form"):
        stored_scores.read(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda board: board.update(rows=[{}]), lambda board: board.update(partial="false"),
        lambda board: board["curves"].update(strata=[{"value": [1]}]),
        lambda board: board["rows"][0].update(f1={"a": 1}),
    ],
)  # fmt: skip
def test_stored_tables_of_another_form_are_refused(
    change: Callable[[dict[str, Any]], None], finished: Path, tmp_path: Path
) -> None:
    folder = tmp_path / only(finished).name
    shutil.copytree(finished / "scores" / only(finished).name, folder)
    content = json.loads((folder / "summary.json").read_text())
    change(content["files"][0]["boards"]["multiclass"])
    (folder / "summary.json").write_text(json.dumps(content))
    with pytest.raises(LeaderboardError, match="not in the scorer's form"):
        stored_scores.read(folder)


def tamper_score(folder: Path, root: Path) -> None:
    path = root / "scores" / folder.name / "summary.json"
    content = json.loads(path.read_text())
    content["files"][0]["boards"]["multiclass"]["metrics"]["accuracy"]["value"] += 1e-3
    path.write_text(json.dumps(content))


def edit_prediction(folder: Path, root: Path) -> None:
    table = pq.read_table(folder / PREDICTIONS)
    first = table["p_elliptical"].to_numpy().copy()
    first[3] = 65535
    column = pa.array(first, pa.uint16())
    pq.write_table(table.set_column(1, "p_elliptical", column), folder / PREDICTIONS)


def swap_rows(folder: Path, root: Path) -> None:
    table = pq.read_table(folder / PREDICTIONS)
    order = np.arange(len(table))
    order[[0, 1]] = order[[1, 0]]
    pq.write_table(table.take(order), folder / PREDICTIONS)


def better_prediction(folder: Path, root: Path) -> None:
    table = pq.read_table(folder / PREDICTIONS)
    swapped = table.set_column(1, "p_elliptical", table["p_spiral"]).set_column(2, "p_spiral", table["p_elliptical"])
    pq.write_table(swapped, folder / PREDICTIONS)


def copy_seed(folder: Path, root: Path) -> None:
    table = pq.read_table(folder / PREDICTIONS)
    metadata = {**table.schema.metadata, b"seed": b"1"}
    pq.write_table(table.replace_schema_metadata(metadata), (folder / PREDICTIONS).with_name("seed1.parquet"))


def change_yaml(old: str, new: str) -> Any:
    def damage(folder: Path, root: Path) -> None:
        path = folder / "submission.yaml"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))

    return damage


def change(**changes: Any) -> Any:
    return lambda folder, root: change_run(folder / "runs/toy/multiclass/seed0.json", **changes)


def link(folder: Path, root: Path) -> None:
    (folder / "citation.bib").symlink_to("/etc/hostname")


def add(name: str, content: bytes = b"x", mode: int = 0o644) -> Any:
    def damage(folder: Path, root: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(mode)

    return damage


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (tamper_score, ["metrics.accuracy.value", "recomputed", "python -m leaderboard score"]),
        (edit_prediction, ["seed0.parquet", "row 4", "sum to"]),
        (better_prediction, ["seed0.parquet", "not the file that was scored"]),
        (swap_rows, ["seed0.parquet", "row 1", "expected"]),
        (copy_seed, ["seed1.parquet", "the same predictions as", "seed0.parquet"]),
        (change_yaml("official:", "offical: true\nofficial:"), ["line", "unknown key 'offical'"]),
        (change_yaml("official:", "name: again\nofficial:"), ["line", "'name' stands here a second time"]),
        (change_yaml("https://example.org/code", "javascript:alert(1)"), ["code.repository", "line"]),
        (change_yaml("https://example.org/code", "http://example.org/code"), ["code.repository", "line"]),
        (change_yaml("status: active", "status: famous"), ["status", "'active'"]),
        (change_yaml("weights: not published", "weights: &a [*a]"), ["anchors, aliases"]),
        (change_yaml("official: false", "official: !!python/object:os.system {}"), ["tags are not allowed"]),
        (change_yaml("official: false", "official: ["), ["line", "not YAML"]),
        (change(git={"dirty": True}), ["seed0.json", "clean commit"]),
        (change(git={"commit": "f" * 40}), ["seed0.json", "submission.yaml says"]),
        (link, ["citation.bib", "link"]),
        (add("citation.bib", b"no BibTeX"), ["citation.bib", "not BibTeX"]),
        (add("README.md", "left \u202e right".encode()), ["README.md: line 1", "U+202E"]),
        (add("predictions/toy/multiclass/../../../../escape.parquet"), []),
        (change(edition={"name": "../../x"}), ["seed0.json", "edition.name"]),
        (change(edition={"split_hash": "0" * 64}), ["seed0.parquet", "split hash"]),
        (change(seed=3), ["seed0.json", "wrong place"]),
        (add("run.sh", b"x", 0o755), ["run.sh", "remove it", "executable"]),
        (add("README.md", b"x" * 70_000), ["README.md", "70,000 bytes"]),
        (add("predictions/toy/multiclass/seed0.parquet", b"PAR1 nothing"), ["seed0.parquet", "not a readable"]),
        (add("predictions/toy/multiclass/seed7.parquet", b"x"), ["seed7.json: missing"]),
    ],
)  # fmt: skip
def test_damage_is_named(
    board: Path, toy_edition: Path, capsys: pytest.CaptureFixture[str], damage: Any, words: list[str]
) -> None:
    damage(only(board), board)
    if not words:  # a file that escaped lies outside the submission, among the others, where the check meets it
        assert "escape.parquet: not a folder" in faults(board, toy_edition, capsys)
        return
    said = faults(board, toy_edition, capsys)
    for word in words:
        assert word in said, said


def test_without_the_truth_the_check_says_so_and_everything_else_is_looked_at(board: Path, toy_edition: Path) -> None:
    truths = Truths.on_this_machine([str(toy_edition)])
    (key,) = truths.given
    edition, truth = truths.editions[key], truths.truth(key)
    assert truth is not None
    frozen = versions.Frozen(
        title=edition.title, tree=edition.tree.name, content_hash=edition.content_hash, galaxies=len(truth.names),
        simulated=False, truth="counts", licence="CC0-1.0", credit="toys", may_publish_images=True,
        may_publish_votes=True,
        split_hash=edition.split_hash, order_hash=versions.order_hash(truth), votes_hash=versions.votes_hash(truth),
    )  # fmt: skip
    version = versions.Version(version="1", ranked_by={}, training={}, editions={key[0]: frozen})
    absent = Truths(editions={}, frozen={key: (version, frozen)})
    (slug,) = (p.name for p in (board / "submissions").iterdir())
    report = submission_check.check(board / "submissions" / slug, board / "scores" / slug, absent, [])
    assert not report.faults and report.files == 2 and report.rescored == 0
    assert all("not re-scored: needs the edition 'toy'" in note for note in report.notes) and len(report.notes) == 2
    shutil.rmtree(board / "scores" / slug)
    unscored = submission_check.check(board / "submissions" / slug, board / "scores" / slug, absent, [])
    assert not unscored.faults and "stands as reported" in unscored.notes[0]
    edit_prediction(board / "submissions" / slug, board)
    assert (
        "sum to" in submission_check.check(board / "submissions" / slug, board / "scores" / slug, absent, []).faults[0]
    )


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["nowhere", "--name", "x"], "nowhere/run.json"),
        (["{run}", "--name", "!!!"], "some letters"),
        (["{run}", "{run}", "--name", "x"], "are both seed 0"),
        (["{run}", "{other}", "--name", "x"], "different models"),
        (["{run}", "--name", "a\nb"], "name"),
        (["{broken}", "--name", "x"], "missing, though run.json says"),
        (["{run}", "--name", "x", "--edition", "elsewhere"], "--edition elsewhere"),
    ],
)
def test_bad_input_leaves_nothing_behind(
    toy_edition: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], error: str
) -> None:
    run = write_run(toy_edition, tmp_path / "runs", "multiclass")
    other = write_run(toy_edition, tmp_path / "runs", "multilabel")
    broken = write_run(toy_edition, tmp_path / "runs", "hierarchical")
    shutil.rmtree(broken / "predictions")
    given = [w.format(run=run, other=other, broken=broken) for w in words]
    root = tmp_path / "board"
    assert main(["submit", *given, "--root", str(root), "--edition", str(toy_edition)]) == 1
    assert error in capsys.readouterr().err
    assert not root.exists() or not list(root.rglob("*.*"))


def test_an_existing_submission_is_not_overwritten(
    board: Path, toy_edition: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(board / "runs/toy/multiclass/seed0")
    words = ["submit", run, "--name", "Small bold", "--date", "20260102", "--root", str(board)]
    assert main([*words, "--edition", str(toy_edition)]) == 1
    assert "exists already" in capsys.readouterr().err


def test_equal_entries_share_a_letter_and_a_better_one_stands_apart() -> None:
    rng = np.random.default_rng(1)
    galaxies = rng.normal(0, 0.02, 2000)
    draws = [0.9 + galaxies, 0.70 + galaxies + rng.normal(0, 0.01, 2000), 0.695 + galaxies + rng.normal(0, 0.01, 2000)]
    every = [Scored([value], drawn, 0.1) for value, drawn in zip((0.9, 0.70, 0.695), draws)]
    ranked = ties.rank(every, higher_is_better=True)
    assert [(p.first, p.last, p.letters) for p in ranked.places] == [(1, 1, "a"), (2, 3, "b"), (2, 3, "b")]
    lower = ties.rank(every, higher_is_better=False)
    assert [(p.first, p.last, p.letters) for p in lower.places] == [(3, 3, "b"), (1, 2, "a"), (1, 2, "a")]


def test_the_spread_of_training_widens_ranks() -> None:
    rng = np.random.default_rng(2)
    draws = [m + rng.normal(0, 0.002, 2000) for m in (0.80, 0.78)]
    seeds = [[0.80, 0.80, 0.80], [0.78, 0.78, 0.78]], [[0.85, 0.75, 0.80], [0.83, 0.73, 0.78]]
    calm, wild = (ties.rank([Scored(v, d, 0.1) for v, d in zip(values, draws)], True) for values in seeds)
    assert [p.letters for p in calm.places] == ["a", "b"]
    assert [p.letters for p in wild.places] == ["a", "a"]


def test_identical_and_undefined_scores_have_places() -> None:
    draws = [np.full(2000, 0.5), np.full(2000, 0.5), np.full(2000, np.nan)]
    ranked = ties.rank([Scored([v], d, 0.1) for v, d in zip((0.5, 0.5, np.nan), draws)], True)
    assert [(p.first, p.last, p.letters) for p in ranked.places] == [(1, 2, "a"), (1, 2, "a"), (3, 3, "")]


def test_the_mean_of_seeds_averages_draws_and_adds_counts(finished: Path) -> None:
    stored = stored_scores.read(finished / "scores" / only(finished).name)
    both = [s.boards["multiclass"] for s in stored]
    mean = Result.mean(both)
    assert mean.metrics["accuracy"].value == pytest.approx(np.mean([s.metrics["accuracy"].value for s in both]))
    assert np.allclose(mean.draws["accuracy"], (both[0].draws["accuracy"] + both[1].draws["accuracy"]) / 2)
    total = np.sum([s.confusions["class"][1] for s in both], axis=0)
    assert (np.array(mean.confusions["class"][1]) == total).all()


def test_a_submission_and_its_yaml_are_the_same_twice(finished: Path, tmp_path: Path) -> None:
    said = submission.read(only(finished) / "submission.yaml")
    draft.write_yaml(tmp_path / "submission.yaml", said)
    assert submission.read(tmp_path / "submission.yaml") == said


@pytest.mark.parametrize("words", [["--help"], ["site", "--help"], ["score", "--wrong"]])
def test_help_and_wrong_words_answer_at_once(words: list[str]) -> None:
    code = f"import sys, runpy; sys.argv = ['leaderboard', *{words!r}]\n"
    code += "try: runpy.run_module('leaderboard', run_name='__main__')\n"
    code += (
        "finally: print(sorted({m.partition('.')[0] for m in sys.modules} & {'torch', 'numpy', 'pandas', 'jinja2'}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[1], env=os.environ
    )
    assert run.stdout.strip().endswith("[]"), run.stdout + run.stderr
    assert "usage" in run.stdout + run.stderr


def test_nothing_of_the_leaderboard_imports_torch_or_the_harness() -> None:
    modules = ("__main__", "render.site", "check.submission_check", "ranking.entries")
    code = f"import sys, {', '.join(f'leaderboard.{name}' for name in modules)}\n"
    code += (
        "print(sorted({m.partition('.')[0] for m in sys.modules} & {'torch', 'transformers', 'benchmark', 'datasets'}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert run.stdout.strip() == "[]", run.stdout + run.stderr

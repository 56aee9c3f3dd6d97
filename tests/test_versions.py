"""Versions of the benchmark, truths with and without editions, schemas, and the scores of committed entries."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.edition_hashes import content_hash
from galaxy_zoo_decals.schema import SPLITS
from galaxy_zoo_decals.scoring import BOARDS, Truth
from leaderboard.__main__ import main
from leaderboard.check import submission_check
from leaderboard.entry import versions
from leaderboard.entry.run_json import prediction_path
from leaderboard.entry.truths import BENCHMARK, Truths
from leaderboard.files import LeaderboardError, sha256
from leaderboard.ranking import stored_scores
from leaderboard.ranking.entries import of_submission, score_submission

ROOT = Path(__file__).parents[1]
LEADERBOARD = ROOT / "leaderboard"
COMMITTED = sorted(p.name for p in (LEADERBOARD / "submissions").iterdir())
CHALLENGE = ROOT.parent / "shared" / "data" / "gz2-challenge" / "training_solutions_rev1.csv"


def test_there_is_an_entry() -> None:
    assert COMMITTED, "the test below needs something to score again"


@pytest.mark.parametrize("slug", COMMITTED)
def test_committed_scores_are_what_the_scorer_says(slug: str) -> None:
    # What may not lie in the repository is scored anew where it is.
    truths = Truths.on_this_machine([], [f"gz2={CHALLENGE}"] if CHALLENGE.is_file() else [])
    stored = stored_scores.read(LEADERBOARD / "scores" / slug)
    fresh, problems = score_submission(LEADERBOARD / "submissions" / slug, truths)
    absent = [s for s in stored if truths.truth(s.key) is None]
    assert len(problems) == len(absent) and len(fresh) + len(absent) == len(stored), problems
    by_place = {(s.key, s.task, s.seed): s for s in stored}
    for s in fresh:
        kept = by_place[s.key, s.task, s.seed]
        assert kept.prediction_sha256 == s.prediction_sha256
        for board, score in s.boards.items():
            words = "run `python -m leaderboard score` and commit"
            assert stored_scores.differences(kept.boards[board], score) == [], words


def test_an_absent_truth_is_said_once_and_keeps_no_other_entry_from_its_scores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edition = {slug: stored_scores.read(LEADERBOARD / "scores" / slug)[0].edition["name"] for slug in COMMITTED}
    chosen = [slug for slug in COMMITTED if edition[slug] == "gz2"][:2]
    chosen += [slug for slug in COMMITTED if edition[slug] == "sample"][:1]
    for slug in chosen:
        shutil.copytree(LEADERBOARD / "submissions" / slug, tmp_path / "submissions" / slug)
    assert main(["score", "--root", str(tmp_path), chosen[0]]) == 1, "the one asked for was not scored"
    capsys.readouterr()
    assert main(["score", "--root", str(tmp_path)]) == 0, "of all, those without a truth here stay reported"
    said = capsys.readouterr()
    (line,) = said.err.splitlines()
    assert line.startswith("2 submissions: not scored: gz2: needs the Kaggle file: pass --truth gz2=PATH")
    assert [p.name for p in (tmp_path / "scores").iterdir()] == chosen[2:] and chosen[2] in said.out


def test_version_1_is_the_embedded_sample_and_ranks_as_the_scorer_does() -> None:
    first = versions.read(BENCHMARK)[0]
    sample = Edition.open("sample")
    frozen = first.editions["sample"]
    assert frozen.content_hash == sample.content_hash and frozen.split_hash == sample.split_hash
    assert frozen.order_hash == sample.facts["scored_order_hash"]
    for task, metric in first.ranked_by.items():
        assert BOARDS[task].primary == metric


def test_a_committed_truth_is_that_of_its_edition() -> None:
    truths, sample = Truths.on_this_machine([]), Edition.open("sample")
    key = (sample.name, sample.content_hash)
    committed, whole = replace(truths, editions={}).truth(key), Truth.of(sample)
    assert committed is not None
    assert (committed.names, committed.title, committed.tree) == (whole.names, whole.title, whole.tree)
    assert np.array_equal(committed.votes, whole.votes)
    assert committed.properties.keys() == whole.properties.keys()
    for name, values in whole.properties.items():
        assert np.array_equal(committed.properties[name], values, equal_nan=True)


@pytest.mark.skipif(not CHALLENGE.is_file(), reason="the Kaggle challenge's table is not on this machine")
@pytest.mark.parametrize("place", [CHALLENGE, CHALLENGE.parent])
def test_the_truth_of_gz2_comes_from_the_challenges_table(place: Path) -> None:
    truths = Truths.on_this_machine([], [f"gz2={place}"])
    (key,) = (k for k in truths.frozen if k[0] == "gz2")
    truth = truths.truth(key)
    assert truth is not None and len(truth.names) == 1000 and truth.tree.name == "GZ2"
    assert "--truth gz2=PATH" in Truths.on_this_machine([]).missing(key)


def test_another_table_is_no_truth_of_gz2(tmp_path: Path) -> None:
    from galaxy_zoo_decals.sources.kaggle import class_columns

    columns = [c for names in class_columns().values() for c in names]
    lines = [",".join(["GalaxyID", *columns])] + [",".join([str(i), *["0.5"] * len(columns)]) for i in range(50)]
    (tmp_path / "training_solutions_rev1.csv").write_text("\n".join(lines) + "\n")
    truths = Truths.on_this_machine([], [f"gz2={tmp_path}"])
    (key,) = (k for k in truths.frozen if k[0] == "gz2")
    with pytest.raises(LeaderboardError, match="are not the 1000 that the benchmark froze"):
        truths.truth(key)


@pytest.mark.parametrize("word", ["gz2", "gz2=", "sample=x.csv"])
def test_a_truth_that_is_none_is_said(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--truth", word]) == 1
    assert f"--truth {word}: give NAME=PATH" in capsys.readouterr().err


def other_content(edition: Path, out: Path) -> Edition:
    """Return a copy of an edition whose facts claim another content, as a new split would."""
    shutil.copytree(edition, out)
    made = Edition(out)
    (shard,) = made.shards("test")[:1]
    table = pq.read_table(shard)
    one, other = (table.column_names.index(name) for name in made.tree.questions[0].columns[:2])
    first, second = table[one], table[other]
    table = table.set_column(one, table.schema.field(one), second)
    pq.write_table(table.set_column(other, table.schema.field(other), first), shard)
    columns = ["iauname", "scored", *made.tree.vote_columns]
    rows = pd.concat([made.table(split, columns).assign(split=split) for split in SPLITS], ignore_index=True)
    fresh = content_hash(made.tree, rows.sort_values("iauname", ignore_index=True))
    path = out / "edition.json"
    path.write_text(path.read_text().replace(made.content_hash, fresh))
    return Edition(out)


def test_a_new_version_closes_the_boards_of_the_old_one_and_keeps_them(toy_edition: Path, tmp_path: Path) -> None:
    folder, old = tmp_path / "benchmark", Edition(toy_edition)
    new = other_content(toy_edition, tmp_path / "new")
    versions.freeze(folder, "1", old)
    with pytest.raises(LeaderboardError, match="Freeze it in a new version"):
        versions.freeze(folder, "1", new)
    versions.freeze(folder, "2", new)
    assert [v.version for v in versions.read(folder)] == ["1", "2"]
    truths = Truths.on_this_machine([], benchmark=folder)
    keys = [(e.name, e.content_hash) for e in (old, new)]
    assert all(truths.truth(key) is not None for key in keys), "both are scored"
    assert truths.closed == {keys[0]}
    assert "version 1 of toy is closed" in truths.refused(keys[0], new=True)
    assert truths.refused(keys[0], new=False) == truths.refused(keys[1], new=True) == ""
    assert "is no edition of the benchmark" in truths.refused(("toy", "0" * 64), new=False)


def test_a_closed_version_takes_no_new_entry_and_keeps_the_merged(toy_edition: Path, tmp_path: Path) -> None:
    from tests.test_leaderboard import fill_in
    from tests.test_leaderboard_runs import write_run

    run = write_run(toy_edition, tmp_path / "runs", "multiclass")
    common = ["--root", str(tmp_path), "--edition", str(toy_edition)]
    assert main(["submit", str(run), "--name", "Mine", "--authors", "A.", *common]) == 0
    (folder,) = (tmp_path / "submissions").iterdir()
    fill_in(folder)
    assert main(["score", *common]) == 0
    versions.freeze(tmp_path / "benchmark", "1", Edition(toy_edition))
    versions.freeze(tmp_path / "benchmark", "2", other_content(toy_edition, tmp_path / "new"))
    truths = Truths.on_this_machine([], benchmark=tmp_path / "benchmark")
    place = tmp_path / "scores" / folder.name
    assert submission_check.check(folder, place, truths, []).faults == []
    (fault,) = submission_check.check(folder, place, truths, [], new=True).faults
    assert "version 1 of toy is closed" in fault


def test_a_changed_truth_is_refused(toy_edition: Path, tmp_path: Path) -> None:
    versions.freeze(tmp_path, "1", Edition(toy_edition))
    path = tmp_path / "v1" / "toy-truth.parquet"
    path.write_bytes(path.read_bytes() + b"x")
    truths = Truths.on_this_machine([], benchmark=tmp_path)
    with pytest.raises(LeaderboardError, match="not the file that was frozen"):
        truths.truth(next(iter(truths.frozen)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("version = ", "not TOML"),
        ('version = "1"\nranked_by = {}\ntraining = {}\neditions = {}\nmore = 1\n', "more: Extra inputs"),
        ('version = "7"\nranked_by = {}\ntraining = {}\neditions = {}\n', "says that it is version 7"),
    ],
)
def test_a_damaged_version_is_named(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "v1.toml").write_text(text)
    with pytest.raises(LeaderboardError, match=words) as caught:
        versions.read(tmp_path)
    assert "v1.toml" in str(caught.value)


@pytest.mark.parametrize("slug", COMMITTED)
def test_a_stored_summary_taken_apart(slug: str) -> None:
    """Without any truth: hashes of the files, intervals of the draws, values among them, means over the seeds."""
    folder = LEADERBOARD / "submissions" / slug
    stored = stored_scores.read(LEADERBOARD / "scores" / slug)
    for item in stored:
        place = prediction_path(item.edition["name"], item.task, item.seed)
        assert item.prediction_sha256 == sha256(folder / place)
        assert stored_scores.torn(item) == []
    entry = of_submission(folder, stored, Truths({}))
    assert len(entry.trained) == len(stored) == len(list(folder.glob("predictions/*/*/*.parquet")))
    for key in entry.editions:
        for board in BOARDS:
            whole, seeds = entry.score(key, board), [t.scores[board] for t in entry.seeds(key, board)]
            told = BOARDS[board].told(versions.counted_votes(key) is not False).metrics
            assert whole is None or whole.metrics.keys() == whole.draws.keys() == told.keys()
            for name in told if whole else ():
                assert whole is not None
                value, low, high = whole.metrics[name]
                expected = np.mean([score.metrics[name].value for score in seeds])
                drawn = np.mean([score.draws[name].astype(float) for score in seeds], axis=0)
                known = drawn[~np.isnan(drawn)]
                ends = np.quantile(known, [0.025, 0.975]) if len(known) else (np.nan, np.nan)
                np.testing.assert_allclose((value, low, high), (expected, *ends), rtol=0, atol=1e-6)


def test_scores_that_do_not_follow_from_their_draws_are_named() -> None:
    stored = stored_scores.read(LEADERBOARD / "scores" / COMMITTED[0])[0]
    board = next(iter(stored.boards))
    told = stored.boards[board]
    name = BOARDS[board].primary
    value, low, high = told.metrics[name]
    for metric, words in (
        ((value + 0.3, low, high), "lies outside of all its draws"),
        ((value, low + 0.01, high), "its low end"),
        ((value, low, high + 0.01), "its high end"),
        ((float("nan"), low, high), "has no value"),
        ((value, float("nan"), high), "its low end"),
    ):
        forged = replace(told, metrics=told.metrics | {name: metric})
        assert words in stored_scores.torn(replace(stored, boards={board: forged}))[0]

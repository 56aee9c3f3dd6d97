"""Runs on an edition with other training galaxies and the benchmark's test galaxies are bound to the frozen edition."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from galaxy_zoo_decals import predictions as prediction_files
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.prepare.builder import build
from galaxy_zoo_decals.sources.kaggle import FOLDER, TABLE, GZ2Challenge
from leaderboard.check import flags, submission_check
from leaderboard.entry import draft, external, prediction_file, rebind, run_json, submission, versions
from leaderboard.entry.truths import Truths
from leaderboard.files import LeaderboardError
from leaderboard.ranking import entries, stored_scores
from leaderboard.ranking.entries import score_submission
from tests.test_gz2 import write_challenge
from tests.test_leaderboard import fill_in
from tests.test_leaderboard_runs import change_run, write_run

TESTS = 15


def challenge_edition(source: Path, out: Path, tests: int = TESTS) -> Edition:
    build(GZ2Challenge(source, tests=tests), out, name="gz2", size=32)
    return Edition(out)


@pytest.fixture(scope="module")
def editions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Edition, Edition, Path]:
    """gz2 as the benchmark froze it, from the challenge's first galaxies; as somebody has it who has all; versions."""
    work = tmp_path_factory.mktemp("adoption")
    source = write_challenge(work)
    whole = challenge_edition(source, work / "whole")
    table = pd.read_csv(source / TABLE).sort_values("GalaxyID")
    for galaxy in table["GalaxyID"].tail(10):
        (source / FOLDER / f"{galaxy}.jpg").unlink()
    table.head(len(table) - 10).to_csv(source / TABLE, index=False)
    part = challenge_edition(source, work / "part")
    versions.freeze(work / "benchmark", "1", part)
    return part, whole, work / "benchmark"


def truths_with(editions: tuple[Edition, Edition, Path], *held: Edition) -> Truths:
    truths = Truths.on_this_machine([], benchmark=editions[2])
    return replace(truths, editions={(e.name, e.content_hash): e for e in held}, _truths={})


def test_a_run_on_more_training_galaxies_is_bound_to_the_frozen_edition(
    editions: tuple[Edition, Edition, Path], tmp_path: Path
) -> None:
    part, whole, _ = editions
    assert part.content_hash != whole.content_hash
    truths = truths_with(editions, whole)
    trained = [write_run(whole.path, tmp_path / "runs", "dirichlet", seed=seed) for seed in (0, 1)]
    adopted = [rebind.adopt(folder, truths, tmp_path / f"work{i}") for i, folder in enumerate(trained)]
    for before, after in zip(trained, adopted):
        run, place = (
            run_json.read(after / "run.json"),
            run_json.prediction_path("gz2", "votes", run_json.read(after / "run.json").seed),
        )
        assert (run.edition.content_hash, run.edition.split_hash) == (part.content_hash, part.split_hash)
        assert run.edition.trained_on == whole.content_hash
        old, new = pq.read_table(before / place), pq.read_table(after / place)
        assert new.replace_schema_metadata(None).equals(old.replace_schema_metadata(None))
        read = prediction_files.read(after / place, part.tree)
        assert (read.content_hash, read.split_hash) == (part.content_hash, part.split_hash)

    # The way from there is that of any submission; it is scored by whoever holds the truth, and stays what it is.
    root = tmp_path / "board"
    folder = root / "submissions" / "20261128-mine"
    found = draft.gather(adopted, truths)
    draft.create(folder, found, draft.draft(found, "Mine", ["A. Nonymous"]))
    fill_in(folder)
    keeper = truths_with(editions, part)
    stored, problems = score_submission(folder, keeper)
    assert len(stored) == 2 and problems == []
    stored_scores.write(root / "scores" / folder.name, stored)
    checked = submission_check.check(folder, root / "scores" / folder.name, keeper, [], new=True)
    assert checked.faults == [] and checked.rescored == 2
    everyone, _ = entries.submitted(root, keeper)
    (flag,) = (f for f in flags.flags(everyone[0], everyone, [], [], keeper) if "other training galaxies" in f)
    assert whole.content_hash[:12] in flag


def test_its_tables_are_taken_too(editions: tuple[Edition, Edition, Path], tmp_path: Path) -> None:
    part, whole, _ = editions
    # The machine of whoever trained on more galaxies holds neither the frozen edition nor, by hand, its truth.
    truths = truths_with(editions, whole)
    run = write_run(whole.path, tmp_path / "runs", "multiclass")
    table = run / run_json.prediction_path("gz2", "multiclass", 0)
    facts = {"commit": "0" * 40, "command": "python mine.py", "recipe": "mine"}
    told = {"title": "Mine", "backbone": "trees", "weights": "none", "recipe": {}, "resolution": None}
    machine = {"device": "1 CPU core", "precision": "float64", "train_seconds": 1.0}
    given = submission.Facts.model_validate({"code": facts, "parameters": 7, "run": told | machine})
    plain = pq.read_table(table).to_pandas().set_index("iauname").astype(float)
    plain.div(plain.sum(axis=1), axis=0).to_csv(tmp_path / "table.csv")
    # A table without metadata does not tell what it was trained on.
    for number, (path, trained_on) in enumerate([(table, whole.content_hash), (tmp_path / "table.csv", None)]):
        ((folder, _),) = external.gather([path], given, truths, tmp_path / f"work{number}")
        made = run_json.read(rebind.adopt(folder, truths, tmp_path / f"adopted{number}") / "run.json")
        assert (made.edition.content_hash, made.edition.trained_on) == (part.content_hash, trained_on)


def test_whoever_trained_on_more_galaxies_scores_without_the_table(
    editions: tuple[Edition, Edition, Path], tmp_path: Path
) -> None:
    part, whole, _ = editions
    mine, frozen = truths_with(editions, whole), truths_with(editions, part)
    key = (part.name, part.content_hash)
    a, b = mine.truth(key), frozen.truth(key)
    assert a is not None and b is not None
    assert (a.names, a.content_hash, a.split_hash, a.title) == (b.names, b.content_hash, b.split_hash, b.title)
    assert (a.votes == b.votes).all() and a.votes_assumed


@pytest.mark.parametrize("damage", ["short", "shuffled"])
def test_galaxies_and_their_order_are_checked_where_the_truth_is_not_at_hand(
    damage: str, editions: tuple[Edition, Edition, Path], tmp_path: Path
) -> None:
    part = editions[0]
    run = write_run(part.path, tmp_path / "runs", "multiclass")
    path = run / run_json.prediction_path("gz2", "multiclass", 0)
    nobody = truths_with(editions)
    prediction_file.checked(path, run_json.read(run / "run.json"), "multiclass", nobody)
    table = pq.read_table(path)
    pq.write_table(
        table.slice(0, len(table) - 1) if damage == "short" else table.take(list(range(len(table)))[::-1]), path
    )
    with pytest.raises(LeaderboardError, match="scored test galaxies of gz2 in the edition's order"):
        prediction_file.checked(path, run_json.read(run / "run.json"), "multiclass", nobody)


def test_a_submission_put_together_by_hand_of_seeds_with_other_training_galaxies_is_a_fault(
    editions: tuple[Edition, Edition, Path], tmp_path: Path
) -> None:
    part = editions[0]
    truths = truths_with(editions, part)
    given = [write_run(part.path, tmp_path / "runs", "multiclass", seed) for seed in (0, 1)]
    folder = tmp_path / "submissions" / "20261128-mine"
    found = draft.gather(given, truths)
    draft.create(folder, found, draft.draft(found, "Mine", ["A. Nonymous"]))
    fill_in(folder)
    change_run(folder / "runs" / "gz2" / "multiclass" / "seed1.json", edition={"trained_on": "f" * 64})
    faults = submission_check.check(folder, tmp_path / "scores" / folder.name, truths, [], new=True).faults
    assert any("seed1.json: edition.trained_on: was trained on other galaxies" in fault for fault in faults)


def test_the_benchmarks_own_edition_and_other_names_stay_as_they_are(
    editions: tuple[Edition, Edition, Path], toy_edition: Path, tmp_path: Path
) -> None:
    part = editions[0]
    truths = truths_with(editions, part, Edition(toy_edition))
    for edition in (part.path, toy_edition):
        run = write_run(edition, tmp_path / "runs", "multiclass")
        assert rebind.adopt(run, truths, tmp_path / "work") == run
    assert not (tmp_path / "work").exists()


def test_other_test_galaxies_are_refused(editions: tuple[Edition, Edition, Path], tmp_path: Path) -> None:
    source = write_challenge(tmp_path)
    other = challenge_edition(source, tmp_path / "other", tests=TESTS + 5)
    truths = truths_with(editions, other)
    run = write_run(other.path, tmp_path / "runs", "multiclass")
    assert rebind.adopt(run, truths, tmp_path / "work") == run
    with pytest.raises(LeaderboardError, match="is no edition of the benchmark"):
        draft.gather([run], truths)


def test_without_its_edition_a_run_is_refused_with_the_way_out(
    editions: tuple[Edition, Edition, Path], tmp_path: Path
) -> None:
    part, whole, _ = editions
    run = write_run(whole.path, tmp_path / "runs", "multiclass")
    truths = truths_with(editions, part)
    assert rebind.adopt(run, truths, tmp_path / "work") == run
    with pytest.raises(LeaderboardError, match="name its folder with --edition"):
        draft.gather([run], truths)


def test_seeds_with_other_training_galaxies_are_no_seeds_of_one_entry(
    editions: tuple[Edition, Edition, Path], tmp_path: Path
) -> None:
    part, whole, _ = editions
    truths = truths_with(editions, part, whole)
    given = [
        write_run(part.path, tmp_path / "a", "multiclass", 0),
        write_run(whole.path, tmp_path / "b", "multiclass", 1),
    ]
    folders = [rebind.adopt(folder, truths, tmp_path / f"work{i}") for i, folder in enumerate(given)]
    with pytest.raises(LeaderboardError, match="different training galaxies"):
        draft.gather(folders, truths)


def test_predictions_of_another_content_than_the_run_says_are_refused(
    editions: tuple[Edition, Edition, Path], tmp_path: Path
) -> None:
    _, whole, _ = editions
    run = write_run(whole.path, tmp_path / "runs", "multiclass")
    change_run(run / "run.json", edition={"split_hash": "0" * 64})
    with pytest.raises(LeaderboardError, match="its split hash is"):
        rebind.adopt(run, truths_with(editions, whole), tmp_path / "work")

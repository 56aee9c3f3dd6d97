"""Editions of all sizes: a part of the tree, one's own split, tests alone, and what is too small."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from datasets import load_dataset
from PIL import Image

from benchmark import run as harness
from galaxy_zoo_decals import cli
from galaxy_zoo_decals import predictions as prediction_files
from galaxy_zoo_decals.edition import Edition, EditionError
from galaxy_zoo_decals.schema import GZD5
from galaxy_zoo_decals.scoring import Truth, ceilings, score
from leaderboard.__main__ import main as leaderboard
from tests.test_leaderboard_runs import write_run
from tests.toys import galaxy

FIRST = GZD5.questions[0]
REAL = Path(__file__).parents[2] / "shared" / "data" / "gzd5-first-question-votes.csv"


def prepare(out: Path, votes: Path, images: Path, *more: str) -> int:
    words = ["prepare", "catalogue", "--votes", votes, "--images", images, "--out", out, "--size", "32"]
    return cli.main([str(word) for word in (*words, "--name", out.name, "--processes", "1", *more)])


@pytest.fixture(scope="module")
def table(toy_catalogue: tuple[Path, Path]) -> pd.DataFrame:
    return pd.read_csv(toy_catalogue[0])


@pytest.fixture(scope="module")
def first_question(
    table: pd.DataFrame, toy_catalogue: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """An edition for tests alone of a table with nothing but names and the answers to the first question."""
    folder = tmp_path_factory.mktemp("sizes")
    table[["iauname", *FIRST.columns]].to_csv(folder / "votes.csv", index=False)
    assert prepare(folder / "first", folder / "votes.csv", toy_catalogue[1], "--only-test", "--licence", "CC0-1.0") == 0
    return folder / "first"


def test_an_edition_of_the_first_question_for_tests_alone_holds(
    first_question: Path, table: pd.DataFrame, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    edition = Edition(first_question)
    assert edition.splits == ("test",) and edition.facts["counts"]["test"]["scored"] == edition.galaxies  # type: ignore[index]
    assert [path.name for path in (first_question / "data").iterdir()] == ["test-00000-of-00001.parquet"]
    source = edition.facts["source"]
    assert source["summed_totals"] == [FIRST.name] and len(source["unknown_questions"]) == 9  # type: ignore[index, call-overload]
    stored = edition.table("test").set_index("iauname").loc[table["iauname"]]
    assert not {"ra", "dec", "redshift"} & set(stored.dropna(axis=1, how="all"))
    assert (stored[FIRST.total].to_numpy() == table[FIRST.total].to_numpy()).all(), "sums are the totals"
    assert not stored[[q.total for q in GZD5.questions[1:]]].to_numpy().any()
    with pytest.raises(EditionError, match="has no train galaxies, only test"):
        edition.table("train")
    assert cli.main(["check", str(first_question), "--processes", "1"]) == 0
    assert cli.main(["show", str(first_question), "--out", str(tmp_path / "sheet.png")]) == 0
    assert cli.main(["push", str(first_question), "me/mine", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "all galaxies are test galaxies" in said and "test-00000-of-00001" in said
    card = (first_question / "README.md").read_text()
    assert "has no votes for disk-edge-on" in card and "All galaxies are test galaxies" in card
    assert "The view `multiclass` has no galaxy" in card


@pytest.mark.parametrize("streaming", [False, True])
def test_stock_datasets_loads_the_views_that_hold_galaxies(
    first_question: Path, tmp_path: Path, streaming: bool
) -> None:
    for view in ("multilabel", "hierarchical", "votes"):
        loaded = load_dataset(str(first_question), view, streaming=streaming, cache_dir=str(tmp_path))
        assert list(loaded) == ["test"] and sum(1 for _ in loaded["test"]) == Edition(first_question).galaxies
    with pytest.raises(ValueError, match="multiclass"):
        load_dataset(str(first_question), "multiclass", streaming=streaming, cache_dir=str(tmp_path))


def test_the_default_view_is_one_that_holds_galaxies(first_question: Path, tmp_path: Path) -> None:
    assert "multi_hot" in load_dataset(str(first_question), split="test", cache_dir=str(tmp_path)).column_names


def test_questions_without_votes_are_on_no_path_and_in_no_panel(first_question: Path) -> None:
    truth = Truth.of(Edition(first_question))
    assert truth.boards == ("multilabel", "hierarchical", "votes") and len(truth.unanswered) == 9
    rng = np.random.default_rng(0)
    # Fractions that say of the first question what the volunteers say, and anything of the others.
    fractions = np.concatenate([rng.dirichlet(np.ones(len(q.answers)), len(truth.names)) for q in GZD5.questions], 1)
    fractions[:, GZD5.slices[FIRST.name]] = truth.fractions[:, GZD5.slices[FIRST.name]]
    values = prediction_files.Predictions(
        "votes", truth.edition, truth.content_hash, truth.split_hash, 0, truth.names, 20 * fractions + 1e-6
    )
    results = score(truth, values)
    assert "multiclass" not in results
    found = results["hierarchical"]
    assert found.metrics["exact_path"].value == found.metrics["hierarchical_f1"].value == 1.0
    ceiling = ceilings.ceilings(truth, draws=2, volunteers=(5,), refits=2)
    assert ceiling["multiclass"]["noise ceiling"].galaxies == 0
    assert "nothing is measured" in ceiling["multiclass"]["noise ceiling"].report()
    best, five = (ceiling["hierarchical"][t].metrics["exact_path"].value for t in ("noise ceiling", "5 volunteers"))
    assert 0.8 < best <= 1 and five <= best


def test_the_site_shows_an_edition_for_tests_alone(first_question: Path, tmp_path: Path) -> None:
    for model in ("multilabel", "hierarchical", "dirichlet"):
        write_run(first_question, tmp_path / "runs", model)
    words = ["--edition", str(first_question), "--root", str(tmp_path / "root")]
    assert leaderboard(["site", *words, "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "site")]) == 0
    pages = {page.name: page.read_text() for page in (tmp_path / "site").rglob("*.html")}
    assert "first-hierarchical.html" in pages and "first-multiclass.html" not in pages
    assert not [name for name, text in pages.items() if "nan" in text.lower().split()]
    data = pages["first.html"]
    assert "split: test" in data and "split: train" not in data


def test_the_harness_says_before_anything_is_loaded_that_nothing_can_be_trained(
    first_question: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--edition", str(first_question), "--out", str(tmp_path / "run")]
    assert harness.main(["--model", "multilabel", *words]) == 2
    said = capsys.readouterr().err
    assert "has no training galaxies (only test)" in said and said.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_the_split_is_the_tables_own_column(
    table: pd.DataFrame, toy_catalogue: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["Training", " val ", "HOLDOUT"]
    own = table.assign(part=[words[i % 3] for i in range(len(table))]).drop(columns=["ra", "dec", "upload_group"])
    own.to_parquet(tmp_path / "votes.parquet")
    assert prepare(tmp_path / "mine", tmp_path / "votes.parquet", toy_catalogue[1], "--split-column", "part") == 0
    edition = Edition(tmp_path / "mine")
    for split, word in zip(("train", "validation", "test"), words):
        assert set(edition.table(split)["iauname"]) == set(own["iauname"][own["part"] == word])
    assert edition.facts["source"]["split_column"] == "part"  # type: ignore[index, call-overload]
    assert "the catalogue's own column `part`" in (tmp_path / "mine" / "README.md").read_text()
    # Nothing says how the galaxies were chosen: whoever made the split decided, and votes alone count.
    test = edition.table("test")
    assert (test["scored"] == (test[FIRST.total] >= 34)).all() and test["scored"].any()
    assert cli.main(["check", str(tmp_path / "mine"), "--processes", "1"]) == 0
    assert "the split is the catalogue's own column" in capsys.readouterr().out
    other = own.assign(part=np.roll(own["part"], 1))
    other.to_parquet(tmp_path / "votes.parquet")
    assert prepare(tmp_path / "other", tmp_path / "votes.parquet", toy_catalogue[1], "--split-column", "part") == 0
    assert Edition(tmp_path / "other").split_hash != edition.split_hash


def test_a_card_or_facts_that_hide_a_split_are_found(
    first_question: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(first_question, tmp_path / "e")
    shard = tmp_path / "e" / "data" / "test-00000-of-00001.parquet"
    shutil.copy(shard, shard.with_name("train-00000-of-00001.parquet"))
    assert cli.main(["check", str(tmp_path / "e"), "--processes", "1"]) == 1
    assert "counts no train galaxies, and there is train-00000" in capsys.readouterr().out


def test_hierarchical_networks_without_examples_stay_silent(
    table: pd.DataFrame, toy_catalogue: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = ["iauname", "ra", "dec", "upload_group", FIRST.total, *FIRST.columns]
    table[kept].to_csv(tmp_path / "votes.csv", index=False)
    assert prepare(tmp_path / "first", tmp_path / "votes.csv", toy_catalogue[1]) == 0
    assert "No galaxy gets one of the four classes" in capsys.readouterr().out
    words = ["--edition", str(tmp_path / "first"), "--set", "epochs=1", "--set", "resolution=16"]
    assert harness.main(["--model", "hierarchical", *words, "--out", str(tmp_path / "run")]) == 0
    assert "merging: no training galaxy has an answer" in capsys.readouterr().out
    file = next((tmp_path / "run" / "predictions").rglob("*.parquet"))
    said = pd.DataFrame(
        prediction_files.read(file, GZD5).values, columns=prediction_files.columns("hierarchical", GZD5)
    )
    assert np.allclose(said[[f"p_{column}" for column in GZD5.question("merging").columns]], 1 / 4)
    assert np.ptp(said[[f"p_{column}" for column in FIRST.columns]].to_numpy(), axis=0).any()
    assert harness.main(["--model", "all", *words, "--out", str(tmp_path / "runs")]) == 2
    assert "multiclass, efficientnetv2 cannot be trained" in capsys.readouterr().err


@pytest.mark.skipif(not REAL.exists(), reason="the table of first-question votes is not here")
def test_the_real_votes_of_the_first_question_make_an_edition(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, rng = pd.read_csv(REAL), np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    chosen = rows["iauname"].sort_values().iloc[:: len(rows) // 60][:60]
    for name in chosen:
        Image.fromarray(galaxy(rng)[1]).save(tmp_path / "images" / f"{name}.png")
    assert prepare(tmp_path / "real", REAL, tmp_path / "images") == 0
    said = capsys.readouterr().out
    assert "The table has no column of disk-edge-on" in said and "neither random_selection nor upload_group" in said
    assert said.index("No test galaxy is scored") < said.index("rows in the catalogue")
    edition = Edition(tmp_path / "real")
    assert edition.galaxies == 60 and cli.main(["check", str(edition.path), "--processes", "1"]) == 0
    kept = pd.concat([edition.table(split) for split in edition.splits]).set_index("iauname")
    given = rows.set_index("iauname").loc[kept.index]
    assert (kept[list(FIRST.columns)].to_numpy() == given[list(FIRST.columns)].to_numpy()).all()
    assert json.loads((edition.path / "edition.json").read_text())["counts"]["test"]["multilabel"] > 0


def test_a_split_that_loses_all_its_images_is_named(
    table: pd.DataFrame, toy_catalogue: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    some = table.head(30).assign(part=["train", "val", "test"] * 10)
    some.to_csv(tmp_path / "votes.csv", index=False)
    (tmp_path / "images").mkdir()
    for name in some["iauname"][some["part"] != "val"]:
        shutil.copy(toy_catalogue[1] / f"{name}.png", tmp_path / "images")
    assert prepare(tmp_path / "mine", tmp_path / "votes.csv", tmp_path / "images", "--split-column", "part") == 0
    assert "No galaxy of the validation split has a usable image" in capsys.readouterr().out
    assert Edition(tmp_path / "mine").splits == ("train", "test")
    loaded = load_dataset(str(tmp_path / "mine"), "votes", cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 10, "test": 10}


def test_facts_that_count_no_galaxy_end_in_a_sentence(first_question: Path, tmp_path: Path) -> None:
    shutil.copytree(first_question, tmp_path / "e")
    facts = json.loads((tmp_path / "e" / "edition.json").read_text())
    facts["counts"]["test"]["galaxies"] = 0
    (tmp_path / "e" / "edition.json").write_text(json.dumps(facts))
    with pytest.raises(EditionError, match="counts no galaxy"):
        Truth.of(Edition(tmp_path / "e"))
    assert cli.main(["check", str(tmp_path / "e"), "--processes", "1"]) == 1


def test_an_edition_for_tests_alone_does_not_take_the_place_of_the_benchmarks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["prepare", "gz2", "--source", str(tmp_path), "--only-test"]) == 1
    assert "give it a --name of its own" in capsys.readouterr().err


def test_test_galaxies_of_an_own_split_lack_votes_alone(
    table: pd.DataFrame, toy_catalogue: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = table.head(12).drop(columns="upload_group").assign(part=["train", "val", "test"] * 4)
    few[[FIRST.total, *FIRST.columns]] = [20, 15, 5, 0]
    few.to_csv(tmp_path / "votes.csv", index=False)
    assert prepare(tmp_path / "mine", tmp_path / "votes.csv", toy_catalogue[1], "--split-column", "part") == 0
    said = capsys.readouterr().out
    assert "Of 4 test galaxies 4 have fewer than 34 first-question votes (the most: 20). With --only-test" in said
    assert "chosen at random" not in said

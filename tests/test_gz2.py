from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from galaxy_zoo_decals import cli, drawn_votes, predictions, views
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.predictions import Predictions
from galaxy_zoo_decals.prepare.builder import build
from galaxy_zoo_decals.schema import GZ2
from galaxy_zoo_decals.scoring import Truth, ceilings
from galaxy_zoo_decals.sources.catalogue import CatalogueError
from galaxy_zoo_decals.sources.kaggle import FOLDER, OUTER, TABLE, GZ2Challenge, class_columns, read_list
from tests.toys import galaxy

REAL = Path(__file__).parents[2] / "shared" / "data" / "gz2-challenge"


@given(
    shares=st.lists(st.floats(0.0, 1.0), min_size=2, max_size=7).filter(lambda s: sum(s) > 1e-3),
    total=st.integers(0, 80),
)
def test_largest_remainders_keep_the_total_and_stay_within_one(shares: list[float], total: int) -> None:
    p = np.array([shares]) / sum(shares)
    counts = drawn_votes.largest_remainder(p, np.array([total]))
    assert counts.sum() == total and (counts >= 0).all()
    assert np.abs(counts - p * total).max() < 1 + 1e-6


def test_counts_by_hand() -> None:
    values = np.zeros((1, 37))

    def put(column: str, value: float) -> None:
        names = [name for columns in class_columns().values() for name in columns]
        values[0, names.index(column)] = value

    put("Class1.1", 0.25), put("Class1.2", 0.74), put("Class1.3", 0.01)  # 10, 29.6, 0.4 of 40: 10, 30, 0
    put("Class7.1", 0.20), put("Class7.2", 0.05)  # of 10: 8, 2
    put("Class2.1", 0.10), put("Class2.2", 0.64)  # of 30: 4.05, 25.95: 4, 26
    put("Class4.1", 0.48), put("Class4.2", 0.16)  # of 26: 19.5, 6.5: equal remainders, the first gets it
    put("Class6.1", 0.5), put("Class6.2", 0.5)  # of smooth + featured = 40
    votes = drawn_votes.recount(GZ2, values, np.array([40]))[0]

    def found(question: str) -> list[int]:
        return votes[GZ2.slices[question]].tolist()

    assert found("smooth-or-featured") == [10, 30, 0]
    assert found("how-rounded") == [8, 2, 0]
    assert found("disk-edge-on") == [4, 26]
    assert found("has-spiral-arms") == [20, 6]
    assert found("odd") == [20, 20]
    assert found("bar") == [0, 0], "no values, no votes"
    assert found("odd-feature") == [0] * 7


@pytest.fixture
def challenge(tmp_path: Path) -> Path:
    """The challenge's layout with toy galaxies."""
    return write_challenge(tmp_path)


def write_challenge(tmp_path: Path) -> Path:
    """Write the challenge's layout with toy galaxies: fractions of their votes, cumulative down the tree."""
    rng = np.random.default_rng(5)
    images = tmp_path / "source" / FOLDER
    images.mkdir(parents=True)
    rows = []
    for i in range(60):
        votes, image = galaxy(rng, GZ2)
        counts = np.array([[votes[c] for c in GZ2.answer_columns]])
        fractions = views.fractions(GZ2, counts)
        reach = views.relevance(GZ2, fractions)
        row: dict[str, object] = {"GalaxyID": 100008 + 7 * i}
        for q, (name, columns) in enumerate(class_columns().items()):
            row |= dict(zip(columns, np.nan_to_num(fractions[0, GZ2.slices[name]] * reach[0, q])))
        rows.append(row)
        Image.fromarray(image).save(images / f"{row['GalaxyID']}.jpg", quality=95)
    pd.DataFrame(rows).to_csv(tmp_path / "source" / TABLE, index=False)
    return tmp_path / "source"


def test_the_challenge_becomes_an_edition(challenge: Path, tmp_path: Path) -> None:
    build(GZ2Challenge(challenge, tests=15), tmp_path / "gz2", name="gz2", size=64)
    edition = Edition(tmp_path / "gz2")
    test = edition.table("test")
    assert test["iauname"].tolist() == [str(100008 + 7 * i) for i in range(15)], "the lowest GalaxyIDs"
    assert test["scored"].all()
    assert (test["smooth-or-featured_total-votes"] == 40).all()
    assert test["ra"].isna().all()
    assert edition.tree is GZ2 and edition.title == "Kaggle Galaxy Challenge: SDSS images, debiased likelihoods"
    assert "40 assumed votes" in (edition.path / "README.md").read_text()


def test_of_published_likelihoods_there_is_no_ceiling(
    challenge: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "gz2"
    build(GZ2Challenge(challenge, tests=30), folder, name="gz2", size=32)
    truth = Truth.of(Edition(folder))
    for made in (lambda: ceilings.of_edition(Edition(folder)), lambda: ceilings.ceilings(truth)):
        with pytest.raises(ceilings.NoVolunteers, match="published likelihoods, not counts of volunteers"):
            made()
    said = Predictions("votes", "gz2", truth.content_hash, truth.split_hash, 0, truth.names, truth.votes + 0.5)
    predictions.write(tmp_path / "said.parquet", said, truth.tree)
    for command in (["ceiling", str(folder)], ["score", str(folder), str(tmp_path / "said.parquet"), "--ceiling"]):
        assert cli.main(command) == 1
        found = capsys.readouterr()
        assert found.out == "" and "there is no noise ceiling" in found.err
    assert cli.main(["score", str(folder), str(tmp_path / "said.parquet"), "--json", str(tmp_path / "s.json")]) == 0
    for text in (capsys.readouterr().out, (tmp_path / "s.json").read_text()):
        assert not re.search("volunteer|ceiling|skill", text, re.IGNORECASE)


def test_rows_without_some_classes_are_never_scored(challenge: Path, tmp_path: Path) -> None:
    table = pd.read_csv(challenge / TABLE)
    table.loc[3, [c for c in table.columns if c.startswith(("Class3", "Class4"))]] = np.nan
    table.to_csv(challenge / TABLE, index=False)
    build(GZ2Challenge(challenge, tests=15), tmp_path / "gz2", name="gz2", size=32)
    test = Edition(tmp_path / "gz2").table("test").set_index("iauname")
    assert not test.loc[str(100008 + 21), "scored"]
    assert test.loc[str(100008 + 21), "bar_total-votes"] == 0


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda t: t.drop(columns="Class8.6"), ["'Class8.6'", "missing"]),
        (lambda t: t.assign(GalaxyID=t["GalaxyID"].where(t.index != 4, t["GalaxyID"][2])), ["rows 3, 5"]),
        (lambda t: t.assign(**{"Class2.1": t["Class2.1"].where(t.index != 4, -0.5)}), ["row 5", "'Class2.1'"]),
        (lambda t: t.assign(GalaxyID=t["GalaxyID"].astype(object).where(t.index != 4, "x1")), ["row 5", "'x1'"]),
    ],
)  # fmt: skip
def test_damaged_tables_are_named(challenge: Path, tmp_path: Path, damage: object, words: list[str]) -> None:
    damage(pd.read_csv(challenge / TABLE)).to_csv(challenge / TABLE, index=False)  # type: ignore[operator]
    with pytest.raises(CatalogueError) as error:
        build(GZ2Challenge(challenge), tmp_path / "gz2", name="gz2")
    for word in (TABLE, *words):
        assert word in str(error.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["source"], "nothing half-written"


def test_a_table_cut_short_and_a_missing_folder(
    challenge: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (challenge / TABLE).read_text()
    (challenge / TABLE).write_text(text[: text.rindex(",") - 400])
    assert cli.main(["prepare", "gz2", "--source", str(challenge), "--out", str(tmp_path / "gz2")]) == 1
    assert "cut short" in capsys.readouterr().err
    (challenge / TABLE).write_text(text)
    shutil.rmtree(challenge / FOLDER)
    assert cli.main(["prepare", "gz2", "--source", str(challenge), "--out", str(tmp_path / "gz2")]) == 1
    assert FOLDER in capsys.readouterr().err


@pytest.mark.skipif(not REAL.is_dir(), reason="needs the Kaggle challenge's files in ../shared/data/gz2-challenge")
def test_the_real_challenge_files_give_the_known_test_split(tmp_path: Path) -> None:
    source = GZ2Challenge(REAL)
    catalogue = source.catalogue(tmp_path, 1)
    catalogue["split"] = source.split(catalogue)
    test = catalogue[catalogue["split"] == "test"]
    assert len(catalogue) == 9064 and len(test) == 1000
    assert (test["iauname"].astype(int).min(), test["iauname"].astype(int).max()) == (100008, 115091)
    assert test["complete"].all()
    f = views.fractions(GZ2, test[list(GZ2.answer_columns)].to_numpy(int))
    top = views.top_answers(GZ2, f)[:, 0]
    assert np.bincount(top, minlength=3).tolist()[2] == 0, "no artifact among them"
    assert 0.40 < (top == 0).mean() < 0.44 and 0.54 < (top == 1).mean() < 0.58
    table = pd.read_csv(REAL / TABLE, dtype={"GalaxyID": str}).set_index("GalaxyID").loc[test["iauname"]]
    # Counts of 40 come as near to the published fractions as counts of 40 can.
    assert np.abs(f[:, :3] - table[["Class1.1", "Class1.2", "Class1.3"]].to_numpy()).max() <= 1 / 40


def zipped(challenge: Path, folder: Path, outer: bool) -> Path:
    """The challenge as Kaggle gives it: a zip a file or folder, or one zip of these zips."""
    folder.mkdir()
    with zipfile.ZipFile(folder / TABLE.replace(".csv", ".zip"), "w", zipfile.ZIP_DEFLATED) as made:
        made.write(challenge / TABLE, TABLE)
    with zipfile.ZipFile(folder / f"{FOLDER}.zip", "w") as made:
        for image in sorted((challenge / FOLDER).iterdir()):
            made.write(image, f"{FOLDER}/{image.name}")
    if outer:
        inner = sorted(folder.iterdir())
        with zipfile.ZipFile(folder / OUTER, "w") as made:
            for path in inner:
                made.write(path, path.name)
                path.unlink()
            made.writestr("all_ones_benchmark.zip", b"another file of the challenge")
    return folder


@pytest.mark.parametrize("outer", [False, True])
def test_zips_as_they_come_from_kaggle_give_the_same_edition(challenge: Path, tmp_path: Path, outer: bool) -> None:
    folder = zipped(challenge, tmp_path / "zips", outer)
    build(GZ2Challenge(challenge, tests=15), tmp_path / "plain", name="gz2", size=32)
    build(GZ2Challenge(folder, tests=15), tmp_path / "zipped", name="gz2", size=32)
    for path in (tmp_path / "plain").rglob("*"):
        if path.is_file():
            assert (tmp_path / "zipped" / path.relative_to(tmp_path / "plain")).read_bytes() == path.read_bytes()
    assert not list(tmp_path.glob("*.partial"))
    if outer:
        build(GZ2Challenge(folder / OUTER, tests=15), tmp_path / "direct", name="gz2", size=32)
        assert Edition(tmp_path / "direct").facts == Edition(tmp_path / "plain").facts


def test_zips_that_are_cut_short_are_named(challenge: Path, tmp_path: Path) -> None:
    folder = zipped(challenge, tmp_path / "zips", True)
    data = (folder / OUTER).read_bytes()
    (folder / OUTER).write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=f"{OUTER}.*cut short"):
        build(GZ2Challenge(folder), tmp_path / "gz2", name="gz2")
    damaged = bytearray(data)
    place = data.index(b"\xff\xd8\xff")  # within the first image
    damaged[place + 200 : place + 300] = bytes(100)
    (folder / OUTER).write_bytes(damaged)
    with pytest.raises(ValueError, match=rf"{FOLDER}\.zip is damaged"):
        build(GZ2Challenge(folder, tests=15), tmp_path / "gz2", name="gz2")
    assert not (tmp_path / "gz2").exists()


def test_the_full_table_has_the_same_test_split(challenge: Path, tmp_path: Path) -> None:
    """61,578 rows, of which the user has the first images: more rows change no test galaxy."""
    table = pd.read_csv(challenge / TABLE)
    more = pd.concat([table] * (61578 // len(table) + 1), ignore_index=True).head(61578)
    more["GalaxyID"] = 100008 + 7 * np.arange(61578)
    full = tmp_path / "full"
    shutil.copytree(challenge, full)
    more.to_csv(full / TABLE, index=False)
    found = GZ2Challenge(full).catalogue(tmp_path, 1)
    assert len(found) == 61578
    split = GZ2Challenge(full).split(found)
    assert (split == "test").sum() == 1000 and (split[:1000] == "test").all()
    assert 0.09 < (split[1000:] == "validation").mean() < 0.11
    few = GZ2Challenge(challenge).catalogue(tmp_path, 1)
    pd.testing.assert_frame_equal(found.head(len(few)), few)


def test_a_list_takes_the_same_galaxies_out_of_the_whole_table(challenge: Path, tmp_path: Path) -> None:
    """Who has all 61,578 galaxies builds the very edition of who has some."""
    table = pd.read_csv(challenge / TABLE)
    whole = tmp_path / "whole"
    shutil.copytree(challenge, whole)
    pd.concat([table.assign(GalaxyID=table["GalaxyID"] + 1), table]).to_csv(whole / TABLE, index=False)
    listed = tmp_path / "galaxies.txt"
    listed.write_text("".join(f"{name}\n" for name in table["GalaxyID"]))
    build(GZ2Challenge(challenge, tests=15), tmp_path / "some", name="gz2", size=32)
    build(GZ2Challenge(whole, tests=15, only=read_list(listed)), tmp_path / "chosen", name="gz2", size=32)
    some, chosen = Edition(tmp_path / "some"), Edition(tmp_path / "chosen")
    assert chosen.content_hash == some.content_hash and chosen.facts["image_hash"] == some.facts["image_hash"]
    assert chosen.facts["source"]["only"] == len(table) and "only" not in some.facts["source"]  # type: ignore[index,operator]


def test_lists_that_are_none_are_refused(challenge: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = tmp_path / "galaxies.txt"
    for text, problem in (
        ("100008\n\nJ12\n", "line 3 holds 'J12'"),
        ("\n", "empty"),
        ("100008\n7\n9\n", "2 of the 3 galaxies to be taken are not in it, the first of them 7"),
    ):
        listed.write_text(text)
        words = ["prepare", "gz2", "--source", str(challenge), "--only", str(listed), "--out", str(tmp_path / "gz2")]
        assert cli.main(words) == 1
        assert problem in capsys.readouterr().err
    assert not (tmp_path / "gz2").exists()

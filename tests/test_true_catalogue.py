"""The published table of GZD-5 as it is: 127 columns, merging votes lost, no mag_r, no random_selection.

Numbers of single rows are those of Walmsley et al. 2022, data release doi:10.5281/zenodo.4573248 (CC-BY-4.0).
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from galaxy_zoo_decals import cli, views
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.prepare import cleaning, edition_columns
from galaxy_zoo_decals.prepare.audit import check
from galaxy_zoo_decals.schema import GZ2, GZD5, SPLITS
from galaxy_zoo_decals.sources import catalogue, zenodo
from galaxy_zoo_decals.sources.catalogue import CatalogueError
from tests.published import COLUMNS, as_published
from tests.releases import draw

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "gzd5-true-rows"
TABLE = "gz_decals_volunteers_5.csv"
MERGING = GZD5.question("merging")

needs_true_rows = pytest.mark.skipif(not (SHARED / TABLE).is_file(), reason="the true rows of GZD-5 are not here")

J0056, J1343, J1004 = "J005650.84-010137.4", "J134305.21-000639.5", "J100403.94+182735.8"

TRUE = {  # name: (smooth, featured, artifact), published merging total, (none, minor, major, merger)
    J0056: ((27, 8, 5), 35, (15, 1, 0, 16)),
    J1343: ((5, 27, 1), 32, (0, 0, 0, 1)),
    J1004: ((2, 35, 3), 37, (30, 1, 6, 0)),
}


def rows() -> pd.DataFrame:
    """The first and last question of three true rows; all else of the tree is unasked."""
    table = pd.DataFrame({"iauname": list(TRUE), "ra": 1.0, "dec": 2.0, "upload_group": "pre_active"})
    for column in GZD5.vote_columns:
        table[column] = 0
    first = GZD5.questions[0]
    for i, (root, total, merging) in enumerate(TRUE.values()):
        table.loc[i, [first.total, *first.columns]] = [sum(root), *root]
        table.loc[i, [MERGING.total, *MERGING.columns]] = [total, *merging]
    return table


def test_lost_votes_are_kept_where_few_and_make_the_question_unknown_where_many() -> None:
    found = catalogue.check(rows(), GZD5, "true rows").set_index("iauname")
    assert found.loc[J0056, [MERGING.total, *MERGING.columns]].tolist() == [32, 15, 1, 0, 16]  # 3 of 35 lost: 8.6 %
    assert found.loc[J1343, [MERGING.total, *MERGING.columns]].tolist() == [0, 0, 0, 0, 0]  # 31 of 32 lost
    assert found.loc[J1004, [MERGING.total, *MERGING.columns]].tolist() == [37, 30, 1, 6, 0]
    assert found[MERGING.published].tolist() == [35, 32, 37] and found[MERGING.lost].tolist() == [3, 31, 0]
    labels = edition_columns.view_labels(GZD5, found.reset_index())
    named = dict(zip(found.index, labels["label"]))
    assert named[J1343] == -1, "a galaxy with one merger vote of 32 is no merger, and has no class"
    assert [row["merging"] for row in labels["answers"]] == [3, -1, 0]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_only_merging_of_gzd5_may_lose_votes(data: st.DataObject) -> None:
    tree = data.draw(st.sampled_from([GZD5, GZ2]))
    question = data.draw(st.sampled_from(tree.questions))
    votes = data.draw(st.lists(st.integers(0, 60), min_size=len(question.answers), max_size=len(question.answers)))
    lost = data.draw(st.integers(-3, 60))
    total = sum(votes) + lost
    if total < 0:
        return
    table = pd.DataFrame({"iauname": ["J1"], **{c: [0] for c in tree.vote_columns}})
    table[[question.total, *question.columns]] = [[total, *votes]]
    if lost and (lost < 0 or question is not MERGING):
        with pytest.raises(CatalogueError, match="totals must agree"):
            catalogue.check(table, tree, "a table")
        return
    row = catalogue.check(table, tree, "a table").iloc[0]
    kept = lost * 10 <= total
    assert row[list(question.columns)].tolist() == (votes if kept else [0] * len(votes))
    assert row[question.total] == (sum(votes) if kept else 0)


@settings(max_examples=200, deadline=None)
@given(
    kept=st.lists(st.integers(0, 60), min_size=4, max_size=4).filter(any),
    lost=st.lists(st.integers(0, 60), min_size=4, max_size=4),
)
def test_a_kept_fraction_is_at_most_the_lost_share_off(kept: list[int], lost: list[int]) -> None:
    """Whatever those whose votes are lost would have answered: the argument of docs/data.md."""
    share = sum(lost) / (sum(kept) + sum(lost))
    for k, more in zip(kept, lost):
        assert abs(k / sum(kept) - (k + more) / (sum(kept) + sum(lost))) <= share + 1e-12


def test_the_magnitude_is_derived_where_the_file_has_a_flux_alone() -> None:
    table = rows().assign(sersic_nmgy_r=[462.37152, 0.0, np.nan])
    found = catalogue.check(table, GZD5, "true rows")["mag_r"]
    assert found[0] == pytest.approx(22.5 - 2.5 * math.log10(462.37152), abs=1e-5) and found[1:].isna().all()
    assert catalogue.check(table.assign(mag_r=[1.0, 2.0, 3.0]), GZD5, "given")["mag_r"].tolist() == [1, 2, 3]
    with pytest.raises(CatalogueError, match=r"row 2, column 'sersic_nmgy_r' holds 'bright'"):
        catalogue.check(table.assign(sersic_nmgy_r=["1", "bright", "2"]), GZD5, "given")


def test_debiased_fractions_of_a_question_that_lost_its_votes_are_not_used() -> None:
    found = catalogue.check(rows(), GZD5, "true rows")
    for column in GZD5.answer_columns:
        found[f"{column}_debiased"] = 0.25
    fractions = edition_columns.label_fractions(GZD5, found, debiased=True)
    assert np.isnan(fractions[1, GZD5.slices["merging"]]).all()
    assert (fractions[0, GZD5.slices["merging"]] == 0.25).all()


def test_what_became_of_lost_votes_is_counted_by_group() -> None:
    table = catalogue.check(rows(), GZD5, "true rows").assign(
        split=["test", "test", "train"], scored=[True, True, False]
    )
    table.loc[2, "upload_group"] = "active_priority"
    assert cleaning.lost_votes(GZD5, table) == {
        "merging": {
            "active_priority": {"published": 1, "complete": 1, "kept": 0, "unknown": 0},
            "pre_active": {"published": 2, "complete": 0, "kept": 1, "unknown": 1},
            "scored in validation": {"published": 0, "complete": 0, "kept": 0, "unknown": 0},
            "scored in test": {"published": 2, "complete": 0, "kept": 1, "unknown": 1},
        }
    }
    held = edition_columns.holdings(GZD5, table[:2], edition_columns.view_labels(GZD5, table[:2]))
    assert held["scored galaxies"] == 2 and held["with a class"] == held["class irregular"] == 0
    assert held["label smooth"] == held["label featured-or-disk"] == 1 and held["merging unknown, votes lost"] == 1


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stand-in of the true shape, unpacked: 36 simulated galaxies, lost votes, no mag_r, no random_selection."""
    table, images = draw(36)
    folder = tmp_path_factory.mktemp("published")
    as_published(table).to_parquet(folder / "gz_decals_volunteers_5.parquet", index=False)
    for name, image in images.items():
        place = folder / name[:4] / f"{name}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(image)
    return folder


def prepare(source: Path, out: Path, *more: str) -> int:
    given = ["prepare", "gzd5", "--source", str(source), "--out", str(out), "--size", "64", "--processes", "1"]
    return cli.main([*given, *more])


def test_a_table_of_the_true_shape_becomes_an_edition_that_checks(
    release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare(release, tmp_path / "gzd5") == 0
    printed = capsys.readouterr().out
    assert "merging: votes cast for answers it no longer has" in printed and "What the boards hold" in printed
    edition = Edition(tmp_path / "gzd5")
    assert not [finding for finding in check(edition) if not finding.holds]
    said = edition.facts["cleaning"]["lost_votes"]["merging"]  # type: ignore[index]
    assert said["pre_active"]["unknown"] > 0 and said["active_baseline"]["unknown"] == 0
    card = (edition.path / "README.md").read_text()
    assert "### Lost votes: merging" in card and f"| pre_active | {said['pre_active']['published']} |" in card
    table = pd.concat([edition.table(split) for split in SPLITS])
    lost = table[(table[MERGING.lost] > 0) & (table[MERGING.total] == 0)]
    assert len(lost) == sum(v["unknown"] for k, v in said.items() if not k.startswith("scored"))
    assert (lost["label"] == -1).all() and not lost["in_multiclass"].any()
    assert table["mag_r"].notna().all()
    assert not views.asked(GZD5, lost[[q.total for q in GZD5.questions]].to_numpy())[:, -1].any()


@pytest.mark.parametrize("name", ["gz_decals_volunteers_5.csv.gz", "gz_decals_volunteers_5.fits"])
def test_votes_on_disk_may_be_compressed_or_fits(release: Path, tmp_path: Path, name: str) -> None:
    """pandas' nulls in columns of text become masked or empty cells."""
    rows = pd.read_parquet(release / "gz_decals_volunteers_5.parquet")
    expected = catalogue.read(release / "gz_decals_volunteers_5.parquet")
    if name.endswith(".gz"):
        rows.to_csv(tmp_path / name, index=False)
    else:
        tables = pytest.importorskip("astropy.table")
        texts = [column for column in rows if not pd.api.types.is_numeric_dtype(rows[column])]
        tables.Table.from_pandas(rows.astype(dict.fromkeys(texts, object))).write(tmp_path / name)
    found = catalogue.read(zenodo.OnDisk(folder=tmp_path).table)
    pd.testing.assert_frame_equal(found, expected)


@pytest.fixture(scope="module")
def prepared(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared") / "gzd5"
    assert prepare(release, out) == 0
    return out


def test_the_check_sees_a_lost_question_that_was_given_votes(prepared: Path, tmp_path: Path) -> None:
    shutil.copytree(prepared, tmp_path / "gzd5")
    edition = Edition(tmp_path / "gzd5")
    shard = edition.shards("train")[0]
    table = pq.read_table(shard)
    frame = table.to_pandas()
    row = int(np.flatnonzero((frame[MERGING.lost] > 0) & (frame[MERGING.total] == 0))[0])
    for column, value in ((MERGING.total, 1), (MERGING.columns[-1], 1)):
        values = frame[column].to_numpy(copy=True)
        values[row] = value
        at = table.schema.get_field_index(column)
        table = table.set_column(at, table.schema.field(at), [values])
    pq.write_table(table, shard, row_group_size=100)
    votes = next(finding for finding in check(edition) if finding.name == "votes")
    assert not votes.holds and f"{frame['iauname'][row]} and 0 more: merging does not follow" in votes.words


def test_catalogue_only_says_what_the_boards_would_hold(release: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["prepare", "gzd5", "--source", str(release), "--catalogue-only"]) == 0
    printed = capsys.readouterr().out
    for word in ("scored galaxies", "with a class", "class irregular", "label spiral-yes", "merging unknown"):
        assert word in printed
    assert "Fewer than 500 scored test galaxies have a class" in printed


def test_only_a_catalogue_is_told_that_a_board_would_not_be_frozen(prepared: Path) -> None:
    assert "Fewer than" not in (prepared / "README.md").read_text()


def test_the_shape_of_the_published_table_is_written_down_once() -> None:
    assert len(COLUMNS) == 127 and len(set(COLUMNS)) == 127


@needs_true_rows
def test_the_true_header_is_the_one_written_down() -> None:
    assert tuple(pd.read_csv(SHARED / TABLE, nrows=0).columns) == COLUMNS


@needs_true_rows
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_the_six_true_rows_and_their_images_become_an_edition(form: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for folder in SHARED.glob("gz_decals_dr5_png_part*"):
        shutil.copytree(folder, source / folder.name)
    if form == "csv":
        shutil.copy(SHARED / TABLE, source)
    else:
        pd.read_csv(SHARED / TABLE).to_parquet(source / TABLE.replace(".csv", ".parquet"))
    assert prepare(source, tmp_path / "gzd5") == 0
    edition = Edition(tmp_path / "gzd5")
    assert not [finding for finding in check(edition) if not finding.holds]
    table = pd.concat([edition.table(split) for split in SPLITS]).set_index("iauname")
    assert len(table) == 6 and edition.facts["cleaning"]["unlisted_images"] == 12  # type: ignore[index]
    assert table.loc[J1343, "label"] == -1 and table.loc[J1343, MERGING.total] == 0
    assert table.loc[J0056, "label"] == 3 and table.loc[J0056, MERGING.total] == 32
    assert table["label"].drop([J1343]).ge(0).all()
    said = edition.facts["cleaning"]["lost_votes"]["merging"]  # type: ignore[index]
    assert said["pre_active"] == {"published": 2, "complete": 0, "kept": 1, "unknown": 1}


def test_the_limit_is_data_of_the_tree() -> None:
    """Another limit changes the rule everywhere: nothing else knows the number."""
    merging = replace(MERGING, lost_limit=0.05)
    tree = replace(GZD5, questions=(*GZD5.questions[:-1], merging))
    found = catalogue.check(rows(), tree, "true rows")
    assert found[MERGING.total].tolist() == [0, 0, 37]
    assert [q.name for t in (GZD5, GZ2) for q in t.questions if q.lost_limit] == ["merging"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"simulated": True}, "simulated is True, of this source it is False"),
        ({"licence": "CC0-1.0"}, "licence is CC0-1.0, of this source it is CC-BY-4.0"),
        ({"truth": "likelihoods", "may_publish_votes": False}, "truth is likelihoods"),
    ],
)
def test_the_check_sees_an_edition_that_says_other_things_of_itself(
    prepared: Path, tmp_path: Path, changed: dict[str, object], words: str
) -> None:
    shutil.copytree(prepared, tmp_path / "gzd5")
    place = tmp_path / "gzd5" / "edition.json"
    place.write_text(json.dumps(json.loads(place.read_text()) | changed))
    found = {finding.name: finding for finding in check(Edition(tmp_path / "gzd5"))}
    assert not found["terms"].holds and words in found["terms"].words


@pytest.mark.parametrize(
    ("change", "failing"),
    [
        (lambda facts: facts["cleaning"].pop("boards"), {"boards", "card"}),
        (lambda facts: facts["cleaning"].update(boards={"test": "x"}), {"boards", "card"}),
        (lambda facts: facts["cleaning"].update(steps="none"), {"counts", "card"}),
        (lambda facts: facts["counts"].update(train=[1]), {"counts", "card"}),
        (lambda facts: facts.update(title="Another survey"), {"card"}),
        (lambda facts: facts["cleaning"]["lost_votes"]["merging"]["pre_active"].update(kept=1000), {"boards", "card"}),
    ],
)
def test_the_check_sees_every_edited_statement(
    prepared: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object], failing: set[str]
) -> None:
    shutil.copytree(prepared, tmp_path / "gzd5")
    place = tmp_path / "gzd5" / "edition.json"
    facts = json.loads(place.read_text())
    change(facts)
    place.write_text(json.dumps(facts))
    assert failing <= {finding.name for finding in check(Edition(tmp_path / "gzd5")) if not finding.holds}


@pytest.mark.parametrize("column", [MERGING.published, MERGING.lost, "redshift", "ra", "upload_group"])
def test_the_check_sees_edited_columns_beside_the_votes(prepared: Path, tmp_path: Path, column: str) -> None:
    shutil.copytree(prepared, tmp_path / "gzd5")
    edition = Edition(tmp_path / "gzd5")
    shard = edition.shards("train")[0]
    table = pq.read_table(shard)
    at = table.schema.get_field_index(column)
    values = table.column(at).to_pylist()
    values[0] = "targeted" if column == "upload_group" else (values[0] or 0) + 1
    field = table.schema.field(at)
    pq.write_table(table.set_column(at, field, pa.array(values, field.type)), shard, row_group_size=100)
    assert "hashes" in {finding.name for finding in check(edition) if not finding.holds}


def test_what_is_no_number_of_votes_is_named_as_it_stands_there() -> None:
    for value, words in ((float("inf"), "holds inf, which"), ("many", "holds 'many', which")):
        table = rows().astype({MERGING.total: object})
        table.loc[1, MERGING.total] = value
        with pytest.raises(CatalogueError, match=rf"row 2, column 'merging_total-votes' {words}"):
            catalogue.check(table, GZD5, "a table")
    with pytest.raises(CatalogueError, match="holds True and False, and no numbers of votes"):
        catalogue.check(rows().assign(**{"merging_none": [True, False, True]}), GZD5, "a table")

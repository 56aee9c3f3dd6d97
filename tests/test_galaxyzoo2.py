from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from huggingface_hub import constants
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.spatial import cKDTree

from galaxy_zoo_decals import addresses, cli, image_files, splits, views
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.prepare import audit
from galaxy_zoo_decals.schema import GZ2, SPLITS
from galaxy_zoo_decals.sources import download, galaxyzoo2_mapping, hart16, hub_shard
from galaxy_zoo_decals.sources.catalogue import CatalogueError
from galaxy_zoo_decals.sources.hub_images import Votes, join
from galaxy_zoo_decals.tables import TableError
from tests import hub, releases
from tests.hart16 import COLUMNS, FIRST, draw, hub_files, jpeg, mapping, write
from tests.releases import Zenodo

TRUE_ROWS = Path(__file__).parents[2] / "shared" / "data" / "gz2-true-rows"

GALAXIES = 60
TABLE = hart16.NAMES[0]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("galaxyzoo2") / "release"
    return folder, write(folder, GALAXIES)


@pytest.fixture(scope="module")
def expected(published: tuple[Path, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The edition of the undamaged release, made from files on disk."""
    out = tmp_path_factory.mktemp("expected") / "galaxyzoo2"
    assert prepare(out, "--source", str(published[0])) == 0
    return out


def prepare(out: Path, *more: str) -> int:
    return cli.main(["prepare", "galaxyzoo2", "--out", str(out), "--size", "64", "--processes", "1", *more])


def everything(edition: Path) -> pd.DataFrame:
    return pd.concat([Edition(edition).table(split) for split in SPLITS]).set_index("iauname")


def refused(capsys: pytest.CaptureFixture[str]) -> str:
    """What the command said on standard error, on one line."""
    return " ".join(capsys.readouterr().err.split())


# --- the table -------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not TRUE_ROWS.is_dir(), reason="needs true rows of the table in ../shared/data/gz2-true-rows")
def test_true_rows_with_their_mapping_and_pictures(tmp_path: Path) -> None:
    header = (TRUE_ROWS / "gz2_hart16.csv").read_text().splitlines()[0].split(",")
    assert tuple(header) == COLUMNS, "the stand-in has the columns of the published table"
    found = hart16.read(TRUE_ROWS / "gz2_hart16.csv", extra=True)
    assert all(check["rows"] == 0 for check in found.facts["checks"].values())  # type: ignore[attr-defined]
    assert len(found.facts["checks"]) == 14 and found.positions  # type: ignore[arg-type]
    row = found.rows.set_index("iauname").loc["587726016142835881"]
    # Of its 44 volunteers 36 said smooth and 8 features or disk; its file's row says so.
    assert row[["smooth-or-featured_smooth", "smooth-or-featured_featured-or-disk"]].tolist() == [36, 8]
    assert row["odd_total-votes"] == 44 and row["how-rounded_total-votes"] == 36
    assert row["disk-edge-on_total-votes"] == 8 and row["upload_group"] == "original"
    assert row["ra"] == 180.4075164794922
    assert row["smooth-or-featured_smooth_weighted-fraction"] == pytest.approx(0.818, abs=1e-6)
    pictures = galaxyzoo2_mapping.read(TRUE_ROWS / galaxyzoo2_mapping.NAME, found.rows)
    assert pictures.galaxies == {
        "16126": "587726016142835881", "91609": "587736542560715163", "106587": "587737825678131439",
    }  # fmt: skip
    assert pictures.without == ()
    edge_on = found.rows[found.rows["iauname"] == "587736542560715163"]
    label = views.multiclass(GZ2, views.fractions(GZ2, edge_on[list(GZ2.answer_columns)].to_numpy())).label
    assert label.tolist() == [2], "its gz2_class is Ser: an edge-on disc"
    for asset in pictures.galaxies:
        with Image.open(TRUE_ROWS / "images" / f"{asset}.jpg") as image:
            assert image.size == (424, 424)


def written(folder: Path, rows: pd.DataFrame) -> Path:
    rows.to_csv(folder / "gz2_hart16.csv", index=False)
    return folder / "gz2_hart16.csv"


def test_votes_are_the_counts_and_totals_their_sums(tmp_path: Path) -> None:
    rows, _ = draw(30)
    read = hart16.read(written(tmp_path, rows)).rows
    assert read["iauname"].tolist() == rows["dr7objid"].tolist()
    assert read["upload_group"].tolist() == rows["sample"].tolist()
    for (question, answer), column in zip(GZ2.answers, hart16.COUNTS):
        assert read[f"{question}_{answer}"].tolist() == rows[column].tolist(), column
    for q in GZ2.questions:
        assert (read[q.total] == read[list(q.columns)].sum(axis=1)).all()
    assert read["odd_yes"].tolist() == rows["t06_odd_a14_yes_count"].tolist()
    assert read["spiral-arm-count_cant-tell"].tolist() == rows["t11_arms_number_a37_cant_tell_count"].tolist()


@pytest.mark.parametrize(
    ("column", "more", "wrong"),
    [
        ("total_votes", 1, ["total_votes"]),
        ("total_classifications", -1, ["total_classifications"]),
        ("t01_smooth_or_features_a03_star_or_artifact_count", 2, ["total_votes", "total_classifications"]),
        ("t02_edgeon_a04_yes_count", 1, ["total_votes", "t02_edgeon add", "t09_bulge_shape add"]),
        ("t06_odd_a14_yes_count", 1, ["total_votes", "t06_odd add", "t08_odd_feature add"]),
        ("t07_rounded_a17_in_between_count", 1, ["total_votes", "t07_rounded add"]),
        (
            "t02_edgeon_a05_no_count", 1,
            ["total_votes", "t02_edgeon add", "t03_bar add", "t04_spiral add", "t05_bulge_prominence add"],
        ),
        (
            "t04_spiral_a08_spiral_count", 1,
            ["total_votes", "t04_spiral add", "t10_arms_winding add", "t11_arms_number add"],
        ),
    ],
)  # fmt: skip
def test_what_does_not_agree_is_counted_by_its_kind(tmp_path: Path, column: str, more: int, wrong: list[str]) -> None:
    rows, _ = draw(12)
    rows.loc[[4, 9], column] += more
    found = hart16.read(written(tmp_path, rows))
    checks = {what: check for what, check in found.facts["checks"].items() if check["rows"]}  # type: ignore[attr-defined]
    assert len(checks) == len(wrong)
    for words in wrong:
        (check,) = [check for what, check in checks.items() if words in what]
        assert check == {"rows": 2, "first": rows["dr7objid"][4]}
    said = hart16.summary(found.facts)
    assert said.count("not so in 2 rows") == len(wrong) and rows["dr7objid"][4] in said
    for q in GZ2.questions:  # whatever the table says of itself, the edition's own columns agree
        assert (found.rows[q.total] == found.rows[list(q.columns)].sum(axis=1)).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.drop(columns="t06_odd_a14_yes_count"), "'t06_odd_a14_yes_count'"),
        (lambda t: t.rename(columns={"dr7objid": "objid"}), "'dr7objid'"),
        (lambda t: t.drop(columns="dec"), "'ra' and no 'dec'"),
        (lambda t: t.assign(total_votes=t["total_votes"] + 0.5), "row 1, column 'total_votes' is no whole number"),
        (lambda t: put(t, 3, "t03_bar_a06_bar_count", -1), "row 4, column 't03_bar_a06_bar_count' is negative"),
        (lambda t: put(t, 3, "t03_bar_a06_bar_count", 99999), "row 4, column 't03_bar_a06_bar_count' is larger"),
        (lambda t: put(t, 3, "t03_bar_a06_bar_count", ""), "row 4, column 't03_bar_a06_bar_count' is empty"),
        (lambda t: put(t, 3, "t03_bar_a06_bar_count", "many"), "row 4, column 't03_bar_a06_bar_count' holds 'many'"),
        (lambda t: put(t, 2, "dr7objid", "5.877e+17"), "row 3, column 'dr7objid' holds '5.877e+17'"),
        (lambda t: put(t, 2, "dr7objid", ""), "row 3, column 'dr7objid' holds ''"),
        (lambda t: put(t, 2, "dr7objid", "0587722981736120347"), "row 3, column 'dr7objid' holds '058772"),
        (lambda t: put(t, 2, "dr7objid", "12"), "row 3, column 'dr7objid' holds '12'"),
        (lambda t: put(t, 5, "ra", ""), "row 6, column 'ra' is empty"),
        (lambda t: put(t, 5, "dec", 91), "row 6, column 'dec' holds 91"),
        (lambda t: put(pd.concat([t[:3], t]), 5, "dec", "inf"), "row 9, column 'dec' holds inf"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(tmp_path: Path, change: object, words: str) -> None:
    rows, _ = draw(8)
    path = written(tmp_path, change(rows))  # type: ignore[operator]
    with pytest.raises(CatalogueError) as error:
        hart16.read(path)
    assert words in str(error.value) and str(path) in str(error.value)


def put(rows: pd.DataFrame, row: int, column: str, value: object) -> pd.DataFrame:
    rows = rows.copy()
    rows[column] = rows[column].astype(object)
    rows.loc[row, column] = value
    return rows


def test_a_question_that_nobody_was_asked_may_be_empty(tmp_path: Path) -> None:
    rows, _ = draw(20)
    arms = [column for column in rows if column.startswith("t10_arms_winding") and column.endswith("_count")]
    nobody = rows[arms].sum(axis=1) == 0
    assert 0 < nobody.sum() < 20
    rows[arms] = rows[arms].astype(object)
    rows.loc[nobody, arms] = ""
    found = hart16.read(written(tmp_path, rows))
    assert (found.rows["spiral-winding_total-votes"] == 0).tolist() == nobody.tolist()
    assert not any(check["rows"] for check in found.facts["checks"].values())  # type: ignore[attr-defined]


@pytest.mark.parametrize("zipped", [False, True])
def test_a_table_that_was_cut_is_none(tmp_path: Path, zipped: bool) -> None:
    data = written(tmp_path, draw(8)[0]).read_bytes()
    (tmp_path / "gz2_hart16.csv").unlink()
    path = tmp_path / ("gz2_hart16.csv.gz" if zipped else "gz2_hart16.csv")
    whole = gzip.compress(data) if zipped else data
    path.write_bytes(whole)
    assert len(hart16.read(path).rows) == 8
    for part in (0, 100, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:part])
        with pytest.raises(TableError, match=r"cut short|has no bytes|is missing; it has"):
            hart16.read(path)
    path.write_bytes(b"\x89PNG" + bytes(range(256)))
    with pytest.raises(TableError, match="a PNG picture"):
        hart16.read(path)


@pytest.mark.parametrize(("name", "format"), [("gz2_hart16.fits.gz", "fits"), ("gz2_hart16.vot.gz", "votable")])
def test_the_other_formats_of_the_published_table_are_the_same(tmp_path: Path, name: str, format: str) -> None:
    """data.galaxyzoo.org offers the table as CSV, FITS and VOTable."""
    tables = pytest.importorskip("astropy.table")
    rows, _ = draw(8)
    texts = rows.columns[[not pd.api.types.is_numeric_dtype(kind) for kind in rows.dtypes]]
    plain = tables.Table.from_pandas(rows.astype(dict.fromkeys(texts, object)))
    plain["dr7objid"] = rows["dr7objid"].astype("int64").to_numpy()
    plain.write(tmp_path / name.removesuffix(".gz"), format=format)
    (tmp_path / name).write_bytes(gzip.compress((tmp_path / name.removesuffix(".gz")).read_bytes()))
    pd.testing.assert_frame_equal(
        hart16.read(tmp_path / name, True).rows, hart16.read(written(tmp_path, rows), True).rows
    )


def test_a_galaxy_that_stands_there_twice_is_taken_once_from_the_earlier_sample(tmp_path: Path) -> None:
    rows, _ = draw(10)
    again = rows.iloc[[2, 5]].assign(sample=["stripe82_coadd_2", "original"], t06_odd_a14_yes_count=77)
    again["dr7objid"] = rows["dr7objid"].iloc[[2, 8]].tolist()  # row 8 is of extra
    both = pd.concat([again, rows], ignore_index=True)
    found = hart16.read(written(tmp_path, both))
    assert found.facts["rows"] == 12 and len(found.rows) == 10
    assert found.facts["checks"][hart16.REPEATED]["rows"] == 2  # type: ignore[index]
    odd = found.rows.set_index("iauname")["odd_yes"]
    assert odd[rows["dr7objid"][8]] == 77, "the row of original"
    assert odd[rows["dr7objid"][2]] == rows["t06_odd_a14_yes_count"][2], "not the one of the coadd"


@pytest.mark.parametrize("read", [float, lambda name: round(int(name), -3)], ids=["float", "spreadsheet"])
def test_identifiers_that_lost_their_last_digits_are_refused(tmp_path: Path, read: Callable[[str], float]) -> None:
    rows, _ = draw(12)
    rows["dr7objid"] = [str(FIRST + 1001 * i) for i in range(12)]
    lost = rows.assign(dr7objid=[str(int(read(name))) for name in rows["dr7objid"]])
    with pytest.raises(CatalogueError, match="'dr7objid' has lost its last digits"):
        hart16.read(written(tmp_path, lost))
    mapping(lost).to_csv(tmp_path / galaxyzoo2_mapping.NAME, index=False)
    galaxies = hart16.read(written(tmp_path, rows)).rows
    with pytest.raises(CatalogueError, match="'objid' has lost its last digits"):
        galaxyzoo2_mapping.read(tmp_path / galaxyzoo2_mapping.NAME, galaxies)


def test_samples_of_other_names_are_reported(tmp_path: Path) -> None:
    rows, _ = draw(12)
    rows.loc[[3, 5], "sample"] = ["Original", ""]
    found = hart16.read(written(tmp_path, rows))
    assert found.facts["checks"][hart16.KNOWN] == {"rows": 2, "first": rows["dr7objid"][3]}  # type: ignore[index]
    assert not splits.scored_galaxy_zoo_2(found.rows)[[3, 5]].any()


# --- the pictures ----------------------------------------------------------------------------------------------------


def test_a_galaxy_gets_the_picture_of_its_own_sample(tmp_path: Path) -> None:
    path = tmp_path / galaxyzoo2_mapping.NAME
    path.write_text(
        "objid,sample,asset_id\n1,original,10\n1,stripe82,11\n2,stripe82_coadd_2,12\n2,stripe82_coadd_1,13\n3,extra,14\n"
    )
    rows = pd.DataFrame({"iauname": ["1", "2", "4"], "upload_group": ["stripe82", "original", "original"]})
    found = galaxyzoo2_mapping.read(path, rows)
    assert found.galaxies == {"11": "1", "13": "2"} and found.without == ("4",)
    path.write_text(f"{path.read_text()}1,original,10\n")
    assert galaxyzoo2_mapping.read(path, rows) == found, "a row that stands there twice says nothing else"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("objid,asset_id\n1,10\n", "column 'sample' is missing"),
        ("objid,sample,asset_id\n1,original,10\n2,original,11\n3,extra,10\n", "the picture 10 stands in rows 1 and 3"),
        ("objid,sample,asset_id\n1,original,10\nx,original,11\n", "row 2, column 'objid' holds 'x'"),
        ("objid,sample,asset_id\n1,original,\n", "row 1, column 'asset_id' holds ''"),
        ("objid,sample,asset_id\n1,original,10\n2,orig", "cut short"),
        ("objid,sample,asset_id\n1,original\n2,original,10\n", "row 1 has 2 columns and the header 3"),
        ("<html>\n<p>one\n<p>a, b\n<p>c\n", "this is a web page in place of a table"),
    ],
)
def test_what_is_wrong_with_a_mapping_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / galaxyzoo2_mapping.NAME
    path.write_text(text)
    with pytest.raises(TableError, match=words):
        galaxyzoo2_mapping.read(path, pd.DataFrame({"iauname": ["1"], "upload_group": ["original"]}))


def test_from_files_on_disk_to_the_edition(published: tuple[Path, pd.DataFrame], expected: Path) -> None:
    folder, rows = published
    edition, found = Edition(expected), everything(expected)
    facts = edition.facts
    assert (edition.name, edition.title, edition.tree.name) == ("galaxyzoo2", "Galaxy Zoo 2", "GZ2")
    assert facts["truth"] == "counts" and facts["simulated"] is False and facts["pictures"] == "JPEG, Zenodo"
    assert "MNRAS 435, 2835" in str(facts["citation"]) and "MNRAS 461, 3663" in str(facts["citation"])
    source = facts["source"]
    assert source["table"]["rows"] == GALAXIES and source["split"] == "sky cell"  # type: ignore[index]
    assert source["table"]["bytes"] == (folder / "gz2_hart16.csv.gz").stat().st_size  # type: ignore[index]
    assert source["without_picture"] == {"galaxies": 1, "first": [rows["dr7objid"].iloc[-1]]}  # type: ignore[index]
    assert sorted(found.index) == sorted(rows["dr7objid"][:-2]), "the last two have no picture"
    assert facts["cleaning"]["unlisted_images"] == 1  # type: ignore[index]
    given = rows.set_index("dr7objid").loc[found.index]
    for column, name in zip(hart16.COUNTS, GZ2.answer_columns):
        assert found[name].tolist() == given[column].tolist()
    assert found["ra"].tolist() == given["ra"].tolist() and found["upload_group"].tolist() == given["sample"].tolist()
    many = given["total_classifications"] >= 30
    assert found["scored"].tolist() == (many & (given["sample"] == "original") & (found["split"] != "train")).tolist()
    pictures = {name: data for split in SPLITS for name, data in edition.images(split).items()}
    with zipfile.ZipFile(folder / "images_gz2.zip") as held:
        for i, name in enumerate(rows["dr7objid"][:-2]):
            small = Image.open(io.BytesIO(held.read(f"images/{100 + i}.jpg"))).resize(
                (64, 64), Image.Resampling.LANCZOS
            )
            buffer = io.BytesIO()
            small.save(buffer, "JPEG", quality=90, optimize=True)
            assert pictures[name] == buffer.getvalue(), "each galaxy has its own picture"
    assert cli.main(["check", str(expected)]) == 0


def test_unpacked_files_make_the_same_votes(
    published: tuple[Path, pd.DataFrame], expected: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = published
    place = tmp_path / "files"
    place.mkdir()
    (place / "gz2_hart16.csv").write_bytes(gzip.decompress((folder / "gz2_hart16.csv.gz").read_bytes()))
    shutil.copy(folder / galaxyzoo2_mapping.NAME, place)
    with zipfile.ZipFile(folder / "images_gz2.zip") as held:
        held.extractall(place)
    assert prepare(tmp_path / "made", "--source", str(place), "--name", "mine", "--debiased") == 0
    assert "All counts, totals and parents agree" in refused(capsys)
    made, there = Edition(tmp_path / "made"), Edition(expected)
    assert made.content_hash == there.content_hash and made.facts["image_hash"] == there.facts["image_hash"]
    assert made.name == "mine" and made.facts["pictures"] == "JPEG, Zenodo"
    found = everything(tmp_path / "made")
    rows = pd.read_csv(place / "gz2_hart16.csv", dtype={"dr7objid": str}).set_index("dr7objid").loc[found.index]
    assert np.allclose(found["odd_yes_debiased"], rows["t06_odd_a14_yes_debiased"])
    assert np.allclose(found["bar_no_weighted-fraction"], rows["t03_bar_a07_no_bar_weighted_fraction"])
    assert cli.main(["check", str(tmp_path / "made")]) == 0


def test_small_pictures_are_not_called_those_of_zenodo(tmp_path: Path) -> None:
    rows, images = draw(30)
    folder = tmp_path / "files"
    (folder / "images").mkdir(parents=True)
    written(folder, rows)
    mapping(rows).to_csv(folder / galaxyzoo2_mapping.NAME, index=False)
    for i, image in enumerate(images):
        (folder / "images" / f"{100 + i}.jpg").write_bytes(jpeg(image, 96))
    assert prepare(tmp_path / "made", "--source", str(folder)) == 0
    edition = Edition(tmp_path / "made")
    assert edition.facts["pictures"] == "96 px, files on disk" and edition.galaxies == 30
    assert edition.terms.licence == "other" and not edition.terms.may_publish_images
    assert not edition.terms.may_publish_votes


def test_bad_files_in_a_folder_are_left_out_and_nothing_of_the_machine_is_said(
    published: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    folder = tmp_path / "files"
    shutil.copytree(published[0], folder)
    with zipfile.ZipFile(folder / "images_gz2.zip") as held:
        held.extractall(folder)
    (folder / "images_gz2.zip").unlink()
    images = folder / "images"
    # A PNG of 40,000 pixels a side: header and no content.
    head = b"IHDR" + struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    (images / "100.jpg").write_bytes(
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
        + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    )  # fmt: skip
    (images / "101.jpg").write_bytes(b"no picture")
    (images / "102.jpg").write_bytes(jpeg(np.zeros((8, 8, 3), np.uint8), 64))
    (images / "more").mkdir()
    shutil.copy(images / "104.jpg", images / "more" / "103.jpg")
    assert prepare(tmp_path / "made", "--source", str(folder)) == 0
    edition = Edition(tmp_path / "made")
    assert edition.facts["pictures"] == "JPEG, Zenodo" and edition.galaxies == GALAXIES - 2 - 4
    said = [s["examples"] for s in edition.facts["cleaning"]["steps"] if s["name"] == "unusable image"]  # type: ignore[index]
    bomb, text, small, two = (said[0][name] for name in published[1]["dr7objid"][:4])
    assert "more pixels than a cutout has" in bomb and text == "not a readable image: it is text"
    assert "64 x 64" in small and two.startswith("there are two different images of it, 103.jpg and more/103.jpg")
    assert str(tmp_path) not in (tmp_path / "made" / "edition.json").read_text()


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("gz2_hart16.csv.gz", "there is no gz2_hart16.csv.gz or gz2_hart16.csv"),
        (galaxyzoo2_mapping.NAME, "there is no gz2_filename_mapping.csv"),
        ("images_gz2.zip", "neither images_gz2.zip nor pictures in a folder"),
    ],
)
def test_what_is_missing_is_named(
    published: tuple[Path, pd.DataFrame], tmp_path: Path, missing: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(published[0], tmp_path / "release")
    (tmp_path / "release" / missing).unlink()
    assert prepare(tmp_path / "made", "--source", str(tmp_path / "release")) == 1
    assert words in refused(capsys)
    assert not (tmp_path / "made").exists() and not (tmp_path / "made.partial").exists()


def test_pictures_of_other_names_are_named(
    published: tuple[Path, pd.DataFrame], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(published[0], tmp_path / "release")
    with zipfile.ZipFile(tmp_path / "release" / "images_gz2.zip", "w") as made:
        made.writestr("images/587722981736120347.jpg", jpeg(np.zeros((8, 8, 3), np.uint8)))
    assert prepare(tmp_path / "made", "--source", str(tmp_path / "release")) == 1
    said = refused(capsys)
    assert "none of its 1 pictures is called by an asset id" in said
    assert "'587722981736120347' is an objid of SDSS DR7" in said and "of the asset ids of" in said and "'100'" in said


def test_labels_are_made_of_votes_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prepare(tmp_path / "made", "--source", str(tmp_path), "--cleaning", "student") == 1
    assert "made of the votes alone" in refused(capsys)


# --- splits and scored -----------------------------------------------------------------------------------------------


def test_without_positions_the_name_decides_and_the_card_says_so(tmp_path: Path) -> None:
    rows, images = draw(40)
    folder = tmp_path / "files"
    folder.mkdir()
    written(folder, rows.drop(columns=["ra", "dec", "rastring", "decstring"]))
    mapping(rows).to_csv(folder / galaxyzoo2_mapping.NAME, index=False)
    for i, image in enumerate(images):
        (folder / f"{100 + i}.jpg").write_bytes(jpeg(image, 64))
    assert prepare(tmp_path / "made", "--source", str(folder)) == 0
    found, edition = everything(tmp_path / "made"), Edition(tmp_path / "made")
    assert found["ra"].isna().all() and found["dec"].isna().all()
    for name, split in found["split"].items():
        place = splits.bucket(str(name))
        assert split == ("train" if place < 70 else "validation" if place < 80 else "test")
    assert edition.facts["source"]["split"] == "dr7objid"  # type: ignore[index]
    assert "hash of the dr7objid" in edition.facts["source"]["description"]  # type: ignore[index]
    card = (tmp_path / "made" / "README.md").read_text()
    assert "By a hash of the dr7objid, as the table has no positions" in card and "cells of half a degree" not in card
    assert cli.main(["check", str(tmp_path / "made")]) == 0


def test_what_does_not_agree_and_who_stays_together_in_a_whole_edition(tmp_path: Path) -> None:
    """One galaxy in two samples, 2 arcsec apart across the border of two cells; three rows with another total."""
    rows, images = draw(40)
    rows.loc[[0, 9], "ra"] = 150.0  # row 9 is of stripe82
    rows.loc[[0, 9], "dec"] = [2 + 1 / 3600, 2 - 1 / 3600]
    rows.loc[[4, 5, 6], "total_votes"] += 1
    folder = tmp_path / "files"
    folder.mkdir()
    written(folder, rows)
    mapping(rows).to_csv(folder / galaxyzoo2_mapping.NAME, index=False)
    for i, image in enumerate(images):
        (folder / f"{100 + i}.jpg").write_bytes(jpeg(image, 64))
    assert prepare(tmp_path / "made", "--source", str(folder)) == 0
    found, edition = everything(tmp_path / "made"), Edition(tmp_path / "made")
    assert found.loc[rows["dr7objid"][[0, 9]], "split"].tolist() == ["test", "test"]
    assert splits.by_sky_cell([150.0], [2 - 1 / 3600]).tolist() == ["train"], "where the second would be alone"
    assert found.loc[rows["dr7objid"][0], "scored"] and not found.loc[rows["dr7objid"][9], "scored"]
    checks = edition.facts["source"]["checks"]  # type: ignore[index]
    assert checks[hart16.ROW_SUM] == {"rows": 3, "first": rows["dr7objid"][4]}
    assert sum(check["rows"] for check in checks.values()) == 3
    card = (tmp_path / "made" / "README.md").read_text()
    assert f"| {hart16.ROW_SUM} | 3 | {rows['dr7objid'][4]} |" in card and f"| {hart16.FIRST} | 0 |  |" in card
    assert cli.main(["check", str(tmp_path / "made")]) == 0


def test_the_hash_of_a_name_by_hand() -> None:
    # printf 587726016142835881 | sha256sum
    digest = 0xAD05D2020292768BAC9152C8EABC67594E97482582B2CFB9E1CD6952A442D319
    assert splits.bucket("587726016142835881") == digest % 100 == 69
    assert splits.by_name(["587726016142835881"]).tolist() == ["train"]
    buckets = {splits.bucket(str(i)): str(i) for i in range(2000)}
    ends = [buckets[i] for i in (69, 70, 79, 80, 99)]
    assert splits.by_name(ends).tolist() == ["train", "validation", "validation", "test", "test"]


def test_a_galaxy_of_two_samples_stays_in_one_split_across_the_border_of_a_cell() -> None:
    # Cells end at every half degree of declination; of these borders some divide two splits.
    dec = np.arange(-40, 100) * 0.5
    ra = np.full(len(dec), 150.0)
    below, above = dec - 1 / 3600, dec + 1 / 3600
    apart = splits.by_sky_cell(ra, below) != splits.by_sky_cell(ra, above)
    assert apart.sum() > 20
    places = np.tile(ra, 2), np.concatenate([below, above])
    rank = np.repeat([2, 0], len(dec))
    found = splits.by_sky_cell_together(*places, rank)
    assert (found[: len(dec)] == found[len(dec) :]).all()
    assert (found[len(dec) :] == splits.by_sky_cell(ra, above)).all(), "that of the sample original"
    assert splits.at_border(*places, found).all()
    far = np.tile(ra, 2), np.concatenate([dec - 4 / 3600, dec + 4 / 3600])
    assert (splits.by_sky_cell_together(*far, rank) == splits.by_sky_cell(*far)).all(), "8 arcsec are two galaxies"
    same = np.zeros_like(rank)
    turned = splits.by_sky_cell_together(*(place[::-1] for place in places), same)
    assert (turned[::-1] == splits.by_sky_cell_together(*places, same)).all(), "the order of the rows decides nothing"


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_who_is_alone_has_the_split_of_its_cell(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ra, dec = rng.uniform(0, 360, 200), np.degrees(np.arcsin(rng.uniform(-1, 1, 200)))
    copies = rng.integers(0, 200, 40)
    turn = rng.uniform(0, 2 * np.pi, 40)
    near = (
        (ra[copies] + 2 / 3600 * np.cos(turn) / np.cos(np.radians(dec[copies]))) % 360,
        np.clip(dec[copies] + 2 / 3600 * np.sin(turn), -90, 90),
    )
    places = np.concatenate([ra, near[0]]), np.concatenate([dec, near[1]])
    rank = np.repeat([0, 2], [200, 40])
    found = splits.by_sky_cell_together(*places, rank)
    assert (found[:200] == splits.by_sky_cell(ra, dec)).all()
    assert (found[200:] == found[copies]).all()
    assert splits.at_border(*places, found).all()


def test_a_chain_of_neighbours_stays_together_and_is_found_to_be_right(tmp_path: Path) -> None:
    """Nine entries, each 4 arcsec from the next: they reach further from the border of a cell than neighbours do."""
    rows, images = draw(60)
    chain = [i for i in range(60) if i % 10 < 8][:9]
    rows.loc[chain, "ra"], rows.loc[chain, "dec"] = 150.0, 2 + (4 - 4 * np.arange(9)) / 3600
    folder = tmp_path / "files"
    folder.mkdir()
    written(folder, rows)
    mapping(rows).to_csv(folder / galaxyzoo2_mapping.NAME, index=False)
    for i, image in enumerate(images):
        (folder / f"{100 + i}.jpg").write_bytes(jpeg(image, 64))
    assert prepare(tmp_path / "made", "--source", str(folder)) == 0
    assert set(everything(tmp_path / "made").loc[rows["dr7objid"][chain], "split"]) == {"train"}
    edition, table = Edition(tmp_path / "made"), everything(tmp_path / "made").reset_index()
    assert audit._cells(edition, table).holds
    table.loc[table["iauname"] == rows["dr7objid"][chain[4]], "split"] = "test"
    assert "1 times galaxies within 5 arcsec are in two splits" in audit._cells(edition, table).words


def test_many_rows_at_one_place_are_one_neighbourhood() -> None:
    ra = np.concatenate([np.zeros(50_000), [360.0, 1.0]])  # all pairs would be 20 GB
    found = splits.neighbours(ra, np.zeros(len(ra)))
    assert len(set(found[:-1])) == 1 and found[-1] != found[0]


def test_at_the_border_is_near_the_border() -> None:
    # Below 2 degrees is train there, above is test.
    ra, dec = np.full(3, 150.0), np.array([1.75, 2 - 20 / 3600, 2 - 2 / 3600])
    other, here = np.full(3, "test"), splits.by_sky_cell(ra, dec)
    assert here.tolist() == ["train"] * 3 and splits.by_sky_cell([150.0], [2.1]).tolist() == ["test"]
    assert splits.at_border(ra, dec, other).tolist() == [False, False, True]
    assert splits.at_border(ra, dec, here).all()


def test_who_is_scored_by_hand() -> None:
    rows = pd.DataFrame(
        {
            "smooth-or-featured_total-votes": [29, 30, 45, 45, 45, 45],
            "upload_group": pd.array(["original", "original", "extra", "stripe82", "original", None], dtype="string"),
        }
    )
    assert splits.scored_galaxy_zoo_2(rows).tolist() == [False, True, False, False, True, False]


def test_the_stand_in_has_all_splits_and_samples(expected: Path) -> None:
    found = everything(expected)
    assert set(found["split"]) == set(SPLITS)
    assert Counter(found["upload_group"]).keys() == {"original", "extra", "stripe82"}


# --- downloads -------------------------------------------------------------------------------------------------------


@pytest.fixture
def zenodo(published: tuple[Path, pd.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zenodo]:
    """Zenodo's record 3565489, and a bucket that holds the table without any checksum."""
    monkeypatch.setattr(download, "LONGEST_WAIT", 0.05)
    monkeypatch.setattr(download, "TIMEOUT", (5.0, 1.0))
    record, bucket = tmp_path / "record", tmp_path / "bucket"
    record.mkdir(), bucket.mkdir()
    for name in ("images_gz2.zip", galaxyzoo2_mapping.NAME):
        shutil.copy(published[0] / name, record)
    shutil.copy(published[0] / TABLE, bucket)
    with releases.serve(record, number=3565489, licence="cc-by-4.0", bucket=bucket) as server:
        yield server


def from_server(zenodo: Zenodo, folder: Path, *more: str) -> int:
    places = ["--table", f"{zenodo.url}/bucket/{TABLE}", "--downloads", str(folder / "downloads")]
    if not any(word.startswith("hub") for word in more):
        places += ["--record", f"{zenodo.url}/api/records/3565489"]
    return prepare(folder / "made", *places, *more)


def asked_for(zenodo: Zenodo, name: str) -> list[str | None]:
    """The Range of every request for a file's content."""
    return [span for path, span, status in zenodo.requests if path.endswith(f"/{name}") and status in (200, 206)]


def test_from_nothing_to_the_edition(zenodo: Zenodo, tmp_path: Path, expected: Path) -> None:
    assert from_server(zenodo, tmp_path) == 0
    made, there = Edition(tmp_path / "made"), Edition(expected)
    assert made.content_hash == there.content_hash and made.facts["image_hash"] == there.facts["image_hash"]
    assert made.terms.licence == "CC-BY-4.0" and made.terms.may_publish_images
    assert not made.terms.may_publish_votes, "the record says nothing of the table"
    assert "states the licence cc-by-4.0" in str(made.facts["citation"])
    assert made.facts["source"]["doi"] == "10.5281/zenodo.3565489"  # type: ignore[index]
    data = (zenodo.bucket / TABLE).read_bytes()  # type: ignore[operator]
    assert made.facts["source"]["table"] == {  # type: ignore[index]
        "name": TABLE, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "rows": GALAXIES
    }  # fmt: skip
    assert cli.main(["check", str(tmp_path / "made")]) == 0
    before = len(zenodo.requests)
    assert from_server(zenodo, tmp_path) == 0
    assert len(zenodo.requests) == before, "what is there is not asked for again, not even the licence"


@pytest.mark.parametrize(
    ("licence", "spdx", "words"),
    [("cc-by-nc-sa-4.0", "CC-BY-NC-SA-4.0", "states the licence cc-by-nc-sa-4.0"),
     ("other-closed", "other", "states the licence other-closed"), (None, "other", "states no licence")],
)  # fmt: skip
def test_the_licence_is_the_one_that_the_record_states(
    zenodo: Zenodo, tmp_path: Path, licence: str | None, spdx: str, words: str
) -> None:
    zenodo.licence = licence
    assert from_server(zenodo, tmp_path) == 0
    edition = Edition(tmp_path / "made")
    assert edition.terms.licence == spdx and words in str(edition.facts["citation"])
    assert edition.terms.may_publish_images is (spdx != "other")


def test_interrupted_downloads_go_on(zenodo: Zenodo, tmp_path: Path, expected: Path) -> None:
    zenodo.faults = {
        TABLE: ["", "cut 1000", "503", "cut 2000"],
        "images_gz2.zip": ["cut 30000", "429 0", "cut 10000"],
        galaxyzoo2_mapping.NAME: ["cut 100"],
    }
    assert from_server(zenodo, tmp_path) == 0
    assert Edition(tmp_path / "made").content_hash == Edition(expected).content_hash
    assert asked_for(zenodo, TABLE) == ["bytes=0-0", None, "bytes=1000-", "bytes=3000-"]
    assert asked_for(zenodo, "images_gz2.zip") == [None, "bytes=30000-", "bytes=40000-"]


def test_a_table_that_became_another_one_is_not_continued(zenodo: Zenodo, tmp_path: Path) -> None:
    downloads = tmp_path / "downloads"
    zenodo.faults[TABLE] = ["", "cut 1000", *["404"] * 30]
    assert from_server(zenodo, tmp_path) == 1
    (left,) = downloads.glob(f"{TABLE}.*.part")
    assert left.stat().st_size == 1000, "kept, as the same file may come back"
    rows, _ = draw(GALAXIES, 9)
    rows.to_csv(zenodo.bucket / TABLE, index=False)  # type: ignore[operator]
    zenodo.faults.clear()
    assert from_server(zenodo, tmp_path, "--catalogue-only") == 0
    assert (downloads / TABLE).read_bytes() == (zenodo.bucket / TABLE).read_bytes()  # type: ignore[operator]
    assert not list(downloads.glob("*.part"))


def test_other_columns_make_another_edition_and_the_same_ones_none(
    zenodo: Zenodo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert from_server(zenodo, tmp_path) == 0
    before = (tmp_path / "made" / "edition.json").stat().st_mtime_ns
    capsys.readouterr()
    assert from_server(zenodo, tmp_path) == 0
    assert "is there already" in capsys.readouterr().out
    assert (tmp_path / "made" / "edition.json").stat().st_mtime_ns == before
    assert from_server(zenodo, tmp_path, "--debiased") == 0
    assert "odd_yes_debiased" in Edition(tmp_path / "made").facts["extra_columns"]  # type: ignore[operator]


def test_another_table_does_not_replace_an_edition_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "large", 60), write(tmp_path / "small", 40)
    assert prepare(tmp_path / "made", "--source", str(tmp_path / "large")) == 0
    assert prepare(tmp_path / "made", "--source", str(tmp_path / "small")) == 1
    assert "holds the edition galaxyzoo2 (58 galaxies" in (said := refused(capsys)) and "--again" in said
    assert Edition(tmp_path / "made").galaxies == 58
    assert prepare(tmp_path / "made", "--source", str(tmp_path / "small"), "--again") == 0
    assert Edition(tmp_path / "made").galaxies == 38


@pytest.mark.parametrize("name", ["images_gz2.zip", galaxyzoo2_mapping.NAME])
def test_a_wrong_checksum_is_named(
    zenodo: Zenodo, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    zenodo.faults[name] = ["wrong", "wrong"]
    assert from_server(zenodo, tmp_path) == 1
    said = refused(capsys)
    assert f"{name}: downloaded twice, and both times its md5 is" in said
    assert not (tmp_path / "downloads" / name).exists() and not (tmp_path / "made").exists()


def test_a_table_that_arrives_damaged_is_named(
    zenodo: Zenodo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zenodo.faults[TABLE] = ["", "wrong"]  # its last bytes: the checksum of gzip
    assert from_server(zenodo, tmp_path) == 1
    said = refused(capsys)
    assert f"{TABLE}: it is compressed by gzip, and it does not unpack" in said and "move this one away" in said


def test_a_record_without_the_archive_is_named(
    zenodo: Zenodo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (zenodo.folder / "images_gz2.zip").unlink()
    assert from_server(zenodo, tmp_path) == 1
    assert "the record has no images_gz2.zip. Is this the address of record 3565489?" in refused(capsys)


def test_archives_are_deleted_once_they_are_converted(zenodo: Zenodo, tmp_path: Path, expected: Path) -> None:
    assert from_server(zenodo, tmp_path, "--delete-archives") == 0
    assert not (tmp_path / "downloads" / "images_gz2.zip").exists()
    assert Edition(tmp_path / "made").facts["image_hash"] == Edition(expected).facts["image_hash"]


def test_the_votes_alone_are_reported(zenodo: Zenodo, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert from_server(zenodo, tmp_path, "--catalogue-only") == 0
    out = capsys.readouterr().out
    assert "scored test galaxies" in out and str(tmp_path / "downloads" / TABLE) in out
    assert not asked_for(zenodo, "images_gz2.zip")


def test_some_galaxies_out_of_the_archive_on_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(download, "LONGEST_WAIT", 0.05)
    rows = write(tmp_path / "record", 250, seed=11)
    (tmp_path / "bucket").mkdir()
    shutil.move(tmp_path / "record" / TABLE, tmp_path / "bucket" / TABLE)
    whole = (tmp_path / "record" / "images_gz2.zip").stat().st_size
    with releases.serve(tmp_path / "record", number=3565489, licence="cc-by-4.0", bucket=tmp_path / "bucket") as zenodo:
        assert from_server(zenodo, tmp_path, "--galaxies", "40") == 0
        edition = Edition(tmp_path / "made")
        assert edition.name == "galaxyzoo2-40" and edition.galaxies == 40
        assert edition.title == "Galaxy Zoo 2, up to 40 galaxies"
        assert 0 < zenodo.sent["images_gz2.zip"] < whole / 2, "not read whole"
        assert all(span for span in asked_for(zenodo, "images_gz2.zip")), "by ranges alone"
        found = everything(tmp_path / "made")
        places = {name: i for i, name in enumerate(rows["dr7objid"])}
        runs = {places[str(name)] // 100 for name in found.index}
        assert len(runs) == 1, "neighbours in the archive"
        given = rows.set_index("dr7objid").loc[found.index]
        assert found["odd_no"].tolist() == given["t06_odd_a15_no_count"].tolist()
        with zipfile.ZipFile(tmp_path / "record" / "images_gz2.zip") as held:
            pictures = {n: d for split in SPLITS for n, d in edition.images(split).items()}
            for name, data in pictures.items():
                original = held.read(f"images/{100 + places[name]}.jpg")
                assert data == image_files.encode(image_files.decode(original), 64, 90)
        assert prepare(tmp_path / "made", "--galaxies", "50", "--downloads", str(tmp_path / "downloads")) == 1
        assert "holds the edition galaxyzoo2-40" in refused(capsys)


# --- images of the Hub -----------------------------------------------------------------------------------------------


@pytest.fixture
def hub_server(published: tuple[Path, pd.DataFrame], monkeypatch: pytest.MonkeyPatch) -> Iterator[hub.Hub]:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with hub.serve() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        rows, images = draw(GALAXIES)
        server.publish(addresses.GALAXY_ZOO_2_HUB, hub_files(rows, images))
        yield server


def test_the_small_part_of_the_hub(
    hub_server: hub.Hub, zenodo: Zenodo, published: tuple[Path, pd.DataFrame], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert from_server(zenodo, tmp_path, "--images", "hub-tiny") == 0
    said = refused(capsys)
    edition, found, rows = Edition(tmp_path / "made"), everything(tmp_path / "made"), published[1]
    assert edition.name == "galaxyzoo2-tiny" and edition.title == "Galaxy Zoo 2, images of the Hub (tiny)"
    names = rows["dr7objid"].tolist()
    assert sorted(found.index) == sorted(name for i, name in enumerate(names[: GALAXIES // 3]) if i != 1)
    assert edition.terms.licence == "CC-BY-NC-SA-4.0" and edition.terms.may_publish_votes
    assert edition.facts["pictures"] == "JPEG, Hub gz2"
    steps = {s["name"]: s["examples"] for s in edition.facts["cleaning"]["steps"]}  # type: ignore[index]
    (problem,) = [words for examples in steps.values() for name, words in examples.items() if name == names[1]]
    bars = int(rows["t03_bar_a06_bar_count"][1])
    assert problem == f"the Hub's counts differ: bar-gz2_yes {bars + 1}, the table's {bars}"
    given = rows.set_index("dr7objid").loc[found.index]
    assert found["odd-feature_ring"].tolist() == given["t08_odd_feature_a19_ring_count"].tolist(), "of the table"
    assert "1,910 stood there in 2026-11" in said and "1 with other votes" in said
    assert not asked_for(zenodo, "images_gz2.zip") and not asked_for(zenodo, galaxyzoo2_mapping.NAME)
    assert cli.main(["check", str(tmp_path / "made")]) == 0


def test_all_of_the_hub_and_some_shards_of_it(
    hub_server: hub.Hub, zenodo: Zenodo, published: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    assert from_server(zenodo, tmp_path, "--images", "hub", "--debiased") == 0
    found, rows = everything(tmp_path / "made"), published[1]
    assert len(found) == GALAXIES - 2, "but for the one of other votes and the one at another place"
    given = rows.set_index("dr7objid").loc[found.index]
    assert np.allclose(found["odd_yes_debiased"], given["t06_odd_a14_yes_debiased"])
    shutil.rmtree(tmp_path / "made")
    assert from_server(zenodo, tmp_path, "--images", "hub", "--shards", "2") == 0
    assert Edition(tmp_path / "made").name == "galaxyzoo2-hub-2"
    assert len(everything(tmp_path / "made")) < GALAXIES - 2


def test_images_of_the_hub_need_positions(
    hub_server: hub.Hub, zenodo: Zenodo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, _ = draw(GALAXIES)
    rows.drop(columns=["ra", "dec"]).to_csv(zenodo.bucket / TABLE, index=False)  # type: ignore[operator]
    assert from_server(zenodo, tmp_path, "--images", "hub-tiny") == 1
    assert "it has no positions (ra, dec); images of the Hub are found by them" in refused(capsys)


def test_a_hub_with_other_galaxies_is_refused_by_name(
    hub_server: hub.Hub, zenodo: Zenodo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, images = draw(GALAXIES, 9)  # other places
    hub_server.publish(addresses.GALAXY_ZOO_2_HUB, hub_files(rows, images))
    assert from_server(zenodo, tmp_path, "--images", "hub-tiny") == 1
    said = refused(capsys)
    assert "has the place and the votes of a galaxy of Galaxy Zoo 2 (" in said and "GZD-5" not in said


def test_of_two_entries_at_one_place_the_votes_say_which_it_is() -> None:
    """A galaxy of original that stands in stripe82 too: the row of the Hub is the one of its counts."""
    ra, dec = np.array([10.0, 10.0, 50.0]), np.array([0.0, 0.3 / 3600, 0.0])
    counts = np.array([[5, 1], [7, 2], [5, 1]], np.int32)
    known = Votes(
        np.array(["original", "stripe82", "far"], object), ("a", "b"), counts, cKDTree(splits.directions(ra, dec)),
    )  # fmt: skip
    places = np.array([0.0, 0.1 / 3600, 0.0])
    rows = hub_shard.Rows(
        3, np.arange(3), ["x", "y", "z"], np.array([10.0, 10.0, 50.0]), places, np.array([[7, 2], [5, 1], [9, 9]])
    )
    joined = join(rows, known)
    assert joined["name"].tolist() == ["stripe82", "original", "far"]
    assert joined["problem"].isna().tolist() == [True, True, False]


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--name", "galaxyzoo2-tiny", "--source", "x"], "means another edition"),
        (["--name", "gzd5", "--source", "x"], "belongs to another source"),
        (["--source", "x", "--table", "http://localhost/x"], "--source is for files that are there"),
        (["--source", "x", "--galaxies", "40"], "--galaxies is read from the server"),
        (["--images", "hub-tiny", "--galaxies", "40"], "--galaxies is about the archives of Zenodo"),
        (["--images", "hub-tiny", "--record", "http://localhost/x"], "--record is about the archive of Zenodo"),
        (["--shards", "2"], "--shards says how much of the Hub's images to take"),
    ],
)
def test_options_that_contradict_each_other(
    tmp_path: Path, options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare(tmp_path / "made", *options) == 1
    assert words in refused(capsys)


def test_the_help_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["prepare", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "Galaxy Zoo 2: 239,695 SDSS galaxies, the counts of every answer" in said

"""Tables that people bring: astropy's own reading is what ours is held against, and pandas' for text."""

from __future__ import annotations

import bz2
import gzip
import io
import subprocess
import sys
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from galaxy_zoo_decals import joins, tables
from galaxy_zoo_decals.tables import TableError, unpacking
from galaxy_zoo_decals.tables.dialect import NULLS

fits = pytest.importorskip("astropy.io.fits")
from astropy import units  # noqa: E402
from astropy.table import MaskedColumn, Table  # noqa: E402

ROWS = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


def astronomers_table(seed: int, masked: bool) -> Table:
    """A table of every kind of column that catalogues have."""
    rng = np.random.default_rng(seed)
    mask = rng.random((9, ROWS)) < (0.3 if masked else 0)
    columns = {
        "iauname": np.array([f"J{i:06d}" + " " * (i % 3) for i in range(ROWS)], "S12"),
        "ra": rng.uniform(0, 360, ROWS).astype(">f8"),
        "dec": rng.uniform(-90, 90, ROWS),
        "mag_r": rng.normal(17, 1, ROWS).astype(">f4"),
        "count16": rng.integers(-300, 300, ROWS).astype(">i2"),
        "count32": rng.integers(-70000, 70000, ROWS).astype(np.int32),
        "count64": rng.integers(-(2**60), 2**60, ROWS),
        "unsigned": rng.integers(0, 60000, ROWS).astype(np.uint16),
        "small": rng.integers(0, 255, ROWS).astype(np.uint8),
        "flag": rng.random(ROWS) < 0.5,
        "group": np.array([["a", "bb ", "", "ccc"][i % 4] for i in range(ROWS)]),
    }
    table = Table(columns)
    if masked:
        for name, hidden in zip(("ra", "mag_r", "count16", "count32", "count64", "unsigned", "small", "group"), mask):
            table[name] = MaskedColumn(table[name], mask=hidden)
    return table


def expected(column: object) -> pd.Series:
    """A column as astropy read it, plain: text without blanks at its end, null where it is masked or empty."""
    mask = np.ma.getmaskarray(np.ma.asarray(column))
    values = []
    for value, hidden in zip(np.ma.getdata(np.asarray(column)).tolist(), mask):
        text = value.decode() if isinstance(value, bytes) else value
        text = text.rstrip("\0 ") if isinstance(text, str) else text
        values.append(None if hidden or text == "" else text)
    return pd.Series(values, dtype=object)


def same(found: pd.Series, wanted: pd.Series) -> None:
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted):
        if theirs is None or theirs != theirs:
            assert ours is None or ours != ours
        else:
            assert ours == theirs, (found.name, ours, theirs)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    ("format", "name"),
    [
        ("fits", "t.fits"), ("fits", "t.fits.gz"), ("votable", "t.vot"), ("ascii.ecsv", "t.ecsv"), ("fits", "t.csv"),
        ("binary", "t.vot"), ("binary2", "t.xml"),
    ],
)  # fmt: skip
def test_astronomers_formats_are_read_as_astropy_reads_them(
    tmp_path: Path, format: str, name: str, masked: bool
) -> None:
    if format == "binary" and masked:
        pytest.skip("astropy writes no null of whole numbers in this form")
    table = astronomers_table(3, masked)
    path = tmp_path / name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if format != "fits" and format != "ascii.ecsv":
            table.remove_column("unsigned")  # the VOTable standard has no such numbers
        if format.startswith("binary"):
            table.write(path, format="votable", tabledata_format=format)
            theirs = Table.read(path, format="votable")
        else:
            table.write(path, format=format)
            theirs = Table.read(path, format=format)
        ours = tables.look(path, table.colnames).read(table.colnames, texts=("iauname", "count64"))
    assert list(ours) == table.colnames
    for column in table.colnames:
        same(ours[column], expected(theirs[column]))
    assert ours["iauname"].tolist() == [f"J{i:06d}" for i in range(ROWS)]


@pytest.mark.parametrize("masked", [False, True])
def test_an_ascii_table_of_fits_is_read(tmp_path: Path, masked: bool) -> None:
    columns = [
        fits.Column("iauname", "A8", array=np.array(["J1", "J2 ", "J3"])),
        fits.Column("ra", "F12.6", array=np.array([1.5, 2.25, 300.0])),
    ]
    fits.HDUList([fits.PrimaryHDU(), fits.TableHDU.from_columns(columns)]).writeto(tmp_path / "t.fits")
    found = tables.look(tmp_path / "t.fits", ("iauname", "ra")).read(("iauname", "ra"), ("iauname",))
    assert found["iauname"].tolist() == ["J1", "J2", "J3"] and found["ra"].tolist() == [1.5, 2.25, 300.0]


def test_scaled_columns_and_marked_integers_are_those_of_astropy(tmp_path: Path) -> None:
    columns = [
        fits.Column("ra", "I", array=np.array([150, -75, 0], np.int16)),
        fits.Column("n", "J", null=-99, array=np.array([1, -99, 3])),
        fits.Column("big", "K", bzero=2**63, array=np.array([1, 2**63, 2**64 - 1], np.uint64)),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "t.fits")
    for key, value in (("TSCAL1", 0.01), ("TZERO1", 100.0)):
        fits.setval(tmp_path / "t.fits", key, value=value, ext=1)
    found = tables.look(tmp_path / "t.fits", ("ra", "n")).read(("ra", "n", "big"))
    theirs = Table.read(tmp_path / "t.fits")
    for name in ("ra", "n", "big"):
        same(found[name], expected(theirs[name]))
    assert found["n"].isna().tolist() == [False, True, False] and found["ra"].tolist() == pytest.approx(
        [101.5, 99.25, 100]
    )


@pytest.mark.parametrize("format", ["fits", "votable", "ascii.ecsv"])
def test_angles_in_another_unit_become_those_that_are_asked_for(tmp_path: Path, format: str) -> None:
    table = Table({"ra": [1.0, 23.5], "dec": [0.1, -0.2], "petro_th50": [0.001, 0.002], "redshift": [0.1, 0.2]})
    for name, unit in (("ra", units.hour), ("dec", units.rad), ("petro_th50", units.deg)):
        table[name].unit = unit
    table.write(tmp_path / "t", format=format)
    found = tables.look(tmp_path / "t", table.colnames).read(table.colnames)
    assert found["ra"].tolist() == pytest.approx([15, 352.5]) and found["redshift"].tolist() == [0.1, 0.2]
    assert found["dec"].tolist() == pytest.approx(np.degrees([0.1, -0.2]))
    assert found["petro_th50"].tolist() == pytest.approx([3.6, 7.2])


def test_without_astropy_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    astronomers_table(0, False).write(tmp_path / "t.fits")
    monkeypatch.setitem(sys.modules, "astropy", None)
    with pytest.raises(TableError, match=r"pip install 'galaxy-zoo-decals\[astro\]'") as error:
        tables.look(tmp_path / "t.fits", ("ra",))
    assert "\n" not in str(error.value)


VOTABLE = '<?xml version="1.0"?><VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>'


@pytest.mark.parametrize(
    "stream",
    [
        '<STREAM href="file://{0}"/>', "<STREAM\n encoding='base64'\thref = 'file://{0}'/>",
        '<STREAM encoding=">" href="file://{0}"></STREAM>', '<STREAM x=y href="file://{0}"/>',
    ],
)  # fmt: skip
def test_a_votable_reads_no_other_file(tmp_path: Path, stream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import urllib.request

    secret = tmp_path / "secret"
    secret.write_bytes(b"J1  J2  ")
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_: pytest.fail("another file was opened"))
    field = '<FIELD name="iauname" datatype="char" arraysize="4"/><DATA><BINARY>'
    end = "</BINARY></DATA></TABLE></RESOURCE></VOTABLE>"
    (tmp_path / "t.vot").write_text(VOTABLE + field + stream.format(secret) + end)
    with pytest.raises(TableError, match="rows lie in another file"):
        tables.look(tmp_path / "t.vot", ("iauname",))


def test_a_votable_has_no_entities_of_its_own(tmp_path: Path) -> None:
    bomb = "".join(f'<!ENTITY e{i + 1} "{f"&e{i};" * 10}">' for i in range(9))
    (tmp_path / "t.vot").write_text(
        f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e0 "x">{bomb}]><VOTABLE>&e9;</VOTABLE>'
    )
    with pytest.raises(TableError, match="entities"):
        tables.look(tmp_path / "t.vot", ("iauname",))


# --- text ------------------------------------------------------------------------------------------------------------

CELLS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(
    names=st.lists(CELLS.filter(lambda n: not n.startswith("#") and n not in NULLS), min_size=2, max_size=12),
    numbers=st.lists(st.floats(allow_nan=False, allow_infinity=False, width=64), min_size=2, max_size=12),
    separator=st.sampled_from([",", ";", "\t", "|"]),
    decimal=st.sampled_from([".", ","]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    comments=st.integers(0, 2),
)
def test_text_is_read_whatever_its_dialect(
    folder: Path, names: list[str], numbers: list[float], separator: str, decimal: str, encoding: str, end: str,
    comments: int,
) -> None:  # fmt: skip
    rows = min(len(names), len(numbers))
    table = pd.DataFrame({"iauname": names[:rows], "ra": numbers[:rows], "n": range(rows)})
    quoting = 2 if separator == decimal else 0  # a decimal comma between commas has to stand in quotes
    buffer = io.StringIO()
    table.astype({"ra": object}).to_csv(buffer, index=False, sep=separator, lineterminator=end, quoting=quoting)
    text = buffer.getvalue()
    if decimal == ",":
        buffer = io.StringIO()
        shown = table.assign(ra=[repr(v).replace(".", ",") for v in table["ra"]])
        shown.to_csv(buffer, index=False, sep=separator, lineterminator=end, quoting=quoting)
        text = buffer.getvalue()
    path = folder / "t.csv"
    path.write_bytes(("".join(f"# comment, {i}{end}" for i in range(comments)) + text).encode(encoding))
    found = tables.look(path, ("iauname", "ra", "n")).read(("iauname", "ra", "n"), ("iauname",))
    assert found["iauname"].tolist() == table["iauname"].tolist()
    assert found["ra"].tolist() == table["ra"].tolist(), "to the last bit"
    assert found["n"].tolist() == list(range(rows))


def test_exact_names_come_before_another_case_and_doubles_are_named(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("RA,ra,Dec,dec_1,DEC\n1,2,3,4,5\n")
    assert tables.look(path, ("ra",)).read(("ra",))["ra"].tolist() == [2]
    with pytest.raises(TableError, match="there are the columns 'Dec' and 'DEC'; which one is 'dec'"):
        tables.look(path, ("ra", "dec"))
    path.write_text("ra,ra\n1,2\n")
    with pytest.raises(TableError, match="'ra' stands there twice, as columns 1 and 2"):
        tables.look(path, ("ra",))


def test_a_row_that_is_not_the_last_is_named_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("# c\nra,dec\n1,2\n3\n5,6\n")
    with pytest.raises(TableError, match="row 2 has 1 columns and the header 2"):
        tables.look(path, ("ra", "dec")).read(("ra",))
    path.write_text('ra,dec\n1,2\n"3\n4",6\n7,8,9\n')
    with pytest.raises(TableError, match="row 3 has 3 columns"):
        tables.look(path, ("ra", "dec")).read(("ra",))


def test_a_letter_of_latin_1_below_the_first_bytes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"iauname,ra\n" + b"J1,1.5\n" * 60_000 + b"J\xe9,x\n")
    found = tables.look(path, ("iauname", "ra")).read(("iauname", "ra"), ("iauname",))
    assert found["iauname"].iloc[-1] == "Jé" and found["ra"].iloc[-1] == "x" and found["ra"].iloc[0] == "1.5"


# --- bounds ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress], ids=["gzip", "bz2"])
def test_a_small_file_does_not_become_a_large_one(
    tmp_path: Path, compress: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "FREE", 2**20)
    path = tmp_path / "t.csv.gz"
    path.write_bytes(compress(b"ra,dec\n" + b"1,2\n" * 10**7))  # type: ignore[operator]
    tracemalloc.start()
    with pytest.raises(TableError, match="unpacks to more than"):
        tables.look(path, ("ra", "dec")).read(("ra",))
    assert tracemalloc.get_traced_memory()[1] < 30 * 2**20
    tracemalloc.stop()


def test_names_in_a_file_do_not_write_on_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "t.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(2):
            archive.writestr(f"\x1b[2J{i}.csv", "ra,dec\n1,2\n")
    with pytest.raises(TableError, match=r"2 files \(\?\[2J0\.csv, \?\[2J1\.csv\)"):
        tables.look(path, ("ra", "dec"))


def test_a_zip_member_that_leads_out_is_only_read(tmp_path: Path) -> None:
    path = tmp_path / "t.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../outside.csv", "ra,dec\n1,2\n")
    assert tables.look(path, ("ra", "dec")).read(("ra",))["ra"].tolist() == [1]
    assert [p.name for p in tmp_path.iterdir()] == ["t.zip"]


def test_a_parquet_file_of_endless_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    block = pa.table({"ra": pa.array(np.zeros(10**6))})
    with pq.ParquetWriter(path, block.schema) as writer:
        for _ in range(21):
            writer.write_table(block)
    with pytest.raises(TableError, match="21,000,000 rows; of a table at most 20,000,000"):
        tables.look(path, ("ra",)).read(("ra",))


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=400),
    st.sampled_from(
        [
            b"",
            b"SIMPLE  =",
            b"PAR1",
            b"# %ECSV",
            b"PK\3\4",
            b"\x1f\x8b",
            b"<?xml<VOTABLE",
            b"BZh9",
            b"\xff\xfe",
            b"ra,dec\n",
        ]
    ),
)
def test_whatever_bytes_a_file_has_it_is_read_or_named(folder: Path, data: bytes, start: bytes) -> None:
    path = folder / "bytes"
    path.write_bytes(start + data)
    try:
        table = tables.look(path, ("ra", "dec"), tell=lambda _: None)
        table.read(table.columns)
    except TableError as error:
        assert str(path) in str(error)


def test_the_package_is_imported_without_astropy() -> None:
    code = "import sys, galaxy_zoo_decals, galaxy_zoo_decals.tables; assert 'astropy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- joins -----------------------------------------------------------------------------------------------------------

OURS = [f"J{i:06d}.03{'+-'[i % 2]}0311{i % 60:02d}.6" for i in range(50)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("{}.jpg".format, "end in the suffix of a file"),
        ("{}.fits.gz".format, "end in the suffix of a file"),
        ("/data/{}".format, "begin with a folder"),
        ("C:\\x\\{}.png".format, "paths of files"),
        (" {}\n".format, "blanks or line breaks"),
        ("'{}'".format, "quotation marks"),
        (lambda n: f"b'{n}'", "bytes written as text"),
        (str.lower, "another case"),
        (lambda n: n[1:], "lack the J"),
        (lambda n: n.replace("-", "−"), "another sign for minus"),
        (lambda n: n.replace("+", ""), "lost the plus sign"),
        ("cutout_{}_grz".format, "have 'cutout_' and '_grz' around the name"),
        (lambda n: f"SDSS {n[:9]}{n[10:17]}", "other digits, words or blanks"),
        (lambda n: n.replace(".", "_").replace("+", "_"), "other signs between their letters and digits"),
    ],
)  # fmt: skip
def test_the_cause_of_a_failed_join_is_found(change: object, words: str) -> None:
    theirs = [change(name) for name in OURS]  # type: ignore[operator]
    said = joins.explain(theirs, OURS, "names of the table", "names of the edition")
    assert repr(next(name for name in theirs if name not in OURS)) in said and "names of the edition" in said
    assert words in said, said


def test_numbers_that_lost_something_and_other_editions_are_told_apart() -> None:
    zeros = joins.explain(["123", "77"], ["00123", "00077"], "ids of theirs", "ids of ours")
    assert "'123'" in zeros and "'00123'" in zeros and "lost their leading zeros" in zeros
    assert '".0"' in joins.explain(["100008.0"], ["100008"], "ids", "names")
    other = joins.explain(["587722981736120347"], ["100008"], "ids", "names")
    assert "objid of SDSS DR7" in other and "GalaxyID" in other and "another edition" in other
    assert "of one kind" in joins.explain(["100023"], ["100008"], "ids", "names")
    assert joins.plain(pd.Series([100008.0, 100023.0])).tolist() == ["100008", "100023"]
    assert joins.plain(pd.Series(["1.0", "x"])).tolist() == ["1.0", "x"]

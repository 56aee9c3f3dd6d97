"""Tables of votes as people have them."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import sqlite3
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from PIL import Image

from galaxy_zoo_decals import cli
from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.schema import GZD5
from galaxy_zoo_decals.sources import catalogue, kaggle
from leaderboard.__main__ import main as leaderboard
from tests.campaigns.first_contact.case import Case, Outcome, call, unchanged
from tests.campaigns.first_contact.joins import _predictions
from tests.toys import write_catalogue

Write = Callable[[pd.DataFrame, Path], object]
Bytes = Callable[[bytes], bytes]


def _prepare(write: Write, name: str, folder: Path, galaxies: int = 6) -> Outcome:
    """Bring the votes in another format to the command; what was brought stays as it is."""
    votes, images = write_catalogue(folder, galaxies)
    table = pd.read_csv(votes, dtype={"iauname": str})
    votes.unlink()
    write(table, folder / name)
    with unchanged(folder / name):
        words = ["prepare", "catalogue", "--votes", folder / name, "--images", images, "--size", 16, "--processes", 1]
        return call(cli.main, *words, "--out", folder / "mine")


def _read(write: Write, name: str, folder: Path) -> Outcome:
    """Read the votes in another format, and hold every column against the plain CSV."""
    votes, _ = write_catalogue(folder, 6)
    expected = catalogue.read(votes)
    write(pd.read_csv(votes, dtype={"iauname": str}), folder / name)
    found = catalogue.read(folder / name)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    return Outcome(0, f"{len(found)} galaxies, every column as in the CSV")


def _bytes(change: Bytes) -> Write:
    """Write the CSV with other bytes."""
    return lambda table, path: path.write_bytes(change(table.to_csv(index=False).encode()))


def _other(data: bytes) -> Write:
    return lambda table, path: path.write_bytes(data)


def _zip(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "PNG")
    return buffer.getvalue()


def _sqlite(table: pd.DataFrame, path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("create table votes (iauname text)")


def _astropy(format: str, big_endian: bool = False) -> Write:
    def write(table: pd.DataFrame, path: Path) -> None:
        from astropy.table import Table

        columns = {name: table[name].to_numpy() for name in table}
        columns |= {name: np.array(list(table[name]), "S40") for name in ("iauname", "upload_group")}
        if big_endian:
            columns["ra"] = columns["ra"].astype(">f8")
        Table(columns).write(path, format=format)

    return write


def _fits(kind: str, table: pd.DataFrame, path: Path) -> None:
    from astropy.io import fits
    from astropy.table import Table

    votes = Table.from_pandas(table.astype({"iauname": object, "upload_group": object}))
    if kind == "image":
        fits.PrimaryHDU(np.zeros((12, 10), np.float32)).writeto(path)
    elif kind == "several":
        times = fits.BinTableHDU(Table({"START": [0.0], "STOP": [1.0]}), name="GTI")
        fits.HDUList([fits.PrimaryHDU(), times, fits.BinTableHDU(votes, name="VOTES")]).writeto(path)
    elif kind == "vector":
        votes["bar_weak"] = np.ones((len(votes), 5), int)
        votes.write(path)
    elif kind == "hours":
        votes["ra"] = votes["ra"] / 15
        votes["ra"].unit = "h"
        votes.write(path)
    else:
        votes.write(path)
        path.write_bytes(path.read_bytes()[:-3000])


def _damaged(write: Write, change: Bytes) -> Write:
    """Write a table and change the bytes of its file."""

    def both(table: pd.DataFrame, path: Path) -> None:
        write(table, path)
        path.write_bytes(change(path.read_bytes()))

    return both


def _renamed(**names: str) -> Write:
    return lambda table, path: table.rename(columns=names).to_csv(path, index=False)


def _plain(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False)


def _german(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, sep=";", decimal=",", index=False)


def _changed(**changes: object) -> Write:
    """Write a CSV of which the cells of the second row hold something else."""

    def write(table: pd.DataFrame, path: Path) -> None:
        table = table.astype(dict.fromkeys(changes, object))
        for column, value in changes.items():
            table.loc[1, column] = value
        table.to_csv(path, index=False)

    return write


def _hours(table: pd.DataFrame, path: Path) -> None:
    names = [f"J{h:02d}3000.00+{h:02d}0000.0" for h in range(1, 1 + len(table))]
    table.assign(iauname=names, ra=[h + 0.5 for h in range(1, 1 + len(table))]).to_csv(path, index=False)


def _table_of(table: pd.DataFrame) -> Any:
    from astropy.table import Table

    return Table.from_pandas(table)


def _indexed(table: pd.DataFrame, path: Path) -> None:
    table.set_index("iauname").to_parquet(path)


def _challenge(write: Write, name: str, folder: Path) -> Outcome:
    """Bring the table of the Kaggle challenge by itself, with its pictures beside it."""
    columns = [column for names in kaggle.class_columns().values() for column in names]
    table = pd.DataFrame({"GalaxyID": [100008, 100023], **dict.fromkeys(columns, 0.1)})
    write(table, folder / name)
    (folder / kaggle.FOLDER).mkdir()
    with unchanged(folder / name):
        try:
            source = kaggle.GZ2Challenge(folder / name)
            return Outcome(0, f"{sorted(source.catalogue(folder, 1)['iauname'])}")
        except UserError as error:
            return Outcome(1, str(error))


def _score(write: Write, name: str, folder: Path) -> Outcome:
    write(_predictions(str), folder / name)
    with unchanged(folder / name):
        return call(cli.main, "score", "sample", folder / name)


def _overlap(write: Write, name: str, folder: Path) -> Outcome:
    write(pd.DataFrame({"RA": [0.854292], "DEC": [-3.1857]}), folder / name)
    return call(leaderboard, "overlap", folder / name)


def _folder(folder: Path) -> Outcome:
    votes, images = write_catalogue(folder, 6)
    return call(cli.main, "prepare", "catalogue", "--votes", votes.parent, "--images", images, "--out", folder / "mine")


def _case(
    situation: str, run: Callable[[Path], Outcome], *holds: str, status: int = 1, found: str = "ours",
    kind: str = "format", lacks: tuple[str, ...] = (),
) -> Case:  # fmt: skip
    return Case(kind, situation, run, status, holds, found, lacks)


def _works(situation: str, write: Write, name: str = "votes.csv", found: str = "ours") -> Case:
    return _case(situation, partial(_read, write, name), "every column", status=0, found=found)


def _named(situation: str, data: bytes, *holds: str, name: str = "votes.csv", found: str = "ours") -> Case:
    lacks = ("cut short", "download it again", "add a line break")
    return _case(situation, partial(_prepare, _other(data), name), *holds, found=found, lacks=lacks)


CASES = [
    _case(
        "votes with semicolons, as a spreadsheet of half of Europe saves them",
        partial(_prepare, _bytes(lambda b: b.replace(b",", b";")), "votes.csv", galaxies=40),
        "ready",
        status=0,
        found="review",
    ),
    _works("semicolons and decimal commas", _german, found="review"),
    _works("tabs", lambda t, p: t.to_csv(p, sep="\t", index=False), "votes.tsv", "review"),
    _works("vertical bars", lambda t, p: t.to_csv(p, sep="|", index=False), "votes.txt"),
    _works("blanks, the header as a comment", _bytes(lambda b: b"# made by topcat\n#" + b.replace(b",", b" "))),
    _works("a byte order mark", _bytes(lambda b: b"\xef\xbb\xbf" + b)),
    _works(
        "UTF-16, the Unicode text of Excel",
        _bytes(lambda b: b.replace(b",", b"\t").decode().encode("utf-16")),
        found="review",
    ),
    _works("UTF-16 without a mark", _bytes(lambda b: b.decode().encode("utf-16-le"))),
    _works(
        "a Latin-1 letter in a column of comments",
        lambda t, p: t.assign(who="Müller").to_csv(p, index=False, encoding="latin-1"),
    ),
    _works("comment lines first", _bytes(lambda b: b"# votes\n# of 2026, by a, b\n" + b), found="review"),
    _works("line ends of an old Mac (CR)", _bytes(lambda b: b.replace(b"\n", b"\r")), found="review"),
    _works("a line sep=; as Excel writes", _bytes(lambda b: b"sep=;\r\n" + b.replace(b",", b";"))),
    _works("a separator behind every row", _bytes(lambda b: b.replace(b"\n", b",\n"))),
    _works("no line break at the end", _bytes(bytes.strip)),
    _works(
        "names of the columns in capitals",
        lambda t, p: t.rename(columns=str.upper).to_csv(p, index=False),
        found="review",
    ),
    _works("the numbers of the rows as a column", lambda t, p: t.to_csv(p)),
    _works("votes as decimals", lambda t, p: t.astype(dict.fromkeys(GZD5.vote_columns, float)).to_csv(p, index=False)),
    _works("a CSV in gzip", _bytes(gzip.compress), "votes.csv.gz", "review"),
    _works("a CSV in gzip, called .csv", _bytes(gzip.compress)),
    _works("a CSV in bz2", _bytes(bz2.compress), "votes.csv.bz2"),
    _works("a CSV in xz", _bytes(lzma.compress), "votes.csv.xz"),
    _works("a CSV in zstd", _bytes(lambda b: pa.Codec("zstd").compress(b, asbytes=True)), "votes.csv.zst"),
    _works(
        "a CSV in a zip, with what macOS adds",
        _bytes(lambda b: _zip(**{"votes.csv": b, "__MACOSX/._votes.csv": b"x"})),
        "votes.zip",
    ),
    _works("Parquet with iauname as its index", _indexed, "votes.parquet", "review"),
    _works("Parquet called .csv", lambda t, p: t.to_parquet(p)),
    _works("a CSV called .parquet", _bytes(bytes), "votes.parquet"),
    _works("FITS", _astropy("fits", big_endian=True), "votes.fits", "review"),
    _works("FITS in gzip", _astropy("fits"), "votes.fits.gz"),
    _works("VOTable", _astropy("votable"), "votes.vot", "review"),
    _works("ECSV", _astropy("ascii.ecsv"), "votes.ecsv", "review"),
    _works("FITS with several tables", partial(_fits, "several"), "votes.fits"),
    _works("FITS with the right ascension in hours, as its unit says", partial(_fits, "hours"), "votes.fits"),
    _case(
        "a FITS picture as a table",
        partial(_prepare, partial(_fits, "image"), "votes.fits"),
        "a picture (12 x 10 pixels) and no table",
    ),
    _case(
        "a FITS table whose votes are a vector",
        partial(_prepare, partial(_fits, "vector"), "v.fits"),
        "'bar_weak' is a vector of 5 values",
    ),
    _case("a FITS table cut short", partial(_prepare, partial(_fits, "cut"), "votes.fits"), "it may be cut short"),
    _case(
        "a CSV cut in the middle of a row",
        partial(_prepare, _bytes(lambda b: b[:-60]), "v.csv"),
        "the last: the file may be cut short",
    ),
    _case(
        "a gzip cut short",
        partial(_prepare, _bytes(lambda b: gzip.compress(b)[:-40]), "v.csv.gz"),
        "gzip",
        "may be cut short",
    ),
    _case(
        "a file that ends in zero bytes",
        partial(_prepare, _bytes(lambda b: b + bytes(4096)), "v.csv"),
        "ends in zero bytes",
    ),
    _case(
        "4 GiB of zeros in 4 MB of gzip in gzip",
        partial(_prepare, _other(gzip.compress(gzip.compress(bytes(2**24)) * 64)), "v.csv.gz"),
        "nothing but zero bytes",
    ),
    _case(
        "a value with a comma and no quotes",
        partial(_prepare, _bytes(lambda b: b.replace(b"pre_active", b"pre,active", 1)), "v.csv"),
        "row 1 has 54 columns and the header 53",
    ),
    _case(
        "a CSV without a header",
        partial(_prepare, _bytes(lambda b: b.split(b"\n", 1)[1]), "v.csv"),
        "no names of columns",
    ),
    _case(
        "a header alone",
        partial(_prepare, _bytes(lambda b: b.split(b"\n")[0] + b"\n"), "v.csv"),
        "a header and no rows",
    ),
    _case(
        "positions called ra_1 and dec_1",
        partial(_prepare, _renamed(ra="ra_1", dec="dec_1"), "v.csv"),
        "'ra' is missing",
        "nearest column it has is 'ra_1'",
        found="review",
    ),
    _case(
        "positions called RAJ2000 and DEJ2000",
        partial(_prepare, _renamed(ra="RAJ2000", dec="DEJ2000"), "v.csv"),
        "nearest column it has is 'RAJ2000'",
    ),
    _case(
        "sexagesimal positions",
        partial(_prepare, _changed(ra="10:00:28.6"), "v.csv"),
        "row 2",
        "'10:00:28.6'",
        "degrees, from -360 to 360",
        "150.119167",
        found="review",
    ),
    _case(
        "a declination in degrees, minutes, seconds",
        partial(_prepare, _changed(dec="-01d30m00s"), "v.csv"),
        "-1.500000 degrees",
    ),
    _case(
        "a position out of range",
        partial(_prepare, _changed(ra=720.0), "v.csv"),
        "holds 720.0",
        "degrees, from -360 to 360",
        found="review",
        lacks=("float64",),
    ),
    _case("right ascensions in hours", partial(_prepare, _hours, "v.csv"), "'ra' is in hours", "Multiply it by 15"),
    _named("HDF5", b"\x89HDF\r\n\x1a\n" + bytes(2000), "an HDF5 file", "Save it as CSV or Parquet", found="review"),
    _named(
        "Excel",
        _zip(**{"[Content_Types].xml": b"", "xl/workbook.xml": b""}),
        "an Excel workbook",
        "Save As",
        name="votes.xlsx",
    ),
    _named("old Excel", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(999), "an Excel workbook", name="votes.xls"),
    _named(
        "a pickle called .csv",
        pickle.dumps({"iauname": ["J1"]}),
        "a Python pickle, which is never opened",
        found="review",
    ),
    _named(
        "a pickle in gzip",
        gzip.compress(pickle.dumps({"iauname": ["J1"]})),
        "a Python pickle",
        "(in gzip)",
        name="votes.pkl.gz",
    ),
    _named("a NumPy array", b"\x93NUMPY\x01\x00v\x00" + bytes(99), "a NumPy array", name="votes.npy"),
    _named(
        "a web page, where one has to log in",
        b"<!DOCTYPE html>\n<html><head><title>Sign in</title>",
        "a web page",
        "'Sign in'",
    ),
    _named("a pointer of Git LFS", b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "git lfs pull"),
    _named("JSON", b'{"iauname": ["J1"]}', "a JSON file"),
    _named("PDF", b"%PDF-1.7\n" + bytes(99), "a PDF document"),
    _named("a picture", _picture(), "a PNG picture"),
    _named("an archive of several tables", _zip(a=b"x", b=b"y"), "a zip archive of 2 files (a, b)", name="votes.zip"),
    _named("7z", b"7z\xbc\xaf\x27\x1c" + bytes(99), "a 7z archive", "Unpack it"),
    _named("an empty file", b"", "it has no bytes"),
    _named("a text that is no table", b"Dear all,\nthe votes are on the server.\n", "'Dear all'"),
    _case("an SQLite database", partial(_prepare, _sqlite, "votes.db"), "an SQLite database", lacks=("cut short",)),
    _case("a folder in place of the table", _folder, "this is a folder; give the file", "votes.csv"),
    _case(
        "gz2: --source is the table itself",
        partial(_challenge, _plain, kaggle.TABLE),
        "['100008', '100023']",
        status=0,
        found="review",
    ),
    _case(
        "gz2: the table with semicolons", partial(_challenge, _german, "t.csv"), "'100008'", status=0, found="review"
    ),
    _case(
        "gz2: the table in gzip, saved with decimals",
        partial(_challenge, lambda t, p: t.astype(float).to_csv(p, index=False), f"{kaggle.TABLE}.gz"),
        "'100008'",
        status=0,
    ),
    _case("gz2: another table", partial(_challenge, _renamed(GalaxyID="dr7objid"), "t.csv"), "'GalaxyID' is missing"),
    _case("predictions as CSV, scored", partial(_score, _plain, "mine.csv"), "Macro F1", status=0, found="review"),
    _case(
        "predictions as Parquet of pandas, scored",
        partial(_score, lambda t, p: t.set_index("iauname").to_parquet(p), "mine.parquet"),
        "Macro F1",
        status=0,
    ),
    _case(
        "predictions as FITS, scored",
        partial(_score, lambda t, p: _table_of(t).write(p), "mine.fits"),
        "Macro F1",
        status=0,
    ),
    _case(
        "predictions as a pickle, scored", partial(_score, lambda t, p: t.to_pickle(p), "mine.pkl"), "a Python pickle"
    ),
    _case(
        "a list of positions as VOTable, for overlap",
        partial(_overlap, lambda t, p: _table_of(t).write(p, format="votable"), "mine.vot"),
        "1 within 1 arcsec",
    ),
    _case(
        "a list of positions with semicolons, for overlap", partial(_overlap, _german, "mine.txt"), "1 within 1 arcsec"
    ),
    _case(
        "predictions in a damaged Parquet file",
        partial(_score, _damaged(pd.DataFrame.to_parquet, lambda b: b[:-99]), "m.parquet"),
        "may be cut short",
        kind="library text",
        lacks=("magic", "Thrift", "/arrow/"),
    ),
    _case(
        "a VOTable that is cut",
        partial(_prepare, _damaged(_astropy("votable"), lambda b: b[:-99]), "v.vot"),
        "may be cut short",
        kind="library text",
        lacks=("astropy.io", "<string>", "line "),
    ),
    _case(
        "an ECSV whose header is cut",
        partial(_prepare, _damaged(_astropy("ascii.ecsv"), lambda b: b[:300]), "v.ecsv"),
        "may be cut short",
        kind="library text",
        lacks=("yaml", "_io."),
    ),
    _case(
        "a Parquet file with another file's middle",
        partial(_prepare, _other(b"PAR1" + bytes(500) + b"PAR1"), "v.parquet"),
        "a part of it is not as it was written",
        kind="library text",
        lacks=("Couldn't", "Thrift", "footer"),
    ),
    _case(
        "a gzip with a changed byte",
        partial(_prepare, _bytes(lambda b: gzip.compress(b)[:-8] + bytes(8)), "v.csv.gz"),
        "does not unpack",
        kind="library text",
        lacks=("CRC check failed", "0x"),
    ),
    _case(
        "a column of lists",
        partial(_prepare, lambda t, p: t.assign(bar_weak=[[1, 2]] * len(t)).to_parquet(p), "v.parquet"),
        "'bar_weak' holds list",
        kind="library text",
    ),
]

"""Tables and lines of Python of people who know other programs: VizieR, IPAC, spreadsheets, Spark, astropy."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import galaxy_zoo_decals
from galaxy_zoo_decals import cli
from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.schema import GZD5
from leaderboard.__main__ import main as leaderboard
from tests.campaigns.first_contact.astronomer import PLACE, python
from tests.campaigns.first_contact.case import Case, Outcome, call
from tests.campaigns.first_contact.joins import _predictions
from tests.campaigns.first_contact.sizes import _prepare
from tests.campaigns.first_contact.tables import Write, _read, _table_of

AT = "0.854292", "-3.1857"
"""Where a test galaxy of the sample is, degrees."""


def _text(change: Callable[[list[str]], list[str]]) -> Write:
    """Write a CSV whose lines are changed."""
    return lambda table, path: path.write_text("\n".join(change(table.to_csv(index=False).splitlines())) + "\n")


def _far_below(table: pd.DataFrame, path: Path) -> None:
    lines = pd.concat([table] * 1000).to_csv(index=False).encode()
    path.write_bytes(lines + "ü".encode("latin-1") + b"," * 53 + b"\n")


def _typographic(lines: list[str]) -> list[str]:
    return [line.replace(",-", ",\u2212") for line in lines]


def _refused(write: Write, name: str, folder: Path) -> Outcome:
    try:
        return _read(write, name, folder)
    except UserError as error:
        return Outcome(1, str(error))


def _overlap(name: str, text: str, folder: Path) -> Outcome:
    (folder / name).write_text(text)
    return call(leaderboard, "overlap", folder / name)


def _score(change: Callable[[pd.DataFrame], pd.DataFrame], index: bool, folder: Path) -> Outcome:
    change(_predictions(str)).to_csv(folder / "mine.csv", index=index)
    return call(cli.main, "score", "sample", folder / "mine.csv")


def _mrt(table: pd.DataFrame, path: Path) -> None:
    _table_of(table.drop(columns="wrong_size_warning")).write(path, format="ascii.mrt")


def _spark(table: pd.DataFrame, path: Path) -> None:
    table.assign(note='a "bright", blue one').to_csv(path, index=False, escapechar="\\", doublequote=False)


def _counted(table: pd.DataFrame, path: Path) -> None:
    """Votes as a pivot of single votes has them: nothing where nobody voted so."""
    votes = list(GZD5.vote_columns)
    table.astype(dict.fromkeys(votes, float)).assign(
        **{c: table[c].where(table[c] != 0) for c in votes}
    ).to_csv(path, index=False)  # fmt: skip


def _placeholders(folder: Path) -> Outcome:
    outcome = _prepare(folder, lambda t: t.assign(redshift=[-999, *t["redshift"][1:]], mag_r=99.0), "--only-test")
    table = galaxy_zoo_decals.catalogue(folder / "mine")
    return Outcome(outcome.status, f"{outcome.said}{int(table['redshift'].isna().sum())} unknown; {'mag_r' in table}")


def _quantity() -> object:
    from astropy import units
    from astropy.table import Table

    hours = Table({"ra": [10.0] * units.h, "dec": [2.0] * units.deg})
    return len(galaxy_zoo_decals.match(hours, PLACE, radius=1 * units.arcmin))


def _works(situation: str, write: Write, name: str = "votes.csv") -> Case:
    return Case("format", situation, partial(_refused, write, name), 0, ("every column as in the CSV",))


def _named(situation: str, write: Write, *holds: str) -> Case:
    return Case("format", situation, partial(_refused, write, "votes.csv"), 1, holds, lacks=("cut short",))


def _list(situation: str, name: str, text: str, *holds: str, lacks: tuple[str, ...] = ("No test galaxy",)) -> Case:
    return Case("join", situation, partial(_overlap, name, text), 1, holds, lacks=lacks)


def _probabilities(
    situation: str, change: Callable[[pd.DataFrame], pd.DataFrame], *holds: str, index: bool = False
) -> Case:
    return Case("join", situation, partial(_score, change, index), 1, holds)


def _scaled(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda table: table.assign(**change(table.iloc[:, 1:]))


def _python(situation: str, lines: Callable[[], object], *holds: str, status: int = 1) -> Case:
    return Case("journey", situation, python(lambda _: lines()), status, holds)


def _anything(value: object) -> Any:
    """What is given where something else is meant; the types say so, and people try it."""
    return value


def _changed(change: Callable[[pd.DataFrame], pd.DataFrame], folder: Path) -> Outcome:
    return _prepare(folder, change, "--only-test")


def _galaxy_datasets(table: pd.DataFrame) -> pd.DataFrame:
    names = {c: c.replace("_", "-dr5_", 1) for c in GZD5.answer_columns}
    return table.drop(columns=[q.total for q in GZD5.questions]).rename(columns=names | {"iauname": "id_str"})


def _radians(table: pd.DataFrame) -> pd.DataFrame:
    names = [f"J{h:02d}3000.00+000000.0" for h in range(len(table))]
    return table.assign(iauname=names, ra=np.radians(15 * (np.arange(len(table)) + 0.5)), dec=0.0)


def _given(votes: str, images: str, folder: Path) -> Outcome:
    words = ["prepare", "catalogue", "--votes", votes, "--images", images, "--out", folder / "mine"]
    return call(cli.main, *words)


def _file_for_images(folder: Path) -> Outcome:
    notes = folder / "notes.txt"
    notes.write_text("galaxies of last year\n")
    return _given("a.csv", str(notes), folder)


def _only_test(folder: Path) -> Outcome:
    """The table and one galaxy of an edition that has no training galaxies."""
    outcome = _prepare(folder, lambda t: t, "--only-test")
    table = galaxy_zoo_decals.catalogue(folder / "mine")
    one = galaxy_zoo_decals.galaxy(table["iauname"][0], folder / "mine")
    return Outcome(outcome.status, f"{len(table)} galaxies, {one.split}")


CASES = [
    Case("journey", "catalogue and galaxy of an edition for tests alone", _only_test, 0, ("24 galaxies, test",)),
    Case(
        "format", "the columns of galaxy-datasets (-dr5)", partial(_changed, _galaxy_datasets), 1,
        ("the columns of the package galaxy-datasets", "take -dr5 out"),
    ),
    Case(
        "format", "right ascensions in radians", partial(_changed, _radians), 1,
        ("column 'ra' is in radians", "Multiply it by 180 / pi"),
    ),
    Case(
        "join", "paths of images as names of galaxies",
        partial(_changed, lambda t: t.assign(iauname="images/" + t["iauname"])), 1, ("without a folder before it",),
    ),
    Case("format", "the address of a table", partial(_given, "https://zenodo.org/a.csv", "."), 1, ("an address",)),
    Case("format", "a file in place of the images", _file_for_images, 1, ("this is a file (",)),
    _works("a machine-readable table of the AAS (MRT)", _mrt, "votes.txt"),
    _works("a title above the header", _text(lambda x: ["Votes of my galaxies", "", *x])),
    _works("a title above the header, as a spreadsheet saves it", _text(lambda x: ["Votes" + "," * 52, *x])),
    _works("a line of units below the header", _text(lambda x: [x[0], ",deg,deg" + "," * 50, *x[1:]])),
    _works("empty rows at the end of a spreadsheet", _text(lambda x: [*x, *["," * 52] * 3])),
    _works("quotation marks with a backslash, as Spark writes them", _spark),
    _works("a typographic minus in front of declinations", _text(_typographic)),
    _works("yes and no, T and F", lambda t, p: t.assign(wrong_size_warning="F").to_csv(p, index=False)),
    _works("no votes as empty cells, where the total tells", _counted),
    _named(
        "a value with a comma and no quotes in every row", _text(lambda x: [x[0], *[f"{line},b" for line in x[1:]]]),
        "has 54 columns and the header 53", "no quotes around it",
    ),
    _named(
        "a row too long with a Latin-1 letter far below", _far_below, "row 6001 has 54 columns and the header 53",
        "no quotes around it",
    ),
    _named("two tables one after the other", _text(lambda x: [*x[:3], *x]), "row 3 is the header once more"),
    _named(
        "a quotation mark without its end", _text(lambda x: [x[0], x[1].replace("pre", '"pre'), *x[2:]]),
        "a quotation mark may lack its end",
    ),
    _named(
        "RA and Ra", lambda t, p: t.rename(columns={"ra": "RA"}).assign(Ra=1.0).to_csv(p, index=False),
        "the columns 'RA' and 'Ra'; which one is 'ra'?",
    ),
    _named(
        "units below the header, hours of right ascension", _text(lambda x: [x[0], ",h,deg" + "," * 50, *x[1:]]),
        "column 'ra' is in 'h'; it should be in degrees",
    ),
    _named(
        "names of galaxies called id_str", lambda t, p: t.rename(columns={"iauname": "id_str"}).to_csv(p, index=False),
        "'iauname', the names of the galaxies, is missing; the nearest column it has is 'id_str'",
    ),
    Case(
        "pixels", "a redshift of -999 and magnitudes of 99", _placeholders, 0,
        ("column 'redshift' holds -999 or the like for 1 galaxies: unknown", "1 unknown; False"),
    ),
    _list(
        "a list from IRSA as an IPAC table, for overlap", "l.tbl",
        "\\fixlen = T\n|      ra|    dec|\n|  double| double|\n|     deg|    deg|\n" + " {} {}\n".format(*AT),
        "sample (b57ba3baf35b): 1 of 430",
    ),
    _list(
        "a list from VizieR, for overlap", "l.tsv",
        "#\n# VizieR\n\nra\tdec\tName\ndeg\tdeg\t \n---\t---\t---\n{}\t{}\tNGC 1\n".format(*AT),
        "sample (b57ba3baf35b): 1 of 430",
    ),
    _list("a list with RA (deg), for overlap", "l.csv", "RA (deg), Dec (deg)\n{},{}\n".format(*AT), "1 of 430"),
    _list(
        "a list with RAJ2000 and an objid, for overlap", "l.csv", "objid,RAJ2000,DEJ2000\n1,{},{}\n".format(*AT),
        "the nearest columns it has are 'RAJ2000' and 'DEJ2000'",
    ),
    _list("positions without a header, for overlap", "l.txt", "{} {}\n".format(*AT), "Positions need a header"),
    _list(
        "a region file of DS9, for overlap", "l.reg",
        '# Region file format: DS9 version 4.1\nfk5\ncircle({},{},1")\n'.format(*AT), "a region file of DS9",
    ),
    _probabilities("predictions in percent", _scaled(lambda p: p * 100), "They seem to be percents: divide"),
    _probabilities("logits as predictions", _scaled(np.log), "They seem to be logits"),
    _probabilities("a sigmoid for each class", _scaled(lambda p: p * 0.5), "exclude each other: softmax"),
    _probabilities(
        "predictions as str(tensor)", _scaled(lambda p: p.map("tensor({:.4f})".format)),
        "holds 'tensor(0.4000)', which is no number",
    ),
    _probabilities(
        "names as an index without a name", lambda t: t.set_index("iauname").rename_axis(None),
        "its first column has no name: if it holds the names of the galaxies, call it iauname", index=True,
    ),
    _python("a match in hours within 1 arcmin, with units of astropy", _quantity, "1", status=0),
    _python(
        "a match of a table with ra of one kind and RAJ2000, DEJ2000",
        lambda: len(galaxy_zoo_decals.match(pd.DataFrame({"ra": [9.0], "RAJ2000": [150.0], "DEJ2000": [2.0]}), PLACE)),
        "1", status=0,
    ),
    _python(
        "a match of one position", lambda: len(galaxy_zoo_decals.match({"ra": 150.0, "dec": 2.0}, PLACE)), "1", status=0
    ),
    _python(
        "a match of the path of a file", lambda: galaxy_zoo_decals.match("mine.csv", PLACE),
        "no table that can be read (str)",
    ),
    _python(
        "a match of an array", lambda: galaxy_zoo_decals.match(np.array([[150.0, 2.0]]), PLACE),
        "no table that can be read (ndarray)",
    ),
    _python(
        "select of the name of an edition", lambda: galaxy_zoo_decals.select(_anything("sample"), "disk"),
        "select takes a table of votes as a DataFrame",
    ),
    _python(
        "select with a list of cuts", lambda: galaxy_zoo_decals.select(PLACE, _anything(["disk", "strong-bar"])),
        'select(table, "strong-bar", "spiral-arms")',
    ),
    _python(
        "select of a table with columns twice",
        lambda: galaxy_zoo_decals.select(pd.concat([PLACE, PLACE], axis=1), "disk"), "several columns called 'ra'",
    ),
    _python(
        "catalogue of a DataFrame", lambda: galaxy_zoo_decals.catalogue(_anything(PLACE)),
        "by the path of a file; this is of the type DataFrame",
    ),
    _python(
        "catalogue of an address", lambda: galaxy_zoo_decals.catalogue("https://zenodo.org/x.csv"),
        "https://zenodo.org/x.csv: an address. Download the file",
    ),
    _python(
        "catalogue in the home of somebody who is not there", lambda: galaxy_zoo_decals.catalogue("~nosuch/v.csv"),
        "~nosuch/v.csv: there is no such file",
    ),
    _python(
        "a galaxy of a DataFrame", lambda: galaxy_zoo_decals.galaxy("J1", _anything(PLACE)),
        "an edition is given by its name or its folder",
    ),
]  # fmt: skip

"""Tables as astronomers keep them (FITS, VOTable, ECSV, IPAC, MRT), read by astropy."""

from __future__ import annotations

import contextlib
import io
import os
import re
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from galaxy_zoo_decals.tables.columns import match
from galaxy_zoo_decals.tables.formats import MOST_ROWS, TableError, printable
from galaxy_zoo_decals.tables.text import text_of
from galaxy_zoo_decals.tables.unpacking import Contents

INSTALL = (
    "install astropy, which reads it: pip install 'galaxy-zoo-decals[astro]'. Or save the table as CSV or Parquet."
)

UNITS = {"ra": "deg", "dec": "deg", "petro_th50": "arcsec", "petro_th90": "arcsec", "petro_theta": "arcsec"}
"""Units of columns whose own may be another angle; hours of right ascension are 15 degrees each."""

ENCODINGS = ("utf-8", "us-ascii", "ascii", "iso-8859-1", "latin-1")
"""Encodings of an XML file that is looked through for what must not be in it."""

_ATTRIBUTES = rb"(?:((?:\s+[\w:.-]+\s*=\s*(?:\"[^\"]*\"|'[^']*'))*)\s*/?>)?"
"""What may follow the name of an XML element up to its end; a value may hold the sign that ends it."""


@dataclass(frozen=True)
class Found:
    """A table of astropy that was chosen among those of a file."""

    table: Any
    said: str
    """Which one it is, where there are several; else ""."""

    @property
    def names(self) -> list[str]:
        """The names of its columns, without blanks around them."""
        return [name.strip() for name in self.table.colnames]


def find(contents: Contents, wanted: Collection[str]) -> Found:
    """Return the table of a file that has most of the wanted columns, the first of several such.

    Raises TableError where astropy is not there, where the file has no table, and where it may be cut short.
    """
    try:
        import astropy  # noqa: F401
    except ImportError:
        raise TableError(f"{contents.path}: {contents.what}; {INSTALL}") from None
    reader = {"fits": _fits, "votable": _votable}.get(contents.format.name, _of_lines)
    with _quiet():
        titles, best, table = reader(contents, wanted)
    title = titles[best]
    if not len(table):
        raise TableError(f"{contents.path}: its table{f' {title}' if title else ''} has columns and no rows.")
    if len(table) > MOST_ROWS:
        raise TableError(f"{contents.path}: {len(table):,} rows; of a table at most {MOST_ROWS:,} are read.")
    others = ", ".join(name for i, name in enumerate(titles) if i != best)
    return Found(table, f"it holds several tables; {title} is read, {others} is not" if others else "")


Chosen = tuple[list[str], int, Any]
"""The titles of a file's tables, which of them was chosen, and that table."""


def _best(contents: Contents, tables: Sequence[Sequence[str]], wanted: Collection[str]) -> int:
    """Return which of some tables, given by the names of their columns, has most of the wanted ones."""
    scores = [len(match([name.strip() for name in names], wanted, contents.path)) for names in tables]
    return scores.index(max(scores))


def read(contents: Contents, found: Found, places: Sequence[int], texts: Collection[int]) -> list[pd.Series]:
    """Return the columns at some places; those in ``texts`` as text. TableError for columns of several values a row."""
    columns = []
    for place in places:
        column = found.table.columns[place]
        name = found.names[place]
        if getattr(column, "ndim", 1) != 1:
            raise TableError(
                f"{contents.path}: column {name!r} is a vector of {'x'.join(map(str, column.shape[1:]))} values in "
                "each row; one value a row is asked for."
            )
        with _quiet():
            columns.append(_series(contents, column, name, place in texts))
    return columns


def _series(contents: Contents, column: Any, name: str, text: bool) -> pd.Series:
    unit = getattr(column, "unit", None)
    values = np.ma.asarray(getattr(column, "value", column))
    mask = np.ma.getmaskarray(values).copy()
    data = np.asarray(values.data)
    if data.dtype.kind == "S":
        data = np.array([v.decode("utf-8", "replace").rstrip("\0 ") for v in data.tolist()], object)
    elif data.dtype.kind == "U":
        data = np.array([v.rstrip("\0 ") for v in data.tolist()], object)
    if data.dtype.kind == "O":
        data = np.array([v.strip() if isinstance(v, str) else v for v in data], object)
        mask |= np.array([v is None or v == "" for v in data], bool)
        return _nulled(data, mask)
    if data.dtype.kind not in "biuf":
        raise TableError(f"{contents.path}: column {name!r} holds {data.dtype.name}, which is no number and no text.")
    data = data.astype(data.dtype.newbyteorder("="))
    if name.casefold() in UNITS and unit is not None and data.dtype.kind != "b":
        data = _in_unit(contents, data, unit, name)
    if not mask.any():
        return pd.Series(data)
    if text or data.dtype.kind == "b":
        return _nulled(data, mask)
    return pd.Series(np.where(mask, np.nan, data.astype(float)))


def _nulled(data: np.ndarray, mask: np.ndarray) -> pd.Series:
    values: list[object] = data.astype(object).tolist()
    return pd.Series([None if hidden else value for value, hidden in zip(values, mask.tolist())], dtype="object")


def _in_unit(contents: Contents, data: np.ndarray, unit: Any, name: str) -> np.ndarray:
    """Return an angle in the unit that its column has here."""
    from astropy import units

    wanted = units.Unit(UNITS[name.casefold()])
    if unit == wanted:
        return data
    given = units.hourangle if unit == units.hour and name.casefold() == "ra" else unit
    try:
        return np.asarray(units.Quantity(data.astype(float), given).to_value(wanted))
    except (units.UnitsError, TypeError, ValueError):
        raise TableError(
            f"{contents.path}: column {name!r} has the unit {str(unit)[:40]!r}, which is no angle; it should be in "
            f"{wanted.long_names[0] if wanted.long_names else wanted}s."
        ) from None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep astropy's warnings (units, padding, words of the standard) from the terminal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _cut(contents: Contents) -> TableError:
    return TableError(
        f"{contents.path}: {contents.what}, and it does not read to its end: it may be cut short. Compare its size "
        "with that of the file it came from."
    )


def _fits(contents: Contents, wanted: Collection[str]) -> Chosen:
    from astropy.io import fits
    from astropy.table import Table

    place = contents.whole()
    size = place.stat().st_size if isinstance(place, Path) else place.seek(0, os.SEEK_END)
    if not isinstance(place, Path):
        place.seek(0)
    try:
        with fits.open(place, memmap=False, lazy_load_hdus=False) as hdus:
            tables = [(i, hdu) for i, hdu in enumerate(hdus) if type(hdu) in (fits.BinTableHDU, fits.TableHDU)]
            # astropy passes over what it cannot read at the end.
            if (_end(hdus[-1], whole=True) < size and not tables) or any(_end(hdu) > size for _, hdu in tables):
                raise _cut(contents)
            if not tables:
                raise TableError(f"{contents.path}: {contents.what} {_instead(hdus)}")
            best = _best(contents, [hdu.columns.names for _, hdu in tables], wanted)
            table = Table.read(tables[best][1], character_as_bytes=True, unit_parse_strict="silent")
            titles = [f"extension {i}" + (f" ({printable(hdu.name)})" if hdu.name else "") for i, hdu in tables]
    except (TableError, MemoryError):
        raise
    except Exception:  # astropy raises of all kinds for a file that is cut or odd
        raise _cut(contents) from None
    return titles, best, table


def _end(hdu: Any, whole: bool = False) -> int:
    """Return where the data of a part of a FITS file end; ``whole``: with the blanks that fill its last block."""
    if whole:
        return int(hdu._data_offset + hdu._data_size)
    header = hdu.header
    return int(hdu._data_offset + header["NAXIS1"] * header["NAXIS2"] + header.get("PCOUNT", 0))


def _instead(hdus: Any) -> str:
    """Return what a FITS file without a table holds, and what to do."""
    shapes = [" x ".join(map(str, hdu.shape)) for hdu in hdus if hdu.header.get("NAXIS", 0)]
    held = f"a picture ({shapes[0]} pixels)" if shapes else "a header alone"
    return f"that holds {held} and no table. Give the table; pictures are given by their folder."


def _votable(contents: Contents, wanted: Collection[str]) -> Chosen:
    from astropy.io import votable

    with contents.open() as stream:
        data = stream.read()
    _check_xml(contents, data)
    try:
        held = list(votable.parse(io.BytesIO(data), verify="ignore", unit_format=None).iter_tables())
        best = _best(contents, [[field.name or field.ID for field in t.fields] for t in held], wanted) if held else 0
        table = held[best].to_table(use_names_over_ids=True) if held else None
    except (TableError, MemoryError):
        raise
    except Exception:
        if not re.search(rb"</(\w+:)?VOTABLE>\s*$", data[-256:], re.IGNORECASE):
            raise _cut(contents) from None
        raise TableError(
            f"{contents.path}: {contents.what} that astropy does not read. Save it as CSV or Parquet."
        ) from None
    if table is None:
        raise TableError(f"{contents.path}: {contents.what} without a table: the answer of a service to a wrong query?")
    titles = [f"the table {printable(t.name or t.ID or str(i))}" for i, t in enumerate(held, 1)]
    return titles, best, table


def _check_xml(contents: Contents, data: bytes) -> None:
    """Raise TableError for a VOTable that would have other files read, here or on the network."""
    start = data[:1024]
    encoding = re.search(rb"<\?xml\b[^>]*?\bencoding\s*=\s*[\"']([\w-]+)[\"']", start)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in start:
        raise TableError(f"{contents.path}: {contents.what} in UTF-16. Save it in UTF-8.")
    if encoding and encoding[1].decode().lower() not in ENCODINGS:
        raise TableError(f"{contents.path}: {contents.what} in {encoding[1].decode()[:40]}. Save it in UTF-8.")
    if re.search(rb"<!ENTITY", data):
        raise TableError(f"{contents.path}: {contents.what} with entities of its own, which are not followed.")
    streams = re.finditer(rb"<(?:[\w.-]+:)?STREAM\b" + _ATTRIBUTES, data, re.IGNORECASE)
    if any(found[1] is None or re.search(rb"\bhref\s*=", found[1], re.IGNORECASE) for found in streams):
        raise TableError(
            f"{contents.path}: {contents.what} whose rows lie in another file (STREAM href), which is not followed. "
            "Save it with the rows in it."
        )


def _of_lines(contents: Contents, wanted: Collection[str]) -> Chosen:
    from astropy.table import Table

    try:
        return [""], 0, Table.read(text_of(contents).splitlines(), format=f"ascii.{contents.format.name}")
    except (TableError, MemoryError):
        raise
    except Exception:
        raise TableError(
            f"{contents.path}: {contents.what} that astropy does not read: it may be cut short. Compare its size with "
            "that of the file it came from."
        ) from None

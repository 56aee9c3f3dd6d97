"""Tables as astronomers keep them (FITS, VOTable, ECSV), read by astropy."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from galaxy_zoo_decals.tables.columns import match
from galaxy_zoo_decals.tables.formats import MOST_ROWS, TableError
from galaxy_zoo_decals.tables.unpacking import Contents

INSTALL = "install astropy, which reads it: pip install 'galaxy-zoo-decals[astro]'. Or save the table as CSV or Parquet."

UNITS = {"ra": "deg", "dec": "deg", "petro_th50": "arcsec", "petro_th90": "arcsec", "petro_theta": "arcsec"}
"""Units of columns whose own may be another angle; hours of right ascension are 15 degrees each."""

ENCODINGS = ("utf-8", "us-ascii", "ascii", "iso-8859-1", "latin-1")
"""Encodings of an XML file that is looked through for what must not be in it."""


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
    with _quiet():
        if contents.format.name == "fits":
            tables = _fits(contents)
        elif contents.format.name == "votable":
            tables = _votable(contents)
        else:
            tables = [("", _ecsv(contents))]
        scores = [len(match([n.strip() for n in t.colnames], wanted, contents.path)) for _, t in tables]
    best = scores.index(max(scores))
    title, table = tables[best]
    if not len(table):
        raise TableError(f"{contents.path}: its table{f' {title}' if title else ''} has columns and no rows.")
    if len(table) > MOST_ROWS:
        raise TableError(f"{contents.path}: {len(table):,} rows; of a table at most {MOST_ROWS:,} are read.")
    others = ", ".join(name for i, (name, _) in enumerate(tables) if i != best)
    return Found(table, f"it holds several tables; {title} is read, {others} is not" if others else "")


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
        return pd.Series(np.where(mask, None, data), dtype=object)
    if data.dtype.kind not in "biuf":
        raise TableError(f"{contents.path}: column {name!r} holds {data.dtype.name}, which is no number and no text.")
    data = data.astype(data.dtype.newbyteorder("="))
    if name.casefold() in UNITS and unit is not None and data.dtype.kind != "b":
        data = _in_unit(contents, data, unit, name)
    if not mask.any():
        return pd.Series(data)
    if text or data.dtype.kind == "b":
        return pd.Series(np.where(mask, None, data.astype(object)), dtype=object)
    return pd.Series(np.where(mask, np.nan, data.astype(float)))


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
        f"{contents.path}: {contents.what}, and it does not read to its end: it may be cut short. Compare its size with "
        "that of the file it came from."
    )


def _fits(contents: Contents) -> list[tuple[str, Any]]:
    from astropy.io import fits
    from astropy.table import Table

    place = contents.whole()
    size = place.stat().st_size if not hasattr(place, "read") else len(place.getvalue())  # type: ignore[union-attr,attr-defined]
    tables: list[tuple[str, Any]] = []
    images = []
    try:
        with fits.open(place, memmap=False, lazy_load_hdus=False) as hdus:
            for i, hdu in enumerate(hdus):
                header = hdu.header
                if type(hdu) in (fits.BinTableHDU, fits.TableHDU):
                    end = hdu._data_offset + header["NAXIS1"] * header["NAXIS2"] + header.get("PCOUNT", 0)
                    if end > size:
                        raise _cut(contents)
                    title = f"extension {i}" + (f" ({hdu.name})" if hdu.name else "")
                    tables.append((title, Table.read(hdu, character_as_bytes=True, unit_parse_strict="silent")))
                elif header.get("NAXIS", 0):
                    images.append(" x ".join(str(n) for n in hdu.shape))
    except TableError:
        raise
    except MemoryError:
        raise TableError(f"{contents.path}: its table does not fit into memory.") from None
    except Exception:  # astropy raises of all kinds for a file that is cut or odd
        raise _cut(contents) from None
    if not tables:
        held = f"a picture ({images[0]} pixels) and no table" if images else "a header alone and no table"
        raise TableError(f"{contents.path}: {contents.what} that holds {held}. Give the table; pictures are given by their folder.")
    return tables


def _votable(contents: Contents) -> list[tuple[str, Any]]:
    import io

    from astropy.io import votable

    with contents.open() as stream:
        data = stream.read()
    _check_xml(contents, data)
    try:
        parsed = votable.parse(io.BytesIO(data), verify="ignore", unit_format=None)
        held = [(t.name or t.ID or f"table {i}", t) for i, t in enumerate(parsed.iter_tables(), 1)]
        tables = [(f"the table {title}", t.to_table(use_names_over_ids=True)) for title, t in held]
    except MemoryError:
        raise TableError(f"{contents.path}: its table does not fit into memory.") from None
    except Exception as error:
        if not re.search(rb"</(\w+:)?VOTABLE>\s*$", data[-256:], re.IGNORECASE):
            raise _cut(contents) from None
        said = " ".join(str(error).split())[:120]
        raise TableError(
            f"{contents.path}: {contents.what} that astropy does not read ({said}). Save it as CSV or Parquet."
        ) from None
    if not tables:
        raise TableError(f"{contents.path}: {contents.what} without a table: the answer of a service to a wrong query?")
    return tables


def _check_xml(contents: Contents, data: bytes) -> None:
    """Raise TableError for a VOTable that would have other files read, here or on the network."""
    start = data[:1024]
    encoding = re.search(rb"encoding\s*=\s*[\"']([\w-]+)[\"']", start)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in start:
        raise TableError(f"{contents.path}: {contents.what} in UTF-16. Save it in UTF-8.")
    if encoding and encoding[1].decode().lower() not in ENCODINGS:
        raise TableError(f"{contents.path}: {contents.what} in {encoding[1].decode()[:40]}. Save it in UTF-8.")
    if re.search(rb"<!ENTITY", data):
        raise TableError(f"{contents.path}: {contents.what} with entities of its own, which are not followed.")
    if re.search(rb"<(?:[\w.-]+:)?STREAM\b[^>]*\bhref\s*=", data, re.IGNORECASE):
        raise TableError(
            f"{contents.path}: {contents.what} whose rows lie in another file (STREAM href), which is not followed. "
            "Save it with the rows in it."
        )


def _ecsv(contents: Contents) -> Any:
    from astropy.table import Table

    with contents.open() as stream:
        text = stream.read().decode("utf-8-sig", "replace")
    try:
        return Table.read(text.splitlines(), format="ascii.ecsv")
    except MemoryError:
        raise TableError(f"{contents.path}: its table does not fit into memory.") from None
    except Exception as error:
        said = " ".join(str(error).split())[:120]
        raise TableError(
            f"{contents.path}: {contents.what} that astropy does not read ({said}): it may be cut short. Compare its "
            "size with that of the file it came from."
        ) from None

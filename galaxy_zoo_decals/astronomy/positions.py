"""Cross-matches by position: which rows of two tables are the same place in the sky."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from galaxy_zoo_decals import splits
from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.tables.positions import shown

NAMES = {
    "ra": ("ra", "raj2000", "ra_j2000", "_raj2000", "alpha_j2000", "ra_deg", "radeg", "ra_icrs", "right_ascension"),
    "dec": ("dec", "dej2000", "decj2000", "dec_j2000", "_dej2000", "delta_j2000", "dec_deg", "decdeg", "dedeg",
            "de_icrs", "dec_icrs", "declination"),
}  # fmt: skip
"""What tables call positions, in lower case and in the order in which they are looked for."""

PAIRS = {
    "ra": ("dec",), "raj2000": ("dej2000", "decj2000"), "ra_j2000": ("dec_j2000",), "_raj2000": ("_dej2000",),
    "alpha_j2000": ("delta_j2000",), "ra_deg": ("dec_deg",), "radeg": ("dedeg", "decdeg"),
    "ra_icrs": ("de_icrs", "dec_icrs"), "right_ascension": ("declination",),
}  # fmt: skip
"""Which of these names belong together: a table may have positions of several kinds."""

LIMITS = {"ra": 360.0, "dec": 90.0}
"""Degrees, either way."""

LARGEST = 180.0 * 3600
"""Arcsec of a radius at most: half the sky away is the other side."""

SEPARATION = "separation"


class MatchError(UserError):
    """Tables that cannot be matched; the message names the table, the column and the row."""


def match(
    table: Any, other: Any, radius: float = 1.0, one_to_one: bool = False, suffix: str = "_other"
) -> pd.DataFrame:
    """Return the rows of ``table`` that have a row of ``other`` within ``radius`` arcsec, joined with the nearest one.

    Rows stay in the order of ``table`` and keep its index. Columns of ``other`` follow, with ``suffix`` where ``table``
    has one of the name; the last column, ``separation``, is in arcsec. A row of ``other`` may be the nearest of several
    rows; with ``one_to_one`` only pairs stay that are each other's nearest. Of rows at the very same place the first
    is taken. Rows without a position match nothing. Both tables are in one frame and epoch (ICRS, J2000).

    A table is a DataFrame, an astropy Table, a record array or a SkyCoord, with positions in degrees in columns such as
    ra and dec, RA and DEC, RAJ2000 and DEJ2000; units of an astropy Table are respected. Raises MatchError.
    """
    try:
        radius = float(radius.to_value("arcsec") if hasattr(radius, "to_value") else radius)
    except (TypeError, ValueError):  # astropy's error for a unit that is no angle is a ValueError
        raise MatchError(f"the radius {shown(radius)} is no number of arcsec.") from None
    if not 0 < radius <= LARGEST:
        raise MatchError(f"the radius is {radius:g}; it has to be above 0 and at most {LARGEST:,.0f} arcsec.")
    ours, theirs = _frame(table, "first"), _frame(other, "second")
    ours_at, theirs_at = _places(ours, "first"), _places(theirs, "second")
    nearest, apart = _nearest(ours_at, theirs_at)
    pairs = np.flatnonzero((nearest >= 0) & (apart <= splits.chord(radius)))
    if one_to_one:
        back, _ = _nearest(theirs_at, ours_at)
        pairs = pairs[back[nearest[pairs]] == pairs]
    if not len(pairs):
        warnings.warn(_why_nothing(ours, theirs, apart[nearest >= 0], radius), stacklevel=3)
    chosen = theirs.iloc[nearest[pairs]].set_axis(ours.index[pairs], axis=0)
    taken = {*map(str, ours.columns), SEPARATION}
    chosen.columns = pd.Index([f"{c}{suffix}" if str(c) in taken else c for c in chosen.columns])
    separation = pd.Series(_arcsec(apart[pairs]), index=chosen.index, name=SEPARATION)
    found = pd.concat([ours.iloc[pairs], chosen, separation], axis=1)
    if found.columns.has_duplicates:
        name = found.columns[found.columns.duplicated()][0]
        raise MatchError(f"two columns of the match would be called {name!r}: give another suffix than {suffix!r}.")
    return found


def _nearest(places: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the row of the nearest of ``others`` to each place, -1 where there is none, and how far unit vectors are.

    Unit vectors (n, 3), NaN where unknown.
    """
    row, distance = np.full(len(places), -1), np.full(len(places), np.inf)
    known, known_others = (np.flatnonzero(~np.isnan(these).any(axis=1)) for these in (places, others))
    if len(known) and len(known_others):
        # Each place once: of thousands of rows at one, as 0, 0 for an unknown one, trees grow slow.
        unique, first = np.unique(others[known_others], axis=0, return_index=True)
        distance[known], found = cKDTree(unique).query(places[known])
        row[known] = known_others[first[found]]
    return row, distance


def _arcsec(distance: np.ndarray) -> np.ndarray:
    return np.degrees(2 * np.arcsin(np.clip(distance / 2, 0, 1))) * 3600


def _places(table: pd.DataFrame, which: str) -> np.ndarray:
    """Return unit vectors of the positions of a table, (n, 3)."""
    values = {axis: _degrees(table, column, axis, which) for axis, column in _position_columns(table, which).items()}
    return splits.directions(values["ra"], values["dec"])


def _position_columns(table: pd.DataFrame, which: str) -> dict[str, Any]:
    """Return which column holds "ra" and which "dec"; MatchError where there is none or which is not clear."""
    lower: dict[str, list[Any]] = {}
    for column in table.columns:
        lower.setdefault(str(column).lower(), []).append(column)
    found = {}
    of_one_kind = next(
        (
            {"ra": ra, "dec": dec} for ra, decs in PAIRS.items() for dec in decs if ra in lower and dec in lower
        ), {},
    )  # fmt: skip
    for axis, names in NAMES.items():
        name = of_one_kind.get(axis) or next((name for name in names if name in lower), None)
        if name is None:
            shown = ", ".join(map(str, list(table.columns)[:12])) + (" ..." if len(table.columns) > 12 else "")
            raise MatchError(
                f"the {which} table has no column {axis!r} (nor {', '.join(names[1:4])}). It has {shown}. Rename its "
                f'position in degrees: table.rename(columns={{"...": "{axis}"}}).'
            )
        if len(lower[name]) > 1:
            raise MatchError(f"the {which} table has several columns called {' and '.join(map(repr, lower[name]))}.")
        found[axis] = lower[name][0]
    return found


def _degrees(table: pd.DataFrame, column: Any, axis: str, which: str) -> np.ndarray:
    given = table[column]
    values = pd.to_numeric(given, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    wrong = np.flatnonzero(np.isnan(values) & given.notna().to_numpy())
    if len(wrong):
        raise MatchError(
            f"the {which} table, row {wrong[0] + 1}, column {column!r} holds {given.iloc[wrong[0]]!r}, which is no "
            "number of degrees. Sexagesimal positions: "
            'astropy.coordinates.SkyCoord(ra, dec, unit=("hourangle", "deg")) can be given as the table.'
        )
    wrong = np.flatnonzero(np.abs(values) > LIMITS[axis])
    if len(wrong):
        raise MatchError(
            f"the {which} table, row {wrong[0] + 1}, column {column!r} holds {values[wrong[0]]:g}: positions are in "
            f"degrees, from {-LIMITS[axis]:g} to {LIMITS[axis]:g}."
        )
    return values


def _frame(table: Any, which: str) -> pd.DataFrame:
    """Return a DataFrame of whatever holds a table; units become degrees, columns of several values a row go."""
    if isinstance(table, pd.DataFrame):
        return table
    if hasattr(table, "icrs"):  # a SkyCoord, in any frame
        return pd.DataFrame({"ra": np.ravel(table.icrs.ra.deg), "dec": np.ravel(table.icrs.dec.deg)})
    try:
        if hasattr(table, "colnames") and hasattr(table, "to_pandas"):  # an astropy Table
            return _of_astropy(table)
        if isinstance(table, np.ndarray) and table.dtype.names is not None:
            flat = [name for name in table.dtype.names if table[name].ndim == 1]
            # FITS is big-endian, which pandas cannot index.
            return pd.DataFrame({n: table[n].astype(table[n].dtype.newbyteorder("=")) for n in flat})
        if isinstance(table, Mapping):
            return pd.DataFrame({name: np.atleast_1d(values) for name, values in table.items()})
        if hasattr(table, "to_pandas"):  # a table of pyarrow, polars or datasets
            frame = table.to_pandas()
            if isinstance(frame, pd.DataFrame):
                return frame
    except (TypeError, ValueError):
        pass
    raise MatchError(
        f"the {which} table is no table that can be read ({type(table).__name__}): it has no names of columns. Give "
        'a DataFrame, an astropy Table, a SkyCoord or {"ra": [...], "dec": [...]}, in degrees; a file is read by '
        "pandas or astropy first."
    )


def _of_astropy(table: Any) -> pd.DataFrame:
    columns = [name for name in table.colnames if getattr(table[name], "ndim", 1) == 1]
    frame = table[columns].to_pandas()
    for name in columns:
        unit = getattr(table[name], "unit", None)
        if unit is not None and str(name).lower() in (*NAMES["ra"], *NAMES["dec"]) and unit.is_equivalent("deg"):
            frame[name] = frame[name].to_numpy(dtype=float, na_value=np.nan) * unit.to("deg")
        elif str(unit) == "h" and str(name).lower() in NAMES["ra"]:  # of a right ascension hours are no time
            frame[name] = frame[name].to_numpy(dtype=float, na_value=np.nan) * 15
    return frame


def _why_nothing(ours: pd.DataFrame, theirs: pd.DataFrame, apart: np.ndarray, radius: float) -> str:
    """Return what is said of a match that holds no pair: where both tables are, and the likely cause."""
    if not len(apart):
        return "nothing matched: one of the tables has no row with a position."
    ranges = {}
    for which, table in (("first", ours), ("second", theirs)):
        columns = _position_columns(table, which)
        ra, dec = (pd.to_numeric(table[columns[axis]]) for axis in ("ra", "dec"))
        ranges[which] = (ra.min(), ra.max(), f"RA {ra.min():g} to {ra.max():g}, Dec {dec.min():g} to {dec.max():g}")
    nearest = _arcsec(np.array([apart.min()]))[0]
    words = f"{nearest:,.1f} arcsec" if nearest < 3600 else f"{nearest / 3600:,.1f} degrees"
    said = (
        f"nothing matched within {radius:g} arcsec; the nearest two rows are {words} apart. The first table covers "
        f"{ranges['first'][2]}, the second {ranges['second'][2]} (degrees)."
    )
    hours = [which for which, (low, high, _) in ranges.items() if low >= 0 and high <= 24]
    if len(hours) == 1:
        said += f" Is the right ascension of the {hours[0]} table in hours? Then multiply it by 15."
    return said

"""Which of the galaxies that something was trained on are test galaxies: by name, and by position within 1 arcsec."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from galaxy_zoo_decals import joins, tables
from galaxy_zoo_decals.edition import EditionError
from galaxy_zoo_decals.tables.positions import LIMITS, no_position, shown
from leaderboard.entry import versions
from leaderboard.entry.truths import Key, Truths
from leaderboard.files import LeaderboardError

RADIUS_ARCSEC = 1.0

LARGEST_LIST = 2**30

COLUMNS = ("iauname", "ra", "dec")


@dataclass(frozen=True)
class Overlap:
    """The test galaxies of one edition that a list holds, in the edition's order, and how many it has in all."""

    key: Key
    galaxies: int
    by_name: list[str]
    by_position: list[str]

    @property
    def names(self) -> list[str]:
        """All that are in the list, by name or position."""
        return sorted({*self.by_name, *self.by_position})


def read(path: Path) -> pd.DataFrame:
    """Read a list of galaxies: names one a line, or a table of any kind with iauname, or ra and dec in degrees.

    Returns the columns iauname (text, "" where absent), ra and dec (NaN where absent). Raises LeaderboardError, and
    TableError for a file that is neither.
    """
    if path.is_file() and path.stat().st_size > LARGEST_LIST:
        raise LeaderboardError(f"{path}: no file of at most {LARGEST_LIST:,} bytes.")
    contents = tables.contents(path)
    if (lines := _lines(contents)) is not None:
        names = pd.Series(lines, dtype=object)
        return pd.DataFrame({"iauname": names[names != ""].reset_index(drop=True), "ra": np.nan, "dec": np.nan})
    table = tables.look(path, COLUMNS, contents=contents)
    if "iauname" not in table.columns and not {"ra", "dec"} <= set(table.columns):
        raise LeaderboardError(f"{path}: needs a column iauname, or ra and dec in degrees{_instead(table)}.")
    held = table.read(COLUMNS, texts=("iauname",))
    found = pd.DataFrame({"iauname": joins.plain(held.get("iauname", pd.Series("", index=held.index)))})
    for column in ("ra", "dec"):
        given = held[column] if column in held else pd.Series(np.nan, index=held.index)
        found[column] = pd.to_numeric(given, errors="coerce").astype(float)
        low, high = LIMITS[column]
        bad = (found[column].isna() & given.notna()) | (found[column] < low) | (found[column] > high)
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise LeaderboardError(
                f"{path}: row {row + 1}, column {column!r} holds {shown(given.iloc[row])}, "
                f"{no_position(column, given.iloc[row])}."
            )
    return found[(found["iauname"] != "") | (found["ra"].notna() & found["dec"].notna())]


def _instead(table: tables.Table) -> str:
    """Return in half a sentence what a table has in place of names and positions: positions say more than numbers."""
    held = {axis: axis if axis in table.columns else tables.nearest(axis, table.columns) for axis in ("ra", "dec")}
    if held["ra"] and held["dec"] and held["ra"] != held["dec"]:
        return f"; the nearest columns it has are {held['ra']!r} and {held['dec']!r}"
    one = "iauname" if not {"ra", "dec"} & set(table.columns) else "ra" if "dec" in table.columns else "dec"
    return table.missing(one)


def _lines(contents: tables.Contents) -> list[str] | None:
    """Return the lines of a plain list of names; None for a table, whose first line names columns.

    In a .csv of one column a line without a digit is the name of a column. Raises LeaderboardError for positions
    without a header, which would be taken for names that nothing is called.
    """
    if contents.format.name != "text":
        return None
    lines = [line.strip() for line in tables.text_of(contents).splitlines()]
    first = next((line for line in lines if line and not line.startswith("#")), "")
    if len(re.findall(r"(?<!\S)[+-]?(?:\d+\.?\d*|\.\d+)(?!\S)", first)) > 1 and not re.search(r"[A-Za-z]", first):
        raise LeaderboardError(
            f"{contents.path}: its first line holds numbers. Positions need a header with the columns ra and dec."
        )
    if re.search(r"[,;\t|]", first) or {word.casefold() for word in re.split(r"[\s\"]+", first)} & set(COLUMNS):
        return None
    if ".csv" in contents.path.suffixes and not re.search(r"\d", first):
        return None
    return [line for line in lines if not line.startswith("#")]


def respelled(listed: pd.DataFrame, truths: Truths) -> str:
    """Return which names of a list are test galaxies' in another spelling, such as with .jpg; "" if none are."""
    said = []
    for key in [k for k in truths.known() if not truths.refused(k, new=False)]:
        table = _test(key, truths)
        count, words = (0, "") if table is None else joins.respelled(listed["iauname"], table["iauname"])
        if count:
            said.append(f"{count:,} names are test galaxies of {key[0]} in another spelling, {words}.")
    return "\n".join(said)


def find(listed: pd.DataFrame, truths: Truths) -> Iterator[Overlap]:
    """Yield the overlap with the test galaxies of every edition of the benchmark whose galaxies are known here."""
    for key in [k for k in truths.known() if not truths.refused(k, new=False)]:
        table = _test(key, truths)
        if table is None:
            continue
        names = set(listed["iauname"]) - {""}
        by_name = [name for name in table["iauname"] if name in names]
        yield Overlap(key, len(table), by_name, _by_position(table, listed))


def _test(key: Key, truths: Truths) -> pd.DataFrame | None:
    """Return the test galaxies of an edition, the scored ones alone where nothing else is here."""
    if key in truths.editions:
        try:
            return truths.editions[key].table("test", ["iauname", "ra", "dec"])
        except EditionError:
            return None
    if key in truths.frozen and truths.frozen[key][1].truth_sha256 is not None:
        return versions.positions(versions.truth_path(truths.benchmark, truths.frozen[key][0], key[0]))
    truth = truths.truth(key)
    return None if truth is None else pd.DataFrame({"iauname": truth.names, "ra": np.nan, "dec": np.nan})


def _by_position(table: pd.DataFrame, listed: pd.DataFrame) -> list[str]:
    from scipy.spatial import cKDTree

    ours, theirs = (t[t["ra"].notna() & t["dec"].notna()] for t in (table, listed))
    if ours.empty or theirs.empty:
        return []
    # On the unit sphere the chord of an angle is 2 sin(angle / 2): no seam at 0 h, no crowding at the poles.
    chord = 2 * np.sin(np.radians(RADIUS_ARCSEC / 3600) / 2)
    distance, _ = cKDTree(_vectors(theirs)).query(_vectors(ours), distance_upper_bound=chord * (1 + 1e-9))
    return list(ours["iauname"][np.isfinite(distance)])


def _vectors(table: pd.DataFrame) -> np.ndarray:
    ra, dec = np.radians(table["ra"].to_numpy(float)), np.radians(table["dec"].to_numpy(float))
    return np.column_stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])

"""Which of the galaxies that something was trained on are test galaxies: by name, and by position within 1 arcsec."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from galaxy_zoo_decals.edition import EditionError
from leaderboard.entry import versions
from leaderboard.entry.truths import Key, Truths
from leaderboard.files import LeaderboardError

RADIUS_ARCSEC = 1.0

LARGEST_LIST = 2**30


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
    """Read a list of galaxies: names one a line, or a .csv or .parquet table with iauname, or ra and dec in degrees.

    Returns the columns iauname (text, "" where absent), ra and dec (NaN where absent). Raises LeaderboardError.
    """
    if not path.is_file() or path.stat().st_size > LARGEST_LIST:
        raise LeaderboardError(f"{path}: no file of at most {LARGEST_LIST:,} bytes.")
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        elif path.suffix == ".csv":
            table = pd.read_csv(path, dtype=str)
        else:
            table = pd.DataFrame({"iauname": path.read_text(encoding="utf-8").splitlines()})
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, pa.ArrowException) as error:
        raise LeaderboardError(f"{path}: not a readable list ({error}).") from None
    table.columns = [str(c).strip().lower() for c in table.columns]
    if "iauname" not in table and not {"ra", "dec"} <= set(table.columns):
        raise LeaderboardError(
            f"{path}: needs a column iauname, or ra and dec in degrees; has {', '.join(table.columns)}."
        )
    found = pd.DataFrame({"iauname": table.get("iauname", pd.Series("", index=table.index))})
    found["iauname"] = found["iauname"].fillna("").astype(str).str.strip()
    for column in ("ra", "dec"):
        found[column] = pd.to_numeric(table[column], errors="coerce") if column in table else np.nan
    bad = found["ra"].notna() & ~(found["ra"].between(-360, 360) & found["dec"].between(-90, 90))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise LeaderboardError(
            f"{path}: row {row + 1}: {found['ra'][row]}, {found['dec'][row]} is no position in degrees."
        )
    return found[(found["iauname"] != "") | found["ra"].notna()]


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

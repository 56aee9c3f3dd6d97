"""Parquet files from outside: what a footer claims is looked at before anything is unpacked.

Light to import, so that a process which only reads files starts at once.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from galaxy_zoo_decals.predictions import PredictionError, unreadable
from leaderboard.files import LeaderboardError

LARGEST_DRAWS = 4 * 2**20
"""Largest file of draws: 2,000 draws of the metrics of four boards are half a MiB."""

MOST_COLUMNS = 100
MOST_ROWS = 10**6
"""Rows that a prediction file may have where the edition's own number is not known."""

LARGEST_UNPACKED = 2**28


def bounded(path: Path, rows: int | None, fewer: bool = False) -> None:
    """Raise PredictionError if a Parquet file's footer claims more rows or bytes than predictions can have.

    ``rows`` are those of the edition, where they are known; with ``fewer`` some may be lacking.
    """
    footer = _footer(path, PredictionError)
    unpacked = sum(footer.row_group(i).total_byte_size for i in range(footer.num_row_groups))
    if rows is not None and (footer.num_rows > rows or (footer.num_rows < rows and not fewer)):
        raise PredictionError(f"{path}: {footer.num_rows} rows, but the edition has {rows} scored test galaxies.")
    if footer.num_rows > MOST_ROWS:
        raise PredictionError(f"{path}: {footer.num_rows} rows: no prediction file.")
    if footer.num_columns > MOST_COLUMNS or unpacked > LARGEST_UNPACKED:
        raise PredictionError(f"{path}: {footer.num_columns} columns, {unpacked:,} bytes unpacked: no prediction file.")


def read_draws(path: Path, rows: int) -> pa.Table:
    """Read a file of stored draws; raises LeaderboardError unless it has so many rows of float32."""
    again = "stored draws must be the scorer's own; run `python -m leaderboard score` again."
    if path.is_symlink() or not path.is_file() or path.stat().st_size > LARGEST_DRAWS:
        raise LeaderboardError(f"{path}: not a regular file of at most {LARGEST_DRAWS:,} bytes: {again}")
    footer = _footer(path, LeaderboardError)
    if footer.num_rows != rows or footer.num_columns > MOST_COLUMNS:
        raise LeaderboardError(f"{path}: not {rows} draws of some metrics: {again}")
    if any(kind != pa.float32() for kind in footer.schema.to_arrow_schema().types):
        raise LeaderboardError(f"{path}: not float32: {again}")
    try:
        table = pq.ParquetFile(path).read()
    except (OSError, pa.ArrowException):
        raise LeaderboardError(f"{unreadable(path)} {again.capitalize()}") from None
    if len(table) != rows:
        raise LeaderboardError(f"{path}: not {rows} draws: {again}")
    return table


def _footer(path: Path, kind: type[PredictionError] | type[LeaderboardError]) -> pq.FileMetaData:
    try:
        return pq.ParquetFile(path).metadata
    except (OSError, pa.ArrowException):
        raise kind(unreadable(path)) from None

"""Parquet tables, under any name: their columns as they lie in the file, those of a pandas index too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from galaxy_zoo_decals.tables.formats import MOST_ROWS, TableError
from galaxy_zoo_decals.tables.unpacking import Contents

MOST_CELLS = 2 * 10**9
"""Cells that are read at most: a column repeats one value a billion times in a few bytes."""


def footer(contents: Contents) -> tuple[Path | BinaryIO, pq.FileMetaData]:
    """Return where to read a Parquet file from, and its footer; TableError where it has none."""
    place = contents.whole()
    try:
        return place, pq.ParquetFile(place).metadata
    except (pa.ArrowException, OSError, ValueError):
        raise unreadable(contents) from None


def unreadable(contents: Contents) -> TableError:
    """Return what is said of a Parquet file that does not read."""
    size, last = 0, b""
    with contents.open() as stream:
        while block := stream.read(2**20):
            size, last = size + len(block), (last + block)[-4:]
    if last != b"PAR1" or size < 12:
        return TableError(
            f"{contents.path}: it begins as {contents.what} and does not end as one: it may be cut short. Compare its "
            "size with that of the file it came from."
        )
    return TableError(
        f"{contents.path}: {contents.what}, and it does not read: a part of it is not as it was written. Compare its "
        "checksum with that of the file it came from, or write it anew with DataFrame.to_parquet()."
    )


def read(contents: Contents, names: Sequence[str], texts: Sequence[str]) -> list[pd.Series]:
    """Return some columns; those in ``texts`` as text. TableError for columns that hold lists or parts."""
    place, found = footer(contents)
    if found.num_rows > MOST_ROWS or found.num_rows * max(1, len(names)) > MOST_CELLS:
        raise TableError(f"{contents.path}: {found.num_rows:,} rows; of a table at most {MOST_ROWS:,} are read.")
    try:
        table = pq.ParquetFile(place).read(columns=list(names))
    except (pa.ArrowException, OSError, ValueError):
        raise unreadable(contents) from None
    if not len(table):
        raise TableError(f"{contents.path}: it has columns and no rows.")
    return [_column(contents, table[name], name, name in texts) for name in names]


def _column(contents: Contents, column: pa.ChunkedArray, name: str, text: bool) -> pd.Series:
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        column, kind = column.cast(kind.storage_type), kind.storage_type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_nested(kind):
        raise TableError(f"{contents.path}: column {name!r} holds {kind} in each row; one value a row is asked for.")
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        values = [None if v is None else v.decode("utf-8", "replace") for v in column.to_pylist()]
        column, kind = pa.chunked_array([pa.array(values, pa.string())]), pa.string()
    if pa.types.is_decimal(kind):
        column = column.cast(pa.float64())
    if text and (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        column = pc.utf8_trim_whitespace(column.cast(pa.string()))
    return pd.Series(column.to_pandas(ignore_metadata=True)).reset_index(drop=True)

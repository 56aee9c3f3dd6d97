"""Text tables: rows are parted as their dialect says, and held to the header."""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from galaxy_zoo_decals.tables.dialect import NULLS, SEPARATORS, Dialect, split
from galaxy_zoo_decals.tables.formats import TableError, encoding_of
from galaxy_zoo_decals.tables.unpacking import Contents


def read(contents: Contents, dialect: Dialect, places: Sequence[int], texts: Collection[int]) -> list[pd.Series]:
    """Return the columns at some places: those in ``texts`` as text, others as float64 where all cells are numbers.

    Blanks around a value are none of it, an empty cell is null. Raises TableError naming the row that has more or
    fewer columns than the header.
    """
    _check_end(contents, dialect.encoding)
    if dialect.encoding.startswith("utf-8") and not _is_utf8(contents):  # a letter of Latin-1 far below
        dialect = replace(dialect, encoding="latin-1")
    plain = {place for place in places if place in dialect.numeric and place not in texts}
    table = _parsed(contents, dialect, places, plain)
    if not len(table):
        raise TableError(f"{contents.path}: it has a header and no rows.")
    found = []
    for name, place in zip(table.column_names, places):
        column = table[name]
        if pa.types.is_floating(column.type):
            found.append(pd.Series(column.to_numpy(zero_copy_only=False)))
        else:
            column = pc.utf8_trim_whitespace(column)
            column = pc.if_else(pc.is_in(column, value_set=pa.array(NULLS)), pa.scalar(None, pa.string()), column)
            found.append(_text(column) if place in texts else numbers(column, dialect.decimal_comma))
        table = table.drop_columns([name])
    _check_one_header(contents, found, [dialect.names[place] for place in places])
    return _without_empty_end(contents, found)


def _is_utf8(contents: Contents) -> bool:
    """Return whether a text is UTF-8 to its end: else pyarrow cannot show a row that has too many columns."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with contents.open() as stream:
        try:
            while block := stream.read(2**20):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _check_one_header(contents: Contents, columns: Sequence[pd.Series], names: Sequence[str]) -> None:
    """Raise TableError for a row that is the header once more, as where files were put together."""
    if not columns or any(column.dtype != object for column in columns):
        return
    again = np.logical_and.reduce([(column == name).to_numpy() for column, name in zip(columns, names)])
    if again.any():
        raise TableError(
            f"{contents.path}: row {int(again.argmax()) + 1} is the header once more: were tables put together? "
            "Put their rows together and the header before them once, as pandas.concat does."
        )


def _without_empty_end(contents: Contents, columns: list[pd.Series]) -> list[pd.Series]:
    """Return columns without the rows at their end of which every cell is empty, as spreadsheets write them."""
    if not columns or not all(pd.isna(column.iloc[-1]) for column in columns):
        return columns
    filled = np.flatnonzero(np.logical_or.reduce([column.notna().to_numpy() for column in columns]))
    if not len(filled):
        raise TableError(f"{contents.path}: it has a header and no rows.")
    return [column.iloc[: filled[-1] + 1] for column in columns]


def _text(column: pa.ChunkedArray) -> pd.Series:
    return pd.Series(column.to_numpy(zero_copy_only=False), dtype=object)


def numbers(column: pa.ChunkedArray, decimal_comma: bool = False) -> pd.Series:
    """Return texts as float64 if all of them are numbers, else as they are (object); null is NaN, or None."""
    plain = pc.replace_substring_regex(column, r"^\+", "")
    plain = pc.replace_substring_regex(plain, "^[\u2212\u2013]", "-")  # signs for minus of word processors
    if decimal_comma:
        plain = pc.replace_substring(plain, ",", ".")
    try:
        return pd.Series(pc.cast(plain, pa.float64()).to_numpy(zero_copy_only=False))
    except pa.ArrowInvalid:
        return _text(column)


def _parsed(contents: Contents, dialect: Dialect, places: Sequence[int], plain: Collection[int]) -> pa.Table:
    """Return some columns: as text, those in ``plain`` as float64 unless one of them holds something else."""
    if dialect.separator == " ":
        return _parsed_blanks(contents, dialect, places)
    bad = _BadRows()
    chosen = [str(place + dialect.before) for place in places]
    read = pacsv.ReadOptions(
        skip_rows=dialect.skipped, column_names=[str(i) for i in range(dialect.fields)], use_threads=False,
        encoding=dialect.encoding.removesuffix("-sig").replace("utf-8", "utf8"), block_size=2**22,
    )  # fmt: skip
    parse = pacsv.ParseOptions(
        delimiter=dialect.separator, newlines_in_values=True, invalid_row_handler=bad.look_at,
        escape_char="\\" if dialect.escaped else False, double_quote=not dialect.escaped,
    )  # fmt: skip
    kinds = {name: pa.float64() if place in plain else pa.string() for name, place in zip(chosen, places)}
    convert = pacsv.ConvertOptions(
        include_columns=chosen, column_types=kinds, null_values=list(NULLS),
        decimal_point="," if dialect.decimal_comma else ".",
    )  # fmt: skip
    try:
        with contents.open() as stream:
            table = pacsv.read_csv(stream, read, parse, convert)
    except pa.ArrowInvalid as error:
        if plain and "conversion error to double" in str(error):
            return _parsed(contents, dialect, places, ())
        if "Empty CSV" in str(error):
            raise TableError(f"{contents.path}: it has a header and no rows.") from None
        raise TableError(f"{contents.path}: {_unread(str(error), dialect)}") from None
    except UnicodeDecodeError:
        raise TableError(
            f"{contents.path}: it begins as {dialect.encoding.upper()} and does not go on so: it may be cut short. "
            "Compare its size with that of the file it came from."
        ) from None
    bad.check(contents, dialect, len(table))
    return table


def _unread(said: str, dialect: Dialect) -> str:
    """Return in own words what pyarrow says of a table that it cannot part into rows."""
    if "straddling" in said or "block size" in said:
        return "one of its rows has more than 4 MiB: a quotation mark may lack its end."
    return f"it cannot be parted into rows by {SEPARATORS[dialect.separator]}. Save it as CSV or Parquet."


class _BadRows:
    """Rows that have another number of columns than the header: the first of them, and how many."""

    def __init__(self) -> None:
        self.first: tuple[int, int, int] | None = None
        self.count = self.others = 0
        self.lines = 1

    def look_at(self, row: pacsv.InvalidRow) -> str:
        if row.text.lstrip().startswith("#") or not row.text.strip(" \t\x1a"):
            self.others += 1
            return "skip"
        self.count += 1
        if self.first is None:
            self.first = (row.number or 0, row.actual_columns, row.expected_columns)
            self.lines = len(row.text.splitlines())
        return "skip"

    def check(self, contents: Contents, dialect: Dialect, good: int) -> None:
        if self.first is None:
            return
        number, found, expected = self.first
        row = number - dialect.skipped
        where = f"{contents.path}: row {row} has {found} of {expected} columns"
        if self.lines > 1:
            raise TableError(
                f"{contents.path}: row {row} goes on over {self.lines:,} lines: a quotation mark may lack its end."
            )
        if self.count == 1 and found < expected and row > good + self.others:
            raise TableError(
                f"{where}, and it is the last: the file may be cut short. Compare its size with that of the file it "
                "came from."
            )
        sign = "A decimal comma, or a" if dialect.separator == "," else "A"
        why = (
            f" {sign} value with a separator in it and no quotes around it may be the cause."
            if found > expected
            else ""
        )
        others = f" ({self.count:,} such rows)" if self.count > 1 else ""
        raise TableError(
            f"{contents.path}: row {row} has {found} columns and the header {expected}{others}; columns are parted by "
            f"{SEPARATORS[dialect.separator]}.{why}"
        )


def _parsed_blanks(contents: Contents, dialect: Dialect, places: Sequence[int]) -> pa.Table:
    """Return columns that blanks part; such tables are small, and each line is looked at by itself."""
    columns: list[list[str]] = [[] for _ in places]
    count = 0
    bad: tuple[int, int] | None = None
    for line in re.split(r"\r\n|\n|\r", text_of(contents))[dialect.skipped :]:
        if not line.strip(" \t\x1a-+=") or line.startswith("#"):  # nothing, a comment, or a line drawn below the rows
            continue
        count += 1
        cells = split(line, " ")
        if len(cells) != dialect.fields:
            bad = bad or (count, len(cells))
            continue
        for column, place in zip(columns, places):
            column.append(cells[place + dialect.before])
    if bad is not None:
        last = " It is the last: the file may be cut short." if bad[0] == count else ""
        raise TableError(
            f"{contents.path}: row {bad[0]} has {bad[1]} columns and the header {dialect.fields}; columns are parted "
            f"by blanks.{last}"
        )
    return pa.table([pa.chunked_array([pa.array(c, pa.string())]) for c in columns], [str(place) for place in places])


def text_of(contents: Contents) -> str:
    """Return a text whole, decoded."""
    with contents.open() as stream:
        data = stream.read()
    try:
        return data.decode(encoding_of(contents.head)).removeprefix("\ufeff")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def ends_in_line_break(contents: Contents) -> bool:
    """Return whether a text ends in a line break; a compressed one is held to its checksum instead."""
    if contents.packed:
        return True
    with contents.path.open("rb") as file:
        file.seek(max(0, contents.path.stat().st_size - 4))
        return file.read().rstrip(b"\0\x1a")[-1:] in (b"\n", b"\r")


def _check_end(contents: Contents, encoding: str) -> None:
    """Raise TableError for a text whose end was never written, as disks leave it after a failed copy."""
    if contents.packed or "16" in encoding:
        return
    with contents.path.open("rb") as file:
        file.seek(max(0, contents.path.stat().st_size - 8))
        if file.read().endswith(b"\0\0\0\0"):
            raise TableError(
                f"{contents.path}: it ends in zero bytes: it may be cut short by a copy or a download that failed. "
                "Compare it with the file it came from."
            )


def shown(names: Sequence[str]) -> str:
    """Return the first names of columns as a message shows them."""
    return ", ".join(repr(name[:40]) for name in names[:6]) + (
        f" and {len(names) - 6:,} more" if len(names) > 6 else ""
    )

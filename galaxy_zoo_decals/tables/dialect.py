"""How a text table is written: encoding, separator, decimal sign, header and comments, by its first rows."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from galaxy_zoo_decals.tables.columns import folded
from galaxy_zoo_decals.tables.formats import HEAD, TableError, decoded, encoding_of
from galaxy_zoo_decals.tables.unpacking import Contents

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars", " ": "blanks"}
"""What may stand between columns, and what it is called."""


NULLS = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null", "--", "masked",
)  # fmt: skip
"""How programs write that a cell is empty: those that pandas knows, and what astropy writes of masked values."""


NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


COMMA_NUMBER = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")


UNITS = frozenset(
    ["deg", "degree", "degrees", "arcsec", "mag", "double", "float", "real", "int", "integer", "long", "char", "string"]
)
"""Words of a line below the header that says units or types, as VizieR and others write it."""


TITLES = 20
"""Lines before the header at most, where it is known by its names."""


SAMPLE = 200
"""Rows that tell how numbers are written."""


@dataclass(frozen=True)
class Dialect:
    """How a text table is written."""

    encoding: str
    separator: str
    names: tuple[str, ...]
    """The columns of the header, without blanks around them."""
    skipped: int
    """Lines before the first row."""
    before: int = 0
    """Columns of the rows before the first that the header names: R writes names of rows without one."""
    after: int = 0
    """Empty columns behind the last that the header names, where every row ends in a separator."""
    decimal_comma: bool = False
    escaped: bool = False
    """Whether a quotation mark in a value has a backslash before it, as Spark and MySQL write it, not a second one."""
    numeric: frozenset[int] = frozenset()
    """Columns whose first cells are all numbers or empty."""
    values_first: bool = False
    """Whether the first line holds values where names of columns should stand."""

    @property
    def fields(self) -> int:
        """How many columns a row has."""
        return self.before + len(self.names) + self.after


def dialect_of(contents: Contents, wanted: Collection[str]) -> Dialect:
    """Return how a text table is written; the header is the line that names most of the ``wanted`` columns.

    Raises TableError for a text without a line break where a header should end.
    """
    text = decoded(contents.head) or ""
    lines = re.split(r"\r\n|\n|\r", text.removeprefix("\ufeff"))
    if len(contents.head) >= HEAD:
        if len(lines) == 1:
            raise TableError(f"{contents.path}: its first line has more than {HEAD:,} bytes: no table of rows.")
        lines = lines[:-1]  # it may go on
    start, given = 0, ""
    while start < len(lines) - 1:
        line = lines[start].strip()
        if found := re.fullmatch(r'"?sep=(.)"?', line, re.IGNORECASE):  # a line that Excel writes and reads
            given = found[1]
        elif line and not line.startswith("#"):
            break
        start += 1
    separator, names = _header(lines[start], wanted, given)
    if start and lines[start - 1].startswith("#"):
        other, commented = _header(lines[start - 1].lstrip("#"), wanted, given)
        if _known(commented, wanted) > _known(names, wanted):  # the header is a comment, as topcat and numpy write it
            separator, names, start = other, commented, start - 1
    if wanted and not _known(names, wanted):  # lines of words may stand before it
        for i in range(start + 1, min(start + TITLES, len(lines) - 1)):
            found_separator, found_names = _header(lines[i], wanted, given)
            if _known(found_names, wanted) >= min(2, len(wanted)):
                separator, names, start = found_separator, found_names, i
                break
    rows = lines[start + 1 :]
    skipped = start + 1
    if len(rows) > 1 and _says_units(contents, rows[0], separator, names):
        rows, skipped = rows[1:], skipped + 1
    if rows and rows[0].strip() and not rows[0].strip(" -+|:=\t"):  # a line drawn under the header
        rows, skipped = rows[1:], skipped + 1
    rows = [row for row in rows[:SAMPLE] if row.strip() and not row.startswith("#")]
    cells = [split(row, separator) for row in rows]
    escaped = False
    if separator != " " and any('\\"' in row for row in rows) and any(len(row) != len(names) for row in cells):
        others = [split(row, separator, escaped=True) for row in rows]
        if escaped := all(len(row) == len(names) for row in others[:-1] or others):
            cells = others
    more = {len(row) - len(names) for row in cells[:-1] or cells}
    before = after = 0
    if more == {1}:
        if not any(row[-1].strip() for row in cells):
            after = 1
        elif _are_row_names(rows, [row[0].strip() for row in cells]):
            before = 1
    values = [cell.strip() for row in cells for cell in row]
    commas = any(COMMA_NUMBER.fullmatch(value) for value in values)
    points = any("." in value and NUMBER.fullmatch(value) for value in values)
    decimal_comma = commas and not points
    number = COMMA_NUMBER if decimal_comma else NUMBER
    numeric = frozenset(
        place
        for place, column in enumerate(zip(*(row[before:] for row in cells)))
        if all(NUMBER.fullmatch(c.strip()) or number.fullmatch(c.strip()) or c.strip() in NULLS for c in column)
    )
    return Dialect(
        encoding_of(contents.head), separator, names, skipped, before, after, decimal_comma, escaped, numeric,
        any(NUMBER.fullmatch(name) for name in names) and not _known(names, wanted),
    )  # fmt: skip


def _header(line: str, wanted: Collection[str], given: str) -> tuple[str, tuple[str, ...]]:
    best: tuple[tuple[int, int], str, tuple[str, ...]] | None = None
    for separator in (given,) if given in SEPARATORS and given else tuple(SEPARATORS):
        names = tuple(name.strip() for name in split(line, separator))
        # Blanks may stand in a name, and so part columns only where nothing else does.
        score = (_known(names, wanted), len(names) if separator != " " else 1)
        if best is None or score > best[0]:
            best = score, separator, names
    assert best is not None
    return best[1], best[2]


def _known(names: Sequence[str], wanted: Collection[str]) -> int:
    lower = {folded(name) for name in names}
    return sum(name.casefold() in lower for name in wanted)


def _are_row_names(rows: Sequence[str], first: Sequence[str]) -> bool:
    """Return whether the first cells of rows, which the header does not name, are names of rows as R writes them."""
    quoted = all(row.lstrip()[:1] in ("'", '"') for row in rows)
    return len(set(first)) == len(first) and (quoted or all(cell.isdecimal() for cell in first))


def _says_units(contents: Contents, line: str, separator: str, names: Sequence[str]) -> bool:
    """Return whether a line below the header says units or types; TableError where a position is not in degrees."""
    cells = [cell.strip() for cell in split(line, separator)]
    if any(NUMBER.fullmatch(cell) for cell in cells) or not any(cell.casefold() in UNITS for cell in cells):
        return False
    for name, cell in zip(names, cells):
        if folded(name) in ("ra", "dec") and cell and cell.casefold() not in UNITS - {"arcsec", "mag"}:
            raise TableError(
                f"{contents.path}: the line below the header says that column {name!r} is in {cell[:40]!r}; it should "
                "be in degrees."
            )
    return True


def split(line: str, separator: str, escaped: bool = False) -> list[str]:
    """Return the cells of one line."""
    if separator == " ":
        return [a or b or c for a, b, c in re.findall(r'"([^"]*)"|\'([^\']*)\'|(\S+)', line)]
    try:
        sign = "\\" if escaped else None
        return next(csv.reader([line], delimiter=separator, escapechar=sign, doublequote=not escaped), [])
    except csv.Error:  # a cell of more than 128 KiB
        return line.split(separator)

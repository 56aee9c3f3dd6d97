"""One look at a file that somebody brings as a table, and its columns by name."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from galaxy_zoo_decals.tables import astronomy, parquet, text, unpacking
from galaxy_zoo_decals.tables.columns import match, nearest
from galaxy_zoo_decals.tables.dialect import dialect_of
from galaxy_zoo_decals.tables.formats import TableError
from galaxy_zoo_decals.tables.unpacking import Contents


def say(words: str) -> None:
    """Write on standard error."""
    print(words, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Table:
    """A table that was recognised and whose header was read; its rows are read when they are asked for.

    ``columns`` are its columns as they are asked for where one is known by another case, and as it spells them
    otherwise. ``metadata`` is that of a Parquet file.
    """

    path: Path
    what: str
    columns: list[str]
    metadata: Mapping[str, str]
    _places: Mapping[str, int] = field(repr=False)
    _read: Callable[[list[int], set[int]], list[pd.Series]] = field(repr=False)

    def read(self, columns: Iterable[str], texts: Collection[str] = ()) -> pd.DataFrame:
        """Return those of some columns that the table has, in this order; ``texts`` are read as text.

        Of a text table all other columns whose cells are numbers are float64. Raises TableError.
        """
        chosen = [name for name in dict.fromkeys(columns) if name in self._places]
        places = [self._places[name] for name in chosen]
        found = self._read(places, {self._places[name] for name in texts if name in self._places})
        return pd.DataFrame(dict(zip(chosen, found)))

    def missing(self, column: str) -> str:
        """Return in half a sentence what the table has in place of a missing column: the nearest one, or the first."""
        close = nearest(column, self.columns)
        if not close and column == "iauname" and self.columns[0] == "":
            return "; its first column has no name: if it holds the names of the galaxies, call it iauname"
        return f"; the nearest column it has is {close!r}" if close else f"; it has {text.shown(self.columns)}"


def look(
    path: Path, wanted: Collection[str], whole: bool = False, tell: Callable[[str], object] = say,
    contents: Contents | None = None,
) -> Table:  # fmt: skip
    """Return the table in a file: CSV and its kin, Parquet, FITS, VOTable or ECSV, under any name, compressed or not.

    ``wanted`` are columns that it may have: they tell the header, the separator and the table among several.
    ``whole``: a text table must end in a line break, as a published one does; else ``tell`` is told where it does not.
    ``contents`` are those of the file where they are known already. Raises TableError that says what the file is where
    it is no table that can be read here.
    """
    found = contents or unpacking.contents(path)
    kind = found.format.name
    if kind == "text":
        return _text(found, wanted, whole, tell)
    if kind == "parquet":
        footer = parquet.footer(found)[1]
        names = footer.schema.to_arrow_schema().names
        metadata = {
            k.decode("utf-8", "replace"): v.decode("utf-8", "replace") for k, v in (footer.metadata or {}).items()
        }
        return _table(
            found, names, wanted, metadata,
            lambda places, texts: parquet.read(found, [names[i] for i in places], [names[i] for i in texts]),
        )  # fmt: skip
    if found.format.is_read:
        chosen = astronomy.find(found, wanted)
        if chosen.said:
            tell(f"{path}: {chosen.said}.")
        return _table(
            found, chosen.names, wanted, {}, lambda places, texts: astronomy.read(found, chosen, places, texts)
        )
    raise TableError(f"{path}: this is {found.what}. {found.format.advice}")


def _table(
    found: Contents, names: list[str], wanted: Collection[str], metadata: Mapping[str, str],
    read: Callable[[list[int], set[int]], list[pd.Series]],
) -> Table:  # fmt: skip
    places = match(names, wanted, found.path)
    spelled = {place: name for name, place in places.items()}
    columns = [spelled.get(i, name) for i, name in enumerate(names)]
    places |= {name: i for i, name in reversed(list(enumerate(columns)))} | places
    return Table(found.path, found.what, columns, metadata, places, read)


def _text(found: Contents, wanted: Collection[str], whole: bool, tell: Callable[[str], object]) -> Table:
    dialect = dialect_of(found, wanted)
    known = match(dialect.names, wanted, found.path)
    if dialect.values_first:
        raise TableError(
            f"{found.path}: its first line holds values ({text.shown(dialect.names)}) and no names of columns. Save it "
            "with a header."
        )
    if len(dialect.names) == 1 and " " in dialect.names[0] and not known and wanted:
        raise TableError(
            f"{found.path}: a text without columns; its first line is {dialect.names[0][:60]!r}. Is it the table?"
        )

    def read(places: list[int], texts: set[int]) -> list[pd.Series]:
        columns = text.read(found, dialect, places, texts)
        if not text.ends_in_line_break(found):
            cut = "the last row does not end in a line break: its last value may be cut short"
            if whole:
                raise TableError(f"{found.path}: {cut}. Compare its size with that of the published file.")
            tell(f"{found.path}: {cut}, if the file was copied or downloaded. It is read as it is.")
        return columns

    return _table(found, list(dialect.names), wanted, {}, read)

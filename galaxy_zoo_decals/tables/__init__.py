"""Tables that people bring: recognised by their first bytes and header, and read, or named for what they are."""

from galaxy_zoo_decals.tables.columns import nearest
from galaxy_zoo_decals.tables.formats import TableError
from galaxy_zoo_decals.tables.table import Table, look, say
from galaxy_zoo_decals.tables.text import text_of
from galaxy_zoo_decals.tables.unpacking import Contents, called, contents, contents_of

__all__ = [
    "Contents",
    "Table",
    "TableError",
    "called",
    "contents",
    "contents_of",
    "look",
    "nearest",
    "say",
    "text_of",
]

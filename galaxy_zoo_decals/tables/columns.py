"""Names of columns: those of a table matched to those that are asked for, and the nearest one where there is none."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence
from pathlib import Path

from galaxy_zoo_decals.tables.formats import TableError

OTHER_NAMES = {
    "ra": ("right_ascension", "raj2000", "ra_j2000", "alpha_j2000", "_raj2000", "radeg", "ra_deg"),
    "dec": ("declination", "dej2000", "decj2000", "dec_j2000", "delta_j2000", "_dej2000", "dedeg", "dec_deg"),
    "iauname": ("iau_name", "iau", "name", "object", "objname", "id_str", "galaxy", "id", "objid", "filename"),
    "GalaxyID": ("id", "objid", "asset_id", "iauname", "name"),
}  # fmt: skip
"""What other catalogues call a column."""


def folded(name: str) -> str:
    """Return a name of a column in lower case and without the unit degrees behind it, as in RA (deg)."""
    return re.sub(r"\s*(?:\(deg(?:rees?)?\)|\[deg(?:rees?)?\])$", "", name.casefold())


def match(names: Sequence[str], wanted: Collection[str], path: Path) -> dict[str, int]:
    """Return where each wanted column stands among a table's names: as it is spelled, else in another case.

    Raises TableError where a wanted column stands there twice, or in two other cases and not as it is.
    """
    places: dict[str, list[int]] = {}
    alike: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        places.setdefault(name, []).append(i)
        alike.setdefault(folded(name), []).append(i)
    ours: dict[str, int] = {}
    for name in wanted:
        found = places.get(name, [])
        if len(found) > 1:
            where = " and ".join(str(i + 1) for i in found[:3])
            raise TableError(f"{path}: column {name!r} stands there twice, as columns {where}; which one is meant?")
        if not found:
            found = alike.get(folded(name), [])
            if len(found) > 1:
                spelled = " and ".join(repr(names[i][:40]) for i in found[:3])
                raise TableError(f"{path}: there are the columns {spelled}; which one is {name!r}?")
        if len(found) == 1:
            ours[name] = found[0]
    return ours


def nearest(name: str, present: Collection[str]) -> str | None:
    """Return the column of a table that a missing one may be called there, None if no name is near."""
    lower = {column.casefold(): column for column in reversed(list(present))}
    for other in OTHER_NAMES.get(name, ()):
        if other in lower:
            return lower[other]
    alike = {re.sub(r"[^0-9a-z]+", "", column): column for column in lower}
    if (bare := re.sub(r"[^0-9a-z]+", "", name.casefold())) in alike:
        return lower[alike[bare]]
    close = difflib.get_close_matches(name.casefold(), list(lower), n=1)
    return lower[close[0]] if close else None

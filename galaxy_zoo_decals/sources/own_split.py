"""The user's own split: a column of the catalogue that says of every galaxy whether it trains, validates or tests."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import pandas as pd

from galaxy_zoo_decals.errors import UserError

WORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid", "validate", "dev", "development"),
    "test": ("test", "testing", "holdout", "hold-out", "held-out"),
}
"""What a split may be called in a table, in capitals or not; the first word is that of editions."""

_SPLITS = {word: split for split, words in WORDS.items() for word in words}


class SplitColumnError(UserError):
    """A column of splits that cannot be used; the message names file, row and column and says what to do."""


def check_column(present: Iterable[str], column: str, where: str) -> None:
    """Raise SplitColumnError if a table has no such column."""
    names = [str(name) for name in present]
    if column in names:
        return
    close = difflib.get_close_matches(column.lower(), [name.lower() for name in names], n=1)
    near = next((name for name in names if close and name.lower() == close[0]), "")
    hint = f"; the nearest column it has is {near!r}" if near else f"; it has {', '.join(names[:8])}"
    raise SplitColumnError(f"{where}: --split-column {column}: there is no such column{hint}.")


def read(values: pd.Series, column: str, where: str) -> pd.Series:
    """Return the split of every row as editions call it, from what the user's column says; ``where`` names the file.

    Raises SplitColumnError naming the first row that says nothing, a number or another word.
    """
    given = values.reset_index(drop=True)
    words = given.astype("string").str.strip().str.lower()
    found = words.map(_SPLITS)
    bad = found.isna().to_numpy(dtype=bool)
    if not bad.any():
        return found.astype(str)
    row = int(bad.argmax())
    empty = bool(given.isna().iloc[row]) or not words.iloc[row]
    said = "is empty" if empty else f"holds {str(given.iloc[row])[:40]!r}"
    numbers = pd.to_numeric(given[bad], errors="coerce").notna().any()
    why = " Numbers do not say which split is which." if numbers else ""
    rows = f" ({int(bad.sum()):,} such rows)" if bad.sum() > 1 else ""
    accepted = "; ".join(f"{split}: {', '.join(others)}" for split, (_, *others) in WORDS.items())
    raise SplitColumnError(
        f"{where}: row {row + 1}, column {column!r} {said}{rows}. Every galaxy needs one of {', '.join(WORDS)} "
        f"(also {accepted}).{why} For editions without a split of your own leave --split-column away."
    )

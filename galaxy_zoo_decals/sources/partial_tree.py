"""Tables with a part of the tree: questions without any column are unknown, and a total may be that of its answers."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

import pandas as pd

from galaxy_zoo_decals.schema import Question, Tree


@dataclass(frozen=True)
class Part:
    """Which part of a tree a table has."""

    unknown: tuple[str, ...] = ()
    """Questions of which it has no column: nobody's votes for them are known, as if nobody had been asked."""
    summed: tuple[str, ...] = ()
    """Questions of which it has every answer but no total: the total is the sum."""

    def describe(self) -> dict[str, object]:
        """Return what edition.json says of it, nothing where the table has the whole tree."""
        said = {"unknown_questions": list(self.unknown), "summed_totals": list(self.summed)}
        return {name: questions for name, questions in said.items() if questions}


def part_of(present: Collection[str], tree: Tree) -> Part:
    """Return which part of the tree a table with these columns has; ``problem`` says whether that can be used."""
    later = [q for q in tree.questions if q.parents]
    return Part(
        tuple(q.name for q in later if not any(c in present for c in (q.total, *q.columns))),
        tuple(q.name for q in tree.questions if q.total not in present and all(c in present for c in q.columns)),
    )


def problem(present: Collection[str], tree: Tree) -> str:
    """Return what hinders the use of a table with a part of the tree, "" if nothing does.

    A question has all its answers or none: from some of them no fraction follows. One that stands there under another
    spelling is not taken for one that is not there.
    """
    alike = {_plain(column): column for column in present if column not in tree.vote_columns}
    for q in tree.questions:
        missing = [column for column in q.columns if column not in present]
        there = [column for column in (q.total, *q.columns) if column in present]
        if missing and there:
            return (
                f"the question {q.name} has {_listed(there)} and lacks {_listed(missing)}. A question needs the "
                "columns of all its answers; without any of them, and without its total, it is unknown"
            )
        spelled = {column: alike[_plain(column)] for column in q.columns if _plain(column) in alike}
        if missing and spelled:
            wanted, other = next(iter(spelled.items()))
            return f"column {wanted!r} of the question {q.name} is missing; there is {other!r}, spelled otherwise"
    return ""


def complete(table: pd.DataFrame, tree: Tree, part: Part) -> pd.DataFrame:
    """Return the table with the columns of the whole tree: no votes for what is unknown, sums for missing totals."""
    columns: dict[str, object] = {}
    for q in tree.questions:
        if q.name in part.unknown:
            columns |= dict.fromkeys((q.total, *q.columns), 0)
        elif q.name in part.summed:
            columns[q.total] = _sum(table, q)
    return table.assign(**columns)  # type: ignore[arg-type]


def _sum(table: pd.DataFrame, question: Question) -> pd.Series:
    """Return the sum of a question's answers, empty where all are; cells that are no numbers are named elsewhere."""
    counts = table[list(question.columns)].apply(pd.to_numeric, errors="coerce")
    return counts.sum(axis=1, min_count=1)


def _plain(column: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", str(column).lower())


def _listed(columns: list[str]) -> str:
    return ", ".join(map(repr, columns))

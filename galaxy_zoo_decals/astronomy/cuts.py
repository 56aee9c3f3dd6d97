"""The published cuts that pick populations of galaxies by their vote fractions: Table 2 of Walmsley et al. 2022."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.schema import GZ2, GZD5, Question

FILE = Path(__file__).with_name("cuts.yaml")

OTHER_TREE = GZ2.question("odd").total
"""A column that tables of Galaxy Zoo 2 have: volunteers were asked other questions, about other images."""


class CutError(UserError):
    """A cut that there is not, or that a table does not have the columns for; the message says what there is."""


@dataclass(frozen=True)
class Cut:
    """A cut on the votes of one question: the fraction of ``answers`` together, and how many votes it needs."""

    name: str
    population: str
    """What the paper calls the galaxies that pass."""
    answers: tuple[str, ...]
    """Vote columns, all of one question."""
    votes: int
    """Votes that the question has to have."""
    above: float | None = None
    below: float | None = None
    after: tuple[str, ...] = ()
    """Names of the cuts on earlier questions that are assumed."""
    note: str = ""

    @property
    def question(self) -> Question:
        """The question it is about."""
        return next(q for q in GZD5.questions if self.answers[0] in q.columns)

    @property
    def words(self) -> str:
        """The condition as it is written: bar_strong + bar_weak > 0.6."""
        sign, limit = ("<", self.below) if self.above is None else (">", self.above)
        return f"{' + '.join(self.answers)} {sign} {limit:g}"

    def passes(self, table: pd.DataFrame) -> np.ndarray:
        """Return which rows pass this cut alone, bool (rows,); a question that nobody was asked never does."""
        total = table[self.question.total].to_numpy(dtype=float, na_value=np.nan)
        given = table[list(self.answers)].to_numpy(dtype=float, na_value=np.nan).sum(axis=1)
        # Whole votes are added first: (9 + 3) / 20 is 0.6, and 9 / 20 + 3 / 20 is more.
        with np.errstate(invalid="ignore", divide="ignore"):
            fraction = given / total
            inside = fraction > self.above if self.above is not None else fraction < self.below
            return np.asarray(inside & (total >= self.votes))


@cache
def load() -> dict[str, Cut]:
    """Return the cuts by name, in the order of the table."""
    stored = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    found = {}
    for name, facts in stored.items():
        facts |= {key: tuple(facts.get(key, ())) for key in ("answers", "after")}
        found[name] = Cut(name, **facts)
    return found


def table() -> pd.DataFrame:
    """Return the cuts as a table by name: population, cut, votes, after, note."""
    rows = {
        cut.name: {
            "population": cut.population,
            "cut": cut.words,
            "votes": cut.votes,
            "after": ", ".join(cut.after),
            "note": cut.note,
        }
        for cut in load().values()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("name")


def chain(names: tuple[str, ...]) -> list[Cut]:
    """Return the named cuts and those that they assume, each once and the assumed ones first; CutError for no name."""
    found: dict[str, Cut] = {}
    for name in names:
        cut = _named(name)
        found |= {earlier.name: earlier for earlier in chain(cut.after)} | {name: cut}
    return list(found.values())


def select(table: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Return the rows of a vote table that pass all named cuts and the cuts on earlier questions that they assume.

    The table has the columns of GZD-5 (``bar_total-votes``, ``bar_strong``), as ``catalogue`` returns them. Fractions
    are made of the votes. Raises CutError for an unknown name, which names near ones, and for a missing column.
    """
    if not isinstance(table, pd.DataFrame):
        raise CutError(
            f"select takes a table of votes as a DataFrame; this is of the type {type(table).__name__}: "
            'select(galaxy_zoo_decals.catalogue(...), "disk"). Tables of astropy and datasets have to_pandas().'
        )
    if table.columns.has_duplicates:
        twice = table.columns[table.columns.duplicated()][0]
        raise CutError(f"the table has several columns called {twice!r}; which one is meant?")
    if wrong := [name for name in names if not isinstance(name, str)]:
        raise CutError(
            f"a cut is given by its name; this one is of the type {type(wrong[0]).__name__}: "
            'select(table, "strong-bar", "spiral-arms").'
        )
    if not names:
        raise CutError(f"select needs the name of at least one cut: {', '.join(load())}.")
    if OTHER_TREE in table.columns:
        raise CutError(
            "these cuts are for the questions and images of Galaxy Zoo DECaLS 5, and this table has the questions of "
            "Galaxy Zoo 2. Cuts for it: Willett et al. 2013, MNRAS 435, 2835, table 3."
        )
    keep = np.ones(len(table), dtype=bool)
    for cut in chain(names):
        if missing := [c for c in (cut.question.total, *cut.answers) if c not in table.columns]:
            raise CutError(
                f"the cut {cut.name!r} needs the column {missing[0]!r}, which the table does not have. Votes are "
                'needed, not fractions alone: galaxy_zoo_decals.catalogue("gzd5") has both.'
            )
        keep &= cut.passes(table)
    return table[keep]


def _named(name: str) -> Cut:
    cuts = load()
    if name in cuts:
        return cuts[name]
    word = str(name).lower().strip().replace("_", "-").replace(" ", "-")
    near = [known for known in cuts if word and (word in known or known in word)]
    near += [known for known in difflib.get_close_matches(word, cuts, n=3) if known not in near]
    hint = f"Did you mean {' or '.join(map(repr, near[:3]))}? " if near else ""
    raise CutError(f"there is no cut {name!r}. {hint}There are {', '.join(cuts)}.")

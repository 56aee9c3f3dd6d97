"""The maintainers' results as a Markdown table: the README holds one, between two marks, and nobody types in it."""

from __future__ import annotations

import math
import re
import textwrap
from pathlib import Path

from galaxy_zoo_decals import atomic
from galaxy_zoo_decals.scoring import BOARDS, Result
from galaxy_zoo_decals.scoring.boards import Metric
from leaderboard.entry.truths import Key
from leaderboard.entry.versions import Frozen
from leaderboard.files import LeaderboardError, read_text
from leaderboard.ranking import board_table
from leaderboard.ranking.board_table import Row, Table
from leaderboard.ranking.entries import Entry
from leaderboard.render.real_votes import RealVotes

BEGIN, END = "<!-- results: written by `python -m leaderboard results` -->", "<!-- /results -->"

REFERENCES = ("noise ceiling", "10 volunteers", "class prior")
"""Rows that are no model's: they say what a score is worth."""


def markdown(
    entries: list[Entry], editions: dict[Key, Frozen], references: dict[Key, dict[str, dict[str, Result]]]
) -> str:
    """Return a table an edition: the official entries and the reference rows on all four boards.

    Editions without such an entry are left out. Letters are those of the official entries among themselves.
    """
    official = [e for e in entries if e.official and e.submission and e.submission.status == "active"]
    parts = []
    for key, frozen in editions.items():
        tables = [
            board_table.table(
                key,
                frozen.title,
                key[0],
                task,
                official,
                references.get(key, {}).get(task, {}),
                [],
                frozen.tree,
                frozen.terms.counted_votes,
            )
            for task in BOARDS
        ]
        present = {row.entry.slug: row.entry for table in tables for row in table.rows if row.entry}
        if not present:
            continue
        # Who stands on most boards comes first; within that the order is that of the boards.
        rows = {
            slug: [next((r for r in t.rows if r.entry and r.entry.slug == slug), None) for t in tables]
            for slug in present
        }
        head = [
            f"{t.board.title}: {t.primary.title}{'' if t.primary.higher_is_better else ' (lower is better)'}"
            for t in tables
        ]
        lines = [
            f"**{frozen.title}**, {frozen.galaxies:,} test galaxies:",
            "",
            f"| | {' | '.join(head)} |",
            f"|---|{'---|' * len(tables)}",
        ]
        for slug in sorted(rows, key=lambda slug: sum(row is None for row in rows[slug])):
            cells = [_cell(row, table) if row else "" for row, table in zip(rows[slug], tables)]
            lines.append(f"| {_plain(present[slug].title)} | {' | '.join(cells)} |")
        for reference in REFERENCES:
            found = [next((r.score for r in table.references if r.title == reference), None) for table in tables]
            if any(found):
                cells = [_number(score, table.primary) for score, table in zip(found, tables)]
                lines.append(f"| *{reference}* | {' | '.join(cells)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def of_real_votes(real: RealVotes) -> str:
    """Return what real votes said of the models and their ceiling, in one paragraph."""
    study = "[The study](docs/evidence/real-votes.md) has every model and question."
    return textwrap.fill(f"{real.finding()} {study}", 120, break_long_words=False)


def _plain(title: str) -> str:
    """Return a title that no Markdown is read in and that stays in its cell."""
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", title)


def _cell(row: Row, table: Table) -> str:
    value, low, high = row.score.metrics[table.primary.name]
    if not math.isfinite(value):
        return ""
    letters = f" {row.place.letters}" if row.place and len(table.rows) > 1 else ""
    ends = f"[{board_table.number(low, table.primary)}, {board_table.number(high, table.primary)}]"
    return f"{board_table.number(value, table.primary)} {ends}{letters}"


def _number(score: Result | None, metric: Metric) -> str:
    """Return a reference's score, nothing where it has none."""
    value = score.metrics[metric.name].value if score else math.nan
    return f"*{board_table.number(value, metric)}*" if math.isfinite(value) else ""


def write(path: Path, table: str) -> None:
    """Put the table between the marks of a file; raises LeaderboardError if they are not there once."""
    text = read_text(path)
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise LeaderboardError(f"{path}: the table belongs between one {BEGIN!r} and one {END!r}; put them there.")
    before, _, rest = text.partition(BEGIN)
    atomic.write_text(path, f"{before}{BEGIN}\n\n{table}\n\n{END}{rest.partition(END)[2]}")

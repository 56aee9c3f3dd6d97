"""What a score costs: entries of a board against training time and size, and the front that nobody is ahead of."""

from __future__ import annotations

import math
from dataclasses import dataclass

from markupsafe import Markup

from leaderboard.ranking import board_table
from leaderboard.ranking.board_table import Row, Table
from leaderboard.render import svg
from leaderboard.render.forest import forest
from leaderboard.render.svg import Dot

LONGEST_NAME = 40
"""Letters of an entry's name beside its mark."""


@dataclass(frozen=True)
class Chart:
    """Scores of a board against one cost; times are compared on one device only, so each has its mark and front."""

    title: str
    drawn: Markup
    groups: list[tuple[str, Markup]]
    front: set[str]
    """Slugs of the entries on a front."""


def charts(table: Table, root: str) -> list[Chart]:
    """Return the charts of a board: training time by device, and parameters; none where there is nothing to draw."""
    found = []
    for title, across in (
        ("Training time", "training time per run, seconds (log scale)"),
        ("Parameters", "parameters (log scale)"),
    ):
        scored = [r for r in table.rows if math.isfinite(r.score.metrics[table.primary.name].value)]
        placed = [(row, x, _device(row)) for row in scored if (x := _cost(row, title)) is not None]
        if not placed:
            continue
        timed = title == "Training time"
        names = sorted({group for _, _, group in placed}) if timed else ["all"]
        # Five devices and more share the marks of the last one: four shapes are all that can be told apart.
        index = {name: min(i, len(svg.MARKS) - 1) for i, name in enumerate(names)}
        dots = [(row, _dot(table, row, x, index[group] if timed else 0, root)) for row, x, group in placed]
        fronts, ahead = [], []
        for name in names:
            here = [(r, d) for (r, d), (_, _, group) in zip(dots, placed) if not timed or group == name]
            front = pareto(here, table.primary.higher_is_better)
            fronts.append([d for _, d in front])
            ahead += [r for r, _ in front]
        kept = {id(row) for row in ahead}
        drawn = svg.scatter(
            [d if id(row) in kept else Dot(d.x, d.y, d.title, d.href, "", d.group) for row, d in dots],
            fronts,
            [(n, v) for n, v in forest(table).lines if n != "class prior"],
            f"{table.primary.title} against {title.lower()} of {len(dots)} entries, {table.edition}",
            across,
            table.primary.higher_is_better,
        )
        legend = [(name, _key(index[name])) for name in names] if timed else []
        found.append(Chart(title, drawn, legend, {row.entry.slug for row in ahead if row.entry}))
    return found


def _cost(row: Row, title: str) -> float | None:
    run = row.seeds[0].run if row.seeds else None
    value = None if run is None else run.train_seconds if title == "Training time" else run.parameters
    return float(value) if value is not None and math.isfinite(value) and value > 0 else None


def _device(row: Row) -> str:
    return row.seeds[0].run.device


def _dot(table: Table, row: Row, x: float, group: int, root: str) -> Dot:
    value = row.score.metrics[table.primary.name].value
    text = f"{row.title}: {board_table.number(value, table.primary)}, {_device(row)}"
    short = row.title if len(row.title) <= LONGEST_NAME else f"{row.title[: LONGEST_NAME - 1].rstrip(' ,.;:-')}…"
    slug = row.entry.slug if row.entry else ""
    return Dot(x, value, text, f"{root}entries/{slug}.html", short, group)


def pareto(placed: list[tuple[Row, Dot]], higher: bool) -> list[tuple[Row, Dot]]:
    """Return what no other surpasses at lower or equal cost, the cheapest first."""
    sign = -1 if higher else 1
    front: list[tuple[Row, Dot]] = []
    for row, dot in sorted(placed, key=lambda p: (p[1].x, sign * p[1].y, p[0].title)):
        if not front or sign * dot.y < sign * front[-1][1].y:
            front.append((row, dot))
    return front


def _key(group: int) -> Markup:
    return Markup(
        f'<svg class="key g{group}" width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">'
        f"{svg.mark(group, 8, 8)}</svg>"
    )

"""How the templates see the data: the Jinja2 environment, its filters, and Markdown made harmless."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from galaxy_zoo_decals.scoring import BOARDS, Result, seed_spread
from galaxy_zoo_decals.scoring.boards import Board, Metric
from leaderboard.files import ROOT
from leaderboard.ranking import board_table, ties
from leaderboard.ranking.board_table import SEEDS
from leaderboard.ranking.entries import Trained
from leaderboard.render import columns, galaxy_bars, svg, verdicts
from leaderboard.render.forest import Forest, Scale, forest, forest_row

TEMPLATES = ROOT / "site" / "templates"

COMPACT_ROWS = 5
"""Rows of the compact boards on the first page."""

COMPACT_REFERENCES = ("noise ceiling", "10 volunteers", "class prior")
"""How the references begin that the compact boards show; the boards themselves show all."""

FOREST = 40
"""Rows of a board's forest plot."""

LONG = 25
"""Rows from which on a board's further tables are opened only on demand."""

PROPERTIES = {
    "redshift": "redshift",
    "petro_th50": "half-light radius, arcsec",
    "mag_r": "r magnitude",
    "volunteers": "number of volunteers",
}
"""Columns that scores are cut by, as a reader calls them."""


ABBREVIATIONS = {
    "f1": "F1",
    "nll": "NLL",
    "mae": "MAE",
    "lr": "learning rate",
    "ema_decay": "EMA decay",
    "n": "galaxies",
    "n_confident": "clear answers",
    "accuracy_confident": "accuracy, clear answers",
}
"""Columns and settings whose names are no words, or not a reader's."""

COUNTS = ("n", "positives", "n_confident")
"""Columns that count galaxies: they come first."""


def markdown(text: str) -> Markup:
    """Return Markdown as HTML: no raw HTML, no images (a request would leave), https links only, headings from h3."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).disable("image")
    parser.validateLink = lambda url: url.startswith("https://")  # type: ignore[method-assign]
    tokens = parser.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + 2, 6)}"
        for child in token.children or []:
            if child.type == "link_open":
                child.attrSet("rel", "nofollow noopener")
    return Markup(parser.renderer.render(tokens, parser.options, {}))


def environment() -> Environment:
    """Return the environment: everything is escaped, and an undefined name is an error."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        "number": board_table.number,
        "interval_words": board_table.interval_words,
        "count": lambda value: f"{value:,}".replace(",", "\u202f"),
        "percent": lambda value: f"{100 * value:.0f}",
        "duration": columns.duration,
        "size": columns.size,
        "cell": _cell,
        "ends": _ends,
        "markdown": markdown,
        "setting": _setting,
        "signed": _signed,
        "plain_columns": _plain_columns,
        "confusions": _confusions,
        "words": galaxy_bars.words,
        "title_words": lambda name: ABBREVIATIONS.get(name, str(name).replace("_", " ")),
    }
    made.globals |= {
        "share": ties.share,
        "brief": ties.brief,
        "BOARDS": BOARDS,
        "COMPACT_ROWS": COMPACT_ROWS,
        "landmarks": _landmarks,
        "FOREST": FOREST,
        "LONG": LONG,
        "options": _options,
        "SEEDS": SEEDS,
        "isfinite": math.isfinite,
        "PROPERTIES": PROPERTIES,
        "HEADINGS": verdicts.HEADINGS,
        "reliability": svg.reliability,
        "risk": svg.risk,
        "columns": columns.columns,
        "cells": columns.cells,
        "spread": _spread,
        "forest": forest,
        "forest_row": forest_row,
        "strata": _strata,
        "recovery": _recovery,
        "zip": zip,
    }
    return made


def _spread(seeds: list[Trained], board: str, metric: str) -> float:
    return seed_spread([t.scores[board] for t in seeds], metric)


def _options(table: board_table.Table, key: str) -> list[str]:
    """Return what the entries of a board can be filtered by, of the column with that key."""
    return sorted({columns.cells(table, row)[key].text for row in table.rows})


def _landmarks(references: list[board_table.Row]) -> list[board_table.Row]:
    return [row for row in references if row.title.startswith(COMPACT_REFERENCES)]


@dataclass(frozen=True)
class Stratum:
    """A quarter of the test galaxies by one property: its range, how many there are, the score and its chart."""

    low: float
    high: float
    n: int
    value: float
    chart: Markup
    axis: Markup


def _strata(score: Result, metric: Metric) -> dict[str, list[Stratum]]:
    """Return the quarters of redshift, size, magnitude and votes with a chart each, on one axis, by property."""
    rows = score.curves.get("strata", [])
    reached = [row[k] for row in rows for k in ("value", "value_low", "value_high")]
    forest = Forest(Scale.over(reached, metric.low, metric.high), [])
    found: dict[str, list[Stratum]] = {}
    for row in rows:
        value, low, high = row["value"], row["value_low"], row["value_high"]
        ends = f"{board_table.number(low, metric)} to {board_table.number(high, metric)}"
        chart = forest.row(value, low, high, f"{board_table.number(value, metric)}, 95 % interval {ends}")
        quarter = Stratum(row["low"], row["high"], row["n"], value, chart, forest.axis())
        found.setdefault(row["property"], []).append(quarter)
    order = list(PROPERTIES)
    return dict(sorted(found.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order)))


@dataclass(frozen=True)
class Recovery:
    """What share each class (label, answer) has in the quarters of one property; charts are for classes alone."""

    by: str
    rows: list[dict[str, Any]]
    charts: list[tuple[str, Markup]]

    @property
    def quarters(self) -> list[tuple[float, float]]:
        """The ends of the quarters, in order."""
        return sorted({(row["low"], row["high"]) for row in self.rows})

    @property
    def table(self) -> dict[str, dict[tuple[float, float], dict[str, Any]]]:
        """What was found of each class (label, answer) in each quarter."""
        found: dict[str, dict[tuple[float, float], dict[str, Any]]] = {}
        for row in self.rows:
            found.setdefault(row["name"], {})[row["low"], row["high"]] = row
        return found


def _recovery(score: Result, board: Board) -> list[Recovery]:
    """Return the recovered shares of a score by property."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in score.curves.get("recovery", []):
        found.setdefault(row["property"], []).append(row)
    return [
        Recovery(name, rows, svg.recovered(rows, f"Shares of classes by {PROPERTIES.get(name, name)}")
                 if board.task == "multiclass" else [])
        for name, rows in found.items()
    ]  # fmt: skip


def _ends(interval: tuple[float, float, float], metric: Metric) -> str:
    """Return the ends of an interval as text, empty where it is undefined."""
    _, low, high = interval
    known = math.isfinite(low) and math.isfinite(high)
    return f"{board_table.number(low, metric)}–{board_table.number(high, metric)}" if known else ""


def _plain_columns(row: dict[str, Any]) -> list[str]:
    """Return the columns of a table by class or question that hold values, not names or ends of intervals."""
    found = [c for c in row if c not in ("name", "counted") and not c.endswith(("_low", "_high"))]
    return sorted(found, key=lambda c: COUNTS.index(c) if c in COUNTS else len(COUNTS))


def _confusions(score: Result) -> dict[str, Any]:
    """Return the confusion matrices in the order of the table by label or question."""
    order = [row["name"] for row in score.rows]
    found = score.confusions.items()
    return dict(sorted(found, key=lambda item: order.index(item[0]) if item[0] in order else len(order)))


def _setting(value: Any) -> str:
    """Return a setting of a recipe as text."""
    if isinstance(value, list):
        return ", ".join(_setting(v) for v in value) or "none"
    if value is None or isinstance(value, bool):
        return {None: "–", True: "yes", False: "no"}[value]
    return str(value)


def _signed(value: float, metric: Metric, digits: int | None = None) -> str:
    """Return a difference with its sign; a dash where it is undefined."""
    if not math.isfinite(value):
        return "–"
    text = format(abs(value), metric.format if digits is None else f".{digits}f")
    return text if float(text) == 0 else f"{'−' if value < 0 else '+'}{text}"


def _cell(value: Any) -> str:
    """Return a value of a per-class table as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}" if math.isfinite(value) else "–"
    return f"{value:,}".replace(",", "\u202f") if isinstance(value, int) else str(value)

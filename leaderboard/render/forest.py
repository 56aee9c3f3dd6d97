"""The chart of a board: every score with its interval as one line of the page, on one axis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup, escape

from leaderboard.ranking.board_table import Row, Table, interval_words


def steps(low: float, high: float, most: int = 4) -> list[float]:
    """Return round numbers that span low..high, at most ``most`` + 1 of them: 1, 2 or 5 times a power of ten apart."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return [0.0, 1.0]
    if high <= low:
        low, high = low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)
    raw = (high - low) / most
    power = 10 ** math.floor(math.log10(raw))
    for factor in (1, 2, 5, 10, 20):
        step = factor * power
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        if last - first <= most:
            break
    return [round(i * step, 10) for i in range(first, last + 1)]


LETTER = 6
"""About the width of a letter in px."""


@dataclass(frozen=True)
class Scale:
    """A horizontal axis from ``low`` to ``high`` for interval charts, shared by all rows of a table.

    It ends where the data do, so that intervals are as wide as they can be; ``ticks`` are round numbers inside, as many
    as stand apart on ``width`` px.
    """

    low: float
    high: float
    ticks: list[float]
    width: int = 164
    margin: int = 8

    @classmethod
    def over(cls, values: list[float], low: float | None, high: float | None) -> Scale:
        """Return an axis over the finite values that does not leave the metric's own bounds."""
        known = [v for v in values if math.isfinite(v)]
        if not known:
            return cls(0.0, 1.0, [0.0, 1.0])
        first, last = min(known), max(known)
        room = 0.04 * (last - first) or 0.1 * (abs(first) or 1)
        first = first - room if low is None else max(first - room, low)
        last = last + room if high is None else min(last + room, high)
        made = cls(first, last, [first, last])
        for most in (5, 4, 3, 2, 6, 8):
            ticks = [t for t in steps(first, last, most) if first <= t <= last]
            places = [made.x(t) for t in ticks]
            wide = LETTER * max((len(f"{t:g}") for t in ticks), default=0) + 4
            if len(ticks) > 1 and all(b - a >= wide for a, b in pairwise(places)):
                break
        return cls(first, last, ticks)

    def share(self, value: float) -> float:
        """Return where a value lies between the ends, 0 to 1; one outside is held at its end."""
        return min(max((value - self.low) / (self.high - self.low), 0), 1)

    def x(self, value: float) -> float:
        """Return where a value lies, in px."""
        return round(self.margin + self.share(value) * (self.width - 2 * self.margin), 1)


@dataclass(frozen=True)
class Forest:
    """A chart of intervals whose rows are lines of the page: all places are percentages, so it fits any width."""

    scale: Scale
    lines: list[tuple[str, float]]
    """References that are drawn through all rows: name and score."""

    def at(self, value: float) -> str:
        """Return where a value lies, in percent, held inside the chart."""
        return f"{2 + 96 * self.scale.share(value):.2f}"

    def axis(self) -> Markup:
        """Return the numbers of the axis."""
        spans = "".join(f'<text x="{self.at(t)}%" y="11" text-anchor="middle">{t:g}</text>' for t in self.scale.ticks)
        return Markup(f'<svg class="forest-axis" width="100%" height="14" aria-hidden="true">{spans}</svg>')

    def row(self, value: float, low: float, high: float, words: str, kind: str = "entry") -> Markup:
        """Return one row: the value as a dot, its interval as a line; ``words`` say the same."""
        if not math.isfinite(value):
            return Markup('<span class="none">not defined</span>')
        return self._drawn(low, high, words, kind, f'<circle class="dot" cx="{self.at(value)}%" cy="50%" r="5"/>')

    def _drawn(self, low: float, high: float, words: str, kind: str, dot: str) -> Markup:
        drawn = [
            f'<line class="tick" x1="{self.at(t)}%" x2="{self.at(t)}%" y1="0" y2="100%"/>' for t in self.scale.ticks
        ]
        drawn += [
            f'<line class="reference" x1="{self.at(v)}%" x2="{self.at(v)}%" y1="0" y2="100%"/>' for _, v in self.lines
        ]
        if math.isfinite(low) and math.isfinite(high):
            drawn.append(f'<line class="bar" x1="{self.at(low)}%" x2="{self.at(high)}%" y1="50%" y2="50%"/>')
        return Markup(
            f'<svg class="forest {escape(kind)}" role="img" aria-label="{escape(words)}">{"".join(drawn)}{dot}</svg>'
        )


def forest(table: Table) -> Forest:
    """Return the chart of all rows of a board, with class prior and noise ceiling drawn through them."""
    found = [(name, table.reference(name)) for name in ("class prior", "noise ceiling")]
    scale = Scale.over(table.ends, table.primary.low, table.primary.high)
    return Forest(scale, [(name, value) for name, value in found if value is not None])


def forest_row(table: Table, row: Row) -> Markup:
    """Return the chart of one row on that axis; what has no place is drawn as a reference."""
    kind = "reference" if row.place is None else "entry"
    words = interval_words(row.score, table.primary)
    return forest(table).row(*row.score.metrics[table.primary.name], words, kind)

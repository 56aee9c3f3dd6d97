"""Charts as inline SVG: drawn by hand so that they follow the page's theme and have the same bytes everywhere."""

from __future__ import annotations

import math
from dataclasses import dataclass

from markupsafe import Markup, escape

from leaderboard.runs import Curve


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


@dataclass(frozen=True)
class Scale:
    """A horizontal axis of ``width`` px for interval charts, shared by all rows of a table."""

    ticks: list[float]
    width: int = 150
    margin: int = 14

    @classmethod
    def over(cls, values: list[float], low: float | None, high: float | None) -> Scale:
        """Return an axis over the finite values that does not leave the metric's own bounds."""
        known = [v for v in values if math.isfinite(v)]
        ticks = steps(min(known), max(known)) if known else [0.0, 1.0]
        inside = [t for t in ticks if (low is None or t >= low) and (high is None or t <= high)]
        return cls(inside if len(inside) > 1 else ticks)

    def x(self, value: float) -> float:
        """Return where a value lies, in px, held inside the chart."""
        low, high = self.ticks[0], self.ticks[-1]
        share = min(max((value - low) / (high - low), 0), 1)
        return round(self.margin + share * (self.width - 2 * self.margin), 1)

    def axis(self) -> Markup:
        """Return the axis for the table's head."""
        labels = "".join(f'<text x="{self.x(t)}" y="11" text-anchor="middle">{t:g}</text>' for t in self.ticks)
        return Markup(
            f'<svg class="axis" width="{self.width}" height="14" viewBox="0 0 {self.width} 14" aria-hidden="true">'
            f"{labels}</svg>"
        )

    def interval(self, value: float, low: float, high: float, words: str, kind: str = "entry") -> Markup:
        """Return a row's chart: the value as a dot, its 95 % interval as a bar; ``words`` say the same."""
        if not math.isfinite(value):
            return Markup('<span class="none">not defined</span>')
        lines = "".join(f'<line class="tick" x1="{self.x(t)}" x2="{self.x(t)}" y1="0" y2="22"/>' for t in self.ticks)
        bar = ""
        if math.isfinite(low) and math.isfinite(high):
            left, right = self.x(low), self.x(high)
            bar = f'<rect class="bar" x="{left}" y="8" width="{max(right - left, 1):.1f}" height="6" rx="3"/>'
        return Markup(
            f'<svg class="interval {escape(kind)}" width="{self.width}" height="22" '
            f'viewBox="0 0 {self.width} 22" role="img" aria-label="{escape(words)}">{lines}{bar}'
            f'<circle class="dot" cx="{self.x(value)}" cy="11" r="4"/></svg>'
        )


WIDTH, HEIGHT = 340, 210
LEFT, RIGHT, TOP, BOTTOM = 44, 10, 12, 30


def learning(curves: list[tuple[int, Curve]], words: str) -> Markup:
    """Return the losses of one network by epoch, one pair of lines a (seed, curve); ``words`` describe the chart.

    Training is dashed, validation solid with a dot at the best epoch.
    """
    points = [(p.epoch, loss) for _, c in curves for p in c.points for loss in (p.train_loss, p.validation_loss)]
    known = [(e, v) for e, v in points if v is not None and math.isfinite(v)]
    if not known:
        return Markup('<p class="none">No losses were recorded.</p>')
    xs = _whole(min(e for e, _ in known), max(e for e, _ in known))
    ys = steps(min(v for _, v in known), max(v for _, v in known))

    def place(epoch: float, loss: float) -> str:
        x = LEFT + (epoch - xs[0]) / ((xs[-1] - xs[0]) or 1) * (WIDTH - LEFT - RIGHT)
        y = HEIGHT - BOTTOM - (loss - ys[0]) / (ys[-1] - ys[0]) * (HEIGHT - TOP - BOTTOM)
        return f"{x:.1f},{y:.1f}"

    def spot(epoch: float, loss: float) -> tuple[str, str]:
        x, y = place(epoch, loss).split(",")
        return x, y

    drawn = []
    for t in ys:
        _, y = spot(xs[0], t)
        drawn.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        drawn.append(f'<text x="{LEFT - 6}" y="{float(y) + 4:.1f}" text-anchor="end">{t:g}</text>')
    for t in xs:
        x, _ = spot(t, ys[0])
        drawn.append(f'<text x="{x}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{t:g}</text>')
    drawn.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 2}" text-anchor="end">epoch</text>')
    for _, curve in curves:
        for name in ("train_loss", "validation_loss"):
            line = [(p.epoch, getattr(p, name)) for p in curve.points]
            known = [(e, v) for e, v in line if v is not None and math.isfinite(v)]
            if len(known) > 1:
                drawn.append(f'<polyline class="{name}" points="{" ".join(place(e, v) for e, v in known)}"/>')
            for e, v in known:
                if len(known) == 1 or (name == "validation_loss" and e == curve.best_epoch):
                    x, y = spot(e, v)
                    drawn.append(f'<circle class="{name}" cx="{x}" cy="{y}" r="3.5"/>')
    return Markup(
        f'<svg class="learning" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(words)}">'
        f"{''.join(drawn)}</svg>"
    )


SIDE = 260
"""Side of a reliability diagram's square."""


def reliability(rows: list[dict[str, float]], words: str) -> Markup:
    """Return a reliability diagram: accuracy (with its standard error) against confidence, and the diagonal."""

    def x(value: float) -> str:
        return f"{LEFT + value * SIDE:.1f}"

    def y(value: float) -> str:
        return f"{TOP + (1 - value) * SIDE:.1f}"

    drawn = []
    for t in (0, 0.2, 0.4, 0.6, 0.8, 1):
        drawn.append(f'<line class="grid" x1="{x(0)}" x2="{x(1)}" y1="{y(t)}" y2="{y(t)}"/>')
        drawn.append(f'<text x="{LEFT - 6}" y="{float(y(t)) + 4:.1f}" text-anchor="end">{t:g}</text>')
        drawn.append(f'<text x="{x(t)}" y="{TOP + SIDE + 16}" text-anchor="middle">{t:g}</text>')
    drawn.append(f'<line class="diagonal" x1="{x(0)}" y1="{y(0)}" x2="{x(1)}" y2="{y(1)}"/>')
    for row in rows:
        at, value, error = x(row["confidence"]), row["accuracy"], row["error"]
        low, high = max(value - error, 0), min(value + error, 1)
        drawn.append(f'<line class="error" x1="{at}" x2="{at}" y1="{y(low)}" y2="{y(high)}"/>')
        drawn.append(f'<circle class="validation_loss" cx="{at}" cy="{y(value)}" r="4"/>')
    drawn.append(f'<text x="{x(1)}" y="{TOP + SIDE + 32}" text-anchor="end">mean confidence</text>')
    drawn.append(f'<text x="{x(0.02)}" y="{TOP + 12}" text-anchor="start">accuracy</text>')
    width, height = LEFT + SIDE + 16, TOP + SIDE + 38
    return Markup(
        f'<svg class="learning square" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(words)}">'
        f"{''.join(drawn)}</svg>"
    )


def _whole(low: float, high: float) -> list[float]:
    """Return whole epochs to label, the first and last among them."""
    if high - low <= 1:
        return [low, high] if high > low else [low]
    step = max(1, round((high - low) / 5))
    ticks = [low + i * step for i in range(int((high - low) // step) + 1)]
    return [*ticks[:-1], high] if high - ticks[-1] < step / 2 else [*ticks, high]

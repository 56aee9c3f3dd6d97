"""Charts as inline SVG: drawn by hand so that they follow the page's theme and have the same bytes everywhere."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from leaderboard.entry.run_json import Curve
from leaderboard.render.forest import LETTER, steps

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


@dataclass(frozen=True)
class Axes:
    """Two axes on a canvas of ``width`` x ``height`` px; ``log`` is for the horizontal one."""

    xs: list[float]
    ys: list[float]
    width: int = 560
    height: int = 330
    log: bool = False

    @classmethod
    def over(cls, xs: list[float], ys: list[float], log: bool = False, width: int = 560, height: int = 330) -> Axes:
        """Return axes with round numbers that span the points; a log axis has powers of ten, or 1, 2 and 5 of them."""
        return cls(decades(min(xs), max(xs)) if log else steps(min(xs), max(xs)), steps(*_ends(ys)), width, height, log)

    def x(self, value: float) -> float:
        """Return where a value lies from the left, in px."""
        low, high, at = self.xs[0], self.xs[-1], value
        if self.log:
            low, high, at = math.log(low), math.log(high), math.log(value)
        return round(LEFT + (at - low) / (high - low) * (self.width - LEFT - RIGHT - 8), 1)

    def y(self, value: float) -> float:
        """Return where a value lies from the top, in px."""
        low, high = self.ys[0], self.ys[-1]
        return round(self.height - BOTTOM - 8 - (value - low) / (high - low) * (self.height - TOP - BOTTOM - 8), 1)

    def draw(self, inside: str, words: str, across: str, up: str, kind: str = "plot") -> Markup:
        """Return the chart: grid, labels, titles of both axes, and what is drawn inside them (safe SVG).

        A chart with links inside is a group to a screen reader, any other an image.
        """
        role = "group" if "<a " in inside else "img"
        right, bottom = self.width - RIGHT - 8, self.height - BOTTOM - 8
        drawn = []
        for t in self.ys:
            y = self.y(t)
            drawn.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y}" y2="{y}"/>')
            drawn.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{t:g}</text>')
        for t in self.xs:
            x = self.x(t)
            drawn.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP}" y2="{bottom}"/>')
            drawn.append(f'<text x="{x}" y="{bottom + 16}" text-anchor="middle">{_short(t)}</text>')
        drawn.append(f'<text x="{right}" y="{self.height - 4}" text-anchor="end">{escape(across)}</text>')
        if up:
            drawn.append(f'<text x="{LEFT + 4}" y="{TOP + 11}">{escape(up)}</text>')
        return Markup(
            f'<svg class="{escape(kind)}" viewBox="0 0 {self.width} {self.height}" role="{role}" '
            f'aria-label="{escape(words)}">{"".join(drawn)}{inside}</svg>'
        )


def _ends(values: list[float]) -> tuple[float, float]:
    known = [v for v in values if math.isfinite(v)]
    return (min(known), max(known)) if known else (0.0, 1.0)


def decades(low: float, high: float) -> list[float]:
    """Return ticks of a logarithmic axis that span low..high (both positive)."""
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    last = max(last, first + 1)
    if last - first <= 2:
        fine = [f * 10.0**e for e in range(first, last + 1) for f in (1, 2, 5)]
        start = max(i for i, t in enumerate(fine) if t <= low * (1 + 1e-9))
        end = min(i for i, t in enumerate(fine) if t >= high * (1 - 1e-9))
        return [float(f"{t:.6g}") for t in fine[start : max(end, start + 1) + 1]]
    return [10.0**e for e in range(first, last + 1, 1 + (last - first) // 7)]


def _short(value: float) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:g} {unit}"
    return f"{value:g}"


@dataclass(frozen=True)
class Dot:
    """A point of a scatter plot; ``label`` is written beside it, ``href`` where it leads."""

    x: float
    y: float
    title: str
    href: str
    label: str = ""
    group: int = 0


MARKS = (
    '<circle cx="{x}" cy="{y}" r="5"/>',
    '<rect x="{l}" y="{t}" width="9" height="9"/>',
    '<path d="M{x} {t}l6 10h-12z"/>',
    '<path d="M{x} {t}l5.500 5.500-5.500 5.500-5.500-5.500z"/>',
)
"""Marks of groups: told apart by shape, not by colour alone."""


def mark(group: int, x: float, y: float) -> str:
    """Return the mark of a group at a place."""
    return MARKS[group % len(MARKS)].format(x=x, y=y, l=round(x - 4.5, 1), t=round(y - 5.5, 1))


def scatter(
    dots: list[Dot], fronts: list[list[Dot]], lines: list[tuple[str, float]], words: str, across: str, rising: bool
) -> Markup:
    """Return scores against a cost on a logarithmic axis, the front of each group as a line.

    ``lines`` are scores of references, drawn across, a band where one has several. ``rising``: fronts climb to the
    right, since higher is better; the names of their points stand on the sides that the line leaves free.
    """
    axes = Axes.over([d.x for d in dots], [d.y for d in dots] + [v for _, v in lines], log=True)
    drawn: list[str] = []
    labels: list[str] = []
    # What names must keep clear of: (left, right, baseline) of other names, and the marks.
    taken = [(axes.x(d.x) - 6, axes.x(d.x) + 6, axes.y(d.y) + 4) for d in dots]
    right = axes.width - RIGHT - 8
    for name in dict.fromkeys(name for name, _ in lines):
        ys = sorted(axes.y(value) for own, value in lines if own == name)
        taken.append((LEFT, LEFT + LETTER * len(name) + 4, ys[-1] + 13))
        if len(ys) > 1:
            drawn.append(
                f'<rect class="band" x="{LEFT}" y="{ys[0]}" width="{right - LEFT}" height="{ys[-1] - ys[0]:.1f}"/>'
            )
        drawn += [f'<line class="reference" x1="{LEFT}" x2="{right}" y1="{y}" y2="{y}"/>' for y in ys]
        labels.append(f'<text class="line" x="{LEFT + 4}" y="{ys[-1] + 13:.1f}">{escape(name)}</text>')
    for front in fronts:
        if len(front) > 1:
            drawn.append(
                f'<polyline class="front" points="{" ".join(f"{axes.x(d.x)},{axes.y(d.y)}" for d in front)}"/>'
            )
    for d in dots:
        x, y = axes.x(d.x), axes.y(d.y)
        drawn.append(
            f'<a href="{escape(d.href)}" class="g{d.group % len(MARKS)}"><title>{escape(d.title)}</title>'
            f"{mark(d.group, x, y)}</a>"
        )
        for left in (x > axes.width * 0.55, x <= axes.width * 0.55) if d.label else ():
            place = y - 8 if left == rising else y + 16
            start = x - LETTER * len(d.label) - 7 if left else x + 7
            end = start + LETTER * len(d.label)
            fits = start > LEFT and end < axes.width and place < axes.height - BOTTOM - 10
            if fits and all(abs(place - v) > 13 or start > w or end < u for u, w, v in taken):
                taken.append((start, end, place))
                labels.append(
                    f'<text class="label" x="{x - 7 if left else x + 7:.1f}" y="{place:.1f}" '
                    f'text-anchor="{"end" if left else "start"}">{escape(d.label)}</text>'
                )
                break
    return axes.draw("".join(drawn + labels), words, across, "", "plot scatter")


def risk(rows: list[dict[str, float]], words: str) -> Markup:
    """Return accuracy against the share of galaxies that the model answers, one dot a threshold."""
    known = [r for r in rows if math.isfinite(r["accuracy"]) and r["coverage"] > 0]
    if not known:
        return Markup('<p class="none">The model is never confident enough to answer.</p>')
    low = min(r["accuracy"] for r in known)
    axes = Axes([0, 0.2, 0.4, 0.6, 0.8, 1.0], steps(low, 1.0), 340, 280)
    places = [(axes.x(r["coverage"]), axes.y(r["accuracy"])) for r in known]
    line = f'<polyline class="front" points="{" ".join(f"{x},{y}" for x, y in places)}"/>'
    dots = "".join(f'<circle class="validation_loss" cx="{x}" cy="{y}" r="4"/>' for x, y in places)
    return axes.draw(line + dots, words, "share of galaxies answered", "", "plot square")


def recovered(rows: list[dict[str, Any]], words: str) -> list[tuple[str, Markup]]:
    """Return a small chart a class of its share over the quarters of one property.

    Predicted shares are solid with dots, the true ones dashed; the bars are 95 % intervals of the difference, drawn
    about the true share. ``words`` say what all of them show.
    """
    found = []
    true = "volunteers" if all("volunteers" in row for row in rows) else "truth"
    for name in dict.fromkeys(row["name"] for row in rows):
        own = sorted((row for row in rows if row["name"] == name), key=lambda row: (row["low"], row["high"]))
        ends = [(r[true] + r["difference_low"], r[true] + r["difference_high"]) for r in own]
        reached = [v for r, e in zip(own, ends) for v in (r[true], r["predicted"], *e) if math.isfinite(v)]
        across = steps(own[0]["low"], own[-1]["high"], 3)
        axes = Axes(across, steps(0.0, max([*reached, 0.01]), 3), 260, 150)
        middles = [axes.x((row["low"] + row["high"]) / 2) for row in own]
        drawn = []
        for x, (low, high) in zip(middles, ends):
            if math.isfinite(low) and math.isfinite(high):
                top, bottom = axes.y(max(high, 0)), axes.y(max(low, 0))
                drawn.append(f'<line class="error" x1="{x}" x2="{x}" y1="{top}" y2="{bottom}"/>')
        for key, kind in ((true, "train_loss"), ("predicted", "validation_loss")):
            places = [(x, axes.y(row[key])) for x, row in zip(middles, own) if math.isfinite(row[key])]
            drawn.append(f'<polyline class="{kind}" points="{" ".join(f"{x},{y}" for x, y in places)}"/>')
            if key == "predicted":
                drawn += [f'<circle class="{kind}" cx="{x}" cy="{y}" r="3"/>' for x, y in places]
        found.append((name, axes.draw("".join(drawn), f"{words}: {name}", "", "", "plot learning")))
    return found


def histogram(counts: list[int], words: str, width: int = 150, height: int = 44) -> Markup:
    """Return bars of equal width without axes, the highest as high as the chart."""
    most, step = max(counts) or 1, width / len(counts)
    bars = "".join(
        f'<rect x="{i * step + 0.5:.1f}" y="{height - c / most * height:.1f}" width="{step - 1:.1f}" '
        f'height="{c / most * height:.1f}"/>'
        for i, c in enumerate(counts)
        if c
    )
    return Markup(
        f'<svg class="histogram" viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(words)}">'
        f'<line class="grid" x1="0" x2="{width}" y1="{height}" y2="{height}"/>{bars}</svg>'
    )


def sky(marked: list[tuple[float, float]], others: list[tuple[float, float]], words: str) -> Markup:
    """Return a map of the whole sky (Mollweide, right ascension to the left) with some positions marked.

    Positions are (ra, dec) in degrees.
    """

    def path(places: list[tuple[float, float]]) -> str:
        return "".join(f"M{x} {y}h0" for x, y in dict.fromkeys(mollweide(ra, dec) for ra, dec in places))

    grid = []
    for dec in (-60, -30, 0, 30, 60):
        (x1, y), (x2, _) = mollweide(180 - 1e-6, dec), mollweide(180 + 1e-6, dec)
        grid.append(f'<line class="grid" x1="{x1}" x2="{x2}" y1="{y}" y2="{y}"/>')
    for ra in (60, 120, 240, 300, 0):
        line = " ".join("{},{}".format(*mollweide(ra, dec)) for dec in range(-90, 91, 10))
        grid.append(f'<polyline class="grid" points="{line}"/>')
    for ra in (0, 60, 120, 240, 300):
        x, y = mollweide(ra, -38)
        grid.append(f'<text x="{x}" y="{y}" text-anchor="middle">{ra}°</text>')
    return Markup(
        f'<svg class="sky" viewBox="0 0 400 200" role="img" aria-label="{escape(words)}">'
        f'<ellipse class="edge" cx="200" cy="100" rx="199" ry="99.500"/>{"".join(grid)}'
        f'<path class="others" d="{path(others)}"/><path class="marked" d="{path(marked)}"/></svg>'
    )


def mollweide(ra: float, dec: float) -> tuple[float, float]:
    """Return a position in degrees on a map of 400 x 200 px, ra = 0 in the middle and growing to the left."""
    longitude = -math.radians((ra + 180) % 360 - 180)
    latitude = math.radians(dec)
    theta = latitude
    for _ in range(50):
        if abs(latitude) > math.pi / 2 - 1e-6:
            theta = math.copysign(math.pi / 2, latitude)
            break
        change = (2 * theta + math.sin(2 * theta) - math.pi * math.sin(latitude)) / (2 + 2 * math.cos(2 * theta))
        theta -= change
        if abs(change) < 1e-7:
            break
    x = 200 + 199 * longitude / math.pi * math.cos(theta)
    return round(x, 1), round(100 - 99.5 * math.sin(theta), 1)

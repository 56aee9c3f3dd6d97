"""The report of a check as data and as Markdown: where new entries would stand, and what a person should look at.

A job of main makes it and a bot posts it, and most of its words are a stranger's: every text is bounded and escaped.
"""

from __future__ import annotations

import math
import re
from typing import Annotated

import numpy as np
from pydantic import Field, StringConstraints

from galaxy_zoo_decals.scoring import BOARDS, Result, seed_spread
from galaxy_zoo_decals.scoring.boards import Metric
from leaderboard.entry import versions
from leaderboard.entry.run_json import Task
from leaderboard.entry.strict import Strict
from leaderboard.entry.truths import Key
from leaderboard.files import visible
from leaderboard.ranking import ties
from leaderboard.ranking.board_table import scored
from leaderboard.ranking.entries import Entry

LONGEST = 600
MOST = 50
MOST_COMPARED = 8
"""Entries that a new one is compared with: its neighbours in the order of the board."""

LONGEST_REPORT = 60_000
"""Characters; a comment on a pull request may have 65,536."""

Text = Annotated[str, StringConstraints(max_length=LONGEST)]
Real = Annotated[float, Field(allow_inf_nan=False)] | None


class Difference(Strict):
    """The new entry's score less that of another, with the 95 % interval where the two are paired."""

    name: Text
    value: Real
    difference: Real
    low: Real = None
    high: Real = None


class Standing(Strict):
    """Where an entry stands on one board: its score, its rank interval among the entries, and the differences."""

    edition: Text
    board: Task
    seeds: int
    value: Real
    low: Real
    high: Real
    spread: Real
    first: int
    last: int
    of: int
    smallest: Real
    counted_votes: bool = Field(default=True, description="whether the truth is votes of volunteers")
    entries: list[Difference] = Field(max_length=MOST)
    references: list[Difference] = Field(max_length=MOST)


class Checked(Strict):
    """What the check said of one submission, and where it stands."""

    slug: Text
    title: Text
    files: int
    rescored: int
    faults: list[Text] = Field(max_length=MOST)
    notes: list[Text] = Field(max_length=MOST)
    flags: list[Text] = Field(max_length=MOST)
    standings: list[Standing] = Field(max_length=MOST)


class Report(Strict):
    """A whole check; ``faults`` are those of the pull request itself."""

    faults: list[Text] = Field(max_length=MOST)
    submissions: list[Checked] = Field(max_length=MOST)

    @property
    def good(self) -> bool:
        """Whether nothing was found wrong."""
        return not self.faults and not any(s.faults for s in self.submissions)


def bounded(texts: list[str]) -> list[str]:
    """Return texts for a report: each one line of bounded length, and the first ones if there are many."""
    shown = [visible(text, LONGEST) for text in texts[: MOST - 1]]
    return shown + ([f"and {len(texts) - MOST + 1} more."] if len(texts) >= MOST else [])


def standings(
    entry: Entry, entries: list[Entry], references: dict[Key, dict[str, dict[str, Result]]]
) -> list[Standing]:
    """Return where an entry stands among all others, board by board."""
    found = []
    for key in entry.editions:
        for task in BOARDS:
            if entry.ranked(key, task) is not None:
                found.append(_standing(entry, entries, key, task, references.get(key, {}).get(task, {})))
    return found


def _standing(entry: Entry, entries: list[Entry], key: Key, task: str, references: dict[str, Result]) -> Standing:
    metric = BOARDS[task].metrics[BOARDS[task].primary]
    active = [e for e in entries if e.slug != entry.slug and e.submission and e.submission.status == "active"]
    others = [(e, s) for e in active if (s := e.ranked(key, task)) is not None]
    mine = entry.score(key, task)
    assert mine is not None
    rows = [(entry, mine), *others]
    every = [scored(key, BOARDS[task], e) for e, _ in rows]
    draws = [np.asarray(one.draws, float) for one in every]
    ranked = ties.rank(every, metric.higher_is_better)
    value, low, high = mine.metrics[metric.name]
    spread = [one.training / len(one.seeds) for one in every]
    compared = [
        _difference(e.title, value, s.metrics[metric.name].value, draws[0] - d, spread[0] + spread[i])
        for i, ((e, s), d) in enumerate(zip(others, draws[1:]), start=1)
    ]
    compared.sort(key=lambda d: abs(d.difference) if d.difference is not None else math.inf)
    below = [
        _difference(name, value, s.metrics[metric.name].value, _paired(draws[0], s.draws.get(metric.name)), spread[0])
        for name, s in references.items()
        if metric.name in s.metrics
    ]
    sign = -1 if metric.higher_is_better else 1
    below.sort(key=lambda d: sign * d.value if d.value is not None else math.inf)
    return Standing(
        edition=visible(entry.editions[key].name, 100), board=BOARDS[task].task, seeds=len(every[0].seeds),
        value=_real(value), low=_real(low), high=_real(high),
        spread=_real(seed_spread([t.scores[task] for t in entry.seeds(key, task)], metric.name)),
        first=ranked.places[0].first, last=ranked.places[0].last, of=len(rows), smallest=_real(ranked.smallest),
        entries=compared[:MOST_COMPARED], references=below[:MOST],
        counted_votes=versions.counted_votes(key) is not False,
    )  # fmt: skip


def _paired(mine: np.ndarray, drawn: np.ndarray | None) -> np.ndarray | None:
    """Return the paired draws of a difference; of a reference row fewer are stored, the first ones."""
    return None if drawn is None else mine[: len(drawn)] - np.asarray(drawn, float)


def _difference(name: str, value: float, other: float, draws: np.ndarray | None, seeds: float) -> Difference:
    gap = value - other
    low = high = math.nan
    if draws is not None and np.isfinite(draws).any():
        half = 1.959964 * math.sqrt(float(np.nanvar(draws)) + float(seeds))
        low, high = gap - half, gap + half
    return Difference(
        name=visible(name, 200), value=_real(other), difference=_real(gap), low=_real(low), high=_real(high)
    )


def _real(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def markdown(report: Report) -> str:
    """Return the report as Markdown of bounded length in which no text of the submission is anything but text."""
    lines = ["## Check of the submission: " + ("passed" if report.good else "**not passed yet**"), ""]
    lines += [f"- {_code(fault)}" for fault in report.faults]
    for s in report.submissions:
        lines += ["", f"### {_code(s.title)}", ""]
        lines.append(f"{_code(s.slug)}: {s.files} prediction files, {s.rescored} re-scored by the scorer of main.")
        for title, texts in (("To fix", s.faults), ("Not checked", s.notes), ("For a maintainer to look at", s.flags)):
            if texts:
                lines += ["", f"**{title}**", "", *(f"- {_code(text)}" for text in texts)]
        for standing in s.standings:
            lines += ["", *_table(standing)]
    text = "\n".join(lines) + "\n"
    if len(text) > LONGEST_REPORT:
        text = (
            text[:LONGEST_REPORT].rpartition("\n")[0] + "\n\n(The report is cut here. The log has the full report.)\n"
        )
    return text


def words(found: list[Standing]) -> list[str]:
    """Return a line for each board an entry stands on, for the terminal."""
    lines = []
    for s in found:
        metric = BOARDS[s.board].metrics[BOARDS[s.board].primary]
        rank = str(s.first) if s.first == s.last else f"{s.first} to {s.last}"
        lines.append(
            f"{s.edition}, {s.board}: {metric.title} {number(s.value, metric)} "
            f"({number(s.low, metric)} to {number(s.high, metric)}), rank {rank} of {s.of}"
        )
    return lines


def _table(s: Standing) -> list[str]:
    board = BOARDS[s.board].told(s.counted_votes)
    metric = board.metrics[board.primary]
    rank = str(s.first) if s.first == s.last else f"{s.first} to {s.last}"
    spread = "" if s.spread is None else f", s.d. over {s.seeds} seeds {number(s.spread, metric)}"
    lines = [
        f"**{board.title}** on {_code(s.edition)}: {metric.title} {number(s.value, metric)} "
        f"(95 % interval {number(s.low, metric)} to {number(s.high, metric)}{spread}). "
        f"Its rank would be **{rank}** of {s.of}.",
        "",
        f"| compared with | {metric.title} | difference | 95 % interval of the difference |",
        "|---|--:|--:|---|",
    ]
    for d in [*s.entries, *s.references]:
        paired = "–" if d.low is None else f"{_signed(d.low, metric)} to {_signed(d.high, metric)}"
        if d.low is not None and d.high is not None:
            paired += ", no significant difference" if d.low <= 0 <= d.high else ""
        lines.append(f"| {_code(d.name)} | {number(d.value, metric)} | {_signed(d.difference, metric)} | {paired} |")
    better = "higher" if metric.higher_is_better else "lower"
    return [
        *lines,
        "",
        f"({better} is better; intervals are paired over the same galaxies and include the seed variance)",
    ]


def number(value: float | None, metric: Metric) -> str:
    """Return a metric's value in its own format, a dash where there is none."""
    return "–" if value is None else format(value, metric.format)


def _signed(value: float | None, metric: Metric) -> str:
    return "–" if value is None else format(value, "+" + metric.format)


def _code(text: str) -> str:
    """Return a text as code that no Markdown, HTML, mention or link can be made of."""
    # Inside <code> nothing is linked or mentioned; a sign written as its number starts neither HTML nor Markdown.
    return "<code>" + re.sub(r"[^A-Za-z0-9 .,()/-]", lambda m: f"&#{ord(m[0])};", visible(text, LONGEST)) + "</code>"

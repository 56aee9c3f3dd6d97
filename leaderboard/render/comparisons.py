"""Any two entries of a board side by side: paired differences of every metric, agreement, where they part."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.scoring import Truth
from galaxy_zoo_decals.scoring.bootstrap import CONFIDENCE, interval
from leaderboard.entry import prediction_file
from leaderboard.ranking import ties
from leaderboard.ranking.board_table import Row, Table
from leaderboard.render import galaxies, galaxy_bars, verdicts
from leaderboard.render.galaxies import Shown
from leaderboard.render.thumbnails import Images

LARGEST = 100
"""Entries of a board that can be compared, the best first: the page holds every pair and must stay small."""

POOL = 400
"""Galaxies of an edition that comparisons show, the first by the hash of their names."""

FEWEST = 8
"""Galaxies shown of two entries before a reader asks for more."""


@dataclass(frozen=True)
class Side:
    """One entry's answer to a galaxy; ``right`` is None where that is unknown or may not be told."""

    answer: str
    right: bool | None


@dataclass(frozen=True)
class Comparison:
    """All pairs of a board's first entries, n of them.

    ``low`` and ``high`` bound the difference i - j of each metric by the paired bootstrap, (n, n). ``agreement`` (n, n)
    is the share of test galaxies with the same answer; ``answers`` and ``sure`` (n, galaxies of the pool) are what the
    first seed of each says of the galaxies shown; ``right`` (n, galaxies of the pool) is 1 where that is the
    volunteers' answer, 0 where it is not, -1 where theirs is unknown. The last four are empty where the edition's truth
    is not at hand, ``right`` also where it may not be told.
    """

    table: Table
    rows: list[Row]
    low: dict[str, np.ndarray]
    high: dict[str, np.ndarray]
    agreement: np.ndarray
    pool: list[Shown]
    answers: list[list[str]]
    sure: np.ndarray
    right: np.ndarray

    def difference(self, metric: str, i: int, j: int) -> tuple[float, float, float]:
        """Return the score of i less that of j with its paired interval."""
        a, b = (self.rows[k].score.metrics[metric].value for k in (i, j))
        return a - b, float(self.low[metric][i, j]), float(self.high[metric][i, j])

    def _parted(self, i: int, j: int) -> list[int]:
        if not len(self.answers):
            return []
        a, b = self.answers[i], self.answers[j]
        found = [k for k in range(len(self.pool)) if a[k] != b[k]]

        def order(k: int) -> tuple[bool, int, int]:
            alike = len(self.right) > 0 and self.right[i, k] == self.right[j, k]
            return bool(alike), -(int(self.sure[i, k]) + int(self.sure[j, k])), k

        return sorted(found, key=order)

    def parted(self, i: int, j: int, most: int = FEWEST) -> list[tuple[Shown, Side, Side]]:
        """Return galaxies of the pool that i and j answer differently: first where one alone is right, by sureness."""

        def side(e: int, k: int) -> Side:
            right = bool(self.right[e, k]) if len(self.right) and self.right[e, k] >= 0 else None
            return Side(f"{self.answers[e][k]} ({self.sure[e, k]}\u00a0%)", right)

        return [(self.pool[k], side(i, k), side(j, k)) for k in self._parted(i, j)[:most]]

    def tally(self, i: int, j: int) -> tuple[int, int, int]:
        """Return on how many galaxies of the pool i and j part, and on how many of them each is right."""
        parted = self._parted(i, j)
        if not len(self.right):
            return len(parted), 0, 0
        return len(parted), int((self.right[i, parted] == 1).sum()), int((self.right[j, parted] == 1).sum())

    def payload(self, root: str) -> Markup:
        """Return everything a script needs to compare any two, as JSON that is safe inside a script element."""
        column, names = self.table.per_row
        words = sorted({word for row in self.answers for word in row})
        place = {word: k for k, word in enumerate(words)}
        content: dict[str, Any] = {
            "entries": [
                {
                    "slug": r.entry.slug if r.entry else "",
                    "title": r.title,
                    "rank": _rank(r),
                    "letters": r.place.letters if r.place and r.entry and not r.entry.local else "",
                }
                for r in self.rows
            ],
            "metrics": [
                {
                    "title": m.title,
                    "digits": int(m.format.removeprefix(".").removesuffix("f")),
                    "ranked": m.name == self.table.primary.name,
                    "higher": None if m.target is not None else m.higher_is_better,
                    "values": [_rounded(r.score.metrics[m.name].value) for r in self.rows],
                    "low": _triangle(self.low[m.name]),
                    "high": _triangle(self.high[m.name]),
                }
                for m in self.table.board.metrics.values()
            ],
            "column": column.replace("_", " "),
            "rows": [
                {"name": galaxy_bars.words(name), "values": [_rounded(r.score.rows[k][column]) for r in self.rows]}
                for k, name in enumerate(names)
            ],
            "agreement": [round(float(v), 4) for v in self.agreement[np.triu_indices(len(self.agreement), 1)]],
            "words": words,
            "answers": [[place[word] for word in row] for row in self.answers],
            "sure": self.sure.tolist(),
            "right": ["".join("-01"[int(v) + 1] for v in row) for row in self.right],
            "pool": [
                {"name": g.name, "image": None if g.image is None else root + g.image, "alt": g.alt, "said": g.said}
                for g in self.pool
            ],
        }
        text = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def _rank(row: Row) -> str:
    if row.place is None or not row.place.known:
        return "–"
    first, last, letters = row.place.first, row.place.last, ties.brief(row.place.letters)
    return f"{first} {letters}" if first == last else f"{first}–{last} {letters}"


def _rounded(value: float, digits: int = 7) -> float | None:
    return round(float(value), digits) if math.isfinite(value) else None


def _triangle(values: np.ndarray) -> list[float | None]:
    """Return what lies above the diagonal, row by row."""
    return [_rounded(v, 5) for v in values[np.triu_indices(len(values), 1)]]


def compare(table: Table, truth: Truth | None, edition: Edition | None, images: Images) -> Comparison | None:
    """Return the comparison of a board's first entries; None if it has not two."""
    rows = table.rows[:LARGEST]
    if len(rows) < 2:
        return None
    low, high = {}, {}
    for name in table.board.metrics:
        draws = np.stack([np.asarray(r.score.draws[name], np.float32) for r in rows])
        low[name], high[name] = intervals(draws)
    agreement, pool, answers, sure, right = np.empty((0, 0)), [], [], np.empty((0, 0), int), np.empty((0, 0), int)
    if truth is not None:
        judged = []
        for row in rows:
            values = prediction_file.read(row.seeds[0].predictions, truth)
            judged.append(verdicts.judge(truth, values, table.board.task))
        agreement = shares_alike([j.answers for j in judged])
        kept = galaxies.by_hash(truth.names, np.arange(len(truth.names)))[:POOL]
        pool = [galaxies.shown(truth, edition, row, images) for row in kept]
        answers = [[j.answers[row] for row in kept] for j in judged]
        sure = np.array([np.rint(100 * j.sure[kept]) for j in judged]).astype(int)
        if truth.terms.may_publish_votes:
            right = np.array([np.where(j.known, j.right, -1)[kept] for j in judged]).astype(int)
    return Comparison(table, rows, low, high, agreement, pool, answers, sure, right)


def intervals(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the 95 % intervals of all differences of draws (n, draws), two arrays (n, n)."""
    n = len(draws)
    low, high = np.zeros((n, n)), np.zeros((n, n))
    levels = [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]
    for i in range(n - 1):
        gaps = draws[i] - draws[i + 1 :]
        known = not np.isnan(gaps).any()
        ends = np.quantile(gaps, levels, axis=1) if known else np.array([interval(g) for g in gaps]).T
        low[i, i + 1 :], high[i, i + 1 :] = ends
        low[i + 1 :, i], high[i + 1 :, i] = -ends[1], -ends[0]
    return low, high


def shares_alike(answers: list[list[str]]) -> np.ndarray:
    """Return the share of galaxies that each pair answers alike, (n, n)."""
    _, codes = np.unique(np.array(answers), return_inverse=True)
    codes = codes.reshape(len(answers), -1)
    return np.array([(codes == row).mean(axis=1) for row in codes])

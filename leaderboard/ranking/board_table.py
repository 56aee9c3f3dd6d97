"""Boards as tables: which entries stand where, with their places, charts and reference rows."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from galaxy_zoo_decals.scoring import BOARDS
from galaxy_zoo_decals.scoring.boards import Board, Metric
from leaderboard.entry import versions
from leaderboard.entry.literature import Work
from leaderboard.entry.truths import Key
from leaderboard.ranking import stored_scores, ties
from leaderboard.ranking.entries import Entry, Trained
from leaderboard.ranking.stored_scores import Interval, Score
from leaderboard.ranking.ties import Place, Scored

SEEDS = 3
"""Seeds from which the spread of training can be told; fewer bear a badge."""


def number(value: float, metric: Metric) -> str:
    """Return a score as text; a dash where it is undefined."""
    return format(value, metric.format) if math.isfinite(value) else "–"


def interval_words(score: Score, metric: Metric) -> str:
    """Return a score with its interval in words."""
    value, low, high = score.metrics[metric.name]
    if not math.isfinite(value):
        return "not defined"
    return f"{number(value, metric)}, 95 % interval {number(low, metric)} to {number(high, metric)}"


@dataclass(frozen=True)
class Row:
    """One entry, or one reference (``entry`` None), on a board."""

    title: str
    score: Score
    entry: Entry | None = None
    seeds: list[Trained] = field(default_factory=list)
    place: Place | None = None
    spread: float = math.nan
    skill: Interval = (math.nan, math.nan, math.nan)
    """Where the score stands between the class prior (0) and the noise ceiling (1), with its interval."""


@dataclass(frozen=True)
class Table:
    """A board of an edition: ranked rows, references, published numbers."""

    key: Key
    edition: str
    slug: str
    board: Board
    rows: list[Row]
    references: list[Row]
    retired: list[Row]
    partial: list[Row]
    """Entries without a place, as galaxies are lacking: too many, or ones that their source is not known to lack."""
    reported: list[Entry]
    """Entries with predictions that main has not scored yet: they stand apart, without a number."""
    works: list[tuple[Work, list[int]]]
    ends: list[float]
    """Scores and ends of intervals of everything on the board, also of what has no place."""
    smallest: float
    galaxies: int
    counted_votes: bool
    """Whether the truth is counts of volunteers: only then do the words and references here speak of any."""

    @property
    def primary(self) -> Metric:
        """The metric the board is ranked by."""
        return self.board.metrics[self.board.primary]

    def reference(self, title: str) -> float | None:
        """Return the primary score of a reference, None where it has none."""
        found = (r.score.metrics[self.primary.name][0] for r in self.references if r.title == title)
        return next((value for value in found if math.isfinite(value)), None)

    @property
    def per_row(self) -> tuple[str, list[str]]:
        """The column that per-class tables compare by, and the names of the classes."""
        scored = [*self.rows, *self.references]
        return self.board.row_metric, [str(row["name"]) for row in scored[0].score.rows] if scored else []


def table(
    key: Key, edition: str, slug: str, task: str, entries: list[Entry], references: dict[str, Score], works: list[Work],
    tree: str, counted_votes: bool = True,
) -> Table:  # fmt: skip
    """Return the board of a task on an edition; superseded and withdrawn entries stand below, without a place.

    So do those that lack too many galaxies: their scores are of others and cannot be paired. Where the truth is no
    ``counted_votes`` of volunteers, the board is told in other words and no metric counts any.
    """
    board = BOARDS[task].told(counted_votes)
    primary = board.metrics[board.primary]
    present = [(e, s) for e in entries if (s := e.score(key, task)) is not None]
    standing = [(e, s) for e, s in present if _active(e) and e.ranked(key, task) is not None]
    places, smallest = _places(key, board, [e for e, _ in standing])
    everything = [s for _, s in present] + list(references.values())
    ends = [v for s in everything for v in s.metrics[primary.name]]

    rows = [
        Row(e.title, s, e, e.seeds(key, task), place, stored_scores.spread(
            [t.scores[task] for t in e.seeds(key, task)], primary.name), stored_scores.skill(task, s, references))
        for (e, s), place in zip(standing, places)
    ]  # fmt: skip
    sign = -1 if primary.higher_is_better else 1
    rows.sort(key=lambda r: (*_last(sign * r.score.metrics[primary.name][0]), r.title, r.entry.slug if r.entry else ""))
    below = [Row(name, score) for name, score in references.items()]
    below.sort(key=lambda r: (*_last(sign * r.score.metrics[primary.name][0]), r.title))
    retired = [Row(e.title, s, e, e.seeds(key, task)) for e, s in present if not _active(e)]
    mine = [
        (w, [i for i, n in enumerate(w.numbers) if n.board == task])
        for w in works
        if w.tree == tree and w.edition in (None, key[0])
    ]
    partial = [Row(e.title, s, e, e.seeds(key, task)) for e, s in present if _active(e) and e.ranked(key, task) is None]
    whole = [s for s in everything if not s.partial]
    galaxies = whole[0].galaxies if whole else 0
    cited = [(w, found) for w, found in mine if found]
    reported = [e for e in entries if e.reported(key, task)]
    below_it = (below, retired, partial, reported)
    return Table(key, edition, slug, board, rows, *below_it, cited, ends, smallest, galaxies, counted_votes)


def scored(key: Key, board: Board, entry: Entry) -> Scored:
    """Return an entry of a board as it is ranked by."""
    task = board.task
    found, mean = entry.seeds(key, task), entry.score(key, task)
    assert mean is not None
    values = [t.scores[task].metrics[board.primary][0] for t in found]
    return Scored(values, mean.draws[board.primary], versions.training(key, task))


def _places(key: Key, board: Board, standing: list[Entry]) -> tuple[list[Place], float]:
    """Return the places of entries, and the smallest detectable difference.

    Submitted entries alone make the places. Runs of this machine stand beside them, each as if it alone had come
    too, and move none; where nothing is submitted yet they are ranked among themselves.
    """
    higher = board.metrics[board.primary].higher_is_better
    every = [scored(key, board, entry) for entry in standing]
    merged = [one for one, entry in zip(every, standing) if not entry.local]
    ranked = ties.rank(merged or every, higher)
    if not merged:
        return ranked.places, ranked.smallest
    places = iter(ranked.places)
    return [
        ties.beside(merged, ranked.places, one, higher) if entry.local else next(places)
        for one, entry in zip(every, standing)
    ], ranked.smallest


def _active(entry: Entry) -> bool:
    return entry.submission is None or entry.submission.status == "active"


def _last(value: float) -> tuple[bool, float]:
    """Return a sort key that puts undefined scores last."""
    return (not math.isfinite(value), value if math.isfinite(value) else 0.0)

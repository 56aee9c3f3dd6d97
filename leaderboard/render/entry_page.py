"""The page of an entry: scores beside others, learning curves, galleries of galaxies, citation."""

from __future__ import annotations

from typing import Any

import numpy as np

from galaxy_zoo_decals import scoring
from galaxy_zoo_decals.scoring import BOARDS, Result, Truth
from leaderboard.check import leaked_votes
from leaderboard.entry import prediction_file
from leaderboard.entry.truths import Truths
from leaderboard.files import read_text
from leaderboard.ranking.board_table import Row, Table
from leaderboard.ranking.entries import Entry, Trained
from leaderboard.render import galaxies, galaxy_bars, svg, verdicts
from leaderboard.render.edition_page import EditionPage
from leaderboard.render.galaxies import Example, Shown
from leaderboard.render.jinja import markdown
from leaderboard.render.thumbnails import Images

LARGEST_BIBTEX = 64 * 2**10


def entry_page(entry: Entry, editions: list[EditionPage], images: Images, truths: Truths) -> dict[str, Any]:
    """Return what the template of an entry is given: its rows, curves, galleries and citation."""
    # Pictures first, as on the first page.
    parts = []
    for page in sorted(editions, key=lambda e: not e.pictured):
        if page.key in entry.editions:
            seeds = [t for t in entry.trained if t.key == page.key]
            scored = [(page.tables[b], s) for b in BOARDS if b in page.tables and (s := entry.score(page.key, b))]
            parts.append(
                {
                    "edition": page,
                    "scores": scored,
                    "seeds": seeds,
                    "curves": _curves(seeds, page.title),
                    "galleries": _galleries(entry, page, images),
                    "panel": _own_panel(seeds, page, images),
                    "same": {table.slug: _on_the_same(table, seeds, page.truth) for table, s in scored if s.partial},
                }
            )
    chance = leaked_votes.shown(entry, truths)
    return {
        "parts": parts,
        "readme": markdown(entry.readme),
        "run": entry.run,
        "bibtex": _bibtex(entry),
        "chance": chance,
        "suspect": leaked_votes.SUSPECT,
    }


def _on_the_same(table: Table, seeds: list[Trained], truth: Truth | None) -> list[tuple[Row, Result]]:
    """Return what the ranked entries of a board score on the galaxies that a partial entry has, the best first."""
    task = table.board.task
    mine = [t for t in seeds if task in t.scores]
    if truth is None or not mine:
        return []
    lacking = {row for t in mine for row in prediction_file.read(t.predictions, truth).lacking}
    held = np.setdiff1d(np.arange(len(truth.names)), sorted(lacking))
    part = truth.take(held)
    found = []
    for row in table.rows:
        files = [prediction_file.read(t.predictions, truth).take(held) for t in row.seeds]
        found.append((row, Result.mean([scoring.score(part, f, row.title)[task] for f in files])))
    return found


def _bibtex(entry: Entry) -> str:
    """Return what the authors ask to be cited, empty if they say nothing."""
    path = None if entry.folder is None else entry.folder / "citation.bib"
    return read_text(path, LARGEST_BIBTEX).strip() if path is not None and path.is_file() else ""


def _curves(seeds: list[Trained], title: str) -> list[dict[str, Any]]:
    """Return one chart a trained network, its seeds together."""
    networks: dict[str, list[tuple[int, Any]]] = {}
    for trained in sorted(seeds, key=lambda t: (t.run.seed, t.task)):
        for curve in trained.run.curves:
            here = networks.setdefault(curve.name, [])
            if (trained.run.seed, curve) not in here:
                here.append((trained.run.seed, curve))
    return [
        {
            "name": name,
            "curves": found,
            "chart": svg.learning(found, f"Training and validation loss of {name} by epoch, {title}"),
        }
        for name, found in networks.items()
    ]


def _galleries(entry: Entry, page: EditionPage, images: Images) -> list[tuple[Trained, dict[str, list[Example]]]]:
    """Return example galaxies of the first seed of every task, where the edition is on this machine."""
    if page.truth is None:
        return []
    found: dict[str, Trained] = {}
    for trained in sorted((t for t in entry.trained if t.key == page.key), key=lambda t: t.run.seed):
        found.setdefault(trained.task, trained)
    galleries = []
    for trained in found.values():
        predictions = prediction_file.read(trained.predictions, page.truth)
        judged = verdicts.judge(page.truth, predictions)
        furthest = [row["iauname"] for row in _curve(trained, "disagreement")]
        gallery = {
            part: [
                Example(
                    galaxies.shown(page.truth, page.pictures, row, images),
                    judged.verdicts[row],
                    galaxy_bars.predicted_groups(page.truth, predictions, row),
                    galaxy_bars.predicted_groups(page.truth, predictions, row, rest=True),
                )
                for row in rows
            ]
            for part, rows in verdicts.examples(page.truth, judged, furthest).items()
        }
        galleries.append((trained, gallery))
    return galleries


def _curve(trained: Trained, name: str) -> list[dict[str, Any]]:
    """Return a table of a prediction file on its own board; empty where it has no scores."""
    score = trained.scores.get(trained.task)
    return score.curves.get(name, []) if score is not None else []


def _own_panel(seeds: list[Trained], page: EditionPage, images: Images) -> list[tuple[Shown, list[galaxy_bars.Group]]]:
    """Return the edition's fixed galaxies with what the entry's first prediction file says of them."""
    if page.truth is None or not seeds:
        return []
    first = min(seeds, key=lambda t: (t.run.seed, t.task))
    predictions = prediction_file.read(first.predictions, page.truth)
    truth, edition = page.truth, page.pictures
    return [
        (galaxies.shown(truth, edition, row, images), galaxy_bars.predicted_groups(truth, predictions, row))
        for row in galaxies.panel(truth)
    ]

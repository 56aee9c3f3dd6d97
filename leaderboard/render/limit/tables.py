"""The tables of the report, and how it words numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from galaxy_zoo_decals.scoring import BOARDS, Result
from galaxy_zoo_decals.scoring.boards import Metric
from leaderboard.ranking.board_table import SEEDS
from leaderboard.render.limit.standings import CEILING, PANELS, PRIOR, Edition


def number(value: float, metric: Metric, sign: str = "") -> str:
    """Return a score as the boards print it."""
    return format(value, f"{sign}{metric.format}") if math.isfinite(value) else "–"


def spanned(score: Result, metric: Metric) -> str:
    """Return a score with its interval."""
    value, low, high = (number(v, metric) for v in score.metrics[metric.name])
    return f"{value} [{low}, {high}]"


def plain(value: float, form: str = ".3f") -> str:
    """Return a reference's number, a dash where there is none."""
    return format(value, form) if math.isfinite(value) else "–"


def table(head: Iterable[str], rows: Iterable[Iterable[str]], left: int = 1) -> list[str]:
    """Return a Markdown table whose first columns stand left."""
    head = list(head)
    marks = ["---"] * left + ["--:"] * (len(head) - left)
    return ["", *(f"| {' | '.join(row)} |" for row in (head, marks, *map(list, rows))), ""]


def four_classes(edition: Edition) -> list[str]:
    """Return the table of all models on four classes, beside the references there are."""
    metrics = [BOARDS["multiclass"].metrics[name] for name in ("accuracy", "macro_f1", "clear_accuracy")]
    rows = [
        [edition.entries[name].title, *(spanned(score, metric) for metric in metrics)]
        for name, score in edition.on("multiclass").items()
    ]
    for title in (CEILING, *PANELS[::-1], PRIOR) if edition.counted_votes else (PRIOR,):
        rows.append([f"*{title}*", *(plain(edition.reference("multiclass", m.name, title)) for m in metrics)])
    return table(["", *(m.title for m in metrics)], rows)


def by_row(edition: Edition, board: str, column: str, word: str) -> list[str]:
    """Return a table of a board's classes, labels or questions: every model; ten volunteers and the ceiling if any."""
    models = edition.on(board)
    first = next(iter(models.values()))
    references = (PANELS[0], CEILING) if edition.counted_votes else ()
    rows = []
    for place, row in enumerate(first.rows):
        if not row["counted"]:
            continue
        found = (float(score.rows[place][column]) for score in models.values())
        n = row.get("positives", row["n"])
        below = (plain(edition.reference_of(board, row["name"], column, title)) for title in references)
        rows.append([row["name"], f"{n:,}", *map(plain, found), *below])
    return table([word, "galaxies", *(edition.entries[name].title for name in models), *references], rows)


Pair = tuple[str, str, str, str]
"""Folders of the runs of two entries, a board, a metric."""

ONE_NETWORK: tuple[Pair, ...] = (
    ("dirichlet", "efficientnetv2-unbalanced", "multiclass", "accuracy"),
    ("dirichlet", "efficientnetv2-unbalanced", "multiclass", "macro_f1"),
    ("dirichlet", "efficientnetv2-unbalanced", "multiclass", "balanced_accuracy"),
    ("dirichlet", "efficientnetv2-unbalanced", "multiclass", "nll"),
    ("dirichlet", "efficientnetv2", "multiclass", "accuracy"),
    ("dirichlet", "efficientnetv2", "multiclass", "macro_f1"),
    ("dirichlet", "efficientnetv2", "multiclass", "balanced_accuracy"),
    ("dirichlet", "multiclass", "multiclass", "macro_f1"),
    ("dirichlet", "multilabel", "multilabel", "macro_map"),
    ("dirichlet", "hierarchical", "hierarchical", "hierarchical_f1"),
)

TOGETHER: tuple[Pair, ...] = tuple(
    ("dirichlet-of-three", "dirichlet", board, BOARDS[board].primary) for board in BOARDS
)

TRANSFER: tuple[Pair, ...] = tuple(
    (first, second, board, BOARDS[board].primary)
    for first, second in (
        ("dirichlet-from-simulated", "dirichlet"),
        ("dirichlet-from-simulated", "dirichlet-longer"),
        ("dirichlet-longer", "dirichlet"),
        ("dirichlet-grey", "dirichlet"),
    )
    for board in BOARDS
)


def differences(edition: Edition, pairs: Iterable[Pair]) -> list[str]:
    """Return a table of paired differences; pairs of which one is not there are left out."""
    rows = []
    for first, second, board, name in pairs:
        if (found := edition.difference(first, second, board, name)) is not None:
            metric = BOARDS[board].metrics[name]
            value, low, high = (number(v, metric, "+") for v in (found.value, found.low, found.high))
            what = f"{metric.title}{'' if metric.higher_is_better else ' (lower is better)'}"
            titles = [edition.entries[entry].title for entry in (first, second)]
            rows.append([*titles, what, f"{value} [{low}, {high}]", found.verdict])
    return table(["", "compared with", "score", "difference", "the first is"], rows, left=5) if rows else []


def learning(rows: list[dict[str, Any]], edition: str) -> list[str]:
    """Return a table of an edition's scores by the number of training galaxies, of the primary metric of every board.

    Bold where they are significantly different from the same model on all galaxies.
    """
    chosen = [r for r in rows if r["edition"] == edition and r["metric"] == BOARDS[r["board"]].primary]
    columns = list(dict.fromkeys((r["model"], r["board"]) for r in chosen))
    sizes = sorted({r["galaxies"] for r in chosen})

    def cell(size: int, model: str, board: str) -> str:
        found = [r for r in chosen if (r["galaxies"], r["model"], r["board"]) == (size, model, board)]
        form = BOARDS[board].metrics[BOARDS[board].primary].format
        if not found:
            return ""
        (r,) = found
        words = f"{r['mean']:{form}} [{r['low']:{form}}, {r['high']:{form}}]"
        told = any(less["than"] == model and less["apart"] for less in r["less"])
        few = (
            "" if len(r["values"]) >= SEEDS else f" ({len(r['values'])} training{'s' if len(r['values']) > 1 else ''})"
        )
        return (f"**{words}**" if told else words) + few

    head = [f"{model}: {BOARDS[board].metrics[BOARDS[board].primary].title}" for model, board in columns]
    return table(["training galaxies", *head], ([f"{n:,}", *(cell(n, *c) for c in columns)] for n in sizes), left=0)


def calibration(edition: Edition) -> list[str]:
    """Return a table of how far every model's probabilities can be believed."""
    rows = []
    votes, classes = BOARDS["votes"].metrics, BOARDS["multiclass"].metrics
    for name in edition.entries:
        cells = [
            spanned(score, metrics[metric]) if (score := edition.score(name, board)) else ""
            for board, metrics, metric in (
                ("multiclass", classes, "ece"),
                ("votes", votes, "coverage_50"),
                ("votes", votes, "coverage_90"),
            )
        ]
        if any(cells):
            rows.append([edition.entries[name].title, *cells])
    assumed = "" if edition.counted_votes else " (votes assumed)"
    return table(["", classes["ece"].title, *(votes[f"coverage_{n}"].title + assumed for n in (50, 90))], rows)


def confused(edition: Edition, most: int = 3) -> list[str]:
    """Return a table of the commonest mistakes of every model of four classes."""
    rows = []
    for name, score in edition.on("multiclass").items():
        labels, counts = score.confusions["class"]
        c = np.array(counts, float)
        wrong = [(c[i, j], i, j) for i in range(len(c)) for j in range(len(c)) if i != j]
        said = [
            f"{labels[i]} predicted as {labels[j]} ({n / c.sum():.1%} of galaxies, {n / c[i].sum():.0%} of its class)"
            for n, i, j in sorted(wrong, reverse=True)[:most]
        ]
        rows.append([edition.entries[name].title, f"{1 - np.trace(c) / c.sum():.1%}", *said])
    return table(["", "wrong", *(f"{word}most common" for word in ("", "second ", "third "))], rows, left=5)


def strata(edition: Edition, name: str) -> list[str]:
    """Return a table of an entry's accuracy on four classes in quarters of what the catalogue knows, if it does."""
    score = edition.score(name, "multiclass")
    rows = score.curves.get("strata", []) if score else []
    words = {"redshift": "redshift", "petro_th50": "half-light radius, arcsec", "mag_r": "r magnitude"}
    cells = [
        [words.get(r["property"], str(r["property"])), f"{r['low']:.3g} to {r['high']:.3g}", f"{r['n']:,}",
         f"{r['accuracy']:.3f} [{r['accuracy_low']:.3f}, {r['accuracy_high']:.3f}]"]
        for r in rows
    ]  # fmt: skip
    return table(["", "from, to", "galaxies", "accuracy"], cells, left=1) if cells else []


def listed(words: list[str]) -> str:
    """Return words as a list in a sentence."""
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)

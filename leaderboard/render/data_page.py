"""What a data page tells of an edition: cleaning, balance, votes, the sky, the tree with galaxies for every answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from galaxy_zoo_decals import views
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.schema import CLASSES, Question, Tree
from galaxy_zoo_decals.scoring import Truth
from leaderboard.render import galaxies, galaxy_bars, svg
from leaderboard.render.galaxies import Shown
from leaderboard.render.galaxy_bars import words
from leaderboard.render.thumbnails import Images

GALLERY = 6
"""Galaxies a class on the data page."""

SHEET = 96
"""Galaxies on the contact sheet of a class: with their images the page stays below 1.5 MB."""

EXAMPLES = 3
"""Galaxies an answer in the decision tree."""

BINS = 10
"""Bins of the histograms of vote fractions."""

SPOTS = 3000
"""Positions on a map of the sky; more are drawn by the square degree."""


@dataclass(frozen=True)
class Choice:
    """An answer of the tree: how many volunteers gave it, where it leads, galaxies they agreed on.

    ``share`` is the mean fraction over the galaxies that were asked, ``most`` in how many of them it got most votes.
    """

    answer: str
    share: float
    most: int
    chart: Markup
    counts: list[int]
    leads: list[str]
    examples: list[Shown]


@dataclass(frozen=True)
class Node:
    """A question of the tree with what was said to it in all splits."""

    question: Question
    asked: int
    choices: list[Choice]


def balance(edition: Edition) -> dict[str, Any]:
    """Return how many galaxies of each split have each class, and each label among those asked."""
    tree = edition.tree
    classes: dict[str, dict[str, int]] = {name: {} for name in (*CLASSES, "no class")}
    labels: dict[str, dict[str, tuple[int, int]]] = {name: {} for name in tree.label_names}
    for split in edition.splits:
        votes = edition.votes(split)
        fractions = views.fractions(tree, votes)
        label = views.multiclass(tree, fractions).label
        for c, name in enumerate((*CLASSES, "no class")):
            classes[name][split] = int((label == (c if c < len(CLASSES) else -1)).sum())
        asked = views.label_asked(tree, views.asked(tree, views.totals(tree, votes)))
        true = views.labels(tree, fractions)
        for j, name in enumerate(tree.label_names):
            labels[name][split] = (int((true & asked)[:, j].sum()), int(asked[:, j].sum()))
    return {"classes": classes, "labels": labels}


def nodes(edition: Edition, truth: Truth, images: Images) -> dict[str, Node]:
    """Return the questions of the tree in its order, by name."""
    tree = edition.tree
    votes = np.concatenate([edition.votes(split) for split in edition.splits])
    fractions = views.fractions(tree, votes)
    asked = views.asked(tree, views.totals(tree, votes))
    found = {}
    for q, question in enumerate(tree.questions):
        on = fractions[asked[:, q], tree.slices[question.name]]
        winners = on.argmax(axis=1) if len(on) else np.empty(0, int)
        most = np.bincount(winners, minlength=len(question.answers))
        choices = []
        for j, answer in enumerate(question.answers):
            counts = np.histogram(on[:, j], bins=BINS, range=(0, 1))[0].tolist()
            said = f"Fraction of {words(answer)} over {len(on)} galaxies, in tenths: {counts}"
            choices.append(
                Choice(
                    answer,
                    float(on[:, j].mean()) if len(on) else 0.0,
                    int(most[j]),
                    svg.histogram(counts, said),
                    counts,
                    [n.name for n in tree.questions if (question.name, answer) in n.parents],
                    _examples(truth, edition, q, tree.answer_index[question.name, answer], images),
                )
            )
        found[question.name] = Node(question, len(on), choices)
    return found


def _examples(truth: Truth, edition: Edition, question: int, column: int, images: Images) -> list[Shown]:
    """Return the test galaxies on which most of at least ten volunteers gave this answer."""
    if not _open(truth, edition):
        return []
    share = np.where(truth.asked[:, question] & (truth.totals[:, question] >= 10), truth.fractions[:, column], -1.0)
    order = np.argsort(-share, kind="stable")[:EXAMPLES]
    found = [galaxies.shown(truth, edition, int(row), images) for row in order if share[row] > 0.5]
    return [shown for shown in found if shown.image is not None]


def trunk(tree: Tree) -> tuple[list[str], list[str]]:
    """Return the questions that open the tree, and those asked after answers to several questions or branches."""
    first = [q.name for q in tree.questions if not q.parents]
    return first, [q.name for q in tree.questions if len(q.parents) > 1]


def volunteers(edition: Edition) -> list[tuple[str, int]]:
    """Return how many galaxies had how many volunteers at the first question, in steps of ten."""
    tree = edition.tree
    totals = np.concatenate([views.totals(tree, edition.votes(split))[:, 0] for split in edition.splits])
    steps = np.minimum(totals // 10, 9)
    counts = np.bincount(steps, minlength=10)
    last = int(np.flatnonzero(counts).max()) if counts.any() else 0
    return [(f"{10 * i} to {10 * i + 9}" if i < 9 else "90 and more", int(counts[i])) for i in range(last + 1)]


def maps(edition: Edition) -> list[tuple[str, int, Markup]]:
    """Return a map of the sky for each split with its galaxies, the others faint; empty where positions are unknown."""
    places: dict[str, list[tuple[float, float]]] = {}
    counts = {}
    for split in edition.splits:
        table = edition.table(split, ["ra", "dec"]).dropna()
        counts[split] = len(table)
        if len(table) > SPOTS:
            table = pd.DataFrame({"ra": table["ra"].round(), "dec": table["dec"].round()}).drop_duplicates()
        places[split] = [(float(ra), float(dec)) for ra, dec in zip(table["ra"], table["dec"])]
    if not any(places.values()):
        return []
    return [
        (split, counts[split], svg.sky(
            places[split], [p for other in edition.splits if other != split for p in places[other]],
            f"Positions of the {counts[split]} galaxies of the {split} split on the sky, {edition.title}"))
        for split in edition.splits
    ]  # fmt: skip


def _open(truth: Truth, edition: Edition) -> bool:
    """Return whether single galaxies may be shown with their pictures and votes."""
    return truth.terms.may_publish_votes and edition.terms.may_publish_images


def worked(truth: Truth, edition: Edition, images: Images) -> dict[str, Any] | None:
    """Return one galaxy with the steps from its votes to its labels; None where galaxies may not be shown."""
    rows = galaxies.of_class(truth, CLASSES.index("spiral"), clear=True) or galaxies.panel(truth)
    if not _open(truth, edition) or not rows:
        return None
    row = rows[0]
    tree = truth.tree
    label = int(truth.classes.label[row])
    return {
        "galaxy": galaxies.shown(truth, edition, row, images),
        "shares": list(zip(CLASSES, truth.classes.shares[row].tolist())),
        "label": CLASSES[label] if label >= 0 else None,
        "true": [n for n, on in zip(tree.label_names, truth.labels[row] & truth.labels_asked[row]) if on],
        "unknown": [n for n, on in zip(tree.label_names, truth.labels_asked[row]) if not on],
        "path": galaxy_bars.path_words(truth, row),
    }


def gallery(truth: Truth, edition: Edition, images: Images, most: int) -> dict[str, list[Shown]]:
    """Return galaxies of each class, ``most`` at most, in the order of the hash of their names.

    Empty where galaxies may not be shown.
    """
    if not _open(truth, edition):
        return {}
    found = {}
    for c, name in enumerate(CLASSES):
        rows = [row for row in galaxies.of_class(truth, c) if images.has(edition, truth.names[row])]
        found[name] = [galaxies.shown(truth, edition, row, images) for row in rows[:most]]
    return found

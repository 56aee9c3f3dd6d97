"""Which galaxies stand in the panels and galleries of the site, with their pictures and votes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.schema import CLASSES
from galaxy_zoo_decals.scoring import Truth
from galaxy_zoo_decals.scoring.boards.hierarchical import path_sets
from leaderboard.render.galaxy_bars import Group, path_in_short, path_words, vote_groups
from leaderboard.render.thumbnails import Images

DECK = ("J004507.95+002116.0", "J024227.38-075931.0", "J015144.90+010544.4", "J100355.04+072645.4")
"""The four galaxies that the student work put through every model."""

PANEL = 4
"""Galaxies that every model is shown on."""


@dataclass(frozen=True)
class Shown:
    """A galaxy on a page; ``image`` and ``votes`` are None where they may not be passed on."""

    name: str
    anchor: str
    image: str | None
    alt: str
    said: str
    votes: list[Group] | None


@dataclass(frozen=True)
class Example:
    """A galaxy with one model's predictions; ``verdict`` says in a few words what the model makes of it.

    ``more`` holds the questions of the tree that no board scores.
    """

    galaxy: Shown
    verdict: str
    groups: list[Group]
    more: list[Group]


def by_hash(names: tuple[str, ...], rows: np.ndarray) -> list[int]:
    """Return rows in the order of the hash of their names: a fixed choice that looks at nothing else."""
    return sorted((int(r) for r in rows), key=lambda r: hashlib.sha256(names[r].encode()).digest())


def panel(truth: Truth) -> list[int]:
    """Return the rows of the galaxies of an edition that every model is shown on.

    The student work's four where all of them are test galaxies, then a clear galaxy a class in turn, by the hash of
    their names. Of an edition that may not be passed on the hash alone decides: a class would be the volunteers' word.
    """
    if not truth.terms.may_publish_votes:
        return by_hash(truth.names, np.arange(len(truth.names)))[:PANEL]
    found = [truth.names.index(name) for name in DECK] if set(DECK) <= set(truth.names) else []
    waiting = [of_class(truth, c, clear=True) for c in range(len(CLASSES))]
    turns = [rows[i] for i in range(PANEL) for rows in waiting if i < len(rows)]
    rest = by_hash(truth.names, np.arange(len(truth.names)))
    return list(dict.fromkeys(found + turns + rest))[:PANEL]


def of_class(truth: Truth, label: int, clear: bool = False) -> list[int]:
    """Return the rows of a class in the order of the hash of their names; ``clear``: over 0.6 of the votes."""
    rows = truth.classes.label == label
    return by_hash(truth.names, np.flatnonzero(rows & truth.classes.confident if clear else rows))


def clearest(truth: Truth, count: int) -> list[int]:
    """Return rows of the galaxies that volunteers agree on most, the classes in turn, spirals twice as often."""
    order = np.argsort(-truth.classes.confidence, kind="stable")
    waiting = {c: [int(r) for r in order if truth.classes.label[r] == c] for c in range(len(CLASSES))}
    turns = [CLASSES.index(c) for c in ("spiral", "irregular", "spiral", "lenticular", "elliptical")]
    found: list[int] = []
    while len(found) < count and any(waiting.values()):
        for c in turns:
            found += waiting[c][:1]
            del waiting[c][:1]
    return found[:count]


def shown(truth: Truth, edition: Edition | None, row: int, images: Images) -> Shown:
    """Return a galaxy as a page shows it; of editions that may not be passed on, its name alone.

    Without the edition (None: only its truth is at hand) there is no image.
    """
    name = truth.names[row]
    key = (truth.edition, truth.content_hash, name)
    if key not in images.known:
        images.known[key] = _shown(truth, edition, row, images)
    return images.known[key]


def _shown(truth: Truth, edition: Edition | None, row: int, images: Images) -> Shown:
    name = truth.names[row]
    anchor = f"g-{hashlib.sha256(name.encode()).hexdigest()[:10]}"
    if not truth.terms.may_publish_votes:
        return Shown(name, anchor, None, "", "", None)
    label = int(truth.classes.label[row])
    kind = f"{CLASSES[label]} galaxy" if label >= 0 else "galaxy without a clear class"
    whose = "volunteers" if truth.terms.counted_votes else "published likelihoods"
    alt = f"{'Simulated ' if truth.terms.simulated else ''}{kind} {name}; {whose}: {path_words(truth, row)}."
    said = path_in_short(truth.tree, path_sets(truth.tree, truth.fractions[row : row + 1])[0])
    image = images.href(edition, name) if edition is not None and images.has(edition, name) else None
    return Shown(name, anchor, image, alt[0].upper() + alt[1:], said, vote_groups(truth, row))

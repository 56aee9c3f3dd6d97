"""Galaxies for the site: which ones stand in panels and galleries, and what volunteers and models say of them."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from galaxy_zoo_decals import views
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.predictions import Predictions
from galaxy_zoo_decals.schema import CLASSES, SPLITS, Tree
from galaxy_zoo_decals.scoring import Truth
from galaxy_zoo_decals.scoring.boards.hierarchical import path_sets
from galaxy_zoo_decals.scoring.results import board_values

DECK = ("J004507.95+002116.0", "J024227.38-075931.0", "J015144.90+010544.4", "J100355.04+072645.4")
"""The four galaxies that the student work put through every model."""

PANEL = 4
"""Galaxies that every model is shown on."""

LARGEST_IMAGE = 24 * 2**10
"""Thumbnails above this many bytes are encoded again."""


def words(name: str) -> str:
    """Return a name of the tree as a reader would write it."""
    return name.removeprefix("has-").replace("-", " ").replace("disk", "disc").replace("cant tell", "can't tell")


@dataclass(frozen=True)
class Bar:
    """One answer: the predicted and the volunteers' fraction in 0..1 (None where not said or not to be shown)."""

    label: str
    predicted: float | None
    true: float | None
    votes: int | None = None


@dataclass(frozen=True)
class Group:
    """The answers to one question, or the classes, or the labels."""

    title: str
    bars: list[Bar]


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


@dataclass(frozen=True)
class Answer:
    """What one model makes of a galaxy; ``right`` is None where that is unknown or may not be told."""

    verdict: str
    right: bool | None
    groups: list[Group]


class Images:
    """Thumbnails of the site: asked for by name while pages are rendered, written once at the end."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.wanted: dict[Path, tuple[Edition, dict[str, str]]] = {}
        self.known: dict[tuple[str, str, str], Shown] = {}
        self.held: dict[Path, frozenset[str]] = {}

    def has(self, edition: Edition, name: str) -> bool:
        """Return whether a test galaxy's picture may be shown and is in the edition: a survey's source may lack it."""
        if edition.path not in self.held:
            self.held[edition.path] = frozenset(edition.table("test", ["iauname"])["iauname"])
        return edition.terms.may_publish_images and name in self.held[edition.path]

    def href(self, edition: Edition, name: str) -> str:
        """Return the address of a galaxy's thumbnail, relative to the site's root."""
        file = f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.jpg"
        address = f"images/{edition.name}-{edition.content_hash[:8]}/{file}"
        self.wanted.setdefault(edition.path, (edition, {}))[1][name] = address
        return address

    def write(self) -> int:
        """Write all thumbnails that were asked for and return how many bytes they have."""
        size = 0
        for edition, names in self.wanted.values():
            for split in reversed(SPLITS):
                for name, data in edition.images(split, list(names)).items():
                    path = self.out / names[name]
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(_bounded(data))
                    size += path.stat().st_size
        return size


def _bounded(data: bytes) -> bytes:
    if len(data) <= LARGEST_IMAGE and data[:3] == b"\xff\xd8\xff":
        return data
    from galaxy_zoo_decals.image_files import ImageError, decode
    from leaderboard.files import LeaderboardError

    out = io.BytesIO()
    try:
        decode(data).resize((224, 224)).save(out, "JPEG", quality=82)
    except ImageError as error:
        words = f"an image of an edition on this machine is {error}; `galaxy-zoo-decals check` names it."
        raise LeaderboardError(words) from None
    return out.getvalue()


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


def path_words(truth: Truth, row: int) -> str:
    """Return the volunteers' path through the scored questions: "spiral arms: yes (21 of 28)"."""
    tree = truth.tree
    top = views.top_answers(tree, truth.fractions[row : row + 1])
    follows = (views.on_path(tree, top) & (top >= 0))[0]
    parts = []
    for name in tree.scored_questions:
        q = tree.question_index[name]
        if follows[q]:
            answer = tree.questions[q].answers[top[0, q]]
            votes = truth.votes[row, tree.slices[name].start + top[0, q]]
            what = words(answer) if name == tree.questions[0].name else f"{words(name)} {words(answer)}"
            parts.append(f"{what} ({votes} of {truth.totals[row, q]})")
    return ", ".join(parts)


def vote_groups(truth: Truth, row: int) -> list[Group]:
    """Return the volunteers' votes at the scored questions on their most voted path."""
    tree = truth.tree
    top = views.top_answers(tree, truth.fractions[row : row + 1])
    follows = (views.on_path(tree, top) & (top >= 0))[0]
    groups = []
    for name in tree.scored_questions:
        total = int(truth.totals[row, tree.question_index[name]])
        if follows[tree.question_index[name]]:
            columns = tree.slices[name]
            bars = [
                Bar(words(a), None, float(f), int(v))
                for a, f, v in zip(
                    tree.question(name).answers, truth.fractions[row, columns], truth.votes[row, columns]
                )
            ]
            groups.append(Group(f"{words(name)}, {total} {'vote' if total == 1 else 'votes'}", bars))
    return groups


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
    said = _leaf(truth.tree, path_sets(truth.tree, truth.fractions[row : row + 1])[0])
    image = images.href(edition, name) if edition is not None and images.has(edition, name) else None
    return Shown(name, anchor, image, alt[0].upper() + alt[1:], said, vote_groups(truth, row))


def predicted_groups(truth: Truth, predictions: Predictions, row: int, rest: bool = False) -> list[Group]:
    """Return what a model predicts of a galaxy beside the volunteers' fractions.

    Trees show the scored questions (``rest``: the others, which only a votes file predicts) that lie on the true or
    the predicted path.
    """
    tree, task, values = truth.tree, predictions.task, predictions.values[row : row + 1]
    if rest and task != "votes":
        return []
    open_ = truth.terms.may_publish_votes
    true = truth.fractions[row] if open_ else np.full(len(tree.answers), np.nan)
    if task == "multiclass":
        shares = truth.classes.shares[row]
        given = shares / shares.sum() if open_ and shares.sum() else np.full(len(CLASSES), np.nan)
        return [Group("class", [_bar(*bar) for bar in zip(CLASSES, values[0], given)])]
    if task == "multilabel":
        asked = truth.labels_asked[row]
        known = np.where(asked, views.label_fractions(tree, true[None])[0], np.nan)
        return [Group("labels", [_bar(words(n), p, t) for n, p, t in zip(tree.label_names, values[0], known)])]
    fractions = board_values(tree, predictions_of(predictions, row))["hierarchical"]
    follows = views.on_path(tree, views.top_answers(tree, fractions))[0]
    if open_:
        top = views.top_answers(tree, true[None])
        follows = follows | (views.on_path(tree, top) & (top >= 0))[0]
    names = [q.name for q in tree.questions if (q.name not in tree.scored_questions) == rest]
    return [_question(tree, name, fractions[0], true) for name in names if follows[tree.question_index[name]]]


def _question(tree: Tree, name: str, predicted: np.ndarray, true: np.ndarray) -> Group:
    """Return the bars of one question; of a yes or no, the yes alone says all."""
    columns, answers = tree.slices[name], tree.question(name).answers
    bars = [_bar(words(a), p, t) for a, p, t in zip(answers, predicted[columns], true[columns])]
    if answers == ("yes", "no"):
        return Group("", [Bar(words(name), bars[0].predicted, bars[0].true)])
    return Group(words(name), bars)


def predictions_of(predictions: Predictions, row: int) -> Predictions:
    """Return the predictions for one galaxy."""
    return Predictions(
        predictions.task, predictions.edition, predictions.content_hash, predictions.split_hash, predictions.seed,
        (predictions.names[row],), predictions.values[row : row + 1],
    )  # fmt: skip


def _bar(label: str, predicted: float, true: float) -> Bar:
    return Bar(label, float(predicted), None if np.isnan(true) else float(true))


@dataclass(frozen=True)
class Judged:
    """A model's answers to all galaxies of its task: ``sure`` in 0..1, ``right`` and ``known`` bool, a verdict each.

    ``answers`` are the answers alone, in words.
    """

    sure: np.ndarray
    right: np.ndarray
    known: np.ndarray
    verdicts: list[str]
    answers: list[str]


def judge(truth: Truth, predictions: Predictions, board: str | None = None) -> Judged:
    """Judge predictions as a board asks (their own if None): the class, all asked labels, or the path through the tree.

    A likelihood has no right and wrong: on the votes board the class is judged that follows from the fractions.
    """
    values = board_values(truth.tree, predictions)
    task = board or predictions.task
    if task in ("multiclass", "votes"):
        p = values["multiclass"]
        guess, sure = p.argmax(axis=1), p.max(axis=1)
        label = truth.classes.label
        answers = [CLASSES[g] for g in guess]
        return Judged(sure, np.equal(guess, label), label >= 0, _sure(answers, sure), answers)
    if task == "multilabel":
        # Which labels are known is the volunteers' word too.
        p, asked = values["multilabel"], truth.labels_asked if truth.terms.may_publish_votes else np.True_
        asked = np.broadcast_to(asked, p.shape)
        distance = np.where(asked, 2 * np.abs(p - views.LABEL_THRESHOLD), np.nan)
        sure = np.nanmin(np.where(asked.any(axis=1, keepdims=True), distance, 0.0), axis=1)
        said = views.label_decisions(p)
        right = (said == truth.labels) | ~asked
        wrong = (~right).sum(axis=1)
        verdicts = [f"{int(a) - int(w)} of {int(a)} labels right" for a, w in zip(asked.sum(axis=1), wrong)]
        if not truth.terms.may_publish_votes:
            verdicts = [f"least certain label at {50 + 50 * s:.0f}\u00a0%" for s in sure]
        names = np.array([words(n) for n in truth.tree.label_names])
        answers = [", ".join(names[row]) or "no label" for row in said]
        return Judged(sure, np.equal(wrong, 0), np.any(asked, axis=1), verdicts, answers)
    fractions = values["hierarchical"]
    sets = path_sets(truth.tree, fractions)
    sure = np.where(sets, fractions, 1.0).prod(axis=1)
    right = (sets == path_sets(truth.tree, truth.fractions)).all(axis=1)
    answers = [_leaf(truth.tree, row) for row in sets]
    return Judged(sure, right, np.ones(len(sets), bool), _sure(answers, sure), answers)


def _sure(answers: list[str], sure: np.ndarray) -> list[str]:
    return [f"{answer}, {100 * s:.0f}\u00a0%" for answer, s in zip(answers, sure)]


def _leaf(tree: Tree, path: np.ndarray) -> str:
    """Return the answers of a predicted path in short: "smooth, round" or "featured or disc, spiral arms"."""
    names = {
        ("disk-edge-on", "yes"): "edge-on",
        ("disk-edge-on", "no"): "face-on",
        ("has-spiral-arms", "yes"): "spiral arms",
        ("has-spiral-arms", "no"): "no arms",
    }
    parts = []
    for (question, answer), on in zip(tree.answers, path):
        if on and not (question in ("merging", "odd") and answer in ("none", "no")):
            parts.append(names.get((question, answer), "odd" if question == "odd" else words(answer)))
    return ", ".join(parts)


def answer(truth: Truth, predictions: Predictions, judged: Judged, row: int) -> Answer:
    """Return what a model makes of one galaxy."""
    known = truth.terms.may_publish_votes and bool(judged.known[row])
    right = bool(judged.right[row]) if known else None
    return Answer(judged.verdicts[row], right, predicted_groups(truth, predictions, row))


def true_answer(truth: Truth, row: int, task: str) -> str:
    """Return what the volunteers say of a galaxy in the terms of a board; empty where that may not be told."""
    if not truth.terms.may_publish_votes:
        return ""
    if task == "multiclass":
        label = int(truth.classes.label[row])
        return CLASSES[label] if label >= 0 else "no class"
    if task == "multilabel":
        on = truth.labels[row] & truth.labels_asked[row]
        return ", ".join(words(n) for n, o in zip(truth.tree.label_names, on) if o) or "no label"
    if task == "hierarchical":
        return _leaf(truth.tree, path_sets(truth.tree, truth.fractions[row : row + 1])[0])
    first = truth.tree.questions[0]
    votes = truth.votes[row, truth.tree.slices[first.name]]
    most = int(votes.argmax())
    return f"{words(first.answers[most])}: {votes[most]} of {truth.totals[row, 0]} votes"


def examples(truth: Truth, judged: Judged, furthest: list[str], each: int = 6) -> dict[str, list[int]]:
    """Return rows for an entry's gallery: right and sure, wrong and sure, unsure, largest disagreement.

    ``furthest`` are the galaxies of the largest disagreement by name, as the scorer found them.

    Of an edition that may not be passed on, right and wrong would tell the volunteers' answers: surest and least
    sure are given instead.
    """
    order = np.argsort(-judged.sure, kind="stable")
    if not truth.terms.may_publish_votes:
        return {"Surest": order[:each].tolist(), "Least sure": order[::-1][:each].tolist()}
    order = order[judged.known[order]]
    right = order[judged.right[order]]
    place = {name: row for row, name in enumerate(truth.names)}
    return {
        "Right and sure": _varied(truth, right, each),
        "Wrong and sure": order[~judged.right[order]][:each].tolist(),
        "Unsure": order[::-1][:each].tolist(),
        "Largest disagreement": [place[name] for name in furthest if name in place][:each],
    }


def _varied(truth: Truth, rows: np.ndarray, each: int) -> list[int]:
    """Return the first rows of every class in turn: the surest galaxies alone are nearly all of one class."""
    label = truth.classes.label[rows]
    turn = np.zeros(len(rows), int)
    for c in np.unique(label):
        turn[label == c] = np.arange((label == c).sum())
    return rows[np.argsort(turn, kind="stable")][:each].tolist()

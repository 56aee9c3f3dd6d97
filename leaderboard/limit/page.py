"""The text of the report docs/limit.md: its tables, and the short answer, whose sentences are held to the scores."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from galaxy_zoo_decals.scoring import BOARDS
from galaxy_zoo_decals.scoring.boards import Metric
from leaderboard.files import LeaderboardError
from leaderboard.limit.standings import CEILING, EDITIONS, Edition
from leaderboard.scores import Score

PRIOR = "class prior"
PANELS = ("10 volunteers", "40 volunteers")


def number(value: float, metric: Metric, sign: str = "") -> str:
    """Return a score as the boards print it."""
    return format(value, f"{sign}{metric.format}") if math.isfinite(value) else "–"


def spanned(score: Score, metric: Metric) -> str:
    """Return a score with its interval."""
    value, low, high = (number(v, metric) for v in score.metrics[metric.name])
    return f"{value} [{low}, {high}]"


def ends(band: tuple[float, float], form: str = ".3f") -> str:
    """Return a band by its ends, or one number."""
    if not all(map(math.isfinite, band)):
        return "–"
    return " to ".join(dict.fromkeys(format(v, form) for v in band))


def table(head: Iterable[str], rows: Iterable[Iterable[str]], left: int = 1) -> list[str]:
    """Return a Markdown table whose first columns stand left."""
    head = list(head)
    marks = ["---"] * left + ["--:"] * (len(head) - left)
    return ["", *(f"| {' | '.join(row)} |" for row in (head, marks, *map(list, rows))), ""]


def against_ceiling(edition: Edition) -> list[str]:
    """Return the table of all models on four classes, beside panels of volunteers and the ceiling."""
    metrics = [BOARDS["multiclass"].metrics[name] for name in ("accuracy", "macro_f1", "clear_accuracy")]
    rows = [
        [edition.entries[name].title, *(spanned(score, metric) for metric in metrics)]
        for name, score in edition.on("multiclass").items()
    ]
    for title in (CEILING, *PANELS[::-1], PRIOR):
        rows.append([f"*{title}*", *(ends(edition.band("multiclass", m.name, title)) for m in metrics)])
    return table(["", *(m.title for m in metrics)], rows)


def by_row(edition: Edition, board: str, column: str, word: str) -> list[str]:
    """Return a table of a board's classes, labels or questions: every model, ten volunteers, the ceiling."""
    models = edition.on(board)
    first = next(iter(models.values()))
    rows = []
    for place, row in enumerate(first.rows):
        if not row["counted"]:
            continue
        found = (float(score.rows[place][column]) for score in models.values())
        panel = ends(edition.band_of(board, row["name"], column, PANELS[0]))
        top = ends(edition.band_of(board, row["name"], column))
        n = row.get("positives", row["n"])
        rows.append([row["name"], f"{n:,}", *(f"{v:.3f}" if math.isfinite(v) else "–" for v in found), panel, top])
    return table([word, "galaxies", *(edition.entries[name].title for name in models), PANELS[0], CEILING], rows)


Pair = tuple[str, str, str, str]
"""Folders of the runs of two entries, a board, a metric."""

ONE_NETWORK: tuple[Pair, ...] = (
    ("dirichlet", "efficientnetv2", "multiclass", "macro_f1"),
    ("dirichlet", "efficientnetv2", "multiclass", "accuracy"),
    ("dirichlet", "multiclass", "multiclass", "macro_f1"),
    ("dirichlet", "multilabel", "multilabel", "macro_map"),
    ("dirichlet", "hierarchical", "hierarchical", "hierarchical_f1"),
    ("dirichlet-of-three", "dirichlet", "votes", "nll"),
    ("dirichlet-of-three", "dirichlet", "multiclass", "macro_f1"),
)

TRANSFER: tuple[Pair, ...] = tuple(
    (first, "dirichlet", board, BOARDS[board].primary)
    for first in ("dirichlet-from-simulated", "dirichlet-grey")
    for board in BOARDS
)


def differences(edition: Edition, pairs: Iterable[Pair]) -> list[str]:
    """Return a table of paired differences; pairs of which one is not there are left out."""
    rows = []
    for first, second, board, name in pairs:
        if (found := edition.difference(first, second, board, name)) is not None:
            metric = BOARDS[board].metrics[name]
            value, low, high = (number(v, metric, "+") for v in (found.value, found.low, found.high))
            what = f"{metric.title}{'' if metric.higher_is_better else ' (less is better)'}"
            titles = [edition.entries[entry].title for entry in (first, second)]
            rows.append([*titles, what, f"{value} [{low}, {high}]", found.verdict])
    return table(["", "less", "score", "difference", "the first is"], rows, left=5) if rows else []


def learning(rows: list[dict[str, Any]]) -> list[str]:
    """Return a table of scores by the number of training galaxies, of the primary metric of every board."""
    chosen = [r for r in rows if r["metric"] == BOARDS[r["board"]].primary]
    columns = list(dict.fromkeys((r["model"], r["board"]) for r in chosen))
    sizes = sorted({r["galaxies"] for r in chosen})

    def cell(size: int, model: str, board: str) -> str:
        found = [r for r in chosen if (r["galaxies"], r["model"], r["board"]) == (size, model, board)]
        form = BOARDS[board].metrics[BOARDS[board].primary].format
        if not found:
            return ""
        text = f"{found[0]['mean']:{form}} [{found[0]['low']:{form}}, {found[0]['high']:{form}}]"
        told = any(less["than"] == model and less["apart"] for less in found[0]["less"])
        return f"**{text}**" if told else text

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
    return table(["", classes["ece"].title, votes["coverage_50"].title, votes["coverage_90"].title], rows)


def confused(edition: Edition, most: int = 3) -> list[str]:
    """Return a table of the commonest mistakes of every model of four classes."""
    rows = []
    for name, score in edition.on("multiclass").items():
        labels, counts = score.confusions["class"]
        c = np.array(counts, float)
        wrong = [(c[i, j], i, j) for i in range(len(c)) for j in range(len(c)) if i != j]
        said = [
            f"{labels[i]} called {labels[j]} ({n / c.sum():.1%} of galaxies, {n / c[i].sum():.0%} of its class)"
            for n, i, j in sorted(wrong, reverse=True)[:most]
        ]
        rows.append([edition.entries[name].title, f"{1 - np.trace(c) / c.sum():.1%}", *said])
    return table(["", "wrong", *(f"{word} commonest" for word in ("", "second", "third"))], rows, left=5)


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


def text(editions: dict[str, Edition], curve: list[dict[str, Any]]) -> str:
    """Return the report as Markdown."""
    real, simulated = (editions[name] for name in EDITIONS)
    lines = [
        "# Is 80 % the data's limit?",
        "",
        "Students trained four networks on the votes of Galaxy Zoo and could not get past about 80 % of four classes. "
        "Is it the network that does not see more, or the volunteers who do not agree on more? Every number here is "
        "computed by `make report` from the stored scores of committed predictions. A score is the mean over trainings "
        "with the 95 % interval of which galaxies were tested; a difference is paired, on the same galaxies, and "
        "counts as *better* or *worse* only if its interval excludes zero and it is told from the spread of the "
        "trainings too, as on the boards. The *noise ceiling* is what an oracle scores that knows every galaxy and is "
        "judged by the same few volunteers; on gz2 the numbers of votes are not published, so that it is a band over "
        "20, 40 and 60 assumed. Simulated galaxies are not DECaLS galaxies: on them the truth is known.",
        "",
        *answer(real, simulated, curve),
        "",
        "## Against the ceiling",
        "",
        "![models, ten volunteers and the noise ceiling](limit-ceiling.svg)",
    ]
    for edition in editions.values():
        lines += ["", f"**{edition.title}**, {edition.galaxies:,} test galaxies, four classes:"]
        lines += against_ceiling(edition)
        lines += ["F1 of each class:", *by_row(edition, "multiclass", "f1", "class")]
        lines += ["Accuracy on each question, where it was asked:", *by_row(edition, "votes", "accuracy", "question")]
    lines += [
        "## What one network for all answers adds",
        "",
        "The Dirichlet model and EfficientNet-Lite0 have the same backbone, first weights and settings; they differ in "
        "what they learn: all answers with the likelihood of the votes, or four classes. The plain CNNs are smaller "
        "and begin with random weights, so that against them three things differ at once.",
    ]
    for edition in editions.values():
        lines += ["", f"**{edition.title}**:", *differences(edition, ONE_NETWORK)]
    lines += [
        "## What transfer and colour add",
        "",
        "First weights from simulated galaxies, and the mean of the three channels in place of colours, against the "
        "same Dirichlet model from ImageNet in colour.",
        *differences(real, TRANSFER),
        "What simulated galaxies teach without any real one: "
        "[simulation-transfer.md](evidence/simulation-transfer.md).",
        "",
        "## How little data suffices",
        "",
        "![scores by the number of training galaxies](evidence/learning-curve.svg)",
        "",
        "Trained on fewer galaxies of gz2 ([learning-curve.md](evidence/learning-curve.md)). Bold: told from the same "
        "model on all of them.",
        *learning(curve),
        "## How far the probabilities can be believed",
        "",
        "![reliability](limit-calibration.svg)",
        "",
        "The error of calibration of the four classes, and how often the 50 and 90 % intervals of the predicted votes "
        "hold the volunteers' counts (0.5 and 0.9 if calibrated). All models of four classes learn the shares of the "
        "volunteers, so that 0.6 means that six of ten would say so; the class that is asked for is the one most of "
        "them name, and that is named more surely than each of them names it. So their probabilities of it are too "
        "low by construction (the points lie above the line), and the error of calibration says how much.",
    ]
    for edition in editions.values():
        lines += ["", f"**{edition.title}**:", *calibration(edition)]
    lines += ["## Where each fails", ""]
    for edition in editions.values():
        lines += [f"**{edition.title}**, mistakes on four classes over all trainings:", *confused(edition)]
        if rows := strata(edition, "dirichlet"):
            lines += [f"{edition.entries['dirichlet'].title} by quarters of the test galaxies:", *rows]
    lines += ["## What was not run", "", *missing(editions)]
    return "\n".join(lines) + "\n"


def missing(editions: dict[str, Edition]) -> list[str]:
    """Return what the plan holds and nobody has trained yet."""
    named = [f"- {edition.key[0]}: {name}" for edition in editions.values() for name in edition.missing]
    return [
        "Entries of benchmark/boards.yaml that do not stand yet (`make boards` makes them):" if named else
        "All entries of benchmark/boards.yaml stand.",
        "",
        *named,
        *([""] if named else []),
        "Nothing here ran on a GPU: networks are small and images 64 or 96 px, and so says every entry's page. The "
        "recipe `paper`, the large EfficientNetV2-M and images of 224 px are ready and were not trained to their end.",
    ]  # fmt: skip


def answer(real: Edition, simulated: Edition, curve: list[dict[str, Any]]) -> list[str]:
    """Return the short answer; raises LeaderboardError where the scores do not bear it out."""
    said = []
    best, score = next(iter(real.on("multiclass").items()))
    value, low, high = score.metrics["accuracy"]
    ceiling = real.band("multiclass", "accuracy")
    _claim(high < ceiling[0], "the best model's accuracy on real galaxies is below the ceiling")
    clear, share = (score.metrics[name][0] for name in ("clear_accuracy", "clear_share"))
    divided = 1 - share * (1 - clear) / (1 - value)
    said.append(
        f"**No: the volunteers allow more.** On real galaxies the best entry ({real.entries[best].title}) names the "
        f"volunteers' class of {value:.1%} [{low:.1%}, {high:.1%}]; the oracle would of {ends(ceiling, '.1%')}, a "
        f"panel of ten volunteers of {ends(real.band('multiclass', 'accuracy', PANELS[0]), '.1%')}. On simulated "
        f"galaxies it is {_accuracy(simulated)}. Where volunteers agree (more than 0.6 for one class) the best entry "
        f"is right in {clear:.1%}; {divided:.0%} of its mistakes are on galaxies on which they are divided, where a "
        "model has to know how divided."
    )
    said.append(
        f"**What is missing are details.** Furthest from the ceiling are, of the questions on real galaxies, "
        f"{_furthest(real)}; on simulated ones {_furthest(simulated)}. Of the classes {_commonest(real)}."
    )
    both = {e.key[0]: e.difference("dirichlet", "efficientnetv2", "multiclass", "accuracy") for e in (real, simulated)}
    shown = [f"{name} {d.verdict} ({d.value:+.3f} [{d.low:+.3f}, {d.high:+.3f}])" for name, d in both.items() if d]
    said.append(
        "**One network for all answers is at least as good as those made for one board.** Against a network of the "
        f"same backbone, weights and settings that learns the four classes alone, its accuracy is on {_list(shown)}. "
        f"Against the smaller CNNs made for labels and tree: {_lists(real, simulated)}."
    )
    said.append(
        f"**In volunteers** it is worth {_worth(real)} on gz2 and {_worth(simulated)} on simulated galaxies: as much "
        "as the mean of so many answers to smooth-or-featured."
    )
    for first, words in (("dirichlet-from-simulated", "First weights from simulated galaxies"),
                         ("dirichlet-grey", "Without colours")):  # fmt: skip
        found = [(b, real.difference(first, "dirichlet", b, BOARDS[b].primary)) for b in BOARDS]
        parts = [f"{BOARDS[board].title.lower()} {d.verdict}" for board, d in found if d]
        if parts:
            said.append(f"**{words}**, on real galaxies: {_list(parts)}.")
    if few := _few(curve):
        said.append(few)
    return [f"{number_}. {text}" for number_, text in enumerate(said, 1)]


def _claim(right: bool, words: str) -> None:
    """Raise LeaderboardError unless the scores bear out what the report says."""
    if not right:
        raise LeaderboardError(f"the scores no longer say that {words}: leaderboard/limit.py has to say it otherwise.")


def _accuracy(edition: Edition) -> str:
    score = next(iter(edition.on("multiclass").values()))
    value, low, high = score.metrics["accuracy"]
    ceiling = edition.band("multiclass", "accuracy")
    _claim(high < ceiling[0], f"the best model's accuracy on {edition.key[0]} is below the ceiling")
    return f"{value:.1%} [{low:.1%}, {high:.1%}] of {ends(ceiling, '.1%')}"


def _furthest(edition: Edition, most: int = 3) -> str:
    """Return the questions on which the Dirichlet model is furthest below the ceiling (its lower end)."""
    score = edition.score("dirichlet", "votes")
    if score is None:
        raise LeaderboardError(f"the Dirichlet model does not stand on {edition.key[0]}: make boards.")
    rows = [r for r in score.rows if r["counted"]]
    gaps = [(edition.band_of("votes", r["name"], "accuracy")[0] - r["accuracy"], r) for r in rows]
    gaps.sort(key=lambda item: -item[0])
    words = [f"{r['name']} ({r['accuracy']:.2f} of {r['accuracy'] + gap:.2f})" for gap, r in gaps[:most]]
    return _list(words)


def _commonest(edition: Edition) -> str:
    score = edition.score("dirichlet", "multiclass")
    labels, counts = score.confusions["class"] if score else ((), ())
    c = np.array(counts, float)
    wrong = c - np.diag(np.diag(c))
    i, j = np.unravel_index(wrong.argmax(), wrong.shape)
    return f"the commonest mistake is a {labels[i]} called {labels[j]} ({wrong[i, j] / c[i].sum():.0%} of its class)"


def _lists(*editions: Edition) -> str:
    parts = []
    for edition in editions:
        for second, board in (("multilabel", "multilabel"), ("hierarchical", "hierarchical")):
            d = edition.difference("dirichlet", second, board, BOARDS[board].primary)
            if d is not None:
                _claim(d.verdict != "worse", f"the Dirichlet model is not worse on {board} of {edition.key[0]}")
                span = f"{d.value:+.3f} [{d.low:+.3f}, {d.high:+.3f}]"
                parts.append(f"{d.verdict} on {BOARDS[board].title.lower()} of {edition.key[0]} ({span})")
    return _list(parts)


def _worth(edition: Edition) -> str:
    score = edition.score("dirichlet", "votes")
    if score is None:
        return "nothing that is known"
    assumed = score.curves.get("assumed", [])
    if assumed:
        values = [row["value"] for row in assumed]
        return f"{min(values):.1f} to {max(values):.1f} volunteers (a band over assumed votes)"
    value, low, high = score.metrics["equivalent_volunteers"]
    return f"{value:.1f} [{low:.1f}, {high:.1f}] volunteers"


def _few(curve: list[dict[str, Any]]) -> str:
    """Return what the learning curves say of the smallest sets, "" where there are none."""
    mine = [r for r in curve if r["edition"] == "gz2" and (r["board"], r["metric"]) == ("multiclass", "macro_f1")]
    if not mine:
        return ""
    titles = list(dict.fromkeys(r["model"] for r in mine))
    parts = []
    for title in titles:
        row = min((r for r in mine if r["model"] == title), key=lambda r: r["galaxies"])
        whole = max((r for r in mine if r["model"] == title), key=lambda r: r["galaxies"])
        parts.append(f"{title} reaches {row['mean']:.2f} macro F1 of {whole['mean']:.2f} with {whole['galaxies']:,}")
    least = min(r["galaxies"] for r in mine)
    said = f"**{least:,} galaxies go far.** Trained on {least:,} of them, {_list(parts)}."
    first, second = titles[0], titles[-1]
    enough = [
        r["galaxies"]
        for r in mine
        if r["model"] == first and any(d["than"] == second and (not d["apart"] or d["value"] > 0) for d in r["less"])
    ]
    if enough:
        said += f" The first is not told from the second on all galaxies, or is better, from {min(enough):,} on."
    return said


def _list(words: list[str]) -> str:
    """Return words as a list in a sentence."""
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)

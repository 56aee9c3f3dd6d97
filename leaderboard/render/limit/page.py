"""The text of the report docs/limit.md."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from galaxy_zoo_decals.atomic import put_file
from galaxy_zoo_decals.scoring import BOARDS
from galaxy_zoo_decals.sources.gz2 import ROOT_VOTES
from leaderboard.files import ROOT
from leaderboard.render.limit import figures, tables
from leaderboard.render.limit.answer import answer, gap
from leaderboard.render.limit.standings import EDITIONS, Edition
from leaderboard.render.limit.tables import listed
from leaderboard.render.real_votes import RealVotes

DOCS = ROOT / "docs"
CURVE = DOCS / "evidence" / "learning-curve.json"


def write(
    folder: Path, editions: dict[str, Edition], curve: list[dict[str, Any]], real: RealVotes | None = None
) -> Path:
    """Write limit.md and its figures to a folder, all beside and then renamed; returns the page."""
    words = text(editions, curve, real)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".limit.", suffix=".partial") as work:
        for name, draw in figures.FIGURES.items():
            draw(editions, Path(work, name))
        Path(work, "limit.md").write_text(words, encoding="utf-8")
        for made in Path(work).iterdir():
            put_file(made, folder / made.name)
    return folder / "limit.md"


def _chosen(editions: dict[str, Edition]) -> str:
    """Say of how many entries the best was chosen, and by how much that flatters it."""
    told = []
    for edition in editions.values():
        counts = {board: len(edition.on(board)) for board in BOARDS}
        several = [board for board in BOARDS if counts[board] > 1]
        words = []
        for board in several:
            metric = BOARDS[board].metrics[BOARDS[board].primary]
            words.append(f"{edition.flattered(board):+{metric.format}} {metric.title} of {counts[board]}")
        told.append(f"on {edition.title.partition(':')[0]} {', '.join(words)}")
    return (
        "An entry called *the best* was chosen from all of its board on the galaxies that it is scored on, which "
        f"flatters it by about ({'; '.join(told)} entries): the best of every bootstrap draw against its own score."
    )


def _as_shown(curve: list[dict[str, Any]], editions: dict[str, Edition]) -> list[dict[str, Any]]:
    """Return the rows of the learning curves with the names that entries are shown by: they hold the submitted ones."""
    names = {e.submission.name: e.title for page in editions.values() for e in page.entries.values() if e.submission}

    def shown(name: str) -> str:
        return names.get(name, name)

    return [
        row | {"model": shown(row["model"]), "less": [one | {"than": shown(one["than"])} for one in row["less"]]}
        for row in curve
    ]


def text(editions: dict[str, Edition], curve: list[dict[str, Any]], real: RealVotes | None = None) -> str:
    """Return the report as Markdown."""
    kaggle, simulated = (editions[name] for name in EDITIONS)
    curve = _as_shown(curve, editions)
    lines = [
        "# Is 80 % the data's limit?",
        "",
        "Students trained four networks on Galaxy Zoo DECaLS and could not get past about 80 % of four classes. Is "
        "it the network that does not see more, or the volunteers who do not agree on more? Every number here is "
        "computed by `make report` from the stored scores of committed predictions. A score is the mean over "
        "trainings with the 95 % interval of which galaxies were tested; a difference is paired, on the same "
        "galaxies, and counts as *better* or *worse* only if its interval excludes zero and the two share no tie "
        "letter on their board, where the spread of the trainings counts too and all pairs hold together. They do "
        "within one board: of many claims over several boards and editions, some may be wrong by chance. "
        f"{_chosen(editions)} The *noise ceiling* is what an oracle scores that knows every galaxy and is judged by "
        "the same few volunteers; there is one where votes of volunteers are counted. Simulated galaxies are not "
        "DECaLS galaxies: on them the truth is known. The Kaggle galaxies are real, but the challenge published no "
        "votes of them: its values are the debiased likelihoods of Willett et al. 2013, fractions moved by a "
        f"correction for redshift, size and luminosity. To score them, counts are made of them for {ROOT_VOTES} "
        "assumed votes. How well a model predicts them is a fair comparison of models, and says nothing of "
        "volunteers: no ceiling, no panel and no number of volunteers can be given there.",
        "",
        *answer(kaggle, simulated, curve, real),
        "",
        *(_real(real) if real is not None else []),
        "## How the models score, and the ceiling where there is one",
        "",
        "![models, ten volunteers and the noise ceiling on simulated galaxies](limit-ceiling.svg)",
    ]
    for edition in editions.values():
        lines += ["", f"**{edition.title}**, {edition.galaxies:,} test galaxies, four classes:"]
        lines += tables.four_classes(edition)
        lines += ["F1 of each class:", *tables.by_row(edition, "multiclass", "f1", "class")]
        lines += [
            "Accuracy on each question, where it was asked:",
            *tables.by_row(edition, "votes", "accuracy", "question"),
        ]
    lines += [
        "## What one network for all answers adds",
        "",
        "The Dirichlet model and the EfficientNet-Lite0 whose classes are not balanced have the same backbone, first "
        "weights and settings; they differ in what they learn alone: all answers with the likelihood of the votes, or "
        "the shares of four classes. The other EfficientNet-Lite0 draws rare classes more often. "
        "The plain CNNs are smaller and begin with random weights, so that against them three things differ at once.",
    ]
    for edition in editions.values():
        if rows := tables.differences(edition, tables.ONE_NETWORK):
            lines += ["", f"**{edition.title}**:", *rows]
    lines += [
        "Three trainings together, against the mean of the same three (only the galaxies vary, so that nothing is said "
        "of three others):",
    ]
    for edition in editions.values():
        if rows := tables.differences(edition, tables.TOGETHER):
            lines += ["", f"**{edition.title}**:", *rows]
    lines += [
        "## What transfer and colour add",
        "",
        "First weights from simulated galaxies, and the mean of the three channels in place of colours, against the "
        "same Dirichlet model from ImageNet in colour. Whoever was trained on simulated galaxies first was trained for "
        "longer, too: the model of 17 epochs has seen as many images, all of them real.",
        *tables.differences(kaggle, tables.TRANSFER),
        "What simulated galaxies teach without any real one: "
        "[simulation-transfer.md](evidence/simulation-transfer.md).",
        "",
        "## How little data suffices",
        "",
        "![scores by the number of training galaxies](evidence/learning-curve.svg)",
        "",
        "Trained on fewer galaxies ([learning-curve.md](evidence/learning-curve.md)). Bold: told from the same model "
        "on all of them.",
    ]
    for edition in editions.values():
        if rows := tables.learning(curve, edition.key[0]):
            lines += ["", f"**{edition.title}**:", *rows]
    lines += [
        "## What is missing on simulated galaxies",
        "",
        *gap(simulated, curve),
        "",
        "## How far the probabilities can be believed",
        "",
        "![reliability](limit-calibration.svg)",
        "",
        "The expected calibration error of the four classes, and how often the 50 and 90 % intervals of the "
        "predicted votes hold the counts (0.5 and 0.9 if calibrated; where votes are assumed that rests on their "
        "number). Models of four classes learn the shares, and a share is not the probability that the class has the "
        "largest one, which is what is asked here: a class with a share of 0.6 nearly always has. So they say less "
        "than they know (the points lie above the line); of those that draw rare classes more often that is true in "
        "part only.",
    ]
    for edition in editions.values():
        lines += ["", f"**{edition.title}**:", *tables.calibration(edition)]
    lines += ["## Where each fails", ""]
    for edition in editions.values():
        lines += [f"**{edition.title}**, mistakes on four classes over all trainings:", *tables.confused(edition)]
        if rows := tables.strata(edition, "dirichlet"):
            lines += [f"{edition.entries['dirichlet'].title} by quarters of the test galaxies:", *rows]
    lines += ["## What was not run", "", *missing(editions)]
    return "\n".join(lines) + "\n"


def _real(real: RealVotes) -> list[str]:
    """Return the section of the galaxies whose votes are known."""
    head = ("", *real.columns)
    return [
        "## On real votes",
        "",
        f"{real.galaxies} galaxies of Galaxy Zoo 2 with the answers of their volunteers, none of them among the "
        "pictures that the models were trained on. The models were trained on the Kaggle galaxies, three times each, "
        "and then met these: *zero-shot* as they were, *recalibrated* by one scale a question and one shift an "
        "answer, *finetuned* in five folds, so that each galaxy is predicted by a model that never saw its votes. "
        "How it was done, the two computations of the ceiling, every question, and how much of a Kaggle value a "
        "picture can show: [real-votes.md](evidence/real-votes.md).",
        "",
        f"| {' | '.join(head)} |",
        f"| --- |{' --: |' * (len(head) - 1)}",
        *(f"| {' | '.join(row)} |" for row in real.table()),
        "",
    ]


def missing(editions: dict[str, Edition]) -> list[str]:
    """Return what the plan holds and nobody has trained yet, and on what the rest was trained."""
    named = [f"- {edition.key[0]}: {name}" for edition in editions.values() for name in edition.missing]
    runs = [t.run for edition in editions.values() for entry in edition.entries.values() for t in entry.trained]
    devices = sorted({"a CPU" if run.device.startswith("CPU") else run.device for run in runs})
    sides = [f"{side}" for side in sorted({run.resolution for run in runs if run.resolution})]
    recipes = sorted({run.recipe_name for run in runs})
    none = [word for word in ("student", "best") if word not in recipes]
    return [
        "Entries of benchmark/boards.yaml that do not stand yet (`make boards` makes them):" if named else
        "All entries of benchmark/boards.yaml stand.",
        "",
        *named,
        *([""] if named else []),
        f"All entries here were trained on {listed(devices)}, with images of {listed(sides)} px and the recipe "
        f"{listed([f'`{word}`' for word in recipes])}{''.join(f'; none with `{word}`' for word in none)}. "
        "Galaxy Zoo DECaLS itself has no entry yet ([how to make them](reproducing.md#galaxy-zoo-decals-itself)).",
    ]  # fmt: skip

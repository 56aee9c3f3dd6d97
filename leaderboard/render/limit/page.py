"""The text of the report docs/limit.md."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from galaxy_zoo_decals.atomic import put_file
from galaxy_zoo_decals.scoring import BOARDS
from galaxy_zoo_decals.sources.kaggle import ROOT_VOTES
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
        "An entry called *the best* was selected from all entries of its board on the galaxies that it is scored on. "
        f"This makes its score too good by about ({'; '.join(told)} entries): the best of every bootstrap draw "
        "compared with its own score."
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
        "Students trained four networks on Galaxy Zoo DECaLS and did not exceed an accuracy of about 80 % on four "
        "classes. Is the network the limit, or do the volunteers not agree on more? `make report` computes every "
        "number here from the stored scores of committed predictions. A score is the mean over trainings, with the "
        "95 % interval over test galaxies. A difference is paired, on the same galaxies. It counts as *better* or "
        "*worse* only if its interval excludes zero and the two entries share no tie letter on their board. The "
        "letters include the seed standard deviation and hold for all pairs of one board together. Among many claims "
        "over several boards and editions, some may be wrong by chance. "
        f"{_chosen(editions)} The *noise ceiling* is the score of an oracle that knows the true vote fractions of "
        "every galaxy and is scored on an equally small volunteer sample. It exists where votes of volunteers are "
        "counted. Simulated galaxies are not DECaLS galaxies, but their truth is known. The Kaggle galaxies are real, "
        "but the challenge published no votes of them. Its values are the debiased likelihoods of Willett et al. "
        "2013: vote fractions shifted by a correction for redshift, size and luminosity. For scoring, counts are "
        f"computed from them for {ROOT_VOTES} assumed votes. How well a model predicts them is a fair comparison of "
        "models, but says nothing about volunteers: no ceiling, no volunteer sample and no number of volunteers can "
        "be given there.",
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
        "The Dirichlet model and the EfficientNet-Lite0 without class balance have the same backbone, initial weights "
        "and settings. They differ only in what they learn: all answers with the likelihood of the votes, or the "
        "shares of four classes. The other EfficientNet-Lite0 draws rare classes more often. The plain CNNs are "
        "smaller and start from random weights, so in the comparison with them three things differ at once.",
    ]
    for edition in editions.values():
        if rows := tables.differences(edition, tables.ONE_NETWORK):
            lines += ["", f"**{edition.title}**:", *rows]
    lines += [
        "An ensemble of three trainings, compared with the mean of the same three (only the galaxies vary, so this "
        "says nothing about three other trainings):",
    ]
    for edition in editions.values():
        if rows := tables.differences(edition, tables.TOGETHER):
            lines += ["", f"**{edition.title}**:", *rows]
    lines += [
        "## What transfer and colour add",
        "",
        "Initial weights from simulated galaxies, and the mean of the three channels instead of colours, compared with "
        "the same Dirichlet model from ImageNet in colour. A model that was trained on simulated galaxies first was "
        "also trained for longer. The model with 17 epochs has seen the same number of images, all of them real.",
        *tables.differences(kaggle, tables.TRANSFER),
        "The results of training on simulated galaxies alone: "
        "[simulation-transfer.md](evidence/simulation-transfer.md).",
        "",
        "## How little data suffices",
        "",
        "![scores by the number of training galaxies](evidence/learning-curve.svg)",
        "",
        "Trained on fewer galaxies ([learning-curve.md](evidence/learning-curve.md)). Bold: "
        "significantly different from the same model on all of them.",
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
        "The tables show the expected calibration error of the four classes, and how often the 50 and 90 % intervals "
        "of the predicted votes contain the counts (0.5 and 0.9 if calibrated; where votes are assumed, this depends "
        "on their number). Models of four classes learn the class shares. A share is not the probability that the "
        "class has the largest share, which is tested here: a class with a share of 0.6 nearly always has the largest "
        "one. So these models are underconfident (the points lie above the line). For models that draw rare classes "
        "more often, this is only partly true.",
    ]
    for edition in editions.values():
        lines += ["", f"**{edition.title}**:", *tables.calibration(edition)]
    lines += ["## Where each fails", ""]
    for edition in editions.values():
        lines += [f"**{edition.title}**, mistakes on four classes over all trainings:", *tables.confused(edition)]
        if rows := tables.strata(edition, "dirichlet"):
            lines += [f"{edition.entries['dirichlet'].title} per quarter of the test galaxies:", *rows]
    lines += ["## What was not run", "", *missing(editions)]
    return "\n".join(lines) + "\n"


def _real(real: RealVotes) -> list[str]:
    """Return the section of the galaxies whose votes are known."""
    head = ("", *real.columns)
    return [
        "## On real votes",
        "",
        f"The test set is {real.galaxies} galaxies of Galaxy Zoo 2 with the answers of their volunteers. None of them "
        "is among the training images. Each model was trained three times on the Kaggle galaxies and then tested on "
        "these. There are three conditions. *Zero-shot*: the model is used as trained. *Recalibrated*: the log "
        "probabilities get one scale per question and one shift per answer. *Finetuned*: the model is finetuned in "
        "five folds, and each galaxy is predicted by a model that never saw its votes. The method, the two "
        "computations of the ceiling, every question, and how much of a Kaggle value an image can show are in "
        "[real-votes.md](evidence/real-votes.md).",
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
        "Entries of benchmark/boards.yaml that do not exist yet (`make boards` makes them):" if named else
        "All entries of benchmark/boards.yaml exist.",
        "",
        *named,
        *([""] if named else []),
        f"All entries here were trained on {listed(devices)}, with images of {listed(sides)} px and the recipe "
        f"{listed([f'`{word}`' for word in recipes])}{''.join(f'; none with `{word}`' for word in none)}. "
        "Galaxy Zoo DECaLS itself has no entry yet ([how to make them](reproducing.md#galaxy-zoo-decals-itself)).",
    ]  # fmt: skip

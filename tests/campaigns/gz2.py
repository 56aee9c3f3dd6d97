"""Every model on the galaxies of the Kaggle challenge, three trainings each: `make campaign-gz2 GZ2=FOLDER`.

Prepares the edition gz2 from the Kaggle challenge's files if it is not there, trains what is not trained yet on a CPU
(hours; it can be interrupted and goes on), and writes docs/evidence/gz2.{json,md} from the prediction files.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark import plan
from benchmark.recipes import MODELS
from galaxy_zoo_decals import views
from galaxy_zoo_decals.edition import Edition, available
from galaxy_zoo_decals.predictions import Predictions
from galaxy_zoo_decals.predictions import read as read_predictions
from galaxy_zoo_decals.schema import CLASSES, GZ2
from galaxy_zoo_decals.scoring import BOARDS, Result, Truth, references, score
from galaxy_zoo_decals.sources.kaggle import ROOT_VOTES, TABLE, class_columns
from leaderboard.entry import run_json

ROOT = Path(__file__).parents[2]
OUT = ROOT / "docs" / "evidence"

PLAN = plan.read()
"""Where the settings stand: what is measured here are the leaderboard's entries on gz2."""
SEEDS, TOGETHER = tuple(PLAN.seeds), "dirichlet-of-three"

MERGED: dict[str, tuple[tuple[str, ...], ...]] = {
    "with and without arms together": (("elliptical",), ("spiral", "lenticular"), ("irregular",)),
    "no arms together": (("elliptical", "lenticular"), ("spiral",), ("irregular",)),
}
"""Coarser classes: what is left of the errors where two classes that are easily confused are one."""

SHOWN: dict[str, tuple[str, ...]] = {
    "multiclass": ("macro_f1", "accuracy", "clear_accuracy", "nll"),
    "multilabel": ("macro_map", "macro_f1", "subset_accuracy"),
    "hierarchical": ("hierarchical_f1", "exact_path", "conditional_accuracy"),
    "votes": ("nll", "mae", "accuracy", "coverage_90"),
}


def main() -> None:
    """Train what is missing and write the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("source", type=Path, help="folder with the challenge's files")
    parser.add_argument("--report", action="store_true", help="train nothing, write the tables of what is trained")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs", help="folder of the runs of all editions")
    args = parser.parse_args()
    if "gz2" not in available():
        program = shutil.which("galaxy-zoo-decals", path=str(Path(sys.executable).parent)) or "galaxy-zoo-decals"
        subprocess.run([program, "prepare", "gz2", "--source", str(args.source)], check=True)
    folder = args.runs.resolve()
    for entry in () if args.report else PLAN.entries:
        if entry.edition == "gz2" and entry.runs in (*MODELS, TOGETHER):
            plan.train(PLAN, entry, folder, plan.LEADERBOARD)
    report(Edition.open("gz2"), args.source, folder / "gz2", folder / "gz2" / TOGETHER / "seed0")


def report(edition: Edition, source: Path, folder: Path, three: Path) -> None:
    """Write the tables."""
    truth = Truth.of(edition)
    rows, facts, challenge = [], [], {}
    merged: dict[str, dict[str, list[float]]] = {}
    missing = []
    for model in MODELS:
        members = [folder / model / f"seed{seed}" for seed in SEEDS]
        if not all((member / "run.json").is_file() for member in members):
            missing.append(model)
            continue
        given = [_read(member, edition) for member in members]
        first = run_json.read(members[0] / "run.json")
        rows += _rows(first.title, [score(truth, one) for one in given])
        if given[0].task in ("multiclass", "votes"):
            merged[first.title] = {
                name: [merged_accuracy(truth, one, groups) for one in given] for name, groups in MERGED.items()
            }
        facts.append(
            {
                "entry": first.title,
                "command": first.command,
                "parameters": first.parameters,
                "device": first.device,
                "train_seconds": [run_json.read(member / "run.json").train_seconds for member in members],
                "images_per_second": [run_json.read(member / "run.json").images_per_second for member in members],
                "commit": first.git.commit if first.git else None,
            }
        )
        if model == "dirichlet":
            challenge[first.title] = [challenge_rmse(source, one) for one in given]
    together = _read(three, edition)
    title = run_json.read(three / "run.json").title
    rows += _rows(title, [score(truth, together)])
    challenge[title] = [challenge_rmse(source, together)]
    priors = references(truth)
    rows += [row for board in BOARDS for row in _rows("class prior", [{board: priors[board]["class prior"]}])]
    OUT.joinpath("gz2.json").write_text(
        json.dumps({"scores": rows, "runs": facts, "challenge_rmse": challenge, "merged_accuracy": merged}, indent=1)
        + "\n"
    )
    OUT.joinpath("gz2.md").write_text(_markdown(rows, facts, challenge, merged, missing, truth), encoding="utf-8")


def _read(run: Path, edition: Edition) -> Predictions:
    (path,) = (run / "predictions" / edition.name).rglob("*.parquet")
    return read_predictions(path, edition.tree)


def _rows(title: str, results: list[dict[str, Result]]) -> list[dict[str, object]]:
    """Return a row for every metric shown: the mean over trainings, their spread, and the interval of sampling."""
    rows = []
    for board in results[0]:
        for name in SHOWN[board]:
            found = [result[board].metrics[name] for result in results]
            values = [estimate.value for estimate in found]
            draws = np.mean([result[board].draws[name] for result in results], axis=0)
            low, high = np.nanquantile(draws, [0.025, 0.975])
            rows.append(
                {
                    "entry": title,
                    "board": board,
                    "metric": name,
                    "mean": float(np.mean(values)),
                    "low": float(low),
                    "high": float(high),
                    "spread": float(np.std(values, ddof=1)) if len(values) > 1 else None,
                    "values": values,
                }
            )
    return rows


def merged_accuracy(truth: Truth, predictions: Predictions, groups: tuple[tuple[str, ...], ...]) -> float:
    """Return the share of labelled galaxies whose likeliest group of classes is that of the true shares."""
    shares = predictions.values
    if predictions.task == "votes":
        shares = views.multiclass(GZ2, views.fractions(GZ2, predictions.values)).shares
    found, true = (
        np.column_stack([values[:, [CLASSES.index(name) for name in group]].sum(axis=1) for group in groups])
        for values in (shares, truth.classes.shares)
    )
    labelled = truth.classes.label >= 0
    return float(np.mean(found[labelled].argmax(axis=1) == true[labelled].argmax(axis=1)))


def challenge_rmse(source: Path, predictions: Predictions) -> float:
    """Return the challenge's own score on the scored test galaxies: RMSE over its 37 cumulative values.

    A value is the likelihood of all that leads to the answer; those of odd or not odd sum to 1 (Willett et
    al. 2013; the challenge's page).
    """
    fractions = views.fractions(GZ2, predictions.values)
    values = np.empty_like(fractions)
    for question in GZ2.questions:
        part = GZ2.slices[question.name]
        if question.name == GZ2.roles.disturbance_question or not question.parents:
            reached: np.ndarray = np.ones(len(values))
        else:
            reached = sum(values[:, GZ2.answer_index[parent]] for parent in question.parents)  # type: ignore[assignment]
        values[:, part] = reached[:, None] * fractions[:, part]
    table = pd.read_csv(source / TABLE, dtype={"GalaxyID": str}).set_index("GalaxyID").loc[list(predictions.names)]
    columns = class_columns()
    true = np.concatenate([table[list(columns[q.name])].to_numpy() for q in GZ2.questions], axis=1)
    return float(np.sqrt(np.mean((values - true) ** 2)))


def _markdown(
    rows: list[dict[str, object]],
    facts: list[dict[str, object]],
    challenge: dict[str, list[float]],
    merged: dict[str, dict[str, list[float]]],
    missing: list[str],
    truth: Truth,
) -> str:
    lines = [
        "# Every model on the galaxies of the Kaggle challenge",
        "",
        f"`make campaign-gz2`: {truth.title}; the {len(truth.names):,} test galaxies were never seen in training or "
        f"in the choice of the epoch. Recipe `best`, {len(SEEDS)} trainings each on CPU cores; the settings that "
        "differ from the recipe stand in the commands below. A score is the mean over trainings with the 95 % "
        "interval of sampling galaxies; *spread* is the standard deviation over trainings. What the challenge "
        "published are likelihoods, debiased for redshift, size and luminosity (Willett et al. 2013), and not votes: "
        "the scores say how well they are predicted. For the classes, labels and paths counts are made of them, for "
        f"{ROOT_VOTES} assumed votes.",
    ]
    if missing:
        lines += ["", f"Not trained {len(SEEDS)} times yet, and so not here: {', '.join(missing)}."]
    for board, metrics in SHOWN.items():
        told = BOARDS[board].told(not truth.votes_assumed)
        titles = [told.metrics[name].title for name in metrics]
        lines += ["", f"## {told.title}", "", f"| model | {' | '.join(titles)} |"]
        lines.append(f"|---|{'---|' * len(titles)}")
        mine = [row for row in rows if row["board"] == board]
        for entry in dict.fromkeys(str(row["entry"]) for row in mine):
            cells = []
            for name in metrics:
                (row,) = (r for r in mine if r["entry"] == entry and r["metric"] == name)
                kind = BOARDS[board].metrics[name].format
                text = f"{row['mean']:{kind}} [{row['low']:{kind}}, {row['high']:{kind}}]"
                cells.append(text if row["spread"] is None else f"{text}, spread {row['spread']:.2g}")
            lines.append(f"| {entry} | {' | '.join(cells)} |")
    lines += [
        "",
        f"The NLL and the coverage are of counts made for {ROOT_VOTES} assumed votes a galaxy and hold for that "
        "number alone.",
        "",
        "## Coarser classes",
        "",
        "Accuracy on all labelled galaxies where two of the four classes are taken together, so that what is left is "
        "the other confusion: a disc without arms is called elliptical, or spiral.",
        "",
        f"| model | {' | '.join(MERGED)} |",
        f"|---|{'---|' * len(MERGED)}",
        *(
            f"| {entry} | {' | '.join(', '.join(f'{value:.3f}' for value in values) for values in found.values())} |"
            for entry, found in merged.items()
        ),
        "",
        "## The challenge's own score",
        "",
        "RMSE over its 37 values on these test galaxies. The winner of the challenge had about 0.075 on others "
        "(Dieleman et al. 2015), trained on eight times the galaxies: an orientation, not a comparison.",
        "",
        "| model | each training |",
        "|---|---|",
        *(f"| {entry} | {', '.join(f'{value:.4f}' for value in values)} |" for entry, values in challenge.items()),
        "",
        "## How they were trained",
        "",
        "| model | parameters | device | seconds | images/s |",
        "|---|--:|---|---|---|",
    ]
    for fact in facts:
        seconds, rates = (", ".join(f"{x:.0f}" for x in fact[key]) for key in ("train_seconds", "images_per_second"))  # type: ignore[attr-defined]
        lines.append(f"| {fact['entry']} | {fact['parameters']:,} | {fact['device']} | {seconds} | {rates} |")
    lines += ["", "```", *(str(fact["command"]) for fact in facts), "```"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

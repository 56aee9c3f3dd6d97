"""How many galaxies a model needs: `make campaign-learning`, on the editions gz2 and simulated.

Trains entries of benchmark/boards.yaml on fewer galaxies (hours on a CPU; it can be interrupted and goes on), and
writes docs/evidence/learning-curve.{json,md,svg} from the prediction files and, for all galaxies, from the
leaderboard's entries. Other settings stay, but for the epochs: fewer galaxies are seen more often, up to four times as
many, so that the number of steps is nearly the same down to a quarter of the galaxies, and less below.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmark import plan as boards
from benchmark.plan import Entry
from benchmark.recipes import RECIPES
from galaxy_zoo_decals import predictions as prediction_files
from galaxy_zoo_decals import scoring
from galaxy_zoo_decals.edition import Edition, available
from galaxy_zoo_decals.ending import run_script
from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.scoring import BOARDS, Result, Truth, seed_spread
from galaxy_zoo_decals.scoring.boards import Board
from leaderboard.entry import run_json, versions
from leaderboard.ranking import stored_scores
from leaderboard.ranking.differences import between

ROOT = Path(__file__).parents[2]
OUT = ROOT / "docs" / "evidence"

SIZES: dict[str, dict[str, tuple[int, ...]]] = {
    "gz2": {"dirichlet": (500, 1000, 2000, 4000), "multiclass": (500, 1000, 2000, 4000)},
    "simulated": {"dirichlet": (3000, 6000)},
}
"""Galaxies trained on, by edition and folder of the entry's runs: the model of all answers, and a specialist.

All of them is the leaderboard's own entry.
"""

OFTENER = 4
"""Times the epochs of the whole edition at most."""

SHOWN = {
    "multiclass": ("macro_f1", "accuracy"),
    "multilabel": ("macro_map",),
    "hierarchical": ("hierarchical_f1",),
    "votes": ("nll", "equivalent_volunteers"),
}


@dataclass(frozen=True, eq=False)
class Step:
    """A model trained on some number of galaxies, once a seed; ``entry`` is None where that is all of them."""

    edition: str
    runs: str
    galaxies: int
    epochs: int
    entry: Entry | None


def steps(plan: boards.Plan, edition: str, every: int) -> list[Step]:
    """Return what is trained on an edition of ``every`` training galaxies, the longest training of a model last."""
    found = []
    for name, sizes in SIZES[edition].items():
        (entry,) = (e for e in plan.entries if (e.edition, e.runs) == (edition, name))
        epochs = int(entry.settings.get("epochs", RECIPES[str(entry.recipe)][str(entry.model)].epochs))
        for size in sizes:
            longer = round(epochs * min(OFTENER, every / size))
            settings = entry.settings | {"galaxies": size, "epochs": longer}
            smaller = replace(entry, runs=f"learning-curve/{name}-{size}", settings=settings)
            found.append(Step(edition, name, size, longer, smaller))
        found.append(Step(edition, name, every, epochs, None))
    return found


def main(arguments: list[str] | None = None) -> int:
    """Train what is missing and write the tables; return the exit status."""
    parser = argparse.ArgumentParser(prog="learning_curve", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--report", action="store_true", help="train nothing, write the tables of what is trained")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs", help="folder of the runs of all editions")
    args = parser.parse_args(arguments)
    return run_script(lambda: _run(args), "learning_curve", "the same command goes on.")


def _run(args: argparse.Namespace) -> None:
    plan, folder = boards.read(), args.runs.resolve()
    editions = {name: _open(name) for name in SIZES}
    rows: list[dict[str, Any]] = []
    wanted: list[str] = []
    for name, edition in editions.items():
        planned = steps(plan, name, len(edition.table("train", ["iauname"])))
        for entry in (step.entry for step in planned if step.entry and not args.report):
            for run in entry.folders(folder, plan.seeds):
                boards.call(entry.command(folder, plan.seeds, run))
        rows += _rows(plan, edition, planned, folder)
        wanted += _missing(plan, planned, folder)
    with tempfile.TemporaryDirectory(dir=OUT, prefix=".learning-curve.") as work:
        Path(work, "learning-curve.json").write_text(json.dumps(rows, indent=1) + "\n")
        Path(work, "learning-curve.md").write_text(markdown(rows, wanted), encoding="utf-8")
        figure(rows, Path(work, "learning-curve.svg"))
        for made in Path(work).iterdir():
            made.replace(OUT / made.name)


def _open(name: str) -> Edition:
    """Return an edition of the benchmark; raises UserError if it is not here, or another content of it is."""
    if name not in available():
        raise UserError(f"the edition {name} is not here: docs/reproducing.md says how to get it.")
    edition = Edition.open(name)
    if edition.content_hash != boards.frozen(boards.LEADERBOARD).get(name, {}).get("content_hash"):
        raise UserError(f"the edition {name} on this machine is not the benchmark's: docs/reproducing.md.")
    return edition


def _rows(plan: boards.Plan, edition: Edition, planned: list[Step], folder: Path) -> list[dict[str, Any]]:
    """Return a row for every step, board and metric, with its differences from each model on all galaxies."""
    truth, examples = Truth.of(edition), {}
    for step in planned:
        if step.entry is None:
            examples[step] = _whole(plan, edition.name, step.runs)
        elif found := _trained(plan, step.entry, folder, truth, edition):
            examples[step] = found
    rows = []
    for board in BOARDS:
        on = {step: [seed[board] for seed in found] for step, found in examples.items() if board in found[0]}
        every = list(on.values())
        for metric in (name for name in SHOWN[board] if name in _told(edition.name, board)[1].metrics):
            for place, (step, seeds) in enumerate(on.items()):
                less = [
                    {"than": _name(plan, other)}
                    | vars(between(BOARDS[board].metrics[metric], every, place, k, BOARDS[board].training_spread))
                    for k, other in enumerate(on)
                    if other.entry is None and k != place
                ]
                mean, low, high = Result.mean(seeds).metrics[metric]
                spread = seed_spread(seeds, metric)
                rows.append(
                    {
                        "edition": edition.name,
                        "model": _name(plan, step),
                        "galaxies": step.galaxies,
                        "epochs": step.epochs,
                        "board": board,
                        "metric": metric,
                        "mean": mean,
                        "low": low,
                        "high": high,
                        "spread": spread if len(seeds) > 1 else None,
                        "values": [score.metrics[metric].value for score in seeds],
                        "less": less,
                    }
                )
    return rows


def _told(edition: str, board: str) -> tuple[str, Board]:
    """Return what an edition is called in few words, and a board in the words of its truth."""
    frozen = versions.read(versions.FILES)[-1].editions[edition]
    return frozen.title.partition(":")[0], BOARDS[board].told(frozen.terms.counted_votes)


def _name(plan: boards.Plan, step: Step) -> str:
    """Return what the leaderboard's entry of a step's model is called."""
    return next(e.name for e in plan.entries if (e.edition, e.runs) == (step.edition, step.runs))


def _missing(plan: boards.Plan, planned: list[Step], folder: Path) -> list[str]:
    """Return in words what was not trained as often as the plan has seeds."""
    found = []
    for step in planned:
        done = [(run / "run.json").is_file() for run in step.entry.folders(folder, plan.seeds)] if step.entry else []
        if not all(done):
            found.append(
                f"{_name(plan, step)} on {step.galaxies:,} galaxies of {step.edition}: {sum(done)} of {len(done)}"
            )
    return found


def _trained(plan: boards.Plan, entry: Entry, folder: Path, truth: Truth, edition: Edition) -> list[dict[str, Result]]:
    """Return the scores of the seeds that are finished, {board: score} each."""
    found = []
    for run in entry.folders(folder, plan.seeds):
        if (run / "run.json").is_file():
            facts = run_json.read(run / "run.json")
            path = run / run_json.prediction_path(edition.name, facts.tasks[0], facts.seed)
            found.append(scoring.score(truth, prediction_files.read(path, edition.tree), str(path)))
    return found


def _whole(plan: boards.Plan, edition: str, name: str) -> list[dict[str, Result]]:
    """Return the scores of the seeds of the leaderboard's entry."""
    (entry,) = (e for e in plan.entries if (e.edition, e.runs) == (edition, name))
    slug = boards.standing(boards.LEADERBOARD, plan.signed).get((edition, entry.name))
    if slug is None:
        raise UserError(f"{entry.name} does not stand on the leaderboard yet: make boards.")
    return [stored.boards for stored in stored_scores.read(boards.LEADERBOARD / "scores" / slug)]


def markdown(rows: list[dict[str, Any]], wanted: list[str]) -> str:
    """Return the tables as a page; ``wanted`` is what was not trained often enough, in words."""
    lines = [
        "# How many galaxies a model needs",
        "",
        "`make campaign-learning`: entries of the leaderboard trained on fewer galaxies, drawn by each seed anew "
        "(`--set galaxies=N`); fewer galaxies are seen in more epochs, but below a quarter of them not in as many "
        "steps (galaxies times epochs over the batch). The validation galaxies, by which the epoch is chosen, are "
        "always all of the edition's. A score is the mean over trainings with the 95 % interval of which "
        "galaxies were tested; *spread* is the standard deviation over trainings. The last columns are differences "
        "from models on all galaxies, with their paired intervals, in bold where the two share no tie letter among all "
        "of this table, where the spread of the trainings counts too.",
        "",
        "![learning curve](learning-curve.svg)",
    ]
    for edition in dict.fromkeys(row["edition"] for row in rows):
        for board, metrics in SHOWN.items():
            galaxies, told = _told(edition, board)
            for metric in (name for name in metrics if name in told.metrics):
                mine = [r for r in rows if (r["edition"], r["board"], r["metric"]) == (edition, board, metric)]
                kind = told.metrics[metric]
                lines += ["", f"## {galaxies}, {told.title}: {kind.title}", ""]
                wholes = list(dict.fromkeys(less["than"] for row in mine for less in row["less"]))
                head = "".join(f" from {name} |" for name in wholes)
                lines += [f"| model | galaxies | epochs | trainings | score | spread |{head}"]
                lines += [f"|---|--:|--:|--:|---|--:|{'---|' * len(wholes)}"]
                lines += [_line(row, kind.format, wholes) for row in mine]
    if wanted:
        lines += ["", "## Not trained yet", "", *(f"- {words} trainings" for words in wanted)]
    return "\n".join(lines) + "\n"


def _line(row: dict[str, Any], form: str, wholes: list[str]) -> str:
    value, low, high = (format(row[key], form) for key in ("mean", "low", "high"))
    spread = "" if row["spread"] is None else f"{row['spread']:.2g}"
    counts = f"{row['galaxies']:,} | {row['epochs']} | {len(row['values'])}"
    less = {found["than"]: found for found in row["less"]}
    cells = []
    for name in wholes:
        found = less.get(name)
        text = f"{found['value']:+{form}} [{found['low']:+{form}}, {found['high']:+{form}}]" if found else ""
        cells.append(f" **{text}** |" if found and found["apart"] else f" {text} |")
    return f"| {row['model']} | {counts} | {value} [{low}, {high}] | {spread} |{''.join(cells)}"


def figure(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw the primary metric of every board against the number of galaxies."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "learning-curve"
    import matplotlib.pyplot as plt

    editions = list(dict.fromkeys(row["edition"] for row in rows))
    panels = [(e, b) for e in editions for b in BOARDS]
    fig, axes = plt.subplots(
        len(editions), len(BOARDS), figsize=(3.4 * len(BOARDS), 3.4 * len(editions)), squeeze=False
    )
    for ax, (edition, board) in zip(axes.ravel(), panels):
        galaxies, told = _told(edition, board)
        primary = told.metrics[told.primary]
        mine = [r for r in rows if (r["edition"], r["board"], r["metric"]) == (edition, board, primary.name)]
        for number, model in enumerate(dict.fromkeys(r["model"] for r in rows if r["edition"] == edition)):
            of = [r for r in mine if r["model"] == model]
            if of:
                x = [r["galaxies"] for r in of]
                colour, sign = ("#24415f", "#b4632d", "#5b8f77")[number % 3], "osD"[number % 3]
                ax.fill_between(x, [r["low"] for r in of], [r["high"] for r in of], color=colour, alpha=0.15, lw=0)
                ax.plot(x, [r["mean"] for r in of], color=colour, marker=sign, ms=4, lw=1.5, label=model)
        ax.set_xscale("log")
        sizes = sorted({r["galaxies"] for r in mine})
        ax.set_xticks(sizes, [f"{size:,}" for size in sizes], fontsize=7, rotation=45)
        ax.minorticks_off()
        ax.tick_params(axis="y", labelsize=7)
        ax.set_xlabel("training galaxies", fontsize=8)
        less = "" if primary.higher_is_better else " (less is better)"
        ax.set_title(f"{told.title}, {galaxies}\n{primary.title}{less}", fontsize=8)
        ax.grid(axis="y", color="#e4e4e4", lw=0.6)
        ax.spines[["top", "right"]].set_visible(False)
    for first in axes[:, 0]:
        first.legend(fontsize=7, frameon=False)
    fig.tight_layout()
    fig.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main())

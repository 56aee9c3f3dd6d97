"""What pixels buy: `make campaign-image-size GZ2=FOLDER`, one model on the same galaxies at 224 and at 424 pixels.

Prepares both editions from the Kaggle challenge's files if they are not there, trains what is not trained yet (an hour
on one CPU core; it can be interrupted and goes on), and writes docs/evidence/image-size.{json,md} from the prediction
files. Everything but the editions' pixels is the same: galaxies, seeds, first weights, order and augmentation.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmark import plan
from benchmark import plan as boards
from galaxy_zoo_decals import predictions as prediction_files
from galaxy_zoo_decals import scoring
from galaxy_zoo_decals.edition import Edition, Terms, available
from galaxy_zoo_decals.ending import run_script
from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.scoring import BOARDS, Result, Truth
from galaxy_zoo_decals.sources.kaggle import GZ2Challenge
from leaderboard.entry import run_json
from leaderboard.ranking.differences import Difference, between

ROOT = Path(__file__).parents[2]
OUT = ROOT / "docs" / "evidence"
GALAXIES = ROOT / "leaderboard" / "benchmark" / "v1" / "gz2-galaxies.txt"

SIZES = (224, 424)
"""Pixels a side of the editions: the default, and what is published."""

SETTINGS: dict[str, int | float | bool] = {
    "resolution": 160, "galaxies": 5000, "epochs": 2, "batch": 32, "learning_rate": 1e-3, "dropout": 0.2,
    "drop_path": 0, "layer_decay": 1, "dihedral_average": False,
}  # fmt: skip
"""What differs from the recipe ``best``, whose crop of the central half stays.

160 pixels of half an image are 320 of a whole one: 1.4 times what the one edition has, three quarters of what the other
has. The recipe's own 224 pixels would take days on a CPU.
"""

SHOWN = {
    "multiclass": ("macro_f1", "accuracy"),
    "multilabel": ("macro_map",),
    "hierarchical": ("hierarchical_f1", "exact_path"),
    "votes": ("nll", "mae"),
}


def edition_name(size: int) -> str:
    """Return what the edition of a size is called."""
    return f"gz2-{size}px"


def command(size: int, seed: int, folder: Path) -> list[str]:
    """Return the command that makes one run, or keeps it if it is finished."""
    made = ["accelerate", "launch", "--quiet", "benchmark/run.py", "--model", "dirichlet", "--recipe", "best"]
    made += ["--edition", edition_name(size), "--backbone", "tf_efficientnet_lite0", "--seed", str(seed)]
    for key, value in SETTINGS.items():
        made += ["--set", f"{key}={str(value).lower() if isinstance(value, bool) else value}"]
    return [*made, "--out", str(run_folder(folder, size, seed)), "--resume"]


def run_folder(folder: Path, size: int, seed: int) -> Path:
    """Return where a run lies below the folder of all runs."""
    return folder / edition_name(size) / "dirichlet-image-size" / f"seed{seed}"


def main(arguments: list[str] | None = None) -> int:
    """Prepare and train what is missing and write the tables; return the exit status."""
    parser = argparse.ArgumentParser(prog="image_size", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("source", type=Path, help="folder with the challenge's files")
    parser.add_argument("--report", action="store_true", help="train nothing, write the tables of what is trained")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs", help="folder of the runs of all editions")
    parser.add_argument("--seeds", type=int, default=2, help="trainings on each edition; default: 2")
    args = parser.parse_args(arguments)
    return run_script(lambda: _run(args), "image_size", "the same command goes on.")


def _run(args: argparse.Namespace) -> None:
    folder = args.runs.resolve()
    for size in SIZES:
        if edition_name(size) not in available():
            words = ["--source", str(args.source.resolve()), "--only", str(GALAXIES), "--size", str(size)]
            boards.call(["galaxy-zoo-decals", "prepare", "gz2", *words, "--name", edition_name(size)])
    editions = {size: Edition.open(edition_name(size)) for size in SIZES}
    _check(editions)
    # Seed by seed: what is finished is pairs.
    for seed in () if args.report else range(args.seeds):
        for size in SIZES:
            boards.call(command(size, seed, folder))
    content = measure(editions, folder, args.seeds)
    with tempfile.TemporaryDirectory(dir=OUT, prefix=".image-size.") as work:
        Path(work, "image-size.json").write_text(json.dumps(content, indent=1) + "\n")
        Path(work, "image-size.md").write_text(markdown(content), encoding="utf-8")
        for made in Path(work).iterdir():
            made.replace(OUT / made.name)


def _check(editions: dict[int, Edition]) -> None:
    """Raise UserError unless the editions hold the benchmark's galaxies in the sizes they are named by."""
    content = plan.frozen(plan.LEADERBOARD)["gz2"]["content_hash"]
    for size, edition in editions.items():
        if edition.content_hash != content or edition.facts["image_size"] != size:
            raise UserError(
                f"{edition.path} does not hold the benchmark's galaxies at {size} pixels: remove it, and it is "
                "prepared again."
            )


def measure(editions: dict[int, Edition], folder: Path, seeds: int) -> dict[str, Any]:
    """Return scores and paired differences of the seeds trained on both editions; UserError if there are none."""
    both = [seed for seed in range(seeds) if all((run_folder(folder, s, seed) / "run.json").is_file() for s in SIZES)]
    if not both:
        raise UserError(f"{folder}: no seed is trained on both editions yet.")
    found: dict[int, list[dict[str, Result]]] = {size: [] for size in SIZES}
    facts = []
    for size, edition in editions.items():
        truth = Truth.of(edition)
        for seed in both:
            run = run_folder(folder, size, seed)
            about = run_json.read(run / "run.json")
            path = run / run_json.prediction_path(edition.name, about.tasks[0], about.seed)
            found[size].append(scoring.score(truth, prediction_files.read(path, edition.tree), str(path)))
            facts.append(
                {
                    "size": size,
                    "seed": seed,
                    "title": about.title,
                    "train_seconds": about.train_seconds,
                    "device": about.device,
                    "commit": about.git.commit if about.git else None,
                    "dirty": about.git.dirty if about.git else None,
                }
            )
    return {
        "settings": SETTINGS,
        "galaxies": len(Truth.of(editions[SIZES[0]]).names),
        "runs": facts,
        "scores": rows(found),
    }


def rows(found: dict[int, list[dict[str, Result]]]) -> list[dict[str, Any]]:
    """Return a row for every board and metric: values by size and seed, and the larger size's less the smaller's."""
    made = []
    for board, metrics in SHOWN.items():
        every = [[seed[board] for seed in found[size]] for size in SIZES]
        for name in metrics:
            less = between(BOARDS[board].metrics[name], every, 1, 0, BOARDS[board].training_spread)
            made.append(
                {
                    "board": board,
                    "metric": name,
                    "values": {
                        str(size): [score.metrics[name].value for score in of] for size, of in zip(SIZES, every)
                    },
                    "difference": vars(less) | {"verdict": less.verdict if len(every[0]) > 1 else "open"},
                    "by_seed": [b.metrics[name].value - a.metrics[name].value for a, b in zip(*every)],
                }
            )
    return made


def _verdict_words(pairs: int) -> str:
    """Return what the verdict rests on."""
    if pairs > 1:
        return "It counts as significant only where it also exceeds the spread of the trainings, as tie letters do."
    return (
        "With one training each it stays open: how far two trainings of one kind lie apart is not in that interval (on "
        "the leaderboard, seeds of this model spread by 0.007 in macro F1)."
    )


def markdown(content: dict[str, Any]) -> str:
    """Return the page."""
    small, large = SIZES
    settings = content["settings"]
    whole = round(settings["resolution"] / 0.5)
    facts = content["runs"]
    pairs = len(facts) // 2
    lines = [
        "# What the pixels of an edition buy",
        "",
        f"`make campaign-image-size GZ2=FOLDER`: {facts[0]['title']}, recipe `best`, on the same galaxies of the "
        f"Kaggle challenge (gz2) in two editions, of {small} and of {large} pixels a side. The network sees "
        f"{settings['resolution']} pixels of the central half, that is {whole} of a whole image: the small edition is "
        f"enlarged {whole / small:.1f} times, the large one shrunk. Galaxies, seeds, first weights, order and "
        f"augmentation are the same. {pairs} training{'s' if pairs > 1 else ''} each, of {settings['galaxies']:,} "
        f"galaxies for {settings['epochs']} epochs: short ones, so the scores are lower than the leaderboard's. "
        f"{content['galaxies']:,} test galaxies.",
        "",
        f"The difference is the score at {large} less that at {small}, the mean over trainings, with the paired 95 % "
        f"interval of which galaxies were tested. {_verdict_words(pairs)}",
        "",
        f"| board | metric | {small} px | {large} px | difference | each training | verdict |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in content["scores"]:
        board = BOARDS[row["board"]].told(Terms.of(GZ2Challenge).counted_votes)
        metric = board.metrics[row["metric"]]
        form, less = metric.format, Difference(**{k: v for k, v in row["difference"].items() if k != "verdict"})
        means = [f"{sum(values) / len(values):{form}}" for values in row["values"].values()]
        signed = ", ".join(f"{value:+{form}}" for value in row["by_seed"])
        lines.append(
            f"| {board.title} | {metric.title} | {means[0]} | {means[1]} | {less.value:+{form}} "
            f"[{less.low:+{form}}, {less.high:+{form}}] | {signed} | {row['difference']['verdict']} |"
        )
    lines += [
        "",
        "| edition | seed | seconds | device | commit |",
        "|--:|--:|--:|---|---|",
        *(
            f"| {fact['size']} px | {fact['seed']} | {fact['train_seconds']:.0f} | {fact['device']} | "
            f"{fact['commit'] or 'none'}{' and changes' if fact['dirty'] else ''} |"
            for fact in facts
        ),
        "",
        "Settings that differ from the recipe: "
        + ", ".join(f"`{key}={str(value).lower()}`" for key, value in settings.items())
        + ".",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())

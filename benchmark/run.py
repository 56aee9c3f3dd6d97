"""Train models on an edition, predict its scored test galaxies and print the scores.

Run it as `accelerate launch benchmark/run.py --model hierarchical`. What it writes: docs/runs.md.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if not __package__:
    # Run as a script: the clone's root, not benchmark/, is where the packages lie.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

# Threads that wait for each other by spinning make training on a CPU several times slower as soon as anything else
# runs on it. OpenMP reads this when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from benchmark import BenchmarkError, hub, recipes, record, weights
from benchmark.recipes import MODELS, RECIPES, Recipe
from galaxy_zoo_decals.errors import UserError

# torch, transformers and the edition's tables are imported where they are needed: --help and wrong arguments
# are answered without them.
if TYPE_CHECKING:
    from accelerate import Accelerator

    from galaxy_zoo_decals.edition import Edition
    from galaxy_zoo_decals.scoring import Truth


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    out = argparse.ArgumentParser(
        prog="benchmark/run.py",
        description=__doc__.split("\n")[0],
        epilog="One setting at a time: --set epochs=3 --set resolution=96. All settings: benchmark/recipes.py.",
        allow_abbrev=False,
    )
    out.add_argument("--model", required=True, help=f"{', '.join(MODELS)}, or all")
    out.add_argument("--edition", help="name, folder or Hub id (owner/name); default: the edition in use")
    out.add_argument("--recipe", default="quick", help=f"{', '.join(RECIPES)}; default: quick")
    out.add_argument("--seed", type=int, default=0, help="of weights, order and augmentation; default: 0")
    out.add_argument("--out", type=Path, help="the run's folder (with --model all: of all runs); default: runs/...")
    out.add_argument("--backbone", help="any timm backbone, for efficientnetv2 and dirichlet")
    out.add_argument("--weights", help='its first weights: "imagenet", "none" or a file; default: imagenet')
    out.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting")
    out.add_argument("--overwrite", action="store_true", help="replace a run that lies in the run's folder")
    return out


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit status; mistakes end in one plain sentence."""
    args = parser().parse_args(arguments)
    try:
        _run(args)
    except UserError as error:
        return _fail(f"error: {error}", 2)
    except OSError as error:
        return _fail(f"error: {error.strerror or error} ({error.filename or 'no file named'}); nothing was written.", 1)
    except KeyboardInterrupt:
        return _fail("interrupted; the run that was under way left nothing behind.", 130)
    return 0


def _fail(message: str, status: int) -> int:
    # Every process comes to the same end; one of them says so.
    if os.environ.get("RANK", "0") == "0":
        print(f"benchmark/run.py: {message}", file=sys.stderr)
    return status


def _run(args: argparse.Namespace) -> None:
    if args.seed < 0:
        raise BenchmarkError(f"--seed must not be negative, not {args.seed}.")
    settings = [f"{key}={value}" for key in ("backbone", "weights") if (value := getattr(args, key)) is not None]
    chosen = recipes.override(recipes.choose(args.recipe, args.model), [*settings, *args.set])
    edition = open_edition(args.edition)
    if args.model == "all" or not args.out:
        root = args.out or Path("runs", edition.name)
        targets = {name: root / name / f"seed{args.seed}" for name in chosen}
    else:
        targets = {args.model: args.out.absolute()}
    for target in targets.values():
        record.check_target(target, args.overwrite)

    for recipe in chosen.values():
        if isinstance(recipe, recipes.Backbone):
            # With --model all: better now than after the first models are trained.
            weights.find(recipe)

    from benchmark import training
    from galaxy_zoo_decals.scoring import Truth

    truth = Truth.of(edition)
    if not truth.names:
        raise BenchmarkError(f"{edition.path} has no scored test galaxy: there is nothing to predict.")
    accelerator = training.accelerator()
    try:
        for name, recipe in chosen.items():
            run_model(accelerator, name, recipe, args.recipe, args.seed, edition, truth, targets[name])
    finally:
        accelerator.end_training()


def open_edition(edition: str | None) -> Edition:
    """Open an edition by name, folder or Hub id (owner/name); None is the one in use."""
    from galaxy_zoo_decals.edition import Edition, available

    if edition and edition.count("/") == 1 and not Path(edition).exists() and edition not in available():
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

        try:
            # What is in the Hub's cache is enough where the Hub cannot be reached.
            folder = snapshot_download(edition, repo_type="dataset", local_files_only=not hub.answers())
            return Edition.open(folder)
        except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, ConnectionError) as error:
            raise BenchmarkError(
                f"{edition!r} is neither a folder nor an edition that the Hugging Face Hub gives out "
                f"({type(error).__name__}). Ready here: {', '.join(available())}."
            ) from None
    return Edition.open(edition)


def run_model(
    accelerator: Accelerator,
    name: str,
    recipe: Recipe,
    recipe_name: str,
    seed: int,
    edition: Edition,
    truth: Truth,
    out: Path,
) -> None:
    """Train one model, write its run folder and print its scores."""
    from accelerate.utils import set_seed
    from transformers.utils import logging

    from benchmark import training
    from benchmark.models import MODELS
    from benchmark.models.networks import load_first_weights
    from galaxy_zoo_decals import predictions as files
    from galaxy_zoo_decals.predictions import Predictions
    from galaxy_zoo_decals.scoring import score

    logging.disable_progress_bar()  # Of saving a few megabytes.
    kind = MODELS[name]
    title = kind.title(recipe)
    accelerator.print(f"\n{name}: {title}, recipe {recipe_name}, seed {seed}, on {edition.title}")
    set_seed(seed)
    model = kind.from_recipe(recipe, edition.tree)
    source = load_first_weights(model.network, recipe) if isinstance(recipe, recipes.Backbone) else "none"
    train, validation, test = (
        training.Data.of(edition, split, recipe, accelerator) for split in ("train", "validation", "test")
    )
    if test.truth.names != truth.names:
        raise BenchmarkError(f"{edition.path}: the order of its test galaxies changed while it was read.")
    done = training.train(accelerator, model, recipe, seed, train, validation)
    values = training.predict(accelerator, model, test)
    if not accelerator.is_main_process:
        return
    predictions = Predictions(
        kind.task, edition.name, edition.content_hash, edition.split_hash, seed, truth.names, values
    )
    facts = {
        "model": name,
        "title": title,
        "backbone": recipe.backbone if isinstance(recipe, recipes.Backbone) else title,
        "weights": source,
        "tasks": [kind.task],
        "edition": {
            "name": edition.name,
            "title": edition.title,
            "content_hash": edition.content_hash,
            "split_hash": edition.split_hash,
        },
        "seed": seed,
        "recipe": record.resolved(recipe_name, recipe),
        "resolution": recipe.resolution,
        "parameters": sum(p.numel() for p in model.parameters()),
        **training.measured(accelerator, done),
        "versions": record.versions(),
        "git": record.git(),
        "command": record.command(),
        "curves": [curve.to_json() for curve in done.curves],
    }
    with record.folder(out) as work:
        model.save_pretrained(work / "model")
        model.image_processor().save_pretrained(work / "model")
        files.write(work / "predictions" / edition.name / kind.task / f"seed{seed}.parquet", predictions, edition.tree)
        record.write(work, facts)
    written = files.read(out / "predictions" / edition.name / kind.task / f"seed{seed}.parquet", edition.tree)
    for result in score(truth, written).values():
        print(result.report())
    print(f"trained in {done.seconds:.0f} s; written to {out}")


if __name__ == "__main__":
    sys.exit(main())

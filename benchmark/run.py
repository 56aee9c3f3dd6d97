"""Train models on an edition, predict its scored test galaxies and print the scores.

Run it as `accelerate launch benchmark/run.py --model hierarchical`. What it writes: docs/runs.md.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if not __package__:
    # Run as a script: the clone's root, not benchmark/, is where the packages lie.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from galaxy_zoo_decals import interruption

if __name__ == "__main__":
    interruption.until_ready("benchmark/run.py")

# Threads that wait for each other by spinning make training on a CPU several times slower as soon as anything else
# runs on it. OpenMP reads this when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from benchmark import BenchmarkError, encoders, environment, hub, recipes, run_folder, weights
from benchmark.recipes import MODELS, RECIPES
from galaxy_zoo_decals import old_words
from galaxy_zoo_decals.argument_types import add_version
from galaxy_zoo_decals.atomic import atomic_folder, finish_interrupted
from galaxy_zoo_decals.ending import brief, run_command

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
        epilog="--set takes one setting: --set epochs=3 --set resolution=96. All settings: benchmark/recipes.py.",
        allow_abbrev=False,
    )
    add_version(out)
    out.add_argument("--model", required=True, help=f"{', '.join(MODELS)}, or all")
    out.add_argument("--edition", help="edition: name, folder or Hub id (owner/name); default: the one in use")
    out.add_argument("--recipe", default="quick", help=f"{', '.join(RECIPES)}; default: quick")
    out.add_argument("--seed", type=int, default=0, help="seed of weights, order and augmentation; default: 0")
    out.add_argument("--out", type=Path, help="folder of the run (with --model all: of all runs); default: runs/...")
    out.add_argument("--backbone", help="any timm backbone, for efficientnetv2 and dirichlet")
    out.add_argument(
        "--weights",
        help='first weights: "none", a file, a finished run, or "imagenet" (the default of a backbone)',
    )
    out.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting of the recipe")
    out.add_argument("--resume", action="store_true", help="continue an interrupted run; keep finished runs")
    out.add_argument("--overwrite", action="store_true", help="replace a run, finished or not, and start again")
    out.add_argument("--deterministic", action="store_true", help="bit-identical results on a GPU, but slower")
    return out


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit status; mistakes end in one plain sentence."""
    args = parser().parse_args(arguments)
    return run_command(
        lambda: _run(args),
        "benchmark/run.py: error: ",
        lambda end: f"benchmark/run.py: interrupted; {_kept(end)}",
        mistake=2,
        failed=lambda error: f"{brief(error)}; {_kept(error)}",
        quiet_pipe=False,
        say=_say,
    )


def _say(line: str, end: BaseException | None = None) -> None:
    # Every process of a machine comes to the same end, and reads the same words; one of them says so.
    if getattr(end, "alone", False) or (os.environ.get("LOCAL_RANK") or os.environ.get("RANK") or "0") == "0":
        print(line, file=sys.stderr)


def _kept(end: BaseException) -> str:
    return " ".join(getattr(end, "__notes__", [])) or "the run that was under way left nothing behind."


def _run(args: argparse.Namespace) -> None:
    if not 0 <= args.seed < 2**32:
        raise BenchmarkError(f"--seed must not be negative and must be below 2^32, not {args.seed}.")
    keys = [setting.partition("=")[0] for setting in args.set]
    for note in [*old_words.notes(old_words.NAMES, [args.recipe]), *old_words.notes(old_words.SETTINGS, keys)]:
        _say(f"note: {note}.")
    args.recipe = old_words.name(args.recipe)
    settings = [f"{key}={value}" for key in ("backbone", "weights") if (value := getattr(args, key)) is not None]
    chosen = recipes.override(recipes.choose(args.recipe, args.model), [*settings, *args.set])
    for note in environment.settle():
        _say(f"note: {note}.")
    for recipe in chosen.values():
        if isinstance(recipe, recipes.Backbone):
            encoders.check(recipe.backbone)
    edition = open_edition(args.edition)
    check_edition(edition, list(chosen), args.edition or edition.name)
    if args.model == "all" or not args.out:
        root = args.out or Path("runs", edition.name)
        targets = {name: root / name / f"seed{args.seed}" for name in chosen}
    else:
        targets = {args.model: args.out.absolute()}
    if args.resume and args.overwrite:
        raise BenchmarkError("--resume goes on with a run and --overwrite starts it anew: give one of them.")
    runs = [
        run_folder.Run(name, args.recipe, recipe, args.seed, edition, targets[name]) for name, recipe in chosen.items()
    ]
    with contextlib.ExitStack() as mine:
        _train(args, edition, runs, mine)


def _train(args: argparse.Namespace, edition: Edition, runs: list[run_folder.Run], mine: contextlib.ExitStack) -> None:
    """Train the runs that are due, in folders that are ``mine`` alone until all of them are done."""
    accelerator = None
    if environment.one_of() > 1:
        # What is finished and what was interrupted lies on the first machine: it decides for all.
        from benchmark import training

        accelerator = training.accelerator(args.deterministic)
        due = training.agree(accelerator, lambda: _due(runs, args, mine))
    else:
        due = _due(runs, args, mine)
    runs = [run for run in runs if run.model in due]
    if not runs:
        return
    from benchmark import submittable

    for problem in submittable.problems(edition):
        _say(f"note: the leaderboard would not take this run: {problem}")
    for run in runs:
        # With --model all: better now than after the first models are trained.
        weights.find(run.recipe)

    from benchmark import image_cache, training
    from galaxy_zoo_decals.scoring import Truth

    truth = Truth.of(edition)
    if not truth.names:
        raise BenchmarkError(f"{edition.path} has no scored test galaxy: there is nothing to predict.")
    accelerator = accelerator or training.accelerator(args.deterministic)
    if words := image_cache.enlarged({run.model: run.recipe for run in runs}, edition):
        accelerator.print(words)
    try:
        for run in runs:
            run_model(accelerator, run, truth, args.resume)
    finally:
        accelerator.end_training()


def _due(runs: list[run_folder.Run], args: argparse.Namespace, mine: contextlib.ExitStack) -> list[str]:
    """Return the models that are to be trained, their folders locked; raises BenchmarkError if one may not be."""
    due = []
    for run in runs:
        if args.resume and run.finished():
            print(f"{run.model}: finished already in {run.out}")
            continue
        run_folder.check_target(finish_interrupted(run.out), args.overwrite)
        mine.enter_context(run_folder.alone(run.out))
        checkpoint = run.checkpoint()
        if args.overwrite:
            checkpoint.remove()
        elif checkpoint.path.is_file() and not args.resume:
            raise BenchmarkError(
                f"{checkpoint.folder} holds what an interrupted run has learned. Go on with --resume, or start anew "
                "with --overwrite."
            )
        due.append(run.model)
    return due


def check_edition(edition: Edition, models: list[str], where: str) -> None:
    """Raise BenchmarkError, before anything is loaded, if an edition (``where``) cannot train these models, and why."""
    counts: Any = edition.facts["counts"]
    for split, word in (("train", "training"), ("validation", "validation")):
        if split not in edition.splits:
            raise BenchmarkError(
                f"the edition {edition.name} has no {word} galaxies (only {' and '.join(edition.splits)}), so nothing "
                f"can be trained on it. Finished models are judged on it by benchmark/predict.py MODEL {where} --board "
                "--out FILE.parquet and galaxy-zoo-decals score."
            )
        without = [m for m in models if not counts.get(split, {}).get(recipes.VIEWS_LEARNED[m], 1)]
        if without:
            views = " and ".join(dict.fromkeys(recipes.VIEWS_LEARNED[model] for model in without))
            others = ", ".join(model for model in recipes.MODELS if recipes.VIEWS_LEARNED[model] not in views)
            raise BenchmarkError(
                f"{', '.join(without)} cannot be trained on the edition {edition.name}: none of its {word} galaxies "
                f"is in the view {views} (`galaxy-zoo-decals info {where}`). Choose --model from {others}."
            )


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


def run_model(accelerator: Accelerator, run: run_folder.Run, truth: Truth, resume: bool = False) -> None:
    """Train one model, write its run folder and print its scores."""
    from accelerate.utils import set_seed
    from transformers.utils import logging

    from benchmark import evaluation, image_cache, model_card, training
    from benchmark.first_weights import load_first_weights
    from galaxy_zoo_decals import predictions as files
    from galaxy_zoo_decals.models import MODELS
    from galaxy_zoo_decals.predictions import Predictions
    from galaxy_zoo_decals.scoring import score

    logging.disable_progress_bar()  # Of saving a few megabytes.
    recipe, edition, checkpoint = run.recipe, run.edition, run.checkpoint()
    kind = MODELS[run.model]
    # A saved model is made of its architecture alone, wherever its first weights came from.
    shape, form = encoders.architecture(recipe)
    title = weights.title(kind.title(shape), recipe)
    accelerator.print(f"\n{run.model}: {title}, recipe {run.recipe_name}, seed {run.seed}, on {edition.title}")
    set_seed(run.seed)
    model = kind.from_recipe(shape, edition.tree, **form)
    kept = image_cache.form(edition)
    model.config.edition_size, model.config.edition_quality = kept.size, None if kept.original else kept.quality
    source = load_first_weights(model, recipe)
    train, validation, test = (
        evaluation.Data.of(edition, split, recipe, accelerator, run.seed) for split in ("train", "validation", "test")
    )
    if test.truth.names != truth.names:
        raise BenchmarkError(f"{edition.path}: the order of its test galaxies changed while it was read.")
    run_folder.check_room(run.out, sum(p.numel() for p in model.parameters()))
    try:
        done = training.train(accelerator, model, recipe, run.seed, train, validation, checkpoint, resume)
        values = evaluation.predict(accelerator, model, test)
    except (KeyboardInterrupt, OSError) as end:
        if checkpoint.path.is_file():
            end.add_note(f"what was learned is kept in {checkpoint.folder}: add --resume to go on.")
        raise
    if not accelerator.is_main_process:
        return
    predictions = Predictions(
        kind.task, edition.name, edition.content_hash, edition.split_hash, run.seed, truth.names, values
    )
    facts = {
        "model": run.model,
        "title": title,
        "backbone": getattr(shape, "backbone", None) or kind.title(recipe),
        "weights": source,
        "tasks": [kind.task],
        "edition": run.edition_facts(),
        "seed": run.seed,
        "recipe": run.resolved(),
        "resolution": recipe.resolution,
        "parameters": sum(p.numel() for p in model.parameters()),
        **training.measured(accelerator, done),
        "versions": run_folder.versions(),
        "git": run_folder.commit(),
        "command": run_folder.command(),
        "curves": [curve.to_json() for curve in done.curves],
    }
    with atomic_folder(run.out) as work:
        model.save_pretrained(work / "model")
        model.image_processor().save_pretrained(work / "model")
        path = work / "predictions" / edition.name / kind.task / f"seed{run.seed}.parquet"
        files.write(path, predictions, edition.tree)
        results = score(truth, files.read(path, edition.tree))
        (work / "model" / "README.md").write_text(model_card.text(facts, results), encoding="utf-8")
        run_folder.write(work, facts)
        if (checkpoint.folder / "tensorboard").is_dir():
            shutil.copytree(checkpoint.folder / "tensorboard", work / "tensorboard")
    checkpoint.remove()
    for result in results.values():
        print(result.report())
    print(f"trained in {done.seconds:.0f} s; written to {run.out}")


if __name__ == "__main__":
    sys.exit(main())

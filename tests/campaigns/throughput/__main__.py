"""Measure how many images a second every model trains on, and what its data path costs, on the device at hand.

Run it as `python -m tests.campaigns.throughput --recipe quick --resolutions 64,224`. What is timed: timing.py.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

# As in benchmark/run.py, before torch is loaded: what is measured is what it trains with.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from benchmark import BenchmarkError, recipes, run_folder
from benchmark.recipes import MODELS, RECIPES, Recipe
from benchmark.run import open_edition
from galaxy_zoo_decals.ending import run_script

# torch is imported where it is needed, as in benchmark/run.py.
if TYPE_CHECKING:
    from galaxy_zoo_decals.edition import Edition

LIKE: dict[str, Any] = {"augmentation": "flips", "rotation": True, "scale": 0.1, "erasing": 5}
"""An augmentation of ours that does as much as the default one of galaxy-datasets, with a shift of a tenth."""

HEAD = (
    "model", "batch", "data path, streamed", "data path, resident", "step", "both", "data / step", "GFLOP", "of peak",
    "memory",
)  # fmt: skip
"""Columns of the table of models."""


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    out = argparse.ArgumentParser(
        prog="throughput",
        description=__doc__.split("\n")[0],
        epilog="One setting at a time: --set augmentation=none. All settings: benchmark/recipes.py.",
        allow_abbrev=False,
    )
    out.add_argument("--models", nargs="+", default=["all"], help=f"some of {', '.join(MODELS)}; default: all")
    out.add_argument("--edition", help="name, folder or Hub id (owner/name); default: the edition in use")
    out.add_argument("--recipe", default="quick", help=f"{', '.join(RECIPES)}; default: quick")
    out.add_argument("--resolutions", metavar="PIXELS", help="sides of the images, as in 64,224; default: the recipe's")
    out.add_argument("--batch", metavar="N", help="galaxies a step; default: the recipe's")
    out.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting")
    out.add_argument("--seconds", type=float, default=1.0, help="about how long each part is timed; default: 1")
    out.add_argument("--rounds", type=int, default=5, help="how often everything is timed, in turns; default: 5")
    out.add_argument("--out", type=Path, help="write the table to OUT.md and all numbers to OUT.json")
    return out


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit status; mistakes end in one plain sentence."""
    args = parser().parse_args(arguments)
    return run_script(lambda: _run(args), "throughput", "nothing was written.")


def _run(args: argparse.Namespace) -> None:
    if args.seconds <= 0 or args.rounds < 1:
        raise BenchmarkError("--seconds must be above 0 and --rounds at least 1.")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise BenchmarkError("one process is measured: start it with python, not with accelerate launch.")
    names = list(MODELS) if args.models == ["all"] else [recipes.one_of("model", name, MODELS) for name in args.models]
    chosen = {name: recipes.choose(args.recipe, name)[name] for name in names}
    chosen = recipes.override(chosen, [*args.set, *([f"batch={args.batch}"] if args.batch else [])])
    sides = [f"resolution={side}" for side in args.resolutions.split(",")] if args.resolutions else []
    variants = [recipes.override(chosen, [side]) for side in sides] or [chosen]
    wanted = [(name, _random(recipe)) for variant in variants for name, recipe in variant.items()]
    edition = open_edition(args.edition)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {
        "recipe": {"name": args.recipe, "set": args.set}, "edition": edition.title,
        "command": " ".join(["python -m", __package__, *map(run_folder.passed_on, sys.argv[1:])]),
        "git": run_folder.commit(), "versions": run_folder.versions(),
    }  # fmt: skip
    found |= measure(edition, wanted, args.seconds, args.rounds)
    text = table(found)
    print(text)
    if args.out:
        out = args.out.with_suffix("") if args.out.suffix in (".json", ".md") else args.out
        Path(f"{out}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        Path(f"{out}.md").write_text(text, encoding="utf-8")


def _random(recipe: Recipe) -> Recipe:
    """Return the recipe with random first weights: others need not be fetched to train as fast."""
    return replace(recipe, weights="none")


def measure(edition: Edition, wanted: list[tuple[str, Recipe]], seconds: float, rounds: int) -> dict[str, Any]:
    """Return everything measured of models with their recipes: of each timed part the rate in every round.

    A round times each part once for about so many seconds, one after the other, so that whatever else the machine
    does meanwhile falls on all of them alike.
    """
    from benchmark import augmentation, evaluation, training
    from tests.campaigns.throughput import peer as peers
    from tests.campaigns.throughput import timing

    rows: list[dict[str, Any]] = []
    for name, recipe in tqdm(wanted, desc="memory", disable=None):
        rows.append({"model": name, "resolution": recipe.resolution, **timing.facts(name, recipe, edition)})
    accelerator = training.accelerator()
    kept: dict[tuple[float, ...], evaluation.Data] = {}
    timers: list[tuple[list[float], Callable[[], float]]] = []

    def later(rate: Callable[[], float]) -> list[float]:
        """Return the list that will hold a rate of every round."""
        rates: list[float] = []
        timers.append((rates, rate))
        return rates

    def parts(name: str, recipe: Recipe, only: tuple[str, ...]) -> dict[str, list[float]]:
        form = (recipe.resolution, recipe.crop, augmentation.margin(recipe))
        if form not in kept:
            kept[form] = evaluation.Data.of(edition, "train", recipe, accelerator)
        fit = timing.Timed.of(accelerator, name, recipe, edition, kept[form])
        chosen = [part for part in fit.parts() if part in only]
        return {part: later(partial(fit.images_per_second, part, fit.steps_in(part, seconds))) for part in chosen}

    product = timing.MatrixProduct(accelerator)
    found: dict[str, Any] = {"rows": rows, "loading": [], "peak": later(partial(product.rate, seconds))}
    found |= {"peak_side": product.side, "load_average": [], "seconds": seconds}
    try:
        found["peer"] = {"version": peers.peer_version()}
    except BenchmarkError as error:
        found["peer"] = {"problem": str(error)}
    for (name, recipe), row in zip(wanted, tqdm(rows, desc="warming up", disable=None)):
        row["rates"] = parts(name, recipe, timing.PARTS)
    with tempfile.TemporaryDirectory() as scratch:
        for side in dict.fromkeys(recipe.resolution for _, recipe in wanted):
            name, recipe = next((name, recipe) for name, recipe in wanted if recipe.resolution == side)
            strong = replace(recipe, shift=side // 10, **LIKE)
            loading = {"resolution": side, "batch": recipe.batch, **parts(name, strong, timing.DATA_PATHS)}
            if "version" in found["peer"]:
                folder = Path(scratch, str(side))
                folder.mkdir()
                peer = peers.Peer(edition, side, recipe.batch, accelerator.device, folder)
                loading |= {"peer": later(partial(peer.rate, seconds)), "workers": peer.workers}
            found["loading"].append(loading)
        with tqdm(total=rounds * len(timers), desc="timing", disable=None) as bar:
            for _ in range(rounds):
                for rates, rate in timers:
                    found["load_average"].append(os.getloadavg()[0])
                    rates.append(rate())
                    bar.update()
    return found


def table(found: dict[str, Any]) -> str:
    """Return what was measured as Markdown: one table a resolution, and what its numbers are."""
    rows, peak, load = found["rows"], found["peak"], found["load_average"]
    peer, rounds, first = found["peer"], len(peak), rows[0]
    settings = "".join(f", {setting}" for setting in found["recipe"]["set"])
    cpu = str(first["device"]).startswith("CPU")
    lines = [
        f"# Training throughput: {first['device']}, {first['precision']}",
        "",
        f"`{found['command']}`: recipe {found['recipe']['name']}{settings}, random first weights, on "
        f"{found['edition']}. Images a second: the median of {rounds} rounds and their range; a round times every part "
        f"for about {found['seconds']:g} s, in turns. {os.cpu_count()} cores; load average of the machine "
        f"{min(load):.1f} to {max(load):.1f}: other work takes its share of all parts alike.",
    ]
    for loading in found["loading"]:
        side = loading["resolution"]
        lines += ["", f"## {side} px", "", f"| {' | '.join(HEAD)} |", f"|---|{'--:|' * (len(HEAD) - 1)}"]
        for row in rows:
            if row["resolution"] == side:
                lines.append(f"| {' | '.join(cells(row, peak))} |")
        lines += ["", f"| loading alone, batches of {loading['batch']} | images/s |", "|---|--:|"]
        for part in ("streamed", "resident"):
            if part in loading:
                lines.append(f"| our data path, {part}, augmenting about as much | {spread(loading[part])} |")
        if "peer" in loading:
            what = f"galaxy-datasets {peer['version']} with its default augmentation, {loading['workers']} workers"
            lines.append(f"| {what} | {spread(loading['peer'])} |")
        else:
            lines.append(f"| {peer['problem']} | - |")
    ours = ", ".join(f"{name.replace('_', '-')} {version}" for name, version in found["versions"].items())
    lines += [
        "",
        "- data path: pixels gathered, augmented as the recipe says and normalised, the training loop without its "
        "network; streamed from the memory map of decoded images, resident from an array on the GPU.",
        "- step: the training loop on random inputs of the same shape that lie on the device: forward, loss, backward, "
        "optimizer, average of the weights. both: an epoch as it trains.",
        "- data / step: time of the data path that training uses, as a share of that of the step.",
        "- GFLOP: of one image in one step, forward and backward, counted by torch's FlopCounterMode "
        "(convolutions and matrix products, a multiplication and an addition are two).",
        f"- of peak: those a second, in the step alone, as a share of what a product of two matrices of "
        f"{found['peak_side']:,} x {found['peak_side']:,} in {first['precision']} reaches on this device in the same "
        f"round: {spread([p / 1e9 for p in peak])} GFLOP/s.",
        "- memory: the peak of a process that trains this model alone: "
        + ("resident, with all libraries." if cpu else "allocations on the GPU, resident pixels among them."),
        "- galaxy-datasets: the same images from JPEG files, its CatalogDataset in a torch DataLoader set up as its "
        "CatalogDataModule does (shuffled, 4 batches ahead of each worker). It decodes every image anew every time; "
        "the harness has done so once, before training, which is not timed here. By default it turns, shears, "
        "magnifies, shifts and flips an image and erases five rectangles; ours, augmenting about as much, turns, "
        "magnifies, shifts and flips it and blacks out five squares.",
        "",
        f"Commit {found['git']['commit']}{' with changes' if found['git']['dirty'] else ''}; {ours}.",
    ]
    return "\n".join(lines) + "\n"


def cells(row: dict[str, Any], peak: list[float]) -> list[str]:
    """Return the cells of a model's row; shares are medians of the shares in each round."""
    rates = row["rates"]
    loading = rates.get("resident", rates["streamed"])
    share = statistics.median(step / load for step, load in zip(rates["step"], loading))
    reached = statistics.median(row["flops"] * step / top for step, top in zip(rates["step"], peak))
    part = f", one of {row['networks']}: {row['network']}" if row["networks"] > 1 else ""
    return [
        f"{row['model']} ({row['title']}{part})",
        f"{row['batch']}" + (f" in parts of {row['micro_batch']}" if row["micro_batch"] < row["batch"] else ""),
        *(spread(rates[part]) if part in rates else "-" for part in ("streamed", "resident", "step", "both")),
        f"{share:.1%}",
        f"{row['flops'] / 1e9:.3g}",
        f"{reached:.1%}",
        f"{row['peak_memory_bytes'] / 2**30:.2f} GiB",
    ]


def spread(rates: list[float]) -> str:
    """Return median and range of rates, as in 120 (98 to 131)."""
    shown = [f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}" for rate in (min(rates), max(rates))]
    middle = statistics.median(rates)
    return f"{middle:,.0f} ({' to '.join(shown)})" if middle >= 100 else f"{middle:.3g} ({' to '.join(shown)})"


if __name__ == "__main__":
    sys.exit(main())

"""What a CNN learns from simulated galaxies, scored on real ones: `make campaign-transfer GZ2=FOLDER`.

The same small CNN is trained on simulated galaxies only and on as many real ones of the edition gz2 (prepared from
the Kaggle challenge's files in FOLDER if it is not there), three times each, and both are scored on the real test
galaxies: smooth or featured, edge-on or not, spiral arms or none. In colour, in greyscale, and with the real galaxies
magnified so that they look as large as the simulated ones. Half an hour on a core; what is trained is kept, so that an
interrupted campaign goes on. Writes docs/evidence/simulation-transfer.{json,md}.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import multiprocessing
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from scipy import ndimage
from tqdm import tqdm

from benchmark.recipes import RECIPES, Recipe
from galaxy_zoo_decals import image_files, views
from galaxy_zoo_decals.edition import Edition, available, digest, home
from galaxy_zoo_decals.schema import GZD5, Tree
from galaxy_zoo_decals.scoring import Truth
from galaxy_zoo_decals.scoring.bootstrap import Weights, shared
from galaxy_zoo_decals.simulation import scene
from galaxy_zoo_decals.simulation.scene import VERSION, Stream, generator
from galaxy_zoo_decals.simulation.survey import VISIBLE_COLUMNS
from galaxy_zoo_decals.simulation.vote_model import MILLION, panel_votes
from galaxy_zoo_decals.sources.simulated import simulate

# torch is imported where it is needed: the processes that simulate import this module too.
if TYPE_CHECKING:
    from accelerate import Accelerator

    from benchmark import evaluation

ROOT = Path(__file__).parents[2]
OUT = ROOT / "docs" / "evidence" / "simulation-transfer.json"

GALAXIES, VALIDATION = 3000, 400
"""Training galaxies of each kind, and galaxies that choose the epoch: as many as gz2 has with all columns known."""
SEEDS = (0, 1, 2)
SIMULATED_SEED = 21
PANEL = 40
"""Volunteers of every simulated galaxy: the counts of gz2 are made for as many assumed votes."""

SHARED_QUESTIONS = ("smooth-or-featured", "disk-edge-on", "has-spiral-arms")
TASKS = {
    "featured, not smooth": "featured-or-disk",
    "edge-on, of the featured": "edge-on-yes",
    "spiral arms, of the featured face-on": "spiral-yes",
}
"""What is scored: the label of the tree that answers it, on the galaxies whose question was asked."""

VARIANTS = {
    "colour": (False, False),
    "greyscale": (True, False),
    "colour, matched sizes": (False, True),
    "greyscale, matched sizes": (True, True),
}
"""Whether the network sees the mean of the channels, and whether real galaxies are magnified to simulated sizes."""
LARGEST_MAGNIFICATION = 2.0

HEAD = ("question", "seen", "prior", "simulated training", "real training", "gap")


@dataclass(frozen=True)
class Sample:
    """Some galaxies: their images as an edition keeps them, and votes (galaxies, answers of GZD5)."""

    images: list[bytes]
    votes: np.ndarray

    def take(self, rows: slice | np.ndarray) -> Sample:
        """Return some of the galaxies."""
        chosen = np.arange(len(self.images))[rows]
        return Sample([self.images[i] for i in chosen], self.votes[chosen])


def shared_votes(tree: Tree, votes: np.ndarray) -> np.ndarray:
    """Return votes (galaxies, answers of GZD5) on the questions that mean the same in every tree, 0 on the others."""
    out = np.zeros((len(votes), len(GZD5.answers)), np.int64)
    for name in SHARED_QUESTIONS:
        for answer in GZD5.question(name).answers:
            out[:, GZD5.answer_index[name, answer]] = votes[:, tree.answer_index[name, answer]]
    return out


def real_sample(edition: Edition, split: str, galaxies: int | None = None) -> Sample:
    """Return real galaxies with all columns known (of test: the scored ones), ``galaxies`` of them drawn at random."""
    table = edition.table(split, ["iauname", "scored", *edition.tree.answer_columns])
    votes = table[list(edition.tree.answer_columns)].to_numpy(dtype=np.int64)
    if split == "test":
        rows = np.flatnonzero(table["scored"])
    else:
        # A galaxy without counts on arms though it has some of a face-on disc is one whose columns are not known.
        featured = votes[:, edition.tree.answer_index["disk-edge-on", "no"]]
        rows = np.flatnonzero((votes[:, edition.tree.slices["has-spiral-arms"]].sum(axis=1) > 0) | (featured == 0))
    if galaxies is not None:
        if len(rows) < galaxies:
            raise SystemExit(f"{edition.path} has {len(rows)} {split} galaxies with all columns, not {galaxies}.")
        rows = np.sort(np.random.default_rng(0).permutation(rows)[:galaxies])
    names = table["iauname"].iloc[rows].tolist()
    kept = edition.images(split, names)
    return Sample([kept[name] for name in names], shared_votes(edition.tree, votes[rows]))


@cache
def simulator() -> str:
    """Return the version of the simulator with a hash of its code: what is kept belongs to that very code."""
    code = [path.read_text() for path in sorted(Path(scene.__file__).parent.glob("*.py"))]
    return f"v{VERSION}-{digest(code)[:8]}"


def simulated_galaxy(index: int) -> tuple[bytes, np.ndarray] | None:
    """Return image and votes of a simulated galaxy by a full panel; None where the field of view is wrong."""
    row = simulate(SIMULATED_SEED, image_files.SIZE, image_files.QUALITY, index)
    if row["wrong_size_warning"]:
        return None
    visible = np.rint(np.array([row[column] for column in VISIBLE_COLUMNS]) * MILLION).astype(np.int64)
    return row["image"], panel_votes(generator(SIMULATED_SEED, index, Stream.VOTES), visible, PANEL)


def simulated_sample(galaxies: int, processes: int, folder: Path) -> Sample:
    """Return the first simulated galaxies of the seed, kept in ``folder``."""
    path = folder / f"simulated-{simulator()}-{galaxies}.npz"
    if not path.is_file():
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            work = pool.imap(simulated_galaxy, range(round(1.05 * galaxies) + 20), chunksize=8)
            found = [g for g in tqdm(work, desc="Simulating", unit="galaxy") if g is not None][:galaxies]
        lengths = np.cumsum([0, *(len(image) for image, _ in found)])
        data = np.frombuffer(b"".join(image for image, _ in found), np.uint8)
        folder.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"partial-{path.name}")
        np.savez(beside, data=data, ends=lengths, votes=np.array([votes for _, votes in found]))
        beside.replace(path)
    kept = np.load(path)
    data, ends = kept["data"].tobytes(), kept["ends"]
    images = [data[a:b] for a, b in itertools.pairwise(ends)]
    return Sample(images, shared_votes(GZD5, kept["votes"].astype(np.int64)))


def shown_size(image: bytes) -> float:
    """Return the radius in pixels of half of a galaxy's brightness as displayed, above the sky.

    Not of its flux: surveys compress brightness in ways of their own, and what the network sees is the display.
    """
    grey = np.asarray(Image.open(io.BytesIO(image)).convert("RGB"), float).mean(axis=2)
    n = len(grey)
    border = np.concatenate([grey[: n // 10].ravel(), grey[-n // 10 :].ravel()])
    sky = np.median(border)
    noise = max(1.4826 * np.median(np.abs(border - sky)), 1.0)
    labels, _ = ndimage.label(ndimage.gaussian_filter(grey, 1) > sky + 2 * noise)
    middle = labels[n // 2 - 5 : n // 2 + 5, n // 2 - 5 : n // 2 + 5]
    if not middle.any():
        return 1.0
    own = labels == np.bincount(middle[middle > 0]).argmax()
    rows, columns = np.nonzero(own)
    radius = np.hypot(rows - (n - 1) / 2, columns - (n - 1) / 2)
    order = np.argsort(radius)
    growth = np.cumsum((grey[own] - sky)[order])
    return float(radius[order][np.searchsorted(growth, 0.5 * growth[-1])])


def magnifications(sizes: np.ndarray, reference: np.ndarray, wanted: np.ndarray, crop: float) -> np.ndarray:
    """Return by how much to magnify galaxies of these sizes so that those of ``reference`` agree with ``wanted``.

    A size at some quantile of ``reference`` becomes the same quantile of ``wanted``, so large galaxies stay larger
    than small ones. Limited by the sky that is there beyond the crop, and by ``LARGEST_MAGNIFICATION``.
    """
    quantiles = np.linspace(0.01, 0.99, 99)
    ours, theirs = np.quantile(reference, quantiles), np.quantile(wanted, quantiles)
    inside = np.clip(sizes, ours[0], ours[-1])
    return np.clip(np.interp(inside, ours, theirs) / inside, crop, LARGEST_MAGNIFICATION)


def shown(images: Sequence[bytes], recipe: Recipe, magnification: np.ndarray | None = None) -> np.ndarray:
    """Return what a network of the recipe sees of images, uint8 (n, side, side, 3); antialiased."""
    out = np.empty((len(images), recipe.resolution, recipe.resolution, 3), np.uint8)
    for i, data in enumerate(images):
        image = Image.open(io.BytesIO(data)).convert("RGB")
        half = image.width * recipe.crop / 2 / (1.0 if magnification is None else magnification[i])
        middle = image.width / 2
        box = (middle - half, middle - half, middle + half, middle + half)
        out[i] = image.resize((recipe.resolution,) * 2, Image.Resampling.LANCZOS, box=box)
    return out


def learned(
    accelerator: Accelerator,
    recipe: Recipe,
    seed: int,
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    tests: Sequence[np.ndarray],
) -> list[np.ndarray]:
    """Train the multi-label CNN on pictures and votes and return the probabilities of its labels for each test."""
    from accelerate.utils import set_seed

    from benchmark import training
    from benchmark.evaluation import predict
    from galaxy_zoo_decals.models import MODELS

    set_seed(seed)
    kind = MODELS["multilabel"]
    model = kind.from_recipe(recipe, GZD5)
    training.train(accelerator, model, recipe, seed, *(_data(accelerator, *part) for part in (train, validation)))
    nothing = len(GZD5.answers)
    return [
        predict(accelerator, model, _data(accelerator, test, np.zeros((len(test), nothing), np.int64)))
        for test in tests
    ]


def _data(accelerator: Accelerator, pictures: np.ndarray, votes: np.ndarray) -> evaluation.Data:
    from benchmark import evaluation
    from benchmark.device_batches import Pixels

    names = tuple(str(i) for i in range(len(votes)))
    return evaluation.Data(
        Pixels(pictures, accelerator.device), Truth("transfer", "transfer", GZD5, "", "", names, votes)
    )


def area_under_curve(weights: Weights, truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the chance that a positive galaxy scores higher than a negative one, (draws,); ties count half.

    ``truth`` bool and ``scores`` float, (galaxies,), as many as the weights have.
    """
    times = np.column_stack([np.ones(len(truth)), weights.drawn.astype(float)])
    order = np.argsort(scores, kind="stable")
    positive, negative = (times[order] * side[order, None] for side in (truth, ~truth))
    starts = np.concatenate([[0], np.flatnonzero(np.diff(scores[order])) + 1])
    positive, negative = (np.add.reduceat(part, starts) for part in (positive, negative))
    below = np.cumsum(negative, axis=0) - negative / 2
    with np.errstate(invalid="ignore"):
        return (positive * below).sum(axis=0) / (positive.sum(axis=0) * negative.sum(axis=0))


def accuracy(weights: Weights, truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the share of galaxies on the right side of one half, (draws,)."""
    return weights.sums(right=((scores > 0.5) == truth).astype(float))["right"] / weights.total


METRICS = {"area under the ROC curve": area_under_curve, "accuracy": accuracy}


@dataclass(frozen=True)
class Number:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

    @classmethod
    def of(cls, draws: np.ndarray, seed_variance: float = 0.0) -> Number:
        """Return the number of a plain draw and its resamples, and the variance of the mean over trainings."""
        known = draws[1:][~np.isnan(draws[1:])]
        half = 1.96 * np.sqrt((known.var() if len(known) else np.nan) + seed_variance)
        return cls(float(draws[0]), float(draws[0] - half), float(draws[0] + half))


def compared(votes: np.ndarray, simulated: list[np.ndarray], real: list[np.ndarray]) -> list[dict[str, object]]:
    """Return a row for every task and metric: what prior, simulated and real training reach, and the gap.

    ``votes`` of the real test galaxies; predictions (galaxies, labels) of each training. The interval of a
    difference is that of galaxies drawn anew, the same for both, plus the spread of trainings over their number.
    """
    fractions = views.fractions(GZD5, votes)
    asked = views.label_asked(GZD5, views.asked(GZD5, views.totals(GZD5, votes)))
    rows: list[dict[str, object]] = []
    for task, label in TASKS.items():
        column = GZD5.label_names.index(label)
        known = asked[:, column]
        truth = views.label_fractions(GZD5, fractions)[known, column] > 0.5
        weights = shared(len(truth))
        for name, metric in METRICS.items():
            draws = [[metric(weights, truth, p[known, column]) for p in each] for each in (simulated, real)]
            spreads = [np.var([d[0] for d in each], ddof=1) / len(each) for each in draws]
            ours, theirs = (np.mean(each, axis=0) for each in draws)
            prior = metric(weights, truth, np.full(len(truth), float(truth.mean() > 0.5)))[0]
            with np.errstate(divide="ignore", invalid="ignore"):
                taught = np.where(theirs > prior, (ours - prior) / (theirs - prior), np.nan)
            rows.append(
                {
                    "task": task,
                    "metric": name,
                    "galaxies": len(truth),
                    "positives": int(truth.sum()),
                    "prior": float(prior),
                    "simulated": vars(Number.of(ours, spreads[0])),
                    "real": vars(Number.of(theirs, spreads[1])),
                    "gap": vars(Number.of(theirs - ours, sum(spreads))),
                    "share": vars(Number.of(taught, sum(spreads) / max(theirs[0] - prior, 1e-9) ** 2)),
                }
            )
    return rows


def report(found: dict[str, dict[str, object]]) -> str:
    """Return the evidence as Markdown from what each version of the simulator reached."""
    now = found[VERSION]
    recipe, sizes = now["recipe"], now["sizes"]
    lines = [
        "# From simulated to real galaxies",
        "",
        f"`make campaign-transfer GZ2=FOLDER`, simulator version {VERSION}: a multi-label CNN (recipe `quick`, "
        f"{recipe['channels']} channels, {recipe['resolution']} px) trained on {now['galaxies']} simulated galaxies "  # type: ignore[index]
        f"with {PANEL} volunteers each, and the same CNN trained on {now['galaxies']} real galaxies of the Kaggle "
        f"challenge (gz2); each chose its epoch on {now['validation']} galaxies of its own kind and was trained "
        f"{len(SEEDS)} times. Both are scored on the same real test galaxies, each question on those of which it was "
        "asked. The truth of those is made of what the challenge published: likelihoods, debiased for redshift, size "
        "and luminosity, and not votes. So the gap holds that step too.",
        "",
        "The gap holds more than what the simulation lacks: also the step from DECaLS (g, r, z) to SDSS "
        "(g, r, i; shallower, with wider seeing and another way to make colours) and from the questions of one "
        "campaign to those of another. *Share* is the part of the way from the prior to the CNN trained on real "
        "galaxies. Intervals are 95 %: galaxies drawn anew, and the spread of the trainings.",
        "",
        "With matched sizes the real galaxies, in training and test, are magnified so that the radius of half their "
        "displayed brightness has the distribution of the simulated ones: medians "
        f"{sizes['real']:.1f} px before, {sizes['matched']:.1f} px after, {sizes['simulated']:.1f} px simulated "  # type: ignore[index]
        f"(of {image_files.SIZE} px).",
    ]
    rows: list[dict[str, object]] = now["rows"]  # type: ignore[assignment]
    for name in METRICS:
        # The prior is right so often on some questions that a part of the little above it means nothing.
        shown_share = name != "accuracy"
        head = (*HEAD, "share") if shown_share else HEAD
        lines += ["", f"## {name[0].upper()}{name[1:]}", "", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
        for row in rows:
            if row["metric"] == name:
                keys = ("simulated", "real", "gap", "share")[: 4 if shown_share else 3]
                cells = [f"{Number(**row[key])}" for key in keys]  # type: ignore[arg-type]
                lines.append(f"| {row['task']} | {row['variant']} | {row['prior']:.3f} | {' | '.join(cells)} |")
    missing = [variant for variant in VARIANTS if all(row["variant"] != variant for row in rows)]
    lines += ["", f"Not measured for this version: {'; '.join(missing)}."] if missing else []
    counts = {str(row["task"]): f"{row['galaxies']} galaxies, {row['positives']} positive" for row in rows}
    lines += ["", *(f"- {task}: {text}" for task, text in counts.items())]
    if len(found) > 1:
        lines += ["", "## Gap in the area under the curve by simulator version", ""]
        lines += [f"| question | seen | {' | '.join(found)} |", f"|---|---|{'---|' * len(found)}"]
        for row in rows:
            if row["metric"] == next(iter(METRICS)):
                same = [
                    next(r for r in of["rows"] if all(r[k] == row[k] for k in ("task", "variant", "metric")))  # type: ignore[attr-defined]
                    for of in found.values()
                ]
                cells = [str(Number(**r["gap"])) for r in same]
                lines.append(f"| {row['task']} | {row['variant']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def transfer(
    simulated: tuple[Sample, Sample],
    real: tuple[Sample, Sample],
    test: Sample,
    recipe: Recipe,
    seeds: Sequence[int],
    folder: Path,
    variants: Sequence[str] | None = None,
) -> dict[str, object]:
    """Train on both kinds (training and validation galaxies of each), score on ``test`` and return what was found.

    Predictions are kept in ``folder``, which must be another for other galaxies.
    """
    from benchmark import training

    sizes = {
        name: np.array([shown_size(image) for image in part.images])
        for name, part in (
            ("simulated", simulated[0]),
            ("real", real[0]),
            ("validation", real[1]),
            ("test", test),
        )
    }
    magnified = [
        magnifications(sizes[name], sizes["real"], sizes["simulated"], recipe.crop)
        for name in ("real", "validation", "test")
    ]
    accelerator = training.accelerator()
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for variant in variants or VARIANTS:
        greyscale, matched = VARIANTS[variant]
        settings = replace(recipe, greyscale=greyscale)
        factors = magnified if matched else [None] * 3
        pictures = [shown(s.images, settings, f) for s, f in zip((*real, test), factors)]
        predicted: dict[str, list[np.ndarray]] = {}
        for kind in ("simulated", "real"):
            for seed in seeds:
                # Real galaxies that are shown as they are do not depend on the simulator.
                version = f"{simulator()}-" if kind == "simulated" or matched else ""
                path = folder / f"{version}{kind}-{variant.replace(', ', '-').replace(' ', '-')}-seed{seed}.npy"
                if not path.is_file():
                    print(f"{variant}, {kind}, training {seed}", flush=True)
                    if kind == "simulated":
                        parts = [(shown(s.images, settings), s.votes) for s in simulated]
                    else:
                        parts = [(p, s.votes) for p, s in zip(pictures, real)]
                    (values,) = learned(accelerator, settings, seed, *parts, [pictures[2]])
                    beside = path.with_name(f"partial-{path.name}")
                    np.save(beside, values)
                    beside.replace(path)
                predicted.setdefault(kind, []).append(np.load(path))
        rows += [{"variant": variant, **row} for row in compared(test.votes, predicted["simulated"], predicted["real"])]
    return {
        "galaxies": len(real[0].images),
        "validation": len(real[1].images),
        "recipe": {"channels": "-".join(map(str, recipe.channels)), "resolution": recipe.resolution},  # type: ignore[attr-defined]
        "sizes": {
            "simulated": float(np.median(sizes["simulated"])),
            "real": float(np.median(sizes["real"])),
            "matched": float(np.median(sizes["real"] * magnified[0])),
        },
        "rows": rows,
    }


def main() -> int:
    """Train what is missing and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="folder with the challenge's files")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), help="what is looked at")
    args = parser.parse_args()
    if "gz2" not in available():
        program = shutil.which("galaxy-zoo-decals", path=str(Path(sys.executable).parent)) or "galaxy-zoo-decals"
        subprocess.run([program, "prepare", "gz2", "--source", str(args.source)], check=True)
    edition = Edition.open("gz2")
    settings = (GALAXIES, VALIDATION, PANEL, SIMULATED_SEED, asdict(RECIPES["quick"]["multilabel"]))
    folder = home() / "transfer" / f"{edition.content_hash[:16]}-{digest([repr(settings)])[:8]}"
    drawn = simulated_sample(GALAXIES + VALIDATION, args.processes, folder)
    found = json.loads(OUT.read_text()) if OUT.exists() else {}
    found[VERSION] = transfer(
        (drawn.take(slice(GALAXIES)), drawn.take(slice(GALAXIES, None))),
        (real_sample(edition, "train", GALAXIES), real_sample(edition, "validation", VALIDATION)),
        real_sample(edition, "test"),
        RECIPES["quick"]["multilabel"],
        SEEDS,
        folder,
        args.variants,
    )
    OUT.write_text(json.dumps(found, indent=1) + "\n")
    text = report(found)
    OUT.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

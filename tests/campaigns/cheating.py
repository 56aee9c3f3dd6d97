"""What of cheating is seen, and how often an honest entry is suspected: copies, seeds of one training, leaked votes.

`make campaign-cheating` writes docs/evidence/cheating.{json,md}. Honest predictions are those of the committed entries;
copies and leaks are made of them. Votes are drawn anew from the probabilities behind a simulated edition's.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit, logit

from galaxy_zoo_decals import predictions as prediction_files
from galaxy_zoo_decals import views
from galaxy_zoo_decals.predictions import Predictions
from galaxy_zoo_decals.schema import Tree
from galaxy_zoo_decals.scoring import BOARDS, Truth
from galaxy_zoo_decals.simulation import survey
from galaxy_zoo_decals.simulation.scene import Stream, generator
from galaxy_zoo_decals.sources.simulated import simulate
from leaderboard.check import leaked_votes, near_copies, plausibility
from leaderboard.entry.truths import Truths, tree_of
from leaderboard.ranking import entries
from leaderboard.ranking.entries import Entry, Trained

ROOT = Path(__file__).parents[2]
OUT = ROOT / "docs" / "evidence"

GALAXIES, SEED = 20_000, 0
"""Of the edition simulated, as docs/reproducing.md makes it."""

SHARES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.45)
NOISE = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)
PANELS = {"sample": (200, 30), "simulated": (40, 8)}
"""Fresh panels a file without a leak, and with each share of leaked votes."""


@dataclass(frozen=True)
class File:
    """A committed prediction file with its entry and what it holds."""

    entry: Entry
    trained: Trained
    tree: Tree
    predictions: Predictions

    @property
    def together(self) -> bool:
        """Whether it is made of the predictions of several trainings."""
        return len({curve.name.partition(", seed ")[2] for curve in self.trained.run.curves} - {""}) > 1


def files(truths: Truths) -> list[File]:
    """Return the committed prediction files."""
    everyone, _ = entries.submitted(ROOT / "leaderboard", truths)
    found = []
    for entry in everyone:
        for trained in entry.trained:
            tree = tree_of(trained.key[0], truths)
            found.append(File(entry, trained, tree, prediction_files.read(trained.predictions, tree)))
    return found


def visible_of(truth: Truth) -> np.ndarray:
    """Return the probabilities behind the votes of the edition simulated, made again, (galaxies, answers)."""
    place = {name: i for i, name in enumerate(truth.names)}
    found, columns = np.full(truth.votes.shape, np.nan), list(truth.tree.answer_columns)
    for index in range(GALAXIES):
        name = survey.iauname(*survey.draw_position(generator(SEED, index, Stream.RECORD)))
        if name in place:
            row = simulate(SEED, 32, 50, index)
            found[place[name]] = [row[column] for column in survey.VISIBLE_COLUMNS]
            if [row[column] for column in columns] != truth.votes[place[name]].tolist():
                raise SystemExit(f"{name}: this simulator draws other votes than the frozen edition has.")
    return found


# Copies


def noisy(predictions: Predictions, tree: Tree, size: float, rng: np.random.Generator) -> Predictions:
    """Return predictions with normal noise on every logit, of votes on every logarithm."""
    values = predictions.values
    noise = size * rng.standard_normal(values.shape)
    if predictions.task == "votes":
        return replace(predictions, values=values * np.exp(noise))
    return _normalised(replace(predictions, values=expit(logit(np.clip(values, 1e-5, 1 - 1e-5)) + noise)), tree)


def _normalised(predictions: Predictions, tree: Tree) -> Predictions:
    values = predictions.values.copy()
    for group in prediction_files.groups(predictions.task, tree):
        values[:, group] /= values[:, group].sum(axis=1, keepdims=True)
    return replace(predictions, values=values)


def power(predictions: Predictions, tree: Tree, exponent: float) -> Predictions:
    """Return predictions to a power, normalised: another temperature."""
    return _normalised(replace(predictions, values=predictions.values**exponent), tree)


def some_rows(predictions: Predictions, other: Predictions, share: float, rng: np.random.Generator) -> Predictions:
    """Return predictions of which a share of the galaxies is another file's; of share 0 one galaxy alone is."""
    values = predictions.values.copy()
    rows = rng.choice(len(values), max(1, round(share * len(values))), replace=False)
    values[rows] = other.values[rows]
    return replace(predictions, values=values)


def copies(file: File, sibling: File, rng: np.random.Generator) -> Iterator[tuple[str, Predictions]]:
    """Yield copies of a file by the names of what was done to them."""
    given, tree = file.predictions, file.tree
    yield "the file as it is", given
    yield "one galaxy another seed's", some_rows(given, sibling.predictions, 0.0, rng)
    yield "5 % of the galaxies another seed's", some_rows(given, sibling.predictions, 0.05, rng)
    yield "half of the galaxies another seed's", some_rows(given, sibling.predictions, 0.5, rng)
    yield "to the power 1.03", power(given, tree, 1.03)
    yield "to the power 1.5", power(given, tree, 1.5)
    for size in NOISE:
        yield f"noise of {size:g} on every logit", noisy(given, tree, size, rng)


def study_copies(every: list[File], truths: Truths, rng: np.random.Generator) -> dict[str, Any]:
    """Return false alarms among honest files and the share of copies that is refused or flagged."""
    honest: dict[str, list[dict[str, float]]] = {
        "seeds of an entry": [],
        "entries": [],
        "an entry and its ensemble": [],
    }
    for a, b in combinations(every, 2):
        if a.trained.key != b.trained.key:
            continue
        one = near_copies.read(a.trained, truths), near_copies.read(b.trained, truths)
        kind = "seeds of an entry" if a.entry.slug == b.entry.slug else "entries"
        if a.together != b.together and a.trained.run.backbone == b.trained.run.backbone and _members(a, b):
            kind = "an entry and its ensemble"
        row = {"distance": near_copies.distance(*one), "same": near_copies.same(*one)}
        if not np.isfinite(row["distance"]):
            continue
        margins = []
        for (owner, other), pair in (((a, b), one), ((b, a), one[::-1])):
            given = _siblings(owner, other, every, truths)
            if given:
                margins.append(near_copies.following(*pair, given) - near_copies.expected(len(given)))
        row["margin"] = max((m for m in margins if np.isfinite(m)), default=float("nan"))
        honest[kind].append(row)
    seen: dict[str, list[dict[str, float]]] = {}
    for file in every:
        brothers = [f for f in every if f.entry.slug == file.entry.slug and f is not file]
        if file.trained.run.seed != 0 or file.together or not brothers:
            continue
        original, given = (
            near_copies.read(file.trained, truths),
            [near_copies.read(f.trained, truths) for f in brothers],
        )
        own = float(np.median([near_copies.distance(original, g) for g in given]))
        for name, copy in copies(file, brothers[0], rng):
            said = near_copies.Said.of(file.tree, copy)
            apart = near_copies.distance(original, said)
            follows = near_copies.following(original, said, given)
            share = near_copies.same(original, said)
            margin = follows - near_copies.expected(len(given)) if np.isfinite(follows) else -1.0
            seen.setdefault(name, []).append(
                {
                    "refused": float(_refused(file.predictions, copy)),
                    "same": float(share >= near_copies.SHARED),
                    "close": float(apart <= near_copies.CLOSE),
                    "follows": float(margin > near_copies.FOLLOWS),
                    "flagged": float(
                        share >= near_copies.SHARED or apart <= near_copies.CLOSE or margin > near_copies.FOLLOWS
                    ),
                    "distance over that of seeds": apart / own,
                }
            )
    return {
        "honest": {
            kind: {
                "pairs": len(rows),
                "closest": float(min(r["distance"] for r in rows)),
                "largest margin": float(np.nanmax([r["margin"] for r in rows])),
                "most the same": float(np.nanmax([r["same"] for r in rows])),
                "same": sum(r["same"] >= near_copies.SHARED for r in rows),
                "close": sum(r["distance"] <= near_copies.CLOSE for r in rows),
                "follows": sum(r["margin"] > near_copies.FOLLOWS for r in rows),
            }
            for kind, rows in honest.items()
        },
        "copies": {
            name: {key: float(np.mean([r[key] for r in rows])) for key in rows[0]} | {"files": len(rows)}
            for name, rows in seen.items()
        },
    }


def _members(a: File, b: File) -> bool:
    """Return whether the curves of the one are those of the other: an ensemble keeps its members'."""

    def of(f: File) -> set[str]:
        return {json.dumps([p.model_dump() for p in c.points]) for c in f.trained.run.curves}

    return bool(of(a) & of(b))


def _siblings(owner: File, other: File, every: list[File], truths: Truths) -> list[near_copies.Said]:
    """Return what the further seeds of the owner's entry say."""
    return [
        near_copies.read(f.trained, truths)
        for f in every
        if f.entry.slug == owner.entry.slug
        and (f.trained.key, f.trained.task) == (owner.trained.key, owner.trained.task)
        and f is not owner
        and f is not other
    ]


def _refused(original: Predictions, copy: Predictions) -> bool:
    seen: list[plausibility.Seen] = []
    plausibility.check(Path("original"), original, seen)
    try:
        plausibility.check(Path("copy"), copy, seen)
    except prediction_files.PredictionError:
        return True
    return False


# Leaked votes


def leaked(truth: Truth, predictions: Predictions, share: float, kind: str) -> Predictions:
    """Return predictions of which a share is the published votes, as "labels" or as "fractions"."""
    tree, values, task = truth.tree, predictions.values, predictions.task
    if task == "votes":
        base = views.fractions(tree, values)
        sums = values / base
        seen = np.where(np.isnan(truth.fractions), base, truth.fractions)
        return replace(predictions, values=np.maximum(((1 - share) * base + share * seen) * sums, 1e-6))
    if kind == "labels":
        labels = BOARDS[task].true_labels(truth)
        assert labels is not None
        known, true = labels
        seen = np.where(known, true, np.nan).astype(float)
    elif task == "multiclass":
        seen = truth.classes.shares / np.maximum(truth.classes.shares.sum(axis=1, keepdims=True), 1e-9)
    elif task == "multilabel":
        seen = views.label_fractions(tree, truth.fractions)
    else:
        seen = np.concatenate([truth.fractions[:, tree.slices[q]] for q in tree.scored_questions], axis=1)
    seen = np.where(np.isnan(seen), values, seen)
    return _normalised(replace(predictions, values=(1 - share) * values + share * seen), tree)


def study_leaks(every: list[File], truths: Truths, rng: np.random.Generator) -> dict[str, Any]:
    """Return the z-scores of the committed files, of honest files on fresh panels, and of files with leaked votes."""
    committed: list[dict[str, Any]] = []
    null: dict[str, list[float]] = {}
    curve: list[dict[str, Any]] = []
    probabilities: dict[str, np.ndarray] = {}
    for file in every:
        name = file.trained.key[0]
        truth = truths.truth(file.trained.key)
        if name not in PANELS or truth is None:
            continue
        if name not in probabilities:
            known = leaked_votes.visible(file.trained.key, truths)
            probabilities[name] = visible_of(truth) if known is None else known
        visible, task = probabilities[name], file.trained.task
        found = leaked_votes.z_scores(truth, visible, file.predictions)
        committed.append(
            {"entry": file.entry.slug, "edition": name, "task": task, "seed": file.trained.run.seed} | found
        )
        if file.trained.run.seed != 0 or file.together:
            continue
        without, with_leak = PANELS[name]
        for _ in range(without):
            anew = replace(truth, votes=leaked_votes.fresh_votes(truth, visible, rng))
            for key, z in leaked_votes.z_scores(anew, visible, file.predictions).items():
                null.setdefault(f"{name}, by {key}", []).append(z)
        for kind in ("fractions",) if task == "votes" else ("labels", "fractions"):
            for share in SHARES:
                for _ in range(with_leak):
                    anew = replace(truth, votes=leaked_votes.fresh_votes(truth, visible, rng))
                    z = max(leaked_votes.z_scores(anew, visible, leaked(anew, file.predictions, share, kind)).values())
                    curve.append({"edition": name, "task": task, "leak": kind, "share": share, "z": z})
    return {"committed": committed, "null": {k: _normal(v) for k, v in null.items()}, "power": _power(curve)}


def _normal(z: list[float]) -> dict[str, float]:
    return {
        "z-scores": len(z),
        "mean": float(np.mean(z)),
        "standard deviation": float(np.std(z)),
        "above 2": float(np.mean(np.array(z) > 2)),
        "largest": float(np.max(z)),
        "above the limit": int(np.sum(np.array(z) > leaked_votes.SUSPECT)),
    }


def _power(curve: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for edition, task, leak in dict.fromkeys((r["edition"], r["task"], r["leak"]) for r in curve):
        row: dict[str, Any] = {"edition": edition, "task": task, "leak": leak}
        for share in SHARES:
            z = [
                r["z"]
                for r in curve
                if (r["edition"], r["task"], r["leak"], r["share"]) == (edition, task, leak, share)
            ]
            row[str(share)] = {
                "median": float(np.median(z)), "low": float(np.quantile(z, 0.05)), "high": float(np.quantile(z, 0.95)),
                "seen": float(np.mean(np.array(z) > leaked_votes.SUSPECT)),
            }  # fmt: skip
        rows.append(row)
    return rows


def write(result: dict[str, Any]) -> None:
    """Write the result as JSON and as tables."""
    (OUT / "cheating.json").write_text(json.dumps(result, indent=1) + "\n")
    copies_of, leaks = result["copies"], result["leaks"]
    zs = [max(row.get("fractions", -9.0), row.get("labels", -9.0)) for row in leaks["committed"]]
    lines = [
        "# Cheating: what is seen, and how often an honest entry is suspected",
        "",
        f"Made by `make campaign-cheating` at commit {result['commit']}. Honest predictions are those of the committed "
        "entries; copies and leaks are made of them.",
        "",
        "## Near copies",
        "",
        "Galaxies of which two files say the same are counted among those that are not plain to both; "
        f"{result['limits']['shared']:.0%} are flagged, and {result['limits']['copied']:.0%} are refused between files "
        "of one task. The distance of two files is the median over galaxies and columns of the difference in rank, as "
        f"a share of all galaxies; at most {result['limits']['close']:g} is flagged. Following is the rank correlation "
        "of what two files say beyond an entry's other seeds; separate trainings of that recipe come to "
        f"1 / (seeds + 1), and {result['limits']['follows']:g} more is flagged. Flags are for a person.",
        "",
        "| honest pairs | pairs | most the same | flagged | closest | flagged | most above expected following | "
        "flagged |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for kind, row in copies_of["honest"].items():
        lines.append(
            f"| {kind} | {row['pairs']} | {row['most the same']:.1%} | {row['same']} | {row['closest']:.4f} | "
            f"{row['close']} | {row['largest margin']:.2f} | {row['follows']} |"
        )
    lines += [
        "",
        "An ensemble is told from a copy with noise by a person: the flag names both.",
        "",
        "The three limits of near copies were set with these same entries in view, so that none of them is flagged "
        "says that the limits leave room, not how often an entry of the future will be.",
        "",
        "| a copy of one seed, sent in as another entry | files | distance / that of honest seeds | refused | same | "
        "close | follows | flagged |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, row in copies_of["copies"].items():
        lines.append(
            f"| {name} | {row['files']} | {row['distance over that of seeds']:.2f} | {row['refused']:.0%} | "
            f"{row['same']:.0%} | {row['close']:.0%} | {row['follows']:.0%} | {row['flagged']:.0%} |"
        )
    lines += [
        "",
        "**Seeds that are one training with noise** are seen by what is the same and close alone: further seeds that "
        "would tell are copies too. Noise as large as the spread of honest trainings is not seen.",
        "",
        "## Leaked votes",
        "",
        "A z-score per file says how far it follows the random part of the published votes given the probabilities "
        "they were drawn with; the larger of two, by vote fractions and by the labels they make. "
        f"Above {result['limits']['suspect']:g} a person is told. The {len(zs)} committed files on simulated editions "
        f"come to {min(zs):.1f} to {max(zs):.1f}; {sum(z > result['limits']['suspect'] for z in zs)} are flagged.",
        "",
        "Honest predictions against fresh panels of the same galaxies:",
        "",
        "| edition | z-scores | mean | s.d. | above 2 (normal: 2.3 %) | largest | above the limit |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name, row in leaks["null"].items():
        lines.append(
            f"| {name} | {row['z-scores']} | {row['mean']:.2f} | {row['standard deviation']:.2f} | "
            f"{row['above 2']:.1%} | {row['largest']:.1f} | {row['above the limit']} |"
        )
    lines += [
        "",
        "The same predictions with a share of the published votes blended in: the median z-score (5 % to 95 % of fresh "
        "panels) and how often a person is told. Blends of this kind are what the two z-scores were made for; on the "
        f"sample each file and share has {PANELS['sample'][1]} panels, on the edition simulated "
        f"{PANELS['simulated'][1]}.",
        "",
        "| edition | task | leaked as | " + " | ".join(f"{share:.0%}" for share in SHARES) + " |",
        "|---|---|---|" + "--:|" * len(SHARES),
    ]
    for row in leaks["power"]:
        cells = [
            f"{c['median']:.1f} ({c['low']:.1f} to {c['high']:.1f}), {c['seen']:.0%}"
            for c in (row[str(share)] for share in SHARES)
        ]
        lines.append(f"| {row['edition']} | {row['task']} | {row['leak']} | " + " | ".join(cells) + " |")
    (OUT / "cheating.md").write_text("\n".join(lines) + "\n")


def main() -> None:
    """Measure and write."""
    truths, rng = Truths.on_this_machine([]), np.random.default_rng(0)
    every = files(truths)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    limits = {
        "close": near_copies.CLOSE, "follows": near_copies.FOLLOWS,
        "shared": near_copies.SHARED, "copied": plausibility.COPIED,
        "suspect": leaked_votes.SUSPECT,
    }  # fmt: skip
    write(
        {
            "commit": commit.strip()[:10],
            "limits": limits,
            "copies": study_copies(every, truths, rng),
            "leaks": study_leaks(every, truths, rng),
        }
    )


if __name__ == "__main__":
    main()

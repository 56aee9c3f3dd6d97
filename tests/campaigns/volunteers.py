"""How many volunteers a model is worth: `make campaign-volunteers RUNS=FOLDER`.

Walmsley et al. 2022 find their networks about as accurate as ten volunteers. Here is the same for every model that
predicts vote fractions (votes and hierarchical files), from run folders and the committed submissions: the number of
volunteers whose mean has the model's mean squared error, unbiased for the finite number of votes. Editions whose truth
is no votes of volunteers are left out; where the true probabilities are known, what they say stands beside it.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from galaxy_zoo_decals import predictions as prediction_files
from galaxy_zoo_decals import views
from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.schema import Tree
from galaxy_zoo_decals.scoring import MIN_POSITIVES, Truth
from galaxy_zoo_decals.scoring.bootstrap import interval, shared
from galaxy_zoo_decals.scoring.priors import prior_concentrations
from galaxy_zoo_decals.scoring.results import board_values
from galaxy_zoo_decals.scoring.volunteers import equivalent_volunteers, volunteer_errors
from leaderboard.entry import prediction_file, run_json, submission
from leaderboard.entry.run_json import Run
from leaderboard.entry.truths import Truths, terms_of

ROOT = Path(__file__).parents[2]
OUT = ROOT / "docs" / "evidence"

TASKS = ("votes", "hierarchical")
"""Tasks whose files hold vote fractions, the one that counts first; a class or label probability is no fraction."""

PRIOR, VOLUNTEERS = "class prior", "volunteers"


@dataclass(frozen=True)
class Worth:
    """Equivalent volunteers with their 95 % interval; NaN where the error is too small to be measured."""

    value: float
    low: float
    high: float

    @classmethod
    def mean(cls, seeds: list[np.ndarray]) -> Worth:
        """Return the mean of seeds' values and draws, each (draws,), the plain value first."""
        draws = np.mean(seeds, axis=0)
        return cls(float(draws[0]), *interval(draws[1:]))

    def __str__(self) -> str:
        return f"{self.value:.1f} [{self.low:.1f}, {self.high:.1f}]" if math.isfinite(self.value) else "not measurable"


def worth(truth: Truth, fractions: np.ndarray, question: str) -> np.ndarray:
    """Return the equivalent volunteers (draws,) of predicted fractions on one question, where it was asked.

    NaN where fewer than MIN_POSITIVES galaxies were asked, or nothing is predicted.
    """
    columns, asked = truth.tree.slices[question], truth.asked[:, truth.tree.question_index[question]]
    weights = shared(len(truth.names))
    if asked.sum() < MIN_POSITIVES or np.isnan(fractions[:, columns]).any():
        return np.full(weights.draws, np.nan)
    variance, error = volunteer_errors(truth.votes[:, columns], fractions[:, columns])
    s = weights.sums(variance=np.where(asked, variance, 0.0), error=np.where(asked, error, 0.0))
    return equivalent_volunteers(s["variance"], s["error"])


def known_worth(truth: Truth, fractions: np.ndarray, probabilities: np.ndarray, question: str) -> float:
    """Return the equivalent volunteers against the true probabilities, on the same galaxies."""
    columns, asked = truth.tree.slices[question], truth.asked[:, truth.tree.question_index[question]]
    p, f = probabilities[asked, columns], fractions[asked, columns]
    return float((p * (1 - p)).sum() / ((f - p) ** 2).sum())


def found_files(folders: list[Path]) -> Iterator[tuple[str, Run, str, Path]]:
    """Yield (model, run, task, prediction file) of the run folders and submissions below some folders.

    A submission's model is called as on the leaderboard; runs of one folder are seeds of one model.
    """
    for top in folders:
        for folder in run_json.find(top):
            run = run_json.read(folder / "run.json")
            name = f"{run.title}, {run.resolution} px, recipe {run.recipe_name}, {folder.parent.relative_to(top)}"
            for task in run.tasks:
                yield name, run, task, folder / run_json.prediction_path(run.edition.name, task, run.seed)
        for said in sorted(top.glob("**/submission.yaml")):
            name = submission.read(said).name
            for path in sorted(said.parent.glob("predictions/*/*/*.parquet")):
                run = run_json.read(said.parent / submission.run_path(path.relative_to(said.parent)))
                yield name, run, path.parts[-2], path


def visible(truths: Truths, truth: Truth) -> np.ndarray | None:
    """Return the true probabilities of a simulated edition's galaxies, None where they are not known here."""
    edition = truths.edition((truth.edition, truth.content_hash))
    columns = [f"visible_{column}" for column in truth.tree.answer_columns]
    if edition is None or not set(columns) <= set(edition.facts["extra_columns"]):  # type: ignore[call-overload]
        return None
    table = edition.table("test", ["scored", *columns])
    return table.loc[table["scored"], columns].to_numpy(float)


def models(folders: list[Path], truths: Truths) -> tuple[dict[tuple[str, str], dict[str, list[np.ndarray]]], list[str]]:
    """Return predicted fractions, {edition: {model: one (galaxies, answers) a seed}}, and what was left out."""
    found: dict[tuple[str, str], dict[str, dict[str, dict[int, np.ndarray]]]] = {}
    left = []
    for name, run, task, path in found_files(folders):
        key = (run.edition.name, run.edition.content_hash)
        if task not in TASKS:
            left.append(f"{name}: {task} files hold no vote fractions.")
            continue
        truth = truths.truth(key)
        if not terms_of(key, truths).counted_votes:
            left.append(f"{name} on {key[0]}: its truth is published likelihoods, which no volunteer voted.")
            continue
        if truth is None:
            left.append(f"{name} on {key[0]}: {truths.missing(key)}")
            continue
        try:
            prediction_file.checked(path, run, task, truths)
            # A votes file enters the decision tree as the fractions of all questions.
            values = board_values(truth.tree, prediction_files.read(path, truth.tree))["hierarchical"]
        except UserError as error:
            left.append(str(error))
            continue
        found.setdefault(key, {}).setdefault(name, {}).setdefault(task, {})[run.seed] = values
    chosen = {
        key: {name: list(by_task[next(t for t in TASKS if t in by_task)].values()) for name, by_task in named.items()}
        for key, named in found.items()
    }
    return chosen, sorted(set(left))


def rows(truth: Truth, named: dict[str, list[np.ndarray]], known: np.ndarray | None) -> list[dict[str, object]]:
    """Return a row a model, best first on the first question, with the class prior last."""
    tree, n = truth.tree, len(truth.names)
    prior = np.tile(views.fractions(tree, prior_concentrations(tree, truth.votes)[None]), (n, 1))
    found = []
    for name, seeds in {**named, PRIOR: [prior]}.items():
        by_question = {
            q.name: {VOLUNTEERS: Worth.mean([worth(truth, f, q.name) for f in seeds])} for q in tree.questions
        }
        row: dict[str, object] = {"model": name, "seeds": 0 if name == PRIOR else len(seeds)}
        row["questions"] = {q: {c: vars(w) for c, w in worths.items()} for q, worths in by_question.items()}
        if known is not None:
            first = tree.questions[0].name
            row["known"] = float(np.mean([known_worth(truth, f, known, first) for f in seeds]))
        found.append((name == PRIOR, -np.nan_to_num(by_question[tree.questions[0].name][VOLUNTEERS].value), row))
    return [row for *_, row in sorted(found, key=lambda x: x[:2])]


def table(truth: Truth, found: list[dict[str, object]], tree: Tree) -> list[str]:
    """Return the tables of one edition as Markdown."""
    known = "known" in found[0]

    def cell(row: dict[str, object], question: str) -> str:
        return str(Worth(**row["questions"][question][VOLUNTEERS]))  # type: ignore[index]

    first = tree.questions[0].name
    heads = ["model", "seeds", VOLUNTEERS, *(["by the known truth"] if known else [])]
    lines = [f"## {truth.title}", "", f"{len(truth.names):,} scored test galaxies; {first}:", ""]
    lines += [f"| {' | '.join(heads)} |", "|---|--:" + "|--:" * (len(heads) - 2) + "|"]
    for row in found:
        cells = [str(row["model"]), str(row["seeds"] or ""), cell(row, first)]
        cells += [f"{row['known']:.1f}"] if known else []
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "Every question, on the galaxies that were asked it:", ""]
    lines += [f"| question | {' | '.join(str(row['model']) for row in found)} |", "|---" + "|--:" * len(found) + "|"]
    for q in tree.questions:
        values = [cell(row, q.name) for row in found]
        asked = int(truth.asked[:, tree.question_index[q.name]].sum())
        if asked >= MIN_POSITIVES:
            lines.append(f"| {q.name} ({asked} galaxies) | {' | '.join(values)} |")
    return [*lines, ""]


def main() -> None:
    """Write docs/evidence/volunteers.{json,md}."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, help="folders of runs or submissions, beside the committed")
    parser.add_argument("--edition", action="append", default=[], metavar="[NAME=]PATH")
    parser.add_argument("--truth", action="append", default=[], metavar="NAME=PATH")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    try:
        truths = Truths.on_this_machine(options.edition, options.truth)
        given, left = models([*options.folders, ROOT / "leaderboard" / "submissions"], truths)
    except UserError as error:
        sys.exit(f"error: {error}")
    if not given:
        sys.exit("\n".join(["error: there is no model that predicts vote fractions:", *left]))
    lines = [
        "# How many volunteers a model is worth",
        "",
        "`make campaign-volunteers`: the number of volunteers whose mean has the model's mean squared error on the "
        "vote fractions, n = V / E, both freed of the noise of finite votes, with the 95 % interval of the bootstrap "
        "over galaxies; the mean of the seeds. Walmsley et al. 2022 find theirs as accurate as about ten volunteers, "
        "on 387 galaxies of GZ DECaLS with over 75 votes. The Kaggle challenge published no votes, so that nothing "
        "is worth volunteers on its galaxies. Models of classes and labels predict no vote fractions and have no "
        "such number.",
        "",
    ]
    stored = {}
    for key, named in sorted(given.items()):
        truth = truths.truth(key)
        assert truth is not None  # models() left out editions without one
        found = rows(truth, named, visible(truths, truth))
        stored[key[0]] = {"content_hash": key[1], "rows": found}
        lines += table(truth, found, truth.tree)
    lines += [f"- left out: {text}" for text in left]
    options.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(stored, indent=1, default=float).replace("NaN", "null")
    (options.out / "volunteers.json").write_text(text + "\n")
    (options.out / "volunteers.md").write_text("\n".join(lines).rstrip() + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()

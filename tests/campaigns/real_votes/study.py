"""What real votes say of models and their limit: every number of docs/evidence/real-votes.json but the Kaggle part."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

from galaxy_zoo_decals import views
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.predictions import Predictions
from galaxy_zoo_decals.schema import CLASSES, GZ2
from galaxy_zoo_decals.scoring import BOARDS, MIN_POSITIVES, Truth, score
from galaxy_zoo_decals.scoring.bootstrap import interval, ratio
from galaxy_zoo_decals.scoring.ceilings import CEILING, DRAWS, REFITS, RESAMPLES, VOLUNTEERS, ceilings
from galaxy_zoo_decals.scoring.priors import draw_probabilities, fit_priors
from galaxy_zoo_decals.scoring.results import Result, board_values, finite, references
from galaxy_zoo_decals.scoring.volunteers import volunteer_errors
from tests.campaigns.real_votes import independent, training
from tests.campaigns.real_votes.recalibration import recalibrated
from tests.campaigns.real_votes.sample import FOLDS, Sample

SHOWN = {
    "multiclass": ("macro_f1", "accuracy", "clear_accuracy", "nll"),
    "multilabel": ("macro_map", "macro_f1"),
    "hierarchical": ("hierarchical_f1", "exact_path"),
    "votes": ("nll", "accuracy", "mae", "equivalent_volunteers"),
}
"""Metrics of each board that are kept, the one it is ranked by first."""

CLAIMED = ("macro_f1", "accuracy", "macro_map", "hierarchical_f1", "nll")
"""Metrics of which it is said whether the ceiling is above a model, one or two a board."""

Numbers = dict[str, float]


@dataclass(frozen=True)
class Scored:
    """One model under one condition: the results of its trainings, and what they predict (seeds, galaxies, columns)."""

    model: training.Model
    condition: str
    results: list[dict[str, Result]]
    values: list[np.ndarray]

    def draws(self, board: str, metric: str) -> np.ndarray:
        """Return the mean score over trainings and its bootstrap draws (1 + draws,), the plain value first."""
        found = [result[board] for result in self.results]
        return np.mean([[r.metrics[metric].value, *r.draws[metric]] for r in found], axis=0)

    def spread(self, board: str, metric: str) -> float:
        """Return the standard deviation of the score over trainings."""
        return float(np.std([result[board].metrics[metric].value for result in self.results], ddof=1))


def known(value: Any) -> Any:
    """Return JSON-ready values, null in place of what is no number."""
    if isinstance(value, dict):
        return {key: known(one) for key, one in value.items()}
    if isinstance(value, list):
        return [known(one) for one in value]
    return finite(value)


def numbers(draws: np.ndarray) -> Numbers:
    """Return a value with its 95 % interval from draws (1 + draws,), the plain value first."""
    low, high = interval(np.asarray(draws[1:], float))
    return {"value": float(draws[0]), "low": float(low), "high": float(high)}


def order(editions: Sequence[Edition], sample: Sample) -> np.ndarray:
    """Return the positions in the sample of all folds' test galaxies, in the folds' own orders, (tested,)."""
    at = {name: row for row, name in enumerate(sample.names)}
    return np.array([at[name] for edition in editions for name in Truth.of(edition).names])


def all_models(root: Path, editions: list[Edition], sample: Sample) -> list[Scored]:
    """Return every model under every condition that has been trained on all seeds, scored on the same galaxies."""
    rows = order(editions, sample)
    truth = sample.truth(rows)
    sizes = [len(Truth.of(edition).names) for edition in editions]
    ends = np.cumsum(sizes)
    out = []
    for model in training.MODELS:
        if not all((model.run(root, seed) / "run.json").is_file() for seed in training.SEEDS):
            continue
        shown = [training.zero_shot(root, model, seed, editions) for seed in training.SEEDS]
        out.append(_scored(model, "zero-shot", truth, [np.concatenate(parts) for parts in shown]))
        mapped = []
        for parts in shown:
            whole, fixed = np.concatenate(parts), []
            for fold in range(FOLDS):
                inside = np.zeros(len(rows), bool)
                inside[ends[fold] - sizes[fold] : ends[fold]] = True
                others = sample.truth(rows[~inside])
                fixed.append(recalibrated(model.task, (others, whole[~inside]), whole[inside]))
            mapped.append(np.concatenate(fixed))
        out.append(_scored(model, "recalibrated", truth, mapped))
        folders = [training.finetuned(root, model, s, f) for s in training.SEEDS for f in range(FOLDS)]
        if all((folder / "run.json").is_file() for folder in folders):
            found = [training.after_finetuning(root, model, seed, editions) for seed in training.SEEDS]
            out.append(_scored(model, "finetuned", truth, [np.concatenate(parts) for parts in found]))
    return out


def _scored(model: training.Model, condition: str, truth: Truth, values: list[np.ndarray]) -> Scored:
    results = []
    for seed, one in zip(training.SEEDS, values):
        results.append(score(truth, Predictions(model.task, truth.edition, "", "", seed, truth.names, one)))
    return Scored(model, condition, results, values)


def described(sample: Sample) -> dict[str, Any]:
    """Return what the sample is: kinds of galaxies, numbers of volunteers, and how far its counts are exact."""
    truth, off = sample.truth(np.arange(len(sample.names))), np.abs(sample.off)
    label, n = truth.classes.label, len(sample.names)
    return {
        "galaxies": n,
        "samples": {str(k): int(v) for k, v in sample.table["sample"].value_counts().items()},
        "volunteers": {"median": float(np.median(sample.classifications)), "least": int(sample.classifications.min()),
                       "most": int(sample.classifications.max())},
        "classes": {name: int((label == i).sum()) for i, name in enumerate(CLASSES)} | {"none": int((label < 0).sum())},
        "few": int((sample.classifications < 30).sum()),
        "clear": float(np.mean(truth.classes.confidence > 0.6)),
        "counts": {
            "whole_at_first_question": int(sample.first_is_whole.sum()),
            "sum_agrees": int((off == 0).sum()),
            "sum_within_one": int((off <= 1).sum()),
            "largest_difference": int(off.max()),
            "votes": int(sample.counts.sum()),
        },
    }  # fmt: skip


def ceiling_tables(truth: Truth, draws: int = DRAWS, refits: int = REFITS) -> dict[str, dict[str, Result]]:
    """Return the product's ceilings and panels of a set of galaxies."""
    return ceilings(truth, draws, VOLUNTEERS, refits=refits)


def boards(truth: Truth, found: dict[str, dict[str, Result]], scored: Iterable[Scored]) -> dict[str, Any]:
    """Return the rows of every board: class prior, panels, ceiling and models, with intervals."""
    priors, scored = references(truth), list(scored)
    out: dict[str, Any] = {}
    for board, metrics in SHOWN.items():
        rows: dict[str, Any] = {}
        for metric in metrics:
            row: dict[str, Any] = {"title": BOARDS[board].metrics[metric].title}
            row["higher_is_better"] = BOARDS[board].metrics[metric].higher_is_better
            prior = priors[board]["class prior"].metrics[metric]
            row["prior"] = {"value": prior.value, "low": prior.low, "high": prior.high}
            for title, reference in found[board].items():
                e = reference.metrics[metric]
                row[title] = {"value": e.value, "low": e.low, "high": e.high}
            row["models"] = [
                {
                    "name": one.model.name, "condition": one.condition, **numbers(one.draws(board, metric)),
                    "spread": one.spread(board, metric), "trainings": len(one.results),
                }
                for one in scored
                if board in one.results[0]
            ]  # fmt: skip
            rows[metric] = row
        out[board] = rows
    return out


def gaps(
    found: dict[str, dict[str, Result]],
    narrow: dict[str, dict[str, Result]],
    scored: Iterable[Scored],
    claims: int,
) -> list[dict[str, Any]]:
    """Return by how much the ceiling is above each model, with the interval of one claim and of all ``claims``.

    ``narrow`` are the same ceilings without refits of the prior. Their draws are paired with the model's galaxy by
    galaxy; what the prior's uncertainty adds to the variance of ``found``, and the spread of the trainings, are added.
    (Differences of the widened draws themselves would be too narrow: what is wider is paired, too.) Signs are such that
    a positive gap is room that the votes leave to a better model.
    """
    out = []
    for one in scored:
        for board, metrics in SHOWN.items():
            for metric in (m for m in metrics if m in CLAIMED and board in one.results[0]):
                sign = 1 if BOARDS[board].metrics[metric].higher_is_better else -1
                limit, model = found[board][CEILING], one.draws(board, metric)
                plain = narrow[board][CEILING].draws[metric][:RESAMPLES]
                galaxies = float(np.var(plain - model[1 : 1 + RESAMPLES], ddof=1))
                prior = max(float(np.var(limit.draws[metric], ddof=1) - np.var(plain, ddof=1)), 0.0)
                value = sign * (limit.metrics[metric].value - float(model[0]))
                trainings = one.spread(board, metric) ** 2 / len(one.results)
                row = {"model": one.model.name, "condition": one.condition, "board": board, "metric": metric}
                around = _around(value, galaxies + prior, trainings, len(one.results), claims)
                out.append({**row, "value": value, **around})
    return out


def _around(value: float, sampled: float, trainings: float, seeds: int, claims: int) -> dict[str, float]:
    """Return the 95 % interval of one claim, and that which holds for all ``claims`` together (Bonferroni).

    From the variance of the sampled galaxies and that of the mean over ``seeds`` trainings, which few trainings tell
    badly: Student's t with Welch and Satterthwaite's degrees of freedom.
    """
    error = float(np.sqrt(sampled + trainings))
    freedom = (sampled + trainings) ** 2 / max(trainings**2 / (seeds - 1), 1e-300)
    one, every = (float(student.ppf(1 - 0.025 / m, freedom)) for m in (1, claims))
    return {
        "low": value - one * error, "high": value + one * error,
        "low_of_all": value - every * error, "high_of_all": value + every * error,
    }  # fmt: skip


def questions(truth: Truth, scored: list[Scored], claims: int, draws: int, seed: int = 0) -> list[dict[str, Any]]:
    """Return, for the four classes and each question: accuracy of the ceiling and the models, and volunteers.

    The ceiling is the product's posterior scored by the plain code of independent.py, paired with the models;
    ``plain`` is that of the other prior too, and ``gap_plain`` what it says of the same difference.
    """
    rng = np.random.default_rng(seed)
    priors = fit_priors(GZ2, truth.votes)
    first = truth.totals[:, 0]
    limit = np.array(
        [
            independent.right(f, independent.panel(f, first, rng))
            for f in (draw_probabilities(GZ2, priors, truth.votes, rng) for _ in range(draws))
        ]
    )
    plain = independent.ceiling(truth.votes, draws, seed)
    takes = rng.multinomial(len(first), np.full(len(first), 1 / len(first)), size=1000)
    weights = np.vstack([np.ones(len(first), int), takes])
    rows = []
    for name, asked in asked_often(truth).items():
        i = independent.NAMES.index(name)
        ceiling = _mean(limit[:, :, i], weights)
        other = _mean(plain[:, :, i], weights)
        row: dict[str, Any] = {"name": name, "galaxies": asked, "ceiling": numbers(ceiling), "plain": numbers(other)}
        row["models"] = []
        for one in scored:
            said = _said(one, truth)
            if said is None:
                continue
            hits = np.array([independent.right(f, truth.votes)[:, i] for f in said])
            model = _mean(hits, weights)
            each = [float(np.nanmean(h)) for h in hits]
            told = {"name": one.model.name, "condition": one.condition, "accuracy": numbers(model)}
            for key, oracle in (("gap", ceiling), ("gap_plain", other)):
                sampled, trainings = float(np.var(oracle[1:] - model[1:], ddof=1)), np.var(each, ddof=1) / len(each)
                gap = float(oracle[0] - model[0])
                told[key] = {"value": gap, **_around(gap, sampled, float(trainings), len(each), claims)}
            if i:
                told["volunteers"] = numbers(worth(truth, name, said, weights))
            row["models"].append(told)
        rows.append(row)
    return rows


def asked_often(truth: Truth) -> dict[str, int]:
    """Return how many galaxies have a class, and an answer to each question, where they are MIN_POSITIVES at least."""
    known = (~np.isnan(independent.right(truth.fractions, truth.votes))).sum(axis=0)
    return {name: int(n) for name, n in zip(independent.NAMES, known) if n >= MIN_POSITIVES}


def _said(one: Scored, truth: Truth) -> list[np.ndarray] | None:
    """Return the fractions that each training says, (galaxies, 37) each, None of models of classes or labels."""
    if one.model.task != "votes":
        return None
    return [views.fractions(truth.tree, values) for values in one.values]


def _mean(hits: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the share of hits (repeats, galaxies), NaN where not asked, under weights (draws, galaxies)."""
    known = ~np.isnan(hits)
    return np.asarray((weights @ np.where(known, hits, 0.0).sum(axis=0)) / (weights @ known.sum(axis=0)))


def worth(truth: Truth, question: str, said: list[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """Return how many volunteers the fractions are worth at a question, of all draws; NaN where not measurable."""
    columns, i = truth.tree.slices[question], truth.tree.question_index[question]
    asked = truth.asked[:, i]
    found = []
    for fractions in said:
        variance, error = volunteer_errors(truth.votes[asked][:, columns], fractions[asked][:, columns])
        v, e = weights[:, asked] @ variance, weights[:, asked] @ error
        found.append(np.where(e > 0, ratio(v, e), np.nan))
    return np.asarray(np.mean(found, axis=0))


def halves(truth: Truth, scored: list[Scored], draws: int, seed: int = 0) -> list[dict[str, Any]]:
    """Return how often a random half of the volunteers, and each model, name the class that the other half names.

    Neither an oracle nor a prior is asked: the labels are those of real halves, the same for all. ``gap`` is the half
    of the volunteers minus the model, paired over galaxies, with the interval of this one claim.
    """
    rng = np.random.default_rng(seed)
    pairs = [independent.halves(truth.votes, rng) for _ in range(draws)]
    takes = rng.multinomial(len(truth.names), np.full(len(truth.names), 1 / len(truth.names)), size=1000)
    weights = np.vstack([np.ones(len(truth.names), int), takes])

    def right(said: list[np.ndarray]) -> np.ndarray:
        hits = np.array([independent.right(f, other)[:, 0] for f, (_, other) in zip(said, pairs)])
        return _mean(hits, weights)

    people = right([independent.fractions_of(one) for one, _ in pairs])
    out: list[dict[str, Any]] = [{"name": "half of the volunteers", "condition": "", "accuracy": numbers(people)}]
    for one in scored:
        said = _said(one, truth)
        if said is None:
            continue
        each = [right([f] * draws) for f in said]
        model = np.mean(each, axis=0)
        sampled, trainings = float(np.var(people[1:] - model[1:], ddof=1)), np.var([e[0] for e in each], ddof=1)
        gap = float(people[0] - model[0])
        around = _around(gap, sampled, float(trainings) / len(each), len(each), 1)
        row = {"name": one.model.name, "condition": one.condition, "accuracy": numbers(model)}
        out.append({**row, "gap": {"value": gap, **{key: around[key] for key in ("low", "high")}}})
    return out


def failures(truth: Truth, scored: Iterable[Scored]) -> list[dict[str, Any]]:
    """Return, of each model of four classes, its commonest mistakes and how many of them are on unclear galaxies."""
    label, clear, out = truth.classes.label, truth.classes.confidence > 0.6, []
    for one in scored:
        if "multiclass" not in one.results[0]:
            continue
        pairs: dict[str, int] = {}
        wrong = unclear = total = 0
        for values in one.values:
            predictions = Predictions(one.model.task, truth.edition, "", "", 0, truth.names, values)
            said = board_values(truth.tree, predictions)["multiclass"].argmax(axis=1)
            bad = (label >= 0) & (said != label)
            total += int((label >= 0).sum())
            wrong, unclear = wrong + int(bad.sum()), unclear + int((bad & ~clear).sum())
            for a, b in zip(label[bad], said[bad]):
                key = f"{CLASSES[a]} called {CLASSES[b]}"
                pairs[key] = pairs.get(key, 0) + 1
        out.append(
            {
                "name": one.model.name, "condition": one.condition, "wrong": wrong / total,
                "on_unclear": unclear / max(wrong, 1),
                "commonest": {k: v / total for k, v in sorted(pairs.items(), key=lambda p: -p[1])[:3]},
            }
        )  # fmt: skip
    return out


def question_ceilings(truth: Truth, found: dict[str, dict[str, Result]]) -> list[dict[str, Any]]:
    """Return, for each question of the votes board, the accuracy of class prior, panels and ceiling, with intervals."""
    tables = {title: reference.rows for title, reference in found["votes"].items()}
    tables = {"prior": references(truth)["votes"]["class prior"].rows, **tables}
    by_name = {title: {row["name"]: row for row in rows} for title, rows in tables.items()}
    out = []
    for q in GZ2.questions:
        row: dict[str, Any] = {"name": q.name}
        for title, table in by_name.items():
            if (given := table.get(q.name)) and "accuracy" in given:
                row[title] = {"value": given["accuracy"], "low": given["accuracy_low"], "high": given["accuracy_high"]}
        out.append(row)
    return out


def two_computations(
    sample: Sample, found: dict[str, dict[str, Result]], draws: int, seed: int = 0
) -> list[dict[str, Any]]:
    """Return both ceilings of all galaxies, and halves of real votes beside those that both posteriors draw."""
    votes, rng = sample.counts, np.random.default_rng(seed)
    priors = fit_priors(GZ2, votes)
    drawn = np.array([draw_probabilities(GZ2, priors, votes, rng) for _ in range(draws)])
    other = independent.draw_fractions(votes, rng, draws)
    columns = {
        "independent": independent.ceiling(votes, draws, seed),
        "halves": independent.of_halves(votes, draws, seed),
        "halves_product": independent.of_drawn_halves(drawn, votes, seed),
        "halves_independent": independent.of_drawn_halves(other, votes, seed),
    }
    product = {"four classes": found["multiclass"][CEILING].metrics["accuracy"]}
    rows = {row["name"]: row for row in found["votes"][CEILING].rows}
    out = []
    means = {key: independent.accuracy(value) for key, value in columns.items()}
    for i, name in enumerate(independent.NAMES):
        if name in product:
            e = product[name]
            first = {"value": e.value, "low": e.low, "high": e.high}
        else:
            row = rows[name]
            first = {"value": row["accuracy"], "low": row["accuracy_low"], "high": row["accuracy_high"]}
        out.append({"name": name, "product": first})
        for key, values in means.items():
            value, low, high = values[i]
            out[-1][key] = {"value": value, "low": low, "high": high}
    return out

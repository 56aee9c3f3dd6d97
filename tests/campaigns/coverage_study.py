"""Skies of known probabilities, and what intervals estimated from their votes cover (coverage.py runs the studies)."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from tqdm import tqdm

from galaxy_zoo_decals import drawn_votes, views
from galaxy_zoo_decals.predictions import Predictions
from galaxy_zoo_decals.schema import GZD5
from galaxy_zoo_decals.scoring import Truth, ceilings, score
from galaxy_zoo_decals.scoring.boards import BOARDS
from galaxy_zoo_decals.scoring.bootstrap import plain
from galaxy_zoo_decals.scoring.priors import fit
from galaxy_zoo_decals.scoring.results import fraction_values

LARGE, SKIES = 200_000, 4
"""Galaxies of a sky that known values are computed on, and how many skies: one galaxy in thirty comes to the rarest
question, and what is known of it has to be surer than the mean of any estimates."""

REFITS = (20, 60)
"""Refits of the prior whose intervals are compared."""

AGAIN = 8
"""How often a ceiling of the same votes is estimated with another seed."""

TIMES = 4
"""How many times as many galaxies the larger catalogues have: what small numbers bring about is gone there."""

ASKED = 10_000
"""Galaxies of the catalogue that priors are compared on."""

MANY, RICH = 100, 3000
"""Volunteers a galaxy, and galaxies, of a catalogue that hides little of the population from a prior fitted to it."""

VOTES = ("5", "10", "40", "mixed")

METRICS_STUDIED = {
    "multiclass": ("accuracy", "macro_f1", "nll"),
    "multilabel": ("macro_map", "macro_f1"),
    "hierarchical": ("hierarchical_f1", "exact_path"),
    "votes": ("nll", "mae", "accuracy"),
}

FAMILY = {
    "smooth-or-featured": [3.0, 2.0, 0.15],
    "disk-edge-on": [0.3, 1.2],
    "has-spiral-arms": [1.0, 0.8],
    "bar": [0.5, 0.8, 3.0],
    "bulge-size": [0.3, 0.8, 2.0, 1.5, 0.4],
    "how-rounded": [1.5, 1.5, 0.5],
    "edge-on-bulge": [0.4, 0.8, 2.0],
    "spiral-winding": [1.5, 2.0, 1.0],
    "spiral-arm-count": [0.2, 2.0, 0.5, 0.3, 0.3, 1.0],
    "merging": [6.0, 0.8, 0.5, 0.7],
}


Table = dict[str, dict[str, float]]
"""Of one study: a row of numbers for every studied metric."""


@dataclass(frozen=True)
class Sky:
    """A population to draw galaxies from: the fitted family, or the galaxies of a simulated edition."""

    visible: np.ndarray | None

    def draw(self, galaxies: int, rng: np.random.Generator) -> np.ndarray:
        """Return known probabilities, (galaxies, answers)."""
        if self.visible is not None:
            return self.visible[rng.integers(0, len(self.visible), galaxies)]
        return np.column_stack([rng.dirichlet(FAMILY[q.name], galaxies) for q in GZD5.questions])


def first_totals(votes: str, galaxies: int, rng: np.random.Generator) -> np.ndarray:
    """Return the volunteers of each galaxy: a number, or "mixed" for 5, 10 and 40 in equal parts."""
    return rng.choice([5, 10, 40], galaxies) if votes == "mixed" else np.full(galaxies, int(votes))


def truth_of(probabilities: np.ndarray, votes: str, rng: np.random.Generator, counted_as: Truth | None = None) -> Truth:
    """Return what one panel says of the galaxies."""
    drawn = drawn_votes.draw(GZD5, probabilities, first_totals(votes, len(probabilities), rng), rng)
    return Truth("sky", "Sky", GZD5, "c", "s", tuple(map(str, range(len(drawn)))), drawn, counted_as)


def pattern(sky: Sky, votes: str, galaxies: int) -> Truth:
    """Return the catalogue whose classes and labels all others of a study count: one score, not several."""
    rng = np.random.default_rng(0)
    return truth_of(sky.draw(galaxies, rng), votes, rng)


def model(probabilities: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return what a mediocre model predicts: the known probabilities, shrunk and blurred."""
    return views.fractions(GZD5, 0.7 * probabilities + 0.2 / 3 + rng.gamma(0.5, 0.12, probabilities.shape))


def numbers(truth: Truth, fractions: np.ndarray, concentrations: np.ndarray) -> dict[str, float]:
    """Return the studied metrics, and the accuracy of every question, of fractions against one panel."""
    found: dict[str, float] = {}
    once_each = plain(len(truth.names))
    scores = {b: BOARDS[b].score(truth, values, once_each) for b, values in fraction_values(GZD5, fractions).items()}
    votes = BOARDS["votes"]
    columns = votes.columns_of_fractions(truth, views.fractions(GZD5, concentrations), concentrations, False)
    scores["votes"] = votes.scored(truth, columns, once_each)
    for board, scored in scores.items():
        found |= {f"{board}.{name}": float(scored.metrics[name][0]) for name in METRICS_STUDIED[board]}
    return found | {f"votes.accuracy.{row['name']}": float(row["accuracy"][0]) for row in scores["votes"].rows}


def known(sky: Sky, votes: str, galaxies: int) -> dict[str, dict[str, float]]:
    """Return what the intervals should cover: the mean scores of oracle and model over some skies of LARGE galaxies.

    Of every number its "known" value, with the standard error "unsure", and what the same scores on catalogues of
    ``galaxies`` are on average, "sized": an F1 of few galaxies is not that of many. ``galaxies`` decides what macro
    means count.
    """
    counted, found = pattern(sky, votes, galaxies), []
    small: dict[str, float] = {}
    for seed in range(SKIES):
        rng = np.random.default_rng([1, seed])
        p = sky.draw(LARGE, rng)
        guess = model(p, rng)
        truth = truth_of(p, votes, rng, counted)
        found.append(both(truth, p, guess))
        small = small or sized(truth, p, guess, galaxies)
    out = {}
    for name in found[0]:
        values = [each[name] for each in found]
        unsure = float(np.std(values, ddof=1) / np.sqrt(SKIES))
        out[name] = {"known": float(np.mean(values)), "unsure": unsure, "sized": small[name]}
    return out


def both(truth: Truth, probabilities: np.ndarray, guess: np.ndarray) -> dict[str, float]:
    """Return the studied numbers of the oracle, "ceiling ...", and of a model's guess, "model ..."."""
    oracle = numbers(truth, probabilities, np.maximum(probabilities, 1e-9) * ceilings.SURE)
    return {f"ceiling {k}": v for k, v in oracle.items()} | {
        f"model {k}": v for k, v in numbers(truth, guess, guess * 20).items()
    }


def sized(truth: Truth, probabilities: np.ndarray, guess: np.ndarray, galaxies: int) -> dict[str, float]:
    """Return the mean of ``both`` over catalogues of ``galaxies`` that a sky is cut into."""
    parts = []
    for start in range(0, len(truth.names) - galaxies + 1, galaxies):
        rows = np.arange(start, start + galaxies)
        parts.append(both(truth.take(rows), probabilities[rows], guess[rows]))
    return {name: float(np.nanmean([part[name] for part in parts])) for name in parts[0]}


def steadiness(sky: Sky, votes: str, galaxies: int, draws: int, refits: int, seed: int) -> dict[str, float]:
    """Return by how much the width of each ceiling's interval varies with the seed alone, as a share of its mean."""
    rng = np.random.default_rng([2, seed])
    truth = truth_of(sky.draw(galaxies, rng), votes, rng, pattern(sky, votes, galaxies))
    widths: dict[str, list[float]] = {}
    for again in range(AGAIN):
        for name, (_, low, high) in ceiling_of(truth, draws, 100 + again, refits).items():
            widths.setdefault(name, []).append(high - low)
    return {name: float(np.std(found, ddof=1) / np.mean(found)) for name, found in widths.items()}


def ceiling_of(truth: Truth, draws: int, seed: int, refits: int) -> dict[str, tuple[float, float, float]]:
    """Return the studied numbers of the noise ceiling, "ceiling ...", with their intervals."""
    found: dict[str, tuple[float, float, float]] = {}
    for board, rows in ceilings.ceilings(truth, draws, volunteers=(), seed=seed, refits=refits).items():
        reference = rows[ceilings.CEILING]
        for name in METRICS_STUDIED[board]:
            e = reference.metrics[name]
            found[f"ceiling {board}.{name}"] = (e.value, e.low, e.high)
        if board == "votes":
            found |= by_question("ceiling", reference.rows)
    return found


def once(
    sky: Sky, votes: str, galaxies: int, draws: int, refits: int, seed: int
) -> dict[str, tuple[float, float, float]]:
    """Return the intervals estimated from one catalogue of votes: "ceiling ..." and "model ..."."""
    rng = np.random.default_rng([2, seed])
    p = sky.draw(galaxies, rng)
    truth = truth_of(p, votes, rng, pattern(sky, votes, galaxies))
    guess = model(p, rng)
    found = ceiling_of(truth, draws, seed, refits)
    for board, result in score(truth, Predictions("votes", "sky", "c", "s", 0, truth.names, guess * 20)).items():
        for name in METRICS_STUDIED[board]:
            e = result.metrics[name]
            found[f"model {board}.{name}"] = (e.value, e.low, e.high)
        if board == "votes":
            found |= by_question("model", result.rows)
    found |= {f"galaxies {q.name}": (n, n, n) for q, n in zip(GZD5.questions, truth.paper_mask.sum(axis=0).tolist())}
    return found


def by_question(who: str, rows: list[dict[str, Any]]) -> dict[str, tuple[float, float, float]]:
    """Return the accuracy of every question with its interval."""
    return {
        f"{who} votes.accuracy.{row['name']}": (row["accuracy"], row["accuracy_low"], row["accuracy_high"])
        for row in rows
    }


def study(
    sky: Sky, votes: str, galaxies: int, draws: int, repeats: int, processes: int, refits: int = ceilings.REFITS
) -> Table:
    """Return, for every studied number, the known value, the mean estimate, the coverage and its standard error."""
    truth = known(sky, votes, galaxies)
    found: list[dict[str, tuple[float, float, float]]] = []
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        work = pool.imap_unordered(partial(once, sky, votes, galaxies, draws, refits), range(repeats))
        found = list(tqdm(work, total=repeats, desc=f"{votes} votes", disable=None))
    table = {}
    galaxies_of = {n.split()[1]: float(np.mean([f[n][0] for f in found])) for n in found[0] if n.startswith("galaxies")}
    for name in [name for name in found[0] if not name.startswith("galaxies")]:
        spans = np.array([f[name] for f in found])
        spans = spans[~np.isnan(spans).any(axis=1)]
        if len(spans) < repeats / 2:
            continue  # too few galaxies come to this question to be scored at all
        value, small = truth[name]["known"], truth[name]["sized"]
        covered = (spans[:, 1] <= value) & (value <= spans[:, 2])
        table[name] = truth[name] | {
            "sized coverage": float(((spans[:, 1] <= small) & (small <= spans[:, 2])).mean()),
            "mean": float(spans[:, 0].mean()),
            "scatter": float(spans[:, 0].std(ddof=1)),
            "width": float((spans[:, 2] - spans[:, 1]).mean()),
            "points": float((spans[:, 2] == spans[:, 1]).mean()),
            "coverage": float(covered.mean()),
            "error": float(np.sqrt(max(covered.mean() * (1 - covered.mean()), 0.25 / len(covered)) / len(covered))),
            "repeats": len(covered),
            "refits": refits,
            "skies": SKIES,
            "galaxies": galaxies_of.get(name.split(".")[-1], float(galaxies)),
        }
    return table


def priors(population: np.ndarray, votes: str, galaxies: int, draws: int = 5) -> dict[str, dict[str, float]]:
    """Return what the noise ceiling is estimated as with better and better priors, {prior: {number: value}}.

    On one catalogue of ASKED galaxies, where galaxies are no longer few. "known": their own probabilities. "fitted":
    the estimator as it is, its prior fitted to the votes. "many votes": the same mixtures, one a question, fitted to
    MANY volunteers of RICH galaxies, so that only the family can be at fault. "own shares": the population's own
    distribution of each question, given how many came to it; questions are independent beyond that. "population":
    the population itself, all questions together, which is the exact posterior. ``galaxies`` decides what counts.
    """
    rng, sky = np.random.default_rng([4, 0]), Sky(population)
    p = sky.draw(ASKED, rng)
    truth = truth_of(p, votes, rng, pattern(sky, votes, galaxies))
    given, first = truth.votes, ceilings.votes_first(truth)
    rich = drawn_votes.draw(GZD5, p[:RICH], np.full(len(p[:RICH]), MANY), rng)
    alike = tuple(ceilings.QuestionPrior(np.empty(0), (fit(rich[:, GZD5.slices[q.name]]),)) for q in GZD5.questions)
    fitted = ceilings.fit_priors(GZD5, given)
    ways: dict[str, Callable[[], np.ndarray]] = {
        "known": lambda: p,
        "fitted": lambda: ceilings.draw_probabilities(GZD5, fitted, given, rng),
        "many votes": lambda: ceilings.draw_probabilities(GZD5, alike, given, rng),
        "own shares": lambda: own_shares(population, given, first, rng),
        "population": lambda: population[_drawn(_log_likelihood(population, given), rng)],
    }
    out = {}
    for name, drawn in ways.items():
        found = []
        for _ in range(draws):
            probabilities = drawn()
            fresh = replace(truth, votes=drawn_votes.draw(GZD5, probabilities, first, rng))
            found.append(numbers(fresh, probabilities, np.maximum(probabilities, 1e-9) * ceilings.SURE))
        out[name] = {number: float(np.mean([f[number] for f in found])) for number in found[0]}
    return out


def own_shares(population: np.ndarray, votes: np.ndarray, first: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a posterior draw of each question by itself, the population being the prior, (galaxies, answers)."""
    reach = np.clip(views.relevance(GZD5, population), 1e-9, 1 - 1e-9)
    out = np.empty(votes.shape)
    for i, q in enumerate(GZD5.questions):
        part = GZD5.slices[q.name]
        rows, back = np.unique(np.column_stack([votes[:, part], first]), axis=0, return_inverse=True)
        came = rows[:, :-1].sum(axis=1, keepdims=True)
        likelihood = _log_likelihood(population[:, part], rows[:, :-1])
        if q.parents:
            likelihood += came * np.log(reach[:, i]) + (rows[:, -1:] - came) * np.log1p(-reach[:, i])
        cumulative = _cumulative(likelihood)
        back = back.ravel()
        for row in range(len(rows)):
            members = np.flatnonzero(back == row)
            out[members, part] = population[np.searchsorted(cumulative[row], rng.random(len(members))), part]
    return out


def _log_likelihood(population: np.ndarray, votes: np.ndarray) -> np.ndarray:
    """Return log p(votes) of each galaxy if it were each one of the population, (galaxies, population)."""
    likelihood: np.ndarray = votes @ np.log(np.maximum(population, 1e-9)).T
    return likelihood


def _cumulative(likelihood: np.ndarray) -> np.ndarray:
    share = np.exp(likelihood - likelihood.max(axis=1, keepdims=True)).cumsum(axis=1)
    cumulative: np.ndarray = share / share[:, -1:]
    return cumulative


def _drawn(likelihood: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return one draw of which of the population each galaxy is, (galaxies,)."""
    parts = []
    for start in range(0, len(likelihood), 1000):
        cumulative = _cumulative(likelihood[start : start + 1000])
        parts.append((rng.random((len(cumulative), 1)) > cumulative).sum(axis=1).clip(max=likelihood.shape[1] - 1))
    return np.concatenate(parts)

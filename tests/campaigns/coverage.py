"""How often the ceilings' and the bootstrap's 95 % intervals cover what they estimate: `make campaign-coverage`.

Skies of known probabilities are drawn again and again, with fresh votes; every time the noise ceiling and the score
of a mediocre model are estimated from the votes alone and compared with the known values: the oracle's and the
model's mean scores over a very large sky. Two populations: one of the family that is fitted (independent Dirichlets),
and the simulator's visible probabilities (resampled galaxies of an edition), which no mixture has promised to fit.

Where the simulator's ceilings miss, the estimator is run again with better and better priors, down to the population
itself: how far the estimate comes home with each says what it did not know.

The rank intervals are studied on boards of entries that are trainings of one recipe with other seeds: none is better,
and a board that separates any two of them is wrong.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import norm
from tqdm import tqdm

from galaxy_zoo_decals import panels, views
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.predictions import Predictions
from galaxy_zoo_decals.schema import GZD5
from galaxy_zoo_decals.scoring import BOARDS, Truth, ceilings, score
from galaxy_zoo_decals.scoring.bootstrap import plain, shared
from galaxy_zoo_decals.scoring.metrics import ratio, votes_metrics
from galaxy_zoo_decals.scoring.priors import fit
from galaxy_zoo_decals.scoring.results import fraction_values, metrics_of
from galaxy_zoo_decals.scoring.truth import MIN_POSITIVES
from leaderboard.ranking import rank

OUT = Path(__file__).parents[2] / "docs" / "evidence"

ENTRIES, SEEDS = 5, 3
"""Of the boards that rank intervals are studied on."""

TRAINING = (0.0, 1.0)
"""Spreads of what a seed does to all galaxies alike, in the logarithm of an answer's share. The bootstrap over
galaxies cannot see it."""

NORMAL, NORMAL_BOARDS = "normal scores", 4000
"""Boards of normal scores, which cost little: what the ranking does where its assumptions hold."""

LARGE, SKIES = 200_000, 4
"""Galaxies of a sky that known values are computed on, and how many skies: one galaxy in thirty comes to the rarest
question, and what is known of it has to be surer than the mean of any estimates."""

Z = 1.96

REFITS = (20, 60)
"""Refits of the prior whose intervals are compared."""

AGAIN = 8
"""How often a ceiling of the same votes is estimated with another seed."""

LEAST = 0.90
"""Coverage under which a number is looked into."""

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
    drawn = panels.draw(GZD5, probabilities, first_totals(votes, len(probabilities), rng), rng)
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
    found, once_each = {}, plain(len(truth.names))
    scores = {b: metrics_of(truth, b, values, once_each) for b, values in fraction_values(GZD5, fractions).items()}
    scores["votes"] = votes_metrics(truth, concentrations, once_each, levels=())
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
    rich = panels.draw(GZD5, p[:RICH], np.full(len(p[:RICH]), MANY), rng)
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
            fresh = replace(truth, votes=panels.draw(GZD5, probabilities, first, rng))
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


def board_of_equals(sky: Sky, votes: str, galaxies: int, training: float, seed: int) -> dict[str, tuple[float, ...]]:
    """Return, for every board of ENTRIES equal entries, whether any two were separated, and the two spreads.

    An entry is SEEDS trainings of one recipe: what the recipe predicts, blurred by each training for each galaxy on
    its own, and shifted for all alike.
    """
    rng = np.random.default_rng([3, seed])
    p = sky.draw(galaxies, rng)
    truth = truth_of(p, votes, rng, pattern(sky, votes, galaxies))
    recipe = np.log(model(p, rng))
    values: dict[str, list[list[float]]] = {board: [] for board in BOARDS}
    draws: dict[str, list[np.ndarray]] = {board: [] for board in BOARDS}
    for _ in range(ENTRIES):
        entry: dict[str, list[np.ndarray]] = {board: [] for board in BOARDS}
        for _ in range(SEEDS):
            shift = training * rng.standard_normal(p.shape[1])
            said = views.fractions(GZD5, np.exp(recipe + shift + 0.3 * rng.standard_normal(p.shape)))
            for board, given in {**fraction_values(GZD5, said), "votes": said * 20}.items():
                scored = metrics_of(truth, board, given, shared(galaxies))
                entry[board].append(scored.metrics[BOARDS[board].primary])
        for board, drawn in entry.items():
            values[board].append([float(d[0]) for d in drawn])
            draws[board].append(np.mean([d[1:] for d in drawn], axis=0))
    found = {}
    for board, metric in ((board, BOARDS[board].metrics[BOARDS[board].primary]) for board in BOARDS):
        places = rank(values[board], draws[board], metric.higher_is_better).places
        seeds = np.sqrt(np.mean([np.var(v, ddof=1) for v in values[board]]))
        found[board] = (float(any((q.first, q.last) != (1, ENTRIES) for q in places)), float(seeds),
                        float(np.mean([np.nanstd(d) for d in draws[board]])))  # fmt: skip
    return found


def separation(
    sky: Sky, votes: str, galaxies: int, training: float, repeats: int, processes: int
) -> list[dict[str, Any]]:
    """Return how often boards of equal entries show a difference, one row a board."""
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        work = pool.imap_unordered(partial(board_of_equals, sky, votes, galaxies, training), range(repeats))
        found = list(tqdm(work, total=repeats, desc=f"equal entries, {training}", disable=None))
    rows = []
    for board in BOARDS:
        separated, seeds, sampled = np.mean([f[board] for f in found], axis=0)
        rows.append(
            {"training": training, "board": board, "separated": float(separated), "repeats": repeats}
            | {"seeds": float(seeds), "sampling": float(sampled)}
        )
    return rows


def normal_boards(training: float, better: float, boards: int) -> float:
    """Return how often a board of ENTRIES normal scores, SEEDS trainings each, shows any difference.

    Part of the sampling is common to all entries, as test galaxies are; one entry is ``better``. ``training`` is in
    units of the sampling of one entry.
    """
    rng, found = np.random.default_rng(0), 0
    for _ in range(boards):
        draws = 0.8 * rng.standard_normal((1, 500)) + 0.6 * rng.standard_normal((ENTRIES, 500))
        scores = 0.8 * rng.standard_normal() + 0.6 * rng.standard_normal(ENTRIES) + better * (np.arange(ENTRIES) == 0)
        values = [[float(s + training * rng.standard_normal()) for _ in range(SEEDS)] for s in scores]
        found += any((p.first, p.last) != (1, ENTRIES) for p in rank(values, list(draws), True).places)
    return found / boards


def figure(tables: dict[str, Table], path: Path) -> None:
    """Draw the coverage of every studied number, a column a study."""
    if not tables:
        return
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "coverage"
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(name for table in tables.values() for name in table))
    fig, axes = plt.subplots(1, len(tables), figsize=(2.6 * len(tables) + 3, 0.24 * len(names) + 1), sharey=True)
    for ax, (title, table) in zip(np.atleast_1d(axes), tables.items()):
        ax.axvspan(0.90, 0.98, color="#e6efe9")
        ax.axvline(0.95, color="#5b8f77", lw=1)
        for i, name in enumerate(names):
            if name in table:
                row = table[name]
                ax.errorbar(row["coverage"], i, xerr=2 * row["error"], fmt="o", ms=3, color="#24415f", lw=1)
        ax.set_title(title, fontsize=9)
        ax.set_xlim(0, 1.02)
        ax.tick_params(labelsize=7)
        ax.set_xlabel("coverage of 95 % intervals", fontsize=8)
    first = np.atleast_1d(axes)[0]
    first.set_yticks(range(len(names)), names, fontsize=7)
    first.invert_yaxis()
    fig.tight_layout()
    fig.savefig(path, metadata={"Date": None})


def main() -> None:
    """Run the studies and write docs/evidence/coverage.{json,md,svg}."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--boards", type=int, default=400, help="of equal entries")
    parser.add_argument("--galaxies", type=int, default=300)
    parser.add_argument("--draws", type=int, default=20, help="of fractions and panels, a ceiling")
    parser.add_argument("--votes", nargs="+", default=list(VOTES))
    parser.add_argument("--larger", nargs="*", default=list(VOTES), help="votes of the studies of larger catalogues")
    parser.add_argument("--larger-repeats", type=int, default=100, help="catalogues of those")
    parser.add_argument("--edition", default="sample", help="a simulated edition with visible_* columns")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    edition = Edition.open(options.edition)
    columns = [f"visible_{c}" for c in GZD5.answer_columns]
    visible = np.concatenate([edition.table(s, columns).to_numpy(float) for s in ("train", "validation", "test")])
    skies = {"family": Sky(None), f"simulator ({edition.name})": Sky(visible)}
    settings = {k: v for k, v in vars(options).items() if k in ("galaxies", "draws", "edition")}
    settings |= {"large": LARGE, "skies": SKIES, "asked": ASKED, "many": MANY}
    OUT.mkdir(parents=True, exist_ok=True)
    stored = OUT / "coverage.json"
    done = json.loads(stored.read_text()) if stored.is_file() else {}
    # Hours of work: studies that are done with the same settings, on as many catalogues at least, are kept, so that it
    # can go on after an interrupt.
    ranks = done.get("ranks", [])
    if done.get("settings") != settings:
        done = {}
    tables, compared, steady = done.get("tables", {}), done.get("priors", {}), done.get("refits", {})

    def keep() -> None:
        content = {"settings": settings, "ranks": ranks, "tables": tables, "priors": compared, "refits": steady}
        stored.write_text(json.dumps(content, indent=1) + "\n")
        write_report(tables, compared, steady, ranks, options)

    if all(row["board"] != NORMAL for row in ranks):
        ranks += [
            {"training": t, "board": NORMAL, "separated": normal_boards(t, 0.0, NORMAL_BOARDS)}
            | {"repeats": NORMAL_BOARDS, "seeds": t, "sampling": 1.0}
            for t in (0.0, 1.0, 10.0)
        ]
    for training in TRAINING:
        if not any(row["training"] == training for row in ranks if row["board"] != NORMAL):
            ranks += separation(skies["family"], "40", options.galaxies, training, options.boards, options.processes)
            keep()
    for title, sky in skies.items():
        for votes in options.votes:
            key = f"{title}, {votes} votes"
            if key not in compared and sky.visible is not None:
                compared[key] = priors(sky.visible, votes, options.galaxies)
                keep()
    votes = options.votes[0]
    for number in map(str, REFITS):
        if number not in steady:
            given = (skies["family"], votes, options.galaxies, options.draws, int(number))
            widths = [steadiness(*given, seed) for seed in range(4)]
            table = study(*given[:4], options.larger_repeats, options.processes, int(number))
            steady[number] = {
                name: {"varies": float(np.mean([each[name] for each in widths]))} | row
                for name, row in table.items()
                if name in widths[0]
            }
            keep()
    for title, sky in skies.items():
        for times, every, repeats in (
            (1, options.votes, options.repeats),
            (TIMES, options.larger, options.larger_repeats),
        ):
            for votes in every:
                galaxies, key = times * options.galaxies, f"{title}, {votes} votes"
                key += f", {galaxies:,} galaxies" if times > 1 else ""
                before = tables.get(key, {})
                if catalogues(before) < repeats or refitted(before) != ceilings.REFITS:
                    tables[key] = study(sky, votes, galaxies, options.draws, repeats, options.processes)
                    keep()
    keep()
    print(OUT / "coverage.md")


def off(row: dict[str, float], value: float) -> float:
    """Return how far the mean estimate lies from a value, in standard deviations that the intervals claim."""
    return float(ratio(row["mean"] - value, claimed(row)))


def claimed(row: dict[str, float]) -> float:
    """Return the standard deviation that an interval of the mean width claims."""
    return row["width"] / (2 * Z)


def catalogues(table: Table) -> int:
    """Return on how many catalogues a study stands."""
    return max((int(row["repeats"]) for row in table.values()), default=0)


def refitted(table: Table) -> int:
    """Return how many refits of the prior stand behind a study's intervals."""
    return int(next((row["refits"] for row in table.values()), 0))


def larger(tables: dict[str, Table], title: str, name: str) -> str:
    """Return the coverage of a number in the study of TIMES as many galaxies, where there is one."""
    found = [table[name] for other, table in tables.items() if other.startswith(f"{title}, ") and name in table]
    return f"{found[0]['coverage']:.3f} ± {found[0]['error']:.3f}" if found else ""


def short(tables: dict[str, Table], sky: str) -> list[tuple[str, str, dict[str, float]]]:
    """Return the numbers of a sky whose coverage falls short in the smaller catalogues: study, name and row."""
    return [
        (title, name, row)
        for title, table in tables.items()
        if title.startswith(sky) and title.endswith("votes")
        for name, row in table.items()
        if row["coverage"] < LEAST
    ]


def misses(tables: dict[str, Table], galaxies: int) -> list[str]:
    """Return the section on the numbers of the fitted family whose coverage falls short, as measured."""
    rows = short(tables, "family")
    of_family = {title: table for title, table in tables.items() if title.startswith("family")}
    small, big = (
        [(name, row) for title, table in of_family.items() if title.endswith("votes") == whether
         for name, row in table.items()]
        for whether in (True, False)
    )  # fmt: skip
    means = [
        f"{np.mean([row['coverage'] for name, row in found if name.startswith(who)]):.3f} ({who}s, {n:,} galaxies)"
        for n, found in ((galaxies, small), (TIMES * galaxies, big))
        for who in ("ceiling", "model")
        if found
    ]
    lines = [
        "",
        "## Where coverage falls short on the fitted family",
        "",
        f"{len(rows)} of {len(small)} numbers are under {LEAST} with {galaxies:,} galaxies, "
        f"{sum(row['coverage'] < LEAST for _, row in big)} of {len(big)} with {TIMES * galaxies:,}. The mean coverage "
        f"is {', '.join(means)}. *off* is how far the "
        "mean estimate lies from the known value, in standard deviations that the interval claims; *off, sized* from "
        f"the mean score of the oracle (or model) itself on catalogues of {galaxies:,}: an F1 of few galaxies is not "
        "that of many. *claimed / scatter* under 1: the estimates scatter more among catalogues than their intervals "
        "claim. *points* are intervals of no width. *sized coverage* is of that mean score.",
        "",
        f"| study | number | galaxies | coverage | off | off, sized | sized coverage | claimed / scatter | points "
        f"| coverage, {TIMES * galaxies:,} galaxies |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for title, name, r in rows:
        lines.append(
            f"| {title.removeprefix('family, ')} | {name} | {r['galaxies']:.0f} | {r['coverage']:.3f} ± "
            f"{r['error']:.3f} | {off(r, r['known']):+.2f} | {off(r, r['sized']):+.2f} | {r['sized coverage']:.3f} "
            f"| {ratio(claimed(r), r['scatter']):.2f} | {r['points']:.3f} | {larger(tables, title, name)} |"
        )
    lines += [
        "",
        "Of a dozen galaxies that come to a question the bootstrap knows too little, and of five that a model has all "
        f"right it makes an interval of no width: a board lists such questions and leaves them out of its means under "
        f"{MIN_POSITIVES} galaxies. Missed coverage is reported here and not mended by widening.",
    ]
    return lines


def unseen(tables: dict[str, Table], galaxies: int) -> list[str]:
    """Return what to say of the studies that were not run."""
    skies = dict.fromkeys(title.split(", ")[0] for title in tables)
    wanted = [f"{sky}, {votes} votes" for sky in skies for votes in VOTES]
    wanted += [f"{title}, {TIMES * galaxies:,} galaxies" for title in wanted]
    missing = [title for title in wanted if title not in tables]
    return [f"Not run here: {'; '.join(missing)}. The campaign goes on with them.", ""] if missing else []


def refits(steady: dict[str, Table]) -> list[str]:
    """Return the section on how many refits of the prior an interval needs, as measured."""
    lines = [
        "",
        "## How many refits of the prior an interval needs",
        "",
        "Ceilings of the fitted family, of the first study below: *varies* is the standard deviation of an interval's "
        "width over seeds, the votes being the same, as a share of the width; *costs* what the coverage of normal "
        f"intervals loses by it; *coverage* the mean over all ceilings, and how many of them are under {LEAST}.",
        "",
        "| refits | catalogues | varies | costs | coverage | under |",
        "|--:|--:|--:|--:|--:|--:|",
    ]
    for number, table in steady.items():
        varies = float(np.mean([row["varies"] for row in table.values()]))
        spread = np.sqrt(np.log1p(varies**2))
        widths = np.exp(spread * np.random.default_rng(0).standard_normal(100_000) - spread**2 / 2)
        held = float((norm.cdf(Z * widths) - norm.cdf(-Z * widths)).mean())
        covered = [row["coverage"] for row in table.values()]
        lines.append(
            f"| {number} | {catalogues(table)} | {varies:.2f} | {0.95 - held:.3f} | {np.mean(covered):.3f} "
            f"| {sum(c < LEAST for c in covered)} of {len(covered)} |"
        )
    return lines


def explained(tables: dict[str, Table], compared: dict[str, dict[str, dict[str, float]]], galaxies: int) -> list[str]:
    """Return the section on the ceilings of the simulator that fall short: what estimates are with better priors."""
    rows = [(t, n, r) for t, n, r in short(tables, "simulator") if n.startswith("ceiling") and t in compared]
    ways = [way for way in next(iter(compared.values()), {}) if way != "known"]
    lines = [
        "",
        "## Where ceilings fall short on the simulator",
        "",
        f"The simulator's galaxies are of no family that was fitted. For every ceiling with a coverage under {LEAST}: "
        f"*off* as above, and how far off the estimate is on {ASKED:,} galaxies, in the same standard deviations of a "
        f"catalogue of {galaxies:,}, with better and better priors. *fitted*: the estimator as it is. *many votes*: "
        f"the same mixtures of Dirichlets, fitted to {MANY} volunteers of {RICH:,} galaxies. *own shares*: the "
        "population's own distribution of each question, given how many volunteers came to it. *population*: the "
        "population itself, all questions together: the exact posterior, so that what is left there is the noise of "
        "this comparison.",
        "",
        "| study | number | coverage | off | claimed / scatter | " + " | ".join(ways) + f" | coverage, "
        f"{TIMES * galaxies:,} galaxies |",
        "|---|---|" + "--:|" * (4 + len(ways)),
    ]
    far: dict[str, list[float]] = {way: [] for way in ways}
    for title, name, r in rows:
        number = name.removeprefix("ceiling ")
        given = compared[title]
        values = {way: ratio(given[way][number] - given["known"][number], claimed(r)) for way in ways}
        for way in ways:
            far[way].append(abs(float(values[way])))
        lines.append(
            f"| {title.split(', ')[1]} | {name} | {r['coverage']:.3f} ± {r['error']:.3f} | {off(r, r['known']):+.2f} "
            f"| {ratio(claimed(r), r['scatter']):.2f} | "
            + " | ".join(f"{values[way]:+.2f}" for way in ways)
            + f" | {larger(tables, title, name)} |"
        )
    if rows:
        far = {"estimate": [abs(off(r, r["known"])) for _, _, r in rows]} | far
        said = ", ".join(f"{np.mean(values):.2f} ({way})" for way, values in far.items())
        lines += [
            "",
            f"Mean distance from the known value over these {len(rows)} ceilings: {said}. What an exact prior brings "
            "to nothing is the prior's: where *many votes* does it too, votes were too few to show it; where only "
            "*own shares* does, the family of mixtures cannot hold it; where only *population* does, questions go "
            "together in a way that independent priors leave out.",
        ]
    return lines


def write_report(
    tables: dict[str, Table],
    compared: dict[str, dict[str, dict[str, float]]],
    steady: dict[str, dict[str, dict[str, float]]],
    ranks: list[dict[str, Any]],
    options: argparse.Namespace,
) -> None:
    """Write docs/evidence/coverage.md and its figure."""
    lines = [
        "# Coverage of the 95 % intervals",
        "",
        f"`make campaign-coverage`: catalogues of {options.galaxies} galaxies each where nothing else is said, "
        f"{options.draws} draws a ceiling. *known* is the mean score over skies of {LARGE:,} galaxies (± its standard "
        "error), *mean* the mean estimate, "
        "*coverage* how often the interval holds the known value (± its standard error). 0.90 to 0.98 is expected on "
        "the fitted family. *galaxies* is how many of a catalogue a number rests on.",
        "",
        "![coverage](coverage.svg)",
        "",
        *unseen(tables, options.galaxies),
        "## Rank intervals: entries that are equal",
        "",
        f"Boards of {ENTRIES} entries each, {SEEDS} trainings of one and the same recipe; "
        "*separated* is how often a board shows any difference among them (at most 0.05 is promised). *seeds* is the "
        "standard deviation between trainings, *sampling* that of the bootstrap over galaxies. Boards of normal scores "
        "need no galaxies, so that there are many: they say what the ranking does where its assumptions hold. A board "
        "that is above 0.05 by less than two standard errors is not told from one that keeps the promise.",
        "",
        "| board | boards | seeds | sampling | separated |",
        "|---|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {r['board']} | {r['repeats']} | {r['seeds']:.4f} | {r['sampling']:.4f} | {r['separated']:.3f} "
        f"± {np.sqrt(max(r['separated'] * (1 - r['separated']), 0.01) / r['repeats']):.3f} |"
        for r in ranks
    ]
    lines += misses(tables, options.galaxies) + refits(steady) + explained(tables, compared, options.galaxies)
    for title, table in tables.items():
        lines += [
            "",
            f"## {title}, {catalogues(table)} catalogues, {refitted(table)} refits",
            "",
            f"Known from {next(iter(table.values()))['skies']:.0f} skies.",
            "",
            "| number | galaxies | known | mean | width | coverage |",
            "|---|--:|--:|--:|--:|--:|",
        ]
        lines += [
            f"| {name} | {r['galaxies']:.0f} | {r['known']:.4f} ± {r['unsure']:.4f} | {r['mean']:.4f} "
            f"| {r['width']:.4f} | {r['coverage']:.3f} ± {r['error']:.3f} |"
            for name, r in table.items()
        ]
    (OUT / "coverage.md").write_text("\n".join(lines) + "\n")
    figure(tables, OUT / "coverage.svg")


if __name__ == "__main__":
    main()

"""How often the ceilings' and the bootstrap's 95 % intervals cover what they estimate: `make campaign-coverage`.

Skies of known probabilities are drawn again and again, with fresh votes; every time the noise ceiling and the score
of a mediocre model are estimated from the votes alone and compared with the known values: the oracle's and the
model's mean scores over a very large sky. Two populations: one of the family that is fitted (independent Dirichlets),
and the simulator's visible probabilities (resampled galaxies of an edition), which no mixture has promised to fit.

The rank intervals are studied on boards of entries that are trainings of one recipe with other seeds: none is better,
and a board that separates any two of them is wrong.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from dataclasses import dataclass
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
from galaxy_zoo_decals.scoring.metrics import ratio
from galaxy_zoo_decals.scoring.results import fraction_values, metrics_of
from leaderboard.ranking import rank

OUT = Path(__file__).parents[2] / "docs" / "evidence"

ENTRIES, SEEDS = 5, 3
"""Of the boards that rank intervals are studied on."""

TRAINING = (0.0, 1.0)
"""Spreads of what a seed does to all galaxies alike, in the logarithm of an answer's share. The bootstrap over
galaxies cannot see it."""

NORMAL, NORMAL_BOARDS = "normal scores", 4000
"""Boards of normal scores, which cost little: what the ranking does where its assumptions hold."""

LARGE = 200_000
"""Galaxies of the sky that known values are computed on: one in thirty comes to the rarest question, and what is known
of it has to be surer than any estimate."""

Z = 1.96

LEAST = 0.90
"""Coverage under which a number is looked into."""

CLOSER = (("family", "5", 1), ("family", "5", 4), ("family", "40", 1), ("simulator", "5", 1), ("simulator", "5", 4))
"""Studies that look into what falls short: sky, votes, and how many times as many galaxies a catalogue has."""

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
    found = {}
    for board, values in {**fraction_values(GZD5, fractions), "votes": concentrations}.items():
        scored = metrics_of(truth, board, values, plain(len(truth.names)))
        found |= {f"{board}.{name}": float(scored.metrics[name][0]) for name in METRICS_STUDIED[board]}
    return found | {f"votes.accuracy.{row['name']}": float(row["accuracy"][0]) for row in scored.rows}


def known(sky: Sky, votes: str, galaxies: int, seed: int = 1) -> tuple[dict[str, float], dict[str, float]]:
    """Return the mean scores of oracle and model over a sky of LARGE galaxies: what the intervals should cover.

    ``galaxies`` is the size of the studied catalogues, which decides what macro means count.
    """
    rng = np.random.default_rng(seed)
    p = sky.draw(LARGE, rng)
    guess = model(p, rng)
    truth = truth_of(p, votes, rng, pattern(sky, votes, galaxies))
    return numbers(truth, p, np.maximum(p, 1e-9) * ceilings.SURE), numbers(truth, guess, guess * 20)


def once(sky: Sky, votes: str, galaxies: int, draws: int, seed: int) -> dict[str, tuple[float, float, float]]:
    """Return the intervals estimated from one catalogue of votes: "ceiling ..." and "model ..."."""
    rng = np.random.default_rng([2, seed])
    p = sky.draw(galaxies, rng)
    truth = truth_of(p, votes, rng, pattern(sky, votes, galaxies))
    guess = model(p, rng)
    found: dict[str, tuple[float, float, float]] = {}
    for board, rows in ceilings.ceilings(truth, draws, volunteers=(), seed=seed).items():
        reference = rows[ceilings.CEILING]
        for name in METRICS_STUDIED[board]:
            e = reference.metrics[name]
            found[f"ceiling {board}.{name}"] = (e.value, e.low, e.high)
        if board == "votes":
            found |= by_question("ceiling", reference.rows)
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


def study(sky: Sky, votes: str, galaxies: int, draws: int, repeats: int, processes: int) -> Table:
    """Return, for every studied number, the known value, the mean estimate, the coverage and its standard error."""
    oracle, guessed = known(sky, votes, galaxies)
    truth = {f"ceiling {k}": v for k, v in oracle.items()} | {f"model {k}": v for k, v in guessed.items()}
    found: list[dict[str, tuple[float, float, float]]] = []
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        work = pool.imap_unordered(partial(once, sky, votes, galaxies, draws), range(repeats))
        found = list(tqdm(work, total=repeats, desc=f"{votes} votes", disable=None))
    table = {}
    galaxies_of = {n.split()[1]: float(np.mean([f[n][0] for f in found])) for n in found[0] if n.startswith("galaxies")}
    for name in [name for name in found[0] if not name.startswith("galaxies")]:
        spans = np.array([f[name] for f in found])
        spans = spans[~np.isnan(spans).any(axis=1)]
        if len(spans) < repeats / 2:
            continue  # too few galaxies come to this question to be scored at all
        covered = (spans[:, 1] <= truth[name]) & (truth[name] <= spans[:, 2])
        table[name] = {
            "known": truth[name],
            "mean": float(spans[:, 0].mean()),
            "scatter": float(spans[:, 0].std(ddof=1)),
            "width": float((spans[:, 2] - spans[:, 1]).mean()),
            "points": float((spans[:, 2] == spans[:, 1]).mean()),
            "coverage": float(covered.mean()),
            "error": float(np.sqrt(max(covered.mean() * (1 - covered.mean()), 0.25 / len(covered)) / len(covered))),
            "repeats": len(covered),
            "galaxies": galaxies_of.get(name.split(".")[-1], float(galaxies)),
        }
    return table


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
    parser.add_argument("--closer", type=int, default=100, help="catalogues of the studies that look closer")
    parser.add_argument("--edition", default="sample", help="a simulated edition with visible_* columns")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    edition = Edition.open(options.edition)
    columns = [f"visible_{c}" for c in GZD5.answer_columns]
    visible = np.concatenate([edition.table(s, columns).to_numpy(float) for s in ("train", "validation", "test")])
    skies = {"family": Sky(None), f"simulator ({edition.name})": Sky(visible)}
    settings = {k: v for k, v in vars(options).items() if k in ("repeats", "galaxies", "draws", "edition")}
    OUT.mkdir(parents=True, exist_ok=True)
    stored = OUT / "coverage.json"
    done = json.loads(stored.read_text()) if stored.is_file() else {}
    # An hour's work: studies that are done with the same settings are kept, so that it can go on after an interrupt.
    if done.get("settings") != settings:
        done = {}
    tables, closer, ranks = done.get("tables", {}), done.get("closer", {}), done.get("ranks", [])
    surer = done.get("surer", {})

    def keep() -> None:
        content = {"settings": settings, "ranks": ranks, "tables": tables, "surer": surer, "closer": closer}
        stored.write_text(json.dumps(content, indent=1) + "\n")
        write_report(tables, surer, closer, ranks, options)

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
            if key not in tables:
                tables[key] = study(sky, votes, options.galaxies, options.draws, options.repeats, options.processes)
                keep()
            if key not in surer and title == "family":
                oracle, guessed = known(sky, votes, options.galaxies, seed=7)
                surer[key] = {f"ceiling {k}": v for k, v in oracle.items()} | {
                    f"model {k}": v for k, v in guessed.items()
                }
                keep()
    for name, votes, times in CLOSER:
        title = next(title for title in skies if title.startswith(name))
        key, galaxies = f"{title}, {votes} votes, {times * options.galaxies} galaxies", times * options.galaxies
        if key not in closer:
            closer[key] = study(skies[title], votes, galaxies, options.draws, options.closer, options.processes)
            keep()
    keep()
    print(OUT / "coverage.md")


def misses(tables: dict[str, Table], surer: dict[str, dict[str, float]], closer: dict[str, Table]) -> list[str]:
    """Return the section on the numbers of the fitted family whose coverage falls short, as measured."""
    rows = [(t, n, r) for t, table in tables.items() if t in surer for n, r in table.items() if r["coverage"] < LEAST]
    count = sum(len(table) for title, table in tables.items() if title in surer)
    lines = [
        "",
        "## Where coverage falls short on the fitted family",
        "",
        f"{len(rows)} of {count} numbers are under {LEAST}. *off* is how far the mean estimate lies from the known "
        "value, in standard deviations that the interval claims: from the value that the coverage was counted with, "
        f"and from that of another sky of {LARGE:,} galaxies. Where the second is smaller, part of the miss is the "
        "study's own: its known value was not known well enough. *alone* is the coverage that intervals of this width "
        "would have if their estimates scattered as they claim and were off by the second.",
        "",
        "| study | number | galaxies | coverage | off | off, another sky | alone |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for title, name, r in rows:
        claimed = r["width"] / (2 * Z)
        off, again = (ratio(r["mean"] - value, claimed) for value in (r["known"], surer[title][name]))
        alone = norm.cdf(Z - again) - norm.cdf(-Z - again)
        lines.append(
            f"| {title.removeprefix('family, ')} | {name} | {r['galaxies']:.0f} "
            f"| {r['coverage']:.3f} ± {r['error']:.3f} | {off:+.2f} | {again:+.2f} | {alone:.3f} |"
        )
    lines += [
        "",
        "Where *alone* is near 0.95 and the coverage is not, the estimates scatter more among catalogues than their "
        "intervals claim (*claimed / scatter* under 1 in the closer look below), or it is chance: each coverage is "
        "known to its standard error, and there are many. The scatter is that of questions few galaxies come to: of "
        "a dozen galaxies the bootstrap knows too little, and of five that a model has all right it makes an interval "
        "of no width (*points*). A board lists such questions and leaves them out of its means under 20 galaxies. "
        "Missed coverage is reported here and not mended by widening.",
    ]
    for title, table in closer.items():
        short = [n for n, r in table.items() if any(n == m for _, m, _ in rows)]
        lines += [
            "",
            f"### A closer look: {title}, {next(iter(table.values()))['repeats']:.0f} catalogues",
            "",
            "| number | galaxies | known | mean | claimed / scatter | points | coverage |",
            "|---|--:|--:|--:|--:|--:|--:|",
        ]
        lines += [
            f"| {n} | {table[n]['galaxies']:.0f} | {table[n]['known']:.4f} | {table[n]['mean']:.4f} "
            f"| {ratio(table[n]['width'] / (2 * Z), table[n]['scatter']):.2f} | {table[n]['points']:.3f} "
            f"| {table[n]['coverage']:.3f} ± {table[n]['error']:.3f} |"
            for n in short
        ]
    return lines


def write_report(
    tables: dict[str, Table],
    surer: dict[str, dict[str, float]],
    closer: dict[str, Table],
    ranks: list[dict[str, Any]],
    options: argparse.Namespace,
) -> None:
    """Write docs/evidence/coverage.md and its figure."""
    lines = [
        "# Coverage of the 95 % intervals",
        "",
        f"`make campaign-coverage`: {options.repeats} catalogues of {options.galaxies} galaxies each, "
        f"{options.draws} draws a ceiling. *known* is the mean score over a very large sky, *mean* the mean estimate, "
        "*coverage* how often the interval holds the known value (± its standard error). 0.90 to 0.98 is expected on "
        "the fitted family. *galaxies* is how many of a catalogue a number rests on.",
        "",
        "![coverage](coverage.svg)",
        "",
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
    lines += misses(tables, surer, closer)
    for title, table in tables.items():
        lines += [
            "",
            f"## {title}",
            "",
            "| number | galaxies | known | mean | width | coverage |",
            "|---|--:|--:|--:|--:|--:|",
        ]
        lines += [
            f"| {name} | {r['galaxies']:.0f} | {r['known']:.4f} | {r['mean']:.4f} | {r['width']:.4f} "
            f"| {r['coverage']:.3f} ± {r['error']:.3f} |"
            for name, r in table.items()
        ]
    (OUT / "coverage.md").write_text("\n".join(lines) + "\n")
    figure(tables, OUT / "coverage.svg")


if __name__ == "__main__":
    main()

"""How often boards of equal entries show a difference, and what power that costs: `make campaign-ranks`.

Boards of normal scores, whose entries differ by the draw of galaxies and by their trainings alone. They go through the
product's own functions (leaderboard/ranking/ties.py) from the statistics that it reads of an entry: mean and variance
of the seeds, variance of the bootstrap draws. All spreads are in units of the sampling standard deviation of one entry.

The rule that ranked before pooled the spreads of a board and took the largest deviation of all pairs (max-t). It lives
here alone, for comparison. So does the bound: what any rule that looks at a pair alone has to lose.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.stats import chi2, norm

from galaxy_zoo_decals.scoring import BOARDS
from leaderboard.entry import versions
from leaderboard.entry.truths import Truths
from leaderboard.ranking import board_table, entries, ties
from leaderboard.ranking.ties import Scored

ROOT = Path(__file__).parents[2]
OUT = ROOT / "docs" / "evidence"

COMMON, OWN = 0.8, 0.6
"""Sampling of an entry: what all entries share, as test galaxies are the same, and its own. Together 1."""

DRAWS = 2000
"""Bootstrap draws, as on the boards."""

ENTRIES = (2, 5, 9, 20)
SPREADS: tuple[float | str, ...] = (
    0.0,
    0.3,
    1.0,
    3.0,
    10.0,
    13.0,
    "one of 13",
    "half 1",
    "half 13",
    "0 to 1",
    "0 to 13",
)
"""Of trainings: of every entry, or mixed within a board."""

SEEDS = {
    "3": (3,),
    "5": (5,),
    "2": (2,),
    "2, 3 and 5": (2, 3, 5),
    "3, every third entry a single run": (3, 3, 1),
    "single runs": (1,),
}  # fmt: skip
"""Seeds of the entries of a board, over and over."""

POWER = (0.0, 0.3, 0.5, 0.7, 1.0)
GAPS = tuple(float(x) for x in np.arange(1.0, 14.1, 0.5))
"""True differences that power is looked at for."""

PRIOR_SEEDS = 3
"""Of the rule before: weight of the pooled training variance in each entry's own."""

LIMIT = 0.06
"""The upper end of the 95 % interval of a false separation may be so high."""


@dataclass(frozen=True)
class Summary:
    """What is read of entries: arrays (boards, entries), but ``seeds`` (entries,) and ``galaxies`` (boards, pairs)."""

    values: np.ndarray
    own: np.ndarray
    seeds: np.ndarray
    sampling: np.ndarray
    galaxies: np.ndarray


def spreads(kind: float | str, count: int) -> np.ndarray:
    """Return the true spread of trainings of each entry of a board."""
    if not isinstance(kind, str):
        return np.full(count, kind)
    word, _, number = kind.rpartition(" ")
    if word == "0 to":
        return np.linspace(0, float(number), count)
    spread = np.zeros(count)
    spread[count - 1 if word == "one of" else count // 2 :] = float(number)
    return spread


def draw(rng: np.random.Generator, spread: np.ndarray, seeds: Sequence[int], number: int) -> Summary:
    """Draw boards of equal entries."""
    count, n = len(spread), np.array(seeds)
    pairs = count * (count - 1) // 2
    freedom = np.maximum(n - 1, 1)
    values = OWN * rng.standard_normal((number, count)) + spread / np.sqrt(n) * rng.standard_normal((number, count))
    own = np.where(n > 1, spread**2 * rng.chisquare(freedom, (number, count)) / freedom, np.nan)
    sampling = rng.chisquare(DRAWS, (number, count)) / DRAWS
    return Summary(values, own, n, sampling, 2 * OWN**2 * rng.chisquare(DRAWS, (number, pairs)) / DRAWS)


def entries_of(rng: np.random.Generator, spread: np.ndarray, seeds: Sequence[int], typical: float) -> list[Scored]:
    """Draw one board of equal entries with their bootstrap draws."""
    common = COMMON * rng.standard_normal(DRAWS)
    found = []
    for wide, n in zip(spread, seeds):
        score = OWN * rng.standard_normal() + wide * rng.standard_normal(n)
        found.append(Scored(score.tolist(), common + OWN * rng.standard_normal(DRAWS), typical))
    return found


def summary(of: list[Scored]) -> Summary:
    """Return what is read of the entries of one board."""
    i, j = np.triu_indices(len(of), 1)
    draws = np.array([one.draws for one in of])
    own = [np.var(one.seeds, ddof=1) if len(one.seeds) > 1 else np.nan for one in of]
    seeds = np.array([len(one.seeds) for one in of])
    values = np.array([[one.value for one in of]])
    return Summary(values, np.array([own]), seeds, draws.var(axis=1)[None], (draws[i] - draws[j]).var(axis=1)[None])


def pairs(found: Summary, typical: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the differences of all pairs, and those from which the product counts them as different."""
    i, j = np.triu_indices(len(found.seeds), 1)
    training = ties.training_variance(found.own, found.seeds, typical**2 * found.sampling)
    n = np.broadcast_to(found.seeds.astype(float), training.shape)
    one, two = ((training[:, k], n[:, k]) for k in (i, j))
    return found.values[:, i] - found.values[:, j], ties.needed(found.galaxies, one, two, len(found.seeds))


def separated(spread: np.ndarray, seeds: Sequence[int], number: int, typical: float) -> np.ndarray:
    """Return of so many boards of equal entries whether any two were separated."""
    rng = np.random.default_rng([len(spread), *seeds, *(1000 * spread).astype(int)])
    parts = []
    for start in range(0, number, 1000):
        gaps, least = pairs(draw(rng, spread, seeds, min(1000, number - start)), typical)
        parts.append((np.abs(gaps) > least).any(axis=1))
    return np.concatenate(parts)


def needed_before(found: Summary) -> np.ndarray:
    """Return the differences from which the rule before counted pairs as different: max-t over pooled spreads."""
    rng = np.random.default_rng(20220102)
    freedom = (found.seeds - 1).astype(float)
    i, j = np.triu_indices(len(found.seeds), 1)

    def shrunk(own: np.ndarray) -> np.ndarray:
        pooled = (freedom[:, None] * own).sum(axis=0) / max(freedom.sum(), 1)
        return (freedom[:, None] * own + PRIOR_SEEDS * pooled) / (freedom[:, None] + PRIOR_SEEDS)

    least = np.empty(found.galaxies.shape)
    some = np.maximum(freedom, 1)[:, None]
    for board, (own, galaxies) in enumerate(zip(found.own, found.galaxies)):
        variance = shrunk(np.nan_to_num(own)[:, None])[:, 0]
        trained = variance / found.seeds
        shape = (len(found.seeds), 500)
        moved = OWN * rng.standard_normal(shape) + rng.standard_normal(shape) * np.sqrt(trained)[:, None]
        again = shrunk(variance[:, None] * rng.chisquare(some, shape) / some) / found.seeds[:, None]
        largest = (np.abs(moved[i] - moved[j]) / np.sqrt(galaxies[:, None] + again[i] + again[j])).max(axis=0)
        least[board] = np.quantile(largest, 0.95) * np.sqrt(galaxies + trained[i] + trained[j])
    return least


def power(count: int, spread: float, gaps: Sequence[float], number: int, typical: float) -> dict[str, list[float]]:
    """Return the share of pairs that are separated at each true difference, "now" and by the rule "before"."""
    found = draw(np.random.default_rng([count, int(1000 * spread)]), np.full(count, spread), [3] * count, number)
    by_chance, now = pairs(found, typical)
    before = needed_before(found)
    return {
        word: [float((by_chance + gap > least).mean()) for gap in gaps]
        for word, least in (("now", now), ("before", before))
    }


def bound(count: int, spread: float, gap: float) -> float:
    """Return a power that no rule surpasses which sees a pair alone and holds at every spread of both its entries.

    Three seeds each. By Neyman and Pearson: the most powerful test of a pair at this spread and difference, the level
    of each pair being Tukey's, at spreads from 0.01 to 13.
    """
    total = np.geomspace(1e-5, 300, 300)  # s^2/n of both, which is all that equal spreads tell
    wide = np.gradient(np.log(total)) * total
    between = np.linspace(-25, 25, 501)
    level = 2 * norm.sf(ties.tukey(count))

    def density(true: float, at: float) -> np.ndarray:
        scale = 2 * true**2 / 3
        of_total = chi2.pdf(4 * total / scale, 4) * 4 / scale * wide
        apart = norm.pdf(between, at, np.sqrt(2 * OWN**2 + scale)) * (between[1] - between[0])
        return np.asarray(of_total[:, None] * apart)

    nulls = [density(true, 0) for true in (0.01, 0.03, 0.1, 0.3, 0.6, 1, 1.5, 2, 3, 5, 8, 13)]
    other = (density(spread, gap) + density(spread, -gap)) / 2

    def dual(logs: np.ndarray) -> tuple[float, np.ndarray]:
        costs = np.exp(logs)
        rest = other - sum(cost * null for cost, null in zip(costs, nulls))
        chosen = rest > 0
        slope = np.array([level - null[chosen].sum() for null in nulls]) * costs
        return float(rest[chosen].sum() + level * costs.sum()), slope

    start = np.ones(len(nulls))
    return float(minimize(dual, start, jac=True, method="L-BFGS-B", bounds=[(-12, 12)] * len(nulls)).fun)


def committed() -> list[tuple[str, str, list[Scored]]]:
    """Return the boards of the benchmark with two entries and more of the maintainers: edition, board, entries."""
    standing = entries.submitted(ROOT / "leaderboard", Truths.on_this_machine([]))[0]
    found = []
    for name, frozen in versions.read(ROOT / "leaderboard" / "benchmark")[0].editions.items():
        for task, board in BOARDS.items():
            key = name, frozen.content_hash
            ranked = [e for e in standing if e.official and e.ranked(key, task) is not None]
            if len(ranked) > 1:
                found.append((name, task, [board_table.scored(key, board, e) for e in ranked]))
    return found


def resampled(of: list[Scored], number: int) -> np.ndarray:
    """Return how often committed entries, made equal, are separated: their own draws of galaxies, spreads and seeds.

    One draw, which is of all entries on the same galaxies, stands for the published test set; single runs have the
    usual spread.
    """
    rng = np.random.default_rng(len(of))
    draws = np.array([one.draws for one in of], float)
    read = summary(of)
    usual = of[0].typical * np.sqrt(read.sampling)
    spread = np.where(read.seeds > 1, np.sqrt(np.nan_to_num(read.own)), usual)
    drawn = draw(rng, np.ones(len(of)), read.seeds.tolist(), number)
    trained = spread / np.sqrt(read.seeds) * rng.standard_normal((number, len(of)))
    values = (draws - draws.mean(axis=1, keepdims=True))[:, rng.integers(draws.shape[1], size=number)].T + trained
    boards_of = Summary(
        values, drawn.own * spread**2, read.seeds, np.broadcast_to(read.sampling, values.shape),
        np.broadcast_to(read.galaxies, (number, read.galaxies.shape[1])),
    )  # fmt: skip
    gaps, least = pairs(boards_of, of[0].typical)
    return np.asarray((np.abs(gaps) > least).any(axis=1))


def told(found: np.ndarray) -> dict[str, float]:
    """Return how often, with the ends of the 95 % interval."""
    rate = float(found.mean())
    half = 1.96 * float(np.sqrt(max(rate * (1 - rate), 1e-9) / len(found)))
    return {"separated": rate, "low": max(rate - half, 0.0), "high": rate + half}


def study(number: int, powered: int) -> dict[str, Any]:
    """Run everything: ``number`` boards a setting, ``powered`` where power is looked at."""
    typical = sorted({board.training_spread for board in BOARDS.values()})
    false = []
    for name, pattern in SEEDS.items():
        for usual in (typical[0], typical[-1]) if name == "3" else (typical[-1],):
            for count in ENTRIES:
                seeds = [pattern[k % len(pattern)] for k in range(count)]
                for kind in SPREADS:
                    found = separated(spreads(kind, count), seeds, number, usual)
                    false.append({"seeds": name, "usual": usual, "entries": count, "spread": str(kind)} | told(found))
    strength = []
    for usual in (typical[0], typical[-1]):
        for count in ENTRIES:
            for spread in POWER:
                row = power(count, spread, GAPS, powered, usual)
                loss = np.array(row["before"]) - row["now"]
                worst = int(loss.argmax())
                least = row["before"][worst] - bound(count, max(spread, 0.01), GAPS[worst])
                strength.append(
                    {"usual": usual, "entries": count, "spread": spread, "loss": float(loss[worst]), "at": GAPS[worst]}
                    | {"mean loss": float(loss.mean()), "least loss": least} | row
                )  # fmt: skip
    real = [
        {"edition": edition, "board": task, "entries": len(of)} | told(resampled(of, number))
        for edition, task, of in committed()
    ]
    shares: dict[str, list[float]] = {task: [] for task in BOARDS}
    for _, task, of in committed():
        shares[task] += [float(np.std(one.seeds, ddof=1) / np.std(one.draws)) for one in of if len(one.seeds) > 1]
    return {"boards": number, "power boards": powered, "false": false, "power": strength, "real": real,
            "shares": shares}  # fmt: skip


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Return false separations as a table: a row a number of entries, a column a spread."""
    lines = ["| entries | " + " | ".join(map(str, SPREADS)) + " |", "|--:|" + "--:|" * len(SPREADS)]
    for count in ENTRIES:
        of = {row["spread"]: row for row in rows if row["entries"] == count}
        cells = [f"{of[str(k)]['separated']:.3f}" for k in SPREADS]
        cells = [f"**{c}**" if of[str(k)]["high"] > LIMIT else c for c, k in zip(cells, SPREADS)]
        lines.append(f"| {count} | " + " | ".join(cells) + " |")
    return lines


def markdown(found: dict[str, Any]) -> str:
    """Return the study as docs/evidence/ranks.md."""
    lines = [
        "# False separations and power of the ranks",
        "",
        f"`make campaign-ranks`, made at commit {found['commit']}. Boards of equal entries of normal scores, "
        f"{found['boards']:,} a setting, through the functions that rank. A board counts as falsely separated if any "
        "two of its entries do not share a letter; 0.05 is promised. All spreads of trainings are in units of the "
        "sampling standard deviation of one entry: of every entry, of one or of half of them (the others 0), or in "
        f"equal steps. **Bold**: the upper end of the 95 % interval is above {LIMIT}.",
    ]
    for name in SEEDS:
        for usual in sorted({row["usual"] for row in found["false"] if row["seeds"] == name}):
            rows = [row for row in found["false"] if (row["seeds"], row["usual"]) == (name, usual)]
            high = [row for row in rows if row["high"] > LIMIT]
            most = max(row["separated"] for row in rows)
            lines += ["", f"## Seeds: {name}; usual spread {usual}", "", *table(rows), ""]
            lines.append(f"{len(rows) - len(high)} of {len(rows)} settings hold; the largest is {most:.3f}.")
    lines += [
        "",
        "## Power: what it costs",
        "",
        "Three seeds each, equal spreads. *loss* is how many of a hundred pairs are separated less than by the rule "
        "before, which pooled the spreads of the whole board: at the true difference where that is most (*at*, in "
        f"sampling standard deviations), and its mean over differences of {GAPS[0]:g} to {GAPS[-1]:g}. *least* is what "
        "any rule loses there that knows of a pair nothing but the pair and holds at every spread of its trainings "
        "(Neyman and Pearson): with three seeds and many entries there is no better way, only more seeds. Where it is "
        "negative, the rule before was not the most powerful one.",
        "",
        "| usual spread | entries | spread | loss | at | mean loss | least |",
        "|--:|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {r['usual']} | {r['entries']} | {r['spread']} | {100 * r['loss']:.0f} | {r['at']:g} "
        f"| {100 * r['mean loss']:.1f} | {100 * r['least loss']:.0f} |"
        for r in found["power"]
    ]
    lines += [
        "",
        "## Committed entries, made equal",
        "",
        "The maintainers' entries of a board with their own draws, spreads and numbers of seeds, but all as good.",
        "",
        "| edition | board | entries | separated | 95 % interval |",
        "|---|---|--:|--:|---|",
    ]
    lines += [
        f"| {r['edition']} | {r['board']} | {r['entries']} | {r['separated']:.3f} | {r['low']:.3f} to {r['high']:.3f} |"
        for r in found["real"]
    ]
    lines += [
        "",
        "## The usual spread",
        "",
        "Standard deviation between seeds of the committed entries that have several, as a share of that of their "
        "draws, and what the version froze.",
        "",
        "| board | entries | least | median | largest | frozen |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {task} | {len(s)} | {min(s):.2f} | {np.median(s):.2f} | {max(s):.2f} | {BOARDS[task].training_spread} |"
        for task, s in found["shares"].items()
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the study and write docs/evidence/ranks.{json,md}."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boards", type=int, default=10_000)
    parser.add_argument("--power-boards", type=int, default=300)
    options = parser.parse_args()
    commit = subprocess.run(
        ["git", "rev-parse", "--short=10", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    found = {"commit": commit} | study(options.boards, options.power_boards)
    (OUT / "ranks.json").write_text(json.dumps(found, indent=1) + "\n")
    (OUT / "ranks.md").write_text(markdown(found))
    print(OUT / "ranks.md")


if __name__ == "__main__":
    main()

"""What the studies of coverage found, as docs/evidence/coverage.md and its figure."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.stats import norm

from galaxy_zoo_decals.scoring.bootstrap import ratio
from galaxy_zoo_decals.scoring.truth import MIN_POSITIVES
from tests.campaigns.coverage_study import ASKED, LARGE, MANY, RICH, TIMES, VOTES, Table

Z = 1.96
LEAST = 0.90
"""Coverage under which a number is looked into."""


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
    options: argparse.Namespace,
    out: Path,
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
    (out / "coverage.md").write_text("\n".join(lines) + "\n")
    figure(tables, out / "coverage.svg")


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

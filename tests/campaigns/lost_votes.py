"""How far lost votes put a question wrong: merging votes of simulated galaxies taken away as the survey lost them.

`make campaign-lost-votes` writes docs/evidence/lost-votes.{json,md}, the numbers behind the limit in schema.py.
"""

from __future__ import annotations

import json
import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from galaxy_zoo_decals import drawn_votes, views
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.schema import GZD5, SPLITS

ROOT = Path(__file__).parents[2]
OUT = ROOT / "docs" / "evidence"

VOLUNTEERS = 40
REPEATS = 40

EDGES = (0.0, 0.02, 0.05, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5, 0.8, 1.0)
"""Shares of lost votes between which galaxies are put together."""

KEPT = {"all early mergers said merger": 1.0, "half of them said both": 0.5}
"""What share of the early volunteers who saw a merger gave the answer that still has a column."""


def lose(votes: np.ndarray, kept: float, rng: np.random.Generator) -> np.ndarray:
    """Return merging votes (galaxies, 4) less those of early volunteers whose answers have no column any more.

    A random share of each galaxy's volunteers came before the change; small shares are drawn more often, since they
    are the ones that the limit is about.
    """
    early = rng.binomial(votes, rng.uniform(0, 1, len(votes))[:, None] ** 2)
    early[:, -1] -= rng.binomial(early[:, -1], kept)
    return votes - early


def measure(probabilities: np.ndarray, kept: float, rng: np.random.Generator) -> pd.DataFrame:
    """Return one row a galaxy and repetition: the lost share, errors of fractions, labels that changed."""
    merging, found = GZD5.slices["merging"], []

    def labels(votes: np.ndarray) -> np.ndarray:
        return views.multiclass(GZD5, views.fractions(GZD5, votes)).label

    def fractions(votes: np.ndarray) -> np.ndarray:
        return votes / np.maximum(votes.sum(axis=1), 1)[:, None]

    for _ in range(REPEATS):
        whole, other = (
            drawn_votes.draw(GZD5, probabilities, np.full(len(probabilities), VOLUNTEERS), rng) for _ in "ab"
        )
        part = whole.copy()
        part[:, merging] = lose(whole[:, merging], kept, rng)
        full, left, again = (fractions(votes[:, merging]) for votes in (whole, part, other))
        totals = whole[:, merging].sum(axis=1)
        found.append(
            pd.DataFrame(
                {
                    "lost": 1 - part[:, merging].sum(axis=1) / np.maximum(totals, 1),
                    "error": np.abs(left - full).max(axis=1),
                    "other_error": np.abs(again - full).max(axis=1),
                    "changed": labels(part) != labels(whole),
                    "other_changed": labels(other) != labels(whole),
                }
            )[part[:, merging].sum(axis=1) > 0]
        )
    return pd.concat(found)


def table(rows: pd.DataFrame) -> list[dict[str, float]]:
    """Return one row a range of lost shares."""
    lost = rows[rows["lost"] > 0]
    found = []
    for low, high in pairwise(EDGES):
        inside = lost[(lost["lost"] > low) & (lost["lost"] <= high)]
        if len(inside):
            found.append(
                {
                    "above": low, "to": high, "galaxies": len(inside), "mean_error": float(inside["error"].mean()),
                    "error_99": float(inside["error"].quantile(0.99)), "worst_error": float(inside["error"].max()),
                    "changed": float(inside["changed"].mean()),
                    "other_error": float(inside["other_error"].mean()),
                    "other_changed": float(inside["other_changed"].mean()),
                }
            )  # fmt: skip
    return found


def main() -> None:
    """Measure and write docs/evidence/lost-votes.{json,md}."""
    rng = np.random.default_rng(0)
    edition = Edition.open("sample")
    columns = [f"visible_{column}" for column in GZD5.answer_columns]
    probabilities = pd.concat([edition.table(split, columns) for split in SPLITS]).to_numpy(float)
    found = {name: table(measure(probabilities, kept, rng)) for name, kept in KEPT.items()}
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True)
    limit = GZD5.question("merging").lost_limit
    content = {"commit": commit.stdout.strip(), "volunteers": VOLUNTEERS, "limit": limit, "scenarios": found}
    (OUT / "lost-votes.json").write_text(json.dumps(content, indent=1) + "\n")
    lines = [
        "# How far lost merging votes put a galaxy wrong",
        "",
        f"`make campaign-lost-votes`, at commit `{content['commit']}`. The {len(probabilities):,} galaxies of the "
        f"simulated sample, {VOLUNTEERS} volunteers each, {REPEATS} times. A random share of the volunteers met the "
        "merging question while it had other answers; their votes are lost, but those for merger. The error is that of "
        "the answer whose fraction is furthest off, against the whole panel; beside it stands how far off a second "
        "panel of the same size is, which no rule can avoid. A class counts as changed where the label of the four "
        f"classes differs. The limit in use is {limit:.0%}.",
    ]
    for name, rows in found.items():
        lines += [
            "",
            f"## Where {name}",
            "",
            "| lost share | galaxies | mean error | 99 % below | worst | class changed | second panel: mean error | "
            "class changed |",
            "|---|--:|--:|--:|--:|--:|--:|--:|",
            *(
                f"| {r['above']:.0%} to {r['to']:.0%} | {r['galaxies']:,} | {r['mean_error']:.3f} | "
                f"{r['error_99']:.3f} | {r['worst_error']:.3f} | {r['changed']:.1%} | {r['other_error']:.3f} | "
                f"{r['other_changed']:.1%} |"
                for r in rows
            ),
        ]
    (OUT / "lost-votes.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()

"""What redshift, magnitude and size add in predicting debiased values: `python -m tests.campaigns.real_votes.bound`.

A debiased likelihood holds what the picture shows and what the debiasing knew beside it. This says how much of it the
votes of a galaxy explain, or a model's predictions from its picture, alone and with redshift, magnitude and size: what
these add is a part of the value that no picture shows.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from galaxy_zoo_decals import predictions as files
from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.schema import GZ2
from galaxy_zoo_decals.scoring.results import board_values
from galaxy_zoo_decals.sources.hart16 import ANSWERS, STEMS
from tests.campaigns.real_votes.likelihoods import LEAST_ASKED, explained
from tests.campaigns.real_votes.report import cell

BEYOND = ("redshift", "mag_r", "petro_r50")
"""What the debiasing knows and a vote does not: redshift, r magnitude, Petrosian half-light radius in arcsec."""

FEWEST = 50
"""Galaxies of a question below which no share is computed."""


@dataclass(frozen=True)
class Bound:
    """Share of the variance of a question's debiased values that is explained, each with its interval."""

    question: str
    galaxies: int
    seen: dict[str, float]
    seen_and_more: dict[str, float]


def bounds(table: pd.DataFrame, seen: np.ndarray) -> list[Bound]:
    """Return what ``seen`` (galaxies, features) explains of every question, alone and with the columns BEYOND.

    ``table`` has the columns of gz2_hart16 with BEYOND joined to them. UserError names a column that is missing.
    """
    for column in (*BEYOND, *(f"{stem}_{kind}" for stem in STEMS for kind in ("debiased", "count"))):
        if column not in table.columns:
            raise UserError(
                f"column {column!r} is missing. The table is gz2_hart16.csv with {', '.join(BEYOND)} joined to it by "
                "dr7objid."
            )
    more = np.column_stack([seen, table[list(BEYOND)].to_numpy(float)])
    out = []
    for q, (question, answers) in zip(GZ2.questions, ANSWERS.items()):
        stems = [f"{question}_{answer}" for answer in answers]
        debiased = table[[f"{stem}_debiased" for stem in stems]].to_numpy(float)
        asked = table[[f"{stem}_count" for stem in stems]].to_numpy(float).sum(axis=1)
        use = (asked >= LEAST_ASKED) & ~np.isnan(debiased).any(axis=1)
        if use.sum() >= FEWEST:
            shares = [explained(debiased[use], features[use], 5) for features in (seen, more)]
            out.append(Bound(q.name, int(use.sum()), *shares))
    return out


def main(arguments: list[str] | None = None) -> int:
    """Print the table; return the exit status."""
    parser = argparse.ArgumentParser(prog="bound", description=(__doc__ or "").split("\n")[0], allow_abbrev=False)
    parser.add_argument("table", type=Path, help=f"gz2_hart16.csv with the columns {', '.join(BEYOND)} joined to it")
    parser.add_argument(
        "--predictions", type=Path, help="a votes prediction file keyed by dr7objid, in place of the votes themselves"
    )
    args = parser.parse_args(arguments)
    try:
        try:
            table = pd.read_csv(args.table, dtype={"dr7objid": str})
        except (OSError, ValueError) as error:
            raise UserError(f"{args.table}: not a table that can be read ({error}).") from None
        if args.predictions is None:
            missing = [f"{stem}_weighted_fraction" for stem in STEMS if f"{stem}_weighted_fraction" not in table]
            if missing:
                raise UserError(f"column {missing[0]!r} is missing.")
            seen = np.nan_to_num(table[[f"{stem}_weighted_fraction" for stem in STEMS]].to_numpy(float), nan=-1.0)
        else:
            found = files.read(args.predictions, GZ2)
            table = table.set_index("dr7objid").reindex(found.names).dropna(subset=["total_votes"]).reset_index()
            at = {name: row for row, name in enumerate(found.names)}
            rows = [at[name] for name in table["dr7objid"]]
            fractions = board_values(GZ2, found).get("hierarchical")
            if fractions is None:
                raise UserError(f"{args.predictions}: {found.task} predictions have no fraction of every answer.")
            seen = fractions[rows]
        by = "the votes" if args.predictions is None else "the predictions"
        print(f"Share of the variance of debiased values that is explained by {by}, and with {', '.join(BEYOND)}:")
        for row in bounds(table, seen):
            print(f"  {row.question:<20} {row.galaxies:>8,}  {cell(row.seen)}  {cell(row.seen_and_more)}")
    except UserError as error:
        print(f"bound: error: {args.table}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""How often the ceilings' and the bootstrap's 95 % intervals cover what they estimate: `make campaign-coverage`.

Skies of known probabilities are drawn again and again, with fresh votes; every time the noise ceiling and the score
of a mediocre model are estimated from the votes alone and compared with the known values: the oracle's and the
model's mean scores over a very large sky. Two populations: one of the family that is fitted (independent Dirichlets),
and the simulator's visible probabilities (resampled galaxies of an edition), which no mixture has promised to fit.

Where the simulator's ceilings miss, the estimator is run again with better and better priors, down to the population
itself: how far the estimate comes home with each says what it did not know.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np

from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.schema import GZD5
from galaxy_zoo_decals.scoring import ceilings
from tests.campaigns.coverage_report import catalogues, refitted, write_report
from tests.campaigns.coverage_study import (
    ASKED,
    LARGE,
    MANY,
    REFITS,
    SKIES,
    TIMES,
    VOTES,
    Sky,
    priors,
    steadiness,
    study,
)  # fmt: skip

OUT = Path(__file__).parents[2] / "docs" / "evidence"


def main() -> None:
    """Run the studies and write docs/evidence/coverage.{json,md,svg}."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=200)
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
    if done.get("settings") != settings:
        done = {}
    tables, compared, steady = done.get("tables", {}), done.get("priors", {}), done.get("refits", {})
    if done.get("content") != edition.content_hash:  # another population
        tables, compared = ({k: v for k, v in kept.items() if k.startswith("family")} for kept in (tables, compared))

    def keep() -> None:
        content = {"settings": settings, "content": edition.content_hash}
        content |= {"tables": tables, "priors": compared, "refits": steady}
        stored.write_text(json.dumps(content, indent=1) + "\n")
        write_report(tables, compared, steady, options, OUT)

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


if __name__ == "__main__":
    main()

"""How long scoring takes: `make campaign-scoring`.

Twenty entries on all four boards of a test set as large as that of GZD-5, with 2,000 bootstrap draws, and one entry of
the embedded sample; beside them, in the same run, the slow obvious bootstrap of one metric: scikit-learn on resampled
galaxies.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import time

import numpy as np
from sklearn.metrics import average_precision_score
from tqdm import tqdm

from galaxy_zoo_decals import drawn_votes
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.predictions import Predictions
from galaxy_zoo_decals.schema import GZD5
from galaxy_zoo_decals.scoring import Truth, score
from galaxy_zoo_decals.scoring.bootstrap import DRAWS, shared
from galaxy_zoo_decals.scoring.truth import PROPERTIES
from tests.campaigns.coverage import OUT
from tests.campaigns.coverage_study import Sky, model

SLOW = 20
"""Bootstrap draws that the slow way is timed on."""


def catalogue(probabilities: np.ndarray, rng: np.random.Generator) -> Truth:
    """Return votes of 34 to 59 volunteers a galaxy, and properties: with them come scores and fractions in strata."""
    n = len(probabilities)
    votes = drawn_votes.draw(GZD5, probabilities, rng.integers(34, 60, n), rng)
    properties = {name: rng.lognormal(size=n) for name in PROPERTIES}
    return Truth("sky", "Sky", GZD5, "c", "s", tuple(map(str, range(n))), votes, properties=properties)


def entry(truth: Truth, probabilities: np.ndarray, seed: int) -> Predictions:
    """Return a votes file, which enters all four boards."""
    values = model(probabilities, np.random.default_rng(seed)) * 20
    return Predictions("votes", truth.edition, truth.content_hash, truth.split_hash, seed, truth.names, values)


def seconds(truth: Truth, given: list[Predictions]) -> tuple[float, float]:
    """Return the seconds of scoring all predictions on all boards, the shared weights included: by the clock, and
    the processor's of all threads.
    """
    shared.cache_clear()
    start, worked = time.perf_counter(), time.process_time()
    for predictions in tqdm(given, disable=None):
        score(truth, predictions)
    return time.perf_counter() - start, time.process_time() - worked


def slow_draw(truth: Truth, given: Predictions) -> float:
    """Return the seconds that scikit-learn takes for the average precision of all labels on one resample."""
    rng, n = np.random.default_rng(0), len(truth.names)
    labels, asked = truth.labels, truth.labels_asked
    start = time.perf_counter()
    for _ in range(SLOW):
        rows = rng.integers(0, n, n)
        for j in range(labels.shape[1]):
            on = rows[asked[rows, j]]
            average_precision_score(labels[on, j], given.values[on, j])
    return (time.perf_counter() - start) / SLOW


def main() -> None:
    """Time everything and write docs/evidence/scoring-speed.{json,md}."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--galaxies", type=int, default=51_000)
    parser.add_argument("--entries", type=int, default=20)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    p = Sky(None).draw(options.galaxies, rng)
    truth = catalogue(p, rng)
    large, worked = seconds(truth, [entry(truth, p, seed) for seed in range(options.entries)])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    slow = slow_draw(truth, entry(truth, p, 0)) * DRAWS
    sample = Truth.of(Edition.open("sample"))
    q = Sky(None).draw(len(sample.names), rng)
    small = min(seconds(sample, [entry(sample, q, seed)])[0] for seed in range(5))
    found = {
        "galaxies": options.galaxies, "entries": options.entries, "draws": DRAWS, "seconds": large,
        "processor_seconds": worked, "load_average": os.getloadavg()[0], "peak_gib": peak,
        "slow_seconds_of_one_metric": slow, "sample_galaxies": len(sample.names), "sample_seconds": small,
        "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores",
    }  # fmt: skip
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "scoring-speed.json").write_text(json.dumps(found, indent=1) + "\n")
    lines = [
        "# How long scoring takes",
        "",
        f"`make campaign-scoring` on {found['machine']}: votes files, each on all four boards with all tables, "
        f"{DRAWS:,} bootstrap draws, the shared weights made anew. Galaxies have three properties and a number of "
        "volunteers, so that every board is scored in sixteen strata too.",
        "",
        "| what | seconds |",
        "|---|--:|",
        f"| {options.entries} entries, {options.galaxies:,} galaxies | {large:.1f} |",
        f"| the same, the processors' seconds of all threads | {worked:.1f} |",
        f"| one entry, {len(sample.names)} galaxies of the sample (best of five) | {small:.2f} |",
        f"| scikit-learn's average precision on resampled galaxies: one metric of one entry, {options.galaxies:,} "
        f"galaxies (from {SLOW} draws) | {slow:.0f} |",
        "",
        f"Peak memory {peak:.1f} GiB. Load average at the end {found['load_average']:.1f}: what is above "
        f"{len(os.sched_getaffinity(0))} was the work of others.",
    ]
    (OUT / "scoring-speed.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()

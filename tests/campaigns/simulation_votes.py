"""Whether simulated volunteers vote as real ones did: marginals of a simulated sample beside published values.

    python tests/campaigns/simulation_votes.py [--galaxies 3000] [--real FILE]

Every galaxy gets a panel of 40, whatever its upload group. The distribution of the first question is held against
counts of 7,828 real galaxies where that file is present. Writes docs/evidence/simulation-votes.md, unless another
number of galaxies is asked for.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from galaxy_zoo_decals.schema import CLASSES, GZD5
from galaxy_zoo_decals.simulation.scene import VERSION, Stream, draw_scene, generator, render
from galaxy_zoo_decals.simulation.vote_model import answer_probabilities, panel_votes, visible_probabilities

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "data" / "gzd5-first-question-votes.csv"
EVIDENCE = ROOT / "docs" / "evidence" / "simulation-votes.md"
GALAXIES = 3000
PANEL = 40
MIN_VOTES = PANEL // 2
"""A question counts for a galaxy if half of the panel was asked it (Walmsley et al. 2022, section 5)."""


def panel_of(index: int, seed: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the votes of 40 volunteers, the visible probabilities and the intrinsic type of one galaxy."""
    scene = draw_scene(seed, index)
    expected = answer_probabilities(scene.galaxy, scene.encounter, scene.fault, render(scene).visibility)
    visible = visible_probabilities(generator(seed, index, Stream.QUIRKS), expected)
    votes = panel_votes(generator(seed, index, Stream.VOTES), visible, PANEL)
    return votes, visible / 1e6, CLASSES.index(scene.galaxy.type)


def share(selected: np.ndarray, of: np.ndarray) -> tuple[float, float]:
    """Return the share of ``of`` that is ``selected`` and its standard error."""
    n = max(int(of.sum()), 1)
    p = float((selected & of).sum() / n)
    return p, float(np.sqrt(p * (1 - p) / n))


def marginals(votes: np.ndarray) -> list[tuple[str, str, tuple[float, float]]]:
    """Return (what, published, simulated share and its error) from votes of shape (n, 34)."""
    total = {q.name: votes[:, GZD5.slices[q.name]].sum(axis=1) for q in GZD5.questions}

    def f(question: str, answer: str) -> np.ndarray:
        column = votes[:, GZD5.answer_index[question, answer]]
        return np.divide(column, total[question], out=np.zeros(len(column)), where=total[question] > 0)

    every = np.ones(len(votes), bool)
    smooth, featured, artifact = (f("smooth-or-featured", a) for a in ("smooth", "featured-or-disk", "artifact"))
    edge_on = f("disk-edge-on", "yes")
    face_on = (featured > 0.5) & (edge_on < 0.5)
    asked = face_on & (total["bar"] >= MIN_VOTES)
    strong, weak = f("bar", "strong"), f("bar", "weak")
    barred = strong + weak >= 0.5
    merging = votes[:, GZD5.slices["merging"]].argmax(axis=1)
    spiral = f("has-spiral-arms", "yes")
    return [
        ("smooth, by majority", "0.60 to 0.65", share((smooth > featured) & (smooth > artifact), every)),
        ("featured, by majority", "about 0.35", share((featured > smooth) & (featured > artifact), every)),
        ("artifact, by majority", "0.00 to 0.03", share((artifact > smooth) & (artifact > featured), every)),
        ("edge-on, of all", "0.10 to 0.15", share((featured > 0.5) & (edge_on > 0.5), every)),
        ("strong bar, of featured face-on (Géron et al. 2021)", "0.155", share(barred & (strong >= weak), asked)),
        ("weak bar, of featured face-on (Géron et al. 2021)", "0.281", share(barred & (strong < weak), asked)),
        ("spiral arms, of featured face-on (1,997 of 2,859, Table 1)", "0.70", share(spiral > 0.5, asked)),
        ("merger, by majority", "about 0.05", share(merging == 3, every)),
    ]


def artifact_free(votes: np.ndarray) -> np.ndarray:
    """Return featured over smooth and featured, from votes of the three answers of the first question."""
    return votes[:, 1] / np.maximum(votes[:, 0] + votes[:, 1], 1)


def report(votes: np.ndarray, visible: np.ndarray, types: np.ndarray, real: np.ndarray | None) -> str:
    """Return the evidence as Markdown; ``real`` are counts of the first question, shape (m, 3), or None."""
    lines = [
        "# Simulated against real votes",
        "",
        f"{len(votes)} simulated galaxies (simulator version {VERSION}), {PANEL} volunteers each, unselected. Made by",
        "`python tests/campaigns/simulation_votes.py`. The probabilities of the simulator were set with these",
        "marginals in view: the table shows the fit, not a prediction.",
        "",
        "| share | published | simulated | standard error |",
        "|---|---|---|---|",
        *(f"| {what} | {known} | {p:.3f} | {error:.3f} |" for what, known, (p, error) in marginals(votes)),
        "",
        "## The first question",
        "",
        "Featured votes over smooth and featured votes. The real counts are of early galaxies with at least 37 votes",
        "each, taken before volunteers who call everything an artifact were removed; artifact votes are left out of",
        "both for that reason.",
        "",
    ]
    edges = np.linspace(0, 1, 11)
    ours = np.histogram(artifact_free(votes), edges)[0] / len(votes)
    if real is None:
        lines += ["The real counts are not present.", ""]
        theirs = None
    else:
        theirs = np.histogram(artifact_free(real), edges)[0] / len(real)
        distance = 0.5 * np.abs(theirs - ours).sum()
        lines += [f"Half the summed absolute difference between the two histograms: {distance:.3f}.", ""]
    lines += ["| fraction | real | simulated |", "|---|---|---|"]
    for k in range(10):
        known = "" if theirs is None else f"{theirs[k]:.3f}"
        lines.append(f"| {edges[k]:.1f} to {edges[k + 1]:.1f} | {known} | {ours[k]:.3f} |")
    root = votes[:, GZD5.slices["smooth-or-featured"]].argmax(axis=1)
    truth = visible[:, GZD5.slices["smooth-or-featured"]].argmax(axis=1)
    lines += [
        "",
        "## The truth behind the votes",
        "",
        f"One panel of {PANEL} gives the first question the answer that is truly most probable for "
        f"{(root == truth).mean():.3f} of the galaxies.",
        "",
        "| intrinsic type | share of galaxies | of these featured by majority |",
        "|---|---|---|",
        *(
            f"| {name} | {(types == k).mean():.3f} | {(root[types == k] == 1).mean():.3f} |"
            for k, name in enumerate(CLASSES)
        ),
        "",
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--galaxies", type=int, default=GALAXIES)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--real", type=Path, default=REAL, help="real counts of the first question (CSV)")
    args = parser.parse_args()
    with multiprocessing.get_context("spawn").Pool(args.processes) as pool:
        work = pool.imap(partial(panel_of, seed=args.seed), range(args.galaxies), chunksize=8)
        rows = list(tqdm(work, total=args.galaxies, unit="galaxy"))
    votes, visible, types = (np.array(column) for column in zip(*rows))
    real = None
    if args.real.exists():
        real = pd.read_csv(args.real)[list(GZD5.questions[0].columns)].to_numpy()
    else:
        print(f"without real counts: there is no {args.real.name}")
    text = report(votes, visible, types, real)
    print(text)
    if args.galaxies == GALAXIES and real is not None:
        EVIDENCE.parent.mkdir(parents=True, exist_ok=True)
        EVIDENCE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

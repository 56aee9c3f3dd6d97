"""What is not wrong by itself in an entry but should be looked at by a person."""

from __future__ import annotations

import math

import numpy as np

from galaxy_zoo_decals.scoring import BOARDS
from galaxy_zoo_decals.scoring.boards import Metric
from leaderboard import scores
from leaderboard.entries import Entry
from leaderboard.files import visible
from leaderboard.report import Difference, Standing, number
from leaderboard.runs import Run

SUSPICIOUS = 0.05
"""Lead of the test over the validation score that a person should look at."""

FASTER = 3.0
"""Images a second over those of entries with the same backbone, size and device that a person should look at."""

VALIDATED = {"multiclass": "macro_f1", "multilabel": "macro_map"}
"""Tasks whose curves hold the metric that their board is ranked by."""


def flags(entry: Entry, entries: list[Entry], found: list[Standing], unverified: list[str]) -> list[str]:
    """Return what is not wrong by itself but should be looked at by a person."""
    said: list[str] = []
    for s in found:
        metric = BOARDS[s.board].metrics[BOARDS[s.board].primary]
        ceilings = [d for d in s.references if d.name == "noise ceiling" and d.difference is not None]
        for ceiling in ceilings:
            if _ahead(ceiling, metric) > 0:
                said.append(
                    f"{s.edition}, {s.board}: {number(s.value, metric)} is above the noise ceiling "
                    f"({number(ceiling.value, metric)}): have the test galaxies been seen in training?"
                )
        for prior in (d for d in s.references if d.name == "class prior" and d.difference is not None):
            if _ahead(prior, metric) < 0:
                said.append(
                    f"{s.edition}, {s.board}: {number(s.value, metric)} is no better than the class prior "
                    f"({number(prior.value, metric)}), which says the same of every galaxy."
                )
        if s.seeds < 3:
            said.append(f"{s.edition}, {s.board}: {s.seeds} of 3 seeds: shown as a single run.")
    for edition in entry.editions.values():
        if edition.trained_on is not None:
            said.append(
                f"{edition.name}: trained on content {edition.trained_on[:12]}, which has the benchmark's test "
                "galaxies and other training galaxies: does training_data say which?"
            )
    for trained in entry.trained:
        said += _over_validation(trained.run, trained.task, trained.scores.get(trained.task))
    said += _fast(entry, entries)
    overlap = entry.submission.test_overlap if entry.submission else None
    if overlap and overlap.status in ("declared", "unknown"):
        said.append(f"overlap with the test galaxies is {overlap.status}: {visible(overlap.note or '', 300)}")
    return said + unverified


def _ahead(d: Difference, metric: Metric) -> float:
    return (d.difference or 0.0) * (1 if metric.higher_is_better else -1)


def _over_validation(run: Run, task: str, score: scores.Score | None) -> list[str]:
    name = VALIDATED.get(task)
    if name is None or score is None or not run.curves:
        return []
    seen = [p.validation_metric for c in run.curves for p in c.points if p.validation_metric is not None]
    value, low, _ = score.metrics[name]
    if not seen or not math.isfinite(value) or value - max(seen) <= SUSPICIOUS or low <= max(seen):
        return []
    return [
        f"{run.edition.name}, {task}, seed {run.seed}: {value:.3f} on the test galaxies, at most {max(seen):.3f} on "
        "the validation galaxies."
    ]


def _fast(entry: Entry, entries: list[Entry]) -> list[str]:
    run = entry.run
    same = [
        e.run.images_per_second
        for e in entries
        if e.slug != entry.slug
        and e.run.images_per_second
        and (e.run.backbone, e.run.resolution, e.run.device) == (run.backbone, run.resolution, run.device)
    ]
    if not run.images_per_second or not same or run.images_per_second <= FASTER * float(np.median(same)):
        return []
    return [
        f"{run.images_per_second:,.0f} images/s, {run.images_per_second / float(np.median(same)):.1f} times as many as "
        f"other entries with {visible(run.backbone, 100)} on the same device."
    ]

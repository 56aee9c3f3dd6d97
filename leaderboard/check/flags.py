"""What is not wrong by itself in an entry but should be looked at by a person."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from galaxy_zoo_decals import views
from galaxy_zoo_decals.predictions import Predictions
from galaxy_zoo_decals.schema import GZ2
from galaxy_zoo_decals.scoring import BOARDS, Result, Truth
from galaxy_zoo_decals.scoring.boards import Metric
from galaxy_zoo_decals.scoring.ceilings import CEILING
from leaderboard.check import leaked_votes, left_out, near_copies
from leaderboard.check.report import Difference, Standing, number
from leaderboard.entry import prediction_file
from leaderboard.entry.run_json import Curve, Run
from leaderboard.entry.truths import Truths
from leaderboard.files import visible
from leaderboard.ranking.entries import Entry

SUSPICIOUS = 0.05
"""Lead of the test over the validation score that a person should look at."""

FASTER = 3.0
"""Images a second over those of entries with the same backbone, size and device that a person should look at."""

LEAD = 3.0
"""Smallest detectable differences by which an entry may lead the best one before a person should look at it."""

WINNER = 0.075
"""RMSE of the 37 values of the Galaxy Zoo Challenge that its published winner came to (Dieleman et al. 2015, MNRAS 450,
1441: 0.07492 with many networks and 61,578 galaxies), rounded up."""


def flags(
    entry: Entry, entries: list[Entry], found: list[Standing], unverified: list[str], truths: Truths
) -> list[str]:
    """Return what is not wrong by itself but should be looked at by a person."""
    said: list[str] = []
    for s in found:
        said += _of_standing(s)
    said += _without_curves(entry)
    for edition in entry.editions.values():
        if edition.trained_on is not None:
            said.append(
                f"{edition.name}: trained on content {edition.trained_on[:12]}, which has the test galaxies of the "
                "benchmark but other training galaxies. Does training_data name them?"
            )
    for trained in entry.trained:
        said += _over_validation(trained.run, trained.task, trained.scores.get(trained.task))
    said += _fast(entry, entries)
    overlap = entry.submission.test_overlap if entry.submission else None
    if overlap and overlap.status in ("declared", "unknown"):
        said.append(f"overlap with the test galaxies is {overlap.status}: {visible(overlap.note or '', 300)}")
    said += _better_than_winner(entry, truths)
    said += near_copies.flags(entry, entries, truths)
    said += leaked_votes.flags(entry, truths)
    said += left_out.flags(entry, entries, truths)
    return said + unverified


def _of_standing(s: Standing) -> list[str]:
    """Return what is odd about a place."""
    said = []
    metric = BOARDS[s.board].metrics[BOARDS[s.board].primary]
    value = f"{s.edition}, {s.board}: {metric.title} {number(s.value, metric)}"
    better, worse = ("above", "below") if metric.higher_is_better else ("below", "above")
    ceilings = [d for d in s.references if d.name == CEILING and d.difference is not None]
    said += [
        f"{value} is {better} the noise ceiling ({number(d.value, metric)}). A model exceeds it only by chance. "
        "Were the test galaxies used in training?"
        for d in ceilings
        if _ahead(d, metric) > 0
    ]
    for prior in (d for d in s.references if d.name == "class prior" and d.difference is not None):
        if _ahead(prior, metric) < 0:
            said.append(
                f"{value} is {worse} the class prior ({number(prior.value, metric)}), which gives every galaxy the "
                "same answer."
            )
    leads = [d for d in s.entries if d.difference is not None]
    # The entries of a standing are the nearest: an entry that leads all of them leads the board.
    best = min(leads, key=lambda d: _ahead(d, metric), default=None)
    if best is not None and s.smallest is not None and _ahead(best, metric) > LEAD * s.smallest:
        said.append(
            f"{value} is {better} the best entry ({number(best.value, metric)}, {best.name}) by more than {LEAD:g} "
            f"times the smallest detectable difference of this board ({number(s.smallest, metric)}). What did it "
            "learn that others did not?"
        )
    if s.seeds < 3:
        said.append(f"{s.edition}, {s.board}: {s.seeds} of 3 seeds: shown as a single run.")
    return said


def _without_curves(entry: Entry) -> list[str]:
    """Return the runs whose validation cannot be held against the test."""
    runs = {(t.run.edition.name, t.task, t.run.seed): t.run for t in entry.trained}
    bare = [
        place
        for place, run in runs.items()
        if not any(p.validation_metric is not None for curve in run.curves for p in curve.points)
    ]
    if not bare:
        return []
    edition, task, seed = bare[0]
    more = f" and {len(bare) - 1} more" if len(bare) > 1 else ""
    return [
        f"{edition}, {task}, seed {seed}{more}: no learning curve with a validation metric, so the validation score "
        "cannot be compared with the test score."
    ]


def _better_than_winner(entry: Entry, truths: Truths) -> list[str]:
    """Return the votes files whose RMSE by the rules of the Galaxy Zoo Challenge is below its winner's."""
    said = []
    for trained in entry.trained:
        truth = truths.truth(trained.key)
        if trained.task != "votes" or truth is None or truth.tree is not GZ2 or not truth.votes_assumed:
            continue
        error = challenge_rmse(truth, prediction_file.read(trained.predictions, truth))
        if error < WINNER:
            said.append(
                f"{trained.run.edition.name}, votes, seed {trained.run.seed}: RMSE {error:.4f} over the 37 values of "
                f"the Galaxy Zoo Challenge is below that of its published winner ({WINNER}). Were the test galaxies "
                "used in training?"
            )
    return said


def challenge_rmse(truth: Truth, predictions: Predictions) -> float:
    """Return the root of the mean squared error of the challenge's 37 values, of a votes file on its galaxies.

    The values are shares of all volunteers that come to an answer, but for "is there anything odd", which is asked of
    all. The counts of the truth were made from them, to a step of 1/40: that moves the result by about 0.0002.
    """
    guess = _challenge_values(views.fractions(truth.tree, predictions.values))
    return float(np.sqrt(np.mean((guess - _challenge_values(truth.fractions)) ** 2)))


def _challenge_values(fractions: np.ndarray) -> np.ndarray:
    reach = views.relevance(GZ2, fractions)
    reach[:, GZ2.question_index["odd"]] = 1.0
    reach[:, GZ2.question_index["odd-feature"]] = fractions[:, GZ2.answer_index["odd", "yes"]]
    values: np.ndarray = np.nan_to_num(reach[:, [GZ2.question_index[q] for q, _ in GZ2.answers]] * fractions)
    return values


def _ahead(d: Difference, metric: Metric) -> float:
    return (d.difference or 0.0) * (1 if metric.higher_is_better else -1)


def _over_validation(run: Run, task: str, score: Result | None) -> list[str]:
    """Return where the test score leads the best validation score by more than chance and by more than is usual."""
    if score is None:
        return []
    said = []
    for where, (value, low), curves in _compared(run, task, score):
        seen = [p.validation_metric for c in curves for p in c.points if p.validation_metric is not None]
        if seen and math.isfinite(value) and value - max(seen) > SUSPICIOUS and low > max(seen):
            said.append(
                f"{run.edition.name}, {where}, seed {run.seed}: {value:.3f} on the test galaxies, but at most "
                f"{max(seen):.3f} on the validation galaxies."
            )
    return said


def _compared(run: Run, task: str, score: Result) -> Iterator[tuple[str, tuple[float, float], list[Curve]]]:
    """Yield what both a board and the curves of a run measure: its name, value and low end, and the curves."""
    if metric := BOARDS[task].validated_by:
        value, low, _ = score.metrics[metric]
        yield task, (value, low), run.curves
        return
    for row in score.rows:
        # One network a question: its curve bears the question's name.
        if curves := [c for c in run.curves if c.name == row["name"]]:
            yield f"{task}, {row['name']}", (row["conditional_accuracy"], row["conditional_accuracy_low"]), curves


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

"""Running an entry again: its weights predict the board's galaxies once more, and galaxies that nobody has seen.

The weights are a stranger's and predict in a process of their own (``benchmark/predict.py``: tensors alone, no code).
Predictions are the entry's if its answers come out again, and its values, and its scores. Answers alone would not do:
concentrations can be raised where the truth is known, which changes a likelihood and no answer.
"""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from scipy.stats import norm

from galaxy_zoo_decals import git, scoring
from galaxy_zoo_decals import predictions as files
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.predictions import Predictions
from galaxy_zoo_decals.scoring import BOARDS, Result, Truth
from galaxy_zoo_decals.simulation.scene import VERSION
from leaderboard.entry import evidence
from leaderboard.entry.submission import Weights
from leaderboard.entry.truths import Key, Truths
from leaderboard.files import ROOT, LeaderboardError, sha256, visible
from leaderboard.ranking import stored_scores
from leaderboard.ranking.entries import Entry, Trained
from leaderboard.repeat import fresh

SAME = 0.995
"""Share of the galaxies that must get the same answer again: the rule of the badge "re-run"."""

NEAR = 0.25
"""Standard errors of a primary score that the score of the second predictions may be off. Another processor turns a
few answers that were on the edge; what is gained by less is no place on any board."""

TYPICAL_SHARE = 0.005
"""Mean difference that probabilities may have."""

TYPICAL_LOGARITHM = 0.02
"""Mean difference that the logarithms of concentrations may have: 2 % of each."""


@dataclass(frozen=True)
class Again:
    """What one model predicts on one edition beside the prediction file of the entry that it agrees with best.

    ``differing`` of ``galaxies`` have another answer; ``typical`` and ``largest`` are the mean and the largest
    difference of two probabilities, or of two concentrations' natural logarithms; ``apart`` is by how many standard
    errors the primary score of each board differs.
    """

    trained: Trained
    edition: Edition
    weights: Path
    galaxies: int
    differing: int
    typical: float
    largest: float
    apart: dict[str, float]

    @property
    def same(self) -> float:
        """Share of the galaxies with the same answer."""
        return 1 - self.differing / self.galaxies

    @property
    def good(self) -> bool:
        """Whether these are the entry's predictions."""
        near = self.typical <= (TYPICAL_LOGARITHM if BOARDS[self.trained.task].concentrations else TYPICAL_SHARE)
        return self.same >= SAME and near and all(apart <= NEAR for apart in self.apart.values())


def models(folders: list[Path]) -> list[Path]:
    """Return the folders that hold saved models, of run folders or their own; raises LeaderboardError for another."""
    found = []
    for folder in folders:
        inner = folder / "model"
        model = inner if (inner / "config.json").is_file() else folder
        if not (model / "config.json").is_file():
            raise LeaderboardError(f"--weights {folder}: holds no model: name the folder of save_pretrained, or a run.")
        found.append(model.resolve())
    return found


def weights_sha256(model: Path) -> str:
    """Return one sha256 of all tensors of a saved model and of its config.json."""
    parts = [model / "config.json", *sorted(model.glob("*.safetensors"))]
    return hashlib.sha256("".join(f"{sha256(p)}  {p.name}\n" for p in parts).encode()).hexdigest()


def published(entry: Entry, models: list[Path]) -> bool:
    """Return whether one of the models has the file of weights whose sha256 the entry names."""
    said = entry.submission.weights if entry.submission else None
    if not isinstance(said, Weights):
        return False
    return any(said.sha256 == sha256(path) for model in models for path in sorted(model.glob("*.safetensors")))


def predict(model: Path, edition: Edition, out: Path) -> Predictions:
    """Return what a saved model says of an edition's scored test galaxies; ``out`` is a file it may write.

    Raises LeaderboardError with the one sentence of the process that predicts where it does not come to an end.
    """
    program = ROOT / "benchmark" / "predict.py"
    if not program.is_file():
        raise LeaderboardError(f"{program} is not there: rerun works in a clone of the repository alone.")
    command = [sys.executable, str(program), str(model), str(edition.path.resolve()), "--board", "--out", str(out)]
    # Nothing is fetched for a model that lies here, whatever its config.json names.
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, errors="replace")
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("benchmark/predict.py: ")]
        said = lines[-1] if lines else f"benchmark/predict.py ended with status {done.returncode}."
        raise LeaderboardError(f"--weights {model}: {visible(said)}")
    return files.read(out, edition.tree)


def run(entry: Entry, weights: list[Path], truths: Truths, work: Path) -> tuple[list[Again], list[str]]:
    """Predict again with every model on every edition of the entry whose pictures are here.

    Also returns a line for each edition that is not here. Raises LeaderboardError if none is, or if a model cannot be
    loaded or predicts for another task.
    """
    notes, found = [], []
    for key in entry.editions:
        edition = _pictures(key, entry, truths)
        if edition is None:
            notes.append(f"{key[0]} ({key[1][:12]}): not run again: {truths.missing(key)}")
            continue
        for i, model in enumerate(weights):
            made = predict(model, edition, work / f"{key[0]}-{i}.parquet")
            found.append(_compare(entry, key, edition, model, made, truths))
    if not found:
        raise LeaderboardError(f"{entry.slug}: the pictures of none of its editions are here. " + " ".join(notes))
    return found, notes


def _pictures(key: Key, entry: Entry, truths: Truths) -> Edition | None:
    """Return the edition of this machine with the pictures that an entry's results on ``key`` were made of."""
    wanted = entry.editions[key].pictures
    for other, edition in truths.editions.items():
        if (other == key or truths.home(other) == key) and wanted in (None, edition.terms.pictures):
            return edition
    return None


def _compare(entry: Entry, key: Key, edition: Edition, model: Path, made: Predictions, truths: Truths) -> Again:
    same_task = [t for t in entry.trained if t.key == key and t.task == made.task]
    if not same_task:
        tasks = ", ".join(sorted({t.task for t in entry.trained if t.key == key}))
        raise LeaderboardError(f"--weights {model}: predicts {made.task}, and {entry.slug} {tasks} on {key[0]}.")
    rows = {name: row for row, name in enumerate(made.names)}
    nearest: tuple[float, Trained, Predictions, Predictions] | None = None
    for trained in same_task:
        told = files.read(trained.predictions, edition.tree)
        absent = [name for name in told.names if name not in rows]
        if absent:
            raise LeaderboardError(
                f"{edition.path}: has no picture of {absent[0]} and {len(absent) - 1:,} more galaxies of "
                f"{trained.predictions}: name another edition with --edition."
            )
        mine = made.take(np.array([rows[name] for name in told.names], int))
        gap = float(np.abs(_values(told) - _values(mine)).mean())
        if nearest is None or gap < nearest[0]:
            nearest = gap, trained, told, mine
    assert nearest is not None
    typical, trained, told, mine = nearest
    decided = (BOARDS[made.task].decided(edition.tree, one.values) for one in (told, mine))
    differing = int(np.not_equal(*decided).any(axis=1).sum())
    largest = float(np.abs(_values(told) - _values(mine)).max())
    truth = truths.truth(key)
    apart = {} if truth is None else _apart(trained, truth, mine, str(model))
    return Again(trained, edition, model, len(told.names), differing, typical, largest, apart)


def _values(given: Predictions) -> np.ndarray:
    """Return probabilities, or logarithms of concentrations: what differences can be taken of."""
    return np.log(given.values) if BOARDS[given.task].concentrations else given.values


def _apart(trained: Trained, truth: Truth, mine: Predictions, where: str) -> dict[str, float]:
    bound = replace(mine, edition=truth.edition, content_hash=truth.content_hash, split_hash=truth.split_hash)
    found = {}
    for board, again in scoring.score(truth, bound, where).items():
        if board not in trained.scores:
            continue
        name = BOARDS[board].primary
        stored = trained.scores[board]
        gap, error = abs(stored.metrics[name].value - again.metrics[name].value), _error(stored, name)
        found[board] = gap / error if error > 0 else (0.0 if gap < stored_scores.TOLERANCE else math.inf)
    return found


def _error(score: Result, metric: str) -> float:
    """Return the standard error of a score over test galaxies."""
    return float(np.nanstd(score.draws[metric], dtype=float))


def on_fresh(found: list[Again], text: str, galaxies: int | None, truths: Truths, work: Path) -> list[evidence.Board]:
    """Draw fresh galaxies for every simulated edition among ``found`` and hold their scores against the board's.

    A difference has the variances of both bootstraps: the galaxies are independent, the weights are the same. All
    intervals hold together with 95 %. ``galaxies`` is their number, that of the board if None. Raises LeaderboardError
    if there is no such edition, or a score is not defined on so few galaxies.
    """
    pairs: list[tuple[Key, str, Result, Result]] = []
    for key in dict.fromkeys(one.trained.key for one in found if one.edition.terms.simulated):
        here = [one for one in found if one.trained.key == key]
        board = truths.truth(key)
        assert board is not None
        edition = fresh.draw(here[0].edition, text, galaxies or len(board.names), work / f"{key[0]}-fresh")
        truth = fresh.truth(edition, board)
        drawn = [predict(one.weights, edition, work / f"{key[0]}-fresh-{i}.parquet") for i, one in enumerate(here)]
        again = [scoring.score(truth, made, str(one.weights)) for made, one in zip(drawn, here)]
        for name in BOARDS:
            both = [
                (one.trained.scores[name], new[name]) for one, new in zip(here, again) if name in one.trained.scores
            ]
            if both:
                pairs.append((key, name, Result.mean([b for b, _ in both]), Result.mean([n for _, n in both])))
    if not pairs:
        raise LeaderboardError("no edition among these is simulated and scored: there are no fresh galaxies to draw.")
    return [_difference(*pair, len(pairs)) for pair in pairs]


def _difference(key: Key, board: str, old: Result, new: Result, judged: int) -> evidence.Board:
    metric = BOARDS[board].metrics[BOARDS[board].primary]
    before, after = (score.metrics[metric.name].value for score in (old, new))
    if not math.isfinite(after):
        raise LeaderboardError(f"{BOARDS[board].title}: not defined on {new.galaxies} fresh galaxies: ask for more.")
    better = after - before if metric.higher_is_better else before - after
    wide = float(norm.isf(0.025 / judged)) * math.hypot(_error(old, metric.name), _error(new, metric.name))
    return evidence.Board.model_validate(
        {
            "edition": key[0], "content_hash": key[1], "board": board, "galaxies": new.galaxies, "on_board": before,
            "on_fresh": after, "difference": better, "low": better - wide, "high": better + wide,
        }
    )  # fmt: skip


def round_due(root: Path, slug: str) -> int | None:
    """Return the beacon's round for an entry: by the day its folder came to this branch; None where git has no word."""
    log = ("log", "--first-parent", "--diff-filter=A", "--format=%cI", "-1", "--")
    try:
        day = git.ask(root, *log, f"submissions/{slug}/submission.yaml")
    except git.GitError:
        return None
    return fresh.due(datetime.fromisoformat(day)) if day else None


def seed_wanted(due: int | None) -> str:
    """Say which text --seed takes."""
    if due is None:
        return "its folder is in no commit here, so no day of its merge and no round of the beacon is known."
    out = datetime.fromtimestamp(fresh.GENESIS + fresh.PERIOD * (due - 1), UTC)
    return (
        f"its seed is the randomness of drand round {due}, out at {out:%Y-%m-%d %H:%M:%S} UTC: give the field "
        f"`randomness` of {fresh.address(due)} as --seed."
    )


def to_store(
    entry: Entry, found: list[Again], boards: list[evidence.Board], text: str, due: int | None
) -> evidence.Rerun:
    """Return what may be stored of a good re-run; raises LeaderboardError saying what it lacks.

    All seeds of each edition belong to it: an entry's score is their mean.
    """
    bad = [one for one in found if not one.good]
    if bad:
        raise LeaderboardError(f"nothing was stored: {bad[0].weights} does not predict what {entry.slug} holds.")
    if not published(entry, list({one.weights for one in found})):
        raise LeaderboardError(
            f"nothing was stored: no model has the weights whose sha256 {entry.slug} names in its submission.yaml, so "
            "nobody else could run them."
        )
    run_again = {one.trained.sha256 for one in found}
    keys = {one.trained.key for one in found}
    left = [t for t in entry.trained if t.key in keys and t.sha256 not in run_again]
    if left:
        seeds = ", ".join(f"{t.key[0]} {t.task} seed {t.run.seed}" for t in left)
        raise LeaderboardError(f"nothing was stored: no weights were given for {seeds}. Give --weights for each.")
    drawn = None
    if boards:
        if due is None or not fresh.is_randomness(text):
            raise LeaderboardError(f"nothing was stored: {seed_wanted(due)}")
        drawn = evidence.Fresh(
            randomness=text.strip().lower(), round=due, seed=fresh.seed(text), simulator=VERSION, boards=boards
        )
    told = [
        {
            "edition": one.trained.key[0], "content_hash": one.trained.key[1], "task": one.trained.task,
            "seed": one.trained.run.seed, "prediction_sha256": one.trained.sha256,
            "weights_sha256": weights_sha256(one.weights), "galaxies": one.galaxies, "same": one.same,
            "largest": one.largest,
        }
        for one in found
    ]  # fmt: skip
    day = datetime.now(UTC).date().isoformat()
    return evidence.Rerun.model_validate({"format": evidence.FORMAT, "day": day, "files": told, "fresh": drawn})


def words(entry: Entry, found: list[Again]) -> list[str]:
    """Say how the second predictions compare with the entry's, a line a model and edition."""
    lines = [f"{entry.title} ({entry.slug}):"]
    for one in found:
        most = max(one.apart.values(), default=0.0)
        lines.append(
            f"  {one.weights}, {one.trained.key[0]}: agrees best with seed {one.trained.run.seed}; "
            f"{one.galaxies - one.differing:,} of {one.galaxies:,} galaxies have the same answer "
            f"({100 * one.same:.2f} %), values differ by {one.typical:.2g} in the mean and {one.largest:.2g} at most, "
            f"scores by {most:.2g} standard errors at most{'' if one.good else ': NOT THE SAME PREDICTIONS'}"
        )
    lines.append("Run again." if all(one.good for one in found) else f"Not run again: {_rule()}.")
    return lines


def _rule() -> str:
    return (
        f"{100 * SAME:g} % of the answers, values that differ by {TYPICAL_SHARE:g} in the mean at most (concentrations "
        f"by {100 * TYPICAL_LOGARITHM:g} %) and scores within {NEAR:g} standard errors are asked for"
    )


def fresh_words(boards: list[evidence.Board], text: str) -> list[str]:
    """Say how the scores on fresh galaxies compare with the board's."""
    lines = [f"Fresh galaxies, seed {fresh.seed(text)}:"]
    for one in boards:
        metric = BOARDS[one.board].metrics[BOARDS[one.board].primary]
        before, after, low, high, gap = (
            format(value, metric.format) for value in (one.on_board, one.on_fresh, one.low, one.high, one.difference)
        )
        worse = f"lower on fresh galaxies by {format(-one.difference, metric.format)}: a person looks at it"
        lines.append(
            f"  {one.edition}, {BOARDS[one.board].title}, {metric.title}: {after} on {one.galaxies:,} fresh galaxies, "
            f"{before} on the board; better by {gap} [{low}, {high}]: "
            f"{'holds on fresh galaxies' if one.holds else worse}"
        )
    return lines

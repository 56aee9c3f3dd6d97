"""Entries as the site shows them: committed submissions with their stored scores, and local runs scored here."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.scoring import BOARDS
from leaderboard import runs, scores, submission
from leaderboard.files import LeaderboardError, read_text, sha256
from leaderboard.runs import Run, RunEdition, prediction_path
from leaderboard.scores import Score
from leaderboard.submission import Submission
from leaderboard.truths import Key, Truths


@dataclass(frozen=True)
class Trained:
    """One prediction file of an entry with the run that made it and its scores on every board it enters.

    ``unscored`` says why there are none. ``unproven``: galaxies are lacking, and they are not the ones which the source
    of its pictures is known to lack.
    """

    run: Run
    task: str
    predictions: Path
    sha256: str
    scores: dict[str, Score]
    unscored: str = ""
    unproven: bool = False

    @property
    def key(self) -> Key:
        """Name and content hash of the edition."""
        return self.run.edition.name, self.run.edition.content_hash


@dataclass(frozen=True)
class Entry:
    """One row of the boards: the same model and recipe, in one or more seeds, on one or more editions."""

    slug: str
    title: str
    local: bool
    trained: list[Trained]
    submission: Submission | None = None
    readme: str = ""
    folder: Path | None = field(default=None, compare=False)

    @property
    def run(self) -> Run:
        """The facts of the first run, for what is common to all of them."""
        return self.trained[0].run

    @cached_property
    def editions(self) -> dict[Key, RunEdition]:
        """The editions it was tested on."""
        return {t.key: t.run.edition for t in self.trained}

    @cached_property
    def _by_board(self) -> dict[tuple[Key, str], list[Trained]]:
        found: dict[tuple[Key, str], list[Trained]] = {}
        for key in self.editions:
            for board in BOARDS:
                here = [t for t in self.trained if t.key == key and board in t.scores]
                # A file made for the board comes before a votes file that enters it too.
                made = [t for t in here if t.task == board]
                if here:
                    found[key, board] = sorted(made or here, key=lambda t: t.run.seed)
        return found

    def seeds(self, key: Key, board: str) -> list[Trained]:
        """Return the prediction files that count on a board of an edition, one a seed."""
        return self._by_board.get((key, board), [])

    @cached_property
    def _scores(self) -> dict[tuple[Key, str], Score]:
        return {
            (key, board): scores.mean([t.scores[board] for t in seeds])
            for (key, board), seeds in self._by_board.items()
        }

    def ranked(self, key: Key, board: str) -> Score | None:
        """Return that mean if the entry may have a place there, None if it is not on the board or lacks galaxies."""
        score = self.score(key, board)
        if score is None or score.partial or any(t.unproven for t in self.trained if t.key == key):
            return None
        return score

    def score(self, key: Key, board: str) -> Score | None:
        """Return the mean over seeds on a board of an edition, None if the entry is not on it."""
        return self._scores.get((key, board))


def submitted(root: Path, truths: Truths) -> tuple[list[Entry], list[str]]:
    """Read the committed submissions below ``root`` with their stored scores, in the order of their names.

    Also returns a warning for each that has no scores, or scores of other prediction files: it is left out, and the
    others are shown.
    """
    entries, warnings = [], []
    for folder in sorted(p for p in (root / "submissions").glob("*") if p.is_dir() and not p.name.startswith(".")):
        try:
            entries.append(_submitted(root, folder, truths))
        except LeaderboardError as error:
            warnings.append(f"{folder.name} is left out: {error}")
    return entries, warnings


def named(slug: str, everyone: list[Entry], warnings: list[str]) -> Entry:
    """Return the entry of that name of what ``submitted`` found; raises LeaderboardError saying why there is none."""
    found = next((e for e in everyone if e.slug == slug), None)
    if found is None:
        why = next((w for w in warnings if w.startswith(f"{slug} ")), "")
        there = ", ".join(e.slug for e in everyone) or "none"
        raise LeaderboardError(why or f"there is no entry {slug!r}; there are: {there}.")
    return found


def _submitted(root: Path, folder: Path, truths: Truths) -> Entry:
    said = submission.read(folder / "submission.yaml")
    trained = []
    for stored in scores.read(root / "scores" / folder.name):
        place = prediction_path(stored.edition["name"], stored.task, stored.seed)
        if (folder / place).is_symlink() or not (folder / place).is_file():
            raise LeaderboardError(f"{folder / place}: missing, though it was scored: restore it with git.")
        digest = sha256(folder / place)
        if digest != stored.prediction_sha256:
            raise LeaderboardError(
                f"{folder / place}: not the file that was scored: restore it, or run "
                f"`python -m leaderboard score {folder.name}`."
            )
        run = runs.read(folder / submission.run_path(place))
        lacks = any(score.lacking for score in stored.boards.values())
        unproven = lacks and not _proven(run, folder / place, truths)
        trained.append(Trained(run, stored.task, folder / place, digest, stored.boards, unproven=unproven))
    if not trained:
        raise LeaderboardError(f"{folder}: has no scores: run `python -m leaderboard score {folder.name}`.")
    readme = read_text(folder / "README.md", 64 * 2**10)
    return Entry(folder.name, said.name, False, trained, said, readme, folder)


def _proven(run: Run, path: Path, truths: Truths) -> bool:
    """Return whether the galaxies that a file lacks are the very ones which the source of its pictures lacks.

    Whoever could choose them would leave away the hard ones: the class prior is wrong less often on those.
    """
    key = (run.edition.name, run.edition.content_hash)
    truth = truths.truth(key)
    if truth is None:
        return False
    lacking = frozenset(truth.names[row] for row in scores.read_predictions(path, truth).lacking)
    return lacking == truths.lacking(key).get(run.edition.pictures or "")


def local(root: Path, truths: Truths) -> tuple[list[Entry], list[str]]:
    """Read run folders below ``root`` as entries, scored now; also return a warning for each left out or not scored.

    Runs of the same edition, model and resolved recipe are seeds of one entry.
    """
    groups: dict[str, list[Trained]] = {}
    slugs: dict[str, tuple[str, str]] = {}
    warnings = []
    for folder in runs.find(root):
        try:
            trained = scored(folder, truths)
        except UserError as error:
            warnings.append(f"left out: {error}")
            continue
        warnings += [f"{folder}: {t.task} is shown without scores: {t.unscored}" for t in trained if t.unscored]
        run = trained[0].run
        same = [run.edition.content_hash, run.model, run.title, run.settings, run.resolution]
        group = hashlib.sha256(json.dumps(same, sort_keys=True, default=str).encode()).hexdigest()
        doubled = {(t.task, t.run.seed) for t in groups.get(group, [])} & {(t.task, t.run.seed) for t in trained}
        if doubled:
            warnings.append(f"left out: {folder}: the same model, recipe and seed {run.seed} stand in another folder.")
            continue
        groups.setdefault(group, []).extend(trained)
        slugs[group] = (f"local-{run.edition.name}-{run.model}".replace("_", "-"), f"-{run.recipe_name}")
    entries = []
    plain = [slug for slug, _ in slugs.values()]
    named = [slug + recipe for slug, recipe in slugs.values()]
    for group, trained in groups.items():
        slug, recipe = slugs[group]
        if plain.count(slug) > 1:
            slug = slug + recipe if named.count(slug + recipe) == 1 else f"{slug}{recipe}-{group[:6]}"
        slug = "".join(c if c.isascii() and (c.isalnum() or c in "-.") else "-" for c in slug)
        entries.append(Entry(slug, trained[0].run.title, True, trained))
    return sorted(entries, key=lambda e: e.slug), warnings


def scored(folder: Path, truths: Truths) -> list[Trained]:
    """Return the prediction files of a run folder, scored now; raises LeaderboardError if one cannot be read."""
    run = runs.read(folder / "run.json")
    key = (run.edition.name, run.edition.content_hash)
    truth = truths.truth(key)
    found = []
    for task in run.tasks:
        path = folder / prediction_path(run.edition.name, task, run.seed)
        submission.check_predictions(path, run, task, truths)
        if truth is None:
            found.append(Trained(run, task, path, sha256(path), {}, truths.missing(key)))
            continue
        values = scores.read_predictions(path, truth)
        found.append(Trained(run, task, path, sha256(path), scores.of_predictions(truth, values, str(path))))
    return found


def score_submission(folder: Path, truths: Truths) -> tuple[list[scores.Stored], list[str]]:
    """Score every prediction file of a submission; also return what kept a file from being scored, in words."""
    stored, problems = [], []
    for path in sorted(folder.glob("predictions/*/*/*.parquet")):
        try:
            run_file = folder / submission.run_path(path.relative_to(folder))
            run = runs.read(run_file)
            task = path.parts[-2]
            if prediction_path(run.edition.name, task, run.seed) != path.relative_to(folder) or task not in run.tasks:
                raise LeaderboardError(f"{run_file}: is of another edition, task or seed than its place says.")
            key = (run.edition.name, run.edition.content_hash)
            truth = truths.truth(key)
            if truth is None:
                raise LeaderboardError(f"{run.edition.name}: {truths.missing(key)}")
            submission.check_predictions(path, run, task, truths)
            found = scores.of_predictions(truth, scores.read_predictions(path, truth), str(path))
            stored.append(scores.Stored(run.edition.facts(), task, run.seed, sha256(path), found))
        except UserError as error:
            problems.append(str(error))
    if not stored and not problems:
        problems.append(f"{folder}: holds no predictions/<edition>/<task>/seed<k>.parquet.")
    return stored, problems

"""Entries as the site shows them: committed submissions with their stored scores, and local runs scored here."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path

import yaml

from galaxy_zoo_decals import scoring
from galaxy_zoo_decals.atomic import finish_interrupted
from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.scoring import BOARDS, Result
from leaderboard.entry import display, evidence, prediction_file, run_json, submission
from leaderboard.entry.display import Shown
from leaderboard.entry.evidence import Evidence
from leaderboard.entry.run_json import Run, RunEdition, prediction_path
from leaderboard.entry.submission import Submission
from leaderboard.entry.truths import Key, Truths
from leaderboard.files import DATA, LeaderboardError, read_text, sha256
from leaderboard.ranking import stored_scores

OFFICIAL = DATA / "official.yaml"
"""Lies with the scorer, never with the data that is checked."""


@cache
def official() -> frozenset[str]:
    """Return the folders of the entries that the maintainers answer for; raises LeaderboardError if it is no list."""
    try:
        found = yaml.safe_load(read_text(OFFICIAL)) or []
    except yaml.YAMLError as error:
        raise LeaderboardError(f"{OFFICIAL}: not YAML ({error}).") from None
    if not isinstance(found, list) or not all(isinstance(slug, str) for slug in found):
        raise LeaderboardError(f"{OFFICIAL}: give a list of folders, one a line: - 20261128-my-model.")
    return frozenset(found)


@dataclass(frozen=True)
class Trained:
    """One prediction file of an entry with the run that made it and its scores on every board it enters.

    ``unscored`` says why there are none. ``unproven``: galaxies are lacking, and they are not the ones which the source
    of its pictures is known to lack. ``scored`` is the day of the scores, YYYY-MM-DD; empty for runs of this machine.
    """

    run: Run
    task: str
    predictions: Path
    sha256: str
    scores: dict[str, Result]
    unscored: str = ""
    unproven: bool = False
    scored: str = ""

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
    evidence: tuple[Evidence, ...] = ()
    """What was found when it was run or trained again, least first."""
    shown: Shown | None = None
    """What the maintainers show of it in place of its own words."""

    @property
    def official(self) -> bool:
        """Whether the maintainers answer for it, by their own list and not by what it says of itself."""
        return not self.local and self.slug in official()

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
    def _scores(self) -> dict[tuple[Key, str], Result]:
        return {
            (key, board): Result.mean([t.scores[board] for t in seeds])
            for (key, board), seeds in self._by_board.items()
        }

    def ranked(self, key: Key, board: str) -> Result | None:
        """Return that mean if the entry may have a place there, None if it is not on the board or lacks galaxies."""
        score = self.score(key, board)
        if score is None or score.partial or any(t.unproven for t in self.trained if t.key == key):
            return None
        return score

    def score(self, key: Key, board: str) -> Result | None:
        """Return the mean over seeds on a board of an edition, None if the entry is not on it."""
        return self._scores.get((key, board))

    def reported(self, key: Key, board: str) -> bool:
        """Return whether it has predictions for a board that nobody scored yet: it stands apart, without a number."""
        made = {t.task for t in self.trained if t.key == key and not t.scores}
        return self.score(key, board) is None and (board in made or "votes" in made)


def submitted(root: Path, truths: Truths) -> tuple[list[Entry], list[str]]:
    """Read the committed submissions below ``root`` with their stored scores, in the order of their names.

    Predictions that main has not scored yet are there without scores. Also returns a warning for each entry that cannot
    be read, or has scores of other prediction files: it is left out, and the others are shown.
    """
    entries, warnings = [], []
    for folder in sorted(p for p in (root / "submissions").glob("*") if p.is_dir() and not p.name.startswith(".")):
        try:
            scored = finish_interrupted(root / "scores" / folder.name)
            entry = of_submission(folder, stored_scores.read(scored) if scored.is_dir() else [], truths)
            found, ignored = evidence.of(entry.slug, root, {t.sha256: t.key for t in entry.trained})
            entries.append(replace(entry, evidence=tuple(found)))
            warnings += ignored
        except (UserError, OSError) as error:
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


def of_submission(folder: Path, stored: list[stored_scores.Stored], truths: Truths) -> Entry:
    """Return the entry of a submission's folder with the scores of its prediction files.

    Raises LeaderboardError if a file is missing or not the one that was scored.
    """
    said = submission.read(folder / "submission.yaml")
    by_place = {prediction_path(s.edition["name"], s.task, s.seed): s for s in stored}
    made = {p.relative_to(folder) for p in folder.glob("predictions/*/*/*.parquet")}
    trained = []
    for place in sorted(made | by_place.keys()):
        if (folder / place).is_symlink() or not (folder / place).is_file():
            raise LeaderboardError(f"{folder / place}: missing, though it was scored: restore it with git.")
        digest = sha256(folder / place)
        run, scored = run_json.read(folder / submission.run_path(place)), by_place.get(place)
        if scored is None:
            key = (run.edition.name, run.edition.content_hash)
            why = "main has not scored it yet." if truths.truth(key) is not None else truths.missing(key)
            trained.append(Trained(run, place.parts[2], folder / place, digest, {}, why))
            continue
        if digest != scored.prediction_sha256:
            raise LeaderboardError(
                f"{folder / place}: not the file that was scored: restore it, or run "
                f"`python -m leaderboard score {folder.name}`."
            )
        lacks = any(score.lacking for score in scored.boards.values())
        unproven = lacks and not _proven(run, folder / place, truths)
        trained.append(
            Trained(run, scored.task, folder / place, digest, scored.boards, unproven=unproven, scored=scored.scored)
        )
    if not trained:
        raise LeaderboardError(f"{folder}: holds no predictions/<edition>/<task>/seed<k>.parquet.")
    readme = read_text(folder / "README.md", 64 * 2**10)
    shown = display.known().get(folder.name)
    title = shown.name if shown and shown.name else said.name
    return Entry(folder.name, title, False, trained, said, readme, folder, shown=shown)


def _proven(run: Run, path: Path, truths: Truths) -> bool:
    """Return whether the galaxies that a file lacks are the very ones which the source of its pictures lacks.

    Whoever could choose them would leave away the hard ones: the class prior is wrong less often on those.
    """
    key = (run.edition.name, run.edition.content_hash)
    truth = truths.truth(key)
    if truth is None:
        return False
    lacking = frozenset(truth.names[row] for row in prediction_file.read(path, truth).lacking)
    return lacking == truths.lacking(key).get(run.edition.pictures or "")


def local(root: Path, truths: Truths) -> tuple[list[Entry], list[str]]:
    """Read run folders below ``root`` as entries, scored now; also return a warning for each left out or not scored.

    Runs of the same edition, model and resolved recipe are seeds of one entry.
    """
    groups: dict[str, list[Trained]] = {}
    slugs: dict[str, tuple[str, str]] = {}
    warnings = []
    for folder in run_json.find(root):
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
    run = run_json.read(folder / "run.json")
    key = (run.edition.name, run.edition.content_hash)
    truth = truths.truth(key)
    found = []
    for task in run.tasks:
        path = folder / prediction_path(run.edition.name, task, run.seed)
        values = prediction_file.checked(path, run, task, truths)
        if truth is None:
            found.append(Trained(run, task, path, sha256(path), {}, truths.missing(key)))
            continue
        found.append(Trained(run, task, path, sha256(path), scoring.score(truth, values, str(path))))
    return found


class AbsentTruth(LeaderboardError):
    """The truth of an edition that may not be passed on is not on this machine: its predictions stay as they are."""


def score_submission(folder: Path, truths: Truths) -> tuple[list[stored_scores.Stored], list[UserError]]:
    """Score every prediction file of a submission; also return what kept a file from being scored."""
    stored: list[stored_scores.Stored] = []
    problems: list[UserError] = []
    day = datetime.now(UTC).date().isoformat()
    for path in sorted(folder.glob("predictions/*/*/*.parquet")):
        try:
            run_file = folder / submission.run_path(path.relative_to(folder))
            run = run_json.read(run_file)
            task = path.parts[-2]
            if prediction_path(run.edition.name, task, run.seed) != path.relative_to(folder) or task not in run.tasks:
                raise LeaderboardError(f"{run_file}: is of another edition, task or seed than its place says.")
            key = (run.edition.name, run.edition.content_hash)
            truth = truths.truth(key)
            if truth is None:
                raise AbsentTruth(f"{run.edition.name}: {truths.missing(key)}")
            values = prediction_file.checked(path, run, task, truths)
            found = scoring.score(truth, values, str(path))
            stored.append(stored_scores.Stored(run.edition.facts(), task, run.seed, sha256(path), found, day))
        except UserError as error:
            problems.append(error)
    if not stored and not problems:
        problems.append(LeaderboardError(f"{folder}: holds no predictions/<edition>/<task>/seed<k>.parquet."))
    return stored, problems


def to_store(folder: Path, fresh: list[stored_scores.Stored], scored: Path) -> list[stored_scores.Stored]:
    """Return the scores of a submission as they are to be stored in ``scored``; none if they stand there as they are.

    Scores that come out as they stand keep their day, and those of predictions that cannot be scored here stay.
    """
    try:
        standing = {prediction_path(s.edition["name"], s.task, s.seed): s for s in stored_scores.read(scored)}
    except LeaderboardError:  # none yet, or another scorer's
        return fresh
    found = {}
    for place, old in standing.items():
        if (folder / place).is_file() and sha256(folder / place) == old.prediction_sha256:
            found[place] = old
    for new in fresh:
        place = prediction_path(new.edition["name"], new.task, new.seed)
        if place not in found or not stored_scores.equal(found[place], new):
            found[place] = new
    same = found.keys() == standing.keys() and all(found[place] is standing[place] for place in found)
    return [] if same else list(found.values())

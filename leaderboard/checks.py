"""The checks of submissions: every fault with its file, line or row, and what to do about it."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from galaxy_zoo_decals import predictions as prediction_files
from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.predictions import PredictionError, Predictions
from galaxy_zoo_decals.scoring import Truth
from galaxy_zoo_decals.scoring.bootstrap import DRAWS
from leaderboard import probe, runs, scores, submission
from leaderboard.files import LeaderboardError, read_text, sha256, visible
from leaderboard.parquet import bounded
from leaderboard.runs import Run
from leaderboard.submission import LARGEST_FILE, LARGEST_SUBMISSION, SLUG, Submission, YamlError
from leaderboard.truths import Truths, tree_of

PLACE = r"[a-z0-9][a-z0-9_.-]{0,63}/(multiclass|multilabel|hierarchical|votes)/seed(0|[1-9]\d{0,8})"
ALLOWED = re.compile(
    rf"submission\.yaml|README\.md|citation\.bib|runs/{PLACE}\.json|predictions/{PLACE}\.parquet", re.ASCII
)
SCORED = re.compile(rf"summary\.json|draws/{PLACE}\.parquet", re.ASCII)
MOST_FILES = 200
MOST_PREDICTIONS = 40
"""Prediction files of a submission: three seeds on all boards of three editions, and some more."""

LARGEST_RUN = 2**20
LARGEST_TEXT = {"README.md": 64 * 2**10, "citation.bib": 64 * 2**10, "submission.yaml": submission.LARGEST_YAML}
LARGEST_SCORES = 4 * 2**20

MARKUP = re.compile(r"<[a-zA-Z/!?]|javascript\s*:|vbscript\s*:|data\s*:\s*[a-z]+/", re.IGNORECASE)
"""What a browser could take for more than text. The site escapes it all the same."""

SAME = 2e-3
"""Largest difference of two files of predictions that are taken for copies of each other."""

SAMPLE = 500
"""Galaxies by which copies are looked for."""

DECIDED = 0.99
"""Share of galaxies from which on predictions of 0 and 1 alone are decisions and no probabilities."""

EXCHANGED = 0.5
"""Gain in summed correlation from which on exchanged columns are taken for exchanged, not for a poor model."""

SURE = 6.0
"""Standard deviations by which a column must fit another truth better than its own."""


@dataclass
class Report:
    """What a check found: ``faults`` fail it, ``notes`` say what could not be looked at here."""

    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: int = 0
    rescored: int = 0


@dataclass(frozen=True)
class Seen:
    """Predictions met so far, thinned out, to find copies of them."""

    place: str
    content_hash: str
    task: str
    values: np.ndarray


def check(folder: Path, scored: Path, truths: Truths, seen: list[Seen], new: bool = False) -> Report:
    """Check one submission folder against the rules and its stored scores in ``scored``.

    ``seen`` holds the predictions met so far and is added to, so that copies are found among all submissions of one
    call. A ``new`` one may not stand on a closed version of an edition.
    """
    report = Report()
    _layout(folder, report)
    _scores_layout(scored, report)
    if report.faults:
        return report  # nothing below may touch links, giants or strangers
    said = _metadata(folder, report)
    paths = sorted(folder.glob("predictions/*/*/*.parquet"))
    report.files = len(paths)
    if not paths:
        report.faults.append(f"{folder}: holds no predictions/<edition>/<task>/seed<k>.parquet: add them.")
    read = _runs(folder, paths, said, report)
    unreadable = probe.faults(
        [_wanted(path, read.get(path), truths) for path in paths]
        + [probe.Wanted(path, None, DRAWS) for path in sorted(scored.glob("draws/*/*/*.parquet"))]
    )
    report.faults += unreadable.values()
    stored = [] if any(scored in p.parents for p in unreadable) else _stored(scored, truths, read, report)
    for path in paths:
        if path in unreadable or path not in read:
            continue
        try:
            _file(folder, path, read[path], stored, truths, seen, report, new)
        except UserError as error:
            report.faults.append(str(error))
    _surplus(folder, scored, stored, report)
    report.faults = [visible(fault) for fault in report.faults]
    return report


def _wanted(path: Path, run: Run | None, truths: Truths) -> probe.Wanted:
    truth = truths.truth((run.edition.name, run.edition.content_hash)) if run else None
    tree = truth.tree if truth else tree_of(path.parts[-3], truths)
    return probe.Wanted(path, tree.name, len(truth.names) if truth else None)


def _entries(folder: Path) -> Iterator[Path]:
    """Yield files and folders below, following no links; stops above what any submission may hold."""
    count = 0
    for here, folders, names in os.walk(folder, followlinks=False):
        for name in sorted(folders) + sorted(names):
            yield Path(here) / name
            count += 1
            if count > MOST_FILES:
                return


def _layout(folder: Path, report: Report) -> None:
    shown = visible(str(folder), 200)
    if folder.is_symlink() or not folder.is_dir():
        report.faults.append(f"{shown}: not a folder.")
        return
    if not SLUG.fullmatch(folder.name) or len(folder.name) > 64 or not _is_day(folder.name[:8]):
        report.faults.append(f"{shown}: rename the folder to <yyyymmdd>-<name in a-z, 0-9 and hyphens>.")
    total = predictions = 0
    for count, path in enumerate(_entries(folder)):
        if count >= MOST_FILES:
            report.faults.append(f"{shown}: more than {MOST_FILES} files and folders.")
            return
        name = path.relative_to(folder).as_posix()
        status = path.lstat()
        if stat.S_ISDIR(status.st_mode):
            continue
        where = visible(str(path), 300)
        if not stat.S_ISREG(status.st_mode):
            report.faults.append(f"{where}: a link or special file; only regular files are allowed.")
            continue
        if not ALLOWED.fullmatch(name):
            report.faults.append(
                f"{where}: no file of a submission (submission.yaml, README.md, citation.bib, "
                "runs/<edition>/<task>/seed<k>.json, predictions/<edition>/<task>/seed<k>.parquet): remove it."
            )
        if status.st_mode & 0o111:
            report.faults.append(f"{where}: is executable; run `chmod -x` on it.")
        limit = LARGEST_TEXT.get(name, LARGEST_RUN if path.suffix == ".json" else LARGEST_FILE)
        if status.st_size > limit:
            report.faults.append(f"{where}: {status.st_size:,} bytes; at most {limit:,} are allowed.")
        total += status.st_size
        predictions += path.suffix == ".parquet"
    if total > LARGEST_SUBMISSION:
        report.faults.append(f"{shown}: {total:,} bytes in all; at most {LARGEST_SUBMISSION:,} are allowed.")
    if predictions > MOST_PREDICTIONS:
        report.faults.append(f"{shown}: {predictions} prediction files; at most {MOST_PREDICTIONS} are allowed.")
    for needed in ("submission.yaml", "README.md"):
        if not (folder / needed).is_file():
            report.faults.append(f"{folder / needed}: missing; `python -m leaderboard submit` writes one.")


def _is_day(text: str) -> bool:
    try:
        return bool(datetime.strptime(text, "%Y%m%d"))
    except ValueError:
        return False


def _scores_layout(scored: Path, report: Report) -> None:
    """Look at the stored scores as at the submission: they come with the same pull request."""
    again = f"stored scores are the scorer's own: run `python -m leaderboard score {visible(scored.name, 64)}`."
    if scored.is_symlink() or (scored.exists() and not scored.is_dir()):
        report.faults.append(f"{visible(str(scored), 200)}: not a folder; {again}")
        return
    for count, path in enumerate(_entries(scored)):
        where = visible(str(path), 300)
        if count >= MOST_FILES:
            report.faults.append(f"{visible(str(scored), 200)}: more than {MOST_FILES} files; {again}")
            return
        status = path.lstat()
        if stat.S_ISDIR(status.st_mode):
            continue
        if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o111:
            report.faults.append(f"{where}: a link, special or executable file; {again}")
        elif not SCORED.fullmatch(path.relative_to(scored).as_posix()):
            report.faults.append(f"{where}: no file that the scorer writes; {again}")
        elif status.st_size > LARGEST_SCORES:
            report.faults.append(f"{where}: {status.st_size:,} bytes; at most {LARGEST_SCORES:,}; {again}")


def _metadata(folder: Path, report: Report) -> Submission | None:
    path = folder / "submission.yaml"
    for name, look in (("README.md", _markdown), ("citation.bib", _bibtex)):
        if (folder / name).exists():
            _text(folder / name, look, report)
    try:
        said = submission.read(path)
    except YamlError as error:
        report.faults += str(error).splitlines()
        return None
    except LeaderboardError as error:
        report.faults.append(str(error))
        return None
    lines = submission.lines(path)
    for key, hint in said.remaining().items():
        line = lines.get(tuple(key.split(".")), 1)
        report.faults.append(f"{path}: line {line}: {key} is still to be filled in: {hint}.")
    for place, text in _texts(said.model_dump()):
        if found := MARKUP.search(text):
            line = next((lines[place[:k]] for k in range(len(place), 0, -1) if place[:k] in lines), 1)
            report.faults.append(
                f"{path}: line {line}: {'.'.join(place)} holds {found[0]!r}, which a browser could take for HTML or a "
                "script: write it in words."
            )
    return said


def _texts(content: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield every text in nested content, keys of mappings included, with its place."""
    if isinstance(content, str):
        yield place, content
    elif isinstance(content, dict):
        for key, value in content.items():
            yield (*place, str(key)), str(key)
            yield from _texts(value, (*place, str(key)))
    elif isinstance(content, list | tuple):
        for i, value in enumerate(content):
            yield from _texts(value, (*place, str(i)))


def _text(path: Path, look: Any, report: Report) -> None:
    try:
        text = read_text(path, LARGEST_TEXT[path.name])
    except LeaderboardError as error:
        report.faults.append(str(error))
        return
    found = []
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            runs.plain(line.replace("\t", " ").removesuffix("\r"))
        except ValueError as error:
            found.append((number, f"{error}."))
    report.faults += [f"{path}: line {line}: {problem}" for line, problem in found or look(text)]


def _markdown(text: str) -> list[tuple[int, str]]:
    """Return lines with raw HTML or links that are no https, mailto or in-page ones."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": True, "maxNesting": 20})
    parser.validateLink = lambda url: True  # type: ignore[method-assign]  # bad ones are wanted here, to be named
    found = []
    for token in parser.parse(text):
        first = token.map[0] + 1 if token.map else 1
        for part in [token, *(token.children or [])]:
            if part.type in ("html_block", "html_inline"):
                found.append((first, f"HTML ({part.content.strip()[:30]!r}): use Markdown alone."))
            link = part.attrs.get("href", part.attrs.get("src"))
            if link is not None and not re.match(r"(https://|mailto:|#)", str(link)):
                found.append((first, f"the link {str(link)[:60]!r} is not https: mend or remove it."))
    return found


def _bibtex(text: str) -> list[tuple[int, str]]:
    """Return what a BibTeX parser does not understand, HTML, and links that are not https."""
    import logging

    import bibtexparser

    # The parser logs what it also returns.
    logging.getLogger("bibtexparser").setLevel(logging.CRITICAL)
    try:
        library = bibtexparser.parse_string(text)
    except Exception as error:
        # It is a hand-written splitter that raises more than it documents on text that is no BibTeX.
        return [(1, f"not BibTeX ({type(error).__name__}).")]
    found = []
    for block in library.failed_blocks:
        found.append(((block.start_line or 0) + 1, f"not BibTeX ({str(block.error)[:120]})."))
    if not library.entries and not found:
        found.append((1, "not BibTeX: it needs an entry such as @article{key, title = {...}}."))
    for entry in library.entries:
        for item in entry.fields:
            line = (item.start_line or entry.start_line or 0) + 1
            if MARKUP.search(str(item.value)):
                found.append((line, f"{item.key} holds HTML or a script: write it in words."))
            elif item.key.lower() == "url" and not re.match(r"https://\S+$", str(item.value)):
                found.append((line, "url is not an https link: mend or remove it."))
    return found


def _runs(folder: Path, paths: list[Path], said: Submission | None, report: Report) -> dict[Path, Run]:
    """Read the run of each prediction file; name those that do not fit their place, the submission or each other."""
    read: dict[Path, Run] = {}
    for path in paths:
        run_file = folder / submission.run_path(path.relative_to(folder))
        place = path.parts[-3], path.parts[-2], int(path.stem.removeprefix("seed"))
        if not run_file.is_file():
            report.faults.append(f"{run_file}: missing: the facts of the run that made {path.name} belong there.")
            continue
        try:
            run = runs.read(run_file)
            _agree(run_file, run, place, said, report)
        except LeaderboardError as error:
            report.faults.append(str(error))
            continue
        read[path] = run
        for where, text in _texts(run.model_dump(exclude={"curves"})):
            if found := MARKUP.search(text):
                report.faults.append(
                    f"{run_file}: {visible('.'.join(where), 80)} holds {found[0]!r}, which a browser could take for "
                    "HTML or a script: write it in words."
                )
        first_path, first = next(iter(read.items()))
        for word, a, b in (
            ("model", first.title, run.title),
            ("recipe", (first.recipe_name, first.settings), (run.recipe_name, run.settings)),
        ):
            if a != b:
                report.faults.append(
                    f"{run_file}: is of another {word} than {submission.run_path(first_path.relative_to(folder))}: "
                    "an entry is one model and recipe; submit others apart."
                )
    if said and read and said.parameters != max(run.parameters for run in read.values()):
        report.faults.append(
            f"{folder / 'submission.yaml'}: parameters is {said.parameters:,}, the runs say "
            f"{max(run.parameters for run in read.values()):,}."
        )
    for path in sorted(folder.glob("runs/*/*/*.json")):
        made = Path("predictions", *path.relative_to(folder).parts[1:]).with_suffix(".parquet")
        if folder / made not in paths:
            report.faults.append(f"{path}: its {made} is missing: add the predictions or remove the run.")
    return read


def _agree(path: Path, run: Run, place: tuple[str, str, int], said: Submission | None, report: Report) -> None:
    edition, task, seed = place
    if (run.edition.name, run.seed) != (edition, seed) or task not in run.tasks:
        raise LeaderboardError(
            f"{path}: is of {run.edition.name}, {', '.join(run.tasks)}, seed {run.seed}: it lies in the wrong place."
        )
    if run.git is None or run.git.dirty is not False or run.git.commit is None:
        report.faults.append(f"{path}: git: the run was not made from a clean commit: commit, then train again.")
    elif said and said.code.commit and run.git.commit != said.code.commit:
        report.faults.append(
            f"{path}: git.commit is {run.git.commit[:12]}, submission.yaml says {said.code.commit[:12]}."
        )


def _stored(scored: Path, truths: Truths, read: dict[Path, Run], report: Report) -> list[scores.Stored]:
    keys = {(run.edition.name, run.edition.content_hash) for run in read.values()}
    if not scored.exists() and keys and not any(truths.truth(key) for key in keys):
        report.notes.append(
            f"{scored.name}: has no scores yet: it stands as reported until someone with the truth scores it."
        )
        return []
    try:
        return scores.read(scored)
    except (LeaderboardError, OSError) as error:
        report.faults.append(str(error))
        return []


def _surplus(folder: Path, scored: Path, stored: list[scores.Stored], report: Report) -> None:
    named = {"summary.json"}
    for item in stored:
        place = runs.prediction_path(item.edition["name"], item.task, item.seed)
        named.add(Path("draws", *place.parts[1:]).as_posix())
        if not (folder / place).is_file():
            report.faults.append(
                f"{scored / 'summary.json'}: holds scores of {place}, which is not there: run `python -m leaderboard "
                f"score {folder.name}`."
            )
    if stored:
        for path in sorted(scored.glob("draws/*/*/*.parquet")):
            if path.relative_to(scored).as_posix() not in named:
                report.faults.append(f"{path}: summary.json does not name it: remove it.")


def _file(
    folder: Path, path: Path, run: Run, stored: list[scores.Stored], truths: Truths, seen: list[Seen],
    report: Report, new: bool,
) -> None:  # fmt: skip
    edition, task, seed = run.edition.name, path.parts[-2], run.seed
    key = (edition, run.edition.content_hash)
    if refused := truths.refused(key, new):
        raise LeaderboardError(f"{path}: {refused}")
    truth = truths.truth(key)
    submission.check_predictions(path, run, task, truths)
    predictions = prediction_files.read(path, truth.tree if truth else tree_of(edition, truths))
    _honest(path, predictions, seen)
    again = f"run `python -m leaderboard score {folder.name}`."
    mine = [s for s in stored if (s.key, s.task, s.seed) == (key, task, seed)]
    if stored and not mine:
        raise LeaderboardError(f"{path}: has no stored score: {again}")
    if mine and mine[0].prediction_sha256 != sha256(path):
        raise LeaderboardError(
            f"{path}: not the file that was scored (its sha256 is {sha256(path)[:12]}, the scored one's "
            f"{mine[0].prediction_sha256[:12]}): restore it, or {again}"
        )
    if truth is None:
        report.notes.append(f"{path}: not re-scored: {truths.missing(key)}")
        return
    _columns(path, truth, predictions)
    if not mine:
        return
    if mine[0].edition != run.edition.facts():
        raise LeaderboardError(f"scores/{folder.name}: {edition}/{task}/seed{seed}: of another edition; {again}")
    fresh = scores.of_predictions(truth, predictions, str(path))
    report.rescored += 1
    if fresh.keys() != mine[0].boards.keys():
        raise LeaderboardError(f"{path}: scored on {', '.join(mine[0].boards)}, must be on {', '.join(fresh)}: {again}")
    for board, score in fresh.items():
        for word in scores.differences(mine[0].boards[board], score)[:3]:
            report.faults.append(
                f"scores/{folder.name}: {edition}/{task}/seed{seed}, board {board}: {word}: stored scores must be "
                f"the scorer's own; {again}"
            )


def sightings(folders: list[Path], truths: Truths) -> list[Seen]:
    """Return the predictions of submissions that were merged, and so checked, to find copies of them.

    Drafts that lie beside them and cannot be read are left out.
    """
    found = []
    for path in (path for folder in folders for path in sorted(folder.glob("predictions/*/*/*.parquet"))):
        with contextlib.suppress(UserError):
            bounded(path, None)
            found.append(_seen(str(path), prediction_files.read(path, tree_of(path.parts[-3], truths))))
    return found


def _seen(place: str, predictions: Predictions) -> Seen:
    values = predictions.values[:: max(1, len(predictions.values) // SAMPLE)]
    if predictions.task == "votes":
        values = np.log(values)
    return Seen(place, predictions.content_hash, predictions.task, values.astype(np.float32))


def _honest(path: Path, predictions: Predictions, seen: list[Seen]) -> None:
    values = predictions.values
    if len(values) > 1 and np.ptp(values, axis=0).max() < 1e-3:
        raise PredictionError(
            f"{path}: says the same of every galaxy: that is the class prior, which stands there already."
        )
    if predictions.task != "votes":
        decided = ((values == 0) | (values == 1)).all(axis=1).mean()
        if decided > DECIDED:
            raise PredictionError(
                f"{path}: {decided:.0%} of its rows hold nothing but 0 and 1: one-hot decisions, not probabilities. "
                "Give the model's probabilities, or how often each decision was right on validation galaxies."
            )
    mine = _seen(str(path), predictions)
    for other in seen:
        same = (other.content_hash, other.task) == (mine.content_hash, mine.task)
        if same and other.values.shape == mine.values.shape and np.abs(other.values - mine.values).max() <= SAME:
            raise PredictionError(
                f"{path}: the same predictions as {other.place}: every seed and entry needs its own. A model without "
                "randomness is one seed."
            )
    seen.append(mine)


def _columns(path: Path, truth: Truth, predictions: Predictions) -> None:
    """Raise PredictionError if the columns fit the truth far better when some are exchanged."""
    from scipy.optimize import linear_sum_assignment

    names = prediction_files.columns(predictions.task, truth.tree)
    for group, true in _true(truth, predictions.task):
        guess = predictions.values[:, group]
        if predictions.task == "votes":
            guess = guess / guess.sum(axis=1, keepdims=True)
        table, deviation = _correlations(guess, true)
        rows, best = linear_sum_assignment(-table)
        if table[rows, best].sum() - np.trace(table) <= EXCHANGED:
            continue
        i, j = max(zip(rows, best), key=lambda pair: table[pair] - table[pair[0], pair[0]])
        if table[i, j] - table[i, i] > SURE * deviation[j]:
            mine = names[group]
            raise PredictionError(
                f"{path}: column {mine[i]!r} fits the truth of {mine[j]!r} (correlation {table[i, j]:.2f}, with its "
                f"own {table[i, i]:.2f}): the columns look exchanged."
            )


def _true(truth: Truth, task: str) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield groups of columns that could be exchanged with their truth, (galaxies, columns), NaN where unknown."""
    if task == "multiclass":
        shares = truth.classes.shares
        total = shares.sum(axis=1, keepdims=True)
        yield slice(0, shares.shape[1]), shares / np.where(total > 0, total, np.nan)
        return
    if task == "multilabel":
        yield slice(0, truth.labels.shape[1]), np.where(truth.labels_asked, truth.labels, np.nan)
        return
    tree = truth.tree
    parts = prediction_files.groups(task, tree) if task == "hierarchical" else tree.slices.values()
    questions = tree.scored_questions if task == "hierarchical" else tree.slices
    for part, name in zip(parts, questions):
        asked = truth.asked[:, [tree.question_index[name]]]
        yield part, np.where(asked, truth.fractions[:, tree.slices[name]], np.nan)


def _correlations(guess: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the correlation of each column of guess with each of true, and its standard deviation for each of true.

    Correlations are over the galaxies with a truth, 0 where one does not vary.
    """
    table, deviation = np.zeros((guess.shape[1], true.shape[1])), np.ones(true.shape[1])
    for j, column in enumerate(true.T):
        known = ~np.isnan(column)
        if known.sum() < 2:
            continue
        a, b = guess[known] - guess[known].mean(axis=0), column[known] - column[known].mean()
        scale = np.sqrt((a**2).sum(axis=0) * (b**2).sum())
        table[:, j] = np.divide(a.T @ b, scale, out=np.zeros(len(scale)), where=scale > 0)
        deviation[j] = 1 / np.sqrt(known.sum())
    return table, deviation

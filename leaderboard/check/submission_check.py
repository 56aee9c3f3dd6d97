"""The checks of submissions: every fault with its file, line or row, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from galaxy_zoo_decals import scoring
from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.scoring import ceilings
from galaxy_zoo_decals.scoring.bootstrap import DRAWS
from leaderboard.check import allowed_files, lookalikes, plausibility, sandbox
from leaderboard.entry import prediction_file, run_json, submission
from leaderboard.entry.run_json import Run
from leaderboard.entry.strict_yaml import YamlError
from leaderboard.entry.submission import Submission
from leaderboard.entry.truths import Truths, title_of, tree_of
from leaderboard.files import LeaderboardError, read_text, sha256, visible
from leaderboard.ranking import stored_scores
from leaderboard.ranking.entries import Entry, official

MARKUP = re.compile(r"<[a-zA-Z/!?]|javascript\s*:|vbscript\s*:|data\s*:\s*[a-z]+/", re.IGNORECASE)
"""What a browser could take for more than text. The site escapes it all the same."""


REFERENCES = ("class prior", ceilings.CEILING, ceilings.KNOWN, *(f"{k} volunteers" for k in ceilings.VOLUNTEERS))
"""Names of rows that are no entries: one that bore such a name would read as the measure of all others."""

OPENED = date(2026, 11, 22)
"""The first day of this repository: no entry is older."""


@dataclass
class Report:
    """What a check found: ``faults`` fail it, ``notes`` say what could not be looked at here."""

    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: int = 0
    rescored: int = 0
    scored: list[stored_scores.Stored] = field(default_factory=list)
    """What the scorer says of the predictions now; of those whose truth is not here the stored scores, if any."""


def check(
    folder: Path, scored: Path, truths: Truths, seen: list[plausibility.Seen], others: Sequence[Entry] = (),
    new: bool = False,
) -> Report:  # fmt: skip
    """Check one submission folder against the rules and its stored scores in ``scored``, if there are any.

    ``seen`` holds the predictions met so far and is added to, so that copies are found among all submissions of one
    call. A ``new`` one may not stand on a closed version of an edition, nor take the name of one of the ``others``.
    """
    report = Report()
    report.faults += [*allowed_files.of_submission(folder), *allowed_files.of_scores(scored)]
    if report.faults:
        return report  # nothing below may touch links, giants or strangers
    said = _metadata(folder, report)
    if said is not None and new:
        _identity(folder, said, others, report)
    paths = sorted(folder.glob("predictions/*/*/*.parquet"))
    report.files = len(paths)
    if not paths:
        report.faults.append(f"{folder}: holds no predictions/<edition>/<task>/seed<k>.parquet: add them.")
    read = _runs(folder, paths, said, report)
    _titles(read, truths, report)
    unreadable = sandbox.faults(
        [_wanted(path, read.get(path), truths) for path in paths]
        + [sandbox.Wanted(path, None, DRAWS) for path in sorted(scored.glob("draws/*/*/*.parquet"))]
    )
    report.faults += unreadable.values()
    stored = [] if any(scored in p.parents for p in unreadable) else _stored(scored, report)
    for path in paths:
        if path in unreadable or path not in read:
            continue
        try:
            _file(folder, path, read[path], stored, truths, seen, report, new)
        except UserError as error:
            report.faults.append(str(error))
    if not stored and report.rescored < report.files and not report.faults:
        report.notes.insert(
            0, f"{folder.name}: has no scores yet: it stands as reported, without a rank, until someone with the truth "
            "scores it.",
        )  # fmt: skip
    if not report.faults and (words := prediction_file.other_galaxies(read.items(), truths)):
        report.faults.append(words)
    _surplus(folder, scored, stored, report)
    report.faults = [visible(fault) for fault in report.faults]
    return report


def _wanted(path: Path, run: Run | None, truths: Truths) -> sandbox.Wanted:
    truth = truths.truth((run.edition.name, run.edition.content_hash)) if run else None
    tree = truth.tree if truth else tree_of(path.parts[-3], truths)
    return sandbox.Wanted(path, tree.name, len(truth.names) if truth and not truth.may_lack else None)


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


def _identity(folder: Path, said: Submission, others: Sequence[Entry], report: Report) -> None:
    """Name what a new entry may not say of itself: that it is the maintainers', another's name, another's day."""
    path = folder / "submission.yaml"
    if said.official and folder.name not in official():
        report.faults.append(
            f"{path}: official: is granted by the maintainers' own list, leaderboard/official.yaml: write false."
        )
    day, now = datetime.strptime(folder.name[:8], "%Y%m%d").date(), datetime.now(UTC).date()
    # Somewhere it is tomorrow already.
    if not OPENED <= day <= now + timedelta(days=1):
        report.faults.append(
            f"{folder}: its day is {day}, today is {now} and the boards opened on {OPENED}: rename the folder."
        )
    signed = {name for other in others if other.official and other.submission for name in other.submission.authors}
    for author in said.authors:
        if folder.name not in official() and any(lookalikes.same(author, name) for name in signed):
            report.notes.append(
                f"{path}: authors: {author!r} signs entries of the maintainers, and this one is not on their list: is "
                "it theirs?"
            )
    for row in REFERENCES:
        if lookalikes.same(said.name, row):
            report.faults.append(f"{path}: name: {said.name!r} looks like the reference row {row!r}: choose another.")
    for other in others:
        names = {other.title, other.submission.name if other.submission else other.title}
        if other.slug != folder.name and any(lookalikes.same(said.name, name) for name in names):
            report.faults.append(
                f"{path}: name: {said.name!r} looks the same as the name of {other.slug}: choose one that tells them "
                "apart."
            )


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
        text = read_text(path, allowed_files.LARGEST_TEXT[path.name])
    except LeaderboardError as error:
        report.faults.append(str(error))
        return
    found = []
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            run_json.plain(line.replace("\t", " ").removesuffix("\r"))
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
            run = run_json.read(run_file)
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
        same = next((p, r) for p, r in read.items() if r.edition.name == run.edition.name)
        if same[1].edition.trained_on != run.edition.trained_on:
            report.faults.append(
                f"{run_file}: edition.trained_on: was trained on other galaxies than "
                f"{submission.run_path(same[0].relative_to(folder))}: submit them apart."
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
        named = run.git is not None and run.git.commit is not None
        why = "commit" if named else "git named none, and benchmark/run.py says why before it trains: mend that"
        report.faults.append(f"{path}: git: the run was not made from a clean commit: {why}, then train again.")
    elif said and said.code.commit and run.git.commit != said.code.commit:
        report.faults.append(
            f"{path}: git.commit is {run.git.commit[:12]}, submission.yaml says {said.code.commit[:12]}."
        )


def _stored(scored: Path, report: Report) -> list[stored_scores.Stored]:
    """Return the scores that stand in main; a new entry has none: main writes them after the merge."""
    if not scored.exists():
        return []
    try:
        stored = stored_scores.read(scored)
    except (LeaderboardError, OSError) as error:
        report.faults.append(str(error))
        return []
    for item in stored:
        for word in stored_scores.torn(item)[:3]:
            report.faults.append(
                f"{scored / 'summary.json'}: {item.edition['name']}/{item.task}/seed{item.seed}, {word}: run "
                f"`python -m leaderboard score {scored.name}`."
            )
    return stored


def _titles(read: dict[Path, Run], truths: Truths, report: Report) -> None:
    """Say where a run calls its edition otherwise than its pages will."""
    for run in {(run.edition.name, run.edition.title): run for run in read.values()}.values():
        key = (run.edition.name, run.edition.content_hash)
        if key in truths.frozen and run.edition.title != title_of(key, truths):
            report.notes.append(
                f"{run.edition.name}: its runs say edition.title {run.edition.title!r}; the pages show "
                f"{title_of(key, truths)!r}, as the benchmark has it."
            )


def _surplus(folder: Path, scored: Path, stored: list[stored_scores.Stored], report: Report) -> None:
    named = {"summary.json"}
    for item in stored:
        place = run_json.prediction_path(item.edition["name"], item.task, item.seed)
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
    folder: Path, path: Path, run: Run, stored: list[stored_scores.Stored], truths: Truths,
    seen: list[plausibility.Seen], report: Report, new: bool,
) -> None:  # fmt: skip
    edition, task, seed = run.edition.name, path.parts[-2], run.seed
    key = (edition, run.edition.content_hash)
    if refused := truths.refused(key, new):
        raise LeaderboardError(f"{path}: {refused}")
    truth = truths.truth(key)
    predictions = prediction_file.checked(path, run, task, truths)
    plausibility.check(path, predictions, seen)
    again = f"run `python -m leaderboard score {folder.name}`."
    mine = next((s for s in stored if (s.key, s.task, s.seed) == (key, task, seed)), None)
    if mine and mine.prediction_sha256 != sha256(path):
        raise LeaderboardError(
            f"{path}: not the file that was scored (its sha256 is {sha256(path)[:12]}, the scored one's "
            f"{mine.prediction_sha256[:12]}): restore it, or {again}"
        )
    if truth is None:
        report.notes.append(f"{path}: not re-scored: {truths.missing(key)}")
        if mine:
            report.scored.append(mine)
        return
    plausibility.check_columns(path, truth, predictions)
    fresh = scoring.score(truth, predictions, str(path))
    day = datetime.now(UTC).date().isoformat()
    report.scored.append(stored_scores.Stored(run.edition.facts(), task, seed, sha256(path), fresh, day))
    report.rescored += 1
    if not mine:
        return
    if mine.edition != run.edition.facts():
        raise LeaderboardError(f"scores/{folder.name}: {edition}/{task}/seed{seed}: of another edition; {again}")
    if fresh.keys() != mine.boards.keys():
        raise LeaderboardError(f"{path}: scored on {', '.join(mine.boards)}, must be on {', '.join(fresh)}: {again}")
    for board, score in fresh.items():
        for word in stored_scores.differences(mine.boards[board], score)[:3]:
            report.faults.append(
                f"scores/{folder.name}: {edition}/{task}/seed{seed}, board {board}: {word}: stored scores must be "
                f"the scorer's own; {again}"
            )

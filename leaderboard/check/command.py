"""The command ``check``: what it looks at, in which order, and what it says of each submission."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from leaderboard.check import flags, plausibility, pull_request, report, submission_check
from leaderboard.check.pull_request import Changes
from leaderboard.entry.truths import Key, Truths
from leaderboard.files import LeaderboardError, visible
from leaderboard.ranking import entries, stored_scores
from leaderboard.ranking.entries import Entry
from leaderboard.ranking.stored_scores import Score


def run(options: argparse.Namespace, truths: Truths) -> int:
    """Check what the options name and return the exit status."""
    if options.pull is None:
        changed = pull_request.read(options.root, options.diff) if options.diff is not None else None
        return _check(options, truths, options.root, changed)
    # The pull request's files alone come from it, as data; all others, and the code, are those checked out here.
    changed = pull_request.read(options.root, "HEAD", options.pull, "--pull")
    with tempfile.TemporaryDirectory() as work:
        root = Path(work) / options.root.name
        for name in ("submissions", "scores"):
            if (options.root / name).is_dir():
                shutil.copytree(options.root / name, root / name, symlinks=True)
        if not changed.faults:
            pull_request.extract(options.root, options.pull, changed, root)
        return _check(options, truths, root, changed)


@dataclass(frozen=True)
class _Around:
    """What a submission is held against: the other entries with their predictions, and the reference rows."""

    root: Path
    truths: Truths
    seen: list[plausibility.Seen]
    others: list[Entry]
    references: dict[Key, dict[str, dict[str, Score]]]
    changed: Changes | None
    private: bool
    """Whether the root is a folder of this process alone, whose place says nothing to anybody."""


def _check(options: argparse.Namespace, truths: Truths, root: Path, changed: Changes | None) -> int:
    """Check what lies below ``root``: what ``changed`` names, or what the options do."""
    submissions = root / "submissions"
    for place in (submissions, root / "scores"):
        if place.is_symlink():
            raise LeaderboardError(f"{place}: is a link, so nothing below it was looked at.")
    folders = sorted(p for p in submissions.glob("*") if not p.name.startswith("."))
    faults = changed.faults if changed is not None else []
    for fault in faults:
        print(f"fault: {fault}", file=sys.stderr)
    if changed is not None:
        # The files of a pull request with a fault were not taken out of it.
        wanted = [] if faults and options.pull else [submissions / slug for slug in changed.files]
    else:
        wanted = [options.folder] if options.folder else folders
    inside = {p.resolve() for p in wanted}
    # Merged entries have been checked; where a pull request changes them none is trusted or compared with.
    trusted = bool(wanted) and not faults
    around = _Around(
        root, truths,
        plausibility.sightings([p for p in folders if p.resolve() not in inside], truths) if trusted else [],
        entries.submitted(root, truths)[0] if trusted else [],
        stored_scores.read_references(root / "scores") if trusted else {},
        changed, options.pull is not None,
    )  # fmt: skip
    told = [_submission(folder, around, trusted) for folder in wanted]
    if not wanted:
        alone = options.diff is None and options.pull is None
        print(f"No submissions in {submissions}." if alone else "No submission is added or touched.")
    whole = report.Report(faults=report.bounded(faults), submissions=told[: report.MOST])
    if options.report is not None and (wanted or faults):
        options.report.write_text(report.markdown(whole), encoding="utf-8")
    return 0 if whole.good else 1


def _submission(folder: Path, around: _Around, trusted: bool) -> report.Checked:
    """Check one submission, print what is found and return it."""
    changed = around.changed
    new = changed is not None and folder.name in changed.added
    found = submission_check.check(
        folder, around.root / "scores" / folder.name, around.truths, around.seen, around.others, new
    )  # fmt: skip
    standings, looks, title = [], [], folder.name
    if trusted and not found.faults:
        entry = entries.of_submission(folder, found.scored, around.truths)
        others = [e for e in around.others if e.folder is None or e.folder.resolve() != folder.resolve()]
        title, standings = entry.title, report.standings(entry, others, around.references)
        if changed is not None and folder.name in changed.status_only:
            found.notes.append(f"{visible(folder.name)}: its status changes: do its authors ask for that?")
        looks = flags.flags(entry, others, standings, found.notes, around.truths)
    if around.private:
        found.faults, found.notes, looks = (
            [text.replace(f"{around.root.parent}/", "") for text in texts]
            for texts in (found.faults, found.notes, looks)
        )
    for word, texts in (("note", found.notes), ("for a person", looks)):
        for text in texts:
            print(f"{word}: {text}")
    for fault in found.faults:
        print(f"fault: {fault}", file=sys.stderr)
    for line in report.words(standings):
        print(line)
    count, files = len(found.faults), f"{found.files} prediction {'file' if found.files == 1 else 'files'}"
    verdict = f"{count} {'fault' if count == 1 else 'faults'}" if count else "good"
    print(f"{visible(folder.name)}: {verdict}; {files}, {found.rescored} re-scored.")
    return report.Checked(
        slug=visible(folder.name),
        title=visible(title),
        files=found.files,
        rescored=found.rescored,
        faults=report.bounded(found.faults),
        notes=report.bounded(found.notes),
        flags=report.bounded(looks),
        standings=standings[: report.MOST],
    )

"""The layout of a submission and of its stored scores: which files there may be, of what kind and size."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from leaderboard.entry import submission
from leaderboard.entry.submission import SLUG
from leaderboard.files import visible

PLACE = r"[a-z0-9][a-z0-9_.-]{0,63}/(multiclass|multilabel|hierarchical|votes)/seed(0|[1-9]\d{0,8})"
ALLOWED = re.compile(
    rf"submission\.yaml|README\.md|citation\.bib|runs/{PLACE}\.json|predictions/{PLACE}\.parquet", re.ASCII
)
NO_FILE = (
    "no file of a submission, <yyyymmdd>-<name in a-z, 0-9 and hyphens>/ with submission.yaml, README.md, "
    "citation.bib, runs/<edition>/<task>/seed<k>.json, predictions/<edition>/<task>/seed<k>.parquet"
)
SCORED = re.compile(rf"summary\.json|draws/{PLACE}\.parquet", re.ASCII)
MOST_FILES = 200
MOST_PREDICTIONS = 40
"""Prediction files of a submission: three seeds on all boards of three editions, and some more."""

LARGEST_SUBMISSION = 40 * 2**20
LARGEST_FILE = 5 * 2**20
LARGEST_RUN = 2**20
LARGEST_TEXT = {"README.md": 64 * 2**10, "citation.bib": 64 * 2**10, "submission.yaml": submission.LARGEST_YAML}
LARGEST_SCORES = 4 * 2**20


def _entries(folder: Path) -> Iterator[Path]:
    """Yield files and folders below, following no links; stops above what any submission may hold."""
    count = 0
    for here, folders, names in os.walk(folder, followlinks=False):
        for name in sorted(folders) + sorted(names):
            yield Path(here) / name
            count += 1
            if count > MOST_FILES:
                return


def of_submission(folder: Path) -> list[str]:
    """Return what is wrong with the files of a submission, without reading any."""
    faults: list[str] = []
    shown = visible(str(folder), 200)
    if folder.is_symlink() or not folder.is_dir():
        faults.append(f"{shown}: not a folder.")
        return faults
    if not SLUG.fullmatch(folder.name) or len(folder.name) > 64 or not _is_day(folder.name[:8]):
        faults.append(f"{shown}: rename the folder to <yyyymmdd>-<name in a-z, 0-9 and hyphens>.")
    total = predictions = 0
    for count, path in enumerate(_entries(folder)):
        if count >= MOST_FILES:
            faults.append(f"{shown}: more than {MOST_FILES} files and folders.")
            return faults
        name = path.relative_to(folder).as_posix()
        status = path.lstat()
        if stat.S_ISDIR(status.st_mode):
            continue
        where = visible(str(path), 300)
        if not stat.S_ISREG(status.st_mode):
            faults.append(f"{where}: a link or special file; only regular files are allowed.")
            continue
        if not ALLOWED.fullmatch(name):
            faults.append(f"{where}: {NO_FILE}: remove it.")
        if status.st_mode & 0o111:
            faults.append(f"{where}: is executable; run `chmod -x` on it.")
        limit = LARGEST_TEXT.get(name, LARGEST_RUN if path.suffix == ".json" else LARGEST_FILE)
        if status.st_size > limit:
            faults.append(f"{where}: {status.st_size:,} bytes; at most {limit:,} are allowed.")
        total += status.st_size
        predictions += path.suffix == ".parquet"
    if total > LARGEST_SUBMISSION:
        faults.append(f"{shown}: {total:,} bytes in all; at most {LARGEST_SUBMISSION:,} are allowed.")
    if predictions > MOST_PREDICTIONS:
        faults.append(f"{shown}: {predictions} prediction files; at most {MOST_PREDICTIONS} are allowed.")
    for needed in ("submission.yaml", "README.md"):
        if not (folder / needed).is_file():
            faults.append(f"{folder / needed}: missing; `python -m leaderboard submit` writes one.")
    return faults


def _is_day(text: str) -> bool:
    try:
        return bool(datetime.strptime(text, "%Y%m%d"))
    except ValueError:
        return False


def of_scores(scored: Path) -> list[str]:
    """Look at the stored scores as at the submission: they come with the same pull request."""
    faults: list[str] = []
    again = f"stored scores are the scorer's own: run `python -m leaderboard score {visible(scored.name, 64)}`."
    if scored.is_symlink() or (scored.exists() and not scored.is_dir()):
        faults.append(f"{visible(str(scored), 200)}: not a folder; {again}")
        return faults
    for count, path in enumerate(_entries(scored)):
        where = visible(str(path), 300)
        if count >= MOST_FILES:
            faults.append(f"{visible(str(scored), 200)}: more than {MOST_FILES} files; {again}")
            return faults
        status = path.lstat()
        if stat.S_ISDIR(status.st_mode):
            continue
        if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o111:
            faults.append(f"{where}: a link, special or executable file; {again}")
        elif not SCORED.fullmatch(path.relative_to(scored).as_posix()):
            faults.append(f"{where}: no file that the scorer writes; {again}")
        elif status.st_size > LARGEST_SCORES:
            faults.append(f"{where}: {status.st_size:,} bytes; at most {LARGEST_SCORES:,}; {again}")
    return faults

"""What a pull request changes, read from git alone: one new entry or one entry's status, and nothing beside it.

The files of a pull request are a stranger's. They are read as git objects, bounded and by kind, and never checked out.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from galaxy_zoo_decals import git
from leaderboard.check import allowed_files
from leaderboard.check.allowed_files import ALLOWED, MOST_FILES, NO_FILE
from leaderboard.entry import submission
from leaderboard.files import LeaderboardError, visible

OURS = ("scores", "evidence")
"""Folders that only main writes: what a pull request puts there is refused, whatever else it changes."""

REGULAR = "100644"
MOST_SHOWN = 10


@dataclass(frozen=True)
class Change:
    """One path that differs from the base: ``status`` A, M, D or T, the git ``mode`` it has now, bytes of it."""

    status: str
    path: str
    mode: str
    size: int


@dataclass
class Changes:
    """The changes of a branch: what is against the rules of submitting, and which entries it adds or touches."""

    faults: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    status_only: list[str] = field(default_factory=list)
    files: dict[str, list[Change]] = field(default_factory=dict)


def read(root: Path, base: str, head: str = "HEAD", word: str = "--diff") -> Changes:
    """Compare the commit ``head`` of the repository around ``root`` with where it left ``base``.

    ``word`` is the option that named the commits, for what is raised: LeaderboardError if ``root`` lies in no git
    repository or one of the two is no commit of it.
    """
    top = Path(_git(root, "rev-parse", "--show-toplevel").strip()).resolve()
    prefix = PurePosixPath(root.resolve().relative_to(top).as_posix())
    for given in (base, head):
        if given.startswith("-"):
            raise LeaderboardError(f"{word} {given}: give a branch or commit.")
    given = base if head == "HEAD" else head
    starts = _git(root, "merge-base", "--all", "--end-of-options", base, head, word=f"{word} {given}").split()
    changes = _changes(root, starts[0], head)
    found = Changes()
    if len(starts) > 1:
        # What a merge would change cannot be read from a difference to one of them: it could undo what main did since.
        found.faults.append(f"the branch left {visible(base, 80)} in {len(starts)} places: rebase it onto main.")
    submissions = prefix / "submissions"
    slugs: dict[str, list[Change]] = {}
    others: list[Change] = []
    ours: list[Change] = []
    for change in changes:
        path = PurePosixPath(change.path)
        if path.is_relative_to(submissions) and len(path.relative_to(submissions).parts) > 1:
            slugs.setdefault(path.relative_to(submissions).parts[0], []).append(change)
        elif any(path.is_relative_to(prefix / name) for name in OURS):
            ours.append(change)
        else:
            others.append(change)
    if ours:
        shown = ", ".join(visible(c.path, 100) for c in ours[:MOST_SHOWN])
        found.faults.append(
            f"{shown}{' and more' if len(ours) > MOST_SHOWN else ''}: scores and evidence are written by main after "
            "the merge, from the predictions: take them out of the pull request."
        )
    if not slugs:
        return found
    if others:
        shown = ", ".join(visible(c.path, 100) for c in others[:MOST_SHOWN])
        found.faults.append(
            f"{shown}{' and more' if len(others) > MOST_SHOWN else ''}: a pull request with a submission may change "
            "nothing else, the scorer least of all: send that in another pull request."
        )
    if len(slugs) > 1:
        found.faults.append(
            f"{', '.join(visible(s, 80) for s in sorted(slugs)[:MOST_SHOWN])}: one entry a pull request."
        )
    for slug in sorted(slugs):
        # As main has it now: an entry of that name may have been merged since the branch began.
        known = _git(root, "ls-tree", "--name-only", base, f"{submissions / slug}/", at=top).strip()
        if known:
            _old(root, top, (base, head), slug, slugs[slug], submissions, found)
        else:
            _new(slug, slugs[slug], submissions, found)
    found.files = {slug: slugs[slug] for slug in [*found.added, *found.status_only]}
    if head == "HEAD":
        _uncommitted(root, top, submissions, found)
    return found


def extract(root: Path, head: str, changes: Changes, into: Path) -> None:
    """Write the changed files of a commit's entries below the leaderboard folder ``into``, from git's objects.

    ``changes`` are those that ``read`` found without a fault: regular files of bounded size and number.
    """
    top = Path(_git(root, "rev-parse", "--show-toplevel").strip()).resolve()
    prefix = PurePosixPath(root.resolve().relative_to(top).as_posix())
    for change in (c for files in changes.files.values() for c in files):
        target = into / PurePosixPath(change.path).relative_to(prefix)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(_git_bytes(root, "cat-file", "blob", f"{head}:{change.path}", at=top))


def _new(slug: str, changes: list[Change], submissions: PurePosixPath, found: Changes) -> None:
    found.added.append(slug)
    if len(changes) > MOST_FILES:
        found.faults.append(f"{visible(slug, 80)}: {len(changes):,} files; at most {MOST_FILES} are allowed.")
    total = sum(change.size for change in changes)
    if total > allowed_files.LARGEST_SUBMISSION:
        found.faults.append(
            f"{visible(slug, 80)}: {total:,} bytes in all; at most {allowed_files.LARGEST_SUBMISSION:,} are allowed."
        )
    for change in changes:
        where = visible(change.path, 200)
        inside = PurePosixPath(change.path).relative_to(submissions / slug).as_posix()
        if change.status != "A":
            found.faults.append(f"{where}: a new entry only adds files, this one is {_word(change.status)}.")
        elif change.mode != REGULAR:
            found.faults.append(f"{where}: {_mode(change.mode)}; only regular files are allowed.")
        elif not submission.SLUG.fullmatch(slug) or not ALLOWED.fullmatch(inside):
            found.faults.append(f"{where}: {NO_FILE}: remove or rename it.")
        elif change.size > allowed_files.LARGEST_FILE:
            found.faults.append(f"{where}: {change.size:,} bytes; at most {allowed_files.LARGEST_FILE:,} are allowed.")


def _old(
    root: Path, top: Path, ends: tuple[str, str], slug: str, changes: list[Change], submissions: PurePosixPath,
    found: Changes,
) -> None:  # fmt: skip
    """Of a merged entry nothing changes but its status and the reason for it."""
    base, head = ends
    allowed = submissions / slug / "submission.yaml"
    for change in changes:
        where = visible(change.path, 200)
        if PurePosixPath(change.path) != allowed or change.status != "M" or change.mode != REGULAR:
            found.faults.append(
                f"{where}: is {_word(change.status)}, but merged entries stay as they are; only status and "
                "status_reason in their submission.yaml may change. Send new results in as a new entry."
            )
            continue
        if change.size > submission.LARGEST_YAML:
            found.faults.append(f"{where}: {change.size:,} bytes; at most {submission.LARGEST_YAML:,} are allowed.")
            continue
        try:
            now = submission.parse(_git(root, "show", f"{head}:{allowed}", at=top), top / allowed)
            before = submission.parse(_git(root, "show", f"{base}:{allowed}", at=top), top / allowed)
        except LeaderboardError as error:
            found.faults.append(str(error))
            continue
        a, b = before.model_dump(), now.model_dump()
        differ = [key for key in a if a[key] != b[key] and key not in ("status", "status_reason")]
        if differ:
            found.faults.append(
                f"{where}: {', '.join(differ)} differ from the merged entry; only status and status_reason may change."
            )
        else:
            found.status_only.append(slug)


def _uncommitted(root: Path, top: Path, folder: PurePosixPath, found: Changes) -> None:
    listed = _git(
        root, "status", "--porcelain", "-z", "--untracked-files=all", "--ignored=matching", "--",
        str(folder), at=top,
    )  # fmt: skip
    left = [visible(line[3:], 200) for line in listed.split("\0") if len(line) > 3 and "__pycache__" not in line]
    left = [name for name in left if not PurePosixPath(name).name.startswith(".")]
    if left:
        found.faults.append(
            f"{', '.join(left[:MOST_SHOWN])}: not committed: `git add -f` and commit, so that the pull request has "
            "what was checked."
        )


def _changes(root: Path, start: str, head: str) -> list[Change]:
    raw = _git(root, "diff", "--raw", "-z", "--no-renames", "--no-abbrev", "--no-ext-diff", start, head, "--")
    parts = raw.split("\0")
    heads = [head.lstrip(":").split(" ") for head in parts[:-1:2]]
    blobs = [head[3] for head in heads]
    sizes = _git(root, "cat-file", "--batch-check=%(objectsize)", stdin="".join(f"{b}\n" for b in blobs)).splitlines()
    return [
        Change(head[4][:1], path, head[1], int(size) if size.isdigit() else 0)
        for head, path, size in zip(heads, parts[1::2], sizes)
    ]


def _git(root: Path, *words: str, at: Path | None = None, stdin: str = "", word: str = "git") -> str:
    return _git_bytes(root, *words, at=at, stdin=stdin, word=word).decode("utf-8", "surrogateescape")


def _git_bytes(root: Path, *words: str, at: Path | None = None, stdin: str = "", word: str = "git") -> bytes:
    # Hooks and helpers that a repository's own settings could name are switched off.
    command = ["git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-C", str(at or root), *words]
    try:
        run = subprocess.run(command, input=stdin.encode(), capture_output=True, env=git.environment(), timeout=60)
    except FileNotFoundError:
        raise LeaderboardError(f"{word} needs git, which is not on PATH.") from None
    except subprocess.TimeoutExpired:
        raise LeaderboardError(f"git {words[0]} took over a minute.") from None
    if run.returncode:
        said = visible(run.stderr.decode("utf-8", "replace").strip(), 300)
        raise LeaderboardError(f"{word}: {said or 'the two have no common commit here.'}{_remedy(root, word, said)}")
    return run.stdout


def _remedy(root: Path, word: str, said: str) -> str:
    """Return what to do about what git says: a clone of one branch, or a shallow one, lacks others and their past."""
    if not word.startswith("--diff") or (said and "Not a valid" not in said):
        return ""
    branch = word.partition(" ")[2].removeprefix("origin/")
    try:
        shallow = git.ask(root, "rev-parse", "--is-shallow-repository") == "true"
    except git.GitError:
        return ""
    fetch = f"git fetch {'--unshallow ' if shallow else ''}origin {branch}"
    return f"{'.' if said else ''} If {branch} is a branch there, fetch it: `{fetch}`, then --diff FETCH_HEAD."


def _word(status: str) -> str:
    return {"A": "added", "M": "changed", "D": "removed", "T": "turned into another kind of file"}.get(status, status)


def _mode(mode: str) -> str:
    known = {"120000": "a link", "100755": "executable (run `chmod -x` on it and commit)", "160000": "a submodule"}
    return known.get(mode, f"of mode {mode}")

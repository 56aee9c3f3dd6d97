"""What a pull request changes, read from git alone: one new entry or one entry's status, and nothing beside it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from leaderboard.files import LeaderboardError, visible

REGULAR = "100644"
LARGEST_BLOB = 5 * 2**20
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
    touched: int = 0


def read(root: Path, base: str) -> Changes:
    """Compare the commit that is checked out around ``root`` with where it left ``base``.

    Raises LeaderboardError if ``root`` lies in no git repository or ``base`` is no commit of it.
    """
    top = Path(_git(root, "rev-parse", "--show-toplevel").strip()).resolve()
    prefix = PurePosixPath(root.resolve().relative_to(top).as_posix())
    if base.startswith("-"):
        raise LeaderboardError(f"--diff {base}: give a branch or commit.")
    start = _git(root, "merge-base", "--end-of-options", base, "HEAD", word=f"--diff {base}").strip()
    changes = _changes(root, start)
    found = Changes(touched=len(changes))
    submissions, scores = prefix / "submissions", prefix / "scores"
    slugs: dict[str, list[Change]] = {}
    others: list[Change] = []
    for change in changes:
        path = PurePosixPath(change.path)
        if path.is_relative_to(submissions) and len(path.relative_to(submissions).parts) > 1:
            slugs.setdefault(path.relative_to(submissions).parts[0], []).append(change)
        elif path.is_relative_to(scores) and len(path.relative_to(scores).parts) > 1:
            name = path.relative_to(scores).parts[0]
            (others if name == "references" else slugs.setdefault(name, [])).append(change)
        else:
            others.append(change)
    entries = [s for s, c in slugs.items() if any(PurePosixPath(x.path).is_relative_to(submissions) for x in c)]
    if not entries:
        _only_scores(slugs, others, found)
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
        known = _git(root, "ls-tree", "--name-only", start, f"{submissions / slug}/", at=top).strip()
        (_old if known else _new)(root, top, start, slug, slugs[slug], submissions, found)
    _uncommitted(root, top, [submissions, scores], found)
    return found


def _new(
    root: Path, top: Path, start: str, slug: str, changes: list[Change], submissions: PurePosixPath, found: Changes
) -> None:
    found.added.append(slug)
    for change in changes:
        where = visible(change.path, 200)
        if change.status != "A":
            found.faults.append(f"{where}: a new entry only adds files, this one is {_word(change.status)}.")
        elif change.mode != REGULAR:
            found.faults.append(f"{where}: {_mode(change.mode)}; only regular files are allowed.")
        elif change.size > LARGEST_BLOB:
            found.faults.append(f"{where}: {change.size:,} bytes; at most {LARGEST_BLOB:,} are allowed.")


def _old(
    root: Path, top: Path, start: str, slug: str, changes: list[Change], submissions: PurePosixPath, found: Changes
) -> None:
    """Of a merged entry nothing changes but its status and the reason for it."""
    from leaderboard import submission

    allowed = submissions / slug / "submission.yaml"
    for change in changes:
        where = visible(change.path, 200)
        if PurePosixPath(change.path) != allowed or change.status != "M" or change.mode != REGULAR:
            found.faults.append(
                f"{where}: is {_word(change.status)}, but merged entries stay as they are; only status and "
                "status_reason in their submission.yaml may change. Send new results in as a new entry."
            )
            continue
        try:
            now = submission.parse(_git(root, "show", f"HEAD:{allowed}", at=top), top / allowed)
            before = submission.parse(_git(root, "show", f"{start}:{allowed}", at=top), top / allowed)
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


def _only_scores(slugs: dict[str, list[Change]], others: list[Change], found: Changes) -> None:
    """Refuse scores that change without the scorer; where both do, the tests of that pull request score anew."""
    if slugs and not others:
        shown = ", ".join(visible(s, 80) for s in sorted(slugs)[:MOST_SHOWN])
        found.faults.append(
            f"scores of {shown} are changed though neither entry nor scorer is: restore them with git, or send the "
            "change of the scorer in the same pull request."
        )


def _uncommitted(root: Path, top: Path, folders: list[PurePosixPath], found: Changes) -> None:
    listed = _git(
        root, "status", "--porcelain", "-z", "--untracked-files=all", "--ignored=matching", "--",
        *map(str, folders), at=top,
    )  # fmt: skip
    left = [visible(line[3:], 200) for line in listed.split("\0") if len(line) > 3 and "__pycache__" not in line]
    left = [name for name in left if not PurePosixPath(name).name.startswith(".")]
    if left:
        found.faults.append(
            f"{', '.join(left[:MOST_SHOWN])}: not committed: `git add -f` and commit, so that the pull request has "
            "what was checked."
        )


def _changes(root: Path, start: str) -> list[Change]:
    raw = _git(root, "diff", "--raw", "-z", "--no-renames", "--no-abbrev", "--no-ext-diff", start, "HEAD")
    parts = raw.split("\0")
    heads = [head.lstrip(":").split(" ") for head in parts[:-1:2]]
    blobs = [head[3] for head in heads]
    sizes = _git(root, "cat-file", "--batch-check=%(objectsize)", stdin="".join(f"{b}\n" for b in blobs)).splitlines()
    return [
        Change(head[4][:1], path, head[1], int(size) if size.isdigit() else 0)
        for head, path, size in zip(heads, parts[1::2], sizes)
    ]


def _git(root: Path, *words: str, at: Path | None = None, stdin: str = "", word: str = "git") -> str:
    # Hooks and helpers that a repository's own settings could name are switched off.
    command = ["git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-C", str(at or root), *words]
    try:
        run = subprocess.run(command, input=stdin.encode(), capture_output=True, timeout=60)
    except FileNotFoundError:
        raise LeaderboardError("--diff needs git, which is not on PATH.") from None
    except subprocess.TimeoutExpired:
        raise LeaderboardError(f"git {words[0]} took over a minute.") from None
    if run.returncode:
        raise LeaderboardError(f"{word}: {visible(run.stderr.decode('utf-8', 'replace').strip(), 300)}")
    return run.stdout.decode("utf-8", "surrogateescape")


def _word(status: str) -> str:
    return {"A": "added", "M": "changed", "D": "removed", "T": "turned into another kind of file"}.get(status, status)


def _mode(mode: str) -> str:
    known = {"120000": "a link", "100755": "executable (run `chmod -x` on it and commit)", "160000": "a submodule"}
    return known.get(mode, f"of mode {mode}")

"""What would keep a run off the boards, known before it is trained: no clean commit, another edition."""

from __future__ import annotations

import shlex
import tomllib
from pathlib import Path
from typing import Any

from benchmark import run_folder
from galaxy_zoo_decals import git
from galaxy_zoo_decals.edition import Edition

LEADERBOARD = run_folder.ROOT / "leaderboard"


def problems(edition: Edition, leaderboard: Path = LEADERBOARD) -> list[str]:
    """Return why the leaderboard would refuse a run on an edition that is made now, and what to do; mostly nothing."""
    found = [why] if (why := without_commit()) else []
    known = frozen(leaderboard).get(edition.name, {})
    # Where votes alone bind a result, pictures may come from several sources: `submit` looks at the votes.
    if known and known.get("bound_by") != "votes" and known["content_hash"] != edition.content_hash:
        found.append(
            f"{edition.path} is not the benchmark's edition {edition.name} (content {edition.content_hash[:12]}, not "
            f"{known['content_hash'][:12]}). docs/reproducing.md says how that one is prepared."
        )
    return found


def without_commit() -> str:
    """Return why a run made now would name no clean commit, as a submission needs it, and what to do; else nothing."""
    try:
        top = git.ask(run_folder.ROOT, "rev-parse", "--show-toplevel")
        if not run_folder.is_clone(top):
            return f"{run_folder.ROOT} lies in another repository, {top}, and is none itself. `git clone` makes one."
        changes = git.ask(run_folder.ROOT, "status", "--porcelain", "--untracked-files=no").splitlines()
        git.ask(run_folder.ROOT, "rev-parse", "--verify", "HEAD^{commit}")
    except git.GitError as error:
        return _refused(str(error))
    if not changes:
        return ""
    named = ", ".join(line.strip().partition(" ")[2].strip() for line in changes[:3])
    return f"{named}{' and more' if len(changes) > 3 else ''} differ from the last commit. Commit before you train."


def _refused(words: str) -> str:
    """Return what git's refusal means, in its own words, and what to do."""
    first = words.splitlines()[0].removeprefix("fatal: ") if words else "no word"
    if "dubious ownership" in words:
        return f"git says: {first}. `git config --global --add safe.directory {shlex.quote(str(run_folder.ROOT))}`."
    if "not a git repository" in words:
        return f"{run_folder.ROOT} is no git repository (a zip download is none). `git clone` makes one."
    if "single revision" in words:
        return f"{run_folder.ROOT} has no commit. Commit before you train."
    if "not on PATH" in words:
        return f"{first}. Install it before you train."
    return f"git says: {first}."


def frozen(leaderboard: Path) -> dict[str, dict[str, Any]]:
    """Return what the newest version of the benchmark says of every edition that it froze."""
    versions = sorted((leaderboard / "benchmark").glob("v*.toml"), key=lambda path: int(path.stem[1:]))
    return dict(tomllib.loads(versions[-1].read_text(encoding="utf-8"))["editions"]) if versions else {}

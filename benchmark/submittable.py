"""What would keep a run off the boards, known before it is trained: no clean commit, another edition."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from benchmark import run_folder
from galaxy_zoo_decals.edition import Edition

LEADERBOARD = run_folder.ROOT / "leaderboard"


def problems(edition: Edition, leaderboard: Path = LEADERBOARD) -> list[str]:
    """Return why the leaderboard would refuse a run on an edition that is made now, and what to do; mostly nothing."""
    found = [why] if (why := run_folder.without_commit()) else []
    known = frozen(leaderboard).get(edition.name, {})
    # Where votes alone bind a result, pictures may come from several sources: `submit` looks at the votes.
    if known and known.get("bound_by") != "votes" and known["content_hash"] != edition.content_hash:
        found.append(
            f"{edition.path} is not the benchmark's edition {edition.name} (content {edition.content_hash[:12]}, not "
            f"{known['content_hash'][:12]}). docs/reproducing.md says how that one is prepared."
        )
    return found


def frozen(leaderboard: Path) -> dict[str, dict[str, Any]]:
    """Return what the newest version of the benchmark says of every edition that it froze."""
    versions = sorted((leaderboard / "benchmark").glob("v*.toml"), key=lambda path: int(path.stem[1:]))
    return dict(tomllib.loads(versions[-1].read_text(encoding="utf-8"))["editions"]) if versions else {}

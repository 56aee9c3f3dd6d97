"""git, asked about the folder that is meant and about no other repository."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ELSEWHERE = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE", "GIT_LITERAL_PATHSPECS",
)  # fmt: skip
"""Variables that point git at another repository than the folder's, as a hook or a script may leave them set."""


class GitError(Exception):
    """git has no answer; the message is its own words, or says that there is no git."""


def environment() -> dict[str, str]:
    """Return this process's variables for a call of git: without those of another repository, messages in English."""
    return {name: value for name, value in os.environ.items() if name not in ELSEWHERE} | {"LC_ALL": "C"}


def ask(folder: Path, *words: str, seconds: float = 60.0) -> str:
    """Return what git prints of a folder; GitError where it prints nothing but a complaint."""
    command = ["git", "-C", str(folder), *words]
    try:
        done = subprocess.run(
            command, capture_output=True, env=environment(), stdin=subprocess.DEVNULL, timeout=seconds
        )
    except FileNotFoundError:
        raise GitError("git is not on PATH") from None
    except subprocess.TimeoutExpired:
        raise GitError(f"git {words[0]} took over {seconds:.0f} seconds") from None
    except OSError as error:
        raise GitError(f"git cannot be run: {error.strerror}") from None
    if done.returncode:
        raise GitError(os.fsdecode(done.stderr).strip())
    return os.fsdecode(done.stdout).strip()

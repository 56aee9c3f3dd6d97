"""How entries are shown: their names, tags and corrections by the maintainers (``display.yaml``).

A submission is never changed once it is merged. What has to be put right about it later stands here, beside it: the
name that boards show, tags, and a note on its page, where what it was submitted as stays.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from leaderboard.entry.run_json import Label, Line, Name, Paragraph
from leaderboard.entry.strict import Strict, read_yaml
from leaderboard.files import DATA, LeaderboardError

FILE = DATA / "display.yaml"
"""Lies with the scorer, never with the data that is checked."""


class Shown(Strict):
    """What is shown of one entry in place of, or beside, what it says of itself."""

    slug: Name = Field(description="the entry's folder below submissions/")
    name: Line | None = Field(default=None, description="the name that boards and tables show")
    tags: list[Label] = Field(default_factory=list, max_length=5)
    note: Annotated[Paragraph, Field(max_length=1000)] | None = Field(
        default=None, description="a correction, shown on the entry's page under what was submitted"
    )

    @model_validator(mode="after")
    def _says(self) -> Shown:
        if self.name is None and self.note is None and not self.tags:
            raise ValueError("gives neither name nor tags nor note")
        return self


class _File(Strict):
    entries: list[Shown]


def read(path: Path) -> dict[str, Shown]:
    """Return what is shown of entries, by folder; raises LeaderboardError naming file, place and what is wrong.

    Every entry must lie in ``submissions`` beside the file, and be named once.
    """
    entries = read_yaml(path, _File).entries
    found: dict[str, Shown] = {}
    for shown in entries:
        if shown.slug in found:
            raise LeaderboardError(f"{path}: {shown.slug} stands there twice; put what is said of it together.")
        if not (path.parent / "submissions" / shown.slug).is_dir():
            raise LeaderboardError(f"{path}: there is no submission {shown.slug!r}; give the name of its folder.")
        found[shown.slug] = shown
    return found


@cache
def known() -> dict[str, Shown]:
    """Return what the maintainers' file says."""
    return read(FILE)

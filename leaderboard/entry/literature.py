"""Published numbers for context: never ranked, each with the place it was read from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, ValidationError

from leaderboard.entry.run_json import Line, Name, Paragraph, Task
from leaderboard.entry.strict import Strict
from leaderboard.entry.submission import Url
from leaderboard.files import LeaderboardError, read_text


class Number(Strict):
    """One published number."""

    board: Task
    subject: Line
    metric: Line
    value: Annotated[float, Field(allow_inf_nan=False)]
    galaxies: int | None = None
    where: Line


class Work(Strict):
    """A published work with its numbers; ``caveat`` says why they are no rows of a board."""

    format: Literal["1"]
    title: Line
    citation: Line
    url: Url | None = None
    tree: Literal["GZD5", "GZ2"]
    edition: Name | None = Field(default=None, description="the edition it stands beside, if one alone")
    caveat: Paragraph
    numbers: list[Number]


def read(folder: Path) -> list[Work]:
    """Read all works below a folder in the order of their file names; raises LeaderboardError naming file and key."""
    works = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            works.append(Work.model_validate(yaml.safe_load(read_text(path))))
        except yaml.YAMLError as error:
            raise LeaderboardError(f"{path}: not YAML ({error}).") from None
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise LeaderboardError(f"{path}: {where}: {first['msg']}.") from None
    return works

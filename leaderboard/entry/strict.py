"""The base of what people and other programs write for us: unknown keys and loose types are errors."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from leaderboard.files import LeaderboardError, read_text


class Strict(BaseModel):
    """A mapping in which every key is known and every value has its type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


Kind = TypeVar("Kind", bound=Strict)


def read_yaml(path: Path, kind: type[Kind]) -> Kind:
    """Read a YAML file of the maintainers; raises LeaderboardError naming the file, the key and what is wrong."""
    try:
        return kind.model_validate(yaml.safe_load(read_text(path)))
    except yaml.YAMLError as error:
        raise LeaderboardError(f"{path}: not YAML ({error}).") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise LeaderboardError(f"{path}: {where}: {first['msg']}.") from None

"""The base of what people and other programs write for us: unknown keys and loose types are errors."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A mapping in which every key is known and every value has its type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

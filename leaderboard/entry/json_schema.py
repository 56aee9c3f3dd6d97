"""The JSON Schemas of what a submission holds, generated from the models that check it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from leaderboard.entry.run_json import Run
from leaderboard.entry.submission import Facts, Submission

KINDS: dict[str, type[BaseModel]] = {"submission": Submission, "run": Run, "facts": Facts}
"""The files that have a schema: submission.yaml, runs/<edition>/<task>/seed<k>.json, the file for ``--facts``."""


def generate() -> dict[str, str]:
    """Return the text of every schema by its file's name."""
    return {f"{name}.schema.json": _text(kind.model_json_schema()) for name, kind in KINDS.items()}


def _text(schema: dict[str, Any]) -> str:
    content = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def write(folder: Path) -> list[Path]:
    """Write all schemas into a folder and return their files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in generate().items():
        (folder / name).write_text(text, encoding="utf-8")
        written.append(folder / name)
    return written

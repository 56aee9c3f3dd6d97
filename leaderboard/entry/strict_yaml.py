"""YAML from outside, read strictly: typed, bounded, without anchors or tags, every fault with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from leaderboard.entry.strict import Strict
from leaderboard.files import LeaderboardError

DEEPEST_YAML = 10


class YamlError(LeaderboardError):
    """What is wrong with a submission.yaml, one (line, message) for each fault."""

    def __init__(self, path: Path, faults: list[tuple[int, str]]) -> None:
        self.faults = faults
        super().__init__("\n".join(f"{path}: line {line}: {message}" for line, message in faults))


Kind = TypeVar("Kind", bound=Strict)


def parse(text: str, path: Path, kind: type[Kind]) -> Kind:
    """Return the typed content of YAML text; ``path`` names it in the YamlError that holds every fault.

    Anchors, aliases and tags are refused: they hide what a reader sees (and expand without bound).
    """
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            line = event.start_mark.line + 1 if event.start_mark else 1
            if getattr(event, "anchor", None) or getattr(event, "tag", None):
                raise YamlError(path, [(line, "anchors, aliases and tags are not allowed.")])
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST_YAML:
                raise YamlError(path, [(line, f"lists and mappings nested more than {DEEPEST_YAML} deep.")])
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise YamlError(path, [(line, f"not YAML ({error.problem}).")]) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlError(path, [(line, f"not YAML ({error.reason}).")]) from None
    except ValueError as error:
        # A scalar that looks like a date or number and is none, such as 2026-13-45.
        if isinstance(error, YamlError):
            raise
        raise YamlError(path, [(1, f"not YAML ({error}).")]) from None
    if root is None:
        raise YamlError(path, [(1, "is empty.")])
    lines, doubled = places(root)
    if doubled:
        raise YamlError(path, [(line, f"key {key!r} stands here a second time; keep one.") for key, line in doubled])
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise YamlError(path, [_fault(e, lines) for e in error.errors(include_url=False)]) from None


def places(node: Any) -> tuple[dict[tuple[str, ...], int], list[tuple[str, int]]]:
    """Return the line of each key of a composed document by its path, and keys that stand twice with their lines."""
    found: dict[tuple[str, ...], int] = {(): 1}
    doubled: list[tuple[str, int]] = []
    waiting: list[tuple[tuple[str, ...], Any]] = [((), node)]
    while waiting:
        here, node = waiting.pop()
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                place = (*here, str(key.value))
                if place in found:
                    doubled.append((str(key.value), key.start_mark.line + 1))
                found[place] = key.start_mark.line + 1
                waiting.append((place, value))
        elif isinstance(node, yaml.SequenceNode):
            for i, value in enumerate(node.value):
                found[(*here, str(i))] = value.start_mark.line + 1
                waiting.append(((*here, str(i)), value))
    return found, doubled


def _fault(error: Any, lines: dict[tuple[str, ...], int]) -> tuple[int, str]:
    """Turn an error of pydantic into a line and a sentence that says what to do."""
    place = tuple(str(part) for part in error["loc"])
    known = place
    while known not in lines:
        known = known[:-1]
    key = ".".join(part for part in place if part not in ("Weights",) and not part.startswith("literal["))
    kind, message = error["type"], error["msg"]
    if kind == "extra_forbidden":
        return lines[known], f"unknown key {key!r}: remove it or mend its spelling."
    if kind == "missing":
        return lines[known], f"the key {key!r} is missing: add it."
    given = repr(error["input"])
    short = given if len(given) <= 60 else given[:57] + "..."
    return lines[known], f"{key}: {message[0].lower()}{message[1:]}; it holds {short}."

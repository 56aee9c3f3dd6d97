"""The card of a dataset on the Hub, YAML from outside, and what it says of the files and rows of a config."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from galaxy_zoo_decals.errors import UserError

CARD = "README.md"


LARGEST_CARD = 2**20
"""Bytes of a dataset's card at most: it lists some hundred columns."""


MOST_NODES, DEEPEST = 100_000, 20
"""Texts, lists and mappings in a card's head at most, and how deep they may lie in each other."""


MOST_PATTERNS, LONGEST_PATTERN, MOST_STARS = 16, 200, 2
"""Patterns of a config at most, their characters, and how many stars one may have: each star more makes matching slow
by the length of a path."""


class CardError(UserError):
    """A card that is none; the message goes on after the card's name."""


def read(path: Path) -> dict[str, Any]:
    """Return the head of a card, its scalars as text; {} where it has none that can be read.

    Raises CardError for one that is larger or deeper than a card can be, or refers to itself: a few lines of YAML
    that repeat each other unfold to more than any memory holds.
    """
    with path.open("rb") as file:
        data = file.read(LARGEST_CARD + 1)
    if len(data) > LARGEST_CARD:
        raise CardError(f"has more than {LARGEST_CARD:,} bytes")
    text = data.decode(errors="replace").replace("\r\n", "\n")
    head = re.match(r"---[ \t]*\n(.*?)\n---[ \t]*(?:\n|$)", text, re.DOTALL)
    if head is None:
        return {}
    # Everything stays text: what is a number is looked at where a number is meant.
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        depth = nodes = 0
        for event in yaml.parse(head[1], Loader=loader):
            nodes += isinstance(event, yaml.NodeEvent)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.NodeEvent) and event.anchor is not None:  # an alias has one too
                raise CardError("refers to parts of itself (YAML anchors)")
            if depth > DEEPEST or nodes > MOST_NODES:
                raise CardError(f"has more than {MOST_NODES:,} entries, or lists in each other deeper than {DEEPEST}")
        found = yaml.load(head[1], Loader=loader)
    except CardError:
        raise
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def licence(card: dict[str, Any]) -> str | None:
    """Return the licence that a card states; CardError for one that is no word."""
    licence = card.get("license")
    if isinstance(licence, list) and len(licence) == 1:
        licence = licence[0]
    if licence in (None, "", "null", "~"):
        return None
    if not isinstance(licence, str) or len(licence) > 200:
        raise CardError("states a licence that is no word")
    return licence


def configs(card: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the configs that a card lists; entries that are no mappings are left out."""
    listed = card.get("configs")
    return [c for c in listed if isinstance(c, dict)] if isinstance(listed, list) else []


def patterns_of(card: dict[str, Any], config: str) -> list[str] | None:
    """Return the patterns of a config's files; None if the card lists configs and this is not among them."""
    listed = configs(card)
    if not listed:  # a card that leaves the layout to the names of the folders
        return ["data/*"] if config == "default" else [f"{config}/*"]
    for found in listed:
        if found.get("config_name", "default") == config:
            return _bounded(dict.fromkeys(p for p in _texts(found.get("data_files")) if p))
    return None


def _bounded(patterns: Iterable[str]) -> list[str]:
    """Return patterns that are matched in no time; CardError for others."""
    found = list(patterns)
    if len(found) > MOST_PATTERNS:
        raise CardError(f"states {len(found):,} patterns of files for a config, where {MOST_PATTERNS} are the most")
    for pattern in found:
        if len(pattern) > LONGEST_PATTERN or len(re.findall(r"\*\*|\*", pattern)) > MOST_STARS:
            raise CardError(
                f"states a pattern of files with more than {LONGEST_PATTERN} characters or {MOST_STARS} stars "
                f"({pattern[:40]!r})"
            )
    return found


def _texts(data_files: object) -> Iterator[str]:
    """Yield the patterns of ``data_files`` in all the forms that datasets takes."""
    if isinstance(data_files, str):
        yield data_files
    elif isinstance(data_files, list):
        for part in data_files:
            yield from _texts(part["path"] if isinstance(part, dict) and "path" in part else part)
    elif isinstance(data_files, dict):
        for part in data_files.values():
            yield from _texts(part)


def fits(pattern: str, path: str) -> bool:
    """Return whether a path fits a pattern of datasets: * stays in a folder, ** does not."""
    words = re.split(r"(\*\*/|\*\*|\*|\?)", pattern.removeprefix("./"))
    signs = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.fullmatch("".join(signs.get(word) or re.escape(word) for word in words), path) is not None


def rows_of(card: dict[str, Any], config: str) -> int | None:
    """Return how many rows the card states for a config, over all its splits."""
    infos = card.get("dataset_info")
    for info in infos if isinstance(infos, list) else [infos]:
        if isinstance(info, dict) and info.get("config_name", "default") == config:
            splits = info.get("splits")
            splits = splits if isinstance(splits, list) else []
            counts = [str(split.get("num_examples")) if isinstance(split, dict) else "" for split in splits]
            known = bool(counts) and all(re.fullmatch(r"[0-9]{1,12}", count) for count in counts)
            return sum(map(int, counts)) if known else None
    return None

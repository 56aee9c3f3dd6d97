"""What changed and when, for the changelog and the Atom feed: changes of the benchmark, and submitted entries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import Field

from leaderboard.entry.run_json import Line, Paragraph
from leaderboard.entry.strict import read_yaml
from leaderboard.entry.submission import Strict
from leaderboard.ranking.entries import Entry
from leaderboard.render import columns


class Change(Strict):
    """A change of the benchmark itself, as written in changelog.yaml."""

    day: date
    title: Line
    text: Paragraph


class Changes(Strict):
    """The content of changelog.yaml."""

    changes: Annotated[list[Change], Field(max_length=1000)]


@dataclass(frozen=True)
class Event:
    """Something that happened on a day; ``href`` is where it stands, from the site's root."""

    day: str
    title: str
    text: str
    href: str
    id: str


def read(path: Path) -> list[Change]:
    """Read changelog.yaml, none if there is no such file; raises LeaderboardError naming file and key."""
    if not path.exists():
        return []
    return read_yaml(path, Changes).changes


def events(changes: list[Change], entries: list[Entry]) -> list[Event]:
    """Return changes and submitted entries, the latest first."""
    found = []
    for change in changes:
        words = "".join(c if c.isalnum() else " " for c in change.title.lower()).split()
        day = change.day.isoformat()
        anchor = "-".join([day, *words])
        found.append(Event(day, change.title, change.text, f"changelog.html#{anchor}", anchor))
    for entry in entries:
        submitted = columns.day(entry)
        if submitted is not None and entry.submission is not None:
            status = "" if entry.submission.status == "active" else f" ({entry.submission.status})"
            text = entry.submission.description or "A new entry on the boards."
            title = f"New entry: {entry.title}{status}"
            found.append(Event(submitted, title, text, f"entries/{entry.slug}.html", entry.slug))
    return sorted(found, key=lambda e: e.day, reverse=True)

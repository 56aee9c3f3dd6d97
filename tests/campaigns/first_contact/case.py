"""A case of first contact: what somebody brings, how it is given to the product, and what has to come out."""

from __future__ import annotations

import io
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

KINDS = {
    "format": "A format is called damage",
    "pixels": "A part of the data is silently another one",
    "environment": "What the environment hands down ends in a traceback",
    "file system": "File systems that lack a call stop the work",
    "join": "A join that fails does not show both sides",
    "late": "What can only fail at the end could be said at the beginning",
    "library text": "Text of libraries goes into files and messages as it is",
    "journey": "What people try in Python",
}
"""The kinds of fault that were found by trying what people bring."""


@dataclass(frozen=True)
class Outcome:
    """What came out: the exit status (0: it worked) and all that was said or returned, as text."""

    status: int
    said: str


@dataclass(frozen=True)
class Case:
    """A situation and what is right: ``run`` brings it about in an empty folder of its own."""

    kind: str
    situation: str
    """What somebody brings, in the words of somebody who does."""
    run: Callable[[Path], Outcome]
    status: int
    """The exit status that is right: 0 where it has to work."""
    holds: tuple[str, ...]
    """Texts that must be in what is said."""
    found: str = "ours"
    """Where the case comes from: "review" where it was reported, "ours" where we thought of it."""
    lacks: tuple[str, ...] = ()
    """Texts that must not be in what is said, beside those of ``NEVER``."""


ROOT = Path(__file__).parents[3]
"""The repository: its place on this machine belongs into no message about the user's files, nor into the table."""

NEVER = ("Traceback (most recent call last)", "0x7f", "Download it again", "Remove it and")
"""Texts that no case may say: a traceback, a place in memory, advice to alter or delete a good file."""


def call(main: Callable[[list[str]], int | None], *words: object) -> Outcome:
    """Run a command line in this process; an error that gets out is a traceback, as a user would see it."""
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        try:
            status = main([str(word) for word in words]) or 0
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else 1
        except BaseException:
            traceback.print_exc()
            status = 1
    return Outcome(status, said.getvalue())


def problems(case: Case, outcome: Outcome) -> list[str]:
    """Return what is wrong with an outcome, nothing if it is right."""
    wrong = [] if outcome.status == case.status else [f"status {outcome.status}, not {case.status}"]
    wrong += [f"{text!r} is not said" for text in case.holds if text not in outcome.said]
    wrong += [f"{text!r} is said" for text in (*NEVER, str(ROOT), *case.lacks) if text in outcome.said]
    return wrong


@contextmanager
def unchanged(path: Path) -> Iterator[None]:
    """Raise AssertionError if what somebody brought is another file afterwards."""
    before = path.read_bytes()
    yield
    assert path.read_bytes() == before, f"{path.name} was altered"

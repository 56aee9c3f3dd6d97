"""A galaxy by its name: its picture, and its votes as the tree of questions that volunteers went through."""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from galaxy_zoo_decals import image_files, views
from galaxy_zoo_decals.edition import Edition, EditionError
from galaxy_zoo_decals.schema import Question, Tree

BAR = 20
"""Characters of the bar of a fraction of 1."""

FACTS = {
    "ra": "RA {:.5f} deg",
    "dec": "Dec {:+.5f} deg",
    "redshift": "z {:.4f}",
    "mag_r": "r {:.2f} mag",
    "petro_th50": "half-light radius {:.2f} arcsec",
}
"""What is said of a galaxy beside its votes, with units."""


class Step(NamedTuple):
    """A question as volunteers met it, and how many gave which answer."""

    question: Question
    depth: int
    total: int
    votes: tuple[int, ...]

    @property
    def top(self) -> int:
        """The position of the most voted answer, the first of equal ones."""
        return int(np.argmax(self.votes))


@dataclass(frozen=True)
class Galaxy:
    """A galaxy of an edition; it shows itself as picture and tree in a notebook, and as a tree in a terminal."""

    name: str
    edition: str
    """What the edition is called in titles."""
    split: str
    tree: Tree
    row: dict[str, Any]
    """All that the edition stores of it, the bytes of its picture included."""
    assumed: bool
    """Whether its votes were made from published likelihoods for an assumed number of volunteers."""
    credit: str = ""

    @property
    def picture(self) -> Image.Image:
        """Its picture, a PIL image in RGB."""
        return decoded(self.edition, self.name, self._bytes)

    @property
    def _bytes(self) -> bytes:
        return (self.row.get("image") or {}).get("bytes") or b""

    @cached_property
    def votes(self) -> dict[str, int]:
        """The votes of every answer by column name, such as bar_strong, and the totals."""
        return {column: int(self.row[column]) for column in self.tree.vote_columns}

    @cached_property
    def fractions(self) -> dict[str, float]:
        """The vote fractions of the answers by column name; NaN where nobody was asked."""
        votes = np.array([[self.votes[column] for column in self.tree.answer_columns]])
        return dict(zip(self.tree.answer_columns, views.fractions(self.tree, votes)[0].tolist()))

    @cached_property
    def path(self) -> list[str]:
        """The most voted way through the tree, as "question=answer"."""
        return views.paths(self.tree, np.array([list(self.fractions.values())]))[0]

    @property
    def facts(self) -> str:
        """Position, redshift, magnitude and size, as far as they are known, with units."""
        known = {key: self.row.get(key) for key in FACTS}
        return ", ".join(FACTS[key].format(value) for key, value in known.items() if value is not None)

    def steps(self) -> Iterator[Step]:
        """Yield the questions that were asked, each below the answer that leads to it."""
        depth: dict[str, int] = {}
        for q in self.tree.questions:
            # Asked after several answers it is asked after the first question of its parents.
            depth[q.name] = min((depth[question] + 1 for question, _ in q.parents), default=0)
        for q in self._in_order():
            if self.votes[q.total]:
                yield Step(q, depth[q.name], self.votes[q.total], tuple(self.votes[c] for c in q.columns))

    def _in_order(self) -> list[Question]:
        """Return the questions as a tree is read: each before those that its answers lead to."""
        found: list[Question] = []

        def add(question: Question) -> None:
            found.append(question)
            for q in self.tree.questions:
                if q.parents and q.parents[0][0] == question.name:
                    add(q)

        for q in self.tree.questions:
            if not q.parents:
                add(q)
        return found

    @property
    def _word(self) -> str:
        return "votes assumed" if self.assumed else "votes"

    def __str__(self) -> str:
        """Return the tree as text."""
        lines = [f"{self.name}: {self.edition}, {self.split} split", self.facts]
        path = set(self.path)
        for step in self.steps():
            indent = "    " * step.depth
            lines += ["", f"{indent}{step.question.text} ({step.total} {self._word})"]
            for answer, votes in zip(step.question.answers, step.votes):
                mark = ">" if f"{step.question.name}={answer}" in path else " "
                bar = "█" * round(BAR * votes / step.total)
                lines.append(f"{indent}{mark} {answer:<17} {votes:>3} {votes / step.total:>5.0%} {bar}".rstrip())
        return "\n".join(lines)

    def __repr__(self) -> str:
        """Return the name and what there is to ask for."""
        return f"<Galaxy {self.name} of {self.edition}: print it, or ask for .picture, .votes, .fractions, .path>"

    def _repr_html_(self) -> str:
        """Return picture and tree as HTML, for a notebook."""
        kind = "jpeg" if image_files.suffix(self._bytes) == "jpg" else "png"
        picture = f"data:image/{kind};base64,{base64.b64encode(self._bytes).decode()}"
        path = set(self.path)
        rows = []
        for step in self.steps():
            pad = f"padding-left:{1.5 * step.depth:g}em;text-align:left"
            total = f'<span style="opacity:.7">{step.total} {self._word}</span>'
            text = f"{html.escape(step.question.text)} {total}"
            rows.append(f'<tr><td colspan="3" style="{pad};padding-top:.6em">{text}</td></tr>')
            for answer, votes in zip(step.question.answers, step.votes):
                on = f"{step.question.name}={answer}" in path
                width, colour = 10 * votes / step.total, "#4c78a8" if on else "#9aa5b1"
                bar = f'<div style="width:{width:.2f}em;height:.8em;background:{colour}"></div>'
                name = f"<b>{html.escape(answer)}</b>" if on else html.escape(answer)
                rows.append(
                    f'<tr><td style="{pad}">{name}</td><td style="text-align:right">{votes}</td>'
                    f'<td style="text-align:left;width:10em">{bar}</td></tr>'
                )
        credit = f'<div style="opacity:.7;font-size:85%">{html.escape(self.credit)}</div>' if self.credit else ""
        return (
            '<div style="display:flex;gap:1.5em;align-items:flex-start;flex-wrap:wrap"><div>'
            f'<img src="{picture}" alt="{html.escape(self.name, quote=True)}" width="224">{credit}</div>'
            f"<div><b>{html.escape(self.name)}</b><br>{html.escape(self.edition)}, {self.split} split<br>"
            f'{html.escape(self.facts)}<table style="border-collapse:collapse">{"".join(rows)}</table></div></div>'
        )


def find(name: str, edition: str | os.PathLike[str] | None = None) -> Galaxy:
    """Return a galaxy of an edition (a name or a folder; None is the one in use) by its iauname.

    Raises EditionError that names near names.
    """
    opened = Edition.open(edition)
    split, row = opened.galaxy(str(name).strip())
    terms = opened.terms
    return Galaxy(str(row["iauname"]), opened.title, split, opened.tree, row, not terms.counted_votes, terms.credit)


def decoded(edition: object, name: str, data: bytes) -> Image.Image:
    """Return a stored picture; EditionError names the ``edition`` and the galaxy whose picture cannot be read."""
    try:
        return image_files.decode(data)
    except image_files.ImageError as error:
        raise EditionError(f"{edition}: the image of {name} is not readable ({error}): prepare it again.") from None

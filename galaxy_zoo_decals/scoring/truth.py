"""What predictions are scored against: the volunteers' votes for the scored test galaxies of an edition."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from galaxy_zoo_decals import views
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.schema import Tree

MIN_POSITIVES = 20
"""A class, label or question with fewer positives is listed and left out of macro means."""


@dataclass(frozen=True)
class Truth:
    """Votes of the scored test galaxies, int64 (galaxies, answers), in the edition's frozen order.

    All masks and labels of a board come from here and from nothing a submission holds.
    """

    edition: str
    title: str
    tree: Tree
    content_hash: str
    split_hash: str
    names: tuple[str, ...]
    votes: np.ndarray

    @classmethod
    def of(cls, edition: Edition) -> Truth:
        """Read the truth of an edition."""
        table = edition.table("test", ["iauname", "scored", *edition.tree.answer_columns])
        table = table[table["scored"]]
        return cls(
            edition=edition.name,
            title=edition.title,
            tree=edition.tree,
            content_hash=edition.content_hash,
            split_hash=edition.split_hash,
            names=tuple(table["iauname"]),
            votes=table[list(edition.tree.answer_columns)].to_numpy(dtype=np.int64),
        )

    @cached_property
    def totals(self) -> np.ndarray:
        """Volunteers a question, int64 (galaxies, questions)."""
        return views.totals(self.tree, self.votes)

    @cached_property
    def fractions(self) -> np.ndarray:
        """Vote fractions, (galaxies, answers); NaN where nobody answered."""
        return views.fractions(self.tree, self.votes)

    @cached_property
    def asked(self) -> np.ndarray:
        """Which questions count as asked, bool (galaxies, questions)."""
        return views.asked(self.tree, self.totals)

    @cached_property
    def classes(self) -> views.Multiclass:
        """The multiclass view: labels, shares, confidence."""
        return views.multiclass(self.tree, self.fractions)

    @cached_property
    def labels(self) -> np.ndarray:
        """Which of the binary labels are true, bool (galaxies, labels); an unanswered question makes none true."""
        with np.errstate(invalid="ignore"):
            return views.label_fractions(self.tree, self.fractions) > 0.5

    @cached_property
    def labels_asked(self) -> np.ndarray:
        """Which of the binary labels are known, bool (galaxies, labels)."""
        return views.label_asked(self.tree, self.asked)

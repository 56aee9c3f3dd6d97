"""What predictions are scored against: the votes for the scored test galaxies of an edition."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import gammaln, xlogy

from galaxy_zoo_decals import views
from galaxy_zoo_decals.edition import Edition, EditionError, Terms
from galaxy_zoo_decals.edition_hashes import check_content
from galaxy_zoo_decals.schema import CLASSES, VIEWS, Tree
from galaxy_zoo_decals.scoring.bootstrap import Weights, shared
from galaxy_zoo_decals.scoring.calibration import Counted

MIN_POSITIVES = 20
"""A class, label or question with fewer positives is listed and left out of macro means."""

STRATUM_DRAWS = 200
"""Bootstrap draws of a stratum's interval: a table of sixteen needs no third digit."""

PROPERTIES = ("redshift", "petro_th50", "mag_r")
"""Columns by which errors are looked at: redshift, Petrosian half-light radius (arcsec), r magnitude."""


@dataclass(frozen=True)
class Quarter:
    """A quarter of the galaxies by a property: those from ``low`` to below ``high``, by position (n,) of ``of``."""

    name: str
    low: float
    high: float
    galaxies: np.ndarray
    of: int

    @cached_property
    def weights(self) -> Weights:
        """The shared weights of its galaxies; kept, since all boards of all entries need them."""
        return shared(self.of).take(self.galaxies, STRATUM_DRAWS)

    @property
    def facts(self) -> dict[str, Any]:
        """What a table says of it."""
        return {"property": self.name, "low": self.low, "high": self.high, "n": len(self.galaxies)}


@dataclass(frozen=True)
class Truth:
    """Votes of the scored test galaxies, int64 (galaxies, answers), in the edition's frozen order.

    They are counts of volunteers, or were made from published likelihoods for an assumed number of votes (``terms``).
    All masks and labels of a board come from here and from nothing a submission holds.
    """

    edition: str
    title: str
    tree: Tree
    content_hash: str
    split_hash: str
    names: tuple[str, ...]
    votes: np.ndarray
    counted_as: Truth | None = None
    """Truth that decides which classes, labels and questions enter macro means, if not this one: a panel drawn anew
    is scored on what the board scores, even where a rare class falls under the limit by chance."""
    terms: Terms = field(default_factory=Terms)
    """What the edition is and what may be shown of it."""
    boards: tuple[str, ...] = VIEWS
    """The boards there are of these galaxies: all four, unless the benchmark froze fewer or none has a class."""
    may_lack: bool = False
    """Whether predictions may lack galaxies: of a survey whose pictures have several sources, not every one of which
    has them all."""
    properties: dict[str, np.ndarray] = field(default_factory=dict)
    """What the catalogue knows of each galaxy, float (galaxies,) by column; NaN where unknown."""

    @classmethod
    def of(cls, edition: Edition) -> Truth:
        """Read the truth of an edition; raises EditionError if its votes were changed since it was made."""
        check_content(edition)
        table = edition.table("test", ["iauname", "scored", *PROPERTIES, *edition.tree.answer_columns])
        table = table[table["scored"]]
        if table.empty:
            raise EditionError(f"{edition.path}: no test galaxy is scored, so there is nothing to measure on.")
        properties = {name: table[name].to_numpy(dtype=float, na_value=np.nan) for name in PROPERTIES}
        known = {name: values for name, values in properties.items() if not np.isnan(values).all()}
        found = replace(cls.of_table(edition, table), properties=known)
        classless = not (found.classes.label >= 0).any()
        return replace(found, boards=tuple(view for view in VIEWS if view != "multiclass" or not classless))

    @classmethod
    def of_table(cls, edition: Edition, table: pd.DataFrame) -> Truth:
        """Return names and votes alone of an edition's rows: a table with iauname and every answer's count."""
        return cls(
            edition=edition.name,
            title=edition.title,
            tree=edition.tree,
            content_hash=edition.content_hash,
            split_hash=edition.split_hash,
            terms=edition.terms,
            names=tuple(table["iauname"]),
            votes=table[list(edition.tree.answer_columns)].to_numpy(dtype=np.int64),
        )

    def take(self, rows: np.ndarray) -> Truth:
        """Return the truth of some galaxies, by position; macro means keep the classes of all."""
        return replace(
            self,
            names=tuple(self.names[i] for i in rows),
            votes=self.votes[rows],
            properties={name: values[rows] for name, values in self.properties.items()},
            counted_as=self.counted_as or self,
        )

    @property
    def votes_assumed(self) -> bool:
        """Whether counts were made from published likelihoods: then nobody voted them, and nothing is a panel's."""
        return not self.terms.counted_votes

    @cached_property
    def totals(self) -> np.ndarray:
        """Votes a question, int64 (galaxies, questions)."""
        return views.totals(self.tree, self.votes)

    @cached_property
    def unanswered(self) -> tuple[str, ...]:
        """The questions for which no galaxy has a vote, as of a catalogue with a part of the tree."""
        if self.counted_as is not None:
            return self.counted_as.unanswered
        return tuple(q.name for q, votes in zip(self.tree.questions, self.totals.sum(axis=0)) if not votes)

    @cached_property
    def fractions(self) -> np.ndarray:
        """Vote fractions, (galaxies, answers); NaN where nobody answered."""
        return views.fractions(self.tree, self.votes)

    @cached_property
    def top(self) -> np.ndarray:
        """Position of the most voted answer of each question, -1 where nobody answered, int (galaxies, questions)."""
        return views.top_answers(self.tree, self.fractions)

    @cached_property
    def asked(self) -> np.ndarray:
        """Which questions count as asked, bool (galaxies, questions)."""
        return views.asked(self.tree, self.totals)

    @cached_property
    def votes_asked(self) -> np.ndarray:
        """Which answers are of an asked question, bool (galaxies, answers)."""
        return self._by_answer(self.asked)

    @cached_property
    def asked_fractions(self) -> np.ndarray:
        """Vote fractions of the questions that count as asked, (galaxies, answers); NaN elsewhere."""
        return np.where(self.votes_asked, self.fractions, np.nan)

    @cached_property
    def votes_paper(self) -> np.ndarray:
        """Which answers are of a question that counts by table 1, bool (galaxies, answers)."""
        return self._by_answer(self.paper_mask)

    def _by_answer(self, questions: np.ndarray) -> np.ndarray:
        return questions[:, [self.tree.question_index[q] for q, _ in self.tree.answers]]

    @cached_property
    def classes(self) -> views.Multiclass:
        """The multiclass view: labels, shares, confidence."""
        return views.multiclass(self.tree, self.fractions)

    @cached_property
    def paper_mask(self) -> np.ndarray:
        """Which questions count by the rules of Walmsley et al. 2022, table 1, bool (galaxies, questions).

        At least half of the galaxy's first-question votes come to the question.
        """
        return (self.totals > 0) & (self.totals >= self.totals[:, :1] / 2)

    @cached_property
    def clear(self) -> np.ndarray:
        """Where one answer has a fraction over 0.8 ("confident" in that table), bool (galaxies, questions)."""
        with np.errstate(invalid="ignore"):
            over = self.fractions > 0.8
        return np.column_stack([over[:, self.tree.slices[q.name]].any(axis=1) for q in self.tree.questions])

    @cached_property
    def counted(self) -> dict[str, np.ndarray]:
        """Which columns have at least MIN_POSITIVES galaxies and so enter macro means, bool arrays by kind.

        "classes" and "labels" by their positives; "path" for the scored questions by the galaxies whose path comes
        to them; "asked", "paper" and "clear" for all questions by the galaxies of that mask.
        """
        if self.counted_as is not None:
            return self.counted_as.counted
        index = [self.tree.question_index[name] for name in self.tree.scored_questions]
        top = self.top
        numbers = {
            "classes": np.bincount(self.classes.label + 1, minlength=len(CLASSES) + 1)[1:],
            "labels": (self.labels & self.labels_asked).sum(axis=0),
            "path": (views.on_path(self.tree, top) & (top >= 0))[:, index].sum(axis=0),
            "asked": self.asked.sum(axis=0),
            "paper": self.paper_mask.sum(axis=0),
            "clear": (self.paper_mask & self.clear).sum(axis=0),
        }
        return {kind: number >= MIN_POSITIVES for kind, number in numbers.items()}

    @cached_property
    def counts(self) -> Counted:
        """The votes of every answer, as the coverage of predictive intervals looks at them."""
        return Counted.of(self.tree, self.votes)

    @cached_property
    def quarters(self) -> tuple[Quarter, ...]:
        """Quarters of what is known of the galaxies, each of MIN_POSITIVES galaxies at least."""
        found = []
        volunteers = {} if self.votes_assumed else {"volunteers": self.totals[:, 0].astype(float)}
        for name, values in {**self.properties, **volunteers}.items():
            known = ~np.isnan(values)
            if known.sum() < 4 * MIN_POSITIVES:
                continue
            for i, (low, high) in enumerate(pairwise(np.quantile(values[known], [0, 0.25, 0.5, 0.75, 1]))):
                inside = known & (values >= low) & ((values < high) | ((i == 3) & (values == high)))
                if inside.sum() >= MIN_POSITIVES and low < high:
                    found.append(Quarter(name, float(low), float(high), np.flatnonzero(inside), len(self.names)))
        return tuple(found)

    @cached_property
    def least_nll(self) -> np.ndarray:
        """Minus the log likelihood of each galaxy's votes under their own fractions, the multinomial's, (galaxies,)."""
        logs = gammaln(self.votes + 1.0) - xlogy(self.votes, np.nan_to_num(self.fractions, nan=1.0))
        least: np.ndarray = logs.sum(axis=1) - gammaln(self.totals + 1.0).sum(axis=1)
        return least

    @cached_property
    def labels(self) -> np.ndarray:
        """Which of the binary labels are true, bool (galaxies, labels); an unanswered question makes none true."""
        return views.labels(self.tree, self.fractions)

    @cached_property
    def labels_asked(self) -> np.ndarray:
        """Which of the binary labels are known, bool (galaxies, labels)."""
        return views.label_asked(self.tree, self.asked)

"""An edition as the site knows it: its boards, its pictures and its truth, as far as they are on this machine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from galaxy_zoo_decals import predictions as prediction_files
from galaxy_zoo_decals import scoring
from galaxy_zoo_decals.edition import Edition, Terms
from galaxy_zoo_decals.schema import Tree
from galaxy_zoo_decals.scoring import BOARDS, Result, Truth
from leaderboard.entry import literature
from leaderboard.entry.truths import Key, Truths, terms_of, title_of, tree_of
from leaderboard.ranking import board_table, stored_references
from leaderboard.ranking.board_table import Table
from leaderboard.ranking.entries import Entry

ORDER = ("gzd5", "gz2", "simulated", "sample")
"""Real galaxies come before simulated ones."""


@dataclass(frozen=True)
class EditionPage:
    """An edition as the site knows it; ``edition`` and ``truth`` are None where it is not on this machine.

    The truth of an edition that may not be passed on may be without a vote.
    """

    key: Key
    title: str
    slug: str
    edition: Edition | None
    truth: Truth | None
    tables: dict[str, Table]
    terms: Terms
    pictures: Edition | None
    """The edition whose pictures are shown: itself, or of a survey one with pictures of any source."""

    @property
    def simulated(self) -> bool:
        """Whether its galaxies were drawn by a program."""
        return self.terms.simulated

    @property
    def voice(self) -> str:
        """Whose word its truth is: volunteers', or that of published likelihoods, which nobody voted."""
        if not self.terms.counted_votes:
            return "published likelihoods"
        return "simulated volunteers" if self.simulated else "volunteers"

    @property
    def credit(self) -> str:
        """What stands beside pictures of it: whose they are. Those of a survey may come from several sources."""
        return (self.pictures.terms if self.pictures is not None else self.terms).credit

    @property
    def short(self) -> str:
        """Its name in few words, for titles of small charts: what its title begins with, or its name."""
        head, colon, _ = self.title.partition(":")
        if colon:
            return head
        return f"{self.key[0]}, simulated" if self.simulated and self.key[0] != "simulated" else self.key[0]

    @property
    def open(self) -> bool:
        """Whether single galaxies' votes are here and may be shown, as may the images."""
        return self.truth is not None and self.terms.may_publish_votes

    @property
    def pictured(self) -> bool:
        """Whether its images can be shown: they may be, and are on this machine."""
        return self.open and self.pictures is not None and self.pictures.terms.may_publish_images


def place(name: str) -> tuple[int, str]:
    """Return what sorts editions as they are shown."""
    return ORDER.index(name) if name in ORDER else len(ORDER), name


def edition_pages(
    entries: list[Entry], truths: Truths, references: dict[Key, dict[str, dict[str, Result]]],
    works: list[literature.Work],
) -> list[EditionPage]:  # fmt: skip
    """Return the editions that entries stand on, and the sample; real ones first."""
    keys = {key for entry in entries for key in entry.editions} | {key for key in truths.editions if key[0] == "sample"}
    titles = {key: title_of(key, truths) for key in keys}
    # Two editions of one source share its title: the name tells them apart.
    titles = {k: title if k[0] in title.lower() else f"{title} ({k[0]})" for k, title in titles.items()}
    names = [name for name, _ in titles]

    pages: list[EditionPage] = []
    for key in sorted(titles, key=lambda key: (*place(key[0]), truths.edition(key) is None, key[1])):
        slug = key[0] if names.count(key[0]) == 1 else f"{key[0]}-{key[1][:8]}"
        truth = truths.truth(key)
        tree, terms = tree_of(key[0], truths), terms_of(key, truths)
        below = references.get(key) or (scoring.references(truth) if truth is not None else {})
        if not terms.counted_votes:
            below = {
                board: {n: row for n, row in rows.items() if n == stored_references.PRIOR}
                for board, rows in below.items()
            }
        tables = {
            task: board_table.table(
                key,
                titles[key],
                f"{slug}-{task}",
                task,
                entries,
                below.get(task, {}),
                works,
                tree.name,
                terms.counted_votes,
            )
            for task in (
                truths.frozen[key][1].boards if key in truths.frozen else truth.boards if truth is not None else BOARDS
            )
        }
        shown = {
            task: t for task, t in tables.items() if t.rows or t.partial or t.reported or t.references or t.retired
        }
        if truth is None and not terms.may_publish_votes:
            truth = _blind(key, titles[key], tree, terms, entries)
        own, pictures = truths.edition(key), _pictures(key, truths)
        pages.append(EditionPage(key, titles[key], slug, own, truth, shown, terms, pictures))
    return pages


def _pictures(key: Key, truths: Truths) -> Edition | None:
    """Return the edition on this machine that pictures are shown of, None if there is none.

    It is the edition itself, or of one that votes alone bind any that belongs to it.
    """
    found = truths.edition(key)
    if found is None and key in truths.frozen and truths.frozen[key][1].bound_by == "votes":
        found = next((edition for other, edition in truths.editions.items() if truths.home(other) == key), None)
    return found


def _blind(key: Key, title: str, tree: Tree, terms: Terms, entries: list[Entry]) -> Truth | None:
    """Return the galaxies of an edition that may not be passed on and is not here, without a vote.

    Their names stand in every prediction file, and of such an edition nothing but names and predictions is shown: its
    pages are the same with the votes at hand and without. None where there is no prediction file.
    """
    for trained in (t for e in entries for t in e.trained if t.key == key):
        known = prediction_files.read(trained.predictions, tree)
        votes = np.zeros((len(known.names), len(tree.answer_columns)), np.int64)
        return Truth(key[0], title, tree, key[1], known.split_hash, known.names, votes, terms=terms)
    return None

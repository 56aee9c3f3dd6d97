"""The editions on this machine and their truth, found by name and content hash, read once."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

from galaxy_zoo_decals.edition import NAMES, Edition, EditionError, available, find
from galaxy_zoo_decals.schema import GZ2, GZD5, Tree
from galaxy_zoo_decals.scoring import Truth
from leaderboard.files import LeaderboardError

Key = tuple[str, str]
"""Name and content hash of an edition: what results are bound to."""


@dataclass
class Truths:
    """Editions known to this machine by (name, content hash), those given by hand first."""

    editions: dict[Key, Edition]
    _truths: dict[Key, Truth] = field(default_factory=dict)

    @classmethod
    def on_this_machine(cls, given: list[str]) -> Truths:
        """Find the named editions and the folders given as PATH or NAME=PATH.

        Raises LeaderboardError for a folder that is no edition or bears another name.
        """
        editions: dict[Key, Edition] = {}
        for word in given:
            name, equals, folder = word.partition("=")
            try:
                edition = Edition(find(folder if equals else word))
                key = (edition.name, edition.content_hash)
            except (EditionError, KeyError) as error:
                problem = f"its edition.json lacks {error}" if isinstance(error, KeyError) else error
                raise LeaderboardError(f"--edition {word}: {problem}") from None
            if equals and name != edition.name:
                raise LeaderboardError(f"--edition {word}: this folder is the edition {edition.name!r}, not {name!r}.")
            editions[key] = edition
        folders = list(available().values())
        with contextlib.suppress(EditionError):
            folders.append(find())  # the edition in use may be a folder without a name
        for path in folders:
            # One that cannot be read is as good as absent: what needs it says so.
            with contextlib.suppress(EditionError, KeyError):
                edition = Edition(path)
                editions.setdefault((edition.name, edition.content_hash), edition)
        return cls(editions)

    def edition(self, key: Key) -> Edition | None:
        """Return the edition of this name and content, None if this machine does not hold it."""
        return self.editions.get(key)

    def truth(self, key: Key) -> Truth | None:
        """Return the truth of the edition of this name and content, None if this machine does not hold it."""
        if key not in self.editions:
            return None
        if key not in self._truths:
            self._truths[key] = Truth.of(self.editions[key])
        return self._truths[key]

    def missing(self, key: Key) -> str:
        """Say why there is no truth for these results and how to get it."""
        name, content = key
        others = [k[1][:12] for k in self.editions if k[0] == name]
        if others:
            return (
                f"needs version {content[:12]} of the edition {name!r}; this machine holds {', '.join(others)}. "
                "Pass the right folder with --edition."
            )
        if name == "gz2":
            return "needs the Kaggle file: `galaxy-zoo-decals prepare gz2 --source FOLDER`, or pass --edition FOLDER."
        prepare = (
            f"`galaxy-zoo-decals prepare {name}`, or pass --edition FOLDER" if name in NAMES else "--edition FOLDER"
        )
        return f"needs the edition {name!r}: {prepare}."


def tree_of(name: str, truths: Truths) -> Tree:
    """Return the tree an edition's predictions follow, also where the edition itself is not on this machine."""
    for (known, _), edition in truths.editions.items():
        if known == name:
            return edition.tree
    return GZ2 if name == "gz2" else GZD5


def may_show(tree: Tree) -> bool:
    """Return whether images and single galaxies' votes may be shown.

    Editions with the GZ2 tree come from the Kaggle Galaxy Zoo Challenge, whose terms forbid passing its data on.
    """
    return tree.name != GZ2.name

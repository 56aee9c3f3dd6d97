"""The truth of editions: frozen by a version of the benchmark, or of the editions on this machine; read once."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from pathlib import Path

from galaxy_zoo_decals.edition import NAMES, Edition, EditionError, Terms, available, find
from galaxy_zoo_decals.schema import GZ2, GZD5, TREES, Tree
from galaxy_zoo_decals.scoring import Truth
from leaderboard.entry import versions
from leaderboard.entry.versions import Frozen, Key, Version
from leaderboard.files import DATA, LeaderboardError, read_json

BENCHMARK = DATA / "benchmark"
"""The versions of the benchmark lie with the scorer, never with the data that is checked."""


@dataclass
class Truths:
    """Editions known to this machine by (name, content hash), those given by hand first.

    ``frozen`` are the editions of all versions of the benchmark, ``tables`` the files that truths which may not be
    passed on are read from, by the edition's name, ``given`` the editions named on the command line.
    """

    editions: dict[Key, Edition]
    frozen: dict[Key, tuple[Version, Frozen]] = field(default_factory=dict)
    benchmark: Path = BENCHMARK
    tables: dict[str, Path] = field(default_factory=dict)
    given: set[Key] = field(default_factory=set)
    _truths: dict[Key, Truth] = field(default_factory=dict)

    @classmethod
    def on_this_machine(cls, given: list[str], tables: list[str] | None = None, benchmark: Path = BENCHMARK) -> Truths:
        """Find the named editions, the folders given as PATH or NAME=PATH, and the frozen editions.

        ``tables`` are NAME=PATH. Raises LeaderboardError for a folder that is no edition or bears another name.
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
        by_hand = set(editions)
        folders = list(available().values())
        with contextlib.suppress(EditionError):
            folders.append(find())  # the edition in use may be a folder without a name
        for path in folders:
            # One that cannot be read is as good as absent: what needs it says so.
            with contextlib.suppress(EditionError, KeyError):
                edition = Edition(path)
                editions.setdefault((edition.name, edition.content_hash), edition)
        frozen = versions.editions(versions.read(benchmark))
        return cls(editions, frozen, benchmark, _tables(tables or [], frozen), by_hand)

    def lacking(self, key: Key) -> dict[str, frozenset[str]]:
        """Return which galaxies of a frozen survey each source of pictures lacks, as maintainers found with theirs."""
        if key not in self.frozen:
            return {}
        path = versions.lacking_path(self.benchmark, self.frozen[key][0], key[0])
        if not path.is_file():
            return {}
        return {str(pictures): frozenset(map(str, names)) for pictures, names in read_json(path).items()}

    def edition(self, key: Key) -> Edition | None:
        """Return the edition of this name and content, None if this machine does not hold it."""
        return self.editions.get(key)

    def truth(self, key: Key) -> Truth | None:
        """Return the truth of the edition of this name and content, None if this machine does not hold it."""
        if key not in self._truths:
            found = self._read(key)
            if found is None:
                return None
            self._truths[key] = found
        return self._truths[key]

    def _read(self, key: Key) -> Truth | None:
        if key in self.frozen:
            version, frozen = self.frozen[key]
            if frozen.truth_sha256 is not None:
                return versions.read_truth(versions.truth_path(self.benchmark, version, key[0]), key[0], frozen)
            if key[0] in self.tables:
                return versions.read_challenge(self.tables[key[0]], key[0], frozen)
            if key not in self.editions:
                return self._read_kin(key, frozen)
        return Truth.of(self.editions[key]) if key in self.editions else None

    def _read_kin(self, key: Key, frozen: Frozen) -> Truth | None:
        """Return the truth of a frozen edition as another content of it on this machine holds it, None if none does."""
        for other in self.editions:
            if other[0] == key[0] and self.home(other) == key and (truth := self.truth(other)) is not None:
                return replace(
                    truth, title=frozen.title, content_hash=frozen.content_hash, split_hash=frozen.split_hash
                )
        return None

    def refused(self, key: Key, new: bool) -> str:
        """Say why results on this edition, ``new`` or standing there already, are not taken; empty if they are.

        An edition given by hand is always taken: it makes a board of one's own, unless its scored test galaxies are a
        frozen edition's, where the results belong (``home``).
        """
        if key in self.given or not self.frozen or (key in self.frozen and not (new and key in self.closed)):
            return ""
        now = ", ".join(f"{n} ({k[:12]})" for n, k in sorted(self.frozen) if (n, k) not in self.closed)
        if key in self.frozen:
            return f"version {self.frozen[key][0].version} of {key[0]} is closed; results are taken on: {now}."
        if key not in self.editions and any(name == key[0] for name, _ in self.frozen):
            return (
                f"{key[0]} with content {key[1][:12]} is no edition of the benchmark. If its scored test galaxies are "
                "the benchmark's, results are taken, but it is not on this machine: name its folder with --edition."
            )
        return (
            f"{key[0]} with content {key[1][:12]} is no edition of the benchmark; results are taken on: {now}. "
            "For a board of your own, name its folder with --edition."
        )

    def home(self, key: Key) -> Key | None:
        """Return the open frozen edition that results on this one belong to, None if there is none.

        It is the edition itself, or that of its name with the same scored test galaxies and votes: training galaxies
        may differ, as where somebody has the Kaggle files of gz2 in whole or in part. Where votes alone bind, it is the
        one that has all of its scored test galaxies with these votes, whatever the edition is called: pictures of a
        survey come from several sources, not every one of which has them all.
        """
        if key in self.frozen:
            return None if key in self.closed else key
        if key not in self.editions:
            return None
        for other, (_, frozen) in self.frozen.items():
            if other in self.closed or frozen.tree != self.editions[key].tree.name:
                continue
            if frozen.bound_by == "content" and other[0] != key[0]:
                continue
            try:
                truth = self.truth(key)
            except EditionError:  # none of its test galaxies is scored
                return None
            assert truth is not None
            if frozen.bound_by == "content" and versions.same_test(truth, frozen):
                return other
            if frozen.bound_by == "votes" and frozen.truth_sha256 is not None:
                whole = self.truth(other)
                if whole is not None and versions.part_of(truth, whole):
                    return other
        return None

    @property
    def closed(self) -> set[Key]:
        """The frozen editions of which a newer version of the benchmark has another content."""
        newest: dict[str, int] = {}
        for (name, _), (version, _) in self.frozen.items():
            newest[name] = max(newest.get(name, 0), int(version.version))
        return {key for key, (version, _) in self.frozen.items() if int(version.version) < newest[key[0]]}

    def known(self) -> list[Key]:
        """Return the editions whose truth may be on this machine, frozen ones first."""
        return list(dict.fromkeys([*self.frozen, *self.editions]))

    def missing(self, key: Key) -> str:
        """Say why there is no truth for these results and how to get it."""
        name, content = key
        if key in self.frozen and name == "gz2":
            return "needs the Kaggle file: pass --truth gz2=PATH of its training_solutions_rev1.csv."
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


def _tables(words: list[str], frozen: dict[Key, tuple[Version, Frozen]]) -> dict[str, Path]:
    tables = {}
    for word in words:
        name, _, path = word.partition("=")
        absent = {n for (n, _), (_, f) in frozen.items() if f.truth_sha256 is None}
        if not path or name not in absent:
            raise LeaderboardError(
                f"--truth {word}: give NAME=PATH; the truth is read from a file for {', '.join(sorted(absent))}."
            )
        tables[name] = Path(path).expanduser()
    return tables


def terms_of(key: Key, truths: Truths) -> Terms:
    """Return what an edition is and what may be done with it: the benchmark's word, else that of the edition here.

    Of one that is neither nothing may be passed on, and nothing is said of volunteers.
    """
    if key in truths.frozen:
        return truths.frozen[key][1].terms
    edition = truths.edition(key)
    return edition.terms if edition is not None else Terms(truth="likelihoods")


def title_of(key: Key, truths: Truths) -> str:
    """Return what an edition is called: the benchmark's word, else the edition's here; its name where it is neither."""
    if key in truths.frozen:
        return truths.frozen[key][1].title
    edition = truths.edition(key)
    return edition.title if edition is not None else key[0]


def tree_of(name: str, truths: Truths) -> Tree:
    """Return the tree an edition's predictions follow, also where the edition itself is not on this machine."""
    for (known, _), edition in truths.editions.items():
        if known == name:
            return edition.tree
    for (known, _), (_, frozen) in truths.frozen.items():
        if known == name:
            return TREES[frozen.tree]
    return GZ2 if name == "gz2" else GZD5

"""Images of a dataset of the Hugging Face Hub: which row of its shards is which galaxy, and shard by shard as parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.spatial import cKDTree

from galaxy_zoo_decals import addresses
from galaxy_zoo_decals.addresses import Config
from galaxy_zoo_decals.atomic import write_parquet
from galaxy_zoo_decals.image_files import Form
from galaxy_zoo_decals.sources import Part, hub_repository, hub_shard
from galaxy_zoo_decals.sources.hub_repository import Snapshot, Stored
from galaxy_zoo_decals.sources.record import SourceError
from galaxy_zoo_decals.splits import chord, directions

RADIUS = 1.0
"""Arcsec within which a row of the dataset is a galaxy of the catalogue."""

NEAR = 4
"""Entries of the catalogue within ``RADIUS`` that are looked at."""

SIDE = 424
"""Pixels a side of the images."""

CONFIGS = {"hub": "default", "hub-tiny": "tiny"}
"""What ``--images`` calls the configs of a dataset."""

LICENCE = "CC-BY-NC-SA-4.0"


@dataclass(frozen=True)
class Dataset:
    """A dataset of the Hub: its name there, what its configs were, and where the votes stand."""

    repository: str
    configs: Mapping[str, Config]
    columns: tuple[str, ...]
    """Columns of the votes that are compared, one an answer; those of the first question first."""
    first: int
    """How many of them are of the first question."""
    source: str
    """The source of ``prepare`` that has the same galaxies from elsewhere."""


@dataclass(frozen=True)
class HubImages:
    """The images of a config of a dataset, of some or all of its shards."""

    dataset: Dataset
    config: str
    folder: Path
    """Where shards are downloaded to."""
    votes: Callable[[], Votes]
    """The votes that rows are held against, with ``dataset.columns``."""
    table_sha256: Callable[[], str]
    """The sha256 of the file that holds them."""
    say: Callable[[str], object]
    shards: int | None = None
    """How many shards of the config are used; None is all of them."""
    anew: bool = False
    """Ask the Hub for today's revision, not for the one that an earlier run began with."""
    delete: bool = False
    """Remove each shard once its images are converted."""

    @cached_property
    def snapshot(self) -> Snapshot:
        """The dataset's files at the revision that an earlier run began with, else at today's."""
        pin = self.folder / f"{self.config}{hub_repository.PIN}"
        if self.anew:
            pin.unlink(missing_ok=True)
        found = hub_repository.pinned(pin, self.dataset.repository, self.config, self.say)
        if found.licence not in (addresses.HUB_LICENCE, None):
            raise SourceError(
                f"{found.repository}: its card states the licence {found.licence[:80]!r}, and {addresses.HUB_LICENCE} "
                "when this program was written, so the edition would claim the wrong one. Update galaxy-zoo-decals, "
                f"or take the images of Zenodo: `galaxy-zoo-decals prepare {self.dataset.source}`."
            )
        if found.licence is None:
            self.say(
                f"The card of {found.repository} states no licence; {LICENCE}, which it stated when this program was "
                "written, is taken to hold."
            )
        if self.shards is not None and self.shards > len(found.files):
            raise SourceError(
                f"--shards {self.shards}: {found.repository} has {len(found.files)} shards. Give at most so many, or "
                "leave --shards away."
            )
        return found

    @cached_property
    def chosen(self) -> tuple[Stored, ...]:
        """The shards that are used, in the order in which they are read."""
        files = self.snapshot.files
        return files if self.shards is None else tuple(files[i] for i in spread(len(files))[: self.shards])

    def look(self) -> None:
        """Ask what the Hub has before anything large is downloaded, and say how it differs from what was stated."""
        found, stated = self.snapshot, self.dataset.configs[self.config]
        if found.rows is not None and found.rows != stated.rows:
            self.say(
                f"{found.repository}, config {self.config}: its card states {found.rows:,} rows, where {stated.rows:,} "
                f"stood there in {stated.stated}. What is there now is taken; the edition names the revision."
            )

    def describe(self) -> dict[str, object]:
        """Return what edition.json says of the images."""
        return {
            "repository": self.snapshot.repository,
            "config": self.config,
            "revision": self.snapshot.revision,
            "shards": len(self.snapshot.files),
            "files": {file.path: file.sha256 for file in self.chosen},
        }

    def parts(self, work: Path, form: Form) -> Iterator[Part]:
        """Yield the images shard by shard; each is downloaded when it is its turn, unless its work is done."""
        for leftover in work.glob("*.images.arrow*"):  # of a run that was killed
            leftover.unlink()
        seen: set[str] = set()
        rows = 0
        for file in self.chosen:
            joined, read = self._joined(file, work)
            rows += read
            usable = joined[~joined["stranger"] & joined["problem"].isna()]
            images = work / f"{_slug(file)}.images.arrow"
            yield self._part(file, joined, images, form, seen)
            seen |= set(usable["name"])
            images.unlink(missing_ok=True)
            if self.delete:
                (self.folder / file.path).unlink(missing_ok=True)
        if self.shards is None and self.snapshot.rows not in (None, rows):
            self.say(f"The card of {self.snapshot.repository} states {self.snapshot.rows:,} rows; there were {rows:,}.")

    def _part(self, file: Stored, joined: pd.DataFrame, images: Path, form: Form, seen: set[str]) -> Part:
        strangers = joined[joined["stranger"]]
        galaxies = joined[~joined["stranger"]]
        again = galaxies["name"].isin(seen)
        why = dict(zip(strangers["name"], strangers["problem"]))
        why |= {n: f"an earlier shard has an image of {g}" for n, g in galaxies[again][["id", "name"]].values.tolist()}
        galaxies = galaxies[~again]
        bad = galaxies[galaxies["problem"].notna()]
        problems = dict(zip(bad["name"], bad["problem"]))
        good = galaxies[galaxies["problem"].isna()]
        wanted = dict(zip(good["row"].tolist(), good["name"]))
        identity = {
            name: f"{file.sha256[:32]} {row} {problems.get(name, '')}".rstrip()
            for name, row in zip(galaxies["name"], galaxies["row"].tolist())
        }

        def fetch() -> None:
            if not images.exists():
                hub_shard.extract(self._shard(file), self._called(file), wanted, images)

        return Part(
            Path(file.path).stem,
            identity,
            lambda names: hub_shard.ShardEncoder(images, {n: problems[n] for n in names if n in problems}, form, SIDE),
            fetch,
            why,
        )

    def _shard(self, file: Stored) -> Path:
        return hub_repository.fetch(self.snapshot, file, self.folder, self.say)

    def _called(self, file: Stored) -> str:
        return f"{file.path} of {self.snapshot.repository} (revision {self.snapshot.revision[:10]})"

    def _joined(self, file: Stored, work: Path) -> tuple[pd.DataFrame, int]:
        """Return which row of a shard is which galaxy, and how many rows it has; known from an earlier run or joined.

        What is known is kept in the work folder, so that a shard that was converted and removed is not asked for
        again.
        """
        index = work / f"{_slug(file)}.index.parquet"
        key = f"{self.snapshot.revision} {file.sha256} {self.table_sha256()} {RADIUS}"
        if index.is_file():
            table = pq.read_table(index)
            said = table.schema.metadata or {}
            if said.get(b"shard") == key.encode():
                return table.to_pandas(), int(said[b"rows"])
        rows = hub_shard.read_rows(self._shard(file), self._called(file), self.dataset.columns, self.dataset.first)
        joined = join(rows, self._known)
        self._report(file, rows, joined)
        table = pa.Table.from_pandas(joined, preserve_index=False)
        write_parquet(index, table.replace_schema_metadata({"shard": key, "rows": str(rows.total)}))
        return joined, rows.total

    def _report(self, file: Stored, rows: hub_shard.Rows, joined: pd.DataFrame) -> None:
        """Say what became of the rows of a shard; SourceError where nothing of it can be used."""
        strangers = int(joined["stranger"].sum())
        other = int((~joined["stranger"] & joined["problem"].notna()).sum())
        usable = len(joined) - strangers - other
        if not usable:
            example = f", as {joined['name'].iloc[0]}: {joined['problem'].iloc[0]}" if len(joined) else ""
            raise SourceError(
                f"{self._called(file)}: none of its {rows.total:,} rows has the place and the votes of a galaxy of "
                f"{self._known.survey} ({len(joined):,} have votes for {self.dataset.columns[0]!r}{example}). It "
                "is not the dataset that this program was written for: update galaxy-zoo-decals, or take the images of "
                "Zenodo."
            )
        left = ", ".join(f"{n:,} {what}" for n, what in ((other, "with other votes"), (strangers, "of no galaxy")) if n)
        self.say(
            f"{Path(file.path).name}: {rows.total:,} rows, {len(joined):,} of {self._known.survey}, {usable:,} usable"
            + (f"; left out: {left}." if left else ".")
        )

    @cached_property
    def _known(self) -> Votes:
        return self.votes()


def _slug(file: Stored) -> str:
    return file.path.replace("/", "-")


def spread(number: int) -> list[int]:
    """Return 0 to number - 1 in an order whose every beginning is spread over all of them: 0, middle, quarter, ..."""
    bits = max(number - 1, 1).bit_length()
    order = [int(f"{k:0{bits}b}"[::-1], 2) * number >> bits for k in range(2**bits)]
    return list(dict.fromkeys(order))


@dataclass(frozen=True)
class Votes:
    """The published votes as they stand in the file, and where the galaxies are."""

    names: np.ndarray
    """iauname, (n,)."""
    columns: tuple[str, ...]
    counts: np.ndarray
    """int32 (n, answers), 0 where the file has null: the answers themselves, before anything is masked."""
    places: cKDTree
    survey: str = "GZD-5"
    """What the galaxies are of."""
    origin: str = "Zenodo"
    """Whose counts these are."""

    @classmethod
    def read(cls, path: Path, columns: tuple[str, ...]) -> Votes:
        """Read the file of the votes, which has been checked before."""
        wanted = ["iauname", "ra", "dec", *columns]
        table = pd.read_parquet(path, columns=wanted) if path.suffix == ".parquet" else pd.read_csv(
            path, usecols=wanted, dtype={"iauname": str}
        )  # fmt: skip
        counts = np.column_stack([pd.to_numeric(table[c]).fillna(0).to_numpy(dtype=np.int32) for c in columns])
        places = cKDTree(directions(table["ra"].to_numpy(float), table["dec"].to_numpy(float)))
        return cls(table["iauname"].astype(str).to_numpy(object), columns, counts, places)


def join(rows: hub_shard.Rows, votes: Votes) -> pd.DataFrame:
    """Return one row for every row of a shard: ``name``, ``id``, ``row``, ``problem``, ``stranger``.

    A row is the nearest galaxy of the catalogue within ``RADIUS``; of several rows of one galaxy the nearest one
    is. ``name`` is then its iauname and ``problem`` null, or says which vote differs. A row of no galaxy is a
    ``stranger``: ``name`` is what the dataset calls it, unlike any other stranger's, and ``problem`` says why.
    """
    count = len(rows.numbers)
    known = np.isfinite(rows.ra) & np.isfinite(rows.dec) & (np.abs(rows.dec) <= 90)
    chords, partners = np.full(count, np.inf), np.full(count, len(votes.names))
    if known.any():
        chords[known], partners[known] = _partners(
            directions(rows.ra[known], rows.dec[known]), rows.counts[known], votes
        )
    names: list[str] = []
    problems: list[str | None] = []
    strangers = np.zeros(count, bool)
    nearest: dict[int, int] = {}
    for i in np.argsort(chords, kind="stable").tolist():
        if np.isfinite(chords[i]):
            nearest.setdefault(int(partners[i]), i)
    used = Counter[str]()
    for i in range(count):
        partner = int(partners[i])
        if np.isfinite(chords[i]) and nearest[partner] == i:
            names.append(str(votes.names[partner]))
            problems.append(_difference(votes, rows.counts[i], votes.counts[partner]))
            continue
        strangers[i] = True
        used[rows.ids[i]] += 1
        names.append(rows.ids[i] if used[rows.ids[i]] == 1 else f"{rows.ids[i]} (row {rows.numbers[i]})")
        if np.isfinite(chords[i]):
            problems.append(f"another row is nearer to {votes.names[partner]}")
        elif known[i]:
            problems.append(f"no galaxy of {votes.survey} within {RADIUS:g} arcsec")
        else:
            problems.append("it has no position")
    return pd.DataFrame(
        {
            "name": pd.array(names, dtype="str"),
            "id": pd.array(rows.ids, dtype="str"),
            "row": rows.numbers,
            "problem": pd.Series(problems, dtype=object),
            "stranger": strangers,
        }
    )


def _partners(places: np.ndarray, counts: np.ndarray, votes: Votes) -> tuple[np.ndarray, np.ndarray]:
    """Return how far the galaxy of each place is and which one: the nearest, of several the nearest of its counts.

    Several entries of a catalogue may be one galaxy, seen at other times and voted on anew.
    """
    chords, partners = votes.places.query(places, k=NEAR, distance_upper_bound=chord(RADIUS))
    chosen = np.zeros(len(places), int)
    for i in np.flatnonzero(np.isfinite(chords[:, 1])):
        of = partners[i][np.isfinite(chords[i])]
        same = (votes.counts[of] == counts[i]).all(axis=1)
        chosen[i] = int(same.argmax())
    rows = np.arange(len(places))
    return chords[rows, chosen], partners[rows, chosen]


def _difference(votes: Votes, theirs: np.ndarray, published: np.ndarray) -> str | None:
    differ = np.flatnonzero(theirs != published)
    if not len(differ):
        return None
    first = int(differ[0])
    more = f", and {len(differ) - 1} more" if len(differ) > 1 else ""
    stated, ours = f"{votes.columns[first]} {theirs[first]:g}", f"{votes.origin}'s {published[first]:g}"
    return f"the Hub's counts differ: {stated}, {ours}{more}"

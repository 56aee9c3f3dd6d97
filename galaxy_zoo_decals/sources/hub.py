"""Galaxy Zoo DECaLS 5 with images of the Hugging Face Hub: votes from Zenodo, images from the shards of gz_desi."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.spatial import cKDTree

from galaxy_zoo_decals import addresses
from galaxy_zoo_decals.conversion import write_whole
from galaxy_zoo_decals.download import BusyError, DownloadError
from galaxy_zoo_decals.pixels import Form
from galaxy_zoo_decals.sources import Part, hub_repository, hub_shard
from galaxy_zoo_decals.sources.folder import sha256
from galaxy_zoo_decals.sources.hub_repository import Snapshot, Stored
from galaxy_zoo_decals.sources.zenodo import SIDE, Downloaded, SourceError
from galaxy_zoo_decals.splits import chord, directions

CAMPAIGN = "dr5"
"""What the dataset calls GZD-5 in the names of its columns."""

RADIUS = 1.0
"""Arcsec within which a row of the dataset is a galaxy of the catalogue."""

CONFIGS = {"hub": "default", "hub-tiny": "tiny"}
"""What ``--images`` calls the configs of the dataset."""

LICENCE = "CC-BY-NC-SA-4.0"


@dataclass(frozen=True)
class FromHub(Downloaded):
    """The votes as ``Downloaded`` has them, and the images of a config of ``addresses.HUB_IMAGES``, shard by shard."""

    title: str = "Galaxy Zoo DECaLS 5, images of the Hub"
    licence: str = LICENCE
    citation: str = (
        "The images are those of the dataset mwalmsley/gz_desi of the Hugging Face Hub (arXiv:2404.02973), made from "
        "the DESI Legacy Imaging Surveys, CC-BY-NC-SA-4.0. The votes are CC-BY-4.0: cite Walmsley et al. 2022, MNRAS "
        "509, 3966 (doi:10.1093/mnras/stab2093), and the data release, doi:10.5281/zenodo.4573248."
    )
    credit: str = (
        "Image: mwalmsley/gz_desi, DESI Legacy Imaging Surveys, CC-BY-NC-SA-4.0; votes: Galaxy Zoo DECaLS, Walmsley "
        "et al. 2022, CC-BY-4.0"
    )
    pictures: str = "JPEG, Hub gz_desi"
    images_folder: Path = field(default=Path(), repr=False)
    """Where shards are downloaded to."""
    config: str = "default"
    shards: int | None = None
    """How many shards of the config are used; None is all of them."""
    anew: bool = False
    """Ask the Hub for today's revision, not for the one that an earlier run began with."""

    @cached_property
    def snapshot(self) -> Snapshot:
        """The dataset's files at the revision that an earlier run began with, else at today's."""
        pin = self.images_folder / f"{self.config}{hub_repository.PIN}"
        if self.anew:
            pin.unlink(missing_ok=True)
        found = hub_repository.pinned(pin, addresses.HUB_IMAGES, self.config, self.say)
        if found.licence not in (addresses.HUB_LICENCE, None):
            raise SourceError(
                f"{found.repository}: its card states the licence {found.licence[:80]!r}, and {addresses.HUB_LICENCE} "
                "when this program was written, so the edition would claim the wrong one. Update galaxy-zoo-decals, "
                "or take the images of Zenodo: `galaxy-zoo-decals prepare gzd5`."
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

    @cached_property
    def table(self) -> Path:
        """Return the file of the votes: from Zenodo, or from its mirror on the Hub where Zenodo does not answer."""
        votes = self.folder / addresses.VOTES[0].name
        if votes.is_file():  # verified when it took its name
            return votes
        try:
            return super().table
        except BusyError:  # that says nothing of Zenodo
            raise
        except DownloadError as error:
            self.say(f"{error} The votes are taken from their mirror on the Hub, {addresses.HUB_MIRROR}.")
            try:
                return hub_repository.mirrored_votes(self.folder, self.say)
            except BusyError:
                raise
            except DownloadError as second:
                raise DownloadError(f"the votes cannot be had. Zenodo: {error} The mirror: {second}") from None

    @cached_property
    def _table_sha256(self) -> str:
        return sha256(self.table)

    def look(self) -> None:
        """Ask what the Hub has before anything large is downloaded, and say how it differs from what was stated."""
        found, stated = self.snapshot, addresses.HUB_CONFIGS[self.config]
        if found.rows is not None and found.rows != stated.rows:
            self.say(
                f"{found.repository}, config {self.config}: its card states {found.rows:,} rows, where {stated.rows:,} "
                f"stood there in {stated.stated}. What is there now is taken; the edition names the revision."
            )

    def describe(self) -> dict[str, object]:
        """Return what edition.json says of this source."""
        found, chosen = self.snapshot, self.chosen
        some = "" if self.shards is None else (
            f" {len(chosen)} of its {len(found.files)} shards are in this edition."
        )  # fmt: skip
        return {
            "kind": "gzd5",
            "description": (
                "Galaxies of the DECaLS survey with the votes of Galaxy Zoo volunteers: the campaign GZD-5 of Galaxy "
                f"Zoo DECaLS. The votes are those of Zenodo record 4573248. The images are those of {found.repository} "
                f"on the Hugging Face Hub, config {self.config}, revision {found.revision}: made anew from a later "
                "data release of the same survey, so they show the same galaxies and fields, and are not the very "
                f"pixels that volunteers saw.{some} A galaxy is in this edition if the position and the votes of "
                "every answer agree in both."
            ),
            "doi": "10.5281/zenodo.4573248",
            "table_sha256": self._table_sha256,
            "images": {
                "repository": found.repository,
                "config": self.config,
                "revision": found.revision,
                "shards": len(found.files),
                "files": {file.path: file.sha256 for file in chosen},
            },
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
            if self.delete_archives:
                (self.images_folder / file.path).unlink(missing_ok=True)
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
        return hub_repository.fetch(self.snapshot, file, self.images_folder, self.say)

    def _called(self, file: Stored) -> str:
        return f"{file.path} of {self.snapshot.repository} (revision {self.snapshot.revision[:10]})"

    def _joined(self, file: Stored, work: Path) -> tuple[pd.DataFrame, int]:
        """Return which row of a shard is which galaxy, and how many rows it has; known from an earlier run or joined.

        What is known is kept in the work folder, so that a shard that was converted and removed is not asked for
        again.
        """
        index = work / f"{_slug(file)}.index.parquet"
        key = f"{self.snapshot.revision} {file.sha256} {self._table_sha256} {RADIUS}"
        if index.is_file():
            table = pq.read_table(index)
            said = table.schema.metadata or {}
            if said.get(b"shard") == key.encode():
                return table.to_pandas(), int(said[b"rows"])
        rows = hub_shard.read_rows(self._shard(file), self._called(file), self.tree, CAMPAIGN)
        joined = join(rows, self._votes)
        self._report(file, rows, joined)
        table = pa.Table.from_pandas(joined, preserve_index=False)
        write_whole(table.replace_schema_metadata({"shard": key, "rows": str(rows.total)}), index)
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
                f"GZD-5 ({len(joined):,} have votes for {hub_shard.columns_of(self.tree, CAMPAIGN)[0]!r}{example}). It "
                "is not the dataset that this program was written for: update galaxy-zoo-decals, or take the images of "
                "Zenodo."
            )
        left = ", ".join(f"{n:,} {what}" for n, what in ((other, "with other votes"), (strangers, "of no galaxy")) if n)
        self.say(
            f"{Path(file.path).name}: {rows.total:,} rows, {len(joined):,} of GZD-5, {usable:,} usable"
            + (f"; left out: {left}." if left else ".")
        )

    @cached_property
    def _votes(self) -> Votes:
        return Votes.read(self.table, self.tree.answer_columns)


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
        chords[known], partners[known] = votes.places.query(
            directions(rows.ra[known], rows.dec[known]), distance_upper_bound=chord(RADIUS)
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
            problems.append(_difference(votes.columns, rows.counts[i], votes.counts[partner]))
            continue
        strangers[i] = True
        used[rows.ids[i]] += 1
        names.append(rows.ids[i] if used[rows.ids[i]] == 1 else f"{rows.ids[i]} (row {rows.numbers[i]})")
        if np.isfinite(chords[i]):
            problems.append(f"another row is nearer to {votes.names[partner]}")
        elif known[i]:
            problems.append(f"no galaxy of GZD-5 within {RADIUS:g} arcsec")
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


def _difference(columns: tuple[str, ...], theirs: np.ndarray, published: np.ndarray) -> str | None:
    differ = np.flatnonzero(theirs != published)
    if not len(differ):
        return None
    first = int(differ[0])
    more = f", and {len(differ) - 1} more" if len(differ) > 1 else ""
    return f"the Hub's counts differ: {columns[first]} {theirs[first]:g}, Zenodo's {published[first]:g}{more}"

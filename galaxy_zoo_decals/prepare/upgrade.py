"""An edition of an older format in today's: its columns are written anew from its own votes and images."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from galaxy_zoo_decals.atomic import sync_tree
from galaxy_zoo_decals.edition import Edition, EditionError
from galaxy_zoo_decals.image_files import Form
from galaxy_zoo_decals.prepare.builder import FORMAT
from galaxy_zoo_decals.prepare.card import card
from galaxy_zoo_decals.prepare.cleaning import Rules
from galaxy_zoo_decals.prepare.conversion import Converted
from galaxy_zoo_decals.prepare.edition_columns import edition_features, flag
from galaxy_zoo_decals.prepare.hashes import hashes
from galaxy_zoo_decals.prepare.placement import alone, check_target, done, put_in_place
from galaxy_zoo_decals.prepare.shards import ROW_GROUP, write_shards
from galaxy_zoo_decals.schema import VIEWS
from galaxy_zoo_decals.sources.catalogue import METADATA

OLDER = ("1.1",)
"""Formats that hold all that today's is made of."""


@dataclass
class _Shards(Converted):
    """The images of a split as its shards hold them."""

    shards: list[Path] = field(default_factory=list)

    def images(self) -> Iterator[tuple[str, bytes]]:
        """Yield (iauname, image file) by name, a row group in memory at a time."""
        for shard in self.shards:
            for batch in pq.ParquetFile(shard).iter_batches(columns=["iauname", "image"], batch_size=ROW_GROUP):
                for name, image in zip(batch["iauname"].to_pylist(), batch["image"].to_pylist()):
                    yield name, image["bytes"]


def is_older(edition: Edition) -> bool:
    """Return whether an edition has an older format that ``upgrade`` can write anew."""
    return edition.facts.get("version") in OLDER


def upgrade(path: Path) -> None:
    """Put an edition of an older format into today's, in its place; nothing is downloaded.

    Galaxies, splits, votes, images and all hashes stay. The old edition stays whole until the new one replaces it.
    Raises EditionError if the format is none of ``OLDER``, or if the shards are not those that edition.json hashes.
    """
    edition = Edition(path)
    if not is_older(edition):
        raise EditionError(
            f"{path} has format {edition.facts.get('version')}; only {', '.join(OLDER)} is written anew as {FORMAT}."
        )
    with alone(path):
        put_in_place(path)
        check_target(path)
        work = path.with_name(path.name + ".upgrade")
        shutil.rmtree(work, ignore_errors=True)
        try:
            write_anew(edition, work / "edition")
            sync_tree(work / "edition")
            work.rename(done(path))
        finally:
            shutil.rmtree(work, ignore_errors=True)
        put_in_place(path)


def write_anew(edition: Edition, fresh: Path) -> None:
    """Write an edition with today's columns into the folder ``fresh``."""
    facts: dict[str, Any] = edition.facts
    extra = tuple(facts["extra_columns"])
    # An older version of the package may have had rules that are none today.
    known = {rule.name for rule in fields(Rules)}
    rules = Rules(**{name: value for name, value in facts["cleaning"]["rules"].items() if name in known})
    form = Form(facts["image_size"], facts["image_quality"] or 0, facts["image_quality"] is None)
    columns = ["iauname", "scored", "split", *METADATA, *edition.tree.vote_columns, *extra, *map(flag, VIEWS)]
    catalogue = pd.concat([edition.table(split, columns) for split in edition.splits], ignore_index=True)
    images: dict[str, Converted] = {split: _Shards(shards=edition.shards(split)) for split in edition.splits}
    fresh.mkdir(parents=True)
    found = write_shards(edition.tree, extra, catalogue, rules, form, images, fresh)
    ordered = catalogue.sort_values("iauname", ignore_index=True)
    for name, value in hashes(edition.tree, extra, ordered, found).items():
        if facts.get(name) != value:
            raise EditionError(
                f"{edition.path}: its shards are not those it was made with ({name} {value[:12]}, in edition.json "
                f"{str(facts.get(name))[:12]}), so they are not written anew. Nothing was changed; prepare it again."
            )
    facts = facts | {"version": FORMAT}
    (fresh / "edition.json").write_text(json.dumps(facts, indent=1) + "\n")
    (fresh / "README.md").write_text(card(facts, edition_features(edition.tree, extra)))

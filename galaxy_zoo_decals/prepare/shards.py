"""The Parquet shards of an edition, written through datasets so that they carry its features."""

from __future__ import annotations

import hashlib
import itertools
import shutil
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pyarrow as pa

from galaxy_zoo_decals import image_files
from galaxy_zoo_decals.edition import EditionError
from galaxy_zoo_decals.prepare.cleaning import Rules
from galaxy_zoo_decals.prepare.conversion import Converted
from galaxy_zoo_decals.prepare.edition_columns import (
    edition_features,
    to_arrow,
    view_labels,
)
from galaxy_zoo_decals.schema import SPLITS, Tree

ROW_GROUP = 100
"""Rows a Parquet row group: so many are decoded at a time, a megabyte or two of images."""


BLOCK = 4000
"""Galaxies whose labels are made at a time."""


SHARD = "50MB"
"""Who streams waits for a whole shard before the first row and holds it in memory: pyarrow reads it ahead."""


ORIGINAL_SHARD = "250MB"
"""The same where files are kept as they came: 80 GB in smaller shards would be thousands of files."""


class EditionBuilder(datasets.ArrowBasedBuilder):
    """Writes the shards of one edition through datasets, so that they carry its features (Image, ClassLabel).

    Arrow tables instead of examples: encoding 253,286 rows of some hundred columns one by one takes minutes.
    """

    DEFAULT_WRITER_BATCH_SIZE = ROW_GROUP

    def __init__(
        self,
        work: Path,
        tree: Tree,
        extra: tuple[str, ...],
        catalogue: pd.DataFrame,
        rules: Rules,
        converted: dict[str, Converted],
    ) -> None:
        self.features = edition_features(tree, extra)
        self.tree, self.catalogue, self.rules = tree, catalogue, rules
        self.converted = converted
        self.image_hashes: dict[str, str] = {}
        super().__init__(cache_dir=str(work / "datasets"), dataset_name="edition")

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(features=self.features)

    def _split_generators(self, dl_manager: object) -> list[datasets.SplitGenerator]:
        return [datasets.SplitGenerator(name=split, gen_kwargs={"split": split}) for split in there(self.catalogue)]

    def _generate_tables(self, split: str) -> Iterator[tuple[object, pa.Table]]:
        rows = self.catalogue[self.catalogue["split"] == split].reset_index(drop=True)
        images = self.converted[split].images()
        for start in range(0, len(rows), BLOCK):
            block = rows.iloc[start : start + BLOCK]
            labels = view_labels(self.tree, block, self.rules.debiased)
            for i in range(0, len(block), ROW_GROUP):
                group = slice(i, i + ROW_GROUP)
                yield datasets.builder.Key(0, start + i), self._table(block.iloc[group], labels.iloc[group], images)

    def _table(self, rows: pd.DataFrame, labels: pd.DataFrame, images: Iterator[tuple[str, bytes]]) -> pa.Table:
        found = list(itertools.islice(images, len(rows)))
        if [name for name, _ in found] != rows["iauname"].tolist():
            raise EditionError("images and catalogue rows are out of step; remove the .partial folder and retry.")
        self.image_hashes |= {name: hashlib.sha256(data).hexdigest() for name, data in found}
        stored = [{"bytes": data, "path": f"{name}.{image_files.suffix(data)}"} for name, data in found]
        schema = self.features.arrow_schema
        columns = {}
        for part in schema:
            if part.name == "image":
                columns[part.name] = pa.array(stored, part.type)
            else:
                columns[part.name] = to_arrow((labels if part.name in labels else rows)[part.name], part.type)
        return pa.table(columns, schema=schema)


def there(catalogue: pd.DataFrame) -> list[str]:
    """Return the splits that have galaxies, in their order."""
    return [split for split in SPLITS if (catalogue["split"] == split).any()]


@contextmanager
def _unlocked(folder: Path) -> Iterator[None]:
    """Let `datasets` lock nothing below a folder that is this process's alone: not every file system has locks."""
    stock = datasets.builder.FileLock

    def lock(path: str, *arguments: Any, **named: Any) -> AbstractContextManager[Any]:
        return nullcontext() if Path(path).is_relative_to(folder) else stock(path, *arguments, **named)

    datasets.builder.FileLock = lock
    try:
        yield
    finally:
        datasets.builder.FileLock = stock


def write_shards(
    tree: Tree,
    extra: tuple[str, ...],
    catalogue: pd.DataFrame,
    rules: Rules,
    form: image_files.Form,
    converted: dict[str, Converted],
    fresh: Path,
) -> dict[str, str]:
    """Write data/<split>-00000-of-0000N.parquet and return the sha256 of every image."""
    shards = fresh.parent / "shards"
    shutil.rmtree(shards, ignore_errors=True)
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    size = ORIGINAL_SHARD if form.original else SHARD
    with _unlocked(fresh.parent):
        builder = EditionBuilder(fresh.parent, tree, extra, catalogue, rules, converted)
        builder.download_and_prepare(str(shards), file_format="parquet", max_shard_size=size)
    (fresh / "data").mkdir(parents=True)
    for split in there(catalogue):
        parts = sorted(shards.glob(f"*-{split}*.parquet"))
        for i, part in enumerate(parts):
            part.rename(fresh / "data" / f"{split}-{i:05d}-of-{len(parts):05d}.parquet")
    shutil.rmtree(shards)
    return builder.image_hashes

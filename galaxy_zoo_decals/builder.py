"""A source becomes an edition: catalogue, splits, cleaning, images, Parquet shards, card; whole or not at all."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa

from galaxy_zoo_decals import cleaning, conversion, pixels
from galaxy_zoo_decals.card import card
from galaxy_zoo_decals.conversion import Converted
from galaxy_zoo_decals.edition import EditionError, digest, is_edition
from galaxy_zoo_decals.features import edition_features, flag, view_labels
from galaxy_zoo_decals.schema import SPLITS, VIEWS, Tree
from galaxy_zoo_decals.sources import MISSING, Source

FORMAT = "1.0"
"""Version of the edition format; a change of columns raises it."""

ROW_GROUP = 100
"""Rows a Parquet row group: streaming fetches one at a time, a megabyte or two of images."""

SHARD = "250MB"

PARTS = ("README.md", "edition.json", "data")
"""All that an edition's folder holds."""


def build(
    source: Source,
    out: Path,
    *,
    name: str,
    size: int = pixels.SIZE,
    quality: int = pixels.QUALITY,
    min_votes: int = cleaning.MIN_VOTES,
    keep_wrong_size: bool = False,
    processes: int = 1,
) -> cleaning.Report:
    """Build the edition ``name`` in ``out`` and return the cleaning report.

    Work goes on in ``out``.partial, which an interrupted run leaves behind for the next one; an edition that lies
    in ``out`` stays whole until the new one replaces it. Raises EditionError if ``out`` holds anything else.
    """
    _restore(out)
    check_target(out)
    work = out.with_name(out.name + ".partial")
    work.mkdir(parents=True, exist_ok=True)
    try:
        catalogue = source.catalogue(work, processes)
    except Exception:
        if not any(work.iterdir()):  # a source that was refused leaves no trace
            work.rmdir()
        raise
    catalogue["split"] = source.split(catalogue)
    catalogue["scored"] = (source.scored(catalogue) & (catalogue["split"] != "train")).astype(bool)
    catalogue = catalogue.sort_values("iauname", ignore_index=True)
    unlisted = source.unlisted_images(catalogue)
    catalogue, report = cleaning.clean(catalogue, min_votes, keep_wrong_size)
    report.unlisted_images = unlisted
    converted = {
        split: conversion.convert(
            source, list(catalogue["iauname"][catalogue["split"] == split]), work, size, quality, processes
        )
        for split in SPLITS
    }
    catalogue = _drop_without_image(catalogue, report, converted)
    for split in SPLITS:
        if not (catalogue["split"] == split).any():
            lost = sum(step.removed for step in report.steps if "image" in step.name)
            why = f"{lost:,} galaxies have no usable image" if lost else "the source is too small for an edition"
            raise EditionError(f"no galaxy is left for the {split} split: {why}.")
    catalogue = pd.concat([catalogue, view_labels(source.tree, catalogue)], axis=1)
    report.scored = int((catalogue["scored"] & (catalogue["split"] == "test")).sum())
    report.views = {view: int(catalogue[flag(view)].sum()) for view in VIEWS}

    fresh = work / "edition"
    shutil.rmtree(fresh, ignore_errors=True)
    image_hashes = _write_shards(source, catalogue, converted, fresh)
    facts = _facts(source, name, size, quality, catalogue, report, image_hashes)
    features = edition_features(source.tree, source.extra_columns)
    (fresh / "edition.json").write_text(json.dumps(facts, indent=1) + "\n")
    (fresh / "README.md").write_text(card(facts, features))
    _replace(fresh, out)
    shutil.rmtree(work, ignore_errors=True)
    return report


def check_target(out: Path) -> None:
    """Raise EditionError unless ``out`` is free, empty, or an edition and nothing else."""
    if not out.exists():
        return
    if not out.is_dir():
        raise EditionError(f"{out} is a file; an edition is a folder. Choose another --out.")
    inside = {p.name for p in out.iterdir()}
    if inside and not (is_edition(out) and inside <= set(PARTS)):
        other = sorted(inside - set(PARTS))[:3] or sorted(inside)[:3]
        raise EditionError(
            f"{out} exists and is not an edition (it holds {', '.join(other)}); nothing in it was touched. "
            "Choose another --out, or remove the folder."
        )


class EditionBuilder(datasets.ArrowBasedBuilder):
    """Writes the shards of one edition through datasets, so that they carry its features (Image, ClassLabel).

    Arrow tables instead of examples: encoding 253,286 rows of some hundred columns one by one takes minutes.
    """

    DEFAULT_WRITER_BATCH_SIZE = ROW_GROUP

    def __init__(self, work: Path, source: Source, catalogue: pd.DataFrame, converted: dict[str, Converted]) -> None:
        self.features = edition_features(source.tree, source.extra_columns)
        self.catalogue, self.converted = catalogue, converted
        self.image_hashes: dict[str, str] = {}
        super().__init__(cache_dir=str(work / "datasets"), dataset_name="edition")

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(features=self.features)

    def _split_generators(self, dl_manager: object) -> list[datasets.SplitGenerator]:
        return [datasets.SplitGenerator(name=split, gen_kwargs={"split": split}) for split in SPLITS]

    def _generate_tables(self, split: str) -> Iterator[tuple[object, pa.Table]]:
        rows = self.catalogue[self.catalogue["split"] == split].reset_index(drop=True)
        names = rows["iauname"].tolist()
        images = self.converted[split].images()
        for start in range(0, len(rows), ROW_GROUP):
            part = rows.iloc[start : start + ROW_GROUP]
            found = [next(images) for _ in range(len(part))]
            if [name for name, _ in found] != names[start : start + ROW_GROUP]:
                raise EditionError("images and catalogue rows are out of step; remove the .partial folder and retry.")
            images_column = [{"bytes": data, "path": f"{name}.jpg"} for name, data in found]
            self.image_hashes |= {name: hashlib.sha256(data).hexdigest() for name, data in found}
            schema = self.features.arrow_schema
            columns = {
                field.name: pa.array(images_column, field.type)
                if field.name == "image"
                else _array(part[field.name], field.type)
                for field in schema
            }
            yield datasets.builder.Key(0, start), pa.table(columns, schema=schema)


def _array(values: pd.Series, kind: pa.DataType) -> pa.Array:
    """Return a column as Arrow; missing metadata (pandas NA) becomes null, NaN labels stay NaN."""
    if pa.types.is_nested(kind):
        return pa.array(values.tolist(), kind)
    missing = values.isna().to_numpy() if values.name in _NULLABLE else None
    if missing is not None and missing.any():
        return pa.array([None if gone else v for v, gone in zip(values, missing)], kind)
    return pa.array(values.to_numpy(), kind)


_NULLABLE = frozenset(
    {"redshift", "mag_r", "petro_th50", "petro_th90", "petro_theta", "ra", "dec", "upload_group", "random_selection"}
)


def _drop_without_image(
    catalogue: pd.DataFrame, report: cleaning.Report, converted: dict[str, Converted]
) -> pd.DataFrame:
    problems = {name: str(error) for part in converted.values() for name, error in part.problems.items()}
    for title, reason, names in (
        ("no image", "the votes have no image file", [n for n, p in problems.items() if p == MISSING]),
        ("unreadable image", "the image file is damaged", [n for n, p in problems.items() if p != MISSING]),
    ):
        examples = {} if title == "no image" else {n: problems[n] for n in sorted(names)[: cleaning.NAMED]}
        report.add(title, reason, len(names), examples)
    return catalogue[~catalogue["iauname"].isin(problems)].reset_index(drop=True)


def _write_shards(
    source: Source, catalogue: pd.DataFrame, converted: dict[str, Converted], fresh: Path
) -> dict[str, str]:
    """Write data/<split>-00000-of-0000N.parquet and return the sha256 of every image."""
    builder = EditionBuilder(fresh.parent, source, catalogue, converted)
    shards = fresh.parent / "shards"
    shutil.rmtree(shards, ignore_errors=True)
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    builder.download_and_prepare(str(shards), file_format="parquet", max_shard_size=SHARD)
    (fresh / "data").mkdir(parents=True)
    for split in SPLITS:
        parts = sorted(shards.glob(f"*-{split}*.parquet"))
        for i, part in enumerate(parts):
            part.rename(fresh / "data" / f"{split}-{i:05d}-of-{len(parts):05d}.parquet")
    shutil.rmtree(shards)
    return builder.image_hashes


def _facts(
    source: Source,
    name: str,
    size: int,
    quality: int,
    catalogue: pd.DataFrame,
    report: cleaning.Report,
    image_hashes: dict[str, str],
) -> dict[str, object]:
    """Return the content of edition.json: no time, host or path, so that equal editions are equal files."""
    counts = {}
    for split in SPLITS:
        rows = catalogue[catalogue["split"] == split]
        counts[split] = {
            "galaxies": len(rows),
            "scored": int(rows["scored"].sum()),
            **{view: int(rows[flag(view)].sum()) for view in VIEWS},
        }
    order = catalogue["iauname"][catalogue["scored"] & (catalogue["split"] == "test")]
    return {
        "name": name,
        "title": source.title,
        "version": FORMAT,
        "tree": source.tree.name,
        "licence": source.licence,
        "citation": source.citation,
        "source": source.describe(),
        "image_size": size,
        "image_quality": quality,
        "extra_columns": list(source.extra_columns),
        "cleaning": report.to_json(),
        "counts": counts,
        "content_hash": content_hash(source.tree, catalogue),
        "split_hash": digest([f"{n} {s}" for n, s in zip(catalogue["iauname"], catalogue["split"])]),
        "scored_order_hash": digest(list(order)),
        "image_hash": digest([f"{n} {image_hashes[n]}" for n in catalogue["iauname"]]),
    }


def content_hash(tree: Tree, catalogue: pd.DataFrame) -> str:
    """Return the hash that results are bound to: tree, names, splits, scored flags and votes, in iauname order.

    Pixels have a hash of their own: those of a simulation may differ by one level between machines, while votes
    and labels, which all derive from them, may not.
    """
    votes = catalogue[list(tree.vote_columns)].to_numpy(dtype=np.int64)
    heads = zip(catalogue["iauname"], catalogue["split"], catalogue["scored"])
    lines = [f"{n} {s} {int(k)} {' '.join(map(str, row))}" for (n, s, k), row in zip(heads, votes.tolist())]
    return digest([tree.name, " ".join(tree.vote_columns), *lines])


def _old(out: Path) -> Path:
    return out.with_name(out.name + ".old")


def _restore(out: Path) -> None:
    """Bring the old edition back if a run was killed between the two renames of ``_replace``."""
    if _old(out).exists() and not out.exists():
        _old(out).rename(out)


def _replace(fresh: Path, out: Path) -> None:
    """Put the new edition in the place of the old one; the old one is removed last."""
    old = _old(out)
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh.rename(out)
    shutil.rmtree(old, ignore_errors=True)

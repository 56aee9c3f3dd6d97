"""Vote catalogues as tables: the published ones, those of editions and those in files, without any image."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from galaxy_zoo_decals import views
from galaxy_zoo_decals.edition import NAMES, Edition, EditionError, available, downloads, expanded, is_edition
from galaxy_zoo_decals.errors import failure
from galaxy_zoo_decals.schema import GZ2, GZD5, Tree
from galaxy_zoo_decals.sources import catalogue as catalogues
from galaxy_zoo_decals.sources import galaxyzoo2, hart16, zenodo
from galaxy_zoo_decals.sources.download import DownloadError
from galaxy_zoo_decals.sources.record import SourceError

PUBLISHED = ("gzd5", "galaxyzoo2")
"""Names that mean the whole published table; it is downloaded once."""

ENDINGS = (".csv", ".parquet", ".gz", ".fits", ".fit", ".vot", ".xml", ".ecsv", ".tsv", ".txt")
"""How names of files of votes end: what ends so and is not there is a missing file, not an unknown edition."""


def fraction(column: str) -> str:
    """Return the name of the column that holds an answer's vote fraction, as the published table spells it."""
    return f"{column}_fraction"


def read(name: str | os.PathLike[str]) -> pd.DataFrame:
    """Return a vote catalogue: "gzd5" or "galaxyzoo2", an edition by name or folder, or a file of votes.

    See ``galaxy_zoo_decals.catalogue``.
    """
    if not isinstance(name, (str, os.PathLike)):
        raise catalogues.CatalogueError(
            'a catalogue is given by a name ("gzd5", "sample") or by the path of a file; this is of the type '
            f"{type(name).__name__}."
        )
    text = os.fspath(name)
    if re.match(r"[a-z][a-z0-9+.-]+://", text, re.IGNORECASE):
        raise catalogues.CatalogueError(f"{text[:200]}: an address. Download the file and give its path.")
    try:
        return _read(text)
    except OSError as error:  # no access, a name that no file system takes, a full disk
        raise catalogues.CatalogueError(failure(error)) from None


def _read(text: str) -> pd.DataFrame:
    if text == "gzd5":
        return _gzd5()
    if text == "galaxyzoo2":
        return _galaxy_zoo_2()
    path = expanded(text)
    if text.lower() in PUBLISHED and text not in available():
        return _read(text.lower())
    if text not in available() and not is_edition(path):
        if path.is_file():
            return _of_file(path)
        if text not in NAMES and (path.suffix.lower() in ENDINGS or len(path.parts) > 1) and not path.is_dir():
            raise catalogues.CatalogueError(f"{path}: there is no such file or folder.")
    try:
        edition = Edition.open(text)
    except EditionError as error:
        raise EditionError(
            f'{error} The whole published tables are "gzd5" and "galaxyzoo2"; a file of votes is given by its path.'
        ) from None
    return _of_edition(edition)


def _gzd5() -> pd.DataFrame:
    source = zenodo.Downloaded(folder=downloads("4573248"), record=zenodo.RECORD)
    path = _fetched(source)
    rows = catalogues.read(path)
    have = {*rows.columns, *map(fraction, GZD5.answer_columns)}
    others = [c for c in _columns_of(path) if c not in have]  # absolute magnitude, debiased fractions, groups
    read_others = pd.read_parquet(path, columns=others) if path.suffix == ".parquet" else _csv_columns(path, others)
    return _finished(
        pd.concat([rows, read_others.set_axis(rows.index, axis=0)], axis=1), GZD5,
        {"title": source.title, "tree": GZD5.name, "truth": source.truth, "licence": source.licence,
         "citation": source.citation},
    )  # fmt: skip


def _galaxy_zoo_2() -> pd.DataFrame:
    source = galaxyzoo2.Downloaded(folder=downloads("3565489"), votes=galaxyzoo2.addresses.GALAXY_ZOO_2_VOTES)
    return _of_hart(_fetched(source))


def _of_hart(path: Path) -> pd.DataFrame:
    facts = {"title": galaxyzoo2.Published.title, "tree": GZ2.name, "truth": "counts", "licence": "other"}
    return _finished(hart16.read(path).rows, GZ2, facts | {"citation": galaxyzoo2.CITATION})


def _fetched(source: zenodo.Downloaded | galaxyzoo2.Downloaded) -> Path:
    """Return the file of the votes of a source, downloading it if it is not there."""
    try:
        return source.table
    except (DownloadError, SourceError) as error:
        names = zenodo.TABLES if isinstance(source, zenodo.Downloaded) else hart16.NAMES
        raise SourceError(
            f"{error} A {names[0]} that you have may lie in {source.folder}; `galaxy-zoo-decals doctor` tests the "
            'addresses. Without a network: galaxy_zoo_decals.catalogue("sample").'
        ) from None


def _of_file(path: Path) -> pd.DataFrame:
    if path.name in hart16.NAMES:
        return _of_hart(path)
    return _finished(catalogues.read(path), GZD5, {"title": path.name, "tree": GZD5.name, "truth": "counts"})


def _of_edition(edition: Edition) -> pd.DataFrame:
    tree, facts = edition.tree, edition.facts
    present = set(pq.read_schema(edition.shards(edition.splits[0])[0]).names)
    extra = [str(column) for column in facts["extra_columns"]]  # type: ignore[attr-defined]
    wanted = ["iauname", *catalogues.METADATA, "split", "scored", *tree.vote_columns, *extra]
    columns = [column for column in dict.fromkeys(wanted) if column in present]
    rows = pd.concat([edition.table(split, columns) for split in edition.splits], ignore_index=True)
    terms = edition.terms
    told = {"title": edition.title, "tree": tree.name, "truth": terms.truth, "licence": terms.licence}
    return _finished(rows, tree, told | {"simulated": terms.simulated, "credit": terms.credit})


def _finished(rows: pd.DataFrame, tree: Tree, facts: Mapping[str, object]) -> pd.DataFrame:
    """Return rows with fractions beside the votes, in the order of the published table, without empty columns."""
    fractions = views.fractions(tree, rows[list(tree.answer_columns)].to_numpy(dtype=np.int64))
    computed = pd.DataFrame(fractions, columns=[fraction(c) for c in tree.answer_columns], index=rows.index)
    lacking = [c for c in catalogues.METADATA if c in rows and rows[c].isna().all()]
    table = pd.concat([rows.drop(columns=lacking), computed], axis=1)
    for column in table.select_dtypes("boolean"):
        if not table[column].isna().any():
            table[column] = table[column].astype(bool)
    votes: list[str] = []
    for q in tree.questions:
        votes += [q.total, q.published, q.lost]
        for column in q.columns:
            votes += [name for name in table.columns if name == column or name.startswith(f"{column}_")]
    votes = [column for column in dict.fromkeys(votes) if column in table]
    first = [c for c in ("iauname", *catalogues.METADATA) if c in table]
    between = [c for c in table.columns if c not in {*first, *votes}]
    table = table[[*first, *between, *votes]].copy()
    table.attrs.update(facts)
    return table


def _columns_of(path: Path) -> list[str]:
    if path.suffix == ".parquet":
        return list(pq.read_schema(path).names)
    return list(pd.read_csv(path, nrows=0).columns)


def _csv_columns(path: Path, columns: list[str]) -> pd.DataFrame:
    return pd.read_csv(path, usecols=columns)

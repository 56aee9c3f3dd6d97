"""The hashes that say which edition it is: of votes, metadata, splits, scored galaxies and images."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from galaxy_zoo_decals.edition import Edition, EditionError, digest
from galaxy_zoo_decals.schema import Tree


def split_hash(catalogue: pd.DataFrame) -> str:
    """Return the hash of which galaxy is in which split, in iauname order."""
    return digest([f"{n} {s}" for n, s in zip(catalogue["iauname"], catalogue["split"])])


def content_hash(tree: Tree, catalogue: pd.DataFrame) -> str:
    """Return the hash that results are bound to: tree, names, splits, scored flags and votes, in iauname order.

    Pixels have a hash of their own: those of a simulation may differ by one level between machines, while votes
    and labels, which all derive from them, may not.
    """
    votes = catalogue[list(tree.vote_columns)].to_numpy(dtype=np.int64)
    heads = zip(catalogue["iauname"], catalogue["split"], catalogue["scored"])
    lines = [f"{n} {s} {int(k)} {' '.join(map(str, row))}" for (n, s, k), row in zip(heads, votes.tolist())]
    return digest([tree.name, " ".join(tree.vote_columns), *lines])


def check_content(edition: Edition) -> None:
    """Raise EditionError unless an edition's names, splits, flags and votes are those that its hash was made of.

    Scores and trainings are bound to that hash. A quarter of a million galaxies take some seconds, once a process.
    """
    files = [shard for split in edition.splits for shard in edition.shards(split)]
    stamps = tuple((str(path), *(path.stat().st_size, path.stat().st_mtime_ns)) for path in files)
    try:
        found = _content_of(edition.path, edition.tree, stamps)
    except (pa.ArrowException, OSError, KeyError) as error:
        damaged = "its end is not as it was written, or the disk does not answer"
        said = damaged if isinstance(error, OSError) else str(error).split(". ")[0]
        raise EditionError(f"{edition.path}: a shard cannot be read ({said}); prepare the edition again.") from None
    if found != edition.content_hash:
        raise EditionError(
            f"{edition.path}: its votes, names or splits are not those it was made with (content "
            f"{edition.content_hash[:12]} in edition.json), so nothing is scored or trained on it. `galaxy-zoo-decals "
            "check` says more; prepare the edition again."
        )


@lru_cache(maxsize=16)
def _content_of(path: Path, tree: Tree, stamps: tuple[tuple[str, int, int], ...]) -> str:
    """Return the content hash of the files of an edition; the stamps of its files tell when to look again."""
    edition, columns = Edition(path), ["iauname", "scored", *tree.vote_columns]
    tables = [edition.table(split, columns).assign(split=split) for split in edition.splits]
    return content_hash(tree, pd.concat(tables, ignore_index=True).sort_values("iauname", ignore_index=True))

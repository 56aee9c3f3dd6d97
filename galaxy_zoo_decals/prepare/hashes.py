"""All hashes of an edition that is being made or looked over: those that results are bound to, metadata and images."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import pandas as pd

from galaxy_zoo_decals.edition import digest
from galaxy_zoo_decals.edition_hashes import content_hash, split_hash
from galaxy_zoo_decals.prepare.edition_columns import edition_features
from galaxy_zoo_decals.schema import Tree
from galaxy_zoo_decals.sources.catalogue import METADATA


def hashes(
    tree: Tree, extra: tuple[str, ...], catalogue: pd.DataFrame, image_hashes: Mapping[str, str]
) -> dict[str, str]:
    """Return all hashes of an edition by their name in edition.json.

    ``catalogue`` has one row per galaxy in iauname order; ``image_hashes`` are the SHA-256 of the image files by
    iauname, where a missing one changes the hash.
    """
    scored = catalogue["iauname"][catalogue["scored"] & (catalogue["split"] == "test")]
    return {
        "content_hash": content_hash(tree, catalogue),
        "metadata_hash": metadata_hash(tree, extra, catalogue),
        "split_hash": split_hash(catalogue),
        "scored_order_hash": digest(list(scored)),
        "image_hash": digest([f"{n} {image_hashes.get(n)}" for n in catalogue["iauname"]]),
    }


def metadata_hash(tree: Tree, extra: tuple[str, ...], catalogue: pd.DataFrame) -> str:
    """Return the hash of what an edition knows of its galaxies beside names, splits and votes, in iauname order."""
    features = edition_features(tree, extra)
    found = hashlib.sha256()
    for name in (*METADATA, *extra):
        values, kind = catalogue[name], str(features[name].dtype)
        if kind == "string":
            data = "\n".join(values.fillna("").astype(str)).encode()
        elif METADATA.get(name) == "boolean":
            data = values.astype("boolean").astype("Int8").fillna(2).to_numpy(dtype=np.int8).tobytes()
        else:
            numbers = values.to_numpy(dtype=float, na_value=np.nan).astype(kind.replace("int16", "float32"))
            data = np.where(np.isnan(numbers), np.nan, numbers).astype(f"<f{numbers.itemsize}").tobytes()
        found.update(f"{name} {len(data)}\n".encode() + data)
    return found.hexdigest()

"""The table that says which picture of Galaxy Zoo 2 shows which galaxy, and images under the galaxies' names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from galaxy_zoo_decals import joins, tables
from galaxy_zoo_decals.image_files import ImageError
from galaxy_zoo_decals.sources import Encoder, Part
from galaxy_zoo_decals.sources.catalogue import CatalogueError
from galaxy_zoo_decals.sources.hart16 import rank, spoiled
from galaxy_zoo_decals.sources.record import SourceError

NAME = "gz2_filename_mapping.csv"

COLUMNS = ("objid", "sample", "asset_id")


@dataclass(frozen=True)
class Pictures:
    """Which picture shows which galaxy."""

    galaxies: dict[str, str]
    """The dr7objid of each picture that is used, by its asset id."""
    without: tuple[str, ...]
    """Galaxies of the votes that have no picture."""


def read(path: Path, galaxies: pd.DataFrame) -> Pictures:
    """Read the mapping and return the picture of each galaxy, given by iauname and upload_group (the sample).

    A galaxy that has pictures in several samples gets that of its own sample, else that of the earlier one. Raises
    CatalogueError naming file, row and column, also where one picture is said to show two galaxies.
    """
    if not path.is_file():
        raise CatalogueError(
            f"{path}: there is no such file. It says which picture shows which galaxy (Zenodo 3565489)."
        )
    found = tables.look(path, COLUMNS, whole=True)
    for column in COLUMNS:
        if column not in found.columns:
            raise CatalogueError(
                f"{path}: column {column!r} is missing; this is not {NAME} of Zenodo 3565489{found.missing(column)}."
            )
    table = found.read(COLUMNS, texts=COLUMNS)
    for column in COLUMNS:
        table[column] = table[column].astype(object).where(table[column].notna(), "").astype(str)
    for column in ("objid", "asset_id"):
        bad = ~table[column].str.fullmatch(r"[0-9]{1,20}")
        if bad.any():
            row = int(bad.to_numpy().argmax())
            raise CatalogueError(
                f"{path}: row {row + 1}, column {column!r} holds {table[column].iloc[row][:40]!r}, which is no number."
            )
    if spoiled(table["objid"]):
        raise CatalogueError(
            f"{path}: column 'objid' has lost its last digits, as {table['objid'].iloc[0]}: a program read it as a "
            "number. Take the file as it was published."
        )
    again = table["asset_id"].duplicated() & ~table.duplicated(["objid", "asset_id"])
    if again.any():
        row = int(again.to_numpy().argmax())
        name = table["asset_id"].iloc[row]
        first = int((table["asset_id"] == name).to_numpy().argmax())
        raise CatalogueError(
            f"{path}: the picture {name} stands in rows {first + 1} and {row + 1} ({int(again.sum())} such rows); a "
            "picture shows one galaxy. Take the file as it was published."
        )
    own = galaxies.set_index("iauname")["upload_group"]
    known_rows = table["objid"].isin(own.index)
    if not known_rows.any():
        words = joins.explain(table["objid"], own.index, "objids of the mapping", "dr7objids of the votes")
        raise CatalogueError(f"{path}: it names no galaxy of the votes. {words}")
    table = table[known_rows]
    other = (table["sample"] != table["objid"].map(own)).to_numpy()
    table = table.assign(other=other, rank=rank(table["sample"])).sort_values(["other", "rank"], kind="stable")
    table = table.drop_duplicates("objid")
    known = set(table["objid"])
    without = tuple(name for name in galaxies["iauname"] if name not in known)
    return Pictures(dict(zip(table["asset_id"], table["objid"])), without)


def renamed(part: Part, galaxies: Mapping[str, str]) -> Part:
    """Return a part whose images are known by asset id as one whose images are known by galaxy.

    Pictures of no galaxy keep their file's name, so that they are counted as images without a row. SourceError where
    no picture is of any galaxy.
    """
    if not galaxies.keys() & part.images.keys():
        words = joins.explain(part.images, galaxies, "names of the pictures", f"asset ids of {NAME}")
        raise SourceError(
            f"{part.label}: none of its {len(part.images):,} pictures is called by an asset id of a galaxy. {words} "
            "Are they the pictures of Zenodo 3565489?"
        )
    names = {asset: galaxies.get(asset, f"{asset}.jpg") for asset in part.images}
    assets = {name: asset for asset, name in names.items()}

    def encoder(wanted: Sequence[str]) -> Encoder:
        own = {name: assets[name] for name in wanted}
        return RenamedEncoder(part.encoder(list(own.values())), own)

    return replace(part, images={names[asset]: identity for asset, identity in part.images.items()}, encoder=encoder)


@dataclass(frozen=True)
class RenamedEncoder:
    """Encodes images by galaxy, with an encoder that knows them by asset id."""

    encoder: Encoder
    assets: dict[str, str]

    def __call__(self, names: Sequence[str]) -> list[bytes | ImageError]:
        """Return the images of some galaxies, or what is wrong with them."""
        return self.encoder([self.assets[name] for name in names])

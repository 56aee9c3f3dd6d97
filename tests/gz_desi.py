"""A small dataset in the layout of mwalmsley/gz_desi on the Hub: the galaxies of a stand-in release, and others."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from PIL import Image, ImageOps

from galaxy_zoo_decals import addresses, image_files
from galaxy_zoo_decals.schema import GZD5
from galaxy_zoo_decals.simulation import survey
from tests.releases import draw

CARD = """---
{head}---

# GZ DESI
"""


@dataclass
class Dataset:
    """Files of the dataset by path, and what became of which galaxy of the release in them."""

    files: dict[str, bytes]
    jpegs: dict[str, bytes]
    """The image of each galaxy whose votes agree, by iauname."""
    shards: dict[str, list[str]]
    """Those galaxies by the shard they stand in."""
    differing: list[str] = field(default_factory=list)
    """Galaxies whose votes are others here, by iauname."""
    lost: list[str] = field(default_factory=list)
    """Rows whose position is that of no galaxy, by id_str."""
    twice: str = ""
    """A galaxy of which another row is farther away: ``again-<iauname>``."""


def galaxies(drawn: int = 12, seed: int = 3) -> tuple[pd.DataFrame, dict[str, bytes]]:
    """Return rows of the published table, eight for every galaxy drawn, and their PNGs: turned and mirrored views.

    They lie at places of their own; the first lies on the line from which right ascension is counted.
    """
    table, images = draw(drawn, seed)
    rng = np.random.default_rng(seed)
    rows, shown = [], {}
    for _, row in table.iterrows():
        image = Image.open(io.BytesIO(images[row["iauname"]]))
        for turn in range(8):
            ra, dec = survey.draw_position(rng) if rows else (359.999999, 11.0)
            name = survey.iauname(ra, dec)
            view = image.rotate(90 * (turn % 4))
            buffer = io.BytesIO()
            (ImageOps.mirror(view) if turn >= 4 else view).save(buffer, "PNG", compress_level=1)
            shown[name] = buffer.getvalue()
            # Some are of the time when the question of merging had other answers, whose votes no column has.
            lost = {"merging_total-votes": 900} if turn == 5 else {}
            rows.append({**row, "iauname": name, "ra": ra, "dec": dec} | lost)
    return pd.DataFrame(rows).astype(table.dtypes.to_dict()), shown


def jpeg(png: bytes) -> bytes:
    """The pixels of a PNG as the JPEG of a Parquet row."""
    return image_files.encode(image_files.decode(png), 424, 95)


def write(table: pd.DataFrame, images: dict[str, bytes], seed: int = 5) -> Dataset:
    """Return the dataset made of a table with the published columns: config tiny of two files, default of five.

    Every second row is a galaxy of the table with its votes, moved by less than half an arcsec; the others have
    votes in other campaigns only.
    """
    rng = np.random.default_rng(seed)
    names = sorted(table["iauname"])
    made = Dataset({}, {}, {}, differing=names[3:6], lost=[], twice=names[7])
    rows: list[dict[str, object]] = []
    for i, name in enumerate(names):
        galaxy = table[table["iauname"] == name].iloc[0]
        image = jpeg(images[name])
        row = _row(galaxy, rng, image)
        row["id_str"] = name if i % 3 else f"330012_{i}"  # other surveys' ids stand there too
        if name in made.differing:
            row["bar-dr5_weak"] = int(row["bar-dr5_weak"] or 0) + 1  # type: ignore[call-overload]
        else:
            made.jpegs[name] = image
        rows.append(row)
        if i % 9 == 8:
            other = _row(galaxy, rng, image) | {"id_str": f"lost-{i}", "dec": float(galaxy["dec"]) + 0.01}
            made.lost.append(f"lost-{i}")
            rows.append(other)
        if name == made.twice:
            rows.append(row | {"id_str": f"again-{name}", "dec": float(galaxy["dec"]) + 0.8 / 3600})
        nobody = _row(galaxy, rng, image) | {"id_str": f"other-{i}", "ra": (float(galaxy["ra"]) + 7) % 360}
        nobody |= dict.fromkeys((c for c in nobody if "-dr5_" in c), 0 if i % 2 else None)
        rows.append(nobody | {"dataset_name": "gz_decals_dr8"})
    halves = [rows[: 2 * len(rows) // 3], rows[2 * len(rows) // 3 :]]
    for half, split in zip(halves, ("train", "test")):
        _add(made, f"tiny/{split}-00000-of-00001.parquet", half)
    fifth = -(-len(rows) // 5)
    for k in range(5):
        split, number, count = ("train", k, 4) if k < 4 else ("test", 0, 1)
        _add(made, f"data/{split}-{number:05d}-of-{count:05d}.parquet", rows[k * fifth : (k + 1) * fifth])
    counts = {"tiny": [len(half) for half in halves], "default": [len(rows), 0]}
    made.files["README.md"] = card(counts)
    made.files[".gitattributes"] = b"*.parquet filter=lfs\n"
    return made


def _row(galaxy: pd.Series, rng: np.random.Generator, image: bytes) -> dict[str, object]:
    dec = float(galaxy["dec"]) + rng.uniform(-0.3, 0.3) / 3600
    ra = (float(galaxy["ra"]) + rng.uniform(-0.3, 0.3) / 3600 / np.cos(np.radians(dec))) % 360
    row: dict[str, object] = {
        "image": {"bytes": image, "path": None}, "id_str": "", "dataset_name": "gz_decals_5", "ra": ra, "dec": dec,
    }  # fmt: skip
    for q in GZD5.questions:
        for campaign in ("dr8", "dr5"):
            for answer in q.answers:
                votes = galaxy[f"{q.name}_{answer}"] if campaign == "dr5" else 2
                known = not pd.isna(votes) and (votes or rng.random() < 0.5)  # an unasked answer is 0 or null
                row[f"{q.name}-{campaign}_{answer}"] = int(votes) if known else None
                row[f"{q.name}-{campaign}_{answer}_fraction"] = 0.5
            total = galaxy[q.total] if campaign == "dr5" else 2 * len(q.answers)
            row[f"{q.name}-{campaign}_total-votes"] = 0 if pd.isna(total) else int(total)
    return row


def _add(made: Dataset, path: str, rows: Sequence[dict[str, object]]) -> None:
    made.files[path] = parquet(rows)
    places = {id(data): name for name, data in made.jpegs.items()}
    inside = [places.get(id(row["image"]["bytes"])) for row in rows if _is_galaxy(row)]  # type: ignore[index]
    made.shards[path] = [name for name in inside if name]


def _is_galaxy(row: dict[str, object]) -> bool:
    return not str(row["id_str"]).startswith(("lost", "again", "other"))


def parquet(rows: Sequence[dict[str, object]], group: int = 16) -> bytes:
    """Rows as Parquet with the types that datasets writes."""
    fields = []
    for name in rows[0]:
        kind: pa.DataType = pa.int32()
        if name == "image":
            kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        elif name in ("ra", "dec"):
            kind = pa.float64()
        elif name in ("id_str", "dataset_name"):
            kind = pa.string()
        elif name.endswith("_fraction"):
            kind = pa.float32()
        fields.append((name, kind))
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows), pa.schema(fields)), out, row_group_size=group)
    return out.getvalue()


def rewritten(data: bytes, change: object) -> bytes:
    """A Parquet file whose table went through a function."""
    out = io.BytesIO()
    pq.write_table(change(pq.read_table(io.BytesIO(data))), out, row_group_size=16)  # type: ignore[operator]
    return out.getvalue()


def card(rows: dict[str, list[int]], **changes: object) -> bytes:
    """The README.md as the dataset's authors have it, as far as it is read."""
    folders = {"default": "data", "tiny": "tiny"}
    head = {
        "license": addresses.HUB_LICENCE,
        "configs": [
            {
                "config_name": name,
                "data_files": [{"split": s, "path": f"{folders[name]}/{s}-*"} for s in ("train", "test")],
            }
            for name in rows
        ],
        "dataset_info": [
            {
                "config_name": name,
                "features": [{"name": "image", "dtype": "image"}, {"name": "id_str", "dtype": "string"}],
                "splits": [
                    {"name": s, "num_bytes": 1.0, "num_examples": count} for s, count in zip(("train", "test"), counts)
                ],
            }
            for name, counts in rows.items()
        ],
    }
    return CARD.format(head=yaml.safe_dump(head | changes)).encode()

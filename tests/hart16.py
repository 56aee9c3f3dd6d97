"""Galaxy Zoo 2 as it is published, in small: the table with its columns, the mapping, the pictures."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from galaxy_zoo_decals.schema import GZ2
from galaxy_zoo_decals.sources import hart16
from galaxy_zoo_decals.sources.galaxyzoo2_hub import HUB_COLUMNS
from tests import gz_desi
from tests.toys import galaxy

BEFORE = (
    "dr7objid", "ra", "dec", "rastring", "decstring", "sample", "gz2_class", "total_classifications", "total_votes",
)  # fmt: skip
KINDS = ("count", "weight", "fraction", "weighted_fraction", "debiased", "flag")

COLUMNS = (*BEFORE, *(f"{stem}_{kind}" for stem in hart16.STEMS for kind in KINDS))
"""The 231 columns of the published table, in its order."""

FIRST = 587722981736120347
"""The first identifier of the published mapping: 18 digits, more than a float holds."""


def table(votes: np.ndarray, seed: int = 7) -> pd.DataFrame:
    """The table of some galaxies with these votes, (galaxies, answers): all columns, all counts in agreement.

    Galaxies lie at random on the sky; of ten, eight are of the sample original, one of extra, one of stripe82.
    """
    rng = np.random.default_rng(seed)
    count = len(votes)
    first = votes[:, GZ2.slices["smooth-or-featured"]].sum(axis=1)
    columns: dict[str, object] = {
        "dr7objid": [str(FIRST + 7 * i) for i in range(count)],
        "ra": rng.uniform(0, 360, count).round(6),
        "dec": np.degrees(np.arcsin(rng.uniform(-0.15, 0.9, count))).round(6),
        "rastring": "08:26:17.42", "decstring": "+54:12:16.5",
        "sample": np.array(["original", "extra", "stripe82"])[np.maximum(np.arange(count) % 10 - 7, 0)],
        "gz2_class": "Sc+t", "total_classifications": first, "total_votes": votes.sum(axis=1),
    }  # fmt: skip
    for q in GZ2.questions:
        part = votes[:, GZ2.slices[q.name]]
        total = part.sum(axis=1)
        for answer in q.answers:
            index = GZ2.answer_index[q.name, answer]
            stem, counts = hart16.STEMS[index], votes[:, index]
            fraction = _published(np.divide(counts, total, out=np.zeros(count), where=total > 0))
            values = (counts, counts.astype(float), fraction, fraction, _published(fraction**2), (fraction > 0.8) * 1)
            columns |= {f"{stem}_{kind}": value for kind, value in zip(KINDS, values)}
    return pd.DataFrame(columns)[list(COLUMNS)]


def _published(fraction: np.ndarray) -> np.ndarray:
    """Fractions as the table has them: three decimals, in the digits of a float32 (0.8180000185966492)."""
    return fraction.round(3).astype(np.float32).astype(float)


def draw(galaxies: int, seed: int = 3) -> tuple[pd.DataFrame, list[np.ndarray]]:
    """Toy galaxies: their table and their pictures."""
    rng = np.random.default_rng(seed)
    drawn = [galaxy(rng, GZ2) for _ in range(galaxies)]
    votes = np.array([[row[column] for column in GZ2.answer_columns] for row, _ in drawn])
    return table(votes, seed), [image for _, image in drawn]


def jpeg(image: np.ndarray, side: int = 424) -> bytes:
    """A picture as the archive holds it."""
    buffer = io.BytesIO()
    Image.fromarray(image).resize((side, side)).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def mapping(rows: pd.DataFrame) -> pd.DataFrame:
    """The mapping of a table's galaxies: the picture of row i is 100 + i."""
    return pd.DataFrame(
        {"objid": rows["dr7objid"], "sample": rows["sample"], "asset_id": [str(100 + i) for i in range(len(rows))]}
    )


def write(folder: Path, galaxies: int = 60, side: int = 424, seed: int = 3) -> pd.DataFrame:
    """Write table (.csv.gz), mapping and zip of a small release; returns the table.

    The last galaxy has no row in the mapping; the last but one has, and no picture; one picture belongs to nobody.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows, images = draw(galaxies, seed)
    rows.to_csv(folder / "gz2_hart16.csv.gz", index=False, compression={"method": "gzip", "mtime": 0})
    mapping(rows)[:-1].to_csv(folder / "gz2_filename_mapping.csv", index=False)
    with zipfile.ZipFile(folder / "images_gz2.zip", "w") as made:
        made.writestr("images/", b"")
        for i, image in enumerate([*images[:-2], images[0]]):
            made.writestr(f"images/{100 + i if i < galaxies - 2 else 999999}.jpg", jpeg(image, side))
    return rows


def hub_files(rows: pd.DataFrame, images: list[np.ndarray]) -> dict[str, bytes]:
    """The dataset mwalmsley/gz2 of some galaxies: tiny has the first third, default all of them in three shards.

    Positions differ by up to 0.2 arcsec, unasked answers may be null, the second galaxy has another vote for bar, and
    the last row has a place of its own.
    """
    rng = np.random.default_rng(5)
    made = []
    for i, (_, row) in enumerate(rows.iterrows()):
        votes = {
            column: int(row[hart16.COUNTS[GZ2.answer_columns.index(name)]]) or None
            for name, column in HUB_COLUMNS.items()
        }
        if i == 1:
            votes["bar-gz2_yes"] = (votes["bar-gz2_yes"] or 0) + 1
        place = {"ra": row["ra"], "dec": row["dec"] + rng.uniform(-0.2, 0.2) / 3600}
        if i == len(rows) - 1:
            place["dec"] -= 0.01
        picture = {"bytes": jpeg(images[i]), "path": None}
        made.append({"image": picture, "id_str": f"id{i}", "dataset_name": "gz2", **place, **votes})
    third = len(made) // 3
    parts = {
        "tiny/train-00000-of-00001.parquet": made[: third - 5],
        "tiny/test-00000-of-00001.parquet": made[third - 5 : third],
        "data/train-00000-of-00002.parquet": made[:third],
        "data/train-00001-of-00002.parquet": made[third : 2 * third],
        "data/test-00000-of-00001.parquet": made[2 * third :],
    }
    counts = {"tiny": [third, 0], "default": [len(made), 0]}
    return {path: gz_desi.parquet(held) for path, held in parts.items()} | {"README.md": gz_desi.card(counts)}

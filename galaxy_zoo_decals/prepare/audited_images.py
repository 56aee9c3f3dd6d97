"""The images of an edition looked at again: readable, of one size, and their hashes and fingerprints."""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image
from tqdm import tqdm

from galaxy_zoo_decals import image_files, workers
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.image_files import ImageError
from galaxy_zoo_decals.prepare.near_duplicates import GRID, fingerprints


@dataclass(frozen=True)
class Looked:
    """What the images of some rows are: hashes, problems by name, fingerprints (rows, PROJECTIONS)."""

    split: str
    names: list[str]
    shas: list[str]
    problems: dict[str, str]
    prints: np.ndarray


def look_at_images(edition: Edition, processes: int) -> Iterator[Looked]:
    """Yield what the images of each row group of an edition are, split by split, in ``processes``."""
    tasks = [
        (split, path, group, int(edition.facts["image_size"]))  # type: ignore[call-overload]
        for split in edition.splits
        for path in edition.shards(split)
        for group in range(pq.ParquetFile(path).metadata.num_row_groups)
    ]
    with tqdm(total=len(tasks), unit="group", desc="Images", disable=None) as bar:
        if processes == 1 or len(tasks) < 8:
            for task in tasks:
                yield _look(*task)
                bar.update()
            return
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, context, workers.start) as pool:
            for looked in pool.map(_look, *zip(*tasks), chunksize=4):
                yield looked
                bar.update()


def _look(split: str, path: Path, group: int, size: int) -> Looked:
    table = pq.ParquetFile(path).read_row_group(group, columns=["iauname", "image"])
    names = [str(name) for name in table["iauname"].to_pylist()]
    shas, problems, grey = [], {}, np.zeros((len(names), GRID, GRID), np.uint8)
    for i, (name, image) in enumerate(zip(names, table["image"].to_pylist())):
        data = (image or {}).get("bytes") or b""
        shas.append(hashlib.sha256(data).hexdigest())
        try:
            decoded = image_files.decode(data)
        except ImageError as error:
            problems[name] = str(error)
            continue
        if decoded.size != (size, size):
            problems[name] = f"{decoded.width} x {decoded.height} pixels, not {size}"
        grey[i] = np.asarray(decoded.convert("L").resize((GRID, GRID), Image.Resampling.BOX))
    return Looked(split, names, shas, problems, fingerprints(grey))

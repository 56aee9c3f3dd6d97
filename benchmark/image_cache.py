"""The image cache: every image of a split decoded once into a memory-mapped array."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from PIL import Image
from tqdm import tqdm

from benchmark import BenchmarkError, augmentation
from benchmark.recipes import Recipe
from galaxy_zoo_decals import crops
from galaxy_zoo_decals import image_files as editions
from galaxy_zoo_decals.atomic import atomic_file
from galaxy_zoo_decals.edition import Edition, digest, home, make_folder
from galaxy_zoo_decals.image_files import JPEG_QUALITY, SIDE, Form, ImageError

try:
    import simplejpeg
except ImportError:  # An optional speed-up: Pillow decodes the same pixels three times slower.
    simplejpeg = None

LAYOUT = "3"
"""Version of the stored pixels; a change of decoding or scaling must change it."""

CHUNK = 512
"""Images decoded between two refreshes of the progress bar."""


KINDS = ("gzd5", "gz2", "simulated", "catalogue")
"""Sources that `prepare` knows by these words."""

PUBLISHED = {"gzd5": 424, "gz2": 424}
"""Pixels a side of the originals, where all have the same; a simulated galaxy is drawn at any size."""


def decode(data: bytes, resolution: int, crop: float = 1.0, margin: float = 1.0) -> np.ndarray:
    """Return the centre of an image file as uint8 (side, side, 3); ``stored_side`` is its side.

    The whole image is scaled to resolution / crop (Lanczos with antialias) and its centre cut out, which is what
    the image processor saved with every model does. Raises ImageError if the file is not readable.
    """
    return crops.cut(read(data), resolution, crop, margin)


def read(data: bytes) -> Image.Image:
    """Return the RGB image held in the bytes of an image file; ImageError for what an edition refuses too."""
    if simplejpeg is None or editions.suffix(data) != "jpg" or any(sign in data for sign in editions.TURNED):
        return editions.decode(data)  # simplejpeg turns nothing
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data)
        if space not in ("YCbCr", "Gray", "RGB"):  # The two decoders turn the inks of printers into other colours.
            return editions.decode(data)
        if width * height > editions.MAX_PIXELS:
            raise ImageError(f"{width} x {height} pixels are more than a cutout has")
        return Image.fromarray(simplejpeg.decode_jpeg(data, colorspace="RGB"))
    except ImageError:
        raise
    except ValueError:  # One place says what is wrong with a file.
        return editions.decode(data)


def as_kept(data: bytes, form: Form) -> Image.Image:
    """Return an image file's pixels as an edition of this form keeps them; ImageError if it is no square image.

    A picture is scaled and encoded as ``prepare`` does it, unless it is in that form already: every level is then that
    of the training.
    """
    if form.original:
        return form.keep(read(data))
    if editions.is_encoded(data, form.size, form.quality):
        return read(data)
    return read(editions.encode(editions.decode(data), form.size, form.quality))


def form(edition: Edition) -> Form:
    """Return how an edition keeps its images; BenchmarkError where its edition.json does not say so."""
    size, quality = edition.facts.get("image_size"), edition.facts.get("image_quality")
    problem = SIDE.problem("image_size", size) or JPEG_QUALITY.problem("image_quality", quality)
    if problem:
        raise BenchmarkError(f"{edition.path / 'edition.json'}: {problem}; prepare it again.")
    return Form.of(size, quality)  # type: ignore[arg-type]


def enlarged(chosen: dict[str, Recipe], edition: Edition) -> str:
    """Return in one line which models are shown more pixels than an edition has and what to do; empty if none is."""
    kept = form(edition)
    size = kept.size
    needed = {model: round(recipe.resolution / recipe.crop) for model, recipe in chosen.items()}
    models = [model for model, side in needed.items() if side > size]
    if not models:
        return ""
    largest = max(models, key=lambda model: needed[model])
    recipe, whole = chosen[largest], needed[largest]
    made = round(100 * (1 - (size / whole) ** 2))
    kind = edition.facts["source"].get("kind")  # type: ignore[attr-defined]
    best = min(whole, size if kept.original else PUBLISHED.get(str(kind), whole))
    lost = f"note: {', '.join(models)}: the edition's images of {size} px are enlarged to {whole} px, so {made} % of "
    lost += "the pixels are interpolated; "
    if best > size:
        asked = f"`galaxy-zoo-decals prepare {kind} ... --size {best}`" if kind in KINDS else f"--size {best}"
        lost += f"what the originals show beyond {size} px is lost: prepare the edition again with {asked}, or "
    else:
        lost += "the originals have no more: "
    return f"{lost}train as sharply and faster with --set resolution={math.floor(size * recipe.crop)}."


def galaxies(edition: Edition, split: str) -> pd.DataFrame:
    """Return names and votes of the galaxies the harness uses of a split: all, but of test only the scored ones."""
    table = edition.table(split, ["iauname", "scored", *edition.tree.answer_columns])
    return table[table["scored"]].reset_index(drop=True) if split == "test" else table


def store(edition: Edition, split: str, recipe: Recipe, show: bool = True) -> np.ndarray:
    """Return the pixels of a split's ``galaxies``, a read-only uint8 memory map (n, side, side, 3).

    Side is the recipe's resolution; training images have a margin of sky where the recipe turns or magnifies them.
    Rows are in the edition's order. The file lies in the cache folder, keyed by the edition's votes, its images and
    its layout; it is whole or not there, so processes may make it at the same time.
    """
    margin = augmentation.margin(recipe) if split == "train" else 1.0
    side = crops.stored_side(recipe.resolution, recipe.crop, margin)
    # The content hash is of names and votes alone: pixels can change while it stays.
    hashes = [edition.content_hash, str(edition.facts["image_hash"])]
    key = digest([LAYOUT, *hashes, str(recipe.resolution), str(recipe.crop), str(side)])[:16]
    path = home() / "pixels" / f"{edition.name}-{side}px-{split}-{key}.npy"
    if not path.is_file():
        _fill(edition, split, recipe, margin, path, show)
    return np.load(path, mmap_mode="r")


def _fill(edition: Edition, split: str, recipe: Recipe, margin: float, path: Path, show: bool) -> None:
    names = galaxies(edition, split)["iauname"].tolist()
    side = crops.stored_side(recipe.resolution, recipe.crop, margin)
    shape = (len(names), side, side, 3)
    make_folder(path.parent)
    needed, free = int(np.prod(shape)), shutil.disk_usage(path.parent).free
    if needed > free:
        raise BenchmarkError(
            f"the decoded images need {needed / 1e9:.1f} GB, but {path.parent} has {free / 1e9:.1f} GB left. Make "
            "room, or set GALAXY_ZOO_DECALS_HOME to a folder on a larger disk."
        )
    with atomic_file(path) as beside:
        pixels = np.lib.format.open_memmap(beside, mode="w+", dtype=np.uint8, shape=shape)
        rows, filled = {name: row for row, name in enumerate(names)}, 0
        with (
            tqdm(
                total=len(names), desc=f"decoding {split}", unit="img", disable=None if show else True, leave=False
            ) as bar,
            ThreadPoolExecutor(os.cpu_count()) as threads,
        ):
            for found, images in batches(edition.shards(split)):
                wanted = [(name, data) for name, data in zip(found, images) if name in rows]
                for (name, _), image in zip(wanted, threads.map(lambda item: _safe(item[1], recipe, margin), wanted)):
                    if isinstance(image, str):
                        raise BenchmarkError(
                            f"{edition.path}: the image of {name} is not readable ({image}); prepare the edition again."
                        )
                    pixels[rows[name]] = image
                filled += len(wanted)
                bar.update(len(wanted))
        if filled != len(names):
            raise BenchmarkError(
                f"{edition.path}: {len(names) - filled} images of {split} are missing; prepare it again."
            )
        pixels.flush()


def batches(shards: list[Path]) -> Iterator[tuple[list[str], list[bytes]]]:
    """Yield names and image files of some rows of an edition's shards at a time."""
    for shard in shards:
        for batch in pq.ParquetFile(shard).iter_batches(columns=["iauname", "image"], batch_size=CHUNK):
            yield batch["iauname"].to_pylist(), [image["bytes"] for image in batch["image"].to_pylist()]


def _safe(data: bytes, recipe: Recipe, margin: float) -> np.ndarray | str:
    """Return the stored pixels of an image file, or why there are none."""
    try:
        return decode(data, recipe.resolution, recipe.crop, margin)
    except (OSError, ValueError) as error:
        return str(error)

"""Pixels: every image decoded once into a memory-mapped array, then cut, turned and flipped in whole batches."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch
from PIL import Image
from tqdm import tqdm

from benchmark import BenchmarkError
from benchmark.recipes import Recipe
from galaxy_zoo_decals.edition import Edition, digest, home

try:
    import simplejpeg
except ImportError:  # An optional speed-up: Pillow decodes the same pixels three times slower.
    simplejpeg = None

LAYOUT = "1"
"""Version of the stored pixels; a change of decoding or scaling must change it."""

CHUNK = 512
"""Images decoded between two refreshes of the progress bar."""


def decode(data: bytes, resolution: int, crop: float = 1.0) -> np.ndarray:
    """Return the centre of a JPEG image as uint8 (resolution, resolution, 3).

    The whole image is scaled to resolution / crop (Lanczos with antialias) and its centre cut out, which is what
    the image processor saved with every model does.
    """
    if simplejpeg is not None:
        image = Image.fromarray(simplejpeg.decode_jpeg(data, colorspace="RGB"))
    else:
        image = Image.open(io.BytesIO(data)).convert("RGB")
    side = round(resolution / crop)
    if image.size != (side, side):
        image = image.resize((side, side), Image.Resampling.LANCZOS)
    start = (side - resolution) // 2
    return np.asarray(image)[start : start + resolution, start : start + resolution]


def galaxies(edition: Edition, split: str) -> pd.DataFrame:
    """Return names and votes of the galaxies the harness uses of a split: all, but of test only the scored ones."""
    table = edition.table(split, ["iauname", "scored", *edition.tree.answer_columns])
    return table[table["scored"]].reset_index(drop=True) if split == "test" else table


def store(edition: Edition, split: str, recipe: Recipe, show: bool = True) -> np.ndarray:
    """Return the pixels of a split's ``galaxies``, a read-only uint8 memory map (n, resolution, resolution, 3).

    Rows are in the edition's order. The file lies in the cache folder, keyed by the edition's votes, its images,
    the resolution and the crop; it is written beside and renamed, so processes may make it at the same time.
    """
    # The content hash is of names and votes alone: pixels can change while it stays.
    hashes = [edition.content_hash, str(edition.facts["image_hash"])]
    key = digest([LAYOUT, *hashes, str(recipe.resolution), str(recipe.crop)])[:16]
    path = home() / "pixels" / f"{edition.name}-{recipe.resolution}px-{split}-{key}.npy"
    if not path.is_file():
        _fill(edition, split, recipe, path, show)
    return np.load(path, mmap_mode="r")


def _fill(edition: Edition, split: str, recipe: Recipe, path: Path, show: bool) -> None:
    names = galaxies(edition, split)["iauname"].tolist()
    shape = (len(names), recipe.resolution, recipe.resolution, 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    needed, free = int(np.prod(shape)), shutil.disk_usage(path.parent).free
    if needed > free:
        raise BenchmarkError(
            f"the decoded images need {needed / 1e9:.1f} GB, but {path.parent} has {free / 1e9:.1f} GB left. Make "
            "room, or set GALAXY_ZOO_DECALS_HOME to a folder on a larger disk."
        )
    beside = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        pixels = np.lib.format.open_memmap(beside, mode="w+", dtype=np.uint8, shape=shape)
        rows, filled = {name: row for row, name in enumerate(names)}, 0
        with (
            tqdm(
                total=len(names), desc=f"decoding {split}", unit="img", disable=None if show else True, leave=False
            ) as bar,
            ThreadPoolExecutor(os.cpu_count()) as threads,
        ):
            for found, images in _batches(edition.shards(split)):
                wanted = [(name, data) for name, data in zip(found, images) if name in rows]
                for (name, _), image in zip(wanted, threads.map(lambda item: _safe(item[1], recipe), wanted)):
                    if image is None:
                        raise BenchmarkError(f"{edition.path}: the image of {name} is not readable; prepare it again.")
                    pixels[rows[name]] = image
                filled += len(wanted)
                bar.update(len(wanted))
        if filled != len(names):
            raise BenchmarkError(
                f"{edition.path}: {len(names) - filled} images of {split} are missing; prepare it again."
            )
        pixels.flush()
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _batches(shards: list[Path]) -> Iterator[tuple[list[str], list[bytes]]]:
    for shard in shards:
        for batch in pq.ParquetFile(shard).iter_batches(columns=["iauname", "image"], batch_size=CHUNK):
            yield batch["iauname"].to_pylist(), [image["bytes"] for image in batch["image"].to_pylist()]


def _safe(data: bytes, recipe: Recipe) -> np.ndarray | None:
    try:
        return decode(data, recipe.resolution, recipe.crop)
    except (OSError, ValueError):
        return None


class Pixels:
    """Images of a split as batches on a device; they stay there as a whole where they fit in half its free memory."""

    def __init__(self, images: np.ndarray, device: torch.device) -> None:
        self.images, self.device, self.resident = images, device, None
        if device.type == "cuda" and images.nbytes < torch.cuda.mem_get_info(device)[0] / 2:
            self.resident = torch.from_numpy(np.array(images)).to(device)

    def take(self, rows: np.ndarray) -> torch.Tensor:
        """Return the images of these rows as uint8 (n, 3, resolution, resolution) on the device."""
        if self.resident is not None:
            return self.resident[torch.from_numpy(rows).to(self.device)].permute(0, 3, 1, 2)
        batch = torch.from_numpy(self.images[rows])
        if self.device.type == "cuda":
            batch = batch.pin_memory().to(self.device, non_blocking=True)
        return batch.permute(0, 3, 1, 2)


def normalise(images: torch.Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
    """Return uint8 images (n, 3, h, w) as float32 (value / 255 - mean) / std, as the saved image processor does."""
    scale = torch.tensor([1 / (255 * s) for s in std], device=images.device).view(1, 3, 1, 1)
    offset = torch.tensor([m / s for m, s in zip(mean, std)], device=images.device).view(1, 3, 1, 1)
    return images.float() * scale - offset


def draw_moves(rng: np.random.Generator, n: int, recipe: Recipe) -> np.ndarray:
    """Return a random move for each of n images, int64 (n, 5): three coin flips, then a shift in y and x."""
    moves = np.zeros((n, 5), dtype=np.int64)
    coins = {"none": 0, "flips": 2, "dihedral": 3}[recipe.augmentation]
    moves[:, :coins] = rng.integers(0, 2, (n, coins))
    moves[:, 3:] = rng.integers(-recipe.shift, recipe.shift + 1, (n, 2))
    return moves


def move(images: torch.Tensor, moves: np.ndarray) -> torch.Tensor:
    """Return images (n, 3, h, w) mirrored left to right and up to down, transposed and shifted as drawn.

    Every combination of the three flips is one of the eight symmetries of the square; pixels that a shift brings
    in repeat the edge.
    """
    coins = torch.from_numpy(moves).to(images.device)
    flags = coins[:, :3].bool().view(-1, 3, 1, 1, 1)
    images = torch.where(flags[:, 0], images.flip(-1), images)
    images = torch.where(flags[:, 1], images.flip(-2), images)
    images = torch.where(flags[:, 2], images.transpose(-1, -2), images)
    if not moves[:, 3:].any():
        return images
    n, side = len(images), images.shape[-1]
    steps = torch.arange(side, device=images.device)
    y, x = ((steps + coins[:, i, None]).clamp(0, side - 1) for i in (3, 4))
    rows = torch.arange(n, device=images.device)[:, None, None]
    return images.permute(0, 2, 3, 1)[rows, y[:, :, None], x[:, None, :]].permute(0, 3, 1, 2)

"""Images of a source to JPEG of one size, in finished pieces on disk: interrupted work goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from galaxy_zoo_decals.sources import ImageError, Source

PIECE = 256
"""Galaxies a piece: some seconds of work, so that an interrupt loses little."""

Encoder = Callable[[Sequence[str]], list[bytes | ImageError]]


@dataclass(frozen=True)
class Converted:
    """Pieces in the order of the names they were asked for, and what was wrong with the images that have none."""

    pieces: tuple[Path, ...]
    problems: dict[str, ImageError]

    def images(self) -> Iterator[tuple[str, bytes]]:
        """Yield (iauname, JPEG bytes) of every usable image, in order, one piece in memory at a time."""
        for piece in self.pieces:
            table = pq.read_table(piece, columns=["iauname", "image"])
            for name, image in zip(table["iauname"].to_pylist(), table["image"].to_pylist()):
                if image is not None:
                    yield name, image


def convert(source: Source, names: Sequence[str], work: Path, size: int, quality: int, processes: int) -> Converted:
    """Convert the images of ``names`` to JPEG of ``size`` pixels; finished pieces in ``work`` are used again."""
    folder = work / "pieces"
    folder.mkdir(parents=True, exist_ok=True)
    # repr names the source's folders, which describe() may not: images of another folder are other images.
    key = json.dumps([source.describe(), repr(source), size, quality], sort_keys=True)
    chunks = [list(names[i : i + PIECE]) for i in range(0, len(names), PIECE)]
    pieces = [folder / f"{_piece_name(key, chunk)}.parquet" for chunk in chunks]
    missing = [(path, chunk) for path, chunk in zip(pieces, chunks) if not _whole(path)]
    encoder = source.encoder(work, size, quality)
    with tqdm(total=len(names), unit="image", desc="Images", disable=None) as bar:
        bar.update(len(names) - sum(len(chunk) for _, chunk in missing))
        if processes == 1:
            for path, chunk in missing:
                bar.update(_write_piece(encoder, chunk, path))
        elif missing:
            # spawn: the parent holds pyarrow's threads, which a fork would copy half-alive.
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(min(processes, len(missing)), mp_context=context) as pool:
                try:
                    for done in as_completed([pool.submit(_write_piece, encoder, c, p) for p, c in missing]):
                        bar.update(done.result())
                except BaseException:
                    pool.shutdown(wait=True, cancel_futures=True)
                    raise
    problems: dict[str, ImageError] = {}
    for piece in pieces:
        table = pq.read_table(piece, columns=["iauname", "problem"])
        for name, problem in zip(table["iauname"].to_pylist(), table["problem"].to_pylist()):
            if problem is not None:
                problems[name] = ImageError(problem)
    return Converted(tuple(pieces), problems)


def _whole(piece: Path) -> bool:
    """Return whether a piece is there and without problems: images that were missing or damaged are tried again."""
    if not piece.exists():
        return False
    problems = pq.read_table(piece, columns=["problem"])["problem"]
    return problems.null_count == len(problems)


def _piece_name(key: str, names: Sequence[str]) -> str:
    return hashlib.sha256("\n".join([key, *names]).encode()).hexdigest()[:24]


def _write_piece(encoder: Encoder, names: Sequence[str], path: Path) -> int:
    """Convert one piece and write it whole or not at all; returns how many names it holds."""
    encoded = encoder(names)
    table = pa.table(
        {
            "iauname": pa.array(names, pa.string()),
            "image": pa.array([e if isinstance(e, bytes) else None for e in encoded], pa.binary()),
            "problem": pa.array([str(e) if isinstance(e, ImageError) else None for e in encoded], pa.string()),
        }
    )
    write_whole(table, path)
    return len(names)


def write_whole(table: pa.Table, path: Path) -> None:
    """Write a Parquet file whole or not at all: beside, onto the disk, then renamed (images do not compress)."""
    beside = path.with_suffix(f".{os.getpid()}.partial")
    with beside.open("wb") as file:
        pq.write_table(table, file, compression="none")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)

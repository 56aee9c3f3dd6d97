"""Images of a source to one form, in finished pieces on disk: interrupted work goes on where it stopped."""

from __future__ import annotations

import hashlib
import heapq
import json
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from operator import itemgetter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from galaxy_zoo_decals import workers
from galaxy_zoo_decals.atomic import sync, write_parquet
from galaxy_zoo_decals.image_files import Form, ImageError
from galaxy_zoo_decals.sources import MISSING, Encoder, Part, Source

PIECE = 256
"""Galaxies a piece: some seconds of work, so that an interrupt loses little."""

UNLISTED = 500
"""Names that are enough to see why images and rows do not match."""

Piece = tuple[Path, list[str]]
"""Where a piece lies, and the galaxies it is to hold."""


@dataclass
class Converted:
    """The images of a split: pieces on disk, and what was wrong with the images that are in none."""

    runs: list[list[Path]] = field(default_factory=list)
    """Pieces of each part of the source, in the order of the names they hold."""
    problems: dict[str, ImageError] = field(default_factory=dict)

    def images(self) -> Iterator[tuple[str, bytes]]:
        """Yield (iauname, image file) of every usable image by name, one piece a part in memory at a time."""
        return heapq.merge(*(_read(run) for run in self.runs), key=itemgetter(0))


@dataclass
class Conversion:
    """All images of a source, by split, and how many of them no row of the catalogue asked for."""

    splits: dict[str, Converted]
    unlisted: int = 0
    unlisted_names: list[str] = field(default_factory=list)
    """Names of images that no row asked for, the first ``UNLISTED`` of each part."""
    strangers: dict[str, str] = field(default_factory=dict)
    """Images of the campaign that belong to no row, each with why."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Files beside the images that were not taken, each with why."""


def convert(
    source: Source, listed: frozenset[str], wanted: Mapping[str, Sequence[str]], work: Path, form: Form, processes: int
) -> Conversion:
    """Convert the images of the ``wanted`` galaxies of each split, part by part of the source.

    ``listed`` are all names of the catalogue, for the count of images without a row. Finished pieces in ``work``
    are used again where the names and what decides their pixels are the same.
    """
    folder = work / "pieces"
    folder.mkdir(parents=True, exist_ok=True)
    sync(work)  # the folder's name, before anything is deleted that its pieces replace
    for leftover in folder.glob("*.partial"):
        leftover.unlink(missing_ok=True)
    done = Conversion({split: Converted() for split in wanted})
    left = {split: sorted(names) for split, names in wanted.items()}
    seen: set[str] = set()
    total = sum(map(len, left.values()))
    with _pool(processes) as pool, tqdm(total=total, unit="image", disable=None, smoothing=0.02) as bar:
        for part in source.parts(work, form):
            fresh = part.images.keys() - seen
            seen |= fresh
            unlisted = fresh - listed
            done.unlisted += len(unlisted) + len(part.strangers)
            done.unlisted_names += heapq.nsmallest(UNLISTED, unlisted)
            done.strangers |= part.strangers
            done.skipped |= part.skipped
            bar.set_description(part.label)
            runs = {split: _pieces(folder, part, [n for n in left[split] if n in fresh], form) for split in left}
            _convert_part(part, [piece for run in runs.values() for piece in run], pool, bar)
            for split, run in runs.items():
                done.splits[split].runs.append([path for path, _ in run])
                left[split] = [n for n in left[split] if n not in fresh]
    for split, converted in done.splits.items():
        converted.problems = dict.fromkeys(left[split], ImageError(MISSING))
        for path in (path for run in converted.runs for path in run):
            table = pq.read_table(path, columns=["iauname", "problem"])
            for name, problem in zip(table["iauname"].to_pylist(), table["problem"].to_pylist()):
                if problem is not None:
                    converted.problems[name] = ImageError(problem)
    return done


def _pieces(folder: Path, part: Part, names: Sequence[str], form: Form) -> list[Piece]:
    key = json.dumps(asdict(form), sort_keys=True)
    chunks = [list(names[i : i + PIECE]) for i in range(0, len(names), PIECE)]
    return [(folder / f"{_piece_name(key, part, chunk)}.parquet", chunk) for chunk in chunks]


def _piece_name(key: str, part: Part, names: Sequence[str]) -> str:
    lines = [key, *(f"{name} {part.images[name]}" for name in names)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:24]


@contextmanager
def _pool(processes: int) -> Iterator[Executor | None]:
    """Give worker processes, which start when the first work is handed in; None for one process."""
    if processes == 1:
        yield None
        return
    # spawn: the parent holds pyarrow's threads, which a fork would copy half-alive.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, workers.start)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _convert_part(part: Part, pieces: Sequence[Piece], pool: Executor | None, bar: tqdm) -> None:
    missing = [(path, names) for path, names in pieces if not path.exists()]
    bar.update(sum(len(names) for _, names in pieces) - sum(len(names) for _, names in missing))
    if not missing:
        return
    part.fetch()
    if pool is None:
        for path, names in missing:
            bar.update(_write_piece(part.encoder(names), names, path))
        return
    for finished in as_completed([pool.submit(_write_piece, part.encoder(n), n, p) for p, n in missing]):
        bar.update(finished.result())


def _read(pieces: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    for piece in pieces:
        table = pq.read_table(piece, columns=["iauname", "image"])
        for name, image in zip(table["iauname"].to_pylist(), table["image"].to_pylist()):
            if image is not None:
                yield name, image


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
    write_parquet(path, table)
    return len(names)

"""One Parquet shard of galaxies as the Hub has them: its columns looked over, its votes read, its images set out."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from galaxy_zoo_decals.atomic import atomic_file
from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.image_files import Form, ImageError
from galaxy_zoo_decals.schema import Tree

BATCH = 64
"""Images read at a time at most: a few megabytes."""

ROWS = 4096
"""Rows of numbers and names read at a time at most."""

MEMORY = 64 * 2**20
"""Bytes that a batch may take if every row of it were as large as a row can be: many rows may share one value that the
file holds once."""

LARGEST_GROUP = 2**30
"""Bytes that a row group may declare for its images, unpacked: a whole shard of the survey has half of it."""

MOST_ROWS = 1_000_000
"""Rows of a shard at most; the survey's have some ten thousand."""

MAX_BYTES = 2 * 2**20
"""Bytes of an image at most: a JPEG of the survey has some 45,000, and its pixels 540,000."""

LARGEST_NAME = 1024
"""Bytes of a name at most."""

PACKED = 8
"""How many times smaller than its images a shard may be, beyond ``MEMORY``: JPEGs do not become smaller."""

STORED = pa.schema([("iauname", pa.string()), ("image", pa.large_binary()), ("problem", pa.string())])
"""Columns of a file of images set out for encoders."""


class ShardError(UserError):
    """A shard that cannot be used; the message names it and says what differs."""


@dataclass(frozen=True)
class Rows:
    """Rows of one campaign in a shard."""

    total: int
    """Rows of the shard, of all campaigns."""
    numbers: np.ndarray
    """Which rows of the shard these are, int64 (n,)."""
    ids: list[str]
    """What the dataset calls them: printable, at most 64 characters."""
    ra: np.ndarray
    """Degrees, float64 (n,); NaN where the shard has no position."""
    dec: np.ndarray
    counts: np.ndarray
    """Votes, float64 (n, columns), in the order of the columns asked for; 0 where the shard has null."""


def columns_of(tree: Tree, campaign: str) -> tuple[str, ...]:
    """Return the columns of a campaign's votes, one an answer: smooth-or-featured-dr5_smooth."""
    return tuple(f"{question}-{campaign}_{answer}" for question, answer in tree.answers)


def read_rows(path: Path, name: str, votes: Sequence[str], first: int) -> Rows:
    """Return the rows of a shard that have votes for the first question in a campaign; images are not read.

    ``votes`` are the columns of the campaign, of which the ``first`` ones belong to that question. ``name`` is what
    the shard is called in messages. Raises ShardError for a file that is cut short or damaged, and for one that lacks
    a column or has another type there.
    """
    with _opened(path, name) as file, _damage_named(name):
        _check(file, name, votes)
        found: list[tuple[np.ndarray, list[str], np.ndarray]] = []
        start = 0
        rows = _fitting(ROWS, max((_declared(file, g, "id_str") for g in range(file.num_row_groups)), default=0))
        for batch in _batches(file, name, rows, ["ra", "dec", "id_str", *votes]):
            numbers = np.column_stack([_floats(batch[column], float("nan")) for column in ("ra", "dec")])
            counts = np.column_stack([_floats(batch[column], 0.0) for column in votes])
            with np.errstate(invalid="ignore"):
                asked = np.flatnonzero(counts[:, :first].sum(axis=1) > 0)
            ids = _names(batch["id_str"], name).take(pa.array(asked)).to_pylist()
            values = np.column_stack([start + asked, numbers[asked], counts[asked]])
            found.append((asked, [_printable(i) for i in ids], values))
            start += len(counts)
    values = np.concatenate([v for _, _, v in found]) if found else np.zeros((0, 3 + len(votes)))
    ids = [i for _, part, _ in found for i in part]
    return Rows(start, values[:, 0].astype(np.int64), ids, values[:, 1], values[:, 2], values[:, 3:])


def _check(file: pq.ParquetFile, name: str, votes: Sequence[str]) -> None:
    schema = file.schema_arrow
    for column in ("image", "id_str", "ra", "dec", *votes):
        if schema.names.count(column) > 1 or any(other.startswith(f"{column}.") for other in schema.names):
            raise ShardError(_differs(name, f"its column {column!r} stands there twice"))
        if column not in schema.names:
            near = difflib.get_close_matches(column, schema.names, 1)
            hint = f" (the nearest is {near[0]!r})" if near else ""
            raise ShardError(_differs(name, f"it has no column {column!r}{hint}"))
        kind = schema.field(column).type
        if not _right(column, kind):
            raise ShardError(_differs(name, f"its column {column!r} is of the type {str(kind)[:80]}"))
    if file.metadata.num_rows > MOST_ROWS:
        raise ShardError(_differs(name, f"it has {file.metadata.num_rows:,} rows"))
    for group in range(file.num_row_groups):
        declared = _declared(file, group, "image")
        if declared > LARGEST_GROUP:
            raise ShardError(_differs(name, f"it declares {declared:,} bytes of images in one row group"))
        declared, rows = _declared(file, group, "id_str"), file.metadata.row_group(group).num_rows
        if declared > MEMORY + LARGEST_NAME * rows:
            raise ShardError(_differs(name, f"it declares {declared:,} bytes of names in one row group"))


def _declared(file: pq.ParquetFile, group: int, column: str) -> int:
    """Return the bytes of a column in a row group as they are declared: no value of it is larger."""
    held = file.metadata.row_group(group)
    parts = (held.column(i) for i in range(held.num_columns))
    return sum(p.total_uncompressed_size for p in parts if p.path_in_schema.partition(".")[0] == column)


def _fitting(most: int, largest: int) -> int:
    """Return how many rows are read at a time, so that they fit into ``MEMORY`` though each were ``largest`` bytes."""
    return min(most, max(1, MEMORY // max(1, largest)))


def _names(ids: pa.Array, name: str) -> pa.Array:
    """Return what a shard calls its rows; ShardError for names that are none."""
    if pa.types.is_integer(ids.type):
        return ids
    bytes_ = ids.cast(pa.large_binary())  # what is no text is seen by _printable
    longest = pc.max(pc.binary_length(bytes_)).as_py() or 0
    if longest > LARGEST_NAME:
        raise ShardError(_differs(name, f"its column 'id_str' holds a name of {longest:,} bytes"))
    return bytes_


def _right(column: str, kind: pa.DataType) -> bool:
    """Return whether a column has a type that is read here."""
    if column == "image":
        inside = kind.field("bytes").type if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0 else None
        return inside is not None and (pa.types.is_binary(inside) or pa.types.is_large_binary(inside))
    if column == "id_str":
        return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind))
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind))


def _differs(name: str, what: str) -> str:
    return (
        f"{name} is not what it was when this program was written: {what}. Update galaxy-zoo-decals, or take another "
        "way in: `galaxy-zoo-decals doctor` says what can be reached."
    )


def extract(path: Path, name: str, wanted: Mapping[int, str], target: Path) -> None:
    """Write the images of some rows (number to iauname) to an Arrow file that encoders map into memory.

    Whole or not at all. One batch of images is in memory at a time. Raises
    ShardError where the images are damaged, or unpack to far more than the file has.
    """
    left = path.stat().st_size * PACKED + MEMORY
    with (
        atomic_file(target) as beside,
        _opened(path, name) as file,
        _damage_named(name),
        beside.open("wb") as out,
        pa.ipc.new_file(out, STORED) as writer,
    ):
        start = 0
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if any(number in wanted for number in range(start, start + rows)):
                for batch in _images(file, name, group, start, wanted):
                    left -= batch.nbytes
                    if left < 0:
                        raise ShardError(_differs(name, "its images unpack to many times the file's size"))
                    writer.write_batch(batch)
            start += rows


def _images(
    file: pq.ParquetFile, name: str, group: int, start: int, wanted: Mapping[int, str]
) -> Iterator[pa.RecordBatch]:
    size = _fitting(BATCH, _declared(file, group, "image"))
    for batch in _batches(file, name, size, ["image.bytes"], [group]):
        numbers = [number for number in range(start, start + batch.num_rows) if number in wanted]
        start += batch.num_rows
        if not numbers:
            continue
        places = [number - (start - batch.num_rows) for number in numbers]
        bytes_ = pc.struct_field(batch["image"], "bytes")
        problems = [
            "the shard has no image of it" if not length
            else f"the image has more than {MAX_BYTES >> 20} MiB; no cutout is that large" if length > MAX_BYTES
            else None
            for length in pc.binary_length(bytes_).take(pa.array(places)).to_pylist()
        ]  # fmt: skip
        names = pa.array([wanted[number] for number in numbers], pa.string())
        # Of a place that is null nothing is copied; a mask would leave the bytes of a large image under it.
        held = bytes_.take(pa.array([None if p else place for p, place in zip(problems, places)], pa.int64()))
        held = held.cast(pa.large_binary())
        yield pa.record_batch([names, held, pa.array(problems, pa.string())], schema=STORED)


@dataclass(frozen=True)
class ShardEncoder:
    """Decodes and encodes images that ``extract`` set out, by iauname."""

    path: Path
    problems: dict[str, str]
    """Galaxies whose image is not used, with why."""
    form: Form
    side: int | None = None
    """Pixels a side that the images must have, if that is known."""

    def __call__(self, names: Sequence[str]) -> list[bytes | ImageError]:
        """Return the images of some galaxies, or what is wrong with them."""
        return [ImageError(self.problems[name]) if name in self.problems else self._one(name) for name in names]

    def _one(self, name: str) -> bytes | ImageError:
        state = self.path.stat()
        table, places = _mapped(self.path, state.st_size, state.st_mtime_ns)
        problem = table["problem"][places[name]].as_py()
        if problem is not None:
            return ImageError(problem)
        try:
            return self.form.make(table["image"][places[name]].as_py(), self.side)
        except ImageError as error:
            return error


@functools.lru_cache(maxsize=1)
def _mapped(path: Path, size: int, modified: int) -> tuple[pa.Table, dict[str, int]]:
    with pa.memory_map(str(path)) as source:
        table = pa.ipc.open_file(source).read_all()  # nothing is copied: pages come from the disk as they are asked for
    return table, {name: i for i, name in enumerate(table["iauname"].to_pylist())}


_DAMAGE = (pa.ArrowException, OSError, UnicodeDecodeError)
"""What pyarrow raises for files that cannot be read."""


def _opened(path: Path, name: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, pre_buffer=False, buffer_size=2**20)
    except _DAMAGE as error:
        raise ShardError(_damaged(name, error)) from None


def _batches(
    file: pq.ParquetFile, name: str, size: int, columns: list[str], groups: list[int] | None = None
) -> Iterator[pa.RecordBatch]:
    batches = file.iter_batches(batch_size=size, columns=columns, row_groups=groups, use_threads=False)
    while True:
        try:
            batch = next(batches, None)
        except _DAMAGE as error:
            raise ShardError(_damaged(name, error)) from None
        if batch is None:
            return
        yield batch


@contextmanager
def _damage_named(name: str) -> Iterator[None]:
    """Turn what pyarrow says of values that cannot be taken as what they should be into ShardError."""
    try:
        yield
    except pa.ArrowException as error:
        raise ShardError(_damaged(name, error)) from None


def _damaged(name: str, error: BaseException) -> str:
    return (
        f"{name}: not a readable Parquet file ({str(error).splitlines()[0][:160]}), though it is the one that the Hub "
        "lists: it is damaged there. Tell its authors, or take another way in: `galaxy-zoo-decals doctor`."
    )


def _floats(values: pa.Array, empty: float) -> np.ndarray:
    """Return numbers as float64, ``empty`` where there is none."""
    # Unsafe is the cast that takes integers above 2^53, which no float is exactly.
    numbers = pc.fill_null(values.cast(pa.float64(), safe=False), empty).to_numpy(zero_copy_only=False)
    return np.where(np.isnan(numbers), empty, numbers)


def _printable(text: object) -> str:
    """Return a name at the source as it may be shown."""
    if text is None:
        return "without a name"
    words = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
    return re.sub(r"[^\w.+:-]", "?", words[:64], flags=re.ASCII)

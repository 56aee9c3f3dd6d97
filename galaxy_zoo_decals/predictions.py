"""Prediction files: what a model says of every scored test galaxy, in one Parquet form for each task."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from galaxy_zoo_decals.atomic import atomic_file
from galaxy_zoo_decals.schema import Tree
from galaxy_zoo_decals.scoring.boards import BOARDS, Board
from galaxy_zoo_decals.scoring.predicted import PredictionError, Predictions, check_against

__all__ = [
    "FORMAT",
    "LEAST_CONCENTRATION",
    "MOST_CONCENTRATION",
    "SCALE",
    "PredictionError",
    "Predictions",
    "check_against",
    "check_values",
    "columns",
    "groups",
    "read",
    "write",
]

FORMAT = "1"
SCALE = 65535
"""Probabilities are stored as uint16 v and mean v / 65535."""

LEAST_CONCENTRATION, MOST_CONCENTRATION = 1e-6, 1e6
"""Bounds of a concentration in a prediction file.

A galaxy has some tens of votes: they cannot tell a surer model from one with a million, nor a more torn one from one
with a millionth. Far beyond both, rounding would decide; float32, in which files hold them, has nothing below 1e-45.
"""


def columns(task: str, tree: Tree) -> tuple[str, ...]:
    """Return the value columns of a task's prediction file; raises PredictionError if there is no such task."""
    return _board(task).file_columns(tree)


def groups(task: str, tree: Tree) -> tuple[slice, ...]:
    """Return the runs of columns whose probabilities sum to 1."""
    return _board(task).file_groups(tree)


def _board(task: str) -> Board:
    if task not in BOARDS:
        raise PredictionError(f"there is no task {task!r}; choose from {', '.join(BOARDS)}.")
    return BOARDS[task]


def write(path: str | os.PathLike[str], predictions: Predictions, tree: Tree) -> None:
    """Write a prediction file (zstd Parquet), whole or not at all.

    Raises PredictionError, naming the galaxy, if a value is not finite, a probability lies outside [0, 1] or a
    concentration outside LEAST_CONCENTRATION to MOST_CONCENTRATION.
    """
    path, names = Path(path), columns(predictions.task, tree)
    check_values(predictions, tree, str(path))
    data: dict[str, pa.Array] = {"iauname": pa.array(predictions.names, pa.string())}
    for name, values in zip(names, predictions.values.T):
        if BOARDS[predictions.task].concentrations:
            data[name] = pa.array(values.astype(np.float32))
        else:
            data[name] = pa.array(np.round(values * SCALE).astype(np.uint16))
    table = pa.table(data).replace_schema_metadata(
        {
            "format": FORMAT,
            "edition": predictions.edition,
            "content_hash": predictions.content_hash,
            "split_hash": predictions.split_hash,
            "task": predictions.task,
            "seed": str(predictions.seed),
        }
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as beside:
        pq.write_table(table, beside, compression="zstd")


def read(path: str | os.PathLike[str], tree: Tree) -> Predictions:
    """Read a prediction file and check its form; raises PredictionError naming file, row and column."""
    try:
        table = pq.ParquetFile(path).read()
    except (OSError, pa.ArrowException):
        raise PredictionError(unreadable(Path(path))) from None
    metadata = {k.decode(): v.decode("utf-8", "replace") for k, v in (table.schema.metadata or {}).items()}
    missing = [k for k in ("format", "edition", "content_hash", "split_hash", "task", "seed") if k not in metadata]
    if missing:
        raise PredictionError(f"{path}: the file's metadata lacks {', '.join(missing)}; see docs/predictions.md.")
    if metadata["format"] != FORMAT:
        raise PredictionError(f"{path}: format {metadata['format']!r} is not {FORMAT!r}, the one this version reads.")
    task = metadata["task"]
    if task not in BOARDS:
        raise PredictionError(f"{path}: there is no task {task!r}; choose from {', '.join(BOARDS)}.")
    concentrations, names = BOARDS[task].concentrations, columns(task, tree)
    expected = ["iauname", *names]
    if table.column_names != expected:
        wrong = next((c for c in expected if c not in table.column_names), None)
        word = f"column {wrong!r} is missing" if wrong else "columns are surplus or in another order"
        raise PredictionError(f"{path}: {word}; a {task} file on {tree.name} has {', '.join(expected)}.")
    stored = pa.float32() if concentrations else pa.uint16()
    for name, field_type in zip(expected, [pa.string(), *[stored] * len(names)]):
        if table.schema.field(name).type != field_type:
            raise PredictionError(f"{path}: column {name!r} is {table.schema.field(name).type}, not {field_type}.")
        if table[name].null_count:
            raise PredictionError(f"{path}: column {name!r} has {table[name].null_count} empty values.")
    if not re.fullmatch(r"[0-9]{1,9}", metadata["seed"]):
        raise PredictionError(f"{path}: the seed {metadata['seed']!r} is no number.")
    values = np.column_stack([table[name].to_numpy().astype(float) for name in names])
    if not concentrations:
        values /= SCALE
    galaxies = tuple(table["iauname"].to_pylist())
    predictions = Predictions(
        task, metadata["edition"], metadata["content_hash"], metadata["split_hash"], int(metadata["seed"]),
        galaxies, values,
    )  # fmt: skip
    check_values(predictions, tree, str(path))
    for group in groups(task, tree):
        total = values[:, group].sum(axis=1)
        # Rounding k values to 1/65535 moves their sum by at most k/2 steps; k steps leave room.
        off = np.abs(total - 1) > (group.stop - group.start) / SCALE
        if off.any():
            row = int(np.flatnonzero(off)[0])
            raise PredictionError(
                f"{path}: row {row + 1} ({galaxies[row]}): {', '.join(names[group])} sum to {total[row]:.4f}, not 1."
            )
        values[:, group] /= total[:, None]
    return predictions


def unreadable(path: Path) -> str:
    """Return what is said of a file that should be Parquet and does not read: what it is by its first bytes."""
    from galaxy_zoo_decals.tables import called

    kind = called(path)
    if kind == "a Parquet table":
        kind = "it may be cut short, or a part of it is not as it was written"
    else:
        kind = f"it is {kind}"
    return f"{path}: not a readable Parquet file: {kind}."


def is_file_of_ours(path: Path) -> bool:
    """Return whether a Parquet file says of itself that it is a prediction file, of whatever version."""
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowException):
        return True  # ``read`` says what is wrong with it
    return {b"format", b"content_hash", b"task"} <= metadata.keys()


def check_values(predictions: Predictions, tree: Tree, where: str) -> None:
    """Raise PredictionError unless every value is one that a file may hold, as ``write`` does; ``where`` names them."""
    names, values = columns(predictions.task, tree), predictions.values
    if values.shape != (len(predictions.names), len(names)):
        raise PredictionError(
            f"{where}: values of shape {values.shape}, expected {(len(predictions.names), len(names))}."
        )
    if BOARDS[predictions.task].concentrations:
        # As float32, which the file holds: of its own bounds none may fall outside.
        with np.errstate(over="ignore"):
            stored = values.astype(np.float32)
        outside = (stored < np.float32(LEAST_CONCENTRATION)) | (stored > np.float32(MOST_CONCENTRATION))
        problem = (
            f"is no concentration from {LEAST_CONCENTRATION:g} to {MOST_CONCENTRATION:g}: clip what the model says to "
            "these bounds"
        )
    else:
        outside, problem = (values < 0) | (values > 1), "is no probability from 0 to 1"
    for words, bad in (("is not finite", ~np.isfinite(values)), (problem, outside)):
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise PredictionError(
                f"{where}: row {row + 1} ({predictions.names[row]}), column {names[column]!r}: {values[row, column]} "
                f"{words}."
            )

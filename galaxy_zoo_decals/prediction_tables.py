"""Predictions that a table of any kind holds, in any order of rows: read, and put into the order of an edition."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from galaxy_zoo_decals import joins, predictions, tables
from galaxy_zoo_decals.predictions import PredictionError, Predictions
from galaxy_zoo_decals.schema import TREES, VIEWS, Tree
from galaxy_zoo_decals.scoring.truth import Truth
from galaxy_zoo_decals.tables.positions import shown

LARGEST = 2**29
"""Bytes of a table of predictions at most."""

OFF = 0.01
"""How far from 1 the probabilities of a question may sum; rounding in a text file moves them less."""

INDEX = re.compile(r"|Unnamed: ?\d+|index|level_0|__index_level_\d+__")
"""What pandas calls the numbers of the rows where they were saved too."""


@dataclass(frozen=True)
class PredictionTable:
    """A table of predictions: ``rows`` have the name of each galaxy (iauname, text) and its values."""

    path: Path
    rows: pd.DataFrame
    metadata: Mapping[str, str]

    @property
    def names(self) -> list[str]:
        """The name of each row's galaxy."""
        return list(self.rows["iauname"])

    def task(self, tree: Tree) -> str:
        """Return the task whose columns the table has; raises PredictionError naming the first that differs."""
        has = set(self.rows.columns) - {"iauname"}
        fits = {task: set(predictions.columns(task, tree)) for task in VIEWS}
        for task, names in fits.items():
            if names == has:
                return task
        closest = max(fits, key=lambda task: len(fits[task] & has) - len(fits[task] ^ has))
        missing, surplus = sorted(fits[closest] - has), sorted(has - fits[closest])
        words = f"column {missing[0]!r} is missing" if missing else f"column {surplus[0]!r} is none of it"
        near = tables.nearest(missing[0], surplus) if missing else None
        hint = f" (it has {near!r})" if near else ""
        raise PredictionError(
            f"{self.path}: {words}{hint}; a table for {closest} has iauname, "
            f"{', '.join(predictions.columns(closest, tree))}."
        )

    def values(self, task: str, tree: Tree, galaxies: tuple[str, ...]) -> np.ndarray:
        """Return the values of some galaxies in their order, float64 (galaxies, columns of the task).

        Groups of probabilities that sum to 1 within ``OFF`` are normalised. Raises PredictionError naming galaxy and
        column.
        """
        names = predictions.columns(task, tree)
        ordered = self.rows.set_index("iauname").loc[list(galaxies), list(names)]
        values = ordered.apply(pd.to_numeric, errors="coerce").to_numpy(float, copy=True)
        if np.isnan(values).any():
            row, column = np.argwhere(np.isnan(values))[0]
            raise PredictionError(
                f"{self.path}: {galaxies[row]}, column {names[column]!r} {_held(ordered[names[column]].iloc[row])}."
            )
        if self.rows[names[0]].dtype == np.uint16:
            values = values / predictions.SCALE
        for group in predictions.groups(task, tree):
            total = values[:, group].sum(axis=1)
            if (np.abs(total - 1) > OFF).any():
                row = int(np.argmax(np.abs(total - 1)))
                raise PredictionError(
                    f"{self.path}: {galaxies[row]}: {', '.join(names[group])} sum to {total[row]:.4f}, not 1."
                    f"{_likely(values[:, group])}"
                )
            values[:, group] /= total[:, None]
        return values


def _held(value: object) -> str:
    """Return what is said of a cell that is no number."""
    return "is empty: fill it in" if pd.isna(value) else f"holds {shown(value)}, which is no number"  # type: ignore[call-overload]


def _likely(values: np.ndarray) -> str:
    """Return in a sentence what values of a question that do not sum to 1 seem to be, "" where nothing tells."""
    totals = values.sum(axis=1)
    if not np.isfinite(values).all():
        return ""
    if (np.abs(totals - 100) < 100 * OFF).mean() > 0.9 and (values >= 0).all():
        return " They seem to be percents: divide them by 100."
    if (values < 0).mean() > 0.1 or (values > 1).mean() > 0.1:
        return " They seem to be logits or counts: softmax makes probabilities of logits."
    if (np.abs(totals - 1) > OFF).mean() > 0.5:
        return " The answers of a question exclude each other: softmax over them, not a sigmoid for each, sums to 1."
    return ""


def read(path: Path) -> PredictionTable:
    """Return the predictions in a table of any kind that ``tables`` reads.

    Raises TableError for what is no table, PredictionError for one without iauname or with a galaxy twice.
    """
    if path.is_file() and path.stat().st_size > LARGEST:
        raise PredictionError(f"{path}: {path.stat().st_size:,} bytes: no table of predictions.")
    wanted = {c for tree in TREES.values() for task in VIEWS for c in predictions.columns(task, tree)}
    table = tables.look(path, ("iauname", *sorted(wanted)))
    if "iauname" not in table.columns:
        raise PredictionError(f"{path}: column 'iauname' is missing{table.missing('iauname')}.")
    rows = table.read((c for c in table.columns if not INDEX.fullmatch(c)), texts=("iauname",))
    rows["iauname"] = joins.plain(rows["iauname"])
    again = rows["iauname"].duplicated()
    if again.any():
        row = int(np.flatnonzero(again)[0])
        raise PredictionError(
            f"{path}: row {row + 1}: {rows['iauname'].iloc[row]!r} stands there a second time; keep one."
        )
    return PredictionTable(path, rows, table.metadata)


def read_for(path: Path, truth: Truth) -> Predictions:
    """Return predictions of an edition's scored test galaxies from a prediction file or from a table of any kind.

    Raises TableError or PredictionError naming file, row and column; where names differ it shows one of each side.
    """
    if tables.called(path) == "a Parquet table" and predictions.is_file_of_ours(path):
        return predictions.read(path, truth.tree)
    table = read(path)
    held = set(table.names)
    known = [name for name in truth.names if name in held]
    if len(known) < (1 if truth.may_lack else len(truth.names)) or len(known) < len(held):
        raise PredictionError(f"{path}: {differs(table.names, truth)}")
    task = table.task(truth.tree)
    found = Predictions(
        task, truth.edition, truth.content_hash, truth.split_hash, 0, tuple(known),
        table.values(task, truth.tree, tuple(known)),
    )  # fmt: skip
    predictions.check_values(found, truth.tree, str(path))
    return found


def differs(names: list[str], truth: Truth) -> str:
    """Return how the galaxies of a table differ from the scored test galaxies of an edition, with one of each side."""
    ours, held = set(truth.names), set(names)
    surplus = [name for name in names if name not in ours]
    absent = [name for name in truth.names if name not in held]
    words = joins.explain(surplus, absent, "names of the table", f"test galaxies of {truth.edition}") if surplus else ""
    if len(surplus) == len(names):
        return f"none of its galaxies is a scored test galaxy of {truth.edition}. {words}"
    if absent:
        said = f"lacks {absent[0]!r}" + (f" and {len(absent) - 1:,} more" if len(absent) > 1 else "")
    else:
        said = f"has {surplus[0]!r} too, which is none" + (f" ({len(surplus):,} such rows)" if len(surplus) > 1 else "")
        words = ""
    return (
        f"must hold the {len(truth.names):,} scored test galaxies of {truth.edition}; it {said}. "
        f"`python -m leaderboard template` lists them. {words}"
    ).strip()

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from galaxy_zoo_decals import predictions as files
from galaxy_zoo_decals.predictions import PredictionError, Predictions
from galaxy_zoo_decals.schema import GZ2, GZD5, TREES, VIEWS, Tree

NAMES = tuple(f"J{i:06d}" for i in range(6))


def made(task: str, tree: Tree = GZD5) -> Predictions:
    rng = np.random.default_rng(0)
    values = rng.uniform(0.01, 1, (len(NAMES), len(files.columns(task, tree))))
    for group in files.groups(task, tree):
        values[:, group] /= values[:, group].sum(axis=1, keepdims=True)
    if task == "votes":
        values *= 100
    return Predictions(task, "toy", "content", "split", 3, NAMES, values)


@pytest.mark.parametrize("tree", TREES.values(), ids=list(TREES))
@pytest.mark.parametrize("task", VIEWS)
def test_what_is_written_is_read(task: str, tree: Tree, tmp_path: Path) -> None:
    given = made(task, tree)
    files.write(tmp_path / "a" / "seed3.parquet", given, tree)
    found = files.read(tmp_path / "a" / "seed3.parquet", tree)
    assert replace(found, values=given.values) == replace(given)
    tolerance = 1e-5 * 100 if task == "votes" else 1 / files.SCALE
    np.testing.assert_allclose(found.values, given.values, atol=tolerance)
    for group in files.groups(task, tree):
        np.testing.assert_allclose(found.values[:, group].sum(axis=1), 1, atol=1e-12)
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["seed3.parquet"]


def test_the_columns_of_each_task() -> None:
    assert files.columns("multiclass", GZD5) == ("p_elliptical", "p_spiral", "p_lenticular", "p_irregular")
    assert files.columns("multilabel", GZ2)[5] == "p_bar-yes"
    assert files.columns("hierarchical", GZD5)[:4] == (
        "p_smooth-or-featured_smooth",
        "p_smooth-or-featured_featured-or-disk",
        "p_smooth-or-featured_artifact",
        "p_how-rounded_round",
    )
    assert len(files.columns("votes", GZD5)) == 34
    with pytest.raises(PredictionError, match="multilabel"):
        files.columns("regression", GZD5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1, 1.1])
def test_no_bad_probability_is_ever_written(value: float, tmp_path: Path) -> None:
    given = made("multilabel")
    given.values[4, 2] = value
    with pytest.raises(PredictionError, match=r"row 5 \(J000004\), column 'p_artifact'"):
        files.write(tmp_path / "seed3.parquet", given, GZD5)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [1e20, 1.0001e6, 0.99e-6, 1e-30, 1e-46, 0.0, -1.0, 1e300])
def test_a_concentration_beyond_the_bounds_is_neither_written_nor_read(value: float, tmp_path: Path) -> None:
    words = (
        r"row 5 \(J000004\), column 'a_smooth-or-featured_artifact': \S+ is no concentration from 1e-06 to 1e\+06: clip"
    )
    given, path = made("votes"), tmp_path / "seed3.parquet"
    files.write(path, given, GZD5)
    column = pa.array([*given.values[:4, 2], value, given.values[5, 2]]).cast(pa.float32())
    if np.isfinite(column[4].as_py()):
        rewritten(path, lambda t: set_column(t, "a_smooth-or-featured_artifact", column))
        with pytest.raises(PredictionError, match=f"seed3.parquet: {words}"):
            files.read(path, GZD5)
    path.unlink()
    given.values[4, 2] = value
    with pytest.raises(PredictionError, match=words):
        files.write(path, given, GZD5)
    assert not list(tmp_path.iterdir())


def test_the_bounds_themselves_are_written_and_read(tmp_path: Path) -> None:
    given, path = made("votes"), tmp_path / "seed3.parquet"
    given.values[:2, 0] = files.LEAST_CONCENTRATION, files.MOST_CONCENTRATION
    files.write(path, given, GZD5)
    np.testing.assert_allclose(files.read(path, GZD5).values[:2, 0], given.values[:2, 0])


def rewritten(path: Path, change: object, tree: Tree = GZD5) -> Path:
    table = pq.read_table(path)
    pq.write_table(change(table), path)  # type: ignore[operator]
    return path


def set_column(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.drop_columns("p_spiral"), "'p_spiral' is missing"),
        (lambda t: t.append_column("p_other", t["p_spiral"]), "surplus"),
        (lambda t: t.select([0, 2, 1, 3, 4]), "another order"),
        (lambda t: set_column(t, "p_spiral", t["p_spiral"].cast(pa.float64())), "is double, not uint16"),
        (lambda t: set_column(t, "p_spiral", pa.array([1, 2, 3, 4, 5, None], pa.uint16())), "1 empty"),
        (lambda t: set_column(t, "p_spiral", pa.array([65535] * 6, pa.uint16())), r"row 1 \(J000000\).*sum to"),
        (lambda t: t.replace_schema_metadata({"format": "1"}), "lacks edition"),
        (lambda t: t.replace_schema_metadata({**t.schema.metadata, b"format": b"9"}), "format '9'"),
        (lambda t: t.replace_schema_metadata({**t.schema.metadata, b"task": b"poetry"}), "no task 'poetry'"),
        (lambda t: t.replace_schema_metadata({**t.schema.metadata, b"seed": b"one"}), "seed 'one'"),
        (lambda t: t.replace_schema_metadata({**t.schema.metadata, b"seed": "²".encode()}), "is no number"),
    ],
)
def test_damaged_files_are_refused_with_a_reason(change: object, words: str, tmp_path: Path) -> None:
    path = tmp_path / "seed3.parquet"
    files.write(path, made("multiclass"), GZD5)
    with pytest.raises(PredictionError, match=words) as error:
        files.read(rewritten(path, change), GZD5)
    assert "seed3.parquet" in str(error.value)


def test_no_parquet_at_all_is_refused(tmp_path: Path) -> None:
    (tmp_path / "seed3.parquet").write_bytes(b"PK\x03\x04 not parquet")
    with pytest.raises(PredictionError, match="not a readable Parquet"):
        files.read(tmp_path / "seed3.parquet", GZD5)


def test_predictions_of_another_edition_or_order_are_refused() -> None:
    given = made("multiclass")
    files.check_against(given, ("content", "split"), NAMES, "x")
    with pytest.raises(PredictionError, match="content hash"):
        files.check_against(given, ("other", "split"), NAMES, "x")
    with pytest.raises(PredictionError, match="split hash"):
        files.check_against(given, ("content", "other"), NAMES, "x")
    with pytest.raises(PredictionError, match="6 rows, but the edition has 5"):
        files.check_against(given, ("content", "split"), NAMES[:5], "x")
    with pytest.raises(PredictionError, match="row 1 is 'J000000', expected 'J000005'"):
        files.check_against(given, ("content", "split"), NAMES[::-1], "x")

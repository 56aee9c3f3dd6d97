from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxy_zoo_decals.prepare import cleaning
from galaxy_zoo_decals.schema import GZD5
from galaxy_zoo_decals.sources import catalogue
from galaxy_zoo_decals.sources.catalogue import CatalogueError
from galaxy_zoo_decals.tables import TableError


@pytest.fixture
def table(toy_catalogue: tuple[Path, Path]) -> pd.DataFrame:
    return pd.read_csv(toy_catalogue[0]).head(20)


def read(table: pd.DataFrame, folder: Path, suffix: str = ".csv") -> pd.DataFrame:
    path = folder / f"votes{suffix}"
    if suffix == ".csv":
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path)
    return catalogue.read(path)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_reads_by_name_whatever_the_order(table: pd.DataFrame, tmp_path: Path, suffix: str) -> None:
    shuffled = table[table.columns[::-1]].assign(surplus=1)
    found = read(shuffled, tmp_path, suffix)
    assert found["iauname"].tolist() == table["iauname"].tolist()
    for column in GZD5.vote_columns:
        assert found[column].dtype == np.int16
        assert found[column].tolist() == table[column].tolist()
    assert found["random_selection"].isna().all(), "the file has no such column"


def test_votes_as_floats_and_unasked_questions_left_empty_are_read(table: pd.DataFrame, tmp_path: Path) -> None:
    merging = ["merging_total-votes", *GZD5.question("merging").columns]
    table[merging] = table[merging].astype(float)
    table.loc[3, merging] = np.nan
    assert (read(table, tmp_path).loc[3, merging] == 0).all()


def with_value(table: pd.DataFrame, row: int, column: str, value: object) -> pd.DataFrame:
    table = table.copy()
    table[column] = table[column].astype(object)
    table.loc[row, column] = value
    return table


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda t: t.drop(columns="bar_weak"), ["bar_weak", "missing"]),
        (lambda t: t.rename(columns={"bar_weak": "bar-weak"}), ["'bar_weak'", "'bar-weak'"]),
        (lambda t: t.drop(columns="iauname"), ["'iauname'", "missing"]),
        (lambda t: with_value(t, 4, "iauname", t["iauname"][2]), ["rows 3, 5", "one row a galaxy"]),
        (lambda t: with_value(t, 4, "iauname", None), ["row 5", "no iauname"]),
        (lambda t: with_value(t, 4, "iauname", "../../etc/passwd"), ["row 5", "cannot be the name"]),
        (lambda t: with_value(t, 6, "bar_strong", -1), ["row 7", "'bar_strong'", "negative"]),
        (lambda t: with_value(t, 6, "bar_strong", 1.5), ["row 7", "'bar_strong'", "no whole number"]),
        (lambda t: with_value(t, 6, "bar_strong", "many"), ["row 7", "'bar_strong'", "'many'"]),
        (lambda t: with_value(t, 6, "bar_strong", 1e6), ["row 7", "'bar_strong'", "larger"]),
        (lambda t: with_value(t, 6, "bar_strong", np.inf), ["row 7", "'bar_strong'"]),
        (lambda t: with_value(t, 6, "merging_none", None), ["row 7", "'merging_none'", "empty"]),
        (lambda t: with_value(t, 6, "smooth-or-featured_total-votes", 99), ["row 7", "99", "add up"]),
        (lambda t: with_value(t, 6, "redshift", "far"), ["row 7", "'redshift'", "'far'"]),
        (lambda t: with_value(t, 6, "ra", np.inf), ["row 7", "'ra'"]),
        (lambda t: with_value(t, 6, "dec", 1234), ["row 7", "'dec'", "1234"]),
        (lambda t: with_value(t, 6, "wrong_size_warning", "perhaps"), ["row 7", "'wrong_size_warning'"]),
    ],
)  # fmt: skip
def test_every_damage_is_named_with_file_row_and_column(
    table: pd.DataFrame, tmp_path: Path, damage: object, words: list[str]
) -> None:
    with pytest.raises(CatalogueError) as error:
        read(damage(table), tmp_path)  # type: ignore[operator]
    for word in ("votes.csv", *words):
        assert word in str(error.value)


def test_a_truncated_csv_is_refused(table: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    table.to_csv(path, index=False)
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(TableError, match="may be cut short"):
        catalogue.read(path)
    path.write_bytes(b"")
    with pytest.raises(TableError, match=r"votes\.csv"):
        catalogue.read(path)
    (tmp_path / "votes.parquet").write_bytes(b"PAR1 but no more")
    with pytest.raises(TableError, match=r"votes\.parquet.*may be cut short"):
        catalogue.read(tmp_path / "votes.parquet")
    with pytest.raises(TableError, match="no such file"):
        catalogue.read(tmp_path / "absent.csv")


def test_a_last_row_without_a_line_break_is_read_and_said(
    table: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Many programs write none; a value that lost its last digit would look the same."""
    path = tmp_path / "votes.csv"
    table.to_csv(path, index=False)
    path.write_bytes(path.read_bytes().rstrip())
    assert catalogue.read(path)["iauname"].tolist() == table["iauname"].tolist()
    assert "its last value may be cut short" in capsys.readouterr().err


def test_cleaning_counts_every_step(table: pd.DataFrame, tmp_path: Path) -> None:
    found = read(table, tmp_path)
    first = ["smooth-or-featured_smooth", "smooth-or-featured_featured-or-disk", "smooth-or-featured_artifact"]
    found.loc[[1, 2], first] = [2, 0, 0]
    found.loc[[1, 2], "smooth-or-featured_total-votes"] = 2
    found.loc[[2, 5, 7], "wrong_size_warning"] = True
    kept, report = cleaning.clean(found, GZD5)
    assert [(s.removed, s.left) for s in report.steps] == [(2, 18), (2, 16)]
    assert kept["iauname"].tolist() == found["iauname"].drop([1, 2, 5, 7]).tolist()
    kept, report = cleaning.clean(found, GZD5, cleaning.Rules(min_votes=0, keep_wrong_size=True))
    assert len(kept) == 20 and report.left == 20
    assert "20" in str(report)

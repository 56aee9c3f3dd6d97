"""Vote catalogues: read a table of volunteers' votes by column name and check every count in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from galaxy_zoo_decals import joins, tables
from galaxy_zoo_decals.schema import GZD5, Question, Tree
from galaxy_zoo_decals.sources import own_split, partial_tree
from galaxy_zoo_decals.tables import TableError
from galaxy_zoo_decals.tables.positions import LIMITS, no_position, shown

METADATA: dict[str, str] = {
    "ra": "float64",
    "dec": "float64",
    "redshift": "float32",
    "mag_r": "float32",
    "petro_th50": "float32",
    "petro_th90": "float32",
    "petro_theta": "float32",
    "upload_group": "string",
    "random_selection": "boolean",
    "wrong_size_warning": "boolean",
}
"""What every edition knows of a galaxy beside its votes, with pandas dtypes: degrees, magnitudes, arcsec.
Null where unknown; for ``random_selection`` null means that the catalogue does not have the column."""

POSSIBLE = {
    "redshift": (-0.1, 20.0), "mag_r": (-30.0, 60.0), "petro_th50": (0.0, 1e4), "petro_th90": (0.0, 1e4),
    "petro_theta": (0.0, 1e4),
}  # fmt: skip
"""What a galaxy can have; what lies outside, such as -999 or 99, is a placeholder for an unknown number."""

DERIVED = {"mag_r": "sersic_nmgy_r"}
"""Metadata that a file without its column may hold in another form: the magnitude as a flux in nanomaggies."""


class CatalogueError(TableError):
    """A catalogue that cannot be used; the message names file, row and column and says what to do."""


OTHER_TREE = ("bar_yes", "bulge-size_obvious", "merging_neither", "how-rounded_completely")
"""Answers of Galaxy Zoo DECaLS 1 and 2 that the tree of GZD-5 does not have."""


def debiased_columns(tree: Tree) -> tuple[str, ...]:
    """Return the columns of debiased fractions, one an answer in the tree's order."""
    return tuple(f"{column}_debiased" for column in tree.answer_columns)


def read(path: Path, tree: Tree = GZD5, extra: tuple[str, ...] = (), needed: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read a vote catalogue (a table of any kind that ``tables`` reads, columns as on Zenodo 4573248), checked.

    Returns iauname, the columns of ``METADATA`` (null where the file has none), the tree's vote columns and
    ``lost_columns`` as int16 and the ``extra`` columns as float32, in the file's order. ``needed`` are columns of
    ``METADATA`` that the file must have. Raises CatalogueError naming file, row and column, TableError for a file that
    is no table or a damaged one.
    """
    return _with_extra(_read_table(path, tree, extra, needed), path, tree, extra)


def read_part(
    path: Path,
    tree: Tree = GZD5,
    extra: tuple[str, ...] = (),
    needed: tuple[str, ...] = (),
    split_column: str | None = None,
    instead: str = "",
) -> tuple[pd.DataFrame, partial_tree.Part]:
    """Read a catalogue that may have a part of the tree alone, and return its checked rows with which part that is.

    As ``read``; questions without columns have no votes, and placeholders such as a redshift of -999 are null. What
    ``split_column`` says stands in the column ``own_split``, in the words of editions; ``instead`` ends the message
    about a ``needed`` column that is missing.
    """
    table = _read_table(path, tree, extra, needed, split_column, instead, partial=True)
    part = partial_tree.part_of(table.columns, tree)
    checked = _without_placeholders(_with_extra(partial_tree.complete(table, tree, part), path, tree, extra), path)
    if split_column is not None:
        checked["own_split"] = own_split.read(table[split_column], split_column, str(path))
    return checked, part


def _without_placeholders(rows: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return rows with null in place of the numbers that stand for an unknown one, as surveys write them; says so."""
    for column, (low, high) in POSSIBLE.items():
        odd = ((rows[column] < low) | (rows[column] > high)).fillna(False)
        if odd.any():
            example = f"{rows[column][odd].iloc[0]:g}"
            rows[column] = rows[column].mask(odd)
            tables.say(
                f"{path}: column {column!r} holds {example} or the like for {int(odd.sum()):,} galaxies: unknown."
            )
    return rows


def _with_extra(table: pd.DataFrame, path: Path, tree: Tree, extra: tuple[str, ...]) -> pd.DataFrame:
    checked = check(table, tree, str(path))
    values = {column: _metadata(table, column, "float32", str(path)) for column in extra}
    return pd.concat([checked, pd.DataFrame(values, index=checked.index)], axis=1) if extra else checked


def check(table: pd.DataFrame, tree: Tree, where: str) -> pd.DataFrame:
    """Return the table with canonical columns and dtypes, or raise CatalogueError; ``where`` names its origin.

    Rows are named as a reader of the file finds them: row 1 is the first row of data.
    """
    _check_columns(list(table.columns), tree, where)
    names = table["iauname"]
    if names.isna().any():
        raise CatalogueError(f"{where}: row {_first(names.isna())} has no iauname; every galaxy needs a name.")
    names = names.astype(str)
    # Names become file names: nothing that could leave a folder.
    odd = ~names.str.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}")
    if odd.any():
        raise CatalogueError(
            f"{where}: row {_first(odd)}: {names[odd].iloc[0]!r} cannot be the name of a galaxy: it "
            "has at most 64 letters, digits and . + - _, without a folder before it."
        )
    repeated = names.duplicated(keep=False)
    if repeated.any():
        name = names[repeated].iloc[0]
        rows = ", ".join(str(i + 1) for i in np.flatnonzero((names == name).to_numpy())[:5])
        raise CatalogueError(
            f"{where}: iauname {name} stands in rows {rows} ({names[repeated].nunique()} names are repeated); "
            "keep one row a galaxy."
        )
    columns: dict[str, pd.Series] = {"iauname": names.reset_index(drop=True)}
    for column, dtype in METADATA.items():
        columns[column] = _metadata(table, column, dtype, where)
    columns |= _votes(table, tree, where)
    checked = pd.DataFrame(columns)
    _check_hours(checked, where)
    return checked


def _read_table(
    path: Path,
    tree: Tree,
    extra: tuple[str, ...],
    needed: tuple[str, ...],
    split_column: str | None = None,
    instead: str = "",
    partial: bool = False,
) -> pd.DataFrame:
    wanted = ("iauname", *METADATA, *DERIVED.values(), *tree.vote_columns, *extra)
    if split_column is not None:
        wanted = (*wanted, split_column)
    table = tables.look(path, wanted)
    if not set(table.columns) & set(wanted):
        raise CatalogueError(f"{path}: it has none of the columns of a table of votes{table.missing('iauname')}.")
    _check_columns(table.columns, tree, str(path), extra, partial)
    _check_split_column(table.columns, split_column, str(path))
    for column in needed:
        if column not in table.columns:
            raise CatalogueError(f"{path}: column {column!r} is missing{table.missing(column)}.{instead}")
    rows = table.read(wanted, texts=("iauname", *([split_column] if split_column is not None else [])))
    if "iauname" in rows:
        rows["iauname"] = joins.plain(rows["iauname"]).where(rows["iauname"].notna())
    return rows


def _check_columns(
    present: list[str], tree: Tree, where: str, extra: tuple[str, ...] = (), partial: bool = False
) -> None:
    missing = [c for c in ("iauname", *tree.vote_columns, *extra) if c not in present]
    if not missing:
        return
    if tree is GZD5 and (other := [c for c in OTHER_TREE if c in present]):
        raise CatalogueError(
            f"{where}: this is the catalogue of Galaxy Zoo DECaLS 1 and 2 (it has {', '.join(map(repr, other))}). "
            "Its volunteers were asked another tree of questions (bar yes or no, three bulge sizes, other answers "
            "about merging), so its votes cannot be mixed with those of GZD-5. Use gz_decals_volunteers_5."
        )
    if tree is GZD5 and (dr5 := [c for c in present if "-dr5_" in c]):
        raise CatalogueError(
            f"{where}: these are the columns of the package galaxy-datasets ({dr5[0]!r}). Call id_str iauname, and "
            "take -dr5 out of the others' names; totals are summed. The published table has all: "
            "`galaxy-zoo-decals prepare gzd5`."
        )
    if partial:
        if said := partial_tree.problem(present, tree):
            raise CatalogueError(f"{where}: {said}.")
        part = partial_tree.part_of(present, tree)
        spared = [q for q in tree.questions if q.name in (*part.unknown, *part.summed)]
        missing = [c for c in missing if not any(c in (q.total, *q.columns) for q in spared)]
        if not missing:
            return
    close = tables.nearest(missing[0], [c for c in present if c not in tree.vote_columns])
    hint = f"; the nearest column it has is {close!r}" if close else ""
    if missing[0] == "iauname":
        hint = hint or f"; it has {', '.join(map(repr, present[:6]))}"
        raise CatalogueError(f"{where}: column 'iauname', the names of the galaxies, is missing{hint}.")
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    raise CatalogueError(f"{where}: column {missing[0]!r}{more} of the {tree.name} tree is missing{hint}.")


def _check_split_column(present: list[str], column: str | None, where: str) -> None:
    if column is not None:
        own_split.check_column(present, column, where)


def _metadata(table: pd.DataFrame, column: str, dtype: str, where: str) -> pd.Series:
    if column not in table.columns and DERIVED.get(column) in table.columns:
        flux = _metadata(table, DERIVED[column], "float64", where)
        return (22.5 - 2.5 * np.log10(flux.where(flux > 0))).astype(dtype)
    if column not in table.columns:
        fill = False if column == "wrong_size_warning" else None
        return pd.Series([fill] * len(table), dtype=dtype)
    given = table[column].reset_index(drop=True)
    if dtype == "boolean":
        values = given.astype("string").str.lower().map(_BOOLEANS)
        bad = values.isna() & given.notna()
    elif dtype == "string":
        values, bad = given, given.isna() & False
    else:
        values = pd.to_numeric(given, errors="coerce")
        bad = (values.isna() & given.notna()) | np.isinf(values.astype(float))
        if column in LIMITS:
            bad |= (values < LIMITS[column][0]) | (values > LIMITS[column][1])
    if bad.any():
        row = _first(bad)
        problem = no_position(column, given.iloc[row - 1]) if column in LIMITS else f"which is no {_KINDS[dtype]}"
        raise CatalogueError(f"{where}: row {row}, column {column!r} holds {shown(given.iloc[row - 1])}, {problem}.")
    values = values.astype(dtype)  # type: ignore[call-overload]
    return values.fillna(False) if column == "wrong_size_warning" else values


_BOOLEANS = {
    **dict.fromkeys(("true", "t", "yes", "y", "1", "1.0"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0", "0.0"), False),
}


_KINDS = {"boolean": "true or false", "float64": "number", "float32": "number"}


def _check_hours(table: pd.DataFrame, where: str) -> None:
    """Raise CatalogueError if right ascensions are in hours or radians: names that are made of positions tell."""
    ra = table["ra"].to_numpy(float, na_value=np.nan)
    parts = table["iauname"].str.extract(r"^J(\d\d)(\d\d)(\d\d(?:\.\d+)?)[+-]\d{6}").astype(float)
    hours = (parts[0] + parts[1] / 60 + parts[2] / 3600).to_numpy()
    known = np.isfinite(hours) & np.isfinite(ra) & (hours > 0.1)
    for unit, scale, factor in (("hours", 1.0, "15"), ("radians", np.pi / 12, "180 / pi")):
        if known.sum() >= 3 and (np.abs(ra - scale * hours)[known] < 0.01 * scale).mean() > 0.9:
            row = int(known.argmax())
            raise CatalogueError(
                f"{where}: column 'ra' is in {unit}: row {row + 1}, {table['iauname'].iloc[row]}, lies at "
                f"{15 * hours[row]:.4f} degrees, and the column holds {ra[row]:g}. Multiply it by {factor}: 'ra' is in "
                "degrees."
            )


def _votes(table: pd.DataFrame, tree: Tree, where: str) -> dict[str, pd.Series]:
    """Return the vote columns as int16; a question that nobody was asked may be empty in all its columns.

    Where a question lost answers, the published total may be larger than the sum of the answers there are: by a small
    share, and the sum becomes the total; by a larger one, and the question is unknown (no votes). A total taken from
    what is left of the votes would make one merger vote of 32 a certain merger.
    """
    columns: dict[str, pd.Series] = {}
    for question in tree.questions:
        names = (question.total, *question.columns)
        values = np.column_stack([_counts(table, name, where) for name in names])
        empty = np.isnan(values)
        values[empty.all(axis=1)] = 0
        # Tables that are counted from single votes have nothing where nobody voted so: the total tells.
        summed = ~np.isnan(values[:, 0]) & (values[:, 0] == np.nansum(values[:, 1:], axis=1))
        values[summed] = np.nan_to_num(values[summed])
        for problem, bad in (
            ("is empty though others of its question are not", np.isnan(values)),
            ("is negative", values < 0),
            ("is no whole number", values != np.round(values)),
            ("is larger than any vote count", values > np.iinfo(np.int16).max),
        ):
            if bad.any():
                row, column = np.argwhere(bad)[0]
                raise CatalogueError(
                    f"{where}: row {row + 1}, column {names[column]!r} {problem} ({values[row, column]:g}); "
                    "votes are whole numbers from 0."
                )
        lost = values[:, 0] - values[:, 1:].sum(axis=1)
        wrong = lost < 0 if question.lost_limit else lost != 0
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise CatalogueError(
                f"{where}: row {row + 1}, column {question.total!r} says {values[row, 0]:g} but its answers add up "
                f"to {values[row, 1:].sum():g} ({int(wrong.sum())} such rows); totals must agree with their answers."
            )
        if question.lost_limit:
            columns[question.published] = pd.Series(values[:, 0].astype(np.int16))
            columns[question.lost] = pd.Series(lost.astype(np.int16))
            values[:, 0] -= lost
            values[too_much_lost(question, columns[question.published], lost)] = 0
        for name, column_values in zip(names, values.T):
            columns[name] = pd.Series(column_values.astype(np.int16))
    return columns


def too_much_lost(question: Question, published: ArrayLike, lost: ArrayLike) -> np.ndarray:
    """Return where so large a share of a question's published votes is lost that it is unknown, bool (galaxies,)."""
    # The share 0.1 of 30 votes is 3: not more, as binary fractions would have it.
    return np.asarray(lost) > question.lost_limit * np.asarray(published, dtype=float) + 1e-9


def _counts(table: pd.DataFrame, column: str, where: str) -> np.ndarray:
    values = pd.to_numeric(table[column], errors="coerce")
    if pd.api.types.is_bool_dtype(table[column]):
        raise CatalogueError(f"{where}: column {column!r} holds True and False, and no numbers of votes.")
    bad = (values.isna() & table[column].notna()).to_numpy() | np.isinf(values.to_numpy(float))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise CatalogueError(
            f"{where}: row {row + 1}, column {column!r} holds {shown(table[column].iloc[row])}, which is no number "
            "of votes."
        )
    return values.to_numpy(dtype=float, na_value=np.nan)


def _first(mask: pd.Series) -> int:
    """Return the 1-based position of the first true value."""
    return int(np.flatnonzero(mask.to_numpy(dtype=bool))[0]) + 1

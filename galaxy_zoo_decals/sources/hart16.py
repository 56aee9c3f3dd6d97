"""The table of Galaxy Zoo 2 by Hart et al. 2016: its columns read by name, its counts held against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from galaxy_zoo_decals import tables
from galaxy_zoo_decals.schema import GZ2, Question
from galaxy_zoo_decals.sources import catalogue as catalogues
from galaxy_zoo_decals.sources.catalogue import CatalogueError
from galaxy_zoo_decals.sources.folder import sha256
from galaxy_zoo_decals.tables.positions import LIMITS

NAMES = (
    "gz2_hart16.csv.gz", "gz2_hart16.csv", "gz2_hart16.parquet", "gz2_hart16.fits.gz", "gz2_hart16.fits",
    "gz2_hart16.vot.gz", "gz2_hart16.vot",
)  # fmt: skip
"""What the table is called, in the order of preference: as it is published, and unpacked or in another format."""

ANSWERS = {
    "t01_smooth_or_features": ("a01_smooth", "a02_features_or_disk", "a03_star_or_artifact"),
    "t02_edgeon": ("a04_yes", "a05_no"),
    "t03_bar": ("a06_bar", "a07_no_bar"),
    "t04_spiral": ("a08_spiral", "a09_no_spiral"),
    "t05_bulge_prominence": ("a10_no_bulge", "a11_just_noticeable", "a12_obvious", "a13_dominant"),
    "t06_odd": ("a14_yes", "a15_no"),
    "t07_rounded": ("a16_completely_round", "a17_in_between", "a18_cigar_shaped"),
    "t08_odd_feature": (
        "a19_ring", "a20_lens_or_arc", "a21_disturbed", "a22_irregular", "a23_other", "a24_merger", "a38_dust_lane",
    ),
    "t09_bulge_shape": ("a25_rounded", "a26_boxy", "a27_no_bulge"),
    "t10_arms_winding": ("a28_tight", "a29_medium", "a30_loose"),
    "t11_arms_number": ("a31_1", "a32_2", "a33_3", "a34_4", "a36_more_than_4", "a37_cant_tell"),
}  # fmt: skip
"""Tasks and answers as the table's columns name them, in the order of the questions and answers of the tree GZ2."""

STEMS = tuple(f"{task}_{answer}" for task, answers in ANSWERS.items() for answer in answers)
"""How the columns of each answer begin, in the order of ``GZ2.answers``."""

COUNTS = tuple(f"{stem}_count" for stem in STEMS)
"""Columns of the votes, in the order of ``GZ2.answers``."""

TASKS = dict(zip((q.name for q in GZ2.questions), ANSWERS))
"""What the table calls each question of the tree."""

EXTRA = ("debiased", "weighted_fraction")
"""Columns that each answer has beside its votes and that may be kept: likelihoods corrected for redshift (Hart et al.
2016), and fractions in which volunteers weigh by how well they agree with others (Willett et al. 2013)."""

SAMPLES = ("original", "extra", "stripe82", "stripe82_coadd_1", "stripe82_coadd_2")
"""Samples of Galaxy Zoo 2, the first first where a galaxy stands in several."""

ROW_SUM = "the counts of all answers add up to total_votes"
FIRST = "the counts of t01 add up to total_classifications"
REPEATED = "no dr7objid stands there twice"
KNOWN = f"the sample is {', '.join(SAMPLES[:-1])} or {SAMPLES[-1]}"


@dataclass(frozen=True)
class Table:
    """The table as it was read: one row a galaxy, and what does not agree in it."""

    rows: pd.DataFrame
    """iauname (the dr7objid as text), ra, dec, upload_group (the sample), totals and votes, extra columns."""
    positions: bool
    """Whether the table says where the galaxies are."""
    facts: dict[str, object]
    """Name, bytes, sha256 and rows of the file, and ``checks``: of each thing that should hold the rows where it does
    not, and the first of these by its dr7objid. JSON-ready."""


def extra_columns() -> tuple[str, ...]:
    """Return the names of the further columns that an edition may keep: smooth-or-featured_smooth_debiased."""
    return tuple(f"{column}_{kind.replace('_', '-')}" for kind in EXTRA for column in GZ2.answer_columns)


def read(path: Path, extra: bool = False) -> Table:
    """Read the table, in any form that ``tables`` reads, and check every count; ``extra``: keep ``extra_columns`` too.

    Votes are the raw counts of volunteers, whole numbers from 0. Totals are made of them; where the table's own totals
    or a parent's count say otherwise, that is counted and reported in ``facts``, and the counts stand. Raises
    CatalogueError naming file, row (the first row of data is row 1) and column. Source: Hart et al. 2016, MNRAS 461,
    3663; Willett et al. 2013, MNRAS 435, 2835, table 2.
    """
    kept = tuple(f"{stem}_{kind}" for kind in EXTRA for stem in STEMS) if extra else ()
    texts, whole = ("dr7objid", "sample"), ("total_classifications", "total_votes", *COUNTS)
    found = tables.look(path, (*texts, *whole, "ra", "dec", *kept), whole=True)
    _check_header(found, (*texts, *whole, *kept))
    positions = tuple(column for column in ("ra", "dec") if column in found.columns)
    if len(positions) == 1:
        raise CatalogueError(
            f"{path}: it has the column {positions[0]!r} and no {_other(positions[0])!r}; splits need both."
        )
    numbers = (*whole, *positions, *kept)
    table = found.read((*texts, *numbers), texts)
    _check_numbers(table, numbers, path)
    votes = _whole_numbers(table, whole, path)
    for column in positions:
        _check_position(table, column, path)
    names = _identifiers(table, path)
    sample = table["sample"].fillna("").astype(str).str.strip()
    columns: dict[str, object] = {"iauname": names, "upload_group": sample}
    for column in positions:
        columns[column] = table[column].to_numpy()
    counts = votes[:, 2:]
    for q in GZ2.questions:
        part = counts[:, GZ2.slices[q.name]]
        columns |= {q.total: part.sum(axis=1), **dict(zip(q.columns, part.T))}
    again = _repeated(names, sample)
    checks = _checks(names, votes[:, 0], votes[:, 1], counts) | {
        KNOWN: _where(names, ~sample.isin(SAMPLES).to_numpy()),
        REPEATED: _where(names, again),
    }
    rows = pd.DataFrame(columns)
    if kept:
        more = {new: table[old].to_numpy().astype(np.float32) for new, old in zip(extra_columns(), kept)}
        rows = pd.concat([rows, pd.DataFrame(more)], axis=1)
    rows = rows[~again].reset_index(drop=True)
    checked = catalogues.check(rows, GZ2, str(path))
    facts = {
        "name": path.name,
        "bytes": path.stat().st_size,
        "sha256": sha256(path),
        "rows": len(names),
        "checks": checks,
    }
    if kept:
        checked = pd.concat([checked, rows[list(extra_columns())]], axis=1)
    return Table(checked, bool(positions), facts)


def summary(facts: dict[str, object]) -> str:
    """Return in a line or some what the checks of a table found."""
    checks: dict[str, dict[str, object]] = facts["checks"]  # type: ignore[assignment]
    wrong = {what: found for what, found in checks.items() if found["rows"]}
    head = f"{facts['name']}: {facts['rows']:,} rows, {facts['bytes']:,} bytes, sha256 {facts['sha256']}"
    if not wrong:
        return f"{head}. All counts, totals and parents agree."
    lines = [
        f"   not so in {found['rows']:,} rows (the first is {found['first']}): {what}" for what, found in wrong.items()
    ]
    return "\n".join([f"{head}. Not everything agrees in it; the counts are taken as they stand:", *lines])


def _other(column: str) -> str:
    return {"ra": "dec", "dec": "ra"}[column]


def _check_header(table: tables.Table, wanted: Sequence[str]) -> None:
    missing = [column for column in wanted if column not in table.columns]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise CatalogueError(
            f"{table.path}: column {missing[0]!r}{more} of the table of Hart et al. 2016 ({NAMES[0]}) is "
            f"missing{table.missing(missing[0])}."
        )


def _check_numbers(table: pd.DataFrame, columns: Sequence[str], path: Path) -> None:
    """Turn columns into float64; CatalogueError naming the first cell that is no number."""
    rows = []
    for column in columns:
        values = pd.to_numeric(table[column], errors="coerce")
        bad = (values.isna() & table[column].notna()).to_numpy()
        if bad.any():
            rows.append((int(bad.argmax()), column, table[column].iloc[int(bad.argmax())]))
        table[column] = values.to_numpy(float, na_value=np.nan)
    if rows:
        row, column, value = min(rows, key=lambda found: found[0])
        raise CatalogueError(f"{path}: row {row + 1}, column {column!r} holds {str(value)[:40]!r}, which is no number.")


def _check_position(table: pd.DataFrame, column: str, path: Path) -> None:
    """Raise CatalogueError for a row without a position: splits go by it."""
    values = table[column].to_numpy()
    low, high = LIMITS[column]
    bad = ~((values >= low) & (values <= high))
    if bad.any():
        row = int(bad.argmax())
        found = "is empty" if np.isnan(values[row]) else f"holds {values[row]:g}"
        raise CatalogueError(
            f"{path}: row {row + 1}, column {column!r} {found}; splits go by the position in the sky, in degrees."
        )


def _unasked(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return for each column of counts the rows where all counts of its question are empty: nobody was asked."""
    found: dict[str, np.ndarray] = {}
    for q in GZ2.questions:
        columns = COUNTS[GZ2.slices[q.name]]
        if any(table[column].isna().any() for column in columns):
            empty: np.ndarray = np.logical_and.reduce([np.isnan(table[column].to_numpy()) for column in columns])
            found |= dict.fromkeys(columns, empty)
    return found


def _whole_numbers(table: pd.DataFrame, columns: Sequence[str], path: Path) -> np.ndarray:
    """Return counts, int32 (rows, columns); CatalogueError naming the first cell that is no count of votes."""
    out = np.empty((len(table), len(columns)), np.int32)
    unasked = _unasked(table)
    for i, column in enumerate(columns):
        values = table[column].to_numpy()
        if column in unasked:
            values = np.where(unasked[column], 0, values)
        for problem, bad in (
            ("is empty", np.isnan(values)),
            ("is negative", values < 0),
            ("is no whole number", values != np.round(values)),
            ("is larger than any vote count", values > np.iinfo(np.int16).max),
        ):
            if bad.any():
                row = int(bad.argmax())
                found = "" if np.isnan(values[row]) else f" ({values[row]:g})"
                raise CatalogueError(
                    f"{path}: row {row + 1}, column {column!r} {problem}{found}; votes are whole numbers from 0."
                )
        out[:, i] = values
    return out


def _identifiers(table: pd.DataFrame, path: Path) -> pd.Series:
    """Return the dr7objid of every row as text; CatalogueError naming the first that is none."""
    names = table["dr7objid"].fillna("").astype(str).str.strip()
    bad = ~names.str.fullmatch(r"[1-9][0-9]{17,18}")
    if bad.any():
        row = int(bad.to_numpy().argmax())
        raise CatalogueError(
            f"{path}: row {row + 1}, column 'dr7objid' holds {names.iloc[row][:40]!r}, which is no identifier: it has "
            "18 or 19 digits. A program that reads it as a number with a decimal point spoils it; take the table as "
            "it was published."
        )
    if spoiled(names):
        raise CatalogueError(
            f"{path}: column 'dr7objid' has lost its last digits, as {names.iloc[0]}: a program read it as a number. "
            "Take the table as it was published."
        )
    return names


def spoiled(names: pd.Series) -> bool:
    """Return whether identifiers (digits, as text) have lost their last ones: some would be those of other galaxies.

    A float keeps 17 digits, and of numbers of 18 digits only multiples of 64; all of ten or more are so by no chance.
    """
    few = names.unique()
    return len(few) >= 10 and any(all(int(name) % lost == 0 for name in few) for lost in (10, 64))


def rank(samples: pd.Series) -> np.ndarray:
    """Return the place of each sample among ``SAMPLES``, int (n,); others come last."""
    places = {sample: i for i, sample in enumerate(SAMPLES)}
    return samples.map(places).fillna(len(SAMPLES)).to_numpy(int)


def _repeated(names: pd.Series, sample: pd.Series) -> np.ndarray:
    """Return which rows are of a galaxy that has another row, of an earlier sample or further up, bool (n,)."""
    order = np.argsort(rank(sample), kind="stable")
    again = np.zeros(len(names), bool)
    again[order] = names.iloc[order].duplicated().to_numpy()
    return again


def _parents(question: Question, counts: np.ndarray) -> np.ndarray:
    """Return how many volunteers gave an answer after which a question is asked, (n,)."""
    return np.asarray(counts[:, [GZ2.answer_index[parent] for parent in question.parents]].sum(axis=1))


def _checks(
    names: pd.Series, classifications: np.ndarray, total: np.ndarray, counts: np.ndarray
) -> dict[str, dict[str, object]]:
    """Return for each thing that should hold in how many rows it does not, and the first of them."""
    found = {
        ROW_SUM: _where(names, counts.sum(axis=1) != total),
        FIRST: _where(names, counts[:, GZ2.slices[GZ2.questions[0].name]].sum(axis=1) != classifications),
    }
    for q in GZ2.questions[1:]:
        parents = " and ".join(STEMS[GZ2.answer_index[parent]] for parent in q.parents)
        differs = counts[:, GZ2.slices[q.name]].sum(axis=1) != _parents(q, counts)
        found[f"the counts of {TASKS[q.name]} add up to those of {parents}"] = _where(names, differs)
    return found


def _where(names: pd.Series, bad: np.ndarray) -> dict[str, object]:
    return {"rows": int(bad.sum()), "first": str(names[int(bad.argmax())]) if bad.any() else None}

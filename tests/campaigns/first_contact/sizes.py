"""Catalogues of any size: a few galaxies, one field of the sky, a part of the tree, somebody's own split."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from benchmark import run as harness
from galaxy_zoo_decals import cli
from galaxy_zoo_decals.schema import GZD5
from galaxy_zoo_decals.sources.kaggle import FOLDER, TABLE, class_columns
from tests.campaigns.first_contact.case import Case, Outcome, call
from tests.toys import galaxy, write_catalogue

FIRST = GZD5.questions[0]
HELD = ["iauname", "ra", "dec", "upload_group"]
GALAXIES = 24

Change = Callable[[pd.DataFrame], pd.DataFrame]


def _catalogue(change: Change, *more: str, galaxies: int = GALAXIES) -> Callable[[Path], Outcome]:
    """Return a case of a vote table that is changed before it is prepared."""

    def run(folder: Path) -> Outcome:
        return _prepare(folder, change, *more, galaxies=galaxies)

    return run


@cache
def _toys() -> tuple[tempfile.TemporaryDirectory[str], pd.DataFrame, Path]:
    """Return a toy catalogue and its images, drawn once: cases change the table alone."""
    kept = tempfile.TemporaryDirectory(prefix="first-contact-sizes-")
    votes, images = write_catalogue(Path(kept.name), GALAXIES)
    return kept, pd.read_csv(votes), images


def _prepare(folder: Path, change: Change, *more: str, galaxies: int = GALAXIES) -> Outcome:
    _, table, images = _toys()
    votes = folder / "votes.csv"
    change(table.head(galaxies).copy()).to_csv(votes, index=False)
    out = ("--out", folder / "mine", "--name", "mine", "--size", "32", "--processes", "1")
    return call(cli.main, "prepare", "catalogue", "--votes", votes, "--images", images, *out, *more)


def _then(first: Callable[[Path], Outcome], *commands: tuple[str, ...]) -> Callable[[Path], Outcome]:
    """Return a case that goes on with the edition ``mine`` once it is prepared; {} in a command is its folder."""

    def run(folder: Path) -> Outcome:
        outcome = first(folder)
        for command in commands:
            words = [word.replace("{}", str(folder / "mine")) for word in command[1:]]
            more = call(harness.main if command[0] == "run.py" else cli.main, *words)
            outcome = Outcome(outcome.status or more.status, outcome.said + more.said)
        return outcome

    return run


def _first_question(table: pd.DataFrame) -> pd.DataFrame:
    return table[[*HELD, FIRST.total, *FIRST.columns]]


def _underscores(table: pd.DataFrame) -> pd.DataFrame:
    return table.rename(columns={c: c.replace("-", "_") for c in table if c.startswith("has-spiral")})


def _one_field(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(ra=150.3 + np.linspace(0, 0.02, len(table)), dec=2.2)


def _split(*words: object) -> Change:
    return lambda table: table.assign(part=[words[i % len(words)] for i in range(len(table))])


def _twins(table: pd.DataFrame) -> pd.DataFrame:
    table = _split("train", "val", "test")(table)
    return table.assign(ra=np.where(np.arange(len(table)) == 1, table["ra"].iloc[0], table["ra"]), dec=20.0)


def _load(folder: Path) -> Outcome:
    from datasets import load_dataset

    outcome = _prepare(folder, _first_question, "--only-test")
    loaded = load_dataset(str(folder / "mine"), "multilabel", cache_dir=str(folder / "cache"))
    return Outcome(outcome.status, f"{outcome.said}loaded: { {name: len(rows) for name, rows in loaded.items()} }")


def _challenge(*more: str, galaxies: int = 12) -> Callable[[Path], Outcome]:
    """Return a case of the Kaggle challenge's files with so many galaxies."""

    def run(folder: Path) -> Outcome:
        rng, images = np.random.default_rng(0), folder / "kaggle" / FOLDER
        images.mkdir(parents=True)
        rows = []
        for i in range(galaxies):
            name = str(500_000 + 37 * i)
            Image.fromarray(galaxy(rng)[1]).save(images / f"{name}.jpg")
            shares = [s for columns in class_columns().values() for s in rng.dirichlet(np.ones(len(columns)))]
            rows.append([name, *shares])
        columns = ["GalaxyID", *(name for names in class_columns().values() for name in names)]
        pd.DataFrame(rows, columns=columns).to_csv(folder / "kaggle" / TABLE, index=False)
        out = ("--out", folder / "mine", "--name", "mine", "--size", "32", "--processes", "1")
        return call(cli.main, "prepare", "gz2", "--source", folder / "kaggle", *out, *more)

    return run


def _same(table: pd.DataFrame) -> pd.DataFrame:
    return table


CASES = [
    Case(
        "late", "all galaxies in one field of the sky", _catalogue(_one_field), 1,
        ("All 24 galaxies lie in 1 sky cell of 0.5 degree", "At least 3 cells are needed, in practice some 30",
         "--split-column", "--only-test"), "review",
    ),
    Case(
        "late", "4 galaxies in 4 cells, none of which trains", _catalogue(
            lambda table: table.assign(ra=[200.0, 210.0, 220.0, 215.0], dec=[-6.0, 2.0, 3.0, 4.5]), galaxies=4), 1,
        ("no galaxy is left for the", "4 sky cells", "in practice some 30"), "review",
    ),
    Case(
        "late", "some random GalaxyIDs of the Kaggle challenge", _challenge(), 1,
        ("the 1,000 lowest GalaxyIDs", "only 12 galaxies are here", "At least 1,002 are needed", "--only-test"),
        "review",
    ),
    Case(
        "late", "some random GalaxyIDs of the Kaggle challenge, to judge models on", _challenge("--only-test"), 0,
        ("is ready",), lacks=("too small",),
    ),
    Case(
        "late", "one's own galaxies, none chosen at random (random_selection False)",
        _catalogue(lambda table: table.assign(random_selection=False)), 0,
        ("No test galaxy is scored", "have random_selection False or empty", "With --only-test every galaxy is scored"),
        "review",
    ),
    Case(
        "late", "one's own galaxies with 20 votes each at the first question", _catalogue(
            lambda table: table.assign(**{c: [20, 20, 0, 0][i] for i, c in enumerate((FIRST.total, *FIRST.columns))})),
        0, ("have fewer than 34 first-question votes (the most: 20)",),
    ),
    Case(
        "late", "a table without random_selection and upload_group",
        _catalogue(lambda table: table.drop(columns="upload_group")), 0,
        ("the table has neither random_selection nor upload_group",),
    ),
    Case(
        "late", "a table whose galaxies all have 2 votes", _catalogue(
            lambda table: table.assign(**{c: [2, 2, 0, 0][i] for i, c in enumerate((FIRST.total, *FIRST.columns))})),
        1, ("no galaxy is left of 24 rows (24: fewer than 3 votes for the first question)",),
    ),
    Case(
        "late", "a training on an edition for tests alone",
        _then(_catalogue(_same, "--only-test"), ("run.py", "--model", "all", "--edition", "{}")), 2,
        ("has no training galaxies (only test), so nothing can be trained on it", "--board"),
    ),
    Case(
        "late", "a four-class model on a table of the first question",
        _then(_catalogue(_first_question), ("run.py", "--model", "multiclass", "--edition", "{}")), 2,
        ("No galaxy gets one of the four classes (nobody answered merging",
         "multiclass cannot be trained", "Choose --model from multilabel"),
    ),
    Case(
        "late", "an own split without validation galaxies",
        _then(_catalogue(_split("train", "test"), "--split-column", "part"),
              ("run.py", "--model", "multilabel", "--edition", "{}")), 2,
        ("There is no validation galaxy: benchmark/run.py cannot train on this edition", "has no validation galaxies"),
    ),
    Case(
        "journey", "a table of the first question alone, to judge models on",
        _then(_catalogue(_first_question, "--only-test"), ("cli", "check", "{}", "--processes", "1"),
              ("cli", "info", "{}")), 0,
        ("The table has no column of disk-edge-on", "everything holds", "24"), "review",
    ),
    Case(
        "journey", "the same loaded with stock datasets", _load, 0, ("loaded: {'test': 24}",),
    ),
    Case(
        "journey", "a table without positions, to judge models on",
        _catalogue(lambda table: table.drop(columns=["ra", "dec"]), "--only-test"), 0, ("scored test galaxies",),
    ),
    Case(
        "journey", "a table without positions, split by the sky",
        _catalogue(lambda table: table.drop(columns=["ra", "dec"])), 1,
        ("column 'ra' is missing", "--split-column and --only-test need no positions"),
    ),
    Case(
        "journey", "an own split in a column: Train, VAL, holdout",
        _then(_catalogue(_split("Train", "VAL", "holdout"), "--split-column", "part"),
              ("cli", "check", "{}", "--processes", "1")), 0,
        ("the split is the catalogue's own column", "everything holds"), "review",
    ),
    Case(
        "journey", "an own split as numbers", _catalogue(_split(0, 1, 2), "--split-column", "part"), 1,
        ("row 1, column 'part' holds '0' (24 such rows)", "Numbers do not say which split is which"),
    ),
    Case(
        "journey", "an own split with an empty cell",
        _catalogue(_split("train", "val", None), "--split-column", "part"), 1,
        ("row 3, column 'part' is empty (8 such rows)",),
    ),
    Case(
        "journey", "a mistyped name of the split's column",
        _catalogue(_split("train", "test"), "--split-column", "Prat"), 1,
        ("there is no such column; the nearest column it has is 'part'",),
    ),
    Case(
        "journey", "an own split of which all galaxies test", _catalogue(_split("test"), "--split-column", "part"), 1,
        ("The column 'part' says: 24 test", "give --only-test instead"),
    ),
    Case(
        "journey", "--split-column together with --only-test",
        _catalogue(_split("train"), "--split-column", "part", "--only-test"), 2, ("not allowed with",),
    ),
    Case(
        "pixels", "one galaxy listed twice, in train and in validation of an own split",
        _catalogue(_twins, "--split-column", "part"), 0,
        ("1 times galaxies within 5 arcsec of each other are in two splits, as J000000.00+000000.0 and J000001",),
    ),
    Case(
        "pixels", "a table that lacks one answer of a question",
        _catalogue(lambda table: table.drop(columns="bar_weak")), 1,
        ("the question bar has 'bar_total-votes', 'bar_strong', 'bar_no' and lacks 'bar_weak'",),
    ),
    Case(
        "pixels", "a table that spells a question otherwise", _catalogue(_underscores), 1,
        ("column 'has-spiral-arms_yes' of the question has-spiral-arms is missing; there is 'has_spiral_arms_yes'",),
    ),
    Case(
        "pixels", "a table without the totals of a question",
        _catalogue(lambda table: table.drop(columns="bar_total-votes")), 0,
        ("It has no total of bar: the sum of the answers is taken",),
    ),
    Case(
        "pixels", "a table of votes without the first question",
        _catalogue(lambda table: table.drop(columns=[FIRST.total, *FIRST.columns])), 1,
        ("column 'smooth-or-featured_total-votes' and 3 more of the GZD5 tree is missing",),
    ),
]  # fmt: skip

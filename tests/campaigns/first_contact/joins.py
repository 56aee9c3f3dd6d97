"""Lists of names that should be of the same galaxies and do not match."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from galaxy_zoo_decals import cli, predictions
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.prepare.builder import build
from galaxy_zoo_decals.scoring import Truth
from galaxy_zoo_decals.sources import kaggle
from leaderboard.__main__ import main as leaderboard
from tests.campaigns.first_contact.case import Case, Outcome, call
from tests.toys import write_catalogue

Change = Callable[[str], str]

FACTS = """\
code: {commit: "0000000000000000000000000000000000000000", command: python mine.py, recipe: mine}
parameters: 7
run:
  {title: Mine, backbone: trees, weights: none, recipe: {}, resolution: null, device: 1 CPU core, precision: float64,
  train_seconds: 1.0}
"""


def _prepare(folder: Path, *more: object) -> Outcome:
    words = ["prepare", "catalogue", "--votes", folder / "votes.csv", "--images", folder / "images", "--size", 16]
    return call(cli.main, *words, "--processes", 1, "--out", folder / "mine", *more)


def _images(change: Change, folder: Path, galaxies: int = 6) -> Outcome:
    """Bring votes whose images are called otherwise."""
    _, images = write_catalogue(folder, galaxies)
    for path in sorted(images.iterdir()):
        path.rename(images / change(path.name))
    return _prepare(folder)


def _names(change: Change, folder: Path, galaxies: int = 6) -> Outcome:
    """Bring votes whose galaxies are called otherwise than their images."""
    votes, _ = write_catalogue(folder, galaxies)
    table = pd.read_csv(votes, dtype=str)
    table["iauname"] = table["iauname"].map(change)
    table.to_csv(votes, index=False)
    return _prepare(folder)


def _half(folder: Path) -> Outcome:
    """Bring images of which half have a suffix twice."""
    _, images = write_catalogue(folder, 40)
    for path in sorted(images.iterdir())[::2]:
        path.rename(path.with_name(f"{path.name}.png"))
    return _prepare(folder)


def _predictions(change: Change) -> pd.DataFrame:
    truth = Truth.of(Edition.open("sample"))
    values = np.tile([0.4, 0.3, 0.2, 0.1], (len(truth.names), 1))
    names = predictions.columns("multiclass", truth.tree)
    return pd.DataFrame({"iauname": [change(name) for name in truth.names], **dict(zip(names, values.T))})


def _score(change: Change, folder: Path) -> Outcome:
    _predictions(change).to_csv(folder / "mine.csv", index=False)
    return call(cli.main, "score", "sample", folder / "mine.csv")


def _score_part(folder: Path) -> Outcome:
    _predictions(str)[:-30].to_csv(folder / "mine.csv", index=False)
    return call(cli.main, "score", "sample", folder / "mine.csv")


def _submit(change: Change, folder: Path) -> Outcome:
    (folder / "facts.yaml").write_text(FACTS)
    _predictions(change).to_csv(folder / "mine.csv", index=False)
    words = ["submit", "--predictions", folder / "mine.csv", "--facts", folder / "facts.yaml", "--name", "mine"]
    return call(leaderboard, *words, "--root", folder / "board")


def _overlap(change: Change, folder: Path) -> Outcome:
    names = Truth.of(Edition.open("sample")).names
    (folder / "mine.txt").write_text("".join(f"{change(name)}\n" for name in names[:50]))
    return call(leaderboard, "overlap", folder / "mine.txt")


def _challenge(name: Change, image: Change, folder: Path, only: tuple[str, ...] = ()) -> Outcome:
    """Bring the Kaggle files with other names."""
    columns = [column for names in kaggle.class_columns().values() for column in names]
    ids = [f"{100008 + 15 * i}" for i in range(40)]
    table = pd.DataFrame({"GalaxyID": [name(i) for i in ids], **dict.fromkeys(columns, 0.1)})
    table.to_csv(folder / kaggle.TABLE, index=False)
    (folder / kaggle.FOLDER).mkdir()
    for identifier in ids:
        Image.new("RGB", (16, 16)).save(folder / kaggle.FOLDER / image(f"{identifier}.png"))
    source = kaggle.GZ2Challenge(folder, tests=5, only=only)
    try:
        report = build(source, folder / "made", name="gz2", size=16)
    except UserError as error:
        return Outcome(1, str(error))
    return Outcome(0, f"{report}\n{sorted(source.votes()['iauname'])[:2]}")


def _case(
    situation: str,
    run: Callable[[Path], Outcome],
    *holds: str,
    status: int = 1,
    found: str = "ours",
    kind: str = "join",
) -> Case:
    return Case(kind, situation, run, status, holds, found)


class _GalaxyIDs:
    """Names as the Kaggle challenge has them: the n-th galaxy that is asked about has the n-th GalaxyID."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def __call__(self, name: str) -> str:
        return self.known.setdefault(name, str(100008 + 15 * len(self.known)))


CASES = [
    _case(
        "predictions whose names end in .jpg, submitted",
        partial(_submit, "{}.jpg".format),
        "J000325.03-031108.6.jpg",
        "end in the suffix of a file",
        found="review",
    ),
    _case(
        "predictions whose names end in .jpg, scored",
        partial(_score, "{}.jpg".format),
        "J000325.03-031108.6.jpg",
        "'J000325.03-031108.6'",
        "end in the suffix of a file",
    ),
    _case("predictions with blanks around the names", partial(_score, "  {} ".format), "Macro F1", status=0),
    _case(
        "predictions with the folder before the name", partial(_score, "/data/test/{}".format), "begin with a folder"
    ),
    _case("predictions with names as bytes", partial(_score, lambda n: repr(n.encode())), "bytes written as text"),
    _case("predictions of all galaxies but 30", _score_part, "lacks", "and 29 more", "410"),
    _case(
        "predictions of the Kaggle challenge on another edition",
        partial(_score, _GalaxyIDs()),
        "a GalaxyID of the Kaggle challenge",
        "another edition",
    ),
    _case("predictions with names in lower case", partial(_submit, str.lower), "written in another case"),
    _case("votes with blanks around the names", partial(_names, " {} ".format, galaxies=40), "ready", status=0),
    _case("votes with .png behind the names", partial(_names, "{}.png".format), "end in the suffix", ".0.png'"),
    _case("images whose names lack the J", partial(_images, lambda n: n[1:]), "lack the J", "'J000000.00+000000.0'"),
    _case(
        "images whose plus sign was lost in an address", partial(_images, lambda n: n.replace("+", " ")), "plus sign"
    ),
    _case("images with words around the name", partial(_images, "cutout_{}".format), "'cutout_' around the name"),
    _case(
        "predictions with a typographic minus", partial(_score, lambda n: n.replace("-", "−")), "another sign for minus"
    ),
    _case("images called by the row", partial(_images, lambda n: f"{int(n[1:7])}.png"), "a number of a row"),
    _case(
        "half of the images with the suffix twice", _half, "20 galaxies have no image", "end in the suffix", status=0
    ),
    _case(
        "a list of training galaxies with .png, held against the test galaxies",
        partial(_overlap, "{}.png".format),
        "50 names are test galaxies of sample in another spelling",
        "J000325.03-031108.6.png",
    ),
    _case(
        "a list of training galaxies with rounded positions in the names",
        partial(_overlap, lambda n: f"SDSS {n[:7]}{n[10:17]}"),
        "in another spelling",
        "other digits, words or blanks",
    ),
    _case(
        "GalaxyIDs saved as decimals",
        partial(_challenge, "{}.0".format, str),
        "['100008', '100023']",
        status=0,
        found="review",
    ),
    _case(
        "Kaggle pictures with leading zeros",
        partial(_challenge, str, "000{}".format),
        "lost their leading zeros",
        "'000100008'",
        "'100008'",
    ),
    _case(
        "a list of galaxies of another survey for gz2",
        partial(_challenge, str, str, only=("587722981736120347",)),
        "an objid of SDSS DR7",
        "a GalaxyID of the Kaggle challenge",
    ),
]

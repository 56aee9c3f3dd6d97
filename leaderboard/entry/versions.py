"""Versions of the benchmark (``benchmark/v1.toml``): the editions that results may be sent in for, frozen by hashes.

What a version froze is never changed (version 1 is released with 0.1.0 of the package). An edition may be added to it,
which changes no other. A new split or new votes make a new version; the boards of an older one stay, closed to new
entries. A new metric changes no version: all stored predictions are scored again.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, StringConstraints, ValidationError

from galaxy_zoo_decals import atomic
from galaxy_zoo_decals.edition import Edition, Terms, digest
from galaxy_zoo_decals.prepare.cleaning import Rules
from galaxy_zoo_decals.schema import TREES, VIEWS, Tree
from galaxy_zoo_decals.scoring import BOARDS, Truth
from galaxy_zoo_decals.scoring.truth import PROPERTIES
from galaxy_zoo_decals.sources import Source
from galaxy_zoo_decals.splits import MIN_CLASSIFIED
from leaderboard.entry.run_json import Hash, Line, Name, Task
from leaderboard.entry.strict import Strict
from leaderboard.files import DATA, LeaderboardError, read_text, sha256

Key = tuple[str, str]
"""Name and content hash of an edition: what results are bound to."""

POSITION = ("ra", "dec")

FILES = DATA / "benchmark"
"""The versions that lie with the scorer."""


class Frozen(Strict):
    """An edition as a version froze it; ``truth_sha256`` is that of the table of votes where it is committed.

    What it is called, holds and permits is read from here and from nothing an entry says.
    """

    title: Line
    tree: Annotated[str, StringConstraints(pattern="^(" + "|".join(TREES) + ")$")]
    simulated: bool
    truth: Literal["counts", "likelihoods"]
    licence: Line
    credit: Line
    may_publish_images: bool
    may_publish_votes: bool
    content_hash: Hash
    split_hash: Hash
    order_hash: Hash = Field(description="of the names of the scored test galaxies in their order")
    votes_hash: Hash = Field(description="of those names with their votes, whatever file they are read from")
    galaxies: Annotated[int, Field(ge=1)]
    truth_sha256: Hash | None = None
    bound_by: Literal["content", "votes"] = Field(
        default="content",
        description="what binds a result: the content of the whole edition, or the votes of its scored test galaxies, "
        "wherever the pictures come from; then some galaxies may be lacking",
    )
    boards: list[Task] = Field(default=list(VIEWS), min_length=1)

    @property
    def terms(self) -> Terms:
        """What it is and what may be done with it."""
        return Terms.of(self)


class Version(Strict):
    """The content of a ``v<k>.toml``."""

    version: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*$")]
    ranked_by: dict[Task, Name]
    training: dict[Task, Annotated[float, Field(gt=0, le=10)]] = Field(
        description="usual standard deviation between seeds on each board, as a share of that of the bootstrap draws"
    )
    editions: dict[Name, Frozen]


def read(folder: Path) -> list[Version]:
    """Read all versions below a folder, oldest first; raises LeaderboardError naming file and key."""
    found = []
    for path in sorted(folder.glob("v*.toml"), key=lambda p: (len(p.name), p.name)):
        try:
            version = Version.model_validate(tomllib.loads(read_text(path)))
        except tomllib.TOMLDecodeError as error:
            raise LeaderboardError(f"{path}: not TOML ({error}).") from None
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise LeaderboardError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}.") from None
        if path.name != f"v{version.version}.toml":
            raise LeaderboardError(f"{path}: says that it is version {version.version}.")
        found.append(version)
    return found


def editions(versions: list[Version]) -> dict[Key, tuple[Version, Frozen]]:
    """Return the frozen editions of all versions by name and content hash, each with the newest version it is in."""
    return {(name, f.content_hash): (v, f) for v in versions for name, f in v.editions.items()}


@cache
def counted_votes(key: Key) -> bool | None:
    """Return whether the votes of an edition are counts of volunteers, as a version froze it; None if none did."""
    found = editions(read(FILES)).get(key)
    return found[1].terms.counted_votes if found else None


@cache
def training(key: Key, task: str) -> float:
    """Return the usual spread of trainings on a board, as the version of its edition froze it; else the newest one."""
    found = read(FILES)
    version = editions(found)[key][0] if key in editions(found) else found[-1]
    return version.training[task]


def order_hash(truth: Truth) -> str:
    """Return the hash of the names of the scored test galaxies in their order, as edition.json has it."""
    return digest(list(truth.names))


def votes_hash(truth: Truth) -> str:
    """Return the hash of names and votes of the scored test galaxies."""
    lines = [f"{name} {' '.join(map(str, row))}" for name, row in zip(truth.names, truth.votes.tolist())]
    return digest([truth.tree.name, *lines])


def truth_path(folder: Path, version: Version, name: str) -> Path:
    """Return where the committed truth of an edition lies."""
    return folder / f"v{version.version}" / f"{name}-truth.parquet"


def read_truth(path: Path, name: str, frozen: Frozen) -> Truth:
    """Read a committed truth; raises LeaderboardError if it is not the frozen one."""
    if sha256(path) != frozen.truth_sha256:
        raise LeaderboardError(f"{path}: not the file that was frozen: restore it with git.")
    tree = TREES[frozen.tree]
    table = pq.read_table(path).to_pandas()
    properties = {c: table[c].to_numpy(float) for c in PROPERTIES if c in table}
    truth = _truth(name, frozen, tree, table, properties)
    return _checked(truth, frozen, path)


def read_challenge(path: Path, name: str, frozen: Frozen) -> Truth:
    """Make the truth of gz2 from the challenge's table, or the folder that holds it; images are not needed.

    Raises LeaderboardError unless the test galaxies and their votes are the frozen ones.
    """
    from galaxy_zoo_decals.sources.kaggle import TABLE, GZ2Challenge

    folder = path.parent if path.name == TABLE else path
    source = GZ2Challenge(folder)
    catalogue = source.votes()
    split = source.split(catalogue)
    kept = catalogue[(split == "test") & source.scored(catalogue)].sort_values("iauname")
    return _checked(_truth(name, frozen, source.tree, kept, {}), frozen, folder / TABLE)


def _truth(name: str, frozen: Frozen, tree: Tree, table: pd.DataFrame, properties: Mapping[str, np.ndarray]) -> Truth:
    return Truth(
        edition=name,
        title=frozen.title,
        tree=tree,
        content_hash=frozen.content_hash,
        split_hash=frozen.split_hash,
        names=tuple(table["iauname"]),
        votes=table[list(tree.answer_columns)].to_numpy(dtype=np.int64),
        properties=dict(properties),
        terms=frozen.terms,
        boards=tuple(frozen.boards),
        may_lack=frozen.bound_by == "votes",
    )


def same_test(truth: Truth, frozen: Frozen) -> bool:
    """Return whether these are the scored test galaxies and the votes that were frozen."""
    return (order_hash(truth), votes_hash(truth)) == (frozen.order_hash, frozen.votes_hash)


def part_of(truth: Truth, whole: Truth) -> bool:
    """Return whether these are some of the scored test galaxies of the whole, with the same votes."""
    if truth.tree.name != whole.tree.name or not set(truth.names) <= set(whole.names):
        return False
    place = {name: row for row, name in enumerate(whole.names)}
    return bool((truth.votes == whole.votes[[place[name] for name in truth.names]]).all())


def _checked(truth: Truth, frozen: Frozen, path: Path) -> Truth:
    if not same_test(truth, frozen):
        raise LeaderboardError(
            f"{path}: its {len(truth.names)} scored test galaxies and votes are not the {frozen.galaxies} that the "
            "benchmark froze: is it the whole, unchanged table?"
        )
    return truth


def lacking_path(folder: Path, version: Version, name: str) -> Path:
    """Return where it is written down which galaxies of a survey each source of pictures lacks."""
    return folder / f"v{version.version}" / f"{name}-lacking.json"


def positions(path: Path) -> pd.DataFrame:
    """Return iauname, ra and dec (degrees) of the galaxies of a committed truth."""
    return pq.read_table(path, columns=["iauname", *POSITION]).to_pandas()


def freeze(folder: Path, version: str, edition: Edition) -> Path:
    """Add an edition to a version and, where its votes may be passed on, commit its truth; returns the TOML file.

    Raises LeaderboardError if the version has frozen another content of it already.
    """
    truth = Truth.of(edition)
    table = edition.table("test", ["iauname", "scored", *POSITION])
    return _freeze(folder, version, truth, table[table["scored"]], "content", list(truth.boards))


def freeze_catalogue(folder: Path, version: str, name: str, source: Source) -> tuple[Path, Truth]:
    """Add a survey to a version by its catalogue alone, without an image; returns the TOML file and the truth.

    Which galaxies are scored follows from the votes and the rule, so results on pictures of any source meet on one
    board. Where fewer than MIN_CLASSIFIED scored test galaxies have a class, no board of four classes is frozen.
    """
    from galaxy_zoo_decals.edition_hashes import content_hash, split_hash
    from galaxy_zoo_decals.prepare.builder import clean_catalogue

    catalogue, _ = clean_catalogue(source, Rules())
    table = catalogue[catalogue["scored"] & (catalogue["split"] == "test")]
    if table.empty:
        raise LeaderboardError(
            "no test galaxy of this catalogue is scored, so there is nothing to freeze: none "
            "has 34 first-question votes and was uploaded before active learning began (upload_group pre_active)."
        )
    truth = Truth(
        edition=name,
        title=source.title,
        tree=source.tree,
        content_hash=content_hash(source.tree, catalogue),
        split_hash=split_hash(catalogue),
        names=tuple(table["iauname"]),
        votes=table[list(source.tree.answer_columns)].to_numpy(dtype=np.int64),
        properties={p: table[p].to_numpy(dtype=float, na_value=np.nan) for p in PROPERTIES},
        terms=Terms.of(source),
    )
    classified = int((truth.classes.label >= 0).sum())
    boards = [view for view in VIEWS if view != "multiclass" or classified >= MIN_CLASSIFIED]
    return _freeze(folder, version, truth, table, "votes", boards), truth


def _freeze(
    folder: Path, version: str, truth: Truth, table: pd.DataFrame, bound_by: Literal["content", "votes"],
    boards: list[str],
) -> Path:  # fmt: skip
    known = {v.version: v for v in read(folder)}
    ranked = {task: board.primary for task, board in BOARDS.items()}
    training = {task: board.training_spread for task, board in BOARDS.items()}
    old = known.get(version) or Version.model_validate(
        {"version": version, "ranked_by": ranked, "training": training, "editions": {}}
    )
    written, terms = None, truth.terms
    path = truth_path(folder, old, truth.edition)
    with tempfile.TemporaryDirectory() as work:
        fresh = Path(work) / "truth.parquet"
        if terms.may_publish_votes:
            _write_truth(fresh, table, truth)
            written = sha256(fresh)
        frozen = {
            "title": truth.title, "tree": truth.tree.name, **asdict(terms), "content_hash": truth.content_hash,
            "split_hash": truth.split_hash, "order_hash": order_hash(truth), "votes_hash": votes_hash(truth),
            "galaxies": len(truth.names), "truth_sha256": written, "bound_by": bound_by, "boards": boards,
        }  # fmt: skip
        del frozen["pictures"]
        try:
            # The whole version is looked at before a byte of it is written: its file is read by every command.
            editions = {name: edition.model_dump() for name, edition in old.editions.items()}
            version_now = Version.model_validate(
                {"version": version, "ranked_by": old.ranked_by, "training": old.training}
                | {"editions": editions | {truth.edition: frozen}}
            )
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise LeaderboardError(
                f"{truth.edition!r} cannot be frozen: {'.'.join(map(str, first['loc']))}: {first['msg']}."
            ) from None
        before = old.editions.get(truth.edition)
        if before is not None and before != version_now.editions[truth.edition]:
            other = [k for k, v in before.model_dump().items() if v != frozen[k]]
            raise LeaderboardError(
                f"version {version} has frozen the edition {truth.edition!r}, and this one differs in "
                f"{', '.join(other)}: what is frozen stays. Freeze it in a new version."
            )
        if written is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic.atomic_file(path) as beside:
                shutil.copyfile(fresh, beside)
    toml = folder / f"v{version}.toml"
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_text(toml, _toml(version_now))
    return toml


def _write_truth(path: Path, table: pd.DataFrame, truth: Truth) -> None:
    data: dict[str, pa.Array] = {"iauname": pa.array(truth.names, pa.string())}
    data |= {c: pa.array(table[c].astype(float).to_numpy(), pa.float64()) for c in POSITION}
    data |= {c: pa.array(values, pa.float64()) for c, values in truth.properties.items()}
    data |= {c: pa.array(v, pa.int16()) for c, v in zip(truth.tree.answer_columns, truth.votes.T)}
    pq.write_table(pa.table(data), path, compression="zstd")


def _toml(version: Version) -> str:
    lines = [
        "# Written by `python -m leaderboard freeze`; an edition in it is never changed.",
        f'version = "{version.version}"',
        "",
        "[ranked_by]",
        *(f'{task} = "{metric}"' for task, metric in version.ranked_by.items()),
        "",
        "[training]",
        *(f"{task} = {share}" for task, share in version.training.items()),
    ]
    for name, frozen in sorted(version.editions.items()):
        lines += ["", f"[editions.{name}]"]
        lines += [f"{key} = {_value(v)}" for key, v in frozen.model_dump(exclude_none=True).items() if _written(key, v)]
    return "\n".join(lines) + "\n"


def _written(key: str, value: object) -> bool:
    """Return whether a value departs from what holds where nothing is written, of the keys that may be absent."""
    return key not in ("bound_by", "boards") or value != Frozen.model_fields[key].default


def _value(value: object) -> str:
    """Return a value as TOML, whose text, numbers, truth values and lists of text are those of JSON."""
    return json.dumps(value, ensure_ascii=False)

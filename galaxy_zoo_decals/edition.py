"""Editions on disk: which there are, which is in use, and their tables without the images."""

from __future__ import annotations

import difflib
import errno
import hashlib
import json
import os
import re
import warnings
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from galaxy_zoo_decals import atomic
from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.schema import SPLITS, TREES, Tree

NAMES = ("sample", "simulated", "gz2", "galaxyzoo2", "gzd5")
"""Editions that have a name of their own; any other is named by its folder."""

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
"""What an edition may be called: names become folders of runs, submissions and caches."""

ENVIRONMENT = "GALAXY_ZOO_DECALS_EDITION"
HOME_ENVIRONMENT = "GALAXY_ZOO_DECALS_HOME"

PARQUET = b"PAR1"
"""How a Parquet file begins and ends."""

ANOTHER_HOME = f"set {HOME_ENVIRONMENT} to a folder that can be written to."

TRUTHS = ("counts", "likelihoods")
"""What the votes of an edition may be: counts of volunteers, or counts made from published likelihoods for an assumed
number of votes."""


@dataclass(frozen=True)
class Terms:
    """What an edition is and what may be done with it, as its source says; unless it says so, nothing is passed on.

    ``simulated``: its galaxies were drawn by a program. ``truth``: what its votes are (``TRUTHS``). ``licence``: SPDX
    name of the licence of images and votes, or "other". ``credit``: what stands beside a picture that is shown.
    ``may_publish_images``, ``may_publish_votes``: whether they may be shown and passed on. ``pictures``: what its
    images are, in few words.
    """

    simulated: bool = False
    truth: str = "counts"
    licence: str = "other"
    credit: str = ""
    may_publish_images: bool = False
    may_publish_votes: bool = False
    pictures: str = "unknown"

    @property
    def counted_votes(self) -> bool:
        """Whether its votes are counts of volunteers.

        Only then is there a noise ceiling, a panel of volunteers and a number of volunteers that a model is worth:
        published likelihoods are no sample of anybody's votes.
        """
        return self.truth == "counts"

    @classmethod
    def of(cls, said: object) -> Terms:
        """Return the terms that a source, or what a benchmark froze, states as attributes of these names."""
        given: dict[str, Any] = {field.name: getattr(said, field.name, field.default) for field in fields(cls)}
        return cls(**given)


FACTS: dict[str, type] = {
    "name": str, "title": str, "tree": str, "source": dict, "counts": dict, "cleaning": dict, "extra_columns": list,
    "image_size": int, "content_hash": str, "split_hash": str, "image_hash": str, "simulated": bool, "truth": str,
    "licence": str, "credit": str, "may_publish_images": bool, "may_publish_votes": bool, "pictures": str,
}  # fmt: skip
"""What edition.json must hold for an edition to be used, with its types."""


class EditionError(UserError):
    """An edition that cannot be found or read; the message says what there is and what to do."""


def home() -> Path:
    """Return the folder of prepared editions: $GALAXY_ZOO_DECALS_HOME, else the user's cache folder.

    Raises EditionError for a user who has no home.
    """
    try:
        if os.environ.get(HOME_ENVIRONMENT):
            return Path(os.environ[HOME_ENVIRONMENT]).expanduser()
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        raise EditionError(f"there is no home folder of this user: {ANOTHER_HOME}") from None
    return cache / "galaxy_zoo_decals"


def make_folder(folder: Path) -> None:
    """Make a folder below ``home()`` where it is not there; EditionError says what to do where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        problem = "" if os.access(folder, os.W_OK | os.X_OK) else os.strerror(errno.EACCES)
    except OSError as error:
        problem = error.strerror or str(error)
    if problem:
        raise EditionError(f"{folder} cannot be written to ({problem}): {ANOTHER_HOME}")


def default_path(name: str) -> Path:
    """Return where an edition of this name belongs: the sample in the package, the others under ``home()``."""
    return Path(__file__).parent if name == "sample" else home() / "editions" / name


def downloads(record: str) -> Path:
    """Return where files of a record of Zenodo are downloaded to unless --downloads names another folder."""
    return home() / "downloads" / f"zenodo-{record}"


def is_edition(path: Path) -> bool:
    """Return whether the folder holds an edition that can be read."""
    try:
        return (path / "edition.json").is_file() and (path / "README.md").is_file()
    except OSError:
        return False


def available() -> dict[str, Path]:
    """Return the named editions that are ready on this machine."""
    found = {"sample": default_path("sample")}
    with suppress(EditionError, OSError):  # `find` says what is amiss where another edition is asked for
        found |= {name: default_path(name) for name in NAMES}
        folder = home() / "editions"
        if folder.is_dir():
            found |= {p.name: p for p in sorted(folder.iterdir()) if p.name not in found and NAME.fullmatch(p.name)}
    return {name: path for name, path in found.items() if is_edition(path)}


def _unread() -> str:
    """Return why the editions of this user cannot be seen, as a sentence with a space before it; else nothing."""
    try:
        folder = home() / "editions"
        if folder.is_dir():
            next(folder.iterdir(), None)
    except EditionError as error:
        return f" {error}"
    except OSError as error:
        return f" {error.filename or home()} cannot be read ({error.strerror}): {ANOTHER_HOME}"
    return ""


def in_use() -> str:
    """Return the name or path of the edition in use: the environment's, else the chosen one, else the sample."""
    if os.environ.get(ENVIRONMENT):
        return os.environ[ENVIRONMENT]
    try:
        chosen = home() / "in-use"
        return (chosen.read_text(encoding="utf-8").strip() if chosen.is_file() else "") or "sample"
    except EditionError:
        return "sample"
    except OSError as error:
        warnings.warn(
            f"{error.filename}: {error.strerror}, so which edition was chosen is not known: the sample is taken. "
            f"Choose one with ${ENVIRONMENT}.",
            stacklevel=2,
        )
        return "sample"


def use(edition: str) -> Path:
    """Make an edition (a name or a folder) the one in use from now on and return its folder."""
    path = find(edition)
    make_folder(home())
    atomic.write_text(home() / "in-use", edition if edition in available() else str(path))
    return path


def expanded(path: str | os.PathLike[str]) -> Path:
    """Return a path with the user's home for ~; with a ~ of somebody who is not there it stays as it is."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def find(edition: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of an edition, given by name or folder; None is the one in use.

    Raises EditionError that names the editions there are and how to prepare the others.
    """
    if not isinstance(edition, (str, os.PathLike, type(None))):
        raise EditionError(
            f"an edition is given by its name or its folder; this is of the type {type(edition).__name__}."
        )
    wanted = str(edition) if edition is not None else in_use()
    ready = available()
    if edition is None and wanted not in ready and not is_edition(expanded(wanted)):
        chosen = f"${ENVIRONMENT}" if os.environ.get(ENVIRONMENT) else "`galaxy-zoo-decals use`"
        raise EditionError(
            f"the edition in use, {wanted!r} (chosen by {chosen}), is not there. Choose another, as in "
            f"`galaxy-zoo-decals use sample`; ready: {', '.join(ready)}."
        )
    if not wanted:
        raise EditionError(f"an edition needs a name or a folder; ready: {', '.join(ready)}.")
    if wanted in ready:
        return ready[wanted].resolve()
    path = expanded(wanted)
    if path.is_dir():
        if is_edition(path):
            return path.resolve()
        raise EditionError(
            f"{path} is a folder but no edition (it has no edition.json). Editions are made by "
            "`galaxy-zoo-decals prepare`."
        )
    if wanted in NAMES:
        raise EditionError(
            f"the edition {wanted!r} is not prepared yet. Run `galaxy-zoo-decals prepare {wanted}`; "
            f"ready: {', '.join(ready)}.{_unread()}"
        )
    close = difflib.get_close_matches(wanted, [*ready, *NAMES], n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise EditionError(f"there is no edition {wanted!r}.{hint} Ready: {', '.join(ready)}; or give a folder.{_unread()}")


def digest(lines: list[str]) -> str:
    """Return the sha256 of some lines of text."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@dataclass(frozen=True)
class Edition:
    """An edition's folder with its facts; tables are read on demand, without the images."""

    path: Path

    @classmethod
    def open(cls, edition: str | os.PathLike[str] | None = None) -> Edition:
        """Open an edition by name or folder; None is the one in use."""
        return cls(find(edition))

    @cached_property
    def facts(self) -> dict[str, object]:
        """The content of edition.json."""
        try:
            facts = json.loads((self.path / "edition.json").read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            raise EditionError(f"{self.path / 'edition.json'} is not readable JSON ({error}).") from None
        missing = [key for key in FACTS if not isinstance(facts, dict) or not isinstance(facts.get(key), FACTS[key])]
        if missing:
            raise EditionError(f"{self.path / 'edition.json'} lacks {', '.join(missing)}: prepare the edition again.")
        if facts["truth"] not in TRUTHS:
            raise EditionError(f"{self.path / 'edition.json'}: its truth is none of {', '.join(TRUTHS)}.")
        if facts["tree"] not in TREES or not NAME.fullmatch(facts["name"]):
            raise EditionError(f"{self.path / 'edition.json'}: its tree or its name is none that an edition can have.")
        return dict(facts)

    @property
    def name(self) -> str:
        """The edition's name, shown with every result."""
        return str(self.facts["name"])

    @property
    def title(self) -> str:
        """What to call the edition in titles of tables and plots, telling real from simulated."""
        return str(self.facts["title"])

    @property
    def tree(self) -> Tree:
        """The decision tree its votes follow."""
        return TREES[str(self.facts["tree"])]

    @property
    def terms(self) -> Terms:
        """What it is and what may be done with it."""
        return Terms(**{field.name: self.facts[field.name] for field in fields(Terms)})  # type: ignore[arg-type]

    @property
    def galaxies(self) -> int:
        """Return the number of galaxies in all splits."""
        return sum(split["galaxies"] for split in self.facts["counts"].values())  # type: ignore[attr-defined]

    @property
    def content_hash(self) -> str:
        """Hash of names, splits, flags and votes: what results are bound to. Pixels are hashed apart."""
        return str(self.facts["content_hash"])

    @property
    def split_hash(self) -> str:
        """Hash of which galaxy lies in which split."""
        return str(self.facts["split_hash"])

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that have galaxies, in their order: an edition of one's own may be without some."""
        counts: Any = self.facts["counts"]
        without = [s for s in SPLITS if isinstance(counts.get(s), dict) and counts[s].get("galaxies") == 0]
        if len(without) == len(SPLITS):
            raise EditionError(f"{self.path / 'edition.json'} counts no galaxy: prepare the edition again.")
        return tuple(split for split in SPLITS if split not in without)

    def shards(self, split: str) -> list[Path]:
        """Return the Parquet files of a split in order; raises EditionError if there are none."""
        if split not in SPLITS:
            raise EditionError(f"there is no split {split!r}; choose from {', '.join(self.splits)}.")
        if split not in self.splits:
            raise EditionError(
                f"{self.path}: the edition {self.name} has no {split} galaxies, only {' and '.join(self.splits)}."
            )
        found = sorted((self.path / "data").glob(f"{split}-*.parquet"))
        if not found:
            raise EditionError(f"{self.path / 'data'} holds no {split}-*.parquet: prepare the edition again.")
        for shard in found:
            _check_end(shard)
        return found

    def table(self, split: str, columns: list[str] | None = None) -> pd.DataFrame:
        """Return the rows of a split in their frozen order (by iauname), without images unless asked for.

        Text and yes or no that are not known are missing values, as in a catalogue; in the shards they are "" and -1.
        """
        if columns is None:
            columns = [c for c in pq.read_schema(self.shards(split)[0]).names if c != "image"]
        parts = [pd.read_parquet(shard, columns=columns) for shard in self.shards(split)]
        table = pd.concat(parts, ignore_index=True)
        if "upload_group" in table:
            table["upload_group"] = table["upload_group"].mask(table["upload_group"] == "", None)
        if "random_selection" in table and pd.api.types.is_integer_dtype(table["random_selection"]):
            known = table["random_selection"].astype("Int8").mask(table["random_selection"] < 0)
            table["random_selection"] = known.astype("boolean")
        return table

    def votes(self, split: str) -> np.ndarray:
        """Return the vote counts of a split, int64 (galaxies, answers), in the order of ``tree.answers``."""
        return self.table(split, list(self.tree.answer_columns)).to_numpy(dtype=np.int64)

    def galaxy(self, name: str) -> tuple[str, dict[str, Any]]:
        """Return the split and the stored row, image included, of one galaxy; EditionError names near ones."""
        known: list[str] = []
        for split in self.splits:
            for shard in self.shards(split):
                with pq.ParquetFile(shard) as file:
                    for group in range(file.num_row_groups):
                        names = file.read_row_group(group, columns=["iauname"])["iauname"].to_pylist()
                        if name in names:
                            row = file.read_row_group(group).slice(names.index(name), 1).to_pylist()[0]
                            return split, row
                        known += names
        # Among hundreds of thousands of names only those that begin alike are compared.
        alike = [other for other in known if other[:4] == name[:4]] or known
        close = difflib.get_close_matches(name, alike[:20_000], n=3) or known[:3]
        raise EditionError(
            f"{self.title} ({self.name}) has no galaxy {name!r}; names are such as {', '.join(close)}. "
            "galaxy_zoo_decals.catalogue lists all of an edition."
        )

    def images(self, split: str, names: list[str] | None = None) -> dict[str, bytes]:
        """Return the image files of some galaxies of a split (all if None), by iauname in the edition's order."""
        wanted = None if names is None else set(names)
        found: dict[str, bytes] = {}
        for shard in self.shards(split):
            for batch in pq.ParquetFile(shard).iter_batches(columns=["iauname", "image"], batch_size=256):
                for name, image in zip(batch["iauname"].to_pylist(), batch["image"].to_pylist()):
                    if wanted is None or name in wanted:
                        found[name] = image["bytes"]
        return found


def _check_end(shard: Path) -> None:
    """Raise EditionError if a Parquet file does not end as one: every reader would fail on it in words of its own."""
    with shard.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(PARQUET)))
        whole = size > 2 * len(PARQUET) and file.read() == PARQUET
    if not whole:
        raise EditionError(
            f"{shard}: this file of the edition does not end as Parquet does: it may be cut short. Copy it once more "
            "from where the edition came from, or prepare the edition again."
        )

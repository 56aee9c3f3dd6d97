"""Run folders as the harness writes them (docs/runs.md): the facts of a training run, checked before use."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from galaxy_zoo_decals import old_words
from galaxy_zoo_decals.schema import VIEWS
from leaderboard.files import LeaderboardError, read_json

PILE = 2
"""Combining marks that one letter may bear: more of them climb over the lines above and below."""

BLANKS = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and symbols of Unicode that look like a space."""


def plain(text: str) -> str:
    """Return the text if it reads as it is written, else raise ValueError naming the character that forbids it.

    Refused are control and direction-changing characters, separators of lines other than the newline, and piles of
    combining marks.
    """
    marks = 0
    for character in text:
        kind = unicodedata.category(character)
        if kind in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") and character != "\n":
            raise ValueError(f"holds the invisible character U+{ord(character):04X}; remove it")
        marks = marks + 1 if kind in ("Mn", "Me") else 0
        if marks > PILE:
            raise ValueError(
                f"holds more than {PILE} combining marks in a row, such as U+{ord(character):04X}; remove them"
            )
    return text


def shown(text: str) -> str:
    """Return the text if there is something to see in it, else raise ValueError."""
    if not any(unicodedata.category(c)[0] in "LNPS" and c not in BLANKS for c in text):
        raise ValueError("is blank; write something or leave the key away")
    return text


def _visible(most: int, line: bool = True) -> tuple[object, ...]:
    """Return what binds a visible text of at most so many characters, of one line or of some."""
    form = StringConstraints(min_length=1, max_length=most, pattern=r"^[^\n]*$" if line else None)
    return form, AfterValidator(plain), AfterValidator(shown)


Line = Annotated[str, *_visible(200)]
"""One line of visible text."""

Label = Annotated[str, *_visible(60)]
"""A line short enough for a column of a table."""

Paragraph = Annotated[str, *_visible(4000, line=False)]
"""Some lines of visible text."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
"""A name that is also a folder: no separators, no leading dot."""

Number = Annotated[float, Field(ge=-1e18, le=1e18)]
Whole = Annotated[int, Field(ge=-(10**18), le=10**18)]
Scalar = bool | Whole | Number | Annotated[str, StringConstraints(max_length=500), AfterValidator(plain)] | None
Setting = Scalar | Annotated[list[Scalar], Field(max_length=100)]
"""A setting of a recipe: flat, so that a page can show it."""


def _device(text: str) -> str:
    """Return the device as the harness names it now: it once wrote "1 threads", and one device has one name."""
    return re.sub(r"^CPU, 1 threads\b", "CPU, 1 thread", text)


Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Task = Literal[VIEWS]  # type: ignore[valid-type]  # one list for all; a type checker wants it written out
Seed = Annotated[int, Field(ge=0, lt=10**9)]


Loss = Annotated[float, Field(ge=-1e6, le=1e6)]
"""A loss or a metric of an epoch: what is larger is no training, and no chart could hold it."""

Epoch = Annotated[float, Field(ge=0, le=1e6)]
Seconds = Annotated[float, Field(ge=0, le=1e9)]
"""Up to thirty years."""

LEAST_SECONDS = 1e-3
"""No training is shorter; 0 is what trains nothing, as an ensemble of trained networks."""

SLACK = 1.05
"""By how much GPU-hours may exceed the time of training on all processes: both are rounded, and start apart."""


HARNESS = "dihedral_average"
"""A setting that every recipe of the harness has, and nobody else's by chance."""


class Facts(BaseModel):
    """What the harness says, each in its own type and range; keys that this version does not know are left out."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)


class RunEdition(Facts):
    """The edition a run was tested on.

    ``trained_on`` is the content of the one it was trained on, where that differs in training galaxies (rebind.py);
    ``pictures`` and ``image_size`` are where the images it was shown come from and their pixels a side.
    """

    name: Name
    title: Line
    content_hash: Hash
    split_hash: Hash
    trained_on: Hash | None = None
    pictures: Label | None = None
    image_size: Annotated[int, Field(ge=1, lt=10**5)] | None = None

    def facts(self) -> dict[str, str]:
        """Return the keys that are set and bind its scores, as they are stored."""
        return self.model_dump(exclude_none=True, exclude={"pictures", "image_size"})


class Point(Facts):
    """One epoch of a training curve."""

    epoch: Epoch
    train_loss: Loss | None = None
    validation_loss: Loss | None = None
    validation_metric: Loss | None = None


class Curve(Facts):
    """The training of one network."""

    name: Line
    best_epoch: Epoch | None = None
    points: list[Point] = Field(max_length=10_000)

    @model_validator(mode="after")
    def _agrees(self) -> Curve:
        epochs = [point.epoch for point in self.points]
        if any(b <= a for a, b in pairwise(epochs)):
            raise ValueError("epochs do not rise from point to point")
        # 0 is that of a network of which no epoch was kept.
        if self.best_epoch and epochs and not epochs[0] <= self.best_epoch <= epochs[-1]:
            raise ValueError(f"best_epoch {self.best_epoch:g} is none of the epochs {epochs[0]:g} to {epochs[-1]:g}")
        return self


class Git(Facts):
    """State of the code; both are None outside a repository."""

    commit: Line | None = None
    dirty: bool | None = None


class Run(Facts):
    """The content of a run.json."""

    format: Literal["1"]
    model: Name
    title: Line
    backbone: Line
    weights: Line
    tasks: list[Task] = Field(min_length=1, max_length=len(VIEWS))
    edition: RunEdition
    seed: Seed
    recipe: Annotated[dict[Line, Setting], Field(max_length=200)]
    resolution: Annotated[int, Field(ge=1, lt=10**6)] | None
    parameters: Annotated[int, Field(ge=0, lt=10**13)]
    device: Annotated[Line, AfterValidator(_device)]
    precision: Line
    processes: Annotated[int, Field(ge=1, le=10**5)]
    train_seconds: Seconds | None
    gpu_hours: Annotated[float, Field(ge=0, le=1e8)] | None = None
    images_per_second: Annotated[float, Field(ge=0, le=1e9)] | None = None
    peak_memory_bytes: Annotated[int, Field(ge=0, le=10**15)] | None = None
    versions: Annotated[dict[Line, Line | None], Field(max_length=50)] = {}
    git: Git | None = None
    command: Paragraph
    curves: list[Curve] = Field(default=[], max_length=64)

    @model_validator(mode="after")
    def _each_setting_once(self) -> Run:
        twice = [old for old, new in old_words.SETTINGS.items() if old in self.recipe and new in self.recipe]
        if HARNESS in self.recipe and twice:
            raise ValueError(f"recipe holds {twice[0]!r} and {old_words.SETTINGS[twice[0]]!r}, which are one setting")
        return self

    @model_validator(mode="after")
    def _counts_agree(self) -> Run:
        if len(set(self.tasks)) < len(self.tasks):
            raise ValueError("tasks name one twice")
        if self.train_seconds and self.train_seconds < LEAST_SECONDS:
            raise ValueError(f"train_seconds {self.train_seconds:g} is no time of a training; null if it is not known")
        if self.gpu_hours is not None and self.train_seconds is not None:
            most = SLACK * self.processes * self.train_seconds / 3600
            if self.gpu_hours > most + 1e-3:
                raise ValueError(
                    f"gpu_hours {self.gpu_hours:g} are more than {self.processes} processes can have used in "
                    f"{self.train_seconds:g} s"
                )
        return self

    @property
    def recipe_name(self) -> str:
        """Name of the recipe, as asked for on the command line; of the harness's by its name of today."""
        return str(self._recipe_today.get("name", "unnamed"))

    @property
    def settings(self) -> dict[str, Setting]:
        """The recipe's settings as resolved, without its name and the seed, which differs among an entry's runs.

        Settings of the harness have their names of today, whatever the harness called them then.
        """
        return {k: v for k, v in self._recipe_today.items() if k not in ("name", "seed")}

    @property
    def _recipe_today(self) -> dict[str, Setting]:
        # Words of a training without this harness are its own: what it calls balance may be another thing.
        return old_words.recipe(self.recipe) if HARNESS in self.recipe else self.recipe


def read(path: Path) -> Run:
    """Read and check a run.json; raises LeaderboardError naming file and key."""
    try:
        return Run.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise LeaderboardError(f"{path}: {where}: {first['msg']}. See docs/runs.md for what a run holds.") from None


def prediction_path(edition: str, task: str, seed: int) -> Path:
    """Return where a prediction file lies, relative to a run folder or a submission."""
    return Path("predictions") / edition / task / f"seed{seed}.parquet"


def find(root: Path, depth: int = 6) -> Iterator[Path]:
    """Yield the folders below ``root`` that hold a run.json, in order, following no links."""
    if not root.is_dir():
        raise LeaderboardError(f"there is no folder {root}: train something first, for example `make benchmark`.")
    for folder, below, names in os.walk(root, followlinks=False):
        here = Path(folder)
        deep = len(here.relative_to(root).parts) >= depth
        # The harness renames a finished run into place; what still ends in .partial is not whole.
        below[:] = [] if deep else sorted(b for b in below if not b.startswith(".") and not b.endswith(".partial"))
        if "run.json" in names:
            below.clear()
            yield here

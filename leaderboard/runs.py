"""Run folders as the harness writes them (docs/runs.md): the facts of a training run, checked before use."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from galaxy_zoo_decals.schema import VIEWS
from leaderboard.files import LeaderboardError, read_json


def plain(text: str) -> str:
    """Return the text if it has no control or direction-changing characters, else raise ValueError naming one."""
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co") and character != "\n":
            raise ValueError(f"holds the invisible character U+{ord(character):04X}; remove it")
    return text


Line = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\n]*$"), AfterValidator(plain)]
"""One line of visible text."""

Paragraph = Annotated[str, StringConstraints(min_length=1, max_length=4000), AfterValidator(plain)]
"""Some lines of visible text."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
"""A name that is also a folder: no separators, no leading dot."""

Scalar = bool | int | float | Annotated[str, StringConstraints(max_length=500), AfterValidator(plain)] | None
Setting = Scalar | Annotated[list[Scalar], Field(max_length=100)]
"""A setting of a recipe: flat, so that a page can show it."""


def _device(text: str) -> str:
    """Return the device as the harness names it now: it once wrote "1 threads", and one device has one name."""
    return re.sub(r"^CPU, 1 threads\b", "CPU, 1 thread", text)


Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Task = Literal["multiclass", "multilabel", "hierarchical", "votes"]
Seed = Annotated[int, Field(ge=0, lt=10**9)]


class Facts(BaseModel):
    """What the harness says; keys that this version does not know are left out."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=True)


class RunEdition(Facts):
    """The edition a run was tested on.

    ``trained_on`` is the content of the one it was trained on, where that differs in training galaxies (adoption.py);
    ``pictures`` and ``image_size`` are where the images it was shown come from and their pixels a side.
    """

    name: Name
    title: Line
    content_hash: Hash
    split_hash: Hash
    trained_on: Hash | None = None
    pictures: Line | None = None
    image_size: Annotated[int, Field(ge=1, lt=10**5)] | None = None

    def facts(self) -> dict[str, str]:
        """Return the keys that are set and bind its scores, as they are stored."""
        return self.model_dump(exclude_none=True, exclude={"pictures", "image_size"})


class Point(Facts):
    """One epoch of a training curve."""

    epoch: float
    train_loss: float | None = None
    validation_loss: float | None = None
    validation_metric: float | None = None


class Curve(Facts):
    """The training of one network."""

    name: Line
    best_epoch: float | None = None
    points: list[Point] = Field(max_length=10_000)


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
    parameters: Annotated[int, Field(ge=0, lt=10**15)]
    device: Annotated[Line, AfterValidator(_device)]
    precision: Line
    processes: int
    train_seconds: float | None
    gpu_hours: float | None = None
    images_per_second: float | None = None
    peak_memory_bytes: int | None = None
    versions: Annotated[dict[Line, Line | None], Field(max_length=50)] = {}
    git: Git | None = None
    command: Paragraph
    curves: list[Curve] = Field(default=[], max_length=64)

    @property
    def recipe_name(self) -> str:
        """Name of the recipe, as asked for on the command line."""
        return str(self.recipe.get("name", "unnamed"))

    @property
    def settings(self) -> dict[str, Setting]:
        """The recipe's settings as resolved, without its name and the seed, which differs among an entry's runs."""
        return {k: v for k, v in self.recipe.items() if k not in ("name", "seed")}


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

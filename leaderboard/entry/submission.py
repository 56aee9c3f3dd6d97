"""Submissions: one folder by pull request, its submission.yaml strictly typed, made from run folders."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, Field, StringConstraints

from leaderboard.entry import strict_yaml
from leaderboard.entry.run_json import Hash, Line, Paragraph, Setting
from leaderboard.entry.strict import Strict
from leaderboard.files import read_text

SLUG = re.compile(r"^20\d{6}-[a-z0-9]+(-[a-z0-9]+)*$")
LARGEST_YAML = 64 * 2**10


def spdx(text: str) -> str:
    """Return the text if it is an SPDX licence expression, else raise ValueError."""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        return canonicalize_license_expression(text)
    except InvalidLicenseExpression:
        raise ValueError("not an SPDX licence expression, such as Apache-2.0") from None


Url = Annotated[str, StringConstraints(max_length=500, pattern=r"^https://[A-Za-z0-9.-]+(:[0-9]+)?(/[^\s<>\"'\\]*)?$")]
Commit = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
Licence = Annotated[str, StringConstraints(max_length=100), AfterValidator(spdx)]


class Code(Strict):
    """Where the code is and how it was run."""

    repository: Url | Literal["this repository"] | None = Field(
        description="https address of the public repository (or: this repository)"
    )
    commit: Commit | None = Field(description="40-digit commit the runs were made with, without local changes")
    command: Paragraph = Field(description="exact command line of one run")
    recipe: Line = Field(description="name of the recipe")


class Weights(Strict):
    """Where the trained weights can be had."""

    url: Url | None = Field(description="https address of the weights; or the one line `weights: not published`")
    sha256: Hash | None = Field(description="sha256 of the weights file")
    licence: Licence | None = Field(description="SPDX licence of the weights")


class Overlap(Strict):
    """Whether anything the model learned from holds test galaxies."""

    status: Literal["none", "declared", "unknown"] | None = Field(
        description="none, declared or unknown: encoders trained on Galaxy Zoo votes have seen our test galaxies"
    )
    note: Paragraph | None = Field(description="why this holds, in a sentence")


class Submission(Strict):
    """The content of submission.yaml; None stands for what its author has still to fill in."""

    format: Literal["1"]
    name: Line
    authors: list[Line] = Field(max_length=50, description="list of names")
    official: bool
    contact: Line | None = Field(description="e-mail address or handle for questions about the entry")
    description: Paragraph | None = Field(description="what the model is and what is new, in a few sentences")
    code: Code
    weights: Weights | Literal["not published"] = Field(description="url, sha256 and licence; or: not published")
    training_data: Paragraph | None = Field(description="all data the weights have seen, pretraining included")
    test_overlap: Overlap
    selection: Literal["validation only"] | None = Field(
        description="'validation only', if no choice was made by looking at test scores"
    )
    parameters: Annotated[int, Field(ge=0, lt=10**15)]
    status: Literal["active", "superseded", "withdrawn"]
    status_reason: Paragraph | None
    attestation: bool = Field(description="true, if all above is true to the best of the authors' knowledge")

    def remaining(self) -> dict[str, str]:
        """Return what has still to be filled in: {dotted key: what to write}."""
        found = _empty(self, "")
        if not self.authors:
            found["authors"] = str(Submission.model_fields["authors"].description)
        if self.status == "active":
            found.pop("status_reason", None)
        if not self.attestation:
            found["attestation"] = str(Submission.model_fields["attestation"].description)
        return found


def _empty(model: Strict, prefix: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, Strict):
            found |= _empty(value, f"{prefix}{name}.")
        elif value is None:
            found[f"{prefix}{name}"] = field.description or "why"
    return found


class CodeFacts(Strict):
    """What ``Code`` holds, as far as it is known."""

    repository: Url | Literal["this repository"] | None = None
    commit: Commit | None = None
    command: Paragraph | None = None
    recipe: Line | None = None


class RunFacts(Strict):
    """What the harness would have written of a run, for predictions made without it (docs/runs.md)."""

    title: Line = Field(description="what was trained, with backbone and weights by their own names")
    backbone: Line = Field(description="the network, or what stands in its place")
    weights: Line = Field(description="where its first weights came from; none for random ones")
    recipe: Annotated[dict[Line, Setting], Field(max_length=200)] = Field(description="settings, {name: value}")
    resolution: Annotated[int, Field(ge=1, lt=10**6)] | None = Field(
        description="side of the training images in pixels; null if there is none"
    )
    device: Line = Field(description="what it was trained on, such as 1 NVIDIA A100 or 4 CPU cores")
    precision: Line = Field(description="float32, bfloat16, float64")
    train_seconds: Annotated[float, Field(ge=0)] | None = Field(description="wall time of training, null if unknown")
    gpu_hours: Annotated[float, Field(ge=0)] | None = None
    images_per_second: Annotated[float, Field(ge=0)] | None = None
    peak_memory_bytes: Annotated[int, Field(ge=0)] | None = None
    versions: Annotated[dict[Line, Line], Field(max_length=50, default_factory=dict)]


class Facts(Strict):
    """What ``submit`` cannot know: any keys of submission.yaml, and ``run`` for predictions made elsewhere."""

    name: Line | None = None
    authors: list[Line] | None = Field(default=None, max_length=50)
    official: bool | None = None
    contact: Line | None = None
    description: Paragraph | None = None
    code: CodeFacts = CodeFacts()
    weights: Weights | Literal["not published"] | None = None
    training_data: Paragraph | None = None
    test_overlap: Overlap | None = None
    selection: Literal["validation only"] | None = None
    parameters: Annotated[int, Field(ge=0, lt=10**15)] | None = None
    attestation: bool | None = None
    run: RunFacts | None = None


def read(path: Path) -> Submission:
    """Read a submission.yaml strictly; raises YamlError with line and key of every fault."""
    return parse(read_text(path, LARGEST_YAML), path)


def parse(text: str, path: Path) -> Submission:
    """Read the text of a submission.yaml as strictly; ``path`` names it in what is raised."""
    return strict_yaml.parse(text, path, Submission)


def read_facts(path: Path) -> Facts:
    """Read a file of facts for ``submit`` as strictly; raises YamlError with line and key of every fault."""
    return strict_yaml.parse(read_text(path, LARGEST_YAML), path, Facts)


def lines(path: Path) -> dict[tuple[str, ...], int]:
    """Return the line of each key of a YAML file that ``read`` accepts, by its path of keys."""
    return strict_yaml.places(yaml.compose(read_text(path, LARGEST_YAML), Loader=yaml.SafeLoader))[0]


def run_path(prediction: Path) -> Path:
    """Return where the facts of the run that made a prediction file lie in a submission."""
    return Path("runs", *prediction.parts[1:]).with_suffix(".json")

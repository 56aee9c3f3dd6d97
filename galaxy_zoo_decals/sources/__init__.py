"""Where editions come from: each source gives a catalogue of votes and the images that belong to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import pandas as pd

from galaxy_zoo_decals.image_files import Form, ImageError
from galaxy_zoo_decals.schema import Tree

MISSING = "there is no image file"
"""The message of an ImageError where a galaxy has votes but no image at all."""


Encoder = Callable[[Sequence[str]], list[bytes | ImageError]]
"""From iaunames to image files in the edition's form, or why there are none; picklable, workers get a copy each."""


def _nothing() -> None:
    """Do nothing: most parts lie ready."""


@dataclass(frozen=True)
class Part:
    """Images that are converted together, such as those of one archive.

    ``images`` maps every iauname to what decides its pixels (the checksum in an archive, the size and time of a
    file): converted images are used again only while it stays the same. ``encoder`` returns the encoder of some
    galaxies, with no more in it than they need. ``fetch`` brings the files that encoders read; it is called only if
    some are yet to be converted.
    """

    label: str
    images: Mapping[str, str]
    encoder: Callable[[Sequence[str]], Encoder]
    fetch: Callable[[], object] = _nothing
    strangers: Mapping[str, str] = field(default_factory=dict)
    """Images of this campaign that belong to no row of the catalogue, by their name at the source, each with why."""
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Files beside the images that are not taken, by their place in the folder, each with why."""


class Source(Protocol):
    """What the pipeline asks of a source.

    ``describe`` is the source's entry in edition.json, with ``kind`` and ``description`` (the card's first
    paragraph) at least: JSON-ready, the same on every machine (no host, path or
    time in it), and enough to say which data these are (its parameters, or the hashes of its files).
    """

    @property
    def name(self) -> str:
        """The kind of source."""
        ...

    @property
    def title(self) -> str:
        """What to call its editions in titles of tables and plots, telling real from simulated."""
        ...

    @property
    def tree(self) -> Tree:
        """The decision tree its votes follow."""
        ...

    @property
    def licence(self) -> str:
        """SPDX name of the licence of its data, or "other"."""
        ...

    @property
    def citation(self) -> str:
        """Whose data these are and how to cite them."""
        ...

    @property
    def credit(self) -> str:
        """What stands beside a picture that is shown: whose it is and under which licence."""
        ...

    @property
    def simulated(self) -> bool:
        """Whether its galaxies were drawn by a program."""
        ...

    @property
    def truth(self) -> str:
        """What its votes are: ``counts`` of volunteers, or counts made from published ``likelihoods``."""
        ...

    @property
    def may_publish_images(self) -> bool:
        """Whether its images may be shown and passed on, with ``credit`` and under ``licence``."""
        ...

    @property
    def may_publish_votes(self) -> bool:
        """Whether the votes of single galaxies may be shown and passed on."""
        ...

    @property
    def pictures(self) -> str:
        """What its images are in few words, such as "PNG, Zenodo": a column of the boards."""
        ...

    @property
    def extra_columns(self) -> tuple[str, ...]:
        """Columns beyond the common ones: float ones, and what became of lost votes (``tree.lost_columns``)."""
        ...

    def describe(self) -> dict[str, object]:
        """Return what edition.json says of this source."""
        ...

    def catalogue(self, work: Path, processes: int) -> pd.DataFrame:
        """Return one validated row a galaxy: iauname, votes as int, metadata (see catalogue.py), extra columns.

        ``work`` is a folder for intermediate results that survives an interrupted run: what is finished there
        need not be done again.
        """
        ...

    def split(self, catalogue: pd.DataFrame) -> pd.Series:
        """Return the split name of every row."""
        ...

    def scored(self, catalogue: pd.DataFrame) -> pd.Series:
        """Return whether each row has the votes and the origin that metrics ask for (whatever its split)."""
        ...

    def parts(self, work: Path, form: Form) -> Iterator[Part]:
        """Yield the source's images part by part, also those that no row of the catalogue asks for.

        The next part is asked for once the images of the last one are safe on disk: its files may go then.
        """
        ...


@runtime_checkable
class Choosing(Protocol):
    """A source that gives some of its galaxies only, chosen among the ones that cleaning keeps."""

    @property
    def choice(self) -> tuple[str, str]:
        """What the step is called that leaves out the other galaxies, and why they are left out."""
        ...

    def left_out(self, names: Sequence[str], work: Path) -> frozenset[str]:
        """Return the galaxies, of those kept by cleaning, that have an image and are not chosen.

        It is called before ``parts``, which may rest on what it leaves in ``work``.
        """
        ...


@runtime_checkable
class Splitting(Protocol):
    """A source whose editions may lack splits: of somebody's own galaxies, which need not be enough for all three."""

    @property
    def needed_splits(self) -> tuple[str, ...]:
        """The splits that must have galaxies."""
        ...

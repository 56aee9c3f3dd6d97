"""Where editions come from: each source gives a catalogue of votes and the images that belong to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import pandas as pd

from galaxy_zoo_decals.schema import Tree

MISSING = "there is no image file"
"""The message of an ImageError where a galaxy has votes but no image at all."""


class ImageError(ValueError):
    """An image that cannot be used; the message says why. The galaxy is left out, counted and named."""


class Source(Protocol):
    """What the pipeline asks of a source. Instances are picklable: workers get a copy each.

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
    def extra_columns(self) -> tuple[str, ...]:
        """Float columns beyond the common ones (``true_*``, ``visible_*`` of a simulation)."""
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

    def unlisted_images(self, catalogue: pd.DataFrame) -> int:
        """Return how many images of the source have no row in the catalogue; they are counted and ignored."""
        ...

    def encoder(self, work: Path, size: int, quality: int) -> Callable[[Sequence[str]], list[bytes | ImageError]]:
        """Return a picklable function from iaunames to JPEG bytes of ``size`` pixels, or why there are none."""
        ...

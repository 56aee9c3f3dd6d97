"""Galaxy Zoo 2 with images of the Hugging Face Hub: votes of Hart et al. 2016, images from the shards of gz2."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from galaxy_zoo_decals import addresses, splits
from galaxy_zoo_decals.image_files import Form
from galaxy_zoo_decals.schema import GZ2
from galaxy_zoo_decals.sources import Part
from galaxy_zoo_decals.sources.galaxyzoo2 import CITATION, Published, votes_file
from galaxy_zoo_decals.sources.hub_images import LICENCE, Dataset, HubImages, Votes
from galaxy_zoo_decals.sources.record import Record, SourceError


def _hub_column(question: str, answer: str) -> str | None:
    """Return what the dataset of the Hub calls the votes of an answer; None where it has none of the question."""
    names = {"odd": "something-odd", "edge-on-bulge": "bulge-shape"}
    answers = {
        ("bulge-size", "none"): "no",
        ("how-rounded", "cigar-shaped"): "cigar",
        ("edge-on-bulge", "rounded"): "round",
        ("edge-on-bulge", "none"): "no-bulge",
    }
    if question == "odd-feature":
        return None
    return f"{names.get(question, question)}-gz2_{answers.get((question, answer), answer)}"


HUB_COLUMNS = {f"{q}_{a}": column for q, a in GZ2.answers if (column := _hub_column(q, a)) is not None}
"""Columns of the Hub's dataset by the tree's columns of the same answers; it has none of what is odd about a galaxy."""

DATASET = Dataset(
    repository=addresses.GALAXY_ZOO_2_HUB,
    configs=addresses.GALAXY_ZOO_2_CONFIGS,
    columns=tuple(HUB_COLUMNS.values()),
    first=len(GZ2.questions[0].answers),
    source="galaxyzoo2",
)


@dataclass(frozen=True)
class FromHub(Published):
    """The votes as ``Downloaded`` has them, and the images of a config of the Hub's dataset, shard by shard."""

    folder: Path = field(default=Path(), repr=False)
    votes: str = addresses.GALAXY_ZOO_2_VOTES
    delete_archives: bool = False
    """Remove each shard once its images are converted."""
    title: str = "Galaxy Zoo 2, images of the Hub"
    licence: str = LICENCE
    citation: str = (
        "Images and votes are those of the dataset mwalmsley/gz2 of the Hugging Face Hub (arXiv:2404.02973), made from "
        f"the Sloan Digital Sky Survey, CC-BY-NC-SA-4.0. {CITATION}"
    )
    credit: str = "Image: mwalmsley/gz2, SDSS, CC-BY-NC-SA-4.0; votes: Galaxy Zoo 2, Willett et al. 2013"
    pictures: str = "JPEG, Hub gz2"
    may_publish_images: bool = True
    may_publish_votes: bool = True
    config: str = "default"
    shards: int | None = None
    """How many shards of the config are used; None is all of them."""
    anew: bool = False
    """Ask the Hub for today's revision, not for the one that an earlier run began with."""

    @cached_property
    def _images(self) -> HubImages:
        return HubImages(
            DATASET, self.config, self.folder / "gz2", self._counts, lambda: str(self._votes.facts["sha256"]), self.say,
            self.shards, self.anew, self.delete_archives,
        )  # fmt: skip

    @cached_property
    def table(self) -> Path:
        """Return the file of the votes, downloading it if it is not there."""
        return votes_file(self.votes, Record(addresses.GALAXY_ZOO_2, self.folder, self.say))

    def _counts(self) -> Votes:
        """Return the votes that rows of the Hub are held against."""
        rows = self._votes.rows
        places = cKDTree(splits.directions(rows["ra"].to_numpy(), rows["dec"].to_numpy()))
        counts = rows[list(HUB_COLUMNS)].to_numpy(np.int32)
        return Votes(rows["iauname"].to_numpy(object), DATASET.columns, counts, places, "Galaxy Zoo 2", "the table")

    def catalogue(self, work: Path, processes: int) -> pd.DataFrame:
        """Return the checked rows of the table; SourceError where it has no positions, by which images are found."""
        if not self._votes.positions:
            raise SourceError(f"{self.table}: it has no positions (ra, dec); images of the Hub are found by them.")
        return self._votes.rows.copy()

    def look(self) -> None:
        """Ask what the Hub has before anything large is downloaded, and say how it differs from what was stated."""
        self._images.look()

    def describe(self) -> dict[str, object]:
        """Return what edition.json says of this source."""
        said, found, chosen = super().describe(), self._images.snapshot, self._images.chosen
        some = "" if self.shards is None else f" {len(chosen)} of its {len(found.files)} shards are in this edition."
        images = (
            f" The images are those of {found.repository} on the Hugging Face Hub, config {self.config}, revision "
            f"{found.revision}.{some} A galaxy is in this edition if its position, and the votes of every answer that "
            "stands in both, agree; the Hub has no votes of what is odd about a galaxy."
        )
        return {**said, "description": f"{said['description']}{images}", "images": self._images.describe()}

    def parts(self, work: Path, form: Form) -> Iterator[Part]:
        """Yield the images shard by shard; each is downloaded when it is its turn, unless its work is done."""
        yield from self._images.parts(work, form)

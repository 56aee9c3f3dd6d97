"""Galaxy Zoo DECaLS 5 with images of the Hugging Face Hub: votes from Zenodo, images from the shards of gz_desi."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from galaxy_zoo_decals import addresses
from galaxy_zoo_decals.image_files import Form
from galaxy_zoo_decals.schema import GZD5
from galaxy_zoo_decals.sources import Part, hub_repository, hub_shard
from galaxy_zoo_decals.sources.download import BusyError, DownloadError
from galaxy_zoo_decals.sources.folder import sha256
from galaxy_zoo_decals.sources.hub_images import LICENCE, Dataset, HubImages, Votes
from galaxy_zoo_decals.sources.zenodo import Downloaded

DATASET = Dataset(
    repository=addresses.HUB_IMAGES,
    configs=addresses.HUB_CONFIGS,
    columns=hub_shard.columns_of(GZD5, "dr5"),  # dr5 is what the dataset calls GZD-5
    first=len(GZD5.questions[0].answers),
    source="gzd5",
)


@dataclass(frozen=True)
class FromHub(Downloaded):
    """The votes as ``Downloaded`` has them, and the images of a config of ``addresses.HUB_IMAGES``, shard by shard."""

    title: str = "Galaxy Zoo DECaLS 5, images of the Hub"
    licence: str = LICENCE
    citation: str = (
        "The images are those of the dataset mwalmsley/gz_desi of the Hugging Face Hub (arXiv:2404.02973), made from "
        "the DESI Legacy Imaging Surveys, CC-BY-NC-SA-4.0. The votes are CC-BY-4.0: cite Walmsley et al. 2022, MNRAS "
        "509, 3966 (doi:10.1093/mnras/stab2093), and the data release, doi:10.5281/zenodo.4573248."
    )
    credit: str = (
        "Image: mwalmsley/gz_desi, DESI Legacy Imaging Surveys, CC-BY-NC-SA-4.0; votes: Galaxy Zoo DECaLS, Walmsley "
        "et al. 2022, CC-BY-4.0"
    )
    pictures: str = "JPEG, Hub gz_desi"
    images_folder: Path = field(default=Path(), repr=False)
    """Where shards are downloaded to."""
    config: str = "default"
    shards: int | None = None
    """How many shards of the config are used; None is all of them."""
    anew: bool = False
    """Ask the Hub for today's revision, not for the one that an earlier run began with."""

    @cached_property
    def _images(self) -> HubImages:
        return HubImages(
            DATASET, self.config, self.images_folder, lambda: Votes.read(self.table, self.tree.answer_columns),
            lambda: self._table_sha256, self.say, self.shards, self.anew, self.delete_archives,
        )  # fmt: skip

    @cached_property
    def table(self) -> Path:
        """Return the file of the votes: from Zenodo, or from its mirror on the Hub where Zenodo does not answer."""
        votes = self.folder / addresses.VOTES[0].name
        if votes.is_file():  # verified when it took its name
            return votes
        try:
            return super().table
        except BusyError:  # that says nothing of Zenodo
            raise
        except DownloadError as error:
            self.say(f"{error} The votes are taken from their mirror on the Hub, {addresses.HUB_MIRROR}.")
            try:
                return hub_repository.mirrored_votes(self.folder, self.say)
            except BusyError:
                raise
            except DownloadError as second:
                raise DownloadError(f"the votes cannot be had. Zenodo: {error} The mirror: {second}") from None

    @cached_property
    def _table_sha256(self) -> str:
        return sha256(self.table)

    def look(self) -> None:
        """Ask what the Hub has before anything large is downloaded, and say how it differs from what was stated."""
        self._images.look()

    def describe(self) -> dict[str, object]:
        """Return what edition.json says of this source."""
        found, chosen = self._images.snapshot, self._images.chosen
        some = "" if self.shards is None else (
            f" {len(chosen)} of its {len(found.files)} shards are in this edition."
        )  # fmt: skip
        return {
            "kind": "gzd5",
            "description": (
                "Galaxies of the DECaLS survey with the votes of Galaxy Zoo volunteers: the campaign GZD-5 of Galaxy "
                f"Zoo DECaLS. The votes are those of Zenodo record 4573248. The images are those of {found.repository} "
                f"on the Hugging Face Hub, config {self.config}, revision {found.revision}: made anew from a later "
                "data release of the same survey, so they show the same galaxies and fields, and are not the very "
                f"pixels that volunteers saw.{some} A galaxy is in this edition if the position and the votes of "
                "every answer agree in both."
            ),
            "doi": "10.5281/zenodo.4573248",
            "table_sha256": self._table_sha256,
            "images": self._images.describe(),
        }

    def parts(self, work: Path, form: Form) -> Iterator[Part]:
        """Yield the images shard by shard; each is downloaded when it is its turn, unless its work is done."""
        yield from self._images.parts(work, form)

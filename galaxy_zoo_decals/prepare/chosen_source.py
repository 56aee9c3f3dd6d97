"""The source that the options of `prepare` mean, what its edition is called, and which options do not go together."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from galaxy_zoo_decals.errors import UserError

# Sources are imported where they are used: --help and a wrong argument answer at once.
if TYPE_CHECKING:
    from galaxy_zoo_decals.sources import Source


SURVEYS = ("gzd5", "galaxyzoo2")
"""Sources that are downloaded, whole or in part, and whose editions have names of their own."""


def check_part(options: argparse.Namespace) -> None:
    """Raise UserError where a part of the survey is asked for together with what it cannot be."""
    if options.galaxies is None:
        if options.seed is not None:
            raise UserError("--seed chooses the galaxies of --galaxies N; the whole survey needs none.")
        return
    if options.source is not None:
        raise UserError("--galaxies is read from the server; --source is for files that are there. Give one of them.")
    if getattr(options, "parts", (1, 2, 3, 4)) != (1, 2, 3, 4):
        raise UserError("--galaxies takes some galaxies of all four archives, and --parts whole archives. Give one.")
    if options.catalogue_only:
        raise UserError("--catalogue-only reports on the votes of the whole survey: leave --galaxies away.")
    options.seed = options.seed or 0


def source(options: argparse.Namespace, size: int, debiased: bool) -> Source:
    """Return the source that the options mean; raises UserError for options that do not go together."""
    from galaxy_zoo_decals.edition import expanded

    if options.source_name == "gzd5":
        from galaxy_zoo_decals.edition import downloads as default_folder
        from galaxy_zoo_decals.sources.zenodo import RECORD, Downloaded, OnDisk, SurveyPart

        given = (options.parts, debiased, options.delete_archives)
        downloads = default_folder("4573248")
        if options.source is not None:
            if options.downloads is not None or options.record is not None:
                raise UserError("--source is for files that are there; --downloads and --record are for downloads.")
            return OnDisk(*given, folder=expanded(options.source), downloads=downloads)
        folder = expanded(options.downloads or downloads)
        record = options.record or RECORD
        if options.images != "zenodo":
            from galaxy_zoo_decals.sources.hub import FromHub
            from galaxy_zoo_decals.sources.hub_images import CONFIGS

            return FromHub(
                *given, folder=folder, record=record, title=FromHub.title + _some_of_the_hub(options),
                images_folder=folder / "gz_desi", config=CONFIGS[options.images], shards=options.shards,
                anew=options.again,
            )  # fmt: skip
        if options.galaxies is not None:
            title = f"Galaxy Zoo DECaLS 5, up to {options.galaxies:,} galaxies"
            part = {"galaxies": options.galaxies, "seed": options.seed, "title": title}
            return SurveyPart(*given, folder=folder, record=record, **part)
        return Downloaded(*given, folder=folder, record=record)
    if options.source_name == "galaxyzoo2":
        return _galaxy_zoo_2(options)
    if options.source_name == "gz2":
        from galaxy_zoo_decals.sources.kaggle import GZ2Challenge, read_list

        only = read_list(expanded(options.only)) if options.only else ()
        return GZ2Challenge(expanded(options.source), only=only, only_test=options.only_test)
    if options.source_name == "simulated":
        from galaxy_zoo_decals.sources.simulated import Simulated

        # Beside the embedded sample, whose title has no number, boards and plots have to tell the others apart.
        title = Simulated.title if options.name == "sample" else f"{options.galaxies:,} simulated DECaLS galaxies"
        return Simulated(options.galaxies, options.seed, size=size, quality=options.quality, title=title)
    from galaxy_zoo_decals.sources.folder import Folder

    return Folder(
        expanded(options.votes), expanded(options.images), debiased, licence=options.licence,
        split_column=options.split_column, only_test=options.only_test,
    )  # fmt: skip


def _some_of_the_hub(options: argparse.Namespace) -> str:
    """Return what a title adds where only some of the Hub's images are taken."""
    if options.images == "hub-tiny":
        return " (tiny)"
    return f" ({options.shards} shards)" if options.shards else ""


def _galaxy_zoo_2(options: argparse.Namespace) -> Source:
    from galaxy_zoo_decals import addresses
    from galaxy_zoo_decals.edition import downloads as default_folder
    from galaxy_zoo_decals.edition import expanded
    from galaxy_zoo_decals.sources import galaxyzoo2

    downloads = default_folder("3565489")
    if options.source is not None:
        if any(given is not None for given in (options.downloads, options.record, options.table)):
            raise UserError(
                "--source is for files that are there; --downloads, --record and --table are for downloads."
            )
        return galaxyzoo2.OnDisk(options.debiased, folder=expanded(options.source), downloads=downloads)
    places = {
        "folder": expanded(options.downloads or downloads),
        "record": options.record or addresses.GALAXY_ZOO_2,
        "votes": options.table or addresses.GALAXY_ZOO_2_VOTES,
        "delete_archives": options.delete_archives,
    }
    if options.images != "zenodo":
        if options.record is not None:
            raise UserError("--record is about the archive of Zenodo; --images of the Hub take nothing from there.")
        from galaxy_zoo_decals.sources.galaxyzoo2_hub import FromHub
        from galaxy_zoo_decals.sources.hub_images import CONFIGS

        del places["record"]
        return FromHub(
            options.debiased, **places, title=FromHub.title + _some_of_the_hub(options),
            config=CONFIGS[options.images], shards=options.shards, anew=options.again,
        )  # fmt: skip
    if options.galaxies is not None:
        title = f"{galaxyzoo2.Downloaded.title}, up to {options.galaxies:,} galaxies"
        part = {"galaxies": options.galaxies, "seed": options.seed, "title": title}
        return galaxyzoo2.SurveyPart(options.debiased, **places, **part)
    return galaxyzoo2.Downloaded(options.debiased, **places)


def check_images(options: argparse.Namespace) -> None:
    """Raise UserError for options of Zenodo's archives beside images of the Hub, and the other way round."""
    if options.shards is not None and options.images != "hub":
        raise UserError("--shards says how much of the Hub's images to take; it goes with --images hub.")
    if options.images == "zenodo":
        return
    given = {
        "--source": options.source is not None,
        "--parts": getattr(options, "parts", (1, 2, 3, 4)) != (1, 2, 3, 4),
        "--galaxies": options.galaxies is not None,
    }
    for option in (name for name, there in given.items() if there):
        raise UserError(f"{option} is about the archives of Zenodo; --images {options.images} takes no image of them.")


def name_of_survey(options: argparse.Namespace) -> str:
    """Return what an edition of a survey is called unless --name says it: a part never takes the whole one's name."""
    survey: str = options.source_name
    if options.images == "hub-tiny":
        return f"{survey}-tiny"
    if options.images == "hub":
        return f"{survey}-hub-{options.shards}" if options.shards else f"{survey}-hub"
    if options.galaxies is not None:
        return f"{survey}-{options.galaxies}" + (f"-seed{options.seed}" if options.seed else "")
    return survey


def meant(name: str) -> str:
    """Return which edition of a survey a name stands for, as ``name_of_survey`` names them; "" if none: gzd5-mine."""
    found = re.match(
        rf"(?:{'|'.join(SURVEYS)})(?:-(?:tiny|hub(?:-[0-9]+)?|[0-9]+(?:-seed[0-9]+)?)(?![a-z0-9_])|$)", name
    )
    return found[0] if found else ""

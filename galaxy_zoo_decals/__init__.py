"""Galaxy Zoo DECaLS as a benchmark: cleaned galaxy images with three views of their labels.

    import galaxy_zoo_decals
    from datasets import load_dataset

    galaxies = load_dataset("galaxy_zoo_decals", "multilabel")                      # the edition in use
    galaxies = load_dataset(galaxy_zoo_decals.path("gz2"), "multilabel")            # any edition

Importing the package loads neither datasets nor torch; the bare name becomes known once datasets is imported.
"""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as _version

import wrapt

try:
    __version__ = _version("galaxy-zoo-decals")
except PackageNotFoundError:  # a clone that was not installed
    __version__ = "0+unknown"


def path(edition: str | os.PathLike[str] | None = None) -> str:
    """Return the folder of an edition, given by name or folder; None is the one in use.

    Raises EditionError that names the editions there are.
    """
    from galaxy_zoo_decals.edition import find

    return str(find(edition))


@wrapt.when_imported("datasets")
def _install_alias(module: object) -> None:
    from galaxy_zoo_decals import alias

    alias.install(module)  # type: ignore[arg-type]

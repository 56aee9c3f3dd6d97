"""Galaxy Zoo DECaLS as a benchmark: cleaned galaxy images with three views of their labels.

    import galaxy_zoo_decals
    from datasets import load_dataset

    galaxies = load_dataset("galaxy_zoo_decals", "multilabel")                      # the edition in use
    galaxies = load_dataset(galaxy_zoo_decals.path("gz2"), "multilabel")            # any edition

For work with votes as tables, without images:

    votes = galaxy_zoo_decals.catalogue("gzd5")                 # all 253,286 galaxies, downloaded once (41 MB)
    galaxy_zoo_decals.cuts()                                    # the published cuts on vote fractions
    spirals = galaxy_zoo_decals.select(votes, "spiral-arms")
    galaxy_zoo_decals.match(my_table, votes, radius=1.0)        # by position, arcsec
    galaxy_zoo_decals.galaxy(name, "gzd5-tiny")                 # picture and votes of a prepared edition's galaxy

Importing the package loads neither datasets nor torch; the bare name becomes known once datasets is imported.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import wrapt

from galaxy_zoo_decals.version import VERSION as __version__

if TYPE_CHECKING:
    import pandas as pd

    from galaxy_zoo_decals.astronomy.portrait import Galaxy

__all__ = ("__version__", "catalogue", "cuts", "galaxy", "match", "path", "select")


def path(edition: str | os.PathLike[str] | None = None) -> str:
    """Return the folder of an edition, given by name or folder; None is the one in use.

    Raises EditionError that names the editions there are.
    """
    from galaxy_zoo_decals.edition import find

    return str(find(edition))


def catalogue(name: str | os.PathLike[str]) -> pd.DataFrame:
    """Return a vote catalogue as a table, one row per galaxy: metadata, votes and vote fractions; no images are read.

    ``name`` is one of these:

    - "gzd5": the whole published table of Galaxy Zoo DECaLS 5 (253,286 galaxies, Zenodo record 4573248). It is taken
      from where `galaxy-zoo-decals prepare gzd5` keeps its downloads, else downloaded there (41 MB) and verified.
    - "galaxyzoo2": the same for Galaxy Zoo 2 (the table of Hart et al. 2016).
    - any other edition, by its name ("sample") or folder (`galaxy_zoo_decals.path("gzd5")`): its galaxies, with the
      columns split and scored.
    - the path of a file of votes with the columns of GZD-5.

    Columns are spelled as in the published table: bar_total-votes, bar_strong (votes), bar_strong_fraction (votes /
    total, NaN where nobody was asked). ra and dec are in degrees, mag_r in magnitudes, petro_th50 in arcsec. Every
    count is checked. Merging votes that no longer have an answer are left out (docs/data.md). ``attrs`` of the table
    holds title, licence, citation, and "truth": "counts", or "likelihoods" where votes are made of them.

    Raises UserError (a ValueError), whose one line says what is missing and what to do.
    """
    from galaxy_zoo_decals.astronomy import votes

    return votes.read(name)


def cuts() -> pd.DataFrame:
    """Return the published cuts on vote fractions by name: Table 2 of Walmsley et al. 2022, MNRAS 509, 3966.

    Columns: population, cut, votes (that the question needs at least), after (cuts that are assumed), note.
    """
    from galaxy_zoo_decals.astronomy import cuts

    return cuts.table()


def select(table: pd.DataFrame, *cuts: str) -> pd.DataFrame:
    """Return the galaxies of a vote table that pass all named cuts, and the cuts on earlier questions they assume.

    ``select(votes, "spiral-arms")`` keeps discs that are not edge-on, have at least 20 votes about spiral arms and a
    fraction above 0.6. `cuts()` lists the names; an unknown one raises UserError that names near ones. Where the paper
    leaves open which cut on featured-or-disk is assumed, it is "disk" (> 0.3): add "featured-disk" for > 0.7.
    """
    from galaxy_zoo_decals.astronomy.cuts import select as of_table

    return of_table(table, *cuts)


def match(
    table: Any, other: Any, radius: float = 1.0, *, one_to_one: bool = False, suffix: str = "_other"
) -> pd.DataFrame:
    """Return the rows of ``table`` that have a row of ``other`` within ``radius`` arcsec, joined with the nearest one.

    Rows stay in the order of ``table`` and keep its index; columns of ``other`` follow (with ``suffix`` where names
    meet), then ``separation`` in arcsec. One row of ``other`` may be the nearest of several; ``one_to_one=True`` keeps
    pairs that are each other's nearest. Of rows at the very same place the first is taken.

    Tables are DataFrames, astropy Tables, record arrays or SkyCoords, positions in degrees (ra, dec; RA, DEC; RAJ2000,
    DEJ2000) in one frame and epoch. Right at 0 h and at the poles. Raises UserError that names table, row and column.
    """
    from galaxy_zoo_decals.astronomy.positions import match as by_position

    return by_position(table, other, radius, one_to_one, suffix)


def galaxy(name: str, edition: str | os.PathLike[str] | None = None) -> Galaxy:
    """Return a galaxy by its iauname, from an edition given by name or folder; None is the one in use.

    A notebook shows its picture and its votes along the tree of questions; `print` shows the tree. It has ``picture``
    (a PIL image), ``votes``, ``fractions``, ``path`` and ``row`` (all that is stored). Raises UserError that names near
    names.
    """
    from galaxy_zoo_decals.astronomy import portrait

    return portrait.find(name, edition)


@wrapt.when_imported("datasets")
def _install_alias(module: object) -> None:
    from galaxy_zoo_decals import alias

    alias.install(module)  # type: ignore[arg-type]

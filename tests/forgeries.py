"""Committed entries of the sample, and dishonest ones made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

from galaxy_zoo_decals import predictions as prediction_files
from galaxy_zoo_decals.predictions import Predictions
from leaderboard.entry.truths import Truths, tree_of
from leaderboard.files import sha256
from leaderboard.ranking import entries
from leaderboard.ranking.entries import Entry

ROOT = Path(__file__).parents[1]
CNN = "20261128-cnn-16-32-64-quick"
VOTES = "20261128-dirichlet-efficientnet-lite0-quick"
LABELS = "20261128-multi-label-cnn-16-32-64-quick"
TREE = "20261128-five-cnns-16-32-64-along-the-tree-quick"


@cache
def truths() -> Truths:
    """The frozen truths and the editions of this machine; of tests that is the sample alone."""
    return Truths.on_this_machine([])


@cache
def committed() -> dict[str, Entry]:
    """The committed entries by their names."""
    found, warnings = entries.submitted(ROOT / "leaderboard", truths())
    assert warnings == []
    return {entry.slug: entry for entry in found}


def read(entry: Entry, seed: int = 0) -> Predictions:
    """Return the predictions of one seed of an entry on one task."""
    trained = next(t for t in entry.trained if t.run.seed == seed)
    return prediction_files.read(trained.predictions, tree_of(trained.key[0], truths()))


def forged(entry: Entry, folder: Path, make: Callable[[int], Predictions], curves: bool = True) -> Entry:
    """Return another's entry made of an entry's facts and, for each seed, the predictions that ``make`` returns."""
    trained = []
    for given in entry.trained:
        said = make(given.run.seed)
        path = folder / "predictions" / said.edition / said.task / f"seed{given.run.seed}.parquet"
        prediction_files.write(path, said, tree_of(said.edition, truths()))
        run = given.run if curves else given.run.model_copy(update={"curves": []})
        trained.append(replace(given, run=run, task=said.task, predictions=path, sha256=sha256(path)))
    return replace(entry, slug="20261201-mine", title="Mine", trained=trained, folder=folder)

"""The class prior, which says the same of every galaxy, and how it stands in for galaxies that predictions lack."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from galaxy_zoo_decals import predictions as files
from galaxy_zoo_decals.predictions import Predictions
from galaxy_zoo_decals.schema import CLASSES, Tree
from galaxy_zoo_decals.scoring import metrics as m
from galaxy_zoo_decals.scoring.priors import fit
from galaxy_zoo_decals.scoring.truth import Truth

MAY_LACK = 0.01
"""Largest share of the scored test galaxies that predictions may lack, where the class prior stands in for them;
beyond it they are scored on the galaxies they have, and have no place on the board."""


def complete(truth: Truth, predictions: Predictions, where: str = "predictions") -> Predictions:
    """Return predictions of all scored test galaxies: for those that are lacking the class prior says the same.

    Raises PredictionError as ``predictions.check_against`` does, so also where galaxies may not be lacking.
    """
    hashes = truth.content_hash, truth.split_hash
    files.check_against(predictions, hashes, truth.names, where, truth.may_lack)
    if len(predictions.names) == len(truth.names):
        return predictions
    place = {name: row for row, name in enumerate(truth.names)}
    rows = [place[name] for name in predictions.names]
    prior = prior_values(truth)[predictions.task]
    if predictions.task == "hierarchical":
        prior = np.concatenate([prior[truth.tree.slices[name]] for name in truth.tree.scored_questions])
    values = np.tile(prior, (len(truth.names), 1))
    values[rows] = predictions.values
    lacking = np.setdiff1d(np.arange(len(truth.names)), rows)
    return replace(predictions, names=truth.names, values=values, lacking=tuple(lacking.tolist()))


def lacks_too_many(truth: Truth, predictions: Predictions) -> bool:
    """Return whether completed predictions lack so many galaxies that they cannot be ranked."""
    return len(predictions.lacking) > MAY_LACK * len(truth.names)


def prior_values(truth: Truth) -> dict[str, np.ndarray]:
    """Return what the class prior says of every galaxy, by board, as ``board_values`` has it for one galaxy."""
    fractions = truth.fractions
    classes = np.array([(truth.classes.label == c).sum() for c in range(len(CLASSES))], float)
    labels, asked = truth.labels, truth.labels_asked
    return {
        "multiclass": m.ratio(classes, np.full(len(CLASSES), classes.sum()), 1 / len(CLASSES)),
        "multilabel": m.ratio((labels & asked).sum(axis=0), asked.sum(axis=0), 0.0),
        "hierarchical": np.where(np.isnan(fractions).all(axis=0), 0.0, _column_means(fractions)),
        "votes": prior_concentrations(truth.tree, truth.votes),
    }


def prior_concentrations(tree: Tree, votes: np.ndarray) -> np.ndarray:
    """Return the Dirichlet concentrations (answers,) that best explain all votes, one Dirichlet a question."""
    return np.concatenate([fit(votes[:, tree.slices[q.name]], components=1).alphas[0] for q in tree.questions])


def _column_means(values: np.ndarray) -> np.ndarray:
    known = ~np.isnan(values)
    return m.ratio(np.where(known, values, 0).sum(axis=0), known.sum(axis=0), 0.0)

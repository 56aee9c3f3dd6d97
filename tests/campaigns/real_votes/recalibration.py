"""Predictions of another quantity mapped to real votes: a scale and a shift of log probabilities a question.

A model of debiased likelihoods may order galaxies well and still name the wrong fractions. The map is fitted on other
galaxies than those it is used on, and drawn to the identity by a weak penalty, so that a question with few votes
changes little.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln, log_softmax, softmax

from galaxy_zoo_decals import predictions as files
from galaxy_zoo_decals.predictions import LEAST_CONCENTRATION, MOST_CONCENTRATION
from galaxy_zoo_decals.scoring import Truth

PENALTY = 1.0
"""Weight of the squared distance of every parameter to that of the identity, in nats."""

LEAST = 1e-6
"""Smallest probability whose logarithm is taken."""


def recalibrated(task: str, fit: tuple[Truth, np.ndarray], values: np.ndarray) -> np.ndarray:
    """Return predictions (galaxies, columns) of a task, mapped by what ``fit`` teaches: a truth and its predictions.

    votes: per question against the counts, by the Dirichlet-multinomial likelihood, with a scale of the
    concentrations; hierarchical: per question against the counts, by the multinomial one; multiclass: against the
    classes; multilabel: label by label against those that were asked.
    """
    truth, known = fit
    out = values.astype(float).copy()
    if task == "multiclass":
        labelled = truth.classes.label >= 0
        counts = np.eye(values.shape[1])[truth.classes.label[labelled]]
        return _mapped(_fit(_log(known[labelled]), counts), _log(values))
    if task == "multilabel":
        for i in range(values.shape[1]):
            asked = truth.labels_asked[:, i]
            counts = np.column_stack([truth.labels[asked, i], ~truth.labels[asked, i]]).astype(float)
            out[:, i] = _mapped(_fit(_log(_pair(known[asked, i])), counts), _log(_pair(values[:, i])))[:, 0]
        return out
    if task == "hierarchical":
        for name, group in zip(truth.tree.scored_questions, files.groups(task, truth.tree)):
            counts = truth.votes[:, truth.tree.slices[name]].astype(float)
            out[:, group] = _mapped(_fit(_log(known[:, group]), counts), _log(values[:, group]))
        return out
    for q in truth.tree.questions:
        group = truth.tree.slices[q.name]
        out[:, group] = _concentrations(known[:, group], truth.votes[:, group], values[:, group])
    return out


def _fit(logs: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return scale and shifts (1 + answers,) that make counts (galaxies, answers) most likely."""
    some = counts.sum(axis=1) > 0
    logs, counts = logs[some], counts[some]

    def loss(parameters: np.ndarray) -> float:
        return -float((counts * log_softmax(parameters[0] * logs + parameters[1:], axis=1)).sum())

    return _minimum(loss, np.concatenate([[1.0], np.zeros(logs.shape[1])]))


def _mapped(parameters: np.ndarray, logs: np.ndarray) -> np.ndarray:
    return np.asarray(softmax(parameters[0] * logs + parameters[1:], axis=1))


def _concentrations(known: np.ndarray, votes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return a question's concentrations (galaxies, answers), their mean and their total mapped."""
    some = votes.sum(axis=1) > 0
    logs, total, k = _log(known[some]), known[some].sum(axis=1), votes[some].astype(float)

    def loss(parameters: np.ndarray) -> float:
        alpha = np.exp(parameters[-1]) * total[:, None] * _mapped(parameters[:-1], logs)
        alpha = np.clip(alpha, LEAST_CONCENTRATION, MOST_CONCENTRATION)
        of_total = gammaln(alpha.sum(axis=1)) - gammaln(alpha.sum(axis=1) + k.sum(axis=1))
        return -float((of_total + (gammaln(alpha + k) - gammaln(alpha)).sum(axis=1)).sum())

    found = _minimum(loss, np.concatenate([[1.0], np.zeros(logs.shape[1] + 1)]))
    alpha = np.exp(found[-1]) * values.sum(axis=1, keepdims=True) * _mapped(found[:-1], _log(values))
    return np.clip(alpha, LEAST_CONCENTRATION, MOST_CONCENTRATION)


def _minimum(loss: Callable[[np.ndarray], float], identity: np.ndarray) -> np.ndarray:
    """Return the parameters of the least loss plus penalty, from the identity on."""

    def penalised(parameters: np.ndarray) -> float:
        return loss(parameters) + PENALTY * float(((parameters - identity) ** 2).sum())

    return np.asarray(minimize(penalised, identity, method="L-BFGS-B").x)


def _log(values: np.ndarray) -> np.ndarray:
    """Return the log probabilities of rows (galaxies, answers), normalised."""
    return np.log(np.maximum(values / values.sum(axis=1, keepdims=True), LEAST))


def _pair(values: np.ndarray) -> np.ndarray:
    return np.column_stack([values, 1 - values])

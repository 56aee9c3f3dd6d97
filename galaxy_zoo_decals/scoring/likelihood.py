"""How likely predicted concentrations make the votes: the Dirichlet-multinomial likelihood, to its last digits."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln

from galaxy_zoo_decals import views
from galaxy_zoo_decals.schema import Tree

FACTORS = 6
"""Factors of a likelihood that are multiplied before their logarithm is taken: float64 holds as many of float32's."""


def dirichlet_multinomial_nll(tree: Tree, votes: np.ndarray, concentrations: np.ndarray) -> np.ndarray:
    """Return minus the log likelihood of each question's votes, (galaxies, questions), coefficient included.

    Walmsley et al. 2022, eqs 5-7; a question without votes has exactly 0. Right for all concentrations above 0 that
    float32 holds (docs/evidence/numerics.md).
    """
    out = np.zeros((len(votes), len(tree.questions)))
    factorial = gammaln(np.arange(int(votes.sum(axis=1).max(initial=0)) + 1) + 1.0)
    for i, q in enumerate(tree.questions):
        on = np.flatnonzero(votes[:, tree.slices[q.name]].any(axis=1))
        k, alpha = votes[on, tree.slices[q.name]], concentrations[on, tree.slices[q.name]]
        out[on, i] = views.row_sums(factorial[k]) - factorial[views.row_sums(k)] - _log_one_by_one(k, alpha)
    return out


def _log_one_by_one(votes: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return the log probability of each galaxy's votes (galaxies, answers) in one given order, (galaxies,).

    Answer by answer, a vote for one that has had i votes, m having been given in all, has the probability
    (alpha + i) / (sum of alpha + m). Log gammas of large concentrations are larger still, and their differences have
    no digits left; each of these factors is right to the last digit, beside 1e37 as beside 1.
    """
    given, logs = views.row_sums(alpha), np.zeros(len(votes))
    for k, a in zip(votes.T, alpha.T):
        order = np.argsort(-k.astype(np.int16), kind="stable")  # of 16 bits, numpy sorts many times as fast
        most, top, bottom = k[order], a[order], given[order]
        product, found = np.ones(len(k)), np.zeros(len(k))
        for i, more in enumerate(np.searchsorted(-most, -np.arange(int(most.max(initial=0))))):
            product[:more] *= (top[:more] + i) / (bottom[:more] + i)
            if i % FACTORS == FACTORS - 1:
                found[:more] += np.log(product[:more])
                product[:more] = 1
        found += np.log(product)
        logs[order] += found
        given += k
    return logs

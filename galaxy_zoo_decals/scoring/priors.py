"""How vote probabilities are distributed among galaxies: mixtures of Dirichlets fitted to the counts.

A galaxy's probabilities for a question are drawn from the prior, its votes are multinomial given them. The fit is
maximum likelihood on the counts (Dirichlet-multinomial), so that the noise of few votes is not taken for a spread
of galaxies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, gammaln, logsumexp

MAX_COMPONENTS = 4
"""More components than this were never chosen by BIC on simulated or real votes of a thousand galaxies."""

FLOOR = 1e-3
"""Least concentration: an answer that nobody gave would go to 0, where the likelihood is not defined."""


@dataclass(frozen=True)
class Prior:
    """A mixture of Dirichlets: ``weights`` (components,) sum to 1, ``alphas`` (components, answers)."""

    weights: np.ndarray
    alphas: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Mean probability of each answer, (answers,)."""
        return self.weights @ (self.alphas / self.alphas.sum(axis=1, keepdims=True))

    def log_likelihood(self, votes: np.ndarray) -> np.ndarray:
        """Return log p(votes) of each galaxy, (galaxies,), without the multinomial coefficient."""
        return logsumexp(np.log(self.weights) + _log_dm(votes, self.alphas), axis=1)

    def draw_posterior(self, votes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return one draw of each galaxy's probabilities given its votes, (galaxies, answers).

        Without votes it is a draw from the prior.
        """
        log_share = np.log(self.weights) + _log_dm(votes, self.alphas)
        cumulative = np.exp(log_share - logsumexp(log_share, axis=1, keepdims=True)).cumsum(axis=1)
        component = (rng.random((len(votes), 1)) > cumulative).sum(axis=1).clip(max=len(self.weights) - 1)
        drawn = rng.standard_gamma(self.alphas[component] + votes)
        # With concentrations near 0 all gammas can underflow; the answer with the most votes then has it all.
        dead = drawn.sum(axis=1) == 0
        drawn[dead, (self.alphas[component] + votes)[dead].argmax(axis=1)] = 1
        return drawn / drawn.sum(axis=1, keepdims=True)


def fit(votes: np.ndarray, components: int | None = None, start: Prior | None = None) -> Prior:
    """Return the prior of one question's votes (galaxies, answers).

    The number of components is the one of least BIC, up to MAX_COMPONENTS, unless given; with ``start`` its
    components are refitted instead (for the bootstrap). Galaxies without votes say nothing and are left out;
    without any, the prior is flat.
    """
    votes = votes[votes.sum(axis=1) > 0]
    if len(votes) == 0:
        return Prior(np.ones(1), np.ones((1, votes.shape[1])))
    rows, times = np.unique(votes, axis=0, return_counts=True)
    if start is not None:
        return _em(rows, times, start)
    best = _em(rows, times, _start(rows, times, components or 1))
    if components is not None:
        return best
    for more in range(2, MAX_COMPONENTS + 1):
        richer = _em(rows, times, _start(rows, times, more))
        gain = 2 * float(times @ (richer.log_likelihood(rows) - best.log_likelihood(rows)))
        if gain <= (votes.shape[1] + 1) * np.log(len(votes)):
            break
        best = richer
    return best


def _log_dm(votes: np.ndarray, alphas: np.ndarray) -> np.ndarray:
    """Return log Dirichlet-multinomial of each galaxy under each component, (galaxies, components), no coefficient."""
    total, a = votes.sum(axis=1), alphas.sum(axis=1)
    out = gammaln(a) - gammaln(a + total[:, None])
    for j in range(votes.shape[1]):
        out += gammaln(alphas[:, j] + votes[:, j, None]) - gammaln(alphas[:, j])
    return out


def _start(rows: np.ndarray, times: np.ndarray, components: int) -> Prior:
    """Return a starting mixture: galaxies cut into equal parts along the direction in which fractions vary most."""
    fractions = rows / rows.sum(axis=1, keepdims=True)
    mean = np.average(fractions, axis=0, weights=times)
    _, _, axes = np.linalg.svd((fractions - mean) * np.sqrt(times)[:, None], full_matrices=False)
    order = np.argsort(fractions @ axes[0], kind="stable")
    part = np.empty(len(rows), int)
    part[order] = np.cumsum(times[order]) * components // (times.sum() + 1)
    alphas = np.empty((components, rows.shape[1]))
    for c in range(components):
        inside = part == c
        share = (times[inside] @ fractions[inside] + mean) / (times[inside].sum() + 1)
        alphas[c] = np.maximum(5 * share, 10 * FLOOR)
    return Prior(np.full(components, 1 / components), alphas)


def _em(rows: np.ndarray, times: np.ndarray, prior: Prior, rounds: int = 300, tolerance: float = 1e-6) -> Prior:
    """Return the mixture after expectation maximisation; one Minka step of every component a round.

    Minka (2000), "Estimating a Dirichlet distribution", eq. 65, with the rows weighted by their responsibilities.
    """
    weights, alphas = prior.weights, prior.alphas.copy()
    total = rows.sum(axis=1)
    last = -np.inf
    for _ in range(rounds):
        # By hand: scipy's logsumexp spends ten times as long on checks as on such small arrays.
        share = np.log(weights) + _log_dm(rows, alphas)
        peak = share.max(axis=1)
        share = np.exp(share - peak[:, None])
        evidence = share.sum(axis=1)
        now = float(times @ (peak + np.log(evidence))) / times.sum()
        share *= (times / evidence)[:, None]
        weights = np.maximum(share.sum(axis=0), 1e-9)
        weights = weights / weights.sum()
        for c in range(len(weights)):
            a = alphas[c].sum()
            top = share[:, c] @ (digamma(rows + alphas[c]) - digamma(alphas[c]))
            bottom = share[:, c] @ (digamma(total + a) - digamma(a))
            if bottom > 0:
                alphas[c] = np.clip(alphas[c] * top / bottom, FLOOR, 1e4)
        if now - last < tolerance:
            break
        last = now
    return Prior(weights, alphas)

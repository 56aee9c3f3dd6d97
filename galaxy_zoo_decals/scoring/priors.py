"""How vote probabilities are distributed among galaxies: mixtures of Dirichlets fitted to the counts.

A galaxy's probabilities for a question are drawn from the prior, its votes are multinomial given them. The fit is
maximum likelihood on the counts (Dirichlet-multinomial), so that the noise of few votes is not taken for a spread
of galaxies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from galaxy_zoo_decals import views
from galaxy_zoo_decals.schema import Tree

MAX_COMPONENTS = 4
"""More components than this were never chosen by BIC, on counts of a thousand galaxies."""

CEILING = 1e4
LEAST_WEIGHT = 1e-9
FLOOR = 1e-3
"""Least concentration: an answer that nobody gave would go to 0, where the likelihood is not defined."""


LEAST_GAMMAS = 1e-290
"""Sum of gamma draws below which they have lost digits, or all of them."""

MIN_STRATUM = 100
"""Galaxies with votes that a stratum of a question needs to have a prior of its own."""


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
        chance, component = rng.random((len(votes), 1)), np.zeros(len(votes), int)
        if len(self.weights) > 1:
            log_share = np.log(self.weights) + _log_dm(votes, self.alphas)
            cumulative = np.exp(log_share - logsumexp(log_share, axis=1, keepdims=True)).cumsum(axis=1)
            component = (chance > cumulative).sum(axis=1).clip(max=len(self.weights) - 1)
        drawn = rng.standard_gamma(self.alphas[component] + votes)
        # With concentrations near 0 and no votes all gammas can underflow. So small, a gamma is its limit times
        # exp(-e / alpha), e exponential; those are drawn as logarithms.
        small = drawn.sum(axis=1) < LEAST_GAMMAS
        if small.any():
            alphas = (self.alphas[component] + votes)[small]
            logs = -rng.standard_exponential(alphas.shape) / alphas
            drawn[small] = np.exp(logs - logs.max(axis=1, keepdims=True))
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
        return _em(rows, times, start, cycles=15)  # from where it starts, that is within a hundredth of its spread
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
    """Return log Dirichlet-multinomial of each galaxy under each component, (galaxies, components), no coefficient.

    Votes are whole numbers, so that gamma(a + k) / gamma(a) = a (a + 1) ... (a + k - 1) is read from a table.
    """
    total = votes.sum(axis=1)
    out = -_log_rising(alphas.sum(axis=1), int(total.max(initial=0)))[total]
    for j, k in enumerate(votes.T):
        out += _log_rising(alphas[:, j], int(k.max(initial=0)))[k]
    return out


def _log_rising(a: np.ndarray, largest: int) -> np.ndarray:
    """Return log(gamma(a + k) / gamma(a)) for k = 0 to ``largest``, (largest + 1, len(a))."""
    factors = np.log(a + np.arange(largest)[:, None])
    return np.concatenate([np.zeros((1, len(a))), np.cumsum(factors, axis=0)])


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


def _em(rows: np.ndarray, times: np.ndarray, prior: Prior, cycles: int = 100, tolerance: float = 1e-5) -> Prior:
    """Return the mixture after expectation maximisation; one Minka step of every component a round.

    Minka (2000), "Estimating a Dirichlet distribution", eq. 65, with the rows weighted by their responsibilities.
    Rounds converge slowly, so that every two of them are extrapolated (SQUAREM, Varadhan & Roland 2008, scheme S3)
    in the logarithms of the parameters, where that does not lower the likelihood.
    """
    step = _Step(rows, times, len(prior.weights))
    now = step.pack(prior.weights, prior.alphas)
    last = -np.inf
    for _ in range(cycles):
        first, likelihood = step(now)
        if likelihood - last < tolerance:
            break
        last = likelihood
        second, _ = step(first)
        change = first - now
        bend = second - first - change
        length = np.sqrt((change**2).sum() / max((bend**2).sum(), 1e-300))
        guess = step.bounded(now + 2 * length * change + length**2 * bend) if length > 1 else second
        moved, reached = step(guess)
        now = moved if reached >= likelihood else second
    return Prior(*step.unpack(now))


class _Step:
    """One round of expectation maximisation on the logarithms of weights and concentrations, as one vector.

    With whole votes k both log(gamma(a + k) / gamma(a)) and digamma(a + k) - digamma(a) are sums over i < k, of
    log(a + i) and 1 / (a + i): a round is two products with the table of which i lie below each row's votes.
    """

    def __init__(self, rows: np.ndarray, times: np.ndarray, components: int) -> None:
        self.times, self.shape = times, (components, rows.shape[1])
        counts = np.column_stack([rows, rows.sum(axis=1)])  # the last column is the total, whose factors divide
        largest = counts.max(axis=0)
        self.column = np.repeat(np.arange(len(largest)), largest)
        self.i = np.concatenate([np.arange(top) for top in largest])
        self.below = (counts[:, self.column] > self.i).astype(float)
        self.sign = np.where(self.column == rows.shape[1], -1.0, 1.0)
        self.sums = (self.column[:, None] == np.arange(len(largest))).astype(float)

    def pack(self, weights: np.ndarray, alphas: np.ndarray) -> np.ndarray:
        return np.log(np.concatenate([weights, alphas.ravel()]))

    def unpack(self, packed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values = np.exp(packed)
        weights = values[: self.shape[0]]
        return weights / weights.sum(), values[self.shape[0] :].reshape(self.shape)

    def bounded(self, packed: np.ndarray) -> np.ndarray:
        weights, alphas = self.unpack(np.clip(packed, -50, 50))
        return self.pack(np.maximum(weights, LEAST_WEIGHT), np.clip(alphas, FLOOR, CEILING))

    def __call__(self, packed: np.ndarray) -> tuple[np.ndarray, float]:
        """Return the parameters after the round, and the mean log likelihood of those before it."""
        weights, alphas = self.unpack(packed)
        a = np.column_stack([alphas, alphas.sum(axis=1)])[:, self.column] + self.i
        # By hand: scipy's logsumexp spends ten times as long on checks as on such small arrays.
        share = np.log(weights) + self.below @ (np.log(a) * self.sign).T
        peak = share.max(axis=1)
        share = np.exp(share - peak[:, None])
        evidence = share.sum(axis=1)
        likelihood = float(self.times @ (peak + np.log(evidence))) / self.times.sum()
        share *= (self.times / evidence)[:, None]
        weights = np.maximum(share.sum(axis=0) / self.times.sum(), LEAST_WEIGHT)
        steps = ((share.T @ self.below) / a) @ self.sums
        bottom = steps[:, -1:]
        moved = np.clip(alphas * steps[:, :-1] / np.maximum(bottom, 1e-300), FLOOR, CEILING)
        return self.pack(weights, np.where(bottom > 0, moved, alphas)), likelihood


@dataclass(frozen=True)
class QuestionPrior:
    """The prior of one question, by strata of how many of a galaxy's volunteers were asked it.

    Galaxies that few volunteers came to differ from those that all came to: a galaxy with a hint of a disc has
    fainter arms. ``edges`` (strata - 1,) cut the asked share, total / first total.
    """

    edges: np.ndarray
    priors: tuple[Prior, ...]

    def strata(self, share: np.ndarray) -> np.ndarray:
        """Return the stratum of each galaxy from its asked share, (galaxies,)."""
        return np.searchsorted(self.edges, share, side="right")

    def draw(self, votes: np.ndarray, share: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return one posterior draw of each galaxy's probabilities, (galaxies, answers)."""
        stratum, out = self.strata(share), np.empty(votes.shape)
        for s, prior in enumerate(self.priors):
            rows = stratum == s
            out[rows] = prior.draw_posterior(votes[rows], rng)
        return out

    def mean(self, share: np.ndarray) -> np.ndarray:
        """Return the prior mean of each galaxy's stratum, (galaxies, answers)."""
        return np.stack([prior.mean for prior in self.priors])[self.strata(share)]


def asked_share(tree: Tree, votes: np.ndarray) -> np.ndarray:
    """Return the share of a galaxy's volunteers that came to each question, (galaxies, questions)."""
    totals = views.totals(tree, votes)
    return totals / np.maximum(totals[:, :1], 1)


def fit_priors(
    tree: Tree, votes: np.ndarray, start: tuple[QuestionPrior, ...] | None = None
) -> tuple[QuestionPrior, ...]:
    """Return the prior of every question, fitted to votes (galaxies, answers).

    A question is cut into up to three strata of its asked share where BIC says that it matters; with ``start`` its
    strata and components are kept and refitted.
    """
    share = asked_share(tree, votes)
    found = []
    for i, q in enumerate(tree.questions):
        part = votes[:, tree.slices[q.name]]
        if start is not None:
            found.append(_refit(start[i], part, share[:, i]))
        else:
            found.append(_fit_strata(part, share[:, i]))
    return tuple(found)


def _refit(start: QuestionPrior, votes: np.ndarray, share: np.ndarray) -> QuestionPrior:
    stratum = start.strata(share)
    priors = [fit(votes[stratum == s], start=prior) for s, prior in enumerate(start.priors)]
    return QuestionPrior(start.edges, tuple(priors))


def _fit_strata(votes: np.ndarray, share: np.ndarray) -> QuestionPrior:
    answered = votes.sum(axis=1) > 0
    best = QuestionPrior(np.empty(0), (fit(votes),))
    best_bic = _bic(best, votes[answered], share[answered])
    for strata in (2, 3):
        edges = (
            np.unique(np.quantile(share[answered], np.arange(1, strata) / strata)) if answered.any() else np.empty(0)
        )
        stratum = np.searchsorted(edges, share, side="right")
        if min(np.bincount(stratum[answered], minlength=len(edges) + 1), default=0) < MIN_STRATUM:
            break
        cut = QuestionPrior(edges, tuple(fit(votes[stratum == s]) for s in range(len(edges) + 1)))
        bic = _bic(cut, votes[answered], share[answered])
        if bic < best_bic:
            best, best_bic = cut, bic
    return best


def _bic(prior: QuestionPrior, votes: np.ndarray, share: np.ndarray) -> float:
    stratum, out = prior.strata(share), 0.0
    for s, mixture in enumerate(prior.priors):
        rows = votes[stratum == s]
        out += (mixture.alphas.size + len(mixture.weights) - 1) * np.log(max(len(rows), 1))
        out -= 2 * float(mixture.log_likelihood(rows).sum())
    return out


def draw_probabilities(
    tree: Tree, priors: tuple[QuestionPrior, ...], votes: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return one posterior draw of all galaxies' probabilities, (galaxies, answers)."""
    share = asked_share(tree, votes)
    return np.column_stack(
        [
            prior.draw(votes[:, tree.slices[q.name]], share[:, i], rng)
            for i, (q, prior) in enumerate(zip(tree.questions, priors))
        ]
    )


def prior_concentrations(tree: Tree, votes: np.ndarray) -> np.ndarray:
    """Return the Dirichlet concentrations (answers,) that best explain all votes, one Dirichlet a question."""
    return np.concatenate([fit(votes[:, tree.slices[q.name]], components=1).alphas[0] for q in tree.questions])

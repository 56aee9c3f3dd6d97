"""The noise ceiling computed a second time, plainly and with another prior, and halves of real votes beside it.

Nothing here uses the product's ceilings, priors, views or metrics: the prior is a list of fractions (those of all
galaxies, weighted by expectation-maximisation), and labels follow from the definitions of docs/data.md, galaxy by
galaxy. Half of a galaxy's real volunteers scored against the other half needs no prior at all: what both models say
of such halves is held against it.
"""

from __future__ import annotations

import numpy as np

from galaxy_zoo_decals.schema import GZ2, Question

ITERATIONS = 200
NAMES = ("four classes", *(q.name for q in GZ2.questions))
"""What accuracies are given of."""


def columns(name: str) -> list[int]:
    """Return the positions of a question's answers."""
    return [i for i, (question, _) in enumerate(GZ2.answers) if question == name]


def parents(question: Question) -> list[int]:
    """Return the positions of the answers that lead to a question."""
    return [GZ2.answers.index(parent) for parent in question.parents]


def prior_weights(votes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return fractions (support, answers) and their log weights that make the votes of a question most likely.

    ``votes`` (galaxies, answers); the support is every galaxy's own fractions, half a vote added to each answer.
    """
    some = votes[votes.sum(axis=1) > 0]
    support = (some + 0.5) / (some + 0.5).sum(axis=1, keepdims=True)
    likelihood = some @ np.log(support).T
    weights = np.full(len(support), -np.log(len(support)))
    for _ in range(ITERATIONS):
        posterior = _normal(likelihood + weights)
        weights = np.log(posterior.mean(axis=0) + 1e-300)
    return support, weights


def draw_fractions(votes: np.ndarray, rng: np.random.Generator, draws: int) -> np.ndarray:
    """Return draws of each galaxy's true fractions given its votes, (draws, galaxies, 37)."""
    out = np.empty((draws, *votes.shape))
    for q in GZ2.questions:
        at = columns(q.name)
        support, weights = prior_weights(votes[:, at])
        posterior = _normal(votes[:, at] @ np.log(support).T + weights)
        # Smallest sum that reaches a uniform number: one support point a galaxy and draw.
        reach = posterior.cumsum(axis=1)
        for d in range(draws):
            chosen = (reach < rng.uniform(size=(len(votes), 1)) * reach[:, -1:]).sum(axis=1)
            out[d][:, at] = support[chosen]
    return out


def panel(fractions: np.ndarray, first: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the votes of as many new volunteers a galaxy as ``first`` says, (galaxies, 37), galaxy by galaxy."""
    votes = np.zeros(fractions.shape, int)
    for g in range(len(votes)):
        for q in GZ2.questions:
            at = columns(q.name)
            asked = first[g] if not q.parents else votes[g, parents(q)].sum()
            p = fractions[g, at] / fractions[g, at].sum()
            votes[g, at] = rng.multinomial(asked, p)
    return votes


def halves(votes: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the votes of a random half of each galaxy's volunteers and of the others, (galaxies, 37) each.

    Those of the half who came to a question are a random part of all who did, so that its answers are drawn without
    replacement.
    """
    half = np.zeros_like(votes)
    for g in range(len(votes)):
        for q in GZ2.questions:
            at = columns(q.name)
            asked = votes[g, at].sum() // 2 if not q.parents else min(half[g, parents(q)].sum(), votes[g, at].sum())
            half[g, at] = rng.multivariate_hypergeometric(votes[g, at], asked)
    return half, votes - half


def the_class(f: np.ndarray) -> int:
    """Return the class of a galaxy's vote fractions (37,), NaN where nobody answered; -1 where none may be named.

    0 elliptical, 1 spiral, 2 lenticular, 3 irregular.
    """
    artifact, odd = _share(f, "smooth-or-featured", "artifact"), _share(f, "odd", "yes")
    if np.isnan(odd):
        return -1
    shares, undetermined = _shares(f)
    best, second = sorted(shares, reverse=True)[:2]
    # Rounded as the definition says: ties of fractions are ties, whatever their last bits.
    if round(best, 9) > round(artifact, 9) and round(best, 9) > round(second + undetermined, 9):
        return int(np.argmax(np.round(shares, 9)))
    return -1


def _share(f: np.ndarray, question: str, answer: str) -> float:
    return float(f[GZ2.answers.index((question, answer))])


def _shares(f: np.ndarray) -> tuple[list[float], float]:
    """Return the shares of the four classes and what is undetermined since nobody answered a question on the way."""
    artifact, odd = _share(f, "smooth-or-featured", "artifact"), _share(f, "odd", "yes")
    strange = sum(_share(f, "odd-feature", name) for name in ("disturbed", "irregular", "merger"))
    unknown = odd if odd > 0 and np.isnan(strange) else 0.0
    disturbed = odd * strange if odd > 0 and not unknown else 0.0
    rest, undetermined = 1 - disturbed - unknown, (1 - artifact) * unknown
    shares = [rest * _share(f, "smooth-or-featured", "smooth"), 0.0, 0.0, (1 - artifact) * disturbed]
    featured, edge = rest * _share(f, "smooth-or-featured", "featured-or-disk"), _share(f, "disk-edge-on", "yes")
    if featured > 0 and np.isnan(edge):
        undetermined += featured
    elif featured > 0:
        shares[2] += featured * edge
        face_on, arms = featured * (1 - edge), _share(f, "has-spiral-arms", "yes")
        if face_on > 0 and np.isnan(arms):
            undetermined += face_on
        elif face_on > 0:
            shares[1] += face_on * arms
            shares[2] += face_on * (1 - arms)
    return shares, undetermined


def fractions_of(votes: np.ndarray) -> np.ndarray:
    """Return vote fractions (galaxies, 37), NaN where nobody answered."""
    out = np.full(votes.shape, np.nan)
    for q in GZ2.questions:
        at = columns(q.name)
        total = votes[:, at].sum(axis=1)
        out[np.ix_(total > 0, at)] = votes[np.ix_(total > 0, at)] / total[total > 0, None]
    return out


def right(said: np.ndarray, votes: np.ndarray) -> np.ndarray:
    """Return whether fractions (galaxies, 37) name the votes' own class and answers, (galaxies, 12), in NAMES' order.

    NaN where the votes name no class, or fewer than half of the volunteers came to the question.
    """
    truth, first = fractions_of(votes), votes[:, columns("smooth-or-featured")].sum(axis=1)
    out = np.full((len(votes), len(NAMES)), np.nan)
    for g in range(len(votes)):
        label = the_class(truth[g])
        if label >= 0:
            out[g, 0] = int(np.argmax(np.round(_shares(said[g])[0], 9))) == label
        for i, q in enumerate(GZ2.questions, 1):
            at = columns(q.name)
            total = votes[g, at].sum()
            if total > 0 and 2 * total >= first[g]:
                guess = np.where(np.isnan(said[g, at]), -1, said[g, at])
                out[g, i] = guess.argmax() == votes[g, at].argmax()
    return out


def ceiling(votes: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Return how often the drawn fractions are right of a fresh panel, (draws, galaxies, 12), NaN where not asked."""
    rng = np.random.default_rng(seed)
    first = votes[:, columns("smooth-or-featured")].sum(axis=1)
    return np.array([right(f, panel(f, first, rng)) for f in draw_fractions(votes, rng, draws)])


def of_halves(votes: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Return how often half of the real volunteers name what the other half does, (draws, galaxies, 12)."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        one, other = halves(votes, rng)
        found.append(right(fractions_of(one), other))
    return np.array(found)


def of_drawn_halves(fractions: np.ndarray, votes: np.ndarray, seed: int) -> np.ndarray:
    """Return the same of two fresh panels of half the size from drawn fractions (draws, galaxies, 37)."""
    rng = np.random.default_rng(seed)
    first = votes[:, columns("smooth-or-featured")].sum(axis=1)
    return np.array(
        [right(fractions_of(panel(f, first // 2, rng)), panel(f, first - first // 2, rng)) for f in fractions]
    )


def accuracy(found: np.ndarray, resamples: int = 1000, seed: int = 0) -> list[tuple[float, float, float]]:
    """Return mean and 95 % interval over galaxies of each of NAMES, from ``found`` (draws, galaxies, 12)."""
    rng = np.random.default_rng(seed)
    known = ~np.isnan(found)
    hits, asked = np.where(known, found, 0.0).sum(axis=0), known.sum(axis=0)
    n, out = len(hits), []
    taken = rng.multinomial(n, np.full(n, 1 / n), size=resamples)
    for i in range(found.shape[2]):
        drawn = (taken @ hits[:, i]) / np.maximum(taken @ asked[:, i], 1)
        low, high = np.percentile(drawn, [2.5, 97.5])
        out.append((float(hits[:, i].sum() / max(asked[:, i].sum(), 1)), float(low), float(high)))
    return out


def _normal(logs: np.ndarray) -> np.ndarray:
    """Return exp(logs) with rows that sum to 1."""
    p = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(p / p.sum(axis=1, keepdims=True))

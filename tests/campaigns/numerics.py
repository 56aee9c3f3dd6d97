"""Where the scorer could lose digits: every such place against exact fractions or the slow obvious computation.

`make campaign-numerics` writes docs/evidence/numerics.{json,md}; tests/test_numerics.py holds a small case of
each check.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass
from decimal import Context, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from galaxy_zoo_decals import views
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.predictions import LEAST_CONCENTRATION, MOST_CONCENTRATION, SCALE
from galaxy_zoo_decals.schema import GZD5
from galaxy_zoo_decals.scoring import Truth, ceilings, results
from galaxy_zoo_decals.scoring.average_precision import ranked_precision
from galaxy_zoo_decals.scoring.average_precision import thresholds as distinct
from galaxy_zoo_decals.scoring.boards.board import CLIP
from galaxy_zoo_decals.scoring.boards.hierarchical import HIERARCHICAL
from galaxy_zoo_decals.scoring.boards.multiclass import MULTICLASS, bin_gaps, calibration_error
from galaxy_zoo_decals.scoring.bootstrap import CONFIDENCE, Weights, interval
from galaxy_zoo_decals.scoring.calibration import BINS, Counted, beta_binomial_cdf, interval_coverage
from galaxy_zoo_decals.scoring.likelihood import dirichlet_multinomial_nll
from galaxy_zoo_decals.scoring.priors import CEILING, FLOOR, Prior
from galaxy_zoo_decals.scoring.volunteers import equivalent_volunteers, volunteer_errors
from leaderboard.entry.truths import Truths
from leaderboard.ranking import entries
from leaderboard.ranking import stored_scores as scores

ROOT = Path(__file__).parents[2]
OUT = ROOT / "docs" / "evidence"

DIGITS = Context(prec=50)

LARGEST = 1e37
"""Concentrations are tried up to here: near the largest that float32 holds."""

MOST_VOTES = 100

DRAWS = 200

Numbers = np.ndarray


@dataclass(frozen=True)
class Check:
    """One place: what was tried, against what, how the error is counted, and how large it may be."""

    name: str
    tried: str
    against: str
    unit: str
    allowed: float
    worst: Callable[[np.random.Generator, int], float]
    """The largest error seen in about so many cases."""


def log(x: Fraction) -> float:
    """Return the natural logarithm of a positive fraction, right to the last digit of a float."""
    return float(DIGITS.subtract(DIGITS.ln(Decimal(x.numerator)), DIGITS.ln(Decimal(x.denominator))))


def spread_out(rng: np.random.Generator, shape: tuple[int, ...], low: float, high: float) -> Numbers:
    """Return numbers whose logarithms are uniform, as float32 holds them; in half of the rows they are alike."""
    numbers = np.exp(rng.uniform(np.log(low), np.log(high), shape))
    alike = numbers[:, :1] * rng.lognormal(0, 1, shape)
    out = np.where(rng.random((shape[0], *[1] * (len(shape) - 1))) < 0.5, numbers, alike)
    kept: Numbers = np.clip(out, low, high).astype(np.float32).astype(float)
    return kept


def random_votes(rng: np.random.Generator, galaxies: int, most: int = MOST_VOTES) -> Numbers:
    """Return votes (galaxies, answers of GZD5) of 0 to ``most`` volunteers a question, even and one-sided."""
    out = np.zeros((galaxies, len(GZD5.answers)), int)
    for q in GZD5.questions:
        p = rng.dirichlet(np.full(len(q.answers), 0.4), galaxies)
        out[:, GZD5.slices[q.name]] = rng.multinomial(rng.integers(0, most + 1, galaxies), p)
    return out


def exact_nll(votes: Numbers, alpha: Numbers) -> float:
    """Return minus the log of the Dirichlet-multinomial probability of votes (answers,), from exact fractions."""
    a = [Fraction(float(x)) for x in alpha]
    total, given, top, bottom = sum(a), 0, math.factorial(int(votes.sum())), 1
    for k, x in zip(votes.tolist(), a):
        bottom *= math.factorial(k)
        for i in range(k):
            part, whole = x + i, total + given
            top, bottom = top * part.numerator * whole.denominator, bottom * part.denominator * whole.numerator
            given += 1
    return -float(DIGITS.subtract(DIGITS.ln(Decimal(top)), DIGITS.ln(Decimal(bottom))))


def likelihood_error(
    nll: Callable[[Numbers, Numbers], Numbers], rng: np.random.Generator, cases: int, low: float, high: float
) -> float:
    """Return the largest error of a likelihood, in units of the larger of 1 nat and the likelihood itself."""
    votes = random_votes(rng, max(cases // len(GZD5.questions), 1))
    alpha = spread_out(rng, votes.shape, low, high)
    worst, found = 0.0, nll(votes, alpha)
    for row in range(len(votes)):
        for i, q in enumerate(GZD5.questions):
            part = GZD5.slices[q.name]
            right = exact_nll(votes[row, part], alpha[row, part])
            worst = max(worst, abs(found[row, i] - right) / max(1.0, right))
    return worst


def our_nll(votes: Numbers, alpha: Numbers) -> Numbers:
    """Return what the scorer says."""
    return dirichlet_multinomial_nll(GZD5, votes, alpha)


def scipys_nll(votes: Numbers, alpha: Numbers) -> Numbers:
    """Return what scipy says, from differences of log gammas."""
    parts = [(votes[:, s], alpha[:, s]) for s in GZD5.slices.values()]
    columns = [-stats.dirichlet_multinomial.logpmf(k, a, k.sum(axis=1)) for k, a in parts]
    return np.nan_to_num(np.column_stack(columns), nan=0.0)


def likelihood(rng: np.random.Generator, cases: int) -> float:
    return likelihood_error(our_nll, rng, cases, 1e-3, LARGEST)


def likelihood_of_tiny(rng: np.random.Generator, cases: int) -> float:
    return likelihood_error(our_nll, rng, cases, 1e-37, LARGEST)


def excess(rng: np.random.Generator, cases: int) -> float:
    """Return the largest error of the likelihood beyond that of the votes' own fractions."""
    votes = random_votes(rng, max(cases // len(GZD5.questions), 1))
    worst = 0.0
    truth = Truth("toy", "Toy", GZD5, "", "", tuple(map(str, range(len(votes)))), votes)
    for row, found in zip(votes, truth.least_nll):
        top, bottom = 1, 1
        for q in GZD5.questions:
            part = row[GZD5.slices[q.name]].tolist()
            n = sum(part)
            bottom *= math.factorial(n)
            for k in part:
                top, bottom = top * math.factorial(k) * n ** (k if n else 0), bottom * k ** (k if n else 0)
        right = log(Fraction(top, bottom))
        worst = max(worst, abs(found - right) / max(1.0, right))
    return worst


def beta_binomial(k: int, n: int, a: float, b: float) -> tuple[Fraction, Fraction]:
    """Return (P(K < k), P(K = k)) as fractions."""
    fa, fb = Fraction(a), Fraction(b)
    scale = math.lcm(fa.denominator, fb.denominator)
    ia, ib = int(fa * scale), int(fb * scale)
    one, other = [1], [1]
    for i in range(n):
        one.append(one[-1] * (ia + i * scale))
        other.append(other[-1] * (ib + i * scale))
    weight = [math.comb(n, j) * one[j] * other[n - j] for j in range(n + 1)]
    total = sum(weight)
    return Fraction(sum(weight[:k]), total), Fraction(weight[k], total)


def tails(rng: np.random.Generator, cases: int) -> float:
    """Return the largest error of P(K < k), absolute, and of P(K = k), relative where float64 holds it."""
    n = np.sort(rng.integers(1, MOST_VOTES + 1, cases))
    k = rng.integers(0, n + 1)
    order = np.lexsort((k, n))
    a, b = spread_out(rng, (cases, 2), LEAST_CONCENTRATION, LARGEST).T
    worst = 0.0
    for k_, n_, a_, b_, below, mass in zip(k[order], n, a, b, *beta_binomial_cdf(k[order], n, a, b)):
        right, step = beta_binomial(int(k_), int(n_), float(a_), float(b_))
        worst = max(worst, abs(float(below - right)))
        if step > Fraction(1, 10**250):
            worst = max(worst, abs(float((Fraction(float(mass)) - step) / step)))
    return worst


def coverage(rng: np.random.Generator, cases: int) -> float:
    """Return the largest error of the share of a galaxy's votes inside the 50 % and 90 % intervals."""
    levels = (0.5, 0.9)
    votes = random_votes(rng, max(cases // len(GZD5.answers), 1), 40)
    alpha = spread_out(rng, votes.shape, LEAST_CONCENTRATION, MOST_CONCENTRATION)
    counted = Counted.of(GZD5, votes)
    found = interval_coverage(GZD5, counted, alpha, levels)
    inside: list[list[list[Fraction]]] = [[[] for _ in levels] for _ in votes]
    for galaxy, question, answer, k, n in zip(
        counted.galaxy, counted.question, counted.answer, counted.k, counted.n, strict=True
    ):
        part = alpha[galaxy, GZD5.slices[GZD5.questions[question].name]]
        a = Fraction(float(alpha[galaxy, answer]))
        b = sum(Fraction(float(x)) for x in part) - a
        below, mass = _tail(int(k), int(n), a, b)
        for at, level in zip(inside[galaxy], levels):
            low, high = (1 - Fraction(str(level))) / 2, (1 + Fraction(str(level))) / 2
            at.append(max(min(below + mass, high) - max(below, low), Fraction(0)) / mass)
    errors = [
        abs(found[row, i] - float(sum(parts) / len(parts)))
        for row, of_galaxy in enumerate(inside)
        for i, parts in enumerate(of_galaxy)
        if parts
    ]
    return max(errors)


def _tail(k: int, n: int, a: Fraction, b: Fraction) -> tuple[Fraction, Fraction]:
    p, below, total, mass = Fraction(1), Fraction(0), Fraction(0), Fraction(0)
    for j in range(n + 1):
        if j < k:
            below += p
        if j == k:
            mass = p
        total += p
        if j < n:
            p *= (a + j) * (n - j) / ((b + n - j - 1) * (j + 1))
    return below / total, mass / total


def columns_to_sum(rng: np.random.Generator, galaxies: int) -> Numbers:
    """Return columns (galaxies, 5): likelihoods, one galaxy far out, a large mean, volunteers' errors, nearly none."""
    nll = rng.lognormal(3, 0.5, galaxies)
    wild = nll.copy()
    wild[0] = 5e3
    small = rng.normal(0, 1, galaxies) * 1e-9
    error = rng.normal(1e-3, 3e-2, galaxies)
    return np.column_stack([nll, wild, 1e6 + rng.normal(0, 1, galaxies), error, 0.5 + small])


def sums(rng: np.random.Generator, cases: int) -> float:
    """Return the largest error of a bootstrap draw's sum, in standard deviations of the draws."""
    weights = Weights(rng.multinomial(cases, np.full(cases, 1 / cases), DRAWS).T.astype(np.uint16))
    columns = columns_to_sum(rng, cases)
    found = weights.sums(c=columns)["c"][1:]
    # Deviations from the first galaxy's are exact to their own last digit, which sums of a large mean are not.
    slow = weights.drawn.T.astype(float) @ (columns - columns[0]) + cases * columns[0]
    return float((np.abs(found - slow) / slow.std(axis=0)).max())


def calibration_errors(rng: np.random.Generator, cases: int) -> float:
    """Return the largest error of the expected calibration error freed of its bias, plain and of all draws."""
    weights = Weights(rng.multinomial(cases, np.full(cases, 1 / cases), DRAWS).T.astype(np.uint16))
    worst = 0.0
    for sure in (0.3, 0.97):
        confidence = np.clip(rng.normal(sure, 0.1, cases), 0.25, 1)
        right = rng.random(cases) < confidence
        gaps = bin_gaps(confidence, right)
        found = MULTICLASS.unbiased({"ece": calibration_error(weights.sums(g=gaps)["g"], weights.total)})
        bins = np.argsort(np.argsort(confidence, kind="stable"), kind="stable") * BINS // cases
        slow = []
        for times in np.column_stack([np.ones(cases, int), weights.drawn]).T.astype(float):
            parts = [(times * (right - confidence))[bins == b].sum() for b in range(BINS)]
            slow.append(math.fsum(map(abs, parts)) / cases)
        bias = math.fsum(slow[1:]) / DRAWS - slow[0]
        wanted = np.maximum([slow[0] - bias, *(x - 2 * bias for x in slow[1:])], 0)
        worst = max(worst, float(np.abs(found["ece"] - wanted).max()))
    return worst


def exact_precision(label: Numbers, scored: Numbers, times: Numbers) -> Fraction:
    """Return the average precision of whole weights, sum over distinct scores of (R_k - R_k-1) P_k."""
    hits, seen, out = 0, 0, Fraction(0)
    for level in np.unique(scored)[::-1]:
        on = scored == level
        more = int(times[on & label].sum())
        hits, seen = hits + more, seen + int(times[on].sum())
        if more:
            out += Fraction(more * hits, seen)
    return out / hits


def precisions(rng: np.random.Generator, cases: int, drawn: bool) -> float:
    """Return the largest error of an average precision whose scores are tied or a last bit apart."""
    worst = 0.0
    for turn in range(max(cases // 10, 1)):
        n = int(rng.integers(5, 300))
        label = rng.random(n) < rng.choice([0.05, 0.5, 0.95])
        label[0] = True
        level = rng.integers(0, int(rng.choice([1, 3, 30])) + 1, n)
        scored = (0.5 + level * np.finfo(float).eps) if turn % 2 else level / 65535
        w = rng.multinomial(n, np.full(n, 1 / n), 9).T.astype(np.uint16)
        found = ranked_precision(Weights(w), label, distinct(scored))
        for i, times in enumerate([np.ones(n, int), *w.T]):
            if (i > 0) == drawn and times[label].any():
                worst = max(worst, abs(found[i] - float(exact_precision(label, scored, times))))
    return worst


def volunteers(rng: np.random.Generator, cases: int) -> float:
    """Return the largest relative error of V / E, over what share of the errors is left after the votes' noise."""
    worst = 0.0
    for _ in range(max(cases // 50, 1)):
        n = rng.integers(2, MOST_VOTES, 50)
        votes = rng.multinomial(n, rng.dirichlet([1.0, 1.0, 0.3], 50))
        left = 10 ** rng.uniform(-6, 0)
        variance = (votes * (n[:, None] - votes)).sum(axis=1) / (n * (n - 1))
        fractions = votes / n[:, None] + np.sqrt(variance / n * (1 + left) / 3)[:, None]
        found = equivalent_volunteers(*(np.array([x.sum()]) for x in volunteer_errors(votes, fractions)))[0]
        v = e = Fraction(0)
        for total, row, said in zip(n.tolist(), votes.tolist(), fractions):
            one = Fraction(sum(k * (total - k) for k in row), total * (total - 1))
            v += one
            e += sum(((Fraction(float(f)) - Fraction(k, total)) ** 2 for f, k in zip(said, row)), Fraction(0))
            e -= one / total
        worst = max(worst, float(abs(Fraction(float(found)) / (v / e) - 1)) * left)
    return worst


def prior_likelihood(rng: np.random.Generator, cases: int) -> float:
    """Return the largest error of a mixture's log likelihood, in units of the larger of 1 nat and itself."""
    worst = 0.0
    for _ in range(max(cases // 20, 1)):
        alphas = spread_out(rng, (2, 3), FLOOR, CEILING)
        votes = rng.multinomial(rng.integers(1, MOST_VOTES + 1, 20), rng.dirichlet([0.4] * 3, 20))
        found = Prior(np.array([0.25, 0.75]), alphas).log_likelihood(votes)
        for row, said in zip(votes, found):
            parts = []
            for share, alpha in zip((Fraction(1, 4), Fraction(3, 4)), alphas):
                a = [Fraction(float(x)) for x in alpha]
                given = math.prod((x + i for x, k in zip(a, row.tolist()) for i in range(k)), start=share)
                parts.append(given / math.prod((sum(a) + i for i in range(int(row.sum()))), start=Fraction(1)))
            right = log(sum(parts, Fraction(0)))
            worst = max(worst, abs(said - right) / max(1.0, abs(right)))
    return worst


def prior_draws(rng: np.random.Generator, cases: int) -> float:
    """Return how far the mean of drawn probabilities lies from its own, at most, in standard errors."""
    worst = 0.0
    for alphas in ([FLOOR, FLOOR], [FLOOR, 3 * FLOOR, FLOOR], [0.05, FLOOR], [1.0, 2.0, 3.0]):
        prior = Prior(np.ones(1), np.array([alphas]))
        drawn = prior.draw_posterior(np.zeros((cases, len(alphas)), int), rng)
        error = np.sqrt(prior.mean * (1 - prior.mean) / (sum(alphas) + 1) / cases)
        worst = max(worst, float((np.abs(drawn.mean(axis=0) - prior.mean) / error).max()))
    return worst


def clipped(rng: np.random.Generator, cases: int) -> float:
    """Return the largest error of the class likelihood and the Brier score of probabilities near 0 and 1."""
    truth = Truth.of(Edition.open("sample"))
    edges = np.array([0, 1, 2, 32768, 65534, 65535]) / 65535
    p = rng.choice(edges, (len(truth.names), 4))
    found, worst = MULTICLASS.columns(truth, p).numbers, 0.0
    for row in np.flatnonzero(truth.classes.label >= 0)[:cases]:
        given = [Fraction(float(x)) for x in p[row]]
        label = int(truth.classes.label[row])
        nll = -log(max(given[label], Fraction(CLIP)))
        brier = float(sum(((x - (i == label)) ** 2 for i, x in enumerate(given)), Fraction(0)))
        worst = max(worst, abs(found["nll"][row] - nll), abs(found["brier"][row] - brier))
    return worst


def thresholds(rng: np.random.Generator, cases: int) -> float:
    """Return how many fractions of up to so many votes fall on the wrong side of a half, 0.6 or 0.8."""
    n = np.arange(1, cases + 1)
    wrong = 0
    for total in n.tolist():
        k = np.arange(total + 1)
        for found, exact in (
            (views.label_decisions(k / total), 2 * k > total),
            (k / total > views.CONFIDENT, 5 * k > 3 * total),
            (k / total > 0.8, 5 * k > 4 * total),
        ):
            wrong += int((found != exact).sum())
    return float(wrong)


def skills(rng: np.random.Generator, cases: int) -> float:
    """Return the largest error of a skill and its interval, whose draws are float32, over what it is divided by."""
    worst = 0.0
    for _ in range(max(cases // 20, 1)):
        model, prior, ceiling = rng.normal([30, 36, 18], 1)
        prior = ceiling + (prior - ceiling) * 10 ** rng.uniform(-2, 0)
        draws = rng.multivariate_normal([model, prior, ceiling], np.full((3, 3), 0.09) + np.eye(3) * 1e-6, DRAWS).T
        rows = [(value, drawn.astype(np.float32)) for value, drawn in zip((model, prior, ceiling), draws)]
        found = ceilings.skill(*rows)
        a, b, c = (Fraction(float(x)) for x in (model, prior, ceiling))
        right = [float((b - a) / (b - c)), *exact_interval((draws[1] - draws[0]) / (draws[1] - draws[2]))]
        errors = np.abs(np.array([found.value, found.low, found.high]) - right) / np.maximum(1, np.abs(right))
        worst = max(worst, float(errors.max()) * abs(prior - ceiling))
    return worst


def exact_interval(draws: Numbers) -> tuple[float, float]:
    """Return the 2.5th and 97.5th percentile, between the two neighbours in proportion."""
    ordered = [Fraction(float(x)) for x in np.sort(draws)]
    out = []
    for share in ((1 - Fraction(str(CONFIDENCE))) / 2, (1 + Fraction(str(CONFIDENCE))) / 2):
        at = share * (len(ordered) - 1)
        low = math.floor(at)
        out.append(float(ordered[low] + (at - low) * (ordered[min(low + 1, len(ordered) - 1)] - ordered[low])))
    return out[0], out[1]


def intervals(rng: np.random.Generator, cases: int) -> float:
    """Return the largest relative error of the ends of percentile intervals."""
    worst = 0.0
    for _ in range(max(cases // 20, 1)):
        draws = rng.normal(rng.choice([0.0, 30.0]), 10 ** rng.uniform(-6, 3), DRAWS + int(rng.integers(0, 5)))
        found = interval(np.append(draws, np.nan))
        worst = max(worst, float(np.abs(np.array(found) / exact_interval(draws) - 1).max()))
    return worst


def recovery(rng: np.random.Generator, cases: int) -> float:
    """Return the largest error of the interval of a morphology fraction's difference, where predictions are all off
    by about the same: its variance is a difference of squares."""
    truth = Truth.of(Edition.open("sample"))
    said = np.nan_to_num(truth.fractions, nan=0.5) + 0.1 + rng.normal(0, 1e-6, truth.fractions.shape)
    found = results._recovery(truth, HIERARCHICAL.answers(truth, said))
    answers = [f"{q}: {a}" for q, a in truth.tree.answers]
    quarters = {(q.facts["property"], q.low): q for q in truth.quarters}
    worst = 0.0
    for row in found[:cases]:
        j, quarter = answers.index(row["name"]), quarters[row["property"], row["low"]]
        rows = quarter.galaxies[truth.votes_asked[quarter.galaxies, j]]
        gap = said[rows, j] - truth.fractions[rows, j]
        error = gap.std(ddof=1) / math.sqrt(len(gap))
        worst = max(worst, abs(row["difference_low"] - (gap.mean() - 1.96 * error)))
    return worst


CHECKS = (
    Check("Likelihood of the votes", "0 to 100 votes a question, concentrations 1e-3 to 1e37", "exact fractions",
          "nats, over the likelihood where that is above 1", 1e-13, likelihood),
    Check("The same of tiny concentrations", "concentrations 1e-37 to 1e37", "exact fractions",
          "nats, over the likelihood where that is above 1", 1e-13, likelihood_of_tiny),
    Check("Likelihood of the votes under their own fractions", "0 to 100 votes a question", "exact fractions",
          "nats, over the likelihood where that is above 1", 1e-12, excess),
    Check("Beta-binomial P(K < k) and P(K = k)", "1 to 100 votes, concentrations 1e-6 to 1e37", "exact fractions",
          "absolute, and relative", 1e-12, tails),
    Check("Votes inside the predictive intervals", "0 to 40 votes, concentrations 1e-6 to 1e6", "exact fractions",
          "share of a galaxy's votes", 1e-9, coverage),
    Check("Sums of bootstrap draws, float32 about the mean", "a likelihood of 5,000 nats among 20; a mean a million "
          "times the spread; a spread of 1e-9", "float64 about another centre", "standard deviations of the draws",
          1e-4, sums),
    Check("Expected calibration error, freed of its bias", "confidences of 0.25 to 1, many at 1",
          "float64, draw by draw", "absolute", 1e-6, calibration_errors),
    Check("Average precision", "scores tied, or one last bit apart", "exact fractions", "absolute", 1e-14,
          lambda rng, cases: precisions(rng, cases, drawn=False)),
    Check("Average precision of bootstrap draws, float32", "the same", "exact fractions", "absolute", 1e-5,
          lambda rng, cases: precisions(rng, cases, drawn=True)),
    Check("Equivalent volunteers V / E", "E from 1 down to a millionth of the votes' noise that is taken off it",
          "exact fractions", "relative, times that share", 1e-13, volunteers),
    Check("Log likelihood of a prior", "mixtures of two, concentrations 1e-3 to 1e4, 1 to 100 votes",
          "exact fractions", "nats, over the likelihood where that is above 1", 1e-12, prior_likelihood),
    Check("Draws from a prior whose gammas underflow", "concentrations from 1e-3", "the mean it must have",
          "standard errors", 4.5, prior_draws),
    Check("Class likelihood and Brier score", "probabilities 0, 1 and next to them", "exact fractions", "absolute",
          1e-14, clipped),
    Check("Fractions of votes against 0.5, 0.6 and 0.8", "every fraction of so few votes", "whole numbers",
          "wrong decisions", 0, thresholds),
    Check("Skill and its interval, draws float32", "scores near 30, prior and ceiling 0.1 to 20 apart",
          "fractions and float64", "relative, times that distance", 1e-4, skills),
    Check("Percentile intervals", "spreads of 1e-6 to 1e3, means 0 and 30", "exact fractions", "relative", 1e-12,
          intervals),
    Check("Interval of recovered fractions", "all off by 0.1, with a spread of 1e-6", "in two passes", "absolute",
          1e-9, recovery),
)  # fmt: skip

CASES = {
    likelihood: 4000, likelihood_of_tiny: 4000, excess: 4000, tails: 1500, coverage: 3000, sums: 20_000,
    calibration_errors: 4000, prior_draws: 200_000, thresholds: 500,
}  # fmt: skip
"""Cases of each check in the campaign; 2,000 of the others."""


def stored_scores(truths: Truths) -> dict[str, Any]:
    """Return how far stored scores of all entries lie from what the scorer says now: values, and ends of intervals."""
    board, count, editions = ROOT / "leaderboard", 0, set()
    value, end = (0.0, ""), (0.0, "")
    for folder in sorted((board / "submissions").iterdir()):
        standing = {(s.key, s.task, s.seed): s for s in scores.read(board / "scores" / folder.name)}
        for fresh in entries.score_submission(folder, truths)[0]:
            old = standing[fresh.key, fresh.task, fresh.seed]
            editions.add(fresh.edition["name"])
            count += 1
            for name, score in fresh.boards.items():
                for metric, now in score.metrics.items():
                    apart = np.abs(np.array(now, float) - np.array(old.boards[name].metrics[metric], float))
                    value = max(value, (float(np.nan_to_num(apart[0])), f"{name}/{metric}"))
                    end = max(end, (float(np.nan_to_num(apart[1:]).max()), f"{name}/{metric}"))
    return {"files": count, "editions": sorted(editions), "value": value, "interval": end}


def above_six_tenths(rng: np.random.Generator, cases: int) -> float:
    """Return the share of class probabilities with one of exactly 0.6 that reading a file makes larger than 0.6."""
    three_fifths = SCALE * 3 // 5
    steps = np.column_stack([np.full(cases, three_fifths), rng.multinomial(SCALE - three_fifths, [1 / 3] * 3, cases)])
    probabilities = steps / SCALE
    return float((probabilities[:, 0] / probabilities.sum(axis=1) > views.CONFIDENT).mean())


def write(content: dict[str, Any]) -> None:
    """Write docs/evidence/numerics.md."""
    stored, gammas = content["stored"], content["log_gammas"]
    lines = [
        "# Does the scorer keep its digits?",
        "",
        f"`make campaign-numerics`, at commit `{content['commit']}`. Every place where the scorer takes differences of "
        "large numbers, logarithms of numbers near 0 or 1, or float32, against exact fractions or the slow obvious "
        "computation. `make test` holds a small case of each to the error that is allowed.",
        "",
        "| what | tried | against | cases | worst error | allowed | counted in |",
        "|---|---|---|--:|--:|--:|---|",
        *(
            f"| {c['name']} | {c['tried']} | {c['against']} | {c['cases']:,} | {c['worst']:.1g} | {c['allowed']:g} | "
            f"{c['unit']} |"
            for c in content["checks"]
        ),
        "",
        "## The likelihood of the votes",
        "",
        "It is a product of the chances of one vote after the other, (a + i) / (A + m): a the concentration of the "
        "answer, i the votes it has had, A the sum of a question's concentrations, m all votes so far. At 1e37 the i "
        "and m are lost in the sums, as are answers that are far smaller than A; both change a factor by less than its "
        "last digit. Differences of log gammas are another thing: the log gammas grow with the concentrations, and the "
        "likelihood is what is left of them. On the same votes scipy's `dirichlet_multinomial`, which takes them, is "
        "wrong by at most:",
        "",
        "| concentrations from 1e-3 to | worst error, counted as above |",
        "|--:|--:|",
        *(f"| {high} | {worst:.1g} |" for high, worst in gammas.items()),
        "",
        f"Prediction files hold concentrations from {LEAST_CONCENTRATION:g} to {MOST_CONCENTRATION:g} "
        "([predictions.md](../predictions.md)); others are refused when they are written and when they are read.",
        "",
        "## Scores that stand",
        "",
        f"{stored['files']} prediction files of {', '.join(stored['editions'])} scored anew: metrics lie within "
        f"{stored['value'][0]:.1g} of the stored ones (`{stored['value'][1]}`), ends of their intervals within "
        f"{stored['interval'][0]:.1g} (`{stored['interval'][1]}`). The intervals, and what is taken off the expected "
        "calibration error for its bias, rest on bootstrap sums in float32, which another machine or number of threads "
        "adds up in another order.",
        "",
        "## Left as it is",
        "",
        "- Files hold probabilities as whole numbers of 1 / 65535, and reading divides a group by its sum in floating "
        f"point: of groups in which one probability is exactly 0.6, {content['above_six_tenths']:.0%} come out a last "
        'bit above it and count as "sure". A probability of a half is stored as 32768 / 65535, which is above a half. '
        "To mend either would move scores that stand.",
        "- Where the errors are no larger than the votes' own noise, the number of equivalent volunteers is not "
        "measurable; such bootstrap draws are left out of its interval.",
    ]
    (OUT / "numerics.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def main() -> None:
    """Measure and write docs/evidence/numerics.{json,md}."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--truth", action="append", default=[], help="NAME=PATH of a truth that may not lie here")
    options = parser.parse_args()
    measured = []
    for check in CHECKS:
        cases = CASES.get(check.worst, 2000)
        worst = check.worst(np.random.default_rng(0), cases)
        measured.append(asdict(check) | {"worst": worst, "cases": cases})
        print(f"{check.name}: {worst:.2g}", flush=True)
    gammas = {
        f"{high:.0e}": likelihood_error(scipys_nll, np.random.default_rng(0), 4000, 1e-3, high)
        for high in (1e2, MOST_CONCENTRATION, 1e10, 1e20)
    }
    stored = stored_scores(Truths.on_this_machine([], options.truth))
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True)
    content = {
        "commit": commit.stdout.strip(), "checks": measured, "log_gammas": gammas, "stored": stored,
        "above_six_tenths": above_six_tenths(np.random.default_rng(0), 100_000),
    }  # fmt: skip
    (OUT / "numerics.json").write_text(json.dumps(content, indent=1) + "\n")
    write(content)


if __name__ == "__main__":
    main()

"""The noise ceiling: what an oracle that knows the true fractions scores against a fresh panel of volunteers.

A prior is fitted to the votes of each question; each galaxy's true fractions are drawn from its posterior; a fresh
panel votes down the whole tree; and the DRAWN fractions are scored against the labels of that panel. Scoring the
posterior mean instead is no ceiling: it knows less than the fractions the panel was drawn from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from galaxy_zoo_decals import panels, views
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.schema import Tree
from galaxy_zoo_decals.scoring import metrics as m
from galaxy_zoo_decals.scoring.boards import BOARDS
from galaxy_zoo_decals.scoring.bootstrap import interval
from galaxy_zoo_decals.scoring.priors import Prior, fit
from galaxy_zoo_decals.scoring.results import METRICS, TABLES, Estimate, finite, fraction_values, prior_concentrations
from galaxy_zoo_decals.scoring.truth import Truth

CEILING = "noise ceiling"
KNOWN = "known truth"
VOLUNTEERS = (5, 10, 40)
ASSUMED = (20, 40, 60)
"""First-question votes tried where a catalogue publishes none."""

DRAWS = 100
REFITS = 8
"""Bootstrap refits of the prior, used in turn by the draws: its uncertainty is a small part of the interval's."""

SURE = 1e8
"""Concentration of an oracle: with it the Dirichlet-multinomial is the multinomial to 1e-5 for 80 votes."""

MIN_STRATUM = 100
"""Galaxies with votes that a stratum of a question needs to have a prior of its own."""


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


@dataclass(frozen=True)
class Reference:
    """An unranked row of a board: metrics with intervals, and means of the numbers by class, label or question.

    ``rows`` have for every number ``x`` also ``x_low`` and ``x_high``.
    """

    title: str
    metrics: dict[str, Estimate]
    rows: list[dict[str, Any]]


def ceilings(
    truth: Truth, draws: int = DRAWS, volunteers: tuple[int, ...] = VOLUNTEERS, seed: int = 0
) -> dict[str, dict[str, Reference]]:
    """Return the noise ceiling and the scores of k volunteers on every board, {board: {title: Reference}}.

    The interval combines draws of fractions and panels, the bootstrap over galaxies and bootstrap refits of the
    prior. k volunteers are a panel of their own, whose fractions are the prediction; where none of them came to a
    question they say the prior's mean, and for the likelihood they are read with a Dirichlet prior.
    """
    rng = np.random.default_rng(seed)
    tree, votes, n = truth.tree, truth.votes, len(truth.names)
    fitted = fit_priors(tree, votes)
    refits = [fit_priors(tree, votes[rng.integers(0, n, n)], start=fitted) for _ in range(min(REFITS, draws))]
    flat = prior_concentrations(tree, votes)
    plain, spread = _Scores(), _Scores()
    for i in range(draws):
        for priors, rows, keep in (
            (fitted, np.arange(n), plain),
            (refits[i % len(refits)], rng.integers(0, n, n), spread),
        ):
            probabilities = draw_probabilities(tree, priors, votes, rng)
            panel = panels.draw(tree, probabilities, votes_first(truth), rng)
            fresh = replace(truth, votes=panel, counted_as=truth).take(rows)
            keep.add(CEILING, fresh, probabilities[rows], probabilities[rows] * SURE)
            for k in volunteers:
                said = panels.draw(tree, probabilities, np.full(n, k), rng)[rows]
                fractions = views.fractions(tree, said)
                unasked = np.isnan(fractions)
                fractions[unasked] = np.broadcast_to(views.fractions(tree, flat[None]), fractions.shape)[unasked]
                keep.add(f"{k} volunteers", fresh, fractions, said + flat)
    return {board: {title: _reference(title, board, plain, spread) for title in plain.titles} for board in BOARDS}


def visible_truth(truth: Truth, probabilities: np.ndarray, draws: int = DRAWS) -> dict[str, Reference]:
    """Return what known probabilities (galaxies, answers) score on every board: the ceiling of a simulated edition.

    Intervals are the bootstrap's over galaxies; the panel is the one that voted.
    """
    n, scores = len(truth.names), _Scores()
    scores.add(KNOWN, truth, probabilities, probabilities * SURE)
    spread = _Scores()
    rng = np.random.default_rng(0)
    for _ in range(draws):
        rows = rng.integers(0, n, n)
        spread.add(KNOWN, truth.take(rows), probabilities[rows], probabilities[rows] * SURE)
    return {board: _reference(KNOWN, board, scores, spread) for board in BOARDS}


def of_edition(edition: Edition, draws: int = DRAWS) -> dict[str, dict[str, Reference]]:
    """Return all that is known of an edition's ceilings, {board: {title: Reference}}.

    A simulated edition adds what its known probabilities score; one whose number of votes is assumed adds a ceiling
    for each of ASSUMED first-question votes, a band on which no claim of exceeding it may rest.
    """
    truth = Truth.of(edition)
    found = ceilings(truth, draws)
    visible = [f"visible_{column}" for column in truth.tree.answer_columns]
    if set(visible) <= set(edition.facts["extra_columns"]):  # type: ignore[call-overload]
        table = edition.table("test", ["scored", *visible])
        known = visible_truth(truth, table.loc[table["scored"], visible].to_numpy(float))
        found = {board: {KNOWN: known[board], **found[board]} for board in found}
    if "votes_assumed" in edition.facts["source"]:  # type: ignore[operator]
        shares = truth.fractions
        for votes in ASSUMED:
            recounted = panels.recount(truth.tree, shares, np.full(len(truth.names), votes))
            band = ceilings(replace(truth, votes=recounted, counted_as=truth), draws, volunteers=())
            for board in found:
                title = f"{CEILING}, {votes} votes assumed"
                found[board][title] = replace(band[board][CEILING], title=title)
        for board in found:
            del found[board][CEILING]
    return found


def report(edition: Edition, found: dict[str, dict[str, Reference]]) -> str:
    """Return the ceilings as text to print, with the check of the priors."""
    lines = [f"{edition.title}: what an oracle scores against a fresh panel of volunteers"]
    for board, rows in found.items():
        lines += ["", BOARDS[board].title]
        for name, metric in BOARDS[board].metrics.items():
            cells = [f"{rows[t].metrics[name].value:{metric.format}} " for t in rows]
            spans = [
                f"[{rows[t].metrics[name].low:{metric.format}}, {rows[t].metrics[name].high:{metric.format}}]"
                for t in rows
            ]
            if name == BOARDS[board].primary or name in ("accuracy", "macro_f1", "exact_path", "mae", "nll"):
                lines += [f"  {metric.title}"] + [f"    {t:<32} {c} {s}" for t, c, s in zip(rows, cells, spans)]
    lines += [
        "",
        "Check of the priors: spread of the vote fractions, observed and replicated (p near 0 or 1: a bad fit)",
    ]
    for row in goodness(Truth.of(edition)):
        if "p" in row:
            lines.append(f"  {row['name']:<22} {row['observed']:.3f} {row['replicated']:.3f}  p = {row['p']:.2f}")
    return "\n".join(lines)


def to_json(found: dict[str, dict[str, Reference]]) -> dict[str, Any]:
    """Return the references as JSON-ready values; undefined numbers are null."""
    return {
        board: {
            title: {
                "metrics": {
                    k: {"value": finite(e.value), "low": finite(e.low), "high": finite(e.high)}
                    for k, e in reference.metrics.items()
                },
                "rows": [{k: finite(v) for k, v in row.items()} for row in reference.rows],
            }
            for title, reference in rows.items()
        }
        for board, rows in found.items()
    }


def goodness(truth: Truth, draws: int = 200, seed: int = 0) -> list[dict[str, Any]]:
    """Return a posterior-predictive check of the prior of each question, one row a question.

    The spread of the vote fractions among galaxies, observed and of ``draws`` replicated catalogues (probabilities
    from the prior, votes from them): ``observed``, ``replicated``, and ``p``, the share of replicas with a larger
    spread. p near 0 or 1 says that the prior fits badly.
    """
    rng = np.random.default_rng(seed)
    tree, votes = truth.tree, truth.votes
    share, priors = asked_share(tree, votes), fit_priors(tree, votes)
    found = []
    for i, (q, prior) in enumerate(zip(tree.questions, priors)):
        part = votes[:, tree.slices[q.name]]
        on = part.sum(axis=1) >= 2
        row = {"name": q.name, "n": int(on.sum()), "strata": len(prior.priors)}
        row["components"] = sum(len(mixture.weights) for mixture in prior.priors)
        if on.sum() >= 2:
            total, stratum = part[on].sum(axis=1), share[on, i]
            observed = _spread(part[on])
            nothing = np.zeros_like(part[on])
            copies = np.array(
                [_spread(rng.multinomial(total, prior.draw(nothing, stratum, rng))) for _ in range(draws)]
            )
            row |= {"observed": observed, "replicated": float(copies.mean()), "p": float((copies > observed).mean())}
        found.append(row)
    return found


def _spread(votes: np.ndarray) -> float:
    return float((votes / votes.sum(axis=1, keepdims=True)).var(axis=0).sum())


def votes_first(truth: Truth) -> np.ndarray:
    """Return how many volunteers answered the first question, (galaxies,)."""
    first: np.ndarray = truth.totals[:, 0]
    return first


class _Scores:
    """Scores of draws by (board, title): metrics and rows of each."""

    def __init__(self) -> None:
        self.metrics: dict[tuple[str, str], list[dict[str, float]]] = {}
        self.rows: dict[tuple[str, str], list[list[dict[str, Any]]]] = {}

    @property
    def titles(self) -> list[str]:
        return list(dict.fromkeys(title for _, title in self.metrics))

    def add(self, title: str, truth: Truth, fractions: np.ndarray, concentrations: np.ndarray) -> None:
        """Score fractions on every board; the likelihood is that of the concentrations."""
        tree, one = truth.tree, np.ones((1, len(truth.names)), np.float32)
        for board, values in {**fraction_values(tree, fractions), "votes": np.maximum(fractions, 1e-9)}.items():
            if board == "votes":
                found = m.fraction_metrics(truth, fractions, one)
                found |= m.likelihood_metrics(truth, np.maximum(concentrations, 1e-6), one)
                if title in (CEILING, KNOWN):  # no error but the panel's: as many volunteers as one likes
                    found["equivalent_volunteers"] = np.array([np.nan])
            else:
                found = METRICS[board](truth, values, one)
            self.metrics.setdefault((board, title), []).append({name: float(v[0]) for name, v in found.items()})
            self.rows.setdefault((board, title), []).append(TABLES[board](truth, values)[0])


def _reference(title: str, board: str, plain: _Scores, spread: _Scores) -> Reference:
    key = (board, title)
    metrics = {
        name: _estimate([d[name] for d in plain.metrics[key]], [d[name] for d in spread.metrics[key]])
        for name in BOARDS[board].metrics
    }
    rows = []
    for j, first in enumerate(plain.rows[key][0]):
        row: dict[str, Any] = {"name": first["name"], "counted": first["counted"]}
        for name in [k for k in first if k not in row]:
            e = _estimate([d[j][name] for d in plain.rows[key]], [d[j][name] for d in spread.rows[key]])
            row |= {name: e.value, f"{name}_low": e.low, f"{name}_high": e.high}
        rows.append(row)
    return Reference(title, metrics, rows)


def _estimate(plain: list[float], spread: list[float]) -> Estimate:
    known = np.array(plain)[~np.isnan(plain)]
    return Estimate(float(known.mean()) if len(known) else float("nan"), *interval(np.array(spread)))

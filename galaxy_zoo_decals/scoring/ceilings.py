"""The noise ceiling: what an oracle that knows the true fractions scores against a fresh panel of volunteers.

A prior is fitted to the votes of each question; each galaxy's true fractions are drawn from its posterior; a fresh
panel votes down the whole tree; and the DRAWN fractions are scored against the labels of that panel. Scoring the
posterior mean instead is no ceiling: it knows less than the fractions the panel was drawn from.

The number estimated is the oracle's expected score on galaxies like these: the mean over draws of fractions and
panels, whose noise averages out. Its interval is that of the estimate, as it would come out on other galaxies of the
same kind: the bootstrap over galaxies that all entries share, and the prior refitted to resampled galaxies.

All of it is about volunteers who vote. Of an edition whose truth is published likelihoods there is no ceiling and no
panel: nobody gave those votes, and a part of what was published may not be seen in the picture at all.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from galaxy_zoo_decals import drawn_votes, views
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.scoring.boards import BOARDS
from galaxy_zoo_decals.scoring.bootstrap import Weights, plain, ratio, shared
from galaxy_zoo_decals.scoring.priors import (
    QuestionPrior,
    asked_share,
    draw_probabilities,
    fit_priors,
    prior_concentrations,
)
from galaxy_zoo_decals.scoring.results import (
    NOTHING,
    Estimate,
    Result,
    references,
    spread_row,
)
from galaxy_zoo_decals.scoring.truth import Truth

CEILING = "noise ceiling"
KNOWN = "known truth"
VOLUNTEERS = (5, 10, 40)
DRAWS = 60
"""Draws of fractions and panels whose scores are averaged."""

RESAMPLES = 400
"""Bootstrap draws of a ceiling, the first of those that all entries share: differences are paired."""

REFITS, REFIT_DRAWS = 60, 4
"""Refits of the prior to resampled galaxies, and the draws of fractions and panels of each. Of 20 refits the width of
an interval varies by a quarter from one seed to the next, which costs coverage (docs/evidence/coverage.md)."""

SURE = 1e8
"""Concentration of an oracle: with it the Dirichlet-multinomial is the multinomial to 1e-5 for 80 votes."""


class NoVolunteers(UserError):
    """The truth of an edition is no votes of volunteers, so that a ceiling or a panel would have no meaning."""


def require_volunteers(truth: Truth) -> None:
    """Raise NoVolunteers unless the truth is counts of volunteers."""
    if truth.votes_assumed:
        raise NoVolunteers(
            f"{truth.edition}: its truth is published likelihoods, not counts of volunteers (edition.json: truth), so "
            "there is no noise ceiling, no panel and no number of volunteers. Compare with the class prior and with "
            "other models."
        )


def ceilings(
    truth: Truth, draws: int = DRAWS, volunteers: tuple[int, ...] = VOLUNTEERS, seed: int = 0, refits: int = REFITS
) -> dict[str, dict[str, Result]]:
    """Return the noise ceiling and the scores of k volunteers on every board, {board: {title: Result}}.

    k volunteers are a panel of their own, whose fractions are the prediction; where none of them came to a question
    they say the prior's mean, and for the likelihood they are read with a Dirichlet prior. Raises NoVolunteers where
    the truth is no counts.
    """
    require_volunteers(truth)
    rng = np.random.default_rng(seed)
    tree, votes, n = truth.tree, truth.votes, len(truth.names)
    fitted, flat = fit_priors(tree, votes), prior_concentrations(tree, votes)
    weights = shared(n).take(np.arange(n), 1 + RESAMPLES)

    def score(priors: tuple[QuestionPrior, ...], into: _Mean, weights: Weights) -> None:
        probabilities = draw_probabilities(tree, priors, votes, rng)
        panel = _panel(truth, probabilities, votes_first(truth), rng)
        fresh = replace(truth, votes=panel, counted_as=truth)
        into.add(CEILING, fresh, probabilities, probabilities * SURE, weights)
        for k in volunteers:
            said = _panel(truth, probabilities, np.full(n, k), rng)
            fractions = views.fractions(tree, said)
            unasked = np.isnan(fractions)
            fractions[unasked] = np.broadcast_to(views.fractions(tree, flat[None]), fractions.shape)[unasked]
            into.add(f"{k} volunteers", fresh, fractions, said + flat, weights)

    found = _Mean()
    for _ in range(draws):
        score(fitted, found, weights)
    refitted = []
    for r in range(min(refits, 3 * draws)):  # of few draws nobody wants a fine interval
        resampled = np.repeat(votes, weights.drawn[:, r].astype(int), axis=0)
        priors = fit_priors(tree, resampled, start=fitted)
        refitted.append(_Mean())
        for _ in range(REFIT_DRAWS):
            score(priors, refitted[-1], plain(n))
    return {
        board: {title: found.reference(truth, title, board, refitted) for title in found.titles} for board in BOARDS
    }


def visible_truth(truth: Truth, probabilities: np.ndarray, draws: int = DRAWS, seed: int = 0) -> dict[str, Result]:
    """Return the known ceiling of a simulated edition on every board, from its probabilities (galaxies, answers).

    It is what the estimated ceiling estimates: the same mean over fresh panels, without prior and posterior.
    """
    rng, n, found = np.random.default_rng(seed), len(truth.names), _Mean()
    weights = shared(n).take(np.arange(n), 1 + RESAMPLES)
    for _ in range(draws):
        panel = _panel(truth, probabilities, votes_first(truth), rng)
        fresh = replace(truth, votes=panel, counted_as=truth)
        found.add(KNOWN, fresh, probabilities, probabilities * SURE, weights)
    return {board: found.reference(truth, KNOWN, board, []) for board in BOARDS}


def _panel(truth: Truth, probabilities: np.ndarray, first_totals: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the votes of a fresh panel, int64 (galaxies, answers).

    A question that nobody was asked of any galaxy stays so, with those behind it: nothing says how it is answered.
    """
    votes = drawn_votes.draw(truth.tree, probabilities, first_totals, rng)
    unknown: set[str] = set()
    for q in truth.tree.questions:
        if q.name in truth.unanswered or any(parent in unknown for parent, _ in q.parents):
            unknown.add(q.name)
            votes[:, truth.tree.slices[q.name]] = 0
    return votes


Draws = tuple[float, np.ndarray]
"""A score and its bootstrap draws, paired with those of all others on the board."""


def skill(model: Draws, prior: Draws, ceiling: Draws) -> Estimate:
    """Return where a score stands between the class prior (0) and the noise ceiling (1), with its interval.

    (prior - model) / (prior - ceiling), in whichever direction the metric is better; only the first RESAMPLES draws
    are used. The ceiling's draws hold its prior's uncertainty as a wider spread over the same galaxies, which a paired
    ratio partly cancels: the interval is somewhat too narrow.
    """
    given = (np.concatenate([[value], draws[:RESAMPLES]]).astype(float) for value, draws in (model, prior, ceiling))
    scored, low, high = given
    shares = ratio(low - scored, low - high)
    return Estimate.of(shares[0], shares[1:])


def skills(results: dict[str, Result], truth: Truth, found: dict[str, dict[str, Result]]) -> dict[str, Estimate]:
    """Return the skill of each board's primary score, {board: Estimate}, from the references that are ``found``."""
    out, priors = {}, references(truth)
    for board, result in results.items():
        name = BOARDS[board].primary
        rows = (result, priors[board]["class prior"], found[board][CEILING])
        out[board] = skill(*((row.metrics[name].value, row.draws[name]) for row in rows))
    return out


def of_edition(edition: Edition, draws: int = DRAWS) -> dict[str, dict[str, Result]]:
    """Return all that is known of an edition's ceilings, {board: {title: Result}}.

    A simulated edition adds what its known probabilities score. Raises NoVolunteers where the truth is no counts.
    """
    truth = Truth.of(edition)
    found = ceilings(truth, draws)
    visible = [f"visible_{column}" for column in truth.tree.answer_columns]
    if set(visible) <= set(edition.facts["extra_columns"]):  # type: ignore[call-overload]
        table = edition.table("test", ["scored", *visible])
        known = visible_truth(truth, table.loc[table["scored"], visible].to_numpy(float))
        found = {board: {KNOWN: known[board], **found[board]} for board in found}
    return found


def report(edition: Edition, found: dict[str, dict[str, Result]]) -> str:
    """Return the ceilings as text to print, with the check of the priors."""
    lines = [f"{edition.title}: what an oracle scores against a fresh panel of volunteers"]
    for board, rows in found.items():
        lines += ["", BOARDS[board].title]
        if not all(row.galaxies for row in rows.values()):
            lines.append(f"  {NOTHING}")
            continue
        for name, metric in BOARDS[board].metrics.items():
            if name == BOARDS[board].primary or name in ("accuracy", "macro_f1", "exact_path", "mae", "nll"):
                cells = [f"    {t:<32} {rows[t].metrics[name].text(metric.format, 0)}" for t in rows]
                lines += [f"  {metric.title}", *cells]
    lines += [
        "",
        "Check of the priors: spread of the vote fractions, observed and replicated (p near 0 or 1: a bad fit)",
    ]
    for row in goodness(Truth.of(edition)):
        if "p" in row:
            lines.append(f"  {row['name']:<22} {row['observed']:.3f} {row['replicated']:.3f}  p = {row['p']:.2f}")
    return "\n".join(lines)


def to_json(found: dict[str, dict[str, Result]]) -> dict[str, Any]:
    """Return the references as JSON-ready values; undefined numbers are null."""
    kept = ("metrics", "rows")
    return {
        board: {title: {key: row.to_json()[key] for key in kept} for title, row in rows.items()}
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


class _Mean:
    """Means over draws of fractions and panels: of every metric and row's number, by (board, title), (draws,)."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], list[_Sum]] = {}
        self._rows: dict[tuple[str, str], list[dict[str, Any]]] = {}

    @property
    def titles(self) -> list[str]:
        return list(dict.fromkeys(title for _, title in self._sums))

    def add(
        self, title: str, truth: Truth, fractions: np.ndarray, concentrations: np.ndarray, weights: Weights
    ) -> None:
        """Score fractions on every board; the likelihood is that of the concentrations."""
        for task, board in BOARDS.items():
            # Refits (the plain draw alone) ask what a score would be, not how well an oracle is calibrated.
            columns = board.columns_of_fractions(truth, fractions, concentrations, calibration=weights.draws > 1)
            scored = board.scored(truth, columns, weights)
            metrics = board.unbiased(scored.metrics)
            if title in (CEILING, KNOWN):  # no error but the panel's: as many volunteers as one likes
                metrics |= {m.name: np.full(weights.draws, np.nan) for m in board.all_metrics if m.of_volunteers}
            tables = [metrics, *scored.rows]
            key = (task, title)
            if key not in self._sums:
                self._rows[key] = scored.rows
                self._sums[key] = [_Sum({k: v for k, v in t.items() if isinstance(v, np.ndarray)}) for t in tables]
            for summed, table in zip(self._sums[key], tables):
                summed.add(table)

    def reference(self, truth: Truth, title: str, board: str, refitted: list[_Mean]) -> Result:
        """Return the means with their intervals, widened by what the refits say of the prior's uncertainty."""
        key = (board, title)
        tables = [summed.means([other._sums[key][i] for other in refitted]) for i, summed in enumerate(self._sums[key])]
        rows = [
            {k: table.get(k, v) for k, v in row.items() if k not in ("n", "positives", "n_confident")}
            for row, table in zip(self._rows[key], tables[1:])
        ]
        metrics = {name: Estimate.of(v[0], v[1:]) for name, v in tables[0].items()}
        draws = {name: v[1:].astype(np.float32) for name, v in tables[0].items()}
        galaxies = BOARDS[board].galaxies(truth)
        return Result(board, truth.edition, galaxies, metrics, [spread_row(row) for row in rows], {}, {}, draws)


class _Sum:
    """Running sums of some numbers over draws of fractions and panels; where a draw is NaN it does not count."""

    def __init__(self, like: dict[str, np.ndarray]) -> None:
        self.names = list(like)
        self.total = np.zeros((len(like), len(next(iter(like.values())))))
        self.known = np.zeros(self.total.shape, int)
        self.plain: list[np.ndarray] = []

    def add(self, table: dict[str, Any]) -> None:
        values = np.stack([table[name] for name in self.names])
        known = ~np.isnan(values)
        self.total += np.where(known, values, 0.0)
        self.known += known
        self.plain.append(values[:, 0])

    def means(self, refitted: list[_Sum]) -> dict[str, np.ndarray]:
        """Return the means (draws,), the plain one first.

        The variance of the estimate over catalogues has a part of the galaxies, seen in the bootstrap draws, and one
        of the prior: with the shift d that a refit to a resample brings, it is Var(g + d), where g is the draw of
        the same resample. The panels' noise in d is known from the plain draws and taken off.
        """
        means = ratio(self.total, self.known)
        if refitted:
            at = [self.names.index(name) for name in refitted[0].names]
            shift = np.stack([ratio(r.total[:, 0], r.known[:, 0]) for r in refitted], axis=1)
            galaxies = means[at, 1 : 1 + len(refitted)]
            noise = np.var(np.array(self.plain)[:, at], axis=0, ddof=1) / REFIT_DRAWS
            more = (galaxies + shift).var(axis=1, ddof=1) - galaxies.var(axis=1, ddof=1) - noise
            wider = np.ones(len(means))
            wider[at] = np.sqrt(np.maximum(1 + np.nan_to_num(ratio(more, means[at, 1:].var(axis=1))), 1.0))
            centre = means[:, 1:].mean(axis=1, keepdims=True)
            means[:, 1:] = centre + wider[:, None] * (means[:, 1:] - centre)
        return dict(zip(self.names, means))

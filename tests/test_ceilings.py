from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from galaxy_zoo_decals import drawn_votes, views
from galaxy_zoo_decals.predictions import Predictions
from galaxy_zoo_decals.schema import GZ2, GZD5, TREES, Tree
from galaxy_zoo_decals.scoring import Truth, ceilings, references, score
from galaxy_zoo_decals.scoring.priors import Prior, fit

SKY = {
    "smooth-or-featured": [3.0, 2.0, 0.15],
    "disk-edge-on": [0.3, 1.2],
    "has-spiral-arms": [1.0, 0.8],
    "how-rounded": [1.5, 1.5, 0.5],
    "merging": [6.0, 0.8, 0.5, 0.7],
}


def sky(galaxies: int, seed: int, tree: Tree = GZD5) -> np.ndarray:
    """Known probabilities of some galaxies, (galaxies, answers)."""
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.dirichlet(SKY.get(q.name, [1.0] * len(q.answers)), galaxies) for q in tree.questions])


def truth_of(votes: np.ndarray, tree: Tree = GZD5) -> Truth:
    return Truth("sky", "Sky", tree, "c", "s", tuple(f"G{i:05d}" for i in range(len(votes))), votes)


@pytest.mark.parametrize("tree", TREES.values(), ids=list(TREES))
def test_a_panel_votes_down_the_tree(tree: Tree) -> None:
    rng = np.random.default_rng(0)
    p = np.tile(sky(1, 4, tree), (20_000, 1))
    votes = drawn_votes.draw(tree, p, np.full(len(p), 40), rng)
    total = views.totals(tree, votes)
    for i, q in enumerate(tree.questions):
        expected = sum(votes[:, tree.answer_index[parent]] for parent in q.parents) if q.parents else 40
        assert (total[:, i] == expected).all()
    # On average a question is reached by its relevance, and answered by its probabilities.
    np.testing.assert_allclose(total.mean(axis=0) / 40, views.relevance(tree, p[:1])[0], atol=0.01)
    assert np.abs(votes[:, :3].mean(axis=0) / 40 - p[0, :3]).max() < 0.005


def test_counts_made_of_counts_are_the_same_counts() -> None:
    rng = np.random.default_rng(1)
    votes = drawn_votes.draw(GZ2, sky(300, 2, GZ2), np.full(300, 40), rng)
    again = drawn_votes.recount(GZ2, views.fractions(GZ2, votes), np.full(300, 40))
    np.testing.assert_array_equal(again, votes)
    half = drawn_votes.recount(GZ2, views.fractions(GZ2, votes), np.full(300, 20))
    assert (views.totals(GZ2, half)[:, 0] == 20).all()
    first = GZ2.slices["smooth-or-featured"]
    assert np.abs(half[:, first] - votes[:, first] / 2).max() <= 0.5


def test_the_prior_is_recovered_from_few_votes() -> None:
    rng = np.random.default_rng(3)
    p = rng.dirichlet([2.0, 1.0, 0.3], 6000)
    votes = np.array([rng.multinomial(5, row) for row in p])
    prior = fit(votes)
    assert len(prior.weights) == 1
    np.testing.assert_allclose(prior.alphas[0], [2.0, 1.0, 0.3], rtol=0.15)
    one = fit(votes[:50], start=prior)
    assert len(one.weights) == 1 and np.isfinite(one.alphas).all()


def test_two_kinds_of_galaxies_are_two_components() -> None:
    rng = np.random.default_rng(4)
    p = np.concatenate([rng.dirichlet([20.0, 2.0], 1500), rng.dirichlet([2.0, 10.0], 500)])
    prior = fit(np.array([rng.multinomial(40, row) for row in p]))
    assert len(prior.weights) == 2
    order = np.argsort(prior.weights)
    np.testing.assert_allclose(prior.weights[order], [0.25, 0.75], atol=0.04)
    means = prior.alphas / prior.alphas.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(means[order, 0], [2 / 12, 20 / 22], atol=0.03)


def test_posterior_draws_have_the_posteriors_moments() -> None:
    rng = np.random.default_rng(5)
    prior = Prior(np.array([0.3, 0.7]), np.array([[1.0, 4.0], [6.0, 2.0]]))
    votes = np.tile([[7, 3]], (40_000, 1))
    drawn = prior.draw_posterior(votes, rng)
    likelihood = prior.weights * np.exp(
        [stats.betabinom.logpmf(7, 10, a, b) for a, b in prior.alphas]
    )  # the binomial coefficient is the same for both
    share = likelihood / likelihood.sum()
    mean = share @ [(a + 7) / (a + b + 10) for a, b in prior.alphas]
    second = share @ [stats.beta(a + 7, b + 3).moment(2) for a, b in prior.alphas]
    assert drawn[:, 0].mean() == pytest.approx(mean, abs=0.003)
    assert drawn[:, 0].var() == pytest.approx(second - mean**2, rel=0.03)
    assert drawn.sum(axis=1) == pytest.approx(1)


def test_questions_nobody_answered_and_answers_nobody_gave_are_no_trouble() -> None:
    flat = fit(np.zeros((10, 3), int))
    np.testing.assert_allclose(flat.mean, 1 / 3)
    never = fit(np.array([[5, 5, 0], [9, 1, 0], [3, 7, 0]]))
    drawn = never.draw_posterior(np.zeros((1000, 3), int), np.random.default_rng(0))
    assert np.isfinite(drawn).all() and drawn[:, 2].mean() < 0.01


@pytest.fixture(scope="module")
def known() -> tuple[np.ndarray, Truth]:
    p = sky(1200, 6)
    return p, truth_of(drawn_votes.draw(GZD5, p, np.full(1200, 40), np.random.default_rng(7)))


def test_the_ceiling_is_what_the_known_truth_scores(known: tuple[np.ndarray, Truth]) -> None:
    p, truth = known
    found = ceilings.ceilings(truth, draws=16, volunteers=(10,))
    exact = ceilings.visible_truth(truth, p, draws=16)
    for board, name, tolerance in (
        ("multiclass", "accuracy", 0.012),
        ("multilabel", "macro_f1", 0.015),
        ("hierarchical", "exact_path", 0.015),
        ("votes", "mae", 0.003),
        ("votes", "nll", 0.25),
    ):
        ceiling = found[board][ceilings.CEILING].metrics[name]
        expected = exact[board].metrics[name].value
        assert ceiling.value == pytest.approx(expected, abs=tolerance), (board, name)
    # Ten volunteers are worth ten volunteers, and less than the oracle.
    ten = found["votes"]["10 volunteers"].metrics
    assert ten["equivalent_volunteers"].value == pytest.approx(10, rel=0.12)
    assert ten["nll"].value > found["votes"][ceilings.CEILING].metrics["nll"].value
    names = [row["name"] for row in found["multiclass"][ceilings.CEILING].rows]
    assert names == ["elliptical", "spiral", "lenticular", "irregular"]


def test_the_posterior_mean_is_no_ceiling() -> None:
    # The easier wrong way: with five votes the mean of the posterior knows much less than the fractions drawn.
    p = sky(1500, 9)
    rng = np.random.default_rng(10)
    truth = truth_of(drawn_votes.draw(GZD5, p, np.full(1500, 5), rng))
    first = GZD5.slices["smooth-or-featured"]
    prior = fit(truth.votes[:, first], components=1)
    drawn = prior.draw_posterior(truth.votes[:, first], rng)
    fresh = np.array([rng.multinomial(5, row) for row in drawn]).argmax(axis=1)
    mean = (truth.votes[:, first] + prior.alphas[0]).argmax(axis=1)
    right = [(guess == fresh).mean() for guess in (mean, drawn.argmax(axis=1))]
    exact = np.array([rng.multinomial(5, row) for row in p[:, first]]).argmax(axis=1)
    known = (p[:, first].argmax(axis=1) == exact).mean()
    assert right[1] == pytest.approx(known, abs=0.03)
    assert right[0] < known - 0.03


def test_the_check_of_the_prior_passes_where_it_fits(known: tuple[np.ndarray, Truth]) -> None:
    rows = ceilings.goodness(known[1], draws=40)
    p = [row["p"] for row in rows if row["n"] > 300]
    assert len(p) >= 5
    assert min(p) > 0 and max(p) < 1


def test_the_ceilings_are_repeatable_and_ready_for_json(known: tuple[np.ndarray, Truth]) -> None:
    small = truth_of(known[1].votes[:150])
    first, second = (ceilings.ceilings(small, draws=2, volunteers=()) for _ in range(2))
    assert ceilings.to_json(first) == ceilings.to_json(second)
    assert ceilings.to_json(first)["votes"][ceilings.CEILING]["metrics"]["equivalent_volunteers"]["value"] is None


def test_the_ceilings_interval_is_that_of_the_estimate(known: tuple[np.ndarray, Truth]) -> None:
    # Panels' noise averages out: an oracle's interval is narrower than that of one entry, scored on one panel.
    p, truth = known
    small = truth.take(np.arange(300))
    ceiling = ceilings.ceilings(small, draws=10, volunteers=())["multiclass"][ceilings.CEILING]
    entry = score(small, Predictions("votes", "sky", "c", "s", 0, small.names, p[:300] * 1e3 + 1e-3))["multiclass"]
    width = {e: e.high - e.low for e in (ceiling.metrics["accuracy"], entry.metrics["accuracy"])}
    assert 0 < width[ceiling.metrics["accuracy"]] < 0.7 * width[entry.metrics["accuracy"]]
    assert ceiling.draws["accuracy"].shape == (ceilings.RESAMPLES,)
    row = ceiling.rows[1]
    assert row["f1_low"] < row["f1"] < row["f1_high"]


def test_skill_is_0_for_the_prior_and_1_for_the_oracle(known: tuple[np.ndarray, Truth]) -> None:
    p, truth = known
    found = ceilings.ceilings(truth, draws=8, volunteers=())
    prior = references(truth)
    for board, low, high in (("votes", 0.95, 1.05), ("multiclass", 0.9, 1.1)):
        base = prior[board]["class prior"]
        nothing = ceilings.skills({board: base}, truth, found)[board]
        assert (nothing.value, nothing.low, nothing.high) == (0, 0, 0)
        oracle = Predictions("votes", "sky", "c", "s", 0, truth.names, np.maximum(p, 1e-9) * ceilings.SURE)
        e = ceilings.skills(score(truth, oracle), truth, found)[board]
        assert low < e.value < high and e.low < e.value < e.high
        half = Predictions("votes", "sky", "c", "s", 0, truth.names, (p + p.mean(axis=0)) * 5)
        assert 0.1 < ceilings.skills(score(truth, half), truth, found)[board].value < 0.97
    by_hand = ceilings.skill((0.7, np.array([0.7, 0.6])), (0.5, np.array([0.5, 0.5])), (0.9, np.array([0.9, 0.7])))
    assert by_hand.value == pytest.approx(0.5)
    assert (by_hand.low, by_hand.high) == pytest.approx((0.5, 0.5))

"""The scorer keeps its digits: a small case of every check of the campaign, and properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.schema import GZD5
from galaxy_zoo_decals.scoring import Truth
from galaxy_zoo_decals.scoring.calibration import Counted, interval_coverage
from galaxy_zoo_decals.scoring.likelihood import dirichlet_multinomial_nll
from tests.campaigns.numerics import CHECKS, Check, exact_nll, likelihood_error, scipys_nll

MERGING = GZD5.slices["merging"]


@pytest.mark.campaign
@pytest.mark.parametrize("check", CHECKS, ids=[check.name for check in CHECKS])
def test_every_place_keeps_its_digits(check: Check) -> None:
    assert check.worst(np.random.default_rng(2), 300) <= check.allowed


@pytest.mark.campaign
def test_the_check_of_the_likelihood_sees_lost_digits() -> None:
    assert likelihood_error(scipys_nll, np.random.default_rng(2), 300, 1e-3, 1e20) > 1


@settings(max_examples=200, deadline=None)
@given(
    votes=st.lists(st.integers(0, 40), min_size=4, max_size=4),
    powers=st.lists(st.floats(-3, 37), min_size=4, max_size=4),
)
def test_the_likelihood_is_the_exact_one(votes: list[int], powers: list[float]) -> None:
    k, alpha = np.zeros((1, 34), int), np.ones((1, 34))
    k[0, MERGING], alpha[0, MERGING] = votes, [10.0**power for power in powers]
    found = dirichlet_multinomial_nll(GZD5, k, alpha)[0].sum()
    assert found == pytest.approx(exact_nll(k[0, MERGING], alpha[0, MERGING]), rel=1e-13, abs=1e-13)


@pytest.mark.parametrize("scale", [1e15, 1e20, 1e37])
def test_whoever_inflates_concentrations_is_scored_as_sure(scale: float) -> None:
    truth = Truth.of(Edition.open("sample"))
    alpha = np.random.default_rng(0).dirichlet(np.ones(34), len(truth.names)) + 1e-3
    found = dirichlet_multinomial_nll(GZD5, truth.votes, alpha * scale)
    for i, q in enumerate(GZD5.questions):
        k, a = (part[:, GZD5.slices[q.name]] for part in (truth.votes, alpha))
        sure = -stats.multinomial.logpmf(k, k.sum(axis=1), a / a.sum(axis=1, keepdims=True))
        np.testing.assert_allclose(found[:, i], sure, rtol=1e-9, atol=1e-9)
    assert (found.sum(axis=1) >= truth.least_nll - 1e-9).all(), "no prediction beats the votes' own fractions"


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_galaxys_likelihood_does_not_hang_on_the_others(seed: int) -> None:
    rng = np.random.default_rng(seed)
    votes, alpha = rng.integers(0, 12, (9, 34)), rng.gamma(1, 5, (9, 34)) + 1e-3
    together = dirichlet_multinomial_nll(GZD5, votes, alpha)
    alone = [dirichlet_multinomial_nll(GZD5, votes[[i]], alpha[[i]])[0] for i in range(9)]
    np.testing.assert_array_equal(together, alone)


def test_a_count_of_no_weight_between_two_sure_ends_lies_inside_the_interval() -> None:
    # Concentrations of 1e-30: all say yes or all say no, a half each; of three votes one "yes" has next to no chance.
    votes, alpha = np.zeros((1, 34), np.int64), np.full((1, 34), 1e-30)
    votes[0, GZD5.slices["disk-edge-on"]] = [1, 2]
    covered = interval_coverage(GZD5, Counted.of(GZD5, votes), alpha, (0.5, 0.9))
    assert covered[0] == pytest.approx([1, 1])

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from galaxy_zoo_decals import drawn_votes, views
from galaxy_zoo_decals.edition import Terms
from galaxy_zoo_decals.predictions import Predictions
from galaxy_zoo_decals.schema import GZD5
from galaxy_zoo_decals.scoring import BOARDS, calibration, results, score
from galaxy_zoo_decals.scoring.bootstrap import interval, shared
from galaxy_zoo_decals.scoring.truth import STRATUM_DRAWS
from tests.test_ceilings import sky, truth_of


def test_reliability_bins_hold_equal_numbers() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.3, 1, 1503)
    right = rng.random(1503) < confidence
    rows = calibration.reliability(confidence, right)
    assert [row["n"] for row in rows] == [101] * 3 + [100] * 12
    assert sum(row["n"] * row["accuracy"] for row in rows) == pytest.approx(right.sum())
    assert all(abs(row["accuracy"] - row["confidence"]) < 4 * row["error"] + 0.01 for row in rows)


def test_risk_coverage_holds_the_students_rule() -> None:
    confidence = np.array([0.35, 0.55, 0.65, 0.85, 0.99])
    right = np.array([False, False, True, False, True])
    rows = {row["threshold"]: row for row in calibration.risk_coverage(confidence, right)}
    assert rows[0.6]["coverage"] == 3 / 5 and rows[0.6]["accuracy"] == pytest.approx(2 / 3)
    assert rows[0.0]["coverage"] == 1
    assert rows[0.95]["accuracy"] == 1


@pytest.mark.parametrize("totals", [range(1, 60), [5, 40]])  # mixed in one part, and enough of each for its own
def test_the_beta_binomial_is_scipys(totals: Sequence[int]) -> None:
    rng = np.random.default_rng(1)
    n = rng.choice(totals, 3000)
    k, a, b = rng.integers(0, n + 1), rng.gamma(1, 5, 3000) + 0.05, rng.gamma(1, 5, 3000) + 0.05
    order = np.lexsort((k, n))
    k, n = k[order], n[order]
    below, mass = calibration.beta_binomial_cdf(k, n, a, b)
    np.testing.assert_allclose(below, stats.betabinom.cdf(k - 1, n, a, b), atol=1e-9)
    np.testing.assert_allclose(mass, stats.betabinom.pmf(k, n, a, b), atol=1e-9)


def test_the_beta_binomial_holds_at_the_ends_of_float32() -> None:
    # Probabilities of counts that differ by more than float64 holds; n = 3, where they can be written down.
    for a, b, expected in (
        (1e38, 1e-38, [0, 0, 0, 1]), (1e-38, 1e38, [1, 1, 1, 1]), (1e-30, 1e-30, [0.5, 0.5, 0.5, 1]),
        (1e30, 1e30, [0.125, 0.5, 0.875, 1]),
    ):  # fmt: skip
        k = np.arange(4)
        below, mass = calibration.beta_binomial_cdf(k, np.full(4, 3), np.full(4, a), np.full(4, b))
        np.testing.assert_allclose(below + mass, expected, atol=1e-12)
        np.testing.assert_allclose(below, [0, *expected[:-1]], atol=1e-12)
    n = np.full(81, 80)
    below, mass = calibration.beta_binomial_cdf(np.arange(81), n, np.full(81, 1e12), np.full(81, 1e-3))
    assert mass.sum() == pytest.approx(1) and (np.diff(below) >= 0).all()


def test_strata_are_scores_of_their_own_galaxies() -> None:
    rng = np.random.default_rng(6)
    p = sky(800, 5)
    truth = truth_of(drawn_votes.draw(GZD5, p, np.full(800, 40), rng))
    size = rng.permutation(800).astype(float)
    truth = replace(truth, properties={"petro_th50": size})
    said = views.fractions(GZD5, p + rng.gamma(0.5, 0.1, p.shape))
    given = Predictions("votes", "sky", "c", "s", 0, truth.names, said * 20)
    values = results.board_values(GZD5, given)
    for board, result in score(truth, given).items():
        for quarter, row in enumerate(result.curves["strata"]):
            rows = np.flatnonzero(size // 200 == quarter)
            assert row["n"] == len(rows)
            weights = shared(800).take(rows, STRATUM_DRAWS)
            alone = BOARDS[board].unbiased(BOARDS[board].score(truth.take(rows), values[board][rows], weights).metrics)
            shown = [metric.name for metric in BOARDS[board].all_metrics if metric.in_quarters]
            assert shown
            for key in ("value", *shown):
                draws = alone[BOARDS[board].primary if key == "value" else key]
                assert row[key] == pytest.approx(draws[0], abs=1e-7 if key == "ece" else 1e-9, nan_ok=True)
                assert (row[f"{key}_low"], row[f"{key}_high"]) == pytest.approx(interval(draws[1:]), abs=1e-5)


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_intervals_cover_what_they_say_for_any_number_of_votes(level: float) -> None:
    rng = np.random.default_rng(2)
    alpha = rng.gamma(2.0, 2.0, (3000, 34)) + 0.2
    probabilities = np.column_stack(
        [
            rng.standard_gamma(alpha[:, GZD5.slices[q.name]]) + 1e-12
            for q in GZD5.questions
        ]
    )  # fmt: skip
    for total in (5, 40):
        votes = drawn_votes.draw(GZD5, probabilities, np.full(3000, total), rng)
        counted = calibration.Counted.of(GZD5, votes)
        covered = calibration.interval_coverage(GZD5, counted, alpha, (level,))
        assert np.nanmean(covered) == pytest.approx(level, abs=0.012)
    sure = calibration.interval_coverage(GZD5, counted, alpha * 30, (level,))
    assert np.nanmean(sure) < level - 0.05, "a model that is too sure covers less"


def test_a_model_without_doubt_that_is_right_covers_what_it_says() -> None:
    votes, alpha = np.zeros((1, 34), dtype=np.int64), np.ones((1, 34))
    first = GZD5.slices["smooth-or-featured"].start
    votes[0, first], alpha[0, first] = 5, 1e20  # beside which 1 + 1 are lost in the sum
    covered = calibration.interval_coverage(GZD5, calibration.Counted.of(GZD5, votes), alpha, (0.5, 0.9))
    assert covered[0] == pytest.approx([0.5, 0.9])


def test_the_calibration_error_is_freed_of_its_bias() -> None:
    # A calibrated model has no calibration error, but 15 bins of some galaxies each always show one.
    p = sky(900, 3)
    rng = np.random.default_rng(4)
    truth = truth_of(drawn_votes.draw(GZD5, p, np.full(900, 40), rng))
    known = truth.classes.label >= 0
    probabilities = rng.dirichlet([1.2] * 4, 900)
    label = np.array([rng.choice(4, p=row) for row in probabilities])

    class Labelled(type(truth)):  # type: ignore[misc]
        @property
        def classes(self):  # type: ignore[no-untyped-def]
            return replace(truth.classes, label=np.where(known, label, -1))

    relabelled = Labelled("sky", "Sky", GZD5, "c", "s", truth.names, truth.votes)
    given = Predictions("multiclass", "sky", "c", "s", 0, truth.names, probabilities)
    e = score(relabelled, given)["multiclass"].metrics["ece"]
    rows = calibration.reliability(
        probabilities[known].max(axis=1), probabilities[known].argmax(axis=1) == label[known]
    )
    plain = np.mean([abs(row["accuracy"] - row["confidence"]) for row in rows])
    assert plain > 0.02
    assert e.value < 0.6 * plain
    assert e.low <= 0.005


def test_scores_come_with_curves_and_strata() -> None:
    p = sky(800, 5)
    rng = np.random.default_rng(6)
    truth = truth_of(drawn_votes.draw(GZD5, p, np.full(800, 40), rng))
    size = rng.uniform(2, 12, 800)
    truth = replace(truth, properties={"petro_th50": size, "redshift": np.full(800, np.nan)})
    result = score(truth, Predictions("votes", "sky", "c", "s", 0, truth.names, p * 20 + 1e-3))
    rows = result["votes"].curves["strata"]
    assert [row["property"] for row in rows] == ["petro_th50"] * 4, "all have 40 votes, and no redshift"
    assert sum(row["n"] for row in rows) == 800
    assert all(row["value_low"] < row["value"] < row["value_high"] for row in rows)
    mean = sum(row["n"] * row["value"] for row in rows) / 800
    assert mean == pytest.approx(result["votes"].metrics["nll"].value)
    assert {"reliability", "risk_coverage", "strata", "recovery"} <= set(result["multiclass"].curves)
    assert all(row["ece_low"] <= row["ece"] <= row["ece_high"] for row in result["multiclass"].curves["strata"])
    assert result["votes"].to_json()["curves"]["strata"][0]["n"] == rows[0]["n"]


def test_errors_are_looked_at_by_the_number_of_volunteers() -> None:
    p, rng = sky(900, 7), np.random.default_rng(8)
    truth = truth_of(drawn_votes.draw(GZD5, p, np.tile([5, 12, 25, 40], 225), rng))
    rows = score(truth, Predictions("votes", "sky", "c", "s", 0, truth.names, p * 20 + 1e-3))["votes"].curves["strata"]
    assert [(row["property"], row["n"]) for row in rows] == [("volunteers", 225)] * 4
    assert rows[0]["mae"] > rows[-1]["mae"], "few votes are noisy"


def test_recovered_fractions_by_hand() -> None:
    p = sky(400, 9)
    truth = truth_of(drawn_votes.draw(GZD5, p, np.full(400, 40), np.random.default_rng(1)))
    size = np.repeat([1.0, 2.0, 3.0, 4.0], 100)
    truth = replace(truth, properties={"petro_th50": size + np.arange(400) / 1000})
    given = np.clip(p + 0.1 * (size[:, None] == 4), 0, 1)  # too much of everything among the largest
    result = score(truth, Predictions("multilabel", "sky", "c", "s", 0, truth.names, given[:, :10]))["multilabel"]
    rows = [row for row in result.curves["recovery"] if row["name"] == truth.tree.label_names[0]]
    assert [row["n"] for row in rows] == [100] * 4
    last = slice(300, 400)
    asked, labels = truth.labels_asked[last, 0], truth.labels[last, 0]
    assert rows[3]["volunteers"] == pytest.approx(labels[asked].mean())
    assert rows[3]["predicted"] == pytest.approx(given[last, 0][asked].mean())
    assert rows[3]["difference"] == pytest.approx(rows[3]["predicted"] - rows[3]["volunteers"])
    assert rows[3]["difference_low"] < rows[3]["difference"] < rows[3]["difference_high"]
    votes = score(truth, Predictions("votes", "sky", "c", "s", 0, truth.names, p * 20 + 1e-3))["votes"]
    smooth = [r for r in votes.curves["recovery"] if r["name"] == "smooth-or-featured: smooth"]
    assert all(r["difference_low"] - 0.02 < 0 < r["difference_high"] + 0.02 for r in smooth), "the truth is unbiased"


@pytest.mark.parametrize("task", ["multiclass", "multilabel", "hierarchical", "votes"])
def test_the_largest_disagreement_is_with_the_galaxy_that_was_misjudged(task: str) -> None:
    p = sky(200, 11)
    truth = truth_of(drawn_votes.draw(GZD5, p, np.full(200, 40), np.random.default_rng(2)))
    smooth = GZD5.slices["smooth-or-featured"]
    plain = np.flatnonzero((truth.fractions[:, 0] > 0.9) & (truth.classes.label == 0))[0]
    said = np.nan_to_num(truth.fractions, nan=1 / 3) * 0.9 + 0.03
    said[plain, smooth] = [0.001, 0.998, 0.001]  # a plainly smooth galaxy called featured
    values = results.fraction_values(GZD5, said / 1.0)[task] if task != "votes" else said * 20
    if task == "hierarchical":
        values = np.column_stack([said[:, GZD5.slices[q]] for q in GZD5.scored_questions])
    found = score(truth, Predictions(task, "sky", "c", "s", 0, truth.names, values))[task]
    assert found.curves["disagreement"][0] == {"iauname": truth.names[plain]}
    assert len(found.curves["disagreement"]) == results.DISAGREEMENTS


def test_of_published_likelihoods_no_score_counts_volunteers() -> None:
    p = sky(400, 13)
    counted = truth_of(drawn_votes.draw(GZD5, p, np.full(400, 40), np.random.default_rng(3)))
    published = replace(counted, terms=Terms(truth="likelihoods"))
    given = Predictions("votes", "sky", "c", "s", 0, counted.names, np.nan_to_num(p) * 20 + 1e-6)
    votes, likelihoods = score(counted, given), score(published, given)
    assert "equivalent_volunteers" in votes["votes"].metrics and "volunteers" in votes["votes"].report()
    for board, result in likelihoods.items():
        assert "volunteer" not in json.dumps(result.to_json()) + result.report(), board
        # Nothing else is another number than it was.
        assert result.metrics == {k: v for k, v in votes[board].metrics.items() if k != "equivalent_volunteers"}
        assert result.draws.keys() == result.metrics.keys()
    assert votes["votes"].report().startswith("Votes on") and likelihoods["votes"].report().startswith("Likelihoods on")

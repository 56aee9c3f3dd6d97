from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hiclass import metrics as hiclass
from scipy import stats
from sklearn import metrics as sk

from galaxy_zoo_decals import predictions as files
from galaxy_zoo_decals import views
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.predictions import PredictionError, Predictions
from galaxy_zoo_decals.schema import CLASSES, GZ2, GZD5, TREES, VIEWS, Tree
from galaxy_zoo_decals.scoring import BOARDS, Result, Truth, references, score
from galaxy_zoo_decals.scoring.average_precision import ranked_precision, running, thresholds
from galaxy_zoo_decals.scoring.boards import Metric
from galaxy_zoo_decals.scoring.boards.hierarchical import HIERARCHICAL, path_sets, valid_paths
from galaxy_zoo_decals.scoring.boards.multiclass import bin_gaps, calibration_error
from galaxy_zoo_decals.scoring.bootstrap import BLOCK, DRAWS, Patterns, Weights, plain, ratio, shared
from galaxy_zoo_decals.scoring.likelihood import dirichlet_multinomial_nll
from galaxy_zoo_decals.scoring.priors import prior_concentrations
from galaxy_zoo_decals.scoring.results import board_values
from galaxy_zoo_decals.scoring.volunteers import equivalent_volunteers, volunteer_errors
from tests.toys import draw_votes


def make_truth(tree: Tree = GZD5, galaxies: int = 400, seed: int = 0, total: int = 40) -> Truth:
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(galaxies):
        p = {q.name: rng.dirichlet([0.6] * len(q.answers)).tolist() for q in tree.questions}
        row = draw_votes(rng, tree, total, p)
        rows.append([row[c] for c in tree.answer_columns])
    names = tuple(f"G{i:05d}" for i in range(galaxies))
    return Truth("toy", "Toy", tree, "c", "s", names, np.array(rows))


@pytest.fixture(scope="module")
def truth() -> Truth:
    return make_truth(galaxies=1000)


def predict(truth: Truth, task: str, seed: int = 1) -> Predictions:
    """Predictions that know something: the truth's fractions blurred, so that scores are neither 0 nor 1."""
    rng = np.random.default_rng(seed)
    blurred = np.nan_to_num(truth.fractions, nan=0.3) + rng.gamma(0.7, 0.5, truth.fractions.shape) + 1e-3
    fractions = views.fractions(truth.tree, blurred)
    values = {
        "multiclass": lambda: views.predicted_classes(truth.tree, fractions),
        "multilabel": lambda: views.label_fractions(truth.tree, fractions),
        "hierarchical": lambda: np.column_stack(
            [fractions[:, truth.tree.slices[q]] for q in truth.tree.scored_questions]
        ),
        "votes": lambda: fractions * 20,
    }[task]()
    return Predictions(task, "toy", "c", "s", 0, truth.names, values)


def value(result: Result, name: str) -> float:
    return result.metrics[name].value


def test_multiclass_agrees_with_scikit_learn(truth: Truth) -> None:
    given = predict(truth, "multiclass")
    result = score(truth, given)["multiclass"]
    known = truth.classes.label >= 0
    label, p = truth.classes.label[known], given.values[known]
    guess = p.argmax(axis=1)
    assert len(label) < len(truth.names), "some galaxies have no class"
    assert value(result, "accuracy") == pytest.approx(sk.accuracy_score(label, guess), abs=1e-9)
    assert value(result, "macro_f1") == pytest.approx(sk.f1_score(label, guess, average="macro"), abs=1e-9)
    assert value(result, "balanced_accuracy") == pytest.approx(sk.balanced_accuracy_score(label, guess), abs=1e-9)
    assert value(result, "nll") == pytest.approx(sk.log_loss(label, p, labels=range(4)), abs=1e-9)
    one_hot = np.eye(4)[label]
    assert value(result, "brier") == pytest.approx(((p - one_hot) ** 2).sum(axis=1).mean(), abs=1e-9)
    assert result.confusions["class"].counts == tuple(map(tuple, sk.confusion_matrix(label, guess).tolist()))
    for c, row in enumerate(result.rows):
        expected = sk.precision_recall_fscore_support(label == c, guess == c, average="binary", zero_division=0)
        assert (row["precision"], row["recall"], row["f1"]) == pytest.approx(expected[:3], abs=1e-9)
    clear = truth.classes.confident[known]
    assert value(result, "clear_accuracy") == pytest.approx((label == guess)[clear].mean())
    sure = p.max(axis=1) > 0.6
    assert value(result, "covered_accuracy") == pytest.approx((label == guess)[sure].mean())
    assert value(result, "coverage") == pytest.approx(sure.mean())


def test_multilabel_agrees_with_scikit_learn_label_by_label(truth: Truth) -> None:
    given = predict(truth, "multilabel")
    result = score(truth, given)["multilabel"]
    asked, labels, p = truth.labels_asked, truth.labels, given.values
    ap, f1 = [], []
    for j in range(len(truth.tree.labels)):
        on = asked[:, j]
        if (labels[on, j]).sum() >= 20:
            ap.append(sk.average_precision_score(labels[on, j], p[on, j]))
            f1.append(sk.f1_score(labels[on, j], p[on, j] > 0.5))
    assert 5 < len(ap) <= 10
    assert value(result, "macro_map") == pytest.approx(np.mean(ap), abs=1e-9)
    assert value(result, "macro_f1") == pytest.approx(np.mean(f1), abs=1e-9)
    flat = asked.ravel()
    assert value(result, "micro_f1") == pytest.approx(
        sk.f1_score(labels.ravel()[flat], p.ravel()[flat] > 0.5), abs=1e-9
    )
    right = ((labels == (p > 0.5)) | ~asked).all(axis=1)
    assert value(result, "subset_accuracy") == pytest.approx(right[asked.any(axis=1)].mean())
    assert value(result, "hamming") == pytest.approx((labels != (p > 0.5))[asked].mean())
    # Without the mask, as in the student work, it is scikit-learn's own multilabel scoring.
    counted = (labels & asked).sum(axis=0) >= 20
    assert value(result, "macro_f1_unmasked") == pytest.approx(
        sk.f1_score(labels[:, counted], p[:, counted] > 0.5, average="macro"), abs=1e-9
    )
    assert value(result, "subset_accuracy_unmasked") == pytest.approx(sk.accuracy_score(labels, p > 0.5), abs=1e-9)
    assert value(result, "micro_f1_unmasked") == pytest.approx(sk.f1_score(labels, p > 0.5, average="micro"), abs=1e-9)


def test_fractional_truth_is_never_cut_to_integers(truth: Truth) -> None:
    # The student work's evaluation truncated fractions before comparing, so that most positives became negatives.
    fractions = views.label_fractions(truth.tree, truth.fractions)
    both = (fractions > 0.5) & (fractions < 1)
    assert both.sum() > 100 and truth.labels[both].all()


def test_tied_scores_share_one_threshold() -> None:
    label = np.array([1, 0, 1, 0, 1, 0], bool)
    p = np.array([0.9, 0.9, 0.5, 0.5, 0.5, 0.1])
    found = ranked_precision(plain(6), label, thresholds(p))[0]
    assert found == pytest.approx(sk.average_precision_score(label, p), abs=1e-12)
    w = np.array([2, 0, 1, 3, 1, 1])
    found = ranked_precision(Weights(w[:, None].astype(np.float32)), label, thresholds(p))[1]
    assert found == pytest.approx(sk.average_precision_score(label, p, sample_weight=w), abs=1e-6)


def test_blocks_of_ranks_hardly_move_a_bootstrapped_average_precision() -> None:
    rng = np.random.default_rng(8)
    label = rng.random(9000) < 0.3
    p = np.round(np.clip(0.3 * label + rng.normal(0.4, 0.2, 9000), 0, 1), 3)  # with many ties
    for scores in (p, p + rng.uniform(0, 1e-4, 9000)):
        w = rng.multinomial(9000, np.full(9000, 1 / 9000), size=20).T.astype(np.float32)
        mask = rng.random(9000) < 0.8
        found = ranked_precision(Weights(w), label, thresholds(scores), mask)
        slow = [sk.average_precision_score(label[mask], scores[mask])]
        slow += [sk.average_precision_score(label[mask], scores[mask], sample_weight=x[mask]) for x in w.T]
        assert found[0] == pytest.approx(slow[0], abs=1e-12)
        assert np.abs(found[1:] - slow[1:]).max() < 1e-4
        assert np.std(found[1:] - slow[1:]) < 0.02 * np.std(slow[1:])


def test_counting_alike_galaxies_together_is_the_plain_sum() -> None:
    rng = np.random.default_rng(4)
    weights = shared(500).take(np.arange(500), 40)
    for columns in (3, 90):  # more than the digits of one number
        few = rng.random((30, columns)) < 0.3
        flags = few[rng.integers(0, 30, 500)]
        flags[:50] = False
        whole = rng.integers(0, 6, 500) * flags.any(axis=1)
        found = weights.counts(Patterns.of(flags=flags, whole=whole))
        times = np.column_stack([np.ones(500), weights.drawn])
        np.testing.assert_array_equal(found["flags"], times.T @ flags)
        np.testing.assert_array_equal(found["whole"], times.T @ whole)
        summed = weights.sums(flags=flags.astype(float), whole=whole)
        np.testing.assert_allclose(summed["flags"], found["flags"], rtol=1e-5, atol=1e-4)
    assert (weights.counts(Patterns.of(none=np.zeros((500, 2), bool)))["none"] == 0).all()


def test_sums_in_parts_are_the_plain_sums() -> None:
    rng = np.random.default_rng(12)
    n = 2 * BLOCK + 77
    weights = shared(n).take(np.arange(n), 60)
    wide, narrow = rng.normal(5, 1, (n, 3)), rng.exponential(1, n)
    times = np.column_stack([np.ones(n), weights.drawn])
    found = weights.sums(wide=wide, narrow=narrow)
    np.testing.assert_allclose(found["wide"], times.T @ wide, rtol=1e-7)
    np.testing.assert_allclose(found["narrow"], times.T @ narrow, rtol=1e-6)
    np.testing.assert_allclose(found["wide"][0], wide.sum(axis=0), rtol=1e-14)
    group = rng.integers(-1, 5, n)
    for g in range(5):
        np.testing.assert_array_equal(weights.grouped(group, 5)[g], weights.drawn[group == g].sum(axis=0))


@pytest.mark.parametrize("length", [1, 2, 3, 9, 50])
def test_running_sums_are_cumulative_sums(length: int) -> None:
    counts = np.random.default_rng(length).integers(0, 9, (length, 2, 7)).astype(np.uint16)
    np.testing.assert_array_equal(running(counts), np.cumsum(counts, axis=0))


def test_patterns_of_some_galaxies_are_theirs(truth: Truth) -> None:
    rows = np.random.default_rng(1).permutation(len(truth.names))[:300]
    columns = HIERARCHICAL.columns(truth, truth.fractions)
    part = HIERARCHICAL.columns(truth.take(rows), truth.fractions[rows])
    weights = shared(len(truth.names)).take(rows, 30)
    whole, alone = weights.counts(columns.take(rows).counts), weights.counts(part.counts)
    for name, sums in whole.items():
        np.testing.assert_array_equal(sums, alone[name])


def slow_path(tree: Tree, row: np.ndarray) -> set[tuple[str, str]]:
    """The set of (question, answer) of one galaxy, followed by hand."""

    def best(question: str) -> str | None:
        part = row[tree.slices[question]]
        return None if np.isnan(part).any() else tree.question(question).answers[int(np.argmax(part))]

    first, last = tree.scored_questions[0], tree.scored_questions[-1]
    found: list[tuple[str, str | None]] = [(first, best(first))]
    if found[0][1] == "smooth":
        found.append(("how-rounded", best("how-rounded")))
    if found[0][1] == "featured-or-disk":
        found.append(("disk-edge-on", best("disk-edge-on")))
        if found[-1][1] == "no":
            found.append(("has-spiral-arms", best("has-spiral-arms")))
    if found[0][1] != "artifact":
        found.append((last, best(last)))
    return {(q, a) for q, a in found if a is not None}


@pytest.mark.parametrize("tree", TREES.values(), ids=list(TREES))
def test_hierarchical_scores_agree_with_a_walk_down_the_tree(tree: Tree) -> None:
    truth = make_truth(tree, 300, seed=3)
    given = predict(truth, "hierarchical")
    result = score(truth, given)["hierarchical"]
    fractions = np.full(truth.fractions.shape, np.nan)
    for q, group in zip(tree.scored_questions, files.groups("hierarchical", tree)):
        fractions[:, tree.slices[q]] = given.values[:, group]
    pairs = [(slow_path(tree, t), slow_path(tree, p)) for t, p in zip(truth.fractions, fractions)]
    # A question on the true path that nobody answered is unknown and leaves the predicted path too.
    clean = []
    for (true, guess), t in zip(pairs, truth.fractions):
        full = slow_path(tree, np.nan_to_num(t, nan=0.5))
        unknown = {q for q, _ in full} - {q for q, _ in true}
        clean.append((true, {(q, a) for q, a in guess if q not in unknown}))
    common, guessed, wanted = (sum(f(t, g) for t, g in clean) for f in (
        lambda t, g: len(t & g), lambda t, g: len(g), lambda t, g: len(t)
    ))  # fmt: skip
    assert value(result, "hierarchical_precision") == pytest.approx(common / guessed, abs=1e-9)
    assert value(result, "hierarchical_recall") == pytest.approx(common / wanted, abs=1e-9)
    assert value(result, "hierarchical_f1") == pytest.approx(2 * common / (guessed + wanted), abs=1e-9)
    assert value(result, "exact_path") == pytest.approx(np.mean([t == g for t, g in clean]))
    assert value(result, "consistency") == 1
    for row in result.rows:
        q = row["name"]
        on = [(t, g, p) for (t, g), p in zip(clean, fractions) if q in {name for name, _ in t}]
        assert row["n"] == len(on)
        answers = [dict(t)[q] for t, _, _ in on]
        conditional = [tree.question(q).answers[int(np.argmax(p[tree.slices[q]]))] for _, _, p in on]
        assert row["conditional_accuracy"] == pytest.approx(np.mean([a == b for a, b in zip(answers, conditional)]))
        end = [dict(g).get(q) for _, g, _ in on]
        assert row["end_to_end_accuracy"] == pytest.approx(np.mean([a == b for a, b in zip(answers, end)]))


@pytest.mark.parametrize("tree", TREES.values(), ids=list(TREES))
def test_hierarchical_precision_recall_and_f1_agree_with_hiclass(tree: Tree) -> None:
    truth = make_truth(tree, 400, seed=11)
    answered = ~np.isnan(truth.fractions[:, [tree.slices[q].start for q in tree.scored_questions]]).any(axis=1)
    truth = truth.take(np.flatnonzero(answered))  # hiclass knows no unanswered question
    result = score(truth, predict(truth, "hierarchical"))["hierarchical"]
    fractions = np.full(truth.fractions.shape, np.nan)
    for q, group in zip(tree.scored_questions, files.groups("hierarchical", tree)):
        fractions[:, tree.slices[q]] = predict(truth, "hierarchical").values[:, group]
    true, guess = ([sorted(slow_path(tree, row)) for row in rows] for rows in (truth.fractions, fractions))
    # A level a scored question; "" where a path does not come to it.
    levels = [
        np.array([[f"{q}={dict(path)[q]}" if q in dict(path) else "" for q in tree.scored_questions] for path in paths])
        for paths in (true, guess)
    ]
    for name, other in (("precision", hiclass.precision), ("recall", hiclass.recall), ("f1", hiclass.f1)):
        assert value(result, f"hierarchical_{name}") == pytest.approx(other(*levels), abs=1e-9)


def test_the_bootstraps_interval_agrees_with_scipys(truth: Truth) -> None:
    given = predict(truth, "multiclass")
    e = score(truth, given)["multiclass"].metrics["accuracy"]
    known = truth.classes.label >= 0
    right = (given.values.argmax(axis=1) == truth.classes.label)[known].astype(float)
    other = stats.bootstrap((right,), np.mean, n_resamples=4000, method="percentile", rng=1).confidence_interval
    assert (e.low, e.high) == pytest.approx((other.low, other.high), abs=0.1 * (e.high - e.low))
    assert e.high - e.low == pytest.approx(other.high - other.low, rel=0.08)


def test_galaxies_of_one_vote_are_scored() -> None:
    truth = make_truth(GZD5, 300, total=1)
    assert (truth.totals.max(axis=1) == 1).all()
    results = score(truth, predict(truth, "votes"))
    assert np.isnan(value(results["votes"], "equivalent_volunteers")), "one vote says nothing of its own noise"
    assert 0 < value(results["votes"], "nll") < 10
    assert np.isnan(value(results["votes"], "mae")), "asked are questions with three votes at least"
    assert 0 < value(results["hierarchical"], "hierarchical_f1") < 1
    for result in results.values():
        assert "nan" in result.report() or result.board != "votes"


def test_the_report_names_every_row_and_those_left_out(truth: Truth) -> None:
    for result in score(truth, predict(truth, "votes")).values():
        text = result.report()
        assert all(row["name"] in text for row in result.rows)
        assert text.count("too few") == sum(not row["counted"] for row in result.rows)


def test_sets_that_are_no_path_are_found() -> None:
    tree = GZD5
    truth = make_truth(tree, 50)
    sets = path_sets(tree, truth.fractions)
    complete = ~np.isnan(truth.fractions).any(axis=1)
    assert valid_paths(tree, sets)[complete].all()
    broken = sets.copy()
    broken[:, tree.answer_index["how-rounded", "round"]] ^= True
    assert not valid_paths(tree, broken).any()
    assert not valid_paths(tree, np.zeros_like(sets)).any(), "the root has an answer"


def test_the_likelihood_agrees_with_scipy_and_is_zero_without_votes(truth: Truth) -> None:
    given = predict(truth, "votes").values
    found = dirichlet_multinomial_nll(GZD5, truth.votes, given)
    for i, q in enumerate(GZD5.questions):
        k, alpha = truth.votes[:, GZD5.slices[q.name]], given[:, GZD5.slices[q.name]]
        n = k.sum(axis=1)
        expected = -stats.dirichlet_multinomial.logpmf(k, alpha, n)
        np.testing.assert_allclose(found[:, i], expected, atol=1e-9)
        assert (found[n == 0, i] == 0).all()
    assert (truth.totals == 0).any()


def test_two_answers_are_a_beta_binomial() -> None:
    k, alpha = np.zeros((1, 34), int), np.ones((1, 34))
    k[0, GZD5.slices["disk-edge-on"]] = [3, 7]
    alpha[0, GZD5.slices["disk-edge-on"]] = [2.5, 4.0]
    found = dirichlet_multinomial_nll(GZD5, k, alpha)[0]
    assert found[1] == pytest.approx(-stats.betabinom.logpmf(3, 10, 2.5, 4.0), abs=1e-12)
    assert found.sum() == found[1]


def test_equivalent_volunteers_of_k_volunteers_is_k() -> None:
    # Galaxies of known probabilities; the "model" is the fraction of k other volunteers, whose error is V / k.
    rng = np.random.default_rng(0)
    p = rng.dirichlet([2.0, 2.0, 0.5], 20_000)
    votes = np.array([rng.multinomial(40, row) for row in p])
    for k in (5, 10):
        model = np.array([rng.multinomial(k, row) for row in p]) / k
        variance, error = (v.sum() for v in volunteer_errors(votes, model))
        assert equivalent_volunteers(variance, error) == pytest.approx(k, rel=0.03)
        assert variance / len(p) == pytest.approx((p * (1 - p)).sum(axis=1).mean(), rel=0.02)
    exact = equivalent_volunteers(*(v.sum() for v in volunteer_errors(votes, votes / 40)))
    assert np.isnan(exact), "a model that copies the votes has no measurable error"
    few = volunteer_errors(np.array([[1, 0, 0], [0, 0, 0]]), np.full((2, 3), 1 / 3))
    assert (np.array(few) == 0).all(), "one vote says nothing of its own noise"


def test_table_1_rules_by_hand() -> None:
    votes = np.zeros((60, 34), int)
    smooth, featured, artifact = range(3)
    votes[:, featured], votes[:, smooth] = 30, 10
    votes[:20, featured], votes[:20, artifact] = 19, 11  # 19 of 40 were asked: edge-on does not count
    edge_on = GZD5.slices["disk-edge-on"]
    votes[:, edge_on] = [[2, 17]] * 20 + [[3, 27]] * 30 + [[20, 10]] * 10
    truth = Truth("t", "t", GZD5, "c", "s", tuple(map(str, range(60))), votes)
    alpha = np.ones((60, 34))
    alpha[:, edge_on] = [1, 9]
    row = score(truth, Predictions("votes", "t", "c", "s", 0, truth.names, alpha))["votes"].rows[1]
    assert (row["name"], row["n"], row["n_confident"]) == ("disk-edge-on", 40, 30)
    assert row["accuracy"] == pytest.approx(30 / 40)
    assert row["accuracy_confident"] == 1
    assert row["f1"] == pytest.approx(30 / 40 * (2 * 30 / (2 * 30 + 10)))


def test_calibration_error_of_bins_by_hand() -> None:
    confidence = np.linspace(0.5, 0.8, 30)
    right = np.zeros(30, bool)
    right[::2] = True  # each bin of two has one right and one wrong
    gaps = [abs(0.5 - confidence[i : i + 2].mean()) for i in range(0, 30, 2)]
    summed = bin_gaps(confidence, right).sum(axis=0, keepdims=True)
    assert calibration_error(summed, np.array([30]))[0] == pytest.approx(np.mean(gaps))


@pytest.mark.parametrize("task", VIEWS)
def test_the_order_of_galaxies_does_not_matter(truth: Truth, task: str) -> None:
    given = predict(truth, task)
    order = np.random.default_rng(5).permutation(len(truth.names))
    names = tuple(truth.names[i] for i in order)
    shuffled = replace(truth, names=names, votes=truth.votes[order])
    moved = replace(given, names=names, values=given.values[order])
    for board, result in score(truth, given).items():
        other = score(shuffled, moved)[board]
        for name in result.metrics:
            assert value(other, name) == pytest.approx(value(result, name), abs=2e-3 if name == "ece" else 1e-9)


@pytest.mark.parametrize("tree", TREES.values(), ids=list(TREES))
def test_a_perfect_votes_file_is_perfect_on_every_board(tree: Tree) -> None:
    truth = make_truth(tree, 250)
    alpha = np.nan_to_num(truth.fractions, nan=1 / 3) * 1e4 + 1e-3
    results = score(truth, Predictions("votes", "toy", "c", "s", 0, truth.names, alpha))
    assert set(results) == set(BOARDS)
    for name in ("hierarchical_f1", "exact_path", "consistency"):
        assert value(results["hierarchical"], name) == pytest.approx(1)
    # Ties at exactly one half are no positives; 0.5 of a blurred file may fall on either side.
    assert value(results["multilabel"], "macro_map") > 0.999
    assert value(results["votes"], "accuracy") > 0.995
    assert value(results["votes"], "mae") < 1e-3
    complete = truth.classes.undetermined == 0
    agree = results["multiclass"].confusions["class"].counts
    assert sum(agree[i][i] for i in range(4)) >= (truth.classes.label[complete] >= 0).sum()


def test_the_class_prior_is_the_known_prior(truth: Truth) -> None:
    found = references(truth)
    label = truth.classes.label[truth.classes.label >= 0]
    share = np.bincount(label, minlength=4) / len(label)
    prior = found["multiclass"]["class prior"]
    assert value(prior, "accuracy") == pytest.approx(share.max())
    assert value(prior, "nll") == pytest.approx(stats.entropy(share))
    assert value(prior, "brier") == pytest.approx(1 - (share**2).sum())
    asked, labels = truth.labels_asked, truth.labels
    prevalence = [labels[asked[:, j], j].mean() for j in range(10) if (labels & asked)[:, j].sum() >= 20]
    assert value(found["multilabel"]["class prior"], "macro_map") == pytest.approx(np.mean(prevalence))


def test_the_prior_concentrations_are_a_maximum_of_the_likelihood() -> None:
    rng = np.random.default_rng(2)
    votes = np.zeros((3000, 34), int)
    p = rng.dirichlet([2.0, 1.0, 0.3], 3000)
    votes[:, :3] = [rng.multinomial(40, row) for row in p]
    alpha = prior_concentrations(GZD5, votes)
    np.testing.assert_allclose(alpha[:3], [2.0, 1.0, 0.3], rtol=0.08)
    best = dirichlet_multinomial_nll(GZD5, votes, np.tile(alpha, (3000, 1)))[:, 0].sum()
    for i in range(3):
        for factor in (0.97, 1.03):
            moved = alpha.copy()
            moved[i] *= factor
            assert dirichlet_multinomial_nll(GZD5, votes, np.tile(moved, (3000, 1)))[:, 0].sum() > best


def test_the_bootstrap_is_a_bootstrap_and_is_shared(truth: Truth) -> None:
    w = shared(len(truth.names)).drawn
    assert w.shape == (len(truth.names), DRAWS) and (w.sum(axis=0) == len(truth.names)).all()
    given = predict(truth, "multiclass")
    result = score(truth, given)["multiclass"]
    known = truth.classes.label >= 0
    right = (given.values.argmax(axis=1) == truth.classes.label)[known]
    error = np.sqrt(right.mean() * (1 - right.mean()) / len(right))
    e = result.metrics["accuracy"]
    assert e.low < e.value < e.high
    assert (e.high - e.low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.1)
    # The slow way: repeat each galaxy as often as a draw says and score it with scikit-learn.
    label, guess = truth.classes.label[known], given.values[known].argmax(axis=1)
    for b in (0, 1, 7):
        times = w[known, b].astype(int)
        expected = sk.f1_score(np.repeat(label, times), np.repeat(guess, times), average="macro")
        assert result.draws["macro_f1"][b] == pytest.approx(expected, abs=1e-6)
    # Shared weights pair two entries: the spread of their difference is that of the paired difference.
    other = predict(truth, "multiclass", seed=9)
    difference = result.draws["accuracy"] - score(truth, other)["multiclass"].draws["accuracy"]
    gap = right.astype(float) - (other.values.argmax(axis=1) == truth.classes.label)[known]
    assert difference.std() == pytest.approx(gap.std() / np.sqrt(len(gap)), rel=0.08)


def test_rare_classes_are_listed_and_left_out_of_macro_means(truth: Truth) -> None:
    label = truth.classes.label
    rare = np.flatnonzero(label == 3)[:5]
    keep = np.sort(np.concatenate([np.flatnonzero(label != 3), rare]))
    few = replace(truth, names=tuple(truth.names[i] for i in keep), votes=truth.votes[keep])
    given = predict(few, "multiclass")
    result = score(few, given)["multiclass"]
    assert [row["counted"] for row in result.rows] == [True, True, True, False]
    assert result.rows[3]["positives"] == 5
    assert value(result, "macro_f1") == pytest.approx(np.mean([row["f1"] for row in result.rows[:3]]))


def test_nan_and_strangers_are_errors_that_name_the_galaxy(truth: Truth, tmp_path: Path) -> None:
    given = predict(truth, "votes")
    given.values[7, 3] = np.nan
    with pytest.raises(PredictionError, match=r"row 8 \(G00007\)"):
        files.write(tmp_path / "x.parquet", given, truth.tree)
    with pytest.raises(PredictionError, match="G00000"):
        score(truth, replace(predict(truth, "multiclass"), names=("stranger", *truth.names[1:])))


def test_undefined_scores_are_null_in_json() -> None:
    truth = make_truth(GZD5, 10)
    result = score(truth, predict(truth, "multiclass"))["multiclass"]
    assert np.isnan(value(result, "macro_f1")), "no class has 20 galaxies"
    assert result.to_json()["metrics"]["macro_f1"] == {"value": None, "low": None, "high": None}


@pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))
def test_every_metric_is_computed_within_its_range(truth: Truth, board: object) -> None:
    result = score(truth, predict(truth, board.task))[board.task]  # type: ignore[attr-defined]
    assert list(result.metrics) == list(board.metrics)  # type: ignore[attr-defined]
    assert board.primary in board.metrics  # type: ignore[attr-defined]
    for name, metric in board.metrics.items():  # type: ignore[attr-defined]
        v = value(result, name)
        assert metric.low is None or v >= metric.low
        assert metric.high is None or v <= metric.high
        assert metric.definition.endswith(".")
    assert all(metric.title in result.report() for metric in board.metrics.values())  # type: ignore[attr-defined]


def test_a_new_metric_is_one_object_of_its_board(truth: Truth, monkeypatch: pytest.MonkeyPatch) -> None:
    """What docs/extending.md says: score, report and evaluators print it from there."""
    share = Metric(
        "spiral_share", "Called spiral", "Share of labelled galaxies that are called spiral.",
        lambda s: ratio(s["guessed"][:, CLASSES.index("spiral")], s["n"]),
    )  # fmt: skip
    board = replace(BOARDS["multiclass"], all_metrics=(*BOARDS["multiclass"].all_metrics, share))
    monkeypatch.setitem(BOARDS, "multiclass", board)
    given = predict(truth, "multiclass")
    result = score(truth, given)["multiclass"]
    known = truth.classes.label >= 0
    expected = (given.values[known].argmax(axis=1) == CLASSES.index("spiral")).mean()
    found = result.metrics["spiral_share"]
    assert found.value == pytest.approx(expected, abs=1e-12) and found.low < expected < found.high
    assert "Called spiral" in result.report() and result.draws["spiral_share"].shape == (DRAWS,)


def test_metrics_alone_need_no_rows_and_equal_those_beside_all_others(truth: Truth) -> None:
    weights = plain(len(truth.names))
    for task, values in board_values(truth.tree, predict(truth, "votes")).items():
        columns = BOARDS[task].columns(truth, values)
        whole = BOARDS[task].scored(truth, columns, weights).metrics
        for name, value in whole.items():
            alone = BOARDS[task].scored(truth, columns, weights, {name})
            assert alone.rows == [] and list(alone.metrics) == [name]
            np.testing.assert_array_equal(alone.metrics[name], value)


def test_evaluate_metrics_say_the_same(truth: Truth) -> None:
    from galaxy_zoo_decals.scoring import evaluators

    for cls in (evaluators.Multiclass, evaluators.Multilabel, evaluators.Hierarchical, evaluators.Votes):
        given = predict(truth, cls.task)
        metric = cls("GZD5")
        half = len(truth.names) // 2
        for rows in (slice(0, half), slice(half, None)):
            metric.add_batch(predictions=given.values[rows], references=truth.votes[rows])
        found = metric.compute()
        expected = score(truth, given)[cls.task]
        assert set(found) == set(expected.metrics)
        for name in found:
            assert found[name] == pytest.approx(value(expected, name), nan_ok=True)
        assert "Walmsley" in metric.citation
    with pytest.raises(ValueError, match="34 wide"):
        evaluators.Votes().compute(predictions=[[1.0] * 5], references=[[1] * 34])
    with pytest.raises(ValueError, match="GZ2"):
        evaluators.Votes("GZ3")


def test_truth_is_the_scored_test_galaxies_in_order(toy_edition: Path) -> None:
    edition = Edition(toy_edition)
    truth = Truth.of(edition)
    table = edition.table("test")
    scored = table[table["scored"]]
    assert truth.names == tuple(scored["iauname"]) == tuple(sorted(truth.names))
    assert truth.votes[0].tolist() == [scored.iloc[0][c] for c in GZD5.answer_columns]
    assert truth.tree is not GZ2 and len(CLASSES) == 4
    np.testing.assert_array_equal(truth.classes.label, scored["label"])


def test_the_score_command_prints_and_writes(
    toy_edition: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import json

    from galaxy_zoo_decals import cli

    truth = Truth.of(Edition(toy_edition))
    given = predict(truth, "votes")
    given = replace(given, content_hash=truth.content_hash, split_hash=truth.split_hash, edition="toy")
    files.write(tmp_path / "seed0.parquet", given, truth.tree)
    arguments = ["score", str(toy_edition), str(tmp_path / "seed0.parquet"), "--json", str(tmp_path / "scores.json")]
    assert cli.main(arguments) == 0
    assert "Hierarchical F1" in capsys.readouterr().out
    assert set(json.loads((tmp_path / "scores.json").read_text())) == set(BOARDS)
    files.write(tmp_path / "other.parquet", predict(truth, "votes"), truth.tree)
    assert cli.main(["score", str(toy_edition), str(tmp_path / "other.parquet")]) == 1
    assert "another version of the edition" in capsys.readouterr().err

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from galaxy_zoo_decals import views
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.schema import GZ2, GZD5, TREES, Tree
from galaxy_zoo_decals.scoring import Truth
from galaxy_zoo_decals.scoring.boards import MULTILABEL


def votes_of(tree: Tree, **counts: dict[str, int]) -> np.ndarray:
    """One galaxy's votes, (1, answers), from question=dict(answer=count), underscores for hyphens."""
    votes = np.zeros((1, len(tree.answers)), int)
    for question, answers in counts.items():
        for answer, count in answers.items():
            votes[0, tree.answer_index[question.replace("_", "-"), answer.replace("_", "-")]] = count
    return votes


def classes(tree: Tree, **counts: dict[str, int]) -> views.Multiclass:
    return views.multiclass(tree, views.fractions(tree, votes_of(tree, **counts)))


SPIRAL = {
    "smooth_or_featured": {"smooth": 8, "featured_or_disk": 30, "artifact": 2},
    "disk_edge_on": {"yes": 3, "no": 27},
    "has_spiral_arms": {"yes": 18, "no": 9},
    "merging": {"none": 19, "minor_disturbance": 0, "major_disturbance": 9, "merger": 10},
}


def test_class_shares_by_hand() -> None:
    c = classes(GZD5, **SPIRAL)
    a, d = 2 / 40, 19 / 38
    by_hand = [
        (1 - d) * 8 / 40,
        (1 - d) * 30 / 40 * 27 / 30 * 18 / 27,
        (1 - d) * 30 / 40 * (3 / 30 + 27 / 30 * 9 / 27),
        (1 - a) * d,
    ]
    np.testing.assert_allclose(c.shares[0], by_hand)
    assert c.artifact[0] == a
    assert c.undetermined[0] == 0
    assert c.label[0] == 3
    assert c.confidence[0] == pytest.approx(0.475)
    assert not c.confident[0]


def test_gz2_irregular_is_odd_times_its_kinds() -> None:
    counts = {k: v for k, v in SPIRAL.items() if k != "merging"}
    odd = {"yes": 20, "no": 18}
    kinds = {"ring": 5, "disturbed": 6, "irregular": 4, "merger": 2, "dust_lane": 3}
    c = classes(GZ2, **counts, odd=odd, odd_feature=kinds)
    assert c.shares[0, 3] == pytest.approx(38 / 40 * 20 / 38 * 12 / 20)


def test_no_class_without_votes_on_merging() -> None:
    counts = {k: v for k, v in SPIRAL.items() if k != "merging"}
    c = classes(GZD5, **counts)
    assert c.label[0] == -1
    assert c.undetermined[0] == pytest.approx(38 / 40)


def test_an_unanswered_question_leaves_its_parents_share_undetermined() -> None:
    calm = {"none": 38}
    root = {"smooth": 12, "featured_or_disk": 28}
    c = classes(GZD5, smooth_or_featured=root, merging=calm)
    assert c.undetermined[0] == pytest.approx(0.7)
    assert c.label[0] == -1, "30 % elliptical do not beat 70 % that could be spiral"
    c = classes(GZD5, smooth_or_featured={"smooth": 28, "featured_or_disk": 12}, merging=calm)
    assert c.undetermined[0] == pytest.approx(0.3)
    assert c.label[0] == 0


def test_an_artifact_has_no_class() -> None:
    c = classes(GZD5, smooth_or_featured={"smooth": 10, "artifact": 30}, merging={"none": 10})
    assert c.label[0] == -1
    c = classes(GZD5, smooth_or_featured={"artifact": 40})
    assert c.label[0] == -1 and c.artifact[0] == 1


@pytest.mark.parametrize("tree", TREES.values(), ids=list(TREES))
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), total=st.integers(1, 80))
def test_shares_and_leaves_sum_to_one(tree: Tree, seed: int, total: int) -> None:
    from tests.toys import draw_votes

    rng = np.random.default_rng(seed)
    p = {q.name: rng.dirichlet([0.3] * len(q.answers)).tolist() for q in tree.questions}
    row = draw_votes(rng, tree, total, p)
    fractions = views.fractions(tree, np.array([[row[c] for c in tree.answer_columns]]))
    c = views.multiclass(tree, fractions)
    assert c.shares.sum() + c.artifact[0] + c.undetermined[0] == pytest.approx(1)
    # Predictions know every fraction; theirs leave nothing undetermined.
    concentrations = rng.gamma(1.0, 1.0, (5, len(tree.answers))) + 1e-3
    predicted = views.fractions(tree, concentrations)
    assert views.multiclass(tree, predicted).undetermined == pytest.approx(0)
    assert views.predicted_classes(tree, predicted).sum(axis=1) == pytest.approx(1)
    names, leaves = views.leaves(tree, predicted)
    assert len(names) == 7
    assert leaves.sum(axis=1) == pytest.approx(1)


def test_fractions_from_one_vote_upward() -> None:
    f = views.fractions(GZD5, votes_of(GZD5, smooth_or_featured={"smooth": 1}))
    assert f[0, GZD5.answer_index["smooth-or-featured", "smooth"]] == 1
    assert np.isnan(f[0, GZD5.slices["bar"]]).all()


def test_asked_needs_three_votes_and_half_of_the_first() -> None:
    totals = np.array([[40, 20, 19, 0], [5, 3, 2, 1], [7, 4, 3, 3]])
    assert views.asked(GZD5, totals).tolist() == [
        [True, True, False, False],
        [True, True, False, False],
        [True, True, False, False],
    ]


def test_relevance_multiplies_down_and_adds_up_parents() -> None:
    f = views.fractions(GZD5, votes_of(GZD5, **SPIRAL))
    r = dict(zip(GZD5.question_index, views.relevance(GZD5, f)[0]))
    assert r["smooth-or-featured"] == 1
    assert r["disk-edge-on"] == pytest.approx(30 / 40)
    assert r["has-spiral-arms"] == pytest.approx(27 / 40)
    assert r["spiral-winding"] == pytest.approx(18 / 40)
    assert r["merging"] == pytest.approx(38 / 40)


def test_relevance_is_zero_behind_an_answer_nobody_gave_and_unknown_behind_an_unasked_question() -> None:
    f = views.fractions(GZD5, votes_of(GZD5, smooth_or_featured={"smooth": 10}))
    r = dict(zip(GZD5.question_index, views.relevance(GZD5, f)[0]))
    assert r["disk-edge-on"] == r["spiral-winding"] == 0
    f = views.fractions(GZD5, votes_of(GZD5, smooth_or_featured={"featured_or_disk": 10}))
    r = dict(zip(GZD5.question_index, views.relevance(GZD5, f)[0]))
    assert r["disk-edge-on"] == 1 and np.isnan(r["bar"])


def test_the_path_follows_the_most_voted_answers() -> None:
    f = views.fractions(GZD5, votes_of(GZD5, **SPIRAL, bar={"weak": 4, "no": 3}))
    assert views.paths(GZD5, f) == [
        [
            "smooth-or-featured=featured-or-disk",
            "disk-edge-on=no",
            "has-spiral-arms=yes",
            "bar=weak",
            "merging=none",
        ]
    ]
    smooth = votes_of(
        GZD5, smooth_or_featured={"smooth": 20, "artifact": 3}, how_rounded={"round": 11, "in_between": 9}
    )
    assert views.paths(GZD5, views.fractions(GZD5, smooth)) == [["smooth-or-featured=smooth", "how-rounded=round"]]


def test_of_equal_answers_the_first_of_the_tree_wins() -> None:
    f = views.fractions(GZD5, votes_of(GZD5, smooth_or_featured={"smooth": 5, "featured_or_disk": 5}))
    assert views.top_answers(GZD5, f)[0, 0] == 0


def test_ties_are_ties_and_six_tenths_are_not_more_than_six_tenths() -> None:
    # 2/5 elliptical, 2/5 spiral, 1/5 lenticular: in floating point one of the equal shares comes out larger.
    tie = classes(
        GZD5,
        smooth_or_featured={"smooth": 10, "featured_or_disk": 15},
        disk_edge_on={"no": 15},
        has_spiral_arms={"yes": 10, "no": 5},
        merging={"none": 25},
    )
    assert tie.shares[0].tolist() == [0.4, 0.4, 0.2, 0]
    assert tie.label[0] == -1
    # 3/4 x 4/5 = 3/5 is not over 0.6.
    edge = classes(
        GZD5,
        smooth_or_featured={"smooth": 10, "featured_or_disk": 30},
        disk_edge_on={"no": 30},
        has_spiral_arms={"yes": 24, "no": 6},
        merging={"none": 40},
    )
    assert edge.confidence[0] == 0.6 and not edge.confident[0] and edge.label[0] == 1


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), total=st.integers(3, 12))
def test_labels_agree_with_exact_fractions(seed: int, total: int) -> None:
    from fractions import Fraction

    from tests.toys import draw_votes

    rng = np.random.default_rng(seed)
    row = draw_votes(rng, GZD5, total, {})
    votes = np.array([[row[c] for c in GZD5.answer_columns]])

    def f(question: str, answer: str) -> Fraction | None:
        n = row[f"{question}_total-votes"]
        return Fraction(row[f"{question}_{answer}"], n) if n else None

    zero = Fraction(0)
    a = f("smooth-or-featured", "artifact") or zero
    major, merger = f("merging", "major-disturbance"), f("merging", "merger")
    found = views.multiclass(GZD5, views.fractions(GZD5, votes))
    if major is None or merger is None:
        assert found.label[0] == -1
        return
    d = major + merger
    smooth, featured = (f("smooth-or-featured", x) or zero for x in ("smooth", "featured-or-disk"))
    rest, unknown = featured * (1 - d), zero
    spiral = lenticular = zero
    edge_on, face_on = f("disk-edge-on", "yes"), f("disk-edge-on", "no")
    if edge_on is None or face_on is None:
        unknown += rest
    else:
        lenticular += rest * edge_on
        arms, none = f("has-spiral-arms", "yes"), f("has-spiral-arms", "no")
        if arms is None or none is None:
            unknown += rest * face_on
        else:
            spiral, lenticular = rest * face_on * arms, lenticular + rest * face_on * none
    shares = [smooth * (1 - d), spiral, lenticular, (1 - a) * d]
    best, second = sorted(shares)[::-1][:2]
    expected = shares.index(best) if best > a and best > second + unknown else -1
    assert found.label[0] == expected
    assert found.confident[0] == (best > Fraction(3, 5))


def test_labels_are_those_that_the_sample_ships_and_half_of_the_votes_is_not_most_of_them() -> None:
    edition = Edition.open("sample")
    truth = Truth.of(edition)
    table = edition.table("test", ["scored", "labels"])
    shipped = np.zeros(truth.labels.shape, bool)
    for row, true in zip(shipped, table.loc[table["scored"], "labels"]):
        row[np.asarray(true, int)] = True
    halves = (views.label_fractions(truth.tree, truth.fractions) == 0.5) & truth.labels_asked
    assert halves.any(), "without an exact half this test could not tell > from >="
    np.testing.assert_array_equal(truth.labels, shipped)
    assert not truth.labels[halves].any()


def test_a_probability_of_a_half_is_a_no_wherever_labels_are_judged() -> None:
    truth = Truth.of(Edition.open("sample"))
    half = np.full(truth.labels.shape, 0.5)
    columns = MULTILABEL.columns(truth, half).counts
    assert not columns.rows[:, columns.places["guessed"]].any()
    assert not any(no[1] or yes[1] for no, yes in (c.counts for c in MULTILABEL.confusions(truth, half).values()))
    above = np.nextafter(half, 1)
    assert views.label_decisions(above).all() and not views.label_decisions(np.full(1, np.nan)).any()

from __future__ import annotations

import pytest

from galaxy_zoo_decals.schema import GZ2, GZD5, TREES, Tree


def test_the_gzd5_tree_is_the_papers() -> None:
    assert [(q.name, len(q.answers)) for q in GZD5.questions] == [
        ("smooth-or-featured", 3),
        ("disk-edge-on", 2),
        ("has-spiral-arms", 2),
        ("bar", 3),
        ("bulge-size", 5),
        ("how-rounded", 3),
        ("edge-on-bulge", 3),
        ("spiral-winding", 3),
        ("spiral-arm-count", 6),
        ("merging", 4),
    ]
    assert len(GZD5.answers) == 34
    assert GZD5.question("merging").parents == (
        ("smooth-or-featured", "smooth"),
        ("smooth-or-featured", "featured-or-disk"),
    )
    assert GZD5.label_names == (
        "smooth", "featured-or-disk", "artifact", "edge-on-yes", "edge-on-no",
        "bar-strong", "bar-weak", "bar-no", "spiral-yes", "spiral-no",
    )  # fmt: skip
    assert GZD5.vote_columns[:4] == (
        "smooth-or-featured_total-votes",
        "smooth-or-featured_smooth",
        "smooth-or-featured_featured-or-disk",
        "smooth-or-featured_artifact",
    )


def test_the_gz2_tree_is_the_challenges() -> None:
    # Answers a question, Class1 to Class11 of the Kaggle table: 37 columns.
    assert [len(q.answers) for q in GZ2.questions] == [3, 2, 2, 2, 4, 2, 3, 7, 3, 3, 6]
    assert len(GZ2.answers) == 37
    assert len(GZ2.labels) == 9


@pytest.mark.parametrize("tree", TREES.values(), ids=list(TREES))
def test_a_tree_is_consistent(tree: Tree) -> None:
    known: set[tuple[str, str]] = set()
    for i, q in enumerate(tree.questions):
        assert bool(q.parents) == (i > 0), "only the first question is asked of everyone"
        assert set(q.parents) <= known, "parents come before their children"
        known |= {(q.name, a) for a in q.answers}
    assert len(known) == len(tree.answers) == len(set(tree.answer_columns))
    used = [label.answer for label in tree.labels] + [a for group in tree.roles.disturbed for a in group]
    roles = tree.roles
    used += [
        roles.smooth,
        roles.featured,
        roles.artifact,
        roles.edge_on,
        roles.not_edge_on,
        roles.spiral,
        roles.no_spiral,
    ]
    assert set(used) <= known
    for name in tree.scored_questions:
        for parent, _ in tree.question(name).parents:
            assert parent in tree.scored_questions, "the scored questions form a tree of their own"


def test_an_unknown_question_names_the_choices() -> None:
    with pytest.raises(KeyError, match="bar"):
        GZD5.question("bars")

"""What is said of real votes: no more than the numbers support, whatever they are."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from leaderboard.files import LeaderboardError
from leaderboard.render.real_votes import MODEL, RealVotes


def one(value: float, half: float = 0.02) -> dict[str, Any]:
    return {"value": value, "low": value - half, "high": value + half}


def model(value: float, condition: str, name: str = MODEL) -> dict[str, Any]:
    return {**one(value), "name": name, "condition": condition, "spread": 0.001, "trainings": 3}


@pytest.fixture
def numbers() -> dict[str, Any]:
    """A study with round numbers: the ceiling at 0.95, the model at 0.80 and finetuned at 0.88."""
    scores = [model(0.80, "zero-shot"), model(0.82, "recalibrated"), model(0.88, "finetuned")]
    labels = [model(0.80, "zero-shot"), model(0.89, "recalibrated"), model(0.88, "finetuned")]
    rows = {"prior": one(0.68), "5 volunteers": one(0.85), "10 volunteers": one(0.88), "40 volunteers": one(0.92)}
    row = {**rows, "noise ceiling": one(0.95), "models": scores, "higher_is_better": True, "title": "Accuracy"}
    gap = {"model": MODEL, "condition": "finetuned", "board": "multiclass", "metric": "accuracy", **one(0.07, 0.03)}
    other = {"gap_plain": {**one(0.06, 0.02), "low_of_all": 0.02, "high_of_all": 0.1}}
    answered = {"name": MODEL, "condition": "finetuned", "accuracy": one(0.8), **other}
    answered["gap"] = {**one(0.15, 0.05), "low_of_all": 0.05}
    question = {"ceiling": one(0.95), "plain": one(0.94), "models": [answered]}
    titles = {"multiclass": "Four classes", "multilabel": "Labels", "hierarchical": "Decision tree", "votes": "Votes"}
    half = {"name": "half", "condition": "", "accuracy": one(0.9)}
    return {
        "tested": 660,
        "claims": 40,
        "labelled": 650,
        "halves": [half, {"name": MODEL, "condition": "finetuned", "accuracy": one(0.87)}],
        "titles": titles,
        "sample": {"galaxies": 689, "classes": {"elliptical": 462, "spiral": 47, "none": 180}},
        "boards": {
            "multiclass": {"accuracy": row, "clear_accuracy": row},
            "multilabel": {"macro_map": {**row, "models": labels, "title": "Macro mAP"}},
            "hierarchical": {"hierarchical_f1": row},
            "votes": {"equivalent_volunteers": {**row, "models": [model(6.0, "zero-shot"), model(9.0, "finetuned")]}},
        },
        "gaps": [{**gap, "low_of_all": 0.01, "high_of_all": 0.13}],
        "questions": [{"name": "four classes", **question}, {"name": "bar", **question}, {"name": "odd", **question}],
    }


def test_the_finding_is_of_the_model_that_was_told_most(numbers: dict[str, Any]) -> None:
    real = RealVotes(numbers)
    words = real.finding()
    assert words.startswith(
        "**On real votes, the Dirichlet model is significantly below the noise ceiling.** The votes"
    )
    assert (
        "known for 660 galaxies of Galaxy Zoo 2, and they give 650 of these a class. The Dirichlet model, finetuned on "
        "other galaxies of this set, predicts this class for 88.0% [86.0%, 90.0%] of the 650." in words
    )
    assert "7.0 [4.0, 10.0] points above the model. If the interval is widened so that all 40 comparisons" in words
    assert "hold at once, it is [1.0, 13.0]." in words
    assert "a prediction of the most common class is correct for 68.0%." in words
    assert "gives a ceiling of 94.0% and a gap of 6.0 [4.0, 8.0] points." in real.checks()
    assert "for 90.0% [88.0%, 92.0%] of the galaxies, the model for 87.0% [85.0%, 89.0%]." in real.checks()
    assert real.worth() == "6.0 [6.0, 6.0] zero-shot, 9.0 [9.0, 9.0] finetuned (the class prior 0.7 [0.7, 0.7])"


def test_a_model_of_the_kaggle_values_is_held_against_a_constant_answer(numbers: dict[str, Any]) -> None:
    said = RealVotes(numbers).shifted()
    assert "names the class better than a constant answer (80.0% and 68.0%)" in said
    assert said.endswith(
        "brings the accuracy to 82.0%. Finetuning does not improve every score: it lowers Macro mAP of labels."
    )
    numbers["boards"]["multiclass"]["accuracy"]["models"][0]["low"] = 0.67
    assert "names the class no better than a constant answer" in RealVotes(numbers).shifted()


@pytest.mark.parametrize(
    ("low", "low_of_all", "head"),
    [
        (
            0.01,
            -0.02,
            "**On real votes, the Dirichlet model is below the noise ceiling by the interval of this one",
        ),
        (-0.01, -0.05, "**On real votes, no significant gap to the noise ceiling is shown.**"),
    ],
)
def test_nothing_is_claimed_that_the_interval_does_not_hold(
    numbers: dict[str, Any], low: float, low_of_all: float, head: str
) -> None:
    numbers["gaps"][0] |= {"low": low, "low_of_all": low_of_all}
    assert RealVotes(numbers).finding().startswith(head)


def test_both_computations_have_to_support_it(numbers: dict[str, Any]) -> None:
    numbers["questions"] = copy.deepcopy(numbers["questions"])
    numbers["questions"][0]["models"][0]["gap_plain"]["low_of_all"] = -0.001
    assert RealVotes(numbers).head().endswith("by the interval of this one comparison alone")


def test_questions_are_named_only_where_they_are_told_apart(numbers: dict[str, Any]) -> None:
    assert [words.split(" ")[0] for words in RealVotes(numbers).furthest()] == ["odd", "bar"]
    numbers["questions"][2] = copy.deepcopy(numbers["questions"][2])
    numbers["questions"][2]["models"][0]["gap"]["low_of_all"] = -0.01
    assert [words.split(" ")[0] for words in RealVotes(numbers).furthest()] == ["bar"]


def test_the_table_goes_from_the_prior_to_the_ceiling(numbers: dict[str, Any]) -> None:
    rows = RealVotes(numbers).table()
    assert [row[0] for row in rows] == [
        "class prior", f"{MODEL}, zero-shot", f"{MODEL}, recalibrated", f"{MODEL}, finetuned", "5 volunteers",
        "10 volunteers", "40 volunteers", "noise ceiling",
    ]  # fmt: skip
    assert rows[3][1] == "0.880 [0.860, 0.900]" and rows[3][4] == "9.0 [9.0, 9.0]"


def test_a_file_that_is_something_else_is_named(tmp_path: Path, numbers: dict[str, Any]) -> None:
    path = tmp_path / "real-votes.json"
    assert RealVotes.read(path) is None
    path.write_text(json.dumps(numbers))
    assert RealVotes.read(path) == RealVotes(numbers)
    for wrong in ("{", "[]", "{}", json.dumps({**numbers, "gaps": []}), json.dumps({**numbers, "boards": {}})):
        path.write_text(wrong)
        with pytest.raises(LeaderboardError, match="not what `make campaign-real-votes` writes"):
            RealVotes.read(path)

"""What is said of real votes: no more than the numbers bear out, whatever they are."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from leaderboard.files import LeaderboardError
from leaderboard.real_votes import MODEL, RealVotes


def one(value: float, half: float = 0.02) -> dict[str, Any]:
    return {"value": value, "low": value - half, "high": value + half}


def model(value: float, condition: str, name: str = MODEL) -> dict[str, Any]:
    return {**one(value), "name": name, "condition": condition, "spread": 0.001, "trainings": 3}


@pytest.fixture
def numbers() -> dict[str, Any]:
    """A study with round numbers: the ceiling at 0.95, the model at 0.80 and finetuned at 0.88."""
    scores = [model(0.80, "zero-shot"), model(0.88, "finetuned")]
    rows = {"prior": one(0.68), "5 volunteers": one(0.85), "10 volunteers": one(0.88), "40 volunteers": one(0.92)}
    row = {**rows, "noise ceiling": one(0.95), "models": scores}
    gap = {"model": MODEL, "condition": "finetuned", "board": "multiclass", "metric": "accuracy", **one(0.07, 0.03)}
    other = {"gap_plain": {**one(0.06, 0.02), "low_of_all": 0.02, "high_of_all": 0.1}}
    question = {"ceiling": one(0.95), "plain": one(0.94), "models": [
        {"name": MODEL, "condition": "finetuned", "accuracy": one(0.8), "gap": {**one(0.15, 0.05)}, **other}
    ]}  # fmt: skip
    return {
        "tested": 660,
        "claims": 40,
        "sample": {"galaxies": 689, "classes": {"elliptical": 462, "spiral": 47, "none": 180}},
        "boards": {
            "multiclass": {"accuracy": row},
            "multilabel": {"macro_map": row},
            "hierarchical": {"hierarchical_f1": row},
            "votes": {"equivalent_volunteers": {**row, "models": [model(6.0, "zero-shot"), model(9.0, "finetuned")]}},
        },
        "gaps": [{**gap, "low_of_all": 0.01, "high_of_all": 0.13}],
        "questions": [{"name": "four classes", **question}, {"name": "bar", **question}, {"name": "odd", **question}],
    }


def test_the_finding_is_of_the_model_that_was_told_most(numbers: dict[str, Any]) -> None:
    words = RealVotes(numbers).finding()
    assert words.startswith("**On real votes the volunteers allow more.** On 660 galaxies")
    assert "finetuned on others of them, names the volunteers' class of 88.0% [86.0%, 90.0%]" in words
    assert "7.0 [4.0, 10.0] points above the model; with all 40 comparisons of the study together [1.0, 13.0]." in words
    assert words.endswith("has 94.0% and 6.0 [4.0, 8.0] points.")
    assert "67% of them are elliptical, so that the class prior alone has 68.0%" in RealVotes(numbers).caution()
    assert RealVotes(numbers).worth() == "6.0 [6.0, 6.0] zero-shot, 9.0 [9.0, 9.0] finetuned"


@pytest.mark.parametrize(
    ("low", "low_of_all", "head"),
    [
        (
            0.01,
            -0.02,
            "**On real votes the volunteers seem to allow more, by the interval of this one",
        ),
        (-0.01, -0.05, "**On real votes no room for a better model is seen.**"),
    ],
)
def test_nothing_is_claimed_that_the_interval_does_not_hold(
    numbers: dict[str, Any], low: float, low_of_all: float, head: str
) -> None:
    numbers["gaps"][0] |= {"low": low, "low_of_all": low_of_all}
    assert RealVotes(numbers).finding().startswith(head)


def test_both_computations_have_to_bear_it_out(numbers: dict[str, Any]) -> None:
    numbers["questions"] = copy.deepcopy(numbers["questions"])
    numbers["questions"][0]["models"][0]["gap_plain"]["low_of_all"] = -0.001
    assert RealVotes(numbers).head().endswith("by the interval of this one comparison alone")


def test_questions_are_named_only_where_they_are_told_apart(numbers: dict[str, Any]) -> None:
    assert [words.split(" ")[0] for words in RealVotes(numbers).furthest()] == ["odd", "bar"]
    numbers["questions"][2] = copy.deepcopy(numbers["questions"][2])
    numbers["questions"][2]["models"][0]["gap"]["low"] = -0.01
    assert [words.split(" ")[0] for words in RealVotes(numbers).furthest()] == ["bar"]


def test_the_table_goes_from_the_prior_to_the_ceiling(numbers: dict[str, Any]) -> None:
    rows = RealVotes(numbers).table()
    assert [row[0] for row in rows] == [
        "class prior", f"{MODEL}, zero-shot", f"{MODEL}, finetuned", "5 volunteers", "10 volunteers", "40 volunteers",
        "noise ceiling",
    ]  # fmt: skip
    assert rows[2][1] == "0.880 [0.860, 0.900]" and rows[2][4] == "9.0 [9.0, 9.0]"


def test_a_file_that_is_something_else_is_named(tmp_path: Path, numbers: dict[str, Any]) -> None:
    path = tmp_path / "real-votes.json"
    assert RealVotes.read(path) is None
    path.write_text(json.dumps(numbers))
    assert RealVotes.read(path) == RealVotes(numbers)
    for wrong in ("{", "[]", "{}", json.dumps({**numbers, "gaps": []}), json.dumps({**numbers, "boards": {}})):
        path.write_text(wrong)
        with pytest.raises(LeaderboardError, match="not what `make campaign-real-votes` writes"):
            RealVotes.read(path)

"""What a person is told of an entry that is not wrong by itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from galaxy_zoo_decals import predictions as prediction_files
from galaxy_zoo_decals.edition import Terms
from galaxy_zoo_decals.predictions import Predictions
from galaxy_zoo_decals.schema import GZ2
from galaxy_zoo_decals.scoring import Truth
from leaderboard.check import flags
from leaderboard.check.report import Difference, Standing
from leaderboard.entry.truths import Truths
from leaderboard.files import sha256
from tests.forgeries import CNN, LABELS, TREE, VOTES, committed, truths


def standing(board: str, value: float, smallest: float = 0.01, best: float | None = None, **rows: float) -> Standing:
    def difference(name: str, other: float) -> Difference:
        return Difference(name=name.replace("_", " "), value=other, difference=value - other)

    facts: dict[str, Any] = {
        "edition": "sample",
        "board": board,
        "seeds": 3,
        "value": value,
        "low": value,
        "high": value,
    }
    return Standing(
        **facts, spread=0.01, first=1, last=1, of=2, smallest=smallest,
        entries=[] if best is None else [difference("The best", best), difference("Another", best)],
        references=[difference(name, other) for name, other in rows.items()],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (standing("multiclass", 0.95, noise_ceiling=0.94), "Macro F1 0.950 is above the noise ceiling (0.940)"),
        (standing("multiclass", 0.93, noise_ceiling=0.94), ""),
        (standing("votes", 17.5, noise_ceiling=18.1), "NLL per galaxy 17.50 is below the noise ceiling (18.10)"),
        (standing("votes", 18.5, noise_ceiling=18.1), ""),
        (standing("votes", 40.0, class_prior=35.0), "NLL per galaxy 40.00 is above the class prior (35.00)"),
        (standing("multiclass", 0.1, class_prior=0.2), "Macro F1 0.100 is below the class prior (0.200)"),
        (standing("multiclass", 0.74, best=0.70), "is above the best entry (0.700, The best) by more than 3 times"),
        (standing("multiclass", 0.72, best=0.70), ""),
        (standing("votes", 17.0, best=17.04), "is below the best entry"),
        (standing("votes", 17.04, best=17.0), ""),
    ],
)  # fmt: skip
def test_scores_beyond_what_is_likely_in_the_words_of_the_metric(given: Standing, told: str) -> None:
    said = flags._of_standing(given)
    assert len(said) == bool(told) and all(told in word for word in said)


@pytest.mark.parametrize("slug", [CNN, LABELS, VOTES, TREE])
def test_a_test_score_far_above_the_validations_is_told(slug: str) -> None:
    entry = committed()[slug]
    (first, *_) = entry.trained

    def told(metric: float | None) -> list[str]:
        curves = [
            c.model_copy(update={"points": [p.model_copy(update={"validation_metric": metric}) for p in c.points]})
            for c in first.run.curves
        ]
        run = first.run.model_copy(update={"curves": curves})
        mine = replace(entry, trained=[replace(first, run=run)])
        return [word for word in flags.flags(mine, [], [], [], truths()) if "validation" in word]

    low = told(0.2)
    assert len(low) == (5 if slug == TREE else 1) and all("at most 0.200 on the validation galaxies" in w for w in low)
    assert told(0.99) == []
    (none,) = told(None)
    assert "no learning curve with a validation metric" in none


def test_the_committed_entries_are_below_their_validation() -> None:
    for entry in committed().values():
        for trained in entry.trained:
            assert flags._over_validation(trained.run, trained.task, trained.scores[trained.task]) == []


def challenge(n: int = 40) -> tuple[Truth, Predictions]:
    """Return galaxies of the challenge that all are smooth to one half, with votes, and predictions that say so."""
    votes = np.zeros((n, len(GZ2.answers)), int)
    for question, counts in {
        "smooth-or-featured": (20, 20, 0), "disk-edge-on": (5, 15), "bar": (15, 0), "has-spiral-arms": (15, 0),
        "bulge-size": (15, 0, 0, 0), "odd": (10, 30), "how-rounded": (20, 0, 0), "odd-feature": (10, 0, 0, 0, 0, 0, 0),
        "edge-on-bulge": (5, 0, 0), "spiral-winding": (15, 0, 0), "spiral-arm-count": (15, 0, 0, 0, 0, 0),
    }.items():  # fmt: skip
        votes[:, GZ2.slices[question]] = counts
    names = tuple(f"{i:06d}" for i in range(n))
    truth = Truth("gz2", "Challenge", GZ2, "0" * 64, "1" * 64, names, votes, terms=Terms(truth="likelihoods"))
    said = Predictions("votes", "gz2", "0" * 64, "1" * 64, 0, names, 20 * truth.fractions + 1e-5)
    return truth, said


def test_the_error_of_the_challenge_by_hand() -> None:
    truth, said = challenge()
    assert flags.challenge_rmse(truth, said) == pytest.approx(0, abs=1e-5)
    values = said.values.copy()
    edge, odd = GZ2.slices["edge-on-bulge"], GZ2.slices["odd"]
    values[:, edge] = [10, 10, 1e-5]
    # An eighth of all volunteers is asked: half of them go to another answer, in two of 37 values.
    expected = np.sqrt(2 * 0.0625**2 / 37)
    assert flags.challenge_rmse(truth, replace(said, values=values)) == pytest.approx(expected, abs=1e-5)
    values = said.values.copy()
    values[:, odd] = [10, 10]
    # Everybody is asked whether there is anything odd; a quarter more say so, and what is odd follows.
    expected = np.sqrt(3 * 0.25**2 / 37)
    assert flags.challenge_rmse(truth, replace(said, values=values)) == pytest.approx(expected, abs=1e-5)


def test_who_is_better_than_the_challenges_winner_is_told(tmp_path: Path) -> None:
    truth, said = challenge()
    entry = next(e for e in committed().values() if e.trained[0].key[0] == "gz2" and e.trained[0].task == "votes")
    path = tmp_path / "seed0.parquet"
    for smooth, expected in ((0.7, 0), (0.6, 1)):
        values = said.values.copy()
        values[:, :2] = 20 * smooth, 20 - 20 * smooth
        prediction_files.write(path, replace(said, values=values), GZ2)
        key = entry.trained[0].key
        mine = replace(entry, trained=[replace(entry.trained[0], predictions=path, sha256=sha256(path))])
        held = Truths({}, _truths={key: replace(truth, content_hash="0" * 64)})
        told = flags._better_than_winner(mine, held)
        assert len(told) == expected and all("is below that of its published winner (0.075)" in word for word in told)
    assert flags._better_than_winner(mine, Truths({})) == [], "without the Kaggle file nobody can say"

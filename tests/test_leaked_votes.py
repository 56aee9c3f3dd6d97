"""Predictions that follow the chance of the published votes are seen; a model of pictures alone is not suspected."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from galaxy_zoo_decals import views
from galaxy_zoo_decals.predictions import Predictions
from galaxy_zoo_decals.schema import GZD5
from galaxy_zoo_decals.scoring import BOARDS, Truth
from galaxy_zoo_decals.scoring.boards.hierarchical import HIERARCHICAL
from galaxy_zoo_decals.scoring.boards.multiclass import MULTICLASS
from leaderboard.check import flags, leaked_votes
from leaderboard.entry.truths import Truths
from tests.forgeries import CNN, LABELS, TREE, VOTES, committed, forged, read, truths

KEY = committed()[CNN].trained[0].key


def known() -> tuple[Truth, np.ndarray]:
    truth, visible = truths().truth(KEY), leaked_votes.visible(KEY, truths())
    assert truth is not None and visible is not None
    return truth, visible


def leaked(truth: Truth, given: Predictions, share: float) -> Predictions:
    """Return predictions of which a share are the labels, or the fractions, of the published votes."""
    values, seen = given.values, truth.fractions
    if given.task == "votes":
        base = views.fractions(truth.tree, values)
        mixed = np.where(np.isnan(seen), base, (1 - share) * base + share * seen)
        return replace(given, values=np.maximum(mixed * values / base, 1e-4))
    known, true = BOARDS[given.task].true_labels(truth) or pytest.fail("a file without labels")
    return replace(given, values=np.where(known, (1 - share) * values + share * true, values))


def test_the_statistic_by_hand() -> None:
    visible = np.zeros((2, len(GZD5.answers)))
    visible[:, :3] = [[0.5, 0.25, 0.25], [0.2, 0.3, 0.5]]
    visible[:, 3:] = 1.0
    votes, weights = np.zeros_like(visible, dtype=int), np.zeros_like(visible)
    votes[0, :3], votes[1, :3] = [3, 1, 0], [0, 0, 10]
    weights[0, 0], weights[1, 2] = 2.0, 1.0
    # Departures 3/4 - 0.5 and 10/10 - 0.5, variances 0.5 x 0.5 / 4 and 0.5 x 0.5 / 10.
    expected = (2 * 0.25 + 0.5) / np.sqrt(4 * 0.0625 + 0.025)
    assert leaked_votes.by_fractions(GZD5, visible, votes, weights) == pytest.approx(expected)
    assert np.isnan(leaked_votes.by_fractions(GZD5, visible, votes, 0 * weights))


def test_labels_are_those_of_the_boards() -> None:
    truth, _ = known()
    known_, true = HIERARCHICAL.true_labels(truth)
    first = GZD5.question(GZD5.scored_questions[0])
    columns = slice(0, len(first.answers))
    assert (true[:, columns].argmax(axis=1) == truth.top[:, 0]).all() and known_[:, columns].all()
    assert true.shape[1] == sum(len(GZD5.question(q).answers) for q in GZD5.scored_questions)
    known_, true = MULTICLASS.true_labels(truth)
    assert (known_.all(axis=1) == (truth.classes.label >= 0)).all() and (true.sum(axis=1) == known_[:, 0]).all()


@pytest.mark.parametrize("slug", [CNN, LABELS, TREE, VOTES])
def test_on_other_panels_an_honest_file_is_standard_normal(slug: str) -> None:
    truth, visible = known()
    given, rng = read(committed()[slug]), np.random.default_rng(0)
    drawn: dict[str, list[float]] = {}
    for _ in range(80):
        anew = replace(truth, votes=leaked_votes.fresh_votes(truth, visible, rng))
        for kind, z in leaked_votes.z_scores(anew, visible, given).items():
            drawn.setdefault(kind, []).append(z)
    assert drawn.keys() == ({"fractions"} if slug == VOTES else {"fractions", "labels"})
    for z in drawn.values():
        # 80 draws: the mean to 0.11, the standard deviation to 0.08; four of these each.
        assert abs(np.mean(z)) < 0.45 and 0.68 < np.std(z) < 1.32


def test_a_model_that_knows_the_probabilities_exactly_has_seen_no_vote() -> None:
    truth, visible = known()
    oracle = replace(read(committed()[VOTES]), values=20 * visible + 1e-3)
    # What it says beyond the probabilities is nothing but rounding.
    assert all(
        np.isnan(z) or abs(z) < leaked_votes.SUSPECT for z in leaked_votes.z_scores(truth, visible, oracle).values()
    )


def test_fresh_panels_leave_unknown_what_the_edition_does_not_know() -> None:
    truth, visible = known()
    lost = truth.votes.copy()
    lost[:50, GZD5.slices["merging"]] = 0
    anew = leaked_votes.fresh_votes(replace(truth, votes=lost), visible, np.random.default_rng(0))
    assert (anew[:50, GZD5.slices["merging"]] == 0).all()
    assert (anew[:, :3].sum(axis=1) == truth.totals[:, 0]).all() and (anew != truth.votes).any()


@pytest.mark.parametrize("slug", [CNN, LABELS, TREE, VOTES])
def test_leaked_votes_are_told_to_a_person(slug: str, tmp_path: Path) -> None:
    truth, _ = known()
    entry = committed()[slug]
    assert leaked_votes.flags(entry, truths()) == []
    mine = forged(entry, tmp_path, lambda seed: leaked(truth, read(entry, seed), 0.45), curves=False)
    told = leaked_votes.flags(mine, truths())
    assert len(told) == 3 and all("follows the random part of the published votes" in word for word in told)
    everything = flags.flags(mine, [], [], [], truths())
    assert set(told) <= set(everything) and any("no learning curve" in word for word in everything)


def test_where_the_edition_is_not_here_nobody_looked() -> None:
    absent = Truths({}, truths().frozen)
    (told,) = leaked_votes.flags(committed()[CNN], absent)
    assert "was not tested" in told and leaked_votes.visible(KEY, absent) is None
    real = next(e for e in committed().values() if e.trained[0].key[0] == "gz2")
    assert leaked_votes.flags(real, truths()) == []


def test_no_committed_entry_on_the_sample_is_suspected() -> None:
    looked = [e for e in committed().values() if e.trained[0].key == KEY]
    assert len(looked) == 7 and not any(leaked_votes.flags(entry, truths()) for entry in looked)


def test_a_page_shows_it_where_every_machine_can_compute_it() -> None:
    found = leaked_votes.shown(committed()[CNN], truths())
    truth, visible = known()
    assert list(found) == [t.sha256 for t in committed()[CNN].trained]
    assert next(iter(found.values())) == max(leaked_votes.z_scores(truth, visible, read(committed()[CNN])).values())
    assert not leaked_votes.shown(next(e for e in committed().values() if e.trained[0].key != KEY), truths())

"""Near copies are seen whatever was done to them, and separate trainings are not taken for copies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from galaxy_zoo_decals import views
from galaxy_zoo_decals.predictions import PredictionError, Predictions
from galaxy_zoo_decals.schema import GZD5
from leaderboard.check import near_copies, plausibility
from leaderboard.check.near_copies import Said
from tests.forgeries import CNN, ROOT, VOTES, committed, forged, read, truths

NAMES = tuple(f"J{i:04d}" for i in range(2000))


def said(*columns: np.ndarray) -> Said:
    return Said(NAMES[: len(columns[0])], {str(i): c for i, c in enumerate(columns)})


def normalised(given: Predictions, values: np.ndarray) -> Predictions:
    return replace(given, values=values / values.sum(axis=1, keepdims=True))


def moved(given: Predictions, rows: slice, seed: int = 0) -> Predictions:
    """Return predictions with some rows moved by about 0.01 or more."""
    values = given.values.copy()
    values[rows] = 0.9 * values[rows] + 0.1 * np.random.default_rng(seed).dirichlet(np.ones(4), len(values))[rows]
    return normalised(given, values)


def mixed(given: Predictions) -> Predictions:
    """Return predictions of which every other row is another seed's of the entry."""
    values = given.values.copy()
    values[::2] = read(committed()[CNN], (given.seed + 1) % 3).values[::2]
    return replace(given, values=values)


def noisy(given: Predictions, size: float, seed: int) -> Predictions:
    noise = size * np.random.default_rng(seed).standard_normal(given.values.shape)
    return normalised(given, expit(logit(np.clip(given.values, 1e-5, 1 - 1e-5)) + noise))


def test_the_distance_by_hand() -> None:
    rising = np.linspace(0.1, 0.9, 20)
    assert near_copies.distance(said(rising), said(rising**3)) == 0
    # Reversed, the galaxies are 1, 3, ..., 19 places off, each twice: the median is 10 of 20.
    assert near_copies.distance(said(rising), said(rising[::-1])) == pytest.approx(0.5)
    assert np.isnan(near_copies.distance(said(rising), Said(NAMES[:20], {"other": rising})))
    # What both files put down as sure has no order, so it says nothing.
    sure = np.where(np.arange(20) < 10, 0.0, 1.0)
    assert np.isnan(near_copies.distance(said(sure), said(sure)))
    # Of 40 galaxies 20 are sure to both; of the others half are moved by more than rounding.
    half = np.concatenate([sure, rising])
    other = half + np.concatenate([np.zeros(30), np.full(10, 0.01)])
    assert near_copies.same(said(half), said(other)) == pytest.approx(0.5)
    assert np.isnan(near_copies.same(said(sure), said(sure)))


@settings(max_examples=25, deadline=None)
@given(st.floats(0.2, 5), st.floats(0.05, 1), st.integers(0, 2**32))
def test_no_map_that_keeps_the_order_hides_a_copy(power: float, scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(0.1, 0.9, (2, 60)), rng.uniform(0.1, 0.9, (2, 60))
    assert near_copies.distance(said(*a), said(*(0.01 + 0.98 * scale * a**power))) == pytest.approx(0, abs=1e-12)
    mapped = near_copies.following(said(*a), said(*(scale * b**power)), [said(*(a + b))])
    assert mapped == pytest.approx(near_copies.following(said(*a), said(*b), [said(*(a + b))]), abs=1e-9)


@pytest.mark.parametrize("others", [0, 1, 2, 4])
def test_separate_trainings_follow_each_other_by_what_their_number_says(others: int) -> None:
    rng = np.random.default_rng(0)
    shared = 3 * rng.standard_normal((12, 2000))
    a, b, *more = (said(*expit(shared + rng.standard_normal(shared.shape))) for _ in range(2 + others))
    noise = 0.3 * rng.standard_normal((12, 2000))
    copy = said(*expit(logit(np.stack(list(a.columns.values()))) + noise))
    honest = near_copies.following(a, b, more)
    # Without others what is shared is no less than the whole: 0.9 of the variance here.
    assert honest == pytest.approx(near_copies.expected(others) if others else 0.9, abs=0.05)
    if others:
        assert near_copies.following(a, copy, more) > near_copies.expected(others) + near_copies.FOLLOWS


def test_files_that_lack_galaxies_are_compared_on_those_that_both_have() -> None:
    rng = np.random.default_rng(0)
    whole = Said(NAMES[:100], {"a": rng.uniform(0.1, 0.9, 100)})
    part = whole.take(NAMES[10:100])
    assert near_copies.distance(whole, part) == 0 and near_copies.together(whole, part)[0].names == NAMES[10:100]


ATTACKS: dict[str, tuple[Callable[[Predictions], Predictions], str]] = {
    "as it is": (lambda p: p, "refused"),
    "one galaxy moved": (lambda p: moved(p, slice(7, 8)), "refused"),
    "one galaxy in twenty another": (lambda p: moved(p, slice(None, None, 20)), "refused"),
    "half of the galaxies another seed's": (lambda p: mixed(p), "Were rows copied?"),
    "to the power 1.03": (lambda p: normalised(p, p.values**1.03), "orders the galaxies almost as"),
    "to the power 2": (lambda p: normalised(p, p.values**2), "other seeds do not"),
    "with little noise": (lambda p: noisy(p, 0.05, p.seed), "orders the galaxies almost as"),
    "with noise": (lambda p: noisy(p, 0.15, p.seed), "other seeds do not"),
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("shift", [0, 1])
def test_a_copy_of_another_entry_is_seen_also_with_its_seeds_exchanged(attack: str, shift: int, tmp_path: Path) -> None:
    change, expected = ATTACKS[attack]
    entry = committed()[CNN]
    mine = forged(entry, tmp_path, lambda seed: replace(change(read(entry, (seed + shift) % 3)), seed=seed))
    seen = plausibility.sightings([ROOT / "leaderboard" / "submissions" / CNN], truths())
    try:
        for seed in range(3):
            plausibility.check(mine.trained[seed].predictions, read(mine, seed), seen)
    except PredictionError as error:
        assert expected == "refused" and "the same predictions as" in str(error) and CNN in str(error)
    else:
        (told,) = near_copies.flags(mine, list(committed().values()), truths())
        mine_said, theirs = told.split(CNN)
        seeds = [int(text.split("seed ")[1][0]) for text in (mine_said, theirs)]
        assert expected in told and "more such pairs" in told
        assert (seeds[0] + shift) % 3 == seeds[1] or "another seed's" in attack


def test_seeds_that_are_one_training_are_seen(tmp_path: Path) -> None:
    entry = committed()[CNN]
    seen: list[plausibility.Seen] = []
    one = read(entry)
    plausibility.check(Path("seed0"), one, seen)
    with pytest.raises(PredictionError, match="every seed and entry needs its own"):
        plausibility.check(Path("seed1"), replace(moved(one, slice(3, 4)), seed=1), seen)
    mine = forged(entry, tmp_path, lambda seed: replace(noisy(one, 0.05, seed), seed=seed))
    told = near_copies.flags(mine, [], truths())
    assert len(told) == 3 and all("orders the galaxies almost as multiclass, seed" in words for words in told)


def test_a_file_made_of_another_tasks_is_seen(tmp_path: Path) -> None:
    entry = committed()[VOTES]

    def classes(seed: int) -> Predictions:
        given = read(entry, seed)
        values = views.predicted_classes(GZD5, views.fractions(GZD5, given.values))
        return noisy(replace(given, task="multiclass", values=values), 0.05, seed)

    (told,) = near_copies.flags(forged(entry, tmp_path, classes), list(committed().values()), truths())
    assert "multiclass, seed 0" in told and f"{VOTES}, votes, seed 0" in told


def test_of_the_committed_entries_ensembles_alone_are_named_and_as_what_they_may_be() -> None:
    told = {slug: near_copies.flags(entry, list(committed().values()), truths()) for slug, entry in committed().items()}
    for slug, words in told.items():
        assert len(words) == ("together" in slug), words
        assert all("or an ensemble that contains it" in word for word in words)
    assert sum(map(bool, told.values())) == 2


def test_sure_models_that_agree_are_no_copies() -> None:
    rng = np.random.default_rng(0)
    given = read(committed()[CNN])
    # Two nets that are sure of nine galaxies in ten, and say of the others what each thinks.
    sure = np.eye(4)[given.values.argmax(axis=1)]
    open_ = np.arange(len(sure)) % 10 == 0
    seen: list[plausibility.Seen] = []
    for seed in (0, 1):
        values = np.where(open_[:, None], rng.dirichlet(np.ones(4), len(sure)), sure)
        plausibility.check(Path(f"seed{seed}"), replace(given, values=values), seen)
    assert len(seen) == 2

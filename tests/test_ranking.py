from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard import ranking
from leaderboard.ranking import rank
from tests.campaigns.coverage import normal_boards


@pytest.mark.parametrize("training", [0.0, 1.0, 10.0])
def test_equal_entries_are_rarely_separated_however_much_training_spreads(training: float) -> None:
    assert normal_boards(training, 0.0, 150) < 0.10  # promised 0.05; 150 boards tell it to 0.02


def test_a_better_entry_is_separated() -> None:
    assert normal_boards(0.3, 6.0, 150) > 0.95


def test_places_do_not_change_from_call_to_call() -> None:
    rng = np.random.default_rng(1)
    draws = list(rng.standard_normal((6, 300)))
    values = [[float(v) for v in rng.normal(i / 3, 0.3, 3)] for i in range(6)]
    first, second = rank(values, draws, True), rank(values, draws, True)
    assert first == second
    # Single runs have no spread of training of their own: they borrow that of the others.
    alone = rank([values[0], values[1][:1], values[2]], draws[:3], True)
    assert np.isfinite(alone.smallest) and len(alone.places) == 3


@st.composite
def boards(draw: st.DrawFn) -> np.ndarray:
    """Return who is better than whom, from best to worst: anything that no better entry contradicts."""
    n = draw(st.integers(1, 9))
    pairs = draw(st.lists(st.booleans(), min_size=n * n, max_size=n * n))
    return np.triu(np.array(pairs).reshape(n, n), 1)


@given(boards())
def test_letters_are_shared_if_and_only_if_nobody_is_better(better: np.ndarray) -> None:
    letters = ranking._letters(better)
    assert all(letters), "everybody has one"
    for i, j in itertools.combinations(range(len(better)), 2):
        assert ranking.share(letters[i], letters[j]) == (not better[i, j]), (i, j, letters)


def test_letters_by_hand() -> None:
    def letters(*pairs: tuple[int, int], n: int) -> list[str]:
        better = np.zeros((n, n), dtype=bool)
        for pair in pairs:
            better[pair] = True
        return ranking._letters(better)

    assert letters((0, 2), n=3) == ["a", "ab", "b"], "the one between two groups bears both letters"
    assert letters((1, 2), n=3) == ["ab", "a", "b"], "two that the best is not told from may be told apart"
    assert letters((0, 1), (0, 2), (1, 2), n=3) == ["a", "b", "c"]


def test_entries_beside_better_versions_of_themselves_need_fewer_letters_than_there_are_entries() -> None:
    """Twenty entries and a slightly better version of each: 2^20 groups of which no two are separable."""
    better = np.zeros((40, 40), dtype=bool)
    better[np.arange(0, 40, 2), np.arange(1, 40, 2)] = True
    letters = ranking._letters(better)
    assert len({one for word in letters for one in ranking.LETTER.findall(word)}) < 40
    for i, j in itertools.combinations(range(40), 2):
        assert ranking.share(letters[i], letters[j]) == (not better[i, j])


@pytest.mark.parametrize(
    ("letters", "shown"),
    [
        ("", ""), ("a", "a"), ("ab", "ab"), ("abc", "a–c"), ("ac", "a c"), ("abde", "ab de"), ("acdef", "a c–f"),
        ("aceg", "a … g"), ("yzA", "y–A"), ("YZa2b2", "Y–b2"),
    ],
)  # fmt: skip
def test_letters_take_little_room(letters: str, shown: str) -> None:
    assert ranking.brief(letters) == shown

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import studentized_range
from scipy.stats import t as student

from galaxy_zoo_decals.scoring import BOARDS
from leaderboard.entry import versions
from leaderboard.entry.truths import Truths
from leaderboard.ranking import board_table, entries, ties
from leaderboard.ranking.ties import Scored, needed, rank
from tests.campaigns import ranks

ROOT = Path(__file__).parents[1] / "leaderboard"


def one(mean: float, spread: float, seed: int, runs: int = 3) -> Scored:
    """An entry whose seeds have just this mean and standard deviation."""
    drawn = np.random.default_rng(seed).standard_normal(400)
    around = np.linspace(-1, 1, runs) if runs > 1 else np.zeros(1)
    scale = spread / np.std(around, ddof=1) if runs > 1 else 0.0
    return Scored(list(mean + scale * around), mean + drawn, 0.3)


def test_a_pair_by_hand() -> None:
    """Galaxies 0.5, trainings 0.3 / 3 and 0.9 / 3: their own and nothing else."""
    share, freedom = 0.4 / 0.9, 0.4**2 / (0.1**2 / 2 + 0.3**2 / 2)  # 3.2 degrees of freedom
    low = studentized_range.ppf(0.95, 9, np.inf) / math.sqrt(2)
    high = student.isf((1 - (1 - 0.1 / 9) ** (1 / 36)) / 2, freedom)
    by_hand = (low + (high - low) * share**1.5) * math.sqrt(0.9)
    three = np.array(3.0)
    found = needed(np.array(0.5), (np.array(0.3), three), (np.array(0.9), three), 9)
    assert found == pytest.approx(by_hand, rel=1e-12)
    # Trainings left out, or taken for as sure as the galaxies: less would be needed.
    known = needed(np.array(0.5), (np.array(0.3), np.array(3e6)), (np.array(0.9), np.array(3e6)), 9)
    assert low * math.sqrt(0.9) < 0.8 * found and known < 0.8 * found
    # Without a spread of trainings it is Tukey's test alone.
    assert needed(np.array(0.5), (np.array(0.0), three), (np.array(0.0), three), 9) == pytest.approx(low * 0.5**0.5)


def test_the_spread_is_the_entry_s_own_raised_towards_the_usual_one() -> None:
    assert ties.training_variance(4.0, 3, 1.0) == 4.0, "never lowered"
    assert ties.training_variance(0.0, 3, 1.0) == 0.5, "two degrees of freedom each"
    assert ties.training_variance(math.nan, 1, 1.0) == 1.0, "a single run has the usual one"
    drawn = np.random.default_rng(0).standard_normal(1000)
    assert Scored([1.0, 1.0, 1.0], drawn, 0.5).training == pytest.approx(0.25 * drawn.var() / 2)


def test_a_single_run_varies_as_much_as_the_other_of_its_pair() -> None:
    three, alone = np.array(3.0), np.array(1.0)
    small, large = np.array(0.1), np.array(2.0)
    total = 0.5 + 2.0 / 3 + 2.0
    low, high = ties.tukey(5), student.isf((1 - 0.98**0.1) / 2, 2)
    by_hand = (low + (high - low) * ((2.0 / 3 + 2.0) / total) ** 1.5) * math.sqrt(total)
    for pair in (((large, three), (small, alone)), ((small, alone), (large, three))):
        assert needed(np.array(0.5), *pair, 5) == pytest.approx(by_hand)


@settings(max_examples=40, deadline=None)
@given(
    spread=st.floats(0, 1e3), mean=st.floats(-50, 50), seed=st.integers(0, 99), runs=st.integers(1, 5),
    stretch=st.floats(1e-3, 1e3),
)  # fmt: skip
def test_another_entry_changes_a_pair_by_the_number_of_entries_alone(
    spread: float, mean: float, seed: int, runs: int, stretch: float
) -> None:
    board = [one(0, 0.2, 1), one(3, 0.5, 2), one(4.5, 0.1, 3), one(5, 0.4, 4, runs=1)]
    other = one(mean, spread, 5 + seed, runs)
    other = Scored(other.seeds, mean + stretch * (other.draws - mean), 0.3)
    places = rank([*board, other], True).places
    for i, j in itertools.combinations(range(4), 2):
        gap = abs(board[i].value - board[j].value)
        apart = gap > ties.between(board[i], board[j], 5)
        assert ties.share(places[i].letters, places[j].letters) == (not apart)


def committed(name: str, task: str) -> list[Scored]:
    """The entries of one of the benchmark's boards."""
    key = name, versions.read(ROOT / "benchmark")[-1].editions[name].content_hash
    standing = entries.submitted(ROOT, Truths.on_this_machine([]))[0]
    return [
        board_table.scored(key, BOARDS[task], e) for e in standing if e.official and e.ranked(key, task) is not None
    ]


@pytest.fixture(scope="module")
def gz2() -> list[Scored]:
    return committed("gz2", "multiclass")


def tied(board: list[Scored], count: int) -> list[tuple[int, int]]:
    """Which of the first entries share a letter."""
    letters = [place.letters for place in rank(board, True).places[:count]]
    return [pair for pair in itertools.combinations(range(count), 2) if ties.share(*(letters[k] for k in pair))]


@pytest.mark.parametrize("count", [1, 8])
@pytest.mark.parametrize("seeds", [[0.2, 0.5, 0.8], [0.7, 0.7, 0.7], [0.0, 0.0, 0.0]])
def test_wild_entries_and_sock_puppets_move_nobody_more_than_others_do(
    gz2: list[Scored], seeds: list[float], count: int
) -> None:
    n = len(gz2)
    more = [Scored(seeds, gz2[0].draws, gz2[0].typical) for _ in range(count)]
    others = [Scored(gz2[1].seeds, gz2[1].draws, gz2[1].typical) for _ in range(count)]
    assert tied([*gz2, *more], n) == tied([*gz2, *others], n)
    assert len(tied(gz2, n)) < n * (n - 1) / 2, "some are separated, or this would show nothing"


def test_local_runs_stand_beside_the_board_and_move_nobody() -> None:
    board = [one(0, 0.1, 1), one(3, 0.1, 2), one(6, 0.1, 3), one(30, 0.1, 4)]
    places = rank(board, True).places
    assert [p.letters for p in places] == ["c", "bc", "b", "a"]
    assert [(p.first, p.last) for p in places] == [(3, 4), (2, 4), (2, 3), (1, 1)]

    def beside(mean: float, spread: float = 0.1) -> tuple[int, int, str]:
        place = ties.beside(board, places, one(mean, spread, 9), True)
        return place.first, place.last, place.letters

    assert beside(60) == (1, 1, ""), "better than all: no letter is its own"
    assert beside(6) == (2, 4, "b")
    assert beside(3) == (2, 5, "bc")
    assert beside(3, 1e6) == (1, 5, "abc"), "nothing can be told of it"
    assert beside(-60) == (5, 5, "")
    assert not ties.beside(board, places, one(math.nan, 0, 9), True).known


def test_places_do_not_change_from_call_to_call(gz2: list[Scored]) -> None:
    assert rank(gz2, True) == rank(gz2, True)


def test_a_draw_that_one_entry_lacks_is_lacking_in_its_own_pairs_alone() -> None:
    board = [one(0, 0.2, 1), one(2, 0.5, 2)]
    lacking = one(1, 0.1, 3)
    lacking.draws[:390] = np.nan
    assert rank([*board, lacking], True).places[:2] == rank([*board, one(1, 0.1, 3)], True).places[:2]
    lacking.draws[:] = np.nan
    assert [p.letters for p in rank([*board, lacking], True).places] == ["a", "a", "a"], "nothing tells them apart"


@pytest.mark.campaign
@pytest.mark.parametrize("spread", [0.0, 1.0, 13.0, "one of 13", "0 to 13"])
def test_equal_entries_are_rarely_separated_however_much_training_spreads(spread: float | str) -> None:
    found = ranks.separated(ranks.spreads(spread, 9), [3] * 9, 1500, typical=0.46)
    assert found.mean() < 0.07, "0.05 is promised; 1,500 boards tell it to 0.006"


@pytest.mark.campaign
@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_a_better_entry_is_separated(spread: float) -> None:
    assert ranks.power(9, spread, [8.0], 100, typical=0.13)["now"][0] > 0.95


@pytest.mark.campaign
def test_the_study_runs_what_ranks() -> None:
    """Its boards, given to rank() as entries with draws, separate the same pairs."""
    rng = np.random.default_rng(4)
    for board in range(10):
        of = ranks.entries_of(rng, ranks.spreads("0 to 13", 5), [3, 3, 1, 2, 5], typical=0.3)
        gaps, least = ranks.pairs(ranks.summary(of), typical=0.3)
        letters = [place.letters for place in rank(of, True).places]
        apart = [not ties.share(letters[i], letters[j]) for i, j in zip(*np.triu_indices(5, 1))]
        assert (np.abs(gaps) > least)[0].tolist() == apart, board


@st.composite
def orders(draw: st.DrawFn) -> np.ndarray:
    """Return who is better than whom, from best to worst: anything that no better entry contradicts."""
    n = draw(st.integers(1, 9))
    pairs = draw(st.lists(st.booleans(), min_size=n * n, max_size=n * n))
    return np.triu(np.array(pairs).reshape(n, n), 1)


@given(orders())
def test_letters_are_shared_if_and_only_if_nobody_is_better(better: np.ndarray) -> None:
    letters = ties._letters(better)
    assert all(letters), "everybody has one"
    for i, j in itertools.combinations(range(len(better)), 2):
        assert ties.share(letters[i], letters[j]) == (not better[i, j]), (i, j, letters)


def test_letters_by_hand() -> None:
    def letters(*pairs: tuple[int, int], n: int) -> list[str]:
        better = np.zeros((n, n), dtype=bool)
        for pair in pairs:
            better[pair] = True
        return ties._letters(better)

    assert letters((0, 2), n=3) == ["a", "ab", "b"], "the one between two groups bears both letters"
    assert letters((1, 2), n=3) == ["ab", "a", "b"], "two that the best is not told from may be told apart"
    assert letters((0, 1), (0, 2), (1, 2), n=3) == ["a", "b", "c"]


def test_entries_beside_better_versions_of_themselves_need_fewer_letters_than_there_are_entries() -> None:
    """Twenty entries and a slightly better version of each: 2^20 groups of which no two are separable."""
    better = np.zeros((40, 40), dtype=bool)
    better[np.arange(0, 40, 2), np.arange(1, 40, 2)] = True
    letters = ties._letters(better)
    assert len({one for word in letters for one in ties.LETTER.findall(word)}) < 40
    for i, j in itertools.combinations(range(40), 2):
        assert ties.share(letters[i], letters[j]) == (not better[i, j])


@pytest.mark.parametrize(
    ("letters", "shown"),
    [
        ("", ""), ("a", "a"), ("ab", "ab"), ("abc", "a–c"), ("ac", "a c"), ("abde", "ab de"), ("acdef", "a c–f"),
        ("aceg", "a … g"), ("yzA", "y–A"), ("YZa2b2", "Y–b2"),
    ],
)  # fmt: skip
def test_letters_take_little_room(letters: str, shown: str) -> None:
    assert ties.brief(letters) == shown

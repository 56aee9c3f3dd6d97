from __future__ import annotations

import numpy as np
import pytest

from leaderboard.ranking import rank


def separated(training: float, better: float, boards: int = 150) -> float:
    """Return how often a board of five entries, three trainings each, shows any difference.

    Scores are normal: part of the sampling is common to all entries, as test galaxies are; one entry is ``better``.
    """
    rng, found = np.random.default_rng(0), 0
    for _ in range(boards):
        draws = 0.8 * rng.standard_normal((1, 500)) + 0.6 * rng.standard_normal((5, 500))
        scores = 0.8 * rng.standard_normal() + 0.6 * rng.standard_normal(5) + better * (np.arange(5) == 0)
        values = [[float(s + training * rng.standard_normal()) for _ in range(3)] for s in scores]
        found += any((p.first, p.last) != (1, 5) for p in rank(values, list(draws), True).places)
    return found / boards


@pytest.mark.parametrize("training", [0.0, 1.0, 10.0])
def test_equal_entries_are_rarely_separated_however_much_training_spreads(training: float) -> None:
    assert separated(training, 0.0) < 0.10  # promised 0.05; 150 boards tell it to 0.02


def test_a_better_entry_is_separated() -> None:
    assert separated(0.3, 6.0) > 0.95


def test_places_do_not_change_from_call_to_call() -> None:
    rng = np.random.default_rng(1)
    draws = list(rng.standard_normal((6, 300)))
    values = [[float(v) for v in rng.normal(i / 3, 0.3, 3)] for i in range(6)]
    first, second = rank(values, draws, True), rank(values, draws, True)
    assert first == second
    # Single runs have no spread of training of their own: they borrow that of the others.
    alone = rank([values[0], values[1][:1], values[2]], draws[:3], True)
    assert np.isfinite(alone.smallest) and len(alone.places) == 3

from __future__ import annotations

import numpy as np
import pytest

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

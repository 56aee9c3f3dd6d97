from __future__ import annotations

import pytest

from leaderboard.check.lookalikes import same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("EfficientNet best", "EFFICIENTNET BEST"),
        ("EfficientNet best", "EfficientNet  best"),
        ("EfficientNet best", "EfficientNet-best."),
        ("EfficientNet best", "\u0415ffi\u0441ientNet best"),  # Cyrillic E and s
        ("EfficientNet best", "\uff25fficientNet best"),  # of full width
        ("EfficientNet best", "E\u0301fficientNet best"),  # with an accent
        ("EfficientNet best", "EfficientNet\u00a0best"),
        ("Model 1", "Model l"),
        ("Model 1", "Model I"),
        ("Model 10", "Model 1O"),
        ("alpha", "\u03b1lpha"),  # a Greek alpha
    ],
)
def test_names_that_look_the_same(one: str, other: str) -> None:
    assert same(one, other) and same(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("EfficientNet best", "EfficientNet rest"),
        ("Model 1", "Model 2"),
        ("Model v1.1", "Model v11"),
        ("CNN 16-32-64", "CNN 16-32-65"),
        ("Galaxies", "Galaxie"),
        ("\u661f\u7cfb", "\u94f6\u6cb3"),  # galaxy, and Milky Way, in Chinese
    ],
)
def test_names_that_differ(one: str, other: str) -> None:
    assert not same(one, other)

"""The campaign of image sizes: what it trains, and what its page says of hand-made scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmark import recipes
from galaxy_zoo_decals.scoring import BOARDS, Estimate, Result
from tests.campaigns import image_size as campaign

pytestmark = pytest.mark.campaign


def test_both_sizes_are_trained_alike_and_closer_than_the_small_one_goes() -> None:
    small, large = (campaign.command(size, 1, Path("runs")) for size in campaign.SIZES)
    assert [word for word in small if word not in large] == [
        "gz2-224px",
        "runs/gz2-224px/dirichlet-image-size/seed1",
    ]
    settings = [small[i + 1] for i, word in enumerate(small) if word == "--set"]
    recipe = recipes.override(recipes.choose("best", "dirichlet"), settings)["dirichlet"]
    assert recipe.crop == 0.5 and 224 < recipe.resolution / recipe.crop < 424


def scored(shift: float, seed: int) -> dict[str, Result]:
    """Scores of every metric shown: 0.5 and a shift, with the same draws for one seed of the bootstrap."""
    found = {}
    for board, metrics in campaign.SHOWN.items():
        draws = {name: 0.5 + shift + 0.01 * np.random.default_rng(5).standard_normal(2000) for name in metrics}
        values = dict.fromkeys(metrics, Estimate(0.5 + shift + 0.0024 * seed, 0.48, 0.52))
        found[board] = Result(board, "toy", 10, values, [], {}, {}, draws)
    return found


def test_the_page_says_what_is_told_apart_and_what_is_not() -> None:
    rows = campaign.rows({224: [scored(0.0, s) for s in (0, 1)], 424: [scored(0.1, s) for s in (0, 1)]})
    assert len(rows) == sum(map(len, campaign.SHOWN.values()))
    for row in rows:
        less = row["difference"]
        assert np.isclose(less["value"], 0.1) and np.allclose(row["by_seed"], [0.1, 0.1])
        better = BOARDS[row["board"]].metrics[row["metric"]].higher_is_better
        assert less["verdict"] == ("better" if better else "worse")
    same = campaign.rows({224: [scored(0.0, s) for s in (0, 1)], 424: [scored(0.001, s) for s in (1, 0)]})
    assert {row["difference"]["verdict"] for row in same} == {"statistically tied"}
    run = {"title": "A model", "train_seconds": 9.0, "device": "CPU", "commit": "abc", "dirty": False}
    facts = [run | {"size": size, "seed": seed} for size in campaign.SIZES for seed in (0, 1)]
    content = {"settings": campaign.SETTINGS, "galaxies": 10, "runs": facts, "scores": rows}
    text = campaign.markdown(content)
    assert "| Four classes | Macro F1 | 0.501 | 0.601 | +0.100 [+0.100, +0.100] | +0.100, +0.100 | better |" in text
    assert "2 trainings each" in text and "320 of a whole image" in text and "enlarged 1.4 times" in text
    assert "| 424 px | 1 | 9 | CPU | abc |" in text
    assert "tie letters" in text
    (one, *_) = campaign.rows({224: [scored(0.0, 0)], 424: [scored(0.1, 0)]})
    assert one["difference"]["verdict"] == "open"
    alone = campaign.markdown(content | {"runs": facts[::2], "scores": [one]})
    assert "| +0.100 | open |" in alone
    assert "1 training each" in alone and "With one training each it stays open" in alone

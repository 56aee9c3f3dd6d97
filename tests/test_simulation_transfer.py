"""The check of what simulated galaxies teach about real ones, in the small; `make campaign-transfer` does it whole."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from benchmark.recipes import RECIPES
from galaxy_zoo_decals.schema import GZ2, GZD5
from galaxy_zoo_decals.scoring.bootstrap import plain, shared
from galaxy_zoo_decals.simulation.scene import VERSION
from tests.campaigns.simulation_transfer import (
    TASKS,
    VARIANTS,
    Number,
    Sample,
    area_under_curve,
    compared,
    magnifications,
    report,
    shared_votes,
    shown,
    shown_size,
    transfer,
)

pytestmark = pytest.mark.campaign

SMALL = replace(RECIPES["quick"]["multilabel"], resolution=16, epochs=2, channels=(4, 8), hidden=8)


def picture(radius: float, axis_ratio: float = 1.0, side: int = 224) -> bytes:
    """Return a JPEG of a Gaussian galaxy; half of its light lies within 1.18 times ``radius``."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    levels = 16 + 200 * np.exp(-(x**2 + (y / axis_ratio) ** 2) / (2 * radius**2))
    buffer = io.BytesIO()
    Image.fromarray(np.repeat(levels[..., None], 3, axis=2).astype(np.uint8)).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def sample(galaxies: int, radius: float, seed: int = 0) -> Sample:
    """Return galaxies of which every other is featured, and then is thin and so edge-on, or has arms."""
    votes = np.zeros((galaxies, len(GZD5.answers)), np.int64)
    answers = {
        0: [("smooth-or-featured", "smooth")],
        1: [("smooth-or-featured", "featured-or-disk"), ("disk-edge-on", "yes")],
        2: [("smooth-or-featured", "featured-or-disk"), ("disk-edge-on", "no"), ("has-spiral-arms", "yes")],
        3: [("smooth-or-featured", "featured-or-disk"), ("disk-edge-on", "no"), ("has-spiral-arms", "no")],
    }
    for i, row in enumerate(votes):
        for answer in answers[i % 4]:
            row[GZD5.answer_index[answer]] = 40
    rng = np.random.default_rng(seed)
    return Sample([picture(radius * rng.uniform(0.9, 1.1), 0.3 if i % 4 == 1 else 1.0) for i in range(galaxies)], votes)


def test_votes_on_the_questions_that_mean_the_same_find_their_place():
    votes = np.arange(2 * len(GZ2.answers)).reshape(2, -1)
    found = shared_votes(GZ2, votes)
    for answer in (("smooth-or-featured", "featured-or-disk"), ("disk-edge-on", "no"), ("has-spiral-arms", "yes")):
        assert (found[:, GZD5.answer_index[answer]] == votes[:, GZ2.answer_index[answer]]).all()
    assert found[:, GZD5.slices["bar"]].sum() == 0
    assert (found > 0).sum(axis=0).astype(bool).sum() <= 3 + 2 + 2


def test_the_area_under_the_curve_is_scikit_learns():
    rng = np.random.default_rng(0)
    truth = rng.random(60) < 0.4
    scores = np.round(truth + rng.normal(size=60), 1)  # with ties
    weights = shared(60)
    drawn = area_under_curve(weights, truth, scores)
    assert drawn[0] == pytest.approx(roc_auc_score(truth, scores))
    assert drawn[7] == pytest.approx(roc_auc_score(truth, scores, sample_weight=weights.drawn[:, 6]))
    assert area_under_curve(plain(60), truth, np.ones(60))[0] == 0.5


def test_sizes_are_measured_and_matched():
    assert shown_size(picture(20)) == pytest.approx(1.18 * 20, rel=0.04)
    rng = np.random.default_rng(0)
    real, simulated = rng.lognormal(2.6, 0.3, 500), rng.lognormal(2.9, 0.4, 500)
    factors = magnifications(real, real, simulated, crop=0.5)
    middle = np.quantile(simulated, [0.1, 0.5, 0.9]) / np.quantile(real * factors, [0.1, 0.5, 0.9])
    assert middle == pytest.approx(1, abs=0.02)
    assert (np.diff((real * factors)[np.argsort(real)]) >= 0).all()


def test_what_a_network_is_shown_is_magnified_about_the_centre():
    recipe = replace(SMALL, resolution=112, crop=0.5)
    once, twice = shown([picture(10)] * 2, recipe, np.array([1.0, 2.0]))
    rows, columns = np.nonzero(twice[..., 0] > 116)
    assert rows.mean() == columns.mean() == 55.5
    assert (twice[..., 0] > 116).sum() == pytest.approx(4 * (once[..., 0] > 116).sum(), rel=0.05)


def test_a_gap_has_the_width_of_galaxies_and_of_trainings():
    votes = sample(200, 15).votes
    rng = np.random.default_rng(1)
    right = np.column_stack([votes[:, GZD5.answer_index[label.answer]] > 20 for label in GZD5.labels])
    good = [right + rng.normal(0, 0.5, right.shape) for _ in range(3)]
    poor = [right + rng.normal(0, 2.0, right.shape) for _ in range(3)]
    same = compared(votes, good, good)
    assert all(row["gap"]["value"] == 0 for row in same)
    for row in compared(votes, poor, good):
        gap = Number(**row["gap"])
        assert row["positives"] in (150, 50) and gap.low < gap.value < gap.high
        assert row["metric"] == "accuracy" or gap.low > 0


def test_it_trains_on_both_kinds_and_keeps_what_it_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for variant in ("greyscale", "colour, matched sizes"):
        monkeypatch.delitem(VARIANTS, variant)
    kinds = [(sample(32, radius), sample(16, radius, 1)) for radius in (20, 12)]
    test = sample(40, 12, 2)
    found = transfer(*kinds, test, SMALL, (0, 1), tmp_path)
    assert len(found["rows"]) == len(VARIANTS) * len(TASKS) * 2
    assert found["sizes"]["real"] < found["sizes"]["matched"] == pytest.approx(found["sizes"]["simulated"], rel=0.1)
    assert len(list(tmp_path.iterdir())) == len(VARIANTS) * 2 * 2
    monkeypatch.setattr("tests.campaigns.simulation_transfer.learned", lambda *_: pytest.fail("trained again"))
    again = transfer(*kinds, test, SMALL, (0, 1), tmp_path)
    assert json.dumps(again) == json.dumps(found)
    text = report({VERSION: found})
    assert f"simulator version {VERSION}" in text and text.count("| greyscale, matched sizes |") == len(TASKS) * 2

"""How much of a debiased likelihood a picture can show: the challenge's values beside raw and debiased votes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import KFold, cross_val_predict
from threadpoolctl import threadpool_limits

from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.schema import GZ2
from galaxy_zoo_decals.sources.kaggle import TABLE, class_columns
from tests.campaigns.real_votes.matches import Match
from tests.campaigns.real_votes.sample import Sample

RESAMPLES = 2000
LEAST_ASKED = 10
"""Votes at a question from which its fractions are compared: below, a fraction is mostly chance."""


def interval(statistic: Callable[[np.ndarray], float], n: int, seed: int = 0) -> dict[str, float]:
    """Return a statistic of rows (given by their positions) with its 95 % bootstrap interval."""
    rng = np.random.default_rng(seed)
    drawn = [statistic(rng.integers(n, size=n)) for _ in range(RESAMPLES)]
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return {"value": float(statistic(np.arange(n))), "low": float(low), "high": float(high)}


def mean_interval(values: np.ndarray) -> dict[str, float]:
    """Return the mean of values with its 95 % bootstrap interval."""
    return interval(lambda rows: float(values[rows].mean()), len(values))


def explained(target: np.ndarray, features: np.ndarray, folds: int) -> dict[str, float]:
    """Return the share of the variance of targets (galaxies, answers) that boosted trees explain, with its interval.

    1 minus the squared error over the variance, of galaxies that the trees were not fitted on, in ``folds`` folds.
    """
    trees = HistGradientBoostingRegressor(random_state=0, max_iter=60, learning_rate=0.08)
    parts = KFold(folds, shuffle=True, random_state=0)
    with threadpool_limits(1):  # On tables this small threads cost more than they save.
        guess = np.column_stack([cross_val_predict(trees, features, one, cv=parts) for one in target.T])

    def share(rows: np.ndarray) -> float:
        about = ((target[rows] - target[rows].mean(axis=0)) ** 2).sum()
        return float(1 - ((target[rows] - guess[rows]) ** 2).sum() / about)

    return interval(share, len(target))


def kaggle_values(folder: Path) -> pd.DataFrame:
    """Return the challenge's values by GalaxyID, columns as in the published table."""
    path = folder / TABLE
    if not path.is_file():
        raise UserError(f"{path}: there is no such file.")
    return pd.read_csv(path, dtype={"GalaxyID": str}).set_index("GalaxyID")


def matched_table(sample: Sample, matches: list[Match], ids: list[str], values: pd.DataFrame) -> pd.DataFrame:
    """Return one row a galaxy that is in both: smooth and featured as raw, debiased (2016) and Kaggle value."""
    names = class_columns()["smooth-or-featured"][:2]
    rows = []
    for match in matches:
        row: dict[str, Any] = {"dr7objid": sample.names[match.first], "GalaxyID": ids[match.second]}
        row["correlation"] = match.correlation
        for i, answer in enumerate(("smooth", "featured")):
            row[f"{answer}_raw"] = sample.raw[match.first, i]
            row[f"{answer}_debiased"] = sample.debiased[match.first, i]
            row[f"{answer}_kaggle"] = values.loc[row["GalaxyID"], names[i]]
        rows.append(row)
    return pd.DataFrame(rows)


def of_matched(table: pd.DataFrame) -> dict[str, Any]:
    """Return how far the challenge's value at smooth is from the raw and from the debiased fraction, with intervals."""
    kaggle = table["smooth_kaggle"].to_numpy(float)
    found: dict[str, Any] = {"galaxies": len(table)}
    for name in ("raw", "debiased"):
        apart = kaggle - table[f"smooth_{name}"].to_numpy(float)
        found[name] = {
            "mean_difference": mean_interval(apart),
            "mean_absolute_difference": mean_interval(np.abs(apart)),
            "below": int((apart < 0).sum()),
        }
    return found


def raw_and_debiased(sample: Sample) -> list[dict[str, Any]]:
    """Return, for each question, how far debiased fractions (2016) are from raw ones, and how well these predict them.

    Of galaxies with LEAST_ASKED votes there. ``same_answer``: the largest of both is the same. ``explained``: the
    share of the variance that a regression on all raw fractions explains; 0 is as good as the mean. What is left cannot
    be read off the votes of this galaxy, and so not off its picture by way of them.
    """
    out = []
    features = np.nan_to_num(sample.raw, nan=-1.0)
    for q, columns in ((q, GZ2.slices[q.name]) for q in GZ2.questions):
        raw, debiased = sample.raw[:, columns], sample.debiased[:, columns]
        use = (sample.counts[:, columns].sum(axis=1) >= LEAST_ASKED) & ~np.isnan(debiased).any(axis=1)
        use &= debiased.sum(axis=1) > 0
        raw, debiased = raw[use], debiased[use]
        n = len(raw)
        if n < 50:
            continue
        same, apart = raw.argmax(axis=1) == debiased.argmax(axis=1), np.abs(raw - debiased).mean(axis=1)
        out.append(
            {
                "question": q.name,
                "galaxies": n,
                "same_answer": mean_interval(same.astype(float)),
                "mean_absolute_difference": mean_interval(apart),
                "explained": explained(debiased, features[use], 10),
            }
        )
    return out

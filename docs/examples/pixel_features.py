"""Predictions made without the harness: extremely randomised trees on pixel features, a table a seed.

    python docs/examples/pixel_features.py OUT_DIR
    python -m leaderboard submit --predictions OUT_DIR/seed*.csv --facts docs/examples/pixel_features.yaml

Nothing here knows the leaderboard: it loads the edition with `datasets` and writes the columns of docs/predictions.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from datasets import load_dataset
from sklearn.ensemble import ExtraTreesClassifier

import galaxy_zoo_decals

SEEDS = (0, 1, 2)
SIDE = 24
"""Pixels of the image that the trees see: asinh-stretched means of the central half."""


def features(image: np.ndarray) -> np.ndarray:
    """Return coarse pixels, a light profile, asymmetries under rotation and colours of an image (size, size, 3)."""
    size = len(image)
    middle = image[size // 4 : size // 4 + size // 2, size // 4 : size // 4 + size // 2].astype(float)
    light = middle.mean(axis=2)
    step = len(light) // SIDE
    coarse = light[: step * SIDE, : step * SIDE].reshape(SIDE, step, SIDE, step).mean(axis=(1, 3))
    centre = np.arange(SIDE) - (SIDE - 1) / 2
    radius = np.hypot(centre[:, None], centre)
    rings = [coarse[(radius >= r) & (radius < r + 2)] for r in range(0, SIDE // 2, 2)]
    profile = [value for ring in rings for value in (ring.mean(), ring.std())]
    total = coarse.sum() + 1
    turned = [np.abs(coarse - np.rot90(coarse, k)).sum() / total for k in (1, 2)]
    colours = middle.mean(axis=(0, 1)) / (middle.mean() + 1)
    return np.concatenate([np.arcsinh(coarse.ravel() / 16), profile, turned, colours])


def main(out: Path) -> None:
    """Train one forest a seed on the labelled training galaxies and predict every scored test galaxy."""
    edition = galaxy_zoo_decals.path("sample")
    train = load_dataset(edition, "multiclass", split="train")
    # The votes view has every galaxy; the others leave out those without a label, and these are to be predicted too.
    test = load_dataset(edition, "votes", split="test").filter(lambda scored: scored, input_columns="scored")
    x, y = np.stack([features(np.asarray(image)) for image in train["image"]]), np.array(train["label"])
    seen = np.stack([features(np.asarray(image)) for image in test["image"]])
    classes = train.features["label"].names
    out.mkdir(parents=True, exist_ok=True)
    for seed in SEEDS:
        forest = ExtraTreesClassifier(300, min_samples_leaf=3, class_weight="balanced", random_state=seed, n_jobs=-1)
        probabilities = forest.fit(x, y).predict_proba(seen)
        table = pd.DataFrame(probabilities, columns=[f"p_{classes[c]}" for c in forest.classes_])
        table.insert(0, "iauname", test["iauname"])
        table.to_csv(out / f"seed{seed}.csv", index=False)
        print(f"seed {seed}: {sum(tree.tree_.node_count for tree in forest.estimators_):,} nodes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

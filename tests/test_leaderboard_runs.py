"""Run folders as the harness writes them, made up from the truth and some noise; and how they are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from galaxy_zoo_decals import old_words
from galaxy_zoo_decals import predictions as prediction_files
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.predictions import Predictions
from galaxy_zoo_decals.scoring import Truth
from leaderboard.entry import run_json
from leaderboard.files import DATA, LeaderboardError

MODELS = {
    "multiclass": ("multiclass", "Three-layer CNN, four classes", ["four classes"]),
    "multilabel": ("multilabel", "Three-layer CNN, labels", ["labels"]),
    "hierarchical": (
        "hierarchical",
        "Five three-layer CNNs along the tree",
        ["smooth-or-featured", "how-rounded", "disk-edge-on", "has-spiral-arms", "merging"],
    ),
    "efficientnetv2": ("multiclass", "EfficientNet-Lite0, ImageNet", ["four classes"]),
    "dirichlet": ("votes", "Three-layer CNN, Dirichlet-multinomial", ["votes"]),
}


def guess(truth: Truth, task: str, skill: float, rng: np.random.Generator) -> np.ndarray:
    """Return predictions (galaxies, columns) that lie between the truth (skill 1) and noise (skill 0)."""
    n = len(truth.names)
    mixed = np.empty(truth.fractions.shape)
    for columns in truth.tree.slices.values():
        k = columns.stop - columns.start
        noise = rng.dirichlet(np.full(k, 1.5), n)
        known = np.where(np.isnan(truth.fractions[:, columns]), 1 / k, truth.fractions[:, columns])
        mixed[:, columns] = skill * known + (1 - skill) * noise
    if task == "votes":
        return 20 * mixed + 0.1
    if task == "hierarchical":
        return np.column_stack([mixed[:, truth.tree.slices[q]] for q in truth.tree.scored_questions])
    if task == "multilabel":
        return mixed[:, [truth.tree.answer_index[label.answer] for label in truth.tree.labels]]
    shares = truth.classes.shares + 1e-3
    return skill * shares / shares.sum(axis=1, keepdims=True) + (1 - skill) * rng.dirichlet(np.ones(4), n)


def write_run(edition: Path, root: Path, model: str, seed: int = 0, skill: float = 0.6, **changes: Any) -> Path:
    """Write a run folder of a model on an edition and return it; ``changes`` go over the facts in run.json."""
    truth = Truth.of(Edition(edition))
    task, title, curves = MODELS[model]
    rng = np.random.default_rng([seed, *model.encode()])
    folder = root / truth.edition / model / f"seed{seed}"
    predictions = Predictions(
        task, truth.edition, truth.content_hash, truth.split_hash, seed, truth.names, guess(truth, task, skill, rng)
    )
    prediction_files.write(folder / run_json.prediction_path(truth.edition, task, seed), predictions, truth.tree)
    facts = {
        "format": "1",
        "model": model,
        "title": title,
        "backbone": "cnn-16-32-64",
        "weights": "none",
        "tasks": [task],
        "edition": {
            "name": truth.edition,
            "title": truth.title,
            "content_hash": truth.content_hash,
            "split_hash": truth.split_hash,
        },
        "seed": seed,
        "recipe": {"name": "quick", "epochs": 8, "lr": 1e-3, "batch_size": 64, "flips": True},
        "resolution": 64,
        "parameters": 1_234_567,
        "device": "2 CPU cores",
        "precision": "float32",
        "processes": 1,
        "train_seconds": 61.5,
        "gpu_hours": None,
        "images_per_second": 212.4,
        "peak_memory_bytes": 1_500_000_000,
        "versions": {"python": "3.11.2", "torch": "2.15.0", "timm": None},
        "git": {"commit": "0123456789abcdef0123456789abcdef01234567", "dirty": False},
        "command": f"accelerate launch benchmark/run.py --model {model} --seed {seed}",
        "curves": [
            {
                "name": name,
                "best_epoch": 6,
                "points": [
                    {
                        "epoch": e,
                        "train_loss": 1.2 * 0.8**e + 0.2,
                        "validation_loss": 0.9 * 0.8**e + 0.35 + 0.005 * e**1.5 + 0.01 * rng.normal(),
                        "validation_metric": 0.7 - 0.4 * 0.7**e,
                    }
                    for e in range(1, 9)
                ],
            }
            for name in curves
        ],
    }
    (folder / "run.json").write_text(json.dumps(facts | changes))
    return folder


def change_run(path: Path, **changes: Any) -> None:
    """Change facts in a run's JSON; a mapping changes the keys it names."""
    facts = json.loads(path.read_text())
    for key, value in changes.items():
        facts[key] = facts[key] | value if isinstance(value, dict) else value
    path.write_text(json.dumps(facts))


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        ({"seed": -1}, "seed"),
        ({"recipe": {"average": 0.1, "ema_decay": 0.9, "dihedral_average": True}}, "which are one setting"),
        ({"title": "two\nlines"}, "title"),
        ({"title": "right\u202eleft"}, "U+202E"),
        ({"edition": {"name": "../elsewhere"}}, "edition.name"),
        ({"tasks": ["everything"]}, "tasks"),
        ({"recipe": {"deep": [[[[]]]]}}, "recipe.deep"),
        (
            {"edition": {"pictures": "JPEG\u2028Hub"}},
            "holds the invisible character U+2028",
        ),
        ({"edition": {"pictures": "a" + 3 * "\u0301"}}, "edition.pictures: Value error, holds more than 2 combining"),
        ({"edition": {"pictures": " \u3000"}}, "edition.pictures: Value error, is blank"),
        ({"edition": {"pictures": "\u3164\u2800"}}, "edition.pictures: Value error, is blank"),
        ({"edition": {"pictures": 61 * "a"}}, "edition.pictures: String should have at most 60"),
        ({"title": "  "}, "title: Value error, is blank"),
        ({"edition": {"image_size": "224"}}, "edition.image_size: Input should be a valid integer"),
        ({"edition": {"image_size": True}}, "edition.image_size: Input should be a valid integer"),
        ({"edition": {"image_size": 224.0}}, "edition.image_size: Input should be a valid integer"),
        ({"seed": "0"}, "seed: Input should be a valid integer"),
        ({"parameters": True}, "parameters: Input should be a valid integer"),
        ({"train_seconds": "61"}, "train_seconds: Input should be a valid number"),
    ],
)
def test_a_bad_run_names_file_and_key(toy_edition: Path, tmp_path: Path, damage: dict[str, Any], word: str) -> None:
    folder = write_run(toy_edition, tmp_path, "multiclass")
    change_run(folder / "run.json", **damage)
    with pytest.raises(LeaderboardError, match=r"run\.json") as caught:
        run_json.read(folder / "run.json")
    assert word in str(caught.value)


def test_pictures_of_any_language_are_read(toy_edition: Path, tmp_path: Path) -> None:
    folder = write_run(toy_edition, tmp_path, "multiclass")
    # A letter with two marks is Vietnamese, decomposed.
    written = {"pictures": "JPEG, a\u0302\u0301nh / 銀河 é", "image_size": 224}
    change_run(folder / "run.json", edition=written)
    edition = run_json.read(folder / "run.json").edition
    assert {"pictures": edition.pictures, "image_size": edition.image_size} == written


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("CPU, 1 threads a process", "CPU, 1 thread a process"),
        ("CPU, 11 threads a process", "CPU, 11 threads a process"),
    ],
)
def test_one_device_has_one_name(toy_edition: Path, tmp_path: Path, written: str, read: str) -> None:
    folder = write_run(toy_edition, tmp_path, "multiclass", device=written)
    assert run_json.read(folder / "run.json").device == read


def test_committed_runs_have_their_settings_in_the_words_of_today() -> None:
    paths = sorted((DATA / "submissions").glob("20*/runs/*/*/*.json"))
    runs = [run_json.read(path) for path in paths]
    assert len(runs) > 50 and {"average", "balance_by"} <= set().union(*(run.recipe for run in runs))
    assert {"quick", "best", "student"} <= {run.recipe_name for run in runs}
    for path, run in zip(paths, runs):
        assert not old_words.SETTINGS.keys() & run.settings.keys(), path
        assert run.recipe_name not in old_words.NAMES, path
        assert list(run.settings.values()) == [v for k, v in run.recipe.items() if k not in ("name", "seed")]


def test_a_run_in_old_words_is_the_one_in_new(toy_edition: Path, tmp_path: Path) -> None:
    shared = {"dihedral_average": True, "epochs": 20}
    old = shared | {"name": "paper", "average": 0.9, "balance": 0.5, "balance_by": "loss", "least": 0.05}
    new = shared | {"name": "student", "ema_decay": 0.9, "class_balance": 0.5, "class_balance_by": "loss"}
    first, second = (
        run_json.read(write_run(toy_edition, tmp_path / str(i), "multiclass", recipe=recipe) / "run.json")
        for i, recipe in enumerate((old, new | {"min_concentration": 0.05}))
    )
    assert first.settings == second.settings and first.recipe_name == second.recipe_name == "student"
    # What a training without the harness calls its settings is its own.
    theirs = {"name": "paper", "balance": "by hand"}
    run = run_json.read(write_run(toy_edition, tmp_path / "2", "multiclass", recipe=theirs) / "run.json")
    assert run.settings == {"balance": "by hand"} and run.recipe_name == "paper"


def test_a_truncated_run_names_the_line(toy_edition: Path, tmp_path: Path) -> None:
    folder = write_run(toy_edition, tmp_path, "multiclass")
    (folder / "run.json").write_text((folder / "run.json").read_text()[:200])
    with pytest.raises(LeaderboardError, match="line 1: not JSON"):
        run_json.read(folder / "run.json")


def test_runs_are_found_in_order_but_no_links_and_no_unfinished_ones(toy_edition: Path, tmp_path: Path) -> None:
    inside, outside = tmp_path / "runs", tmp_path / "outside"
    write_run(toy_edition, outside, "multilabel")
    for seed in (1, 0):
        write_run(toy_edition, inside, "multiclass", seed=seed)
    (inside / "linked").symlink_to(outside)
    (inside / "toy/multiclass/seed2.partial").mkdir()
    (inside / "toy/multiclass/seed2.partial/run.json").write_text("{}")
    assert [p.name for p in run_json.find(inside)] == ["seed0", "seed1"]

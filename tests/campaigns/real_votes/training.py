"""Models trained on the Kaggle galaxies, and finetuned on the folds' real votes, by the command anybody uses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark import plan
from benchmark.predict import board_predictions, load
from galaxy_zoo_decals import predictions as files
from galaxy_zoo_decals.edition import Edition

SEEDS = (0, 1, 2)

FINETUNING = {"epochs": 10, "warmup": 0.1, "ema_decay": 0.95}
"""What differs from the Kaggle training: an epoch of 500 galaxies is 15 steps, so that more of them are needed and the
moving average of the weights has to follow faster. Ten, and not more, for want of time; no other number was tried."""


@dataclass(frozen=True)
class Model:
    """A model of benchmark/boards.yaml: ``runs`` names its entry on the edition gz2."""

    runs: str
    name: str
    task: str

    def run(self, root: Path, seed: int) -> Path:
        """Return where its training on the Kaggle galaxies lies below the folder of all runs."""
        return root / "gz2" / self.runs / f"seed{seed}"


MODELS = (
    Model("dirichlet", "Dirichlet EfficientNet-Lite0", "votes"),
    Model("efficientnetv2-unbalanced", "EfficientNet-Lite0, four classes", "multiclass"),
    Model("multiclass", "CNN, four classes", "multiclass"),
    Model("multilabel", "CNN, labels", "multilabel"),
    Model("hierarchical", "Five CNNs, decision tree", "hierarchical"),
)


def _entry(model: Model) -> plan.Entry:
    """Return the model's entry of benchmark/boards.yaml."""
    return next(one for one in plan.read().entries if (one.edition, one.runs) == ("gz2", model.runs))


def train(root: Path, model: Model) -> None:
    """Train a model on the Kaggle galaxies as benchmark/boards.yaml says; finished runs are kept."""
    entry = _entry(model)
    for folder in entry.folders(root, list(SEEDS)):
        plan.call(entry.command(root, list(SEEDS), folder))


def finetuned(root: Path, model: Model, seed: int, fold: int) -> Path:
    """Return where the finetuning of a model on a fold lies."""
    return root / "real-votes" / model.runs / f"fold{fold}" / f"seed{seed}"


def finetune(root: Path, model: Model, editions: list[Edition]) -> None:
    """Finetune a model's trainings on every fold; finished runs are kept."""
    entry = _entry(model)
    for seed in SEEDS:
        for fold, edition in enumerate(editions):
            out = finetuned(root, model, seed, fold)
            command = ["accelerate", "launch", "--quiet", "--num_processes", "1", "--num_machines", "1"]
            command += ["--mixed_precision", "no", "--dynamo_backend", "no", "benchmark/run.py"]
            command += ["--model", str(entry.model), "--recipe", str(entry.recipe), "--edition", str(edition.path)]
            command += ["--backbone", str(entry.backbone)] if entry.backbone else []
            command += ["--weights", str(model.run(root, seed)), "--seed", str(seed)]
            for key, value in {**entry.settings, **FINETUNING}.items():
                command += ["--set", f"{key}={str(value).lower() if isinstance(value, bool) else value}"]
            plan.call([*command, "--out", str(out), "--resume"])


def zero_shot(root: Path, model: Model, seed: int, editions: list[Edition]) -> list[np.ndarray]:
    """Return what a model that never saw these votes says of each fold's test galaxies; the predictions are stored."""
    kept, found, loaded = root / "real-votes" / "zero-shot" / model.runs / f"seed{seed}", [], None
    for edition in editions:
        path = kept / f"{edition.name}.parquet"
        if not path.is_file():
            loaded = loaded or load(str(model.run(root, seed)))
            path.parent.mkdir(parents=True, exist_ok=True)
            files.write(path, board_predictions(loaded, edition, seed), edition.tree)
        found.append(files.read(path, edition.tree).values)
    return found


def after_finetuning(root: Path, model: Model, seed: int, editions: list[Edition]) -> list[np.ndarray]:
    """Return what the finetuned trainings say of their own fold's test galaxies."""
    paths = [
        finetuned(root, model, seed, fold) / "predictions" / edition.name / model.task / f"seed{seed}.parquet"
        for fold, edition in enumerate(editions)
    ]
    return [files.read(path, edition.tree).values for path, edition in zip(paths, editions)]

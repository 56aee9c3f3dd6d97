"""The classic CNN of four classes: three convolutions and dropout, trained on the volunteers' class shares."""

from __future__ import annotations

from typing import Self

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers.modeling_outputs import ImageClassifierOutput

from benchmark.models.model import Examples, GalaxyConfig, GalaxyModel, config_values
from benchmark.models.networks import convolutional
from benchmark.recipes import Convolutional
from galaxy_zoo_decals import views
from galaxy_zoo_decals.schema import CLASSES, Tree
from galaxy_zoo_decals.scoring import Truth, metrics
from galaxy_zoo_decals.scoring.bootstrap import plain


class MulticlassConfig(GalaxyConfig):
    """Config of the multiclass CNN."""

    model_type = "galaxy_zoo_multiclass"
    channels: tuple[int, ...] | list[int] = (16, 32, 64)
    hidden: int = 128
    dropout: float = 0.25


class MulticlassCNN(GalaxyModel):
    """Predicts the class of a galaxy; logits are log class shares."""

    config_class = MulticlassConfig
    task = "multiclass"

    def __init__(self, config: MulticlassConfig) -> None:
        super().__init__(config)
        self.network = convolutional(
            tuple(config.channels), config.hidden, config.dropout, config.image_size, len(CLASSES)
        )
        self.post_init()

    @classmethod
    def from_recipe(cls, recipe: Convolutional, tree: Tree) -> Self:
        """Return the CNN with random weights."""
        return cls(
            MulticlassConfig(
                channels=recipe.channels,
                hidden=recipe.hidden,
                dropout=recipe.dropout,
                **config_values(recipe, tree, CLASSES),
            )
        )

    @classmethod
    def title(cls, recipe: Convolutional) -> str:
        """Return what is trained."""
        return f"CNN {'-'.join(map(str, recipe.channels))}"

    def networks(self) -> dict[str, nn.Module]:
        """Return the one CNN."""
        return {"multiclass": self.network}

    def examples(self, network: str, votes: np.ndarray) -> Examples:
        """Return the class shares of all galaxies that have a class."""
        return class_examples(self.tree, votes)

    def loss(self, network: str, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the cross-entropy with the class shares."""
        return functional.cross_entropy(outputs.float(), targets, reduction="none")

    def metric(self, network: str, truth: Truth, outputs: np.ndarray) -> float:
        """Return macro-F1 over the classes with enough galaxies."""
        return class_metric(truth, outputs)

    def predict(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Return class probabilities (n, 4)."""
        return self.network(pixel_values).float().softmax(dim=1)

    def forward(self, pixel_values: torch.Tensor) -> ImageClassifierOutput:
        """Return logits (n, 4)."""
        return ImageClassifierOutput(logits=self.network(pixel_values))


def class_examples(tree: Tree, votes: np.ndarray) -> Examples:
    """Return the class shares, without artifact, of the galaxies that have a class label; classes are the strata."""
    fractions = views.fractions(tree, votes)
    label = views.multiclass(tree, fractions).label
    rows = np.flatnonzero(label >= 0)
    shares = views.predicted_classes(tree, fractions[rows])
    return Examples(rows, shares.astype(np.float32), label[rows])


def class_metric(truth: Truth, outputs: np.ndarray) -> float:
    """Return macro-F1 of class scores (galaxies, 4) on the labelled galaxies of ``truth``."""
    return float(metrics.multiclass_metrics(truth, outputs, plain(len(outputs))).metrics["macro_f1"][0])

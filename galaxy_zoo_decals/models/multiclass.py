"""Models of four classes, trained on the class shares that the votes give; the classic CNN of three convolutions."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from galaxy_zoo_decals import views
from galaxy_zoo_decals.models.convolutional import convolutional, convolutional_values
from galaxy_zoo_decals.models.model import Examples, GalaxyConfig, GalaxyModel, config_values, log_shares
from galaxy_zoo_decals.schema import CLASSES, Tree
from galaxy_zoo_decals.scoring import BOARDS, Truth
from galaxy_zoo_decals.scoring.bootstrap import plain


class MulticlassConfig(GalaxyConfig):
    """Config of the multiclass CNN."""

    model_type = "galaxy_zoo_multiclass"
    channels: tuple[int, ...] | list[int] = (16, 32, 64)
    hidden: int = 128
    batch_norm: bool = False
    dropout: float = 0.25


class ClassModel(GalaxyModel):
    """A model of the four classes with one ``network``; logits are log class shares."""

    task = "multiclass"
    network: nn.Module

    def networks(self) -> dict[str, nn.Module]:
        """Return the one network."""
        return {"multiclass": self.network}

    def examples(self, network: str, votes: np.ndarray) -> Examples:
        """Return the class shares, without artifact, of the galaxies that have a class; classes are the strata."""
        fractions = views.fractions(self.tree, votes)
        label = views.multiclass(self.tree, fractions).label
        rows = np.flatnonzero(label >= 0)
        shares = views.predicted_classes(self.tree, fractions[rows])
        return Examples(rows, shares.astype(np.float32), label[rows])

    def loss(self, network: str, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the cross-entropy with the class shares."""
        return functional.cross_entropy(outputs.float(), targets, reduction="none")

    def metric(self, network: str, truth: Truth, outputs: np.ndarray) -> float:
        """Return macro-F1 over the classes with enough galaxies."""
        return float(BOARDS["multiclass"].score(truth, outputs, plain(len(outputs))).metrics["macro_f1"][0])

    def answer(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Return class probabilities (n, 4)."""
        return self.network(self.see(pixel_values)).float().softmax(dim=1)

    def logits(self, predictions: torch.Tensor) -> torch.Tensor:
        """Return log class shares (n, 4)."""
        return log_shares(predictions)


class MulticlassCNN(ClassModel):
    """Predicts the class of a galaxy with a plain CNN."""

    config_class = MulticlassConfig

    def __init__(self, config: MulticlassConfig) -> None:
        super().__init__(config)
        self.network = convolutional(config, len(CLASSES))
        self.post_init()

    @classmethod
    def from_recipe(cls, recipe: Any, tree: Tree) -> Self:
        """Return the CNN with random weights."""
        return cls(
            MulticlassConfig(
                **convolutional_values(recipe),
                **config_values(recipe, tree, CLASSES),
            )
        )

    @classmethod
    def title(cls, recipe: Any) -> str:
        """Return what is trained."""
        return f"CNN {'-'.join(map(str, recipe.channels))}"

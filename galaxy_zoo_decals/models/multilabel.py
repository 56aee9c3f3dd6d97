"""The multi-label CNN: 16-32-64 channels, 256 units, dropout 0.5, one sigmoid a label."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from galaxy_zoo_decals import views
from galaxy_zoo_decals.models.convolutional import convolutional, convolutional_values
from galaxy_zoo_decals.models.model import Examples, GalaxyConfig, GalaxyModel, config_values
from galaxy_zoo_decals.schema import Tree
from galaxy_zoo_decals.scoring import BOARDS, Truth
from galaxy_zoo_decals.scoring.bootstrap import plain


class MultilabelConfig(GalaxyConfig):
    """Config of the multi-label CNN."""

    model_type = "galaxy_zoo_multilabel"
    channels: tuple[int, ...] | list[int] = (16, 32, 64)
    hidden: int = 256
    batch_norm: bool = False
    dropout: float = 0.5
    class_balance: float = 0.0


class MultilabelCNN(GalaxyModel):
    """Predicts the probability that each label is true, given that its question was asked."""

    config_class = MultilabelConfig
    task = "multilabel"
    positive_weight: torch.Tensor

    def __init__(self, config: MultilabelConfig) -> None:
        super().__init__(config)
        self.network = convolutional(config, config.num_labels)
        self.register_buffer("positive_weight", torch.ones(config.num_labels))
        self.post_init()

    @classmethod
    def from_recipe(cls, recipe: Any, tree: Tree) -> Self:
        """Return the CNN with random weights and one output a label of the tree."""
        return cls(
            MultilabelConfig(
                class_balance=recipe.class_balance,
                **convolutional_values(recipe),
                problem_type="multi_label_classification",
                **config_values(recipe, tree, tree.label_names),
            )
        )

    @classmethod
    def title(cls, recipe: Any) -> str:
        """Return what is trained."""
        return f"Multi-label CNN {'-'.join(map(str, recipe.channels))}"

    def networks(self) -> dict[str, nn.Module]:
        """Return the one CNN."""
        return {"multilabel": self.network}

    def start(self, votes: np.ndarray) -> None:
        """Take from the training votes how much the positives of each label weigh, by ``class_balance``."""
        targets = self.examples("multilabel", votes).targets
        positives, negatives = ((targets == value).sum(axis=0) for value in (1, 0))
        odds = np.maximum(negatives, 1) / np.maximum(positives, 1)
        self.positive_weight.copy_(torch.from_numpy(odds**self.config.class_balance))

    def examples(self, network: str, votes: np.ndarray) -> Examples:
        """Return the labels of all galaxies, 1 or 0, and NaN where the question was not asked."""
        fractions = views.fractions(self.tree, votes)
        known = views.label_asked(self.tree, views.asked(self.tree, views.totals(self.tree, votes)))
        labels = np.where(known, views.labels(self.tree, fractions), np.nan)
        rows = np.flatnonzero(known.any(axis=1))
        return Examples(rows, labels[rows].astype(np.float32))

    def loss(self, network: str, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the masked binary cross-entropy of each galaxy: the sum over known labels / number of labels."""
        known = ~targets.isnan()
        terms = functional.binary_cross_entropy_with_logits(
            outputs.float(),
            targets.nan_to_num(),
            weight=known.float(),
            pos_weight=self.positive_weight.to(outputs.device),  # Validation sums its losses on the CPU.
            reduction="none",
        )
        return terms.mean(dim=1)

    def metric(self, network: str, truth: Truth, outputs: np.ndarray) -> float:
        """Return the macro mean of the average precision over the labels with enough positives."""
        return float(BOARDS["multilabel"].score(truth, outputs, plain(len(outputs))).metrics["macro_map"][0])

    def answer(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Return the probability of each label (n, labels)."""
        return self.network(self.see(pixel_values)).float().sigmoid()

    def logits(self, predictions: torch.Tensor) -> torch.Tensor:
        """Return the log odds of the labels (n, labels)."""
        return predictions.logit(eps=1e-6)

"""Five CNNs along the tree, one a scored question, each trained on the galaxies that were asked it."""

from __future__ import annotations

from typing import Self

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers.modeling_outputs import ImageClassifierOutput

from benchmark.models.model import Examples, GalaxyConfig, GalaxyModel, config_values, log_shares
from benchmark.models.networks import convolutional
from benchmark.recipes import Convolutional
from galaxy_zoo_decals import views
from galaxy_zoo_decals.schema import Tree
from galaxy_zoo_decals.scoring import Truth, metrics


class HierarchicalConfig(GalaxyConfig):
    """Config of the five CNNs."""

    model_type = "galaxy_zoo_hierarchical"
    channels: tuple[int, ...] | list[int] = (16, 32, 64)
    hidden: int = 256
    dropout: float = 0.5


class HierarchicalCNN(GalaxyModel):
    """Predicts the answers of the five scored questions, each given that it is asked; logits are of the leaves."""

    config_class = HierarchicalConfig
    task = "hierarchical"

    def __init__(self, config: HierarchicalConfig) -> None:
        super().__init__(config)
        self.questions = nn.ModuleDict(
            {
                name: convolutional(
                    tuple(config.channels),
                    config.hidden,
                    config.dropout,
                    config.image_size,
                    len(self.tree.question(name).answers),
                )
                for name in self.tree.scored_questions
            }
        )
        self.post_init()

    @classmethod
    def from_recipe(cls, recipe: Convolutional, tree: Tree) -> Self:
        """Return the five CNNs with random weights."""
        leaves, _ = views.leaves(tree, np.zeros((1, len(tree.answers))))
        return cls(
            HierarchicalConfig(
                channels=recipe.channels,
                hidden=recipe.hidden,
                dropout=recipe.dropout,
                **config_values(recipe, tree, leaves),
            )
        )

    @classmethod
    def title(cls, recipe: Convolutional) -> str:
        """Return what is trained."""
        return f"Five CNNs {'-'.join(map(str, recipe.channels))} along the tree"

    def networks(self) -> dict[str, nn.Module]:
        """Return the CNN of each scored question, in the tree's order."""
        return {name: self.questions[name] for name in self.tree.scored_questions}

    def examples(self, network: str, votes: np.ndarray) -> Examples:
        """Return the fractions of a question's answers for the galaxies that were truly asked it."""
        asked = views.asked(self.tree, views.totals(self.tree, votes))[:, self.tree.question_index[network]]
        rows = np.flatnonzero(asked)
        fractions = views.fractions(self.tree, votes[rows])[:, self.tree.slices[network]]
        return Examples(rows, fractions.astype(np.float32))

    def loss(self, network: str, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the cross-entropy with the answers' fractions."""
        return functional.cross_entropy(outputs.float(), targets, reduction="none")

    def metric(self, network: str, truth: Truth, outputs: np.ndarray) -> float:
        """Return the accuracy of the question on the galaxies whose true path comes to it."""
        fractions = np.full((len(outputs), len(self.tree.answers)), np.nan)
        fractions[:, self.tree.slices[network]] = outputs
        reached, right, _ = metrics.question_hits(truth, fractions)
        i = self.tree.scored_questions.index(network)
        return float(metrics.ratio((reached & right)[:, i].sum(), reached[:, i].sum()))

    def predict(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Return the conditional probabilities of all answers of the five questions (n, answers)."""
        return torch.cat([net(pixel_values).float().softmax(dim=1) for net in self.networks().values()], dim=1)

    def forward(self, pixel_values: torch.Tensor) -> ImageClassifierOutput:
        """Return the log probabilities of the leaves (n, 7): the answers multiplied down the tree."""
        answers = self.predict(pixel_values)
        fractions, start = np.full((len(answers), len(self.tree.answers)), np.nan), 0
        for name in self.tree.scored_questions:
            stop = start + len(self.tree.question(name).answers)
            fractions[:, self.tree.slices[name]] = answers[:, start:stop].detach().cpu().numpy()
            start = stop
        return ImageClassifierOutput(logits=log_shares(views.leaves(self.tree, fractions)[1], answers))

"""CNNs along the tree: one a scored question, trained on the galaxies that were asked it, or one for all questions."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from galaxy_zoo_decals import views
from galaxy_zoo_decals.models.convolutional import convolutional, convolutional_values
from galaxy_zoo_decals.models.model import Examples, GalaxyConfig, GalaxyModel, config_values, log_shares
from galaxy_zoo_decals.schema import Tree
from galaxy_zoo_decals.scoring import BOARDS, Truth
from galaxy_zoo_decals.scoring.boards.hierarchical import question_hits
from galaxy_zoo_decals.scoring.bootstrap import ratio

TRUNK = "tree"
"""Name of the one network that answers all questions."""


class HierarchicalConfig(GalaxyConfig):
    """Config of the CNNs along the tree."""

    model_type = "galaxy_zoo_hierarchical"
    channels: tuple[int, ...] | list[int] = (16, 32, 64)
    hidden: int = 256
    batch_norm: bool = False
    dropout: float = 0.5
    shared_trunk: bool = False


class HierarchicalCNN(GalaxyModel):
    """Predicts the answers of the five scored questions, each given that it is asked; logits are of the leaves."""

    config_class = HierarchicalConfig
    task = "hierarchical"

    def __init__(self, config: HierarchicalConfig) -> None:
        super().__init__(config)
        each = {name: len(self.tree.question(name).answers) for name in self.tree.scored_questions}
        outputs = {TRUNK: sum(each.values())} if config.shared_trunk else each
        self.questions = nn.ModuleDict({name: convolutional(config, n) for name, n in outputs.items()})
        self.post_init()

    @classmethod
    def from_recipe(cls, recipe: Any, tree: Tree) -> Self:
        """Return the CNNs with random weights."""
        leaves, _ = views.leaves(tree, np.zeros((1, len(tree.answers))))
        return cls(
            HierarchicalConfig(
                shared_trunk=recipe.shared_trunk,
                **convolutional_values(recipe),
                **config_values(recipe, tree, leaves),
            )
        )

    @classmethod
    def title(cls, recipe: Any) -> str:
        """Return what is trained."""
        shape = "-".join(map(str, recipe.channels))
        return f"One CNN {shape} for the whole tree" if recipe.shared_trunk else f"Five CNNs {shape} along the tree"

    def networks(self) -> dict[str, nn.Module]:
        """Return the CNN of each scored question, in the tree's order, or the one of all."""
        return dict(self.questions.items())

    def covers(self, network: str) -> dict[str, slice]:
        """Return the questions a network answers and the columns of its outputs that do so."""
        names, found, start = self.tree.scored_questions if network == TRUNK else (network,), {}, 0
        for name in names:
            found[name] = slice(start, start + len(self.tree.question(name).answers))
            start = found[name].stop
        return found

    def examples(self, network: str, votes: np.ndarray) -> Examples:
        """Return the fractions of the answers for galaxies truly asked, NaN for a question that one was not asked."""
        asked = views.asked(self.tree, views.totals(self.tree, votes))
        fractions = views.fractions(self.tree, votes)
        targets = np.concatenate(
            [
                np.where(asked[:, [self.tree.question_index[name]]], fractions[:, self.tree.slices[name]], np.nan)
                for name in self.covers(network)
            ],
            axis=1,
        )
        rows = np.flatnonzero(~np.isnan(targets).all(axis=1))
        return Examples(rows, targets[rows].astype(np.float32))

    def loss(self, network: str, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the cross-entropy with the answers' fractions, summed over the questions that were asked."""
        total = outputs.new_zeros(len(outputs), dtype=torch.float32)
        for columns in self.covers(network).values():
            known = targets[:, columns]
            asked = ~known.isnan().any(dim=1)
            terms = functional.cross_entropy(outputs[:, columns].float(), known.nan_to_num(), reduction="none")
            total = total + torch.where(asked, terms, 0.0)
        return total

    def metric(self, network: str, truth: Truth, outputs: np.ndarray) -> float:
        """Return the accuracy on the galaxies whose true path comes to a question, averaged over the questions."""
        fractions = np.full((len(outputs), len(self.tree.answers)), np.nan)
        for name, columns in self.covers(network).items():
            fractions[:, self.tree.slices[name]] = outputs[:, columns]
        reached, right, _ = question_hits(truth, fractions)
        chosen = [self.tree.scored_questions.index(name) for name in self.covers(network)]
        return float(np.mean(ratio((reached & right)[:, chosen].sum(axis=0), reached[:, chosen].sum(axis=0))))

    def answer(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Return the conditional probabilities of all answers of the five questions (n, answers)."""
        seen = self.see(pixel_values)
        parts = []
        for name, network in self.networks().items():
            outputs = network(seen).float()
            parts += [outputs[:, columns].softmax(dim=1) for columns in self.covers(name).values()]
        return torch.cat(parts, dim=1)

    def logits(self, predictions: torch.Tensor) -> torch.Tensor:
        """Return the log probabilities of the leaves (n, 7): the answers multiplied down the tree."""
        fractions = BOARDS[self.task].of_file(self.tree, predictions.detach().cpu().numpy())
        return log_shares(torch.from_numpy(views.leaves(self.tree, fractions)[1]).to(predictions))

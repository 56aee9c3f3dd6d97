"""One network for every answer of the tree, trained on the votes themselves; it enters every board.

The likelihood is that of Walmsley et al. 2022 (MNRAS 509, 3966), eqs 5-7.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from torch import nn

from galaxy_zoo_decals import views
from galaxy_zoo_decals.models.backbones import backbone, backbone_title, backbone_values
from galaxy_zoo_decals.models.model import Examples, GalaxyConfig, GalaxyModel, log_shares
from galaxy_zoo_decals.predictions import LEAST_CONCENTRATION, MOST_CONCENTRATION
from galaxy_zoo_decals.schema import Tree
from galaxy_zoo_decals.scoring import BOARDS, Truth
from galaxy_zoo_decals.scoring.bootstrap import plain

START_GALAXIES, START_STEPS = 500, 100
"""Galaxies and steps for the head's first values: about a second's work."""


class DirichletConfig(GalaxyConfig):
    """Config of the Dirichlet model."""

    model_type = "galaxy_zoo_dirichlet"
    backbone: str = "tf_efficientnetv2_m.in21k_ft_in1k"
    dropout: float = 0.5
    drop_path: float = 0.0
    in_chans: int = 3
    min_concentration: float = 1.0


class DirichletModel(GalaxyModel):
    """Predicts Dirichlet concentrations of every answer; logits are the log class shares that follow from them."""

    config_class = DirichletConfig
    task = "votes"

    def __init__(self, config: DirichletConfig) -> None:
        super().__init__(config)
        self.network: Any = backbone(
            config.backbone,
            len(self.tree.answers),
            config.dropout,
            config.drop_path,
            config.image_size,
            config.in_chans,
        )
        self.post_init()

    @classmethod
    def from_recipe(cls, recipe: Any, tree: Tree, **form: Any) -> Self:
        """Return the network with random weights and one output an answer of the tree."""
        values = backbone_values(recipe, tree, form)
        return cls(DirichletConfig(min_concentration=recipe.min_concentration, **values))

    @classmethod
    def title(cls, recipe: Any) -> str:
        """Return the head and the backbone by its proper name."""
        return f"Dirichlet on {backbone_title(recipe.backbone)}"

    def networks(self) -> dict[str, nn.Module]:
        """Return the one network."""
        return {"dirichlet": self.network}

    def start(self, votes: np.ndarray) -> None:
        """Let the head begin at what explains all votes alike: what is left to learn is how galaxies differ."""
        some = torch.from_numpy(votes[:: max(1, len(votes) // START_GALAXIES)].astype(np.float32))
        outputs = torch.full((len(self.tree.answers),), -4.0, requires_grad=True)
        optimizer = torch.optim.Adam([outputs], lr=0.1)
        for _ in range(START_STEPS):
            optimizer.zero_grad()
            dirichlet_multinomial_loss(
                self.tree, concentrations(outputs, self.config.min_concentration).expand_as(some), some
            ).mean().backward()
            optimizer.step()
        with torch.no_grad():
            for parameter in self.network.get_classifier().parameters():
                if parameter.shape == outputs.shape:
                    # Further down the sigmoid is too flat to learn on.
                    parameter.copy_(outputs.clamp(min=-7))

    def examples(self, network: str, votes: np.ndarray) -> Examples:
        """Return the votes of every galaxy with at least three, whatever questions are missing."""
        rows = np.flatnonzero(views.totals(self.tree, votes)[:, 0] >= views.MIN_VOTES)
        return Examples(rows, votes[rows].astype(np.float32))

    def loss(self, network: str, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return minus the log likelihood of each galaxy's votes, summed over questions."""
        return dirichlet_multinomial_loss(self.tree, concentrations(outputs, self.config.min_concentration), targets)

    def metric(self, network: str, truth: Truth, outputs: np.ndarray) -> float:
        """Return the mean accuracy of the most voted answer over questions."""
        alpha = concentrations(torch.from_numpy(outputs), self.config.min_concentration).numpy()
        return float(BOARDS["votes"].score(truth, alpha, plain(len(outputs))).metrics["accuracy"][0])

    def answer(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Return the concentrations of all answers (n, answers)."""
        return concentrations(self.network(self.see(pixel_values)), self.config.min_concentration)

    @staticmethod
    def combine(tree: Tree, answers: torch.Tensor) -> torch.Tensor:
        """Return the Dirichlets (n, answers) that come nearest to the mixtures of several (several, n, answers)."""
        return mixture(tree, answers)

    def logits(self, predictions: torch.Tensor) -> torch.Tensor:
        """Return log class shares (n, 4)."""
        fractions = views.fractions(self.tree, predictions.detach().cpu().numpy())
        return log_shares(torch.from_numpy(views.predicted_classes(self.tree, fractions)).to(predictions))


def concentrations(outputs: torch.Tensor, min_concentration: float = 1.0) -> torch.Tensor:
    """Return alpha = min_concentration + 100 sigmoid(x), float32; with 1 it is Zoobot's head."""
    return min_concentration + 100 * outputs.float().sigmoid()


def mixture(tree: Tree, alpha: torch.Tensor) -> torch.Tensor:
    """Return concentrations (n, answers) with the mean and the total variance of a mixture of Dirichlets.

    ``alpha`` (several, n, answers) are its equally likely parts. The mean concentrations would be another thing: sure
    parts that contradict each other would come out as sure as they are. Clipped to what a prediction file may hold: the
    total is never above the largest of the parts, but parts that contradict each other without a doubt leave none.
    """
    out = torch.empty_like(alpha[0])
    for question in tree.questions:
        part = alpha[..., tree.slices[question.name]].double()
        total = part.sum(dim=-1, keepdim=True)
        shares = part / total
        mean = shares.mean(dim=0)
        # One Dirichlet has the variance u / (total + 1), u = 1 - sum of shares^2; a mixture's is the mean of its parts'
        # and that of their means. u is summed from products: of nearly sure parts, 1 - shares^2 has no digits left.
        u = 2 * (shares[..., 1:] * shares[..., :-1].cumsum(dim=-1)).sum(dim=-1, keepdim=True)
        between = (shares - mean).square().sum(dim=-1, keepdim=True).mean(dim=0)
        new = (u * total / (total + 1)).mean(dim=0) / ((u / (total + 1)).mean(dim=0) + between)
        out[..., tree.slices[question.name]] = (mean * new).clamp(LEAST_CONCENTRATION, MOST_CONCENTRATION).to(out.dtype)
    return out


def dirichlet_multinomial_loss(tree: Tree, alpha: torch.Tensor, votes: torch.Tensor) -> torch.Tensor:
    """Return minus the log likelihood of votes (n, answers) under concentrations alpha, summed over questions, (n,).

    Float32 throughout (bfloat16 has no lgamma). A question without votes adds exactly 0 and has zero gradient.
    """
    alpha, votes = alpha.float(), votes.float()
    answers = (torch.lgamma(alpha + votes) - torch.lgamma(alpha) - torch.lgamma(votes + 1)).sum(dim=1)
    for question in tree.questions:
        columns = tree.slices[question.name]
        n, a = votes[:, columns].sum(dim=1), alpha[:, columns].sum(dim=1)
        answers = answers + torch.lgamma(n + 1) + torch.lgamma(a) - torch.lgamma(a + n)
    return -answers

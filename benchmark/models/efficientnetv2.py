"""A pretrained timm backbone of four classes, all layers trained; EfficientNetV2-M unless another is asked for."""

from __future__ import annotations

from typing import Self

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers.modeling_outputs import ImageClassifierOutput

from benchmark.models.model import Examples, GalaxyConfig, GalaxyModel, config_values
from benchmark.models.multiclass import class_examples, class_metric
from benchmark.models.networks import backbone, backbone_title, image_form
from benchmark.recipes import Backbone
from galaxy_zoo_decals.schema import CLASSES, Tree
from galaxy_zoo_decals.scoring import Truth


class EfficientNetConfig(GalaxyConfig):
    """Config of the classifier on a timm backbone."""

    model_type = "galaxy_zoo_backbone"
    backbone: str = "tf_efficientnetv2_m.in21k_ft_in1k"
    dropout: float = 0.5
    drop_path: float = 0.0


class EfficientNetClassifier(GalaxyModel):
    """Predicts the class of a galaxy with any timm network; logits are log class shares."""

    config_class = EfficientNetConfig
    task = "multiclass"

    def __init__(self, config: EfficientNetConfig) -> None:
        super().__init__(config)
        self.network = backbone(config.backbone, len(CLASSES), config.dropout, config.drop_path)
        self.post_init()

    @classmethod
    def from_recipe(cls, recipe: Backbone, tree: Tree) -> Self:
        """Return the network with random weights; ``networks.load_first_weights`` gives it better ones."""
        return cls(
            EfficientNetConfig(
                backbone=recipe.backbone,
                dropout=recipe.dropout,
                drop_path=recipe.drop_path,
                **image_form(recipe.backbone),
                **config_values(recipe, tree, CLASSES),
            )
        )

    @classmethod
    def title(cls, recipe: Backbone) -> str:
        """Return backbone and first weights by their own names."""
        return backbone_title(recipe)

    def networks(self) -> dict[str, nn.Module]:
        """Return the one network."""
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

"""A pretrained timm backbone of four classes, all layers trained; EfficientNetV2-M unless another is asked for."""

from __future__ import annotations

from typing import Any, Self

from galaxy_zoo_decals.models.backbones import backbone, backbone_title, backbone_values
from galaxy_zoo_decals.models.model import GalaxyConfig
from galaxy_zoo_decals.models.multiclass import ClassModel
from galaxy_zoo_decals.schema import CLASSES, Tree


class EfficientNetConfig(GalaxyConfig):
    """Config of the classifier on a timm backbone."""

    model_type = "galaxy_zoo_backbone"
    backbone: str = "tf_efficientnetv2_m.in21k_ft_in1k"
    dropout: float = 0.5
    drop_path: float = 0.0
    in_chans: int = 3


class EfficientNetClassifier(ClassModel):
    """Predicts the class of a galaxy with any timm network; logits are log class shares."""

    config_class = EfficientNetConfig

    def __init__(self, config: EfficientNetConfig) -> None:
        super().__init__(config)
        self.network = backbone(
            config.backbone, len(CLASSES), config.dropout, config.drop_path, config.image_size, config.in_chans
        )
        self.post_init()

    @classmethod
    def from_recipe(cls, recipe: Any, tree: Tree, **form: Any) -> Self:
        """Return the network with random weights; ``first_weights.load_first_weights`` gives it others."""
        return cls(EfficientNetConfig(**backbone_values(recipe, tree, form)))

    @classmethod
    def title(cls, recipe: Any) -> str:
        """Return the backbone by its proper name."""
        return backbone_title(recipe.backbone)

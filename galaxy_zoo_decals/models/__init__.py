"""The models and their registry: after this import transformers' Auto classes and pipelines know them, in any folder.

Needs the extra ``galaxy-zoo-decals[models]``; nothing else of the package imports torch.
"""

try:
    import timm  # noqa: F401
    import torch  # noqa: F401
    import transformers  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"{error.name} is not installed: pip install 'galaxy-zoo-decals[models]'", name=error.name
    ) from None

from transformers import AutoConfig, AutoImageProcessor, AutoModelForImageClassification

from galaxy_zoo_decals.models.dirichlet import DirichletModel
from galaxy_zoo_decals.models.hierarchical import HierarchicalCNN
from galaxy_zoo_decals.models.image_processor import GalaxyImageProcessor
from galaxy_zoo_decals.models.model import GalaxyModel
from galaxy_zoo_decals.models.multiclass import MulticlassCNN
from galaxy_zoo_decals.models.multilabel import MultilabelCNN
from galaxy_zoo_decals.models.timm_classifier import EfficientNetClassifier

MODELS: dict[str, type[GalaxyModel]] = {
    "multiclass": MulticlassCNN,
    "multilabel": MultilabelCNN,
    "hierarchical": HierarchicalCNN,
    "efficientnetv2": EfficientNetClassifier,
    "dirichlet": DirichletModel,
}
"""The registry: what --model chooses from."""

_PROCESSORS = {"pil": GalaxyImageProcessor}

for _model in MODELS.values():
    AutoConfig.register(_model.config_class.model_type, _model.config_class, exist_ok=True)
    AutoModelForImageClassification.register(_model.config_class, _model, exist_ok=True)
    AutoImageProcessor.register(_model.config_class, image_processor_classes=_PROCESSORS, exist_ok=True)

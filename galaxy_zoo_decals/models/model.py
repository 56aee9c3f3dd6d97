"""What all models share: the config, the form in which they are trained, and the one in which they predict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import ImageClassifierOutput

from galaxy_zoo_decals import old_words
from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.image_files import SIZE
from galaxy_zoo_decals.models.image_processor import GalaxyImageProcessor
from galaxy_zoo_decals.schema import TREES, Tree
from galaxy_zoo_decals.scoring import Truth


class ModelError(UserError):
    """A model that cannot be made or loaded; the message says why and what to do."""


class GalaxyConfig(PreTrainedConfig):
    """What every model's config holds: its tree and the form of its images.

    Images are scaled to ``image_size`` / ``crop`` pixels and their centre is cut out. Values from 0 to 1 get
    ``image_mean`` subtracted and are divided by ``image_std``: as most of an image is dark sky, a network trained
    from scratch wants other numbers than photographs do. ``greyscale`` shows the networks the mean of the channels;
    ``dihedral_average`` lets ``predict`` average over the eight symmetries of an image.

    ``edition_size`` and ``edition_quality`` are how the edition trained on keeps its images: pixels a side, and the
    quality of its JPEG or None for the files as they came. Models saved without them learned from 224 pixels: what
    they predict is scaled to that and not encoded.
    """

    tree: str = "GZD5"
    image_size: int = 64
    crop: float = 1.0
    image_mean: tuple[float, ...] | list[float] = (0.1, 0.1, 0.1)
    image_std: tuple[float, ...] | list[float] = (0.15, 0.15, 0.15)
    greyscale: bool = False
    dihedral_average: bool = False
    edition_size: int = SIZE
    edition_quality: int | None = None

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Any:
        """Return the config that a config.json says, also one with the old words of its settings."""
        return super().from_dict(old_words.settings(config_dict), **kwargs)


@dataclass(frozen=True)
class Examples:
    """What one network learns: ``rows`` int64 (n,) among the galaxies of a split, ``targets`` float32 (n, k).

    ``strata`` (n,) are the classes that sampling may even out; None where there are none.
    """

    rows: np.ndarray
    targets: np.ndarray
    strata: np.ndarray | None = None


class GalaxyModel(PreTrainedModel):
    """A model of galaxies: one or several networks trained apart, and one ``predict`` for its task.

    ``forward`` gives the logits for transformers' pipeline: softmax, or sigmoid, of them is what ``predict`` says.
    """

    config_class = GalaxyConfig
    main_input_name = "pixel_values"
    task: ClassVar[str]

    @property
    def tree(self) -> Tree:
        """The decision tree whose answers the model predicts."""
        return TREES[self.config.tree]

    @classmethod
    def from_recipe(cls, recipe: Any, tree: Tree) -> Self:
        """Return a model with random weights for this tree.

        ``recipe`` has the settings of the model as attributes: ``resolution``, ``crop``, and those of its config.
        """
        raise NotImplementedError

    @classmethod
    def title(cls, recipe: Any) -> str:
        """Return what a recipe makes, by its proper name."""
        raise NotImplementedError

    def networks(self) -> dict[str, nn.Module]:
        """Return the networks that are trained apart, by name: pixel_values (n, 3, size, size) -> outputs (n, k)."""
        raise NotImplementedError

    def start(self, votes: np.ndarray) -> None:
        """Set what of the first weights follows from the training votes (galaxies, answers); by default nothing."""

    def examples(self, network: str, votes: np.ndarray) -> Examples:
        """Return which galaxies a network learns from and what, given votes (galaxies, answers)."""
        raise NotImplementedError

    def silence(self, network: str) -> None:
        """Let a network that has nothing to learn from give every answer the same share, whatever it is shown."""
        last = [layer for layer in self.networks()[network].modules() if isinstance(layer, nn.Linear)][-1]
        for parameter in last.parameters():
            nn.init.zeros_(parameter)

    def loss(self, network: str, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the loss of each galaxy, float32 (n,)."""
        raise NotImplementedError

    def metric(self, network: str, truth: Truth, outputs: np.ndarray) -> float:
        """Return the metric shown beside the validation loss; NaN where too few galaxies have labels."""
        raise NotImplementedError

    def answer(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Return predictions for images as they are, float32 (n, columns of the task's prediction file)."""
        raise NotImplementedError

    @staticmethod
    def combine(tree: Tree, answers: torch.Tensor) -> torch.Tensor:
        """Return one prediction (n, columns) of several equally good ones (several, n, columns): their mean."""
        return answers.mean(dim=0)

    def predict(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Return the model's predictions, float32 (n, columns), averaged over symmetries if the config says so."""
        if not self.config.dihedral_average:
            return self.answer(pixel_values)
        return self.combine(self.tree, torch.stack([self.answer(view) for view in dihedral(pixel_values)]))

    def see(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Return what the networks are shown of pixel values (n, 3, size, size): all, or the mean of the colours."""
        if getattr(self.config, "in_chans", 3) == 1:
            return pixel_values.mean(dim=1, keepdim=True) if pixel_values.shape[1] > 1 else pixel_values
        if not self.config.greyscale:
            return pixel_values
        return pixel_values.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)

    def logits(self, predictions: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, labels) of predictions; softmax (of several labels: sigmoid) makes shares of them."""
        raise NotImplementedError

    def forward(self, pixel_values: torch.Tensor) -> ImageClassifierOutput:
        """Return the logits of what ``predict`` returns, so that a pipeline gives the model's own predictions.

        ``pixel_values`` are float (n, 3, size, size), as ``image_processor`` makes them; ModelError for others.
        """
        side = self.config.image_size
        if pixel_values.shape[1:] != (3, side, side) or not pixel_values.is_floating_point():
            raise ModelError(
                f"pixel_values are {pixel_values.dtype} of shape {tuple(pixel_values.shape)}; this model takes floats "
                f"of shape (n, 3, {side}, {side}), as its image processor makes them of pictures."
            )
        return ImageClassifierOutput(logits=self.logits(self.predict(pixel_values)))

    def image_processor(self) -> GalaxyImageProcessor:
        """Return the processor that makes ``pixel_values`` of pictures just as the training did."""
        config = self.config
        return GalaxyImageProcessor(
            image_size=config.image_size,
            crop=config.crop,
            image_mean=config.image_mean,
            image_std=config.image_std,
            edition_size=config.edition_size,
            edition_quality=config.edition_quality,
        )

    def _init_weights(self, module: nn.Module) -> None:
        """Keep the weights the layers were made with; transformers would draw all with a standard deviation of 0.02."""


def dihedral(images: torch.Tensor) -> list[torch.Tensor]:
    """Return the eight symmetries of images (n, c, side, side), the images themselves first."""
    return [turned.rot90(k, (-2, -1)) for turned in (images, images.flip(-1)) for k in range(4)]


def config_values(recipe: Any, tree: Tree, labels: tuple[str, ...]) -> dict[str, Any]:
    """Return the config entries every model takes from its recipe: tree, image form and names of the logits."""
    return {
        "tree": tree.name,
        "image_size": recipe.resolution,
        "crop": recipe.crop,
        "greyscale": recipe.greyscale,
        "dihedral_average": recipe.dihedral_average,
        "id2label": dict(enumerate(labels)),
        "label2id": {label: i for i, label in enumerate(labels)},
    }


def log_shares(shares: torch.Tensor) -> torch.Tensor:
    """Return the logs of shares, clipped at 1e-6, as float32."""
    return shares.float().clamp(min=1e-6).log()

"""The image processor that is saved with every model: any picture to what the networks were shown in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import BaseImageProcessor, BatchFeature

from galaxy_zoo_decals import crops
from galaxy_zoo_decals.image_files import SIZE, Form, ImageError
from galaxy_zoo_decals.pictures import modes


class GalaxyImageProcessor(BaseImageProcessor):
    """Brings square pictures to the form that an edition keeps, then to the pixels of a network.

    The parameters are those of ``GalaxyConfig``. A picture that has the edition's size already is taken for one of the
    edition and not encoded again.
    """

    model_input_names = ("pixel_values",)

    def __init__(
        self,
        image_size: int = 64,
        crop: float = 1.0,
        image_mean: Sequence[float] = (0.1, 0.1, 0.1),
        image_std: Sequence[float] = (0.15, 0.15, 0.15),
        edition_size: int = SIZE,
        edition_quality: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.image_size, self.crop = image_size, crop
        self.image_mean, self.image_std = list(image_mean), list(image_std)
        self.edition_size, self.edition_quality = edition_size, edition_quality

    def preprocess(self, images: Any, return_tensors: str | None = None, **kwargs: Any) -> BatchFeature:
        """Return ``pixel_values``, float32 (n, 3, image_size, image_size).

        ``images`` is a PIL image, an array or tensor of 8-bit values (height, width, 3) or (3, height, width), or a
        sequence of such. Raises ImageError for one that is not square, and for arrays of other values.
        """
        several = images if isinstance(images, list | tuple) else [images]
        form = Form.of(self.edition_size, self.edition_quality)
        pixels = np.stack([crops.cut(form.keep(_picture(i)), self.image_size, self.crop) for i in several])
        mean, std = (np.asarray(v, np.float32) for v in (self.image_mean, self.image_std))
        values = (pixels.astype(np.float32) / 255 - mean) / std
        return BatchFeature({"pixel_values": values.transpose(0, 3, 1, 2)}, tensor_type=return_tensors)


def _picture(image: Any) -> Image.Image:
    """Return an image, an array or a tensor as an RGB image; ImageError for one that is none of 8 bits."""
    if isinstance(image, Image.Image):
        return modes.upright_rgb(image)
    array = image.detach().cpu().numpy() if isinstance(image, torch.Tensor) else np.asarray(image)
    if array.ndim == 3 and array.shape[0] == 3 and array.shape[-1] != 3:
        array = array.transpose(1, 2, 0)
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[-1] != 3):
        raise ImageError(f"{array.dtype} of shape {array.shape}: give a picture, or 8-bit values (height, width, 3)")
    return Image.fromarray(array).convert("RGB")

"""The image processor that is saved with every model: any picture to what the networks were shown in training."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import BaseImageProcessor, BatchFeature

from galaxy_zoo_decals import crops
from galaxy_zoo_decals.image_files import MAX_BYTES, SIZE, Form, ImageError, decode
from galaxy_zoo_decals.pictures import modes

CHANNELS = (1, 3, 4)
"""Channels of a picture: grey, colours, colours with transparency."""

MAX_WHITE = 0.5
"""Share of white pixels above which a picture was clipped: galaxies lie on dark sky."""

CLIPPED = (
    "a picture is white in more than half of its pixels. transformers' pipeline cuts 16-bit files to 8 bits when it "
    "opens them: give such a file's path to the image processor, or to benchmark/predict.py, which scale them."
)


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

        ``images`` is a PIL image, the path or the bytes of an image file, an array or tensor of 8-bit values (height,
        width), (height, width, channels) or (channels, height, width), a batch of those, or a sequence of such. Raises
        ImageError for one that is not square, and for arrays of other values; it names which one it is.
        """
        several = list(_each(images))
        if not several:
            raise ImageError("no picture was given")
        form = Form.of(self.edition_size, self.edition_quality)
        found = []
        for number, image in enumerate(several, 1):
            try:
                found.append(crops.cut(form.keep(_picture(image)), self.image_size, self.crop))
            except ImageError as error:
                raise ImageError(
                    f"picture {number} of {len(several)}: {error}" if len(several) > 1 else str(error)
                ) from None
        pixels = np.stack(found)
        mean, std = (np.asarray(v, np.float32) for v in (self.image_mean, self.image_std))
        values = (pixels.astype(np.float32) / 255 - mean) / std
        return BatchFeature({"pixel_values": values.transpose(0, 3, 1, 2)}, tensor_type=return_tensors)


def _each(images: Any) -> Iterator[Any]:
    """Yield single pictures of lists and batches of any depth."""
    if isinstance(images, list | tuple | Iterator):
        for one in images:
            yield from _each(one)
    elif getattr(images, "ndim", 0) == 4:
        yield from images
    else:
        yield images


def _picture(image: Any) -> Image.Image:
    """Return an image, a file of one, an array or a tensor as RGB; ImageError for one that is none of 8 bits."""
    if isinstance(image, str | Path | bytes):
        return _file(image)
    if isinstance(image, Image.Image):
        try:
            image.load()
        except (OSError, SyntaxError, ValueError):  # Pillow reads the pixels of an opened file at last here.
            raise ImageError("its pixels cannot be read: the file is cut short or damaged, or was closed") from None
        picture = modes.upright_rgb(image)
        if image.mode in ("L", "RGB") and np.mean(np.asarray(picture).min(axis=2) == 255) > MAX_WHITE:
            warnings.warn(CLIPPED, stacklevel=2)
        return picture
    array = image.detach().cpu().numpy() if isinstance(image, torch.Tensor) else np.asarray(image)
    if array.ndim == 3 and array.shape[0] in CHANNELS and array.shape[-1] not in CHANNELS:
        array = array.transpose(1, 2, 0)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[-1] not in CHANNELS):
        shape = f"an array of shape {array.shape}" if array.ndim else f"{type(image).__name__}"
        raise ImageError(f"{shape}: give a picture, or 8-bit values (height, width, 3)")
    if array.dtype != np.uint8:
        raise ImageError(
            f"values of the kind {array.dtype}: give 8 bits. What lies from 0 to 1 becomes such by "
            '`(255 * image).round().astype("uint8")`, from 0 to 255 by `image.astype("uint8")`, from 0 to 65535 by '
            '`(image // 257).astype("uint8")`; a tensor takes `.to(torch.uint8)` in place of astype'
        )
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    return modes.upright_rgb(Image.fromarray(np.ascontiguousarray(array)))


def _file(image: str | Path | bytes) -> Image.Image:
    """Return the picture of a file as ``prepare`` reads it."""
    if isinstance(image, bytes):
        return decode(image)
    path = Path(image)
    try:
        if not path.is_file():
            raise ImageError(f"{path}: there is no such file")
        if path.stat().st_size > MAX_BYTES:
            raise ImageError(f"{path}: the file has more than {MAX_BYTES >> 20} MiB; no cutout is that large")
        return decode(path.read_bytes())
    except OSError as error:
        raise ImageError(f"{path}: the file cannot be read ({error.strerror or error})") from None

"""Any backbone of timm: made for a size of image and a number of outputs, with its proper name."""

from __future__ import annotations

import difflib
import warnings
from typing import Any

import torch
from torch import nn

from galaxy_zoo_decals.models.model import ModelError, config_values
from galaxy_zoo_decals.schema import CLASSES, Tree

NAMES = {
    "tf_efficientnet_lite0": "EfficientNet-Lite0",
    "tf_efficientnet_b0": "EfficientNet-B0",
    "tf_efficientnetv2_s": "EfficientNetV2-S",
    "tf_efficientnetv2_m": "EfficientNetV2-M",
    "tf_efficientnetv2_l": "EfficientNetV2-L",
}
"""Proper names of common backbones; any other bears its timm name."""


def backbone(name: str, outputs: int, dropout: float, drop_path: float, side: int, in_chans: int = 3) -> nn.Module:
    """Return a timm network for images of ``side`` pixels, with random weights and a head of ``outputs``.

    Raises ModelError if timm has none of this name, and names the nearest, or if it cannot take such images.
    """
    import timm

    if not timm.is_model(name.split(".")[0]):
        near = difflib.get_close_matches(name, timm.list_models(), n=3)
        hint = f" Nearest: {', '.join(near)}." if near else " See timm.list_models()."
        raise ModelError(f"timm has no backbone {name!r}.{hint}")
    extra: dict[str, Any] = {"drop_path_rate": drop_path} if drop_path else {}
    network: Any = timm.create_model(name, num_classes=outputs, drop_rate=dropout, in_chans=in_chans, **extra)
    # timm draws the head of some networks so large that the first steps spoil the pretrained layers below it.
    for layer in network.get_classifier().modules():
        for parameter in layer.parameters(recurse=False):
            nn.init.zeros_(parameter)
    network.galaxy_channels = in_chans
    set_size(network, side)
    return network


def set_size(network: Any, side: int) -> None:
    """Let a network whose layers are made for one size of image, as those of most transformers are, take another."""
    form = network.pretrained_cfg
    if not form.get("fixed_input_size") or getattr(network, "side", made_for(network)) == side:
        return
    try:
        if not hasattr(network, "set_input_size"):
            raise ValueError("its layers are made for one size")
        with warnings.catch_warnings():
            # Interpolated positions make timm's own code warn of torch's next versions.
            warnings.simplefilter("ignore")
            network.set_input_size(img_size=side)
        with torch.inference_mode():
            network.eval()(torch.zeros(1, network.galaxy_channels, side, side))
    except (AssertionError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"{form['architecture']} cannot take images of {side} pixels ({error}). Give --set resolution="
            f"{made_for(network)}, for which it was made, or another --backbone."
        ) from None
    network.train()
    network.side = side


def made_for(network: Any) -> int:
    """Return the pixels per side of the images that a network was made for."""
    return int(network.pretrained_cfg["input_size"][-1])


def image_form(name: str) -> dict[str, tuple[float, ...]]:
    """Return the mean and standard deviation that a backbone's pretrained weights expect of its images."""
    import timm

    form = timm.get_pretrained_cfg(name)
    return {"image_mean": tuple(form.mean), "image_std": tuple(form.std)} if form else {}


def backbone_values(recipe: Any, tree: Tree, form: dict[str, Any]) -> dict[str, Any]:
    """Return the config entries of a model of classes on a backbone; ``form`` is what an encoder decides of them."""
    own = {"backbone": recipe.backbone, "dropout": recipe.dropout, "drop_path": recipe.drop_path}
    return {**own, **image_form(recipe.backbone), **config_values(recipe, tree, CLASSES), **form}


def backbone_title(name: str) -> str:
    """Return the proper name of a backbone, as in "EfficientNet-Lite0"; its timm name if it has none."""
    architecture = name.split(".")[0]
    return NAMES.get(architecture, architecture)

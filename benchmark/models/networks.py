"""The networks inside the models: the plain CNN, and any timm backbone with its first weights."""

from __future__ import annotations

import difflib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file
from torch import nn

from benchmark import BenchmarkError, run_folder, weights
from benchmark.recipes import Backbone, Convolutional, Recipe

if TYPE_CHECKING:
    from benchmark.models.model import GalaxyModel

NAMES = {
    "tf_efficientnet_lite0": "EfficientNet-Lite0",
    "tf_efficientnet_b0": "EfficientNet-B0",
    "tf_efficientnetv2_s": "EfficientNetV2-S",
    "tf_efficientnetv2_m": "EfficientNetV2-M",
    "tf_efficientnetv2_l": "EfficientNetV2-L",
}
"""Proper names of common backbones; any other bears its timm name."""

ONE = "network"
"""Where a saved model with one network keeps it."""


def convolutional(config: Any, outputs: int) -> nn.Sequential:
    """Return the plain CNN of a config: 3x3 convolution, ReLU, 2x2 max pooling a channel count, then a hidden layer."""
    layers: list[nn.Module] = []
    for before, after in zip((3, *config.channels), config.channels):
        layers.append(nn.Conv2d(before, after, 3, padding=1, bias=not config.batch_norm))
        layers += [nn.BatchNorm2d(after)] if config.batch_norm else []
        layers += [nn.ReLU(), nn.MaxPool2d(2)]
    side = config.image_size // 2 ** len(config.channels)
    layers += [nn.Flatten(), nn.Linear(config.channels[-1] * side * side, config.hidden), nn.ReLU()]
    return nn.Sequential(*layers, nn.Dropout(config.dropout), nn.Linear(config.hidden, outputs))


def convolutional_values(recipe: Convolutional) -> dict[str, Any]:
    """Return the config entries of the plain CNN that a recipe asks for."""
    names = ("channels", "hidden", "batch_norm", "dropout")
    return {name: getattr(recipe, name) for name in names}


def backbone(name: str, outputs: int, dropout: float, drop_path: float, side: int) -> nn.Module:
    """Return a timm network for images of ``side`` pixels, with random weights and a head of ``outputs``.

    Raises BenchmarkError if timm has none of this name, and names the nearest, or if it cannot take such images.
    """
    import timm

    if not timm.is_model(name.split(".")[0]):
        near = difflib.get_close_matches(name, timm.list_models(), n=3)
        hint = f" Nearest: {', '.join(near)}." if near else " See timm.list_models()."
        raise BenchmarkError(f"timm has no backbone {name!r}.{hint}")
    extra: dict[str, Any] = {"drop_path_rate": drop_path} if drop_path else {}
    network: Any = timm.create_model(name, num_classes=outputs, drop_rate=dropout, **extra)
    # timm draws the head of some networks so large that the first steps spoil the pretrained layers below it.
    for layer in network.get_classifier().modules():
        for parameter in layer.parameters(recurse=False):
            nn.init.zeros_(parameter)
    _set_size(network, side)
    return network


def _set_size(network: Any, side: int) -> None:
    """Let a network whose layers are made for one size of image, as those of most transformers are, take another."""
    form = network.pretrained_cfg
    if not form.get("fixed_input_size") or getattr(network, "side", _made_for(network)) == side:
        return
    try:
        if not hasattr(network, "set_input_size"):
            raise ValueError("its layers are made for one size")
        with warnings.catch_warnings():
            # Interpolated positions make timm's own code warn of torch's next versions.
            warnings.simplefilter("ignore")
            network.set_input_size(img_size=side)
        with torch.inference_mode():
            network.eval()(torch.zeros(1, 3, side, side))
    except (AssertionError, ValueError, RuntimeError) as error:
        raise BenchmarkError(
            f"{form['architecture']} cannot take images of {side} pixels ({error}). Give --set resolution="
            f"{_made_for(network)}, for which it was made, or another --backbone."
        ) from None
    network.train()
    network.side = side


def _made_for(network: Any) -> int:
    return int(network.pretrained_cfg["input_size"][-1])


def image_form(name: str) -> dict[str, tuple[float, ...]]:
    """Return the mean and standard deviation that a backbone's pretrained weights expect of its images."""
    import timm

    form = timm.get_pretrained_cfg(name)
    return {"image_mean": tuple(form.mean), "image_std": tuple(form.std)} if form else {}


def backbone_title(recipe: Backbone) -> str:
    """Return backbone and first weights by their own names, as in "EfficientNet-Lite0, ImageNet"."""
    architecture, _, tag = recipe.backbone.partition(".")
    name = NAMES.get(architecture, architecture)
    if recipe.weights == "imagenet":
        return f"{name}, {'ImageNet-21k' if 'in21k' in tag else 'ImageNet'}"
    return f"{name}, {_begun(recipe) or 'from scratch'}"


def convolutional_title(name: str, recipe: Convolutional) -> str:
    """Return the name of plain CNNs with their first weights, if these are not random."""
    begun = _begun(recipe)
    return f"{name}, {begun}" if begun else name


def _begun(recipe: Recipe) -> str:
    """Return in words which run or file the first weights come from; "" for random ones."""
    if recipe.weights == "none":
        return ""
    if (run := weights.first_run(recipe)) is not None:
        return f"{run_folder.read(run)['edition']['name']} first"
    return f"weights of {Path(recipe.weights).name}"


def load_first_weights(model: GalaxyModel, recipe: Recipe) -> str:
    """Give the networks of a model their first weights, all but the last layer, and return where they came from.

    A network takes the weights that a saved model keeps under the same name, or those of the saved model's one network.
    Of several networks, those that the saved model does not have stay random; what is returned names them. Raises
    BenchmarkError if the weights cannot be had or do not fit.
    """
    found = weights.find(recipe)
    if found is None:
        return "none"
    state, own = _read(found.path), model.networks()
    places = {id(module): place for place, module in model.named_modules()}
    parts = {name: _under(state, places[id(network)]) for name, network in own.items()}
    if not any(parts.values()):
        parts = dict.fromkeys(own, _under(state, ONE) or state)
    if found.by_order:
        parts = {name: dict(zip(network.state_dict(), state.values())) for name, network in own.items()}
    for name, part in parts.items():
        if part:
            _fill(own[name], part, recipe, found.source)
    fresh = ", ".join(name for name, part in parts.items() if not part)
    return f"{found.source} ({fresh}: random)" if fresh else found.source


def _under(state: dict[str, torch.Tensor], place: str) -> dict[str, torch.Tensor]:
    """Return the tensors that a saved model keeps under the name of one of its parts, by their names in that part."""
    start = f"{place}."
    return {key.removeprefix(start): value for key, value in state.items() if key.startswith(start)}


def _fill(network: Any, state: dict[str, torch.Tensor], recipe: Recipe, source: str) -> None:
    """Give one network its first weights, all but the last layer."""
    own, plain = network.state_dict(), isinstance(recipe, Convolutional)
    head = str(len(network) - 1 if plain else network.pretrained_cfg["classifier"])
    state = {key: value for key, value in state.items() if not key.startswith(f"{head}.")}
    if not plain and any(value.shape != own[key].shape for key, value in state.items() if key in own):
        # Positions that were learned at one size of image are interpolated to another, once they are loaded.
        _set_size(network, _made_for(network))
        own = network.state_dict()
    body = [key for key in own if not key.startswith(f"{head}.")]
    wrong = [key for key in body if getattr(state.get(key), "shape", None) != own[key].shape]
    if wrong or len(state) > len(body):
        first = f", first {wrong[0]}" if wrong else ""
        if isinstance(recipe, Backbone):
            name, advice = recipe.backbone, "Give --backbone and --weights that belong together."
        else:
            name = f"a CNN {'-'.join(map(str, recipe.channels))}" if isinstance(recipe, Convolutional) else "this model"
            advice = "A plain CNN takes those of the same channels, hidden, batch_norm and resolution."
        raise BenchmarkError(
            f"{source}: these are not weights of {name} ({len(wrong)} of {len(body)} tensors are missing or have "
            f"another shape{first}). {advice}"
        )
    network.load_state_dict(state, strict=False)
    if not plain:
        _set_size(network, recipe.resolution)


def _read(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a safetensors file or of a PyTorch file of tensors alone."""
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
        return dict(state.get("state_dict", state))
    except Exception as error:  # Damaged files raise anything from UnpicklingError to AttributeError.
        raise BenchmarkError(f"{path} is no readable file of weights ({type(error).__name__}).") from None

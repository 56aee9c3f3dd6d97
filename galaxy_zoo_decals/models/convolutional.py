"""The plain CNN: convolutions with max pooling, then one hidden layer."""

from __future__ import annotations

from typing import Any

from torch import nn


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


def convolutional_values(recipe: Any) -> dict[str, Any]:
    """Return the config entries of the plain CNN that a recipe asks for."""
    names = ("channels", "hidden", "batch_norm", "dropout")
    return {name: getattr(recipe, name) for name in names}

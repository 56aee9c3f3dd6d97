"""Which parts of a backbone are trained: all of it, its head alone, or the head and the last stages."""

from __future__ import annotations

from typing import Any

from torch import nn

from benchmark import BenchmarkError
from benchmark.recipes import Backbone, Recipe


def hold(network: Any, recipe: Recipe) -> list[nn.Module]:
    """Take the gradient off what a recipe does not train, and return the modules that stay in evaluation mode.

    Stages are timm's own groups of layers (``group_matcher``). Raises BenchmarkError if there are fewer stages than
    the recipe trains.
    """
    if not isinstance(recipe, Backbone) or not (recipe.freeze or recipe.blocks):
        return []
    from timm.models import group_parameters

    head = {id(parameter) for parameter in network.get_classifier().parameters()}
    own = dict(network.named_parameters())
    groups = group_parameters(network, network.group_matcher(coarse=True))
    stages = [[own[name] for name in names] for _, names in sorted(groups.items())]
    # The group of the last layer, with the normalisation before it, is no stage of its own.
    last = [stage for stage in stages if any(id(p) in head for p in stage)]
    stages = [stage for stage in stages if not any(id(p) in head for p in stage)]
    if recipe.blocks >= len(stages):
        raise BenchmarkError(
            f"blocks={recipe.blocks}: {recipe.backbone} has {len(stages)} stages. Give at most {len(stages) - 1}, or "
            "leave blocks out to train all of it."
        )
    chosen = [*last, *stages[len(stages) - recipe.blocks :]] if recipe.blocks else []
    trained = head | {id(p) for stage in chosen for p in stage}
    for parameter in own.values():
        parameter.requires_grad_(id(parameter) in trained)
    # Statistics of normalisation and dropout of what is held are those of prediction.
    return [
        module
        for module in network.modules()
        if (found := list(module.parameters())) and not any(p.requires_grad for p in found)
    ]

"""What a saved model's config.json may say: checked before anything is built of it."""

from __future__ import annotations

import dataclasses
from typing import Any

from galaxy_zoo_decals.image_files import JPEG_QUALITY, LARGEST, SIDE
from galaxy_zoo_decals.models.model import GalaxyConfig
from galaxy_zoo_decals.schema import TREES
from galaxy_zoo_decals.value_kinds import CHANNELS, FLAG, MIN_CONCENTRATION, TEXT, Kind, choice, number, several, whole

KINDS: dict[str, Kind] = {
    "tree": choice(*TREES),
    "image_size": SIDE,
    # Nothing smaller than one pixel of the largest image.
    "crop": number(1 / LARGEST, 1),
    # Levels lie between 0 and 1; beyond these bounds float32 has no digits left for them.
    "image_mean": several(number(-100, 100), 3, 3),
    "image_std": several(number(1e-4, 100), 3, 3),
    "greyscale": FLAG,
    "dihedral_average": FLAG,
    "edition_size": SIDE,
    "edition_quality": JPEG_QUALITY,
    "backbone": TEXT,
    "in_chans": CHANNELS,
    "channels": several(whole(1, 65_536), 1, 12),
    "hidden": whole(1, 1_048_576),
    "batch_norm": FLAG,
    "shared_trunk": FLAG,
    "dropout": number(0, 1),
    "drop_path": number(0, 1),
    "class_balance": number(0, 1),
    "min_concentration": MIN_CONCENTRATION,
}
"""The keys of the models' configs, and what each may hold."""


def problem(config: GalaxyConfig) -> str:
    """Return the first thing wrong with what a model's config says, in some words of one line; empty if nothing is."""
    values: dict[str, Any] = {field.name: getattr(config, field.name, None) for field in dataclasses.fields(config)}
    for key, kind in KINDS.items():
        if key in values and (found := kind.problem(key, values[key])):
            return found
    size, crop = config.image_size, config.crop
    if round(size / crop) > LARGEST:
        return f"image_size {size} / crop {crop:g} is more than the {LARGEST:,} pixels a side that an image may have"
    poolings = len(values.get("channels", ()))
    if size < 2**poolings:
        return f"image_size is {size}, not at least {2**poolings} for its {poolings} channels"
    return ""

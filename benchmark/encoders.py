"""Backbones by name: timm's own, and encoders in timm's layout on the Hub or in a folder; found before torch is loaded.

An encoder lies in a folder or a Hub repository with ``config.json`` (``architecture``, ``pretrained_cfg``,
``model_args``) and its weights, as timm's ``push_to_hf_hub`` and ``save_for_hf`` write them.
"""

from __future__ import annotations

import difflib
import json
import threading
from dataclasses import dataclass, replace
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from benchmark import BenchmarkError
from benchmark.recipes import Backbone, Recipe
from galaxy_zoo_decals.value_kinds import CHANNELS, TEXT, number, several

PATIENCE = 3.0
"""Seconds that the Hub has to say what an encoder is."""

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""Files of weights in timm's layout; the first that is there is taken."""

SOURCES = {"hf_hub": "hf_hub", "hf-hub": "hf_hub", "local-dir": "local-dir"}
"""What a backbone's name may begin with, as timm spells it."""

PLAIN = {"in_chans", "num_classes", "global_pool", "drop_rate", "drop_path_rate", "pretrained"}
"""Arguments of an encoder's ``model_args`` that leave its layers as the architecture has them."""

LARGEST_CONFIG = 2**20
"""Bytes of a config.json."""


@dataclass(frozen=True)
class Encoder:
    """A pretrained backbone: an architecture of timm, how many channels it sees, and where its weights lie."""

    architecture: str
    in_chans: int
    mean: tuple[float, float, float] | None
    std: tuple[float, float, float] | None
    place: str
    """The folder, or the Hub repository as owner/name."""
    from_hub: bool

    @property
    def form(self) -> dict[str, Any]:
        """The entries of a model's config that the encoder decides."""
        known: dict[str, Any] = {"image_mean": self.mean, "image_std": self.std}
        return {"in_chans": self.in_chans} | {key: value for key, value in known.items() if value is not None}

    @property
    def name(self) -> str:
        """What the encoder is called: its repository, or the name of its folder."""
        return self.place if self.from_hub else Path(self.place).name


def check(backbone: str) -> None:
    """Raise BenchmarkError, within seconds, if there is no such backbone; it names the nearest."""
    if find(backbone) is None:
        _known(backbone, backbone)


def _known(architecture: str, shown: str) -> None:
    version, names = _timm_names()
    name = architecture.partition(".")[0]
    if name in names:
        return
    if metadata.version("timm") != version:  # Another timm has other networks: it is asked itself, later.
        return
    near = difflib.get_close_matches(name, names, n=3)
    hint = f" Nearest: {', '.join(near)}." if near else " See timm.list_models()."
    slash = f' For an encoder on the Hub write "hf_hub:{shown}".' if shown.count("/") == 1 and shown == name else ""
    raise BenchmarkError(f"timm has no backbone {shown!r}.{hint}{slash}")


@cache
def _timm_names() -> tuple[str, frozenset[str]]:
    """Return the version of timm that the list beside this file is of, and the names of its networks."""
    version, *names = resources.files("benchmark").joinpath("timm_models.txt").read_text("utf-8").split()
    return version, frozenset(names)


def architecture(recipe: Recipe) -> tuple[Recipe, dict[str, Any]]:
    """Return a recipe with the backbone's architecture in place of an encoder, and what that decides of the config."""
    encoder = find(recipe.backbone) if isinstance(recipe, Backbone) else None
    if encoder is None or not isinstance(recipe, Backbone):
        return recipe, {}
    return replace(recipe, backbone=encoder.architecture), encoder.form


@cache
def find(backbone: str) -> Encoder | None:
    """Return the encoder that a backbone's name means, None for a network of timm's own.

    Raises BenchmarkError if the folder or the Hub has no encoder in timm's layout, or if the Hub does not answer.
    """
    prefix, colon, place = backbone.partition(":")
    if not colon:
        return None
    source = SOURCES.get(prefix)
    if source is None or not place:
        raise BenchmarkError(
            f"--backbone {backbone}: give a name of timm, hf_hub:OWNER/NAME, or local-dir:FOLDER with config.json."
        )
    path = _from_hub(place) if source == "hf_hub" else Path(place).expanduser() / "config.json"
    if not path.is_file():
        raise BenchmarkError(f"--backbone {backbone}: there is no {path}. An encoder in timm's layout has one.")
    return _read(path, place if source == "hf_hub" else str(Path(place).expanduser()), source == "hf_hub")


def _read(path: Path, place: str, from_hub: bool) -> Encoder:
    try:
        if path.stat().st_size > LARGEST_CONFIG:
            raise ValueError("it is too large")
        content = json.loads(path.read_text("utf-8"))
        form = content.get("pretrained_cfg", content)
        arguments = content.get("model_args") or {}
        architecture = content["architecture"]
        # A greyscale encoder says so in one of two places.
        channels = arguments.get("in_chans", (form.get("input_size") or [3])[0])
        several_levels = {key: form.get(key) for key in ("mean", "std")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        what = f"it has no {error}" if isinstance(error, KeyError) else "it is no such JSON file"
        raise BenchmarkError(f"{path}: not the config.json of an encoder in timm's layout ({what}).") from None
    problem = TEXT.problem("architecture", architecture) or CHANNELS.problem("in_chans", channels)
    if changed := sorted(set(map(str, arguments)) - PLAIN):
        problem = problem or f"model_args changes the architecture ({', '.join(changed)}), which is not supported"
    levels: dict[str, tuple[float, ...] | None] = {}
    for key, value in several_levels.items():
        low = -100.0 if key == "mean" else 1e-4
        problem = problem or (several(number(low, 100), 1, 3).problem(key, value) if value is not None else "")
        levels[key] = None if value is None or problem else tuple(value)
    if problem:
        raise BenchmarkError(f"{path}: {problem}.")
    _known(str(architecture), str(architecture))
    mean, std = (_three(levels[key]) for key in ("mean", "std"))
    return Encoder(str(architecture), int(channels), mean, std, place, from_hub)


def _three(levels: tuple[float, ...] | None) -> tuple[float, float, float] | None:
    """Return a level for each colour: one for all of them is repeated."""
    if levels is None or len(levels) == 2:
        return None
    first, second, third = levels if len(levels) == 3 else levels * 3
    return first, second, third


def _from_hub(place: str) -> Path:
    """Return the config.json of a Hub repository, from the cache or after one request of a few seconds."""
    from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    try:
        cached = try_to_load_from_cache(place, "config.json")
    except HFValidationError:
        raise BenchmarkError(f"--backbone hf_hub:{place}: an encoder on the Hub is named OWNER/NAME.") from None
    if isinstance(cached, str):
        return Path(cached)
    if constants.is_offline_mode():
        raise BenchmarkError(f"--backbone hf_hub:{place} is not in the Hub's cache, and HF_HUB_OFFLINE is set.")
    found: list[Path | Exception] = []

    def ask() -> None:
        try:
            found.append(Path(hf_hub_download(place, "config.json", etag_timeout=PATIENCE)))
        except Exception as error:  # Whatever went wrong is told below.
            found.append(error)

    # In a thread, because looking up a host name knows no time limit.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if found and isinstance(found[0], Path):
        return found[0]
    if found and isinstance(found[0], RepositoryNotFoundError):
        raise BenchmarkError(f"--backbone hf_hub:{place}: the Hugging Face Hub has no such model, or it is private.")
    why = type(found[0]).__name__ if found else f"no answer in {PATIENCE:.0f} s"
    raise BenchmarkError(
        f"--backbone hf_hub:{place} cannot be fetched from the Hugging Face Hub ({why}). Fetch it where there is a "
        "network, and give --backbone local-dir:FOLDER."
    )


def weights_file(encoder: Encoder) -> Path:
    """Return the file of an encoder's weights; raises BenchmarkError if it has none that can be had."""
    if not encoder.from_hub:
        found = [Path(encoder.place) / name for name in WEIGHTS if (Path(encoder.place) / name).is_file()]
        if not found:
            raise BenchmarkError(f"{encoder.place} holds no weights ({' or '.join(WEIGHTS)}).")
        return found[0]
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

    try:
        for name in WEIGHTS:
            try:
                return Path(hf_hub_download(encoder.place, name))
            except EntryNotFoundError:
                continue
    except (HfHubHTTPError, OSError) as error:
        raise BenchmarkError(
            f"the weights of hf_hub:{encoder.place} cannot be fetched ({type(error).__name__})."
        ) from None
    raise BenchmarkError(f"hf_hub:{encoder.place} holds no weights ({' or '.join(WEIGHTS)}).")

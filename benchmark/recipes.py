"""Recipes: every setting of every model as frozen data; nothing here imports torch."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from benchmark import BenchmarkError
from galaxy_zoo_decals import old_words
from galaxy_zoo_decals.value_kinds import MIN_CONCENTRATION


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one model is trained; all settings are listed here and in the classes below."""

    resolution: int
    """Side of the images the network sees, in pixels."""
    crop: float = 1.0
    """Share of the image's side that is kept around the centre before it is scaled to ``resolution``."""
    epochs: int
    """Passes over the training galaxies at most."""
    galaxies: int = 0
    """Training galaxies used, drawn by the seed: a smaller number of a seed is part of every larger one. 0 is all."""
    patience: int = 0
    """Epochs without a better validation loss after which training stops; 0 never stops early."""
    batch: int = 64
    """Galaxies a step, over all processes together."""
    learning_rate: float
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine"] = "cosine"
    """Of the learning rate: constant, or one half cosine down to 0."""
    warmup: float = 0.0
    """Share of all steps in which the learning rate rises from 0."""
    dropout: float = 0.5
    augmentation: Literal["none", "flips", "dihedral"] = "dihedral"
    """What every training image is drawn from: itself, its mirror images, or all eight flips and quarter turns."""
    rotation: bool = False
    """Turn every training image by any angle; what turns in comes from the sky around the crop."""
    scale: float = 0.0
    """Training images are magnified by a random factor between 1 / (1 + scale) and 1 + scale."""
    shift: int = 0
    """Largest random displacement of a training image, in pixels each way."""
    brightness: float = 0.0
    """Largest random change of the brightness of a training image, as a share of the full range."""
    contrast: float = 0.0
    """Largest random change of the contrast of a training image about its mean, as a share of it."""
    erasing: int = 0
    """Squares, each up to a quarter of a side, that are blacked out in a training image."""
    greyscale: bool = False
    """Show the network the mean of the three channels, as Walmsley et al. 2022 do."""
    dihedral_average: bool = False
    """Let the trained model average its predictions over the eight symmetries of an image."""
    class_balance: float = 0.0
    """How far classes are evened out: one of share s weighs in proportion to s^(1 - class_balance). Of labels, whose
    galaxies overlap, the positives of each weigh (negatives / positives)^class_balance: rare ones are found, at the
    price of probabilities that are too high by that factor in the odds."""
    class_balance_by: Literal["sampling", "loss"] = "sampling"
    """Even classes out by drawing rare ones more often, or by weighing their loss. Labels are evened out by the loss
    alone: a galaxy that is drawn for one label brings its others with it."""
    ema_decay: float = 0.0
    """Decay of the moving average (EMA) of the weights that is validated and kept; 0 keeps the weights themselves."""
    clip: float = 0.0
    """Largest norm of the gradient; 0 does not clip."""
    micro_batch: int = 0
    """Galaxies a forward pass in each process; gradients are summed up to the whole batch. 0 is all at once."""
    compile: bool = False
    """Compile the network (on CUDA only: elsewhere compiling costs more than it saves)."""
    weights: str = "none"
    """First weights: "none" (random ones), a file of them, or a finished run; of a backbone also "imagenet", the
    pretrained ones. The last layer is always new."""

    def __post_init__(self) -> None:
        for name in ("resolution", "epochs", "batch", "learning_rate"):
            _check(getattr(self, name) > 0, f"{name} must be above 0, not {getattr(self, name)}")
        for name in ("galaxies", "patience", "weight_decay", "scale", "shift", "erasing", "clip", "micro_batch"):
            _check(getattr(self, name) >= 0, f"{name} must not be negative, not {getattr(self, name)}")
        for name in ("dropout", "warmup", "class_balance", "brightness", "contrast"):
            _check(0 <= getattr(self, name) <= 1, f"{name} must lie between 0 and 1, not {getattr(self, name)}")
        _check(0 <= self.ema_decay < 1, f"ema_decay must be at least 0 and below 1, not {self.ema_decay}")
        _check(0 < self.crop <= 1, f"crop must lie between 0 and 1, not {self.crop}")


@dataclass(frozen=True, kw_only=True)
class Convolutional(Recipe):
    """A plain CNN: 3x3 convolutions with max pooling, then one hidden layer."""

    channels: tuple[int, ...]
    hidden: int
    """Units of the hidden layer."""
    batch_norm: bool = False
    """Normalise after every convolution."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(bool(self.channels), "channels needs at least one number")
        _check(min(self.channels, default=1) > 0 and self.hidden > 0, "channels and hidden must be above 0")
        smallest = 2 ** len(self.channels)
        _check(self.resolution >= smallest, f"resolution must be at least {smallest} for {len(self.channels)} poolings")
        _check(
            self.weights != "imagenet",
            "there are no ImageNet weights of a plain CNN. Leave --weights out, or give a finished run of the same CNN",
        )


@dataclass(frozen=True, kw_only=True)
class Hierarchical(Convolutional):
    """The CNNs along the tree."""

    shared_trunk: bool = False
    """One CNN with a head a question, trained at once, in place of a CNN of its own a question."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(not self.class_balance, "class_balance evens out classes or labels, which hierarchical does not have")

    @classmethod
    def on(cls, convolutional: Convolutional) -> Hierarchical:
        """Return the recipe that trains such a CNN for every question."""
        return cls(**vars(convolutional))


@dataclass(frozen=True, kw_only=True)
class Backbone(Recipe):
    """A timm backbone with a new head, all layers trained."""

    backbone: str
    """Any model name of timm, ``hf_hub:OWNER/NAME``, or ``local-dir:FOLDER`` with an encoder in timm's layout."""
    weights: str = "imagenet"
    drop_path: float = 0.0
    """Rate of stochastic depth."""
    layer_decay: float = 1.0
    """Factor of the learning rate from each layer to the one below it."""
    freeze: bool = False
    """Train the last layer alone (a linear probe)."""
    blocks: int = 0
    """Train the last layer and so many of the last stages; 0 trains all of them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(0 < self.layer_decay <= 1, f"layer_decay must be above 0 and at most 1, not {self.layer_decay}")
        _check(0 <= self.drop_path < 1, f"drop_path must lie between 0 and 1, not {self.drop_path}")
        _check(self.blocks >= 0, f"blocks must not be negative, not {self.blocks}")
        _check(not (self.freeze and self.blocks), "freeze trains no stage and blocks some: give one of them")


@dataclass(frozen=True, kw_only=True)
class Dirichlet(Backbone):
    """A backbone whose head gives Dirichlet concentrations."""

    min_concentration: float = 0.05
    """Smallest concentration: alpha = min_concentration + 100 sigmoid(x). Zoobot has 1, which cannot say that
    volunteers will agree though the model does not know on what: after two epochs of ``quick`` a validation galaxy of
    gz2 costs 25.0 nats with 0.05 and 27.7 with 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        problem = MIN_CONCENTRATION.problem("min_concentration", self.min_concentration)
        _check(not problem, problem)
        _check(not self.class_balance, "class_balance evens out classes or labels, which dirichlet does not have")

    @classmethod
    def on(cls, backbone: Backbone, min_concentration: float) -> Dirichlet:
        """Return the recipe of a backbone with this head."""
        return cls(**vars(backbone), min_concentration=min_concentration)


def _check(right: bool, problem: str) -> None:
    if not right:
        raise BenchmarkError(f"{problem}.")


_LITE0, _V2M = "tf_efficientnet_lite0", "tf_efficientnetv2_m.in21k_ft_in1k"

# Minutes on two CPU cores; chosen on the train and validation galaxies of gz2.
_QUICK_CNN = Convolutional(
    resolution=64, crop=0.7, epochs=10, batch=32, learning_rate=2e-3, warmup=0.1, dropout=0.5, channels=(16, 32, 64),
    hidden=256,
)  # fmt: skip
_QUICK_BACKBONE = Backbone(
    resolution=64, crop=0.7, epochs=4, batch=32, learning_rate=1e-3, warmup=0.1, weight_decay=0.01, dropout=0.2,
    backbone=_LITE0,
)  # fmt: skip

# Architecture, optimiser, schedule and balancing of the student work (Adam at 1e-4, flips); labels, split and test
# are the board's. It gives all numbers of its multi-label CNN only (12.9 million parameters); where it gives none of
# its other CNNs, those stand.
_STUDENT_CNN = Convolutional(
    resolution=224, epochs=15, batch=32, learning_rate=1e-4, schedule="constant", augmentation="flips", dropout=0.5,
    channels=(16, 32, 64), hidden=256,
)  # fmt: skip
_STUDENT_BACKBONE = Backbone(
    resolution=224, epochs=10, batch=32, learning_rate=1e-4, schedule="constant", augmentation="flips", dropout=0.5,
    backbone=_V2M,
)  # fmt: skip

# A crop of half the image holds twice the Petrosian radius at close to an edition's own sampling: under a backbone of
# 96 px it beat 0.7 on the validation galaxies of gz2. The small CNNs are for a CPU too: at 64 px, twice the channels
# reached a macro average precision of 0.81 there, where half of them at 96 px stayed at 0.73. The backbone's settings,
# for a GPU, are after gz-evo's EfficientNetV2-M (AdamW, weight decay 0.05, dropout 0.5, drop path 0.2, patience 5) and
# have not been run yet.
_BEST_CNN = Convolutional(
    resolution=64, crop=0.5, epochs=15, batch=32, learning_rate=2e-3, warmup=0.1, dropout=0.5, rotation=True, scale=0.1,
    shift=2, ema_decay=0.99, dihedral_average=True, channels=(32, 64, 128, 128), hidden=256, batch_norm=True,
)  # fmt: skip
_BEST_BACKBONE = Backbone(
    resolution=224, crop=0.5, epochs=30, patience=5, batch=128, learning_rate=5e-4, weight_decay=0.05, warmup=0.1,
    dropout=0.5, drop_path=0.2, layer_decay=0.9, rotation=True, scale=0.1, shift=7, ema_decay=0.99, clip=1.0,
    dihedral_average=True, compile=True, backbone=_V2M,
)  # fmt: skip

RECIPES: dict[str, dict[str, Recipe]] = {
    "quick": {
        "multiclass": replace(_QUICK_CNN, dropout=0.25, class_balance=0.5),
        "multilabel": _QUICK_CNN,
        "hierarchical": Hierarchical.on(replace(_QUICK_CNN, epochs=6)),
        "efficientnetv2": replace(_QUICK_BACKBONE, class_balance=0.5),
        "dirichlet": Dirichlet.on(_QUICK_BACKBONE, min_concentration=0.05),
    },
    "student": {
        "multiclass": replace(_STUDENT_CNN, epochs=20, dropout=0.25, class_balance=1.0),
        "multilabel": _STUDENT_CNN,
        "hierarchical": Hierarchical.on(_STUDENT_CNN),
        "efficientnetv2": _STUDENT_BACKBONE,
        # Beyond the student work: the network of Walmsley et al. 2022, from scratch; the other settings are ours.
        "dirichlet": Dirichlet.on(
            replace(
                _STUDENT_BACKBONE, epochs=100, patience=10, batch=128, learning_rate=1e-3, augmentation="dihedral",
                dropout=0.2, backbone="tf_efficientnet_b0.in1k", weights="none",
            ),
            min_concentration=1.0,
        ),
    },
    "best": {
        "multiclass": replace(_BEST_CNN, class_balance=0.5),
        "multilabel": _BEST_CNN,
        "hierarchical": Hierarchical.on(_BEST_CNN),
        "efficientnetv2": replace(_BEST_BACKBONE, class_balance=0.5),
        "dirichlet": Dirichlet.on(_BEST_BACKBONE, min_concentration=0.05),
    },
}  # fmt: skip
"""The registry of recipes: {recipe: {model: settings}}."""

MODELS = tuple(RECIPES["quick"])
"""Names of the models, known without importing torch; ``galaxy_zoo_decals.models`` holds the models themselves."""


VIEWS_LEARNED = {
    "multiclass": "multiclass", "efficientnetv2": "multiclass", "multilabel": "multilabel",
    "hierarchical": "hierarchical", "dirichlet": "votes",
}  # fmt: skip
"""The view whose galaxies a model learns from: it needs one at least to train and one to validate."""


def choose(recipe: str, model: str) -> dict[str, Recipe]:
    """Return the settings of the chosen models ("all": every one); BenchmarkError names the choices."""
    by_model = RECIPES[one_of("recipe", old_words.name(recipe), RECIPES)]
    return dict(by_model) if model == "all" else {model: by_model[one_of("model", model, (*MODELS, "all"))]}


def one_of(word: str, name: str, choices: Any) -> str:
    """Return the name if it is one of the choices; else raise BenchmarkError naming them and the nearest."""
    if name in choices:
        return name
    near = difflib.get_close_matches(name, list(choices), n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise BenchmarkError(f"there is no {word} {name!r}.{hint} Choose from {', '.join(choices)}.")


def override(recipes: dict[str, Recipe], settings: list[str]) -> dict[str, Recipe]:
    """Return the recipes with settings of the form key=value applied to every model that has the key.

    Raises BenchmarkError for a key that none of them has, or for a value of the wrong kind.
    """
    for setting in settings:
        written, sign, text = setting.partition("=")
        key = old_words.setting(written)
        if not sign:
            raise BenchmarkError(f"{setting!r} is no setting: write key=value, as in epochs=3.")
        types = {name: get_type_hints(type(recipe)) for name, recipe in recipes.items()}
        one_of("setting", key, sorted(set().union(*types.values())))
        recipes = {
            name: replace(recipe, **{key: _parse(key, text, types[name][key])}) if key in types[name] else recipe
            for name, recipe in recipes.items()
        }
    return recipes


def _parse(key: str, text: str, kind: Any) -> Any:
    """Return the value of a setting in its own type."""
    if get_origin(kind) is Literal:
        return one_of(f"{key} named", text, get_args(kind))
    try:
        if get_origin(kind) is tuple:
            return tuple(int(part) for part in text.strip("()[]").replace("-", ",").split(",") if part.strip())
        return {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
    except (ValueError, KeyError):
        names = {int: "a whole number", float: "a number", bool: "true or false"}
        wanted = names.get(kind, "whole numbers, as in 16,32,64")
        raise BenchmarkError(f"{key}={text}: {text!r} is not {wanted}.") from None

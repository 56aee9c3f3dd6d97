"""Throughput: what is timed is what trains, operations are counted right, the table is whole; no speed is asserted."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from benchmark import BenchmarkError, evaluation, recipes, training
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.models import MODELS
from tests.campaigns.throughput import __main__ as throughput
from tests.campaigns.throughput import peer as peers
from tests.campaigns.throughput import timing
from tests.harness import recipe

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def edition(toy_edition: Path) -> Edition:
    return Edition.open(toy_edition)


@pytest.fixture(scope="module")
def accelerator() -> Accelerator:
    return training.accelerator()


def fit_of(accelerator: Accelerator, edition: Edition, *more: str, model: str = "multiclass") -> timing.Timed:
    settings = recipe(model, *more)
    data = evaluation.Data.of(edition, "train", settings, accelerator)
    return timing.Timed.of(accelerator, model, settings, edition, data)


def seen_by(fit: timing.Timed, part: str, steps: int) -> list[torch.Tensor]:
    """What the network is shown while a part is timed."""
    shown: list[torch.Tensor] = []
    hook = fit.network.register_forward_pre_hook(lambda module, inputs: shown.append(inputs[0].detach()))
    assert fit.seconds(part, steps) > 0
    hook.remove()
    return shown


# What is timed


@pytest.mark.parametrize("model", MODELS)
def test_random_inputs_have_the_form_of_those_in_training(
    model: str, accelerator: Accelerator, edition: Edition
) -> None:
    fit = fit_of(accelerator, edition, "rotation=true", "shift=2", model=model)
    real, random = seen_by(fit, "both", 2), seen_by(fit, "step", 2)
    assert len(real) == len(random) == 2
    for a, b in zip(real, random):
        assert a.shape == b.shape == (16, 3, 32, 32)
        assert a.dtype == b.dtype == torch.float32
        assert a.stride() == b.stride()
        assert a.is_contiguous(memory_format=torch.channels_last)
    # Ready inputs, not pixels that are normalised once more.
    assert random[0].mean().abs() < 0.05 and random[0].std() == pytest.approx(1, abs=0.05)


def test_the_data_path_alone_makes_what_training_sees_and_trains_nothing(
    accelerator: Accelerator, edition: Edition, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = fit_of(accelerator, edition, "rotation=true", "erasing=2", "ema_decay=0.9", "micro_batch=8")
    # As if on a GPU with room: the same pixels, kept whole.
    fit.train.pixels.resident = torch.from_numpy(fit.train.pixels.images.copy())
    assert fit.parts() == ("streamed", "resident", "step", "both")
    before = [p.detach().clone() for p in fit.network.parameters()]
    made: list[torch.Tensor] = []
    usual = evaluation.inputs
    monkeypatch.setattr(evaluation, "inputs", lambda model, images: made.append(usual(model, images)) or made[-1])
    by_part = {}
    for part in timing.DATA_PATHS:
        assert seen_by(fit, part, 3) == []
        by_part[part], made = made, []
    assert all(torch.equal(p, q) for p, q in zip(before, fit.network.parameters()))
    assert fit.average is not None and fit.train.pixels.resident is not None
    real = seen_by(fit, "both", 3)
    assert [len(images) for images in real] == [8] * 6
    for streamed, resident, shown in zip(by_part["streamed"], by_part["resident"], real, strict=True):
        assert torch.equal(streamed, shown) and torch.equal(resident, shown)


def test_a_timed_step_trains_the_network_and_its_average(accelerator: Accelerator, edition: Edition) -> None:
    fit = fit_of(accelerator, edition, "ema_decay=0.9")
    assert fit.average is not None
    modules = (fit.network, fit.average.module)
    before = [[p.detach().clone() for p in module.parameters()] for module in modules]
    fit.seconds("step", 2)
    for old, module in zip(before, modules):
        assert not any(torch.equal(p, q) for p, q in zip(old, module.parameters()))
    assert fit.recipe.augmentation == "dihedral", "the step's plain recipe has stayed"


def test_an_epoch_is_as_long_as_it_is_timed_however_few_the_galaxies(
    accelerator: Accelerator, edition: Edition
) -> None:
    fit = fit_of(accelerator, edition, "batch=200", "class_balance=0.5")
    assert len(fit.once.rows) < 200, "the toy edition has grown: this needs more galaxies a batch than there are"
    shown = seen_by(fit, "both", 3)
    assert [len(images) for images in shown] == [200, 200, 200]


def test_a_gpu_is_waited_for_before_and_after(
    accelerator: Accelerator, edition: Edition, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit, order = fit_of(accelerator, edition), []
    learn = timing.Timed._learn

    def learning(self: timing.Timed, *given: object) -> float:
        order.append("learn")
        return learn(self, *given)

    monkeypatch.setattr(timing.Timed, "_learn", learning)
    monkeypatch.setattr(timing, "synchronize", lambda device: order.append(f"wait for {device.type}"))
    for part in fit.parts():
        fit.seconds(part, 1)
        assert order == ["wait for cpu", "learn", "wait for cpu"], part
        order.clear()
    monkeypatch.undo()
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: order.append(device.type))
    for device in ("cpu", "cuda"):
        timing.synchronize(torch.device(device))
    assert order == ["cuda"]


def test_the_peak_is_measured_in_the_precision_of_training(monkeypatch: pytest.MonkeyPatch) -> None:
    for mixed, precision in (("bf16", torch.bfloat16), ("no", torch.float32)):
        given = SimpleNamespace(device=torch.device("cpu"), mixed_precision=mixed)
        product = timing.MatrixProduct(given)  # type: ignore[arg-type]
        assert product.factors.dtype == product.precision == precision
    ticks = itertools.count()
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(ticks))
    # One product of 2 n^3 operations, and the clock that begins at 0 says 2.
    assert product.rate(0.5) == product.side**3


# Operations, counted by hand: 2 for a multiplication and an addition


def both_ways(layer: nn.Module, images: torch.Tensor) -> int:
    return timing.flops(lambda: layer(images).sum().backward())


@pytest.mark.parametrize(("groups", "each"), [(1, 4), (2, 2), (4, 1)])
def test_operations_of_a_convolution(groups: int, each: int) -> None:
    layer = nn.Conv2d(4, 8, 3, padding=1, groups=groups)
    images = torch.randn(2, 4, 10, 10)
    # Each of 2 x 8 x 10 x 10 results sums 9 products for each channel it sees.
    forward = 2 * (2 * 8 * 10 * 10) * 9 * each
    with torch.no_grad():
        assert timing.flops(lambda: layer(images)) == forward
    assert both_ways(layer, images) == 2 * forward, "the gradient of the images is not asked for"
    assert both_ways(layer, images.requires_grad_()) == 3 * forward


def test_operations_of_a_convolution_with_strides_and_of_a_transposed_one() -> None:
    images = torch.randn(2, 4, 10, 10, requires_grad=True)
    assert both_ways(nn.Conv2d(4, 6, 3, stride=2, padding=1), images) == 3 * 2 * (2 * 6 * 5 * 5) * 9 * 4
    # Each of 2 x 4 x 10 x 10 inputs is multiplied by a 2 x 2 filter for each of 6 channels.
    assert both_ways(nn.ConvTranspose2d(4, 6, 2, stride=2), images) == 3 * 2 * (2 * 4 * 10 * 10) * 4 * 6


def test_operations_of_a_step_of_the_plain_network(accelerator: Accelerator, edition: Edition) -> None:
    fit = fit_of(accelerator, edition)
    first, second = 2 * 32 * 32 * 4 * 9 * 3, 2 * 16 * 16 * 8 * 9 * 4
    hidden, last = 2 * (8 * 8 * 8) * 8, 2 * 8 * 4
    # The first layer's images need no gradient.
    assert timing.flops(lambda: fit.seconds("step", 2)) == 2 * 16 * (2 * first + 3 * (second + hidden + last))


# galaxy-datasets


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package with the names of galaxy-datasets that are used, which loads images and does nothing more."""
    package = tmp_path / "galaxy_datasets"
    (package / "pytorch").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "pytorch" / "__init__.py").write_text("print('some datasets are not for you')\n")
    (package / "transforms.py").write_text(
        "from types import SimpleNamespace\n"
        "import numpy as np, torch\n"
        "def default_view_config(): return SimpleNamespace(output_size=224)\n"
        "def get_galaxy_transform(view):\n"
        "    return lambda im: torch.from_numpy(np.array(im.resize([view.output_size] * 2))).permute(2, 0, 1)\n"
    )
    (package / "pytorch" / "galaxy_dataset.py").write_text(
        "from PIL import Image\n"
        "class CatalogDataset:\n"
        "    def __init__(self, catalog, label_cols, transform):\n"
        "        self.catalog, self.label_cols, self.transform = catalog, label_cols, transform\n"
        "    def __len__(self): return len(self.catalog)\n"
        "    def __getitem__(self, i):\n"
        "        row = self.catalog.iloc[i]\n"
        "        image = self.transform(Image.open(row['file_loc']))\n"
        "        return {'id_str': row['id_str'], 'image': image, **{c: row[c] for c in self.label_cols}}\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.split(".")[0] == "galaxy_datasets"]:
        monkeypatch.delitem(sys.modules, name)
    yield package
    for name in [name for name in sys.modules if name.split(".")[0] == "galaxy_datasets"]:
        del sys.modules[name]


def test_it_loads_the_same_images_at_the_same_size(
    stand_in: Path, edition: Edition, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    peer = peers.Peer(edition, 32, 16, torch.device("cpu"), folder)
    assert "not for you" not in capsys.readouterr().out
    encoded, votes = edition.images("train"), edition.table("train").set_index("iauname")
    names = list(encoded)
    assert [(folder / f"{i}.jpg").read_bytes() for i in range(len(names))] == list(encoded.values())
    assert len(list(folder.iterdir())) == len(names)
    found = next(itertools.islice(peer.loader, 1, None))
    assert found["image"].shape == (16, 3, 32, 32)
    assert len(set(found["id_str"])) > 1
    for column in edition.tree.answer_columns:
        assert found[column].tolist() == votes.loc[found["id_str"], column].tolist()
    # An epoch does not end while it is timed, however few the images.
    assert len(peer.loader) * 16 >= 100 * len(names)
    assert peer.rate(0.01) > 0


@pytest.mark.parametrize(
    ("missing", "word"),
    [("galaxy_datasets", "galaxy-datasets is not installed"), ("omegaconf", "needs the package omegaconf")],
)
def test_what_is_missing_is_told_with_its_remedy(
    missing: str, word: str, stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if missing == "omegaconf":
        (stand_in / "transforms.py").write_text("import omegaconf\n")
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(BenchmarkError, match=word) as told:
        peers.peer_version()
    assert "pip install" in str(told.value) and "--no-deps galaxy-datasets omegaconf" in str(told.value)


def test_a_package_that_does_not_fit_the_others_ends_nothing(stand_in: Path) -> None:
    (stand_in / "transforms.py").write_text("raise RuntimeError('compiled with different CUDA versions')\n")
    with pytest.raises(BenchmarkError, match=r"cannot be imported \(RuntimeError: compiled with different"):
        peers.peer_version()


# The table


def test_shares_are_of_each_round_and_medians_of_all() -> None:
    row = {
        "model": "hierarchical", "title": "Five CNNs", "networks": 5, "network": "smooth", "batch": 32, "flops": 2e9,
        "micro_batch": 32, "peak_memory_bytes": 3 * 2**30,
        "rates": {"streamed": [100.0, 50.0, 400.0], "step": [10.0, 10.0, 20.0], "both": [8.0, 9.5, 19.0]},
    }  # fmt: skip
    found = throughput.cells(row, peak=[100e9, 400e9, 100e9])
    # 10 / 100, 10 / 50, 20 / 400; 20 of 100, 20 of 400, 40 of 100.
    assert found == [
        "hierarchical (Five CNNs, one of 5: smooth)", "32", "100 (50 to 400)", "-", "10 (10 to 20)", "9.5 (8 to 19)",
        "10.0%", "2", "20.0%", "3.00 GiB",
    ]  # fmt: skip
    row["rates"]["resident"] = [1000.0, 1000.0, 1000.0]
    assert throughput.cells(row, peak=[1e11] * 3)[3] == "1,000 (1,000 to 1,000)"
    row["micro_batch"] = 8
    assert throughput.cells(row, peak=[1e11] * 3)[1] == "32 in parts of 8"
    assert throughput.cells(row, peak=[1e11] * 3)[6] == "1.0%", "training takes resident pixels where it has them"


def line_of(text: str, side: int, model: str) -> list[str]:
    """The cells of a model's row at a resolution."""
    lines = text.split(f"## {side} px")[1].splitlines()
    return [cell.strip() for cell in next(line for line in lines if f"| {model} (" in line).strip("| ").split("|")]


def test_a_run_writes_a_whole_table(
    toy_edition: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "galaxy_datasets", None)
    arguments = ["--edition", str(toy_edition), "--set", "resolution=32", "--batch", "16", "--seconds", "0.01"]
    arguments += ["--rounds", "2", "--out", str(tmp_path / "deep" / "speed.md")]
    assert throughput.main([*arguments, "--set", "channels=4,8", "--set", "hidden=8"]) == 0
    text, printed = (tmp_path / "deep" / "speed.md").read_text(), capsys.readouterr().out
    assert text in printed
    found = json.loads((tmp_path / "deep" / "speed.json").read_text())
    assert {p.name for p in (tmp_path / "deep").iterdir()} == {"speed.md", "speed.json"}
    assert [row["model"] for row in found["rows"]] == list(MODELS)
    for row in found["rows"]:
        assert list(row["rates"]) == ["streamed", "step", "both"]
        assert all(len(rates) == 2 and min(rates) > 0 for rates in row["rates"].values())
        assert row["flops"] > 0 and row["peak_memory_bytes"] > 2**27 and row["batch"] == 16
        cells = line_of(text, 32, row["model"])
        assert len(cells) == len(throughput.HEAD)
        assert [i for i, cell in enumerate(cells) if cell == "-"] == [3], "only a GPU has resident pixels"
    assert "one of 5: smooth-or-featured" in line_of(text, 32, "hierarchical")[0]
    assert "from scratch" in line_of(text, 32, "efficientnetv2")[0]
    first, second, ends = 2 * 32 * 32 * 4 * 9 * 3, 2 * 16 * 16 * 8 * 9 * 4, 2 * (8 * 8 * 8) * 8 + 2 * 8 * 4
    assert found["rows"][0]["flops"] == 2 * first + 3 * (second + ends), "of one image"
    assert len(found["peak"]) == 2 and min(found["peak"]) > 0 and min(found["load_average"]) >= 0
    (loading,) = found["loading"]
    assert loading["resolution"] == 32 and min(loading["streamed"]) > 0 and "peer" not in loading
    assert "| galaxy-datasets is not installed." in text and peers.PEER_INSTALL in text


def test_each_resolution_has_its_table(
    stand_in: Path, toy_edition: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "peer_version", lambda: "0.0.1")
    asked = []

    def facts(model: str, settings: recipes.Recipe, edition: Edition) -> dict[str, object]:
        asked.append((model, settings.resolution, edition.path))
        known = {"device": "a device", "precision": "float32", "micro_batch": 8, "flops": 1e6, "networks": 1}
        return known | {"title": "a CNN", "network": "x", "batch": settings.batch, "peak_memory_bytes": 2**30}

    monkeypatch.setattr(timing, "facts", facts)
    arguments = ["--edition", str(toy_edition), "--models", "multilabel", "multiclass", "--resolutions", "48,32"]
    tiny = [word for setting in ("channels=4,8", "hidden=8", "batch=8") for word in ("--set", setting)]
    assert throughput.main([*arguments, *tiny, "--seconds", "0.01", "--rounds", "1"]) == 0
    text = capsys.readouterr().out
    expected = [(model, side, toy_edition) for side in (48, 32) for model in ("multilabel", "multiclass")]
    assert asked == expected
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## 48 px", "## 32 px"]
    for model, side, _ in expected:
        assert line_of(text, side, model)[1] == "8"
    assert text.count("| galaxy-datasets 0.0.1 with its default augmentation, ") == 2


WRONG = [
    (["--help"], "--resolutions"),
    (["--models", "dirichle"], "Did you mean 'dirichlet'?"),
    (["--recipe", "quik"], "Did you mean 'quick'?"),
    (["--set", "epoch=3"], "Did you mean 'epochs'?"),
    (["--resolutions", "64,x"], "'x' is not a whole number"),
    (["--batch", "0"], "batch must be above 0"),
    (["--seconds", "0"], "--seconds must be above 0"),
    (["--edition", "sampel"], "Did you mean 'sample'?"),
]


def test_help_and_wrong_arguments_are_answered_without_heavy_imports() -> None:
    script = f"""
import contextlib, io, json, sys
from tests.campaigns.throughput import __main__ as throughput
for arguments in {[arguments for arguments, _ in WRONG]!r}:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            status = throughput.main(arguments)
        except SystemExit as end:
            status = end.code
    print(json.dumps([status, out.getvalue(), [n for n in ("torch", "transformers", "timm") if n in sys.modules]]))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    for (arguments, word), line in zip(WRONG, done.stdout.splitlines(), strict=True):
        status, printed, loaded = json.loads(line)
        assert status == (0 if arguments == ["--help"] else 2), printed
        assert word in printed and "Traceback" not in printed
        assert loaded == [], f"{arguments} loads {loaded}"


def test_several_processes_are_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert throughput.main(["--edition", "sample"]) == 2
    assert capsys.readouterr().err.startswith("throughput: error: one process is measured")

"""What a model says of any image, and of several trainings together."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from scipy import stats
from transformers import PreTrainedConfig

from benchmark import ensemble, predict
from galaxy_zoo_decals import predictions as files
from galaxy_zoo_decals import views
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.models import MODELS, saved_config
from galaxy_zoo_decals.models.dirichlet import mixture
from galaxy_zoo_decals.scoring import Truth

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def runs(trained: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of every task, and of the Dirichlet model a second seed."""
    out = tmp_path_factory.mktemp("runs")
    for model in ("multiclass", "multilabel", "hierarchical", "dirichlet"):
        (out / model).symlink_to(trained(model))
    (out / "dirichlet-1").symlink_to(trained("dirichlet", 1))
    return out


@pytest.mark.parametrize("name", ["multiclass", "multilabel", "hierarchical", "dirichlet"])
def test_an_edition_gets_the_predictions_of_its_run(name: str, runs: Path, toy_edition: Path, tmp_path: Path) -> None:
    out = tmp_path / "table.parquet"
    assert predict.main([str(runs / name), str(toy_edition), "--out", str(out), "--batch", "7"]) == 0
    table = pd.read_parquet(out).set_index("name")
    edition = Edition.open(toy_edition)
    truth = Truth.of(edition)
    (path,) = (runs / name / "predictions").rglob("*.parquet")
    stored = files.read(path, edition.tree)
    assert (table["problem"] == "").all()
    assert len(table) == sum(len(edition.table(s, ["iauname"])) for s in ("train", "validation", "test"))
    found = table.loc[list(truth.names)]
    if name == "dirichlet":
        fractions = views.fractions(edition.tree, stored.values)
        columns = [f"{c}_fraction" for c in edition.tree.answer_columns]
        np.testing.assert_allclose(found[columns].to_numpy(), fractions, atol=1e-4)
        classes = views.predicted_classes(edition.tree, fractions)
        np.testing.assert_allclose(found.filter(regex="^p_").to_numpy(), classes, atol=1e-4)
        assert [p.split(";") for p in found["path"]] == views.paths(edition.tree, fractions)
        # 90 % of the marginal of one answer lies in its interval.
        part = stored.values[:, edition.tree.slices["smooth-or-featured"]]
        marginal = stats.beta(part[:, 0], part.sum(axis=1) - part[:, 0])
        low, high = (found[f"smooth-or-featured_smooth_{end}"] for end in ("low", "high"))
        np.testing.assert_allclose(marginal.cdf(high) - marginal.cdf(low), 0.9, atol=0.002)
        assert found.filter(regex="_relevance$").to_numpy().max() <= 1 + 1e-9
    else:
        columns = list(files.columns(name, edition.tree))
        np.testing.assert_allclose(found[columns].to_numpy(), stored.values, atol=1e-4)
    if name in ("hierarchical", "dirichlet"):
        np.testing.assert_allclose(found.filter(regex="^leaf_").sum(axis=1), 1, atol=1e-6)
    documented = (ROOT / "docs" / "predicting.md").read_text()
    for column in table.columns:
        word = next((w for w in ("p_", "leaf_", "_relevance", "_fraction", "_low", "_high") if w in column), column)
        assert word in documented


def picture(size: tuple[int, int] = (96, 96), kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 99, (*size[::-1], 3)).astype(np.uint8)).save(file, kind)
    return file.getvalue()


def test_one_galaxy_gets_one_prediction_whatever_its_format(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fits = pytest.importorskip("astropy.io.fits", reason="the extra astro")
    grey = np.asarray(Image.open(io.BytesIO(picture())).convert("L"))
    low, high = np.arcsinh(-0.5), np.arcsinh(300)
    flux = np.sinh((grey[::-1] + 0.5) / 255 * (high - low) + low)  # what the stretch of Galaxy Zoo shows as this
    Image.fromarray(grey).save(tmp_path / "a.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "b.png")
    Image.fromarray(grey).save(tmp_path / "c.TIF")
    Image.fromarray(grey).save(tmp_path / "d.webp", lossless=True)
    fits.PrimaryHDU(np.stack([flux * k for k in (0.008, 0.014, 0.019)])).writeto(tmp_path / "e.fits")
    Image.fromarray(grey).save(tmp_path / "map.gif")
    out = tmp_path / "table.parquet"
    assert predict.main([str(runs / "multiclass"), str(tmp_path), "--out", str(out)]) == 0
    table = pd.read_parquet(out)
    assert [Path(name).name for name in table["name"]] == ["a.png", "b.png", "c.TIF", "d.webp", "e.fits"]
    assert np.ptp(table.filter(regex="^p_").to_numpy(), axis=0).max() < 0.02
    assert (
        "other files than images that are read: 1\n    map.gif: a GIF image: save it as PNG" in capsys.readouterr().err
    )


def test_files_and_folders_and_what_cannot_be_read(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "mine"
    (folder / "deeper").mkdir(parents=True)
    (folder / "a.png").write_bytes(picture())
    (folder / "deeper" / "b.JPG").write_bytes(picture((500, 500), "JPEG"))
    (folder / "c.png").write_bytes(picture()[:200])
    (folder / "d.png").write_bytes(picture((90, 60)))
    (folder / "e.png").write_bytes(b"")
    (folder / "notes.txt").write_text("no image")
    out = tmp_path / "new" / "table.csv"
    assert predict.main([str(runs / "multiclass"), str(folder), str(folder / "a.png"), "--out", str(out)]) == 3
    table = pd.read_csv(out, keep_default_na=False, na_values={"p_spiral": ""})
    assert [Path(name).name for name in table["name"]] == ["a.png", "c.png", "d.png", "b.JPG", "e.png", "a.png"]
    told = dict(zip((Path(name).name for name in table["name"]), table["problem"]))
    assert told["a.png"] == told["b.JPG"] == ""
    assert "not a readable" in told["c.png"] and "90 x 60" in told["d.png"] and "empty" in told["e.png"]
    assert table["p_spiral"].isna().tolist() == [problem != "" for problem in table["problem"]]
    assert table["p_spiral"][0] == table["p_spiral"][5]
    said = capsys.readouterr()
    assert "3 of 6 images predicted" in said.out and "c.png" in said.err
    assert sorted(p.name for p in out.parent.iterdir()) == ["table.csv"]


def test_mistakes_are_told_before_anything_is_written(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, model, out = tmp_path / "a.png", str(runs / "multiclass"), tmp_path / "t.csv"
    image.write_bytes(picture())
    (tmp_path / "there.csv").write_text("precious")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text('{"model_type": "galaxy_zoo_multiclass"}')
    (broken / "pytorch_model.bin").write_bytes(b"a pickle")
    (tmp_path / "empty").mkdir()
    partial = tmp_path / "partial"
    shutil.copytree(runs / "multiclass" / "model", partial)
    tensors = load_file(partial / "model.safetensors")
    save_file(dict(list(tensors.items())[1:]), partial / "model.safetensors", metadata={"format": "pt"})
    for arguments, word in (
        (["nothing", str(image)], "there is no model 'nothing'"),
        ([str(tmp_path / "empty"), str(image)], "holds no model"),
        ([str(broken), str(image)], "no model that can be loaded"),
        ([str(partial), str(image)], "1 tensors are missing"),
        ([model, "nowhere.png"], "there is no image, folder or edition 'nowhere.png'"),
        ([model, str(tmp_path / "empty")], "holds no image"),
        ([model, str(image), "--out", str(tmp_path / "t.xls")], "ends in .csv or .parquet"),
        ([model, str(image), "--out", str(tmp_path / "there.csv")], "--overwrite"),
        ([model, str(image), "--batch", "0"], "--batch must be at least 1"),
    ):
        given = arguments if "--out" in arguments else [*arguments, "--out", str(out)]
        assert predict.main(given) == 2, arguments
        printed = capsys.readouterr().err
        assert word in printed and "Traceback" not in printed
    assert not out.exists() and (tmp_path / "there.csv").read_text() == "precious"


NO_SIDE = (0, -1, 10**9, "64", 64.5, None, True, [64, 64])
NO_FLAG = ("no", 1, None)

ODD: dict[str, tuple[object, ...]] = {
    "tree": ("XX", None, ["GZD5"]),
    "image_size": (*NO_SIDE, 3),
    "crop": (0, "1", None, True, float("nan"), 1e-320, 1.5),
    "image_mean": ("x", [0.1], None, [0.1, 0.1, "x"], [0.1, 0.1, float("inf")]),
    "image_std": (0, [0, 0, 0], [float("nan")] * 3, [-1, 1, 1], [True] * 3),
    "greyscale": NO_FLAG,
    "dihedral_average": ("x", *NO_FLAG),
    "edition_size": NO_SIDE,
    "edition_quality": (0, 200, "90", 90.5, True),
    "channels": ([], [4, 0], "48", 8, [4] * 20),
    "hidden": (0, "8", 10**9),
    "batch_norm": NO_FLAG,
    "dropout": (-1, "0", float("nan")),
}
"""Values that no training writes, of each key of the plain CNN."""


@pytest.mark.parametrize("key", ODD)
def test_an_odd_value_of_a_saved_config_is_named_and_nothing_is_predicted(
    key: str, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, model, out = tmp_path / "a.png", tmp_path / "model", tmp_path / "t.csv"
    image.write_bytes(picture())
    model.mkdir()
    written = json.loads((runs / "multiclass" / "model" / "config.json").read_text())
    # There are no weights: that none are asked for shows that the config is checked first.
    for value in ODD[key]:
        (model / "config.json").write_text(json.dumps(written | {key: value}))
        assert predict.main([str(model), str(image), "--out", str(out)]) == 2, value
        printed = capsys.readouterr().err
        assert f"{model / 'config.json'}: {key} " in printed and printed.count("\n") == 1, printed
        assert printed.rstrip().endswith("get the model anew.")
    assert not out.exists()


def test_every_key_of_every_model_has_a_kind() -> None:
    common = {field.name for field in dataclasses.fields(PreTrainedConfig)}
    for kind in MODELS.values():
        keys = {field.name for field in dataclasses.fields(kind.config_class)} - common
        assert keys and keys <= set(saved_config.KINDS), kind
        assert saved_config.problem(kind.config_class()) == ""


def test_what_is_no_finite_number_is_no_prediction(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, model, out = tmp_path / "a.png", tmp_path / "model", tmp_path / "t.csv"
    image.write_bytes(picture())
    shutil.copytree(runs / "multiclass" / "model", model)
    tensors = load_file(model / "model.safetensors")
    last = list(tensors)[-1]
    tensors[last] = torch.full_like(tensors[last], float("nan"))
    save_file(tensors, model / "model.safetensors", metadata={"format": "pt"})
    assert predict.main([str(model), str(image), "--out", str(out)]) == 2
    assert "no finite number" in capsys.readouterr().err and not out.exists()


def test_weights_fit_the_config_or_are_refused_and_are_read_as_float32(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, model, out = tmp_path / "a.png", tmp_path / "model", tmp_path / "t.csv"
    image.write_bytes(picture())
    shutil.copytree(runs / "multiclass" / "model", model)
    written = json.loads((model / "config.json").read_text())
    # Of the second convolution and the first linear layer, whose inputs it makes: two weights, one bias.
    (model / "config.json").write_text(json.dumps(written | {"channels": [4, 9]}))
    assert predict.main([str(model), str(image), "--out", str(out)]) == 2
    assert "3 tensors are missing or of another shape" in capsys.readouterr().err and not out.exists()
    (model / "config.json").write_text(json.dumps(written | {"dtype": "float16"}))
    assert predict.main([str(model), str(image), "--out", str(out)]) == 0


def test_help_is_answered_without_torch() -> None:
    for module in ("predict", "ensemble"):
        script = f"""
import sys
from benchmark import {module}
try:
    {module}.main(["--help"])
finally:
    print([name for name in ("torch", "transformers", "pandas", "datasets") if name in sys.modules])
"""
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
        assert done.stdout.startswith("usage: ") and done.stdout.endswith("[]\n"), done.stdout


def test_an_ensemble_is_the_mixture_of_its_members(
    runs: Path, toy_edition: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edition, out = Edition.open(toy_edition), tmp_path / "both"
    members = [runs / "dirichlet", runs / "dirichlet-1"]
    arguments = [*map(str, members), "--out", str(out), "--edition", str(toy_edition)]
    assert ensemble.main(arguments) == 0
    assert "NLL per galaxy" in capsys.readouterr().out
    alpha = [files.read(next(m.rglob("votes/*.parquet")), edition.tree).values for m in members]
    found = files.read(next(out.rglob("*.parquet")), edition.tree)
    np.testing.assert_allclose(
        found.values, mixture(edition.tree, torch.from_numpy(np.stack(alpha))).numpy(), rtol=1e-5
    )
    assert found.names == Truth.of(edition).names
    facts = json.loads((out / "run.json").read_text())
    one = json.loads((members[0] / "run.json").read_text())
    assert facts["title"] == f"2 x {one['title']}" and facts["parameters"] == 2 * one["parameters"]
    assert [member["seed"] for member in facts["members"]] == [0, 1] and len(facts["curves"]) == 2
    assert ensemble.main(arguments) == 2
    assert "--overwrite" in capsys.readouterr().err
    from leaderboard.entry.run_json import read

    assert read(out / "run.json").title == facts["title"]


def test_only_trainings_of_one_recipe_make_an_ensemble(
    runs: Path, toy_edition: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "both"), "--edition", str(toy_edition)]
    for members, word in (
        (["dirichlet", "multiclass"], "its model is 'multiclass'"),
        (["dirichlet", "dirichlet"], "the same seed"),
        (["dirichlet"], "at least two members"),
        (["dirichlet", "nowhere"], "no run.json"),
    ):
        assert ensemble.main([*(str(runs / name) for name in members), *out]) == 2
        assert word in capsys.readouterr().err
    assert not (tmp_path / "both").exists()

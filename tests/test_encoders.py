"""Backbones from elsewhere: encoders in timm's layout, what of them is trained, and names that do not exist."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file
from timm.models import save_for_hf
from transformers import AutoModelForImageClassification

from benchmark import BenchmarkError, encoders, recipes, run, trained_parts
from benchmark.first_weights import load_first_weights
from galaxy_zoo_decals.models import MODELS, saved_config
from galaxy_zoo_decals.models.dirichlet import DirichletConfig
from galaxy_zoo_decals.schema import GZD5
from leaderboard.entry import draft
from tests.harness import TINY
from tests.hub import serve

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    encoders.find.cache_clear()


@pytest.fixture(scope="module")
def zoobot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out as Zoobot's encoders are: greyscale, without a head."""
    folder = tmp_path_factory.mktemp("encoders") / "zoobot-encoder-tiny"
    torch.manual_seed(1)
    save_for_hf(timm.create_model("test_convnext", in_chans=1, num_classes=0), folder, safe_serialization="both")
    return folder


@pytest.mark.parametrize(("setting", "trained_stages"), [("freeze=true", 0), ("blocks=1", 1), ("blocks=0", None)])
def test_an_encoder_of_a_folder_is_trained_as_asked_and_loads_without_it(
    setting: str, trained_stages: int | None, zoobot: Path, toy_edition: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    words = ["--model", "dirichlet", "--edition", str(toy_edition), "--out", str(out), *TINY, "--set", setting]
    assert run.main([*words, "--backbone", f"local-dir:{zoobot}"]) == 0
    facts = json.loads((out / "run.json").read_text())
    assert facts["weights"] == "zoobot-encoder-tiny (local folder)" and facts["backbone"] == "test_convnext"
    assert "zoobot-encoder-tiny" in facts["title"] and str(zoobot.parent) not in json.dumps(facts)
    model = AutoModelForImageClassification.from_pretrained(out / "model").eval()
    assert model.config.in_chans == 1 and list(model.config.image_mean) == [0.5] * 3
    first, now = load_file(zoobot / "model.safetensors"), model.network.state_dict()
    moved = {key for key in first if not torch.equal(first[key], now[key])}
    stages = {key.split(".")[1] for key in moved if key.startswith("stages.")}
    count = len({key.split(".")[1] for key in first if key.startswith("stages.")})
    if trained_stages is None:
        assert len(stages) == count and any(key.startswith("stem") for key in moved)
    else:
        assert stages == {str(count - 1 - i) for i in range(trained_stages)}
        assert not any(key.startswith("stem") for key in moved)
    assert now["head.fc.weight"].abs().sum() > 0, "the head has learned"
    colours = torch.rand(2, 3, 32, 32)
    grey = colours.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    with torch.inference_mode():
        torch.testing.assert_close(model.predict(colours), model.predict(grey))


def test_the_parts_that_are_held_do_not_change_in_training_mode() -> None:
    recipe = recipes.override(recipes.choose("quick", "efficientnetv2"), ["backbone=test_resnet", "freeze=true"])
    network = timm.create_model("test_resnet", num_classes=4)
    held = trained_parts.hold(network, recipe["efficientnetv2"])
    network.train()
    for module in held:
        module.eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    network(torch.randn(4, 3, 32, 32)).sum().backward()
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items()), "no statistics move"
    trained = {name for name, p in network.named_parameters() if p.grad is not None}
    assert trained == {"fc.weight", "fc.bias"}
    with pytest.raises(BenchmarkError, match=r"blocks=9: test_resnet has \d stages"):
        most = recipes.override(recipe | {}, ["freeze=false", "blocks=9"])["efficientnetv2"]
        trained_parts.hold(network, most)
    with pytest.raises(BenchmarkError, match="freeze trains no stage and blocks some"):
        recipes.override(recipe, ["blocks=2"])


def test_an_unknown_backbone_is_refused_before_torch_is_loaded() -> None:
    code = (
        "import sys\nfrom benchmark import run\n"
        "status = run.main(['--model', 'dirichlet', '--backbone', 'convnext_nanno'])\n"
        "print(status, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["2", "False"], done.stderr
    assert "no backbone 'convnext_nanno'" in done.stderr and "convnext_nano" in done.stderr


def test_the_list_of_names_is_that_of_the_locked_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    version, *names = (ROOT / "benchmark" / "timm_models.txt").read_text().split()
    assert f"timm=={version}\n" in (ROOT / "requirements.lock").read_text()
    assert names == sorted(timm.list_models()), "write it anew: docs/extending.md"
    encoders.check("tf_efficientnetv2_m.in21k_ft_in1k")
    with pytest.raises(BenchmarkError, match="hf_hub:mwalmsley/zoobot"):
        encoders.check("mwalmsley/zoobot")
    monkeypatch.setattr(encoders.metadata, "version", lambda name: "99")
    encoders.check("a_network_of_next_year")


def _edit(**changes: object) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return write


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.unlink(), "there is no .*config.json"),
        (lambda path: path.write_text("{"), "not the config.json of an encoder"),
        (lambda path: path.write_text("[]"), "not the config.json of an encoder"),
        (lambda path: path.write_text("{}"), "it has no 'architecture'"),
        (lambda path: path.write_bytes(b" " * 2_000_000), "not the config.json of an encoder"),
        (_edit(architecture=7), "architecture is 7, not a name"),
        (_edit(architecture="convnext_nanno"), "no backbone 'convnext_nanno'"),
        (_edit(model_args={"in_chans": 7}), "in_chans is 7, not 1 or 3"),
        (_edit(model_args={"depths": [1, 2]}), "changes the architecture .depths."),
        (_edit(pretrained_cfg={"mean": ["x"]}), "mean is"),
        (_edit(pretrained_cfg=3), "not the config.json of an encoder"),
    ],
)
def test_a_folder_that_is_no_encoder_is_named(
    spoil: Callable[[Path], None], words: str, zoobot: Path, tmp_path: Path
) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((zoobot / name).read_bytes())
    spoil(tmp_path / "config.json")
    with pytest.raises(BenchmarkError, match=words):
        encoders.check(f"local-dir:{tmp_path}")


def test_names_with_another_beginning_and_folders_without_weights(zoobot: Path, tmp_path: Path) -> None:
    for name in ("hub:a/b", "local-dir:", ":x"):
        with pytest.raises(BenchmarkError, match="hf_hub:OWNER/NAME"):
            encoders.check(name)
    (tmp_path / "config.json").write_bytes((zoobot / "config.json").read_bytes())
    found = encoders.find(f"local-dir:{tmp_path}")
    assert found is not None and found.form == {"in_chans": 1, "image_mean": (0.5,) * 3, "image_std": (0.5,) * 3}
    with pytest.raises(BenchmarkError, match="holds no weights"):
        encoders.weights_file(found)


def test_an_encoder_of_the_hub_and_what_the_hub_may_answer(
    zoobot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(BenchmarkError, match="HF_HUB_OFFLINE is set"):
        encoders.check("hf_hub:mwalmsley/zoobot-encoder-tiny")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(encoders, "PATIENCE", 60.0)
    with serve() as hub:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub.url)
        template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        hub.files["mwalmsley/zoobot-encoder-tiny"] = {p.name: p.read_bytes() for p in zoobot.iterdir()}
        found = encoders.find("hf_hub:mwalmsley/zoobot-encoder-tiny")
        assert found is not None and found.in_chans == 1 and found.name == "mwalmsley/zoobot-encoder-tiny"
        first, again = load_file(encoders.weights_file(found)), load_file(zoobot / "model.safetensors")
        assert first.keys() == again.keys() and all(torch.equal(first[key], again[key]) for key in first)
        with pytest.raises(BenchmarkError, match="has no such model"):
            encoders.check("hf-hub:mwalmsley/zoobott")
        with pytest.raises(BenchmarkError, match="is named OWNER/NAME"):
            encoders.check("hf_hub:../../etc")
    encoders.find.cache_clear()
    assert encoders.find("hf_hub:mwalmsley/zoobot-encoder-tiny") == found, "the cache is enough"
    monkeypatch.setattr(encoders, "PATIENCE", 0.3)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *_, **__: time.sleep(5))
    with pytest.raises(BenchmarkError, match=r"no answer in 0 s.*local-dir:FOLDER"):
        encoders.check("hf_hub:someone/silent")


def test_weights_that_saw_galaxy_zoos_votes_declare_it() -> None:
    seen = draft._overlap("mwalmsley/zoobot-encoder-convnext_nano (Hugging Face Hub)")
    assert seen["status"] == "declared" and "may include the test galaxies" in str(seen["note"])
    for other in ("none", "timm/convnext_nano.in12k (Hugging Face Hub)", "Dirichlet on Lite0, trained on simulated"):
        assert draft._overlap(other) == {"status": None, "note": None}


@pytest.mark.parametrize("channels", [0, 2, 4, True, "3", None])
def test_a_saved_config_has_one_channel_or_three(channels: object) -> None:
    config = DirichletConfig(in_chans=channels)
    assert saved_config.problem(config).startswith("in_chans is")


def test_every_network_of_one_channel_is_shown_the_mean(zoobot: Path) -> None:
    from galaxy_zoo_decals.models import MODELS

    recipe, form = encoders.architecture(
        recipes.override(recipes.choose("quick", "efficientnetv2"), [f"backbone=local-dir:{zoobot}", "resolution=32"])[
            "efficientnetv2"
        ]
    )
    model = MODELS["efficientnetv2"].from_recipe(recipe, GZD5, **form).eval()
    x = torch.rand(1, 3, 32, 32)
    np.testing.assert_allclose(model.see(x).numpy(), x.mean(dim=1, keepdim=True).numpy())
    assert torch.equal(model.see(model.see(x)), model.see(x))


@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod.", "_orig_mod.module."])
def test_weights_saved_within_what_wraps_a_network_are_taken(wrapper: str, tmp_path: Path) -> None:
    torch.manual_seed(2)
    network = timm.create_model("test_resnet", num_classes=0)
    path = tmp_path / "trained.pt"
    torch.save({f"{wrapper}{key}": value for key, value in network.state_dict().items()}, path)
    settings = ["backbone=test_resnet", f"weights={path}"]
    recipe = recipes.override(recipes.choose("quick", "efficientnetv2"), settings)["efficientnetv2"]
    model = MODELS["efficientnetv2"].from_recipe(recipe, GZD5)
    assert load_first_weights(model, recipe) == "trained.pt"
    now = model.network.state_dict()
    assert all(torch.equal(value, now[key]) for key, value in network.state_dict().items())

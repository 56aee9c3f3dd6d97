from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmark import predict
from galaxy_zoo_decals.schema import CLASSES
from tests.hub import serve
from tests.toys import galaxy

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Of a copy: a build leaves folders beside what it builds, and other tests run in the repository meanwhile.
    out, copy = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("source") / "copy"
    shutil.copytree(
        ROOT / "galaxy_zoo_decals", copy / "galaxy_zoo_decals", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return next(out.glob("*.whl"))


def test_the_wheel_holds_the_package_alone_with_the_sample(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"galaxy_zoo_decals"}
    for wanted in ("README.md", "edition.json", "data/LICENSE", "py.typed", "schema.py", "astronomy/cuts.yaml"):
        assert f"galaxy_zoo_decals/{wanted}" in names
    for split in ("train", "validation", "test"):
        assert any(re.fullmatch(rf"galaxy_zoo_decals/data/{split}-\d+-of-\d+\.parquet", name) for name in names)


def test_the_wheel_works_without_a_clone(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    zipfile.ZipFile(wheel).extractall(site)
    code = (
        f"import sys; sys.path.insert(0, {str(site)!r})\n"
        "import galaxy_zoo_decals; from datasets import load_dataset\n"
        "assert galaxy_zoo_decals.__file__.startswith(sys.path[0])\n"
        "print(len(load_dataset('galaxy_zoo_decals', 'votes', split='test')), galaxy_zoo_decals.path())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    galaxies, path = done.stdout.split()
    assert int(galaxies) > 100 and path == str(site / "galaxy_zoo_decals")
    assert "simulated" in done.stderr, "loading the sample says once that it is simulated"
    assert done.stderr.count("embedded sample") == 1


ELSEWHERE = """
import json, pathlib, sys
sys.path.insert(0, sys.argv[1])
import numpy as np
import galaxy_zoo_decals.models
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageClassification, pipeline

assert galaxy_zoo_decals.__file__.startswith(sys.argv[1]) and "benchmark" not in sys.modules
folder, pictures = sys.argv[2], sys.argv[3:]
model = AutoModelForImageClassification.from_pretrained(folder)
processor = AutoImageProcessor.from_pretrained(folder)
model.push_to_hub("user/galaxies")
processor.push_to_hub("user/galaxies")
found = {}
for name in (folder, "user/galaxies"):
    rows = pipeline("image-classification", model=name)(pictures, top_k=4)
    found[name] = [{row["label"]: row["score"] for row in one} for one in rows]
print(json.dumps(list(found.values())))
"""


def test_a_saved_model_loads_from_any_folder_and_says_what_predict_says(
    wheel: Path, trained: Callable[..., Path], tmp_path: Path
) -> None:
    """The pipeline of the installed package, from a folder and from the Hub, against the harness on the same files."""
    site, run = tmp_path / "site-packages", trained("multiclass")
    zipfile.ZipFile(wheel).extractall(site)
    rng, pictures = np.random.default_rng(0), []
    for i, size in enumerate((424, 224, 100)):
        pictures.append(str(tmp_path / f"{i}.png"))
        Image.fromarray(galaxy(rng)[1]).resize((size, size)).save(pictures[-1])
    table = tmp_path / "predictions.csv"
    assert predict.main([str(run), *pictures, "--out", str(table)]) == 0
    expected = pd.read_csv(table)[[f"p_{name}" for name in CLASSES]].to_numpy()
    with serve() as hub:
        env = os.environ | {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
        env |= {"HF_TOKEN": "hf_test", "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        command = [sys.executable, "-c", ELSEWHERE, str(site), str(run / "model"), *pictures]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    for shares in json.loads(done.stdout.splitlines()[-1]):
        seen = np.array([[row[name] for name in CLASSES] for row in shares])
        kept = [0, 2]  # The second has the edition's size: the pipeline takes it as it is, predict encodes a PNG.
        np.testing.assert_allclose(seen[kept], expected[kept], atol=5e-6)
        np.testing.assert_allclose(seen[1], expected[1], atol=0.05)


def test_without_torch_the_models_say_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import galaxy_zoo_decals\n"
        "try:\n    import galaxy_zoo_decals.models\n"
        "except ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert "pip install 'galaxy-zoo-decals[models]'" in done.stdout, done.stderr


def test_the_bare_name_needs_no_import_in_a_clones_root() -> None:
    code = (
        "from datasets import load_dataset\n"
        "import sys; assert 'galaxy_zoo_decals' not in sys.modules\n"
        "for view in ('multiclass', 'multilabel', 'hierarchical', 'votes'):\n"
        "    row = next(iter(load_dataset('galaxy_zoo_decals', view, split='test', streaming=True)))\n"
        "    n = len(load_dataset('galaxy_zoo_decals', view, split='test'))\n"
        "    print(view, row['image'].size, n > 100)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"{view} (224, 224) True" for view in ("multiclass", "multilabel", "hierarchical", "votes")
    ]


def test_the_sample_is_the_simulators(tmp_path: Path) -> None:
    """Some galaxies of the committed sample, simulated anew: the same votes, the same pixels but for rounding."""
    import io

    import numpy as np
    from PIL import Image

    from galaxy_zoo_decals.edition import Edition
    from galaxy_zoo_decals.schema import GZD5
    from galaxy_zoo_decals.sources.simulated import simulate

    edition = Edition.open("sample")
    source = edition.facts["source"]
    assert source["kind"] == "simulated"  # type: ignore[index]
    votes = {row["iauname"]: row for split in ("train", "test") for row in edition.table(split).to_dict("records")}
    images = edition.images("train") | edition.images("test")
    found = 0
    for i in range(12):
        row = simulate(source["seed"], 224, edition.facts["image_quality"], i)  # type: ignore[index, arg-type]
        if row["iauname"] in votes:
            found += 1
            assert all(row[c] == votes[row["iauname"]][c] for c in GZD5.vote_columns)
            fresh = np.asarray(Image.open(io.BytesIO(row["image"])).convert("RGB"), int)
            stored = np.asarray(Image.open(io.BytesIO(images[row["iauname"]])).convert("RGB"), int)
            assert np.abs(fresh - stored).mean() < 1
    assert found >= 8

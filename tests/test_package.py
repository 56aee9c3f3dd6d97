from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

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

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from accelerate import Accelerator

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

# Before any test module imports datasets: tests stay out of the user's caches, editions and choices, and off the
# network.
_HOME = tempfile.TemporaryDirectory(prefix="galaxy-zoo-tests-")
os.environ["GALAXY_ZOO_DECALS_HOME"] = str(Path(_HOME.name) / "galaxy_zoo_decals")
os.environ["HF_HOME"] = str(Path(_HOME.name) / "huggingface")
os.environ["HF_DATASETS_CACHE"] = str(Path(_HOME.name) / "huggingface" / "datasets")
os.environ["HF_HUB_OFFLINE"] = "1"
# Tests run side by side, a worker on a core, with what it starts: one thread each for torch, OpenMP and BLAS. A second
# thread quadruples the processor time of networks as small as these, and threads that wait by spinning slow all others.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
if (_worker := os.environ.get("PYTEST_XDIST_WORKER")) and hasattr(os, "sched_setaffinity"):
    _cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {_cores[int(_worker.removeprefix("gw")) % len(_cores)]})
os.environ.pop("GALAXY_ZOO_DECALS_EDITION", None)
# Where Python may not write bytecode beside its sources, each of the many processes that tests start would compile
# every library anew, for seconds: it goes to pytest's cache instead, for the next time too.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = str(ROOT / ".pytest_cache" / "bytecode")
    sys.dont_write_bytecode = False


# No time is a claim: on a busy machine any example may take a second.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


LONGEST = (
    "test_site", "test_benchmark_run", "test_benchmark_resume", "test_benchmark_training", "test_workflows",
    "test_rerun", "test_remote", "test_boards", "test_zenodo",
)  # fmt: skip
"""The files that take longest: they begin first, so that at the end no worker waits for another."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Bytecode of what lies below folders of tests is of no use to the next session."""
    if sys.pycache_prefix and not hasattr(config, "workerinput"):
        temporary = Path(tempfile.gettempdir()).resolve()
        shutil.rmtree(Path(sys.pycache_prefix) / temporary.relative_to(temporary.anchor), ignore_errors=True)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    """With REQUIRE_BROWSER a skipped browser test is a failed one: the machine that judges must have a browser."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if os.environ.get("REQUIRE_BROWSER") and report.skipped and item.get_closest_marker("browser"):
        report.outcome = "failed"
        report.longrepr = f"a browser test was skipped although REQUIRE_BROWSER is set: {report.longrepr}"


@pytest.fixture(scope="session")
def toy_catalogue(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A vote table with GZD-5 columns and its folder of images: 150 toy galaxies."""
    from tests.toys import write_catalogue

    return write_catalogue(tmp_path_factory.mktemp("toy-source"))


@pytest.fixture(scope="session")
def toy_edition(toy_catalogue: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an edition made of the toy catalogue."""
    from galaxy_zoo_decals.prepare.builder import build
    from galaxy_zoo_decals.sources.folder import Folder

    out = tmp_path_factory.mktemp("editions") / "toy"
    build(Folder(*toy_catalogue, licence="CC0-1.0"), out, name="toy")
    return out


@pytest.fixture(scope="session")
def accelerator() -> Accelerator:
    """What places trainings of this process on its device."""
    from benchmark import training

    return training.accelerator()


@pytest.fixture(scope="session")
def trained(
    toy_edition: Path, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Callable[..., Path]:
    """Give the folder of a model's tiny run on the toy edition, which is trained once for all workers; to be read."""
    from filelock import FileLock

    from benchmark import run
    from tests.harness import TINY, TINY_CNN

    base = tmp_path_factory.getbasetemp()
    runs = (base.parent if hasattr(pytestconfig, "workerinput") else base) / "trained"
    runs.mkdir(exist_ok=True)

    def of(model: str, seed: int = 0) -> Path:
        out = runs / f"{model}-{seed}"
        settings = [*TINY, "--backbone", "test_resnet", "--weights", "none"] if model == "dirichlet" else TINY_CNN
        words = ["--model", model, "--edition", str(toy_edition), "--out", str(out), "--seed", str(seed), *settings]
        with FileLock(out.with_suffix(".lock")):
            assert out.exists() or run.main(words) == 0
        return out

    return of

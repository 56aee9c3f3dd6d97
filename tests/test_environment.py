"""What the environment hands down, for real: a training under accelerate's config, other locales, make's variables."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from benchmark import BenchmarkError, environment, run, training
from galaxy_zoo_decals import git
from galaxy_zoo_decals import predictions as files
from galaxy_zoo_decals.edition import Edition
from tests.harness import TINY_CNN

ROOT = Path(__file__).parents[1]

HANDED_DOWN = {
    "ACCELERATE_DYNAMO_BACKEND": "INDUCTOR",
    "ACCELERATE_USE_DEEPSPEED": "true",
    "ACCELERATE_USE_FSDP": "true",
    "ACCELERATE_USE_MEGATRON_LM": "true",
    "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "4",
    "ACCELERATE_MIXED_PRECISION": "fp8",
    "ACCELERATE_TORCH_DEVICE": "mps",
    "ACCELERATE_DEBUG_MODE": "perhaps",
    "CUDA_VISIBLE_DEVICES": "7",
    "CXX": "/nowhere/g++",
    "LOCAL_RANK": "0",
    "OMPI_COMM_WORLD_SIZE": "4",
    "OMP_NUM_THREADS": "all",
    "TMPDIR": "/nowhere",
}
LAUNCHED = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


def test_what_accelerates_config_hands_down_changes_nothing(toy_edition: Path, tmp_path: Path) -> None:
    words = ["--model", "multiclass", "--edition", str(toy_edition), *TINY_CNN, "--set", "clip=0.1", "--out"]
    command = [sys.executable, "benchmark/run.py", *words, str(tmp_path / "handed-down")]
    kept = {name: value for name, value in os.environ.items() if name not in environment.LAUNCH}
    done = subprocess.run(command, cwd=ROOT, env=kept | HANDED_DOWN, capture_output=True, text=True)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert "CUDA_VISIBLE_DEVICES=7 is no GPU that works here" in done.stderr
    with contextlib.redirect_stdout(io.StringIO()):
        assert run.main([*words, str(tmp_path / "plain")]) == 0
    tree = Edition.open(toy_edition).tree
    values = [
        files.read(next((tmp_path / name).glob("predictions/*/*/*.parquet")), tree).values
        for name in ("handed-down", "plain")
    ]
    np.testing.assert_allclose(*values, atol=1e-5)


def test_a_launch_that_is_whole_stays_as_it_is_and_settling_twice_finds_nothing() -> None:
    told = {**LAUNCHED, "ACCELERATE_MIXED_PRECISION": "no", "PMI_SIZE": "2", "OMP_NUM_THREADS": "1"}
    before = dict(told)
    assert environment.settle(told) == [] and told == before and environment.one_of(told) == 2
    told = dict(HANDED_DOWN)
    assert len(environment.settle(told)) == 10
    assert [words.partition("=")[0] for words in environment.settle(told)] == ["ACCELERATE_MIXED_PRECISION"]


@pytest.mark.parametrize("name", LAUNCHED)
def test_a_launch_that_lacks_a_variable_is_refused_by_every_process(name: str) -> None:
    told = {key: value for key, value in LAUNCHED.items() if key != name}
    with pytest.raises(BenchmarkError) as caught:
        environment.one_of(told)
    assert caught.value.alone and ("WORLD_SIZE is not set" if name == "WORLD_SIZE" else name) in str(caught.value)


def test_more_processes_than_gpus_are_refused() -> None:
    training._check_gpus(2, 2)
    with pytest.raises(BenchmarkError, match="--num_processes 2"):
        training._check_gpus(8, 2)


def test_a_process_that_waits_for_others_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in LAUNCHED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(training, "PATIENCE", 0.01)
    for processes in (1, 2):
        with training._waiting(processes):
            for thread in threading.enumerate():
                if isinstance(thread, threading.Timer):
                    thread.join()
    assert capsys.readouterr().err.count("waits at 127.0.0.1:29500 for all 2 processes") == 1


def test_an_edition_is_the_same_in_a_locale_without_accents(
    toy_catalogue: tuple[Path, Path], toy_edition: Path, tmp_path: Path
) -> None:
    votes, images = toy_catalogue
    command = [sys.executable, "-m", "galaxy_zoo_decals.cli", "prepare", "catalogue", "--votes", str(votes)]
    command += ["--images", str(images), "--name", Edition.open(toy_edition).name, "--out", str(tmp_path / "toy")]
    command += ["--size", str(Edition.open(toy_edition).facts["image_size"]), "--licence", "CC0-1.0"]
    poor = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(command, cwd=ROOT, env=os.environ | poor, capture_output=True)
    assert done.returncode == 0, done.stderr
    for name in ("README.md", "edition.json"):
        assert (tmp_path / "toy" / name).read_bytes() == (toy_edition / name).read_bytes()


def test_make_keeps_what_others_left_in_the_environment_from_the_packages(tmp_path: Path) -> None:
    left = {"PIP_USER": "1", "PIP_TARGET": "/x", "PIP_REQUIRE_VIRTUALENV": "1", "UV_PYTHON": "3.9", "VIRTUAL_ENV": "/x"}
    left |= {"PYTHONPATH": "/x", "PYTHONHOME": "/x", "UV_SYSTEM_PYTHON": "1", "UV_REQUIRE_HASHES": "1"}
    mirrors = {"PIP_INDEX_URL": "https://mirror.example/simple", "UV_INDEX_URL": "https://mirror.example/simple"}
    (tmp_path / "show.mk").write_text("show:\n\t@env\n")
    command = ["make", "-C", str(ROOT), "-f", "Makefile", "-f", str(tmp_path / "show.mk"), "show"]
    done = subprocess.run(command, env=os.environ | left | mirrors, capture_output=True, text=True)
    shown = {line.partition("=")[0] for line in done.stdout.splitlines()}
    assert done.returncode == 0 and mirrors.keys() <= shown and not left.keys() & shown, done.stderr


def test_git_is_asked_about_the_folder_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GIT_DIR", str(ROOT / ".git"))
    with pytest.raises(git.GitError, match="not a git repository"):
        git.ask(tmp_path, "rev-parse", "HEAD")

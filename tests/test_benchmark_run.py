"""The command line as users meet it: fast answers, plain errors, and real launches by accelerate."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import random
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmark import BenchmarkError, recipes, run, run_folder
from galaxy_zoo_decals import old_words
from galaxy_zoo_decals import predictions as files
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.scoring import Truth
from tests.harness import fork, in_a_new_process

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "transformers", "timm", "accelerate", "datasets")

WRONG = [
    (["--help"], "--recipe|--seed|hierarchical"),
    (["--model", "hierarchial"], "Did you mean 'hierarchical'?"),
    (["--model", "nothing"], "multiclass, multilabel, hierarchical, efficientnetv2, dirichlet, all"),
    (["--model", "all", "--recipe", "quik"], "Did you mean 'quick'?"),
    (["--model", "all", "--edition", "sampel"], "Did you mean 'sample'?"),
    (["--model", "all", "--set", "learnin_rate=1"], "Did you mean 'learning_rate'?"),
    (["--model", "multiclass", "--set", "epochs=many"], "'many' is not a whole number"),
    (["--model", "multiclass", "--set", "epochs"], "write key=value"),
    (["--model", "multiclass", "--backbone", "resnet18"], "there is no setting 'backbone'"),
    (["--model", "multiclass", "--seed", "-1"], "--seed must not be negative"),
    (["--model", "multiclass", "--seed", "4294967296"], "below 2^32"),
    (["--model", "dirichlet", "--set", "class_balance=0.5"], "which dirichlet does not have"),
    (["--model", "all", "--recipe", "best", "--edition", "TOY"], "--weights none"),
    (["--model", "efficientnetv2", "--weights", "no.pt", "--edition", "TOY"], "there is no weight file or run no.pt"),
]


# Nothing that is answered at once may wait for a library that takes seconds to load.
def test_help_and_wrong_arguments_are_answered_without_heavy_imports(toy_edition: Path, tmp_path: Path) -> None:
    cases = [([str(toy_edition) if a == "TOY" else a for a in arguments], word) for arguments, word in WRONG]
    script = f"""
import contextlib, io, json, sys
sys.argv[0] = "run.py"
from benchmark import run
for arguments in {[arguments for arguments, _ in cases]!r}:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            status = run.main(arguments)
        except SystemExit as end:
            status = end.code
    loaded = [name for name in {HEAVY!r} if name in sys.modules]
    print(json.dumps([status, out.getvalue(), loaded]))
"""
    # Not in the repository, where runs would be looked for.
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    for (arguments, word), line in zip(cases, done.stdout.splitlines(), strict=True):
        status, printed, loaded = json.loads(line)
        assert status == (0 if arguments == ["--help"] else 2), printed
        assert all(part in printed for part in word.split("|")) or word in printed, printed
        assert "Traceback" not in printed
        assert loaded == [], f"{arguments} loads {loaded}"


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("epochs=0", "epochs must be above 0"),
        ("dropout=1.5", "dropout must lie between 0 and 1"),
        ("crop=0", "crop must lie between 0 and 1"),
        ("augmentation=mirror", "Choose from none, flips, dihedral"),
        ("channels=16,x", "not whole numbers"),
        ("resolution=4", "resolution must be at least 8"),
        ("compile=maybe", "not true or false"),
    ],
)
def test_settings_of_the_wrong_kind(setting: str, problem: str) -> None:
    with pytest.raises(BenchmarkError, match=problem):
        recipes.override(recipes.choose("quick", "multiclass"), [setting])


def test_a_published_command_names_no_folder_of_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION", raising=False)
    words = ["benchmark/run.py", "--out", f"{tmp_path}/runs/mine", "--weights=/home/me/w.pt", "--edition", "/data/gz2"]
    monkeypatch.setattr(sys, "argv", [*words, "--set", "epochs=3"])
    expected = "python benchmark/run.py --out runs/mine --weights=w.pt --edition gz2 --set epochs=3"
    assert run_folder.command() == expected


def test_old_words_mean_the_new_ones() -> None:
    for model, old, new in (
        ("multiclass", ["average=0.9", "balance=0.3", "balance_by=loss"], {"ema_decay": 0.9, "class_balance": 0.3}),
        ("dirichlet", ["least=0.2"], {"min_concentration": 0.2}),
    ):
        quick = recipes.choose("quick", model)
        today = [f"{old_words.setting(key)}={value}" for key, value in (setting.split("=") for setting in old)]
        changed = recipes.override(quick, old)
        assert changed == recipes.override(quick, today) != quick
        assert {key: getattr(changed[model], key) for key in new} == new
    assert recipes.choose("paper", "all") == recipes.choose("student", "all")
    settings = {
        f.name for by_model in recipes.RECIPES.values() for r in by_model.values() for f in dataclasses.fields(r)
    }
    assert set(old_words.SETTINGS.values()) <= settings and not old_words.SETTINGS.keys() & settings
    assert (
        set(old_words.NAMES.values()) <= recipes.RECIPES.keys() and not old_words.NAMES.keys() & recipes.RECIPES.keys()
    )


def test_every_old_word_is_noted_once_before_anything_is_trained(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--set", "average=0.9", "--set", "average=0.8", "--set", "balance=0", "--recipe", "paper"]
    assert run.main(["--model", "multiclass", *words, "--edition", "nothing-of-this-name"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[:-1] == [
        "note: paper is called student now.", "note: average is called ema_decay now.",
        "note: balance is called class_balance now.",
    ]  # fmt: skip
    assert "nothing-of-this-name" in said[-1]


def test_a_run_of_before_is_read_in_the_words_of_today(tmp_path: Path) -> None:
    old = {"name": "paper", "epochs": 20, "average": 0.9, "balance": 1.0, "balance_by": "loss", "least": 1.0}
    new = {"name": "student", "epochs": 20, "ema_decay": 0.9, "class_balance": 1.0, "class_balance_by": "loss"}
    for number, recipe in enumerate((old, new | {"min_concentration": 1.0})):
        (tmp_path / str(number)).mkdir()
        run_folder.write(tmp_path / str(number), {"model": "dirichlet", "recipe": recipe})
    assert run_folder.read(tmp_path / "0") == run_folder.read(tmp_path / "1")
    assert json.loads((tmp_path / "0" / "run.json").read_text())["recipe"] == old, "what lies there stays"
    run_folder.write(tmp_path / "0", {"recipe": None, "seed": 3})
    assert run_folder.read(tmp_path / "0")["seed"] == 3, "made without a recipe"
    run_folder.write(tmp_path / "0", {"recipe": "quick"})
    with pytest.raises(BenchmarkError, match=r"no run\.json of a finished run"):
        run_folder.read(tmp_path / "0")


def test_settings_go_to_the_models_that_have_them() -> None:
    changed = recipes.override(recipes.choose("quick", "all"), ["channels=8,16", "epochs=2", "backbone=resnet18"])
    assert {r.epochs for r in changed.values()} == {2}
    assert getattr(changed["multilabel"], "channels", None) == (8, 16)
    assert getattr(changed["dirichlet"], "backbone", None) == "resnet18"
    assert not hasattr(changed["dirichlet"], "channels")


def test_a_folder_that_is_no_run_is_refused_before_anything_is_loaded(
    toy_edition: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    assert run.main(["--model", "multiclass", "--edition", str(toy_edition), "--out", str(tmp_path)]) == 2
    assert "not a run" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_an_edition_of_the_hub_that_cannot_be_had(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--model", "multiclass", "--edition", "nobody/nothing"]) == 2
    printed = capsys.readouterr().err
    assert "'nobody/nothing'" in printed and "Traceback" not in printed


def words(out: Path, edition: Path) -> list[str]:
    """Arguments of a small run."""
    arguments = ["--model", "multiclass", "--edition", str(edition), "--out", str(out), "--set", "resolution=32"]
    tiny = ["--set", "channels=4,8", "--set", "hidden=8", "--set", "batch=16", "--set", "epochs=2"]
    # Dropout is drawn in each process; everything else is the same however many there are.
    return [*arguments, *tiny, "--set", "dropout=0"]


def launch(launcher: list[str], out: Path, edition: Path) -> subprocess.Popen[str]:
    command = ["accelerate", "launch", *launcher, "benchmark/run.py", *words(out, edition)]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def end(process: subprocess.Popen[str]) -> str:
    """What a launch printed, once it has ended well."""
    printed, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return printed


@pytest.fixture(scope="module")
def alone(toy_edition: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of one process, this one: tests/test_boards.py launches one."""
    out, said = tmp_path_factory.mktemp("alone") / "run", io.StringIO()
    with contextlib.redirect_stdout(said):
        assert run.main(words(out, toy_edition)) == 0
    assert said.getvalue().count("Macro F1") == 1
    return out


def assert_alike(alone: Path, together: Path, edition: Edition) -> None:
    values, facts = [], []
    for folder in (alone, together):
        facts.append(json.loads((folder / "run.json").read_text()))
        path = folder / "predictions" / edition.name / "multiclass" / "seed0.parquet"
        predictions = files.read(path, edition.tree)
        assert predictions.names == Truth.of(edition).names
        values.append(predictions.values)
    assert [f["processes"] for f in facts] == [1, 2]
    np.testing.assert_allclose(values[0], values[1], atol=2e-3)
    losses = [[p["validation_loss"] for p in f["curves"][0]["points"]] for f in facts]
    assert losses[0] == pytest.approx(losses[1], abs=1e-3)
    assert facts[1]["command"].startswith("accelerate launch benchmark/run.py --model multiclass")


def test_two_processes_give_what_one_gives(alone: Path, toy_edition: Path, tmp_path: Path) -> None:
    flags = ["--multi_gpu", "--num_processes", "2", "--num_machines", "1", "--main_process_port", "0"]
    printed = end(launch(flags, tmp_path / "two", toy_edition))
    assert printed.count("Macro F1") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["two"]
    assert_alike(alone, tmp_path / "two", Edition.open(toy_edition))


def test_two_machines_give_what_one_gives(alone: Path, toy_edition: Path, tmp_path: Path) -> None:
    flags = ["--multi_gpu", "--num_machines", "2", "--num_processes", "2", "--main_process_ip", "127.0.0.1"]
    flags += ["--main_process_port", str(free_port())]
    # Each machine has a disk of its own; the first one writes the run.
    machines = [
        launch([*flags, "--machine_rank", str(rank)], tmp_path / str(rank) / "run", toy_edition) for rank in (0, 1)
    ]
    printed = [end(machine) for machine in machines]
    assert [text.count("Macro F1") for text in printed] == [1, 0]
    assert (tmp_path / "0" / "run" / "run.json").is_file() and not (tmp_path / "1" / "run").exists()
    assert_alike(alone, tmp_path / "0" / "run", Edition.open(toy_edition))
    # What is finished lies on the first machine alone, and the second one is told.
    in_a_new_process(run_again, tmp_path, toy_edition)
    assert ["finished already" in (tmp_path / f"said-{rank}").read_text() for rank in (0, 1)] == [True, False]
    assert not (tmp_path / "1" / "run").exists()


def run_again(folder: Path, edition: Path) -> None:
    """Be the two machines once more, with the words that accelerate's launcher gives each of them."""
    told = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    told |= {"LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}
    machines = [
        fork([*words(folder / str(rank) / "run", edition), "--resume"], folder / f"said-{rank}", RANK=str(rank), **told)
        for rank in (0, 1)
    ]
    for machine in machines:
        machine.join(120)
    ended = [machine.exitcode for machine in machines]
    for machine in machines:
        machine.kill()
    assert ended == [0, 0], [(folder / f"said-{rank}").read_text() for rank in (0, 1)]


def free_port() -> int:
    """A port that is free, and that the system gives to nobody who asks for any: it does so from 32,768 on."""
    for port in random.sample(range(20_000, 30_000), 100):
        with socket.socket() as free, contextlib.suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def test_a_mistake_is_told_once_however_many_processes_there_are() -> None:
    command = [sys.executable, "benchmark/run.py", "--model", "all", "--recipe", "bets"]
    told = "benchmark/run.py: error: there is no recipe 'bets'. Did you mean 'best'?"
    # The first process of every machine says it.
    for rank, local, said in (("0", "0", told), ("1", "1", ""), ("4", "0", told)):
        environment = os.environ | {"RANK": rank, "LOCAL_RANK": local}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 2
        assert done.stderr.startswith(said) and bool(done.stderr) == bool(said)

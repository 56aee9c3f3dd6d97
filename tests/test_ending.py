"""How commands end: the line, the exit status, and never a traceback for what a person can mend."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark import ensemble, plan, predict, run
from galaxy_zoo_decals import cli
from galaxy_zoo_decals.errors import UserError
from leaderboard import __main__ as leaderboard

ROOT = Path(__file__).parents[1]
SCRIPTS = {
    "galaxy-zoo-decals": (cli, ["info", "sample"]),
    "leaderboard": (leaderboard, ["results"]),
    "benchmark/run.py": (run, ["--model", "multiclass"]),
    "benchmark/predict.py": (predict, ["model", "images"]),
    "benchmark/ensemble.py": (ensemble, ["run", "--out", "out"]),
    "benchmark/plan.py": (plan, ["--list"]),
}
NO_SPACE = OSError(errno.ENOSPC, "No space left on device", "a.parquet")
CTRL_C = KeyboardInterrupt()
CTRL_C.add_note("what was learned is kept.")
LEFT = BrokenPipeError(errno.EPIPE, "Broken pipe")
LEFT.add_note("what was learned is kept.")
GONE = PermissionError(errno.EACCES, "Permission denied", "a.parquet")

LINES = [
    ("galaxy-zoo-decals", UserError("no."), 1, "galaxy-zoo-decals: no."),
    ("galaxy-zoo-decals", GONE, 1, "galaxy-zoo-decals: a.parquet: Permission denied."),
    ("galaxy-zoo-decals", NO_SPACE, 1, "galaxy-zoo-decals: no space is left on the disk ("),
    ("galaxy-zoo-decals", CTRL_C, 130, "\ngalaxy-zoo-decals: interrupted. The same command goes on where it stopped."),
    ("leaderboard", UserError("no."), 1, "error: no."),
    ("leaderboard", GONE, 1, "error: a.parquet: Permission denied."),
    ("leaderboard", NO_SPACE, 1, "error: a.parquet: No space left on device."),
    ("leaderboard", CTRL_C, 130, "\ninterrupted; nothing is half-written."),
    ("benchmark/run.py", UserError("no."), 2, "benchmark/run.py: error: no."),
    ("benchmark/run.py", GONE, 1, "benchmark/run.py: error: Permission denied (a.parquet); the run that was under way "
     "left nothing behind."),
    ("benchmark/run.py", LEFT, 1, "benchmark/run.py: error: Broken pipe (no file named); what was learned is kept."),
    ("benchmark/run.py", CTRL_C, 130, "benchmark/run.py: interrupted; what was learned is kept."),
    ("benchmark/predict.py", UserError("no."), 2, "benchmark/predict.py: error: no."),
    ("benchmark/predict.py", GONE, 1, "benchmark/predict.py: error: Permission denied (a.parquet); nothing was "
     "written."),
    ("benchmark/predict.py", CTRL_C, 130, "benchmark/predict.py: interrupted; nothing was written."),
    ("benchmark/ensemble.py", GONE, 1, "benchmark/ensemble.py: error: Permission denied (a.parquet)"),
    ("benchmark/ensemble.py", CTRL_C, 130, "benchmark/ensemble.py: interrupted; nothing was written."),
    ("benchmark/plan.py", OSError("odd"), 1, "benchmark/plan.py: error: odd (no file named)"),
    ("benchmark/plan.py", CTRL_C, 130, "benchmark/plan.py: interrupted; the same command goes on."),
]  # fmt: skip


@pytest.mark.parametrize(("command", "end", "status", "line"), LINES)
def test_each_end_has_its_line_and_status(
    command: str, end: BaseException, status: int, line: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def ends(*_: object) -> int:
        raise end

    module, arguments = SCRIPTS[command]
    monkeypatch.setattr(cli, "_info", ends)
    monkeypatch.setattr(module, "_run", ends) if module is not cli else None
    assert module.main(arguments) == status
    said = capsys.readouterr().err
    assert said.startswith(line) and said.count("\n") == line.count("\n") + 1
    assert said == f"{line}\n" or line.endswith("(")


def test_a_mistake_under_an_error_of_a_library_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def library(*_: object) -> None:
        try:
            raise UserError("the table is wrong.")
        except UserError as error:
            raise RuntimeError("generation failed") from error

    monkeypatch.setattr(cli, "_info", library)
    assert cli.main(["info"]) == 1
    assert capsys.readouterr().err == "galaxy-zoo-decals: the table is wrong.\n"


def test_what_nobody_can_mend_is_shown_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*_: object) -> None:
        raise ZeroDivisionError

    for command, (module, arguments) in SCRIPTS.items():
        monkeypatch.setattr(module, "_info" if command == "galaxy-zoo-decals" else "_run", wrong)
        with pytest.raises(ZeroDivisionError):
            module.main(arguments)


def test_one_process_of_a_machine_speaks_unless_it_alone_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ends(*_: object) -> None:
        raise error

    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(run, "_run", ends)
    error = run.BenchmarkError("too little memory.")
    assert run.main(["--model", "multiclass"]) == 2 and not capsys.readouterr().err
    error.alone = True
    assert run.main(["--model", "multiclass"]) == 2 and "too little memory." in capsys.readouterr().err


@pytest.mark.parametrize("command", [["-m", "galaxy_zoo_decals.cli", "info"], ["benchmark/plan.py", "--list"]])
def test_a_reader_who_has_seen_enough_ends_a_command_quietly(command: list[str]) -> None:
    words = [sys.executable, "-u", *command]
    running = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout is not None and running.stderr is not None
    running.stdout.close()
    assert running.stderr.read() == "" and running.wait(60) == 1

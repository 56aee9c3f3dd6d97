"""Ctrl-C while a command still loads its libraries: one line, status 130, no traceback."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COMMANDS = (
    [str(Path(sys.executable).with_name("galaxy-zoo-decals")), "check", "sample"],
    [sys.executable, "-m", "leaderboard", "check"],
    [sys.executable, "benchmark/run.py", "--model", "multiclass", "--edition", "sample", "--out", "{out}"],
    [sys.executable, "benchmark/predict.py", "nowhere", "nothing", "--out", "{out}.csv"],
)

SLOW = """
import importlib.abc, sys, time
class Slow(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name in ("galaxy_zoo_decals.errors", "benchmark", "leaderboard.arguments"):
            sys.stderr.write("loading " + name + chr(10))
            sys.stderr.flush()
            time.sleep(30)
sys.meta_path.insert(0, Slow())
"""


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: Path(words[-1 if "-m" in words else 0]).name)
def test_ctrl_c_while_libraries_are_loaded(command: list[str], tmp_path: Path) -> None:
    # A module that comes early takes half a minute to load, so that the signal always meets it.
    (tmp_path / "sitecustomize.py").write_text(SLOW)
    words = [word.format(out=tmp_path / "out") for word in command]
    run = subprocess.Popen(
        words, cwd=ROOT, env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"}, stderr=subprocess.PIPE, text=True,
        # In the background a shell has its programs ignore Ctrl-C, and the tests' own process may be there.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert run.stderr is not None and run.stderr.readline().startswith("loading ")
    time.sleep(0.1)
    run.send_signal(signal.SIGINT)
    rest = run.stderr.read()
    assert run.wait(20) == 130
    assert "interrupted" in rest and "Traceback" not in rest and len(rest.strip().splitlines()) == 1, rest

"""The first hour of somebody who has never seen the project: `make campaign-first-hour` clones, times and writes down.

Every step is what the README or the page before it says next, typos included. docs/evidence/first-hour.md gets seconds
on the clock, seconds of processor time, and the last thing that was said.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from galaxy_zoo_decals import git
from galaxy_zoo_decals.atomic import atomic_file

ROOT = Path(__file__).parents[2]
OUT = ROOT / "docs" / "evidence" / "first-hour.md"
LONGEST = 240
"""Characters of what is said that the table shows."""


@dataclass(frozen=True)
class Step:
    """What somebody wants, the command for it, and the exit status that is right: 0 unless it is a mistake."""

    wish: str
    command: str
    mistake: bool = False


LOAD = "from datasets import load_dataset; galaxies = load_dataset('galaxy_zoo_decals', '{}'); "
TRAIN = "accelerate launch --quiet benchmark/run.py --model {} --edition sample --seed {}"

STEPS = (
    Step("get it", "git clone -q {repository} galaxies"),
    Step("install it", "make setup"),
    Step("what is there?", "galaxy-zoo-decals info"),
    Step("load galaxies with their labels",
         f'python -c "{LOAD.format("multilabel")}print(galaxies[\'train\'][0][\'multi_hot\'])"'),
    Step("the same with a typo", f'python -c "{LOAD.format("multilabels")}"', mistake=True),
    Step("look at some", "galaxy-zoo-decals show sample --out galaxies.png"),
    Step("an edition that is not there", "galaxy-zoo-decals show gzd5", mistake=True),
    Step("train the classic CNN", TRAIN.format("multiclass", 0)),
    Step("a model by a wrong name", TRAIN.format("multi-class", 0), mistake=True),
    Step("the same training again by mistake", TRAIN.format("multiclass", 0), mistake=True),
    Step("a second seed, with a setting that is misspelt", TRAIN.format("multiclass", 1) + " --set epoch=5",
         mistake=True),
    Step("a second seed", TRAIN.format("multiclass", 1)),
    Step("pictures of my own, from a notebook",
         f'python -c "{LOAD.format("multiclass")}[galaxies[\'test\'][i][\'image\'].save(f\'mine{{i}}.png\') '
         'for i in range(20)]"'),
    Step("what are they?", "python benchmark/predict.py runs/sample/multiclass/seed0 mine*.png --out mine.csv"),
    Step("a folder without pictures", "python benchmark/predict.py runs/sample/multiclass/seed0 docs --out no.csv",
         mistake=True),
    Step("score a file of predictions",
         "galaxy-zoo-decals score sample runs/sample/multiclass/seed0/predictions/sample/multiclass/seed0.parquet"),
    Step("score my table instead", "galaxy-zoo-decals score sample mine.csv", mistake=True),
    Step("submit", "python -m leaderboard submit runs/sample/multiclass/seed* --name Mine --authors Me"),
    Step("is the submission in order?", "python -m leaderboard check", mistake=True),
    Step("see my model beside the others", "python -m leaderboard site --runs runs --out build/site"),
)  # fmt: skip


def main() -> int:
    """Go through the steps in a fresh clone, write the table, and return 1 if a step did not end as it should."""
    rows, wrong = [], 0
    with tempfile.TemporaryDirectory(prefix="first-hour-") as home:
        clone = Path(home) / "galaxies"
        for step in STEPS:
            status, clock, processor, said = _run(step, Path(home), clone)
            wrong += (status == 0) == step.mistake
            print(f"{step.wish}: {clock:.0f} s, status {status}\n{said}\n", file=sys.stderr)
            shown = step.command.replace("{repository}", "REPOSITORY").replace("|", "\\|")
            rows.append(f"| {step.wish} | `{shown}` | {clock:.0f} | {processor:.0f} | {status} | {_cell(said, home)} |")
    commit = git.ask(ROOT, "rev-parse", "--short=12", "HEAD")
    head = (
        "# The first hour of somebody who has never seen the project\n\n"
        f"Made by `make campaign-first-hour` at commit {commit} on {os.cpu_count()} cores without a GPU; the "
        "machine may have had other work, so that processor time says more than the clock. Steps with a mistake "
        "end with a status above 0 and say what to do.\n\n"
        "| what is wanted | command | seconds | processor seconds | status | the last that is said |\n"
        "|---|---|--:|--:|--:|---|\n"
    )
    with atomic_file(OUT) as beside:
        beside.write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
    return int(wrong > 0)


def _run(step: Step, home: Path, clone: Path) -> tuple[int, float, float, str]:
    """Return exit status, seconds on the clock and of the processor, and the output, of a step."""
    place = clone if clone.is_dir() else home
    caches = {"HF_HOME": str(home / "hf"), "GALAXY_ZOO_DECALS_HOME": str(home / "editions"), "HF_HUB_OFFLINE": "1"}
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    path = os.pathsep.join([str(clone / ".venv" / "bin"), kept["PATH"]])
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        step.command.replace("{repository}", str(ROOT)), shell=True, cwd=place, env=kept | caches | {"PATH": path},
        capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=3600, check=False,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    said = done.stderr if done.returncode else done.stdout or done.stderr
    return done.returncode, time.monotonic() - began, processor, said.strip()


def _cell(said: str, home: str) -> str:
    """Return the last lines of the output as a cell of the table, without the folders of this machine."""
    text = re.sub(
        r"\s+", " ", said.replace(f"{home}/galaxies/", "").replace(home, "~").replace(str(ROOT), "REPOSITORY")
    )
    text = text.replace("|", "\\|").replace("<", "&lt;").strip()
    return text if len(text) <= LONGEST else f"… {text[-LONGEST:]}"


if __name__ == "__main__":
    sys.exit(main())

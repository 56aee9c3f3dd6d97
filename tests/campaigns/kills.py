"""Kill a preparation at random moments and start it again: is the result the same, every time?

    python tests/campaigns/kills.py [--kills 50] [--galaxies 300] [--seed 0] [--more] [--while PHASE]

A server that behaves like Zenodo (and cuts every archive's download once) serves a small data release. `prepare gzd5
--delete-archives` runs against it undisturbed; then, again and again from nothing, it is killed (SIGKILL) at a random
moment between its first file and its end, and run to its end; every second time with two worker processes. Each
result must be the undisturbed one byte by byte with nothing left beside it. Processes are forked from one that has
everything imported: what is killed is work, not imports. With ``--while "writing shards"`` kills wait for that phase
and fall in the second after its beginning, as short phases are seldom hit by chance. Writes docs/evidence/kills.md
and kills.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from galaxy_zoo_decals.cli import main  # noqa: E402
from galaxy_zoo_decals.sources.zenodo import ARCHIVE, PARTS  # noqa: E402
from tests.releases import Zenodo, draw, repeat, serve, write_part, write_table  # noqa: E402

EVIDENCE = ROOT / "docs" / "evidence"


@dataclass(frozen=True)
class Kill:
    """One kill and what came of it."""

    galaxies: int
    processes: int
    seconds: float
    """After the start of the run."""
    phase: str
    """What the run was doing, by what it had left on disk."""
    pieces: int
    """Finished pieces that the next run could use."""
    resumed_seconds: float
    identical: bool
    left_behind: str
    """Anything beside the edition that the second run did not clear away."""
    code: str = ""
    """Which code ran: a digest of the package's sources; empty for kills from before it was noted."""


def write_release(folder: Path, galaxies: int) -> None:
    table, images = draw(min(galaxies, 60))
    many, shown = repeat(table, galaxies)
    write_table(many, folder)
    for number in PARTS:
        write_part(folder / ARCHIVE.format(number), number, shown, images)


def sources() -> str:
    """Return a short digest of the package's sources."""
    files = sorted((ROOT / "galaxy_zoo_decals").rglob("*.py"))
    lines = [f"{p.relative_to(ROOT)} {hashlib.sha256(p.read_bytes()).hexdigest()}" for p in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:10]


def digest(folder: Path) -> str:
    lines = [
        f"{p.relative_to(folder)} {hashlib.sha256(p.read_bytes()).hexdigest()}"
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def start(zenodo: Zenodo, home: Path, processes: int) -> BaseProcess:
    """Start a preparation in a process of its own, forked from one that has everything imported."""
    zenodo.faults.update({ARCHIVE.format(n): ["cut 300000"] for n in PARTS})
    arguments = ["prepare", "gzd5", "--out", str(home / "gzd5"), "--delete-archives", "--size", "96"]
    arguments += ["--record", f"{zenodo.url}/api/records/4573248", "--downloads", str(home / "downloads")]
    context = get_context("forkserver")
    context.set_forkserver_preload(["__main__", "datasets", "galaxy_zoo_decals.builder", "galaxy_zoo_decals.check"])
    home.mkdir(exist_ok=True)
    log = home.with_suffix(".log")
    running = context.Process(target=prepare, args=([*arguments, "--processes", str(processes)], log))
    running.start()
    return running


def prepare(arguments: list[str], log: Path) -> None:
    """Be the command, with its words in a file."""
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.exit(main(arguments))


def finish(running: BaseProcess, home: Path) -> None:
    running.join(900)
    if running.exitcode != 0:
        words = home.with_suffix(".log").read_text()[-2000:]
        raise RuntimeError(f"a run failed instead of going on: {words}")


def phase(home: Path) -> str:
    work, done = home / "gzd5.partial", home / "gzd5.done"
    if (home / "gzd5").exists():
        return "edition in place, work folder going" if done.exists() else "done"
    if done.exists():
        return "syncing and renaming"
    if (work / "edition" / "README.md").exists():
        return "syncing and renaming"
    if (work / "edition").exists() or (work / "shards").exists() or list(work.glob("shards*")):
        return "writing shards"
    done = len(list(work.glob("*.index.parquet")))
    if list((home / "downloads").glob("*.zip.part")):
        return f"downloading part {done + 1}"
    if done:
        return f"converting part {done}"
    return "catalogue"


def wait_for(wanted: str, home: Path, running: BaseProcess) -> None:
    """Return when a run is in a phase whose name begins so, or has ended."""
    while running.is_alive() and not phase(home).startswith(wanted):
        time.sleep(0.002)


def campaign(
    folder: Path,
    kills: int,
    galaxies: int,
    seed: int,
    keep: Callable[[list[Kill]], object] = print,
    wanted: str | None = None,
) -> list[Kill]:
    """Return the kills; what is done so far is handed to ``keep`` after each of them.

    They fall at any moment, or within a second after the beginning of the ``wanted`` phase.
    """
    write_release(folder / "release", galaxies)
    code = sources()
    rng = random.Random(seed)
    with serve(folder / "release") as zenodo:
        finish(start(zenodo, folder / "first", 1), folder / "first")  # the forking process has its imports now
        moments = {}
        for processes in (1, 2):
            home = folder / f"straight-{processes}"
            began = time.perf_counter()
            running = start(zenodo, home, processes)
            while not (home / "downloads").exists() and running.is_alive():
                time.sleep(0.01)
            first = time.perf_counter() - began
            finish(running, home)
            moments[processes] = (first, time.perf_counter() - began)
        expected = digest(folder / "straight-1" / "gzd5")
        rows: list[Kill] = []
        while len(rows) < kills:
            processes = 1 + len(rows) % 2
            home = folder / f"kill-{len(rows)}"
            began = time.perf_counter()
            running = start(zenodo, home, processes)
            if wanted is None:
                running.join(rng.uniform(*moments[processes]))
            else:
                wait_for(wanted, home, running)
                running.join(rng.random() ** 3)  # most of them soon: the shortest phases last hundredths of a second
            if not running.is_alive():
                shutil.rmtree(home)  # it had already ended: no kill
                continue
            running.kill()
            running.join()
            killed = time.perf_counter() - began
            found, pieces = phase(home), len(list((home / "gzd5.partial" / "pieces").glob("*.parquet")))
            began = time.perf_counter()
            finish(start(zenodo, home, processes), home)
            resumed = time.perf_counter() - began
            beside = {p.name for p in home.iterdir()} - {"gzd5", "downloads"}
            beside |= {p.name for p in (home / "downloads").iterdir() if not p.name.startswith("gz_decals_volunteers")}
            beside -= {"downloads.lock"}
            same = digest(home / "gzd5") == expected
            left = ", ".join(sorted(beside))
            rows.append(Kill(galaxies, processes, killed, found, pieces, resumed, same, left, code))
            keep(rows)
            shutil.rmtree(home)
    return rows


def page(rows: list[Kill]) -> str:
    """Return the table as Markdown."""
    same = sum(row.identical for row in rows)
    clean = sum(not row.left_behind for row in rows)
    groups = {code: [row for row in rows if row.code == code] for code in dict.fromkeys(row.code for row in rows)}
    phases = Counter(re.sub(r" \d+$", "", row.phase) for row in rows)
    lines = [
        "# Kills",
        "",
        "`make campaign-kills`: `prepare gzd5 --delete-archives` from a server that behaves like Zenodo and cuts every "
        "archive once, killed (SIGKILL) at random moments and started again. Some of them were aimed at the short "
        "phases, which chance seldom hits (`--while`).",
        "",
        f"**{same} of {len(rows)} results are identical, byte by byte, to the undisturbed one**; {clean} of "
        f"{len(rows)} runs left nothing else behind.",
        "",
        "| killed while | times |",
        "|---|--:|",
        *(f"| {name} | {count} |" for name, count in phases.most_common()),
        "",
        "Kills are kept over changes of the code; by the code that ran, oldest first:",
        "",
        "| sources of the package | kills | identical | left nothing else behind |",
        "|---|--:|--:|--:|",
        *(
            f"| {code or 'not noted'} | {len(some)} | {sum(r.identical for r in some)} | "
            f"{sum(not r.left_behind for r in some)} |"
            for code, some in groups.items()
        ),
        "",
        "| kill | galaxies | processes | after s | while | pieces kept | second run s | identical | left behind |",
        "|--:|--:|--:|--:|---|--:|--:|---|---|",
        *(
            f"| {i} | {r.galaxies} | {r.processes} | {r.seconds:.2f} | {r.phase} | {r.pieces} | "
            f"{r.resumed_seconds:.1f} | {'yes' if r.identical else '**no**'} | {r.left_behind or 'nothing'} |"
            for i, r in enumerate(rows, start=1)
        ),
    ]
    return "\n".join(lines) + "\n"


def run_campaign() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--galaxies", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--more", action="store_true", help="add to the kills that are in kills.json")
    parser.add_argument("--while", dest="wanted", metavar="PHASE", help="as in the table: downloading, writing shards")
    args = parser.parse_args()
    store = EVIDENCE / "kills.json"
    before = [Kill(**row) for row in json.loads(store.read_text())] if args.more and store.exists() else []

    def keep(rows: list[Kill]) -> None:
        store.write_text(json.dumps([asdict(row) for row in [*before, *rows]], indent=1) + "\n")
        (EVIDENCE / "kills.md").write_text(page([*before, *rows]))
        print(rows[-1], flush=True)

    with tempfile.TemporaryDirectory() as folder:
        rows = campaign(Path(folder), args.kills, args.galaxies, args.seed, keep, args.wanted)
    print(page([*before, *rows]))
    return 0 if all(row.identical and not row.left_behind for row in [*before, *rows]) else 1


if __name__ == "__main__":
    sys.exit(run_campaign())

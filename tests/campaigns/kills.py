"""Kill a preparation at random moments and start it again: is the result the same, every time?

    python tests/campaigns/kills.py [--kills 50] [--galaxies 160] [--seed 0] [--more] [--while PHASE]

Servers that behave like Zenodo (and cut every archive's download once) and like the Hub serve a small survey whose
table has the published columns and lost votes. `prepare gzd5 --delete-archives` runs against them undisturbed in each
of its three ways in: whole archives, `--galaxies`, `--images hub-tiny`. Then, again and again from nothing and the
ways in turn, it is killed (SIGKILL) at a random moment between its first file and its end, and run to its end; every
second round with two worker processes. Each result must be the undisturbed one byte by byte with nothing left beside
it. Processes are forked from one that has everything imported: what is killed is work, not imports. With ``--while
"writing shards"`` kills wait for that phase and fall in the second after its beginning, as short phases are seldom hit
by chance. Writes docs/evidence/kills.md and kills.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from galaxy_zoo_decals.addresses import HUB_IMAGES  # noqa: E402
from galaxy_zoo_decals.cli import main  # noqa: E402
from galaxy_zoo_decals.sources.zenodo import ARCHIVE, PARTS  # noqa: E402
from tests import gz_desi, hub  # noqa: E402
from tests.published import as_published  # noqa: E402
from tests.releases import Zenodo, serve, write_part, write_table  # noqa: E402

EVIDENCE = ROOT / "docs" / "evidence"


WAYS = {"zenodo": "whole archives", "part": "--galaxies", "hub": "--images hub-tiny"}
"""The ways in, as they are called here and in the table."""


@dataclass(frozen=True)
class Kill:
    """One kill and what came of it."""

    way: str
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
    code: str
    """Which code ran: its commit, and a digest of the package's sources."""


def write_release(folder: Path, galaxies: int) -> gz_desi.Dataset:
    """Write the table and the archives of a survey, and return its dataset on the Hub."""
    table, images = gz_desi.galaxies(max(galaxies // 8, 4))
    published = as_published(table)
    write_table(published, folder)
    for number in PARTS:
        write_part(folder / ARCHIVE.format(number), number, {name: name for name in images}, images)
    return gz_desi.write(published, images)


def sources() -> str:
    """Return a short digest of the package's sources."""
    files = sorted((ROOT / "galaxy_zoo_decals").rglob("*.py"))
    lines = [f"{p.relative_to(ROOT)} {hashlib.sha256(p.read_bytes()).hexdigest()}" for p in files]
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True)
    return f"{commit.stdout.strip()} ({hashlib.sha256(chr(10).join(lines).encode()).hexdigest()[:10]})"


def digest(folder: Path) -> str:
    lines = [
        f"{p.relative_to(folder)} {hashlib.sha256(p.read_bytes()).hexdigest()}"
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def start(zenodo: Zenodo, home: Path, processes: int, way: str, galaxies: int) -> BaseProcess:
    """Start a preparation in a process of its own, forked from one that has everything imported."""
    zenodo.faults.update({ARCHIVE.format(n): ["cut 60000"] for n in PARTS})
    arguments = ["prepare", "gzd5", "--out", str(home / "gzd5"), "--delete-archives", "--size", "96"]
    arguments += {
        "zenodo": [], "part": ["--galaxies", str(3 * galaxies // 4)], "hub": ["--images", "hub-tiny"],
    }[way]  # fmt: skip
    arguments += ["--record", f"{zenodo.url}/api/records/4573248", "--downloads", str(home / "downloads")]
    context = get_context("forkserver")
    context.set_forkserver_preload(
        [
            "__main__",
            "datasets",
            "galaxy_zoo_decals.prepare.builder",
            "galaxy_zoo_decals.prepare.audit",
            "galaxy_zoo_decals.sources.hub",
        ]
    )
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
    runs = len(list((home / "downloads").glob("*.runs")))
    if runs:
        return f"reading part {runs} by ranges"
    if (home / "downloads" / "gz_desi").exists():
        return f"shard {done} of the Hub" if done else "first shard of the Hub"
    if list((home / "downloads").glob("*.zip.part")):
        return f"downloading part {done + 1}"
    if done:
        return f"converting part {done}"
    return "catalogue"


def left_behind(home: Path) -> str:
    """Return what lies beside the edition that should not: the votes, tables of contents and pins may."""
    beside = {p.name for p in home.iterdir()} - {"gzd5", "downloads"}
    kinds = {".zip", ".parquet", ".part", ".partial", ".incomplete", ".arrow"}
    beside |= {
        str(p.relative_to(home / "downloads"))
        for p in (home / "downloads").rglob("*")
        if p.suffix in kinds and not p.name.startswith("gz_decals_volunteers")
    }
    return ", ".join(sorted(beside))


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
    ways: Sequence[str] = tuple(WAYS),
) -> list[Kill]:
    """Return the kills; what is done so far is handed to ``keep`` after each of them.

    They fall at any moment, or within a second after the beginning of the ``wanted`` phase.
    """
    dataset = write_release(folder / "release", galaxies)
    code = sources()
    rng = random.Random(seed)
    with serve(folder / "release") as zenodo, hub.serve() as server:
        server.publish(HUB_IMAGES, dataset.files)
        # The forking process reads them when it imports the Hub's client.
        os.environ |= {"HF_ENDPOINT": server.url, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
        finish(start(zenodo, folder / "first", 1, ways[0], galaxies), folder / "first")  # it has its imports now
        moments, expected = {}, {}
        for way in ways:
            for processes in (1, 2):
                home = folder / f"straight-{way}-{processes}"
                began = time.perf_counter()
                running = start(zenodo, home, processes, way, galaxies)
                while not (home / "downloads").exists() and running.is_alive():
                    time.sleep(0.01)
                first = time.perf_counter() - began
                finish(running, home)
                moments[way, processes] = (first, time.perf_counter() - began)
            expected[way] = digest(folder / f"straight-{way}-1" / "gzd5")
        rows: list[Kill] = []
        while len(rows) < kills:
            way = ways[len(rows) % len(ways)]
            processes = 1 + len(rows) // len(ways) % 2
            home = folder / f"kill-{len(rows)}"
            began = time.perf_counter()
            running = start(zenodo, home, processes, way, galaxies)
            if wanted is None:
                running.join(rng.uniform(*moments[way, processes]))
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
            finish(start(zenodo, home, processes, way, galaxies), home)
            resumed = time.perf_counter() - began
            same = digest(home / "gzd5") == expected[way]
            rows.append(Kill(way, galaxies, processes, killed, found, pieces, resumed, same, left_behind(home), code))
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
        "`make campaign-kills`: `prepare gzd5 --delete-archives` in its three ways in, from servers that behave like "
        "Zenodo (and cut every archive once) and like the Hub, with a table of the published shape; killed (SIGKILL) "
        "at random moments and started again. Some of them were aimed at the short phases, which chance seldom hits "
        "(`--while`).",
        "",
        f"**{same} of {len(rows)} results are identical, byte by byte, to the undisturbed one**; {clean} of "
        f"{len(rows)} runs left nothing else behind.",
        "",
        "| way in | kills | identical | left nothing else behind |",
        "|---|--:|--:|--:|",
        *(
            f"| {WAYS[way]} | {len(some)} | {sum(r.identical for r in some)} | {sum(not r.left_behind for r in some)} |"
            for way in WAYS
            if (some := [row for row in rows if row.way == way])
        ),
        "",
        "| killed while | times |",
        "|---|--:|",
        *(f"| {name} | {count} |" for name, count in phases.most_common()),
        "",
        "Kills are kept over changes of the code; by the code that ran, oldest first:",
        "",
        "| commit (and sources of the package) | kills | identical | left nothing else behind |",
        "|---|--:|--:|--:|",
        *(
            f"| {code} | {len(some)} | {sum(r.identical for r in some)} | {sum(not r.left_behind for r in some)} |"
            for code, some in groups.items()
        ),
        "",
        "| kill | way in | galaxies | processes | after s | while | pieces kept | second run s | "
        "identical | left behind |",
        "|--:|---|--:|--:|--:|---|--:|--:|---|---|",
        *(
            f"| {i} | {WAYS[r.way]} | {r.galaxies} | {r.processes} | {r.seconds:.2f} | {r.phase} | {r.pieces} | "
            f"{r.resumed_seconds:.1f} | {'yes' if r.identical else '**no**'} | {r.left_behind or 'nothing'} |"
            for i, r in enumerate(rows, start=1)
        ),
    ]
    return "\n".join(lines) + "\n"


def run_campaign() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--galaxies", type=int, default=160)
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

"""How fast galaxies are simulated, and whether memory grows.

    python tests/campaigns/simulation_speed.py [--galaxies 20000] [--alone 2000]

Runs `galaxy-zoo-decals prepare simulated` as a process of its own: all galaxies with two processes, some of them with
one and with two, each to a finished edition. Writes docs/evidence/simulation-speed.{json,md}, unless another number of
galaxies is asked for. Linux only, as it reads /proc; other work on the machine slows it down, and the table tells how
much.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.schema import SPLITS
from galaxy_zoo_decals.simulation.scene import VERSION
from galaxy_zoo_decals.sources.simulated import PIECE

ROOT = Path(__file__).parents[2]
OUT = ROOT / "docs" / "evidence" / "simulation-speed.json"
GALAXIES, ALONE = 20_000, 2_000
STEP = 2.0
"""Seconds between two looks at the memory."""
TENTHS = 10
"""Parts of the simulation over which memory is shown."""
MEBIBYTE = 2**20


def session(leader: int) -> list[int]:
    """Return the processes of the session that ``leader`` started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:  # it ended meanwhile
            continue
        if int(fields[3]) == leader:
            found.append(int(path.parent.name))
    return found


def memory(processes: list[int]) -> int:
    """Return the memory of some processes together, bytes; what they share counts once."""
    total = 0
    for process in processes:
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
    return total


def measured(galaxies: int, processes: int, folder: Path) -> dict[str, object]:
    """Prepare an edition of as many galaxies and return what it took."""
    program = shutil.which("galaxy-zoo-decals", path=str(Path(sys.executable).parent)) or "galaxy-zoo-decals"
    out = folder / "edition"
    command = [program, "prepare", "simulated", "--galaxies", str(galaxies), "--seed", "99", "--out", str(out)]
    before, start = os.times(), time.perf_counter()
    running = subprocess.Popen(
        [*command, "--processes", str(processes)], start_new_session=True, stdout=subprocess.PIPE
    )
    looks: list[tuple[float, int, int]] = []
    simulated = None
    while running.poll() is None:
        pieces = len(list(out.with_name("edition.partial").glob("simulated-*/[0-9]*.parquet")))
        now = time.perf_counter() - start
        looks.append((now, pieces * PIECE, memory(session(running.pid))))
        if simulated is None and pieces * PIECE >= galaxies:
            simulated = now
        time.sleep(STEP)
    wall = time.perf_counter() - start
    running.communicate()
    if running.returncode:
        raise SystemExit(f"the preparation failed ({running.returncode}).")
    after = os.times()
    busy = after.children_user + after.children_system - before.children_user - before.children_system
    edition = Edition(out)
    images = sum(len(edition.table(split, ["iauname"])) for split in SPLITS)
    shutil.rmtree(out)
    return {
        "galaxies": galaxies,
        "kept": images,
        "processes": processes,
        "seconds": wall,
        "simulated_after": simulated,
        "processor_seconds": busy,
        "load": os.getloadavg()[2],
        "looks": looks,
    }


def by_tenth(run: dict[str, object]) -> list[tuple[int, float]]:
    """Return how many galaxies were done and the largest memory since the row before, MiB, in tenths of the run."""
    looks = np.array(run["looks"])
    rows, galaxies = [], int(run["galaxies"])  # type: ignore[call-overload]
    for k in range(TENTHS):
        part = (looks[:, 1] >= k * galaxies / TENTHS) & (looks[:, 1] < (k + 1) * galaxies / TENTHS)
        if part.any():
            rows.append((round((k + 1) * galaxies / TENTHS), float(looks[part, 2].max() / MEBIBYTE)))
    return rows


def report(runs: list[dict[str, object]]) -> str:
    """Return the evidence as Markdown."""
    lines = [
        "# Speed and memory of the simulation",
        "",
        f"`python tests/campaigns/simulation_speed.py`, simulator version {VERSION}: `galaxy-zoo-decals prepare "
        "simulated` from the start of the program to the finished edition: galaxies, votes, images of 224 px as JPEG, "
        "Parquet.",
        "",
        "*Processors* is how many it had the use of: less than its processes where the machine had other work. The "
        "last column does not depend on that.",
        "",
        "| galaxies | processes | seconds | galaxies/s | processors | load of the machine | galaxies/processor s |",
        "|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for run in runs:
        galaxies, wall, busy = (float(run[key]) for key in ("galaxies", "seconds", "processor_seconds"))  # type: ignore[arg-type]
        lines.append(
            f"| {galaxies:,.0f} | {run['processes']} | {wall:.0f} | {galaxies / wall:.1f} | {busy / wall:.2f} "
            f"| {run['load']:.1f} | {galaxies / busy:.1f} |"
        )
    long = runs[0]
    peak = max(look[2] for look in long["looks"]) / MEBIBYTE  # type: ignore[attr-defined]
    lines += [
        "",
        "## Memory",
        "",
        f"Of all processes of the run of {long['galaxies']:,} together (what they share counted once), the largest "
        f"since the row before. After the simulation come conversion and Parquet; the peak of the whole is {peak:,.0f} "
        "MiB.",
        "",
        "| galaxies simulated | MiB |",
        "|--:|--:|",
        *(f"| {done:,} | {mebibytes:,.0f} |" for done, mebibytes in by_tenth(long)),
        "",
    ]
    return "\n".join(lines)


def main() -> int:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--galaxies", type=int, default=GALAXIES)
    parser.add_argument("--alone", type=int, default=ALONE, help="galaxies of the runs with one and two processes")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    runs: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        for galaxies, processes in ((args.galaxies, args.processes), (args.alone, 1), (args.alone, args.processes)):
            runs.append(measured(galaxies, processes, Path(folder)))
            text = report(runs)
            if args.galaxies == GALAXIES:
                OUT.parent.mkdir(parents=True, exist_ok=True)
                OUT.write_text(json.dumps(runs) + "\n")
                OUT.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

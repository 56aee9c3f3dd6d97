"""Kill a preparation at random moments and start it again: is the result the same, every time?

    python tests/campaigns/kills.py [--kills 50] [--galaxies 600] [--seed 0]

A server that behaves like Zenodo (and cuts every archive's download once) serves a small data release. `prepare gzd5
--delete-archives` runs against it undisturbed once; then, again and again from nothing, it is killed (SIGKILL) at a
random moment between its first file and its end, and run to its end. Each result must be the undisturbed one byte by
byte with nothing left beside it. Writes docs/evidence/kills.md and kills.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from galaxy_zoo_decals.sources.zenodo import ARCHIVE, PARTS  # noqa: E402
from tests.releases import Zenodo, draw, repeat, serve, write_part, write_table  # noqa: E402

EVIDENCE = ROOT / "docs" / "evidence"


@dataclass(frozen=True)
class Kill:
    """One kill and what came of it."""

    number: int
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


def write_release(folder: Path, galaxies: int) -> None:
    table, images = draw(min(galaxies, 60))
    many, shown = repeat(table, galaxies)
    write_table(many, folder)
    for number in PARTS:
        write_part(folder / ARCHIVE.format(number), number, shown, images)


def digest(folder: Path) -> str:
    lines = [
        f"{p.relative_to(folder)} {hashlib.sha256(p.read_bytes()).hexdigest()}"
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def start(zenodo: Zenodo, home: Path) -> subprocess.Popen[bytes]:
    zenodo.faults.update({ARCHIVE.format(n): ["cut 300000"] for n in PARTS})
    command = [sys.executable, "-m", "galaxy_zoo_decals.cli", "prepare", "gzd5", "--out", str(home / "gzd5")]
    command += ["--record", f"{zenodo.url}/api/records/4573248", "--downloads", str(home / "downloads")]
    command += ["--delete-archives", "--processes", "2", "--size", "96"]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(running: subprocess.Popen[bytes]) -> None:
    _, words = running.communicate(timeout=900)
    if running.returncode:
        raise RuntimeError(f"a run failed instead of going on: {words.decode()[-2000:]}")


def phase(home: Path) -> str:
    work = home / "gzd5.partial"
    if (home / "gzd5").exists():
        return "edition in place, work folder going" if work.exists() else "done"
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


def campaign(folder: Path, kills: int, galaxies: int, seed: int) -> tuple[list[Kill], float]:
    """Return the kills and how long a run takes undisturbed."""
    write_release(folder / "release", galaxies)
    rng = random.Random(seed)
    with serve(folder / "release") as zenodo:
        began = time.perf_counter()
        running = start(zenodo, folder / "straight")
        while not (folder / "straight" / "downloads").exists() and running.poll() is None:
            time.sleep(0.01)
        first = time.perf_counter() - began
        finish(running)
        whole = time.perf_counter() - began
        expected = digest(folder / "straight" / "gzd5")
        rows: list[Kill] = []
        while len(rows) < kills:
            home = folder / f"kill-{len(rows)}"
            began = time.perf_counter()
            running = start(zenodo, home)
            moment = rng.uniform(first, whole)
            time.sleep(moment)
            running.send_signal(signal.SIGKILL)
            running.communicate()
            if running.returncode == 0:
                shutil.rmtree(home)  # it had already ended: no kill
                continue
            killed = time.perf_counter() - began
            found, pieces = phase(home), len(list((home / "gzd5.partial" / "pieces").glob("*.parquet")))
            began = time.perf_counter()
            finish(start(zenodo, home))
            resumed = time.perf_counter() - began
            beside = {p.name for p in home.iterdir()} - {"gzd5", "downloads"}
            beside |= {p.name for p in (home / "downloads").iterdir() if not p.name.startswith("gz_decals_volunteers")}
            beside -= {"downloads.lock"}
            same = digest(home / "gzd5") == expected
            rows.append(Kill(len(rows) + 1, killed, found, pieces, resumed, same, ", ".join(sorted(beside))))
            print(f"{rows[-1]}", flush=True)
            shutil.rmtree(home)
    return rows, whole


def page(rows: list[Kill], whole: float, galaxies: int) -> str:
    """Return the table as Markdown."""
    same = sum(row.identical for row in rows)
    clean = sum(not row.left_behind for row in rows)
    phases = Counter(row.phase for row in rows)
    lines = [
        "# Kills",
        "",
        f"`make campaign-kills`: `prepare gzd5 --delete-archives` of {galaxies} galaxies from a server that behaves "
        "like Zenodo and cuts every archive once, killed (SIGKILL) at random moments and started again.",
        "",
        f"**{same} of {len(rows)} results are identical, byte by byte, to the undisturbed one** ({whole:.1f} s); "
        f"{clean} of {len(rows)} runs left nothing else behind.",
        "",
        "| killed while | times |",
        "|---|--:|",
        *(f"| {name} | {count} |" for name, count in phases.most_common()),
        "",
        "| kill | after s | while | pieces kept | second run s | identical | left behind |",
        "|--:|--:|---|--:|--:|---|---|",
        *(
            f"| {r.number} | {r.seconds:.2f} | {r.phase} | {r.pieces} | {r.resumed_seconds:.1f} | "
            f"{'yes' if r.identical else '**no**'} | {r.left_behind or 'nothing'} |"
            for r in rows
        ),
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--galaxies", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows, whole = campaign(Path(folder), args.kills, args.galaxies, args.seed)
    (EVIDENCE / "kills.md").write_text(page(rows, whole, args.galaxies))
    (EVIDENCE / "kills.json").write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    print(page(rows, whole, args.galaxies))
    return 0 if all(row.identical and not row.left_behind for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())

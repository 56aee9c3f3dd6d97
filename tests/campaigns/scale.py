"""Prepare a large edition through the whole path: how fast, against what floor, and in how much memory?

    python tests/campaigns/scale.py [--galaxies 107000] [--distinct 300] [--processes 2] [--scratch DIR] [--table-only]

Some hundred simulated galaxies of 424 pixels stand in the archives under ever new names, in a table of the published
shape (127 columns, merging votes lost). The four archives are made
one at a time, when the preparation asks for them, and removed by it (`delete_archives`). Every half minute it is held
still (SIGSTOP) and the floor is measured: decode, resize and encode alone, of the same images, in as many processes,
nothing else; so both see the same machine, whatever else runs on it. The speed is that of the whole preparation
(catalogue, conversion, labels, shards, hashes, syncing) without the times it waits or is held. Memory is the
sum over its processes (PSS), looked at twice a second. Then the edition is loaded by stock datasets, cold, against an
image folder of the same images. Last a stand-in of the table of Galaxy Zoo 2, 240,000 rows with its 231 columns, is
read and checked (`--table-only`: this alone, some minutes). Writes docs/evidence/scale.md and scale.json; needs about
20 GB of scratch space. Of 107,000 galaxies cleaning leaves 100,000.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from galaxy_zoo_decals.image_files import Form  # noqa: E402
from galaxy_zoo_decals.schema import GZ2  # noqa: E402
from galaxy_zoo_decals.sources import Part, galaxyzoo2_mapping, hart16  # noqa: E402
from galaxy_zoo_decals.sources.record import Record  # noqa: E402
from galaxy_zoo_decals.sources.zenodo import ARCHIVE, PARTS, Downloaded  # noqa: E402
from tests.hart16 import FIRST, mapping  # noqa: E402
from tests.hart16 import table as galaxy_zoo_2  # noqa: E402
from tests.published import as_published  # noqa: E402
from tests.releases import draw, repeat, write_part, write_table  # noqa: E402
from tests.toys import draw_votes  # noqa: E402

EVIDENCE = ROOT / "docs" / "evidence"
GZD5 = 253_286


class Asked(Record):
    """A record whose files are asked for on standard output and awaited on standard input."""

    def fetch(self, name: str) -> Path:
        """Return a file of the folder, once it is there."""
        path = self.folder / name
        if not path.exists():
            began = time.perf_counter()
            print(json.dumps({"wanted": name}), flush=True)
            sys.stdin.readline()
            print(json.dumps({"waited": time.perf_counter() - began}), flush=True)
        return path


class Waiting(Downloaded):
    """The published release, but somebody makes the archives when they are asked for."""

    @cached_property
    def _record(self) -> Record:
        return Asked(self.record, self.folder, self.say)

    def parts(self, work: Path, form: Form) -> Iterator[Part]:
        """Say when the last part is converted."""
        yield from super().parts(work, form)
        print(json.dumps({"converted": time.perf_counter()}), flush=True)


def prepare(folder: Path, out: Path, processes: int) -> None:
    """Build the edition, as a process of its own."""
    from galaxy_zoo_decals.prepare.builder import build

    began = time.perf_counter()
    report = build(Waiting(delete_archives=True, folder=folder), out, name="scale", processes=processes)
    ended, times = time.perf_counter(), os.times()
    used = times.user + times.system + times.children_user + times.children_system
    said = {"began": began, "ended": ended, "processor_seconds": used, "galaxies": report.left}
    print(json.dumps(said), flush=True)


def _work(images: list[bytes], seconds: float) -> tuple[int, float]:
    form, done, used = Form(), 0, time.process_time()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        form.make(images[done % len(images)])
        done += 1
    return done, time.process_time() - used


class Floor:
    """Processes that do nothing but decode, resize and encode, when they are told to."""

    def __init__(self, images: list[bytes], processes: int) -> None:
        self.images, self.processes = images, processes
        self.pool = get_context("spawn").Pool(processes)

    def measure(self, seconds: float) -> tuple[float, float]:
        """Return images a second, and images a second of processor time."""
        done = self.pool.starmap(_work, [(self.images, seconds)] * self.processes, chunksize=1)
        images_done = sum(n for n, _ in done)
        return images_done / seconds, images_done / sum(used for _, used in done)


class Pauses(threading.Thread):
    """Holds a process and its children still now and then, and measures the floor meanwhile; seconds."""

    def __init__(self, pid: int, floor: Floor, every: float, seconds: float) -> None:
        super().__init__(daemon=True)
        self.pid, self.floor, self.every, self.seconds = pid, floor, every, seconds
        self.found: list[tuple[float, float]] = []
        self.loads: list[float] = []
        self.held = 0.0
        self.lock = threading.Lock()
        """Held by whoever does not want a pause now: the process waits for an archive."""
        self.ended = threading.Event()

    def run(self) -> None:
        """Hold and measure until told to end."""
        while not self.ended.wait(self.every):
            with self.lock:
                if self.ended.is_set():
                    return
                self.loads.append(os.getloadavg()[0])
                began = time.perf_counter()
                self._signal(signal.SIGSTOP)
                self.found.append(self.floor.measure(self.seconds))
                self._signal(signal.SIGCONT)
                self.held += time.perf_counter() - began

    def _signal(self, number: int) -> None:
        for pid in (self.pid, *descendants(self.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


class Memory(threading.Thread):
    """Looks at the memory of a process and its children until told to stop; MiB."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.peak, self.parent_peak, self.ended = pid, 0.0, 0.0, threading.Event()

    def run(self) -> None:
        """Look twice a second."""
        while not self.ended.wait(0.5):
            own = pss(self.pid)
            self.parent_peak = max(self.parent_peak, own)
            self.peak = max(self.peak, own + sum(pss(child) for child in descendants(self.pid)))


def descendants(pid: int) -> list[int]:
    try:
        found = [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return found + [further for child in found for further in descendants(child)]


def pss(pid: int) -> float:
    """Return the memory of a process in MiB, pages that are shared counted in parts."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def run(
    scratch: Path, galaxies: int, distinct: int, processes: int, every: float = 30.0, seconds: float = 4.0
) -> dict[str, Any]:
    """Make the release, prepare it and return what was measured; a pause of some ``seconds`` ``every`` so many."""
    table, images = draw(distinct)
    many, shown = repeat(table, galaxies)
    many = as_published(many)
    folder, out = scratch / "release", scratch / "edition"
    write_table(many, folder)
    pngs = list(images.values())
    floor = Floor(pngs, processes)
    floor.measure(seconds / 4)  # start-up is not counted
    command = [sys.executable, __file__, "--prepare", str(folder), str(out), "--processes", str(processes)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert child.stdin is not None and child.stdout is not None
    memory = Memory(child.pid)
    memory.start()
    pauses = Pauses(child.pid, floor, every, seconds)
    waited, ended = 0.0, {}
    for line in child.stdout:
        said = json.loads(line)
        if "wanted" in said:
            if not pauses.is_alive():  # from now on: what it imported before is not counted, nor may a pause then be
                pauses.start()
            with pauses.lock:
                number = next(n for n in PARTS if ARCHIVE.format(n) == said["wanted"])
                write_part(folder / said["wanted"], number, shown, images)
                print(f"part {number} made, load {os.getloadavg()[0]:.1f}", flush=True)
                child.stdin.write("\n")
                child.stdin.flush()
        elif "waited" in said:
            waited += said["waited"]
        else:
            ended |= said
            if "ended" in said:
                pauses.ended.set()
    memory.ended.set()
    pauses.join()
    if child.wait():
        raise RuntimeError("the preparation failed")
    floors = pauses.found or [floor.measure(seconds)]
    floor.pool.terminate()
    busy = ended["ended"] - ended["began"] - waited - pauses.held
    rate, processor_rate = ended["galaxies"] / busy, ended["galaxies"] / ended["processor_seconds"]
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True)
    lost = json.loads((out / "edition.json").read_text())["cleaning"]["lost_votes"]["merging"]
    return {
        "commit": commit.stdout.strip(),
        "columns": len(many.columns),
        "unknown_merging": sum(n["unknown"] for group, n in lost.items() if not group.startswith("scored in")),
        "galaxies": galaxies,
        "kept": ended["galaxies"],
        "distinct_images": distinct,
        "png_bytes": sum(map(len, pngs)) // len(pngs),
        "processes": processes,
        "cores": os.cpu_count(),
        "seconds": busy,
        "seconds_after_conversion": ended["ended"] - ended["converted"],
        "images_per_second": rate,
        "floors": [wall for wall, _ in floors],
        "of_floor": rate / float(np.mean([wall for wall, _ in floors])),
        "images_per_processor_second": processor_rate,
        "floors_per_processor_second": [used for _, used in floors],
        "of_floor_processor": processor_rate / float(np.mean([used for _, used in floors])),
        "loads": pauses.loads,
        "peak_memory_mib": memory.peak,
        "peak_memory_parent_mib": memory.parent_peak,
        "edition_bytes": sum(p.stat().st_size for p in out.rglob("*") if p.is_file()),
        "projected_hours": GZD5 / rate / 3600,
    }


READ = 1000

LOADS = {
    "edition, multiclass view": ("edition", "load_dataset(place, 'multiclass', split='train')"),
    "image folder": ("imagefolder", "load_dataset('imagefolder', data_dir=place, split='train')"),
    "edition, multiclass view, streaming": (
        "edition",
        "load_dataset(place, 'multiclass', split='train', streaming=True)",
    ),
    "image folder, streaming": (
        "imagefolder",
        "load_dataset('imagefolder', data_dir=place, split='train', streaming=True)",
    ),
}
"""What is loaded, and how: the image folder holds the images that the view shows, a folder a class."""

LOADER = """
import itertools, json, time
from pathlib import Path
import datasets, torch
from datasets import load_dataset

def memory():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024

datasets.disable_progress_bars()
place, before, times = {place!r}, memory(), [time.perf_counter()]
rows = {call}
times.append(time.perf_counter())
stream = iter(rows)
first = list(itertools.islice(stream, 64))
times.append(time.perf_counter())
further = sum(1 for _ in itertools.islice(stream, {read}))
times.append(time.perf_counter())
assert len(first) == 64 or not further
load, batch, reading = (b - a for a, b in itertools.pairwise(times))
found = dict(load_seconds=load, batch_seconds=batch, images_per_second=further / reading)
print(json.dumps(found | dict(peak_mib=memory(), peak_before_mib=before)))
"""
"""Streaming imports torch where it is installed; the loader does at once, so that all rows carry that alike."""


def write_image_folder(edition: Path, folder: Path) -> None:
    """Write the images of the multiclass view as files, a folder a split and class."""
    from galaxy_zoo_decals.edition import Edition
    from galaxy_zoo_decals.schema import CLASSES, SPLITS

    for split in SPLITS:
        table = Edition(edition).table(split, ["iauname", "label"])
        labels = dict(zip(table["iauname"], table["label"]))
        for name in CLASSES:
            (folder / split / name).mkdir(parents=True)
        for path in Edition(edition).shards(split):
            for batch in pq.ParquetFile(path).iter_batches(columns=["iauname", "image"], batch_size=256):
                for name, image in zip(batch["iauname"].to_pylist(), batch["image"].to_pylist()):
                    if labels[name] >= 0:
                        (folder / split / CLASSES[labels[name]] / f"{name}.jpg").write_bytes(image["bytes"])


def forget(folder: Path) -> None:
    """Put the files below a folder out of the system's memory, so that reading them means reading the disk."""
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def loading(edition: Path, scratch: Path, read: int = READ) -> list[dict[str, Any]]:
    """Return how long cold loads of the training split take, and in how much memory.

    Each has a process and a cache of its own, and reads its files from the disk.
    """
    places = {"edition": edition, "imagefolder": scratch / "imagefolder"}
    write_image_folder(edition, places["imagefolder"])
    rows = []
    for title, (which, call) in LOADS.items():
        forget(places[which])
        with tempfile.TemporaryDirectory(dir=scratch) as home:
            env = os.environ | {"HF_HOME": home, "HF_DATASETS_CACHE": home, "HF_HUB_OFFLINE": "1"}
            code = LOADER.format(place=str(places[which]), call=call, read=read)
            done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, cwd=scratch)
            if done.returncode:
                raise RuntimeError(done.stderr[-2000:])
            cache = sum(p.stat().st_size for p in Path(home).rglob("*") if p.is_file() and not p.is_symlink())
            rows.append({"what": title, **json.loads(done.stdout), "cache_bytes": cache})
            print(rows[-1], flush=True)
    return rows


TABLE_READER = """
import json, os, sys, time
from pathlib import Path
from galaxy_zoo_decals import splits
from galaxy_zoo_decals.sources import galaxyzoo2_mapping, hart16

def memory():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024

folder, extra = Path(sys.argv[1]), sys.argv[2] == "extra"
before, times = memory(), [time.perf_counter()]
table = hart16.read(folder / hart16.NAMES[0], extra)
times.append(time.perf_counter())
rows = table.rows
names = splits.by_sky_cell_together(rows["ra"].to_numpy(), rows["dec"].to_numpy(), hart16.rank(rows["upload_group"]))
scored = splits.scored_galaxy_zoo_2(rows) & (names == "test")
times.append(time.perf_counter())
pictures = galaxyzoo2_mapping.read(folder / galaxyzoo2_mapping.NAME, rows)
times.append(time.perf_counter())
used = os.times()
found = dict(zip(("read_seconds", "split_seconds", "mapping_seconds"), (b - a for a, b in zip(times, times[1:]))))
found |= dict(processor_seconds=used.user + used.system, peak_mib=memory(), peak_before_mib=before)
found |= dict(rows=len(rows), scored_test=int(scored.sum()), pictures=len(pictures.galaxies), load=os.getloadavg()[0])
found["not_agreeing"] = sum(check["rows"] for check in table.facts["checks"].values())
print(json.dumps(found))
"""

ROWS = 240_000
"""Galaxies of the table of Galaxy Zoo 2, about: 239,695 as others counted them."""

WRONG = 1000
"""Of so many rows one has a total that does not agree."""


def write_galaxy_zoo_2(folder: Path, rows: int, seed: int = 1) -> dict[str, int]:
    """Write a table of the published columns and its mapping; returns what the table holds, unpacked."""
    rng = np.random.default_rng(seed)
    drawn = [draw_votes(rng, GZ2, int(rng.integers(20, 60)), {}) for _ in range(min(rows, 2000))]
    few = np.array([[row[column] for column in GZ2.answer_columns] for row in drawn])
    made = {"columns": 0, "bytes": 0, "made_wrong": 0}
    start = 0
    tables = []
    with pa.output_stream(str(folder / hart16.NAMES[0]), compression="gzip") as packed:
        while start < rows:
            part = galaxy_zoo_2(few[rng.integers(0, len(few), min(20_000, rows - start))], seed + start)
            part["dr7objid"] = [str(FIRST + 7 * (start + i)) for i in range(len(part))]
            wrong = part.index % WRONG == 0
            part.loc[wrong, "total_votes"] += 1
            buffer = pa.BufferOutputStream()
            options = pacsv.WriteOptions(include_header=not start, quoting_style="none")
            pacsv.write_csv(pa.Table.from_pandas(part, preserve_index=False), buffer, options)
            data = buffer.getvalue()
            packed.write(data)
            made = {
                "columns": len(part.columns),
                "bytes": made["bytes"] + data.size,
                "made_wrong": made["made_wrong"] + int(wrong.sum()),
            }
            start += len(part)
            tables.append(part[["dr7objid", "sample"]])
    mapping(pd.concat(tables, ignore_index=True)).to_csv(folder / galaxyzoo2_mapping.NAME, index=False)
    return made


def reading(scratch: Path, rows: int = ROWS) -> dict[str, Any]:
    """Return how long the table of Galaxy Zoo 2 takes to be read, checked and split, and in how much memory.

    Once with the votes alone, once with the debiased and weighted fractions too; each in a process of its own.
    """
    folder = scratch / "galaxy-zoo-2"
    folder.mkdir()
    made = write_galaxy_zoo_2(folder, rows)
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True)
    found: dict[str, Any] = {
        "commit": commit.stdout.strip(),
        **made,
        "cores": os.cpu_count(),
    }
    found["packed_bytes"] = (folder / hart16.NAMES[0]).stat().st_size
    for which in ("votes", "extra"):
        command = [sys.executable, "-c", TABLE_READER, str(folder), which]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        found[which] = json.loads(done.stdout)
        print(which, found[which], flush=True)
    return found


def table_page(found: dict[str, Any]) -> str:
    """Return what was measured of the table of Galaxy Zoo 2 as Markdown."""
    titles = {"votes": "votes", "extra": "votes, debiased and weighted fractions"}
    rows = [
        f"| {title} | {(r := found[which])['read_seconds']:.1f} | {r['split_seconds']:.1f} | "
        f"{r['mapping_seconds']:.1f} | {r['processor_seconds']:.1f} | {r['peak_mib']:,.0f} | "
        f"{r['peak_before_mib']:.0f} | {r['load']:.1f} |"
        for which, title in titles.items()
    ]
    votes = found["votes"]
    lines = [
        "",
        "## The table of Galaxy Zoo 2",
        "",
        f"A stand-in of the table of Hart et al. 2016, with its {found['columns']} columns: {votes['rows']:,} rows, "
        f"{found['bytes'] / 1e6:.0f} MB, {found['packed_bytes'] / 1e6:.0f} MB in gzip as it is published. It is read, "
        f"every count, total and parent is checked ({found['made_wrong']:,} rows were made not to agree, "
        f"{votes['not_agreeing']:,} were found), then split by sky cells, and joined to the mapping. At commit "
        f"`{found['commit']}`, on {found['cores']} cores; `python tests/campaigns/scale.py --table-only`. Imports are "
        "not counted in time.",
        "",
        "| what is kept | read and checked s | split s | mapping s | processor s, imports too | peak memory MiB | "
        "of it imports | load average |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
        *rows,
    ]
    return "\n".join(lines) + "\n"


def page(found: dict[str, Any], loads: list[dict[str, Any]]) -> str:
    """Return what was measured as Markdown."""
    floors, used, loads_seen = (
        f"{np.mean(values):.{digits}f} (from {min(values):.{digits}f} to {max(values):.{digits}f})"
        for values, digits in (
            (found["floors"], 0), (found["floors_per_processor_second"], 0), (found["loads"] or [0.0], 1)
        )
    )  # fmt: skip
    pauses = len(found["floors"])
    rows = {
        "rows in the catalogue": f"{found['galaxies']:,}",
        "columns of the catalogue, as published": f"{found['columns']}",
        "galaxies left whose merging votes are lost": f"{found['unknown_merging']:,}",
        "galaxies left by the cleaning, converted and in the edition": f"{found['kept']:,}",
        "whole preparation, without making archives and pauses": f"{found['seconds']:.0f} s",
        "of it after the last conversion (labels, shards, hashes)": f"{found['seconds_after_conversion']:.0f} s",
        "images a second": f"{found['images_per_second']:.1f}",
        f"floor, images a second, mean of {pauses} pauses": floors,
        "of the mean floor": f"{100 * found['of_floor']:.0f} %",
        "images a second of processor time": f"{found['images_per_processor_second']:.1f}",
        "floor, images a second of processor time": used,
        "of the mean floor, in processor time": f"{100 * found['of_floor_processor']:.0f} %",
        "peak memory, all processes": f"{found['peak_memory_mib']:.0f} MiB",
        "peak memory, parent alone": f"{found['peak_memory_parent_mib']:.0f} MiB",
        "the edition": f"{found['edition_bytes'] / 1e9:.2f} GB",
        f"projected for {GZD5:,} galaxies at this speed, download not counted": f"{found['projected_hours']:.2f} h",
    }
    lines = [
        "# Scale",
        "",
        f"`make campaign-scale`, at commit `{found['commit']}`; {found['galaxies']:,} galaxies "
        f"({found['distinct_images']} simulated ones of 424 "
        f"pixels under new names, {found['png_bytes'] / 1000:.0f} kB a PNG) from archives that were made, converted "
        f"and removed in turn, with {found['processes']} processes on {found['cores']} cores. The floor is decode, "
        "resize and encode alone, of the same images, in as many processes. It was measured in pauses every half "
        "minute, in which the preparation was held still, so that both saw the same machine: the load average was "
        f"{loads_seen} at those times, and where a machine is shared, processor time says more than the clock.",
        "",
        "| what | measured |",
        "|---|--:|",
        *(f"| {what} | {value} |" for what, value in rows.items()),
        "",
        "## Loading it, cold",
        "",
        f"The training split, loaded by stock `datasets` from the edition and from an image folder of the same images: "
        "time of `load_dataset`, of the first 64 rows with decoded images, then images a second over the next "
        f"{READ:,} in order. Each in a process and a cache of its own, from files that were put out "
        "of the system's memory; imports (datasets, torch) are not counted in time, and what they take of memory is "
        "beside.",
        "",
        "| what | load s | first 64 s | images a second | peak memory MiB | of it imports | cache written MB |",
        "|---|--:|--:|--:|--:|--:|--:|",
        *(
            f"| {r['what']} | {r['load_seconds']:.2f} | {r['batch_seconds']:.2f} | {r['images_per_second']:.0f} | "
            f"{r['peak_mib']:.0f} | {r['peak_before_mib']:.0f} | {r['cache_bytes'] / 1e6:.0f} |"
            for r in loads
        ),
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--galaxies", type=int, default=107_000)
    parser.add_argument("--distinct", type=int, default=300)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--scratch", type=Path, default=None)
    parser.add_argument("--table-only", action="store_true", help="the table of Galaxy Zoo 2 anew, the rest as it was")
    parser.add_argument("--prepare", type=Path, nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.prepare:
        prepare(*args.prepare, args.processes)
        return 0
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        if args.table_only:
            known = json.loads((EVIDENCE / "scale.json").read_text())
            found, loads = known["preparation"], known["loading"]
        else:
            found = run(Path(scratch), args.galaxies, args.distinct, args.processes)
            print(json.dumps(found, indent=1), flush=True)
            loads = loading(Path(scratch) / "edition", Path(scratch))
        table = reading(Path(scratch))
    text = page(found, loads) + table_page(table)
    (EVIDENCE / "scale.md").write_text(text)
    said = {"preparation": found, "loading": loads, "galaxy_zoo_2_table": table}
    (EVIDENCE / "scale.json").write_text(json.dumps(said, indent=1) + "\n")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

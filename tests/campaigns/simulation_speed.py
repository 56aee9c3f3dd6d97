"""How fast galaxies are simulated, and that memory does not grow with their number.

    python tests/campaigns/simulation_speed.py [--galaxies 600] [--processes 2]

Reports galaxies a second of wall time and of processor time, votes and JPEG included, and the resident memory of
one process as it goes on. Writes nothing: speeds belong to a machine.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

from galaxy_zoo_decals import pixels
from galaxy_zoo_decals.sources.simulated import Simulated, simulate

MEBIBYTE = 2**20


def resident() -> float:
    """Return the resident memory of this process in MiB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MEBIBYTE


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--galaxies", type=int, default=600)
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.perf_counter()
        Simulated(galaxies=args.galaxies, seed=99).catalogue(Path(work), args.processes)
        wall = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{args.galaxies / wall:.1f} galaxies a second with {args.processes} processes (start-up included)")
    if busy:
        print(f"{args.galaxies / busy:.1f} galaxies a second of processor time")
    for index in range(args.galaxies):
        simulate(99, pixels.SIZE, pixels.QUALITY, index)
        if index % (args.galaxies // 6) == args.galaxies // 6 - 1:
            print(f"{index + 1:6d} galaxies in one process: {resident():.0f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())

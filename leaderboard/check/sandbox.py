"""Reads Parquet files from outside in a process of its own, with bounded memory and time, before anyone else does.

A file can lie about its size, unpack to gigabytes or crash the reader; here that ends in one sentence.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from galaxy_zoo_decals.errors import UserError
from leaderboard.files import ROOT

MEMORY = 512 * 2**20
"""Address space that reading one submission may take beyond what the libraries need."""

SECONDS = 20
"""Processor time that reading one submission may take."""


@dataclass(frozen=True)
class Wanted:
    """A file to be read: predictions, which follow a ``tree``, or draws; with the number of rows where it is known."""

    path: Path
    tree: str | None
    rows: int | None = None


def faults(wanted: list[Wanted]) -> dict[Path, str]:
    """Read all files in a bounded process and return what is wrong with those that cannot be read."""
    if not wanted:
        return {}
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    lines = "".join(json.dumps([str(w.path.resolve()), str(w.path), w.tree, w.rows]) + "\n" for w in wanted)
    try:
        run = subprocess.run(
            [sys.executable, "-m", "leaderboard.check.sandbox"], input=lines, capture_output=True, text=True,
            timeout=3 * SECONDS, env=os.environ | {"PYTHONPATH": path},
        )  # fmt: skip
        answers, ended = run.stdout, f"ended with {_status(run.returncode)}"
    except subprocess.TimeoutExpired as error:
        out = error.stdout or b""
        answers, ended = out.decode() if isinstance(out, bytes) else out, f"took over {3 * SECONDS} s"
    said = [json.loads(line) for line in answers.splitlines() if line.endswith("]")]
    found = {w.path: problem for w, (problem,) in zip(wanted, said) if problem}
    if len(said) < len(wanted):
        unread = wanted[len(said)].path
        found[unread] = f"{unread}: not a readable Parquet file (reading it {ended})."
        for rest in wanted[len(said) + 1 :]:
            found[rest.path] = f"{rest.path}: not looked at, since {unread.name} before it ended the reader."
    return found


def _status(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"status {code}"


def main() -> int:
    """Answer each line ``[path, name, tree, rows]`` with ``[problem]`` or ``[null]``."""
    import pyarrow as pa

    from galaxy_zoo_decals import predictions
    from galaxy_zoo_decals.schema import TREES
    from leaderboard.entry import bounded_parquet

    # Arrow's own pools reserve address space ahead; the system's takes what is used.
    pa.set_memory_pool(pa.system_memory_pool())
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    _limit()
    for line in sys.stdin:
        path, name, tree, rows = json.loads(line)
        try:
            if tree is None:
                bounded_parquet.read_draws(Path(path), rows)
            else:
                bounded_parquet.bounded(Path(path), rows)
                predictions.read(path, TREES[tree])
            problem = None
        except UserError as error:
            problem = str(error).replace(path, name)
        except MemoryError:
            problem = f"{name}: not a readable Parquet file (it unpacks to over {MEMORY // 2**20} MiB)."
        except Exception as error:
            # Whatever a library says of a file that follows no rules: its kind and first words are all that helps.
            problem = f"{name}: not a readable Parquet file ({type(error).__name__}: {str(error)[:200]})."
        print(json.dumps([problem]), flush=True)
    return 0


def _limit() -> None:
    try:
        import resource
    except ImportError:  # not on Windows; reading is then bounded by time alone
        return
    statm = Path("/proc/self/statm")
    taken = int(statm.read_text().split()[0]) * resource.getpagesize() if statm.exists() else 2**33
    for kind, most in ((resource.RLIMIT_AS, taken + MEMORY), (resource.RLIMIT_CPU, SECONDS + 5)):
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


if __name__ == "__main__":
    raise SystemExit(main())

"""Make an ensemble of several runs of one recipe: `python benchmark/ensemble.py RUN RUN ... --out FOLDER`.

It averages the predictions of the runs and trains nothing. It writes a folder in the form of a run (docs/runs.md).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

if not __package__:
    # Run as a script: the clone's root, not benchmark/, is where the packages lie.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmark import BenchmarkError, run_folder
from galaxy_zoo_decals.atomic import atomic_folder
from galaxy_zoo_decals.ending import run_script

ALIKE = ("model", "title", "backbone", "weights", "tasks", "edition", "recipe", "resolution", "parameters")
"""What members have in common: they differ in their seeds alone."""


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    out = argparse.ArgumentParser(
        prog="benchmark/ensemble.py", description=(__doc__ or "").split("\n")[0], allow_abbrev=False
    )
    out.add_argument("runs", nargs="+", type=Path, help="folders of finished runs that differ only in their seeds")
    out.add_argument("--out", type=Path, required=True, help="folder of the ensemble")
    out.add_argument("--edition", help="name or folder of the edition; default: the edition of the runs")
    out.add_argument("--overwrite", action="store_true", help="replace an existing run")
    return out


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit status; mistakes end in one plain sentence."""
    args = parser().parse_args(arguments)
    return run_script(lambda: _run(args), "benchmark/ensemble.py", "nothing was written.")


def _run(args: argparse.Namespace) -> None:
    run_folder.check_target(args.out, args.overwrite)
    facts = [run_folder.read(folder) for folder in args.runs]
    for folder, run in zip(args.runs, facts):
        if lacking := sorted({*ALIKE, "seed", "curves", "command", "git"} - run.keys()):
            raise BenchmarkError(f"{folder}: its run.json lacks {', '.join(lacking)}.")
    check_alike(args.runs, facts)

    import numpy as np
    import torch

    from galaxy_zoo_decals import predictions as files
    from galaxy_zoo_decals.edition import Edition
    from galaxy_zoo_decals.models import MODELS
    from galaxy_zoo_decals.scoring import Truth, score

    first = facts[0]
    edition = Edition.open(args.edition or first["edition"]["name"])
    truth = Truth.of(edition)
    (task,) = first["tasks"]
    members = []
    for folder, run in zip(args.runs, facts):
        path = folder / "predictions" / edition.name / task / f"seed{run['seed']}.parquet"
        member = files.read(path, edition.tree)
        files.check_against(member, (truth.content_hash, truth.split_hash), truth.names, str(path))
        members.append(member)
    stacked = torch.from_numpy(np.stack([member.values for member in members]))
    values = MODELS[first["model"]].combine(edition.tree, stacked).numpy()
    seed = min(run["seed"] for run in facts)
    combined = files.Predictions(task, edition.name, truth.content_hash, truth.split_hash, seed, truth.names, values)
    with run_folder.alone(args.out), atomic_folder(args.out) as work:
        path = work / "predictions" / edition.name / task / f"seed{seed}.parquet"
        files.write(path, combined, edition.tree)
        run_folder.write(work, ensemble_facts(facts, seed))
        results = score(truth, files.read(path, edition.tree))
    for result in results.values():
        print(result.report())
    print(f"written to {args.out}")


def check_alike(folders: list[Path], facts: list[dict[str, Any]]) -> None:
    """Raise BenchmarkError unless the runs are several trainings of one recipe on one edition."""
    if len(facts) < 2:
        raise BenchmarkError("an ensemble has at least two members: name several runs.")
    for folder, run in zip(folders[1:], facts[1:]):
        for key in ALIKE:
            if run.get(key) != facts[0].get(key):
                raise BenchmarkError(
                    f"{folder}: its {key} is {run.get(key)!r}, that of {folders[0]} is {facts[0].get(key)!r}; the "
                    "members of an ensemble differ in their seeds alone."
                )
    seeds = [run["seed"] for run in facts]
    if len(set(seeds)) < len(seeds):
        raise BenchmarkError(f"two members have the same seed ({', '.join(map(str, seeds))}): they are one training.")


def ensemble_facts(facts: list[dict[str, Any]], seed: int) -> dict[str, Any]:
    """Return the run.json of an ensemble: what its members have in common, and what they cost together."""
    first = facts[0]
    costs = {key: [run[key] for run in facts] for key in ("train_seconds", "gpu_hours", "parameters")}
    added = {key: None if None in values else sum(values) for key, values in costs.items()}
    return {
        **{key: value for key, value in first.items() if key not in ("format", "resumed")},
        **added,
        "title": f"{len(facts)} x {first['title']}",
        "seed": seed,
        # All must answer for one galaxy.
        "images_per_second": None,
        "peak_memory_bytes": max(run["peak_memory_bytes"] for run in facts),
        "members": [{"seed": run["seed"], "command": run["command"], "git": run["git"]} for run in facts],
        "versions": run_folder.versions(),
        "git": run_folder.commit(),
        "command": run_folder.command(),
        "curves": [
            {**curve, "name": f"{curve['name']}, seed {run['seed']}"} for run in facts for curve in run["curves"]
        ],
    }


if __name__ == "__main__":
    sys.exit(main())

"""Runs on an edition of other content than the benchmark's but with its scored test galaxies, bound to the frozen one.

The Kaggle files of gz2 may be had whole or in part: training galaxies differ, and with them the content hash; the
scored test galaxies and their votes do not. A result is bound to those. The same holds for a survey whose pictures come
from several sources, where some galaxies may be lacking. What it was trained on stays in its run.json.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from leaderboard.entry import run_json
from leaderboard.entry.bounded_parquet import bounded
from leaderboard.entry.run_json import Run, prediction_path
from leaderboard.entry.truths import Truths
from leaderboard.files import LeaderboardError, write_json


def adopt(folder: Path, truths: Truths, work: Path) -> Path:
    """Return a run folder bound to the benchmark's edition: ``folder``, or a copy below ``work``, which is made.

    Predictions are copied as they are: only the hashes in run.json and in the files' metadata change, and
    ``edition.trained_on`` keeps the content hash of the edition the run was trained on. Raises LeaderboardError if a
    file cannot be read.
    """
    run = run_json.read(folder / "run.json")
    key = (run.edition.name, run.edition.content_hash)
    home = truths.home(key)
    if home is None or home == key:
        return folder
    _, frozen = truths.frozen[home]
    hashes = {"content_hash": frozen.content_hash, "split_hash": frozen.split_hash}
    named = {"name": home[0], "title": frozen.title, "trained_on": key[1]}
    edition = run.edition.model_copy(update=hashes | named)
    bound = run.model_copy(update={"edition": edition})
    for task in run.tasks:
        place, target = (prediction_path(name, task, run.seed) for name in (run.edition.name, home[0]))
        (work / target).parent.mkdir(parents=True, exist_ok=True)
        _copy(folder / place, work / target, run, hashes | {"edition": home[0]})
    write_json(work / "run.json", bound.model_dump(mode="json"))
    return work


def _copy(source: Path, target: Path, run: Run, hashes: dict[str, str]) -> None:
    if source.is_symlink() or not source.is_file():
        raise LeaderboardError(f"{source}: missing, though run.json says that it was predicted: run it again.")
    bounded(source, None)
    try:
        table = pq.ParquetFile(source).read()
    except (OSError, pa.ArrowException) as error:
        raise LeaderboardError(f"{source}: not a readable Parquet file ({error}).") from None
    metadata = dict(table.schema.metadata or {})
    for key, fresh in hashes.items():
        found = metadata.get(key.encode(), b"").decode("utf-8", "replace")
        said = run.edition.name if key == "edition" else getattr(run.edition, key)
        if found != said:
            word = key.replace("_", " ")
            raise LeaderboardError(f"{source}: its {word} is {found!r}, but run.json says {said!r}: run it again.")
        metadata[key.encode()] = fresh.encode()
    pq.write_table(table.replace_schema_metadata(metadata), target, compression="zstd")

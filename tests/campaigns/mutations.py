"""Every kind of damage or deceit that a submission can bear: each must be refused, or named to a person.

A good submission on the embedded sample is committed on a branch of a small repository; each kind of damage is then
done on a copy, committed, and checked as a pull request is, in a process of its own whose time and peak memory are
measured. Damage to stored scores, which no pull request may hold, is done on main and checked there. Writes
docs/evidence/mutations.{md,json}. Run it with ``make campaign-mutations``.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import pickle
import random
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
EVIDENCE = REPOSITORY / "docs" / "evidence"
sys.path.insert(0, str(REPOSITORY))

from galaxy_zoo_decals.edition import Edition  # noqa: E402
from galaxy_zoo_decals.schema import GZD5  # noqa: E402
from galaxy_zoo_decals.scoring import Truth  # noqa: E402
from leaderboard.__main__ import main as leaderboard  # noqa: E402
from leaderboard.files import sha256  # noqa: E402
from tests.test_leaderboard_runs import change_run, write_run  # noqa: E402

SLUG = "20261128-good"
MERGED = "20261127-merged"
ROWS = len(Truth.of(Edition.open("sample")).names)
"""Scored test galaxies of the sample, which good predictions have."""
MOST_SECONDS = 60.0
MOST_MEMORY = 10**9

FACTS = {
    "contact": "someone@example.org",
    "description": "A network, trained from scratch.",
    "training_data": "The training split of the edition, nothing else.",
    "selection": "validation only",
    "attestation": True,
    "weights": {"url": "https://example.org/weights", "sha256": "0" * 64, "licence": "Apache-2.0"},
    "test_overlap": {"status": "none", "note": "Trained from scratch on the training split."},
}
BIB = "@article{key,\n  title = {A network},\n  url = {https://example.org/paper},\n}\n"


def git(repository: Path, *words: str) -> None:
    """Run git in a repository as a person of no importance."""
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *who, "-C", str(repository), *words], check=True, capture_output=True)


def quietly(words: list[str]) -> None:
    """Run a command of the leaderboard that must go well."""
    with contextlib.redirect_stdout(io.StringIO()):
        assert leaderboard(words) == 0


def enter(root: Path, work: Path, slug: str, models: list[tuple[str, int]], skill: float) -> None:
    """Make a whole submission of runs on the embedded sample below a leaderboard folder, without scores."""
    sample = REPOSITORY / "galaxy_zoo_decals"
    runs = [
        write_run(sample, work / slug, model, seed=seed, skill=skill, title="A network", parameters=1000)
        for model, seed in models
    ]
    day, name = slug.split("-", 1)
    command = ["submit", *map(str, runs), "--name", name, "--authors", "A. Nonymous", "--date", day]
    quietly([*command, "--root", str(root)])
    path = root / "submissions" / slug / "submission.yaml"
    content = yaml.safe_load(path.read_text()) | FACTS
    content["code"]["repository"] = "https://example.org/code"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    (path.parent / "citation.bib").write_text(BIB)


def build(folder: Path) -> Path:
    """Make a repository whose branch ``entry`` adds one good submission to ``main``, which holds another."""
    repository, root, work = folder / "repository", folder / "repository" / "leaderboard", folder / "runs"
    root.mkdir(parents=True)
    enter(root, work, MERGED, [("multiclass", 7)], 0.5)
    quietly(["score", MERGED, "--root", str(root)])
    shutil.copytree(REPOSITORY / "leaderboard" / "scores" / "references", root / "scores" / "references")
    shutil.copytree(REPOSITORY / "leaderboard" / "benchmark", root / "benchmark")
    scorer = repository / "galaxy_zoo_decals" / "scoring" / "results.py"
    scorer.parent.mkdir(parents=True)
    shutil.copy(REPOSITORY / "galaxy_zoo_decals" / "scoring" / "results.py", scorer)
    workflow = repository / ".github" / "workflows" / "check.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text("name: check\n")
    git(folder, "init", "-q", str(repository))
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "main")
    git(repository, "checkout", "-q", "-b", "entry")
    models = [("multiclass", 0), ("multiclass", 1), ("multilabel", 0), ("hierarchical", 0), ("dirichlet", 0)]
    enter(root, work, SLUG, models, 0.6)
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "entry")
    return repository


@dataclass(frozen=True)
class Place:
    """The copy of the repository that is damaged."""

    repository: Path

    @property
    def root(self) -> Path:
        return self.repository / "leaderboard"

    @property
    def entry(self) -> Path:
        return self.root / "submissions" / SLUG

    @property
    def merged(self) -> Path:
        return self.root / "submissions" / MERGED

    @property
    def scores(self) -> Path:
        return self.root / "scores" / SLUG

    def predictions(self, task: str = "multiclass", seed: int = 0) -> Path:
        return self.entry / "predictions" / "sample" / task / f"seed{seed}.parquet"

    def run(self, task: str = "multiclass", seed: int = 0) -> Path:
        return self.entry / "runs" / "sample" / task / f"seed{seed}.json"


Damage = Callable[[Place], None]


@dataclass(frozen=True)
class Kind:
    """One kind of damage and the words the check must say.

    ``on_main``: of an entry that stands on main with its scores, not of a pull request. ``told``: it is not refused,
    but a person is told.
    """

    name: str
    damage: Damage
    words: tuple[str, ...]
    on_main: bool = False
    told: bool = False
    committed: bool = True


KINDS: list[Kind] = []


def kind(name: str, *words: str, **more: bool) -> Callable[[Damage], Damage]:
    """Register a kind of damage."""

    def register(damage: Damage) -> Damage:
        KINDS.append(Kind(name, damage, words, **more))
        return damage

    return register


def add(name: str, damage: Damage, *words: str, **more: bool) -> None:
    """Register a kind of damage that a factory made."""
    KINDS.append(Kind(name, damage, words, **more))


# --- predictions -----------------------------------------------------------------------------------------------------


def rows(task: str, choose: Callable[[int], list[int]]) -> Damage:
    """Damage that takes other rows of a prediction file."""

    def damage(place: Place) -> None:
        table = pq.read_table(place.predictions(task))
        pq.write_table(table.take(pa.array(choose(len(table)), pa.int64())), place.predictions(task))

    return damage


def values(task: str, change: Callable[[np.ndarray], Any], seed: int = 0) -> Damage:
    """Damage that changes the values (galaxies, columns) of a prediction file, in place or by what it returns."""

    def damage(place: Place) -> None:
        path = place.predictions(task, seed)
        table = pq.read_table(path)
        names = table.column_names[1:]
        kept = table[names[0]].type
        content = np.column_stack([table[n].to_numpy() for n in names]).astype(float)
        changed = change(content)
        content = content if changed is None else changed
        columns = [table["iauname"], *(pa.array(c.astype(kept.to_pandas_dtype())) for c in content.T)]
        pq.write_table(pa.table(columns, names=table.column_names).replace_schema_metadata(table.schema.metadata), path)

    return damage


def table(task: str, change: Callable[[pa.Table], pa.Table]) -> Damage:
    """Damage that changes the table of a prediction file."""

    def damage(place: Place) -> None:
        pq.write_table(change(pq.read_table(place.predictions(task))), place.predictions(task))

    return damage


def names(change: Callable[[list[str]], Any]) -> Damage:
    """Damage that changes the names of the galaxies."""

    def other(content: pa.Table) -> pa.Table:
        return content.set_column(0, "iauname", change(content["iauname"].to_pylist()))

    return table("multiclass", other)


def metadata(**changes: str | None) -> Damage:
    """Damage that changes what a prediction file says of itself; None takes a key away."""

    def other(content: pa.Table) -> pa.Table:
        said = {k.decode(): v.decode() for k, v in content.schema.metadata.items()} | changes
        return content.replace_schema_metadata({k: v for k, v in said.items() if v is not None})

    return table("multiclass", other)


def content(data: bytes | Callable[[bytes], bytes], path: Callable[[Place], Path] = Place.predictions) -> Damage:
    """Damage that changes the bytes of a file."""

    def damage(place: Place) -> None:
        target = path(place)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data(target.read_bytes()) if callable(data) else data)

    return damage


def put(row: int, column: int, value: float) -> Callable[[np.ndarray], None]:
    """Return a change of one value."""

    def change(v: np.ndarray) -> None:
        v[row, column] = value

    return change


def exchange(a: int, b: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return the exchange of what two columns hold."""

    def change(v: np.ndarray) -> np.ndarray:
        v[:, [a, b]] = v[:, [b, a]]
        return v

    return change


def inflated(v: np.ndarray) -> np.ndarray:
    """Return concentrations of which those of bar and bulge size are so large that gamma functions lose all digits."""
    for question in ("bar", "bulge-size"):
        v[:, GZD5.slices[question]] *= 1e20
    return v


def one_hot(v: np.ndarray) -> np.ndarray:
    return np.where(np.arange(v.shape[1]) == v.argmax(axis=1)[:, None], 65535, 0)


add("a row is missing", rows("multiclass", lambda n: list(range(n - 1))), "seed0.parquet", f"{ROWS - 1} rows")
add("half of the rows are missing", rows("votes", lambda n: list(range(n // 2))), "votes", f"{ROWS // 2} rows")
add("a row stands there twice", rows("multiclass", lambda n: [0, *range(n)]), f"{ROWS + 1} rows")
add("a row twice, another missing", rows("multiclass", lambda n: [0, 0, *range(2, n)]), "row 2", "expected")
add("two rows exchanged", rows("multilabel", lambda n: [1, 0, *range(2, n)]), "row 1", "expected")
add("all rows shuffled", rows("votes", lambda n: random.Random(0).sample(range(n), n)), "row", "expected")
add("no rows", rows("multiclass", lambda n: []), "0 rows")
add("a galaxy renamed", names(lambda n: pa.array(["J000000.00+000000.0", *n[1:]])), "row 1", "expected")
add("a galaxy of the training split", names(lambda n: pa.array([*n[:-1], "J999999.99+000000.0"])), f"row {ROWS}")
add("an empty name", names(lambda n: pa.array([None, *n[1:]], pa.string())), "iauname", "empty")
add("names as numbers", names(lambda n: pa.array(range(len(n)))), "iauname", "int64")
add("names that are no UTF-8", names(lambda n: _broken_text(len(n))), "seed0.parquet", "Unicode")
add("pickled objects as names", names(lambda n: pa.array([pickle.dumps(x) for x in n])), "iauname", "binary")

add("NaN", values("votes", put(3, 5, np.nan)), "row 4", "not finite")
add("infinite", values("votes", put(3, 5, np.inf)), "row 4", "not finite")
add("negative", values("votes", put(7, 0, -1.0)), "row 8", "no concentration from 1e-06 to 1e+06")
add("a concentration of zero", values("votes", put(7, 0, 0.0)), "row 8", "no concentration from 1e-06 to 1e+06")
add("all concentrations times 1e20", values("votes", lambda v: v * 1e20), "row 1", "no concentration", "clip")
add("two questions' concentrations times 1e20", values("votes", inflated), "row 1", "bar_strong", "no concentration")
add("probabilities that do not sum to 1", values("multiclass", put(3, 0, 65535)), "row 4", "sum to")
add("a question that does not sum to 1", values("hierarchical", put(9, 1, 0)), "row 10", "sum to")
add("all values 0", values("multiclass", lambda v: v * 0), "row 1", "sum to 0")
add(
    "the same for every galaxy",
    values("multiclass", lambda v: np.tile(v[:1], (len(v), 1))),
    "same of every galaxy",
)
add(
    "the same for every galaxy but for the last digit",
    values("multilabel", lambda v: np.tile(v[:1].clip(9, 60000), (len(v), 1)) + np.arange(len(v))[:, None] % 2),
    "same of every galaxy",
)  # fmt: skip
add("one-hot", values("multiclass", one_hot), "one-hot")
add("labels decided to 0 and 1", values("multilabel", lambda v: (v > 32767) * 65535), "one-hot")
add("two classes exchanged", values("multiclass", exchange(0, 1)), "look exchanged", "p_spiral")
add("two labels exchanged", values("multilabel", exchange(0, 1)), "look exchanged", "p_smooth")
add("two answers exchanged", values("hierarchical", exchange(0, 1)), "look exchanged", "p_smooth")
add("two concentrations exchanged", values("votes", exchange(0, 1)), "look exchanged", "a_smooth")
add(
    "predictions edited after scoring",
    values("multiclass", exchange(2, 3)),
    "not the file that was scored",
    on_main=True,
)


@kind("copied from another entry", "the same predictions as", MERGED)
def _(place: Place) -> None:
    copied = pq.read_table(place.merged / "predictions/sample/multiclass/seed7.parquet")
    pq.write_table(copied.replace_schema_metadata(copied.schema.metadata | {b"seed": b"0"}), place.predictions())


@kind("copied from another entry and blurred a little", "the same predictions as", MERGED)
def _(place: Place) -> None:
    copied = pq.read_table(place.merged / "predictions/sample/multiclass/seed7.parquet")
    pq.write_table(copied.replace_schema_metadata(copied.schema.metadata | {b"seed": b"0"}), place.predictions())
    blur = np.random.default_rng(0)
    values("multiclass", lambda v: (v + np.array([[1, -1, 0, 0]]) * blur.integers(0, 90, (len(v), 1))).clip(0))(place)


@kind("copied from another seed", "the same predictions as", "seed0.parquet")
def _(place: Place) -> None:
    copied = pq.read_table(place.predictions())
    pq.write_table(copied.replace_schema_metadata(copied.schema.metadata | {b"seed": b"1"}), place.predictions(seed=1))


def _copy(place: Place, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Make the first file of the entry one of the merged entry's, and change its values."""
    copied = pq.read_table(place.merged / "predictions/sample/multiclass/seed7.parquet")
    pq.write_table(copied.replace_schema_metadata(copied.schema.metadata | {b"seed": b"0"}), place.predictions())
    values("multiclass", change)(place)


def _one_moved(v: np.ndarray) -> np.ndarray:
    v[3] = np.roll(v[3], 1)
    return v


def _sharpened(v: np.ndarray) -> np.ndarray:
    sharp = np.maximum(v, 1) ** 1.03
    return np.floor(65535 * sharp / sharp.sum(axis=1, keepdims=True))


@kind("copied from another entry, with one row moved", "the same predictions as", MERGED)
def _(place: Place) -> None:
    _copy(place, _one_moved)


@kind("copied from another entry, to the power 1.03", "orders the galaxies almost as", MERGED, told=True)
def _(place: Place) -> None:
    _copy(place, _sharpened)


@kind("two seeds that are one file with a row changed", "the same predictions as", "seed0.parquet")
def _(place: Place) -> None:
    copied = pq.read_table(place.predictions())
    pq.write_table(copied.replace_schema_metadata(copied.schema.metadata | {b"seed": b"1"}), place.predictions(seed=1))
    values("multiclass", _one_moved, seed=1)(place)


@kind("the published votes blended in, without a learning curve", "no learning curve", "chance", told=True)
def _(place: Place) -> None:
    change_run(place.run(), curves=[])


add("a column is missing", table("multiclass", lambda t: t.drop_columns(["p_spiral"])), "'p_spiral' is missing")
add(
    "a column renamed",
    table(
        "multiclass",
        lambda t: t.rename_columns(["iauname", "a", *t.column_names[2:]]).replace_schema_metadata(t.schema.metadata),
    ),
    "'p_elliptical' is missing",
)
add(
    "columns in another order",
    table("multiclass", lambda t: t.select([t.column_names[i] for i in (0, 2, 1, 3, 4)])), "another order",
)  # fmt: skip
add("a surplus column", table("multiclass", lambda t: t.append_column("p_ring", t["p_spiral"])), "surplus")
add(
    "probabilities as float64",
    table("multiclass", lambda t: t.set_column(1, "p_elliptical", t["p_elliptical"].cast("double"))), "double",
)  # fmt: skip
add(
    "a value missing",
    table("multiclass", lambda t: t.set_column(1, "p_elliptical", pa.array([None] * len(t), pa.uint16()))), "empty",
)  # fmt: skip
add("no metadata", table("multiclass", lambda t: t.replace_schema_metadata({})), "metadata lacks")
add("another format version", metadata(format="2"), "format '2'")
add("another task", metadata(task="votes"), "column")
add("an unknown task", metadata(task="everything"), "no task 'everything'")
add("a seed that is no number", metadata(seed="../../1"), "seed", "no number")
add("another seed", metadata(seed="5"), "seed is 5")
add("another edition", metadata(edition="gzd5"), "edition is 'gzd5'")
add("another content hash", metadata(content_hash="0" * 64), "content hash")
add("another split hash", metadata(split_hash="0" * 64), "split hash")
add("no split hash", metadata(split_hash=None), "lacks split_hash")

add("an empty file", content(b""), "not a readable Parquet file")
add("random bytes", content(random.Random(1).randbytes(9000)), "not a readable Parquet file")
add("a truncated file", content(lambda b: b[:-200]), "not a readable Parquet file")
add("bytes flipped in the middle", content(lambda b: b[:60] + bytes(x ^ 255 for x in b[60:900]) + b[900:]), "seed0")
add("a CSV by the name of Parquet", content(b"iauname,p_elliptical\nx,1\n"), "not a readable Parquet file")
add("a pickle by the name of Parquet", content(pickle.dumps({"a": 1})), "not a readable Parquet file")
add("a pointer to a file kept elsewhere", content(b"version https://git-lfs.github.com/spec/v1\n"), "not a readable")
add("a file of 100 MB", content(b"\0" * 10**8), "100,000,000 bytes")


@kind("a hundred million rows in a few kilobytes", "100000000 rows")
def _(place: Place) -> None:
    said = pq.read_schema(place.predictions()).metadata
    part = pa.table({"iauname": pa.DictionaryArray.from_arrays(np.zeros(10**6, np.int8), ["x"])})
    schema = part.schema.with_metadata(said)
    with pq.ParquetWriter(place.predictions(), schema, compression="zstd") as writer:
        for _ in range(100):
            writer.write_table(part.cast(schema))


@kind("names of two megabytes each in a few kilobytes", "seed0.parquet", "unpack")
def _(place: Place) -> None:
    known = pq.read_table(place.predictions())
    long = pa.array(["x" * 2 * 10**6 + str(i) for i in range(len(known))])
    pq.write_table(known.set_column(0, "iauname", long), place.predictions(), compression="zstd", compression_level=19)


@kind("ten thousand columns", "seed0.parquet", "at most")
def _(place: Place) -> None:
    known = pq.read_table(place.predictions())
    wide = pa.table({f"c{i}": known["p_spiral"][:ROWS] for i in range(10_000)})
    path = place.predictions()
    pq.write_table(wide.replace_schema_metadata(known.schema.metadata), path, compression="zstd")
    path.write_bytes(path.read_bytes())


@kind("deeply nested columns", "seed0.parquet")
def _(place: Place) -> None:
    nested: pa.Array = pa.array([1] * ROWS, pa.uint16())
    for _ in range(60):
        nested = pa.StructArray.from_arrays([nested], ["a"])
    known = pq.read_table(place.predictions())
    pq.write_table(known.set_column(1, "p_elliptical", nested), place.predictions())


def _broken_text(n: int) -> pa.Array:
    offsets = np.arange(n + 1, dtype=np.int32) * 2
    return pa.Array.from_buffers(pa.string(), n, [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(b"\xff\xfe" * n)])


def _footer(change: Callable[[bytes], bytes]) -> Damage:
    """Damage that changes the bytes of a Parquet footer and leaves the data as they are."""

    def other(data: bytes) -> bytes:
        size = int.from_bytes(data[-8:-4], "little")
        footer = change(data[-8 - size : -8])
        return data[: -8 - size] + footer + len(footer).to_bytes(4, "little") + b"PAR1"

    return content(other)


def _varint(n: int) -> bytes:
    """Return a number as thrift's compact protocol writes a signed one."""
    n, out = n << 1, bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out) + bytes([n])


add(
    "a footer that lies about the number of rows",
    _footer(lambda f: f.replace(b"\x16" + _varint(ROWS), b"\x16" + _varint(10**9))), "seed0.parquet",
)  # fmt: skip
add(
    "a footer longer than the file", content(lambda b: b[:-8] + (2**31 - 1).to_bytes(4, "little") + b"PAR1"), "not a re"
)


@kind("a page that claims to unpack to two gigabytes", "seed0.parquet")
def _(place: Place) -> None:
    # Without compression the page header stands where the file begins; its third field is the unpacked size.
    known = pq.read_table(place.predictions())
    pq.write_table(known, place.predictions(), compression="none", use_dictionary=False)
    data = place.predictions().read_bytes()
    start = pq.ParquetFile(place.predictions()).metadata.row_group(0).column(0).data_page_offset
    head = bytearray(data[start : start + 20])
    at = head.index(0x15, 2) + 1  # an i32 follows; the first is the page type
    end = at
    while head[end] & 128:
        end += 1
    claimed = _varint(2**31 - 1)
    place.predictions().write_bytes(data[: start + at] + claimed + data[start + end + 1 :])


# --- facts of the run ------------------------------------------------------------------------------------------------


def run_facts(**changes: Any) -> Damage:
    """Damage that changes facts of the first run."""
    return lambda place: change_run(place.run(), **changes)


add("no run", lambda place: place.run().unlink(), "seed0.json: missing")
add("a run without predictions", lambda place: place.predictions().unlink(), "predictions or remove the run")
add("a truncated run", content(lambda b: b[:300], Place.run), "seed0.json", "not JSON")
add("a run nested too deeply", content(b"[" * 100_000, Place.run), "seed0.json", "nested too deeply")
add("a run that is a list", content(b"[]", Place.run), "seed0.json")
add("a dirty commit", run_facts(git={"dirty": True}), "clean commit")
add("no commit", run_facts(git={"commit": None}), "clean commit")
add("another commit than the submission's", run_facts(git={"commit": "f" * 40}), "submission.yaml says")
add("a run in the wrong place", run_facts(seed=3), "wrong place")
add("a run of an unknown task", run_facts(tasks=["everything"]), "tasks")
add("a path out of the folder as edition", run_facts(edition={"name": "../../x"}), "edition.name")
add("an absolute path as edition", run_facts(edition={"name": "/etc/passwd"}), "edition.name")
add("another split hash in the run", run_facts(edition={"split_hash": "1" * 64}), "split hash")
add("an edition that is none of the benchmark", run_facts(edition={"content_hash": "1" * 64}), "no edition of")
add("two models in one entry", run_facts(title="Another network"), "another model")
add("two recipes in one entry", run_facts(recipe={"lr": 0.5}), "another recipe")
add("HTML in a run's title", run_facts(title="<b>best</b>"), "HTML")
add("a script in a recipe", run_facts(recipe={"note": "<script>alert(1)</script>"}), "HTML")
add(
    "a number of 5,000 digits",
    content(lambda b: b.replace(b'"seed": 0', b'"seed": ' + b"9" * 5000), Place.run),
    "seed0",
)
for word, changes in (
    ("processes", {"processes": -3}),
    ("peak_memory_bytes", {"peak_memory_bytes": 10**40}),
    ("train_seconds", {"train_seconds": float("inf")}),
    ("train_seconds", {"train_seconds": -1.0}),
    ("train_seconds", {"train_seconds": 1e-9}),
    ("images_per_second", {"images_per_second": float("nan")}),
    ("gpu_hours", {"gpu_hours": 1e6, "train_seconds": 10.0}),
    ("seed", {"seed": 10**12}),
    ("recipe", {"recipe": {"lr": float("inf")}}),
    ("recipe", {"recipe": {"lr": 1e300}}),
    ("validation_loss", {"curves": [{"name": "x", "points": [{"epoch": 1, "validation_loss": 1e308}]}]}),
    ("validation_loss", {"curves": [{"name": "x", "points": [{"epoch": 1, "validation_loss": -1e308}]}]}),
    ("epoch", {"curves": [{"name": "x", "points": [{"epoch": float("inf")}]}]}),
    ("best_epoch", {"curves": [{"name": "x", "best_epoch": 9, "points": [{"epoch": 1}, {"epoch": 2}]}]}),
    ("epochs", {"curves": [{"name": "x", "points": [{"epoch": 2}, {"epoch": 1}]}]}),
):
    add(f"a run whose facts say {json.dumps(changes)[:80]}", run_facts(**changes), "seed0.json", word)
add(
    "another title of the edition", run_facts(edition={"title": "Galaxy Zoo DECaLS 5: real galaxies"}),
    "edition.title", "as the benchmark has it", told=True,
)  # fmt: skip
add("a run of two megabytes", content(lambda b: b + b" " * 2 * 2**20, Place.run), "bytes; at most")

# --- submission.yaml -------------------------------------------------------------------------------------------------


def yaml_text(old: str, new: str) -> Damage:
    """Damage that replaces a piece of submission.yaml."""

    def damage(place: Place) -> None:
        path = place.entry / "submission.yaml"
        text = path.read_text()
        assert old in text, old
        path.write_text(text.replace(old, new, 1))

    return damage


def yaml_value(key: str, value: Any) -> Damage:
    """Damage that sets a dotted key of submission.yaml."""

    def damage(place: Place) -> None:
        path = place.entry / "submission.yaml"
        whole = content = yaml.safe_load(path.read_text())
        *parents, last = key.split(".")
        for parent in parents:
            content = content[parent]
        content[last] = value
        path.write_text(yaml.safe_dump(whole, sort_keys=False))

    return damage


add("an unknown key", yaml_text("official:", "offical: true\nofficial:"), "unknown key 'offical'")
add("a missing key", yaml_text("contact: someone@example.org\n", ""), "'contact' is missing")
add("a key twice", yaml_text("official:", "name: again\nofficial:"), "a second time")
add("a key left to fill in", yaml_value("contact", None), "contact is still to be filled in")
add("official by its own word", yaml_value("official", True), "official", "maintainers")
for look, name in (
    ("the same", "merged"),
    ("in capitals", "MERGED"),
    ("with a Cyrillic e", "m\u0435rged"),
    ("of full width", "\uff4derged"),
    ("with an accent", "me\u0301rged"),
):
    add(f"the name of another entry, {look}", yaml_value("name", name), "name", "looks the same", MERGED)
add("the name of a reference row", yaml_value("name", "Noise ceiling"), "name", "reference row", "noise ceiling")
add("a hundred combining marks in the name", yaml_value("name", "x" + "\u0301" * 100), "name", "combining")
add("no attestation", yaml_value("attestation", False), "attestation is still")
add("overlap without a note", yaml_value("test_overlap.note", None), "test_overlap.note")
add("withdrawn without a reason", yaml_value("status", "withdrawn"), "status_reason")
add("an unknown status", yaml_value("status", "famous"), "status")
add("yes for true", yaml_value("official", "yes"), "official")
add("chosen by test scores", yaml_value("selection", "test"), "selection")
add("an http link", yaml_value("code.repository", "http://example.org"), "code.repository")
add("a javascript: link", yaml_value("code.repository", "javascript:alert(1)"), "code.repository")
add("a data: link", yaml_value("weights.url", "data:text/html,x"), "weights.url")
add("a link with a quote", yaml_value("weights.url", 'https://example.org/"onclick=x'), "weights.url")
add("a commit of 7 digits", yaml_value("code.commit", "0123456"), "code.commit")
add("a bad licence", yaml_value("weights.licence", "free for friends"), "weights.licence", "SPDX")
add("a bad hash of the weights", yaml_value("weights.sha256", "abc"), "weights.sha256")
add("another number of parameters", yaml_value("parameters", 7), "parameters is 7")
add("a negative number of parameters", yaml_value("parameters", -7), "parameters")
for field in (
    "name", "authors", "contact", "description", "training_data", "code.command", "code.recipe", "test_overlap.note",
    "status_reason",
):  # fmt: skip
    text = "<script>alert(1)</script>"
    add(f"a script in {field}", yaml_value(field, [text] if field == "authors" else text), field, "HTML")
add("HTML in the name", yaml_value("name", 'Good <img src="x" onerror="alert(1)">'), "name", "HTML")
add("a line break in the name", yaml_value("name", "two\nlines"), "name")
add("a name of 5,000 letters", yaml_value("name", "x" * 5000), "name")
add("text that turns its direction", yaml_value("description", "left \u202e right"), "U+202E")
add("a terminal's control characters", yaml_value("description", "\x1b[2J"), "submission.yaml")
add("aliases that expand without bound", yaml_text("official: false", "official: &a [*a, *a]"), "aliases")
add("a Python object", yaml_text("official: false", "official: !!python/object/apply:os.system [ls]"), "tags")
add("broken YAML", yaml_text("official: false", "official: ["), "not YAML")
add("YAML nested too deeply", yaml_text("official: false", "official: " + "[" * 5000), "nested")
add("an empty submission.yaml", content(b"", lambda p: p.entry / "submission.yaml"), "submission.yaml", "empty")
add("a submission.yaml that is no text", content(b"\xff\xfe\0", lambda p: p.entry / "submission.yaml"), "UTF-8")
add("a submission.yaml of a megabyte", content(b"# " * 2**19, lambda p: p.entry / "submission.yaml"), "at most")
add("no submission.yaml", lambda place: (place.entry / "submission.yaml").unlink(), "submission.yaml: missing")

# --- other texts -----------------------------------------------------------------------------------------------------


def readme(text: str) -> Damage:
    """Damage that adds to README.md."""
    return content(lambda b: b + text.encode(), lambda p: p.entry / "README.md")


def bib(text: str) -> Damage:
    """Damage that replaces citation.bib."""
    return content(text.encode(), lambda p: p.entry / "citation.bib")


add("HTML in the README", readme("\n<div onclick='x'>hello</div>\n"), "README.md", "HTML")
add("a script within a line of the README", readme("\nwords <script>alert(1)</script>\n"), "README.md", "HTML")
add("a javascript: link in the README", readme("\n[click](javascript:alert(1))\n"), "README.md", "https")
add("a data: picture in the README", readme("\n![x](data:text/html;base64,AAAA)\n"), "README.md", "https")
add("an http link in the README", readme("\n[click](http://example.org)\n"), "README.md", "https")
add("hidden characters in the README", readme("\nzero\u200bwidth\n"), "README.md", "U+200B")
add("a README that keeps a parser busy", readme("\n" + "[" * 30_000 + "\n<p>\n"), "README.md", "HTML")
add("no README", lambda place: (place.entry / "README.md").unlink(), "README.md: missing")
add("text that is no BibTeX", bib("see the paper"), "citation.bib", "not BibTeX")
add("BibTeX with a brace too few", bib("@article{key, title = {A network"), "citation.bib", "not BibTeX")
add("BibTeX with a field twice", bib("@article{key, title = {A}, title = {B}}"), "citation.bib", "not BibTeX")
add("a javascript: link in the BibTeX", bib("@misc{k, url = {javascript:alert(1)}}"), "citation.bib", "script")
add("HTML in the BibTeX", bib("@misc{k, title = {<b>A</b>}}"), "citation.bib", "HTML")

# --- files -----------------------------------------------------------------------------------------------------------


def link(name: str, target: str) -> Damage:
    """Damage that puts a symbolic link in the place of a file or folder."""

    def damage(place: Place) -> None:
        path = place.entry / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        path.symlink_to(target)

    return damage


def extra(name: str, data: bytes = b"x") -> Damage:
    """Damage that adds a file."""
    return content(data, lambda place: place.entry / name)


add("a link to a file of the machine", link("README.md", "/etc/passwd"), "README.md", "link")
add("a link to a folder of the machine", link("predictions", "/etc"), "predictions", "link")
add("a link to another entry's predictions", link("predictions", f"../{MERGED}/predictions"), "link")
add("an executable file", lambda place: (place.entry / "README.md").chmod(0o755), "README.md", "executable")
add("a program", extra("run.sh", b"#!/bin/sh\n"), "run.sh", "remove it")
add("a hidden file", extra(".env"), ".env", "remove it")
add("a settings file of git", extra(".gitattributes", b"* filter=x\n"), ".gitattributes", "remove it")
add("a name with dots", extra("predictions/sample/multiclass/..seed0.parquet"), "..seed0.parquet", "remove it")
add("a name with control characters", extra("evil\x1b[31m\nname"), "evil\\x1b", "remove it")
add("a name that is no UTF-8", extra(os.fsdecode(b"\xff\xfe")), "udcff", "remove it")
add("predictions of a task that is none", extra("predictions/sample/best/seed0.parquet"), "best", "remove it")
add("a seed with leading zeros", extra("predictions/sample/multiclass/seed007.parquet"), "seed007", "remove it")


@kind("five hundred files", "more than 200 files")
def _(place: Place) -> None:
    for i in range(500):
        extra(f"runs/sample/votes/seed{i}.json")(place)


@kind("sixty prediction files", "65 prediction files")
def _(place: Place) -> None:
    for i in range(10, 70):
        shutil.copy(place.predictions(), place.predictions(seed=i))


def renamed(name: str) -> Damage:
    """Damage that renames the submission's folder."""

    def damage(place: Place) -> None:
        place.entry.rename(place.entry.with_name(name))

    return damage


add("a folder whose date is none", renamed("20269999-good"), "20269999-good", "rename the folder")
add("a folder of a day to come", renamed("20991231-good"), "20991231-good", "its day is 2099-12-31")
add("a folder of a day before the boards opened", renamed("20200101-good"), "20200101-good", "its day is 2020-01-01")
add("a folder in capitals", renamed("20261128-GOOD"), "20261128-GOOD", "rename the folder")


@kind("a repository within", "a submodule")
def _(place: Place) -> None:
    inside = place.entry / "runs" / "other"
    inside.mkdir()
    git(inside, "init", "-q")
    (inside / "x").write_text("x")
    git(inside, "add", "x")
    git(inside, "commit", "-q", "-m", "x")


# --- stored scores ---------------------------------------------------------------------------------------------------


def summary(change: Callable[[Any], Any]) -> Damage:
    """Damage that changes the stored scores."""

    def damage(place: Place) -> None:
        path = place.scores / "summary.json"
        said = json.loads(path.read_text())
        changed = change(said)
        path.write_text(json.dumps(said if changed is None else changed))

    return damage


def _raise(said: Any) -> None:
    said["files"][0]["boards"]["hierarchical"]["metrics"]["hierarchical_f1"]["value"] += 1e-3


def _narrow(said: Any) -> None:
    said["files"][0]["boards"]["hierarchical"]["metrics"]["hierarchical_f1"]["low"] += 1e-3


def _count(said: Any) -> None:
    (table,) = (f["boards"]["multiclass"]["confusions"]["class"] for f in said["files"][1:2])
    table["counts"][0][0] += 1


def _foreign(said: Any) -> None:
    said["files"][0]["prediction_sha256"] = "0" * 64


def _more(said: Any) -> None:
    said["files"].append(said["files"][0] | {"seed": 9})


def _title(said: Any) -> None:
    said["files"][0]["edition"]["title"] = "Real DECaLS galaxies"


add("a stored score raised", summary(_raise), "hierarchical_f1.value", "recomputed", on_main=True)
add("a stored interval narrowed", summary(_narrow), "hierarchical_f1.low", "recomputed", on_main=True)
add("a stored count changed", summary(_count), "counts", "recomputed", on_main=True)
add("scores of another file", summary(_foreign), "not the file that was scored", on_main=True)
add("scores of a file that is not there", summary(_more), "summary.json", on_main=True)
add("scores of another scorer", summary(lambda s: s | {"scorer": "99"}), "made by scorer '99'", on_main=True)
add("scores under another edition's title", summary(_title), "of another edition", on_main=True)
add("scores that are a list", summary(lambda s: []), "summary.json", "not in the scorer's form", on_main=True)
add("no summary", lambda place: (place.scores / "summary.json").unlink(), "no summary.json", on_main=True)
add(
    "stored scores as a link",
    lambda place: _to_link(place.scores / "summary.json"),
    "summary.json",
    "link",
    on_main=True,
)
add(
    "a program among the scores",
    content(b"x", lambda p: p.scores / "run.py"),
    "run.py",
    "no file that the scorer",
    on_main=True,
)
add("a hundred megabytes of draws", content(b"\0" * 10**8, lambda p: _draws(p)), "100,000,000 bytes", on_main=True)


def _to_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def _draws(place: Place) -> Path:
    return place.scores / "draws" / "sample" / "hierarchical" / "seed0.parquet"


def draws(change: Callable[[pa.Table], pa.Table]) -> Damage:
    """Damage that changes stored bootstrap draws and the hash that binds them."""

    def damage(place: Place) -> None:
        path = _draws(place)
        pq.write_table(change(pq.read_table(path)), path)
        said = json.loads((place.scores / "summary.json").read_text())
        said["files"][0]["draws_sha256"] = sha256(path)
        (place.scores / "summary.json").write_text(json.dumps(said))

    return damage


def _shifted(known: pa.Table) -> pa.Table:
    at = known.column_names.index("hierarchical/hierarchical_f1")
    return known.set_column(at, known.column_names[at], pa.array(known[at].to_numpy() + np.float32(0.01)))


add("bootstrap draws changed", draws(_shifted), "hierarchical_f1", on_main=True)
add("a draw too few", draws(lambda t: t.slice(1)), "not 2000 draws", on_main=True)
add("draws of an unknown metric", draws(lambda t: t.append_column("x", t[0])), "draws of x are", on_main=True)
add("draws missing", lambda place: _draws(place).unlink(), "not the file summary.json names", on_main=True)


# --- what else the pull request does ---------------------------------------------------------------------------------


def also(name: str, data: bytes | Callable[[bytes], bytes] = b"x\n") -> Damage:
    """Damage outside the submission."""
    return content(data, lambda place: place.repository / name)


add("the scorer edited too", also("galaxy_zoo_decals/scoring/results.py", lambda b: b + b"\nx = 1\n"), "results.py")
add("a workflow edited too", also(".github/workflows/check.yml"), "check.yml", "may change nothing else")
add("the benchmark's version edited too", also("leaderboard/benchmark/v1.toml"), "v1.toml", "may change nothing else")
add("a reference row edited too", also("leaderboard/scores/references/x.json"), "x.json", "written by main")
add("evidence sent in", also(f"leaderboard/evidence/{SLUG}/rerun.json"), "rerun.json", "written by main")
add("the list of official entries edited too", also("leaderboard/official.yaml"), "may change nothing else")
add("a file in the root added too", also("conftest.py"), "conftest.py", "may change nothing else")
add(
    "a merged entry renamed by its text",
    lambda place: _replace(place.merged / "submission.yaml", "name: merged", "name: better"), "name", "merged entry",
)  # fmt: skip
add(
    "a merged entry's predictions changed",
    lambda place: shutil.copy(place.predictions(), place.merged / "predictions/sample/multiclass/seed7.parquet"),
    "merged entries stay",
)  # fmt: skip
add("a file added to a merged entry", also(f"leaderboard/submissions/{MERGED}/citation.bib"), "merged entries stay")
add("a merged entry removed", lambda place: shutil.rmtree(place.merged), "merged entries stay", "removed")
add(
    "a merged entry's scores changed",
    lambda place: _replace(place.root / "scores" / MERGED / "summary.json", "0", "1"), MERGED, "written by main",
)  # fmt: skip


def _replace(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))


@kind("scores of its own beside the predictions", "summary.json", "written by main")
def _(place: Place) -> None:
    quietly(["score", SLUG, "--root", str(place.root)])


@kind("hand-written scores of an edition whose truth is not here", "summary.json", "written by main")
def _(place: Place) -> None:
    quietly(["score", SLUG, "--root", str(place.root)])
    path = place.scores / "summary.json"
    content = json.loads(path.read_text())
    for item in content["files"]:
        item["edition"] = item["edition"] | {"name": "gz2"}
    path.write_text(json.dumps(content))


@kind("scores of another entry changed, and a word of the changelog", "summary.json", "written by main")
def _(place: Place) -> None:
    git(place.repository, "checkout", "-q", "main", "-B", "entry")
    _replace(place.root / "scores" / MERGED / "summary.json", "0", "1")
    (place.repository / "CHANGELOG.md").write_text("Words.\n")


@kind("two entries at once", "one entry a pull request")
def _(place: Place) -> None:
    shutil.copytree(place.entry, place.entry.with_name("20261128-second"))


@kind("all submissions behind a link", "is a link")
def _(place: Place) -> None:
    (place.root / "submissions").rename(place.repository / "elsewhere")
    (place.root / "submissions").symlink_to("../elsewhere")


@kind("a file that is not committed", "not committed", committed=False)
def _(place: Place) -> None:
    (place.entry / "citation.bib").write_text(BIB.replace("A network", "Another"))


@dataclass(frozen=True)
class Outcome:
    """What the check made of one kind of damage."""

    name: str
    caught: bool
    told: bool
    said: str
    seconds: float
    processor: float
    memory: int
    problem: str
    commit: str


LIBRARIES = (
    "leaderboard.check.submission_check",
    "leaderboard.check.report",
    "bibtexparser",
    "markdown_it",
    "scipy.optimize",
)
"""What a check loads: loaded once, before the forks."""


def apart(work: Callable[[], int], out: Path) -> tuple[int, float, float, int]:
    """Do some work in a forked process whose output goes to a file.

    Returns its status (70 after an exception), seconds by the clock, seconds of the processor and peak bytes, those of
    the processes it started included. A fork has the libraries loaded already.
    """
    start = time.monotonic()
    pid = os.fork()
    if pid == 0:
        status = 70
        try:
            with out.open("wb", buffering=0) as stream:
                for number in (1, 2):
                    os.dup2(stream.fileno(), number)
            sys.stdout, sys.stderr = (open(n, "w", closefd=False, errors="replace") for n in (1, 2))  # noqa: SIM115
            status = work()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    _, status, usage = os.wait4(pid, 0)
    processor = usage.ru_utime + usage.ru_stime
    return os.waitstatus_to_exitcode(status), time.monotonic() - start, processor, usage.ru_maxrss * 1024


def check(repository: Path, report: Path, on_main: bool = False) -> tuple[int, str, float, float, int]:
    """Check a repository as a pull request is: status, output, seconds by clock and processor, peak bytes."""
    out = report.with_suffix(".txt")
    words = ["check", "--root", str(repository / "leaderboard"), "--report", str(report)]
    words += [str(repository / "leaderboard" / "submissions" / SLUG)] if on_main else ["--diff", "main"]
    status, *measured = apart(lambda: leaderboard(words), out)
    seconds, processor, memory = measured
    return status, out.read_text("utf-8", "replace"), seconds, processor, int(memory)


def prepare(k: Kind, place: Place) -> int:
    """Do one kind of damage to a repository, on main to an entry that was scored, and commit it."""
    if k.on_main:
        quietly(["score", SLUG, "--root", str(place.root)])
    k.damage(place)
    if k.committed:
        git(place.repository, "add", "-A", "-f")
        git(place.repository, "commit", "-q", "-m", "damage")
    return 0


def attempt(k: Kind, good: Path, work: Path) -> Outcome:
    """Do one kind of damage to a copy of the repository, commit it and check it."""
    place = Place(work / "repository")
    shutil.copytree(good, place.repository, symlinks=True)
    # Apart, so that what the damage took stays out of the memory of the check.
    if apart(lambda: prepare(k, place), work / "prepared.txt")[0]:
        raise RuntimeError(f"{k.name}: {(work / 'prepared.txt').read_text('utf-8', 'replace')}")
    status, said, seconds, processor, memory = check(place.repository, work / "report.md", k.on_main)
    shutil.rmtree(place.repository)
    kinds = ("note:", "for a person:") if k.told else ("fault:", "error:")
    faults = [line for line in said.splitlines() if line.startswith(kinds)]
    named = [f for f in faults if all(word in f for word in k.words)]
    problem = ""
    if status != (0 if k.told else 1):
        problem = f"status {status}"
    elif "Traceback" in said:
        problem = "a traceback"
    elif not all(any(word in f for f in faults) for word in k.words):
        problem = f"does not name {k.words}"
    elif processor > MOST_SECONDS or memory > MOST_MEMORY:
        # By the clock a busy machine makes any check long.
        problem = f"{processor:.0f} s, {memory / 1e6:.0f} MB"
    shown = (named or faults or [said.strip()[-300:]])[0]
    shown = shown.replace(str(place.repository), "").split(": ", 1)[-1]
    return Outcome(k.name, not problem, k.told, shown, seconds, processor, memory, problem, commit())


def run(kinds: list[Kind]) -> tuple[Outcome, list[Outcome]]:
    """Return what the check says of the good submission and of every kind of damage."""
    from tqdm import tqdm

    for name in LIBRARIES:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        base = Path(folder)
        good = build(base)
        status, said, *measured = check(good, base / "good.md")
        last = said.strip().splitlines()[-1]
        good_is_good = status == 0
        problem = "" if good_is_good else said
        undamaged = Outcome("none: the good submission", good_is_good, False, last, *measured, problem, commit())
        outcomes = []
        for k in tqdm(kinds, unit="kind", disable=not sys.stderr.isatty()):
            work = base / "work"
            work.mkdir()
            outcomes.append(attempt(k, good, work))
            shutil.rmtree(work)
            print(f"{len(outcomes)}/{len(kinds)}", flush=True)
            if outcomes[-1].problem:
                print(f"{k.name}: {outcomes[-1].problem}: {outcomes[-1].said}", file=sys.stderr, flush=True)
    return undamaged, outcomes


def commit() -> str:
    """Return the commit that is checked out, and whether files differ from it."""
    words = ["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def write(undamaged: Outcome, outcomes: list[Outcome]) -> None:
    """Write the table of the campaign, as Markdown and as JSON."""
    caught, told_of = sum(o.caught for o in outcomes), sum(o.told for o in outcomes)
    every = [undamaged, *outcomes]
    lines = [
        "# Damaged submissions, and what the check says of them",
        "",
        f"`make campaign-mutations` does {len(outcomes)} kinds of damage to a good submission (five prediction files "
        "on the embedded sample), each committed on a branch and checked with `check --diff main` (damage to stored "
        "scores on main, with `check`) in a process of its own, which has the libraries loaded (they take 2 to 3 s "
        "more).",
        "",
        f"Made at commit {' and '.join(dict.fromkeys(o.commit for o in every))}"
        f"{'' if len({o.commit for o in every}) == 1 else ', where some kinds were measured again'}.",
        "",
        f"- caught with words that name it: **{caught} of {len(outcomes)}**; {told_of} of them are not refused, but a "
        "person is told",
        f"- most time of the processor {max(o.processor for o in every):.1f} s (bound {MOST_SECONDS:.0f} s); by the "
        f"clock {max(o.seconds for o in every):.1f} s, median {np.median([o.seconds for o in every]):.1f} s, on a "
        "machine that had other work",
        f"- largest peak memory {max(o.memory for o in every) / 1e6:.0f} MB (bound {MOST_MEMORY / 1e6:.0f} MB), the "
        "bounded reader's process included",
        f"- the good submission: {'good' if undamaged.caught else 'NOT GOOD'}, {undamaged.processor:.1f} s of the "
        f"processor, {undamaged.memory / 1e6:.0f} MB",
        "",
        "| damage | caught | processor s | clock s | MB | what the check says first |",
        "|---|---|--:|--:|--:|---|",
    ]
    for o in outcomes:
        said = o.said[:220].replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
        verdict = ("told" if o.told else "refused") if o.caught else o.problem
        lines.append(f"| {o.name} | {verdict} | {o.processor:.1f} | {o.seconds:.1f} | {o.memory / 1e6:.0f} | {said} |")
    EVIDENCE.mkdir(parents=True, exist_ok=True)
    (EVIDENCE / "mutations.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    told = [
        {
            "damage": o.name,
            "caught": o.caught,
            "told": o.told,
            "processor_seconds": round(o.processor, 2),
            "seconds": round(o.seconds, 2),
            "megabytes": round(o.memory / 1e6),
            "said": o.said,
            "problem": o.problem,
            "commit": o.commit,
        }
        for o in every
    ]
    (EVIDENCE / "mutations.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def kept() -> dict[str, Outcome]:
    """Return what the table holds, by the name of the damage: kinds that are measured again replace theirs."""
    path = EVIDENCE / "mutations.json"
    rows = json.loads(path.read_text()) if path.is_file() else []
    return {
        row["damage"]: Outcome(
            row["damage"], row["caught"], row["told"], row["said"], row["seconds"], row["processor_seconds"],
            row["megabytes"] * 10**6, row["problem"], row["commit"],
        )
        for row in rows
    }  # fmt: skip


if __name__ == "__main__":
    wanted = [k for k in KINDS if not sys.argv[1:] or any(word in k.name for word in sys.argv[1:])]
    good, found = run(wanted)
    known = kept() if len(wanted) < len(KINDS) else {}
    known |= {o.name: o for o in found}
    if all(k.name in known for k in KINDS):
        write(known.get(good.name, good), [known[k.name] for k in KINDS])
    print(f"{sum(o.caught for o in found)} of {len(wanted)} kinds of damage are caught.")
    raise SystemExit(0 if good.caught and all(o.caught for o in found) else 1)

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from galaxy_zoo_decals import cli, splits
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.prepare import audit, near_duplicates
from galaxy_zoo_decals.prepare.audited_images import look_at_images
from galaxy_zoo_decals.schema import SPLITS


@pytest.fixture
def edition(toy_edition: Path, tmp_path: Path) -> Path:
    """A copy of the toy edition that a test may damage."""
    shutil.copytree(toy_edition, tmp_path / "toy")
    return tmp_path / "toy"


def failed(path: Path) -> dict[str, str]:
    return {f.name: f.words for f in audit.check(Edition(path)) if not f.holds}


def change(path: Path, split: str, what: Callable[[pa.Table], pa.Table]) -> None:
    """Write a split's one shard anew with other rows."""
    shard = Edition(path).shards(split)[0]
    table = pq.read_table(shard)
    pq.write_table(what(table).cast(table.schema), shard, row_group_size=100)


def with_values(table: pa.Table, column: str, values: list[object]) -> pa.Table:
    position = table.schema.get_field_index(column)
    return table.set_column(position, table.schema.field(column), pa.array(values, table.schema.field(column).type))


def altered(table: pa.Table, column: str, row: int, make: Callable[[object], object]) -> pa.Table:
    values = table[column].to_pylist()
    values[row] = make(values[row])
    return with_values(table, column, values)


@pytest.mark.parametrize("name", ["toy", "sample"])
def test_whole_editions_pass(edition: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = str(edition) if name == "toy" else "sample"
    assert cli.main(["check", wanted, "--processes", "1", "--json", str(edition.parent / "findings.json")]) == 0
    said = capsys.readouterr().out
    assert said.rstrip().endswith("everything holds.") and "FAIL" not in said
    findings = json.loads((edition.parent / "findings.json").read_text())
    assert {f["name"] for f in findings} >= {"hashes", "counts", "sky cells", "labels", "near-duplicates", "images"}


def training_declination(ra: float) -> float:
    """A declination that, with this right ascension, lies in a sky cell of the training split."""
    grid = np.arange(-60.25, 60, 0.5)
    return float(grid[splits.by_sky_cell(np.full(len(grid), ra), grid) == "train"][0])


def other_jpeg(image: object) -> dict[str, object]:
    """The same image encoded anew, a pixel further."""
    picture = Image.open(io.BytesIO(image["bytes"])).convert("RGB")  # type: ignore[index]
    moved = Image.fromarray(np.roll(np.asarray(picture), 1, axis=1))
    buffer = io.BytesIO()
    moved.save(buffer, "JPEG", quality=60)
    return {"bytes": buffer.getvalue(), "path": "x.jpg"}


@pytest.mark.parametrize(
    ("damage", "names"),
    [
        (lambda t: altered(t, "labels", 3, lambda v: [0, 1, 2]), {"labels"}),
        (lambda t: altered(t, "share_spiral", 3, lambda v: 0.123), {"labels"}),
        (lambda t: altered(t, "relevance", 0, lambda v: {**v, "bar": 0.5}), {"labels"}),
        (lambda t: altered(t, "merging_none", 0, lambda v: v + 1), {"labels", "votes", "hashes"}),
        (lambda t: altered(t, "scored", 0, lambda v: not v), {"scored", "hashes", "counts"}),
        (lambda t: altered(t, "dec", 0, lambda _: training_declination(t["ra"][0].as_py())), {"sky cells", "hashes"}),
        (lambda t: altered(t, "split", 0, lambda v: "train"), {"names", "hashes", "sky cells", "scored"}),
        (lambda t: altered(t, "image", 0, lambda v: {"bytes": v["bytes"][:900], "path": ""}), {"images", "hashes"}),
        (lambda t: altered(t, "image", 0, lambda v: {"bytes": b"", "path": ""}), {"images", "hashes"}),
        (lambda t: t.slice(1), {"counts", "hashes"}),
        (lambda t: pa.concat_tables([t.slice(1), t.slice(0, 1)]), {"names"}),
    ],
)  # fmt: skip
def test_every_damage_is_found_and_nothing_else(
    edition: Path, damage: Callable[[pa.Table], pa.Table], names: set[str]
) -> None:
    change(edition, "test", damage)
    assert names <= set(failed(edition)) <= names | {"near-duplicates", "boards"}


def test_a_galaxy_in_two_splits_is_found_by_name_and_by_image(edition: Path) -> None:
    stolen = pq.read_table(Edition(edition).shards("train")[0]).slice(5, 1)
    change(edition, "test", lambda t: altered(t, "image", 2, lambda _: other_jpeg(stolen["image"][0].as_py())))
    words = failed(edition)["near-duplicates"]
    assert stolen["iauname"][0].as_py() in words and "in train" in words and "in test" in words
    change(edition, "test", lambda t: altered(t, "iauname", 2, lambda _: stolen["iauname"][0].as_py()))
    assert "in train and in test" in failed(edition)["names"]


def test_different_galaxies_are_not_taken_for_one(toy_edition: Path) -> None:
    looked = list(look_at_images(Edition(toy_edition), 1))
    prints = np.concatenate([group.prints for group in looked])
    pairs = near_duplicates.alike(prints, prints, block=32)
    assert sorted((a, b) for a, b, _ in pairs) == [(i, i) for i in range(len(prints))]
    assert not near_duplicates.fingerprints(np.zeros((1, near_duplicates.GRID, near_duplicates.GRID), np.uint8)).any()


def test_missing_shards_other_columns_and_a_stale_card(edition: Path) -> None:
    text = (edition / "README.md").read_text()
    (edition / "README.md").write_text(text.replace("version: ", "version: 9"))
    assert "stale" in failed(edition)["card"]
    (edition / "README.md").write_text("# no head")
    assert "no head" in failed(edition)["card"]
    (edition / "README.md").write_text(text)
    assert not failed(edition)
    shard = Edition(edition).shards("validation")[0]
    pq.write_table(pq.read_table(shard).rename_columns({"bar_weak": "weak"}), shard)
    assert list(failed(edition)) == ["columns"]
    shard.rename(shard.with_name("validation-00000-of-00002.parquet"))
    assert "files" in failed(edition)


def test_the_exit_status_says_it(edition: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = json.loads((edition / "edition.json").read_text())
    facts["counts"]["test"]["scored"] += 1
    (edition / "edition.json").write_text(json.dumps(facts))
    assert cli.main(["check", str(edition), "--processes", "1"]) == 1
    said = capsys.readouterr().out
    assert "FAIL counts" in said and "do not hold" in said
    shutil.rmtree(edition / "data")
    assert cli.main(["check", str(edition)]) == 1
    assert "prepare the edition again" in capsys.readouterr().err


def test_labels_made_of_debiased_fractions_are_checked_as_such(
    tmp_path: Path, toy_catalogue: tuple[Path, Path]
) -> None:
    import pandas as pd

    from galaxy_zoo_decals.prepare.builder import build
    from galaxy_zoo_decals.prepare.cleaning import PRESETS
    from galaxy_zoo_decals.schema import GZD5
    from galaxy_zoo_decals.sources.folder import Folder

    table = pd.read_csv(toy_catalogue[0])
    for q in GZD5.questions:
        for column in q.columns:
            table[f"{column}_debiased"] = table[column] / table[q.total].where(table[q.total] > 0)
    table.to_csv(tmp_path / "votes.csv", index=False)
    build(
        Folder(tmp_path / "votes.csv", toy_catalogue[1], True),
        tmp_path / "e",
        name="e",
        size=64,
        rules=PRESETS["student"],
    )
    assert not failed(tmp_path / "e")
    assert sum(len(Edition(tmp_path / "e").table(s, ["iauname"])) for s in SPLITS) > 20

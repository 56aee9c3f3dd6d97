"""The metadata is valid, and another reader finds with it what stands in the edition."""

from __future__ import annotations

import json
import math
from pathlib import Path

import mlcroissant
import pyarrow.parquet as pq
import pytest

from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.prepare.croissant import RECORDS, croissant
from galaxy_zoo_decals.schema import CLASSES, SPLITS

DATED = "datePublished"
"""The one recommended property that is left out: equal editions have equal files, whenever they were made."""


def read(edition: Path, folder: Path) -> mlcroissant.Dataset:
    path = folder / "croissant.json"
    path.write_text(json.dumps(croissant(Edition(edition), "user/galaxies")))
    return mlcroissant.Dataset(path, mapping={"repo": edition})


def plain(value: object, place: str) -> object:
    """A value as Arrow gives it: text instead of bytes, no prefixes on the names of nested fields, None for NaN."""
    if isinstance(value, dict):
        return {key.removeprefix(f"{place}/"): plain(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner, place) for inner in value]
    if isinstance(value, bytes):
        return value.decode()
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and math.isnan(value) else value


def test_another_reader_finds_every_value_of_every_galaxy(toy_edition: Path, tmp_path: Path) -> None:
    found = {}
    for record in read(toy_edition, tmp_path).records(RECORDS):
        row = {key.removeprefix(f"{RECORDS}/"): plain(value, key) for key, value in record.items()}
        assert row.pop("image").size == (224, 224)  # type: ignore[attr-defined]
        found[row["iauname"]] = row
    expected = {}
    for path in (path for split in SPLITS for path in Edition(toy_edition).shards(split)):
        for row in pq.read_table(path).drop_columns(["image"]).to_pylist():
            expected[row["iauname"]] = plain(row, "")
    assert len(expected) == 150 and found == expected


@pytest.mark.parametrize("name", ["toy", "sample"])
def test_the_metadata_is_valid_and_says_what_the_card_says(toy_edition: Path, tmp_path: Path, name: str) -> None:
    edition = Edition.open(toy_edition if name == "toy" else "sample")
    read_back = read(edition.path, tmp_path)
    issues = read_back.metadata.issues
    assert not issues.errors
    assert all(DATED in warning for warning in issues.warnings)
    assert [row["classes/name"] for row in read_back.records("classes")] == [*CLASSES]
    content = croissant(edition, "user/galaxies")
    assert (
        content["citeAs"] == edition.facts["citation"]
        and content["rai:dataBiases"] in (edition.path / "README.md").read_text()
    )
    fields = {field["name"]: field for kind in content["recordSet"] for field in kind["field"]}
    assert set(pq.read_schema(edition.shards("test")[0]).names) <= set(fields)
    assert "0 elliptical, 1 spiral" in fields["label"]["description"]


def test_an_invalid_description_is_seen(toy_edition: Path, tmp_path: Path) -> None:
    content = croissant(Edition(toy_edition), "user/galaxies")
    content["recordSet"][-1]["field"][0]["source"]["fileSet"]["@id"] = "nowhere"
    path = tmp_path / "croissant.json"
    path.write_text(json.dumps(content))
    with pytest.raises(mlcroissant.ValidationError):
        mlcroissant.Dataset(path)

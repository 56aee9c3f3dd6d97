from __future__ import annotations

from pathlib import Path

from datasets import load_dataset

from galaxy_zoo_decals.schema import VIEWS


def test_every_view_of_an_edition_loads_with_stock_datasets(toy_edition: Path) -> None:
    for view in VIEWS:
        galaxies = load_dataset(str(toy_edition), view)
        streamed = load_dataset(str(toy_edition), view, streaming=True)
        assert set(galaxies) == {"train", "validation", "test"}
        assert next(iter(streamed["test"]))["iauname"] == galaxies["test"][0]["iauname"]
        assert galaxies["test"][0]["image"].size == (224, 224)

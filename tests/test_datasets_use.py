"""datasets as its users use it: default collate, formats, Trainer, Lightning, metrics from labels, older editions."""

from __future__ import annotations

import json
import re
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from datasets import Dataset, DatasetDict, concatenate_datasets, load_dataset

from galaxy_zoo_decals import cli, views
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.prepare import audit
from galaxy_zoo_decals.prepare.builder import FORMAT, build
from galaxy_zoo_decals.prepare.upgrade import upgrade
from galaxy_zoo_decals.schema import CLASSES, GZD5, SPLITS, VIEWS
from galaxy_zoo_decals.scoring import Truth, label_metrics, score
from galaxy_zoo_decals.scoring.boards import BOARDS
from galaxy_zoo_decals.sources.kaggle import GZ2Challenge
from tests.test_scoring import predict
from tests.toys import write_catalogue

DOCS = Path(__file__).parents[1] / "docs" / "datasets.md"
OLD = Path(__file__).parent / "editions" / "format-1.1.zip"
"""40 toy galaxies of 16 pixels, as the package prepared them before format 1.2."""


@pytest.fixture(scope="module")
def unknown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An edition of one's own of which some metadata are not known, and some of the rest only of some galaxies."""
    folder = tmp_path_factory.mktemp("unknown")
    votes, images = write_catalogue(folder, galaxies=60)
    table = pd.read_csv(votes).drop(columns=["petro_th90"])
    table.loc[::2, ["redshift", "upload_group"]] = None
    table["random_selection"] = [(True, False, None)[i % 3] for i in range(len(table))]
    table.to_csv(votes, index=False)
    words = ["--votes", votes, "--images", images, "--out", folder / "own", "--size", "32", "--processes", "1"]
    assert cli.main(["prepare", "catalogue", *map(str, words)]) == 0
    return folder / "own"


@pytest.fixture(scope="module")
def gz2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An edition of the Kaggle challenge: no positions, no metadata at all."""
    from tests.test_gz2 import write_challenge

    folder = tmp_path_factory.mktemp("challenge")
    build(GZ2Challenge(write_challenge(folder), tests=15), folder / "made", name="gz2", size=32)
    return folder / "made"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """An edition that an older version of the package prepared."""
    zipfile.ZipFile(OLD).extractall(tmp_path)
    return tmp_path / "old"


@pytest.mark.parametrize("edition", ["sample", "unknown", "gz2"])
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_goes_through_the_default_collate(edition: str, view: str, request: pytest.FixtureRequest) -> None:
    from torch.utils.data import DataLoader

    path = str(Edition.open("sample").path) if edition == "sample" else str(request.getfixturevalue(edition))
    rows = load_dataset(path, view, split="train").with_format("torch")
    whole = rows.select(range(min(len(rows), 40)))
    batches = list(DataLoader(whole, batch_size=8, num_workers=2))
    size = Edition(Path(path)).facts["image_size"]
    assert batches[0]["image"].shape == (8, 3, size, size)
    assert [name for batch in batches for name in batch["iauname"]] == whole["iauname"][:]
    streamed = load_dataset(path, view, split="train", streaming=True).with_format("torch")
    first = next(iter(DataLoader(streamed, batch_size=8)))
    assert set(first) == set(batches[0]) and (first["image"] == batches[0]["image"]).all()
    transformed = load_dataset(path, view, split="train").remove_columns("image")
    transformed.set_transform(lambda batch: batch)
    assert set(next(iter(DataLoader(transformed, batch_size=8)))) == set(first) - {"image"}


def test_no_shard_holds_a_null_and_unknown_is_said(unknown: Path, gz2: Path) -> None:
    for path in (unknown, gz2, Edition.open("sample").path):
        for split in SPLITS:
            for shard in Edition(path).shards(split):
                table = pq.read_table(shard)
                assert not [name for name in table.column_names if table[name].null_count]
    rows = load_dataset(str(unknown), "votes", split="train").remove_columns("image").to_pandas()
    assert set(rows["random_selection"]) == {1, 0, -1} and set(rows["upload_group"]) == {"", "pre_active"}
    assert 0 < rows["redshift"].isna().sum() < len(rows) and rows["petro_th90"].isna().all()
    # Read as a catalogue they are missing values again, and the selection still decides who is scored.
    table = Edition(unknown).table("test")
    assert table["random_selection"].isna().any() and table["upload_group"].isna().any()
    assert (table["random_selection"][table["scored"]] == True).all()  # noqa: E712
    findings = {finding.name: finding for finding in audit.check(Edition(unknown))}
    assert all(findings[name].holds for name in ("columns", "hashes", "card", "boards", "scored", "labels"))


def test_formats_and_ways_of_a_dataset(unknown: Path) -> None:
    rows = load_dataset(str(unknown), "multilabel", split="train")
    batch = rows.with_format("numpy")[:4]
    assert batch["multi_hot"].shape == batch["asked_mask"].shape == batch["fractions"].shape == (4, 10)
    assert batch["multi_hot"].dtype == np.float32 and batch["image"].shape == (4, 32, 32, 3)
    frame = rows.remove_columns("image").with_format("pandas")[:]
    assert np.stack(frame["multi_hot"]).shape == (len(rows), 10)
    counted = rows.map(lambda batch: {"true": np.sum(batch["multi_hot"], axis=1)}, batched=True, batch_size=7)
    assert counted["true"][:] == [sum(row) for row in rows["multi_hot"]]
    assert sorted(rows.shuffle(seed=1)["iauname"]) == sorted(rows["iauname"])
    classes = load_dataset(str(unknown), "multiclass", split="train")
    parts = classes.filter(lambda row: row["label"] < 3).train_test_split(0.3, stratify_by_column="label", seed=0)
    assert isinstance(parts, DatasetDict) and set(parts["test"]["label"]) == {0, 1, 2}
    assert rows.features["top_label"].names == list(GZD5.label_names)


def test_two_editions_are_one(unknown: Path, gz2: Path) -> None:
    parts = [
        load_dataset(str(path), "multiclass", split="test") for path in (unknown, gz2, Edition.open("sample").path)
    ]
    joined = concatenate_datasets(parts)
    assert len(joined) == sum(map(len, parts)) and joined.features == parts[0].features
    assert joined.with_format("torch")["label"][:].min() >= 0


def test_the_path_of_fixed_width_is_the_list(unknown: Path) -> None:
    wide = load_dataset(str(unknown), "hierarchical", split="train").remove_columns("image")
    names = wide.features["answers"]
    for row, listed in zip(wide, load_dataset(str(unknown), "hierarchical", split="train", columns=["path"])):
        found = [f"{q}={names[q].int2str(a)}" for q, a in zip(names, row["path_answers"]) if a >= 0]
        assert found == listed["path"]


@pytest.mark.parametrize("streaming", [False, True])
def test_info_says_what_it_is(unknown: Path, gz2: Path, streaming: bool) -> None:
    for path in (unknown, gz2, Edition.open("sample").path):
        facts = Edition(path).facts
        for view in VIEWS:
            info = load_dataset(str(path), view, split="test", streaming=streaming).info
            assert str(facts["title"]) in info.description and view in info.description
            assert info.citation == facts["citation"] and info.license == facts["licence"]
            assert info.homepage.startswith("https://")
    info = load_dataset(str(gz2), "multilabel", split="test").info
    assert "bar-yes, bar-no" in info.description and "kaggle" in info.homepage


def test_an_older_edition_loads_as_before(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Edition(old).facts["version"] == "1.1"
    row = load_dataset(str(old), "multilabel", split="train")[0]
    assert row["labels"] and row["asked"] and row["random_selection"] is None and row["image"].size == (16, 16)
    assert len(Truth.of(Edition(old)).names) == 12
    assert cli.main(["check", str(old), "--processes", "1"]) == 1
    assert f"galaxy-zoo-decals upgrade {old}` adds them without a download" in capsys.readouterr().out


def test_an_older_edition_is_written_anew_and_stays_the_same(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, images = Edition(old).facts, Edition(old).images("train")
    tables = {split: Edition(old).table(split) for split in SPLITS}
    assert cli.main(["upgrade", str(old)]) == 0
    after = Edition(old)
    assert after.facts == before | {"version": FORMAT} and after.images("train") == images
    for split in SPLITS:
        for name in tables[split].columns.drop("random_selection"):
            assert after.table(split)[name].map(repr).tolist() == tables[split][name].map(repr).tolist(), name
    findings = audit.check(after)
    assert {f.name for f in findings if not f.holds} <= {"near-duplicates"}, "pictures of 16 pixels are all alike"
    assert sorted(p.name for p in old.parent.iterdir()) == ["old"]
    assert load_dataset(str(old), "multilabel", split="train")[0]["multi_hot"]
    capsys.readouterr()
    assert cli.main(["upgrade", str(old)]) == 0 and "nothing is to be done" in capsys.readouterr().out


def test_an_older_edition_that_was_changed_is_not_written_anew(old: Path) -> None:
    facts = json.loads((old / "edition.json").read_text())
    (old / "edition.json").write_text(json.dumps(facts | {"image_hash": "0" * 64}))
    shards = {path.name: path.read_bytes() for path in (old / "data").iterdir()}
    with pytest.raises(UserError, match=r"image_hash .* in edition\.json 000000000000.*Nothing was changed"):
        upgrade(old)
    assert {path.name: path.read_bytes() for path in (old / "data").iterdir()} == shards
    (old / "edition.json").write_text(json.dumps(facts | {"version": "0.9"}))
    with pytest.raises(UserError, match=r"has format 0\.9; only 1\.1 is written anew"):
        upgrade(old)


def test_metrics_from_labels_by_hand() -> None:
    labels = [0, 0, 1, 1, -1]
    found = label_metrics.multiclass([0, 1, 1, 1, 3], labels, min_positives=1)
    # Elliptical: 1 of 2 found, nothing wrong: F1 2/3. Spiral: both found, one wrong: F1 4/5.
    assert found == pytest.approx({"macro_f1": (2 / 3 + 4 / 5) / 2, "accuracy": 3 / 4, "balanced_accuracy": 3 / 4})
    p = np.array([[0.7, 0.1, 0.1, 0.1], [0.2, 0.6, 0.1, 0.1]])
    found = label_metrics.multiclass(p, [0, 0], min_positives=1)
    assert found["nll"] == pytest.approx(-(np.log(0.7) + np.log(0.2)) / 2)
    assert found["brier"] == pytest.approx(((0.09 + 0.03) + (0.64 + 0.36 + 0.02)) / 2)
    assert np.isnan(label_metrics.multiclass(p, [0, 0])["macro_f1"]), "as on the board, two galaxies are too few"

    truth = np.full((4, 10), -1)
    truth[:, 0], truth[:3, 1] = (1, 0, 1, 0), (1, 0, 1)
    values = np.full((4, 10), 0.5)
    values[:, 0], values[:, 1] = (0.9, 0.8, 0.7, 0.1), (0.2, 0.6, 0.9, 0.99)
    found = label_metrics.multilabel(values, truth, min_positives=1)
    # Ranked true, false, true: (1/1 + 2/3) / 2. Ranked true, false, true again: the fourth galaxy is not known.
    assert found["macro_map"] == pytest.approx((1 + 2 / 3) / 2)
    assert found["macro_f1"] == pytest.approx((4 / 5 + 2 / 4) / 2)
    assert found["micro_f1"] == pytest.approx(2 * 3 / (2 * 3 + 2 + 1))
    assert found["subset_accuracy"] == pytest.approx(2 / 4) and found["hamming"] == pytest.approx(3 / 7)


@pytest.mark.parametrize("task", label_metrics.TASKS)
def test_metrics_from_labels_are_those_of_the_board(task: str) -> None:
    truth = Truth.of(Edition.open("sample"))
    given = replace(predict(truth, task), content_hash=truth.content_hash, split_hash=truth.split_hash)
    rows = load_dataset(str(Edition.open("sample").path), task, split="test").remove_columns("image").to_pandas()
    rows = rows[rows["scored"]].set_index("iauname")
    values = given.values[[truth.names.index(name) for name in rows.index]]
    if task == "multiclass":
        labels, found = rows["label"].to_numpy(), label_metrics.multiclass(values, rows["label"])
    else:
        labels = np.where(np.stack(rows["asked_mask"]) == 1, np.stack(rows["multi_hot"]), -1)
        found = label_metrics.multilabel(values, labels)
    expected = score(truth, given)[task].metrics
    assert BOARDS[task].primary in found
    # The expected calibration error is corrected by resamples of the galaxies, of which the board has more.
    exact = {name: value for name, value in found.items() if name != "ece"}
    assert exact == pytest.approx({name: expected[name].value for name in exact})
    with np.errstate(divide="ignore"):
        logits = np.log(values) if task == "multiclass" else np.log(values) - np.log1p(-values)
    logits = logits.clip(-50, 50)
    again = label_metrics.compute_metrics(task)((logits, labels.astype(np.float32)))
    assert again == pytest.approx(found, abs=1e-6)

    from galaxy_zoo_decals.scoring import evaluators

    metric = {"multiclass": evaluators.Multiclass, "multilabel": evaluators.Multilabel}[task]()
    assert metric.compute(predictions=values, references=labels) == pytest.approx(found)
    assert metric.compute_metrics((logits, labels)) == pytest.approx(found, abs=1e-6)


def test_what_is_no_prediction_and_no_label_is_named() -> None:
    for predictions, labels, words in (
        (np.zeros((3, 5)), [0, 1, 2], r"shape \(3, 5\)"),
        (np.zeros((3, 4)), [0, 1], r"\(3, 4\) and labels \(2,\)"),
        (np.full((1, 4), 3.0), [0], "by softmax"),
        (np.full((1, 4), np.nan), [0], "by softmax"),
        ([0, 4], [0, 1], "0 to 3"),
        ([0, 1], [0, 4], "labels hold 4"),
        ([0, 1], [0, 0.5], "whole numbers"),
        ([0, 1], ["spiral", "spiral"], "whole numbers"),
    ):
        with pytest.raises(UserError, match=words):
            label_metrics.multiclass(predictions, labels)
    for labels, words in ((np.zeros((1, 9)), "10"), (np.full((1, 10), 2), "1, 0, or -1"), (np.zeros(10), "shape")):
        with pytest.raises(UserError, match=words):
            label_metrics.multilabel(np.zeros((1, 10)), labels)
    with pytest.raises(UserError, match="the other boards need votes"):
        label_metrics.compute_metrics("votes")
    with pytest.raises(UserError, match="there is no tree 'GZ3'"):
        label_metrics.compute_metrics("multilabel", tree="GZ3")


def test_without_evaluate_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "evaluate", None)
    monkeypatch.delitem(sys.modules, "galaxy_zoo_decals.scoring.evaluators", raising=False)
    with pytest.raises(ModuleNotFoundError, match=r"`pip install evaluate`.*label_metrics"):
        __import__("galaxy_zoo_decals.scoring.evaluators")


def test_the_page_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All code of docs/datasets.md: a DataLoader with workers, Lightning, the Trainer of classes and of labels."""
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    names: dict[str, object] = {"__name__": "page"}
    for block in blocks:
        exec(compile(block, str(DOCS), "exec"), names)
    truth = load_dataset(str(Edition.open("sample").path), "multiclass", split="test")["label"]
    assert names["found"]["accuracy"] == pytest.approx(np.mean(np.array(truth) == CLASSES.index("elliptical")))  # type: ignore[index]
    assert names["lists"][0]["labels"] and names["paths"][0]["path"]  # type: ignore[index]
    assert len([line for line in blocks[1].splitlines() if line.strip() and "import" not in line]) <= 10
    assert names["trainer"].state.log_history[-1]["eval_macro_map"] > 0  # type: ignore[attr-defined]


def test_the_trainers_own_loss_takes_multi_hot(unknown: Path, tmp_path: Path) -> None:
    from transformers import Trainer, TrainingArguments, ViTConfig, ViTForImageClassification

    rows = load_dataset(str(unknown), "multilabel", split="train")

    def pixels(batch: dict[str, list]) -> dict[str, object]:
        images = np.stack([np.asarray(image, np.float32) for image in batch["image"]]) / 255
        return {"pixel_values": list(images.transpose(0, 3, 1, 2)), "labels": batch["multi_hot"]}

    prepared: Dataset = rows.with_transform(pixels)
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = ViTConfig(image_size=32, patch_size=16, num_labels=10, problem_type="multi_label_classification", **shape)
    arguments = TrainingArguments(
        str(tmp_path), max_steps=2, remove_unused_columns=False, report_to="none", use_cpu=True, save_strategy="no"
    )
    measure = label_metrics.compute_metrics("multilabel", min_positives=1)
    trainer = Trainer(
        ViTForImageClassification(config), arguments, train_dataset=prepared, eval_dataset=prepared,
        compute_metrics=measure,
    )  # fmt: skip
    trainer.train()
    found, said = trainer.evaluate(), trainer.predict(prepared)
    assert found["eval_macro_map"] == pytest.approx(measure((said.predictions, said.label_ids))["macro_map"])
    assert (said.label_ids == np.array(rows["multi_hot"])).all()
    assert (views.label_decisions(said.label_ids) == said.label_ids.astype(bool)).all()


def test_tensorflow_takes_every_view(unknown: Path) -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed, so to_tf_dataset is not tried")
    for view in VIEWS:
        rows = load_dataset(str(unknown), view, split="train")
        flat = [name for name in rows.column_names if not isinstance(rows.features[name], dict)]
        batch = next(iter(rows.to_tf_dataset(batch_size=4, columns=flat)))
        assert batch["image"].shape == (4, 32, 32, 3)

"""Editions as users of datasets, torch and evaluate take them."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from datasets import concatenate_datasets, load_dataset

from galaxy_zoo_decals import cli
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.schema import VIEWS
from tests.campaigns.first_contact.case import Case, Outcome, call
from tests.toys import write_catalogue

OLD = Path(__file__).parents[2] / "editions" / "format-1.1.zip"


@cache
def _own() -> Path:
    """An edition of one's own whose catalogue lacks redshifts of some galaxies and one column of all; made once."""
    folder = Path(tempfile.mkdtemp(prefix="first-contact-own-"))
    votes, images = write_catalogue(folder, galaxies=60)
    table = pd.read_csv(votes).drop(columns="petro_th90")
    table.loc[::2, ["redshift", "upload_group"]] = None
    table.to_csv(votes, index=False)
    call(
        cli.main, "prepare", "catalogue", "--votes", votes, "--images", images, "--out", folder / "own",
        "--size", "32", "--processes", "1",
    )  # fmt: skip
    return folder / "own"


def _sample() -> Path:
    return Edition.open("sample").path


def _said(run: Callable[[], object]) -> Outcome:
    """Return what came out, or the error as Python would show its last line."""
    try:
        return Outcome(0, str(run()))
    except UserError as error:
        return Outcome(1, str(error))
    except Exception as error:
        return Outcome(1, f"Traceback (most recent call last): {type(error).__name__}: {error}")


def _collate(path: Callable[[], Path], view: str, streaming: bool = False) -> Callable[[Path], Outcome]:
    def run(folder: Path) -> Outcome:
        from torch.utils.data import DataLoader

        def batch() -> object:
            rows = load_dataset(str(path()), view, split="test", streaming=streaming).with_format("torch")
            found = next(iter(DataLoader(rows, batch_size=4)))
            return f"a batch of {len(found['iauname'])}: image {tuple(found['image'].shape)}, {', '.join(found)}"

        return _said(batch)

    return run


def _of_rows(view: str, what: Callable[[object], object], **words: object) -> Callable[[Path], Outcome]:
    return lambda folder: _said(lambda: what(load_dataset(str(_own()), view, split="train", **words)))


def _unknown_is_not_a_value(folder: Path) -> Outcome:
    rows = load_dataset(str(_own()), "votes", split="train").remove_columns("image").to_pandas()
    kinds = (
        f"redshift unknown of some: {0 < rows['redshift'].isna().sum() < len(rows)}, petro_th90 of all: "
        f"{bool(rows['petro_th90'].isna().all())}, chosen at random: {sorted(set(rows['random_selection']))}"
    )
    return Outcome(0, kinds)


def _two_editions(folder: Path) -> Outcome:
    parts = [load_dataset(str(path), "multiclass", split="test") for path in (_own(), _sample())]
    return _said(lambda: f"{len(concatenate_datasets(parts)) - sum(map(len, parts))} rows lost or added")


def _evaluate(folder: Path) -> Outcome:
    from galaxy_zoo_decals.scoring.evaluators import Multiclass

    labels = load_dataset(str(_sample()), "multiclass", split="test")["label"]
    return _said(lambda: Multiclass().compute(predictions=list(labels), references=list(labels)))


def _metrics(logits: np.ndarray, labels: list[int]) -> Callable[[Path], Outcome]:
    from galaxy_zoo_decals.scoring import label_metrics

    return lambda folder: _said(lambda: label_metrics.multiclass(logits, labels, min_positives=1))


def _logits_of_a_trainer(folder: Path) -> Outcome:
    from galaxy_zoo_decals.scoring.label_metrics import compute_metrics

    logits = np.array([[9.0, -3, 0, 0], [0, 8, 0, -9]])
    return _said(lambda: compute_metrics("multiclass", min_positives=1)((logits, np.array([0, 1]))))


def _info(folder: Path) -> Outcome:
    def said() -> str:
        info = load_dataset(str(_sample()), "multilabel", split="test").info
        return f"{info.description} | {info.citation} | {info.license} | {info.homepage}"

    return _said(said)


def _older(command: str) -> Callable[[Path], Outcome]:
    def run(folder: Path) -> Outcome:
        zipfile.ZipFile(OLD).extractall(folder)
        return call(cli.main, command, folder / "old")

    return run


def _older_with(change: Callable[[Path], None]) -> Callable[[Path], Outcome]:
    """Return a case: something happened to an older edition before it is upgraded."""

    def run(folder: Path) -> Outcome:
        zipfile.ZipFile(OLD).extractall(folder)
        change(folder / "old")
        return call(cli.main, "upgrade", folder / "old")

    return run


def _cut_shard(edition: Path) -> None:
    shard = sorted((edition / "data").glob("*.parquet"))[0]
    shard.write_bytes(shard.read_bytes()[:-100])


def _trainer(logits: object) -> Callable[[Path], Outcome]:
    from galaxy_zoo_decals.scoring.label_metrics import compute_metrics

    return lambda folder: _said(lambda: compute_metrics("multiclass", min_positives=1)((logits, np.array([0, 1]))))


def _tensors_of_bfloat16(folder: Path) -> Outcome:
    import torch

    return _trainer(torch.eye(4, requires_grad=True)[:2].bfloat16() * 9)(folder)


def _other_pixels(folder: Path) -> Outcome:
    import torch

    from benchmark import recipes
    from galaxy_zoo_decals.models import MulticlassCNN
    from galaxy_zoo_decals.schema import GZD5

    model = MulticlassCNN.from_recipe(recipes.choose("quick", "multiclass")["multiclass"], GZD5)
    return _said(lambda: model(torch.zeros(2, 3, 224, 224)))


CASES = [
    *(
        Case("journey", f"torch's DataLoader on the {view} view of the sample", _collate(_sample, view), 0,
             ("a batch of 4: image (4, 3, 224, 224)",), "review")
        for view in VIEWS
    ),
    *(
        Case("journey", f"torch's DataLoader on the {view} view of one's own table, where redshifts are missing",
             _collate(_own, view), 0, ("a batch of 4: image (4, 3, 32, 32)",))
        for view in VIEWS
    ),
    Case("journey", "torch's DataLoader on a streamed view", _collate(_own, "multilabel", True), 0, ("a batch of 4",)),
    Case("pixels", "metadata that a catalogue lacks: no number and no yes or no is made up", _unknown_is_not_a_value, 0,
         ("unknown of some: True", "petro_th90 of all: True", "at random: [-1]")),
    Case("journey", "labels of fixed width for BCE, in the order of their names",
         _of_rows("multilabel", lambda rows: [rows.features["top_label"].names, len(rows[0]["multi_hot"])]), 0,
         ("'smooth', 'featured-or-disk'", "10"), "review"),
    Case("journey", "the lists of true labels, by name",
         _of_rows("multilabel", lambda rows: rows.column_names, columns=["image", "labels", "asked"]), 0,
         ("'labels', 'asked'",)),
    Case("journey", "numpy arrays of a view",
         _of_rows("multilabel", lambda rows: rows.with_format("numpy")[:4]["multi_hot"].shape), 0, ("(4, 10)",)),
    Case("journey", "a stratified train_test_split of the labels",
         _of_rows("multiclass", lambda rows: [len(part) > 0 for part in rows.filter(
             lambda row: row["label"] < 3).train_test_split(0.3, stratify_by_column="label").values()]), 0,
         ("[True, True]",)),
    Case("journey", "two editions as one dataset", _two_editions, 0, ("0 rows lost",)),
    Case("journey", "evaluate with predicted classes and the column label", _evaluate, 0,
         ("'accuracy': 1.0",), "review"),
    Case("journey", "compute_metrics of a Trainer: logits and labels", _logits_of_a_trainer, 0, ("'accuracy': 1.0",)),
    Case("journey", "logits given where probabilities are meant", _metrics(np.array([[9.0, -3, 0, 0]]), [0]), 1,
         ("from 0 to 1", "by softmax", "takes logits")),
    Case("journey", "labels from 1 to 4 instead of 0 to 3", _metrics(np.full((2, 4), 0.25), [1, 4]), 1,
         ("labels hold 4", "0 to 3")),
    Case("journey", "ds.info: what it is, whom to cite, which licence", _info, 0,
         ("Simulated DECaLS galaxies", "Walmsley", "CC0-1.0", "https://", "Order of labels: smooth"), "review"),
    Case("journey", "an edition that an older version prepared, looked over", _older("check"), 1,
         ("loads, trains and is scored as before", "galaxy-zoo-decals upgrade", "without a download")),
    Case("journey", "an edition that an older version prepared, written anew", _older("upgrade"), 0,
         ("Galaxies, splits, votes and images are the same",)),
    Case("library text", "an older edition with a shard cut short, upgraded", _older_with(_cut_shard), 1,
         ("test-00000-of-00001.parquet: this file of the edition does not end as Parquet does",)),
    Case("journey", "an older edition with one's own notes in it, upgraded",
         _older_with(lambda edition: (edition / "notes.txt").write_text("mine")), 1,
         ("is an edition and holds notes.txt beside it", "Move what is not the edition's"), lacks=("is not an",)),
    Case("journey", "logits of a training that has diverged", _trainer(np.full((2, 4), np.nan)), 1,
         ("the logits hold NaN",), lacks=("probabilities",)),
    Case("journey", "logits as tensors of bfloat16", _tensors_of_bfloat16, 0, ("'accuracy': 1.0",)),
    Case("library text", "images of another size given to a model", _other_pixels, 1,
         ("(2, 3, 224, 224)", "image processor makes them"), lacks=("mat1",)),
]  # fmt: skip

"""The peer: how fast another package loads the same images, as it does by default."""

from __future__ import annotations

import contextlib
import importlib
import io
import math
import os
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch.utils.data import DataLoader

from benchmark import BenchmarkError
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.image_files import suffix
from tests.campaigns.throughput.timing import MOST, synchronize

PEER = "galaxy-datasets"
"""The PyPI package that loads Galaxy Zoo images for Zoobot."""

PEER_INSTALL = f".venv/uv/bin/uv pip install --python .venv/bin/python --no-deps {PEER} omegaconf"
"""How to have it: no more of what it asks for than loading images needs."""

PEER_IMAGES, PEER_PREFETCH = 2_000, 4
"""Images it is given at most, and the batches ahead of each of its workers (its own default)."""


class Peer:
    """The images of an edition's training galaxies as galaxy-datasets loads and augments them by default.

    It reads files, so they are written into ``folder``: the first ``PEER_IMAGES``, byte by byte as the edition
    has them. Its loader is set up as its CatalogDataModule does, with a worker a core.
    """

    def __init__(self, edition: Edition, resolution: int, batch: int, device: torch.device, folder: Path) -> None:
        transforms, dataset = _peer("transforms"), _peer("pytorch.galaxy_dataset")
        labels = list(edition.tree.answer_columns)
        catalogue = edition.table("train", ["iauname", *labels]).head(PEER_IMAGES)
        catalogue = catalogue.rename(columns={"iauname": "id_str"})
        files = []
        for i, data in enumerate(edition.images("train", catalogue["id_str"].tolist()).values()):
            files.append(folder / f"{i}.{suffix(data)}")  # it chooses its decoder by the name
            files[-1].write_bytes(data)
        catalogue["file_loc"] = [str(path) for path in files]
        # As long as any measurement: its workers would start anew with an epoch.
        catalogue = pd.concat([catalogue] * math.ceil(MOST / len(files)), ignore_index=True)
        view = transforms.default_view_config()
        view.output_size = resolution
        images = dataset.CatalogDataset(catalogue, labels, transforms.get_galaxy_transform(view))
        self.device, self.batch = device, batch
        self.workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.loader: DataLoader = DataLoader(
            images, batch_size=self.batch, shuffle=True, num_workers=self.workers, pin_memory=device.type == "cuda",
            prefetch_factor=PEER_PREFETCH, drop_last=True,
        )  # fmt: skip

    def rate(self, seconds: float) -> float:
        """Return the images a second that arrive on the device, for about so long after the workers filled up."""
        arrived, began, now = 0, 0.0, 0.0
        for i, batch in enumerate(self.loader):
            batch["image"].to(self.device, non_blocking=True)
            synchronize(self.device)
            now = time.perf_counter()
            if i < self.workers * PEER_PREFETCH:
                # The workers are only starting.
                began = now
                continue
            arrived += len(batch["image"])
            if now - began > seconds:
                break
        # Its workers end with the loop, which takes a while and is not timed: they must not disturb what comes next.
        return arrived / (now - began)


def peer_version() -> str:
    """Return the version of galaxy-datasets; BenchmarkError says how to install it where it cannot be used."""
    for module in ("transforms", "pytorch.galaxy_dataset"):
        _peer(module)
    return metadata.version(PEER)


def _peer(module: str) -> Any:
    name = PEER.replace("-", "_")
    try:
        # It prints what of it is not for everybody.
        with contextlib.redirect_stdout(io.StringIO()):
            return importlib.import_module(f"{name}.{module}")
    except ModuleNotFoundError as error:
        if str(error.name).split(".")[0] != name:
            raise BenchmarkError(f"{PEER} needs the package {error.name}; together: {PEER_INSTALL}") from None
        raise BenchmarkError(
            f"{PEER} is not installed. To compare with it, put it beside the locked packages, without the torchaudio "
            f"it asks for (it does not fit their torch): {PEER_INSTALL}"
        ) from None
    except Exception as error:  # What a package raises that does not fit the others installed is beyond knowing.
        raise BenchmarkError(f"{PEER} cannot be imported ({type(error).__name__}: {error}).") from None

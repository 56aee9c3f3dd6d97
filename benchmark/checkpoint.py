"""Checkpoints: what an interrupted training needs to go on, in one file that is whole or not there.

Nothing random is kept: order, augmentation and dropout of an epoch follow from the seed, so that a resumed training
draws what the undisturbed one would have drawn.
"""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

from benchmark import BenchmarkError
from galaxy_zoo_decals import old_words
from galaxy_zoo_decals.atomic import atomic_file

FORMAT = 2

HELD = {"images", "seconds", "step_seconds", "resumed", "finished", "begun"}
"""What a state holds at least."""

FREE = ("learning_rate",)
"""Settings that a resumed training may change: what one lowers when a loss is no longer a number."""


class Checkpoint:
    """The folder of an unfinished run, beside the place the run will take: its checkpoint and its TensorBoard log."""

    def __init__(self, out: Path, run: dict[str, Any], defaults: dict[str, Any] | None = None) -> None:
        """Take the run's folder and what the run is: model, recipe as resolved, seed and edition.

        ``defaults`` are those of its settings: a checkpoint does not know the settings that are younger than itself.
        """
        # The name ends as those of all unfinished things do: git and the leaderboard pass them over.
        self.folder = out.with_name(f"{out.name}.unfinished.partial")
        self.path = self.folder / "checkpoint.pt"
        self.run, self.defaults = run, defaults or {}

    def read(self) -> dict[str, Any] | None:
        """Return what was kept last, None if nothing was; BenchmarkError if it belongs to another run."""
        if not self.path.is_file():
            return None
        import torch  # Wrong arguments are answered before it is loaded.

        try:
            # torch.load reads a flipped bit as another weight; the archive knows a checksum of every part.
            with zipfile.ZipFile(self.path) as archive:
                if (part := archive.testzip()) is not None:
                    raise zipfile.BadZipFile(f"{part} is damaged")
            # Tensors, numbers and text alone: a checkpoint from elsewhere must not run code.
            kept = torch.load(self.path, map_location="cpu", weights_only=True)
            run, state, right = kept["run"], kept["state"], kept["format"]
            if not (isinstance(run, dict) and isinstance(state, dict) and isinstance(right, int)):
                raise TypeError
            if right == FORMAT and not state.keys() >= HELD:
                raise KeyError
        except Exception as error:  # Damaged files raise anything from UnpicklingError to KeyError.
            raise BenchmarkError(
                f"{self.path} is no readable checkpoint ({type(error).__name__}). Start anew with --overwrite."
            ) from None
        if right != FORMAT:
            raise BenchmarkError(
                f"{self.path} was kept by another version of the harness. Start anew with --overwrite."
            )
        run = self.defaults | old_words.settings(run)
        if "recipe" in run:
            run["recipe"] = old_words.name(str(run["recipe"]))
        for key in self.run | run:
            if key not in FREE and repr(run.get(key)) != repr(self.run.get(key)):
                raise BenchmarkError(
                    f"{self.path} belongs to another run: {key} was {run.get(key)!r}, now it is {self.run.get(key)!r}. "
                    "Give the same settings, another --out, or start anew with --overwrite."
                )
        return dict(state)

    def write(self, state: dict[str, Any]) -> None:
        """Keep a state of tensors, numbers, text, lists and dicts in place of the last one."""
        import torch

        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_file(self.path) as beside, beside.open("wb") as file:
            torch.save({"format": FORMAT, "run": self.run, "state": state}, file)

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

"""Batches on the device: images gathered one batch ahead, and made the numbers that networks expect."""

from __future__ import annotations

import functools
import math
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

AHEAD = 1
"""Batches gathered ahead of the one in use."""


class Pixels:
    """Images of a split as batches on a device; they stay there as a whole where they fit in half its free memory.

    With ``taken``, positions in ``images``, those alone are the split's.
    """

    def __init__(self, images: np.ndarray, device: torch.device, taken: np.ndarray | None = None) -> None:
        self.images, self.device, self.resident = images, device, None
        self.taken = np.arange(len(images)) if taken is None else taken
        self.copies = torch.cuda.Stream(device) if device.type == "cuda" else None
        shape = (len(self.taken), *images.shape[1:])
        if device.type == "cuda" and math.prod(shape) < torch.cuda.mem_get_info(device)[0] / 2:
            # Piece by piece: a survey's images as a whole need not fit into the host's memory once a process.
            self.resident = torch.empty(shape, dtype=torch.uint8, device=device)
            for first in range(0, len(self.taken), 4096):
                part = slice(first, first + 4096)
                self.resident[part] = torch.from_numpy(images[self.taken[part]]).to(device)

    def batches(self, rows: Iterable[np.ndarray]) -> Iterator[torch.Tensor]:
        """Yield the images of each batch of rows as uint8 (n, 3, side, side) on the device.

        Images that are not resident are gathered by a thread, one batch ahead of the one in use, so that reading
        overlaps computing.
        """
        if self.resident is not None:
            for chosen in rows:
                yield self.resident[torch.from_numpy(chosen).to(self.device)].permute(0, 3, 1, 2)
            return
        with ThreadPoolExecutor(1) as thread:
            coming: deque[Future[torch.Tensor]] = deque()
            for chosen in rows:
                coming.append(thread.submit(self._gather, chosen))
                if len(coming) > AHEAD:
                    yield self._arrived(coming.popleft().result())
            while coming:
                yield self._arrived(coming.popleft().result())

    def _gather(self, rows: np.ndarray) -> torch.Tensor:
        batch = torch.from_numpy(self.images[self.taken[rows]]).permute(0, 3, 1, 2)
        if self.copies is None:
            return batch
        # On a stream of its own, or the copy would wait for the step that is under way.
        with torch.cuda.stream(self.copies):
            return batch.pin_memory().to(self.device, non_blocking=True)

    def _arrived(self, batch: torch.Tensor) -> torch.Tensor:
        if self.copies is not None:
            computing = torch.cuda.current_stream(self.device)
            computing.wait_stream(self.copies)
            batch.record_stream(computing)
        return batch


def normalise(images: torch.Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
    """Return images (n, 3, h, w), from 0 to 255, as float32 (value / 255 - mean) / std, as the saved processor does."""
    scale, offset = _form(tuple(mean), tuple(std), images.device)
    return images.float() * scale - offset


@functools.cache
def _form(mean: tuple[float, ...], std: tuple[float, ...], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return factor and offset of ``normalise``, kept on the device: sent anew, each step would wait for it."""
    # Kept beyond the prediction that may have asked first.
    with torch.inference_mode(False):
        scale = torch.tensor([1 / (255 * s) for s in std], device=device).view(1, 3, 1, 1)
        offset = torch.tensor([m / s for m, s in zip(mean, std)], device=device).view(1, 3, 1, 1)
        return scale, offset

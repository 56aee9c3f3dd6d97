"""Average precision of one label, of bootstrap weights: not a function of sums, but of a weighted order."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from galaxy_zoo_decals.scoring.bootstrap import Weights, by_size, ratio, small

EXACT_RANKS, BLOCK = 1024, 0.01
"""A bootstrapped average precision is exact over the first ranks; those after them are taken in blocks of a
hundredth of their rank, which moves a draw by a hundredth of the bootstrap's own spread at most. The plain score is
always exact."""

PART = 250
"""Draws of an average precision that are taken at once: few enough for the processor's cache."""


def thresholds(scores: np.ndarray) -> np.ndarray:
    """Return which of the distinct scores each one is, from the largest (0) down, (galaxies,)."""
    order = np.argsort(-scores, kind="stable")
    out = np.empty(len(order), int)
    out[order] = np.concatenate([[0], np.cumsum(np.diff(scores[order]) != 0)])[: len(order)]
    return out.astype(small(len(order)))


def ranked_precision(
    weights: Weights, truth: np.ndarray, threshold: np.ndarray, mask: np.ndarray | None = None
) -> np.ndarray:
    """Return the weighted average precision (draws,) of one label: sum over thresholds of (R_k - R_k-1) P_k.

    NaN where no galaxy is positive. ``truth`` and ``mask`` bool and ``threshold`` of ``thresholds``, in any count with
    gaps, (galaxies,); equal scores share one (scikit-learn's definition).
    """
    rows = np.arange(len(truth)) if mask is None else np.flatnonzero(mask)
    out = np.full(weights.draws, np.nan)
    if not len(rows):
        return out
    order = rows[by_size(threshold[rows])]
    last = np.append(np.flatnonzero(np.diff(threshold[order])), len(order) - 1)
    positive = truth[order]
    hits = np.cumsum(positive)[last]
    out[0] = ratio((np.diff(hits, prepend=0) * hits / (last + 1)).sum(), hits[-1])
    if weights.draws > 1:
        out[1:] = _drawn_precision(weights, order, positive, last)
    return out


def _drawn_precision(weights: Weights, order: np.ndarray, positive: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Return the average precision of every resample, float32 (draws,); ``last`` are the thresholds' last ranks."""
    ends = last
    if len(last) > EXACT_RANKS:
        growing = EXACT_RANKS * (1 + BLOCK) ** np.arange(np.log(len(order) / EXACT_RANKS) / np.log1p(BLOCK) + 1)
        wanted = np.concatenate([np.arange(EXACT_RANKS), growing.astype(int), [len(order) - 1]])
        ends = last[np.unique(np.searchsorted(last, np.minimum(wanted, len(order) - 1)))]
    starts = np.concatenate([[0], ends[:-1] + 1])
    several = np.flatnonzero(np.searchsorted(last, ends) > np.searchsorted(last, starts))
    # The negative galaxies of every block and its positive ones: one look at the weights counts both.
    block = np.repeat(np.arange(len(ends)), ends + 1 - starts)
    group = np.full(len(weights.drawn), -1)
    group[order] = 2 * block + positive
    drawn = weights.grouped(group, 2 * len(ends)).reshape(len(ends), 2, -1)
    out = np.empty(drawn.shape[2])
    for start in range(0, len(out), PART):
        count = drawn[:, :, start : start + PART]
        summed = running(count)
        found, hits = count[:, 1].astype(np.float32), summed[:, 1].astype(np.float32)
        seen = (summed[:, 0] + summed[:, 1]).astype(np.float32)
        recalled = hits[-1].copy()
        # Within a block of several thresholds the mean positive has half of the block before it, and itself: a
        # galaxy that was drawn was drawn twice on average.
        hits[several] -= found[several] / 2 - 1
        seen[several] -= (found[several] + count[several, 0]) / 2 - 1
        hits /= np.maximum(seen, 1)  # 0 where nothing is seen, and then nothing is found
        out[start : start + PART] = ratio(np.einsum("kb,kb->b", found, hits), recalled)
    return out


def running(counts: np.ndarray) -> np.ndarray:
    """Return the running sums along the first axis of whole numbers, whose total their type holds.

    Many times as fast as cumsum, which goes down one column after the other: all blocks of some rows are summed at
    once, then the blocks.
    """
    out = counts.copy()
    size = max(int(len(out) ** 0.5), 1)
    whole = len(out) // size * size
    blocks = out[:whole].reshape(-1, size, *out.shape[1:])
    for i in range(1, size):
        blocks[:, i] += blocks[:, i - 1]
    for before, block in pairwise(blocks):
        block += before[-1]
    for i in range(whole, len(out)):
        out[i] += out[i - 1]
    return out

"""Figures of the report docs/limit.md: the best models beside the ceiling, and what probabilities are worth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from leaderboard.render.limit.standings import CEILING, PANELS

if TYPE_CHECKING:
    from leaderboard.render.limit.standings import Edition

BLUE, RUST, GREEN = "#24415f", "#b4632d", "#5b8f77"


def _drawing() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "limit"
    import matplotlib.pyplot as plt

    return plt


def ceiling(editions: dict[str, Edition], path: Path) -> None:
    """Draw the best model of each board beside ten volunteers and the ceiling, by class and by question.

    Of editions whose votes are counted alone: others have no ceiling.
    """
    plt = _drawing()
    editions = {name: edition for name, edition in editions.items() if edition.counted_votes}
    shown = (("multiclass", "f1", "F1 of each class"), ("votes", "accuracy", "accuracy on each question"))
    fig, axes = plt.subplots(2, len(editions), figsize=(5.2 * len(editions), 6.6), height_ratios=(4, 11), squeeze=False)
    for column, edition in enumerate(editions.values()):
        for row, (board, score_of, title) in enumerate(shown):
            ax = axes[row][column]
            name, score = next(iter(edition.on(board).items()))
            counted = [r for r in score.rows if r["counted"]]
            for y, r in enumerate(counted):
                top = edition.reference_of(board, r["name"], score_of, CEILING)
                panel = edition.reference_of(board, r["name"], score_of, PANELS[0])
                ax.plot([top], [y], "|", color=GREEN, ms=11, mew=1.5)
                ax.plot([panel], [y], "D", color=RUST, ms=4, mfc="none")
                inside = [abs(r[score_of] - r[f"{score_of}_{end}"]) for end in ("low", "high")]
                ax.errorbar(r[score_of], y, xerr=np.array([inside]).T, fmt="o", color=BLUE, ms=4, lw=1.2)
            ax.set_yticks(range(len(counted)), [r["name"].replace("-", " ") for r in counted], fontsize=8)
            ax.set_ylim(len(counted) - 0.4, -0.6)
            lowest = min(r[f"{score_of}_low"] for r in counted)
            ax.set_xlim(min(0.4, np.floor(10 * lowest) / 10), 1.02)
            ax.tick_params(axis="x", labelsize=8)
            ax.grid(axis="x", color="#e4e4e4", lw=0.6)
            ax.spines[["top", "right", "left"]].set_visible(False)
            ax.set_title(f"{edition.key[0]}: {title}\n{edition.entries[name].title}", fontsize=8.5, loc="left")
    marks = [
        plt.Line2D([], [], color=BLUE, marker="o", ms=4, lw=1.2),
        plt.Line2D([], [], color=RUST, marker="D", mfc="none", ms=4, lw=0),
        plt.Line2D([], [], color=GREEN, marker="|", ms=11, mew=1.5, lw=0),
    ]
    words = ["best model, 95 % interval", "10 volunteers", "noise ceiling"]
    fig.legend(marks, words, loc="lower center", ncols=3, fontsize=8, frameon=False)
    fig.tight_layout(rect=(0, 0.035, 1, 1))
    fig.savefig(path, metadata={"Date": None})
    plt.close(fig)


def calibration(editions: dict[str, Edition], path: Path) -> None:
    """Draw how often each model of four classes is right, by how sure it is."""
    plt = _drawing()
    fig, axes = plt.subplots(1, len(editions), figsize=(4.6 * len(editions), 6.2), squeeze=False)
    for ax, edition in zip(axes[0], editions.values()):
        ax.plot([0.25, 1], [0.25, 1], color="#999999", lw=0.8, ls=":")
        for number_, (name, score) in enumerate(edition.on("multiclass").items()):
            points = score.curves["reliability"]
            ax.plot(
                [p["confidence"] for p in points],
                [p["accuracy"] for p in points],
                marker="osD^vPX"[number_ % 7],
                ms=3,
                lw=0.9,
                label=edition.entries[name].title,
            )
        ax.set_xlim(0.25, 1.01)
        ax.set_ylim(0.2, 1.02)
        ax.set_aspect("equal")
        ax.set_xlabel("probability of the class named", fontsize=8)
        ax.set_ylabel("how often it is the true class", fontsize=8)
        ax.set_title(edition.title, fontsize=8.5, loc="left")
        ax.tick_params(labelsize=8)
        ax.grid(color="#eeeeee", lw=0.6)
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(fontsize=7.5, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.13))
    fig.tight_layout()
    fig.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    plt.close(fig)


FIGURES: dict[str, Callable[[dict[str, Edition], Path], None]] = {
    "limit-ceiling.svg": ceiling,
    "limit-calibration.svg": calibration,
}

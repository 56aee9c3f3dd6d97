"""A toy sky for tests: ellipses whose look follows the votes, cheap enough to draw by the hundred."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from galaxy_zoo_decals.schema import GZD5, Tree


def draw_votes(rng: np.random.Generator, tree: Tree, total: int, probabilities: dict[str, list[float]]) -> dict:
    """Votes of one galaxy down the tree, by column name."""
    counts: dict[tuple[str, str], int] = {}
    row: dict[str, int] = {}
    for q in tree.questions:
        n = sum(counts[parent] for parent in q.parents) if q.parents else total
        p = np.asarray(probabilities.get(q.name, [1 / len(q.answers)] * len(q.answers)), float)
        for answer, column, k in zip(q.answers, q.columns, rng.multinomial(n, p / p.sum())):
            counts[q.name, answer] = row[column] = int(k)
        row[q.total] = n
    return row


def galaxy(rng: np.random.Generator, tree: Tree = GZD5) -> tuple[dict, np.ndarray]:
    """One galaxy: its votes (about 40) and its image (96 x 96 x 3, uint8)."""
    kind = rng.choice(
        ["round", "edge-on", "spiral", "disc", "merger", "artifact"], p=[0.28, 0.2, 0.25, 0.12, 0.1, 0.05]
    )
    featured = {"round": 0.1, "edge-on": 0.85, "spiral": 0.9, "disc": 0.65, "merger": 0.5, "artifact": 0.1}[kind]
    artifact = 0.8 if kind == "artifact" else 0.03
    edge_on = 0.95 if kind == "edge-on" else 0.03
    spiral = 0.92 if kind == "spiral" else 0.08
    odd = 0.9 if kind == "merger" else 0.05
    probabilities = {
        "smooth-or-featured": [*np.multiply([1 - featured, featured], 1 - artifact), artifact],
        "disk-edge-on": [edge_on, 1 - edge_on],
        "has-spiral-arms": [spiral, 1 - spiral],
        "merging": [1 - odd, odd * 0.1, odd * 0.2, odd * 0.7],
        "odd": [odd, 1 - odd],
    }
    votes = draw_votes(rng, tree, int(rng.integers(36, 46)), probabilities)
    y, x = np.mgrid[-48:48, -48:48].astype(float)
    angle, axis = rng.uniform(0, np.pi), 0.18 if kind == "edge-on" else rng.uniform(0.75, 1)
    u, v = x * np.cos(angle) + y * np.sin(angle), (-x * np.sin(angle) + y * np.cos(angle)) / axis
    r, theta = np.hypot(u, v), np.arctan2(v, u)
    light = np.exp(-r / 12)
    if kind == "spiral":
        light = light * (1 + 0.9 * np.cos(2 * theta + 4 * np.log(r + 2)))
    if kind == "merger":
        light = light + 0.8 * np.exp(-np.hypot(x - 18, y - 10) / 6)
    colour = np.array([1.0, 0.85, 0.6]) if kind == "round" else np.array([0.8, 0.85, 1.0])
    if kind == "artifact":
        light = light * 0.2 + np.exp(-np.abs(u) / 2)
    image = 20 + 210 * light[..., None] * colour + rng.normal(0, 6, (96, 96, 3))
    return votes, image.clip(0, 255).astype(np.uint8)


def write_catalogue(folder: Path, galaxies: int = 150, seed: int = 0) -> tuple[Path, Path]:
    """Write votes.csv with GZD-5 columns and images/<iauname>.png; returns both paths.

    Positions alternate between sky cells, so that every split has galaxies.
    """
    rng = np.random.default_rng(seed)
    images = folder / "images"
    images.mkdir(parents=True)
    rows = []
    for i in range(galaxies):
        votes, image = galaxy(rng)
        ra, dec = (i * 7.31) % 360, (i * 0.77) % 40 - 5
        row = {"iauname": f"J{i:06d}.00+{i % 90:02d}0000.0", "ra": ra, "dec": dec, "redshift": 0.05, "mag_r": 16.5}
        row |= {"petro_th50": 4.0, "petro_th90": 9.0, "upload_group": "pre_active", "wrong_size_warning": False}
        rows.append(row | votes)
        Image.fromarray(image).save(images / f"{row['iauname']}.png")
    path = folder / "votes.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path, images

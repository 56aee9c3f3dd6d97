"""Contact sheets: galaxies of each class side by side with their votes, for looking at an edition."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from galaxy_zoo_decals.astronomy.portrait import decoded
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.schema import CLASSES

THUMBNAIL = 160
COLUMNS = 8
CAPTION = 46
MARGIN = 8
INK, QUIET, PAPER = (235, 235, 235), (160, 165, 175), (18, 20, 26)


def contact_sheet(edition: Edition, split: str = "test", rows_each: int = 2) -> Image.Image:
    """Return a sheet with up to ``rows_each`` rows of 8 galaxies of each class and of those without one.

    The galaxies are the first of the split in its frozen order: unselected. Under each stand its name, its largest
    vote fractions and, for a simulated edition, the visible truth.
    """
    tree = edition.tree
    table = edition.table(split)
    first = tree.questions[0]
    groups = {name: np.flatnonzero(table["label"] == c) for c, name in enumerate(CLASSES)}
    groups["no class given"] = np.flatnonzero(table["label"] < 0)
    groups = {name: rows[: rows_each * COLUMNS] for name, rows in groups.items() if len(rows)}
    images = edition.images(split, list(table["iauname"].iloc[np.concatenate(list(groups.values()))]))

    cell = THUMBNAIL + MARGIN
    heights = {name: 34 + -(-len(rows) // COLUMNS) * (THUMBNAIL + CAPTION) for name, rows in groups.items()}
    sheet = Image.new("RGB", (COLUMNS * cell + MARGIN, sum(heights.values()) + 68), PAPER)
    draw = ImageDraw.Draw(sheet)
    head, small = ImageFont.load_default(20), ImageFont.load_default(12)
    draw.text((MARGIN, 10), f"{edition.title}: {split} split, unselected", INK, head)
    word = "votes" if edition.terms.counted_votes else "votes assumed"
    legend = f"{word}: {' / '.join(first.answers)}"
    if f"visible_{first.columns[0]}" in table.columns:
        legend += "; truth: the probabilities they were drawn with"
    draw.text((MARGIN, 34), f"{legend}. {edition.terms.credit}", QUIET, small)
    top = 56
    for name, rows in groups.items():
        total = int((table["label"] == CLASSES.index(name)).sum()) if name in CLASSES else len(table)
        words = f"{name}: {total:,} galaxies" if name in CLASSES else name
        draw.text((MARGIN, top + 6), words, INK, head)
        for i, row in enumerate(rows):
            galaxy = table.iloc[row]
            x, y = MARGIN + (i % COLUMNS) * cell, top + 34 + i // COLUMNS * (THUMBNAIL + CAPTION)
            thumbnail = decoded(edition.path, galaxy["iauname"], images.get(galaxy["iauname"]) or b"")
            sheet.paste(thumbnail.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS), (x, y))
            votes = "votes " + "  ".join(str(galaxy[c]) for c in first.columns)
            draw.text((x, y + THUMBNAIL + 2), galaxy["iauname"], INK, small)
            draw.text((x, y + THUMBNAIL + 15), votes, QUIET, small)
            seen = [f"visible_{c}" for c in first.columns]
            if seen[0] in table.columns:
                truth = "truth " + "  ".join(f"{galaxy[c]:.2f}" for c in seen)
                draw.text((x, y + THUMBNAIL + 28), truth, QUIET, small)
        top += heights[name]
    return sheet

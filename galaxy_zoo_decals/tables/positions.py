"""Positions in the sky as tables hold them: the range they have in degrees, and what other spellings mean."""

from __future__ import annotations

import re

import numpy as np

LIMITS = {"ra": (-360.0, 360.0), "dec": (-90.0, 90.0)}
"""Positions in the sky, degrees: splits are made of them."""


def no_position(column: str, value: object) -> str:
    """Return why a value is no position in degrees, with what it may be instead."""
    low, high = LIMITS[column]
    said = f"which is no position: {column!r} is in degrees, from {low:g} to {high:g}"
    found = re.fullmatch(r"\s*([+-]?)(\d{1,3})[:h d](\d{1,2})[:m '](\d{1,2}(?:\.\d*)?)[s\"]?\s*", str(value))
    if not found:
        return said
    degrees = int(found[2]) + int(found[3]) / 60 + float(found[4]) / 3600
    degrees *= (15 if column == "ra" else 1) * (-1 if found[1] == "-" else 1)
    kind = "hours, minutes and seconds" if column == "ra" else "degrees, minutes and seconds"
    return f"{said}; it looks like {kind}, which are {degrees:.6f} degrees"


def shown(value: object) -> str:
    """Return a value as a reader of the file knows it."""
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 60 else f"{text[:60]}..."

"""Amounts of data and times as a person reads them."""

from __future__ import annotations


def amount(size: float) -> str:
    """Return a number of bytes as a person reads it: 40.5 MB, 104 GB."""
    for unit, step in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= step:
            return f"{size / step:.1f} {unit}" if size < 100 * step else f"{size / step:,.0f} {unit}"
    return f"{size:.0f} B"


def duration(seconds: float | None) -> str:
    """Return a time as a person reads it: 12 s, 4 min, 2.5 h, 3 days."""
    if seconds is None:
        return "?"
    for unit, step in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 1.5 * step:
            return f"{seconds / step:.1f} {unit}" if seconds < 10 * step else f"{seconds / step:.0f} {unit}"
    return f"{max(seconds, 1):.0f} s"

"""Kinds of values that files from outside may hold: each has its words, so that one sentence says what is wrong."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of value: ``wanted`` says what it is, ``holds`` whether a value is of it."""

    wanted: str
    holds: Callable[[object], bool]

    def problem(self, key: str, value: object) -> str:
        """Return what is wrong with a key's value, in some words of one line; empty if nothing is."""
        return "" if self.holds(value) else f"{key} is {reprlib.repr(value)}, not {self.wanted}"


def whole(least: int, most: int) -> Kind:
    """Return the kind of whole numbers between two, both included; true and false are none."""
    return Kind(
        f"a whole number from {least:,} to {most:,}",
        lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most,
    )


def number(least: float, most: float) -> Kind:
    """Return the kind of finite numbers between two, both included; true and false are none."""
    return Kind(f"a number from {least:g} to {most:g}", lambda value: _is_number(value) and least <= value <= most)  # type: ignore[operator]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def several(kind: Kind, least: int, most: int) -> Kind:
    """Return the kind of lists of ``least`` to ``most`` values of a kind."""
    count = str(least) if least == most else f"{least} to {most}"
    return Kind(
        f"a list of {count}, each {kind.wanted}",
        lambda value: isinstance(value, list | tuple) and least <= len(value) <= most and all(map(kind.holds, value)),
    )


def choice(*names: str) -> Kind:
    """Return the kind of one of some words."""
    return Kind(f"one of {', '.join(names)}", lambda value: isinstance(value, str) and value in names)


def or_none(kind: Kind) -> Kind:
    """Return the kind of what may also be null."""
    return Kind(f"{kind.wanted}, or null", lambda value: value is None or kind.holds(value))


FLAG = Kind("true or false", lambda value: isinstance(value, bool))

TEXT = Kind("a name of at most 200 characters", lambda value: isinstance(value, str) and 0 < len(value) <= 200)

CHANNELS = Kind("1 or 3", lambda value: isinstance(value, int) and not isinstance(value, bool) and value in (1, 3))
"""Channels that a network of galaxies sees: their mean, or the three colours."""

MIN_CONCENTRATION = number(1e-6, 1e3)
"""Smallest concentration of a Dirichlet model: what it predicts, up to 100 more, and every mixture of that stays inside
what a prediction file may hold."""

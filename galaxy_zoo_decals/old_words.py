"""Old words for settings, recipes and cleaning presets: the one table that says what each is called now.

Runs, checkpoints, saved models and command lines of before keep the old words; whoever reads them asks here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

SETTINGS = {
    "average": "ema_decay",
    "balance": "class_balance",
    "balance_by": "class_balance_by",
    "least": "min_concentration",
}
"""Settings of a recipe, and the keys of a saved model's config that come from them."""

NAMES = {"paper": "student"}
"""Recipes and cleaning presets. ``student`` is that of the student work, which is no paper."""


def setting(key: str) -> str:
    """Return a setting's name of today."""
    return SETTINGS.get(key, key)


def name(word: str) -> str:
    """Return a recipe's or a cleaning preset's name of today."""
    return NAMES.get(word, word)


def settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings under their names of today, in order; where a setting stands under both, today's counts."""
    return {setting(key): value for key, value in values.items() if key == setting(key) or setting(key) not in values}


def recipe(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the name and the settings of a recipe, as in run.json, under their names of today."""
    return settings(facts) | ({"name": name(str(facts["name"]))} if "name" in facts else {})


def notes(words: Mapping[str, str], given: Iterable[str]) -> list[str]:
    """Return one line for each old word among those that were given."""
    return [f"{word} is called {words[word]} now" for word in dict.fromkeys(given) if word in words]

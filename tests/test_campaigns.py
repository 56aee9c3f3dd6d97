"""Campaigns run by hand: at least they begin."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CAMPAIGNS = sorted(path.stem for path in (ROOT / "tests" / "campaigns").glob("*.py"))


@pytest.mark.parametrize("name", CAMPAIGNS)
def test_a_campaign_finds_all_it_imports(name: str) -> None:
    assert importlib.import_module(f"tests.campaigns.{name}").__doc__


def test_every_campaign_of_the_makefile_is_there_and_says_what_it_measured() -> None:
    makefile, index = (ROOT / "Makefile").read_text(), (ROOT / "docs" / "evidence" / "README.md").read_text()
    called = set(re.findall(r"tests[./]campaigns[./](\w+)", makefile))
    runnable = {name for name in CAMPAIGNS if "__main__" in (ROOT / "tests" / "campaigns" / f"{name}.py").read_text()}
    runnable |= {main.parent.name for main in (ROOT / "tests" / "campaigns").glob("*/__main__.py")}
    assert called == runnable and len(called) > 10
    for target in re.findall(r"^campaign-([a-z0-9-]+):", makefile, re.MULTILINE):
        assert f"make campaign-{target}" in index, f"docs/evidence/README.md names no result of campaign-{target}"
    for table in re.findall(r"\]\(([\w-]+\.md)\)", index):
        assert (ROOT / "docs" / "evidence" / table).is_file()

"""Tables of votes as people have them."""

from __future__ import annotations

from pathlib import Path

from galaxy_zoo_decals import cli
from tests.campaigns.first_contact.case import Case, Outcome, call, unchanged
from tests.toys import write_catalogue


def _semicolons(folder: Path) -> Outcome:
    votes, images = write_catalogue(folder)
    votes.write_text(votes.read_text().replace(",", ";"))
    with unchanged(votes):
        return call(cli.main, "prepare", "catalogue", "--votes", votes, "--images", images, "--out", folder / "mine")


CASES = [
    Case(
        "format", "a vote table with semicolons, as a spreadsheet of half of Europe saves it", _semicolons, 0,
        ("mine",), "review",
    ),
]  # fmt: skip

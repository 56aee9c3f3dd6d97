"""Where the truth of an edition is no counts of volunteers, nothing gives a ceiling, a panel or a number of volunteers.

What an edition's truth is stands in one field, ``truth`` of edition.json and of the frozen version. Pages carry it
(``data-truth``), and every page, table, card and report is looked through for claims that such an edition cannot bear.
"""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element

import html5lib
import numpy as np
import pytest

from galaxy_zoo_decals.contact_sheet import contact_sheet
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.predictions import Predictions
from galaxy_zoo_decals.prepare.builder import build
from galaxy_zoo_decals.scoring import Truth, score
from galaxy_zoo_decals.sources.kaggle import GZ2Challenge
from leaderboard.__main__ import main
from leaderboard.check import report
from leaderboard.entry import versions
from leaderboard.entry.truths import BENCHMARK, Truths
from leaderboard.files import DATA as HERE
from leaderboard.ranking import entries, stored_references
from leaderboard.render import hub_export
from tests.test_gz2 import challenge  # noqa: F401 (a fixture)

CLAIM = re.compile(r"volunteer|ceiling|panels? of|\bskill\b|\boracle\b", re.IGNORECASE)
"""Words that make a claim about volunteers wherever they stand in a table, a title or a legend."""

EXEMPT = {"about-truth", "own-words"}
"""The note that says why there is no ceiling, a correction, and what submitters wrote themselves."""

COUNTED = "counts"

FROZEN = {
    frozen.title: frozen.terms.counted_votes
    for version in versions.read(BENCHMARK)
    for frozen in version.editions.values()
}


def _said(element: Element, truth: str | None, found: list[str]) -> None:
    truth = element.get("data-truth", truth)
    if EXEMPT & set(element.get("class", "").split()) or element.tag in ("script", "style", "header", "footer"):
        return
    if truth not in (None, COUNTED):
        words = [element.text or "", *(element.get(name, "") for name in ("title", "aria-label", "alt", "content"))]
        words += [child.tail or "" for child in element]
        found += [f"{element.tag}: {text.strip()}" for text in words if CLAIM.search(text)]
    elif element.tag in ("caption", "h1", "h2", "h3", "h4", "summary"):
        told = "".join(element.itertext())
        # What is about such an edition stands inside of what says what its truth is.
        outside = truth is None and not any(child.get("data-truth") for child in element.iter())
        if outside and any(title in told for title, counted in FROZEN.items() if not counted):
            found.append(f"{element.tag}: {told.strip()} stands outside of any data-truth")
    for child in element:
        _said(child, truth, found)


def claims(html: str) -> list[str]:
    """Return what a page claims of editions whose truth is no counts; empty if nothing."""
    found: list[str] = []
    _said(html5lib.parse(html, namespaceHTMLElements=False), None, found)
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("claims") / "site"
    assert main(["site", "--out", str(out)]) == 0
    return out


def test_no_page_claims_volunteers_where_none_were_counted(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    found = {str(path.relative_to(site)): claims(path.read_text()) for path in pages}
    assert {name: said for name, said in found.items() if said} == {}
    told = {path: re.findall(r'data-truth="(\w+)"', path.read_text()) for path in pages}
    about = [path.relative_to(site).parts[0] for path, truths in told.items() if "likelihoods" in truths]
    assert {"boards", "compare", "entries", "versions", "index.html", "ceilings.html", "cost.html"} <= set(about)
    for path in (site / "boards").glob("gz2-*.html"):
        assert "The truth here is published likelihoods" in path.read_text() and "Class prior" not in path.read_text()


def test_a_page_that_does_is_found(site: Path) -> None:
    """Pages of counted votes, taken for those of likelihoods; and one wrong row in a right page."""
    for name in ("boards/simulated-votes.html", "ceilings.html", "index.html", "boards/sample-multiclass.html"):
        text = (site / name).read_text()
        assert claims(text) == []
        assert claims(text.replace('data-truth="counts"', 'data-truth="likelihoods"')) != [], name
    board = (site / "boards" / "gz2-multiclass.html").read_text()
    row = '<tr><td class="rank">–</td><th scope="row">noise ceiling</th></tr>'
    assert claims(board.replace('<tbody class="below">', f'<tbody class="below">{row}', 1)) == ["th: noise ceiling"]
    assert claims(board.replace("<caption>", "<caption>What volunteers say · ", 1)) != []
    (title,) = (title for title, counted in FROZEN.items() if not counted)
    assert claims(f"<main><table><caption>Accuracy · {title}</caption></table></main>") != []


def test_no_table_beside_the_pages_holds_one(site: Path) -> None:
    files = sorted((site / "boards").glob("gz2-*.csv"))
    assert len(files) == 4
    for path in files:
        rows = list(csv.DictReader(path.read_text().splitlines()))
        assert {row["entry"] for row in rows if row["kind"] == "reference"} == {"class prior"}
        assert not CLAIM.search(path.read_text()) and not CLAIM.search(path.with_suffix(".json").read_text()), path
    assert "equivalent_volunteers" in (site / "boards" / "simulated-votes.csv").read_text()


def test_the_references_and_scores_that_are_read_hold_none() -> None:
    for key, boards in stored_references.read(HERE / "scores").items():
        for board, rows in boards.items():
            assert (rows.keys() == {"class prior"}) == (key[0] == "gz2"), (key, board)
    stored = json.loads(next((HERE / "scores" / "references").glob("gz2-*.json")).read_text())
    assert not CLAIM.search(json.dumps(stored))


def sentences(text: str) -> list[str]:
    """Return what Markdown says of editions whose truth is no counts in a way that it may not.

    Below the title of such an edition no table has a column or row of volunteers; and no sentence about it says a
    number of volunteers, or what an oracle scores.
    """
    found, here = [], True
    for line in text.splitlines():
        named = next((counted for title, counted in FROZEN.items() if f"**{title}**" in line), None)
        here = here if named is None else named
        if line.startswith("#"):
            here = True
        if not here and line.startswith("|") and CLAIM.search(line):
            found.append(line)
    number = r"(?:\d[\d.,]*%?|ten|five|forty)(?: \[[^\]]*\])?"
    worth = re.compile(rf"{number} volunteers|oracle to|ceiling (?:is|of|to) {number}|worth {number}", re.IGNORECASE)
    for sentence in re.split(
        r"(?<=[a-z\]%)])\. |\n\n|\n\d+\. ", text.replace("\n", " ") if "\n\n" not in text else text
    ):
        about = re.search(r"kaggle|\bgz2\b", sentence, re.IGNORECASE)
        if re.search(r"real votes|galaxies of Galaxy Zoo 2", sentence):  # others, whose volunteers were counted
            continue
        if about and not sentence.lstrip().startswith("|") and worth.search(sentence):
            found.append(sentence)
    return found


def test_a_document_that_does_is_found() -> None:
    (title,) = (title for title, counted in FROZEN.items() if not counted)
    assert sentences(f"**{title}**, 1,000 test galaxies:\n\n| *noise ceiling* | 0.9 |")
    assert sentences("On the Kaggle galaxies the best entry is worth 12.7 [11.2, 14.5] volunteers.")
    assert sentences("On the Kaggle galaxies it is right in 78.4 %, the oracle to 88.1 %.")
    assert not sentences("On real votes the Dirichlet model, trained on the Kaggle values, is worth 5.0 volunteers.")
    assert not sentences("On simulated galaxies it is worth 8.0 [7.5, 8.6] volunteers.")


def test_no_report_of_a_command_claims_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truths = Truths.on_this_machine([], [])
    shown, _ = entries.submitted(HERE, truths)
    mine = [e for e in shown if any(key[0] == "gz2" for key in e.editions)]
    references = stored_references.read(HERE / "scores")
    for entry in mine[:3]:
        places = report.standings(entry, shown, references)
        assert places and {d.name for place in places for d in place.references} == {"class prior"}
        checked = report.Checked(
            slug=entry.slug, title="T", files=1, rescored=1, faults=[], notes=[], flags=[], standings=places
        )
        text = report.markdown(report.Report(faults=[], submissions=[checked]))
        assert not CLAIM.search(text + "\n".join(report.words(places)))
        for path in hub_export.write(entry, truths, "org/name", None, tmp_path / entry.slug):
            assert not CLAIM.search(path.read_text()), path
    assert main(["results"]) == 0
    assert sentences(capsys.readouterr().out) == []
    known = next(e for e in shown if e.slug.endswith("best-simulated"))
    assert "noise ceiling" in str(report.standings(known, shown, references)), "where votes are counted it stands"


def test_no_card_claims_one(challenge: Path, tmp_path: Path) -> None:  # noqa: F811 (the fixture)
    build(GZ2Challenge(challenge, tests=15), tmp_path / "gz2", name="gz2", size=32)
    edition = Edition(tmp_path / "gz2")
    text = (edition.path / "README.md").read_text()
    left = " ".join(text.split()).replace("They are not what volunteers said of a picture", "")
    # Words that every edition has, of galaxies that are left out.
    left = left.replace("volunteers saw another scale", "")
    assert not CLAIM.search(left), [left[m.start() - 60 : m.end() + 60] for m in CLAIM.finditer(left)]
    assert "debiased likelihoods" in text and "not what volunteers said" in text
    assert contact_sheet(edition).size[0] > 0
    card = (Edition.open("sample").path / "README.md").read_text()
    assert "noise ceilings" in card or "volunteers" in card, "an edition of counted votes speaks of them"


def test_the_words_follow_from_the_truth_alone() -> None:
    """The same galaxies and the same predictions, once as counts and once as likelihoods: the field decides."""
    edition = Edition.open("sample")
    counted = Truth.of(edition)
    said = Predictions("votes", "sample", counted.content_hash, counted.split_hash, 0, counted.names,
                       np.asarray(counted.votes + 0.5, float))  # fmt: skip
    as_likelihoods = replace(counted, terms=replace(counted.terms, truth="likelihoods"))
    assert CLAIM.search(score(counted, said)["votes"].report())
    for result in score(as_likelihoods, said).values():
        assert not CLAIM.search(result.report() + json.dumps(result.to_json()))

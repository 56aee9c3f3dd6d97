"""The site: same bytes twice, hostile text stays text, links resolve, nothing that may not be shown is.

In Chromium: silent, offline, readable without scripts, accessible in both themes, sorted by keyboard.
"""

from __future__ import annotations

import csv
import dataclasses
import html
import http.server
import json
import math
import mimetypes
import re
import shlex
import shutil
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import html5lib
import numpy as np
import pytest

from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.predictions import Predictions
from galaxy_zoo_decals.prepare.builder import build as build_edition
from galaxy_zoo_decals.schema import GZ2
from galaxy_zoo_decals.scoring import BOARDS, Truth
from galaxy_zoo_decals.sources.kaggle import GZ2Challenge
from leaderboard.__main__ import main
from leaderboard.entry.run_json import Curve, Point
from leaderboard.entry.truths import Truths
from leaderboard.ranking import entries, stored_references, ties
from leaderboard.render import (
    columns,
    comparisons,
    costs,
    data_page,
    forest,
    galaxies,
    galaxy_bars,
    jinja,
    svg,
    thumbnails,
    verdicts,
)
from leaderboard.render import site as render
from tests.test_claims import claims
from tests.test_gz2 import write_challenge
from tests.test_leaderboard import fill_in
from tests.test_leaderboard_runs import MODELS, guess, write_run
from tests.toys import draw_votes

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page as BrowserPage

HOSTILE = (
    "<script>alert(1)</script> \"><img src=x onerror=alert(2)> {{ 7 * 7 }} [click](javascript:alert(3)) & 'quotes'"
)
LONG = "Longnamewithoutanybreak" * 8


LEADERBOARD = Path(__file__).parents[1] / "leaderboard"


class Page(HTMLParser):
    """What a page refers to, its ids and its tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.ids: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.tags.append((tag, given))
        self.references += [v for k, v in attributes if k in ("href", "src") and v is not None]
        self.ids += [v for k, v in attributes if k == "id" and v is not None]
        if tag not in ("meta", "link", "img", "br", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()


@pytest.fixture(scope="session")
def board(toy_edition: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A leaderboard with one hostile submission and a runs folder with all models."""
    root = tmp_path_factory.mktemp("site") / "leaderboard"
    shutil.copytree(LEADERBOARD / "literature", root / "literature")
    shutil.copytree(LEADERBOARD / "scores" / "references", root / "scores" / "references")
    for model in MODELS:
        for seed in (0, 1) if model == "dirichlet" else (0,):
            write_run(toy_edition, root / "runs", model, seed=seed)
    other = root / "elsewhere"
    run = write_run(
        toy_edition, other, "multiclass", seed=5, skill=0.8, title=HOSTILE, command=HOSTILE,
        recipe={"name": HOSTILE, "note": HOSTILE},
    )  # fmt: skip
    common = ["--root", str(root), "--edition", str(toy_edition)]
    assert main(["submit", str(run), "--name", HOSTILE, "--authors", HOSTILE, LONG, "--date", "20260102", *common]) == 0
    (folder,) = (root / "submissions").iterdir()
    fill_in(folder, description=HOSTILE, training_data=HOSTILE, contact=HOSTILE)
    (folder / "citation.bib").write_text("@misc{me, title = {<script>alert(5)</script>}}\n")
    (folder / "README.md").write_text(f"# {HOSTILE}\n\n![picture](https://example.org/x.png) {HOSTILE} <b>bold</b>\n")
    assert main(["score", *common]) == 0
    assert main(["check", *common]) == 1  # such texts are refused; should one be merged, the site escapes it
    return root


def build(board: Path, edition: Path, out: Path) -> Path:
    """Build the site of a leaderboard with its local runs."""
    words = ["--runs", str(board / "runs"), "--root", str(board), "--edition", str(edition)]
    assert main(["site", *words, "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="session")
def site(board: Path, toy_edition: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    return build(board, toy_edition, tmp_path_factory.mktemp("built") / "site")


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A leaderboard without entries; the stored references save their computation."""
    root = tmp_path_factory.mktemp("bare")
    shutil.copytree(LEADERBOARD / "scores" / "references", root / "scores" / "references")
    return root


def pages(site: Path) -> list[Path]:
    """Return all pages of a site."""
    return sorted(site.rglob("*.html"))


def test_the_same_input_gives_the_same_bytes(site: Path, board: Path, toy_edition: Path, tmp_path: Path) -> None:
    again = build(board, toy_edition, tmp_path / "site")
    first = {p.relative_to(site): p.read_bytes() for p in site.rglob("*") if p.is_file()}
    second = {p.relative_to(again): p.read_bytes() for p in again.rglob("*") if p.is_file()}
    assert first.keys() == second.keys()
    assert [str(k) for k in first if first[k] != second[k]] == []


def test_every_page_is_there_and_says_its_edition(site: Path) -> None:
    names = {p.relative_to(site).as_posix() for p in pages(site)}
    singles = ("index", "methodology", "404", "ceilings", "cost", "rules", "submit", "changelog", "versions")
    assert {f"{name}.html" for name in singles} <= names
    assert {f"data/toy{part}.html" for part in ("", "-tree", "-spiral", "-irregular")} <= names
    assert {f"compare/toy-{task}.html" for task in ("multiclass", "multilabel", "hierarchical")} <= names
    assert len([name for name in names if name.startswith("versions/")]) == 2
    assert {f"boards/toy-{task}.html" for task in ("multiclass", "multilabel", "hierarchical", "votes")} <= names
    assert {f"entries/local-toy-{model}.html" for model in MODELS} <= names
    title = json.loads(next(site.parents[1].glob("**/toy/edition.json")).read_text())["title"]
    for page in [*site.glob("boards/toy-*.html"), site / "data/toy.html"]:
        captions = re.findall(r"<caption[^>]*>(.*?)</caption>", page.read_text(), re.DOTALL)
        assert captions and any(title in c for c in captions)


def test_links_resolve_and_tags_close(site: Path) -> None:
    check_links(site)


def check_links(site: Path) -> None:
    """Assert that tags close, ids are unique and every link within a site leads to a file and an id."""
    parsed = {p.resolve(): Page(p.read_text()) for p in pages(site)}
    for path, page in parsed.items():
        assert page.open == [], path
        assert len(page.ids) == len(set(page.ids)), (path, [i for i in page.ids if page.ids.count(i) > 1])
        for reference in page.references:
            if reference.startswith("https://"):
                continue
            assert ":" not in reference, f"{path}: {reference}"
            file, _, anchor = reference.partition("#")
            file = file.partition("?")[0]
            # Of a page that is served at any depth one link is for addresses one folder down.
            start = path.parent / "entries" if path.name == "404.html" and file.startswith("../") else path.parent
            target = (start / file).resolve() if file else path
            assert target.is_file(), f"{path}: {reference}"
            if anchor:
                assert anchor in parsed[target].ids, f"{path}: {reference}"


def test_tables_have_captions_and_heads_and_images_have_words(site: Path) -> None:
    for path in pages(site):
        page = Page(path.read_text())
        tags = [tag for tag, _ in page.tags]
        assert tags.count("table") == tags.count("caption") and tags.count("h1") == 1
        assert all("scope" in given for tag, given in page.tags if tag == "th"), path
        assert all(len(given.get("alt") or "") > 10 for tag, given in page.tags if tag == "img"), path
        # A page that is served at any depth has no address for files of its own.
        assert path.name == "404.html" or not [
            given
            for tag, given in page.tags
            if tag == "script" and "src" not in given and given.get("type") != "application/json"
        ]


def test_hostile_text_stays_text(site: Path) -> None:
    (entry,) = [p for p in site.glob("entries/*.html") if not p.name.startswith("local-")]
    text = entry.read_text()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text and "{{ 7 * 7 }}" in text and LONG in text
    assert "@misc{me, title = {&lt;script&gt;alert(5)&lt;/script&gt;}}" in text
    for path in pages(site):
        page = Page(path.read_text())
        assert not [given for _, given in page.tags if any(name.startswith("on") for name in given)]
        assert not [r for r in page.references if r.startswith(("javascript:", "data:", "http:"))]
        assert not [given for tag, given in page.tags if tag == "img" and "example.org" in (given.get("src") or "")]


def test_pages_and_images_are_small(site: Path) -> None:
    for path in pages(site):
        page = Page(path.read_text())
        images = {(path.parent / r).resolve() for r in page.references if r.endswith(".jpg")}
        assert path.stat().st_size + sum(i.stat().st_size for i in images) < 1.5e6, path
    assert sum(p.stat().st_size for p in site.rglob("*") if p.is_file()) < 40e6


def test_the_site_needs_no_edition_for_what_is_scored(board: Path, tmp_path: Path) -> None:
    assert main(["site", "--root", str(board), "--out", str(tmp_path / "site")]) == 0
    text = (tmp_path / "site/boards/toy-multiclass.html").read_text()
    assert "&lt;script&gt;" in text and "class prior" in text
    assert not (tmp_path / "site/data/toy.html").exists()
    assert not [p for p in (tmp_path / "site").rglob("*.jpg") if "toy" in str(p)]


def test_an_edition_that_may_not_be_passed_on_is_not(toy_edition: Path, tmp_path: Path) -> None:
    """Neither images nor votes of a galaxy come out of an edition with the tree of the Kaggle challenge."""
    truth = Truth.of(Edition(toy_edition))
    closed = Truth("gz2", "GZ2", GZ2, "0" * 64, "1" * 64, truth.names, _gz2_votes(truth))
    images = thumbnails.Images(tmp_path)
    shown = galaxies.shown(closed, Edition(toy_edition), 0, images)
    assert (shown.image, shown.alt, shown.said, shown.votes) == (None, "", "", None)
    assert images.wanted == {}
    assert {verdicts.true_answer(closed, 0, task) for task in BOARDS} == {""}
    assert galaxies.panel(closed) == galaxies.by_hash(closed.names, np.arange(len(closed.names)))[: galaxies.PANEL]
    assert data_page.worked(closed, Edition(toy_edition), images) is None
    assert data_page.gallery(closed, Edition(toy_edition), images, 9) == {}
    for task in ("multiclass", "multilabel", "hierarchical", "votes"):
        values = guess(closed, task, 0.5, np.random.default_rng(0))
        predictions = Predictions(task, "gz2", "0" * 64, "1" * 64, 0, closed.names, values)
        judged = verdicts.judge(closed, predictions)
        assert set(verdicts.examples(closed, judged, [closed.names[0]])) == {"surest", "least-sure"}
        assert not any("right" in verdict for verdict in judged.verdicts)
        assert verdicts.answer(closed, predictions, judged, 0).right is None
        both = [galaxy_bars.predicted_groups(closed, predictions, 0, rest=rest) for rest in (False, True)]
        for group in both[0] + both[1]:
            assert all(bar.true is None and bar.votes is None for bar in group.bars)


def test_votes_that_may_not_be_passed_on_leave_no_trace(tmp_path: Path) -> None:
    """Boards, entries and comparisons are the same bytes with the edition at hand and without it."""
    edition, root = tmp_path / "gz2", tmp_path / "leaderboard"
    build_edition(GZ2Challenge(write_challenge(tmp_path), tests=30), edition, name="gz2", size=32)
    common = ["--root", str(root), "--edition", str(edition)]
    for model, skill in (("dirichlet", 0.7), ("multiclass", 0.5), ("multilabel", 0.5), ("hierarchical", 0.5)):
        run = write_run(edition, tmp_path / "runs", model, skill=skill)
        assert main(["submit", str(run), "--name", model, "--authors", "A", "--date", "20260102", *common]) == 0
    for folder in (root / "submissions").iterdir():
        fill_in(folder)
    assert main(["score", *common]) == 0
    assert main(["references", str(edition), "--draws", "2", *common]) == 0
    assert main(["site", *common, "--out", str(tmp_path / "with")]) == 0
    assert main(["site", "--root", str(root), "--out", str(tmp_path / "without")]) == 0
    found = {p.relative_to(tmp_path / "without") for p in (tmp_path / "without").rglob("*gz2*.html")}
    found |= {p.relative_to(tmp_path / "without") for p in (tmp_path / "without/entries").glob("*.html")}
    assert len(found) == 4 + 3 + 1 + 4, "boards, comparisons, the version, entries"
    # No version froze this edition: where it is absent nothing but its name is known.
    title = Edition(edition).title
    for path in found:
        known = (tmp_path / "with" / path).read_text().replace(f"{title} (gz2)", "gz2")
        known = known.replace(title.partition(":")[0], "gz2")
        assert known == (tmp_path / "without" / path).read_text(), path
    names = Truth.of(Edition(edition)).names
    entry = (tmp_path / "without/entries/20260102-dirichlet.html").read_text()
    assert len([name for name in names if name in entry]) >= galaxies.PANEL and "Least confident" in entry
    assert "same answer for" in (tmp_path / "without/compare/gz2-multiclass.html").read_text()
    for site in ("with", "without"):
        assert not [p for p in (tmp_path / site).rglob("*.jpg") if "gz2" in str(p)]
        # Pages of data are there with the edition alone; what is said of fields of view is said of every edition.
        said = {path: claims(path.read_text()) for path in (tmp_path / site).rglob("*.html")}
        assert {path: c for path, c in said.items() if set(c) - {"small: volunteers saw another scale"}} == {}
        check_links(tmp_path / site)


def _gz2_votes(truth: Truth) -> np.ndarray:
    rng = np.random.default_rng(0)
    rows = [draw_votes(rng, GZ2, 40, {}) for _ in truth.names]
    return np.array([[row[c] for c in GZ2.answer_columns] for row in rows])


def test_a_folder_that_is_no_site_is_left_alone(
    board: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    assert main(["site", "--root", str(board), "--out", str(tmp_path)]) == 1
    assert "is not a site" in capsys.readouterr().err
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_bad_run_is_left_out_with_a_word(
    bare: Path, toy_edition: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    write_run(toy_edition, runs, "multiclass")
    broken = write_run(toy_edition, runs, "multilabel")
    (broken / "run.json").write_text("{")
    words = ["site", "--runs", str(runs), "--root", str(bare), "--edition", str(toy_edition)]
    assert main([*words, "--out", str(tmp_path / "site")]) == 0
    assert "warning: left out" in capsys.readouterr().err
    assert not (tmp_path / "site/entries/local-toy-multilabel.html").exists()


def test_without_any_entry_the_site_still_stands(bare: Path, tmp_path: Path) -> None:
    assert main(["site", "--root", str(bare), "--out", str(tmp_path / "site")]) == 0
    assert "Yours could be the first" in (tmp_path / "site/boards/sample-votes.html").read_text()
    assert not (tmp_path / "site/compare").exists() and "compare/" not in (tmp_path / "site/index.html").read_text()
    check_links(tmp_path / "site")


def test_seeds_are_one_entry_and_recipes_are_two(bare: Path, toy_edition: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for seed in (0, 1):
        write_run(toy_edition, runs, "multiclass", seed=seed)
    write_run(toy_edition, runs / "more", "multiclass", seed=2, recipe={"name": "best", "epochs": 80})
    words = ["site", "--runs", str(runs), "--root", str(bare), "--edition", str(toy_edition)]
    assert main([*words, "--out", str(tmp_path / "site")]) == 0
    names = sorted(p.name for p in (tmp_path / "site/entries").iterdir())
    assert names == ["local-toy-multiclass-best.html", "local-toy-multiclass-quick.html"]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.0, 1.0, [0, 0.5, 1]), (0.42, 0.58, [0.4, 0.45, 0.5, 0.55, 0.6]), (3.0, 3.0, [1, 2, 3, 4, 5]), (0, 47, None)],
)
def test_axes_have_round_numbers_that_span_the_data(low: float, high: float, expected: list[float] | None) -> None:
    ticks = forest.steps(low, high)
    assert ticks[0] <= low and ticks[-1] >= high and 2 <= len(ticks) <= 5
    assert expected is None or ticks == expected


@pytest.mark.parametrize(
    ("values", "low", "high", "ends"),
    [
        ([0.17, 0.95], 0, 1, (0.1388, 0.9812)),
        ([0.5, 1.0], 0, 1, (0.48, 1)),
        ([22.8, 23.8, math.nan], None, None, (22.76, 23.84)),
        ([0.99412, 0.99634], 0, 1, (0.99403, 0.99643)),
        ([0.4], 0, 1, (0.36, 0.44)),
        ([0.0], 0, 1, (0, 0.1)),
        ([math.nan], 0, 1, (0, 1)),
    ],
)
def test_intervals_fill_their_axis_and_its_numbers_do_not_touch(
    values: list[float], low: float | None, high: float | None, ends: tuple[float, float]
) -> None:
    scale = forest.Scale.over(values, low, high)
    assert (scale.low, scale.high) == pytest.approx(ends, rel=1e-4)
    assert len(scale.ticks) >= 2 and all(scale.low <= t <= scale.high for t in scale.ticks)
    widths = [forest.LETTER * len(f"{t:g}") for t in scale.ticks]
    gaps = np.diff([scale.x(t) for t in scale.ticks])
    assert (gaps >= [(a + b) / 2 for a, b in pairwise(widths)]).all()


def test_names_in_a_scatter_plot_keep_clear_of_marks_and_names() -> None:
    rng = np.random.default_rng(3)
    dots = [svg.Dot(float(x), float(y), "", "#", f"entry {i}") for i, (x, y) in enumerate(rng.uniform(1, 9, (40, 2)))]
    drawn = svg.scatter(dots, [], [("noise ceiling", 8.0), ("noise ceiling", 9.0)], "words", "cost", True)
    marks = [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', drawn)]
    names = re.findall(r'<text class="label" x="([\d.]+)" y="([\d.]+)" text-anchor="(\w+)">([^<]+)', drawn)
    assert len(marks) == 40 and 5 < len(names) < 40
    boxes = []
    for x, y, anchor, name in names:
        width = forest.LETTER * len(name)
        left = float(x) - (width if anchor == "end" else 0)
        boxes.append((left, left + width, float(y)))
    for i, (left, right, y) in enumerate(boxes):
        assert left > 0 and right < 560
        assert not [m for m in marks if left < m[0] < right and y - 9 < m[1] < y]
        assert not [b for b in boxes[:i] if left < b[1] and b[0] < right and abs(y - b[2]) < 12]
    assert drawn.count('class="band"') == 1 and drawn.count(">noise ceiling<") == 1


def test_a_chart_copes_with_gaps_and_a_single_epoch() -> None:
    one = Curve(name="x", best_epoch=1, points=[Point(epoch=1, train_loss=0.5, validation_loss=None)])
    assert "<circle" in svg.learning([(0, one)], "words")
    none = Curve(name="x", points=[Point(epoch=1)])
    assert "No losses" in svg.learning([(0, none)], "words")


def test_markdown_is_tame() -> None:
    html = str(
        jinja.markdown("# Top\n\n[a](https://x.org) [b](javascript:alert(1)) ![c](https://x.org/c.png) <i>d</i>")
    )
    assert "<h3>Top</h3>" in html and 'href="https://x.org"' in html
    assert "javascript:" not in re.sub(r">[^<]*<", "><", html) and "<img" not in html and "<i>" not in html


def test_the_panel_is_the_decks_where_it_can_be(toy_edition: Path) -> None:
    truth = Truth.of(Edition(toy_edition))
    assert len(set(galaxies.panel(truth))) == galaxies.PANEL
    names = (*galaxies.DECK, *truth.names[4:])
    deck = Truth(truth.edition, truth.title, truth.tree, "0", "1", names, truth.votes, terms=truth.terms)
    assert galaxies.panel(deck)[:4] == [0, 1, 2, 3]


def test_literature_is_read_and_marked(site: Path) -> None:
    text = (site / "boards/toy-votes.html").read_text()
    assert "Table 1" in text and "not ranked: other classes and another test set" in text


def test_pages_are_valid_html(site: Path) -> None:
    for path in pages(site):
        parser = html5lib.HTMLParser()
        parser.parse(path.read_text())
        assert parser.errors == [], path


def test_boards_download_what_was_scored(site: Path, board: Path) -> None:
    content = json.loads((site / "boards/toy-multiclass.json").read_text())
    with (site / "boards/toy-multiclass.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert content["ranked_by"] == "macro_f1" and len(content["rows"]) == len(table)
    (slug,) = [p.name for p in (board / "submissions").iterdir()]
    stored = json.loads((board / "scores" / slug / "summary.json").read_text())["files"][0]["boards"]["multiclass"]
    (record,) = [row for row in content["rows"] if row["slug"] == slug]
    (line,) = [row for row in table if row["slug"] == slug]
    for name, metric in stored["metrics"].items():
        assert record[name] == metric["value"] and record[f"{name}_low"] == metric["low"]
        assert line[name] == ("" if metric["value"] is None else str(metric["value"]))
    assert record["entry"].startswith("<script>") and record["seeds"] == 1 and record["parameters"] == 1_234_567
    assert [row["entry"] for row in content["rows"] if row["kind"] == "reference"] == ["class prior"]


def test_a_formula_in_a_name_is_no_formula_in_the_table(site: Path) -> None:
    assert columns.tame("=HYPERLINK(1)") == "'=HYPERLINK(1)" and columns.tame(-1.5) == -1.5


def test_the_feed_tells_of_changes_and_entries(site: Path, board: Path) -> None:
    feed = ElementTree.parse(site / "feed.xml").getroot()
    space = "{http://www.w3.org/2005/Atom}"
    found = {e.findtext(f"{space}title"): e for e in feed.iter(f"{space}entry")}
    (title,) = [t for t in found if t and t.startswith("New entry: <script>")]
    link = found[title].find(f"{space}link")
    assert link is not None and (site / link.attrib["href"]).is_file()
    days = [e.findtext(f"{space}updated") or "" for e in feed.iter(f"{space}entry")]
    assert days == sorted(days, reverse=True) and feed.findtext(f"{space}updated") == days[0]
    assert len({e.findtext(f"{space}id") for e in feed.iter(f"{space}entry")}) == len(days)


def test_commands_on_the_pages_are_commands(site: Path) -> None:
    """What the pages tell a reader to type is understood by the parsers it is typed to."""
    from leaderboard.arguments import parser

    typed = 0
    for name in ("submit.html", "index.html"):
        for code in re.findall(r"<pre[^>]*><code>(.*?)</code></pre>", (site / name).read_text(), re.DOTALL):
            for line in html.unescape(code).splitlines():
                if line.startswith("python -m leaderboard "):
                    parser().parse_args(shlex.split(line)[3:])
                    typed += 1
    assert typed >= 7


def test_names_of_any_length_and_direction_stay_text(
    board: Path, toy_edition: Path, tmp_path: Path, browser: Browser
) -> None:
    """Ten thousand letters, marks that turn the direction of text, and markup, past all checks of submissions."""
    truths = Truths.on_this_machine([str(toy_edition)])
    found, _ = entries.submitted(board, truths)
    assert found[0].submission is not None
    name = f'\u202e\u2066<script>alert(1)</script>"><img src=x onerror=alert(2)>{"W" * 10_000}'
    said = found[0].submission.model_copy(update={"name": name, "authors": [name], "description": name})
    hostile = [dataclasses.replace(found[0], title=name, submission=said, readme=name)]
    other, _ = entries.local(board / "runs", truths)
    render.site([*hostile, *other], truths, stored_references.read(board / "scores"), tmp_path / "site", [])
    check_links(tmp_path / "site")
    slug = found[0].slug
    for path in ("index.html", "boards/toy-multiclass.html", f"entries/{slug}.html", "compare/toy-multiclass.html"):
        page, complaints = visit(browser, tmp_path / "site" / path)
        for width in (1280, 375):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, (path, width)
            assert page.evaluate("document.documentElement.scrollHeight") < 60_000, path
        assert complaints == [], path
        page.context.close()


def test_an_entry_that_breaks_a_page_is_left_out_and_said(board: Path, toy_edition: Path, tmp_path: Path) -> None:
    truths = Truths.on_this_machine([str(toy_edition)])
    found, _ = entries.submitted(board, truths)
    run = found[0].run.model_copy(update={"curves": [Curve.model_construct(name="x", best_epoch=1, points=[None])]})
    broken = dataclasses.replace(
        found[0], slug="20261128-broken", trained=[dataclasses.replace(found[0].trained[0], run=run)]
    )
    references = stored_references.read(board / "scores")
    made = render.site([*found, broken], truths, references, tmp_path / "site", [])
    (warning,) = made.warnings
    assert warning.startswith("20261128-broken is left out: no page can be made of it")
    assert found[0].slug in (tmp_path / "site" / "boards" / "toy-multiclass.html").read_text()
    assert not list((tmp_path / "site").rglob("*broken*"))


def test_paired_differences_are_those_of_the_draws(site: Path, board: Path, toy_edition: Path) -> None:
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(3, 500)).astype(np.float32)
    draws[2, 0] = np.nan
    low, high = comparisons.intervals(draws)
    gap = draws[0].astype(float) - draws[1]
    assert np.allclose([low[0, 1], high[0, 1]], np.quantile(gap, [0.025, 0.975]), atol=1e-6)
    assert low[1, 0] == -high[0, 1] and high[1, 0] == -low[0, 1] and low[2, 2] == high[2, 2] == 0
    part = (draws[0].astype(float) - draws[2])[1:]
    assert np.allclose([low[0, 2], high[0, 2]], np.quantile(part, [0.025, 0.975]), atol=1e-6)
    shares = comparisons.shares_alike([["a", "b", "c", "c"], ["a", "b", "b", "c"], ["x", "x", "c", "c"]])
    assert shares.tolist() == [[1, 0.75, 0.5], [0.75, 1, 0.25], [0.5, 0.25, 1]]


def test_verdicts_are_those_of_the_votes(site: Path, board: Path, toy_edition: Path) -> None:
    """The first page marks an answer right where it is the volunteers' class, and boards open with that class."""
    truth = Truth.of(Edition(toy_edition))
    rows = galaxies.panel(truth)
    classes = [verdicts.true_answer(truth, row, "multiclass") for row in rows]
    text = (site / "index.html").read_text()
    part = text[text.index("local-toy-efficientnetv2.html") :]
    said = re.findall(r'<p class="verdict"><b>(\w+) \(\d+\u00a0% confident\)</b>&nbsp;<span class="(yes|no)">', part)[
        : len(rows)
    ]
    assert [(name == wanted, mark) for (name, mark), wanted in zip(said, classes)] == [
        (mark == "yes", mark) for _, mark in said
    ]
    assert len(said) == len(rows)
    faces = (site / "boards/toy-multiclass.html").read_text().split('<figure class="faces">')[1].split("</figure>")[0]
    assert re.findall(r"<span>([^<]+)</span>", faces) == classes
    votes = verdicts.true_answer(truth, rows[0], "votes")
    most = int(truth.votes[rows[0], truth.tree.slices[truth.tree.questions[0].name]].max())
    assert votes.endswith(f": {most} of {truth.totals[rows[0], 0]} votes")


def test_nobody_surpasses_the_front() -> None:
    def dot(x: float, y: float) -> tuple[str, svg.Dot]:
        return "", svg.Dot(x, y, "", "")

    placed = [dot(10, 0.5), dot(5, 0.4), dot(20, 0.5), dot(30, 0.9), dot(5, 0.3), dot(40, 0.8)]
    assert [(d.x, d.y) for _, d in costs.pareto(placed, True)] == [(5, 0.4), (10, 0.5), (30, 0.9)]
    assert [(d.x, d.y) for _, d in costs.pareto(placed, False)] == [(5, 0.3)]


def test_the_sky_is_drawn_where_it_is() -> None:
    assert svg.mollweide(0, 0) == (200, 100) and svg.mollweide(0, 90) == (200, 0.5)
    assert svg.mollweide(90, 0) == (100.5, 100) and svg.mollweide(270, 0) == (299.5, 100)
    # Equal areas: half of the hemisphere lies below 30 degrees, where the ellipse's area says so too.
    _, y = svg.mollweide(0, 30)
    h = (100 - y) / 99.5
    assert 2 / math.pi * (math.asin(h) + h * math.sqrt(1 - h * h)) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("low", "high", "first", "last"), [(13, 80, 10, 100), (1e5, 3e7, 1e5, 1e8), (5, 5, 5, 10), (1, 1e6, 1, 1e6)]
)
def test_logarithmic_axes_span_the_data(low: float, high: float, first: float, last: float) -> None:
    ticks = svg.decades(low, high)
    assert (ticks[0], ticks[-1]) == (first, last) and ticks == sorted(set(ticks)) and len(ticks) <= 8


PAGES = (
    "index.html",
    "boards/toy-multiclass.html",
    "boards/toy-votes.html",
    "entries/local-toy-hierarchical.html",
    "entries/local-toy-dirichlet.html",
    "compare/toy-multiclass.html",
    "data/toy.html",
    "data/toy-tree.html",
    "data/toy-spiral.html",
    "ceilings.html",
    "cost.html",
    "rules.html",
    "submit.html",
    "changelog.html",
    "versions.html",
    "methodology.html",
    "404.html",
)
"""One of each kind, with a second board and a second entry."""

WHITE = "rgb(255, 255, 255)"

LONGEST = "entries/local-toy-dirichlet.html"
"""Holds four boards of the same make as the other entry's one: axe would take a quarter of a minute."""


@pytest.fixture(scope="session")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the committed entries, on a machine that has no edition but the sample."""
    out = tmp_path_factory.mktemp("committed") / "site"
    assert main(["site", "--out", str(out)]) == 0
    return out


def test_the_first_galaxies_have_pictures_where_only_the_sample_is_there(committed: Path) -> None:
    panel = (committed / "index.html").read_text().partition('id="panel"')[2].partition("<details>")[0]
    assert panel.count("<img") == 4 and "Simulated DECaLS galaxies (sample)" in panel


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's chromium, or whichever lies on PATH."""
    found = next((p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium on PATH: install it (Debian: apt-get install chromium) to run the browser tests")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is missing: pip install playwright")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


def visit(browser: Browser, path: Path, **options: object) -> tuple[BrowserPage, list[str]]:
    """Open a page and return it with all that it said and all that it asked of the network."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})  # type: ignore[arg-type]
    complaints: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: complaints.append(f"console: {message.text}"))
    page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    # A page that is left before it has everything aborts what is still on its way.
    page.on(
        "requestfailed",
        lambda request: request.failure == "net::ERR_ABORTED" or complaints.append(f"failed: {request.url}"),
    )

    def gate(route, request) -> None:  # type: ignore[no-untyped-def]
        if request.url.startswith("file://"):
            route.continue_()
        else:
            complaints.append(f"request: {request.url}")
            route.abort()

    page.route("**/*", gate)
    page.goto(path.as_uri(), wait_until="load")
    return page, complaints


@pytest.mark.browser
@pytest.mark.parametrize("name", PAGES)
def test_pages_are_silent_offline_accessible_and_fit(browser: Browser, site: Path, name: str) -> None:
    """At 1280 and 375 px; axe in both themes, dark at 375 px."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python")
    page, complaints = visit(browser, site / name, color_scheme="light")
    page.evaluate("document.querySelectorAll('img').forEach(i => i.loading = 'eager')")
    page.wait_for_function("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert complaints == []
    # All rules once; what the dark theme can break is contrast.
    for width, theme, rules in ((1280, "light", {}), (375, "dark", {"runOnly": ["color-contrast"]})):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=theme)
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, width
        if name == LONGEST:
            continue
        options = {"resultTypes": ["violations"], "preload": False, **rules}
        found = axe.Axe().run(page, options=options).response["violations"]
        assert [(v["id"], v["nodes"][0]["html"]) for v in found] == [], theme
    page.context.close()


@pytest.mark.browser
def test_without_scripts_everything_is_there(browser: Browser, site: Path) -> None:
    page, complaints = visit(browser, site / "boards/toy-multiclass.html", java_script_enabled=False)
    assert page.locator("table.board tbody").first.locator("tr").count() == 4
    assert "Three-layer CNN, four classes" in page.locator("table.board").inner_text()
    assert not page.locator(".controls, .theme").first.is_visible()
    page.goto((site / "compare/toy-multiclass.html").as_uri())
    assert re.search(r"[+−]0\.\d+ to [+−]0\.\d+", page.locator("[data-metrics]").inner_text())
    assert page.locator("[data-galaxies] li").count() > 0 and not page.locator(".pair-choice").is_visible()
    scripted, _ = visit(browser, site / "index.html")
    for task in ("multiclass", "hierarchical"):
        page.goto((site / f"compare/toy-{task}.html").as_uri())
        scripted.goto((site / f"compare/toy-{task}.html").as_uri())
        verdict = page.locator("[data-verdict]").inner_text()
        assert len(verdict) > 40 and scripted.locator("[data-verdict]").inner_text() == verdict
    scripted.context.close()
    page.goto((site / "data/toy-tree.html").as_uri())
    question = page.get_by_role("heading", name="Could this be a disc viewed edge-on?")
    assert question.is_visible()
    page.locator("summary", has_text="featured or disc").click()
    assert not question.is_visible()
    assert complaints == []
    page.context.close()


def column(page: BrowserPage, key: str) -> list[str]:
    """Return the visible cells of a column of the ranked rows."""
    return page.evaluate(
        """key => { const heads = [...document.querySelector('table.board').tHead.rows[0].cells];
        const i = heads.findIndex(h => h.dataset.key === key);
        return [...document.querySelector('table.board').tBodies[0].rows].filter(r => !r.hidden)
          .map(r => (r.cells[i].dataset.v ?? r.cells[i].innerText).trim()); }""",
        key,
    )


@pytest.mark.browser
def test_tables_sort_by_mouse_and_keyboard_and_remember_it(browser: Browser, site: Path) -> None:
    page, complaints = visit(browser, site / "boards/toy-multiclass.html")
    ranked = column(page, "entry")
    head = page.locator("table.board thead th[data-key=accuracy]")
    head.locator("button").focus()
    for direction in ("ascending", "descending"):
        page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == direction
        numbers = [float(v) for v in column(page, "accuracy")]
        assert numbers == sorted(numbers, reverse=direction == "descending") and len(set(numbers)) > 1
    assert page.url.endswith("?sort=-accuracy")
    page.reload()
    assert [float(v) for v in column(page, "accuracy")] == numbers
    assert head.get_attribute("aria-sort") == "descending"
    seeds = page.locator("table.board thead th[data-key=seeds]")
    seeds.locator("button").click()
    assert seeds.get_attribute("aria-sort") == "ascending" and head.get_attribute("aria-sort") is None
    assert column(page, "seeds") == sorted(column(page, "seeds")) and column(page, "seeds")[-1] == "2"
    page.locator("table.board thead th[data-key=rank] button").click()
    assert column(page, "entry") == ranked
    assert complaints == []
    page.context.close()


@pytest.mark.browser
def test_filters_and_columns_stand_in_the_address(browser: Browser, site: Path) -> None:
    page, complaints = visit(browser, site / "boards/toy-multiclass.html")
    page.get_by_label("Search").fill("dirichlet")
    assert len(column(page, "entry")) == 1 and "1 of 4 entries shown" in page.get_by_role("status").inner_text()
    page.get_by_label("Search").fill("")
    page.locator("select[name=evidence]").select_option("local run")
    assert len(column(page, "entry")) == 3
    page.locator(".pick summary").click()
    page.get_by_label("NLL", exact=True).check()
    page.get_by_label("Device", exact=True).uncheck()
    page.keyboard.press("Escape")
    assert not page.get_by_label("NLL", exact=True).is_visible()
    assert page.evaluate("document.activeElement.textContent") == "Columns"
    page.keyboard.press("Enter")
    assert page.get_by_label("NLL", exact=True).is_visible()
    page.locator("h1").click()
    assert not page.get_by_label("NLL", exact=True).is_visible()
    assert page.locator("th[data-key=nll]").is_visible() and not page.locator("th[data-key=device]").is_visible()
    widths = page.evaluate(
        "[...document.querySelectorAll('table.board tbody tr:not(.rowhead)')]"
        ".map(r => [...r.cells].filter(c => c.offsetWidth).length)"
    )
    assert len({w for w in widths if w}) == 1
    address = page.url
    assert "evidence=local+run" in address and "nll" in address and "device" not in address
    page.get_by_role("link", name="sample, simulated").click()
    page.wait_for_url("**/sample-multiclass.html?*evidence=local+run*")
    again, _ = visit(browser, site / "index.html")
    again.goto(address)
    assert len(column(again, "entry")) == 3 and again.locator("th[data-key=nll]").is_visible()
    assert again.locator("select[name=evidence]").input_value() == "local run"
    again.get_by_role("button", name="Reset").click()
    assert len(column(again, "entry")) == 4 and not again.locator("th[data-key=nll]").is_visible()
    assert "?" not in again.url
    again.goto(f"{(site / 'boards/toy-multiclass.html').as_uri()}?sort=__proto__&columns=x&family=<b>&q=zzz")
    assert column(again, "entry") == [] and "0 of 4" in again.get_by_role("status").inner_text()
    assert complaints == []
    page.context.close()
    again.context.close()


@pytest.mark.browser
def test_downloads_are_what_is_shown(browser: Browser, site: Path) -> None:
    page, complaints = visit(browser, site / "boards/toy-multiclass.html")
    page.locator("table.board thead th[data-key=accuracy] button").click()
    page.locator("select[name=evidence]").select_option("local run")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download table (CSV)").click()
    with Path(waiting.value.path()).open(newline="") as file:
        table = list(csv.DictReader(file))
    with page.expect_download() as waiting:
        page.get_by_role("button", name="JSON").click()
    records = json.loads(Path(waiting.value.path()).read_text())
    assert waiting.value.suggested_filename == "toy-multiclass-shown.json"
    assert (
        [row["entry"] for row in table] == [row["entry"] for row in records] == [*column(page, "entry"), "class prior"]
    )
    assert [f"{row['accuracy']:.3f}" for row in records[:-1]] == [f"{float(v):.3f}" for v in column(page, "accuracy")]
    stored = {row["entry"]: row for row in json.loads((site / "boards/toy-multiclass.json").read_text())["rows"]}
    for row in records:
        assert row["macro_f1"] == stored[row["entry"]]["macro_f1"]
        assert (row["low"], row["high"]) == tuple(stored[row["entry"]][f"macro_f1_{end}"] for end in ("low", "high"))
    visible = page.evaluate(
        "[...document.querySelectorAll('table.board thead th')].filter(h => h.offsetWidth).map(h => h.dataset.key)"
    )
    at = visible.index("interval")
    assert list(table[0]) == [*visible[:at], "low", "high", *visible[at + 1 :]]
    assert complaints == []
    page.context.close()


@pytest.mark.browser
def test_any_two_entries_are_compared(browser: Browser, site: Path) -> None:
    page, complaints = visit(browser, site / "compare/toy-multiclass.html")
    before = page.locator("[data-metrics] tbody tr").all_inner_texts()
    names = [o.get_attribute("value") for o in page.locator("select[name=a] option").all()]
    page.get_by_role("button", name="Swap").click()
    after = page.locator("[data-metrics] tbody tr").all_inner_texts()
    assert before != after
    rows = {row["slug"]: row for row in json.loads((site / "boards/toy-multiclass.json").read_text())["rows"]}
    page.locator("select[name=a]").select_option(names[2])
    page.locator("select[name=b]").select_option(names[0])
    cells = page.locator("[data-metrics] tbody tr", has_text="Accuracy").first.locator("td").all_inner_texts()
    first, second = rows[names[2]]["accuracy"], rows[names[0]]["accuracy"]
    assert cells[:2] == [f"{first:.3f}", f"{second:.3f}"]
    assert cells[2].replace("−", "-") == f"{first - second:+.3f}"
    low, high = (float(v.replace("−", "-")) for v in cells[3].split(" to "))
    assert low < first - second < high
    assert page.url.endswith(f"?a={names[2]}&b={names[0]}")
    galaxies_shown = page.locator("[data-galaxies] .name").all_inner_texts()
    words = page.locator("[data-count]").inner_text()
    parted, first_right, second_right = map(
        int, re.findall(r"disagree on (\d+) of .* A is correct on (\d+), B on (\d+)", words)[0]
    )
    marks = page.evaluate(
        "[...document.querySelectorAll('[data-galaxies] dl')].map(d => d.querySelectorAll('.yes').length)"
    )
    assert 0 < first_right + second_right <= parted and max(marks) == 1
    if parted == len(marks):
        assert sum(marks) == first_right + second_right
    page.reload()
    assert page.locator("select[name=a]").input_value() == names[2]
    assert page.locator("[data-galaxies] .name").all_inner_texts() == galaxies_shown
    page.locator("select[name=a]").select_option(names[0])
    assert page.locator("[data-agreement]").inner_text() == "100 %"
    assert page.locator("[data-galaxies] li").count() == 0
    page.goto((site / f"entries/{names[1]}.html").as_uri())
    page.get_by_role("link", name="four classes", exact=True).click()
    page.wait_for_url("**&b=*")
    assert [page.locator(f"select[name={side}]").input_value() for side in "ab"] == [names[1], names[0]]
    assert complaints == []
    page.context.close()


@pytest.mark.browser
def test_a_comparison_says_its_answer_first(browser: Browser, site: Path) -> None:
    page, complaints = visit(browser, site / "compare/toy-hierarchical.html")
    rows = {row["slug"]: row for row in json.loads((site / "boards/toy-hierarchical.json").read_text())["rows"]}
    payload = json.loads(page.locator("script#pairs").text_content() or "")
    held = {entry["slug"]: entry["letters"] for entry in payload["entries"]}
    seen = []
    for _ in range(2):
        first, second = (rows[page.locator(f"select[name={side}]").input_value()] for side in "ab")
        gap, interval = page.locator("[data-metrics] tr.first td").all_inner_texts()[2:4]
        low, high = (float(v.replace("−", "-")) for v in interval.split(" to "))
        better = "A" if first["hierarchical_f1"] > second["hierarchical_f1"] else "B"
        apart, letters = low > 0 or high < 0, [held[row["slug"]] for row in (first, second)]
        ranked, tied = all(letters), all(letters) and ties.share(*letters)
        headline = f"{better} is better on these galaxies" if apart else "No significant difference"
        if ranked:
            headline = "Statistically tied" if tied else f"{better} is significantly better"
        words = f"{headline} in Hierarchical F1"
        verdict = page.locator("[data-verdict]").inner_text()
        assert verdict.startswith(f"{words}: A\u00a0−\u00a0B is {gap}, 95 % interval {interval}.")
        assert ("does not include 0" in verdict) == (apart and tied)
        assert ("includes 0" in verdict) == (ranked and not apart and not tied)
        seen.append(verdict)
        page.get_by_role("button", name="Swap").click()
    assert seen[0] != seen[1] and complaints == []
    page.context.close()


@pytest.mark.browser
def test_the_theme_is_chosen_and_kept(browser: Browser, site: Path) -> None:
    page, complaints = visit(browser, site / "index.html", color_scheme="light")

    def ground() -> str:
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    light = ground()
    button = page.get_by_role("button", name="Theme")
    button.click()
    assert button.inner_text() == "Theme: light" and ground() == light
    button.press("Enter")
    assert button.inner_text() == "Theme: dark" and ground() != light
    page.goto((site / "cost.html").as_uri())
    assert ground() != light
    page.emulate_media(media="print")
    assert ground() == "rgb(255, 255, 255)"
    assert complaints == []
    page.context.close()


@pytest.mark.browser
def test_a_table_that_goes_on_fades_at_that_edge(browser: Browser, site: Path) -> None:
    page, _ = visit(browser, site / "boards/toy-multiclass.html", viewport={"width": 375, "height": 800})
    table = page.locator(".scroll").first
    style = """(e) => { const s = getComputedStyle(e);
        return [s.maskImage !== 'none', s.getPropertyValue('--before'), s.getPropertyValue('--after')]; }"""

    def look(left: int) -> list[object]:
        table.evaluate("(e, left) => { e.scrollLeft = left; }", left)
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return table.evaluate(style)

    assert look(0) == [True, "0px", "32px"]
    assert look(10_000) == [True, "32px", "0px"]
    table.focus()
    page.keyboard.press("ArrowLeft")
    assert table.evaluate(style)[0] is False, "the focus ring is whole"
    page.set_viewport_size({"width": 1600, "height": 800})
    page.locator("h1").click()
    assert table.evaluate(style)[0] is False, "nothing goes on here"
    page.context.close()


@pytest.mark.browser
@pytest.mark.parametrize("scripts", [True, False])
def test_a_missing_page_is_styled_and_leads_home_at_any_depth(browser: Browser, site: Path, scripts: bool) -> None:
    """As static hosts do: the site lies below /galaxies/, and what is not there is answered with its 404.html."""

    class Host(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = site / self.path.partition("?")[0].removeprefix("/galaxies/")
            found = self.path.startswith("/galaxies/") and path.is_file()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", mimetypes.guess_type(path)[0] or "text/html" if found else "text/html")
            self.end_headers()
            self.wfile.write((path if found else site / "404.html").read_bytes())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Host)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    context = browser.new_context(java_script_enabled=scripts, color_scheme="dark")
    page = context.new_page()
    root = f"http://127.0.0.1:{server.server_port}/galaxies"
    for lost in ("nothing", "entries/nothing.html", "a/b/c"):
        page.goto(f"{root}/{lost}")
        heading = page.get_by_role("heading", name="Page not found")
        assert heading.is_visible() and page.locator("header").evaluate("e => getComputedStyle(e).color") == WHITE
        if scripts:
            page.get_by_role("link", name="All boards").click()
            page.wait_for_url(f"{root}/index.html#boards")
            page.go_back()
            page.get_by_role("link", name="Rules").click()
            page.wait_for_url(f"{root}/rules.html")
        else:
            assert not page.get_by_role("link", name="Rules").is_visible()
            if lost.count("/") < 2:
                page.get_by_role("link", name=("here", "one folder up")[lost.count("/")]).click()
                page.wait_for_url(f"{root}/index.html")
    context.close()
    server.shutdown()


@pytest.mark.browser
def test_rows_and_galaxies_have_addresses(browser: Browser, site: Path) -> None:
    page, complaints = visit(browser, site / "boards/toy-multiclass.html")
    row = page.locator("table.board tbody tr").first
    row.locator(".anchor").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**#{row.get_attribute('id')}")
    assert page.locator("tr:target").count() == 1
    page.goto((site / "entries/local-toy-dirichlet.html").as_uri())
    galaxy = page.locator(".examples li[id] .anchor").first
    galaxy.focus()
    page.keyboard.press("Enter")
    assert page.locator(".examples li:target").is_visible()
    assert complaints == []
    page.context.close()


@pytest.mark.browser
def test_hostile_text_runs_nowhere(browser: Browser, site: Path) -> None:
    (entry,) = [p for p in site.glob("entries/*.html") if not p.name.startswith("local-")]
    page, complaints = visit(browser, entry, viewport={"width": 375, "height": 800})
    assert complaints == []
    assert page.locator("h1").inner_text().startswith("<script>")
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    page.context.close()


@pytest.mark.browser
def test_the_list_of_columns_lies_on_the_screen(browser: Browser, site: Path) -> None:
    page, _ = visit(browser, site / "boards/toy-multiclass.html")
    for width in (375, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        page.locator(".pick summary").click()
        box, button = page.locator(".pick fieldset").bounding_box(), page.locator(".pick summary").bounding_box()
        assert box is not None and button is not None
        assert box["x"] >= 0 and box["x"] + box["width"] <= width and box["y"] >= button["y"] + button["height"]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.keyboard.press("Escape")
    page.context.close()

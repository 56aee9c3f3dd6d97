"""The site: same bytes twice, hostile text stays text, links resolve, nothing that may not be shown is.

In Chromium: silent, offline, readable without scripts, accessible in both themes, sorted by keyboard.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.predictions import Predictions
from galaxy_zoo_decals.schema import GZ2
from galaxy_zoo_decals.scoring import Truth
from leaderboard import figures, galaxies, templates
from leaderboard.__main__ import main
from leaderboard.runs import Curve, Point
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
    shutil.copytree(Path(__file__).parents[1] / "leaderboard" / "literature", root / "literature")
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
    assert {"index.html", "methodology.html", "404.html", "data/toy.html"} <= names
    assert {f"boards/toy-{task}.html" for task in ("multiclass", "multilabel", "hierarchical", "votes")} <= names
    assert {f"entries/local-toy-{model}.html" for model in MODELS} <= names
    title = json.loads(next(site.parents[1].glob("**/toy/edition.json")).read_text())["title"]
    for page in [*site.glob("boards/toy-*.html"), site / "data/toy.html"]:
        captions = re.findall(r"<caption[^>]*>(.*?)</caption>", page.read_text(), re.DOTALL)
        assert captions and any(title in c for c in captions)


def test_links_resolve_and_tags_close(site: Path) -> None:
    parsed = {p.resolve(): Page(p.read_text()) for p in pages(site)}
    for path, page in parsed.items():
        assert page.open == [], path
        assert len(page.ids) == len(set(page.ids)), (path, [i for i in page.ids if page.ids.count(i) > 1])
        for reference in page.references:
            if reference.startswith("https://"):
                continue
            assert ":" not in reference, f"{path}: {reference}"
            file, _, anchor = reference.partition("#")
            target = (path.parent / file).resolve() if file else path
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
        assert not [
            given
            for tag, given in page.tags
            if tag == "script" and "src" not in given and given.get("type") != "application/json"
        ]


def test_hostile_text_stays_text(site: Path) -> None:
    (entry,) = [p for p in site.glob("entries/*.html") if not p.name.startswith("local-")]
    text = entry.read_text()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text and "{{ 7 * 7 }}" in text and LONG in text
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
    images = galaxies.Images(tmp_path)
    shown = galaxies.shown(closed, Edition(toy_edition), 0, images)
    assert (shown.image, shown.alt, shown.said, shown.votes) == (None, "", "", None)
    assert images.wanted == {}
    for task in ("multiclass", "multilabel", "hierarchical", "votes"):
        values = guess(closed, task, 0.5, np.random.default_rng(0))
        predictions = Predictions(task, "gz2", "0" * 64, "1" * 64, 0, closed.names, values)
        judged = galaxies.judge(closed, predictions)
        assert set(galaxies.examples(closed, judged, [closed.names[0]])) == {"Surest", "Least sure"}
        assert not any("right" in verdict for verdict in judged.verdicts)
        both = [galaxies.predicted_groups(closed, predictions, 0, rest=rest) for rest in (False, True)]
        for group in both[0] + both[1]:
            assert all(bar.true is None and bar.votes is None for bar in group.bars)


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
    board: Path, toy_edition: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    write_run(toy_edition, runs, "multiclass")
    broken = write_run(toy_edition, runs, "multilabel")
    (broken / "run.json").write_text("{")
    words = ["site", "--runs", str(runs), "--root", str(board), "--edition", str(toy_edition)]
    assert main([*words, "--out", str(tmp_path / "site")]) == 0
    assert "warning: left out" in capsys.readouterr().err
    assert not (tmp_path / "site/entries/local-toy-multilabel.html").exists()


def test_without_any_entry_the_site_still_stands(tmp_path: Path, toy_edition: Path) -> None:
    assert main(["site", "--root", str(tmp_path / "none"), "--out", str(tmp_path / "site")]) == 0
    assert Page((tmp_path / "site/index.html").read_text()).open == []


def test_seeds_are_one_entry_and_recipes_are_two(board: Path, toy_edition: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for seed in (0, 1):
        write_run(toy_edition, runs, "multiclass", seed=seed)
    write_run(toy_edition, runs / "more", "multiclass", seed=2, recipe={"name": "best", "epochs": 80})
    words = ["site", "--runs", str(runs), "--root", str(tmp_path / "none"), "--edition", str(toy_edition)]
    assert main([*words, "--out", str(tmp_path / "site")]) == 0
    names = sorted(p.name for p in (tmp_path / "site/entries").iterdir())
    assert names == ["local-toy-multiclass-best.html", "local-toy-multiclass-quick.html"]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.0, 1.0, [0, 0.5, 1]), (0.42, 0.58, [0.4, 0.45, 0.5, 0.55, 0.6]), (3.0, 3.0, [1, 2, 3, 4, 5]), (0, 47, None)],
)
def test_axes_have_round_numbers_that_span_the_data(low: float, high: float, expected: list[float] | None) -> None:
    ticks = figures.steps(low, high)
    assert ticks[0] <= low and ticks[-1] >= high and 2 <= len(ticks) <= 5
    assert expected is None or ticks == expected


def test_a_chart_copes_with_gaps_and_a_single_epoch() -> None:
    one = Curve(name="x", best_epoch=1, points=[Point(epoch=1, train_loss=0.5, validation_loss=float("nan"))])
    assert "<circle" in figures.learning([(0, one)], "words")
    none = Curve(name="x", points=[Point(epoch=1)])
    assert "No losses" in figures.learning([(0, none)], "words")


def test_markdown_is_tame() -> None:
    html = str(
        templates.markdown("# Top\n\n[a](https://x.org) [b](javascript:alert(1)) ![c](https://x.org/c.png) <i>d</i>")
    )
    assert "<h3>Top</h3>" in html and 'href="https://x.org"' in html
    assert "javascript:" not in re.sub(r">[^<]*<", "><", html) and "<img" not in html and "<i>" not in html


def test_the_panel_is_the_decks_where_it_can_be(toy_edition: Path) -> None:
    truth = Truth.of(Edition(toy_edition))
    assert len(set(galaxies.panel(truth))) == galaxies.PANEL
    names = (*galaxies.DECK, *truth.names[4:])
    deck = Truth(truth.edition, truth.title, truth.tree, "0", "1", names, truth.votes)
    assert galaxies.panel(deck)[:4] == [0, 1, 2, 3]


def test_literature_is_read_and_marked(site: Path) -> None:
    text = (site / "boards/toy-votes.html").read_text()
    assert "Table 1" in text and "not ranked: other classes and test set" in text


PAGES = (
    "index.html",
    "boards/toy-multiclass.html",
    "boards/toy-votes.html",
    "entries/local-toy-hierarchical.html",
    "entries/local-toy-dirichlet.html",
    "data/toy.html",
    "methodology.html",
    "404.html",
)
AXE_PAGES = (PAGES[0], PAGES[1], PAGES[3], PAGES[5], PAGES[6])
"""One of each kind: axe takes seconds a page."""


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
    page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))

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
@pytest.mark.parametrize("width", [1280, 375])
@pytest.mark.parametrize("name", PAGES)
def test_pages_are_silent_offline_and_fit(browser: Browser, site: Path, name: str, width: int) -> None:
    page, complaints = visit(browser, site / name, viewport={"width": width, "height": 800})
    page.evaluate("document.querySelectorAll('img').forEach(i => i.loading = 'eager')")
    page.wait_for_function("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert complaints == []
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    page.context.close()


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", AXE_PAGES)
def test_axe_finds_nothing(browser: Browser, site: Path, name: str, theme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python")
    page, _ = visit(browser, site / name, color_scheme=theme)
    found = axe.Axe().run(page).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"]) for v in found] == []
    page.context.close()


@pytest.mark.browser
def test_without_scripts_the_tables_stand(browser: Browser, site: Path) -> None:
    page, complaints = visit(browser, site / "boards/toy-multiclass.html", java_script_enabled=False)
    assert complaints == []
    rows = page.locator("table.board tbody").first.locator("tr")
    assert rows.count() == 4
    assert "Three-layer CNN, four classes" in page.locator("table.board").inner_text()
    page.context.close()


@pytest.mark.browser
def test_tables_sort_by_keyboard(browser: Browser, site: Path) -> None:
    page, _ = visit(browser, site / "boards/toy-multiclass.html")
    column = page.locator("table.board thead th[data-key=seeds]")
    column.locator("button").focus()
    for direction in ("ascending", "descending"):
        page.keyboard.press("Enter")
        assert column.get_attribute("aria-sort") == direction
    seeds = page.locator("table.board tbody").first.locator("tr td:nth-child(5)").all_inner_texts()
    assert seeds == sorted(seeds, reverse=True) and seeds[0] == "2"
    page.context.close()


@pytest.mark.browser
def test_hostile_text_runs_nowhere(browser: Browser, site: Path) -> None:
    (entry,) = [p for p in site.glob("entries/*.html") if not p.name.startswith("local-")]
    page, complaints = visit(browser, entry, viewport={"width": 375, "height": 800})
    assert complaints == []
    assert page.locator("h1").inner_text().startswith("<script>")
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    page.context.close()

"""The site: pages rendered by the templates in ``site/`` from entries, scores and editions; same input, same bytes."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from galaxy_zoo_decals import predictions as prediction_files
from galaxy_zoo_decals import views
from galaxy_zoo_decals.atomic import atomic_folder
from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.scoring import BOARDS, MIN_POSITIVES, Result
from galaxy_zoo_decals.scoring.bootstrap import CONFIDENCE, DRAWS
from galaxy_zoo_decals.scoring.class_prior import MAY_LACK
from galaxy_zoo_decals.sources.kaggle import ROOT_VOTES
from leaderboard.check.allowed_files import LARGEST_FILE, LARGEST_SUBMISSION
from leaderboard.entry import literature, prediction_file
from leaderboard.entry.truths import Key, Truths
from leaderboard.files import DATA, MEBIBYTE, ROOT, LeaderboardError, read_json, visible
from leaderboard.ranking import stored_scores
from leaderboard.ranking.board_table import SEEDS, Table
from leaderboard.ranking.entries import Entry
from leaderboard.ranking.ties import ALPHA
from leaderboard.render import changelog, columns, comparisons, costs, data_page, galaxies, verdicts
from leaderboard.render.edition_page import EditionPage, edition_pages
from leaderboard.render.entry_page import entry_page
from leaderboard.render.galaxies import Shown
from leaderboard.render.jinja import environment
from leaderboard.render.real_votes import RealVotes
from leaderboard.render.thumbnails import Images

STATIC = ROOT / "site" / "static"

EVERYWHERE = "/* Up to here: what every page has."
"""Where in the style sheet the rules end that a page needs which is served at any depth."""


HERO = 15
"""Galaxies in the head of the first page."""

PANEL_ENTRIES = 3
"""Entries a task that the panel of galaxies shows: the best of each model and backbone; the others' own pages do."""

CHANGELOG = DATA / "changelog.yaml"

RANKS = ROOT / "docs" / "evidence" / "ranks.json"
"""What the campaign of ranks measured."""


LIMITS = {"file": LARGEST_FILE // MEBIBYTE, "submission": LARGEST_SUBMISSION // MEBIBYTE}
"""Largest sizes of a submission in MiB."""


@dataclass(frozen=True)
class Site:
    """What was rendered: the pages, index first, and a warning for every entry that was left out."""

    pages: list[Path]
    warnings: list[str]


def site(
    entries: list[Entry], truths: Truths, references: dict[Key, dict[str, dict[str, Result]]], out: Path,
    works: list[literature.Work],
) -> Site:  # fmt: skip
    """Render the whole site into ``out``, in place of the site that lies there.

    An entry that no page can be made of is left out, so that one merged entry cannot take the site from all others.
    Raises LeaderboardError if ``out`` holds anything but a site.
    """
    try:
        return Site(_site(entries, truths, references, out, works), [])
    except (UserError, OSError, MemoryError):
        raise
    except Exception:
        warnings, good = [], []
        with tempfile.TemporaryDirectory() as work:
            for entry in entries:
                try:
                    _site([entry], truths, references, Path(work) / "site", works)
                    good.append(entry)
                except Exception as error:  # whatever it is that its values do to a page
                    said = visible(f"{type(error).__name__}: {error}", 200)
                    warnings.append(f"{entry.slug} is left out: no page can be made of it ({said}).")
        if not warnings:
            raise
        return Site(_site(good, truths, references, out, works), warnings)


def _site(
    entries: list[Entry], truths: Truths, references: dict[Key, dict[str, dict[str, Result]]], out: Path,
    works: list[literature.Work],
) -> list[Path]:  # fmt: skip
    inside = {p.name for p in out.iterdir()} if out.is_dir() else set()
    if (out.exists() and not out.is_dir()) or (inside and not {"404.html", "methodology.html", "static"} <= inside):
        raise LeaderboardError(f"{out} exists and is not a site; nothing in it was touched. Choose another --out.")
    with atomic_folder(out) as beside:
        images = Images(beside)
        editions = edition_pages(entries, truths, references, works)
        happened = changelog.events(changelog.read(CHANGELOG), entries)
        compared = {t.slug: c for e in editions for t in e.tables.values() if (c := _compared(t, e, images))}
        common = {"editions": editions, "entries": entries, "compared": compared, "scorer": stored_scores.VERSION}
        common["real"] = RealVotes.read()
        pages: dict[str, str] = {}
        templates = environment()

        def page(path: str, template: str, **context: Any) -> None:
            root = "../" * path.count("/")
            pages[path] = templates.get_template(template).render(root=root, path=path, **common, **context)

        page("index.html", "index.html", events=happened, **_index(editions, images))
        for edition in editions:
            for table in edition.tables.values():
                page(
                    f"boards/{table.slug}.html", "board.html", table=table, edition=edition,
                    version=_version(edition), others=_elsewhere(table, edition, editions),
                    faces=_faces(table, edition, images), charts=costs.charts(table, "../"),
                )  # fmt: skip
                pages[f"boards/{table.slug}.csv"] = columns.as_csv(table)
                pages[f"boards/{table.slug}.json"] = columns.as_json(table)
                if table.slug in compared:
                    page(
                        f"compare/{table.slug}.html", "compare.html", table=table, edition=edition,
                        comparison=compared[table.slug], others=_elsewhere(table, edition, editions),
                    )  # fmt: skip
            page(f"versions/{_version(edition)}.html", "version.html", edition=edition)
            if edition.edition is not None and edition.truth is not None:
                for name, template, context in _data(edition, images):
                    page(f"data/{edition.slug}{name}.html", template, edition=edition, **context)
        for entry in entries:
            page(f"entries/{entry.slug}.html", "entry.html", entry=entry, **entry_page(entry, editions, images, truths))
        page("ceilings.html", "ceilings.html")
        page(
            "cost.html", "cost.html", charts={t.slug: costs.charts(t, "") for e in editions for t in e.tables.values()}
        )
        page("methodology.html", "methodology.html", boards=BOARDS, numbers=_numbers())
        page("rules.html", "rules.html", numbers=_numbers())
        page("submit.html", "submit.html", limits=LIMITS, numbers=_numbers())
        page("changelog.html", "changelog.html", events=happened)
        page(
            "versions.html",
            "versions.html",
            frozen=truths.frozen,
            versions={e.slug: _version(e) for e in editions},
        )
        page("feed.xml", "feed.xml", events=happened)
        page("404.html", "404.html", style=_inline("style.css", EVERYWHERE), theme=_inline("theme.js"))
        for path, text in pages.items():
            (beside / path).parent.mkdir(parents=True, exist_ok=True)
            (beside / path).write_text(text, encoding="utf-8")
        shutil.copytree(STATIC, beside / "static")
        images.write()
    return [out / path for path in pages if path.endswith(".html")]


def _inline(name: str, end: str = "") -> Markup:
    """Return a file of ``site/static`` to stand inside a page, up to where ``end`` stands in it."""
    text = (STATIC / name).read_text(encoding="utf-8")
    return Markup(text[: text.index(end)] if end else text)


def _elsewhere(table: Table, edition: EditionPage, editions: list[EditionPage]) -> list[tuple[EditionPage, str]]:
    """Return the same board on the other editions, with its slug."""
    return [(e, e.tables[t].slug) for e in editions if e is not edition for t in e.tables if t == table.board.task]


def _version(edition: EditionPage) -> str:
    """Return the name of a frozen version: the edition's content and the scorer that read it."""
    return f"{edition.key[0]}-{edition.key[1][:12]}-scorer{stored_scores.VERSION}"


def _compared(table: Table, page: EditionPage, images: Images) -> comparisons.Comparison | None:
    return comparisons.compare(table, page.truth, page.pictures, images)


def _numbers() -> dict[str, Any]:
    """Return the constants the methodology speaks of, from the code that uses them."""
    return {
        "draws": DRAWS,
        "confidence": CONFIDENCE,
        "alpha": ALPHA,
        "min_positives": MIN_POSITIVES,
        "may_lack": MAY_LACK,
        "confident": views.CONFIDENT,
        "seeds": SEEDS,
        "scorer": stored_scores.VERSION,
        "scale": prediction_files.SCALE,
        "root_votes": ROOT_VOTES,
        "separated": _separated(),
    }


def _separated() -> dict[str, float]:
    """Return how often equal entries came out different at most, by the number of their trainings, as measured."""
    worst: dict[str, float] = {}
    for row in read_json(RANKS)["false"]:
        worst[row["seeds"]] = max(worst.get(row["seeds"], 0.0), float(row["separated"]))
    return worst


def _index(editions: list[EditionPage], images: Images) -> dict[str, Any]:
    # Pictures first: the panel of an edition that may not be shown, or is not here, is identifiers and bars.
    panels = [_panel(e, images) for e in sorted(editions, key=lambda e: not e.pictured) if e.truth]
    return {"hero": _hero(editions, images), "panels": panels}


def _hero(editions: list[EditionPage], images: Images) -> tuple[EditionPage, list[tuple[Shown, str]]] | None:
    """Return galaxies for the head of the first page, each with its class.

    They are of the first edition whose images can be shown.
    """
    for page in (e for e in editions if e.pictured):
        assert page.truth is not None and page.pictures is not None
        return page, [
            (galaxies.shown(page.truth, page.pictures, r, images), verdicts.true_answer(page.truth, r, "multiclass"))
            for r in galaxies.clearest(page.truth, HERO)
            if images.has(page.pictures, page.truth.names[r])
        ]
    return None


def _faces(table: Table, page: EditionPage, images: Images) -> list[tuple[Shown, str]]:
    """Return the edition's fixed galaxies with what the volunteers answer to a board's question."""
    if not page.pictured:
        return []
    truth = page.truth
    assert truth is not None and page.pictures is not None
    return [
        (galaxies.shown(truth, page.pictures, row, images), verdicts.true_answer(truth, row, table.board.task))
        for row in galaxies.panel(truth)
        if images.has(page.pictures, truth.names[row])
    ]


def _panel(page: EditionPage, images: Images) -> dict[str, Any]:
    """Return the fixed galaxies of an edition and what the best entries of every task predict for them."""
    truth, edition = page.truth, page.pictures
    assert truth is not None
    rows = galaxies.panel(truth)
    models = []
    for task, table in page.tables.items():
        own = [r for r in table.rows if r.seeds and r.seeds[0].task == task]
        best = {(r.seeds[0].run.model, r.seeds[0].run.backbone): r for r in reversed(own)}
        for row in [r for r in own if r in best.values()][:PANEL_ENTRIES]:
            predictions = prediction_file.read(row.seeds[0].predictions, truth)
            judged = verdicts.judge(truth, predictions)
            models.append((row, table.board, [verdicts.answer(truth, predictions, judged, r) for r in rows]))
    shown = [(galaxies.shown(truth, edition, r, images), verdicts.true_answer(truth, r, "multiclass")) for r in rows]
    return {"edition": page, "galaxies": shown, "models": models}


def _data(page: EditionPage, images: Images) -> list[tuple[str, str, dict[str, Any]]]:
    """Return the pages about an edition: what follows its name in the address, template and content."""
    edition, truth = page.edition, page.truth
    assert edition is not None and truth is not None
    tree = edition.tree
    nodes = data_page.nodes(edition, truth, images)
    sheets = data_page.gallery(truth, edition, images, data_page.SHEET)
    first, shared = data_page.trunk(tree)
    facts = {"facts": edition.facts, "tree": tree, "sheets": list(sheets)}
    main = {
        **data_page.balance(edition),
        "gallery": {name: shown[: data_page.GALLERY] for name, shown in sheets.items()},
        "nodes": nodes,
        "volunteers": data_page.volunteers(edition),
        "maps": data_page.maps(edition),
        "worked": data_page.worked(truth, edition, images),
        "properties": list(truth.properties),
    }
    found: list[tuple[str, str, dict[str, Any]]] = [
        ("", "data.html", facts | main),
        ("-tree", "tree.html", facts | {"nodes": nodes, "first": first, "shared": shared}),
    ]
    for c, (name, shown) in enumerate(sheets.items()):
        total = int((truth.classes.label == c).sum())
        found.append((f"-{name}", "sheet.html", facts | {"name": name, "shown": shown, "total": total}))
    return found

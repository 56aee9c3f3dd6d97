"""The site: pages rendered by the templates in ``site/`` from entries, scores and editions; same input, same bytes."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from galaxy_zoo_decals import predictions as prediction_files
from galaxy_zoo_decals import scoring, views
from galaxy_zoo_decals.atomic import atomic_folder
from galaxy_zoo_decals.edition import Edition, Terms
from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.predictions import Predictions
from galaxy_zoo_decals.schema import Tree
from galaxy_zoo_decals.scoring import BOARDS, MIN_POSITIVES, Result, Truth
from galaxy_zoo_decals.scoring.bootstrap import CONFIDENCE, DRAWS
from galaxy_zoo_decals.scoring.class_prior import MAY_LACK
from galaxy_zoo_decals.sources.kaggle import ROOT_VOTES
from leaderboard.check import leaked_votes
from leaderboard.check.allowed_files import LARGEST_FILE, LARGEST_SUBMISSION
from leaderboard.entry import literature, prediction_file
from leaderboard.entry.truths import Key, Truths, terms_of, title_of, tree_of
from leaderboard.files import DATA, MEBIBYTE, ROOT, LeaderboardError, read_json, read_text, visible
from leaderboard.ranking import board_table, stored_references, stored_scores
from leaderboard.ranking.board_table import SEEDS, Row, Table
from leaderboard.ranking.entries import Entry, Trained
from leaderboard.ranking.ties import ALPHA
from leaderboard.render import changelog, columns, comparisons, costs, data_page, galaxies, galaxy_bars, svg, verdicts
from leaderboard.render.galaxies import Example, Shown
from leaderboard.render.jinja import environment, markdown
from leaderboard.render.real_votes import RealVotes
from leaderboard.render.thumbnails import Images

STATIC = ROOT / "site" / "static"

EVERYWHERE = "/* Up to here: what every page has."
"""Where in the style sheet the rules end that a page needs which is served at any depth."""

ORDER = ("gzd5", "gz2", "simulated", "sample")
"""Real galaxies come before simulated ones."""

HERO = 15
"""Galaxies in the head of the first page."""

PANEL_ENTRIES = 3
"""Entries a task that the panel of galaxies shows: the best of each model and backbone; the others' own pages do."""

CHANGELOG = DATA / "changelog.yaml"

RANKS = ROOT / "docs" / "evidence" / "ranks.json"
"""What the campaign of ranks measured."""

LARGEST_BIBTEX = 64 * 2**10

LIMITS = {"file": LARGEST_FILE // MEBIBYTE, "submission": LARGEST_SUBMISSION // MEBIBYTE}
"""Largest sizes of a submission in MiB."""


@dataclass(frozen=True)
class EditionPage:
    """An edition as the site knows it; ``edition`` and ``truth`` are None where it is not on this machine.

    The truth of an edition that may not be passed on may be without a vote.
    """

    key: Key
    title: str
    slug: str
    edition: Edition | None
    truth: Truth | None
    tables: dict[str, Table]
    terms: Terms
    pictures: Edition | None
    """The edition whose pictures are shown: itself, or of a survey one with pictures of any source."""

    @property
    def simulated(self) -> bool:
        """Whether its galaxies were drawn by a program."""
        return self.terms.simulated

    @property
    def voice(self) -> str:
        """Whose word its truth is: volunteers', or that of published likelihoods, which nobody voted."""
        if not self.terms.counted_votes:
            return "published likelihoods"
        return "simulated volunteers" if self.simulated else "volunteers"

    @property
    def credit(self) -> str:
        """What stands beside pictures of it: whose they are. Those of a survey may come from several sources."""
        return (self.pictures.terms if self.pictures is not None else self.terms).credit

    @property
    def short(self) -> str:
        """Its name in few words, for titles of small charts: what its title begins with, or its name."""
        head, colon, _ = self.title.partition(":")
        if colon:
            return head
        return f"{self.key[0]}, simulated" if self.simulated and self.key[0] != "simulated" else self.key[0]

    @property
    def open(self) -> bool:
        """Whether single galaxies' votes are here and may be shown, as may the images."""
        return self.truth is not None and self.terms.may_publish_votes

    @property
    def pictured(self) -> bool:
        """Whether its images can be shown: they may be, and are on this machine."""
        return self.open and self.pictures is not None and self.pictures.terms.may_publish_images


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
        editions = _editions(entries, truths, references, works)
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
            page(f"entries/{entry.slug}.html", "entry.html", entry=entry, **_entry(entry, editions, images, truths))
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


def place(name: str) -> tuple[int, str]:
    """Return what sorts editions as they are shown."""
    return ORDER.index(name) if name in ORDER else len(ORDER), name


def _editions(
    entries: list[Entry], truths: Truths, references: dict[Key, dict[str, dict[str, Result]]],
    works: list[literature.Work],
) -> list[EditionPage]:  # fmt: skip
    """Return the editions that entries stand on, and the sample; real ones first."""
    keys = {key for entry in entries for key in entry.editions} | {key for key in truths.editions if key[0] == "sample"}
    titles = {key: title_of(key, truths) for key in keys}
    # Two editions of one source share its title: the name tells them apart.
    titles = {k: title if k[0] in title.lower() else f"{title} ({k[0]})" for k, title in titles.items()}
    names = [name for name, _ in titles]

    pages: list[EditionPage] = []
    for key in sorted(titles, key=lambda key: (*place(key[0]), truths.edition(key) is None, key[1])):
        slug = key[0] if names.count(key[0]) == 1 else f"{key[0]}-{key[1][:8]}"
        truth = truths.truth(key)
        tree, terms = tree_of(key[0], truths), terms_of(key, truths)
        below = references.get(key) or (scoring.references(truth) if truth is not None else {})
        if not terms.counted_votes:
            below = {
                board: {n: row for n, row in rows.items() if n == stored_references.PRIOR}
                for board, rows in below.items()
            }
        tables = {
            task: board_table.table(
                key,
                titles[key],
                f"{slug}-{task}",
                task,
                entries,
                below.get(task, {}),
                works,
                tree.name,
                terms.counted_votes,
            )
            for task in (truths.frozen[key][1].boards if key in truths.frozen else BOARDS)
        }
        shown = {
            task: t for task, t in tables.items() if t.rows or t.partial or t.reported or t.references or t.retired
        }
        if truth is None and not terms.may_publish_votes:
            truth = _blind(key, titles[key], tree, terms, entries)
        own, pictures = truths.edition(key), _pictures(key, truths)
        pages.append(EditionPage(key, titles[key], slug, own, truth, shown, terms, pictures))
    return pages


def _pictures(key: Key, truths: Truths) -> Edition | None:
    """Return the edition on this machine that pictures are shown of, None if there is none.

    It is the edition itself, or of one that votes alone bind any that belongs to it.
    """
    found = truths.edition(key)
    if found is None and key in truths.frozen and truths.frozen[key][1].bound_by == "votes":
        found = next((edition for other, edition in truths.editions.items() if truths.home(other) == key), None)
    return found


def _blind(key: Key, title: str, tree: Tree, terms: Terms, entries: list[Entry]) -> Truth | None:
    """Return the galaxies of an edition that may not be passed on and is not here, without a vote.

    Their names stand in every prediction file, and of such an edition nothing but names and predictions is shown: its
    pages are the same with the votes at hand and without. None where there is no prediction file.
    """
    for trained in (t for e in entries for t in e.trained if t.key == key):
        known = prediction_files.read(trained.predictions, tree)
        votes = np.zeros((len(known.names), len(tree.answer_columns)), np.int64)
        return Truth(key[0], title, tree, key[1], known.split_hash, known.names, votes, terms=terms)
    return None


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


def _predictions(trained: Trained, truth: Truth) -> Predictions:
    return prediction_file.read(trained.predictions, truth)


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
            predictions = _predictions(row.seeds[0], truth)
            judged = verdicts.judge(truth, predictions)
            models.append((row, table.board, [verdicts.answer(truth, predictions, judged, r) for r in rows]))
    shown = [(galaxies.shown(truth, edition, r, images), verdicts.true_answer(truth, r, "multiclass")) for r in rows]
    return {"edition": page, "galaxies": shown, "models": models}


def _entry(entry: Entry, editions: list[EditionPage], images: Images, truths: Truths) -> dict[str, Any]:
    # Pictures first, as on the first page.
    parts = []
    for page in sorted(editions, key=lambda e: not e.pictured):
        if page.key in entry.editions:
            seeds = [t for t in entry.trained if t.key == page.key]
            scored = [(page.tables[b], s) for b in BOARDS if b in page.tables and (s := entry.score(page.key, b))]
            parts.append(
                {
                    "edition": page,
                    "scores": scored,
                    "seeds": seeds,
                    "curves": _curves(seeds, page.title),
                    "galleries": _galleries(entry, page, images),
                    "panel": _own_panel(seeds, page, images),
                    "same": {table.slug: _on_the_same(table, seeds, page.truth) for table, s in scored if s.partial},
                }
            )
    chance = leaked_votes.shown(entry, truths)
    return {
        "parts": parts,
        "readme": markdown(entry.readme),
        "run": entry.run,
        "bibtex": _bibtex(entry),
        "chance": chance,
        "suspect": leaked_votes.SUSPECT,
    }


def _on_the_same(table: Table, seeds: list[Trained], truth: Truth | None) -> list[tuple[Row, Result]]:
    """Return what the ranked entries of a board score on the galaxies that a partial entry has, the best first."""
    task = table.board.task
    mine = [t for t in seeds if task in t.scores]
    if truth is None or not mine:
        return []
    lacking = {row for t in mine for row in prediction_file.read(t.predictions, truth).lacking}
    held = np.setdiff1d(np.arange(len(truth.names)), sorted(lacking))
    part = truth.take(held)
    found = []
    for row in table.rows:
        files = [prediction_file.read(t.predictions, truth).take(held) for t in row.seeds]
        found.append((row, Result.mean([scoring.score(part, f, row.title)[task] for f in files])))
    return found


def _bibtex(entry: Entry) -> str:
    """Return what the authors ask to be cited, empty if they say nothing."""
    path = None if entry.folder is None else entry.folder / "citation.bib"
    return read_text(path, LARGEST_BIBTEX).strip() if path is not None and path.is_file() else ""


def _curves(seeds: list[Trained], title: str) -> list[dict[str, Any]]:
    """Return one chart a trained network, its seeds together."""
    networks: dict[str, list[tuple[int, Any]]] = {}
    for trained in sorted(seeds, key=lambda t: (t.run.seed, t.task)):
        for curve in trained.run.curves:
            here = networks.setdefault(curve.name, [])
            if (trained.run.seed, curve) not in here:
                here.append((trained.run.seed, curve))
    return [
        {
            "name": name,
            "curves": found,
            "chart": svg.learning(found, f"Training and validation loss of {name} by epoch, {title}"),
        }
        for name, found in networks.items()
    ]


def _galleries(entry: Entry, page: EditionPage, images: Images) -> list[tuple[Trained, dict[str, list[Example]]]]:
    """Return example galaxies of the first seed of every task, where the edition is on this machine."""
    if page.truth is None:
        return []
    found: dict[str, Trained] = {}
    for trained in sorted((t for t in entry.trained if t.key == page.key), key=lambda t: t.run.seed):
        found.setdefault(trained.task, trained)
    galleries = []
    for trained in found.values():
        predictions = _predictions(trained, page.truth)
        judged = verdicts.judge(page.truth, predictions)
        furthest = [row["iauname"] for row in _curve(trained, "disagreement")]
        gallery = {
            part: [
                Example(
                    galaxies.shown(page.truth, page.pictures, row, images),
                    judged.verdicts[row],
                    galaxy_bars.predicted_groups(page.truth, predictions, row),
                    galaxy_bars.predicted_groups(page.truth, predictions, row, rest=True),
                )
                for row in rows
            ]
            for part, rows in verdicts.examples(page.truth, judged, furthest).items()
        }
        galleries.append((trained, gallery))
    return galleries


def _curve(trained: Trained, name: str) -> list[dict[str, Any]]:
    """Return a table of a prediction file on its own board; empty where it has no scores."""
    score = trained.scores.get(trained.task)
    return score.curves.get(name, []) if score is not None else []


def _own_panel(seeds: list[Trained], page: EditionPage, images: Images) -> list[tuple[Shown, list[galaxy_bars.Group]]]:
    """Return the edition's fixed galaxies with what the entry's first prediction file says of them."""
    if page.truth is None or not seeds:
        return []
    predictions = _predictions(min(seeds, key=lambda t: (t.run.seed, t.task)), page.truth)
    truth, edition = page.truth, page.pictures
    return [
        (galaxies.shown(truth, edition, row, images), galaxy_bars.predicted_groups(truth, predictions, row))
        for row in galaxies.panel(truth)
    ]


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

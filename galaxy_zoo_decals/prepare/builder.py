"""A source becomes an edition: catalogue, splits, cleaning, images, Parquet shards, card; whole or not at all."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Collection
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from galaxy_zoo_decals import image_files, joins
from galaxy_zoo_decals.atomic import sync_tree
from galaxy_zoo_decals.edition import Edition, EditionError, is_edition
from galaxy_zoo_decals.prepare import cleaning, foresight
from galaxy_zoo_decals.prepare.card import card
from galaxy_zoo_decals.prepare.cleaning import Rules
from galaxy_zoo_decals.prepare.conversion import Conversion, Converted, convert
from galaxy_zoo_decals.prepare.edition_columns import (
    Counts,
    balance,
    edition_features,
    flag,
    holdings,
    outside,
    view_labels,
)
from galaxy_zoo_decals.prepare.hashes import hashes
from galaxy_zoo_decals.prepare.placement import alone, check_target, done, put_in_place
from galaxy_zoo_decals.prepare.shards import BLOCK, there, write_shards
from galaxy_zoo_decals.schema import SPLITS, VIEWS, Tree
from galaxy_zoo_decals.sources import MISSING, Choosing, Source

FORMAT = "1.2"
"""Version of the edition format; a change of columns raises it."""


def _nothing(words: str) -> None:
    """Say nothing."""


def build(
    source: Source,
    out: Path,
    *,
    name: str,
    size: int = image_files.SIZE,
    quality: int = image_files.QUALITY,
    original: bool = False,
    rules: Rules = Rules(),  # noqa: B008
    processes: int = 1,
    say: Callable[[str], object] = _nothing,
) -> cleaning.Report:
    """Build the edition ``name`` in ``out`` and return the cleaning report.

    ``say`` is told, before any image is converted, what the edition will lack.

    Images become JPEG of ``size`` pixels, or stay the files they are (``original``, all of ``size`` pixels). Work
    goes on in ``out``.partial, which an interrupted run leaves behind for the next one; an edition that lies in
    ``out`` stays whole until the new one replaces it. Raises EditionError if ``out`` holds anything else, or if
    another run works on it.
    """
    with alone(out):
        return _build(source, out, name, image_files.Form(size, quality, original), rules, processes, say)


def is_made(
    source: Source,
    out: Path,
    *,
    name: str,
    size: int,
    quality: int,
    original: bool,
    rules: Rules,
    formats: Collection[str] = (FORMAT,),
) -> bool:
    """Return whether ``out`` holds the edition that ``build`` would make of these votes, in one of some formats."""
    if not is_edition(out):
        return False
    try:
        facts = Edition(out).facts
    except EditionError:  # of an older version of the package: it is made anew
        return False
    wanted = {
        "name": name,
        "source": source.describe(),
        "pictures": source.pictures,
        "image_size": size,
        "image_quality": None if original else quality,
    }
    found = {key: facts.get(key) for key in wanted}
    return found == wanted and facts.get("version") in formats and facts["cleaning"].get("rules") == asdict(rules)  # type: ignore[attr-defined]


def _build(
    source: Source,
    out: Path,
    name: str,
    form: image_files.Form,
    rules: Rules,
    processes: int,
    say: Callable[[str], object],
) -> cleaning.Report:
    put_in_place(out)
    check_target(out)
    work = out.with_name(out.name + ".partial")
    work.mkdir(exist_ok=True)
    try:
        catalogue = _catalogue(source, work, processes)
        listed = frozenset(catalogue["iauname"])
        catalogue, report = cleaning.clean(catalogue, source.tree, rules)
        if isinstance(source, Choosing):
            catalogue = _choose(source, catalogue, report, work)
        foresight.check_splits(catalogue, report, source)
        for note in foresight.notes(catalogue, source, rules):
            say(note)
        wanted = {split: list(catalogue["iauname"][catalogue["split"] == split]) for split in there(catalogue)}
        conversion = convert(source, listed, wanted, work, form, processes)
        _check_names(conversion)
    except BaseException:
        if not any(p for p in work.rglob("*") if p.is_file()):  # a source that was refused leaves no trace
            shutil.rmtree(work, ignore_errors=True)
        raise
    report.unlisted_images = conversion.unlisted
    report.skipped = conversion.skipped
    report.strangers = dict(sorted(conversion.strangers.items())[: cleaning.NAMED])
    catalogue = _drop_without_image(catalogue, report, conversion.splits)
    foresight.check_splits(catalogue, report, source)
    for note in foresight.without_images(wanted, catalogue):
        say(note)
    report.scored = int((catalogue["scored"] & (catalogue["split"] == "test")).sum())
    catalogue, balance = _survey(source.tree, catalogue, rules, report)

    fresh = work / "edition"
    shutil.rmtree(fresh, ignore_errors=True)
    image_hashes = write_shards(
        source.tree, tuple(source.extra_columns), catalogue, rules, form, conversion.splits, fresh
    )
    facts = _facts(source, name, form, rules, catalogue, report, balance, image_hashes)
    features = edition_features(source.tree, source.extra_columns)
    (fresh / "edition.json").write_text(json.dumps(facts, indent=1) + "\n")
    (fresh / "README.md").write_text(card(facts, features), encoding="utf-8")
    sync_tree(fresh)
    work.rename(done(out))
    put_in_place(out)
    return report


def _catalogue(source: Source, work: Path, processes: int) -> pd.DataFrame:
    """Return the source's rows by name, with their splits and whether they are scored."""
    catalogue = source.catalogue(work, processes)
    catalogue["split"] = source.split(catalogue)
    catalogue["scored"] = (source.scored(catalogue) & (catalogue["split"] != "train")).astype(bool)
    return catalogue.sort_values("iauname", ignore_index=True)


def clean_catalogue(source: Source, rules: Rules) -> tuple[pd.DataFrame, cleaning.Report]:
    """Return the rows of a source's catalogue that the rules keep, by name, with split and scored, and the report."""
    with tempfile.TemporaryDirectory() as work:
        return cleaning.clean(_catalogue(source, Path(work), 1), source.tree, rules)


def _choose(source: Choosing, catalogue: pd.DataFrame, report: cleaning.Report, work: Path) -> pd.DataFrame:
    """Return the rows that a source gives which gives a part of its galaxies, and count the others."""
    others = catalogue["iauname"].isin(source.left_out(list(catalogue["iauname"]), work))
    report.add(*source.choice, int(others.sum()))
    return catalogue[~others].reset_index(drop=True)


def survey_catalogue(source: Source, rules: Rules) -> cleaning.Report:
    """Return the cleaning report of a source's votes, as if every galaxy had its image."""
    catalogue, report = clean_catalogue(source, rules)
    report.scored = int((catalogue["scored"] & (catalogue["split"] == "test")).sum())
    _survey(source.tree, catalogue, rules, report)
    return report


def _check_names(conversion: Conversion) -> None:
    """Look why galaxies have no image while images have no row; EditionError where that is so of all of them.

    Where it is so of some and the cause is known, it is said on standard error.
    """
    theirs = conversion.unlisted_names
    problems = {name: str(e) for part in conversion.splits.values() for name, e in part.problems.items()}
    without = [name for name, problem in problems.items() if problem == MISSING]
    if not theirs or not without:
        return
    words = "names of the images", "galaxies of the votes"
    if not any(run for part in conversion.splits.values() for run in part.runs):
        raise EditionError(
            f"none of the {len(without):,} galaxies has an image among the {conversion.unlisted:,} there are. "
            + joins.explain(theirs, without, *words)
        )
    if joins.cause(theirs, without) is not None:
        said = joins.explain(theirs, without, *words)
        print(
            f"{len(without):,} galaxies have no image, and {conversion.unlisted:,} images no galaxy. {said}",
            file=sys.stderr,
        )


def _survey(
    tree: Tree, catalogue: pd.DataFrame, rules: Rules, report: cleaning.Report
) -> tuple[pd.DataFrame, dict[str, dict[str, Counts]]]:
    """Add the views' flags to the catalogue; count who is in each view, who is not and why, and the classes.

    The labels themselves are made again when they are written: all of them at once would take gigabytes.
    """
    flags: list[pd.DataFrame] = []
    balances: dict[str, dict[str, Counts]] = {}
    report.lost_votes = cleaning.lost_votes(tree, catalogue)
    report.boards = board_holdings(tree, catalogue)
    for split in SPLITS:  # one without galaxies counts nothing
        rows = catalogue[catalogue["split"] == split]
        found: dict[str, Counts] = {}
        for start in range(0, max(len(rows), 1), BLOCK):
            block = rows.iloc[start : start + BLOCK]
            labels = view_labels(tree, block, rules.debiased)
            _add(found, balance(tree, labels))
            _add(report.outside, outside(tree, block, labels, rules.debiased))
            flags.append(labels[[flag(view) for view in VIEWS]])
        balances[split] = found
    flagged = pd.concat([catalogue, pd.concat(flags).loc[catalogue.index]], axis=1)
    report.views = {view: int(flagged[flag(view)].sum()) for view in VIEWS}
    return flagged, balances


def board_holdings(tree: Tree, catalogue: pd.DataFrame) -> dict[str, Counts]:
    """Return what the boards hold of the scored galaxies of validation and test, by split.

    Labels are those that predictions are scored against: of the votes, whatever the edition's own are made of.
    """
    found: dict[str, Counts] = {}
    for split in ("validation", "test"):
        rows = catalogue[(catalogue["split"] == split) & catalogue["scored"].astype(bool)]
        found[split] = holdings(tree, rows, view_labels(tree, rows))
    return found


def _add(total: dict[str, Counts], more: dict[str, Counts]) -> None:
    for group, counts in more.items():
        known = total.setdefault(group, {})
        for name, count in counts.items():
            known[name] = known.get(name, 0) + count


def _drop_without_image(
    catalogue: pd.DataFrame, report: cleaning.Report, converted: dict[str, Converted]
) -> pd.DataFrame:
    problems = {name: str(error) for part in converted.values() for name, error in part.problems.items()}
    for title, reason, names in (
        ("no image", "the votes have no image file", [n for n, p in problems.items() if p == MISSING]),
        (
            "unusable image",
            "the image file is damaged, or is not the galaxy's",
            [n for n, p in problems.items() if p != MISSING],
        ),
    ):
        examples = {} if title == "no image" else {n: problems[n] for n in sorted(names)[: cleaning.NAMED]}
        report.add(title, reason, len(names), examples)
    return catalogue[~catalogue["iauname"].isin(problems)].reset_index(drop=True)


def _facts(
    source: Source,
    name: str,
    form: image_files.Form,
    rules: Rules,
    catalogue: pd.DataFrame,
    report: cleaning.Report,
    balance: dict[str, dict[str, Counts]],
    image_hashes: dict[str, str],
) -> dict[str, object]:
    """Return the content of edition.json: no time, host or path, so that equal editions are equal files."""
    counts = {}
    for split in SPLITS:
        rows = catalogue[catalogue["split"] == split]
        counts[split] = {
            "galaxies": len(rows),
            "scored": int(rows["scored"].sum()),
            **{view: int(rows[flag(view)].sum()) for view in VIEWS},
        }
    return {
        "name": name,
        "title": source.title,
        "version": FORMAT,
        "tree": source.tree.name,
        "simulated": source.simulated,
        "truth": source.truth,
        "licence": source.licence,
        "citation": source.citation,
        "credit": source.credit,
        "may_publish_images": source.may_publish_images,
        "may_publish_votes": source.may_publish_votes,
        "pictures": source.pictures,
        "source": source.describe(),
        "image_size": form.size,
        "image_quality": None if form.original else form.quality,
        "labels": "debiased" if rules.debiased else "fraction",
        "extra_columns": list(source.extra_columns),
        "cleaning": {"rules": asdict(rules)} | report.to_json(),
        "counts": counts,
        "balance": balance,
        **hashes(source.tree, tuple(source.extra_columns), catalogue, image_hashes),
    }

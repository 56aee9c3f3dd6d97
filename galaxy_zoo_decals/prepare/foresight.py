"""What a preparation knows before it converts an image: splits that stay empty, and what cannot be measured."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from galaxy_zoo_decals import splits, views
from galaxy_zoo_decals.edition import EditionError
from galaxy_zoo_decals.prepare.cleaning import Report, Rules
from galaxy_zoo_decals.prepare.edition_columns import label_fractions
from galaxy_zoo_decals.schema import SPLITS, Tree
from galaxy_zoo_decals.sources import Choosing, Source, Splitting
from galaxy_zoo_decals.sources.folder import OWN_SPLIT

CELLS = 30
"""Sky cells of which all three splits are to be expected: a tenth of them validates, and 0.9^30 is 0.04."""

MORE_IDS = 50
"""GalaxyIDs beyond the test ones of which both other splits are to be expected: a tenth of them validates."""

BLOCK = 4000
"""Galaxies looked at at a time."""

GALAXY_ZOO_2 = "galaxyzoo2"


def check_splits(catalogue: pd.DataFrame, report: Report, source: Source) -> None:
    """Raise EditionError if a split that the source needs has no galaxy; it says the least number, and why."""
    needed = source.needed_splits if isinstance(source, Splitting) else SPLITS
    counts = {split: int((catalogue["split"] == split).sum()) for split in SPLITS}
    if len(catalogue) and not catalogue[source.tree.questions[0].total].any():
        raise EditionError(f"no galaxy has a vote for the first question, {source.tree.questions[0].name}.")
    empty = [split for split in needed if not counts[split]]
    if not empty:
        return
    choosing = " Ask for more galaxies." if isinstance(source, Choosing) else ""
    if lost := sum(step.removed for step in report.steps if "image" in step.name):
        raise EditionError(
            f"no galaxy is left for the {empty[0]} split: {lost:,} galaxies have no usable "
            f"image{report.first_problem()}.{choosing}"
        )
    if catalogue.empty:
        why = "; ".join(f"{step.removed:,}: {step.name}" for step in report.steps if step.removed)
        raise EditionError(f"no galaxy is left of {report.rows:,} rows ({why or 'the table is empty'}).{choosing}")
    raise EditionError(
        f"no galaxy is left for the {empty[0]} split: the source is too small for an edition."
        f"{choosing or ' ' + _too_small(catalogue, counts, source)}"
    )


def _too_small(catalogue: pd.DataFrame, counts: dict[str, int], source: Source) -> str:
    """Return why a split is empty, the least number there is, and what else can be done."""
    said, total = source.describe(), len(catalogue)
    there = ", ".join(f"{counts[split]:,} {split}" for split in SPLITS if counts[split])
    if said.get("split") == OWN_SPLIT:
        return (
            f"The column {said['split_column']!r} says: {there}. At least one galaxy must train; to judge models "
            "alone, give --only-test instead of --split-column."
        )
    if said["kind"] == "gz2":
        tests = int(str(said["tests"]))
        return (
            f"The test split is the {tests:,} lowest GalaxyIDs, and only {total:,} galaxies are here ({there}). At "
            f"least {tests + 2:,} are needed, in practice some {tests + MORE_IDS:,}, as a tenth of the others "
            "validates. To judge models on these alone, give --only-test."
        )
    own = ""
    if said["kind"] == "catalogue":
        own = " Or give --split-column with a column of your own, or --only-test to judge models on these galaxies."
    if catalogue["ra"].isna().all():
        return (
            f"{total:,} galaxies are here ({there}), and a split goes by a hash of the name: 70 % train, 10 % "
            f"validation, 20 % test. At least 3 are needed, in practice some {CELLS}.{own}"
        )
    i, j = splits.sky_cell(catalogue["ra"].to_numpy(), catalogue["dec"].to_numpy())
    cells = len(set(zip(i.tolist(), j.tolist())))
    many = "1 galaxy lies" if total == 1 else f"all {total:,} galaxies lie"
    return (
        f"{many[0].upper() + many[1:]} in {cells} sky cell{'s' if cells > 1 else ''} of {splits.CELL:g} degree "
        f"({there}), and a split goes by cell: 70 % of the cells train, 10 % validate, 20 % test. At least 3 cells are "
        f"needed, in practice some {CELLS}.{own}"
    )


def notes(catalogue: pd.DataFrame, source: Source, rules: Rules) -> list[str]:
    """Return what to say before images are converted: what the edition will lack, each in a sentence or two."""
    said = source.describe()
    found = [_unknown(said), *_views(source.tree, catalogue, rules)]
    if said.get("split") == OWN_SPLIT:
        found += [*_missing(catalogue), _twins(catalogue)]
    if not (catalogue["scored"] & (catalogue["split"] == "test")).any() and (catalogue["split"] == "test").any():
        found.append(
            f"No test galaxy is scored, so nothing can be measured on this edition: {_unscored(catalogue, said)}"
        )
    return [note for note in found if note]


def _unknown(said: dict[str, object]) -> str:
    """Return which questions the table knows nothing of, and which totals are sums."""
    unknown, summed = (_names(said.get(key)) for key in ("unknown_questions", "summed_totals"))
    text = ""
    if unknown:
        text = f"The table has no column of {unknown}: unknown for every galaxy, as if nobody had been asked."
    if summed:
        text += f"{' ' if text else ''}It has no total of {summed}: the sum of the answers is taken."
    return text


def _names(given: object) -> str:
    return ", ".join(map(str, given)) if isinstance(given, list) else ""


def _views(tree: Tree, catalogue: pd.DataFrame, rules: Rules) -> list[str]:
    """Return which views would hold no galaxy at all."""
    answered = np.zeros(len(tree.answers), bool)
    for start in range(0, len(catalogue), BLOCK):  # most catalogues show a class in the first block
        fractions = label_fractions(tree, catalogue.iloc[start : start + BLOCK], rules.debiased)
        if (views.multiclass(tree, fractions).label >= 0).any():
            return []
        answered |= ~np.isnan(fractions).all(axis=0)
    needed = (tree.roles.disturbance_question, *(answer[0] for answer in (tree.roles.edge_on, tree.roles.spiral)))
    lacking = [name for name in dict.fromkeys(needed) if not answered[tree.slices[name]].any()]
    why = f"nobody answered {', '.join(lacking)}" if lacking else "no class is ahead of the others for any of them"
    return [
        f"No galaxy gets one of the four classes ({why}): there will be no view multiclass. The other views "
        "hold what is known."
    ]


def _missing(catalogue: pd.DataFrame) -> Iterable[str]:
    """Return what an edition without one of the splits cannot be used for."""
    uses = {
        "validation": "benchmark/run.py cannot train on this edition, as it chooses the best epoch by them",
        "test": "nothing can be measured on this edition",
    }
    for split, use in uses.items():
        if not (catalogue["split"] == split).any():
            yield f"There is no {split} galaxy: {use}."


def without_images(wanted: Iterable[str], catalogue: pd.DataFrame) -> list[str]:
    """Return what to say of splits whose galaxies have all turned out to be without a usable image."""
    return [
        f"No galaxy of the {split} split has a usable image: the edition is without it."
        for split in wanted
        if not (catalogue["split"] == split).any()
    ]


def _twins(catalogue: pd.DataFrame) -> str:
    """Return how often one place in the sky lies in two splits of the user's own, as one galaxy listed twice does."""
    apart = splits.in_two_splits(catalogue[catalogue["ra"].notna() & catalogue["dec"].notna()])
    if not apart:
        return ""
    return (
        f"{len(apart):,} times galaxies within {splits.TOGETHER:g} arcsec of each other are in two splits, as "
        f"{' and '.join(apart[0][:2])}: if they are one galaxy, a model is tested on what it was trained on."
    )


def _unscored(catalogue: pd.DataFrame, said: dict[str, object]) -> str:
    """Return why no test galaxy is scored, with how many fail each condition."""
    test = catalogue[catalogue["split"] == "test"]
    total = test["smooth-or-featured_total-votes"]
    kind, counts = said["kind"], {}
    if kind == "gz2":
        counts["have empty cells in the challenge's table"] = len(test)
    elif kind == GALAXY_ZOO_2:
        least = splits.MIN_SCORED_GALAXY_ZOO_2
        counts[f"have fewer than {least} first-question votes (the most: {total.max()})"] = int((total < least).sum())
        counts["are of another sample than original"] = int((test["upload_group"] != "original").fillna(True).sum())
    else:
        least = splits.MIN_SCORED_VOTES
        counts[f"have fewer than {least} first-question votes (the most: {total.max()})"] = int((total < least).sum())
        counts["have a field of view of the wrong size"] = int(test["wrong_size_warning"].sum())
        counts |= {} if said.get("scored") == "votes" else _selected(catalogue, test)
    failing = "; ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    own = ""
    if kind == "catalogue":
        own = " With --only-test every galaxy is scored, and nothing is trained."
        if said.get("split") != OWN_SPLIT and not splits.says_selection(catalogue):
            own += " With --split-column the test galaxies of your own are scored by their votes alone."
    rule = _RULES.get(str(kind), _RULE)
    return f"no galaxy of the test split {rule}. Of {len(test):,} test galaxies {failing or 'none has all of it'}.{own}"


_RULE = (
    f"has {splits.MIN_SCORED_VOTES} first-question votes, a field of view of the right size, and random_selection (or, "
    "without that column, upload_group pre_active)"
)
_RULES = {
    GALAXY_ZOO_2: f"is of the sample original and has {splits.MIN_SCORED_GALAXY_ZOO_2} first-question votes",
    "gz2": "has a value in every column",
}
"""What scored galaxies have, by the source; a catalogue of one's own is judged as gzd5 is."""


def _selected(catalogue: pd.DataFrame, test: pd.DataFrame) -> dict[str, int]:
    """Return how many test galaxies were not chosen at random, by the column that says so."""
    if catalogue["random_selection"].notna().any():
        chosen = test["random_selection"].fillna(False).to_numpy(dtype=bool)
        return {"have random_selection False or empty": int((~chosen).sum())}
    if catalogue["upload_group"].notna().any():
        early = (test["upload_group"] == "pre_active").fillna(False).to_numpy(dtype=bool)
        return {"have another upload_group than pre_active": int((~early).sum())}
    return {"may not have been chosen at random (the table has neither random_selection nor upload_group)": len(test)}

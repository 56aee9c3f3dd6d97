"""Look an edition over again: hashes, counts, columns, splits that share nothing, labels that follow from votes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from galaxy_zoo_decals import splits
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.prepare import cleaning
from galaxy_zoo_decals.prepare.audited_images import Looked, look_at_images
from galaxy_zoo_decals.prepare.builder import FORMAT, board_holdings
from galaxy_zoo_decals.prepare.card import card, loadable, version
from galaxy_zoo_decals.prepare.edition_columns import edition_features, flag, to_arrow, view_labels
from galaxy_zoo_decals.prepare.hashes import hashes
from galaxy_zoo_decals.prepare.near_duplicates import alike
from galaxy_zoo_decals.prepare.shards import BLOCK
from galaxy_zoo_decals.prepare.upgrade import is_older
from galaxy_zoo_decals.schema import SPLITS, VIEWS, Question
from galaxy_zoo_decals.sources.catalogue import too_much_lost
from galaxy_zoo_decals.sources.folder import ONLY_TEST, OWN_SPLIT, PASSED_ON, SCORED
from galaxy_zoo_decals.sources.hub import FromHub
from galaxy_zoo_decals.sources.kaggle import GZ2Challenge
from galaxy_zoo_decals.sources.simulated import Simulated
from galaxy_zoo_decals.sources.zenodo import Downloaded


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: whether it holds, and what was seen."""

    name: str
    holds: bool
    words: str

    def __str__(self) -> str:
        """Return the finding as a line of the report."""
        return f"{'ok  ' if self.holds else 'FAIL'} {self.name:<22} {self.words}"


def check(edition: Edition, processes: int = 1) -> list[Finding]:
    """Return what holds of an edition and what does not, each claim of its edition.json and card looked at anew.

    Raises EditionError where there is nothing to look at (no edition.json, no shards).
    """
    facts: dict[str, Any] = edition.facts
    findings = [_files(edition), _columns(edition)]
    if not all(finding.holds for finding in findings):
        return findings  # nothing below could be read
    columns = [c for c in _flat_columns(edition) if c != "image"]
    tables = {split: edition.table(split, columns) for split in edition.splits}
    table = pd.concat(tables.values(), ignore_index=True).sort_values("iauname", ignore_index=True)
    looked = list(look_at_images(edition, processes))
    looks: list[tuple[str, Callable[[], Finding]]] = [
        ("names", lambda: _names(tables)),
        ("hashes", lambda: _hashes(edition, table, looked)),
        ("counts", lambda: _counts(facts, tables)),
        ("card", lambda: _card(edition, facts)),
        ("terms", lambda: _terms(edition)),
        ("votes", lambda: _votes(edition, table)),
        ("boards", lambda: _boards(edition, table)),
        ("sky cells", lambda: _cells(edition, table)),
        ("scored", lambda: _scored(edition, table)),
        ("labels", lambda: _labels(edition)),
        ("images", lambda: _images(facts, looked)),
        ("near-duplicates", lambda: _duplicates(edition, looked)),
    ]
    findings += [_look_at(name, look) for name, look in looks]
    return findings


def _look_at(name: str, look: Callable[[], Finding]) -> Finding:
    """Return what a look finds; an edition.json of another form than that of editions is a finding too."""
    try:
        return look()
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        return Finding(name, False, f"edition.json has not the form of an edition's ({type(error).__name__}: {error})")


def _finding(name: str, problems: list[str], holds: str) -> Finding:
    more = f" (and {len(problems) - 3:,} more)" if len(problems) > 3 else ""
    return Finding(name, not problems, "; ".join(problems[:3]) + more if problems else holds)


def _files(edition: Edition) -> Finding:
    problems = []
    for split in SPLITS:
        if split not in edition.splits:
            found = sorted(path.name for path in (edition.path / "data").glob(f"{split}-*.parquet"))
            problems += [f"edition.json counts no {split} galaxies, and there is {name}" for name in found[:1]]
            continue
        names = [path.name for path in edition.shards(split)]
        wanted = [f"{split}-{i:05d}-of-{len(names):05d}.parquet" for i in range(len(names))]
        if names != wanted:
            problems.append(f"the {split} shards are {', '.join(names[:3])} where {wanted[-1]} would be the last")
    return _finding("files", problems, f"{sum(len(edition.shards(s)) for s in edition.splits)} shards")


def _columns(edition: Edition) -> Finding:
    if is_older(edition):
        said = (
            f"they are of format {edition.facts['version']}, without the columns that {FORMAT} has beside. It loads, "
            f"trains and is scored as before; `galaxy-zoo-decals upgrade {edition.path}` adds them without a download"
        )
        return Finding("columns", False, said)
    features = edition_features(edition.tree, _extra(edition))
    wanted = features.arrow_schema
    problems = []
    for path in (path for split in edition.splits for path in edition.shards(split)):
        try:
            found = pq.read_schema(path)
        except (pa.ArrowException, OSError) as error:
            problems.append(f"{path.name} cannot be read ({error})")
            continue
        if not found.equals(wanted) or type(features).from_arrow_schema(found) != features:
            other = [f.name for f in wanted if f.name not in found.names or not found.field(f.name).equals(f)]
            problems.append(
                f"{path.name} has other columns than documented ({', '.join(other[:3]) or 'their order or meaning'})"
            )
    return _finding("columns", problems, f"{len(wanted)} columns of the documented types")


def _extra(edition: Edition) -> tuple[str, ...]:
    return tuple(str(name) for name in edition.facts["extra_columns"])  # type: ignore[attr-defined]


def _flat_columns(edition: Edition) -> list[str]:
    schema = pq.read_schema(edition.shards(edition.splits[0])[0])
    return [field.name for field in schema if not pa.types.is_nested(field.type)]


def _names(tables: dict[str, pd.DataFrame]) -> Finding:
    problems = []
    for split, table in tables.items():
        names = table["iauname"]
        if not names.is_monotonic_increasing or names.duplicated().any():
            problems.append(f"the galaxies of {split} are not in the order of their names, each once")
        if (table["split"] != split).any():
            problems.append(f"{int((table['split'] != split).sum()):,} rows of {split} say they are of another split")
    for one, other in combinations(tables, 2):
        shared = set(tables[one]["iauname"]) & set(tables[other]["iauname"])
        if shared:
            problems.append(f"{len(shared):,} galaxies are in {one} and in {other}, as {min(shared)}")
    return _finding("names", problems, f"{sum(map(len, tables.values())):,} galaxies, none in two splits")


def _hashes(edition: Edition, table: pd.DataFrame, looked: list[Looked]) -> Finding:
    shas = {name: sha for group in looked for name, sha in zip(group.names, group.shas)}
    found = hashes(edition.tree, _extra(edition), table, shas)
    problems = [f"the {key} is {value[:12]}, not {str(edition.facts.get(key))[:12]}"
                for key, value in found.items() if edition.facts.get(key) != value]  # fmt: skip
    return _finding("hashes", problems, f"content {found['content_hash'][:12]}, images {found['image_hash'][:12]}")


def _counts(facts: dict[str, Any], tables: dict[str, pd.DataFrame]) -> Finding:
    problems = []
    for split, table in tables.items():
        found = {"galaxies": len(table), "scored": int(table["scored"].sum())}
        found |= {view: int(table[flag(view)].sum()) for view in VIEWS}
        stated = facts["counts"].get(split, {})
        problems += [
            f"{split} has {n:,} {key}, not {stated.get(key)}" for key, n in found.items() if stated.get(key) != n
        ]
    left = facts["cleaning"]["steps"][-1]["left"] if facts["cleaning"].get("steps") else facts["cleaning"].get("rows")
    total = sum(map(len, tables.values()))
    if left != total:
        problems.append(f"the cleaning report ends with {left} galaxies, the shards hold {total:,}")
    return _finding("counts", problems, "as edition.json says")


def _card(edition: Edition, facts: dict[str, Any]) -> Finding:
    text = (edition.path / "README.md").read_text(encoding="utf-8")
    head = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)
    try:
        said = yaml.safe_load(head[1]) if head else None
        configs = {config["config_name"]: config for config in said["configs"]}  # type: ignore[index]
        infos = {info["config_name"]: info for info in said["dataset_info"]}  # type: ignore[index]
        views = loadable(facts)
        problems = [f"there is no view {view}" for view in views if view not in configs or view not in infos]
        for view in views if not problems else ():
            if configs[view]["version"] != version(facts):
                problems.append(f"{view} is of version {configs[view]['version']}, not {version(facts)}: stale caches")
            counted = {split["name"]: split["num_examples"] for split in infos[view]["splits"]}
            if counted != {split: facts["counts"][split][view] for split in views[view]}:
                problems.append(f"{view} counts {counted}")
    except (yaml.YAMLError, KeyError, TypeError) as error:
        problems = [f"README.md has no head that datasets could load from ({error!r})"]
    if not problems and text != card(facts, edition_features(edition.tree, _extra(edition))):
        problems = ["README.md is not the card that follows from edition.json"]
    return _finding("card", problems, "views, versions and counts agree with edition.json")


def _terms(edition: Edition) -> Finding:
    """Hold what the edition says of itself against what its source says of all its editions."""
    said, source = edition.terms, edition.facts["source"]
    assert isinstance(source, dict)
    known = {"gz2": GZ2Challenge, "simulated": Simulated, "gzd5": FromHub if "images" in source else Downloaded}
    kind = known.get(str(source.get("kind")))
    if source.get("kind") == "galaxyzoo2":  # the licence is what the record, or the Hub's card, stated
        images = said.licence in PASSED_ON
        stated = (said.simulated, said.truth, said.may_publish_images, said.may_publish_votes)
        expected = (False, "counts", images, images and "images" in source)
        problems = [] if stated == expected else [f"it says other things of itself than licence {said.licence} allows"]
        return _finding("terms", problems, f"licence {said.licence}, as stated when it was prepared")
    if kind is None:  # a table of somebody's own: without a licence nothing is passed on
        stated = (said.simulated, said.truth, said.may_publish_images, said.may_publish_votes)
        may = said.licence in PASSED_ON
        wrong = stated != (False, "counts", may, may)
        problems = (
            [f"it says other things of itself than licence {said.licence} of a table of one's own has"] if wrong else []
        )
        return _finding("terms", problems, f"licence {said.licence}, as stated when it was prepared")
    names = ("simulated", "truth", "licence", "may_publish_images", "may_publish_votes")
    problems = [
        f"{name} is {getattr(said, name)}, of this source it is {getattr(kind, name)}"
        for name in names
        if getattr(said, name) != getattr(kind, name)
    ]
    return _finding("terms", problems, f"licence {said.licence}, as of every edition of this source")


def _votes(edition: Edition, table: pd.DataFrame) -> Finding:
    problems = []
    for q in edition.tree.questions:
        votes = table[list(q.columns)].to_numpy(np.int64)
        wrong = (votes < 0).any(axis=1) | (votes.sum(axis=1) != table[q.total].to_numpy(np.int64))
        if wrong.any():
            problems.append(f"{table['iauname'][wrong].iloc[0]} and {int(wrong.sum()) - 1:,} more: votes of {q.name}")
        if q.lost in table:
            problems += _lost(q, table)
    return _finding("votes", problems, "every total is the sum of its answers; lost votes are treated by the rule")


def _lost(question: Question, table: pd.DataFrame) -> list[str]:
    """Return what is wrong with a question that lost answers: kept up to its limit, unknown beyond."""
    published, lost, total = (
        table[name].to_numpy(np.int64) for name in (question.published, question.lost, question.total)
    )
    unknown = too_much_lost(question, published, lost)
    wrong = (lost < 0) | (total != np.where(unknown, 0, published - lost))
    if not wrong.any():
        return []
    return [
        f"{table['iauname'][wrong].iloc[0]} and {int(wrong.sum()) - 1:,} more: {question.name} does not follow from "
        f"its published and lost votes (at most {question.lost_limit:.0%} may be lost)"
    ]


def _boards(edition: Edition, table: pd.DataFrame) -> Finding:
    report: Any = edition.facts["cleaning"]
    stated, found = report.get("boards"), board_holdings(edition.tree, table)
    stated = stated if isinstance(stated, dict) else {}
    problems = [
        f"{split}: {name} is {count}, not {stated.get(split, {}).get(name)}"
        for split, counts in found.items()
        for name, count in counts.items()
        if stated.get(split, {}).get(name) != count
    ]
    if cleaning.lost_votes(edition.tree, table) != report.get("lost_votes", {}):
        problems.append("edition.json counts other galaxies that lost votes")
    return _finding("boards", problems, f"hold {found['test']['scored galaxies']:,} galaxies, as edition.json says")


def _cells(edition: Edition, table: pd.DataFrame) -> Finding:
    known = (table["ra"].notna() & table["dec"].notna()).to_numpy()
    rows, how = table[known], edition.facts["source"].get("split")  # type: ignore[attr-defined]
    if how == ONLY_TEST:
        wrong = (table["split"] != "test").any()
        return _finding("sky cells", ["some are none"] if wrong else [], "all galaxies are test galaxies")
    if how == OWN_SPLIT:
        several = len(splits.in_two_splits(rows))
        besides = f"; {several:,} times galaxies within {splits.TOGETHER:g} arcsec are in two splits" if several else ""
        return Finding("sky cells", True, f"the split is the catalogue's own column{besides}")
    if not known.any():
        return Finding("sky cells", True, "positions are not published; splits go by the name")
    places, names = (rows["ra"].to_numpy(), rows["dec"].to_numpy()), rows["split"].to_numpy()
    wrong = splits.by_sky_cell(*places) != names
    problems, besides = [], ""
    if edition.facts["source"].get("kind") == "galaxyzoo2":  # type: ignore[attr-defined]
        groups, besides = splits.neighbours(*places), ", but neighbours across a border share one"
        # Neighbours have the split of one of them, which need not be in a part of the survey.
        right = np.unique(groups[~wrong | splits.at_border(*places, names)])
        wrong &= ~np.isin(groups, right)
        apart = pd.Series(names).groupby(groups).nunique().gt(1).sum()
        if apart:
            problems.append(f"{apart:,} times galaxies within {splits.TOGETHER:g} arcsec are in two splits")
    if wrong.any():
        problems.append(f"{int(wrong.sum()):,} galaxies lie in a sky cell of another split")
    i, j = splits.sky_cell(*places)
    cells = len(set(zip(i.tolist(), j.tolist())))
    return _finding("sky cells", problems, f"{cells:,} cells, each in one split{besides}")


def _scored(edition: Edition, table: pd.DataFrame) -> Finding:
    problems = []
    if (table["scored"] & (table["split"] == "train")).any():
        problems.append("training galaxies are marked as scored")
    rules = {"GZD5": SCORED.get(edition.facts["source"].get("scored"), splits.scored)}  # type: ignore[attr-defined]
    if edition.facts["source"].get("kind") == "galaxyzoo2":  # type: ignore[attr-defined]
        rules["GZ2"] = splits.scored_galaxy_zoo_2
    if edition.tree.name in rules:
        expected = rules[edition.tree.name](table) & (table["split"] != "train").to_numpy()
        wrong = table["scored"].to_numpy() != expected
        if wrong.any():
            problems.append(
                f"{int(wrong.sum()):,} galaxies are marked against the rule, as {table['iauname'][wrong].iloc[0]}"
            )
    return _finding("scored", problems, f"{int(table['scored'].sum()):,} galaxies, none of them in train")


def _labels(edition: Edition) -> Finding:
    """Make the labels of every view again from the votes and compare them value by value."""
    debiased = edition.facts.get("labels") == "debiased"
    problems: list[str] = []
    for path in (path for split in edition.splits for path in edition.shards(split)):
        file = pq.ParquetFile(path)
        wanted = [name for name in file.schema_arrow.names if name != "image"]
        for batch in file.iter_batches(columns=wanted, batch_size=BLOCK):
            names = ["iauname", *edition.tree.vote_columns, *_extra(edition)]
            labels = view_labels(edition.tree, batch.select(names).to_pandas(), debiased)
            for name in labels:
                stored = batch.column(name)
                if not _equal(stored, to_arrow(labels[name], stored.type)):
                    problems.append(f"{name} in {path.name} does not follow from the votes")
    return _finding("labels", list(dict.fromkeys(problems)), "all views follow from the votes")


def _equal(one: pa.Array, other: pa.Array) -> bool:
    """Return whether two arrays hold the same values; NaN equals NaN."""
    if pa.types.is_struct(one.type):
        return all(_equal(a, b) for a, b in zip(one.flatten(), other.flatten()))
    if pa.types.is_fixed_size_list(one.type):
        return _equal(one.flatten(), other.flatten())
    if pa.types.is_list(one.type):
        return bool(one.value_lengths().equals(other.value_lengths())) and _equal(one.flatten(), other.flatten())
    if pa.types.is_floating(one.type):
        a, b = one.to_numpy(zero_copy_only=False), other.to_numpy(zero_copy_only=False)
        return bool(np.array_equal(a, b, equal_nan=True))
    return bool(one.equals(other))


def _images(facts: dict[str, Any], looked: list[Looked]) -> Finding:
    problems = [f"{name}: {words}" for group in looked for name, words in group.problems.items()]
    count = sum(len(group.names) for group in looked)
    return _finding("images", problems, f"{count:,} images of {facts['image_size']} pixels, all readable")


def _duplicates(edition: Edition, looked: list[Looked]) -> Finding:
    """Look for images of one split that are, nearly, also in another."""
    names = {s: [name for group in looked if group.split == s for name in group.names] for s in edition.splits}
    prints = {s: np.concatenate([group.prints for group in looked if group.split == s]) for s in edition.splits}
    pairs = [
        (float(value), f"{names[one][i]} in {one} and {names[other][j]} in {other}")
        for one, other in combinations(edition.splits, 2)
        for i, j, value in alike(prints[one], prints[other])
    ]
    problems = [
        f"{words} show the same pixels (correlation {value:.2f})" for value, words in sorted(pairs, reverse=True)
    ]
    return _finding("near-duplicates", problems, "no image is in two splits, not even encoded anew")


def report(edition: Edition, findings: list[Finding]) -> str:
    """Return the findings as a page of text."""
    failed = sum(not finding.holds for finding in findings)
    verdict = "everything holds" if not failed else f"{failed} of {len(findings)} do not hold"
    return "\n".join([f"{edition.title}: {edition.path}", *map(str, findings), f"{edition.name}: {verdict}."])

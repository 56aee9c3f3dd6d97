"""The card of an edition: the README.md from which stock datasets loads it, and which tells a reader what it is."""

from __future__ import annotations

from typing import Any

import yaml
from datasets import DatasetInfo, Features
from datasets.info import DatasetInfosDict
from datasets.splits import SplitDict, SplitInfo
from huggingface_hub import DatasetCardData

from galaxy_zoo_decals.edition import Terms
from galaxy_zoo_decals.prepare import card_words
from galaxy_zoo_decals.prepare.edition_columns import COMMON, flag, label_columns, list_columns
from galaxy_zoo_decals.schema import CLASSES, SPLITS, TREES, VIEWS, Tree
from galaxy_zoo_decals.sources.folder import OWN_SPLIT


def card(facts: dict[str, Any], features: Features) -> str:
    """Return the text of README.md from the content of edition.json and the features of all columns."""
    tree = TREES[facts["tree"]]
    columns = {view: (*COMMON, *label_columns(view, tree, tuple(facts["extra_columns"]))) for view in VIEWS}
    # Lists are known to datasets, so that columns= of one's own may name them, and shown only then.
    known = {view: (*columns[view], *list_columns(view)) for view in VIEWS}
    galaxies = sum(counts["galaxies"] for counts in facts["counts"].values())
    data = DatasetCardData(
        pretty_name=facts["title"],
        license=facts["licence"].lower(),
        task_categories=["image-classification"],
        tags=["astronomy", "galaxies", "morphology", "galaxy-zoo"],
        size_categories=[_size_category(galaxies)],
        configs=_configs(facts, columns),
    )
    infos = {
        view: DatasetInfo(
            features=Features({name: features[name] for name in known[view]}), splits=_splits(facts, view)
        )
        for view in loadable(facts)
    }
    DatasetInfosDict(infos).to_dataset_card_data(data)
    # datasets reads them back into ds.info, but writes none of them itself.
    for info in data.get("dataset_info"):
        info |= {
            "description": _description(facts, tree, info["config_name"]),
            "citation": facts["citation"],
            "license": facts["licence"],
            "homepage": HOMEPAGES[_kind(facts)],
        }
    head = yaml.safe_dump(data.to_dict(), sort_keys=False, allow_unicode=True, width=120)
    return f"---\n{head}---\n{_text(facts, tree)}"


HOMEPAGES = {
    "gzd5": "https://doi.org/10.5281/zenodo.4573248",
    "galaxyzoo2": "https://data.galaxyzoo.org",
    "gz2": "https://www.kaggle.com/c/galaxy-zoo-the-galaxy-challenge",
    "simulated": "https://www.galaxyzoo.org",
    "catalogue": "https://www.galaxyzoo.org",
}
"""Where the galaxies come from; of simulated ones and of a table of one's own, whose questions they are."""


def _description(facts: dict[str, Any], tree: Tree, view: str) -> str:
    """Return what ``ds.info.description`` says: what the edition is, what the view holds, how to read its columns."""
    columns = {
        "multilabel": f" Order of labels: {', '.join(tree.label_names)}.",
        "hierarchical": " path_answers are positions in the names of answers, question by question.",
    }.get(view, "")
    return (
        f"{facts['title']}. {facts['source']['description']}\n\n{view}: {_descriptions(facts)[view]}.{columns} "
        "Unknown is NaN, empty or -1. Every column: docs/columns.md."
    )


def _size_category(galaxies: int) -> str:
    """Return the Hub's name for how many rows a dataset has."""
    limits = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K"}
    return next((name for limit, name in limits.items() if galaxies < limit), "100K<n<1M")


def version(facts: dict[str, Any]) -> str:
    """Return the version of the configs: format, then a number from the hashes.

    datasets keys its cache by the card; without the hash in it, rows of an older edition come back silently.
    """
    return f"{facts['version']}.{int((facts['content_hash'][:4] + facts['image_hash'][:4]), 16)}"


def _descriptions(facts: dict[str, Any]) -> dict[str, str]:
    words = card_words.DESCRIPTIONS
    return words if Terms(truth=facts["truth"]).counted_votes else words | card_words.OF_LIKELIHOODS


def loadable(facts: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the splits of each view that hold a galaxy, views without any left out: datasets refuses to load none."""
    found = {view: tuple(s for s in SPLITS if facts["counts"][s][view]) for view in VIEWS}
    return {view: splits for view, splits in found.items() if splits}


def _configs(facts: dict[str, Any], columns: dict[str, tuple[str, ...]]) -> list[dict[str, Any]]:
    views = loadable(facts)
    return [
        {
            "config_name": view,
            **({"default": True} if view == next(iter(views)) else {}),
            "version": version(facts),
            "description": _descriptions(facts)[view],
            "data_files": [{"split": split, "path": f"data/{split}-*.parquet"} for split in views[view]],
            "columns": list(columns[view]),
            "filters": [[flag(view), "==", True]],
        }
        for view in views
    ]


def _splits(facts: dict[str, Any], view: str) -> SplitDict:
    found = SplitDict()
    for split in loadable(facts)[view]:
        found.add(SplitInfo(name=split, num_examples=facts["counts"][split][view]))
    return found


def _text(facts: dict[str, Any], tree: Tree) -> str:
    cleaning = facts["cleaning"]
    counts = facts["counts"]
    words = _descriptions(facts)
    there = _splits_of(facts)
    views = "\n".join(
        f"| `{view}` | {words[view]} | {' | '.join(f'{counts[s][view]:,}' for s in there)} |" for view in VIEWS
    )
    steps = "\n".join(f"| {s['name']} | {s['reason']} | {s['removed']:,} | {s['left']:,} |" for s in cleaning["steps"])
    outside = "\n".join(
        f"| `{view}` | {reason} | {count:,} |"
        for view, reasons in cleaning.get("outside", {}).items()
        for reason, count in reasons.items()
        if count
    )
    removed = "\n".join(f"- `{n}`: {p}" for s in cleaning["steps"] for n, p in s["examples"].items())
    scored = ", ".join(f"{counts[s]['scored']:,} in {s}" for s in there if s != "train")
    labels = ", ".join(f"`{name}`" for name in tree.label_names)
    questions = "\n".join(
        f"| {q.name} | {q.text} | {', '.join(q.answers)} | "
        f"{' or '.join(f'{pq} = {pa}' for pq, pa in q.parents) or 'always'} |"
        for q in tree.questions
    )
    return f"""# {facts["title"]}

{facts["source"]["description"]}

Load a view with stock `datasets`: `load_dataset(PATH, "multilabel")`, with `streaming=True` or without.

| view | what | {" | ".join(there)} |
|---|---|{"--:|" * len(there)}
{views}
{_empty(facts)}
All views show the same galaxies but for those a view cannot label. Images have {facts["image_size"]} pixels a side
({_form(facts)}). A `filters=` of your own replaces the view's; add `("in_multiclass", "==", True)` (or the view's flag)
to it. What is not known of a galaxy is NaN, "" or -1, never null.

## What the labels mean

{card_words.COUNTED if Terms(truth=facts["truth"]).counted_votes else card_words.MADE}

- **multiclass** ({", ".join(CLASSES)}): shares multiplied down the tree, so that with `share_artifact` and
  `share_undetermined` they sum to 1. A *lenticular* is here a disc without visible arms, or a disc seen edge-on;
  most edge-on discs are really spirals. `label` is given where one share is larger than the artifact share and than
  the second largest plus all that is undetermined; `confident` where it is over 0.6.
- **multilabel** ({labels}): `labels` are true (fraction over 0.5), `asked` are known: an unasked question is
  unknown, not negative. A question counts as asked from max(3, half of the first question's) votes. `multi_hot` and
  `asked_mask` say the same as 1 and 0 per label, in the order of the names of `top_label` (the asked label of the
  largest fraction). The lists `labels` and `asked` are loaded by name, `columns=["image", "labels", "asked"]`: no batch
  can be made of lists that differ in length.
- **hierarchical**: the most voted answer of each question that was asked (else -1), its fraction, the question's
  relevance (the product of the fractions on the way to it), and the path of most voted answers from the root
  (`path_answers`, -1 where a question is not on it; as a list of words by name, `columns=["image", "path"]`).
- **votes**: the counts.

`scored` marks the galaxies metrics use: {scored}.{_rule(facts)}
{_part(facts)}
## The decision tree ({tree.name})

| question | text | answers | asked after |
|---|---|---|---|
{questions}

## From the catalogue to this edition

{cleaning["rows"]:,} rows in the catalogue.

| step | why | removed | left |
|---|---|--:|--:|
{steps}
{removed and chr(10) + removed + chr(10)}
Images without a row in the catalogue, ignored: {cleaning["unlisted_images"]:,}.
{_strangers(cleaning)}{outside and card_words.OUTSIDE + outside + chr(10)}
{_checks(facts)}{_lost(cleaning, tree)}{_boards(cleaning)}{_balance(facts)}## How it was split

{_split(facts)} The split of a galaxy never changes; classes are balanced, where a training asks for it, after
the split. `galaxy-zoo-decals check` looks for galaxies, sky cells and images that two splits share.

## Biases, and what not to use it for

{_biases(facts)}

## Licence and citation

{facts["licence"]}. {facts["citation"]}
"""


def _strangers(cleaning: dict[str, Any]) -> str:
    return "".join(f"- `{name}`: {why}\n" for name, why in cleaning.get("strangers", {}).items())


def _lost(cleaning: dict[str, Any], tree: Tree) -> str:
    """Return what became of questions that lost answers; nothing where no galaxy lost votes."""
    text = ""
    for name, groups in cleaning.get("lost_votes", {}).items():
        if not any(counts["kept"] or counts["unknown"] for counts in groups.values()):
            continue
        rows = "\n".join(
            f"| {group} | {' | '.join(f'{count:,}' for count in counts.values())} |" for group, counts in groups.items()
        )
        text += (
            f"### Lost votes: {name}\n\nThis question had other answers early in the campaign, and the votes cast for "
            "those are in its published total alone. Where they are at most "
            f"{tree.question(name).lost_limit:.0%} of the total, the counts are kept and their sum is the total; where "
            "they are more, the question is unknown: its counts and its total are 0.\n\n"
            "| galaxies | with published votes | none lost | few lost, kept | unknown |\n|---|--:|--:|--:|--:|\n"
            f"{rows}\n\n"
        )
    return text


def _boards(cleaning: dict[str, Any]) -> str:
    """Return what the boards hold of the scored galaxies."""
    boards = cleaning["boards"]
    names = next(iter(boards.values()))
    rows = "\n".join(f"| {name} | {' | '.join(f'{counts[name]:,}' for counts in boards.values())} |" for name in names)
    return f"### What the boards hold\n\n| | {' | '.join(boards)} |\n|---|{'--:|' * len(boards)}\n{rows}\n\n"


def _form(facts: dict[str, Any]) -> str:
    return "the files as they came" if facts["image_quality"] is None else f"JPEG of quality {facts['image_quality']}"


def _kind(facts: dict[str, Any]) -> str:
    kind = str(facts["source"]["kind"])
    return kind if kind in card_words.SPLIT else "catalogue"


def _split(facts: dict[str, Any]) -> str:
    """Return how galaxies were split; of Galaxy Zoo 2 a table may have positions or not."""
    how = facts["source"].get("split")
    if how == OWN_SPLIT:
        return f"By the catalogue's own column `{facts['source']['split_column']}`: whoever made the table decided."
    return card_words.OTHERWISE.get(how, card_words.SPLIT[_kind(facts)])


def _empty(facts: dict[str, Any]) -> str:
    """Return which views have no galaxy, or a split without one: they cannot be loaded."""
    views, there = loadable(facts), _splits_of(facts)
    lacking = {view: [s for s in there if s not in views.get(view, ())] for view in VIEWS}
    said = [
        f"The view `{view}` has no galaxy{' in ' + ' and '.join(splits) if view in views else ''} and cannot be "
        f"loaded{' there' if view in views else ''}."
        for view, splits in lacking.items()
        if splits
    ]
    return "\n" + "\n".join(said) + "\n" if said else ""


def _splits_of(facts: dict[str, Any]) -> tuple[str, ...]:
    """Return the splits that have galaxies."""
    return tuple(split for split in SPLITS if facts["counts"][split]["galaxies"])


def _rule(facts: dict[str, Any]) -> str:
    """Return by which rule galaxies are scored, where it is not that of Galaxy Zoo DECaLS."""
    return card_words.RULES.get(facts["source"].get("scored", ""), "")


def _part(facts: dict[str, Any]) -> str:
    """Return what the table lacks of the tree; nothing where it has the whole tree."""
    unknown, summed = (facts["source"].get(key, []) for key in ("unknown_questions", "summed_totals"))
    text = ""
    if unknown:
        text += (
            f"\n**The catalogue has no votes for {', '.join(unknown)}.**\nThese questions are unknown for every "
            "galaxy, as if nobody had been asked: their counts are 0, and no label follows from them.\n"
        )
    if summed:
        text += f"\nThe catalogue has no totals of {', '.join(summed)}: they are the sums of the answers.\n"
    return text


def _checks(facts: dict[str, Any]) -> str:
    """Return what was found where counts, totals and parents of the published table were held against each other."""
    checks = facts["source"].get("checks")
    if not isinstance(checks, dict):
        return ""
    rows = "\n".join(f"| {what} | {found['rows']:,} | {found['first'] or ''} |" for what, found in checks.items())
    table = facts["source"]["table"]
    return (
        f"### What was checked in the table\n\n`{table['name']}`, {table['bytes']:,} bytes, sha256 "
        f"`{table['sha256']}`, {table['rows']:,} rows. Counts are taken as they stand; a question's total is the sum "
        "of its answers.\n\n"
        f"| what should hold | rows where it does not | the first of them |\n|---|--:|---|\n{rows}\n\n"
    )


def _biases(facts: dict[str, Any]) -> str:
    """Return what the card says of biases, and of what the data are not for."""
    words = card_words.BIASES[_kind(facts)]
    if facts.get("labels") == "debiased":
        words += (
            "\n- **The labels of this edition are made of debiased fractions**, and galaxies without them were left "
            "out: a choice by redshift, luminosity and votes. Scores are always computed from the votes."
        )
    return words


def _balance(facts: dict[str, Any]) -> str:
    """Return how many galaxies have each class and label; older editions do not say."""
    if "balance" not in facts:
        return ""
    there = _splits_of(facts)
    rows = [
        f"| {title} | {name} | " + " | ".join(f"{facts['balance'][split][view][name]:,}" for split in there) + " |"
        for view, title in (("multiclass", "class"), ("multilabel", "label true"))
        for name in facts["balance"][there[0]][view]
    ]
    head = f"| view | value | {' | '.join(there)} |\n|---|---|{'--:|' * len(there)}"
    return "## Class balance\n\n" + "\n".join([head, *rows]) + "\n\n"

"""The card of an edition: the README.md from which stock datasets loads it, and which tells a reader what it is."""

from __future__ import annotations

from typing import Any

import yaml
from datasets import DatasetInfo, Features
from datasets.info import DatasetInfosDict
from datasets.splits import SplitDict, SplitInfo
from huggingface_hub import DatasetCardData

from galaxy_zoo_decals.features import COMMON, flag, label_columns
from galaxy_zoo_decals.schema import CLASSES, SPLITS, TREES, VIEWS, Tree

DESCRIPTIONS = {
    "multiclass": "one class a galaxy: elliptical, spiral, lenticular or irregular",
    "multilabel": "binary labels, with the ones that volunteers were asked about",
    "hierarchical": "the answers, fractions and relevance of every question, and the path through the tree",
    "votes": "the vote counts of every answer",
}


def card(facts: dict[str, Any], features: Features) -> str:
    """Return the text of README.md from the content of edition.json and the features of all columns."""
    tree = TREES[facts["tree"]]
    columns = {view: (*COMMON, *label_columns(view, tree, tuple(facts["extra_columns"]))) for view in VIEWS}
    data = DatasetCardData(
        pretty_name=facts["title"],
        license=facts["licence"].lower(),
        task_categories=["image-classification"],
        tags=["astronomy", "galaxies", "morphology", "galaxy-zoo"],
        configs=_configs(facts, columns),
    )
    infos = {
        view: DatasetInfo(
            features=Features({name: features[name] for name in columns[view]}), splits=_splits(facts, view)
        )
        for view in VIEWS
    }
    DatasetInfosDict(infos).to_dataset_card_data(data)
    head = yaml.safe_dump(data.to_dict(), sort_keys=False, allow_unicode=True, width=120)
    return f"---\n{head}---\n{_text(facts, tree)}"


def version(facts: dict[str, Any]) -> str:
    """Return the version of the configs: format, then a number from the hashes.

    datasets keys its cache by the card; without the hash in it, rows of an older edition come back silently.
    """
    return f"{facts['version']}.{int((facts['content_hash'][:4] + facts['image_hash'][:4]), 16)}"


def _configs(facts: dict[str, Any], columns: dict[str, tuple[str, ...]]) -> list[dict[str, Any]]:
    return [
        {
            "config_name": view,
            **({"default": True} if view == "multiclass" else {}),
            "version": version(facts),
            "description": DESCRIPTIONS[view],
            "data_files": [{"split": split, "path": f"data/{split}-*.parquet"} for split in SPLITS],
            "columns": list(columns[view]),
            "filters": [[flag(view), "==", True]],
        }
        for view in VIEWS
    ]


def _splits(facts: dict[str, Any], view: str) -> SplitDict:
    found = SplitDict()
    for split in SPLITS:
        found.add(SplitInfo(name=split, num_examples=facts["counts"][split][view]))
    return found


def _text(facts: dict[str, Any], tree: Tree) -> str:
    cleaning = facts["cleaning"]
    counts = facts["counts"]
    views = "\n".join(
        f"| `{view}` | {DESCRIPTIONS[view]} | {' | '.join(f'{counts[s][view]:,}' for s in SPLITS)} |" for view in VIEWS
    )
    steps = "\n".join(f"| {s['name']} | {s['reason']} | {s['removed']:,} | {s['left']:,} |" for s in cleaning["steps"])
    removed = "\n".join(f"- `{n}`: {p}" for s in cleaning["steps"] for n, p in s["examples"].items())
    scored = ", ".join(f"{counts[s]['scored']:,} in {s}" for s in SPLITS[1:])
    labels = ", ".join(f"`{name}`" for name in tree.label_names)
    questions = "\n".join(
        f"| {q.name} | {q.text} | {', '.join(q.answers)} | "
        f"{' or '.join(f'{pq} = {pa}' for pq, pa in q.parents) or 'always'} |"
        for q in tree.questions
    )
    return f"""# {facts["title"]}

{facts["source"]["description"]}

Load a view with stock `datasets`: `load_dataset(PATH, "multilabel")`, with `streaming=True` or without.

| view | what | {" | ".join(SPLITS)} |
|---|---|--:|--:|--:|
{views}

All views show the same galaxies (images of {facts["image_size"]} px) but for those a view cannot label. A `filters=` of
your own replaces the view's; add `("in_multiclass", "==", True)` (or the view's flag) to it.

## What the labels mean

All labels are functions of the volunteers' votes; a fraction is votes / total, from one vote upward.

- **multiclass** ({", ".join(CLASSES)}): shares multiplied down the tree, so that with `share_artifact` and
  `share_undetermined` they sum to 1. A *lenticular* is here a disc without visible arms, or a disc seen edge-on;
  most edge-on discs are really spirals. `label` is given where one share is larger than the artifact share and than
  the second largest plus all that is undetermined; `confident` where it is over 0.6.
- **multilabel** ({labels}): `labels` are true (fraction over 0.5), `asked` are known: an unasked question is
  unknown, not negative. A question counts as asked from max(3, half of the first question's) votes.
- **hierarchical**: the most voted answer of each question that was asked (else -1), its fraction, the question's
  relevance (the product of the fractions on the way to it), and the path of most voted answers from the root.
- **votes**: the counts.

`scored` marks the galaxies metrics use: {scored}.

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

## Licence and citation

{facts["licence"]}. {facts["citation"]}
"""

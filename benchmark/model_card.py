"""Model cards: what a trained model is, how well it does with error bars, and how to use it."""

from __future__ import annotations

import math
from typing import Any

import yaml

from galaxy_zoo_decals.scoring import BOARDS, Result


def text(facts: dict[str, Any], results: dict[str, Result]) -> str:
    """Return the model card (Markdown with the Hub's metadata) of a run, given its run.json and its scores."""
    edition = facts["edition"]
    entries = [
        {
            "task": {"type": "image-classification", "name": BOARDS[board].title},
            "dataset": {"type": edition["name"], "name": edition["title"], "config": board, "split": "test"},
            "metrics": [
                {"type": BOARDS[board].primary, "name": result.primary_title, "value": round(result.primary.value, 6)}
            ],
        }
        for board, result in results.items()
        if math.isfinite(result.primary.value)
    ]
    metadata = {
        "library_name": "transformers",
        "pipeline_tag": "image-classification",
        "tags": ["galaxy-zoo", "astronomy", "morphology"],
        "model-index": [{"name": facts["title"], "results": entries}],
    }
    header = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True)
    return f"---\n{header}---\n{_body(facts, results)}"


def _body(facts: dict[str, Any], results: dict[str, Result]) -> str:
    edition, recipe = facts["edition"], facts["recipe"]
    fewer = f"{recipe['galaxies']:,} training galaxies of " if recipe.get("galaxies") else ""
    lines = [
        f"# {facts['title']}",
        "",
        f"Trained on {fewer}**{edition['title']}** (edition `{edition['name']}`), recipe `{recipe['name']}`, seed "
        f"{facts['seed']}; {facts['parameters']:,} parameters, images of {facts['resolution']} px; first weights: "
        f"{facts['weights']}. {facts['device']}, {facts['precision']}, {facts['train_seconds']:.0f} s.",
        "",
        "## Scores",
        "",
        "On the scored test galaxies of that edition, which training and the choice of the epoch never saw, with 95 % "
        "intervals from the bootstrap over galaxies. One training: another seed would score a little differently. "
        "Scores on other editions are other questions and are not to be compared.",
    ]
    for board, result in results.items():
        lines += ["", f"### {result.told.title}, {result.galaxies} galaxies", ""]
        lines += ["| metric | score | 95 % interval |", "|---|--:|---|"]
        for name, metric in result.told.metrics.items():
            found = result.metrics[name]
            if math.isfinite(found.value):
                value, low, high = (format(x, metric.format) for x in (found.value, found.low, found.high))
                bold = "**" if name == BOARDS[board].primary else ""
                lines.append(f"| {bold}{metric.title}{bold} | {value} | {low} to {high} |")
    settings = "\n".join(f"{key}: {value}" for key, value in recipe.items())
    lines += [
        "",
        "## Use",
        "",
        "```python",
        "import galaxy_zoo_decals.models  # pip install 'galaxy-zoo-decals[models]': transformers knows the model",
        "from transformers import pipeline",
        "",
        'pipeline("image-classification", model="path/to/this/folder")("galaxy.jpg", top_k=10)',
        "```",
        "",
        "`benchmark/predict.py` writes a table of labels, fractions with intervals and the path through the tree "
        "for a folder of images, which it first brings to the size and form of the edition's. Images must look like "
        "those of training: the galaxy in the centre, scaled to its Petrosian radius as Galaxy Zoo shows it.",
        "",
        "## How it was trained",
        "",
        "```",
        facts["command"],
        "```",
        "",
        "```",
        settings,
        "```",
        "",
        "Counted votes are opinions of volunteers about pictures: what is too small or too faint to see is called "
        "smooth. Published likelihoods, as those of the Kaggle Galaxy Challenge, are such opinions corrected for "
        "what no picture shows. The predictions are of the one or the other, as the edition above is, and not "
        "physical types.",
    ]
    return "\n".join(lines) + "\n"

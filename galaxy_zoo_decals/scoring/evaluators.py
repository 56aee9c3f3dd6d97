"""The boards as ``evaluate.Metric`` subclasses, for those who score with that library; nothing else imports this.

    from galaxy_zoo_decals.scoring.evaluators import Multiclass

    metric = Multiclass("GZD5")
    metric.add_batch(predictions=class_probabilities, references=vote_counts)
    metric.compute()["macro_f1"]

References are vote counts, not labels: classes, labels and masks are made of them by views.py, as everywhere.
"""

from __future__ import annotations

from typing import Any

import evaluate
import numpy as np
from datasets import Features, Sequence, Value

from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.schema import TREES
from galaxy_zoo_decals.scoring.boards import BOARDS
from galaxy_zoo_decals.scoring.predicted import Predictions
from galaxy_zoo_decals.scoring.results import score
from galaxy_zoo_decals.scoring.truth import Truth

CITATION = """\
@article{walmsley2022galaxy,
  title = {Galaxy Zoo DECaLS: Detailed visual morphology measurements from volunteers and deep learning for
           314,000 galaxies},
  author = {Walmsley, Mike and Lintott, Chris and G{\\'e}ron, Tobias and others},
  journal = {Monthly Notices of the Royal Astronomical Society},
  volume = {509}, number = {3}, pages = {3966--3988}, year = {2022}
}"""


class _BoardMetric(evaluate.Metric):
    """All metrics of one board; ``config_name`` is the tree of the votes, GZD5 (default) or GZ2."""

    task = ""

    def __init__(self, config_name: str = "GZD5", **kwargs: Any) -> None:
        if config_name not in TREES:
            raise UserError(f"there is no tree {config_name!r}; choose from {', '.join(TREES)}.")
        super().__init__(config_name=config_name, **kwargs)

    def _info(self) -> evaluate.MetricInfo:
        board, tree = BOARDS[self.task], TREES[self.config_name]
        columns = ", ".join(BOARDS[self.task].file_columns(tree))
        metrics = "\n".join(f"- {m.name}: {m.definition}" for m in board.all_metrics)
        return evaluate.MetricInfo(
            description=f"{board.title}: {board.question}\n{metrics}",
            citation=CITATION,
            inputs_description=(
                f"predictions: one row a galaxy of {columns}.\n"
                f"references: one row a galaxy of vote counts, in the order of the {tree.name} tree's answers."
            ),
            features=Features({"predictions": Sequence(Value("float64")), "references": Sequence(Value("int64"))}),
            reference_urls=["https://doi.org/10.1093/mnras/stab2093"],
        )

    def _compute(self, predictions: Any, references: Any) -> dict[str, float]:
        tree = TREES[self.config_name]
        values, votes = np.array(predictions, float), np.array(references, np.int64)
        for word, array, width in (
            ("predictions", values, len(BOARDS[self.task].file_columns(tree))),
            ("references", votes, len(tree.answers)),
        ):
            if array.ndim != 2 or array.shape[1] != width:
                raise UserError(
                    f"{word} have the shape {array.shape}; a {self.task} row on {tree.name} is {width} wide."
                )
        names = tuple(str(i) for i in range(len(votes)))
        truth = Truth("references", "references", tree, "", "", names, votes)
        result = score(truth, Predictions(self.task, "references", "", "", 0, names, values))[self.task]
        return {name: estimate.value for name, estimate in result.metrics.items()}


class Multiclass(_BoardMetric):
    """Metrics of the four classes; predictions are class probabilities."""

    task = "multiclass"


class Multilabel(_BoardMetric):
    """Metrics of the binary labels; predictions are label probabilities."""

    task = "multilabel"


class Hierarchical(_BoardMetric):
    """Metrics of the path through the tree; predictions are conditional answer probabilities."""

    task = "hierarchical"


class Votes(_BoardMetric):
    """Metrics of the votes themselves; predictions are Dirichlet concentrations."""

    task = "votes"

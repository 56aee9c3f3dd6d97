"""The boards as ``evaluate.Metric`` subclasses, for those who score with that library; nothing else imports this.

    from galaxy_zoo_decals.scoring.evaluators import Multiclass

    metric = Multiclass("GZD5")
    metric.add_batch(predictions=class_probabilities, references=vote_counts)
    metric.compute()["macro_f1"]

References are vote counts: classes, labels and masks are made of them by views.py, as everywhere. ``Multiclass`` and
``Multilabel`` take the labels of a view instead, too, and then return what labels alone allow (label_metrics.py):

    Multiclass().compute(predictions=class_probabilities, references=galaxies["label"])
    Trainer(..., compute_metrics=Multiclass().compute_metrics)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from datasets import Features, Sequence, Value

from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.schema import TREES
from galaxy_zoo_decals.scoring import label_metrics
from galaxy_zoo_decals.scoring.boards import BOARDS
from galaxy_zoo_decals.scoring.predicted import Predictions
from galaxy_zoo_decals.scoring.results import score
from galaxy_zoo_decals.scoring.truth import Truth

try:
    import evaluate
except ModuleNotFoundError as error:
    if error.name != "evaluate":
        raise
    raise ModuleNotFoundError(
        "these metrics are those of the library evaluate, which is not installed: `pip install evaluate`. Without it, "
        "galaxy_zoo_decals.scoring.label_metrics has the same numbers from labels, and `galaxy-zoo-decals score` from "
        "a prediction file.",
        name="evaluate",
    ) from None

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

    forms: tuple[tuple[object, object], ...] = ()
    """Other forms of predictions and references than rows of probabilities and of votes."""

    labels = ""
    """What references may be instead of votes, in words."""

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
                f"references: one row a galaxy of vote counts, in the order of the {tree.name} tree's answers"
                + (f"; or {self.labels}." if self.labels else ".")
            ),
            features=[
                Features({"predictions": predictions, "references": references})
                for predictions, references in ((Sequence(Value("float64")), Sequence(Value("int64"))), *self.forms)
            ],
            reference_urls=["https://doi.org/10.1093/mnras/stab2093"],
        )

    def _compute(self, predictions: Any, references: Any) -> dict[str, float]:
        tree = TREES[self.config_name]
        if (found := self._of_labels(np.array(predictions), np.array(references))) is not None:
            return found
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

    def _of_labels(self, predictions: np.ndarray, references: np.ndarray) -> dict[str, float] | None:
        """Return the metrics where references are labels, None where they are votes."""
        return None


class _LabelMetric(_BoardMetric):
    """A board whose truth may be labels, too."""

    def compute_metrics(self, outcome: Any) -> dict[str, float]:
        """Return the metrics of logits and labels: the argument compute_metrics of transformers' Trainer."""
        return label_metrics.compute_metrics(self.task, tree=self.config_name)(outcome)


class Multiclass(_LabelMetric):
    """Metrics of the four classes; predictions are class probabilities, or classes where references are classes."""

    task = "multiclass"
    forms = ((Sequence(Value("float64")), Value("int64")), (Value("int64"), Value("int64")))
    labels = "its class, as in the column label (-1: unknown); predictions may then be classes, too"

    def _of_labels(self, predictions: np.ndarray, references: np.ndarray) -> dict[str, float] | None:
        return label_metrics.multiclass(predictions, references) if references.ndim == 1 else None


class Multilabel(_LabelMetric):
    """Metrics of the binary labels; predictions are label probabilities."""

    task = "multilabel"
    labels = "1, 0, or -1 (unknown) of each label, as the column multi_hot with -1 where asked_mask is 0"

    def _of_labels(self, predictions: np.ndarray, references: np.ndarray) -> dict[str, float] | None:
        width = len(TREES[self.config_name].label_names)
        if references.ndim != 2 or references.shape[1] != width:
            return None
        return label_metrics.multilabel(predictions, references, tree=self.config_name)


class Hierarchical(_BoardMetric):
    """Metrics of the path through the tree; predictions are conditional answer probabilities."""

    task = "hierarchical"


class Votes(_BoardMetric):
    """Metrics of the votes themselves; predictions are Dirichlet concentrations."""

    task = "votes"

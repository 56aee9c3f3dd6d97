"""The boards as data: what each is ranked by, and name, definition, range and direction of every metric."""

from __future__ import annotations

from dataclasses import dataclass, replace

VERSION = "1"
"""Of the scorer: a change of any definition raises it, and stored scores of another version are scored again."""


@dataclass(frozen=True)
class Metric:
    """A metric as the site prints it: ``low`` and ``high`` bound its values (None: no bound)."""

    name: str
    title: str
    definition: str
    low: float | None = 0.0
    high: float | None = 1.0
    higher_is_better: bool = True
    format: str = ".3f"
    biased: bool = False
    """Finite samples push it up, for bootstrap draws twice: value and draws are corrected by the bootstrap's bias."""
    target: float | None = None
    """The value of a calibrated model, where neither higher nor lower is better."""
    of_volunteers: bool = False
    """It is a number of volunteers, and so has a meaning only where votes are counts of volunteers."""
    of_likelihoods: str = ""
    """The definition where counts were made from published likelihoods, if it is another."""


@dataclass(frozen=True)
class Board:
    """One ranking: a task, the metric it is ranked by and the metrics that stand beside it."""

    task: str
    title: str
    question: str
    primary: str
    all_metrics: tuple[Metric, ...]
    title_of_likelihoods: str = ""
    question_of_likelihoods: str = ""

    @property
    def metrics(self) -> dict[str, Metric]:
        """The metrics by name, in the order of display."""
        return {metric.name: metric for metric in self.all_metrics}

    def told(self, counted_votes: bool) -> Board:
        """Return the board as an edition shows it, in whose words: of counted votes, or of published likelihoods.

        Of likelihoods it has no metric that is a number of volunteers.
        """
        if counted_votes:
            return self
        return replace(
            self,
            title=self.title_of_likelihoods or self.title,
            question=self.question_of_likelihoods or self.question,
            all_metrics=tuple(
                replace(metric, definition=metric.of_likelihoods or metric.definition)
                for metric in self.all_metrics
                if not metric.of_volunteers
            ),
        )


def _error(name: str, title: str, definition: str, high: float | None = None, format: str = ".3f") -> Metric:
    return Metric(name, title, definition, 0.0, high, higher_is_better=False, format=format)


_KNOWN = "Only labels whose question was asked count: an unasked question is unknown, not negative."
_UNMASKED = (
    "As in the student work, every label counts and an unasked one is negative; for comparison, since it rewards "
    "guessing the route through the tree."
)

MULTICLASS = Board(
    "multiclass",
    "Four classes",
    "Elliptical, spiral, lenticular or irregular?",
    "macro_f1",
    (
        Metric("macro_f1", "Macro F1",
               "Mean over the classes of F1 = 2TP / (2TP + FP + FN), on all labelled galaxies."),
        Metric("accuracy", "Accuracy",
               "Share of labelled galaxies whose most probable class is the true class."),
        Metric("balanced_accuracy", "Balanced accuracy", "Mean over the classes of the recall."),
        Metric("clear_accuracy", "Accuracy, clear galaxies",
               "Accuracy on the galaxies whose true class share is over 0.6."),
        Metric("clear_share", "Clear galaxies", "Share of labelled galaxies whose true class share is over 0.6."),
        Metric("covered_accuracy", "Accuracy when sure", "Accuracy where the model's largest probability is over 0.6."),
        Metric("coverage", "Sure", "Share of galaxies where the model's largest probability is over 0.6."),
        _error("nll", "NLL", "Mean of minus the natural logarithm of the probability given to the true class."),
        _error("brier", "Brier", "Mean over galaxies of the summed squared difference to the one-hot class.", 2.0),
        Metric("ece", "ECE",
               "Expected calibration error of the most probable class, 15 bins of equal mass, corrected for the bias "
               "of finite bins.", higher_is_better=False, biased=True),
    ),
)  # fmt: skip

MULTILABEL = Board(
    "multilabel",
    "Labels",
    "Which of the tree's labels are true?",
    "macro_map",
    (
        Metric("macro_map", "Macro mAP", f"Mean over labels of the average precision. {_KNOWN}"),
        Metric("macro_f1", "Macro F1", f"Mean over labels of F1 at probability 0.5. {_KNOWN}"),
        Metric("micro_f1", "Micro F1", f"F1 at 0.5 over all known (galaxy, label) pairs. {_KNOWN}"),
        Metric("subset_accuracy", "Subset accuracy", f"Share of galaxies with every known label right. {_KNOWN}"),
        Metric("macro_precision", "Macro precision", f"Mean over labels of TP / (TP + FP). {_KNOWN}"),
        Metric("macro_recall", "Macro recall", f"Mean over labels of TP / (TP + FN). {_KNOWN}"),
        Metric("micro_precision", "Micro precision", f"TP / (TP + FP) over all known pairs. {_KNOWN}"),
        Metric("micro_recall", "Micro recall", f"TP / (TP + FN) over all known pairs. {_KNOWN}"),
        _error("hamming", "Hamming loss", f"Share of known (galaxy, label) pairs that are wrong. {_KNOWN}", 1.0),
        Metric("macro_f1_unmasked", "Macro F1, unmasked", f"Macro F1 without the mask. {_UNMASKED}"),
        Metric("micro_f1_unmasked", "Micro F1, unmasked", f"Micro F1 without the mask. {_UNMASKED}"),
        Metric("macro_precision_unmasked", "Macro precision, unmasked",
               f"Macro precision without the mask. {_UNMASKED}"),
        Metric("macro_recall_unmasked", "Macro recall, unmasked", f"Macro recall without the mask. {_UNMASKED}"),
        Metric("subset_accuracy_unmasked", "Subset accuracy, unmasked",
               f"Subset accuracy without the mask. {_UNMASKED}"),
    ),
)  # fmt: skip

HIERARCHICAL = Board(
    "hierarchical",
    "Decision tree",
    "Which path do the volunteers take through the tree?",
    "hierarchical_f1",
    (
        Metric("hierarchical_f1", "Hierarchical F1",
               "Harmonic mean of hierarchical precision and recall (Kiritchenko et al. 2005)."),
        Metric("hierarchical_precision", "hP",
               "Share of the (question, answer) pairs on the predicted paths that lie on the true ones."),
        Metric("hierarchical_recall", "hR",
               "Share of the (question, answer) pairs on the true paths that lie on the predicted ones."),
        Metric("exact_path", "Exact path", "Share of galaxies whose whole predicted path is the true one."),
        Metric("conditional_accuracy", "Accuracy, conditional",
               "Mean over questions of the accuracy on galaxies whose true path comes to the question."),
        Metric("end_to_end_accuracy", "Accuracy, end to end",
               "As the conditional accuracy, but the predicted path has to come to the question too."),
        Metric("consistency", "Consistency",
               "Share of galaxies whose predicted answers form a valid path; 1 for those that follow a route down "
               "the tree, as those of prediction files do."),
    ),
    question_of_likelihoods="Which path through the tree is the likeliest?",
)  # fmt: skip

VOTES = Board(
    "votes",
    "Votes",
    "How do the volunteers' votes divide at every question?",
    "nll",
    (
        Metric("nll", "NLL per galaxy",
               "Mean of minus the log Dirichlet-multinomial likelihood of a galaxy's votes, summed over questions, "
               "coefficient included (Walmsley et al. 2022, eqs 5-7).", 0.0, None, False, ".2f", of_likelihoods=
               "Mean of minus the log Dirichlet-multinomial likelihood of the counts that are made of a galaxy's "
               "published likelihoods for an assumed number of votes, summed over questions, coefficient included "
               "(Walmsley et al. 2022, eqs 5-7)."),
        _error("mae", "MAE of fractions",
               "Mean absolute error of the fractions: over answers, then asked galaxies, then questions.", 1.0),
        _error("rmse", "RMSE of fractions",
               "Root of the mean squared error of the fractions: over answers and asked galaxies; mean over "
               "questions.", 1.0),
        Metric("accuracy", "Accuracy by question",
               "Mean over questions of the accuracy of the most voted answer, where at least half of the galaxy's "
               "volunteers were asked (rules of Walmsley et al. 2022, table 1).", of_likelihoods=
               "Mean over questions of the accuracy of the likeliest answer, where at least half of a galaxy's "
               "likelihood comes to the question (rules of Walmsley et al. 2022, table 1)."),
        Metric("f1", "F1 by question", "As the accuracy, with F1 weighted by support."),
        Metric("confident_accuracy", "Accuracy, clear answers",
               "As the accuracy, only for galaxies where one answer has a fraction over 0.8."),
        Metric("coverage_50", "Coverage of 50 %",
               "Share of the votes inside the central 50 % predictive intervals, corrected for finite votes: 0.5 if "
               "calibrated, less if too sure.", target=0.5, of_likelihoods=
               "Share of the counts, made of published likelihoods for an assumed number of votes, inside the central "
               "50 % predictive intervals: a number of the assumption as much as of the model."),
        Metric("coverage_90", "Coverage of 90 %", "As the coverage of 50 %, for 90 % intervals.", target=0.9),
        Metric("equivalent_volunteers", "Equivalent volunteers",
               "How many volunteers have the model's mean squared error on smooth-or-featured (unbiased for the finite "
               "number of votes); not a number where the error is not measurable.", high=None, format=".1f",
               of_volunteers=True),
    ),
    title_of_likelihoods="Likelihoods",
    question_of_likelihoods="How do the published likelihoods divide at every question?",
)  # fmt: skip

BOARDS = {board.task: board for board in (MULTICLASS, MULTILABEL, HIERARCHICAL, VOTES)}

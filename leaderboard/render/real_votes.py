"""What real votes said of models and their ceiling: the numbers of docs/evidence/real-votes.json, in words.

The campaign `make campaign-real-votes` measures them on galaxies that may not be shown; here they are only read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaderboard.files import ROOT, LeaderboardError

PATH = ROOT / "docs" / "evidence" / "real-votes.json"

MODEL = "Dirichlet EfficientNet-Lite0"
"""The model that the answer is given of: the one that learns all answers and enters all boards."""

CONDITIONS = ("zero-shot", "recalibrated", "finetuned")
"""How a model trained on the Kaggle values met the galaxies, from the least that it was told of their votes."""

CEILING, TEN = "noise ceiling", "10 volunteers"


@dataclass(frozen=True)
class Span:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, given: dict[str, Any]) -> Span:
        """Read one of the file's."""
        return cls(*(float(given[key]) for key in ("value", "low", "high")))

    def share(self) -> str:
        """Return it in per cent."""
        return f"{self.value:.1%} [{self.low:.1%}, {self.high:.1%}]"

    def __str__(self) -> str:
        return f"{self.value:.1f} [{self.low:.1f}, {self.high:.1f}]"


@dataclass(frozen=True)
class RealVotes:
    """The study's numbers as its file holds them."""

    numbers: dict[str, Any]

    @classmethod
    def read(cls, path: Path = PATH) -> RealVotes | None:
        """Read the file; None where there is none. Raises LeaderboardError where it is not what the campaign writes."""
        if not path.is_file():
            return None
        try:
            found = cls(json.loads(path.read_text(encoding="utf-8")))
            _ = found.finding()
            _ = found.worth()
        except (ValueError, KeyError, TypeError, StopIteration) as error:
            raise LeaderboardError(
                f"{path}: not what `make campaign-real-votes` writes ({type(error).__name__}: {error}); restore it."
            ) from None
        return found

    @property
    def columns(self) -> tuple[str, ...]:
        """What the columns of ``table`` are, but for the names."""
        return "Four classes: accuracy", "Labels: macro mAP", "Decision tree: hierarchical F1", "Equivalent volunteers"

    @property
    def galaxies(self) -> int:
        """How many galaxies the models were scored on."""
        return int(self.numbers["tested"])

    @property
    def condition(self) -> str:
        """The last of CONDITIONS under which MODEL was measured."""
        met = {row["condition"] for row in self._rows("multiclass", "accuracy") if row["name"] == MODEL}
        return next(condition for condition in reversed(CONDITIONS) if condition in met)

    def model(self, board: str, metric: str, condition: str, name: str = MODEL) -> Span:
        """Return a model's score, the mean over its trainings."""
        rows = self._rows(board, metric)
        return Span.of(next(row for row in rows if (row["name"], row["condition"]) == (name, condition)))

    def reference(self, board: str, metric: str, who: str) -> Span:
        """Return the score of a reference: ``prior``, ``10 volunteers``, ``noise ceiling``."""
        return Span.of(self.numbers["boards"][board][metric][who])

    def gap(self, board: str, metric: str, condition: str) -> tuple[Span, Span]:
        """Return by how much MODEL is below the ceiling, with the interval of this claim and of all claims together."""
        row = next(
            row
            for row in self.numbers["gaps"]
            if (row["model"], row["condition"], row["board"], row["metric"]) == (MODEL, condition, board, metric)
        )
        return Span.of(row), Span(row["value"], row["low_of_all"], row["high_of_all"])

    def plain(self, condition: str) -> tuple[float, Span, float]:
        """Return the ceiling of four classes by the second computation, MODEL's gap to it, and its least of all claims.

        Another prior and other code: docs/evidence/real-votes.md, Two computations.
        """
        row = self.numbers["questions"][0]
        one = next(m for m in row["models"] if (m["name"], m["condition"]) == (MODEL, condition))
        return float(row["plain"]["value"]), Span.of(one["gap_plain"]), float(one["gap_plain"]["low_of_all"])

    def finding(self) -> str:
        """Return the answer to the students' question on real votes, its head in bold, and what it does not say."""
        return f"**{self.head()}.** {self.said()} {self.caution()}"

    def head(self) -> str:
        """Return the answer in one line, no bolder than the intervals by both computations of the ceiling."""
        alone, together = self.gap("multiclass", "accuracy", self.condition)
        _, plain, plain_together = self.plain(self.condition)
        if min(together.low, plain_together) > 0:
            return "On real votes, the Dirichlet model is significantly below the noise ceiling"
        if min(alone.low, plain.low) > 0:
            return (
                "On real votes, the Dirichlet model is below the noise ceiling "
                "by the interval of this one comparison alone"
            )
        return "On real votes, no significant gap to the noise ceiling is shown"

    def said(self) -> str:
        """Return the numbers of the answer, in sentences."""
        condition = self.condition
        alone, together = self.gap("multiclass", "accuracy", condition)
        how = {
            "finetuned": "finetuned on other galaxies of this set",
            "recalibrated": "recalibrated on other galaxies of this set",
        }
        said = how.get(condition, "as trained on the Kaggle values")
        claims = self.numbers["claims"]
        labelled = int(self.numbers["labelled"])
        return (
            f"The votes of the volunteers are known for {self.galaxies} galaxies of Galaxy Zoo 2, and they give "
            f"{labelled} of these a class. The Dirichlet model, {said}, predicts this class for "
            f"{self.model('multiclass', 'accuracy', condition).share()} of the {labelled}. The expected value is "
            f"{self.reference('multiclass', 'accuracy', TEN).share()} for ten other volunteers and "
            f"{self.reference('multiclass', 'accuracy', CEILING).share()} for an oracle that knows the true vote "
            f"fractions of each galaxy (the noise ceiling). The ceiling is {100 * alone.value:.1f} "
            f"[{100 * alone.low:.1f}, {100 * alone.high:.1f}] points above the model. If the interval is widened so "
            f"that all {claims} comparisons of the study hold at once, it is [{100 * together.low:.1f}, "
            f"{100 * together.high:.1f}]."
        )

    def checks(self) -> str:
        """Return the second ceiling, the comparison with real halves, and the scores on clear galaxies."""
        condition = self.condition
        ceiling, plain, _ = self.plain(condition)
        clear = [self.model("multiclass", "clear_accuracy", condition)]
        clear += [self.reference("multiclass", "clear_accuracy", who) for who in (TEN, CEILING)]
        half = next(row for row in self.numbers["halves"] if row["condition"] == condition and row["name"] == MODEL)
        people = Span.of(self.numbers["halves"][0]["accuracy"])
        return (
            "A second computation of the ceiling, with another prior and other code, "
            f"gives a ceiling of {ceiling:.1%} and a gap of {100 * plain.value:.1f} [{100 * plain.low:.1f}, "
            f"{100 * plain.high:.1f}] points. Without any oracle: one half of the real volunteers gives the class of "
            f"the other half for {people.share()} of the galaxies, the model for {Span.of(half['accuracy']).share()}. "
            f"On galaxies with a clear class, the model has an accuracy of {clear[0].value:.1%}, ten volunteers "
            f"{clear[1].value:.1%} and the oracle {clear[2].value:.1%}: the gap is on galaxies on which the volunteers "
            "disagree."
        )

    def caution(self) -> str:
        """Return what the galaxies are, and so what the finding does not say."""
        prior = self.reference("multiclass", "accuracy", "prior")
        return (
            "The galaxies were selected for another project, not at random: a prediction of the most common class is "
            f"correct for {prior.value:.1%}. The gap in the whole of Galaxy Zoo 2, or in DECaLS, is not known. A gap "
            "to the ceiling does not prove that the images of the models show more: the volunteers saw 424 pixels, "
            "the models 96."
        )

    def shifted(self) -> str:
        """Return what the models of the Kaggle values are worth before they see a vote, and what changes it."""
        first = self.model("multiclass", "accuracy", CONDITIONS[0])
        prior = self.reference("multiclass", "accuracy", "prior")
        labels, last = self.model("multilabel", "macro_map", CONDITIONS[0]), self.condition
        better = "names the class no better than" if first.low <= prior.value else "names the class better than"
        return (
            f"As trained on the Kaggle values, the Dirichlet model {better} a constant answer "
            f"({first.value:.1%} and {prior.value:.1%}), although it orders the galaxies well (macro mAP of the labels "
            f"{labels.value:.3f}). The Kaggle values are shifted relative to the votes. A map with "
            f"one scale per question and one shift per answer, fitted on other galaxies, brings the accuracy to "
            f"{self.model('multiclass', 'accuracy', last if last == CONDITIONS[0] else CONDITIONS[1]).value:.1%}. "
            f"{self._no_better_everywhere()}"
        ).rstrip()

    def _no_better_everywhere(self) -> str:
        """Return on which scores the finetuned model is below the recalibrated one; "" where on none."""
        if self.condition != CONDITIONS[2]:
            return ""
        below = []
        for board, metrics in self.numbers["boards"].items():
            for metric, row in metrics.items():
                found = {r["condition"]: r["value"] for r in row["models"] if r["name"] == MODEL}
                if None in found.values() or metric == "equivalent_volunteers":
                    continue
                sign = 1 if row["higher_is_better"] else -1
                if sign * (found[CONDITIONS[2]] - found[CONDITIONS[1]]) < 0:
                    below.append(f"{row['title']} of {self.numbers['titles'][board].lower()}")
        return f"Finetuning does not improve every score: it lowers {', '.join(below)}." if below else ""

    def worth(self) -> str:
        """Return how many volunteers MODEL is worth at the first question under each condition, and the class prior."""
        met = [row for row in self._rows("votes", "equivalent_volunteers") if row["name"] == MODEL]
        words = [
            f"{Span.of(row)} {row['condition']}" if row["value"] is not None else f"not measurable {row['condition']}"
            for row in met
        ]
        prior = self.reference("votes", "equivalent_volunteers", "prior")
        return f"{', '.join(words)} (the class prior {prior})"

    def furthest(self, most: int = 3) -> list[str]:
        """Return the questions where MODEL is furthest below both ceilings, with all comparisons at once."""
        condition, found = self.condition, []
        for row in self.numbers["questions"][1:]:
            one = next(m for m in row["models"] if (m["name"], m["condition"]) == (MODEL, condition))
            if min(one["gap"]["low_of_all"], one["gap_plain"]["low_of_all"]) > 0:
                accuracy, oracle = Span.of(one["accuracy"]), row["ceiling"]["value"]
                words = f"{row['name']} ({accuracy.value:.2f} [{accuracy.low:.2f}, {accuracy.high:.2f}]; "
                found.append((float(one["gap"]["value"]), f"{words}the oracle {oracle:.2f})"))
        return [words for _, words in sorted(found, reverse=True)[:most]]

    def table(self) -> list[tuple[str, str, str, str, str]]:
        """Return rows of name and four scores: class accuracy, labels, decision tree, volunteers at the first question.

        From the class prior through the models and the panels to the ceiling; "" where a model has no such score.
        """
        boards = (("multiclass", "accuracy"), ("multilabel", "macro_map"), ("hierarchical", "hierarchical_f1"))
        names = dict.fromkeys(
            (row["name"], row["condition"]) for board, metric in boards for row in self._rows(board, metric)
        )
        worth = ("votes", "equivalent_volunteers")
        out = [("class prior", *(self._cell(b, m, "prior") for b, m in boards), str(self.reference(*worth, "prior")))]
        for name, condition in names:
            cells = [self._of(b, m, name, condition) for b, m in boards]
            out.append((f"{name}, {condition}", *cells, self._of("votes", "equivalent_volunteers", name, condition)))
        for who in ("5 volunteers", TEN, "40 volunteers", CEILING):
            last = "" if who == CEILING else str(self.reference(*worth, who))
            out.append((who, *(self._cell(b, m, who) for b, m in boards), last))
        return out  # type: ignore[return-value]

    def _rows(self, board: str, metric: str) -> list[dict[str, Any]]:
        return list(self.numbers["boards"][board][metric]["models"])

    def _cell(self, board: str, metric: str, who: str) -> str:
        one = self.reference(board, metric, who)
        return f"{one.value:.3f} [{one.low:.3f}, {one.high:.3f}]"

    def _of(self, board: str, metric: str, name: str, condition: str) -> str:
        for row in self._rows(board, metric):
            if (row["name"], row["condition"]) == (name, condition):
                if row["value"] is None:
                    return "not measurable"
                digits = 1 if metric == "equivalent_volunteers" else 3
                return f"{row['value']:.{digits}f} [{row['low']:.{digits}f}, {row['high']:.{digits}f}]"
        return ""

"""Cleaning a catalogue: one filter after the other, each with the count it removed and the reason."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import pandas as pd

from galaxy_zoo_decals.schema import Tree
from galaxy_zoo_decals.views import MIN_VOTES

NAMED = 20
"""Names listed of what a step removed because of its files; the rest is counted."""


@dataclass(frozen=True)
class Rules:
    """What is asked of a galaxy.

    ``min_votes``: votes for the first question; ``keep_wrong_size`` keeps galaxies whose field of view is wrong
    (they stay flagged and are never scored); ``debiased``: labels are made of the debiased fractions, and galaxies
    without one for every binary label are left out.
    """

    min_votes: int = MIN_VOTES
    keep_wrong_size: bool = False
    debiased: bool = False


PRESETS = {"default": Rules(), "student": Rules(min_votes=6, keep_wrong_size=True, debiased=True)}
"""``student`` is the cleaning of the student work: more than 5 votes, debiased labels, rows with NaN dropped."""


@dataclass(frozen=True)
class Step:
    """One filter: what it asks for, why, how many galaxies it removed and how many are left."""

    name: str
    reason: str
    removed: int
    left: int
    examples: dict[str, str] = field(default_factory=dict)
    """Names of removed galaxies with what was wrong, where each case differs (images)."""


def lost_votes(tree: Tree, catalogue: pd.DataFrame) -> dict[str, dict[str, dict[str, int]]]:
    """Return what became of each question that lost answers, {question: {group of galaxies: counts}}.

    Groups are the upload groups, then the scored galaxies of validation and test. Counted are the galaxies with
    published votes, those that lost none, those whose counts were kept though some votes are lost, and those where
    too many are lost, so that the question is unknown.
    """
    found: dict[str, dict[str, dict[str, int]]] = {}
    uploads = catalogue["upload_group"].fillna("no upload group").astype(str)
    groups = {str(name): (uploads == name).to_numpy() for name in sorted(uploads.unique())}
    for split in ("validation", "test"):
        groups[f"scored in {split}"] = (catalogue["scored"] & (catalogue["split"] == split)).to_numpy(dtype=bool)
    for question in tree.questions:
        if not question.lost_limit or question.lost not in catalogue:
            continue
        published, lost = catalogue[question.published].to_numpy() > 0, catalogue[question.lost].to_numpy() > 0
        known = catalogue[question.total].to_numpy() > 0
        found[question.name] = {
            name: {
                "published": int((inside & published).sum()),
                "complete": int((inside & published & ~lost).sum()),
                "kept": int((inside & lost & known).sum()),
                "unknown": int((inside & lost & ~known).sum()),
            }
            for name, inside in groups.items()
        }
    return found


@dataclass
class Report:
    """From all rows of the catalogue to the galaxies of the edition, step by step, and then view by view."""

    rows: int
    steps: list[Step] = field(default_factory=list)
    unlisted_images: int = 0
    scored: int = 0
    """Galaxies in the test split that metrics use."""
    views: dict[str, int] = field(default_factory=dict)
    """Galaxies in each view; the multiclass view leaves out those without a class."""
    outside: dict[str, dict[str, int]] = field(default_factory=dict)
    """Galaxies of the edition that are not in a view, by reason."""
    lost_votes: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    """What became of questions that lost answers (``lost_votes``)."""
    boards: dict[str, dict[str, int]] = field(default_factory=dict)
    """What the boards hold of the scored galaxies, by split (``features.holdings``)."""
    strangers: dict[str, str] = field(default_factory=dict)
    """Images of the campaign that belong to no row, by their name at the source, each with why; the first of them."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Files beside the images that were not taken, each with why: they are told to whoever prepares, and not kept."""

    @property
    def left(self) -> int:
        """Galaxies left after the last step."""
        return self.steps[-1].left if self.steps else self.rows

    def add(self, name: str, reason: str, removed: int, examples: dict[str, str] | None = None) -> None:
        """Append a step."""
        self.steps.append(Step(name, reason, removed, self.left - removed, examples or {}))

    def to_json(self) -> dict[str, object]:
        """Return the report as JSON-ready values."""
        found = asdict(self)
        del found["skipped"]
        return found

    def first_problem(self) -> str:
        """Return what is wrong with the first image that is not used, as the end of a sentence; "" if none is known."""
        known = [(name, why) for step in self.steps for name, why in step.examples.items()] + [*self.skipped.items()]
        return f" ({known[0][0]}: {known[0][1]})" if known else ""

    def __str__(self) -> str:
        """Return the report as a table to print."""
        lines = [f"{'rows in the catalogue':<44} {'':>9} {self.rows:>9,}"]
        for step in self.steps:
            lines.append(f"{step.name:<44} {-step.removed if step.removed else 0:>9,} {step.left:>9,}")
            lines += [f"    {name}: {problem}" for name, problem in list(step.examples.items())[:5]]
            if step.examples and step.removed > 5:
                lines.append(f"    and {step.removed - 5:,} more")
        if self.unlisted_images:
            lines.append(f"{'images without a row (ignored)':<44} {self.unlisted_images:>9,}")
            lines += [f"    {name}: {why}" for name, why in list(self.strangers.items())[:5]]
        if self.skipped:
            lines.append(f"{'files that are no images (not taken)':<44} {len(self.skipped):>9,}")
            lines += [f"    {name}: {why}" for name, why in list(self.skipped.items())[:5]]
            if len(self.skipped) > 5:
                lines.append(f"    and {len(self.skipped) - 5:,} more")
        lines.append(f"{'scored test galaxies':<44} {'':>9} {self.scored:>9,}")
        for view, count in self.views.items():
            left = self.left
            for reason, removed in self.outside.get(view, {}).items():
                left -= removed
                lines.append(f"{view + ': ' + reason:<58} {-removed:>9,} {left:>9,}".replace(" " * 14, "", 1))
            lines.append(f"{'in the view ' + view:<44} {'':>9} {count:>9,}")
        return "\n".join([*lines, *self._lost_lines(), *self._board_lines()])

    def _lost_lines(self) -> list[str]:
        """Return the table of questions that lost answers, where any galaxy lost votes."""
        lines = []
        for question, groups in self.lost_votes.items():
            if any(counts["kept"] or counts["unknown"] for counts in groups.values()):
                lines += ["", f"{question + ': votes cast for answers it no longer has':<44}"]
                lines.append(f"{'':<28} {'published':>9} {'none lost':>9} {'few, kept':>9} {'unknown':>9}")
                for group, counts in groups.items():
                    lines.append(f"   {group:<25}" + "".join(f" {count:>9,}" for count in counts.values()))
        return lines

    def _board_lines(self) -> list[str]:
        """Return the table of what the boards would hold."""
        if not self.boards:
            return []
        lines = ["", f"{'What the boards hold':<44}" + "".join(f" {split:>10}" for split in self.boards)]
        for name in next(iter(self.boards.values())):
            lines.append(f"   {name:<41}" + "".join(f" {counts[name]:>10,}" for counts in self.boards.values()))
        return lines


def clean(catalogue: pd.DataFrame, tree: Tree, rules: Rules = Rules()) -> tuple[pd.DataFrame, Report]:
    """Return the galaxies worth keeping, in the order of the catalogue, and the report of what was left out."""
    report = Report(rows=len(catalogue))
    votes = catalogue[tree.questions[0].total]
    catalogue = catalogue[votes >= rules.min_votes]
    report.add(
        f"fewer than {rules.min_votes} votes for the first question",
        "a fraction of so few votes says nothing",
        report.left - len(catalogue),
    )
    if not rules.keep_wrong_size:
        catalogue = catalogue[~catalogue["wrong_size_warning"].to_numpy(dtype=bool)]
        report.add("field of view of the wrong size", "volunteers saw another scale", report.left - len(catalogue))
    if rules.debiased:
        columns = ["_".join(label.answer) + "_debiased" for label in tree.labels]
        catalogue = catalogue[catalogue[columns].notna().all(axis=1)]
        report.add(
            "no debiased fraction for some label",
            "they exist for 0.02 < z < 0.15, -21.5 > M_r > -23 and 30 votes alone",
            report.left - len(catalogue),
        )
    return catalogue.reset_index(drop=True), report

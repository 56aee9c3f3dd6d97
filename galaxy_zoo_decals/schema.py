"""The decision trees of Galaxy Zoo as frozen data: every column name, class and label derives from here.

Sources: GZD5 is the tree of Walmsley et al. 2022 (MNRAS 509, 3966), section 3 and figure 3, in the
column order of Zenodo record 4573248. GZ2 is the tree of Willett et al. 2013 (MNRAS 435, 2835), table 2,
in the order of the Kaggle Galaxy Zoo Challenge (Class1 to Class11).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

CLASSES = ("elliptical", "spiral", "lenticular", "irregular")
"""The four classes of the multiclass view, in label order."""

VIEWS = ("multiclass", "multilabel", "hierarchical", "votes")
"""The configs of every edition; each is also a task of the benchmark."""

SPLITS = ("train", "validation", "test")

Answer = tuple[str, str]
"""A (question, answer) pair."""


@dataclass(frozen=True)
class Question:
    """One question of a tree, its answers in column order and the answers it is asked after."""

    name: str
    text: str
    answers: tuple[str, ...]
    parents: tuple[Answer, ...] = ()
    lost_limit: float = 0.0
    """Largest share of a galaxy's published votes that may be lost, having been cast for answers which the question
    no longer has. Above it the question is unknown for that galaxy; where it is 0, totals must agree with answers."""

    @property
    def published(self) -> str:
        """Name of the column that holds the published total, of a question that lost answers."""
        return f"{self.name}_published-votes"

    @property
    def lost(self) -> str:
        """Name of the column that holds how many of the published votes have no answer any more."""
        return f"{self.name}_lost-votes"

    @property
    def total(self) -> str:
        """Name of the column that holds how many volunteers answered."""
        return f"{self.name}_total-votes"

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the vote columns, one an answer."""
        return tuple(f"{self.name}_{answer}" for answer in self.answers)


@dataclass(frozen=True)
class Label:
    """One binary label of the multilabel view: true where its answer's fraction is above one half."""

    name: str
    answer: Answer


@dataclass(frozen=True)
class Roles:
    """Which answers of a tree feed the four classes (contract of the multiclass view).

    ``disturbance_question`` is the question that must have votes for a galaxy to get a class at all. The
    disturbed share is the product over ``disturbed`` of the summed fractions of each group of answers:
    one group for GZD5 (major-disturbance + merger), two for GZ2 (odd = yes, times disturbed + irregular
    + merger).
    """

    smooth: Answer
    featured: Answer
    artifact: Answer
    edge_on: Answer
    not_edge_on: Answer
    spiral: Answer
    no_spiral: Answer
    disturbance_question: str
    disturbed: tuple[tuple[Answer, ...], ...]


@dataclass(frozen=True)
class Tree:
    """A decision tree: questions in an order where parents come first, labels, roles and scored questions."""

    name: str
    title: str
    questions: tuple[Question, ...]
    labels: tuple[Label, ...]
    roles: Roles
    scored_questions: tuple[str, ...]
    """The five questions of the hierarchical board; the last one belongs to every non-artifact path."""

    @cached_property
    def answers(self) -> tuple[Answer, ...]:
        """All (question, answer) pairs in column order; arrays of votes have one column for each."""
        return tuple((q.name, a) for q in self.questions for a in q.answers)

    @cached_property
    def answer_columns(self) -> tuple[str, ...]:
        """Names of all vote columns in the order of ``answers``."""
        return tuple(c for q in self.questions for c in q.columns)

    @cached_property
    def vote_columns(self) -> tuple[str, ...]:
        """Totals and votes as they stand in a catalogue: a question's total, then its answers."""
        return tuple(c for q in self.questions for c in (q.total, *q.columns))

    @cached_property
    def lost_columns(self) -> tuple[str, ...]:
        """Published and lost votes of the questions that lost answers: what a catalogue of real votes has beside."""
        return tuple(c for q in self.questions if q.lost_limit for c in (q.published, q.lost))

    @cached_property
    def slices(self) -> dict[str, slice]:
        """Where each question's answers lie among the columns of ``answers``."""
        found, start = {}, 0
        for q in self.questions:
            found[q.name] = slice(start, start + len(q.answers))
            start += len(q.answers)
        return found

    @cached_property
    def question_index(self) -> dict[str, int]:
        """Position of each question by name."""
        return {q.name: i for i, q in enumerate(self.questions)}

    @cached_property
    def answer_index(self) -> dict[Answer, int]:
        """Position of each (question, answer) pair among ``answers``."""
        return {pair: i for i, pair in enumerate(self.answers)}

    @cached_property
    def label_names(self) -> tuple[str, ...]:
        """Names of the binary labels in order."""
        return tuple(label.name for label in self.labels)

    def question(self, name: str) -> Question:
        """Return the question of this name; KeyError names the ones there are."""
        if name not in self.question_index:
            raise KeyError(f"{self.name} has no question {name!r}; it has {', '.join(self.question_index)}")
        return self.questions[self.question_index[name]]


_SMOOTH = ("smooth-or-featured", "smooth")
_FEATURED = ("smooth-or-featured", "featured-or-disk")
_ARTIFACT = ("smooth-or-featured", "artifact")
_EDGE_ON = ("disk-edge-on", "yes")
_NOT_EDGE_ON = ("disk-edge-on", "no")
_SPIRAL = ("has-spiral-arms", "yes")
_NO_SPIRAL = ("has-spiral-arms", "no")

_COMMON_LABELS = (
    Label("smooth", _SMOOTH),
    Label("featured-or-disk", _FEATURED),
    Label("artifact", _ARTIFACT),
    Label("edge-on-yes", _EDGE_ON),
    Label("edge-on-no", _NOT_EDGE_ON),
)
_SPIRAL_LABELS = (Label("spiral-yes", _SPIRAL), Label("spiral-no", _NO_SPIRAL))

GZD5 = Tree(
    name="GZD5",
    title="Galaxy Zoo DECaLS 5",
    questions=(
        Question("smooth-or-featured", "Is the galaxy smooth, or featured or a disc?",
                 ("smooth", "featured-or-disk", "artifact")),
        Question("disk-edge-on", "Could this be a disc viewed edge-on?", ("yes", "no"), (_FEATURED,)),
        Question("has-spiral-arms", "Is there any sign of spiral arms?", ("yes", "no"), (_NOT_EDGE_ON,)),
        Question("bar", "Is there a bar through the centre?", ("strong", "weak", "no"), (_NOT_EDGE_ON,)),
        Question("bulge-size", "How large is the central bulge?",
                 ("dominant", "large", "moderate", "small", "none"), (_NOT_EDGE_ON,)),
        Question("how-rounded", "How rounded is it?", ("round", "in-between", "cigar-shaped"), (_SMOOTH,)),
        Question("edge-on-bulge", "Does the edge-on disc have a bulge, and of what shape?",
                 ("boxy", "none", "rounded"), (_EDGE_ON,)),
        Question("spiral-winding", "How tightly wound are the arms?", ("tight", "medium", "loose"), (_SPIRAL,)),
        Question("spiral-arm-count", "How many spiral arms are there?",
                 ("1", "2", "3", "4", "more-than-4", "cant-tell"), (_SPIRAL,)),
        Question("merging", "Is the galaxy merging or disturbed?",
                 ("none", "minor-disturbance", "major-disturbance", "merger"), (_SMOOTH, _FEATURED),
                 # Asked with other answers (tidal debris, both, neither) in the first two months of the campaign:
                 # Walmsley et al. 2022, section 3.2. The limit and its argument: docs/data.md.
                 lost_limit=0.1),
    ),
    labels=(
        *_COMMON_LABELS,
        Label("bar-strong", ("bar", "strong")),
        Label("bar-weak", ("bar", "weak")),
        Label("bar-no", ("bar", "no")),
        *_SPIRAL_LABELS,
    ),
    roles=Roles(
        smooth=_SMOOTH, featured=_FEATURED, artifact=_ARTIFACT, edge_on=_EDGE_ON, not_edge_on=_NOT_EDGE_ON,
        spiral=_SPIRAL, no_spiral=_NO_SPIRAL, disturbance_question="merging",
        disturbed=((("merging", "major-disturbance"), ("merging", "merger")),),
    ),
    scored_questions=("smooth-or-featured", "how-rounded", "disk-edge-on", "has-spiral-arms", "merging"),
)  # fmt: skip

GZ2 = Tree(
    name="GZ2",
    title="Galaxy Zoo 2",
    questions=(
        Question("smooth-or-featured", "Is the galaxy smooth, or featured or a disc?",
                 ("smooth", "featured-or-disk", "artifact")),
        Question("disk-edge-on", "Could this be a disc viewed edge-on?", ("yes", "no"), (_FEATURED,)),
        Question("bar", "Is there a bar through the centre?", ("yes", "no"), (_NOT_EDGE_ON,)),
        Question("has-spiral-arms", "Is there any sign of spiral arms?", ("yes", "no"), (_NOT_EDGE_ON,)),
        Question("bulge-size", "How prominent is the central bulge?",
                 ("none", "just-noticeable", "obvious", "dominant"), (_NOT_EDGE_ON,)),
        Question("odd", "Is there anything odd?", ("yes", "no"), (_SMOOTH, _FEATURED)),
        Question("how-rounded", "How rounded is it?", ("round", "in-between", "cigar-shaped"), (_SMOOTH,)),
        Question("odd-feature", "What is odd about it?",
                 ("ring", "lens-or-arc", "disturbed", "irregular", "other", "merger", "dust-lane"),
                 (("odd", "yes"),)),
        Question("edge-on-bulge", "Does the edge-on disc have a bulge, and of what shape?",
                 ("rounded", "boxy", "none"), (_EDGE_ON,)),
        Question("spiral-winding", "How tightly wound are the arms?", ("tight", "medium", "loose"), (_SPIRAL,)),
        Question("spiral-arm-count", "How many spiral arms are there?",
                 ("1", "2", "3", "4", "more-than-4", "cant-tell"), (_SPIRAL,)),
    ),
    labels=(
        *_COMMON_LABELS,
        Label("bar-yes", ("bar", "yes")),
        Label("bar-no", ("bar", "no")),
        *_SPIRAL_LABELS,
    ),
    roles=Roles(
        smooth=_SMOOTH, featured=_FEATURED, artifact=_ARTIFACT, edge_on=_EDGE_ON, not_edge_on=_NOT_EDGE_ON,
        spiral=_SPIRAL, no_spiral=_NO_SPIRAL, disturbance_question="odd",
        disturbed=(
            (("odd", "yes"),),
            (("odd-feature", "disturbed"), ("odd-feature", "irregular"), ("odd-feature", "merger")),
        ),
    ),
    scored_questions=("smooth-or-featured", "how-rounded", "disk-edge-on", "has-spiral-arms", "odd"),
)  # fmt: skip

TREES = {tree.name: tree for tree in (GZD5, GZ2)}
"""The registry of trees: an edition names its tree."""

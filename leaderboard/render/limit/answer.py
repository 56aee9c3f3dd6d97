"""The short answer of the report: sentences that the scores have to support."""

from __future__ import annotations

from typing import Any

import numpy as np

from galaxy_zoo_decals.scoring import BOARDS, Result
from leaderboard.files import LeaderboardError
from leaderboard.ranking.board_table import SEEDS
from leaderboard.render.limit.standings import CEILING, PANELS, Edition
from leaderboard.render.limit.tables import listed
from leaderboard.render.real_votes import RealVotes

NEAR = 0.03
"""Distance in macro F1 from which on a model may be called near the ceiling."""


def answer(
    kaggle: Edition, simulated: Edition, curve: list[dict[str, Any]], real: RealVotes | None = None
) -> list[str]:
    """Return the short answer; raises LeaderboardError where the scores do not support it."""
    far = worth = ""
    if real is not None:
        worth = (
            f" On the {real.galaxies} galaxies with real votes, the number of volunteers to which the Dirichlet model "
            f"is equivalent is {real.worth()}. This number follows from the squared error of the fractions of one "
            "question. It does not say how often the class is correct."
        )
        questions = real.furthest(4)
        far = " On real votes, no question is significantly below the oracle with all comparisons at once."
        if questions:
            far = (
                " On real votes, the questions that are significantly below the oracle, with all comparisons at once, "
                f"are {listed(questions)}."
            )
    said = [
        *_real(real),
        _volunteers(kaggle, simulated, real is not None),
        "**On simulated galaxies, the models miss details.** The questions furthest below the ceiling are "
        f"{_furthest(simulated)}.{far} On the Kaggle galaxies, the questions with the lowest accuracy are "
        f"{_lowest(kaggle)}, and the most common mistake is {_commonest(kaggle)}.",
        _one_network(kaggle, simulated),
        f"**In volunteers**, the best entry on votes is worth {_worth(simulated)} on simulated galaxies: the mean of "
        f"this many answers to smooth-or-featured is as far from the truth as its prediction.{worth}",
    ]
    for first, second, words in (
        (
            "dirichlet-from-simulated",
            "dirichlet",
            "Initial weights from simulated galaxies**, compared with ImageNet's alone",
        ),
        (
            "dirichlet-from-simulated",
            "dirichlet-longer",
            "The same**, compared with an equally long training without simulated galaxies",
        ),
        ("dirichlet-longer", "dirichlet", "A longer training**, 17 epochs instead of 6"),
        ("dirichlet-grey", "dirichlet", "Without colours**, compared with the same model with colours"),
    ):
        found = [(b, kaggle.difference(first, second, b, BOARDS[b].primary)) for b in BOARDS]
        if told := _grouped([(_title(kaggle, board), d.verdict) for board, d in found if d]):
            said.append(f"**{words}, on the Kaggle galaxies: {told}.")
    if few := _few(curve):
        said.append(few)
    return [f"{place}. {words}" for place, words in enumerate(said, 1)]


def _real(real: RealVotes | None) -> list[str]:
    """Return what real votes said, nothing where they were not measured."""
    if real is None:
        return []
    return [f"{real.finding()} {real.checks()}", f"**The Kaggle values are not votes.** {real.shifted()}"]


def _volunteers(kaggle: Edition, simulated: Edition, apart: bool) -> str:
    """Return whether it is the volunteers' noise that stops the models: told where their votes are counted alone."""
    top = simulated.references["multiclass"][CEILING].metrics["accuracy"].low
    highest = max(score.metrics["accuracy"].high for score in simulated.on("multiclass").values())
    _claim(highest < top, f"every model's accuracy on {simulated.key[0]} is below the ceiling")
    best, score = _best(kaggle, "multiclass")
    value, low, high = score.metrics["accuracy"]
    oracle, ten = (simulated.reference("multiclass", "accuracy", title) for title in (CEILING, PANELS[0]))
    head = "On simulated galaxies, every model is below the noise ceiling."
    if not apart:  # the real votes have no sentence of their own
        head = "On simulated galaxies, every model is below the noise ceiling; on real ones the scores cannot say."
    return (
        f"**{head}** On simulated galaxies, the best entry on four classes predicts the class of the simulated "
        f"volunteers for {_accuracy(simulated)} of the galaxies, the oracle for {oracle:.1%}, ten volunteers for "
        f"{ten:.1%}. The Kaggle galaxies are real, but the challenge published likelihoods of them, debiased for "
        "redshift, size and luminosity. A part of every target cannot be seen in the image, and it is not known how "
        f"large this part is. The best entry there ({best}) predicts the class of the highest likelihood for "
        f"{value:.1%} [{low:.1%}, {high:.1%}] of the galaxies. {_divided(score):.0%} of its mistakes are on galaxies "
        "where no class has more than 0.6 of the likelihood; on the others it is correct for "
        f"{score.metrics['clear_accuracy'].value:.1%}. These values do not show how far this is from the best possible "
        "score."
    )


def _grouped(told: list[tuple[str, str]]) -> str:
    """Return boards by their verdict, in words; "" where there are none."""
    verdicts = dict.fromkeys(verdict for _, verdict in told)
    return "; ".join(f"{verdict} on {listed([b for b, v in told if v == verdict])}" for verdict in verdicts)


def _claim(right: bool, words: str) -> None:
    """Raise LeaderboardError unless the scores support what the report says."""
    if not right:
        raise LeaderboardError(
            f"the scores do not (any more) support that {words}: correct leaderboard/render/limit/answer.py."
        )


def _divided(score: Result) -> float:
    """Return the share of the mistakes on four classes that fall on galaxies where no class has more than 0.6."""
    clear, share, value = (score.metrics[name].value for name in ("clear_accuracy", "clear_share", "accuracy"))
    return 1 - share * (1 - clear) / (1 - value)


def _title(edition: Edition, board: str) -> str:
    """Return what an edition calls a board, within a sentence."""
    return BOARDS[board].told(edition.counted_votes).title.lower()


def _accuracy(edition: Edition) -> str:
    value, low, high = _best(edition, "multiclass")[1].metrics["accuracy"]
    return f"{value:.1%} [{low:.1%}, {high:.1%}]"


def _furthest(edition: Edition, most: int = 3) -> str:
    """Return the questions on which the best entry on votes is furthest below the ceiling."""
    _, score = _best(edition, "votes")
    rows = [r for r in score.rows if r["counted"]]
    gaps = [(edition.reference_of("votes", r["name"], "accuracy", CEILING) - r["accuracy"], r) for r in rows]
    gaps.sort(key=lambda item: -item[0])
    words = []
    for gap, r in gaps[:most]:
        _claim(r["accuracy_high"] < r["accuracy"] + gap, f"{r['name']} is below the ceiling on {edition.key[0]}")
        span = f"{r['accuracy']:.2f} [{r['accuracy_low']:.2f}, {r['accuracy_high']:.2f}]"
        words.append(f"{r['name']} ({span}; the oracle {r['accuracy'] + gap:.2f})")
    return listed(words)


def _lowest(edition: Edition, most: int = 3) -> str:
    """Return the questions that the best entry on votes answers worst."""
    rows = sorted((r for r in _best(edition, "votes")[1].rows if r["counted"]), key=lambda r: float(r["accuracy"]))
    return listed(
        [f"{r['name']} ({r['accuracy']:.2f} [{r['accuracy_low']:.2f}, {r['accuracy_high']:.2f}])" for r in rows[:most]]
    )


def _best(edition: Edition, board: str) -> tuple[str, Result]:
    """Return name and score of the entry that is best on a board."""
    name, score = next(iter(edition.on(board).items()))
    return edition.entries[name].title, score


def _commonest(edition: Edition) -> str:
    labels, counts = _best(edition, "multiclass")[1].confusions["class"]
    c = np.array(counts, float)
    wrong = c - np.diag(np.diag(c))
    i, j = np.unravel_index(wrong.argmax(), wrong.shape)
    return f"{_a(labels[i])} predicted as {labels[j]} ({wrong[i, j] / c[i].sum():.0%} of its class)"


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _one_network(kaggle: Edition, simulated: Edition) -> str:
    """Return what the Dirichlet model is worth against models made for one board; it is worse than none of them."""
    against = []
    for metric in ("accuracy", "macro_f1"):
        d = kaggle.difference("dirichlet", "efficientnetv2-unbalanced", "multiclass", metric)
        if d is not None:
            _claim(d.verdict != "worse", f"the Dirichlet model has no worse {metric} than the same network of classes")
            words = BOARDS["multiclass"].metrics[metric].title
            against.append(f"{d.verdict} in {words} ({d.value:+.3f} [{d.low:+.3f}, {d.high:+.3f}])")
    parts = []
    for edition, galaxies in ((kaggle, "the Kaggle galaxies"), (simulated, "simulated galaxies")):
        for second in ("multilabel", "hierarchical"):
            d = edition.difference("dirichlet", second, second, BOARDS[second].primary)
            if d is not None:
                _claim(d.verdict != "worse", f"the Dirichlet model is not worse on {second} of {edition.key[0]}")
                span = f"{d.value:+.3f} [{d.low:+.3f}, {d.high:+.3f}]"
                parts.append(f"{d.verdict} on {_title(edition, second)} of {galaxies} ({span})")
    same = ""
    if against:
        same = (
            " Compared with the same network trained on four classes alone, on the Kaggle galaxies, the Dirichlet "
            f"model is {listed(against)}."
        )
    return (
        "**No single-task model is significantly better than the one network for all answers.**"
        f"{same} Compared with the smaller CNNs for labels and for the tree, it is {listed(parts)}."
    )


def _worth(edition: Edition) -> str:
    value, low, high = _best(edition, "votes")[1].metrics["equivalent_volunteers"]
    return f"{value:.1f} [{low:.1f}, {high:.1f}] volunteers"


def gap(edition: Edition, curve: list[dict[str, Any]]) -> list[str]:
    """Return why the ceiling of four classes is not reached where the truth is known."""
    name, score = next(iter(edition.on("multiclass").items()))
    votes = edition.score(name, "votes")
    if votes is None:
        raise LeaderboardError(
            f"{edition.entries[name].title} predicts no votes: what it lacks is to be said otherwise."
        )
    value, low, high = score.metrics["macro_f1"]
    worth = votes.metrics["equivalent_volunteers"].value
    panels = {n: edition.references["multiclass"][f"{n} volunteers"].metrics["macro_f1"].value for n in (5, 10, 40)}
    top = edition.references["multiclass"][CEILING].metrics["macro_f1"]
    _claim(high < top[1] - NEAR, f"the macro F1 on {edition.key[0]} is more than {NEAR} below the ceiling")
    _claim(5 < worth < 10 and panels[5] < value < panels[10], "the best entry lies between 5 and 10 volunteers")
    _claim(panels[40] > top[1] - NEAR > panels[10], "it takes between 10 and 40 volunteers to come near the ceiling")
    said = [
        f"The best entry ({edition.entries[name].title}) has a macro F1 of {value:.3f} [{low:.3f}, {high:.3f}], the "
        f"oracle {top[0]:.3f} [{top[1]:.3f}, {top[2]:.3f}]. Its fractions are as far from the truth as the mean of "
        f"{worth:.1f} volunteers, and its score agrees with this: volunteer samples of 5 and 10, which use only "
        f"their own votes, reach {panels[5]:.3f} and {panels[10]:.3f}. So its score is what the precision of its "
        f"fractions allows. {_divided(score):.0%} of its mistakes are on galaxies where no class has more than 0.6 "
        f"of the votes. To come within {NEAR} of the ceiling, a model needs the precision of between 10 and 40 "
        f"volunteers ({panels[40]:.3f} with 40).",
    ]
    rows = [r for r in curve if r["edition"] == edition.key[0] and r["metric"] == "equivalent_volunteers"]
    rows = sorted(rows, key=lambda r: int(r["galaxies"]))
    if len(rows) > 1:
        steps = [f"{r['mean']:.1f} [{r['low']:.1f}, {r['high']:.1f}] with {r['galaxies']:,}" for r in rows]
        few = next((d for d in rows[0]["less"] if d["than"] == rows[-1]["model"]), None)
        told = "statistically tied" if few is None or not few["apart"] else "significantly different"
        said += [
            "",
            f"In volunteers, this precision is {listed(steps)} training galaxies (first and last: {told}).",
        ]
    return said


def _few(curve: list[dict[str, Any]]) -> str:
    """Return what the learning curves on the Kaggle galaxies say of the smallest sets, "" where there are none."""
    mine = [r for r in curve if (r["edition"], r["board"], r["metric"]) == ("gz2", "multiclass", "macro_f1")]
    if not mine:
        return ""
    parts, sizes = [], sorted({r["galaxies"] for r in mine})
    titles = list(dict.fromkeys(r["model"] for r in mine))
    for title in titles:
        of = sorted((r for r in mine if r["model"] == title), key=lambda r: int(r["galaxies"]))
        steps = [f"{r['mean']:.2f} [{r['low']:.2f}, {r['high']:.2f}] with {r['galaxies']:,}" for r in of]
        parts.append(f"{title} has {listed(steps)}")
    said = f"**Number of training galaxies.** In macro F1 on four classes of the Kaggle galaxies, {'; '.join(parts)}."
    if min(len(r["values"]) for r in mine) < SEEDS:
        return (
            f"{said} Not all of these were trained {SEEDS} times ([which](evidence/learning-curve.md#not-trained-yet))."
        )
    if len(titles) > 1:
        # From where on it is never told to be behind the other on all galaxies.
        first, other = titles[0], titles[1]
        behind = [
            r["galaxies"]
            for r in mine
            if r["model"] == first and any(d["than"] == other and d["apart"] and d["value"] < 0 for d in r["less"])
        ]
        from_here = [n for n in sizes if n > max(behind, default=0)]
        if from_here:
            said += (
                f" From {from_here[0]:,} galaxies on, {first} is not significantly worse than {other} on all "
                f"{sizes[-1]:,}."
            )
    return said

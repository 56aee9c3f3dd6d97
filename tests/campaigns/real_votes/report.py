"""The tables of docs/evidence/real-votes.md, from the numbers of real-votes.json alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

VOLUNTEERS = ("5 volunteers", "10 volunteers", "40 volunteers", "noise ceiling")


def cell(numbers: dict[str, Any] | None, digits: int = 3) -> str:
    """Return a value with its interval; a dash where it is unknown, words where it is not measurable."""
    if not numbers:
        return "–"
    value = numbers["value"]
    if value is None or not math.isfinite(value):
        return "not measurable"
    if numbers["low"] is None or numbers["high"] is None:
        return f"{value:.{digits}f}"
    return f"{value:.{digits}f} [{numbers['low']:.{digits}f}, {numbers['high']:.{digits}f}]"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table whose first column is text."""
    return [
        "| " + " | ".join(header) + " |", "|---|" + "--:|" * (len(header) - 1),
        *("| " + " | ".join(row) + " |" for row in rows), "",
    ]  # fmt: skip


def digits(metric: str) -> int:
    """Return how many decimals a metric is shown with."""
    return {"nll": 2, "equivalent_volunteers": 1}.get(metric, 3)


def _reference(row: dict[str, Any], who: str, metric: str) -> str:
    """Return the cell of a panel or the ceiling; an oracle is worth as many volunteers as one likes."""
    endless = who == "noise ceiling" and metric == "equivalent_volunteers"
    return "–" if endless else cell(row.get(who), digits(metric))


def markdown(m: dict[str, Any]) -> str:
    """Return the page."""
    sample, counts = m["sample"], m["sample"]["counts"]
    lines = [
        "# Real votes on real galaxies",
        "",
        f"`make campaign-real-votes VOTES=FOLDER GZ2=FOLDER`, at commit {m['commit']}. {sample['galaxies']} galaxies "
        "of Galaxy Zoo 2 with their volunteers' answers. Models trained on the Kaggle challenge's values (debiased "
        f"likelihoods) are shown {m['tested']} of them: those that are also among the challenge's pictures are left "
        "out. *Zero-shot*: as they are. *Recalibrated*: a scale and a shift of the log probabilities of each question, "
        f"fitted on the other folds. *Finetuned*: trained further on the other folds ({m['folds']} in all), on some of "
        f"which the epoch is chosen. {len(m['seeds'])} trainings each. An interval is the 95 % interval of which "
        "galaxies were tested.",
        "",
        "The galaxies were picked by somebody for a project, not at random: "
        + ", ".join(f"{n} {name}" for name, n in sample["classes"].items())
        + f" by their volunteers; {sample['clear']:.0%} have a class whose share is above 0.6. By the samples of "
        f"Galaxy Zoo 2 they are {', '.join(f'{n} {name}' for name, n in sample['samples'].items())}; {sample['few']} "
        "have fewer than 30 volunteers. This study takes them all, a board would not. A ceiling depends on how many "
        "galaxies divide the volunteers; these numbers hold for these galaxies only. No picture and no single "
        "galaxy's votes are shown or kept here.",
        "",
        "## The counts",
        "",
        f"Volunteers times raw fraction is a whole number at the first question in {counts['whole_at_first_question']} "
        f"of {sample['galaxies']} galaxies (median {sample['volunteers']['median']:.0f} volunteers, "
        f"{sample['volunteers']['least']} to {sample['volunteers']['most']}). Below it counts follow down the tree "
        f"from weighted fractions, rounded to whole votes. Their sum is the published number of votes in "
        f"{counts['sum_agrees']} ({counts['sum_agrees'] / sample['galaxies']:.1%}), within one vote in "
        f"{counts['sum_within_one']} ({counts['sum_within_one'] / sample['galaxies']:.1%}), and at most "
        f"{counts['largest_difference']} votes away.",
        "",
        "## Ceilings, for all galaxies and for those whose counts agree",
        "",
    ]
    rows = []
    for board, title in m["titles"].items():
        for metric, row in m["ceilings"]["all"]["boards"][board].items():
            other = m["ceilings"]["agreeing"]["boards"][board][metric]
            whose = ("10 volunteers",) if metric == "equivalent_volunteers" else ("noise ceiling", "10 volunteers")
            for who in whose:
                values = [cell(one.get(who), digits(metric)) for one in (row, other)]
                rows.append([f"{title}: {row['title']}, {who}", *values])
    lines += table(["", *(f"{k}, {m['ceilings'][k]['galaxies']}" for k in ("all", "agreeing"))], rows)
    rows = []
    for row, other in zip(m["question_ceilings"]["all"], m["question_ceilings"]["agreeing"]):
        rows.append([row["name"], cell(row.get("noise ceiling")), cell(other.get("noise ceiling"))])
    lines += ["Accuracy at each question, the noise ceiling:", "", *table(["question", "all", "agreeing"], rows)]
    lines += [
        "## Two computations",
        "",
        "*Product*: the ceiling as everywhere in this benchmark. *Plain*: other code and another prior (a list of "
        "fractions weighted by expectation-maximisation), for which the product's priors, views and metrics are not "
        "used. *Halves*: a random half of a galaxy's real volunteers names what the other half does, which needs no "
        "prior; beside it what both priors say of two such halves.",
        "",
    ]
    keys = ("product", "independent", "halves", "halves_product", "halves_independent")
    lines += table(
        ["accuracy", "ceiling, product", "ceiling, plain", "halves, real", "halves, product", "halves, plain"],
        [[row["name"], *(cell(row[key]) for key in keys)] for row in m["two_computations"]],
    )
    lines += [f"## Models on {m['tested']} galaxies", ""]
    for board, title in m["titles"].items():
        metrics = m["boards"][board]
        lines += [f"### {title}", ""]
        names = [(r["name"], r["condition"]) for r in next(iter(metrics.values()))["models"]]
        rows = [["*class prior*", *(cell(row["prior"], digits(k)) for k, row in metrics.items())]]
        for i, (name, condition) in enumerate(names):
            rows.append(
                [
                    f"{name}, {condition}",
                    *(
                        f"{cell(row['models'][i], digits(k))}, spread {row['models'][i]['spread']:.2g}"
                        for k, row in metrics.items()
                    ),
                ]
            )
        for who in VOLUNTEERS:
            rows.append([f"*{who}*", *(_reference(row, who, k) for k, row in metrics.items())])
        lines += table(["", *(row["title"] for row in metrics.values())], rows)
    lines += [
        "## How far below the ceiling",
        "",
        f"{m['claims']} differences are computed here and below. The first interval is that of one; the second holds "
        "for all of them at once (Bonferroni). Both hold the spread of the trainings (Student's t, since few "
        "trainings tell it) and the uncertainty of the prior. Above zero: the votes leave room for a better model.",
        "",
    ]
    titles = {(b, k): row["title"] for b, metrics in m["boards"].items() for k, row in metrics.items()}
    lines += table(
        ["model", "score", "ceiling minus model", "all together"],
        [
            [
                f"{g['model']}, {g['condition']}", f"{m['titles'][g['board']]}: {titles[g['board'], g['metric']]}",
                cell(g, digits(g["metric"])),
                f"[{g['low_of_all']:.{digits(g['metric'])}f}, {g['high_of_all']:.{digits(g['metric'])}f}]",
            ]
            for g in m["gaps"]
        ],
    )  # fmt: skip
    lines += ["## Question by question", "", ""]
    lines += [
        "Accuracy of the class prior, of panels and of the ceiling. The class prior is the mean of the fractions "
        "over all galaxies with votes at a question, so that its commonest answer need not be that of the galaxies "
        "scored:",
        "",
    ]
    titles_of = ("prior", *VOLUNTEERS)
    rows = [[row["name"], *(cell(row.get(one)) for one in titles_of)] for row in m["question_ceilings"]["tested"]]
    lines += table(["", "class prior", *VOLUNTEERS], rows)
    lines += [
        "The models, beside two ceilings: draws of the product's posterior scored by the plain code, and those of "
        "the plain prior. The differences are paired over galaxies; the uncertainty of the priors themselves is not "
        "in their intervals, but is what the two differ by. The differences to the plain ceiling are a second look "
        "at the same claims and are not counted among them.",
        "",
    ]
    models = [(x["name"], x["condition"]) for x in m["questions"][0]["models"]]
    for name, condition in models:
        rows = []
        for row in m["questions"]:
            one = next(x for x in row["models"] if (x["name"], x["condition"]) == (name, condition))
            rows.append(
                [
                    row["name"], str(row["galaxies"]), cell(one["accuracy"]), cell(row["ceiling"]), cell(one["gap"]),
                    f"[{one['gap']['low_of_all']:.3f}, {one['gap']['high_of_all']:.3f}]", cell(row["plain"]),
                    cell(one["gap_plain"]), cell(one.get("volunteers"), 1),
                ]
            )  # fmt: skip
        lines += [f"{name}, {condition}:", ""]
        head = ["", "galaxies", "accuracy", "ceiling", "minus model", "all together", "plain ceiling", "minus model"]
        head += ["worth volunteers"]
        lines += table(head, rows)
    lines += [
        "## Against real halves of the volunteers",
        "",
        "No oracle and no prior: a random half of each galaxy's volunteers names the class that the other half "
        "names, and so does a model. How often, on galaxies where the other half has a class:",
        "",
    ]
    rows = []
    for one in m["halves"]:
        name = f"{one['name']}, {one['condition']}" if one["condition"] else one["name"]
        rows.append([name, cell(one["accuracy"]), cell(one.get("gap"))])
    lines += table(["", "accuracy on four classes", "half of the volunteers minus it"], rows)
    lines += ["## Where they fail", ""]
    rows = []
    for f in m["failures"]:
        common = "; ".join(f"{k} ({v:.1%} of galaxies)" for k, v in f["commonest"].items())
        rows.append([f"{f['name']}, {f['condition']}", f"{f['wrong']:.1%}", f"{f['on_unclear']:.0%}", common])
    head = ["model of four classes", "wrong", "of these on galaxies without a clear class", "commonest"]
    lines += table(head, rows)
    k = m["likelihoods"]
    matched = k["matched"]
    lines += [
        "## How much of a Kaggle value can be seen?",
        "",
        f"{matched['galaxies']} of the galaxies are also among the challenge's pictures (correlation of their detail "
        f"{k['correlation']['least']:.3f} and more; of the next pair {k['correlation']['next']:.3f}). At *smooth* the "
        f"challenge's value minus the raw fraction is on average {cell(matched['raw']['mean_difference'])} (it is "
        f"below it in {matched['raw']['below']}), minus the debiased one of 2016 "
        f"{cell(matched['debiased']['mean_difference'])}; without sign "
        f"{cell(matched['raw']['mean_absolute_difference'])} and "
        f"{cell(matched['debiased']['mean_absolute_difference'])}. So few galaxies are an illustration.",
        "",
        f"On all {sample['galaxies']}: how far the debiased fractions of 2016 are from the raw ones, and which part of "
        "their variance a regression on all raw fractions of the galaxy explains (in ten folds). What it leaves was "
        "added by redshift, size and luminosity, or is beyond what so few galaxies teach.",
        "",
        *table(
            ["question", "galaxies", "same answer", "mean absolute difference", "explained by raw votes"],
            [
                [
                    r["question"], str(r["galaxies"]), cell(r["same_answer"]), cell(r["mean_absolute_difference"]),
                    cell(r["explained"]),
                ]
                for r in k["raw_and_debiased"]
            ],
        ),
        "Redshift and magnitude are not among the columns used here. Who has them joined to gz2_hart16 asks "
        "`python -m tests.campaigns.real_votes.bound TABLE` what they add to the votes; until somebody does, how much "
        "of a Kaggle value a picture can show is not known.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"

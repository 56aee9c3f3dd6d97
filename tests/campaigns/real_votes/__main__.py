"""Real votes on real galaxies: `make campaign-real-votes VOTES=FOLDER GZ2=FOLDER`.

Can the students' models be better, as far as the volunteers' own votes let them? Models trained on the Kaggle
challenge's values are shown galaxies whose votes are known, as they are, recalibrated, and finetuned in five folds, and
scored beside the noise ceiling of those votes. It can be interrupted at any time and goes on; it writes
docs/evidence/real-votes.{json,md}. Neither a picture nor a single galaxy's votes leaves the folder of runs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from galaxy_zoo_decals.ending import run_script
from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.scoring import BOARDS
from tests.campaigns.real_votes import folds, likelihoods, matches, report, study, training
from tests.campaigns.real_votes.sample import FOLDS, Sample

ROOT = Path(__file__).parents[3]
OUT = ROOT / "docs" / "evidence"
DRAWS = 60
"""Draws of fractions and panels of the plain ceiling, as many as the product's."""


HALVES = 20
"""Random halves of the volunteers that models are scored against."""


def main(arguments: list[str] | None = None) -> int:
    """Match, train, finetune, score and write; return the exit status."""
    parser = argparse.ArgumentParser(prog="real_votes", description=(__doc__ or "").split("\n")[0], allow_abbrev=False)
    parser.add_argument("votes", type=Path, help="folder with votes.csv and images/ASSET_ID.jpg")
    parser.add_argument("kaggle", type=Path, help="folder with the challenge's files")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs", help="folder of the runs of all editions")
    parser.add_argument("--report", action="store_true", help="train nothing: score what is trained and write")
    parser.add_argument("--model", action="append", default=[], help="train only this one of benchmark/boards.yaml")
    args = parser.parse_args(arguments)
    return run_script(lambda: _run(args), "real_votes", "the same command goes on.")


def _run(args: argparse.Namespace) -> None:
    measured = study.known(measure(args.votes, args.kaggle, args.runs.resolve(), None if args.report else args.model))
    with tempfile.TemporaryDirectory(dir=OUT, prefix=".real-votes.") as work:
        Path(work, "real-votes.json").write_text(json.dumps(measured, indent=1, allow_nan=False) + "\n")
        Path(work, "real-votes.md").write_text(report.markdown(measured), encoding="utf-8")
        for made in Path(work).iterdir():
            made.replace(OUT / made.name)


def measure(votes: Path, kaggle: Path, runs: Path, train: list[str] | None) -> dict[str, Any]:
    """Return all that is measured; ``train`` names the models to train (none: all), None trains nothing."""
    sample = Sample(votes)
    pictures = sorted((kaggle / "images_training_rev1").glob("*.jpg"))
    if not pictures:
        raise UserError(f"{kaggle}: there is no picture in images_training_rev1/.")
    pairs, next_best = matches.find([sample.picture(row) for row in range(len(sample.names))], pictures)
    matched = likelihoods.matched_table(sample, pairs, [p.stem for p in pictures], likelihoods.kaggle_values(kaggle))
    kept = runs / "real-votes"
    kept.mkdir(parents=True, exist_ok=True)
    matched.to_csv(kept / "matched.csv", index=False)
    editions = folds.prepare(sample, frozenset(matched["dr7objid"]), kept / "editions")
    if train is not None:
        chosen = [model for model in training.MODELS if not train or model.runs in train]
        for model in chosen:
            training.train(runs, model)
            training.finetune(runs, model, editions)
    rows = study.order(editions, sample)
    scored = study.all_models(runs, editions, sample)
    sets = {
        "all": np.arange(len(sample.names)),
        "agreeing": np.flatnonzero(sample.off == 0),
        "tested": rows,
    }
    found = {name: study.ceiling_tables(sample.truth(at)) for name, at in sets.items()}
    truth = sample.truth(rows)
    at_questions = len(study.asked_often(truth)) * sum(one.model.task == "votes" for one in scored)
    narrow = study.ceiling_tables(truth, refits=0)
    claims = len(study.gaps(found["tested"], narrow, scored, 1)) + at_questions
    return {
        "commit": subprocess.run(
            ["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip(),
        "sample": study.described(sample),
        "folds": FOLDS,
        "tested": len(rows),
        "seeds": list(training.SEEDS),
        "finetuning": training.FINETUNING,
        "claims": claims,
        "boards": study.boards(truth, found["tested"], scored),
        "labelled": int((truth.classes.label >= 0).sum()),
        "gaps": study.gaps(found["tested"], narrow, scored, claims),
        "halves": study.halves(truth, scored, HALVES),
        "questions": study.questions(truth, scored, claims, DRAWS),
        "failures": study.failures(truth, scored),
        "ceilings": {
            name: {"galaxies": len(sets[name]), "boards": study.boards(sample.truth(sets[name]), found[name], [])}
            for name in ("all", "agreeing")
        },
        "question_ceilings": {name: study.question_ceilings(sample.truth(sets[name]), found[name]) for name in sets},
        "two_computations": study.two_computations(sample, found["all"], DRAWS),
        "likelihoods": {
            "matched": likelihoods.of_matched(matched),
            "correlation": {"least": min(p.correlation for p in pairs), "next": next_best},
            "raw_and_debiased": likelihoods.raw_and_debiased(sample),
        },
        "titles": {board: BOARDS[board].title for board in study.SHOWN},
    }


if __name__ == "__main__":
    sys.exit(main())

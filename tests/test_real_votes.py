"""The study of real votes: counts from fractions, two ceilings, matching, recalibration, folds, and its tables."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from galaxy_zoo_decals import drawn_votes, views
from galaxy_zoo_decals import predictions as files
from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.predictions import Predictions
from galaxy_zoo_decals.schema import GZ2
from galaxy_zoo_decals.scoring import Result, Truth
from galaxy_zoo_decals.scoring.ceilings import CEILING, ceilings
from galaxy_zoo_decals.scoring.results import Estimate
from galaxy_zoo_decals.sources.hart16 import ANSWERS, STEMS
from tests.campaigns.real_votes import bound, folds, independent, likelihoods, matches, report, study, training
from tests.campaigns.real_votes.recalibration import recalibrated
from tests.campaigns.real_votes.sample import Sample

pytestmark = pytest.mark.campaign

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def drawn(galaxies: int, volunteers: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return true fractions of made-up galaxies and the votes of so many volunteers, (galaxies, 37) each."""
    rng = np.random.default_rng(seed)
    truth = np.empty((galaxies, len(GZ2.answers)))
    for q in GZ2.questions:
        columns = GZ2.slices[q.name]
        truth[:, columns] = rng.dirichlet(np.full(len(q.answers), 0.7), size=galaxies)
    return truth, drawn_votes.draw(GZ2, truth, np.full(galaxies, volunteers), rng)


def folder_of(path: Path, votes: np.ndarray, digits: int = 3) -> Sample:
    """Write a table of published fractions with random pictures, as somebody would have them, and open it."""
    (path / "images").mkdir(parents=True)
    rng, rows = np.random.default_rng(1), []
    for i, one in enumerate(votes):
        row: dict[str, object] = {"dr7objid": str(587722981742084144 + i), "asset_id": str(100 + i)}
        row |= {"sample": "original", "total_votes": one.sum()}
        for q, (question, answers) in zip(GZ2.questions, ANSWERS.items()):
            part = one[GZ2.slices[q.name]]
            total = part.sum()
            if question.startswith("t01"):
                row["total_classifications"] = total
            for answer, count in zip(answers, part):
                share = round(count / total, digits) if total else 0.0
                row[f"{question}_{answer}_fraction"] = row[f"{question}_{answer}_weighted_fraction"] = share
                row[f"{question}_{answer}_debiased"] = share
        rows.append(row)
        noise = rng.integers(0, 60, size=(48, 48, 3), dtype=np.uint8)
        noise[16:32, 16:32] += np.uint8(100)
        Image.fromarray(noise).resize((96, 96)).save(path / "images" / f"{100 + i}.jpg", quality=95)
    pd.DataFrame(rows).to_csv(path / "votes.csv", index=False)
    return Sample(path)


def test_counts_come_back_from_published_fractions(tmp_path: Path) -> None:
    _, votes = drawn(60, 43)
    sample = folder_of(tmp_path, votes)
    assert np.array_equal(sample.counts, votes)
    assert sample.first_is_whole.all()
    assert not sample.off.any()


def test_a_count_that_does_not_add_up_is_seen(tmp_path: Path) -> None:
    _, votes = drawn(5, 40)
    folder_of(tmp_path, votes)
    table = pd.read_csv(tmp_path / "votes.csv", dtype={"dr7objid": str, "asset_id": str})
    table["total_votes"] += np.array([0, 0, 3, 0, 0])
    table.loc[3, "t01_smooth_or_features_a01_smooth_fraction"] = 0.5 / 40
    table.to_csv(tmp_path / "votes.csv", index=False)
    sample = Sample(tmp_path)
    assert sample.off.tolist()[:3] == [0, 0, -3]
    assert sample.first_is_whole.tolist() == [True, True, True, False, True]
    for column in ("dr7objid", "asset_id"):
        table.assign(**{column: ["../../out", *table[column][1:]]}).to_csv(tmp_path / "votes.csv", index=False)
        with pytest.raises(UserError, match="which is no number"):
            _ = Sample(tmp_path).table
    with pytest.raises(UserError, match="total_votes"):
        table.drop(columns="total_votes").to_csv(tmp_path / "votes.csv", index=False)
        _ = Sample(tmp_path).table


def test_the_plain_code_names_the_classes_that_the_product_names() -> None:
    """Two implementations of one definition agree on every galaxy, ties and unanswered questions among them."""
    for volunteers in (1, 2, 4, 9, 40):
        _, votes = drawn(400, volunteers, seed=volunteers)
        labels = views.multiclass(GZ2, views.fractions(GZ2, votes)).label
        assert [independent.the_class(f) for f in independent.fractions_of(votes)] == labels.tolist()


def test_halves_are_real_panels_of_the_same_votes() -> None:
    _, votes = drawn(50, 41)
    one, other = independent.halves(votes, np.random.default_rng(0))
    assert np.array_equal(one + other, votes)
    assert (one >= 0).all() and (other >= 0).all()
    for half, first in ((one, 20), (other, 21)):
        for q in GZ2.questions:
            total = half[:, GZ2.slices[q.name]].sum(axis=1)
            assert np.array_equal(total, drawn_votes.asked(GZ2, q, half, np.full(50, first)))


def test_two_computations_of_the_ceiling_agree_and_are_near_what_the_truth_scores() -> None:
    truth, votes = drawn(400, 40)
    names = tuple(str(i) for i in range(len(votes)))
    product = ceilings(Truth("e", "e", GZ2, "", "", names, votes), draws=8, refits=2)["multiclass"][CEILING]
    plain = independent.accuracy(independent.ceiling(votes, 6, 0))[0]
    rng = np.random.default_rng(5)
    known = independent.accuracy(
        np.array([independent.right(truth, independent.panel(truth, np.full(400, 40), rng)) for _ in range(6)])
    )[0]
    assert abs(product.metrics["accuracy"].value - plain[0]) < 0.03
    assert abs(known[0] - plain[0]) < 0.04
    assert plain[1] < plain[0] < plain[2]


def test_a_picture_is_found_again_in_another_size_and_no_other_is(tmp_path: Path) -> None:
    _, votes = drawn(12, 40)
    sample = folder_of(tmp_path / "a", votes)
    others = tmp_path / "b"
    others.mkdir()
    for i in (3, 7):
        with Image.open(sample.picture(i)) as image:
            image.resize((150, 150), Image.Resampling.LANCZOS).save(others / f"{i}.jpg", quality=80)
    paths = sorted(others.glob("*.jpg"))
    found, below = matches.find([sample.picture(i) for i in range(12)], paths)
    assert [(m.first, paths[m.second].stem) for m in found] == [(3, "3"), (7, "7")]
    assert below < 0.7


@pytest.mark.parametrize("task", ["votes", "hierarchical", "multiclass", "multilabel"])
def test_recalibration_undoes_a_distortion_and_leaves_the_true_alone(task: str) -> None:
    truth_fractions, votes = drawn(600, 40)
    truth = Truth("e", "e", GZ2, "", "", tuple(str(i) for i in range(600)), votes)
    if task == "multiclass":
        true = views.predicted_classes(GZ2, truth_fractions)
    elif task == "multilabel":
        true = views.label_fractions(GZ2, truth_fractions)
    elif task == "hierarchical":
        true = np.column_stack([truth_fractions[:, GZ2.slices[name]] for name in GZ2.scored_questions])
    else:
        true = truth_fractions * 60
    true = np.clip(true, 1e-4, None)
    shifted = true.copy()
    groups = files.groups(task, GZ2) or tuple(GZ2.slices[q.name] for q in GZ2.questions)
    if task == "multilabel":
        shifted = 1 / (1 + np.exp(-(np.log(true / np.maximum(1 - true, 1e-4)) + 2)))
    else:
        for group in groups:
            part = true[:, group] * np.where(np.arange(group.stop - group.start) == 0, 6.0, 1.0)
            shifted[:, group] = part / part.sum(axis=1, keepdims=True) * true[:, group].sum(axis=1, keepdims=True)
    half = np.arange(300)
    fixed = recalibrated(task, (truth.take(half), shifted[half]), shifted[300:])

    def error(values: np.ndarray) -> float:
        if task == "multilabel":
            return float(np.abs(values - true[300:]).mean())
        shares = [one[:, g] / one[:, g].sum(axis=1, keepdims=True) for g in groups for one in (values, true[300:])]
        return float(np.mean([np.abs(a - b).mean() for a, b in zip(shares[::2], shares[1::2])]))

    # Of classes and labels the target is the most voted one, which is surer than the fractions.
    least = 0.1 if task in ("votes", "hierarchical") else 0.95
    assert error(fixed) < least * error(shifted[300:])
    if task in ("votes", "hierarchical"):
        same = recalibrated(task, (truth.take(half), true[half]), true[300:])
        assert error(same) < 0.012


def test_a_galaxy_is_tested_once_and_the_matched_ones_never(tmp_path: Path) -> None:
    _, votes = drawn(60, 40)
    sample = folder_of(tmp_path / "a", votes)
    away = frozenset(sample.names[:4])
    split = []
    for fold in range(5):
        source = folds.Fold(sample, sample.folder / "images", fold, away)
        split.append(source.split(source.catalogue(tmp_path, 1)).to_numpy())
    tested = np.array([part == "test" for part in split])
    assert (tested.sum(axis=0) == np.isin(sample.names, list(away), invert=True)).all()
    for part in split:
        assert {"train", "validation", "test"} == set(part)


def test_the_study_from_predictions_to_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every number and table from made-up predictions: who knows the truth stands near the ceiling; no name leaks."""
    truth, votes = drawn(90, 40)
    sample = folder_of(tmp_path / "a", votes)
    monkeypatch.setattr(likelihoods, "explained", lambda *given: {"value": 0.5, "low": 0.4, "high": 0.6})  # slow
    runs, order = tmp_path / "runs", {name: i for i, name in enumerate(sample.names)}
    editions = folds.prepare(sample, frozenset(sample.names[:2]), tmp_path / "editions")
    model, rng = training.MODELS[0], np.random.default_rng(0)
    for seed in training.SEEDS:
        (model.run(runs, seed)).mkdir(parents=True)
        (model.run(runs, seed) / "run.json").write_text("{}")
        for edition in editions:
            names = Truth.of(edition).names
            values = truth[[order[name] for name in names]] * 50 * rng.uniform(0.9, 1.1, size=(len(names), 37)) + 0.01
            path = runs / "real-votes" / "zero-shot" / model.runs / f"seed{seed}" / f"{edition.name}.parquet"
            hashes = edition.content_hash, edition.split_hash
            files.write(path, Predictions("votes", edition.name, *hashes, seed, names, values), GZ2)
    rows = study.order(editions, sample)
    assert len(rows) == 88 and len(set(rows)) == 88
    scored = study.all_models(runs, editions, sample)
    assert [one.condition for one in scored] == ["zero-shot", "recalibrated"]
    tested = sample.truth(rows)
    found = study.ceiling_tables(tested, draws=3, refits=2)
    boards = study.boards(tested, found, scored)
    accuracy = boards["multiclass"]["accuracy"]
    assert accuracy["prior"]["value"] < 0.7 < accuracy["models"][0]["value"]
    narrow = study.ceiling_tables(tested, draws=3, refits=0)
    gaps = study.gaps(found, narrow, scored, 20)
    assert {gap["metric"] for gap in gaps} == set(study.CLAIMED)
    for gap in gaps:
        assert gap["low_of_all"] < gap["low"] < gap["value"] < gap["high"] < gap["high_of_all"]
    # Who knows the fractions is no better than the oracle by more than chance, and far better than the prior.
    assert abs(next(g for g in gaps if g["metric"] == "accuracy")["value"]) < 0.12
    measured = {
        "commit": "0" * 12,
        "sample": study.described(sample),
        "folds": 5,
        "tested": len(rows),
        "seeds": list(training.SEEDS),
        "claims": 20,
        "boards": boards,
        "gaps": gaps,
        "labelled": int((tested.classes.label >= 0).sum()),
        "halves": study.halves(tested, scored, 2),
        "questions": study.questions(tested, scored, 20, 2),
        "failures": study.failures(tested, scored),
        "ceilings": {k: {"galaxies": 88, "boards": study.boards(tested, found, [])} for k in ("all", "agreeing")},
        "question_ceilings": {k: study.question_ceilings(tested, found) for k in ("all", "agreeing", "tested")},
        "two_computations": study.two_computations(sample, found, 2),
        "likelihoods": {
            "matched": likelihoods.of_matched(
                pd.DataFrame({f"smooth_{k}": [0.2, 0.4, 0.9] for k in ("raw", "debiased", "kaggle")})
            ),
            "correlation": {"least": 0.99, "next": 0.5},
            "raw_and_debiased": likelihoods.raw_and_debiased(sample),
        },
        "titles": {board: board for board in study.SHOWN},
    }  # fmt: skip
    words = report.markdown(study.known(measured))
    assert "### multiclass" in words and "not measurable" not in words.split("## Models")[0]
    for name in sample.names:
        assert name not in words and name not in json.dumps(study.known(measured), allow_nan=False)


def test_the_uncertainty_of_the_prior_makes_a_gap_less_certain() -> None:
    """Widened draws that are paired with the model's would make it more certain: they may not be subtracted."""
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 0.01, 400)
    model = 0.8 + 1.5 * shared + rng.normal(0, 0.002, 400)
    narrow = (0.9 + shared).astype(np.float32)
    wide = (0.9 + 1.4 * shared).astype(np.float32)
    estimates = {metric: Estimate(0.9, 0.88, 0.92) for metrics in study.SHOWN.values() for metric in metrics}

    def table(draws: np.ndarray) -> dict[str, dict[str]]:
        all_draws = dict.fromkeys(estimates, draws)
        return {board: {CEILING: Result(board, "toy", 10, estimates, [], {}, {}, all_draws)} for board in study.SHOWN}

    class Known:
        model = training.MODELS[2]
        condition = "zero-shot"
        results = ({"multiclass": None},) * 3

        def draws(self, board: str, metric: str) -> np.ndarray:
            return np.concatenate([[0.8], model])

        def spread(self, board: str, metric: str) -> float:
            return 0.003

    def width(found: dict[str, dict[str]]) -> float:
        row = next(g for g in study.gaps(found, table(narrow), [Known()], 10) if g["metric"] == "accuracy")  # type: ignore[list-item]
        return float(row["high"] - row["low"])

    by_hand = 2 * 1.96 * np.sqrt(np.var(narrow - model, ddof=1) + np.var(wide) - np.var(narrow) + 0.003**2 / 3)
    assert width(table(wide)) == pytest.approx(by_hand, rel=0.02)
    assert width(table(wide)) > width(table(narrow))


def test_what_lies_beyond_the_picture_is_found_by_who_knows_it() -> None:
    """Where the debiasing shifts by redshift, votes alone explain less; where not, it adds nothing."""
    _, votes = drawn(500, 40)
    fractions = np.nan_to_num(views.fractions(GZ2, votes))
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"redshift": rng.uniform(0.02, 0.2, 500), "mag_r": 17.0, "petro_r50": 3.0})
    first = [GZ2.slices["smooth-or-featured"].start + i for i in range(3)]
    moved = fractions.copy()
    moved[:, first[0]] = np.clip(fractions[:, first[0]] - 4 * table["redshift"], 0, None)
    for column, stem in enumerate(STEMS):
        table[f"{stem}_debiased"] = moved[:, column]
        table[f"{stem}_count"] = votes[:, column] if stem[:3] in ("t01", "t06") else 0  # two questions are enough
    rows = {row.question: row for row in bound.bounds(table, fractions)}
    shifted, same = rows["smooth-or-featured"], rows["odd"]
    assert shifted.seen_and_more["low"] > shifted.seen["high"]
    assert abs(same.seen_and_more["value"] - same.seen["value"]) < 0.02
    with pytest.raises(UserError, match="redshift"):
        bound.bounds(table.drop(columns="redshift"), fractions)


def test_bound_names_what_is_missing_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.csv").write_text("dr7objid,ra\n1,2\n")
    assert bound.main([str(tmp_path / "t.csv")]) == 2
    assert "a01_smooth_weighted_fraction" in capsys.readouterr().err
    assert bound.main([str(tmp_path / "none.csv")]) == 2


def test_the_real_sample_gives_the_counts_that_were_published() -> None:
    if not (SHARED / "gz2-votes" / "votes.csv").is_file():
        pytest.skip("the sample of Galaxy Zoo 2 is not on this machine")
    sample = Sample(SHARED / "gz2-votes")
    off = np.abs(sample.off)
    assert (len(sample.names), int((off == 0).sum()), int((off <= 1).sum())) == (689, 508, 617)
    assert sample.first_is_whole.all()

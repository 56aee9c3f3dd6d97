"""A survey frozen by its catalogue: one board for pictures of any source, and what an edition that lacks some gets."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxy_zoo_decals import predictions as prediction_files
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.predictions import PredictionError, Predictions
from galaxy_zoo_decals.prepare.builder import build
from galaxy_zoo_decals.scoring import Truth, score
from galaxy_zoo_decals.scoring.boards import VOTES
from galaxy_zoo_decals.scoring.class_prior import complete, prior_values
from galaxy_zoo_decals.scoring.results import board_values, references
from galaxy_zoo_decals.sources.folder import Folder
from galaxy_zoo_decals.sources.zenodo import Catalogue
from leaderboard.__main__ import main
from leaderboard.check import left_out, report, submission_check
from leaderboard.entry import draft, external, prediction_file, rebind, submission, versions
from leaderboard.entry.truths import Truths
from leaderboard.files import LeaderboardError
from leaderboard.ranking import board_table, entries, stored_scores
from leaderboard.ranking.entries import score_submission
from tests.test_elsewhere import write_facts
from tests.test_leaderboard import fill_in
from tests.test_leaderboard_runs import guess, write_run
from tests.toys import write_catalogue

GALAXIES = 560


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of votes with its images, the table frozen as gzd5 in version 1 below ``benchmark``."""
    folder = tmp_path_factory.mktemp("survey")
    votes, _ = write_catalogue(folder, GALAXIES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(versions, "MIN_CLASSIFIED", 20)
        versions.freeze_catalogue(folder / "board" / "benchmark", "1", "gzd5", Catalogue(file=votes))
    return folder


def edition(survey: Path, out: Path, name: str, without: int) -> Edition:
    """The edition of somebody whose pictures lack the first scored test galaxies, so many."""
    frozen = pd.read_parquet(survey / "board" / "benchmark" / "v1" / "gzd5-truth.parquet")
    gone = set(frozen["iauname"][:without])
    images = out / "images"
    images.mkdir(parents=True)
    for path in (survey / "images").iterdir():
        if path.stem not in gone:
            (images / path.name).symlink_to(path)
    build(Folder(survey / "votes.csv", images, licence="CC-BY-4.0"), out / name, name=name, size=16)
    return Edition(out / name)


@pytest.fixture(scope="module")
def editions(survey: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Edition]:
    work = tmp_path_factory.mktemp("editions")
    lacking = {"gzd5": 0, "gzd5-hub": 1, "gzd5-tiny": 40}
    return {name: edition(survey, work / f"of-{name}", name, n) for name, n in lacking.items()}


def truths(survey: Path, editions: dict[str, Edition]) -> Truths:
    found = Truths.on_this_machine([], benchmark=survey / "board" / "benchmark")
    return replace(found, editions={(e.name, e.content_hash): e for e in editions.values()}, _truths={})


def test_freezing_needs_the_table_alone_and_follows_the_rule(survey: Path, editions: dict[str, Edition]) -> None:
    frozen = versions.read(survey / "board" / "benchmark")[0].editions["gzd5"]
    assert frozen.bound_by == "votes" and frozen.boards == ["multiclass", "multilabel", "hierarchical", "votes"]
    assert frozen.terms.may_publish_votes and not frozen.simulated and frozen.licence == "CC-BY-4.0"
    whole = Truth.of(editions["gzd5"])
    assert versions.same_test(whole, frozen) and frozen.galaxies == len(whole.names) > 100
    assert frozen.content_hash == editions["gzd5"].content_hash, "with all pictures the edition is the catalogue's"


def test_few_classified_galaxies_freeze_no_board_of_four_classes(
    survey: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["freeze", "1", "gzd5", "--catalogue", str(survey / "votes.csv"), "--root", str(tmp_path)]
    assert main(words) == 1
    assert "not the published table" in capsys.readouterr().err and not (tmp_path / "benchmark").exists()
    words.append("--any-table")
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "No board of four classes" in said and "500 are asked for" in said
    frozen = versions.read(tmp_path / "benchmark")[0].editions["gzd5"]
    assert frozen.boards == ["multilabel", "hierarchical", "votes"]
    truth = Truths.on_this_machine([], benchmark=tmp_path / "benchmark").truth(("gzd5", frozen.content_hash))
    assert truth is not None
    rng = np.random.default_rng(0)
    given = Predictions("votes", "gzd5", truth.content_hash, truth.split_hash, 0, truth.names, np.ones((1, 1)))
    votes = replace(given, values=guess(truth, "votes", 0.6, rng))
    assert set(score(truth, votes)) == {"multilabel", "hierarchical", "votes"} == set(references(truth))
    classes = replace(given, task="multiclass", values=guess(truth, "multiclass", 0.6, rng))
    with pytest.raises(PredictionError, match="no multiclass board"):
        score(truth, classes)
    other = pd.read_csv(survey / "votes.csv")
    other.loc[0, ["smooth-or-featured_total-votes", "smooth-or-featured_smooth"]] += 1
    other.to_csv(tmp_path / "other.csv", index=False)
    words[words.index("--catalogue") + 1] = str(tmp_path / "other.csv")
    assert main(words) == 1
    assert "differs in content_hash" in capsys.readouterr().err


def test_pictures_of_any_source_belong_to_the_board_and_other_votes_do_not(
    survey: Path, editions: dict[str, Edition], tmp_path: Path
) -> None:
    known = truths(survey, editions)
    (key,) = known.frozen
    for held in editions.values():
        assert known.home((held.name, held.content_hash)) == key
    # An edition none of whose test galaxies is scored belongs nowhere, and disturbs nobody.
    few = pd.read_csv(survey / "votes.csv").assign(upload_group="active_priority").iloc[:60]
    (tmp_path / "few").mkdir()
    few.to_csv(tmp_path / "few" / "votes.csv", index=False)
    build(Folder(tmp_path / "few" / "votes.csv", survey / "images"), tmp_path / "none", name="none", size=16)
    none = Edition(tmp_path / "none")
    assert truths(survey, {"none": none}).home((none.name, none.content_hash)) is None
    table = pd.read_csv(survey / "votes.csv")
    row = table.index[table["iauname"] == Truth.of(editions["gzd5"]).names[0]][0]
    table.loc[row, ["smooth-or-featured_total-votes", "smooth-or-featured_smooth"]] += 1
    (tmp_path / "votes").mkdir()
    table.to_csv(tmp_path / "votes" / "votes.csv", index=False)
    source = Folder(tmp_path / "votes" / "votes.csv", survey / "images", licence="CC-BY-4.0")
    build(source, tmp_path / "edited", name="gzd5", size=16)
    edited = Edition(tmp_path / "edited")
    assert truths(survey, {"edited": edited}).home((edited.name, edited.content_hash)) is None


@pytest.mark.parametrize("task", ["multiclass", "multilabel", "hierarchical", "votes"])
def test_the_class_prior_stands_in_for_few_lacking_galaxies(editions: dict[str, Edition], task: str) -> None:
    truth = replace(Truth.of(editions["gzd5"]), may_lack=True)
    values = guess(truth, task, 0.6, np.random.default_rng(0))
    whole = Predictions(task, "gzd5", truth.content_hash, truth.split_hash, 0, truth.names, values)
    held = whole.take(np.arange(1, len(truth.names)))
    filled = complete(truth, held)
    assert filled.names == truth.names and filled.lacking == (0,)
    assert np.array_equal(filled.values[1:], values[1:])
    prior = prior_values(truth)[task]
    if task == "hierarchical":
        prior = np.concatenate([prior[truth.tree.slices[q]] for q in truth.tree.scored_questions])
    assert np.allclose(filled.values[0], prior)
    by_hand = score(truth, replace(whole, values=filled.values))[task]
    found = score(truth, held)[task]
    assert found.primary == by_hand.primary and found.lacking == 1 and not found.partial
    assert by_hand.lacking == 0 and "lacking" not in by_hand.to_json() and found.to_json()["lacking"] == 1
    # More than one in a hundred: the others alone, on a truth that keeps the board's classes.
    few = whole.take(np.arange(2, len(truth.names)))
    part = score(truth.take(np.arange(2, len(truth.names))), replace(few, lacking=()))[task]
    lacks = score(truth, few)[task]
    assert lacks.partial and lacks.lacking == 2 and lacks.primary == part.primary
    for names in (truth.names[1:] + truth.names[:1], ("J1", *truth.names[1:]), (*truth.names, truth.names[0])):
        with pytest.raises(PredictionError):
            score(
                truth,
                Predictions(
                    task, "gzd5", truth.content_hash, truth.split_hash, 0, names, values[:1].repeat(len(names), 0)
                ),
            )
    with pytest.raises(PredictionError, match="rows, but the edition has"):
        score(replace(truth, may_lack=False), held)


def submit(board: Path, known: Truths, run: Path, work: Path, name: str) -> str:
    """Send a run in as `submit` does, score it, and return its slug."""

    adopted = rebind.adopt(run, known, work / name)
    found = draft.gather([adopted], known)
    slug = f"20260101-{name}"
    made = draft.draft(found, name, ["Ada Astronomer"])
    draft.create(board / "submissions" / slug, found, made)
    fill_in(board / "submissions" / slug)
    stored, problems = score_submission(board / "submissions" / slug, known)
    assert not problems
    stored_scores.write(board / "scores" / slug, stored)
    return slug


def test_from_editions_that_lack_pictures_to_one_board(
    survey: Path, editions: dict[str, Edition], tmp_path: Path
) -> None:
    from leaderboard.render import site

    known = truths(survey, editions)
    (key,) = known.frozen
    board = tmp_path / "board"
    # A maintainer's edition with all pictures of the source "of gzd5-hub" says what that source lacks.
    shutil.copytree(survey / "board" / "benchmark", tmp_path / "benchmark")
    whole = known.truth(key)
    assert whole is not None
    (tmp_path / "benchmark" / "v1" / "gzd5-lacking.json").write_text(json.dumps({"of gzd5-hub": [whole.names[0]]}))
    known = replace(known, benchmark=tmp_path / "benchmark")
    slugs = {}
    for seed, (name, held) in enumerate(editions.items()):
        run = write_run(held.path, tmp_path / "runs", "dirichlet", seed=seed, skill=0.5 + 0.1 * seed)
        facts = json.loads((run / "run.json").read_text())
        facts["edition"] |= {"pictures": f"of {name}", "image_size": 16}
        (run / "run.json").write_text(json.dumps(facts))
        slugs[name] = submit(board, known, run, tmp_path / "work", f"from-{name}")
    everyone, warnings = entries.submitted(board, known)
    assert not warnings and {tuple(e.editions) for e in everyone} == {(key,)}
    for name, slug in slugs.items():
        found = submission_check.check(board / "submissions" / slug, board / "scores" / slug, known, [])
        assert not found.faults and found.rescored == 1
        entry = next(e for e in everyone if e.slug == slug)
        assert entry.editions[key].trained_on == (None if name == "gzd5" else editions[name].content_hash)
        flagged = " ".join(left_out.flags(entry, everyone, known))
        assert ("were not predicted" in flagged) == (name != "gzd5") and "same pictures" not in flagged
        said = report.standings(entry, everyone, {})
        assert len(said) == (0 if name == "gzd5-tiny" else 4) and all(s.of == 2 for s in said)
    table = board_table.table(key, "gzd5", "gzd5-votes", "votes", everyone, {}, [], "GZD5")
    assert [row.score.lacking for row in sorted(table.rows, key=lambda r: r.title)] == [0, 1]
    assert [row.title for row in table.partial] == ["from-gzd5-tiny"] and table.partial[0].place is None
    shown = site.site(everyone, known, {}, tmp_path / "site", []).pages
    pages = {str(path.relative_to(tmp_path / "site")): path.read_text() for path in shown}
    assert "No rank: galaxies are missing" in pages["boards/gzd5-votes.html"]
    assert ">of gzd5-hub<" in pages["boards/gzd5-votes.html"] and "Missing" in pages["boards/gzd5-votes.html"]
    tiny = pages[f"entries/{slugs['gzd5-tiny']}.html"]
    assert "40 scored test galaxies were not predicted" in tiny and "on the galaxies that this entry predicts" in tiny
    assert "1 scored test galaxy was not predicted" in pages[f"entries/{slugs['gzd5-hub']}.html"]
    assert "Pictures: from a catalogue of its own, licence CC-BY-4.0" in tiny
    # The others on the same galaxies, by hand.
    truth = known.truth(key)
    assert truth is not None
    held = np.arange(40, len(truth.names))
    first = next(e for e in everyone if e.slug == slugs["gzd5"]).trained[0]
    by_hand = score(truth.take(held), prediction_file.read(first.predictions, truth).take(held))["votes"]
    assert f"{by_hand.primary.value:.2f}" in tiny
    for page in pages.values():
        if 'src="../images/' in page or 'src="images/' in page:
            assert "licence CC-BY-4.0" in page, "a picture without its credit"
        for address in set(re.findall(r'src="((?:\.\./)?images/[^"]+)"', page)):
            assert (tmp_path / "site" / address.removeprefix("../")).is_file()


def test_a_file_with_galaxies_of_others_is_refused(survey: Path, editions: dict[str, Edition], tmp_path: Path) -> None:
    known = truths(survey, editions)
    run = write_run(editions["gzd5-hub"].path, tmp_path / "runs", "multilabel")
    adopted = rebind.adopt(run, known, tmp_path / "work")
    (path,) = adopted.glob("predictions/gzd5/multilabel/*.parquet")
    (key,) = known.frozen
    truth = known.truth(key)
    assert truth is not None
    given = prediction_files.read(path, truth.tree)
    prediction_files.write(path, replace(given, names=("J000000.00+000000.1", *given.names[1:])), truth.tree)
    with pytest.raises((LeaderboardError, PredictionError), match="no scored test galaxies of this edition"):
        entries.scored(adopted, known)


def test_a_table_made_elsewhere_may_lack_galaxies_too(
    survey: Path, editions: dict[str, Edition], tmp_path: Path
) -> None:
    known = truths(survey, editions)
    (key,) = known.frozen
    truth = known.truth(key)
    assert truth is not None
    values = guess(truth, "multilabel", 0.6, np.random.default_rng(0))
    table = pd.DataFrame(values, columns=list(prediction_files.columns("multilabel", truth.tree)))
    table.insert(0, "iauname", truth.names)
    table.iloc[:0:-1].to_csv(tmp_path / "seed0.csv", index=False)
    (folder, _), *_ = external.gather(
        [tmp_path / "seed0.csv"], submission.read_facts(write_facts(tmp_path)), known, tmp_path / "work"
    )
    (trained,) = entries.scored(folder, known)
    assert trained.scores["multilabel"].lacking == 1


def test_hard_galaxies_left_away_are_seen_and_random_ones_are_not(editions: dict[str, Edition]) -> None:
    truth = replace(Truth.of(editions["gzd5"]), may_lack=True)
    others = []
    for seed, skill in enumerate((0.5, 0.6, 0.7)):
        values = guess(truth, "votes", skill, np.random.default_rng(seed))
        others.append(Predictions("votes", "gzd5", truth.content_hash, truth.split_hash, seed, truth.names, values))
    own = board_values(truth.tree, others[0])["votes"]
    hardest = np.argsort(-VOTES.disagreement(truth, own, VOTES.columns(truth, own)))[:8].tolist()
    found = left_out.harder(truth, hardest, others)
    assert found is not None and found < left_out.RARE
    rng = np.random.default_rng(9)
    shares = [
        left_out.harder(truth, rng.choice(len(truth.names), 8, replace=False).tolist(), others) for _ in range(60)
    ]
    assert 0.3 < np.mean([share for share in shares if share is not None]) < 0.7
    assert sum(share < left_out.RARE for share in shares if share is not None) <= 3
    assert left_out.harder(truth, hardest, []) is None


def test_who_chooses_what_to_lack_has_no_place(survey: Path, editions: dict[str, Edition], tmp_path: Path) -> None:
    """Nothing is known of its source, or it lacks another galaxy than the source: shown, flagged, not ranked."""
    known = truths(survey, editions)
    (key,) = known.frozen
    truth = known.truth(key)
    assert truth is not None
    run = write_run(editions["gzd5"].path, tmp_path / "runs", "multilabel")
    facts = json.loads((run / "run.json").read_text())
    facts["edition"]["pictures"] = "JPEG, Hub"
    (run / "run.json").write_text(json.dumps(facts))
    (path,) = run.glob("predictions/*/*/*.parquet")
    given = prediction_files.read(path, truth.tree)
    prediction_files.write(path, given.take(np.delete(np.arange(len(truth.names)), 7)), truth.tree)
    slug = submit(tmp_path / "board", known, run, tmp_path / "work", "chosen")

    def read() -> tuple[entries.Entry, Truths]:
        here = replace(known, benchmark=tmp_path / "benchmark")
        (entry,), _ = entries.submitted(tmp_path / "board", here)
        return entry, here

    shutil.copytree(survey / "board" / "benchmark", tmp_path / "benchmark")
    place = tmp_path / "benchmark" / "v1" / "gzd5-lacking.json"
    for names, ranked in (
        (None, False),
        ([truth.names[0]], False),
        (list(truth.names[6:8]), False),
        ([truth.names[7]], True),
    ):
        if names is not None:
            place.write_text(json.dumps({"JPEG, Hub": names}))
        entry, here = read()
        assert entry.slug == slug and (entry.ranked(key, "multilabel") is not None) == ranked
        assert entry.score(key, "multilabel") is not None
        assert ("has no rank" in " ".join(left_out.flags(entry, [entry], here))) != ranked
        table = board_table.table(key, "gzd5", "gzd5-multilabel", "multilabel", [entry], {}, [], "GZD5")
        assert (len(table.rows), len(table.partial)) == ((1, 0) if ranked else (0, 1))


def test_what_a_source_lacks_is_written_down_from_an_edition(
    survey: Path, editions: dict[str, Edition], tmp_path: Path
) -> None:
    truth = Truth.of(editions["gzd5"])
    assert left_out.write(tmp_path / "lacking.json", truth, editions["gzd5-tiny"]) == 40
    assert json.loads((tmp_path / "lacking.json").read_text()) == {"own files": list(truth.names[:40])}


def test_files_of_one_entry_lack_the_same_galaxies(survey: Path, editions: dict[str, Edition], tmp_path: Path) -> None:
    known = truths(survey, editions)
    (key,) = known.frozen
    found = [write_run(editions["gzd5"].path, tmp_path / "runs", "multilabel", seed=seed) for seed in (0, 1)]
    truth = known.truth(key)
    assert truth is not None
    (path,) = found[1].glob("predictions/*/*/*.parquet")
    given = prediction_files.read(path, truth.tree)
    prediction_files.write(path, given.take(np.arange(1)), truth.tree)
    with pytest.raises(LeaderboardError, match="lacks other galaxies than"):
        draft.gather(found, known)
    # By hand into a submission: the check names it, and the site does not fall over it.
    prediction_files.write(path, given, truth.tree)
    slug = submit(tmp_path / "board", known, found[0], tmp_path / "work", "seeds")
    folder = tmp_path / "board" / "submissions" / slug
    for name in ("predictions/gzd5/multilabel/seed1.parquet", "runs/gzd5/multilabel/seed1.json"):
        source = found[1] / (name if name.startswith("predictions") else "run.json")
        shutil.copyfile(source, folder / name)
    prediction_files.write(folder / "predictions/gzd5/multilabel/seed1.parquet", given.take(np.arange(1)), truth.tree)
    stored, problems = score_submission(folder, known)
    assert not problems
    stored_scores.write(tmp_path / "board" / "scores" / slug, stored)
    report_ = submission_check.check(folder, tmp_path / "board" / "scores" / slug, known, [])
    assert any("lacks other galaxies than" in fault for fault in report_.faults)
    (entry,), _ = entries.submitted(tmp_path / "board", known)
    assert entry.score(key, "multilabel") is not None and entry.ranked(key, "multilabel") is None


def test_what_is_frozen_stays(survey: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    benchmark = tmp_path / "benchmark"
    words = ["freeze", "1", "gzd5", "--any-table", "--root", str(tmp_path), "--catalogue"]
    assert main([*words, str(survey / "votes.csv")]) == 0
    before = {path: path.read_bytes() for path in benchmark.rglob("*") if path.is_file()}
    assert main([*words, str(survey / "votes.csv")]) == 0, "the same once more changes nothing"
    other = pd.read_csv(survey / "votes.csv").assign(redshift=0.9)
    other.to_csv(tmp_path / "other.csv", index=False)
    assert main([*words, str(tmp_path / "other.csv")]) == 1
    assert "differs in truth_sha256" in capsys.readouterr().err
    for name in ("GZD5", "../../x", "a b", ""):
        words[2] = name
        assert main([*words, str(survey / "votes.csv")]) == 1
        assert "cannot be frozen" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in benchmark.rglob("*") if path.is_file()} == before
    assert not list(tmp_path.parent.rglob("x-truth.parquet"))

"""Test galaxies in a list of training galaxies, by name and by position, and an entry's results for the Hub."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub
import numpy as np
import pandas as pd
import pytest
import yaml

from galaxy_zoo_decals.edition import Edition
from leaderboard.__main__ import main
from leaderboard.check import overlap
from leaderboard.entry.truths import Truths
from leaderboard.files import DATA as HERE
from leaderboard.ranking import stored_scores
from tests.test_leaderboard import board as board  # fixtures
from tests.test_leaderboard import finished as finished
from tests.test_leaderboard import only


def found(table: pd.DataFrame, edition: Path, folder: Path) -> overlap.Overlap:
    path = folder / "list.csv"
    table.to_csv(path, index=False)
    truths = Truths.on_this_machine([str(edition)])
    (mine,) = (o for o in overlap.find(overlap.read(path), truths) if o.key in truths.given)
    return mine


def test_names_and_positions_are_found_within_an_arcsecond(toy_edition: Path, tmp_path: Path) -> None:
    test = Edition(toy_edition).table("test", ["iauname", "ra", "dec"])
    train = Edition(toy_edition).table("train", ["iauname", "ra", "dec"])
    assert found(train, toy_edition, tmp_path).names == []
    both = pd.concat([train, test.iloc[[2, 0]]])
    assert found(both, toy_edition, tmp_path).names == sorted(test["iauname"].iloc[[0, 2]])
    arcsec = 1 / 3600
    for away, caught in ((0.99, True), (1.01, False)):
        east = test[["ra", "dec"]].assign(ra=test["ra"] + away * arcsec / np.cos(np.radians(test["dec"])))
        north = test[["ra", "dec"]].assign(dec=test["dec"] + away * arcsec)
        for moved in (east, north):
            assert len(found(moved, toy_edition, tmp_path).by_position) == caught * len(test), away


def test_neither_the_seam_nor_the_pole_hides_a_galaxy() -> None:
    ours = pd.DataFrame({"iauname": ["seam", "pole"], "ra": [0.0001, 10.0], "dec": [0.0, 89.9999]})
    theirs = pd.DataFrame({"ra": [359.9999, 190.0], "dec": [0.0, 90.0]})
    assert overlap._by_position(ours, theirs) == ["seam", "pole"]


def test_the_command_says_what_to_declare(
    toy_edition: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = Edition(toy_edition).table("test", ["iauname"])["iauname"]
    listed, out = tmp_path / "names.txt", tmp_path / "found.txt"
    listed.write_text("\n".join([*names[:3], "something else"]) + "\n")
    words = ["overlap", str(listed), "--edition", str(toy_edition), "--out", str(out)]
    assert main(words) == 1
    said = capsys.readouterr().out
    assert f"3 of {len(names)} test galaxies (3 by name, 0 within 1 arcsec)" in said and "`declared`" in said
    assert "gz2" in said and "not looked at" in said, "an edition whose galaxies are not known here is named"
    assert out.read_text().splitlines() == sorted(names[:3])
    listed.write_text("something else\n")
    assert main(words) == 0
    assert "No test galaxy" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("x.csv", "name\nx\n", "needs a column iauname"),
        ("x.csv", "ra,dec\n1,95\n", "row 1, column 'dec' holds 95.0, which is no position"),
        ("x.csv", "ra,dec\n10:00:28.6,95\n", "which are 150.119167 degrees"),
        ("x.csv", "ra,d\n1,95\n", "needs a column iauname, or ra and dec"),
        ("x.csv", "", "it has no bytes"),
        ("x.parquet", "PAR1", "may be cut short"),
        ("x.txt", b"\xff\xfe", "holds no text"),
    ],
)
def test_a_bad_list_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str | bytes, words: str
) -> None:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert main(["overlap", str(path)]) == 1
    said = capsys.readouterr().err
    assert str(path) in said and words in said
    assert main(["overlap", str(tmp_path / "nowhere.csv")]) == 1


def test_names_in_another_spelling_are_not_passed_over(
    toy_edition: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A list of file names shares no name with the test galaxies, and is of them all the same."""
    edition = Edition(toy_edition)
    test, train = (list(edition.table(split, ["iauname"])["iauname"]) for split in ("test", "train"))
    listed = tmp_path / "list.txt"
    for change in (lambda n: f"cutouts/{n}.jpg", lambda n: n.replace("+", " "), str.lower):
        listed.write_text("".join(f"{change(name)}\n" for name in [*train, test[0]]))
        assert main(["overlap", str(listed), "--edition", str(toy_edition)]) == 1
        said = capsys.readouterr().out
        assert "1 names are test galaxies of" in said and repr(test[0]) in said and "No test galaxy" not in said
    listed.write_text("".join(f"{name}.jpg\n" for name in train))
    assert main(["overlap", str(listed), "--edition", str(toy_edition)]) == 0


def test_results_for_the_hub_are_what_the_hub_reads(tmp_path: Path) -> None:
    (slug,) = (p.name for p in (HERE / "submissions").glob("*-pixel-features-extremely-randomised-trees"))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "README.md").write_text("---\nlicense: mit\n---\n\n# Mine\n\nWords that stay.\n")
    words = ["export", slug, "--dataset", "someone/galaxies", "--revision", "a" * 40, "--out", str(folder)]
    assert main(words) == 0
    stored = [s.boards["multiclass"] for s in stored_scores.read(HERE / "scores" / slug)]
    expected = np.mean([s.metrics["macro_f1"].value for s in stored])
    content = yaml.safe_load((folder / ".eval_results" / "galaxy-zoo-decals.yaml").read_text())
    (entry,) = huggingface_hub.parse_eval_result_entries(content)
    assert (entry.dataset_id, entry.task_id, entry.dataset_revision) == ("someone/galaxies", "multiclass", "a" * 40)
    assert entry.value == pytest.approx(expected, abs=1e-6) and entry.date.replace("-", "") == slug[:8]
    assert entry.notes is not None and "mean of 3 seeds" in entry.notes and "edition sample" in entry.notes
    card = huggingface_hub.ModelCard.load(folder / "README.md")
    assert card.data.license == "mit" and "Words that stay." in card.text
    told = {r.metric_type: r.metric_value for r in card.data.eval_results or []}
    assert told["macro_f1"] == pytest.approx(expected, abs=1e-6) and "accuracy" in told


def test_what_cannot_be_exported_is_said(
    board: Path, toy_edition: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--root", str(board), "--edition", str(toy_edition), "--out", str(tmp_path / "out")]
    assert main(["export", "20990101-nobody", "--dataset", "a/b", *common]) == 1
    assert "there is no entry '20990101-nobody'" in capsys.readouterr().err
    assert main(["export", only(board).name, "--dataset", "../up", *common]) == 1
    assert "--dataset ../up" in capsys.readouterr().err
    assert main(["export", only(board).name, "--dataset", "a/b", *common]) == 1
    assert "an edition this small" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()

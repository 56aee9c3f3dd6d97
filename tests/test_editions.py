from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from galaxy_zoo_decals.edition import Edition, EditionError
from galaxy_zoo_decals.prepare import audit, builder, conversion, placement, shards
from galaxy_zoo_decals.prepare.builder import build
from galaxy_zoo_decals.schema import GZD5, SPLITS, VIEWS
from galaxy_zoo_decals.scoring import Truth
from galaxy_zoo_decals.sources.folder import Folder
from tests.test_features import view_features

ROOT = Path(__file__).parents[1]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_loads_with_stock_datasets_and_has_the_documented_features(toy_edition: Path, view: str) -> None:
    galaxies = load_dataset(str(toy_edition), view)
    streamed = load_dataset(str(toy_edition), view, streaming=True)
    counts = Edition(toy_edition).facts["counts"]
    for split in SPLITS:
        assert galaxies[split].features == view_features(view, GZD5, GZD5.lost_columns)
        assert len(galaxies[split]) == counts[split][view] > 0  # type: ignore[index]
    first = next(iter(streamed["test"]))
    assert first["iauname"] == galaxies["test"][0]["iauname"]
    assert first["image"].size == galaxies["test"][0]["image"].size == (224, 224)


def test_labels_in_the_shards_are_those_of_the_votes(toy_edition: Path) -> None:
    votes = load_dataset(str(toy_edition), "votes", split="test").with_format("numpy")
    wide = load_dataset(str(toy_edition), "multilabel", split="test").remove_columns("image")
    labels = load_dataset(str(toy_edition), "multilabel", split="test", columns=["iauname", "labels", "asked"])
    assert votes["iauname"][:].tolist() == labels["iauname"][:] == wide["iauname"][:]
    for i, (row, fixed) in enumerate(zip(labels, wide)):
        true, asked = set(), set()
        first = int(votes["smooth-or-featured_total-votes"][i])
        for j, label in enumerate(GZD5.labels):
            question, answer = label.answer
            total, k = int(votes[f"{question}_total-votes"][i]), int(votes[f"{question}_{answer}"][i])
            if total and 2 * k > total:
                true.add(j)
            if total >= 3 and 2 * total >= first:
                asked.add(j)
        assert (set(row["labels"]), set(row["asked"])) == (true, asked)
        positions = range(len(GZD5.labels))
        assert fixed["multi_hot"] == [float(j in true) for j in positions]
        assert fixed["asked_mask"] == [float(j in asked) for j in positions]
        fractions = [fixed["fractions"][j] if j in asked else -1 for j in positions]
        assert fixed["top_label"] == fractions.index(max(fractions))


def test_a_view_never_shows_galaxies_without_its_flag(toy_edition: Path) -> None:
    table = Edition(toy_edition).table("train")
    assert (table["label"] < 0).any(), "the toy sky has galaxies without a class"
    assert all(label >= 0 for label in load_dataset(str(toy_edition), "multiclass", split="train")["label"])


def test_shards_hold_images_once_in_small_row_groups(toy_edition: Path) -> None:
    file = pq.ParquetFile(Edition(toy_edition).shards("train")[0])
    assert max(file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)) <= shards.ROW_GROUP
    assert sorted(p.name for p in toy_edition.iterdir()) == ["README.md", "data", "edition.json"]


def test_many_shards_hold_what_one_holds(
    toy_catalogue: tuple[Path, Path], toy_edition: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "SHARD", "100KB")
    monkeypatch.setattr(shards, "ROW_GROUP", 10)
    monkeypatch.setattr(shards.EditionBuilder, "DEFAULT_WRITER_BATCH_SIZE", 10)
    build(Folder(*toy_catalogue, licence="CC0-1.0"), tmp_path / "many", name="toy")
    many, one = Edition(tmp_path / "many"), Edition(toy_edition)
    assert len(many.shards("train")) > 1 == len(one.shards("train"))
    assert many.facts == one.facts
    for split in SPLITS:
        rows = load_dataset(str(many.path), "votes", split=split, streaming=True)
        assert [row["iauname"] for row in rows] == one.table(split)["iauname"].tolist()
    assert all(finding.holds for finding in audit.check(many))


def test_edition_json_names_no_time_host_or_path(toy_edition: Path, toy_catalogue: tuple[Path, Path]) -> None:
    text = (toy_edition / "edition.json").read_text() + (toy_edition / "README.md").read_text()
    assert str(toy_catalogue[0].parent) not in text and os.uname().nodename not in text


def test_the_same_source_gives_the_same_bytes_whatever_the_processes(
    toy_edition: Path, toy_catalogue: tuple[Path, Path], tmp_path: Path
) -> None:
    build(Folder(*toy_catalogue, licence="CC0-1.0"), tmp_path / "again", name="toy", processes=2)
    assert contents(tmp_path / "again") == contents(toy_edition)


def test_hashes_follow_the_votes_and_not_the_pixels(
    toy_edition: Path, toy_catalogue: tuple[Path, Path], tmp_path: Path
) -> None:
    before = Edition(toy_edition).facts
    smaller = tmp_path / "smaller"
    build(Folder(*toy_catalogue, licence="CC0-1.0"), smaller, name="toy", size=64)
    after = Edition(smaller).facts
    assert after["content_hash"] == before["content_hash"]
    assert after["image_hash"] != before["image_hash"]
    table = pd.read_csv(toy_catalogue[0])
    table.loc[0, "merging_none"] += 1
    table.loc[0, "merging_total-votes"] += 1
    changed = tmp_path / "changed.csv"
    table.to_csv(changed, index=False)
    build(Folder(changed, toy_catalogue[1]), tmp_path / "changed", name="toy", size=64)
    other = Edition(tmp_path / "changed").facts
    assert other["content_hash"] != before["content_hash"]
    assert other["split_hash"] == before["split_hash"]


def test_a_changed_edition_is_never_answered_with_cached_rows(toy_catalogue: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "edition"
    build(Folder(*toy_catalogue, licence="CC0-1.0"), out, name="toy", size=32)
    assert load_dataset(str(out), "votes", split="test")[0]["image"].size == (32, 32)
    build(Folder(*toy_catalogue, licence="CC0-1.0"), out, name="toy", size=48)
    assert load_dataset(str(out), "votes", split="test")[0]["image"].size == (48, 48)


def test_damaged_images_are_left_out_counted_and_named(toy_catalogue: tuple[Path, Path], tmp_path: Path) -> None:
    images = tmp_path / "images"
    shutil.copytree(toy_catalogue[1], images)
    names = sorted(p.stem for p in images.glob("*.png"))
    whole = (images / f"{names[0]}.png").read_bytes()
    (images / f"{names[0]}.png").write_bytes(whole[: len(whole) // 2])
    (images / f"{names[1]}.png").write_text("<html>not found</html>")
    (images / f"{names[2]}.png").write_bytes(b"")
    (images / f"{names[3]}.png").unlink()
    (images / "stranger.png").write_bytes(whole)
    report = build(Folder(toy_catalogue[0], images), tmp_path / "out", name="toy", size=32)
    steps = {s.name: s for s in report.steps}
    assert steps["no image"].removed == 1
    assert steps["unusable image"].removed == 3
    assert sorted(steps["unusable image"].examples) == names[:3]
    assert report.unlisted_images == 1
    assert report.left == len(names) - 4
    kept = {n for split in SPLITS for n in Edition(tmp_path / "out").table(split, ["iauname"])["iauname"]}
    assert kept == set(names[4:])
    card = (tmp_path / "out" / "README.md").read_text()
    assert all(name in card for name in names[:3])


def test_a_folder_with_other_things_is_never_replaced(toy_catalogue: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(EditionError, match=r"not an edition.*thesis\.tex"):
        build(Folder(*toy_catalogue, licence="CC0-1.0"), tmp_path, name="toy")
    assert (tmp_path / "thesis.tex").read_text() == "precious"
    assert not tmp_path.with_name(tmp_path.name + ".partial").exists()


def test_a_full_disk_leaves_the_old_edition_whole_and_the_next_run_goes_on(
    toy_edition: Path, toy_catalogue: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from galaxy_zoo_decals import cli

    out = tmp_path / "edition"
    shutil.copytree(toy_edition, out)
    before = contents(out)
    monkeypatch.setattr(conversion, "PIECE", 20)
    written = []
    real = os.fsync

    def full_after_three(descriptor: int) -> None:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            written.append(descriptor)
        if len(written) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    command = ["prepare", "catalogue", "--votes", str(toy_catalogue[0]), "--images", str(toy_catalogue[1])]
    command += ["--out", str(out), "--name", "toy", "--size", "32", "--processes", "1"]
    monkeypatch.setattr(os, "fsync", full_after_three)
    assert cli.main(command) == 1
    assert contents(out) == before
    work = out.with_name("edition.partial")
    finished = {p.name: p.stat().st_mtime_ns for p in (work / "pieces").glob("*.parquet")}
    assert len(finished) == 3
    monkeypatch.setattr(os, "fsync", real)
    written.clear()
    assert cli.main(command) == 0
    assert Edition(out).facts["image_size"] == 32
    assert not work.exists()


def test_an_interrupt_leaves_the_old_edition_whole_and_the_result_is_the_same(
    toy_edition: Path, toy_catalogue: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "edition"
    shutil.copytree(toy_edition, out)
    before = contents(out)
    monkeypatch.setattr(conversion, "PIECE", 20)
    real, done = conversion._write_piece, []

    def interrupted(*arguments: object) -> int:
        done.append(arguments)
        if len(done) > 2:
            raise KeyboardInterrupt
        return real(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(conversion, "_write_piece", interrupted)
        with pytest.raises(KeyboardInterrupt):
            build(Folder(*toy_catalogue, licence="CC0-1.0"), out, name="toy", size=48)
    assert contents(out) == before
    build(Folder(*toy_catalogue, licence="CC0-1.0"), out, name="toy", size=48)
    build(Folder(*toy_catalogue, licence="CC0-1.0"), tmp_path / "straight", name="toy", size=48)
    assert contents(out) == contents(tmp_path / "straight")


def test_images_that_were_missing_or_damaged_are_tried_again(toy_catalogue: tuple[Path, Path], tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(EditionError, match="150 galaxies have no usable image"):
        build(Folder(toy_catalogue[0], empty), tmp_path / "out", name="toy", size=32)
    for image in toy_catalogue[1].iterdir():
        shutil.copy(image, empty)  # the same folder, mended
    report = build(Folder(toy_catalogue[0], empty), tmp_path / "out", name="toy", size=32)
    assert report.left == 150


def test_an_image_that_was_changed_between_two_runs_is_converted_anew(
    toy_catalogue: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = tmp_path / "images"
    shutil.copytree(toy_catalogue[1], images)
    monkeypatch.setattr(conversion, "PIECE", 20)
    with monkeypatch.context() as patch:
        patch.setattr(builder, "write_shards", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            build(Folder(toy_catalogue[0], images), tmp_path / "out", name="toy", size=32)
    other, *_, changed = sorted(images.iterdir(), key=lambda path: path.stat().st_size)
    data = changed.read_bytes()
    changed.write_bytes(other.read_bytes().ljust(len(data), b"\0"))  # whole, as large, and another galaxy
    build(Folder(toy_catalogue[0], images), tmp_path / "out", name="toy", size=32)
    stored = {n: image for split in SPLITS for n, image in Edition(tmp_path / "out").images(split).items()}
    assert stored[changed.stem] == stored[other.stem]
    changed.write_bytes(data)
    build(Folder(toy_catalogue[0], images), tmp_path / "out", name="toy", size=32)
    stored = {n: image for split in SPLITS for n, image in Edition(tmp_path / "out").images(split).items()}
    assert stored[changed.stem] != stored[other.stem]


def test_the_new_edition_is_on_the_disk_before_the_old_one_goes(
    toy_edition: Path, toy_catalogue: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "edition"
    shutil.copytree(toy_edition, out)
    done: list[tuple[str, str]] = []
    fsync, rename, rmtree = os.fsync, Path.rename, shutil.rmtree

    def synced(descriptor: int) -> None:
        done.append(("sync", str(Path(f"/proc/self/fd/{descriptor}").readlink())))
        fsync(descriptor)

    def renamed(path: Path, target: Path) -> Path:
        done.append(("rename", str(path)))
        return rename(path, target)

    def removed(path: Path, *arguments: object, **named: object) -> None:
        if Path(path).exists():
            done.append(("remove", str(path)))
        rmtree(path, *arguments, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", synced)
        patch.setattr(Path, "rename", renamed)
        patch.setattr(shutil, "rmtree", removed)
        build(Folder(*toy_catalogue, licence="CC0-1.0"), out, name="toy", size=32)
    fresh = tmp_path / "edition.partial" / "edition"
    whole = done.index(("rename", str(fresh.parent)))
    for path in (out, *out.rglob("*")):
        assert ("sync", str(fresh / path.relative_to(out))) in done[:whole], path
    moved = done.index(("rename", str(out)))
    placed = done.index(("rename", str(tmp_path / "edition.done" / "edition")))
    old = done.index(("remove", str(tmp_path / "edition.done")))
    assert whole < moved < placed < old and ("sync", str(tmp_path)) in done[placed:old]


@pytest.mark.parametrize("moment", ["before the first rename", "between the renames", "after the last"])
def test_a_kill_while_the_edition_goes_into_place_loses_nothing_and_leaves_nothing(
    toy_edition: Path, toy_catalogue: tuple[Path, Path], tmp_path: Path, moment: str
) -> None:
    out, done = tmp_path / "edition", tmp_path / "edition.done"
    build(Folder(*toy_catalogue, licence="CC0-1.0"), out, name="toy", size=32)
    old = contents(out)
    (done / "pieces").mkdir(parents=True)
    (done / "pieces" / "a.parquet").write_bytes(b"of the run that was killed")
    (tmp_path / "edition.lock").touch()
    if moment == "before the first rename":
        shutil.copytree(toy_edition, done / "edition")
    elif moment == "between the renames":
        shutil.copytree(toy_edition, done / "edition")
        out.rename(done / "old")
    broken = Folder(tmp_path / "absent.csv", toy_catalogue[1])
    with pytest.raises(ValueError, match="no such file"):
        build(broken, out, name="toy")
    assert contents(out) == (old if moment == "after the last" else contents(toy_edition))
    assert [p.name for p in tmp_path.iterdir()] == ["edition"]


def test_a_finished_edition_never_takes_the_place_of_other_things(toy_edition: Path, tmp_path: Path) -> None:
    out, done = tmp_path / "edition", tmp_path / "edition.done"
    shutil.copytree(toy_edition, done / "edition")
    out.mkdir()
    (out / "thesis.tex").write_text("precious")
    with pytest.raises(EditionError, match=r"not an edition.*thesis\.tex"):
        placement.settle(out)
    assert (out / "thesis.tex").read_text() == "precious" and (done / "edition").exists()
    shutil.rmtree(out)
    placement.settle(out)
    assert contents(out) == contents(toy_edition) and not done.exists()


def run(code: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python as a user would: without the tests' path, offline."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | environment
    return subprocess.run([sys.executable, "-c", code], cwd=cwd, env=env, capture_output=True, text=True, timeout=120)


def test_the_bare_name_loads_from_any_directory_after_the_import(toy_edition: Path, tmp_path: Path) -> None:
    code = (
        "{first}\n{second}\n"
        "import datasets\n"
        "names = datasets.get_dataset_config_names('galaxy_zoo_decals')\n"
        "row = next(iter(datasets.load_dataset('galaxy_zoo_decals', 'multilabel', split='test', streaming=True)))\n"
        "n = len(datasets.load_dataset(path='galaxy_zoo_decals', name='votes', split='test'))\n"
        "print(names, row['iauname'], n)"
    )
    table = Edition(toy_edition).table("test", ["iauname"])
    expected = f"{list(VIEWS)} {table['iauname'][0]} {len(table)}"
    imports = ("import galaxy_zoo_decals", "from datasets import load_dataset")
    for first, second in (imports, imports[::-1]):
        done = run(code.format(first=first, second=second), tmp_path, GALAXY_ZOO_DECALS_EDITION=str(toy_edition))
        assert done.stdout.strip() == expected, done.stderr


def test_other_names_stay_stock(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1, 2]}).to_csv(tmp_path / "some.csv", index=False)
    import galaxy_zoo_decals  # noqa: F401

    assert len(load_dataset("csv", data_files=str(tmp_path / "some.csv"), split="train")) == 2
    with pytest.raises(Exception, match="galaxy_zoo"):
        load_dataset("galaxy_zoo")
    assert datasets.load.dataset_module_factory is datasets.inspect.dataset_module_factory


def test_importing_the_package_is_light_and_looks_down_only(tmp_path: Path) -> None:
    code = "import sys, galaxy_zoo_decals; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = set(run(code, tmp_path).stdout.split())
    assert "galaxy_zoo_decals" in loaded
    assert not loaded & {"datasets", "torch", "transformers", "pandas", "benchmark", "leaderboard"}
    for file in (ROOT / "galaxy_zoo_decals").rglob("*.py"):
        words = [
            line.split()[1].split(".")[0]
            for line in file.read_text().splitlines()
            if line.strip().startswith(("import ", "from "))
        ]
        if file.parent.name == "models":  # an extra of its own, which nothing else of the package imports
            words = [word for word in words if word not in ("torch", "transformers", "timm")]
        assert not set(words) & {"torch", "transformers", "timm", "accelerate", "benchmark", "leaderboard"}, file


def test_scoring_needs_no_torch_and_no_datasets(tmp_path: Path) -> None:
    code = (
        "import sys, galaxy_zoo_decals.scoring, galaxy_zoo_decals.predictions\n"
        "print(*{m.split('.')[0] for m in sys.modules})"
    )
    loaded = set(run(code, tmp_path).stdout.split())
    assert "scipy" in loaded and not loaded & {"torch", "datasets", "transformers", "evaluate"}


def test_editions_are_chosen_and_shown_by_name(
    toy_edition: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from galaxy_zoo_decals import cli, path

    monkeypatch.setenv("GALAXY_ZOO_DECALS_HOME", str(tmp_path))
    shutil.copytree(toy_edition, tmp_path / "editions" / "mine")
    assert path("mine") == str((tmp_path / "editions" / "mine").resolve())
    assert path(toy_edition) == str(toy_edition)
    assert cli.main(["use", "mine"]) == 0
    assert path() == path("mine")
    capsys.readouterr()
    assert cli.main(["info"]) == 0
    assert "* mine" in capsys.readouterr().out
    assert cli.main(["info", "mine", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "toy"
    assert cli.main(["info", "mien"]) == 1
    assert "Did you mean 'mine'?" in capsys.readouterr().err
    assert cli.main(["use", str(tmp_path)]) == 1
    assert "no edition" in capsys.readouterr().err
    with pytest.raises(EditionError, match="prepare gz2"):
        path("gz2")


def test_an_edition_in_use_that_is_gone_says_who_chose_it(
    toy_edition: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from galaxy_zoo_decals import cli, path

    monkeypatch.setenv("GALAXY_ZOO_DECALS_HOME", str(tmp_path))
    shutil.copytree(toy_edition, tmp_path / "editions" / "mine")
    cli.main(["use", "mine"])
    shutil.rmtree(tmp_path / "editions" / "mine")
    with pytest.raises(EditionError, match=r"'mine' \(chosen by `galaxy-zoo-decals use`\).*use sample"):
        path()
    assert cli.main(["info"]) == 0
    assert "mine (not found)" in capsys.readouterr().out
    monkeypatch.setenv("GALAXY_ZOO_DECALS_EDITION", "nothing")
    with pytest.raises(EditionError, match="GALAXY_ZOO_DECALS_EDITION"):
        path()
    monkeypatch.delenv("GALAXY_ZOO_DECALS_EDITION")
    (tmp_path / "in-use").write_text("")
    assert Edition.open().name == "sample"


def test_a_damaged_edition_spoils_no_other(
    toy_edition: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from galaxy_zoo_decals import cli

    monkeypatch.setenv("GALAXY_ZOO_DECALS_HOME", str(tmp_path))
    for name, text in (("aaa", "{}"), ("bbb", "["), ("whole", None)):
        shutil.copytree(toy_edition, tmp_path / "editions" / name)
        if text is not None:
            (tmp_path / "editions" / name / "edition.json").write_text(text)
    assert cli.main(["info"]) == 0
    out = capsys.readouterr().out
    assert out.count("cannot be read") == 2 and "whole" in out
    assert cli.main(["show", "aaa"]) == 1
    assert "prepare the edition again" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["/tmp/elsewhere", "../up", "Big Name", ""])
def test_an_editions_name_cannot_leave_a_folder(toy_edition: Path, tmp_path: Path, name: str) -> None:
    from galaxy_zoo_decals import cli

    hostile = tmp_path / "hostile"
    shutil.copytree(toy_edition, hostile)
    facts = json.loads((hostile / "edition.json").read_text()) | {"name": name}
    (hostile / "edition.json").write_text(json.dumps(facts))
    with pytest.raises(EditionError, match="name"):
        _ = Edition(hostile).name
    with pytest.raises(SystemExit):
        cli.main(["prepare", "simulated", "--name", name])


def test_an_edition_without_scored_galaxies_says_so(
    toy_catalogue: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from galaxy_zoo_decals import cli

    table = pd.read_csv(toy_catalogue[0]).drop(columns="upload_group")
    table.to_csv(tmp_path / "votes.csv", index=False)
    command = ["prepare", "catalogue", "--votes", str(tmp_path / "votes.csv"), "--images", str(toy_catalogue[1])]
    command += ["--out", str(tmp_path / "out"), "--size", "32", "--processes", "1"]
    assert cli.main(command) == 0
    assert "No test galaxy is scored" in capsys.readouterr().out
    assert cli.main(["ceiling", str(tmp_path / "out")]) == 1
    assert "no test galaxy is scored" in capsys.readouterr().err
    assert cli.main([*command, "--name", "gz2"]) == 1
    assert "another source" in capsys.readouterr().err


def test_places_that_cannot_be_written_are_named(
    toy_edition: Path, toy_catalogue: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from galaxy_zoo_decals import cli

    for command in (
        ["show", str(toy_edition), "--out", str(tmp_path / "absent" / "a.png")],
        ["show", str(toy_edition), "--out", str(tmp_path / "a.foo")],
        ["ceiling", str(toy_edition), "--json", str(tmp_path / "absent" / "x.json")],
        ["prepare", "catalogue", "--votes", str(toy_catalogue[0]), "--images", str(toy_catalogue[1]),
         "--out", str(toy_catalogue[0] / "below-a-file")],
    ):  # fmt: skip
        assert cli.main(command) == 1
        said = capsys.readouterr().err
        assert said.startswith("galaxy-zoo-decals: ") and "Traceback" not in said


def test_wrong_arguments_name_the_choices(capsys: pytest.CaptureFixture[str]) -> None:
    from galaxy_zoo_decals import cli

    with pytest.raises(SystemExit) as stop:
        cli.main(["prepare", "zg2"])
    assert stop.value.code == 2 and "'gz2'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["prepare", "simulated", "--galaxies", "0"])
    assert "not above 0" in capsys.readouterr().err


def test_an_unknown_view_names_the_choices(toy_edition: Path) -> None:
    with pytest.raises(ValueError, match=r"hierarchical.*votes|votes.*hierarchical"):
        load_dataset(str(toy_edition), "hierarchic")


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom galaxy_zoo_decals import cli\n"
        "try: cli.main(['prepare', 'gz2', '--help'])\nexcept SystemExit: pass\n"
        "print(*{m.split('.')[0] for m in sys.modules}, file=sys.stderr)"
    )
    done = run(code, tmp_path)
    assert "--source DIR" in done.stdout
    assert not set(done.stderr.split()) & {"numpy", "pandas", "datasets", "pyarrow", "scipy", "torch"}


def test_the_contact_sheet_shows_every_class(toy_edition: Path, tmp_path: Path) -> None:
    from PIL import Image

    from galaxy_zoo_decals import cli

    assert cli.main(["show", str(toy_edition), "--out", str(tmp_path / "sheet.png")]) == 0
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape[1] > 1000 and sheet.std() > 10


def test_a_reader_that_has_seen_enough_is_no_fault() -> None:
    """As in `galaxy-zoo-decals info sample | head -1`."""
    command = [sys.executable, "-m", "galaxy_zoo_decals.cli", "info", "sample"]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=Path(__file__).parents[1])
    assert run.stdout is not None and run.stderr is not None
    run.stdout.close()
    assert run.stderr.read() == b"" and run.wait() == 1


@pytest.mark.parametrize("split", ["train", "test"])
def test_edited_votes_are_noticed_where_they_are_used(toy_edition: Path, tmp_path: Path, split: str) -> None:
    """Two answers exchanged in a shard: neither scored nor trained on, not only found by `check`."""
    copied = tmp_path / "edited"
    shutil.copytree(toy_edition, copied)
    assert Truth.of(Edition(copied)).names
    (shard,) = Edition(copied).shards(split)[:1]
    table = pq.read_table(shard)
    names = Edition(copied).tree.questions[0].columns[:2]
    one, other = (table.column_names.index(name) for name in names)
    table = table.set_column(one, table.schema.field(one), table[other]).set_column(
        other, table.schema.field(other), table[one]
    )
    pq.write_table(table, shard)
    with pytest.raises(EditionError, match="its votes, names or splits are not those it was made with"):
        Truth.of(Edition(copied))
    data = shard.read_bytes()
    shard.write_bytes(data[: len(data) // 2] + b"\xff" * (len(data) - len(data) // 2 - 8) + data[-8:])
    with pytest.raises(EditionError, match=r"a shard cannot be read .*prepare the edition again"):
        Truth.of(Edition(copied))
    os.truncate(shard, shard.stat().st_size // 2)
    with pytest.raises(EditionError, match=r"does not end as Parquet does: .*prepare the edition again"):
        Truth.of(Edition(copied))

"""The source of simulated galaxies: one galaxy is always the same, and its catalogue is one that GZD-5 could be."""

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from galaxy_zoo_decals import image_files
from galaxy_zoo_decals.image_files import ImageError
from galaxy_zoo_decals.prepare.builder import build
from galaxy_zoo_decals.schema import GZD5
from galaxy_zoo_decals.simulation import survey
from galaxy_zoo_decals.sources import catalogue
from galaxy_zoo_decals.sources.simulated import Simulated, simulate
from tests.published import catalogue_table

SIZE = 64


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Simulated, Path, pd.DataFrame]:
    work = tmp_path_factory.mktemp("work")
    source = Simulated(galaxies=24, seed=5, size=SIZE)
    return source, work, source.catalogue(work, processes=2)


def test_rows_are_sorted_checked_and_have_every_column(made):
    source, _, table = made
    assert list(table.columns) == ["iauname", *catalogue.METADATA, *GZD5.vote_columns, *source.extra_columns]
    assert table["iauname"].is_monotonic_increasing
    assert table["random_selection"].isna().all()
    assert set(source.split(table)) <= {"train", "validation", "test"}


def test_a_galaxy_does_not_depend_on_number_order_or_processes(made):
    _, work, table = made
    alone = {row["iauname"]: row for row in (simulate(5, SIZE, image_files.QUALITY, index) for index in (17, 3))}
    rows = table.set_index("iauname")
    encoder = Simulated(galaxies=24, seed=5, size=SIZE).encoder(work, SIZE, image_files.QUALITY)
    for name, row in alone.items():
        for column in (*GZD5.vote_columns, "ra", "upload_group"):
            assert rows.loc[name, column] == row[column]
        assert encoder([name]) == [row["image"]]


def test_finished_pieces_are_used_again_and_lost_ones_made_again(made, monkeypatch):
    source, work, table = made
    import galaxy_zoo_decals.sources.simulated as module

    with monkeypatch.context() as patch:
        patch.setattr(module, "simulate", lambda *_: pytest.fail("simulated again"))
        pd.testing.assert_frame_equal(source.catalogue(work, processes=1), table)


def test_images_by_name_and_what_is_refused(made):
    source, work, table = made
    reader = pickle.loads(pickle.dumps(source.encoder(work, SIZE, image_files.QUALITY)))
    images = reader(list(table["iauname"]))
    assert all(image_files.decode(data).size == (SIZE, SIZE) for data in images)
    unknown = reader(["J000000.00+000000.0", "J999999.99+999999.9"])
    assert all(isinstance(problem, ImageError) for problem in unknown)
    with pytest.raises(ValueError, match="have 64 pixels and quality 90, not 224 and 90"):
        source.encoder(work, 224, image_files.QUALITY)
    with pytest.raises(ValueError, match="at least 1"):
        Simulated(galaxies=0)


def test_visible_probabilities_sum_to_one_and_are_millionths(made):
    _, _, table = made
    for question in GZD5.questions:
        visible = table[[f"visible_{column}" for column in question.columns]].to_numpy(float)
        assert np.allclose(visible.sum(axis=1), 1, atol=1e-6)
        assert np.allclose(visible * 1e6, np.rint(visible * 1e6), atol=0.1)


def test_names_are_those_of_the_survey():
    # 150 degrees are 10 hours; 0.51 s of time are 0.002125 degrees; a tenth of an arcsec is the last digit
    assert survey.iauname(150.002126, -1.5) == "J100000.51-013000.0"
    assert survey.iauname(0.25, 0.0000278) == "J000100.00+000000.1"
    assert survey.iauname(359.9999999, 5.0) == "J235959.99+050000.0"


def test_debiased_columns_follow_the_published_rule(made):
    _, _, table = made
    full = catalogue_table(table)
    votes, total = full["bar_no"], full["bar_total-votes"]
    assert np.allclose((votes / total)[total > 0], full["bar_no_fraction"][total > 0])
    assert full["bar_no_fraction"][total == 0].isna().all()
    magnitude, redshift = full["elpetro_absmag_r"], full["redshift"]
    inside = magnitude.between(-23, -21.5) & redshift.between(0.02, 0.15) & (table[GZD5.questions[0].total] >= 30)
    column = full["smooth-or-featured_smooth_debiased"]
    assert column[~inside].isna().all() and column[inside].notna().all()
    checked = catalogue.check(full, GZD5, "table").drop(columns=list(GZD5.lost_columns))
    assert checked.equals(table[["iauname", *catalogue.METADATA, *GZD5.vote_columns]])


def test_the_picture_is_not_empty(made):
    source, work, table = made
    data = source.encoder(work, SIZE, image_files.QUALITY)([table["iauname"][0]])[0]
    levels = np.asarray(Image.Image.convert(image_files.decode(data), "L"), float)
    assert levels[24:40, 24:40].mean() > levels[:8, :8].mean() + 10


PREPARE = """
import sys
from galaxy_zoo_decals import cli
from galaxy_zoo_decals.sources import simulated

if __name__ == "__main__":
    simulated.PIECE = 4
    sys.exit(cli.main(["prepare", "simulated", "--galaxies", "48", "--seed", "5", "--size", "32", "--processes", "2",
                       "--name", "small", "--out", sys.argv[1]]))
"""
"""A preparation as the command line runs it, in pieces so small that there are some to interrupt it between."""


def prepare(script: Path, out: Path) -> subprocess.Popen[str]:
    script.write_text(PREPARE)
    return subprocess.Popen(
        [sys.executable, str(script), str(out)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        # A shell that runs the tests in the background has them ignore Ctrl-C, and children inherit it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_ctrl_c_ends_in_a_sentence_and_the_same_command_gives_the_same_edition(tmp_path):
    """The signal goes to the whole process group, as a terminal sends it."""
    out, work, script = tmp_path / "edition", tmp_path / "edition.partial", tmp_path / "prepare.py"
    running = prepare(script, out)
    while len(list(work.glob("simulated-*/[0-9]*.parquet"))) < 2 and running.poll() is None:
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=300)
    assert running.returncode == 130
    assert said.strip() == "galaxy-zoo-decals: interrupted. The same command goes on where it stopped."
    assert not out.exists()
    pieces = list(work.rglob("*.parquet"))
    assert 2 <= len(pieces) < 12 and all(pq.read_table(path).num_rows == 4 for path in pieces)
    assert [path for path in work.rglob("*") if path.is_file() and path not in pieces] == []
    running = prepare(script, out)
    _, said = running.communicate(timeout=300)
    assert running.returncode == 0, said
    source = Simulated(galaxies=48, seed=5, size=32, title="48 simulated DECaLS galaxies")
    build(source, tmp_path / "straight", name="small", size=32)
    assert contents(out) == contents(tmp_path / "straight")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["edition", "prepare.py", "straight"]

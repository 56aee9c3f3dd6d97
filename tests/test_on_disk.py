"""Galaxy Zoo DECaLS as people have it on disk: folders, links to other disks, archives and folders together."""

from __future__ import annotations

import io
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from galaxy_zoo_decals import cli
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.image_files import Form, ImageError
from galaxy_zoo_decals.sources import MISSING, Part
from galaxy_zoo_decals.sources.archive import contents
from galaxy_zoo_decals.sources.folder import FolderError, folder_part, image_files
from galaxy_zoo_decals.sources.record import SourceError
from galaxy_zoo_decals.sources.zenodo import ARCHIVE, PARTS, SIDE, OnDisk
from tests.releases import TABLE, write_release

TRUE_ROWS = Path(__file__).parents[2] / "shared" / "data" / "gzd5-true-rows"
FORM = Form(16, 90)
NAMES = ("J081412.47+220853.0", "J004544.11-005037.5", "J125434.08+184156.7", "J152532.19-000115.7")
"""One galaxy of each archive."""


def image(level: int, kind: str = "PNG") -> bytes:
    """A picture of the published size in one grey."""
    out = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), (level, level, level)).save(out, kind)
    return out.getvalue()


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def levels(part: Part) -> dict[str, int | str]:
    """The grey of every image of a part, or what is wrong with it."""
    names = sorted(part.images)
    made = part.encoder(names)(names)
    found: dict[str, int | str] = {}
    for name, data in zip(names, made):
        if isinstance(data, ImageError):
            found[name] = str(data)
        else:
            found[name] = round(float(np.asarray(Image.open(io.BytesIO(data))).mean()))
    return found


def every(source: OnDisk, work: Path) -> dict[str, int | str]:
    """What a conversion takes of a source: of each galaxy the image of the first part that has it."""
    work.mkdir(exist_ok=True)
    found: dict[str, int | str] = {}
    for part in source.parts(work, FORM):
        found = levels(part) | found
    return found


def test_the_tree_of_galaxy_datasets(tmp_path: Path) -> None:
    for level, name in enumerate(NAMES, 10):
        put(tmp_path / "images" / name[:4] / f"{name}.jpg", image(level, "JPEG"))
    put(tmp_path / "images" / "preview.jpg", image(0, "JPEG"))
    source = OnDisk(folder=tmp_path)
    assert every(source, tmp_path / "work") == dict(zip(NAMES, (10, 11, 12, 13)))
    assert source.pictures == "JPEG, files on disk"


def test_folders_named_by_their_archives_and_only_some_of_them(tmp_path: Path) -> None:
    for number, name in zip(PARTS, NAMES):
        put(tmp_path / ARCHIVE.format(number).removesuffix(".zip") / name[:4] / f"{name}.png", image(number))
    assert every(OnDisk(folder=tmp_path), tmp_path / "work") == dict(zip(NAMES, PARTS))
    some = OnDisk((1, 3), folder=tmp_path)
    assert every(some, tmp_path / "work") == {NAMES[0]: 1, NAMES[2]: 3} and some.pictures == "PNG, Zenodo"
    shutil.rmtree(tmp_path / "gz_decals_dr5_png_part3")
    with pytest.raises(SourceError, match=r"part3\.zip is missing.*--parts 1,2,4"):
        every(OnDisk(folder=tmp_path), tmp_path / "work")


@pytest.mark.skipif(not TRUE_ROWS.is_dir(), reason="needs true rows of the release in ../shared/data/gzd5-true-rows")
def test_true_files_of_the_release_are_taken(tmp_path: Path) -> None:
    source = OnDisk(folder=TRUE_ROWS)
    (part,) = source.parts(tmp_path, FORM)
    assert len(part.images) == 18 and all(isinstance(level, int) for level in levels(part).values())
    assert set(pd.read_csv(source.table)["iauname"]) <= set(part.images)


def test_archives_for_some_parts_and_folders_for_others(tmp_path: Path) -> None:
    source = OnDisk(folder=tmp_path / "gzd5")
    for number in (1, 2):
        (tmp_path / "gzd5").mkdir(exist_ok=True)
        with zipfile.ZipFile(tmp_path / "gzd5" / ARCHIVE.format(number), "w") as made:
            made.writestr(f"{NAMES[number - 1][:4]}/{NAMES[number - 1]}.png", image(number))
            made.writestr(f"__MACOSX/{NAMES[number - 1][:4]}/._{NAMES[number - 1]}.png", b"not an image")
    assert list(contents(tmp_path / "gzd5" / ARCHIVE.format(1))) == [NAMES[0]]
    with pytest.raises(SourceError, match=r"part3\.zip, .*part4\.zip is missing"):
        every(source, tmp_path / "work")
    # A folder of an archive that is there is not gone through: the archive has its images.
    put(tmp_path / "gzd5" / "gz_decals_dr5_png_part1" / "J081" / f"{NAMES[0]}.png", image(99))
    put(tmp_path / "gzd5" / "gz_decals_dr5_png_part3" / "J125" / f"{NAMES[2]}.png", image(3))
    put(tmp_path / "gzd5" / "J152" / f"{NAMES[3]}.png", image(4))
    assert every(OnDisk(folder=tmp_path / "gzd5"), tmp_path / "work") == dict(zip(NAMES, PARTS))


def test_folders_that_are_links_to_other_disks(tmp_path: Path) -> None:
    disk, folder = tmp_path / "disk", tmp_path / "gzd5"
    put(disk / "J081" / f"{NAMES[0]}.png", image(7))
    put(disk / "deep" / "J004" / f"{NAMES[1]}.png", image(8))
    put(folder / "J125" / f"{NAMES[2]}.png", image(9))
    (folder / "J081").symlink_to(disk / "J081")
    (folder / "others").symlink_to(disk / "deep", target_is_directory=True)
    (folder / "J152").mkdir()
    (folder / "J152" / f"{NAMES[3]}.png").symlink_to(disk / "J081" / f"{NAMES[0]}.png")
    found = every(OnDisk(folder=folder), tmp_path / "work")
    assert found == {NAMES[0]: 7, NAMES[1]: 8, NAMES[2]: 9, NAMES[3]: 7}
    linked = tmp_path / "linked"
    linked.symlink_to(folder)
    assert every(OnDisk(folder=linked), tmp_path / "work") == found


def test_links_in_circles_end(tmp_path: Path) -> None:
    put(tmp_path / "a" / "J081" / f"{NAMES[0]}.png", image(7))
    (tmp_path / "a" / "J081" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "again").symlink_to(tmp_path / "a")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    (tmp_path / "self").symlink_to(tmp_path / "self")
    assert [path.name for path in image_files(tmp_path)] == [f"{NAMES[0]}.png"]


def test_links_that_lead_nowhere(tmp_path: Path) -> None:
    put(tmp_path / "J081" / f"{NAMES[0]}.png", image(7))
    (tmp_path / "J081" / f"{NAMES[1]}.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "notes.txt").symlink_to(tmp_path / "gone.txt")
    # The galaxy then has no image, and is counted so.
    assert set(folder_part(tmp_path, FORM).images) == {NAMES[0]}
    (tmp_path / "J125").symlink_to("/nowhere/J125")
    with pytest.raises(FolderError, match=r"J125: this link leads nowhere \(/nowhere/J125\)\. Is its disk there"):
        image_files(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_what_may_not_be_read(tmp_path: Path) -> None:
    closed = put(tmp_path / "J081" / f"{NAMES[0]}.png", image(7))
    closed.chmod(0)
    assert levels(folder_part(tmp_path, FORM)) == {NAMES[0]: "the file cannot be read (Permission denied)"}
    closed.parent.chmod(0)
    try:
        with pytest.raises(FolderError, match=r"J081: this folder cannot be read \(Permission denied\)"):
            image_files(tmp_path)
    finally:
        closed.parent.chmod(0o755)


def test_a_folder_that_cannot_be_read_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "J081" / f"{NAMES[0]}.png", image(7))
    real = os.scandir

    def refuse(place: Path):  # type: ignore[no-untyped-def]
        if Path(place).name == "J081":
            raise PermissionError(13, "Permission denied", str(place))
        return real(place)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(FolderError, match=r"J081: this folder cannot be read \(Permission denied\)"):
        image_files(tmp_path)


def test_hidden_files_and_what_macos_adds_are_no_images(tmp_path: Path) -> None:
    good = put(tmp_path / "J081" / f"{NAMES[0]}.png", image(7))
    put(tmp_path / "J081" / f"._{NAMES[0]}.png", b"a resource fork")
    put(tmp_path / "__MACOSX" / "J081" / f"{NAMES[1]}.png", b"another")
    put(tmp_path / ".Trash" / f"{NAMES[2]}.png", image(1))
    put(tmp_path / "J081" / f"{NAMES[3]}.txt", b"no image")
    os.mkfifo(tmp_path / "J081" / f"{NAMES[3]}.png")
    assert image_files(tmp_path) == [good]


def test_of_several_files_of_one_galaxy(tmp_path: Path) -> None:
    one, two, three, four = NAMES
    # Of one picture in two formats the order of the endings decides, wherever they lie.
    put(tmp_path / "a" / f"{one}.jpg", image(1, "JPEG"))
    put(tmp_path / "b" / f"{one}.PNG", image(2))
    # The same bytes twice are one image.
    put(tmp_path / "a" / f"{two}.png", image(3))
    put(tmp_path / "b" / f"{two}.png", image(3))
    # Two different ones are named, also where they are equally long.
    put(tmp_path / "a" / f"{three}.png", image(4))
    put(tmp_path / "b" / f"{three}.png", image(5))
    assert len(image(4)) == len(image(5))
    put(tmp_path / "a" / f"{four}.png", image(6))
    # So are two formats of different pictures.
    five = "J125959.99+000000.0"
    put(tmp_path / "a" / f"{five}.png", image(7))
    put(tmp_path / "a" / f"{five}.jpeg", image(30, "JPEG"))
    part = folder_part(tmp_path, FORM)
    found = levels(part)
    words = f"there are two different images of it, a/{three}.png and b/{three}.png"
    advice = ": move one of them away"
    others = f"there are two different images of it, {five}.png and {five}.jpeg{advice}"
    assert found == {one: 2, two: 3, three: words + advice, four: 6, five: others}
    before = part.images[three]
    os.utime(tmp_path / "b" / f"{three}.png", ns=(1, 1))
    assert folder_part(tmp_path, FORM).images[three] != before, "another file is converted anew"
    (tmp_path / "a" / f"{four}.png").unlink()
    assert levels(part)[four] == MISSING


def test_votes_from_where_a_download_puts_them(tmp_path: Path) -> None:
    folder, downloads = tmp_path / "gzd5", tmp_path / "downloads"
    put(folder / "J081" / f"{NAMES[0]}.png", image(7))
    source = OnDisk(folder=folder, downloads=downloads)
    with pytest.raises(SourceError, match=rf"{TABLE}.*`galaxy-zoo-decals prepare gzd5 --catalogue-only`"):
        _ = source.table
    put(downloads / TABLE, b"votes")
    assert source.table == downloads / TABLE
    put(folder / TABLE.replace(".parquet", ".csv"), b"votes")
    assert OnDisk(folder=folder, downloads=downloads).table == folder / TABLE.replace(".parquet", ".csv")


def test_of_two_files_of_the_votes_the_one_that_is_read_is_named(tmp_path: Path) -> None:
    said: list[str] = []
    put(tmp_path / TABLE, b"votes")
    assert OnDisk(folder=tmp_path, say=said.append).table == tmp_path / TABLE and not said
    csv = put(tmp_path / TABLE.replace(".parquet", ".csv"), b"votes")
    assert OnDisk(folder=tmp_path, say=said.append).table == tmp_path / TABLE
    assert said == [f"{tmp_path}: it holds the votes twice; {TABLE} is read, {csv.name} is not."]


def test_nothing_to_take_is_one_sentence(tmp_path: Path) -> None:
    put(tmp_path / "gzd5" / "holiday.png", image(7))
    with pytest.raises(SourceError, match=r"neither .*part1\.zip nor image files in folders"):
        every(OnDisk(folder=tmp_path / "gzd5"), tmp_path / "work")


def test_an_edition_of_jpegs_behind_links_with_the_votes_of_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    release, home, tree = tmp_path / "release", tmp_path / "home", tmp_path / "tree" / "images"
    names = write_release(release, 36)
    monkeypatch.setenv("GALAXY_ZOO_DECALS_HOME", str(home))
    for number in PARTS:
        with zipfile.ZipFile(release / ARCHIVE.format(number)) as part:
            for member in part.namelist():
                out = io.BytesIO()
                Image.open(io.BytesIO(part.read(member))).save(out, "JPEG", quality=95)
                name = Path(member).stem
                put(tmp_path / "disk" / name[:4] / f"{name}.jpg", out.getvalue())
    tree.mkdir(parents=True)
    for folder in (tmp_path / "disk").iterdir():
        (tree / folder.name).symlink_to(folder)
    command = ["prepare", "gzd5", "--source", str(tree.parent), "--size", "64", "--processes", "1"]
    assert cli.main(command) == 1
    assert "--catalogue-only" in capsys.readouterr().err
    put(home / "downloads" / "zenodo-4573248" / TABLE, (release / TABLE).read_bytes())
    assert cli.main(command) == 0
    edition = Edition.open("gzd5")
    assert edition.path == (home / "editions" / "gzd5").resolve()
    assert edition.terms.pictures == "JPEG, files on disk"
    found = [name for split in ("train", "validation", "test") for name in edition.table(split, ["iauname"])["iauname"]]
    assert set(found) == set(names[:-1]), "the last galaxy has no image"


@pytest.mark.parametrize(
    "command",
    [["prepare", "catalogue", "--images", ".", "--votes"], ["prepare", "gz2", "--source", ".", "--only"],
     ["score", "sample"]],
)  # fmt: skip
def test_a_pipe_or_a_device_is_no_file_and_is_not_waited_for(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe.parquet")
    for path in (tmp_path / "pipe.parquet", "/dev/zero"):
        with pytest.raises(SystemExit):
            cli.main([*command, str(path)])
        assert "is a device or a pipe; write it to a file first" in capsys.readouterr().err


def test_what_is_no_number_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in ((["--parts", ","], "'' is no whole number"), (["--size", "big"], "'big' is no whole number")):
        with pytest.raises(SystemExit):
            cli.main(["prepare", "gzd5", *words])
        assert said in capsys.readouterr().err

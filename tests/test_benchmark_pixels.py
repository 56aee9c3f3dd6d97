"""What a network is shown of an image: the same pixels in training and in prediction, whatever file it comes from."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmark import BenchmarkError, image_cache, predict, recipes, run
from benchmark.recipes import Recipe
from galaxy_zoo_decals import crops
from galaxy_zoo_decals import predictions as files
from galaxy_zoo_decals.contact_sheet import contact_sheet
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.image_files import MAX_PIXELS, Form, ImageError, encode, is_encoded
from galaxy_zoo_decals.models import MODELS
from galaxy_zoo_decals.prepare.builder import build
from galaxy_zoo_decals.sources.folder import Folder
from leaderboard.render.thumbnails import _bounded
from tests.harness import TINY_CNN

FORMS = {"224": Form(224, 90), "424": Form(424, 90), "original": Form(424, original=True)}
SHARP: Recipe = recipes.override(recipes.choose("best", "multiclass"), ["resolution=160"])["multiclass"]
"""Shows 160 pixels of the central half: more than an edition of 224 pixels has there, fewer than one of 424."""


@pytest.fixture(scope="module")
def originals(toy_catalogue: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Votes and PNGs of 424 pixels with noise in every pixel, as published: 45 toy galaxies."""
    votes, images = toy_catalogue
    folder = tmp_path_factory.mktemp("originals")
    with votes.open(newline="") as file:
        rows = list(csv.DictReader(file))[:45]
    with (folder / "votes.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    (folder / "images").mkdir()
    rng = np.random.default_rng(0)
    for row in rows:
        small = Image.open(images / f"{row['iauname']}.png").resize((424, 424), Image.Resampling.BICUBIC)
        noisy = (np.asarray(small) + rng.normal(0, 8, (424, 424, 3))).clip(0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / "images" / f"{row['iauname']}.png", compress_level=1)
    return folder / "votes.csv", folder / "images"


@pytest.fixture(scope="module")
def editions(originals: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Edition]:
    """The same galaxies as editions of 224 and of 424 pixels and with the files as they are."""
    folder = tmp_path_factory.mktemp("editions-of-sizes")
    for name, form in FORMS.items():
        given = {"size": form.size, "quality": form.quality, "original": form.original}
        build(Folder(*originals), folder / name, name=f"toy-{name}", **given)
    return {name: Edition.open(folder / name) for name in FORMS}


@pytest.mark.parametrize("kept", FORMS)
def test_predict_shows_a_model_the_pixels_of_its_training(
    kept: str, editions: dict[str, Edition], originals: tuple[Path, Path]
) -> None:
    edition = editions[kept]
    model = MODELS["multiclass"].from_recipe(SHARP, edition.tree)
    form = image_cache.form(edition)
    model.config.edition_size, model.config.edition_quality = form.size, None if form.original else form.quality
    for split in ("validation", "test"):
        trained = image_cache.store(edition, split, SHARP, show=False)
        names = image_cache.galaxies(edition, split)["iauname"]
        for row, name in enumerate(names):
            inside = predict._pixels(edition.images(split, [name])[name], model.config)
            outside = predict._pixels(originals[1] / f"{name}.png", model.config)
            np.testing.assert_array_equal(inside, trained[row])
            np.testing.assert_array_equal(outside, trained[row])
    # It matters: another size or no JPEG is another picture.
    name = image_cache.galaxies(edition, "test")["iauname"][0]
    found = {
        tuple(crops.cut(image_cache.as_kept((originals[1] / f"{name}.png").read_bytes(), other), 160, 0.5).ravel())
        for other in FORMS.values()
    }
    assert len(found) == 3


@pytest.mark.parametrize("kept", ["424", "original"])
def test_a_run_keeps_the_form_of_its_edition_and_files_get_its_predictions(
    kept: str, editions: dict[str, Edition], originals: tuple[Path, Path], tmp_path: Path
) -> None:
    edition, out = editions[kept], tmp_path / "run"
    given = [*TINY_CNN, "--set", "crop=0.5", "--set", "resolution=96", "--set", "epochs=1"]
    arguments = ["--model", "multiclass", "--edition", str(edition.path), "--out", str(out), *given]
    assert run.main(arguments) == 0
    config = json.loads((out / "model" / "config.json").read_text())
    assert (config["edition_size"], config["edition_quality"]) == (424, None if kept == "original" else 90)
    assert predict.main([str(out), str(originals[1]), "--out", str(tmp_path / "table.parquet")]) == 0
    table = pd.read_parquet(tmp_path / "table.parquet")
    stored = files.read(next((out / "predictions").rglob("*.parquet")), edition.tree)
    found = table.set_index(table["name"].map(lambda path: Path(path).name.removesuffix(".png")))
    columns = list(files.columns("multiclass", edition.tree))
    np.testing.assert_allclose(found.loc[list(stored.names), columns].to_numpy(), stored.values, atol=1e-4)


def test_a_model_saved_before_editions_had_sizes_sees_224_pixels(editions: dict[str, Edition], tmp_path: Path) -> None:
    model = MODELS["multiclass"].from_recipe(SHARP, editions["224"].tree)
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    for key in ("edition_size", "edition_quality"):
        config.pop(key)
    (tmp_path / "config.json").write_text(json.dumps(config))
    loaded = predict.load(str(tmp_path))
    edition = editions["224"]
    trained = image_cache.store(edition, "test", SHARP, show=False)
    for row, (name, data) in enumerate(edition.images("test").items()):
        assert name == image_cache.galaxies(edition, "test")["iauname"][row]
        np.testing.assert_array_equal(predict._pixels(data, loaded.config), trained[row])
    for wrong in ({"edition_size": 0}, {"edition_size": 10**6}, {"edition_quality": 400}, {"crop": 1e-6}):
        (tmp_path / "config.json").write_text(json.dumps(config | wrong))
        with pytest.raises(BenchmarkError, match=next(iter(wrong))):
            predict.load(str(tmp_path))


def saved(image: Image.Image, kind: str, **settings: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **settings)
    return file.getvalue()


PICTURE = Image.fromarray(np.random.default_rng(1).integers(0, 255, (50, 50, 3)).astype(np.uint8))


@pytest.mark.parametrize("decoder", ["simplejpeg", "Pillow"])
def test_any_file_that_an_edition_may_hold_is_decoded(decoder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if decoder == "Pillow":
        monkeypatch.setattr(image_cache, "simplejpeg", None)
    for data in (
        saved(PICTURE, "PNG"),
        saved(PICTURE.convert("P"), "PNG"),
        saved(PICTURE.convert("RGBA"), "PNG"),
        saved(PICTURE.convert("L"), "JPEG"),
        saved(PICTURE.convert("CMYK"), "JPEG"),
        saved(PICTURE, "JPEG", progressive=True, subsampling=0),
    ):
        expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        np.testing.assert_array_equal(np.asarray(image_cache.read(data)), expected)
        assert image_cache.decode(data, 20).shape == (20, 20, 3)


@pytest.mark.parametrize("decoder", ["simplejpeg", "Pillow"])
def test_what_no_edition_holds_is_refused_in_words(decoder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if decoder == "Pillow":
        monkeypatch.setattr(image_cache, "simplejpeg", None)
    large = saved(Image.new("L", (MAX_PIXELS // 1000 + 1, 1000)), "JPEG")
    for data, words in (
        (b"", "empty"),
        (b"GIF89a" + bytes(50), "a GIF image: save it as PNG"),
        (saved(PICTURE, "PNG")[:200], "not a readable"),
        (saved(PICTURE, "JPEG")[:700], "not a readable"),
        (b"\xff\xd8\xff" + bytes(50), "not a readable"),
        (large, "more than a cutout has"),
    ):
        with pytest.raises(ImageError, match=words):
            image_cache.read(data)
    for form in FORMS.values():
        with pytest.raises(ImageError, match="40 x 20"):
            image_cache.as_kept(saved(PICTURE.crop((0, 0, 40, 20)), "PNG"), form)


def test_what_is_in_the_form_of_an_edition_is_told_from_what_is_not() -> None:
    made = encode(PICTURE, 60, 90)
    assert is_encoded(made, 60, 90)
    assert not is_encoded(made, 60, 91) and not is_encoded(made, 50, 90) and not is_encoded(b"\xff\xd8\xff", 60, 90)
    assert not is_encoded(saved(PICTURE, "PNG"), 50, 90)
    assert not is_encoded(saved(PICTURE, "JPEG", quality=90, subsampling=0), 50, 90)
    assert not is_encoded(saved(PICTURE.convert("L"), "JPEG", quality=90), 50, 90)
    np.testing.assert_array_equal(
        np.asarray(image_cache.as_kept(made, Form(60, 90))), np.asarray(image_cache.read(made))
    )


def test_an_edition_of_pngs_is_shown_as_well(editions: dict[str, Edition]) -> None:
    edition = editions["original"]
    assert contact_sheet(edition).size[0] > 1000
    data = next(iter(edition.images("test").values()))
    shown = Image.open(io.BytesIO(_bounded(data)))
    assert (shown.format, shown.size) == ("JPEG", (224, 224))
    table = pd.read_parquet(edition.shards("test")[0], columns=["image"])
    assert table["image"][0]["path"].endswith(".png")


def test_a_recipe_that_enlarges_says_so_in_one_line(editions: dict[str, Edition]) -> None:
    best, quick = recipes.choose("best", "all"), recipes.choose("quick", "all")
    words = image_cache.enlarged(best, editions["224"])
    assert words.startswith("note: efficientnetv2, dirichlet: ") and "\n" not in words
    # 224 px of the central half are 448 of the whole: a quarter of those pixels is the edition's own.
    for part in ("of 224 px are enlarged to 448 px", "75 % ", "prepare catalogue ... --size 448`", "resolution=112."):
        assert part in words
    assert image_cache.enlarged(quick, editions["224"]) == ""
    words = image_cache.enlarged({"dirichlet": best["dirichlet"]}, editions["original"])
    assert "have no more" in words and "--size" not in words and "resolution=212." in words
    exact = recipes.override({"dirichlet": best["dirichlet"]}, ["resolution=212"])
    assert image_cache.enlarged(exact, editions["424"]) == ""


def test_the_published_size_is_what_is_asked_for(editions: dict[str, Edition], tmp_path: Path) -> None:
    facts = json.loads((editions["224"].path / "edition.json").read_text())
    (tmp_path / "README.md").write_text("an edition")
    for kind, size, asked in (("gzd5", 224, "prepare gzd5 ... --size 424`"), ("gz2", 424, "have no more")):
        (tmp_path / "edition.json").write_text(json.dumps(facts | {"source": {"kind": kind}, "image_size": size}))
        assert asked in image_cache.enlarged(recipes.choose("best", "dirichlet"), Edition(tmp_path))
    sizes, qualities = ("224", 0, True), ("high", True)
    for wrong in (*({"image_size": size} for size in sizes), *({"image_quality": quality} for quality in qualities)):
        (tmp_path / "edition.json").write_text(json.dumps(facts | wrong))
        with pytest.raises(UserError, match=r"prepare (it|the edition) again"):
            image_cache.form(Edition(tmp_path))


def test_it_is_said_before_the_training_and_once(
    editions: dict[str, Edition], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--model", "multiclass", "--edition", str(editions["224"].path), *TINY_CNN, "--set", "epochs=1"]
    assert run.main([*arguments, "--out", str(tmp_path / "one"), "--set", "crop=0.125"]) == 0
    said = capsys.readouterr().out
    assert said.count("are enlarged to 256 px") == 1
    assert said.index("are enlarged") < said.index("multiclass: CNN")
    assert run.main([*arguments, "--out", str(tmp_path / "two")]) == 0
    assert "enlarged" not in capsys.readouterr().out


def test_an_edition_of_jpegs_as_they_came_is_one_of_jpegs(originals: tuple[Path, Path], tmp_path: Path) -> None:
    votes, images = originals
    (tmp_path / "images").mkdir()
    for path in images.iterdir():
        Image.open(path).save(tmp_path / "images" / f"{path.name.removesuffix('.png')}.jpg", quality=70)
    build(Folder(votes, tmp_path / "images"), tmp_path / "kept", name="kept", size=424, original=True)
    edition = Edition.open(tmp_path / "kept")
    rows = pd.read_parquet(edition.shards("test")[0], columns=["iauname", "image"])
    assert all(image["path"] == f"{name}.jpg" for name, image in zip(rows["iauname"], rows["image"]))
    trained = image_cache.store(edition, "test", SHARP, show=False)
    for row, name in enumerate(image_cache.galaxies(edition, "test")["iauname"]):
        shown = image_cache.as_kept((tmp_path / "images" / f"{name}.jpg").read_bytes(), image_cache.form(edition))
        np.testing.assert_array_equal(crops.cut(shown, 160, 0.5), trained[row])

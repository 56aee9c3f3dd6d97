"""Pictures of galaxies as people have them."""

from __future__ import annotations

import io
import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from galaxy_zoo_decals import cli
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.image_files import Form, ImageError
from galaxy_zoo_decals.schema import SPLITS
from galaxy_zoo_decals.sources.folder import folder_part
from tests.campaigns.first_contact.case import Case, Outcome, call
from tests.toys import write_catalogue

Change = Callable[[Path, Image.Image], Image.Image | None]
"""What somebody does to the picture at a path; it returns the picture that is right, if that is another one."""

GALAXIES = 24
FIRST = "J000000.00+000000.0"
"""The first galaxy of a toy catalogue: what becomes of its picture is what a case looks at."""


def _prepared(change: Change) -> Callable[[Path], Outcome]:
    """Return a case: prepare toy galaxies where ``change`` did something to the first one's PNG, and look at it."""

    def run(folder: Path) -> Outcome:
        votes, images = write_catalogue(folder, galaxies=GALAXIES)
        plain = _change(images, change)
        words = ["--votes", votes, "--images", images, "--out", folder / "mine", "--processes", 1]
        outcome = call(cli.main, "prepare", "catalogue", *words)
        if outcome.status:
            return outcome
        edition = Edition(folder / "mine")
        kept = [data for split in SPLITS for name, data in edition.images(split).items() if name == FIRST]
        steps = re.findall(r"^(?:unusable image|    J0|files that|    [a-z]).*$", outcome.said, re.MULTILINE)
        said = "\n".join([*steps, f"{edition.galaxies} galaxies.", *(_compared(data, plain) for data in kept)])
        return Outcome(0, said)

    return run


def _read(change: Change) -> Callable[[Path], Outcome]:
    """Return a case: the same of one galaxy, whose picture alone is read as prepare reads it."""

    def run(folder: Path) -> Outcome:
        _, images = write_catalogue(folder, galaxies=1)
        plain = _change(images, change)
        (found,) = folder_part(images, Form()).encoder([FIRST])([FIRST])
        return Outcome(1, str(found)) if isinstance(found, ImageError) else Outcome(0, _compared(found, plain))

    return run


def _change(images: Path, change: Change) -> Image.Image:
    path = images / f"{FIRST}.png"
    with Image.open(path) as opened:
        plain = opened.convert("RGB")
    return change(path, plain.copy()) or plain


def _compared(data: bytes, plain: Image.Image) -> str:
    grey = []
    with Image.open(io.BytesIO(data)) as shown:
        for image in (shown, plain):
            grey.append(np.asarray(image.convert("L").resize((24, 24), Image.Resampling.BOX), float))
    far = float(np.abs(grey[0] - grey[1]).max())
    return "The picture is the same." if far < 12 else f"The picture is another one ({far:.0f} levels)."


SAME = "The picture is the same."


def _as(ending: str, mode: str = "RGB", **settings: object) -> Change:
    """Return what saves the galaxy as another file."""

    def change(path: Path, image: Image.Image) -> None:
        path.unlink()
        image.convert(mode).save(path.with_name(FIRST + ending), **settings)

    return change


def _bytes(data: bytes, ending: str = ".png") -> Change:
    """Return what puts other bytes in place of the galaxy's PNG."""

    def change(path: Path, image: Image.Image) -> None:
        path.unlink()
        path.with_name(FIRST + ending).write_bytes(data)

    return change


def _sixteen_bits(path: Path, image: Image.Image) -> None:
    Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257).save(path)


def _sixteen_tiff(path: Path, image: Image.Image) -> None:
    path.unlink()
    _sixteen_bits(path.with_name(f"{FIRST}.tif"), image)


def _floats(path: Path, image: Image.Image) -> None:
    path.unlink()
    Image.fromarray(np.asarray(image.convert("L"), np.float32) / 255).save(path.with_name(f"{FIRST}.tif"))


def _turned(path: Path, image: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path.unlink()
    image.transpose(Image.Transpose.ROTATE_90).save(path.with_name(f"{FIRST}.jpg"), quality=95, exif=exif)


def _screenshot(path: Path, image: Image.Image) -> None:
    layer = image.convert("RGBA")
    layer.putalpha(255)
    layer.save(path)


def _invisible(path: Path, image: Image.Image) -> None:
    image.putalpha(0)
    image.save(path)


def _wrong_name(path: Path, image: Image.Image) -> None:
    path.rename(path.with_name(f"{FIRST}.jpg"))


def _two_formats(path: Path, image: Image.Image) -> None:
    image.save(path.with_name(f"{FIRST}.jpg"), quality=80)


def _two_pictures(path: Path, image: Image.Image) -> None:
    image.rotate(180).save(path.with_name(f"{FIRST}.jpg"), quality=95)


def _two_folders(path: Path, image: Image.Image) -> None:
    (path.parent / "new").mkdir()
    image.rotate(180).save(path.parent / "new" / path.name)


def _stack(path: Path, image: Image.Image) -> None:
    path.unlink()
    image.save(path.with_name(f"{FIRST}.tif"), save_all=True, append_images=[image.rotate(90), image.rotate(180)])


def _linked(path: Path, image: Image.Image) -> None:
    disk = path.parents[1] / "disk"
    path.parent.rename(disk)
    path.parent.mkdir()
    (path.parent / "a").symlink_to(disk)
    (disk / "loop").symlink_to(path.parent)


def _dangling(path: Path, image: Image.Image) -> None:
    path.unlink()
    path.symlink_to("/disk/of/last/year.png")


def _others(path: Path, image: Image.Image) -> None:
    image.save(path.with_name("map.gif"))
    (path.parent / "spectra.npy").write_bytes(b"\x93NUMPY")
    (path.parent / "README").write_text("notes")
    (path.parent / f"._{path.name}").write_bytes(b"a resource fork")


def _all_gif(path: Path, image: Image.Image) -> None:
    for one in list(path.parent.glob("*.png")):
        with Image.open(one) as opened:
            opened.save(one.with_name(one.name.replace(".png", ".gif")))
        one.unlink()


def _cutout(path: Path, image: Image.Image, bands: int = 3, lost: int | None = None, **header: object) -> Image.Image:
    """Write a grey galaxy as the nanomaggies that Galaxy Zoo's stretch shows as this picture, which is returned."""
    from astropy.io import fits

    low, high = np.arcsinh(-0.5), np.arcsinh(300)
    light = np.sinh(np.asarray(image.convert("L"), float)[::-1] / 255 * (high - low) + low)
    planes = np.stack([light * scale for scale in (0.008, 0.014, 0.019)]).astype(np.float32)
    if lost is not None:
        planes[lost] = 0
    path.unlink()
    fits.PrimaryHDU(planes if bands == 3 else planes[1], fits.Header(header)).writeto(path.with_name(f"{FIRST}.fits"))
    return image.convert("L")


def _grz(path: Path, image: Image.Image) -> Image.Image:
    return _cutout(path, image, BANDS="grz")


def _one_band(path: Path, image: Image.Image) -> Image.Image:
    return _cutout(path, image, bands=1, BANDS="r")


def _no_z(path: Path, image: Image.Image) -> Image.Image:
    return _cutout(path, image, lost=2, BANDS="grz")


def _cut_fits(path: Path, image: Image.Image) -> None:
    _cutout(path, image)
    made = path.with_name(f"{FIRST}.fits")
    made.write_bytes(made.read_bytes()[:9000])


def _cut_short(path: Path, image: Image.Image) -> None:
    path.write_bytes(path.read_bytes()[:3000])


def _table(path: Path, image: Image.Image) -> None:
    from astropy.io import fits

    path.unlink()
    table = fits.BinTableHDU.from_columns([fits.Column("ra", "D", array=[1.0])])
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path.with_name(f"{FIRST}.fits"))


def _looked_at(folder: Path) -> Outcome:
    """What predict.py takes of a folder, before it loads a model."""
    from benchmark import predict

    _, images = write_catalogue(folder, galaxies=2)
    with Image.open(images / f"{FIRST}.png") as image:
        image.save(images / "b.webp")
        image.save(images / "c.tif")
        _others(images / f"{FIRST}.png", image)
    _cutout(images / f"{FIRST}.png", Image.new("RGB", (9, 9)))

    def take(words: list[str]) -> int:
        names, _ = predict._source(words)
        print(f"{len(names)} images are taken.")
        return 0

    return call(take, images)


def _latin_folder(path: Path, image: Image.Image) -> None:
    """Put another picture of the galaxy into a folder whose name is in Latin-1, as old disks have it."""
    other = Path(os.fsdecode(os.fsencode(path.parent) + b"/\xe9t\xe9"))
    other.mkdir()
    (other / path.name).write_bytes(path.with_name("J000001.00+010000.0.png").read_bytes())


def _latin_predicted(folder: Path) -> Outcome:
    from benchmark import predict

    _, images = write_catalogue(folder, galaxies=1)
    (images / f"{FIRST}.png").rename(os.fsdecode(os.fsencode(images) + b"/caf\xe9.png"))

    def take(words: list[str]) -> int:
        names, _ = predict._source(words)
        predict._write(pd.DataFrame({"name": names}), folder / "a.parquet")
        print(Path(pd.read_parquet(folder / "a.parquet")["name"][0]).name)
        return 0

    return call(take, images)


def _table_at(out: str) -> Callable[[Path], Outcome]:
    """Return a case: the table of predictions is to go where none can be written."""

    def run(folder: Path) -> Outcome:
        from benchmark import predict

        (folder / "file").write_text("notes")
        said = call(predict.main, folder / "model", folder / "a.png", "--out", folder / out)
        return Outcome(said.status, said.said.replace(str(folder), "."))

    return run


def _blank(path: Path, image: Image.Image) -> None:
    Image.new("RGB", image.size).save(path)


def _all_blank(path: Path, image: Image.Image) -> None:
    for one in path.parent.glob("*.png"):
        _blank(one, image)


def _one_pixel(path: Path, image: Image.Image) -> None:
    Image.new("RGB", (1, 1), "white").save(path)


def _images_zipped(folder: Path) -> Outcome:
    votes, _ = write_catalogue(folder, galaxies=2)
    (folder / "images.zip").write_bytes(b"PK\x03\x04" + bytes(99))
    words = ["--votes", votes, "--images", folder / "images.zip", "--out", folder / "mine"]
    return call(cli.main, "prepare", "catalogue", *words)


def _processed(bring: Callable[[Path, Image.Image], object]) -> Callable[[Path], Outcome]:
    """Return a case: what GalaxyImageProcessor makes of something, beside what it makes of the picture opened."""

    def run(folder: Path) -> Outcome:
        from galaxy_zoo_decals.models import GalaxyImageProcessor

        _, images = write_catalogue(folder, galaxies=1)
        path, processor = images / f"{FIRST}.png", GalaxyImageProcessor(image_size=24)
        with Image.open(path) as opened:
            plain = opened.convert("RGB")
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                values = processor(bring(path, plain.copy()), return_tensors="np")["pixel_values"]
            except ImageError as error:
                return Outcome(1, str(error).replace(str(folder), "."))
        same = (
            SAME if np.abs(values - processor(plain, return_tensors="np")["pixel_values"]).max() < 0.1 else "Another."
        )
        return Outcome(0, " ".join([f"{values.shape}", same, *(str(one.message) for one in told)]))

    return run


def _opened_cut(path: Path, image: Image.Image) -> Image.Image:
    _cut_short(path, image)
    return Image.open(path)


def _clipped(path: Path, image: Image.Image) -> Image.Image:
    """What transformers' load_image makes of a 16-bit file."""
    from transformers.image_utils import load_image

    _sixteen_bits(path, image)
    return load_image(str(path))


def _sixteen_path(path: Path, image: Image.Image) -> str:
    _sixteen_bits(path, image)
    return str(path)


def _grid(image: Image.Image) -> np.ndarray:
    return np.asarray(image)


CASES = [
    Case(
        "pixels", "a galaxy as 16-bit grey PNG", _prepared(_sixteen_bits), 0, (f"{GALAXIES} galaxies.", SAME), "review"
    ),
    Case(
        "pixels", "images in linked folders, with a link that leads back", _prepared(_linked), 0,
        (f"{GALAXIES} galaxies.", SAME), "review",
    ),
    Case(
        "pixels", "a galaxy as float TIFF, among others as PNG", _prepared(_floats), 0,
        (f"{GALAXIES - 1} galaxies.", "floats: nobody knows which is black and which white; save it with 8 or 16 bits"),
    ),
    Case("pixels", "a 16-bit TIFF", _read(_sixteen_tiff), 0, (SAME,)),
    Case("pixels", "a photograph that its EXIF turns", _read(_turned), 0, (SAME,)),
    Case("pixels", "a screenshot with an alpha channel", _read(_screenshot), 0, (SAME,)),
    Case("pixels", "a PNG whose every pixel is transparent", _read(_invisible), 1, ("every pixel of it is",)),
    Case("pixels", "a JPEG in the inks of printers", _read(_as(".jpg", "CMYK", quality=95)), 0, (SAME,)),
    Case("pixels", "a palette PNG", _read(_as(".png", "P")), 0, (SAME,)),
    Case("pixels", "a TIFF with three pages", _read(_stack), 1, ("it holds 3 pages: save the one that is meant",)),
    Case("pixels", "one picture as PNG and as JPEG", _read(_two_formats), 0, (SAME,)),
    Case(
        "pixels", "two pictures of one name, PNG and JPEG", _prepared(_two_pictures), 0,
        (f"{GALAXIES - 1} galaxies.", f"two different images of it, {FIRST}.png and {FIRST}.jpg"),
    ),
    Case(
        "pixels", "two pictures of one name in two folders", _read(_two_folders), 1,
        (f"two different images of it, {FIRST}.png and new/{FIRST}.png: move one of them away",),
    ),
    Case("pixels", "a cutout of the Legacy Survey as FITS", _read(_grz), 0, (SAME,)),
    Case("pixels", "one band of it", _read(_one_band), 0, (SAME,)),
    Case("pixels", "a FITS cutout whose third band the survey has not seen", _read(_no_z), 1, ("zeros of band z",)),
    Case(
        "pixels", "files of other kinds among the images", _prepared(_others), 0,
        (f"{GALAXIES} galaxies.", "files that are no images (not taken)", "map.gif: a GIF image: save it as PNG",
         "spectra.npy: a NumPy array"),
        lacks=("README", "._"),
    ),
    Case(
        "pixels", "the same for predict.py, with TIFF, WebP and FITS", _looked_at, 0,
        ("other files than images that are read: 2", "map.gif: a GIF image", "4 images are taken."),
    ),
    Case(
        "pixels", "a link to a picture that is gone", _prepared(_dangling), 0,
        (f"{GALAXIES - 1} galaxies.", f"{FIRST}.png: a link to a file that is not there"),
    ),
    Case("format", "a PNG that is called .jpg", _read(_wrong_name), 0, (SAME,)),
    Case("format", "WebP", _read(_as(".webp", lossless=True)), 0, (SAME,)),
    Case("format", "TIFF in capitals", _read(_as(".TIFF", compression="tiff_lzw")), 0, (SAME,)),
    Case(
        "format", "all images as GIF", _prepared(_all_gif), 1,
        ("have no usable image", f"{FIRST}.gif: a GIF image: save it as PNG"),
    ),
    Case(
        "format", "a server's page in place of an image", _read(_bytes(b"<html>busy</html>", ".jpg")), 1,
        ("a web page (HTML), as servers send in place of an image",), lacks=("JPEG", "damaged"),
    ),
    Case(
        "format", "a Git LFS pointer", _read(_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n")), 1,
        ("run `git lfs pull`",),
    ),
    Case(
        "format", "a phone's HEIC called .jpg", _read(_bytes(b"\0\0\0\x18ftypheic" + bytes(99), ".jpg")), 1,
        ("a HEIC image, as phones take it: save it as JPEG or PNG",),
    ),
    Case("format", "a FITS table among the cutouts", _read(_table), 1, ("a FITS table, no image",)),
    Case(
        "library text", "a PNG that is cut short", _read(_cut_short), 1,
        ("not a readable PNG image (cut short or damaged)",), lacks=("BytesIO", "object at", "truncated"),
    ),
    Case(
        "library text", "a FITS cutout that is cut short", _read(_cut_fits), 1,
        ("not a readable FITS image (cut short or damaged)",), lacks=("Warning", "astropy", "buffer"),
    ),
    Case(
        "library text", "bytes that nobody knows, called .png", _read(_bytes(b"\x01\x02\xff" * 99)), 1,
        ("its bytes are of no known format",), lacks=("cannot identify", "<_io"),
    ),
    Case(
        "pixels", "two pictures of one galaxy, one in a folder named in Latin-1", _prepared(_latin_folder), 0,
        (f"{GALAXIES - 1} galaxies.", "\\udce9t\\udce9", "move one of them away"),
    ),
    Case("library text", "predict.py on a file named in Latin-1", _latin_predicted, 0, ("caf\\udce9.png",)),
    Case(
        "late", "predictions to a folder that is a file", _table_at("file/a.csv"), 2,
        ("./file is no folder that can be written to",),
    ),
    Case("late", "predictions to /proc", _table_at("/proc/a.csv"), 2, ("/proc is no folder that can be written to",)),
    Case("late", "predictions to a folder", _table_at("."), 2, ("name a table",)),
    Case(
        "pixels", "a black picture, as a server sends of a field it has not", _prepared(_blank), 0,
        (f"{GALAXIES - 1} galaxies.", f"{FIRST}: all its pixels are alike"),
    ),
    Case("pixels", "black pictures alone", _prepared(_all_blank), 1, ("have no usable image", "pixels are alike")),
    Case("pixels", "a picture of one pixel", _prepared(_one_pixel), 0, ("all its pixels are alike",)),
    Case("format", "--images is an archive", _images_zipped, 1, ("this is a file (a zip archive", "the folder of")),
    Case("pixels", "the processor on a file's path", _processed(lambda path, image: str(path)), 0, (SAME,)),
    Case("pixels", "the processor on a file's bytes", _processed(lambda path, image: path.read_bytes()), 0, (SAME,)),
    Case("pixels", "the processor on the path of a 16-bit file", _processed(_sixteen_path), 0, ("(1, 3, 24, 24)",),
         lacks=("white",)),
    Case("pixels", "a 16-bit file that transformers' pipeline has opened", _processed(_clipped), 0,
         ("white in more than half of its pixels", "predict.py")),
    Case("pixels", "the processor on a batch of torch's DataLoader",
         _processed(lambda path, image: np.stack([_grid(image).transpose(2, 0, 1)] * 2)), 0, ("(2, 3, 24, 24)", SAME)),
    Case("pixels", "the processor on a grey plane with one channel",
         _processed(lambda path, image: _grid(image.convert("L"))[None]), 0, ("(1, 3, 24, 24)",)),
    Case("pixels", "the processor on four channels",
         _processed(lambda path, image: _grid(image.convert("RGBA"))), 0, (SAME,)),
    Case("pixels", "the processor on floats from 0 to 1", _processed(lambda path, image: _grid(image) / 255), 1,
         ("float64", "(255 * image).round()")),
    Case("library text", "the processor on no picture", _processed(lambda path, image: []), 1, ("no picture",)),
    Case("library text", "the processor on a file cut short, opened before",
         _processed(_opened_cut), 1, ("cut short or damaged",), lacks=("truncated",)),
    Case("pixels", "one picture of three that is not square",
         _processed(lambda path, image: [image, image, image.crop((0, 0, 9, 5))]), 1,
         ("picture 3 of 3: 9 x 5 pixels",)),
    Case("library text", "the processor on a path that is not there",
         _processed(lambda path, image: "gone.png"), 1, ("gone.png: there is no such file",)),
]  # fmt: skip

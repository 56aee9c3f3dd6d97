"""Pictures as people have them, held against the same galaxy in floats: converted without loss of range, or named."""

from __future__ import annotations

import gzip
import io
import math
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from benchmark import image_cache
from galaxy_zoo_decals import image_files
from galaxy_zoo_decals.image_files import Form, ImageError, decode, same_picture
from galaxy_zoo_decals.pictures import fits as cutouts
from galaxy_zoo_decals.pictures import kinds
from galaxy_zoo_decals.sources import folder
from galaxy_zoo_decals.sources.folder import FolderError, files_part, look

SIDE = 48


def galaxy(seed: int = 0) -> np.ndarray:
    """A galaxy with a star at the upper left, in floats from 0 to 1, (SIDE, SIDE, 3): what every format is held to."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    light = np.exp(-np.hypot(x, 1.6 * y) / 7)
    light[5:8, 3:6] = 0.9
    noise = np.random.default_rng(seed).normal(0, 0.02, (SIDE, SIDE, 3))
    return (0.05 + 0.9 * light[..., None] * np.array([1.0, 0.8, 0.55]) + noise).clip(0, 1)


RGB = galaxy()
GREY = RGB[..., 1]
EIGHT = Image.fromarray(np.rint(RGB * 255).astype(np.uint8))
SIXTEEN = np.rint(GREY * 65535).astype(np.uint16)


def saved(image: Image.Image, kind: str, **settings: object) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image.save(file, kind, **settings)
    return file.getvalue()


def png_of_48_bits() -> bytes:
    """A PNG of three times 16 bits, which Pillow cannot write."""
    rows = b"".join(b"\0" + row.tobytes() for row in np.rint(RGB * 65535).astype(">u2"))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 16, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff(values: np.ndarray, order: str, photometric: int = 1) -> bytes:
    """An uncompressed TIFF of grey whole numbers, in either order of bytes."""
    data = values.astype(values.dtype.newbyteorder(order)).tobytes()
    bits = values.dtype.itemsize * 8
    tags = {256: SIDE, 257: SIDE, 258: bits, 259: 1, 262: photometric, 273: 8, 277: 1, 278: SIDE, 279: len(data)}
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "L", 8 + len(data))
    entries = b"".join(struct.pack(order + "HHLL", tag, 4, 1, value) for tag, value in tags.items())
    return head + data + struct.pack(order + "H", len(tags)) + entries + bytes(4)


def test_every_mode_of_pillow_shows_the_same_galaxy_or_is_named() -> None:
    alpha = EIGHT.copy()
    alpha.putalpha(255)
    grey8 = Image.fromarray(np.rint(GREY * 255).astype(np.uint8))
    whole = (RGB * 255, 1.01)
    files: dict[str, tuple[bytes, tuple[np.ndarray, float] | str]] = {
        "RGB": (saved(EIGHT, "PNG"), whole),
        "RGB, TIFF": (saved(EIGHT, "TIFF", compression="tiff_adobe_deflate"), whole),
        "RGB, WebP": (saved(EIGHT, "WEBP", lossless=True), whole),
        "RGB of 16 bits": (png_of_48_bits(), whole),
        "RGBA": (saved(alpha, "PNG"), whole),
        "RGBA, TIFF": (saved(alpha, "TIFF"), whole),
        "RGBX, TIFF": (saved(EIGHT.convert("RGBX"), "TIFF"), whole),
        "CMYK, TIFF": (saved(EIGHT.convert("CMYK"), "TIFF"), (RGB * 255, 2)),
        "YCbCr, TIFF": (saved(EIGHT.convert("YCbCr"), "TIFF"), (RGB * 255, 4)),
        "P": (saved(EIGHT.quantize(256), "PNG"), (RGB * 255, 40)),
        "L": (saved(grey8, "PNG"), (GREY * 255, 1.01)),
        "LA": (saved(grey8.convert("LA"), "PNG"), (GREY * 255, 1.01)),
        "I;16": (saved(Image.fromarray(SIXTEEN), "PNG"), (GREY * 255, 0.51)),
        "I;16, TIFF": (tiff(SIXTEEN, "<"), (GREY * 255, 0.51)),
        "I;16B, TIFF": (tiff(SIXTEEN, ">"), (GREY * 255, 0.51)),
        "I;16 with white as 0": (tiff(65535 - SIXTEEN, "<", photometric=0), (GREY * 255, 0.51)),
        "1": (saved(Image.fromarray(GREY > 0.5), "PNG"), ((GREY > 0.5) * 255.0, 0)),
        "I": (saved(Image.fromarray(SIXTEEN.astype(np.int32)), "TIFF"), "whole numbers with a sign or of 32 bits"),
        "F": (saved(Image.fromarray(GREY.astype(np.float32)), "TIFF"), "floats: nobody knows which is black"),
        "LAB": (saved(Image.new("LAB", (9, 9)), "TIFF"), "its colours are LAB: save it as RGB"),
    }
    for mode, (data, expected) in files.items():
        if isinstance(expected, str):
            with pytest.raises(ImageError, match=expected):
                decode(data)
            continue
        values, tolerance = expected
        shown = np.asarray(decode(data)).astype(float)
        reference = values if values.ndim == 3 else np.repeat(values[..., None], 3, axis=2)
        assert shown.shape == (SIDE, SIDE, 3), mode
        assert np.abs(shown - reference).max() <= tolerance, mode


def test_plain_files_have_the_pixels_they_had() -> None:
    for kind in ("PNG", "JPEG"):
        for mode in ("RGB", "L"):
            data = saved(EIGHT.convert(mode), kind)
            np.testing.assert_array_equal(
                np.asarray(decode(data)), np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
            )


def test_what_is_transparent_lies_on_black_sky() -> None:
    layer = EIGHT.copy()
    mask = np.full((SIDE, SIDE), 255, np.uint8)
    mask[:, :10], mask[:, 10:20] = 0, 128
    layer.putalpha(Image.fromarray(mask))
    for kind in ("PNG", "TIFF"):
        shown = np.asarray(decode(saved(layer, kind))).astype(float)
        assert np.abs(shown - np.rint(RGB * 255) * (mask / 255.0)[..., None]).max() <= 1
    marked = saved(EIGHT.quantize(16), "PNG", transparency=0)
    assert (np.asarray(decode(marked)) == 0).all(axis=2).any()
    layer.putalpha(0)
    with pytest.raises(ImageError, match="every pixel of it is transparent"):
        decode(saved(layer, "PNG"))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_turned_picture_is_upright(kind: str, orientation: int) -> None:
    back = {
        2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_90", 7: "TRANSVERSE",
        8: "ROTATE_270",
    }  # fmt: skip
    turned = EIGHT.transpose(Image.Transpose[back[orientation]]) if orientation > 1 else EIGHT
    exif = Image.Exif()
    exif[0x0112] = orientation
    lossless = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}.get(kind, {})
    data = saved(turned, kind, exif=exif, **lossless)
    for reader in (decode, image_cache.read):
        assert np.abs(np.asarray(reader(data)).astype(float) - RGB * 255).max() < (6 if kind == "JPEG" else 1.01)


@pytest.mark.skipif(image_cache.simplejpeg is None, reason="simplejpeg is an optional speed-up")
def test_the_fast_reader_shows_what_the_slow_one_shows() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for data in (
        saved(EIGHT, "JPEG"),
        saved(EIGHT, "JPEG", subsampling=0, quality=97),
        saved(EIGHT, "JPEG", subsampling=1, progressive=True),
        saved(EIGHT, "JPEG", restart_marker_rows=1),
        saved(EIGHT, "JPEG", keep_rgb=True),
        saved(EIGHT.convert("L"), "JPEG"),
        saved(EIGHT.convert("CMYK"), "JPEG"),
        saved(EIGHT, "JPEG", exif=exif),
        saved(EIGHT, "JPEG", xmp=b'<x:xmpmeta tiff:Orientation="3"/>'),
        saved(EIGHT, "MPO", save_all=True, append_images=[EIGHT.rotate(90)]),
    ):
        np.testing.assert_array_equal(np.asarray(image_cache.read(data)), np.asarray(decode(data)))
    for bad in (saved(EIGHT, "JPEG")[:700], b"\xff\xd8\xff" + bytes(99), saved(EIGHT, "JPEG")[:-200]):
        told = []
        for reader in (decode, image_cache.read):
            with pytest.raises(ImageError) as error:
                reader(bad)
            told.append(str(error.value))
        assert told[0] == told[1]


def test_files_kept_as_they_came_are_what_everybody_sees_of_them() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    form, alpha = Form(SIDE, original=True), EIGHT.copy()
    alpha.putalpha(100)
    for plain in (saved(EIGHT, "PNG"), saved(EIGHT, "JPEG"), saved(EIGHT.convert("L"), "PNG")):
        assert form.make(plain) == plain
    for other in (
        saved(EIGHT, "TIFF"),
        saved(EIGHT, "WEBP"),
        saved(alpha, "PNG"),
        saved(EIGHT, "JPEG", exif=exif),
        saved(Image.fromarray((SIXTEEN // 257).astype(np.uint16)), "PNG"),
    ):
        with pytest.raises(ImageError, match="JPEG or PNG of 8 bits, upright and opaque"):
            form.make(other)


def test_several_pictures_in_one_file_are_not_chosen_between() -> None:
    two = {"save_all": True, "append_images": [EIGHT.rotate(90)]}
    for kind, words in (("TIFF", "2 pages"), ("PNG", "2 frames"), ("WEBP", "2 frames")):
        with pytest.raises(ImageError, match=f"it holds {words}: save the one that is meant"):
            decode(saved(EIGHT, kind, **two))
    with_preview = saved(EIGHT, "TIFF", save_all=True, append_images=[_reduced()])
    np.testing.assert_array_equal(np.asarray(decode(with_preview)), np.asarray(EIGHT))
    with pytest.raises(ImageError, match="begins with a preview"):
        decode(saved(EIGHT, "TIFF", tiffinfo={254: 1}))


def _reduced() -> Image.Image:
    small = EIGHT.resize((12, 12))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    return small


def test_sizes_are_bounded_before_anything_is_decoded() -> None:
    values = np.zeros((SIDE, SIDE), np.uint16)
    huge = bytearray(tiff(values, "<"))
    place = struct.unpack_from("<L", huge, 4)[0] + 2
    struct.pack_into("<HHLL", huge, place, 256, 4, 1, 100_000)
    struct.pack_into("<HHLL", huge, place + 12, 257, 4, 1, 100_000)
    greedy = bytearray(tiff(values, "<"))
    struct.pack_into("<HHLL", greedy, place + 5 * 12, 273, 4, 10**9, 8)
    same = bytearray(tiff(np.zeros((SIDE, SIDE), np.uint16), "<"))
    for i in range(9):  # every tag claims the whole file
        struct.pack_into("<HHLL", same, place + i * 12, 40000 + i, 7, len(same) - 8, 8)
    for data in (huge, greedy, same):
        with pytest.raises(ImageError, match=r"more pixels|claim more|more than a cutout"):
            decode(bytes(data))
    text = PngImagePlugin.PngInfo()
    text.add_text("note", "x" * 10**8, zip=True)
    with pytest.raises(ImageError, match="not a readable PNG image"):
        decode(saved(EIGHT, "PNG", pnginfo=text))


def exif_of(entries: int, claim: int, size: int) -> bytes:
    """EXIF whose entries all claim the same bytes."""
    head = b"II*\0" + struct.pack("<LH", 8, entries)
    return (head + struct.pack("<HHLL", 0x9000, 7, claim, 8) * entries).ljust(size, b"\0")


def test_exif_that_claims_more_than_a_picture_has_is_not_read() -> None:
    bomb = exif_of(5000, 60_000, 60_010)
    for kind in ("JPEG", "PNG", "WEBP"):
        with pytest.raises(ImageError, match="its EXIF claims more than that of a picture"):
            decode(saved(EIGHT, kind, exif=b"Exif\0\0" + bomb))
        sloppy = saved(EIGHT, kind, exif=b"Exif\0\0" + exif_of(3, 10**9, 90))
        assert decode(sloppy).size == (SIDE, SIDE), "EXIF that is damaged says nothing"


def test_rare_forms_of_jpeg_are_not_called_damaged() -> None:
    data = saved(EIGHT, "JPEG")
    frame = data.index(b"\xff\xc0")
    for changed, words in (
        (data[: frame + 4] + b"\x0c" + data[frame + 5 :], "a JPEG image of 12 bits, which is not read: save it as PNG"),
        (data[: frame + 1] + b"\xc3" + data[frame + 2 :], "a JPEG image of a rare form"),
    ):
        for reader in (decode, image_cache.read):
            with pytest.raises(ImageError, match=words):
                reader(changed)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (saved(EIGHT, "GIF"), "a GIF image: save it as PNG"),
        (saved(EIGHT, "BMP"), "a BMP image: save it as PNG"),
        (saved(EIGHT, "PPM"), "a PNM image: save it as PNG"),
        (saved(EIGHT, "JPEG2000"), "a JPEG 2000 image: save it as PNG"),
        (saved(EIGHT, "PDF"), "a PDF document: save it as PNG"),
        (b"\0\0\0\x18ftypheic" + bytes(20), "a HEIC image, as phones take it: save it as JPEG or PNG"),
        (b"II*\0\x10\0\0\0CR\x02\0" + bytes(50), "a raw file of a camera: develop it and save it as PNG or TIFF"),
        (b'<?xml version="1.0"?>\n<svg xmlns="x"/>', "an SVG drawing: save it as PNG"),
        (b"\n<!DOCTYPE html><html>404", "a web page (HTML), as servers send in place of an image: fetch"),
        (b'{"detail": "no such cutout"}', "text (XML or JSON), as servers send in place of an image: look what"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "run `git lfs pull`"),
        (b"\x89HDF\r\n\x1a\n" + bytes(9), "an HDF5 file: save its pictures as PNG or FITS, one a file"),
        (gzip.compress(b"a table", mtime=0), "a file compressed by gzip: unpack it"),
        (gzip.compress(b"SIMPLE  =" + bytes(5000), mtime=0)[:40], "compressed by gzip that is cut short or damaged"),
        (bytes(4000), "nothing but zeros"),
        (b"galaxy", "not a readable image: it is text"),
        (b"\x01\x02\x03\x04\xf0" * 9, "not a readable image: its bytes are of no known format"),
    ],
)  # fmt: skip
def test_other_formats_are_named_for_what_they_are_whatever_they_are_called(data: bytes, words: str) -> None:
    with pytest.raises(ImageError) as error:
        decode(data)
    assert words in str(error.value)
    assert "0x" not in str(error.value) and "/" not in str(error.value).replace("`", "")


def test_damage_is_told_in_own_words(capfd: pytest.CaptureFixture[str]) -> None:
    packed = bytearray(saved(EIGHT, "TIFF", compression="tiff_adobe_deflate"))
    packed[200:260] = bytes(60)
    with pytest.raises(ImageError, match="not a readable TIFF image"):
        decode(bytes(packed))
    assert capfd.readouterr().err == "", "libtiff's own words"
    for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
        data = saved(EIGHT, kind)
        zeros = data[:40] + bytes(len(data) - 40)  # WebP has no checksum: it may be grey then
        for bad in (data[:90], data[: len(data) // 2], *([] if kind == "WEBP" else [zeros])):
            with pytest.raises(ImageError, match="cut short or damaged") as error:
                decode(bad)
            assert "0x" not in str(error.value) and "BytesIO" not in str(error.value)


def test_one_picture_in_two_formats_is_told_from_two_pictures() -> None:
    png = saved(EIGHT.resize((212, 212), Image.Resampling.BICUBIC), "PNG")
    half = saved(EIGHT.resize((106, 106), Image.Resampling.BICUBIC), "JPEG", quality=60)
    other = saved(EIGHT.rotate(90).resize((212, 212)), "JPEG")
    assert same_picture(png, half) and not same_picture(png, other)


def test_what_lies_beside_the_images_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name, data in {
        "a.PNG": saved(EIGHT, "PNG"), "b.fits.gz": b"x", "deep/c.tiff": b"x", "d.gif": saved(EIGHT, "GIF"),
        "deep/J001.00+02": saved(EIGHT, "JPEG"), "README": b"notes", "votes.csv": b"a,b\n1,2\n",
        "more.zip": b"PK\x03\x04", ".e.png": b"x", "f.npy": b"\x93NUMPY", "empty": b"",
        "Thumbs.db": b"\xd0\xcf\x11",
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(data)
    (tmp_path / "g.jpg").symlink_to(tmp_path / "gone.jpg")
    (tmp_path / "deep" / "back").symlink_to(tmp_path)
    found = look(tmp_path)
    assert [path.name for path in found.images] == ["a.PNG", "b.fits.gz", "c.tiff"]
    assert found.skipped == {
        "d.gif": "a GIF image: save it as PNG",
        "deep/J001.00+02": "a JPEG image, but its name does not end in .jpg: rename it",
        "f.npy": "a NumPy array: save its pictures as PNG or FITS, one a file",
        "g.jpg": "a link to a file that is not there",
        "more.zip": "a zip archive: unpack it",
    }
    assert kinds.stem("J1.00+2.0.fits.fz") == "J1.00+2.0" and kinds.ending("J1.00+2.0") == ""
    assert kinds.formats(["a.fits.fz", "b.png", "c.JPG"]) == "PNG, JPEG and FITS"


def test_of_very_many_other_files_the_ending_says_what_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "PEEKS", 1)
    for i in range(5):
        (tmp_path / f"{i}.gif").write_bytes(b"GIF89a")
    assert look(tmp_path).skipped == {f"{i}.gif": "a GIF image: save it as PNG" for i in range(5)}


def test_without_astropy_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutouts, "installed", lambda: False)
    (tmp_path / "J1.fits").write_bytes(b"x")
    with pytest.raises(
        FolderError, match=r"J1\.fits: .*pip install 'galaxy-zoo-decals\[astro\]'\. If FITS files \(1 here\)"
    ):
        files_part("cutouts", look(tmp_path).images, Form())


fits = pytest.importorskip("astropy.io.fits", reason="the extra astro")


def flux(noise: float = 1.0) -> np.ndarray:
    """The galaxy as a cutout in nanomaggies (3, SIDE, SIDE), bands g, r, z, the first row at the bottom."""
    sky = np.random.default_rng(1).normal(0, noise, (3, SIDE, SIDE)) * np.array([0.006, 0.01, 0.015])[:, None, None]
    light = np.moveaxis(RGB[::-1, :, ::-1], 2, 0) - 0.05
    return (light * np.array([0.6, 1.0, 1.6])[:, None, None] + sky).astype(np.float32)


def cutout(*images: np.ndarray, names: tuple[str, ...] = (), **header: object) -> bytes:
    cards = fits.Header(dict(header))
    units = [fits.PrimaryHDU(images[0], cards)]
    units += [fits.ImageHDU(data, fits.Header({"FILTER": "", "EXTNAME": ""} | dict([key.split("=")])))
              for data, key in zip(images[1:], names, strict=True)]  # fmt: skip
    file = io.BytesIO()
    fits.HDUList(units).writeto(file, output_verify="ignore")
    return file.getvalue()


def as_galaxy_zoo_shows_it(bands: np.ndarray) -> np.ndarray:
    """The published recipe, pixel by pixel and step by step, as floats from 0 to 255 (SIDE, SIDE, 3)."""
    out = np.zeros((SIDE, SIDE, 3))
    low, high = math.asinh(-0.5), math.asinh(300)
    for y in range(SIDE):
        for x in range(SIDE):
            g, r, z = (float(bands[i, y, x]) for i in range(3))
            colour = [(math.asinh(v) - low) / (high - low) for v in (z / 0.019, r / 0.014, g / 0.008)]
            mean = sum(colour) / 3 or 1.0
            share = min(1.0, max(c / mean / 2.5 for c in colour))
            weight = math.sin((1 - share) * math.pi / 2)
            mixed = [c * weight + mean * (1 - weight) + mean * (1 - weight) ** 2 * c for c in colour]
            out[SIDE - 1 - y, x] = [255 * min(1.0, max(0.0, c)) for c in mixed]
    return out


def test_three_bands_look_as_galaxy_zoo_decals_shows_them() -> None:
    reference = as_galaxy_zoo_shows_it(flux())
    shown = np.asarray(decode(cutout(flux(), BANDS="grz"))).astype(float)
    assert (np.abs(shown - np.floor(reference)) > 1).mean() < 1e-3 and np.abs(shown - reference).max() < 2
    # North is up as in the survey's own JPEG: the last row of FITS is the first of the picture.
    star = np.unravel_index(shown[:20, :20].sum(axis=2).argmax(), (20, 20))
    assert 5 <= star[0] < 8 and 3 <= star[1] < 6
    assert shown.mean() > 20 and (shown == 255).mean() < 0.01


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(lambda: cutout(flux()), id="no header"),
        pytest.param(lambda: cutout(flux()[::-1].copy(), BANDS="zrg"), id="in another order"),
        pytest.param(lambda: cutout(flux()[[0, 1, 1, 2]], BANDS="griz"), id="with a band more"),
        pytest.param(lambda: cutout(flux() * 3.631, BUNIT="uJy", BANDS="grz"), id="in microjansky"),
        pytest.param(lambda: cutout(flux().astype(np.float64)), id="doubles"),
        pytest.param(lambda: gzip.compress(cutout(flux())), id="gzip"),
        pytest.param(lambda: cutout(flux(), flux(), names=("IMAGETYP=INVVAR",), IMAGETYP="IMAGE"), id="with weights"),
        pytest.param(
            lambda: cutout(flux()[1], flux()[2], flux()[0], names=("FILTER=z", "FILTER=g"), FILTER="r"), id="one a band"
        ),
    ],
)  # fmt: skip
def test_a_cutout_is_the_same_picture_however_it_is_written(data: Callable[[], bytes]) -> None:
    expected = np.asarray(decode(cutout(flux(), BANDS="grz"))).astype(int)
    assert np.abs(np.asarray(decode(data())).astype(int) - expected).max() <= 1


def test_compressed_images_within_what_their_compression_loses() -> None:
    expected = np.asarray(decode(cutout(flux(), BANDS="grz"))).astype(int)
    for kind, level, tolerance in (("GZIP_2", 0, 0), ("RICE_1", 32, 8)):
        file = io.BytesIO()
        packed = fits.CompImageHDU(flux(), compression_type=kind, quantize_level=level)
        fits.HDUList([fits.PrimaryHDU(), packed]).writeto(file)
        assert np.abs(np.asarray(decode(file.getvalue())).astype(int) - expected).max() <= tolerance


def test_one_band_is_grey() -> None:
    band = flux()[1]
    low, high = math.asinh(-0.5), math.asinh(300)
    shown = np.asarray(decode(cutout(band, BANDS="r"))).astype(float)
    reference = 255 * (np.arcsinh(band[::-1] / 0.014) - low) / (high - low)
    assert np.abs(shown - reference.clip(0, 255)[..., None]).max() <= 1.01
    # A band without a unit is shown in units of the noise of its sky: the unit and the level do not matter.
    other = np.asarray(decode(cutout(band))).astype(int)
    for scaled in (cutout(band * 1000 + 500), cutout((band * 5000 + 900).astype(np.uint16)), cutout(band, BUNIT="adu")):
        assert np.abs(np.asarray(decode(scaled)).astype(int) - other).max() <= 8
    assert np.corrcoef(other[..., 0].ravel(), shown[..., 0].ravel())[0, 1] > 0.9
    ready = (GREY[::-1] * 255).astype(np.uint8)
    np.testing.assert_array_equal(np.asarray(decode(cutout(ready)))[..., 0], ready[::-1])


def test_pixels_without_a_number_are_sky_and_too_many_are_named() -> None:
    holes = flux()
    holes[:, :4] = np.nan
    holes[0, 20, 20] = np.inf
    shown, whole = np.asarray(decode(cutout(holes))).astype(int), np.asarray(decode(cutout(flux()))).astype(int)
    np.testing.assert_array_equal(shown[: SIDE - 4, :20], whole[: SIDE - 4, :20])
    assert len(np.unique(shown[SIDE - 4 :])) == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (lambda: cutout(np.full((3, 9, 9), np.nan)), "without a number in any pixel of band g"),
        (lambda: cutout(np.where(np.arange(81).reshape(9, 9) < 30, np.nan, 1.0)), "without a number (NaN) in 37 %"),
        (lambda: cutout(flux() * np.array([1, 1, 0])[:, None, None]), "nothing but zeros of band z"),
        (lambda: cutout(np.ones((9, 9))), "whose pixels are all alike"),
        (lambda: cutout(np.zeros((5, 9, 9))), "a FITS image of 5 planes where one, or g, r and z, are shown."),
        (lambda: cutout(flux(), BANDS="gri"), "3 planes (g, r, i) where one, or g, r and z"),
        (lambda: cutout(np.moveaxis(flux(), 0, 2).copy()), "NumPy's (3, height, width)"),
        (lambda: cutout(flux() * 1e5 + 1e4), "white where its values are taken for nanomaggies: give its"),
        (lambda: cutout(np.zeros(9)), "1 dimensions"),
        (lambda: cutout(GREY, GREY, names=("EXTNAME=B",)), "2 images (number 1, B): save the one that is meant"),
        (lambda: cutout(flux())[:6000], "not a readable FITS image (cut short or damaged)"),
        (lambda: b"SIMPLE  =                    T".ljust(80) + b"COMMENT".ljust(80) * 20000, "its header has no end"),
        (lambda: cutout(flux()).replace(f"NAXIS1  ={48:21}".encode(), f"NAXIS1  ={10**9:21}".encode()), "0000 x 48"),
    ],
)  # fmt: skip
def test_fits_that_is_no_cutout_is_named(data: Callable[[], bytes], words: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # astropy's warnings would stand among the messages
        with pytest.raises(ImageError) as error:
            decode(data())
    assert words in str(error.value)


def test_a_fits_table_and_an_empty_file_are_no_images() -> None:
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns([fits.Column("a", "D", array=[1.0])])]).writeto(file)
    with pytest.raises(ImageError, match="a FITS table, no image: a table of votes is given as --votes"):
        decode(file.getvalue())
    empty = io.BytesIO()
    fits.PrimaryHDU().writeto(empty)
    with pytest.raises(ImageError, match="a FITS file without an image in it"):
        decode(empty.getvalue())


def test_what_is_unpacked_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(cutout(flux()))
    monkeypatch.setattr(image_files, "MAX_BYTES", 10_000)
    with pytest.raises(ImageError, match="it unpacks to more than"):
        decode(packed)

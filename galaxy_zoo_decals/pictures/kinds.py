"""What a file is, by its first bytes: its name may say anything."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

HEAD = 4096
"""Bytes that are looked at."""

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff",
    ".fits.gz", ".fit.gz", ".fts.gz", ".fits.fz", ".fit.fz", ".fits", ".fit", ".fts",
)  # fmt: skip
"""Endings of image files that are read; of two files that show one picture of a galaxy the earlier ending is taken."""

FITS_SUFFIXES = tuple(ending for ending in SUFFIXES if ".f" in ending)
"""Those of FITS, which astropy reads."""


@dataclass(frozen=True)
class Kind:
    """A format: its name as a sentence has it, and what to do with it if it is not read."""

    name: str
    advice: str = ""
    seen: bool = True
    """Whether it is named where it lies among images without the ending of one; notes and tables are not."""

    def __str__(self) -> str:
        """Return what a message says of a file that is not read."""
        return f"{self.name}: {self.advice}" if self.advice else self.name


_SAVE = "save it as PNG"
_ARRAY = "save its pictures as PNG or FITS, one a file"
_UNPACK = "unpack it"

JPEG, PNG, WEBP, TIFF = Kind("a JPEG image"), Kind("a PNG image"), Kind("a WebP image"), Kind("a TIFF image")
FITS = Kind("a FITS file")
GZIP = Kind("a file compressed by gzip", _UNPACK)
"""Read where FITS is inside."""

_READ = {JPEG: ".jpg", PNG: ".png", WEBP: ".webp", TIFF: ".tif", FITS: ".fits"}

EMPTY = Kind("the file is empty", seen=False)
NOTHING = Kind("not a readable image", "its bytes are of no known format", seen=False)
_ZEROS = Kind("nothing but zeros", "a download or a copy was not finished; fetch the file once more")
_TEXT = Kind("not a readable image", "it is text", seen=False)
_HEIC = Kind("a HEIC image, as phones take it", "save it as JPEG or PNG")
_RAW = Kind("a raw file of a camera", "develop it and save it as PNG or TIFF")

_BEGINNINGS: tuple[tuple[bytes, Kind], ...] = (
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"SIMPLE  =", FITS),
    (b"II*\0\x10\0\0\0CR", _RAW),
    (b"II*\0", TIFF), (b"MM\0*", TIFF), (b"II+\0", TIFF), (b"MM\0+", TIFF),
    (b"\x1f\x8b", GZIP),
    (b"GIF8", Kind("a GIF image", _SAVE)),
    (b"\x00\x00\x00\x0cjP  ", Kind("a JPEG 2000 image", _SAVE)),
    (b"\xff\x4f\xff\x51", Kind("a JPEG 2000 image", _SAVE)),
    (b"\x00\x00\x00\x0cJXL ", Kind("a JPEG XL image", _SAVE)),
    (b"\xff\x0a", Kind("a JPEG XL image", _SAVE)),
    (b"IIRO", _RAW), (b"IIRS", _RAW), (b"IIU\0", _RAW), (b"FUJIFILMCCD-RAW", _RAW), (b"FOVb", _RAW),
    (b"8BPS", Kind("a Photoshop file", _SAVE)),
    (b"XISF0100", Kind("an XISF image of PixInsight", "save it as FITS or TIFF")),
    (b"\x76\x2f\x31\x01", Kind("an OpenEXR image", "save it as FITS or 16-bit PNG")),
    (b"%PDF", Kind("a PDF document", _SAVE)),
    (b"%!PS", Kind("a PostScript document", _SAVE)),
    (b"\x89HDF\r\n\x1a\n", Kind("an HDF5 file", _ARRAY)),
    (b"\x93NUMPY", Kind("a NumPy array", _ARRAY)),
    (b"#ASDF", Kind("an ASDF file", _ARRAY)),
    (b"PK\x03\x04", Kind("a zip archive", _UNPACK)),
    (b"BZh", Kind("a file compressed by bzip2", _UNPACK)),
    (b"\xfd7zXZ\0", Kind("a file compressed by xz", _UNPACK)),
    (b"\x28\xb5\x2f\xfd", Kind("a file compressed by zstd", _UNPACK)),
    (b"7z\xbc\xaf\x27\x1c", Kind("a 7z archive", _UNPACK)),
    (b"Rar!\x1a\x07", Kind("a rar archive", _UNPACK)),
    (b"PAR1", Kind("a Parquet table", "it is no image", seen=False)),
    (b"SQLite format 3\0", Kind("an SQLite database", "it is no image", seen=False)),
    (b"version https://git-lfs.github.com/spec/",
     Kind("a Git LFS pointer, which stands for an image", "run `git lfs pull` in its repository")),
    (b"/annex/objects/",
     Kind("a git-annex pointer, which stands for an image", "run `git annex get` in its repository")),
)  # fmt: skip

_BRANDS = {
    b"heic": _HEIC, b"heix": _HEIC, b"hevc": _HEIC, b"heim": _HEIC, b"mif1": _HEIC, b"msf1": _HEIC,
    b"avif": Kind("an AVIF image", _SAVE), b"avis": Kind("an AVIF image", _SAVE), b"crx ": _RAW,
}  # fmt: skip

_PNM = re.compile(rb"P[1-7][\s#]")
_HTML = re.compile(rb"<(!doctype\s+html|html|head|body)\b", re.IGNORECASE)


def kind(head: bytes) -> Kind:
    """Return what a file is that begins with these bytes (``HEAD`` of them are enough); NOTHING if nobody knows."""
    if not head:
        return EMPTY
    for beginning, found in _BEGINNINGS:
        if head.startswith(beginning):
            return found
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], Kind("a film", "save its picture as PNG"))
    if head[:2] == b"BM" and head[6:10] == bytes(4):
        return Kind("a BMP image", _SAVE)
    if _PNM.match(head):
        return Kind("a PNM image", _SAVE)
    if head[128:132] == b"DICM":
        return Kind("a DICOM image", _SAVE)
    if head[257:262] == b"ustar":
        return Kind("a tar archive", _UNPACK)
    if not head.strip(b"\0"):
        return _ZEROS
    return _text(head[:HEAD]) or NOTHING


def _text(head: bytes) -> Kind | None:
    """Return what kind of text these bytes begin, None if they are none."""
    if b"\0" in head or sum(byte < 32 and byte not in b"\t\n\f\r\x1b" for byte in head):
        return None
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if _HTML.match(start):
        return Kind("a web page (HTML), as servers send in place of an image", "fetch the image once more")
    if b"<svg" in head:
        return Kind("an SVG drawing", _SAVE)
    if b"SIMPLE" in start[:16] and b"BITPIX" in head:
        return Kind("the header of a FITS file as text", "save the file itself")
    if start[:1] in (b"<", b"{", b"["):
        return Kind("text (XML or JSON), as servers send in place of an image", "look what it says", seen=False)
    try:
        head[:-3].decode()  # A character may be cut at the end.
    except UnicodeDecodeError:
        return None
    return _TEXT


def elsewhere(head: bytes) -> str:
    """Return what is said of a file that lies among images without the ending of one; "" if it needs no word."""
    found = kind(head)
    if found in _READ:
        return f"{found}, but its name does not end in {_READ[found]}: rename it"
    return str(found) if found.seen else ""


def ending(name: str) -> str:
    """Return the ending of a file that is read as an image, in small letters, or "" for any other file."""
    lower = name.lower()
    if not lower.endswith(SUFFIXES):
        return ""
    return next(suffix for suffix in SUFFIXES if lower.endswith(suffix))


def stem(name: str) -> str:
    """Return the name of a file without the ending of an image."""
    return name[: len(name) - len(ending(name))]


def formats(names: Iterable[str]) -> str:
    """Return the formats of image files by their names: "PNG", "PNG and JPEG"."""
    endings = {ending(name) for name in names}
    found = [title for title, few in _TITLES.items() if endings & few]
    return " and ".join(filter(None, (", ".join(found[:-1]), found[-1]))) if found else ""


_TITLES = {
    "PNG": {".png"}, "JPEG": {".jpg", ".jpeg"}, "WebP": {".webp"}, "TIFF": {".tif", ".tiff"}, "FITS": {*FITS_SUFFIXES},
}  # fmt: skip

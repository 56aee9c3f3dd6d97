"""What a file is, by its first bytes: a table that is read here, or something else with what to do about it."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

from galaxy_zoo_decals.errors import UserError

HEAD = 2**18
"""Bytes of a file that are looked at before anything else; the header of a table lies within them."""

LARGEST = 2**31
"""Bytes that are read of a table at most, once it is unpacked."""

MOST_ROWS = 20_000_000
"""Rows of a table at most; the largest catalogue of Galaxy Zoo has nine million."""

SAVE = "Save it as CSV or Parquet and give that file"


class TableError(UserError):
    """A file that cannot be read as a table; the message says what it is and what to do."""


@dataclass(frozen=True)
class Format:
    """What a file is: ``name`` for programs, ``what`` for people, and what to do where it is not read here."""

    name: str
    what: str
    advice: str = ""

    @property
    def is_read(self) -> bool:
        """Whether tables of this format are read here."""
        return self.name in ("text", "parquet", "fits", "votable", "ecsv", "ipac", "mrt")


TEXT = Format("text", "a text table")
PARQUET = Format("parquet", "a Parquet table")
FITS = Format("fits", "a FITS file")
VOTABLE = Format("votable", "a VOTable")
ECSV = Format("ecsv", "an ECSV table")
IPAC = Format("ipac", "an IPAC table")
MRT = Format("mrt", "a machine-readable table of the AAS (MRT)")
REGION = Format(
    "region", "a region file of DS9", "Give a table with a header and ra and dec in degrees, one position a row."
)
UNKNOWN = Format(
    "unknown", "no table that is known here (its bytes are no text)", f"{SAVE}; FITS, VOTable and ECSV are read too."
)
EMPTY = Format(
    "empty", "empty: it has no bytes", "Was it copied or downloaded to the end? Look at the one it came from."
)
ZIP = Format("zip", "a zip archive")

COMPRESSED = {
    "gzip": (b"\x1f\x8b",),
    "bz2": (b"BZh",),
    "xz": (b"\xfd7zXZ\0",),
    "zstd": (b"\x28\xb5\x2f\xfd",),
    "zip": (b"PK\3\4", b"PK\5\6", b"PK\7\10"),
}
"""How compressed files begin that are unpacked here."""

EXCEL = Format("excel", "an Excel workbook", "In the spreadsheet choose Save As, CSV UTF-8, and give that file.")
SHEET = Format("sheet", "an OpenDocument spreadsheet", "In the spreadsheet choose Save As, CSV, and give that file.")
PICKLE = Format(
    "pickle", "a Python pickle, which is never opened here: it can run any program",
    "Where it was made, save the table with DataFrame.to_parquet() and give that file.",
)  # fmt: skip
NUMPY = Format("numpy", "a NumPy array", f"It has no names of columns. {SAVE}.")
ARCHIVE_ADVICE = "Unpack it and give the table that is in it."
PICTURE_ADVICE = "Give the table; pictures are given by their folder."
POINTER = Format(
    "pointer", "a pointer of Git LFS or git-annex in place of the file",
    "Fetch the file itself with `git lfs pull` or `git annex get`.",
)  # fmt: skip
PAGE = Format(
    "html", "a web page in place of a table, as servers send where one has to log in or follow a link",
    "Open the address in a browser, log in, and download the table itself.",
)  # fmt: skip
XML = Format("xml", "an XML file that is no VOTable", f"{SAVE}; VOTable is read too.")
PARQUET_ADVICE = "Save it with DataFrame.to_parquet() and give that file."
OF_R = Format("r", "data saved by R", "In R, write the table with write.csv(t, FILE, row.names = FALSE).")
JSON = Format("json", "a JSON file", f"{SAVE}.")

SIGNATURES: tuple[tuple[int, bytes, Format], ...] = (
    (0, b"PAR1", PARQUET),
    (0, b"PARE", Format("encrypted", "an encrypted Parquet file", "Save it without encryption and give that file.")),
    (0, b"SIMPLE  =", FITS),
    (0, b"XTENSION=", Format("fits part", "a part of a FITS file without its beginning", "Give the whole FITS file.")),
    (0, b"# %ECSV", ECSV),
    (0, b"\x89HDF\r\n\x1a\n", Format("hdf5", "an HDF5 file", f"Read the table with h5py or pandas. {SAVE}.")),
    (512, b"\x89HDF\r\n\x1a\n", Format("hdf5", "an HDF5 file", f"Read the table with h5py or pandas. {SAVE}.")),
    (0, b"CDF\1", Format("netcdf", "a netCDF file", f"{SAVE}.")),
    (0, b"CDF\2", Format("netcdf", "a netCDF file", f"{SAVE}.")),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", EXCEL),
    (0, b"\x93NUMPY", NUMPY),
    (0, b"SQLite format 3\0", Format("sqlite", "an SQLite database", f"Export the table from it: {SAVE.lower()}.")),
    (0, b"%PDF", Format("pdf", "a PDF document", "Give the table that belongs to it.")),
    (0, b"ARROW1", Format("arrow", "an Arrow (Feather) file", PARQUET_ADVICE)),
    (0, b"FEA1", Format("arrow", "a Feather file", PARQUET_ADVICE)),
    (0, b"ORC", Format("orc", "an ORC file", f"{SAVE}.")),
    (0, b"Obj\1", Format("avro", "an Avro file", f"{SAVE}.")),
    (0, b"RDX", OF_R),
    (0, b"X\n\0\0\0", OF_R),
    (0, b"MATLAB 5.0", Format("matlab", "a MATLAB file", "In MATLAB, write the table with writetable(t, FILE).")),
    (0, b"<stata_dta>", Format("stata", "a Stata file", f"{SAVE}.")),
    (0, b"\x89PNG", Format("image", "a PNG picture", PICTURE_ADVICE)),
    (0, b"\xff\xd8\xff", Format("image", "a JPEG picture", PICTURE_ADVICE)),
    (0, b"GIF8", Format("image", "a GIF picture", PICTURE_ADVICE)),
    (0, b"II*\0", Format("image", "a TIFF picture", PICTURE_ADVICE)),
    (0, b"MM\0*", Format("image", "a TIFF picture", PICTURE_ADVICE)),
    (8, b"WEBP", Format("image", "a WebP picture", PICTURE_ADVICE)),
    (0, b"Rar!", Format("archive", "a RAR archive", ARCHIVE_ADVICE)),
    (0, b"7z\xbc\xaf\x27\x1c", Format("archive", "a 7z archive", ARCHIVE_ADVICE)),
    (257, b"ustar", Format("archive", "a tar archive", ARCHIVE_ADVICE)),
    (0, b"\x1f\x9d", Format("archive", "a file compressed by `compress` (.Z)", "Unpack it with `uncompress`.")),
    (0, b"\x04\x22\x4d\x18", Format("archive", "a file compressed by lz4", "Unpack it with `lz4 -d`.")),
    (0, b"\x7fELF", Format("program", "a program", "Give the table.")),
    (0, b"version https://git-lfs", POINTER),
    (0, b"/annex/objects/", POINTER),
)  # fmt: skip
"""Where which bytes stand at the beginning of a file."""

UTF_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
"""Byte order marks and the encodings that take them away."""

_OLD_PICKLE = re.compile(rb"\A(?:c[\w.]+\n[\w.]+\n|\((?:dp|lp|i?c?[\w.]+\n[\w.]+\n))")


def printable(text: str) -> str:
    """Return a name out of a file as a message may show it: bounded, and without what moves a terminal's cursor."""
    return "".join(c if c.isprintable() else "?" for c in text[:60])


def recognise(head: bytes) -> Format:
    """Return what a file is whose first bytes (up to ``HEAD``) these are."""
    if not head:
        return EMPTY
    for name, marks in COMPRESSED.items():
        if head.startswith(marks):
            return ZIP if name == "zip" else Format(name, f"a file compressed by {name}")
    for offset, mark, format in SIGNATURES:
        if head[offset : offset + len(mark)] == mark:
            return format
    if head[:2] in (b"\x80\2", b"\x80\3", b"\x80\4", b"\x80\5") or _OLD_PICKLE.match(head):
        return PICKLE
    if not head.strip(b"\0"):
        return Format("zeros", "nothing but zero bytes, as after a failed copy", "Copy or download it once more.")
    text = decoded(head)
    if text is None:
        return UNKNOWN
    return _of_text(text)


def encoding_of(head: bytes) -> str:
    """Return the encoding of a text by its first bytes; "latin-1" where it is no Unicode."""
    for mark, encoding in UTF_MARKS:
        if head.startswith(mark):
            return encoding
    start = _without_end(head)[:4096]
    for place, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        half = start[place::2]
        if len(half) > 1 and half.count(0) > 0.6 * len(half):
            return encoding
    return "utf-8" if _is_utf8(_without_end(head)) else "latin-1"


def _without_end(head: bytes) -> bytes:
    """Return bytes without the zeros that a failed copy leaves at the end of a text."""
    return head.rstrip(b"\0") if head.endswith(bytes(8)) else head


def _is_utf8(head: bytes) -> bool:
    """Return whether bytes are UTF-8; the last character may be cut where the first bytes end."""
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data" and error.start >= len(head) - 3
    return True


def decoded(head: bytes) -> str | None:
    """Return first bytes as text, None if they are none: too many control characters."""
    encoding = encoding_of(head)
    head = _without_end(head)
    text = head[: len(head) // 2 * 2 if encoding.startswith("utf-16") else None].decode(encoding, "replace")
    odd = sum(1 for c in text[:8192] if (c < " " and c not in "\t\n\r\f\x1a") or c == "\x7f" or "\x80" <= c < "\xa0")
    return None if odd > len(text[:8192]) / 100 else text


def _of_text(text: str) -> Format:
    start = text.lstrip("\ufeff \t\r\n")[:4096]
    low = start.lower()
    if low.startswith(("<?xml", "<votable", "<vot:", "<!doctype votable")):
        inside = re.search(r"<(\w+:)?votable\b", text, re.IGNORECASE)
        if inside:
            return VOTABLE
        return PAGE if "<html" in low else XML
    if low.startswith(("<!doctype html", "<html", "<head", "<body", "<script")) or "<html" in low[:1024]:
        title = re.search(r"<title[^>]*>\s*([^<]{1,80})", start, re.IGNORECASE)
        named = f"{PAGE.what} (its title is {' '.join(title[1].split())!r})" if title else PAGE.what
        return Format(PAGE.name, named, PAGE.advice)
    if re.match(r"\[\s*[\[{\"\d\]-]|\{\s*[\"}]", start):
        return JSON
    if low.startswith("# region file format"):
        return REGION
    if re.search(r"^Byte-by-byte Description of file", text, re.MULTILINE):
        return MRT
    if _is_ipac(text):
        return IPAC
    return TEXT if start else Format("blank", "empty: it holds no text but blanks and line breaks", EMPTY.advice)


def _is_ipac(text: str) -> bool:
    """Return whether a text is an IPAC table: a header between vertical bars, and rows that none part."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("\\")]
    header = list(itertools.takewhile(lambda line: line.startswith("|") and line.endswith("|"), lines))
    return 2 <= len(header) <= 4 and len(lines) > len(header) and "|" not in lines[len(header)]

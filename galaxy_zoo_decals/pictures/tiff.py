"""TIFF looked at before a decoder reads it: what its tags claim, and whether it holds one picture."""

from __future__ import annotations

import contextlib
import logging
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from galaxy_zoo_decals.pictures import ImageError

logging.getLogger("PIL.TiffImagePlugin").addHandler(logging.NullHandler())
"""Else Pillow's words about a damaged file would stand among the messages."""

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a value by its type."""

_TEXTS = (1, 2, 6, 7)
"""Types of bytes, which are read as they are; of the others each value becomes a number in memory."""

MAX_VALUES = 2**18
"""Numbers that a tag may hold: an image of 4096 pixels a side in rows, planes or tiles of 16 pixels has fewer."""

MAX_PAGES = 64
"""Directories that are looked at: enough to tell previews from pages."""

MAX_ENTRIES = 2**12
"""Tags that a directory may have."""

MAX_EXIF = 16 * 2**20
"""Bytes that the tags of EXIF may claim in all."""

_SUBFILE, _DNG = 254, 50706
_PREVIEW = 1
"""Bit of the tag of sub-files: a smaller version of another picture of the file."""


def check(data: bytes) -> None:
    """Raise ImageError for a TIFF with several pages, a camera's raw file, or tags that claim more than it holds."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    count, entry, pointer = ("Q", "HHQ8s", "Q") if big else ("H", "HHL4s", "L")
    seen: set[int] = set()
    pages = claimed = 0
    try:
        (place,) = struct.unpack_from(order + pointer, data, 8 if big else 4)
        while place and place not in seen and len(seen) < MAX_PAGES:
            seen.add(place)
            (entries,) = struct.unpack_from(order + count, data, place)
            place += struct.calcsize(order + count)
            size = struct.calcsize(order + entry)
            if entries > MAX_ENTRIES or entries * size > len(data):
                raise ImageError("a TIFF image whose tags claim more than the file holds (cut short or damaged)")
            preview = False
            for i in range(entries):
                tag, form, values, value = struct.unpack_from(order + entry, data, place + i * size)
                claimed += values * _SIZES.get(form, 1)
                if claimed > len(data) or (values > MAX_VALUES and form not in _TEXTS):
                    raise ImageError("a TIFF image whose tags claim more than the file holds (cut short or damaged)")
                if tag == _SUBFILE and form in (3, 4):
                    preview = bool(struct.unpack_from(order + ("H" if form == 3 else "L"), value)[0] & _PREVIEW)
                elif tag == _DNG:
                    raise ImageError("a raw file of a camera: develop it and save it as PNG or TIFF")
            if preview and not pages and len(seen) == 1:
                raise ImageError("a TIFF file that begins with a preview, as raw files of cameras do: save it as PNG")
            pages += not preview
            (place,) = struct.unpack_from(order + pointer, data, place + entries * size)
    except struct.error:
        raise ImageError("not a readable TIFF image (cut short or damaged)") from None
    if pages > 1:
        raise ImageError(several(pages, "pages"))


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Keep quiet what libtiff writes to the standard error stream itself: its words do not name the file."""
    try:
        kept = os.dup(2)
    except OSError:  # a program without such a stream
        yield
        return
    with Path(os.devnull).open("wb") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def check_exif(block: bytes) -> None:
    """Raise ImageError if the tags of EXIF claim more in all than a picture's: each is copied when it is read."""
    block = block.removeprefix(b"Exif\0\0")
    order = "<" if block[:2] == b"II" else ">"
    claimed = 0
    try:
        (place,) = struct.unpack_from(order + "L", block, 4)
        (entries,) = struct.unpack_from(order + "H", block, place)
        for i in range(entries):
            _, form, values, _ = struct.unpack_from(order + "HHL4s", block, place + 2 + 12 * i)
            claimed += min(values * _SIZES.get(form, 1), len(block))
    except struct.error:
        pass  # EXIF that is cut short says nothing of the picture; what it claims up to there counts.
    if claimed > MAX_EXIF:
        raise ImageError("its EXIF claims more than that of a picture")


def several(count: int, of: str) -> str:
    """Return what is said of a file with several pictures."""
    return f"it holds {count:,} {of}: save the one that is meant as a file of its own"

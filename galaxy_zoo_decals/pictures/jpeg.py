"""JPEG looked at before a decoder reads it: its EXIF, and the forms that decoders do not read."""

from __future__ import annotations

from collections.abc import Iterator

from galaxy_zoo_decals.pictures import tiff

_EXIF = b"Exif\0\0"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers that begin a frame and say its form."""
_READ = (0xC0, 0xC1, 0xC2)
"""Those of frames that everybody reads: baseline, extended and progressive."""
_SCAN, _END = 0xDA, 0xD9
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a segment."""


def check(data: bytes) -> None:
    """Raise ImageError if the EXIF of a JPEG claims more than a picture's."""
    # Pillow puts the parts together and reads them when it opens the file.
    exif = b"".join(part[len(_EXIF) :] for marker, part in _segments(data) if marker == 0xE1 and part[:6] == _EXIF)
    tiff.check_exif(exif)


def rare(data: bytes) -> str:
    """Return what is rare about a JPEG, such as "12 bits"; "" if it is of a form that everybody reads."""
    for marker, part in _segments(data):
        if marker in _FRAMES:
            if part[:1] in (b"\x0c", b"\x10"):
                return f"{part[0]} bits"
            return "" if marker in _READ else "a rare form (lossless or arithmetic coding)"
    return ""


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the marker and the content of each segment before the picture's own data."""
    place = 2
    while place + 4 <= len(data):
        if data[place] != 0xFF:
            place += 1
            continue
        marker = data[place + 1]
        if marker in (_SCAN, _END):
            return
        if marker in _BARE or marker in (0x00, 0xFF):
            place += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(data[place + 2 : place + 4])
        yield marker, data[place + 4 : place + 2 + length]
        place += 2 + max(2, length)

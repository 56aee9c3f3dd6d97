"""Thumbnails: the pictures of galaxies that the site shows, small and each written once."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING

from galaxy_zoo_decals.edition import Edition

if TYPE_CHECKING:
    from leaderboard.render.galaxies import Shown

LARGEST_IMAGE = 24 * 2**10
"""Thumbnails above this many bytes are encoded again."""


class Images:
    """Thumbnails of the site: asked for by name while pages are rendered, written once at the end."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.wanted: dict[Path, tuple[Edition, dict[str, str]]] = {}
        self.known: dict[tuple[str, str, str], Shown] = {}
        self.held: dict[Path, frozenset[str]] = {}

    def has(self, edition: Edition, name: str) -> bool:
        """Return whether a test galaxy's picture may be shown and is in the edition: a survey's source may lack it."""
        if edition.path not in self.held:
            self.held[edition.path] = frozenset(edition.table("test", ["iauname"])["iauname"])
        return edition.terms.may_publish_images and name in self.held[edition.path]

    def href(self, edition: Edition, name: str) -> str:
        """Return the address of a galaxy's thumbnail, relative to the site's root."""
        file = f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.jpg"
        address = f"images/{edition.name}-{edition.content_hash[:8]}/{file}"
        self.wanted.setdefault(edition.path, (edition, {}))[1][name] = address
        return address

    def write(self) -> int:
        """Write all thumbnails that were asked for and return how many bytes they have."""
        size = 0
        for edition, names in self.wanted.values():
            for split in reversed(edition.splits):
                for name, data in edition.images(split, list(names)).items():
                    path = self.out / names[name]
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(_bounded(data))
                    size += path.stat().st_size
        return size


def _bounded(data: bytes) -> bytes:
    if len(data) <= LARGEST_IMAGE and data[:3] == b"\xff\xd8\xff":
        return data
    from galaxy_zoo_decals.image_files import ImageError, decode
    from leaderboard.files import LeaderboardError

    out = io.BytesIO()
    try:
        decode(data).resize((224, 224)).save(out, "JPEG", quality=82)
    except ImageError as error:
        words = f"an image of an edition on this machine is {error}; `galaxy-zoo-decals check` names it."
        raise LeaderboardError(words) from None
    return out.getvalue()

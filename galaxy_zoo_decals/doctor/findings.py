"""What the doctor saw: the answer of each address, the ways to data, and which one to take."""

from __future__ import annotations

from dataclasses import dataclass

from galaxy_zoo_decals.addresses import Address

FACTOR = 4.0
"""Factor by which it may be another one before it is something else that lies there."""


@dataclass(frozen=True)
class Seen:
    """What an address answered."""

    address: Address
    url: str
    reachable: bool
    words: str
    """Why not, or how the answer differs from what was stated."""
    size: int | None = None
    """Bytes as the server states them."""

    @property
    def fits(self) -> bool:
        """Whether what lies there can be what was stated: any other server answers to every address too."""
        if not self.reachable or not self.address.size:
            return self.reachable
        if self.size is None or self.address.exact:
            return self.size == self.address.size
        return self.address.size / FACTOR <= self.size <= self.address.size * FACTOR


@dataclass(frozen=True)
class Way:
    """One way to data: what to type, what it downloads, whether it is open and for how long."""

    name: str
    command: str
    open: bool
    words: str
    size: int
    """Bytes to download."""
    disk: int
    """Bytes that must be free, about."""
    seconds: float | None = None
    """At the measured rate; None where there is none."""
    galaxies: bool = True
    """Whether it leads to images."""


@dataclass(frozen=True)
class Findings:
    """All that the doctor saw."""

    seen: tuple[Seen, ...]
    rates: dict[str, float]
    """Bytes a second by host."""
    ways: tuple[Way, ...]
    take: Way | None
    """The way to take now."""
    folder: str
    """Where data go."""
    free: int
    """Bytes that are free there."""

    @property
    def well(self) -> bool:
        """Whether some way to real galaxies is open."""
        return any(way.open and way.galaxies for way in self.ways)

"""Which ways to data are open, by what each address answered, and which one to take now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from galaxy_zoo_decals import addresses
from galaxy_zoo_decals.doctor.findings import Seen, Way
from galaxy_zoo_decals.units import amount

SOON = 3600.0
"""Seconds that a way may take to be advised as the first one."""


EDITION = 8 * 10**9
"""Bytes of the whole survey's edition and its pieces, about: 224 pixels a side."""


def ways_to_data(seen: Mapping[str, Seen], rates: Mapping[str, float], free: int) -> list[Way]:
    """Return the ways to data, from the votes alone to the whole survey."""
    names = ("record", "votes", "votes, mirror", "gz_desi, tiny", "gz_desi")
    record, votes, mirror, tiny, whole = (seen[name] for name in names)
    archives = [s for name, s in seen.items() if name.startswith("archive")]
    there = [s for s in archives if s.fits]
    zenodo, hub = rates.get("Zenodo"), rates.get("Hub")
    no_zenodo = _why_not(record) or _why_not(votes)
    votes_in = (votes.address.size, hub if no_zenodo else zenodo)
    no_votes = "the votes are neither at Zenodo nor, as published, at the mirror" * bool(no_zenodo and not mirror.fits)
    lost = next(filter(None, map(_why_not, archives)), "")
    all_of = [_size_of(s) for s in (there or archives)]
    some = int(2000 * sum(_size_of(s) for s in archives) / addresses.VOTES[0].rows)
    parts = "" if len(there) in (0, 4) else " --parts " + ",".join(s.address.name[-1] for s in there)
    source = " --images hub" if no_zenodo else ""

    def way(
        name: str, options: str, pieces: list[tuple[int, float | None]], disk: int, closed: str, galaxies: bool = True,
        survey: str = "gzd5",
    ) -> Way:  # fmt: skip
        if not closed and disk > free:
            closed = f"it needs about {amount(disk)} of free disk"
        seconds = sum(n / r for n, r in pieces if r) if all(r for _, r in pieces) else None
        command = f"galaxy-zoo-decals prepare {survey} {options}"
        return Way(name, command, not closed, closed, sum(n for n, _ in pieces), disk, seconds, galaxies)

    tiny_in, whole_in = (_size_of(tiny), hub), (_size_of(whole), hub)
    table, mapping, pictures, tiny_2, whole_2 = (
        seen[f"GZ 2{name}"] for name in (" votes", " mapping", " archive", ", tiny", "")
    )
    table_in = (table.size or 0, rates.get("Galaxy Zoo 2"))
    of_zenodo = next(filter(None, map(_why_not, (table, seen["GZ 2 record"], mapping, pictures))), "")
    return [
        way("the votes alone", f"--catalogue-only{source}", [votes_in], votes_in[0], no_votes, False),
        way(
            "a small part, Hub", "--images hub-tiny", [votes_in, tiny_in], votes_in[0] + 2 * tiny_in[0],
            no_votes or _why_not(tiny),
        ),
        way(
            "2,000 galaxies, Zenodo", "--galaxies 2000", [votes_in, (some, zenodo)], votes_in[0] + 2 * some,
            no_zenodo or lost,
        ),
        way(
            "most galaxies, Hub", "--images hub --delete-archives", [votes_in, whole_in], EDITION + 10**9,
            no_votes or _why_not(whole),
        ),
        way(
            "all, Zenodo" if not parts else f"{len(there)} of 4 parts, Zenodo", f"--delete-archives{parts}",
            [votes_in, (sum(all_of), zenodo)], EDITION + max(all_of), no_zenodo or ("" if there else lost),
        ),
        way(
            "GZ 2, a part, Hub", "--images hub-tiny", [table_in, (_size_of(tiny_2), hub)],
            table_in[0] + 2 * _size_of(tiny_2), _why_not(table) or _why_not(tiny_2), survey="galaxyzoo2",
        ),
        way(
            "GZ 2, most, Hub", "--images hub --delete-archives", [table_in, (_size_of(whole_2), hub)],
            EDITION + 10**9, _why_not(table) or _why_not(whole_2), survey="galaxyzoo2",
        ),
        way(
            "GZ 2, all, Zenodo", "--delete-archives",
            [table_in, (_size_of(mapping) + _size_of(pictures), zenodo)],
            EDITION + _size_of(pictures), of_zenodo, survey="galaxyzoo2",
        ),
    ]  # fmt: skip


def _size_of(seen: Seen) -> int:
    return seen.size if seen.fits and seen.size is not None else seen.address.size


def _why_not(seen: Seen) -> str:
    if seen.fits:
        return ""
    size = f"{amount(seen.size)}, " if seen.reachable and seen.size is not None and not seen.address.exact else ""
    return f"{seen.address.name}: {size}{seen.words}"


def choose(ways: Sequence[Way]) -> Way | None:
    """Return the way to take now: the first open one that leads to galaxies within ``SOON``, else the quickest."""
    open_ = [way for way in ways if way.open and way.galaxies]
    soon = [way for way in open_ if way.seconds is not None and way.seconds <= SOON]
    return next(iter(soon), min(open_, key=lambda way: (way.seconds is None, way.seconds, way.size), default=None))

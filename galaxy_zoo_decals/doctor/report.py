"""What the doctor saw, as a page of text and as JSON."""

from __future__ import annotations

import textwrap
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

from galaxy_zoo_decals import addresses
from galaxy_zoo_decals.doctor.examination import Findings
from galaxy_zoo_decals.sources import download
from galaxy_zoo_decals.units import amount, duration


def report(found: Findings) -> str:
    """Return the findings as a page of text of at most 100 columns."""
    lines = []
    for server, rated, begins in (
        ("Zenodo", "Zenodo", ("{record}", "{zenodo}")),
        ("Hugging Face Hub", "Hub", ("{hub}",)),
        ("Galaxy Zoo 2", "Galaxy Zoo 2", ("{votes_2}",)),
    ):
        held = [s for s in found.seen if s.address.url.startswith(begins)]
        rate = found.rates.get(rated)
        speed = f"{amount(rate)}/s" if rate else "no rate measured"
        lines.append(f"{server}, {_host(held[0].url)}: {speed}")
        for seen in held:
            mark = "FAIL" if not seen.reachable else "ok  " if not seen.words else "DIFF"
            size = amount(seen.size) if seen.size is not None else "?"
            of_record = seen.address.name in addresses.RECORDS
            unknown = "it describes the record" if of_record else "its size is published nowhere"
            as_stated = f"as stated in {seen.address.stated}" if seen.address.size else unknown
            words = seen.words or as_stated
            lines += _folded(f"  {mark} {seen.address.name:<15} {seen.address.what:<26} {size:>9}  ", words)
        lines.append("")
    lines.append(f"{amount(found.free)} free in {found.folder}.")
    lines += ["", f"{'way in':<22} {'download':>9} {'takes':>9}  galaxy-zoo-decals ..."]
    for way in found.ways:
        takes = duration(way.seconds) if way.open else "closed"
        words = way.command.partition(" ")[2] if way.open else way.words
        lines += _folded(f"{way.name:<22} {amount(way.size):>9} {takes:>9}  ", words)
    lines.append("")
    if found.take is None:
        lines.append("No way to real galaxies is open from here now. The simulated ones need no network:")
        lines.append("    galaxy-zoo-decals prepare simulated --galaxies 20000")
    else:
        known = "" if found.take.seconds is not None else " (how long it takes is not known: no rate was measured)"
        lines += [f"Take this one now{known}:", f"    {found.take.command}"]
        largest = max((way for way in found.ways if way.open and way.galaxies), key=lambda way: way.size)
        if largest is not found.take:
            lines += ["and for all that can be had from here:", f"    {largest.command}"]
    return "\n".join(lines)


def _host(url: str) -> str:
    """Return the server of a URL."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return download.printable(url)
    return download.printable(f"{parts.scheme}://{parts.netloc}")


def _folded(head: str, words: str, width: int = 100) -> list[str]:
    """Return words beside a head, folded below themselves."""
    lines = textwrap.wrap(words, width - len(head), break_on_hyphens=False) or [""]
    return [head + lines[0], *(" " * len(head) + line for line in lines[1:])]


def to_json(found: Findings) -> dict[str, Any]:
    """Return the findings as JSON-ready values."""
    return {
        "well": found.well,
        "take": found.take.command if found.take else None,
        "free": found.free,
        "rates": found.rates,
        "addresses": [
            {
                "name": s.address.name, "url": s.url, "reachable": s.reachable, "words": s.words, "size": s.size,
                "stated_size": s.address.size, "stated": s.address.stated, "checksum": s.address.checksum,
                "licence": s.address.licence,
            }
            for s in found.seen
        ],
        "ways": [asdict(way) for way in found.ways],
    }  # fmt: skip

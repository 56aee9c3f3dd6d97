"""Two lists of names that should be of the same galaxies and are not: an example of each, and the likely cause."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Iterable

import pandas as pd

SAMPLE = 500
"""Names of theirs that are tried; the cause of one is nearly always that of all."""

SUFFIX = re.compile(r"\.(?:jpe?g|png|fits?|tiff?|webp|gif|csv|npy|gz|fz)$", re.IGNORECASE)
MINUS = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"))
SHAPES = (
    (re.compile(r"J\d{6}(\.\d+)?[+-]\d{6}(\.\d+)?"), "a name made of the position (iauname)"),
    (re.compile(r"58[78]\d{15}"), "an objid of SDSS DR7 (dr7objid)"),
    (re.compile(r"12\d{17}"), "an objid of SDSS DR8 or later"),
    (re.compile(r"\d{6}"), "a GalaxyID of the Kaggle challenge"),
    (re.compile(r"\d{1,5}"), "a number of a row or an asset_id"),
    (re.compile(r"\d{1,6}_\d{1,6}"), "an identifier of the Legacy Surveys (brickid_objid)"),
    (re.compile(r"sim[-_]?\w*\d+", re.IGNORECASE), "a simulated galaxy"),
    (re.compile(r"\d+(\.\d+)?[eE]\+?\d+"), "a number with a decimal point, whose last digits are lost"),
)
"""What kinds of names there are, the narrower first."""

Change = Callable[[str], str]


def _without_suffix(name: str) -> str:
    while (bare := SUFFIX.sub("", name)) != name:
        name = bare
    return name


def _without_folder(name: str) -> str:
    return re.split(r"[/\\]", name)[-1]


def _bare(name: str) -> str:
    return re.sub(r"[^0-9a-z]", "", _without_suffix(_without_folder(name.casefold())))


def _coarse(name: str) -> str:
    """Return a name of a position with whole seconds and without J or words before it."""
    found = re.search(r"(\d{6})(?:\.\d*)?\s*([+-])\s*(\d{6})(?:\.\d*)?", name.translate(MINUS))
    return f"{found[1]}{found[2]}{found[3]}" if found else name


def _of_bytes(name: str) -> str:
    return name[2:-1] if re.fullmatch(r"b(['\"]).*\1", name) else name


def _no_zeros(name: str) -> str:
    return name.lstrip("0") if name.isdigit() else name


def _signs(name: str) -> str:
    """Return a name without what becomes of a plus sign in an address or a file name."""
    return re.sub(r"%2b|[+ _]", "", name.casefold())


CAUSES: tuple[tuple[str, Change, Change], ...] = (
    ("{theirs} have blanks or line breaks around them", str.strip, str.strip),
    ("{theirs} stand in quotation marks", lambda n: n.strip("'\" "), str),
    ("{theirs} are bytes written as text (b'...'): decode them", _of_bytes, str),
    ("{theirs} end in the suffix of a file", _without_suffix, str),
    ("{ours} end in the suffix of a file", str, _without_suffix),
    ("{theirs} begin with a folder", _without_folder, str),
    ("{ours} begin with a folder", str, _without_folder),
    (
        "{theirs} are paths of files, with folder and suffix", lambda n: _without_suffix(_without_folder(n)), str,
    ),
    ("{theirs} were saved as decimals (\".0\" at their end)", lambda n: re.sub(r"\.0+$", "", n), str),
    ("{theirs} have lost their leading zeros: a program read them as numbers", _no_zeros, _no_zeros),
    ("{theirs} are written in another case", str.casefold, str.casefold),
    ("{theirs} have another sign for minus", lambda n: n.translate(MINUS), str),
    ("{theirs} lack the J", lambda n: f"J{n}", str),
    ("{theirs} begin with a J that {ours} lack", lambda n: n.removeprefix("J"), str),
    ("{theirs} have lost the plus sign, as in an address or a file name", _signs, _signs),
    ("{theirs} spell the position with other digits, words or blanks", _coarse, _coarse),
    ("{theirs} have other signs between their letters and digits", _bare, _bare),
)  # fmt: skip
"""What makes two spellings of one name, the simple first: in words, and what has to be done to theirs and to ours."""

LAST = -2
"""Those from here on are tried after all others: they take for one what differs in several ways."""


def plain(names: pd.Series) -> pd.Series:
    """Return names as text: without blanks around them, and without the ".0" of numbers saved as decimals.

    A missing one is "".
    """
    text = names.astype(object).where(names.notna(), "").astype(str).str.strip()
    filled = text[text != ""]
    if len(filled) and filled.str.fullmatch(r"\d+\.0+").all():
        text = text.str.replace(r"\.0+$", "", regex=True)
    return text


def cause(theirs: Iterable[str], ours: Collection[str]) -> str | None:
    """Return what makes most of their names differ from ours, in words; None where nothing that is known does.

    In it {theirs} and {ours} stand for what the names are called.
    """
    mine = set(ours)
    tried = list(dict.fromkeys(itertools.islice((name for name in theirs if name not in mine), SAMPLE)))
    if not tried or not mine:
        return None
    for words, change, change_ours in CAUSES[:LAST]:
        known = mine if change_ours is str else {change_ours(name) for name in mine}
        if sum(change(name) in known for name in tried) > len(tried) / 2:
            return words
    first = tried[0]
    around = [name for name in itertools.islice(mine, 200_000) if len(name) > 3 and name in first]
    if around:
        left, _, right = first.partition(max(around, key=len))
        if sum(name.removeprefix(left).removesuffix(right) in mine for name in tried) > len(tried) / 2:
            parts = " and ".join(repr(part[:40]) for part in (left, right) if part)
            return "{theirs} have PARTS around the name".replace("PARTS", parts.replace("{", "{{").replace("}", "}}"))
    for words, change, change_ours in CAUSES[LAST:]:
        known = {change_ours(name) for name in mine}
        if sum(change(name) in known for name in tried) > len(tried) / 2:
            return words
    return None


def respelled(theirs: Iterable[str], ours: Collection[str]) -> tuple[int, str]:
    """Return how many of their names are one of ours in another spelling, at most, with a pair and the cause in words.

    (0, "") where none is. Names that are ours as they stand are not counted.
    """
    mine = set(ours)
    tried = [name for name in dict.fromkeys(theirs) if name and name not in mine]
    best = 0, ""
    for words, change, change_ours in CAUSES:
        known = {change_ours(name): name for name in mine}
        found = [(name, known[change(name)]) for name in tried if change(name) in known]
        if len(found) > best[0]:
            (other, own), *_ = found
            said = words.format(theirs="their names", ours="the names of test galaxies")
            best = len(found), f"as {_shown(other)} for {_shown(own)}: {said}"
    return best


def explain(theirs: Iterable[str], ours: Collection[str], their_word: str, our_word: str) -> str:
    """Return in a sentence or two a name of theirs and one of ours, and the likely cause why they do not match.

    The words name each list, in the plural: "names of the table" and "names of the edition".
    """
    sample = list(itertools.islice(theirs, 200_000))
    mine = set(ours)
    other = next((name for name in sample if name not in mine), sample[0] if sample else None)
    if other is None or not mine:
        return f"There are no {their_word if other is None else our_word}."
    words = cause(sample, mine)
    own = _counterpart(other, mine, words)
    said = f"Of the {their_word} one is {_shown(other)}, of the {our_word} {_shown(own)}"
    if words is not None:
        return f"{said}: {words.format(theirs=f'the {their_word}', ours=f'the {our_word}')}."
    kinds = _shape(other), _shape(own)
    if kinds[0] != kinds[1]:
        known = [f"{_shown(name)} is {kind}" for name, kind in zip((other, own), kinds) if kind]
        return f"{said}: {', and '.join(known)}; they are names of other galaxies or of another edition."
    return f"{said}: they are of one kind, so these seem to be other galaxies or another edition."


def _counterpart(other: str, mine: set[str], words: str | None) -> str:
    """Return the name of ours that is meant by one of theirs, where the cause tells; else the first."""
    for known, change, change_ours in CAUSES:
        if known == words:
            meant = change(other)
            if meant in mine:
                return meant
            return next((name for name in mine if change_ours(name) == meant), min(mine))
    return min(mine)


def _shape(name: str) -> str | None:
    return next((kind for pattern, kind in SHAPES if pattern.fullmatch(name.strip())), None)


def _shown(name: str) -> str:
    return repr(name if len(name) <= 60 else f"{name[:60]}...")

"""Names that look the same: in another case, width or script, with other marks or signs between the words.

The table of characters that look alike is Unicode's own (UTS 39), from the package confusable-homoglyphs.
"""

from __future__ import annotations

import re
import unicodedata

from confusable_homoglyphs.confusables import confusables_data


def same(one: str, other: str) -> bool:
    """Return whether a reader could take one name for the other."""
    return any(a == b for a, b in zip(_looks(one), _looks(other)))


def _looks(name: str) -> tuple[str, str]:
    """Return what a name looks like as it stands, and in small letters: a capital I is no small i, but a small l."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", name) if unicodedata.category(c) not in ("Mn", "Me", "Cf"))
    return _words("".join(map(_prototype, bare)).casefold()), _words("".join(map(_prototype, bare.casefold())))


def _words(text: str) -> str:
    return re.sub(r"[\W_]+", "-", text).strip("-")


def _prototype(character: str) -> str:
    """Return the character that stands for all that look like this one."""
    alike = [str(known["c"]) for known in confusables_data.get(character, [])]
    if len(alike) != 1:  # it is alone, or it stands for several itself
        return character
    (other,) = alike
    return other if len(confusables_data.get(other, [])) > 1 else min(character, other)

"""The allowed characters of names, and how to show names with others (docs/wire.md, "Names and limits").

Names of rooms, events and people must not have *hidden* characters: Unicode's control and format characters, lone
surrogates, line separators, and characters without a glyph (Default_Ignorable_Code_Point). Exceptions are those that a
script or an emoji needs: joiners by the rules of IDNA (RFC 5892, appendix A), and variation selectors after a character
that has variations. The server refuses other names; views escape and isolate those of older events.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache

_REFUSED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_IGNORABLE = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\u2800"  # grapheme joiner, fillers, Khmer vowels, a pattern without dots
    + "".join(map(chr, [*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]))
)
_ZWNJ, _ZWJ = "\u200c", "\u200d"
_VIRAMA = 9  # the canonical combining class of signs that join what stands beside them
_ARABIC = range(0x0620, 0x0700)
_NOT_JOINING = frozenset(  # Arabic letters that never join the next one: a ZWNJ behind one shows nothing
    "\u0621\u0622\u0623\u0624\u0625\u0627\u0629\u062f\u0630\u0631\u0632\u0648\u0671\u0672\u0673\u0674\u0675\u0676\u0677"
    "\u06c0\u06c3\u06c4\u06c5\u06c6\u06c7\u06c8\u06c9\u06ca\u06cb\u06cd\u06cf\u06d2\u06d3\u06d5\u06dd\u06ee\u06ef"
    + "".join(map(chr, range(0x0688, 0x069A)))
)
_FSI, _PDI = "\u2068", "\u2069"
_SUSPECT = re.compile("[^\x20-\x7e]")
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # letters and signs that are drawn as nothing
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
LONGEST = 64
"""Characters of the longest name that a client may give itself."""


def hidden(text: str, *, variations: bool = True) -> Iterator[int]:
    """Yield the positions of characters that a name may not have.

    Parameters
    ----------
    text : str
    variations : bool
        Whether variation selectors are allowed after a character with variations. In names that are compared they are
        not.
    """
    if text.isascii() and text.isprintable():
        return
    for match in _SUSPECT.finditer(text):
        position, character = match.start(), match[0]
        if character in _IGNORABLE:
            if not (variations and _varies(text, position)):
                yield position
        elif unicodedata.category(character) in _REFUSED and not _joins(text, position):
            yield position


def fault(name: str, longest: int = LONGEST) -> str | None:
    """Return the reason to refuse a name that a client gives itself, as the end of a sentence, or None.

    Hidden characters can hide a part of a name, or reverse the text after it. A name of blanks cannot be seen.
    """
    if len(name) > longest:
        return f"has {len(name)} characters; a name has at most {longest}"
    for position in hidden(name):
        return (
            f"has the control, format or invisible character U+{ord(name[position]):04X} at position {position}: "
            "a name has visible characters and spaces only"
        )
    if name and not any(map(_is_visible, name)):
        return "has no visible character"
    return None


def displayable(text: str, longest: int = LONGEST) -> str:
    """Return a text as a name: hidden characters are replaced by U+FFFD, and a text over ``longest`` is cut.

    The name is "" if the text has no visible character.
    """
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    if text.isascii() and text.isprintable():
        return text if text.strip() else ""
    return _replaced(text, lambda _: _REPLACEMENT) if any(map(_is_visible, text)) else ""


def escaped(text: str) -> str:
    r"""Return a text with its hidden characters as Python writes them (``\u202e``).

    For events that were stored by versions without this rule.
    """
    return _replaced(text, lambda character: character.encode("unicode_escape", "surrogatepass").decode())


@lru_cache(maxsize=4096)
def isolated(text: str) -> str:
    """Return a text that does not reorder the text beside it.

    Text that is written from right to left is put between U+2068 and U+2069 (Unicode's isolates, which are drawn as
    nothing). Any other text is returned unchanged.
    """
    if text.isascii() or not any(unicodedata.bidirectional(each) in ("R", "AL", "AN") for each in text):
        return text
    return f"{_FSI}{text}{_PDI}"


def _replaced(text: str, replace: Callable[[str], str]) -> str:
    at_fault = set(hidden(text))
    if not at_fault:
        return text
    return "".join(replace(each) if at in at_fault else each for at, each in enumerate(text))


def _is_visible(character: str) -> bool:
    return unicodedata.category(character)[0] not in "ZM" and character not in _BLANK


def _joins(text: str, position: int) -> bool:
    """Return whether a character is a joiner where its script needs one, or inside an emoji."""
    character, before, after = text[position], text[position - 1 : position], text[position + 1 : position + 2]
    if character not in (_ZWNJ, _ZWJ) or not before:
        return False
    if unicodedata.combining(before) == _VIRAMA:
        return True
    if character == _ZWJ:
        return bool(after) and unicodedata.category(after) == "So" and _is_emoji_end(before)
    before = text[:position].rstrip("".join(filter(unicodedata.combining, text[:position])))[-1:]
    return _is_arabic(before) and before not in _NOT_JOINING and _is_arabic(after)


def _is_emoji_end(character: str) -> bool:
    return unicodedata.category(character) in ("So", "Sk") or character == "\ufe0f"


def _is_arabic(character: str) -> bool:
    return bool(character) and ord(character) in _ARABIC and unicodedata.category(character) == "Lo"


def _varies(text: str, position: int) -> bool:
    """Return whether a character is a variation selector behind an emoji, an ideograph or a Mongolian letter."""
    code, before = ord(text[position]), text[position - 1 : position]
    if not before:
        return False
    if 0xFE00 <= code <= 0xFE0F:
        keycap = text[position + 1 : position + 2] == "\u20e3"
        return keycap or unicodedata.category(before) in ("So", "Sm") or _is_ideograph(before)
    if 0xE0100 <= code <= 0xE01EF:
        return _is_ideograph(before)
    return 0x180B <= code <= 0x180F and 0x1820 <= ord(before) <= 0x18AA


def _is_ideograph(character: str) -> bool:
    return unicodedata.name(character, "").startswith("CJK")

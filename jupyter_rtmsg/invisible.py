"""Characters that nobody sees, or that turn the text around them: found in names, escaped and isolated in views.

The rule is that of docs/wire.md ("Names and limits"). It refuses Unicode's control and format characters, lone
surrogates, ends of lines, and everything that is drawn as nothing (Default_Ignorable_Code_Point), except where a script
or an emoji needs it: joiners by the rules of IDNA (RFC 5892, appendix A), variation selectors behind what they vary.
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


def hidden(text: str, *, variations: bool = True) -> Iterator[int]:
    """Yield the positions of characters that a name may not have.

    Parameters
    ----------
    text : str
    variations : bool
        Whether variation selectors may stand behind what they vary. Names that are compared, and not only seen, have
        none.
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


def escaped(text: str) -> str:
    r"""Return a text with its hidden characters as Python writes them (``\u202e``).

    Events that were stored before names had a rule are shown so.
    """
    return _replaced(text, lambda character: character.encode("unicode_escape", "surrogatepass").decode())


def replaced(text: str, replacement: str) -> str:
    """Return a text with another character in the place of each hidden one."""
    return _replaced(text, lambda _: replacement)


@lru_cache(maxsize=4096)
def isolated(text: str) -> str:
    """Return a text that does not move what stands beside it, whatever the direction in which it is written.

    Text from right to left is put between U+2068 and U+2069, which are drawn as nothing; any other stays as it is.
    """
    if text.isascii() or not any(unicodedata.bidirectional(each) in ("R", "AL", "AN") for each in text):
        return text
    return f"{_FSI}{text}{_PDI}"


def _replaced(text: str, replace: Callable[[str], str]) -> str:
    at_fault = set(hidden(text))
    if not at_fault:
        return text
    return "".join(replace(each) if at in at_fault else each for at, each in enumerate(text))


def _joins(text: str, position: int) -> bool:
    """Tell whether a character is a joiner where its script needs one, or inside an emoji."""
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
    """Tell whether a character is a variation selector behind an emoji, an ideograph or a Mongolian letter."""
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

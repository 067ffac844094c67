"""The rule for the names by which people see each other (docs/wire.md, "Who is speaking")."""

from __future__ import annotations

import unicodedata

from .invisible import hidden, replaced

LONGEST = 64
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # letters and signs that nobody sees
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def fault(name: str, longest: int = LONGEST) -> str | None:
    """Return what is wrong with a name that a client gives itself, or None.

    Control, format and invisible characters can hide a part of a name, or turn the text behind it around; see
    `jupyter_rtmsg.invisible`. A name of blanks shows nothing.
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


def _is_visible(character: str) -> bool:
    return unicodedata.category(character)[0] not in "ZM" and character not in _BLANK


def displayable(text: str, longest: int = LONGEST) -> str:
    """Return a text as a name: what is refused in one is replaced by U+FFFD, and what is too long is cut.

    A text without anything visible gives no name: "".
    """
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    if text.isascii() and text.isprintable():
        return text if text.strip() else ""
    return replaced(text, _REPLACEMENT) if any(map(_is_visible, text)) else ""

"""The pattern of a worker group for the names of its events."""

from __future__ import annotations

import re


class NamePattern:
    """A pattern in which ``*`` stands for any text and ``?`` for one character.

    The texts between the stars are looked for one after the other, each at the first place behind the one before. If
    there is a match at all, this finds one, so no star is tried twice. A regular expression for the whole pattern may
    take for ever, and matching in Python takes half a millisecond for a name of 128 characters, in each group of the
    room.

    Parameters
    ----------
    pattern : str
    """

    # `_tail` is None without a star. All parts have a fixed length.

    __slots__ = ("_head", "_inner", "_tail", "_tail_length")

    def __init__(self, pattern: str) -> None:
        head, *others = pattern.split("*")
        self._head = _compiled(head)
        self._tail_length = len(others[-1]) if others else 0
        self._tail = _compiled(others[-1]) if others else None
        self._inner = [_compiled(part) for part in others[:-1] if part]

    def matches(self, name: str) -> bool:
        """Tell whether the pattern matches a whole name."""
        if self._tail is None:
            return self._head.fullmatch(name) is not None
        found = self._head.match(name)
        end = len(name) - self._tail_length
        if found is None or end < found.end() or self._tail.match(name, end) is None:
            return False
        for part in self._inner:
            found = part.search(name, found.end(), end)
            if found is None:
                return False
        return True


def _compiled(part: str) -> re.Pattern[str]:
    return re.compile("".join("." if character == "?" else re.escape(character) for character in part), re.DOTALL)

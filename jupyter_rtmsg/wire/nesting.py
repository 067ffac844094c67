"""Limits of JSON before it is parsed: the depth of its nesting, and the number of its lists and objects.

All clients wait while a message is examined, so each step is one call of a method of ``bytes``: a loop over brackets
would take a hundred times as long. The result is exact for valid JSON; the parser refuses any other text later.
"""

from __future__ import annotations

from array import array
from itertools import accumulate

MAX_CONTAINERS = 200_000
"""Lists and objects in one message of up to a megabyte; in a larger one, a fifth of its bytes."""

_LOPSIDED = 20_000  # brackets that are counted one by one; in a large message, a tenth of its bytes
_SQUARE = bytes.maketrans(b"{}", b"[]")
_OTHERS = bytes(set(range(256)) - set(b'[]{}"'))
_STEPS = bytes.maketrans(b"[]", b"\x01\xff")  # as signed bytes: one level down, one up


def nesting_fault(text: str | bytes, max_depth: int, max_containers: int | None = None) -> str | None:
    """Return the reason to refuse a JSON text, or None if it is within the limits.

    Parameters
    ----------
    text : str or bytes
    max_depth : int
        The largest number of nested lists and objects.
    max_containers : int, optional
        The largest number of lists and objects in all; by default `MAX_CONTAINERS`.
    """
    if len(text) <= 2 * max_depth:
        return None
    # An upper bound, since it counts brackets in strings, too. Nearly all messages have so few that they pass here.
    upper = text.count(b"[") + text.count(b"{") if isinstance(text, bytes) else text.count("[") + text.count("{")
    if upper <= max_depth:
        return None
    data = text if isinstance(text, bytes) else text.encode(errors="surrogatepass")
    brackets = _brackets(data)
    limit = max(MAX_CONTAINERS, len(data) // 5) if max_containers is None else max_containers
    if upper > limit and (count := brackets.count(b"[")) > limit:
        return f"JSON of {count:,} lists and objects, more than {limit:,}: send less of it, or bytes"
    return _depth_fault(brackets, max_depth, max(_LOPSIDED, len(data) // 10))


def _brackets(data: bytes) -> bytes:
    """Return the brackets of a JSON text outside of its strings, with braces replaced by square brackets."""
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = data.translate(_SQUARE, _OTHERS)
    if b'"' in brackets:
        # Two adjacent quotes are an empty string, or the end of one string and the start of the next. Removing them
        # leaves the text outside of strings as it was.
        brackets = b"".join(brackets.replace(b'""', b"").split(b'"')[::2])
    return brackets


def _depth_fault(brackets: bytes, max_depth: int, lopsided: int) -> str | None:
    """Remove the innermost level as long as that removes many brackets; then count the rest one by one."""
    deep = f"JSON nested more than {max_depth} levels deep"
    levels = 0
    before = 2 * len(brackets)
    while len(brackets) > _LOPSIDED and len(brackets) <= 0.75 * before:
        before = len(brackets)
        brackets = brackets.replace(b"[]", b"")
        levels += 1
    if len(brackets) > lopsided:
        return f"{deep}, or of {len(brackets):,} lists that hold hardly anything but lists"
    deepest = max(accumulate(array("b", brackets.translate(_STEPS))), default=0)
    return deep if levels + deepest > max_depth else None

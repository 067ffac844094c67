"""How deeply JSON is nested, and how many lists and objects it has, found out before it is parsed.

Everybody waits while a message is looked at, so each step is one call of a method of ``bytes``: a loop over brackets
would take a hundred times as long. What is found is exact for JSON; a text that is none is found out by the parser.
"""

from __future__ import annotations

from array import array
from itertools import accumulate

MAX_CONTAINERS = 200_000
"""Lists and objects in one message; beyond a megabyte, one in five bytes."""

_LOPSIDED = 20_000  # brackets that are counted one by one; beyond that, one in ten bytes
_SQUARE = bytes.maketrans(b"{}", b"[]")
_OTHERS = bytes(set(range(256)) - set(b'[]{}"'))
_STEPS = bytes.maketrans(b"[]", b"\x01\xff")  # as signed bytes: one level down, one up


def nesting_fault(text: str | bytes, max_depth: int, max_containers: int | None = None) -> str | None:
    """Return why a JSON text may not be taken, or None if it may.

    Parameters
    ----------
    text : str or bytes
    max_depth : int
        How deeply lists and objects may be nested.
    max_containers : int, optional
        How many there may be; by default `MAX_CONTAINERS`.
    """
    if len(text) <= 2 * max_depth:
        return None
    # Brackets in strings among them; nearly every message has so few that it is not even encoded.
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
    """Return the brackets of a JSON text that stand in no string, all of them square ones."""
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = data.translate(_SQUARE, _OTHERS)
    if b'"' in brackets:
        # Two quotes side by side are an empty string, or the border of two: without them the rest is what it was.
        brackets = b"".join(brackets.replace(b'""', b"").split(b'"')[::2])
    return brackets


def _depth_fault(brackets: bytes, max_depth: int, lopsided: int) -> str | None:
    """Take the innermost level away while that takes much away; follow the brackets that are left one by one."""
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

"""An event's data as text for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def data_text(data: Any, limit: int) -> str:
    """Write data as JSON, bytes by their size, cut after a number of characters."""
    text = ""
    for piece in _pieces(data, limit):
        text += piece
        if len(text) > limit:
            return text[:limit] + "…"
    return text


def _pieces(data: Any, limit: int) -> Iterator[str]:
    """Yield JSON bit by bit, so that a long list costs no more than what is shown of it."""
    if isinstance(data, (bytes, bytearray, memoryview)):
        yield f"<{len(data):,} bytes>"
    elif isinstance(data, str):
        yield json.dumps(data[: limit + 1], ensure_ascii=False)
    elif isinstance(data, Mapping):
        yield from _joined("{}", (_entry(key, value, limit) for key, value in data.items()))
    elif isinstance(data, (list, tuple)):
        yield from _joined("[]", (_pieces(item, limit) for item in data))
    else:
        yield json.dumps(data, default=str)


def _entry(key: Any, value: Any, limit: int) -> Iterator[str]:
    yield from _pieces(str(key), limit)
    yield ": "
    yield from _pieces(value, limit)


def _joined(brackets: str, items: Iterator[Iterator[str]]) -> Iterator[str]:
    yield brackets[0]
    for index, item in enumerate(items):
        if index:
            yield ", "
        yield from item
    yield brackets[1]

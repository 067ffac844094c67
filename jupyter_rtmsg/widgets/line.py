"""An event as one line of a view: text only, and not too long."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypedDict

from jupyter_rtmsg.event import Event

MAX_TEXT = 500


class Line(TypedDict):
    """What the browser is sent of an event."""

    name: str
    data: str | None
    sender: str
    ts: int
    seq: int | None
    replay: bool


def line(event: Event, names: Mapping[str, str]) -> Line:
    """Make the line of an event.

    Parameters
    ----------
    event : Event
    names : mapping
        From member ids to what people are called.
    """
    return {
        "name": event.name,
        "data": None if event.data is None else data_text(event.data),
        "sender": names.get(event.sender.member, event.sender.user),
        "ts": event.ts,
        "seq": event.seq,
        "replay": event.replay,
    }


def data_text(data: Any, limit: int = MAX_TEXT) -> str:
    """Write data as JSON, bytes by their size, cut after a number of characters."""
    text = ""
    for piece in _pieces(data):
        text += piece
        if len(text) > limit:
            return text[:limit] + "…"
    return text


def _pieces(data: Any) -> Iterator[str]:
    """Yield JSON bit by bit, so that a long list costs no more than what is shown of it.

    `json.JSONEncoder.iterencode` would do the same, but writes bytes only as something that is quoted.
    """
    if isinstance(data, (bytes, bytearray, memoryview)):
        yield f"<{len(data):,} bytes>"
    elif isinstance(data, str):
        yield json.dumps(data if len(data) <= MAX_TEXT else data[:MAX_TEXT] + "…", ensure_ascii=False)
    elif isinstance(data, Mapping):
        yield from _joined("{}", (_entry(key, value) for key, value in data.items()))
    elif isinstance(data, (list, tuple)):
        yield from _joined("[]", (_pieces(item) for item in data))
    else:
        yield json.dumps(data, default=str)


def _entry(key: Any, value: Any) -> Iterator[str]:
    yield json.dumps(str(key), ensure_ascii=False) + ": "
    yield from _pieces(value)


def _joined(brackets: str, items: Iterator[Iterator[str]]) -> Iterator[str]:
    yield brackets[0]
    for index, item in enumerate(items):
        if index:
            yield ", "
        yield from item
    yield brackets[1]

"""Reading a room's log page by page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from jupyter_rtmsg.event import Event

from .events import Events
from .inbox import event_of
from .place import Era

PAGE = 500
Ask: TypeAlias = "Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]"


async def read_history(
    ask: Ask,
    room: str,
    *,
    last: int | None = None,
    limit: int | None = None,
    you: str | None = None,
    **wanted: Any,
) -> Events:
    """Read as many pages as it takes.

    Parameters
    ----------
    ask : callable
        Sends a command and returns the reply.
    room : str
    last : int, optional
        The last so many; the pages are read backwards.
    limit : int, optional
        At most so many from the beginning.
    you : str, optional
        The user who reads.
    **wanted
        ``after``, ``epoch``, ``before``, ``since``, ``event``, ``sender`` as in docs/wire.md; None is left out.
    """
    request = {"room": room, **{key: value for key, value in wanted.items() if value is not None}}
    if last is not None:
        pages = await _backwards(ask, request, last)
    else:
        pages = await _forwards(ask, request, limit)
    return Events((_event(room, fields) for page in pages for fields in page), you)


async def _forwards(ask: Ask, request: dict[str, Any], limit: int | None) -> list[list[dict[str, Any]]]:
    pages: list[list[dict[str, Any]]] = []
    missing = limit if limit is not None else float("inf")
    while missing > 0:
        reply = await ask("history", {**request, "limit": int(min(missing, PAGE))})
        pages.append(reply["events"])
        missing -= len(reply["events"])
        if not reply["more"]:
            break
        request |= {"after": reply["through"], **(Era.of(reply).fields if "epoch" in request else {})}
    return pages


async def _backwards(ask: Ask, request: dict[str, Any], last: int) -> list[list[dict[str, Any]]]:
    pages: list[list[dict[str, Any]]] = []
    while last > 0:
        reply = await ask("history", {**request, "last": min(last, PAGE)})
        events = reply["events"]
        if not events:
            break
        pages.insert(0, events)
        last -= len(events)
        request = {**request, "before": events[0]["seq"]}
        if events[0]["seq"] <= reply["first"]:  # `more` speaks of what comes after a page
            break
    return pages


def _event(room: str, fields: Mapping[str, Any]) -> Event:
    return event_of(room, fields["event"], fields.get("data"), fields, replay=True)


def milliseconds(time: float | datetime | None) -> int | None:
    """Return a time, in seconds since 1970 or as a datetime, as the wire says it."""
    if isinstance(time, datetime):
        time = time.timestamp()
    return None if time is None else round(time * 1000)

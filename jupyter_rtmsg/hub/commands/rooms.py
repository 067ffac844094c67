"""``rooms``: the rooms that somebody may read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from jupyter_rtmsg.hub.names import LONGEST
from jupyter_rtmsg.hub.reply import Reply
from jupyter_rtmsg.hub.request import Request, flag, optional_count, optional_text
from jupyter_rtmsg.log.eventlog import RoomStats

PAGE = 500
"""Rooms on a page."""
EXAMINED = 500
"""Rooms of which one step of the loop finds out whether they may be read."""

if TYPE_CHECKING:
    from jupyter_rtmsg.hub.connection import Connection
    from jupyter_rtmsg.hub.hub import Hub


async def rooms(hub: Hub, connection: Connection, request: Request) -> Reply:
    """List a page of the rooms that hold events or have members, by name.

    With ``watch``, tell once when the list has changed since.
    """
    after = optional_text(request, "after", longest=LONGEST) or ""
    limit = min(optional_count(request, "limit", least=1) or PAGE, PAGE)
    if flag(request, "watch"):
        hub.rooms.watchers.add(connection)
    held = await hub.log.rooms()
    names = sorted(name for name in {*held, *hub.rooms.active} if name > after)
    readable = await _readable(hub, connection, names, limit + 1)
    page = [_described(hub, name, held.get(name) or await hub.log.stats(name)) for name in readable[:limit]]
    through = readable[len(page) - 1] if page else after  # no name that may not be read is told
    return {"ok": True, "rooms": page, "more": len(readable) > limit, "through": through}


async def _readable(hub: Hub, connection: Connection, names: list[str], most: int) -> list[str]:
    """Return the first rooms that may be read, at most so many."""
    readable: list[str] = []
    for at, name in enumerate(names, 1):
        if hub.allows(connection.identity, "read", name):
            readable.append(name)
            if len(readable) == most:
                break
        if not at % EXAMINED:
            await asyncio.sleep(0)
    return readable


def _described(hub: Hub, name: str, stats: RoomStats) -> dict[str, Any]:
    room = hub.rooms.active.get(name)
    held = {"head": stats.head, "first": stats.first, "count": stats.count, "bytes": stats.bytes}
    return {"room": name, **held, "members": len(room.presence) if room else 0}

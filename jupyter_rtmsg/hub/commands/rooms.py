"""``rooms``: the rooms that somebody may read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyter_rtmsg.hub.names import LONGEST
from jupyter_rtmsg.hub.reply import Reply
from jupyter_rtmsg.hub.request import Request, flag, optional_count, optional_text
from jupyter_rtmsg.log.eventlog import RoomStats

PAGE = 500
"""Rooms on a page."""
EXAMINED = 2_000
"""Rooms of which a page finds out whether they may be read."""

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
    page: list[dict[str, Any]] = []
    through = after
    for through in names[:EXAMINED]:
        if hub.allows(connection.identity, "read", through):
            page.append(_described(hub, through, held.get(through) or await hub.log.stats(through)))
            if len(page) == limit:
                break
    return {"ok": True, "rooms": page, "more": bool(names) and through < names[-1], "through": through}


def _described(hub: Hub, name: str, stats: RoomStats) -> dict[str, Any]:
    room = hub.rooms.active.get(name)
    held = {"head": stats.head, "first": stats.first, "count": stats.count, "bytes": stats.bytes}
    return {"room": name, **held, "members": len(room.presence) if room else 0}

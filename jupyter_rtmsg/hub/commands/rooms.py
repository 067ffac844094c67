"""``rooms``: the rooms that somebody may read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from jupyter_rtmsg.hub.reply import Reply
from jupyter_rtmsg.hub.request import Request, flag
from jupyter_rtmsg.log.eventlog import RoomStats

if TYPE_CHECKING:
    from jupyter_rtmsg.hub.connection import Connection
    from jupyter_rtmsg.hub.hub import Hub


async def rooms(hub: Hub, connection: Connection, request: Request) -> Reply:
    """List the rooms that hold events or have members; with ``watch``, tell once when the list has changed since."""
    if flag(request, "watch"):
        hub.rooms.watchers.add(connection)
    held = dict(await hub.log.rooms())
    for name in hub.rooms.active.keys() - held.keys():
        held[name] = await hub.log.stats(name)
    readable = [name for name in sorted(held) if hub.allows(connection.identity, "read", name)]
    return {"ok": True, "rooms": [_described(hub, name, held[name]) for name in readable]}


def _described(hub: Hub, name: str, stats: RoomStats) -> dict[str, Any]:
    room = hub.rooms.active.get(name)
    return {"room": name, **msgspec.structs.asdict(stats), "members": len(room.presence) if room else 0}

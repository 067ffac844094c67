"""``presence``: who is in a room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_rtmsg.hub.reply import Reply
from jupyter_rtmsg.hub.request import Request

from .command import readable_room

if TYPE_CHECKING:
    from jupyter_rtmsg.hub.connection import Connection
    from jupyter_rtmsg.hub.hub import Hub


def presence(hub: Hub, connection: Connection, request: Request) -> Reply:
    """List the members of a room, joined or not."""
    room = hub.rooms.active.get(readable_room(hub, connection, request))
    if room is None:
        return {"ok": True, "members": [], "count": 0}
    members = room.presence.listing(connection.identity.principal, hub.limits.listed)
    return {"ok": True, "members": members, "count": len(room.presence)}

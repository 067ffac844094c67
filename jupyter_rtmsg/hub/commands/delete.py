"""``delete``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_rtmsg.hub.names import room_name
from jupyter_rtmsg.hub.reply import Reply
from jupyter_rtmsg.hub.request import Request, text

if TYPE_CHECKING:
    from jupyter_rtmsg.hub.connection import Connection
    from jupyter_rtmsg.hub.hub import Hub


async def delete(hub: Hub, connection: Connection, request: Request) -> Reply:
    """Delete a room with all that it holds, for everybody; its members are told, and out."""
    name = room_name(text(request, "room"))
    stats = await hub.log.stats(name)
    hub.require_manage(connection, name, stats.maker)
    gone = await hub.log.delete(name)
    subscriptions = hub.subscriptions.in_room(name)
    await hub.follower.reached(gone.seq)
    await hub.dissolve(name, connection.identity.principal)
    await hub.subscriptions.end_slowly(subscriptions)
    return {"ok": True, "deleted": stats.count}

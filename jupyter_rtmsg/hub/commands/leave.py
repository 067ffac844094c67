"""``leave``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_rtmsg.hub.reply import Reply
from jupyter_rtmsg.hub.request import Request

from .command import joined

if TYPE_CHECKING:
    from jupyter_rtmsg.hub.connection import Connection
    from jupyter_rtmsg.hub.hub import Hub


async def leave(hub: Hub, connection: Connection, request: Request) -> Reply:
    """Receive nothing more of a room; a subscription keeps its place."""
    membership = joined(connection, request)
    forgotten = hub.recovery.forget(connection) if hub.recovery else None
    hub.remove(membership)
    if forgotten:
        await forgotten  # or the connection could be recovered with a room too many
    return {"ok": True}

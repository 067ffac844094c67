"""``leave``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_rtmsg.hub.reply import Reply
from jupyter_rtmsg.hub.request import Request

from .command import joined

if TYPE_CHECKING:
    from jupyter_rtmsg.hub.connection import Connection
    from jupyter_rtmsg.hub.hub import Hub


def leave(hub: Hub, connection: Connection, request: Request) -> Reply:
    """Receive nothing more of a room; a subscription keeps its place."""
    hub.remove(joined(connection, request))
    return {"ok": True}

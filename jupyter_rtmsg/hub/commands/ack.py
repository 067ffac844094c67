"""``ack``: moves a subscription's cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_rtmsg.errors import NotJoined
from jupyter_rtmsg.hub.reply import Reply
from jupyter_rtmsg.hub.request import Request, count, optional_text

from .command import joined, located

if TYPE_CHECKING:
    from jupyter_rtmsg.hub.connection import Connection
    from jupyter_rtmsg.hub.hub import Hub


def ack(hub: Hub, connection: Connection, request: Request) -> Reply:
    """Count everything up to a position as handled; only the subscription's owner may."""
    membership = joined(connection, request)
    name = optional_text(request, "as", longest=hub.limits.identifier)
    row = membership.subscription
    if row is None or (name is not None and not membership.is_called(name)):
        raise NotJoined(f"this connection has not joined room {membership.room.name!r} as {name!r}")
    position = located(hub, count(request, "seq"), "seq")
    if position > row.cursor(hub.log.epoch):
        hub.subscriptions.move(row, position)
        hub.activity.acknowledged(connection)
    return {"ok": True, "cursor": row.cursor(hub.log.epoch)}

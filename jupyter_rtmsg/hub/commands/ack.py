"""``ack``: moves a subscription's cursor, and says that handlers have worked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_rtmsg.errors import NotJoined
from jupyter_rtmsg.hub.reply import Reply
from jupyter_rtmsg.hub.request import Request, count, flag, optional_count, optional_text

from .command import joined, located

if TYPE_CHECKING:
    from jupyter_rtmsg.hub.connection import Connection
    from jupyter_rtmsg.hub.hub import Hub


def ack(hub: Hub, connection: Connection, request: Request) -> Reply:
    """Count everything up to a position as handled; only the subscription's owner may.

    A kernel without a subscription says only that its handlers work: nothing is kept of it.
    """
    membership = joined(connection, request)
    name = optional_text(request, "as", longest=hub.limits.identifier)
    row = membership.subscription
    called = row is not None and (name is None or membership.is_called(name))
    if not called and (name is not None or connection.identity.kernel is None):
        raise NotJoined(f"this connection has not joined room {membership.room.name!r} as {name!r}")
    seq = count(request, "seq")
    position = located(hub, request, seq, "seq")
    is_news = row is None or hub.subscriptions.is_news(row, position)
    if row is not None and is_news:
        n = optional_count(request, "n")
        hub.subscriptions.move(row, position, n if position == seq else None)
    if is_news and not flag(request, "idle"):
        hub.activity.acknowledged(connection)
    return {"ok": True, "cursor": None if row is None else hub.subscriptions.cursor(row)}

"""``lag``: how much a subscription, or a position, is behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_rtmsg.errors import BadRequest, NotJoined
from jupyter_rtmsg.hub.reply import Reply
from jupyter_rtmsg.hub.request import Request, optional_count

from .command import located, only_one, readable_room, subscription_key

if TYPE_CHECKING:
    from jupyter_rtmsg.hub.connection import Connection
    from jupyter_rtmsg.hub.hub import Hub


async def lag(hub: Hub, connection: Connection, request: Request) -> Reply:
    """Count what is stored after a cursor."""
    name = readable_room(hub, connection, request)
    only_one(request, "after", "as")
    after = optional_count(request, "after")
    if after is None:
        after = await _cursor(hub, connection, request, name)
    while True:
        epoch, here = hub.log.epoch, located(hub, after, "after")
        behind = await hub.log.lag(name, here)
        if epoch == hub.log.epoch:
            break  # else the log was moved meanwhile
    return {
        "ok": True,
        "missed": behind.missed,
        "bytes": behind.bytes,
        "oldest": behind.oldest,
        "by_event": dict(behind.by_event),
        "cursor": here,
    }


async def _cursor(hub: Hub, connection: Connection, request: Request, room: str) -> int:
    membership = connection.memberships.get(room)
    key = subscription_key(hub, connection, request, room)
    if request.get("as") is None and membership and membership.key:
        key = membership.key
    if key is None:
        raise BadRequest("a lag needs a subscription (`as`) or a position (`after`)")
    cursor = await hub.subscriptions.find(key)
    if cursor is None:
        raise NotJoined(f"nobody has ever joined room {room!r} as {key.name!r}")
    return hub.log.locate(cursor.position, cursor.epoch) or 0

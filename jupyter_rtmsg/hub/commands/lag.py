"""``lag``: how much a subscription, or a position, is behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_rtmsg.errors import BadRequest, NotJoined
from jupyter_rtmsg.hub.reply import Reply
from jupyter_rtmsg.hub.request import Request, optional_count

from .command import located, only_one, readable_room, subscription_name

if TYPE_CHECKING:
    from jupyter_rtmsg.hub.connection import Connection
    from jupyter_rtmsg.hub.hub import Hub


async def lag(hub: Hub, connection: Connection, request: Request) -> Reply:
    """Count what is stored after a cursor."""
    name = readable_room(hub, connection, request)
    only_one(request, "after", "as")
    after = optional_count(request, "after")
    while True:
        epoch = hub.log.epoch
        here = _cursor(hub, connection, request, name) if after is None else located(hub, request, after, "after")
        behind = await hub.log.lag(name, here)
        if epoch == hub.log.epoch:
            break  # else the log was moved meanwhile
    return {
        "ok": True,
        "missed": behind.missed,
        "bytes": behind.bytes,
        "oldest": behind.oldest,
        "by_event": dict(behind.by_event),
        "rest": {
            "names": behind.names - len(behind.by_event),
            "events": behind.missed - sum(behind.by_event.values()),
        },
        "cursor": here,
    }


def _cursor(hub: Hub, connection: Connection, request: Request, room: str) -> int:
    membership = connection.memberships.get(room)
    name = subscription_name(hub, connection, request)
    if membership and membership.subscription and (request.get("as") is None or membership.is_called(request["as"])):
        return hub.subscriptions.cursor(membership.subscription)
    if name is None:
        raise BadRequest("a lag needs a subscription (`as`) or a position (`after`)")
    row = hub.subscriptions.find(connection.identity.principal, room, name)
    if row is None:
        raise NotJoined(f"nobody has ever joined room {room!r} as {name.label!r}, or that subscription has ended")
    return hub.subscriptions.cursor(row)

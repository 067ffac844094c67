"""``subscriptions`` and ``unsubscribe``: what the hub remembers for somebody, and how that is forgotten."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from jupyter_rtmsg.errors import NotJoined
from jupyter_rtmsg.hub.names import room_name
from jupyter_rtmsg.hub.reply import Reply
from jupyter_rtmsg.hub.request import Request, optional_text, text
from jupyter_rtmsg.log.kept import Subscription
from jupyter_rtmsg.wire.data import encode_json

TURN = 100  # subscriptions that are described before others have their turn

if TYPE_CHECKING:
    from jupyter_rtmsg.hub.connection import Connection
    from jupyter_rtmsg.hub.hub import Hub


async def subscriptions(hub: Hub, connection: Connection, request: Request) -> Reply:
    """List one's own subscriptions, in all rooms or in one; the latest used first, those that have ended last."""
    room = optional_text(request, "room", longest=hub.limits.identifier)
    rows = [row for row in hub.subscriptions.of(connection.identity.principal) if room in (None, row.room)]
    rows.sort(key=lambda row: (row.ended is None, row.used, row.id), reverse=True)
    listed: list[dict[str, Any]] = []
    left = hub.limits.page_bytes
    for at, row in enumerate(rows, 1):
        described = await _described(hub, row)
        if not at % TURN:
            await asyncio.sleep(0)
        left -= len(encode_json(described)) + 1
        if left < 0:
            break
        listed.append(described)
    return {"ok": True, "subscriptions": listed, "count": len(rows), "more": len(listed) < len(rows)}


async def unsubscribe(hub: Hub, connection: Connection, request: Request) -> Reply:
    """Forget a subscription of one's own; whoever uses it goes on until it leaves, and begins anew next time."""
    room = room_name(text(request, "room"))
    name, user = text(request, "as"), connection.identity.principal
    deleted = await hub.subscriptions.delete(user, room, name)
    if not deleted:
        raise NotJoined(
            f"{user} has no subscription {name!r:.80} in room {room!r}: `subscriptions` lists those that are"
        )
    return {"ok": True, "deleted": deleted}


async def _described(hub: Hub, row: Subscription) -> dict[str, Any]:
    ahead = hub.log.subscriptions.now() - hub.log.now()  # of log time, by which they are kept
    age = hub.limits.subscription_age
    described: dict[str, Any] = {
        "room": row.room,
        "as": row.label,
        "kind": "name" if row.path is None else "notebook",
        "cursor": hub.subscriptions.cursor(row),
        "head": (await hub.log.stats(row.room)).head,
        "used": row.used - ahead,
        "live": hub.subscriptions.owner(row) is not None,
    }
    if row.ended is not None:
        described["ended"] = row.ended - ahead
    elif age:
        described["expires"] = described["used"] + int(age * 1000)
    return described

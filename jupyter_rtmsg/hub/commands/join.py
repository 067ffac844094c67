"""``join``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_rtmsg.errors import LimitExceeded
from jupyter_rtmsg.hub.reply import Reply
from jupyter_rtmsg.hub.request import Request
from jupyter_rtmsg.hub.room import Room
from jupyter_rtmsg.hub.start import Start, Wanted
from jupyter_rtmsg.log.eventlog import CursorKey

from .command import readable_room, subscription_key

if TYPE_CHECKING:
    from jupyter_rtmsg.hub.connection import Connection
    from jupyter_rtmsg.hub.hub import Hub


async def join(hub: Hub, connection: Connection, request: Request) -> Reply:
    """Answer, then send what was missed, then what comes."""
    name = readable_room(hub, connection, request)
    wanted = Wanted.of(request, hub.limits)
    await hub.find_notebook(connection)
    key = subscription_key(hub, connection, request, name)
    if name not in connection.memberships and len(connection.memberships) >= hub.limits.rooms_per_connection:
        limit = hub.limits.rooms_per_connection
        raise LimitExceeded(f"this connection is in {limit} rooms, and may not be in more: leave one")
    room = hub.rooms.open(name, lambda: hub.follower.position)
    try:
        return await _join(hub, connection, room, wanted, key)
    finally:
        room.joining -= 1
        hub.settle(room)


async def _join(hub: Hub, connection: Connection, room: Room, wanted: Wanted, key: CursorKey | None) -> Reply:
    forgotten = hub.recovery.forget(connection) if hub.recovery else None
    while True:
        resets = hub.follower.resets
        saved = None if key is None else await hub.subscriptions.cursor(key)
        start = await hub.starts.find(room, wanted, saved, named=key is not None)
        stats = await hub.log.stats(room.name)
        if forgotten:
            await forgotten
        if resets == hub.follower.resets:
            break  # else the log was replaced meanwhile
    here = None if saved is None else hub.log.locate(saved.position, saved.epoch)
    cursor = start.head if here is None else here
    if key is not None and here is None:
        # From another epoch: what is kept of this one is still to be seen.
        cursor = start.head if saved is None else 0
        hub.subscriptions.move(key, cursor)
    hub.enter(connection, room, start, key, cursor)
    return _reply(hub, connection, room, start, key) | {"first": stats.first}


def _reply(hub: Hub, connection: Connection, room: Room, start: Start, key: CursorKey | None) -> Reply:
    reply: Reply = {
        "ok": True,
        "room": room.name,
        "epoch": hub.log.epoch,
        "head": start.head,
        "cursor": start.cursor,
        "missed": start.missed,
        "recovered": start.reason is None,
        "user": connection.identity.principal,
        "member": connection.identity.member,
        "members": room.presence.listing(connection.identity.principal, hub.limits.listed),
        "count": len(room.presence),
        "durable": hub.log.durable,
    }
    closed, connection.closed = connection.closed, None
    optional = {"warning": hub.log.warning, "reason": start.reason, "as": key and key.name, "closed": closed}
    return reply | {name: value for name, value in optional.items() if value is not None}

"""``delete``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jupyter_rtmsg.hub.names import room_name
from jupyter_rtmsg.hub.reply import Reply
from jupyter_rtmsg.hub.request import Request, text

if TYPE_CHECKING:
    from jupyter_rtmsg.hub.connection import Connection
    from jupyter_rtmsg.hub.hub import Hub

_AT_ONCE = 100
"""Members who are told in one step of the loop."""


async def delete(hub: Hub, connection: Connection, request: Request) -> Reply:
    """Delete a room with all that it holds, for everybody; its members are told, and out."""
    name = room_name(text(request, "room"))
    stats = await hub.log.stats(name)
    # Its first event may be on its way to the disk.
    _require_manage(hub, connection, name, stats.maker if stats.count else hub.rooms.quota.makers.get(name, ""))
    gone = await hub.log.delete(name)
    subscriptions = hub.subscriptions.in_room(name)
    await hub.follower.reached(gone.seq)
    await _dissolve(hub, name, connection.identity.principal)
    await _discount(hub, name)
    await hub.subscriptions.end_slowly(subscriptions)
    return {"ok": True, "deleted": stats.count}


def _require_manage(hub: Hub, connection: Connection, room: str, maker: str) -> None:
    """Refuse to manage a room; raises `Forbidden`.

    Who is not given the right by name has it where it may write, and has made the room or owns the server.
    """
    identity = connection.identity
    if identity.principal not in (maker, hub.owner()) or not hub.allows(identity, "write", room):
        hub.require(connection, "manage", room)


async def _dissolve(hub: Hub, name: str, user: str) -> None:
    """Take everybody out of a room that a user deleted, and tell them."""
    room = hub.rooms.active.get(name)
    if room is None:
        return
    members = room.begin(hub.new_ring())  # joins under way look again where they start
    for i, membership in enumerate(members, 1):
        if membership.connection.memberships.get(name) is membership:
            hub.remove(membership)
            membership.connection.socket.emit("$deleted", {"room": name, "user": user})
            membership.connection.owe()
        if i % _AT_ONCE == 0:
            await asyncio.sleep(0)


async def _discount(hub: Hub, name: str) -> None:
    """Count a room no more, unless it was made again meanwhile."""
    hub.rooms.quota.forget(name)
    stats = await hub.log.stats(name)
    if stats.count:
        hub.rooms.quota.made(name, stats.maker)
    hub.rooms.watchers.changed()

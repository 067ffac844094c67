"""``delete``: removes a room with everything in it."""

from __future__ import annotations

import asyncio

from jupyter_rtmsg.hub.core import HubCore
from jupyter_rtmsg.hub.names import room_name
from jupyter_rtmsg.hub.request import Reply, Request, text
from jupyter_rtmsg.hub.room import Participant

from .command import require_manage

_REMOVED_PER_STEP = 100
"""Members that one step of the event loop removes."""


async def delete(hub: HubCore, participant: Participant, request: Request) -> Reply:
    """Delete a room for everybody: its events, subscriptions and groups, and its members, which get ``$deleted``."""
    name = room_name(text(request, "room"))
    stats = await hub.log.stats(name)
    await require_manage(hub, participant, name)
    gone = await hub.log.delete(name)
    subscriptions = hub.subscriptions.in_room(name)
    await hub.follower.reached(gone.seq)
    hub.groups.delete_room(name, participant.identity.principal)
    hub.wills.forget_room(name)
    await _dissolve(hub, name, participant.identity.principal)
    await _discount(hub, name)
    await hub.subscriptions.end_slowly(subscriptions)
    return {"ok": True, "deleted": stats.count}


async def _dissolve(hub: HubCore, name: str, user: str) -> None:
    """Remove all members from a deleted room, and tell them which user deleted it."""
    room = hub.rooms.active.get(name)
    if room is None:
        return
    members = room.restart(hub.new_ring())  # joins in progress notice the new ring and plan again
    for i, membership in enumerate(members, 1):
        if membership.is_attached:
            hub.remove(membership)
            membership.participant.socket.emit("$deleted", {"room": name, "user": user})
            membership.participant.require_mark()
        if i % _REMOVED_PER_STEP == 0:
            await asyncio.sleep(0)


async def _discount(hub: HubCore, name: str) -> None:
    """Stop counting a room, unless it was made again meanwhile."""
    hub.rooms.quota.forget(name)
    stats = await hub.log.stats(name)
    if stats.count:
        hub.rooms.quota.made(name, stats.maker)
    hub.rooms.watchers.changed()

"""``delete``: removes a room with everything in it."""

from __future__ import annotations

import asyncio

from jupyter_rtmsg.hub.core import HubCore
from jupyter_rtmsg.hub.names import room_name
from jupyter_rtmsg.hub.request import Reply, Request, text
from jupyter_rtmsg.hub.room import Participant

_REMOVED_PER_STEP = 100
"""Members that one step of the event loop removes."""


async def delete(hub: HubCore, participant: Participant, request: Request) -> Reply:
    """Delete a room for everybody: its events, its subscriptions, and its members, which get ``$deleted``."""
    name = room_name(text(request, "room"))
    stats = await hub.log.stats(name)
    # If its first event is not on disk yet, only the quota knows its maker.
    _require_manage(hub, participant, name, stats.maker if stats.count else hub.rooms.quota.makers.get(name, ""))
    gone = await hub.log.delete(name)
    subscriptions = hub.subscriptions.in_room(name)
    await hub.follower.reached(gone.seq)
    await _dissolve(hub, name, participant.identity.principal)
    await _discount(hub, name)
    await hub.subscriptions.end_slowly(subscriptions)
    return {"ok": True, "deleted": stats.count}


def _require_manage(hub: HubCore, participant: Participant, room: str, maker: str) -> None:
    """Raise `Forbidden` unless a participant may delete a room.

    The maker of the room and the owner of the server may if they may write; others need the right to manage.
    """
    identity = participant.identity
    if identity.principal not in (maker, hub.owner()) or not hub.access.allows(identity, "write", room):
        hub.access.require(participant.identity, "manage", room)


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

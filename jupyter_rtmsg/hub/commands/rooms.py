"""``rooms``: lists the rooms that the participant may read."""

from __future__ import annotations

import asyncio
from typing import Any

from jupyter_rtmsg.hub.core import HubCore
from jupyter_rtmsg.hub.names import MAX_LENGTH
from jupyter_rtmsg.hub.request import Reply, Request, flag, optional_count, optional_text
from jupyter_rtmsg.hub.room import Participant
from jupyter_rtmsg.log import RoomStats

PAGE = 500
"""Rooms on a page."""
CHECKED_PER_STEP = 500
"""Rooms whose access one step of the event loop checks."""


async def rooms(hub: HubCore, participant: Participant, request: Request) -> Reply:
    """Return a page of the rooms that hold events or have members, sorted by name.

    With ``watch``, the participant gets ``$rooms`` once, when the list has changed.
    """
    after = optional_text(request, "after", longest=MAX_LENGTH) or ""
    limit = min(optional_count(request, "limit", least=1) or PAGE, PAGE)
    if flag(request, "watch"):
        hub.rooms.watchers.add(participant)
    held = await hub.log.rooms()
    names = sorted(name for name in {*held, *hub.rooms.active} if name > after)
    readable = await _readable(hub, participant, names, limit + 1)
    page = [_described(hub, name, held.get(name) or await hub.log.stats(name)) for name in readable[:limit]]
    through = readable[len(page) - 1] if page else after  # names of rooms that may not be read stay secret
    return {"ok": True, "rooms": page, "more": len(readable) > limit, "through": through}


async def _readable(hub: HubCore, participant: Participant, names: list[str], limit: int) -> list[str]:
    """Return the first rooms that may be read, at most ``limit``."""
    readable: list[str] = []
    for at, name in enumerate(names, 1):
        if hub.access.allows(participant.identity, "read", name):
            readable.append(name)
            if len(readable) == limit:
                break
        if not at % CHECKED_PER_STEP:
            await asyncio.sleep(0)
    return readable


def _described(hub: HubCore, name: str, stats: RoomStats) -> dict[str, Any]:
    room = hub.rooms.active.get(name)
    held = {"head": stats.head, "first": stats.first, "count": stats.count, "bytes": stats.bytes}
    return {"room": name, **held, "members": len(room.presence) if room else 0}

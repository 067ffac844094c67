"""``presence``: lists the members of a room."""

from __future__ import annotations

from jupyter_rtmsg.hub.core import HubCore
from jupyter_rtmsg.hub.request import Reply, Request
from jupyter_rtmsg.hub.room import Participant

from .command import readable_room


def presence(hub: HubCore, participant: Participant, request: Request) -> Reply:
    """List the members of a room. The participant need not be one of them."""
    room = hub.rooms.active.get(readable_room(hub, participant, request))
    if room is None:
        return {"ok": True, "members": [], "count": 0}
    members = room.presence.listing(participant.identity.principal, hub.limits.listed)
    return {"ok": True, "members": members, "count": len(room.presence)}

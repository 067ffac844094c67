"""``leave``: ends a membership."""

from __future__ import annotations

from jupyter_rtmsg.hub.core import HubCore
from jupyter_rtmsg.hub.request import Reply, Request
from jupyter_rtmsg.hub.room import Participant

from .command import joined


async def leave(hub: HubCore, participant: Participant, request: Request) -> Reply:
    """Leave a room. A subscription keeps its cursor."""
    membership = joined(participant, request)
    forgotten = participant.forget_state()
    hub.remove(membership)
    if forgotten:
        await forgotten  # otherwise the connection could be recovered into the room that it left
    return {"ok": True}

"""``subscriptions`` and ``unsubscribe``: list and forget the subscriptions of a user."""

from __future__ import annotations

import asyncio
from typing import Any

from jupyter_rtmsg.errors import NotJoined
from jupyter_rtmsg.hub.core import HubCore
from jupyter_rtmsg.hub.names import room_name
from jupyter_rtmsg.hub.request import Reply, Request, optional_text, text
from jupyter_rtmsg.hub.room import Participant
from jupyter_rtmsg.log import StoredSubscription
from jupyter_rtmsg.wire.data import encode_json

DESCRIBED_PER_STEP = 100
"""Subscriptions that one step of the event loop describes."""


async def subscriptions(hub: HubCore, participant: Participant, request: Request) -> Reply:
    """List the user's subscriptions, in all rooms or in one: the last used first, the ended ones at the end."""
    room = optional_text(request, "room", longest=hub.limits.identifier)
    rows = [row for row in hub.subscriptions.of(participant.identity.principal) if room in (None, row.room)]
    rows.sort(key=lambda row: (row.ended is None, row.used, row.id), reverse=True)
    listed: list[dict[str, Any]] = []
    left = hub.limits.page_bytes
    for at, row in enumerate(rows, 1):
        described = await _described(hub, row)
        if not at % DESCRIBED_PER_STEP:
            await asyncio.sleep(0)
        left -= len(encode_json(described)) + 1
        if left < 0:
            break
        listed.append(described)
    return {"ok": True, "subscriptions": listed, "count": len(rows), "more": len(listed) < len(rows)}


async def unsubscribe(hub: HubCore, participant: Participant, request: Request) -> Reply:
    """Forget a subscription of the user. A member that owns it goes on until it leaves; its next join begins anew."""
    room = room_name(text(request, "room"))
    name, user = text(request, "as"), participant.identity.principal
    deleted = await hub.subscriptions.delete(user, room, name)
    if not deleted:
        raise NotJoined(
            f"{user} has no subscription {name!r:.80} in room {room!r}: `subscriptions` lists the existing ones"
        )
    return {"ok": True, "deleted": deleted}


async def _described(hub: HubCore, row: StoredSubscription) -> dict[str, Any]:
    ahead = hub.log.subscriptions.now() - hub.log.now()  # their times are in log time
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

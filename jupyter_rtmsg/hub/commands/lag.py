"""``lag``: counts the events after a subscription's cursor, or after a position."""

from __future__ import annotations

from jupyter_rtmsg.errors import BadRequest, NotJoined
from jupyter_rtmsg.hub.core import HubCore
from jupyter_rtmsg.hub.request import Reply, Request, optional_count
from jupyter_rtmsg.hub.room import Participant

from .command import located, only_one, readable_room, subscription_name


async def lag(hub: HubCore, participant: Participant, request: Request) -> Reply:
    """Count the stored events after a cursor."""
    name = readable_room(hub, participant, request)
    only_one(request, "after", "as")
    after = optional_count(request, "after")
    while True:
        epoch = hub.log.epoch
        here = _cursor(hub, participant, request, name) if after is None else located(hub, request, after, "after")
        behind = await hub.log.lag(name, here)
        if epoch == hub.log.epoch:
            break  # otherwise the log was replaced while it was read
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


def _cursor(hub: HubCore, participant: Participant, request: Request, room: str) -> int:
    membership = participant.memberships.get(room)
    name = subscription_name(hub, participant, request)
    if membership and membership.subscription and (request.get("as") is None or membership.is_called(request["as"])):
        return hub.subscriptions.cursor(membership.subscription)
    if name is None:
        raise BadRequest("`lag` needs a subscription (`as`) or a position (`after`)")
    row = hub.subscriptions.find(participant.identity.principal, room, name)
    if row is None:
        raise NotJoined(f"there is no subscription {name.label!r} in room {room!r}, or it has ended")
    return hub.subscriptions.cursor(row)

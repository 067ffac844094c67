"""``lag``: counts the events after a subscription's cursor, or after a position."""

from __future__ import annotations

from jupyter_rtmsg.errors import BadRequest
from jupyter_rtmsg.hub.core import HubCore
from jupyter_rtmsg.hub.request import Reply, Request, optional_count
from jupyter_rtmsg.hub.room import Participant

from .command import located, named_subscription, only_one, readable_room


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
    row = named_subscription(hub, participant, request, room)
    if row is None:
        raise BadRequest("`lag` needs a subscription (`as`) or a position (`after`)")
    return hub.subscriptions.cursor(row)

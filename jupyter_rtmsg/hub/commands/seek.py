"""``seek``: moves the cursor of a subscription to another position, forward or back."""

from __future__ import annotations

from jupyter_rtmsg.errors import BadRequest, NotJoined
from jupyter_rtmsg.hub.core import HubCore
from jupyter_rtmsg.hub.request import Reply, Request
from jupyter_rtmsg.hub.room import Participant
from jupyter_rtmsg.hub.seek import SeekTarget, find_target
from jupyter_rtmsg.log import StoredSubscription

from .command import located, named_subscription, readable_room


async def seek(hub: HubCore, participant: Participant, request: Request) -> Reply:
    """Move a subscription. Its generation grows, so that no acknowledgement from before moves it again.

    Any connection of its user may do so. The owner is told by ``$seek`` and joins again; if it is this connection, it
    joins again after the reply.
    """
    room = readable_room(hub, participant, request)
    target = SeekTarget.of(request, hub.limits)
    row, position, number = await _find(hub, participant, request, room, target)
    before = (row.position, row.epoch, row.opening)
    was, was_n = hub.subscriptions.cursor(row), row.n if hub.subscriptions.cursor(row) == row.position else None
    hub.subscriptions.seek(row, position, number)
    await hub.subscriptions.began(row)  # a seek that is not stored must not be told: a crash would undo it
    # Another seek, or a move of the log, may have come meanwhile: what is true now is told.
    state = {
        "cursor": hub.subscriptions.cursor(row),
        "cursor_n": row.n,
        "generation": row.generation,
        "epoch": hub.log.epoch,
        "opening": hub.log.opening,
    }
    hub.announce_seek(row, participant, state)
    here = hub.log.locate(*before)
    return {"ok": True, **state, "was": was if here is None else here, "was_n": was_n}


async def _find(
    hub: HubCore, participant: Participant, request: Request, room: str, target: SeekTarget
) -> tuple[StoredSubscription, int, int | None]:
    """Find the subscription and its new position, in one state of the log and of the subscription."""
    while True:
        await hub.log.subscriptions.ready()
        row = named_subscription(hub, participant, request, room)
        if row is None:
            raise BadRequest("`seek` needs a subscription: join with `as`, or name one by `as`")
        epoch, generation, cursor = hub.log.epoch, row.generation, hub.subscriptions.cursor(row)
        found = _located(hub, target) if target.kind == "seq" else target
        position, number = await find_target(hub.log, room, found, cursor)
        if row.ended is not None:
            raise NotJoined(f"the subscription {row.label!r} in room {room!r} has ended")
        unchanged = target.kind != "skip" or cursor == hub.subscriptions.cursor(row)
        if epoch == hub.log.epoch and generation == row.generation and unchanged:
            return row, position, number


def _located(hub: HubCore, target: SeekTarget) -> SeekTarget:
    """Return the target in the present log, of which it must be a part."""
    here = hub.log.locate(target.value, target.epoch, target.opening)
    if here is None and target.value > hub.log.head and target.epoch in (None, hub.log.epoch):
        raise BadRequest(
            f"a seek to seq {target.value} is beyond the newest event of the log, seq {hub.log.head}: "
            'the newest position is "end"'
        )
    return SeekTarget("seq", located(hub, target.fields, target.value, "to.seq") if here is None else here)

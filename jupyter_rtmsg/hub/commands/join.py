"""``join``: makes a participant a member of a room, and sends it the events that it missed."""

from __future__ import annotations

from typing import NamedTuple

from jupyter_rtmsg.errors import LimitExceeded
from jupyter_rtmsg.hub.core import HubCore
from jupyter_rtmsg.hub.names import SubscriptionName
from jupyter_rtmsg.hub.replay import ReplayPlan, StartRequest
from jupyter_rtmsg.hub.request import Reply, Request, optional_text
from jupyter_rtmsg.hub.room import ActiveRoom, Participant, RoomMembership
from jupyter_rtmsg.hub.wills import Will
from jupyter_rtmsg.log import StoredSubscription

from .command import readable_room, subscription_name, will_of

TAKEN = "taken"
"""The ``place`` of a member whose notebook's subscription belongs to another client in the same process."""


class JoinedSubscription(NamedTuple):
    """The subscription that a join is for.

    Attributes
    ----------
    name : SubscriptionName or None
        None if the join is for no subscription.
    row : StoredSubscription or None
        None if it has not begun yet.
    taken : bool
        Whether the notebook's subscription belongs to another client in the same kernel process.
    generation : int
        That of the row; a seek changes it.
    ended : StoredSubscription or None
        The subscription of that name that has ended, if this one is new.
    """

    name: SubscriptionName | None = None
    row: StoredSubscription | None = None
    taken: bool = False
    generation: int = 0
    ended: StoredSubscription | None = None


async def join(hub: HubCore, participant: Participant, request: Request) -> Reply:
    """Join a room. Missed events follow the reply, and then the live ones."""
    name = readable_room(hub, participant, request)
    start = StartRequest.of(request, hub.limits)
    await hub.find_notebook(participant)
    subscription_name(hub, participant, request)  # raises for an invalid name, before anything has changed
    if name not in participant.memberships and len(participant.memberships) >= hub.limits.rooms_per_connection:
        limit = hub.limits.rooms_per_connection
        raise LimitExceeded(f"this connection is in {limit} rooms, the limit for one connection: leave one of them")
    will, member = will_of(hub, participant, request, name), participant.identity.member
    room = hub.acquire_room(name, participant.identity.principal)
    participant.begin_join()
    before = hub.wills.held(name, member)
    try:
        await _bequeath(hub, participant, name, will)
        return await _join(hub, participant, room, start, request)
    finally:
        if member not in room.presence and not hub.participants.closed:
            hub.wills.not_joined(name, member, before)
        participant.end_join()
        hub.release_room(room)


async def _bequeath(hub: HubCore, participant: Participant, room: str, will: Will | None) -> None:
    """Store the will of a member before it joins; without one, drop that of an earlier join."""
    if will is None:
        hub.wills.forget(room, participant.identity.member)
    else:
        await hub.wills.arm(will)


async def _join(
    hub: HubCore, participant: Participant, room: ActiveRoom, start: StartRequest, request: Request
) -> Reply:
    forgotten = participant.forget_state()
    ended: StoredSubscription | None = None
    while True:
        # What is found below must stay true until the member has entered: each await may change it.
        await hub.log.subscriptions.ready()
        ring, joined = room.ring, _find(hub, participant, room, request)
        plan = await hub.planner.plan_replay(room, start, joined.row, named=joined.name is not None)
        stats = await hub.log.stats(room.name)
        values = await room.values.read(hub.log) if stats.retained else ()
        if forgotten:
            await forgotten
        # If the room was deleted, the log replaced, or the notebook renamed or deleted meanwhile, the plan is void.
        if ring is room.ring and joined == _find(hub, participant, room, request):
            joined = _begun(hub, participant, room, joined, plan)
            ended = ended or joined.ended  # found in the pass in which it begins; the next one joins it
            if joined.row is None or not await hub.subscriptions.began(joined.row):
                break
    if joined.row is not None and joined.name is not None:
        # The cursor stays, also one of another epoch: until its reader acknowledges an event of the present epoch, each
        # of its joins is told of the change.
        hub.subscriptions.use(joined.row, participant.identity.principal, joined.name)
    membership = hub.enter(participant, room, plan, joined.row, values)
    return _reply(hub, membership, plan, joined._replace(ended=ended)) | {"first": stats.first, "state": len(values)}


def _begun(
    hub: HubCore, participant: Participant, room: ActiveRoom, joined: JoinedSubscription, plan: ReplayPlan
) -> JoinedSubscription:
    """Return a join's subscription, which begins now if it does not exist yet."""
    if joined.name is None or joined.row is not None:
        return joined
    # It begins at the plan's cursor, not at the head: the replayed events have not been handled.
    user = participant.identity.principal
    ended = hub.subscriptions.last_ended(user, room.name, joined.name)
    row = hub.subscriptions.begin(user, room.name, joined.name, plan.cursor, plan.cursor_n)
    return joined._replace(row=row, ended=ended)


def _find(hub: HubCore, participant: Participant, room: ActiveRoom, request: Request) -> JoinedSubscription:
    """Find the subscription of a join."""
    name, user = subscription_name(hub, participant, request), participant.identity.principal
    if name is None:
        return JoinedSubscription()
    row = hub.subscriptions.find(user, room.name, name)
    row = row or hub.subscriptions.of_others(hub.former_names(user), room.name, name)
    row = row or hub.subscriptions.inherited(hub.former_principals(participant.identity), room.name, name)
    if name.path is not None and (_is_taken(hub, participant, row) or _was_taken(hub, request)):
        return JoinedSubscription(taken=True)
    return JoinedSubscription(name, row, generation=row.generation if row else 0)


def _is_taken(hub: HubCore, participant: Participant, row: StoredSubscription | None) -> bool:
    """Tell whether a subscription belongs to another client in the same kernel process."""
    owner = hub.subscriptions.owner(row) if row else None
    return owner is not None and participant.identity.is_beside(owner.participant.identity)


def _was_taken(hub: HubCore, request: Request) -> bool:
    """Tell whether the client was told before that the subscription is taken: its owner may come back after it."""
    return optional_text(request, "place", longest=hub.limits.identifier) == TAKEN


def _reply(hub: HubCore, membership: RoomMembership, plan: ReplayPlan, joined: JoinedSubscription) -> Reply:
    room, participant, log = membership.room, membership.participant, hub.log
    reply: Reply = {
        "ok": True,
        "room": room.name,
        "epoch": log.epoch,
        "opening": log.opening,
        "head": plan.head,
        "cursor": plan.cursor,
        "cursor_n": plan.cursor_n,
        "head_n": plan.head_n,
        "missed": plan.missed,
        "recovered": plan.reason is None,
        "user": participant.identity.principal,
        "member": participant.identity.member,
        "members": room.presence.listing(participant.identity.principal, hub.limits.listed),
        "count": len(room.presence),
        "durable": log.durable,
    }
    optional = {
        "warning": log.warning,
        "reason": plan.reason,
        "as": membership.subscription and membership.subscription.label,
        "closed": participant.take_closed(),
        "place": TAKEN if joined.taken else None,
        "generation": membership.subscription and membership.generation,
        "ended": joined.ended and hub.subscriptions.ended_at(joined.ended),
    }
    return reply | {name: value for name, value in optional.items() if value is not None}

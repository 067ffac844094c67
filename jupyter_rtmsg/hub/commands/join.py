"""``join``."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from jupyter_rtmsg.errors import LimitExceeded
from jupyter_rtmsg.hub.names import SubscriptionName
from jupyter_rtmsg.hub.reply import Reply
from jupyter_rtmsg.hub.request import Request, optional_text
from jupyter_rtmsg.hub.room import Membership, Room
from jupyter_rtmsg.hub.start import Start, Wanted
from jupyter_rtmsg.log.eventlog import Cursor, Subscription

from .command import readable_room, subscription_name

if TYPE_CHECKING:
    from jupyter_rtmsg.hub.connection import Connection
    from jupyter_rtmsg.hub.hub import Hub

TAKEN = "taken"


class Place(NamedTuple):
    """Which subscription a join is for.

    Attributes
    ----------
    name : SubscriptionName or None
    row : Subscription or None
        None where it has yet to begin.
    taken : bool
        Whether another connection of the same process has the notebook's place.
    """

    name: SubscriptionName | None = None
    row: Subscription | None = None
    taken: bool = False


async def join(hub: Hub, connection: Connection, request: Request) -> Reply:
    """Answer, then send what was missed, then what comes."""
    name = readable_room(hub, connection, request)
    wanted = Wanted.of(request, hub.limits)
    await hub.find_notebook(connection)
    subscription_name(hub, connection, request)  # refused before anything is done
    if name not in connection.memberships and len(connection.memberships) >= hub.limits.rooms_per_connection:
        limit = hub.limits.rooms_per_connection
        raise LimitExceeded(f"this connection is in {limit} rooms, and may not be in more: leave one")
    room = hub.rooms.open(name, connection.identity.principal, lambda: hub.follower.position)
    try:
        return await _join(hub, connection, room, wanted, request)
    finally:
        room.joining -= 1
        hub.settle(room)


async def _join(hub: Hub, connection: Connection, room: Room, wanted: Wanted, request: Request) -> Reply:
    forgotten = hub.recovery.forget(connection) if hub.recovery else None
    while True:
        await hub.log.subscriptions.ready()
        resets, place = hub.follower.resets, _place(hub, connection, room, request)
        saved = Cursor(place.row.epoch, place.row.position) if place.row else None
        start = await hub.starts.find(room, wanted, saved, named=place.name is not None)
        stats = await hub.log.stats(room.name)
        if forgotten:
            await forgotten
        if resets == hub.follower.resets and place == _place(hub, connection, room, request):
            break  # else the log was replaced meanwhile, or the notebook was renamed or deleted
    membership = hub.enter(connection, room, start, _subscription(hub, connection, room, place, start))
    return _reply(hub, membership, start, place) | {"first": stats.first}


def _place(hub: Hub, connection: Connection, room: Room, request: Request) -> Place:
    """Find the subscription of a join."""
    name, user = subscription_name(hub, connection, request), connection.identity.principal
    if name is None:
        return Place()
    row = hub.subscriptions.find(user, room.name, name)
    row = row or hub.subscriptions.of_others(hub.former_names(user), room.name, name)
    row = row or hub.subscriptions.inherited(hub.formerly(connection.identity), room.name, name)
    if name.path is not None and (_is_beside(hub, connection, row) or _was_beside(hub, request)):
        return Place(taken=True)
    return Place(name, row)


def _is_beside(hub: Hub, connection: Connection, row: Subscription | None) -> bool:
    """Tell whether another connection of the same process has the place."""
    owner = hub.subscriptions.owner(row) if row else None
    return owner is not None and connection.identity.is_beside(owner.connection.identity)


def _was_beside(hub: Hub, request: Request) -> bool:
    """Tell whether a client that comes back had no place before: whoever had it may come back later."""
    return optional_text(request, "place", longest=hub.limits.identifier) == TAKEN


def _subscription(hub: Hub, connection: Connection, room: Room, place: Place, start: Start) -> Subscription | None:
    """Return the subscription that is joined as, which begins now if need be."""
    name, row, user = place.name, place.row, connection.identity.principal
    if name is None:
        return None
    if row is None:
        # Not at the head: what is about to be sent is still to be handled.
        return hub.subscriptions.begin(user, room.name, name, start.cursor)
    # One of another epoch stays there until its reader acknowledges something of this one: it is told so at each join.
    hub.subscriptions.use(row, user, name)
    return row


def _reply(hub: Hub, membership: Membership, start: Start, place: Place) -> Reply:
    room, connection, log = membership.room, membership.connection, hub.log
    reply: Reply = {
        "ok": True,
        "room": room.name,
        "epoch": log.epoch,
        "head": start.head,
        "cursor": start.cursor,
        "missed": start.missed,
        "recovered": start.reason is None,
        "user": connection.identity.principal,
        "member": connection.identity.member,
        "members": room.presence.listing(connection.identity.principal, hub.limits.listed),
        "count": len(room.presence),
        "durable": log.durable,
    }
    closed, connection.closed = connection.closed, None
    label = membership.subscription and membership.subscription.label
    place_taken = TAKEN if place.taken else None
    optional = {"warning": log.warning, "reason": start.reason, "as": label, "closed": closed, "place": place_taken}
    return reply | {name: value for name, value in optional.items() if value is not None}

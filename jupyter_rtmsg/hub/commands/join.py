"""``join``."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from jupyter_rtmsg.errors import LimitExceeded
from jupyter_rtmsg.hub.names import SubscriptionName
from jupyter_rtmsg.hub.reply import Reply
from jupyter_rtmsg.hub.request import Request, optional_text
from jupyter_rtmsg.hub.room import Membership, Room
from jupyter_rtmsg.hub.start import Start, Wanted
from jupyter_rtmsg.log.kept import Subscription

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
    connection.joining += 1
    try:
        return await _join(hub, connection, room, wanted, request)
    finally:
        room.joining -= 1
        connection.joining -= 1
        connection.changed()
        hub.settle(room)


async def _join(hub: Hub, connection: Connection, room: Room, wanted: Wanted, request: Request) -> Reply:
    forgotten = hub.recovery.forget(connection) if hub.recovery else None
    while True:
        await hub.log.subscriptions.ready()
        ring, place = room.ring, _place(hub, connection, room, request)
        start = await hub.starts.find(room, wanted, place.row, named=place.name is not None)
        stats = await hub.log.stats(room.name)
        if forgotten:
            await forgotten
        # Else the room was deleted or the log replaced meanwhile, or the notebook was renamed or deleted.
        if ring is room.ring and place == _place(hub, connection, room, request):
            place = _begun(hub, connection, room, place, start)
            if place.row is None or not await hub.subscriptions.began(place.row):
                break
    if place.row is not None and place.name is not None:
        # One of another epoch stays there until its reader acknowledges something of this one: it is told so each time.
        hub.subscriptions.use(place.row, connection.identity.principal, place.name)
    return _reply(hub, hub.enter(connection, room, start, place.row), start, place) | {"first": stats.first}


def _begun(hub: Hub, connection: Connection, room: Room, place: Place, start: Start) -> Place:
    """Return a place with its subscription, which begins now if need be."""
    if place.name is None or place.row is not None:
        return place
    # Not at the head: what is about to be sent is still to be handled.
    user = connection.identity.principal
    row = hub.subscriptions.begin(user, room.name, place.name, start.cursor, start.cursor_n)
    return place._replace(row=row)


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


def _reply(hub: Hub, membership: Membership, start: Start, place: Place) -> Reply:
    room, connection, log = membership.room, membership.connection, hub.log
    reply: Reply = {
        "ok": True,
        "room": room.name,
        "epoch": log.epoch,
        "opening": log.opening,
        "head": start.head,
        "cursor": start.cursor,
        "cursor_n": start.cursor_n,
        "head_n": start.head_n,
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

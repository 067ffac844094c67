"""The type of a command, and checks that several commands need."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from jupyter_rtmsg.errors import BadRequest, EpochMismatch, NotJoined
from jupyter_rtmsg.hub.core import HubCore
from jupyter_rtmsg.hub.data import encode_data
from jupyter_rtmsg.hub.names import MAX_LENGTH, SubscriptionName, event_name, room_name, state_key
from jupyter_rtmsg.hub.request import Reply, Request, WhenStored, optional_text, text
from jupyter_rtmsg.hub.room import Participant, RoomMembership
from jupyter_rtmsg.hub.wills import Will
from jupyter_rtmsg.log import Draft, StoredSubscription
from jupyter_rtmsg.wire.data import EncodedJSON

Answer: TypeAlias = "Reply | Draft | WhenStored | Coroutine[Any, Any, Reply | EncodedJSON]"
Command: TypeAlias = "Callable[[HubCore, Participant, Request], Answer]"


def readable_room(hub: HubCore, participant: Participant, request: Request) -> str:
    """Return the room of a request that needs the right to read; raise `BadRequest`, `BadRoom` or `Forbidden`."""
    name = room_name(text(request, "room"))
    hub.access.require(participant.identity, "read", name)
    return name


async def require_manage(hub: HubCore, participant: Participant, room: str) -> None:
    """Raise `Forbidden` unless a participant may manage a room.

    The maker of the room and the owner of the server may if they may write; others need the right to manage. An empty
    room has no maker; then it is who joined it first.
    """
    identity = participant.identity
    stats = await hub.log.stats(room)
    # If its first event is not on disk yet, only the quota knows its maker.
    maker = stats.maker if stats.count else hub.rooms.quota.first_user(room)
    if identity.principal not in (maker, hub.owner()) or not hub.access.allows(identity, "write", room):
        hub.access.require(identity, "manage", room)


def joined(participant: Participant, request: Request) -> RoomMembership:
    """Return the participant's membership in the room of a request.

    Raises
    ------
    NotJoined
    """
    name = room_name(text(request, "room"))
    membership = participant.memberships.get(name)
    if membership is None:
        raise NotJoined(f"this connection is not in room {name!r}, or another took its subscription over: join first")
    return membership


def subscription_name(hub: HubCore, participant: Participant, request: Request) -> SubscriptionName | None:
    """Return the name of the subscription in a request, or else of the participant's notebook; None without both."""
    name = optional_text(request, "as", longest=hub.limits.identifier)
    if name is not None:
        return SubscriptionName.of_client(name)
    return participant.identity.subscription


def named_subscription(
    hub: HubCore, participant: Participant, request: Request, room: str
) -> StoredSubscription | None:
    """Return the subscription in a room that a request is about: that of the membership, or the one that it names.

    Returns
    -------
    StoredSubscription or None
        None if the request names none, and the participant has none there.

    Raises
    ------
    NotJoined
        If there is no subscription of that name.
    """
    membership = participant.memberships.get(room)
    name = subscription_name(hub, participant, request)
    if membership and membership.subscription and (request.get("as") is None or membership.is_called(request["as"])):
        return membership.subscription
    if name is None:
        return None
    row = hub.subscriptions.find(participant.identity.principal, room, name)
    row = row or hub.subscriptions.labelled(participant.identity.principal, room, name.label)
    if row is None:
        raise NotJoined(f"there is no subscription {name.label!r} in room {room!r}, or it has ended")
    return row


def will_of(hub: HubCore, participant: Participant, request: Request, room: str) -> Will | None:
    """Return the will in a join, checked like a publish; None without one.

    Raises
    ------
    BadRequest, BadEvent, ReservedEvent, TooDeep, LimitExceeded, Forbidden
    """
    fields = request.get("will")
    if fields is None:
        return None
    if type(fields) is not dict:
        raise BadRequest("`will` must be an object with `event` and `data`")
    event, key = event_name(text(fields, "event")), optional_text(fields, "retain", longest=MAX_LENGTH)
    limits, identity = hub.limits, participant.identity
    data, attachments = encode_data(fields.get("data"), max_depth=limits.depth, max_attachments=limits.attachments)
    hub.access.require(identity, "write", room)
    key = None if key is None else state_key(key)
    return Will(room, identity.member, identity.principal, event, data, attachments, key, participant.sender)


def located(hub: HubCore, request: Request, position: int, name: str) -> int:
    """Return the position in the present log that corresponds to a position in a request.

    Parameters
    ----------
    hub : HubCore
    request : dict
        Its ``epoch`` and ``opening`` tell which log the position is of.
    position : int
    name : str
        The field that holds it.

    Raises
    ------
    EpochMismatch
        If it is beyond the log's head, of an unknown epoch, or after the point from which on the log was lost.
    """
    epoch, opening = (optional_text(request, key, longest=hub.limits.identifier) for key in ("epoch", "opening"))
    here = hub.log.locate(position, epoch, opening)
    if here is not None:
        return here
    if epoch not in (None, hub.log.epoch):
        raise EpochMismatch(f"the position is of epoch {epoch!r}, and the log's epoch is {hub.log.epoch!r}: join again")
    if opening is not None and position <= hub.log.head:
        raise EpochMismatch(
            f"`{name}` is {position}, but of what was read in opening {opening!r:.80} the log has lost everything "
            f"after {hub.log.cut(opening)}: join again from your position"
        )
    raise EpochMismatch(
        f"`{name}` is {position}, beyond the log's head {hub.log.head}: it is of another epoch than {hub.log.epoch!r}"
    )


def only_one(request: Request, *keys: str) -> None:
    """Raise `BadRequest` for a request with more than one of some fields."""
    given = [key for key in keys if request.get(key) is not None]
    if len(given) > 1:
        raise BadRequest(f"`{'`, `'.join(given)}` exclude each other: give only one of them")

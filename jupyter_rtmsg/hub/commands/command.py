"""What all commands share."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeAlias

from jupyter_rtmsg.errors import BadRequest, EpochMismatch, NotJoined
from jupyter_rtmsg.hub.names import SubscriptionName, room_name
from jupyter_rtmsg.hub.reply import Reply
from jupyter_rtmsg.hub.request import Request, optional_text, text
from jupyter_rtmsg.hub.room import Membership
from jupyter_rtmsg.log.eventlog import Draft
from jupyter_rtmsg.wire.data import EncodedJSON

if TYPE_CHECKING:
    from jupyter_rtmsg.hub.connection import Connection
    from jupyter_rtmsg.hub.hub import Hub

Answer: TypeAlias = "Reply | Draft | Coroutine[Any, Any, Reply | EncodedJSON]"
Command: TypeAlias = "Callable[[Hub, Connection, Request], Answer]"


def readable_room(hub: Hub, connection: Connection, request: Request) -> str:
    """Return the room of a request that reads; raises `BadRequest`, `BadRoom`, `Forbidden`."""
    name = room_name(text(request, "room"))
    hub.require(connection, "read", name)
    return name


def joined(connection: Connection, request: Request) -> Membership:
    """Return the membership that a request speaks of.

    Raises
    ------
    NotJoined
    """
    name = room_name(text(request, "room"))
    membership = connection.memberships.get(name)
    if membership is None:
        raise NotJoined(f"this connection has not joined room {name!r}, or somebody took its subscription over")
    return membership


def subscription_name(hub: Hub, connection: Connection, request: Request) -> SubscriptionName | None:
    """Return the subscription that a request names, or that of the connection's notebook where it names none."""
    name = optional_text(request, "as", longest=hub.limits.identifier)
    if name is not None:
        return SubscriptionName.of_client(name)
    return connection.identity.subscription


def located(hub: Hub, request: Request, position: int, name: str) -> int:
    """Return a position of a request, with its ``epoch`` and ``opening``, in the log's present epoch.

    Raises
    ------
    EpochMismatch
        If it is beyond the log's head, belongs to an epoch that the log does not know, or to what the log has lost.
    """
    epoch, opening = (optional_text(request, key, longest=hub.limits.identifier) for key in ("epoch", "opening"))
    here = hub.log.locate(position, epoch, opening)
    if here is not None:
        return here
    if epoch not in (None, hub.log.epoch):
        raise EpochMismatch(f"the position belongs to epoch {epoch!r}, and the log's epoch is {hub.log.epoch!r}")
    if opening is not None and position <= hub.log.head:
        raise EpochMismatch(
            f"`{name}` is {position}, and of what was read in opening {opening!r:.80} the log has lost everything "
            f"after {hub.log.cut(opening)}: join again from where you are"
        )
    raise EpochMismatch(
        f"`{name}` is {position}, beyond the log's head {hub.log.head}: "
        f"it belongs to another epoch than {hub.log.epoch!r}"
    )


def only_one(request: Request, *keys: str) -> None:
    """Refuse a request with more than one of some fields; raises `BadRequest`."""
    given = [key for key in keys if request.get(key) is not None]
    if len(given) > 1:
        raise BadRequest(f"`{'`, `'.join(given)}` exclude each other: give one of them")

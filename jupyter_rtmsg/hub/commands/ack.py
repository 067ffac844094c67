"""``ack``: moves the cursor of a subscription, and tells that handlers have run."""

from __future__ import annotations

from jupyter_rtmsg.errors import NotJoined, Stale
from jupyter_rtmsg.hub.core import HubCore
from jupyter_rtmsg.hub.request import Reply, Request, count, flag, optional_count, optional_text
from jupyter_rtmsg.hub.room import Participant
from jupyter_rtmsg.log import StoredSubscription

from .command import joined, located


def ack(hub: HubCore, participant: Participant, request: Request) -> Reply:
    """Count everything up to a position as handled. Only the owner of the subscription may do so.

    The ``ack`` of a kernel without a subscription only tells that its handlers have run: nothing is stored.
    """
    membership = joined(participant, request)
    name = optional_text(request, "as", longest=hub.limits.identifier)
    row = membership.subscription
    called = row is not None and (name is None or membership.is_called(name))
    if not called and (name is not None or participant.identity.kernel is None):
        raise NotJoined(f"this connection has not joined room {membership.room.name!r} as {name!r}")
    seq, generation = count(request, "seq"), optional_count(request, "generation")
    if row is not None:
        _check(row, membership.generation if generation is None else generation)
    position = located(hub, request, seq, "seq")
    is_news = row is None or hub.subscriptions.is_news(row, position)
    if row is not None and is_news:
        n = optional_count(request, "n")
        hub.subscriptions.move(row, position, n if position == seq else None)
    if is_news and not flag(request, "idle"):
        hub.activity.acknowledged(participant)
    return {"ok": True, "cursor": None if row is None else hub.subscriptions.cursor(row)}


def _check(row: StoredSubscription, generation: int) -> None:
    """Refuse an acknowledgement from before a seek: it would undo the seek."""
    if generation != row.generation:
        raise Stale(
            f"the subscription {row.label!r} was moved by a seek and is in generation {row.generation}, not "
            f"{generation}: join again"
        )

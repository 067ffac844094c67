"""The card of a room, as a cell shows it: members, newest events, and the position of this reader."""

from __future__ import annotations

import asyncio
from html import escape

from jupyter_rtmsg.errors import Disconnected
from jupyter_rtmsg.names import escaped

from .commands import Commands
from .history import Events, read_history
from .membership import Membership

_NEWEST = 5  # events
_TIMEOUT = 1.0  # seconds that showing a room may wait for its hub


async def newest(commands: Commands, membership: Membership) -> Events:
    """Read the newest events of a room.

    Raises
    ------
    RtmsgError
        If there is no connection, or the hub refuses.
    TimeoutError
        If it takes longer than a second.
    """
    if commands.state != "connected":
        raise Disconnected(f"the client is {commands.state}")
    try:
        reading = read_history(commands.ask, membership.room, last=_NEWEST, you=membership.user)
        return await asyncio.wait_for(reading, _TIMEOUT)
    except asyncio.TimeoutError:  # another class than the builtin one before Python 3.11
        raise TimeoutError from None


def text(kind: str, membership: Membership) -> str:
    """Return the room in one short line.

    Parameters
    ----------
    kind : str
        The name of the object's class.
    membership : Membership
    """
    if membership.gone:
        return f"<{kind} {membership.room!r}: {membership.gone}>"
    count, missed = membership.members.count, membership.resumption.missed_count
    parts = [
        "" if membership.state == "connected" else membership.state,
        f"{count} {'member' if count == 1 else 'members'}",
        f"newest event {membership.head}" if membership.head else "no events yet",
        f"{missed:,} missed" if missed else "",
        _waiting(membership),
    ]
    return f"<{kind} {membership.room!r}: {', '.join(filter(None, parts))}>"


def html(membership: Membership, newest: Events, *, complete: bool, kept: str) -> str:
    """Return the room as a card in HTML. Text that people wrote is escaped.

    Parameters
    ----------
    membership : Membership
    newest : Events
        The newest known events.
    complete : bool
        Whether these are the newest of the log. Otherwise they are the newest that were delivered to this client.
    kept : str
        Where the hub keeps events; empty if it is not known.
    """
    lines = [
        f"<b>Room {_isolated(membership.room)}</b>: {escape(membership.gone or _state(membership.state, kept))}",
        f"Here now: {escape(membership.member_list.summary())}",
        _position(membership, max((event.seq or 0 for event in newest), default=0)),
        _missed(membership),
        _newest(membership, newest, complete=complete),
    ]
    return "".join(f"<div>{line}</div>" for line in lines if line)


def _isolated(text: str) -> str:
    return f"<bdi>{escape(escaped(text))}</bdi>"


def _state(state: str, kept: str) -> str:
    if state == "connected":
        return f"{state}, {kept}" if kept else state
    return (
        f"{state}. What is below is what was known before; what you emit waits and is sent once there is a connection"
    )


def _position(membership: Membership, newest: int) -> str:
    handled, head = membership.inbox.handled, max(membership.head, newest)
    said = f"Position: {handled} of {head}, {_waiting(membership) or 'nothing to handle'}"
    if membership.subscription is None:
        return f"{said}. It is not kept when this process ends"
    return f"{said}. Kept under the name <code>{_isolated(membership.subscription)}</code>"


def _waiting(membership: Membership) -> str:
    """Say how many events are to be handled, and how many handled ones the hub does not know of yet; or nothing."""
    unhandled = membership.inbox.unhandled
    unacknowledged = max(0, membership.lag - unhandled) if membership.subscription is not None else 0
    parts = [
        f"{unhandled:,} to handle" if unhandled else "",
        f"{unacknowledged:,} handled and not acknowledged yet" if unacknowledged else "",
    ]
    return ", ".join(filter(None, parts))


def _missed(membership: Membership) -> str:
    count = membership.resumption.missed_count
    return f"Missed before this join: {count:,}, see <code>.missed()</code>" if count else ""


def _newest(membership: Membership, newest: Events, *, complete: bool) -> str:
    if newest:
        heading = "Newest events" if complete else "Newest events that came here"
        return f"{heading}:{newest._repr_html_()}"
    if membership.head:
        return "Events: see <code>.history(last=5)</code>"
    return 'Nothing was emitted yet. Write <code>.emit("hello", 1)</code>'

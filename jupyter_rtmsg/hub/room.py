"""An active room: one that somebody is in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_rtmsg.log.kept import Subscription

from .numbers import Numbers
from .presence import Presence
from .ring import Ring

if TYPE_CHECKING:
    from .catchup import CatchUp
    from .connection import Connection


class Membership:
    """A connection in a room.

    Attributes
    ----------
    room : Room
    connection : Connection
    subscription : Subscription or None
        The one that it owns.
    joined_as : str or None
        What that was called when it joined.
    live : int or None
        The position at which it began to receive live events, or None while it does not.
    catch_up : CatchUp or None
    """

    __slots__ = ("catch_up", "connection", "joined_as", "live", "room", "subscription")

    def __init__(self, room: Room, connection: Connection, subscription: Subscription | None) -> None:
        self.room = room
        self.connection = connection
        self.subscription = subscription
        self.joined_as = subscription and subscription.label
        self.live: int | None = None
        self.catch_up: CatchUp | None = None

    def is_called(self, name: str) -> bool:
        """Tell whether its subscription has a name; what it was called before is as good."""
        return self.subscription is not None and name in (self.subscription.label, self.joined_as)

    def enter(self, position: int, *, replayed: bool = False) -> None:
        """Receive the room's live events from a position on; ``replayed``: what came before it was written."""
        self.live = position
        self.connection.socket.join(self.room.channel)
        if replayed:
            self.connection.owe()
        self.connection.changed()

    def exit(self) -> None:
        """Receive nothing more of the room."""
        if self.catch_up:
            self.catch_up.cancel()
        self.connection.socket.leave(self.room.channel)


class Room:
    """A room with members.

    Parameters
    ----------
    name : str
    ring : Ring
        Begins where the hub has followed the log to.

    Attributes
    ----------
    channel : str
        The Socket.IO room of those who receive its live events: no hub room can be named like somebody's socket id.
    members : dict
        Memberships by connection.
    joining : int
        Joins under way, which need the ring.
    base, base_n : int
        The room's head when it became active, and the number of that event; the ring has what came since.
    numbers : Numbers
        Of the events that were handed to the room.
    """

    __slots__ = ("base", "base_n", "channel", "joining", "members", "name", "numbers", "presence", "ring")

    def __init__(self, name: str, ring: Ring) -> None:
        self.name = name
        self.channel = "r:" + name
        self.ring = ring
        self.members: dict[Connection, Membership] = {}
        self.presence = Presence()
        self.joining = 0
        self.base = self.base_n = 0
        self.numbers = Numbers()

    @property
    def idle(self) -> bool:
        """Whether nobody is in it, or may come back in a moment."""
        return not self.members and not self.joining and not self.presence

    def head_at(self, position: int) -> int:
        """Return the seq of its last event up to a position that the hub has reached."""
        return max(self.base, self.ring.last_until(position))

    def number_at(self, position: int) -> int | None:
        """Return the number of its last event up to a position that the hub has reached; None if it is not known."""
        number = self.ring.number_until(position)
        return self.base_n if number is None and self.base <= position else number

    def settled(self, head: int, number: int) -> None:
        """Learn what the log had of it when it became active."""
        if head >= self.base:
            self.base, self.base_n = head, number
        if self.numbers.last is None:  # nothing has come since
            self.numbers.last = number

    def reset(self, ring: Ring) -> None:
        """Begin anew with the log of another epoch: all receive its live events, and may join again for its past."""
        for membership in self.begin(ring):
            if membership.catch_up:
                membership.catch_up.cancel()
            membership.enter(ring.start)

    def begin(self, ring: Ring) -> list[Membership]:
        """Begin anew for those who join from now on, and return who is in it."""
        self.ring = ring
        self.base = self.base_n = 0
        self.numbers = Numbers()
        return list(self.members.values())

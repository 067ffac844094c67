"""Every limit of the hub, with its default; docs/wire.md lists those that clients meet."""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_rtmsg.wire.data import MAX_DEPTH

PAGE_LEVELS = 4  # above the data of an event on a page of history, which stands in [{"events":[{"data":


@dataclass(frozen=True, slots=True)
class Limits:
    """What the hub allows. Sizes in bytes, times in seconds.

    Attributes
    ----------
    message : int
        The largest event as members receive it, attachments included.
    attachments, depth : int
        Of one event's data.
    rooms_per_connection, rooms, connections_per_user : int
    rooms_per_user : int
        Rooms that one principal may have made, and opened by joining them. 0: a tenth of ``rooms``.
    subscriptions : int
        Named cursors of one user, over all rooms. One more makes the one end that was idle longest.
    subscription_age : float
        How long one may be idle before it ends, in log time; 0: it never does.
    subscription_bytes, subscription_bytes_in_all : int
        What they may take, those that have ended lately too: of one user, and of all. One more makes place likewise.
    publish_rate, publish_burst : float
        Publishes of one connection: events a second, and how many at once.
    command_rate, command_burst : float
        Commands of one user, over all connections, in units of work: a small publish is one, see `hub.budget`.
    pending_events, pending_bytes : int
        Events of one user that are on their way to the disk at once; what is published beyond that waits, unread.
    identifier : int
        Characters of an ``id``, an ``as`` and a client's UUID.
    name : int
        Characters of the name that a client shows in presence.
    replay : int
        More missed events than this are not sent: the client pages through the history.
    page_events : int
        Events of one page of history or catching up. A page also ends at half of ``message`` and at ``attachments``.
    ring_events, ring_bytes : int
        How much of an active room is kept in memory for those who join.
    listed : int
        Members named in a list of presence; ``count`` tells how many there are.
    presence_interval : float
        The least time between two ``$presence`` of one room.
    grace : float
        How long a member whose connection broke is ``away`` before it has ``left``.
    recheck : float
        How often the rights of members are asked for again.
    recovery : float
        How long a client may be away whose connection state is recovered (Socket.IO's); 0: it never is.
    session_bytes, session_bytes_in_all : int
        What is kept for that, of one user and of all; the oldest makes place.
    """

    message: int = 1_000_000
    attachments: int = 10
    depth: int = 60
    rooms_per_connection: int = 100
    rooms: int = 10_000
    rooms_per_user: int = 0
    connections_per_user: int = 256
    subscriptions: int = 1_000
    subscription_age: float = 30 * 86_400.0
    subscription_bytes: int = 1 << 20
    subscription_bytes_in_all: int = 16 << 20
    publish_rate: float = 1_000.0
    publish_burst: float = 5_000.0
    command_rate: float = 20_000.0
    command_burst: float = 200_000.0
    pending_events: int = 500
    pending_bytes: int = 4 << 20
    identifier: int = 256
    name: int = 64
    replay: int = 100_000
    page_events: int = 500
    ring_events: int = 1_000
    ring_bytes: int = 1 << 20
    listed: int = 100
    presence_interval: float = 1.0
    grace: float = 10.0
    recheck: float = 30.0
    recovery: float = 120.0
    session_bytes: int = 1 << 20
    session_bytes_in_all: int = 16 << 20

    def __post_init__(self) -> None:
        if self.depth > MAX_DEPTH - PAGE_LEVELS:
            raise ValueError(
                f"events of depth {self.depth} would not fit into a page of history: at most {MAX_DEPTH - PAGE_LEVELS}"
            )

    @property
    def user_rooms(self) -> int:
        """How many rooms one principal may have."""
        return self.rooms_per_user or max(1, self.rooms // 10)

    @property
    def page_bytes(self) -> int:
        """The size at which a page ends."""
        return self.message // 2

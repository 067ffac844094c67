"""All limits of the hub, with their defaults. docs/wire.md lists those that concern clients."""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_rtmsg.wire.data import MAX_DEPTH

PAGE_LEVELS = 4
"""Levels of JSON above an event's data on a page of history: ``[{"events":[{"data":``."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a hub. Sizes in bytes, times in seconds.

    Attributes
    ----------
    message : int
        The largest event as members receive it, attachments included.
    attachments, depth : int
        Of one event's data.
    event, parts : int
        The largest event in parts, and the number of its parts.
    staging, uploads : int
        Size of the uploads of one user that are not published, and their number.
    staging_in_all : int
        Size of the uploads of all users.
    staging_time : float
        Time after which an upload without a further part is dropped.
    rooms_per_connection, rooms, connections_per_user : int
    rooms_per_user : int
        Rooms that one principal may have made, or opened by joining them. 0: a tenth of ``rooms``.
    subscriptions : int
        Named cursors of one user, over all rooms. To make place for one more, the one idle longest ends.
    subscription_age : float
        Log time after which an idle subscription ends; 0: never.
    subscription_bytes, subscription_bytes_in_all : int
        Size of the subscriptions of one user, and of all users, including those that have ended recently. Place for
        one more is made in the same way.
    publish_rate, publish_burst : float
        Publishes of one connection: events a second, and events at once.
    command_rate, command_burst : float
        Commands of one user, over all connections, in units of work: a small publish is one (`hub.budget`).
    pending_events, pending_bytes : int
        Events of one user on their way to the disk. Further publishes wait.
    identifier : int
        Characters of an ``id``, an ``as`` and a client's UUID.
    name : int
        Characters of the name that a client shows in presence.
    replay : int
        Missed events that are sent at most. A client that has missed more pages through the history.
    page_events : int
        Events of one page of history or of a catch-up. A page also ends at half of ``message``, and at ``attachments``.
    ring_events, ring_bytes : int
        Latest events of an active room that are kept in memory.
    listed : int
        Members in a list of presence; ``count`` tells how many there are in all.
    presence_interval : float
        The least time between two ``$presence`` of one room.
    grace : float
        How long a member with a lost connection is ``away`` before it has ``left``.
    restart_grace : float
        How long after its start a hub waits for members of before, until it publishes their wills.
    will : int
        Size of a will.
    wills, wills_in_all : int
        Size of the wills of one user, and of all users.
    recheck : float
        Time between two checks of the members' rights.
    recovery : float
        How long a client may be away and still have its connection state recovered; 0: no recovery.
    groups, groups_per_room, workers : int
        Worker groups in all and in one room, and workers of one group. One user may have made a tenth of all groups.
    in_flight : int
        Events that one worker may hold at once, and deliveries in one command.
    group_window, group_bytes : int
        Events that a group has loaded and not given, and the size of all that it has loaded.
    group_bytes_in_all : int
        Size of what all groups have loaded. The groups of one user load no more once they have as much as is free.
    retry_pause, retry_pause_most : float
        Pause after the first failed try of an event, which is doubled from try to try, and the longest.
    dead_letters, dead_letter_bytes : int
        Dead letters of one group, and their size. The oldest are discarded. No more is redriven while events of this
        size were redriven or have failed, and are not settled.
    dead_letter_bytes_in_all : int
        Size of the dead letters of all groups. The oldest ones of the user with most are discarded.
    error_text, error_traceback : int
        Characters of the message and of the traceback of a worker's error. Longer ones are cut.
    session_bytes, session_bytes_in_all : int
        Size of the connection states that are saved for that, of one user and of all; the oldest make place.
    """

    message: int = 1_000_000
    attachments: int = 10
    depth: int = 60
    event: int = 32 << 20
    parts: int = 1_000
    staging: int = 64 << 20
    uploads: int = 100
    staging_in_all: int = 256 << 20
    staging_time: float = 60.0
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
    restart_grace: float = 30.0
    will: int = 64 << 10
    wills: int = 1 << 20
    wills_in_all: int = 16 << 20
    recheck: float = 30.0
    recovery: float = 120.0
    groups: int = 10_000
    groups_per_room: int = 100
    workers: int = 1_000
    in_flight: int = 1_000
    group_window: int = 1_000
    group_bytes: int = 4 << 20
    group_bytes_in_all: int = 256 << 20
    retry_pause: float = 1.0
    retry_pause_most: float = 60.0
    dead_letters: int = 1_000
    dead_letter_bytes: int = 16 << 20
    dead_letter_bytes_in_all: int = 256 << 20
    error_text: int = 2_048
    error_traceback: int = 8_192
    session_bytes: int = 1 << 20
    session_bytes_in_all: int = 16 << 20

    def __post_init__(self) -> None:
        if self.depth > MAX_DEPTH - PAGE_LEVELS:
            raise ValueError(
                f"depth={self.depth} is too large: a page of history has room for {MAX_DEPTH - PAGE_LEVELS} levels"
            )

    @property
    def user_rooms(self) -> int:
        """Rooms that one principal may have."""
        return self.rooms_per_user or max(1, self.rooms // 10)

    @property
    def page_bytes(self) -> int:
        """The size at which a page ends."""
        return self.message // 2

"""The active rooms, the number of rooms of each user, and the watchers of the list of rooms."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping

from jupyter_rtmsg.errors import LimitExceeded
from jupyter_rtmsg.log import EventLog

from .limits import Limits
from .ring import Ring
from .room import ActiveRoom, Participant

NOTICE_INTERVAL = 2.0
"""Seconds for which changes to the list of rooms are gathered before watchers are told."""


class RoomRegistry:
    """The active rooms by name, and the makers of all rooms that hold events.

    A room is active while it has members, or joins in progress: `acquire` creates it, `settle` removes it.

    Parameters
    ----------
    limits : Limits
    owner : callable, optional
        Returns the principal who owns the server, or None.

    Attributes
    ----------
    active : dict of str to ActiveRoom
    quota : RoomQuota
        How many rooms there are, and who made them.
    watchers : RoomListWatchers
        Participants who asked to be told of the next change to the list of rooms.
    """

    def __init__(self, limits: Limits, owner: Callable[[], str | None] = lambda: None) -> None:
        self.active: dict[str, ActiveRoom] = {}
        self.quota = RoomQuota(limits, owner)
        self.watchers = RoomListWatchers()

    def acquire(self, name: str, principal: str, new_ring: Callable[[], Ring]) -> ActiveRoom:
        """Return a room that a principal is about to join, and count the join as in progress.

        Call `ActiveRoom.end_join` and `settle` when the join is over.

        Parameters
        ----------
        name, principal : str
        new_ring : callable
            Returns the ring of a room that becomes active.

        Raises
        ------
        LimitExceeded
            If the principal may not open one more room.
        """
        room = self.active.get(name)
        if room is None:
            self.quota.open(name, principal)
            room = self.active[name] = ActiveRoom(name, new_ring())
        room.begin_join()  # before the caller awaits anything: `settle` removes rooms without members and joins
        return room

    def settle(self, room: ActiveRoom) -> None:
        """Remove a room if it has become idle, after a member has left or a join is over."""
        # After a deletion another room of this name may be active already.
        if room.idle and self.active.get(room.name) is room:
            del self.active[room.name]
            self.quota.close(room.name)
        self.watchers.changed()

    async def refresh(self, log: EventLog) -> None:
        """Read from the log which rooms hold events: others have lost all of theirs, or never stored one."""
        before = frozenset(self.quota.makers)
        held = await log.rooms()
        makers = self.quota.makers
        # Rooms that were made while the log was read may be missing in its answer, so they are kept.
        since = {name: maker for name, maker in makers.items() if name not in before}
        self.quota.replace(since | {name: stats.maker or makers.get(name, "") for name, stats in held.items()})
        if self.quota.makers.keys() != before:
            self.watchers.changed()


class RoomQuota:
    """Counts rooms for the principals who made them.

    A room that holds events counts in all, and for its maker. A room that has only members counts for the principal
    who joined it first, until it holds an event or its last member has left. It does not count in all, so that joins
    never use up the rooms that others may write to.

    Parameters
    ----------
    limits : Limits
    owner : callable
        Returns the principal who owns the server, or None. The owner may make as many rooms as there may be in all.

    Attributes
    ----------
    makers : dict of str to str
        The maker of every room that holds events, or whose first event is being stored.
    """

    def __init__(self, limits: Limits, owner: Callable[[], str | None]) -> None:
        self._limits = limits
        self._owner = owner
        self.makers: dict[str, str] = {}
        self._opened: dict[str, str] = {}  # rooms without events: who joined them first
        self._counts: Counter[str] = Counter()

    def count(self, principal: str) -> int:
        """Return how many rooms count for a principal."""
        return self._counts[principal]

    def first_user(self, room: str) -> str | None:
        """Return the principal for whom a room counts: its maker, or who joined it first; None if there is none."""
        return self.makers.get(room) or self._opened.get(room)

    def make(self, room: str, principal: str) -> None:
        """Count a room whose first event a principal is about to store.

        Raises
        ------
        LimitExceeded
            If the principal, or all principals together, have as many rooms as they may.
        """
        if room in self.makers:
            return
        if len(self.makers) >= self._limits.rooms:
            raise LimitExceeded(
                f"there are {len(self.makers)} rooms, and the limit is {self._limits.rooms}: delete a room that is no "
                "longer needed, or ask the operator of the server"
            )
        # The room may count for this principal already, as its first member. It must not count twice.
        self._check(principal, self._counts[principal] - (self._opened.get(room) == principal))
        self.made(room, principal)

    def made(self, room: str, principal: str) -> None:
        """Count a room that holds events for its maker, without a check of the limits."""
        # From now on it counts neither for its first member nor for the maker of a deleted room of this name.
        self.close(room)
        self.forget(room)
        self.makers[room] = principal
        self._counts[principal] += 1

    def forget(self, room: str) -> None:
        """Stop counting a room that held events and was deleted."""
        maker = self.makers.pop(room, None)
        if maker is not None:
            self._discount(maker)

    def open(self, room: str, principal: str) -> None:
        """Count a room that is about to get its first member. A room that holds events is counted already.

        Raises
        ------
        LimitExceeded
        """
        if room in self.makers or room in self._opened:
            return
        self._check(principal, self._counts[principal])
        self._opened[room] = principal
        self._counts[principal] += 1

    def close(self, room: str) -> None:
        """Stop counting a room for its first member: it has no members any more, or holds an event now."""
        principal = self._opened.pop(room, None)
        if principal is not None:
            self._discount(principal)

    def replace(self, makers: Mapping[str, str]) -> None:
        """Replace the rooms that hold events, and their makers."""
        self.makers = dict(makers)
        for room in self._opened.keys() & self.makers.keys():
            del self._opened[room]
        self._counts = Counter(self.makers.values())
        self._counts.update(self._opened.values())

    def _check(self, principal: str, count: int) -> None:
        limit = self._limits.user_rooms
        if count >= limit and principal != self._owner():
            raise LimitExceeded(
                f"{principal} has {count} rooms, and the limit for one user is {limit}: delete a room that is no "
                "longer needed, or leave an empty one"
            )

    def _discount(self, principal: str) -> None:
        self._counts[principal] -= 1
        if not self._counts[principal]:  # or one entry would stay for each principal ever seen
            del self._counts[principal]


class RoomListWatchers:
    """Participants who are told once, by ``$rooms``, that the list of rooms has changed.

    A participant asks again to be told of the next change, so a hidden view costs nothing. No timer runs while nobody
    watches, or while nothing changes.
    """

    def __init__(self) -> None:
        self._waiting: dict[Participant, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, participant: Participant) -> None:
        """Tell a participant of the next change."""
        self._waiting[participant] = None

    def discard(self, participant: Participant) -> None:
        """Forget a participant whose connection is gone."""
        self._waiting.pop(participant, None)

    def changed(self) -> None:
        """Note that a room was added or removed, or that its members or events have changed."""
        if self._waiting and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(NOTICE_INTERVAL, self._notify)

    def close(self) -> None:
        """Send nothing more."""
        self._waiting.clear()
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _notify(self) -> None:
        # Cleared first: a watcher that asks again while these are told waits for the next change.
        self._timer = None
        waiting, self._waiting = self._waiting, {}
        for participant in waiting:
            participant.socket.emit("$rooms", {})

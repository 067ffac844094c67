"""The rooms that somebody is in, and the names of all others."""

from __future__ import annotations

from collections.abc import Callable

from jupyter_rtmsg.log.eventlog import EventLog

from .limits import Limits
from .ring import Ring
from .room import Room
from .room_quota import RoomQuota
from .roomlist import RoomListWatchers


class Rooms:
    """Active rooms by name.

    Parameters
    ----------
    limits : Limits
    owner : callable, optional
        Returns the principal whose server it is, or None.

    Attributes
    ----------
    active : dict
        Rooms with members.
    quota : RoomQuota
        How many rooms there are, and who made them.
    watchers : RoomListWatchers
        Who is told that the list of rooms has changed.
    """

    def __init__(self, limits: Limits, owner: Callable[[], str | None] = lambda: None) -> None:
        self._limits = limits
        self.active: dict[str, Room] = {}
        self.quota = RoomQuota(limits, owner)
        self.watchers = RoomListWatchers()

    def open(self, name: str, principal: str, position: Callable[[], int]) -> Room:
        """Return a room for a principal who is about to join: call `settle` with it when that is over.

        Raises
        ------
        LimitExceeded
        """
        room = self.active.get(name)
        if room is None:
            self.quota.open(name, principal)
            ring = Ring(position(), max_events=self._limits.ring_events, max_bytes=self._limits.ring_bytes)
            room = self.active[name] = Room(name, ring)
        room.joining += 1
        return room

    def settle(self, room: Room) -> None:
        """Take note that somebody has left a room, and let go of it when nobody is in it any more."""
        if room.idle and self.active.get(room.name) is room:
            del self.active[room.name]
            self.quota.close(room.name)
        self.watchers.changed()

    async def refresh(self, log: EventLog) -> None:
        """Learn which rooms hold events: forget those whose events are all gone, or were never stored."""
        before = frozenset(self.quota.makers)
        held = await log.rooms()
        makers = self.quota.makers
        since = {name: maker for name, maker in makers.items() if name not in before}
        self.quota.replace(since | {name: stats.maker or makers.get(name, "") for name, stats in held.items()})
        if self.quota.makers.keys() != before:
            self.watchers.changed()

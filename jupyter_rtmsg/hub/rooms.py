"""The rooms that somebody is in, and the names of all others."""

from __future__ import annotations

from collections.abc import Callable

from jupyter_rtmsg.errors import LimitExceeded
from jupyter_rtmsg.log.eventlog import EventLog

from .limits import Limits
from .ring import Ring
from .room import Room
from .roomlist import RoomListWatchers


class Rooms:
    """Active rooms by name.

    Parameters
    ----------
    limits : Limits

    Attributes
    ----------
    active : dict
        Rooms with members.
    known : set of str
        Every room with members or events, as far as is known: what `Limits.rooms` counts.
    watchers : RoomListWatchers
        Who is told that the list of rooms has changed.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.active: dict[str, Room] = {}
        self.known: set[str] = set()
        self.watchers = RoomListWatchers()

    def open(self, name: str, position: Callable[[], int]) -> Room:
        """Return a room for somebody who is about to join: call `settle` with it when that is over.

        Raises
        ------
        LimitExceeded
        """
        room = self.active.get(name)
        if room is None:
            self.claim(name)
            ring = Ring(position(), max_events=self._limits.ring_events, max_bytes=self._limits.ring_bytes)
            room = self.active[name] = Room(name, ring)
        room.joining += 1
        return room

    def claim(self, name: str) -> None:
        """Count a room that is about to have members or events.

        Raises
        ------
        LimitExceeded
            If it is one too many.
        """
        if name not in self.known:
            if len(self.known) >= self._limits.rooms:
                raise LimitExceeded(f"there are {len(self.known)} rooms, and no more than {self._limits.rooms} may be")
            self.known.add(name)

    def settle(self, room: Room) -> None:
        """Take note that somebody has left a room, and let go of it when nobody is in it any more."""
        if room.idle and self.active.get(room.name) is room:
            del self.active[room.name]
        self.watchers.changed()

    async def refresh(self, log: EventLog) -> None:
        """Forget the names of rooms whose events are all gone."""
        before = frozenset(self.known)
        held = await log.rooms()
        self.known = (self.known - before) | set(held) | set(self.active)
        if self.known != before:
            self.watchers.changed()

"""Completes a line of ``%rtmsg``: commands, rooms, and names of events."""

from __future__ import annotations

import time
from collections.abc import Iterable

from jupyter_rtmsg.errors import RtmsgError
from jupyter_rtmsg.rooms.connect import found_or_latest
from jupyter_rtmsg.rooms.room import Room

from .arguments import COMMANDS

_WITH_ROOM = frozenset({"join", "tail", "stop", "emit", "capture"})
_FRESH = 5.0  # seconds for which a list of rooms is used again
_READ = 200  # newest events whose names are offered


class Completer:
    """Finds the words that may come next. What cannot be asked now is not offered."""

    def __init__(self) -> None:
        self._joined: dict[str, Room] = {}
        self._rooms: list[str] = []
        self._asked = float("-inf")

    def add(self, room: Room) -> None:
        """Offer the events of a joined room."""
        self._joined[room.name] = room

    def of(self, text: str, word: str) -> list[str]:
        """Return the words that may stand at the end of a text.

        Parameters
        ----------
        text : str
            The line up to the cursor.
        word : str
            The word at the cursor, as far as it is written.
        """
        before = (text[: len(text) - len(word)] if word else text).split()[1:]
        return sorted(each for each in self._next(before) if each.startswith(word))

    def _next(self, before: list[str]) -> Iterable[str]:
        if not before:
            return COMMANDS
        if before[0] in _WITH_ROOM and len(before) == 1:
            return {*self._known_rooms(), *self._joined}
        if (before[0] == "emit" and len(before) == 2) or before[-1] == "--event":
            return self._events(before[1])
        return ["--event", "--last"] if before[0] == "tail" else ()

    def _known_rooms(self) -> list[str]:
        if time.monotonic() - self._asked > _FRESH:
            self._asked = time.monotonic()
            try:
                self._rooms = [room["room"] for room in found_or_latest().rooms()]
            except (RtmsgError, OSError):
                self._rooms = []
        return self._rooms

    def _events(self, name: str) -> set[str]:
        room = self._joined.get(name)
        if room is None:
            return set()
        try:
            return {event.name for event in room.history(last=_READ) if not event.name.startswith("$")}
        except (RtmsgError, OSError):
            return set()

"""Tells those who look at the list of rooms that it has changed: ``$rooms``."""

from __future__ import annotations

import asyncio

from .connection import Connection

INTERVAL = 2.0
"""Seconds in which changes are gathered."""


class RoomListWatchers:
    """Connections that asked for the list of rooms and are told once that it has changed since.

    Whoever wants to know of the next change asks again, so that a view that is hidden costs nothing. No timer runs
    while nobody asks, or nothing changes.
    """

    def __init__(self) -> None:
        self._waiting: dict[Connection, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, connection: Connection) -> None:
        """Tell a connection of the next change."""
        self._waiting[connection] = None

    def discard(self, connection: Connection) -> None:
        """A connection is gone."""
        self._waiting.pop(connection, None)

    def changed(self) -> None:
        """There is a room more or less, or one with other members or events."""
        if self._waiting and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._tell)

    def close(self) -> None:
        """Tell nothing more."""
        self._waiting.clear()
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _tell(self) -> None:
        self._timer = None
        waiting, self._waiting = self._waiting, {}
        for connection in waiting:
            connection.socket.emit("$rooms", {})

"""How many bytes the sessions of a server hold together, and what happens when they are too many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..wire.socketio import Encoded


class Memory:
    """The server's budget for everything that waits.

    Parameters
    ----------
    limit : int
        Bytes.
    exceeded : callable
        Called, with no arguments, when there are more; it must not free anything before it returns.

    Attributes
    ----------
    limit, used : int
        Bytes. A packet that waits for several sessions counts once.
    """

    __slots__ = ("_exceeded", "_waiting", "limit", "used")

    def __init__(self, limit: int, exceeded: Callable[[], Any]) -> None:
        self.limit = limit
        self.used = 0
        self._exceeded = exceeded
        self._waiting: dict[Encoded, int] = {}  # for how many sessions each packet waits

    def keep(self, encoded: Encoded) -> None:
        """A packet waits for one session more."""
        waiting = self._waiting.get(encoded, 0)
        self._waiting[encoded] = waiting + 1
        if not waiting:
            self.add(len(encoded.websocket))

    def drop(self, encoded: Encoded) -> None:
        """A packet waits for one session less."""
        waiting = self._waiting[encoded] - 1
        if waiting:
            self._waiting[encoded] = waiting
        else:
            del self._waiting[encoded]
            self.used -= len(encoded.websocket)

    def add(self, size: int) -> None:
        """Count bytes that belong to one session alone; a negative size gives them back."""
        self.used += size
        if self.used > self.limit and size > 0:
            self._exceeded()

"""The bytes that all sessions of a server hold together, and the limit for them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Protocol

from jupyter_rtmsg.wire.socketio import Encoded

MAX_CUTS = 8  # sessions cut off in one turn of the event loop
RETRY_AFTER = 0.05  # seconds, if cutting off a session freed less than half of its bytes


class Holder(Protocol):
    """The part of a `Session` that `Memory` uses."""

    @property
    def principal(self) -> str:
        """The user, or for anonymous clients the address, that the session is charged to."""

    @property
    def held(self) -> int:
        """Bytes that are held for the session."""

    def cut_off(self, why: str, *, now: bool = False) -> None:
        """End the session and free its bytes."""


class Memory:
    """Counts the bytes that sessions hold; beyond the limit the principal with the most loses its largest session.

    Parameters
    ----------
    limit : int
        Bytes.
    holders : callable
        Returns the sessions that may hold something.

    Attributes
    ----------
    limit, used : int
        Bytes. A packet that waits for several sessions counts once.
    """

    __slots__ = ("_holders", "_relieving", "_waiting", "limit", "used")

    def __init__(self, limit: int, holders: Callable[[], Iterable[Holder]]) -> None:
        self.limit = limit
        self.used = 0
        self._holders = holders
        self._relieving = False  # whether `_relieve` is scheduled
        self._waiting: dict[Encoded, int] = {}  # the number of sessions that each packet waits for

    def keep(self, encoded: Encoded) -> None:
        """Count a packet that waits for one more session."""
        waiting = self._waiting.get(encoded, 0)
        self._waiting[encoded] = waiting + 1
        if not waiting:
            self.add(len(encoded.websocket))

    def drop(self, encoded: Encoded) -> None:
        """Count a packet that waits for one session less."""
        waiting = self._waiting[encoded] - 1
        if waiting:
            self._waiting[encoded] = waiting
        else:
            del self._waiting[encoded]
            self.used -= len(encoded.websocket)

    def add(self, size: int) -> None:
        """Count bytes that a single session holds; a negative size returns them."""
        self.used += size
        if self.used > self.limit and size > 0 and not self._relieving:
            self._relieving = True
            asyncio.get_running_loop().call_soon(self._relieve)  # later: the caller is in the middle of a change

    def _relieve(self) -> None:
        """Cut off the largest sessions, at most `MAX_CUTS` in a turn, until the limit is kept."""
        loop = asyncio.get_running_loop()
        self._relieving = False
        for _ in range(MAX_CUTS):
            before, held = self.used, self._cut_off_largest()
            if not held or self.used <= self.limit:
                return
            if self.used > before - held / 2:  # its packets are shared with other sessions, or are about to be read
                self._relieving = True
                loop.call_later(RETRY_AFTER, self._relieve)
                return
        self._relieving = True
        loop.call_soon(self._relieve)

    def _cut_off_largest(self) -> int:
        """Cut off the largest session of the principal that holds most; return the bytes that were held for it."""
        sessions = list(self._holders())
        held: Counter[str] = Counter()
        for session in sessions:
            held[session.principal] += session.held
        if self.used <= self.limit or not held.total():
            return 0
        worst = held.most_common(1)[0][0]
        largest = max((each for each in sessions if each.principal == worst), key=lambda each: each.held)
        size = largest.held
        why = f"{size:,} bytes were held for it, of {self.used:,} for all sessions; max_memory is {self.limit:,}"
        largest.cut_off(why, now=True)
        return size

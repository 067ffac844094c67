"""What waits to be written to one session.

An outbox is a plain list of `Encoded`, so that a broadcast costs one ``append`` for each member. While a session cannot
be written to, its list is swapped for a `Backlog`, which counts bytes and reports the one too many; after its end
for `DISCARD`. The writer's path stays the same in all three.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..wire.socketio import Encoded


class Backlog(list[Encoded]):
    """The outbox of a session that cannot be written to now: bounded.

    Parameters
    ----------
    waiting : iterable of Encoded
        What is in it from the start.
    limit : int
        Bytes.
    overflow : callable
        Called, with no arguments, whenever there are more.
    """

    __slots__ = ("_limit", "_overflow", "size")

    def __init__(self, waiting: Iterable[Encoded], limit: int, overflow: Callable[[], Any]) -> None:
        super().__init__()
        self._limit = limit
        self._overflow = overflow
        self.size = 0
        for encoded in waiting:
            self.append(encoded)

    def append(self, encoded: Encoded) -> None:
        """Add a packet, and count it."""
        super().append(encoded)
        self.size += len(encoded.websocket)
        if self.size > self._limit:
            self._overflow()


class _Discard(list[Encoded]):
    """The outbox of a closed session. Never empty in the eyes of a writer, so that nobody flushes it."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return True

    def append(self, encoded: Encoded) -> None:
        pass


DISCARD = _Discard()


class Joiner:
    """Joins outboxes to the bytes of one write, once for all sessions that have the same pending packets."""

    __slots__ = ("_bytes", "_outbox")

    def __init__(self) -> None:
        self._outbox: list[Encoded] = []
        self._bytes = b""

    def join(self, outbox: list[Encoded]) -> bytes:
        """Return all frames of an outbox."""
        if len(outbox) == 1:
            return outbox[0].websocket
        if outbox != self._outbox:
            self._outbox = outbox
            self._bytes = b"".join([encoded.websocket for encoded in outbox])
        return self._bytes

    def forget(self) -> None:
        """Let go of what was joined last."""
        self._outbox, self._bytes = [], b""

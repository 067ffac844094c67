"""What is emitted without a connection, until there is one."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from jupyter_rtmsg.errors import QueueFull
from jupyter_rtmsg.wire.socketio import Encoded


class Waiting(NamedTuple):
    """An event that waits: the packet, its arguments, and the id of its acknowledgement."""

    packet: Encoded
    args: Sequence[Any]
    id: int | None

    @property
    def size(self) -> int:
        """Its bytes."""
        return len(self.packet.text) + sum(map(len, self.packet.attachments))


class SendBuffer:
    """A bounded queue.

    Parameters
    ----------
    max_events, max_bytes : int
        How much may wait.
    """

    def __init__(self, max_events: int = 10_000, max_bytes: int = 64 * 1024 * 1024) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._waiting: deque[Waiting] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, waiting: Waiting) -> None:
        """Keep an event; raises `QueueFull`."""
        if len(self._waiting) >= self._max_events or self._bytes + waiting.size > self._max_bytes:
            raise QueueFull(
                f"{len(self._waiting):,} events ({self._bytes:,} bytes) wait for a connection; the buffer holds "
                f"{self._max_events:,} ({self._max_bytes:,} bytes)"
            )
        self._waiting.append(waiting)
        self._bytes += waiting.size

    def take(self) -> list[Waiting]:
        """Empty it."""
        taken, self._bytes = list(self._waiting), 0
        self._waiting.clear()
        return taken

    def discard(self, id: int) -> None:
        """Forget the event whose acknowledgement nobody waits for any more."""
        for waiting in self._waiting:
            if waiting.id == id:
                self._waiting.remove(waiting)
                self._bytes -= waiting.size
                break

    def holds(self, id: int) -> bool:
        """Whether the event with this acknowledgement waits still."""
        return any(waiting.id == id for waiting in self._waiting)

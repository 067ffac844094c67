"""Acknowledgements that a socket waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

from jupyter_rtmsg.futures import settle
from jupyter_rtmsg.wire.socketio import Packet


class Acks:
    """The pending acknowledgements of one namespace, by id. No id is used twice."""

    def __init__(self) -> None:
        self._pending: dict[int, Callable[[Any], None]] = {}
        self.new_id = count().__next__

    def expect(self, id: int, answer: Callable[[Any], None]) -> None:
        """Call a function with the list of an ACK's arguments, or with an exception."""
        self._pending[id] = answer

    def future(self, id: int) -> asyncio.Future[Any]:
        """Return a future of the list of an ACK's arguments."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending[id] = partial(settle, future)
        return future

    def forget(self, id: int) -> bool:
        """Wait no longer for an ACK; return False if it has come."""
        return self._pending.pop(id, None) is not None

    def take(self, packet: Packet) -> None:
        """Take an ACK. One that is not pending (any more) is ignored (docs/protocol.md#socketio-events)."""
        answer = self._pending.pop(packet.id, None) if packet.id is not None else None
        if answer:
            answer(packet.data)

    def fail(self, id: int, error: Exception) -> None:
        """Fail one pending ACK."""
        answer = self._pending.pop(id, None)
        if answer:
            answer(error)

    def fail_all(self, error: Exception, kept: Callable[[int], bool]) -> None:
        """Fail all pending ACKs but those for which ``kept(id)`` is true."""
        lost = [id for id in self._pending if not kept(id)]
        for answer in [self._pending.pop(id) for id in lost]:
            answer(error)

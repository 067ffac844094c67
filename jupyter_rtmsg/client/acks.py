"""Acknowledgements that are waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

from jupyter_rtmsg.wire.socketio import Packet


class Acks:
    """The acknowledgements of one namespace, by their ids, which are never used twice."""

    def __init__(self) -> None:
        self._waiting: dict[int, Callable[[Any], None]] = {}
        self.new_id = count().__next__

    def expect(self, id: int, answer: Callable[[Any], None]) -> None:
        """Have a function called with the list that an ACK holds, or with an exception."""
        self._waiting[id] = answer

    def future(self, id: int) -> asyncio.Future[Any]:
        """Return a future of the same."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[id] = partial(_settle, future)
        return future

    def forget(self, id: int) -> bool:
        """Wait no longer; tell whether that was waited for."""
        return self._waiting.pop(id, None) is not None

    def take(self, packet: Packet) -> None:
        """Take an ACK; one that nobody waits for, or no longer, is nothing wrong (docs/protocol.md#socketio-events)."""
        answer = self._waiting.pop(packet.id, None) if packet.id is not None else None
        if answer:
            answer(packet.data)

    def give_up(self, id: int, error: Exception) -> None:
        """Tell whoever waits for one acknowledgement why it will not come."""
        answer = self._waiting.pop(id, None)
        if answer:
            answer(error)

    def fail(self, error: Exception, kept: Callable[[int], bool]) -> None:
        """Tell those who wait that no answer will come, but not those whose events are kept to be sent later."""
        lost = [id for id in self._waiting if not kept(id)]
        for answer in [self._waiting.pop(id) for id in lost]:
            answer(error)


def _settle(future: asyncio.Future[Any], answer: Any) -> None:
    if future.done():
        return
    if isinstance(answer, BaseException):
        future.set_exception(answer)
    else:
        future.set_result(answer)

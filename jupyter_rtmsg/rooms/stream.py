"""Iterating over a room's events: one stream for threads, one for coroutines."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable

from jupyter_rtmsg.client.handlers import Handler
from jupyter_rtmsg.event import Event

from .membership import Membership

_MAX_WAITING = 1_000  # then the room's other handlers wait too: memory is bounded, and nothing is lost


class Buffer:
    """Events between a room's thread and a loop over them."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, event: Event) -> None:
        """Add an event; wait while too many are there."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._events) < _MAX_WAITING)
            self._events.append(event)
            self._changed.notify_all()

    def take(self, timeout: float | None) -> Event | None:
        """Return the next event, or None after so many seconds without one, or when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._events, timeout)
            if not self._events:
                return None
            self._changed.notify_all()
            return self._events.popleft()

    def close(self) -> None:
        """Wake everyone."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class EventStream:
    """Events as they come, until `close`, or ``timeout`` seconds without one. What `Room.events` returns."""

    def __init__(self, buffer: Buffer, timeout: float | None, end: Callable[[], None]) -> None:
        self._buffer = buffer
        self._timeout = timeout
        self._end = end

    def __iter__(self) -> EventStream:
        return self

    def __next__(self) -> Event:
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        event = self._buffer.take(None if deadline is None else max(0.0, deadline - time.monotonic()))
        if event is None:
            self.close()
            raise StopIteration
        return event

    def __enter__(self) -> EventStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_end"):  # it was made, no interrupt prevented that
            self.close()

    def close(self) -> None:
        """Take no more events."""
        self._end()
        self._buffer.close()


class AsyncBuffer:
    """The same on one event loop."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._waiting: set[asyncio.Future[None]] = set()
        self._closed = False

    async def put(self, event: Event) -> None:
        """Add an event; wait while too many are there."""
        while not self._closed and len(self._events) >= _MAX_WAITING:
            await self._change(None)
        self._events.append(event)
        self._wake()

    async def take(self, timeout: float | None) -> Event | None:
        """Return the next event, or None after so many seconds without one, or when closed."""
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        while not self._events:
            remaining = None if deadline is None else deadline - loop.time()
            if self._closed or (remaining is not None and remaining <= 0):
                return None
            await self._change(remaining)
        self._wake()
        return self._events.popleft()

    def close(self) -> None:
        """Wake everyone."""
        self._closed = True
        self._wake()

    async def _change(self, timeout: float | None) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            await asyncio.wait({waiter}, timeout=timeout)
        finally:
            self._waiting.discard(waiter)

    def _wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)


class AsyncEventStream:
    """Events as they come, for ``async for``. What `AsyncRoom.events` returns."""

    def __init__(self, buffer: AsyncBuffer, timeout: float | None, end: Callable[[], None]) -> None:
        self._buffer = buffer
        self._timeout = timeout
        self._end = end

    def __aiter__(self) -> AsyncEventStream:
        return self

    async def __anext__(self) -> Event:
        event = await self._buffer.take(self._timeout)
        if event is None:
            self.close()
            raise StopAsyncIteration
        return event

    async def __aenter__(self) -> AsyncEventStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_end"):
            self._end()

    def close(self) -> None:
        """Take no more events."""
        self._end()
        self._buffer.close()


def open_stream(membership: Membership, event: str | None, buffer: Buffer | AsyncBuffer) -> Callable[[], None]:
    """Have a room's events put into a buffer; return what ends that.

    Running the cell again that opened the stream ends it, so that a loop in a task or a thread has its last round.
    """
    handler = Handler(buffer.put, event, replaced=lambda: membership.soon(buffer.close))
    membership.register(handler, at_once=True)
    membership.streams.add(buffer.close)

    def end() -> None:
        membership.streams.discard(buffer.close)
        membership.handlers.discard(handler)

    return end

"""Streams: iteration over a room's events as they come, for threads and for coroutines."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable

from jupyter_rtmsg.client.handlers import Handler
from jupyter_rtmsg.event import Event
from jupyter_rtmsg.futures import Waiters

from .membership import Membership

_MAX_WAITING = 1_000  # events; then the room's other handlers wait, so memory is bounded and nothing is lost


class Buffer:
    """A bounded queue of events between the thread of a room and the thread of a loop over them."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, event: Event) -> None:
        """Add an event; wait while the queue is full."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._events) < _MAX_WAITING)
            self._events.append(event)
            self._changed.notify_all()

    def take(self, timeout: float | None) -> Event | None:
        """Return the next event; None after ``timeout`` seconds, or if the buffer is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._events, timeout)
            if not self._events:
                return None
            self._changed.notify_all()
            return self._events.popleft()

    def close(self) -> None:
        """Let nobody wait any longer."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class EventStream:
    """The events of a room as they come, until `close` or ``timeout`` seconds without one. See `Room.events`."""

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
        if hasattr(self, "_end"):  # not set if an interrupt came before
            self.close()

    def close(self) -> None:
        """Stop taking events."""
        self._end()
        self._buffer.close()


class AsyncBuffer:
    """A bounded queue of events on one event loop."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._changed = Waiters()
        self._closed = False

    async def put(self, event: Event) -> None:
        """Add an event; wait while the queue is full."""
        while not self._closed and len(self._events) >= _MAX_WAITING:
            await self._changed.wait()
        self._events.append(event)
        self._changed.wake()

    async def take(self, timeout: float | None) -> Event | None:
        """Return the next event; None after ``timeout`` seconds, or if the buffer is closed and empty."""
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        while not self._events:
            remaining = None if deadline is None else deadline - loop.time()
            if self._closed or (remaining is not None and remaining <= 0):
                return None
            await self._changed.wait(remaining)
        self._changed.wake()
        return self._events.popleft()

    def close(self) -> None:
        """Let nobody wait any longer."""
        self._closed = True
        self._changed.wake()


class AsyncEventStream:
    """The events of a room as they come, for ``async for``. See `AsyncRoom.events`."""

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
        """Stop taking events."""
        self._end()
        self._buffer.close()


def open_stream(membership: Membership, event: str | None, buffer: Buffer | AsyncBuffer) -> Callable[[], None]:
    """Put a room's events into a buffer, from now on; return a function that stops that.

    If the cell that opened the stream runs again, the buffer is closed, so a loop in a task or a thread ends.
    """
    handler = Handler(buffer.put, event, replaced=lambda: membership.call_soon(buffer.close))
    return membership.register_stream(handler, buffer.close)

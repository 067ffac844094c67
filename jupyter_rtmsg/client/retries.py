"""Events that are sent again until the server acknowledges them, one at a time (docs/protocol.md#socketio-client)."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from jupyter_rtmsg.errors import AckTimeout, Disconnected, QueueFull, RtmsgError

_log = logging.getLogger("jupyter_rtmsg")


class _Queued(NamedTuple):
    args: Sequence[Any]
    timeout: float
    answer: asyncio.Future[Any]


class RetryQueue:
    """The events of a socket with ``retries``, in order.

    Each attempt has an ack id of its own: a server that must not take an event twice needs an id among its arguments.

    Parameters
    ----------
    ask : callable
        Sends an event once and returns the answer.
    connected : callable
        Waits for a connection; returns False when there will be none.
    retries : int
        How often an event is sent again.
    max_events : int
        How many may wait.
    """

    def __init__(
        self,
        ask: Callable[[Sequence[Any], float], Awaitable[Any]],
        connected: Callable[[], Awaitable[bool]],
        retries: int,
        max_events: int = 10_000,
    ) -> None:
        self._ask = ask
        self._connected = connected
        self._retries = retries
        self._max_events = max_events
        self._queue: deque[_Queued] = deque()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, args: Sequence[Any], timeout: float) -> asyncio.Future[Any]:
        """Queue an event; the future holds the answer, or the error of the last attempt. Raises `QueueFull`."""
        if len(self._queue) >= self._max_events:
            raise QueueFull(f"{len(self._queue):,} events wait to be acknowledged; the queue holds no more")
        queued = _Queued(args, timeout, asyncio.get_running_loop().create_future())
        self._queue.append(queued)
        self.wake()
        return queued.answer

    def wake(self) -> None:
        """Go on, as there is something to send or a connection."""
        if self._queue and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._work(), name="rtmsg retries")

    async def _work(self) -> None:
        while self._queue:
            queued = self._queue[0]
            try:
                answer = await self._attempts(queued)
            except _ClosedError:
                return  # what waits is sent when the socket connects again
            except (RtmsgError, ValueError) as error:
                self._fail(queued, error)
            else:
                if not queued.answer.done():
                    queued.answer.set_result(answer)
            self._queue.popleft()

    async def _attempts(self, queued: _Queued) -> Any:
        for attempt in range(self._retries + 1):
            if not await self._connected():
                raise _ClosedError
            try:
                return await self._ask(queued.args, queued.timeout)
            except (AckTimeout, Disconnected) as error:
                _log.info("attempt %d of %d to emit %r: %s", attempt + 1, self._retries + 1, queued.args[0], error)
                if attempt == self._retries:
                    raise
        raise AssertionError("unreachable")

    def _fail(self, queued: _Queued, error: Exception) -> None:
        if queued.answer.done():
            return
        queued.answer.set_exception(error)
        queued.answer.exception()  # seen: an emit has nobody who waits
        _log.warning("%r was not acknowledged: %s", queued.args[0], error)


class _ClosedError(Exception):
    pass

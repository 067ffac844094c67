"""The retry queue: events are sent one at a time, each until it is acknowledged (docs/protocol.md#socketio-client)."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from jupyter_rtmsg.errors import AckTimeout, Disconnected, QueueFull, RtmsgError
from jupyter_rtmsg.futures import settle

logger = logging.getLogger(__name__)


class _Queued(NamedTuple):
    args: Sequence[Any]
    timeout: float
    answer: asyncio.Future[Any]


class RetryQueue:
    """The events of a socket with ``retries``, in order.

    ``_task`` sends the first event of the queue while there is one. Each attempt has an ack id of its own, so a server
    recognizes a repeated event only by an id among its arguments.

    Parameters
    ----------
    ask : callable
        Sends an event once and returns the answer.
    connected : coroutine function
        Waits for a connection; returns False if there will be none.
    retries : int
        How often an event is sent again.
    max_events : int
        The number of events that may wait.
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
        """Queue an event, and return a future of the answer, or of the error of the last attempt.

        Raises
        ------
        QueueFull
        """
        if len(self._queue) >= self._max_events:
            raise QueueFull(f"{len(self._queue):,} events wait to be acknowledged; the queue holds no more")
        queued = _Queued(args, timeout, asyncio.get_running_loop().create_future())
        self._queue.append(queued)
        self.wake()
        return queued.answer

    def wake(self) -> None:
        """Continue, since there is a connection, or an event to send."""
        if self._queue and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._work(), name="rtmsg retries")

    async def _work(self) -> None:
        while self._queue:
            queued = self._queue[0]
            try:
                answer = await self._attempts(queued)
            except _ClosedError:
                return  # the events are sent when the socket connects again
            except (RtmsgError, ValueError) as error:
                self._fail(queued, error)
            else:
                settle(queued.answer, answer)
            self._queue.popleft()

    async def _attempts(self, queued: _Queued) -> Any:
        for attempt in range(self._retries + 1):
            if not await self._connected():
                raise _ClosedError
            try:
                return await self._ask(queued.args, queued.timeout)
            except (AckTimeout, Disconnected) as error:
                logger.info("attempt %d of %d to emit %r: %s", attempt + 1, self._retries + 1, queued.args[0], error)
                if attempt == self._retries:
                    raise
        raise AssertionError("unreachable")

    def _fail(self, queued: _Queued, error: Exception) -> None:
        if queued.answer.done():
            return
        queued.answer.set_exception(error)
        queued.answer.exception()  # mark it as retrieved: after `emit` nobody awaits it
        logger.warning("%r was not acknowledged: %s", queued.args[0], error)


class _ClosedError(Exception):
    """The socket was closed while an event waited."""

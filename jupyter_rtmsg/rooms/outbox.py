"""Events on their way to the hub: kept until acknowledged, sent again after a reconnect.

The hub stores an id of a client once, so sending again is safe: that makes "at least once" exactly once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

from jupyter_rtmsg.errors import CommandError, Disconnected, IdConflict, QueueFull, TooLarge

from .commands import LATER, Reply, reply_of
from .hub_socket import HubSocket
from .publish import Publish, draft
from .receipt import Receipt

_log = logging.getLogger("jupyter_rtmsg")
_WINDOW = 1_000  # unacknowledged at a time: enough to fill group commits, few enough to send again
_PAUSE = 0.25


class Outbox:
    """The queue of a client, in order.

    Parameters
    ----------
    socket : HubSocket
    client : str
        The UUID of the client; ids are made from it.
    max_events, max_bytes : int
        How much may wait.
    """

    def __init__(
        self, socket: HubSocket, client: str, max_events: int = 10_000, max_bytes: int = 64 * 1024 * 1024
    ) -> None:
        self._socket = socket
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._unacknowledged: dict[tuple[str, str], Publish] = {}
        self._waiting: deque[Publish] = deque()
        self._bytes = 0
        self._in_flight = 0
        self._open = False  # nothing may overtake what is sent again, nor the joining of rooms
        self._paused = False
        self._resuming: asyncio.TimerHandle | None = None
        self._space: set[asyncio.Future[None]] = set()
        self._handed_in: deque[Publish] = deque()
        self._scheduled = False
        self._loop = asyncio.get_running_loop()
        self._ids = map(f"{client[:12]}-%d".__mod__, count(1))

    # --- in

    def draft(self, room: str, event: str, data: Any, *, id: str | None, volatile: bool, expect: int | None) -> Publish:
        """Encode an event, with a new id unless one is given. Thread-safe.

        Raises
        ------
        NotJSON, TooLarge, BadEvent, ReservedEvent, LimitExceeded
            If the event cannot be sent.
        """
        key = id if id is not None else next(self._ids)
        publish = draft(room, event, data, key, auto=id is None, volatile=volatile, expect=expect)
        self.check(publish)
        return publish

    def fits(self, size: int) -> bool:
        """Whether there is room for an event of so many bytes."""
        number = len(self._unacknowledged) + len(self._handed_in)
        return number < self._max_events and self._bytes + size <= self._max_bytes

    def check(self, publish: Publish) -> None:
        """Refuse what no message can hold, with `TooLarge`."""
        error = self._too_large(publish)
        if error:
            raise error

    def _too_large(self, publish: Publish) -> TooLarge | None:
        limit, advice = self._socket.max_payload, "Send it in parts, or send where it can be found"
        if publish.size > limit:
            return TooLarge(f"the event has {publish.size:,} bytes; a message may have {limit:,}. {advice}")
        if not self._socket.fits(publish.size, publish.attachments):
            return TooLarge(
                f"the event has {publish.size:,} bytes, which do not fit into a request of long-polling: the server or "
                f"a proxy takes no larger ones, and bytes grow by a third there, as base64. {advice}"
            )
        return None

    async def admit(self, publish: Publish, timeout: float) -> None:
        """Wait until there is room, as long as there is a connection that makes room.

        Raises
        ------
        QueueFull
            At once while offline, else after ``timeout`` seconds.
        """
        deadline = self._loop.time() + timeout
        while not self.fits(publish.size):
            remaining = deadline - self._loop.time()
            if not self._socket.connected or remaining <= 0:
                raise QueueFull(
                    f"{len(self._unacknowledged):,} events ({self._bytes:,} bytes) wait to be stored; the queue holds "
                    f"{self._max_events:,} ({self._max_bytes:,} bytes), and the connection is {self._socket.state}"
                )
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._space.add(waiter)
            await asyncio.wait({waiter}, timeout=remaining)

    async def put(self, publish: Publish, timeout: float) -> Receipt:
        """Queue an event when there is room; one with the same room and id that is on its way already stands for it."""
        self._socket.io.check_loop()
        known = self._unacknowledged.get(publish.key)
        if known and known.json != publish.json:
            raise IdConflict(
                f"an event with the id {publish.receipt.id!r} is on its way, with another name or other data"
            )
        if known:
            return known.receipt
        await self.admit(publish, timeout)
        self.add(publish)
        return publish.receipt

    def hand_in(self, publish: Publish) -> None:
        """Do the same as `add`, from any thread."""
        self._handed_in.append(publish)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon_threadsafe(self._take)

    def _take(self) -> None:
        self._scheduled = False
        while self._handed_in:
            self.add(self._handed_in.popleft())

    def add(self, publish: Publish) -> None:
        """Queue an event, and send it as soon as may be."""
        if self._socket.state == "closed":
            publish.receipt.refused(Disconnected("the client was closed"))
        elif publish.volatile and not (self._open and self._socket.can_write):
            publish.receipt.stored(None)  # what is volatile is for those who are there
        else:
            self._unacknowledged[publish.key] = publish
            self._bytes += publish.size
            self._waiting.append(publish)
            self.pump()

    # --- out

    def pump(self) -> None:
        """Send what may be sent now."""
        while self._waiting and self._may_send:
            publish = self._waiting.popleft()
            error = self._too_large(publish)  # for another server, or transport, than when it was emitted
            if error:
                self._finish(publish, error)
                continue
            publish.sent = True
            self._in_flight += 1
            self._socket.request(publish.json, publish.attachments, partial(self._answer, publish))

    @property
    def _may_send(self) -> bool:
        return self._open and not self._paused and self._in_flight < _WINDOW and self._socket.can_write

    def connected(self) -> None:
        """Send again what was not acknowledged, in order, before anything else."""
        self._open = True
        self._in_flight = 0
        self._paused = False
        self._requeue(lambda publish: True)

    def lost(self) -> None:
        """Learn that the connection has gone: wake who waits for room, since none will come."""
        self._open = False
        self._wake()
        for publish in [publish for publish in self._unacknowledged.values() if publish.volatile]:
            self._finish(publish, None)

    def _requeue(self, wanted: Callable[[Publish], bool]) -> None:
        self._waiting.clear()
        for publish in self._unacknowledged.values():
            if wanted(publish):
                publish.sent = False
                self._waiting.append(publish)
        self.pump()

    def _answer(self, publish: Publish, answer: Any) -> None:
        if isinstance(answer, BaseException):
            return  # the connection was lost: it is sent again
        self._in_flight -= 1
        try:
            reply = reply_of(answer)
        except CommandError as error:
            if error.code in LATER:
                self._later(publish, error)
                return
            self._finish(publish, error)
        else:
            self._finish(publish, reply.get("seq"), reply)
        self.pump()

    def _later(self, publish: Publish, error: CommandError) -> None:
        publish.sent = False
        if not self._paused:
            self._paused = True
            _log.warning("the hub asks to slow down (%s: %s); events wait in the queue", error.code, error)
            self._resuming = self._loop.call_later(_PAUSE, self._resume)

    def _resume(self) -> None:
        self._paused = False
        self._requeue(lambda publish: not publish.sent)

    def _finish(self, publish: Publish, outcome: int | Exception | None, reply: Reply | None = None) -> None:
        if self._unacknowledged.pop(publish.key, None) is not publish:
            return
        self._bytes -= publish.size
        if isinstance(outcome, Exception):
            publish.receipt.refused(outcome)
        else:
            reply = reply or {}
            durable = None if outcome is None else reply.get("durable") is not False
            publish.receipt.stored(outcome, durable=durable, duplicate=reply.get("duplicate") is True)
        if self._space:
            self._wake()

    def _wake(self) -> None:
        for waiter in self._space:
            if not waiter.done():
                waiter.set_result(None)
        self._space.clear()

    async def flush(self, timeout: float) -> None:
        """Wait until everything is acknowledged, for at most so many seconds, and not without a connection."""
        self._take()
        deadline = self._loop.time() + timeout
        while self._unacknowledged and self._open and self._loop.time() < deadline:
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._space.add(waiter)
            await asyncio.wait({waiter}, timeout=deadline - self._loop.time())

    def close(self) -> None:
        """Give up what is left."""
        if self._resuming:
            self._resuming.cancel()
        left = list(self._unacknowledged.values())
        if left:
            _log.warning("%d events were not acknowledged when the client was closed; they may be missing", len(left))
        for publish in left:
            publish.receipt.told()
            self._finish(publish, Disconnected("the client was closed before the hub acknowledged the event"))

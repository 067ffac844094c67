"""The outcomes of a worker's deliveries, on their way to the hub."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any

from jupyter_rtmsg.client.backoff import Backoff
from jupyter_rtmsg.errors import AckTimeout, CommandError, Disconnected, RtmsgError
from jupyter_rtmsg.logthrottle import throttled_logger
from jupyter_rtmsg.wire.data import EncodedJSON, encode_json

from .commands import NOT_NOW, Commands, Reply
from .delivery import State, WorkDelivery, WorkOutcome

MOST = 500
"""Deliveries in one command."""
GATHER = 0.002
"""Seconds until an outcome is sent while other deliveries wait for a handler."""
_PARALLEL = 2  # commands under way; outcomes that come meanwhile share the next one
_RETRY, _RETRY_MAX = 0.2, 5.0  # seconds until a command that failed is sent again
logger = throttled_logger(__name__)


class Settlements:
    """Sends ``done``, ``retry``, ``reject`` and ``working`` in lists, and again until the hub has confirmed them.

    `hand_in` and `renew` are called by handlers. All else runs on the I/O loop: outcomes wait in ``_waiting``, in
    order, until they are sent, and are put back when the command fails. After a reconnect nothing is sent before
    `connected`, since the reply to ``work`` tells first which deliveries the hub still counts as this client's.

    While further deliveries wait for a handler, outcomes are gathered (``_gathering``), up to `GATHER` seconds. The one
    with which the last of them ends is sent at once, together with all that were gathered.

    Parameters
    ----------
    address : mapping
        The ``room`` and ``group`` of each command.
    commands : Commands
    spawn : callable
        Runs a coroutine as a task of the membership.
    call_soon : callable
        Schedules a function on the I/O loop. Thread-safe.
    confirmed : callable
        Called with a delivery, and whether its outcome came too late.
    answered : callable
        Called with the reply of each command.
    waiting : callable
        Returns how many deliveries wait for a handler. Thread-safe.
    """

    def __init__(
        self,
        address: Mapping[str, str],
        commands: Commands,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        call_soon: Callable[[Callable[[], None]], object],
        confirmed: Callable[[WorkDelivery, bool], None],
        answered: Callable[[Reply], None],
        waiting: Callable[[], int],
    ) -> None:
        self._address = address
        self._commands = commands
        self._spawn = spawn
        self._call_soon = call_soon
        self._confirmed = confirmed
        self._answered = answered
        self._backlog = waiting
        self._handed_in: deque[WorkDelivery] = deque()
        self._renewals: deque[WorkDelivery] = deque()
        self._scheduled = False
        self._gathering: asyncio.TimerHandle | None = None
        self._waiting: deque[WorkDelivery] = deque()
        self._under_way = 0
        self._open = False
        self._timer: asyncio.TimerHandle | None = None
        self._retry = Backoff(_RETRY, _RETRY_MAX)
        self._empty = asyncio.Event()
        self._empty.set()

    # --- called by handlers

    def hand_in(self, delivery: WorkDelivery) -> None:
        """Send the outcome of a delivery. Thread-safe."""
        self._handed_in.append(delivery)
        self._schedule()

    def renew(self, delivery: WorkDelivery) -> None:
        """Tell the hub that a handler still works. Thread-safe."""
        self._renewals.append(delivery)
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled or (self._gathering is not None and not self._backlog()):
            self._scheduled = True
            with contextlib.suppress(RuntimeError):  # the loop has been closed
                self._call_soon(self._collect)

    # --- on the loop

    def _collect(self) -> None:
        if self._gathering is None and self._backlog():
            self._gathering = asyncio.get_running_loop().call_later(GATHER, self._gathered)
            if not self._backlog():  # it ended meanwhile, and did not see that outcomes are gathered
                self._gathered()
        elif self._gathering is None or not self._backlog():
            self._gathered()

    def _gathered(self) -> None:
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
        self._scheduled = False  # first: what is handed in from now on schedules another call
        while self._handed_in:
            self._waiting.append(self._handed_in.popleft())
        renewed: dict[int, WorkDelivery] = {}
        while self._renewals:
            delivery = self._renewals.popleft()
            renewed[delivery.seq] = delivery
        if renewed and self._open:
            self._spawn(self._renew([each for each in renewed.values() if each.state is State.RUNNING][:MOST]))
        self._pump()

    def connected(self) -> None:
        """Send what is not confirmed; the hub has told which deliveries are still this client's."""
        self._open = True
        self._pump()

    def lost(self) -> None:
        """Send nothing until `connected`."""
        self._open = False
        self._stop_timer()

    def stop(self) -> None:
        """Send nothing more."""
        self.lost()
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
        self._handed_in.clear()
        self._waiting.clear()
        self._empty.set()

    async def flushed(self, timeout: float) -> bool:
        """Wait until all outcomes are confirmed; return False if they are not after ``timeout`` seconds."""
        self._gathered()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._empty.wait(), timeout)
        return self._empty.is_set()

    def _pump(self) -> None:
        while self._open and self._timer is None and self._waiting and self._under_way < _PARALLEL:
            outcome, batch = self._next_batch()
            if outcome is not None and batch:
                self._under_way += 1
                self._spawn(self._send(outcome, batch))
        if self._waiting or self._under_way:
            self._empty.clear()
        else:
            self._empty.set()

    def _next_batch(self) -> tuple[WorkOutcome | None, list[tuple[WorkDelivery, int]]]:
        """Take the next outcomes that are alike, each with its attempt."""
        outcome: WorkOutcome | None = None
        batch: list[tuple[WorkDelivery, int]] = []
        while self._waiting and len(batch) < MOST:
            delivery = self._waiting[0]
            if delivery.state is not State.GONE and delivery.outcome is not None:
                if delivery.outcome is not outcome:
                    if outcome is not None and delivery.outcome != outcome:
                        break
                    outcome = delivery.outcome
                delivery.send(True)
                batch.append((delivery, delivery.attempt))
            self._waiting.popleft()
        return outcome, batch

    async def _send(self, outcome: WorkOutcome, batch: list[tuple[WorkDelivery, int]]) -> None:
        names = [name for delivery, _ in batch for name in delivery.names]
        try:
            # Encoded here, since its numbers and plain texts need no search for bytes and the like.
            request = EncodedJSON(encode_json({**self._address, "deliveries": names, **outcome.fields}))
            reply = await self._commands.ask(outcome.command, request)
        except RtmsgError as error:
            self._failed([delivery for delivery, _ in batch], error)
        else:
            self._retry.reset()
            self._confirm(batch, reply)
        finally:
            self._under_way -= 1
            self._pump()

    def _confirm(self, batch: Iterable[tuple[WorkDelivery, int]], reply: Reply) -> None:
        late = {(each[0], each[1]) for each in reply.get("stale", ())}
        for delivery, attempt in batch:
            stale = (delivery.seq, attempt) in late
            delivery.send(False)
            if stale and delivery.attempt != attempt and delivery.state is not State.GONE:
                self._waiting.append(delivery)  # it came again meanwhile: the outcome is that of the new attempt
            else:
                self._confirmed(delivery, stale)
        self._answered(reply)

    def _failed(self, batch: list[WorkDelivery], error: RtmsgError) -> None:
        """Put outcomes back that may be sent again, and let the others go."""
        for delivery in batch:
            delivery.send(False)
        refused = isinstance(error, CommandError) and not error.transient and error.code not in NOT_NOW
        if refused and not all(delivery.simplify() for delivery in batch):
            logger.warning(
                "room %r, group %r: the hub refused the outcome of %d events: %s",
                self._address["room"], self._address["group"], len(batch), error,
            )  # fmt: skip
            for delivery in batch:
                self._confirmed(delivery, True)
            return
        self._waiting.extendleft(reversed(batch))
        if isinstance(error, Disconnected):
            self._open = False  # until the next `connected`, which follows the next connect
        elif self._timer is None and isinstance(error, (CommandError, AckTimeout)):
            self._timer = asyncio.get_running_loop().call_later(self._retry.next(), self._due)

    def _due(self) -> None:
        self._timer = None
        self._pump()

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    async def _renew(self, batch: list[WorkDelivery]) -> None:
        if not batch:
            return
        names = {(delivery.seq, delivery.attempt): delivery for delivery in batch}
        try:
            reply = await self._commands.ask("working", {**self._address, "deliveries": [list(name) for name in names]})
        except RtmsgError as error:
            logger.info("room %r: a deadline was not renewed: %s", self._address["room"], error)
            return
        for each in reply.get("stale", ()):
            if (delivery := names.get((each[0], each[1]))) and delivery.attempt == each[1]:
                delivery.drop()

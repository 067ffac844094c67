"""The progress of a room's handlers, and the acknowledgements that tell the hub about it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from jupyter_rtmsg.client.backoff import Backoff
from jupyter_rtmsg.errors import AckTimeout, CommandError, EpochMismatch, RtmsgError, Stale

from .commands import NOT_NOW, Commands
from .decoding import NO_POSITION, Position
from .inbox import Inbox
from .kernel import is_kernel

logger = logging.getLogger(__name__)
_ACK_EVERY = 0.1  # seconds
_WORK_EVERY = 5.0  # seconds between the acknowledgements of a kernel without a subscription
_RETRY, _RETRY_MAX = 1.0, 30.0  # seconds until an acknowledgement that failed is sent again


class Progress:
    """Acknowledges handled events: cumulatively, at most ten times a second. Runs on the I/O loop.

    Acknowledgements of a kernel whose handlers were called keep Jupyter from culling it as idle. So a kernel without a
    subscription sends them, too, but seldom.

    ``_timer`` is set while the next acknowledgement is scheduled. ``_acknowledged`` is the last position that the hub
    took, or refused for good. The membership owns this.

    Parameters
    ----------
    room : str
    inbox : Inbox
        Knows the position up to which events were handled.
    commands : Commands
    spawn : callable
        Runs a coroutine as a task of the membership.
    stale : callable
        Called when the hub says that the subscription was moved by a seek that this client does not know of.
    as_ : str or None
        The name of the subscription, if the join gave one. Otherwise the hub knows which one it is, even if it was
        renamed.

    Attributes
    ----------
    subscription : str or None
        The subscription whose cursor the hub keeps.
    count : int
        How many events are handled and, with a subscription, acknowledged. Other threads may read it.
    """

    def __init__(
        self,
        room: str,
        inbox: Inbox,
        commands: Commands,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        stale: Callable[[], object],
        as_: str | None = None,
    ) -> None:
        self.subscription = as_
        self.count = 0
        self._room = room
        self._named = {} if as_ is None else {"as": as_}
        self._inbox = inbox
        self._commands = commands
        self._spawn = spawn
        self._stale = stale
        self._acknowledged = NO_POSITION
        self._reported_calls = 0
        self._in_kernel = is_kernel()
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False
        self._retry = Backoff(_RETRY, _RETRY_MAX)

    def start_at(self, position: Position) -> None:
        """Learn the cursor that the hub has."""
        self._acknowledged = position

    def subscribed(self, subscription: str | None) -> None:
        """Learn the name of the subscription: at a join, or when its notebook was renamed."""
        self.subscription = subscription

    def stop(self) -> None:
        """Send no more acknowledgements."""
        self._stopped = True
        if self._timer:
            self._timer.cancel()

    def handled(self) -> None:
        """Schedule an acknowledgement of what is handled until it is due."""
        if self.subscription is None:
            self.count = self._inbox.handled_count
            if self._has_work_to_report:
                self._schedule(_WORK_EVERY)
        else:
            self._schedule(_ACK_EVERY)

    @property
    def _has_work_to_report(self) -> bool:
        return self._in_kernel and self._inbox.call_count != self._reported_calls

    def _schedule(self, seconds: float) -> None:
        if self._timer is None and not self._stopped:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._due)

    def _due(self) -> None:
        self._timer = None
        self._spawn(self.acknowledge())

    async def acknowledge(self) -> None:
        """Acknowledge the handled events now."""
        # Read the count first. The executor goes on meanwhile, and less may be reported than was handled, but not more.
        handled, position, calls = self._inbox.handled_count, self._inbox.position, self._inbox.call_count
        if self._stopped or (self.subscription is None and not self._has_work_to_report):
            return
        if position.generation != self._inbox.generation:  # the marker of a seek is still queued, and calls again
            return
        idle = {"idle": True} if calls == self._reported_calls else {}
        try:
            if position != self._acknowledged or self.subscription is None:
                await self._send(position, idle)
        except RtmsgError as error:
            logger.info("room %r: not acknowledged yet: %s", self._room, error)
            self._failed(error)
            return
        self._retry.reset()
        is_news = position != self._acknowledged or handled > self.count
        self._acknowledged, self._reported_calls = position, calls
        self.count = max(self.count, handled)
        # The executor does not report each event: what came right after its last report is found by one more look, also
        # if the next handler takes hours.
        if is_news or self._inbox.handled_count > handled:
            self.handled()

    async def _send(self, position: Position, idle: Mapping[str, bool]) -> None:
        """Send an acknowledgement. A position of a log that was replaced means nothing to the hub, and is dropped."""
        if position.era == NO_POSITION.era:
            return
        request = {"room": self._room, "seq": position.seq, **position.fields, **self._named, **idle}
        try:
            await self._commands.ask("ack", request)
        except EpochMismatch as error:
            logger.info("room %r: handled events are no longer in the log: %s", self._room, error)
        except Stale as error:
            logger.info("room %r: handled events are from before a seek: %s", self._room, error)
            self._stale()

    def _failed(self, error: RtmsgError) -> None:
        """Retry a transient failure. Otherwise the next event, or the join after a reconnect, calls `handled`."""
        if isinstance(error, AckTimeout) or (isinstance(error, CommandError) and error.code in NOT_NOW):
            self._schedule(self._retry.next())

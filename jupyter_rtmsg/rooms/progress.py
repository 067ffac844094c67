"""How far the handlers of a room have come, and telling the hub."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from jupyter_rtmsg.client.backoff import Backoff
from jupyter_rtmsg.errors import AckTimeout, CommandError, EpochMismatch, RtmsgError

from .commands import LATER, Commands
from .inbox import Inbox
from .kernel import is_kernel
from .place import NOWHERE, Place

_log = logging.getLogger("jupyter_rtmsg")
_ACK_EVERY = 0.1
_WORK_EVERY = 5.0  # seconds between two words of a kernel without a subscription that its handlers work
_RETRY, _RETRY_MAX = 1.0, 30.0  # seconds until an acknowledgement that was not taken is sent again


class Progress:
    """Acknowledges what was handled: cumulative, at most once per tenth of a second. Runs on the I/O loop.

    The acknowledgements of a kernel whose handlers were called keep Jupyter from stopping it as idle. So a kernel
    without a subscription sends them as well, but seldom.

    Parameters
    ----------
    room : str
    inbox : Inbox
        Knows what was handled.
    commands : Commands
    spawn : callable
        Runs a coroutine as a task.
    as_ : str or None
        The name of the subscription, where the join gave one; else the hub knows which one it is, whatever it is
        called by then.

    Attributes
    ----------
    subscription : str or None
        The one that the hub keeps; without one there is nothing to tell.
    count : int
        How many events are handled, and acknowledged where that counts. Any thread may read it.
    """

    def __init__(
        self,
        room: str,
        inbox: Inbox,
        commands: Commands,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        as_: str | None = None,
    ) -> None:
        self.subscription: str | None = None
        self.count = 0
        self._room = room
        self._named = {} if as_ is None else {"as": as_}
        self._inbox = inbox
        self._commands = commands
        self._spawn = spawn
        self._told = NOWHERE  # the place that the hub was told, or refused
        self._calls = 0
        self._in_kernel = is_kernel()
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False
        self._retry = Backoff(_RETRY, _RETRY_MAX)

    def start_at(self, place: Place) -> None:
        """Learn what the hub has been told already."""
        self._told = place

    def stop(self) -> None:
        """Tell the hub nothing more."""
        self._stopped = True
        if self._timer:
            self._timer.cancel()

    def handled(self) -> None:
        """Learn that handlers have got on."""
        if self.subscription is None:
            self.count = self._inbox.handled_count
            if self._has_work_to_tell:
                self._plan(_WORK_EVERY)
        elif self._inbox.handled_count > self.count or self._inbox.place != self._told:
            self._plan(_ACK_EVERY)

    @property
    def _has_work_to_tell(self) -> bool:
        return self._in_kernel and self._inbox.call_count != self._calls

    def _plan(self, seconds: float) -> None:
        if self._timer is None and not self._stopped:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._due)

    def _due(self) -> None:
        self._timer = None
        self._spawn(self.acknowledge())

    def _not_yet(self, error: RtmsgError) -> None:
        """Try again where that may help: after a reconnect `handled` is called, and after a refusal the next event."""
        passing = isinstance(error, AckTimeout) or (isinstance(error, CommandError) and error.code in LATER)
        if passing:
            self._plan(self._retry.next())

    async def acknowledge(self) -> None:
        """Tell the hub how far the handlers have come."""
        # the count first: the executor goes on meanwhile, and may only be said to have come less far than it has
        handled, place, calls = self._inbox.handled_count, self._inbox.place, self._inbox.call_count
        if self._stopped or (self.subscription is None and not self._has_work_to_tell):
            return
        idle = {"idle": True} if calls == self._calls else {}
        try:
            if place != self._told or self.subscription is None:
                await self._tell(place, idle)
        except RtmsgError as error:
            _log.info("room %r: not acknowledged yet: %s", self._room, error)
            self._not_yet(error)
            return
        self._retry.reset()
        self._told, self._calls = place, calls
        self.count = max(self.count, handled)
        if self._inbox.handled_count > handled:
            self.handled()

    async def _tell(self, place: Place, idle: Mapping[str, bool]) -> None:
        """Acknowledge a place; one of a log that was replaced means nothing to the hub, and is let go."""
        if place.era == NOWHERE.era:
            return
        try:
            await self._commands.ask(
                "ack", {"room": self._room, "seq": place.seq, **place.fields, **self._named, **idle}
            )
        except EpochMismatch as error:
            _log.info("room %r: what was handled is no longer in the log: %s", self._room, error)

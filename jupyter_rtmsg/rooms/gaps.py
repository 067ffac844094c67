"""Gaps in what a room's inbox got: events that must be read from the log, and events that the log no longer holds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from jupyter_rtmsg.client.backoff import Backoff
from jupyter_rtmsg.errors import Disconnected, EpochMismatch, RtmsgError, TooDeepJSON
from jupyter_rtmsg.wire.data import prune

from .commands import Commands, Reply, reply_of
from .decoding import Era, Position
from .inbox import Inbox

logger = logging.getLogger(__name__)
_PAGE_BYTES = 1024  # assumed size of an event of a page
_RETRY, _RETRY_MAX = 1.0, 30.0  # seconds until a page that could not be read is requested again
_REPORT_EVERY = 1.0  # seconds; trimming one sender's events among those of others makes a gap for each


class GapReader:
    """Reads the events that the inbox left out, page by page, while the inbox has a gap and capacity.

    At most one task reads. After an error a timer starts it again, or, without a connection, the next join does. The
    membership owns it. Runs on the I/O loop.

    Parameters
    ----------
    room : str
    inbox : Inbox
    commands : Commands
    spawn : callable
        Runs a coroutine as a task of the membership.
    is_member : callable
        Returns whether the client is in the room.
    wake : callable
        Called when a page was put into the inbox.
    """

    def __init__(
        self,
        room: str,
        inbox: Inbox,
        commands: Commands,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        is_member: Callable[[], bool],
        wake: Callable[[], None],
    ) -> None:
        self._room = room
        self._inbox = inbox
        self._commands = commands
        self._spawn = spawn
        self._is_member = is_member
        self._wake = wake
        self._reading: asyncio.Task[None] | None = None
        self._retry = Backoff(_RETRY, _RETRY_MAX)
        self._timer: asyncio.TimerHandle | None = None

    def check(self) -> None:
        """Start to read if there is a gap and capacity, and no task reads already."""
        idle = self._reading is None or self._reading.done()
        if idle and self._is_needed:
            self._reading = self._spawn(self._run())

    def stop(self) -> None:
        """Cancel the retry. The membership cancels the task."""
        if self._timer:
            self._timer.cancel()

    @property
    def _is_needed(self) -> bool:
        return self._inbox.has_gap and self._inbox.has_capacity and self._is_member()

    async def _run(self) -> None:
        while self._is_needed:
            request = {"room": self._room, "after": self._inbox.received, **self._inbox.era.fields}
            try:
                await self._ask(request)
            except (RtmsgError, asyncio.TimeoutError) as error:
                logger.info("room %r: missing events could not be read yet: %s", self._room, error)
                if not isinstance(error, Disconnected):  # after a reconnect, the join checks again
                    self._timer = asyncio.get_running_loop().call_later(self._retry.next(), self.check)
                return
            self._retry.reset()
            self._wake()

    async def _ask(self, request: Mapping[str, Any]) -> None:
        """Read a page. If it cannot be decoded, read event by event, and skip the event that cannot be decoded."""
        try:
            await self._commands.ask("history", request, then=self._page)
        except TooDeepJSON as error:
            if request.get("limit") != 1:
                await self._ask({**request, "limit": 1})
                return
            logger.warning("room %r: the event after seq %s was skipped: %s", self._room, self._inbox.received, error)
            self._page({**reply_of(prune(error.payload or "")), "events": []})

    def _page(self, reply: Reply) -> None:
        inbox, era = self._inbox, Era.of(reply)
        if era.epoch != inbox.era.epoch:
            raise EpochMismatch(f"the page is of epoch {era.epoch!r}, and this reader is in {inbox.era.epoch!r}")
        if era != inbox.era:  # a new opening of the same log, which the hub announces with its next event only
            inbox.turn(Position(era, inbox.received, inbox.number))
        events, through = reply["events"], reply["through"]
        last = reply.get("head_n") if through >= reply["head"] else None
        inbox.page(events, through, _PAGE_BYTES * len(events), last)


class TrimReport:
    """Logs that events are no longer held: at once, then at most once a second. Runs on the I/O loop.

    Between reports it adds up the count, and the first and the last number, of the events that are gone.
    """

    def __init__(self, room: str) -> None:
        self._room = room
        self._count = self._first = self._last = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, gone: Mapping[str, Any]) -> None:
        """Take the data of a ``$trimmed``."""
        self._first = gone["first"] if not self._count else min(self._first, gone["first"])
        self._last = max(self._last, gone["last"])
        self._count += gone["count"]
        if self._timer is None:
            self._due()

    def stop(self) -> None:
        """Log what is left, and stop."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._warn()

    def _due(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_REPORT_EVERY, self._due) if self._count else None
        self._warn()

    def _warn(self) -> None:
        if self._count:
            text = "room %r: events that were not handled here are no longer held: %d, from #%d to #%d"
            logger.warning(text, self._room, self._count, self._first, self._last)
        self._count = self._last = 0

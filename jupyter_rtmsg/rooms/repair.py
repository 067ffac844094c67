"""Reading from the log what a room's inbox left out, because it was full or because something was lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from jupyter_rtmsg.client.backoff import Backoff
from jupyter_rtmsg.errors import Disconnected, EpochMismatch, RtmsgError, TooDeepJSON
from jupyter_rtmsg.wire.data import prune

from .commands import Commands, Reply, reply_of
from .inbox import Inbox
from .place import Era, Place

_log = logging.getLogger("jupyter_rtmsg")
_PAGE_BYTES = 1024  # what an event of a page is taken to weigh
_RETRY, _RETRY_MAX = 1.0, 30.0  # seconds until a page that could not be read is asked for again


class Repair:
    """Reads page by page while the inbox is behind and has room. Runs on the I/O loop.

    Parameters
    ----------
    room : str
    inbox : Inbox
    commands : Commands
    spawn : callable
        Runs a coroutine as a task.
    joined : callable
        Tells whether the client is a member.
    read : callable
        Called when there is more in the inbox.
    """

    def __init__(
        self,
        room: str,
        inbox: Inbox,
        commands: Commands,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        joined: Callable[[], bool],
        read: Callable[[], None],
    ) -> None:
        self._room = room
        self._inbox = inbox
        self._commands = commands
        self._spawn = spawn
        self._joined = joined
        self._read = read
        self._reading: asyncio.Task[None] | None = None
        self._retry = Backoff(_RETRY, _RETRY_MAX)
        self._timer: asyncio.TimerHandle | None = None  # when a page that could not be read is tried again

    def look(self) -> None:
        """Begin to read, if there is something to be read, room for it, and no reading under way."""
        idle = self._reading is None or self._reading.done()
        if idle and self._is_needed:
            self._reading = self._spawn(self._run())

    def stop(self) -> None:
        """Do not try again. Whoever runs the tasks ends the one that reads."""
        if self._timer:
            self._timer.cancel()

    @property
    def _is_needed(self) -> bool:
        return self._inbox.behind and self._inbox.hungry and self._joined()

    async def _run(self) -> None:
        while self._is_needed:
            request = {"room": self._room, "after": self._inbox.received, **self._inbox.era.fields}
            try:
                await self._ask(request)
            except (RtmsgError, asyncio.TimeoutError) as error:
                _log.info("room %r: what is missing could not be read yet: %s", self._room, error)
                if not isinstance(error, Disconnected):  # the next connection looks again
                    self._timer = asyncio.get_running_loop().call_later(self._retry.next(), self.look)
                return
            self._retry.reset()
            self._read()

    async def _ask(self, request: Mapping[str, Any]) -> None:
        """Read a page; one that cannot be read, event by event, and go on behind the event that cannot."""
        try:
            await self._commands.ask("history", request, then=self._page)
        except TooDeepJSON as error:
            if request.get("limit") != 1:
                await self._ask({**request, "limit": 1})
                return
            _log.warning("room %r: the event after seq %s was skipped: %s", self._room, self._inbox.received, error)
            self._page({**reply_of(prune(error.payload or "")), "events": []})

    def _page(self, reply: Reply) -> None:
        inbox, era = self._inbox, Era.of(reply)
        if era.epoch != inbox.era.epoch:
            raise EpochMismatch(f"the page is of epoch {era.epoch!r}, and this reader is in {inbox.era.epoch!r}")
        if era != inbox.era:  # the hub holds the position in a new opening, and tells of that with the next event only
            inbox.turn(Place(era, inbox.received, inbox.number))
        events, through = reply["events"], reply["through"]
        last = reply.get("head_n") if through >= reply["head"] else None
        inbox.page(events, through, _PAGE_BYTES * len(events), last)

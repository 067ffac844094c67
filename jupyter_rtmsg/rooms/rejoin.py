"""Joining a room again after a reconnect: what may pass is tried again, what can't pass ends the membership."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from jupyter_rtmsg.client.backoff import Backoff
from jupyter_rtmsg.errors import AckTimeout, CommandError, RtmsgError

FINAL = frozenset({"bad_request", "bad_room", "forbidden", "unauthorized", "unknown_command"})
"""Codes of refusals that the same request gets again, however often it is sent."""

_RETRY, _RETRY_MAX = 0.5, 30.0  # seconds
_log = logging.getLogger("jupyter_rtmsg")


class Rejoin:
    """Joins one room again, for as long as it takes. Runs on the I/O loop.

    Parameters
    ----------
    room : str
    join : callable
        Sends the join and returns once it is answered.
    refused : callable
        Called with the `CommandError` that ends the membership.
    spawn : callable
        Runs a coroutine as a task of the membership.
    """

    def __init__(
        self,
        room: str,
        join: Callable[[], Awaitable[object]],
        refused: Callable[[CommandError], None],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._room = room
        self._join = join
        self._refused = refused
        self._spawn = spawn
        self._backoff = Backoff(_RETRY, _RETRY_MAX)
        self._timer: asyncio.TimerHandle | None = None
        self._failing = False  # whether the trouble was logged

    async def attempt(self) -> None:
        """Join now; a refusal that may pass, or no answer, plans the next attempt.

        Raises
        ------
        Disconnected
            If the connection is lost. The next connection joins.
        """
        self.stop()
        try:
            await self._join()
        except CommandError as error:
            if error.code in FINAL:
                self._refused(error)
            else:
                self._later(error)
        except AckTimeout as error:
            self._later(error)
        else:
            self._failing = False
            self._backoff.reset()

    def stop(self) -> None:
        """Drop the attempt that is planned."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _later(self, error: RtmsgError) -> None:
        if not self._failing:
            self._failing = True
            _log.warning("room %r could not be joined again yet, it is tried until it can: %s", self._room, error)
        self._timer = asyncio.get_running_loop().call_later(self._backoff.next(), self._due)

    def _due(self) -> None:
        self._timer = None
        self._spawn(self._attempt_quietly())

    async def _attempt_quietly(self) -> None:
        with suppress(RtmsgError):  # the connection was lost: the next one joins
            await self.attempt()

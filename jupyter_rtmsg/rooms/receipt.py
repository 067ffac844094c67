"""The receipt of an emit: its outcome, once the hub has answered."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
from collections.abc import Generator
from typing import TYPE_CHECKING

from jupyter_rtmsg.advice import RECEIPT, no_such_name
from jupyter_rtmsg.errors import EmitTimeout

logger = logging.getLogger(__name__)


class Receipt:
    """The receipt of an emit. ``await`` it, or ask for its `result`. Thread-safe.

    It is waiting, then stored or refused for ever. A refusal that nobody has asked for is logged when the receipt is
    deleted.

    Attributes
    ----------
    id : str
        The id of the event. Emitting again with the same id stores nothing twice.
    durable : bool or None
        Whether the event outlives the server. None until the hub has answered, and for a volatile event.
    duplicate : bool or None
        Whether the hub had stored an event with this id before: another one, or this one, sent again after a reconnect.
        None until the hub has answered.
    progress : float
        How much of an event in parts the hub has, from 0 to 1.
    """

    _seen = True  # until __init__ has finished, which an interrupt may prevent

    def __init__(self, id: str, what: str) -> None:
        self.id = id
        self.durable: bool | None = None
        self.duplicate: bool | None = None
        self._what = what
        self.progress = 0.0
        self._future: concurrent.futures.Future[int | None] = concurrent.futures.Future()
        self._seen = False

    def __repr__(self) -> str:
        return f"<Receipt of {self._what}: {self._state()}>"

    def _state(self) -> str:
        if not self.done():
            return f"waiting, {self.progress:.0%} sent" if self.progress else "waiting"
        if error := self._future.exception():
            return f"refused, {type(error).__name__}"
        seq = self._future.result()
        if seq is None:
            return "sent, not stored"
        return f"stored in memory only, seq {seq}" if self.durable is False else f"stored, seq {seq}"

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            no_such_name(self, name, RECEIPT)

    def __del__(self) -> None:
        if not self._seen and self.done() and (error := self._future.exception()):
            logger.warning("%s was refused, and nobody asked for its receipt: %s", self._what, error)

    def done(self) -> bool:
        """Whether the hub has answered."""
        return self._future.done()

    def result(self, timeout: float | None = 10.0) -> int | None:
        """Wait for the hub's answer, and return the event's seq; None for a volatile event.

        Parameters
        ----------
        timeout : float or None
            Seconds; None for no limit.

        Raises
        ------
        EmitTimeout
            If the hub does not answer in time, and no part of a large event arrives there meanwhile. The event stays
            queued and may still be stored.
        CommandError
            If the hub refused the event.
        """
        self._seen = True
        while True:
            before = self.progress
            try:
                return self._future.result(timeout)
            except concurrent.futures.TimeoutError:
                if self.progress == before:  # an event in parts may take long, while it gets on
                    raise self._timeout(timeout or 0) from None

    async def wait(self, timeout: float | None = 10.0) -> int | None:
        """Wait as `result` does, without blocking the event loop."""
        self._seen = True
        future = asyncio.wrap_future(self._future)
        while True:
            before = self.progress
            done, _ = await asyncio.wait({future}, timeout=timeout)
            if done:
                return future.result()
            if self.progress == before:
                raise self._timeout(timeout or 0)

    def __await__(self) -> Generator[None, None, int | None]:
        return self.wait(None).__await__()

    def _timeout(self, timeout: float) -> EmitTimeout:
        return EmitTimeout(
            f"the hub did not acknowledge {self._what} within {timeout:g} s. It stays queued and may still be stored: "
            f"to try again safely, emit it with id={self.id!r}"
        )

    # Called by the outbox. The future never gets the state "running", so it cannot be cancelled.

    def moved(self, progress: float) -> None:
        """Note how much of the event the hub has."""
        self.progress = progress

    def seen(self) -> None:
        """Note that the outcome need not be logged, since it is reported in another way."""
        self._seen = True

    def stored(self, seq: int | None, *, durable: bool | None = None, duplicate: bool | None = None) -> None:
        """Take the seq of the stored event; None for a volatile one."""
        if not self._future.done():
            self.durable, self.duplicate = durable, duplicate
            self._future.set_result(seq)

    def refused(self, error: Exception) -> None:
        """Take the error of a refused event."""
        if not self._future.done():
            # Without the traceback: its frames refer to the event, and so to this receipt, which would not be deleted.
            self._future.set_exception(error.with_traceback(None))

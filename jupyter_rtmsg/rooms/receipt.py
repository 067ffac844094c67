"""What an emit gives back before the hub has answered."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
from collections.abc import Generator
from typing import TYPE_CHECKING

from jupyter_rtmsg.advice import RECEIPT, no_such_name
from jupyter_rtmsg.errors import EmitTimeout

_log = logging.getLogger("jupyter_rtmsg")


class Receipt:
    """An emit on its way. ``await`` it, or ask for its `result`; any thread may.

    Attributes
    ----------
    id : str
        The id of the event. Emitting again with the same id stores nothing twice.
    durable : bool or None
        Whether the event outlives the server; None until the hub has answered, and for a volatile event.
    duplicate : bool or None
        Whether the hub had the event already: an earlier one with this id, or this one, sent again after a reconnect;
        None until the hub has answered.
    """

    _seen = True  # until it is made, which an interrupt may prevent

    def __init__(self, id: str, what: str) -> None:
        self.id = id
        self.durable: bool | None = None
        self.duplicate: bool | None = None
        self._what = what
        self._future: concurrent.futures.Future[int | None] = concurrent.futures.Future()
        self._seen = False

    def __repr__(self) -> str:
        return f"<Receipt of {self._what}: {self._state()}>"

    def _state(self) -> str:
        if not self.done():
            return "waiting"
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
            _log.warning("%s was refused, and nobody asked for its receipt: %s", self._what, error)

    def done(self) -> bool:
        """Whether the hub has answered."""
        return self._future.done()

    def result(self, timeout: float | None = 10.0) -> int | None:
        """Wait, and return the event's seq (None for a volatile one).

        Parameters
        ----------
        timeout : float or None
            Seconds; None waits for ever.

        Raises
        ------
        EmitTimeout
            If the hub does not answer in time. The event stays queued and may still be stored.
        CommandError
            If the hub refused it.
        """
        self._seen = True
        try:
            return self._future.result(timeout)
        except concurrent.futures.TimeoutError:
            raise self._timeout(timeout or 0) from None

    async def wait(self, timeout: float | None = 10.0) -> int | None:
        """Do the same as `result` without blocking the loop."""
        self._seen = True
        future = asyncio.wrap_future(self._future)
        done, _ = await asyncio.wait({future}, timeout=timeout)
        if not done:
            raise self._timeout(timeout or 0)
        return future.result()

    def __await__(self) -> Generator[None, None, int | None]:
        return self.wait(None).__await__()

    def _timeout(self, timeout: float) -> EmitTimeout:
        return EmitTimeout(
            f"the hub did not acknowledge {self._what} within {timeout:g} s. It stays queued and may still be stored: "
            f"to try again safely, emit it with id={self.id!r}"
        )

    # What the outbox calls. The future never counts as running, so that nobody's cancellation can end it.

    def told(self) -> None:
        """Say that whoever emitted it is told of a refusal in another way."""
        self._seen = True

    def stored(self, seq: int | None, *, durable: bool | None = None, duplicate: bool | None = None) -> None:
        """Say that the hub has stored the event."""
        if not self._future.done():
            self.durable, self.duplicate = durable, duplicate
            self._future.set_result(seq)

    def refused(self, error: Exception) -> None:
        """Say that it will not."""
        if not self._future.done():
            # without its frames, which hold the event, which holds this receipt: it would not be freed, nor say so
            self._future.set_exception(error.with_traceback(None))

"""Emitting, with flags for a single event: ``socket.timeout(5).volatile.emit(...)``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Flags:
    """How an event is to be sent.

    Attributes
    ----------
    volatile : bool
        Whether it may be dropped when it cannot be sent right now.
    timeout : float or None
        Seconds to wait for its acknowledgement; None for the socket's ``ack_timeout``.
    """

    volatile: bool = False
    timeout: float | None = None


class Emitter(ABC):
    """What can emit: a socket, and a socket with flags for one event."""

    @abstractmethod
    def _emit(self, flags: Flags, args: Sequence[Any]) -> None: ...

    @abstractmethod
    async def _ask(self, flags: Flags, args: Sequence[Any]) -> Any: ...

    _flags = Flags()

    @property
    def volatile(self) -> Flagged:
        """For an event that may be dropped: it is when there is no connection, or when that takes no more just now."""
        return Flagged(self, replace(self._flags, volatile=True))

    def timeout(self, seconds: float) -> Flagged:
        """For an acknowledgement that is awaited for so many seconds."""
        return Flagged(self, replace(self._flags, timeout=seconds))

    def compress(self, compress: bool) -> Flagged:
        """For an event that is, or is not, to be compressed; without permessage-deflate, as here, none is."""
        del compress  # accepted so that what is written for socket.io-client needs no change
        return Flagged(self, self._flags)

    def emit(self, event: str, *args: Any) -> None:
        """Emit an event, without waiting for anything.

        Without a connection it is kept, and sent as soon as there is one. With ``retries`` it is sent again until the
        server acknowledges it.

        Raises
        ------
        QueueFull
            If too much waits for a connection.
        TooLarge
            If the server takes no message of that size; where it waits for a connection, a warning says so later.
        NotJSON, ValueError
            If an argument or the name cannot be sent.
        """
        self._emit(self._flags, (event, *args))

    def send(self, *args: Any) -> None:
        """Emit the event ``"message"``."""
        self.emit("message", *args)

    async def emit_with_ack(self, event: str, *args: Any, timeout: float | None = None) -> Any:
        """Emit an event and return what the server answers: None, one value, or a list of several.

        Parameters
        ----------
        event : str
        *args
            JSON, with bytes anywhere inside.
        timeout : float, optional
            Seconds to wait; else what `timeout` gave, else the socket's ``ack_timeout``.

        Raises
        ------
        AckTimeout
            If no answer comes in time.
        Disconnected
            If the connection is lost before the answer comes.
        QueueFull, NotJSON, ValueError
        """
        flags = self._flags if timeout is None else replace(self._flags, timeout=timeout)
        return await self._ask(flags, (event, *args))


class Flagged(Emitter):
    """A socket with flags for one event."""

    def __init__(self, emitter: Emitter, flags: Flags) -> None:
        self._socket = emitter
        self._flags = flags

    def _emit(self, flags: Flags, args: Sequence[Any]) -> None:
        self._socket._emit(flags, args)  # noqa: SLF001 - a flagged socket is that socket

    async def _ask(self, flags: Flags, args: Sequence[Any]) -> Any:
        return await self._socket._ask(flags, args)  # noqa: SLF001

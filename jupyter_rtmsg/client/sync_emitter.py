"""Emitting, for code that does not await."""

from __future__ import annotations

from typing import Any

from .bridge import Bridge
from .emitter import Emitter


class SyncEmitter:
    """What can emit: a `Socket`, and one with flags for one event."""

    def __init__(self, emitter: Emitter, bridge: Bridge) -> None:
        self._emitter = emitter
        self._bridge = bridge

    @property
    def volatile(self) -> SyncEmitter:
        """For an event that may be dropped: it is when there is no connection, or when that takes no more just now."""
        return SyncEmitter(self._emitter.volatile, self._bridge)

    def timeout(self, seconds: float) -> SyncEmitter:
        """For an acknowledgement that is awaited for so many seconds."""
        return SyncEmitter(self._emitter.timeout(seconds), self._bridge)

    def compress(self, compress: bool) -> SyncEmitter:
        """For an event that is, or is not, to be compressed; without permessage-deflate, as here, none is."""
        return SyncEmitter(self._emitter.compress(compress), self._bridge)

    def emit(self, event: str, *args: Any) -> None:
        """Emit an event, without waiting for anything; see `SocketClient.emit`."""
        self._bridge.run(self._emitter.emit, event, *args)

    def send(self, *args: Any) -> None:
        """Emit the event ``"message"``."""
        self.emit("message", *args)

    def emit_with_ack(self, event: str, *args: Any, timeout: float | None = None) -> Any:
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
        return self._bridge.ask(self._emitter.emit_with_ack(event, *args, timeout=timeout))

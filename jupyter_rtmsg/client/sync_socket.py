"""The plain Socket.IO client, for code that does not await."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, overload

from .bridge import Bridge
from .socket import SocketClient

F = TypeVar("F", bound=Callable[..., Any])


class Socket:
    """The socket of a `Client`: Socket.IO without rooms that remember."""

    def __init__(self, socket: SocketClient, bridge: Bridge) -> None:
        self._socket = socket
        self._bridge = bridge

    @property
    def id(self) -> str | None:
        """The server's id of this connection; another one after each reconnect."""
        return self._socket.id

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._socket.connected

    @property
    def fileno(self) -> int | None:
        """The descriptor of the connection, if there is one."""
        return self._socket.fileno

    def emit(self, event: str, *args: Any) -> None:
        """Emit an event, without waiting for anything; see `SocketClient.emit`."""

        async def emit() -> None:
            self._socket.emit(event, *args)

        self._bridge.call(emit())

    def emit_with_ack(self, event: str, *args: Any, timeout: float = 10.0) -> Any:
        """Emit an event and return what the server answers: None, one value, or a list of several.

        Raises
        ------
        AckTimeout
            If no answer comes within ``timeout`` seconds.
        Disconnected, NotJSON, ValueError
        """
        return self._bridge.call(self._socket.emit_with_ack(event, *args, timeout=timeout))

    @overload
    def on(self, event: str) -> Callable[[F], F]: ...
    @overload
    def on(self, event: str, function: F) -> F: ...
    def on(self, event: str, function: Any = None) -> Any:
        """Have a function called with the arguments of an event; what it returns answers the server's ack."""
        return self._socket.on(event) if function is None else self._socket.on(event, function)

    def off(self, event: str | None = None, function: Callable[..., Any] | None = None) -> None:
        """Undo `on`: for one event and function, for all functions of an event, or for all."""
        self._socket.off(event, function)

"""The plain Socket.IO client, for code that does not await."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from jupyter_rtmsg.advice import SOCKET, no_such_name
from jupyter_rtmsg.wire.parser import Parser

from .bridge import Bridge
from .connection import Connection
from .socket import Auth, SocketClient
from .strategy import TRANSPORTS
from .sync_emitter import SyncEmitter
from .threads import Served

F = TypeVar("F", bound=Callable[..., Any])


class Socket(SyncEmitter):
    """The plain Socket.IO client, with the names of socket.io-client, on threads of its own.

    The parameters are those of `SocketClient`, and so are the events. The socket of a `Client` is one as well.

    Examples
    --------
    >>> with Socket("http://127.0.0.1:8888/", token="...") as socket:
    ...     socket.emit_with_ack("sum", 1, 2)
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        namespace: str = "/",
        auth: Auth = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        path: str = "socket.io/",
        tls: ssl.SSLContext | None = None,
        transports: Sequence[str] = TRANSPORTS,
        reconnection: bool = True,
        reconnection_attempts: int | None = None,
        reconnection_delay: float = 0.5,
        reconnection_delay_max: float = 5.0,
        retries: int = 0,
        ack_timeout: float = 10.0,
        parser: str | Parser = "json",
        _socket: SocketClient | None = None,
        _bridge: Bridge | None = None,
    ) -> None:
        bridge = _bridge or Bridge()
        try:
            self._socket = _socket or SocketClient(
                url,
                token,
                namespace=namespace,
                auth=auth,
                headers=headers,
                query=query,
                path=path,
                tls=tls,
                transports=transports,
                reconnection=reconnection,
                reconnection_attempts=reconnection_attempts,
                reconnection_delay=reconnection_delay,
                reconnection_delay_max=reconnection_delay_max,
                retries=retries,
                ack_timeout=ack_timeout,
                parser=parser,
                lanes=bridge.lane,
            )
        except BaseException:
            bridge.close()
            raise
        super().__init__(self._socket, bridge)
        self._first = _bridge is None  # whether the threads are this socket's own
        if self._first:
            io = self._socket.io
            bridge.serve(Served(lambda: io.address, io.close, lambda: io.descriptors, lambda: io.heard))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._socket.io.address.url} {self.namespace}: {self.state}>"

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            no_such_name(self, name, SOCKET)

    def __enter__(self) -> Socket:
        try:
            self.connect()
        except BaseException:
            self.close()  # there will be no __exit__
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def connect(self, timeout: float = 10.0) -> None:
        """Connect, and stay connected until `disconnect`, or until the server disconnects this socket.

        Raises
        ------
        ConnectionRefused
            At once, if the server refuses the CONNECT; with the server's ``message`` and ``data``.
        AccessDenied
            At once, if the server refuses the token, or there is none.
        ServerNotFound
            At once, if there is a server without Socket.IO.
        ServerUnreachable
            If none answers within ``timeout`` seconds.
        """
        self._bridge.ask(self._socket.connect(timeout))

    def disconnect(self, timeout: float = 5.0) -> None:
        """Leave, and connect no more until `connect`; what is emitted meanwhile waits.

        The connection ends with the last of its sockets.

        Parameters
        ----------
        timeout : float
            Seconds that handlers have to finish what was received.
        """
        if not self._bridge.ended:
            self._bridge.call(self._socket.disconnect(0 if self._bridge.inside() else timeout))

    def close(self, timeout: float = 5.0) -> None:
        """Disconnect for good: the sockets of all namespaces, if this is the one that was made first.

        Parameters
        ----------
        timeout : float
            Seconds that handlers have to finish what was received.
        """
        if self._first:
            self._bridge.close(timeout)
        else:
            self.disconnect(timeout)

    def of(self, namespace: str, auth: Auth = None) -> Socket:
        """Return the socket of another namespace over the same connection; it is to be connected by itself.

        Parameters
        ----------
        namespace : str
            Begins with a slash.
        auth : dict or callable, optional
            Sent with its CONNECT; that of this socket is not.
        """
        return Socket("", _socket=self._socket.of(namespace, auth), _bridge=self._bridge)

    def drop(self) -> None:
        """Cut the connection with no goodbye, as a bad network does. For tests, and to show what happens then."""
        self._bridge.run(self._socket.drop)

    def freeze(self, seconds: float) -> None:
        """Stop reading for so many seconds, as a process that hangs. For tests, and to show what happens then."""
        self._bridge.run(self._socket.freeze, seconds)

    # --- what it is

    @property
    def io(self) -> Connection:
        """The connection beneath, with events of its own, such as ``reconnect_attempt``."""
        return self._socket.io

    @property
    def namespace(self) -> str:
        """The name of the namespace."""
        return self._socket.namespace

    @property
    def id(self) -> str | None:
        """The server's id of this socket; another one after each reconnect, unless that was recovered."""
        return self._socket.id

    @property
    def recovered(self) -> bool:
        """Whether the server took the lost connection up again: rooms are as they were, and what was missed came."""
        return self._socket.recovered

    @property
    def active(self) -> bool:
        """Whether it is connected, or connects by itself as soon as it can."""
        return self._socket.active

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._socket.connected

    @property
    def state(self) -> str:
        """``"connecting"``, ``"connected"``, ``"offline"`` or ``"closed"``."""
        return self._socket.state

    @property
    def max_payload(self) -> int:
        """The largest message that the server takes, in bytes."""
        return self._socket.max_payload

    @property
    def descriptors(self) -> list[int]:
        """The descriptors of the connection, none when there is no connection."""
        return self._socket.descriptors

    def ready(self, timeout: float) -> None:
        """Wait until there is a connection.

        Raises
        ------
        Disconnected
            If there is none within ``timeout`` seconds, or the client was closed.
        """
        self._bridge.ask(self._socket.ready(timeout))

    # --- handlers: they may be registered on any thread

    @overload
    def on(self, event: str) -> Callable[[F], F]: ...
    @overload
    def on(self, event: str, function: F) -> F: ...
    def on(self, event: str, function: Any = None) -> Any:
        """Have a function called with the arguments of an event; what it returns answers the server's ack."""
        return self._socket.on(event) if function is None else self._socket.on(event, function)

    @overload
    def once(self, event: str) -> Callable[[F], F]: ...
    @overload
    def once(self, event: str, function: F) -> F: ...
    def once(self, event: str, function: Any = None) -> Any:
        """Do as `on`, for the next such event only."""
        return self._socket.once(event) if function is None else self._socket.once(event, function)

    def off(self, event: str | None = None, function: Callable[..., Any] | None = None) -> None:
        """Undo `on`: for one event and function, for all functions of an event, or for all."""
        self._socket.off(event, function)

    def on_state(self, function: F) -> F:
        """Have a function called with the new state whenever it changes."""
        return self._socket.on_state(function)

    def off_state(self, function: Callable[..., Any]) -> None:
        """Undo `on_state`."""
        self._socket.off_state(function)

    def on_any(self, function: F) -> F:
        """Have a function called with the name and the arguments of every event that the server sends."""
        return self._socket.on_any(function)

    def prepend_any(self, function: F) -> F:
        """Do as `on_any`, before the functions that are there already."""
        return self._socket.prepend_any(function)

    def off_any(self, function: Callable[..., Any] | None = None) -> None:
        """Undo `on_any` for a function, or for all."""
        self._socket.off_any(function)

    def listeners_any(self) -> list[Callable[..., Any]]:
        """Return the functions that `on_any` has been given."""
        return self._socket.listeners_any()

    def on_any_outgoing(self, function: F) -> F:
        """Have a function called with the name and the arguments of every event that is sent."""
        return self._socket.on_any_outgoing(function)

    def prepend_any_outgoing(self, function: F) -> F:
        """Do as `on_any_outgoing`, before the functions that are there already."""
        return self._socket.prepend_any_outgoing(function)

    def off_any_outgoing(self, function: Callable[..., Any] | None = None) -> None:
        """Undo `on_any_outgoing` for a function, or for all."""
        self._socket.off_any_outgoing(function)

    def listeners_any_outgoing(self) -> list[Callable[..., Any]]:
        """Return the functions that `on_any_outgoing` has been given."""
        return self._socket.listeners_any_outgoing()

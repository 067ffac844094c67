"""The Socket.IO client for code that does not await: a facade of `SocketClient`, which runs on threads of its own."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jupyter_rtmsg.advice import SOCKET, no_such_name
from jupyter_rtmsg.wire.parser import Parser

from .blocking import blocking
from .bridge import Bridge, Served
from .connect_handshake import Auth
from .listeners import SocketListenable
from .manager import Manager
from .sending import EmitOperator
from .socket import SocketClient
from .transport import TRANSPORTS


class SyncEmitOperator:
    """Emits events with options; see `EmitOperator`."""

    def __init__(self, emitter: EmitOperator, bridge: Bridge) -> None:
        self._async = emitter
        self._bridge = bridge

    @property
    def volatile(self) -> SyncEmitOperator:
        """Emits an event that may be dropped: without a connection, or while the connection accepts no more."""
        return SyncEmitOperator(self._async.volatile, self._bridge)

    def timeout(self, seconds: float) -> SyncEmitOperator:
        """Emits an event whose acknowledgement may take at most this number of seconds."""
        return SyncEmitOperator(self._async.timeout(seconds), self._bridge)

    def compress(self, compress: bool) -> SyncEmitOperator:
        """Emits an event as without this flag, since this client does not compress; for code of socket.io-client."""
        return SyncEmitOperator(self._async.compress(compress), self._bridge)

    def emit(self, event: str, *args: Any) -> None:
        """Emit an event, and return at once; see `SocketClient.emit`."""
        self._bridge.run(self._async.emit, event, *args)

    def send(self, *args: Any) -> None:
        """Emit the event ``"message"``."""
        self.emit("message", *args)

    emit_with_ack = blocking(EmitOperator.emit_with_ack, "Socket")


class Socket(SyncEmitOperator, SocketListenable):
    """The plain Socket.IO client, with the names of socket.io-client, on threads of its own.

    The parameters are those of `SocketClient`, and so are the events. The socket of a `Client` is one as well. Handlers
    may be registered on any thread.

    Examples
    --------
    >>> with Socket("http://127.0.0.1:8888/", token="...") as socket:
    ...     socket.emit_with_ack("sum", 1, 2)
    """

    _async: SocketClient

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
            socket = _socket or SocketClient(
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
                make_executor=bridge.executor,
            )
        except BaseException:
            bridge.close()
            raise
        SyncEmitOperator.__init__(self, socket, bridge)
        SocketListenable.__init__(self, socket)
        self._owns_threads = _bridge is None
        if self._owns_threads:
            io = socket.io
            bridge.serve(Served(lambda: io.address, io.close, lambda: io.descriptors, lambda: io.has_handlers))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.io.address.url} {self.namespace}: {self.state}>"

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            no_such_name(self, name, SOCKET)

    def __enter__(self) -> Socket:
        try:
            self.connect()
        except BaseException:
            self.close()  # __exit__ is not called
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def of(self, namespace: str, auth: Auth = None) -> Socket:
        """Return the socket of another namespace over the same connection. It must be connected by itself.

        Parameters
        ----------
        namespace : str
            Begins with a slash.
        auth : dict or callable, optional
            Sent with its CONNECT; this socket's is not.
        """
        return Socket("", _socket=self._async.of(namespace, auth), _bridge=self._bridge)

    connect = blocking(SocketClient.connect, "Socket")
    ready = blocking(SocketClient.ready, "Socket")

    def disconnect(self, timeout: float = 5.0) -> None:
        """Leave, and stay disconnected until `connect`. Events emitted meanwhile wait.

        The connection ends with the last of its sockets.

        Parameters
        ----------
        timeout : float
            Seconds that handlers have to finish what was received.
        """
        if not self._bridge.ended:
            self._bridge.call(self._async.disconnect(0 if self._bridge.inside() else timeout))

    def close(self, timeout: float = 5.0) -> None:
        """Disconnect for good: the sockets of all namespaces, if this is the one that was made first.

        Parameters
        ----------
        timeout : float
            Seconds that handlers have to finish what was received.
        """
        if self._owns_threads:
            self._bridge.close(timeout)
        else:
            self.disconnect(timeout)

    def drop(self) -> None:
        """Cut the connection without a goodbye, as a bad network does. For tests, and to show what happens then."""
        self._bridge.run(self._async.drop)

    def freeze(self, seconds: float) -> None:
        """Stop reading for ``seconds``, as a stopped process does. For tests, and to show what happens then."""
        self._bridge.run(self._async.freeze, seconds)

    # --- its state

    @property
    def io(self) -> Manager:
        """The connection beneath, with events of its own, such as ``reconnect_attempt``."""
        return self._async.io

    @property
    def namespace(self) -> str:
        """The name of the namespace."""
        return self._async.namespace

    @property
    def id(self) -> str | None:
        """The server's id of this socket; another one after each reconnect, unless that was recovered."""
        return self._async.id

    @property
    def recovered(self) -> bool:
        """Whether the server recovered the lost connection: rooms are as before, and missed events were delivered."""
        return self._async.recovered

    @property
    def active(self) -> bool:
        """Whether it is connected, or connects by itself as soon as it can."""
        return self._async.active

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._async.connected

    @property
    def state(self) -> str:
        """``"connecting"``, ``"connected"``, ``"offline"`` or ``"closed"``."""
        return self._async.state

    @property
    def max_payload(self) -> int:
        """The largest message that the server accepts, in bytes."""
        return self._async.max_payload

    @property
    def descriptors(self) -> list[int]:
        """The file descriptors of the connection; empty without one."""
        return self._async.descriptors

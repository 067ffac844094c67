"""The Socket.IO client for code that awaits: one namespace of a server, over a connection that is kept."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jupyter_rtmsg.advice import SOCKET, no_such_name
from jupyter_rtmsg.wire.parser import Parser, codec_of

from .backoff import Backoff
from .connect_handshake import Auth, Layer
from .executor import ExecutorFactory, TaskExecutor
from .link import Link
from .listeners import Listeners, SocketListenable
from .manager import Manager
from .route import Given, Search
from .sending import EmitOperator
from .transport import TRANSPORTS


class SocketClient(SocketListenable, EmitOperator):
    """The plain Socket.IO client, with the names of socket.io-client.

    Its own events, for `on`: ``connect``; ``connect_error(error)``; ``disconnect(reason)``. All others are the
    server's.

    Parameters
    ----------
    url : str
        The base URL: the wire is at ``<url>socket.io/``.
    token : str, optional
        Of a Jupyter server: sent in an ``Authorization`` header, never in a URL.
    namespace : str
        Begins with a slash.
    auth : dict or callable, optional
        Sent with CONNECT. A callable is called for each connection and may be async; a sync one must not wait.
    headers, query : dict, optional
        Sent with the HTTP request, as strings.
    path : str
        The path of the wire, below the URL.
    tls : ssl.SSLContext, optional
        For ``https``; certificates are verified by default.
    transports : sequence of str
        Tried in this order: ``"websocket"`` and ``"polling"``, or one of them. See docs/client.md, Transports.
    reconnection : bool
        Whether a lost connection is made again.
    reconnection_attempts : int, optional
        How often that is tried; without it, for ever.
    reconnection_delay, reconnection_delay_max : float
        Seconds before the first attempt, and at most; half of each delay is random.
    retries : int
        How often an event is sent again that the server does not acknowledge; such events are sent one at a time.
    ack_timeout : float
        Seconds that an acknowledgement may take.
    make_executor : callable, optional
        Makes the serial executor that calls the handlers.
    parser : str or Parser
        The format of packets, which must be the server's: ``"json"``, Socket.IO's default; ``"msgpack"``, that of npm's
        ``socket.io-msgpack-parser`` and python-socketio's ``serializer="msgpack"``; or a parser of your own.

    Attributes
    ----------
    id : str or None
        The server's id of this socket; another one after each reconnect, unless that was recovered.
    recovered : bool
        Whether the server recovered the lost connection: rooms are as before, and missed events were delivered.
    active : bool
        Whether it is connected, or connects by itself as soon as it can.
    io : Manager
        The connection beneath, with events of its own, such as ``reconnect_attempt``.

    Examples
    --------
    >>> socket = SocketClient("http://127.0.0.1:8888/", token="...")
    >>> await socket.connect()
    >>> await socket.emit_with_ack("sum", 1, 2)
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
        make_executor: ExecutorFactory = TaskExecutor,
        parser: str | Parser = "json",
        _io: Manager | None = None,
        _search: Search | None = None,
        _layer: Layer | None = None,
    ) -> None:
        if not namespace.startswith("/") or "," in namespace:
            raise ValueError(f"a namespace begins with a slash and holds no comma, unlike {namespace!r}")
        self.io = _io or Manager(
            _search or Given(url, token),
            headers=headers or {},
            query=query or {},
            path=path,
            tls=tls,
            transports=transports,
            codec=codec_of(parser),
            make_executor=make_executor,
            reconnection=reconnection,
            reconnection_attempts=reconnection_attempts,
            backoff=Backoff(reconnection_delay, reconnection_delay_max),
            on_batch=_layer.end_batch if _layer else None,
            on_writable=_layer.writable if _layer else None,
        )
        sending: dict[str, Any] = {"retries": retries, "ack_timeout": ack_timeout}
        self._inherited = {**sending, "make_executor": make_executor}  # by the sockets of other namespaces
        listeners = Listeners(make_executor, f"rtmsg socket {namespace}")
        self._link = Link(self.io, namespace, auth, listeners, _layer, **sending)
        SocketListenable.__init__(self, listeners)
        EmitOperator.__init__(self, self._link.sender)
        self.io.register(namespace, self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.io.address.url} {self.namespace}: {self.state}>"

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            no_such_name(self, name, SOCKET, awaited=True)

    def of(self, namespace: str, auth: Auth = None) -> SocketClient:
        """Return the socket of another namespace over the same connection. It must be connected by itself.

        Parameters
        ----------
        namespace : str
            Begins with a slash.
        auth : dict or callable, optional
            Sent with its CONNECT; this socket's is not.
        """
        known = self.io.sockets.get(namespace)
        if isinstance(known, SocketClient):
            return known
        return SocketClient(self.io.address.url, namespace=namespace, auth=auth, _io=self.io, **self._inherited)

    # --- the connection

    async def connect(self, timeout: float = 10.0) -> None:
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
            If no server answers within ``timeout`` seconds.
        """
        await self._link.connect(timeout)

    async def disconnect(self, timeout: float = 5.0) -> None:
        """Leave, and stay disconnected until `connect`. Events emitted meanwhile wait.

        The connection ends with the last of its sockets.

        Parameters
        ----------
        timeout : float
            Seconds that handlers have to finish what was received.
        """
        await self._link.disconnect(timeout)

    def drop(self) -> None:
        """Cut the connection without a goodbye, as a bad network does. For tests, and to show what happens then."""
        self.io.drop()

    def freeze(self, seconds: float) -> None:
        """Stop reading for ``seconds``, as a stopped process does. For tests, and to show what happens then."""
        if self._link.session:
            self._link.session.freeze(seconds)

    async def ready(self, timeout: float) -> None:
        """Wait until there is a connection.

        Raises
        ------
        Disconnected
            If there is none within ``timeout`` seconds, or the client was closed.
        """
        await self._link.ready(timeout)

    @property
    def namespace(self) -> str:
        """The name of the namespace."""
        return self._link.namespace

    @property
    def id(self) -> str | None:
        """The server's id of this socket; another one after each reconnect, unless that was recovered."""
        return self._link.id

    @property
    def recovered(self) -> bool:
        """Whether the server recovered the lost connection: rooms are as before, and missed events were delivered."""
        return self._link.recovered

    @property
    def active(self) -> bool:
        """Whether it is connected, or connects by itself as soon as it can."""
        return self._link.active

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._link.state.value == "connected"

    @property
    def state(self) -> str:
        """``"connecting"``, ``"connected"``, ``"offline"`` or ``"closed"``."""
        return self._link.state.value

    @property
    def max_payload(self) -> int:
        """The largest message that the server accepts, in bytes."""
        return self.io.max_payload

    @property
    def descriptors(self) -> list[int]:
        """The file descriptors of the connection; empty without one."""
        session = self._link.session
        return session.descriptors if session else []

    @property
    def has_handlers(self) -> bool:
        """Whether there are handlers of events or of the state."""
        return bool(self._listeners.named or self._listeners.any or self._listeners.state)

    # --- requests of the layer above

    @property
    def can_write(self) -> bool:
        """Whether the connection accepts more now."""
        session = self._link.session
        return session is not None and session.can_write

    def fits(self, size: int, attachments: Sequence[bytes]) -> bool:
        """Return whether the server accepts an event of ``size`` bytes, its attachments included."""
        session = self._link.session
        return session is None or session.fits(size, attachments)

    def request(self, json: bytes, attachments: Sequence[bytes], answer: Callable[[Any], None]) -> int:
        """Send an event that is already encoded, but for its header; see `Link.request`."""
        return self._link.request(json, attachments, answer)

    def forget(self, id: int) -> None:
        """Wait no longer for the ACK of a request."""
        self._link.acks.forget(id)

"""The Socket.IO server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import tornado.httpserver
import tornado.netutil
import tornado.web

from jupyter_rtmsg.listening import listens
from jupyter_rtmsg.notebook import current_tasks, outside_cells
from jupyter_rtmsg.wire.parser import Parser, codec_of

from .broadcast import Broadcaster, BroadcastOperator
from .bundle import bundle_routes
from .engine import Engine
from .listeners import Handler
from .namespace import Middleware, Namespace, Route
from .namespaces import Matcher, Namespaces
from .origin import is_loopback
from .packet_stream import PacketStream
from .recovery import MemoryRecovery, Recovery
from .session import Session
from .socket import Socket


class Server(Broadcaster[Socket]):
    """A Socket.IO server for Tornado.

    Parameters
    ----------
    ping_interval, ping_timeout : float
        Seconds between pings, and to wait for a pong.
    max_payload : int
        Bytes of a client's message, attachments included.
    connect_timeout : float
        Seconds until a client must be connected to a namespace.
    serve_client : bool
        Whether the browser's client is served, at ``<path>/socket.io.js`` and other names.
    max_child_namespaces : int
        The number of namespaces that clients may create through patterns and functions, see `of`.
    cleanup_empty_child_namespaces : bool
        Whether such a namespace is dropped when its last client disconnects.
    recovery : bool or callable
        Connection state recovery (Socket.IO 4.6). True: in memory, for two minutes. A callable makes the `Recovery` of
        each namespace.
    parser : str or Parser
        The encoding of packets, which the clients must share: ``"json"``, Socket.IO's default; ``"msgpack"``, that of
        npm's ``socket.io-msgpack-parser`` and python-socketio's ``serializer="msgpack"``; or an object of your own.
    **options
        Options of the `Engine`.

    Examples
    --------
    >>> io = Server()
    >>> @io.on("connection")
    ... def connected(socket):
    ...     socket.on("sum", lambda a, b: a + b)
    >>> port = await io.listen()

    Chains that begin with the server, such as ``io.to("lab").emit(...)``, concern the namespace ``/``.
    """

    def __init__(
        self,
        *,
        ping_interval: float = 25.0,
        ping_timeout: float = 20.0,
        max_payload: int = 1_000_000,
        connect_timeout: float = 45.0,
        serve_client: bool = True,
        max_child_namespaces: int = 1000,
        cleanup_empty_child_namespaces: bool = False,
        recovery: bool | Callable[[Namespace], Recovery] = False,
        parser: str | Parser = "json",
        **options: Any,
    ) -> None:
        self.engine = Engine(
            ping_interval=ping_interval,
            ping_timeout=ping_timeout,
            max_payload=max_payload,
            pending_timeout=connect_timeout,
            **options,
        )
        with outside_cells():
            self.engine.on("connection", self._opened)
        self.parser = codec_of(parser)
        self.recovery: Callable[[Namespace], Recovery] | None = MemoryRecovery if recovery is True else recovery or None
        self._serve_client = serve_client
        self.ack_ids: Iterator[int] = count()  # shared by all sockets: a broadcast uses one id
        self.namespaces = Namespaces(self, max_child_namespaces, cleanup_empty_child_namespaces)
        self._listening: list[tornado.httpserver.HTTPServer] = []
        self._unlisten: list[Callable[[], None]] = []

    # --- listening

    def attach(self, application: tornado.web.Application, path: str = "/socket.io/") -> None:
        """Serve in a Tornado application."""
        application.add_handlers(r".*", list(self.handlers(path)))

    def handlers(self, path: str = "/socket.io/", *, loopback: bool = False) -> list[Any]:
        """Return the routes for a Tornado application: those of the client bundle, and all other paths below ``path``.

        Parameters
        ----------
        path : str
        loopback : bool
            Whether the application listens on loopback addresses only, see `Engine.handlers`.
        """
        bundle = bundle_routes(path, self.engine.origins, self.engine.proxies) if self._serve_client else []
        return [*bundle, *self.engine.handlers(path, loopback=loopback)]

    async def listen(self, port: int = 0, address: str = "127.0.0.1", path: str = "/socket.io/", **options: Any) -> int:
        """Serve on a port of its own. A server that was closed may listen again.

        Parameters
        ----------
        port : int
            0 for any free port.
        address : str
        path : str
        **options
            Options of `tornado.httpserver.HTTPServer`, such as ``ssl_options``.

        Returns
        -------
        int
            The port.
        """
        sockets = tornado.netutil.bind_sockets(port, address)
        loopback = all(is_loopback(sock.getsockname()[0]) for sock in sockets)
        application = tornado.web.Application(self.handlers(path, loopback=loopback))
        http = tornado.httpserver.HTTPServer(application, **options)
        http.add_sockets(sockets)
        self._listening.append(http)
        self.engine.reopen()
        for namespace in self.namespaces:
            namespace.reopen()
        self._unlisten.append(listens(sockets))
        return int(sockets[0].getsockname()[1])

    async def close(self, reason: str = "server shutting down", *, timeout: float = 5.0) -> None:
        """Disconnect all clients and stop listening.

        Parameters
        ----------
        reason : str
            Sent to the clients.
        timeout : float
            Seconds after which handlers that still run are cancelled.
        """
        while self._listening:
            self._listening.pop().stop()
        while self._unlisten:
            self._unlisten.pop()()
        await self.engine.close(reason)
        await self._stop_handlers(timeout)

    async def _stop_handlers(self, timeout: float) -> None:
        tasks = {task for namespace in self.namespaces for task in namespace.tasks}
        tasks -= current_tasks()  # a handler may close the server
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=timeout)
        for namespace in self.namespaces:
            namespace.close()
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    # --- namespaces

    def of(self, name: str | Matcher) -> Namespace:
        """Return a namespace; create it if it does not exist.

        Parameters
        ----------
        name : str, re.Pattern or callable
            A pattern creates the namespaces that clients ask for and whose whole name it matches. A function, sync or
            async, does so if it returns True for the name and the client's ``auth``. See `ParentNamespace`.
        """
        return self.namespaces.of(name)

    @property
    def sockets(self) -> Namespace:
        """The namespace ``/``, by Socket.IO's name."""
        return self.namespaces.root

    def _opened(self, session: Session) -> None:
        PacketStream(self.namespaces, self.parser, session)

    # --- methods of the namespace "/"

    def _chain(self) -> BroadcastOperator[Socket]:
        return BroadcastOperator(self.namespaces.root)

    def on(self, event: str, handler: Handler | None = None) -> Any:
        """Register a handler of ``"connection"`` (also ``"connect"``) or ``"new_namespace"``; also a decorator.

        It is called with each new socket or namespace.
        """
        return self.namespaces.root.on(event, handler)

    def once(self, event: str, handler: Handler | None = None) -> Any:
        """Register a handler like `on`, for one event only."""
        return self.namespaces.root.once(event, handler)

    def off(self, event: str | None = None, handler: Handler | None = None) -> None:
        """Remove one handler of an event, all handlers of an event, or all handlers."""
        self.namespaces.root.off(event, handler)

    def use(self, middleware: Middleware) -> Middleware:
        """See `Namespace.use`."""
        return self.namespaces.root.use(middleware)

    def route(self, route: Route) -> Route:
        """See `Namespace.route`."""
        return self.namespaces.root.route(route)

    def server_side_emit(self, event: str, *args: Any) -> None:
        """See `Namespace.server_side_emit`."""
        self.namespaces.root.server_side_emit(event, *args)

    async def server_side_emit_with_ack(self, event: str, *args: Any) -> list[Any]:
        """See `Namespace.server_side_emit_with_ack`."""
        return await self.namespaces.root.server_side_emit_with_ack(event, *args)

    async def __aenter__(self) -> Server:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

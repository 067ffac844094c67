"""The Socket.IO server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Any

import tornado.httpserver
import tornado.netutil
import tornado.web

from jupyter_rtmsg.listening import listens

from ..notebook import current_tasks, outside_cells
from ..wire.parser import Parser, codec_of
from .broadcast import Broadcaster, BroadcastOperator
from .bundle import bundle_routes
from .connection import Connection
from .emitter import Handler
from .engine import Engine
from .namespace import Middleware, Namespace, Route
from .namespaces import Matcher, Namespaces
from .origin import is_loopback
from .recovery import MemoryRecovery, Recovery
from .session import Session


class Server(Broadcaster):
    """A Socket.IO server for Tornado.

    Parameters
    ----------
    ping_interval, ping_timeout : float
        Seconds.
    max_payload : int
        The largest message that a client may send, in bytes, attachments included.
    connect_timeout : float
        Seconds that a client has to be accepted in a namespace.
    serve_client : bool
        Whether the browser's client is served too, at ``<path>/socket.io.js`` and its other names.
    max_child_namespaces : int
        How many namespaces clients may bring into being through patterns and functions, see `of`.
    cleanup_empty_child_namespaces : bool
        Whether these are dropped when their last client leaves.
    recovery : bool or callable
        Connection state recovery (Socket.IO 4.6). True: in memory, for two minutes; a callable makes a `Recovery` for
        each namespace.
    parser : str or Parser
        How packets are written, which must be the clients' way: ``"json"``, Socket.IO's default; ``"msgpack"``, as
        npm's ``socket.io-msgpack-parser`` and python-socketio's ``serializer="msgpack"`` do it; or one of your own.
    **options
        Of the `Engine` beneath.

    Examples
    --------
    >>> io = Server()
    >>> @io.on("connection")
    ... def connected(socket):
    ...     socket.on("sum", lambda a, b: a + b)
    >>> port = await io.listen()

    Whatever a chain of Socket.IO's cheatsheet begins with ``io`` concerns the clients of the namespace ``/``.
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
        self.ack_ids = count()  # for all sockets: a broadcast uses one for all
        self.namespaces = Namespaces(self, max_child_namespaces, cleanup_empty_child_namespaces)
        self._listening: list[tornado.httpserver.HTTPServer] = []
        self._unlisten: list[Callable[[], None]] = []

    # --- where it listens

    def attach(self, application: tornado.web.Application, path: str = "/socket.io/") -> None:
        """Serve in a Tornado application."""
        application.add_handlers(r".*", list(self.handlers(path)))

    def handlers(self, path: str = "/socket.io/", *, loopback: bool = False) -> list[Any]:
        """Return the routes for an application of your own: the client bundle's names, and all else below the path.

        Parameters
        ----------
        path : str
        loopback : bool
            Whether the application listens on a loopback address only, see `Engine.handlers`.
        """
        bundle = bundle_routes(path, self.engine.origins, self.engine.proxies) if self._serve_client else []
        return [*bundle, *self.engine.handlers(path, loopback=loopback)]

    async def listen(self, port: int = 0, address: str = "127.0.0.1", path: str = "/socket.io/", **options: Any) -> int:
        """Serve alone and return the port. A server that was closed may listen again.

        Parameters
        ----------
        port : int
            0: any that is free.
        address : str
        path : str
        **options
            Of `tornado.httpserver.HTTPServer`, such as ``ssl_options``.
        """
        sockets = tornado.netutil.bind_sockets(port, address)
        loopback = all(is_loopback(sock.getsockname()[0]) for sock in sockets)
        application = tornado.web.Application(self.handlers(path, loopback=loopback))
        http = tornado.httpserver.HTTPServer(application, **options)
        http.add_sockets(sockets)
        self._listening.append(http)
        self.engine.reopen()
        for namespace in self.namespaces:
            namespace.closing = False
        self._unlisten.append(listens(sockets))
        return int(sockets[0].getsockname()[1])

    async def close(self, reason: str = "server shutting down", *, timeout: float = 5.0) -> None:
        """Disconnect everyone, saying why, and stop listening.

        Parameters
        ----------
        reason : str
        timeout : float
            Seconds that handlers may go on which are under way; those that still run then are cancelled.
        """
        while self._listening:
            self._listening.pop().stop()
        while self._unlisten:
            self._unlisten.pop()()
        await self.engine.close(reason)
        await self._stop_handlers(timeout)

    async def _stop_handlers(self, timeout: float) -> None:
        tasks = {task for namespace in self.namespaces for task in namespace.tasks}
        tasks -= current_tasks()  # a handler may close its server
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=timeout)
        for namespace in self.namespaces:
            namespace.closing = True
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    # --- namespaces

    def of(self, name: str | Matcher) -> Namespace:
        """Return a namespace, making it if need be.

        Parameters
        ----------
        name : str, re.Pattern or callable
            A pattern or function stands for all namespaces that clients ask for and whose whole name it matches:
            see `ParentNamespace`. A function is called with the name and the client's ``auth``; it may be async.
        """
        return self.namespaces.of(name)

    @property
    def sockets(self) -> Namespace:
        """The namespace ``/``, as Socket.IO calls it."""
        return self.namespaces.root

    def _opened(self, session: Session) -> None:
        Connection(self, session)

    # --- the namespace "/", in short

    def _chain(self) -> BroadcastOperator:
        return BroadcastOperator(self.namespaces.root)

    def on(self, event: str, handler: Handler | None = None) -> Any:
        """Call a handler for ``"connection"`` (also ``"connect"``), with each new socket, or ``"new_namespace"``.

        Also a decorator.
        """
        return self.namespaces.root.on(event, handler)

    def once(self, event: str, handler: Handler | None = None) -> Any:
        """Like `on`, for one event only."""
        return self.namespaces.root.once(event, handler)

    def off(self, event: str | None = None, handler: Handler | None = None) -> None:
        """Remove one handler of an event, all of an event, or all."""
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

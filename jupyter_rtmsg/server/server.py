"""The Socket.IO server."""

from __future__ import annotations

import asyncio
from typing import Any

import tornado.httpserver
import tornado.netutil
import tornado.web

from .broadcast import BroadcastOperator
from .connection import Connection
from .engine import Engine
from .namespace import Middleware, Namespace, Route
from .session import Session
from .socket import Handler


class Server:
    """A Socket.IO server for Tornado.

    Parameters
    ----------
    ping_interval, ping_timeout : float
        Seconds.
    max_payload : int
        The largest message in bytes, either way, attachments included.
    connect_timeout : float
        Seconds that a client has to be accepted in a namespace.
    **options
        Of the `Engine` beneath.

    Examples
    --------
    >>> io = Server()
    >>> @io.on("connection")
    ... def connected(socket):
    ...     socket.on("sum", lambda a, b: a + b)
    >>> port = await io.listen()
    """

    def __init__(
        self,
        *,
        ping_interval: float = 25.0,
        ping_timeout: float = 20.0,
        max_payload: int = 1_000_000,
        connect_timeout: float = 45.0,
        **options: Any,
    ) -> None:
        self.engine = Engine(
            ping_interval=ping_interval,
            ping_timeout=ping_timeout,
            max_payload=max_payload,
            pending_timeout=connect_timeout,
            **options,
        )
        self.engine.on("connection", self._opened)
        self._namespaces: dict[str, Namespace] = {}
        self._http: tornado.httpserver.HTTPServer | None = None
        self._root = self.of("/")

    # --- where it listens

    def attach(self, application: tornado.web.Application, path: str = "/socket.io/") -> None:
        """Serve in a Tornado application."""
        application.add_handlers(r".*", list(self.handlers(path)))

    def handlers(self, path: str = "/socket.io/") -> list[Any]:
        """Return the routes for an application of your own."""
        return self.engine.handlers(path)

    async def listen(self, port: int = 0, address: str = "127.0.0.1", path: str = "/socket.io/", **options: Any) -> int:
        """Serve alone and return the port.

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
        self._http = tornado.httpserver.HTTPServer(tornado.web.Application(self.handlers(path)), **options)
        self._http.add_sockets(sockets)
        return int(sockets[0].getsockname()[1])

    async def close(self, reason: str = "server shutting down") -> None:
        """Disconnect everyone, saying why, and stop listening."""
        if self._http:
            self._http.stop()
        await self.engine.close(reason)
        for namespace in self._namespaces.values():
            namespace.close()

    # --- namespaces

    def of(self, name: str) -> Namespace:
        """Return a namespace, making it if need be."""
        if not name.startswith("/"):
            name = "/" + name
        if name not in self._namespaces:
            self._namespaces[name] = Namespace(self, name)
        return self._namespaces[name]

    def find(self, name: str) -> Namespace | None:
        """Return a namespace that a client asked for, if there is one."""
        return self._namespaces.get(name)

    def _opened(self, session: Session) -> None:
        Connection(self, session)

    # --- the namespace "/", in short

    def on(self, event: str, handler: Handler | None = None) -> Any:
        """See `Namespace.on`."""
        return self._root.on(event, handler)

    def use(self, middleware: Middleware) -> Middleware:
        """See `Namespace.use`."""
        return self._root.use(middleware)

    def route(self, route: Route) -> Route:
        """See `Namespace.route`."""
        return self._root.route(route)

    def emit(self, event: str, *args: Any) -> None:
        """Emit to everyone."""
        self._root.emit(event, *args)

    def send(self, *args: Any) -> None:
        """Emit the event ``message`` to everyone."""
        self._root.send(*args)

    def to(self, *rooms: str) -> BroadcastOperator:
        """Everyone in these rooms."""
        return self._root.to(*rooms)

    in_ = to

    def except_(self, *rooms: str) -> BroadcastOperator:
        """Everyone but those in these rooms."""
        return self._root.except_(*rooms)

    @property
    def volatile(self) -> BroadcastOperator:
        """Everyone who can be written to now."""
        return self._root.volatile

    def timeout(self, seconds: float | None) -> BroadcastOperator:
        """Everyone, with a time to wait for acknowledgements."""
        return self._root.timeout(seconds)

    async def __aenter__(self) -> Server:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()
        await asyncio.sleep(0)

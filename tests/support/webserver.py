"""A `Server` in a Tornado application with a page of its own, on its own thread: the test drives a browser."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tornado.httpserver
import tornado.netutil
import tornado.web

from jupyter_rtmsg.server import Server, Socket
from jupyter_rtmsg.server.flow_control import EventQueue


def queue_of(socket: Socket) -> EventQueue | None:
    """Return the events of a socket that wait for its handler; None while no handler runs."""
    return socket._stream._dispatchers[socket.namespace.name]._queue  # type: ignore[attr-defined]


class Page(tornado.web.RequestHandler):
    """An empty page."""

    def get(self) -> None:
        self.finish("<!doctype html><title>page</title><link rel=icon href=data:,>")


class WebServer:
    """What runs on the thread.

    Parameters
    ----------
    **options
        Of the `Server`.
    """

    def __init__(self, **options: Any) -> None:
        self.sockets: list[Socket] = []
        self.requests: list[str] = []
        self.url = ""
        self._options = options
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._serve()], daemon=True)
        self._closing = asyncio.Event()

    def start(self) -> None:
        self._thread.start()
        assert self._listening.wait(30), "it never listened"

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(30)

    async def _serve(self) -> None:
        io = Server(**self._options)
        io.on("connection", self._connected)
        application = tornado.web.Application([("/", Page)], log_function=self._log)
        io.attach(application)
        http = tornado.httpserver.HTTPServer(application)
        sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
        http.add_sockets(sockets)
        self.url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
        self._listening.set()
        await self._closing.wait()
        await io.close()
        http.stop()
        await http.close_all_connections()

    def _connected(self, socket: Socket) -> None:
        self.sockets.append(socket)
        socket.on("echo", lambda *args: list(args))
        socket.on("count", lambda n: [socket.emit("n", k) for k in range(n)] and n)

    def _log(self, handler: tornado.web.RequestHandler) -> None:
        self.requests.append(f"{handler.get_status()} {handler.request.method} {handler.request.path}")


@contextmanager
def web_server(**options: Any) -> Iterator[WebServer]:
    """Run one."""
    server = WebServer(**options)
    server.start()
    try:
        yield server
    finally:
        server.stop()

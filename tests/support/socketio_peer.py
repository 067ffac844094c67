"""python-socketio's client as a peer of a Jupyter server: an implementation that is not ours."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import socketio

from .jupyter import DEADLINE, JupyterServer


class Peer:
    """python-socketio's `AsyncClient` on a thread of its own, for tests that do not await.

    Its `Client` will not do: with a thread for every frame, an attachment may overtake its event.
    """

    def __init__(self, server: JupyterServer, **options: Any) -> None:
        self.received: queue.Queue[tuple[str, list[Any]]] = queue.Queue()
        self.refusals: queue.Queue[Any] = queue.Queue()
        self.closed: queue.Queue[str] = queue.Queue()
        self._server = server
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._client = self._run(self._make(options))

    @property
    def id(self) -> str:
        """The id of its socket."""
        return str(self._client.get_sid())

    def connect(self, auth: Any = None, headers: Mapping[str, str] | None = None) -> None:
        """Connect over WebSocket; socketio.exceptions.ConnectionError if the server refuses."""
        parts = urlsplit(self._server.url)
        connecting = self._client.connect(
            f"{parts.scheme}://{parts.netloc}",
            headers=dict(headers or {}),
            auth=auth,
            transports=["websocket"],
            socketio_path=parts.path + "socket.io",
            wait_timeout=DEADLINE,
        )
        self._run(connecting)

    def command(self, name: str, **body: Any) -> dict[str, Any]:
        """Send a command to the hub and return its reply."""
        return dict(self._run(self._client.call(name, body, timeout=DEADLINE)))

    def take(self) -> tuple[str, list[Any]]:
        """Wait for the next event that is not the hub's own."""
        while True:
            event, args = self.received.get(timeout=DEADLINE)
            if not event.startswith("$"):
                return event, args

    def close(self) -> None:
        self._run(self._client.disconnect())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE)
        self._loop.close()

    async def _make(self, options: dict[str, Any]) -> Any:
        client = socketio.AsyncClient(reconnection=False, **options)
        client.on("*", lambda event, *args: self.received.put((event, list(args))))
        client.on("connect_error", self.refusals.put)
        client.on("disconnect", self.closed.put)
        return client

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(2 * DEADLINE)


@contextmanager
def connected(
    server: JupyterServer, *, auth: Any = None, headers: Mapping[str, str] | None = None, **options: Any
) -> Iterator[Peer]:
    """Connect over WebSocket; socketio.exceptions.ConnectionError if the server refuses."""
    peer = Peer(server, **options)
    try:
        peer.connect(auth, headers)
        yield peer
    finally:
        peer.close()


def refusal(server: JupyterServer, *, auth: Any = None, headers: Mapping[str, str] | None = None) -> Any:
    """Return what the CONNECT_ERROR holds with which the server refuses."""
    peer = Peer(server)
    try:
        peer.connect(auth, headers)
    except socketio.exceptions.ConnectionError:
        return peer.refusals.get(timeout=DEADLINE)
    finally:
        peer.close()
    raise AssertionError("it was let in")

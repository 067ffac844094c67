"""python-socketio's client as a peer of a Jupyter server: an implementation that is not ours."""

from __future__ import annotations

import queue
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import socketio

from .jupyter import DEADLINE, JupyterServer


class Peer(socketio.Client):  # type: ignore[misc]
    """A client that keeps what it receives."""

    def __init__(self, **options: Any) -> None:
        # websocket-client would add an Origin of its own beside the one that a test gives.
        super().__init__(websocket_extra_options={"suppress_origin": True}, **options)
        self.received: queue.Queue[tuple[str, list[Any]]] = queue.Queue()
        self.refusals: queue.Queue[Any] = queue.Queue()
        self.closed: queue.Queue[str] = queue.Queue()
        self.on("*", lambda event, *args: self.received.put((event, list(args))))
        self.on("connect_error", self.refusals.put)
        self.on("disconnect", self.closed.put)

    def command(self, name: str, **body: Any) -> dict[str, Any]:
        """Send a command to the hub and return its reply."""
        return dict(self.call(name, body, timeout=DEADLINE))

    def take(self) -> tuple[str, list[Any]]:
        """Wait for the next event that is not the hub's own."""
        while True:
            event, args = self.received.get(timeout=DEADLINE)
            if not event.startswith("$"):
                return event, args


@contextmanager
def connected(
    server: JupyterServer, *, auth: Any = None, headers: Mapping[str, str] | None = None, **options: Any
) -> Iterator[Peer]:
    """Connect over WebSocket; socketio.exceptions.ConnectionError if the server refuses."""
    peer = Peer(reconnection=False, **options)
    try:
        _connect(peer, server, auth, headers)
        yield peer
    finally:
        peer.disconnect()


def refusal(server: JupyterServer, *, auth: Any = None, headers: Mapping[str, str] | None = None) -> Any:
    """Return what the CONNECT_ERROR holds with which the server refuses."""
    peer = Peer(reconnection=False)
    try:
        _connect(peer, server, auth, headers)
    except socketio.exceptions.ConnectionError:
        return peer.refusals.get(timeout=DEADLINE)
    finally:
        peer.disconnect()
    raise AssertionError("it was let in")


def _connect(peer: Peer, server: JupyterServer, auth: Any, headers: Mapping[str, str] | None) -> None:
    parts = urlsplit(server.url)
    peer.connect(
        f"{parts.scheme}://{parts.netloc}", dict(headers or {}), auth, ["websocket"], None, parts.path + "socket.io",
        wait_timeout=DEADLINE,
    )  # fmt: skip

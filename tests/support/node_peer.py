"""The real socket.io-client, in a Node.js process of its own."""

from __future__ import annotations

import base64
import json
import os
import queue
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .jupyter import DEADLINE, JupyterServer

SCRIPT = Path(__file__).parents[1] / "interop" / "peer.js"


class NodePeer:
    """Drives `tests/interop/peer.js`; the same interface as `support.socketio_peer.Peer`."""

    def __init__(self, server: JupyterServer, token: str | None, **options: Any) -> None:
        environment = {**os.environ, "RTMSG_URL": server.url, "RTMSG_TOKEN": token or ""}
        environment["RTMSG_OPTIONS"] = json.dumps(options)
        self.process = subprocess.Popen(
            ["node", str(SCRIPT)], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.received: queue.Queue[tuple[str, list[Any]]] = queue.Queue()
        self._said: dict[str, queue.Queue[Any]] = {
            key: queue.Queue() for key in ("connected", "refused", "disconnected", "reply", "upgraded")
        }
        threading.Thread(target=self._read, daemon=True).start()

    def wait_for(self, what: str) -> Any:
        """Wait until it is ``connected`` (its id), ``refused``, ``upgraded`` or ``disconnected`` (the reason)."""
        return self._said[what].get(timeout=DEADLINE)

    def command(self, name: str, **body: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"command": name, "body": body}, default=_seal).encode() + b"\n")
        self.process.stdin.flush()
        return dict(self.wait_for("reply"))

    def take(self) -> tuple[str, list[Any]]:
        while True:
            event, args = self.received.get(timeout=DEADLINE)
            if not event.startswith("$"):
                return event, args

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message = json.loads(line, object_hook=_open)
            if "event" in message:
                self.received.put((message["event"], message["args"]))
            else:
                key = next(key for key in self._said if key in message)
                self._said[key].put(message[key])


@contextmanager
def node_connected(server: JupyterServer, token: str | None, **options: Any) -> Iterator[NodePeer]:
    """Connect the real socket.io-client, over WebSocket unless its options say otherwise."""
    peer = NodePeer(server, token, **options)
    try:
        peer.wait_for("connected")
        yield peer
    finally:
        peer.close()


def _seal(value: Any) -> dict[str, str]:
    return {"$bytes": base64.b64encode(value).decode()}


def _open(value: dict[str, Any]) -> Any:
    return base64.b64decode(value["$bytes"]) if value.keys() == {"$bytes"} else value

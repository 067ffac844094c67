"""The stage of handshake.js."""

from __future__ import annotations

import time
from typing import Any


def handshake(io: Any, t: Any) -> None:
    sockets: list[Any] = []
    io.on("connection", sockets.append)
    t.commands["headers"] = lambda name: sockets[-1].handshake.headers.get(name)
    t.commands["query"] = lambda name: sockets[-1].handshake.query.get(name)
    t.commands["address"] = lambda: sockets[-1].handshake.address
    t.commands["secure"] = lambda: sockets[-1].handshake.secure
    t.commands["url"] = lambda: sockets[-1].handshake.url.partition("?")[0]
    t.commands["auth"] = lambda: sockets[-1].handshake.auth
    t.commands["issued"] = lambda: abs(time.time() - sockets[-1].handshake.time) < 60
    t.commands["request"] = lambda: sockets[-1].request.headers["x-tag"]
    t.commands["transport"] = lambda: sockets[-1].conn.transport.name
    t.commands["ids"] = lambda: [sockets[-1].id == sockets[-1].conn.id, len(sockets[-1].id) >= 20]

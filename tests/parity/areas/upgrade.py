"""The stage of upgrade.js."""

from __future__ import annotations

from typing import Any


def upgrade(io: Any, t: Any) -> None:
    sockets: list[Any] = []

    @io.on("connection")
    def connected(socket: Any) -> None:
        sockets.append(socket)
        socket.conn.on("upgrade", lambda name: t.note(["upgrade", name]))
        socket.on("echo", lambda *args: socket.emit("echo", *args))
        socket.on("disconnect", lambda reason: t.note(["disconnect", reason]))

    t.commands["emit"] = lambda *args: sockets[-1].emit(*args)
    t.commands["transport"] = lambda: sockets[-1].conn.transport.name
    t.commands["count"] = lambda: len(io.engine.sessions)

"""The stage of websocket.js."""

from __future__ import annotations

from typing import Any


def websocket(io: Any, t: Any) -> None:
    sockets: list[Any] = []

    @io.on("connection")
    def connected(socket: Any) -> None:
        sockets.append(socket)
        socket.on("echo", lambda *args: socket.emit("echo", *args))
        socket.on("disconnect", lambda reason: t.note(["disconnect", reason]))

    @t.command
    def emit(*args: Any) -> None:
        sockets[-1].emit(*args)

    @t.command
    def volatile(*args: Any) -> None:
        sockets[-1].volatile.emit(*args)

    @t.command
    def bye() -> None:
        sockets[-1].emit("bye")
        sockets[-1].disconnect(True)

    t.commands["end session"] = lambda: sockets[-1].conn.close()

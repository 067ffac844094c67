"""The stage of packets.js."""

from __future__ import annotations

from typing import Any


def packets(io: Any, t: Any) -> None:
    @io.on("connection")
    def connected(socket: Any) -> None:
        socket.on("echo", lambda *args: socket.emit("echo", *args))
        socket.on(7, lambda: t.note("seven"))
        socket.on("disconnect", lambda reason: t.note(["disconnect", reason]))

    io.of("/other")

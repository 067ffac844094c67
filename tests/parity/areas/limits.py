"""The stage of limits.js."""

from __future__ import annotations

from typing import Any


def limits(io: Any, t: Any) -> None:
    @io.on("connection")
    def connected(socket: Any) -> None:
        socket.on("length", lambda data: t.note(len(data)))
        socket.on("count", lambda *args: t.note(len(args)))
        socket.on("disconnect", lambda reason: t.note(["disconnect", reason]))

    io.of("/other")

"""The stage of closing.js."""

from __future__ import annotations

from typing import Any


def closing(io: Any, t: Any) -> None:
    @io.on("connection")
    def connected(socket: Any) -> None:
        socket.on("disconnect", lambda reason: t.note(["disconnect", reason]))
        socket.on("echo", lambda *args: socket.emit("echo", *args))

    async def close_twice() -> str:
        await io.close()
        await io.close()
        return "closed"

    t.commands["close"] = lambda: io.close()
    t.commands["close twice"] = close_twice
    t.commands["listen"] = lambda port: io.listen(port)
    t.commands["emit"] = lambda *args: io.emit(*args)
    t.commands["sockets"] = lambda: len(io.sockets.sockets)

"""The stage of recovery.js."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from jupyter_rtmsg.errors import ConnectionRefused, Disconnected


def recovery(io: Any, t: Any) -> None:
    sockets: list[Any] = []
    asking: list[Any] = []

    @io.use
    def middleware(socket: Any) -> None:
        t.note(["middleware", socket.recovered])
        if socket.auth.get("refuse"):
            raise ConnectionRefused("no")

    @io.on("connection")
    def connected(socket: Any) -> None:
        def keep(value: Any) -> None:
            socket.data["value"] = value

        sockets.append(socket)
        if not socket.recovered:
            socket.join(socket.auth.get("rooms", []))
        socket.on("data", keep)
        socket.on("disconnect", lambda reason: t.note(["disconnect", reason]))
        t.note(["connection", socket.recovered])

    def state() -> list[Any]:
        socket = sockets[-1]
        return [socket.id, sorted(socket.rooms - {socket.id}), socket.data]

    async def asked(*args: Any) -> None:
        with suppress(Disconnected):
            await io.timeout(20).emit_with_ack(*args)

    def ask(*args: Any) -> None:
        asking.append(asyncio.ensure_future(asked(*args)))

    t.command(ask)
    t.command(state)
    t.commands["emit"] = lambda *args: io.emit(*args)
    t.commands["to"] = lambda room, *args: io.to(room).emit(*args)
    t.commands["except"] = lambda room, *args: io.except_(room).emit(*args)
    t.commands["volatile"] = lambda *args: io.volatile.emit(*args)
    t.commands["one"] = lambda *args: sockets[-1].emit(*args)
    t.commands["own"] = lambda id, *args: io.to(id).emit(*args)
    t.commands["bytes"] = lambda: io.emit("x", bytes([1]))
    t.commands["kick"] = lambda: sockets[-1].disconnect()
    t.commands["cut"] = lambda: sockets[-1].conn.close()

"""The stage of middlewares.js."""

from __future__ import annotations

import asyncio
from typing import Any

from jupyter_rtmsg.errors import ConnectionRefused


def middlewares(io: Any, t: Any) -> None:
    waiting = asyncio.Event()

    @io.use
    def first(socket: Any) -> None:
        t.note("first")
        socket.data["first"] = 1

    @io.use
    async def second(socket: Any) -> None:
        await asyncio.sleep(0)
        t.note("second")
        how = socket.auth.get("how")
        if how == "refuse":
            raise ConnectionRefused("no")
        if how == "data":
            raise ConnectionRefused("no", {"code": 7})
        if how == "join":
            socket.join("room")
        if how == "emit":
            socket.emit("early")
        if how == "wait":
            await waiting.wait()
        t.note(["connected", socket.connected])

    @io.use
    def third(socket: Any) -> None:
        t.note("third")

    @io.on("connection")
    def connected(socket: Any) -> None:
        t.note("connection")
        socket.on("rooms", lambda: len(socket.rooms))
        socket.on("data", lambda: socket.data)

    @io.of("/sync").use
    def refuse(socket: Any) -> None:
        raise ConnectionRefused("sync")

    @io.of("/bug").use
    def fail(socket: Any) -> None:
        raise RuntimeError(f"run {t.number}")

    io.of("/free")
    io.of("/bug").on("connection", lambda socket: t.note("connection"))
    t.commands["go"] = waiting.set
    t.commands["size"] = lambda: len(io.sockets.sockets)

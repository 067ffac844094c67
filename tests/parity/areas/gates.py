"""The stage of gates.js."""

from __future__ import annotations

import asyncio
from typing import Any

from jupyter_rtmsg.errors import ConnectionRefused


def gates(io: Any, t: Any) -> None:
    waiting = asyncio.Event()
    t.commands["go"] = waiting.set

    @io.on("connection")
    def connected(socket: Any) -> None:
        def noting(name: str) -> Any:
            return lambda value=None: t.note([name, value])

        @socket.use
        def first(event: list[Any]) -> None:
            t.note(["first", *event])
            if event[0] == "refused":
                raise ConnectionRefused("no")
            if event[0] == "data":
                raise ConnectionRefused("no", 7)

        @socket.use
        async def second(event: list[Any]) -> None:
            if event[0] == "slow":
                await (waiting.wait() if event[1] == "wait" else asyncio.sleep(0))
            if event[0] == "change":
                event[1] = "changed"
            if event[0] == "rename":
                event[0] = "x"
            t.note(["second", event[0]])

        socket.on_any(lambda event, *args: t.note(["any", event]))
        for name in ("x", "slow", "change", "refused", "fast"):
            socket.on(name, noting(name))
        socket.on("ask", lambda: 1)
        socket.on("error", lambda error: t.note(["error", error.message, error.data]))
        socket.on("disconnect", lambda reason: t.note("disconnect"))

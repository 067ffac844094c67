"""The stage of acks.js."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from jupyter_rtmsg.errors import AckTimeout, Disconnected


async def outcome(asked: Awaitable[Any], *, many: bool = True) -> Any:
    try:
        return await asked
    except AckTimeout as error:
        return {"timeout": error.responses if many else None}
    except Disconnected as error:
        return {"disconnected": error.responses if many else None}


def acks(io: Any, t: Any) -> None:
    released = asyncio.Event()

    @io.on("connection")
    def connected(socket: Any) -> None:
        if "name" in socket.auth:
            socket.join(socket.auth["name"])
        socket.on("value", lambda: 1)
        socket.on("sum", lambda a, b: a + b)
        socket.on("nothing", lambda: None)
        socket.on("several", lambda: (1, "two", [3]))
        socket.on("bytes", lambda data: (data[::-1], {"inner": data}))
        socket.on("never", lambda: None)
        socket.on("first", lambda: "first")
        socket.on("first", lambda: "second")
        socket.on("quiet", lambda *args: t.note(len(args)))

        @socket.on("slow")
        async def slow() -> str:
            await released.wait()
            return "slow"

        @socket.on("raise")
        def fail() -> None:
            raise RuntimeError(f"run {t.number}")

    def first() -> Any:
        return next(iter(io.sockets.sockets.values()))

    def seconds(ms: float) -> float | None:
        return ms / 1000 or None

    t.commands["ask"] = lambda ms, *args: outcome(first().timeout(seconds(ms)).emit_with_ack(*args), many=False)
    t.commands["ask all"] = lambda ms, *args: outcome(io.timeout(seconds(ms)).emit_with_ack(*args))
    t.commands["ask all for ever"] = lambda *args: outcome(io.emit_with_ack(*args))
    t.commands["ask room"] = lambda ms, room, *args: outcome(io.to(room).timeout(seconds(ms)).emit_with_ack(*args))
    t.commands["ask others"] = lambda ms, *args: outcome(first().broadcast.timeout(seconds(ms)).emit_with_ack(*args))
    t.commands["rooms"] = lambda: len(list(io.sockets.rooms.names()))
    t.commands["release"] = released.set

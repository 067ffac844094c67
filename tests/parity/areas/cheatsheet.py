"""The stage of cheatsheet.js."""

from __future__ import annotations

import ast
import asyncio
import inspect
from typing import Any

ROOMS = {"a": ["room1"], "b": ["room1", "room2"], "c": ["room3"], "n": ["room1"]}


def cheatsheet(io: Any, t: Any) -> None:
    sockets: dict[str, Any] = {}

    def connected(socket: Any) -> None:
        name = socket.auth["name"]
        sockets[name] = socket
        socket.join(ROOMS[name])

    io.on("connection", connected)
    io.of("/my-namespace").on("connection", connected)

    @t.command
    async def line(javascript: str, python: str) -> Any:
        names = {"io": io, "socket": sockets["a"], "socket_id": sockets["b"].id, "asyncio": asyncio}
        running = eval(compile(python, "cheatsheet", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
        if inspect.isawaitable(running):
            await running
        if "asking" in names:
            await names["asking"]
        return names.get("answers", names.get("answer"))

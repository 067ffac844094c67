"""The stage of requests.js."""

from __future__ import annotations

import asyncio
from typing import Any

from jupyter_rtmsg.server import Refused


async def allow(request: Any) -> bool:
    how = request.headers.get("x-how")
    if how == "refuse":
        raise Refused(message="not today")
    await asyncio.sleep(0)
    return how != "no"


SETTINGS = {"requests": {"cookie": True, "allow_request": allow}}


def requests(io: Any, t: Any) -> None:
    @io.engine.use
    def middleware(request: Any, headers: dict[str, str]) -> None:
        t.note(["middleware", request.method])
        headers["X-Middleware"] = "on"
        if request.headers.get("x-how") == "stop":
            raise Refused(3)

    io.engine.on("initial_headers", lambda headers, request: headers.update({"X-Initial": "on"}))
    io.engine.on("headers", lambda headers, request: headers.update({"X-Each": "on"}))
    io.engine.on("connection_error", lambda error: t.note(["error", error.code, error.message]))
    io.engine.on("connection", lambda session: t.note("session"))

    @io.on("connection")
    def connected(socket: Any) -> None:
        socket.conn.on("close", lambda reason: t.note(["closed", reason]))
        socket.emit("welcome")

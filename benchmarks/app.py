"""A small application for load generators: rooms, publishing and echo on the server alone.

    python benchmarks/app.py PORT [memory: | sqlite:////path | hub]

With a log's URL (``hub``: a SQLite log in a temporary folder) the hub's own commands answer instead, with raised limits.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from jupyter_rtmsg.server import Server, Socket


def plain(io: Server) -> None:
    """Answer the events join, pub and echo."""

    @io.on("connection")
    def connected(socket: Socket) -> None:
        socket.on("join", lambda room: socket.join(room))
        socket.on("pub", lambda room, data: io.to(room).emit("msg", data))
        socket.on("echo", lambda data: "ok")


async def main(port: int, log: str | None) -> None:
    """Serve until killed."""
    io = Server()
    if log is None:
        plain(io)
    else:
        await hub(io, log)
    await io.listen(port)
    await asyncio.Event().wait()


async def hub(io: Server, url: str) -> Any:
    """Answer the hub's commands."""
    raise NotImplementedError


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None))

"""A small application for load generators.

python benchmarks/app.py [--uvloop] PORT        the server alone answers join, pub and echo
python benchmarks/app.py [--uvloop] PORT LOG    the hub answers its commands, over the log of this URL; "sqlite" alone:
                                                a log in a temporary folder. Rate limits are lifted, nothing is trimmed.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

from jupyter_rtmsg.hub import Hub, Limits
from jupyter_rtmsg.log import open_log
from jupyter_rtmsg.server import Server, Socket

ALL: dict[str, Any] = {"max_events": 10**8, "max_bytes": 1 << 40}
"""Options of a log that trims nothing while it is measured."""


def plain(io: Server) -> None:
    """Answer the events join, pub and echo."""

    @io.on("connection")
    def connected(socket: Socket) -> None:
        socket.on("join", lambda room: socket.join(room))
        socket.on("pub", lambda room, data: io.to(room).emit("msg", data))
        socket.on("echo", lambda data: "ok")


async def serve(port: int, log: str | None) -> None:
    """Serve until killed."""
    io = Server()
    if log is None:
        plain(io)
    else:
        unlimited = Limits(
            publish_rate=1e9,
            publish_burst=1e9,
            command_rate=1e9,
            command_burst=1e9,
            pending_events=10**9,
            pending_bytes=10**12,
            connections_per_user=10**6,
            rooms_per_user=10_000,
        )
        hub = Hub(io, await open_log(log, **ALL), limits=unlimited)
        await hub.start()
    await io.listen(port)
    await asyncio.Event().wait()


def main() -> None:
    """Take the port and the log from the command line."""
    uvloop = "--uvloop" in sys.argv
    port, *rest = [argument for argument in sys.argv[1:] if argument != "--uvloop"]
    run = importlib.import_module("uvloop").run if uvloop else asyncio.run
    with tempfile.TemporaryDirectory() as folder:
        log = rest[0] if rest else None
        run(serve(int(port), f"sqlite:///{Path(folder) / 'log.sqlite3'}" if log == "sqlite" else log))


if __name__ == "__main__":
    main()

"""Many clients that connect at once, and again when the server was killed and restarted: ours beside Node's.

    python benchmarks/storm.py [--clients 2000]

Each server has processor 0, the clients (one process, raw WebSocket) have processor 1. Clients whose connection is
lost come back after up to a second, at random. Prints seconds until all are in, and the server's memory.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from peer import Peer
from serving import free_port, resident, wait_for

HERE = Path(__file__).resolve().parent
MODULES = HERE.parent / "tests" / "interop" / "node_modules"
SERVERS = {
    "jupyter_rtmsg": [sys.executable, str(HERE / "app.py")],
    "node": ["node", str(HERE / "peers" / "node.js")],
}
SPREAD = 1.0  # seconds within which clients come back


class Client(Peer):
    """One client: it connects, and says when it is in, and when it no longer is."""

    def __init__(self, storm: Storm) -> None:
        super().__init__()
        self.storm = storm
        self.entered = False

    def enter(self) -> None:
        self.entered = True
        self.storm.entered(1)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.entered:
            self.storm.entered(-1)
        self.storm.come(random.random() * SPREAD)


class Storm:
    """All clients."""

    def __init__(self, port: int, number: int) -> None:
        self.port, self.number = port, number
        self.inside = 0
        self.changed = asyncio.Event()
        self.ended = False
        self.tasks: set[asyncio.Task[None]] = set()

    def entered(self, change: int) -> None:
        self.inside += change
        self.changed.set()

    def come(self, delay: float = 0.0) -> None:
        """Connect one more client, after so many seconds."""
        if self.ended:
            return
        task = asyncio.get_running_loop().create_task(self.connect(delay))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def connect(self, delay: float) -> None:
        while True:
            await asyncio.sleep(delay)
            try:
                await asyncio.get_running_loop().create_connection(lambda: Client(self), "127.0.0.1", self.port)
            except OSError:
                delay = random.random() * SPREAD
            else:
                return

    async def until(self, inside: int) -> float:
        """Wait until so many are in, and return how long it took."""
        start = time.monotonic()
        while self.inside != inside:
            self.changed.clear()
            await asyncio.wait_for(self.changed.wait(), 120)
        return time.monotonic() - start


def start(command: list[str], port: int) -> subprocess.Popen[bytes]:
    """Start a server and wait until it listens."""
    environment = {**os.environ, "NODE_PATH": str(MODULES), "PYTHONPATH": str(HERE.parent)}
    process = subprocess.Popen(["taskset", "-c", "0", *command, str(port)], env=environment)
    wait_for(process, port)
    return process


async def measure(name: str, number: int) -> None:
    port = free_port()
    server = start(SERVERS[name], port)
    storm = Storm(port, number)
    before = resident(server.pid)
    try:
        for _ in range(number):
            storm.come()
        first = await storm.until(number)
        grown = resident(server.pid) - before
        server.send_signal(signal.SIGKILL)
        server.wait()
        await storm.until(0)
        server = start(SERVERS[name], port)
        again = await storm.until(number)
        print(
            f"{name:14} {number} clients: all in after {first:5.2f} s, again {again:5.2f} s after the restart; "
            f"memory {before:.0f} MB + {grown:.1f} MB ({grown * 1024 / number:.1f} KB each), "
            f"{resident(server.pid):.0f} MB after the restart"
        )
    finally:
        storm.ended = True
        server.kill()
        server.wait()
        await storm.until(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=2000)
    options = parser.parse_args()
    os.sched_setaffinity(0, {1})
    for name in SERVERS:
        if name == "node" and not MODULES.exists():
            print(f"node: left out, {MODULES} is made by `make test`")
            continue
        asyncio.run(measure(name, options.clients))


if __name__ == "__main__":
    main()

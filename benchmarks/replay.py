"""How long it takes to send what was missed: from a room's log to a Python client, and to Node's socket.io-client.

    python benchmarks/replay.py [--events 10000,100000] [--repeat 3]

The hub runs on processor 0 over a SQLite file, the client on processor 1. Times are from the join until the last event
is in the client's handler. Where redis-server and redis-py are there, the same events are read by XRANGE, in pages of
500 and of 10,000 (the client decodes each event's JSON, since ours does).
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serving import free_port

import jupyter_rtmsg as rt
from jupyter_rtmsg.hub import Hub, Limits
from jupyter_rtmsg.log import Draft, open_log
from jupyter_rtmsg.server import Server

HERE = Path(__file__).resolve().parent
MODULES = HERE.parent / "tests" / "interop" / "node_modules"
DATA = json.dumps({"loss": 0.125, "step": 123456, "note": "x" * 60}).encode()
NODE = """
const { io } = require("socket.io-client");
const [port, number] = process.argv.slice(1).map(Number);
const socket = io(`http://127.0.0.1:${port}`, { transports: ["websocket"] });
let seen = 0, start;
socket.on("metric", () => {
  if (++seen === number) { console.log((performance.now() - start) / 1000); process.exit(0); }
});
socket.on("connect", () => { start = performance.now(); socket.emit("join", { room: "lab", after: 0 }, () => {}); });
"""


async def serve(path: str, number: int) -> None:
    """Fill a log, and serve it; prints the port."""
    log = await open_log(f"sqlite:///{path}", max_events=10**6)
    for base in range(0, number, 5_000):
        drafts = (Draft("lab", "metric", DATA, id=str(base + i)) for i in range(min(5_000, number - base)))
        await asyncio.gather(*map(log.append, drafts))
    io = Server()
    await Hub(io, log, limits=Limits(connections_per_user=1_000)).start()
    print(await io.listen(0), flush=True)
    await asyncio.Event().wait()


@contextmanager
def server(number: int) -> Iterator[int]:
    """Run a hub with so many events in its log, and yield its port."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["taskset", "-c", "0", sys.executable, __file__, "--serve", f"{folder}/log.sqlite3", str(number)]
        environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stdout
            try:
                yield int(process.stdout.readline())
            finally:
                process.kill()


def to_python(port: int, number: int) -> float:
    """Return the seconds until our client has handled everything."""
    done = threading.Event()
    seen = 0
    with rt.Client(f"http://127.0.0.1:{port}/", "x") as hub:
        start = time.perf_counter()
        room = hub.join("lab", after=0)

        @room.on("metric")
        def count(event: rt.Event) -> None:
            nonlocal seen
            seen += 1
            if seen == number:
                done.set()

        if not done.wait(120):
            raise TimeoutError(f"only {seen} of {number} events came")
        return time.perf_counter() - start


def to_node(port: int, number: int) -> float:
    """Return the seconds until socket.io-client has handled everything."""
    command = ["taskset", "-c", "1", "node", "-e", NODE, str(port), str(number)]
    environment = {**os.environ, "NODE_PATH": str(MODULES)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    return float(done.stdout)


@contextmanager
def redis_server(number: int) -> Iterator[int]:
    """Run a Redis with so many entries in a stream, and yield its port."""
    import redis  # type: ignore[import-not-found, import-untyped, unused-ignore]

    port = free_port()
    command = ["taskset", "-c", "0", "redis-server", "--port", str(port), "--save", "", "--loglevel", "warning"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            client = redis.Redis(port=port, retry=redis.retry.Retry(redis.backoff.ConstantBackoff(0.05), 100))
            for _ in range(number // 1_000):
                pipe = client.pipeline(transaction=False)
                for _ in range(1_000):
                    pipe.xadd("lab", {"event": "metric", "data": DATA})
                pipe.execute()
            yield port
        finally:
            process.kill()


def from_redis(port: int, number: int, page: int) -> float:
    """Return the seconds in which redis-py reads a whole stream."""
    import redis  # type: ignore[import-not-found, import-untyped, unused-ignore]

    client = redis.Redis(port=port)
    start, seen, after = time.perf_counter(), 0, "-"
    while entries := client.xrange("lab", after, count=page):
        for _, fields in entries:
            json.loads(fields[b"data"])
        seen, after = seen + len(entries), b"(" + entries[-1][0]
    if seen != number:
        raise RuntimeError(f"{seen} of {number} entries came")
    return time.perf_counter() - start


def report(what: str, number: int, times: list[float]) -> None:
    middle = statistics.median(times)
    spread = f"({min(times):.3f}-{max(times):.3f})"
    print(f"{number:8,} events {what:26} {middle:6.3f} s  {spread}  {number / middle:10,.0f}/s", flush=True)


def measure(number: int, repeat: int) -> None:
    with server(number) as port:
        report("to the Python client", number, [to_python(port, number) for _ in range(repeat)])
        if MODULES.exists() and shutil.which("node"):
            report("to socket.io-client", number, [to_node(port, number) for _ in range(repeat)])
        else:
            print("socket.io-client: left out, it needs Node.js and tests/interop/node_modules (made by `make test`)")
    if shutil.which("redis-server") and importlib.util.find_spec("redis"):
        with redis_server(number) as port:
            for page in (500, 10_000):
                report(f"XRANGE, {page:,} a page", number, [from_redis(port, number, page) for _ in range(repeat)])
    else:
        print("Redis: left out, it needs redis-server and redis-py")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", default="10000,100000")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.serve[0], int(options.serve[1])))
        return
    os.sched_setaffinity(0, {1})
    for number in options.events.split(","):
        measure(int(number), options.repeat)


if __name__ == "__main__":
    main()

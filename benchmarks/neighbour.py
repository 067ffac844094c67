"""What a busy hub costs the Jupyter server that it lives in: the latency of REST and of kernels, and CPU when idle.

    python benchmarks/neighbour.py [--seconds 10]

A real Jupyter server with the extension has processor 0; its kernel, this client and the members (sioload.c, built with
gcc) have processor 1. `GET /api/status` and kernel_info through the kernel's WebSocket are asked for in turn, with
pauses: first while nobody is in the hub, then while 200 members receive 50 stored events a second (10,000 deliveries).
Last, the CPU time of the server while 1,000 members are connected and silent, for as long as one heartbeat of each
(25 s), beside that with none.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from compare import events, load_generator
from support.jupyter import JupyterServer

SETTINGS = {"RtmsgApp": {"max_connections_per_user": 10_000}}
HEARTBEAT = 25  # seconds, the default: each member has one in so long
SETTLE = 4  # seconds until all have joined and the load generator counts
PAUSE = 0.005  # seconds between two requests: a user's browser, not a load


def pin(process: int, processor: int) -> None:
    """Keep all threads of a process on a processor."""
    for thread in Path(f"/proc/{process}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {processor})


@contextlib.contextmanager
def members(server: JupyterServer, *args: str) -> Iterator[subprocess.Popen[str]]:
    """Run the load generator against the hub while the block lasts."""
    assert server.process
    hub = ["--port", str(server.port), "--pid", str(server.process.pid), *events("ours+hub", "ack" in args)]
    authorization = ["--headers", f"Authorization: token {server.token}\r\n"]
    command = ["taskset", "-c", "1", load_generator(), *hub, *authorization, *args]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as load:
        try:
            yield load
        finally:
            load.kill()


async def times(ask: Callable[[], Awaitable[None]], seconds: float) -> list[float]:
    """Ask again and again for so long, with pauses; return how long each answer took (ms)."""
    taken = []
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        await ask()
        taken.append((time.perf_counter() - start) * 1000)
        await asyncio.sleep(PAUSE)
    return taken


def kernel_info() -> dict[str, Any]:
    """Return a request for a kernel's information, as a browser sends it."""
    header = {"msg_id": uuid.uuid4().hex, "session": "bench", "username": "", "version": "5.3"}
    header |= {"msg_type": "kernel_info_request", "date": "2026-01-01T00:00:00Z"}
    return {"header": header, "parent_header": {}, "metadata": {}, "content": {}, "channel": "shell"}


async def ask_kernel(channels: aiohttp.ClientWebSocketResponse) -> None:
    """Ask a kernel for its information and wait for the reply."""
    request = kernel_info()
    await channels.send_json(request)
    while True:
        # Jupyter writes several small messages with Nagle's algorithm on: each would wait 40 ms for a delayed ACK.
        channels.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        reply = await channels.receive_json(timeout=60)
        parent = reply["parent_header"].get("msg_id")
        if reply["msg_type"] == "kernel_info_reply" and parent == request["header"]["msg_id"]:
            return


async def latencies(server: JupyterServer, kernel: str, seconds: float) -> dict[str, list[float]]:
    """Return the latencies (ms) of REST and of the kernel, each measured for half of the time."""
    headers = {"Authorization": f"token {server.token}"}
    async with aiohttp.ClientSession(server.url, headers=headers) as session:

        async def status() -> None:
            async with session.get("/api/status") as answer:
                answer.raise_for_status()
                await answer.read()

        async with session.ws_connect(f"/api/kernels/{kernel}/channels") as channels:
            await times(lambda: ask_kernel(channels), 0.5)  # warm
            rest = await times(status, seconds / 2)
            return {"GET /api/status": rest, "kernel_info": await times(lambda: ask_kernel(channels), seconds / 2)}


def percentiles(taken: Sequence[float]) -> str:
    cuts = statistics.quantiles(taken, n=100)
    return f"p50 {cuts[49]:7.2f} ms   p99 {cuts[98]:7.2f} ms   {len(taken):,} requests"


def under(server: JupyterServer, kernel: str, seconds: float, hub: str) -> None:
    """Measure the latencies and print them."""
    for what, taken in asyncio.run(latencies(server, kernel, seconds)).items():
        print(f"{what:<16} {hub:<22} {percentiles(taken)}", flush=True)


def busy(server: JupyterServer, kernel: str, seconds: float) -> None:
    """Measure the latencies while the hub delivers."""
    load = ["--n", "200", "--rate", "50", "--secs", str(int(seconds + SETTLE))]
    with members(server, *load) as running:
        time.sleep(SETTLE)
        under(server, kernel, seconds, "10,000 deliveries/s")
        assert running.stdout
        told = json.loads(running.stdout.read())
    print(
        f"the hub meanwhile: {told['delivered_per_s']:,} deliveries/s, p99 {told['p99_us'] / 1000:.2f} ms, "
        f"the server took {told['server_cpu'] * 100:.0f} % of its core"
    )


def share(server: JupyterServer, seconds: float) -> float:
    """Return the CPU time of the server over so many seconds, in percent of a core."""
    assert server.process
    process = psutil.Process(server.process.pid)
    before = sum(process.cpu_times()[:2])
    time.sleep(seconds)
    return (sum(process.cpu_times()[:2]) - before) / seconds * 100


def idle(server: JupyterServer, seconds: float) -> None:
    """Print the CPU time of the server with silent members, and without any."""
    alone = share(server, seconds)
    load = ["--mode", "ack", "--n", "1000", "--pubs", "0", "--secs", str(int(HEARTBEAT + SETTLE))]
    with members(server, *load, "--join", '["join",{"room":"bench"}]') as running:
        time.sleep(SETTLE)
        crowded = share(server, HEARTBEAT)
        assert running.stdout
        memory = json.loads(running.stdout.read())["rss_kb_per_conn"]
    print(f"1,000 silent members: {crowded:.2f} % of a core, {memory:.1f} KB each (without them: {alone:.2f} %)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    seconds = parser.parse_args().seconds
    print(f"load {os.getloadavg()[0]:.1f} at the start")
    with tempfile.TemporaryDirectory() as folder, JupyterServer(Path(folder), config=SETTINGS) as server:
        assert server.process
        kernel = server.start_kernel("one.ipynb")
        pin(server.kernel_pid(kernel), 1)
        pin(server.process.pid, 0)
        os.sched_setaffinity(0, {1})
        under(server, kernel, seconds, "nobody in the hub")
        busy(server, kernel, seconds)
        under(server, kernel, seconds, "nobody any more")
        idle(server, seconds)


if __name__ == "__main__":
    main()

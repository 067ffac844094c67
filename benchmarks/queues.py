"""Durable publishes beside Redis Streams and NATS JetStream: how many are acknowledged a second, and how late.

    python benchmarks/queues.py [--only log,hub,redis-py,redis,nats] [--directory DIR] [--seconds 2] [--repeat 3]

An event has 200 bytes and an id that is stored at most once; it is acknowledged when it has been flushed to the disk.
One client process keeps 1, 100 or 1,000 in flight; servers run one after the other, on one file system.

log      our log in the client's own process and event loop (`EventLog.append`)
hub      our server in a process of its own: the command `publish` over one WebSocket
redis-py `appendonly yes`, `appendfsync always`; a Lua script: SET NX of the id (kept an hour), then XADD. What has
         gathered goes out with a pipeline of redis-py
redis    the same with a pipeline of our own on redis-py's connection, that waits for no answer before it sends
nats     JetStream, file storage, `sync_interval: always`; the id is Nats-Msg-Id (kept two minutes)

All but the log are reached over one connection on which publishes do not wait for each other, so that each can flush
many events at once if it knows how to (Redis and ours do, JetStream flushes each message).

Redis comes from the system (Debian: redis-server); clients and NATS from the `bench` extra. What lacks is left out with
a word.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from brokers import QUEUES, Publish, missing
from log import flush_rate

FLIGHTS = (1, 100, 1000)


async def lane(publish: Publish, name: str, end: float, latencies: list[float]) -> None:
    """Publish one event after the other until the end of time."""
    count = 0
    while (start := time.perf_counter()) < end:
        await publish(f"{name}-{count}")
        latencies.append(time.perf_counter() - start)
        count += 1


async def rate(publish: Publish, flight: int, seconds: float, run: str) -> tuple[float, list[float]]:
    """Return acknowledged events per second with so many in flight, and how long each took (s)."""
    latencies: list[float] = []
    start = time.perf_counter()
    await asyncio.gather(*(lane(publish, f"{run}-{i}", start + seconds, latencies) for i in range(flight)))
    return len(latencies) / (time.perf_counter() - start), latencies


async def turn(name: str, directory: Path | None, seconds: float, turns: int) -> dict[int, dict[str, float]]:
    """Run one server once, with each number in flight; return its figures by that number."""
    figures = {}
    with tempfile.TemporaryDirectory(dir=directory) as folder:
        async with QUEUES[name](Path(folder)) as publish:
            await rate(publish, min(FLIGHTS), 0.3, f"warm{turns}")
            for flight in FLIGHTS:
                per_s, latencies = await rate(publish, flight, seconds, f"{turns}-{flight}")
                cuts = statistics.quantiles(latencies, n=100)
                figures[flight] = {"per_s": per_s, "p50_ms": cuts[49] * 1000, "p99_ms": cuts[98] * 1000}
    return figures


def medians(turns: Sequence[dict[int, dict[str, float]]], flight: int) -> dict[str, float]:
    return {key: statistics.median(figures[flight][key] for figures in turns) for key in turns[0][flight]}


def measure(names: Sequence[str], options: argparse.Namespace) -> dict[str, list[dict[int, dict[str, float]]]]:
    """Run each server in turn, as often as asked."""
    turns: dict[str, list[dict[int, dict[str, float]]]] = {name: [] for name in names}
    for number in range(options.repeat):
        for name in names:
            turns[name].append(asyncio.run(turn(name, options.directory, options.seconds, number)))
    return turns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", type=Path, help="where all keep their files; a temporary directory by default")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", default=",".join(QUEUES))
    parser.add_argument("--json", type=Path, metavar="OUT")
    options = parser.parse_args()
    names = []
    for name in options.only.split(","):
        if lack := missing(name):
            print(f"{name}: left out, it needs {lack}")
        else:
            names.append(name)
    disk = flush_rate(options.directory, 1.0)
    print(f"fdatasync of 4 KiB: {disk:,.0f}/s; load {os.getloadavg()[0]:.1f}; medians of {options.repeat}", flush=True)
    turns = measure(names, options)
    result = {name: {flight: medians(turns[name], flight) for flight in FLIGHTS} for name in names}
    report(result)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({"fdatasync_per_s": disk, "queues": result}, indent=1) + "\n")


def report(result: dict[str, dict[int, dict[str, float]]]) -> None:
    for flight in FLIGHTS:
        print(f"\n{flight:,} in flight")
        for name, figures in result.items():
            f = figures[flight]
            print(f"  {name:8}{f['per_s']:10,.0f}/s   p50 {f['p50_ms']:8.2f} ms   p99 {f['p99_ms']:8.2f} ms")


if __name__ == "__main__":
    main()

"""Durable appends to the event log, beside the disk's own flush rate.

    python benchmarks/log.py [--directory DIR] [--seconds 2] [--repeat 3]

Publishers run in one process and one event loop with the log; each waits for its event before it sends the next. Every
event has 200 bytes of data, an id, and one of 20 rooms.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from jupyter_rtmsg.log import Draft, EventLog, open_log

DATA = b'"' + b"x" * 198 + b'"'


def flush_rate(directory: Path, seconds: float) -> float:
    """Return how often a second the disk flushes 4 KiB appended to a file."""
    with tempfile.NamedTemporaryFile(dir=directory) as file:
        count, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            os.write(file.fileno(), bytes(4096))
            os.fdatasync(file.fileno())
            count += 1
        return count / (time.perf_counter() - start)


async def publish(log: EventLog, lane: int, run: str, end: float, latencies: list[float]) -> None:
    """Append one event after the other until the end of time."""
    count = 0
    while (start := time.perf_counter()) < end:
        await log.append(Draft(f"room{lane % 20}", "tick", DATA, client=f"{run}-{lane}", id=str(count), auto=True))
        latencies.append(time.perf_counter() - start)
        count += 1


async def append_rate(log: EventLog, publishers: int, seconds: float, run: str) -> tuple[float, list[float]]:
    """Return events per second, and how long each took (s)."""
    latencies: list[float] = []
    start = time.perf_counter()
    lanes = (publish(log, lane, run, start + seconds, latencies) for lane in range(publishers))
    await asyncio.gather(*lanes)
    return len(latencies) / (time.perf_counter() - start), latencies


def line(what: str, rates: Sequence[float], latencies: Sequence[float]) -> str:
    """Return a line of the table."""
    p50, p99 = (statistics.quantiles(latencies, n=100)[i] * 1000 for i in (49, 98))
    spread = f"{min(rates):,.0f}-{max(rates):,.0f}"
    return f"{what:28} {statistics.median(rates):10,.0f}/s  ({spread:>15})   p50 {p50:6.2f} ms   p99 {p99:6.2f} ms"


async def measure(directory: Path, seconds: float, repeat: int) -> None:
    print(f"{'fdatasync of 4 KiB':28} {flush_rate(directory, seconds):10,.0f}/s")
    for durability in ("full", "process"):
        log = await open_log(f"sqlite:///{directory}/{durability}.sqlite3", durability=durability)
        for publishers in (1, 100):
            rates, latencies = [], []
            for i in range(repeat):
                rate, took = await append_rate(log, publishers, seconds, f"{publishers}-{i}")
                rates.append(rate)
                latencies += took
            print(line(f"{durability}, {publishers} publishers", rates, latencies), flush=True)
        await log.close()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--directory", type=Path, help="where the log is made; a temporary directory if not given")
    arguments.add_argument("--seconds", type=float, default=2.0)
    arguments.add_argument("--repeat", type=int, default=3)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        asyncio.run(measure(Path(directory), options.seconds, options.repeat))


if __name__ == "__main__":
    main()

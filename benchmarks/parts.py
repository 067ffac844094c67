"""Large events, from `emit` to the handler of another client, and what they cost a neighbour.

    python benchmarks/parts.py [--megabytes 10] [--times 5]

A hub in a process of its own, with a log on disk; sender and reader are clients in this process. A neighbour, another
user, publishes a small event each 5 ms, first alone, then while 32 MB events are published and fetched: the latencies
of its acknowledgements.
"""

from __future__ import annotations

import argparse
import queue
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.hub import OTHER_TOKEN, TOKEN, HubServer

import jupyter_rtmsg as rt

PAUSE = 0.005  # seconds between two events of the neighbour
LARGEST = 32_000_000  # bytes
PATIENCE = 120.0  # seconds


class Latency(NamedTuple):
    """Latencies in ms."""

    p50: float
    p99: float
    most: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latency:
        """Summarize them."""
        ordered = sorted(seconds)
        at = (statistics.median(ordered), ordered[int(len(ordered) * 0.99)], ordered[-1])
        return cls(*(round(each * 1000, 1) for each in at))


def one_way(url: str, data: Any, times: int) -> list[float]:
    """Return the seconds from `emit` to the handler of another client, for each of several emits of some data."""
    with rt.Client(url, TOKEN).connect() as sender, rt.Client(url, TOKEN).connect() as reader:
        handled: queue.Queue[float] = queue.Queue()
        room = reader.join("large")

        @room.on("large")
        def take(event: rt.Event) -> None:
            event.data  # noqa: B018 - decodes it
            handled.put(time.perf_counter())

        lab, taken = sender.join("large"), []
        for _ in range(times):
            began = time.perf_counter()
            lab.emit("large", data, timeout=PATIENCE)
            taken.append(handled.get(timeout=PATIENCE) - began)
        return taken


def neighbour(url: str, over: threading.Event) -> list[float]:
    """Return the seconds that small events of another user take, until it is over."""
    taken = []
    with rt.Client(url, OTHER_TOKEN).connect() as client:
        room = client.join("small")
        while not over.wait(PAUSE):
            began = time.perf_counter()
            room.emit("tick", 1, timeout=PATIENCE)
            taken.append(time.perf_counter() - began)
    return taken


def beside(url: str, times: int) -> tuple[Latency, Latency]:
    """Return the neighbour's latencies alone, and while large events are published and fetched."""
    found = []
    for busy in (False, True):
        over, taken = threading.Event(), list[float]()
        thread = threading.Thread(target=lambda over=over, taken=taken: taken.extend(neighbour(url, over)))
        thread.start()
        if busy:
            one_way(url, bytes(LARGEST), times)
        else:
            time.sleep(3)
        over.set()
        thread.join()
        found.append(Latency.of(taken))
    return found[0], found[1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=10)
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, HubServer(f"sqlite:///{directory}/log.sqlite3") as hub:
        data = bytes(options.megabytes * 1_000_000)
        best = min(one_way(hub.url, data, options.times))
        print(f"{options.megabytes} MB from emit to handler: {best * 1000:.0f} ms, {options.megabytes / best:.0f} MB/s")
        alone, busy = beside(hub.url, options.times)
        print(f"a neighbour's publish alone, and beside events of 32 MB (ms): {alone}, {busy}")


if __name__ == "__main__":
    main()

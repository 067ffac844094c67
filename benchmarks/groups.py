"""Worker groups: how many events a second ten processes share, beside one listener and Redis Streams.

    python benchmarks/groups.py [--events 20000] [--workers 10] [--in-flight 1 10 100] [--redis]

For each number in flight: the events are stored first, then the workers start together, and the time from the first
handled event to the last one counts. ``listener`` is one client that reads the same events with ``room.on``. With
``--redis``, and a ``redis-server`` on the path, as many processes of redis-py read a stream with XREADGROUP and
acknowledge each batch with XACK, at ``appendfsync always``.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import subprocess
import sys
import tempfile
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests")]

from support.hub import TOKEN, HubServer  # noqa: E402
from support.ports import free_port  # noqa: E402

import jupyter_rtmsg as rt  # noqa: E402

_context = multiprocessing.get_context("spawn")
LIMITS = {"publish_rate": 1e9, "publish_burst": 1e9, "command_rate": 1e9, "command_burst": 1e9}


def work(url: str, group: str, in_flight: int, count: Any, times: Any, ready: Barrier) -> None:
    """Handle events until the group has handled all of them."""
    room = rt.Client(url, TOKEN).connect().join("bench")

    def handle(event: rt.Event) -> None:
        with count.get_lock():
            count.value += 1
            times[1] = time.monotonic()
            times[0] = times[0] or times[1]

    ready.wait()
    room.worker(group, max_in_flight=in_flight)(handle)
    while True:
        time.sleep(60)


def consume(port: int, group: str, batch: int, count: Any, times: Any, ready: Barrier) -> None:
    """Do the same with a stream of Redis."""
    import redis

    client = redis.Redis(port=port)
    ready.wait()
    while True:
        for _, entries in client.xreadgroup(group, str(id(client)), {"bench": ">"}, count=batch, block=1000):
            client.xack("bench", group, *(entry for entry, _ in entries))
            with count.get_lock():
                count.value += len(entries)
                times[1] = time.monotonic()
                times[0] = times[0] or times[1]


def shared(target: Any, first: Any, group: str, in_flight: int, events: int, workers: int) -> float:
    """Return how many events a second the workers handle."""
    count, times, ready = _context.Value("i", 0), _context.Array("d", 2), _context.Barrier(workers)
    arguments = (first, group, in_flight, count, times, ready)
    processes = [_context.Process(target=target, args=arguments, daemon=True) for _ in range(workers)]
    for process in processes:
        process.start()
    while count.value < events:
        time.sleep(0.05)
    for process in processes:
        process.terminate()
        process.join()
    return events / (times[1] - times[0])


def listened(url: str, events: int) -> float:
    """Return how many events a second one listener handles."""
    times: list[float] = []
    with rt.Client(url, TOKEN) as client:
        room = client.join("bench", after=0)
        room.on("n", lambda event: times.append(time.monotonic()))
        while len(times) < events:
            time.sleep(0.05)
    return events / (times[-1] - times[0])


def redis_streams(events: int, workers: int, in_flight: list[int]) -> None:
    """Measure Redis Streams."""
    server = shutil.which("redis-server")
    if server is None:
        print("redis: no redis-server on the path")
        return
    import redis

    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [server, "--port", str(port), "--dir", folder, "--appendonly", "yes", "--appendfsync", "always"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            client = redis.Redis(port=port)
            while True:
                try:
                    client.ping()
                    break
                except redis.ConnectionError:
                    time.sleep(0.05)
            pipeline = client.pipeline(transaction=False)
            for number in range(events):
                pipeline.xadd("bench", {"n": number})
            pipeline.execute()
            for batch in in_flight:
                client.xgroup_create("bench", f"g{batch}", id="0")
                rate = shared(consume, port, f"g{batch}", batch, events, workers)
                print(f"redis, {batch:>3} in flight: {rate:>9,.0f} events/s", flush=True)
        finally:
            process.terminate()
            process.wait()


def main() -> None:
    """Measure, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=10)
    parser.add_argument("--in-flight", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--redis", action="store_true")
    arguments = parser.parse_args()
    events, workers = arguments.events, arguments.workers
    with tempfile.TemporaryDirectory() as folder, HubServer(f"sqlite:///{folder}/log.sqlite3", limits=LIMITS) as hub:
        with rt.Client(hub.url, TOKEN) as client:
            room = client.join("bench")
            for receipt in [room.emit("n", number, wait=False) for number in range(events)]:
                receipt.result(60)
        print(f"listener:           {listened(hub.url, events):>9,.0f} events/s", flush=True)
        for in_flight in arguments.in_flight:
            rate = shared(work, hub.url, f"g{in_flight}", in_flight, events, workers)
            print(f"group, {in_flight:>3} in flight: {rate:>9,.0f} events/s", flush=True)
    if arguments.redis:
        redis_streams(events, workers, arguments.in_flight)


if __name__ == "__main__":
    main()

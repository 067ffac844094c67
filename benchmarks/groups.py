"""Worker groups: how many events a second ten processes share, beside one listener, Redis Streams and JetStream.

    python benchmarks/groups.py [--events 20000] [--workers 10] [--in-flight 1 10 100] [--redis] [--jetstream]

The events are stored first. Then, for each number in flight, the workers of one system after the other start together,
and the time from the first handled event to the last one counts. `cpu` is that of the server and of all workers, for
one event: on a busy machine it tells more than the rate. Handlers only count.

listener   one client that reads the same events with ``room.on``
group      ``room.worker`` in each process
redis      redis-py: XREADGROUP, then XACK of the batch; ``appendonly yes``, ``appendfsync always``
jetstream  nats-py: a pull consumer with explicit acknowledgements; file storage, ``sync_interval: always``

Redis comes from the system (Debian: redis-server); clients and NATS from the `bench` extra. What lacks is left out with
a word.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests"), str(HERE)]

import group_brokers  # noqa: E402
from brokers import missing  # noqa: E402
from support.hub import TOKEN, HubServer  # noqa: E402

import jupyter_rtmsg as rt  # noqa: E402

_context = multiprocessing.get_context("spawn")
LIMITS = {"publish_rate": 1e9, "publish_burst": 1e9, "command_rate": 1e9, "command_burst": 1e9}


class Figures(NamedTuple):
    """Events per second, and microseconds of CPU per event: of the server, and of all workers."""

    rate: float
    server: float
    workers: float


class System(NamedTuple):
    """A server with the events stored, and what a worker process runs: ``work(address, group, in_flight, tally)``."""

    server: psutil.Process
    work: Callable[..., None]
    address: Any
    make: Callable[[str, int], None]


class Tally:
    """What one worker has handled: in shared memory, and each worker has its own, so that none waits for another."""

    def __init__(self, shared: Any, ready: Any) -> None:
        self._shared = shared
        self._ready = ready

    def start(self) -> None:
        """Wait for the others."""
        self._ready.wait()
        self._shared[3] = time.process_time()

    def add(self, number: int = 1) -> None:
        """Count handled events."""
        shared = self._shared
        shared[0] += number
        shared[2] = now = time.monotonic()
        shared[1] = shared[1] or now


def cpu(process: psutil.Process) -> float:
    """Return the CPU seconds of a process so far."""
    return sum(process.cpu_times()[:2])


def work(url: str, group: str, in_flight: int, tally: Tally) -> None:
    """Handle events of our hub."""
    with rt.Client(url, TOKEN) as client:
        room = client.join("bench")
        tally.start()
        room.worker(group, max_in_flight=in_flight)(lambda event: tally.add())
        while True:
            time.sleep(60)


def shared(system: System, in_flight: int, events: int, workers: int) -> Figures:
    """Return how many events a second the workers handle, and at which cost."""
    group, ready = f"g{in_flight}", _context.Barrier(workers)
    system.make(group, in_flight)
    tallies = [_context.RawArray("d", 4) for _ in range(workers)]
    arguments = [(system.address, group, in_flight, Tally(each, ready)) for each in tallies]
    processes = [_context.Process(target=system.work, args=each, daemon=True) for each in arguments]
    before = cpu(system.server)
    for process in processes:
        process.start()
    while sum(each[0] for each in tallies) < events:
        time.sleep(0.05)
    server = cpu(system.server) - before
    spent = sum(cpu(psutil.Process(each.pid)) for each in processes) - sum(each[3] for each in tallies)
    for process in processes:
        process.terminate()
        process.join()
    seconds = max(each[2] for each in tallies) - min(each[1] for each in tallies if each[1])
    return Figures(events / seconds, server / events * 1e6, spent / events * 1e6)


def listened(url: str, server: psutil.Process, events: int) -> Figures:
    """Return how many events a second one listener handles, and at which cost."""
    times: list[float] = []
    before = cpu(server)
    with rt.Client(url, TOKEN) as client:
        room, own = client.join("bench", after=0), time.process_time()
        room.on("n", lambda event: times.append(time.monotonic()))
        while len(times) < events:
            time.sleep(0.02)
        own = time.process_time() - own
    return Figures(events / (times[-1] - times[0]), (cpu(server) - before) / events * 1e6, own / events * 1e6)


@contextmanager
def ours(folder: Path, events: int) -> Iterator[System]:
    """Run our hub."""
    with HubServer(f"sqlite:///{folder}/log.sqlite3", limits=LIMITS) as hub:
        with rt.Client(hub.url, TOKEN) as client:
            room = client.join("bench")
            for receipt in [room.emit("n", number, wait=False) for number in range(events)]:
                receipt.result(60)
        yield System(psutil.Process(hub.pid), work, hub.url, lambda group, in_flight: None)


def report(name: str, figures: Figures) -> None:
    """Print a line."""
    cost = f"{figures.server:6.0f} µs of the server, {figures.workers:5.0f} µs of the workers"
    print(f"{name:27}{figures.rate:9,.0f} events/s   cpu {cost}", flush=True)


def main() -> None:
    """Measure, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=10)
    parser.add_argument("--in-flight", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--redis", action="store_true")
    parser.add_argument("--jetstream", action="store_true")
    parser.add_argument("--json", type=Path, metavar="OUT")
    options = parser.parse_args()
    wanted: dict[str, Callable[..., AbstractContextManager[System]]] = {"group": ours}
    for name, needs in (("redis", "redis-py"), ("jetstream", "nats")):
        if getattr(options, name):
            if lack := missing(needs):
                print(f"{name}: left out, it needs {lack}")
            else:
                server, target = group_brokers.SYSTEMS[name]
                wanted[name] = _broker(server, target)
    print(f"{options.events:,} events, {options.workers} workers; load {os.getloadavg()[0]:.1f}", flush=True)
    result: dict[str, dict[str, float]] = {}
    with ExitStack() as stack:
        systems: dict[str, System] = {}
        for name, system in wanted.items():
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            systems[name] = stack.enter_context(system(Path(folder), options.events))
        for in_flight in options.in_flight:
            for name, each in systems.items():
                if name == "group":
                    figures = listened(each.address, each.server, options.events)
                    result[f"listener before {in_flight}"] = figures._asdict()
                    report("listener", figures)
                figures = shared(each, in_flight, options.events, options.workers)
                result[f"{name} {in_flight}"] = figures._asdict()
                report(f"{name}, {in_flight:>3} in flight", figures)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


def _broker(server: Any, target: Any) -> Callable[..., AbstractContextManager[System]]:
    @contextmanager
    def run(folder: Path, events: int) -> Iterator[System]:
        with server(folder, events) as (process, address, make):
            yield System(process, target, address, make)

    return run


if __name__ == "__main__":
    main()

"""What grows with members, rooms and stored events, and what does not.

    python benchmarks/growth.py [--only members,rooms,events] [--seconds 2] [--events 10000,1000000] [--directory DIR]

members  the server's CPU time for a stored event to 10, 100, 1,000 and 5,000 members of a room, one event in flight,
         and for each member more
rooms    the hub's CPU time for a publish, spread over 1 room and over 10,000, over one WebSocket, 256 in flight
events   the cost of an append (100 in flight, 200 bytes, with an id, to one of 20 rooms) to a log that is empty, and
         to one that holds so many events; memory before and after; then, in another process, the time to open that
         log, its memory, and the cost of an append again; at last the hub's CPU time for a publish over an empty log,
         and over that one

Costs are medians of five times 20,000, those with members of three runs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import psutil
from app import ALL
from brokers import DATA, process
from compare import HERE, run
from pipeline import Publisher, connect, stored
from serving import free_port, resident

from jupyter_rtmsg.log import Draft, EventLog, open_log

MEMBERS = (10, 100, 1000, 5000)
ROOMS = (1, 10_000)
COUNT, REPEAT = 20_000, 5


def members(seconds: float) -> None:
    before, fewer = 0.0, 0
    for number in MEMBERS:
        cell = run(["ours+hub"], ["--n", str(number), "--window", "1"], 3, max(1, round(seconds)))["ours+hub"]
        cost = cell["server_us_per_op"] * number
        each = f", {(cost - before) / (number - fewer):.2f} us for each member more" if before else ""
        print(f"{number:>9,} members   {cost:7.0f} us of CPU an event{each}, {cell['rss_mb']:5.0f} MB", flush=True)
        before, fewer = cost, number


async def spread(connection: Publisher, rooms: int, count: int, run: str) -> None:
    """Publish so many events to rooms in turn, 256 in flight."""
    numbers = iter(range(count))

    async def lane() -> None:
        for number in numbers:
            body = f'{{"room":"room{number % rooms}","event":"tick","data":{DATA},"id":"{run}-{number}","auto":true}}'
            stored(await connection.command("publish", body))

    await asyncio.gather(*(lane() for _ in range(256)))


async def publishes(rooms: int, log: str) -> str:
    """Return what a publish through a hub costs, told."""
    port = free_port()
    command = [sys.executable, str(HERE / "app.py"), str(port), f"sqlite:///{log}"]
    async with process(["taskset", "-c", "0", *command], port) as server:
        connection = await connect(port)
        await spread(connection, rooms, max(rooms, 2_000), "warm")
        watched = psutil.Process(server.pid)
        costs = []
        for number in range(REPEAT):
            before = sum(watched.cpu_times()[:2])
            await spread(connection, rooms, COUNT, str(number))
            costs.append((sum(watched.cpu_times()[:2]) - before) / COUNT * 1e6)
        connection.transport.close()
        return f"{statistics.median(costs):7.1f} us of CPU a publish, {resident(server.pid):5.0f} MB"


def rooms(number: int, directory: Path | None) -> None:
    with tempfile.TemporaryDirectory(dir=directory) as folder:
        told = asyncio.run(publishes(number, f"{folder}/log.sqlite3"))
    print(f"{number:>9,} rooms     {told}", flush=True)


def drafts(count: int, run: str) -> Iterable[Draft]:
    data = DATA.encode()
    return (Draft(f"room{i % 20}", "tick", data, client="bench", id=f"{run}-{i}", auto=True) for i in range(count))


async def append(log: EventLog, count: int, run: str, flight: int) -> tuple[float, float]:
    """Append events, so many at a time; return what one cost (us): CPU of all threads, and time that passed."""
    source = iter(drafts(count, run))
    start, cpu = time.perf_counter(), time.process_time()
    while some := list(islice(source, flight)):
        await asyncio.gather(*(log.append(draft) for draft in some))
    return (time.process_time() - cpu) / count * 1e6, (time.perf_counter() - start) / count * 1e6


async def cost(log: EventLog, run: str) -> dict[str, float]:
    """Return the medians of what an append costs."""
    costs = [await append(log, COUNT, f"{run}{number}", 100) for number in range(REPEAT)]
    cpu, passed = (statistics.median(column) for column in zip(*costs, strict=True))
    return {"cpu_us": cpu, "us": passed}


async def fill(path: str, count: int) -> dict[str, object]:
    """Fill a new log."""
    log = await open_log(f"sqlite:///{path}", **ALL)
    await append(log, 12_000, "warm", 100)
    before = resident()
    empty = await cost(log, "empty")
    if count > 12_000 + REPEAT * COUNT:
        await append(log, count - 12_000 - REPEAT * COUNT, "fill", 1_000)
    after = resident()
    full = await cost(log, "full")
    await log.close()
    return {"empty": empty, "full": full, "before_mb": before, "after_mb": after}


async def reopen(path: str) -> dict[str, object]:
    """Open a log that is there."""
    before, start = resident(), time.perf_counter()
    log = await open_log(f"sqlite:///{path}", **ALL)
    opened = time.perf_counter() - start
    after = resident()
    again = await cost(log, "again")
    await log.close()
    return {"open_s": opened, "before_mb": before, "after_mb": after, "append": again}


def child(*arguments: str) -> dict[str, dict[str, float]]:
    """Run `fill` or `reopen` in a process of its own, whose memory is then its alone."""
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    command = [sys.executable, __file__, "--child", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return dict(json.loads(done.stdout))


def events(count: int, directory: Path | None) -> None:
    with tempfile.TemporaryDirectory(dir=directory) as folder:
        path = f"{folder}/log.sqlite3"
        filled = child("fill", path, str(count))
        size = Path(path).stat().st_size / (1 << 20)
        opened = child("reopen", path)
        hubs = {what: asyncio.run(publishes(20, log)) for what, log in (("empty", f"{folder}/new"), ("full", path))}
    print(f"{count:>9,} events    file {size:,.0f} MB")
    for what, cost in ("empty", filled["empty"]), ("full", filled["full"]), ("reopened", opened["append"]):
        print(f"{'':9} append, {what:<9} {cost['cpu_us']:6.1f} us of CPU, {cost['us']:6.1f} us each")
    print(f"{'':9} memory {filled['before_mb']:.0f} MB with 12,000 events, {filled['after_mb']:.0f} MB with all")
    memory = f"{opened['before_mb']:.0f} MB before, {opened['after_mb']:.0f} MB after"
    for what, told in hubs.items():
        print(f"{'':9} hub, {what:<9} {told}")
    print(f"{'':9} opened in {opened['open_s']:.3f} s, memory {memory}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="members,rooms,events")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--events", default="10000,1000000")
    parser.add_argument("--directory", type=Path, help="where logs are made; a temporary directory by default")
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} at the start")
    wanted = options.only.split(",")
    if "members" in wanted:
        members(options.seconds)
    if "rooms" in wanted:
        for number in ROOMS:
            rooms(number, options.directory)
    if "events" in wanted:
        for count in options.events.split(","):
            events(int(count), options.directory)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        _, _, step, path, *rest = sys.argv
        print(json.dumps(asyncio.run(fill(path, int(rest[0])) if step == "fill" else reopen(path))))
    else:
        main()

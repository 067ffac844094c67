"""What runs while nothing happens, and what is left afterwards.

    python benchmarks/rest.py [--only clients,server,hub,leaks] [--seconds 26] [--members 1000] [--lives 1000]

clients  a process with a client in a joined room, for each of both kinds and several situations: CPU time as part of a
         core, and how often it wakes in a second (voluntary context switches of all its threads)
server   the same of a server with 1,000 idle sessions over WebSocket
hub      the same of a hub with so many members in rooms
leaks    so many connects and closes of each client: what its process, and the server's, hold more than before

Everything has a process of its own, and the heartbeat is the default: a ping every 25 seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import inspect
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from peer import Peer
from serving import free_port, resident, wait_for

import jupyter_rtmsg as rt

HERE = Path(__file__).parent
SITUATIONS = ("no room", "joined", "handler", "async handler", "iterator", "watcher", "burst", "offline")
OFFLINE = 20.0  # seconds until a client that lost its server tries again every five seconds only
SETTLE = 3.0  # seconds until what follows from the beginning is over, presence for instance
SHARE, SHARE_HUB = 0.001, 0.005  # of a core: what must not be exceeded


# --- what is measured runs in processes of their own


def child(what: str, *args: str) -> subprocess.Popen[str]:
    """Start this file as another process; it is ready when it has said a line."""
    command = [sys.executable, __file__, "--child", what, *args]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout
    if not process.stdout.readline():
        raise RuntimeError(f"{what} {args} did not start")
    return process


async def serve(port: int, hub: bool) -> None:
    """Run a server, or a hub, until stdin ends; a line on stdin is answered with what it holds."""
    from jupyter_rtmsg.hub import Hub, Limits
    from jupyter_rtmsg.log import open_log
    from jupyter_rtmsg.server import Server

    io = Server()
    if hub:
        limits = Limits(connections_per_user=1_000_000)
        await Hub(io, await open_log("memory:"), limits=limits).start()
    await io.listen(port)
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        del line
        print(json.dumps({**held(loop), "sessions": len(io.engine.sessions)}), flush=True)


def held(loop: asyncio.AbstractEventLoop | None = None) -> dict[str, int]:
    """Return what this process holds."""
    gc.collect()
    timers = [handle for handle in getattr(loop, "_scheduled", ()) if not handle.cancelled()]
    threads = [one for one in threading.enumerate() if not one.name.startswith("asyncio")]
    tasks = len(asyncio.all_tasks(loop)) if loop else 0
    return {
        "descriptors": psutil.Process().num_fds(),
        "threads": len(threads),
        "tasks": tasks,
        "timers": len(timers),
    }


async def value(result: Any) -> Any:
    """Return what a client of either kind returns."""
    return await result if inspect.isawaitable(result) else result


async def situation(kind: str, url: str, what: str) -> None:
    """Be a client in a situation, until stdin ends."""
    hub: Any = getattr(rt, kind)(url)
    await value(hub.connect())
    kept: list[Any] = []
    if what not in ("no room", "offline"):
        kept.append(await joined(hub, what))
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


async def joined(hub: Any, what: str) -> Any:
    """Join a room, and do there what is wanted."""
    room, seen = await value(hub.join(f"room{os.getpid()}", as_="reader")), []
    if what in ("handler", "burst"):
        room.on("n", seen.append)
    elif what == "async handler":

        async def handle(event: rt.Event) -> None:
            seen.append(event)

        room.on("n", handle)
    elif what == "watcher":
        room.watch(seen.append)
    stream = room.events() if what == "iterator" else None
    receipts = [await value(room.emit("n", number, wait=False)) for number in range(4_000 if what == "burst" else 1)]
    for receipt in receipts:
        await value(receipt)
    return room, stream


async def lives(url: str, kind: str, number: int) -> None:
    """Connect and close so often, and print what is held more than before."""

    async def live() -> None:
        if kind == "AsyncClient":
            async with rt.AsyncClient(url) as hub:
                (await hub.join("lab")).on("n", print)
        elif kind == "SocketClient":
            socket = rt.SocketClient(url)
            await socket.connect()
            await socket.disconnect()
        else:
            await asyncio.to_thread(blocking_life)

    def blocking_life() -> None:
        if kind == "Client":
            with rt.Client(url) as hub:
                hub.join("lab").on("n", print)
        else:
            with rt.Socket(url):
                pass

    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    for _ in range(10):
        await live()
    before, memory, start = held(loop), resident(), time.perf_counter()
    for _ in range(number):
        await live()
    seconds = time.perf_counter() - start
    after = held(loop)
    more = {name: after[name] - before[name] for name in after}
    print(json.dumps({**more, "memory_mb": round(resident() - memory, 1), "seconds": round(seconds, 1)}), flush=True)


# --- and is measured from here


@contextmanager
def served(hub: bool) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run a server, or a hub, in a process of its own."""
    port = free_port()
    process = child("hub" if hub else "server", str(port))
    try:
        wait_for(process, port)  # type: ignore[arg-type]
        yield process, port
    finally:
        end(process)


def end(process: subprocess.Popen[str]) -> None:
    """End a child."""
    process.kill()
    process.wait()


def switches(pid: int) -> int:
    """Return how often the threads of a process have gone to sleep."""
    total = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):
            status = (thread / "status").read_text()
            total += int(status.split("voluntary_ctxt_switches:")[1].split()[0])
    return total


def used(pids: Sequence[int]) -> list[tuple[float, int]]:
    """Return the CPU time (s) of processes so far, and how often they went to sleep."""
    return [(on_cpu(pid), switches(pid)) for pid in pids]


def on_cpu(pid: int) -> float:
    """Return the CPU time (s) of all threads of a process: /proc/PID/stat would count in hundredths of a second."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def rest(pids: Sequence[int], seconds: float) -> list[tuple[float, float]]:
    """Return the CPU time of processes as parts of a core, and their wakes a second, at the same time."""
    time.sleep(SETTLE)
    before, start = used(pids), time.perf_counter()
    time.sleep(seconds)
    after, passed = used(pids), time.perf_counter() - start
    return [
        ((cpu - earlier) / passed, (woken - less) / passed)
        for (cpu, woken), (earlier, less) in zip(after, before, strict=True)
    ]


def told(what: str, share: float, wakes: float, limit: float) -> None:
    verdict = "" if share < limit else f"   more than {limit:.1%}"
    print(f"{what:<32} {share:8.3%} of a core {wakes:8.1f} wakes a second{verdict}", flush=True)


def clients(seconds: float) -> None:
    cases = [(kind, what) for kind in ("AsyncClient", "Client") for what in SITUATIONS]
    with served(hub=True) as (_, port), served(hub=True) as (lost, other):
        ports = {"offline": other}
        started = [child(kind, f"http://127.0.0.1:{ports.get(what, port)}/", what) for kind, what in cases]
        end(lost)
        time.sleep(OFFLINE)
        measured = rest([process.pid for process in started], seconds)
        for (kind, what), (share, wakes) in zip(cases, measured, strict=True):
            told(f"{kind}, {what}", share, wakes, SHARE)
        for process in started:
            end(process)


class Member(Peer):
    """An idle session; of a hub, a member of a room."""

    room: str | None = None
    entered = 0

    def enter(self) -> None:
        if self.room is None:
            Member.entered += 1
        else:
            self.send(f'420["join",{{"room":"{self.room}"}}]')

    def packet(self, packet: str) -> None:
        super().packet(packet)
        if packet.startswith("430"):
            Member.entered += 1


async def crowd(port: int, number: int, hub: bool) -> list[Member]:
    """Connect so many."""
    Member.entered = 0
    loop = asyncio.get_running_loop()
    members = []
    for index in range(number):
        _, member = await loop.create_connection(Member, "127.0.0.1", port)
        member.room = f"room{index % 10}" if hub else None
        members.append(member)
    while Member.entered < number:  # noqa: ASYNC110 - a benchmark may look
        await asyncio.sleep(0.05)
    return members


def idle_server(seconds: float, number: int, hub: bool) -> None:
    async def measure() -> None:
        with served(hub) as (process, port):
            members = await crowd(port, number, hub)
            ((share, wakes),) = await asyncio.to_thread(rest, [process.pid], seconds)
            told(f"{'hub' if hub else 'server'}, {len(members):,} sessions", share, wakes, SHARE_HUB)

    asyncio.run(measure())


def leaks(number: int) -> None:
    for kind in ("AsyncClient", "SocketClient", "Client", "Socket"):
        with served(hub=True) as (server, port):
            assert server.stdin
            assert server.stdout

            def ask(server: subprocess.Popen[str] = server) -> dict[str, int]:
                assert server.stdin
                assert server.stdout
                print(file=server.stdin, flush=True)
                return dict(json.loads(server.stdout.readline()))

            warm = child("lives", f"http://127.0.0.1:{port}/", kind, "10")
            warm.communicate()
            before = ask()
            process = child("lives", f"http://127.0.0.1:{port}/", kind, str(number))
            more = json.loads(process.communicate()[0])
            after = ask()
            server_more = {name: after[name] - before[name] for name in after}
            print(f"{kind:<14} {number:,} lives: client {more}, server {server_more}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="clients,server,hub,leaks")
    parser.add_argument("--seconds", type=float, default=26.0)
    parser.add_argument("--members", type=int, default=1000)
    parser.add_argument("--lives", type=int, default=1000)
    options = parser.parse_args()
    wanted = options.only.split(",")
    print(f"load {os.getloadavg()[0]:.1f} at the start")
    if "clients" in wanted:
        clients(options.seconds)
    for what in ("server", "hub"):
        if what in wanted:
            idle_server(options.seconds, options.members, what == "hub")
    if "leaks" in wanted:
        leaks(options.lives)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        what, *args = sys.argv[2:]
        if what in ("server", "hub"):
            asyncio.run(serve(int(args[0]), what == "hub"))
        elif what == "lives":
            asyncio.run(lives(args[0], args[1], int(args[2])))
        else:
            asyncio.run(situation(what, *args))
    else:
        main()

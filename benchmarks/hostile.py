"""What a hostile client costs the others: the latency of an honest pair, alone and beside attacks of several kinds.

    python benchmarks/hostile.py [--seconds 4] [KIND ...]

A hub with its default limits runs on processor 0. A publisher sends 50 events a second to a member; both are one user,
on processor 1. An attacker, another user with up to 40 connections, runs there too, but yields to them. Printed are the
p50 and p99 from publish to handler, and what the attacker got done. `ALONE` stands before, between and after.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from serving import free_port, wait_for

from jupyter_rtmsg.errors import ConnectionRefused
from jupyter_rtmsg.hub import Hub
from jupyter_rtmsg.log import open_log
from jupyter_rtmsg.server import Server, Socket
from jupyter_rtmsg.wire.websocket import BINARY, TEXT, FrameParser, encode_frame

RATE = 50
CONNECTIONS = 40
REQUEST = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
MASK = b"\x00\x00\x00\x00"
ALONE = "alone"


class Client:
    """A WebSocket, as raw as can be."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._parser = FrameParser(masked=False, max_size=1 << 26)

    @classmethod
    async def dial(cls, port: int, user: str | None) -> Client:
        """Open a session; with a user, connect to the namespace."""
        self = cls(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 24))
        self.writer.write(REQUEST)
        await self.reader.readuntil(b"\r\n\r\n")
        if user is not None:
            self.send("40" + json.dumps({"user": user}))
            async for message in self.messages():
                if message.startswith("40"):
                    break
        return self

    def send(self, *packets: str | bytes) -> None:
        """Send packets, each in a frame of its own."""
        for packet in packets:
            opcode, data = (TEXT, packet.encode()) if isinstance(packet, str) else (BINARY, packet)
            self.writer.write(encode_frame(opcode, data, MASK))

    async def messages(self) -> AsyncIterator[Any]:
        """Yield what comes; answer pings."""
        while data := await self.reader.read(1 << 16):
            for message in self._parser.feed(data):
                if message == "2":
                    self.send("3")
                elif isinstance(message, str):
                    yield message

    async def drain(self) -> int:
        """Count answers until the connection ends."""
        count = 0
        with contextlib.suppress(ConnectionError):
            async for _ in self.messages():
                count += 1
        return count


def command(name: str, request: Any, ids: itertools.count[int]) -> str:
    return f"42{next(ids)}" + json.dumps([name, request])


# --- the server


async def serve(port: int) -> None:
    """Serve with the default limits until killed; whoever gives no user is refused."""
    io = Server()

    @io.use
    def identify(socket: Socket) -> None:
        socket.user = socket.auth.get("user")
        if socket.user is None:
            raise ConnectionRefused("who are you?", {"code": "unauthorized"})

    with tempfile.TemporaryDirectory() as folder:
        await Hub(io, await open_log(f"sqlite:///{Path(folder) / 'log.sqlite3'}")).start()
        await io.listen(port)
        await asyncio.Event().wait()


# --- attacks: each floods over one connection; what it returns is its answers


async def flood(port: int, packets: Callable[[itertools.count[int]], list[str | bytes]], prepare: str = "") -> int:
    """Send packets as fast as they are taken, and count the answers."""
    client = await Client.dial(port, "mallory")
    ids = itertools.count()
    answers = asyncio.create_task(client.drain())
    if prepare:
        client.send(prepare)
    try:
        while not answers.done():
            client.send(*packets(ids))
            await client.writer.drain()
            await asyncio.sleep(0)  # a socket that takes all at once makes nobody wait
    except ConnectionError:
        pass
    except asyncio.CancelledError:
        client.writer.close()
    return await answers


async def strangers(port: int, packet: str | bytes) -> int:
    """Open sessions and send something that is refused, again and again."""
    count = 0
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                client = await Client.dial(port, None)
                client.send(*[packet] * 30)
                count += 1
                await client.writer.drain()
                client.writer.close()
    return count


def publish(data: str) -> Callable[[itertools.count[int]], list[str | bytes]]:
    return lambda ids: [f'42{next(ids)}["publish",{{"room":"mallory","event":"x","data":{data}}}]']


def many(name: str, request: Any) -> Callable[[itertools.count[int]], list[str | bytes]]:
    return lambda ids: [command(name, request, ids) for _ in range(64)]


def attachments(ids: itertools.count[int]) -> list[str | bytes]:
    places = ",".join(f'{{"_placeholder":true,"num":{number}}}' for number in range(10))
    head = f'4510-{next(ids)}["publish",{{"room":"mallory","event":"x","data":[{places}]}}]'
    return [head, *[bytes(90_000)] * 10]


def come_and_go(ids: itertools.count[int]) -> list[str | bytes]:
    pair = ("join", {"room": "crowd"}), ("leave", {"room": "crowd"})
    return [command(name, request, ids) for name, request in pair * 16]


JOIN = command("join", {"room": "crowd"}, itertools.count())
ATTACKS: dict[str, Callable[[int], Awaitable[int]]] = {
    "junk": lambda port: strangers(port, os.urandom(1_000)),
    "CONNECTs": lambda port: strangers(port, "40"),
    "large CONNECTs": lambda port: strangers(port, "40/unknown," + "[" * 100_000),
    "deep JSON": lambda port: flood(port, publish("[" + ",".join(["[" * 55 + "]" * 55] * 1_500) + "]")),
    "wide JSON": lambda port: flood(port, publish("[" + "[1,2]," * 150_000 + "0]")),
    "big messages": lambda port: flood(port, publish('"' + "x" * 900_000 + '"')),
    "small publishes": lambda port: flood(port, lambda ids: publish("1")(ids) * 64),
    "attachments": lambda port: flood(port, attachments),
    "presence": lambda port: flood(port, many("presence", {"room": "crowd"}), JOIN),
    "history": lambda port: flood(port, many("history", {"room": "lab", "last": 500})),
    "rooms": lambda port: flood(port, many("rooms", {})),
    "joins": lambda port: flood(port, come_and_go),
}


async def attack(port: int, kind: str) -> None:
    """Attack until standard input is closed; print how many answers came."""
    os.nice(10)
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # the server has closed many of these connections
    tasks = [asyncio.ensure_future(ATTACKS[kind](port)) for _ in range(CONNECTIONS)]
    print("begun", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    print(sum(each for each in done if isinstance(each, int)), flush=True)


# --- the honest pair


async def latencies(port: int, seconds: float) -> list[float]:
    """Return how long events took from one client to the other, sorted."""
    publisher, member = [await Client.dial(port, "ann") for _ in range(2)]
    found: list[float] = []

    async def listen() -> None:
        async for message in member.messages():
            if message.startswith('42["tick"'):
                found.append(time.monotonic() - float(message[10:].split(",")[0]))  # noqa: PERF401 - looked at meanwhile

    listening = asyncio.create_task(listen())
    ids = itertools.count()
    member.send(command("join", {"room": "lab"}, ids))
    await asyncio.sleep(0.5)
    draining = asyncio.create_task(publisher.drain())
    begun = time.monotonic()
    for number in range(int(seconds * RATE)):
        await asyncio.sleep(max(0.0, begun + number / RATE - time.monotonic()))
        publisher.send(command("publish", {"room": "lab", "event": "tick", "data": time.monotonic()}, ids))
    deadline = time.monotonic() + 30
    while len(found) < int(seconds * RATE) and time.monotonic() < deadline:  # noqa: ASYNC110 - listening goes on
        await asyncio.sleep(0.05)
    for client, task in ((publisher, draining), (member, listening)):
        client.writer.close()
        task.cancel()
    return sorted(found)


async def measure(port: int, kind: str, seconds: float) -> None:
    """Print one line of the table."""
    answers = ""
    if kind == ALONE:
        found = await latencies(port, seconds)
    else:
        process = subprocess.Popen(  # noqa: ASYNC220 - once for each attack
            [sys.executable, __file__, "--attack", kind, "--port", str(port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdin
        assert process.stdout
        await asyncio.to_thread(process.stdout.readline)
        found = await latencies(port, seconds)
        process.stdin.close()
        answers = f"{await asyncio.to_thread(process.stdout.read)}".strip()
        process.wait()
    if not found:
        print(f"{kind:16} no event arrived")
        return
    p50, p99 = statistics.median(found) * 1000, found[len(found) * 99 // 100] * 1000
    print(f"{kind:16} {len(found):5} events   p50 {p50:7.2f} ms   p99 {p99:7.2f} ms   {answers}", flush=True)


async def compare(port: int, kinds: list[str], seconds: float) -> None:
    await measure(port, ALONE, seconds)
    for number, kind in enumerate(kinds, 1):
        await measure(port, kind, seconds)
        if not number % 4 or number == len(kinds):
            await measure(port, ALONE, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(ATTACKS)}; all by default")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--attack", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        os.sched_setaffinity(0, {0})
        asyncio.run(serve(options.port))
    os.sched_setaffinity(0, {1})
    if options.attack:
        asyncio.run(attack(options.port, options.attack))
        return
    port = free_port()
    server = subprocess.Popen([sys.executable, __file__, "--serve", "--port", str(port)])
    try:
        wait_for(server, port)
        asyncio.run(compare(port, options.kinds or list(ATTACKS), options.seconds))
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    main()

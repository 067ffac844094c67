"""What members that never read cost the others: their latency, and the server's memory.

    python benchmarks/slow.py

500 members of a room get 20 events of 10 kB a second for some seconds: first all of them reading, then with one more
that does not, then with 256. What waits is shared, so the server's memory grows by what was sent, not by what waits for
each. Then the silent ones read, and must find every event. The server has processor 0, the members processor 1.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import statistics
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from peer import REQUEST
from serving import free_port, resident
from storm import SERVERS, Client, Storm, start

MEMBERS, RATE, SECONDS, SIZE = 500, 20, 10.0, 10_000


class Member(Client):
    """Joins the room and notes how long events were on their way."""

    latencies: list[float]

    def enter(self) -> None:
        super().enter()
        self.send('42["join","room"]')

    def packet(self, packet: str) -> None:
        super().packet(packet)
        if packet.startswith('42["msg"'):
            self.latencies.append(time.monotonic() - float(packet[9:].split("@")[1]))

    def connection_lost(self, exc: Exception | None) -> None:
        pass


async def publish(member: Member) -> None:
    """Publish at a steady rate."""
    filler = "x" * SIZE
    for _ in range(int(RATE * SECONDS)):
        member.send(f'42["pub","room","@{time.monotonic()}@{filler}"]')
        await asyncio.sleep(1 / RATE)


async def deaf(port: int) -> socket.socket:
    """Join the room and never read again."""
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await loop.sock_connect(sock, ("127.0.0.1", port))
    await loop.sock_sendall(sock, REQUEST)
    member = Member(Storm(port, 0))
    member.transport = Writer(sock)  # type: ignore[assignment]
    member.send("40")
    member.send('42["join","room"]')
    return sock


class Writer:
    """As much of a transport as a member that only writes needs."""

    def __init__(self, sock: socket.socket) -> None:
        self.write = sock.send


async def run(port: int, process: subprocess.Popen[bytes], silent: int) -> dict[str, Any]:
    """Measure with so many members that do not read."""
    storm = Storm(port, MEMBERS)
    members: list[Member] = []
    for _ in range(MEMBERS):
        _, member = await asyncio.get_running_loop().create_connection(lambda: Member(storm), "127.0.0.1", port)
        member.latencies = []
        members.append(member)
    await storm.until(MEMBERS)
    socks = [await deaf(port) for _ in range(silent)]
    await asyncio.sleep(1)
    before = resident(process.pid)
    await publish(members[0])
    await asyncio.sleep(1)
    grown = resident(process.pid) - before
    latencies = sorted(latency for member in members for latency in member.latencies)
    with ThreadPoolExecutor(max(1, silent)) as pool:  # all at once: they have 45 seconds
        found = list(pool.map(lambda sock: events_of(sock, int(RATE * SECONDS)), socks))
    for member in members:
        member.transport.close()
    return {
        "events": len(latencies),
        "p50_ms": round(statistics.median(latencies) * 1000, 2),
        "p99_ms": round(latencies[len(latencies) * 99 // 100] * 1000, 2),
        "memory_mb": round(grown, 1),
        "found_later": sorted(set(found)),
    }


def events_of(sock: socket.socket, expected: int) -> int:
    """Read what waited for a member, and count its events."""
    data = bytearray()
    sock.settimeout(5)
    with contextlib.suppress(TimeoutError):
        while data.count(b'["msg"') < expected and (chunk := sock.recv(1 << 20)):
            data += chunk
    sock.close()
    return data.count(b'["msg"')


async def main() -> None:
    os.sched_setaffinity(0, {1})
    port = free_port()
    process = start(SERVERS["jupyter_rtmsg"], port)
    try:
        for silent in (0, 1, 256) * 2:
            print(f"{silent:3} do not read", await run(port, process, silent))
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    asyncio.run(main())

"""What a member that never reads costs the others: their latency, and the server's memory.

    python benchmarks/slow.py

100 members of a room get 100 events of 10 kB a second for some seconds, first all of them reading, then with one more
that does not. The server has processor 0, the members processor 1.
"""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import subprocess
import time
from typing import Any

from peer import REQUEST
from serving import free_port, resident
from storm import SERVERS, Client, Storm, start

MEMBERS, RATE, SECONDS, SIZE = 100, 100, 5.0, 10_000


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
    sock.setblocking(False)
    await loop.sock_connect(sock, ("127.0.0.1", port))
    await loop.sock_sendall(sock, REQUEST)
    await asyncio.sleep(0.2)
    member = Member(Storm(port, 0))
    member.transport = Writer(sock)  # type: ignore[assignment]
    member.send("40")
    member.send('42["join","room"]')
    return sock


class Writer:
    """As much of a transport as a member that only writes needs."""

    def __init__(self, sock: socket.socket) -> None:
        self.write = sock.send


async def run(port: int, process: subprocess.Popen[bytes], with_deaf: bool) -> dict[str, Any]:
    storm = Storm(port, MEMBERS)
    members: list[Member] = []
    for _ in range(MEMBERS):
        _, member = await asyncio.get_running_loop().create_connection(lambda: Member(storm), "127.0.0.1", port)
        member.latencies = []
        members.append(member)
    await storm.until(MEMBERS)
    sock = await deaf(port) if with_deaf else None
    before = resident(process.pid)
    await publish(members[0])
    await asyncio.sleep(0.5)
    grown = resident(process.pid) - before
    latencies = sorted(latency for member in members for latency in member.latencies)
    told = goodbye(sock) if sock else None
    for member in members:
        member.transport.close()
    return {
        "events": len(latencies),
        "p50_ms": round(statistics.median(latencies) * 1000, 2),
        "p99_ms": round(latencies[len(latencies) * 99 // 100] * 1000, 2),
        "memory_mb": round(grown, 1),
        "told": told,
    }


def goodbye(sock: socket.socket) -> str:
    """Read what the server had written to a member that did not read: the last word is why it was cut off."""
    sock.settimeout(10)
    data = b""
    while chunk := sock.recv(1 << 20):
        data += chunk
    code, reason = data[-2:], data.rpartition(b"too slow")
    return f"{len(data)} bytes, then: {(reason[1] + reason[2]).decode(errors='replace')}" if reason[1] else repr(code)


async def main() -> None:
    os.sched_setaffinity(0, {1})
    port = free_port()
    process = start(SERVERS["jupyter_rtmsg"], port)
    try:
        for with_deaf in (False, True, False, True):
            print("one does not read" if with_deaf else "all read         ", await run(port, process, with_deaf))
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    asyncio.run(main())
